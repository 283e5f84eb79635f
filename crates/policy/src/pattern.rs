//! Wildcards and policy variables.
//!
//! The matcher keeps one point of return (the last `*`), so its worst case is pattern × text and never exponential:
//! a policy is written by one party and evaluated on requests of another.

use std::borrow::Cow;

/// What a variable stands for, or `None` when the request does not carry its key.
pub(crate) type Resolve<'r> = &'r dyn Fn(&str) -> Option<String>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<'a> {
    Text(Cow<'a, str>),
    /// `*`
    Many,
    /// `?`
    One,
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// A compiled pattern; the first three forms are what nearly all policies hold, and need no matcher.
#[derive(Debug, Clone)]
enum Form {
    Any,
    Exact(String),
    Prefix(String),
    Pieces(Vec<Piece<'static>>),
    Variables(Vec<Piece<'static>>),
}

/// How a pattern is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// `*` and `?` are wildcards.
    pub(crate) wildcards: bool,
    /// `${…}` is a variable: version 2012-10-17 only.
    pub(crate) variables: bool,
    /// ASCII letters compare without regard to case.
    pub(crate) fold: bool,
}

/// A pattern of a policy: literal text, wildcards, variables.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    form: Form,
    fold: bool,
}

impl Pattern {
    pub(crate) fn compile(text: &str, reading: Reading) -> Self {
        let pieces = split(text, reading);
        let form = match pieces.as_slice() {
            [] => Form::Exact(String::new()),
            [Piece::Many] => Form::Any,
            [Piece::Text(text)] => Form::Exact(text.clone().into_owned()),
            [Piece::Text(text), Piece::Many] => Form::Prefix(text.clone().into_owned()),
            other if other.iter().any(|piece| matches!(piece, Piece::Variable { .. })) => Form::Variables(pieces),
            _ => Form::Pieces(pieces),
        };
        Self { form, fold: reading.fold }
    }

    pub(crate) fn is_any(&self) -> bool {
        matches!(self.form, Form::Any)
    }

    /// What every text that matches begins with.
    pub(crate) fn literal_prefix(&self) -> &str {
        match &self.form {
            Form::Exact(text) | Form::Prefix(text) => text,
            Form::Pieces(pieces) | Form::Variables(pieces) => match pieces.first() {
                Some(Piece::Text(text)) => text,
                _ => "",
            },
            Form::Any => "",
        }
    }

    pub(crate) fn matches(&self, text: &str, resolve: Resolve<'_>) -> bool {
        match &self.form {
            Form::Any => true,
            Form::Exact(exact) => exact.len() == text.len() && starts_with(text, exact, self.fold),
            Form::Prefix(prefix) => starts_with(text, prefix, self.fold),
            Form::Pieces(pieces) => run(pieces, text, self.fold),
            Form::Variables(pieces) => match substitute(pieces, resolve) {
                // AWS: a variable without a value matches nothing, not even the empty string.
                None => false,
                Some(pieces) => run(&pieces, text, self.fold),
            },
        }
    }
}

/// A piece of a pattern, for those who reason about all the texts that it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Glob {
    /// These characters.
    Text(String),
    /// `*`
    Many,
    /// `?`
    One,
    /// `${key}`
    Variable {
        /// The key in lower case.
        key: String,
        /// What it stands for where the request does not carry its key.
        default: Option<String>,
    },
}

/// A pattern in its pieces. `wildcards` and `variables` say whether `*` and `?`, and `${…}`, are read as such.
pub fn globs(text: &str, wildcards: bool, variables: bool) -> Vec<Glob> {
    let pieces = split(text, Reading { wildcards, variables, fold: false });
    let glob = |piece| match piece {
        Piece::Text(text) => Glob::Text(text.into_owned()),
        Piece::Many => Glob::Many,
        Piece::One => Glob::One,
        Piece::Variable { key, default } => Glob::Variable { key, default },
    };
    pieces.into_iter().map(glob).collect()
}

/// A wildcard pattern (`*` any run, `?` one character) without variables, for callers with patterns of their own.
#[derive(Debug, Clone)]
pub struct Wildcard(Pattern);

impl Wildcard {
    /// Compiles a case-sensitive pattern.
    pub fn new(pattern: &str) -> Self {
        Self(Pattern::compile(pattern, Reading { wildcards: true, variables: false, fold: false }))
    }

    /// Compiles a pattern that ignores the case of ASCII letters.
    pub fn ignoring_case(pattern: &str) -> Self {
        Self(Pattern::compile(pattern, Reading { wildcards: true, variables: false, fold: true }))
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.0.matches(text, &|_| None)
    }
}

fn split(text: &str, reading: Reading) -> Vec<Piece<'static>> {
    let mut pieces: Vec<Piece<'static>> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        match first {
            // Runs of `*` are one: it keeps the matcher's point of return single.
            '*' if reading.wildcards => {
                if pieces.last() != Some(&Piece::Many) {
                    pieces.push(Piece::Many);
                }
                rest = after;
            }
            '?' if reading.wildcards => {
                pieces.push(Piece::One);
                rest = after;
            }
            '$' if reading.variables => match variable(rest) {
                Some((piece, remaining)) => {
                    push(&mut pieces, piece);
                    rest = remaining;
                }
                None => {
                    push(&mut pieces, Piece::Text(Cow::Borrowed("$")));
                    rest = after;
                }
            },
            _ => {
                let end = after.find(['*', '?', '$']).map_or(rest.len(), |at| at + first.len_utf8());
                push(&mut pieces, Piece::Text(Cow::Owned(rest[..end].to_owned())));
                rest = &rest[end..];
            }
        }
    }
    pieces
}

fn push(pieces: &mut Vec<Piece<'static>>, piece: Piece<'static>) {
    match (pieces.last_mut(), piece) {
        (Some(Piece::Text(before)), Piece::Text(text)) => before.to_mut().push_str(&text),
        (_, piece) => pieces.push(piece),
    }
}

/// Reads `${key}`, `${key, 'default'}`, `${*}`, `${?}` or `${$}` at the start of `text`.
fn variable(text: &str) -> Option<(Piece<'static>, &str)> {
    let inner = text.strip_prefix("${")?;
    let end = inner.find('}')?;
    let (body, rest) = (&inner[..end], &inner[end + 1..]);
    if let "*" | "?" | "$" = body {
        return Some((Piece::Text(Cow::Owned(body.to_owned())), rest));
    }
    let (key, default) = match body.split_once(',') {
        None => (body, None),
        Some((key, default)) => {
            let default = default.trim();
            let quoted = default.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
            (key, Some(quoted.unwrap_or(default).to_owned()))
        }
    };
    let key = key.trim().to_lowercase();
    (!key.is_empty()).then_some((Piece::Variable { key, default }, rest))
}

/// Puts values in place of variables. A value is text: a `*` in it is a star, not a wildcard.
fn substitute<'p>(pieces: &'p [Piece<'static>], resolve: Resolve<'_>) -> Option<Vec<Piece<'p>>> {
    let mut out = Vec::with_capacity(pieces.len());
    for piece in pieces {
        out.push(match piece {
            Piece::Text(text) => Piece::Text(Cow::Borrowed(text)),
            Piece::Many => Piece::Many,
            Piece::One => Piece::One,
            Piece::Variable { key, default } => Piece::Text(Cow::Owned(resolve(key).or_else(|| default.clone())?)),
        });
    }
    Some(out)
}

fn starts_with(text: &str, prefix: &str, fold: bool) -> bool {
    let (text, prefix) = (text.as_bytes(), prefix.as_bytes());
    match text.get(..prefix.len()) {
        None => false,
        Some(head) if fold => head.eq_ignore_ascii_case(prefix),
        Some(head) => head == prefix,
    }
}

fn run(pieces: &[Piece<'_>], text: &str, fold: bool) -> bool {
    let (mut piece, mut rest) = (0, text);
    // Where to go back to: the piece after the last `*`, and the text that star has not yet swallowed.
    let mut back: Option<(usize, &str)> = None;
    loop {
        let step = match pieces.get(piece) {
            None => rest.is_empty().then_some(rest),
            Some(Piece::Many) => {
                piece += 1;
                if piece == pieces.len() {
                    return true;
                }
                back = Some((piece, rest));
                continue;
            }
            Some(Piece::One) => next_char(rest),
            Some(Piece::Text(literal)) if starts_with(rest, literal, fold) => rest.get(literal.len()..),
            Some(Piece::Text(_) | Piece::Variable { .. }) => None,
        };
        match (step, back) {
            (Some(_), _) if piece == pieces.len() => return true,
            (Some(after), _) => {
                piece += 1;
                rest = after;
            }
            (None, Some((retry, swallowed))) => {
                let Some(shorter) = next_char(swallowed) else { return false };
                back = Some((retry, shorter));
                (piece, rest) = (retry, shorter);
            }
            (None, None) => return false,
        }
    }
}

fn next_char(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}
