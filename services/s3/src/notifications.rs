//! Notification configurations: who is told of what.
//!
//! Source: "Amazon S3 Event Notifications" in the user guide.

use serde::{Deserialize, Serialize};
use serde_json::json;
use undercast_kernel::arn::Arn;
use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, Cx, Failure, Result};
use undercast_wire::text::base64;

use crate::api::{self, input, output};
use crate::rows::{BUCKETS, Bucket, SETTINGS};
use crate::{bucket, error, events};

/// The setting that holds them.
const SETTING: &str = "notification";

/// A bucket has so many rules at most.
const MOST_RULES: usize = 100;

/// What kind of destination a rule has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum To {
    Queue,
    Topic,
    Function,
}

/// Who is told of which events of which keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) to: To,
    pub(crate) arn: String,
    pub(crate) events: Vec<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) suffix: Option<String>,
}

impl Rule {
    /// Whether an event (`ObjectCreated:Put`) of a key is told.
    pub(crate) fn wants(&self, event: &str, key: &str) -> bool {
        let named = self.events.iter().any(|e| {
            e.strip_prefix("s3:").is_some_and(|e| e.strip_suffix('*').map_or(e == event, |all| event.starts_with(all)))
        });
        named
            && self.prefix.as_deref().is_none_or(|p| key.starts_with(p))
            && self.suffix.as_deref().is_none_or(|s| key.ends_with(s))
    }

    /// Two rules may not both be told of the same thing.
    fn overlaps(&self, other: &Self) -> bool {
        let group = |e: &str| e.strip_suffix('*').map(ToOwned::to_owned);
        let common = self.events.iter().any(|a| {
            other.events.iter().any(|b| {
                a == b || group(a).is_some_and(|g| b.starts_with(&g)) || group(b).is_some_and(|g| a.starts_with(&g))
            })
        });
        // No filter is one that every key passes.
        let (a, b) = (self.prefix.as_deref().unwrap_or(""), other.prefix.as_deref().unwrap_or(""));
        let (c, d) = (self.suffix.as_deref().unwrap_or(""), other.suffix.as_deref().unwrap_or(""));
        common && (a.starts_with(b) || b.starts_with(a)) && (c.ends_with(d) || d.ends_with(c))
    }

    fn has_filter(&self) -> bool {
        self.prefix.is_some() || self.suffix.is_some()
    }
}

/// The rules of a bucket, and whether EventBridge is told of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) rules: Vec<Rule>,
    pub(crate) bridge: bool,
}

/// The same as it is stored: once there were rules alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Rules(Vec<Rule>),
    Told(Told),
}

/// Who is told of what happens in a bucket.
pub(crate) fn told(from: &(impl Read + ?Sized), bucket: &Bucket) -> Result<Told> {
    if !bucket.notifies {
        return Ok(Told::default());
    }
    let Some(text) = SETTINGS.get(from, &bucket.key(SETTING))? else { return Ok(Told::default()) };
    Ok(match serde_json::from_str(&text).map_err(Failure::broken)? {
        Stored::Rules(rules) => Told { rules, bridge: false },
        Stored::Told(told) => told,
    })
}

fn filter(given: Option<input::NotificationConfigurationFilter>) -> Result<(Option<String>, Option<String>)> {
    let (mut prefix, mut suffix) = (None, None);
    let rules = given.and_then(|f| f.key).and_then(|k| k.filter_rules);
    for rule in rules.into_iter().flatten() {
        let (Some(name), Some(value)) = (rule.name, rule.value) else { return Err(error::malformed_xml().into()) };
        let slot = match name.to_lowercase().as_str() {
            "prefix" => &mut prefix,
            "suffix" => &mut suffix,
            _ => {
                return Err(error::invalid_argument(
                    "filter rule name must be either prefix or suffix",
                    "FilterRule.Name",
                    &name,
                )
                .into());
            }
        };
        if slot.is_some() {
            let which = name.to_lowercase();
            return Err(error::invalid_argument(
                format!("Cannot specify more than one {which} rule in a filter."),
                "FilterRule.Name",
                &name,
            )
            .into());
        }
        *slot = Some(value);
    }
    Ok((prefix, suffix))
}

/// The rules of a request.
fn requested(cx: &Cx, given: input::NotificationConfiguration) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    let mut add = |id: Option<String>, to, arn, events, filter_given| -> Result<()> {
        let (prefix, suffix) = filter(filter_given)?;
        let id = id.filter(|i| !i.is_empty()).unwrap_or_else(|| cx.random().uuid());
        rules.push(Rule { id, to, arn, events, prefix, suffix });
        Ok(())
    };
    for c in given.queue_configurations.into_iter().flatten() {
        add(c.id, To::Queue, c.queue_arn, c.events, c.filter)?;
    }
    for c in given.topic_configurations.into_iter().flatten() {
        add(c.id, To::Topic, c.topic_arn, c.events, c.filter)?;
    }
    for c in given.lambda_function_configurations.into_iter().flatten() {
        add(c.id, To::Function, c.lambda_function_arn, c.events, c.filter)?;
    }
    Ok(rules)
}

fn invalid(message: &str, name: &str, value: &str) -> Failure {
    error::invalid_argument(message, name, value).into()
}

/// The rules as a whole.
fn check(bucket: &Bucket, rules: &[Rule]) -> Result<()> {
    if rules.len() > MOST_RULES {
        return Err(invalid(
            "Number of configurations exceeds the limit of 100",
            "NotificationConfiguration",
            &rules.len().to_string(),
        ));
    }
    for (at, rule) in rules.iter().enumerate() {
        if rule.events.is_empty() {
            return Err(error::malformed_xml().into());
        }
        check_arn(bucket, rule)?;
        for other in &rules[..at] {
            if other.id == rule.id {
                return Err(invalid("Same ID used for multiple configurations. IDs must be unique", "Id", &rule.id));
            }
            if rule.overlaps(other) {
                let message = if rule.has_filter() || other.has_filter() {
                    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type."
                } else {
                    "Configurations overlap. Configurations on the same bucket cannot share a common event type."
                };
                return Err(invalid(message, "Id", &rule.id));
            }
        }
    }
    Ok(())
}

fn check_arn(bucket: &Bucket, rule: &Rule) -> Result<()> {
    let service = match rule.to {
        To::Queue => "sqs",
        To::Topic => "sns",
        To::Function => "lambda",
    };
    let Some(arn) = Arn::parse(&rule.arn) else { return Err(invalid("The ARN could not be parsed", "Arn", &rule.arn)) };
    if arn.service != service || arn.resource.is_empty() {
        return Err(invalid("The ARN is not well formed", "Arn", &rule.arn));
    }
    if arn.region != bucket.region {
        return Err(invalid(
            "The notification destination service region is not valid for the bucket location constraint",
            "Arn",
            &rule.arn,
        ));
    }
    if rule.to != To::Function && arn.resource.ends_with(".fifo") {
        let what = if rule.to == To::Queue { "SQS queues" } else { "SNS topics" };
        return Err(invalid(&format!("FIFO {what} are not supported."), "Arn", &rule.arn));
    }
    Ok(())
}

/// Asks a destination whether it takes notifications of this bucket: queues and topics get the test event, functions a
/// dry run, which asks for the permission alone.
async fn validate(cx: &Cx, bucket: &Bucket, rule: &Rule) -> Result<()> {
    let asked = match rule.to {
        To::Function => {
            let cx = events::as_s3(cx, bucket);
            let input = json!({"FunctionName": rule.arn, "InvocationType": "DryRun", "Payload": base64(b"{}")});
            cx.call("lambda", "Invoke", input).await.map(drop)
        }
        To::Queue | To::Topic => events::send(cx, bucket, rule.to, &rule.arn, &events::test(cx, bucket)).await,
    };
    let Err(failure) = asked else { return Ok(()) };
    let Failure::Aws(refusal) = failure else { return Err(failure) };
    let missing = refusal.status == 404 || refusal.code.contains("NonExistent") || refusal.code.contains("NotFound");
    let why = match (rule.to, missing) {
        (To::Queue, true) => "The destination queue does not exist".to_owned(),
        (To::Topic, true) => "The destination topic does not exist".to_owned(),
        (To::Function, true) => "The destination Lambda does not exist".to_owned(),
        (To::Queue, false) => {
            "Permissions on the destination queue do not allow S3 to publish notifications from this bucket".to_owned()
        }
        (To::Topic, false) => {
            "Permissions on the destination topic do not allow S3 to publish notifications from this bucket".to_owned()
        }
        (To::Function, false) => format!("Not authorized to invoke function [{}]", rule.arn),
    };
    tracing::info!(code = %refusal.code, message = refusal.message, arn = rule.arn, "a destination refuses notifications");
    Err(invalid("Unable to validate the following destination configurations", &rule.arn, &why))
}

pub(crate) async fn put(cx: &Cx, input: api::PutBucketNotificationConfigurationInput) -> Result<()> {
    let owner = input.expected_bucket_owner.as_deref();
    let found = bucket::open(cx, &cx.read(), &input.bucket, owner)?;
    let bridge = input.notification_configuration.event_bridge_configuration.is_some();
    if bridge && !cx.has_listeners() {
        return Err(Failure::not_built("the service events, which is not running here"));
    }
    let rules = requested(cx, input.notification_configuration)?;
    check(&found, &rules)?;
    let before = told(&cx.read(), &found)?.rules;
    if input.skip_destination_validation != Some(true) {
        // S3 asks the destinations of rules that are new.
        for rule in rules.iter().filter(|r| !before.iter().any(|b| b.arn == r.arn)) {
            validate(cx, &found, rule).await?;
        }
    }
    let told = Told { rules, bridge };
    let text = serde_json::to_string(&told).map_err(Failure::broken)?;
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, owner)?;
        bucket.notifies = told.bridge || !told.rules.is_empty();
        if bucket.notifies {
            SETTINGS.put(tx, &bucket.key(SETTING), &text);
        } else {
            SETTINGS.delete(tx, &bucket.key(SETTING));
        }
        BUCKETS.put(tx, &(&bucket.name,), &bucket);
        Ok(())
    })
    .await
}

fn shown_filter(rule: &Rule) -> Option<output::NotificationConfigurationFilter> {
    let parts = [("Prefix", &rule.prefix), ("Suffix", &rule.suffix)];
    let rules: Vec<output::FilterRule> = parts
        .into_iter()
        .filter_map(|(name, value)| {
            Some(output::FilterRule { name: Some(name.to_owned()), value: Some(value.clone()?) })
        })
        .collect();
    (!rules.is_empty()).then_some(output::NotificationConfigurationFilter {
        key: Some(output::S3KeyFilter { filter_rules: Some(rules) }),
    })
}

pub(crate) fn get(
    cx: &Cx,
    input: &api::GetBucketNotificationConfigurationInput,
) -> Result<api::GetBucketNotificationConfigurationOutput> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let mut shown = api::GetBucketNotificationConfigurationOutput::default();
    let told = told(&from, &bucket)?;
    shown.event_bridge_configuration = told.bridge.then(output::EventBridgeConfiguration::default);
    for rule in told.rules {
        let (id, filter) = (Some(rule.id.clone()), shown_filter(&rule));
        match rule.to {
            To::Queue => {
                let c = output::QueueConfiguration { id, queue_arn: rule.arn, events: rule.events, filter };
                shown.queue_configurations.get_or_insert_default().push(c);
            }
            To::Topic => {
                let c = output::TopicConfiguration { id, topic_arn: rule.arn, events: rule.events, filter };
                shown.topic_configurations.get_or_insert_default().push(c);
            }
            To::Function => {
                let c = output::LambdaFunctionConfiguration {
                    id,
                    lambda_function_arn: rule.arn,
                    events: rule.events,
                    filter,
                };
                shown.lambda_function_configurations.get_or_insert_default().push(c);
            }
        }
    }
    Ok(shown)
}

/// What S3 says where the model's list of events or filter names is left.
pub(crate) fn unknown_event(value: &str) -> AwsError {
    error::invalid_argument("The event is not supported for notifications", "Event", value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(events: &[&str], prefix: Option<&str>, suffix: Option<&str>) -> Rule {
        Rule {
            id: "id".to_owned(),
            to: To::Queue,
            arn: "arn:aws:sqs:us-east-1:000000000000:q".to_owned(),
            events: events.iter().map(|e| (*e).to_owned()).collect(),
            prefix: prefix.map(ToOwned::to_owned),
            suffix: suffix.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn which_events_a_rule_wants() {
        let created = rule(&["s3:ObjectCreated:*"], Some("a/"), Some(".jpg"));
        assert!(created.wants("ObjectCreated:Put", "a/b.jpg"));
        assert!(!created.wants("ObjectCreated:Put", "b/b.jpg"));
        assert!(!created.wants("ObjectCreated:Put", "a/b.png"));
        assert!(!created.wants("ObjectRemoved:Delete", "a/b.jpg"));
        assert!(rule(&["s3:ObjectCreated:Put"], None, None).wants("ObjectCreated:Put", "x"));
        assert!(!rule(&["s3:ObjectCreated:Put"], None, None).wants("ObjectCreated:Copy", "x"));
    }

    #[test]
    fn which_rules_overlap() {
        let all = rule(&["s3:ObjectCreated:*"], None, None);
        assert!(all.overlaps(&rule(&["s3:ObjectCreated:Put"], None, None)));
        assert!(!all.overlaps(&rule(&["s3:ObjectRemoved:*"], None, None)));
        let images = rule(&["s3:ObjectCreated:*"], Some("images/"), Some(".jpg"));
        assert!(images.overlaps(&rule(&["s3:ObjectCreated:*"], Some("images/cats/"), None)));
        assert!(!images.overlaps(&rule(&["s3:ObjectCreated:*"], Some("logs/"), None)));
        assert!(!images.overlaps(&rule(&["s3:ObjectCreated:*"], Some("images/"), Some(".png"))));
    }
}
