//! JSONata: expressions in `{% … %}`, evaluated by the crate `jsonata-core`.

mod evaluate;
mod functions;
mod values;

use std::fmt;
use std::sync::Arc;

use jsonata_core::ast::AstNode;
use serde_json::Value;

use crate::failure::Failure;

pub(crate) use values::Bindings;

/// An expression, and the field in which it stands.
#[derive(Clone)]
pub struct Expression {
    text: String,
    field: String,
    tree: Arc<AstNode>,
}

/// Why a text is no expression: the error of JSONata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadExpression(pub String);

/// How deep parentheses, brackets and braces may stand in each other. Evaluation stops earlier.
const DEEPEST_TEXT: usize = 200;

impl Expression {
    /// Reads what stands between `{%` and `%}` in a field (`Arguments/Input/x`).
    ///
    /// # Errors
    /// When it is no expression.
    pub fn parse(text: &str, field: &str) -> Result<Self, BadExpression> {
        let text = text.trim();
        let mut depth = 0_usize;
        for c in text.chars() {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > DEEPEST_TEXT {
                return Err(BadExpression("Expression is nested too deep".to_owned()));
            }
        }
        let tree = jsonata_core::parser::parse(text).map_err(|e| BadExpression(coded(&e.to_string())))?;
        Ok(Self { text: text.to_owned(), field: field.to_owned(), tree: Arc::new(tree) })
    }

    /// As it was written, without its braces.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The field in which it stands.
    pub fn field(&self) -> &str {
        &self.field
    }
}

/// An error of the evaluator from its code on, where it has one.
fn coded(message: &str) -> String {
    if message == "Unclosed comment" {
        return "S0106: Comment has no closing tag".to_owned();
    }
    let code = |at: usize| {
        let rest = message.as_bytes().get(at..at + 6)?;
        let coded = rest[0].is_ascii_uppercase() && rest[1..5].iter().all(u8::is_ascii_digit) && rest[5] == b':';
        coded.then_some(at)
    };
    let begins = (0..message.len().min(60)).find_map(code).and_then(|at| message.get(at..));
    begins.unwrap_or(message).to_owned()
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.field == other.field
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{% {} %}}", self.text)
    }
}

/// What stands between `{%` and `%}`, if a text is an expression.
pub(crate) fn inner(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}")
}

/// An expression gives a value of a kind that its field does not take.
pub(crate) fn unexpected(expression: &Expression, wanted: &str, value: &Value) -> Failure {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let Expression { text, field, .. } = expression;
    Failure::query(
        format!(
            "The JSONata expression '{text}' specified for the field '{field}' returned an unexpected result type. \
             Expected '{wanted}', but was '{kind}' for value: {value}"
        ),
        field,
    )
}
