//! What the functions do.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::Function;
use super::evaluate::Why;
use crate::chance::{self, Stream};
use crate::scope::Outside;

/// The longest text that is encoded, decoded or hashed, in characters.
const LONGEST_TEXT: usize = 10_000;

/// The most items that `States.ArrayRange` makes.
const MOST_ITEMS: i64 = 1_000;

/// The largest array that is partitioned or searched, in bytes of JSON.
const MOST_BYTES: usize = 262_144;

type Answer = Result<Value, Why>;

pub(super) fn apply(function: Function, arguments: &[Value], outside: &dyn Outside) -> Answer {
    // How many arguments there are was seen when the call was read.
    let at = |i: usize| arguments.get(i).unwrap_or(&Value::Null);
    match function {
        Function::Format => format(arguments),
        Function::StringToJson => {
            serde_json::from_str(text(at(0))?).map_err(|e| Why::from(format!("the string is no JSON: {e}")))
        }
        Function::JsonToString => Ok(Value::String(at(0).to_string())),
        Function::Array => Ok(Value::Array(arguments.to_vec())),
        Function::ArrayPartition => partition(at(0), at(1)),
        Function::ArrayContains => {
            let items = small_array(at(0))?;
            Ok(items.iter().any(|item| same(item, at(1))).into())
        }
        Function::ArrayRange => range(whole(at(0))?, whole(at(1))?, whole(at(2))?),
        Function::ArrayGetItem => item(array(at(0))?, at(1)),
        Function::ArrayLength => Ok(array(at(0))?.len().into()),
        Function::ArrayUnique => Ok(unique(array(at(0))?)),
        Function::Base64Encode => Ok(STANDARD.encode(short_text(at(0))?).into()),
        Function::Base64Decode => match STANDARD.decode(short_text(at(0))?) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned().into()),
            Err(_) => Err("the string is not valid Base64".into()),
        },
        Function::Hash => hash(at(0), text(at(1))?),
        Function::JsonMerge => merge(at(0), at(1), at(2)),
        Function::MathRandom => random(at(0), at(1), arguments.get(2), outside),
        Function::MathAdd => add(at(0), at(1)),
        Function::StringSplit => split(text(at(0))?, text(at(1))?),
        Function::Uuid => {
            let mut seed = [0; 32];
            outside.fill(&mut seed);
            Ok(Stream::new(seed).uuid().into())
        }
    }
}

fn text(value: &Value) -> Result<&str, Why> {
    value.as_str().ok_or_else(|| format!("a string was expected, but there is {value}").into())
}

fn short_text(value: &Value) -> Result<&str, Why> {
    let text = text(value)?;
    if text.chars().count() > LONGEST_TEXT {
        return Err(format!("the string has more than {LONGEST_TEXT} characters").into());
    }
    Ok(text)
}

fn array(value: &Value) -> Result<&Vec<Value>, Why> {
    value.as_array().ok_or_else(|| format!("an array was expected, but there is {value}").into())
}

fn small_array(value: &Value) -> Result<&Vec<Value>, Why> {
    let items = array(value)?;
    if value.to_string().len() > MOST_BYTES {
        return Err("the array is larger than 256 KiB".into());
    }
    Ok(items)
}

/// A whole number; others are rounded to the next one.
fn whole(value: &Value) -> Result<i64, Why> {
    if let Some(whole) = value.as_i64() {
        return Ok(whole);
    }
    let float = value.as_f64().ok_or_else(|| Why::from(format!("a number was expected, but there is {value}")))?;
    let rounded = (float + 0.5).floor();
    if rounded.abs() >= 9e15 {
        return Err(format!("the number {value} is too large").into());
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole, and in range")]
    Ok(rounded as i64)
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

/// `{}` are the arguments in their order, `\{` a brace.
fn format(arguments: &[Value]) -> Answer {
    let Some((template, mut values)) = arguments.split_first() else { return Err("a template is missing".into()) };
    // A template that a path gives has no escapes of a call, and the same ones of its own.
    let template = text(template)?;
    let mut filled = String::new();
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if matches!(chars.peek(), Some('{' | '}' | '\\' | '\'')) => filled.extend(chars.next()),
            '{' if chars.peek() == Some(&'}') => {
                chars.next();
                let Some((value, rest)) = values.split_first() else { return Err(counts()) };
                values = rest;
                match value {
                    Value::String(text) => filled.push_str(text),
                    other => filled.push_str(&other.to_string()),
                }
            }
            '{' | '}' => {
                return Err(format!("the template '{template}' has a '{c}' that is neither '{{}}' nor escaped").into());
            }
            c => filled.push(c),
        }
    }
    if values.is_empty() { Ok(filled.into()) } else { Err(counts()) }
}

fn counts() -> Why {
    "the number of arguments does not match the occurrences of '{}' in the template".into()
}

fn partition(value: &Value, size: &Value) -> Answer {
    let items = small_array(value)?;
    let size = usize::try_from(whole(size)?).ok().filter(|size| *size > 0);
    let size = size.ok_or_else(|| Why::from("the size of a chunk must be a positive integer"))?;
    Ok(items.chunks(size).map(|chunk| Value::Array(chunk.to_vec())).collect())
}

fn range(first: i64, last: i64, step: i64) -> Answer {
    if step == 0 {
        return Err("the increment must not be zero".into());
    }
    let distance = i128::from(last) - i128::from(first);
    let count = distance / i128::from(step) + 1;
    if distance != 0 && (distance > 0) != (step > 0) {
        return Ok(Value::Array(Vec::new()));
    }
    if count > i128::from(MOST_ITEMS) {
        return Err(format!("the array would have more than {MOST_ITEMS} items").into());
    }
    let count = i64::try_from(count).unwrap_or(0);
    Ok((0..count).map(|i| Value::from(first + i * step)).collect())
}

fn item(items: &[Value], index: &Value) -> Answer {
    let found = index.as_u64().and_then(|index| items.get(usize::try_from(index).ok()?));
    found.cloned().ok_or_else(|| format!("the index {index} is out of the array's bounds").into())
}

fn unique(items: &[Value]) -> Value {
    let mut unique: Vec<Value> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for item in items {
        // Objects are the same whatever the order of their fields is: these are compared one by one.
        let plain = !item.is_object() && !item.is_array();
        let new = if plain { seen.insert(item.to_string()) } else { !unique.iter().any(|other| same(other, item)) };
        if new {
            unique.push(item.clone());
        }
    }
    Value::Array(unique)
}

fn hash(data: &Value, algorithm: &str) -> Answer {
    let digest = match data {
        Value::String(_) => chance::digest(short_text(data)?, algorithm),
        other => {
            let text = Value::String(other.to_string());
            chance::digest(short_text(&text)?, algorithm)
        }
    };
    let unknown = || format!("the algorithm '{algorithm}' is none of MD5, SHA-1, SHA-256, SHA-384 and SHA-512");
    digest.map(Value::String).ok_or_else(|| unknown().into())
}

fn merge(left: &Value, right: &Value, deep: &Value) -> Answer {
    let (Value::Object(left), Value::Object(right)) = (left, right) else {
        return Err("two JSON objects were expected".into());
    };
    match deep {
        Value::Bool(false) => {
            let mut merged: Map<String, Value> = left.clone();
            merged.extend(right.iter().map(|(name, value)| (name.clone(), value.clone())));
            Ok(Value::Object(merged))
        }
        Value::Bool(true) => Err("deep merging is not supported: the third argument must be false".into()),
        other => Err(format!("a boolean was expected, but there is {other}").into()),
    }
}

fn random(start: &Value, end: &Value, seed: Option<&Value>, outside: &dyn Outside) -> Answer {
    let (start, end) = (whole(start)?, whole(end)?);
    let wide = i128::from(end) - i128::from(start);
    let Some(width) = u64::try_from(wide).ok().filter(|width| *width > 0) else {
        return Err("the end must be greater than the start".into());
    };
    let mut stream = match seed {
        #[expect(clippy::cast_precision_loss, reason = "two seeds may begin the same stream")]
        Some(seed) => Stream::seeded(whole(seed)? as f64),
        None => {
            let mut seed = [0; 32];
            outside.fill(&mut seed);
            Stream::new(seed)
        }
    };
    let found = i128::from(start) + i128::from(stream.below(width));
    Ok(i64::try_from(found).map_or(Value::Null, Value::from))
}

fn add(a: &Value, b: &Value) -> Answer {
    let small = |value: &Value| {
        let number = whole(value)?;
        i32::try_from(number)
            .map_err(|_| Why::from(format!("the number {value} is not between -2147483648 and 2147483647")))
    };
    Ok(Value::from(i64::from(small(a)?) + i64::from(small(b)?)))
}

/// Each character of the splitter splits; what is empty is left out.
fn split(text: &str, splitter: &str) -> Answer {
    if splitter.is_empty() {
        return Err("the splitter is empty".into());
    }
    Ok(text.split(|c| splitter.contains(c)).filter(|part| !part.is_empty()).map(Value::from).collect())
}
