//! Properties of an account. There is one: whether role manager makes roles by itself, as consoles want them.
//!
//! Source: "Create roles automatically with role manager" in the user guide. It makes them of templates, whose texts AWS keeps to
//! itself, so it cannot be switched on here.

use std::collections::BTreeMap;

use undercast_kernel::{Failure, Result};

use crate::api::{self, errors};

/// The namespace of the properties that there are.
pub(crate) const NAMESPACE: &str = "RoleManager";
const ENABLED: &str = "RoleManager/Enabled";

pub(crate) fn get() -> api::GetAccountPropertiesOutput {
    let properties = BTreeMap::from([(ENABLED.to_owned(), "false".to_owned())]);
    api::GetAccountPropertiesOutput { properties: Some(properties) }
}

fn invalid(message: impl Into<String>) -> Failure {
    errors::invalid_input_exception(message).into()
}

/// Namespaces of the properties of a request.
pub(crate) fn namespaces<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut all: Vec<String> = keys.map(|key| key.split('/').next().unwrap_or(key).to_owned()).collect();
    all.sort();
    all.dedup();
    all
}

pub(crate) fn put(input: &api::PutAccountPropertiesInput) -> Result<()> {
    for key in input.properties.keys() {
        if key.split('/').filter(|part| !part.is_empty()).count() != 2 || key.matches('/').count() != 1 {
            return Err(invalid(format!("Property key must be in format Namespace/PropertyName: {key}")));
        }
    }
    let namespaces = namespaces(input.properties.keys().map(String::as_str));
    match namespaces.as_slice() {
        [] => return Err(invalid("Properties must not be empty")),
        [one] if one == NAMESPACE => {}
        [one] => return Err(invalid(format!("Unsupported namespace: {one}"))),
        _ => return Err(invalid("All properties must belong to the same namespace")),
    }
    match input.properties.get(ENABLED).map(String::as_str) {
        Some("false") => Ok(()),
        Some("true") => Err(Failure::not_built("role manager, whose templates AWS keeps to itself")),
        Some(_) => Err(invalid("RoleManager/Enabled must be true or false")),
        None => Err(invalid("RoleManager namespace requires Enabled property")),
    }
}
