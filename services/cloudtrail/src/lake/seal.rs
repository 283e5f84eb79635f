//! Encryption of what an event data store keeps, with a key of KMS that its owner chose.
//!
//! A data key is made for some minutes' events, as ciphertext of the key of KMS; CloudTrail asks KMS in its own name, for the sake of
//! the store. Whoever queries has the data keys opened anew, so that a key that is disabled, or whose policy lets CloudTrail in no
//! more, opens nothing.
//!
//! Source: CreateEventDataStore, `KmsKeyId`, in the API reference. AWS does not tell how long it uses a data key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::store::{Entry, Order, Table, Tx};
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Result};
use undercast_sealing::{aead, bytes};

use super::store::Store;
use crate::PRINCIPAL;
use crate::api::errors;

/// Account, region, id of a store; number.
static KEYS: Table<DataKey> = Table::new("cloudtrail.lake.keys");

/// A data key seals for so long, in milliseconds.
const REUSE: i64 = 5 * 60 * 1000;

/// A key that events are sealed with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct DataKey {
    /// ARN of the key of KMS.
    #[n(0)]
    kms: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    wrapped: Vec<u8>,
}

/// Something that is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Sealed {
    /// The number of its data key.
    #[n(0)]
    key: u64,
    /// Ciphertext, tag and nonce.
    #[cbor(n(1), with = "minicbor::bytes")]
    bytes: Vec<u8>,
}

/// A data key that seals.
#[derive(Clone)]
pub(crate) struct Sealer {
    number: u64,
    key: Arc<LessSafeKey>,
    until: i64,
}

/// The data keys that seal now, by the stores' ARNs.
#[derive(Default)]
struct Vault(Mutex<HashMap<String, Sealer>>);

/// CloudTrail in its own name, for the sake of a store.
pub(crate) fn own(cx: &Cx, store: &Store) -> Cx {
    store.home(cx).as_service(PRINCIPAL, Some(&store.arn()))
}

/// What KMS is asked under: a data key is good for its store alone.
fn context(store: &Store) -> Json {
    json!({"aws:cloudtrail:arn": store.arn()})
}

/// Whether what a store keeps can be opened: the policy of its key lets CloudTrail in.
pub(crate) fn check(cx: &Cx, store: &Store) -> Result<()> {
    let Some(kms) = &store.kms else { return Ok(()) };
    let asked = json!({"KeyId": kms, "KeySpec": "AES_256", "EncryptionContext": context(store)});
    match own(cx, store).would_be_denied("kms", "GenerateDataKey", asked) {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(errors::insufficient_encryption_policy_exception(why).into()),
        Err(Failure::Aws(error)) => Err(errors::insufficient_encryption_policy_exception(error.message).into()),
        Err(failure) => Err(failure),
    }
}

/// What the events of a store are sealed with; `None`: nothing.
pub(crate) async fn sealer(cx: &Cx, store: &Store) -> Result<Option<Sealer>> {
    let Some(kms) = &store.kms else { return Ok(None) };
    let vault = cx.kernel().memory::<Vault>();
    let known = vault.0.lock().unwrap_or_else(PoisonError::into_inner).get(&store.arn()).cloned();
    if let Some(sealer) = known.filter(|sealer| cx.now_millis() < sealer.until) {
        return Ok(Some(sealer));
    }
    let own = own(cx, store);
    let asked = json!({"KeyId": kms, "KeySpec": "AES_256", "EncryptionContext": context(store)});
    let made = own.call("kms", "GenerateDataKey", asked).await?;
    let kept = DataKey { kms: kms.clone(), wrapped: bytes(&made, "CiphertextBlob")? };
    let number = own
        .write(|tx| {
            let last = KEYS.page(tx, &store.key(), None::<&()>, Order::Descending, 1)?;
            let last = last.first().and_then(Entry::key::<(String, String, String, u64)>);
            let number = last.map_or(1, |key| key.3 + 1);
            KEYS.put(tx, &(store.key(), number), &kept);
            Ok(number)
        })
        .await?;
    let sealer = Sealer { number, key: Arc::new(aead(&bytes(&made, "Plaintext")?)?), until: cx.now_millis() + REUSE };
    vault.0.lock().unwrap_or_else(PoisonError::into_inner).insert(store.arn(), sealer.clone());
    Ok(Some(sealer))
}

impl Sealer {
    /// Seals a text, which opens under its name alone.
    pub(crate) fn seal(&self, cx: &Cx, name: &str, plain: &str) -> Result<Sealed> {
        let (nonce, mut bytes) = (cx.random().bytes::<NONCE_LEN>(), plain.as_bytes().to_vec());
        let (aad, once) = (Aad::from(name.as_bytes()), Nonce::assume_unique_for_key(nonce));
        let done = self.key.seal_in_place_append_tag(once, aad, &mut bytes);
        done.map_err(|_| Failure::broken("an event cannot be sealed"))?;
        bytes.extend_from_slice(&nonce);
        Ok(Sealed { key: self.number, bytes })
    }
}

/// Opens what is sealed for a store, with data keys that KMS opened for it.
pub(crate) struct Opener<'a> {
    cx: &'a Cx,
    store: &'a Store,
    keys: HashMap<u64, Arc<LessSafeKey>>,
}

impl<'a> Opener<'a> {
    pub(crate) fn new(cx: &'a Cx, store: &'a Store) -> Self {
        Self { cx, store, keys: HashMap::new() }
    }

    async fn key(&mut self, number: u64) -> Result<Arc<LessSafeKey>> {
        if let Some(key) = self.keys.get(&number) {
            return Ok(key.clone());
        }
        let kept = KEYS.get(&self.cx.read(), &(self.store.key(), number))?;
        let kept = kept.ok_or_else(|| Failure::broken("the data key of an event is gone"))?;
        let blob = text::base64(&kept.wrapped);
        let asked = json!({"KeyId": kept.kms, "CiphertextBlob": blob, "EncryptionContext": context(self.store)});
        let opened = own(self.cx, self.store).call("kms", "Decrypt", asked).await?;
        let key = Arc::new(aead(&bytes(&opened, "Plaintext")?)?);
        self.keys.insert(number, key.clone());
        Ok(key)
    }

    /// What was sealed under a name.
    pub(crate) async fn open(&mut self, name: &str, sealed: &Sealed) -> Result<String> {
        let key = self.key(sealed.key).await?;
        let damaged = || Failure::broken("an event is damaged");
        let mut bytes = sealed.bytes.clone();
        let nonce = bytes.split_off(bytes.len().checked_sub(NONCE_LEN).ok_or_else(damaged)?);
        let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| damaged())?;
        let plain = key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut bytes).map_err(|_| damaged())?;
        String::from_utf8(plain.to_vec()).map_err(|_| damaged())
    }
}

/// The data keys of a store that goes go with it.
pub(crate) fn forget(tx: &mut Tx<'_>, store: &Store) -> Result<()> {
    Ok(KEYS.clear(tx, &store.key()).map(drop)?)
}
