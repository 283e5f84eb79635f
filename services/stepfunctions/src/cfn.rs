//! `AWS::StepFunctions::StateMachine`, `StateMachineVersion`, `StateMachineAlias` and `Activity`.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceTags, ResourceType, Updated, unless_gone,
};
use undercast_kernel::{Cx, Failure, Result};

use crate::SERVICE;
use crate::error::validation;

/// All of them.
pub(crate) fn types() -> Vec<Box<dyn ResourceType>> {
    vec![Box::new(StateMachine), Box::new(StateMachineVersion), Box::new(StateMachineAlias), Box::new(Activity)]
}

/// Names of members begin with small letters in the API, and with capitals in templates.
fn as_api(value: &Json) -> Json {
    match value {
        Json::Object(members) => {
            let small = |(name, value): (&String, &Json)| {
                let mut letters = name.chars();
                let name =
                    letters.next().map_or_else(String::new, |c| c.to_ascii_lowercase().to_string() + letters.as_str());
                (name, as_api(value))
            };
            Json::Object(members.iter().map(small).collect())
        }
        Json::Array(items) => items.iter().map(as_api).collect(),
        // Templates write numbers and truths as texts, too.
        Json::String(text) if text == "true" || text == "false" => json!(text == "true"),
        plain => plain.clone(),
    }
}

fn tags(tags: &ResourceTags) -> Json {
    as_api(&tags.list())
}

/// Brings the tags of a resource to those that it is to have.
async fn retag(cx: &Cx, arn: &str, wanted: &ResourceTags) -> Result<()> {
    let there = cx.call(SERVICE, "ListTagsForResource", json!({"resourceArn": arn})).await?;
    let capital = |tag: &Json| json!({"Key": tag["key"], "Value": tag["value"]});
    let there: Json = there["tags"].as_array().into_iter().flatten().map(capital).collect();
    let gone = wanted.unwanted(&there);
    if !gone.is_empty() {
        cx.call(SERVICE, "UntagResource", json!({"resourceArn": arn, "tagKeys": gone})).await?;
    }
    if !wanted.is_empty() {
        cx.call(SERVICE, "TagResource", json!({"resourceArn": arn, "tags": tags(wanted)})).await?;
    }
    Ok(())
}

/// `AWS::StepFunctions::StateMachine`
struct StateMachine;

/// The definition of a template: a text, an object, or an object of S3, with its substitutions made.
async fn definition(cx: &Cx, properties: &Properties) -> Result<String> {
    let location = properties.get("DefinitionS3Location");
    let text = match (properties.get("DefinitionString"), properties.get("Definition"), location) {
        (Some(Json::String(text)), None, None) => text.clone(),
        (None, Some(object), None) => object.to_string(),
        (None, None, Some(place)) => {
            let mut input = json!({"Bucket": place["Bucket"], "Key": place["Key"]});
            if place["Version"].is_string() {
                input["VersionId"] = place["Version"].clone();
            }
            let (_, body) = cx.call_with_body("s3", "GetObject", input, None).await?;
            let body = body.ok_or_else(|| cx.broken("an object without a body"))?;
            let bytes = body.collect(1024 * 1024).await.map_err(Failure::broken)?;
            let bytes = bytes.ok_or_else(|| validation("A definition has at most 1 MiB."))?;
            String::from_utf8(bytes.to_vec()).map_err(|_| validation("A definition is text in UTF-8."))?
        }
        _ => {
            let why = "Exactly one of [Definition, DefinitionString, DefinitionS3Location] must be specified.";
            return Err(validation(why));
        }
    };
    let none = Map::new();
    let all = properties.get("DefinitionSubstitutions").and_then(Json::as_object).unwrap_or(&none);
    Ok(all.iter().fold(text, |text, (name, value)| {
        let written = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        text.replace(&format!("${{{name}}}"), &written)
    }))
}

const SETTINGS: &[(&str, &str)] = &[
    ("EncryptionConfiguration", "encryptionConfiguration"),
    ("LoggingConfiguration", "loggingConfiguration"),
    ("RoleArn", "roleArn"),
    ("TracingConfiguration", "tracingConfiguration"),
];

async fn settings(cx: &Cx, properties: &Properties) -> Result<Json> {
    let mut input = json!({"definition": definition(cx, properties).await?});
    for (name, member) in SETTINGS {
        if let Some(value) = properties.get(*name) {
            input[*member] = as_api(value);
        }
    }
    Ok(input)
}

async fn machine(cx: &Cx, arn: &str) -> Result<Resource> {
    let found = cx.call(SERVICE, "DescribeStateMachine", json!({"stateMachineArn": arn})).await?;
    let revision = found.get("revisionId").cloned().unwrap_or_else(|| json!("INITIAL"));
    Ok(Resource::new(arn, [("Arn", json!(arn)), ("Name", found["name"].clone()), ("StateMachineRevisionId", revision)]))
}

impl ResourceType for StateMachine {
    fn name(&self) -> &'static str {
        "AWS::StepFunctions::StateMachine"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "Definition",
            "DefinitionS3Location",
            "DefinitionString",
            "DefinitionSubstitutions",
            "EncryptionConfiguration",
            "LoggingConfiguration",
            "RoleArn",
            "StateMachineName",
            "StateMachineType",
            "Tags",
            "TracingConfiguration",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["StateMachineName", "StateMachineType"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = settings(cx, &request.properties).await?;
            input["name"] = json!(request.text("StateMachineName").unwrap_or_else(|| request.generated_name(cx, 80)));
            if let Some(kind) = request.text("StateMachineType") {
                input["type"] = json!(kind);
            }
            input["tags"] = tags(&request.all_tags()?);
            let made = cx.call(SERVICE, "CreateStateMachine", input).await?;
            machine(cx, made["stateMachineArn"].as_str().unwrap_or_default()).await
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
            let mut input = settings(cx, &request.properties).await?;
            input["stateMachineArn"] = json!(id);
            // What a template says no more is as if it had never said it.
            if input.get("loggingConfiguration").is_none() {
                input["loggingConfiguration"] = json!({"level": "OFF"});
            }
            cx.call(SERVICE, "UpdateStateMachine", input).await?;
            retag(cx, id, &request.all_tags()?).await?;
            machine(cx, id).await.map(Updated::InPlace)
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            unless_gone(cx.call(SERVICE, "DeleteStateMachine", json!({"stateMachineArn": id})).await, &[])
        })
    }
}

/// `AWS::StepFunctions::StateMachineVersion`
struct StateMachineVersion;

impl ResourceType for StateMachineVersion {
    fn name(&self) -> &'static str {
        "AWS::StepFunctions::StateMachineVersion"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Description", "StateMachineArn", "StateMachineRevisionId"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Description", "StateMachineArn", "StateMachineRevisionId"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = json!({"stateMachineArn": request.text("StateMachineArn")});
            let members = [("Description", "description"), ("StateMachineRevisionId", "revisionId")];
            for (name, member) in members {
                if let Some(text) = request.text(name) {
                    input[member] = json!(text);
                }
            }
            let made = cx.call(SERVICE, "PublishStateMachineVersion", input).await?;
            let arn = made["stateMachineVersionArn"].clone();
            Ok(Resource::new(arn.as_str().unwrap_or_default(), [("Arn", arn.clone())]))
        })
    }

    fn update<'a>(
        &'a self,
        _cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        _request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async { Ok(Updated::NeedsReplacement) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            unless_gone(cx.call(SERVICE, "DeleteStateMachineVersion", json!({"stateMachineVersionArn": id})).await, &[])
        })
    }
}

/// `AWS::StepFunctions::StateMachineAlias`
struct StateMachineAlias;

/// Where an alias leads: what a template says, or the version that it is to go over to.
fn routes(properties: &Properties) -> Result<Json> {
    match (properties.get("RoutingConfiguration"), properties.get("DeploymentPreference")) {
        (Some(routes), None) => {
            let route = |route: &Json| {
                let weight =
                    route["Weight"].as_i64().or_else(|| route["Weight"].as_str().and_then(|text| text.parse().ok()));
                json!({"stateMachineVersionArn": route["StateMachineVersionArn"], "weight": weight})
            };
            Ok(routes.as_array().into_iter().flatten().map(route).collect())
        }
        (None, Some(preference)) if preference["Type"] == "ALL_AT_ONCE" => {
            Ok(json!([{"stateMachineVersionArn": preference["StateMachineVersionArn"], "weight": 100}]))
        }
        (None, Some(preference)) => Err(Failure::not_built(format!("deployments of the type {}", preference["Type"]))),
        _ => Err(validation("Exactly one of [RoutingConfiguration, DeploymentPreference] must be specified.")),
    }
}

impl ResourceType for StateMachineAlias {
    fn name(&self) -> &'static str {
        "AWS::StepFunctions::StateMachineAlias"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["DeploymentPreference", "Description", "Name", "RoutingConfiguration"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 80));
            let mut input = json!({"name": name, "routingConfiguration": routes(&request.properties)?});
            if let Some(description) = request.text("Description") {
                input["description"] = json!(description);
            }
            let made = cx.call(SERVICE, "CreateStateMachineAlias", input).await?;
            let arn = made["stateMachineAliasArn"].clone();
            Ok(Resource::new(arn.as_str().unwrap_or_default(), [("Arn", arn.clone())]))
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
            let description = request.text("Description").unwrap_or_else(String::new);
            let routes = routes(&request.properties)?;
            let input = json!({"stateMachineAliasArn": id, "routingConfiguration": routes, "description": description});
            cx.call(SERVICE, "UpdateStateMachineAlias", input).await?;
            Ok(Updated::InPlace(Resource::new(id, [("Arn", json!(id))])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let gone = ["ResourceNotFound"];
            unless_gone(cx.call(SERVICE, "DeleteStateMachineAlias", json!({"stateMachineAliasArn": id})).await, &gone)
        })
    }
}

/// `AWS::StepFunctions::Activity`
struct Activity;

impl ResourceType for Activity {
    fn name(&self) -> &'static str {
        "AWS::StepFunctions::Activity"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["EncryptionConfiguration", "Name", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["EncryptionConfiguration", "Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 80));
            let mut input = json!({"name": name, "tags": tags(&request.all_tags()?)});
            if let Some(encryption) = request.properties.get("EncryptionConfiguration") {
                input["encryptionConfiguration"] = as_api(encryption);
            }
            let made = cx.call(SERVICE, "CreateActivity", input).await?;
            let arn = made["activityArn"].clone();
            Ok(Resource::new(arn.as_str().unwrap_or_default(), [("Arn", arn.clone()), ("Name", json!(name))]))
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
            retag(cx, id, &request.all_tags()?).await?;
            let name = id.rsplit(':').next().unwrap_or_default();
            Ok(Updated::InPlace(Resource::new(id, [("Arn", json!(id)), ("Name", json!(name))])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { unless_gone(cx.call(SERVICE, "DeleteActivity", json!({"activityArn": id})).await, &[]) })
    }
}
