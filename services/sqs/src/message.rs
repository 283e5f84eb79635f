//! What a message is, how it is checked, and its MD5s.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::wire::text;
use undercast_kernel::{AwsError, Bytes, Failure, Result};

use crate::api::{errors, input, output};
use crate::encryption::Seal;
use crate::error;
use crate::queue::{Placed, Queue};
use crate::{fair, flight};

/// Queue, number → where the message stands.
pub(crate) static MESSAGES: Table<Standing> = Table::new("sqs.messages");
/// Queue, number → what it says.
pub(crate) static BODIES: Table<Message> = Table::new("sqs.bodies");
/// Queue, moment it can be seen (ms), number → nothing: where standard queues' messages stand in time.
pub(crate) static ORDER: Table<u8> = Table::new("sqs.order");
/// Queue → number of its next message.
static NEXT: Table<u64> = Table::new("sqs.next");

/// The largest message, attributes and all.
pub(crate) const LARGEST: usize = 1_048_576;

/// What a message says. Never changed.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Message {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) body: String,
    #[n(2)]
    pub(crate) attributes: BTreeMap<String, Attribute>,
    #[n(3)]
    pub(crate) trace_header: Option<String>,
    #[n(4)]
    pub(crate) sender: String,
    /// Milliseconds since 1970.
    #[n(5)]
    pub(crate) sent: i64,
    #[n(6)]
    pub(crate) group: Option<String>,
    #[n(7)]
    pub(crate) deduplication: Option<String>,
    /// ARN of the queue whose dead letter it is.
    #[n(8)]
    pub(crate) dead_letter_of: Option<String>,
    /// How often it was received in the queues whose dead letter it became.
    #[n(9)]
    pub(crate) earlier_receives: Option<u32>,
    /// The body, where it is sealed; `body` is empty then.
    #[n(10)]
    pub(crate) seal: Option<Seal>,
}

/// A user's attribute of a message.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Attribute {
    #[n(0)]
    pub(crate) kind: String,
    #[n(1)]
    pub(crate) text: Option<String>,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) binary: Option<Vec<u8>>,
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Standing {
    /// The moment it can be seen (ms).
    #[n(0)]
    pub(crate) visible: i64,
    #[n(1)]
    pub(crate) receives: u32,
    /// When it was first received (ms); 0: never.
    #[n(2)]
    pub(crate) first_received: i64,
    /// Made anew at each receive: what makes older receipt handles stale. 0: never received.
    #[n(3)]
    pub(crate) receipt: u64,
    /// When it was sent (ms), for its end.
    #[n(4)]
    pub(crate) sent: i64,
    /// When it was last received (ms).
    #[n(5)]
    pub(crate) received: i64,
}

impl Message {
    /// Puts it at the end of a queue, to be seen from `visible` (ms) on. Returns its number.
    pub(crate) fn enqueue(&self, tx: &mut Tx<'_>, queue: &Queue, visible: i64) -> Result<u64> {
        let number = NEXT.get(tx, &queue.place())?.unwrap_or(1);
        NEXT.put(tx, &queue.place(), &(number + 1));
        let standing = Standing { visible, receives: 0, first_received: 0, receipt: 0, sent: self.sent, received: 0 };
        BODIES.put(tx, &(queue.place(), number), self);
        MESSAGES.put(tx, &(queue.place(), number), &standing);
        if !queue.is_fifo() {
            ORDER.put(tx, &(queue.place(), visible, number), &0);
            if self.group.is_some() {
                fair::group(tx, queue)?;
            }
        }
        Ok(number)
    }
}

/// Takes a message out of its queue.
pub(crate) fn remove(tx: &mut Tx<'_>, queue: &Queue, number: u64, standing: &Standing) {
    BODIES.delete(tx, &(queue.place(), number));
    MESSAGES.delete(tx, &(queue.place(), number));
    ORDER.delete(tx, &(queue.place(), standing.visible, number));
}

/// Moves a message to where it stands now.
pub(crate) fn restand(tx: &mut Tx<'_>, queue: &Queue, number: u64, before: &Standing, now: &Standing) {
    MESSAGES.put(tx, &(queue.place(), number), now);
    if !queue.is_fifo() {
        ORDER.delete(tx, &(queue.place(), before.visible, number));
        ORDER.put(tx, &(queue.place(), now.visible, number), &0);
    }
}

/// Puts what was never received off until the delay that its FIFO queue has now. Standard queues' delays are not for what
/// is in them already ("Amazon SQS delay queues").
pub(crate) fn delay_anew(tx: &mut Tx<'_>, queue: &Queue) -> Result<()> {
    let delay = queue.number("DelaySeconds") * 1000;
    for entry in MESSAGES.all(tx, &queue.place())? {
        if let (Some((_, number)), 0) = (entry.key::<(Placed, u64)>(), entry.row.receives) {
            let now = Standing { visible: entry.row.sent + delay, ..entry.row.clone() };
            restand(tx, queue, number, &entry.row, &now);
        }
    }
    Ok(())
}

/// Removes everything of a queue that is deleted.
pub(crate) fn forget(tx: &mut Tx<'_>, queue: &Queue) -> Result<()> {
    NEXT.delete(tx, &queue.place());
    fair::forget(tx, queue);
    flight::forget(tx, queue);
    clear(tx, queue)
}

/// Removes all messages of a queue.
pub(crate) fn clear(tx: &mut Tx<'_>, queue: &Queue) -> Result<()> {
    BODIES.clear(tx, &queue.place())?;
    MESSAGES.clear(tx, &queue.place())?;
    ORDER.clear(tx, &queue.place())?;
    Ok(())
}

/// How many messages can be seen, are in flight, are delayed.
pub(crate) fn counts(from: &impl Read, queue: &Queue, now: i64) -> Result<(usize, usize, usize)> {
    let (mut visible, mut in_flight, mut delayed) = (0, 0, 0);
    for entry in MESSAGES.all(from, &queue.place())? {
        match entry.row {
            standing if queue.is_over(&standing, now) => {}
            Standing { visible: at, .. } if at <= now => visible += 1,
            Standing { receives: 0, .. } => delayed += 1,
            _ => in_flight += 1,
        }
    }
    Ok((visible, in_flight, delayed))
}

/// The attributes that a sender gave, checked.
pub(crate) fn attributes(
    given: Option<BTreeMap<String, input::MessageAttributeValue>>,
) -> Result<BTreeMap<String, Attribute>> {
    let given = given.unwrap_or_else(BTreeMap::new);
    if given.len() > 10 {
        let message = format!("Number of message attributes [{}] exceeds the allowed maximum [10].", given.len());
        return Err(error::invalid_value(message).into());
    }
    given.into_iter().map(|(name, value)| attribute(&name, value).map(|a| (name, a)).map_err(Failure::from)).collect()
}

fn attribute(name: &str, given: input::MessageAttributeValue) -> std::result::Result<Attribute, AwsError> {
    let reserved = name.to_ascii_lowercase();
    let bad_name = name.is_empty()
        || name.len() > 256
        || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        || name.starts_with('.')
        || name.ends_with('.')
        || name.contains("..")
        || reserved.starts_with("aws.")
        || reserved.starts_with("amazon.");
    if bad_name {
        return Err(error::invalid_value(format!("Message (user) attribute name '{name}' is invalid.")));
    }
    let kind = given.data_type;
    let base = kind.split('.').next().unwrap_or_default();
    let empty = || {
        error::invalid_value(format!(
            "Message (user) attribute '{name}' must contain a non-empty value of type '{base}'."
        ))
    };
    match base {
        "String" | "Number" => {
            let text = given.string_value.filter(|t| !t.is_empty()).ok_or_else(empty)?;
            if base == "Number" && text.parse::<f64>().is_err() {
                return Err(error::invalid_value(format!(
                    "Can't cast the value of message (user) attribute '{name}' to a number."
                )));
            }
            check_characters(&text)?;
            Ok(Attribute { kind, text: Some(text), binary: None })
        }
        "Binary" => {
            let binary = given.binary_value.filter(|b| !b.is_empty()).ok_or_else(empty)?;
            Ok(Attribute { kind, text: None, binary: Some(binary.to_vec()) })
        }
        _ => Err(error::invalid_value(format!(
            "The type of message (user) attribute '{name}' is invalid. You must use only the following supported type prefixes: Binary, Number, String."
        ))),
    }
}

/// Refuses the characters that XML 1.0 has not, as SQS does.
pub(crate) fn check_characters(text: &str) -> std::result::Result<(), AwsError> {
    let allowed =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(allowed) {
        return Ok(());
    }
    Err(errors::invalid_message_contents(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
    ))
}

/// The size that counts against the limit: body, and names, types and values of attributes.
pub(crate) fn size(body: &str, attributes: &BTreeMap<String, Attribute>) -> usize {
    let value = |a: &Attribute| a.text.as_ref().map_or(0, String::len) + a.binary.as_ref().map_or(0, Vec::len);
    body.len() + attributes.iter().map(|(name, a)| name.len() + a.kind.len() + value(a)).sum::<usize>()
}

/// MD5 of a body, in hexadecimal.
pub(crate) fn md5_of(text: &str) -> String {
    text::hex_encode(&Md5::digest(text.as_bytes()))
}

/// MD5 over names, types and values, each with its length before it: "Calculating the MD5 message digest for message
/// attributes" in the developer guide. `None`: there are no attributes.
pub(crate) fn md5_of_attributes(attributes: &BTreeMap<String, Attribute>) -> Option<String> {
    fn add(bytes: &[u8], out: &mut Vec<u8>) {
        // A length is below the largest message, so that it fits.
        out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(bytes);
    }
    let mut encoded = Vec::new();
    for (name, attribute) in attributes {
        add(name.as_bytes(), &mut encoded);
        add(attribute.kind.as_bytes(), &mut encoded);
        match (&attribute.text, &attribute.binary) {
            (_, Some(binary)) => {
                encoded.push(2);
                add(binary, &mut encoded);
            }
            (text, None) => {
                encoded.push(1);
                add(text.as_deref().unwrap_or_default().as_bytes(), &mut encoded);
            }
        }
    }
    (!attributes.is_empty()).then(|| text::hex_encode(&Md5::digest(&encoded)))
}

impl Attribute {
    /// As an answer shows it.
    pub(crate) fn output(&self) -> output::MessageAttributeValue {
        output::MessageAttributeValue {
            string_value: self.text.clone(),
            binary_value: self.binary.clone().map(Bytes::from),
            data_type: self.kind.clone(),
            ..output::MessageAttributeValue::default()
        }
    }
}
