//! What is stored of topics and subscriptions, and how they are found.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Result};

use crate::error;

pub(crate) static TOPICS: Table<Topic> = Table::new("sns.topics");
pub(crate) static SUBSCRIPTIONS: Table<Subscription> = Table::new("sns.subscriptions");

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
}

/// The place of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicName {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
}

/// Refuses what is no ARN, in SNS's words.
fn parse(arn: &str, parameter: &str) -> Result<Arn> {
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

    pub(crate) fn subscriptions(&self, from: &(impl Read + ?Sized)) -> Result<Vec<Subscription>> {
        Ok(SUBSCRIPTIONS.all(from, &self.key())?.into_iter().map(|e| e.row).collect())
    }

    pub(crate) fn put_subscription(&self, tx: &mut Tx<'_>, subscription: &Subscription) {
        SUBSCRIPTIONS.put(tx, &(&self.account, &self.region, &self.name, &subscription.id), subscription);
    }
}

impl Subscription {
    pub(crate) fn arn(&self, topic_arn: &str) -> String {
        format!("{topic_arn}:{}", self.id)
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.attributes.get("RawMessageDelivery").is_some_and(|v| v == "true")
    }
}

/// The topic and id of a subscription's ARN.
pub(crate) fn subscription_place(arn: &str) -> Result<(TopicName, String)> {
    let parsed = parse(arn, "SubscriptionArn")?;
    let (name, id) = parsed.resource.split_once(':').ok_or_else(|| {
        error::invalid("Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 5")
    })?;
    Ok((TopicName { account: parsed.account, region: parsed.region, name: name.to_owned() }, id.to_owned()))
}

/// The subscription of an ARN, with its topic's name.
pub(crate) fn find_subscription(from: &(impl Read + ?Sized), arn: &str) -> Result<(TopicName, Subscription)> {
    let (name, id) = subscription_place(arn)?;
    let found = SUBSCRIPTIONS.get(from, &(&name.account, &name.region, &name.name, &id))?;
    Ok((name, found.ok_or_else(error::no_subscription)?))
}
