//! Streams of Data Firehose: a record a notification, with the role that the subscription names.
//!
//! Source: "Fanout to Firehose delivery streams" in the developer guide.

use serde_json::json;
use undercast_kernel::arn::Arn;
use undercast_kernel::wire::text::base64;
use undercast_kernel::{AwsError, Result};

use super::Answer;
use crate::envelope::Envelope;
use crate::message::Message;
use crate::permission;
use crate::rows::Subscription;

/// Puts a record into a subscriber's stream.
pub(crate) async fn put(envelope: &Envelope<'_>, subscription: &Subscription, message: &Message) -> Result<Answer> {
    let endpoint = &subscription.endpoint;
    let arn = Arn::parse(endpoint);
    let arn = arn.ok_or_else(|| AwsError::new("InvalidParameter", 400, format!("{endpoint} is no ARN")))?;
    let name = arn.resource.strip_prefix("deliverystream/").unwrap_or(&arn.resource);
    let mut record = if subscription.is_raw() {
        message.text_for(&subscription.protocol)
    } else {
        envelope.notification(message, subscription, false)?.to_string()
    };
    // One follows the other in the stream's files, a line each.
    record.push('\n');
    let role = subscription.text("SubscriptionRoleArn").unwrap_or_default();
    let there = envelope.cx.elsewhere(&arn.account, &arn.region);
    let there = permission::with_role(&there, role, &envelope.topic.arn(envelope.cx))?;
    let input = json!({"DeliveryStreamName": name, "Record": {"Data": base64(record.as_bytes())}});
    let answer = there.call("firehose", "PutRecord", input).await?;
    Ok(Answer { status: 200, response: json!({"recordId": answer["RecordId"]}).to_string() })
}
