//! Event patterns: the language in which rules, pipes and event source mappings say which events they want.
//!
//! Knows: JSON, and the language. Must not know: who asks, and what is done with what matches.
//!
//! Source: "Amazon EventBridge event patterns" and "Comparison operators" in EventBridge's user guide; the published
//! library with which AWS matches (aws/event-ruler), for what the guide leaves open and for the words of refusals.

mod complexity;
mod find;
mod index;
mod matcher;
mod number;
mod parse;
mod wildcard;

pub use index::Rules;

use matcher::Matcher;
use serde_json::Value as Json;

/// Why a text is no pattern, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// A pattern: what an event's fields must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Node);

/// What the fields of one object must be: all of these.
#[derive(Debug, Clone, PartialEq, Default)]
struct Node {
    fields: Vec<(String, Field)>,
    /// Of each of these at least one must hold: `$or`.
    either: Vec<Vec<Node>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Field {
    Inside(Node),
    Leaf(Leaf),
}

/// What a value must be: one of these.
#[derive(Debug, Clone, PartialEq)]
struct Leaf {
    any: Vec<Matcher>,
    /// The names down to the field, when it may be absent.
    absent: Option<Vec<String>>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When the text is no JSON, or no pattern.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        parse::pattern(text).map(Self)
    }

    /// Whether an event is what the pattern says.
    pub fn matches(&self, event: &Json) -> bool {
        self.0.matches(Some(event), event)
    }
}
