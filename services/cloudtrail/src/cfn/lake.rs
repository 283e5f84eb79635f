//! `AWS::CloudTrail::EventDataStore`, `AWS::CloudTrail::Channel` and `AWS::CloudTrail::ResourcePolicy`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, pick, text, unless_gone,
};
use undercast_kernel::{Cx, Result};

use super::{call, retag};

const GONE_STORES: &[&str] = &["EventDataStoreNotFoundException", "InactiveEventDataStoreException"];

/// `AWS::CloudTrail::EventDataStore`
pub(crate) struct EventDataStore;

/// Properties that CreateEventDataStore and UpdateEventDataStore call the same.
const OF_STORE: &[&str] = &[
    "AdvancedEventSelectors",
    "BillingMode",
    "KmsKeyId",
    "MultiRegionEnabled",
    "Name",
    "OrganizationEnabled",
    "RetentionPeriod",
    "TerminationProtectionEnabled",
];

/// How large events may be, and what they are enriched with, if a template says so or said so before.
async fn configure(cx: &Cx, arn: &str, before: Option<&Properties>, properties: &Properties) -> Result<()> {
    let names = ["MaxEventSize", "ContextKeySelectors"];
    let says = |properties: &Properties| names.iter().any(|name| properties.contains_key(*name));
    if !says(properties) && !before.is_some_and(says) {
        return Ok(());
    }
    let or = |name: &str, other: Json| properties.get(name).cloned().unwrap_or(other);
    let input = json!({
        "EventDataStore": arn,
        "MaxEventSize": or("MaxEventSize", json!("Standard")),
        "ContextKeySelectors": or("ContextKeySelectors", json!([])),
    });
    call(cx, "PutEventConfiguration", input).await.map(drop)
}

/// In what insights are found, if a template says so or said so before.
async fn watch(cx: &Cx, arn: &str, before: Option<&Properties>, properties: &Properties) -> Result<()> {
    let says = |properties: &Properties| properties.contains_key("InsightSelectors");
    if !says(properties) && !before.is_some_and(says) {
        return Ok(());
    }
    let all = properties.get("InsightSelectors").cloned().unwrap_or_else(|| json!([]));
    let mut input = pick(properties, &["InsightsDestination"]);
    input.insert("EventDataStore".to_owned(), json!(arn));
    input.insert("InsightSelectors".to_owned(), all);
    call(cx, "PutInsightSelectors", Json::Object(input)).await.map(drop)
}

/// Whether a template has a store keep events; it does where nothing is said.
fn ingests(properties: &Properties) -> bool {
    properties.get("IngestionEnabled").is_none_or(|flag| text(flag) == "true")
}

fn store(answer: &Json) -> Resource {
    let names = ["EventDataStoreArn", "CreatedTimestamp", "UpdatedTimestamp", "Status"];
    Resource::new(text(&answer["EventDataStoreArn"]), names.map(|name| (name, answer[name].clone())))
}

impl ResourceType for EventDataStore {
    fn name(&self) -> &'static str {
        "AWS::CloudTrail::EventDataStore"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "AdvancedEventSelectors",
            "BillingMode",
            "ContextKeySelectors",
            "IngestionEnabled",
            "InsightSelectors",
            "InsightsDestination",
            "KmsKeyId",
            "MaxEventSize",
            "MultiRegionEnabled",
            "Name",
            "OrganizationEnabled",
            "RetentionPeriod",
            "Tags",
            "TerminationProtectionEnabled",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = pick(&request.properties, OF_STORE);
            let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 128));
            input.insert("Name".to_owned(), json!(name));
            input.insert("StartIngestion".to_owned(), json!(ingests(&request.properties)));
            input.insert("TagsList".to_owned(), request.all_tags()?.list());
            let made = store(&call(cx, "CreateEventDataStore", Json::Object(input)).await?);
            let more = async {
                configure(cx, &made.id, None, &request.properties).await?;
                watch(cx, &made.id, None, &request.properties).await
            };
            if let Err(failure) = more.await {
                // What cannot be made as it was ordered is not there, and nothing is in it yet that would be protected.
                let open = json!({"EventDataStore": made.id, "TerminationProtectionEnabled": false});
                call(cx, "UpdateEventDataStore", open).await?;
                unless_gone(call(cx, "DeleteEventDataStore", json!({"EventDataStore": made.id})).await, GONE_STORES)?;
                return Err(failure);
            }
            Ok(made)
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
            let mut input = pick(&request.properties, OF_STORE);
            input.insert("EventDataStore".to_owned(), json!(id));
            let updated = store(&call(cx, "UpdateEventDataStore", Json::Object(input)).await?);
            let (was, is) = (ingests(before), ingests(&request.properties));
            if was != is {
                let operation = if is { "StartEventDataStoreIngestion" } else { "StopEventDataStoreIngestion" };
                call(cx, operation, json!({"EventDataStore": id})).await?;
            }
            configure(cx, id, Some(before), &request.properties).await?;
            watch(cx, id, Some(before), &request.properties).await?;
            retag(cx, id, request).await?;
            Ok(Updated::InPlace(updated))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            unless_gone(call(cx, "DeleteEventDataStore", json!({"EventDataStore": id})).await, GONE_STORES)
        })
    }
}

/// `AWS::CloudTrail::Channel`
pub(crate) struct Channel;

fn channel(answer: &Json) -> Resource {
    let arn = answer["ChannelArn"].clone();
    Resource::new(text(&arn), [("ChannelArn", arn)])
}

impl ResourceType for Channel {
    fn name(&self) -> &'static str {
        "AWS::CloudTrail::Channel"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Destinations", "Name", "Source", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Source"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = pick(&request.properties, &["Destinations"]);
            let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 128));
            input.insert("Name".to_owned(), json!(name));
            // Where nothing is said, the events are an application's of one's own.
            input.insert("Source".to_owned(), json!(request.text("Source").unwrap_or_else(|| "Custom".to_owned())));
            input.insert("Tags".to_owned(), request.all_tags()?.list());
            Ok(channel(&call(cx, "CreateChannel", Json::Object(input)).await?))
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
            let mut input = pick(&request.properties, &["Destinations", "Name"]);
            input.insert("Channel".to_owned(), json!(id));
            let updated = channel(&call(cx, "UpdateChannel", Json::Object(input)).await?);
            retag(cx, id, request).await?;
            Ok(Updated::InPlace(updated))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            unless_gone(call(cx, "DeleteChannel", json!({"Channel": id})).await, &["ChannelNotFoundException"])
        })
    }
}

/// `AWS::CloudTrail::ResourcePolicy`
pub(crate) struct ResourcePolicy;

/// Attaches the policy, which a template writes as JSON or as a text.
async fn attach(cx: &Cx, properties: &Properties) -> Result<Resource> {
    let policy = match properties.get("ResourcePolicy") {
        Some(Json::String(text)) => text.clone(),
        other => other.cloned().unwrap_or(Json::Null).to_string(),
    };
    let arn = properties.get("ResourceArn").map_or_else(String::new, text);
    call(cx, "PutResourcePolicy", json!({"ResourceArn": arn, "ResourcePolicy": policy})).await?;
    Ok(Resource::new(arn, []))
}

impl ResourceType for ResourcePolicy {
    fn name(&self) -> &'static str {
        "AWS::CloudTrail::ResourcePolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["ResourceArn", "ResourcePolicy"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["ResourceArn"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move { attach(cx, &request.properties).await })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { Ok(Updated::InPlace(attach(cx, &request.properties).await?)) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let gone = &["ResourcePolicyNotFoundException", "ResourceNotFoundException"];
            unless_gone(call(cx, "DeleteResourcePolicy", json!({"ResourceArn": id})).await, gone)
        })
    }
}
