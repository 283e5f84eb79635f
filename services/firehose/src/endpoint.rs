//! HTTP endpoints as destinations: records go to a server of the user's, and to a bucket what it does not take.
//!
//! A port other than 443 is taken here, where AWS takes no other.
//! Source: "Understand HTTP endpoint delivery request and response specifications" in the developer guide.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::{Bytes, Cx, Failure, Result};
use undercast_outward::{NoAnswer, Request, Url, send};
use undercast_wire::text;

use crate::api::kept::{
    BufferingHints, ExtendedS3DestinationConfiguration as Destination,
    HttpEndpointDestinationConfiguration as Endpoint, HttpEndpointRetryOptions,
};
use crate::check;
use crate::error::invalid;
use crate::processing::Item;
use crate::stream::Stream;

/// What is told of records that an endpoint did not take, as prefixes name it.
pub(crate) const REFUSED: &str = "http-endpoint-failed";

/// "HTTP endpoints have 3 minutes to respond to a request."
const PATIENCE: Duration = Duration::from_secs(180);
/// A refusal is tried again for so long where nothing else is said, in seconds.
const RETRY: i32 = 300;

/// An endpoint with its defaults, and the destination that has its bucket, its buffer, its steps and its log.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn filled(mut of: Endpoint) -> Result<(Endpoint, Destination)> {
    if Url::parse(&of.endpoint_configuration.url).is_none() {
        return Err(invalid("The URL of EndpointConfiguration is not valid."));
    }
    of.retry_options.get_or_insert_with(HttpEndpointRetryOptions::default).duration_in_seconds.get_or_insert(RETRY);
    of.s3_backup_mode.get_or_insert_with(|| "FailedDataOnly".to_owned());
    let hints = of.buffering_hints.get_or_insert_with(Default::default);
    let size = *hints.size_in_mbs.get_or_insert(5);
    let interval = *hints.interval_in_seconds.get_or_insert(300);
    let request = of.request_configuration.get_or_insert_with(Default::default);
    request.content_encoding.get_or_insert_with(|| "NONE".to_owned());
    let bucket = check::as_plain(check::filled(check::of_plain(of.s3_configuration.clone()))?);
    let all = of.s3_backup_mode.as_deref() == Some("AllData");
    let destination = check::filled(Destination {
        processing_configuration: of.processing_configuration.clone(),
        cloud_watch_logging_options: of.cloud_watch_logging_options.clone(),
        buffering_hints: Some(BufferingHints { size_in_mbs: Some(size), interval_in_seconds: Some(interval) }),
        s3_backup_mode: all.then(|| "Enabled".to_owned()),
        s3_backup_configuration: all.then(|| bucket.clone()),
        ..check::of_plain(bucket.clone())
    })?;
    of.cloud_watch_logging_options.clone_from(&destination.cloud_watch_logging_options);
    of.s3_configuration = bucket;
    Ok((of, destination))
}

/// How long a refusal is tried again, in milliseconds.
pub(crate) fn retries(of: &Endpoint) -> i64 {
    i64::from(of.retry_options.as_ref().and_then(|given| given.duration_in_seconds).unwrap_or(RETRY)) * 1000
}

/// Sends records. `Err` of the inner one: the code and the message of a refusal.
pub(crate) async fn post(
    cx: &Cx,
    stream: &Stream,
    endpoint: &Endpoint,
    delivery: &str,
    items: &[Item],
) -> Result<std::result::Result<(), (&'static str, String)>> {
    let refused = |code: &'static str, message: String| Ok(Err((code, message)));
    let target = &endpoint.endpoint_configuration;
    let Some(url) = Url::parse(&target.url) else { return Err(cx.broken("an endpoint has no URL")) };
    let records: Vec<Json> = items.iter().map(|item| json!({"data": text::base64(&item.data)})).collect();
    let body = json!({"requestId": delivery, "timestamp": cx.now_millis(), "records": records}).to_string();
    let given = endpoint.request_configuration.clone().unwrap_or_default();
    let packed = given.content_encoding.as_deref() == Some("GZIP");
    let attributes: Map<String, Json> = given
        .common_attributes
        .into_iter()
        .flatten()
        .map(|one| (one.attribute_name, json!(one.attribute_value)))
        .collect();
    let attributes = json!({"commonAttributes": attributes}).to_string();
    let arn = stream.arn(cx);
    let mut headers = vec![
        ("content-type", "application/json"),
        ("user-agent", "Amazon Kinesis Data Firehose Agent/1.0"),
        ("x-amz-firehose-protocol-version", "1.0"),
        ("x-amz-firehose-request-id", delivery),
        ("x-amz-firehose-source-arn", arn.as_str()),
        ("x-amz-firehose-common-attributes", attributes.as_str()),
    ];
    headers.extend(target.access_key.as_deref().map(|key| ("x-amz-firehose-access-key", key)));
    let body = if packed {
        headers.push(("content-encoding", "gzip"));
        let mut out = GzEncoder::new(Vec::new(), Compression::default());
        out.write_all(body.as_bytes()).and_then(|()| out.finish()).map_err(Failure::broken)?
    } else {
        body.into_bytes()
    };
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let request = Request { method: "POST".to_owned(), url, headers, body: Bytes::from(body), patience: PATIENCE };
    let answer = match send(&cx.kernel().settings().authority(), request).await {
        Ok(answer) => answer,
        Err(NoAnswer::Request(why)) => return Err(Failure::broken(why)),
        Err(why) => return refused("HttpEndpoint.ConnectionFailed", why.to_string()),
    };
    let said: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status != 200 {
        let told = said["errorMessage"].as_str().map_or_else(|| answer.text(), ToOwned::to_owned);
        let message = format!("The endpoint responded with HTTP status code {}: {told}", answer.status);
        return refused("HttpEndpoint.DestinationException", message);
    }
    if said["requestId"] != delivery || !said["timestamp"].is_i64() {
        let message = "The response of the endpoint has not the requestId and the timestamp that are expected of it.";
        return refused("HttpEndpoint.ResponseFromDestinationIsNotValid", message.to_owned());
    }
    Ok(Ok(()))
}
