//! CreateStream and DeleteStream.

use std::collections::BTreeMap;

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Result};

use crate::account::{self, Settings};
use crate::api::{self, errors};
use crate::consumers::CONSUMERS;
use crate::name::StreamName;
use crate::stream::{Changes, DAY, HEADS, HashKey, Head, NEXT_ID, RECORD_KIB, SHARDS, STREAMS, Shard, Status, Stream};
use crate::{error, mode, retention, settle, tags};

/// The shards of a stream of which nobody said how many it shall have.
const ON_DEMAND_SHARDS: u32 = 4;

/// What a new stream shall be.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    on_demand: bool,
    shards: u32,
    warm: Option<i32>,
    distributes: bool,
}

impl Wanted {
    fn of(input: &api::CreateStreamInput, settings: &Settings, now: i64) -> Result<Self> {
        let named = input.stream_mode_details.as_ref().map(|details| details.stream_mode.as_str());
        // Who says neither a mode nor a number of shards gets a stream that needs neither: recorded at AWS.
        let on_demand = named.map_or(input.shard_count.is_none(), |mode| mode == mode::ON_DEMAND);
        let warm = input.warm_throughput_mi_bps.filter(|_| on_demand);
        if input.warm_throughput_mi_bps.is_some() {
            mode::check_warm(settings, now, on_demand, input.warm_throughput_mi_bps)?;
        }
        let distributes = input.record_distribution_strategy.as_deref() == Some(mode::AUTO);
        mode::check_distribution(distributes, on_demand)?;
        let shards = match (on_demand, input.shard_count) {
            (true, Some(_)) => {
                return Err(error::invalid("ShardCount must not be specified for a stream in ON_DEMAND mode.").into());
            }
            (true, None) => ON_DEMAND_SHARDS.max(warm.map_or(0, mode::shards_for)),
            (false, None) => {
                return Err(error::invalid("ShardCount must be specified for a stream in PROVISIONED mode.").into());
            }
            (false, Some(count)) => u32::try_from(count).unwrap_or(1),
        };
        Ok(Self { on_demand, shards, warm, distributes })
    }
}

/// Makes a stream, which is `CREATING` for a moment.
pub(crate) async fn create(cx: &Cx, input: api::CreateStreamInput) -> Result<()> {
    let name = StreamName::new(cx, &input.stream_name);
    let given = input.tags.clone().unwrap_or_else(BTreeMap::new);
    tags::check(&name, &given, 0)?;
    let cx = settle::wait(cx, &name, |status| *status == Status::Deleting).await?;
    cx.write(|tx| {
        let wanted = Wanted::of(&input, &account::settings(&cx, tx)?, cx.now_millis())?;
        if STREAMS.has(tx, &cx.key(&name.name))? {
            return Err(error::exists(&name).into());
        }
        account::check_streams(&cx, tx, wanted.on_demand)?;
        account::check_shards(&cx, tx, wanted.shards)?;
        let id = NEXT_ID.get(tx, &(cx.account(), cx.region()))?.unwrap_or(1);
        NEXT_ID.put(tx, &(cx.account(), cx.region()), &(id + 1));
        let stream = Stream {
            id,
            name: name.name.clone(),
            created: cx.now_millis(),
            on_demand: wanted.on_demand,
            retention_hours: DAY,
            status: Status::Creating,
            layout: 1,
            tags: given.clone(),
            monitored: Vec::new(),
            key: None,
            max_record_kib: input.max_record_size_in_ki_b.unwrap_or(RECORD_KIB),
            warm: wanted.warm,
            distributes: wanted.distributes,
            policy: None,
            secret: cx.random().bytes::<32>().to_vec(),
            changed: Changes::default(),
            over: 0,
        };
        for shard in ranges(wanted.shards, cx.now_millis()) {
            SHARDS.put(tx, &(stream.place(&cx), u64::from(shard.number)), &shard);
        }
        HEADS.put(tx, &stream.place(&cx), &Head::FIRST);
        retention::plan(&cx, tx, stream.id, &stream.name)?;
        settle::plan(&cx, tx, &stream)
    })
    .await
}

/// The first hash key of the shard at a place, of so many that share all hash keys alike.
pub(crate) fn boundary(place: u32, count: u32) -> HashKey {
    let count = u128::from(count.max(1));
    // 2^128 itself does not fit.
    let size = (u128::MAX / count).wrapping_add(u128::from(u128::MAX % count == count - 1));
    HashKey(size.wrapping_mul(u128::from(place)))
}

/// The shards of a new stream.
fn ranges(count: u32, created: i64) -> impl Iterator<Item = Shard> {
    (0..count).map(move |number| Shard {
        number,
        from: boundary(number, count),
        to: if number + 1 == count { HashKey::LAST } else { HashKey(boundary(number + 1, count).0 - 1) },
        parent: None,
        adjacent: None,
        created,
        closed: None,
    })
}

/// Deletes a stream, which is `DELETING` for a moment. One with consumers goes only if it is said that they go as well.
pub(crate) async fn delete(cx: &Cx, input: api::DeleteStreamInput) -> Result<()> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    cx.write(|tx: &mut Tx<'_>| {
        let mut stream = name.find(cx, tx)?;
        let consumers = CONSUMERS.all(tx, &stream.place(cx))?.len();
        if consumers > 0 && input.enforce_consumer_deletion != Some(true) {
            let message = format!(
                "Stream {} under account {} has enhanced fan-out consumers registered. Deregister them first, or set EnforceConsumerDeletion to true.",
                name.name, name.account
            );
            return Err(errors::resource_in_use_exception(message).into());
        }
        if stream.status == Status::Deleting {
            return Err(error::not_active(&name, &stream).into());
        }
        stream.status = Status::Deleting;
        settle::plan(cx, tx, &stream)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_shards_share_all_hash_keys_alike() {
        // As the API reference of DescribeStream shows it for three shards.
        let three: Vec<(String, String)> =
            ranges(3, 0).map(|shard| (shard.from.to_string(), shard.to.to_string())).collect();
        assert_eq!(three[0], ("0".into(), "113427455640312821154458202477256070484".into()));
        assert_eq!(three[2].0, "226854911280625642308916404954512140970");
        for count in [1, 2, 3, 7, 64, 1000] {
            let all: Vec<Shard> = ranges(count, 0).collect();
            assert_eq!((all[0].from, all[all.len() - 1].to), (HashKey(0), HashKey::LAST));
            assert!(all.windows(2).all(|two| two[0].to.0 + 1 == two[1].from.0), "{count}");
        }
    }
}
