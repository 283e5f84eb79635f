//! The delivery: what a table's feed has is put into its streams, over and over until it is there.

use super::form::{Formed, Source, form};
use super::{Destination, Status, topic};
use crate::encryption::{self, Keys};
use crate::error::{Error, Result};
use crate::request::scope;
use crate::rows;
use crate::streams::store::{self, RETENTION, Record};
use crate::table::Table;
use serde_json::{Value as Json, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use undercast_kernel::{Cx, Failure, Kernel, Metric};
use undercast_store::Read;
use undercast_wire::text;

/// Account, region, id of the table, ARN of the stream → the position of the first record that is not there yet.
static DELIVERED: undercast_store::Table<u64> = undercast_store::Table::new("dynamodb.delivered");

/// So many records are put at a time, and bytes.
const AT_ONCE: usize = 200;
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// After a failure it waits so long.
const PAUSE: Duration = Duration::from_secs(1);
/// Where nothing is to be done it looks again after so long.
const IDLE: Duration = Duration::from_secs(60);

/// The deliveries that are running, by table and stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pumps(Arc<Mutex<HashSet<(String, String)>>>);

/// A delivery.
struct Pump {
    kernel: Kernel,
    account: String,
    region: String,
    name: String,
    id: String,
    stream: String,
}

/// What came of a look.
enum Came {
    /// There may be more.
    More,
    /// There is nothing to do.
    Nothing,
    /// It is to be tried again later.
    Failed,
    /// Nothing goes there any more.
    Over,
}

impl Pumps {
    /// Begins what a table delivers, unless it is running.
    pub(crate) fn begin(&self, kernel: &Kernel, (account, region): (&str, &str), table: &Table) {
        let all = table.destinations.iter().flat_map(|destinations| &destinations.all);
        for destination in all.filter(|destination| destination.is_live()) {
            let key = (table.id.clone(), destination.stream.clone());
            if !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
                continue;
            }
            let pump = Pump {
                kernel: kernel.clone(),
                account: account.to_owned(),
                region: region.to_owned(),
                name: table.name.clone(),
                id: table.id.clone(),
                stream: destination.stream.clone(),
            };
            let pumps = self.clone();
            kernel.spawn(async move { pump.run(&pumps).await });
        }
    }

    /// Begins what all tables deliver, when the cloud begins.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn begin_all(&self, kernel: &Kernel) -> Result<()> {
        for ((account, region), table) in rows::every_table(&kernel.database().read())? {
            self.begin(kernel, (&account, &region), &table);
        }
        Ok(())
    }
}

impl Pump {
    fn cx(&self) -> Cx {
        self.kernel.cx_for(&self.account, &self.region)
    }

    async fn run(&self, pumps: &Pumps) {
        let key = (self.id.clone(), self.stream.clone());
        loop {
            let bell = self.kernel.signals().of(&topic(&self.id));
            let mut heard = std::pin::pin!(bell.notified());
            heard.as_mut().enable();
            let came = self.look().await.unwrap_or_else(|error| {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(table = self.name, stream = self.stream, error, "writes could not be delivered");
                Came::Failed
            });
            let pause = match came {
                Came::More => continue,
                Came::Nothing => IDLE,
                Came::Failed => PAUSE,
                Came::Over => {
                    pumps.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                    // It may have begun anew since the look.
                    let again = matches!(self.destination(&self.cx().read()), Ok(Some((_, there))) if there.is_live());
                    if !again || !pumps.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone()) {
                        return;
                    }
                    continue;
                }
            };
            let failed = matches!(came, Came::Failed);
            tokio::select! {
                () = heard, if !failed => {}
                () = self.kernel.clock().sleep(pause) => {}
            }
        }
    }

    /// The table and the destination as they are, if they are still there.
    fn destination(&self, from: &impl Read) -> Result<Option<(Table, Destination)>> {
        let cx = self.cx();
        let table = rows::table(from, scope(&cx), &self.name)?.filter(|table| table.id == self.id);
        let Some(table) = table else { return Ok(None) };
        let mut all = table.destinations.iter().flat_map(|destinations| &destinations.all);
        let found = all.find(|destination| destination.stream == self.stream).cloned();
        Ok(found.map(|destination| (table, destination)))
    }

    async fn look(&self) -> Result<Came> {
        let cx = self.cx();
        let Some((table, destination)) = self.destination(&cx.read())? else {
            cx.write(|tx| {
                DELIVERED.delete(tx, &(cx.account(), cx.region(), &self.id, &self.stream));
                Ok(())
            })
            .await?;
            return Ok(Came::Over);
        };
        match destination.status {
            Status::Disabled | Status::Failed => Ok(Came::Over),
            Status::Updating => self.settle(&cx, Status::Updating, Status::Active, None).await,
            Status::Disabling => self.settle(&cx, Status::Disabling, Status::Disabled, None).await,
            Status::Enabling => {
                let input = json!({"StreamARN": self.stream});
                match cx.call("kinesis", "DescribeStreamSummary", input).await {
                    Ok(_) => self.settle(&cx, Status::Enabling, Status::Active, None).await,
                    Err(Failure::Aws(error)) => {
                        self.settle(&cx, Status::Enabling, Status::Failed, Some(error.message.clone())).await
                    }
                    Err(other) => Err(other.into()),
                }
            }
            Status::Active => self.deliver(&cx, &table, &destination).await,
        }
    }

    /// Notes what has become of the destination.
    async fn settle(&self, cx: &Cx, from: Status, to: Status, why: Option<String>) -> Result<Came> {
        cx.write(|tx| {
            let Some(mut table) = rows::table(tx, scope(cx), &self.name)?.filter(|table| table.id == self.id) else {
                return Ok(());
            };
            let there = table.destinations.as_mut().and_then(|all| all.of(&self.stream));
            if let Some(there) = there.filter(|there| there.status == from) {
                (there.status, there.why) = (to, why.clone());
                rows::put_table(tx, scope(cx), &table);
                if to == Status::Disabled {
                    DELIVERED.delete(tx, &(cx.account(), cx.region(), &self.id, &self.stream));
                }
            }
            Ok(())
        })
        .await?;
        Ok(Came::More)
    }

    /// Delivers some records.
    async fn deliver(&self, cx: &Cx, table: &Table, destination: &Destination) -> Result<Came> {
        let Some(feed) = table.destinations.as_ref().map(|destinations| destinations.feed.id.clone()) else {
            return Ok(Came::Over);
        };
        let from = cx.read();
        let place = (cx.account(), cx.region(), self.id.as_str(), self.stream.as_str());
        let begin = DELIVERED.get(&from, &place)?.unwrap_or(0).max(destination.since);
        let found = store::records(&from, scope(cx), &feed, begin, AT_ONCE)?;
        if found.is_empty() {
            return Ok(Came::Nothing);
        }
        let oldest = found.first().map_or(0, |(_, record)| record.at);
        self.observe(cx, "AgeOfOldestUnreplicatedRecord", "Milliseconds", millis(cx.now_millis() - oldest));
        let (mut formed, mut bytes, mut end) = (Vec::new(), 0, begin);
        for (position, record) in self.opened(cx, table, &feed, found).await? {
            // "If it can't be delivered for 24 hours it is lost."
            if record.at + RETENTION > cx.now_millis() {
                let microseconds = destination.microseconds;
                let of = Source { region: cx.region(), table: &table.name, feed: &feed, position, microseconds };
                let one = form(&of, record)?;
                bytes += one.data.len();
                if bytes > MOST_BYTES && !formed.is_empty() {
                    break;
                }
                formed.push(one);
            } else {
                self.observe(cx, "FailedToReplicateRecordCount", "Count", 1.0);
            }
            end = position + 1;
        }
        if !self.put(cx, formed).await? {
            return Ok(Came::Failed);
        }
        cx.write(|tx| {
            DELIVERED.put(tx, &place, &end);
            Ok(())
        })
        .await?;
        self.trim(cx, table, &feed).await?;
        Ok(Came::More)
    }

    /// Records as they are, of which some may be sealed with keys of their table.
    async fn opened(
        &self,
        cx: &Cx,
        table: &Table,
        feed: &str,
        found: Vec<(u64, Record)>,
    ) -> Result<Vec<(u64, Record)>> {
        if !found.iter().any(|(_, record)| record.is_sealed()) {
            return Ok(found);
        }
        let encryption = table.encryption.clone().ok_or(Error::Locked)?;
        let ring = encryption::ring_for(cx, &table.name, &encryption).await?;
        let keys = Keys { all: &encryption.keys, seals: false, ring: Some(&ring) };
        found.into_iter().map(|(position, record)| Ok((position, record.opened(keys, feed)?))).collect()
    }

    /// Puts records into the stream, until all are there; says whether they are.
    async fn put(&self, cx: &Cx, mut left: Vec<Formed>) -> Result<bool> {
        while !left.is_empty() {
            let entries: Vec<Json> = left.iter().map(entry).collect();
            let input = json!({"StreamARN": self.stream, "Records": entries});
            let answer = match cx.refreshed().call("kinesis", "PutRecords", input).await {
                Ok(answer) => answer,
                // One that is too large for the stream holds up the others.
                Err(Failure::Aws(error)) if error.code == "InvalidArgumentException" && left.len() > 1 => {
                    return self.put_each(cx, left).await;
                }
                Err(Failure::Aws(error)) if error.code == "InvalidArgumentException" => {
                    self.observe(cx, "FailedToReplicateRecordCount", "Count", 1.0);
                    return Ok(true);
                }
                Err(failure) => return Err(failure.into()),
            };
            let results = answer["Records"].as_array().cloned().unwrap_or_else(Vec::new);
            let refused = |result: &Json| result["ErrorCode"].is_string();
            let (mut again, mut units) = (Vec::new(), 0);
            for (formed, result) in left.into_iter().zip(results) {
                if refused(&result) {
                    again.push(formed);
                } else {
                    units += formed.size.div_ceil(1024).max(1);
                }
            }
            self.observe(cx, "ConsumedChangeDataCaptureUnits", "Count", float(units));
            if !again.is_empty() {
                self.observe(cx, "ThrottledPutRecordCount", "Count", float(again.len()));
                self.kernel.clock().sleep(PAUSE).await;
            }
            left = again;
        }
        Ok(true)
    }

    async fn put_each(&self, cx: &Cx, all: Vec<Formed>) -> Result<bool> {
        for one in all {
            if !Box::pin(self.put(cx, vec![one])).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes from the feed what all its streams have.
    async fn trim(&self, cx: &Cx, table: &Table, feed: &str) -> Result<()> {
        let all = table.destinations.iter().flat_map(|destinations| &destinations.all);
        let takers: Vec<&Destination> = all.filter(|destination| destination.takes()).collect();
        cx.write(|tx| {
            let mut least = u64::MAX;
            for taker in &takers {
                let delivered = DELIVERED.get(tx, &(cx.account(), cx.region(), &self.id, &taker.stream))?;
                least = least.min(delivered.unwrap_or(0).max(taker.since));
            }
            let old = store::records(tx, scope(cx), feed, 0, AT_ONCE)?;
            let done = old.iter().take_while(|(position, _)| *position < least).count();
            store::trim(tx, scope(cx), feed, i64::MAX, done)?;
            Ok(())
        })
        .await?;
        Ok(())
    }

    fn observe(&self, cx: &Cx, name: &str, unit: &str, value: f64) {
        let dimensions = [("TableName", self.name.as_str()), ("DelegatedOperation", "PutRecord")];
        cx.observe(&Metric { namespace: "AWS/DynamoDB", name, dimensions: &dimensions, unit }, value);
    }
}

fn entry(formed: &Formed) -> Json {
    json!({"PartitionKey": formed.partition_key, "Data": text::base64(&formed.data)})
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "ages are far below 2^52 milliseconds")]
fn millis(age: i64) -> f64 {
    age.max(0) as f64
}
