//! The tree: redb, one table of rows, and where the log begins that is over it.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use redb::backends::InMemoryBackend;
use redb::{Database as Redb, ReadOnlyTable, ReadableDatabase, StorageBackend as _, TableDefinition};

use super::disk::{Disk, TREE};
use crate::layers::{self, Lower, Upper};
use crate::{Error, Order, Page, Result};

const ROWS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");
const FORMAT: TableDefinition<'static, &str, u32> = TableDefinition::new("format");
const LOG: TableDefinition<'static, &str, u64> = TableDefinition::new("log");

/// The format that this program writes: 3 has a log.
const KNOWN: u32 = 3;
/// The oldest that it reads. What it had is the same in the next.
const OLDEST: u32 = 2;

/// The tree's page cache. The system's own cache is behind it.
const CACHE: usize = 8 * 1024 * 1024;

/// A state up to this size is checked whole before it is opened, which takes some milliseconds a MiB.
const CHECKED: u64 = 64 * 1024 * 1024;

/// What the tree knows of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// A number that stands in no row, and goes into the checksums of the log's frames.
    pub(super) salt: u64,
    /// The last frame that is in the tree.
    pub(super) applied: u64,
}

/// The tree.
pub(super) struct Tree(Redb);

impl Tree {
    /// Opens it, and makes it where there is none.
    pub(super) fn open(disk: &dyn Disk) -> Result<Self> {
        let path = disk.path().join(TREE);
        check_whole(disk.path(), &path)?;
        if !disk.has_tree() {
            make(disk, &path)?;
        }
        let redb = disk.tree(redb::Builder::new().set_cache_size(CACHE), false).map_err(|e| opening(&path, e))?;
        check_format(&redb, &path)?;
        Ok(Self(redb))
    }

    /// Its rows as they are now.
    pub(super) fn view(&self) -> Result<View> {
        let transaction = self.0.begin_read().map_err(Error::engine)?;
        Ok(View(transaction.open_table(ROWS).map_err(Error::engine)?))
    }

    /// What it knows of the log. `None`: there is none.
    pub(super) fn mark(&self) -> Result<Option<Mark>> {
        let transaction = self.0.begin_read().map_err(Error::engine)?;
        let table = match transaction.open_table(LOG) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(Error::engine(error)),
        };
        let number = |name| Ok::<_, Error>(table.get(name).map_err(Error::engine)?.map(|v| v.value()));
        Ok(number("salt")?.zip(number("applied")?).map(|(salt, applied)| Mark { salt, applied }))
    }

    /// Writes rows and what is known of the log, all or none.
    pub(super) fn write<'a>(
        &self,
        rows: impl Iterator<Item = (&'a Vec<u8>, &'a Option<Bytes>)>,
        mark: Option<Mark>,
    ) -> Result<()> {
        guarded(|| {
            let mut write = self.0.begin_write().map_err(Error::engine)?;
            // Reopening after a crash takes milliseconds instead of a walk through the whole tree.
            write.set_quick_repair(true);
            put_rows(&write, rows)?;
            put_mark(&write, mark)?;
            write.commit().map_err(Error::engine)
        })
    }
}

/// Makes an empty tree. It gets its name when it is whole: what a crash has left half made is not opened.
fn make(disk: &dyn Disk, path: &Path) -> Result<()> {
    let fail = |source| Error::File { path: path.to_owned(), source };
    disk.clear_new_tree().map_err(fail)?;
    let redb = disk.tree(redb::Builder::new().set_cache_size(CACHE), true).map_err(|error| opening(path, error))?;
    let mut write = redb.begin_write().map_err(Error::engine)?;
    write.set_quick_repair(true);
    write.open_table(ROWS).map_err(Error::engine)?;
    put_mark(&write, None)?;
    write.commit().map_err(Error::engine)?;
    drop(redb);
    disk.place_new_tree().map_err(fail)
}

fn put_rows<'a>(
    write: &redb::WriteTransaction,
    rows: impl Iterator<Item = (&'a Vec<u8>, &'a Option<Bytes>)>,
) -> Result<()> {
    let mut table = write.open_table(ROWS).map_err(Error::engine)?;
    for (key, value) in rows {
        match value {
            Some(value) => drop(table.insert(key.as_slice(), value.as_ref()).map_err(Error::engine)?),
            None => drop(table.remove(key.as_slice()).map_err(Error::engine)?),
        }
    }
    Ok(())
}

fn put_mark(write: &redb::WriteTransaction, mark: Option<Mark>) -> Result<()> {
    // A program that knows of no log must not open what has one.
    write.open_table(FORMAT).map_err(Error::engine)?.insert("format", KNOWN).map_err(Error::engine)?;
    let mut table = write.open_table(LOG).map_err(Error::engine)?;
    let numbers = [("salt", mark.map(|m| m.salt)), ("applied", mark.map(|m| m.applied))];
    for (name, number) in numbers {
        match number {
            Some(number) => drop(table.insert(name, number).map_err(Error::engine)?),
            None => drop(table.remove(name).map_err(Error::engine)?),
        }
    }
    Ok(())
}

/// Runs work of the engine, which stops short where a page that was not checked makes no sense.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Error::Nonsense))
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::Corrupt { path: path.to_owned(), source: what.to_owned().into() }
}

/// Whether every page that can be reached has its checksum. Asked of a copy in memory: the engine mends what it checks,
/// and what it mended by giving up the last writes must not be opened as if it were all there.
fn check_whole(directory: &Path, path: &Path) -> Result<()> {
    let fail = |source| Error::File { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_or(0, |file| file.len());
    if length == 0 {
        // The folder of blobs is made once the first state is there.
        let used = directory.join("blobs").exists();
        return if used {
            Err(damaged(path, "the file is empty or gone, and others beside it are not"))
        } else {
            Ok(())
        };
    }
    if length > CHECKED {
        return Ok(());
    }
    let bytes = std::fs::read(path).map_err(fail)?;
    let check = || -> std::result::Result<bool, redb::DatabaseError> {
        let copy = InMemoryBackend::new();
        copy.set_len(length).and_then(|()| copy.write(0, &bytes)).map_err(redb::StorageError::from)?;
        redb::Builder::new().set_cache_size(CACHE).create_with_backend(copy)?.check_integrity()
    };
    match catch_unwind(AssertUnwindSafe(check)) {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(damaged(path, "a part of it does not have its checksum")),
        Ok(Err(error)) => Err(Error::Corrupt { path: path.to_owned(), source: Box::new(error) }),
        Err(_) => Err(damaged(path, "the engine cannot make sense of it")),
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
        Some(found) if found < OLDEST => Err(Error::Older { found, known: KNOWN }),
        // Nothing is written at a start: it would cost a flush, and a walk through the tree after a crash.
        Some(_) => Ok(()),
        None => Err(damaged(path, "it does not say its format")),
    }
}

/// The rows of the tree at one moment.
pub(super) struct View(ReadOnlyTable<&'static [u8], &'static [u8]>);

type Guard<'a> = redb::AccessGuard<'a, &'static [u8]>;

/// A row in the engine's page, with its key once more: what the engine lends is read through it alone.
struct Row<'a>(Guard<'a>, Guard<'a>);

impl Lower for Row<'_> {
    fn key(&self) -> &[u8] {
        self.0.value()
    }

    fn copied(self) -> (Bytes, Bytes) {
        (Bytes::copy_from_slice(self.0.value()), Bytes::copy_from_slice(self.1.value()))
    }
}

impl View {
    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        guarded(|| Ok(self.0.get(key).map_err(Error::engine)?.map(|v| Bytes::copy_from_slice(v.value()))))
    }

    /// The rows of a page, with those of an upper layer over them.
    pub(super) fn scan<'a>(&self, page: &Page, over: impl Iterator<Item = Upper<'a>>) -> Result<Vec<(Bytes, Bytes)>> {
        guarded(|| {
            let end = page.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let mut range =
                self.0.range::<&[u8]>((Bound::Included(page.start.as_slice()), end)).map_err(Error::engine)?;
            let below = std::iter::from_fn(|| {
                let next = if page.order == Order::Ascending { range.next() } else { range.next_back() };
                next.map(|row| row.map(|(key, value)| Row(key, value)).map_err(Error::engine))
            });
            layers::merge(below, over, page.order, page.limit)
        })
    }
}
