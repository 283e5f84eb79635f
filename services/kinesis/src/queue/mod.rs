//! Queues, which hand each record of a stream to one of those who ask, until somebody says that it is done: CreateQueue and its
//! kin.
//!
//! A queue keeps where it has come to in each shard, and of what it has handed out only whose turn it is; the records stay in
//! the stream. Source: "Queues" in the developer guide, and the API reference of CreateQueue.

pub(crate) mod entries;
pub(crate) mod measure;
pub(crate) mod receive;

use std::collections::BTreeMap;
use std::time::Duration;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Result, Timestamp, paging};

use crate::api::{self, errors, input, output};
use crate::consumers::{self, CONSUMERS};
use crate::get::Start;
use crate::name::{QueueName, StreamName};
use crate::stream::{Layout, Stream, moment};
use crate::{error, settle, tags};

/// Account, region, id → queue.
pub(crate) static QUEUES: Table<Queue> = Table::new("kinesis.queues");

/// How long a record that was handed out is nobody else's, in seconds, where nothing else is said.
const VISIBILITY: i32 = 30;
/// So often is a record handed out, where nothing else is said, before it is put aside.
const RECEIVES: i32 = 6;
/// So many can be in the making at a time.
const MAKING: usize = 5;
/// What a queue is told takes so long, in milliseconds.
const SETTLE: i64 = 100;
/// Queues of one page, where nothing else is said.
const PAGE: i32 = 100;
const LIST: &str = "kinesis.ListQueues";

/// A queue.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Queue {
    /// What its ARN ends with.
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) name: String,
    /// Milliseconds since 1970.
    #[n(2)]
    pub(crate) created: i64,
    /// When it was last told to be another, or 0.
    #[n(3)]
    changed: i64,
    /// The id of its stream.
    #[n(4)]
    pub(crate) stream: u64,
    #[n(5)]
    pub(crate) stream_name: String,
    /// When its stream was made.
    #[n(6)]
    stream_created: i64,
    /// Where it begins, as it was told.
    #[n(7)]
    begins: String,
    #[n(8)]
    begins_at: Option<i64>,
    /// The index of the first record that it hands out.
    #[n(9)]
    from: u64,
    /// Seconds.
    #[n(10)]
    visibility: i32,
    /// So often is a record handed out before it is put aside, if ever.
    #[n(11)]
    most: Option<i32>,
    #[n(12)]
    pub(crate) tags: BTreeMap<String, String>,
    #[n(13)]
    pub(crate) policy: Option<String>,
}

/// Where the rows of a queue begin.
type Place<'a> = (&'a str, &'a str, &'a str);

impl Queue {
    pub(crate) fn place<'a>(&'a self, cx: &'a Cx) -> Place<'a> {
        (cx.account(), cx.region(), &self.id)
    }

    fn is_made(&self, now: i64) -> bool {
        now >= self.created + SETTLE
    }

    pub(crate) fn is_active(&self, now: i64) -> bool {
        self.is_made(now) && now >= self.changed + SETTLE
    }

    fn status(&self, now: i64) -> String {
        let status = match (self.is_made(now), self.is_active(now)) {
            (false, _) => "CREATING",
            (true, false) => "UPDATING",
            (true, true) => "ACTIVE",
        };
        status.to_owned()
    }

    fn arn(&self, cx: &Cx) -> String {
        QueueName { account: cx.account().to_owned(), id: self.id.clone() }.arn(cx)
    }

    fn stream_arn(&self, cx: &Cx) -> String {
        StreamName::new(cx, &self.stream_name).arn(cx)
    }

    /// The topic that is rung when what was handed out can be seen again, or the queue is gone.
    fn topic(&self, cx: &Cx) -> String {
        format!("kinesis.queue:{}:{}:{}", cx.account(), cx.region(), self.id)
    }

    fn show(&self, cx: &Cx) -> output::QueueDescription {
        let starting_position =
            output::QueueStartingPosition { type_: self.begins.clone(), timestamp: self.begins_at.map(moment) };
        let target_type = if self.most.is_some() { "BUILT_IN" } else { "NONE" };
        output::QueueDescription {
            queue_name: self.name.clone(),
            queue_arn: self.arn(cx),
            queue_status: self.status(cx.now_millis()),
            queue_creation_timestamp: moment(self.created),
            stream_configuration_list: vec![output::QueueStreamConfiguration {
                stream_arn: self.stream_arn(cx),
                starting_position: Some(starting_position),
            }],
            queue_attributes: Some(output::QueueAttributes {
                visibility_timeout_seconds: Some(self.visibility),
                dead_letter_configuration: Some(output::DeadLetterConfiguration {
                    target_type: target_type.to_owned(),
                    max_receive_count: self.most,
                }),
            }),
        }
    }

    /// Takes on what a call says of it.
    fn set(&mut self, given: &input::QueueAttributes) -> Result<()> {
        self.visibility = given.visibility_timeout_seconds.unwrap_or(self.visibility);
        let Some(dead_letters) = &given.dead_letter_configuration else { return Ok(()) };
        let count = dead_letters.max_receive_count;
        self.most = match (dead_letters.target_type.as_str(), count) {
            ("NONE", None) => None,
            ("NONE", Some(_)) => {
                let message = "MaxReceiveCount cannot be specified when TargetType is NONE.";
                return Err(error::invalid(message).into());
            }
            (_, None) => {
                let message = "MaxReceiveCount must be specified when TargetType is BUILT_IN.";
                return Err(error::invalid(message).into());
            }
            (_, count) => count,
        };
        Ok(())
    }
}

impl QueueName {
    /// The queue that has this name. The call goes to its account.
    pub(crate) fn find(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Queue> {
        let none = || {
            let message = format!("Queue {} not found.", self.arn(cx));
            errors::resource_not_found_exception(message).into()
        };
        QUEUES.get(from, &cx.key(&self.id))?.ok_or_else(none)
    }

    /// The same, of a queue that can be changed.
    fn find_active(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Queue> {
        let queue = self.find(cx, from)?;
        if queue.is_active(cx.now_millis()) {
            return Ok(queue);
        }
        let state = queue.status(cx.now_millis());
        let message = format!("Queue {} is not ACTIVE, instead in state {state}.", self.arn(cx));
        Err(errors::resource_in_use_exception(message).into())
    }
}

/// The queues of a stream.
pub(crate) fn of_stream(cx: &Cx, from: &(impl Read + ?Sized), stream: &Stream) -> Result<Vec<Queue>> {
    let all = QUEUES.all(from, &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    Ok(all.filter(|queue| queue.stream == stream.id).collect())
}

/// Waits until a queue is what it was told to be, unless the clock stands still, and gives the context of the moment after it.
async fn wait_settled(cx: &Cx, name: &QueueName) -> Result<Cx> {
    let queue = name.find(cx, &cx.read())?;
    if queue.is_active(cx.now_millis()) || cx.kernel().clock().ahead().1 {
        return Ok(cx.clone());
    }
    let settled = queue.created.max(queue.changed) + SETTLE;
    let waiting = cx.kernel().clock().sleep_until(moment(settled));
    // Nobody waits for a clock that is set back.
    let _ = tokio::time::timeout(Duration::from_secs(2), waiting).await;
    Ok(cx.refreshed())
}

/// The index at which a queue begins, in all shards: indexes rise with time over the whole stream, so that it is behind what is
/// too old in any of them.
fn first(
    cx: &Cx,
    from: &impl Read,
    (name, stream): (&StreamName, &Stream),
    kind: &str,
    timestamp: Option<Timestamp>,
) -> Result<u64> {
    let start = Start { kind, sequence: None, timestamp };
    let shards = Layout::read(cx, from, stream)?.shards;
    let indexes: Result<Vec<u64>> =
        shards.iter().map(|shard| start.position(cx, from, (name, stream, shard))).collect();
    Ok(indexes?.into_iter().max().unwrap_or(0))
}

/// Checks that a stream can have one queue more.
fn check_room(cx: &Cx, from: &(impl Read + ?Sized), stream: &Stream, name: &str) -> Result<()> {
    let queues = of_stream(cx, from, stream)?.len();
    let most = consumers::most(cx, from)?;
    let all = QUEUES.all(from, &(cx.account(), cx.region()))?;
    if all.iter().any(|entry| entry.row.name == *name) {
        let message = format!("Queue {name} under account {} already exists.", cx.account());
        return Err(errors::resource_in_use_exception(message).into());
    }
    let limit = |why: String| {
        let message = format!("Queue {name} cannot be created on stream {}: {why}.", stream.name);
        Err(errors::limit_exceeded_exception(message).into())
    };
    if all.iter().filter(|entry| !entry.row.is_made(cx.now_millis())).count() >= MAKING {
        return limit(format!("there can be at most {MAKING} queues in the CREATING status at the same time"));
    }
    if CONSUMERS.all(from, &stream.place(cx))?.len() + queues >= most {
        return limit(format!("there can be at most {most} consumers and queues registered with a stream"));
    }
    Ok(())
}

pub(crate) async fn create(cx: &Cx, input: api::CreateQueueInput) -> Result<api::CreateQueueOutput> {
    let [of] = input.stream_configuration_list.as_slice() else {
        return Err(error::invalid("StreamConfigurationList must have exactly one stream.").into());
    };
    let name = StreamName::from_arn(cx, &of.stream_arn)?;
    if name.account != cx.account() {
        return Err(Failure::not_built("queues on streams of other accounts"));
    }
    let given = input.tags.clone().unwrap_or_else(BTreeMap::new);
    tags::check("queue", &input.queue_name, cx.account(), &given, 0)?;
    let (begins, at) = match &of.starting_position {
        Some(position) => (position.type_.as_str(), position.timestamp),
        None => ("LATEST", None),
    };
    let cx = &*settle::wait_made(cx, &name).await?;
    let queue = cx
        .write(|tx| {
            let stream = name.find_active(cx, tx)?;
            if !stream.on_demand {
                let message = "Queues are supported only on data streams in ON_DEMAND mode.";
                return Err(error::invalid(message).into());
            }
            check_room(cx, tx, &stream, &input.queue_name)?;
            let mut queue = Queue {
                id: cx.random().hex(32),
                name: input.queue_name.clone(),
                created: cx.now_millis(),
                changed: 0,
                stream: stream.id,
                stream_name: stream.name.clone(),
                stream_created: stream.created,
                begins: begins.to_owned(),
                begins_at: at.map(Timestamp::as_millisecond),
                from: first(cx, tx, (&name, &stream), begins, at)?,
                visibility: VISIBILITY,
                most: Some(RECEIVES),
                tags: given.clone(),
                policy: None,
            };
            if let Some(attributes) = &input.queue_attributes {
                queue.set(attributes)?;
            }
            QUEUES.put(tx, &cx.key(&queue.id), &queue);
            measure::note(cx, tx, &queue, 0)?;
            Ok(queue)
        })
        .await?;
    Ok(api::CreateQueueOutput { queue_description: queue.show(cx) })
}

pub(crate) async fn describe(cx: &Cx, input: api::DescribeQueueInput) -> Result<api::DescribeQueueOutput> {
    let name = QueueName::from_arn(cx, &input.queue_arn)?;
    let cx = &wait_settled(cx, &name).await?;
    Ok(api::DescribeQueueOutput { queue_description: name.find(cx, &cx.read())?.show(cx) })
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateQueueInput) -> Result<api::UpdateQueueOutput> {
    let name = QueueName::from_arn(cx, &input.queue_arn)?;
    let queue = cx
        .write(|tx| {
            let mut queue = name.find_active(cx, tx)?;
            queue.set(&input.queue_attributes)?;
            queue.changed = cx.now_millis();
            QUEUES.put(tx, &cx.key(&queue.id), &queue);
            Ok(queue)
        })
        .await?;
    Ok(api::UpdateQueueOutput { queue_description: queue.show(cx) })
}

/// Removes a queue with all that it remembers; gives the topic that is to be rung.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, queue: &Queue) -> Result<String> {
    QUEUES.delete(tx, &cx.key(&queue.id));
    receive::forget(cx, tx, queue)?;
    Ok(queue.topic(cx))
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteQueueInput) -> Result<()> {
    let name = QueueName::from_arn(cx, &input.queue_arn)?;
    let topic = cx
        .write(|tx| {
            let queue = name.find(cx, tx)?;
            forget(cx, tx, &queue)
        })
        .await?;
    cx.signals().ring(&topic);
    Ok(())
}

/// Whether a queue is of one of the streams that a list asks for.
fn wanted(cx: &Cx, queue: &Queue, filters: &[input::QueueStreamFilter]) -> bool {
    let arn = queue.stream_arn(cx);
    let made = |at: Timestamp| at.as_second() == queue.stream_created.div_euclid(1000);
    filters.is_empty()
        || filters.iter().any(|filter| filter.stream_arn == arn && filter.stream_creation_timestamp.is_none_or(made))
}

/// The queues of the account in the region, by id.
pub(crate) fn list(cx: &Cx, input: &api::ListQueuesInput) -> Result<api::ListQueuesOutput> {
    let filters = input.stream_filter.as_deref().unwrap_or_default();
    for filter in filters {
        StreamName::from_arn(cx, &filter.stream_arn)?;
    }
    let after = match &input.next_token {
        None => None,
        Some(token) => Some(error::read_token(cx, LIST, token)?),
    };
    let limit = usize::try_from(input.max_results.unwrap_or(PAGE)).unwrap_or(1);
    let after = after.as_ref().map(|id| (cx.account(), cx.region(), id.as_str()));
    let place = (cx.account(), cx.region());
    let rows = QUEUES.page(&cx.read(), &place, after.as_ref(), Order::Ascending, usize::MAX)?;
    let mut queues: Vec<Queue> = rows.into_iter().map(|entry| entry.row).collect();
    queues.retain(|queue| wanted(cx, queue, filters));
    let more = queues.len() > limit;
    queues.truncate(limit);
    let expires = cx.now_millis() + error::TOKEN_LIFE;
    let next = queues.last().filter(|_| more).map(|last| paging::token(LIST, &format!("{expires}/{}", last.id)));
    let show = |queue: &Queue| output::QueueSummary {
        queue_name: queue.name.clone(),
        queue_arn: queue.arn(cx),
        queue_status: queue.status(cx.now_millis()),
        queue_creation_timestamp: moment(queue.created),
        streams: vec![output::QueueStreamIdentifier {
            stream_arn: queue.stream_arn(cx),
            stream_creation_timestamp: moment(queue.stream_created),
        }],
    };
    Ok(api::ListQueuesOutput { queue_summaries: queues.iter().map(show).collect(), next_token: next })
}
