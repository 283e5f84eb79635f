//! Saved states of the whole cloud: a folder each, with all rows in one file and the blobs beside it.
//!
//! Blobs never change, so that a snapshot shares them with the living state (hard links) where the file system allows.
//! A state is brought back when nobody uses the old one: an order is written down, the program begins again, and does
//! what is ordered before it opens the door. An order that a crash cut short is done again.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{Batch, Blobs, Database, Error, Order, Page, Read, Result};

const HEAD: &[u8] = b"undercast rows 1\n";
const ORDER: &str = "begin-with";
/// Rows that are read at a time.
const PIECE: usize = 4_096;

/// The folder of snapshots.
#[derive(Debug, Clone)]
pub struct Snapshots {
    folder: PathBuf,
}

/// One that was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub folder: PathBuf,
    /// Length of its rows, in bytes.
    pub bytes: u64,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::File { path: path.clone(), source }
}

fn invalid(path: &Path, what: &str) -> Error {
    Error::Corrupt { path: path.to_owned(), source: what.into() }
}

impl Snapshots {
    /// Those in a folder, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether this may be a snapshot's name: 1 to 64 letters, digits, `-`, `_` and `.`, the first not a `.`.
    pub fn is_name(name: &str) -> bool {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (1..=64).contains(&name.len()) && name.bytes().all(good) && !name.starts_with('.')
    }

    /// One by its name.
    ///
    /// # Errors
    /// When its file cannot be looked at.
    pub fn find(&self, name: &str) -> Result<Option<Saved>> {
        let folder = self.folder.join(name);
        let rows = folder.join("rows");
        if !Self::is_name(name) || !rows.exists() {
            return Ok(None);
        }
        let bytes = rows.metadata().map_err(failed(&rows))?.len();
        Ok(Some(Saved { name: name.to_owned(), folder, bytes }))
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Saved>> {
        let mut out = Vec::new();
        if !self.folder.exists() {
            return Ok(out);
        }
        for entry in std::fs::read_dir(&self.folder).map_err(failed(&self.folder))? {
            let name = entry.map_err(failed(&self.folder))?.file_name();
            out.extend(name.to_str().map_or(Ok(None), |name| self.find(name))?);
        }
        out.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(out)
    }

    /// Saves the state as it is committed now, while the cloud runs on. One of the same name is replaced.
    ///
    /// # Errors
    /// When files cannot be written, or the name is none ([`Snapshots::is_name`]).
    pub fn save(&self, name: &str, database: &Database, blobs: &Blobs) -> Result<Saved> {
        if !Self::is_name(name) {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "this is no name of a snapshot");
            return Err(Error::File { path: PathBuf::from(name), source });
        }
        let (unfinished, folder) = (self.folder.join(format!(".{name}")), self.folder.join(name));
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished).map_err(failed(&unfinished))?;
        }
        std::fs::create_dir_all(&unfinished).map_err(failed(&unfinished))?;
        // Every blob that these rows refer to is on the disk already, and stays there longer than this takes.
        let state = database.read();
        link(blobs.folder(), &unfinished.join("blobs"))?;
        write_rows(&state, &unfinished.join("rows"))?;
        self.remove(name)?;
        std::fs::rename(&unfinished, &folder).map_err(failed(&folder))?;
        self.find(name)?.ok_or_else(|| invalid(&folder, "what was saved is gone"))
    }

    /// Removes one, and says whether it was there.
    ///
    /// # Errors
    /// When its files cannot be removed.
    pub fn remove(&self, name: &str) -> Result<bool> {
        match self.find(name)? {
            Some(found) => std::fs::remove_dir_all(&found.folder).map(|()| true).map_err(failed(&found.folder)),
            None => Ok(false),
        }
    }
}

/// What a cloud begins with, the next time that it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// With nothing.
    Empty,
    /// With the snapshot in this folder.
    Saved(PathBuf),
}

impl Beginning {
    /// Whether it can be brought at all.
    ///
    /// # Errors
    /// When its rows cannot be read, or are damaged.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Empty => Ok(()),
            Self::Saved(folder) => read_rows(&folder.join("rows")).map(drop),
        }
    }

    /// Writes it down beside the state in `files`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn order(&self, files: &Path) -> Result<()> {
        let (path, new) = (files.join(ORDER), files.join(format!("{ORDER}.new")));
        let text = match self {
            Self::Empty => Vec::new(),
            Self::Saved(folder) => folder.as_os_str().as_encoded_bytes().to_vec(),
        };
        let written = std::fs::File::create(&new).and_then(|mut f| f.write_all(&text).and_then(|()| f.sync_all()));
        written.and_then(|()| std::fs::rename(&new, &path)).map_err(failed(&path))
    }

    /// What is written down.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn ordered(files: &Path) -> Result<Option<Self>> {
        let path = files.join(ORDER);
        match std::fs::read_to_string(&path) {
            Ok(text) if text.is_empty() => Ok(Some(Self::Empty)),
            Ok(text) => Ok(Some(Self::Saved(PathBuf::from(text)))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path)(error)),
        }
    }

    /// Brings the blobs, before they are opened.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn bring_blobs(&self, files: &Path) -> Result<()> {
        let (new, old, here) = (files.join("blobs.new"), files.join("blobs.old"), files.join("blobs"));
        for rest in [&new, &old] {
            if rest.exists() {
                std::fs::remove_dir_all(rest).map_err(failed(rest))?;
            }
        }
        match self {
            Self::Empty => std::fs::create_dir_all(&new).map_err(failed(&new))?,
            Self::Saved(folder) => link(&folder.join("blobs"), &new)?,
        }
        if here.exists() {
            std::fs::rename(&here, &old).map_err(failed(&old))?;
        }
        std::fs::rename(&new, &here).map_err(failed(&here))?;
        if old.exists() {
            std::fs::remove_dir_all(&old).map_err(failed(&old))?;
        }
        Ok(())
    }

    /// Puts its rows in the place of those that are there, all at once, and strikes the order out.
    ///
    /// # Errors
    /// When the rows cannot be read, are damaged, or cannot be written.
    pub async fn bring_rows(&self, files: &Path, database: &Database) -> Result<()> {
        let rows = match self {
            Self::Empty => Vec::new(),
            Self::Saved(folder) => read_rows(&folder.join("rows"))?,
        };
        let mut batch = Batch::new();
        each(&database.read(), |key, _| {
            batch.insert(key.to_vec(), None);
            Ok(())
        })?;
        batch.extend(rows.into_iter().map(|(key, value)| (key, Some(value))));
        let change = |tx: &mut crate::Tx<'_>| {
            for (key, value) in &batch {
                match value {
                    Some(value) => tx.put(key.clone(), value.clone()),
                    None => tx.delete(key.clone()),
                }
            }
            Ok::<_, Error>(())
        };
        database.write(change).await?;
        let path = files.join(ORDER);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(&path)(error)),
            _ => Ok(()),
        }
    }
}

/// The files of a folder and of the folders in it, in another one: as links, else as copies.
fn link(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).map_err(failed(to))?;
    for entry in std::fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(failed(&path))?.is_dir() {
            // What is half written belongs to nobody yet.
            if entry.file_name() != "writing" {
                link(&path, &target)?;
            }
        } else if std::fs::hard_link(&path, &target).is_err() {
            match std::fs::copy(&path, &target) {
                // Swept meanwhile: no row refers to it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                copied => drop(copied.map_err(failed(&target))?),
            }
        }
    }
    Ok(())
}

fn each(state: &impl Read, mut see: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
    let mut page = Page { start: Vec::new(), end: None, order: Order::Ascending, limit: PIECE };
    loop {
        let rows = state.scan(&page)?;
        for (key, value) in &rows {
            see(key, value)?;
        }
        let Some((last, _)) = rows.last().filter(|_| rows.len() == PIECE) else { return Ok(()) };
        page.start = [last.as_ref(), &[0]].concat();
    }
}

/// The head, then of each row the lengths of key and value and both, in the end a key's length that none has and the
/// SHA-256 of it all.
fn write_rows(state: &impl Read, path: &Path) -> Result<()> {
    let fail = failed(path);
    let mut file = std::fs::File::create(path).map_err(&fail)?;
    let (mut out, mut hasher) = (BufWriter::new(&mut file), Sha256::new());
    let mut write = |bytes: &[u8]| {
        hasher.update(bytes);
        out.write_all(bytes).map_err(&fail)
    };
    write(HEAD)?;
    each(state, |key, value| {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(|_| invalid(path, "a row is too long"));
        write(&length(key)?.to_be_bytes())?;
        write(&length(value)?.to_be_bytes())?;
        write(key)?;
        write(value)
    })?;
    write(&u32::MAX.to_be_bytes())?;
    out.write_all(&hasher.finalize()).and_then(|()| out.flush()).map_err(&fail)?;
    drop(out);
    file.sync_all().map_err(&fail)
}

fn read_rows(path: &Path) -> Result<Vec<(Vec<u8>, Bytes)>> {
    let all = Bytes::from(std::fs::read(path).map_err(failed(path))?);
    let damaged = || invalid(path, "the snapshot is damaged");
    let end = all.len().checked_sub(32).ok_or_else(damaged)?;
    if !all.starts_with(HEAD) || Sha256::digest(&all[..end]).as_slice() != &all[end..] {
        return Err(damaged());
    }
    let (mut out, mut at) = (Vec::new(), HEAD.len());
    let number =
        |at: usize| all[..end].get(at..at + 4).and_then(|b| b.first_chunk::<4>().map(|b| u32::from_be_bytes(*b)));
    loop {
        let key = number(at).ok_or_else(damaged)?;
        if key == u32::MAX {
            return Ok(out);
        }
        let (key, value) = (key as usize, number(at + 4).ok_or_else(damaged)? as usize);
        let start = at + 8;
        at = start + key + value;
        if at > end {
            return Err(damaged());
        }
        out.push((all[start..start + key].to_vec(), all.slice(start + key..at)));
    }
}
