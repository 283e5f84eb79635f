//! Reading a definition, and all that is wrong with it.
//!
//! One reader does both: a machine is made of a definition in which nothing is wrong.

mod choice;
mod errors;
mod fields;
mod flow;
mod graph;
mod json;
mod machine;
mod map;
mod resource;
mod state;
mod variables;

use serde_json::Value;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::tree::Machine;
use fields::Reader;

/// For what kind of machine a definition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// An Express workflow: no activities, no callbacks, no waiting for jobs.
    pub express: bool,
}

/// Everything that is wrong with a definition, errors first.
pub fn validate(definition: &str, limits: &Limits) -> Vec<Diagnostic> {
    let mut found = run(definition, limits).1;
    found.sort_by_key(Diagnostic::severity);
    found
}

/// Reads a definition.
///
/// # Errors
/// The errors in it.
pub fn read(definition: &str, limits: &Limits) -> Result<Machine, Vec<Diagnostic>> {
    let (machine, mut found) = run(definition, limits);
    found.retain(|d| d.severity() == Severity::Error);
    match machine {
        Some(machine) if found.is_empty() => Ok(machine),
        _ => Err(found),
    }
}

fn run(definition: &str, limits: &Limits) -> (Option<Machine>, Vec<Diagnostic>) {
    let mut reader = Reader::new(*limits);
    let value = match json::parse(definition) {
        Ok(document) => {
            for repeated in document.repeated {
                reader.repeated(&repeated);
            }
            document.value
        }
        Err(diagnostic) => return (None, vec![diagnostic]),
    };
    let Value::Object(fields) = &value else {
        reader.tell(Code::SchemaValidationFailed, "Definition must be a valid JSON object", None);
        return (None, reader.found);
    };
    let machine = machine::whole(fields, &mut reader);
    (machine, reader.found)
}
