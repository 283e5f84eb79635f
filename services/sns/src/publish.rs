//! Publishing: a message is accepted together with what shall become of it. Queues of this cloud have it with the same writes;
//! everybody else has a delivery waiting (`deliver`).

use std::collections::{BTreeSet, HashSet};

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Table, Tx};
use undercast_kernel::{AwsError, Cx, Failure, Joined, Result};

use crate::api::{self, errors, input, output};
use crate::deliver::{self, queue};
use crate::error::{empty_batch, invalid};
use crate::message::{self, Given, Message, Passage};
use crate::rows::{Subscription, Topic, TopicName};
use crate::sealed::{self, Sealed};
use crate::signature::{self, Key};
use crate::{archive, metrics, people, protection, status};

/// Account, region, topic, group (empty: the whole topic), deduplication id → the message that was accepted under it.
static DEDUPLICATION: Table<Accepted> = Table::new("sns.deduplication");

/// A deduplication id is remembered for so long.
const DEDUPLICATION_MILLIS: i64 = 300_000;

/// A message that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Accepted {
    #[n(0)]
    id: String,
    #[n(1)]
    number: Option<u64>,
    /// When its deduplication id is forgotten (ms).
    #[n(2)]
    until: i64,
}

/// How one subscriber gets a message.
struct Way {
    subscription: Subscription,
    /// With the writes of the publication; `None`: by a delivery of its own.
    joined: Option<Joined>,
}

/// Everything that a publication needs of its topic.
struct Publishing<'a> {
    cx: &'a Cx,
    topic: Topic,
    subscriptions: Vec<Subscription>,
    key: Option<Key>,
    sealer: Option<sealed::Sealer>,
}

/// What became of a publication within its transaction.
struct Done {
    accepted: Accepted,
    /// The ways that were made within it, of a FIFO topic.
    ways: Vec<Way>,
    /// The subscriptions that did not take it with these writes.
    fallen: HashSet<String>,
    repeated: bool,
}

impl Publishing<'_> {
    async fn of<'a>(cx: &'a Cx, name: &TopicName) -> Result<Publishing<'a>> {
        let read = cx.read();
        let topic = name.find(&read)?;
        let subscriptions: Vec<_> = topic.subscriptions(&read)?.into_iter().filter(|s| !s.is_pending()).collect();
        let place = cx.elsewhere(&topic.account, &topic.region);
        let signs = !topic.is_fifo() && subscriptions.iter().any(|s| !s.is_raw());
        let key = if signs { Some(signature::key(&place).await?) } else { None };
        let sealer = sealed::sealer(cx, &topic).await?;
        Ok(Publishing { cx, topic, subscriptions, key, sealer })
    }

    /// The ways of a message to those who want it.
    fn ways(&self, message: &Message) -> Result<Vec<Way>> {
        let wanted = self.subscriptions.iter().filter(|s| message.passage(s) == Passage::Passes);
        let ways = wanted.map(|subscription| {
            let joined = if subscription.protocol == "sqs" {
                queue::join(self.cx, &self.topic, self.key.as_ref(), subscription, message)?
            } else {
                None
            };
            Ok(Way { subscription: subscription.clone(), joined })
        });
        ways.collect()
    }

    /// Accepts a message with the writes of a transaction.
    fn accept(&self, tx: &mut Tx<'_>, message: &Message, prepared: Option<&[Way]>) -> Result<Done> {
        let (cx, topic) = (self.cx, &self.topic);
        TopicName { account: topic.account.clone(), region: topic.region.clone(), name: topic.name.clone() }
            .find(tx)?;
        let until = cx.now_millis() + DEDUPLICATION_MILLIS;
        let mut message = message.clone();
        if let Some(id) = message.deduplication.as_ref().filter(|_| topic.is_fifo()) {
            let group = message.group.as_deref().filter(|_| topic.by_group()).unwrap_or_default();
            let key = (&topic.account, &topic.region, &topic.name, group, id);
            if let Some(before) = DEDUPLICATION.get(tx, &key)?.filter(|a| a.until > cx.now_millis()) {
                return Ok(Done { accepted: before, ways: Vec::new(), fallen: HashSet::new(), repeated: true });
            }
            message.number = Some(topic.next_number(tx)?);
            let accepted = Accepted { id: message.id.clone(), number: message.number, until };
            DEDUPLICATION.put(tx, &key, &accepted);
            plan_forgetting(cx, tx, topic, until)?;
            archive::keep(cx, tx, topic, &message, self.sealer.as_ref())?;
        }
        let made = if prepared.is_none() { self.ways(&message)? } else { Vec::new() };
        let fallen = self.send(tx, &message, prepared.unwrap_or(&made))?;
        let accepted = Accepted { id: message.id.clone(), number: message.number, until };
        Ok(Done { accepted, ways: made, fallen, repeated: false })
    }

    /// Sends it on its ways; says who has to be given it otherwise.
    fn send(&self, tx: &mut Tx<'_>, message: &Message, ways: &[Way]) -> Result<HashSet<String>> {
        let (cx, topic) = (self.cx, &self.topic);
        let mut fallen = HashSet::new();
        for way in ways {
            let waits = topic.is_fifo() && deliver::is_behind(tx, topic, &way.subscription, message)?;
            let sent = match way.joined.as_ref().filter(|_| !waits) {
                None => false,
                Some(joined) => match joined.write(tx) {
                    Ok(()) => true,
                    // Its queue refuses it: the delivery finds out why, and does what is to be done.
                    Err(Failure::Aws(_) | Failure::NotBuilt { .. }) => false,
                    Err(failure) => return Err(failure),
                },
            };
            if sent {
                status::of_queue(cx, tx, topic, &way.subscription, message)?;
            } else {
                fallen.insert(way.subscription.id.clone());
            }
        }
        let left = ways.iter().filter(|way| fallen.contains(&way.subscription.id)).map(|way| &way.subscription);
        let left: Vec<&Subscription> = left.collect();
        if !left.is_empty() {
            let sealed = Sealed::new(cx, message, self.sealer.as_ref())?;
            deliver::plan(cx, tx, topic, message, &left, &sealed)?;
        }
        Ok(fallen)
    }

    /// Publishes messages in one transaction.
    async fn run(&self, messages: &[Message]) -> Result<Vec<Accepted>> {
        // Of FIFO topics the way depends on the number, which only the transaction gives.
        let mut prepared = Vec::new();
        if !self.topic.is_fifo() {
            prepared = messages.iter().map(|m| self.ways(m)).collect::<Result<Vec<_>>>()?;
        }
        let place = |n: usize| prepared.get(n).map(Vec::as_slice);
        let all = self.cx.write(|tx| {
            messages.iter().enumerate().map(|(n, m)| self.accept(tx, m, place(n))).collect::<Result<Vec<_>>>()
        });
        let all = all.await?;
        let cx = self.cx.elsewhere(&self.topic.account, &self.topic.region);
        let mut prepared = prepared.into_iter();
        let mut out = Vec::new();
        for (message, done) in messages.iter().zip(all) {
            let ways = prepared.next().unwrap_or(done.ways);
            metrics::published(&cx, &self.topic.name, message.size());
            out.push(done.accepted);
            if done.repeated {
                continue;
            }
            for subscription in &self.subscriptions {
                metrics::filtered(&cx, &self.topic.name, message.passage(subscription));
            }
            for way in ways.into_iter().filter(|way| !done.fallen.contains(&way.subscription.id)) {
                metrics::delivered(&cx, &self.topic.name);
                way.joined.into_iter().for_each(Joined::done);
            }
        }
        Ok(out)
    }
}

/// Has the deduplication ids of a topic forgotten.
fn plan_forgetting(cx: &Cx, tx: &mut Tx<'_>, topic: &Topic, due: i64) -> Result<()> {
    let place = cx.elsewhere(&topic.account, &topic.region);
    let due = undercast_kernel::Timestamp::from_millisecond(due).map_err(Failure::broken)?;
    let id = format!("forget/{}/{}/{}", topic.account, topic.region, topic.name);
    cx.tasks().schedule_sooner(&place, tx, "sns", &id, "forget", topic.name.clone(), due)
}

/// Forgets deduplication ids whose time is over; says when to come again (ms).
pub(crate) async fn forget(cx: &Cx, topic: &str) -> Result<Option<i64>> {
    type Place = (String, String, String, String, String);
    let now = cx.now_millis();
    cx.write(|tx| {
        let mut next: Option<i64> = None;
        for entry in DEDUPLICATION.all(tx, &(cx.account(), cx.region(), topic))? {
            if entry.row.until > now {
                next = Some(next.map_or(entry.row.until, |n| n.min(entry.row.until)));
            } else if let Some(key) = entry.key::<Place>() {
                DEDUPLICATION.delete(tx, &key);
            }
        }
        Ok(next)
    })
    .await
}

/// Forgets all of a topic that is deleted.
pub(crate) fn forget_all(tx: &mut Tx<'_>, name: &TopicName) -> Result<()> {
    DEDUPLICATION.clear(tx, &name.key()).map(drop).map_err(Into::into)
}

/// Publishes one message to a topic, a device or a telephone.
pub(crate) async fn one(cx: &Cx, input: api::PublishInput) -> Result<api::PublishOutput> {
    let given = Given {
        text: input.message,
        subject: input.subject,
        structure: input.message_structure,
        attributes: input.message_attributes,
        group: input.message_group_id,
        deduplication: input.message_deduplication_id,
    };
    let arn = match (input.topic_arn, input.target_arn, input.phone_number) {
        (Some(arn), None, None) | (None, Some(arn), None) => arn,
        (None, None, Some(number)) => return people::text(cx, &number, Message::new(cx, given)?).await,
        (None, None, None) => {
            let message = "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter";
            return Err(invalid(message).into());
        }
        _ => {
            return Err(
                invalid("Invalid parameter: Only one of TopicArn, TargetArn and PhoneNumber can be given").into()
            );
        }
    };
    if arn.contains(":endpoint/") {
        return people::push(cx, &arn, Message::new(cx, given)?).await;
    }
    let publishing = Publishing::of(cx, &TopicName::parse(&arn)?).await?;
    let mut message = Message::new(cx, given)?;
    message.suit(&publishing.topic)?;
    message::check_size(&message, publishing.topic.largest())?;
    let message = protection::inbound(cx, &publishing.topic, message).await?;
    let accepted = publishing.run(&[message]).await?.pop();
    cx.meter("sns", "Requests", 1.0);
    let accepted = accepted.ok_or_else(|| cx.broken("a publication was not accepted"))?;
    Ok(api::PublishOutput { sequence_number: sequence(&accepted), message_id: Some(accepted.id) })
}

fn sequence(accepted: &Accepted) -> Option<String> {
    accepted.number.map(|number| format!("{:020}", 10_000_000_000_000_000_000u128 + u128::from(number)))
}

fn check_ids(entries: &[input::PublishBatchRequestEntry]) -> Result<()> {
    if entries.is_empty() {
        return Err(empty_batch().into());
    }
    if entries.len() > 10 {
        return Err(errors::too_many_entries_in_batch_request_exception(
            "The batch request contains more entries than permissible.",
        )
        .into());
    }
    let mut seen = BTreeSet::new();
    for entry in entries {
        if entry.id.len() > 80 {
            return Err(errors::invalid_batch_entry_id_exception(format!(
                "The Id of a batch entry in the batch request is too long: {}",
                entry.id
            ))
            .into());
        }
        if entry.id.is_empty() || !entry.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            let message = format!(
                "The Id of a batch entry in the batch request contains an impermissible character: {}",
                entry.id
            );
            return Err(errors::invalid_batch_entry_id_exception(message).into());
        }
        if !seen.insert(&entry.id) {
            return Err(errors::batch_entry_ids_not_distinct_exception(
                "Two or more batch entries in the request have the same Id.",
            )
            .into());
        }
    }
    Ok(())
}

/// Publishes up to ten messages. Each is accepted or refused for itself.
pub(crate) async fn many(cx: &Cx, input: api::PublishBatchInput) -> Result<api::PublishBatchOutput> {
    let name = TopicName::parse(&input.topic_arn)?;
    check_ids(&input.publish_batch_request_entries)?;
    let publishing = Publishing::of(cx, &name).await?;
    let (mut ids, mut messages, mut failed, mut total) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for entry in input.publish_batch_request_entries {
        let given = Given {
            text: entry.message,
            subject: entry.subject,
            structure: entry.message_structure,
            attributes: entry.message_attributes,
            group: entry.message_group_id,
            deduplication: entry.message_deduplication_id,
        };
        total += given.text.len();
        match checked(&publishing, given).await {
            Ok(message) => {
                total += message.size().saturating_sub(message.text.len());
                ids.push(entry.id);
                messages.push(message);
            }
            Err(Failure::Aws(error)) => failed.push(failure(entry.id, *error)),
            Err(other) => return Err(other),
        }
    }
    if total > publishing.topic.largest() {
        return Err(errors::batch_request_too_long_exception(
            "The length of all the messages put together is more than the limit.",
        )
        .into());
    }
    let accepted = publishing.run(&messages).await?;
    let successful = ids.into_iter().zip(accepted).map(|(id, accepted)| output::PublishBatchResultEntry {
        id: Some(id),
        sequence_number: sequence(&accepted),
        message_id: Some(accepted.id),
    });
    Ok(api::PublishBatchOutput { successful: Some(successful.collect()), failed: Some(failed) })
}

async fn checked(publishing: &Publishing<'_>, given: Given) -> Result<Message> {
    let mut message = Message::new(publishing.cx, given)?;
    message.suit(&publishing.topic)?;
    protection::inbound(publishing.cx, &publishing.topic, message).await
}

fn failure(id: String, error: AwsError) -> output::BatchResultErrorEntry {
    output::BatchResultErrorEntry {
        id,
        code: error.code.to_string(),
        message: Some(error.message),
        sender_fault: error.sender,
    }
}
