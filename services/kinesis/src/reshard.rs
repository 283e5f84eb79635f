//! SplitShard, MergeShards and UpdateShardCount.
//!
//! A shard that is split or merged is closed, and its children go on from there; it can be read until what it has is kept no
//! more.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors};
use crate::create::boundary;
use crate::name::StreamName;
use crate::stream::{Change, HashKey, Layout, SHARDS, Shard, Status, Stream, shard_name, shard_number};
use crate::{account, error, mode, settle};

/// UpdateShardCount can be called so often in a day for a stream.
const RESIZES: usize = 10;
/// The most shards that UpdateShardCount makes.
const MOST: u32 = 10_000;

/// Notes a moment unless there were `most` already in the time before it. False: there were.
pub(crate) fn note(moments: &mut Vec<i64>, now: i64, span: i64, most: usize) -> bool {
    moments.retain(|moment| now - moment < span);
    let fits = moments.len() < most;
    if fits {
        moments.push(now);
    }
    fits
}

fn open<'a>(layout: &'a Layout, name: &StreamName, given: &str) -> Result<&'a Shard> {
    let number = shard_number(given).ok_or_else(|| error::shard_not_found(name, given))?;
    let shard = layout.get(number).ok_or_else(|| error::shard_not_found(name, &shard_name(number)))?;
    if shard.is_open() {
        return Ok(shard);
    }
    let message = format!(
        "Shard {} in stream {} under account {} has already been merged or split, and thus is not eligible for merging or splitting.",
        shard_name(number),
        name.name,
        name.account
    );
    Err(errors::resource_in_use_exception(message).into())
}

/// A stream whose shards its owner may change.
fn provisioned(cx: &Cx, tx: &Tx<'_>, name: &StreamName, operation: &str) -> Result<Stream> {
    let stream = name.find(cx, tx)?;
    if stream.on_demand { Err(error::on_demand(operation).into()) } else { Ok(stream) }
}

fn check_active(name: &StreamName, stream: &Stream) -> Result<()> {
    if stream.status == Status::Active { Ok(()) } else { Err(error::not_active(name, stream).into()) }
}

/// Splits a shard in two at a hash key.
pub(crate) async fn split_shard(cx: &Cx, input: api::SplitShardInput) -> Result<()> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    cx.write(|tx| {
        let mut stream = provisioned(cx, tx, &name, "SplitShard")?;
        let layout = Layout::read(cx, tx, &stream)?;
        let shard = open(&layout, &name, &input.shard_to_split)?;
        account::check_shards(cx, tx, 1)?;
        let key = &input.new_starting_hash_key;
        let inside = |at: &HashKey| shard.from.0.checked_add(1).is_some_and(|least| at.0 > least) && *at < shard.to;
        let Some(at) = HashKey::parse(key).filter(inside) else {
            let message = format!(
                "NewStartingHashKey {key} used in SplitShard() on shard {} in stream {} under account {} is not both greater than one plus the shard's StartingHashKey {} and less than the shard's EndingHashKey {}.",
                shard_name(shard.number),
                name.name,
                name.account,
                shard.from,
                shard.to
            );
            return Err(error::invalid(message).into());
        };
        check_active(&name, &stream)?;
        stream.status = Status::Updating(Change::Split { shard: shard.number, at });
        settle::plan(cx, tx, &stream)
    })
    .await
}

/// Merges two shards whose hash keys lie side by side.
pub(crate) async fn merge_shards(cx: &Cx, input: api::MergeShardsInput) -> Result<()> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    cx.write(|tx| {
        let mut stream = provisioned(cx, tx, &name, "MergeShards")?;
        let layout = Layout::read(cx, tx, &stream)?;
        let one = open(&layout, &name, &input.shard_to_merge)?;
        let other = open(&layout, &name, &input.adjacent_shard_to_merge)?;
        if !(touch(one, other) || touch(other, one)) {
            let message = format!(
                "Shards {} and {} in stream {} under account {} are not an adjacent pair of shards eligible for merging",
                shard_name(one.number),
                shard_name(other.number),
                name.name,
                name.account
            );
            return Err(error::invalid(message).into());
        }
        check_active(&name, &stream)?;
        stream.status = Status::Updating(Change::Merge { shard: one.number, adjacent: other.number });
        settle::plan(cx, tx, &stream)
    })
    .await
}

fn touch(lower: &Shard, upper: &Shard) -> bool {
    lower.to.0.checked_add(1) == Some(upper.from.0)
}

/// Has a stream come to have so many shards, all of one size.
pub(crate) async fn update_count(cx: &Cx, input: api::UpdateShardCountInput) -> Result<api::UpdateShardCountOutput> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let target = u32::try_from(input.target_shard_count).unwrap_or(1);
    // There is one way of scaling.
    let _ = &input.scaling_type;
    let current = cx
        .write(|tx| {
            let mut stream = provisioned(cx, tx, &name, "UpdateShardCount")?;
            check_active(&name, &stream)?;
            let current = u32::try_from(Layout::read(cx, tx, &stream)?.open().len()).unwrap_or(u32::MAX);
            check_count(current, target)?;
            account::check_shards(cx, tx, target.saturating_sub(current))?;
            if !note(&mut stream.changed.resized, cx.now_millis(), mode::DAY, RESIZES) {
                let message = format!(
                    "UpdateShardCount cannot be called more than {RESIZES} times in a rolling 24 hour period. Stream {} under account {}.",
                    name.name, name.account
                );
                return Err(errors::limit_exceeded_exception(message).into());
            }
            stream.status = Status::Updating(Change::Resize { target });
            settle::plan(cx, tx, &stream)?;
            Ok(current)
        })
        .await?;
    Ok(api::UpdateShardCountOutput {
        stream_arn: Some(name.arn(cx)),
        stream_name: Some(name.name),
        current_shard_count: i32::try_from(current).ok(),
        target_shard_count: Some(input.target_shard_count),
    })
}

fn check_count(current: u32, target: u32) -> Result<()> {
    let counts = format!("Current open shard count: {current}, Target shard count: {target}");
    let why = if target > MOST {
        format!("Target shard count or number of open shards cannot be greater than {MOST}.")
    } else if target > current.saturating_mul(2) {
        "UpdateShardCount cannot scale up over double your current open shard count.".to_owned()
    } else if target < current.div_ceil(2) {
        "UpdateShardCount cannot scale down below half your current open shard count.".to_owned()
    } else {
        return Ok(());
    };
    Err(errors::limit_exceeded_exception(format!("{why} {counts}")).into())
}

/// Shards that are being changed.
struct Resharding {
    now: i64,
    next: u32,
    /// The open ones, by their hash keys.
    open: Vec<Shard>,
    /// Those that have changed.
    changed: Vec<Shard>,
}

impl Resharding {
    fn begin(cx: &Cx, tx: &Tx<'_>, stream: &Stream) -> Result<Self> {
        let layout = Layout::read(cx, tx, stream)?;
        // The newest shard is open, so no number comes twice when old ones are forgotten.
        let next = layout.shards.iter().map(|shard| shard.number + 1).max().unwrap_or(0);
        Ok(Self { now: cx.now_millis(), next, open: layout.open().cloned().collect(), changed: Vec::new() })
    }

    fn place(&self, number: u32) -> Option<usize> {
        self.open.iter().position(|shard| shard.number == number)
    }

    fn close(&mut self, at: usize) -> Shard {
        let shard = Shard { closed: Some(self.now), ..self.open.remove(at) };
        self.changed.retain(|changed| changed.number != shard.number);
        self.changed.push(shard.clone());
        shard
    }

    fn add(&mut self, at: usize, from: HashKey, to: HashKey, parent: u32, adjacent: Option<u32>) {
        let shard =
            Shard { number: self.next, from, to, parent: Some(parent), adjacent, created: self.now, closed: None };
        self.next += 1;
        self.changed.push(shard.clone());
        self.open.insert(at, shard);
    }

    fn split(&mut self, at: usize, key: HashKey) {
        let shard = self.close(at);
        self.add(at, shard.from, HashKey(key.0 - 1), shard.number, None);
        self.add(at + 1, key, shard.to, shard.number, None);
    }

    /// Merges the shard at a place with the one behind it.
    fn merge(&mut self, at: usize, named_first: bool) {
        let (lower, upper) = (self.close(at), self.close(at));
        let (parent, adjacent) = if named_first { (lower.number, upper.number) } else { (upper.number, lower.number) };
        self.add(at, lower.from, upper.to, parent, Some(adjacent));
    }

    /// Puts down what has changed; gives the bells of the shards that are closed now.
    fn end(self, cx: &Cx, tx: &mut Tx<'_>, stream: &mut Stream) -> Vec<String> {
        for shard in &self.changed {
            SHARDS.put(tx, &(stream.place(cx), u64::from(shard.number)), shard);
        }
        stream.layout += 1;
        self.changed.iter().filter(|shard| !shard.is_open()).map(|shard| stream.topic(cx, shard.number)).collect()
    }
}

/// Splits a shard now.
pub(crate) fn split(cx: &Cx, tx: &mut Tx<'_>, stream: &mut Stream, shard: u32, key: HashKey) -> Result<Vec<String>> {
    let mut work = Resharding::begin(cx, tx, stream)?;
    if let Some(at) = work.place(shard) {
        work.split(at, key);
    }
    Ok(work.end(cx, tx, stream))
}

/// Merges two shards now.
pub(crate) fn merge(cx: &Cx, tx: &mut Tx<'_>, stream: &mut Stream, one: u32, other: u32) -> Result<Vec<String>> {
    let mut work = Resharding::begin(cx, tx, stream)?;
    if let (Some(one), Some(other)) = (work.place(one), work.place(other)) {
        work.merge(one.min(other), one < other);
    }
    Ok(work.end(cx, tx, stream))
}

/// Splits and merges shards until there are so many, all of one size. Some are made on the way that are closed at once, as
/// at AWS.
pub(crate) fn resize(cx: &Cx, tx: &mut Tx<'_>, stream: &mut Stream, target: u32) -> Result<Vec<String>> {
    let mut work = Resharding::begin(cx, tx, stream)?;
    for number in 1..target {
        let key = boundary(number, target);
        let at = work.open.partition_point(|shard| shard.from < key);
        if work.open.get(at).is_none_or(|shard| shard.from != key) && at > 0 {
            work.split(at - 1, key);
        }
    }
    for number in 0..target {
        let end = if number + 1 == target { HashKey::LAST } else { HashKey(boundary(number + 1, target).0 - 1) };
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        while work.open.get(at).is_some_and(|shard| shard.to < end) {
            work.merge(at, true);
        }
    }
    Ok(work.end(cx, tx, stream))
}
