//! Messages in the forms in which subscribers get them.
//!
//! Source: "Parsing Amazon SNS message formats" in the developer guide, and Lambda's "Using Lambda with Amazon SNS".

use serde_json::{Map, Value as Json, json};
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Result};

use crate::message::Message;
use crate::rows::{Subscription, Topic};
use crate::signature::Key;

/// What stands in the forms of a topic's messages, whichever message it is.
pub(crate) struct Envelope<'a> {
    pub(crate) cx: &'a Cx,
    pub(crate) topic: &'a Topic,
    /// `None`: messages of FIFO topics are not signed.
    pub(crate) key: Option<&'a Key>,
}

/// The link that ends a subscription.
fn unsubscribe_url(cx: &Cx, arn: &str) -> String {
    link(cx, &[("Action", "Unsubscribe"), ("SubscriptionArn", arn)])
}

fn link(cx: &Cx, parameters: &[(&str, &str)]) -> String {
    let mut out = format!("http://{}/", cx.kernel().settings().host);
    for (n, (name, value)) in parameters.iter().enumerate() {
        out.push(if n == 0 { '?' } else { '&' });
        out.push_str(name);
        out.push('=');
        // ARNs keep their colons, as in AWS's links.
        value.split(':').enumerate().for_each(|(n, part)| {
            if n > 0 {
                out.push(':');
            }
            text::percent_encode(part, false, &mut out);
        });
    }
    out
}

/// What is signed: names and values, a line each.
fn canonical(parts: &[(&str, Option<&str>)]) -> String {
    let given = parts.iter().filter_map(|(name, value)| value.map(|value| format!("{name}\n{value}\n")));
    given.collect()
}

impl Envelope<'_> {
    fn version(&self) -> &str {
        self.topic.text("SignatureVersion").unwrap_or("1")
    }

    /// Version, signature and the certificate's place.
    fn signature(&self, canonical: &str) -> Result<Option<(&str, String, String)>> {
        let Some(key) = self.key else { return Ok(None) };
        Ok(Some((self.version(), key.sign(canonical, self.version())?, key.certificate_url(self.cx))))
    }

    fn notification_signature(&self, message: &Message, text: &str) -> Result<Option<(&str, String, String)>> {
        let (arn, time) = (self.topic.arn(self.cx), message.timestamp());
        self.signature(&canonical(&[
            ("Message", Some(text)),
            ("MessageId", Some(&message.id)),
            ("Subject", message.subject.as_deref()),
            ("Timestamp", Some(&time)),
            ("TopicArn", Some(&arn)),
            ("Type", Some("Notification")),
        ]))
    }

    /// A notification as queues and HTTP endpoints get it.
    pub(crate) fn notification(&self, message: &Message, subscription: &Subscription, replayed: bool) -> Result<Json> {
        let (arn, text) = (self.topic.arn(self.cx), message.text_for(&subscription.protocol));
        let mut out = Map::new();
        let mut add = |name: &str, value: Option<Json>| {
            if let Some(value) = value {
                out.insert(name.to_owned(), value);
            }
        };
        add("Type", Some(json!("Notification")));
        add("MessageId", Some(json!(message.id)));
        add("SequenceNumber", message.sequence().map(Json::from));
        add("TopicArn", Some(json!(arn)));
        add("Subject", message.subject.as_deref().map(Json::from));
        add("Message", Some(json!(text)));
        add("Timestamp", Some(json!(message.timestamp())));
        if let Some((version, signature, url)) = self.notification_signature(message, &text)? {
            add("SignatureVersion", Some(json!(version)));
            add("Signature", Some(json!(signature)));
            add("SigningCertURL", Some(json!(url)));
        }
        add("UnsubscribeURL", Some(json!(unsubscribe_url(self.cx, &subscription.arn(&arn)))));
        add("Replayed", replayed.then(|| json!(true)));
        if !message.attributes.is_empty() {
            add("MessageAttributes", Some(message.attributes_json()));
        }
        Ok(Json::Object(out))
    }

    /// The event of a function.
    pub(crate) fn event(&self, message: &Message, subscription: &Subscription) -> Result<Json> {
        let arn = self.topic.arn(self.cx);
        let text = message.text_for(&subscription.protocol);
        let subscription_arn = subscription.arn(&arn);
        let signed = self.notification_signature(message, &text)?;
        let (version, signature, url) = signed.unwrap_or_else(|| ("1", String::new(), String::new()));
        Ok(json!({"Records": [{
            "EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription_arn,
            "Sns": {"Type": "Notification", "MessageId": message.id, "TopicArn": arn, "Subject": message.subject,
                "Message": text, "Timestamp": message.timestamp(), "SignatureVersion": version, "Signature": signature,
                "SigningCertUrl": url, "UnsubscribeUrl": unsubscribe_url(self.cx, &subscription_arn),
                "MessageAttributes": message.attributes_json()}}]}))
    }

    /// What asks the owner of an endpoint to confirm a subscription, or tells that one was ended: `kind` is
    /// `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
    pub(crate) fn confirmation(&self, kind: &str, id: &str, token: &str) -> Result<Json> {
        let arn = self.topic.arn(self.cx);
        let text = if kind == "SubscriptionConfirmation" {
            format!(
                "You have chosen to subscribe to the topic {arn}.\nTo confirm the subscription, visit the SubscribeURL included in this message."
            )
        } else {
            format!(
                "You have chosen to deactivate subscription to the topic {arn}.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
            )
        };
        let url = self.confirm_url(token);
        let time = self.cx.refreshed().now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
        let mut out = json!({"Type": kind, "MessageId": id, "Token": token, "TopicArn": arn, "Message": text,
            "SubscribeURL": url, "Timestamp": time});
        let signed = self.signature(&canonical(&[
            ("Message", Some(&text)),
            ("MessageId", Some(id)),
            ("SubscribeURL", Some(&url)),
            ("Timestamp", Some(&time)),
            ("Token", Some(token)),
            ("TopicArn", Some(&arn)),
            ("Type", Some(kind)),
        ]))?;
        if let Some((version, signature, url)) = signed {
            out["SignatureVersion"] = json!(version);
            out["Signature"] = json!(signature);
            out["SigningCertURL"] = json!(url);
        }
        Ok(out)
    }

    /// The link that confirms a subscription.
    pub(crate) fn confirm_url(&self, token: &str) -> String {
        link(self.cx, &[("Action", "ConfirmSubscription"), ("TopicArn", &self.topic.arn(self.cx)), ("Token", token)])
    }

    /// The link that ends a subscription.
    pub(crate) fn unsubscribe_url(&self, subscription: &Subscription) -> String {
        unsubscribe_url(self.cx, &subscription.arn(&self.topic.arn(self.cx)))
    }
}
