//! Data protection policies: what becomes of messages with personal data, on their way in and on their way out.
//!
//! Source: "Message data protection in Amazon SNS" in the developer guide.

mod identifiers;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::{Cx, Failure, Metric, Result};

use crate::api::{self, errors};
use crate::error::invalid;
use crate::message::Message;
use crate::rows::{Subscription, TOPICS, Topic, TopicName};
use crate::sealed::PRINCIPAL;
use identifiers::Identifier;

/// A policy is at most so long,
const LARGEST: usize = 30_720;
/// and has so many identifiers of its own.
const MOST_CUSTOM: usize = 10;
/// What ARNs of AWS's identifiers begin with.
const MANAGED: &str = "arn:aws:dataprotection::aws:data-identifier/";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Direction {
    Inbound,
    Outbound,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Policy {
    name: String,
    #[serde(rename = "Description")]
    _description: Option<String>,
    version: String,
    statement: Vec<Statement>,
    configuration: Option<Configuration>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Configuration {
    custom_data_identifier: Vec<Custom>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Custom {
    name: String,
    regex: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    data_direction: Direction,
    principal: Vec<String>,
    data_identifier: Vec<String>,
    operation: Operation,
}

#[derive(Debug, Clone, Deserialize)]
enum Operation {
    Audit(Box<Audit>),
    #[serde(alias = "De-identify")]
    Deidentify(Deidentify),
    Deny(Nothing),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Audit {
    sample_rate: Json,
    findings_destination: Option<Destinations>,
    no_findings_destination: Option<Destinations>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Destinations {
    cloud_watch_logs: Option<LogGroup>,
    firehose: Option<Json>,
    s3: Option<Json>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct LogGroup {
    log_group: String,
}

#[derive(Debug, Clone, Deserialize)]
enum Deidentify {
    MaskConfig(Mask),
    RedactConfig(Nothing),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Mask {
    mask_with_character: String,
}

fn refuse(message: impl std::fmt::Display) -> Failure {
    invalid(format!("Invalid parameter: DataProtectionPolicy Reason: {message}")).into()
}

impl Policy {
    fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(refuse)
    }

    fn identifier(&self, named: &str) -> Result<Identifier> {
        let custom = self.configuration.iter().flat_map(|c| &c.custom_data_identifier).find(|c| c.name == named);
        if let Some(custom) = custom {
            let found = Identifier::custom(&custom.name, &custom.regex);
            return found.ok_or_else(|| refuse(format_args!("{} is not a valid regular expression", custom.regex)));
        }
        let name =
            named.strip_prefix(MANAGED).ok_or_else(|| refuse(format_args!("{named} is not a data identifier")))?;
        let what = || format!("data protection policies with the data identifier {name}: it has no form of its own");
        Identifier::known(name).ok_or_else(|| Failure::not_built(what()))
    }

    fn check(&self) -> Result<()> {
        if self.version != "2021-06-01" {
            return Err(refuse("Version must be 2021-06-01"));
        }
        if self.name.is_empty() || self.statement.is_empty() {
            return Err(refuse("Name and Statement must not be empty"));
        }
        let custom: Vec<&Custom> = self.configuration.iter().flat_map(|c| &c.custom_data_identifier).collect();
        if custom.len() > MOST_CUSTOM || custom.iter().any(|c| c.name.is_empty() || c.regex.len() > 200) {
            return Err(refuse("a policy has at most 10 custom data identifiers, of at most 200 characters each"));
        }
        for statement in &self.statement {
            if statement.data_identifier.is_empty() || statement.principal.is_empty() {
                return Err(refuse("DataIdentifier and Principal must not be empty"));
            }
            statement.data_identifier.iter().try_for_each(|named| self.identifier(named).map(drop))?;
            statement.operation.check(statement.data_direction)?;
        }
        Ok(())
    }

    /// The statements of a direction about a principal, with what they look for.
    fn about(&self, direction: Direction, principal: &[&str]) -> Result<Vec<(&Statement, Vec<Identifier>)>> {
        let is_meant = |s: &&Statement| {
            s.data_direction == direction && s.principal.iter().any(|p| p == "*" || principal.contains(&p.as_str()))
        };
        let all = self.statement.iter().filter(is_meant);
        all.map(|s| Ok((s, s.data_identifier.iter().map(|named| self.identifier(named)).collect::<Result<_>>()?)))
            .collect()
    }
}

impl Operation {
    fn check(&self, direction: Direction) -> Result<()> {
        match self {
            Self::Audit(_) if direction == Direction::Outbound => Err(refuse("Audit is for inbound messages")),
            Self::Audit(audit) => {
                if audit.rate().is_none_or(|rate| rate > 99) {
                    return Err(refuse("SampleRate must be an integer from 0 to 99"));
                }
                let places = audit.findings_destination.iter().chain(&audit.no_findings_destination);
                if places.clone().any(|d| d.firehose.is_some() || d.s3.is_some()) {
                    return Err(Failure::not_built("data protection policies that tell findings to Firehose or S3"));
                }
                match places
                    .filter_map(|d| d.cloud_watch_logs.as_ref())
                    .find(|l| !l.log_group.starts_with("/aws/vendedlogs/"))
                {
                    Some(_) => Err(refuse("LogGroup must begin with /aws/vendedlogs/")),
                    None => Ok(()),
                }
            }
            Self::Deidentify(Deidentify::MaskConfig(mask)) if mask.mask_with_character.chars().count() != 1 => {
                Err(refuse("MaskWithCharacter must be one character"))
            }
            Self::Deidentify(_) | Self::Deny(_) => Ok(()),
        }
    }
}

impl Audit {
    fn rate(&self) -> Option<u64> {
        self.sample_rate.as_u64().or_else(|| self.sample_rate.as_str().and_then(|t| t.parse().ok()))
    }
}

/// Refuses what is no policy, or none that can be kept here.
pub(crate) fn check(topic: &Topic, text: &str) -> Result<()> {
    if topic.is_fifo() {
        return Err(refuse("FIFO topics have no data protection policies"));
    }
    if text.len() > LARGEST {
        return Err(refuse("the policy is too long"));
    }
    Policy::parse(text)?.check()
}

pub(crate) async fn put(cx: &Cx, input: api::PutDataProtectionPolicyInput) -> Result<()> {
    let name = TopicName::parse(&input.resource_arn)?;
    cx.write(|tx| {
        let mut topic = name.find(tx)?;
        let text = input.data_protection_policy.as_str();
        if !matches!(text, "" | "{}") {
            check(&topic, text)?;
        }
        topic.data_protection = Some(text.to_owned()).filter(|text| !matches!(text.as_str(), "" | "{}"));
        TOPICS.put(tx, &topic.key(), &topic);
        Ok(())
    })
    .await
}

pub(crate) fn get(cx: &Cx, input: &api::GetDataProtectionPolicyInput) -> Result<api::GetDataProtectionPolicyOutput> {
    let topic = TopicName::parse(&input.resource_arn)?.find(&cx.read())?;
    Ok(api::GetDataProtectionPolicyOutput {
        data_protection_policy: Some(topic.data_protection.unwrap_or_else(String::new)),
    })
}

fn of(topic: &Topic) -> Result<Option<Policy>> {
    topic.data_protection.as_deref().map(Policy::parse).transpose()
}

/// Whether what goes out is looked at.
pub(crate) fn looks_outbound(topic: &Topic) -> bool {
    let looks = |policy: Policy| policy.statement.iter().any(|s| s.data_direction == Direction::Outbound);
    of(topic).ok().flatten().is_some_and(looks)
}

/// Where a text has what is looked for, in order, what overlaps as one.
fn findings(identifiers: &[Identifier], text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found: Vec<_> = identifiers.iter().flat_map(|i| i.find(text)).collect();
    found.sort_by_key(|range| range.start);
    let mut merged: Vec<std::ops::Range<usize>> = Vec::new();
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

fn without(text: &str, findings: &[std::ops::Range<usize>], how: &Deidentify) -> String {
    let (mut out, mut at) = (String::new(), 0);
    for range in findings {
        out.push_str(&text[at..range.start]);
        if let Deidentify::MaskConfig(mask) = how {
            out.push_str(&mask.mask_with_character.repeat(text[range.clone()].chars().count()));
        }
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// Refuses a message, or changes it, as the statements say.
fn apply(statements: &[(&Statement, Vec<Identifier>)], mut message: Message) -> Result<Message> {
    for (statement, identifiers) in statements {
        let found = findings(identifiers, &message.text);
        match &statement.operation {
            _ if found.is_empty() => {}
            Operation::Deny(_) => {
                let why = "The message contains sensitive data that the data protection policy of the topic denies";
                return Err(errors::authorization_error_exception(why).into());
            }
            Operation::Deidentify(how) => message.text = without(&message.text, &found, how),
            Operation::Audit(_) => {}
        }
    }
    Ok(message)
}

/// What becomes of a message that is published.
pub(crate) async fn inbound(cx: &Cx, topic: &Topic, message: Message) -> Result<Message> {
    let Some(policy) = of(topic)? else { return Ok(message) };
    let role = match &cx.principal().kind {
        PrincipalKind::AssumedRole { role_arn, .. } => role_arn.as_str(),
        _ => "",
    };
    let statements = policy.about(Direction::Inbound, &[&cx.principal().arn, role])?;
    for (statement, identifiers) in &statements {
        if let Operation::Audit(audit) = &statement.operation
            && cx.random().below(100) < audit.rate().unwrap_or(0)
        {
            report(cx, topic, &message, audit, identifiers).await;
        }
    }
    apply(&statements, message)
}

/// What becomes of a message that is delivered.
pub(crate) async fn outbound(cx: &Cx, topic: &Topic, subscription: &Subscription, message: Message) -> Result<Message> {
    let Some(policy) = of(topic)? else { return Ok(message) };
    let root = format!("arn:{}:iam::{}:root", cx.partition(), subscription.owner);
    let principal = subscription.principal.as_deref().unwrap_or_default();
    apply(&policy.about(Direction::Outbound, &[principal, &root])?, message)
}

/// Tells what was found in a message, where the policy wants it told.
async fn report(cx: &Cx, topic: &Topic, message: &Message, audit: &Audit, identifiers: &[Identifier]) {
    let found: Vec<Json> = identifiers
        .iter()
        .map(|i| (i, i.find(&message.text)))
        .filter(|(_, found)| !found.is_empty())
        .map(|(i, found)| {
            let places: Vec<Json> = found.iter().map(|r| json!({"start": r.start, "end": r.end})).collect();
            json!({"name": i.name, "count": places.len(), "detections": places})
        })
        .collect();
    let own = cx.elsewhere(&topic.account, &topic.region);
    let name = if found.is_empty() { "MessagesWithNoFindings" } else { "MessagesWithFindings" };
    own.observe(&Metric { namespace: "AWS/SNS", name, dimensions: &[("TopicName", &topic.name)], unit: "Count" }, 1.0);
    let place = if found.is_empty() { &audit.no_findings_destination } else { &audit.findings_destination };
    let Some(group) = place.as_ref().and_then(|p| p.cloud_watch_logs.as_ref()) else { return };
    let event = json!({"auditTimestamp": message.timestamp(), "callerPrincipal": cx.principal().arn, "messageId": message.id,
        "resourceArn": topic.arn(cx), "dataIdentifiers": found});
    if let Err(failure) = write(&own, topic, &group.log_group, &event).await {
        tracing::warn!(
            group = group.log_group,
            error = &failure as &dyn std::error::Error,
            "findings could not be told"
        );
    }
}

/// The group must be there; the stream is made.
async fn write(cx: &Cx, topic: &Topic, group: &str, event: &Json) -> Result<()> {
    let logs = cx.through(PRINCIPAL);
    let stream = format!("{}-{}", topic.name, cx.random().uuid());
    logs.call("logs", "CreateLogStream", json!({"logGroupName": group, "logStreamName": stream})).await?;
    let events = json!([{"timestamp": cx.now_millis(), "message": event.to_string()}]);
    let input = json!({"logGroupName": group, "logStreamName": stream, "logEvents": events});
    logs.call("logs", "PutLogEvents", input).await.map(drop)
}
