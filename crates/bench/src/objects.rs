//! Objects of S3, small and large, beside what they are made of: the network, the disk, the hashes.

use std::hint::black_box;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use tokio::runtime::{Builder, Runtime};

use crate::Failed;
use crate::cloud::Cloud;
use crate::limit::{Limit, Shape};
use crate::load::{CONNECTIONS, Load, must};
use crate::many;
use crate::plan::{Folder, ROUND, ROUNDS, Row, beside, rounds};
use crate::server::Server;
use crate::signed::{Client, Key};
use crate::table::{self, Measured, say};

const LARGE: usize = 8 << 20;
/// So many clients send or want large objects at once.
const FEW: usize = 16;
const HUGE: usize = 1 << 30;

/// Measures everything and prints the table.
pub(crate) fn run(binary: &Path, aws: &Path) -> Result<(), Failed> {
    let folder = Folder::new()?;
    let ephemeral = Cloud::start(binary, None)?;
    let durable = Cloud::start(binary, Some(&folder.0.join("data")))?;
    let sender = Builder::new_current_thread().enable_all().build()?;
    table::head_of_objects();
    sender.block_on(small_reads(&ephemeral, &durable))?;
    small_writes(&sender, &ephemeral, &durable, &folder.0)?;
    sender.block_on(large_reads(&ephemeral, &durable))?;
    large_writes(&sender, &durable, &folder.0)?;
    sender.block_on(huge(&durable, &folder.0))?;
    drop((ephemeral, durable));
    many::sync(binary, aws, &folder.0)?;
    many::uploads(binary, &folder.0)?;
    many::listings(&sender, binary, &folder.0)
}

async fn small_reads(ephemeral: &Cloud, durable: &Cloud) -> Result<(), Failed> {
    let bare = beside("bare", "1024")?;
    let mut rows = Vec::new();
    for (name, server, requests) in [
        ("bare hyper, 1 KiB", &bare, ephemeral.get_object(&Key::test())?),
        ("GET 1 KiB, ephemeral, issued key", &ephemeral.server, ephemeral.get_object(&ephemeral.issued)?),
        ("GET 1 KiB, durable, issued key", &durable.server, durable.get_object(&durable.issued)?),
    ] {
        let load = Load::connect(server.address, requests).await?;
        rows.push(Row { name, server, load, measured: Measured::default() });
    }
    rounds(&mut rows).await?;
    compare(&rows, 0.75, Some(2.0), |measured| format!("{:.0}/s", measured.rate()));
    Ok(())
}

async fn large_reads(ephemeral: &Cloud, durable: &Cloud) -> Result<(), Failed> {
    let bare = beside("bare", &LARGE.to_string())?;
    let body = noise(LARGE, 1);
    for cloud in [ephemeral, durable] {
        must(cloud.server.address, &test(cloud.server.address).s3("PUT", "/bench/large", &body)?)?;
    }
    let mut rows = Vec::new();
    for (name, server) in [
        ("bare hyper, 8 MiB", &bare),
        ("GET 8 MiB, ephemeral", &ephemeral.server),
        ("GET 8 MiB, durable", &durable.server),
    ] {
        let requests = vec![test(server.address).s3("GET", "/bench/large", b"")?];
        let load = Load::over(FEW, server.address, requests).await?;
        rows.push(Row { name, server, load, measured: Measured::default() });
    }
    rounds(&mut rows).await?;
    compare(&rows, 0.9, None, |measured| speed(measured, LARGE));
    Ok(())
}

/// Says what every row but the first has reached of the first one; `dearer`: so much more it may cost.
fn compare(rows: &[Row<'_>], least: f64, dearer: Option<f64>, shown: impl Fn(&Measured) -> String) {
    let Some((bare, rest)) = rows.split_first() else { return };
    table::object(bare.name, &shown(&bare.measured), None, Some((bare.measured.cost(), None)));
    for row in rest {
        let share = row.measured.rate() / bare.measured.rate();
        let most = dearer.map(|times| times * bare.measured.cost());
        table::object(row.name, &shown(&row.measured), Some((share, least)), Some((row.measured.cost(), most)));
    }
}

fn small_writes(sender: &Runtime, ephemeral: &Cloud, durable: &Cloud, folder: &Path) -> Result<(), Failed> {
    let workers = Builder::new_multi_thread().enable_all().build()?;
    let store = Limit::open(&folder.join("limit"))?;
    let (mut limit, mut memory, mut disk) = (Measured::default(), Measured::default(), Measured::default());
    let mut loads = Vec::new();
    for cloud in [ephemeral, durable] {
        let requests: Result<_, Failed> = (0..CONNECTIONS)
            .map(|n| test(cloud.server.address).s3("PUT", &format!("/bench/small-{n}"), &[b'x'; 1024]))
            .collect();
        loads.push(sender.block_on(Load::connect(cloud.server.address, requests?))?);
    }
    for _ in 0..ROUNDS {
        limit.add(workers.block_on(store.run(Shape::Object, ROUND))?, Duration::ZERO);
        for ((cloud, load), measured) in [ephemeral, durable].iter().zip(&mut loads).zip([&mut memory, &mut disk]) {
            let before = cloud.server.cpu()?;
            let done = sender.block_on(load.run(ROUND))?;
            measured.add(done, cloud.server.cpu()?.saturating_sub(before));
        }
    }
    let shown = |measured: &Measured| format!("{:.0}/s", measured.rate());
    table::object("the store, PutObject's row", &shown(&limit), None, None);
    table::object("PUT 1 KiB, ephemeral", &shown(&memory), None, Some((memory.cost(), Some(25.0))));
    let share = disk.rate() / limit.rate();
    table::object("PUT 1 KiB, durable", &shown(&disk), Some((share, 0.5)), Some((disk.cost(), None)));
    Ok(())
}

fn large_writes(sender: &Runtime, cloud: &Cloud, folder: &Path) -> Result<(), Failed> {
    let server = &cloud.server;
    let bodies: Vec<Vec<u8>> = (0..FEW).map(|n| noise(LARGE, n as u64)).collect();
    let requests: Result<_, Failed> = bodies
        .iter()
        .enumerate()
        .map(|(n, body)| test(server.address).s3("PUT", &format!("/bench/large-{n}"), body))
        .collect();
    let mut load = sender.block_on(Load::over(FEW, server.address, requests?))?;
    let (mut hashed, mut written, mut put) = (Measured::default(), Measured::default(), Measured::default());
    for _ in 0..ROUNDS {
        hashed.add(hash(&bodies[0], ROUND), Duration::ZERO);
        written.add(write(folder, &bodies, ROUND)?, Duration::ZERO);
        let before = server.cpu()?;
        let done = sender.block_on(load.run(ROUND))?;
        put.add(done, server.cpu()?.saturating_sub(before));
    }
    limited("PUT 8 MiB, durable", LARGE, 0.8, Some(12_000.0), [&hashed, &written, &put]);
    Ok(())
}

/// One object of a gigabyte, once there and once back.
async fn huge(cloud: &Cloud, folder: &Path) -> Result<(), Failed> {
    let (server, body) = (&cloud.server, noise(HUGE, 99));
    let file = folder.join("huge");
    let hashed = once(hash(&body, Duration::ZERO));
    let began = Instant::now();
    write_file(&file, &body)?;
    let written = once((1, began.elapsed()));
    let request = test(server.address).s3("PUT", "/bench/huge", &body)?;
    drop(body);
    let put = single(server, request).await?;
    limited("PUT 1 GiB, durable, one stream", HUGE, 0.7, None, [&hashed, &written, &put]);
    let sending = beside("file", &file.display().to_string())?;
    let ask = test(server.address).s3("GET", "/bench/huge", b"")?;
    let (mut sent, mut got) = (Measured::default(), Measured::default());
    // Each reads it once before, so that both read from memory.
    for round in 0..3 {
        let (by_kernel, by_us) = (single(&sending, ask.clone()).await?, single(server, ask.clone()).await?);
        if round > 0 {
            sent.add((1, by_kernel.took), by_kernel.cpu);
            got.add((1, by_us.took), by_us.cpu);
        }
    }
    table::object("sendfile, 1 GiB", &speed(&sent, HUGE), None, Some((sent.cost(), None)));
    let share = got.rate() / sent.rate();
    table::object("GET 1 GiB, durable, one stream", &speed(&got, HUGE), Some((share, 0.7)), Some((got.cost(), None)));
    let held = server.memory()? / (1 << 20);
    say(&format!("memory of the durable cloud at the end: {held} MiB"));
    Ok(())
}

/// Says what was reached of the lower of what one core hashes and what the disk takes.
fn limited(name: &str, size: usize, least: f64, most: Option<f64>, [hashed, written, put]: [&Measured; 3]) {
    table::object("one core's MD5", &speed(hashed, size), None, None);
    table::object("the disk, written and synced", &speed(written, size), None, None);
    let share = put.rate() / hashed.rate().min(written.rate());
    table::object(name, &speed(put, size), Some((share, least)), Some((put.cost(), most)));
}

/// One request over a connection of its own.
async fn single(server: &Server, request: Vec<u8>) -> Result<Measured, Failed> {
    let mut load = Load::over(1, server.address, vec![request]).await?;
    let (before, mut measured) = (server.cpu()?, Measured::default());
    let done = load.run(Duration::from_nanos(1)).await?;
    measured.add(done, server.cpu()?.saturating_sub(before));
    Ok(measured)
}

fn once(done: (u64, Duration)) -> Measured {
    let mut measured = Measured::default();
    measured.add(done, Duration::ZERO);
    measured
}

/// Hashes a body again and again.
fn hash(body: &[u8], span: Duration) -> (u64, Duration) {
    let (began, mut times) = (Instant::now(), 0);
    while times == 0 || began.elapsed() < span {
        black_box(Md5::digest(black_box(body)));
        times += 1;
    }
    (times, began.elapsed())
}

/// Writes bodies again and again, each in a thread of its own, and sees to it that they are on the disk.
fn write(folder: &Path, bodies: &[Vec<u8>], span: Duration) -> Result<(u64, Duration), Failed> {
    let began = Instant::now();
    let all: std::io::Result<u64> = std::thread::scope(|scope| {
        let writers: Vec<_> = bodies
            .iter()
            .enumerate()
            .map(|(n, body)| {
                let path = folder.join(format!("written-{n}"));
                scope.spawn(move || {
                    let mut times = 0;
                    while began.elapsed() < span {
                        write_file(&path, body)?;
                        times += 1;
                    }
                    Ok::<u64, std::io::Error>(times)
                })
            })
            .collect();
        writers.into_iter().map(|w| w.join().unwrap_or_else(|_| Err(std::io::Error::other("a writer ended")))).sum()
    });
    Ok((all?, began.elapsed()))
}

fn write_file(path: &Path, body: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(body)?;
    file.sync_data()
}

/// Megabytes a second.
#[expect(clippy::cast_precision_loss, reason = "sizes of objects are exact in a double")]
fn speed(measured: &Measured, size: usize) -> String {
    format!("{:.0} MB/s", measured.rate() * size as f64 / 1e6)
}

/// Bytes that no two seeds share, and that nothing makes smaller.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(length / 8).flatten().collect()
}

/// The client with the key that was issued by nobody.
pub(crate) fn test(address: SocketAddr) -> Client<'static> {
    static KEY: std::sync::LazyLock<Key> = std::sync::LazyLock::new(Key::test);
    Client { address, key: &KEY }
}
