//! Records of streams that are given up: the dead-letter queue is told of them.
//!
//! Source: "Amazon EventBridge Pipes error handling and troubleshooting" in the user guide.

use serde_json::json;
use undercast_kernel::arn::Arn;
use undercast_kernel::{Result, Timestamp};
use undercast_sources::{Consumer as _, GivenUp, Kind, queue_url};

use crate::definition::dead_letters;
use crate::runner::Runner;

/// Tells the queue or the topic, if there is one, of records that are given up.
pub(crate) async fn tell(runner: &Runner, given_up: GivenUp<'_>) -> Result<()> {
    let GivenUp { shard, records, reason, .. } = given_up;
    let Some(dead) = dead_letters(runner.parameters()).and_then(Arn::parse) else { return Ok(()) };
    let ([first, ..], [.., last]) = (records, records) else { return Ok(()) };
    let (cx, pipe) = (runner.cx(), runner.pipe());
    let moment =
        |millis| Timestamp::from_millisecond(millis).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    let mut told = json!({
        "context": {"partnerResourceArn": pipe.arn(&cx), "condition": reason.name()},
        "version": "1.0",
        "timestamp": moment(cx.now_millis()),
    });
    told[if runner.kind() == Kind::Kinesis { "KinesisBatchInfo" } else { "DDBStreamBatchInfo" }] = json!({
        "shardId": shard,
        "startSequenceNumber": first.sequence,
        "endSequenceNumber": last.sequence,
        "approximateArrivalOfFirstRecord": moment(first.arrived),
        "approximateArrivalOfLastRecord": moment(last.arrived),
        "batchSize": records.len(),
        "streamArn": pipe.source,
    });
    let there = runner.role().elsewhere(&dead.account, &dead.region);
    if dead.service == "sns" {
        let input = json!({"TopicArn": dead.to_string(), "Message": told.to_string()});
        return there.call("sns", "Publish", input).await.map(drop);
    }
    let input = json!({"QueueUrl": queue_url(cx.kernel(), &dead), "MessageBody": told.to_string()});
    there.call("sqs", "SendMessage", input).await.map(drop)
}
