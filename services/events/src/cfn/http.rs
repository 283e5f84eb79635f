//! `AWS::Events::Connection` and `AWS::Events::ApiDestination`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, text, unless_gone};
use undercast_kernel::{AwsError, Cx, Result};

use super::{GONE, call};

/// `AWS::Events::Connection`
pub(crate) struct Connection;

/// `AWS::Events::ApiDestination`
pub(crate) struct ApiDestination;

/// What is whole is kept as it is; flags of templates may be texts.
fn mend(value: &mut Json) {
    match value {
        Json::Object(members) => {
            for (name, value) in members {
                if name == "IsValueSecret" {
                    *value = json!(text(value) == "true");
                } else {
                    mend(value);
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(mend),
        Json::Number(_) | Json::Bool(_) => *value = json!(text(value)),
        _ => {}
    }
}

/// The texts of a template, and nothing where it is silent, which an update says in so many words.
fn texts(request: &ResourceRequest, members: &[&str], empty: bool) -> Json {
    let mut input = json!({});
    for member in members {
        match request.text(member) {
            Some(value) => input[*member] = json!(value),
            None if empty => input[*member] = json!(""),
            None => {}
        }
    }
    input
}

/// A connection or a destination. In policies their ARNs go without the part that differs with every life of the name.
fn resource(name: &str, arn: &Json) -> Resource {
    let whole = arn.as_str().unwrap_or_default();
    let short = whole.rsplit_once('/').map_or(whole, |(short, _)| short);
    Resource::new(name, [("Arn", arn.clone()), ("ArnForPolicy", json!(short))])
}

fn connection(name: &str, request: &ResourceRequest, update: bool) -> Json {
    let mut input = texts(request, &["Description", "KmsKeyIdentifier"], update);
    input["Name"] = json!(name);
    if let Some(kind) = request.text("AuthorizationType") {
        input["AuthorizationType"] = json!(kind);
    }
    if let Some(parameters) = request.properties.get("AuthParameters") {
        let mut parameters = parameters.clone();
        mend(&mut parameters);
        input["AuthParameters"] = parameters;
    }
    input
}

fn destination(name: &str, request: &ResourceRequest, update: bool) -> Result<Json> {
    let mut input = texts(request, &["Description"], update);
    input["Name"] = json!(name);
    for member in ["ConnectionArn", "InvocationEndpoint", "HttpMethod"] {
        if let Some(value) = request.text(member) {
            input[member] = json!(value);
        }
    }
    match request.properties.get("InvocationRateLimitPerSecond") {
        Some(rate) => {
            let message = "Value of property InvocationRateLimitPerSecond must be an integer";
            let wrong = || AwsError::new("ValidationError", 400, message);
            input["InvocationRateLimitPerSecond"] = json!(text(rate).parse::<i64>().map_err(|_| wrong())?);
        }
        None if update => input["InvocationRateLimitPerSecond"] = json!(300),
        None => {}
    }
    Ok(input)
}

async fn create_connection(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 64));
    let told = call(cx, "CreateConnection", connection(&name, request, false)).await?;
    Ok(resource(&name, &told["ConnectionArn"]))
}

async fn create_destination(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 64));
    let told = call(cx, "CreateApiDestination", destination(&name, request, false)?).await?;
    Ok(resource(&name, &told["ApiDestinationArn"]))
}

impl ResourceType for Connection {
    fn name(&self) -> &'static str {
        "AWS::Events::Connection"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AuthParameters", "AuthorizationType", "Description", "KmsKeyIdentifier", "Name"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(create_connection(cx, request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            let told = call(cx, "UpdateConnection", connection(id, request, true)).await?;
            Ok(Updated::InPlace(resource(id, &told["ConnectionArn"])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { unless_gone(call(cx, "DeleteConnection", json!({"Name": id})).await, GONE) })
    }
}

impl ResourceType for ApiDestination {
    fn name(&self) -> &'static str {
        "AWS::Events::ApiDestination"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["ConnectionArn", "Description", "HttpMethod", "InvocationEndpoint", "InvocationRateLimitPerSecond", "Name"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(create_destination(cx, request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            let told = call(cx, "UpdateApiDestination", destination(id, request, true)?).await?;
            Ok(Updated::InPlace(resource(id, &told["ApiDestinationArn"])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { unless_gone(call(cx, "DeleteApiDestination", json!({"Name": id})).await, GONE) })
    }
}
