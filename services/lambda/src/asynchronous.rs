//! Events: invocations that nobody waits for. They are kept with the state, tried three times, and last six hours, where
//! nobody says otherwise. What came of one is told in a second task, so that a crash between the two tells it again and
//! does not run the function again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::destination::{self, Delivery, Outcome, Telling};
use crate::event_config::{self, EventConfig};
use crate::function::{Function, FunctionName};
use crate::invoke;
use crate::metrics;
use crate::report::{Call, Done};
use crate::state::State;

/// After a function's first and second failure it is tried again after so long.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];

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
    /// What the function answered last.
    #[serde(default)]
    last: Option<Last>,
}

/// What a function answered to an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Last {
    payload: String,
    failed: bool,
    /// The version that ran.
    version: String,
}

impl Event {
    fn id(&self) -> String {
        format!("event/{}", self.request_id)
    }

    fn name(&self, cx: &Cx) -> FunctionName {
        FunctionName {
            account: cx.account().to_owned(),
            region: cx.region().to_owned(),
            name: self.function.clone(),
            qualifier: self.qualifier.clone(),
        }
    }

    /// What destinations are told of it.
    fn record(&self, cx: &Cx, outcome: Outcome) -> Json {
        let parsed = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        let qualified = self.arn.split(':').count() > 7;
        let arn = if qualified { self.arn.clone() } else { format!("{}:$LATEST", self.arn) };
        let tried = self.failures + usize::from(outcome == Outcome::Success);
        let mut record = json!({
            "version": "1.0",
            "timestamp": cx.now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": arn,
                "condition": outcome.name(),
                "approximateInvokeCount": tried,
            },
            "requestPayload": parsed(&self.payload),
        });
        if let Some(last) = &self.last {
            record["responseContext"] = json!({"statusCode": 200, "executedVersion": last.version});
            if last.failed {
                record["responseContext"]["functionError"] = json!("Unhandled");
            }
            record["responsePayload"] = parsed(&last.payload);
        }
        record
    }

    /// The event as a letter to the dead-letter queue.
    fn letter(&self) -> Telling {
        let answer = self.last.as_ref().map(|last| serde_json::from_str::<Json>(&last.payload).unwrap_or_default());
        let message = answer.as_ref().and_then(|answer| answer["errorMessage"].as_str()).unwrap_or_default();
        Telling::DeadLetter {
            request_id: self.request_id.clone(),
            payload: self.payload.clone(),
            code: if self.last.is_some() { 200 } else { 429 },
            message: message.to_owned(),
        }
    }
}

fn schedule(cx: &Cx, tx: &mut Tx<'_>, event: &Event, due: Timestamp) -> Result<()> {
    let payload = serde_json::to_string(event).map_err(Failure::broken)?;
    cx.tasks().schedule(cx, tx, "lambda", &event.id(), "event", payload, due)
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
        last: None,
    };
    let own = cx.elsewhere(&function.account, &function.region);
    cx.write(|tx| schedule(&own, tx, &event, cx.now())).await?;
    metrics::of_events(&own, function, "AsyncEventsReceived", "Count", 1.0);
    Ok(())
}

/// Runs what the queue has due: an event, or the telling of what came of one.
pub(crate) async fn run(state: &Arc<State>, cx: &Cx, task: &Task) -> Result<Next> {
    if task.kind == "delivery" {
        return deliver(cx, &serde_json::from_str(&task.payload).map_err(Failure::broken)?).await;
    }
    let event: Event = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let function = match event.name(cx).find_to_run(cx, &cx.read()) {
        // An event does not outlive its function.
        Err(failure) if failure.code() == Some("ResourceNotFoundException") => return Ok(Next::Done),
        found => found?,
    };
    let config = event_config::of(&cx.read(), &event.name(cx))?;
    let age = i32::try_from(cx.now_millis() - event.received).unwrap_or(i32::MAX);
    metrics::of_events(cx, &function.place(), "AsyncEventAge", "Milliseconds", f64::from(age));
    if cx.now_millis() - event.received >= config.oldest_millis() {
        return settle(cx, &event, &function, &config, Outcome::EventAgeExceeded).await;
    }
    if function.reserved == Some(0) {
        return settle(cx, &event, &function, &config, Outcome::ZeroReservedConcurrency).await;
    }
    attempt(state, cx, event, &function, &config).await
}

/// Runs the function with an event, and sees what is next.
async fn attempt(
    state: &Arc<State>,
    cx: &Cx,
    mut event: Event,
    function: &Function,
    config: &EventConfig,
) -> Result<Next> {
    let call = Call {
        request_id: event.request_id.clone(),
        payload: Bytes::from(event.payload.clone()),
        client_context: event.client_context.clone(),
        arn: event.arn.clone(),
        pieces: None,
    };
    // Throttles and failures of ours come again by the queue's own rules, and count as no failure of the function.
    let done: Done = invoke::run(state, cx, function, call).await?;
    let payload = String::from_utf8_lossy(&done.payload).into_owned();
    event.last = Some(Last { payload, failed: done.failed, version: function.version_name() });
    if !done.failed {
        return settle(cx, &event, function, config, Outcome::Success).await;
    }
    let wait = RETRY_AFTER.get(event.failures).filter(|_| event.failures < config.retries()).copied();
    event.failures += 1;
    let Some(wait) = wait else { return settle(cx, &event, function, config, Outcome::RetriesExhausted).await };
    // When its time is over before, that is when it is looked at again.
    let ends = Timestamp::from_millisecond(event.received + config.oldest_millis()).map_err(Failure::broken)?;
    let due = cx.kernel().clock().now().checked_add(wait).map_err(Failure::broken)?.min(ends);
    cx.write(|tx| schedule(cx, tx, &event, due)).await?;
    Ok(Next::Done)
}

/// Has those told who shall know what came of an event.
async fn settle(cx: &Cx, event: &Event, function: &Function, config: &EventConfig, outcome: Outcome) -> Result<Next> {
    let record = config.destination(outcome).map(|to| (to, Telling::Record(event.record(cx, outcome))));
    let dead = function.dead_letters.as_ref().filter(|_| outcome != Outcome::Success);
    let tellings: Vec<(&String, Telling)> = record.into_iter().chain(dead.map(|to| (to, event.letter()))).collect();
    if matches!(outcome, Outcome::EventAgeExceeded | Outcome::ZeroReservedConcurrency) {
        metrics::of_events(cx, &function.place(), "AsyncEventsDropped", "Count", 1.0);
    }
    cx.write(|tx| {
        for (number, (to, what)) in tellings.iter().enumerate() {
            let delivery = Delivery {
                function: function.name.clone(),
                version: function.version,
                to: (*to).clone(),
                what: what.clone(),
            };
            let payload = serde_json::to_string(&delivery).map_err(Failure::broken)?;
            let id = format!("delivery/{}/{number}", event.request_id);
            cx.tasks().schedule(cx, tx, "lambda", &id, "delivery", payload, cx.now())?;
        }
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}

async fn deliver(cx: &Cx, delivery: &Delivery) -> Result<Next> {
    let name = FunctionName {
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        name: delivery.function.clone(),
        qualifier: delivery.version.map(|number| number.to_string()),
    };
    let function = match name.find_version(cx, &cx.read()) {
        Err(failure) if failure.code() == Some("ResourceNotFoundException") => return Ok(Next::Done),
        found => found?,
    };
    match destination::tell(cx, &function, delivery).await {
        Err(failure) if destination::is_final(&failure) => {
            let letter = matches!(delivery.what, Telling::DeadLetter { .. });
            let metric = if letter { "DeadLetterErrors" } else { "DestinationDeliveryFailures" };
            metrics::of_events(cx, &function.place(), metric, "Count", 1.0);
            tracing::warn!(
                function = function.name,
                to = delivery.to,
                error = &failure as &dyn std::error::Error,
                "what came of an event could not be told"
            );
            Ok(Next::Done)
        }
        told => told.map(|()| Next::Done),
    }
}
