//! ARNs: six parts between colons, of which the last may hold colons itself.

use crate::pattern::{Pattern, Reading, Resolve};

/// The six parts of an ARN.
pub(crate) type Parts<'a> = [&'a str; 6];

/// Splits an ARN; `None` when it is none.
pub(crate) fn split(arn: &str) -> Option<Parts<'_>> {
    let mut parts = arn.splitn(6, ':');
    let all = [parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    (all[0] == "arn").then_some(all)
}

/// A pattern over ARNs. Each part is matched alone, so a `*` does not reach over a colon, but in the last.
#[derive(Debug, Clone)]
pub(crate) enum ArnPattern {
    Any,
    Parts(Box<[Pattern; 6]>),
    /// Not an ARN: it matches nothing.
    Never,
}

impl ArnPattern {
    /// A pattern of `Resource`: fewer than six parts are completed with wildcards, as the IAM User Guide says of
    /// incomplete ARNs (`arn:aws:sqs` is `arn:aws:sqs:*:*:*`).
    pub(crate) fn of_resource(text: &str, variables: bool) -> Self {
        Self::compile(text, variables, true)
    }

    /// A value of an `Arn…` condition operator: all six parts must be there.
    pub(crate) fn of_condition(text: &str, variables: bool) -> Self {
        Self::compile(text, variables, false)
    }

    fn compile(text: &str, variables: bool, complete: bool) -> Self {
        let reading = Reading { wildcards: true, variables, fold: false };
        if Pattern::compile(text, reading).is_any() {
            return Self::Any;
        }
        let parts = split_outside_variables(text, variables);
        if parts.len() < 6 && !complete {
            return Self::Never;
        }
        let part = |at: usize| Pattern::compile(parts.get(at).copied().unwrap_or("*"), reading);
        Self::Parts(Box::new([part(0), part(1), part(2), part(3), part(4), part(5)]))
    }

    /// Matches a split ARN. `None` stands for a resource that is no ARN (`*`), which only `*` covers.
    pub(crate) fn matches(&self, arn: Option<&Parts<'_>>, resolve: Resolve<'_>) -> bool {
        match (self, arn) {
            (Self::Any, _) => true,
            // The last part differs most often, so it is looked at first.
            (Self::Parts(patterns), Some(arn)) => {
                patterns.iter().zip(arn).rev().all(|(pattern, part)| pattern.matches(part, resolve))
            }
            (Self::Parts(_) | Self::Never, _) => false,
        }
    }
}

/// Splits at the first five colons that are not inside `${…}`.
fn split_outside_variables(text: &str, variables: bool) -> Vec<&str> {
    let mut parts = Vec::with_capacity(6);
    let (mut start, mut inside, mut previous) = (0, false, ' ');
    for (at, character) in text.char_indices() {
        match character {
            '{' if variables && previous == '$' => inside = true,
            '}' => inside = false,
            ':' if !inside && parts.len() < 5 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        previous = character;
    }
    parts.push(&text[start..]);
    parts
}
