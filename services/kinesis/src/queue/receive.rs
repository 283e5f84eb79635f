//! What a queue hands out, and for how long: ReceiveQueueRecords and ReceiveDeadLetterQueueRecords.
//!
//! Who asks gets first what was handed out before and was not done in time, then what is new in the shards. Records are read,
//! and unsealed, before the transaction, which only gives those that nobody else has taken meanwhile. A record that has been
//! handed out as often as it may is put aside as soon as its time is over.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::{Cx, Result};
use undercast_wire::text;

use super::{Place, Queue, measure, wait_settled};
use crate::api::output;
use crate::get::{self, MOST_BYTES};
use crate::name::{QueueName, StreamName};
use crate::sequence::Sequence;
use crate::stream::{Stream, moment};
use crate::{Kinesis, error, metrics};

/// Queue, shard → the index of the first record that was not handed out yet.
static CURSORS: Table<u64> = Table::new("kinesis.queue_cursors");
/// Queue, shard, index → whose turn it is.
static HELD: Table<Held> = Table::new("kinesis.queue_held");
/// Queue, whether it is put aside, when it can be seen again, shard, index → the last two.
static DUE: Table<Spot> = Table::new("kinesis.queue_due");

/// Records of one answer, where nothing else is said.
const MOST_RECORDS: i32 = 10;
const RECEIPT: usize = 32;

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Spot {
    #[n(0)]
    pub(crate) shard: u32,
    #[n(1)]
    pub(crate) index: u64,
}

/// A record that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Held {
    /// When it can be seen again, in milliseconds since 1970.
    #[n(0)]
    pub(crate) visible: i64,
    /// How often it was handed out.
    #[n(1)]
    pub(crate) received: i32,
    /// When it was first handed out.
    #[n(2)]
    first: i64,
    /// What the last receipt of it ends with.
    #[n(3)]
    nonce: String,
    /// It is put aside, or will be when it can be seen again.
    #[n(4)]
    pub(crate) dead: bool,
    /// It was last handed out as one that was put aside.
    #[n(5)]
    pub(crate) aside: bool,
}

impl Spot {
    fn key<'a>(self, place: Place<'a>) -> (Place<'a>, u64, u64) {
        (place, u64::from(self.shard), self.index)
    }

    fn due<'a>(self, place: Place<'a>, held: &Held) -> (Place<'a>, u64, i64, u64, u64) {
        (place, u64::from(held.dead), held.visible, u64::from(self.shard), self.index)
    }

    /// What a record is called, and its receipts begin with.
    fn name(self) -> String {
        format!("{:08x}{:016x}", self.shard, self.index)
    }

    /// The spot that a receipt means, and what it ends with.
    pub(crate) fn of_receipt(receipt: &str) -> Option<(Self, String)> {
        let plain = String::from_utf8(text::unbase64(receipt)?).ok()?;
        let (shard, rest) = plain.split_at_checked(8)?;
        let (index, nonce) = rest.split_at_checked(16)?;
        let spot = Self { shard: u32::from_str_radix(shard, 16).ok()?, index: u64::from_str_radix(index, 16).ok()? };
        (nonce.len() == RECEIPT).then(|| (spot, nonce.to_owned()))
    }
}

impl Held {
    /// What is held at a spot, if the receipt is the last that was given of it.
    pub(crate) fn get(cx: &Cx, from: &impl Read, queue: &Queue, spot: Spot, nonce: &str) -> Result<Option<Self>> {
        Ok(HELD.get(from, &spot.key(queue.place(cx)))?.filter(|held| held.nonce == *nonce))
    }

    /// Keeps it in place of what was there.
    pub(crate) fn put(&self, cx: &Cx, tx: &mut Tx<'_>, queue: &Queue, spot: Spot) -> Result<()> {
        Self::delete(cx, tx, queue, spot)?;
        HELD.put(tx, &spot.key(queue.place(cx)), self);
        DUE.put(tx, &spot.due(queue.place(cx), self), &spot);
        Ok(())
    }

    pub(crate) fn delete(cx: &Cx, tx: &mut Tx<'_>, queue: &Queue, spot: Spot) -> Result<()> {
        let place = queue.place(cx);
        if let Some(before) = HELD.get(tx, &spot.key(place))? {
            DUE.delete(tx, &spot.due(place, &before));
            HELD.delete(tx, &spot.key(place));
        }
        Ok(())
    }

    /// Has it be handed out again as if it never had been.
    pub(crate) fn restore(&mut self, now: i64) {
        (self.visible, self.received, self.dead, self.aside) = (now, 0, false, false);
        // The receipt was of what was put aside.
        self.nonce.clear();
    }

    /// Nobody can take it now.
    pub(crate) fn is_in_flight(&self, now: i64) -> bool {
        self.visible > now
    }
}

/// Removes all that a queue remembers.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, queue: &Queue) -> Result<()> {
    CURSORS.clear(tx, &queue.place(cx))?;
    HELD.clear(tx, &queue.place(cx))?;
    DUE.clear(tx, &queue.place(cx))?;
    measure::forget(cx, tx, queue)
}

/// How many records that were handed out are what.
pub(crate) struct Counts {
    /// They can be handed out again.
    pub(crate) visible: u64,
    pub(crate) in_flight: u64,
    /// They were put aside, and can be seen.
    pub(crate) aside: u64,
}

/// Counts what a queue has handed out.
pub(crate) fn counts(cx: &Cx, from: &impl Read, queue: &Queue) -> Result<Counts> {
    let (place, now) = (queue.place(cx), cx.now_millis());
    let count = |class: u64, from_when: i64, to: i64| {
        let rows = DUE.range(from, &(place, class, from_when), &(place, class, to), Order::Ascending, usize::MAX)?;
        Ok::<_, undercast_kernel::Failure>(rows.len() as u64)
    };
    Ok(Counts {
        visible: count(0, i64::MIN, now + 1)?,
        in_flight: count(0, now + 1, i64::MAX)? + count(1, now + 1, i64::MAX)?,
        aside: count(1, i64::MIN, now + 1)?,
    })
}

/// What a call asks of a queue.
pub(crate) struct Ask {
    pub(crate) queue: String,
    pub(crate) limit: Option<i32>,
    pub(crate) wait: Option<i32>,
    pub(crate) visibility: Option<i32>,
    /// What was put aside is asked for.
    pub(crate) aside: bool,
}

/// A record that may be handed out.
struct Draft {
    spot: Spot,
    record: output::Record,
    /// What was held of it, if it was handed out before.
    before: Option<Held>,
}

/// What may be handed out.
#[derive(Default)]
struct Found {
    drafts: Vec<Draft>,
    bytes: usize,
    /// What is kept no more by the stream.
    gone: Vec<Spot>,
    /// Of each shard that was read: its number, where it was read from, and where it has come to.
    cursors: Vec<(u32, u64, u64)>,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.drafts.is_empty() && self.gone.is_empty()
    }
}

fn index(record: &output::Record) -> u64 {
    Sequence::parse(&record.sequence_number).map_or(0, |sequence| sequence.index)
}

/// The stream of a queue.
fn stream(cx: &Cx, from: &impl Read, queue: &Queue) -> Result<Stream> {
    let name = StreamName::new(cx, &queue.stream_name);
    let found = name.find(cx, from)?;
    if found.id == queue.stream { Ok(found) } else { Err(error::no_stream(&name).into()) }
}

/// One who takes from a queue.
struct Taker<'a> {
    service: &'a Kinesis,
    cx: &'a Cx,
    queue: &'a Queue,
    limit: usize,
    visibility: i64,
    aside: bool,
}

impl Taker<'_> {
    /// What was handed out before and can be seen again.
    async fn again(&self, stream: &Stream, found: &mut Found) -> Result<()> {
        let (cx, place) = (self.cx, self.queue.place(self.cx));
        let from = cx.read();
        let layout = self.service.layouts.get(cx, &from, stream)?;
        let class = u64::from(self.aside);
        let (start, end) = ((place, class, i64::MIN), (place, class, cx.now_millis() + 1));
        for entry in DUE.range(&from, &start, &end, Order::Ascending, self.limit)? {
            let spot = entry.row;
            let Some(held) = HELD.get(&from, &spot.key(place))? else { continue };
            let record = match layout.get(spot.shard) {
                Some(shard) => {
                    let slice = get::slice(self.service, cx, (stream, shard), spot.index, (1, MOST_BYTES)).await?;
                    slice.records.into_iter().next().filter(|record| index(record) == spot.index)
                }
                None => None,
            };
            match record {
                Some(record) if found.drafts.is_empty() || found.bytes + record.data.len() <= MOST_BYTES => {
                    found.bytes += record.data.len();
                    found.drafts.push(Draft { spot, record, before: Some(held) });
                }
                Some(_) => break,
                None => found.gone.push(spot),
            }
        }
        Ok(())
    }

    /// What is new in the shards.
    async fn fresh(&self, stream: &Stream, found: &mut Found) -> Result<()> {
        let (cx, place) = (self.cx, self.queue.place(self.cx));
        let from = cx.read();
        let layout = self.service.layouts.get(cx, &from, stream)?;
        let count = layout.shards.len();
        // No shard always comes first, lest the others wait for ever.
        let first = usize::try_from(cx.random().below(count.max(1) as u64)).unwrap_or(0);
        for shard in layout.shards.iter().cycle().skip(first).take(count) {
            let room = (self.limit.saturating_sub(found.drafts.len()), MOST_BYTES.saturating_sub(found.bytes));
            if room.0 == 0 || room.1 == 0 {
                break;
            }
            let cursor = CURSORS.get(&from, &(place, u64::from(shard.number)))?.unwrap_or(self.queue.from);
            let slice = get::slice(self.service, cx, (stream, shard), cursor, room).await?;
            if slice.records.is_empty() || found.bytes + slice.bytes > MOST_BYTES && !found.drafts.is_empty() {
                continue;
            }
            found.bytes += slice.bytes;
            found.cursors.push((shard.number, cursor, slice.next));
            let draft = |record: output::Record| {
                let spot = Spot { shard: shard.number, index: index(&record) };
                Draft { spot, record, before: None }
            };
            found.drafts.extend(slice.records.into_iter().map(draft));
        }
        Ok(())
    }

    /// Gives what nobody else has taken meanwhile.
    fn give(&self, tx: &mut Tx<'_>, found: &Found) -> Result<Vec<output::QueueRecord>> {
        let (cx, queue, now) = (self.cx, self.queue, self.cx.now_millis());
        let place = queue.place(cx);
        for spot in &found.gone {
            Held::delete(cx, tx, queue, *spot)?;
        }
        let mut mine = Vec::new();
        for (shard, before, after) in &found.cursors {
            let key = (place, u64::from(*shard));
            if CURSORS.get(tx, &key)?.unwrap_or(queue.from) == *before {
                CURSORS.put(tx, &key, after);
                mine.push(*shard);
            }
        }
        let (mut given, mut fresh) = (Vec::new(), 0);
        for Draft { spot, record, before } in &found.drafts {
            let there = HELD.get(tx, &spot.key(place))?;
            if there != *before || before.is_none() && !mine.contains(&spot.shard) {
                continue;
            }
            let received = before.as_ref().map_or(0, |held| held.received) + 1;
            let held = Held {
                visible: now + self.visibility * 1000,
                received,
                first: before.as_ref().map_or(now, |held| held.first),
                nonce: cx.random().hex(RECEIPT),
                dead: self.aside || queue.most.is_some_and(|most| received >= most),
                aside: self.aside,
            };
            held.put(cx, tx, queue, *spot)?;
            fresh += u64::from(before.is_none());
            given.push(output::QueueRecord {
                receipt_handle: text::base64(format!("{}{}", spot.name(), held.nonce).as_bytes()),
                record_id: spot.name(),
                partition_key: record.partition_key.clone(),
                data: record.data.clone(),
                approximate_arrival_timestamp: record.approximate_arrival_timestamp.unwrap_or(cx.now()),
                first_receive_timestamp: moment(held.first),
                receive_count: received,
            });
        }
        measure::note(cx, tx, queue, fresh)?;
        Ok(given)
    }

    /// Takes what there is. `None`: others were faster, and there may be more.
    async fn take(&self) -> Result<Option<Vec<output::QueueRecord>>> {
        let stream = stream(self.cx, &self.cx.read(), self.queue)?;
        let mut found = Found::default();
        self.again(&stream, &mut found).await?;
        if !self.aside {
            self.fresh(&stream, &mut found).await?;
        }
        if found.is_empty() && measure::is_measured(self.cx, &self.cx.read(), self.queue)? {
            return Ok(Some(Vec::new()));
        }
        let name = QueueName { account: self.cx.account().to_owned(), id: self.queue.id.clone() };
        let given = self
            .cx
            .write(|tx| {
                name.find(self.cx, tx)?;
                self.give(tx, &found)
            })
            .await?;
        Ok((!given.is_empty() || found.is_empty()).then_some(given))
    }

    /// When the next record can be seen, as far as time alone decides it.
    fn next(&self) -> Result<Option<i64>> {
        let of = (self.queue.place(self.cx), u64::from(self.aside));
        let (start, end) = ((of.0, of.1, i64::MIN), (of.0, of.1, i64::MAX));
        let first = DUE.range(&self.cx.read(), &start, &end, Order::Ascending, 1)?.into_iter().next();
        let Some(spot) = first.map(|entry| entry.row) else { return Ok(None) };
        Ok(HELD.get(&self.cx.read(), &spot.key(of.0))?.map(|held| held.visible))
    }
}

/// Takes records of a queue, waiting for some if that was said.
pub(crate) async fn receive(service: &Kinesis, cx: &Cx, ask: &Ask) -> Result<Vec<output::QueueRecord>> {
    let name = QueueName::from_arn(cx, &ask.queue)?;
    let mut cx = wait_settled(cx, &name).await?;
    let until = cx.now_millis() + i64::from(ask.wait.unwrap_or(0)) * 1000;
    loop {
        let queue = name.find(&cx, &cx.read())?;
        let arrivals = cx.signals().of(&stream(&cx, &cx.read(), &queue)?.arrivals(&cx));
        let bell = cx.signals().of(&queue.topic(&cx));
        let (mut arrival, mut heard) = (std::pin::pin!(arrivals.notified()), std::pin::pin!(bell.notified()));
        arrival.as_mut().enable();
        heard.as_mut().enable();
        let limit = usize::try_from(ask.limit.unwrap_or(MOST_RECORDS)).unwrap_or(1);
        let visibility = i64::from(ask.visibility.unwrap_or(queue.visibility));
        let taker = Taker { service, cx: &cx, queue: &queue, limit, visibility, aside: ask.aside };
        if let Some(given) = taker.take().await? {
            if !given.is_empty() || cx.now_millis() >= until {
                tell(&cx, &queue, ask.aside, given.len());
                return Ok(given);
            }
            let wake = taker.next()?.map_or(until, |next| next.min(until));
            tokio::select! {
                () = arrival => {}
                () = heard => {}
                () = cx.kernel().clock().sleep_until(moment(wake)) => {}
            }
        }
        cx = cx.refreshed();
    }
}

/// Counts what was handed out. What was put aside is not counted.
fn tell(cx: &Cx, queue: &Queue, aside: bool, given: usize) {
    if !aside {
        metrics::of_queue(cx, queue, "ReceivedQueueRecords", metrics::float(given));
        metrics::of_queue(cx, queue, "EmptyReceives", if given == 0 { 1.0 } else { 0.0 });
    }
}
