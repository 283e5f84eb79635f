//! What a queue is, and where it is found.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde::Deserialize;
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Passed, Read, Table, is_account};
use undercast_kernel::{Cx, Failure, Result};

use crate::error;
use crate::message::Standing;

/// Account, region, name → queue.
pub(crate) static QUEUES: Table<Queue> = Table::new("sqs.queues");
/// Account, region, name → when a queue of that name was deleted (ms).
pub(crate) static DELETED: Table<i64> = Table::new("sqs.deleted");

/// Where a queue's own rows begin, in keys that were read.
pub(crate) type Placed = (Passed, Passed, u64);

/// A name cannot be used again for so long after its queue was deleted.
pub(crate) const DELETED_MILLIS: i64 = 60_000;

/// A queue.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Queue {
    /// Unique in the account and region, also among queues of the same name.
    #[n(0)]
    pub(crate) id: u64,
    #[n(1)]
    pub(crate) account: String,
    #[n(2)]
    pub(crate) region: String,
    #[n(3)]
    pub(crate) name: String,
    /// What was set, by SQS's names; what was not set has its default.
    #[n(4)]
    pub(crate) attributes: BTreeMap<String, String>,
    #[n(5)]
    pub(crate) tags: BTreeMap<String, String>,
    /// Seconds since 1970.
    #[n(6)]
    pub(crate) created: i64,
    /// Seconds since 1970.
    #[n(7)]
    pub(crate) modified: i64,
    /// When it was last purged (ms).
    #[n(8)]
    pub(crate) purged: i64,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RedrivePolicy {
    pub(crate) dead_letter_target_arn: String,
    #[serde(deserialize_with = "number_or_text")]
    pub(crate) max_receive_count: u32,
}

/// `maxReceiveCount` is accepted as a number and as a text.
fn number_or_text<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<u32, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(u32),
        Text(String),
    }
    match Form::deserialize(from)? {
        Form::Number(n) => Ok(n),
        Form::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// The name of a queue, with the account and region it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueName {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
}

impl QueueName {
    /// From a queue's URL: its last two parts. SQS does not look at the host, and takes a bare name too.
    pub(crate) fn from_url(cx: &Cx, url: &str) -> Result<Self> {
        let path = url.split_once("://").map_or(url, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        let mut parts = path.trim_end_matches('/').rsplit('/');
        let name = parts.next().filter(|n| !n.is_empty()).ok_or_else(error::no_queue)?;
        let account = parts.next().filter(|a| is_account(a));
        Ok(Self {
            account: account.unwrap_or(cx.account()).to_owned(),
            region: cx.region().to_owned(),
            name: name.to_owned(),
        })
    }

    /// From a queue's ARN.
    pub(crate) fn from_arn(arn: &str) -> Option<Self> {
        let arn = Arn::parse(arn).filter(|a| a.service == "sqs")?;
        Some(Self { account: arn.account, region: arn.region, name: arn.resource })
    }

    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }

    /// The queue that has this name.
    pub(crate) fn find(&self, from: &(impl Read + ?Sized)) -> Result<Queue> {
        QUEUES.get(from, &self.key())?.ok_or_else(|| error::no_queue().into())
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        format!("arn:{}:sqs:{}:{}:{}", cx.partition(), self.region, self.account, self.name)
    }
}

impl Queue {
    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }

    /// Where its own rows begin: account, region, id.
    pub(crate) fn place(&self) -> (&str, &str, u64) {
        (&self.account, &self.region, self.id)
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        format!("arn:{}:sqs:{}:{}:{}", cx.partition(), self.region, self.account, self.name)
    }

    pub(crate) fn url(&self, cx: &Cx) -> String {
        format!("{}/{}/{}", cx.endpoint(), self.account, self.name)
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.attributes.get("FifoQueue").is_some_and(|v| v == "true")
    }

    /// A number, set or by default.
    pub(crate) fn number(&self, attribute: &str) -> i64 {
        let set = self.attributes.get(attribute).and_then(|v| v.parse().ok());
        set.unwrap_or_else(|| crate::attributes::default_number(attribute))
    }

    pub(crate) fn retention_millis(&self) -> i64 {
        self.number("MessageRetentionPeriod") * 1000
    }

    /// When a message's time in it is over (ms).
    pub(crate) fn end_of(&self, standing: &Standing) -> i64 {
        standing.sent + self.retention_millis()
    }

    /// Whether a message's time in it is over.
    pub(crate) fn is_over(&self, standing: &Standing, now: i64) -> bool {
        self.end_of(standing) <= now
    }

    pub(crate) fn text(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    /// Deduplication and throughput go by message group rather than by queue.
    pub(crate) fn by_group(&self) -> bool {
        self.text("DeduplicationScope") == Some("messageGroup")
    }

    /// Where its messages go that were received too often.
    pub(crate) fn redrive(&self) -> Result<Option<RedrivePolicy>> {
        let Some(text) = self.text("RedrivePolicy") else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(Failure::broken)
    }

    /// The bell that rings when a message can be seen.
    pub(crate) fn topic(&self) -> String {
        format!("sqs/{}", self.tag())
    }

    /// What tells it from every other queue there is or was.
    pub(crate) fn tag(&self) -> String {
        format!("{}/{}/{}", self.account, self.region, self.id)
    }
}
