//! Encryption of records with a key of KMS: StartStreamEncryption and StopStreamEncryption, and the sealing itself.
//!
//! Whoever writes has KMS make a data key and may use it for five minutes; it is kept with the stream as ciphertext of the key
//! of KMS alone, and rows of records name it by its number. Whoever reads must be allowed to decrypt it, which is asked again
//! after five minutes. What was written before stays as it was.
//! Source: "Data protection in Amazon Kinesis Data Streams" in the developer guide.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::store::{Entry, Order, Table, Tx};
use undercast_kernel::{AwsError, Bytes, Cx, Failure, Result};
use undercast_wire::text;

use crate::api::{self, errors};
use crate::batch::{self, Batch, Record, Stored};
use crate::name::StreamName;
use crate::stream::{Change, Status, Stream};
use crate::{error, mode, reshard, settle};

/// Account, region, id of the stream, number → data key.
pub(crate) static KEYS: Table<DataKey> = Table::new("kinesis.keys");

/// In whose name KMS is asked.
const PRINCIPAL: &str = "kinesis.amazonaws.com";
/// A right is not asked for again for so long, in milliseconds.
const FRESH: i64 = 5 * 60_000;
/// Encryption can be started and stopped so often in a day.
const CHANGES: usize = 25;
/// More keys or rights than so many are not remembered.
const KEPT: usize = 4096;

/// A key that records are sealed with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct DataKey {
    /// The ARN of the key of KMS that it is ciphertext of.
    #[n(0)]
    kms: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    wrapped: Vec<u8>,
    /// Milliseconds since 1970.
    #[n(2)]
    made: i64,
}

/// A data key as it is, and its number in its stream.
#[derive(Clone)]
pub(crate) struct Sealer {
    number: u64,
    key: Arc<LessSafeKey>,
}

/// A stream of an account and a region, and what else tells one key or one right from another.
type Whose = (String, String, u64, String);

/// Data keys as they are, and who may use them until when; in memory alone.
#[derive(Default)]
pub(crate) struct Vault {
    keys: Mutex<HashMap<Whose, Arc<LessSafeKey>>>,
    writers: Mutex<HashMap<Whose, (Sealer, i64)>>,
    readers: Mutex<HashMap<Whose, i64>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
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

fn whose(cx: &Cx, stream: &Stream, what: String) -> Whose {
    (cx.account().to_owned(), cx.region().to_owned(), stream.id, what)
}

fn aead(plain: &[u8]) -> Result<Arc<LessSafeKey>> {
    let key = UnboundKey::new(&AES_256_GCM, plain).map_err(|_| Failure::broken("a data key is not 32 bytes long"))?;
    Ok(Arc::new(LessSafeKey::new(key)))
}

/// The refusal of KMS as Kinesis tells it.
fn refused(error: &AwsError) -> AwsError {
    let message = error.message.clone();
    match error.code.as_ref() {
        "AccessDeniedException" => errors::kms_access_denied_exception(message),
        "DisabledException" => errors::kms_disabled_exception(message),
        "NotFoundException" | "InvalidArnException" => errors::kms_not_found_exception(message),
        "ThrottlingException" | "LimitExceededException" => errors::kms_throttling_exception(message),
        _ => errors::kms_invalid_state_exception(message),
    }
}

async fn ask(cx: &Cx, operation: &str, input: Json) -> Result<Json> {
    match cx.through(PRINCIPAL).call("kms", operation, input).await {
        Err(Failure::Aws(error)) => Err(refused(&error).into()),
        other => other,
    }
}

fn bytes(answer: &Json, member: &str) -> Result<Vec<u8>> {
    let found = answer[member].as_str().and_then(text::unbase64);
    found.ok_or_else(|| Failure::broken(format!("KMS answered without {member}")))
}

fn context(cx: &Cx, stream: &Stream) -> Json {
    json!({"aws:kinesis:arn": stream.arn(cx)})
}

/// A new data key: as it is, and as it is kept.
async fn make(cx: &Cx, stream: &Stream, key: &str) -> Result<(Vec<u8>, DataKey)> {
    let input = json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context(cx, stream)});
    let made = ask(cx, "GenerateDataKey", input).await?;
    let kms = made["KeyId"].as_str().unwrap_or(key).to_owned();
    let kept = DataKey { kms, wrapped: bytes(&made, "CiphertextBlob")?, made: cx.now_millis() };
    Ok((bytes(&made, "Plaintext")?, kept))
}

impl Vault {
    /// What the caller seals records of a stream with; `None` where the stream is not encrypted.
    pub(crate) async fn sealer(&self, cx: &Cx, stream: &Stream) -> Result<Option<Sealer>> {
        let Some(key) = &stream.key else { return Ok(None) };
        let writer = whose(cx, stream, format!("{} {key}", cx.principal().arn));
        if let Some((sealer, until)) = recall(&self.writers, &writer)
            && cx.now_millis() < until
        {
            return Ok(Some(sealer));
        }
        let (plain, kept) = make(cx, stream, key).await?;
        let number = cx
            .write(|tx| {
                let last = KEYS.page(tx, &stream.place(cx), None::<&()>, Order::Descending, 1)?;
                let last = last.first().and_then(Entry::key::<((String, String, u64), u64)>);
                let number = last.map_or(1, |(_, number)| number + 1);
                KEYS.put(tx, &(stream.place(cx), number), &kept);
                Ok(number)
            })
            .await?;
        let sealer = Sealer { number, key: aead(&plain)? };
        remember(&self.keys, whose(cx, stream, number.to_string()), sealer.key.clone());
        remember(&self.writers, writer, (sealer.clone(), cx.now_millis() + FRESH));
        Ok(Some(sealer))
    }

    /// A data key of a stream, for a caller who may decrypt it.
    async fn opener(&self, cx: &Cx, stream: &Stream, number: u64) -> Result<Arc<LessSafeKey>> {
        let kept = KEYS.get(&cx.read(), &(stream.place(cx), number))?;
        let kept = kept.ok_or_else(|| cx.broken("the data key of a record is gone"))?;
        let known = recall(&self.keys, &whose(cx, stream, number.to_string()));
        let reader = whose(cx, stream, format!("{} {}", cx.principal().arn, kept.kms));
        let may = recall(&self.readers, &reader).is_some_and(|until| cx.now_millis() < until);
        if let Some(known) = known.filter(|_| may) {
            return Ok(known);
        }
        let blob = text::base64(&kept.wrapped);
        let input = json!({"KeyId": kept.kms, "CiphertextBlob": blob, "EncryptionContext": context(cx, stream)});
        let plain = bytes(&ask(cx, "Decrypt", input).await?, "Plaintext")?;
        let key = aead(&plain)?;
        remember(&self.keys, whose(cx, stream, number.to_string()), key.clone());
        remember(&self.readers, reader, cx.now_millis() + FRESH);
        Ok(key)
    }

    /// The records of a row, and whether they were sealed.
    pub(crate) async fn open(
        &self,
        cx: &Cx,
        (stream, shard): (&Stream, u32),
        row: Stored,
    ) -> Result<(u64, Vec<Record>, bool)> {
        let (first, Batch { count, key, packed, .. }) = (row.first, row.batch);
        let damaged = || cx.broken("a row of records is damaged");
        let packed: Bytes = match key {
            None => packed.into(),
            Some(number) => {
                let key = self.opener(cx, stream, number).await?;
                unseal(&key, &place(stream, shard), packed).ok_or_else(damaged)?
            }
        };
        Ok((first, batch::unpack(&packed, count).ok_or_else(damaged)?, key.is_some()))
    }
}

/// What is sealed with a record besides it: that it opens nowhere else.
fn place(stream: &Stream, shard: u32) -> [u8; 12] {
    let mut out = [0; 12];
    out[..8].copy_from_slice(&stream.id.to_be_bytes());
    out[8..].copy_from_slice(&shard.to_be_bytes());
    out
}

impl Sealer {
    /// Seals a row of records.
    pub(crate) fn seal(&self, cx: &Cx, stream: &Stream, shard: u32, row: &mut Batch) -> Result<()> {
        let nonce = cx.random().bytes::<NONCE_LEN>();
        let mut sealed = std::mem::take(&mut row.packed);
        let done = self.key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place(stream, shard)),
            &mut sealed,
        );
        done.map_err(|_| Failure::broken("records cannot be sealed"))?;
        sealed.extend_from_slice(&nonce);
        (row.packed, row.key) = (sealed, Some(self.number));
        Ok(())
    }
}

fn unseal(key: &LessSafeKey, place: &[u8], mut sealed: Vec<u8>) -> Option<Bytes> {
    let nonce: [u8; NONCE_LEN] = sealed.split_off(sealed.len().checked_sub(NONCE_LEN)?).try_into().ok()?;
    let plain = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut sealed).ok()?;
    let length = plain.len();
    Some(Bytes::from(sealed).slice(..length))
}

/// Forgets the data keys of records that are kept no more.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, stream: &Stream, horizon: i64) -> Result<()> {
    for entry in KEYS.all(tx, &stream.place(cx))? {
        // A key seals for five minutes, and a call may be slow.
        if entry.row.made + 2 * FRESH < horizon
            && let Some((_, number)) = entry.key::<((String, String, u64), u64)>()
        {
            KEYS.delete(tx, &(stream.place(cx), number));
        }
    }
    Ok(())
}

/// Has a stream become another in what it is encrypted with.
fn change(cx: &Cx, tx: &mut Tx<'_>, name: &StreamName, key: Option<String>) -> Result<()> {
    let mut stream = name.find_active(cx, tx)?;
    if !reshard::note(&mut stream.changed.encryption, cx.now_millis(), mode::DAY, CHANGES) {
        let message = format!(
            "Encryption of stream {} under account {} has been updated {CHANGES} times in the last 24 hours.",
            name.name, name.account
        );
        return Err(errors::limit_exceeded_exception(message).into());
    }
    stream.status = Status::Updating(Change::Encrypt { key });
    settle::plan(cx, tx, &stream)
}

/// Encrypts what is written from now on.
pub(crate) async fn start(cx: &Cx, input: api::StartStreamEncryptionInput) -> Result<()> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    if input.encryption_type != "KMS" {
        return Err(error::invalid("EncryptionType must be KMS.").into());
    }
    let stream = name.find_active(cx, &cx.read())?;
    // A key that nobody can write with is refused before anything changes.
    make(cx, &stream, &input.key_id).await?;
    cx.write(|tx| change(cx, tx, &name, Some(input.key_id.clone()))).await
}

/// Encrypts no more what is written from now on.
pub(crate) async fn stop(cx: &Cx, input: api::StopStreamEncryptionInput) -> Result<()> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    if input.encryption_type != "KMS" {
        return Err(error::invalid("EncryptionType must be KMS.").into());
    }
    cx.write(|tx| {
        let stream = name.find(cx, tx)?;
        if stream.key.as_ref().is_some_and(|key| *key != input.key_id) {
            let message = format!("KeyId {} is not the key that stream {} is encrypted with.", input.key_id, name.name);
            return Err(error::invalid(message).into());
        }
        change(cx, tx, &name, None)
    })
    .await
}
