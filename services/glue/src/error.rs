//! Refusals in AWS's words, as its users tell them.

use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::api::errors;

pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    errors::invalid_input_exception(message).into()
}

pub(crate) fn no_database(name: &str) -> AwsError {
    errors::entity_not_found_exception(format!("Database {name} not found."))
}

pub(crate) fn no_table(name: &str) -> AwsError {
    errors::entity_not_found_exception(format!("Table {name} not found."))
}

/// The catalog of a call is that of its account, unless it says another.
pub(crate) fn check_catalog(cx: &Cx, id: Option<&str>) -> Result<()> {
    match id {
        Some(id) if id != cx.account() => Err(Failure::not_built("catalogs other than that of the caller's account")),
        _ => Ok(()),
    }
}
