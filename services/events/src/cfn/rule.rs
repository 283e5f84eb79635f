//! `AWS::Events::Rule`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, text, unless_gone};
use undercast_kernel::{Cx, Failure, Result};

use super::{GONE, call, retag};

/// `AWS::Events::Rule`
pub(crate) struct Rule;

/// What PutRule takes as the template has it.
const TEXTS: &[&str] = &["Description", "EventPattern", "RoleArn", "ScheduleExpression", "State"];

/// The targets of a template. Numbers may be texts there.
fn targets(properties: &Properties) -> Vec<Json> {
    let given = properties.get("Targets").and_then(Json::as_array).cloned().unwrap_or_default();
    let mended = given.into_iter().map(|mut target| {
        if let Some(Json::Object(policy)) = target.get_mut("RetryPolicy") {
            for value in policy.values_mut() {
                if let Some(number) = value.as_str().and_then(|text| text.parse::<i64>().ok()) {
                    *value = json!(number);
                }
            }
        }
        for name in ["Input", "InputPath"] {
            if let Some(value) = target.get_mut(name) {
                *value = json!(text(value));
            }
        }
        target
    });
    mended.collect()
}

fn ids(targets: &[Json]) -> Vec<String> {
    targets.iter().filter_map(|target| target["Id"].as_str()).map(str::to_owned).collect()
}

/// The bus and the name of a rule by its physical id: `name`, or `bus|name` on a bus of one's own.
fn place(id: &str) -> (&str, &str) {
    id.split_once('|').unwrap_or(("default", id))
}

async fn put(cx: &Cx, bus: &str, name: &str, request: &ResourceRequest, tags: bool) -> Result<String> {
    let mut input = json!({"Name": name, "EventBusName": bus});
    for member in TEXTS {
        if let Some(value) = request.text(member) {
            input[*member] = json!(value);
        }
    }
    if tags {
        input["Tags"] = request.all_tags()?.list();
    }
    let made = call(cx, "PutRule", input).await?;
    made["RuleArn"].as_str().map(str::to_owned).ok_or_else(|| Failure::broken("PutRule gave no ARN"))
}

async fn put_targets(cx: &Cx, bus: &str, name: &str, targets: &[Json]) -> Result<()> {
    if targets.is_empty() {
        return Ok(());
    }
    call(cx, "PutTargets", json!({"Rule": name, "EventBusName": bus, "Targets": targets})).await.map(drop)
}

async fn remove_targets(cx: &Cx, bus: &str, name: &str, ids: &[String]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let input = json!({"Rule": name, "EventBusName": bus, "Ids": ids});
    unless_gone(call(cx, "RemoveTargets", input).await, GONE)
}

fn resource(bus: &str, name: &str, arn: &str) -> Resource {
    let id = if bus == "default" { name.to_owned() } else { format!("{bus}|{name}") };
    Resource::new(id, [("Arn", json!(arn)), ("RuleName", json!(name))])
}

/// The name of a bus, of which a template may give the ARN.
fn bus_of(request: &ResourceRequest) -> String {
    let given = request.text("EventBusName").unwrap_or_else(|| "default".to_owned());
    if given.starts_with("arn:") {
        return given.split_once("event-bus/").map_or_else(String::new, |(_, name)| name.to_owned());
    }
    given
}

async fn delete(cx: &Cx, id: &str) -> Result<()> {
    let (bus, name) = place(id);
    let input = json!({"Rule": name, "EventBusName": bus});
    let there = match call(cx, "ListTargetsByRule", input).await {
        Err(failure) if failure.code().is_some_and(|code| GONE.contains(&code)) => return Ok(()),
        other => other?,
    };
    let there = there["Targets"].as_array().cloned().unwrap_or_default();
    remove_targets(cx, bus, name, &ids(&there)).await?;
    unless_gone(call(cx, "DeleteRule", json!({"Name": name, "EventBusName": bus})).await, GONE)
}

async fn create(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let bus = bus_of(request);
    let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 64));
    let arn = put(cx, &bus, &name, request, true).await?;
    let made = resource(&bus, &name, &arn);
    if let Err(failure) = put_targets(cx, &bus, &name, &targets(&request.properties)).await {
        // The stack never hears of this rule, so nobody else would remove it.
        delete(cx, &made.id).await?;
        return Err(failure);
    }
    Ok(made)
}

async fn update(cx: &Cx, id: &str, before: &Properties, request: &ResourceRequest) -> Result<Resource> {
    let (bus, name) = place(id);
    let arn = put(cx, bus, name, request, false).await?;
    let (was, wanted) = (ids(&targets(before)), targets(&request.properties));
    let kept = ids(&wanted);
    let gone: Vec<String> = was.into_iter().filter(|id| !kept.contains(id)).collect();
    // A rule has so few targets that the new ones may need the place of the old.
    remove_targets(cx, bus, name, &gone).await?;
    put_targets(cx, bus, name, &wanted).await?;
    retag(cx, &arn, request).await?;
    Ok(resource(bus, name, &arn))
}

impl ResourceType for Rule {
    fn name(&self) -> &'static str {
        "AWS::Events::Rule"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "Description",
            "EventBusName",
            "EventPattern",
            "Name",
            "RoleArn",
            "ScheduleExpression",
            "State",
            "Tags",
            "Targets",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["EventBusName", "Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(create(cx, request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { Ok(Updated::InPlace(update(cx, id, before, request).await?)) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(delete(cx, id))
    }
}
