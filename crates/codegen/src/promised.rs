//! What a service promises by what it lists: each of it must be seen in some test.

use std::collections::BTreeSet;

use crate::reach::Reach;
use crate::{Config, Error, Model};

/// What a service promises.
#[derive(Debug, Default)]
pub struct Promised {
    /// `service.Operation`, those left out that are always refused.
    pub operations: BTreeSet<String>,
    /// `service.Shape.Member` of inputs, those that are ignored or refused left out.
    pub members: BTreeSet<String>,
    /// `service.Operation!Error`, as its documentation lists them; those that it never gives left out.
    pub errors: BTreeSet<String>,
}

impl Promised {
    /// What a service promises, from the texts of its model and of its `api.toml`.
    ///
    /// # Errors
    /// As [`crate::generate`].
    pub fn of(service: &str, model: &str, config: &str) -> Result<Self, Error> {
        let mut model = Model::parse(service, model)?;
        let config: Config = toml::from_str(config)?;
        config.complete(&mut model)?;
        config.check(&model)?;
        let reach = Reach::of(&model, &config);
        let mut promised = Self::default();
        for operation in config.operations.iter().filter_map(|name| model.operations.get(name)) {
            if !config.never.contains_key(&operation.name) {
                promised.operations.insert(format!("{service}.{}", operation.name));
            }
            let errors = operation.errors.iter().map(|error| format!("{}!{error}", operation.name));
            let given = errors.filter(|error| !config.never.contains_key(error));
            promised.errors.extend(given.map(|error| format!("{service}.{error}")));
        }
        for shape in reach.inputs.iter().filter_map(|name| model.shapes.get(*name)).filter(|s| s.kind == "structure") {
            let operations = reach.input_of.get(shape.name.as_str()).cloned().unwrap_or_default();
            let honoured = shape.members.iter().filter(|m| {
                config.ignored(&shape.name, &m.name, &operations).is_none()
                    && config.refused(&shape.name, &m.name, &operations).is_none()
            });
            promised.members.extend(honoured.map(|m| format!("{service}.{}.{}", shape.name, m.name)));
        }
        Ok(promised)
    }
}
