//! What symmetric keys make of data.
//!
//! A ciphertext tells which material made it, so that `Decrypt` needs no key id and older material still decrypts:
//! version (1 byte), account (12), material id (32), nonce (12), AES-256-GCM ciphertext with its tag (16 more than the
//! plaintext). All before the nonce, and the encryption context, are authenticated with it.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use undercast_kernel::{Bytes, Cx, Failure, Result};
use undercast_wire::text;

use crate::rows::{Key, MATERIALS};
use crate::{error, material};

/// What is told with data and authenticated with it.
pub(crate) type Context = BTreeMap<String, String>;

const VERSION: u8 = 1;
const ACCOUNT: usize = 12;
/// Version, account, material id.
const HEAD: usize = 1 + ACCOUNT + material::ID;

/// What a ciphertext says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) account: String,
    pub(crate) material: String,
}

impl Origin {
    /// Reads the head of a ciphertext. Nothing of it is verified yet.
    ///
    /// # Errors
    /// `InvalidCiphertextException` when it is none of ours.
    pub(crate) fn of(blob: &[u8]) -> Result<Self> {
        let head = blob.get(..HEAD).filter(|head| head[0] == VERSION).ok_or_else(error::bad_ciphertext)?;
        let account = std::str::from_utf8(&head[1..=ACCOUNT]).ok().filter(|a| a.bytes().all(|b| b.is_ascii_digit()));
        let account = account.ok_or_else(error::bad_ciphertext)?.to_owned();
        Ok(Self { account, material: text::hex_encode(&head[1 + ACCOUNT..]) })
    }

    /// The id of the key whose material it is.
    pub(crate) fn key_id(&self, cx: &Cx) -> Result<Option<String>> {
        let found = MATERIALS.get(&cx.read(), &(&self.account, cx.region(), &self.material))?;
        Ok(found.map(|material| material.key_id))
    }
}

/// The encryption context as it is authenticated: each part with its length before it, in the order of the names.
fn authenticated(head: &[u8], context: &Context) -> Vec<u8> {
    let mut out = head.to_vec();
    for part in context.iter().flat_map(|(name, value)| [name, value]) {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    out
}

fn cipher(secret: &[u8]) -> Result<LessSafeKey> {
    let key =
        UnboundKey::new(&AES_256_GCM, secret).map_err(|_| Failure::broken("a symmetric key is not 32 bytes long"))?;
    Ok(LessSafeKey::new(key))
}

/// Encrypts with the current material of a symmetric key.
pub(crate) fn encrypt(cx: &Cx, key: &Key, plaintext: &[u8], context: &Context) -> Result<Bytes> {
    let id = text::unhex(key.current()).filter(|id| id.len() == material::ID);
    let id = id.ok_or_else(|| cx.broken(format!("the material of key {} has no id", key.id)))?;
    let nonce: [u8; NONCE_LEN] = cx.random().bytes();
    let mut blob = vec![VERSION];
    blob.extend_from_slice(key.account.as_bytes());
    blob.extend_from_slice(&id);
    let aad = authenticated(&blob, context);
    blob.extend_from_slice(&nonce);
    let mut sealed = plaintext.to_vec();
    cipher(&material::current(cx, key)?)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut sealed)
        .map_err(|_| cx.broken("AES-GCM could not encrypt"))?;
    blob.append(&mut sealed);
    Ok(blob.into())
}

/// Decrypts what [`encrypt`] made with some material of the key.
///
/// # Errors
/// `InvalidCiphertextException` when the ciphertext or the encryption context is not what it was.
pub(crate) fn decrypt(cx: &Cx, key: &Key, blob: &[u8], context: &Context) -> Result<Bytes> {
    let origin = Origin::of(blob)?;
    let (head, rest) = blob.split_at(HEAD);
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(error::bad_ciphertext)?;
    let mut opened = sealed.to_vec();
    let plaintext = cipher(&material::of(cx, key, &origin.material)?)?.open_in_place(
        Nonce::assume_unique_for_key(*nonce),
        Aad::from(authenticated(head, context)),
        &mut opened,
    );
    plaintext.map(|bytes| Bytes::copy_from_slice(bytes)).map_err(|_| error::bad_ciphertext().into())
}
