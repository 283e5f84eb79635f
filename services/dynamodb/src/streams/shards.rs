//! The shards of a stream: one after the other, each for four hours, as AWS's are at rest.
//!
//! The records of a stream have one order, in positions from 1 on. A shard is a stretch of it, which follows from when the
//! stream was made and what time it is; nothing is kept of it.

use super::store::{self, RETENTION, Stream};
use crate::error::Result;
use crate::request::scope;
use sha2::{Digest as _, Sha256};
use undercast_kernel::Cx;
use undercast_store::Read;
use undercast_wire::text;

/// A shard takes records for so long, in milliseconds.
const LIFE: i64 = 4 * 3_600_000;

/// A shard.
pub(super) struct Shard {
    pub(super) id: String,
    /// Counted from the first of the stream on.
    pub(super) number: i64,
    /// The position of its first record.
    pub(super) first: u64,
    /// The position behind its last record, once it is closed.
    pub(super) end: Option<u64>,
    /// The shard before it, while that is kept.
    pub(super) parent: Option<String>,
}

/// The shards that are kept, the oldest first.
///
/// # Errors
/// When the store fails.
pub(super) fn of(cx: &Cx, from: &impl Read, stream: &Stream) -> Result<Vec<Shard>> {
    let now = cx.now_millis();
    let oldest = number_at(stream, now.saturating_sub(RETENTION)).max(0);
    let newest = newest(stream, now);
    let mut shards: Vec<Shard> = Vec::new();
    for number in oldest.min(newest)..=newest {
        let parent = shards.last().map(|before| before.id.clone());
        let first = match shards.last().and_then(|before| before.end) {
            Some(end) => end,
            None => beginning(cx, from, stream, number)?,
        };
        let end = end(cx, from, stream, number)?;
        shards.push(Shard { id: id(stream, number), number, first, end, parent });
    }
    Ok(shards)
}

/// The position behind the last record of the shard with this number. `None`: it is open.
///
/// # Errors
/// When the store fails.
pub(super) fn end(cx: &Cx, from: &impl Read, stream: &Stream, number: i64) -> Result<Option<u64>> {
    let newest = newest(stream, cx.now_millis());
    match (number < newest, stream.ended) {
        (true, _) => beginning(cx, from, stream, number + 1).map(Some),
        (false, Some(_)) => Ok(Some(store::next(from, scope(cx), &stream.id)?)),
        (false, None) => Ok(None),
    }
}

fn newest(stream: &Stream, now: i64) -> i64 {
    number_at(stream, stream.ended.map_or(now, |ended| ended.min(now))).max(0)
}

fn number_at(stream: &Stream, millis: i64) -> i64 {
    millis.saturating_sub(stream.created).div_euclid(LIFE)
}

/// The position of the first record that belongs to a shard, or would.
fn beginning(cx: &Cx, from: &impl Read, stream: &Stream, number: i64) -> Result<u64> {
    if number == 0 {
        return Ok(1);
    }
    store::first_since(from, scope(cx), &stream.id, stream.created + number * LIFE)
}

/// The name of a shard. Names sort as their shards follow each other.
fn id(stream: &Stream, number: i64) -> String {
    let digest = Sha256::digest(format!("{}:{number}", stream.id));
    let made = stream.created + number * LIFE;
    format!("shardId-{made:020}-{}", text::hex_encode(digest.get(..4).unwrap_or_default()))
}
