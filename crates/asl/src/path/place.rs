//! Putting a value where a reference path says.

use serde_json::{Map, Value};

use super::{Path, Step};

impl Path {
    /// Puts a value there. Objects that are not there are made; an array must have the place.
    pub(crate) fn put(&self, into: &mut Value, value: Value) -> Result<(), ()> {
        let mut at = into;
        for step in &self.steps {
            at = match step {
                Step::Name(name) => match at {
                    Value::Object(fields) => fields.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())),
                    _ => return Err(()),
                },
                Step::Index(index) => match at {
                    Value::Array(items) => usize::try_from(*index).ok().and_then(|i| items.get_mut(i)).ok_or(())?,
                    _ => return Err(()),
                },
                _ => return Err(()),
            };
        }
        *at = value;
        Ok(())
    }
}
