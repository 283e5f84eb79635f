//! Who may do what: the permissions that a call needs, and the condition keys that policies can ask about.
//!
//! Source: "Actions, resources, and condition keys for Amazon Kinesis Data Streams" in the service authorization reference.

use undercast_kernel::policy::MapContext;
use undercast_kernel::{Access, Cx, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::name::{self, Resource};
use crate::{policies, tags};

/// Operations that are about the account.
const OF_ACCOUNT: &[&str] = &["DescribeAccountSettings", "DescribeLimits", "ListStreams", "UpdateAccountSettings"];

/// The consumer that a call means, where it names it by its stream and its name.
fn by_name(input: &Fields, home: &Cx, stream: &Resource) -> Option<String> {
    let consumer = input.text("ConsumerName")?;
    Some(format!("{}/consumer/{consumer}:*", stream.stream().arn(home)))
}

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action = format!("kinesis:{}", operation.name);
    if OF_ACCOUNT.contains(&operation.name) {
        return Ok(vec![Access::new(action, "*")]);
    }
    let Some(resource) = name::named(cx, input) else {
        return Ok(vec![Access::new(action, cx.arn("kinesis", "stream/*"))]);
    };
    let home = name::home(cx, input);
    let of_consumer = matches!(operation.name, "DeregisterStreamConsumer" | "DescribeStreamConsumer");
    let named = by_name(input, &home, &resource).filter(|_| of_consumer && matches!(resource, Resource::Stream(_)));
    let arn = named.unwrap_or_else(|| resource.arn(&home));
    let mut access = Access::new(action, arn).in_account(resource.stream().account.clone());
    if let Some(Value::Map(tags)) = input.get("Tags") {
        for (key, value) in tags {
            access.context.set(&format!("aws:RequestTag/{key}"), value.as_str().unwrap_or_default());
        }
        access.context.set_many("aws:TagKeys", tags.keys().cloned().collect());
    }
    if let Some(Value::List(keys)) = input.get("TagKeys") {
        let keys = keys.iter().filter_map(Value::as_str).map(ToOwned::to_owned);
        access.context.set_many("aws:TagKeys", keys.collect());
    }
    Ok(vec![policies::guarded(&home, access, &resource)?])
}

/// The tags of what a call is about.
pub(crate) fn conditions(cx: &Cx, input: &Fields) -> Result<MapContext> {
    let mut context = MapContext::new();
    let Some(resource) = name::named(cx, input) else { return Ok(context) };
    let home = name::home(cx, input);
    // What is not there has no tags, and the operation says so.
    if let Ok(tags) = tags::of(&home, &home.read(), &resource) {
        for (key, value) in tags {
            context.set(&format!("aws:ResourceTag/{key}"), value);
        }
    }
    Ok(context)
}
