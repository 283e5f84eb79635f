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
const OF_ACCOUNT: &[&str] =
    &["DescribeAccountSettings", "DescribeLimits", "ListQueues", "ListStreams", "UpdateAccountSettings"];

/// The consumer that a call means, where it names it by its stream and its name.
fn by_name(input: &Fields, home: &Cx, resource: &Resource) -> Option<String> {
    let (Some(consumer), Resource::Stream(stream)) = (input.text("ConsumerName"), resource) else { return None };
    Some(format!("{}/consumer/{consumer}:*", stream.arn(home)))
}

/// Has an access know the tags of a call.
fn tagged(mut access: Access, input: &Fields) -> Access {
    undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
    access
}

/// Who makes a queue must be allowed to take from its stream as well.
fn of_new_queue(cx: &Cx, input: &Fields) -> Result<Vec<Access>> {
    let mut all = vec![tagged(Access::new("kinesis:CreateQueue", cx.arn("kinesis", "queue/*")), input)];
    let Some(Value::List(streams)) = input.get("StreamConfigurationList") else { return Ok(all) };
    let arns = streams.iter().filter_map(Value::as_fields).filter_map(|of| of.text("StreamARN"));
    for resource in arns.filter_map(|arn| Resource::parse(cx, arn).ok()) {
        let home = cx.elsewhere(resource.account(), cx.region());
        let access = Access::new("kinesis:AssociateStreamsWithQueue", resource.arn(cx));
        all.push(policies::guarded(&home, access.in_account(resource.account()), &resource)?);
    }
    Ok(all)
}

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action = format!("kinesis:{}", operation.name);
    if OF_ACCOUNT.contains(&operation.name) {
        return Ok(vec![Access::new(action, "*")]);
    }
    if operation.name == "CreateQueue" {
        return of_new_queue(cx, input);
    }
    let Some(resource) = name::named(cx, input) else {
        return Ok(vec![Access::new(action, cx.arn("kinesis", "stream/*"))]);
    };
    let home = name::home(cx, input);
    let of_consumer = matches!(operation.name, "DeregisterStreamConsumer" | "DescribeStreamConsumer");
    let named = by_name(input, &home, &resource).filter(|_| of_consumer);
    let arn = named.unwrap_or_else(|| resource.arn(&home));
    let access = tagged(Access::new(action, arn).in_account(resource.account()), input);
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
