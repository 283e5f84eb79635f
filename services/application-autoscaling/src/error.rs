//! Errors in Application Auto Scaling's words.

use undercast_kernel::Failure;

use crate::api::errors;
use crate::dimension::Place;

pub(crate) fn validation(message: impl Into<String>) -> Failure {
    errors::validation_exception(message).into()
}

/// Nothing is registered there.
pub(crate) fn no_target(place: &Place) -> Failure {
    let (resource, dimension) = (&place.resource, place.dimension.name());
    errors::object_not_found_exception(format!(
        "No scalable target registered for service namespace: dynamodb, resource ID: {resource}, scalable dimension: {dimension}"
    ))
    .into()
}

/// `what`: `scaling policy`, `scheduled action`.
pub(crate) fn none_found(what: &str, named: &str, place: &Place, name: &str) -> Failure {
    let (resource, dimension) = (&place.resource, place.dimension.name());
    errors::object_not_found_exception(format!(
        "No {what} found for service namespace: dynamodb, resource ID: {resource}, scalable dimension: {dimension}, {named}: {name}"
    ))
    .into()
}

pub(crate) fn bad_token() -> Failure {
    errors::invalid_next_token_exception("The next token is not valid.").into()
}
