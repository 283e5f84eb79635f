//! ListShards: the shards of a stream by page, all or those that a filter means.

use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, input};
use crate::describe::{show, visible};
use crate::name::StreamName;
use crate::stream::{Shard, Stream, shard_number};
use crate::{Kinesis, error, settle};

/// Shards of one page, where nothing else is said.
const PAGE: i32 = 1000;
const LIST: &str = "kinesis.ListShards";

/// Which shards are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meant {
    All,
    /// Behind one in the order of their numbers.
    After(u32),
    /// Open at a moment, in milliseconds since 1970.
    OpenAt(i64),
    /// Open at a moment, or made later.
    OpenSince(i64),
}

impl Meant {
    fn of(cx: &Cx, name: &StreamName, stream: &Stream, filter: Option<&input::ShardFilter>) -> Result<Self> {
        let Some(filter) = filter else { return Ok(Self::All) };
        let horizon = stream.horizon(cx.now_millis());
        let missing = |member: &str| {
            let kind = &filter.type_;
            Failure::from(error::invalid(format!("{member} must be specified when ShardFilter type is {kind}.")))
        };
        let stray = match filter.type_.as_str() {
            "AFTER_SHARD_ID" => filter.timestamp.as_ref().map(|_| "Timestamp"),
            "AT_TIMESTAMP" | "FROM_TIMESTAMP" => filter.shard_id.as_ref().map(|_| "ShardId"),
            _ => filter.shard_id.as_ref().map(|_| "ShardId").or(filter.timestamp.as_ref().map(|_| "Timestamp")),
        };
        if let Some(member) = stray {
            let message = format!("{member} must not be specified when ShardFilter type is {}.", filter.type_);
            return Err(error::invalid(message).into());
        }
        let moment = || Ok::<_, Failure>(filter.timestamp.ok_or_else(|| missing("Timestamp"))?.as_millisecond());
        Ok(match filter.type_.as_str() {
            "AFTER_SHARD_ID" => {
                let given = filter.shard_id.as_deref().ok_or_else(|| missing("ShardId"))?;
                Self::After(shard_number(given).ok_or_else(|| error::shard_not_found(name, given))?)
            }
            "AT_LATEST" => Self::OpenAt(i64::MAX),
            "AT_TRIM_HORIZON" => Self::OpenAt(horizon.max(stream.created)),
            "AT_TIMESTAMP" => Self::OpenAt(moment()?.max(horizon).max(stream.created)),
            "FROM_TIMESTAMP" => Self::OpenSince(moment()?.max(horizon)),
            _ => Self::All,
        })
    }

    fn means(self, shard: &Shard) -> bool {
        let open_behind = |moment: i64| shard.closed.is_none_or(|closed| closed > moment);
        match self {
            Self::All => true,
            Self::After(number) => shard.number > number,
            Self::OpenAt(moment) => shard.created <= moment && open_behind(moment),
            Self::OpenSince(moment) => open_behind(moment),
        }
    }
}

/// Where a page begins: what its token holds.
struct Position {
    stream: u64,
    name: String,
    meant: Meant,
    after: u32,
}

impl Position {
    fn token(&self, now: i64) -> String {
        let (kind, number) = match self.meant {
            Meant::All => (0, 0),
            Meant::After(number) => (1, i64::from(number)),
            Meant::OpenAt(moment) => (2, moment),
            Meant::OpenSince(moment) => (3, moment),
        };
        let Self { stream, name, after, .. } = self;
        let expires = now + error::TOKEN_LIFE;
        paging::token(LIST, &format!("{expires}/{stream}/{name}/{kind}/{number}/{after}"))
    }

    /// Takes apart what stands behind the moment at which it expires.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let stream = parts.next()?.parse().ok()?;
        let name = parts.next()?.to_owned();
        let (kind, number) = (parts.next()?, parts.next()?.parse::<i64>().ok()?);
        let meant = match kind {
            "0" => Meant::All,
            "1" => Meant::After(u32::try_from(number).ok()?),
            "2" => Meant::OpenAt(number),
            _ => Meant::OpenSince(number),
        };
        Some(Self { stream, name, meant, after: parts.next()?.parse().ok()? })
    }
}

pub(crate) async fn list(service: &Kinesis, cx: &Cx, input: api::ListShardsInput) -> Result<api::ListShardsOutput> {
    let limit = usize::try_from(input.max_results.unwrap_or(PAGE)).unwrap_or(1);
    let (name, position) = match &input.next_token {
        Some(token) => {
            let position = read_token(cx, &input, token)?;
            (StreamName::new(cx, &position.name), Some(position))
        }
        None => (StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?, None),
    };
    let cx = &*settle::wait_made(cx, &name).await?;
    let from = cx.read();
    let stream = name.find(cx, &from)?;
    let made = input.stream_creation_timestamp.is_none_or(|at| at.as_second() == stream.created.div_euclid(1000));
    if !made || position.as_ref().is_some_and(|position| position.stream != stream.id) {
        return Err(error::no_stream(&name).into());
    }
    let (meant, after) = match &position {
        Some(position) => (position.meant, Some(position.after)),
        None => {
            let after = match &input.exclusive_start_shard_id {
                Some(given) => Some(shard_number(given).ok_or_else(|| error::shard_not_found(&name, given))?),
                None => None,
            };
            (Meant::of(cx, &name, &stream, input.shard_filter.as_ref())?, after)
        }
    };
    page(service, cx, &from, &stream, (meant, after, limit))
}

fn page(
    service: &Kinesis,
    cx: &Cx,
    from: &impl Read,
    stream: &Stream,
    (meant, after, limit): (Meant, Option<u32>, usize),
) -> Result<api::ListShardsOutput> {
    let mut shards = visible(service, cx, from, stream)?;
    shards.retain(|shard| meant.means(shard) && after.is_none_or(|after| shard.number > after));
    let more = shards.len() > limit;
    shards.truncate(limit);
    let next = shards.last().filter(|_| more).map(|last| Position {
        stream: stream.id,
        name: stream.name.clone(),
        meant,
        after: last.number,
    });
    Ok(api::ListShardsOutput {
        shards: Some(shards.iter().map(show).collect()),
        next_token: next.map(|position| position.token(cx.now_millis())),
    })
}

fn read_token(cx: &Cx, input: &api::ListShardsInput, token: &str) -> Result<Position> {
    let beside = if input.stream_name.is_some() {
        "StreamName"
    } else if input.exclusive_start_shard_id.is_some() {
        "ExclusiveStartShardId"
    } else if input.stream_creation_timestamp.is_some() {
        "StreamCreationTimestamp"
    } else {
        let place = error::read_token(cx, LIST, token)?;
        return Position::parse(&place).ok_or_else(|| error::invalid("The provided NextToken is invalid.").into());
    };
    Err(error::invalid(format!("NextToken and {beside} cannot be provided together.")).into())
}
