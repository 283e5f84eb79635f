//! PutRecord and PutRecords.
//!
//! Records are spread, let in, packed and sealed before the transaction, which only gives them their numbers.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use undercast_kernel::{Bytes, Cx, Failure, Result};

use crate::api::{self, errors, input, output};
use crate::batch::{self, Batch, Record};
use crate::metrics::{self, Traffic};
use crate::name::StreamName;
use crate::sequence::Sequence;
use crate::stream::{HEADS, HashKey, Head, Layout, Shard, Status, Stream, shard_name};
use crate::{Kinesis, error, mode, settle};

/// The most bytes of one call, partition keys included.
const MOST_BYTES: usize = 10 * 1024 * 1024;
/// A stream that changes under a call is looked at again; more often than this it does not.
const TRIES: usize = 8;

/// A record that shall be put.
struct Draft {
    record: Record,
    hash: Option<String>,
}

impl Draft {
    fn size(&self) -> usize {
        self.record.size()
    }
}

/// What became of a record.
#[derive(Debug, Clone)]
enum Put {
    Stored { shard: u32, sequence: Sequence },
    Throttled { shard: u32 },
}

/// Records that go into one shard, by their places in the call.
struct Share {
    shard: Shard,
    places: Vec<usize>,
    rows: Vec<Batch>,
}

/// What a call puts into a stream.
struct Putting<'a> {
    service: &'a Kinesis,
    cx: &'a Cx,
    name: &'a StreamName,
    drafts: Vec<Draft>,
}

/// What came of all records of a call.
struct Outcome {
    stream: Stream,
    puts: Vec<Put>,
}

pub(crate) async fn one(service: &Kinesis, cx: &Cx, input: api::PutRecordInput) -> Result<api::PutRecordOutput> {
    let began = Instant::now();
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let cx = &*settle::wait_made(cx, &name).await?;
    let stream = writable(cx, &name)?;
    check_ordering(cx, &name, &stream, input.sequence_number_for_ordering.as_deref())?;
    let drafts = vec![draft(&stream, (input.partition_key, input.explicit_hash_key, input.data), "partitionKey")?];
    let putting = Putting { service, cx, name: &name, drafts };
    putting.check(&stream)?;
    service.check_dry_run(cx, &stream, input.dry_run)?;
    let size = putting.drafts.iter().map(Draft::size).sum();
    let result = putting.put().await.and_then(|outcome| match outcome.puts.first() {
        Some(Put::Stored { shard, sequence }) => Ok((*shard, *sequence, outcome.stream.key.is_some())),
        Some(Put::Throttled { shard }) => Err(error::rate_exceeded(&name, *shard).into()),
        None => Err(cx.broken("a record came to nothing")),
    });
    metrics::call(cx, &stream, "PutRecord", began, &result);
    let (shard, sequence, sealed) = result?;
    metrics::of_stream(cx, &stream, "PutRecord.Bytes", "Bytes", metrics::float(size));
    Ok(api::PutRecordOutput {
        shard_id: shard_name(shard),
        sequence_number: sequence.to_string(),
        encryption_type: sealed.then(|| "KMS".to_owned()),
    })
}

pub(crate) async fn many(service: &Kinesis, cx: &Cx, input: api::PutRecordsInput) -> Result<api::PutRecordsOutput> {
    let began = Instant::now();
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let cx = &*settle::wait_made(cx, &name).await?;
    let stream = writable(cx, &name)?;
    let mut drafts = Vec::with_capacity(input.records.len());
    for (number, entry) in (1..).zip(input.records) {
        let input::PutRecordsRequestEntry { data, explicit_hash_key, partition_key } = entry;
        let path = format!("records.{number}.member.partitionKey");
        drafts.push(draft(&stream, (partition_key, explicit_hash_key, data), &path)?);
    }
    let putting = Putting { service, cx, name: &name, drafts };
    putting.check(&stream)?;
    service.check_dry_run(cx, &stream, input.dry_run)?;
    let size = putting.drafts.iter().map(Draft::size).sum();
    let result = putting.put().await;
    metrics::call(cx, &stream, "PutRecords", began, &result);
    let outcome = result?;
    let failed = outcome.puts.iter().filter(|put| matches!(put, Put::Throttled { .. })).count();
    let all = outcome.puts.len();
    for (metric, value) in [
        ("PutRecords.Records", all - failed),
        ("PutRecords.TotalRecords", all),
        ("PutRecords.SuccessfulRecords", all - failed),
        ("PutRecords.FailedRecords", 0),
        ("PutRecords.ThrottledRecords", failed),
    ] {
        metrics::of_stream(cx, &stream, metric, "Count", metrics::float(value));
    }
    metrics::of_stream(cx, &stream, "PutRecords.Bytes", "Bytes", metrics::float(size));
    Ok(api::PutRecordsOutput {
        failed_record_count: i32::try_from(failed).ok(),
        records: outcome.puts.iter().map(|put| show(&name, put)).collect(),
        encryption_type: outcome.stream.key.is_some().then(|| "KMS".to_owned()),
    })
}

fn show(name: &StreamName, put: &Put) -> output::PutRecordsResultEntry {
    match put {
        Put::Stored { shard, sequence } => output::PutRecordsResultEntry {
            sequence_number: Some(sequence.to_string()),
            shard_id: Some(shard_name(*shard)),
            error_code: None,
            error_message: None,
        },
        Put::Throttled { shard } => output::PutRecordsResultEntry {
            sequence_number: None,
            shard_id: None,
            error_code: Some("ProvisionedThroughputExceededException".to_owned()),
            error_message: Some(error::rate_exceeded_message(name, *shard)),
        },
    }
}

/// A stream that takes records.
fn writable(cx: &Cx, name: &StreamName) -> Result<Stream> {
    let stream = name.find(cx, &cx.read())?;
    // AWS does not know streams yet, or any more, that are being made or deleted.
    if matches!(stream.status, Status::Creating | Status::Deleting) {
        return Err(error::no_stream(name).into());
    }
    Ok(stream)
}

fn draft(
    stream: &Stream,
    (partition_key, hash, data): (Option<String>, Option<String>, Bytes),
    path: &str,
) -> Result<Draft> {
    if partition_key.is_none() && !stream.distributes {
        return Err(error::violates(path, None, "Member must not be null").into());
    }
    Ok(Draft { record: Record { partition_key, data }, hash })
}

/// Numbers that only rise are given anyway; one that was never given is refused.
fn check_ordering(cx: &Cx, name: &StreamName, stream: &Stream, given: Option<&str>) -> Result<()> {
    let Some(given) = given else { return Ok(()) };
    if stream.distributes {
        let message =
            "SequenceNumberForOrdering must not be specified for a stream whose RecordDistributionStrategy is AUTO.";
        return Err(error::invalid(message).into());
    }
    let now = cx.now_millis().div_euclid(1000);
    let known = |sequence: &Sequence| i64::try_from(sequence.second).is_ok_and(|second| second <= now);
    if Sequence::parse(given).filter(known).is_none() {
        let StreamName { name, account } = name;
        let message = format!(
            "ExclusiveMinimumSequenceNumber {given} used in PutRecord on stream {name} under account {account} is invalid."
        );
        return Err(error::invalid(message).into());
    }
    Ok(())
}

/// The stream has changed since it was looked at.
struct Changed;

impl Putting<'_> {
    /// Refuses records that are too large, alone or together, and hash keys that are none.
    fn check(&self, stream: &Stream) -> Result<()> {
        let most = usize::try_from(stream.max_record_kib).unwrap_or(0) * 1024;
        for draft in &self.drafts {
            if draft.size() > most {
                let message = format!(
                    "Record size including partition key exceeds the maximum record size of {} KiB of stream {} under account {}.",
                    stream.max_record_kib, self.name.name, self.name.account
                );
                return Err(error::invalid(message).into());
            }
            if let Some(hash) = draft.hash.as_ref().filter(|hash| HashKey::parse(hash).is_none()) {
                let message = format!(
                    "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {hash}"
                );
                return Err(error::invalid(message).into());
            }
        }
        if self.drafts.iter().map(Draft::size).sum::<usize>() > MOST_BYTES {
            return Err(error::invalid("Records size exceeds 10 MB limit").into());
        }
        Ok(())
    }

    async fn put(&self) -> Result<Outcome> {
        let mut puts: Option<Vec<Option<Put>>> = None;
        for _ in 0..TRIES {
            let stream = writable(self.cx, self.name)?;
            let layout = self.service.layouts.get(self.cx, &self.cx.read(), &stream)?;
            let sealer = self.service.vault.sealer(self.cx, &stream).await?;
            let targets = self.targets(&stream, &layout)?;
            // Who was let in stays so, also where a shard was split in the meantime.
            let puts = puts.get_or_insert_with(|| self.admit(&stream, &targets));
            let mut shares = self.shares(&targets, puts);
            for share in &mut shares {
                share.rows = batch::pack(share.places.iter().map(|place| &self.drafts[*place].record));
                if let Some(sealer) = &sealer {
                    for row in &mut share.rows {
                        sealer.seal(self.cx, &stream, share.shard.number, row)?;
                    }
                }
            }
            if let Ok(stored) = self.store(&stream, &mut shares).await? {
                for (place, put) in stored {
                    puts[place] = Some(put);
                }
                self.tell(&stream, &targets, puts, &shares);
                self.follow_demand(&stream, &layout).await?;
                return Ok(Outcome { stream, puts: puts.iter().flatten().cloned().collect() });
            }
        }
        Err(self.cx.broken("a stream changes faster than it can be written to"))
    }

    /// The shard of each record.
    fn targets<'l>(&self, stream: &Stream, layout: &'l Layout) -> Result<Vec<&'l Shard>> {
        let target = |draft: &Draft| {
            if stream.distributes {
                let turn = self.service.turn.fetch_add(1, Ordering::Relaxed);
                return layout.open().nth(turn % layout.open().len().max(1));
            }
            let key = match &draft.hash {
                Some(hash) => HashKey::parse(hash)?,
                None => HashKey::of(draft.record.partition_key.as_deref().unwrap_or_default()),
            };
            layout.of_key(key)
        };
        let found = self.drafts.iter().map(|draft| target(draft).ok_or_else(|| self.cx.broken("no shard has a key")));
        found.collect()
    }

    /// Lets records in, as far as their shards take them: those that are not are `Some`.
    fn admit(&self, stream: &Stream, targets: &[&Shard]) -> Vec<Option<Put>> {
        let mut meter = self.service.limits.of(self.cx, stream);
        let drafts = self.drafts.iter().zip(targets);
        let admitted = drafts.map(|(draft, shard)| {
            let fits = meter.write(shard.number, draft.size());
            (!fits).then_some(Put::Throttled { shard: shard.number })
        });
        admitted.collect()
    }

    fn shares(&self, targets: &[&Shard], puts: &[Option<Put>]) -> Vec<Share> {
        let mut shares: BTreeMap<u32, Share> = BTreeMap::new();
        for (place, shard) in targets.iter().enumerate().filter(|(place, _)| puts[*place].is_none()) {
            let new = || Share { shard: (*shard).clone(), places: Vec::new(), rows: Vec::new() };
            shares.entry(shard.number).or_insert_with(new).places.push(place);
        }
        shares.into_values().collect()
    }

    /// Gives records their numbers and stores them, unless the stream is another by now.
    async fn store(
        &self,
        seen: &Stream,
        shares: &mut [Share],
    ) -> Result<std::result::Result<Vec<(usize, Put)>, Changed>> {
        let cx = self.cx;
        if shares.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        cx.write(|tx| {
            let stream = self.name.find(cx, tx)?;
            if (stream.id, stream.layout, &stream.key) != (seen.id, seen.layout, &seen.key) {
                return Ok(Err(Changed));
            }
            let place = stream.place(cx);
            let mut head = HEADS.get(tx, &place)?.unwrap_or(Head::FIRST);
            head.at = head.at.max(cx.now_millis());
            let mut puts = Vec::new();
            for share in shares.iter_mut() {
                let mut places = share.places.iter();
                for row in &mut share.rows {
                    row.at = head.at;
                    let first = head.next;
                    head.next += u64::from(row.count);
                    batch::put(cx, tx, &stream, share.shard.number, first, row);
                    for (index, place) in (first..head.next).zip(places.by_ref()) {
                        let sequence = share.shard.sequence(index, head.at);
                        puts.push((*place, Put::Stored { shard: share.shard.number, sequence }));
                    }
                }
            }
            HEADS.put(tx, &place, &head);
            Ok::<_, Failure>(Ok(puts))
        })
        .await
    }

    /// Has a stream on demand grow to what is asked of it.
    async fn follow_demand(&self, stream: &Stream, layout: &Layout) -> Result<()> {
        if !stream.on_demand || stream.status != Status::Active || self.service.limits.are_off() {
            return Ok(());
        }
        let wanted = self.service.limits.of(self.cx, stream).demand();
        if usize::try_from(wanted).is_ok_and(|wanted| wanted > layout.open().len()) {
            mode::grow(self.cx, self.name, wanted).await?;
        }
        Ok(())
    }

    /// Wakes those who wait for records, and counts.
    fn tell(&self, stream: &Stream, targets: &[&Shard], puts: &[Option<Put>], shares: &[Share]) {
        for share in shares {
            self.cx.signals().ring(&stream.topic(self.cx, share.shard.number));
        }
        let mut traffic: BTreeMap<u32, Traffic> = BTreeMap::new();
        for ((draft, shard), put) in self.drafts.iter().zip(targets).zip(puts) {
            let of = traffic.entry(shard.number).or_default();
            if matches!(put, Some(Put::Throttled { .. })) {
                of.throttled += 1;
            } else {
                of.bytes += draft.size();
                of.records += 1;
            }
        }
        metrics::incoming(self.cx, stream, traffic.into_iter());
    }
}

impl Kinesis {
    /// Ends a call that only wanted to know whether it would be done.
    pub(crate) fn check_dry_run(&self, cx: &Cx, stream: &Stream, dry_run: Option<bool>) -> Result<()> {
        if dry_run != Some(true) {
            return Ok(());
        }
        // "Requests with DryRun enabled are throttled at a dedicated limit of 1 transaction per second per stream."
        if !self.limits.of(cx, stream).try_out() {
            return Err(errors::throttling_exception("Rate exceeded").into());
        }
        let message = "The request would have succeeded, but the DryRun parameter was specified.";
        Err(errors::dry_run_operation_exception(message).into())
    }
}
