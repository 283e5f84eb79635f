//! Reading a pattern, with AWS's words for what is wrong.

use std::net::IpAddr;

use serde_json::{Map, Value as Json};

use crate::complexity;
use crate::matcher::{Matcher, Network};
use crate::number::{Amount, End, Range};
use crate::wildcard::Wildcard;
use crate::{Field, Invalid, Leaf, Node};

/// Where the alternatives stand.
const OR: &str = "$or";

/// Names that an alternative may not have, lest it is taken for what a value must be.
const RESERVED: [&str; 9] =
    ["exactly", "prefix", "suffix", "equals-ignore-case", "numeric", "cidr", "wildcard", "exists", "anything-but"];

type Result<T> = std::result::Result<T, Invalid>;

fn invalid<T>(why: impl Into<String>) -> Result<T> {
    Err(Invalid(why.into()))
}

pub(crate) fn pattern(text: &str) -> Result<Node> {
    let json: Json = serde_json::from_str(text).map_err(|error| Invalid(unread(text, &error)))?;
    match json {
        Json::Object(fields) => node(&fields, &mut Vec::new()),
        // Whoever reads it is behind the first token by then.
        _ => invalid(format!("Filter is not an object{}", at(text, 1, 2))),
    }
}

/// What AWS says of a place in the text.
fn at(text: &str, line: usize, column: usize) -> String {
    format!("\n at [Source: (String)\"{text}\"; line: {line}, column: {column}]")
}

/// What AWS says of a text that is no JSON.
fn unread(text: &str, error: &serde_json::Error) -> String {
    let word: String = text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if !word.is_empty() && word.chars().next().is_some_and(char::is_alphabetic) {
        let begun = text.chars().take_while(|c| c.is_whitespace()).count();
        let tokens = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
        let place = at(text, 1, begun + word.chars().count() + 1);
        return format!("Unrecognized token '{word}': was expecting {tokens}{place}");
    }
    let (line, column) = (error.line(), error.column());
    let found = text.lines().nth(line.saturating_sub(1)).and_then(|l| l.chars().nth(column.saturating_sub(1)));
    match found {
        Some(found) if !error.is_eof() => format!(
            "Unexpected character ('{found}' (code {})): was expecting double-quote to start field name{}",
            u32::from(found),
            at(text, line, column)
        ),
        _ => format!("Unexpected end-of-input{}", at(text, line, column)),
    }
}

/// The fields of an object, under these names.
fn node(fields: &Map<String, Json>, names: &mut Vec<String>) -> Result<Node> {
    if fields.is_empty() {
        return invalid("Empty objects are not allowed");
    }
    let mut node = Node::default();
    for (name, value) in fields {
        if name == OR
            && let Some(alternatives) = alternatives(value)
        {
            let nodes = alternatives.into_iter().map(|fields| self::node(fields, names));
            node.either.push(nodes.collect::<Result<_>>()?);
            continue;
        }
        names.push(name.clone());
        let field = match value {
            Json::Object(fields) => Field::Inside(self::node(fields, names)?),
            Json::Array(values) => Field::Leaf(leaf(values, names)?),
            _ => return invalid(format!("\"{name}\" must be an object or an array")),
        };
        names.pop();
        node.fields.push((name.clone(), field));
    }
    Ok(node)
}

/// The objects of which one must hold. `None`: it is a field that happens to have that name.
fn alternatives(value: &Json) -> Option<Vec<&Map<String, Json>>> {
    let objects: Vec<_> = value.as_array()?.iter().map(Json::as_object).collect::<Option<_>>()?;
    let own = |fields: &&Map<String, Json>| fields.keys().any(|name| RESERVED.contains(&name.as_str()));
    (objects.len() >= 2 && !objects.iter().any(own)).then_some(objects)
}

fn leaf(values: &[Json], names: &[String]) -> Result<Leaf> {
    if values.is_empty() {
        return invalid("Empty arrays are not allowed");
    }
    let mut leaf = Leaf { any: Vec::new(), absent: None };
    for value in values {
        match value {
            Json::Object(fields) if fields.get("exists") == Some(&Json::Bool(false)) && fields.len() == 1 => {
                leaf.absent = Some(names.to_vec());
            }
            Json::Object(fields) => leaf.any.push(expression(fields)?),
            Json::Array(_) => return invalid("Match value must be String, number, true, false, or null"),
            value => leaf.any.push(exactly(value)),
        }
    }
    if complexity::is_too_complex(leaf.any.iter().flat_map(wildcards)) {
        return invalid(TOO_COMPLEX);
    }
    Ok(leaf)
}

const TOO_COMPLEX: &str = "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character";

/// The wildcards of a matcher.
fn wildcards(matcher: &Matcher) -> Vec<&Wildcard> {
    match matcher {
        Matcher::Wildcard(wildcard) => vec![wildcard],
        Matcher::AnythingBut(all) => all.iter().flat_map(wildcards).collect(),
        _ => Vec::new(),
    }
}

fn exactly(value: &Json) -> Matcher {
    Amount::of(value).map_or_else(|| Matcher::Exactly(value.clone()), Matcher::Number)
}

/// `{"prefix": "a"}`
fn expression(fields: &Map<String, Json>) -> Result<Matcher> {
    let Some((name, value)) = fields.iter().next() else { return invalid("Empty objects are not allowed") };
    let text = |kind: &str| text(value, &format!("{kind} match pattern must be a string"));
    let matcher = match name.as_str() {
        "exactly" => Matcher::Exactly(Json::from(text("exact")?)),
        "prefix" => match ignoring_case(value)? {
            Some(prefix) => Matcher::PrefixIgnoringCase(prefix),
            None => Matcher::Prefix(text("prefix")?),
        },
        "suffix" => match ignoring_case(value)? {
            Some(suffix) => Matcher::SuffixIgnoringCase(suffix),
            None => Matcher::Suffix(text("suffix")?),
        },
        "equals-ignore-case" => Matcher::EqualsIgnoringCase(text("equals-ignore-case")?.to_lowercase()),
        "wildcard" => Matcher::Wildcard(Wildcard::parse(&text("wildcard")?)?),
        "numeric" => numeric(value)?,
        "cidr" => Matcher::Cidr(network(&text("prefix")?)?),
        "anything-but" => Matcher::AnythingBut(anything_but(value)?),
        "exists" if value.is_boolean() => Matcher::Exists,
        "exists" => return invalid("exists match pattern must be either true or false."),
        other => return invalid(format!("Unrecognized match type {other}")),
    };
    if fields.len() > 1 { invalid("Only one key allowed in match expression") } else { Ok(matcher) }
}

fn text(value: &Json, otherwise: &str) -> Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| Invalid(otherwise.to_owned()))
}

/// What stands in `{"equals-ignore-case": "a"}`, in small letters.
fn ignoring_case(value: &Json) -> Result<Option<String>> {
    let Some(fields) = value.as_object() else { return Ok(None) };
    match fields.iter().next() {
        Some((name, value)) if name == "equals-ignore-case" && fields.len() == 1 => {
            text(value, "equals-ignore-case match pattern must be a string").map(|t| Some(t.to_lowercase()))
        }
        Some((name, _)) => invalid(format!("Unsupported prefix/suffix pattern: {name}")),
        None => invalid("Empty objects are not allowed"),
    }
}

/// `[">", 0, "<=", 5]`
fn numeric(value: &Json) -> Result<Matcher> {
    let Some(parts) = value.as_array() else { return invalid("Value of numeric must be an array.") };
    let (pairs, rest) = parts.as_chunks::<2>();
    let mut range = Range::default();
    for (n, [operator, value]) in pairs.iter().enumerate() {
        let Some(operator) = operator.as_str() else {
            return invalid(format!("Invalid member in numeric match: {operator}"));
        };
        if !["=", ">", ">=", "<", "<="].contains(&operator) {
            return invalid(format!("Unrecognized numeric range operator: {operator}"));
        }
        let Some(number) = value.as_number() else {
            return invalid(format!("Value of {} must be numeric", if operator == "=" { "equals" } else { operator }));
        };
        let Some(at) = Amount::new(number) else {
            return invalid("Value must be between -5.0E9 and 5.0E9, inclusive");
        };
        let end = Some(End { at, included: operator.ends_with('=') });
        match (n, operator) {
            (0, "=") if parts.len() == 2 => return Ok(Matcher::Number(at)),
            (0, "=") => return invalid("Too many terms in numeric range expression"),
            (0, ">" | ">=") => range.above = end,
            (0, _) if parts.len() > 2 => return invalid("Too many terms in numeric range expression"),
            (0, _) => range.below = end,
            (1, "<" | "<=") if range.above.is_some_and(|above| above.at < at) => range.below = end,
            (1, "<" | "<=") => return invalid("Bottom must be less than top"),
            (1, _) => return invalid(format!("Bad numeric range operator: {operator}")),
            _ => return invalid("Too many terms in numeric range expression"),
        }
    }
    if pairs.is_empty() || !rest.is_empty() {
        return invalid("Invalid member in numeric match: ]");
    }
    Ok(Matcher::Numeric(range))
}

fn network(text: &str) -> Result<Network> {
    let parts: Vec<&str> = text.split('/').collect();
    let [address, bits] = parts.as_slice() else { return invalid("Malformed CIDR, one '/' required") };
    let Ok(bits) = bits.parse::<i64>() else { return invalid("Malformed CIDR, mask bits must be an integer") };
    let Ok(address) = address.parse::<IpAddr>() else { return invalid(format!("Nonstandard IP address: {address}")) };
    if bits < 0 {
        return invalid("Malformed CIDR, mask bits must not be negative");
    }
    let most = if address.is_ipv4() { "IPv4 mask bits must be < 32" } else { "IPv6 mask bits must be < 128" };
    u32::try_from(bits).ok().and_then(|bits| Network::new(address, bits)).ok_or_else(|| Invalid(most.to_owned()))
}

/// What it must not be: values, or ways to begin, to end or to be written.
fn anything_but(value: &Json) -> Result<Vec<Matcher>> {
    match value {
        Json::Object(fields) => {
            let Some((name, value)) = fields.iter().next().filter(|_| fields.len() == 1) else {
                return invalid("Only one key allowed in match expression");
            };
            let ways: Vec<&Json> = value.as_array().map_or_else(|| vec![value], |values| values.iter().collect());
            if ways.is_empty() {
                return invalid("Empty arrays are not allowed");
            }
            ways.into_iter().map(|value| anything_but_way(name, value)).collect()
        }
        Json::Array(values) => {
            let number = values.iter().all(Json::is_number);
            if values.iter().any(|v| !v.is_number() && !v.is_string()) {
                return invalid("Inside anything but list, start|null|boolean is not supported.");
            }
            if values.is_empty() {
                return invalid("Empty arrays are not allowed");
            }
            if !number && !values.iter().all(Json::is_string) {
                return invalid(
                    "Inside anything but list, either all values are number or string, mixed type is not supported",
                );
            }
            Ok(values.iter().map(exactly).collect())
        }
        Json::String(_) | Json::Number(_) => Ok(vec![exactly(value)]),
        Json::Bool(_) | Json::Null => invalid("Inside anything but list, start|null|boolean is not supported."),
    }
}

fn anything_but_way(name: &str, value: &Json) -> Result<Matcher> {
    let place = if value.is_string() { "" } else { name };
    if place == "equals-ignore-case" || place == "wildcard" {
        return invalid(format!("Inside anything-but/{name} list, number|start|null|boolean is not supported."));
    }
    let text = text(value, "prefix/suffix match pattern must be a string")?;
    match name {
        "prefix" | "suffix" if text.is_empty() => invalid("Null prefix/suffix not allowed"),
        "prefix" => Ok(Matcher::Prefix(text)),
        "suffix" => Ok(Matcher::Suffix(text)),
        "equals-ignore-case" => Ok(Matcher::EqualsIgnoringCase(text.to_lowercase())),
        "wildcard" => Wildcard::parse(&text).map(Matcher::Wildcard),
        other => invalid(format!("Unsupported anything-but pattern: {other}")),
    }
}
