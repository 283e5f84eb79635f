//! Expression text into tokens, and syntax errors as AWS words them.

use super::Problem;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword: which of them depends on the expression it is in.
    Word,
    /// `#name`
    NamePlaceholder,
    /// `:value`
    ValuePlaceholder,
    /// Digits.
    Digits,
    /// A bracket, comma, dot or operator.
    Symbol,
    /// A character no expression may have.
    Illegal,
    /// The end of the text.
    End,
}

/// A token and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    start: usize,
}

impl Token<'_> {
    /// Whether it is this bracket, comma, dot or operator.
    pub(super) fn is(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// Whether it is this keyword, in any case.
    pub(super) fn is_keyword(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }
}

/// The tokens of an expression with a place among them.
pub(super) struct Tokens<'a> {
    source: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
    end: Token<'a>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        let mut tokens = Vec::with_capacity(source.len() / 3);
        let mut rest = source.trim_ascii_start();
        while let Some((kind, length)) = next_token(rest) {
            let (text, behind) = rest.split_at(length);
            tokens.push(Token { kind, text, start: source.len() - rest.len() });
            rest = behind.trim_ascii_start();
        }
        Self { source, tokens, at: 0, end: Token { kind: Kind::End, text: "<EOF>", start: source.len() } }
    }

    /// The token to be taken next.
    pub(super) fn peek(&self) -> Token<'a> {
        self.peek_after(0)
    }

    /// The token `ahead` places after the next.
    pub(super) fn peek_after(&self, ahead: usize) -> Token<'a> {
        self.tokens.get(self.at + ahead).copied().unwrap_or(self.end)
    }

    /// Takes the next token.
    pub(super) fn take(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// Takes the next token if it is this symbol.
    pub(super) fn take_if(&mut self, symbol: &str) -> bool {
        let found = self.peek().is(symbol);
        self.at += usize::from(found);
        found
    }

    /// Takes the next token if it is this keyword.
    pub(super) fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_keyword(keyword);
        self.at += usize::from(found);
        found
    }

    /// Takes the next token, which must be this symbol.
    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), Problem> {
        if self.take_if(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// AWS's complaint about the next token: itself, and the text from the token before it to the token after it.
    pub(super) fn unexpected(&self) -> Problem {
        let token = self.peek();
        let first = self.at.checked_sub(1).and_then(|before| self.tokens.get(before)).unwrap_or(&token);
        let last = self.tokens.get(self.at + 1).or_else(|| self.tokens.get(self.at)).unwrap_or(first);
        let near = if token.kind == Kind::End && self.at == 0 {
            ""
        } else {
            self.source.get(first.start..last.start + last.text.len()).unwrap_or_default()
        };
        Problem::Syntax { token: token.text.into(), near: near.into() }
    }
}

fn next_token(rest: &str) -> Option<(Kind, usize)> {
    let run = |of: fn(&u8) -> bool, from: usize| {
        rest.as_bytes().get(from..).unwrap_or_default().iter().take_while(|byte| of(byte)).count()
    };
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let first = rest.chars().next()?;
    Some(match first {
        'a'..='z' | 'A'..='Z' => (Kind::Word, run(name, 0)),
        '0'..='9' => (Kind::Digits, run(u8::is_ascii_digit, 0)),
        '#' | ':' => match (run(name, 1), first) {
            // A lone mark is no placeholder; AWS complains about the mark alone.
            (0, _) => (Kind::Illegal, 1),
            (length, '#') => (Kind::NamePlaceholder, length + 1),
            (length, _) => (Kind::ValuePlaceholder, length + 1),
        },
        '<' if rest.starts_with("<=") || rest.starts_with("<>") => (Kind::Symbol, 2),
        '>' if rest.starts_with(">=") => (Kind::Symbol, 2),
        '(' | ')' | '[' | ']' | ',' | '.' | '=' | '<' | '>' | '+' | '-' => (Kind::Symbol, 1),
        other => (Kind::Illegal, other.len_utf8()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &[&str]) {
        let tokens = Tokens::new(source);
        assert_eq!(tokens.tokens.iter().map(|token| token.text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn tokens() {
        check("", &[]);
        check(" \t\r\n", &[]);
        check("a.b[10].#c<=:v_1", &["a", ".", "b", "[", "10", "]", ".", "#c", "<=", ":v_1"]);
        check("a<>b>=c<d", &["a", "<>", "b", ">=", "c", "<", "d"]);
        check("_a é# 2016-", &["_", "a", "é", "#", "2016", "-"]);
    }

    #[track_caller]
    fn complaint(source: &str, at: usize, token: &str, near: &str) {
        let mut tokens = Tokens::new(source);
        tokens.at = at;
        assert_eq!(tokens.unexpected(), Problem::Syntax { token: token.into(), near: near.into() });
    }

    #[test]
    fn near_is_the_token_with_its_neighbours() {
        complaint("SET a = {\"NULL\"", 3, "{", "= {\"");
        complaint("SET _123 = :v", 1, "_", "SET _123");
        complaint("INVALID SYNTAX HERE", 0, "INVALID", "INVALID SYNTAX");
        complaint("a , ", 2, "<EOF>", ",");
        complaint("contains()", 2, ")", "()");
        complaint("", 0, "<EOF>", "");
    }
}
