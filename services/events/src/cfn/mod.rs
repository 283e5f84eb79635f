//! The CloudFormation resource types of EventBridge.

mod archive;
mod bus;
mod http;
mod rule;

use serde_json::{Value as Json, json};
use undercast_kernel::resources::{ResourceRequest, ResourceType};
use undercast_kernel::{Cx, Result};

/// What is not there, in EventBridge's words.
const GONE: &[&str] = &["ResourceNotFoundException"];

/// All of them.
pub(crate) fn types() -> Vec<Box<dyn ResourceType>> {
    vec![
        Box::new(archive::Archive),
        Box::new(bus::EventBus),
        Box::new(bus::EventBusPolicy),
        Box::new(http::ApiDestination),
        Box::new(http::Connection),
        Box::new(rule::Rule),
    ]
}

async fn call(cx: &Cx, operation: &str, input: Json) -> Result<Json> {
    cx.refreshed().call("events", operation, input).await
}

/// Brings the tags of a bus or a rule to what the template says.
async fn retag(cx: &Cx, arn: &str, request: &ResourceRequest) -> Result<()> {
    let tags = request.all_tags()?;
    let there = call(cx, "ListTagsForResource", json!({"ResourceARN": arn})).await?;
    let gone = tags.unwanted(&there["Tags"]);
    if !gone.is_empty() {
        call(cx, "UntagResource", json!({"ResourceARN": arn, "TagKeys": gone})).await?;
    }
    if !tags.is_empty() {
        call(cx, "TagResource", json!({"ResourceARN": arn, "Tags": tags.list()})).await?;
    }
    Ok(())
}
