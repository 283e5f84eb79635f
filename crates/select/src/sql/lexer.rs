//! Text to words.

use std::fmt;

use crate::error::{Code, Error, Result};
use crate::types::{Decimal, Timestamp, Value};

use super::keywords::keyword;
use super::tree::Position;

/// What a word is.
#[derive(Debug, Clone)]
pub(super) enum Token {
    Identifier(String),
    /// In double quotes.
    Quoted(String),
    /// In lower case.
    Keyword(&'static str),
    Literal(Value),
    Operator(&'static str),
    /// `( ) [ ] { } , . : ;` and `*`, which is an operator too.
    Sign(char),
    End,
}

/// A word, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) token: Token,
    pub(super) at: Position,
}

impl fmt::Display for Token {
    /// As S3's messages show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identifier(name) => write!(f, "IDENTIFIER:{name}"),
            Self::Quoted(name) => write!(f, "QUOTED_IDENTIFIER:'{name}'"),
            Self::Keyword(word) => write!(f, "KEYWORD:{word}"),
            Self::Literal(value) => write!(f, "LITERAL:{}", literal(value)),
            Self::Operator(operator) => write!(f, "OPERATOR:'{operator}'"),
            Self::Sign(sign) => write!(f, "{}:'{sign}'", sign_name(*sign)),
            Self::End => f.write_str("EOF"),
        }
    }
}

impl Token {
    /// Its kind, without what is written.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Identifier(_) => "IDENTIFIER",
            Self::Quoted(_) => "QUOTED_IDENTIFIER",
            Self::Keyword(_) => "KEYWORD",
            Self::Literal(_) => "LITERAL",
            Self::Operator(_) => "OPERATOR",
            Self::Sign(sign) => sign_name(*sign),
            Self::End => "EOF",
        }
    }
}

fn sign_name(sign: char) -> &'static str {
    match sign {
        '(' => "LEFT_PAREN",
        ')' => "RIGHT_PAREN",
        '[' => "LEFT_BRACKET",
        ']' => "RIGHT_BRACKET",
        '{' => "LEFT_CURLY",
        '}' => "RIGHT_CURLY",
        ',' => "COMMA",
        '.' => "DOT",
        ':' => "COLON",
        '*' => "STAR",
        _ => "SEMICOLON",
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Decimal(value) => value.ion(),
        Value::Timestamp(value) => value.to_string(),
        Value::String(value) => format!("\"{value}\""),
        _ => "null".to_owned(),
    }
}

struct Lexer<'a> {
    rest: &'a str,
    at: Position,
}

/// All words of a text, and the end.
pub(super) fn words(text: &str) -> Result<Vec<Word>> {
    let mut lexer = Lexer { rest: text, at: Position { line: 1, column: 1 } };
    let mut words = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let at = lexer.at;
        let token = lexer.token()?;
        let last = matches!(token, Token::End);
        words.push(Word { token, at });
        if last {
            return Ok(words);
        }
    }
}

impl<'a> Lexer<'a> {
    /// Takes so many bytes off the front.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        for c in taken.chars() {
            if c == '\n' {
                self.at = Position { line: self.at.line + 1, column: 1 };
            } else {
                self.at.column += 1;
            }
        }
        self.rest = rest;
        taken
    }

    fn invalid(&self) -> Error {
        Error::new(Code::LexerInvalidChar, format!("Invalid character at {}.", self.at))
    }

    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            let blanks = self.rest.len() - self.rest.trim_start().len();
            self.take(blanks);
            if self.rest.starts_with("--") {
                self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                let end = self.rest.find("*/").ok_or_else(|| self.invalid())?;
                self.take(end + 2);
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token> {
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        let digit_follows = self.rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        Ok(match first {
            'a'..='z' | 'A'..='Z' | '_' | '$' => self.word(),
            '0'..='9' => self.number()?,
            '.' if digit_follows => self.number()?,
            '\'' => Token::Literal(Value::String(self.quoted('\'')?)),
            '"' => Token::Quoted(self.quoted('"')?),
            '`' => {
                let at = self.at;
                let text = self.quoted('`')?;
                Token::Literal(
                    ion(&text).ok_or_else(|| {
                        Error::new(Code::LexerInvalidIonLiteral, format!("Invalid Ion literal at {at}."))
                    })?,
                )
            }
            '(' | ')' | '[' | ']' | '{' | '}' | ',' | '.' | ':' | ';' | '*' => {
                self.take(1);
                Token::Sign(first)
            }
            _ => self.operator()?,
        })
    }

    fn word(&mut self) -> Token {
        let inside = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
        let length = self.rest.find(|c| !inside(c)).unwrap_or(self.rest.len());
        let word = self.take(length);
        match keyword(word) {
            Some("true") => Token::Literal(Value::Bool(true)),
            Some("false") => Token::Literal(Value::Bool(false)),
            Some("null") => Token::Literal(Value::Null),
            Some("missing") => Token::Literal(Value::Missing),
            Some(keyword) => Token::Keyword(keyword),
            None => Token::Identifier(word.to_owned()),
        }
    }

    fn number(&mut self) -> Result<Token> {
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| bytes[from.min(bytes.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut length = digits(0);
        if bytes.get(length) == Some(&b'.') {
            length += 1 + digits(length + 1);
        }
        if matches!(bytes.get(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(length + 1), Some(b'-' | b'+')));
            let exponent = digits(length + 1 + sign);
            if exponent > 0 {
                length += 1 + sign + exponent;
            }
        }
        let at = self.at;
        let wrong = || Error::new(Code::LexerInvalidLiteral, format!("Invalid literal at {at}."));
        // `1x` is neither a number nor a name.
        if bytes.get(length).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') {
            return Err(wrong());
        }
        let text = self.take(length);
        if let Ok(int) = text.parse::<i64>() {
            return Ok(Token::Literal(Value::Int(int)));
        }
        let value = Decimal::parse(text).ok_or_else(wrong)??;
        Ok(Token::Literal(Value::Decimal(value)))
    }

    /// Text between quotes, in which a quote stands twice.
    fn quoted(&mut self, quote: char) -> Result<String> {
        let mut text = String::new();
        self.take(1);
        loop {
            let Some(end) = self.rest.find(quote) else {
                self.take(self.rest.len());
                return Err(self.invalid());
            };
            text.push_str(self.take(end));
            self.take(1);
            if !self.rest.starts_with(quote) {
                return Ok(text);
            }
            self.take(1);
            text.push(quote);
        }
    }

    fn operator(&mut self) -> Result<Token> {
        const OPERATORS: [&str; 12] = ["<=", ">=", "<>", "!=", "||", "<", ">", "=", "+", "-", "/", "%"];
        let found = OPERATORS.iter().find(|o| self.rest.starts_with(**o)).copied();
        let operator = found.ok_or_else(|| self.invalid())?;
        self.take(operator.len());
        Ok(Token::Operator(operator))
    }
}

/// A scalar in Ion's own text form, which stands between backticks.
fn ion(text: &str) -> Option<Value> {
    let text = text.trim();
    Some(match text {
        "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => {
            if let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
                return (!inner.contains(['"', '\\'])).then(|| Value::String(inner.to_owned()));
            }
            if let Some(moment) = Timestamp::parse(text) {
                return Some(Value::Timestamp(moment));
            }
            if let Ok(int) = text.parse::<i64>() {
                return Some(Value::Int(int));
            }
            // An `e` makes a float, a `d` a decimal number.
            if text.contains(['e', 'E']) {
                Decimal::parse(text)?.ok().map(|d| Value::Float(d.to_f64()))?
            } else {
                Value::Decimal(Decimal::parse(&text.replace(['d', 'D'], "e"))?.ok()?)
            }
        }
    })
}
