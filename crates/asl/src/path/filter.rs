//! `[?(…)]`: which items are meant.

use std::cmp::Ordering;

use regex::Regex;
use serde_json::{Number, Value};

use super::find::{Found, Roots};
use super::parse::{Reader, bad};
use super::{BadPath, Path};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    /// Something is there.
    Exists(Path),
    Compare(Term, Operator, Term),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    Path(Path),
    Value(Value),
    Pattern(Pattern),
}

#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equals,
    Differs,
    Less,
    AtMost,
    More,
    AtLeast,
    Matches,
    In,
    NotIn,
    SubsetOf,
    AnyOf,
    NoneOf,
    Contains,
    Size,
    Empty,
}

/// Longer ones first, where one begins with another.
const OPERATORS: &[(&str, Operator)] = &[
    ("===", Operator::Equals),
    ("==", Operator::Equals),
    ("!==", Operator::Differs),
    ("!=", Operator::Differs),
    ("=~", Operator::Matches),
    ("<=", Operator::AtMost),
    ("<", Operator::Less),
    (">=", Operator::AtLeast),
    (">", Operator::More),
];

const WORDS: &[(&str, Operator)] = &[
    ("in", Operator::In),
    ("nin", Operator::NotIn),
    ("subsetof", Operator::SubsetOf),
    ("anyof", Operator::AnyOf),
    ("noneof", Operator::NoneOf),
    ("contains", Operator::Contains),
    ("size", Operator::Size),
    ("empty", Operator::Empty),
];

/// Reads what follows `?`.
pub(super) fn read(reader: &mut Reader) -> Result<Filter, BadPath> {
    let mut left = conjunction(reader)?;
    loop {
        reader.spaces();
        if !reader.eat("||") {
            return Ok(left);
        }
        left = Filter::Or(Box::new(left), Box::new(conjunction(reader)?));
    }
}

fn conjunction(reader: &mut Reader) -> Result<Filter, BadPath> {
    let mut left = single(reader)?;
    loop {
        reader.spaces();
        if !reader.eat("&&") {
            return Ok(left);
        }
        left = Filter::And(Box::new(left), Box::new(single(reader)?));
    }
}

fn single(reader: &mut Reader) -> Result<Filter, BadPath> {
    reader.spaces();
    if reader.peek() == Some('!') {
        reader.at += 1;
        reader.deeper()?;
        let inner = single(reader)?;
        reader.depth -= 1;
        return Ok(Filter::Not(Box::new(inner)));
    }
    if reader.eat("(") {
        reader.deeper()?;
        let inner = read(reader)?;
        reader.depth -= 1;
        reader.spaces();
        return if reader.eat(")") { Ok(inner) } else { Err(bad("')' is missing in a filter")) };
    }
    let left = term(reader)?;
    reader.spaces();
    let Some(operator) = operator(reader) else {
        return match left {
            Term::Path(path) => Ok(Filter::Exists(path)),
            _ => Err(bad("a filter compares something")),
        };
    };
    reader.spaces();
    let right = term(reader)?;
    if (operator == Operator::Matches) != matches!(right, Term::Pattern(_)) || matches!(left, Term::Pattern(_)) {
        return Err(bad("a pattern stands on the right of =~"));
    }
    Ok(Filter::Compare(left, operator, right))
}

fn operator(reader: &mut Reader) -> Option<Operator> {
    if let Some((_, operator)) = OPERATORS.iter().find(|(word, _)| reader.eat(word)) {
        return Some(*operator);
    }
    let start = reader.at;
    let word = reader.take_while(|c| c.is_ascii_alphabetic()).to_ascii_lowercase();
    let known = WORDS.iter().find(|(name, _)| *name == word).map(|(_, operator)| *operator);
    if known.is_none() {
        reader.at = start;
    }
    known
}

fn term(reader: &mut Reader) -> Result<Term, BadPath> {
    match reader.peek() {
        Some('$' | '@') => Ok(Term::Path(reader.path(true)?)),
        Some('/') => pattern(reader),
        _ => Ok(Term::Value(literal(reader)?)),
    }
}

fn pattern(reader: &mut Reader) -> Result<Term, BadPath> {
    reader.at += 1;
    let rest = reader.rest();
    let mut escaped = false;
    let end = rest.find(|c| {
        let ends = c == '/' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let Some(end) = end else { return Err(bad("a pattern ends with '/'")) };
    let text = rest[..end].replace("\\/", "/");
    reader.at += end + 1;
    let flags = reader.take_while(|c| matches!(c, 'i' | 'm' | 's' | 'x' | 'u' | 'd'));
    let flags: String = flags.chars().filter(|c| matches!(c, 'i' | 'm' | 's' | 'x')).collect();
    // The whole text must match, as with Java's `matches`.
    let whole = if flags.is_empty() { format!("^(?:{text})$") } else { format!("(?{flags})^(?:{text})$") };
    let regex = Regex::new(&whole).map_err(|_| bad(format!("'{text}' is no pattern")))?;
    Ok(Term::Pattern(Pattern(regex)))
}

fn literal(reader: &mut Reader) -> Result<Value, BadPath> {
    if matches!(reader.peek(), Some('\'' | '"')) {
        return reader.quoted().map(Value::String);
    }
    if reader.eat("[") {
        return list(reader);
    }
    let word = reader.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+'));
    match word {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        "null" => Ok(Value::Null),
        word => match word.parse::<Number>() {
            Ok(number) => Ok(Value::Number(number)),
            Err(_) => Err(bad(format!("cannot read a value at position {}", reader.at))),
        },
    }
}

fn list(reader: &mut Reader) -> Result<Value, BadPath> {
    reader.deeper()?;
    let mut items = Vec::new();
    reader.spaces();
    while !reader.eat("]") {
        if !items.is_empty() && !reader.eat(",") {
            return Err(bad("',' or ']' is missing in a list"));
        }
        reader.spaces();
        items.push(literal(reader)?);
        reader.spaces();
    }
    reader.depth -= 1;
    Ok(Value::Array(items))
}

impl Filter {
    pub(super) fn holds(&self, roots: &Roots<'_>, item: &Value) -> bool {
        match self {
            Self::And(a, b) => a.holds(roots, item) && b.holds(roots, item),
            Self::Or(a, b) => a.holds(roots, item) || b.holds(roots, item),
            Self::Not(inner) => !inner.holds(roots, item),
            Self::Exists(path) => match path.find_from(&at(roots), item) {
                Found::One(_) => true,
                Found::Many(found) => !found.is_empty(),
                Found::Nothing(_) => false,
            },
            Self::Compare(left, operator, right) => compare(left, *operator, right, &at(roots), item),
        }
    }

    pub(super) fn paths<'a>(&'a self, with: &mut dyn FnMut(&'a Path)) {
        match self {
            Self::And(a, b) | Self::Or(a, b) => {
                a.paths(with);
                b.paths(with);
            }
            Self::Not(inner) => inner.paths(with),
            Self::Exists(path) => with(path),
            Self::Compare(left, _, right) => {
                for term in [left, right] {
                    if let Term::Path(path) = term {
                        with(path);
                    }
                }
            }
        }
    }
}

/// The same roots with a life as short as the item's.
fn at<'a>(roots: &Roots<'a>) -> Roots<'a> {
    *roots
}

fn compare(left: &Term, operator: Operator, right: &Term, roots: &Roots<'_>, item: &Value) -> bool {
    let value = |term: &Term| match term {
        Term::Value(value) => Some(value.clone()),
        Term::Path(path) => path.find_from(roots, item).into_value().ok(),
        Term::Pattern(_) => None,
    };
    let Some(a) = value(left) else { return operator == Operator::Differs };
    if let Term::Pattern(pattern) = right {
        return a.as_str().is_some_and(|text| pattern.0.is_match(text));
    }
    let Some(b) = value(right) else { return operator == Operator::Differs };
    match operator {
        Operator::Equals => same(&a, &b),
        Operator::Differs => !same(&a, &b),
        Operator::Less => order(&a, &b) == Some(Ordering::Less),
        Operator::AtMost => matches!(order(&a, &b), Some(Ordering::Less | Ordering::Equal)),
        Operator::More => order(&a, &b) == Some(Ordering::Greater),
        Operator::AtLeast => matches!(order(&a, &b), Some(Ordering::Greater | Ordering::Equal)),
        Operator::In => b.as_array().is_some_and(|items| has(items, &a)),
        Operator::NotIn => b.as_array().is_some_and(|items| !has(items, &a)),
        Operator::SubsetOf => both(&a, &b).is_some_and(|(a, b)| a.iter().all(|x| has(b, x))),
        Operator::AnyOf => both(&a, &b).is_some_and(|(a, b)| a.iter().any(|x| has(b, x))),
        Operator::NoneOf => both(&a, &b).is_some_and(|(a, b)| !a.iter().any(|x| has(b, x))),
        Operator::Contains => match &a {
            Value::Array(items) => has(items, &b),
            Value::String(text) => b.as_str().is_some_and(|part| text.contains(part)),
            _ => false,
        },
        Operator::Size => length(&a).is_some() && length(&a) == b.as_u64(),
        Operator::Empty => length(&a).is_some_and(|length| Some(length == 0) == b.as_bool()),
        Operator::Matches => false,
    }
}

fn both<'a>(a: &'a Value, b: &'a Value) -> Option<(&'a Vec<Value>, &'a Vec<Value>)> {
    Some((a.as_array()?, b.as_array()?))
}

fn has(items: &[Value], value: &Value) -> bool {
    items.iter().any(|item| same(item, value))
}

fn length(value: &Value) -> Option<u64> {
    match value {
        Value::Array(items) => u64::try_from(items.len()).ok(),
        Value::String(text) => u64::try_from(text.chars().count()).ok(),
        _ => None,
    }
}

/// Numbers are the same when their values are, however they are written.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
