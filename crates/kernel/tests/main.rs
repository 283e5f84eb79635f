//! Timers on a store that fails.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use undercast_kernel::store::{Backend, Batch, Blobs, Database, Error, Memory, Read, Result, Table};
use undercast_kernel::{AuthMode, IamMode, Kernel, Random, Settings, Task};

/// A disk that can be full.
#[derive(Default)]
struct Disk {
    memory: Memory,
    full: AtomicBool,
    refused: AtomicU32,
}

impl Backend for Disk {
    fn snapshot(&self) -> Arc<dyn Read + Send + Sync> {
        self.memory.snapshot()
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        if self.full.load(Ordering::Relaxed) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::Engine(Arc::new(std::io::Error::other("the disk is full"))));
        }
        self.memory.commit(batch)
    }

    fn immediate(&self) -> bool {
        true
    }
}

/// A kernel with a task that is due in a second. Nobody knows its service, so that it fails each time that it is done.
async fn kernel_with_a_task(disk: &Arc<Disk>, name: &str) -> Kernel {
    let folder = std::env::temp_dir().join(format!("undercast-kernel-{name}-{}", std::process::id()));
    let settings = Settings {
        iam: IamMode::Enforce,
        auth: AuthMode::Open,
        strict: false,
        host: "localhost".to_owned(),
        data: None,
        files: folder.clone(),
    };
    let database = Database::new(disk.clone()).unwrap();
    let blobs = Blobs::open(&folder, false).unwrap();
    let kernel = Kernel::new(settings, database, blobs, Random::seeded(1), Vec::new()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    kernel.clock().freeze();
    let cx = kernel.cx_for("000000000000", "us-east-1");
    let due = cx.now().checked_add(Duration::from_secs(1)).unwrap();
    cx.write(|tx| cx.tasks().schedule(&cx, tx, "nobody", "id", "kind", String::new(), due)).await.unwrap();
    kernel
}

/// Does work that might never end, and never let anything else run either.
fn in_time(work: impl Future<Output = ()> + Send + 'static) {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(20)).expect("it ends, and well");
}

#[test]
fn the_clock_is_not_advanced_past_a_task_whose_end_cannot_be_stored() {
    in_time(async {
        let disk = Arc::new(Disk::default());
        let kernel = kernel_with_a_task(&disk, "advance").await;
        disk.full.store(true, Ordering::Relaxed);
        let asked = kernel.clock().now();
        assert!(kernel.advance(Duration::from_secs(10)).await.is_err());
        assert!(kernel.clock().now().duration_since(asked).as_millis() <= 1_000);
        disk.full.store(false, Ordering::Relaxed);
        kernel.advance(Duration::from_secs(10)).await.unwrap();
    });
}

#[test]
fn a_row_that_no_id_leads_to_does_not_stop_the_clock() {
    in_time(async {
        let kernel = kernel_with_a_task(&Arc::new(Disk::default()), "row").await;
        let rows: Table<Task> = Table::new("kernel.tasks");
        let all = || rows.all(&kernel.database().read(), &()).unwrap();
        let lost = Task { id: "lost".to_owned(), ..all()[0].row.clone() };
        let put = |tx: &mut undercast_kernel::store::Tx<'_>| {
            rows.put(tx, &(lost.due, &lost.service, &lost.id), &lost);
            Ok::<_, Error>(())
        };
        kernel.database().write(put).await.unwrap();
        kernel.advance(Duration::from_secs(1)).await.unwrap();
        let left: Vec<String> = all().into_iter().map(|entry| entry.row.id).collect();
        assert_eq!(left, ["id"], "the other failed, and comes again");
    });
}

#[test]
fn a_store_that_fails_does_not_keep_the_timers_busy() {
    in_time(async {
        let disk = Arc::new(Disk::default());
        let kernel = kernel_with_a_task(&disk, "loop").await;
        kernel.start();
        disk.full.store(true, Ordering::Relaxed);
        let due = kernel.clock().now().checked_add(Duration::from_secs(1)).unwrap();
        kernel.clock().set(due);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let refused = disk.refused.load(Ordering::Relaxed);
        assert!((1..=2).contains(&refused), "{refused} attempts");
    });
}

#[test]
fn a_clock_that_stands_still_stands_where_it_stood_when_it_is_kept() {
    in_time(async {
        let disk = Arc::new(Disk::default());
        let kernel = kernel_with_a_task(&disk, "clock").await;
        kernel.advance(Duration::from_millis(500)).await.unwrap();
        let stood = kernel.clock().now();
        drop(kernel);
        // The machine's goes on.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let again = kernel_with_a_task(&disk, "clock-again").await;
        assert_eq!((again.clock().now(), again.clock().ahead().1), (stood, true));
        again.clock().resume();
        again.keep_clock().await.unwrap();
        let ahead = again.clock().ahead().0;
        let running = kernel_with_a_task(&disk, "clock-running").await;
        assert!(running.clock().ahead().0.as_secs() == ahead.as_secs(), "one that runs is as far ahead as it was");
    });
}
