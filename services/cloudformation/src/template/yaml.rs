//! YAML as CloudFormation reads it: version 1.1 scalars, the short forms of functions, no aliases, no merges.
//!
//! The parser gives events, so an alias is seen before anything is expanded: no document can grow in memory.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Number, Value};

use super::error::TemplateError;
use super::source::{MAX_DEPTH, Source};

/// The functions that have a short form, which is `!` and the name after `Fn::`.
const SHORT_FORMS: [&str; 21] = [
    "And",
    "Base64",
    "Cidr",
    "Contains",
    "EachMemberEquals",
    "EachMemberIn",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
    "Transform",
];

/// A collection that is not closed yet.
struct Open {
    function: Option<String>,
    items: Items,
}

enum Items {
    List(Vec<Value>),
    Map { map: Map<String, Value>, key: Option<String> },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    duplicate_keys: Vec<String>,
    done: Option<Value>,
}

pub(super) fn read(text: &str) -> Result<Source, TemplateError> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| not_well_formed(&error))?;
        match event {
            // A second document would be lost.
            Event::DocumentStart(_) if builder.done.is_some() => return Err(fault(&span, "more than one document")),
            event => builder.take(event, &span)?,
        }
    }
    Ok(Source { tree: builder.done.unwrap_or(Value::Null), duplicate_keys: builder.duplicate_keys })
}

fn not_well_formed(error: &ScanError) -> TemplateError {
    let marker = error.marker();
    TemplateError::Yaml { line: marker.line(), column: marker.col() + 1, detail: error.info().to_owned() }
}

fn fault(span: &Span, detail: impl Into<String>) -> TemplateError {
    TemplateError::Yaml { line: span.start.line(), column: span.start.col() + 1, detail: detail.into() }
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), TemplateError> {
        match event {
            Event::Alias(_) => Err(TemplateError::Alias),
            Event::Scalar(text, style, _, tag) => {
                let value = scalar(&text, style, tag.as_deref(), span)?;
                self.place(value, span)
            }
            Event::SequenceStart(_, tag) => self.open(tag.as_deref(), Items::List(Vec::new()), span),
            Event::MappingStart(_, tag) => self.open(tag.as_deref(), Items::Map { map: Map::new(), key: None }, span),
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn open(&mut self, tag: Option<&Tag>, items: Items, span: &Span) -> Result<(), TemplateError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(TemplateError::TooDeep { limit: MAX_DEPTH });
        }
        let function = match tag {
            None => None,
            Some(tag) if tag.handle == "!" => Some(function(&tag.suffix).ok_or_else(|| unknown(tag, span))?),
            Some(tag) if ["map", "seq"].contains(&core(tag)) => None,
            Some(tag) => return Err(unknown(tag, span)),
        };
        self.open.push(Open { function, items });
        Ok(())
    }

    fn close(&mut self, span: &Span) -> Result<(), TemplateError> {
        let Some(open) = self.open.pop() else { return Err(fault(span, "a collection ends that did not begin")) };
        let value = match open.items {
            Items::List(items) => Value::Array(items),
            Items::Map { map, .. } => Value::Object(map),
        };
        let value = match open.function {
            None => value,
            Some(function) => call(&function, value),
        };
        self.place(value, span)
    }

    fn place(&mut self, value: Value, span: &Span) -> Result<(), TemplateError> {
        let Some(open) = self.open.last_mut() else {
            self.done = Some(value);
            return Ok(());
        };
        match &mut open.items {
            Items::List(items) => items.push(value),
            Items::Map { map, key } => match key.take() {
                None => *key = Some(text_of_key(value).ok_or_else(|| fault(span, "a key must be a scalar"))?),
                Some(name) => {
                    if map.contains_key(&name) {
                        self.duplicate_keys.push(name.clone());
                    }
                    map.insert(name, value);
                }
            },
        }
        Ok(())
    }
}

/// Keys are text whatever they look like: `80: x` has the key `80`.
fn text_of_key(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn function(short: &str) -> Option<String> {
    match short {
        "Ref" | "Condition" => Some(short.to_owned()),
        _ if SHORT_FORMS.contains(&short) => Some(format!("Fn::{short}")),
        _ => None,
    }
}

fn unknown(tag: &Tag, span: &Span) -> TemplateError {
    fault(span, format!("unknown tag {}{}", tag.handle, tag.suffix))
}

/// The name of a tag of YAML's own, such as `str` for `!!str`.
fn core(tag: &Tag) -> &str {
    match tag.handle.as_str() {
        "tag:yaml.org,2002:" | "!!" => &tag.suffix,
        _ => "",
    }
}

fn call(function: &str, argument: Value) -> Value {
    let argument = match (function, argument) {
        // `!GetAtt A.B.C` is the attribute `B.C` of `A`.
        ("Fn::GetAtt", Value::String(text)) => match text.split_once('.') {
            Some((resource, attribute)) => Value::Array(vec![resource.into(), attribute.into()]),
            None => Value::Array(vec![text.into()]),
        },
        (_, argument) => argument,
    };
    let mut map = Map::new();
    map.insert(function.to_owned(), argument);
    Value::Object(map)
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Result<Value, TemplateError> {
    match tag {
        Some(tag) if tag.handle == "!" && tag.suffix.is_empty() => Ok(text.into()),
        Some(tag) if tag.handle == "!" => {
            let function = function(&tag.suffix).ok_or_else(|| unknown(tag, span))?;
            Ok(call(&function, text.into()))
        }
        Some(tag) => match core(tag) {
            "str" => Ok(text.into()),
            "int" | "float" | "bool" | "null" => Ok(plain(text)),
            _ => Err(unknown(tag, span)),
        },
        None if style == ScalarStyle::Plain => Ok(plain(text)),
        None => Ok(text.into()),
    }
}

/// A plain scalar by the rules of YAML 1.1, but for timestamps, which CloudFormation does not know, and numbers to
/// the base of sixty, which would turn `22:22` into something nobody wrote.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    number(text).map_or_else(|| text.into(), Value::Number)
}

fn number(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let plain: String = digits.chars().filter(|character| *character != '_').collect();
    let signed = |magnitude: u64| {
        if negative { i64::try_from(magnitude).ok().map(|value| Number::from(-value)) } else { Some(magnitude.into()) }
    };
    let radix = |prefix: &str, radix| plain.strip_prefix(prefix).and_then(|rest| parse_radix(rest, radix));
    if let Some(magnitude) = radix("0x", 16).or_else(|| radix("0b", 2)) {
        return signed(magnitude);
    }
    if plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|byte| byte.is_ascii_digit()) {
        // Octal, or (with an 8 or 9 in it, as account ids have) no number at all.
        return parse_radix(&plain[1..], 8).and_then(signed);
    }
    if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return plain.parse().ok().and_then(signed);
    }
    decimal(&plain).and_then(|value| Number::from_f64(if negative { -value } else { value }))
}

fn parse_radix(digits: &str, radix: u32) -> Option<u64> {
    let unsigned = digits.chars().all(|character| character.is_digit(radix));
    if unsigned { u64::from_str_radix(digits, radix).ok() } else { None }
}

/// A number with a point: without one, `1e3` is text in YAML 1.1.
fn decimal(text: &str) -> Option<f64> {
    let (whole, rest) = text.split_once('.')?;
    let (fraction, exponent) =
        rest.split_once(['e', 'E']).map_or((rest, None), |(fraction, rest)| (fraction, Some(rest)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let some = !whole.is_empty() || !fraction.is_empty();
    let exponent_valid = exponent
        .is_none_or(|exponent| exponent.strip_prefix(['+', '-']).is_some_and(|rest| !rest.is_empty() && digits(rest)));
    if some && digits(whole) && digits(fraction) && exponent_valid { text.parse().ok() } else { None }
}
