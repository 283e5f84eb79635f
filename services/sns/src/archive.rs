//! The archive of a FIFO topic, and its replay to a subscriber.
//!
//! Source: "Message archiving and replay for FIFO topics" in the developer guide.

use minicbor::{Decode, Encode};
use serde::Deserialize;
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::api::errors;
use crate::deliver;
use crate::error::invalid;
use crate::message::{Message, Passage, moment};
use crate::rows::{SUBSCRIPTIONS, Subscription, Topic, TopicName};
use crate::sealed::{Sealed, Sealer};

/// Account, region, topic, number → a message.
static ARCHIVE: Table<Kept> = Table::new("sns.archive");
/// Account, region, topic, subscription → the replay that goes on.
static REPLAYS: Table<Replay> = Table::new("sns.replays");

const DAY: i64 = 86_400_000;
/// So many messages are looked at in one transaction.
const PAGE: usize = 200;

/// A message of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Kept {
    #[n(0)]
    sealed: Sealed,
    #[n(1)]
    id: String,
    /// When it was published (ms).
    #[n(2)]
    time: i64,
}

/// A replay that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Replay {
    /// From which moment on (ms), and up to which.
    #[n(0)]
    from: i64,
    #[n(1)]
    to: i64,
    /// The number behind which it goes on; `None`: every message has got its turn.
    #[n(2)]
    after: Option<u64>,
    /// How many have got their turn and wait for it.
    #[n(3)]
    left: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ArchivePolicy {
    message_retention_period: serde_json::Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ReplayPolicy {
    point_type: String,
    starting_point: String,
    ending_point: Option<String>,
}

fn refuse(message: impl std::fmt::Display) -> Failure {
    invalid(format!("Invalid parameter: {message}")).into()
}

/// Sets how long messages are archived; an empty policy ends it.
pub(crate) fn set_policy(cx: &Cx, topic: &mut Topic, value: &str) -> Result<()> {
    if value.is_empty() || value == "{}" {
        topic.attributes.remove("ArchivePolicy");
        topic.archived_since = None;
        return Ok(());
    }
    let wrong = |_| refuse("ArchivePolicy: failed to parse JSON.");
    let policy: ArchivePolicy = serde_json::from_str(value).map_err(wrong)?;
    if days(&policy).is_none() {
        return Err(refuse("ArchivePolicy: MessageRetentionPeriod must be between 1 and 365 days"));
    }
    topic.attributes.insert("ArchivePolicy".to_owned(), value.to_owned());
    topic.archived_since = topic.archived_since.or(Some(cx.now_millis()));
    Ok(())
}

fn days(policy: &ArchivePolicy) -> Option<i64> {
    let given = &policy.message_retention_period;
    let days = given.as_i64().or_else(|| given.as_str().and_then(|t| t.parse().ok()))?;
    (1..=365).contains(&days).then_some(days)
}

/// How long messages are archived (ms); `None`: they are not.
fn retention(topic: &Topic) -> Option<i64> {
    let policy: ArchivePolicy = serde_json::from_str(topic.text("ArchivePolicy")?).ok()?;
    days(&policy).map(|days| days * DAY)
}

/// Archives a message with the writes that accept it.
pub(crate) fn keep(cx: &Cx, tx: &mut Tx<'_>, topic: &Topic, message: &Message, sealer: Option<&Sealer>) -> Result<()> {
    let Some(retention) = retention(topic) else { return Ok(()) };
    let kept = Kept { sealed: Sealed::new(cx, message, sealer)?, id: message.id.clone(), time: message.time };
    ARCHIVE.put(tx, &(topic.key(), message.number.unwrap_or(0)), &kept);
    let place = cx.elsewhere(&topic.account, &topic.region);
    let due = Timestamp::from_millisecond(message.time + retention).map_err(Failure::broken)?;
    let id = format!("thin/{}/{}/{}", topic.account, topic.region, topic.name);
    cx.tasks().schedule_sooner(&place, tx, "sns", &id, "thin", topic.name.clone(), due)
}

/// Forgets what has been archived long enough; says when to come again.
pub(crate) async fn thin(cx: &Cx, task: &Task) -> Result<Next> {
    let name =
        TopicName { account: cx.account().to_owned(), region: cx.region().to_owned(), name: task.payload.clone() };
    let next = cx
        .write(|tx| {
            let Ok(topic) = name.find(tx) else { return Ok(None) };
            let retention = retention(&topic).unwrap_or(0);
            for entry in ARCHIVE.page(tx, &name.key(), None::<&()>, Order::Ascending, PAGE)? {
                if entry.row.time + retention > cx.now_millis() {
                    return Ok(Some(entry.row.time + retention));
                }
                if let Some((account, region, topic, number)) = entry.key::<(String, String, String, u64)>() {
                    ARCHIVE.delete(tx, &(account, region, topic, number));
                }
            }
            let more = !ARCHIVE.page(tx, &name.key(), None::<&()>, Order::Ascending, 1)?.is_empty();
            Ok(more.then_some(cx.now_millis()))
        })
        .await?;
    match next {
        Some(due) => Timestamp::from_millisecond(due).map(Next::Again).map_err(Failure::broken),
        None => Ok(Next::Done),
    }
}

/// The earliest moment from which on a topic can be replayed.
pub(crate) fn beginning(cx: &Cx, from: &impl Read, topic: &Topic) -> Result<Option<String>> {
    let (Some(since), Some(retention)) = (topic.archived_since, retention(topic)) else { return Ok(None) };
    let first = ARCHIVE.page(from, &topic.key(), None::<&()>, Order::Ascending, 1)?;
    let first = first.first().map(|entry| entry.row.time);
    Ok(Some(moment(first.unwrap_or(since).max(cx.now_millis() - retention))))
}

/// A message of the archive.
pub(crate) async fn find(cx: &Cx, topic: &Topic, number: u64) -> Result<Option<Message>> {
    match ARCHIVE.get(&cx.read(), &(topic.key(), number))? {
        Some(kept) => kept.sealed.open(cx, &kept.id).await.map(Some),
        None => Ok(None),
    }
}

fn point(text: &str) -> Option<i64> {
    undercast_kernel::wire::text::parse_iso8601(text).map(Timestamp::as_millisecond)
}

/// What a replay policy asks for: from when, up to when (ms).
fn span(value: &str) -> Result<(i64, Option<i64>)> {
    let policy: ReplayPolicy =
        serde_json::from_str(value).map_err(|_| refuse("ReplayPolicy: failed to parse JSON."))?;
    if policy.point_type != "Timestamp" {
        return Err(refuse("ReplayPolicy: PointType must be Timestamp"));
    }
    let wrong = |name: &str| refuse(format_args!("ReplayPolicy: {name} must be a timestamp"));
    let from = point(&policy.starting_point).ok_or_else(|| wrong("StartingPoint"))?;
    let to = match policy.ending_point {
        Some(text) => Some(point(&text).ok_or_else(|| wrong("EndingPoint"))?),
        None => None,
    };
    if to.is_some_and(|to| to < from) {
        return Err(refuse("ReplayPolicy: EndingPoint must not be before StartingPoint"));
    }
    Ok((from, to))
}

/// Refuses what is no replay policy, or none that this subscription can have.
pub(crate) fn check_replay(topic: &Topic, subscription: &Subscription, value: &str) -> Result<()> {
    if value.is_empty() || value == "{}" {
        return Ok(());
    }
    if !topic.is_fifo() || topic.text("ArchivePolicy").is_none() {
        return Err(refuse("ReplayPolicy: the topic has no ArchivePolicy"));
    }
    if subscription.protocol != "sqs" {
        return Err(refuse("ReplayPolicy: only queues can have a topic replayed"));
    }
    span(value).map(drop)
}

/// Begins the replay that a subscription's policy asks for; a policy that is gone ends it.
pub(crate) fn begin_replay(cx: &Cx, tx: &mut Tx<'_>, topic: &Topic, subscription: &Subscription) -> Result<()> {
    let policy = subscription.text("ReplayPolicy").filter(|policy| *policy != "{}");
    let Some(policy) = policy.filter(|_| !subscription.is_pending()) else {
        REPLAYS.delete(tx, &(topic.key(), &subscription.id));
        return Ok(());
    };
    let (from, to) = span(policy)?;
    // What is published from now on comes as it always does.
    let to = to.unwrap_or(i64::MAX).min(cx.now_millis());
    REPLAYS.put(tx, &(topic.key(), &subscription.id), &Replay { from, to, after: Some(0), left: 0 });
    let place = cx.elsewhere(&topic.account, &topic.region);
    let payload = format!("{}/{}", topic.name, subscription.id);
    cx.tasks().schedule(&place, tx, "sns", &format!("replay/{}", subscription.id), "replay", payload, cx.now())
}

/// Ends the replay to a subscription that is no more.
pub(crate) fn end_replay(tx: &mut Tx<'_>, name: &TopicName, subscription: &str) {
    REPLAYS.delete(tx, &(name.key(), subscription));
}

/// Gives messages of the archive their turns, a page at a time.
pub(crate) async fn replay(cx: &Cx, task: &Task) -> Result<Next> {
    let Some((topic, id)) = task.payload.rsplit_once('/') else { return Ok(Next::Done) };
    let name = TopicName { account: cx.account().to_owned(), region: cx.region().to_owned(), name: topic.to_owned() };
    let read = cx.read();
    let (Ok(topic), Some(subscription)) = (name.find(&read), SUBSCRIPTIONS.get(&read, &(name.key(), id))?) else {
        return Ok(Next::Done);
    };
    let Some(replay) = REPLAYS.get(&read, &(name.key(), id))? else { return Ok(Next::Done) };
    let Some(after) = replay.after else { return Ok(Next::Done) };
    let page = ARCHIVE.page(&read, &name.key(), Some(&(name.key(), after)), Order::Ascending, PAGE)?;
    let (mut chosen, mut last) = (Vec::new(), after);
    for entry in &page {
        last = entry.key::<(String, String, String, u64)>().map_or(last, |key| key.3);
        if (replay.from..=replay.to).contains(&entry.row.time) {
            let message = entry.row.sealed.open(cx, &entry.row.id).await?;
            if message.passage(&subscription) == Passage::Passes {
                chosen.push(message);
            }
        }
    }
    let over = page.len() < PAGE;
    cx.write(|tx| {
        let Some(now) =
            REPLAYS.get(tx, &(name.key(), id))?.filter(|now| now.after == replay.after && now.from == replay.from)
        else {
            return Ok(());
        };
        chosen.iter().try_for_each(|message| deliver::replay(cx, tx, &topic, id, message))?;
        let left = now.left + u32::try_from(chosen.len()).unwrap_or(u32::MAX);
        put(tx, &name, id, &Replay { after: (!over).then_some(last), left, ..now });
        Ok(())
    })
    .await?;
    if over { Ok(Next::Done) } else { Ok(Next::Again(cx.refreshed().now())) }
}

/// A replay whose messages all have been delivered is over.
fn put(tx: &mut Tx<'_>, name: &TopicName, subscription: &str, replay: &Replay) {
    if replay.left == 0 && replay.after.is_none() {
        REPLAYS.delete(tx, &(name.key(), subscription));
    } else {
        REPLAYS.put(tx, &(name.key(), subscription), replay);
    }
}

/// A message of a replay has been delivered, or given up.
pub(crate) fn replayed(cx: &Cx, tx: &mut Tx<'_>, topic: &str, subscription: &str) -> Result<()> {
    let name = TopicName { account: cx.account().to_owned(), region: cx.region().to_owned(), name: topic.to_owned() };
    if let Some(replay) = REPLAYS.get(tx, &(name.key(), subscription))? {
        put(tx, &name, subscription, &Replay { left: replay.left.saturating_sub(1), ..replay });
    }
    Ok(())
}

/// How far the replay to a subscription is.
pub(crate) fn status(from: &impl Read, topic: &Topic, subscription: &Subscription) -> Result<&'static str> {
    Ok(if REPLAYS.has(from, &(topic.key(), &subscription.id))? { "In progress" } else { "Completed" })
}

/// Forgets the archive of a topic that is deleted.
pub(crate) fn forget_all(tx: &mut Tx<'_>, name: &TopicName) -> Result<()> {
    ARCHIVE.clear(tx, &name.key())?;
    REPLAYS.clear(tx, &name.key())?;
    Ok(())
}

/// Refuses to have a topic deleted whose archive goes on.
pub(crate) fn check_deletion(topic: &Topic) -> Result<()> {
    if topic.text("ArchivePolicy").is_some() {
        let message = "Topic with an active ArchivePolicy can not be deleted: deactivate the policy first";
        return Err(errors::invalid_state_exception(message).into());
    }
    Ok(())
}
