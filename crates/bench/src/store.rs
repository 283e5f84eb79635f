//! `./x bench store`: the store alone, beside a bare log on the same disk, a log with a map in memory, and the tree without a log.

use std::io::Write as _;
use std::ops::Bound;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redb::{ReadableDatabase as _, TableDefinition};
use tokio::sync::watch;
use tokio::task::JoinSet;
use undercast_store::{Backend, Batch, Database, Durable, Error, Memory, Order, Page, Read, Result};

use crate::Failed;
use crate::plan::{Folder, ROUND, ROUNDS};
use crate::table::{self, say};

/// Bytes of a transaction's two rows.
const ROWS: [usize; 2] = [400, 100];
/// Where the memory and the reopening are measured.
const MANY: u64 = 1_000_000;

/// A transaction: it reads a row, and writes two.
async fn transaction(database: &Database, writer: usize, turn: u64) -> Result<()> {
    let key = |table: &str, n: u64| [table.as_bytes(), b"\0bench\0", &n.to_be_bytes()].concat();
    let of_writer = ((writer as u64) << 32) | (turn % 10_000);
    let write = |tx: &mut undercast_store::Tx<'_>| {
        drop(tx.get(&key("items", of_writer))?);
        tx.put(key("items", of_writer), Bytes::from_static(&[b'i'; ROWS[0]]));
        tx.put(key("counts", writer as u64), Bytes::from_static(&[b'c'; ROWS[1]]));
        Ok(())
    };
    database.write(write).await
}

/// A log and nothing else: groups of as many bytes as those transactions have, each with one sync.
struct Bare {
    state: Mutex<(usize, watch::Sender<bool>)>,
    wake: Condvar,
}

impl Bare {
    fn start(path: &Path) -> std::result::Result<Arc<Self>, Failed> {
        let mut file = std::fs::File::create(path)?;
        file.write_all(&vec![0; 64 << 20])?;
        file.sync_all()?;
        let bare = Arc::new(Self { state: Mutex::new((0, watch::Sender::new(false))), wake: Condvar::new() });
        let writer = bare.clone();
        std::thread::spawn(move || {
            let mut at = 0;
            loop {
                let mut state = writer.state.lock().unwrap_or_else(PoisonError::into_inner);
                while state.0 == 0 {
                    state = writer.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                let (count, group) = std::mem::replace(&mut *state, (0, watch::Sender::new(false)));
                drop(state);
                let bytes = vec![b'x'; count * (ROWS.iter().sum::<usize>() + 60)];
                if at + bytes.len() as u64 > 64 << 20 {
                    at = 0;
                }
                let written = file.write_all_at(&bytes, at).and_then(|()| file.sync_data());
                at += bytes.len() as u64;
                if written.is_ok() {
                    group.send_replace(true);
                }
            }
        });
        Ok(bare)
    }

    async fn write(&self) {
        let mut waiting = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 += 1;
            self.wake.notify_one();
            state.1.subscribe()
        };
        // A log that failed tells nobody, and the bench stands still.
        let _ = waiting.wait_for(|done| *done).await;
    }
}

/// A log with a map in memory: what is written is all there and can be read, and a start would have to read the whole log.
struct Mapped {
    memory: Memory,
    log: Mutex<(std::fs::File, u64)>,
}

impl Mapped {
    fn open(path: &Path) -> std::result::Result<Self, Failed> {
        let mut file = std::fs::File::create(path)?;
        file.write_all(&vec![0; 64 << 20])?;
        file.sync_all()?;
        Ok(Self { memory: Memory::new(), log: Mutex::new((file, 0)) })
    }
}

impl Backend for Mapped {
    fn snapshot(&self) -> Arc<dyn Read + Send + Sync> {
        self.memory.snapshot()
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        let mut bytes = Vec::new();
        for (key, value) in batch {
            bytes.extend(key);
            bytes.extend(value.as_deref().unwrap_or_default());
        }
        let sum = crc32fast::hash(&bytes);
        bytes.extend(sum.to_be_bytes());
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.1 + bytes.len() as u64 > 64 << 20 {
            log.1 = 0;
        }
        log.0.write_all_at(&bytes, log.1).and_then(|()| log.0.sync_data()).map_err(engine)?;
        log.1 += bytes.len() as u64;
        self.memory.commit(batch)
    }

    fn immediate(&self) -> bool {
        false
    }
}

/// The tree without a log: a commit a group.
struct Tree(redb::Database);

const TABLE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");

struct TreeView(redb::ReadOnlyTable<&'static [u8], &'static [u8]>);

fn engine(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Engine(Arc::new(error))
}

impl Read for TreeView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.0.get(key).map_err(engine)?.map(|value| Bytes::copy_from_slice(value.value())))
    }

    fn scan(&self, page: &Page) -> Result<Vec<(Bytes, Bytes)>> {
        let end = page.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.0.range::<&[u8]>((Bound::Included(page.start.as_slice()), end)).map_err(engine)?;
        let row = |row: std::result::Result<(redb::AccessGuard<'_, &[u8]>, redb::AccessGuard<'_, &[u8]>), _>| {
            let (key, value) = row.map_err(engine)?;
            Ok((Bytes::copy_from_slice(key.value()), Bytes::copy_from_slice(value.value())))
        };
        match page.order {
            Order::Ascending => range.take(page.limit).map(row).collect(),
            Order::Descending => range.rev().take(page.limit).map(row).collect(),
        }
    }
}

impl Tree {
    fn open(path: &Path) -> std::result::Result<Self, Failed> {
        let tree = Self(redb::Builder::new().set_cache_size(8 << 20).create(path).map_err(engine)?);
        tree.commit(&Batch::new())?;
        Ok(tree)
    }
}

impl Backend for Tree {
    #[expect(clippy::panic, reason = "a bench has nothing to say of a tree that cannot be read")]
    fn snapshot(&self) -> Arc<dyn Read + Send + Sync> {
        match self.0.begin_read().map_err(engine).and_then(|t| t.open_table(TABLE).map_err(engine)) {
            Ok(table) => Arc::new(TreeView(table)),
            Err(error) => panic!("{error}"),
        }
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        let mut write = self.0.begin_write().map_err(engine)?;
        write.set_quick_repair(true);
        {
            let mut rows = write.open_table(TABLE).map_err(engine)?;
            for (key, value) in batch {
                match value {
                    Some(value) => drop(rows.insert(key.as_slice(), value.as_ref()).map_err(engine)?),
                    None => drop(rows.remove(key.as_slice()).map_err(engine)?),
                }
            }
        }
        write.commit().map_err(engine)
    }

    fn immediate(&self) -> bool {
        false
    }
}

/// Who writes.
#[derive(Clone)]
enum Writer {
    Bare(Arc<Bare>),
    Store(Database),
}

/// Writes with so many tasks for a round; says how many a second.
#[expect(clippy::cast_precision_loss, reason = "counts of a round are exact in a double")]
async fn round(writer: &Writer, tasks: usize, span: Duration) -> std::result::Result<f64, Failed> {
    let started = Instant::now();
    let mut all = JoinSet::new();
    for task in 0..tasks {
        let writer = writer.clone();
        all.spawn(async move {
            let mut written = 0_u64;
            while started.elapsed() < span {
                match &writer {
                    Writer::Bare(bare) => bare.write().await,
                    Writer::Store(database) => transaction(database, task, written).await?,
                }
                written += 1;
            }
            Ok::<_, Error>(written)
        });
    }
    let mut sum = 0;
    while let Some(ended) = all.join_next().await {
        sum += ended.map_err(|_| Failed::Said("a writer ended early".to_owned()))??;
    }
    Ok(sum as f64 / started.elapsed().as_secs_f64())
}

/// Measures the store and prints the table.
pub(crate) fn run() -> std::result::Result<(), Failed> {
    let folder = Folder::new()?;
    let workers = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let bare = Writer::Bare(Bare::start(&folder.0.join("bare"))?);
    let mapped = Writer::Store(Database::new(Arc::new(Mapped::open(&folder.0.join("mapped"))?))?);
    let tree = Writer::Store(Database::new(Arc::new(Tree::open(&folder.0.join("tree"))?))?);
    let store = Writer::Store(Database::new(Arc::new(Durable::open(&folder.0.join("store"))?))?);
    say(&format!(
        "{:<32}{:>11}{:>11}{:>11}{:>11}{:>9}",
        "durable transactions a second", "bare log", "log, map", "tree", "store", "of both"
    ));
    for tasks in [1, 16, 64, 256] {
        let mut rates = [0.0; 4];
        for turn in 0..=ROUNDS {
            for (rate, writer) in rates.iter_mut().zip([&bare, &mapped, &tree, &store]) {
                let reached = workers.block_on(round(writer, tasks, ROUND))?;
                // The first round warms what there is to warm.
                *rate += if turn == 0 { 0.0 } else { reached };
            }
        }
        let [bare, mapped, tree, store] = rates.map(|rate| rate / f64::from(u32::try_from(ROUNDS).unwrap_or(1)));
        let shares = format!("{:.2} {:.2}", store / bare, store / mapped);
        let verdict = table::at_least(store / mapped, 0.6, "");
        let verdict = if tasks == 64 { format!("limit ≥ 0.6 of log and map: {verdict}") } else { String::new() };
        let name = format!("{tasks} tasks");
        say(&format!("{name:<32}{bare:>11.0}{mapped:>11.0}{tree:>11.0}{store:>11.0}{shares:>11}   {verdict}"));
    }
    drop(mapped);
    drop((bare, tree, store));
    many(&folder.0.join("many"))
}

/// Fills a store in a process of its own, looks at its memory, kills it, and opens the store again.
fn many(folder: &Path) -> std::result::Result<(), Failed> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("fill")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| Failed::Start(folder.to_owned(), source))?;
    let mut said = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().ok_or_else(|| Failed::Said("no output".to_owned()))?);
    std::io::BufRead::read_line(&mut out, &mut said)?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    child.kill()?;
    child.wait()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kilobytes: f64 = kilobytes.trim().trim_end_matches(" kB").parse().unwrap_or(f64::NAN);
    let memory = kilobytes / 1024.0;
    let verdict = format!("limit 60 MiB: {}", table::at_most(memory, 60.0, " MiB"));
    table::single("memory with a million records of 1 KiB", &format!("{memory:.1} MiB"), &verdict);
    let started = Instant::now();
    let database = Database::new(Arc::new(Durable::open(folder)?))?;
    let took = started.elapsed().as_secs_f64() * 1e3;
    let last = database.read().get(&record(MANY - 1))?;
    if last.is_none() {
        return Err(Failed::Said("an acknowledged record is lost".to_owned()));
    }
    let verdict = format!("limit 50 ms: {}", table::at_most(took, 50.0, " ms"));
    table::single("reopened after kill -9", &format!("{took:.1} ms"), &verdict);
    Ok(())
}

fn record(number: u64) -> Vec<u8> {
    [b"records\0".as_slice(), &number.to_be_bytes()].concat()
}

/// Writes a million records, some on the way to the tree, and says so.
pub(crate) fn fill(folder: &Path) -> std::result::Result<(), Failed> {
    let workers = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let database = Database::new(Arc::new(Durable::open(folder)?))?;
    let filling = async {
        for group in 0..MANY / 1_000 {
            let write = |tx: &mut undercast_store::Tx<'_>| {
                (0..1_000).for_each(|n| tx.put(record(group * 1_000 + n), vec![b'r'; 1_024].into()));
                Ok::<_, Error>(())
            };
            database.write(write).await?;
        }
        Ok::<_, Error>(())
    };
    workers.block_on(filling)?;
    say("filled");
    std::thread::sleep(Duration::from_secs(60));
    Ok(())
}
