//! The text of `Fn::Sub`, taken apart.

use serde_json::{Map, Value};

use super::error::{FunctionFault, TemplateError};

/// A piece of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    Variable(&'t str),
}

/// A text and the local names it may use.
type TextAndNames<'t> = (&'t str, Option<&'t Map<String, Value>>);

/// The text and the local names of an argument of `Fn::Sub`.
pub(super) fn argument(argument: &Value) -> Result<TextAndNames<'_>, TemplateError> {
    match argument {
        Value::String(text) => Ok((text, None)),
        Value::Array(items) => match items.as_slice() {
            [Value::String(text), Value::Object(names)] => Ok((text, Some(names))),
            _ => Err(FunctionFault::Sub.into()),
        },
        _ => Err(FunctionFault::Sub.into()),
    }
}

/// Splits at `${Name}`. `${!Name}` is the text `${Name}`, and a `${` without end is text too.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start + 2..].find('}') else { break };
        let (name, end) = (&rest[start + 2..start + 2 + length], start + 3 + length);
        if let Some(literal) = name.strip_prefix('!') {
            pieces.push(Piece::Text(&rest[..start + 2]));
            pieces.push(Piece::Text(literal));
            pieces.push(Piece::Text("}"));
        } else {
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':');
            if name.is_empty() || !name.bytes().all(valid) {
                return Err(FunctionFault::SubVariable.into());
            }
            pieces.push(Piece::Text(&rest[..start]));
            pieces.push(Piece::Variable(name));
        }
        rest = &rest[end..];
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}
