//! Functions of Lambda: named by a task itself, or by the arguments of `lambda:invoke`.

use serde_json::{Value as Json, json};
use undercast_kernel::Cx;
use undercast_kernel::arn::Arn;
use undercast_kernel::wire::text;

use super::{Outcome, names};

/// What a function that failed says: the name of its error, and all that it said as the cause.
fn failed(payload: &[u8]) -> Outcome {
    let said = String::from_utf8_lossy(payload).into_owned();
    let told: Option<Json> = serde_json::from_str(&said).ok();
    let error = told.as_ref().and_then(|told| told["errorType"].as_str()).unwrap_or("Exception").to_owned();
    Outcome::Failed(error, said)
}

/// The region and account of a function's ARN, else those of the caller.
fn there(role: &Cx, function: &str) -> Cx {
    match Arn::parse(function) {
        Some(arn) => role.elsewhere(&arn.account, &arn.region),
        None => role.clone(),
    }
}

fn bytes(answer: &Json) -> Vec<u8> {
    answer["Payload"].as_str().and_then(text::unbase64).unwrap_or_else(Vec::new)
}

fn read(payload: &[u8]) -> Json {
    // A function that answers nothing answers null; one whose answer is no JSON, a text.
    serde_json::from_slice(payload).unwrap_or_else(|_| match payload {
        [] => Json::Null,
        other => json!(String::from_utf8_lossy(other)),
    })
}

/// A task whose resource is a function: its input is the payload, and the function's answer its result.
pub(crate) async fn invoke(role: &Cx, arn: &str, payload: &Json) -> Outcome {
    let sent = text::base64(payload.to_string().as_bytes());
    let input = json!({"FunctionName": arn, "InvocationType": "RequestResponse", "Payload": sent});
    match there(role, arn).call("lambda", "Invoke", input).await {
        Ok(answer) if answer["FunctionError"].is_string() => failed(&bytes(&answer)),
        Ok(answer) => Outcome::Succeeded(read(&bytes(&answer))),
        Err(failure) => names::known("Lambda", "AWSLambda", role, &failure),
    }
}

/// A task whose resource is `lambda:invoke`. `later`: the function is given a token, and its answer is of no account.
pub(crate) async fn invoke_known(role: &Cx, arguments: &Json, later: bool) -> Outcome {
    let mut input = arguments.clone();
    let function = input["FunctionName"].as_str().unwrap_or_default().to_owned();
    if let Some(payload) = arguments.get("Payload") {
        let written = match payload {
            Json::String(text) if arguments["InvocationType"] == "Event" => text.clone(),
            other => other.to_string(),
        };
        input["Payload"] = json!(text::base64(written.as_bytes()));
    }
    match there(role, &function).call("lambda", "Invoke", input).await {
        Ok(answer) if answer["FunctionError"].is_string() => failed(&bytes(&answer)),
        Ok(mut answer) => {
            answer["Payload"] = if later && bytes(&answer).is_empty() { Json::Null } else { read(&bytes(&answer)) };
            Outcome::Succeeded(names::with_metadata(answer, role))
        }
        Err(failure) => names::known("Lambda", "AWSLambda", role, &failure),
    }
}
