//! `AWS::Pipes::Pipe`.

use std::time::Duration;

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, pick, text, unless_gone,
};
use undercast_kernel::wire::text::from_epoch;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::SERVICE;

/// A pipe that is on its way is looked at so often.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
const GONE: &str = "NotFoundException";

/// `AWS::Pipes::Pipe`
pub(crate) struct Pipe;

/// Properties that are parameters of the same name and form.
const GIVEN: &[&str] = &[
    "Description",
    "DesiredState",
    "Enrichment",
    "EnrichmentParameters",
    "KmsKeyIdentifier",
    "LogConfiguration",
    "RoleArn",
    "SourceParameters",
    "Target",
    "TargetParameters",
];

/// What can only be changed by replacement within the parameters of a source.
const START: &[&str] = &["StartingPosition", "StartingPositionTimestamp"];
const STREAMS: &[&str] = &["DynamoDBStreamParameters", "KinesisStreamParameters"];

/// The tags of a pipe are a map: those of the stack, and its own in their place.
fn tags(request: &ResourceRequest) -> Map<String, Json> {
    let mut all: Map<String, Json> = request.tags.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let own = request.properties.get("Tags").and_then(Json::as_object);
    all.extend(own.into_iter().flatten().map(|(name, value)| (name.clone(), json!(text(value)))));
    all
}

/// Waits until a pipe is where it was on the way to.
async fn arrived(cx: &Cx, name: &str) -> Result<Resource> {
    loop {
        let found = cx.call(SERVICE, "DescribePipe", json!({"Name": name})).await?;
        let state = found["CurrentState"].as_str().unwrap_or_default();
        if state.ends_with("FAILED") {
            let reason = found["StateReason"].as_str().unwrap_or_default();
            let message = format!(
                "Resource of type 'AWS::Pipes::Pipe' with identifier '{name}' did not stabilize. Status Reason is {reason}"
            );
            return Err(AwsError::new("NotStabilized", 400, message).into());
        }
        if state.ends_with("ING") && state != "RUNNING" {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            continue;
        }
        let moment = |member: &str| {
            let at = found[member].as_f64().and_then(from_epoch);
            json!(at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()))
        };
        return Ok(Resource::new(
            name,
            [
                ("Arn", found["Arn"].clone()),
                ("CurrentState", found["CurrentState"].clone()),
                ("StateReason", found["StateReason"].clone()),
                ("CreationTime", moment("CreationTime")),
                ("LastModifiedTime", moment("LastModifiedTime")),
            ],
        ));
    }
}

/// Where streams begin.
fn starts(properties: &Properties) -> Vec<Json> {
    let source = properties.get("SourceParameters").unwrap_or(&Json::Null);
    let each = STREAMS.iter().flat_map(|stream| START.iter().map(move |name| source[*stream][*name].clone()));
    each.collect()
}

/// What an update says: what was there and is no more is taken away.
fn changed(before: &Properties, now: &Properties) -> Map<String, Json> {
    let mut input = pick(now, GIVEN);
    for stream in STREAMS {
        if let Some(said) = input.get_mut("SourceParameters").and_then(|source| source.get_mut(*stream)) {
            START.iter().for_each(|name| drop(said.as_object_mut().map(|said| said.shift_remove(*name))));
        }
    }
    let gone = [
        ("Description", json!("")),
        ("DesiredState", json!("RUNNING")),
        ("Enrichment", json!("")),
        ("EnrichmentParameters", json!({"InputTemplate": ""})),
        ("KmsKeyIdentifier", json!("")),
        ("LogConfiguration", json!({"Level": "OFF"})),
        ("SourceParameters", json!({"FilterCriteria": {"Filters": []}})),
        ("TargetParameters", json!({"InputTemplate": ""})),
    ];
    for (name, nothing) in gone {
        if before.contains_key(name) && !now.contains_key(name) {
            input.insert(name.to_owned(), nothing);
        }
    }
    let within = [
        ("SourceParameters", "FilterCriteria", json!({"Filters": []})),
        ("SourceParameters", "SqsQueueParameters", json!({})),
        ("EnrichmentParameters", "InputTemplate", json!("")),
        ("TargetParameters", "InputTemplate", json!("")),
        ("TargetParameters", "LambdaFunctionParameters", json!({})),
        ("TargetParameters", "SqsQueueParameters", json!({})),
        ("TargetParameters", "EventBridgeEventBusParameters", json!({})),
    ];
    for (outer, inner, nothing) in within {
        let was = before.get(outer).is_some_and(|there| there.get(inner).is_some());
        // Another target has left the parameters of the one before.
        let stays = outer != "TargetParameters" || before.get("Target") == now.get("Target");
        if let Some(Json::Object(said)) = input.get_mut(outer).filter(|_| was && stays) {
            said.entry(inner).or_insert(nothing);
        }
    }
    input
}

impl ResourceType for Pipe {
    fn name(&self) -> &'static str {
        "AWS::Pipes::Pipe"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "Description",
            "DesiredState",
            "Enrichment",
            "EnrichmentParameters",
            "KmsKeyIdentifier",
            "LogConfiguration",
            "Name",
            "RoleArn",
            "Source",
            "SourceParameters",
            "Tags",
            "Target",
            "TargetParameters",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Name", "Source"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 64));
            let mut input = pick(&request.properties, GIVEN);
            input.extend(pick(&request.properties, &["Source"]));
            input.insert("Name".to_owned(), json!(name));
            let tags = tags(request);
            if !tags.is_empty() {
                input.insert("Tags".to_owned(), Json::Object(tags));
            }
            cx.call(SERVICE, "CreatePipe", Json::Object(input)).await?;
            arrived(cx, &name).await
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
            if starts(before) != starts(&request.properties) {
                return Ok(Updated::NeedsReplacement);
            }
            let mut input = changed(before, &request.properties);
            input.insert("Name".to_owned(), json!(id));
            let updated = cx.call(SERVICE, "UpdatePipe", Json::Object(input)).await?;
            let arn = &updated["Arn"];
            let wanted = tags(request);
            let there = cx.call(SERVICE, "ListTagsForResource", json!({"resourceArn": arn})).await?;
            let there = there["tags"].as_object().cloned().unwrap_or_default();
            let gone: Vec<&String> = there.keys().filter(|name| !wanted.contains_key(*name)).collect();
            if !gone.is_empty() {
                cx.call(SERVICE, "UntagResource", json!({"resourceArn": arn, "tagKeys": gone})).await?;
            }
            if !wanted.is_empty() {
                cx.call(SERVICE, "TagResource", json!({"resourceArn": arn, "tags": wanted})).await?;
            }
            arrived(cx, id).await.map(Updated::InPlace)
        })
    }

    /// Returns when it is gone.
    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            unless_gone(cx.call(SERVICE, "DeletePipe", json!({"Name": id})).await, &[GONE])?;
            loop {
                match cx.call(SERVICE, "DescribePipe", json!({"Name": id})).await {
                    Ok(_) => tokio::time::sleep(BETWEEN_LOOKS).await,
                    Err(Failure::Aws(error)) if error.code == GONE => return Ok(()),
                    Err(other) => return Err(other),
                }
            }
        })
    }
}
