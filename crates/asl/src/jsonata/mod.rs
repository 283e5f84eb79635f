//! JSONata: expressions in `{% … %}`, evaluated by the crate `jsonata-core`.

mod evaluate;
mod functions;
mod guard;
mod moments;
mod references;
mod values;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use serde_json::Value;

use crate::failure::Failure;

pub(crate) use references::Reference;
pub(crate) use values::Bindings;

/// An expression, and the field in which it stands.
#[derive(Clone)]
pub struct Expression {
    text: String,
    field: String,
    tree: Arc<AstNode>,
    /// The tree that is evaluated.
    guarded: Arc<AstNode>,
    /// Whether the two differ.
    measured: bool,
}

/// Why a text is no expression: the error of JSONata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadExpression(pub String);

/// What the parser needs in a build without optimisation.
const PARSER_STACK: usize = 64 << 20;

impl Expression {
    /// Reads what stands between `{%` and `%}` in a field (`Arguments/Input/x`).
    ///
    /// # Errors
    /// When it is no expression.
    pub fn parse(text: &str, field: &str) -> Result<Self, BadExpression> {
        let text = text.trim();
        // The parser stops at a thousand levels, for which a thread's own stack may be too small.
        stacker::maybe_grow(PARSER_STACK, PARSER_STACK, || Self::read(text, field))
    }

    fn read(text: &str, field: &str) -> Result<Self, BadExpression> {
        let tree = jsonata_core::parser::parse(text).map_err(|e| BadExpression(coded(&e.to_string())))?;
        let guarded = guard::rewrite(tree.clone());
        let measured = guarded != tree;
        let (tree, guarded) = (Arc::new(tree), Arc::new(guarded));
        Ok(Self { text: text.to_owned(), field: field.to_owned(), tree, guarded, measured })
    }

    /// What it reads that is not in itself.
    pub(crate) fn references(&self) -> Vec<Reference> {
        references::of(&self.tree)
    }

    /// Whether a name is that of a function of JSONata, passed on without a call.
    pub(crate) fn is_function(&self, name: &str) -> bool {
        functions::is_known(name)
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
    let message = begins.unwrap_or(message);
    match message.get(..5) {
        Some("D1011") => "Stack overflow error: Check for non-terminating recursive function.  Consider rewriting as \
             tail-recursive. Depth=101 max=100"
            .to_owned(),
        Some("D1012") => "Expression evaluation timeout: Check for infinite loop".to_owned(),
        Some("T1006") => "T1006: Attempted to invoke a non-function".to_owned(),
        Some("S0202" | "S0203" | "S0211") => symbols(message),
        // The reference implementation has the operator in quotes.
        Some("T2001" | "T2002") => match (message.find(" of the "), message.find(" operator ")) {
            (Some(from), Some(to)) if from + 8 < to => {
                format!("{} of the \"{}\"{}", &message[..from], &message[from + 8..to], &message[to..])
            }
            _ => message.to_owned(),
        },
        _ => message.to_owned(),
    }
}

/// The evaluator calls symbols by their names, and the reference implementation shows them.
fn symbols(message: &str) -> String {
    let names = [
        ("RightBracket", "]"),
        ("LeftBracket", "["),
        ("RightBrace", "}"),
        ("LeftBrace", "{"),
        ("RightParen", ")"),
        ("LeftParen", "("),
        ("Comma", ","),
        ("Colon", ":"),
        ("Semicolon", ";"),
        ("Dot", "."),
        ("Question", "?"),
        ("Pipe", "|"),
        ("Equal", "="),
        ("NotEqual", "!="),
        ("LessThanOrEqual", "<="),
        ("GreaterThanOrEqual", ">="),
        ("LessThan", "<"),
        ("GreaterThan", ">"),
        ("Plus", "+"),
        ("Star", "*"),
        ("Slash", "/"),
        ("Percent", "%"),
        ("Ampersand", "&"),
        ("At", "@"),
        ("Hash", "#"),
        ("Caret", "^"),
        ("ColonEqual", ":="),
        ("And", "and"),
        ("Or", "or"),
        ("In", "in"),
        ("Range", ".."),
        ("Arrow", "~>"),
        ("Minus", "-"),
    ];
    let word = |word: &str| {
        let bare = word.trim_end_matches(',');
        let symbol = names.iter().find(|(name, _)| *name == bare).map(|(_, symbol)| *symbol);
        symbol.map_or_else(|| word.to_owned(), |symbol| format!("\"{symbol}\"{}", &word[bare.len()..]))
    };
    message.split(' ').map(word).collect::<Vec<_>>().join(" ")
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

/// Evaluates a call of the evaluator's own functions.
///
/// `shared`: what functions among the values may call.
fn within(
    call: &str,
    named: &[(&str, Option<&JValue>)],
    shared: Option<&Rc<functions::Shared>>,
) -> Result<JValue, EvaluatorError> {
    let mut context = Context::new();
    for (name, value) in named {
        context.bind((*name).to_owned(), (*value).cloned().unwrap_or(JValue::Undefined));
    }
    let tree = jsonata_core::parser::parse(call).map_err(|e| EvaluatorError::EvaluationError(e.to_string()))?;
    let mut evaluator = Evaluator::with_options(context, evaluate::options(true));
    if let Some(shared) = shared {
        functions::add(&mut evaluator, shared, false)?;
    }
    evaluator.evaluate(&tree, &JValue::Undefined)
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
