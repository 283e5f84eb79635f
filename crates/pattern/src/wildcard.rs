//! Patterns with `*`, which stands for any characters; `\*` and `\\` stand for themselves.

use crate::Invalid;

/// The texts between the stars, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wildcard(Vec<String>);

/// A piece of a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Byte(u8),
    /// `*`
    Any,
}

impl Token {
    pub(crate) fn byte(self) -> Option<u8> {
        if let Self::Byte(byte) = self { Some(byte) } else { None }
    }
}

impl Wildcard {
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let (mut parts, mut characters, mut star) = (vec![String::new()], text.chars().enumerate(), false);
        while let Some((at, character)) = characters.next() {
            let literal = match character {
                '*' if star => return Err(Invalid(format!("Consecutive wildcard characters at pos {}", at - 1))),
                '*' => {
                    parts.push(String::new());
                    star = true;
                    continue;
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('*' | '\\'))) => escaped,
                    _ => return Err(Invalid(format!("Invalid escape character at pos {at}"))),
                },
                other => other,
            };
            star = false;
            if let Some(last) = parts.last_mut() {
                last.push(literal);
            }
        }
        Ok(Self(parts))
    }

    /// Its bytes and stars.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        let mut all = Vec::new();
        for (number, part) in self.0.iter().enumerate() {
            if number > 0 {
                all.push(Token::Any);
            }
            all.extend(part.bytes().map(Token::Byte));
        }
        all
    }

    /// What every text begins and ends with.
    pub(crate) fn ends(&self) -> (&str, &str) {
        (self.0.first().map_or("", String::as_str), self.0.last().map_or("", String::as_str))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let [first, between @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|only| only == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for part in between {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}
