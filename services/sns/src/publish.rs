//! Publishing: a message is accepted together with what shall be delivered of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};
use undercast_kernel::store::Tx;
use undercast_kernel::wire::text;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::api::{self, errors, input, output};
use crate::deliver;
use crate::error::invalid;
use crate::filter;
use crate::rows::{Subscription, Topic, TopicName};

/// The largest message, and all messages of a batch.
const LARGEST: usize = 262_144;

/// A message, checked.
pub(crate) struct Draft {
    message: String,
    subject: Option<String>,
    /// Messages by protocol, where the structure is JSON.
    by_protocol: Option<Map<String, Json>>,
    attributes: BTreeMap<String, input::MessageAttributeValue>,
}

impl Draft {
    fn new(
        message: String,
        subject: Option<String>,
        structure: Option<&str>,
        attributes: Option<BTreeMap<String, input::MessageAttributeValue>>,
    ) -> Result<Self> {
        if message.is_empty() {
            return Err(invalid("Invalid parameter: Empty message").into());
        }
        if let Some(subject) = &subject {
            let good = (1..=100).contains(&subject.chars().count()) && !subject.chars().any(char::is_control);
            if !good {
                return Err(invalid("Invalid parameter: Subject").into());
            }
        }
        let by_protocol = match structure {
            None => None,
            Some("json") => Some(by_protocol(&message)?),
            Some(_) => return Err(invalid("Invalid parameter: MessageStructure").into()),
        };
        let attributes = attributes.unwrap_or_else(BTreeMap::new);
        attributes.iter().try_for_each(|(name, value)| check_attribute(name, value))?;
        Ok(Self { message, subject, by_protocol, attributes })
    }

    fn size(&self) -> usize {
        let value = |v: &input::MessageAttributeValue| {
            v.string_value.as_ref().map_or(0, String::len)
                + v.binary_value.as_ref().map_or(0, undercast_kernel::Bytes::len)
        };
        self.message.len() + self.attributes.iter().map(|(n, v)| n.len() + v.data_type.len() + value(v)).sum::<usize>()
    }

    /// What a subscriber of a protocol reads.
    fn text_for(&self, protocol: &str) -> &str {
        let own = self.by_protocol.as_ref().and_then(|m| m.get(protocol).or(m.get("default"))).and_then(Json::as_str);
        own.unwrap_or(&self.message)
    }

    fn attributes_json(&self) -> Json {
        let entry = |v: &input::MessageAttributeValue| {
            let value = v.string_value.clone().or_else(|| v.binary_value.as_ref().map(|b| text::base64(b)));
            json!({"Type": v.data_type, "Value": value})
        };
        Json::Object(self.attributes.iter().map(|(n, v)| (n.clone(), entry(v))).collect())
    }

    fn passes(&self, subscription: &Subscription) -> bool {
        let Some(policy) = subscription.attributes.get("FilterPolicy") else { return true };
        if subscription.attributes.get("FilterPolicyScope").is_some_and(|s| s == "MessageBody") {
            // A body that is no JSON object fits no policy.
            return serde_json::from_str::<Json>(&self.message)
                .is_ok_and(|body| body.is_object() && filter::fits(policy, &body));
        }
        let value = |v: &input::MessageAttributeValue| -> Option<Json> {
            let text = v.string_value.as_ref()?;
            match v.data_type.as_str() {
                "Number" => text.parse::<f64>().ok().map(Json::from),
                "String.Array" => serde_json::from_str(text).ok(),
                _ => Some(Json::from(text.clone())),
            }
        };
        let root = self.attributes.iter().filter_map(|(n, v)| Some((n.clone(), value(v)?))).collect();
        filter::fits(policy, &Json::Object(root))
    }

    /// Accepts it in a transaction. Returns its id.
    fn accept(&self, cx: &Cx, tx: &mut Tx<'_>, topic: &Topic) -> Result<String> {
        let id = cx.random().uuid();
        for subscription in topic.subscriptions(tx)?.iter().filter(|s| self.passes(s)) {
            let notification = json!({
                "topic": topic.name, "subscription": subscription.id, "id": id, "subject": self.subject,
                "message": self.text_for(&subscription.protocol), "time": cx.now().to_string(), "attributes": self.attributes_json(),
            });
            deliver::schedule(cx, tx, topic, &subscription.id, &id, &notification)?;
        }
        Ok(id)
    }
}

fn by_protocol(message: &str) -> Result<Map<String, Json>> {
    let parsed: Json = serde_json::from_str(message)
        .map_err(|_| invalid("Invalid parameter: Message Structure - JSON message body failed to parse"))?;
    match parsed {
        Json::Object(entries) if entries.get("default").is_some_and(Json::is_string) => Ok(entries),
        _ => Err(invalid("Invalid parameter: Message Structure - No default entry in JSON message body").into()),
    }
}

fn check_attribute(name: &str, value: &input::MessageAttributeValue) -> Result<()> {
    let refuse = |message: String| -> Result<()> { Err(errors::invalid_parameter_value_exception(message).into()) };
    let base = value.data_type.split('.').next().unwrap_or_default();
    match (base, &value.string_value, &value.binary_value) {
        ("Binary", _, Some(bytes)) if !bytes.is_empty() => Ok(()),
        ("String", Some(text), _) if !text.is_empty() => Ok(()),
        ("Number", Some(text), _) if text.parse::<f64>().is_ok() => Ok(()),
        ("Number", Some(_), _) => refuse(format!("Could not cast message attribute '{name}' value to number.")),
        ("Binary" | "String" | "Number", ..) => refuse(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{base}'."
        )),
        _ => refuse(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
        )),
    }
}

pub(crate) async fn one(cx: &Cx, input: api::PublishInput) -> Result<api::PublishOutput> {
    let arn = match (input.topic_arn, input.target_arn) {
        (Some(arn), _) => arn,
        (None, Some(arn)) if arn.contains(":endpoint/") => return Err(Failure::not_built("sns platform endpoints")),
        (None, Some(arn)) => arn,
        (None, None) => {
            return Err(
                invalid("Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter").into()
            );
        }
    };
    let name = TopicName::parse(&arn)?;
    // Queues of this topic that are fair get the group; nothing else depends on it.
    refuse_group(input.message_group_id.as_deref())?;
    let draft = Draft::new(input.message, input.subject, input.message_structure.as_deref(), input.message_attributes)?;
    if draft.size() > LARGEST {
        return Err(invalid("Invalid parameter: Message too long").into());
    }
    let message_id = cx
        .write(|tx| {
            let topic = name.find(tx)?;
            draft.accept(cx, tx, &topic)
        })
        .await?;
    cx.meter("sns", "Requests", 1.0);
    Ok(api::PublishOutput { message_id: Some(message_id), sequence_number: None })
}

fn refuse_group(group: Option<&str>) -> Result<()> {
    match group {
        Some(_) => Err(Failure::not_built("sns.Publish with MessageGroupId")),
        None => Ok(()),
    }
}

fn check_ids(entries: &[input::PublishBatchRequestEntry]) -> Result<()> {
    if entries.is_empty() {
        return Err(errors::empty_batch_request_exception("The batch request doesn't contain any entries.").into());
    }
    if entries.len() > 10 {
        return Err(errors::too_many_entries_in_batch_request_exception(
            "The batch request contains more entries than permissible.",
        )
        .into());
    }
    let mut seen = BTreeSet::new();
    for entry in entries {
        if entry.id.len() > 80 {
            return Err(errors::invalid_batch_entry_id_exception(format!(
                "The Id of a batch entry in the batch request is too long: {}",
                entry.id
            ))
            .into());
        }
        if entry.id.is_empty() || !entry.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            let message = format!(
                "The Id of a batch entry in the batch request contains an impermissible character: {}",
                entry.id
            );
            return Err(errors::invalid_batch_entry_id_exception(message).into());
        }
        if !seen.insert(&entry.id) {
            return Err(errors::batch_entry_ids_not_distinct_exception(
                "Two or more batch entries in the request have the same Id.",
            )
            .into());
        }
    }
    Ok(())
}

pub(crate) async fn many(cx: &Cx, input: api::PublishBatchInput) -> Result<api::PublishBatchOutput> {
    let name = TopicName::parse(&input.topic_arn)?;
    check_ids(&input.publish_batch_request_entries)?;
    let (mut drafts, mut failed, mut total) = (Vec::new(), Vec::new(), 0);
    for entry in input.publish_batch_request_entries {
        refuse_group(entry.message_group_id.as_deref())?;
        match Draft::new(entry.message, entry.subject, entry.message_structure.as_deref(), entry.message_attributes) {
            Ok(draft) => {
                total += draft.size();
                drafts.push((entry.id, draft));
            }
            Err(Failure::Aws(error)) => failed.push(failure(entry.id, *error)),
            Err(other) => return Err(other),
        }
    }
    if total > LARGEST {
        return Err(errors::batch_request_too_long_exception(
            "The length of all the messages put together is more than the limit.",
        )
        .into());
    }
    let successful = cx
        .write(|tx| {
            let topic = name.find(tx)?;
            let entries = drafts.iter().map(|(id, draft)| {
                let message_id = draft.accept(cx, tx, &topic)?;
                Ok(output::PublishBatchResultEntry {
                    id: Some(id.clone()),
                    message_id: Some(message_id),
                    sequence_number: None,
                })
            });
            entries.collect::<Result<Vec<_>>>()
        })
        .await?;
    Ok(api::PublishBatchOutput { successful: Some(successful), failed: Some(failed) })
}

fn failure(id: String, error: AwsError) -> output::BatchResultErrorEntry {
    output::BatchResultErrorEntry {
        id,
        code: error.code.into_owned(),
        message: Some(error.message),
        sender_fault: error.sender,
    }
}
