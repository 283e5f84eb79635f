//! Events: invocations that nobody waits for. They are kept with the state, tried three times, and last six hours.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::function::FunctionName;
use crate::invoke;
use crate::report::Call;
use crate::state::State;

/// After a function's first and second failure it is tried again after so long.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// An event is dropped after so long.
const OLDEST_MILLIS: i64 = 6 * 3_600_000;

/// An event in the queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Event {
    function: String,
    /// Of the version or alias that was asked for.
    #[serde(default)]
    qualifier: Option<String>,
    arn: String,
    request_id: String,
    payload: String,
    client_context: Option<String>,
    /// How often the function has failed with it.
    failures: usize,
    /// When it came, in milliseconds since 1970.
    received: i64,
}

fn id(event: &Event) -> String {
    format!("event/{}", event.request_id)
}

fn schedule(cx: &Cx, tx: &mut undercast_kernel::store::Tx<'_>, event: &Event, due: Timestamp) -> Result<()> {
    let payload = serde_json::to_string(event).map_err(Failure::broken)?;
    cx.tasks().schedule(cx, tx, "lambda", &id(event), "event", payload, due)
}

/// Puts an event into the queue.
pub(crate) async fn enqueue(cx: &Cx, function: &FunctionName, call: Call) -> Result<()> {
    let event = Event {
        function: function.name.clone(),
        qualifier: function.qualifier.clone(),
        arn: call.arn,
        request_id: call.request_id,
        payload: String::from_utf8(call.payload.to_vec()).map_err(Failure::broken)?,
        client_context: call.client_context,
        failures: 0,
        received: cx.now_millis(),
    };
    let own = cx.elsewhere(&function.account, &function.region);
    cx.write(|tx| schedule(&own, tx, &event, cx.now())).await
}

/// Takes an event out of the queue and runs its function.
pub(crate) async fn run(state: &Arc<State>, cx: &Cx, task: &Task) -> Result<Next> {
    let mut event: Event = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let name = FunctionName {
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        name: event.function.clone(),
        qualifier: event.qualifier.clone(),
    };
    let function = match name.find_to_run(cx, &cx.read()) {
        Err(failure) if failure.code() == Some("ResourceNotFoundException") => None,
        found => Some(found?),
    };
    // An event outlives neither its time nor its function.
    let Some(function) = function.filter(|_| cx.now_millis() - event.received < OLDEST_MILLIS) else {
        return Ok(Next::Done);
    };
    let call = Call {
        request_id: event.request_id.clone(),
        payload: Bytes::from(event.payload.clone()),
        client_context: event.client_context.clone(),
        arn: event.arn.clone(),
    };
    // Throttles and failures of ours come again by the queue's own rules, and count as no failure of the function.
    let done = invoke::run(state, cx, &function, call).await?;
    let wait = RETRY_AFTER.get(event.failures);
    let Some(wait) = wait.filter(|_| done.failed) else { return Ok(Next::Done) };
    event.failures += 1;
    let due = cx.kernel().clock().now().checked_add(*wait).map_err(Failure::broken)?;
    cx.write(|tx| schedule(cx, tx, &event, due)).await?;
    Ok(Next::Done)
}
