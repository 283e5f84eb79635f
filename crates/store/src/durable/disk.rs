//! Where a durable store has its files.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Error, Result};

/// The file of the tree.
pub(crate) const TREE: &str = "state.redb";
/// Files of the log, written in turn.
pub(crate) const FILES: usize = 2;

/// The files of a store: one of the tree, two of the log.
pub(crate) trait Disk: Send + Sync {
    /// Where it is, for messages.
    fn path(&self) -> &Path;

    /// Whether there is a tree.
    fn has_tree(&self) -> bool;

    /// The tree, or where `new` one that has not yet got its place: it is made where there is none.
    fn tree(&self, builder: &mut redb::Builder, new: bool) -> std::result::Result<redb::Database, redb::DatabaseError>;

    /// Lets a new tree begin, of which nothing is left from another time.
    fn clear_new_tree(&self) -> io::Result<()>;

    /// Gives the new tree its place.
    fn place_new_tree(&self) -> io::Result<()>;

    /// One of the two files of the log. `make`: where it is not there. `None`: it is not, and was not made.
    fn log(&self, number: usize, make: bool) -> io::Result<Option<Arc<dyn File>>>;

    /// Makes it sure that files which were made are found again.
    fn sync_names(&self) -> io::Result<()>;

    /// Removes the files of the log.
    fn remove_logs(&self) -> io::Result<()>;

    /// Bytes that are free; `None`: nobody knows.
    fn free(&self) -> io::Result<Option<u64>>;
}

/// A file of the log.
pub(crate) trait File: Send + Sync {
    /// Its length.
    fn len(&self) -> io::Result<u64>;
    /// All of it.
    fn read(&self) -> io::Result<Vec<u8>>;
    /// Writes at a place.
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written permanent.
    fn sync(&self) -> io::Result<()>;
}

/// A directory of the machine.
pub(super) struct Directory {
    path: PathBuf,
    /// Held for as long as the directory is ours.
    lock: std::fs::File,
}

impl Directory {
    /// Makes it when it is not there, and keeps other processes and other users out.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = |source| Error::File { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(file)?;
        private(path).map_err(file)?;
        Ok(Self { path: path.to_owned(), lock: lock(path)? })
    }

    fn tree_path(&self, new: bool) -> PathBuf {
        self.path.join(if new { "state.new" } else { TREE })
    }

    fn log_path(&self, number: usize) -> PathBuf {
        self.path.join(format!("log.{number}"))
    }
}

impl Disk for Directory {
    fn path(&self) -> &Path {
        &self.path
    }

    fn has_tree(&self) -> bool {
        std::fs::metadata(self.tree_path(false)).is_ok_and(|file| file.len() > 0)
    }

    fn tree(&self, builder: &mut redb::Builder, new: bool) -> std::result::Result<redb::Database, redb::DatabaseError> {
        builder.create(self.tree_path(new))
    }

    fn clear_new_tree(&self) -> io::Result<()> {
        match std::fs::remove_file(self.tree_path(true)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn place_new_tree(&self) -> io::Result<()> {
        std::fs::rename(self.tree_path(true), self.tree_path(false))?;
        self.sync_names()
    }

    fn log(&self, number: usize, make: bool) -> io::Result<Option<Arc<dyn File>>> {
        let mut how = std::fs::File::options();
        match how.read(true).write(true).create(make).truncate(false).open(self.log_path(number)) {
            Ok(file) => Ok(Some(Arc::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !make => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn sync_names(&self) -> io::Result<()> {
        std::fs::File::open(&self.path)?.sync_all()
    }

    fn remove_logs(&self) -> io::Result<()> {
        (0..FILES).try_for_each(|number| match std::fs::remove_file(self.log_path(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
    }

    fn free(&self) -> io::Result<Option<u64>> {
        let disk = rustix::fs::fstatvfs(&self.lock)?;
        // Some file systems do not know how large they are.
        Ok((disk.f_blocks != 0).then(|| disk.f_bavail.saturating_mul(disk.f_frsize)))
    }
}

impl File for std::fs::File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(File::len(self)?).map_err(io::Error::other)?];
        self.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

fn private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))
}

fn lock(directory: &Path) -> Result<std::fs::File> {
    use std::io::Write as _;
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
