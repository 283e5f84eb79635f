//! Errors in EventBridge's words.
//!
//! Source: messages that AWS gave, as its users tell them; where none is known, the sentence of the API reference.

use undercast_kernel::AwsError;

use crate::api::errors;
use crate::name::BusName;

pub(crate) fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", 400, message)
}

pub(crate) fn no_bus(name: &str) -> AwsError {
    errors::resource_not_found_exception(format!("Event bus {name} does not exist."))
}

pub(crate) fn no_rule(bus: &BusName, rule: &str) -> AwsError {
    errors::resource_not_found_exception(format!("Rule {rule} does not exist on EventBus {}.", bus.name))
}

pub(crate) fn too_many() -> AwsError {
    errors::limit_exceeded_exception("The requested resource exceeds the maximum number allowed.")
}

pub(crate) fn bad_token() -> AwsError {
    validation("Provided NextToken is not valid.")
}

/// What somebody other than the service that made a rule may not do to it.
pub(crate) fn managed(rule: &str, by: &str) -> AwsError {
    errors::managed_rule_exception(format!(
        "Rule {rule} is managed by {by}. To modify it, use the service or force the change where that is possible."
    ))
}

pub(crate) fn bad_pattern(why: &undercast_pattern::Invalid) -> AwsError {
    errors::invalid_event_pattern_exception(format!("Event pattern is not valid. Reason: {why}"))
}
