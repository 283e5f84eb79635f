//! Bucket policies and Block Public Access.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use undercast_kernel::policy::{Fault, MalformedPolicy, Policy, PolicyKind, Statement};
use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::api;
use crate::api::{input, output};
use crate::bucket;
use crate::control;
use crate::rows::{BUCKETS, Block, Bucket, SETTINGS};

/// The setting that holds a bucket's policy.
const SETTING: &str = "policy";

/// A policy may have so many bytes.
const MOST_BYTES: usize = 20 * 1024;

/// Compiled policies by their number.
#[derive(Debug, Default)]
pub(crate) struct Compiled(RwLock<HashMap<u64, Arc<Policy>>>);

/// More than so many are not kept.
const KEPT: usize = 1024;

impl Compiled {
    /// The policy of a bucket that has one.
    pub(crate) fn of(&self, from: &(impl Read + ?Sized), bucket: &Bucket) -> Result<Option<Arc<Policy>>> {
        let Some(number) = bucket.policy else { return Ok(None) };
        if let Some(found) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&number) {
            return Ok(Some(found.clone()));
        }
        let text = SETTINGS.get(from, &bucket.key(SETTING))?;
        let text = text.ok_or_else(|| Failure::broken("the policy of a bucket is not there"))?;
        let policy = Arc::new(Policy::parse(PolicyKind::Resource, &text).map_err(Failure::broken)?);
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(number, policy.clone());
        Ok(Some(policy))
    }
}

fn malformed(message: impl Into<String>) -> AwsError {
    AwsError::new("MalformedPolicy", 400, message)
}

/// S3's own words for what is wrong with a policy.
fn fault(error: &MalformedPolicy) -> AwsError {
    match &error.fault {
        Fault::MissingField { field } => malformed(format!("Missing required field {field}")),
        Fault::NoActions => malformed("Missing required field Action"),
        Fault::NoResources => malformed("Missing required field Resource"),
        Fault::NotAnArn { .. } | Fault::InvalidPartition { .. } | Fault::VendorNotQualified => {
            malformed("Policy has invalid resource")
        }
        Fault::NoVendor | Fault::TooManyColons | Fault::InvalidVendor { .. } => malformed("Policy has invalid action"),
        Fault::InvalidPrincipal { .. } => malformed("Invalid principal in policy"),
        _ if error.place.starts_with("Statement") => malformed("Invalid policy syntax."),
        _ => malformed("Policies must be valid JSON and the first byte must be '{'"),
    }
}

/// Checks what S3 demands of a bucket's policy beyond the language.
fn check(bucket: &Bucket, text: &str) -> Result<Policy> {
    check_for(&bucket.arn(), "/", text)
}

/// The same for what has this ARN, and after it `inside` before the keys of objects: a bucket or an access point.
pub(crate) fn check_for(arn: &str, inside: &str, text: &str) -> Result<Policy> {
    if text.len() > MOST_BYTES {
        return Err(AwsError::new("PolicyTooLarge", 400, "Policy exceeds the maximum allowed size").into());
    }
    if !text.starts_with('{') {
        return Err(malformed("Policies must be valid JSON and the first byte must be '{'").into());
    }
    let policy = Policy::parse(PolicyKind::Resource, text).map_err(|e| fault(&e))?;
    for statement in &policy.document().statements {
        let resource = statement.resource.as_ref().ok_or_else(|| malformed("Missing required field Resource"))?;
        // Resources are this bucket and what is in it; wildcards may stand for both.
        let own = |r: &String| {
            r == "*"
                || r.strip_prefix(arn)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(inside) || rest.starts_with('*'))
                || (r.starts_with("arn:") && may_be(r, arn))
        };
        if !resource.patterns.iter().all(own) {
            return Err(malformed("Policy has invalid resource").into());
        }
        let actions = &statement.action.patterns;
        if !actions.iter().all(|a| a == "*" || a.get(..3).is_some_and(|p| p.eq_ignore_ascii_case("s3:"))) {
            return Err(malformed("Policy has invalid action").into());
        }
        applies(statement, arn, inside)?;
    }
    Ok(policy)
}

/// Whether a pattern with wildcards before the end of the bucket's name may mean the bucket.
fn may_be(pattern: &str, arn: &str) -> bool {
    let Some(at) = pattern.find(['*', '?', '$']) else { return false };
    arn.starts_with(&pattern[..at.min(arn.len())])
}

/// Actions on objects need a resource inside the bucket, and those on buckets the bucket.
fn applies(statement: &Statement, arn: &str, inside: &str) -> Result<()> {
    let Some(resource) = &statement.resource else { return Ok(()) };
    if statement.action.negated || resource.negated {
        return Ok(());
    }
    let wild = |r: &str| r.contains(['*', '?', '$']);
    let has_object = resource.patterns.iter().any(|r| r.contains(inside) || wild(r));
    let has_bucket = resource
        .patterns
        .iter()
        .any(|r| r == arn || (!r.contains(inside) || wild(r.split(inside).next().unwrap_or(r))));
    let fits = |action: &String| {
        let name = action.get(3..).unwrap_or("*");
        if wild(name) {
            return true;
        }
        let of_object = name.contains("Object")
            && !["GetBucketObjectLockConfiguration", "PutBucketObjectLockConfiguration"].contains(&name);
        let of_object = of_object
            || ["AbortMultipartUpload", "ListMultipartUploadParts", "BypassGovernanceRetention"].contains(&name);
        if of_object { has_object } else { has_bucket }
    };
    if statement.action.patterns.iter().all(fits) {
        return Ok(());
    }
    Err(malformed("Action does not apply to any resource(s) in statement").into())
}

/// Condition keys on whose fixed values it depends, too, whether a policy lets everybody in.
const NARROWING: &[&str] =
    &["s3:dataaccesspointaccount", "s3:dataaccesspointarn", "s3:x-amz-server-side-encryption-aws-kms-key-id"];

/// Whether a policy lets everybody in.
pub(crate) fn is_public(policy: &Policy) -> bool {
    policy.is_public(NARROWING)
}

pub(crate) async fn put(cx: &Cx, input: api::PutBucketPolicyInput) -> Result<()> {
    let number = u64::from_be_bytes(cx.random().bytes());
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        let public = is_public(&check(&bucket, &input.policy)?);
        if public && control::block::of(tx, &bucket)?.public_policy {
            let message = format!(
                "User: {} is not authorized to perform: s3:PutBucketPolicy on resource: \"{}\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
                cx.principal().arn,
                bucket.arn()
            );
            return Err(AwsError::new("AccessDenied", 403, message).into());
        }
        bucket.public = public;
        bucket.policy = Some(number);
        SETTINGS.put(tx, &bucket.key(SETTING), &input.policy);
        BUCKETS.put(tx, &(&bucket.name,), &bucket);
        Ok(())
    })
    .await
}

fn no_policy(bucket: &Bucket) -> AwsError {
    AwsError::new("NoSuchBucketPolicy", 404, "The bucket policy does not exist")
        .with("BucketName", bucket.name.as_str())
}

pub(crate) fn get(cx: &Cx, input: &api::GetBucketPolicyInput) -> Result<api::GetBucketPolicyOutput> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let policy = SETTINGS.get(&from, &bucket.key(SETTING))?.ok_or_else(|| no_policy(&bucket))?;
    Ok(api::GetBucketPolicyOutput { policy: Some(policy) })
}

pub(crate) fn status(cx: &Cx, input: &api::GetBucketPolicyStatusInput) -> Result<api::GetBucketPolicyStatusOutput> {
    let bucket = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    if bucket.policy.is_none() {
        return Err(no_policy(&bucket).into());
    }
    Ok(api::GetBucketPolicyStatusOutput {
        policy_status: Some(output::PolicyStatus { is_public: Some(bucket.public) }),
    })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteBucketPolicyInput) -> Result<()> {
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        bucket.public = false;
        bucket.policy = None;
        SETTINGS.delete(tx, &bucket.key(SETTING));
        BUCKETS.put(tx, &(&bucket.name,), &bucket);
        Ok(())
    })
    .await
}

pub(crate) async fn put_block(cx: &Cx, input: api::PutPublicAccessBlockInput) -> Result<()> {
    let input::PublicAccessBlockConfiguration {
        block_public_acls,
        ignore_public_acls,
        block_public_policy,
        restrict_public_buckets,
    } = input.public_access_block_configuration;
    // What is not said is off.
    let on = |setting: Option<bool>| setting == Some(true);
    let block = Block {
        public_acls: on(block_public_acls),
        ignore_acls: on(ignore_public_acls),
        public_policy: on(block_public_policy),
        restrict: on(restrict_public_buckets),
    };
    set_block(cx, &input.bucket, input.expected_bucket_owner.as_deref(), Some(block)).await
}

pub(crate) async fn delete_block(cx: &Cx, input: api::DeletePublicAccessBlockInput) -> Result<()> {
    set_block(cx, &input.bucket, input.expected_bucket_owner.as_deref(), None).await
}

async fn set_block(cx: &Cx, name: &str, owner: Option<&str>, block: Option<Block>) -> Result<()> {
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, name, owner)?;
        bucket.block = block;
        BUCKETS.put(tx, &(&bucket.name,), &bucket);
        Ok(())
    })
    .await
}

pub(crate) fn get_block(cx: &Cx, input: &api::GetPublicAccessBlockInput) -> Result<api::GetPublicAccessBlockOutput> {
    let bucket = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    let Some(block) = bucket.block else {
        let message = "The public access block configuration was not found";
        let error = AwsError::new("NoSuchPublicAccessBlockConfiguration", 404, message);
        return Err(error.with("BucketName", bucket.name.as_str()).into());
    };
    Ok(api::GetPublicAccessBlockOutput {
        public_access_block_configuration: Some(output::PublicAccessBlockConfiguration {
            block_public_acls: Some(block.public_acls),
            ignore_public_acls: Some(block.ignore_acls),
            block_public_policy: Some(block.public_policy),
            restrict_public_buckets: Some(block.restrict),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket() -> Bucket {
        Bucket::new("b", "000000000000", "us-east-1", 0)
    }

    fn statement(rest: &str) -> String {
        format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",{rest}}}]}}"#)
    }

    #[test]
    fn what_is_public() {
        for (rest, public) in [
            (r#""Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#, true),
            (r#""Principal":{"AWS":"*"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#, true),
            (r#""Principal":{"AWS":"111111111111"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#, false),
            (
                r#""Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#,
                false,
            ),
            (
                r#""Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringLike":{"aws:SourceVpc":"vpc-*"}}"#,
                true,
            ),
            (
                r#""Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#,
                true,
            ),
            (
                r#""Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"Bool":{"aws:SecureTransport":"true"}}"#,
                true,
            ),
        ] {
            let policy = check(&bucket(), &statement(rest)).map_err(|e| e.to_string());
            assert_eq!(policy.map(|p| is_public(&p)), Ok(public), "{rest}");
        }
    }

    #[test]
    fn policies_that_are_refused() {
        for (text, wanted) in [
            ("nonsense".to_owned(), "Policies must be valid JSON and the first byte must be '{'"),
            (statement(r#""Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#), "Missing required field Principal"),
            (statement(r#""Principal":"*","Action":"s3:GetObject""#), "Missing required field Resource"),
            (
                statement(r#""Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::other/*""#),
                "Policy has invalid resource",
            ),
            (
                statement(r#""Principal":"*","Action":"sqs:SendMessage","Resource":"arn:aws:s3:::b/*""#),
                "Policy has invalid action",
            ),
            (
                statement(r#""Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b""#),
                "Action does not apply to any resource(s) in statement",
            ),
            (
                statement(r#""Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b/*""#),
                "Action does not apply to any resource(s) in statement",
            ),
        ] {
            let error = check(&bucket(), &text).map(|_| ()).map_err(|e| e.to_string());
            assert_eq!(error, Err(format!("MalformedPolicy: {wanted}")), "{text}");
        }
    }
}
