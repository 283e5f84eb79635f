//! What a call needs to be allowed: actions, ARNs, condition keys.
//!
//! Source: "Actions, resources, and condition keys for Amazon S3" in the service authorization reference, and the
//! permissions that the API reference names for each operation.

use std::sync::Arc;

use serde_json::json;
use undercast_kernel::policy::{MapContext, NamedPolicy, Policy, PolicyKind, PrincipalFacts, PrincipalKind};
use undercast_kernel::store::Read;
use undercast_kernel::{Access, AwsError, Cx, Result, SignedIn};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::acl::Opened;
use crate::copy::CopySource;
use crate::rows::{Acl, Block, Bucket, Object, Ownership};
use crate::settings::Setting;
use crate::versions::{self, Found};
use crate::{S3, acl, actions, bucket, buckets, control, error, logging, tagging};

/// A bucket with what decides over it.
pub(crate) struct Guarded {
    pub(crate) bucket: Arc<Bucket>,
    policy: Option<Arc<Policy>>,
    /// What of ACLs is blocked.
    block: Block,
    /// Who asks.
    caller: Arc<PrincipalFacts>,
    via: Option<control::via::Guard>,
}

impl S3 {
    pub(crate) fn guarded(&self, cx: &Cx, from: &(impl Read + ?Sized), bucket: Arc<Bucket>) -> Result<Guarded> {
        let mut policy = self.policies.of(from, &bucket)?;
        // RestrictPublicBuckets leaves a public policy to the owner's account and to services.
        let restricted = bucket.public && control::block::of(from, &bucket)?.restrict;
        let service = matches!(cx.principal().kind, PrincipalKind::Service { .. });
        if restricted && !service && cx.principal().account != bucket.account {
            policy = None;
        }
        let via = control::via::Guard::of(cx, from, &bucket)?;
        let block = match bucket.ownership {
            // No ACL counts, so nothing of it is blocked.
            Ownership::Enforced => Block::ALL,
            _ => control::block::of(from, &bucket)?,
        };
        Ok(Guarded { bucket, policy, block, via, caller: cx.principal().clone() })
    }
}

impl Guarded {
    fn access(&self, action: &'static str, resource: String) -> Access {
        let access = Access::new(action, resource).in_account(self.bucket.account.as_str());
        let access = match &self.policy {
            Some(policy) => access.with_policy(&format!("bucket policy of {}", self.bucket.name), policy.clone()),
            None => access,
        };
        match &self.via {
            Some(via) => via.before(access, &self.bucket),
            None => access,
        }
    }

    pub(crate) fn on_bucket(&self, action: &'static str) -> Access {
        let access = self.access(action, self.bucket.arn());
        self.with_acl(access, action, self.bucket.acl.as_ref(), acl::On::Bucket)
    }

    /// What a new object gets besides its bytes. Where an ACL lets somebody write, it lets them write that too.
    fn on_new_object(&self, action: &'static str, key: &str) -> Access {
        let access = self.access(action, format!("{}/{key}", self.bucket.arn()));
        self.with_acl(access, "s3:PutObject", self.bucket.acl.as_ref(), acl::On::Bucket)
    }

    /// On a key, whatever it holds: the bucket's ACL counts.
    pub(crate) fn on_object(&self, action: &'static str, key: &str) -> Access {
        let access = self.access(action, format!("{}/{key}", self.bucket.arn()));
        self.with_acl(access, action, self.bucket.acl.as_ref(), acl::On::Bucket)
    }

    /// Lets what an ACL says of an action count as the policy that it amounts to: of the bucket, also where an access point
    /// stands before it.
    fn with_acl(&self, mut access: Access, action: &str, acl: Option<&Acl>, on: acl::On) -> Access {
        if self.bucket.ownership == Ownership::Enforced {
            return access;
        }
        let PrincipalFacts { account, canonical_user, kind, .. } = &*self.caller;
        let logs = matches!(kind, PrincipalKind::Service { name } if name == logging::PRINCIPAL);
        let principal = match acl::opens(self.block, acl, on, action, canonical_user.as_deref(), logs) {
            Opened::Nobody => return access,
            Opened::Everybody => "*",
            Opened::Account => account,
        };
        let text = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": access.action, "Resource": "*"}
        ]});
        // An account is always a principal.
        if let Ok(policy) = Policy::parse(PolicyKind::Resource, &text.to_string()) {
            let policy = NamedPolicy { name: "ACL".into(), policy: Arc::new(policy) };
            match access.behind.last_mut() {
                Some(bucket) => bucket.policies.push(policy),
                None => access.policies.push(policy),
            }
        }
        access
    }

    /// Lets the object's own ACL and owner count, where there are such.
    fn of_version(&self, mut access: Access, object: &Object) -> Access {
        if self.bucket.ownership == Ownership::Enforced {
            return access;
        }
        if let Some(owner) = &object.owner {
            // The bucket's policy says nothing of what others own in it.
            match access.behind.last_mut() {
                Some(bucket) => {
                    bucket.account.clone_from(owner);
                    bucket.policies.clear();
                }
                None => {
                    access.resource_account = Some(owner.clone());
                    access.policies.clear();
                }
            }
        }
        let action = access.action.clone();
        self.with_acl(access, &action, object.acl.as_ref(), acl::On::Object)
    }

    /// Condition keys count: somebody's policies are asked.
    fn is_asked(&self, cx: &Cx) -> bool {
        self.policy.is_some()
            || self.via.is_some()
            || !matches!(cx.principal().kind, PrincipalKind::Root)
            || cx.principal().account != self.bucket.account
            || self.bucket.ownership != Ownership::Enforced
    }
}

/// `requester`, where who asks is charged for it.
pub(crate) fn charged(cx: &Cx, bucket: &Bucket) -> Option<String> {
    (bucket.requester_pays && cx.principal().account != bucket.account).then(|| "requester".to_owned())
}

/// Of a Requester Pays bucket others get nothing unless they say that they pay.
///
/// Source: "Using Requester Pays buckets" in the user guide.
fn check_payer(cx: &Cx, bucket: &Bucket, input: &Fields) -> Result<()> {
    let anonymous = matches!(cx.principal().kind, PrincipalKind::Anonymous);
    let pays = input.text("RequestPayer") == Some("requester") && !anonymous;
    let service = matches!(cx.principal().kind, PrincipalKind::Service { .. });
    if charged(cx, bucket).is_none() || pays || service { Ok(()) } else { Err(error::access_denied().into()) }
}

/// What a call needs.
pub(crate) fn access(s3: &S3, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let Some(name) = input.text("Bucket") else { return Ok(vec![Access::new("s3:ListAllMyBuckets", "*")]) };
    if operation.name == "CreateBucket" {
        return Ok(create(cx, name, input));
    }
    let from = cx.read();
    let owner = input.text("ExpectedBucketOwner");
    let found = match operation.name {
        "GetBucketLocation" => Arc::new(bucket::anywhere(&from, name, owner)?),
        _ => s3.bucket(cx, &from, name, owner)?,
    };
    check_payer(cx, &found, input)?;
    // Decided key by key, in the answer.
    if operation.name == "DeleteObjects" {
        return Ok(Vec::new());
    }
    let guarded = s3.guarded(cx, &from, found)?;
    let version = input.text("VersionId");
    let Some(action) = actions::of(operation.name, version.is_some()) else {
        return Err(cx.broken(format!("{} has no action", operation.name)));
    };
    let mut needed = match input.text("Key") {
        Some(key) => vec![guarded.on_object(action, key)],
        None => vec![guarded.on_bucket(action)],
    };
    if let ("GetBucketPolicy" | "PutBucketPolicy" | "DeleteBucketPolicy", Some(first)) =
        (operation.name, needed.first_mut())
        && matches!(cx.principal().kind, PrincipalKind::Root)
        && cx.principal().account == guarded.bucket.account
    {
        // No policy locks the root user out of what it says (API reference, PutBucketPolicy).
        first.policies.clear();
    }
    further(s3, cx, &from, &guarded, operation.name, input, &mut needed)?;
    if let Some(key) = input.text("Key") {
        with_owner(&from, &guarded, key, version, operation.name, &mut needed)?;
    }
    Ok(needed)
}

/// The condition keys of a call's permissions.
pub(crate) fn conditions(
    s3: &S3,
    cx: &Cx,
    operation: &'static Operation,
    input: &Fields,
    access: &Access,
) -> Result<MapContext> {
    let mut context = MapContext::new();
    if !access.action.starts_with("s3:") {
        return Ok(context);
    }
    said(&mut context, cx, operation.name, input);
    let Some(name) = input.text("Bucket").filter(|_| operation.name != "CreateBucket") else { return Ok(context) };
    let from = cx.read();
    let bucket = match operation.name {
        "GetBucketLocation" => Arc::new(bucket::anywhere(&from, name, None)?),
        _ => s3.bucket(cx, &from, name, None)?,
    };
    context.set("s3:ResourceAccount", bucket.account.as_str());
    if Setting::Abac.is_on(&bucket) {
        for (name, value) in buckets::tags(&from, &bucket)?.unwrap_or_default() {
            context.set(&format!("aws:ResourceTag/{name}"), value);
        }
    }
    if let Some(key) = input.text("Key").filter(|_| reads(operation.name))
        && let Found::Object(object) = versions::find(&from, &bucket, key, input.text("VersionId"))?
    {
        existing_tags(&mut context, &object);
    }
    Ok(context)
}

fn create(cx: &Cx, name: &str, input: &Fields) -> Vec<Access> {
    let arn = format!("arn:{}:s3:::{name}", cx.partition());
    let mut access = Access::new("s3:CreateBucket", arn.clone());
    let configuration = input.get("CreateBucketConfiguration");
    if let Some(region) = configuration.and_then(|c| c.text("LocationConstraint")) {
        access.context.set("s3:LocationConstraint", region);
    }
    let mut needed = vec![access];
    if matches!(configuration.and_then(|c| c.get("Tags")), Some(Value::List(tags)) if !tags.is_empty()) {
        needed.push(Access::new("s3:TagResource", arn.clone()));
    }
    if input.get("ObjectOwnership").is_some() {
        needed.push(Access::new("s3:PutBucketOwnershipControls", arn.clone()));
    }
    if says_acl(input) {
        needed.push(Access::new("s3:PutBucketAcl", arn.clone()));
    }
    if matches!(input.get("ObjectLockEnabledForBucket"), Some(Value::Boolean(true))) {
        needed.push(Access::new("s3:PutBucketObjectLockConfiguration", arn.clone()));
        needed.push(Access::new("s3:PutBucketVersioning", arn));
    }
    needed
}

/// Whether a request sets an ACL; private is what there is anyway.
fn says_acl(input: &Fields) -> bool {
    const HEADERS: &[&str] = &["GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"];
    input.text("ACL").is_some_and(|acl| acl != "private") || HEADERS.iter().any(|h| input.get(h).is_some())
}

/// Whether a service of AWS gives what it delivers to the bucket's owner, for which the policies that its guide writes do not allow
/// `s3:PutObjectAcl`.
///
/// Source: "Amazon S3 bucket policy for CloudTrail" in its user guide, and the like of other services that deliver.
fn hands_over(cx: &Cx, input: &Fields) -> bool {
    let own = matches!(cx.principal().kind, PrincipalKind::Service { .. });
    own && input.text("ACL") == Some("bucket-owner-full-control")
}

/// Permissions besides the first one.
fn further(
    s3: &S3,
    cx: &Cx,
    from: &(impl Read + ?Sized),
    guarded: &Guarded,
    operation: &str,
    input: &Fields,
    needed: &mut Vec<Access>,
) -> Result<()> {
    let key = input.text("Key").unwrap_or("");
    if let Some(role) = input.get("ReplicationConfiguration").and_then(|c| c.text("Role")) {
        needed.push(Access::passing(cx, role, "s3.amazonaws.com"));
    }
    if operation == "GetObjectAttributes" {
        let action =
            if input.get("VersionId").is_some() { "s3:GetObjectVersionAttributes" } else { "s3:GetObjectAttributes" };
        needed.push(guarded.on_object(action, key));
    }
    if matches!(operation, "PutObject" | "CopyObject" | "CreateMultipartUpload") {
        for (said, action) in [
            (input.get("Tagging").is_some(), "s3:PutObjectTagging"),
            (input.get("ObjectLockMode").is_some(), "s3:PutObjectRetention"),
            (input.get("ObjectLockLegalHoldStatus").is_some(), "s3:PutObjectLegalHold"),
            (says_acl(input) && !hands_over(cx, input), "s3:PutObjectAcl"),
        ] {
            if said {
                needed.push(guarded.on_new_object(action, key));
            }
        }
    }
    if let Some(text) = input.text("CopySource") {
        let source = CopySource::parse(text)?;
        let owner = input.text("ExpectedSourceBucketOwner");
        let found = s3.guarded(cx, from, Arc::new(bucket::anywhere(from, &source.bucket, owner)?))?;
        let action = if source.version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        let mut reading = vec![found.on_object(action, &source.key)];
        if found.is_asked(cx) {
            let version = source.version.as_deref();
            if let Found::Object(object) = versions::find(from, &found.bucket, &source.key, version)? {
                reading.iter_mut().for_each(|access| existing_tags(&mut access.context, &object));
            }
            with_owner(from, &found, &source.key, version, "GetObject", &mut reading)?;
        }
        needed.append(&mut reading);
        if operation == "CopyObject" && input.text("AnnotationDirective") != Some("EXCLUDE") {
            annotations(from, guarded, &found, key, &source, needed)?;
        }
    }
    Ok(())
}

/// What a copy needs besides where its source has annotations.
///
/// Source: "CopyObject" in the S3 API reference, AnnotationDirective.
fn annotations(
    from: &(impl Read + ?Sized),
    guarded: &Guarded,
    source: &Guarded,
    key: &str,
    name: &CopySource,
    needed: &mut Vec<Access>,
) -> Result<()> {
    let version = name.version.as_deref();
    let found = versions::find(from, &source.bucket, &name.key, version)?;
    if matches!(found, Found::Object(object) if object.annotated) {
        let action = if version.is_some() { "s3:GetObjectVersionAnnotation" } else { "s3:GetObjectAnnotation" };
        needed.push(source.on_object(action, &name.key));
        needed.push(guarded.on_new_object("s3:PutObjectAnnotation", key));
    }
    Ok(())
}

/// Condition keys that stand in the request.
fn said(context: &mut MapContext, cx: &Cx, operation: &str, input: &Fields) {
    const KEYS: &[(&str, &str)] = &[
        ("Prefix", "s3:prefix"),
        ("Delimiter", "s3:delimiter"),
        ("VersionId", "s3:versionid"),
        ("ACL", "s3:x-amz-acl"),
        ("CopySource", "s3:x-amz-copy-source"),
        ("MetadataDirective", "s3:x-amz-metadata-directive"),
        ("AnnotationDirective", "s3:x-amz-object-annotation-directive"),
        ("AnnotationPrefix", "s3:annotation-prefix"),
        ("ObjectIfMatch", "s3:x-amz-object-if-match"),
        ("StorageClass", "s3:x-amz-storage-class"),
        ("WebsiteRedirectLocation", "s3:x-amz-website-redirect-location"),
        ("ObjectOwnership", "s3:x-amz-object-ownership"),
        ("BucketNamespace", "s3:x-amz-bucket-namespace"),
        ("GrantFullControl", "s3:x-amz-grant-full-control"),
        ("GrantRead", "s3:x-amz-grant-read"),
        ("GrantReadACP", "s3:x-amz-grant-read-acp"),
        ("GrantWrite", "s3:x-amz-grant-write"),
        ("GrantWriteACP", "s3:x-amz-grant-write-acp"),
        ("ServerSideEncryption", "s3:x-amz-server-side-encryption"),
        ("SSEKMSKeyId", "s3:x-amz-server-side-encryption-aws-kms-key-id"),
        ("SSECustomerAlgorithm", "s3:x-amz-server-side-encryption-customer-algorithm"),
        ("ObjectLockMode", "s3:object-lock-mode"),
        ("ObjectLockLegalHoldStatus", "s3:object-lock-legal-hold"),
    ];
    for (member, key) in KEYS {
        if let Some(value) = input.text(member) {
            context.set(key, value);
        }
    }
    signature_conditions(context, cx);
    if let Some(Value::Timestamp(until)) = input.get("ObjectLockRetainUntilDate") {
        context.set("s3:object-lock-retain-until-date", until.to_string());
        let days = (until.as_second() - cx.now().as_second()).div_euclid(24 * 60 * 60);
        context.set("s3:object-lock-remaining-retention-days", days.to_string());
    }
    for (member, key) in [("MaxKeys", "s3:max-keys"), ("MaxAnnotationResults", "s3:max-annotation-results")] {
        if let Some(Value::Integer(most)) = input.get(member) {
            context.set(key, most.to_string());
        }
    }
    writing_conditions(context, operation, input);
}

/// How the request came, and how and when it was signed.
fn signature_conditions(context: &mut MapContext, cx: &Cx) {
    if let Some(version) = cx.origin().tls {
        context.set("s3:TlsVersion", version);
    }
    if let Some(signed) = &cx.origin().signed {
        let place = match signed.place {
            SignedIn::Header => "REST-HEADER",
            SignedIn::Query => "REST-QUERY-STRING",
            SignedIn::Form => "POST",
        };
        context.set("s3:authType", place);
        context.set("s3:signatureversion", signed.version.as_str());
        // AWS sees the header only, and not the parameter of a URL.
        if let Some(content) = &signed.content {
            context.set("s3:x-amz-content-sha256", content.as_str());
        }
        // Of presigned URLs and forms alone it is told how old they are, in milliseconds.
        if signed.place != SignedIn::Header {
            let age = cx.now_millis().saturating_sub(signed.at.as_millisecond());
            context.set("s3:signatureAge", age.to_string());
        }
    }
}

/// What is written, and on which conditions.
fn writing_conditions(context: &mut MapContext, operation: &str, input: &Fields) {
    if matches!(operation, "PutObject" | "CopyObject" | "CompleteMultipartUpload") {
        for (member, key) in [("IfMatch", "s3:if-match"), ("IfNoneMatch", "s3:if-none-match")] {
            if let Some(value) = input.text(member) {
                context.set(key, value);
            }
        }
    }
    if matches!(
        operation,
        "PutObject"
            | "CopyObject"
            | "CreateMultipartUpload"
            | "UploadPart"
            | "UploadPartCopy"
            | "CompleteMultipartUpload"
    ) {
        context.set(
            "s3:ObjectCreationOperation",
            (!operation.starts_with("Upload") && operation != "CreateMultipartUpload").to_string(),
        );
    }
    let tags = match input.get("Tagging") {
        Some(Value::String(header)) => tagging::of_header(header).into_iter().flatten().collect(),
        Some(Value::Structure(fields)) => request_tags(fields),
        _ => Vec::new(),
    };
    if !tags.is_empty() {
        for (key, value) in &tags {
            context.set(&format!("s3:RequestObjectTag/{key}"), value.as_str());
        }
        context.set_many("s3:RequestObjectTagKeys", tags.into_iter().map(|t| t.0).collect());
    }
}

fn request_tags(fields: &Fields) -> Vec<(String, String)> {
    let Some(Value::List(tags)) = fields.get("TagSet") else { return Vec::new() };
    let pair = |tag: &Value| Some((tag.text("Key")?.to_owned(), tag.text("Value")?.to_owned()));
    tags.iter().filter_map(pair).collect()
}

/// Whether what is there of an object counts for an operation on it.
fn reads(operation: &str) -> bool {
    matches!(operation, "GetObject" | "HeadObject" | "GetObjectAttributes" | "GetObjectAcl" | "PutObjectAcl")
        || operation.ends_with("ObjectTagging")
        || operation.ends_with("ObjectAnnotation")
        || matches!(operation, "ListObjectAnnotations" | "SelectObjectContent" | "DeleteObject")
}

fn existing_tags(context: &mut MapContext, object: &Object) {
    for (name, value) in &object.tags {
        context.set(&format!("s3:ExistingObjectTag/{name}"), value.as_str());
    }
}

/// Lets an object's own ACL and its owner count, where the bucket lets them.
fn with_owner(
    from: &(impl Read + ?Sized),
    guarded: &Guarded,
    key: &str,
    version: Option<&str>,
    operation: &str,
    needed: &mut Vec<Access>,
) -> Result<()> {
    let counts = guarded.bucket.ownership != Ownership::Enforced && operation != "DeleteObject";
    if counts
        && reads(operation)
        && let Found::Object(object) = versions::find(from, &guarded.bucket, key, version)?
    {
        *needed = std::mem::take(needed).into_iter().map(|access| guarded.of_version(access, &object)).collect();
    }
    Ok(())
}

/// S3 says why to callers of the owner's account only, and puts resources in quotes.
///
/// Source: "Access denied error message examples" in the user guide's troubleshooting chapter.
pub(crate) fn denied(access: &Access, message: &str) -> AwsError {
    let account = message.strip_prefix("User: arn:").and_then(|rest| rest.split(':').nth(3));
    if account.is_none_or(|a| access.resource_account.as_deref().is_some_and(|owner| owner != a)) {
        return AwsError::new("AccessDenied", 403, "Access Denied");
    }
    let quoted = message.replacen(
        &format!("on resource: {}", access.resource),
        &format!("on resource: \"{}\"", access.resource),
        1,
    );
    AwsError::new("AccessDenied", 403, quoted)
}
