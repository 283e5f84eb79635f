//! Sending: one message or up to ten.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use undercast_kernel::store::{Table, Tx};
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Ready, Result};

use crate::api::{self, errors, input, output};
use crate::encryption::{self, Sealer};
use crate::message::{self, Attribute, Message};
use crate::queue::{Queue, QueueName};
use crate::{batch, error, metrics, sweep};

/// Queue, group (empty: the whole queue), deduplication id → the message that was accepted under it.
pub(crate) static DEDUPLICATION: Table<Accepted> = Table::new("sqs.deduplication");

/// A deduplication id is remembered for so long.
pub(crate) const DEDUPLICATION_MILLIS: i64 = 300_000;

/// A message that was accepted under a deduplication id.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Accepted {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) number: u64,
    /// When it is forgotten (ms).
    #[n(2)]
    pub(crate) until: i64,
}

/// A message that shall be sent, its parts checked.
pub(crate) struct Draft {
    body: String,
    attributes: BTreeMap<String, Attribute>,
    trace_header: Option<String>,
    delay: Option<i32>,
    group: Option<String>,
    deduplication: Option<String>,
}

/// What became of it.
pub(crate) struct Sent {
    id: String,
    sequence: Option<String>,
    body_md5: String,
    attributes_md5: Option<String>,
    system_md5: Option<String>,
    size: usize,
    /// It was there already, under its deduplication id.
    repeated: bool,
}

impl Sent {
    fn count(&self, cx: &Cx, queue: &Queue) {
        metrics::touch(cx, queue);
        if self.repeated {
            metrics::deduplicated(cx, queue);
        } else {
            metrics::sent(cx, queue, self.size);
        }
    }
}

type SystemAttributes = BTreeMap<String, input::MessageSystemAttributeValue>;

fn trace_header(given: Option<SystemAttributes>) -> Result<Option<String>> {
    let Some(given) = given else { return Ok(None) };
    let mut found = None;
    for (name, value) in given {
        if name != "AWSTraceHeader" {
            return Err(error::invalid_value(format!("Message system attribute name '{name}' is invalid.")).into());
        }
        if value.data_type != "String" {
            let message = format!(
                "The type of message system attribute '{name}' is invalid. You must use only the following supported type prefixes: String."
            );
            return Err(error::invalid_value(message).into());
        }
        found = value.string_value;
    }
    Ok(found)
}

/// Group and deduplication ids are 1 to 128 letters, digits and punctuation.
fn check_id(value: Option<&String>, parameter: &str) -> Result<()> {
    let good = |v: &String| (1..=128).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_graphic());
    match value {
        Some(v) if !good(v) => {
            let reason =
                format!("{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
            Err(error::invalid_parameter(v, parameter, &reason).into())
        }
        _ => Ok(()),
    }
}

impl Draft {
    fn new(
        body: String,
        attributes: Option<BTreeMap<String, input::MessageAttributeValue>>,
        system: Option<SystemAttributes>,
        delay: Option<i32>,
        group: Option<String>,
        deduplication: Option<String>,
    ) -> Result<Self> {
        if body.is_empty() {
            return Err(error::missing("MessageBody").into());
        }
        message::check_characters(&body)?;
        if let Some(delay) = delay.filter(|d| !(0..=900).contains(d)) {
            return Err(error::invalid_parameter(
                &delay.to_string(),
                "DelaySeconds",
                "DelaySeconds must be >= 0 and <= 900.",
            )
            .into());
        }
        check_id(group.as_ref(), "MessageGroupId")?;
        check_id(deduplication.as_ref(), "MessageDeduplicationId")?;
        Ok(Self {
            body,
            attributes: message::attributes(attributes)?,
            trace_header: trace_header(system)?,
            delay,
            group,
            deduplication,
        })
    }

    /// Checks it against its queue, and puts it there.
    fn send(&self, cx: &Cx, tx: &mut Tx<'_>, queue: &Queue, sealer: &Sealer) -> Result<Sent> {
        let limit = usize::try_from(queue.number("MaximumMessageSize")).unwrap_or(message::LARGEST);
        if message::size(&self.body, &self.attributes) > limit {
            let reason =
                format!("One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.");
            return Err(error::invalid_value(reason).into());
        }
        let deduplication = self.deduplication(queue)?;
        let scope = if queue.by_group() { self.group.clone().unwrap_or_else(String::new) } else { String::new() };
        let key = deduplication.as_ref().map(|id| (queue.place(), scope, id.clone()));
        let now = cx.now_millis();
        if let Some(key) = &key
            && let Some(before) = DEDUPLICATION.get(tx, key)?.filter(|a| a.until > now)
        {
            return Ok(Sent { repeated: true, ..self.sent(queue, before.id, before.number) });
        }
        let id = cx.random().uuid();
        let seal = sealer.seal(cx, &id, &self.body)?;
        let delay = self.delay.map_or_else(|| queue.number("DelaySeconds"), i64::from);
        let message = Message {
            id: id.clone(),
            body: if seal.is_some() { String::new() } else { self.body.clone() },
            attributes: self.attributes.clone(),
            trace_header: self.trace_header.clone(),
            sender: cx.principal().user_id.clone(),
            sent: now,
            group: self.group.clone(),
            deduplication,
            dead_letter_of: None,
            earlier_receives: None,
            seal,
        };
        let number = message.enqueue(tx, queue, now + delay * 1000)?;
        if let Some(key) = &key {
            DEDUPLICATION.put(tx, key, &Accepted { id: id.clone(), number, until: now + DEDUPLICATION_MILLIS });
        }
        sweep::plan(cx, tx, queue)?;
        Ok(self.sent(queue, id, number))
    }

    /// The deduplication id in force, and the rules that tell FIFO queues from standard ones.
    fn deduplication(&self, queue: &Queue) -> Result<Option<String>> {
        if !queue.is_fifo() {
            if let Some(id) = &self.deduplication {
                let reason = "The request includes a parameter that is not valid for this queue type.";
                return Err(error::invalid_parameter(id, "MessageDeduplicationId", reason).into());
            }
            return Ok(None);
        }
        if self.group.is_none() {
            return Err(error::missing("MessageGroupId").into());
        }
        if let Some(delay) = self.delay.filter(|d| *d != 0) {
            let reason = "The request include parameter that is not valid for this queue type.";
            return Err(error::invalid_parameter(&delay.to_string(), "DelaySeconds", reason).into());
        }
        if let Some(id) = &self.deduplication {
            return Ok(Some(id.clone()));
        }
        if queue.text("ContentBasedDeduplication") == Some("true") {
            return Ok(Some(text::hex_encode(&Sha256::digest(self.body.as_bytes()))));
        }
        let message = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";
        Err(error::invalid_value(message).into())
    }

    fn sent(&self, queue: &Queue, id: String, number: u64) -> Sent {
        let trace = self.trace_header.as_ref().map(|text| {
            let attribute = Attribute { kind: "String".to_owned(), text: Some(text.clone()), binary: None };
            BTreeMap::from([("AWSTraceHeader".to_owned(), attribute)])
        });
        Sent {
            id,
            sequence: queue.is_fifo().then(|| sequence(number)),
            body_md5: message::md5_of(&self.body),
            attributes_md5: message::md5_of_attributes(&self.attributes),
            system_md5: trace.and_then(|t| message::md5_of_attributes(&t)),
            size: message::size(&self.body, &self.attributes),
            repeated: false,
        }
    }
}

/// The sequence number of a FIFO queue's message: twenty digits, growing.
pub(crate) fn sequence(number: u64) -> String {
    format!("{:020}", 18_850_000_000_000_000_000u128 + u128::from(number))
}

/// A message that waits for the transaction of whoever sends it.
struct Waiting {
    cx: Cx,
    name: QueueName,
    draft: Draft,
}

impl Ready for Waiting {
    fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        let queue = self.name.find(tx)?;
        self.draft.send(&self.cx, tx, &queue, &encryption::own(&queue)).map(drop)
    }

    fn done(&self) {
        // A queue that has gone meanwhile has nobody who waits.
        if let Ok(queue) = self.name.find(&self.cx.read()) {
            metrics::touch(&self.cx, &queue);
            metrics::sent(&self.cx, &queue, message::size(&self.draft.body, &self.draft.attributes));
            self.cx.signals().ring(&queue.topic());
        }
    }
}

/// Prepares a message that is sent with the writes of another service. `None`: its queue has a key of KMS, which must be asked.
pub(crate) fn prepare(cx: &Cx, input: api::SendMessageInput) -> Result<Option<Box<dyn Ready>>> {
    let (name, draft) = checked(cx, input)?;
    if encryption::is_kms(&name.find(&cx.read())?) {
        return Ok(None);
    }
    Ok(Some(Box::new(Waiting { cx: cx.clone(), name, draft })))
}

fn checked(cx: &Cx, input: api::SendMessageInput) -> Result<(QueueName, Draft)> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    let draft = Draft::new(
        input.message_body,
        input.message_attributes,
        input.message_system_attributes,
        input.delay_seconds,
        input.message_group_id,
        input.message_deduplication_id,
    )?;
    Ok((name, draft))
}

pub(crate) async fn one(cx: &Cx, input: api::SendMessageInput) -> Result<api::SendMessageOutput> {
    let (name, draft) = checked(cx, input)?;
    let sealer = encryption::sealer(cx, &name.find(&cx.read())?).await?;
    let (queue, sent) = cx
        .write(|tx| {
            let queue = name.find(tx)?;
            let sent = draft.send(cx, tx, &queue, &sealer)?;
            Ok((queue, sent))
        })
        .await?;
    sent.count(cx, &queue);
    cx.signals().ring(&queue.topic());
    Ok(api::SendMessageOutput {
        md5_of_message_body: Some(sent.body_md5),
        md5_of_message_attributes: sent.attributes_md5,
        md5_of_message_system_attributes: sent.system_md5,
        message_id: Some(sent.id),
        sequence_number: sent.sequence,
    })
}

pub(crate) async fn many(cx: &Cx, input: api::SendMessageBatchInput) -> Result<api::SendMessageBatchOutput> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    batch::check_ids("SendMessageBatchRequestEntry", input.entries.iter().map(|e| e.id.as_str()))?;
    let mut drafts = Vec::new();
    let mut failed = Vec::new();
    let mut total = 0;
    for e in input.entries {
        let (id, length) = (e.id, e.message_body.len());
        let draft = Draft::new(
            e.message_body,
            e.message_attributes,
            e.message_system_attributes,
            e.delay_seconds,
            e.message_group_id,
            e.message_deduplication_id,
        );
        total += draft.as_ref().map_or(length, |d| message::size(&d.body, &d.attributes));
        match draft {
            Ok(draft) => drafts.push((id, draft)),
            Err(why) => failed.push(batch::failed(id, why)?),
        }
    }
    if total > message::LARGEST {
        let message =
            format!("Batch requests cannot be longer than {} bytes. You have sent {total} bytes.", message::LARGEST);
        return Err(errors::batch_request_too_long(message).into());
    }
    let sealer = encryption::sealer(cx, &name.find(&cx.read())?).await?;
    let (queue, results) = cx
        .write(|tx| {
            let queue = name.find(tx)?;
            let each = drafts.iter().map(|(id, draft)| (id.clone(), draft.send(cx, tx, &queue, &sealer)));
            let results: Vec<_> = each.collect();
            Ok((queue, results))
        })
        .await?;
    results.iter().filter_map(|(_, sent)| sent.as_ref().ok()).for_each(|sent| sent.count(cx, &queue));
    cx.signals().ring(&queue.topic());
    let mut successful = Vec::new();
    for (id, result) in results {
        match result {
            Ok(sent) => successful.push(output::SendMessageBatchResultEntry {
                id,
                message_id: sent.id,
                md5_of_message_body: sent.body_md5,
                md5_of_message_attributes: sent.attributes_md5,
                md5_of_message_system_attributes: sent.system_md5,
                sequence_number: sent.sequence,
            }),
            Err(why) => failed.push(batch::failed(id, why)?),
        }
    }
    Ok(api::SendMessageBatchOutput { successful, failed })
}
