//! Statement text into tokens.

use super::problem::StatementProblem;
use super::tree::At;

/// A statement that cannot be cut into tokens; AWS says no more of it.
const UNREADABLE: StatementProblem = StatementProblem::Malformed("");

/// Symbols, longer ones before those that they begin with.
const SYMBOLS: [&str; 27] = [
    "<<", ">>", "<=", "<>", ">=", "!=", "||", "(", ")", "[", "]", "{", "}", ",", ".", ":", ";", "*", "+", "-", "/",
    "%", "=", "<", ">", "@", "^",
];

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word(String),
    /// A name in double quotes.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    /// A number without its sign.
    Number(String),
    /// `?`
    Parameter,
    Symbol(&'static str),
    /// The end of the statement.
    End,
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: At,
}

/// The tokens of a statement, the last of which is its end.
///
/// # Errors
/// When a quotation or a comment does not end, a number has an exponent beyond all measure, or a character is none that
/// statements have.
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, StatementProblem> {
    let mut lexer = Lexer { rest: source, line: 1, column: 1 };
    let mut tokens = Vec::with_capacity(source.len() / 4 + 1);
    loop {
        lexer.skip_blank()?;
        let (line, column) = (lexer.line, lexer.column);
        let (kind, bytes) = lexer.next()?;
        let length = lexer.advance(bytes);
        let ended = kind == Kind::End;
        tokens.push(Token { kind, at: At { line, column, length } });
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
}

impl Lexer<'_> {
    /// Goes on by so many bytes, and says how many characters they are.
    fn advance(&mut self, bytes: usize) -> usize {
        let (passed, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        for character in passed.chars() {
            if character == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        passed.chars().count()
    }

    /// Passes over blanks and comments.
    fn skip_blank(&mut self) -> Result<(), StatementProblem> {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            let length = if blank > 0 {
                blank
            } else if self.rest.starts_with("--") {
                self.rest.find('\n').unwrap_or(self.rest.len())
            } else if self.rest.starts_with("/*") {
                self.rest.get(2..).and_then(|inside| inside.find("*/")).ok_or(UNREADABLE)? + 4
            } else {
                return Ok(());
            };
            self.advance(length);
        }
    }

    /// The next token and its length in bytes.
    fn next(&self) -> Result<(Kind, usize), StatementProblem> {
        let run = |of: fn(&u8) -> bool| self.rest.bytes().take_while(of).count();
        let Some(first) = self.rest.chars().next() else { return Ok((Kind::End, 0)) };
        let second = self.rest.as_bytes().get(1).copied().unwrap_or(0);
        match first {
            'a'..='z' | 'A'..='Z' | '_' | '$' => {
                let length = run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$'));
                Ok((Kind::Word(self.rest.get(..length).unwrap_or_default().to_owned()), length))
            }
            '\'' => self.quoted('\'').map(|(text, length)| (Kind::Text(text), length)),
            '"' => self.quoted('"').map(|(text, length)| (Kind::Quoted(text), length)),
            '0'..='9' => self.number(),
            '.' if second.is_ascii_digit() => self.number(),
            '?' => Ok((Kind::Parameter, 1)),
            _ => {
                let symbol = SYMBOLS.into_iter().find(|symbol| self.rest.starts_with(symbol)).ok_or(UNREADABLE)?;
                Ok((Kind::Symbol(symbol), symbol.len()))
            }
        }
    }

    /// What stands in quotes, in which a doubled quote is one.
    fn quoted(&self, quote: char) -> Result<(String, usize), StatementProblem> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1).peekable();
        while let Some((place, character)) = characters.next() {
            if character != quote {
                text.push(character);
            } else if characters.next_if(|(_, next)| *next == quote).is_some() {
                text.push(quote);
            } else {
                return Ok((text, place + 1));
            }
        }
        Err(UNREADABLE)
    }

    /// A number. Its exponent, and its exponent less the digits behind the point, are 32-bit numbers at AWS.
    fn number(&self) -> Result<(Kind, usize), StatementProblem> {
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
        let mut end = digits(0);
        let mut behind = 0;
        if bytes.get(end) == Some(&b'.') {
            behind = digits(end + 1);
            end += 1 + behind;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent_end = end + 1 + sign + digits(end + 1 + sign);
            let exponent: i64 =
                self.rest.get(end + 1..exponent_end).and_then(|text| text.parse().ok()).ok_or(UNREADABLE)?;
            let scale = i64::try_from(behind).unwrap_or(i64::MAX).saturating_sub(exponent);
            if i32::try_from(exponent).is_err() || i32::try_from(scale).is_err() {
                return Err(UNREADABLE);
            }
            end = exponent_end;
        }
        Ok((Kind::Number(self.rest.get(..end).unwrap_or_default().to_owned()), end))
    }
}
