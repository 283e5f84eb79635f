//! What a message is, and how it is checked.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{errors, input};
use crate::error::invalid;
use crate::filter::{self, Scope};
use crate::rows::{Subscription, Topic};

/// The largest message, and all messages of a batch, of a topic that says nothing else.
pub(crate) const LARGEST: usize = 262_144;

/// A message that was published.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Message {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) text: String,
    #[n(2)]
    pub(crate) subject: Option<String>,
    /// The text is JSON with a text for each protocol.
    #[n(3)]
    pub(crate) by_protocol: bool,
    #[n(4)]
    pub(crate) attributes: BTreeMap<String, Attribute>,
    #[n(5)]
    pub(crate) group: Option<String>,
    #[n(6)]
    pub(crate) deduplication: Option<String>,
    /// Its number in its FIFO topic.
    #[n(7)]
    pub(crate) number: Option<u64>,
    /// Milliseconds since 1970.
    #[n(8)]
    pub(crate) time: i64,
}

/// An attribute of a message.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Attribute {
    #[n(0)]
    pub(crate) kind: String,
    /// The value; of a binary one in base64.
    #[n(1)]
    pub(crate) value: String,
}

/// A message that shall be published, as it was given.
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) subject: Option<String>,
    pub(crate) structure: Option<String>,
    pub(crate) attributes: Option<BTreeMap<String, input::MessageAttributeValue>>,
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
}

/// Why a filter policy lets a message through or not, as metrics tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    Passes,
    /// The message has no attributes.
    NoAttributes,
    /// It has others.
    Attributes,
    /// One of them is no list, and says that it is.
    InvalidAttributes,
    /// Its body is another.
    Body,
    /// Its body is no JSON.
    InvalidBody,
}

impl Message {
    /// Checks what does not depend on where it goes.
    pub(crate) fn new(cx: &Cx, given: Given) -> Result<Self> {
        if given.text.is_empty() {
            return Err(invalid("Invalid parameter: Empty message").into());
        }
        if let Some(subject) = &given.subject {
            // "Must begin with a letter, number, or punctuation mark; must not include line breaks or control characters."
            let begins = subject.chars().next().is_some_and(|c| !c.is_whitespace());
            if !begins || subject.chars().count() > 100 || subject.chars().any(char::is_control) {
                return Err(invalid("Invalid parameter: Subject").into());
            }
        }
        let by_protocol = match given.structure.as_deref() {
            None => false,
            Some("json") => {
                by_protocol(&given.text)?;
                true
            }
            Some(_) => return Err(invalid("Invalid parameter: MessageStructure").into()),
        };
        check_id(given.group.as_ref(), "MessageGroupId")?;
        check_id(given.deduplication.as_ref(), "MessageDeduplicationId")?;
        let attributes = given.attributes.unwrap_or_else(BTreeMap::new);
        Ok(Self {
            id: cx.random().uuid(),
            text: given.text,
            subject: given.subject,
            by_protocol,
            attributes: attributes.into_iter().map(|(n, v)| attribute(&n, v).map(|a| (n, a))).collect::<Result<_>>()?,
            group: given.group,
            deduplication: given.deduplication,
            number: None,
            time: cx.now_millis(),
        })
    }

    /// Checks what a topic asks of its messages, and has it deduplicated as the topic does.
    pub(crate) fn suit(&mut self, topic: &Topic) -> Result<()> {
        if !topic.is_fifo() {
            if self.deduplication.is_some() {
                let message = "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type";
                return Err(invalid(message).into());
            }
            return Ok(());
        }
        if self.group.is_none() {
            return Err(invalid("Invalid parameter: The MessageGroupId parameter is required for FIFO topics").into());
        }
        if self.deduplication.is_none() {
            if topic.text("ContentBasedDeduplication") != Some("true") {
                let message = "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";
                return Err(invalid(message).into());
            }
            // "A SHA-256 hash of the body, but not the attributes."
            self.deduplication = Some(text::hex_encode(&Sha256::digest(self.text.as_bytes())));
        }
        Ok(())
    }

    /// The size that counts against the limit.
    pub(crate) fn size(&self) -> usize {
        let value = |a: &Attribute| {
            if a.kind.starts_with("Binary") { text::unbase64(&a.value).map_or(0, |b| b.len()) } else { a.value.len() }
        };
        self.text.len() + self.attributes.iter().map(|(n, a)| n.len() + a.kind.len() + value(a)).sum::<usize>()
    }

    /// What a subscriber of a protocol reads.
    pub(crate) fn text_for(&self, protocol: &str) -> String {
        if !self.by_protocol {
            return self.text.clone();
        }
        let parsed: Json = serde_json::from_str(&self.text).unwrap_or(Json::Null);
        let own = parsed.get(protocol).filter(|t| t.is_string()).or(parsed.get("default"));
        own.and_then(Json::as_str).unwrap_or(&self.text).to_owned()
    }

    pub(crate) fn attributes_json(&self) -> Json {
        Json::Object(
            self.attributes.iter().map(|(n, a)| (n.clone(), json!({"Type": a.kind, "Value": a.value}))).collect(),
        )
    }

    /// Whether a subscription gets it.
    pub(crate) fn passage(&self, subscription: &Subscription) -> Passage {
        let Some(policy) = subscription.text("FilterPolicy") else { return Passage::Passes };
        if subscription.scope() == Scope::Body {
            return match serde_json::from_str::<Json>(&self.text) {
                Ok(body) if body.is_object() && filter::fits(policy, &body) => Passage::Passes,
                Ok(body) if body.is_object() => Passage::Body,
                _ => Passage::InvalidBody,
            };
        }
        let root = self.attributes.iter().filter_map(|(n, a)| Some((n.clone(), filtered(a)?))).collect();
        match filter::fits(policy, &Json::Object(root)) {
            true => Passage::Passes,
            false if self.attributes.is_empty() => Passage::NoAttributes,
            false if self.attributes.values().any(|a| a.kind == "String.Array" && filtered(a).is_none()) => {
                Passage::InvalidAttributes
            }
            false => Passage::Attributes,
        }
    }

    /// The time of publication with three decimals, as SNS writes it.
    pub(crate) fn timestamp(&self) -> String {
        moment(self.time)
    }

    /// Its number in its topic as answers and notifications have it: twenty digits, growing.
    pub(crate) fn sequence(&self) -> Option<String> {
        self.number.map(|number| format!("{:020}", 10_000_000_000_000_000_000u128 + u128::from(number)))
    }
}

/// A moment with three decimals.
pub(crate) fn moment(millis: i64) -> String {
    let time = undercast_kernel::Timestamp::from_millisecond(millis).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// An attribute as filter policies see it. Binary ones they do not see.
fn filtered(attribute: &Attribute) -> Option<Json> {
    match attribute.kind.as_str() {
        kind if kind.starts_with("Binary") => None,
        kind if kind.starts_with("Number") => attribute.value.parse::<f64>().ok().map(Json::from),
        "String.Array" => serde_json::from_str(&attribute.value).ok(),
        _ => Some(Json::from(attribute.value.clone())),
    }
}

fn by_protocol(message: &str) -> Result<Map<String, Json>> {
    let parsed: Json = serde_json::from_str(message)
        .map_err(|_| invalid("Invalid parameter: Message Structure - JSON message body failed to parse"))?;
    match parsed {
        Json::Object(entries) if entries.get("default").is_some_and(Json::is_string) => Ok(entries),
        _ => Err(invalid("Invalid parameter: Message Structure - No default entry in JSON message body").into()),
    }
}

/// Group and deduplication ids are 1 to 128 letters, digits and punctuation.
fn check_id(value: Option<&String>, parameter: &str) -> Result<()> {
    let good = |v: &String| (1..=128).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_graphic());
    match value {
        Some(v) if !good(v) => Err(invalid(format!(
            "Invalid parameter: {parameter} Reason: {parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length."
        ))
        .into()),
        _ => Ok(()),
    }
}

fn attribute(name: &str, given: input::MessageAttributeValue) -> Result<Attribute> {
    let refuse =
        |message: String| -> Result<Attribute> { Err(errors::invalid_parameter_value_exception(message).into()) };
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > 256 || !name.chars().all(good) {
        return refuse(format!("Invalid message attribute name '{name}'."));
    }
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return refuse(format!("Invalid message attribute name '{name}': dots stand between other characters."));
    }
    let kind = given.data_type;
    let base = kind.split('.').next().unwrap_or_default();
    match (base, given.string_value, given.binary_value) {
        ("Binary", _, Some(bytes)) if !bytes.is_empty() => Ok(Attribute { kind, value: text::base64(&bytes) }),
        ("Number", Some(value), _) if !value.is_empty() && value.parse::<f64>().is_err() => {
            refuse(format!("Could not cast message attribute '{name}' value to number."))
        }
        ("String" | "Number", Some(value), _) if !value.is_empty() => Ok(Attribute { kind, value }),
        ("Binary" | "String" | "Number", ..) => refuse(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{base}'."
        )),
        _ => refuse(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
        )),
    }
}

/// Refuses a message that is larger than this.
pub(crate) fn check_size(message: &Message, most: usize) -> Result<()> {
    if message.size() > most { Err(Failure::from(invalid("Invalid parameter: Message too long"))) } else { Ok(()) }
}
