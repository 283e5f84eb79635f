//! The event history: LookupEvents.
//!
//! Management events of the last 90 days, by account and region. They can be looked up at once; on AWS, after some minutes.
//!
//! Source: "Working with CloudTrail event history" and "Supported resource types" in the user guide; LookupEvents in the API
//! reference.

use serde_json::Value as Json;
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::{Cx, Record, Result, Timestamp, paging};

use crate::CloudTrail;
use crate::api::{self, errors, output};
use crate::insights::INSIGHTS;
use crate::recorder::{HISTORY_SPAN, newest};
use crate::rows::{HISTORY, Seen, moment};

/// A page has so many events.
const PAGE: usize = 50;
/// So many are looked through for a page of events that fit, before what was found is answered with a token.
const LOOKED_THROUGH: usize = 20_000;

/// Parameters that name resources, and the types of these.
const NAMING: &[(&str, &str, &str)] = &[
    ("cloudformation.amazonaws.com", "stackName", "AWS::CloudFormation::Stack"),
    ("cloudtrail.amazonaws.com", "name", "AWS::CloudTrail::Trail"),
    ("dynamodb.amazonaws.com", "tableName", "AWS::DynamoDB::Table"),
    ("events.amazonaws.com", "name", "AWS::Events::Rule"),
    ("iam.amazonaws.com", "accessKeyId", "AWS::IAM::AccessKey"),
    ("iam.amazonaws.com", "groupName", "AWS::IAM::Group"),
    ("iam.amazonaws.com", "instanceProfileName", "AWS::IAM::InstanceProfile"),
    ("iam.amazonaws.com", "policyArn", "AWS::IAM::Policy"),
    ("iam.amazonaws.com", "policyName", "AWS::IAM::Policy"),
    ("iam.amazonaws.com", "roleName", "AWS::IAM::Role"),
    ("iam.amazonaws.com", "userName", "AWS::IAM::User"),
    ("kinesis.amazonaws.com", "streamName", "AWS::Kinesis::Stream"),
    ("kms.amazonaws.com", "keyId", "AWS::KMS::Key"),
    ("lambda.amazonaws.com", "functionName", "AWS::Lambda::Function"),
    ("logs.amazonaws.com", "logGroupName", "AWS::Logs::LogGroup"),
    ("s3.amazonaws.com", "bucketName", "AWS::S3::Bucket"),
    ("secretsmanager.amazonaws.com", "secretId", "AWS::SecretsManager::Secret"),
    ("sns.amazonaws.com", "name", "AWS::SNS::Topic"),
    ("sns.amazonaws.com", "topicArn", "AWS::SNS::Topic"),
    ("sqs.amazonaws.com", "queueName", "AWS::SQS::Queue"),
    ("sqs.amazonaws.com", "queueUrl", "AWS::SQS::Queue"),
    ("ssm.amazonaws.com", "name", "AWS::SSM::Parameter"),
    ("sts.amazonaws.com", "roleArn", "AWS::IAM::Role"),
];

/// A call as the history keeps it.
pub(crate) fn of(record: &Record, event: &Json, text: String, username: Option<String>) -> Seen {
    let known = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let (source, parameters) = (known("eventSource"), &event["requestParameters"]);
    let named = NAMING.iter().filter(|(of, ..)| *of == source).filter_map(|(_, name, of)| {
        let value = parameters[*name].as_str().filter(|value| !value.is_empty())?;
        Some(((*of).to_owned(), value.to_owned()))
    });
    let told = event["resources"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|resource| Some((resource["type"].as_str()?.to_owned(), resource["ARN"].as_str()?.to_owned())));
    let mut resources: Vec<(String, String)> = named.collect();
    // What a parameter names is not named by its ARN again.
    for (of, arn) in told {
        if !resources.iter().any(|(known, name)| *known == of && (*name == arn || arn.ends_with(&format!(":{name}")))) {
            resources.push((of, arn));
        }
    }
    resources.sort();
    Seen {
        id: known("eventID"),
        name: known("eventName"),
        source,
        read_only: record.readonly,
        username,
        access_key: event["userIdentity"]["accessKeyId"].as_str().map(ToOwned::to_owned),
        resources,
        event: text,
        at: record.time.as_millisecond(),
    }
}

/// What the console calls whoever made a call.
pub(crate) fn username(record: &Record) -> Option<String> {
    match &record.who.kind {
        PrincipalKind::Root => Some("root".to_owned()),
        PrincipalKind::User { name } | PrincipalKind::FederatedUser { name, .. } => Some(name.clone()),
        PrincipalKind::AssumedRole { session_name, .. } => Some(session_name.clone()),
        PrincipalKind::Federated { .. } => Some(record.who.user_id.clone()),
        PrincipalKind::Anonymous | PrincipalKind::Service { .. } => None,
    }
}

/// Whether an event has the value of an attribute.
pub(crate) fn fits(seen: &Seen, key: &str, value: &str) -> bool {
    match key {
        "EventId" => seen.id == value,
        "EventName" => seen.name == value,
        "EventSource" => seen.source == value,
        "ReadOnly" => seen.read_only.to_string() == value,
        "Username" => seen.username.as_deref() == Some(value),
        "AccessKeyId" => seen.access_key.as_deref() == Some(value),
        "ResourceType" => seen.resources.iter().any(|(of, _)| of == value),
        "ResourceName" => seen.resources.iter().any(|(_, name)| name == value),
        _ => false,
    }
}

pub(crate) fn shown(seen: Seen) -> output::Event {
    let resource = |(of, name)| output::Resource { resource_type: Some(of), resource_name: Some(name) };
    output::Event {
        event_id: Some(seen.id),
        event_name: Some(seen.name),
        read_only: Some(seen.read_only.to_string()),
        access_key_id: seen.access_key,
        // An event's time has whole seconds.
        event_time: Some(moment(seen.at.div_euclid(1000) * 1000)),
        event_source: Some(seen.source),
        username: seen.username,
        resources: Some(seen.resources.into_iter().map(resource).collect()),
        cloud_trail_event: Some(seen.event),
    }
}

/// The newest first.
pub(crate) async fn lookup(
    service: &CloudTrail,
    cx: &Cx,
    input: api::LookupEventsInput,
) -> Result<api::LookupEventsOutput> {
    service.recorder.settle().await;
    let attributes = input.lookup_attributes.unwrap_or_else(Vec::new);
    if attributes.len() > 1 {
        return Err(errors::invalid_lookup_attributes_exception("Only one lookup attribute can be specified.").into());
    }
    let attribute = attributes.first().map(|a| (a.attribute_key.as_str(), a.attribute_value.as_str()));
    if attribute.is_some_and(|(key, value)| key == "ReadOnly" && !["true", "false"].contains(&value)) {
        let message = "The value of the lookup attribute ReadOnly must be true or false.";
        return Err(errors::invalid_lookup_attributes_exception(message).into());
    }
    let now = cx.now_millis();
    let start = input.start_time.map_or(i64::MIN, Timestamp::as_millisecond).max(now - HISTORY_SPAN);
    let end = input.end_time.map_or(i64::MAX, Timestamp::as_millisecond);
    if input.start_time.is_some_and(|at| at.as_millisecond() > end) {
        return Err(errors::invalid_time_range_exception("The start time must not be after the end time.").into());
    }
    let insights = input.event_category.is_some();
    let scope = format!("LookupEvents/{insights}/{attribute:?}/{:?}/{:?}", input.start_time, input.end_time);
    let position = position(&scope, input.next_token.as_deref())?;
    let size = input.max_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
    let wanted =
        |seen: &Seen| (start..=end).contains(&seen.at) && attribute.is_none_or(|(key, value)| fits(seen, key, value));
    let from = cx.read();
    let next =
        |before: Option<(i64, &str)>| newest(if insights { &INSIGHTS } else { &HISTORY }, cx, &from, before, 512);
    let (events, more) = search(size, start, position, next, wanted)?;
    Ok(api::LookupEventsOutput {
        events: Some(events.into_iter().map(shown).collect()),
        next_token: more.map(|(at, id)| paging::token(&scope, &format!("{at} {id}"))),
    })
}

/// Where a page begins: behind an event.
fn position(scope: &str, token: Option<&str>) -> Result<Option<(i64, String)>> {
    let Some(token) = token else { return Ok(None) };
    let place = paging::position(scope, token);
    let parsed = place.as_deref().and_then(|place| place.split_once(' '));
    let parsed = parsed.and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    parsed.map(Some).ok_or_else(|| errors::invalid_next_token_exception("The next token is not valid.").into())
}

/// A page of events that are wanted, and behind which one the next page begins.
fn search(
    size: usize,
    start: i64,
    mut position: Option<(i64, String)>,
    next: impl Fn(Option<(i64, &str)>) -> Result<Vec<Seen>>,
    wanted: impl Fn(&Seen) -> bool,
) -> Result<(Vec<Seen>, Option<(i64, String)>)> {
    let (mut found, mut looked) = (Vec::new(), 0);
    loop {
        let page = next(position.as_ref().map(|(at, id)| (*at, id.as_str())))?;
        if page.is_empty() {
            return Ok((found, None));
        }
        for seen in page {
            if seen.at < start {
                return Ok((found, None));
            }
            if found.len() == size || looked == LOOKED_THROUGH {
                return Ok((found, position));
            }
            looked += 1;
            position = Some((seen.at, seen.id.clone()));
            if wanted(&seen) {
                found.push(seen);
            }
        }
    }
}
