//! Consumers, which have the records of a stream pushed to them: RegisterStreamConsumer and its kin.

use std::collections::BTreeMap;
use std::time::Duration;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Result, Timestamp, paging};

use crate::api::{self, errors, output};
use crate::name::{ConsumerName, StreamName};
use crate::stream::{Stream, moment};
use crate::{account, error, tags};

/// Account, region, id of the stream, name → consumer.
pub(crate) static CONSUMERS: Table<Consumer> = Table::new("kinesis.consumers");

/// A stream has at most so many.
const MOST: usize = 20;
/// The same in accounts that are committed to a minimum of throughput.
const MOST_COMMITTED: usize = 50;
/// So many can be in the making at a time.
const MAKING: usize = 5;
/// A consumer is in the making for so long, in milliseconds.
const MADE_AFTER: i64 = 100;
/// Consumers of one page, where nothing else is said.
const PAGE: i32 = 100;
const LIST: &str = "kinesis.ListStreamConsumers";

/// A consumer.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Consumer {
    #[n(0)]
    pub(crate) name: String,
    /// Milliseconds since 1970.
    #[n(1)]
    pub(crate) created: i64,
    #[n(2)]
    pub(crate) tags: BTreeMap<String, String>,
    #[n(3)]
    pub(crate) policy: Option<String>,
}

impl Consumer {
    pub(crate) fn is_active(&self, now: i64) -> bool {
        now >= self.created + MADE_AFTER
    }

    fn status(&self, now: i64) -> String {
        if self.is_active(now) { "ACTIVE" } else { "CREATING" }.to_owned()
    }

    /// The second that its ARN ends with.
    pub(crate) fn second(&self) -> i64 {
        self.created.div_euclid(1000)
    }

    pub(crate) fn full_name(&self, stream: &StreamName) -> ConsumerName {
        ConsumerName { stream: stream.clone(), name: self.name.clone(), created: self.second() }
    }

    fn show(&self, cx: &Cx, stream: &StreamName) -> output::Consumer {
        output::Consumer {
            consumer_name: self.name.clone(),
            consumer_arn: self.full_name(stream).arn(cx),
            consumer_status: self.status(cx.now_millis()),
            consumer_creation_timestamp: moment(self.created),
        }
    }
}

fn missing(cx: &Cx, stream: &StreamName, name: &str) -> Failure {
    let (arn, account) = (stream.arn(cx), &stream.account);
    let message = format!("Consumer {name} under stream {arn} not found for account {account}.");
    errors::resource_not_found_exception(message).into()
}

/// The consumer of a name, with its stream.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &ConsumerName) -> Result<(Stream, Consumer)> {
    let stream = name.stream.find(cx, from)?;
    let found = CONSUMERS.get(from, &(stream.place(cx), &name.name))?;
    let found = found.filter(|consumer| consumer.second() == name.created);
    Ok((stream, found.ok_or_else(|| missing(cx, &name.stream, &name.name))?))
}

/// "Consumer … is not in ACTIVE status.", as AWS says it.
pub(crate) fn check_active(cx: &Cx, name: &ConsumerName, consumer: &Consumer) -> Result<()> {
    if consumer.is_active(cx.now_millis()) {
        return Ok(());
    }
    let ConsumerName { stream, name, created } = name;
    let message = format!(
        "Consumer {name} with creation timestamp {created} under stream {} and account {} is not in ACTIVE status.",
        stream.name, stream.account
    );
    Err(errors::resource_in_use_exception(message).into())
}

/// Waits until a consumer is made, unless the clock stands still.
pub(crate) async fn wait_made(cx: &Cx, consumer: &Consumer) -> Cx {
    if !consumer.is_active(cx.now_millis()) && !cx.kernel().clock().ahead().1 {
        let made = Timestamp::from_millisecond(consumer.created + MADE_AFTER).unwrap_or(cx.now());
        let waiting = cx.kernel().clock().sleep_until(made);
        // Nobody waits for a clock that is set back.
        let _ = tokio::time::timeout(Duration::from_secs(2), waiting).await;
        return cx.refreshed();
    }
    cx.clone()
}

pub(crate) async fn register(
    cx: &Cx,
    input: api::RegisterStreamConsumerInput,
) -> Result<api::RegisterStreamConsumerOutput> {
    let stream_name = StreamName::from_arn(cx, &input.stream_arn)?;
    let given = input.tags.clone().unwrap_or_else(BTreeMap::new);
    tags::check(&stream_name, &given, 0)?;
    let consumer = Consumer { name: input.consumer_name, created: cx.now_millis(), tags: given, policy: None };
    cx.write(|tx| {
        let stream = stream_name.find_active(cx, tx)?;
        let all = CONSUMERS.all(tx, &stream.place(cx))?;
        let (name, account) = (&consumer.name, cx.account());
        if all.iter().any(|entry| entry.row.name == *name) {
            let message =
                format!("Consumer {name} under stream {} already exists for account {account}.", stream.arn(cx));
            return Err(errors::resource_in_use_exception(message).into());
        }
        let committed = account::settings(cx, tx)?.is_committed(cx.now_millis());
        let most = if committed { MOST_COMMITTED } else { MOST };
        let making = all.iter().filter(|entry| !entry.row.is_active(cx.now_millis())).count();
        if all.len() >= most || making >= MAKING {
            let why = if making >= MAKING {
                format!("there can be at most {MAKING} consumers in the CREATING status at the same time")
            } else {
                format!("there can be at most {most} consumers registered with a stream")
            };
            let message = format!(
                "Consumer {name} cannot be registered with stream {} under account {account}: {why}.",
                stream.name
            );
            return Err(errors::limit_exceeded_exception(message).into());
        }
        CONSUMERS.put(tx, &(stream.place(cx), name), &consumer);
        Ok(())
    })
    .await?;
    Ok(api::RegisterStreamConsumerOutput { consumer: consumer.show(cx, &stream_name) })
}

/// How a call names a consumer: by its ARN, or by its name and its stream's ARN.
fn named(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    stream_arn: Option<&str>,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<(Stream, Consumer, StreamName)> {
    match (arn, stream_arn, name) {
        (Some(arn), stream_arn, name) => {
            let full = ConsumerName::from_arn(cx, arn)?;
            let other = stream_arn.is_some_and(|given| given != full.stream.arn(cx));
            if other || name.is_some_and(|name| name != full.name) {
                let message = "ConsumerARN does not name the same consumer as StreamARN and ConsumerName do.";
                return Err(error::invalid(message).into());
            }
            let (stream, consumer) = find(cx, from, &full)?;
            Ok((stream, consumer, full.stream))
        }
        (None, Some(stream_arn), Some(name)) => {
            let stream_name = StreamName::from_arn(cx, stream_arn)?;
            let stream = stream_name.find(cx, from)?;
            let found = CONSUMERS.get(from, &(stream.place(cx), name))?;
            Ok((stream, found.ok_or_else(|| missing(cx, &stream_name, name))?, stream_name))
        }
        _ => {
            let message = "Either ConsumerARN or both StreamARN and ConsumerName should be provided.";
            Err(error::invalid(message).into())
        }
    }
}

pub(crate) async fn describe(
    cx: &Cx,
    input: api::DescribeStreamConsumerInput,
) -> Result<api::DescribeStreamConsumerOutput> {
    let (stream_arn, name, arn) =
        (input.stream_arn.as_deref(), input.consumer_name.as_deref(), input.consumer_arn.as_deref());
    let (_, consumer, stream) = named(cx, &cx.read(), stream_arn, name, arn)?;
    let cx = &wait_made(cx, &consumer).await;
    let shown = consumer.show(cx, &stream);
    Ok(api::DescribeStreamConsumerOutput {
        consumer_description: output::ConsumerDescription {
            consumer_name: shown.consumer_name,
            consumer_arn: shown.consumer_arn,
            consumer_status: shown.consumer_status,
            consumer_creation_timestamp: shown.consumer_creation_timestamp,
            stream_arn: stream.arn(cx),
        },
    })
}

/// The topic that is rung when a consumer is gone.
pub(crate) fn topic(cx: &Cx, stream: &Stream, consumer: &Consumer) -> String {
    format!("kinesis.consumer:{}:{}:{}:{}", cx.account(), cx.region(), stream.id, consumer.name)
}

/// Removes a consumer's row.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, stream: &Stream, consumer: &Consumer) -> Result<()> {
    CONSUMERS.delete(tx, &(stream.place(cx), &consumer.name));
    Ok(())
}

pub(crate) async fn deregister(cx: &Cx, input: api::DeregisterStreamConsumerInput) -> Result<()> {
    let (stream_arn, name, arn) =
        (input.stream_arn.as_deref(), input.consumer_name.as_deref(), input.consumer_arn.as_deref());
    let topic = cx
        .write(|tx| {
            let (stream, consumer, _) = named(cx, tx, stream_arn, name, arn)?;
            forget(cx, tx, &stream, &consumer)?;
            Ok(topic(cx, &stream, &consumer))
        })
        .await?;
    cx.signals().ring(&topic);
    Ok(())
}

pub(crate) fn list(cx: &Cx, input: &api::ListStreamConsumersInput) -> Result<api::ListStreamConsumersOutput> {
    let name = StreamName::from_arn(cx, &input.stream_arn)?;
    let from = cx.read();
    let stream = name.find(cx, &from)?;
    let made = input.stream_creation_timestamp.is_none_or(|at| at.as_second() == stream.created.div_euclid(1000));
    if !made {
        return Err(error::no_stream(&name).into());
    }
    let scope = format!("{LIST}/{}", stream.id);
    let after = match &input.next_token {
        None => None,
        Some(token) => Some(error::read_token(cx, &scope, token)?),
    };
    let limit = usize::try_from(input.max_results.unwrap_or(PAGE)).unwrap_or(1);
    let place = stream.place(cx);
    let after = after.as_ref().map(|name| (place, name.as_str()));
    let mut rows = CONSUMERS.page(&from, &place, after.as_ref(), Order::Ascending, limit.saturating_add(1))?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let expires = cx.now_millis() + error::TOKEN_LIFE;
    let next = rows.last().filter(|_| more).map(|last| paging::token(&scope, &format!("{expires}/{}", last.row.name)));
    let consumers = rows.iter().map(|entry| entry.row.show(cx, &name)).collect();
    Ok(api::ListStreamConsumersOutput { consumers: Some(consumers), next_token: next })
}
