//! Saved states of the whole cloud or of one account: a folder each, with the rows in one file and the blobs beside it.
//!
//! Blobs never change, so that a snapshot shares them with the living state (hard links) where the file system allows.
//! A state is brought back when nobody uses the old one: an order is written down, the program begins again, and does
//! what is ordered before it opens the door. An order that a crash cut short is done again.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::cipher::Cipher;
use crate::owners::{Owners, Scope, is_account};
use crate::{Batch, Blobs, Database, Error, Order, Page, Read, Result};

const HEAD: &[u8] = b"undercast rows 2\n";
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

    /// Saves the state as it is committed now, or one account's part of it, while the cloud runs on. One of the same name
    /// is replaced.
    ///
    /// # Errors
    /// When files cannot be written, or the name is none ([`Snapshots::is_name`]).
    pub fn save(&self, name: &str, scope: Scope<'_>, database: &Database, blobs: &Blobs) -> Result<Saved> {
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
        match scope {
            Scope::Everything => link(blobs.folder(), &unfinished.join("blobs"))?,
            Scope::Account(account, _) => link_of(account, &state, blobs, &unfinished.join("blobs"))?,
        }
        write_rows(&state, scope, &unfinished.join("rows"))?;
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
pub struct Beginning {
    /// The folder of the snapshot; `None`: nothing.
    pub saved: Option<PathBuf>,
    /// The account that begins so, while the others go on; `None`: all of them.
    pub account: Option<String>,
}

impl Beginning {
    /// Whether the whole cloud begins with nothing.
    pub fn is_empty(&self) -> bool {
        self.saved.is_none() && self.account.is_none()
    }

    fn scope<'a>(&'a self, owners: &'a Owners) -> Scope<'a> {
        self.account.as_deref().map_or(Scope::Everything, |account| Scope::Account(account, owners))
    }

    /// The rows that come, and with them `None` for those that go.
    fn batch(&self, database: &Database, owners: &Owners) -> Result<Batch> {
        let (scope, mut batch) = (self.scope(owners), Batch::new());
        let state = database.read();
        each(&state, |key, row| {
            if scope.holds(key, row)? {
                batch.insert(key.to_vec(), None);
            }
            Ok(())
        })?;
        let Some(folder) = &self.saved else { return Ok(batch) };
        for (key, row) in read_rows(&folder.join("rows"))? {
            if !scope.holds(&key, &row)? {
                continue;
            }
            // What another account has here meanwhile, such as the name of a bucket, stays its own.
            let there = if batch.contains_key(&key) { None } else { state.get(&key)? };
            if let Some(account) = there.map(|there| owners.account(&key, &there)).transpose()? {
                let what = String::from_utf8_lossy(&key).replace(['\0', '\u{1}'], " ");
                return Err(Error::InTheWay { what: what.trim().to_owned(), account: account.unwrap_or_default() });
            }
            batch.insert(key, Some(row));
        }
        Ok(batch)
    }

    /// Whether it can be brought at all.
    ///
    /// # Errors
    /// When its rows cannot be read, are damaged, or something of another account's is in the way.
    pub fn check(&self, database: &Database, owners: &Owners) -> Result<()> {
        self.batch(database, owners).map(drop)
    }

    /// Writes it down beside the state in `files`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn order(&self, files: &Path) -> Result<()> {
        let (path, new) = (files.join(ORDER), files.join(format!("{ORDER}.new")));
        let mut text = format!("{}\n", self.account.as_deref().unwrap_or_default()).into_bytes();
        text.extend(self.saved.iter().flat_map(|folder| folder.as_os_str().as_encoded_bytes()));
        let written = std::fs::File::create(&new).and_then(|mut f| f.write_all(&text).and_then(|()| f.sync_all()));
        written.and_then(|()| std::fs::rename(&new, &path)).map_err(failed(&path))
    }

    /// What is written down.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of ours.
    pub fn ordered(files: &Path) -> Result<Option<Self>> {
        let path = files.join(ORDER);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path)(error)),
        };
        let unknown = || invalid(&path, "this is no order for a beginning");
        let (account, folder) = text.split_once('\n').ok_or_else(unknown)?;
        if !account.is_empty() && !is_account(account) {
            return Err(unknown());
        }
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Some(Self { saved: given(folder).map(PathBuf::from), account: given(account) }))
    }

    /// Brings the blobs, before they are opened.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn bring_blobs(&self, files: &Path) -> Result<()> {
        let here = files.join("blobs");
        match (&self.saved, &self.account) {
            (Some(folder), Some(_)) => add_blobs(&folder.join("blobs"), &here),
            // What nobody refers to any more goes with the next sweep.
            (None, Some(_)) => Ok(()),
            (Some(folder), None) => replace_blobs(Some(&folder.join("blobs")), files, &here),
            (None, None) => replace_blobs(None, files, &here),
        }
    }

    /// Puts its rows in the place of those that are there, all at once, and strikes the order out. What something is in
    /// the way of is not brought: the order is struck out, and the state stays as it was.
    ///
    /// # Errors
    /// When the rows cannot be read, are damaged, or cannot be written.
    pub async fn bring_rows(&self, files: &Path, database: &Database, owners: &Owners) -> Result<()> {
        let batch = match self.batch(database, owners) {
            Err(in_the_way @ Error::InTheWay { .. }) => {
                strike_out(files)?;
                return Err(in_the_way);
            }
            batch => batch?,
        };
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
        strike_out(files)
    }
}

fn strike_out(files: &Path) -> Result<()> {
    let path = files.join(ORDER);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(&path)(error)),
        _ => Ok(()),
    }
}

/// Puts other blobs, or none, in the place of those that are there.
fn replace_blobs(with: Option<&Path>, files: &Path, here: &Path) -> Result<()> {
    let (new, old) = (files.join("blobs.new"), files.join("blobs.old"));
    for rest in [&new, &old] {
        if rest.exists() {
            std::fs::remove_dir_all(rest).map_err(failed(rest))?;
        }
    }
    match with {
        None => std::fs::create_dir_all(&new).map_err(failed(&new))?,
        Some(folder) => link(folder, &new)?,
    }
    if here.exists() {
        std::fs::rename(here, &old).map_err(failed(&old))?;
    }
    std::fs::rename(&new, here).map_err(failed(here))?;
    if old.exists() {
        std::fs::remove_dir_all(&old).map_err(failed(&old))?;
    }
    Ok(())
}

/// Puts blobs beside those that are there, and the keys that open them.
fn add_blobs(from: &Path, here: &Path) -> Result<()> {
    std::fs::create_dir_all(here).map_err(failed(here))?;
    Cipher::add(here, from)?;
    link(from, here)
}

/// The blobs that an account's rows refer to, and the keys.
fn link_of(account: &str, state: &impl Read, blobs: &Blobs, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).map_err(failed(to))?;
    Cipher::add(to, blobs.folder())?;
    for id in Blobs::of(state, account)? {
        let from = blobs.path(&id);
        let target = to.join(from.strip_prefix(blobs.folder()).unwrap_or(&from));
        let folder = target.parent().unwrap_or(to);
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        link_file(&from, &target)?;
    }
    Ok(())
}

/// One file as a link, else as a copy; none where it is there already.
fn link_file(from: &Path, to: &Path) -> Result<()> {
    if to.exists() || std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    match std::fs::copy(from, to) {
        // Swept meanwhile: no row refers to it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        copied => copied.map(drop).map_err(failed(to)),
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
        } else {
            link_file(&path, &target)?;
        }
    }
    Ok(())
}

fn each(state: &impl Read, mut see: impl FnMut(&[u8], &Bytes) -> Result<()>) -> Result<()> {
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
fn write_rows(state: &impl Read, scope: Scope<'_>, path: &Path) -> Result<()> {
    let fail = failed(path);
    let mut file = std::fs::File::create(path).map_err(&fail)?;
    let (mut out, mut hasher) = (BufWriter::new(&mut file), Sha256::new());
    let mut write = |bytes: &[u8]| {
        hasher.update(bytes);
        out.write_all(bytes).map_err(&fail)
    };
    write(HEAD)?;
    each(state, |key, value| {
        if !scope.holds(key, value)? {
            return Ok(());
        }
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
