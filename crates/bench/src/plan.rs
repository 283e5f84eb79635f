//! What is measured, in which order.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Failed;
use crate::cloud::{self, Cloud};
use crate::limit::{Limit, Shape};
use crate::load::Load;
use crate::server::Server;
use crate::signed::Key;
use crate::table::{self, Measured, say};

/// Rounds of each row, and how long one is.
pub(crate) const ROUNDS: usize = 6;
pub(crate) const ROUND: Duration = Duration::from_millis(500);

/// A folder that goes with the run.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// Makes it beside the binary rather than in the system's temporary directory, which may be no disk.
    pub(crate) fn new() -> Result<Self, Failed> {
        let folder = Self(std::env::current_exe()?.with_file_name(format!("bench-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0)?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is beside the binary, in the build's own directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A row of readings: what is asked of whom.
pub(crate) struct Row<'a> {
    pub(crate) name: &'static str,
    pub(crate) server: &'a Server,
    pub(crate) load: Load,
    pub(crate) measured: Measured,
}

/// Measures rows in rounds, one after the other.
pub(crate) async fn rounds(rows: &mut [Row<'_>]) -> Result<(), Failed> {
    for round in 0..=ROUNDS {
        for row in &mut *rows {
            // The first round warms caches, and counts for nothing.
            let span = if round == 0 { ROUND / 5 } else { ROUND };
            let before = row.server.cpu()?;
            let done = row.load.run(span).await?;
            if round > 0 {
                row.measured.add(done, row.server.cpu()?.saturating_sub(before));
            }
        }
    }
    Ok(())
}

/// A server of this program that does nothing but answer.
pub(crate) fn beside(mode: &str, argument: &str) -> Result<Server, Failed> {
    Server::start(
        &std::env::current_exe()?,
        |address| vec![mode.to_owned(), address.to_string(), argument.to_owned()],
        |_| b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
    )
}

/// Measures everything and prints the table.
pub(crate) fn run(binary: &Path) -> Result<(), Failed> {
    let folder = Folder::new()?;
    let cores = std::thread::available_parallelism()?;
    say(&format!(
        "{} connections, {ROUNDS} rounds of {} ms, {cores} cores\n",
        crate::load::CONNECTIONS,
        ROUND.as_millis()
    ));
    let ephemeral = Cloud::start(binary, None)?;
    let durable = Cloud::start(binary, Some(&folder.0.join("data")))?;
    let sender = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    sender.block_on(readings(&ephemeral, &durable))?;
    let workers = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    writes(&sender, &workers, &durable, &folder.0)?;
    drop((ephemeral, durable));
    alone(binary, &folder.0)?;
    crate::python::measure(binary)
}

async fn readings(ephemeral: &Cloud, durable: &Cloud) -> Result<(), Failed> {
    let (raw, bare) = (beside("raw", "1024")?, beside("bare", "1024")?);
    let nothing = vec![Cloud::get_object(ephemeral, &Key::test())?.concat()];
    let test = Key::test();
    let mut rows = Vec::new();
    for (name, server, requests) in [
        ("load generator's ceiling (raw TCP)", &raw, nothing.clone()),
        ("bare hyper, 1 KiB", &bare, nothing),
        ("S3 GET 1 KiB, ephemeral, key `test`", &ephemeral.server, ephemeral.get_object(&test)?),
        ("S3 GET 1 KiB, ephemeral, issued key", &ephemeral.server, ephemeral.get_object(&ephemeral.issued)?),
        ("GetItem 1 KiB, ephemeral, key `test`", &ephemeral.server, ephemeral.get_item(&test)?),
        ("GetItem 1 KiB, ephemeral, issued key", &ephemeral.server, ephemeral.get_item(&ephemeral.issued)?),
        ("S3 GET 1 KiB, durable, key `test`", &durable.server, durable.get_object(&test)?),
        ("S3 GET 1 KiB, durable, issued key", &durable.server, durable.get_object(&durable.issued)?),
        ("GetItem 1 KiB, durable, key `test`", &durable.server, durable.get_item(&test)?),
        ("GetItem 1 KiB, durable, issued key", &durable.server, durable.get_item(&durable.issued)?),
    ] {
        let load = Load::connect(server.address, requests).await?;
        rows.push(Row { name, server, load, measured: Measured::default() });
    }
    rounds(&mut rows).await?;
    table::head();
    let bare = rows[1].measured;
    for row in &rows[..2] {
        table::reference(row.name, &row.measured);
    }
    for row in &rows[2..] {
        table::reading(row.name, &row.measured, &bare);
    }
    Ok(())
}

fn writes(
    sender: &tokio::runtime::Runtime,
    workers: &tokio::runtime::Runtime,
    cloud: &Cloud,
    folder: &Path,
) -> Result<(), Failed> {
    let store = Limit::open(&folder.join("limit"))?;
    let test = Key::test();
    table::head_of_writes();
    for (own, name, shape, requests) in [
        ("the store, PutItem's rows", "PutItem 1 KiB, durable", Shape::Item, cloud.put_item(&test)?),
        ("the store, SendMessage's rows", "SendMessage 1 KiB, durable", Shape::Messages(1), cloud.send_message(&test)?),
    ] {
        let mut load = sender.block_on(Load::connect(cloud.server.address, requests))?;
        let (mut limit, mut measured) = (Measured::default(), Measured::default());
        for _ in 0..ROUNDS {
            limit.add(workers.block_on(store.run(shape, ROUND))?, Duration::ZERO);
            let before = cloud.server.cpu()?;
            let done = sender.block_on(load.run(ROUND))?;
            measured.add(done, cloud.server.cpu()?.saturating_sub(before));
        }
        table::reference(own, &limit);
        table::writing(name, &measured, &limit);
    }
    Ok(())
}

/// What is measured with nothing else running: the start, the memory, the size.
fn alone(binary: &Path, folder: &Path) -> Result<(), Failed> {
    say("");
    let mut memory = 0;
    for (name, data) in
        [("start to first answer, ephemeral", None), ("start to first answer, durable", Some(folder.join("data")))]
    {
        let mut times = Vec::new();
        for _ in 0..5 {
            let server = cloud::start(binary, data.as_deref())?;
            times.push(server.start);
            if data.is_none() && times.len() == 5 {
                std::thread::sleep(Duration::from_secs(1));
                memory = server.memory()?;
            }
        }
        times.sort();
        let middle = times[2].as_secs_f64() * 1e3;
        table::single(
            name,
            &format!("{middle:.1} ms"),
            &format!("limit 50 ms: {}", table::at_most(middle, 50.0, " ms")),
        );
    }
    let idle = megabytes(memory, 1024.0 * 1024.0);
    table::single(
        "idle memory",
        &format!("{idle:.1} MiB"),
        &format!("limit 25 MiB: {}", table::at_most(idle, 25.0, " MiB")),
    );
    let size = megabytes(std::fs::metadata(binary)?.len(), 1e6);
    table::single(
        "release binary",
        &format!("{size:.1} MB"),
        &format!("limit 40 MB: {}", table::at_most(size, 40.0, " MB")),
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "sizes of programs are exact in a double")]
fn megabytes(bytes: u64, unit: f64) -> f64 {
    bytes as f64 / unit
}
