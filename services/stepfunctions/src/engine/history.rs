//! The history of an execution: what is written down of each step.
//!
//! Source: `HistoryEvent` in the API reference.

use minicbor::{Decode, Encode};
use serde_json::Value as Json;
use undercast_kernel::{Failure, Result};

use crate::api::kept::{
    AssignedVariablesDetails, HistoryEvent, HistoryEventExecutionDataDetails, StateEnteredEventDetails,
    StateExitedEventDetails,
};

/// An execution has so many events at most.
pub(crate) const MOST: u64 = 25_000;

/// An event as it is stored: the JSON of its members.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Event(#[n(0)] pub(crate) String);

impl Event {
    pub(crate) fn of(event: &HistoryEvent) -> Result<Self> {
        serde_json::to_string(event).map(Self).map_err(Failure::broken)
    }

    pub(crate) fn read(&self) -> Result<HistoryEvent> {
        serde_json::from_str(&self.0).map_err(Failure::broken)
    }
}

/// What is said of data that a history holds whole.
pub(crate) fn whole() -> Option<HistoryEventExecutionDataDetails> {
    Some(HistoryEventExecutionDataDetails { truncated: Some(false) })
}

/// `…StateEntered`
pub(crate) fn entered(kind: &str, name: &str, input: &Json) -> HistoryEvent {
    HistoryEvent {
        type_: format!("{kind}StateEntered"),
        state_entered_event_details: Some(StateEnteredEventDetails {
            name: name.to_owned(),
            input: Some(input.to_string()),
            input_details: whole(),
        }),
        ..HistoryEvent::default()
    }
}

/// `…StateExited`. `assigned`: the variables that were set, and their values.
pub(crate) fn exited(
    kind: &str,
    name: &str,
    output: &Json,
    assigned: Option<&serde_json::Map<String, Json>>,
) -> HistoryEvent {
    let variables = assigned.filter(|all| !all.is_empty());
    HistoryEvent {
        type_: format!("{kind}StateExited"),
        state_exited_event_details: Some(StateExitedEventDetails {
            name: name.to_owned(),
            output: Some(output.to_string()),
            output_details: whole(),
            assigned_variables: variables
                .map(|all| all.iter().map(|(name, v)| (name.clone(), v.to_string())).collect()),
            assigned_variables_details: variables.map(|_| AssignedVariablesDetails { truncated: Some(false) }),
        }),
        ..HistoryEvent::default()
    }
}

/// An event that has no details.
pub(crate) fn plain(kind: impl Into<String>) -> HistoryEvent {
    HistoryEvent { type_: kind.into(), ..HistoryEvent::default() }
}

/// An error as details of events tell it: at most 256 characters.
pub(crate) fn error(text: &str) -> Option<String> {
    Some(text.chars().take(256).collect())
}

/// A cause as details of events tell it: at most 32,768 characters.
pub(crate) fn cause(text: &str) -> Option<String> {
    Some(text.chars().take(32_768).collect())
}
