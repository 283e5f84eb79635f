//! What the tests have in common.

use std::cell::Cell;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use undercast_asl::{Machine, Outside, Scope};

/// A moment that stands still, and chance that counts.
pub(crate) struct Still(Cell<u8>);

impl Still {
    pub(crate) fn new() -> Self {
        Self(Cell::new(0))
    }
}

impl Outside for Still {
    fn now(&self) -> Timestamp {
        "2026-11-27T12:00:00.500Z".parse().unwrap()
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.0.set(self.0.get().wrapping_add(1));
        bytes.fill(self.0.get());
    }
}

/// Runs something with a scope.
pub(crate) fn within<T>(input: &Value, variables: &Value, run: impl FnOnce(&Scope) -> T) -> T {
    let context = json!({"Execution": {"Name": "one", "Input": {"a": 1}}, "State": {"Name": "S"}});
    let variables = variables.as_object().cloned().unwrap_or_else(Map::new);
    run(&Scope { input, context: &context, variables: &variables, outside: &Still::new() })
}

/// A machine that must be one.
pub(crate) fn machine(definition: &Value) -> Machine {
    Machine::parse(&definition.to_string()).unwrap_or_else(|found| panic!("{found:#?}"))
}
