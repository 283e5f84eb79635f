//! Access points as calls of S3 meet them: in the place of a bucket's name stands the ARN or the alias of one.
//!
//! A bucket that is found so remembers its access point ([`Via`]); [`Guard`] then puts the access point before the bucket
//! in what a call needs: both have to allow it, each by its own ARNs and policies.
//!
//! Source: "Configuring IAM policies for using access points" and "Access point compatibility" in the S3 user guide.

use std::collections::BTreeMap;
use std::sync::Arc;

use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{Policy, PolicyKind, PrincipalKind};
use undercast_kernel::store::Read;
use undercast_kernel::{Access, AwsError, Behind, Cx, Failure, Result};
use undercast_wire::Value;
use undercast_wire::text::percent_decode;

use super::rows::{ACCOUNTS, ALIASES, MULTI, MULTI_ALIASES, Multi, POINTS, Point};
use super::{block, error};
use crate::rows::{BUCKETS, Block, Bucket};

/// Operations that can be asked of an access point.
const SUPPORTED: &[&str] = &[
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "DeleteObject",
    "DeleteObjectAnnotation",
    "DeleteObjectTagging",
    "DeleteObjects",
    "GetBucketAcl",
    "GetBucketCors",
    "GetBucketLocation",
    "GetBucketNotificationConfiguration",
    "GetBucketPolicy",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAnnotation",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "HeadBucket",
    "HeadObject",
    "ListMultipartUploads",
    // That annotations can be asked of access points is what IAM's list of their resources says.
    "ListObjectAnnotations",
    "ListObjectVersions",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "PutObjectAcl",
    "PutObjectAnnotation",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "RestoreObject",
    "UploadPart",
    "UploadPartCopy",
];

/// Of those, what cannot be asked of a multi-region access point.
///
/// Source: "Using Multi-Region Access Points with supported API operations" in the user guide.
const OF_ONE_REGION: &[&str] = &[
    "DeleteObjectAnnotation",
    "DeleteObjects",
    "GetBucketAcl",
    "GetBucketCors",
    "GetBucketLocation",
    "GetBucketNotificationConfiguration",
    "GetBucketPolicy",
    "GetObjectAnnotation",
    "GetObjectAttributes",
    "HeadBucket",
    "ListObjectAnnotations",
    "ListObjectVersions",
    "PutObjectAnnotation",
];

/// The end of every alias of an access point.
const ALIAS: &str = "-s3alias";

/// The access point through which a bucket was reached.
#[derive(Debug, PartialEq)]
pub(crate) struct Via {
    pub(crate) arn: String,
    account: String,
    /// It was called by its alias.
    pub(crate) alias: bool,
    /// It answers in every region.
    pub(crate) everywhere: bool,
    origin: &'static str,
    policy: Option<String>,
    public: bool,
    /// Its own Block Public Access.
    pub(crate) block: Block,
    tags: BTreeMap<String, String>,
}

/// What a call says in the place of a bucket's name.
fn is_point(name: &str) -> bool {
    name.starts_with("arn:") || name.ends_with(ALIAS) || is_multi_region(name)
}

/// The alias of a multi-region access point, which stands in its ARN and its host as well.
pub(crate) fn is_multi_region(alias: &str) -> bool {
    alias.ends_with(".mrap")
}

/// The multi-region access point with an alias.
pub(crate) fn multi_region(from: &(impl Read + ?Sized), alias: &str) -> Result<Option<Multi>> {
    let Some((account, name)) = MULTI_ALIASES.get(from, &(alias,))? else { return Ok(None) };
    Ok(MULTI.get(from, &(&account, &name))?)
}

/// The bucket behind an access point; `None`: the name is a bucket's own.
pub(crate) fn find(from: &(impl Read + ?Sized), name: &str) -> Result<Option<Bucket>> {
    if !is_point(name) {
        return Ok(None);
    }
    let arn = of_arn(name);
    let alias = arn.as_ref().map_or(name, |(_, _, name)| name);
    if is_multi_region(alias) {
        let multi =
            multi_region(from, alias)?.filter(|m| arn.as_ref().is_none_or(|(account, _, _)| *account == m.account));
        return nearest(from, multi.ok_or_else(|| super::multi_region::missing(alias))?, arn.is_none()).map(Some);
    }
    let alias = name.ends_with(ALIAS) && !name.starts_with("arn:");
    let place = if alias {
        ALIASES.get(from, &(name,))?.ok_or_else(|| crate::error::no_such_bucket(name))?
    } else {
        arn.ok_or_else(|| crate::error::invalid_bucket_name(name))?
    };
    let point = POINTS.get(from, &(&place.0, &place.1, &place.2))?.ok_or_else(|| error::no_such_point(&place.2))?;
    // Nothing here is in a VPC, so nobody reaches it.
    if point.vpc.is_some() {
        return Err(error::access_denied().into());
    }
    behind(from, point, alias).map(Some)
}

/// The bucket behind an access point that a path names, as it was sent. `None`: it names none that is there.
pub(crate) fn of_path(from: &(impl Read + ?Sized), name: &str) -> Option<Bucket> {
    // Most names are those of buckets, which are told without taking them apart.
    if !(name.contains('%') || is_point(name)) {
        return None;
    }
    let name = percent_decode(name, false).filter(|name| is_point(name))?;
    find(from, &name).ok().flatten()
}

/// The bucket that was there when its access point was made: another one may have its name by now.
fn reached(from: &(impl Read + ?Sized), name: &str, account: &str, region: &str) -> Result<Bucket> {
    let found = BUCKETS.get(from, &(name,))?.filter(|b| b.account == account && b.region == region);
    Ok(found.ok_or_else(|| crate::error::no_such_bucket(name))?)
}

/// The bucket behind a multi-region access point that is the nearest of the active ones.
fn nearest(from: &(impl Read + ?Sized), multi: Multi, alias: bool) -> Result<Bucket> {
    let missing = || crate::error::no_such_bucket(&multi.name);
    let route = multi.nearest().ok_or_else(missing)?;
    let bucket = reached(from, &route.bucket, &route.account, &route.region)?;
    let via = Via {
        arn: multi.arn(),
        alias,
        everywhere: true,
        origin: super::rows::origin(false),
        public: multi.public,
        block: multi.block,
        tags: BTreeMap::new(),
        policy: multi.policy,
        account: multi.account,
    };
    Ok(Bucket { via: Some(Arc::new(via)), ..bucket })
}

fn behind(from: &(impl Read + ?Sized), point: Point, alias: bool) -> Result<Bucket> {
    let bucket = reached(from, &point.bucket, &point.bucket_account, &point.region)?;
    let via = Via {
        arn: point.arn(),
        alias,
        everywhere: false,
        origin: point.origin(),
        public: point.public,
        block: point.block,
        tags: point.tags,
        policy: point.policy,
        account: point.account,
    };
    Ok(Bucket { via: Some(Arc::new(via)), ..bucket })
}

/// Account, region and name in the ARN of an access point.
pub(crate) fn of_arn(text: &str) -> Option<(String, String, String)> {
    let arn = Arn::parse(text).filter(|arn| arn.service == "s3")?;
    let name = arn.resource.strip_prefix("accesspoint")?.strip_prefix(['/', ':'])?;
    (!name.is_empty() && !name.contains('/')).then(|| (arn.account.clone(), arn.region.clone(), name.to_owned()))
}

/// The access point and the key in the ARN of an object: `arn:…:accesspoint/name/object/key`.
pub(crate) fn object(text: &str) -> Option<(String, String)> {
    let (point, key) = text.split_once("/object/")?;
    of_arn(point)?;
    (!key.is_empty()).then(|| (point.to_owned(), key.to_owned()))
}

/// The answer to what cannot be asked of an access point.
pub(crate) fn refusal(operation: usize, input: &Value) -> Option<AwsError> {
    let name = crate::api::SERVICE.operations.get(operation)?.name;
    // Of a new bucket it is the name of the bucket, and a bad one.
    let bucket = input.text("Bucket").filter(|b| is_point(b) && name != "CreateBucket")?;
    if SUPPORTED.contains(&name) && !(is_multi_region(bucket) && OF_ONE_REGION.contains(&name)) {
        return None;
    }
    let message = "The specified method is not allowed against this resource.";
    Some(AwsError::new("MethodNotAllowed", 405, message).with("ResourceType", "ACCESS_POINT"))
}

/// An access point with what decides over it.
pub(crate) struct Guard {
    via: Arc<Via>,
    policy: Option<Arc<Policy>>,
}

impl Guard {
    /// That of a bucket that was reached through one.
    pub(crate) fn of(cx: &Cx, from: &(impl Read + ?Sized), bucket: &Bucket) -> Result<Option<Self>> {
        let Some(via) = bucket.via.clone() else { return Ok(None) };
        let mut text = via.policy.as_deref();
        let outside =
            cx.principal().account != via.account && !matches!(cx.principal().kind, PrincipalKind::Service { .. });
        // RestrictPublicBuckets, wherever it is on, leaves a public policy to the account and to services.
        if via.public && outside {
            let account = ACCOUNTS.get(from, &(&via.account,))?.is_some_and(|b| b.restrict);
            if account || block::of(from, bucket)?.restrict {
                text = None;
            }
        }
        let policy = text.map(|t| cx.policies().compile(PolicyKind::Resource, t)).transpose();
        Ok(Some(Self { via, policy: policy.map_err(Failure::broken)? }))
    }

    /// What a call needs of the access point, with what it needs of the bucket behind it.
    pub(crate) fn before(&self, access: Access, bucket: &Bucket) -> Access {
        let inside = access.resource.strip_prefix(&bucket.arn()).and_then(|rest| rest.strip_prefix('/'));
        let resource = inside.map_or_else(|| self.via.arn.clone(), |key| format!("{}/object/{key}", self.via.arn));
        let behind = Behind {
            resource: access.resource,
            account: access.resource_account.unwrap_or_default(),
            policies: access.policies,
        };
        let mut access = Access::new(access.action, resource).in_account(self.via.account.as_str());
        if let Some(policy) = &self.policy {
            access = access.with_policy(&format!("policy of {}", self.via.arn), policy.clone());
        }
        access.behind.push(behind);
        access.context.set("s3:DataAccessPointArn", self.via.arn.as_str());
        access.context.set("s3:DataAccessPointAccount", self.via.account.as_str());
        access.context.set("s3:AccessPointNetworkOrigin", self.via.origin);
        for (key, value) in &self.via.tags {
            access.context.set(&format!("s3:AccessPointTag/{key}"), value.as_str());
        }
        access
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_of_access_points_and_of_what_is_in_them() {
        let arn = "arn:aws:s3:us-east-1:000000000000:accesspoint/ap";
        let place = |account: &str, region: &str, name: &str| Some((account.into(), region.into(), name.into()));
        for (text, wanted) in [
            (arn, place("000000000000", "us-east-1", "ap")),
            ("arn:aws:s3:us-east-1:000000000000:accesspoint:ap", place("000000000000", "us-east-1", "ap")),
            ("arn:aws:s3:::bucket", None),
            ("arn:aws:sqs:us-east-1:000000000000:accesspoint/ap", None),
            ("arn:aws:s3:us-east-1:000000000000:accesspoint/", None),
        ] {
            assert_eq!(of_arn(text), wanted, "{text}");
        }
        assert_eq!(object(&format!("{arn}/object/a/b")), Some((arn.to_owned(), "a/b".to_owned())));
        assert_eq!(object(&format!("{arn}/object/")), None);
        assert_eq!(object("arn:aws:s3:::b/object/k"), None);
    }
}
