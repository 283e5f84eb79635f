//! What a publication has promised is kept over a crash, and a hundred queues have a message at once.

use super::*;
use undercast_kernel::store::Table;
use undercast_testkit::Folder;

#[tokio::test]
async fn a_hundred_queues_have_a_message_with_its_publication() {
    let cloud = Cloud::durable(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let mut urls = Vec::new();
    for n in 0..100 {
        let (url, arn) = any_queue(&client, &format!("q{n}"), json!({})).await;
        subscribed(&client, TOPIC, "sqs", &arn, json!({})).await;
        urls.push(url);
    }
    // A clock that stands still has nothing done later.
    cloud.kernel.clock().freeze();
    publish(&client, "for all").await;
    let read = cloud.kernel.database().read();
    let tasks: Table<undercast_kernel::Task> = Table::new("kernel.tasks");
    assert!(tasks.all(&read, &()).unwrap().iter().all(|task| task.row.service != "sns"));
    for url in urls {
        assert_eq!(receive(&client, &url, 0).await.len(), 1, "{url}");
    }
    // The trail has each of them, as a call of SNS.
    let seen = cloud.kernel.trail().latest(1_000).iter().filter(|r| r.operation == "SendMessage").count();
    assert_eq!(seen, 100);
}

#[test]
fn what_waits_is_delivered_after_a_crash() {
    let folder = Folder::new();
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let before = runtime();
    before.block_on(async {
        let cloud = Cloud::in_folder(services(), &folder).await;
        let client = cloud.client();
        topic(&client, json!({})).await;
        for name in ["now", "later"] {
            let (_, arn) = any_queue(&client, name, json!({})).await;
            subscribed(&client, TOPIC, "sqs", &arn, json!({"RawMessageDelivery": "true"})).await;
        }
        publish(&client, "one").await;
        let fault = json!({"id": "down", "service": "sqs", "operation": "SendMessage", "effect": {"error": {"code": "ServiceUnavailable", "status": 503}}});
        cloud.kernel.faults().add(serde_json::from_value(fault).unwrap()).unwrap();
        publish(&client, "two").await;
    });
    // Nothing of it ends in order.
    before.shutdown_background();
    let after = runtime();
    after.block_on(async {
        let cloud = Cloud::in_folder(services(), &folder).await;
        let client = cloud.client();
        for name in ["now", "later"] {
            let url = client.call("sqs", "GetQueueUrl", json!({"QueueName": name})).await.ok()["QueueUrl"]
                .as_str()
                .unwrap()
                .to_owned();
            let mut got = Vec::new();
            until("both messages are there", async || {
                got.extend(receive(&client, &url, 0).await.iter().map(|m| m["Body"].as_str().unwrap().to_owned()));
                cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
                got.len() >= 2
            })
            .await;
            got.sort();
            assert_eq!(got, ["one", "two"], "{name}");
        }
    });
    after.shutdown_background();
}
