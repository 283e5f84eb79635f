//! An import, and what went wrong on its way.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Result};

use crate::api::errors;

/// Account, region, id.
pub(crate) static IMPORTS: Table<Import> = Table::new("cloudtrail.imports");
/// Account, region, id; location.
pub(crate) static FAILURES: Table<Fault> = Table::new("cloudtrail.imports.failures");

/// An import. Moments are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Import {
    #[n(0)]
    pub(crate) id: String,
    /// ARN of the store.
    #[n(1)]
    pub(crate) store: String,
    /// `s3://bucket/prefix`
    #[n(2)]
    pub(crate) uri: String,
    /// The region of the bucket.
    #[n(3)]
    pub(crate) region: String,
    /// ARN of the role that may read the bucket.
    #[n(4)]
    pub(crate) role: String,
    #[n(5)]
    pub(crate) start: Option<i64>,
    #[n(6)]
    pub(crate) end: Option<i64>,
    #[n(7)]
    pub(crate) status: Status,
    #[n(8)]
    pub(crate) created: i64,
    #[n(9)]
    pub(crate) updated: i64,
    #[n(10)]
    pub(crate) done: Done,
    /// The key of the last file that was looked at; `None`: none was yet.
    #[n(11)]
    pub(crate) after: Option<String>,
    /// All files were looked at: what is done now is what failed.
    #[n(12)]
    pub(crate) listed: bool,
    /// The folder of the last file that was read.
    #[n(13)]
    pub(crate) folder: Option<String>,
}

/// What an import has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Done {
    #[n(0)]
    pub(crate) prefixes_found: i64,
    #[n(1)]
    pub(crate) prefixes: i64,
    #[n(2)]
    pub(crate) files: i64,
    #[n(3)]
    pub(crate) events: i64,
    #[n(4)]
    pub(crate) failed: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Status {
    #[n(0)]
    Initializing,
    #[n(1)]
    InProgress,
    #[n(2)]
    Failed,
    #[n(3)]
    Stopped,
    #[n(4)]
    Completed,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Initializing => "INITIALIZING",
            Self::InProgress => "IN_PROGRESS",
            Self::Failed => "FAILED",
            Self::Stopped => "STOPPED",
            Self::Completed => "COMPLETED",
        }
    }

    pub(crate) fn is_active(self) -> bool {
        matches!(self, Self::Initializing | Self::InProgress)
    }
}

/// A file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Fault {
    #[n(0)]
    pub(crate) state: FaultState,
    /// What is wrong, in one word.
    #[n(1)]
    pub(crate) kind: String,
    #[n(2)]
    pub(crate) message: String,
    #[n(3)]
    pub(crate) updated: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum FaultState {
    #[n(0)]
    Failed,
    /// It is to be read once more.
    #[n(1)]
    Retry,
    #[n(2)]
    Succeeded,
}

impl FaultState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::Retry => "RETRY",
            Self::Succeeded => "SUCCEEDED",
        }
    }
}

/// The import that is given.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<Import> {
    let missing = || errors::import_not_found_exception(format!("The import {id} is not found."));
    IMPORTS.get(from, &cx.key(id))?.ok_or_else(|| missing().into())
}

/// The imports of this account and region that go on.
pub(crate) fn active(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Vec<Import>> {
    let all = IMPORTS.all(from, &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    Ok(all.filter(|import| import.status.is_active()).collect())
}
