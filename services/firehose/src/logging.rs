//! What goes wrong, in the log that a stream was given.
//!
//! Source: "Monitor Amazon Data Firehose using CloudWatch Logs" in the developer guide.

use serde_json::json;
use undercast_kernel::{Cx, Failure};

use crate::PRINCIPAL;
use crate::api::kept::ExtendedS3DestinationConfiguration as Destination;
use crate::stream::Stream;

/// Tells of something. That the log cannot be written holds nothing up.
pub(crate) async fn tell(cx: &Cx, stream: &Stream, destination: &Destination, code: &str, message: &str) {
    let Some(options) = destination.cloud_watch_logging_options.as_ref().filter(|given| given.enabled == Some(true))
    else {
        return;
    };
    let event = json!({
        "deliveryStreamARN": stream.arn(cx),
        "destination": destination.bucket_arn,
        "deliveryStreamVersionId": stream.version,
        "message": message,
        "errorCode": code,
    });
    let input = json!({"logGroupName": options.log_group_name, "logStreamName": options.log_stream_name,
        "logEvents": [{"timestamp": cx.now_millis(), "message": event.to_string()}]});
    let logs = cx.as_role(PRINCIPAL, &destination.role_arn, "firehose");
    match logs.call("logs", "PutLogEvents", input).await {
        Ok(_) | Err(Failure::Aws(_)) => {}
        Err(failure) => tracing::warn!(stream = stream.name, %failure, "the log of a stream could not be written"),
    }
}
