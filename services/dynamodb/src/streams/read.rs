//! DescribeStream, GetRecords, GetShardIterator and ListStreams.

use super::api::output::{Identity, KeySchemaElement, SequenceNumberRange, Shard, StreamDescription, StreamRecord};
use super::api::output::{Record as ShownRecord, Stream as ListedStream};
use super::api::{
    DescribeStreamInput, DescribeStreamOutput, GetRecordsInput, GetRecordsOutput, GetShardIteratorInput,
    GetShardIteratorOutput, ListStreamsInput, ListStreamsOutput,
};
use super::shards;
use super::store::{self, Event, RETENTION, Record, Stream};
use crate::api::form::Attributes;
use crate::encryption::{self, Keys};
use crate::error::{Error, Result};
use crate::metrics;
use crate::request::{scope, table_name};
use crate::rows;
use sha2::{Digest as _, Sha256};
use std::fmt::Display;
use std::time::Instant;
use undercast_kernel::{Cx, Timestamp};
use undercast_store::Read;
use undercast_wire::text;

/// Most streams or shards of one page.
const MAX_LISTED: i32 = 100;
/// Most records of one answer.
const MAX_RECORDS: i32 = 1000;
/// Most bytes of the records of one answer.
const MAX_BYTES: usize = 1_048_576;
/// How long an iterator is good, in milliseconds.
const ITERATOR_LIFE: i64 = 15 * 60_000;
/// What sequence numbers count from: they have 21 digits or more.
const FIRST_SEQUENCE: u128 = 100_000_000_000_000_000_000;

/// The ARN of a stream.
pub(crate) fn stream_arn(cx: &Cx, table: &str, label: &str) -> String {
    cx.arn("dynamodb", &format!("table/{table}/stream/{label}"))
}

fn sequence(position: u64) -> String {
    (FIRST_SEQUENCE + u128::from(position)).to_string()
}

fn limit(given: Option<i32>, most: i32) -> Result<usize> {
    let limit = given.unwrap_or(most);
    if limit > most {
        return Err(constraint(limit, "limit", format_args!("Member must have value less than or equal to {most}")));
    }
    Ok(usize::try_from(limit).unwrap_or(1).max(1))
}

fn constraint(value: impl Display, member: &str, constraint: impl Display) -> Error {
    Error::validation(format_args!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    ))
}

/// The table and the label in the ARN of a stream of this account and region.
fn parts_of<'a>(cx: &Cx, arn: &'a str) -> Option<(&'a str, &'a str)> {
    let rest = arn.strip_prefix(cx.arn("dynamodb", "table/").as_str())?;
    rest.split_once("/stream/")
}

fn find(cx: &Cx, from: &impl Read, arn: &str) -> Result<Stream> {
    let missing = || Error::stream_not_found(arn);
    let (table, label) = parts_of(cx, arn).ok_or_else(missing)?;
    let stream = store::get(from, scope(cx), table, label)?.filter(|stream| !stream.is_over(cx.now_millis()));
    stream.ok_or_else(missing)
}

/// What a stream is, and its shard.
///
/// # Errors
/// When there is none, and when the store fails.
pub(crate) fn describe(cx: &Cx, input: &DescribeStreamInput) -> Result<DescribeStreamOutput> {
    let limit = limit(input.limit, MAX_LISTED)?;
    let from = cx.read();
    let stream = find(cx, &from, &input.stream_arn)?;
    let all = shards::of(cx, &from, &stream)?;
    let parent = match &input.shard_filter {
        None => None,
        Some(filter) if filter.type_.is_none() => return Err(Error::validation("ShardFilter must have a Type")),
        Some(filter) => {
            let named = all.iter().find(|shard| Some(&shard.id) == filter.shard_id.as_ref());
            Some(named.ok_or_else(Error::shard_not_found)?.id.clone())
        }
    };
    let wanted = |shard: &&shards::Shard| {
        parent.is_none() && input.exclusive_start_shard_id.as_ref().is_none_or(|start| shard.id > *start)
            || parent.is_some() && shard.parent == parent
    };
    let mut shown: Vec<Shard> = all.iter().filter(wanted).map(shown_shard).collect();
    let more = shown.len() > limit;
    shown.truncate(limit);
    let key = |name: &str, kind: &str| KeySchemaElement { attribute_name: name.to_owned(), key_type: kind.to_owned() };
    let sort = stream.key.sort.as_deref().map(|name| key(name, "RANGE"));
    Ok(DescribeStreamOutput {
        stream_description: Some(StreamDescription {
            stream_arn: Some(stream_arn(cx, &stream.table, &stream.label)),
            stream_label: Some(stream.label.clone()),
            stream_status: Some(if stream.ended.is_some() { "DISABLED" } else { "ENABLED" }.to_owned()),
            stream_view_type: Some(stream.view.name().to_owned()),
            creation_request_date_time: Timestamp::from_millisecond(stream.created).ok(),
            table_name: Some(stream.table.clone()),
            key_schema: Some(std::iter::once(key(&stream.key.partition, "HASH")).chain(sort).collect()),
            last_evaluated_shard_id: shown.last().filter(|_| more).and_then(|shard| shard.shard_id.clone()),
            shards: Some(shown),
        }),
    })
}

/// A shard as answers describe it. It begins with a number that no record has.
fn shown_shard(shard: &shards::Shard) -> Shard {
    Shard {
        shard_id: Some(shard.id.clone()),
        sequence_number_range: Some(SequenceNumberRange {
            starting_sequence_number: Some(sequence(shard.first.saturating_sub(1))),
            ending_sequence_number: shard.end.map(|end| sequence(end.saturating_sub(1))),
        }),
        parent_shard_id: shard.parent.clone(),
    }
}

/// The streams there are, also those that ended within a day.
///
/// # Errors
/// When the store fails.
pub(crate) fn list(cx: &Cx, input: &ListStreamsInput) -> Result<ListStreamsOutput> {
    let limit = limit(input.limit, MAX_LISTED)?;
    let table = input.table_name.as_deref().map(|given| table_name(cx, given)).transpose()?;
    let after = match input.exclusive_start_stream_arn.as_deref() {
        Some(arn) => Some(parts_of(cx, arn).ok_or_else(|| Error::stream_not_found(arn))?),
        None => None,
    };
    let mut found = store::list(&cx.read(), scope(cx), table, after, usize::MAX)?;
    found.retain(|stream| !stream.is_over(cx.now_millis()));
    let more = found.len() > limit;
    found.truncate(limit);
    let arn = |stream: &Stream| stream_arn(cx, &stream.table, &stream.label);
    Ok(ListStreamsOutput {
        last_evaluated_stream_arn: found.last().filter(|_| more).map(arn),
        streams: Some(
            found
                .iter()
                .map(|stream| ListedStream {
                    stream_arn: Some(arn(stream)),
                    table_name: Some(stream.table.clone()),
                    stream_label: Some(stream.label.clone()),
                })
                .collect(),
        ),
    })
}

/// The oldest position that can still be read.
fn horizon(cx: &Cx, from: &impl Read, stream: &Stream) -> Result<u64> {
    store::first_since(from, scope(cx), &stream.id, cx.now_millis().saturating_sub(RETENTION))
}

/// A place in a shard from which to read.
///
/// # Errors
/// When there is no such shard, when what is asked for is no longer kept, and when the store fails.
pub(crate) fn shard_iterator(cx: &Cx, input: &GetShardIteratorInput) -> Result<GetShardIteratorOutput> {
    let from = cx.read();
    let stream = find(cx, &from, &input.stream_arn)?;
    let all = shards::of(cx, &from, &stream)?;
    let shard = all.iter().find(|shard| shard.id == input.shard_id).ok_or_else(Error::shard_not_found)?;
    let given = input.sequence_number.as_deref();
    let position = match input.shard_iterator_type.as_str() {
        "TRIM_HORIZON" => horizon(cx, &from, &stream)?,
        "AT_SEQUENCE_NUMBER" => numbered(cx, &from, &stream, shard, given)?,
        "AFTER_SEQUENCE_NUMBER" => numbered(cx, &from, &stream, shard, given)?.saturating_add(1),
        "AT_TIMESTAMP" => {
            let since = input.timestamp.ok_or_else(|| missing("Timestamp", "AT_TIMESTAMP"))?.as_millisecond();
            let found = store::first_since(&from, scope(cx), &stream.id, since)?;
            found.max(horizon(cx, &from, &stream)?)
        }
        _ => u64::MAX,
    };
    let next = store::next(&from, scope(cx), &stream.id)?;
    let position = position.clamp(shard.first, shard.end.unwrap_or(next).max(shard.first));
    let arn = stream_arn(cx, &stream.table, &stream.label);
    Ok(GetShardIteratorOutput { shard_iterator: Some(iterator(&arn, position, cx.now_millis(), shard.number)) })
}

fn missing(member: &str, kind: &str) -> Error {
    Error::validation(format_args!("{member} must be specified when ShardIteratorType is {kind}"))
}

/// The position that a sequence number of the request means.
fn numbered(cx: &Cx, from: &impl Read, stream: &Stream, shard: &shards::Shard, given: Option<&str>) -> Result<u64> {
    let given = given.ok_or_else(|| missing("SequenceNumber", "AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER"))?;
    let counted = given.parse::<u128>().ok().and_then(|number| number.checked_sub(FIRST_SEQUENCE));
    let end = store::next(from, scope(cx), &stream.id)?;
    // The number that the shard starts with is before any record.
    let own = |position: &u64| *position < shard.end.unwrap_or(end) && *position >= shard.first.saturating_sub(1);
    let position = counted.and_then(|position| u64::try_from(position).ok()).filter(own);
    let position = position.ok_or_else(|| Error::validation(format_args!("Invalid SequenceNumber: {given}")))?;
    if position.max(1) < horizon(cx, from, stream)? {
        return Err(Error::trimmed());
    }
    Ok(position)
}

/// An iterator: the stream, the version of this form, and the position with the moment at which it was given out and
/// the number of the shard.
fn iterator(arn: &str, position: u64, now: i64, shard: i64) -> String {
    let place = [position.to_be_bytes(), now.to_be_bytes(), shard.to_be_bytes()].concat();
    format!("{arn}|2|{}", text::base64(&place))
}

fn parse_iterator(given: &str) -> Option<(&str, u64, i64, i64)> {
    let (arn, rest) = given.split_once('|')?;
    let place = text::unbase64(rest.strip_prefix("2|")?)?;
    let [position, at, shard] = place.as_chunks::<8>().0 else { return None };
    Some((arn, u64::from_be_bytes(*position), i64::from_be_bytes(*at), i64::from_be_bytes(*shard)))
}

/// The records at a place, and the next place.
///
/// # Errors
/// When the iterator is none or too old, when what it stands at is no longer kept, and when the store fails.
pub(crate) async fn records(cx: &Cx, input: &GetRecordsInput) -> Result<GetRecordsOutput> {
    let began = Instant::now();
    let limit = limit(input.limit, MAX_RECORDS)?;
    let invalid = || Error::validation("Invalid ShardIterator");
    let (arn, position, issued, number) = parse_iterator(&input.shard_iterator).ok_or_else(invalid)?;
    let from = cx.read();
    let stream = find(cx, &from, arn)?;
    if cx.now_millis().saturating_sub(issued) > ITERATOR_LIFE {
        return Err(Error::expired_iterator());
    }
    if position < horizon(cx, &from, &stream)? {
        return Err(Error::trimmed());
    }
    let end = shards::end(cx, &from, &stream, number)?;
    let mut shown = Vec::new();
    let mut at = position;
    let mut bytes = 0;
    let mut found = store::records(&from, scope(cx), &stream.id, position, limit)?;
    found.retain(|(position, _)| end.is_none_or(|end| *position < end));
    for (number, record) in opened(cx, &from, &stream, found).await? {
        let size = record.size()?;
        bytes += size;
        if bytes > MAX_BYTES && !shown.is_empty() {
            bytes -= size;
            break;
        }
        at = number + 1;
        shown.push(shown_record(cx, &stream, number, record, size)?);
    }
    metrics::streamed(cx, (&stream.table, &stream.label), shown.len(), bytes, began.elapsed());
    let at_end = end.is_some_and(|end| at >= end);
    Ok(GetRecordsOutput {
        records: Some(shown),
        next_shard_iterator: (!at_end).then(|| iterator(arn, at, cx.now_millis(), number)),
    })
}

/// Records as they are, of which some may be sealed with keys of their table.
async fn opened(cx: &Cx, from: &impl Read, stream: &Stream, found: Vec<(u64, Record)>) -> Result<Vec<(u64, Record)>> {
    if !found.iter().any(|(_, record)| record.is_sealed()) {
        return Ok(found);
    }
    let encryption = match (stream.ended, &stream.encryption) {
        (Some(_), encryption) => encryption.clone(),
        (None, _) => rows::table(from, scope(cx), &stream.table)?.and_then(|table| table.encryption),
    };
    let encryption = encryption.ok_or(Error::Locked)?;
    let ring = encryption::ring_for(cx, &stream.table, &encryption).await?;
    let keys = Keys { all: &encryption.keys, seals: false, ring: Some(&ring) };
    found.into_iter().map(|(number, record)| Ok((number, record.opened(keys, &stream.id)?))).collect()
}

fn shown_record(cx: &Cx, stream: &Stream, position: u64, record: Record, size: usize) -> Result<ShownRecord> {
    let image = |bytes: Option<Vec<u8>>| bytes.map(|bytes| Attributes::stored(bytes.into())).transpose();
    let name = match record.event {
        Event::Insert => "INSERT",
        Event::Modify => "MODIFY",
        Event::Remove => "REMOVE",
    };
    let digest = Sha256::digest(format!("{}:{position}", stream.id));
    // AWS tells the moment to the second.
    let at = Timestamp::from_second(record.at.div_euclid(1000)).ok();
    let expiry =
        || Identity { principal_id: Some("dynamodb.amazonaws.com".to_owned()), type_: Some("Service".to_owned()) };
    Ok(ShownRecord {
        event_id: Some(text::hex_encode(digest.get(..16).unwrap_or_default())),
        event_name: Some(name.to_owned()),
        event_version: Some("1.1".to_owned()),
        event_source: Some("aws:dynamodb".to_owned()),
        aws_region: Some(cx.region().to_owned()),
        dynamodb: Some(StreamRecord {
            approximate_creation_date_time: at,
            keys: image(Some(record.keys))?,
            new_image: image(record.new)?,
            old_image: image(record.old)?,
            sequence_number: Some(sequence(position)),
            size_bytes: i64::try_from(size).ok(),
            stream_view_type: Some(stream.view.name().to_owned()),
        }),
        user_identity: record.expired.then(expiry),
    })
}
