//! Attributes of topics and subscriptions.

use std::collections::BTreeMap;

use serde_json::json;
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::PolicyKind;
use undercast_kernel::{Cx, Failure, Result};

use crate::error::invalid;
use crate::filter;
use crate::rows::{Subscription, Topic};

/// Checks and sets one attribute of a topic; an empty value takes it away.
pub(crate) fn set_topic(cx: &Cx, topic: &mut Topic, name: &str, value: &str) -> Result<()> {
    match name {
        "Policy" if !value.is_empty() => {
            let compiled = cx.policies().compile(PolicyKind::Resource, value);
            compiled.map_err(|_| invalid("Invalid parameter: Policy Error: null"))?;
        }
        "Policy" => {}
        "DisplayName" if value.chars().count() > 100 => return Err(invalid("Invalid parameter: DisplayName").into()),
        "DisplayName" => {}
        "FifoTopic" if value == "false" => return Ok(()),
        "FifoTopic" => return Err(Failure::not_built("sns FIFO topics")),
        "DeliveryPolicy"
        | "KmsMasterKeyId"
        | "TracingConfig"
        | "SignatureVersion"
        | "ContentBasedDeduplication"
        | "ArchivePolicy"
        | "BeginningArchiveTime"
        | "FifoThroughputScope" => {
            return Err(Failure::not_built(format!("sns topics with the attribute {name}")));
        }
        other if other.ends_with("FeedbackRoleArn") || other.ends_with("FeedbackSampleRate") => {
            return Err(Failure::not_built(format!("sns topics with the attribute {name}")));
        }
        _ => return Err(invalid("Invalid parameter: AttributeName").into()),
    }
    if value.is_empty() {
        topic.attributes.remove(name);
    } else {
        topic.attributes.insert(name.to_owned(), value.to_owned());
    }
    Ok(())
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
pub(crate) fn describe_topic(cx: &Cx, topic: &Topic, subscriptions: usize) -> BTreeMap<String, String> {
    let mut out = topic.attributes.clone();
    out.entry("Policy".to_owned()).or_insert_with(|| default_policy(cx, topic));
    out.entry("DisplayName".to_owned()).or_insert_with(String::new);
    let effective = json!({"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 20, "maxDelayTarget": 20, "numRetries": 3,
        "numMaxDelayRetries": 0, "numNoDelayRetries": 0, "numMinDelayRetries": 0, "backoffFunction": "linear"},
        "disableSubscriptionOverrides": false, "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"}}});
    for (name, value) in [
        ("TopicArn", topic.arn(cx)),
        ("Owner", topic.account.clone()),
        ("SubscriptionsConfirmed", subscriptions.to_string()),
        ("SubscriptionsPending", "0".to_owned()),
        ("SubscriptionsDeleted", "0".to_owned()),
        ("EffectiveDeliveryPolicy", effective.to_string()),
    ] {
        out.insert(name.to_owned(), value);
    }
    out
}

/// Checks and sets one attribute of a subscription; an empty value takes it away.
pub(crate) fn set_subscription(subscription: &mut Subscription, name: &str, value: &str) -> Result<()> {
    match name {
        "RawMessageDelivery" if !matches!(value, "true" | "false") => {
            return Err(invalid(format!(
                "Invalid parameter: RawMessageDelivery: Invalid value [{value}]. Must be true or false."
            ))
            .into());
        }
        "RawMessageDelivery" if value == "true" && subscription.protocol == "lambda" => {
            return Err(invalid(
                "Invalid parameter: Delivery protocol [lambda] does not support raw message delivery.",
            )
            .into());
        }
        "FilterPolicyScope" if !matches!(value, "MessageAttributes" | "MessageBody") => {
            let message = format!(
                "Invalid parameter: FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
            );
            return Err(invalid(message).into());
        }
        "FilterPolicy" if value.is_empty() || value == "{}" => {
            subscription.attributes.remove(name);
            return Ok(());
        }
        "FilterPolicy" => {
            let body = subscription.attributes.get("FilterPolicyScope").is_some_and(|s| s == "MessageBody");
            filter::check(value, body)?;
        }
        "RedrivePolicy" if value.is_empty() => {}
        "RedrivePolicy" => {
            dead_letter_target(value)
                .ok_or_else(|| invalid("Invalid parameter: RedrivePolicy: deadLetterTargetArn is an invalid arn"))?;
        }
        "RawMessageDelivery" | "FilterPolicyScope" => {}
        "DeliveryPolicy" | "SubscriptionRoleArn" | "ReplayPolicy" => {
            return Err(Failure::not_built(format!("sns subscriptions with the attribute {name}")));
        }
        _ => return Err(invalid("Invalid parameter: AttributeName").into()),
    }
    if value.is_empty() {
        subscription.attributes.remove(name);
    } else {
        subscription.attributes.insert(name.to_owned(), value.to_owned());
    }
    Ok(())
}

/// The queue that a redrive policy names.
pub(crate) fn dead_letter_target(policy: &str) -> Option<String> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let arn = policy["deadLetterTargetArn"].as_str()?;
    Arn::parse(arn).filter(|a| a.service == "sqs").map(|_| arn.to_owned())
}

/// Everything that is told of a subscription.
pub(crate) fn describe_subscription(cx: &Cx, topic: &Topic, subscription: &Subscription) -> BTreeMap<String, String> {
    let mut out = subscription.attributes.clone();
    let topic_arn = topic.arn(cx);
    for (name, value) in [
        ("SubscriptionArn", subscription.arn(&topic_arn)),
        ("TopicArn", topic_arn),
        ("Owner", subscription.owner.clone()),
        ("Protocol", subscription.protocol.clone()),
        ("Endpoint", subscription.endpoint.clone()),
        ("ConfirmationWasAuthenticated", "true".to_owned()),
        ("PendingConfirmation", "false".to_owned()),
        ("SubscriptionPrincipal", format!("arn:{}:iam::{}:root", cx.partition(), subscription.owner)),
    ] {
        out.insert(name.to_owned(), value);
    }
    out.entry("RawMessageDelivery".to_owned()).or_insert_with(|| "false".to_owned());
    if out.contains_key("FilterPolicy") {
        out.entry("FilterPolicyScope".to_owned()).or_insert_with(|| "MessageAttributes".to_owned());
    }
    out
}
