//! Bytes on the disk are ciphertext: AES-256 in counter mode, with a key that lies beside the data and a nonce a piece.
//!
//! The key is made on first use, and nobody but its owner may read it. It keeps what is deleted, copied or backed up without
//! the key from being read; it is no protection from somebody who reads the whole directory.

use std::path::Path;

use aes::Aes256;
use aes::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};
use ctr::Ctr128BE;
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// The nonce that stands before each piece: four bytes that name its key, and twelve of chance.
pub(crate) const NONCE: usize = 16;

/// The length of a key.
const KEY: usize = 32;

/// The file of the keys, beside the blobs.
const FILE: &str = "key";

/// What makes ciphertext. The first key seals; the others, of states that were brought in, only open.
#[derive(Clone)]
pub(crate) struct Cipher {
    keys: Vec<([u8; 4], [u8; KEY])>,
}

/// The name of a key: the beginning of its hash.
fn named(key: [u8; KEY]) -> ([u8; 4], [u8; KEY]) {
    let hash = Sha256::digest(key);
    ([hash[0], hash[1], hash[2], hash[3]], key)
}

/// A key stream: AES-256 in counter mode, from some place on.
pub struct KeyStream(Ctr128BE<Aes256>);

impl KeyStream {
    /// The stream of a key and a nonce, from `offset` bytes on.
    pub fn new(key: &[u8; KEY], nonce: &[u8; NONCE], offset: u64) -> Self {
        let mut stream = Ctr128BE::<Aes256>::new(key.into(), nonce.into());
        if offset > 0 {
            stream.seek(offset);
        }
        Self(stream)
    }

    /// Turns bytes into ciphertext, and back.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        self.0.apply_keystream(bytes);
    }
}

impl Cipher {
    /// Reads the keys of a folder, and makes one on first use.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let failed = |source| Error::File { path: path.clone(), source };
        let mut keys = read(&path)?;
        if keys.is_empty() {
            let mut key = [0; KEY];
            random(&mut key).map_err(failed)?;
            write_private(&path, &key).map_err(failed)?;
            keys.push(key);
        }
        Ok(Self { keys: keys.into_iter().map(named).collect() })
    }

    /// Adds the keys of another folder to those of this one.
    pub(crate) fn add(folder: &Path, other: &Path) -> Result<()> {
        let (path, new) = (folder.join(FILE), folder.join("key.new"));
        let mut keys = read(&path)?;
        for key in read(&other.join(FILE))? {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let written = match std::fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => write_private(&new, &keys.concat()),
        };
        written.and_then(|()| std::fs::rename(&new, &path)).map_err(|source| Error::File { path, source })
    }

    /// A nonce that was never used before, as far as 96 bits of chance go.
    pub(crate) fn nonce(&self) -> std::io::Result<[u8; NONCE]> {
        let mut nonce = [0; NONCE];
        random(&mut nonce)?;
        if let (Some((name, _)), Some(head)) = (self.keys.first(), nonce.first_chunk_mut::<4>()) {
            *head = *name;
        }
        Ok(nonce)
    }

    /// The key stream of a piece from `offset` on.
    pub(crate) fn stream(&self, nonce: &[u8; NONCE], offset: u64) -> std::io::Result<KeyStream> {
        let found = self.keys.iter().find(|(name, _)| nonce.starts_with(name));
        let missing = || std::io::Error::new(std::io::ErrorKind::InvalidData, "the key of these bytes is not here");
        let (_, key) = found.ok_or_else(missing)?;
        Ok(KeyStream::new(key, nonce, offset))
    }
}

/// The keys of a file; none when it is not there.
fn read(path: &Path) -> Result<Vec<[u8; KEY]>> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let (keys, rest) = bytes.as_chunks::<KEY>();
    if keys.is_empty() || !rest.is_empty() {
        let wrong = std::io::Error::new(std::io::ErrorKind::InvalidData, "the keys of the data are not whole");
        return Err(failed(wrong));
    }
    Ok(keys.to_vec())
}

fn random(bytes: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(bytes).map_err(|e| std::io::Error::other(e.to_string()))
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::File::options();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
