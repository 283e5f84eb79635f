//! `AWS::S3::BucketPolicy`

use futures_core::future::BoxFuture;
use serde_json::json;
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, text, unless_gone};
use undercast_kernel::{AwsError, Cx, Result};

/// `AWS::S3::BucketPolicy`
pub(crate) struct BucketPolicy;

async fn put_policy(cx: &Cx, bucket: &str, request: &ResourceRequest) -> Result<Resource> {
    let missing = || AwsError::new("ValidationError", 400, "PolicyDocument is required");
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
            let bucket =
                request.text("Bucket").ok_or_else(|| AwsError::new("ValidationError", 400, "Bucket is required"))?;
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
