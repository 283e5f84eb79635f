//! Many keys in a bucket, many uploads at once, many small files: what must not grow with how many they are.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use undercast_store::{Database, Durable, Key as _, Part as _, Read as _};

use crate::Failed;
use crate::cloud;
use crate::load::{Load, must};
use crate::objects::{noise, test};
use crate::plan::{ROUND, ROUNDS};
use crate::server::Server;
use crate::table::{self, Measured};

const FEW_KEYS: usize = 10_000;
const MANY_KEYS: usize = 10_000_000;
/// So many keys share the deepest prefix.
const SIBLINGS: usize = 1000;
/// Rows are written so many at a time.
const BATCH: usize = 50_000;

/// Lists a page among few keys, and the same page among many.
pub(crate) fn listings(sender: &Runtime, binary: &Path, folder: &Path) -> Result<(), Failed> {
    let mut servers = Vec::new();
    for keys in [FEW_KEYS, MANY_KEYS] {
        let data = folder.join(format!("keys-{keys}"));
        table::say(&format!("making {keys} keys"));
        sender.block_on(fill(binary, &data, keys))?;
        servers.push(cloud::start(binary, Some(&data))?);
    }
    for (name, query) in [
        ("a page of 1,000 keys", "list-type=2&prefix=a%2Fb%2Fc%2Fd%2F00005%2F&delimiter=%2F"),
        ("a page of 10 common prefixes", "list-type=2&prefix=a%2Fb%2Fc%2Fd%2F&delimiter=%2F&max-keys=10"),
    ] {
        let mut measured = [Measured::default(), Measured::default()];
        let mut loads = Vec::new();
        for server in &servers {
            let request = test(server.address).s3("GET", &format!("/bench?{query}"), b"")?;
            loads.push(sender.block_on(Load::over(1, server.address, vec![request]))?);
        }
        for _ in 0..ROUNDS {
            for ((server, load), measured) in servers.iter().zip(&mut loads).zip(&mut measured) {
                let before = server.cpu()?;
                let done = sender.block_on(load.run(ROUND))?;
                measured.add(done, server.cpu()?.saturating_sub(before));
            }
        }
        let [few, many] = measured;
        let shown = |m: &Measured| format!("{:.0}/s", m.rate());
        table::object(&format!("{name}, {FEW_KEYS} keys"), &shown(&few), None, Some((few.cost(), None)));
        let share = many.rate() / few.rate();
        let cost = Some((many.cost(), Some(2.0 * few.cost())));
        table::object(&format!("{name}, {MANY_KEYS} keys"), &shown(&many), Some((share, 0.5)), cost);
    }
    table::say(&format!("memory of the cloud with {MANY_KEYS} keys: {} MiB", servers[1].memory()? >> 20));
    Ok(())
}

/// A state whose bucket has so many keys. Sending each would take an hour, so that one object is made by the cloud, and its row
/// is written again under the other keys.
async fn fill(binary: &Path, data: &Path, keys: usize) -> Result<(), Failed> {
    let server = cloud::start(binary, Some(data))?;
    must(server.address, &test(server.address).s3("PUT", "/bench", b"")?)?;
    must(server.address, &test(server.address).s3("PUT", "/bench/template", &[b'x'; 64])?)?;
    drop(server);
    let database = Database::new(Arc::new(Durable::open(data)?))?;
    let key = |name: &str| {
        let mut bytes = Vec::with_capacity(96);
        "s3.objects".encode(&mut bytes);
        ("000000000000", "us-east-1", "bench", name).encode(&mut bytes);
        bytes
    };
    let row = database.read().get(&key("template"))?;
    let row = row.ok_or_else(|| Failed::Said("the object's row is not where it was expected".to_owned()))?;
    for start in (0..keys).step_by(BATCH) {
        let write = |tx: &mut undercast_store::Tx<'_>| {
            for n in start..(start + BATCH).min(keys) {
                tx.put(key(&format!("a/b/c/d/{:05}/{:03}", n / SIBLINGS, n % SIBLINGS)), row.clone());
            }
            Ok::<_, undercast_store::Error>(())
        };
        database.write(write).await?;
    }
    database.close();
    drop(database);
    // What it had in memory goes in the background.
    for _ in 0..600 {
        match Durable::open(data) {
            Err(undercast_store::Error::Locked { .. }) => tokio::time::sleep(Duration::from_millis(100)).await,
            opened => return Ok(opened.map(drop)?),
        }
    }
    Err(Failed::Said("the store does not let go of its directory".to_owned()))
}

const UPLOADS: usize = 16;
/// An upload of 1 GiB in parts of this size.
const PART: usize = 16 << 20;
const PARTS: usize = (1 << 30) / PART;

/// Sixteen uploads of 1 GiB at once: how much memory the cloud takes at most.
pub(crate) fn uploads(binary: &Path, folder: &Path) -> Result<(), Failed> {
    let server = cloud::start(binary, Some(&folder.join("uploads")))?;
    must(server.address, &test(server.address).s3("PUT", "/bench", b"")?)?;
    // All uploads have the same parts, so that the disk has to hold one of them, and those under way.
    let parts: Vec<Vec<u8>> = (0..PARTS).map(|n| noise(PART, n as u64)).collect();
    let began = std::time::Instant::now();
    let ended: Result<Vec<()>, Failed> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..UPLOADS)
            .map(|n| {
                let (server, parts) = (&server, &parts);
                scope.spawn(move || upload(server, n, parts))
            })
            .collect();
        let lost = || Err(Failed::Said("an upload ended early".to_owned()));
        running.into_iter().map(|r| r.join().unwrap_or_else(|_| lost())).collect()
    });
    ended?;
    let took = began.elapsed();
    let most = server.most_memory()? >> 20;
    let name = format!("{UPLOADS} uploads of 1 GiB at once, {:.0} s", took.as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "mebibytes are exact in a double")]
    table::single(&name, &format!("{most} MiB at most"), &table::at_most(most as f64, 200.0, " MiB"));
    Ok(())
}

fn upload(server: &Server, number: usize, parts: &[Vec<u8>]) -> Result<(), Failed> {
    let (address, key) = (server.address, format!("/bench/upload-{number}"));
    let begun = must(address, &test(address).s3("POST", &format!("{key}?uploads="), b"")?)?;
    let id = cloud::between(&begun, "<UploadId>", "</UploadId>")?;
    let mut list = String::new();
    for (n, part) in parts.iter().enumerate() {
        let number = n + 1;
        let path = format!("{key}?partNumber={number}&uploadId={id}");
        let tag = crate::load::head_of(address, &test(address).s3("PUT", &path, part)?)?;
        let tag = cloud::between(&tag.to_ascii_lowercase(), "etag: ", "\r\n")?;
        list.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"));
    }
    let list = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
    must(address, &test(address).s3("POST", &format!("{key}?uploadId={id}"), list.as_bytes())?).map(drop)
}

const FILES: usize = 10_000;

/// `aws s3 sync` of many small files: the cloud's processor time beside the client's.
pub(crate) fn sync(binary: &Path, aws: &Path, folder: &Path) -> Result<(), Failed> {
    let server = cloud::start(binary, Some(&folder.join("sync")))?;
    must(server.address, &test(server.address).s3("PUT", "/bench", b"")?)?;
    let files = folder.join("files");
    for n in 0..FILES {
        let path = files.join(format!("{:02}", n % 100));
        std::fs::create_dir_all(&path)?;
        std::fs::write(path.join(n.to_string()), noise(2000, n as u64))?;
    }
    let before = server.cpu()?;
    let mut client = Command::new("bash");
    // What the shell says of its children is the only thing that knows their processor time.
    client.args(["-c", r#""$0" s3 sync --quiet --endpoint-url "$1" "$2" s3://bench/ && times"#]);
    client.args([aws.as_os_str(), format!("http://{}", server.address).as_ref(), files.as_os_str()]);
    client.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_DEFAULT_REGION", "us-east-1");
    let said = client.output()?;
    if !said.status.success() {
        return Err(Failed::Said(format!("aws s3 sync: {}", String::from_utf8_lossy(&said.stderr))));
    }
    let server_time = server.cpu()?.saturating_sub(before);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let client_time = text.lines().nth(1).map_or(Duration::ZERO, |line| line.split_whitespace().map(seconds).sum());
    let share = server_time.as_secs_f64() / client_time.as_secs_f64();
    let shown = format!("{:.2} s of {:.1} s", server_time.as_secs_f64(), client_time.as_secs_f64());
    let name = format!("aws s3 sync of {FILES} files, CPU of the client's");
    table::single(&name, &shown, &format!("{share:.2}, limit ≤ 0.2: {}", table::at_most(share, 0.2, "")));
    Ok(())
}

/// `1m2.345s`
fn seconds(text: &str) -> Duration {
    let parts = text.trim_end_matches('s').split_once('m');
    let number = |text: &str| text.replace(',', ".").parse::<f64>().unwrap_or(0.0);
    Duration::from_secs_f64(parts.map_or(0.0, |(minutes, seconds)| number(minutes) * 60.0 + number(seconds)))
}
