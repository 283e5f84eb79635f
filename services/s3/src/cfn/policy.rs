//! `AWS::S3::BucketPolicy`

use futures_core::future::BoxFuture;
use serde_json::json;
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, unless_gone};
use undercast_kernel::{Cx, Result};

use crate::control::cfn::required;

/// `AWS::S3::BucketPolicy`
pub(crate) struct BucketPolicy;

async fn put_policy(cx: &Cx, bucket: &str, request: &ResourceRequest) -> Result<Resource> {
    let document = required(request, "PolicyDocument")?;
    cx.call("s3", "PutBucketPolicy", json!({"Bucket": bucket, "Policy": document})).await?;
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
        Box::pin(async move { put_policy(cx, &required(request, "Bucket")?, request).await })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { put_policy(cx, id, request).await.map(Updated::InPlace) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let deleted = cx.call("s3", "DeleteBucketPolicy", json!({"Bucket": id})).await;
            unless_gone(deleted, &["NoSuchBucket", "NoSuchBucketPolicy"])
        })
    }
}
