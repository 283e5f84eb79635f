//! Messages that wait, as they are kept: plain, or sealed with a data key of the topic's KMS key.
//!
//! Whoever publishes to an encrypted topic must be allowed to have a data key made and to decrypt it; the message is opened again
//! with the rights of the same publisher.
//! Source: "Securing Amazon SNS data with server-side encryption" in the developer guide.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_kernel::{AwsError, Cx, Deferred, Failure, Result};

use crate::api::errors;
use crate::message::Message;
use crate::rows::Topic;

/// In whose name KMS is asked.
pub(crate) const PRINCIPAL: &str = "sns.amazonaws.com";

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Sealed {
    #[cbor(n(0), with = "minicbor::bytes")]
    bytes: Vec<u8>,
    /// What opens it; `None`: it is not sealed.
    #[n(1)]
    key: Option<DataKey>,
}

/// A data key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct DataKey {
    /// The key of KMS.
    #[n(0)]
    kms: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    wrapped: Vec<u8>,
    #[n(2)]
    publisher: Deferred,
    /// The topic's ARN, which is the encryption context.
    #[n(3)]
    topic: String,
}

/// A data key as it is.
pub(crate) struct Sealer {
    key: LessSafeKey,
    kept: DataKey,
}

/// The refusal of KMS as SNS tells it.
fn refused(error: &AwsError) -> AwsError {
    let message =
        format!("{} (Service: AWSKMS; Status Code: {}; Error Code: {})", error.message, error.status, error.code);
    match error.code.as_ref() {
        "AccessDeniedException" => errors::kms_access_denied_exception(message),
        "DisabledException" => errors::kms_disabled_exception(message),
        "NotFoundException" | "InvalidArnException" => errors::kms_not_found_exception(message),
        "ThrottlingException" | "LimitExceededException" => errors::kms_throttling_exception(message),
        _ => errors::kms_invalid_state_exception(message),
    }
}

async fn ask(cx: &Cx, operation: &str, input: Json) -> Result<Json> {
    match cx.call("kms", operation, input).await {
        Err(Failure::Aws(error)) => Err(refused(&error).into()),
        other => other,
    }
}

fn bytes(answer: &Json, member: &str) -> Result<Vec<u8>> {
    let found = answer[member].as_str().and_then(text::unbase64);
    found.ok_or_else(|| Failure::broken(format!("KMS answered without {member}")))
}

fn aead(plain: &[u8]) -> Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, plain).map_err(|_| Failure::broken("a data key is not 32 bytes long"))?;
    Ok(LessSafeKey::new(key))
}

impl DataKey {
    async fn open(&self, cx: &Cx) -> Result<LessSafeKey> {
        let input = json!({"KeyId": self.kms, "CiphertextBlob": text::base64(&self.wrapped),
            "EncryptionContext": {"aws:sns:topicArn": self.topic}});
        aead(&bytes(&ask(cx, "Decrypt", input).await?, "Plaintext")?)
    }
}

/// What the caller seals messages of a topic with; `None` where the topic is not encrypted.
pub(crate) async fn sealer(cx: &Cx, topic: &Topic) -> Result<Option<Sealer>> {
    let Some(key) = topic.text("KmsMasterKeyId") else { return Ok(None) };
    let publisher = cx.deferred()?;
    let own = cx.elsewhere(&topic.account, &topic.region).through(PRINCIPAL);
    let arn = topic.arn(cx);
    let input = json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": {"aws:sns:topicArn": arn}});
    let made = ask(&own, "GenerateDataKey", input).await?;
    let kms = made["KeyId"].as_str().unwrap_or(key).to_owned();
    let kept = DataKey { kms, wrapped: bytes(&made, "CiphertextBlob")?, publisher, topic: arn };
    // Who may not open what it publishes is refused at once.
    let key = kept.open(&own).await?;
    Ok(Some(Sealer { key, kept }))
}

impl Sealed {
    pub(crate) fn new(cx: &Cx, message: &Message, sealer: Option<&Sealer>) -> Result<Self> {
        let mut bytes = minicbor::to_vec(message).map_err(|e| Failure::broken(e.to_string()))?;
        let Some(sealer) = sealer else { return Ok(Self { bytes, key: None }) };
        let nonce = cx.random().bytes::<NONCE_LEN>();
        let place = Aad::from(message.id.as_bytes());
        let done = sealer.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), place, &mut bytes);
        done.map_err(|_| Failure::broken("a message cannot be sealed"))?;
        bytes.extend_from_slice(&nonce);
        Ok(Self { bytes, key: Some(sealer.kept.clone()) })
    }

    /// The message. `id`: its own, which it was sealed with.
    pub(crate) async fn open(&self, cx: &Cx, id: &str) -> Result<Message> {
        let damaged = || cx.broken("a message that waits is damaged");
        let plain = match &self.key {
            None => self.bytes.clone(),
            Some(kept) => {
                let key = kept.open(&cx.resume(&kept.publisher, PRINCIPAL)?).await?;
                let mut bytes = self.bytes.clone();
                let at = bytes.len().checked_sub(NONCE_LEN).ok_or_else(damaged)?;
                let nonce: [u8; NONCE_LEN] = bytes.split_off(at).try_into().map_err(|_| damaged())?;
                let nonce = Nonce::assume_unique_for_key(nonce);
                let opened = key.open_in_place(nonce, Aad::from(id.as_bytes()), &mut bytes);
                opened.map_err(|_| damaged())?.to_vec()
            }
        };
        minicbor::decode(&plain).map_err(|e| cx.broken(e.to_string()))
    }
}
