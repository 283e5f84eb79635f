//! JSON that users give, and what is wrong with it in the words of the parser that the service uses (Jackson's).

use serde_json::Value;
use serde_json::error::Category;

/// Why a text is no JSON, and where that was seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadJson {
    /// Why.
    pub message: String,
    /// The line, from 1.
    pub line: usize,
    /// The column behind what was read, from 1.
    pub column: usize,
}

/// What may stand where a value begins.
const VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// Reads a JSON document.
///
/// # Errors
/// When it is none, as the service says it: of an execution's input, in `InvalidExecutionInput`.
pub fn parse_json(text: &str) -> Result<Value, BadJson> {
    serde_json::from_str(text).map_err(|error| explain(text, &error))
}

pub(crate) fn explain(text: &str, error: &serde_json::Error) -> BadJson {
    let line = error.line().max(1);
    if error.classify() == Category::Eof {
        return BadJson { message: "Unexpected end-of-input".to_owned(), line, column: error.column() + 1 };
    }
    let whole = text.lines().nth(line - 1).unwrap_or("");
    let at = error.column().max(1) - 1;
    let (before, rest) = whole.split_at_checked(at).unwrap_or((whole, ""));
    let told = error.to_string();
    let about = |what: &str| told.starts_with(what);
    if about("expected value") || about("expected ident") {
        // The reader may have stopped within a word.
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let begin = before.len() - before.chars().rev().take_while(|c| is_word(*c)).map(char::len_utf8).sum::<usize>();
        let word: String = whole[begin..].chars().take_while(|c| is_word(*c)).collect();
        if word.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            let message = format!("Unrecognized token '{word}': was expecting {VALUES}");
            return BadJson { message, line, column: begin + word.len() + 1 };
        }
    }
    let expected = if about("expected value") {
        format!("expected a valid value {VALUES}")
    } else if about("key must be a string") || about("trailing comma") {
        "was expecting double-quote to start field name".to_owned()
    } else if about("expected `,` or `}`") {
        "was expecting comma to separate Object entries".to_owned()
    } else if about("expected `,` or `]`") {
        "was expecting comma to separate Array entries".to_owned()
    } else if about("expected `:`") {
        "was expecting a colon to separate field name and value".to_owned()
    } else {
        return BadJson { message: told, line, column: error.column() };
    };
    let c = rest.chars().next().unwrap_or(' ');
    let message = format!("Unexpected character ('{c}' (code {})): {expected}", u32::from(c));
    BadJson { message, line, column: error.column() + 1 }
}
