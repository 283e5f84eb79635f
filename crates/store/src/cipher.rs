//! Bytes on the disk are ciphertext: AES-256 in counter mode, with a key that lies beside the data and a nonce a piece.
//!
//! The key is made on first use, and nobody but its owner may read it. It keeps what is deleted, copied or backed up without
//! the key from being read; it is no protection from somebody who reads the whole directory.

use std::path::Path;

use aes::Aes256;
use aes::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};
use ctr::Ctr128BE;

use crate::{Error, Result};

/// The nonce that stands before each piece.
pub(crate) const NONCE: usize = 16;

/// What makes ciphertext.
#[derive(Clone)]
pub(crate) struct Cipher {
    key: [u8; 32],
}

/// The key stream of one piece, at some place.
pub(crate) struct KeyStream(Ctr128BE<Aes256>);

impl KeyStream {
    /// Turns bytes into ciphertext, and back.
    pub(crate) fn apply(&mut self, bytes: &mut [u8]) {
        self.0.apply_keystream(bytes);
    }
}

impl Cipher {
    /// Reads the key of a folder, and makes it on first use.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("key");
        let failed = |source| Error::File { path: path.clone(), source };
        if let Ok(found) = std::fs::read(&path) {
            let wrong = || std::io::Error::new(std::io::ErrorKind::InvalidData, "the key of the data has not 32 bytes");
            let key = found.try_into().map_err(|_| failed(wrong()))?;
            return Ok(Self { key });
        }
        let mut key = [0; 32];
        random(&mut key).map_err(failed)?;
        write_private(&path, &key).map_err(failed)?;
        Ok(Self { key })
    }

    /// A nonce that was never used before, as far as 128 bits of chance go.
    pub(crate) fn nonce() -> std::io::Result<[u8; NONCE]> {
        let mut nonce = [0; NONCE];
        random(&mut nonce)?;
        Ok(nonce)
    }

    /// The key stream of a piece from `offset` on.
    pub(crate) fn stream(&self, nonce: &[u8; NONCE], offset: u64) -> KeyStream {
        let mut stream = Ctr128BE::<Aes256>::new(&self.key.into(), &(*nonce).into());
        if offset > 0 {
            stream.seek(offset);
        }
        KeyStream(stream)
    }
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
