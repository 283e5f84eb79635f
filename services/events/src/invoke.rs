//! Calling a target: in EventBridge's own name, where the policy of the resource must let it in, or by the role of the target.

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::wire::text::base64;
use undercast_kernel::{Cx, Result, Timestamp};

use crate::accept::Delivery;
use crate::api::kept::Target;
use crate::deliver::Refusal;
use crate::event::{Event, Hop};
use crate::name::BusName;
use crate::path::Path;
use crate::target::Kind;
use crate::{Events, http, permission};

/// Who EventBridge is to others.
pub(crate) const PRINCIPAL: &str = "events.amazonaws.com";

type Invoked<T> = std::result::Result<T, Refusal>;

/// Where no IAM is, nobody has roles, and the account itself is all that may do anything.
fn by_role(cx: &Cx, role: &str) -> Cx {
    match cx.kernel().identities() {
        Some(_) => cx.as_role(PRINCIPAL, role, &cx.random().hex(32)),
        None => cx.kernel().cx_for(cx.account(), cx.region()).through(PRINCIPAL),
    }
}

/// As whom a target is called.
fn caller(cx: &Cx, role: Option<&str>, rule_arn: &str) -> Invoked<Cx> {
    let Some(role) = role else { return Ok(cx.as_service(PRINCIPAL, Some(rule_arn))) };
    match cx.is_assumable(PRINCIPAL, role, Some(rule_arn)) {
        Ok(true) => Ok(by_role(cx, role)),
        Ok(false) => {
            let message = format!("EventBridge is not able to assume role {role}.");
            Err(Refusal::for_good("FAILED_TO_ASSUME_ROLE", message))
        }
        Err(failure) => Err(Refusal::of(&failure)),
    }
}

async fn call(cx: &Cx, service: &str, operation: &str, input: Json) -> Invoked<()> {
    cx.call(service, operation, input).await.map(drop).map_err(|failure| Refusal::of(&failure))
}

/// Gives a target what it is to get.
pub(crate) async fn invoke(
    service: &Events,
    cx: &Cx,
    bus: &BusName,
    target: &Target,
    delivery: &Delivery,
    input: String,
) -> Invoked<()> {
    let kind = Kind::of(&target.arn).map_err(|failure| Refusal::of(&failure))?;
    let Some(arn) = Arn::parse(&target.arn) else {
        return Err(Refusal::for_good("INVALID_PARAMETER", format!("{} is no ARN", target.arn)));
    };
    let rule_arn = bus.rule_arn(&delivery.rule);
    if kind == Kind::Bus {
        return forward(service, cx, target, delivery, &rule_arn).await;
    }
    let there = caller(cx, target.role_arn.as_deref(), &rule_arn)?.elsewhere(&arn.account, &arn.region);
    let event = &delivery.event;
    match kind {
        Kind::Queue => send(&there, &arn, target, event, input).await,
        Kind::Topic => call(&there, "sns", "Publish", json!({"TopicArn": target.arn, "Message": input})).await,
        Kind::Function => {
            let payload = base64(input.as_bytes());
            let input = json!({"FunctionName": target.arn, "InvocationType": "Event", "Payload": payload});
            call(&there, "lambda", "Invoke", input).await
        }
        Kind::Stream => put_record(&there, target, event, &input).await,
        Kind::LogGroup => log(&there, &arn, event, input).await,
        Kind::DeliveryStream => {
            let name = arn.resource.trim_start_matches("deliverystream/");
            let input = json!({"DeliveryStreamName": name, "Record": {"Data": base64(input.as_bytes())}});
            call(&there, "firehose", "PutRecord", input).await
        }
        Kind::Destination => http::call::call(service, &there, target, event, &input).await,
        // Neither is invoked: events go on to a bus, and a discoverer is shown them.
        Kind::Bus | Kind::Discoverer => Ok(()),
    }
}

async fn send(cx: &Cx, queue: &Arn, target: &Target, event: &Event, body: String) -> Invoked<()> {
    let url = format!("{}/{}/{}", cx.endpoint(), queue.account, queue.resource);
    let mut input = json!({"QueueUrl": url, "MessageBody": body});
    if let Some(group) = target.sqs_parameters.as_ref().and_then(|of| of.message_group_id.as_ref()) {
        input["MessageGroupId"] = json!(group);
    }
    if let Some(trace) = &event.trace {
        input["MessageSystemAttributes"] = json!({"AWSTraceHeader": {"DataType": "String", "StringValue": trace}});
    }
    call(cx, "sqs", "SendMessage", input).await
}

async fn put_record(cx: &Cx, target: &Target, event: &Event, data: &str) -> Invoked<()> {
    let path = target.kinesis_parameters.as_ref().and_then(|of| Path::parse(&of.partition_key_path));
    let found = path.and_then(|path| path.find(&event.json())).map(|value| match value {
        Json::String(text) => text,
        other => other.to_string(),
    });
    // A key has 256 characters at most.
    let key: String = found.unwrap_or_else(|| event.id.clone()).chars().take(256).collect();
    let key = if key.is_empty() { event.id.clone() } else { key };
    let input = json!({"StreamARN": target.arn, "PartitionKey": key, "Data": base64(data.as_bytes())});
    call(cx, "kinesis", "PutRecord", input).await
}

/// Each event gets a stream of its own in its group. A template says the message and its moment, if it says anything.
///
/// Source: "Amazon EventBridge target: CloudWatch Logs" in the user guide.
async fn log(cx: &Cx, arn: &Arn, event: &Event, input: String) -> Invoked<()> {
    let group = arn.resource.trim_start_matches("log-group:").trim_end_matches(":*");
    let stream = event.id.clone();
    let template: Option<Json> = serde_json::from_str(&input).ok();
    let said = template
        .as_ref()
        .and_then(|json| json.as_object())
        .filter(|fields| fields.len() == 2 && fields.contains_key("message") && fields.contains_key("timestamp"));
    let message = match said.map(|fields| &fields["message"]) {
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => input.clone(),
    };
    let moment = said.and_then(|fields| match &fields["timestamp"] {
        Json::Number(millis) => millis.as_i64(),
        Json::String(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
        _ => None,
    });
    let made = cx.call("logs", "CreateLogStream", json!({"logGroupName": group, "logStreamName": stream})).await;
    match made {
        Err(failure) if failure.code() != Some("ResourceAlreadyExistsException") => return Err(Refusal::of(&failure)),
        _ => {}
    }
    let events = json!([{"timestamp": moment.unwrap_or(cx.now_millis()), "message": message}]);
    let input = json!({"logGroupName": group, "logStreamName": stream, "logEvents": events});
    call(cx, "logs", "PutLogEvents", input).await
}

/// Takes an event to another bus. It stays what it is, and goes on to no third one.
async fn forward(service: &Events, cx: &Cx, target: &Target, delivery: &Delivery, rule_arn: &str) -> Invoked<()> {
    let Some(bus) = BusName::from_arn(&target.arn) else {
        return Err(Refusal::for_good("INVALID_PARAMETER", format!("{} is no event bus", target.arn)));
    };
    let here = Hop { account: cx.account().to_owned(), region: cx.region().to_owned() };
    if let Some(before) = &delivery.event.hop {
        let code = if before.region != here.region && bus.region != here.region {
            "THIRD_REGION_HOP_DETECTED"
        } else {
            "THIRD_ACCOUNT_HOP_DETECTED"
        };
        return Err(Refusal::for_good(code, "Events that came from another event bus are not sent to a third one."));
    }
    let there = caller(cx, target.role_arn.as_deref(), rule_arn)?.elsewhere(&bus.account, &bus.region);
    let event = Event { hop: Some(here), ingested: there.refreshed().now_millis(), ..delivery.event.clone() };
    take(service, &there, &bus, &event).await.map_err(|failure| Refusal::of(&failure))
}

async fn take(service: &Events, cx: &Cx, bus: &BusName, event: &Event) -> Result<()> {
    let from = cx.read();
    bus.find(&from)?;
    let access = permission::to_put(cx, &from, bus, &event.source, &event.detail_type)?;
    if let Some(message) = cx.denied(&access)? {
        return Err(undercast_kernel::AwsError::new("AccessDeniedException", 400, message).into());
    }
    let plan = service.plan(cx, &from, bus, event, None)?;
    if plan.is_empty() {
        return Ok(());
    }
    cx.write(|tx| plan.write(cx, tx)).await
}
