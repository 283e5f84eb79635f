//! Faults on purpose, by the command line.

use std::time::Duration;

use serde_json::json;
use undercast_testkit::Folder;

use crate::cloud::Cloud;

#[tokio::test]
async fn rules_strike_the_calls_that_they_name() {
    let home = Folder::new();
    let cloud = Cloud::start(&home.0, &["--ephemeral"]);
    let list = async || cloud.client.call("sqs", "ListQueues", json!({})).await;
    cloud.ok(&["fault", "add", "--service", "sqs", "--operation", "ListQueues", "throttle"]);
    assert_eq!(list().await.code(), "RequestThrottled");
    cloud.client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    cloud.ok(&["fault", "remove"]);
    list().await.ok();
    cloud.ok(&["fault", "add", "--service", "sqs", "error:OverLimit:403:No more."]);
    let answer = list().await;
    assert_eq!((answer.status, answer.code(), &answer.json["message"]), (403, "OverLimit", &json!("No more.")));
    cloud.ok(&["fault", "remove"]);
    cloud.ok(&["fault", "add", "latency:300"]);
    let began = std::time::Instant::now();
    list().await.ok();
    assert!(began.elapsed() >= Duration::from_millis(300));
    cloud.ok(&["fault", "remove"]);
    cloud.ok(&["fault", "add", "--account", "111111111111", "abort"]);
    list().await.ok();
    cloud.ok(&["fault", "add", "abort"]);
    assert!(cloud.client.try_call("sqs", "ListQueues", json!({})).await.is_none(), "the connection is cut");
}

#[tokio::test]
async fn a_dead_region_answers_nobody_and_its_work_waits() {
    let home = Folder::new();
    let cloud = Cloud::start(&home.0, &["--ephemeral"]);
    let queue = json!({"QueueName": "q", "Attributes": {"MessageRetentionPeriod": "60"}});
    let url = cloud.client.call("sqs", "CreateQueue", queue.clone()).await.ok()["QueueUrl"].clone();
    let elsewhere = cloud.client.in_region("eu-west-1");
    elsewhere.call("sqs", "CreateQueue", queue).await.ok();
    cloud.client.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "old"})).await.ok();
    cloud.ok(&["fault", "add", "--region", "us-east-1", "dead"]);
    assert!(cloud.client.try_call("sqs", "ListQueues", json!({})).await.is_none(), "nobody answers there");
    elsewhere.call("sqs", "ListQueues", json!({})).await.ok();
    cloud.ok(&["fault", "remove"]);
    let received = cloud.client.call("sqs", "ReceiveMessage", json!({"QueueUrl": url})).await.ok();
    assert_eq!(received["Messages"][0]["Body"], "old", "what was there is there again");
}

#[tokio::test]
async fn rules_that_say_nothing_are_refused() {
    let home = Folder::new();
    let cloud = Cloud::start(&home.0, &["--ephemeral"]);
    cloud.no(&["fault", "add", "dead"], "`dead` goes with a `region` or a `zone`");
    cloud.no(&["fault", "add", "--region", "us-east-9", "dead"], "there is no region us-east-9");
    cloud.no(&["fault", "add", "--zone", "us-east-1z", "dead"], "there is no zone us-east-1z");
    cloud.no(&["fault", "add", "--zone", "us-east-1a", "throttle"], "a `zone` goes with `dead` alone");
    cloud.no(&["fault", "add", "--probability", "2", "throttle"], "`probability` is from 0 to 1");
    cloud.no(&["fault", "add", "explode"], "explode");
    cloud.no(&["fault", "add", "unlinked:eu-west-1"], "`unlinked` and `far` go with a `region`");
    cloud.no(
        &["fault", "add", "--region", "eu-west-1", "unlinked:eu-west-1"],
        "`unlinked` and `far` go with a `region`",
    );
    cloud.no(&["fault", "add", "--region", "eu-west-1", "far:us-east-9:5"], "there is no region us-east-9");
    cloud.no(&["fault", "add", "--region", "eu-west-1", "far:us-east-1"], "far:us-east-1");
    cloud.ok(&["fault", "add", "--region", "eu-west-1", "far:us-east-1:5"]);
    cloud.ok(&["fault", "add", "--region", "eu-west-1", "unlinked:us-east-1"]);
    cloud.ok(&["fault", "add", "--zone", "us-east-1a", "dead"]);
    let listed = cloud.run(&["--json", "fault", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("us-east-1a"));
}
