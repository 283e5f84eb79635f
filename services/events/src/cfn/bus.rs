//! `AWS::Events::EventBus` and `AWS::Events::EventBusPolicy`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, text, unless_gone};
use undercast_kernel::{AwsError, Cx, Failure, Result};

use super::{GONE, call, retag};

/// `AWS::Events::EventBus`
pub(crate) struct EventBus;

async fn described(cx: &Cx, name: &str) -> Result<Resource> {
    let told = call(cx, "DescribeEventBus", json!({"Name": name})).await?;
    let policy = told.get("Policy").cloned().unwrap_or_else(|| json!(""));
    Ok(Resource::new(name, [("Arn", told["Arn"].clone()), ("Name", json!(name)), ("Policy", policy)]))
}

async fn create_bus(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 256));
    let mut input = json!({"Name": name, "Tags": request.all_tags()?.list()});
    for member in ["Description", "EventSourceName"] {
        if let Some(value) = request.text(member) {
            input[member] = json!(value);
        }
    }
    call(cx, "CreateEventBus", input).await?;
    if let Some(policy) = request.text("Policy")
        && let Err(failure) = call(cx, "PutPermission", json!({"EventBusName": name, "Policy": policy})).await
    {
        // The stack never hears of this bus, so nobody else would remove it.
        call(cx, "DeleteEventBus", json!({"Name": name})).await?;
        return Err(failure);
    }
    described(cx, &name).await
}

async fn update_bus(cx: &Cx, name: &str, before: &Properties, request: &ResourceRequest) -> Result<Resource> {
    let after = &request.properties;
    if before.get("Description") != after.get("Description") {
        let description = request.text("Description").unwrap_or_default();
        call(cx, "UpdateEventBus", json!({"Name": name, "Description": description})).await?;
    }
    if before.get("Policy") != after.get("Policy") {
        match request.text("Policy") {
            Some(policy) => call(cx, "PutPermission", json!({"EventBusName": name, "Policy": policy})).await?,
            None => call(cx, "RemovePermission", json!({"EventBusName": name, "RemoveAllPermissions": true})).await?,
        };
    }
    let resource = described(cx, name).await?;
    retag(cx, resource.attributes["Arn"].as_str().unwrap_or_default(), request).await?;
    Ok(resource)
}

impl ResourceType for EventBus {
    fn name(&self) -> &'static str {
        "AWS::Events::EventBus"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Description", "EventSourceName", "Name", "Policy", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["EventSourceName", "Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(create_bus(cx, request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { Ok(Updated::InPlace(update_bus(cx, id, before, request).await?)) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { unless_gone(call(cx, "DeleteEventBus", json!({"Name": id})).await, GONE) })
    }
}

/// `AWS::Events::EventBusPolicy`
pub(crate) struct EventBusPolicy;

/// Bus and statement of a policy.
fn place(properties: &Properties) -> (String, String) {
    let of = |name: &str| properties.get(name).map(text);
    (of("EventBusName").unwrap_or_else(|| "default".to_owned()), of("StatementId").unwrap_or_default())
}

/// The policy of the bus with the statement in it.
async fn with_statement(cx: &Cx, bus: &str, id: &str, statement: &Json) -> Result<String> {
    let told = call(cx, "DescribeEventBus", json!({"Name": bus})).await?;
    let mut policy = match told["Policy"].as_str() {
        Some(text) => serde_json::from_str(text).map_err(Failure::broken)?,
        None => json!({"Version": "2012-10-17", "Statement": []}),
    };
    let invalid = || AwsError::new("ValidationError", 400, "Value of property Statement must be an object");
    let mut statement = statement.clone();
    statement.as_object_mut().ok_or_else(invalid)?.insert("Sid".to_owned(), json!(id));
    if let Json::Array(all) = &mut policy["Statement"] {
        all.retain(|there| there["Sid"] != *id);
        all.push(statement);
    }
    Ok(policy.to_string())
}

async fn put_policy(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let (bus, id) = place(&request.properties);
    let input = match request.properties.get("Statement") {
        Some(statement) => {
            // A template may have it as text.
            let parsed = statement.as_str().and_then(|text| serde_json::from_str(text).ok());
            let statement = parsed.unwrap_or_else(|| statement.clone());
            json!({"EventBusName": bus, "Policy": with_statement(cx, &bus, &id, &statement).await?})
        }
        None => {
            let mut input = json!({"EventBusName": bus, "StatementId": id});
            for name in ["Action", "Principal", "Condition"] {
                if let Some(value) = request.properties.get(name) {
                    input[name] = if name == "Condition" { value.clone() } else { json!(text(value)) };
                }
            }
            input
        }
    };
    call(cx, "PutPermission", input).await?;
    Ok(Resource::new(format!("{bus}|{id}"), []))
}

impl ResourceType for EventBusPolicy {
    fn name(&self) -> &'static str {
        "AWS::Events::EventBusPolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Action", "Condition", "EventBusName", "Principal", "Statement", "StatementId"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["EventBusName", "StatementId"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(put_policy(cx, request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { Ok(Updated::InPlace(put_policy(cx, request).await?)) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, _id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (bus, id) = place(properties);
            let input = json!({"EventBusName": bus, "StatementId": id});
            unless_gone(call(cx, "RemovePermission", input).await, GONE)
        })
    }
}
