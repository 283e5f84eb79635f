//! Inputs of targets that are encrypted with a key of KMS.
//!
//! Whoever makes the schedule has KMS make a data key; the schedule keeps it as ciphertext. The role of the target must be
//! allowed to decrypt it when the schedule is due, and so must those who ask for the schedule.
//! Source: "Encryption at rest" in the user guide.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::PRINCIPAL;
use crate::error::validation;
use crate::rows::Input;

/// The refusal of KMS as Scheduler tells it.
fn refused(failure: Failure) -> Failure {
    match failure {
        Failure::Aws(error) if error.code.starts_with("AccessDenied") => {
            AwsError::new("AccessDeniedException", 403, error.message).into()
        }
        Failure::Aws(error) => validation(error.message),
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

/// An input as it is kept: sealed, where there is a key.
pub(crate) async fn seal(cx: &Cx, schedule_arn: &str, key: Option<&str>, input: Option<&str>) -> Result<Input> {
    let Some(key) = key else {
        return Ok(input.map_or(Input::Default, |input| Input::Plain(input.to_owned())));
    };
    let caller = cx.through(PRINCIPAL);
    let described = caller.call("kms", "DescribeKey", json!({"KeyId": key})).await.map_err(refused)?;
    if described["KeyMetadata"]["KeySpec"] != "SYMMETRIC_DEFAULT" {
        return Err(validation("The KMS key must be a symmetric encryption key."));
    }
    let context = json!({"aws:scheduler:schedule:arn": schedule_arn});
    let asked = json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context});
    let made = caller.call("kms", "GenerateDataKey", asked).await.map_err(refused)?;
    let nonce = cx.random().bytes::<NONCE_LEN>();
    let mut sealed = input.unwrap_or("").as_bytes().to_vec();
    let place = Aad::from(schedule_arn.as_bytes());
    let done = aead(&bytes(&made, "Plaintext")?)?.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        place,
        &mut sealed,
    );
    done.map_err(|_| Failure::broken("an input cannot be sealed"))?;
    sealed.extend_from_slice(&nonce);
    Ok(Input::Sealed(bytes(&made, "CiphertextBlob")?, sealed, input.is_some()))
}

/// An input as it is, for the role that `cx` has. `None`: there is none.
pub(crate) async fn open(cx: &Cx, schedule_arn: &str, input: &Input) -> Result<Option<String>> {
    let (wrapped, sealed, given) = match input {
        Input::Default => return Ok(None),
        Input::Plain(plain) => return Ok(Some(plain.clone())),
        Input::Sealed(wrapped, sealed, given) => (wrapped, sealed, *given),
    };
    let context = json!({"aws:scheduler:schedule:arn": schedule_arn});
    let asked = json!({"CiphertextBlob": text::base64(wrapped), "EncryptionContext": context});
    let key = aead(&bytes(&cx.call("kms", "Decrypt", asked).await?, "Plaintext")?)?;
    let damaged = || Failure::broken("a sealed input is damaged");
    let mut sealed = sealed.clone();
    let nonce = sealed.split_off(sealed.len().checked_sub(NONCE_LEN).ok_or_else(damaged)?);
    let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| damaged())?;
    let place = Aad::from(schedule_arn.as_bytes());
    let plain = key.open_in_place(nonce, place, &mut sealed).map_err(|_| damaged())?;
    let plain = String::from_utf8(plain.to_vec()).map_err(|_| damaged())?;
    Ok(given.then_some(plain))
}

/// The same for whoever asks for the schedule.
pub(crate) async fn open_for_caller(cx: &Cx, schedule_arn: &str, input: &Input) -> Result<Option<String>> {
    open(&cx.through(PRINCIPAL), schedule_arn, input).await.map_err(refused)
}
