//! Values as they are kept: sealed with a data key of KMS, with the rights of whoever puts and reads them.
//!
//! Source: "Secret encryption and decryption in AWS Secrets Manager" in the user guide.

use undercast_kernel::{Bytes, Cx, Failure, Result};

use crate::api::errors;
use crate::rows::{Sealed, Secret};
use crate::{PRINCIPAL, error};

/// The alias of the AWS managed key.
const MANAGED: &str = "alias/aws/secretsmanager";

/// A value has so many bytes at most.
const LARGEST: usize = 65_536;

/// A value in the open.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Plain {
    text: bool,
    bytes: Vec<u8>,
}

impl Plain {
    /// The value that a request has, if it has one.
    ///
    /// # Errors
    /// `InvalidParameterException` when there are two; `ValidationException` when it is too long.
    pub(crate) fn given(text: Option<String>, binary: Option<&Bytes>) -> Result<Option<Self>> {
        let found = match (text, binary) {
            (Some(_), Some(_)) => {
                let message =
                    "You can't specify both a binary secret value and a string secret value in the same secret.";
                return Err(error::parameter(message));
            }
            (Some(text), None) => Self { text: true, bytes: text.into_bytes() },
            (None, Some(binary)) => Self { text: false, bytes: binary.to_vec() },
            (None, None) => return Ok(None),
        };
        if found.bytes.len() > LARGEST {
            let member = if found.text { "secretString" } else { "secretBinary" };
            return Err(error::validation(format!(
                "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must have length less than or equal to {LARGEST}"
            )));
        }
        Ok(Some(found))
    }

    /// As an answer has it: a text, or bytes.
    pub(crate) fn shown(self) -> Result<(Option<String>, Option<Bytes>)> {
        if self.text {
            Ok((Some(String::from_utf8(self.bytes).map_err(Failure::broken)?), None))
        } else {
            Ok((None, Some(self.bytes.into())))
        }
    }
}

fn context<'a>(arn: &'a str, version: &'a str) -> [(&'static str, &'a str); 2] {
    [("SecretARN", arn), ("SecretVersionId", version)]
}

/// The refusal of KMS as Secrets Manager tells it. `otherwise`: what it means that is no refusal of rights.
fn told(failure: Failure, otherwise: impl Fn() -> Failure) -> Failure {
    match failure {
        Failure::Aws(refusal) if refusal.code.starts_with("AccessDenied") => {
            error::access_denied("Access to KMS is not allowed")
        }
        Failure::Aws(_) => otherwise(),
        other => other,
    }
}

fn cannot_encrypt() -> Failure {
    errors::encryption_failure(
        "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the KMS key is available, enabled, and not in an invalid state.",
    )
    .into()
}

fn cannot_decrypt() -> Failure {
    errors::decryption_failure("Secrets Manager can't decrypt the protected secret text using the provided KMS key.")
        .into()
}

/// The AWS managed key serves its own account alone.
fn check_account(cx: &Cx, secret: &Secret, managed: bool) -> Result<()> {
    let account = &cx.principal().account;
    if managed && !account.is_empty() && *account != secret.account {
        return Err(error::request(
            "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.",
        ));
    }
    Ok(())
}

/// Seals the value of a version with the key of its secret.
///
/// # Errors
/// `EncryptionFailure`, and `AccessDeniedException` where KMS refuses.
pub(crate) async fn seal(cx: &Cx, secret: &Secret, version: &str, plain: &Plain) -> Result<Sealed> {
    check_account(cx, secret, secret.key.is_none())?;
    let key = secret.key.as_deref().unwrap_or(MANAGED);
    let through = secret.home(cx).through(PRINCIPAL);
    let arn = secret.arn(cx);
    let made = undercast_sealing::seal_under(&through, key, &context(&arn, version), &plain.bytes).await;
    let made = made.map_err(|failure| told(failure, cannot_encrypt))?;
    Ok(Sealed { text: plain.text, envelope: made.envelope, key: made.key, managed: secret.key.is_none() })
}

/// Opens the value of a version.
///
/// # Errors
/// `DecryptionFailure`, and `AccessDeniedException` where KMS refuses.
pub(crate) async fn open(cx: &Cx, secret: &Secret, version: &str, sealed: &Sealed) -> Result<Plain> {
    check_account(cx, secret, sealed.managed)?;
    let through = secret.home(cx).through(PRINCIPAL);
    let arn = secret.arn(cx);
    let opened = undercast_sealing::open_under(&through, &context(&arn, version), &sealed.envelope).await;
    Ok(Plain { text: sealed.text, bytes: opened.map_err(|failure| told(failure, cannot_decrypt))? })
}

/// Seals what a version has anew, with the key that the secret has by now. `None`: KMS does not let the caller, and it stays as it is.
///
/// # Errors
/// When the store fails.
pub(crate) async fn renew(cx: &Cx, secret: &Secret, version: &str, sealed: &Sealed) -> Result<Option<Sealed>> {
    let anew = async {
        let plain = open(cx, secret, version, sealed).await?;
        seal(cx, secret, version, &plain).await
    };
    match anew.await {
        Ok(sealed) => Ok(Some(sealed)),
        Err(Failure::Aws(_)) => Ok(None),
        Err(other) => Err(other),
    }
}
