//! Errors in Scheduler's words.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Repeated, Result};

use crate::api::errors;

/// AWS does not tell for how long it remembers a client token.
const TOKEN_MILLIS: i64 = 8 * 3_600_000;

pub(crate) fn validation(message: impl Into<String>) -> Failure {
    errors::validation_exception(message).into()
}

pub(crate) fn no_schedule(name: &str) -> Failure {
    errors::resource_not_found_exception(format!("Schedule {name} does not exist.")).into()
}

pub(crate) fn no_group(name: &str) -> Failure {
    errors::resource_not_found_exception(format!("Schedule group {name} does not exist.")).into()
}

pub(crate) fn conflict(message: impl Into<String>) -> Failure {
    errors::conflict_exception(message).into()
}

pub(crate) fn bad_token() -> Failure {
    validation("The next token is not valid.")
}

/// Whether a request was done before, as its token says.
pub(crate) fn was_done(cx: &Cx, tx: &mut Tx<'_>, operation: &str, token: Option<&str>, request: &[u8]) -> Result<bool> {
    let Some(token) = token else { return Ok(false) };
    match cx.repeated(tx, &format!("scheduler.{operation}"), token, request, TOKEN_MILLIS)? {
        Repeated::New => Ok(false),
        Repeated::Same => Ok(true),
        Repeated::Another => Err(conflict("The client token was used with another request.")),
    }
}
