//! `Choices`.

use serde_json::Value;

use super::fields::{Fields, Reader};
use super::flow;
use crate::jsonata;
use crate::path::Path;
use crate::tree::{Choice, Comparison, Condition, Operand, Order, QueryLanguage, Rule};

/// What joins conditions. How deep is limited by the reader of JSON, which stops at 128 levels.
const JOINTS: &[&str] = &["And", "Or", "Not"];

const ORDERS: &[(&str, Order)] = &[
    ("LessThanEquals", Order::LessThanEquals),
    ("GreaterThanEquals", Order::GreaterThanEquals),
    ("LessThan", Order::LessThan),
    ("GreaterThan", Order::GreaterThan),
    ("Equals", Order::Equals),
];

pub(super) fn read(fields: &Fields, language: QueryLanguage, reader: &mut Reader) -> Option<Choice> {
    let default = fields.text("Default", reader);
    if !fields.require(&["Choices"], reader) {
        return None;
    }
    let items = fields.array("Choices", reader)?;
    let mut rules = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let at = format!("{}[{i}]", fields.at("Choices"));
        let Some(item) = Fields::of(item, &at, reader) else { continue };
        rules.extend(rule(&item, language, i, reader));
    }
    Some(Choice { rules, default })
}

fn rule(item: &Fields, language: QueryLanguage, index: usize, reader: &mut Reader) -> Option<Rule> {
    let owner = format!("Choices[{index}]/");
    let condition = match language {
        QueryLanguage::JsonPath => condition(item, &["Next", "Comment", "Assign"], reader),
        QueryLanguage::Jsonata => {
            item.allow(&["Condition", "Next", "Comment", "Assign", "Output"], reader);
            expression(item, &owner, reader)
        }
    };
    let output = match language {
        QueryLanguage::JsonPath => None,
        QueryLanguage::Jsonata => flow::template(item, "Output", language, &owner, reader),
    };
    let assign = flow::assign(item, language, &owner, reader);
    if !item.require(&["Next"], reader) {
        return None;
    }
    let (next, comment) = (item.text("Next", reader)?, item.text("Comment", reader));
    Some(Rule { condition: condition?, next, comment, output, assign })
}

fn expression(item: &Fields, owner: &str, reader: &mut Reader) -> Option<Condition> {
    if !item.require(&["Condition"], reader) {
        return None;
    }
    let at = item.at("Condition");
    match item.get("Condition")? {
        Value::Bool(value) => Some(Condition::Always(*value)),
        Value::String(text) if jsonata::inner(text).is_some() => {
            flow::expression(text, &format!("{owner}Condition"), &at, reader).map(Condition::Expression)
        }
        _ => {
            reader.schema("Value must be a boolean or a JSONata expression", &at);
            None
        }
    }
}

/// A condition; `beside` are the fields that may stand beside what it compares.
fn condition(item: &Fields, beside: &[&str], reader: &mut Reader) -> Option<Condition> {
    let operators: Vec<&str> =
        item.map.keys().map(String::as_str).filter(|name| !beside.contains(name) && *name != "Variable").collect();
    let joint = operators.iter().copied().find(|name| JOINTS.contains(name));
    for name in &operators {
        if !JOINTS.contains(name) && comparison_kind(name).is_none() {
            reader.schema(format!("Field '{name}' is not supported"), &item.at);
            return None;
        }
    }
    if operators.len() != 1 {
        reader.schema("Exactly one comparison operator is required", &item.at);
        return None;
    }
    match joint {
        Some(name) if item.has("Variable") => {
            reader.schema(format!("Only one of these fields is supported: [Variable, {name}]"), &item.at);
            None
        }
        Some("Not") => {
            let inner = item.object("Not", reader)?;
            condition(&inner, &["Comment"], reader).map(|inner| Condition::Not(Box::new(inner)))
        }
        Some(name) => {
            let at = item.at(name);
            let mut all = Vec::new();
            for (i, inner) in item.array(name, reader)?.iter().enumerate() {
                let inner = Fields::of(inner, &format!("{at}[{i}]"), reader)?;
                all.push(condition(&inner, &["Comment"], reader)?);
            }
            Some(if name == "And" { Condition::And(all) } else { Condition::Or(all) })
        }
        None => {
            if !item.require(&["Variable"], reader) {
                return None;
            }
            let path = flow::path(item, "Variable", reader);
            let comparison = comparison(operators[0], item, reader);
            Some(Condition::Test(path?, comparison?))
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Compared {
    String(Order),
    Numeric(Order),
    Timestamp(Order),
    Boolean,
    Matches,
    Is,
}

/// What an operator compares, and whether its operand is at a path.
fn comparison_kind(name: &str) -> Option<(Compared, bool)> {
    match name {
        "StringMatches" => return Some((Compared::Matches, false)),
        "IsNull" | "IsPresent" | "IsNumeric" | "IsString" | "IsBoolean" | "IsTimestamp" => {
            return Some((Compared::Is, false));
        }
        _ => {}
    }
    let (plain, at_path) = name.strip_suffix("Path").map_or((name, false), |plain| (plain, true));
    let order = |prefix: &str| {
        let rest = plain.strip_prefix(prefix)?;
        ORDERS.iter().find(|(name, _)| *name == rest).map(|(_, order)| *order)
    };
    let compared = if plain == "BooleanEquals" {
        Compared::Boolean
    } else if let Some(order) = order("String") {
        Compared::String(order)
    } else if let Some(order) = order("Numeric") {
        Compared::Numeric(order)
    } else {
        Compared::Timestamp(order("Timestamp")?)
    };
    Some((compared, at_path))
}

fn comparison(name: &str, item: &Fields, reader: &mut Reader) -> Option<Comparison> {
    let (compared, at_path) = comparison_kind(name)?;
    let at = item.at(name);
    if let Some(value) = item.get(name).filter(|_| !at_path) {
        flow::warn_of_path(value, name, &at, reader);
    }
    Some(match compared {
        Compared::Is => is(name, item.boolean(name, reader)?)?,
        Compared::Matches => Comparison::StringMatches(item.text(name, reader)?),
        Compared::Boolean => {
            Comparison::Boolean(operand(name, at_path, item, reader, |reader| item.boolean(name, reader))?)
        }
        Compared::String(order) => {
            Comparison::String(order, operand(name, at_path, item, reader, |reader| item.text(name, reader))?)
        }
        Compared::Numeric(order) => {
            let number = |reader: &mut Reader| item.number(name, f64::NEG_INFINITY, f64::INFINITY, reader);
            Comparison::Numeric(order, operand(name, at_path, item, reader, number)?)
        }
        Compared::Timestamp(order) => {
            let moment = |reader: &mut Reader| {
                let moment = crate::moment::read(&item.text(name, reader)?);
                if moment.is_none() {
                    reader.schema("Value is not a valid timestamp", &at);
                }
                moment
            };
            Comparison::Timestamp(order, operand(name, at_path, item, reader, moment)?)
        }
    })
}

fn operand<T>(
    name: &str,
    at_path: bool,
    item: &Fields,
    reader: &mut Reader,
    value: impl FnOnce(&mut Reader) -> Option<T>,
) -> Option<Operand<T>> {
    if at_path {
        let path: Option<Path> = flow::path(item, name, reader);
        return path.map(Operand::Path);
    }
    value(reader).map(Operand::Value)
}

fn is(name: &str, value: bool) -> Option<Comparison> {
    Some(match name {
        "IsNull" => Comparison::IsNull(value),
        "IsPresent" => Comparison::IsPresent(value),
        "IsNumeric" => Comparison::IsNumeric(value),
        "IsString" => Comparison::IsString(value),
        "IsBoolean" => Comparison::IsBoolean(value),
        "IsTimestamp" => Comparison::IsTimestamp(value),
        _ => return None,
    })
}
