//! What DynamoDB asks KMS, and how it tells what KMS refuses.

use crate::error::{Error, Result};
use crate::jobs::PRINCIPAL;
use serde_json::{Value as Json, json};
use undercast_kernel::{AwsError, Cx, Failure};
use undercast_wire::text::{base64, unbase64};

/// The key that AWS manages for DynamoDB in each account.
pub(super) const MANAGED: &str = "alias/aws/dynamodb";

/// What a grant of a table allows. Source: "DynamoDB encryption at rest usage notes" in the developer guide.
const GRANTED: [&str; 7] =
    ["Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo", "RetireGrant"];

/// DynamoDB as a grant names it.
fn grantee(cx: &Cx) -> String {
    format!("dynamodb.{}.amazonaws.com", cx.region())
}

/// DynamoDB in its own name, for the sake of a table.
fn itself(cx: &Cx) -> Cx {
    cx.as_service(&grantee(cx), None)
}

/// The encryption context of the keys of a table.
fn context(cx: &Cx, table: &str) -> Json {
    json!({"aws:dynamodb:tableName": table, "aws:dynamodb:subscriberId": cx.account()})
}

async fn ask(cx: &Cx, operation: &str, input: Json) -> Result<Json> {
    match cx.call("kms", operation, input).await {
        Err(Failure::Aws(error)) => Err(refused(&error, cx.request_id())),
        other => Ok(other?),
    }
}

/// The refusal of KMS as DynamoDB tells it.
fn refused(error: &AwsError, request: &str) -> Error {
    let code = error.code.as_ref();
    let detail = |class: &str| {
        format!(
            "com.amazonaws.services.kms.model.{class}: {} (Service: AWSKMS; Status Code: {}; Error Code: {code}; Request ID: \
             {request}; Proxy: null)",
            error.message, error.status
        )
    };
    match code {
        "AccessDeniedException" => {
            Error::access_denied(format!("KMS key access denied error: {}", detail("AWSKMSException")))
        }
        "DisabledException" => Error::validation(format_args!("KMS key disabled error: {}", detail(code))),
        "InvalidArnException" | "KMSInvalidStateException" | "NotFoundException" => {
            Error::validation(format_args!("KMS validation error: {}", detail(code)))
        }
        _ => Error::internal(format_args!("KMS internal error: {}", detail("AWSKMSException"))),
    }
}

fn text(answer: &Json, member: &str) -> Result<String> {
    let found = answer.get(member).and_then(Json::as_str);
    Ok(found.map(ToOwned::to_owned).ok_or_else(|| Failure::broken(format!("KMS answered without {member}")))?)
}

fn blob(answer: &Json, member: &str) -> Result<Vec<u8>> {
    let bytes = unbase64(&text(answer, member)?);
    Ok(bytes.ok_or_else(|| Failure::broken(format!("what KMS answered as {member} is no base64")))?)
}

/// A key that a table may use: its ARN, and the grant by which DynamoDB does.
pub(super) struct Granted {
    pub(super) arn: String,
    pub(super) grant: String,
}

/// The ARN of the key that is meant, which must be there.
///
/// # Errors
/// What KMS refuses.
pub(super) async fn arn_of(cx: &Cx, given: &str) -> Result<String> {
    let described = ask(&cx.through(PRINCIPAL), "DescribeKey", json!({"KeyId": given})).await?;
    let key = &described["KeyMetadata"];
    if key["KeySpec"] != "SYMMETRIC_DEFAULT" {
        // AWS answers so, with the refusal of a grant.
        let message = "EncryptionContext is supported only when creating a grant for a symmetric encryption KMS key.";
        return Err(refused(&AwsError::new("ValidationException", 400, message), cx.request_id()));
    }
    text(key, "Arn")
}

/// Whether AWS manages a key, instead of its customer.
///
/// # Errors
/// What KMS refuses.
pub(crate) async fn is_managed(cx: &Cx, given: &str) -> Result<bool> {
    if given == MANAGED {
        return Ok(true);
    }
    let described = ask(&cx.through(PRINCIPAL), "DescribeKey", json!({"KeyId": given})).await?;
    Ok(described["KeyMetadata"]["KeyManager"] == "AWS")
}

/// Has the caller grant DynamoDB the use of a key for a table.
///
/// # Errors
/// What KMS refuses.
pub(super) async fn grant(cx: &Cx, table: &str, given: &str) -> Result<Granted> {
    let arn = arn_of(cx, given).await?;
    let input = json!({"KeyId": arn, "GranteePrincipal": grantee(cx), "RetiringPrincipal": grantee(cx),
        "Operations": GRANTED, "Constraints": {"EncryptionContextSubset": context(cx, table)}});
    let made = ask(&cx.through(PRINCIPAL), "CreateGrant", input).await?;
    Ok(Granted { arn, grant: text(&made, "GrantId")? })
}

/// Gives a grant back. That it is gone already does not matter.
///
/// # Errors
/// When KMS breaks.
pub(super) async fn retire(cx: &Cx, key: &str, grant: &str) -> Result<()> {
    match itself(cx).call("kms", "RetireGrant", json!({"KeyId": key, "GrantId": grant})).await {
        Ok(_) | Err(Failure::Aws(_)) => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

/// A new key for the rows of a table: as ciphertext of a key of KMS, and as it is.
///
/// # Errors
/// What KMS refuses.
pub(super) async fn new_key(cx: &Cx, table: &str, key: &str) -> Result<(Vec<u8>, Vec<u8>)> {
    let input = json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context(cx, table)});
    let made = ask(&itself(cx), "GenerateDataKey", input).await?;
    Ok((blob(&made, "CiphertextBlob")?, blob(&made, "Plaintext")?))
}

/// A key of rows as ciphertext of a key of KMS.
///
/// # Errors
/// What KMS refuses.
pub(super) async fn wrap(cx: &Cx, table: &str, key: &str, plain: &[u8]) -> Result<Vec<u8>> {
    let input = json!({"KeyId": key, "Plaintext": base64(plain), "EncryptionContext": context(cx, table)});
    blob(&ask(&itself(cx), "Encrypt", input).await?, "CiphertextBlob")
}

/// On whose behalf a key is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// The caller of an operation, who must be allowed to decrypt.
    Caller,
    /// DynamoDB itself, by its grant: items expire, keys are looked after.
    Itself,
}

/// A key of rows that is kept as ciphertext, as it is.
///
/// # Errors
/// What KMS refuses.
pub(super) async fn unwrap(cx: &Cx, whose: For, table: &str, key: &str, wrapped: &[u8]) -> Result<Vec<u8>> {
    let asking = if whose == For::Caller { cx.through(PRINCIPAL) } else { itself(cx) };
    let input = json!({"KeyId": key, "CiphertextBlob": base64(wrapped), "EncryptionContext": context(cx, table)});
    blob(&ask(&asking, "Decrypt", input).await?, "Plaintext")
}
