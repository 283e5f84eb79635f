//! What a stream is, its shards, and where they are kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use md5::{Digest as _, Md5};
use minicbor::{Decode, Encode};
use undercast_kernel::store::{Order, Read, Table};
use undercast_kernel::{Cx, Result, Timestamp};

use crate::error;
use crate::name::StreamName;
use crate::sequence::Sequence;

/// Account, region, name → stream.
pub(crate) static STREAMS: Table<Stream> = Table::new("kinesis.streams");
/// Account, region, id of the stream, number → shard.
pub(crate) static SHARDS: Table<Shard> = Table::new("kinesis.shards");
/// Account, region, id of the stream → where it has come to.
pub(crate) static HEADS: Table<Head> = Table::new("kinesis.heads");
/// Account, region → the id of the next stream.
pub(crate) static NEXT_ID: Table<u64> = Table::new("kinesis.next_id");

/// How long records are kept by default, in hours.
pub(crate) const DAY: i32 = 24;
/// Milliseconds of an hour.
pub(crate) const HOUR: i64 = 3_600_000;
/// The largest record where nothing else was said, in KiB.
pub(crate) const RECORD_KIB: i32 = 1024;

/// Where the rows of a stream begin: account, region, id.
pub(crate) type Place<'a> = (&'a str, &'a str, u64);

/// A stream.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Stream {
    /// Unique in the account and region, also among streams of the same name.
    #[n(0)]
    pub(crate) id: u64,
    #[n(1)]
    pub(crate) name: String,
    /// Milliseconds since 1970.
    #[n(2)]
    pub(crate) created: i64,
    #[n(3)]
    pub(crate) on_demand: bool,
    #[n(4)]
    pub(crate) retention_hours: i32,
    #[n(5)]
    pub(crate) status: Status,
    /// Another number with every change of its shards.
    #[n(6)]
    pub(crate) layout: u64,
    #[n(7)]
    pub(crate) tags: BTreeMap<String, String>,
    /// The shard-level metrics that are on, in AWS's order.
    #[n(8)]
    pub(crate) monitored: Vec<String>,
    /// The key of KMS by which records are encrypted, as it was given.
    #[n(9)]
    pub(crate) key: Option<String>,
    #[n(10)]
    pub(crate) max_record_kib: i32,
    /// MiB a second that it was asked to be ready for.
    #[n(11)]
    pub(crate) warm: Option<i32>,
    /// Records are distributed by the service, whatever their keys.
    #[n(12)]
    pub(crate) distributes: bool,
    #[n(13)]
    pub(crate) policy: Option<String>,
    /// What iterators are signed with.
    #[cbor(n(14), with = "minicbor::bytes")]
    pub(crate) secret: Vec<u8>,
    #[n(15)]
    pub(crate) changed: Changes,
    /// What came before this moment was over when it was last said how long records are kept, in milliseconds since 1970.
    #[n(16)]
    pub(crate) over: i64,
}

/// When what may be done so many times a day was done, in milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Changes {
    /// UpdateShardCount.
    #[n(0)]
    pub(crate) resized: Vec<i64>,
    /// UpdateStreamMode.
    #[n(1)]
    pub(crate) mode: Vec<i64>,
    /// StartStreamEncryption and StopStreamEncryption.
    #[n(2)]
    pub(crate) encryption: Vec<i64>,
}

/// What a stream is doing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Status {
    #[n(0)]
    Active,
    #[n(1)]
    Creating,
    #[n(2)]
    Deleting,
    /// It comes to be what it was told to be.
    #[n(3)]
    Updating(#[n(0)] Change),
}

/// What is being done to a stream.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Change {
    /// A setting, which holds already.
    #[n(0)]
    Setting,
    #[n(1)]
    Split {
        #[n(0)]
        shard: u32,
        #[n(1)]
        at: HashKey,
    },
    #[n(2)]
    Merge {
        #[n(0)]
        shard: u32,
        #[n(1)]
        adjacent: u32,
    },
    #[n(3)]
    Resize {
        #[n(0)]
        target: u32,
    },
    #[n(4)]
    Encrypt {
        #[n(0)]
        key: Option<String>,
    },
}

impl Status {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Creating => "CREATING",
            Self::Deleting => "DELETING",
            Self::Updating(_) => "UPDATING",
        }
    }
}

/// A number of 128 bits, by which records are spread over shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HashKey(pub(crate) u128);

impl HashKey {
    pub(crate) const LAST: Self = Self(u128::MAX);

    /// The one of a partition key.
    pub(crate) fn of(partition_key: &str) -> Self {
        Self(u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()))
    }

    /// One that a call gives in decimal digits.
    pub(crate) fn parse(given: &str) -> Option<Self> {
        given.parse().ok().map(Self)
    }
}

impl std::fmt::Display for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<C> Encode<C> for HashKey {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> std::result::Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0.to_be_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for HashKey {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> std::result::Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?.try_into().map_err(|_| minicbor::decode::Error::message("a hash key has 16 bytes"))?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

/// A shard.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Shard {
    #[n(0)]
    pub(crate) number: u32,
    /// Its first hash key.
    #[n(1)]
    pub(crate) from: HashKey,
    /// Its last one.
    #[n(2)]
    pub(crate) to: HashKey,
    #[n(3)]
    pub(crate) parent: Option<u32>,
    /// The other one that it was merged of.
    #[n(4)]
    pub(crate) adjacent: Option<u32>,
    /// Milliseconds since 1970.
    #[n(5)]
    pub(crate) created: i64,
    /// When it was split or merged.
    #[n(6)]
    pub(crate) closed: Option<i64>,
}

/// A second of a moment in milliseconds, as sequence numbers have them.
fn second(millis: i64) -> u64 {
    u64::try_from(millis.div_euclid(1000)).unwrap_or(0)
}

impl Shard {
    pub(crate) fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    pub(crate) fn first_sequence(&self) -> Sequence {
        Sequence::first(second(self.created), self.number)
    }

    /// Its last sequence number, if it is closed.
    pub(crate) fn last_sequence(&self) -> Option<Sequence> {
        let closed = self.closed?;
        Some(Sequence::last(second(self.created), self.number, second(closed)))
    }

    /// The sequence number of a record.
    pub(crate) fn sequence(&self, index: u64, at: i64) -> Sequence {
        Sequence { made: second(self.created), shard: self.number, index, second: second(at) }
    }

    /// Whether a sequence number is one of this shard, and not of one of the same number in another stream.
    pub(crate) fn made(&self, sequence: &Sequence) -> bool {
        sequence.made == second(self.created)
    }

    /// Whether it came of another shard.
    pub(crate) fn is_child_of(&self, other: u32) -> bool {
        self.parent == Some(other) || self.adjacent == Some(other)
    }
}

/// What a shard of a number is called.
pub(crate) fn shard_name(number: u32) -> String {
    format!("shardId-{number:012}")
}

/// The number of a shard that a call names. AWS takes the bare number too.
pub(crate) fn shard_number(name: &str) -> Option<u32> {
    let digits = name.split_once('-').map_or(name, |(_, digits)| digits);
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok())?;
    number.filter(|n| i32::try_from(*n).is_ok())
}

/// Where a stream has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Head {
    /// The index of its next record.
    #[n(0)]
    pub(crate) next: u64,
    /// When its last record came, in milliseconds since 1970.
    #[n(1)]
    pub(crate) at: i64,
}

impl Head {
    pub(crate) const FIRST: Self = Self { next: 1, at: 0 };
}

impl Stream {
    /// Where its own rows begin.
    pub(crate) fn place<'a>(&self, cx: &'a Cx) -> Place<'a> {
        (cx.account(), cx.region(), self.id)
    }

    /// What is older than this is kept no more, in milliseconds since 1970.
    pub(crate) fn horizon(&self, now: i64) -> i64 {
        (now - i64::from(self.retention_hours) * HOUR).max(self.over)
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        cx.arn("kinesis", &format!("stream/{}", self.name))
    }

    pub(crate) fn mode(&self) -> &'static str {
        if self.on_demand { "ON_DEMAND" } else { "PROVISIONED" }
    }

    /// The topic that is rung when something came to one of its shards, or the shard was closed.
    pub(crate) fn topic(&self, cx: &Cx, shard: u32) -> String {
        format!("kinesis.shard:{}:{}:{}:{shard}", cx.account(), cx.region(), self.id)
    }

    /// The topic that is rung when it has come to be what it was told to be.
    pub(crate) fn settled(&self, cx: &Cx) -> String {
        format!("kinesis.stream:{}:{}:{}", cx.account(), cx.region(), self.id)
    }
}

impl StreamName {
    /// The stream that has this name. The call goes to its account.
    pub(crate) fn find(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Stream> {
        STREAMS.get(from, &cx.key(&self.name))?.ok_or_else(|| error::no_stream(self).into())
    }

    /// The same, of a stream that can be changed.
    pub(crate) fn find_active(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Stream> {
        let stream = self.find(cx, from)?;
        if stream.status == Status::Active { Ok(stream) } else { Err(error::not_active(self, &stream).into()) }
    }
}

/// A moment, as answers tell it.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// All shards of a stream that are known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    version: u64,
    /// By number.
    pub(crate) shards: Vec<Shard>,
    /// Places in `shards` of those that are open, by their first hash key.
    open: Vec<usize>,
}

impl Layout {
    pub(crate) fn read(cx: &Cx, from: &(impl Read + ?Sized), stream: &Stream) -> Result<Self> {
        let rows = SHARDS.page(from, &stream.place(cx), None::<&()>, Order::Ascending, usize::MAX)?;
        Ok(Self::of(stream.layout, rows.into_iter().map(|entry| entry.row).collect()))
    }

    fn of(version: u64, shards: Vec<Shard>) -> Self {
        let mut open: Vec<usize> = (0..shards.len()).filter(|at| shards[*at].is_open()).collect();
        open.sort_by_key(|at| shards[*at].from);
        Self { version, shards, open }
    }

    /// The open shard to which a hash key belongs.
    pub(crate) fn of_key(&self, key: HashKey) -> Option<&Shard> {
        let behind = self.open.partition_point(|at| self.shards[*at].from <= key);
        self.shards.get(*self.open.get(behind.checked_sub(1)?)?)
    }

    /// The open shards, by their hash keys.
    pub(crate) fn open(&self) -> impl ExactSizeIterator<Item = &Shard> {
        self.open.iter().map(|at| &self.shards[*at])
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Shard> {
        let at = self.shards.binary_search_by_key(&number, |shard| shard.number).ok()?;
        self.shards.get(at)
    }

    /// The shard that a reader names.
    pub(crate) fn named(&self, stream: &StreamName, given: &str) -> Result<&Shard> {
        let number = shard_number(given).ok_or_else(|| error::shard_not_found(stream, given))?;
        self.get(number).ok_or_else(|| error::no_shard(stream, &shard_name(number)).into())
    }

    /// The shards that came of one that was split or merged.
    pub(crate) fn children(&self, number: u32) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter(move |shard| shard.is_child_of(number))
    }
}

/// Layouts as they were last read.
#[derive(Debug, Default)]
pub(crate) struct Layouts(Mutex<HashMap<(String, String, u64), Arc<Layout>>>);

/// Layouts of more streams than so many are not kept.
const KEPT: usize = 1024;

impl Layouts {
    /// The layout of a stream as it was read.
    pub(crate) fn get(&self, cx: &Cx, from: &(impl Read + ?Sized), stream: &Stream) -> Result<Arc<Layout>> {
        let key = (cx.account().to_owned(), cx.region().to_owned(), stream.id);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known.filter(|known| known.version == stream.layout) {
            return Ok(known);
        }
        let read = Arc::new(Layout::read(cx, from, stream)?);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(key, read.clone());
        Ok(read)
    }
}
