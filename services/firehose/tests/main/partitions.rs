//! Records that are taken apart and go where their keys say.

use std::io::Write as _;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;

use crate::support::{ROLE, advance, cloud, create, keys, only, put};

fn processor(kind: &str, parameters: &[(&str, &str)]) -> Json {
    let parameters: Vec<Json> =
        parameters.iter().map(|(name, value)| json!({"ParameterName": name, "ParameterValue": value})).collect();
    json!({"Type": kind, "Parameters": parameters})
}

fn partitioned(processors: &[Json]) -> Json {
    json!({
        "Prefix": "c=!{partitionKeyFromQuery:c}/", "ErrorOutputPrefix": "bad/!{firehose:error-output-type}/",
        "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 60},
        "DynamicPartitioningConfiguration": {"Enabled": true, "RetryOptions": {"DurationInSeconds": 300}},
        "ProcessingConfiguration": {"Enabled": true, "Processors": processors},
    })
}

#[tokio::test]
async fn records_go_where_their_keys_say() {
    let (cloud, client) = cloud().await;
    let query = processor(
        "MetadataExtraction",
        &[("MetadataExtractionQuery", "{c:.customer}"), ("JsonParsingEngine", "JQ-1.6")],
    );
    let split = processor("RecordDeAggregation", &[("SubRecordType", "JSON")]);
    let lines = processor("AppendDelimiterToRecord", &[("Delimiter", "\\n")]);
    create(&client, partitioned(&[split, query, lines])).await;
    put(&client, r#"{"customer":1,"n":1}{"customer":2,"n":2}{"customer":1,"n":3}"#).await;
    put(&client, "no json").await;
    put(&client, r#"{"n":4}"#).await;
    advance(&cloud, 61).await;
    assert_eq!(only(&client, "c=1/").await, "{\"customer\":1,\"n\":1}\n{\"customer\":1,\"n\":3}\n");
    assert_eq!(only(&client, "c=2/").await, "{\"customer\":2,\"n\":2}\n");
    let failed = only(&client, "bad/processing-failed/").await;
    let failed: Vec<Json> = failed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert_eq!(failed[0]["errorCode"], "RecordDeAggregation.Failed");
    assert_eq!(text::unbase64(failed[0]["rawData"].as_str().unwrap()).unwrap(), b"no json");
    assert_eq!(failed[1]["errorCode"], "DynamicPartitioning.MetadataExtractionFailed");
    // What a stream is cannot become another.
    let input = json!({"DeliveryStreamName": "s", "CurrentDeliveryStreamVersionId": "1",
        "DestinationId": "destinationId-000000000001",
        "ExtendedS3DestinationUpdate": {"DynamicPartitioningConfiguration": {"Enabled": false}, "Prefix": ""}});
    assert_eq!(client.call("firehose", "UpdateDestination", input).await.code(), "InvalidArgumentException");
}

#[tokio::test]
async fn parts_between_delimiters_are_records() {
    let (cloud, client) = cloud().await;
    let query =
        processor("MetadataExtraction", &[("MetadataExtractionQuery", "{c:.c}"), ("JsonParsingEngine", "JQ-1.6")]);
    let split = processor("RecordDeAggregation", &[("SubRecordType", "DELIMITED"), ("Delimiter", &text::base64(b"|"))]);
    create(&client, partitioned(&[split, query])).await;
    put(&client, r#"{"c":"a"}|{"c":"b"}"#).await;
    advance(&cloud, 61).await;
    assert_eq!(
        (only(&client, "c=a/").await, only(&client, "c=b/").await),
        (r#"{"c":"a"}"#.into(), r#"{"c":"b"}"#.into())
    );
}

#[tokio::test]
async fn what_cloudwatch_logs_sends_is_unpacked() {
    let (cloud, client) = cloud().await;
    let unpack = processor("Decompression", &[("CompressionFormat", "GZIP")]);
    let messages = processor("CloudWatchLogProcessing", &[("DataMessageExtraction", "true")]);
    create(&client, json!({"ProcessingConfiguration": {"Enabled": true, "Processors": [unpack, messages]}})).await;
    let packed = |record: Json| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(record.to_string().as_bytes()).unwrap();
        json!({"Data": text::base64(&out.finish().unwrap())})
    };
    let records = [
        packed(json!({"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "probe"}]})),
        packed(json!({"messageType": "DATA_MESSAGE", "logEvents": [{"message": "one"}, {"message": "two"}]})),
        json!({"Data": text::base64(b"plain")}),
    ];
    let input = json!({"DeliveryStreamName": "s", "Records": records});
    for operation in ["PutRecord", "PutRecordBatch"] {
        let one = json!({"DeliveryStreamName": "s", "Record": records[0]});
        let input = if operation == "PutRecord" { one } else { input.clone() };
        assert_eq!(client.call("firehose", operation, input).await.code(), "InvalidSourceException");
    }
    let logs = cloud.kernel.cx_for("000000000000", "us-east-1").as_role("logs.amazonaws.com", ROLE, "logs");
    logs.call("firehose", "PutRecordBatch", input).await.unwrap();
    advance(&cloud, 301).await;
    let all = keys(&client).await;
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(only(&client, "20").await, "one\ntwo\n");
    assert!(only(&client, "processing-failed/").await.contains("Decompression.Failed"));
}
