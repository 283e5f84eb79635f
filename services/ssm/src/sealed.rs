//! Values of `SecureString`, with the rights of whoever puts and reads them.
//!
//! Source: "How AWS Systems Manager Parameter Store uses AWS KMS" in the KMS developer guide: KMS itself encrypts a standard parameter, a
//! data key of it an advanced one.

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::PRINCIPAL;
use crate::api::errors;
use crate::error;
use crate::rows::{Tier, Value};

/// The alias of the AWS managed key.
pub(crate) const MANAGED: &str = "alias/aws/ssm";

/// The name in the encryption context.
const CONTEXT: &str = "PARAMETER_ARN";

/// The refusal of KMS as Parameter Store tells it.
fn told(failure: Failure) -> Failure {
    let Failure::Aws(refusal) = failure else { return failure };
    let AwsError { code, message, status, .. } = *refusal;
    let message = format!("{message} (Service: AWSKMS; Status Code: {status}; Error Code: {code})");
    if code.starts_with("AccessDenied") {
        error::access_denied(message)
    } else {
        errors::invalid_key_id(message).into()
    }
}

fn bytes(answer: &Json, member: &str) -> Result<Vec<u8>> {
    let found = answer[member].as_str().and_then(text::unbase64);
    found.ok_or_else(|| Failure::broken(format!("KMS answered without {member}")))
}

/// Seals the value of a parameter.
///
/// # Errors
/// `InvalidKeyId`, and `AccessDeniedException` where KMS refuses.
pub(crate) async fn seal(cx: &Cx, arn: &str, key: &str, tier: Tier, plain: &str) -> Result<Value> {
    let through = cx.through(PRINCIPAL);
    if tier == Tier::Advanced {
        let sealed = undercast_sealing::seal_under(&through, key, &[(CONTEXT, arn)], plain.as_bytes()).await;
        return Ok(Value::Sealed(sealed.map_err(told)?.envelope));
    }
    let asked = json!({"KeyId": key, "Plaintext": text::base64(plain.as_bytes()), "EncryptionContext": {CONTEXT: arn}});
    let made = through.call("kms", "Encrypt", asked).await.map_err(told)?;
    Ok(Value::Encrypted(bytes(&made, "CiphertextBlob")?))
}

/// Opens the value of a parameter.
///
/// # Errors
/// `InvalidKeyId`, and `AccessDeniedException` where KMS refuses.
pub(crate) async fn open(cx: &Cx, arn: &str, value: &Value) -> Result<String> {
    let through = cx.through(PRINCIPAL);
    let plain = match value {
        Value::Plain(plain) => return Ok(plain.clone()),
        Value::Sealed(envelope) => {
            undercast_sealing::open_under(&through, &[(CONTEXT, arn)], envelope).await.map_err(told)?
        }
        Value::Encrypted(ciphertext) => {
            let asked = json!({"CiphertextBlob": text::base64(ciphertext), "EncryptionContext": {CONTEXT: arn}});
            bytes(&through.call("kms", "Decrypt", asked).await.map_err(told)?, "Plaintext")?
        }
    };
    String::from_utf8(plain).map_err(Failure::broken)
}

/// A value as those see it who do not ask for its decryption.
pub(crate) fn closed(value: &Value) -> String {
    match value {
        Value::Plain(plain) => plain.clone(),
        Value::Encrypted(ciphertext) => text::base64(ciphertext),
        Value::Sealed(envelope) => text::base64(&envelope.to_bytes()),
    }
}
