//! A store on a disk that loses, tears and reorders what was not synced, and is full.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::disk::{Disk, FILES, File};
use super::{Due, Durable};
use crate::{Backend as _, Batch, Error, Order, Page, Result};

const SECTOR: usize = 512;
const PAGE: usize = 4_096;

/// Dice with a seed.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// A file: what is on the disk, what a reader sees, and which sectors were written how since the last sync.
#[derive(Debug, Clone, Default)]
struct Content {
    synced: Vec<u8>,
    now: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
    /// The pages that were written: a file may be longer than what it takes.
    pages: BTreeSet<usize>,
}

impl Content {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        if self.now.len() < at + bytes.len() {
            self.now.resize(at + bytes.len(), 0);
        }
        self.now[at..at + bytes.len()].copy_from_slice(bytes);
        self.pages.extend(at / PAGE..(at + bytes.len()).div_ceil(PAGE));
        for sector in at / SECTOR..(at + bytes.len()).div_ceil(SECTOR) {
            let end = self.now.len().min((sector + 1) * SECTOR);
            self.unsynced.push((sector, self.now[sector * SECTOR..end].to_vec()));
        }
    }

    fn sync(&mut self) {
        self.unsynced.clear();
        self.synced.clone_from(&self.now);
    }

    /// What is left when the power goes: of each sector, one of the states that it has had since the last sync.
    fn lose(&mut self, dice: &mut Dice) {
        let mut sectors: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
        for (sector, bytes) in self.unsynced.drain(..) {
            sectors.entry(sector).or_default().push(bytes);
        }
        let mut left = self.synced.clone();
        // A file that was cut has its old length or the new one.
        if left.len() > self.now.len() && dice.below(2) == 0 {
            left.truncate(self.now.len());
        }
        for (sector, mut states) in sectors {
            let kept = dice.below(states.len() + 1);
            if kept > 0 {
                let bytes = states.swap_remove(kept - 1);
                let at = sector * SECTOR;
                left.resize(left.len().max(at + bytes.len()), 0);
                left[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        }
        // A tree's file has the length that it was given, or an earlier one.
        self.now.clone_from(&left);
        self.synced = left;
    }
}

#[derive(Debug, Default)]
struct World {
    files: BTreeMap<String, Content>,
    /// Changes of the disk that are still done; then the power is out.
    left: Option<usize>,
    size: Option<usize>,
}

impl World {
    fn step(&mut self) -> io::Result<()> {
        match &mut self.left {
            Some(0) => Err(io::Error::other("the power is out")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn used(&self) -> usize {
        self.files.values().map(|f| f.pages.len() * PAGE).sum()
    }
}

/// A disk in memory.
#[derive(Debug, Clone, Default)]
struct Simulated(Arc<Mutex<World>>);

#[derive(Debug)]
struct Opened(Simulated, String);

impl Simulated {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<Durable> {
        let due = Due { large: 12_000, hiding: 6, quiet: Duration::from_millis(3) };
        Durable::on(Box::new(self.clone()), due)
    }

    /// The process is gone; with `dice` the power, too.
    fn crash(&self, dice: Option<&mut Dice>) {
        let mut world = self.world();
        world.left = None;
        if let Some(dice) = dice {
            world.files.values_mut().for_each(|file| file.lose(dice));
        }
    }

    /// The same disk once more.
    fn copy(&self) -> Self {
        let world = self.world();
        let copy = World { files: world.files.clone(), left: None, size: world.size };
        Self(Arc::new(Mutex::new(copy)))
    }
}

impl Disk for Simulated {
    fn path(&self) -> &Path {
        Path::new("/a/simulated/disk")
    }

    fn has_tree(&self) -> bool {
        self.world().files.contains_key("tree")
    }

    fn tree(&self, builder: &mut redb::Builder, new: bool) -> std::result::Result<redb::Database, redb::DatabaseError> {
        let name = if new { "tree.new" } else { "tree" };
        self.world().files.entry(name.to_owned()).or_default();
        builder.create_with_backend(Opened(self.clone(), name.to_owned()))
    }

    fn clear_new_tree(&self) -> io::Result<()> {
        let mut world = self.world();
        world.step()?;
        world.files.remove("tree.new");
        Ok(())
    }

    fn place_new_tree(&self) -> io::Result<()> {
        let mut world = self.world();
        world.step()?;
        let file = world.files.remove("tree.new").unwrap();
        world.files.insert("tree".to_owned(), file);
        Ok(())
    }

    fn log(&self, number: usize, make: bool) -> io::Result<Option<Arc<dyn File>>> {
        let name = format!("log.{number}");
        let mut world = self.world();
        if make {
            world.step()?;
            world.files.entry(name.clone()).or_default();
        }
        Ok(world.files.contains_key(&name).then(|| Arc::new(Opened(self.clone(), name)) as Arc<dyn File>))
    }

    fn sync_names(&self) -> io::Result<()> {
        self.world().step()
    }

    fn remove_logs(&self) -> io::Result<()> {
        let mut world = self.world();
        world.step()?;
        (0..FILES).for_each(|number| drop(world.files.remove(&format!("log.{number}"))));
        Ok(())
    }

    fn free(&self) -> io::Result<Option<u64>> {
        let world = self.world();
        Ok(world.size.map(|size| size.saturating_sub(world.used()) as u64))
    }
}

impl Opened {
    fn change(&self, change: impl FnOnce(&mut Content)) -> io::Result<()> {
        let mut world = self.0.world();
        world.step()?;
        change(world.files.entry(self.1.clone()).or_default());
        match world.size {
            Some(size) if world.used() > size => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn look<T>(&self, look: impl FnOnce(&Content) -> T) -> T {
        look(self.0.world().files.entry(self.1.clone()).or_default())
    }
}

impl File for Opened {
    fn len(&self) -> io::Result<u64> {
        Ok(self.look(|file| file.now.len() as u64))
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        Ok(self.look(|file| file.now.clone()))
    }

    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(|file| file.write(usize::try_from(at).unwrap(), bytes))
    }

    fn sync(&self) -> io::Result<()> {
        self.change(Content::sync)
    }
}

impl redb::StorageBackend for Opened {
    fn len(&self) -> io::Result<u64> {
        File::len(self)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        self.look(|file| match file.now.get(at..at + out.len()) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        self.change(|file| {
            file.now.resize(len, 0);
            file.pages.retain(|page| page * PAGE < len);
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(Content::sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        File::write(self, offset, data)
    }
}

type Model = BTreeMap<Vec<u8>, Bytes>;

fn apply(model: &mut Model, batch: &Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => drop(model.insert(key.clone(), value.clone())),
            None => drop(model.remove(key)),
        }
    }
}

fn page(order: Order) -> Page {
    Page { start: Vec::new(), end: None, order, limit: usize::MAX }
}

fn rows(store: &Durable) -> Result<Model> {
    let found = store.snapshot().scan(&page(Order::Ascending))?;
    Ok(found.into_iter().map(|(key, value)| (key.to_vec(), value)).collect())
}

/// A few writes, rarely one that is too large for the log.
fn batch(dice: &mut Dice) -> Batch {
    let (count, longest) = match dice.below(40) {
        0 => (12, 4_000),
        1..4 => (8, 40),
        _ => (1 + dice.below(3), 600),
    };
    let row = |dice: &mut Dice| {
        let key = format!("key {:02}", dice.below(30)).into_bytes();
        let filled = vec![u8::try_from(dice.below(256)).unwrap(); dice.below(longest)];
        (key, (dice.below(3) > 0).then(|| filled.into()))
    };
    (0..count).map(|_| row(dice)).collect()
}

/// Every page of a store is that of the model, in both directions.
fn check_pages(store: &Durable, model: &Model, dice: &mut Dice) {
    let view = store.snapshot();
    for _ in 0..4 {
        let start = format!("key {:02}", dice.below(30)).into_bytes();
        let end = Some(format!("key {:02}", dice.below(31)).into_bytes());
        let limit = 1 + dice.below(8);
        let inside = model.iter().filter(|(key, _)| **key >= start && end.as_ref().is_none_or(|end| *key < end));
        let mut wanted: Vec<_> = inside.map(|(k, v)| (Bytes::from(k.clone()), v.clone())).collect();
        for order in [Order::Ascending, Order::Descending] {
            let page = Page { start: start.clone(), end: end.clone(), order, limit };
            let first = wanted.iter().take(limit).cloned().collect::<Vec<_>>();
            assert_eq!(view.scan(&page).unwrap(), first, "{page:?}");
            wanted.reverse();
        }
        assert_eq!(view.get(&start).unwrap(), model.get(&start).cloned());
    }
}

/// Lives and dies several times on a disk; what was acknowledged is there each time, and of what was not, all or nothing.
fn live(seed: u64, power: bool) {
    let (disk, mut dice, mut model) = (Simulated::default(), Dice(seed), Model::new());
    for life in 0..5 {
        let mut doubtful = None;
        disk.world().left = Some(dice.below(120));
        match disk.open() {
            // The power was out before it was open.
            Err(_) => {}
            Ok(store) => {
                assert_eq!(rows(&store).unwrap(), model, "seed {seed}, life {life}");
                for _ in 0..dice.below(60) {
                    let batch = batch(&mut dice);
                    if store.commit(&batch).is_err() {
                        doubtful = Some(batch);
                        break;
                    }
                    apply(&mut model, &batch);
                    check_pages(&store, &model, &mut dice);
                    if dice.below(12) == 0 {
                        std::thread::sleep(Duration::from_millis(4));
                    }
                }
                if dice.below(4) == 0 {
                    store.close();
                }
            }
        }
        disk.crash(power.then_some(&mut dice));
        let store = disk.open().unwrap_or_else(|error| panic!("seed {seed}, life {life}: {error:?}"));
        let found = rows(&store).unwrap();
        if found != model {
            let batch = doubtful.unwrap_or_else(|| panic!("seed {seed}, life {life}: an acknowledged write is lost"));
            apply(&mut model, &batch);
            assert_eq!(found, model, "seed {seed}, life {life}: a group is there in part");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_was_acknowledged_outlives_a_loss_of_power(seed in any::<u64>()) {
        live(seed, true);
    }

    #[test]
    fn what_was_acknowledged_outlives_the_process(seed in any::<u64>()) {
        live(seed, false);
    }
}

fn put(store: &Durable, key: &str, length: usize) -> Result<()> {
    store.commit(&Batch::from([(key.as_bytes().to_vec(), Some(vec![b'v'; length].into()))]))
}

/// A disk with a log of several frames that are not in the tree.
fn logged() -> Simulated {
    let disk = Simulated::default();
    let due = Due { large: 1 << 20, hiding: 100, quiet: Duration::from_secs(60) };
    let store = Durable::on(Box::new(disk.clone()), due).unwrap();
    (0..6).for_each(|n| put(&store, &format!("key {n}"), 100 + n).unwrap());
    drop(store);
    disk
}

#[test]
fn a_damaged_log_is_not_opened_unless_it_may_have_been_cut_short() {
    let whole = rows(&logged().open().unwrap()).unwrap();
    assert_eq!(whole.len(), 6);
    let (mut refused, mut shorter) = (0, 0);
    for at in (0..1_100).step_by(7) {
        let disk = logged().copy();
        disk.world().files.get_mut("log.0").unwrap().now[at] ^= 0x20;
        match disk.open() {
            Err(Error::Corrupt { .. }) => refused += 1,
            Err(other) => panic!("byte {at}: {other}"),
            // The last frame may be one that never was acknowledged: nobody can tell. Else the byte is in no use.
            Ok(store) => {
                let found = rows(&store).unwrap();
                assert!(
                    found.len() >= 5 && found.iter().all(|(key, value)| whole.get(key) == Some(value)),
                    "byte {at}"
                );
                shorter += usize::from(found.len() == 5);
            }
        }
    }
    assert!(refused > 80 && shorter > 10, "{refused} refused, {shorter} shorter");
    for name in ["log.0", "log.1"] {
        let disk = logged();
        disk.world().files.remove(name);
        assert!(matches!(disk.open(), Err(Error::Corrupt { .. })), "without {name}");
    }
}

#[test]
fn a_closed_store_has_no_log() {
    let disk = logged();
    let store = disk.open().unwrap();
    store.close();
    assert!(matches!(put(&store, "late", 1), Err(Error::Lost)));
    drop(store);
    assert_eq!(disk.world().files.keys().collect::<Vec<_>>(), ["tree"]);
    assert_eq!(rows(&disk.open().unwrap()).unwrap().len(), 6);
}

#[test]
fn a_full_disk_takes_no_more_and_then_goes_on() {
    let disk = Simulated::default();
    disk.world().size = Some(6 << 20);
    let store = disk.open().unwrap();
    let mut kept = 0;
    let full = loop {
        match put(&store, &format!("{kept:04}"), 9_000) {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, Error::Full { .. }) && kept > 20, "{kept} and then {full}");
    assert!(put(&store, "more", 9_000).is_err());
    assert_eq!(rows(&store).unwrap().len(), kept);
    drop(store);
    let store = disk.open().unwrap();
    assert_eq!(rows(&store).unwrap().len(), kept);
    disk.world().size = None;
    put(&store, "more", 9_000).unwrap();
    assert_eq!(rows(&store).unwrap().len(), kept + 1);
}
