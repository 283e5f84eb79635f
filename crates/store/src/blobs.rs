//! Large bytes: files named by their hash, referred to by committed rows, swept when no row refers to them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::cipher::{Cipher, KeyStream, NONCE};
use crate::pieces::Pieces;
use crate::{Entry, Error, Read, Result, Shared, Table, Tx};

/// A blob's name: the SHA-256 of its bytes, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(pub String);

/// Blob, account → how many of its rows refer to the blob. A row is kept at zero until the sweep has removed the file.
static REFERENCES: Table<u64> = Table::new("store.blobs");

/// Whose the counts are.
pub(crate) fn shared() -> Shared {
    Shared::by_key(&REFERENCES, |(_, account): (String, String)| account)
}

/// The folder of blobs.
#[derive(Clone)]
pub struct Blobs {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    durable: bool,
    next: AtomicU64,
    cipher: Cipher,
    pieces: Pieces,
    /// Blobs whose row is not committed yet; the sweep leaves them alone.
    pins: Mutex<HashMap<String, usize>>,
}

/// A blob that was just written. Keep it until the row that refers to it is committed: so long the sweep spares it.
pub struct Written {
    /// Its name.
    pub id: BlobId,
    /// Its length in bytes.
    pub length: u64,
    blobs: Blobs,
}

impl Drop for Written {
    fn drop(&mut self) {
        let mut pins = self.blobs.pins();
        if let Some(count) = pins.get_mut(&self.id.0) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.id.0);
            }
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}

impl Blobs {
    /// Opens the folder and removes what an earlier process left half written. `durable`: bytes reach the disk before
    /// a blob has its name.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path, durable: bool) -> Result<Self> {
        let temporary = folder.join("writing");
        if temporary.exists() {
            std::fs::remove_dir_all(&temporary).map_err(failed(&temporary))?;
        }
        std::fs::create_dir_all(&temporary).map_err(failed(&temporary))?;
        let cipher = Cipher::open(folder)?;
        Ok(Self {
            inner: Arc::new(Inner {
                folder: folder.to_owned(),
                durable,
                next: AtomicU64::new(0),
                cipher,
                pieces: Pieces::default(),
                pins: Mutex::default(),
            }),
        })
    }

    fn pins(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.inner.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Where a blob's bytes are.
    pub fn path(&self, id: &BlobId) -> PathBuf {
        let two = id.0.get(..2).unwrap_or("__");
        self.inner.folder.join(two).join(&id.0)
    }

    /// An empty buffer for a piece of a blob.
    pub fn piece(&self) -> Vec<u8> {
        self.inner.pieces.empty()
    }

    /// Begins a blob.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub async fn writer(&self) -> Result<BlobWriter> {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let path = self.inner.folder.join("writing").join(number.to_string());
        let nonce = self.inner.cipher.nonce().map_err(failed(&path))?;
        let stream = self.inner.cipher.stream(&nonce, 0).map_err(failed(&path))?;
        let making = path.clone();
        let made = tokio::task::spawn_blocking(move || {
            use std::io::Write as _;
            let mut file = std::fs::File::create(&making)?;
            file.write_all(&nonce).map(|()| file)
        });
        let file = made.await.map_err(Error::engine)?.map_err(failed(&path))?;
        Ok(BlobWriter {
            blobs: self.clone(),
            path,
            file: Writing::Idle(file),
            stream,
            hasher: Sha256::new(),
            length: 0,
            named: false,
        })
    }

    /// Keeps bytes that are all here.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn put(&self, bytes: &[u8]) -> Result<Written> {
        let mut writer = self.writer().await?;
        writer.push(bytes.to_vec()).await?;
        writer.finish().await
    }

    /// Part of a blob's bytes, from `start` on, at most `length` of them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn read(&self, id: &BlobId, start: u64, length: usize) -> Result<Bytes> {
        let mut reader = self.reader(id, start).await?;
        let there = self.length(id).await?.saturating_sub(start);
        let length = length.min(usize::try_from(there).unwrap_or(usize::MAX));
        reader.next(length).await.map_err(failed(&self.path(id)))
    }

    /// A blob's bytes from `start` on, to be read in pieces.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn reader(&self, id: &BlobId, start: u64) -> Result<BlobReader> {
        let path = self.path(id);
        let opening = path.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let file = std::fs::File::open(opening)?;
            let mut nonce = [0; NONCE];
            read_all(&file, &mut nonce, 0).map(|read| (file, nonce, read))
        });
        let (file, nonce, read) = opened.await.map_err(Error::engine)?.map_err(failed(&path))?;
        if read < NONCE {
            return Err(failed(&path)(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let stream = self.inner.cipher.stream(&nonce, start).map_err(failed(&path))?;
        let (file, at) = (Arc::new(file), start + NONCE as u64);
        Ok(BlobReader { file, at, stream, own: None, pieces: self.inner.pieces.clone() })
    }

    /// How long a blob is, in bytes.
    ///
    /// # Errors
    /// When its file is not there.
    pub async fn length(&self, id: &BlobId) -> Result<u64> {
        let path = self.path(id);
        let length = tokio::fs::metadata(&path).await.map_err(failed(&path))?.len();
        Ok(length.saturating_sub(NONCE as u64))
    }

    /// Small bytes as ciphertext, to be kept in a row.
    ///
    /// # Errors
    /// When the system has no chance to give.
    pub fn seal(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let nonce = self.inner.cipher.nonce().map_err(failed(&self.inner.folder))?;
        let mut out = Vec::with_capacity(NONCE + bytes.len());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(bytes);
        let mut stream = self.inner.cipher.stream(&nonce, 0).map_err(failed(&self.inner.folder))?;
        stream.apply(&mut out[NONCE..]);
        Ok(out)
    }

    /// The bytes that were sealed. Nothing was sealed as nothing.
    ///
    /// # Errors
    /// When they were sealed with a key that is not here.
    pub fn unseal(&self, mut sealed: Vec<u8>) -> Result<Bytes> {
        let Some(nonce) = sealed.first_chunk::<NONCE>().copied() else { return Ok(Bytes::new()) };
        let mut stream = self.inner.cipher.stream(&nonce, 0).map_err(failed(&self.inner.folder))?;
        stream.apply(&mut sealed[NONCE..]);
        Ok(Bytes::from(sealed).slice(NONCE..))
    }

    /// One more row of the account refers to the blob.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn retain(tx: &mut Tx<'_>, account: &str, id: &BlobId) -> Result<()> {
        let count = REFERENCES.get(tx, &(&id.0, account))?.unwrap_or(0);
        REFERENCES.put(tx, &(&id.0, account), &(count + 1));
        Ok(())
    }

    /// One row less of the account refers to the blob.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn release(tx: &mut Tx<'_>, account: &str, id: &BlobId) -> Result<()> {
        let count = REFERENCES.get(tx, &(&id.0, account))?.unwrap_or(0);
        REFERENCES.put(tx, &(&id.0, account), &count.saturating_sub(1));
        Ok(())
    }

    /// The blobs that an account's rows refer to.
    pub(crate) fn of(from: &impl Read, account: &str) -> Result<Vec<BlobId>> {
        let all = REFERENCES.all(from, &())?;
        let keys = all.iter().filter(|entry| entry.row > 0).filter_map(Entry::key::<(String, String)>);
        Ok(keys.filter(|(_, owner)| owner == account).map(|(id, _)| BlobId(id)).collect())
    }

    /// Removes the files of blobs that no row refers to, and did not at the sweep `before` either: so long have readers
    /// that hold an older row to finish. Files count whose row was never committed, too. Says how many it removed.
    ///
    /// # Errors
    /// When the engine fails or a file cannot be removed.
    pub async fn sweep(&self, database: &crate::Database, before: &mut Unreferenced) -> Result<usize> {
        let folder = self.inner.folder.clone();
        let files = tokio::task::spawn_blocking(move || files(&folder)).await.map_err(Error::engine)??;
        let found: HashSet<String> = {
            let all = REFERENCES.all(&database.read(), &())?;
            let mut counts: HashMap<String, u64> = HashMap::new();
            for entry in &all {
                if let Some((id, _)) = entry.key::<(String, String)>() {
                    *counts.entry(id).or_insert(0) += entry.row;
                }
            }
            let unknown = files.into_iter().filter(|id| !counts.contains_key(id));
            let unknown: Vec<String> = unknown.collect();
            unknown.into_iter().chain(counts.into_iter().filter(|(_, n)| *n == 0).map(|(id, _)| id)).collect()
        };
        let dead: Vec<&String> = found.iter().filter(|id| before.0.contains(*id)).collect();
        let mut removed = 0;
        for id in dead {
            if self.remove(database, id)? {
                let forget = |tx: &mut Tx<'_>| {
                    if references(tx, id)? == 0 {
                        REFERENCES.clear(tx, &(id,))?;
                    }
                    Ok::<_, Error>(())
                };
                database.write(forget).await?;
                removed += 1;
            }
        }
        before.0 = found;
        Ok(removed)
    }

    /// Removes the file unless a row refers to it or is about to.
    fn remove(&self, database: &crate::Database, id: &str) -> Result<bool> {
        // Holding the pins, no writer can begin to rely on the file; one that began before has committed or holds a pin.
        let pins = self.pins();
        if pins.contains_key(id) || references(&database.read(), id)? > 0 {
            return Ok(false);
        }
        let path = self.path(&BlobId(id.to_owned()));
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::File { path, source }),
            _ => Ok(true),
        }
    }
}

/// How many rows refer to a blob, of whomever.
fn references(from: &impl Read, id: &str) -> Result<u64> {
    Ok(REFERENCES.all(from, &(id,))?.iter().map(|entry| entry.row).sum())
}

/// The blobs that no row referred to at a sweep.
#[derive(Debug, Default)]
pub struct Unreferenced(HashSet<String>);

/// The names of all blobs that have a file.
fn files(folder: &Path) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for part in std::fs::read_dir(folder).map_err(failed(folder))?.flatten() {
        // Beside the folders of blobs there are the key, and what is being written.
        if part.file_name().len() != 2 || !part.path().is_dir() {
            continue;
        }
        let inside = std::fs::read_dir(part.path()).map_err(failed(&part.path()))?;
        let names = inside.flatten().filter_map(|file| file.file_name().into_string().ok());
        out.extend(names.filter(|name| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())));
    }
    Ok(out)
}

/// A blob that is being read.
pub struct BlobReader {
    file: Arc<std::fs::File>,
    /// Where its next byte is in the file.
    at: u64,
    stream: KeyStream,
    /// What its bytes were encrypted with before they came here.
    own: Option<KeyStream>,
    pieces: Pieces,
}

impl BlobReader {
    /// Takes one more key off the bytes, with which they were written.
    #[must_use]
    pub fn unsealed(self, own: Option<KeyStream>) -> Self {
        Self { own, ..self }
    }

    /// The next bytes: `length` of them, or as many as there are.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn next(&mut self, length: usize) -> std::io::Result<Bytes> {
        let mut piece = self.pieces.filled(length);
        let at_hand = read_at_hand(&self.file, &mut piece[..length], self.at);
        let read = if at_hand < length {
            let (file, at) = (self.file.clone(), self.at);
            let work = tokio::task::spawn_blocking(move || {
                let more = read_all(&file, &mut piece[at_hand..length], at + at_hand as u64)?;
                Ok::<_, std::io::Error>((piece, at_hand + more))
            });
            let (filled, read) = work.await.map_err(std::io::Error::other)??;
            piece = filled;
            read
        } else {
            length
        };
        self.at += read as u64;
        self.stream.apply(&mut piece[..read]);
        if let Some(own) = &mut self.own {
            own.apply(&mut piece[..read]);
        }
        Ok(self.pieces.lend(piece, read))
    }
}

/// Reads what the system has in memory already, which takes less time than asking another thread; the length of it.
fn read_at_hand(file: &std::fs::File, into: &mut [u8], at: u64) -> usize {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::{ReadWriteFlags, preadv2};
        let mut into = [std::io::IoSliceMut::new(into)];
        // Where it is not at hand, or the file system does not know the question, the file is read as any other.
        preadv2(file, &mut into, at, ReadWriteFlags::NOWAIT).unwrap_or(0)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, into, at);
        0
    }
}

/// Reads until the file ends or the buffer is full; the length of it.
fn read_all(file: &std::fs::File, into: &mut [u8], at: u64) -> std::io::Result<usize> {
    use std::os::unix::fs::FileExt as _;
    let mut read = 0;
    while read < into.len() {
        match file.read_at(&mut into[read..], at + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// A blob that is being written. Dropped before `finish`, it leaves nothing.
pub struct BlobWriter {
    blobs: Blobs,
    path: PathBuf,
    file: Writing,
    stream: KeyStream,
    hasher: Sha256,
    length: u64,
    /// Set once the file has the blob's name.
    named: bool,
}

/// The file of a blob, which is written beside what makes its next bytes.
enum Writing {
    Idle(std::fs::File),
    Busy(tokio::task::JoinHandle<std::io::Result<std::fs::File>>),
    /// It is closed, or could not be written.
    Gone,
}

impl Writing {
    /// The file, once all is written that was given to it.
    async fn idle(&mut self) -> std::io::Result<std::fs::File> {
        match std::mem::replace(self, Self::Gone) {
            Self::Idle(file) => Ok(file),
            Self::Busy(work) => work.await.map_err(std::io::Error::other)?,
            Self::Gone => Err(std::io::Error::other("the file was given up")),
        }
    }
}

impl BlobWriter {
    /// Appends bytes. They are on their way to the disk when it returns, and those before them are there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn push(&mut self, mut bytes: Vec<u8>) -> Result<()> {
        use std::io::Write as _;
        self.hasher.update(&bytes);
        self.length += bytes.len() as u64;
        self.stream.apply(&mut bytes);
        let mut file = self.file.idle().await.map_err(failed(&self.path))?;
        let pieces = self.blobs.inner.pieces.clone();
        let work = tokio::task::spawn_blocking(move || {
            file.write_all(&bytes)?;
            pieces.back(bytes);
            Ok(file)
        });
        self.file = Writing::Busy(work);
        Ok(())
    }

    /// The SHA-256 of what was pushed so far, in hexadecimal: the name that the blob will have.
    pub fn hash(&self) -> String {
        self.hasher.clone().finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Gives the blob its name, once its bytes are on the disk.
    ///
    /// # Errors
    /// When the file cannot be written or renamed.
    pub async fn finish(mut self) -> Result<Written> {
        let id = BlobId(self.hash());
        let target = self.blobs.path(&id);
        *self.blobs.pins().entry(id.0.clone()).or_insert(0) += 1;
        let written = Written { id, length: self.length, blobs: self.blobs.clone() };
        let file = self.file.idle().await.map_err(failed(&self.path))?;
        let durable = self.blobs.inner.durable;
        let (path, inner) = (self.path.clone(), self.blobs.inner.clone());
        let work = tokio::task::spawn_blocking(move || settle(&file, &path, &target, &inner.folder, durable));
        work.await.map_err(Error::engine)??;
        self.named = true;
        Ok(written)
    }
}

/// Sees to it that a file's bytes are on the disk, and then gives it its name.
fn settle(file: &std::fs::File, path: &Path, target: &Path, root: &Path, durable: bool) -> Result<()> {
    if durable {
        file.sync_all().map_err(failed(path))?;
    }
    let folder = target.parent().unwrap_or(root);
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    std::fs::rename(path, target).map_err(failed(target))?;
    if durable {
        let handle = std::fs::File::open(folder).map_err(failed(folder))?;
        handle.sync_all().map_err(failed(folder))?;
    }
    Ok(())
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // What was given up, or could not be written, takes no room.
        if !self.named {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
