//! `PutBucketEncryption` and its like: what new objects of a bucket are encrypted with.

use undercast_kernel::{Cx, Result};

use crate::api::{self, input, output};
use crate::rows::{BUCKETS, DefaultEncryption, Method};
use crate::{bucket, error};

/// The type of encryption that can be blocked.
const CUSTOMER: &str = "SSE-C";

/// What every bucket has that nothing was said of. Since April 2026 keys of customers are blocked.
///
/// Source: "Blocking or unblocking SSE-C for a general purpose bucket" in the user guide.
const NOTHING_SAID: DefaultEncryption =
    DefaultEncryption { method: Method::Own, key: None, bucket_key: false, customer_keys: false };

/// A request's configuration: exactly one rule.
fn requested(given: input::ServerSideEncryptionConfiguration) -> Result<DefaultEncryption> {
    let mut rules = given.rules.into_iter();
    let (Some(rule), None) = (rules.next(), rules.next()) else { return Err(error::malformed_xml().into()) };
    let mut wanted = DefaultEncryption { bucket_key: rule.bucket_key_enabled == Some(true), ..NOTHING_SAID };
    if let Some(default) = rule.apply_server_side_encryption_by_default {
        wanted.method = Method::parse(&default.sse_algorithm).ok_or_else(error::malformed_xml)?;
        wanted.key = default.kms_master_key_id.filter(|k| !k.is_empty());
    }
    if wanted.method == Method::Own && wanted.key.is_some() {
        let message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse";
        return Err(error::invalid_argument(message, "ApplyServerSideEncryptionByDefault", "null").into());
    }
    if wanted.method == Method::Dual && wanted.bucket_key {
        let message = "Bucket Key is not supported for aws:kms:dsse";
        return Err(error::invalid_argument(message, "BucketKeyEnabled", "true").into());
    }
    let blocked = rule.blocked_encryption_types.and_then(|b| b.encryption_type).unwrap_or_else(Vec::new);
    wanted.customer_keys = match blocked.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | [CUSTOMER] => false,
        ["NONE"] => true,
        _ => return Err(error::malformed_xml().into()),
    };
    Ok(wanted)
}

pub(crate) async fn put(cx: &Cx, input: api::PutBucketEncryptionInput) -> Result<()> {
    let wanted = requested(input.server_side_encryption_configuration)?;
    set(cx, &input.bucket, input.expected_bucket_owner.as_deref(), Some(&wanted)).await
}

/// Every bucket has a default, so there is nothing to delete but what was said.
pub(crate) async fn delete(cx: &Cx, input: api::DeleteBucketEncryptionInput) -> Result<()> {
    set(cx, &input.bucket, input.expected_bucket_owner.as_deref(), None).await
}

async fn set(cx: &Cx, name: &str, owner: Option<&str>, wanted: Option<&DefaultEncryption>) -> Result<()> {
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, name, owner)?;
        bucket.encryption = wanted.cloned();
        BUCKETS.put(tx, &(&bucket.name,), &bucket);
        Ok(())
    })
    .await
}

pub(crate) fn get(cx: &Cx, input: &api::GetBucketEncryptionInput) -> Result<api::GetBucketEncryptionOutput> {
    let bucket = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    let found = bucket.encryption.unwrap_or(NOTHING_SAID);
    let blocked = if found.customer_keys { "NONE" } else { CUSTOMER };
    let rule = output::ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(output::ServerSideEncryptionByDefault {
            sse_algorithm: found.method.name().to_owned(),
            kms_master_key_id: found.key,
        }),
        bucket_key_enabled: Some(found.bucket_key),
        blocked_encryption_types: Some(output::BlockedEncryptionTypes {
            encryption_type: Some(vec![blocked.to_owned()]),
        }),
    };
    Ok(api::GetBucketEncryptionOutput {
        server_side_encryption_configuration: Some(output::ServerSideEncryptionConfiguration { rules: vec![rule] }),
    })
}
