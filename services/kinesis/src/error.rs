//! Refusals in AWS's words.
//!
//! Source: messages that AWS gave, as its users and the tests of other emulators tell them; where none is known, the sentence
//! of the API reference.

use undercast_kernel::{AwsError, Cx, Result, paging};

use crate::api::errors;
use crate::name::StreamName;
use crate::stream::{Stream, shard_name};

/// A token of a list is good for so long, in milliseconds.
pub(crate) const TOKEN_LIFE: i64 = 300_000;

/// The place that a token of a list holds behind the moment at which it expires.
pub(crate) fn read_token(cx: &Cx, list: &str, token: &str) -> Result<String> {
    let none = || invalid("The provided NextToken is invalid.");
    let position = paging::position(list, token).ok_or_else(none)?;
    let (expires, place) = position.split_once('/').ok_or_else(none)?;
    if expires.parse::<i64>().map_err(|_| none())? < cx.now_millis() {
        let message = "The NextToken has expired: it is valid for 300 seconds.";
        return Err(errors::expired_next_token_exception(message).into());
    }
    Ok(place.to_owned())
}

pub(crate) fn no_stream(name: &StreamName) -> AwsError {
    errors::resource_not_found_exception(format!("Stream {} under account {} not found.", name.name, name.account))
}

/// A shard that a reader names.
pub(crate) fn no_shard(name: &StreamName, shard: &str) -> AwsError {
    let StreamName { name, account } = name;
    errors::resource_not_found_exception(format!(
        "Shard {shard} in stream {name} under account {account} does not exist"
    ))
}

/// A shard that is to be split or merged, or whose name is none.
pub(crate) fn shard_not_found(name: &StreamName, shard: &str) -> AwsError {
    let StreamName { name, account } = name;
    errors::resource_not_found_exception(format!(
        "Could not find shard {shard} in stream {name} under account {account}."
    ))
}

pub(crate) fn not_active(name: &StreamName, stream: &Stream) -> AwsError {
    let StreamName { name, account } = name;
    let state = stream.status.name();
    errors::resource_in_use_exception(format!(
        "Stream {name} under account {account} not ACTIVE, instead in state {state}"
    ))
}

pub(crate) fn exists(name: &StreamName) -> AwsError {
    let StreamName { name, account } = name;
    errors::resource_in_use_exception(format!("Stream {name} under account {account} already exists."))
}

pub(crate) fn rate_exceeded(name: &StreamName, shard: u32) -> AwsError {
    errors::provisioned_throughput_exceeded_exception(rate_exceeded_message(name, shard))
}

pub(crate) fn rate_exceeded_message(name: &StreamName, shard: u32) -> String {
    let StreamName { name, account } = name;
    format!("Rate exceeded for shard {} in stream {name} under account {account}.", shard_name(shard))
}

pub(crate) fn invalid(message: impl Into<String>) -> AwsError {
    errors::invalid_argument_exception(message)
}

/// A value that breaks a rule of the model which only the service can check.
pub(crate) fn violates(path: &str, value: Option<&str>, constraint: &str) -> AwsError {
    let value = value.map_or("null".to_owned(), |v| format!("'{v}'"));
    let message =
        format!("1 validation error detected: Value {value} at '{path}' failed to satisfy constraint: {constraint}");
    errors::validation_exception(message)
}

/// What an operation for provisioned streams says of another.
pub(crate) fn on_demand(operation: &str) -> AwsError {
    let message = format!("Request is invalid. {operation} is only supported for data streams in PROVISIONED mode.");
    errors::validation_exception(message)
}
