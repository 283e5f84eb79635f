//! What services keep encrypted with a key of KMS that their users choose: envelopes.
//!
//! Knows: how KMS makes and opens data keys, and how something is sealed with one. Must not know: what is sealed, and for whom.
//!
//! A data key is made for each envelope, which keeps it as ciphertext of the key of KMS. What is sealed opens under its own encryption
//! context alone.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_kernel::{AwsError, Cx, Failure, Result};

/// Something that is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Envelope {
    /// The data key, as ciphertext of the key of KMS.
    #[cbor(n(0), with = "minicbor::bytes")]
    wrapped: Vec<u8>,
    /// Ciphertext, tag and nonce.
    #[cbor(n(1), with = "minicbor::bytes")]
    sealed: Vec<u8>,
}

/// Bytes that KMS answered with.
///
/// # Errors
/// When it did not.
pub fn bytes(answer: &Json, member: &str) -> Result<Vec<u8>> {
    let found = answer[member].as_str().and_then(text::unbase64);
    found.ok_or_else(|| Failure::broken(format!("KMS answered without {member}")))
}

/// A data key as it seals and opens.
///
/// # Errors
/// When it is not 32 bytes long.
pub fn aead(plain: &[u8]) -> Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, plain).map_err(|_| Failure::broken("a data key is not 32 bytes long"))?;
    Ok(LessSafeKey::new(key))
}

impl Envelope {
    /// All of it as bytes, for those who are shown what they may not open.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.wrapped.as_slice(), &self.sealed].concat()
    }
}

/// Something that was sealed just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// It.
    pub envelope: Envelope,
    /// ARN of the key of KMS.
    pub key: String,
}

/// Seals something with a key of KMS, under an encryption context of one pair, with the rights of `cx`.
///
/// # Errors
/// KMS's own; `ValidationException` when the key is not one of symmetric encryption.
pub async fn seal(cx: &Cx, key: &str, pair: (&str, &str), plain: &[u8]) -> Result<Envelope> {
    let described = cx.call("kms", "DescribeKey", json!({"KeyId": key})).await?;
    if described["KeyMetadata"]["KeySpec"] != "SYMMETRIC_DEFAULT" {
        return Err(AwsError::new("ValidationException", 400, "The KMS key must be a symmetric encryption key.").into());
    }
    Ok(seal_under(cx, key, &[pair], plain).await?.envelope)
}

/// The same under an encryption context of any pairs, for services that ask for nothing but the data key.
///
/// # Errors
/// KMS's own.
pub async fn seal_under(cx: &Cx, key: &str, pairs: &[(&str, &str)], plain: &[u8]) -> Result<Sealed> {
    let asked = json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context(pairs)});
    let made = cx.call("kms", "GenerateDataKey", asked).await?;
    let nonce = cx.random().bytes::<NONCE_LEN>();
    let mut sealed = plain.to_vec();
    let done = aead(&bytes(&made, "Plaintext")?)?.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(bound(pairs)),
        &mut sealed,
    );
    done.map_err(|_| Failure::broken("something cannot be sealed"))?;
    sealed.extend_from_slice(&nonce);
    let envelope = Envelope { wrapped: bytes(&made, "CiphertextBlob")?, sealed };
    Ok(Sealed { envelope, key: made["KeyId"].as_str().unwrap_or(key).to_owned() })
}

fn context(pairs: &[(&str, &str)]) -> Json {
    Json::Object(pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect())
}

/// What binds that which is sealed to its context: the values, which have no zeros.
fn bound(pairs: &[(&str, &str)]) -> Vec<u8> {
    let values: Vec<&str> = pairs.iter().map(|(_, value)| *value).collect();
    values.join("\0").into_bytes()
}

/// Opens an envelope, with the rights of `cx`.
///
/// # Errors
/// KMS's own.
pub async fn open(cx: &Cx, pair: (&str, &str), envelope: &Envelope) -> Result<Vec<u8>> {
    open_under(cx, &[pair], envelope).await
}

/// The same under an encryption context of any pairs.
///
/// # Errors
/// KMS's own.
pub async fn open_under(cx: &Cx, pairs: &[(&str, &str)], envelope: &Envelope) -> Result<Vec<u8>> {
    let asked = json!({"CiphertextBlob": text::base64(&envelope.wrapped), "EncryptionContext": context(pairs)});
    let key = aead(&bytes(&cx.call("kms", "Decrypt", asked).await?, "Plaintext")?)?;
    let damaged = || Failure::broken("an envelope is damaged");
    let mut sealed = envelope.sealed.clone();
    let nonce = sealed.split_off(sealed.len().checked_sub(NONCE_LEN).ok_or_else(damaged)?);
    let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| damaged())?;
    let plain = key.open_in_place(nonce, Aad::from(bound(pairs)), &mut sealed).map_err(|_| damaged())?;
    Ok(plain.to_vec())
}
