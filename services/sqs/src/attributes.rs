//! Attributes of a queue: which there are, what they may be, what they are by default.
//!
//! Source: `SetQueueAttributes` in the API reference; messages as AWS answered them.

use std::collections::BTreeMap;

use serde::Deserialize;
use undercast_kernel::policy::PolicyKind;
use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::api::errors;
use crate::error;
use crate::queue::{Queue, QueueName, RedrivePolicy};

/// Name, default, least, most.
const NUMBERS: &[(&str, i64, i64, i64)] = &[
    ("DelaySeconds", 0, 0, 900),
    ("KmsDataKeyReusePeriodSeconds", 300, 60, 86_400),
    ("MaximumMessageSize", 1_048_576, 1_024, 1_048_576),
    ("MessageRetentionPeriod", 345_600, 60, 1_209_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 0, 20),
    ("VisibilityTimeout", 30, 0, 43_200),
];

/// Attributes that are told and cannot be set.
const READ_ONLY: &[&str] = &[
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

pub(crate) fn default_number(attribute: &str) -> i64 {
    NUMBERS.iter().find(|(name, ..)| *name == attribute).map_or(0, |(_, default, ..)| *default)
}

/// Attributes of queues that have no number.
const OTHERS: &[&str] = &[
    "All",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsMasterKeyId",
    "Policy",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
];

/// Whether queues have such an attribute.
fn exists(name: &str) -> bool {
    NUMBERS.iter().any(|(known, ..)| *known == name) || READ_ONLY.contains(&name) || OTHERS.contains(&name)
}

/// Refuses to be asked for attributes that there are not. `more`: those that there are besides a queue's.
pub(crate) fn check_names(asked: &[String], more: &[&str]) -> Result<()> {
    match asked.iter().find(|name| !exists(name) && !more.contains(&name.as_str())) {
        Some(name) => Err(unknown(name).into()),
        None => Ok(()),
    }
}

fn unknown(name: &str) -> AwsError {
    errors::invalid_attribute_name(format!("Unknown Attribute {name}."))
}

/// Checks attributes that shall be set on `queue`, which has its new attributes already, and gives back those to keep:
/// an empty policy takes the attribute away.
pub(crate) fn check(
    cx: &Cx,
    from: &impl Read,
    queue: &Queue,
    given: &BTreeMap<String, String>,
    creating: bool,
) -> Result<()> {
    for (name, value) in given {
        match name.as_str() {
            "FifoQueue" => fifo(value, creating)?,
            "ContentBasedDeduplication" | "DeduplicationScope" | "FifoThroughputLimit" => {
                fifo_only(queue, name, value)?;
            }
            "Policy" if value.is_empty() => {}
            "Policy" => {
                let compiled = cx.policies().compile(PolicyKind::Resource, value);
                compiled.map_err(|_| error::invalid_attribute("Policy"))?;
            }
            "RedrivePolicy" if value.is_empty() => {}
            "RedrivePolicy" => redrive(cx, from, queue, value)?,
            "RedriveAllowPolicy" if value.is_empty() => {}
            "RedriveAllowPolicy" => drop(allow_policy(value)?),
            "KmsMasterKeyId" => one_encryption(given)?,
            "KmsDataKeyReusePeriodSeconds" if value.is_empty() => {}
            "SqsManagedSseEnabled" if !matches!(value.as_str(), "true" | "false") => {
                return Err(error::invalid_attribute("SqsManagedSseEnabled").into());
            }
            "SqsManagedSseEnabled" => {}
            read_only if READ_ONLY.contains(&read_only) => return Err(unknown(name).into()),
            number => bounded(number, value)?,
        }
    }
    Ok(())
}

fn bounded(name: &str, value: &str) -> Result<()> {
    let Some((_, _, least, most)) = NUMBERS.iter().find(|(known, ..)| *known == name) else {
        return Err(unknown(name).into());
    };
    match value.parse::<i64>() {
        Ok(number) if (*least..=*most).contains(&number) => Ok(()),
        _ => Err(error::invalid_attribute(name).into()),
    }
}

fn fifo(value: &str, creating: bool) -> Result<()> {
    if !creating {
        let message = "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.";
        return Err(errors::invalid_attribute_value(message).into());
    }
    // AWS takes only `true`: a standard queue is one without the attribute.
    if value == "true" { Ok(()) } else { Err(unknown("FifoQueue").into()) }
}

fn fifo_only(queue: &Queue, name: &str, value: &str) -> Result<()> {
    if !queue.is_fifo() {
        let error = match name {
            "ContentBasedDeduplication" => unknown(name),
            _ => errors::invalid_attribute_name(format!(
                "You can specify the {name} only when FifoQueue is set to true."
            )),
        };
        return Err(error.into());
    }
    let allowed: &[&str] = match name {
        "ContentBasedDeduplication" => &["true", "false"],
        "DeduplicationScope" => &["messageGroup", "queue"],
        _ => &["perQueue", "perMessageGroupId"],
    };
    if !allowed.contains(&value) {
        return Err(error::invalid_attribute(name).into());
    }
    let per_group = queue.text("FifoThroughputLimit") == Some("perMessageGroupId");
    if per_group && !queue.by_group() {
        let message =
            "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.";
        return Err(errors::invalid_attribute_value(message).into());
    }
    Ok(())
}

/// A queue is encrypted in one way.
fn one_encryption(given: &BTreeMap<String, String>) -> Result<()> {
    let has = |name: &str, is: fn(&str) -> bool| given.get(name).is_some_and(|value| is(value));
    if has("KmsMasterKeyId", |v| !v.is_empty()) && has("SqsManagedSseEnabled", |v| v == "true") {
        let message = "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.";
        return Err(errors::invalid_attribute_value(message).into());
    }
    Ok(())
}

fn redrive(cx: &Cx, from: &impl Read, queue: &Queue, text: &str) -> Result<()> {
    let invalid = |reason: &str| Failure::from(error::invalid_parameter(text, "RedrivePolicy", reason));
    let policy: RedrivePolicy =
        serde_json::from_str(text).map_err(|_| invalid("Redrive policy is not a valid JSON map."))?;
    if !(1..=1_000).contains(&policy.max_receive_count) {
        return Err(invalid("Invalid value for maxReceiveCount: must be between 1 and 1000."));
    }
    let target = QueueName::from_arn(&policy.dead_letter_target_arn)
        .ok_or_else(|| invalid("Invalid value for deadLetterTargetArn."))?;
    let same_place = target.account == queue.account && target.region == queue.region;
    if !same_place {
        return Err(invalid("Dead-letter target owner should be same as the source."));
    }
    let Ok(target) = target.find(from) else { return Err(invalid("Dead letter target does not exist.")) };
    if target.is_fifo() != queue.is_fifo() {
        return Err(invalid("Dead-letter queue must be same type of queue as the source."));
    }
    if !allows(&target, &queue.arn(cx))? {
        return Err(invalid("Queue is not allowed by the redrive allow policy of the dead-letter queue."));
    }
    Ok(())
}

/// Which queues may use a queue as their dead-letter queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AllowPolicy {
    redrive_permission: String,
    source_queue_arns: Option<Vec<String>>,
}

fn allow_policy(text: &str) -> Result<AllowPolicy> {
    let invalid = |reason: &str| Failure::from(error::invalid_parameter(text, "RedriveAllowPolicy", reason));
    let policy: AllowPolicy =
        serde_json::from_str(text).map_err(|_| invalid("Amazon SQS can't parse the redrive allow policy."))?;
    let listed = policy.source_queue_arns.as_ref().map_or(0, Vec::len);
    match policy.redrive_permission.as_str() {
        "allowAll" | "denyAll" if listed == 0 => Ok(policy),
        "byQueue" if (1..=10).contains(&listed) => Ok(policy),
        _ => Err(invalid("Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.")),
    }
}

/// Whether `source` may use `target` as its dead-letter queue.
fn allows(target: &Queue, source: &str) -> Result<bool> {
    let Some(text) = target.text("RedriveAllowPolicy") else { return Ok(true) };
    let policy = allow_policy(text)?;
    Ok(match policy.redrive_permission.as_str() {
        "denyAll" => false,
        "byQueue" => policy.source_queue_arns.is_some_and(|arns| arns.iter().any(|a| a == source)),
        _ => true,
    })
}

/// Sets attributes: an empty text takes a policy away.
pub(crate) fn apply(queue: &mut Queue, given: &BTreeMap<String, String>) {
    for (name, value) in given {
        if value.is_empty() {
            queue.attributes.remove(name);
        } else {
            queue.attributes.insert(name.clone(), value.clone());
        }
    }
    // What is said of one way to encrypt ends the other.
    if given.get("KmsMasterKeyId").is_some_and(|key| !key.is_empty()) {
        queue.attributes.remove("SqsManagedSseEnabled");
    } else if given.get("SqsManagedSseEnabled").is_some_and(|value| value == "true") {
        queue.attributes.remove("KmsMasterKeyId");
        queue.attributes.remove("KmsDataKeyReusePeriodSeconds");
    }
}

/// Everything that is told of a queue but the counts of its messages.
pub(crate) fn describe(cx: &Cx, queue: &Queue) -> BTreeMap<String, String> {
    let mut out = queue.attributes.clone();
    let kms = queue.text("KmsMasterKeyId").is_some();
    for (name, ..) in NUMBERS.iter().filter(|(name, ..)| kms || *name != "KmsDataKeyReusePeriodSeconds") {
        out.entry((*name).to_owned()).or_insert_with(|| queue.number(name).to_string());
    }
    out.entry("SqsManagedSseEnabled".to_owned()).or_insert_with(|| (!kms).to_string());
    if queue.is_fifo() {
        for (name, default) in [
            ("ContentBasedDeduplication", "false"),
            ("DeduplicationScope", "queue"),
            ("FifoThroughputLimit", "perQueue"),
        ] {
            out.entry(name.to_owned()).or_insert_with(|| default.to_owned());
        }
    }
    out.insert("QueueArn".to_owned(), queue.arn(cx));
    out.insert("CreatedTimestamp".to_owned(), queue.created.to_string());
    out.insert("LastModifiedTimestamp".to_owned(), queue.modified.to_string());
    out
}
