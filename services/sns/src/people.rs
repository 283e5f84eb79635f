//! People: e-mails, short messages, notifications of phones. Nothing of it leaves this machine; it is put into the inbox of
//! whoever runs the cloud.

use serde_json::{Value as Json, json};
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors};
use crate::deliver::Answer;
use crate::envelope::Envelope;
use crate::error::invalid;
use crate::message::{self, LARGEST, Message};
use crate::rows::Subscription;
use crate::{metrics, platform, sms, subscribe};

/// What e-mails come from.
const FROM: &str = "no-reply@sns.amazonaws.com";

async fn post(cx: &Cx, kind: &str, to: &str, from: &str, subject: Option<&str>, text: &str) -> Result<Answer> {
    cx.write(|tx| cx.post(tx, kind, to, from, subject, text)).await?;
    Ok(Answer { status: 200, response: "It is in the inbox.".to_owned() })
}

/// Who an e-mail says it is from: the topic's name for show, where it has one.
fn sender(envelope: &Envelope<'_>) -> String {
    match envelope.topic.text("DisplayName") {
        Some(name) => format!("{name} <{FROM}>"),
        None => format!("AWS Notifications <{FROM}>"),
    }
}

/// Gives a person who subscribed a message.
pub(crate) async fn notify(envelope: &Envelope<'_>, subscription: &Subscription, message: &Message) -> Result<Answer> {
    let (cx, endpoint) = (envelope.cx, subscription.endpoint.as_str());
    let text = message.text_for(&subscription.protocol);
    let subject = message.subject.as_deref().unwrap_or("AWS Notification Message");
    match subscription.protocol.as_str() {
        "email-json" => {
            let text = format!("{:#}", envelope.notification(message, subscription, false)?);
            post(cx, "email", endpoint, &sender(envelope), Some(subject), &text).await
        }
        "email" => {
            let text = format!(
                "{text}\n\n--\nIf you wish to stop receiving notifications from this topic, please click or visit the link below to unsubscribe:\n{}\n",
                envelope.unsubscribe_url(subscription)
            );
            post(cx, "email", endpoint, &sender(envelope), Some(subject), &text).await
        }
        "sms" => {
            // "The display name is the beginning of the message."
            let text =
                envelope.topic.text("DisplayName").map_or_else(|| text.clone(), |name| format!("{name}> {text}"));
            let to = endpoint.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect::<String>();
            let kind = sms::kind(cx, message)?;
            metrics::texted(cx, &to, &kind, true);
            post(cx, "sms", &to, &sms::sender(cx, message)?, None, &text).await
        }
        _ => platform::push(cx, endpoint, message).await,
    }
}

/// Asks a person to confirm a subscription, or tells of its end.
pub(crate) async fn confirm(
    envelope: &Envelope<'_>,
    subscription: &Subscription,
    kind: &str,
    text: &Json,
    token: &str,
) -> Result<()> {
    let (cx, arn) = (envelope.cx, envelope.topic.arn(envelope.cx));
    let (subject, first) = if kind == "SubscriptionConfirmation" {
        ("AWS Notification - Subscription Confirmation", "You have chosen to subscribe to the topic:")
    } else {
        ("AWS Notification - Unsubscribe Confirmation", "Your subscription to the topic below has been deactivated:")
    };
    let text = if subscription.protocol == "email-json" {
        format!("{text:#}")
    } else {
        format!(
            "{first}\n{arn}\n\nTo confirm this subscription, click or visit the link below (If this was in error no action is necessary):\n{}\n",
            envelope.confirm_url(token)
        )
    };
    post(cx, "email", &subscription.endpoint, &sender(envelope), Some(subject), &text).await.map(drop)
}

/// Publishes to a telephone.
pub(crate) async fn text(cx: &Cx, number: &str, message: Message) -> Result<api::PublishOutput> {
    if !subscribe::is_number(number) {
        let message = format!("Invalid parameter: PhoneNumber Reason: {number} is not valid to publish to");
        return Err(invalid(message).into());
    }
    refuse_order(&message)?;
    message::check_size(&message, LARGEST)?;
    let (kind, from) = (sms::kind(cx, &message)?, sms::sender(cx, &message)?);
    post(cx, "sms", number, &from, None, &message.text_for("sms")).await?;
    metrics::texted(cx, number, &kind, true);
    sms::log(cx, number, &message).await;
    Ok(api::PublishOutput { message_id: Some(message.id), sequence_number: None })
}

/// Publishes to a device.
pub(crate) async fn push(cx: &Cx, arn: &str, message: Message) -> Result<api::PublishOutput> {
    refuse_order(&message)?;
    message::check_size(&message, LARGEST)?;
    platform::push(cx, arn, &message).await?;
    Ok(api::PublishOutput { message_id: Some(message.id), sequence_number: None })
}

/// Groups and deduplication are topics'.
fn refuse_order(message: &Message) -> Result<()> {
    let given = json!({"MessageGroupId": message.group, "MessageDeduplicationId": message.deduplication});
    match given.as_object().into_iter().flatten().find(|(_, value)| !value.is_null()) {
        Some((name, _)) => {
            let why = format!(
                "Invalid parameter: {name} Reason: The request includes {name} parameter that is not valid for this target"
            );
            Err(errors::invalid_parameter_exception(why).into())
        }
        None => Ok(()),
    }
}
