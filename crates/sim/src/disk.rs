//! The disk of the simulation: state in memory that outlives a crash of the kernel, and that fails when it is told to.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use undercast_kernel::store::{Backend, Batch, Error, Memory, Order, Page, Read, Result};

/// What is done to writes on their way to the disk, behind everybody's back. The simulation must notice it.
pub type Sabotage = Box<dyn FnMut(&mut Batch) + Send>;

/// A disk.
pub(crate) struct Disk {
    memory: Memory,
    plan: Mutex<Plan>,
}

#[derive(Default)]
struct Plan {
    /// So many commits succeed before one fails.
    left: Option<u32>,
    /// Those after it fail too.
    for_good: bool,
    struck: bool,
    sabotage: Option<Sabotage>,
}

impl Disk {
    pub(crate) fn new(sabotage: Option<Sabotage>) -> Self {
        Self { memory: Memory::new(), plan: Mutex::new(Plan { sabotage, ..Plan::default() }) }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a commit fail after so many more; `for_good`: all after it too, as when the power is out.
    pub(crate) fn fail_after(&self, commits: u32, for_good: bool) {
        let mut plan = self.plan();
        plan.left = Some(commits);
        plan.for_good = for_good;
        plan.struck = false;
    }

    /// Lets commits succeed again, and says whether one has failed.
    pub(crate) fn mend(&self) -> bool {
        let mut plan = self.plan();
        plan.left = None;
        std::mem::take(&mut plan.struck)
    }

    /// Every row that is there.
    pub(crate) fn rows(&self) -> Result<Vec<(Bytes, Bytes)>> {
        let everything = Page { start: Vec::new(), end: None, order: Order::Ascending, limit: usize::MAX };
        self.memory.snapshot().scan(&everything)
    }

    /// How many rows a table has.
    pub(crate) fn count(&self, table: &str) -> Result<usize> {
        // The end of a text in a key is two bytes.
        let prefix = [table.as_bytes(), &[0, 1]].concat();
        Ok(self.rows()?.iter().filter(|(key, _)| key.starts_with(&prefix)).count())
    }

    /// A number that two states share only if they are the same.
    pub(crate) fn fingerprint(&self) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        self.rows()?.hash(&mut hasher);
        Ok(hasher.finish())
    }
}

impl Backend for Disk {
    fn snapshot(&self) -> Arc<dyn Read + Send + Sync> {
        self.memory.snapshot()
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        let mut plan = self.plan();
        match plan.left {
            Some(0) => {
                plan.struck = true;
                if !plan.for_good {
                    plan.left = None;
                }
                return Err(Error::Engine(Arc::new(std::io::Error::other("the simulated disk refuses"))));
            }
            Some(left) => plan.left = Some(left - 1),
            None => {}
        }
        let Some(sabotage) = &mut plan.sabotage else { return self.memory.commit(batch) };
        let mut batch = batch.clone();
        sabotage(&mut batch);
        self.memory.commit(&batch)
    }

    fn immediate(&self) -> bool {
        true
    }
}
