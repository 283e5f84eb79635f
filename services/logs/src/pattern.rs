//! Filter patterns for text: terms that must be there, `?` terms of which one must, `-` terms that must not.
//!
//! Source: "Filter pattern syntax" in the user guide. Patterns for JSON, for fields in brackets and regular expressions are
//! not built, and a call with one is told so.

use undercast_kernel::{Failure, Result};

use crate::group;

/// A pattern, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pattern {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let kind = match text.chars().next() {
            Some('{') => Some("a filter pattern for JSON"),
            Some('[') => Some("a filter pattern for fields"),
            _ if text.split_whitespace().any(|t| t.trim_start_matches(['-', '?']).starts_with('%')) => {
                Some("a filter pattern with a regular expression")
            }
            _ => None,
        };
        if let Some(kind) = kind {
            return Err(Failure::not_built(format!("{kind}: {text}")));
        }
        let mut pattern = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (list, after) = match rest.split_at_checked(1) {
                Some(("?", after)) => (&mut pattern.any, after),
                Some(("-", after)) => (&mut pattern.none, after),
                _ => (&mut pattern.all, rest),
            };
            let (term, after) = term(after).ok_or_else(|| group::invalid("Invalid filter pattern"))?;
            list.push(term);
            rest = after.trim_start();
        }
        Ok(pattern)
    }

    /// Whether a message is one that is looked for. Optional terms count only where there are no others.
    pub(crate) fn matches(&self, message: &str) -> bool {
        let has = |term: &String| message.contains(term.as_str());
        let any = self.any.is_empty() || !self.all.is_empty() || self.any.iter().any(has);
        any && self.all.iter().all(has) && !self.none.iter().any(has)
    }
}

/// One term off the front: a word, or a text in quotes.
fn term(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (word, after) = text.split_at(end);
        // Other characters need quotes.
        let plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
        return plain.then(|| (word.to_owned(), after));
    };
    let mut term = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((term, &quoted[at + 1..])),
            '\\' => term.push(chars.next()?.1),
            other => term.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_looked_for() {
        for (pattern, message, wanted) in [
            ("", "anything", true),
            ("ERROR", "an ERROR here", true),
            ("ERROR", "an error here", false),
            ("ERROR ARGUMENTS", "ERROR in ARGUMENTS", true),
            ("ERROR ARGUMENTS", "ERROR", false),
            ("?ERROR ?WARN", "WARN", true),
            ("?ERROR ?WARN", "INFO", false),
            ("ERROR -EXITING", "ERROR EXITING", false),
            ("\"INTERNAL SERVER\"", "an INTERNAL SERVER ERROR", true),
            ("\"say \\\"x\\\"\"", "to say \"x\"", true),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(message), wanted, "{pattern} {message}");
        }
    }

    #[test]
    fn what_is_not_built_is_said() {
        for pattern in ["{ $.a = 1 }", "[a, b]", "%x%"] {
            assert!(matches!(Pattern::parse(pattern), Err(Failure::NotBuilt { .. })), "{pattern}");
        }
        assert!(Pattern::parse("a.b").is_err() && Pattern::parse("\"open").is_err());
    }
}
