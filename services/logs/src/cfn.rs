//! `AWS::Logs::LogGroup`.

use futures_core::future::BoxFuture;
use serde_json::json;
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, unless_gone};
use undercast_kernel::{Cx, Result};

/// `AWS::Logs::LogGroup`
pub(crate) struct LogGroup;

fn describe(cx: &Cx, name: &str) -> Resource {
    let arn = cx.arn("logs", &format!("log-group:{name}:*"));
    Resource::new(name, [("Arn", json!(arn))])
}

async fn set_retention(cx: &Cx, name: &str, request: &ResourceRequest) -> Result<()> {
    let (operation, input) = match request.properties.get("RetentionInDays") {
        Some(days) => ("PutRetentionPolicy", json!({"logGroupName": name, "retentionInDays": days})),
        None => ("DeleteRetentionPolicy", json!({"logGroupName": name})),
    };
    cx.call("logs", operation, input).await.map(drop)
}

impl ResourceType for LogGroup {
    fn name(&self) -> &'static str {
        "AWS::Logs::LogGroup"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["LogGroupClass", "LogGroupName", "RetentionInDays", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["LogGroupClass", "LogGroupName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("LogGroupName").unwrap_or_else(|| request.generated_name(cx, 512));
            let mut input = json!({"logGroupName": name});
            if let Some(class) = request.text("LogGroupClass") {
                input["logGroupClass"] = json!(class);
            }
            let tags = request.all_tags()?;
            if !tags.is_empty() {
                input["tags"] = tags.map();
            }
            cx.call("logs", "CreateLogGroup", input).await?;
            if request.properties.contains_key("RetentionInDays") {
                set_retention(cx, &name, request).await?;
            }
            Ok(describe(cx, &name))
        })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            if before.get("RetentionInDays") != request.properties.get("RetentionInDays") {
                set_retention(cx, id, request).await?;
            }
            let wanted = request.all_tags()?;
            let there = cx.call("logs", "ListTagsLogGroup", json!({"logGroupName": id})).await?;
            let gone = wanted.unwanted(&there["tags"]);
            if !gone.is_empty() {
                cx.call("logs", "UntagLogGroup", json!({"logGroupName": id, "tags": gone})).await?;
            }
            if !wanted.is_empty() {
                cx.call("logs", "TagLogGroup", json!({"logGroupName": id, "tags": wanted.map()})).await?;
            }
            Ok(Updated::InPlace(describe(cx, id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let removed = cx.call("logs", "DeleteLogGroup", json!({"logGroupName": id})).await;
            unless_gone(removed, &["ResourceNotFoundException"])
        })
    }
}
