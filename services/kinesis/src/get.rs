//! GetShardIterator and GetRecords.

use std::time::Instant;

use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Failure, Result, Timestamp};

use crate::api::{self, output};
use crate::batch::{self, Stored};
use crate::describe::range;
use crate::iterator::Iterator;
use crate::metrics::{self, float};
use crate::name::StreamName;
use crate::sequence::Sequence;
use crate::stream::{HEADS, Head, Layout, Shard, Status, Stream, moment, shard_name};
use crate::{Kinesis, error, settle};

/// Most records of one answer.
const MOST_RECORDS: i32 = 10_000;
/// Most bytes of the records of one answer.
pub(crate) const MOST_BYTES: usize = 10 * 1024 * 1024;
/// So many rows are looked at first; every time that is not enough, twice as many.
const ROWS: usize = 4;

/// From where a reader wants to read.
pub(crate) struct Start<'a> {
    pub(crate) kind: &'a str,
    pub(crate) sequence: Option<&'a str>,
    pub(crate) timestamp: Option<Timestamp>,
}

impl Start<'_> {
    /// The index that it means in a shard.
    pub(crate) fn position(
        &self,
        cx: &Cx,
        from: &impl Read,
        (name, stream, shard): (&StreamName, &Stream, &Shard),
    ) -> Result<u64> {
        let next = || Ok::<_, Failure>(HEADS.get(from, &stream.place(cx))?.unwrap_or(Head::FIRST).next);
        if let (Some(given), "AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER") = (self.sequence, self.kind) {
            let index = numbered(name, shard, given)?.index;
            return Ok(if self.kind == "AT_SEQUENCE_NUMBER" { index } else { index.saturating_add(1) });
        }
        match (self.kind, self.sequence, self.timestamp) {
            ("TRIM_HORIZON", None, _) => Ok(0),
            ("LATEST", None, _) => next(),
            ("AT_TIMESTAMP", None, Some(at)) if at > cx.now() => {
                let message = format!(
                    "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: {}, currentTimestampInMillis: {}",
                    at.as_millisecond(),
                    cx.now_millis()
                );
                Err(error::invalid(message).into())
            }
            ("AT_TIMESTAMP", None, Some(at)) => {
                batch::since(cx, from, (stream, shard.number), at.as_millisecond(), next()?)
            }
            ("AT_TIMESTAMP", None, None) => {
                let message = "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.";
                Err(error::invalid(message).into())
            }
            (kind, given, _) => {
                let with = if given.is_some() { "also a" } else { "no" };
                let message = format!(
                    "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {kind} and {with} StartingSequenceNumber."
                );
                Err(error::invalid(message).into())
            }
        }
    }
}

/// A sequence number that a reader gives, which must be of this shard.
fn numbered(name: &StreamName, shard: &Shard, given: &str) -> Result<Sequence> {
    let StreamName { name, account } = name;
    let shard_id = shard_name(shard.number);
    let invalid = |why: &str| {
        let message = format!(
            "StartingSequenceNumber {given} used in GetShardIterator on shard {shard_id} in stream {name} under account {account} is invalid{why}."
        );
        Failure::from(error::invalid(message))
    };
    let sequence = Sequence::parse(given).ok_or_else(|| invalid(""))?;
    if sequence.shard != shard.number {
        let message = format!(
            "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard with {shard_id}",
            shard_name(sequence.shard)
        );
        return Err(error::invalid(message).into());
    }
    if shard.made(&sequence) { Ok(sequence) } else { Err(invalid(" because it did not come from this stream")) }
}

pub(crate) async fn iterator(
    service: &Kinesis,
    cx: &Cx,
    input: api::GetShardIteratorInput,
) -> Result<api::GetShardIteratorOutput> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let cx = &*settle::wait_made(cx, &name).await?;
    let from = cx.read();
    let stream = readable(cx, &from, &name)?;
    let layout = service.layouts.get(cx, &from, &stream)?;
    let shard = layout.named(&name, &input.shard_id)?;
    let start = Start {
        kind: &input.shard_iterator_type,
        sequence: input.starting_sequence_number.as_deref(),
        timestamp: input.timestamp,
    };
    let position = start.position(cx, &from, (&name, &stream, shard))?;
    service.check_dry_run(cx, &stream, input.dry_run)?;
    // "GetShardIterator has a limit of five transactions per second for each account for each open shard."
    if !service.limits.of(cx, &stream).iterate(shard.number) {
        return Err(error::rate_exceeded(&name, shard.number).into());
    }
    let iterator = Iterator { stream: stream.id, shard: shard.number, position, made: cx.now_millis(), name };
    Ok(api::GetShardIteratorOutput { shard_iterator: Some(iterator.encode(&stream)) })
}

/// A stream that can be read.
pub(crate) fn readable(cx: &Cx, from: &impl Read, name: &StreamName) -> Result<Stream> {
    let stream = name.find(cx, from)?;
    if matches!(stream.status, Status::Creating | Status::Deleting) {
        return Err(error::no_stream(name).into());
    }
    Ok(stream)
}

/// Records from a place in a shard on.
pub(crate) struct Slice {
    pub(crate) records: Vec<output::Record>,
    pub(crate) bytes: usize,
    /// The index behind the last of them.
    pub(crate) next: u64,
    /// The sequence number of the last of them.
    pub(crate) last: Option<Sequence>,
    /// How long ago the last of them came, in milliseconds, if there are more; 0: there are none.
    pub(crate) behind: i64,
    /// Nothing comes behind them: the shard is closed.
    pub(crate) ended: bool,
}

/// The rows that hold so many records, or bytes, from an index on; the last one is behind them, where there is one.
fn rows(
    cx: &Cx,
    from: &impl Read,
    (stream, shard): (&Stream, &Shard),
    mut index: u64,
    (records, bytes): (usize, usize),
) -> Result<Vec<Stored>> {
    let (of, horizon) = ((stream, shard.number), stream.horizon(cx.now_millis()));
    let mut found: Vec<Stored> = Vec::new();
    let (mut count, mut size, mut page) = (0u64, 0usize, ROWS);
    loop {
        let got = batch::from(cx, from, of, index, page)?;
        let last = got.len() < page;
        if got.first().is_some_and(|row| row.batch.at < horizon) {
            // What is kept no more is passed over.
            let end = HEADS.get(from, &stream.place(cx))?.unwrap_or(Head::FIRST).next;
            index = batch::since(cx, from, of, horizon, end)?;
            continue;
        }
        for row in got {
            count += row.end() - row.first.max(index);
            size += row.batch.packed.len();
            index = row.end();
            let enough = usize::try_from(count).is_ok_and(|count| count > records) || size > bytes;
            found.push(row);
            if enough {
                // One row more than is wanted tells that there are more.
                found.extend(batch::from(cx, from, of, index, 1)?);
                return Ok(found);
            }
        }
        if last {
            return Ok(found);
        }
        page *= 2;
    }
}

/// Reads so many records, or bytes, from an index of a shard on.
pub(crate) async fn slice(
    service: &Kinesis,
    cx: &Cx,
    (stream, shard): (&Stream, &Shard),
    index: u64,
    (most, most_bytes): (usize, usize),
) -> Result<Slice> {
    let rows = rows(cx, &cx.read(), (stream, shard), index, (most, most_bytes))?;
    let mut out =
        Slice { records: Vec::new(), bytes: 0, next: index, last: None, behind: 0, ended: shard.closed.is_some() };
    let mut came = None;
    for row in rows {
        let at = row.batch.at;
        let (first, records, sealed) = service.vault.open(cx, (stream, shard.number), row).await?;
        for (number, record) in (first..).zip(records).filter(|(number, _)| *number >= index) {
            let full = out.records.len() >= most || out.bytes + record.data.len() > most_bytes;
            if full && !out.records.is_empty() {
                out.behind = cx.now_millis().saturating_sub(came.unwrap_or(at)).max(0);
                out.ended = false;
                return Ok(out);
            }
            let sequence = shard.sequence(number, at);
            (out.next, out.last, came) = (number + 1, Some(sequence), Some(at));
            out.bytes += record.data.len();
            out.records.push(output::Record {
                sequence_number: sequence.to_string(),
                approximate_arrival_timestamp: Some(moment(at)),
                data: record.data,
                partition_key: record.partition_key,
                encryption_type: sealed.then(|| "KMS".to_owned()),
            });
        }
    }
    Ok(out)
}

/// The shards that came of one that has ended.
pub(crate) fn children(layout: &Layout, number: u32) -> Vec<output::ChildShard> {
    let show = |shard: &Shard| output::ChildShard {
        shard_id: shard_name(shard.number),
        parent_shards: shard.parent.into_iter().chain(shard.adjacent).map(shard_name).collect(),
        hash_key_range: range(shard),
    };
    layout.children(number).map(show).collect()
}

pub(crate) async fn records(service: &Kinesis, cx: &Cx, input: api::GetRecordsInput) -> Result<api::GetRecordsOutput> {
    let began = Instant::now();
    let from = cx.read();
    let (iterator, stream) = Iterator::parse(cx, &from, &input.shard_iterator)?;
    if let Some(arn) = &input.stream_arn
        && StreamName::from_arn(cx, arn)? != iterator.name
    {
        return Err(error::invalid("The ShardIterator is not of the stream that StreamARN names.").into());
    }
    let layout = service.layouts.get(cx, &from, &stream)?;
    let shard = layout.get(iterator.shard);
    let shard = shard.ok_or_else(|| error::no_shard(&iterator.name, &shard_name(iterator.shard)))?;
    service.check_dry_run(cx, &stream, input.dry_run)?;
    let result = read(service, cx, (&stream, shard), &iterator, input.limit).await;
    metrics::call(cx, &stream, "GetRecords", began, &result);
    let slice = result?;
    tell(cx, &stream, shard, &slice);
    let next = Iterator { position: slice.next, made: cx.now_millis(), ..iterator };
    Ok(api::GetRecordsOutput {
        next_shard_iterator: (!slice.ended).then(|| next.encode(&stream)),
        millis_behind_latest: Some(slice.behind),
        child_shards: slice.ended.then(|| children(&layout, shard.number)),
        records: slice.records,
    })
}

async fn read(
    service: &Kinesis,
    cx: &Cx,
    (stream, shard): (&Stream, &Shard),
    iterator: &Iterator,
    limit: Option<i32>,
) -> Result<Slice> {
    let let_in = service.limits.of(cx, stream).read(shard.number);
    let exceeded = if let_in { 0.0 } else { 1.0 };
    metrics::of_stream(cx, stream, "ReadProvisionedThroughputExceeded", "Count", exceeded);
    metrics::of_shard(cx, stream, shard.number, "ReadProvisionedThroughputExceeded", "Count", exceeded);
    if !let_in {
        return Err(error::rate_exceeded(&iterator.name, shard.number).into());
    }
    let most = usize::try_from(limit.unwrap_or(MOST_RECORDS)).unwrap_or(1);
    let slice = slice(service, cx, (stream, shard), iterator.position, (most, MOST_BYTES)).await?;
    service.limits.of(cx, stream).has_read(shard.number, slice.bytes);
    Ok(slice)
}

#[expect(clippy::cast_precision_loss, reason = "ages are far below 2^52 milliseconds")]
fn tell(cx: &Cx, stream: &Stream, shard: &Shard, slice: &Slice) {
    let (bytes, records, age) = (float(slice.bytes), float(slice.records.len()), slice.behind as f64);
    metrics::of_stream(cx, stream, "GetRecords.Bytes", "Bytes", bytes);
    metrics::of_stream(cx, stream, "GetRecords.Records", "Count", records);
    metrics::of_stream(cx, stream, "GetRecords.IteratorAgeMilliseconds", "Milliseconds", age);
    metrics::of_shard(cx, stream, shard.number, "OutgoingBytes", "Bytes", bytes);
    metrics::of_shard(cx, stream, shard.number, "OutgoingRecords", "Count", records);
    metrics::of_shard(cx, stream, shard.number, "IteratorAgeMilliseconds", "Milliseconds", age);
}
