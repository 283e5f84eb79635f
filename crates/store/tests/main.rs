//! Both backends keep the same promises.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "there is no kernel here")]

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use undercast_store::{
    Backend, Beginning, Blobs, Database, Durable, Error, Key, KeyDecode, Memory, Order, Owners, Passed, Scope, Shared,
    Snapshots, Table, Tx, Unreferenced,
};

static ROWS: Table<String> = Table::new("test.rows");

fn folder() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("undercast-store-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// What there is once the directory was given back, which a thread of the store does when it ends.
fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..100 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("not within two seconds");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn each_backend(check: impl AsyncFn(Database)) {
    let path = folder();
    let backends: [Arc<dyn Backend>; 2] = [Arc::new(Memory::new()), Arc::new(Durable::open(&path).unwrap())];
    for backend in backends {
        runtime().block_on(check(Database::new(backend).unwrap()));
    }
    std::fs::remove_dir_all(path).unwrap();
}

async fn put(db: &Database, key: &(&str, u64), row: &str) {
    db.write(|tx| {
        ROWS.put(tx, key, &row.to_owned());
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
}

#[test]
fn a_write_is_read_and_a_snapshot_stays() {
    each_backend(async |db| {
        put(&db, &("a", 1), "one").await;
        let before = db.read();
        put(&db, &("a", 1), "two").await;
        assert_eq!(ROWS.get(&before, &("a", 1u64)).unwrap().as_deref(), Some("one"));
        assert_eq!(ROWS.get(&db.read(), &("a", 1u64)).unwrap().as_deref(), Some("two"));
    });
}

#[test]
fn a_failed_transaction_leaves_nothing() {
    each_backend(async |db| {
        let failed = db
            .write(|tx| {
                ROWS.put(tx, &("a", 1u64), &"half".to_owned());
                Err::<(), _>(Error::Lost)
            })
            .await;
        assert!(failed.is_err());
        assert_eq!(ROWS.get(&db.read(), &("a", 1u64)).unwrap(), None);
    });
}

fn keys(page: &[undercast_store::Entry<String>]) -> Vec<u64> {
    page.iter().map(|e| e.key::<(String, u64)>().unwrap().1).collect()
}

#[test]
fn pages_go_both_ways_and_behind_a_key() {
    each_backend(async |db| {
        for n in 0..10u64 {
            put(&db, &("a", n), &n.to_string()).await;
            put(&db, &("b", n), "other").await;
        }
        let page = ROWS.page(&db.read(), &("a",), Some(&("a", 3u64)), Order::Ascending, 3).unwrap();
        assert_eq!(keys(&page), [4, 5, 6]);
        let page = ROWS.page(&db.read(), &("a",), Some(&("a", 3u64)), Order::Descending, 9).unwrap();
        assert_eq!(keys(&page), [2, 1, 0]);
        let seen = db
            .write(|tx| {
                ROWS.delete(tx, &("a", 1u64));
                ROWS.put(tx, &("a", 20u64), &"new".to_owned());
                ROWS.page(tx, &("a",), None::<&()>, Order::Descending, 3)
            })
            .await
            .unwrap();
        assert_eq!(keys(&seen), [20, 9, 8]);
        let first = db.write(|tx| ROWS.page(tx, &("a",), None::<&()>, Order::Ascending, 2)).await.unwrap();
        assert_eq!(keys(&first), [0, 2]);
    });
}

#[test]
fn concurrent_increments_are_all_there() {
    static COUNTS: Table<u64> = Table::new("test.counts");
    each_backend(async |db| {
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move {
                    for _ in 0..20 {
                        db.write(|tx| {
                            let n = COUNTS.get(tx, &("n",))?.unwrap_or(0);
                            COUNTS.put(tx, &("n",), &(n + 1));
                            Ok::<_, Error>(())
                        })
                        .await
                        .unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(COUNTS.get(&db.read(), &("n",)).unwrap(), Some(640));
    });
}

#[test]
fn a_second_process_and_a_damaged_file_are_refused() {
    let path = folder();
    let first = Durable::open(&path).unwrap();
    assert!(matches!(Durable::open(&path), Err(Error::Locked { .. })));
    drop(first);
    std::fs::write(path.join("state.redb"), b"this was a database once, and now it is a text").unwrap();
    assert!(matches!(Durable::open(&path), Err(Error::Corrupt { .. })));
    std::fs::remove_dir_all(path).unwrap();
}

#[test]
fn what_was_acknowledged_is_there_after_reopening() {
    let path = folder();
    runtime().block_on(async {
        let db = Database::new(Arc::new(Durable::open(&path).unwrap())).unwrap();
        put(&db, &("a", 1), "kept").await;
        db.close();
    });
    let backend = eventually(|| Durable::open(&path).ok());
    let db = Database::new(Arc::new(backend)).unwrap();
    assert_eq!(ROWS.get(&db.read(), &("a", 1u64)).unwrap().as_deref(), Some("kept"));
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn a_released_blob_is_swept_and_a_pinned_one_is_not() {
    let path = folder();
    runtime().block_on(async {
        let db = Database::new(Arc::new(Memory::new())).unwrap();
        let blobs = Blobs::open(&path, false).unwrap();
        let written = blobs.put(b"hello").await.unwrap();
        db.write(|tx| Blobs::retain(tx, ANNA, &written.id)).await.unwrap();
        assert_eq!(blobs.read(&written.id, 1, 3).await.unwrap(), "ell");
        let on_disk = std::fs::read(blobs.path(&written.id)).unwrap();
        assert!(!on_disk.windows(5).any(|w| w == b"hello"), "what is on the disk is ciphertext");
        assert_eq!(
            Blobs::open(&path, false).unwrap().read(&written.id, 0, 9).await.unwrap(),
            "hello",
            "with the same key after reopening"
        );
        let sealed = blobs.seal(b"small").unwrap();
        assert!(sealed.len() == 21 && !sealed.ends_with(b"small"));
        assert_eq!(blobs.unseal(sealed).unwrap(), "small");
        db.write(|tx| Blobs::release(tx, ANNA, &written.id)).await.unwrap();
        let mut seen = Unreferenced::default();
        blobs.sweep(&db, &mut seen).await.unwrap();
        blobs.sweep(&db, &mut seen).await.unwrap();
        assert!(blobs.path(&written.id).exists(), "its writer still holds it");
        let id = written.id.clone();
        drop(written);
        let mut seen = Unreferenced::default();
        assert_eq!(blobs.sweep(&db, &mut seen).await.unwrap(), 0);
        assert!(blobs.path(&id).exists(), "a reader may still hold the row of before");
        assert_eq!(blobs.sweep(&db, &mut seen).await.unwrap(), 1);
        assert!(!blobs.path(&id).exists());
        // What was written for a transaction that never came goes too; what is referred to stays.
        let (lost, kept) = (blobs.put(b"lost").await.unwrap(), blobs.put(b"kept").await.unwrap());
        db.write(|tx| Blobs::retain(tx, BERT, &kept.id)).await.unwrap();
        let (files, writers) = ([blobs.path(&lost.id), blobs.path(&kept.id)], (lost, kept));
        drop(writers);
        assert_eq!(blobs.sweep(&db, &mut seen).await.unwrap(), 0);
        assert_eq!(blobs.sweep(&db, &mut seen).await.unwrap(), 1);
        assert!(!files[0].exists() && files[1].exists());
    });
    std::fs::remove_dir_all(path).unwrap();
}

const ANNA: &str = "111111111111";
const BERT: &str = "222222222222";
/// Name → account: a name is used once in all accounts.
static NAMES: Table<String> = Table::new("test.names");

/// A cloud of two accounts, with a blob that both refer to and one of each one's own.
async fn two_accounts(files: &std::path::Path) -> (Database, Blobs) {
    let db = Database::new(Arc::new(Memory::new())).unwrap();
    let blobs = Blobs::open(&files.join("blobs"), false).unwrap();
    let both = blobs.put(b"both").await.unwrap();
    for account in [ANNA, BERT] {
        let own = blobs.put(account.as_bytes()).await.unwrap();
        let write = |tx: &mut Tx<'_>| {
            ROWS.put(tx, &(account, "us-east-1", "a"), &"before".to_owned());
            NAMES.put(tx, &(format!("name of {account}"),), &account.to_owned());
            Blobs::retain(tx, account, &own.id)?;
            Blobs::retain(tx, account, &both.id)
        };
        db.write(write).await.unwrap();
    }
    (db, blobs)
}

async fn put_in(db: &Database, table: &Table<String>, key: &impl Key, row: &str) {
    let write = |tx: &mut Tx<'_>| {
        table.put(tx, key, &row.to_owned());
        Ok::<_, Error>(())
    };
    db.write(write).await.unwrap();
}

#[test]
fn one_account_begins_again_and_the_others_go_on() {
    let (files, owners) = (folder(), || Owners::new([Shared::by_row(&NAMES, |account| account)]));
    let key = |account| (account, "us-east-1", "a");
    runtime().block_on(async {
        let (db, blobs) = two_accounts(&files).await;
        let snapshots = Snapshots::new(files.join("snapshots"));
        let (all, annas) = (owners(), owners());
        snapshots.save("all", Scope::Account(ANNA, &all), &db, &blobs).unwrap();
        let kept = files.join("snapshots/all/blobs");
        let is_kept = |bytes: &[u8]| kept.join(&hash(bytes)[..2]).join(hash(bytes)).exists();
        assert!(is_kept(b"both") && is_kept(ANNA.as_bytes()) && !is_kept(BERT.as_bytes()), "what is hers, and no more");
        let begin = |saved: Option<&str>| Beginning {
            saved: saved.map(|name| snapshots.find(name).unwrap().unwrap().folder),
            account: Some(ANNA.to_owned()),
        };
        // Nothing is left of Anna's, and Bert's blobs stay.
        let nothing = begin(None);
        nothing.bring_rows(&files, &db, &annas).await.unwrap();
        assert!(ROWS.get(&db.read(), &key(ANNA)).unwrap().is_none() && ROWS.has(&db.read(), &key(BERT)).unwrap());
        assert_eq!(NAMES.all(&db.read(), &()).unwrap().len(), 1, "names say whose they are");
        let mut seen = Unreferenced::default();
        blobs.sweep(&db, &mut seen).await.unwrap();
        assert_eq!(blobs.sweep(&db, &mut seen).await.unwrap(), 1, "Anna's own");
        // Hers come back, with what the blobs were written with, beside what Bert has done since.
        put_in(&db, &ROWS, &key(BERT), "after").await;
        let saved = begin(Some("all"));
        saved.order(&files).unwrap();
        assert_eq!(Beginning::ordered(&files).unwrap(), Some(saved.clone()));
        saved.bring_blobs(&files).unwrap();
        saved.bring_rows(&files, &db, &annas).await.unwrap();
        assert_eq!(Beginning::ordered(&files).unwrap(), None);
        let row = |account| ROWS.get(&db.read(), &key(account)).unwrap().unwrap();
        assert_eq!((row(ANNA).as_str(), row(BERT).as_str()), ("before", "after"));
        let own = undercast_store::BlobId(hash(ANNA.as_bytes()));
        let blobs = Blobs::open(&files.join("blobs"), false).unwrap();
        assert_eq!(blobs.read(&own, 0, 99).await.unwrap(), ANNA);
        assert_eq!(blobs.sweep(&db, &mut seen).await.unwrap() + blobs.sweep(&db, &mut seen).await.unwrap(), 0);
    });
    std::fs::remove_dir_all(files).unwrap();
}

#[test]
fn an_account_comes_to_a_cloud_with_another_key() {
    let (here, there, owners) = (folder(), folder(), Owners::new([Shared::by_row(&NAMES, |account| account)]));
    runtime().block_on(async {
        let (db, blobs) = two_accounts(&here).await;
        let sealed = blobs.seal(b"sealed here").unwrap();
        let saved = Snapshots::new(here.join("snapshots")).save("anna", Scope::Account(ANNA, &owners), &db, &blobs);
        let saved = Beginning { saved: Some(saved.unwrap().folder), account: Some(ANNA.to_owned()) };
        let (other, blobs) = two_accounts(&there).await;
        let own = blobs.seal(b"sealed there").unwrap();
        assert!(blobs.unseal(sealed.clone()).is_err(), "another cloud has another key");
        saved.check(&other, &owners).unwrap();
        saved.bring_blobs(&there).unwrap();
        let blobs = Blobs::open(&there.join("blobs"), false).unwrap();
        assert_eq!(
            (blobs.unseal(sealed).unwrap(), blobs.unseal(own).unwrap()),
            ("sealed here".into(), "sealed there".into())
        );
        // By now Bert has the name that Anna had.
        let name = ("name of 111111111111",);
        put_in(&other, &NAMES, &name, BERT).await;
        assert!(matches!(saved.check(&other, &owners), Err(Error::InTheWay { account, .. }) if account == BERT));
        saved.order(&there).unwrap();
        assert!(saved.bring_rows(&there, &other, &owners).await.is_err());
        assert_eq!(Beginning::ordered(&there).unwrap(), None, "what cannot be done is not tried again");
        assert_eq!(NAMES.get(&other.read(), &name).unwrap().unwrap(), BERT);
    });
    [here, there].iter().for_each(|folder| std::fs::remove_dir_all(folder).unwrap());
}

fn hash(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn encoded(key: &impl Key) -> Vec<u8> {
    let mut out = Vec::new();
    key.encode(&mut out);
    out
}

proptest! {
    #[test]
    fn keys_keep_their_order(a in (".{0,6}", any::<i64>(), prop::collection::vec(any::<u8>(), 0..5)),
                             b in (".{0,6}", any::<i64>(), prop::collection::vec(any::<u8>(), 0..5))) {
        prop_assert_eq!(a.cmp(&b), encoded(&a).cmp(&encoded(&b)));
        let bytes = encoded(&a);
        let passed = <(Passed, i64, Vec<u8>)>::decode(&mut bytes.as_slice()).map(|(_, b, c)| (b, c));
        prop_assert_eq!(passed, Some((a.1, a.2.clone())));
        prop_assert_eq!(<(String, i64, Vec<u8>)>::decode(&mut bytes.as_slice()), Some(a));
    }

    #[test]
    fn a_prefix_is_a_range(a in "[a-c\\x00]{0,3}", b in "[a-c\\x00]{0,3}", n in any::<u64>()) {
        let prefix = encoded(&(a.as_str(),));
        let inside = encoded(&(b.as_str(), n));
        let end = undercast_store::prefix_end(&prefix);
        let in_range = inside >= prefix && end.is_none_or(|e| inside < e);
        prop_assert_eq!(in_range, a == b);
    }
}

/// All rows of the store in a directory.
fn rows_of(directory: &Path) -> Result<Vec<String>, Error> {
    let db = Database::new(Arc::new(Durable::open(directory)?))?;
    Ok(ROWS.all(&db.read(), &("a",))?.into_iter().map(|e| e.row).collect())
}

/// Whatever happens to its bytes, a store is opened as it was, or not at all.
#[test]
fn a_damaged_store_is_refused_wherever_the_damage_is() {
    let path = folder();
    runtime().block_on(async {
        let db = Database::new(Arc::new(Durable::open(&path).unwrap())).unwrap();
        for n in 0..200 {
            put(&db, &("a", n), &format!("row {n} {}", "x".repeat(usize::try_from(n * 37 % 900).unwrap()))).await;
        }
        db.close();
    });
    let wanted = eventually(|| rows_of(&path).ok());
    let good = eventually(|| std::fs::read(path.join("state.redb")).ok());
    let damages = (0..120)
        .map(|n| {
            // Spread over the pages, and over each page.
            let at = good.len() * n / 120 + n * 131 % 4_096;
            let mut bytes = good.clone();
            bytes[at.min(good.len() - 1)] ^= 0x55;
            (bytes, format!("byte {at} changed"))
        })
        .chain((0..64).map(|at| {
            let mut bytes = good.clone();
            bytes[at * 4] ^= 0xff;
            (bytes, format!("byte {} changed", at * 4))
        }))
        .chain((0..good.len() / 4_096).step_by(3).map(|page| {
            let mut bytes = good.clone();
            bytes[page * 4_096..(page + 1) * 4_096].fill(0);
            (bytes, format!("page {page} emptied"))
        }))
        .chain((1..20).map(|n| (good[..good.len() * n / 20].to_vec(), format!("cut at {n}/20"))));
    let (mut refused, mut harmless) = (0, 0);
    for (bytes, what) in damages {
        let copy = folder();
        std::fs::write(copy.join("state.redb"), bytes).unwrap();
        match rows_of(&copy) {
            Ok(found) => {
                assert_eq!(found, wanted, "{what}");
                harmless += 1;
            }
            Err(Error::Corrupt { .. }) => refused += 1,
            Err(other) => panic!("{what}: {other}"),
        }
        std::fs::remove_dir_all(copy).unwrap();
    }
    // Some hit what is in no use.
    assert!(refused > 100 && harmless > 0, "{refused} refused, {harmless} harmless");
    std::fs::remove_dir_all(path).unwrap();
}

#[test]
fn a_store_that_has_gone_is_not_begun_anew() {
    let path = folder();
    drop(Durable::open(&path).unwrap());
    let file = path.join("state.redb");
    std::fs::write(&file, b"").unwrap();
    drop(Durable::open(&path).unwrap());
    std::fs::create_dir(path.join("blobs")).unwrap();
    std::fs::write(&file, b"").unwrap();
    assert!(matches!(Durable::open(&path), Err(Error::Corrupt { .. })));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(Durable::open(&path), Err(Error::Corrupt { .. })));
    assert!(!file.exists(), "nothing is put in its place");
    std::fs::remove_dir_all(path).unwrap();
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let path = folder();
    drop(Durable::open(&path).unwrap());
    let file = path.join("state.redb");
    let format = redb::TableDefinition::<&str, u32>::new("format");
    let newer = redb::Database::open(&file).unwrap();
    let write = newer.begin_write().unwrap();
    write.open_table(format).unwrap().insert("format", 1_000).unwrap();
    write.commit().unwrap();
    drop(newer);
    let Err(error) = Durable::open(&path) else { panic!("a newer store was opened") };
    let Error::Newer { found: 1_000, known } = error else { panic!("{error}") };
    let advice = format!(
        "format 1000, and this program reads up to {known}; use the newer program, or give `--data` another directory"
    );
    assert!(error.to_string().ends_with(&advice), "{error}");
    let after = redb::Database::open(&file).unwrap();
    let found = redb::ReadableDatabase::begin_read(&after).unwrap().open_table(format).unwrap();
    assert_eq!(found.get("format").unwrap().map(|v| v.value()), Some(1_000));
    std::fs::remove_dir_all(path).unwrap();
}

/// A disk that takes its time: each commit waits until it is let through.
struct Slow {
    memory: Memory,
    gate: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Backend for Slow {
    fn snapshot(&self) -> Arc<dyn undercast_store::Read + Send + Sync> {
        self.memory.snapshot()
    }

    fn commit(&self, batch: &undercast_store::Batch) -> Result<(), Error> {
        self.gate.lock().unwrap().recv().unwrap();
        self.memory.commit(batch)
    }

    fn immediate(&self) -> bool {
        false
    }
}

#[test]
fn a_refusal_waits_for_what_it_read() {
    let (open, gate) = std::sync::mpsc::channel();
    let slow = Slow { memory: Memory::new(), gate: std::sync::Mutex::new(gate) };
    let db = Database::new(Arc::new(slow)).unwrap();
    runtime().block_on(async {
        let writer = tokio::spawn({
            let db = db.clone();
            async move { put(&db, &("a", 1), "on its way").await }
        });
        let refused = async {
            loop {
                let seen = db.write(|tx| match ROWS.get(tx, &("a", 1u64))? {
                    Some(_) => Err(Error::Nonsense),
                    None => Ok(()),
                });
                match tokio::time::timeout(std::time::Duration::from_millis(50), seen).await {
                    Ok(Ok(())) => tokio::task::yield_now().await,
                    outcome => return outcome,
                }
            }
        };
        assert!(refused.await.is_err(), "nobody is told of a row that nobody can read yet");
        assert_eq!(ROWS.get(&db.read(), &("a", 1u64)).unwrap(), None);
        open.send(()).unwrap();
        writer.await.unwrap();
        let refused = db.write(|tx| if ROWS.has(tx, &("a", 1u64))? { Err(Error::Nonsense) } else { Ok(()) });
        assert!(matches!(refused.await, Err(Error::Nonsense)));
    });
}
