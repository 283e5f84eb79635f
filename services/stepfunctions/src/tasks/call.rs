//! Calls of services: those that Step Functions knows by itself, and any other in the form of AWS's SDKs.

use serde_json::{Value as Json, json};
use undercast_kernel::Cx;
use undercast_kernel::wire::text;

use super::{Order, Outcome, child, names};
use crate::resource::Call;

/// A known call: the service here, the operation, what names of errors begin with, as the SDK calls the service.
struct Known {
    service: &'static str,
    operation: &'static str,
    prefix: &'static str,
    client: &'static str,
}

fn known(kind: &str, action: &str) -> Option<Known> {
    let (service, operation, prefix, client) = match (kind, action) {
        ("dynamodb", "getItem") => ("dynamodb", "GetItem", "DynamoDB", "AmazonDynamoDBv2"),
        ("dynamodb", "putItem") => ("dynamodb", "PutItem", "DynamoDB", "AmazonDynamoDBv2"),
        ("dynamodb", "updateItem") => ("dynamodb", "UpdateItem", "DynamoDB", "AmazonDynamoDBv2"),
        ("dynamodb", "deleteItem") => ("dynamodb", "DeleteItem", "DynamoDB", "AmazonDynamoDBv2"),
        ("sqs", "sendMessage") => ("sqs", "SendMessage", "SQS", "AmazonSQS"),
        ("sns", "publish") => ("sns", "Publish", "SNS", "AmazonSNS"),
        ("events", "putEvents") => ("events", "PutEvents", "EventBridge", "AmazonCloudWatchEvents"),
        _ => return None,
    };
    Some(Known { service, operation, prefix, client })
}

/// Makes the call of a task.
pub(crate) async fn make(role: &Cx, call: &Call, order: &Order) -> Outcome {
    if let Some(sdk) = call.sdk() {
        return match role.call_as_sdk(sdk, &call.action, &order.arguments).await {
            Ok(answer) => Outcome::Succeeded(answer),
            Err(failure) => names::sdk(sdk, role, &failure),
        };
    }
    if call.kind == "states" {
        return child::start(role, order).await;
    }
    let Some(known) = known(&call.kind, &call.action) else {
        let cause = format!("Undercast has not built this: tasks of {}:{}", call.kind, call.resource());
        return Outcome::Failed("States.Runtime".to_owned(), cause);
    };
    let input = as_api(&call.kind, &order.arguments, order);
    match role.call(known.service, known.operation, input).await {
        Ok(answer) if call.kind == "events" && answer["FailedEntryCount"].as_i64().is_some_and(|count| count > 0) => {
            Outcome::Failed("EventBridge.FailedEntry".to_owned(), answer.to_string())
        }
        Ok(answer) => Outcome::Succeeded(names::with_metadata(answer, role)),
        Err(failure) => names::known(known.prefix, known.client, role, &failure),
    }
}

/// Arguments as the operation takes them: what may be written as JSON is made the text that it has to be.
fn as_api(kind: &str, arguments: &Json, order: &Order) -> Json {
    let mut input = arguments.clone();
    let written = |value: &Json| match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let stringify = |input: &mut Json, member: &str| {
        if let Some(value) = input.get_mut(member).filter(|value| !value.is_null()) {
            *value = json!(written(value));
        }
    };
    match kind {
        "sqs" => {
            stringify(&mut input, "MessageBody");
            attributes(&mut input);
        }
        "sns" => {
            stringify(&mut input, "Message");
            attributes(&mut input);
        }
        "events" => {
            for entry in input["Entries"].as_array_mut().into_iter().flatten() {
                stringify(entry, "Detail");
                // The execution and its machine are among the resources of each event.
                let mut resources = entry["Resources"].as_array().cloned().unwrap_or_default();
                resources.extend([json!(order.execution), json!(order.machine)]);
                entry["Resources"] = Json::Array(resources);
            }
        }
        _ => {}
    }
    input
}

/// Binary values of message attributes are written as they are, and go to the API as base64.
fn attributes(input: &mut Json) {
    let Some(all) = input["MessageAttributes"].as_object_mut() else { return };
    for attribute in all.values_mut() {
        if let Some(bytes) = attribute["BinaryValue"].as_str().map(|value| text::base64(value.as_bytes())) {
            attribute["BinaryValue"] = json!(bytes);
        }
    }
}
