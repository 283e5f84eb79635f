//! `AWS::Lambda::Version`, `AWS::Lambda::Alias`, `AWS::Lambda::EventInvokeConfig` and
//! `AWS::Lambda::CodeSigningConfig`.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, pick, text};
use undercast_kernel::{AwsError, Cx, Result};

use crate::cfn::{gone, retag};

/// `AWS::Lambda::Version`
pub(crate) struct Version;
/// `AWS::Lambda::Alias`
pub(crate) struct Alias;
/// `AWS::Lambda::EventInvokeConfig`
pub(crate) struct EventInvokeConfig;
/// `AWS::Lambda::CodeSigningConfig`
pub(crate) struct CodeSigningConfig;

/// A function's name and qualifier in an ARN that has both.
fn parts(arn: &str) -> (&str, &str) {
    arn.rsplit_once(':').unwrap_or((arn, ""))
}

impl ResourceType for Version {
    fn name(&self) -> &'static str {
        "AWS::Lambda::Version"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["CodeSha256", "Description", "FunctionName", "ProvisionedConcurrencyConfig"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        self.properties()
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let function = json!({"FunctionName": request.properties.get("FunctionName")});
            let last = last(cx, &function).await?;
            let input = pick(&request.properties, &["CodeSha256", "Description", "FunctionName"]);
            let version = cx.call("lambda", "PublishVersion", Json::Object(input)).await?;
            if last == version["Version"] {
                let message = format!(
                    "A version for this Lambda function exists ( {} ). Modify the function to create a new version.",
                    text(&last)
                );
                return Err(AwsError::new("AlreadyExistsException", 409, message).into());
            }
            let arn = version["FunctionArn"].clone();
            provision(cx, &text(&arn), &request.properties).await?;
            Ok(Resource::new(text(&arn), [("FunctionArn", arn), ("Version", version["Version"].clone())]))
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
            let (function, version) = parts(id);
            let input = json!({"FunctionName": function, "Qualifier": version});
            gone(cx.call("lambda", "DeleteFunction", input).await)
        })
    }
}

/// Has a version or an alias have the environments that the template wants, and waits until they are there.
async fn provision(cx: &Cx, arn: &str, properties: &Properties) -> Result<()> {
    let Some(config) = properties.get("ProvisionedConcurrencyConfig") else { return Ok(()) };
    let (function, qualifier) = parts(arn);
    let wanted = text(&config["ProvisionedConcurrentExecutions"]).parse::<i32>().ok();
    let mut input = json!({"FunctionName": function, "Qualifier": qualifier});
    let asked = input.clone();
    input["ProvisionedConcurrentExecutions"] = json!(wanted);
    cx.call("lambda", "PutProvisionedConcurrencyConfig", input).await?;
    for _ in 0..2_400 {
        let standing = cx.call("lambda", "GetProvisionedConcurrencyConfig", asked.clone()).await?;
        match standing["Status"].as_str() {
            Some("READY") => return Ok(()),
            Some("FAILED") => {
                let message = format!("Provisioned concurrency of {arn} failed: {}", text(&standing["StatusReason"]));
                return Err(AwsError::new("NotStabilized", 400, message).into());
            }
            _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
    Err(cx.broken(format!("the provisioned concurrency of {arn} did not become ready")))
}

/// The version of a function that was published last.
async fn last(cx: &Cx, function: &Json) -> Result<Json> {
    let (mut input, mut last) = (function.clone(), Json::Null);
    loop {
        let page = cx.call("lambda", "ListVersionsByFunction", input.clone()).await?;
        let versions = page["Versions"].as_array().and_then(|all| all.last()).map(|v| v["Version"].clone());
        last = versions.unwrap_or(last);
        match page.get("NextMarker").filter(|marker| marker.is_string()) {
            Some(marker) => input["Marker"] = marker.clone(),
            None => return Ok(last),
        }
    }
}

/// What a template says of an alias, as the API takes it.
fn told(properties: &Properties) -> Map<String, Json> {
    let mut input = pick(properties, &["Description", "FunctionName", "FunctionVersion", "Name"]);
    let weights = properties.get("RoutingConfig").and_then(|routing| routing["AdditionalVersionWeights"].as_array());
    let weight = |given: &Json| {
        let share = given["FunctionWeight"].as_f64().or_else(|| text(&given["FunctionWeight"]).parse().ok());
        (text(&given["FunctionVersion"]), json!(share))
    };
    let weights: Map<String, Json> = weights.into_iter().flatten().map(weight).collect();
    input.insert("RoutingConfig".to_owned(), json!({"AdditionalVersionWeights": weights}));
    input
}

fn described(answer: &Json) -> Resource {
    let arn = answer["AliasArn"].clone();
    Resource::new(text(&arn), [("AliasArn", arn)])
}

impl ResourceType for Alias {
    fn name(&self) -> &'static str {
        "AWS::Lambda::Alias"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Description", "FunctionName", "FunctionVersion", "Name", "ProvisionedConcurrencyConfig", "RoutingConfig"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["FunctionName", "Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let input = told(&request.properties);
            let alias = described(&cx.call("lambda", "CreateAlias", Json::Object(input)).await?);
            provision(cx, &alias.id, &request.properties).await?;
            Ok(alias)
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
            let mut input = told(&request.properties);
            input.entry("Description").or_insert_with(|| json!(""));
            let alias = described(&cx.call("lambda", "UpdateAlias", Json::Object(input)).await?);
            let wanted = "ProvisionedConcurrencyConfig";
            if before.contains_key(wanted) && !request.properties.contains_key(wanted) {
                let (function, qualifier) = parts(id);
                let input = json!({"FunctionName": function, "Qualifier": qualifier});
                cx.call("lambda", "DeleteProvisionedConcurrencyConfig", input).await?;
            }
            provision(cx, &alias.id, &request.properties).await?;
            Ok(Updated::InPlace(alias))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (function, alias) = parts(id);
            gone(cx.call("lambda", "DeleteAlias", json!({"FunctionName": function, "Name": alias})).await)
        })
    }
}

/// The name of what a configuration of events is of, out of its id.
fn configured(id: &str) -> Json {
    let (function, qualifier) = id.split_once('|').unwrap_or((id, "$LATEST"));
    json!({"FunctionName": function, "Qualifier": qualifier})
}

impl EventInvokeConfig {
    /// Puts all of it anew. A setting that is not there is put as its default, for one must be said.
    async fn put(&self, cx: &Cx, properties: &Properties) -> Result<Resource> {
        let mut input = pick(properties, self.properties());
        input.entry("MaximumRetryAttempts").or_insert_with(|| json!(2));
        cx.call("lambda", "PutFunctionEventInvokeConfig", Json::Object(input)).await?;
        let part = |name: &str| properties.get(name).map(text).unwrap_or_default();
        Ok(Resource::new(format!("{}|{}", part("FunctionName"), part("Qualifier")), []))
    }
}

impl ResourceType for EventInvokeConfig {
    fn name(&self) -> &'static str {
        "AWS::Lambda::EventInvokeConfig"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["DestinationConfig", "FunctionName", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "Qualifier"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["FunctionName", "Qualifier"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(self.put(cx, &request.properties))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { Ok(Updated::InPlace(self.put(cx, &request.properties).await?)) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { gone(cx.call("lambda", "DeleteFunctionEventInvokeConfig", configured(id)).await) })
    }
}

fn described_signing(answer: &Json) -> Resource {
    let config = &answer["CodeSigningConfig"];
    let (arn, id) = (config["CodeSigningConfigArn"].clone(), config["CodeSigningConfigId"].clone());
    Resource::new(text(&arn), [("CodeSigningConfigArn", arn), ("CodeSigningConfigId", id)])
}

impl ResourceType for CodeSigningConfig {
    fn name(&self) -> &'static str {
        "AWS::Lambda::CodeSigningConfig"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AllowedPublishers", "CodeSigningPolicies", "Description", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = pick(&request.properties, &["AllowedPublishers", "CodeSigningPolicies", "Description"]);
            input.insert("Tags".to_owned(), request.all_tags()?.map());
            Ok(described_signing(&cx.call("lambda", "CreateCodeSigningConfig", Json::Object(input)).await?))
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
            let mut input = pick(&request.properties, &["AllowedPublishers", "CodeSigningPolicies", "Description"]);
            input.entry("CodeSigningPolicies").or_insert_with(|| json!({"UntrustedArtifactOnDeployment": "Warn"}));
            input.entry("Description").or_insert_with(|| json!(""));
            input.insert("CodeSigningConfigArn".to_owned(), json!(id));
            let answer = cx.call("lambda", "UpdateCodeSigningConfig", Json::Object(input)).await?;
            retag(cx, id, &request.all_tags()?).await?;
            Ok(Updated::InPlace(described_signing(&answer)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            gone(cx.call("lambda", "DeleteCodeSigningConfig", json!({"CodeSigningConfigArn": id})).await)
        })
    }
}
