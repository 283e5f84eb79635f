//! What is stored of topics and subscriptions, and how they are found.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Result};

use crate::error;
use crate::filter::Scope;
use crate::message::LARGEST;

pub(crate) static TOPICS: Table<Topic> = Table::new("sns.topics");
pub(crate) static SUBSCRIPTIONS: Table<Subscription> = Table::new("sns.subscriptions");
/// Account, region, topic → number of its next message. FIFO topics.
static SEQUENCE: Table<u64> = Table::new("sns.sequence");
/// Account, region, topic, subscription → when it was deleted (ms).
static DELETED: Table<i64> = Table::new("sns.deleted");

/// Subscriptions that are deleted are counted for so long (`GetTopicAttributes`: they are gone after some days).
const COUNTED_MILLIS: i64 = 72 * 3_600_000;

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Topic {
    #[n(0)]
    pub(crate) account: String,
    #[n(1)]
    pub(crate) region: String,
    #[n(2)]
    pub(crate) name: String,
    #[n(3)]
    pub(crate) attributes: BTreeMap<String, String>,
    #[n(4)]
    pub(crate) tags: BTreeMap<String, String>,
    /// What is done to messages with personal data, as JSON.
    #[n(5)]
    pub(crate) data_protection: Option<String>,
    /// When its archive began (ms).
    #[n(6)]
    pub(crate) archived_since: Option<i64>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Subscription {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) owner: String,
    #[n(2)]
    pub(crate) protocol: String,
    #[n(3)]
    pub(crate) endpoint: String,
    #[n(4)]
    pub(crate) attributes: BTreeMap<String, String>,
    /// What confirms it; `None`: it is confirmed.
    #[n(5)]
    pub(crate) token: Option<String>,
    /// It was confirmed by a link, which nobody signed.
    #[n(6)]
    pub(crate) by_link: Option<bool>,
    /// Only signed calls end it.
    #[n(7)]
    pub(crate) authenticate: Option<bool>,
    /// Who subscribed: an ARN.
    #[n(8)]
    pub(crate) principal: Option<String>,
    /// The token that confirmed it.
    #[n(9)]
    pub(crate) confirmed_by: Option<String>,
}

/// The place of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicName {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
}

/// Refuses what is no ARN, in SNS's words.
pub(crate) fn parse(arn: &str, parameter: &str) -> Result<Arn> {
    let count = arn.split(':').count();
    if count < 6 {
        let message =
            format!("Invalid parameter: {parameter} Reason: An ARN must have at least 6 elements, not {count}");
        return Err(error::invalid(message).into());
    }
    Arn::parse(arn)
        .filter(|a| a.service == "sns")
        .ok_or_else(|| error::invalid(format!("Invalid parameter: {parameter}")).into())
}

impl TopicName {
    pub(crate) fn parse(arn: &str) -> Result<Self> {
        let arn = parse(arn, "TopicArn")?;
        Ok(Self { account: arn.account, region: arn.region, name: arn.resource })
    }

    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        format!("arn:{}:sns:{}:{}:{}", cx.partition(), self.region, self.account, self.name)
    }

    pub(crate) fn find(&self, from: &(impl Read + ?Sized)) -> Result<Topic> {
        TOPICS.get(from, &self.key())?.ok_or_else(|| error::no_topic().into())
    }
}

impl Topic {
    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        format!("arn:{}:sns:{}:{}:{}", cx.partition(), self.region, self.account, self.name)
    }

    pub(crate) fn text(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.text("FifoTopic") == Some("true")
    }

    /// The largest message, and all messages of a batch.
    pub(crate) fn largest(&self) -> usize {
        self.text("MaximumMessageSize").and_then(|size| size.parse().ok()).unwrap_or(LARGEST)
    }

    /// Deduplication goes by message group rather than by topic.
    pub(crate) fn by_group(&self) -> bool {
        self.text("FifoThroughputScope") == Some("MessageGroup")
    }

    pub(crate) fn subscriptions(&self, from: &(impl Read + ?Sized)) -> Result<Vec<Subscription>> {
        Ok(SUBSCRIPTIONS.all(from, &self.key())?.into_iter().map(|e| e.row).collect())
    }

    pub(crate) fn put_subscription(&self, tx: &mut Tx<'_>, subscription: &Subscription) {
        SUBSCRIPTIONS.put(tx, &(&self.account, &self.region, &self.name, &subscription.id), subscription);
    }

    /// The number of its next message.
    pub(crate) fn next_number(&self, tx: &mut Tx<'_>) -> Result<u64> {
        let number = SEQUENCE.get(tx, &self.key())?.unwrap_or(1);
        SEQUENCE.put(tx, &self.key(), &(number + 1));
        Ok(number)
    }

    /// How many subscriptions were deleted lately.
    pub(crate) fn deleted(&self, from: &(impl Read + ?Sized), now: i64) -> Result<usize> {
        let all = DELETED.all(from, &self.key())?;
        Ok(all.iter().filter(|entry| entry.row + COUNTED_MILLIS > now).count())
    }
}

impl TopicName {
    /// Removes a subscription, and counts it among those that were.
    pub(crate) fn remove_subscription(&self, tx: &mut Tx<'_>, id: &str, now: i64) -> Result<()> {
        for entry in DELETED.all(tx, &self.key())? {
            if entry.row + COUNTED_MILLIS <= now
                && let Some((account, region, name, id)) = entry.key::<(String, String, String, String)>()
            {
                DELETED.delete(tx, &(account, region, name, id));
            }
        }
        SUBSCRIPTIONS.delete(tx, &(&self.account, &self.region, &self.name, id));
        DELETED.put(tx, &(&self.account, &self.region, &self.name, id), &now);
        Ok(())
    }

    /// Removes what is kept of a topic beside itself.
    pub(crate) fn forget(&self, tx: &mut Tx<'_>) -> Result<()> {
        SUBSCRIPTIONS.clear(tx, &self.key())?;
        DELETED.clear(tx, &self.key())?;
        SEQUENCE.delete(tx, &self.key());
        Ok(())
    }
}

impl Subscription {
    pub(crate) fn arn(&self, topic_arn: &str) -> String {
        format!("{topic_arn}:{}", self.id)
    }

    pub(crate) fn text(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.text("RawMessageDelivery") == Some("true")
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.token.is_some()
    }

    /// What its filter policy is about.
    pub(crate) fn scope(&self) -> Scope {
        if self.text("FilterPolicyScope") == Some("MessageBody") { Scope::Body } else { Scope::Attributes }
    }
}

/// The topic and id of a subscription's ARN.
pub(crate) fn subscription_place(arn: &str) -> Result<(TopicName, String)> {
    let parsed = parse(arn, "SubscriptionArn")?;
    let (name, id) = parsed.resource.split_once(':').ok_or_else(|| {
        error::invalid("Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 5")
    })?;
    let is_uuid = id.len() == 36 && id.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    if !is_uuid || !id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        return Err(error::invalid("Invalid parameter: SubscriptionId").into());
    }
    Ok((TopicName { account: parsed.account, region: parsed.region, name: name.to_owned() }, id.to_owned()))
}

/// The subscription of an ARN, with its topic's name.
pub(crate) fn find_subscription(from: &(impl Read + ?Sized), arn: &str) -> Result<(TopicName, Subscription)> {
    let (name, id) = subscription_place(arn)?;
    let found = SUBSCRIPTIONS.get(from, &(&name.account, &name.region, &name.name, &id))?;
    Ok((name, found.ok_or_else(error::no_subscription)?))
}
