//! `Invoke`: at once, later, or not at all.

use std::sync::Arc;

use bytes::Bytes;
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Result};

use crate::api;
use crate::asynchronous;
use crate::error;
use crate::function::{Function, FunctionName};
use crate::report::{Call, Done, perform};
use crate::state::State;

/// The most bytes of a payload that is answered.
const MOST_SYNCHRONOUS: usize = 6_291_456;
/// The most bytes of an event.
const MOST_EVENT: usize = 1_048_576;
/// A client context may be so long, in base64.
const MOST_CONTEXT: usize = 3_583;

/// The payload as the function gets it. None is an empty object.
pub(crate) fn payload(given: Option<Bytes>, event: bool) -> Result<Bytes> {
    let payload = given.filter(|p| !p.is_empty()).unwrap_or_else(|| Bytes::from_static(b"{}"));
    if event && payload.len() > MOST_EVENT {
        let message = format!(
            "{} byte payload is too large for the Event invocation type (limit {MOST_EVENT} bytes)",
            payload.len()
        );
        return Err(error::too_large(message));
    }
    if payload.len() > MOST_SYNCHRONOUS {
        let message = format!("Request must be smaller than {MOST_SYNCHRONOUS} bytes for the InvokeFunction operation");
        return Err(error::too_large(message));
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(&payload) {
        Ok(_) => Ok(payload),
        Err(why) => Err(error::not_json(&why)),
    }
}

/// The JSON in a client context.
pub(crate) fn client_context(given: Option<String>) -> Result<Option<String>> {
    let Some(given) = given else { return Ok(None) };
    if given.len() > MOST_CONTEXT {
        return Err(error::invalid(format!(
            "Client context must be no more than {MOST_CONTEXT} bytes when base64-encoded."
        )));
    }
    let decoded = text::unbase64(&given).and_then(|b| String::from_utf8(b).ok());
    let decoded = decoded.filter(|d| serde_json::from_str::<serde::de::IgnoredAny>(d).is_ok());
    // A header has one line.
    let one_line = |json: String| serde_json::from_str::<serde_json::Value>(&json).map_or(json, |v| v.to_string());
    decoded
        .map(|d| Some(one_line(d)))
        .ok_or_else(|| error::invalid("Client context must be a valid Base64-encoded JSON object."))
}

pub(crate) async fn invoke(state: &Arc<State>, cx: &Cx, input: api::InvokeInput) -> Result<api::InvokeOutput> {
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    let function = name.find_to_run(cx, &cx.read())?;
    let event = input.invocation_type.as_deref() == Some("Event");
    let payload = payload(input.payload, event)?;
    let client_context = client_context(input.client_context)?;
    let answer = |status: i32| api::InvokeOutput { status_code: Some(status), ..api::InvokeOutput::default() };
    let call = Call {
        request_id: cx.request_id().to_owned(),
        payload,
        client_context,
        arn: name.qualified_arn(cx),
        pieces: None,
    };
    if input.invocation_type.as_deref() == Some("DryRun") {
        return Ok(answer(204));
    }
    if event {
        asynchronous::enqueue(cx, &name, call).await?;
        return Ok(answer(202));
    }
    let done = run(state, cx, &function, call).await?;
    let tail = input.log_type.as_deref() == Some("Tail");
    Ok(api::InvokeOutput {
        function_error: done.failed.then(|| "Unhandled".to_owned()),
        log_result: tail.then(|| text::base64(done.log.as_bytes())),
        payload: Some(done.payload),
        executed_version: Some(function.version_name()),
        ..answer(200)
    })
}

/// `InvokeAsync`, which was there before `InvocationType` was.
pub(crate) async fn invoke_async(cx: &Cx, input: api::InvokeAsyncInput) -> Result<api::InvokeAsyncOutput> {
    let name = FunctionName::parse(cx, &input.function_name, None)?;
    name.find_version(cx, &cx.read())?;
    let given = input.invoke_args.collect(MOST_SYNCHRONOUS).await.map_err(Failure::broken)?;
    let large = || error::too_large(format!("Request must be smaller than {MOST_SYNCHRONOUS} bytes"));
    let payload = payload(Some(given.ok_or_else(large)?), true)?;
    let call = Call {
        request_id: cx.request_id().to_owned(),
        payload,
        client_context: None,
        arn: name.qualified_arn(cx),
        pieces: None,
    };
    asynchronous::enqueue(cx, &name, call).await?;
    Ok(api::InvokeAsyncOutput { status: Some(202) })
}

/// Runs a function. An invocation goes on when its caller goes away, as on AWS.
pub(crate) async fn run(state: &Arc<State>, cx: &Cx, function: &Function, call: Call) -> Result<Done> {
    let (told, hear) = tokio::sync::oneshot::channel();
    // What the function does is its role's doing and not the caller's.
    let own = cx.kernel().cx_for(&function.account, &function.region);
    let (state, function) = (Arc::clone(state), function.clone());
    cx.spawn(async move {
        let done = perform(&state, &own, &function, call).await;
        // A caller that has gone does not hear.
        drop(told.send(done));
    });
    hear.await.map_err(|_| cx.broken("an invocation ended without a result"))?
}
