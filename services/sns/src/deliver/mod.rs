//! Deliveries: what a publication could not do with its own writes. Each is a durable task that comes again until it succeeds, or
//! goes to the dead-letter queue. Those of a FIFO topic go one after the other in their group.

pub(crate) mod function;
pub(crate) mod http;
pub(crate) mod queue;
pub(crate) mod stream;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use undercast_kernel::store::{Order, Table, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::envelope::Envelope;
use crate::message::Message;
use crate::retry::{self, Policy};
use crate::rows::{SUBSCRIPTIONS, Subscription, Topic, TopicName};
use crate::sealed::Sealed;
use crate::{archive, metrics, people, protection, signature, status};

/// Account, region, topic, message → the message, for those who still wait for it.
static WAITING: Table<Waiting> = Table::new("sns.waiting");
/// Account, region, topic, subscription, group, number → a message of a FIFO topic that waits for its turn.
static TURNS: Table<Turn> = Table::new("sns.turns");
/// Account, region, delivery → how often it has failed.
static FAILURES: Table<u32> = Table::new("sns.failures");
/// Account, region, topic, subscription → when its endpoint can be asked next (ms), where that is limited.
static SLOTS: Table<i64> = Table::new("sns.slots");

/// A message that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Waiting {
    #[n(0)]
    sealed: Sealed,
    /// How many wait for it.
    #[n(1)]
    left: u32,
}

/// A message that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Turn {
    #[n(0)]
    message: String,
    /// It comes from the archive.
    #[n(1)]
    replayed: bool,
}

/// What a task is to deliver.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Assignment {
    topic: String,
    subscription: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The group whose turn it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
}

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What it said, as logs tell it.
    pub(crate) response: String,
}

/// Whether earlier messages of its group still wait for a subscriber.
pub(crate) fn is_behind(tx: &Tx<'_>, topic: &Topic, subscription: &Subscription, message: &Message) -> Result<bool> {
    let group = message.group.as_deref().unwrap_or_default();
    let place = (&topic.account, &topic.region, &topic.name, &subscription.id, group);
    Ok(!TURNS.page(tx, &place, None::<&()>, Order::Ascending, 1)?.is_empty())
}

/// When a delivery can begin: as soon as the endpoint may be asked, and what is far away is reached.
fn begin(cx: &Cx, tx: &mut Tx<'_>, topic: &Topic, subscription: &Subscription) -> Result<Timestamp> {
    let now = cx.now_millis();
    let mut due = now;
    let limit =
        if subscription.protocol.starts_with("http") { Policy::of(topic, subscription).per_second } else { None };
    if let Some(limit) = limit {
        let key = (&topic.account, &topic.region, &topic.name, &subscription.id);
        due = SLOTS.get(tx, &key)?.unwrap_or(0).max(now);
        SLOTS.put(tx, &key, &(due + 1_000 / i64::from(limit).max(1)));
    }
    Timestamp::from_millisecond(due).map_err(Failure::broken)
}

/// Plans deliveries with the writes that accept the message.
pub(crate) fn plan(
    cx: &Cx,
    tx: &mut Tx<'_>,
    topic: &Topic,
    message: &Message,
    to: &[&Subscription],
    sealed: &Sealed,
) -> Result<()> {
    let left = u32::try_from(to.len()).unwrap_or(u32::MAX);
    let waiting = Waiting { sealed: sealed.clone(), left };
    WAITING.put(tx, &(&topic.account, &topic.region, &topic.name, &message.id), &waiting);
    let place = cx.elsewhere(&topic.account, &topic.region);
    for subscription in to {
        if topic.is_fifo() {
            let turn = Turn { message: message.id.clone(), replayed: false };
            take_turn(cx, tx, topic, &subscription.id, message, &turn)?;
            continue;
        }
        let due = begin(cx, tx, topic, subscription)?;
        let order = Assignment {
            topic: topic.name.clone(),
            subscription: subscription.id.clone(),
            message: Some(message.id.clone()),
            group: None,
        };
        let id = format!("{}/{}", message.id, subscription.id);
        place.tasks().schedule(&place, tx, "sns", &id, "deliver", text(&order)?, due)?;
    }
    Ok(())
}

fn text(order: &Assignment) -> Result<String> {
    serde_json::to_string(order).map_err(Failure::broken)
}

fn take_turn(
    cx: &Cx,
    tx: &mut Tx<'_>,
    topic: &Topic,
    subscription: &str,
    message: &Message,
    turn: &Turn,
) -> Result<()> {
    let group = message.group.clone().unwrap_or_else(String::new);
    let number = message.number.unwrap_or(0);
    TURNS.put(tx, &(&topic.account, &topic.region, &topic.name, subscription, &group, number), turn);
    let place = cx.elsewhere(&topic.account, &topic.region);
    let id = format!("turns/{}/{}/{}/{subscription}/{group}", topic.account, topic.region, topic.name);
    let order = Assignment {
        topic: topic.name.clone(),
        subscription: subscription.to_owned(),
        message: None,
        group: Some(group),
    };
    place.tasks().schedule_sooner(&place, tx, "sns", &id, "turns", text(&order)?, cx.now())
}

/// Has a message of the archive delivered once more, in its order.
pub(crate) fn replay(cx: &Cx, tx: &mut Tx<'_>, topic: &Topic, subscription: &str, message: &Message) -> Result<()> {
    take_turn(cx, tx, topic, subscription, message, &Turn { message: message.id.clone(), replayed: true })
}

/// One delivery under way.
struct Delivery<'a> {
    cx: &'a Cx,
    task: &'a Task,
    topic: Topic,
    subscription: Subscription,
    message: Message,
    /// What counts its failures.
    id: String,
    replayed: bool,
}

/// Delivers one message to one subscriber.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let order: Assignment = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let Some(id) = &order.message else { return Ok(Next::Done) };
    let read = cx.read();
    let Some(waiting) = WAITING.get(&read, &(cx.account(), cx.region(), &order.topic, id))? else {
        return Ok(Next::Done);
    };
    let Some((topic, subscription)) = ends(cx, &order)? else {
        // It was unsubscribed meanwhile.
        cx.write(|tx| release(cx, tx, &order.topic, id)).await?;
        return Ok(Next::Done);
    };
    let message = waiting.sealed.open(cx, id).await?;
    let delivery = Delivery { cx, task, topic, subscription, message, id: task.id.clone(), replayed: false };
    match delivery.attempt().await? {
        Some(due) => Ok(Next::Again(due)),
        None => Ok(Next::Done),
    }
}

/// Delivers the message whose turn it is in a group.
pub(crate) async fn turns(cx: &Cx, task: &Task) -> Result<Next> {
    let order: Assignment = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let group = order.group.clone().unwrap_or_else(String::new);
    let place = (cx.account(), cx.region(), &order.topic, &order.subscription, &group);
    let first = TURNS.page(&cx.read(), &place, None::<&()>, Order::Ascending, 1)?.pop();
    let Some(first) = first else { return Ok(Next::Done) };
    type Place = (String, String, String, String, String, u64);
    let number = first.key::<Place>().map_or(0, |key| key.5);
    let turn = first.row;
    let found = match ends(cx, &order)? {
        None => None,
        Some(ends) if turn.replayed => archive::find(cx, &ends.0, number).await?.map(|message| (ends, message)),
        Some(ends) => match WAITING.get(&cx.read(), &(cx.account(), cx.region(), &order.topic, &turn.message))? {
            Some(waiting) => Some((ends, waiting.sealed.open(cx, &turn.message).await?)),
            None => None,
        },
    };
    if let Some(((topic, subscription), message)) = found {
        let id = format!("{}/{number}", task.id);
        let delivery = Delivery { cx, task, topic, subscription, message, id, replayed: turn.replayed };
        if let Some(due) = delivery.attempt().await? {
            return Ok(Next::Again(due));
        }
    }
    cx.write(|tx| {
        TURNS.delete(tx, &(cx.account(), cx.region(), &order.topic, &order.subscription, &group, number));
        if turn.replayed { archive::replayed(cx, tx, &order.topic, &order.subscription) } else { Ok(()) }
    })
    .await?;
    Ok(Next::Again(cx.refreshed().now()))
}

/// The topic and the subscription of a delivery, as far as they are still there.
fn ends(cx: &Cx, order: &Assignment) -> Result<Option<(Topic, Subscription)>> {
    let read = cx.read();
    let name =
        TopicName { account: cx.account().to_owned(), region: cx.region().to_owned(), name: order.topic.clone() };
    let subscription = SUBSCRIPTIONS.get(&read, &(name.key(), &order.subscription))?;
    Ok(name.find(&read).ok().zip(subscription))
}

/// One waits less for a message.
fn release(cx: &Cx, tx: &mut Tx<'_>, topic: &str, id: &str) -> Result<()> {
    let key = (cx.account(), cx.region(), topic, id);
    match WAITING.get(tx, &key)? {
        Some(waiting) if waiting.left > 1 => WAITING.put(tx, &key, &Waiting { left: waiting.left - 1, ..waiting }),
        _ => WAITING.delete(tx, &key),
    }
    Ok(())
}

/// How often a delivery has failed.
pub(crate) fn failures(cx: &Cx, id: &str) -> Result<u32> {
    Ok(FAILURES.get(&cx.read(), &cx.key(id))?.unwrap_or(0))
}

/// Keeps how often a delivery has failed, or forgets it.
pub(crate) async fn count(cx: &Cx, id: &str, failures: Option<u32>) -> Result<()> {
    cx.write(|tx| {
        match failures {
            Some(count) => FAILURES.put(tx, &cx.key(id), &count),
            None => FAILURES.delete(tx, &cx.key(id)),
        }
        Ok(())
    })
    .await
}

/// Whether it would fail again: a mistake of the caller's. Too many requests are none.
fn is_hopeless(failure: &Failure) -> bool {
    matches!(failure, Failure::NotBuilt { .. }) || matches!(failure, Failure::Aws(e) if e.sender && e.status != 429)
}

impl Delivery<'_> {
    /// Tries it once; says when it is tried again.
    async fn attempt(self) -> Result<Option<Timestamp>> {
        let (cx, name) = (self.cx, self.topic.name.clone());
        let failures = failures(cx, &self.id)?;
        let result = self.deliver().await;
        let log = status::Attempt {
            topic: &self.topic,
            subscription: &self.subscription,
            message: &self.message,
            attempts: failures + 1,
        };
        match result {
            Ok(answer) => {
                status::log(cx, &log, true, &answer).await;
                self.settle(None, None).await?;
                metrics::delivered(cx, &name);
                Ok(None)
            }
            Err(failure @ Failure::Broken(_)) => Err(failure),
            Err(failure) => {
                let wait = self.wait(failures + 1).filter(|_| !is_hopeless(&failure));
                let Some(wait) = wait else {
                    status::log(cx, &log, false, &refusal(&failure)).await;
                    metrics::failed(cx, &name);
                    self.give_up().await?;
                    return Ok(None);
                };
                tracing::debug!(
                    topic = name,
                    delivery = self.id,
                    error = &failure as &dyn std::error::Error,
                    "a delivery failed and comes again"
                );
                self.settle(Some(failures + 1), None).await?;
                let due = cx.refreshed().now_millis() + wait;
                Timestamp::from_millisecond(due).map(Some).map_err(Failure::broken)
            }
        }
    }

    fn wait(&self, nth: u32) -> Option<i64> {
        if self.subscription.protocol.starts_with("http") {
            Policy::of(&self.topic, &self.subscription).wait(nth)
        } else {
            retry::wait_of_aws(nth)
        }
    }

    async fn deliver(&self) -> Result<Answer> {
        let (cx, subscription) = (self.cx, &self.subscription);
        let message = &protection::outbound(cx, &self.topic, subscription, self.message.clone()).await?;
        let key = if self.topic.is_fifo() { None } else { Some(signature::key(cx).await?) };
        let envelope = Envelope { cx, topic: &self.topic, key: key.as_ref() };
        match subscription.protocol.as_str() {
            "sqs" => queue::send(&envelope, subscription, message, self.replayed).await,
            "firehose" => stream::put(&envelope, subscription, message).await,
            "lambda" => function::invoke(&envelope, subscription, message).await,
            "http" | "https" => http::notify(&envelope, subscription, message).await,
            "email" | "email-json" | "sms" | "application" => people::notify(&envelope, subscription, message).await,
            other => Err(Failure::not_built(format!("sns delivery by {other}"))),
        }
    }

    /// Keeps how often it failed, or forgets it with what else is to be written.
    async fn settle(&self, failures: Option<u32>, letter: Option<&undercast_kernel::Joined>) -> Result<()> {
        let cx = self.cx;
        cx.write(|tx| {
            if let Some(letter) = letter {
                letter.write(tx)?;
            }
            match failures {
                Some(count) => FAILURES.put(tx, &cx.key(&self.id), &count),
                None => {
                    FAILURES.delete(tx, &cx.key(&self.id));
                    if !self.replayed {
                        release(cx, tx, &self.topic.name, &self.message.id)?;
                    }
                }
            }
            Ok(())
        })
        .await
    }

    /// Moves it to the dead-letter queue, where there is one, with the writes that end the delivery.
    async fn give_up(&self) -> Result<()> {
        let (cx, name) = (self.cx, &self.topic.name);
        let target =
            self.subscription.text("RedrivePolicy").and_then(crate::subscription_attributes::dead_letter_target);
        let Some(target) = target else { return self.settle(None, None).await };
        let key = if self.topic.is_fifo() { None } else { Some(signature::key(cx).await?) };
        let envelope = Envelope { cx, topic: &self.topic, key: key.as_ref() };
        let done = match queue::join_to(&envelope, &target, &self.subscription, &self.message, self.replayed) {
            Ok(Some(letter)) => match self.settle(None, Some(&letter)).await {
                Ok(()) => {
                    letter.done();
                    metrics::redriven(cx, name, true);
                    return Ok(());
                }
                other => other,
            },
            Ok(None) => {
                queue::send_to(&envelope, &target, &self.subscription, &self.message, self.replayed).await.map(drop)
            }
            Err(failure) => Err(failure),
        };
        match done {
            Err(failure) if !is_hopeless(&failure) => Err(failure),
            done => {
                if let Err(failure) = &done {
                    tracing::warn!(
                        topic = name,
                        task = self.task.id,
                        error = failure as &dyn std::error::Error,
                        "a message could not be moved to its dead-letter queue"
                    );
                }
                metrics::redriven(cx, name, done.is_ok());
                self.settle(None, None).await
            }
        }
    }
}

/// What a failure says, as logs tell it.
fn refusal(failure: &Failure) -> Answer {
    match failure {
        Failure::Aws(error) => Answer {
            status: error.status,
            response: serde_json::json!({"ErrorCode": error.code, "ErrorMessage": error.message}).to_string(),
        },
        other => Answer { status: 500, response: serde_json::json!({"ErrorMessage": other.to_string()}).to_string() },
    }
}

/// Forgets what waits of a topic that is deleted. Its tasks find nothing, and end.
pub(crate) fn forget_all(tx: &mut Tx<'_>, name: &TopicName) -> Result<()> {
    WAITING.clear(tx, &name.key())?;
    TURNS.clear(tx, &name.key())?;
    SLOTS.clear(tx, &name.key())?;
    Ok(())
}
