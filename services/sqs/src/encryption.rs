//! Encryption of bodies: with SQS's own key, which is the store's, or with a data key of a key of KMS.
//!
//! Who sends has KMS make a data key and may use it as long as the queue says (`KmsDataKeyReusePeriodSeconds`); it is kept as
//! ciphertext of the key of KMS alone. Who receives must be allowed to decrypt it, which is asked again after the same time. What
//! was sent before stays as it was.
//! Source: "Encryption at rest in Amazon SQS" in the developer guide.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::store::{Entry, Order, Table};
use undercast_kernel::wire::text;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::api::errors;
use crate::queue::Queue;

/// Account, region, number → data key.
static KEYS: Table<DataKey> = Table::new("sqs.keys");

/// In whose name KMS is asked.
const PRINCIPAL: &str = "sqs.amazonaws.com";
/// More keys or rights than so many are not remembered.
const KEPT: usize = 4_096;

/// A key that bodies are sealed with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct DataKey {
    /// The key of KMS.
    #[n(0)]
    kms: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    wrapped: Vec<u8>,
    /// The ARN of the queue that it was made for, which is the encryption context.
    #[n(2)]
    queue: String,
    /// For how long a right to use it is good (ms).
    #[n(3)]
    reuse: i64,
}

/// A body that is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Seal {
    #[cbor(n(0), with = "minicbor::bytes")]
    bytes: Vec<u8>,
    /// The number of its data key; `None`: the store's own key.
    #[n(1)]
    key: Option<u64>,
}

/// What bodies of a queue are sealed with.
#[derive(Clone)]
pub(crate) enum Sealer {
    /// Nothing.
    Plain,
    /// The store's own key.
    Own,
    /// A data key, and its number.
    Kms(u64, Arc<LessSafeKey>),
}

/// Account, region, and what else tells one key or one right from another.
type Whose = (String, String, String);

/// Data keys as they are, and who may use them until when.
#[derive(Default)]
struct Vault {
    keys: Mutex<HashMap<Whose, Arc<LessSafeKey>>>,
    writers: Mutex<HashMap<Whose, (u64, Arc<LessSafeKey>, i64)>>,
    readers: Mutex<HashMap<Whose, i64>>,
}

fn remember<T>(all: &Mutex<HashMap<Whose, T>>, whose: Whose, what: T) {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= KEPT {
        all.clear();
    }
    all.insert(whose, what);
}

fn recall<T: Clone>(all: &Mutex<HashMap<Whose, T>>, whose: &Whose) -> Option<T> {
    all.lock().unwrap_or_else(PoisonError::into_inner).get(whose).cloned()
}

fn whose(queue: &Queue, what: String) -> Whose {
    (queue.account.clone(), queue.region.clone(), what)
}

/// The refusal of KMS as SQS tells it.
fn refused(error: &AwsError) -> AwsError {
    let message = error.message.clone();
    match error.code.as_ref() {
        "AccessDeniedException" => errors::kms_access_denied(message),
        "DisabledException" => errors::kms_disabled(message),
        "NotFoundException" | "InvalidArnException" => errors::kms_not_found(message),
        "InvalidKeyUsageException" => errors::kms_invalid_key_usage(message),
        "ThrottlingException" | "LimitExceededException" => errors::kms_throttled(message),
        _ => errors::kms_invalid_state(message),
    }
}

async fn ask(cx: &Cx, queue: &Queue, operation: &str, input: Json) -> Result<Json> {
    let own = cx.elsewhere(&queue.account, &queue.region).through(PRINCIPAL);
    match own.call("kms", operation, input).await {
        Err(Failure::Aws(error)) => Err(refused(&error).into()),
        other => other,
    }
}

fn bytes(answer: &Json, member: &str) -> Result<Vec<u8>> {
    let found = answer[member].as_str().and_then(text::unbase64);
    found.ok_or_else(|| Failure::broken(format!("KMS answered without {member}")))
}

fn aead(plain: &[u8]) -> Result<Arc<LessSafeKey>> {
    let key = UnboundKey::new(&AES_256_GCM, plain).map_err(|_| Failure::broken("a data key is not 32 bytes long"))?;
    Ok(Arc::new(LessSafeKey::new(key)))
}

/// Whether a queue's bodies are sealed with a key of KMS.
pub(crate) fn is_kms(queue: &Queue) -> bool {
    queue.text("KmsMasterKeyId").is_some()
}

/// What the caller seals bodies of a queue with.
pub(crate) async fn sealer(cx: &Cx, queue: &Queue) -> Result<Sealer> {
    let Some(key) = queue.text("KmsMasterKeyId") else { return Ok(own(queue)) };
    let vault = cx.kernel().memory::<Vault>();
    let writer = whose(queue, format!("{} {} {key}", queue.tag(), cx.principal().arn));
    if let Some((number, sealer, until)) = recall(&vault.writers, &writer)
        && cx.now_millis() < until
    {
        return Ok(Sealer::Kms(number, sealer));
    }
    let arn = queue.arn(cx);
    let input = json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": {"aws:sqs:arn": arn}});
    let made = ask(cx, queue, "GenerateDataKey", input).await?;
    let kms = made["KeyId"].as_str().unwrap_or(key).to_owned();
    let reuse = queue.number("KmsDataKeyReusePeriodSeconds") * 1_000;
    let kept = DataKey { kms, wrapped: bytes(&made, "CiphertextBlob")?, queue: arn, reuse };
    let place = (queue.account.as_str(), queue.region.as_str());
    let number = cx
        .write(|tx| {
            let last = KEYS.page(tx, &place, None::<&()>, Order::Descending, 1)?;
            let last = last.first().and_then(Entry::key::<(String, String, u64)>);
            let number = last.map_or(1, |key| key.2 + 1);
            KEYS.put(tx, &(place.0, place.1, number), &kept);
            Ok(number)
        })
        .await?;
    let sealer = aead(&bytes(&made, "Plaintext")?)?;
    remember(&vault.keys, whose(queue, number.to_string()), sealer.clone());
    remember(&vault.writers, writer, (number, sealer.clone(), cx.now_millis() + reuse));
    Ok(Sealer::Kms(number, sealer))
}

/// What bodies of a queue without a key of KMS are sealed with.
pub(crate) fn own(queue: &Queue) -> Sealer {
    if queue.text("SqsManagedSseEnabled") == Some("false") { Sealer::Plain } else { Sealer::Own }
}

impl Sealer {
    /// Seals the body of a message; `None`: it stays as it is.
    pub(crate) fn seal(&self, cx: &Cx, id: &str, body: &str) -> Result<Option<Seal>> {
        let (number, key) = match self {
            Self::Plain => return Ok(None),
            Self::Own => return Ok(Some(Seal { bytes: cx.blobs().seal(body.as_bytes())?, key: None })),
            Self::Kms(number, key) => (*number, key),
        };
        let (nonce, mut bytes) = (cx.random().bytes::<NONCE_LEN>(), body.as_bytes().to_vec());
        let place = Aad::from(id.as_bytes());
        let done = key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), place, &mut bytes);
        done.map_err(|_| Failure::broken("a body cannot be sealed"))?;
        bytes.extend_from_slice(&nonce);
        // The id under which it was sealed stays with it: a message that is moved gets another.
        bytes.extend_from_slice(id.as_bytes());
        Ok(Some(Seal { bytes, key: Some(number) }))
    }
}

/// How long an id is: a UUID.
const ID: usize = 36;

impl Seal {
    /// The body, where the store's own key opens it.
    pub(crate) fn open_own(&self, cx: &Cx) -> Result<Option<String>> {
        if self.key.is_some() {
            return Ok(None);
        }
        let plain = cx.blobs().unseal(self.bytes.clone())?;
        String::from_utf8(plain.to_vec()).map(Some).map_err(|_| cx.broken("a body is damaged"))
    }

    /// The body, for a caller who may decrypt it.
    pub(crate) async fn open(&self, cx: &Cx, queue: &Queue) -> Result<String> {
        if let Some(own) = self.open_own(cx)? {
            return Ok(own);
        }
        let key = opener(cx, queue, self.key.unwrap_or(0)).await?;
        let damaged = || cx.broken("a body is damaged");
        let at = self.bytes.len().checked_sub(ID + NONCE_LEN).ok_or_else(damaged)?;
        let (mut sealed, rest) = (self.bytes[..at].to_vec(), &self.bytes[at..]);
        let nonce: [u8; NONCE_LEN] = rest[..NONCE_LEN].try_into().map_err(|_| damaged())?;
        let place = Aad::from(&rest[NONCE_LEN..]);
        let plain =
            key.open_in_place(Nonce::assume_unique_for_key(nonce), place, &mut sealed).map_err(|_| damaged())?;
        String::from_utf8(plain.to_vec()).map_err(|_| damaged())
    }
}

/// A data key, for a caller who may decrypt it.
async fn opener(cx: &Cx, queue: &Queue, number: u64) -> Result<Arc<LessSafeKey>> {
    let kept = KEYS.get(&cx.read(), &(&queue.account, &queue.region, number))?;
    let kept = kept.ok_or_else(|| cx.broken("the data key of a body is gone"))?;
    let vault = cx.kernel().memory::<Vault>();
    let known = recall(&vault.keys, &whose(queue, number.to_string()));
    let reader = whose(queue, format!("{} {number}", cx.principal().arn));
    let may = recall(&vault.readers, &reader).is_some_and(|until| cx.now_millis() < until);
    if let Some(known) = known.filter(|_| may) {
        return Ok(known);
    }
    let blob = text::base64(&kept.wrapped);
    let input = json!({"KeyId": kept.kms, "CiphertextBlob": blob, "EncryptionContext": {"aws:sqs:arn": kept.queue}});
    let key = aead(&bytes(&ask(cx, queue, "Decrypt", input).await?, "Plaintext")?)?;
    remember(&vault.keys, whose(queue, number.to_string()), key.clone());
    remember(&vault.readers, reader, cx.now_millis() + kept.reuse);
    Ok(key)
}
