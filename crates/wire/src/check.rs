//! Constraints: required, length, range, pattern and enum, checked over a request's tree, all violations at once.

use crate::decode::Decoded;
use crate::schema::{Bounds, Location, Member, Range, Shape, Size, Structure, Text};
use crate::value::{Fields, Value};

/// One constraint that a request breaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Where: `attributeDefinitions.1.member.attributeName`.
    pub path: String,
    /// The value as AWS shows it; `None` for null.
    pub value: Option<String>,
    /// Which constraint.
    pub constraint: Constraint,
}

/// A constraint of the API's model.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    /// It is required.
    Required,
    /// `Member must have length greater than or equal to N`, or less.
    MinLength(u64),
    /// At most so long.
    MaxLength(u64),
    /// At least so large.
    Min(i64),
    /// At most so large.
    Max(i64),
    /// At least so large, with a fraction.
    Least(f64),
    /// At most so large, with a fraction.
    Most(f64),
    /// Matches the pattern.
    Pattern(&'static str),
    /// One of the values.
    Values(&'static [&'static str]),
}

impl Constraint {
    /// The sentence AWS has for it.
    pub fn sentence(&self) -> String {
        match self {
            Self::Required => "Member must not be null".to_owned(),
            Self::MinLength(n) => format!("Member must have length greater than or equal to {n}"),
            Self::MaxLength(n) => format!("Member must have length less than or equal to {n}"),
            Self::Min(n) => format!("Member must have value greater than or equal to {n}"),
            Self::Max(n) => format!("Member must have value less than or equal to {n}"),
            Self::Least(n) => format!("Member must have value greater than or equal to {n:?}"),
            Self::Most(n) => format!("Member must have value less than or equal to {n:?}"),
            Self::Pattern(p) => format!("Member must satisfy regular expression pattern: {p}"),
            Self::Values(values) => format!("Member must satisfy enum value set: [{}]", values.join(", ")),
        }
    }
}

impl Violation {
    /// `Value 'x' at 'name' failed to satisfy constraint: Member must …`
    pub fn sentence(&self) -> String {
        let value = self.value.as_ref().map_or("null".to_owned(), |v| format!("'{v}'"));
        // AWS quotes every value but null.
        format!("Value {value} at '{}' failed to satisfy constraint: {}", self.path, self.constraint.sentence())
    }
}

/// AWS's usual message for a list of violations.
pub fn message(violations: &[Violation]) -> String {
    let count = violations.len();
    let plural = if count == 1 { "" } else { "s" };
    let sentences: Vec<_> = violations.iter().map(Violation::sentence).collect();
    format!("{count} validation error{plural} detected: {}", sentences.join("; "))
}

/// All constraints that the request breaks, in the model's order.
pub fn violations(decoded: &Decoded) -> Vec<Violation> {
    let mut check = Check { path: String::new(), found: Vec::new() };
    check.structure(&decoded.input);
    check.found
}

/// The members that the request sets and the service does not honour, each with the reason.
pub fn ignored(fields: &Fields, out: &mut Vec<(&'static str, &'static str)>) {
    for (index, value) in &fields.set {
        if let Some(Member { name, ignored: Some(reason), .. }) = fields.schema.members.get(usize::from(*index)) {
            out.push((name, reason));
        }
        ignored_in(value, out);
    }
}

/// The first member that the request sets and the service refuses, with the reason. Setting nothing (false, an empty
/// list) asks for nothing.
pub fn refused(fields: &Fields) -> Option<(&'static str, &'static str)> {
    fields.set.iter().find_map(|(index, value)| {
        let asks = match value {
            Value::Boolean(set) => *set,
            Value::List(items) => !items.is_empty(),
            Value::Map(entries) => !entries.is_empty(),
            _ => true,
        };
        match fields.schema.members.get(usize::from(*index)) {
            Some(Member { name, refused: Some(reason), .. }) if asks => Some((*name, *reason)),
            _ => refused_in(value),
        }
    })
}

fn refused_in(value: &Value) -> Option<(&'static str, &'static str)> {
    match value {
        Value::Structure(fields) => refused(fields),
        Value::List(items) => items.iter().find_map(refused_in),
        Value::Map(entries) => entries.values().find_map(refused_in),
        _ => None,
    }
}

fn ignored_in(value: &Value, out: &mut Vec<(&'static str, &'static str)>) {
    match value {
        Value::Structure(fields) => ignored(fields, out),
        Value::List(items) => items.iter().for_each(|v| ignored_in(v, out)),
        Value::Map(entries) => entries.values().for_each(|v| ignored_in(v, out)),
        _ => {}
    }
}

/// A step of a path.
#[derive(Clone, Copy)]
enum Part<'a> {
    Member(&'a str),
    Item(usize),
    Key(&'a str),
}

struct Check {
    path: String,
    found: Vec<Violation>,
}

impl Check {
    fn report(&mut self, value: Option<String>, constraint: Constraint) {
        self.found.push(Violation { path: self.path.clone(), value, constraint });
    }

    /// Runs `inner` with `part` at the end of the path.
    fn at(&mut self, part: Part<'_>, inner: impl FnOnce(&mut Self)) {
        let before = self.path.len();
        if before > 0 {
            self.path.push('.');
        }
        match part {
            Part::Member(name) => push_camel(name, &mut self.path),
            Part::Item(number) => self.path.push_str(&format!("{number}.member")),
            Part::Key(key) => {
                self.path.push_str(key);
                self.path.push_str(".member");
            }
        }
        inner(self);
        self.path.truncate(before);
    }

    fn structure(&mut self, fields: &Fields) {
        let schema: &'static Structure = fields.schema;
        for (index, member) in (0u16..).zip(schema.members) {
            let value = fields.set.iter().find(|(i, _)| *i == index);
            match value {
                Some((_, value)) if needs_check(&member.shape) => {
                    self.at(Part::Member(member.name), |c| c.value(value, &member.shape));
                }
                Some(_) => {}
                // An absent payload is an empty one; labels cannot be absent.
                None if member.required && !member.streaming && member.location != Location::Label => {
                    self.at(Part::Member(member.name), |c| c.report(None, Constraint::Required));
                }
                None => {}
            }
        }
    }

    fn value(&mut self, value: &Value, shape: &Shape) {
        match (value, shape) {
            (Value::String(s), Shape::String(of)) => self.text(s, of),
            (Value::Blob(b), Shape::Blob(size)) => {
                self.size(b.len(), *size, || format!("java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", b.len()));
            }
            (Value::Integer(i), Shape::Integer(range) | Shape::Long(range)) => self.range(*i, *range),
            (Value::Double(d), Shape::Float(bounds) | Shape::Double(bounds)) => self.bounds(*d, *bounds),
            (Value::Structure(fields), _) => self.structure(fields),
            (Value::List(items), Shape::List(of)) => {
                self.size(items.len(), of.size, || show(value));
                for (n, item) in items.iter().enumerate() {
                    self.at(Part::Item(n + 1), |c| c.value(item, &of.item));
                }
            }
            (Value::Map(entries), Shape::Map(of)) => {
                self.size(entries.len(), of.size, || show(value));
                for (key, item) in entries {
                    self.text(key, of.key);
                    self.at(Part::Key(key), |c| c.value(item, &of.value));
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str, of: &'static Text) {
        let shown = || if of.sensitive { "***Sensitive Data Redacted***".to_owned() } else { text.to_owned() };
        if !of.values.is_empty() && !of.values.contains(&text) {
            self.report(Some(shown()), Constraint::Values(of.values));
        }
        if of.size != Size::ANY {
            // AWS counts UTF-16 units, as Java does.
            let units = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
            self.size(units, of.size, shown);
        }
        if let Some(pattern) = of.pattern
            && !matches_pattern(of, pattern, text)
        {
            self.report(Some(shown()), Constraint::Pattern(pattern));
        }
    }

    fn size(&mut self, length: usize, size: Size, shown: impl Fn() -> String) {
        let length = length as u64;
        if let Some(max) = size.max.filter(|max| length > *max) {
            self.report(Some(shown()), Constraint::MaxLength(max));
        }
        if let Some(min) = size.min.filter(|min| length < *min) {
            self.report(Some(shown()), Constraint::MinLength(min));
        }
    }

    fn range(&mut self, value: i64, range: Range) {
        if let Some(max) = range.max.filter(|max| value > *max) {
            self.report(Some(value.to_string()), Constraint::Max(max));
        }
        if let Some(min) = range.min.filter(|min| value < *min) {
            self.report(Some(value.to_string()), Constraint::Min(min));
        }
    }

    /// What is not a number is within no bounds.
    fn bounds(&mut self, value: f64, bounds: Bounds) {
        if let Some(max) = bounds.max.filter(|max| value.is_nan() || value > *max) {
            self.report(Some(format!("{value:?}")), Constraint::Most(max));
        }
        if let Some(min) = bounds.min.filter(|min| value.is_nan() || value < *min) {
            self.report(Some(format!("{value:?}")), Constraint::Least(min));
        }
    }
}

fn needs_check(shape: &Shape) -> bool {
    match shape {
        Shape::String(of) => !of.values.is_empty() || of.pattern.is_some() || of.size != Size::ANY,
        Shape::Blob(size) => *size != Size::ANY,
        Shape::Integer(range) | Shape::Long(range) => *range != Range::ANY,
        Shape::Float(bounds) | Shape::Double(bounds) => *bounds != Bounds::ANY,
        Shape::List(_) | Shape::Map(_) | Shape::Structure(_) => true,
        _ => false,
    }
}

fn matches_pattern(of: &'static Text, pattern: &'static str, text: &str) -> bool {
    of.compiled.get_or_init(|| crate::pattern::Pattern::new(pattern)).matches(text)
}

/// The name as AWS's messages have it: the first letter small.
fn camel(name: &str) -> String {
    let mut out = String::new();
    push_camel(name, &mut out);
    out
}

fn push_camel(name: &str, out: &mut String) {
    let mut chars = name.chars();
    if let Some(first) = chars.next() {
        out.extend(first.to_lowercase());
        out.push_str(chars.as_str());
    }
}

/// A list or map as AWS's messages show it.
fn show(value: &Value) -> String {
    match value {
        Value::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries: Vec<_> = entries.iter().map(|(k, v)| format!("{k}={}", show(v))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Structure(fields) => {
            let members = fields.set.iter().filter_map(|(i, v)| {
                fields.schema.members.get(usize::from(*i)).map(|m| format!("{}={}", camel(m.name), show(v)))
            });
            format!("{}({})", fields.schema.name, members.collect::<Vec<_>>().join(", "))
        }
        Value::String(s) => s.clone(),
        Value::Integer(i) => i.to_string(),
        Value::Boolean(b) => b.to_string(),
        // As Java shows it: `2.0`.
        Value::Double(d) => format!("{d:?}"),
        Value::Timestamp(t) => t.to_string(),
        _ => String::new(),
    }
}
