//! Encryption of records while they wait: StartDeliveryStreamEncryption and StopDeliveryStreamEncryption, and the sealing itself.
//!
//! What waits is ciphertext in any case. With a key of KMS it is sealed once more, by a data key that is kept as ciphertext of the key of KMS:
//! Firehose has a grant on it, and asks KMS again every five minutes.
//! Source: "Data protection in Amazon Data Firehose" in the developer guide.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::{Value as Json, json};
use undercast_kernel::{AwsError, Cx, Failure, Result};
use undercast_wire::text;

use crate::api::{self, errors, input};
use crate::error::invalid;
use crate::stream::{Encryption, Stream};
use crate::{Firehose, PRINCIPAL, buffer};

/// A key is not asked for again for so long, in milliseconds.
const FRESH: i64 = 5 * 60_000;
/// What the grant allows.
const GRANTED: [&str; 3] = ["Decrypt", "GenerateDataKey", "RetireGrant"];

/// A data key, and until when it may be used.
type Fresh = (Arc<LessSafeKey>, i64);

/// Data keys as they are, by the stream's id; in memory alone.
#[derive(Default)]
pub(crate) struct Vault {
    keys: Mutex<HashMap<String, Fresh>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

/// The refusal of KMS as Firehose tells it.
fn refused(error: &AwsError) -> AwsError {
    errors::invalid_kms_resource_exception(error.message.clone()).with("code", error.code.as_ref())
}

async fn ask(cx: &Cx, operation: &str, input: Json) -> Result<Json> {
    match cx.call("kms", operation, input).await {
        Err(Failure::Aws(error)) => Err(refused(&error).into()),
        other => other,
    }
}

fn blob(answer: &Json, member: &str) -> Result<Vec<u8>> {
    let found = answer[member].as_str().and_then(text::unbase64);
    found.ok_or_else(|| Failure::broken(format!("KMS answered without {member}")))
}

fn itself(cx: &Cx) -> Cx {
    cx.as_service(PRINCIPAL, None)
}

fn context(arn: &str) -> Json {
    json!({"aws:firehose:arn": arn})
}

fn aead(plain: &[u8]) -> Result<Arc<LessSafeKey>> {
    let key = UnboundKey::new(&AES_256_GCM, plain).map_err(|_| Failure::broken("a data key is not 32 bytes long"))?;
    Ok(Arc::new(LessSafeKey::new(key)))
}

/// What a call wants a stream to be encrypted with. The key of KMS is granted by the caller.
pub(crate) async fn wanted(
    cx: &Cx,
    arn: &str,
    given: Option<input::DeliveryStreamEncryptionConfigurationInput>,
) -> Result<Option<Encryption>> {
    let Some(given) = given else { return Ok(None) };
    match (given.key_type.as_str(), given.key_arn) {
        ("AWS_OWNED_CMK", None) => Ok(Some(Encryption::Owned)),
        ("AWS_OWNED_CMK", Some(_)) => Err(invalid("KeyARN must not be specified when KeyType is AWS_OWNED_CMK")),
        (_, None) => Err(invalid("KeyARN must be specified when KeyType is CUSTOMER_MANAGED_CMK")),
        (_, Some(key)) => {
            let grant = json!({"KeyId": key, "GranteePrincipal": PRINCIPAL, "RetiringPrincipal": PRINCIPAL,
                "Operations": GRANTED, "Constraints": {"EncryptionContextSubset": context(arn)}});
            let made = ask(&cx.through(PRINCIPAL), "CreateGrant", grant).await?;
            let grant = made["GrantId"].as_str().unwrap_or_default().to_owned();
            let input = json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context(arn)});
            let made = ask(&itself(cx), "GenerateDataKey", input).await?;
            Ok(Some(Encryption::Customer { arn: key, grant, wrapped: blob(&made, "CiphertextBlob")? }))
        }
    }
}

/// Gives the grant of a stream back.
pub(crate) async fn retire(cx: &Cx, encryption: Option<&Encryption>) -> Result<()> {
    let Some(Encryption::Customer { arn, grant, .. }) = encryption else { return Ok(()) };
    // That it is gone already does not matter.
    match itself(cx).call("kms", "RetireGrant", json!({"KeyId": arn, "GrantId": grant})).await {
        Ok(_) | Err(Failure::Aws(_)) => Ok(()),
        Err(failure) => Err(failure),
    }
}

impl Vault {
    /// The data key of a stream; `None` where it has no key of KMS.
    async fn key(&self, cx: &Cx, stream: &Stream) -> Result<Option<Arc<LessSafeKey>>> {
        let Some(Encryption::Customer { arn, wrapped, grant }) = &stream.encryption else { return Ok(None) };
        let name = format!("{} {grant}", stream.id);
        let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        if let Some((key, until)) = known
            && cx.now_millis() < until
        {
            return Ok(Some(key));
        }
        let input = json!({"KeyId": arn, "CiphertextBlob": text::base64(wrapped),
            "EncryptionContext": context(&stream.arn(cx))});
        let key = aead(&blob(&ask(&itself(cx), "Decrypt", input).await?, "Plaintext")?)?;
        let fresh = (Arc::clone(&key), cx.now_millis() + FRESH);
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(name, fresh);
        Ok(Some(key))
    }

    /// Bytes as they are kept.
    pub(crate) async fn seal(&self, cx: &Cx, stream: &Stream, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        let mut marked = vec![0];
        if let Some(key) = self.key(cx, stream).await? {
            let nonce = cx.random().bytes::<NONCE_LEN>();
            let sealed = key.seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(stream.id.as_bytes()),
                &mut bytes,
            );
            sealed.map_err(|_| Failure::broken("records cannot be sealed"))?;
            marked = vec![1];
            marked.extend_from_slice(&nonce);
        }
        marked.append(&mut bytes);
        cx.blobs().seal(&marked).map_err(Failure::from)
    }

    /// Bytes that were sealed. A key of KMS is asked for by the settings that the stream has now: what waits is sealed anew when they change.
    pub(crate) async fn open(&self, cx: &Cx, stream: &Stream, kept: Vec<u8>) -> Result<Vec<u8>> {
        let damaged = || cx.broken("a row of records is damaged");
        let opened = cx.blobs().unseal(kept)?;
        match opened.split_first().ok_or_else(damaged)? {
            (0, bytes) => Ok(bytes.to_vec()),
            (_, rest) => {
                let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(damaged)?;
                let key = self.key(cx, stream).await?.ok_or_else(damaged)?;
                let mut sealed = sealed.to_vec();
                let aad = Aad::from(stream.id.as_bytes());
                let plain = key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut sealed);
                let length = plain.map_err(|_| damaged())?.len();
                sealed.truncate(length);
                Ok(sealed)
            }
        }
    }
}

/// Encrypts what is put from now on.
pub(crate) async fn start(service: &Firehose, cx: &Cx, input: api::StartDeliveryStreamEncryptionInput) -> Result<()> {
    let stream = Stream::find(cx, &cx.read(), &input.delivery_stream_name)?;
    stream.check_puts()?;
    let given = input.delivery_stream_encryption_configuration_input;
    let wanted = wanted(cx, &stream.arn(cx), given).await?.unwrap_or(Encryption::Owned);
    change(service, cx, stream, Some(wanted)).await
}

/// Encrypts no more what is put from now on.
pub(crate) async fn stop(service: &Firehose, cx: &Cx, input: &api::StopDeliveryStreamEncryptionInput) -> Result<()> {
    let stream = Stream::find(cx, &cx.read(), &input.delivery_stream_name)?;
    stream.check_puts()?;
    change(service, cx, stream, None).await
}

/// Has a stream become another in what it is encrypted with: what waits is sealed anew first.
async fn change(service: &Firehose, cx: &Cx, mut before: Stream, to: Option<Encryption>) -> Result<()> {
    loop {
        let mut after = before.clone();
        after.encryption.clone_from(&to);
        if buffer::reseal(service, cx, &before, &after).await? {
            return retire(cx, before.encryption.as_ref()).await;
        }
        before = Stream::find(cx, &cx.refreshed().read(), &before.name)?;
    }
}
