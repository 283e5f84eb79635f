//! Delivery: a task that comes again until the target has taken the event, or until it is given up and goes to the queue for
//! dead letters.
//!
//! Source: "Debugging event delivery" in the user guide: 24 hours and 185 times where nothing else is said, with exponential
//! back-off and jitter; what can never succeed (no permission, no such resource) is not tried again.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::accept::Delivery;
use crate::api::kept::Target;
use crate::bus::moment;
use crate::name::BusName;
use crate::target::TARGETS;
use crate::transform::{self, Said};
use crate::{Events, invoke, metrics};

/// The kind of its tasks.
pub(crate) const DELIVERY: &str = "deliver";

/// An event is tried so often again, and for so long, where nothing else is said.
const MOST_RETRIES: i32 = 185;
const LONGEST: i32 = 86_400;
/// The longest pause between two attempts, in milliseconds.
const LONGEST_PAUSE: u64 = 600_000;

/// Stores that an event is to be delivered. `home`: the account and the region of the rule.
pub(crate) fn schedule(home: &Cx, tx: &mut Tx<'_>, delivery: &Delivery) -> Result<()> {
    let payload = serde_json::to_string(delivery).map_err(Failure::broken)?;
    home.tasks().schedule(home, tx, "events", &home.random().uuid(), DELIVERY, payload, home.now())
}

/// Why a target did not take an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// AWS's name for it in the attributes of dead letters.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// It may go well another time.
    pub(crate) again: bool,
    /// Not before then: milliseconds since 1970.
    pub(crate) not_before: Option<i64>,
    /// Nothing was tried: it has to wait for its turn.
    pub(crate) untried: bool,
}

impl Refusal {
    pub(crate) fn for_good(code: &'static str, message: impl Into<String>) -> Self {
        Self { again: false, ..Self::later(code, message) }
    }

    /// One that may go well another time.
    pub(crate) fn later(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), again: true, not_before: None, untried: false }
    }

    /// Whoever is called wants to be called at that moment.
    pub(crate) fn wait(until: i64) -> Self {
        let message = "The limit of invocations a second is reached.";
        Self { not_before: Some(until), untried: true, ..Self::later("THROTTLING", message) }
    }

    /// What an error of a target's service means.
    pub(crate) fn of(failure: &Failure) -> Self {
        let Failure::Aws(error) = failure else {
            return match failure {
                Failure::NotBuilt { .. } => Self::for_good("SDK_CLIENT_ERROR", failure.to_string()),
                Failure::Cut => Self::later("CONNECTION_FAILURE", failure.to_string()),
                _ => Self::later("INTERNAL_ERROR", failure.to_string()),
            };
        };
        let said = |parts: &[&str]| parts.iter().any(|part| error.code.contains(part) || error.name.contains(part));
        let throttled = error.status == 429 || said(&["Throttl", "TooManyRequests", "ThroughputExceeded", "SlowDown"]);
        let (code, again) = if throttled {
            ("THROTTLING", true)
        } else if !error.sender || error.status >= 500 {
            ("ERROR_FROM_TARGET", true)
        } else if said(&["AccessDenied", "AuthorizationError", "Unauthorized", "KMSAccess"]) {
            ("NO_PERMISSIONS", false)
        } else if error.status == 404 || said(&["NotFound", "NonExistent", "DoesNotExist"]) {
            ("NO_RESOURCE", false)
        } else if said(&["InvalidRequestContent"]) {
            ("INVALID_JSON", false)
        } else if said(&["InvalidParameter", "InvalidArgument", "Validation"]) {
            ("INVALID_PARAMETER", false)
        } else {
            ("SDK_CLIENT_ERROR", false)
        };
        Self { again, ..Self::later(code, error.message.clone()) }
    }
}

/// The pause before an attempt: it doubles, up to ten minutes, and is shortened by up to a half by chance.
fn pause(cx: &Cx, retries: u32) -> Duration {
    let longest = 1000u64.saturating_mul(1 << retries.min(10)).min(LONGEST_PAUSE);
    Duration::from_millis(longest / 2 + cx.random().below(longest / 2 + 1))
}

/// What is to become of an event that was not taken.
enum Verdict {
    Again(Timestamp),
    /// It is given up; what limit is reached, if one is.
    GivenUp(Option<&'static str>),
}

fn verdict(cx: &Cx, delivery: &Delivery, target: &Target, refusal: &Refusal) -> Result<Verdict> {
    if !refusal.again {
        return Ok(Verdict::GivenUp(None));
    }
    let policy = target.retry_policy.as_ref();
    let most = policy.and_then(|p| p.maximum_retry_attempts).unwrap_or(MOST_RETRIES);
    let longest = policy.and_then(|p| p.maximum_event_age_in_seconds).unwrap_or(LONGEST);
    if !refusal.untried && i64::from(delivery.retries) >= i64::from(most) {
        return Ok(Verdict::GivenUp(Some("MaximumRetryAttempts")));
    }
    let usual = || cx.now().checked_add(pause(cx, delivery.retries)).map_err(Failure::broken);
    let due = match refusal.not_before.map(moment) {
        Some(due) if refusal.untried => due.max(moment(cx.now_millis() + 1)),
        Some(due) => due.max(usual()?),
        None => usual()?,
    };
    if due.as_millisecond() > delivery.event.ingested + i64::from(longest) * 1000 {
        return Ok(Verdict::GivenUp(Some("MaximumEventAgeInSeconds")));
    }
    Ok(Verdict::Again(due))
}

/// Delivers an event.
pub(crate) async fn run(service: &Events, cx: &Cx, task: &Task) -> Result<Next> {
    let mut delivery: Delivery = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let bus = BusName::new(cx, &delivery.bus);
    let row = TARGETS.get(&cx.read(), &(bus.key(), &delivery.rule, &delivery.target))?;
    // The target was removed meanwhile.
    let Some(target) = row.map(|row| row.target()).transpose()? else { return Ok(Next::Done) };
    let observe = |name: &str, value: f64| metrics::of_rule(cx, &bus, &delivery.rule, name, "Count", value);
    let arn = bus.rule_arn(&delivery.rule);
    let said = Said { rule: &delivery.rule, rule_arn: &arn };
    let input = transform::input(&target, said, &delivery.event);
    let latency = |name: &str| {
        let since = u32::try_from((cx.refreshed().now_millis() - delivery.event.ingested).max(0)).unwrap_or(u32::MAX);
        metrics::of_rule(cx, &bus, &delivery.rule, name, "Milliseconds", f64::from(since));
    };
    latency("IngestionToInvocationStartLatency");
    let invoked = invoke::invoke(service, cx, &bus, &target, &delivery, input).await;
    if !invoked.as_ref().is_err_and(|refusal| refusal.untried) {
        observe("InvocationAttempts", 1.0);
        if delivery.retries > 0 {
            observe("RetryInvocationAttempts", 1.0);
        }
        latency("IngestionToInvocationCompleteLatency");
    }
    let refusal = match invoked {
        Ok(()) => {
            observe("Invocations", 1.0);
            observe("SuccessfulInvocationAttempts", 1.0);
            latency("IngestionToInvocationSuccessLatency");
            return Ok(Next::Done);
        }
        Err(refusal) => refusal,
    };
    match verdict(cx, &delivery, &target, &refusal)? {
        Verdict::Again(due) => {
            delivery.retries += u32::from(!refusal.untried);
            let payload = serde_json::to_string(&delivery).map_err(Failure::broken)?;
            cx.write(|tx| cx.tasks().schedule(cx, tx, "events", &task.id, DELIVERY, payload.clone(), due)).await?;
            Ok(Next::Done)
        }
        Verdict::GivenUp(limit) => {
            observe("Invocations", 1.0);
            observe("FailedInvocations", 1.0);
            bury(cx, &bus, &target, &delivery, &refusal, limit).await;
            Ok(Next::Done)
        }
    }
}

/// Sends what is given up to the queue for dead letters, if there is one.
async fn bury(
    cx: &Cx,
    bus: &BusName,
    target: &Target,
    delivery: &Delivery,
    refusal: &Refusal,
    limit: Option<&'static str>,
) {
    let Some(queue) = target.dead_letter_config.as_ref().and_then(|config| config.arn.as_deref()) else { return };
    let Some(arn) = Arn::parse(queue) else { return };
    let text = |value: &str| json!({"DataType": "String", "StringValue": value});
    let rule = bus.rule_arn(&delivery.rule);
    let mut attributes = Map::from_iter([
        ("RULE_ARN".to_owned(), text(&rule)),
        ("TARGET_ARN".to_owned(), text(&target.arn)),
        ("ERROR_CODE".to_owned(), text(refusal.code)),
        ("ERROR_MESSAGE".to_owned(), text(&refusal.message)),
    ]);
    if let Some(limit) = limit {
        attributes.insert("EXHAUSTED_RETRY_CONDITION".to_owned(), text(limit));
        let retries = json!({"DataType": "Number", "StringValue": delivery.retries.to_string()});
        attributes.insert("RETRY_ATTEMPTS".to_owned(), retries);
    }
    let url = format!("{}/{}/{}", cx.endpoint(), arn.account, arn.resource);
    let input =
        json!({"QueueUrl": url, "MessageBody": delivery.event.text(), "MessageAttributes": Json::Object(attributes)});
    let there = cx.elsewhere(&arn.account, &arn.region).as_service(invoke::PRINCIPAL, Some(&rule));
    let name = match there.call("sqs", "SendMessage", input).await {
        Ok(_) => "InvocationsSentToDlq",
        Err(failure) => {
            tracing::warn!(queue, rule, error = &failure as &dyn std::error::Error, "a dead letter is lost");
            "InvocationsFailedToBeSentToDlq"
        }
    };
    metrics::of_rule(cx, bus, &delivery.rule, name, "Count", 1.0);
}
