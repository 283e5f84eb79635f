//! `AWS::ApplicationAutoScaling::ScalableTarget` and `AWS::ApplicationAutoScaling::ScalingPolicy`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, pick, unless_gone};
use undercast_kernel::{AwsError, Cx, Failure, Result};

const SERVICE: &str = "application-autoscaling";

/// `AWS::ApplicationAutoScaling::ScalableTarget`
pub(crate) struct ScalableTarget;

/// What names a target.
const PLACE: &[&str] = &["ResourceId", "ScalableDimension", "ServiceNamespace"];

/// `table/t|dynamodb:table:ReadCapacityUnits|dynamodb`
fn id_of(properties: &Properties) -> String {
    let text = |name: &&str| properties.get(*name).and_then(Json::as_str).unwrap_or_default().to_owned();
    PLACE.iter().map(text).collect::<Vec<_>>().join("|")
}

/// The members that name a target, from its id.
fn place_of(id: &str) -> Json {
    let mut parts = id.split('|');
    PLACE.iter().map(|name| ((*name).to_owned(), json!(parts.next().unwrap_or_default()))).collect()
}

fn with(place: &Json, more: impl IntoIterator<Item = (String, Json)>) -> Json {
    let mut input = place.clone();
    if let Some(members) = input.as_object_mut() {
        members.extend(more);
    }
    input
}

/// Scheduled actions are a part of the resource: those that are no longer there are deleted.
async fn schedule(cx: &Cx, place: &Json, before: &Properties, wanted: &Properties) -> Result<()> {
    let actions = |properties: &Properties| {
        properties.get("ScheduledActions").and_then(Json::as_array).cloned().unwrap_or_default()
    };
    let wanted = actions(wanted);
    for action in actions(before) {
        if !wanted.iter().any(|other| other["ScheduledActionName"] == action["ScheduledActionName"]) {
            let input = with(place, [("ScheduledActionName".to_owned(), action["ScheduledActionName"].clone())]);
            unless_gone(cx.call(SERVICE, "DeleteScheduledAction", input).await, &["ObjectNotFoundException"])?;
        }
    }
    for action in wanted {
        let members = action.as_object().cloned().unwrap_or_default();
        cx.call(SERVICE, "PutScheduledAction", with(place, members)).await?;
    }
    Ok(())
}

impl ResourceType for ScalableTarget {
    fn name(&self) -> &'static str {
        "AWS::ApplicationAutoScaling::ScalableTarget"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "MaxCapacity",
            "MinCapacity",
            "ResourceId",
            "RoleARN",
            "ScalableDimension",
            "ScheduledActions",
            "ServiceNamespace",
            "SuspendedState",
            "Tags",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        PLACE
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let id = id_of(&request.properties);
            let place = place_of(&id);
            let given = pick(&request.properties, &["MaxCapacity", "MinCapacity", "RoleARN", "SuspendedState"]);
            let tags = [("Tags".to_owned(), request.all_tags()?.map())];
            cx.call(SERVICE, "RegisterScalableTarget", with(&with(&place, given), tags)).await?;
            schedule(cx, &place, &Properties::new(), &request.properties).await?;
            Ok(Resource::new(id.clone(), [("Id", json!(id))]))
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
            let place = place_of(id);
            let mut given = pick(&request.properties, &["MaxCapacity", "MinCapacity", "RoleARN", "SuspendedState"]);
            // What is no longer said is no longer suspended.
            given.entry("SuspendedState").or_insert_with(|| {
                json!({"DynamicScalingInSuspended": false, "DynamicScalingOutSuspended": false, "ScheduledScalingSuspended": false})
            });
            let registered = cx.call(SERVICE, "RegisterScalableTarget", with(&place, given)).await?;
            schedule(cx, &place, before, &request.properties).await?;
            let arn = &registered["ScalableTargetARN"];
            let tags = request.all_tags()?;
            let there = cx.call(SERVICE, "ListTagsForResource", json!({"ResourceARN": arn})).await?;
            let gone = tags.unwanted(&there["Tags"]);
            if !gone.is_empty() {
                cx.call(SERVICE, "UntagResource", json!({"ResourceARN": arn, "TagKeys": gone})).await?;
            }
            if !tags.is_empty() {
                cx.call(SERVICE, "TagResource", json!({"ResourceARN": arn, "Tags": tags.map()})).await?;
            }
            Ok(Updated::InPlace(Resource::new(id, [("Id", json!(id))])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let gone = cx.call(SERVICE, "DeregisterScalableTarget", place_of(id)).await;
            unless_gone(gone, &["ObjectNotFoundException"])
        })
    }
}

/// `AWS::ApplicationAutoScaling::ScalingPolicy`
pub(crate) struct ScalingPolicy;

/// What a policy scales: said by its target's id, or by the three names.
fn target_of(properties: &Properties) -> Result<Json> {
    let named = PLACE.iter().filter(|name| properties.contains_key(**name)).count();
    match (properties.get("ScalingTargetId").and_then(Json::as_str), named) {
        (Some(id), 0) => Ok(place_of(id)),
        (None, 3) => Ok(place_of(&id_of(properties))),
        _ => {
            let message = "Exactly one of ScalingTargetId and (ResourceId, ScalableDimension, ServiceNamespace) must be specified";
            Err(AwsError::new("ValidationError", 400, message).into())
        }
    }
}

async fn put_policy(cx: &Cx, properties: &Properties) -> Result<Resource> {
    let given = pick(
        properties,
        &[
            "PolicyName",
            "PolicyType",
            "StepScalingPolicyConfiguration",
            "TargetTrackingScalingPolicyConfiguration",
            "PredictiveScalingPolicyConfiguration",
        ],
    );
    let made = cx.call(SERVICE, "PutScalingPolicy", with(&target_of(properties)?, given)).await?;
    let arn = made["PolicyARN"].as_str().ok_or_else(|| Failure::broken("PutScalingPolicy gave no ARN"))?;
    Ok(Resource::new(arn, [("Arn", json!(arn))]))
}

impl ResourceType for ScalingPolicy {
    fn name(&self) -> &'static str {
        "AWS::ApplicationAutoScaling::ScalingPolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "PolicyName",
            "PolicyType",
            "PredictiveScalingPolicyConfiguration",
            "ResourceId",
            "ScalableDimension",
            "ScalingTargetId",
            "ServiceNamespace",
            "StepScalingPolicyConfiguration",
            "TargetTrackingScalingPolicyConfiguration",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["PolicyName", "ResourceId", "ScalableDimension", "ScalingTargetId", "ServiceNamespace"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move { put_policy(cx, &request.properties).await })
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

    fn delete<'a>(&'a self, cx: &'a Cx, _id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let input = with(&target_of(properties)?, pick(properties, &["PolicyName"]));
            unless_gone(cx.call(SERVICE, "DeleteScalingPolicy", input).await, &["ObjectNotFoundException"])
        })
    }
}
