//! Map runs: the items of a distributed map, each batch an execution of its own.
//!
//! `items` reads them, `drive` starts the executions and takes their ends, `results` gathers or writes what they gave,
//! `operations` tells of them. A run is a row with counts, which each end of an execution changes with its own transaction, and a row
//! an execution with its input; so it goes on wherever it stopped.
//!
//! Source: "Using Map state in Distributed mode" and its pages in the developer guide.

mod drive;
mod items;
mod operations;
mod results;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Result};

use crate::rows::{Execution, Status};

pub(crate) use drive::{begin, pump, stop};
pub(crate) use operations::{describe, list, update};

/// Account, region, machine with label, id.
static RUNS: Table<MapRun> = Table::new("stepfunctions.map_runs");
/// Account, region, machine with label, id, number of the child.
static CHILDREN: Table<Child> = Table::new("stepfunctions.map_runs.children");
/// Account, region, machine, name of the execution, start, ARN of its map run.
static OF_EXECUTION: Table<u8> = Table::new("stepfunctions.map_runs.of_execution");

/// A map run.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct MapRun {
    #[n(0)]
    pub(crate) arn: String,
    /// Machine and name of the execution whose state it is, and the frame there.
    #[n(1)]
    pub(crate) parent: (String, String),
    #[n(2)]
    pub(crate) frame: u32,
    #[n(3)]
    pub(crate) state: String,
    #[n(4)]
    pub(crate) started: i64,
    #[n(5)]
    pub(crate) stopped: Option<i64>,
    #[n(6)]
    pub(crate) status: Status,
    /// How many at a time. Zero: as many as can be.
    #[n(7)]
    pub(crate) at_once: u32,
    #[n(8)]
    pub(crate) tolerated_count: Option<u64>,
    #[n(9)]
    pub(crate) tolerated_percentage: Option<f64>,
    /// How many children there are, and how many were started.
    #[n(10)]
    pub(crate) total: u32,
    #[n(11)]
    pub(crate) next: u32,
    #[n(12)]
    pub(crate) executions: Counts,
    #[n(13)]
    pub(crate) items: Counts,
    /// Where results are written: bucket, beginning of keys, what of them, as what.
    #[n(14)]
    pub(crate) writer: Option<Writer>,
    #[n(15)]
    pub(crate) written: u64,
    /// Its items are read and written down.
    #[n(16)]
    pub(crate) ready: bool,
}

/// Where and how results are written.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Writer {
    #[n(0)]
    pub(crate) bucket: String,
    #[n(1)]
    pub(crate) prefix: String,
    #[n(2)]
    pub(crate) transformation: Transformation,
    /// A result a line, and not a list.
    #[n(3)]
    pub(crate) lines: bool,
}

/// What of a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Transformation {
    #[n(0)]
    None,
    #[n(1)]
    Compact,
    #[n(2)]
    Flatten,
}

/// How many there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Counts {
    #[n(0)]
    pub(crate) total: u64,
    #[n(1)]
    pub(crate) running: u64,
    #[n(2)]
    pub(crate) succeeded: u64,
    #[n(3)]
    pub(crate) failed: u64,
    #[n(4)]
    pub(crate) timed_out: u64,
    #[n(5)]
    pub(crate) aborted: u64,
}

/// One execution of a map run.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Child {
    #[n(0)]
    pub(crate) input: String,
    /// How many items that is.
    #[n(1)]
    pub(crate) items: u32,
    /// The name of its execution, once it is to be started.
    #[n(2)]
    pub(crate) name: Option<String>,
}

impl Counts {
    pub(crate) fn pending(&self) -> u64 {
        self.total - self.running - self.ended()
    }

    pub(crate) fn ended(&self) -> u64 {
        self.succeeded + self.not_succeeded()
    }

    pub(crate) fn not_succeeded(&self) -> u64 {
        self.failed + self.timed_out + self.aborted
    }

    fn end(&mut self, status: Status, count: u64) {
        self.running = self.running.saturating_sub(count);
        match status {
            Status::Succeeded => self.succeeded += count,
            Status::TimedOut => self.timed_out += count,
            Status::Aborted => self.aborted += count,
            Status::Failed | Status::Running | Status::PendingRedrive => self.failed += count,
        }
    }
}

/// Machine with label, and id, in the ARN of a run.
fn place(arn: &str) -> (&str, &str) {
    let rest = arn.split_once(":mapRun:").map_or("", |(_, rest)| rest);
    rest.split_once(':').unwrap_or((rest, ""))
}

/// Account, region, machine with label, id.
type RunKey<'a> = (&'a str, &'a str, &'a str, &'a str);

fn key<'a>(cx: &'a Cx, arn: &'a str) -> RunKey<'a> {
    let (machine, id) = place(arn);
    (cx.account(), cx.region(), machine, id)
}

impl MapRun {
    pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Option<Self>> {
        Ok(RUNS.get(from, &key(cx, arn))?)
    }

    /// Machine with label.
    pub(crate) fn machine(&self) -> &str {
        place(&self.arn).0
    }

    /// Whether more items have failed than may.
    fn is_exceeded(&self) -> bool {
        let failed = self.items.not_succeeded();
        #[expect(clippy::cast_precision_loss, reason = "a run has fewer items")]
        let percentage = failed as f64 * 100.0 / self.items.total.max(1) as f64;
        match (self.tolerated_count, self.tolerated_percentage) {
            (None, None) => failed > 0,
            (count, most) => count.is_some_and(|count| failed > count) || most.is_some_and(|most| percentage > most),
        }
    }
}

/// An execution of a run has ended, which is written with its end.
pub(crate) fn count_end(cx: &Cx, tx: &mut Tx<'_>, execution: &Execution) -> Result<()> {
    let Some((arn, items)) = &execution.map_run else { return Ok(()) };
    if let Some(mut run) = MapRun::find(cx, tx, arn)? {
        run.executions.end(execution.status, 1);
        run.items.end(execution.status, u64::from(*items));
        RUNS.put(tx, &key(cx, arn), &run);
    }
    Ok(())
}

/// Whether an execution has had map runs that did not succeed.
pub(crate) fn has_failed_runs(cx: &Cx, from: &(impl Read + ?Sized), execution: &Execution) -> Result<bool> {
    let place = (cx.account(), cx.region(), execution.machine.as_str(), execution.name.as_str());
    for entry in OF_EXECUTION.all(from, &place)? {
        let arn = entry.key::<(String, String, String, String, i64, String)>().map(|key| key.5);
        let run = arn.map(|arn| MapRun::find(cx, from, &arn)).transpose()?.flatten();
        if run.is_some_and(|run| run.status != Status::Succeeded) {
            return Ok(true);
        }
    }
    Ok(false)
}
