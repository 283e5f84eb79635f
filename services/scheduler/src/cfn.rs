//! `AWS::Scheduler::Schedule` and `AWS::Scheduler::ScheduleGroup`.

use std::time::Duration;

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, pick, unless_gone};
use undercast_kernel::{Cx, Failure, Result};

use crate::SERVICE;

/// A group that is being deleted is looked at so often.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// `AWS::Scheduler::Schedule`
pub(crate) struct Schedule;

/// Properties that are parameters of the same name and form.
const GIVEN: &[&str] = &[
    "Description",
    "EndDate",
    "FlexibleTimeWindow",
    "GroupName",
    "KmsKeyArn",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "StartDate",
    "State",
    "Target",
];

async fn put(cx: &Cx, operation: &str, name: &str, properties: &Properties) -> Result<Resource> {
    let mut input = pick(properties, GIVEN);
    input.insert("Name".to_owned(), json!(name));
    let answer = cx.call(SERVICE, operation, Json::Object(input)).await?;
    Ok(Resource::new(name, [("Arn", answer["ScheduleArn"].clone())]))
}

impl ResourceType for Schedule {
    fn name(&self) -> &'static str {
        "AWS::Scheduler::Schedule"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "Description",
            "EndDate",
            "FlexibleTimeWindow",
            "GroupName",
            "KmsKeyArn",
            "Name",
            "ScheduleExpression",
            "ScheduleExpressionTimezone",
            "StartDate",
            "State",
            "Target",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 64));
            put(cx, "CreateSchedule", &name, &request.properties).await
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
            // A schedule does not go from one group to another.
            if before.get("GroupName") != request.properties.get("GroupName") {
                return Ok(Updated::NeedsReplacement);
            }
            put(cx, "UpdateSchedule", id, &request.properties).await.map(Updated::InPlace)
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut input = pick(properties, &["GroupName"]);
            input.insert("Name".to_owned(), json!(id));
            unless_gone(cx.call(SERVICE, "DeleteSchedule", Json::Object(input)).await, &["ResourceNotFoundException"])
        })
    }
}

/// `AWS::Scheduler::ScheduleGroup`
pub(crate) struct ScheduleGroup;

async fn describe(cx: &Cx, name: &str) -> Result<Resource> {
    let found = cx.call(SERVICE, "GetScheduleGroup", json!({"Name": name})).await?;
    let moment = |member: &str| {
        let at = found[member].as_f64().and_then(undercast_kernel::wire::text::from_epoch);
        json!(at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()))
    };
    Ok(Resource::new(
        name,
        [
            ("Arn", found["Arn"].clone()),
            ("State", found["State"].clone()),
            ("CreationDate", moment("CreationDate")),
            ("LastModificationDate", moment("LastModificationDate")),
        ],
    ))
}

impl ResourceType for ScheduleGroup {
    fn name(&self) -> &'static str {
        "AWS::Scheduler::ScheduleGroup"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Name", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 64));
            let input = json!({"Name": name, "Tags": request.all_tags()?.list()});
            cx.call(SERVICE, "CreateScheduleGroup", input).await?;
            describe(cx, &name).await
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
            let found = cx.call(SERVICE, "GetScheduleGroup", json!({"Name": id})).await?;
            let arn = &found["Arn"];
            let tags = request.all_tags()?;
            let there = cx.call(SERVICE, "ListTagsForResource", json!({"ResourceArn": arn})).await?;
            let gone = tags.unwanted(&there["Tags"]);
            if !gone.is_empty() {
                cx.call(SERVICE, "UntagResource", json!({"ResourceArn": arn, "TagKeys": gone})).await?;
            }
            if !tags.is_empty() {
                cx.call(SERVICE, "TagResource", json!({"ResourceArn": arn, "Tags": tags.list()})).await?;
            }
            describe(cx, id).await.map(Updated::InPlace)
        })
    }

    /// Returns when its schedules are gone, too.
    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let gone = ["ResourceNotFoundException"];
            unless_gone(cx.call(SERVICE, "DeleteScheduleGroup", json!({"Name": id})).await, &gone)?;
            loop {
                match cx.call(SERVICE, "GetScheduleGroup", json!({"Name": id})).await {
                    Ok(_) => tokio::time::sleep(BETWEEN_LOOKS).await,
                    Err(Failure::Aws(error)) if error.code == gone[0] => return Ok(()),
                    Err(other) => return Err(other),
                }
            }
        })
    }
}
