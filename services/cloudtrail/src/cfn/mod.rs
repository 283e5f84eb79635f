//! The resource types of CloudFormation: this file has `AWS::CloudTrail::Trail`, and what it shares with the others.

mod dashboard;
mod lake;

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, pick, text, unless_gone,
};
use undercast_kernel::{Cx, Result};

pub(crate) use self::dashboard::Dashboard;
pub(crate) use self::lake::{Channel, EventDataStore, ResourcePolicy};
use crate::SERVICE;

const GONE: &[&str] = &["TrailNotFoundException"];

async fn call(cx: &Cx, operation: &str, input: Json) -> Result<Json> {
    cx.call(SERVICE, operation, input).await
}

/// `AWS::CloudTrail::Trail`
pub(crate) struct Trail;

/// Properties that CreateTrail and UpdateTrail call the same.
const SAME: &[&str] = &[
    "CloudWatchLogsLogGroupArn",
    "CloudWatchLogsRoleArn",
    "IncludeGlobalServiceEvents",
    "IsMultiRegionTrail",
    "IsOrganizationTrail",
    "S3BucketName",
    "S3KeyPrefix",
    "SnsTopicName",
];

/// What CreateTrail and UpdateTrail are asked. What a template does not say, or says no more, is as for a new trail.
fn settings(name: &str, properties: &Properties) -> Map<String, Json> {
    let mut input = pick(properties, SAME);
    input.insert("Name".to_owned(), json!(name));
    for text in ["CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn", "S3KeyPrefix", "SnsTopicName"] {
        input.entry(text).or_insert_with(|| json!(""));
    }
    for flag in ["IsMultiRegionTrail", "IsOrganizationTrail"] {
        input.entry(flag).or_insert_with(|| json!(false));
    }
    input.entry("IncludeGlobalServiceEvents").or_insert_with(|| json!(true));
    let or = |name: &str, other: Json| properties.get(name).cloned().unwrap_or(other);
    input.insert("EnableLogFileValidation".to_owned(), or("EnableLogFileValidation", json!(false)));
    input.insert("KmsKeyId".to_owned(), or("KMSKeyId", json!("")));
    input
}

/// What a trail logs, and whether it does.
async fn choose(cx: &Cx, name: &str, before: Option<&Properties>, properties: &Properties) -> Result<()> {
    let (basic, advanced) = (properties.get("EventSelectors"), properties.get("AdvancedEventSelectors"));
    let had = before.is_some_and(|b| b.contains_key("EventSelectors") || b.contains_key("AdvancedEventSelectors"));
    let selectors = match (basic, advanced) {
        (None, None) if had => Some(json!({"TrailName": name, "EventSelectors": [{"ReadWriteType": "All"}]})),
        (None, None) => None,
        (basic, advanced) => {
            Some(json!({"TrailName": name, "EventSelectors": basic, "AdvancedEventSelectors": advanced}))
        }
    };
    if let Some(selectors) = selectors {
        call(cx, "PutEventSelectors", selectors).await?;
    }
    let insights = properties.get("InsightSelectors");
    if insights.is_some() || before.is_some_and(|before| before.contains_key("InsightSelectors")) {
        let all = insights.cloned().unwrap_or_else(|| json!([]));
        call(cx, "PutInsightSelectors", json!({"TrailName": name, "InsightSelectors": all})).await?;
    }
    let logs = properties.get("IsLogging").is_some_and(|logs| text(logs) == "true");
    call(cx, if logs { "StartLogging" } else { "StopLogging" }, json!({"Name": name})).await?;
    Ok(())
}

fn trail(answer: &Json) -> Resource {
    let attributes = [("Arn", answer["TrailARN"].clone()), ("SnsTopicArn", answer["SnsTopicARN"].clone())];
    Resource::new(text(&answer["Name"]), attributes)
}

impl ResourceType for Trail {
    fn name(&self) -> &'static str {
        "AWS::CloudTrail::Trail"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "AdvancedEventSelectors",
            "CloudWatchLogsLogGroupArn",
            "CloudWatchLogsRoleArn",
            "EnableLogFileValidation",
            "EventSelectors",
            "IncludeGlobalServiceEvents",
            "InsightSelectors",
            "IsLogging",
            "IsMultiRegionTrail",
            "IsOrganizationTrail",
            "KMSKeyId",
            "S3BucketName",
            "S3KeyPrefix",
            "SnsTopicName",
            "Tags",
            "TrailName",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["TrailName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("TrailName").unwrap_or_else(|| request.generated_name(cx, 128));
            let mut input = settings(&name, &request.properties);
            input.insert("TagsList".to_owned(), request.all_tags()?.list());
            let made = trail(&call(cx, "CreateTrail", Json::Object(input)).await?);
            if let Err(failure) = choose(cx, &name, None, &request.properties).await {
                // What cannot be made as it was ordered is not there.
                unless_gone(call(cx, "DeleteTrail", json!({"Name": name})).await, GONE)?;
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
            let answer = call(cx, "UpdateTrail", Json::Object(settings(id, &request.properties))).await?;
            choose(cx, id, Some(before), &request.properties).await?;
            retag(cx, &text(&answer["TrailARN"]), request).await?;
            Ok(Updated::InPlace(trail(&answer)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { unless_gone(call(cx, "DeleteTrail", json!({"Name": id})).await, GONE) })
    }
}

/// Has a trail have the tags of its template.
async fn retag(cx: &Cx, arn: &str, request: &ResourceRequest) -> Result<()> {
    let tags = request.all_tags()?;
    let there = call(cx, "ListTags", json!({"ResourceIdList": [arn]})).await?;
    let gone: Vec<Json> =
        tags.unwanted(&there["ResourceTagList"][0]["TagsList"]).into_iter().map(|key| json!({"Key": key})).collect();
    if !gone.is_empty() {
        call(cx, "RemoveTags", json!({"ResourceId": arn, "TagsList": gone})).await?;
    }
    if !tags.is_empty() {
        call(cx, "AddTags", json!({"ResourceId": arn, "TagsList": tags.list()})).await?;
    }
    Ok(())
}
