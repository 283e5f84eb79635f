//! What requests policies let through, exactly: whether there is a request that some allow and others do not.
//!
//! A request is told apart by its action, its resource, who makes it and each condition key. For each of these [`values`] and
//! [`principals`] find texts that stand for all others ([`automaton`]); the authoriser's own evaluator says which statements each of
//! them satisfies; and [`space`] puts them together. Nothing is left out, so that "there is none" is a proof. Keys are taken to have
//! nothing to do with each other, but for those that follow from who calls. Policy variables ([`variables`]) may stand for anything;
//! where that alone makes a difference and no value shows it, the question is [`Undecided`].

mod automaton;
mod principals;
mod space;
mod values;
mod variables;

pub(crate) use principals::Stranger;
pub(crate) use space::{Limits, Prepared, Seen, Space};
pub(crate) use values::base;
pub(crate) use variables::settled;

/// Whether an entry of a condition holds for these values of its key.
pub(crate) fn meets(entry: values::Entry<'_>, key: &str, values: &[String]) -> bool {
    space::holds(&[entry], key, Some(values))
}

/// Why a question about policies has no answer here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The policy is too complex to be analyzed: {0}.")]
pub(crate) struct Undecided(String);

impl Undecided {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
