//! `AWS::Lambda::Permission`, `AWS::Lambda::Url` and `AWS::Lambda::EventSourceMapping`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, pick};
use undercast_kernel::{Cx, Failure, Result};

use crate::cfn::gone;

/// `AWS::Lambda::Permission`
pub(crate) struct Permission;
/// `AWS::Lambda::Url`
pub(crate) struct Url;
/// `AWS::Lambda::EventSourceMapping`
pub(crate) struct EventSourceMapping;

fn text(properties: &Properties, name: &str) -> String {
    properties.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
}

impl ResourceType for Permission {
    fn name(&self) -> &'static str {
        "AWS::Lambda::Permission"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "Action",
            "EventSourceToken",
            "FunctionName",
            "FunctionUrlAuthType",
            "InvokedViaFunctionUrl",
            "Principal",
            "SourceAccount",
            "SourceArn",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        self.properties()
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let id = request.generated_name(cx, 100);
            let mut input = pick(&request.properties, self.properties());
            input.insert("StatementId".to_owned(), json!(id));
            cx.call("lambda", "AddPermission", Json::Object(input)).await?;
            Ok(Resource::new(id.clone(), [("Id", json!(id))]))
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

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let input = json!({"FunctionName": text(properties, "FunctionName"), "StatementId": id});
            gone(cx.call("lambda", "RemovePermission", input).await)
        })
    }
}

fn described_url(answer: &Json) -> Resource {
    let (arn, url) = (&answer["FunctionArn"], &answer["FunctionUrl"]);
    Resource::new(arn.as_str().unwrap_or_default(), [("FunctionArn", arn.clone()), ("FunctionUrl", url.clone())])
}

impl ResourceType for Url {
    fn name(&self) -> &'static str {
        "AWS::Lambda::Url"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AuthType", "Cors", "InvokeMode", "Qualifier", "TargetFunctionArn"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Qualifier", "TargetFunctionArn"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = pick(&request.properties, &["AuthType", "Cors", "InvokeMode", "Qualifier"]);
            input.insert("FunctionName".to_owned(), json!(text(&request.properties, "TargetFunctionArn")));
            Ok(described_url(&cx.call("lambda", "CreateFunctionUrlConfig", Json::Object(input)).await?))
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
            let mut input = pick(&request.properties, &["AuthType", "Cors", "InvokeMode"]);
            input.entry("Cors").or_insert_with(|| json!({}));
            input.entry("InvokeMode").or_insert_with(|| json!("BUFFERED"));
            input.insert("FunctionName".to_owned(), json!(id));
            Ok(Updated::InPlace(described_url(
                &cx.call("lambda", "UpdateFunctionUrlConfig", Json::Object(input)).await?,
            )))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { gone(cx.call("lambda", "DeleteFunctionUrlConfig", json!({"FunctionName": id})).await) })
    }
}

/// Settings of a mapping that can be changed.
const SETTINGS: &[&str] = &[
    "BatchSize",
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "Enabled",
    "FilterCriteria",
    "FunctionName",
    "FunctionResponseTypes",
    "MaximumBatchingWindowInSeconds",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "ScalingConfig",
    "TumblingWindowInSeconds",
];

/// What is said of a mapping when it is made, and not again.
const MAKING: &[&str] = &["EventSourceArn", "StartingPosition", "StartingPositionTimestamp"];

/// What a setting is that nobody makes.
fn unset(name: &str, source: &str) -> Json {
    match name {
        "BatchSize" if source.starts_with("arn:aws:sqs:") => json!(10),
        "BatchSize" => json!(100),
        "BisectBatchOnFunctionError" => json!(false),
        "Enabled" => json!(true),
        "FunctionResponseTypes" => json!([]),
        "MaximumBatchingWindowInSeconds" | "TumblingWindowInSeconds" => json!(0),
        "MaximumRecordAgeInSeconds" | "MaximumRetryAttempts" => json!(-1),
        "ParallelizationFactor" => json!(1),
        _ => json!({}),
    }
}

fn described_mapping(answer: &Json) -> Result<Resource> {
    let id = answer["UUID"].as_str().ok_or_else(|| Failure::broken("a mapping has no id"))?;
    let arn = answer["EventSourceMappingArn"].clone();
    Ok(Resource::new(id, [("Id", json!(id)), ("EventSourceMappingArn", arn)]))
}

impl ResourceType for EventSourceMapping {
    fn name(&self) -> &'static str {
        "AWS::Lambda::EventSourceMapping"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "BatchSize",
            "BisectBatchOnFunctionError",
            "DestinationConfig",
            "Enabled",
            "EventSourceArn",
            "FilterCriteria",
            "FunctionName",
            "FunctionResponseTypes",
            "MaximumBatchingWindowInSeconds",
            "MaximumRecordAgeInSeconds",
            "MaximumRetryAttempts",
            "ParallelizationFactor",
            "ScalingConfig",
            "StartingPosition",
            "StartingPositionTimestamp",
            "TumblingWindowInSeconds",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        MAKING
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = pick(&request.properties, SETTINGS);
            input.extend(pick(&request.properties, MAKING));
            described_mapping(&cx.call("lambda", "CreateEventSourceMapping", Json::Object(input)).await?)
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
            let mut input = pick(&request.properties, SETTINGS);
            // A setting that is gone has its default again.
            let source = text(&request.properties, "EventSourceArn");
            for name in SETTINGS.iter().filter(|name| before.contains_key(**name)) {
                if !input.contains_key(*name) {
                    input.insert((*name).to_owned(), unset(name, &source));
                }
            }
            input.insert("UUID".to_owned(), json!(id));
            Ok(Updated::InPlace(described_mapping(
                &cx.call("lambda", "UpdateEventSourceMapping", Json::Object(input)).await?,
            )?))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { gone(cx.call("lambda", "DeleteEventSourceMapping", json!({"UUID": id})).await) })
    }
}
