//! `LIKE`.

use crate::error::{Code, Result};
use crate::types::Value;

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// `%`
    Any,
    /// `_`
    One,
    Just(char),
}

pub(super) fn like(value: &Value, pattern: &Value, escape: Option<&Value>) -> Result<Value> {
    let operands = [Some(value), Some(pattern), escape];
    if let Some(unknown) = operands.into_iter().flatten().find(|v| v.is_unknown()) {
        return Ok(unknown.clone());
    }
    let escape = match escape.map(Value::text) {
        None => None,
        Some(Some(text)) => {
            let mut characters = text.chars();
            match (characters.next(), characters.next()) {
                (Some(one), None) => Some(one),
                _ => return Err(Code::EvaluatorLikePatternInvalidEscapeSequence.into()),
            }
        }
        Some(None) => return Err(Code::LikeInvalidInputs.into()),
    };
    let (Some(text), Some(pattern)) = (value.text(), pattern.text()) else {
        return Err(Code::LikeInvalidInputs.into());
    };
    Ok(Value::Bool(matches(text, &parts(pattern, escape)?)))
}

fn parts(pattern: &str, escape: Option<char>) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        let part = if Some(c) == escape {
            match rest.next() {
                Some(next) if next == '%' || next == '_' || Some(next) == escape => Part::Just(next),
                _ => return Err(Code::EvaluatorLikePatternInvalidEscapeSequence.into()),
            }
        } else {
            match c {
                '%' => Part::Any,
                '_' => Part::One,
                c => Part::Just(c),
            }
        };
        if part != Part::Any || parts.last() != Some(&Part::Any) {
            parts.push(part);
        }
    }
    Ok(parts)
}

/// Goes back to the last `%` only, so a text is never read more often than the pattern is long.
fn matches(text: &str, parts: &[Part]) -> bool {
    let mut rest = text.chars();
    let mut at = 0;
    let mut back: Option<(std::str::Chars<'_>, usize)> = None;
    loop {
        let here = rest.clone();
        match (rest.next(), parts.get(at)) {
            (None, None) => return true,
            (_, Some(Part::Any)) => {
                if at + 1 == parts.len() {
                    return true;
                }
                rest = here.clone();
                back = Some((here, at));
                at += 1;
                continue;
            }
            (Some(_), Some(Part::One)) => {
                at += 1;
                continue;
            }
            (Some(c), Some(Part::Just(wanted))) if c == *wanted => {
                at += 1;
                continue;
            }
            (None, Some(_)) => return false,
            (Some(_), _) => {}
        }
        let Some((mut from, any)) = back.take() else { return false };
        if from.next().is_none() {
            return false;
        }
        rest = from.clone();
        at = any + 1;
        back = Some((from, any));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (text, pattern, wanted) in [
            ("", "", true),
            ("", "%", true),
            ("a", "", false),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "%b%", true),
            ("abc", "_b_", true),
            ("abc", "__", false),
            ("aXbXc", "a%b%c", true),
            ("ab", "a%b%c", false),
            ("mississippi", "%iss%pi", true),
            ("mississippi", "%iss%si", false),
            ("日本語", "日_語", true),
            ("100%", "100!%", true),
            ("100x", "100!%", false),
            ("a!b", "a!!b", true),
        ] {
            assert_eq!(matches(text, &parts(pattern, Some('!')).unwrap()), wanted, "{text} {pattern}");
        }
        assert!(parts("a!b", Some('!')).is_err() && parts("a!", Some('!')).is_err());
    }
}
