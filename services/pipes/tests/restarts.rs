//! Pipes of a cloud that is stopped and begun again: nothing is lost, and streams keep their order.

use serde_json::json;
use undercast_testkit::Folder;

use super::*;

/// Runs in a runtime of its own, which takes all that was going on with it, as a crash does.
fn life<T>(folder: &Folder, work: impl AsyncFnOnce(Cloud, Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let out = runtime.block_on(async {
        let cloud = Cloud::in_folder(services(), folder).await;
        let client = cloud.client();
        work(cloud, client).await
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    out
}

const RECORDS: usize = 120;

#[test]
fn nothing_is_lost_and_the_order_is_kept() {
    let folder = Folder::new();
    life(&folder, async |cloud, client| {
        role(&client, "pipe", &["*"]).await;
        queue(&client, "to.fifo").await;
        client.call("kinesis", "CreateStream", json!({"StreamName": "s", "ShardCount": 2})).await.ok();
        cloud.kernel.advance(Duration::from_secs(5)).await.unwrap();
        cloud.kernel.keep_clock().await.unwrap();
        for n in 0..RECORDS {
            let data = text::base64(n.to_string().as_bytes());
            let input = json!({"StreamName": "s", "PartitionKey": format!("key-{}", n % 4), "Data": data});
            client.call("kinesis", "PutRecord", input).await.ok();
        }
        let more = json!({"Source": "arn:aws:kinesis:us-east-1:000000000000:stream/s", "Target": arn("to.fifo"),
            "SourceParameters": {"KinesisStreamParameters": {"StartingPosition": "TRIM_HORIZON", "BatchSize": 3}},
            "TargetParameters": {"InputTemplate": "<$.data>", "SqsQueueParameters": {"MessageGroupId": "$.partitionKey", "MessageDeduplicationId": "$.sequenceNumber"}}});
        ok(&client, "CreatePipe", pipe(&more)).await;
        cloud.kernel.advance(Duration::from_secs(2)).await.unwrap();
        cloud.kernel.keep_clock().await.unwrap();
        // It stops in the midst of it.
        tokio::time::sleep(Duration::from_millis(60)).await;
    });
    for _ in 0..3 {
        life(&folder, async |_, _| tokio::time::sleep(Duration::from_millis(80)).await);
    }
    let come = life(&folder, async |_, client| {
        let url = client.call("sqs", "GetQueueUrl", json!({"QueueName": "to.fifo"})).await.ok()["QueueUrl"].clone();
        messages(&client, url.as_str().unwrap(), RECORDS).await
    });
    for key in 0..4 {
        let own = come.iter().filter(|m| m["Attributes"]["MessageGroupId"] == format!("key-{key}"));
        let numbers: Vec<usize> = own.map(|message| body(message).parse().unwrap()).collect();
        // The queue tells what came before from what is new, by its sequence number.
        let wanted: Vec<usize> = (0..RECORDS).filter(|n| n % 4 == key).collect();
        assert_eq!(numbers, wanted);
    }
}
