//! HTTP and HTTPS endpoints: a POST each.
//!
//! Source: "Fanout Amazon SNS notifications to HTTPS endpoints" and "HTTP/HTTPS headers" in the developer guide.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value as Json;
use undercast_kernel::wire::text::base64;
use undercast_kernel::{AwsError, Cx, Failure, Result};
use undercast_outward::{NoAnswer, Request, Url};

use super::Answer;
use crate::envelope::Envelope;
use crate::message::Message;
use crate::retry::Policy;
use crate::rows::Subscription;

/// An endpoint has so long to answer, in the machine's time.
const PATIENCE: Duration = Duration::from_secs(15);
/// What SNS calls itself.
const AGENT: &str = "Amazon Simple Notification Service Agent";

/// What is posted.
struct Post<'a> {
    headers: Vec<(&'static str, &'a str)>,
    body: String,
}

/// Asks an endpoint. Where nothing is answered it is tried again.
async fn send(cx: &Cx, request: Request) -> Result<undercast_outward::Answer> {
    let ca = cx.kernel().settings().authority();
    undercast_outward::send(&ca, request).await.map_err(|why| match why {
        NoAnswer::Aws(host) => Failure::not_built(format!("sns deliveries to {host}: this cloud never calls AWS")),
        NoAnswer::Request(why) => Failure::broken(why),
        other => AwsError::new("EndpointUnreachable", 503, other.to_string()).into(),
    })
}

/// The address of an endpoint. `None`: it is none of this protocol.
pub(crate) fn address(text: &str, protocol: &str) -> Option<Url> {
    Url::parse(text).filter(|url| url.tls == (protocol == "https"))
}

/// Posts something; an endpoint that asks who it is gets told what its address says.
async fn post(cx: &Cx, endpoint: &str, protocol: &str, post: &Post<'_>) -> Result<Answer> {
    let url = address(endpoint, protocol).ok_or_else(|| AwsError::new("InvalidParameter", 400, "it is no address"))?;
    let given = post.headers.iter().copied().chain([("user-agent", AGENT), ("connection", "close")]);
    let login = url.login.as_ref().map(|login| format!("Basic {}", base64(login.as_bytes())));
    let mut request = Request {
        method: "POST".to_owned(),
        url,
        headers: given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: Bytes::from(post.body.clone()),
        patience: PATIENCE,
    };
    let mut answer = send(cx, request.clone()).await?;
    let asks = answer.headers.get("www-authenticate");
    let basic = asks.is_some_and(|header| header.as_bytes().to_ascii_lowercase().starts_with(b"basic"));
    if let (401, true, Some(login)) = (answer.status, basic, login) {
        request.headers.push(("authorization".to_owned(), login));
        answer = send(cx, request).await?;
    }
    let (status, response) = (answer.status, answer.text());
    if answer.is_success() {
        return Ok(Answer { status, response });
    }
    let failed = AwsError::new("EndpointRefused", status, response);
    // Redirections are not followed, and can be put right: they are tried again.
    Err(AwsError { sender: (400..500).contains(&status), ..failed }.into())
}

/// Posts a notification.
pub(crate) async fn notify(envelope: &Envelope<'_>, subscription: &Subscription, message: &Message) -> Result<Answer> {
    let topic = envelope.topic.arn(envelope.cx);
    let arn = subscription.arn(&topic);
    let policy = Policy::of(envelope.topic, subscription);
    let mut headers = vec![
        ("content-type", policy.content_type.as_str()),
        ("x-amz-sns-message-type", "Notification"),
        ("x-amz-sns-message-id", &message.id),
        ("x-amz-sns-topic-arn", &topic),
        ("x-amz-sns-subscription-arn", &arn),
    ];
    let body = if subscription.is_raw() {
        headers.push(("x-amz-sns-rawdelivery", "true"));
        message.text_for(&subscription.protocol)
    } else {
        pretty(&envelope.notification(message, subscription, false)?)
    };
    post(envelope.cx, &subscription.endpoint, &subscription.protocol, &Post { headers, body }).await
}

/// Posts what asks for the confirmation of a subscription, or tells that it was ended.
pub(crate) async fn confirm(
    envelope: &Envelope<'_>,
    subscription: &Subscription,
    kind: &str,
    text: &Json,
) -> Result<()> {
    let topic = envelope.topic.arn(envelope.cx);
    let id = text["MessageId"].as_str().unwrap_or_default();
    let policy = Policy::of(envelope.topic, subscription);
    let arn = subscription.arn(&topic);
    let mut headers = vec![
        ("content-type", policy.content_type.as_str()),
        ("x-amz-sns-message-type", kind),
        ("x-amz-sns-message-id", id),
        ("x-amz-sns-topic-arn", &topic),
    ];
    if kind == "UnsubscribeConfirmation" {
        headers.push(("x-amz-sns-subscription-arn", &arn));
    }
    let post_it = Post { headers, body: pretty(text) };
    post(envelope.cx, &subscription.endpoint, &subscription.protocol, &post_it).await.map(drop)
}

/// A line each member, as SNS writes it to HTTP endpoints.
fn pretty(json: &Json) -> String {
    format!("{json:#}")
}
