//! Holding a pattern against an event.
//!
//! Where an event has an array, its elements count one by one: the fields of a pattern's object must be those of one
//! element. That a field is absent is asked of the event as a whole.

use serde_json::Value as Json;

use crate::{Field, Leaf, Node};

impl Node {
    /// `value`: what the event has here; `event`: all of it.
    pub(crate) fn matches(&self, value: Option<&Json>, event: &Json) -> bool {
        if let Some(Json::Array(elements)) = value {
            return match elements.as_slice() {
                [] => self.matches(None, event),
                elements => elements.iter().any(|element| self.matches(Some(element), event)),
            };
        }
        let fields = value.and_then(Json::as_object);
        let holds = |(name, field): &(String, Field)| field.matches(fields.and_then(|f| f.get(name)), event);
        self.fields.iter().all(holds)
            && self.either.iter().all(|nodes| nodes.iter().any(|node| node.matches(value, event)))
    }
}

impl Field {
    fn matches(&self, value: Option<&Json>, event: &Json) -> bool {
        match self {
            Self::Inside(node) => node.matches(value, event),
            Self::Leaf(leaf) => leaf.matches(value, event),
        }
    }
}

impl Leaf {
    fn matches(&self, value: Option<&Json>, event: &Json) -> bool {
        value.is_some_and(|value| self.is_one_of(value))
            || self.absent.as_ref().is_some_and(|names| !is_there(event, names))
    }

    fn is_one_of(&self, value: &Json) -> bool {
        match value {
            Json::Array(elements) => elements.iter().any(|element| self.is_one_of(element)),
            // Fields are values; what has fields of its own is none.
            Json::Object(_) => false,
            value => self.any.iter().any(|matcher| matcher.matches(value)),
        }
    }
}

/// Whether an event has a value under these names.
fn is_there(value: &Json, names: &[String]) -> bool {
    match (value, names) {
        (Json::Array(elements), names) => elements.iter().any(|element| is_there(element, names)),
        (Json::Object(fields), [name, rest @ ..]) => fields.get(name).is_some_and(|value| is_there(value, rest)),
        (Json::Object(_), []) => false,
        (_, names) => names.is_empty(),
    }
}
