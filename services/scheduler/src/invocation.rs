//! Invocations: attempted until the target takes them, or given up and told to the dead-letter queue.
//!
//! Source: "Configuring a schedule's dead-letter queue" in the user guide, and `RetryPolicy` in the API reference.

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Joined, Next, Result, Task};

use crate::payload::{Attempt, written};
use crate::rows::{INVOCATIONS, Invocation, SCHEDULES, Schedule, execution_place, moment, place};
use crate::{PRINCIPAL, SERVICE, due, encryption, metrics, schedules, target};

/// The kind of these tasks.
pub(crate) const KIND: &str = "invoke";

/// The pause after a failure is twice that before, and at most this, in seconds: 185 attempts take a day.
const LONGEST_PAUSE: i64 = 480;
/// What is left of a payload that the dead-letter queue does not take whole, in bytes.
const LEFT: usize = 512;

fn task_id(cx: &Cx, schedule: &Schedule, execution: &str) -> String {
    format!("{KIND}/{}/{}/{}/{}/{execution}", cx.account(), cx.region(), schedule.group, schedule.name)
}

/// Has an invocation attempted at a moment.
pub(crate) fn plan(cx: &Cx, tx: &mut Tx<'_>, schedule: &Schedule, execution: &str, at: i64) -> Result<()> {
    let payload = json!({"group": schedule.group, "name": schedule.name, "execution": execution}).to_string();
    cx.tasks().schedule(cx, tx, SERVICE, &task_id(cx, schedule, execution), KIND, payload, moment(at))
}

/// Takes back an invocation.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, schedule: &Schedule, execution: &str) -> Result<()> {
    INVOCATIONS.delete(tx, &execution_place(cx, &schedule.group, &schedule.name, execution));
    cx.tasks().cancel(tx, SERVICE, &task_id(cx, schedule, execution))
}

/// Attempts an invocation.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let told: Json = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let text = |name: &str| told[name].as_str().unwrap_or_default();
    let (group, name, execution) = (text("group"), text("name"), text("execution"));
    let key = execution_place(cx, group, name, execution);
    let read = cx.read();
    let (schedule, invocation) = (SCHEDULES.get(&read, &place(cx, group, name))?, INVOCATIONS.get(&read, &key)?);
    let (Some(schedule), Some(invocation)) = (schedule, invocation) else { return Ok(Next::Done) };
    // A flexible window of a schedule that was disabled meanwhile.
    let never = invocation.failures == 0 && !schedule.enabled;
    if never || schedule.id != invocation.schedule {
        return finish(cx, &schedule, execution).await;
    }
    let attempt = Attempt {
        schedule_arn: schedule.arn(cx),
        due: invocation.due,
        execution: execution.to_owned(),
        number: invocation.failures + 1,
    };
    metrics::count(cx, group, "InvocationAttemptCount");
    cx.meter("scheduler", "Invocations", 1.0);
    let call = Call::new(cx, &schedule, &attempt);
    let failure = match call.attempt().await {
        Ok(None) => return finish(cx, &schedule, execution).await,
        Ok(Some(joined)) => match finish_with(cx, &schedule, execution, joined).await {
            Err(failure) if !matches!(failure, Failure::Broken(_)) => failure,
            done => return done,
        },
        Err(failure) => failure,
    };
    tell_failure(cx, group, &failure);
    let wait = 1i64 << invocation.failures.min(9);
    let at = cx.kernel().clock().now().as_millisecond() + wait.min(LONGEST_PAUSE) * 1000;
    let exhausted = exhausted(&schedule, &invocation, &failure, at);
    match exhausted {
        Some(exhausted) => {
            metrics::count(cx, group, "InvocationDroppedCount");
            call.tell_dead_letters(&failure, exhausted, &invocation).await?;
            finish(cx, &schedule, execution).await
        }
        None => {
            cx.write(|tx| {
                if INVOCATIONS.has(tx, &key)? {
                    let failures = invocation.failures + 1;
                    INVOCATIONS.put(tx, &key, &Invocation { failures, ..invocation.clone() });
                }
                Ok(())
            })
            .await?;
            Ok(Next::Again(moment(at)))
        }
    }
}

/// Why an invocation is given up, if it is. `next`: when it would be attempted again.
fn exhausted(schedule: &Schedule, invocation: &Invocation, failure: &Failure, next: i64) -> Option<&'static str> {
    let target = &schedule.target;
    let retries = i64::from(invocation.failures);
    // What is not built will not be there by tomorrow.
    if matches!(failure, Failure::NotBuilt { .. }) || retries >= i64::from(target.most_retries) {
        return Some("MaximumRetryAttempts");
    }
    let old = next - invocation.planned > i64::from(target.most_age) * 1000;
    old.then_some("MaximumEventAgeInSeconds")
}

fn tell_failure(cx: &Cx, group: &str, failure: &Failure) {
    tracing::warn!(group, error = failure as &dyn std::error::Error, "a target could not be invoked");
    metrics::count(cx, group, "TargetErrorCount");
    let throttled = matches!(failure, Failure::Aws(error) if error.status == 429
        || ["Throttl", "TooManyRequests", "ThroughputExceeded", "RequestLimit"].iter().any(|word| error.code.contains(word)));
    if throttled {
        metrics::count(cx, group, "TargetErrorThrottledCount");
    }
}

/// An invocation is done with, and perhaps the schedule too.
async fn finish(cx: &Cx, schedule: &Schedule, execution: &str) -> Result<Next> {
    cx.write(|tx| settle(cx, tx, schedule, execution)).await.map(|()| Next::Done)
}

/// The same with a call that takes effect with it: the target has it once, whatever stops.
async fn finish_with(cx: &Cx, schedule: &Schedule, execution: &str, joined: Joined) -> Result<Next> {
    let place = execution_place(cx, &schedule.group, &schedule.name, execution);
    let done = cx
        .write(|tx| {
            if !INVOCATIONS.has(tx, &place)? {
                return Ok(false);
            }
            joined.write(tx)?;
            settle(cx, tx, schedule, execution).map(|()| true)
        })
        .await?;
    if done {
        joined.done();
    }
    Ok(Next::Done)
}

fn settle(cx: &Cx, tx: &mut Tx<'_>, schedule: &Schedule, execution: &str) -> Result<()> {
    INVOCATIONS.delete(tx, &execution_place(cx, &schedule.group, &schedule.name, execution));
    match SCHEDULES.get(tx, &schedule.key(cx))?.filter(|there| there.id == schedule.id) {
        Some(there) if there.enabled && there.next.is_none() && due::is_done_with(cx, tx, &there)? => {
            schedules::remove(cx, tx, &there)
        }
        _ => Ok(()),
    }
}

/// An attempt that is being made.
struct Call<'a> {
    cx: &'a Cx,
    schedule: &'a Schedule,
    attempt: &'a Attempt,
    role: Cx,
}

impl<'a> Call<'a> {
    fn new(cx: &'a Cx, schedule: &'a Schedule, attempt: &'a Attempt) -> Self {
        let role = cx.as_role(PRINCIPAL, &schedule.target.role, &attempt.execution);
        Self { cx, schedule, attempt, role }
    }

    /// What the target is given.
    async fn payload(&self) -> Result<String> {
        let opened = encryption::open(&self.role, &self.attempt.schedule_arn, &self.schedule.target.input).await?;
        let (attempt, cx) = (self.attempt, self.cx);
        Ok(opened.map_or_else(|| attempt.event(cx).to_string(), |input| attempt.fill(&input)))
    }

    /// Calls the target. A call that it gives back takes effect with the writes that are done with the invocation.
    async fn attempt(&self) -> Result<Option<Joined>> {
        let target = &self.schedule.target;
        if !self.cx.is_assumable(PRINCIPAL, &target.role, Some(&self.attempt.schedule_arn))? {
            let message = format!("The role {} cannot be assumed by {PRINCIPAL}.", target.role);
            return Err(undercast_kernel::AwsError::new("AccessDeniedException", 403, message).into());
        }
        let payload = self.payload().await?;
        // What is refused is asked for once more by itself, so that the trail has it.
        if let Ok(Some(joined)) = target::join(self.cx, &self.role, target, &payload) {
            return Ok(Some(joined));
        }
        target::invoke(self.cx, &self.role, target, self.attempt, &payload).await.map(|()| None)
    }

    /// Sends an invocation that is given up to the dead-letter queue, if there is one.
    async fn tell_dead_letters(&self, failure: &Failure, exhausted: &str, invocation: &Invocation) -> Result<()> {
        let (target, group) = (&self.schedule.target, &self.schedule.group);
        let Some(queue) = target.dead_letters.as_deref().and_then(Arn::parse) else { return Ok(()) };
        let (code, message) = told(failure);
        let payload = self.payload().await.unwrap_or_else(|_| "{}".to_owned());
        let attributes = |truncated: bool| {
            let texts = [
                ("ERROR_CODE", code.clone()),
                ("ERROR_MESSAGE", message.clone()),
                ("EXECUTION_ID", self.attempt.execution.clone()),
                ("EXHAUSTED_RETRY_CONDITION", exhausted.to_owned()),
                ("IS_PAYLOAD_TRUNCATED", truncated.to_string()),
                ("RETRY_ATTEMPTS", invocation.failures.to_string()),
                ("SCHEDULED_TIME", written(invocation.due)),
                ("SCHEDULE_ARN", self.attempt.schedule_arn.clone()),
                ("TARGET_ARN", target.arn.clone()),
            ];
            let member =
                |(name, text): (&str, String)| (name.to_owned(), json!({"DataType": "String", "StringValue": text}));
            Json::Object(texts.into_iter().map(member).collect())
        };
        let there = self.role.elsewhere(&queue.account, &queue.region);
        let url = target::queue_url(self.cx, &queue);
        let send = async |body: &str, truncated: bool| {
            let input = json!({"QueueUrl": url, "MessageBody": body, "MessageAttributes": attributes(truncated)});
            there.call("sqs", "SendMessage", input).await
        };
        let mut sent = send(&payload, false).await;
        if matches!(&sent, Err(Failure::Aws(error)) if error.message.contains("must be shorter than")) {
            let mut end = LEFT.min(payload.len());
            while !payload.is_char_boundary(end) {
                end -= 1;
            }
            sent = send(&payload[..end], true).await;
            if sent.is_ok() {
                metrics::count(self.cx, group, "InvocationsSentToDeadLetterCount_Truncated_MessageSizeExceeded");
            }
        }
        match sent {
            Ok(_) => metrics::count(self.cx, group, "InvocationsSentToDeadLetterCount"),
            Err(failure) => {
                tracing::warn!(group, error = &failure as &dyn std::error::Error, "a dead-letter queue took nothing");
                metrics::count(self.cx, group, "InvocationsFailedToBeSentToDeadLetterCount");
                let name = format!("InvocationsFailedToBeSentToDeadLetterCount_{}", told(&failure).0);
                metrics::count(self.cx, group, &name);
            }
        }
        Ok(())
    }
}

/// Code and message of a failure.
fn told(failure: &Failure) -> (String, String) {
    match failure {
        Failure::Aws(error) => (error.code.to_string(), error.message.clone()),
        Failure::NotBuilt { .. } => ("NotImplemented".to_owned(), failure.to_string()),
        Failure::Cut => ("ServiceUnavailable".to_owned(), failure.to_string()),
        Failure::Broken(_) => ("InternalFailure".to_owned(), failure.to_string()),
    }
}
