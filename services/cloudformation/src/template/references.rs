//! What a tree refers to.

use serde_json::Value;

use super::error::{FunctionFault, TemplateError};
use super::function::{self, Function};
use super::sub::{self, Piece};

/// One reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference<'t> {
    /// `Ref`, or `${Name}`.
    Name(&'t str),
    /// `Fn::GetAtt`.
    Attribute(&'t str),
    /// `${Name.Attribute}`, whole.
    SubAttribute(&'t str),
    /// The condition of `Fn::If`.
    If(&'t str),
    /// The map of `Fn::FindInMap`, where it is literal.
    Mapping(&'t str),
}

impl<'t> Reference<'t> {
    /// The resource (or parameter) referred to, if it is one of these.
    pub(super) fn name(&self) -> Option<&'t str> {
        match self {
            Self::Name(name) | Self::Attribute(name) => Some(name),
            Self::SubAttribute(whole) => whole.split('.').next(),
            Self::If(_) | Self::Mapping(_) => None,
        }
    }
}

/// Which branch of an `Fn::If` counts: `None` for both.
pub(super) type Choose<'c> = &'c dyn Fn(&str) -> Option<bool>;

/// Both branches.
pub(super) fn both(_condition: &str) -> Option<bool> {
    None
}

/// Collects the references of `value`, and checks the form of the functions that make them.
pub(super) fn collect<'t>(
    value: &'t Value,
    choose: Choose<'_>,
    found: &mut Vec<Reference<'t>>,
) -> Result<(), TemplateError> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| collect(item, choose, found)),
        Value::Object(map) => match function::call(map)? {
            None => map.values().try_for_each(|value| collect(value, choose, found)),
            Some((function, argument)) => of_call(function, argument, choose, found),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn of_call<'t>(
    function: Function,
    argument: &'t Value,
    choose: Choose<'_>,
    found: &mut Vec<Reference<'t>>,
) -> Result<(), TemplateError> {
    match function {
        Function::Ref => {
            found.push(Reference::Name(argument.as_str().ok_or(FunctionFault::Ref)?));
            Ok(())
        }
        Function::GetAtt => {
            let (resource, attribute) = function::get_att(argument)?;
            found.push(Reference::Attribute(resource));
            collect(attribute, choose, found)
        }
        Function::Sub => {
            let (text, names) = sub::argument(argument)?;
            for piece in sub::pieces(text)? {
                match piece {
                    Piece::Variable(name) if names.is_some_and(|names| names.contains_key(name)) => {}
                    Piece::Variable(name) if name.contains('.') => found.push(Reference::SubAttribute(name)),
                    Piece::Variable(name) => found.push(Reference::Name(name)),
                    Piece::Text(_) => {}
                }
            }
            names.map_or(Ok(()), |names| names.values().try_for_each(|value| collect(value, choose, found)))
        }
        Function::If => {
            let (condition, yes, no) = function::if_parts(argument)?;
            found.push(Reference::If(condition));
            let chosen = choose(condition);
            if chosen != Some(false) {
                collect(yes, choose, found)?;
            }
            if chosen != Some(true) {
                collect(no, choose, found)?;
            }
            Ok(())
        }
        Function::FindInMap => {
            if let Some([Value::String(map), _, _, rest @ ..]) = argument.as_array().map(Vec::as_slice)
                && rest.is_empty()
            {
                found.push(Reference::Mapping(map));
            }
            collect(argument, choose, found)
        }
        _ => collect(argument, choose, found),
    }
}
