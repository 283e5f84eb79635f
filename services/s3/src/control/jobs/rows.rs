//! The tables of jobs, and what their rows hold.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde_json::Value as Json;
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{AwsError, Cx, Result};

/// Account, region, id → job.
pub(crate) static JOBS: Table<Job> = Table::new("s3.jobs");
/// Account, region, id → priority, of jobs that are ready to run or run.
pub(crate) static LIVE: Table<i32> = Table::new("s3.jobs.live");
/// Account, region, job, number → an object that is still to be worked on.
pub(crate) static LEFT: Table<Entry> = Table::new("s3.jobs.todo");
/// Account, region, job, 1 if it failed, number → a line of the report.
pub(crate) static RESULTS: Table<String> = Table::new("s3.jobs.results");

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Status {
    #[n(0)]
    New,
    #[n(1)]
    Preparing,
    #[n(2)]
    Suspended,
    #[n(3)]
    Ready,
    #[n(4)]
    Active,
    #[n(5)]
    Paused,
    #[n(6)]
    Completing,
    #[n(7)]
    Complete,
    #[n(8)]
    Failing,
    #[n(9)]
    Failed,
    #[n(10)]
    Cancelling,
    #[n(11)]
    Cancelled,
}

impl Status {
    /// As answers name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Preparing => "Preparing",
            Self::Suspended => "Suspended",
            Self::Ready => "Ready",
            Self::Active => "Active",
            Self::Paused => "Paused",
            Self::Completing => "Completing",
            Self::Complete => "Complete",
            Self::Failing => "Failing",
            Self::Failed => "Failed",
            Self::Cancelling => "Cancelling",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Nothing comes after it.
    pub(crate) fn is_end(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Cancelled)
    }
}

/// A job.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Job {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) status: Status,
    /// Milliseconds since 1970.
    #[n(2)]
    pub(crate) created: i64,
    /// Milliseconds since 1970.
    #[n(3)]
    pub(crate) ended: Option<i64>,
    #[n(4)]
    pub(crate) priority: i32,
    #[n(5)]
    pub(crate) role: String,
    #[n(6)]
    pub(crate) description: Option<String>,
    /// It waits for somebody's word before it runs.
    #[n(7)]
    pub(crate) confirm: bool,
    /// The token it was made with.
    #[n(8)]
    pub(crate) token: String,
    /// Operation, manifest, generator and report as they were asked for, in JSON.
    #[n(9)]
    pub(crate) request: String,
    #[n(10)]
    pub(crate) total: u64,
    #[n(11)]
    pub(crate) succeeded: u64,
    #[n(12)]
    pub(crate) failed: u64,
    /// How long it was active before it became so last, in milliseconds.
    #[n(13)]
    pub(crate) active: i64,
    /// Since when it is active, in milliseconds since 1970.
    #[n(14)]
    pub(crate) active_since: Option<i64>,
    /// Why its status was changed by hand.
    #[n(15)]
    pub(crate) reason: Option<String>,
    /// Codes and reasons of its failure.
    #[n(16)]
    pub(crate) failures: Vec<(String, String)>,
    /// Milliseconds since 1970.
    #[n(17)]
    pub(crate) suspended: Option<i64>,
    #[n(18)]
    pub(crate) tags: BTreeMap<String, String>,
    /// ARN and entity tag of the manifest that was made for it.
    #[n(19)]
    pub(crate) generated: Option<(String, String)>,
}

/// An object that a manifest lists.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Entry {
    #[n(0)]
    pub(crate) bucket: String,
    #[n(1)]
    pub(crate) key: String,
    #[n(2)]
    pub(crate) version: Option<String>,
}

impl Job {
    /// The job with that id in the caller's account and region.
    pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<Self> {
        let missing = || AwsError::new("NotFoundException", 404, format!("The specified job {id} does not exist."));
        Ok(JOBS.get(from, &cx.key(id))?.ok_or_else(missing)?)
    }

    /// The name of its operation.
    pub(crate) fn operation(&self) -> Option<String> {
        let request: Json = serde_json::from_str(&self.request).ok()?;
        request.get("Operation")?.as_object()?.keys().next().cloned()
    }

    /// It waits for its confirmation.
    pub(crate) fn is_suspended(&self) -> bool {
        self.status == Status::Suspended
    }

    /// `arn:aws:s3:us-east-1:000000000000:job/…`
    pub(crate) fn arn(&self, cx: &Cx) -> String {
        cx.arn("s3", &format!("job/{}", self.id))
    }

    /// Puts it into another status, and counts how long it is active.
    pub(crate) fn become_(&mut self, status: Status, now: i64) {
        if let Some(since) = self.active_since.take() {
            self.active += now - since;
        }
        if status == Status::Active {
            self.active_since = Some(now);
        }
        if status == Status::Suspended {
            self.suspended = Some(now);
        }
        if status.is_end() {
            self.ended = Some(now);
        }
        self.status = status;
    }

    /// How many objects it has worked on.
    pub(crate) fn done(&self) -> u64 {
        self.succeeded + self.failed
    }

    /// How long it was active by then, in seconds.
    pub(crate) fn active_seconds(&self, now: i64) -> i64 {
        (self.active + self.active_since.map_or(0, |since| now - since)) / 1000
    }
}
