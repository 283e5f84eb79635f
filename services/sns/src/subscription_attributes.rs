//! Attributes of subscriptions: which there are, what they may be, what is told of a subscription.
//!
//! Source: `SetSubscriptionAttributes` in the API reference; messages as AWS answered them.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use undercast_kernel::arn::Arn;
use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Result};

use crate::error::invalid;
use crate::filter::{self, Scope};
use crate::retry::{self, Policy};
use crate::rows::{Subscription, Topic};
use crate::{archive, topic_attributes};

fn refuse(message: impl std::fmt::Display) -> Result<()> {
    Err(invalid(format!("Invalid parameter: {message}")).into())
}

/// The order in which attributes are set: the scope decides what a policy may be.
pub(crate) fn in_order(given: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    let scope = given.get_key_value("FilterPolicyScope");
    scope.into_iter().chain(given.iter().filter(|(name, _)| *name != "FilterPolicyScope"))
}

/// Checks and sets one attribute of a subscription; an empty value takes it away.
pub(crate) fn set(topic: &Topic, subscription: &mut Subscription, name: &str, value: &str) -> Result<()> {
    let protocol = subscription.protocol.as_str();
    match name {
        "RawMessageDelivery" if !matches!(value, "true" | "false") => {
            return refuse(format_args!("RawMessageDelivery: Invalid value [{value}]. Must be true or false."));
        }
        "RawMessageDelivery" if value == "true" && !matches!(protocol, "sqs" | "http" | "https" | "firehose") => {
            return refuse(format_args!("Delivery protocol [{protocol}] does not support raw message delivery."));
        }
        "RawMessageDelivery" => {}
        "FilterPolicyScope" if !matches!(value, "MessageAttributes" | "MessageBody") => {
            return refuse(format_args!(
                "FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
            ));
        }
        // What is there must be a policy of the new scope as well.
        "FilterPolicyScope" => {
            if let Some(policy) = subscription.text("FilterPolicy") {
                filter::check(policy, if value == "MessageBody" { Scope::Body } else { Scope::Attributes })?;
            }
        }
        "FilterPolicy" if value.is_empty() || value == "{}" => {
            subscription.attributes.remove(name);
            return Ok(());
        }
        "FilterPolicy" => filter::check(value, subscription.scope())?,
        "RedrivePolicy" | "DeliveryPolicy" if value.is_empty() => {}
        "RedrivePolicy" => redrive(topic, value)?,
        "DeliveryPolicy" if !protocol.starts_with("http") => {
            return refuse(format_args!("DeliveryPolicy: it is for HTTP and HTTPS endpoints, not for {protocol}"));
        }
        "DeliveryPolicy" => retry::check_subscription(value)?,
        "ReplayPolicy" => archive::check_replay(topic, subscription, value)?,
        "SubscriptionRoleArn" if protocol != "firehose" => {
            return refuse(format_args!("SubscriptionRoleArn: it is for streams of Firehose, not for {protocol}"));
        }
        "SubscriptionRoleArn" => topic_attributes::check_feedback(name, value)?,
        _ => return refuse("AttributeName"),
    }
    if value.is_empty() {
        subscription.attributes.remove(name);
    } else {
        subscription.attributes.insert(name.to_owned(), value.to_owned());
    }
    Ok(())
}

fn redrive(topic: &Topic, value: &str) -> Result<()> {
    if let Err(error) = serde_json::from_str::<Json>(value) {
        return Err(invalid(format!("Invalid parameter: RedrivePolicy: {}", filter::unread(value, &error))).into());
    }
    let Some(target) = dead_letter_target(value) else {
        return refuse("RedrivePolicy: deadLetterTargetArn is an invalid arn");
    };
    if topic.is_fifo() && !target.ends_with(".fifo") {
        return refuse("RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.");
    }
    Ok(())
}

/// The queue that a redrive policy names.
pub(crate) fn dead_letter_target(policy: &str) -> Option<String> {
    let policy: Json = serde_json::from_str(policy).ok()?;
    let arn = policy["deadLetterTargetArn"].as_str()?;
    Arn::parse(arn).filter(|a| a.service == "sqs").map(|_| arn.to_owned())
}

/// Everything that is told of a subscription.
pub(crate) fn describe(
    cx: &Cx,
    from: &impl Read,
    topic: &Topic,
    subscription: &Subscription,
) -> Result<BTreeMap<String, String>> {
    let mut out = subscription.attributes.clone();
    let topic_arn = topic.arn(cx);
    let root = || format!("arn:{}:iam::{}:root", cx.partition(), subscription.owner);
    for (name, value) in [
        ("SubscriptionArn", subscription.arn(&topic_arn)),
        ("TopicArn", topic_arn),
        ("Owner", subscription.owner.clone()),
        ("Protocol", subscription.protocol.clone()),
        ("Endpoint", subscription.endpoint.clone()),
        (
            "ConfirmationWasAuthenticated",
            (!subscription.is_pending() && subscription.by_link != Some(true)).to_string(),
        ),
        ("PendingConfirmation", subscription.is_pending().to_string()),
        ("SubscriptionPrincipal", subscription.principal.clone().unwrap_or_else(root)),
    ] {
        out.insert(name.to_owned(), value);
    }
    out.entry("RawMessageDelivery".to_owned()).or_insert_with(|| "false".to_owned());
    if out.contains_key("FilterPolicy") {
        out.entry("FilterPolicyScope".to_owned()).or_insert_with(|| "MessageAttributes".to_owned());
    }
    if subscription.protocol.starts_with("http") {
        out.insert("EffectiveDeliveryPolicy".to_owned(), Policy::of(topic, subscription).of_subscription_json());
    }
    if out.contains_key("ReplayPolicy") {
        out.insert("ReplayStatus".to_owned(), archive::status(from, topic, subscription)?.to_owned());
    }
    Ok(out)
}
