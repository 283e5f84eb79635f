//! Express workflows: at once, in memory, for five minutes at most. What becomes of them is told to whoever waits, and to their logs.
//!
//! Source: "Choosing workflow type in Step Functions" in the developer guide.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use undercast_kernel::{Cx, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::arns::of_express;
use crate::engine::Happening;
use crate::error::check_name;
use crate::executions::{self, check_input};
use crate::machines::{Named, named};
use crate::rows::{Execution, moment};
use crate::runtime::{Live, Runtime, bell, key_of};

/// An express execution takes so long at most.
const LONGEST: Duration = Duration::from_secs(300);

/// What is known of an execution that only memory has.
pub(crate) struct Express {
    pub(crate) arn: String,
    /// The execution, once it has ended.
    pub(crate) ended: OnceLock<Execution>,
}

/// Begins an express execution, and says its ARN and when it began.
pub(crate) async fn start(
    runtime: &Arc<Runtime>,
    cx: &Cx,
    found: &Named,
    name: String,
    input: String,
    trace: Option<String>,
) -> Result<(String, Timestamp)> {
    let live = begin(runtime, cx, found, name, input, trace).await?;
    let arn = live.express.as_ref().map_or_else(String::new, |express| express.arn.clone());
    Ok((arn, moment(live.execution.started)))
}

async fn begin(
    runtime: &Arc<Runtime>,
    cx: &Cx,
    found: &Named,
    name: String,
    input: String,
    trace: Option<String>,
) -> Result<Arc<Live>> {
    // Names are used as often as one likes, and each execution has an id behind its name.
    let id = cx.random().uuid();
    let arn = of_express(cx, &found.machine.name, &name, &id);
    let execution = executions::new(cx, found, format!("{name}:{id}"), input, trace);
    let key = key_of(cx, &execution);
    let express = Express { arn: arn.clone(), ended: OnceLock::new() };
    let live = runtime.begin(cx, execution, found.revision.clone(), arn, Some(express)).await?;
    let (watched, runtime, own) = (Arc::clone(&live), Arc::clone(runtime), cx.kernel().cx_for(&key.0, &key.1));
    let until = own.now().checked_add(LONGEST).unwrap_or(Timestamp::MAX);
    cx.spawn(async move { watch(&runtime, &own, &watched, until).await });
    Ok(live)
}

/// Has an express execution looked at when something of it is due, until it has ended.
async fn watch(runtime: &Arc<Runtime>, cx: &Cx, live: &Arc<Live>, until: Timestamp) {
    let Some(express) = &live.express else { return };
    loop {
        let (bell, changed) = (cx.signals().of(&bell(&express.arn)), live.changed.notified());
        let heard = bell.notified();
        if express.ended.get().is_some() {
            return;
        }
        let due = live.due_next().await.map_or(until, |at| moment(at).min(until));
        tokio::select! {
            () = heard => {}
            () = changed => {}
            () = cx.kernel().clock().sleep_until(due) => {
                let late = cx.kernel().clock().now() >= until;
                let happening = if late { Happening::Late } else { Happening::Due };
                if let Err(failure) = runtime.happen_to(cx, live, happening).await {
                    tracing::error!(error = &failure as &dyn std::error::Error, "an express execution cannot go on");
                    return;
                }
            }
        }
    }
}

/// Runs an express execution, and answers with what came of it.
pub(crate) async fn start_sync(
    runtime: &Arc<Runtime>,
    cx: &Cx,
    input: api::StartSyncExecutionInput,
) -> Result<api::StartSyncExecutionOutput> {
    if let Some(name) = &input.name {
        check_name(name)?;
    }
    let given = input.input.unwrap_or_else(|| "{}".to_owned());
    check_input(&given)?;
    let found = named(cx, &cx.read(), &input.state_machine_arn)?;
    if !found.machine.express {
        let why = "This operation is not supported by this type of state machine";
        return Err(errors::state_machine_type_not_supported(why).into());
    }
    let name = input.name.unwrap_or_else(|| cx.random().uuid());
    let live = begin(runtime, cx, &found, name.clone(), given, input.trace_header.clone()).await?;
    let Some(express) = &live.express else { return Err(cx.broken("an express execution is not one")) };
    let ended = loop {
        let bell = cx.signals().of(&bell(&express.arn));
        let heard = bell.notified();
        if let Some(ended) = express.ended.get() {
            break ended.clone();
        }
        heard.await;
    };
    let metadata = input.included_data.as_deref() == Some("METADATA_ONLY");
    let details = || output::CloudWatchEventsExecutionDataDetails { included: Some(!metadata) };
    let millis = (ended.stopped.unwrap_or(ended.started) - ended.started).max(0);
    Ok(api::StartSyncExecutionOutput {
        execution_arn: express.arn.clone(),
        state_machine_arn: Some(input.state_machine_arn),
        name: Some(name),
        start_date: moment(ended.started),
        stop_date: moment(ended.stopped.unwrap_or(ended.started)),
        status: ended.status.name().to_owned(),
        error: ended.error,
        cause: ended.cause,
        input: Some(ended.input).filter(|_| !metadata),
        input_details: Some(details()),
        output_details: ended.output.as_ref().map(|_| details()),
        output: ended.output.filter(|_| !metadata),
        trace_header: input.trace_header,
        billing_details: Some(billed(millis)),
    })
}

/// Express workflows are billed by 64 MB and 100 milliseconds.
///
/// Source: the pricing page of Step Functions.
fn billed(millis: i64) -> output::BillingDetails {
    let duration = (millis + 99) / 100 * 100;
    output::BillingDetails {
        billed_memory_used_in_mb: Some(64),
        billed_duration_in_milliseconds: Some(duration.max(100)),
    }
}
