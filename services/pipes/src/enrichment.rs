//! Enrichments: a function that is given a batch, and answers with what goes on in its place.

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::wire::text;
use undercast_kernel::{AwsError, Cx, Failure, Result};

/// What a function answered.
pub(crate) struct Answered {
    pub(crate) request: Json,
    pub(crate) answer: Json,
}

/// Runs a function and waits for its answer.
///
/// # Errors
/// When it cannot be run, or fails.
pub(crate) async fn invoke(role: &Cx, function: &str, payload: &Json) -> Result<Answered> {
    let arn = Arn::parse(function).ok_or_else(|| role.broken("a function has a malformed ARN"))?;
    let there = role.elsewhere(&arn.account, &arn.region);
    let request = json!({"FunctionName": function, "InvocationType": "RequestResponse", "Payload": payload});
    let sent = text::base64(payload.to_string().as_bytes());
    let input = json!({"FunctionName": function, "InvocationType": "RequestResponse", "Payload": sent});
    let answer = there.call("lambda", "Invoke", input).await?;
    let bytes = answer["Payload"].as_str().and_then(text::unbase64).unwrap_or_else(Vec::new);
    if let Some(error) = answer["FunctionError"].as_str() {
        let said = String::from_utf8_lossy(&bytes).into_owned();
        return Err(AwsError::new("FunctionError", 200, format!("{error}: {said}")).into());
    }
    // A function that answers nothing answers null.
    let answer = if bytes.is_empty() { Json::Null } else { serde_json::from_slice(&bytes).map_err(Failure::broken)? };
    Ok(Answered { request, answer })
}

/// What goes on after an enrichment: one event or many. An answer that is empty ends the execution.
pub(crate) fn events(answer: Json) -> Vec<Json> {
    match answer {
        Json::Array(events) => events,
        Json::Null => Vec::new(),
        Json::String(text) if text.is_empty() => Vec::new(),
        Json::Object(members) if members.is_empty() => Vec::new(),
        one => vec![one],
    }
}
