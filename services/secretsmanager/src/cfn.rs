//! `AWS::SecretsManager::Secret`, `AWS::SecretsManager::ResourcePolicy` and `AWS::SecretsManager::RotationSchedule`.
//!
//! What a `SecretTargetAttachment` attaches to (databases) is not here, nor are the functions of `HostedRotationLambda`: templates
//! with them are refused.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, pick, text, unless_gone,
};
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::SERVICE;

/// A secret that is not there.
const GONE: &[&str] = &["ResourceNotFoundException"];

pub(crate) fn types() -> Vec<Box<dyn ResourceType>> {
    vec![Box::new(Secret), Box::new(ResourcePolicy), Box::new(RotationSchedule)]
}

fn invalid(message: &str) -> Failure {
    AwsError::new("ValidationError", 400, message).into()
}

fn resource(arn: &str) -> Resource {
    Resource::new(arn, [("Id", json!(arn))])
}

/// `AWS::SecretsManager::Secret`
struct Secret;

/// The value that a template says: as it is, or made up.
async fn value(cx: &Cx, properties: &Properties) -> Result<Option<String>> {
    let given = properties.get("SecretString").map(text);
    let Some(generate) = properties.get("GenerateSecretString").and_then(Json::as_object) else { return Ok(given) };
    if given.is_some() {
        return Err(invalid("You can't specify both SecretString and GenerateSecretString."));
    }
    let mut asked = generate.clone();
    let (template, key) = (asked.remove("SecretStringTemplate"), asked.remove("GenerateStringKey"));
    let made = cx.call(SERVICE, "GetRandomPassword", Json::Object(asked)).await?;
    let password = made["RandomPassword"].clone();
    match (template.map(|template| text(&template)), key.map(|key| text(&key))) {
        (None, None) => Ok(password.as_str().map(ToOwned::to_owned)),
        (Some(template), Some(key)) => {
            let read: Option<Map<String, Json>> = serde_json::from_str(&template).ok();
            let mut read = read.ok_or_else(|| invalid("SecretStringTemplate must be a JSON object."))?;
            read.insert(key, password);
            Ok(Some(Json::Object(read).to_string()))
        }
        _ => Err(invalid("SecretStringTemplate and GenerateStringKey must be specified together.")),
    }
}

fn regions(properties: &Properties) -> Vec<Json> {
    properties.get("ReplicaRegions").and_then(Json::as_array).cloned().unwrap_or_else(Vec::new)
}

fn names(regions: &[Json]) -> Vec<&str> {
    regions.iter().filter_map(|region| region["Region"].as_str()).collect()
}

/// Names that CloudFormation makes up have the name of the resource and twelve characters.
fn made_up(cx: &Cx, request: &ResourceRequest) -> String {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    format!("{}-{}", request.logical_id, cx.random().text(12, LETTERS))
}

async fn replicate(cx: &Cx, id: &str, before: &[Json], after: &[Json]) -> Result<()> {
    let gone: Vec<&str> = names(before).into_iter().filter(|name| !names(after).contains(name)).collect();
    if !gone.is_empty() {
        let input = json!({"SecretId": id, "RemoveReplicaRegions": gone});
        cx.call(SERVICE, "RemoveRegionsFromReplication", input).await?;
    }
    let there = names(before);
    let new: Vec<&Json> =
        after.iter().filter(|region| region["Region"].as_str().is_some_and(|r| !there.contains(&r))).collect();
    if !new.is_empty() {
        let input = json!({"SecretId": id, "AddReplicaRegions": new});
        cx.call(SERVICE, "ReplicateSecretToRegions", input).await?;
    }
    Ok(())
}

async fn retag(cx: &Cx, id: &str, request: &ResourceRequest) -> Result<()> {
    let tags = request.all_tags()?;
    let there = cx.call(SERVICE, "DescribeSecret", json!({"SecretId": id})).await?;
    let gone = tags.unwanted(&there["Tags"]);
    if !gone.is_empty() {
        cx.call(SERVICE, "UntagResource", json!({"SecretId": id, "TagKeys": gone})).await?;
    }
    if !tags.is_empty() {
        cx.call(SERVICE, "TagResource", json!({"SecretId": id, "Tags": tags.list()})).await?;
    }
    Ok(())
}

impl ResourceType for Secret {
    fn name(&self) -> &'static str {
        "AWS::SecretsManager::Secret"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Description", "GenerateSecretString", "KmsKeyId", "Name", "ReplicaRegions", "SecretString", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = pick(&request.properties, &["Description", "KmsKeyId"]);
            let name = request.text("Name").unwrap_or_else(|| made_up(cx, request));
            input.insert("Name".to_owned(), json!(name));
            input.insert("ClientRequestToken".to_owned(), json!(cx.random().uuid()));
            input.insert("Tags".to_owned(), request.all_tags()?.list());
            if let Some(value) = value(cx, &request.properties).await? {
                input.insert("SecretString".to_owned(), json!(value));
            }
            let regions = regions(&request.properties);
            if !regions.is_empty() {
                input.insert("AddReplicaRegions".to_owned(), json!(regions));
            }
            let made = cx.call(SERVICE, "CreateSecret", Json::Object(input)).await?;
            Ok(resource(made["ARN"].as_str().unwrap_or_default()))
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
            let after = &request.properties;
            let changed = |name: &str| before.get(name) != after.get(name);
            let mut input = Map::new();
            input.insert("SecretId".to_owned(), json!(id));
            for name in ["Description", "KmsKeyId"].into_iter().filter(|name| changed(name)) {
                input.insert(name.to_owned(), after.get(name).cloned().unwrap_or_else(|| json!("")));
            }
            if (changed("SecretString") || changed("GenerateSecretString"))
                && let Some(value) = value(cx, after).await?
            {
                input.insert("SecretString".to_owned(), json!(value));
                input.insert("ClientRequestToken".to_owned(), json!(cx.random().uuid()));
            }
            if input.len() > 1 {
                cx.call(SERVICE, "UpdateSecret", Json::Object(input)).await?;
            }
            replicate(cx, id, &regions(before), &regions(after)).await?;
            retag(cx, id, request).await?;
            Ok(Updated::InPlace(resource(id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            match replicate(cx, id, &regions(properties), &[]).await {
                Err(failure) if failure.code().is_some_and(|code| GONE.contains(&code)) => return Ok(()),
                other => other?,
            }
            let input = json!({"SecretId": id, "ForceDeleteWithoutRecovery": true});
            cx.call(SERVICE, "DeleteSecret", input).await.map(drop)
        })
    }
}

/// `AWS::SecretsManager::ResourcePolicy`
struct ResourcePolicy;

async fn put_policy(cx: &Cx, properties: &Properties) -> Result<Resource> {
    let mut input = pick(properties, &["BlockPublicPolicy", "SecretId"]);
    input.insert("ResourcePolicy".to_owned(), json!(properties.get("ResourcePolicy").map(text)));
    let put = cx.call(SERVICE, "PutResourcePolicy", Json::Object(input)).await?;
    Ok(resource(put["ARN"].as_str().unwrap_or_default()))
}

impl ResourceType for ResourcePolicy {
    fn name(&self) -> &'static str {
        "AWS::SecretsManager::ResourcePolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["BlockPublicPolicy", "ResourcePolicy", "SecretId"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["SecretId"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(put_policy(cx, &request.properties))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { put_policy(cx, &request.properties).await.map(Updated::InPlace) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(
            async move { unless_gone(cx.call(SERVICE, "DeleteResourcePolicy", json!({"SecretId": id})).await, GONE) },
        )
    }
}

/// `AWS::SecretsManager::RotationSchedule`
struct RotationSchedule;

async fn rotate(cx: &Cx, properties: &Properties) -> Result<Resource> {
    let mut input = pick(properties, &["RotationLambdaARN", "RotationRules", "SecretId"]);
    let immediately = properties.get("RotateImmediatelyOnUpdate").cloned().unwrap_or_else(|| json!(true));
    input.insert("RotateImmediately".to_owned(), immediately);
    input.insert("ClientRequestToken".to_owned(), json!(cx.random().uuid()));
    let begun = cx.call(SERVICE, "RotateSecret", Json::Object(input)).await?;
    Ok(resource(begun["ARN"].as_str().unwrap_or_default()))
}

impl ResourceType for RotationSchedule {
    fn name(&self) -> &'static str {
        "AWS::SecretsManager::RotationSchedule"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["RotateImmediatelyOnUpdate", "RotationLambdaARN", "RotationRules", "SecretId"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["SecretId"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(rotate(cx, &request.properties))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { rotate(cx, &request.properties).await.map(Updated::InPlace) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(
            async move { unless_gone(cx.call(SERVICE, "CancelRotateSecret", json!({"SecretId": id})).await, GONE) },
        )
    }
}
