//! Subscriptions.

use std::collections::BTreeMap;

use undercast_kernel::arn::Arn;
use undercast_kernel::{Cx, Failure, Result};

use crate::api;
use crate::attributes;
use crate::error::{invalid, no_subscription};
use crate::rows::{SUBSCRIPTIONS, Subscription, TopicName, find_subscription, subscription_place};

/// Refuses an endpoint that is none of its protocol.
fn check_endpoint(protocol: &str, endpoint: &str) -> Result<()> {
    let arn = Arn::parse(endpoint);
    match (protocol, arn.as_ref().map(|a| a.service.as_str())) {
        ("sqs", Some("sqs")) if arn.as_ref().is_some_and(|a| a.resource.ends_with(".fifo")) => {
            let message = "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics";
            Err(invalid(message).into())
        }
        ("sqs", Some("sqs")) | ("lambda", Some("lambda")) => Ok(()),
        ("sqs", _) => Err(invalid("Invalid parameter: SQS endpoint ARN").into()),
        ("lambda", _) => Err(invalid("Invalid parameter: Lambda endpoint ARN").into()),
        ("http" | "https" | "email" | "email-json" | "sms" | "application" | "firehose", _) => {
            Err(Failure::not_built(format!("sns subscriptions by {protocol}")))
        }
        _ => {
            Err(invalid(format!("Invalid parameter: Amazon SNS does not support this protocol string: {protocol}"))
                .into())
        }
    }
}

pub(crate) async fn subscribe(cx: &Cx, input: api::SubscribeInput) -> Result<api::SubscribeOutput> {
    // Queues and functions are confirmed at once, so that the ARN is always there to return.
    let _ = input.return_subscription_arn;
    let name = TopicName::parse(&input.topic_arn)?;
    let endpoint =
        input.endpoint.ok_or_else(|| invalid("Invalid parameter: Endpoint Reason: no value for required parameter"))?;
    check_endpoint(&input.protocol, &endpoint)?;
    let given = input.attributes.unwrap_or_else(BTreeMap::new);
    let mut subscription = Subscription {
        id: cx.random().uuid(),
        owner: cx.account().to_owned(),
        protocol: input.protocol,
        endpoint,
        attributes: BTreeMap::new(),
    };
    // The scope comes first: it decides what the policy may be.
    for name in
        ["FilterPolicyScope"].into_iter().chain(given.keys().map(String::as_str).filter(|n| *n != "FilterPolicyScope"))
    {
        if let Some(value) = given.get(name) {
            attributes::set_subscription(&mut subscription, name, value)?;
        }
    }
    let arn = cx
        .write(|tx| {
            let topic = name.find(tx)?;
            let same = topic
                .subscriptions(tx)?
                .into_iter()
                .find(|s| s.protocol == subscription.protocol && s.endpoint == subscription.endpoint);
            if let Some(there) = same {
                if there.attributes == subscription.attributes {
                    return Ok(there.arn(&topic.arn(cx)));
                }
                return Err(invalid(
                    "Invalid parameter: Attributes Reason: Subscription already exists with different attributes",
                )
                .into());
            }
            topic.put_subscription(tx, &subscription);
            Ok(subscription.arn(&topic.arn(cx)))
        })
        .await?;
    Ok(api::SubscribeOutput { subscription_arn: Some(arn) })
}

pub(crate) async fn unsubscribe(cx: &Cx, input: api::UnsubscribeInput) -> Result<()> {
    let (name, id) = subscription_place(&input.subscription_arn)?;
    cx.write(|tx| {
        SUBSCRIPTIONS.delete(tx, &(&name.account, &name.region, &name.name, &id));
        Ok(())
    })
    .await
}

pub(crate) async fn get(
    cx: &Cx,
    input: api::GetSubscriptionAttributesInput,
) -> Result<api::GetSubscriptionAttributesOutput> {
    let read = cx.read();
    let (name, subscription) = find_subscription(&read, &input.subscription_arn)?;
    let topic = name.find(&read).map_err(|_| no_subscription())?;
    Ok(api::GetSubscriptionAttributesOutput {
        attributes: Some(attributes::describe_subscription(cx, &topic, &subscription)),
    })
}

pub(crate) async fn set(cx: &Cx, input: api::SetSubscriptionAttributesInput) -> Result<()> {
    let value = input.attribute_value.unwrap_or_else(String::new);
    cx.write(|tx| {
        let (name, mut subscription) = find_subscription(tx, &input.subscription_arn)?;
        attributes::set_subscription(&mut subscription, &input.attribute_name, &value)?;
        name.find(tx)?.put_subscription(tx, &subscription);
        Ok(())
    })
    .await
}
