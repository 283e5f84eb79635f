//! `AWS::Events::Archive`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, text, unless_gone};
use undercast_kernel::{AwsError, Cx, Result};

use super::{GONE, call};

/// `AWS::Events::Archive`
pub(crate) struct Archive;

fn input(name: &str, request: &ResourceRequest) -> Result<Json> {
    let mut input = json!({"ArchiveName": name});
    for member in ["Description", "EventPattern"] {
        if let Some(value) = request.text(member) {
            input[member] = json!(value);
        }
    }
    if let Some(days) = request.properties.get("RetentionDays") {
        let wrong = || AwsError::new("ValidationError", 400, "Value of property RetentionDays must be an integer");
        input["RetentionDays"] = json!(text(days).parse::<i64>().map_err(|_| wrong())?);
    }
    Ok(input)
}

fn resource(name: &str, told: &Json) -> Resource {
    Resource::new(name, [("Arn", told["ArchiveArn"].clone())])
}

async fn create(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let name = request.text("ArchiveName").unwrap_or_else(|| request.generated_name(cx, 48));
    let mut input = input(&name, request)?;
    input["EventSourceArn"] = json!(request.text("SourceArn"));
    Ok(resource(&name, &call(cx, "CreateArchive", input).await?))
}

async fn update(cx: &Cx, name: &str, before: &Properties, request: &ResourceRequest) -> Result<Updated> {
    let after = &request.properties;
    // An archive cannot be told to want everything again.
    if before.contains_key("EventPattern") && !after.contains_key("EventPattern") {
        return Ok(Updated::NeedsReplacement);
    }
    let mut input = input(name, request)?;
    if !after.contains_key("RetentionDays") {
        input["RetentionDays"] = json!(0);
    }
    if !after.contains_key("Description") {
        input["Description"] = json!("");
    }
    Ok(Updated::InPlace(resource(name, &call(cx, "UpdateArchive", input).await?)))
}

impl ResourceType for Archive {
    fn name(&self) -> &'static str {
        "AWS::Events::Archive"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["ArchiveName", "Description", "EventPattern", "RetentionDays", "SourceArn"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["ArchiveName", "SourceArn"]
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
        Box::pin(async move { unless_gone(call(cx, "DeleteArchive", json!({"ArchiveName": id})).await, GONE) })
    }
}
