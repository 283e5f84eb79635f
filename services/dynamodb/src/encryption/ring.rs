//! Sealing what tables hold: the forms of rows of tables that are encrypted with a key of KMS.
//!
//! ```text
//! sealed = 2, number of the key among those of its table, synthetic nonce (16 bytes), AES-256 in counter mode
//! ```
//!
//! The nonce is the beginning of an HMAC of what is sealed and of the place where it stands, with a key of its own. So no
//! nonce comes twice unless the same bytes do at the same place, and bytes that were changed, or moved, do not open.

use crate::compact::Corrupt;
use crate::error::{Error, Result};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use minicbor::{Decode, Encode};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use undercast_store::KeyStream;

/// The first byte of what is sealed; that of an item is 1.
const SEALED: u8 = 2;
/// Bytes of a nonce.
const NONCE: usize = 16;

/// A key that rows of a table are sealed with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TableKey {
    /// Unique for all time.
    #[n(0)]
    pub id: String,
    /// The key, as ciphertext of the key of KMS; or as it is, where the table has none any more.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub wrapped: Vec<u8>,
    /// Whether it stands there as it is.
    #[n(2)]
    pub plain: bool,
}

/// The two keys that are made of one of a table.
struct Secret {
    seal: [u8; 32],
    recognise: [u8; 32],
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(0).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The keys of tables that are in use, which stand nowhere but in memory as they are.
#[derive(Default)]
pub struct Ring {
    keys: RwLock<HashMap<String, Arc<Secret>>>,
    /// Whether any table may have a key: as long as none has, nobody looks.
    used: AtomicBool,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ring")
    }
}

impl Ring {
    /// Puts a key on the ring.
    pub fn add(&self, id: &str, key: &[u8]) {
        self.note();
        let secret = Secret { seal: mac(key, &[b"seal"]), recognise: mac(key, &[b"recognise"]) };
        self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), Arc::new(secret));
    }

    /// Whether a key is on it.
    pub fn has(&self, id: &str) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// Notes that there is a table with keys.
    pub fn note(&self) {
        self.used.store(true, Ordering::Release);
    }

    /// Whether there may be one.
    pub fn is_used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    fn get(&self, id: &str) -> Result<Arc<Secret>> {
        let found = self.keys.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        found.ok_or(Error::Locked)
    }
}

/// The keys of a table, and the ring on which they hang.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// All that something may be sealed with.
    pub all: &'a [TableKey],
    /// Whether what is written is sealed, with the last of them.
    pub seals: bool,
    /// The ring.
    pub ring: Option<&'a Ring>,
}

impl Keys<'_> {
    /// What is kept of bytes that stand at a place.
    ///
    /// # Errors
    /// When the key is not at hand.
    pub fn seal(&self, place: &[&[u8]], bytes: Bytes) -> Result<Bytes> {
        let (Some(key), true) = (self.all.last(), self.seals) else { return Ok(bytes) };
        let secret = self.ring.ok_or(Error::Locked)?.get(&key.id)?;
        let number = u8::try_from(self.all.len() - 1).map_err(|_| Error::Locked)?;
        let nonce = synthetic(&secret, place, &bytes);
        let mut out = Vec::with_capacity(2 + NONCE + bytes.len());
        out.extend_from_slice(&[SEALED, number]);
        out.extend_from_slice(&nonce);
        let begin = out.len();
        out.extend_from_slice(&bytes);
        KeyStream::new(&secret.seal, &nonce, 0).apply(&mut out[begin..]);
        Ok(out.into())
    }

    /// What was sealed to be kept at a place; what was not sealed is as it is.
    ///
    /// # Errors
    /// When the key is not at hand, or the bytes are damaged.
    pub fn open(&self, place: &[&[u8]], kept: Bytes) -> Result<Bytes> {
        let Some(rest) = kept.strip_prefix(&[SEALED]) else { return Ok(kept) };
        let (number, rest) = rest.split_first().ok_or(Corrupt)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(Corrupt)?;
        let key = self.all.get(usize::from(*number)).ok_or(Corrupt)?;
        let secret = self.ring.ok_or(Error::Locked)?.get(&key.id)?;
        let mut plain = sealed.to_vec();
        KeyStream::new(&secret.seal, nonce, 0).apply(&mut plain);
        if synthetic(&secret, place, &plain) == *nonce { Ok(plain.into()) } else { Err(Corrupt.into()) }
    }

    /// Whether bytes are kept as they would be if they were written now.
    pub fn is_current(&self, kept: &[u8]) -> bool {
        let last = self.all.len().checked_sub(1).and_then(|last| u8::try_from(last).ok());
        match kept {
            [SEALED, number, ..] => self.seals && Some(*number) == last,
            _ => !self.seals,
        }
    }
}

fn synthetic(secret: &Secret, place: &[&[u8]], bytes: &[u8]) -> [u8; NONCE] {
    let parts: Vec<&[u8]> = place.iter().copied().chain([bytes]).collect();
    let whole = mac(&secret.recognise, &parts);
    let mut nonce = [0; NONCE];
    nonce.copy_from_slice(&whole[..NONCE]);
    nonce
}

/// A ring that rides along with what is read from the store, and is no part of it.
#[derive(Debug, Clone, Default)]
pub struct Attached(pub Option<Arc<Ring>>);

impl PartialEq for Attached {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> TableKey {
        TableKey { id: id.to_owned(), wrapped: Vec::new(), plain: false }
    }

    #[test]
    fn what_is_sealed_opens_at_its_place_alone_and_unchanged() {
        let ring = Ring::default();
        ring.add("one", &[7; 32]);
        let all = [key("one")];
        let keys = Keys { all: &all, seals: true, ring: Some(&ring) };
        let bytes = Bytes::from_static(b"\x01what a row holds");
        let sealed = keys.seal(&[b"table", b"a"], bytes.clone()).unwrap();
        assert!(!sealed.windows(4).any(|part| part == b"what"));
        assert_eq!(keys.open(&[b"table", b"a"], sealed.clone()).unwrap(), bytes);
        assert!(keys.open(&[b"tablea", b""], sealed.clone()).is_err());
        for at in 1..sealed.len() {
            let mut damaged = sealed.to_vec();
            damaged[at] ^= 1;
            assert!(keys.open(&[b"table", b"a"], damaged.into()).is_err(), "{at}");
        }
        assert!(keys.open(&[b"table", b"a"], sealed.slice(..10)).is_err());
    }

    #[test]
    fn the_last_key_seals_and_all_open() {
        let ring = Ring::default();
        ring.add("one", &[1; 32]);
        let bytes = Bytes::from_static(b"\x01row");
        let (first, both) = ([key("one")], [key("one"), key("two")]);
        let old = Keys { all: &first, seals: true, ring: Some(&ring) }.seal(&[], bytes.clone()).unwrap();
        let keys = Keys { all: &both, seals: true, ring: Some(&ring) };
        assert!(matches!(keys.seal(&[], bytes.clone()), Err(Error::Locked)), "its key is not on the ring");
        ring.add("two", &[2; 32]);
        let new = keys.seal(&[], bytes.clone()).unwrap();
        assert_eq!(
            (keys.open(&[], old.clone()).unwrap(), keys.open(&[], new.clone()).unwrap()),
            (bytes.clone(), bytes.clone())
        );
        assert!(keys.is_current(&new) && !keys.is_current(&old) && !keys.is_current(&bytes));
        let ended = Keys { seals: false, ..keys };
        assert_eq!(ended.seal(&[], bytes.clone()).unwrap(), bytes);
        assert!(ended.is_current(&bytes) && !ended.is_current(&new));
    }
}
