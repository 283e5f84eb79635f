//! Timers on a store that fails.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod arns;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

use undercast_kernel::store::{Backend, Batch, Blobs, Database, Error, Memory, Read, Result, Table};
use undercast_kernel::wire::{Fields, Value, schema};
use undercast_kernel::{
    Access, Answer, AuthMode, Cx, IamMode, Kernel, Next, Random, Service, Settings, Task, Timestamp,
};

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
    let kernel = kernel_with(disk, name, Vec::new());
    schedule(&kernel, "nobody", "id", 1).await;
    kernel
}

/// Schedules a task that is due in so many seconds.
async fn schedule(kernel: &Kernel, service: &str, id: &str, seconds: u64) {
    let cx = kernel.cx_for("000000000000", "us-east-1");
    let due = cx.now().checked_add(Duration::from_secs(seconds)).unwrap();
    cx.write(|tx| cx.tasks().schedule(&cx, tx, service, id, "kind", String::new(), due)).await.unwrap();
}

/// A kernel whose clock stands still.
fn kernel_with(disk: &Arc<Disk>, name: &str, services: Vec<Arc<dyn Service>>) -> Kernel {
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
    let kernel = Kernel::new(settings, database, blobs, Random::seeded(1), services).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    kernel.clock().freeze();
    kernel
}

/// A service whose task `a waits` ends once its task `b comes` has been done.
#[derive(Default)]
struct Waiting {
    came: Arc<Notify>,
    done: Arc<Mutex<Vec<(String, Timestamp)>>>,
}

impl Service for Waiting {
    fn api(&self) -> &'static schema::Service {
        static API: schema::Service = schema::Service {
            name: "waiting",
            signing_name: "waiting",
            endpoint_prefix: "waiting",
            iam_prefix: "waiting",
            target_prefix: None,
            rpc_name: None,
            api_version: "",
            xml_namespace: None,
            json_version: "1.0",
            protocols: &[schema::Protocol::Json],
            query_compatible: false,
            bare_errors: false,
            s3_signing: false,
            crc32: false,
            validation_error: "ValidationException",
            operations: &[],
            unbuilt: &[],
            global: false,
            told_by: None,
        };
        &API
    }

    fn call<'a>(&'a self, cx: &'a Cx, _operation: usize, _input: Value) -> Answer<'a> {
        Box::pin(async { Err(cx.broken("it has no operations")) })
    }

    fn access(&self, _: &Cx, _: &'static schema::Operation, _: &Fields) -> undercast_kernel::Result<Vec<Access>> {
        Ok(Vec::new())
    }

    fn run<'a>(
        &'a self,
        cx: &'a Cx,
        task: &'a Task,
    ) -> Pin<Box<dyn Future<Output = undercast_kernel::Result<Next>> + Send + 'a>> {
        Box::pin(async move {
            match task.id.as_str() {
                "a waits" => self.came.notified().await,
                "b comes" => self.came.notify_one(),
                _ => {}
            }
            self.done.lock().unwrap().push((task.id.clone(), cx.now()));
            Ok(Next::Done)
        })
    }
}

#[test]
fn a_task_may_wait_for_another_that_is_due() {
    in_time(async {
        let waiting = Waiting::default();
        let done = waiting.done.clone();
        let kernel = kernel_with(&Arc::new(Disk::default()), "waiting", vec![Arc::new(waiting)]);
        let begun = Timestamp::from_second(1_000_000_000).unwrap();
        kernel.clock().set(begun);
        for (id, seconds) in [("a waits", 1), ("b comes", 1), ("c", 2)] {
            schedule(&kernel, "waiting", id, seconds).await;
        }
        kernel.advance(Duration::from_secs(5)).await.unwrap();
        let done: Vec<(String, i64)> =
            done.lock().unwrap().iter().map(|(id, at)| (id.clone(), at.duration_since(begun).as_secs())).collect();
        assert_eq!(done, [("b comes".to_owned(), 1), ("a waits".to_owned(), 1), ("c".to_owned(), 2)]);
    });
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
