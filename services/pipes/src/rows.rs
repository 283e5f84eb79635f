//! What is stored of pipes.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Result, Timestamp};
use undercast_sealing::Envelope;
use undercast_sources::Checkpoint;

use crate::error;

/// Account, region, name.
pub(crate) static PIPES: Table<Pipe> = Table::new("pipes.pipes");
/// Account, region, id of the pipe, shard → how far it is.
pub(crate) static CHECKPOINTS: Table<Checkpoint> = Table::new("pipes.checkpoints");

/// A pipe. Moments are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Pipe {
    #[n(0)]
    pub(crate) name: String,
    /// Tells it from others that had its name before.
    #[n(1)]
    pub(crate) id: String,
    #[n(2)]
    pub(crate) created: i64,
    #[n(3)]
    pub(crate) modified: i64,
    #[n(4)]
    pub(crate) description: Option<String>,
    /// What is wanted: that it runs.
    #[n(5)]
    pub(crate) wanted: bool,
    #[n(6)]
    pub(crate) state: State,
    #[n(7)]
    pub(crate) reason: Option<String>,
    /// It takes from its source, whatever becomes of it.
    #[n(8)]
    pub(crate) takes: bool,
    #[n(9)]
    pub(crate) source: String,
    #[n(10)]
    pub(crate) enrichment: Option<String>,
    #[n(11)]
    pub(crate) target: String,
    #[n(12)]
    pub(crate) role: String,
    #[n(13)]
    pub(crate) parameters: Kept,
    #[n(14)]
    pub(crate) key: Option<String>,
    #[n(15)]
    pub(crate) log: Option<Log>,
    #[n(16)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// In which state a pipe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum State {
    #[n(0)]
    Running,
    #[n(1)]
    Stopped,
    #[n(2)]
    Creating,
    #[n(3)]
    Updating,
    #[n(4)]
    Deleting,
    #[n(5)]
    Starting,
    #[n(6)]
    Stopping,
    #[n(7)]
    CreateFailed,
    #[n(8)]
    UpdateFailed,
    #[n(9)]
    StartFailed,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
            Self::Creating => "CREATING",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
            Self::Starting => "STARTING",
            Self::Stopping => "STOPPING",
            Self::CreateFailed => "CREATE_FAILED",
            Self::UpdateFailed => "UPDATE_FAILED",
            Self::StartFailed => "START_FAILED",
        }
    }

    /// It is on the way to another.
    pub(crate) fn is_passing(self) -> bool {
        matches!(self, Self::Creating | Self::Updating | Self::Deleting | Self::Starting | Self::Stopping)
    }

    /// What it becomes where that which it is on the way to cannot be.
    pub(crate) fn failed(self) -> Self {
        match self {
            Self::Creating => Self::CreateFailed,
            Self::Starting => Self::StartFailed,
            _ => Self::UpdateFailed,
        }
    }
}

/// The parameters of source, enrichment and target: JSON.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Kept {
    #[n(0)]
    Plain(#[n(0)] String),
    #[n(1)]
    Sealed(#[n(0)] Envelope),
}

/// What is logged, and where.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Log {
    /// `ERROR`, `INFO`, `TRACE`; `OFF` says that it was switched off.
    #[n(0)]
    pub(crate) level: String,
    /// With what is processed, asked and answered.
    #[n(1)]
    pub(crate) data: bool,
    /// ARN of a log group.
    #[n(2)]
    pub(crate) group: Option<String>,
    #[n(3)]
    pub(crate) bucket: Option<Bucket>,
    /// ARN of a delivery stream.
    #[n(4)]
    pub(crate) delivery: Option<String>,
}

/// A bucket that takes logs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Bucket {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) owner: String,
    #[n(2)]
    pub(crate) prefix: Option<String>,
}

impl Pipe {
    pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Self> {
        PIPES.get(from, &cx.key(name))?.ok_or_else(|| error::not_found(name))
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        arn_of(cx, &self.name)
    }

    /// As answers name what is wanted.
    pub(crate) fn wanted(&self) -> &'static str {
        if self.wanted { "RUNNING" } else { "STOPPED" }
    }
}

pub(crate) fn arn_of(cx: &Cx, name: &str) -> String {
    cx.arn("pipes", &format!("pipe/{name}"))
}

/// A moment out of the store.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}
