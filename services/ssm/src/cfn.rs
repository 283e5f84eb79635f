//! `AWS::SSM::Parameter` and `AWS::SSM::ResourcePolicy`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, pick, text, unless_gone,
};
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::SERVICE;

pub(crate) fn types() -> Vec<Box<dyn ResourceType>> {
    vec![Box::new(Parameter), Box::new(ResourcePolicy)]
}

/// `AWS::SSM::Parameter`
struct Parameter;

/// Properties that are parameters of the same name and form.
const GIVEN: &[&str] = &["AllowedPattern", "DataType", "Description", "Policies", "Tier", "Type", "Value"];

/// Its tags, which are a map, on top of the stack's.
fn tags(request: &ResourceRequest) -> Vec<(String, String)> {
    let own = request.properties.get("Tags").and_then(Json::as_object);
    let own: Vec<(String, String)> =
        own.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect();
    let mut all = request.tags.clone();
    all.retain(|(name, _)| !own.iter().any(|(other, _)| other == name));
    all.extend(own);
    all
}

fn list(tags: &[(String, String)]) -> Json {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

fn resource(name: &str, properties: &Properties) -> Resource {
    let of = |property: &str| properties.get(property).cloned().unwrap_or(Json::Null);
    Resource::new(name, [("Type", of("Type")), ("Value", of("Value"))])
}

async fn with_arn(cx: &Cx, name: &str, properties: &Properties) -> Result<Resource> {
    let mut made = resource(name, properties);
    let found = cx.call(SERVICE, "GetParameter", json!({"Name": name})).await?;
    made.attributes.insert("Arn".to_owned(), found["Parameter"]["ARN"].clone());
    Ok(made)
}

/// CloudFormation makes no secure strings.
fn check(properties: &Properties) -> Result<()> {
    if properties.get("Type").is_some_and(|kind| kind == "SecureString") {
        let message =
            "Model validation failed (#/Type: #: only 1 subschema matches out of 2): SecureString is not supported.";
        return Err(AwsError::new("ValidationError", 400, message).into());
    }
    Ok(())
}

impl ResourceType for Parameter {
    fn name(&self) -> &'static str {
        "AWS::SSM::Parameter"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AllowedPattern", "DataType", "Description", "Name", "Policies", "Tags", "Tier", "Type", "Value"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            check(&request.properties)?;
            let mut input = pick(&request.properties, GIVEN);
            let made_up = || {
                format!(
                    "CFN-{}-{}",
                    request.logical_id,
                    cx.random().text(12, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
                )
            };
            let name = request.text("Name").unwrap_or_else(made_up);
            input.insert("Name".to_owned(), json!(name));
            let tags = tags(request);
            if !tags.is_empty() {
                input.insert("Tags".to_owned(), list(&tags));
            }
            cx.call(SERVICE, "PutParameter", Json::Object(input)).await?;
            with_arn(cx, &name, &request.properties).await
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
            check(&request.properties)?;
            let after = &request.properties;
            // A parameter keeps its type.
            if before.get("Type") != after.get("Type") {
                return Ok(Updated::NeedsReplacement);
            }
            if GIVEN.iter().any(|name| before.get(*name) != after.get(*name)) {
                let mut input = pick(after, GIVEN);
                // What is said no more is nothing again.
                for (name, nothing) in [("Description", ""), ("AllowedPattern", ""), ("Policies", "[{}]")] {
                    if before.contains_key(name) && !after.contains_key(name) {
                        input.insert(name.to_owned(), json!(nothing));
                    }
                }
                input.insert("Name".to_owned(), json!(id));
                input.insert("Overwrite".to_owned(), json!(true));
                cx.call(SERVICE, "PutParameter", Json::Object(input)).await?;
            }
            let tags = tags(request);
            let named = json!({"ResourceType": "Parameter", "ResourceId": id});
            let there = cx.call(SERVICE, "ListTagsForResource", named.clone()).await?;
            let names = there["TagList"].as_array().into_iter().flatten().filter_map(|tag| tag["Key"].as_str());
            let gone: Vec<&str> = names.filter(|name| !tags.iter().any(|(wanted, _)| wanted == name)).collect();
            for (operation, member, value) in
                [("RemoveTagsFromResource", "TagKeys", json!(gone)), ("AddTagsToResource", "Tags", list(&tags))]
            {
                if value.as_array().is_some_and(|all| !all.is_empty()) {
                    let mut input = named.clone();
                    input[member] = value;
                    cx.call(SERVICE, operation, input).await?;
                }
            }
            with_arn(cx, id, after).await.map(Updated::InPlace)
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            unless_gone(cx.call(SERVICE, "DeleteParameter", json!({"Name": id})).await, &["ParameterNotFound"])
        })
    }
}

/// `AWS::SSM::ResourcePolicy`
struct ResourcePolicy;

/// The id and the hash of a policy, and the parameter that has it.
fn parts(id: &str) -> Result<(&str, &str)> {
    id.split_once('|').ok_or_else(|| Failure::broken("a policy without its parameter"))
}

async fn put(cx: &Cx, input: Json, arn: &str) -> Result<Resource> {
    let made = cx.call(SERVICE, "PutResourcePolicy", input).await?;
    let id = made["PolicyId"].as_str().unwrap_or_default();
    Ok(Resource::new(
        format!("{id}|{arn}"),
        [("PolicyId", made["PolicyId"].clone()), ("PolicyHash", made["PolicyHash"].clone())],
    ))
}

/// The hash that a policy has by now.
async fn hash(cx: &Cx, arn: &str, id: &str) -> Result<Option<Json>> {
    let found = cx.call(SERVICE, "GetResourcePolicies", json!({"ResourceArn": arn})).await?;
    let all = found["Policies"].as_array().into_iter().flatten();
    Ok(all.filter(|policy| policy["PolicyId"] == id).map(|policy| policy["PolicyHash"].clone()).next())
}

impl ResourceType for ResourcePolicy {
    fn name(&self) -> &'static str {
        "AWS::SSM::ResourcePolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Policy", "ResourceArn"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["ResourceArn"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let arn = request.text("ResourceArn").unwrap_or_else(String::new);
            put(cx, json!({"ResourceArn": arn, "Policy": request.text("Policy")}), &arn).await
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
            let (policy, arn) = parts(id)?;
            let hash = hash(cx, arn, policy).await?;
            let input =
                json!({"ResourceArn": arn, "Policy": request.text("Policy"), "PolicyId": policy, "PolicyHash": hash});
            put(cx, input, arn).await.map(Updated::InPlace)
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (policy, arn) = parts(id)?;
            let hash = match hash(cx, arn, policy).await {
                Ok(Some(hash)) => hash,
                Ok(None) => return Ok(()),
                Err(failure) if failure.code() == Some("ResourceNotFoundException") => return Ok(()),
                Err(other) => return Err(other),
            };
            let input = json!({"ResourceArn": arn, "PolicyId": policy, "PolicyHash": hash});
            cx.call(SERVICE, "DeleteResourcePolicy", input).await.map(drop)
        })
    }
}
