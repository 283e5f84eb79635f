//! What is simulated: one kernel at a time over one disk, in this thread, on a clock that stands still until it is moved.

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::runtime::{Builder, Runtime};
use undercast_kernel::store::{Blobs, Database, Order, Table};
use undercast_kernel::{
    AuthMode, Effect, Failure, FaultRule, IamMode, Kernel, Random, Result, Settings, Task, Timestamp,
};
use undercast_sqs::Sqs;

use crate::disk::{Disk, Sabotage};

/// Where everything is simulated.
pub(crate) const ACCOUNT: &str = "000000000000";
/// Where everything is simulated.
pub(crate) const REGION: &str = "us-east-1";
/// When every simulation begins: 2026-01-01T00:00:00Z, in milliseconds since 1970.
pub(crate) const BEGINNING: i64 = 1_767_225_600_000;

/// The kernel's own table of what falls due, read to see that nothing is late.
static DUE: Table<Task> = Table::new("kernel.tasks");

/// A call that has no answer yet.
pub(crate) type Waiting = Pin<Box<dyn Future<Output = Result<Json>>>>;

/// The machine: what a crash does not take.
pub(crate) struct World {
    pub(crate) disk: Arc<Disk>,
    seed: u64,
    lives: u64,
    folder: Folder,
    life: Life,
}

/// What a crash takes: the kernel with all that is in memory, and the work that runs beside the calls.
struct Life {
    kernel: Kernel,
    runtime: Runtime,
}

impl World {
    pub(crate) fn new(seed: u64, sabotage: Option<Sabotage>) -> Result<Self> {
        let disk = Arc::new(Disk::new(sabotage));
        let folder = Folder::new()?;
        let life = Life::begin(&disk, &folder, seed, BEGINNING)?;
        Ok(Self { disk, seed, lives: 1, folder, life })
    }

    /// Ends the kernel without warning, and begins another on what is on the disk.
    pub(crate) fn crash(&mut self) -> Result<()> {
        let now = self.now();
        // Another kernel has other chances: ids of the one before must not come again.
        let chances = self.seed ^ self.lives.rotate_left(32);
        self.lives += 1;
        self.life = Life::begin(&self.disk, &self.folder, chances, now)?;
        Ok(())
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.life.kernel.clock().now().as_millisecond()
    }

    /// One call, from beginning to end. Nothing else runs meanwhile.
    pub(crate) fn call(&self, operation: &str, input: Json) -> Result<Json> {
        let cx = self.life.kernel.cx_for(ACCOUNT, REGION);
        self.life.runtime.block_on(cx.call("sqs", operation, input))
    }

    /// A call that may wait: it is begun when it is first looked at.
    pub(crate) fn begin(&self, operation: &'static str, input: Json) -> Waiting {
        let cx = self.life.kernel.cx_for(ACCOUNT, REGION);
        Box::pin(async move { cx.call("sqs", operation, input).await })
    }

    /// Whether a call has its answer.
    pub(crate) fn look(&self, waiting: &mut Waiting) -> Poll<Result<Json>> {
        self.life.runtime.block_on(poll_fn(|task| Poll::Ready(waiting.as_mut().poll(task))))
    }

    /// Lets what runs beside the calls do all that it can do at this moment.
    pub(crate) fn rest(&self) {
        self.life.runtime.block_on(async {
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Moves the clock by the kernel's own means: everything that falls due is done at its own moment.
    pub(crate) fn advance(&self, milliseconds: i64) -> Result<()> {
        let span = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
        self.life.runtime.block_on(self.life.kernel.advance(span)).map(drop)
    }

    /// Moves the clock in one jump: what fell due meanwhile is late.
    pub(crate) fn jump(&self, milliseconds: i64) {
        let to = self.life.kernel.clock().now().checked_add(Duration::from_millis(milliseconds.unsigned_abs()));
        self.life.kernel.clock().set(to.unwrap_or(Timestamp::MAX));
    }

    /// The task that falls due next.
    pub(crate) fn next_task(&self) -> Result<Option<Task>> {
        let read = self.life.kernel.database().read();
        let first = DUE.page(&read, &(), None::<&()>, Order::Ascending, 1)?.pop();
        Ok(first.map(|entry| entry.row))
    }

    /// Lets a fault strike calls from now on.
    pub(crate) fn fault(&self, operation: &str, probability: f64, effect: Effect) -> Result<()> {
        let rule = FaultRule {
            id: String::new(),
            service: Some("sqs".to_owned()),
            operation: Some(operation.to_owned()),
            account: None,
            region: None,
            zone: None,
            probability,
            effect,
        };
        self.life.kernel.faults().add(rule).map_err(Failure::broken)
    }

    /// Takes all faults away.
    pub(crate) fn no_faults(&self) {
        self.life.kernel.faults().remove(None);
    }
}

impl Life {
    fn begin(disk: &Arc<Disk>, folder: &Folder, chances: u64, now: i64) -> Result<Self> {
        let settings = Settings {
            iam: IamMode::Enforce,
            auth: AuthMode::Open,
            strict: false,
            host: "localhost:4566".to_owned(),
            data: None,
            files: folder.0.clone(),
        };
        let database = Database::new(disk.clone())?;
        let blobs = Blobs::open(&folder.0, false)?;
        let kernel = Kernel::new(settings, database, blobs, Random::seeded(chances), vec![Arc::new(Sqs)])?;
        kernel.clock().freeze();
        kernel.clock().set(Timestamp::from_millisecond(now).map_err(Failure::broken)?);
        let runtime = Builder::new_current_thread().enable_time().build().map_err(Failure::broken)?;
        runtime.block_on(async { kernel.start() });
        Ok(Self { kernel, runtime })
    }
}

/// A directory for the blobs, of which there are none; it goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("undercast-sim-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(Failure::broken)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own sweep of temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
