//! Functions: they are invoked with an event, and nobody waits for what they make of it.

use serde_json::json;
use undercast_kernel::arn::Arn;
use undercast_kernel::wire::text::base64;
use undercast_kernel::{AwsError, Result};

use super::Answer;
use crate::envelope::Envelope;
use crate::message::Message;
use crate::rows::Subscription;
use crate::sealed::PRINCIPAL;

/// Invokes a subscriber's function.
pub(crate) async fn invoke(envelope: &Envelope<'_>, subscription: &Subscription, message: &Message) -> Result<Answer> {
    let endpoint = &subscription.endpoint;
    let event = envelope.event(message, subscription)?;
    let arn = Arn::parse(endpoint);
    let arn = arn.ok_or_else(|| AwsError::new("InvalidParameter", 400, format!("{endpoint} is no ARN")))?;
    let topic = envelope.topic.arn(envelope.cx);
    let there = envelope.cx.elsewhere(&arn.account, &arn.region).as_service(PRINCIPAL, Some(&topic));
    let payload = base64(event.to_string().as_bytes());
    let input = json!({"FunctionName": endpoint, "InvocationType": "Event", "Payload": payload});
    let answer = there.call("lambda", "Invoke", input).await?;
    let status = answer["StatusCode"].as_u64().and_then(|s| u16::try_from(s).ok()).unwrap_or(202);
    Ok(Answer { status, response: json!({"lambdaRequestId": there.request_id()}).to_string() })
}
