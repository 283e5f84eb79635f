//! Records that are given up: the destination is told of them.

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::{Body, Result, Timestamp};
use undercast_sources::{Consumer as _, GivenUp, Record};

use crate::function::Function;
use crate::sources::taker::Taker;

/// Tells the mapping's destination, if it has one, of records that are given up.
pub(super) async fn tell(taker: &Taker, given_up: GivenUp<'_>) -> Result<()> {
    let GivenUp { shard, records, reason, attempts } = given_up;
    let destination = taker.mapping.streaming.as_ref().and_then(|streaming| streaming.on_failure.as_ref());
    let (Some(destination), Some(function)) = (destination, taker.function()) else { return Ok(()) };
    let ([first, ..], [.., last]) = (records, records) else { return Ok(()) };
    let cx = taker.cx();
    let moment =
        |millis| Timestamp::from_millisecond(millis).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    let batch = json!({
        "shardId": shard,
        "startSequenceNumber": first.sequence,
        "endSequenceNumber": last.sequence,
        "approximateArrivalOfFirstRecord": moment(first.arrived),
        "approximateArrivalOfLastRecord": moment(last.arrived),
        "batchSize": records.len(),
        "streamArn": taker.mapping.source,
    });
    let mut told = json!({
        "requestContext": {
            "requestId": cx.random().uuid(),
            "functionArn": taker.mapping.function().qualified_arn(&cx),
            "condition": reason.name(),
            "approximateInvokeCount": attempts,
        },
        "responseContext": {"statusCode": 200, "executedVersion": function.version_name(), "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": moment(cx.now_millis()),
    });
    let kinesis = Arn::parse(&taker.mapping.source).is_some_and(|source| source.service == "kinesis");
    told[if kinesis { "KinesisBatchInfo" } else { "DDBStreamBatchInfo" }] = batch;
    if attempts == 0 {
        // The function never saw them.
        told["responseContext"] = Json::Null;
    }
    send(taker, &function, destination, (shard, records), told).await
}

async fn send(
    taker: &Taker,
    function: &Function,
    destination: &str,
    (shard, records): (&str, &[Record]),
    mut told: Json,
) -> Result<()> {
    let (role, cx) = (taker.role(function), taker.cx());
    let Some(arn) = Arn::parse(destination) else { return Ok(()) };
    match arn.service.as_str() {
        "sqs" => {
            let url = format!("http://{}/{}/{}", cx.kernel().settings().host, arn.account, arn.resource);
            role.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": told.to_string()})).await?;
        }
        "sns" => {
            role.call("sns", "Publish", json!({"TopicArn": destination, "Message": told.to_string()})).await?;
        }
        // A bucket has room for the records themselves.
        _ => {
            let events: Vec<&Json> = records.iter().map(|record| &record.event).collect();
            told["payload"] = json!(json!({"Records": events}).to_string());
            let day = cx.now().strftime("%Y/%m/%d/%Y-%m-%dT%H.%M.%S").to_string();
            let key = format!("aws/lambda/{}/{shard}/{day}-{}", taker.mapping.id, cx.random().uuid());
            let body = Body::from(bytes::Bytes::from(told.to_string()));
            role.call_with_body("s3", "PutObject", json!({"Bucket": arn.resource, "Key": key}), Some(body)).await?;
        }
    }
    Ok(())
}
