//! Attributes of topics: which there are, what they may be, what is told of a topic.
//!
//! Source: `SetTopicAttributes` in the API reference; messages as AWS answered them.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::PolicyKind;
use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Failure, Result};

use crate::error::invalid;
use crate::message::LARGEST;
use crate::retry::{self, Policy};
use crate::rows::{Subscription, Topic};
use crate::{archive, status};

/// Which actions a policy of a topic can be about.
pub(crate) const ACTIONS: &[&str] = &[
    "AddPermission",
    "DeleteTopic",
    "GetDataProtectionPolicy",
    "GetTopicAttributes",
    "ListSubscriptionsByTopic",
    "ListTagsForResource",
    "Publish",
    "PutDataProtectionPolicy",
    "Receive",
    "RemovePermission",
    "SetTopicAttributes",
    "Subscribe",
    "TagResource",
    "UntagResource",
];

fn refuse(message: impl std::fmt::Display) -> Result<()> {
    Err(invalid(format!("Invalid parameter: {message}")).into())
}

fn one_of(name: &str, value: &str, allowed: &[&str]) -> Result<()> {
    if allowed.contains(&value) {
        return Ok(());
    }
    refuse(format_args!("{name} Reason: {value} is none of {}", allowed.join(", ")))
}

/// A policy must be one, and be about topics.
fn check_policy(cx: &Cx, value: &str) -> Result<()> {
    if cx.policies().compile(PolicyKind::Resource, value).is_err() {
        return refuse("Policy Error: null");
    }
    let policy: Json = serde_json::from_str(value).map_err(Failure::broken)?;
    let statements = match &policy["Statement"] {
        Json::Array(all) => all.iter().collect::<Vec<_>>(),
        one => vec![one],
    };
    let actions = statements.into_iter().flat_map(|s| match &s["Action"] {
        Json::Array(all) => all.iter().filter_map(Json::as_str).collect::<Vec<_>>(),
        one => one.as_str().into_iter().collect(),
    });
    for action in actions {
        let name = action.split_once(':').filter(|(s, _)| s.eq_ignore_ascii_case("sns")).map(|(_, name)| name);
        let known = |name: &str| name.contains(['*', '?']) || ACTIONS.iter().any(|a| a.eq_ignore_ascii_case(name));
        if action != "*" && !name.is_some_and(known) {
            return refuse("Policy statement action out of service scope!");
        }
    }
    Ok(())
}

/// Checks and sets one attribute of a topic; an empty value takes it away.
pub(crate) fn set(cx: &Cx, topic: &mut Topic, name: &str, value: &str, creating: bool) -> Result<()> {
    match name {
        "FifoTopic" if !creating => return refuse("AttributeName"),
        // AWS does not keep that a topic is none.
        "FifoTopic" if value == "false" => return Ok(()),
        "FifoTopic" => one_of(name, value, &["true", "false"])?,
        "ContentBasedDeduplication" | "FifoThroughputScope" | "ArchivePolicy" if !topic.is_fifo() => {
            return refuse(format_args!("{name} Reason: {name} attribute can only be set on FIFO topics"));
        }
        "ArchivePolicy" => return archive::set_policy(cx, topic, value),
        _ if value.is_empty() => check_name(name)?,
        "Policy" => check_policy(cx, value)?,
        "DisplayName" if value.chars().count() > 100 => return refuse("DisplayName"),
        "DisplayName" | "KmsMasterKeyId" => {}
        "DeliveryPolicy" => retry::check_topic(value)?,
        "SignatureVersion" => one_of(name, value, &["1", "2"])?,
        "ContentBasedDeduplication" => one_of(name, value, &["true", "false"])?,
        "FifoThroughputScope" => one_of(name, value, &["Topic", "MessageGroup"])?,
        "MaximumMessageSize" => check_largest(value)?,
        "TracingConfig" if value == "Active" => {
            return Err(Failure::not_built("sns topics with TracingConfig Active: there is no X-Ray to tell"));
        }
        "TracingConfig" => one_of(name, value, &["PassThrough", "Active"])?,
        other if status::is_attribute(other) => check_feedback(other, value)?,
        _ => return refuse("AttributeName"),
    }
    if value.is_empty() {
        topic.attributes.remove(name);
    } else {
        topic.attributes.insert(name.to_owned(), value.to_owned());
    }
    Ok(())
}

fn check_largest(value: &str) -> Result<()> {
    match value.parse::<u32>() {
        Ok(1_024..=1_048_576) => Ok(()),
        _ => refuse("MaximumMessageSize Reason: must be between 1024 and 1048576"),
    }
}

/// Topics of large messages have few subscriptions, of some protocols ("Publishing large messages with Amazon SNS").
pub(crate) fn check_subscriptions<'a>(topic: &Topic, all: impl Iterator<Item = &'a str>) -> Result<()> {
    if topic.largest() <= LARGEST {
        return Ok(());
    }
    let mut count = 0;
    for protocol in all {
        count += 1;
        if !matches!(protocol, "firehose" | "lambda" | "sqs") {
            return refuse(format_args!(
                "MaximumMessageSize Reason: messages of more than 256 KiB do not go to {protocol}"
            ));
        }
    }
    if count > 100 {
        return refuse(
            "MaximumMessageSize Reason: topics with messages of more than 256 KiB have at most 100 subscriptions",
        );
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    const NAMES: &[&str] = &[
        "ContentBasedDeduplication",
        "DeliveryPolicy",
        "DisplayName",
        "FifoThroughputScope",
        "KmsMasterKeyId",
        "MaximumMessageSize",
        "Policy",
        "SignatureVersion",
        "TracingConfig",
    ];
    if NAMES.contains(&name) || status::is_attribute(name) { Ok(()) } else { refuse("AttributeName") }
}

/// A role that writes logs, or how many of a hundred successes are logged.
pub(crate) fn check_feedback(name: &str, value: &str) -> Result<()> {
    if name.ends_with("SampleRate") {
        return match value.parse::<u32>() {
            Ok(0..=100) => Ok(()),
            _ => refuse(format_args!("{name} Reason: must be between 0 and 100")),
        };
    }
    let role = Arn::parse(value).is_some_and(|a| a.service == "iam" && a.resource.starts_with("role/"));
    if role { Ok(()) } else { refuse(format_args!("{name} Reason: {value} is not the ARN of a role")) }
}

/// The policy that a topic has when none was set: its owner may do everything.
pub(crate) fn default_policy(cx: &Cx, topic: &Topic) -> String {
    let actions = [
        "GetTopicAttributes",
        "SetTopicAttributes",
        "AddPermission",
        "RemovePermission",
        "DeleteTopic",
        "Subscribe",
        "ListSubscriptionsByTopic",
        "Publish",
    ];
    let actions: Vec<String> = actions.iter().map(|a| format!("SNS:{a}")).collect();
    json!({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [{
        "Sid": "__default_statement_ID", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": actions, "Resource": topic.arn(cx),
        "Condition": {"StringEquals": {"AWS:SourceOwner": topic.account}}}]})
    .to_string()
}

/// Everything that is told of a topic.
pub(crate) fn describe(cx: &Cx, from: &impl Read, topic: &Topic) -> Result<BTreeMap<String, String>> {
    let subscriptions = topic.subscriptions(from)?;
    let pending = subscriptions.iter().filter(|s| Subscription::is_pending(s)).count();
    let mut out = topic.attributes.clone();
    out.entry("Policy".to_owned()).or_insert_with(|| default_policy(cx, topic));
    out.entry("DisplayName".to_owned()).or_insert_with(String::new);
    for (name, value) in [
        ("TopicArn", topic.arn(cx)),
        ("Owner", topic.account.clone()),
        ("SubscriptionsConfirmed", (subscriptions.len() - pending).to_string()),
        ("SubscriptionsPending", pending.to_string()),
        ("SubscriptionsDeleted", topic.deleted(from, cx.now_millis())?.to_string()),
        ("EffectiveDeliveryPolicy", Policy::of_topic(topic).of_topic_json()),
    ] {
        out.insert(name.to_owned(), value);
    }
    if topic.is_fifo() {
        for (name, default) in [("ContentBasedDeduplication", "false"), ("FifoThroughputScope", "Topic")] {
            out.entry(name.to_owned()).or_insert_with(|| default.to_owned());
        }
    }
    out.extend(archive::beginning(cx, from, topic)?.map(|begun| ("BeginningArchiveTime".to_owned(), begun)));
    Ok(out)
}
