//! SubscribeToShard: the records of a shard pushed to a consumer as they come, for five minutes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use undercast_kernel::{AwsError, Body, Bytes, Cx, Failure, Result, Timestamp};
use undercast_wire::eventstream::{HeaderValue, Message};
use undercast_wire::json_write::JsonWriter;
use undercast_wire::value::BodyError;
use undercast_wire::write::{Write, Writer};

use crate::api::{self, errors, output};
use crate::consumers::{self, Consumer};
use crate::get::{self, Slice, Start};
use crate::metrics::{self, float};
use crate::name::ConsumerName;
use crate::stream::{Layout, Shard, Stream, shard_name};
use crate::{Kinesis, error};

/// A subscription lasts so long.
const LIFE: Duration = Duration::from_secs(300);
/// Another one takes over, but not sooner than this, in milliseconds.
const OWN: i64 = 5000;
/// Where nothing comes, that is said so often.
const BEAT: Duration = Duration::from_secs(5);
/// Most records and bytes of one event.
const MOST: (usize, usize) = (10_000, 1024 * 1024);
/// Bytes a second that a shard pushes to each of its consumers.
const RATE: u64 = 2 * 1024 * 1024;
/// More subscriptions than so many that are over are not remembered.
const KEPT: usize = 4096;
const EVENT: &str = "SubscribeToShardEvent";

/// The latest subscriptions, by consumer's ARN and shard: when each began, and what ends it.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Mutex<HashMap<(String, u32), (i64, watch::Sender<bool>)>>);

impl Subscriptions {
    /// Takes over a shard, unless somebody has done so just now.
    fn begin(&self, cx: &Cx, name: &ConsumerName, shard: u32) -> Result<watch::Receiver<bool>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = cx.now_millis();
        if all.len() >= KEPT {
            all.retain(|_, (_, over)| over.receiver_count() > 0);
        }
        let key = (name.arn(cx), shard);
        if let Some((began, over)) = all.get(&key) {
            if now - began < OWN && now >= *began {
                return Err(in_use(name, shard).into());
            }
            over.send_replace(true);
        }
        let (over, told) = watch::channel(false);
        all.insert(key, (now, over));
        Ok(told)
    }
}

fn in_use(name: &ConsumerName, shard: u32) -> AwsError {
    let ConsumerName { stream, name, .. } = name;
    let message = format!(
        "Another active subscription exists for this consumer: {}:{}:{}:{name}",
        stream.account,
        stream.name,
        shard_name(shard)
    );
    errors::resource_in_use_exception(message)
}

pub(crate) async fn subscribe(
    service: &Kinesis,
    cx: &Cx,
    input: api::SubscribeToShardInput,
) -> Result<api::SubscribeToShardOutput> {
    let name = ConsumerName::from_arn(cx, &input.consumer_arn)?;
    let (_, consumer) = consumers::find(cx, &cx.read(), &name)?;
    let cx = consumers::wait_made(cx, &consumer).await;
    consumers::check_active(&cx, &name, &consumer)?;
    let from = cx.read();
    let stream = get::readable(&cx, &from, &name.stream)?;
    let layout = service.layouts.get(&cx, &from, &stream)?;
    let shard = layout.named(&name.stream, &input.shard_id)?;
    let wanted = &input.starting_position;
    let start = Start { kind: &wanted.type_, sequence: wanted.sequence_number.as_deref(), timestamp: wanted.timestamp };
    let position = start.position(&cx, &from, (&name.stream, &stream, shard))?;
    service.check_dry_run(&cx, &stream, input.dry_run)?;
    let taken_over = service.subscriptions.begin(&cx, &name, shard.number);
    let rate_exceeded = if taken_over.is_err() { 1.0 } else { 0.0 };
    metrics::of_consumer(&cx, &stream, &name.name, "SubscribeToShard.RateExceeded", "Count", rate_exceeded);
    let taken_over = taken_over?;
    metrics::of_consumer(&cx, &stream, &name.name, "SubscribeToShard.Success", "Count", 1.0);
    let subscription = Subscription {
        service: service.clone(),
        until: cx.now().saturating_add(LIFE).unwrap_or(cx.now()),
        quiet_until: cx.now(),
        pace_until: cx.now(),
        shard: shard.number,
        consumer,
        cx,
        name,
        position,
        taken_over,
        ended: false,
    };
    let events = futures_util::stream::unfold(subscription, |mut subscription| async move {
        let message = subscription.next().await?;
        let bytes = message.encode().map(Bytes::from);
        Some((bytes.map_err(|e| BodyError::Incomplete(Some(Box::new(e)))), subscription))
    });
    Ok(api::SubscribeToShardOutput { event_stream: Body::stream(Box::pin(events), None) })
}

/// A subscription that is going on.
struct Subscription {
    service: Kinesis,
    cx: Cx,
    name: ConsumerName,
    consumer: Consumer,
    shard: u32,
    /// The index of the next record.
    position: u64,
    until: Timestamp,
    /// Nothing is said before this moment, unless there are records.
    quiet_until: Timestamp,
    /// No records are given before this moment.
    pace_until: Timestamp,
    taken_over: watch::Receiver<bool>,
    ended: bool,
}

/// What a look at the shard has found.
struct Found {
    stream: Stream,
    shard: Shard,
    layout: std::sync::Arc<Layout>,
    slice: Slice,
}

impl Subscription {
    /// The next message; `None`: it is over.
    async fn next(&mut self) -> Option<Message> {
        loop {
            self.cx = self.cx.refreshed();
            if self.ended || self.cx.now() >= self.until {
                return None;
            }
            if *self.taken_over.borrow() {
                self.ended = true;
                return Some(exception(&in_use(&self.name, self.shard)));
            }
            if self.cx.now() < self.pace_until {
                self.cx.kernel().clock().sleep_until(self.pace_until.min(self.until)).await;
                continue;
            }
            let (shard_bell, gone_bell) = self.bells();
            let (mut shard_bell, mut gone_bell) =
                (std::pin::pin!(shard_bell.notified()), std::pin::pin!(gone_bell.notified()));
            shard_bell.as_mut().enable();
            gone_bell.as_mut().enable();
            let found = match self.look().await {
                Ok(found) => found,
                Err(failure) => return Some(self.fail(failure)),
            };
            let quiet = found.slice.records.is_empty() && !found.slice.ended && self.cx.now() < self.quiet_until;
            if !quiet {
                return Some(self.event(found));
            }
            let clock = self.cx.kernel().clock();
            let wake = self.quiet_until.min(self.until);
            tokio::select! {
                () = shard_bell => {}
                () = gone_bell => {}
                _ = self.taken_over.changed() => {}
                () = clock.sleep_until(wake) => {}
            }
        }
    }

    fn bells(&self) -> (std::sync::Arc<tokio::sync::Notify>, std::sync::Arc<tokio::sync::Notify>) {
        let signals = self.cx.signals();
        let named = self.name.stream.find(&self.cx, &self.cx.read());
        // Of a stream that is gone there are no bells, and the look tells so.
        let topics = named
            .map(|stream| (stream.topic(&self.cx, self.shard), consumers::topic(&self.cx, &stream, &self.consumer)));
        let (shard, gone) = topics.unwrap_or_default();
        (signals.of(&shard), signals.of(&gone))
    }

    async fn look(&self) -> Result<Found> {
        let from = self.cx.read();
        let (stream, _) = consumers::find(&self.cx, &from, &self.name)?;
        let layout = self.service.layouts.get(&self.cx, &from, &stream)?;
        let missing = || error::no_shard(&self.name.stream, &shard_name(self.shard));
        let shard = layout.get(self.shard).ok_or_else(missing)?.clone();
        let slice = get::slice(&self.service, &self.cx, (&stream, &shard), self.position, MOST).await?;
        Ok(Found { stream, shard, layout, slice })
    }

    fn event(&mut self, found: Found) -> Message {
        let Found { stream, shard, layout, slice } = found;
        self.position = slice.next;
        self.ended = slice.ended;
        let after = |span: Duration| self.cx.now().saturating_add(span).unwrap_or(self.cx.now());
        self.quiet_until = after(BEAT);
        // A reader that is behind gets no more in a second than a shard pushes.
        if !self.service.limits.are_off() {
            let millis = u64::try_from(slice.bytes).unwrap_or(0) * 1000 / RATE;
            self.pace_until = after(Duration::from_millis(millis));
        }
        self.tell(&stream, &shard, &slice);
        // Behind the last record there is nothing that could be gone on from.
        let continuation = (!slice.ended).then(|| {
            let before = || shard.sequence(self.position.saturating_sub(1), self.cx.now_millis().max(shard.created));
            slice.last.unwrap_or_else(before).to_string()
        });
        let event = Event(output::SubscribeToShardEvent {
            continuation_sequence_number: continuation.unwrap_or_else(String::new),
            millis_behind_latest: slice.behind,
            child_shards: slice.ended.then(|| get::children(&layout, shard.number)),
            records: slice.records,
        });
        let mut json = JsonWriter::new();
        event.write(&mut json);
        Message::event(EVENT, Some(JSON), json.finish())
    }

    #[expect(clippy::cast_precision_loss, reason = "ages are far below 2^52 milliseconds")]
    fn tell(&self, stream: &Stream, shard: &Shard, slice: &Slice) {
        let (bytes, records) = (float(slice.bytes), float(slice.records.len()));
        let told = [
            ("SubscribeToShardEvent.Bytes", "Bytes", bytes),
            ("SubscribeToShardEvent.Records", "Count", records),
            ("SubscribeToShardEvent.MillisBehindLatest", "Milliseconds", slice.behind as f64),
            ("SubscribeToShardEvent.Success", "Count", 1.0),
        ];
        for (name, unit, value) in told {
            metrics::of_consumer(&self.cx, stream, &self.name.name, name, unit, value);
        }
        metrics::of_shard(&self.cx, stream, shard.number, "OutgoingBytes", "Bytes", bytes);
        metrics::of_shard(&self.cx, stream, shard.number, "OutgoingRecords", "Count", records);
    }

    fn fail(&mut self, failure: Failure) -> Message {
        self.ended = true;
        match failure {
            Failure::Aws(error) => exception(&error),
            broken => {
                let error = &broken as &dyn std::error::Error;
                tracing::error!(request = self.cx.request_id(), error, "a subscription broke");
                exception(&errors::internal_failure_exception("Internal failure"))
            }
        }
    }
}

/// What payloads of events are written in.
const JSON: &str = "application/x-amz-json-1.1";

/// An error that ends a subscription.
fn exception(error: &AwsError) -> Message {
    let message = Some(error.message.clone());
    let (name, shape): (&str, Box<dyn Write>) = match error.name.as_ref() {
        "KMSAccessDeniedException" => {
            ("KMSAccessDeniedException", Box::new(output::KMSAccessDeniedException { message }))
        }
        "KMSDisabledException" => ("KMSDisabledException", Box::new(output::KMSDisabledException { message })),
        "KMSInvalidStateException" => {
            ("KMSInvalidStateException", Box::new(output::KMSInvalidStateException { message }))
        }
        "KMSNotFoundException" => ("KMSNotFoundException", Box::new(output::KMSNotFoundException { message })),
        "KMSOptInRequired" => ("KMSOptInRequired", Box::new(output::KMSOptInRequired { message })),
        "KMSThrottlingException" => ("KMSThrottlingException", Box::new(output::KMSThrottlingException { message })),
        "ResourceInUseException" => ("ResourceInUseException", Box::new(output::ResourceInUseException { message })),
        "ResourceNotFoundException" => {
            ("ResourceNotFoundException", Box::new(output::ResourceNotFoundException { message }))
        }
        // The stream has no other.
        _ => ("InternalFailureException", Box::new(output::InternalFailureException { message })),
    };
    let text = |name: &str, value: &str| (name.to_owned(), HeaderValue::String(value.to_owned()));
    let headers = vec![text(":message-type", "exception"), text(":exception-type", name), text(":content-type", JSON)];
    let mut json = JsonWriter::new();
    shape.write(&mut json);
    Message { headers, payload: json.finish().into() }
}

/// What an event says. The model requires a sequence number to continue with, and AWS gives none at a shard's end.
struct Event(output::SubscribeToShardEvent);

impl Write for Event {
    fn write(&self, w: &mut dyn Writer) {
        let of = &api::S_SUBSCRIBE_TO_SHARD_EVENT;
        let output::SubscribeToShardEvent { records, continuation_sequence_number, millis_behind_latest, child_shards } =
            &self.0;
        let member = |w: &mut dyn Writer, name: &str| w.member(of.index(name).unwrap_or_default());
        w.structure(of);
        member(w, "Records");
        w.list(&api::L_RECORD_LIST, records.len());
        records.iter().for_each(|record| record.write(w));
        w.end();
        if !continuation_sequence_number.is_empty() {
            member(w, "ContinuationSequenceNumber");
            w.string(continuation_sequence_number);
        }
        member(w, "MillisBehindLatest");
        w.integer(*millis_behind_latest);
        if let Some(children) = child_shards {
            member(w, "ChildShards");
            w.list(&api::L_CHILD_SHARD_LIST, children.len());
            children.iter().for_each(|child| child.write(w));
            w.end();
        }
        w.end();
    }
}
