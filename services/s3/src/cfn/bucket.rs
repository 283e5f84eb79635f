//! `AWS::S3::Bucket`: made, changed, removed.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceTags, ResourceType, Updated, pick, unless_gone,
};
use undercast_kernel::{AwsError, Cx, Failure, Result, regions};

use super::form::Form;
use super::settings::{self, Call};
use crate::bucket::own_suffix;

/// `AWS::S3::Bucket`
pub(crate) struct Bucket;

/// The Regions whose websites have a hyphen in their host; in newer ones it is a dot.
///
/// Source: "Amazon S3 website endpoints" in the general reference.
const HYPHEN: [&str; 9] = [
    "us-east-1",
    "us-west-1",
    "us-west-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "eu-west-1",
    "sa-east-1",
    "us-gov-west-1",
];

fn resource(cx: &Cx, name: &str) -> Resource {
    let (region, suffix) = (cx.region(), regions::url_suffix(cx.partition()));
    let joint = if HYPHEN.contains(&region) { '-' } else { '.' };
    let attributes = [
        ("Arn", format!("arn:{}:s3:::{name}", cx.partition())),
        ("DomainName", format!("{name}.s3.{suffix}")),
        ("RegionalDomainName", format!("{name}.s3.{region}.{suffix}")),
        ("DualStackDomainName", format!("{name}.s3.dualstack.{region}.{suffix}")),
        // Websites have no TLS, on AWS neither.
        ("WebsiteURL", format!("http://{}", cx.site_host(&format!("{name}.s3-website{joint}{region}")))),
    ];
    Resource::new(name, attributes.map(|(attribute, value)| (attribute, Json::from(value))))
}

async fn one(cx: &Cx, call: Call) -> Result<()> {
    // A configuration that somebody has deleted need not be deleted.
    unless_gone(cx.call("s3", call.operation, call.input).await, &["NoSuchConfiguration"])
}

async fn apply(cx: &Cx, calls: Vec<Call>) -> Result<()> {
    for call in calls {
        one(cx, call).await?;
    }
    Ok(())
}

/// Takes back what has been done of a change that failed; the change's own failure is what is told.
async fn revert(cx: &Cx, calls: Vec<Call>) {
    for call in calls {
        let operation = call.operation;
        if let Err(failure) = one(cx, call).await {
            tracing::warn!(operation, %failure, "a change that failed could not be taken back");
        }
    }
}

/// The name that the bucket gets. In the account's own namespace names have a suffix, which stands behind a prefix that the
/// template gives, too.
///
/// Source: "BucketNamePrefix" in the reference of the CDK's `Bucket`.
fn name(cx: &Cx, request: &ResourceRequest) -> Result<String> {
    let own = request.text("BucketNamespace").as_deref() == Some("account-regional");
    let suffix = if own { own_suffix(cx.account(), cx.region()) } else { String::new() };
    match (request.text("BucketName"), request.text("BucketNamePrefix")) {
        (Some(_), Some(_)) => {
            let what = "[BucketName] and [BucketNamePrefix] cannot be specified together";
            Err(AwsError::new("ValidationError", 400, format!("Model validation failed (#: {what})")).into())
        }
        (Some(name), None) => Ok(name),
        (None, Some(prefix)) if own => Ok(prefix + &suffix),
        (None, Some(_)) => Err(Failure::not_built("AWS::S3::Bucket with `BucketNamePrefix` in the global namespace")),
        (None, None) => Ok(request.generated_name(cx, 63 - suffix.len()).to_lowercase() + &suffix),
    }
}

async fn create(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let name = name(cx, request)?;
    // What has not the right form is refused before anything is made.
    let calls = settings::calls(&name, &Properties::new(), &request.properties)?;
    let tags = request.all_tags()?;
    let mut input = pick(&request.properties, &["BucketNamespace"]);
    input.insert("Bucket".to_owned(), name.as_str().into());
    if let Some(locked) = request.properties.get("ObjectLockEnabled").filter(|l| !l.is_null()) {
        input.insert("ObjectLockEnabledForBucket".to_owned(), Form::Flag.read(locked, "ObjectLockEnabled")?);
    }
    if cx.region() != regions::DEFAULT {
        input.insert("CreateBucketConfiguration".to_owned(), json!({"LocationConstraint": cx.region()}));
    }
    // A template does not adopt what is there, also where S3's own CreateBucket would.
    if cx.call("s3", "HeadBucket", json!({"Bucket": name})).await.is_ok() {
        return Err(AwsError::new("AlreadyExists", 400, format!("{name} already exists")).into());
    }
    cx.call("s3", "CreateBucket", Json::Object(input)).await?;
    if let Err(failure) = furnish(cx, &name, &tags, calls).await {
        // Nobody would know of a bucket that is half made.
        unless_gone(cx.call("s3", "DeleteBucket", json!({"Bucket": name})).await, &["NoSuchBucket"])?;
        return Err(failure);
    }
    Ok(resource(cx, &name))
}

async fn furnish(cx: &Cx, name: &str, tags: &ResourceTags, calls: Vec<Call>) -> Result<()> {
    // They come first, for they may decide who may do the rest.
    if !tags.is_empty() {
        cx.call("s3", "PutBucketTagging", json!({"Bucket": name, "Tagging": {"TagSet": tags.list()}})).await?;
    }
    apply(cx, calls).await
}

async fn update(cx: &Cx, id: &str, before: &Properties, request: &ResourceRequest) -> Result<Updated> {
    let after = &request.properties;
    let (forth, back) = (settings::calls(id, before, after)?, settings::calls(id, after, before)?);
    let tags = request.all_tags()?;
    let mut done = apply(cx, forth).await;
    if done.is_ok() {
        // They come last, for one call sets them, or does not.
        done = set_tags(cx, id, &tags).await;
    }
    if let Err(failure) = done {
        revert(cx, back).await;
        return Err(failure);
    }
    Ok(Updated::InPlace(resource(cx, id)))
}

/// Gives a bucket these tags and no others.
async fn set_tags(cx: &Cx, name: &str, tags: &ResourceTags) -> Result<()> {
    let there = match cx.call("s3", "GetBucketTagging", json!({"Bucket": name})).await {
        Ok(found) => found.get("TagSet").cloned().unwrap_or_default(),
        Err(failure) if failure.code() == Some("NoSuchTagSet") => json!([]),
        Err(failure) => return Err(failure),
    };
    let sorted = |list: &Json| {
        let tags = list.as_array().into_iter().flatten();
        let mut pairs: Vec<_> = tags.map(|t| (t["Key"].to_string(), t["Value"].to_string())).collect();
        pairs.sort();
        pairs
    };
    if sorted(&there) == sorted(&tags.list()) {
        return Ok(());
    }
    let abac = cx.call("s3", "GetBucketAbac", json!({"Bucket": name})).await?;
    if abac.pointer("/AbacStatus/Status").is_some_and(|status| status == "Enabled") {
        return set_tags_by_arn(cx, name, tags, &there).await;
    }
    if tags.is_empty() {
        cx.call("s3", "DeleteBucketTagging", json!({"Bucket": name})).await?;
    } else {
        cx.call("s3", "PutBucketTagging", json!({"Bucket": name, "Tagging": {"TagSet": tags.list()}})).await?;
    }
    Ok(())
}

/// Where tags decide who may, they are changed with S3 Control's operations alone.
async fn set_tags_by_arn(cx: &Cx, name: &str, tags: &ResourceTags, there: &Json) -> Result<()> {
    let call = async |operation: &str, more: (&str, Json)| {
        let input = Map::from_iter([
            ("AccountId".to_owned(), cx.account().into()),
            ("ResourceArn".to_owned(), format!("arn:{}:s3:::{name}", cx.partition()).into()),
            (more.0.to_owned(), more.1),
        ]);
        cx.call("s3control", operation, Json::Object(input)).await
    };
    if !tags.is_empty() {
        call("TagResource", ("Tags", tags.list())).await?;
    }
    let unwanted = tags.unwanted(there);
    if !unwanted.is_empty() {
        call("UntagResource", ("TagKeys", unwanted.into())).await?;
    }
    Ok(())
}

impl ResourceType for Bucket {
    fn name(&self) -> &'static str {
        "AWS::S3::Bucket"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "AbacStatus",
            "AccelerateConfiguration",
            "AccessControl",
            "AnalyticsConfigurations",
            "BucketEncryption",
            "BucketName",
            "BucketNamePrefix",
            "BucketNamespace",
            "CorsConfiguration",
            "IntelligentTieringConfigurations",
            "InventoryConfigurations",
            "LifecycleConfiguration",
            "LoggingConfiguration",
            "MetricsConfigurations",
            "NotificationConfiguration",
            "ObjectLockConfiguration",
            "ObjectLockEnabled",
            "OwnershipControls",
            "PublicAccessBlockConfiguration",
            "ReplicationConfiguration",
            "Tags",
            "VersioningConfiguration",
            "WebsiteConfiguration",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["BucketName", "BucketNamePrefix", "BucketNamespace", "ObjectLockEnabled"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(create(cx, request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(update(cx, id, before, request))
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(
            async move { unless_gone(cx.call("s3", "DeleteBucket", json!({"Bucket": id})).await, &["NoSuchBucket"]) },
        )
    }
}
