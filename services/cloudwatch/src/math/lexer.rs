//! The words of an expression.

use super::Wrong;

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    /// A name of a query or a function, or a word such as `ASC`.
    Name(String),
    /// Between quotation marks of either kind.
    Text(String),
    /// An operator, a bracket, a comma.
    Sign(&'static str),
}

/// Longer ones first, so that `<=` is not taken for `<`.
const SIGNS: &[&str] =
    &["==", "!=", "<=", ">=", "&&", "||", "+", "-", "*", "/", "^", "<", ">", "(", ")", "[", "]", ","];

/// The words of a text.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let mut rest = text.trim_start();
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first.is_ascii_digit() || first == '.' {
            number(rest)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            (word(&rest[..length]), length)
        } else if first == '\'' || first == '"' {
            let end = rest[1..].find(first).ok_or_else(|| Wrong::new("A text has no end"))?;
            (Token::Text(rest[1..=end].to_owned()), end + 2)
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| Wrong(format!("Unexpected character: {first}")))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// Names stand for themselves, but for the two operators that are words.
fn word(text: &str) -> Token {
    match text {
        "AND" => Token::Sign("&&"),
        "OR" => Token::Sign("||"),
        name => Token::Name(name.to_owned()),
    }
}

/// `5`, `0.5`, `1e6`
fn number(text: &str) -> Result<(Token, usize), Wrong> {
    let digits = |from: usize| text[from..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |n| from + n);
    let mut end = digits(0);
    if text[end..].starts_with('.') {
        end = digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    let number = text[..end].parse().map_err(|_| Wrong(format!("Not a number: {}", &text[..end])))?;
    Ok((Token::Number(number), end))
}
