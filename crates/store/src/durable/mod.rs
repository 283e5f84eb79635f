//! State on disk: a log that acknowledges, and a tree (redb) that keeps.
//!
//! A group of writes is permanent when its frame of the log is. Readers see what the log has over the tree. What the log
//! has goes to the tree in large sorted batches, and then the file of the log is written anew from its beginning. After a
//! crash the log is read into memory again; nothing is written for it.

mod disk;
mod log;
#[cfg(test)]
mod simulated;
mod tree;
mod view;

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;

use self::disk::{Directory, Disk, File};
use self::log::Log;
use self::tree::{Mark, Tree};
use self::view::{Layer, View};
use crate::{Backend, Batch, Error, Read, Result};

/// When what is in the log goes to the tree.
#[derive(Debug, Clone, Copy)]
struct Due {
    /// A file of the log, or the memory of what is in it, is of so many bytes. Writers wait when it is
    /// [`TOO_LARGE`] times that.
    large: usize,
    /// So many rows of the tree were deleted: who looks for the first row steps over them.
    hiding: usize,
    /// Nothing was written for so long.
    quiet: Duration,
}

const DUE: Due = Due { large: 4 * 1024 * 1024, hiding: 512, quiet: Duration::from_secs(1) };
const TOO_LARGE: usize = 2;

/// So much of the disk is left free. A tree that met a full disk in the middle of a commit must be opened anew, and before
/// that takes nothing more; so it does not get to meet one.
const RESERVE: u64 = 1024 * 1024;

/// A backend that keeps what it acknowledged through `kill -9`.
pub struct Durable {
    shared: Arc<Shared>,
    syncer: Syncer,
    settler: Option<std::thread::JoinHandle<()>>,
}

/// The order in which its parts are let go of is the one in which they stand: the directory's lock comes last.
struct Shared {
    due: Due,
    view: RwLock<Arc<View>>,
    tree: Tree,
    /// Held while a group is written, and while the log turns.
    log: Mutex<Logging>,
    settling: Mutex<Settling>,
    /// Told of every change of `settling`.
    changed: Condvar,
    disk: Box<dyn Disk>,
}

/// The log as this process has it.
enum Logging {
    /// Nothing was written yet.
    Unbegun,
    Open(Log),
    /// Whether the last frame is on the disk is not known: nothing more is taken.
    Failed(Arc<std::io::Error>),
    Closed,
}

/// How far the way to the tree is.
#[derive(Default)]
struct Settling {
    /// The last frame of what is on its way; `None`: nothing is.
    up_to: Option<u64>,
    /// Why it did not get there the last time.
    failed: Option<Error>,
    /// Writes since the settler looked: it is not quiet.
    written: bool,
    closed: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Durable {
    /// Opens the directory, makes it when it is not there, and keeps other processes out.
    ///
    /// # Errors
    /// When another process has it, when it is damaged or newer, or when it cannot be written.
    pub fn open(directory: &Path) -> Result<Self> {
        Self::on(Box::new(Directory::open(directory)?), DUE)
    }

    fn on(disk: Box<dyn Disk>, due: Due) -> Result<Self> {
        let tree = Tree::open(&*disk)?;
        let mut view = View { fresh: Layer::default(), settling: Layer::default(), tree: Arc::new(tree.view()?) };
        let mut settling = Settling::default();
        let logging = match tree.mark()? {
            None => Logging::Unbegun,
            Some(mark) => {
                let found = Log::open(&*disk, mark.salt, mark.applied)?;
                for batch in &found.before {
                    view.fresh = view.with(batch)?;
                }
                if !found.before.is_empty() {
                    view.settling = std::mem::take(&mut view.fresh);
                    settling.up_to = Some(found.turned_at);
                }
                for batch in &found.current {
                    view.fresh = view.with(batch)?;
                }
                settling.written = !found.current.is_empty();
                Logging::Open(found.log)
            }
        };
        let shared = Arc::new(Shared {
            due,
            disk,
            tree,
            view: RwLock::new(Arc::new(view)),
            log: Mutex::new(logging),
            settling: Mutex::new(settling),
            changed: Condvar::new(),
        });
        let worker = shared.clone();
        let settler = std::thread::Builder::new().name("store-settle".to_owned());
        let settler = settler.spawn(move || worker.settle()).map_err(Error::engine)?;
        Ok(Self { shared, syncer: Syncer::start()?, settler: Some(settler) })
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        locked(&self.shared.settling).closed = true;
        self.shared.changed.notify_all();
        // A settler that panicked has said so.
        drop(self.settler.take().map(std::thread::JoinHandle::join));
    }
}

impl Backend for Durable {
    fn snapshot(&self) -> Arc<dyn Read + Send + Sync> {
        self.shared.view()
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        let shared = &self.shared;
        shared.make_room(batch)?;
        if weight(batch) > shared.due.large {
            return shared.commit_at_once(batch);
        }
        let mut logging = locked(&shared.log);
        let log = shared.begun(&mut logging)?;
        let file = log.write(batch).map_err(|source| shared.failed(source))?;
        self.syncer.begin(file);
        let fresh = shared.view().with(batch);
        if let Err(source) = self.syncer.end() {
            let source = Arc::new(source);
            *logging = Logging::Failed(source.clone());
            return Err(Error::Engine(source));
        }
        let fresh = match fresh {
            Ok(fresh) => fresh,
            // It is in the log and cannot be seen.
            Err(error) => {
                *logging = Logging::Failed(Arc::new(std::io::Error::other(error.to_string())));
                return Err(error);
            }
        };
        log.keep();
        let due = shared.is_due(&fresh, log);
        shared.change_view(|view| view.fresh = fresh);
        locked(&shared.settling).written = true;
        if due {
            shared.turn(log);
        }
        Ok(())
    }

    fn immediate(&self) -> bool {
        false
    }

    fn close(&self) {
        self.shared.close();
    }
}

/// Bytes of a group.
fn weight(batch: &Batch) -> usize {
    batch.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Bytes::len)).sum()
}

/// Bytes of the disk that the tree may need for rows: each takes new pages down from the root, and large ones up to twice
/// their length, beside a neighbour.
fn pages(rows: usize, bytes: usize) -> u64 {
    8_192 * rows as u64 + 4 * bytes as u64
}

impl Shared {
    fn view(&self) -> Arc<View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change_view(&self, change: impl FnOnce(&mut View)) {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = View::clone(&view);
        change(&mut next);
        *view = Arc::new(next);
    }

    fn is_due(&self, fresh: &Layer, log: &Log) -> bool {
        fresh.weight() >= self.due.large || fresh.hiding() >= self.due.hiding || log.length() >= self.due.large as u64
    }

    fn is_too_large(&self) -> bool {
        self.view().fresh.weight() > TOO_LARGE * self.due.large
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::File { path: self.disk.path().join("log"), source }
    }

    /// The log; it is begun with the first write.
    fn begun<'a>(&self, logging: &'a mut Logging) -> Result<&'a mut Log> {
        if let Logging::Unbegun = logging {
            let salt = u64::from_le_bytes(random()?);
            let log = Log::begin(&*self.disk, salt, 0).map_err(|source| self.failed(source))?;
            self.tree.write(std::iter::empty(), Some(Mark { salt, applied: 0 }))?;
            *logging = Logging::Open(log);
        }
        match logging {
            Logging::Open(log) => Ok(log),
            Logging::Failed(source) => Err(Error::Engine(source.clone())),
            Logging::Unbegun | Logging::Closed => Err(Error::Lost),
        }
    }

    /// Refuses a group that the disk might have no room for.
    fn make_room(&self, batch: &Batch) -> Result<()> {
        // A tree that takes nothing is not to fill the memory.
        if self.missing(batch)?.is_none() && !self.is_too_large() {
            return Ok(());
        }
        // What is in the log needs room in the tree yet; when it has got it, more may come.
        self.settle_all()?;
        self.missing(batch)?.map_or(Ok(()), Err)
    }

    /// What is said where there is too little room.
    fn missing(&self, batch: &Batch) -> Result<Option<Error>> {
        let Some(free) = self.disk.free().map_err(|source| self.failed(source))? else { return Ok(None) };
        let growth = match &*locked(&self.log) {
            Logging::Open(log) => log.growth(batch),
            _ => RESERVE,
        };
        let view = self.view();
        let (rows, bytes) = [&view.fresh, &view.settling]
            .into_iter()
            .fold((batch.len(), weight(batch)), |(rows, bytes), layer| (rows + layer.len(), bytes + layer.weight()));
        let needed = RESERVE + growth + pages(rows, bytes);
        let path = self.disk.path().to_owned();
        Ok((free < needed).then_some(Error::Full { path, free, needed }))
    }

    /// Lets what is in the log go to the tree, if nothing is on its way there.
    fn turn(&self, log: &mut Log) {
        let mut settling = locked(&self.settling);
        if settling.up_to.is_none() && log.length() > 0 {
            log.turn();
            self.change_view(|view| view.settling = std::mem::take(&mut view.fresh));
            settling.up_to = Some(log.last());
            self.changed.notify_all();
        }
        // A tree that cannot follow holds the writers up, and not the memory.
        while self.is_too_large() && settling.up_to.is_some() && settling.failed.is_none() {
            settling = self.changed.wait(settling).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until nothing is on its way to the tree.
    fn wait(&self) -> Result<()> {
        let mut settling = locked(&self.settling);
        // It may be waiting before it tries again.
        settling.failed = None;
        self.changed.notify_all();
        loop {
            if let Some(error) = settling.failed.take() {
                return Err(error);
            }
            if settling.up_to.is_none() || settling.closed {
                return Ok(());
            }
            settling = self.changed.wait(settling).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Brings everything to the tree, and waits for it.
    fn settle_all(&self) -> Result<()> {
        self.wait()?;
        if let Logging::Open(log) = &mut *locked(&self.log) {
            self.turn(log);
        }
        self.wait()
    }

    /// A group that is too large for the log goes to the tree at once.
    fn commit_at_once(&self, batch: &Batch) -> Result<()> {
        let mut logging = locked(&self.log);
        self.begun(&mut logging)?;
        drop(logging);
        self.settle_all()?;
        let mut logging = locked(&self.log);
        let log = self.begun(&mut logging)?;
        let mark = Mark { salt: log.salt(), applied: log.last() + 1 };
        self.tree.write(batch.iter(), Some(mark))?;
        log.pass();
        let tree = Arc::new(self.tree.view()?);
        self.change_view(|view| view.tree = tree);
        Ok(())
    }

    /// Brings to the tree what is due, until the store is closed.
    fn settle(&self) {
        loop {
            let mut settling = locked(&self.settling);
            let mut quiet = false;
            while (settling.up_to.is_none() || settling.failed.is_some()) && !settling.closed && !quiet {
                settling.written = false;
                let (woken, timed) =
                    self.changed.wait_timeout(settling, self.due.quiet).unwrap_or_else(PoisonError::into_inner);
                settling = woken;
                quiet = timed.timed_out() && !settling.written;
            }
            if settling.closed {
                return;
            }
            settling.failed = None;
            let up_to = settling.up_to;
            drop(settling);
            match up_to {
                Some(up_to) => self.apply(up_to),
                // Nobody writes just now; what is left in the log would make the next start longer.
                None => {
                    // Who holds the log is writing, or waits for us.
                    if let Ok(mut logging) = self.log.try_lock()
                        && let Logging::Open(log) = &mut *logging
                    {
                        self.turn(log);
                    }
                }
            }
        }
    }

    /// Writes what is on its way to the tree.
    fn apply(&self, up_to: u64) {
        let done = self.salt().and_then(|salt| self.write_settling(Some(Mark { salt, applied: up_to })));
        let mut settling = locked(&self.settling);
        match done {
            Ok(()) => settling.up_to = None,
            Err(error) => settling.failed = Some(error),
        }
        self.changed.notify_all();
    }

    fn salt(&self) -> Result<u64> {
        Ok(self.tree.mark()?.ok_or(Error::Lost)?.salt)
    }

    fn write_settling(&self, mark: Option<Mark>) -> Result<()> {
        let layer = self.view().settling.clone();
        let needed = RESERVE + pages(layer.len(), layer.weight());
        let free = self.disk.free().map_err(|source| self.failed(source))?;
        if let Some(free) = free.filter(|free| *free < needed) {
            return Err(Error::Full { path: self.disk.path().to_owned(), free, needed });
        }
        self.tree.write(layer.rows(), mark)?;
        let tree = Arc::new(self.tree.view()?);
        self.change_view(|view| {
            view.settling = Layer::default();
            view.tree = tree;
        });
        Ok(())
    }

    /// Brings everything to the tree, and leaves no log. Where the tree has no room, the log stays for the next time.
    fn close(&self) {
        let settled = self.settle_all();
        let mut logging = locked(&self.log);
        let before = std::mem::replace(&mut *logging, Logging::Closed);
        if settled.is_ok() && matches!(before, Logging::Open(_)) && self.tree.write(std::iter::empty(), None).is_ok() {
            // Files that stay are no log any more.
            drop(self.disk.remove_logs());
        }
    }
}

fn random() -> Result<[u8; 8]> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Error::Engine(Arc::new(std::io::Error::other(error.to_string()))))?;
    Ok(bytes)
}

/// Syncs a file while something else is done.
struct Syncer {
    files: Mutex<Option<SyncSender<Arc<dyn File>>>>,
    done: Mutex<Receiver<std::io::Result<()>>>,
}

impl Syncer {
    /// A thread that ends with it.
    fn start() -> Result<Self> {
        let (files, ordered) = sync_channel::<Arc<dyn File>>(1);
        let (tell, done) = sync_channel(1);
        let work = move || {
            while let Ok(file) = ordered.recv() {
                if tell.send(file.sync()).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("store-sync".to_owned()).spawn(work).map_err(Error::engine)?;
        Ok(Self { files: Mutex::new(Some(files)), done: Mutex::new(done) })
    }

    fn begin(&self, file: Arc<dyn File>) {
        // If the thread is gone, `end` says so.
        drop(locked(&self.files).as_ref().map(|files| files.send(file)));
    }

    fn end(&self) -> std::io::Result<()> {
        locked(&self.done).recv().unwrap_or_else(|_| Err(std::io::Error::other("the thread that syncs is gone")))
    }
}
