//! `AWS::Logs::LogGroup`.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated};
use undercast_kernel::{Cx, Result};

/// `AWS::Logs::LogGroup`
pub(crate) struct LogGroup;

/// The tags of a group: the stack's, and its own on top.
fn tags(request: &ResourceRequest) -> Map<String, Json> {
    let mut out: Map<String, Json> = request.tags.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
    for tag in request.properties.get("Tags").and_then(Json::as_array).into_iter().flatten() {
        if let (Some(key), Some(value)) = (tag["Key"].as_str(), tag.get("Value")) {
            out.insert(key.to_owned(), value.clone());
        }
    }
    out
}

fn describe(cx: &Cx, name: &str) -> Resource {
    let arn = cx.arn("logs", &format!("log-group:{name}:*"));
    Resource { id: name.to_owned(), attributes: Map::from_iter([("Arn".to_owned(), json!(arn))]) }
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
            let tags = tags(request);
            if !tags.is_empty() {
                input["tags"] = Json::Object(tags);
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
            let wanted = tags(request);
            let there = cx.call("logs", "ListTagsLogGroup", json!({"logGroupName": id})).await?;
            let gone: Vec<&String> = there["tags"]
                .as_object()
                .into_iter()
                .flat_map(Map::keys)
                .filter(|k| !wanted.contains_key(*k))
                .collect();
            if !gone.is_empty() {
                cx.call("logs", "UntagLogGroup", json!({"logGroupName": id, "tags": gone})).await?;
            }
            if !wanted.is_empty() {
                cx.call("logs", "TagLogGroup", json!({"logGroupName": id, "tags": wanted})).await?;
            }
            Ok(Updated::InPlace(describe(cx, id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            match cx.call("logs", "DeleteLogGroup", json!({"logGroupName": id})).await {
                Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(()),
                other => other.map(drop),
            }
        })
    }
}
