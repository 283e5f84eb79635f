//! `AWS::S3::Bucket` and `AWS::S3::BucketPolicy`.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, text, unless_gone};
use undercast_kernel::{Cx, Failure, Result, regions};

/// `AWS::S3::Bucket`
pub(crate) struct Bucket;

/// `AWS::S3::BucketPolicy`
pub(crate) struct BucketPolicy;

fn bucket_resource(cx: &Cx, name: &str) -> Resource {
    let (region, suffix) = (cx.region(), regions::url_suffix(cx.partition()));
    // Where websites are, the older regions have a hyphen and the newer ones a dot.
    let older = [
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
    let joint = if older.contains(&region) { '-' } else { '.' };
    let attributes = [
        ("Arn", format!("arn:{}:s3:::{name}", cx.partition())),
        ("DomainName", format!("{name}.s3.{suffix}")),
        ("RegionalDomainName", format!("{name}.s3.{region}.{suffix}")),
        ("DualStackDomainName", format!("{name}.s3.dualstack.{region}.{suffix}")),
        ("WebsiteURL", format!("http://{name}.s3-website{joint}{region}.{suffix}")),
    ];
    Resource::new(name, attributes.map(|(attribute, value)| (attribute, Json::from(value))))
}

/// Notification settings in S3's words: CloudFormation has other names for nearly all of them.
fn notification(property: &Json) -> Result<Json> {
    let mut out = Map::new();
    let kinds = [
        ("QueueConfigurations", "Queue", "QueueConfigurations", "QueueArn"),
        ("TopicConfigurations", "Topic", "TopicConfigurations", "TopicArn"),
        ("LambdaConfigurations", "Function", "LambdaFunctionConfigurations", "LambdaFunctionArn"),
    ];
    let Json::Object(given) = property else {
        return Err(Failure::not_built("a NotificationConfiguration that is no object"));
    };
    if let Some(other) = given.keys().find(|k| !kinds.iter().any(|(name, ..)| name == k)) {
        return Err(Failure::not_built(format!("AWS::S3::Bucket with NotificationConfiguration.{other}")));
    }
    for (theirs, target, ours, arn) in kinds {
        let mut list = Vec::new();
        for one in given.get(theirs).and_then(Json::as_array).into_iter().flatten() {
            let rules = one.pointer("/Filter/S3Key/Rules").and_then(Json::as_array);
            let rules: Vec<Json> = rules
                .into_iter()
                .flatten()
                .map(|r| json!({"Name": r.get("Name").and_then(Json::as_str).map(str::to_lowercase), "Value": r.get("Value")}))
                .collect();
            let mut entry = json!({arn: one.get(target), "Events": [one.get("Event")]});
            if !rules.is_empty()
                && let Some(entry) = entry.as_object_mut()
            {
                entry.insert("Filter".to_owned(), json!({"Key": {"FilterRules": rules}}));
            }
            list.push(entry);
        }
        if !list.is_empty() {
            out.insert(ours.to_owned(), Json::Array(list));
        }
    }
    Ok(Json::Object(out))
}

/// Sets everything but the name; what the template no longer says goes back to what new buckets have.
async fn configure(cx: &Cx, name: &str, before: Option<&Properties>, request: &ResourceRequest) -> Result<()> {
    let now = |property: &str| request.properties.get(property).filter(|v| !v.is_null());
    let was = |property: &str| before.is_some_and(|b| b.contains_key(property));
    let all = request.all_tags()?;
    if !all.is_empty() {
        cx.call("s3", "PutBucketTagging", json!({"Bucket": name, "Tagging": {"TagSet": all.list()}})).await?;
    } else if was("Tags") {
        cx.call("s3", "DeleteBucketTagging", json!({"Bucket": name})).await?;
    }
    if let Some(block) = now("PublicAccessBlockConfiguration") {
        cx.call("s3", "PutPublicAccessBlock", json!({"Bucket": name, "PublicAccessBlockConfiguration": block})).await?;
    } else if was("PublicAccessBlockConfiguration") {
        let all = json!({"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true});
        cx.call("s3", "PutPublicAccessBlock", json!({"Bucket": name, "PublicAccessBlockConfiguration": all})).await?;
    }
    if let Some(controls) = now("OwnershipControls") {
        cx.call("s3", "PutBucketOwnershipControls", json!({"Bucket": name, "OwnershipControls": controls})).await?;
    }
    let versioning = now("VersioningConfiguration")
        .cloned()
        .or_else(|| was("VersioningConfiguration").then(|| json!({"Status": "Suspended"})));
    if let Some(versioning) = versioning {
        cx.call("s3", "PutBucketVersioning", json!({"Bucket": name, "VersioningConfiguration": versioning})).await?;
    }
    if let Some(given) = now("NotificationConfiguration") {
        let input = json!({"Bucket": name, "NotificationConfiguration": notification(given)?});
        cx.call("s3", "PutBucketNotificationConfiguration", input).await?;
    } else if was("NotificationConfiguration") {
        cx.call("s3", "PutBucketNotificationConfiguration", json!({"Bucket": name, "NotificationConfiguration": {}}))
            .await?;
    }
    Ok(())
}

async fn create_bucket(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let name = request.text("BucketName").unwrap_or_else(|| request.generated_name(cx, 63).to_lowercase());
    // A template does not adopt what is there, also where S3's own CreateBucket would.
    if cx.call("s3", "HeadBucket", json!({"Bucket": name})).await.is_ok() {
        return Err(undercast_kernel::AwsError::new("AlreadyExists", 400, format!("{name} already exists")).into());
    }
    let mut input = json!({"Bucket": name});
    if cx.region() != regions::DEFAULT
        && let Some(input) = input.as_object_mut()
    {
        input.insert("CreateBucketConfiguration".to_owned(), json!({"LocationConstraint": cx.region()}));
    }
    cx.call("s3", "CreateBucket", input).await?;
    if let Err(failure) = configure(cx, &name, None, request).await {
        // Nobody would know of a bucket that is half made.
        unless_gone(cx.call("s3", "DeleteBucket", json!({"Bucket": name})).await, &["NoSuchBucket"])?;
        return Err(failure);
    }
    Ok(bucket_resource(cx, &name))
}

impl ResourceType for Bucket {
    fn name(&self) -> &'static str {
        "AWS::S3::Bucket"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "BucketName",
            "NotificationConfiguration",
            "OwnershipControls",
            "PublicAccessBlockConfiguration",
            "Tags",
            "VersioningConfiguration",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["BucketName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(create_bucket(cx, request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            if request.text("BucketName").is_some_and(|name| name != id) {
                return Ok(Updated::NeedsReplacement);
            }
            configure(cx, id, Some(before), request).await?;
            Ok(Updated::InPlace(bucket_resource(cx, id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(
            async move { unless_gone(cx.call("s3", "DeleteBucket", json!({"Bucket": id})).await, &["NoSuchBucket"]) },
        )
    }
}

async fn put_policy(cx: &Cx, bucket: &str, request: &ResourceRequest) -> Result<Resource> {
    let missing = || undercast_kernel::AwsError::new("ValidationError", 400, "PolicyDocument is required");
    let document = request.properties.get("PolicyDocument").ok_or_else(missing)?;
    cx.call("s3", "PutBucketPolicy", json!({"Bucket": bucket, "Policy": text(document)})).await?;
    Ok(Resource::new(bucket, []))
}

impl ResourceType for BucketPolicy {
    fn name(&self) -> &'static str {
        "AWS::S3::BucketPolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Bucket", "PolicyDocument"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Bucket"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let bucket = request
                .text("Bucket")
                .ok_or_else(|| undercast_kernel::AwsError::new("ValidationError", 400, "Bucket is required"))?;
            put_policy(cx, &bucket, request).await
        })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            if request.text("Bucket").is_none_or(|bucket| bucket != id) {
                return Ok(Updated::NeedsReplacement);
            }
            put_policy(cx, id, request).await.map(Updated::InPlace)
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let deleted = cx.call("s3", "DeleteBucketPolicy", json!({"Bucket": id})).await;
            unless_gone(deleted, &["NoSuchBucket", "NoSuchBucketPolicy"])
        })
    }
}
