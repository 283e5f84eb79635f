//! Kinesis streams as sources: each shard is read once a second, from where the Firehose stream was made.
//!
//! What is read and how far that goes are written together, so that nothing is read twice. A shard that came of others is read
//! when those have ended.
//! Source: "Configure source settings for Kinesis Data Streams" in the developer guide.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Table, Tx};
use undercast_kernel::{Cx, Failure, Kernel, Result};
use undercast_wire::text;

use crate::PRINCIPAL;
use crate::buffer::{self, Origin, Record};
use crate::encryption::Vault;
use crate::error::invalid;
use crate::metrics::{float, observe};
use crate::stream::{STREAMS, Source, Stream};

/// Account, region, id of the Firehose stream, shard.
static PLACES: Table<Place> = Table::new("firehose.places");

/// A shard is read so often, by the machine's time.
const PACE: Duration = Duration::from_secs(1);
/// A shard that is far behind is read so often in a row.
const IN_A_ROW: usize = 8;

/// How far a shard was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
struct Place {
    /// The sequence number of the last record.
    #[n(0)]
    after: Option<String>,
    /// Nothing comes behind it.
    #[n(1)]
    ended: bool,
}

/// Those who read, by the id of the Firehose stream. One whose sender is gone stops.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    all: Mutex<HashMap<String, watch::Sender<()>>>,
}

/// Reads for all streams that are there.
pub(crate) fn start(readers: &Arc<Readers>, kernel: &Kernel) {
    match STREAMS.all(&kernel.database().read(), &()) {
        Ok(rows) => {
            for entry in rows {
                if let Some((account, region, _)) = entry.key::<(String, String, String)>() {
                    apply(readers, &kernel.cx_for(&account, &region), &entry.row);
                }
            }
        }
        Err(failure) => tracing::error!(%failure, "streams could not be read"),
    }
}

/// Reads for a stream, if it has such a source.
pub(crate) fn apply(readers: &Arc<Readers>, cx: &Cx, stream: &Stream) {
    let Source::Kinesis { arn, role } = &stream.source else { return };
    let (stopper, stopped) = watch::channel(());
    readers.all.lock().unwrap_or_else(PoisonError::into_inner).insert(stream.id.clone(), stopper);
    let reader = Reader {
        kernel: cx.kernel().clone(),
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        name: stream.name.clone(),
        id: stream.id.clone(),
        arn: arn.clone(),
        role: role.clone(),
        begun: stream.created,
    };
    cx.kernel().spawn(reader.run(stopped));
}

/// Reads no more for a stream.
pub(crate) fn stop(readers: &Readers, id: &str) {
    readers.all.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
}

/// Forgets how far it was read for a stream.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, stream: &Stream) -> Result<()> {
    PLACES.clear(tx, &cx.key(&stream.id)).map(drop).map_err(Failure::from)
}

/// Refuses a source that cannot be read.
pub(crate) async fn check(cx: &Cx, source: &Source) -> Result<()> {
    let Source::Kinesis { arn, role } = source else { return Ok(()) };
    let input = json!({"StreamARN": arn});
    match as_role(cx, arn, role).call("kinesis", "DescribeStreamSummary", input).await {
        Err(Failure::Aws(error)) => Err(invalid(error.message.clone())),
        other => other.map(drop),
    }
}

/// The role, where the stream is.
fn as_role(cx: &Cx, arn: &str, role: &str) -> Cx {
    let region = Arn::parse(arn).map_or_else(|| cx.region().to_owned(), |arn| arn.region);
    cx.elsewhere(cx.account(), &region).as_role(PRINCIPAL, role, "firehose")
}

/// Reads one stream for another.
struct Reader {
    kernel: Kernel,
    account: String,
    region: String,
    name: String,
    id: String,
    arn: String,
    role: String,
    /// Milliseconds since 1970.
    begun: i64,
}

impl Reader {
    fn cx(&self) -> Cx {
        self.kernel.cx_for(&self.account, &self.region)
    }

    async fn run(self, mut stopped: watch::Receiver<()>) {
        // The sender is dropped when it shall stop.
        while stopped.has_changed().is_ok() {
            if let Err(failure) = self.step().await {
                tracing::warn!(stream = self.name, %failure, "a source could not be read");
            }
            tokio::select! {
                () = tokio::time::sleep(PACE) => {}
                _ = stopped.changed() => {}
            }
        }
    }

    async fn ask(&self, operation: &str, input: Json) -> Result<Json> {
        as_role(&self.cx(), &self.arn, &self.role).call("kinesis", operation, input).await
    }

    fn place(&self, shard: &str) -> Result<Place> {
        let cx = self.cx();
        Ok(PLACES.get(&cx.read(), &(cx.account(), cx.region(), self.id.as_str(), shard))?.unwrap_or_default())
    }

    /// Looks once at each shard that has not ended, and whose parents have.
    async fn step(&self) -> Result<()> {
        let mut shards = Vec::new();
        let mut input = json!({"StreamARN": self.arn});
        loop {
            let page = self.ask("ListShards", input).await?;
            shards.extend(page["Shards"].as_array().into_iter().flatten().cloned());
            match page["NextToken"].as_str() {
                Some(token) => input = json!({"NextToken": token}),
                None => break,
            }
        }
        let id = |shard: &Json, member: &str| shard[member].as_str().map(ToOwned::to_owned);
        let all: Vec<String> = shards.iter().filter_map(|shard| id(shard, "ShardId")).collect();
        for shard in &shards {
            let Some(name) = id(shard, "ShardId") else { continue };
            let parents = [id(shard, "ParentShardId"), id(shard, "AdjacentParentShardId")];
            // A parent that is known no more is over.
            let waits = parents.iter().flatten().filter(|parent| all.contains(parent)).map(|parent| self.place(parent));
            let waits = waits.collect::<Result<Vec<Place>>>()?.iter().any(|parent| !parent.ended);
            let place = self.place(&name)?;
            if !waits && !place.ended {
                self.read(&name, place).await?;
            }
        }
        Ok(())
    }

    async fn read(&self, shard: &str, mut place: Place) -> Result<()> {
        let mut from = json!({"StreamARN": self.arn, "ShardId": shard});
        match &place.after {
            Some(after) => {
                from["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
                from["StartingSequenceNumber"] = json!(after);
            }
            None => {
                from["ShardIteratorType"] = json!("AT_TIMESTAMP");
                #[expect(clippy::cast_precision_loss, reason = "a moment in milliseconds is below 2^52")]
                let begun = self.begun as f64 / 1000.0;
                from["Timestamp"] = json!(begun);
            }
        }
        let mut iterator = self.ask("GetShardIterator", from).await?["ShardIterator"].as_str().map(ToOwned::to_owned);
        for _ in 0..IN_A_ROW {
            let Some(at) = iterator else { break };
            let answer = self.ask("GetRecords", json!({"ShardIterator": at})).await?;
            iterator = answer["NextShardIterator"].as_str().map(ToOwned::to_owned);
            let records = records(&answer, shard);
            if let Some(origin) = records.last().and_then(|record| record.origin.as_ref()) {
                place.after = Some(origin.sequence.clone());
            }
            place.ended = iterator.is_none();
            if place.ended || !records.is_empty() {
                self.store(shard, &place, &records).await?;
            }
            if answer["MillisBehindLatest"].as_i64().unwrap_or(0) == 0 {
                break;
            }
        }
        Ok(())
    }

    async fn store(&self, shard: &str, place: &Place, records: &[Record]) -> Result<()> {
        let cx = self.cx();
        let Some(stream) = STREAMS.get(&cx.read(), &cx.key(&self.name))?.filter(|s| s.id == self.id) else {
            return Ok(());
        };
        // Such a stream has no key of its own: that of the source counts.
        let sealed = Vault::default().seal(&cx, &stream, buffer::pack(records)?).await?;
        let stored = cx
            .write(|tx| {
                let Some(now) = STREAMS.get(tx, &cx.key(&self.name))?.filter(|s| s.id == self.id) else {
                    return Ok(None);
                };
                PLACES.put(tx, &(cx.account(), cx.region(), self.id.as_str(), shard), place);
                if !records.is_empty() {
                    buffer::add(&cx, tx, &now, records, sealed.clone())?;
                }
                Ok(Some(now))
            })
            .await?;
        if let Some(stream) = stored {
            let bytes = records.iter().map(|record| record.data.len()).sum();
            observe(&cx, &stream, "DataReadFromKinesisStream.Records", "Count", float(records.len()));
            observe(&cx, &stream, "DataReadFromKinesisStream.Bytes", "Bytes", float(bytes));
        }
        Ok(())
    }
}

fn records(answer: &Json, shard: &str) -> Vec<Record> {
    let record = |given: &Json| {
        #[expect(clippy::cast_possible_truncation, reason = "a moment in milliseconds is below 2^52")]
        let arrived = (given["ApproximateArrivalTimestamp"].as_f64()? * 1000.0).round() as i64;
        Some(Record {
            data: text::unbase64(given["Data"].as_str()?)?,
            arrived,
            origin: Some(Origin {
                shard: shard.to_owned(),
                partition_key: given["PartitionKey"].as_str().unwrap_or_default().to_owned(),
                sequence: given["SequenceNumber"].as_str()?.to_owned(),
            }),
        })
    };
    answer["Records"].as_array().into_iter().flatten().filter_map(record).collect()
}
