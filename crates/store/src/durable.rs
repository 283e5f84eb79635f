//! State on disk: redb, one table, one fsync a group.

use std::io::Write as _;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use redb::{Database as Redb, ReadOnlyTable, ReadableDatabase, TableDefinition};

use crate::{Backend, Batch, Error, Order, Page, Read, Result};

const ROWS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");
const FORMAT: TableDefinition<'static, &str, u32> = TableDefinition::new("format");

/// The format that this program writes.
const KNOWN: u32 = 2;

/// The tree's page cache. The system's own cache is behind it.
const CACHE: usize = 8 * 1024 * 1024;

/// So much of the disk is left free. A tree that met a full disk in the middle of a commit must be opened anew, and before
/// that takes nothing more; so it does not get to meet one.
const RESERVE: u64 = 1024 * 1024;

/// A backend that keeps what it acknowledged through `kill -9`.
pub struct Durable {
    redb: Redb,
    directory: PathBuf,
    /// Held for as long as the directory is ours.
    lock: std::fs::File,
}

impl Durable {
    /// Opens the directory, makes it when it is not there, and keeps other processes out.
    ///
    /// # Errors
    /// When another process has it, when it is damaged or newer, or when it cannot be written.
    pub fn open(directory: &Path) -> Result<Self> {
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { path, source }
        };
        std::fs::create_dir_all(directory).map_err(file(directory))?;
        private(directory).map_err(file(directory))?;
        let lock = lock(directory)?;
        let path = directory.join("state.redb");
        let redb = redb::Builder::new().set_cache_size(CACHE).create(&path).map_err(|error| opening(&path, error))?;
        check_format(&redb, &path)?;
        Ok(Self { redb, directory: directory.to_owned(), lock })
    }

    /// Refuses a batch that the disk might have no room for.
    fn check_room(&self, batch: &Batch) -> Result<()> {
        let fail = |error: rustix::io::Errno| Error::File { path: self.directory.clone(), source: error.into() };
        let disk = rustix::fs::fstatvfs(&self.lock).map_err(fail)?;
        // Some file systems do not know how large they are.
        if disk.f_blocks == 0 {
            return Ok(());
        }
        // Each row takes new pages down from the root, and large ones up to twice their length, beside a neighbour.
        let rows = batch.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Bytes::len));
        let needed = RESERVE + rows.map(|bytes| 8_192 + 4 * bytes as u64).sum::<u64>();
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free >= needed { Ok(()) } else { Err(Error::Full { path: self.directory.clone(), free, needed }) }
    }
}

#[cfg(unix)]
fn private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn private(_directory: &Path) -> std::io::Result<()> {
    Ok(())
}

fn lock(directory: &Path) -> Result<std::fs::File> {
    let path = directory.join("lock");
    let fail = |source| Error::File { path: path.clone(), source };
    let mut file =
        std::fs::File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(fail)?;
            write!(file, "{}", std::process::id()).map_err(fail)?;
            Ok(file)
        }
        Err(std::fs::TryLockError::WouldBlock) => {
            let pid = std::fs::read_to_string(&path).unwrap_or_default();
            Err(Error::Locked { path: directory.to_owned(), pid })
        }
        Err(std::fs::TryLockError::Error(source)) => Err(fail(source)),
    }
}

fn opening(path: &Path, error: redb::DatabaseError) -> Error {
    match error {
        redb::DatabaseError::Storage(redb::StorageError::Io(source))
            if source.kind() != std::io::ErrorKind::InvalidData =>
        {
            Error::File { path: path.to_owned(), source }
        }
        other => Error::Corrupt { path: PathBuf::from(path), source: Box::new(other) },
    }
}

fn check_format(redb: &Redb, path: &Path) -> Result<()> {
    let corrupt = |source: Box<dyn std::error::Error + Send + Sync>| Error::Corrupt { path: path.to_owned(), source };
    let read = redb.begin_read().map_err(|e| corrupt(Box::new(e)))?;
    let found = match read.open_table(FORMAT) {
        Ok(table) => table.get("format").map_err(Error::engine)?.map(|v| v.value()),
        Err(redb::TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(corrupt(Box::new(error))),
    };
    match found {
        Some(found) if found > KNOWN => Err(Error::Newer { found, known: KNOWN }),
        Some(found) if found < KNOWN => Err(Error::Older { found, known: KNOWN }),
        // Nothing is written at a start: it would cost a flush, and a walk through the tree after a crash.
        Some(_) => Ok(()),
        None => write_format(redb),
    }
}

fn write_format(redb: &Redb) -> Result<()> {
    let mut write = redb.begin_write().map_err(Error::engine)?;
    write.set_quick_repair(true);
    {
        write.open_table(ROWS).map_err(Error::engine)?;
        let mut table = write.open_table(FORMAT).map_err(Error::engine)?;
        table.insert("format", KNOWN).map_err(Error::engine)?;
    }
    write.commit().map_err(Error::engine)
}

impl Backend for Durable {
    fn snapshot(&self) -> Result<Arc<dyn Read + Send + Sync>> {
        let transaction = self.redb.begin_read().map_err(Error::engine)?;
        Ok(Arc::new(View(transaction.open_table(ROWS).map_err(Error::engine)?)))
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        self.check_room(batch)?;
        let mut write = self.redb.begin_write().map_err(Error::engine)?;
        // Reopening after a crash takes milliseconds instead of a walk through the whole tree.
        write.set_quick_repair(true);
        {
            let mut rows = write.open_table(ROWS).map_err(Error::engine)?;
            for (key, value) in batch {
                match value {
                    Some(value) => drop(rows.insert(key.as_slice(), value.as_ref()).map_err(Error::engine)?),
                    None => drop(rows.remove(key.as_slice()).map_err(Error::engine)?),
                }
            }
        }
        write.commit().map_err(Error::engine)
    }

    fn immediate(&self) -> bool {
        false
    }
}

struct View(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl Read for View {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.0.get(key).map_err(Error::engine)?.map(|v| Bytes::copy_from_slice(v.value())))
    }

    fn scan(&self, page: &Page) -> Result<Vec<(Bytes, Bytes)>> {
        if page.end.as_ref().is_some_and(|end| *end <= page.start) {
            return Ok(Vec::new());
        }
        let end = page.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut range = self.0.range::<&[u8]>((Bound::Included(page.start.as_slice()), end)).map_err(Error::engine)?;
        let mut out = Vec::new();
        while out.len() < page.limit {
            let next = if page.order == Order::Ascending { range.next() } else { range.next_back() };
            let Some(row) = next else { break };
            let (key, value) = row.map_err(Error::engine)?;
            out.push((Bytes::copy_from_slice(key.value()), Bytes::copy_from_slice(value.value())));
        }
        Ok(out)
    }
}
