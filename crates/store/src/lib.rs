//! The store: all state of every service, as typed tables over an ordered, transactional key-value store, and a
//! content-addressed store of large bytes beside it.
//!
//! Knows: keys, rows, transactions, files. Must not know: any service by name, AWS, the clock.
//!
//! A writer runs its closure at once, on the last committed state with everything acknowledged or about to be on top,
//! and then waits until a group of such writers has reached the disk with one fsync. The next group collects meanwhile.
//! Readers see committed state only, and never wait.

mod blobs;
mod cipher;
mod database;
mod durable;
mod key;
mod layers;
mod memory;
mod owners;
mod pieces;
mod remembered;
mod snapshots;
mod table;

pub use blobs::{BlobId, BlobReader, BlobWriter, Blobs, Unreferenced, Written};
pub use cipher::KeyStream;
pub use database::{Database, Snapshot, Tx};
pub use durable::Durable;
pub use key::{Key, KeyDecode, Part, PartDecode, Passed, prefix_end};
pub use memory::Memory;
pub use owners::{Owners, Scope, Shared, is_account};
pub use pieces::PIECE;
pub use remembered::Remembered;
pub use snapshots::{Beginning, Saved, Snapshots};
pub use table::{Entry, Table};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

/// Why the store refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key-value engine failed: a full disk, a broken device.
    #[error("the store failed")]
    Engine(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The disk is full, or nearly so. Nothing was tried, and what comes when there is room again is stored.
    #[error("the disk of {path} is full: {free} bytes are free, and a write of this size needs {needed}")]
    Full {
        /// The data directory.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that must be.
        needed: u64,
    },
    /// A file beside it failed.
    #[error("{path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process has the directory.
    #[error(
        "the data directory {path} is in use by another process (pid {pid}); stop it, or give `--data` another directory"
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that has it.
        pid: String,
    },
    /// The directory was written by a newer version.
    #[error(
        "the data directory has format {found}, and this program reads up to {known}; use the newer program, or give `--data` another directory"
    )]
    Newer {
        /// Format of the directory.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// The directory was written by an older version.
    #[error(
        "the data directory has format {found}, and this program reads {known}; use the older program, or give `--data` another directory"
    )]
    Older {
        /// Format of the directory.
        found: u32,
        /// The format that this program knows.
        known: u32,
    },
    /// What is to be brought in is somebody else's here.
    #[error("{what} of the account {account} is in the way")]
    InTheWay {
        /// The table and the key.
        what: String,
        /// Whose it is.
        account: String,
    },
    /// The files are damaged.
    #[error("the store in {path} is damaged and was not opened; restore a snapshot, or move the directory away")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the engine says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine met a page that cannot be.
    #[error("the state is damaged; stop the program, and restore a snapshot")]
    Nonsense,
    /// A row does not have the form of its table.
    #[error("a row of the table `{table}` cannot be read")]
    Row {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        source: minicbor::decode::Error,
    },
    /// A write was given up because one before it in its group failed.
    #[error("the write was lost with its group; nothing of it is stored")]
    Lost,
}

impl Error {
    /// An engine's error.
    pub(crate) fn engine(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Engine(Arc::new(source))
    }
}

/// The result of a use of the store.
pub type Result<T> = std::result::Result<T, Error>;

/// Which way a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// From small keys to large ones.
    #[default]
    Ascending,
    /// From large keys to small ones.
    Descending,
}

/// A page of keys: those from `start` on and before `end`.
#[derive(Debug, Clone)]
pub struct Page {
    /// The first key that may be in it.
    pub start: Vec<u8>,
    /// The first key that is not; `None`: to the end of everything.
    pub end: Option<Vec<u8>>,
    /// Which way.
    pub order: Order,
    /// At most so many.
    pub limit: usize,
}

/// Something that can be read: a snapshot, or a transaction.
pub trait Read {
    /// The value of a key.
    ///
    /// # Errors
    /// When the engine fails.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>>;

    /// The keys and values of a page.
    ///
    /// # Errors
    /// When the engine fails.
    fn scan(&self, page: &Page) -> Result<Vec<(Bytes, Bytes)>>;
}

/// Writes that belong together: a value, or `None` for a deletion.
pub type Batch = BTreeMap<Vec<u8>, Option<Bytes>>;

/// A place where committed state is kept.
pub trait Backend: Send + Sync {
    /// The committed state as it is now; later commits do not change it.
    fn snapshot(&self) -> Arc<dyn Read + Send + Sync>;

    /// Makes the writes of a batch permanent, all or none.
    ///
    /// # Errors
    /// When the engine fails; then nothing of the batch is stored.
    fn commit(&self, batch: &Batch) -> Result<()>;

    /// A commit costs so little that it needs no group.
    fn immediate(&self) -> bool;

    /// No commit comes any more: what was put off is done now.
    fn close(&self) {}
}
