//! Queues: who gets a record, for how long, and what becomes of those that nobody is done with.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::{Client, Cloud, Credentials, Folder};

use crate::support::{ARN, call, holding, put, services, settled};

/// Makes the stream `s` on demand.
async fn on_demand(client: &Client) {
    let input = json!({"StreamName": "s", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    call(client, "CreateStream", input).await.ok();
    settled(client).await;
}

async fn with_on_demand() -> (Cloud, Client) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    on_demand(&client).await;
    (cloud, client)
}

/// Makes a queue of the stream `s`, and gives its ARN when it is active.
async fn queue(client: &Client, name: &str, attributes: Json) -> String {
    let streams = json!([{"StreamARN": ARN, "StartingPosition": {"Type": "TRIM_HORIZON"}}]);
    let input = json!({"QueueName": name, "StreamConfigurationList": streams, "QueueAttributes": attributes});
    let made = call(client, "CreateQueue", input).await.ok()["QueueDescription"].clone();
    assert_eq!(made["QueueStatus"], "CREATING");
    let arn = made["QueueARN"].as_str().unwrap().to_owned();
    assert_eq!(describe(client, &arn).await["QueueStatus"], "ACTIVE");
    arn
}

async fn describe(client: &Client, arn: &str) -> Json {
    call(client, "DescribeQueue", json!({"QueueARN": arn})).await.ok()["QueueDescription"].clone()
}

/// Records that a queue gives now.
async fn receive(client: &Client, operation: &str, arn: &str, more: Json) -> Vec<Json> {
    let mut input = json!({"QueueARN": arn});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call(client, operation, input).await.ok()["QueueRecords"].as_array().unwrap().clone()
}

async fn live(client: &Client, arn: &str) -> Vec<Json> {
    receive(client, "ReceiveQueueRecords", arn, json!({})).await
}

async fn dead(client: &Client, arn: &str) -> Vec<Json> {
    receive(client, "ReceiveDeadLetterQueueRecords", arn, json!({})).await
}

fn data(record: &Json) -> String {
    String::from_utf8(text::unbase64(record["Data"].as_str().unwrap()).unwrap()).unwrap()
}

/// The codes of what failed, and how many did not.
async fn entries(client: &Client, operation: &str, arn: &str, entries: Json) -> (usize, Vec<String>) {
    let answer = call(client, operation, json!({"QueueARN": arn, "Entries": entries})).await.ok().clone();
    let failed = answer["Failed"].as_array().unwrap();
    for entry in failed.iter().chain(answer["Successful"].as_array().unwrap()) {
        assert!(entry["ReceiptHandle"].is_string());
    }
    assert!(failed.iter().all(|entry| entry["ErrorMessage"].is_string()));
    let codes = failed.iter().map(|entry| entry["ErrorCode"].as_str().unwrap().to_owned()).collect();
    (answer["Successful"].as_array().unwrap().len(), codes)
}

fn of(record: &Json) -> Json {
    json!({"ReceiptHandle": record["ReceiptHandle"]})
}

fn hidden(record: &Json, seconds: i32) -> Json {
    json!({"ReceiptHandle": record["ReceiptHandle"], "VisibilityTimeoutSeconds": seconds})
}

#[tokio::test]
async fn a_record_goes_to_one_until_its_time_is_over_and_to_none_once_it_is_acknowledged() {
    let (cloud, client) = with_on_demand().await;
    let arn = queue(&client, "q", json!({})).await;
    put(&client, "k", "x").await;
    let first = live(&client, &arn).await;
    assert_eq!((first.len(), data(&first[0]).as_str()), (1, "x"));
    assert_eq!((&first[0]["PartitionKey"], &first[0]["ReceiveCount"]), (&json!("k"), &json!(1)));
    assert!(first[0]["ApproximateArrivalTimestamp"].is_number());
    assert!(live(&client, &arn).await.is_empty());
    cloud.kernel.advance(Duration::from_secs(31)).await.unwrap();
    let second = live(&client, &arn).await;
    assert_eq!((data(&second[0]).as_str(), &second[0]["ReceiveCount"]), ("x", &json!(2)));
    assert_eq!(second[0]["RecordId"], first[0]["RecordId"]);
    assert_eq!(second[0]["FirstReceiveTimestamp"], first[0]["FirstReceiveTimestamp"]);
    // The first receipt is good for nothing any more, and one that is none is refused by itself.
    let none = json!({"ReceiptHandle": "none"});
    let given = json!([of(&first[0]), none, of(&second[0]), of(&second[0])]);
    let (good, bad) = entries(&client, "AcknowledgeQueueRecords", &arn, given).await;
    let gone = "ResourceNotFoundException";
    assert_eq!((good, bad), (1, vec![gone.into(), "InvalidArgumentException".into(), gone.into()]));
    cloud.kernel.advance(Duration::from_secs(3600)).await.unwrap();
    assert!(live(&client, &arn).await.is_empty());
    assert!(dead(&client, &arn).await.is_empty());
}

#[tokio::test]
async fn each_record_goes_to_one_of_many_over_all_shards() {
    let (_cloud, client) = with_on_demand().await;
    let arn = queue(&client, "q", json!({})).await;
    let records: Vec<Json> = (0..60)
        .map(|n| json!({"PartitionKey": format!("k{n}"), "Data": text::base64(format!("{n}").as_bytes())}))
        .collect();
    call(&client, "PutRecords", json!({"StreamName": "s", "Records": records})).await.ok();
    let takers = (0..4).map(|_| {
        let (client, arn) = (client.clone(), arn.clone());
        async move {
            let mut all = Vec::new();
            loop {
                let got = receive(&client, "ReceiveQueueRecords", &arn, json!({"Limit": 7})).await;
                assert!(got.len() <= 7);
                if got.is_empty() {
                    return all;
                }
                let receipts: Vec<Json> = got.iter().map(of).collect();
                let (good, bad) = entries(&client, "AcknowledgeQueueRecords", &arn, json!(receipts)).await;
                assert_eq!((good, bad), (got.len(), vec![]));
                all.extend(got.iter().map(data));
            }
        }
    });
    let mut all = futures_util::future::join_all(takers).await.concat();
    all.sort_by_key(|n| n.parse::<u32>().unwrap());
    assert_eq!(all, (0..60).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_waits_gets_a_record_as_it_comes_and_as_it_can_be_seen_again() {
    let (_cloud, client) = with_on_demand().await;
    let arn = queue(&client, "q", json!({"VisibilityTimeoutSeconds": 1})).await;
    let patience = Duration::from_secs(10);
    let later = || tokio::time::sleep(Duration::from_millis(50));
    let wait = || async {
        let waiting = receive(&client, "ReceiveQueueRecords", &arn, json!({"WaitTimeSeconds": 20}));
        tokio::time::timeout(patience, waiting).await.unwrap()
    };
    let (got, ()) = tokio::join!(wait(), async {
        later().await;
        put(&client, "k", "x").await;
    });
    assert_eq!(data(&got[0]), "x");
    let got = wait().await;
    assert_eq!(got[0]["ReceiveCount"], 2);
    // Made visible at once by whoever holds it.
    let hide = json!([hidden(&got[0], 3600)]);
    assert_eq!(entries(&client, "UpdateQueueRecordsVisibility", &arn, hide).await, (1, vec![]));
    let show = json!([hidden(&got[0], 0)]);
    let (got, ()) = tokio::join!(wait(), async {
        later().await;
        assert_eq!(entries(&client, "UpdateQueueRecordsVisibility", &arn, show.clone()).await, (1, vec![]));
    });
    assert_eq!(got[0]["ReceiveCount"], 3);
    let (good, bad) = entries(&client, "UpdateQueueRecordsVisibility", &arn, show).await;
    assert_eq!((good, bad), (0, vec!["ResourceNotFoundException".into()]));
    // Who waits for nothing is told so when the time is over; who waits on a queue that goes is told that.
    let nothing = receive(&client, "ReceiveDeadLetterQueueRecords", &arn, json!({"WaitTimeSeconds": 1})).await;
    assert!(nothing.is_empty());
    let input = json!({"QueueARN": arn, "WaitTimeSeconds": 20, "Limit": 1});
    let waiting = tokio::time::timeout(patience, call(&client, "ReceiveDeadLetterQueueRecords", input));
    let (told, ()) = tokio::join!(waiting, async {
        later().await;
        call(&client, "DeleteQueue", json!({"QueueARN": arn})).await.ok();
    });
    assert_eq!(told.unwrap().code(), "ResourceNotFoundException");
}

#[tokio::test]
async fn what_is_received_too_often_is_put_aside_until_it_is_restored_or_acknowledged() {
    let (cloud, client) = with_on_demand().await;
    let often = json!({"DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 2}});
    let arn = queue(&client, "q", often).await;
    put(&client, "k", "x").await;
    let later = || async { cloud.kernel.advance(Duration::from_secs(31)).await.unwrap() };
    live(&client, &arn).await;
    later().await;
    let last = live(&client, &arn).await;
    assert_eq!(last[0]["ReceiveCount"], 2);
    assert!(dead(&client, &arn).await.is_empty(), "it can still be acknowledged");
    later().await;
    assert!(live(&client, &arn).await.is_empty());
    let refused = entries(&client, "AcknowledgeQueueRecords", &arn, json!([of(&last[0])])).await;
    assert_eq!(refused, (0, vec!["ResourceNotFoundException".into()]));
    let aside =
        receive(&client, "ReceiveDeadLetterQueueRecords", &arn, json!({"Limit": 1, "VisibilityTimeoutSeconds": 5}))
            .await;
    assert_eq!((data(&aside[0]).as_str(), &aside[0]["RecordId"]), ("x", &last[0]["RecordId"]));
    for operation in ["AcknowledgeQueueRecords", "RestoreDeadLetterQueueRecords", "AcknowledgeDeadLetterQueueRecords"] {
        let given = if operation == "AcknowledgeQueueRecords" { &aside } else { &last };
        let refused = entries(&client, operation, &arn, json!([of(&given[0])])).await;
        assert_eq!(
            refused,
            (0, vec!["ResourceNotFoundException".into()]),
            "{operation}: receipts are of their own kind"
        );
    }
    let hide = json!([hidden(&aside[0], 60), {"ReceiptHandle": "none", "VisibilityTimeoutSeconds": 1}]);
    let (good, bad) = entries(&client, "UpdateDeadLetterQueueRecordsVisibility", &arn, hide.clone()).await;
    assert_eq!((good, bad), (1, vec!["InvalidArgumentException".into()]));
    later().await;
    assert!(dead(&client, &arn).await.is_empty());
    later().await;
    let (good, bad) = entries(&client, "UpdateDeadLetterQueueRecordsVisibility", &arn, hide).await;
    assert_eq!((good, bad.len()), (0, 2), "it is not in flight any more");
    let aside = dead(&client, &arn).await;
    assert_eq!(entries(&client, "RestoreDeadLetterQueueRecords", &arn, json!([of(&aside[0])])).await, (1, vec![]));
    assert!(dead(&client, &arn).await.is_empty());
    let again = live(&client, &arn).await;
    assert_eq!((data(&again[0]).as_str(), &again[0]["ReceiveCount"]), ("x", &json!(1)));
    later().await;
    live(&client, &arn).await;
    later().await;
    let aside = dead(&client, &arn).await;
    assert_eq!(entries(&client, "AcknowledgeDeadLetterQueueRecords", &arn, json!([of(&aside[0])])).await, (1, vec![]));
    later().await;
    assert!(dead(&client, &arn).await.is_empty() && live(&client, &arn).await.is_empty());
}

#[tokio::test]
async fn without_dead_letters_a_record_comes_again_until_the_stream_forgets_it() {
    let (cloud, client) = with_on_demand().await;
    let arn = queue(&client, "q", json!({"DeadLetterConfiguration": {"TargetType": "NONE"}})).await;
    put(&client, "k", "x").await;
    for count in 1..10 {
        let got = receive(&client, "ReceiveQueueRecords", &arn, json!({"VisibilityTimeoutSeconds": 0})).await;
        assert_eq!(got[0]["ReceiveCount"], count);
    }
    cloud.kernel.advance(Duration::from_secs(25 * 3600)).await.unwrap();
    assert!(live(&client, &arn).await.is_empty());
}

#[tokio::test]
async fn a_queue_begins_where_it_is_told() {
    let (cloud, client) = with_on_demand().await;
    put(&client, "k", "old").await;
    cloud.kernel.advance(Duration::from_secs(10)).await.unwrap();
    let between = cloud.kernel.clock().now().as_second();
    put(&client, "k", "new").await;
    let start = |name: &str, position: Option<Json>| {
        let mut stream = json!({"StreamARN": ARN});
        if let Some(position) = position {
            stream["StartingPosition"] = position;
        }
        json!({"QueueName": name, "StreamConfigurationList": [stream]})
    };
    for (name, position, expected) in [
        ("horizon", Some(json!({"Type": "TRIM_HORIZON"})), vec!["late", "new", "old"]),
        ("latest", Some(json!({"Type": "LATEST"})), vec!["late"]),
        ("unsaid", None, vec!["late"]),
        ("at", Some(json!({"Type": "AT_TIMESTAMP", "Timestamp": between})), vec!["late", "new"]),
    ] {
        let made = call(&client, "CreateQueue", start(name, position.clone())).await.ok().clone();
        let arn = made["QueueDescription"]["QueueARN"].as_str().unwrap().to_owned();
        let shown = describe(&client, &arn).await;
        let told = &shown["StreamConfigurationList"][0];
        assert_eq!(told["StreamARN"], ARN);
        assert_eq!(told["StartingPosition"]["Type"], position.unwrap_or(json!({"Type": "LATEST"}))["Type"]);
        assert_eq!(told["StartingPosition"]["Timestamp"].is_number(), name == "at");
        if name == "horizon" {
            put(&client, "k", "late").await;
            assert_eq!(live(&client, &arn).await.len(), expected.len());
            continue;
        }
        put(&client, "k", "late").await;
        let mut got: Vec<String> = live(&client, &arn).await.iter().map(data).collect();
        got.sort();
        got.dedup();
        assert_eq!(got, expected, "{name}");
    }
    let unsaid = start("bad", Some(json!({"Type": "AT_TIMESTAMP"})));
    assert_eq!(call(&client, "CreateQueue", unsaid).await.code(), "InvalidArgumentException");
}

#[tokio::test]
async fn queues_are_made_changed_listed_and_deleted() {
    let (cloud, client) = with_on_demand().await;
    let arn = queue(&client, "one", json!({"VisibilityTimeoutSeconds": 7})).await;
    let id = arn.strip_prefix("arn:aws:kinesis:us-east-1:000000000000:queue/").unwrap();
    assert!(!id.is_empty());
    let shown = describe(&client, &arn).await;
    assert_eq!((&shown["QueueName"], &shown["QueueARN"]), (&json!("one"), &json!(arn)));
    assert!(shown["QueueCreationTimestamp"].is_number());
    let attributes = json!({"VisibilityTimeoutSeconds": 7,
        "DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 6}});
    assert_eq!(shown["QueueAttributes"], attributes);
    let update = |attributes: Json| json!({"QueueARN": arn, "QueueAttributes": attributes});
    let none = json!({"DeadLetterConfiguration": {"TargetType": "NONE"}});
    let changed = call(&client, "UpdateQueue", update(none.clone())).await.ok()["QueueDescription"].clone();
    assert_eq!(changed["QueueStatus"], "UPDATING");
    assert_eq!(changed["QueueAttributes"]["DeadLetterConfiguration"], none["DeadLetterConfiguration"]);
    assert_eq!(call(&client, "UpdateQueue", update(none)).await.code(), "ResourceInUseException");
    assert_eq!(describe(&client, &arn).await["QueueStatus"], "ACTIVE");
    for bad in [json!({"TargetType": "BUILT_IN"}), json!({"TargetType": "NONE", "MaxReceiveCount": 3})] {
        let input = update(json!({"DeadLetterConfiguration": bad}));
        assert_eq!(call(&client, "UpdateQueue", input).await.code(), "InvalidArgumentException");
    }
    let other = queue(&client, "two", json!({})).await;
    let list = |more: Json| {
        let client = client.clone();
        async move { call(&client, "ListQueues", more).await }
    };
    let page = list(json!({"MaxResults": 1})).await.ok().clone();
    let token = page["NextToken"].clone();
    let rest = list(json!({"NextToken": token})).await.ok().clone();
    let mut arns = vec![page["QueueSummaries"][0]["QueueARN"].clone(), rest["QueueSummaries"][0]["QueueARN"].clone()];
    arns.sort_by_key(ToString::to_string);
    let mut expected = vec![json!(arn), json!(other)];
    expected.sort_by_key(ToString::to_string);
    assert_eq!((arns, &rest["NextToken"]), (expected, &Json::Null));
    let summary = &page["QueueSummaries"][0];
    assert_eq!((&summary["QueueStatus"], &summary["Streams"][0]["StreamARN"]), (&json!("ACTIVE"), &json!(ARN)));
    assert!(summary["QueueName"].is_string() && summary["QueueCreationTimestamp"].is_number());
    let made = summary["Streams"][0]["StreamCreationTimestamp"].as_f64().unwrap();
    for (filter, expected) in [
        (json!([{"StreamARN": ARN, "StreamCreationTimestamp": made}]), 2),
        (json!([{"StreamARN": ARN, "StreamCreationTimestamp": 1}]), 0),
        (json!([{"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/other"}]), 0),
    ] {
        let found = list(json!({"StreamFilter": filter})).await.ok()["QueueSummaries"].as_array().unwrap().len();
        assert_eq!(found, expected, "{filter}");
    }
    assert_eq!(list(json!({"StreamFilter": [{"StreamARN": other}]})).await.code(), "ValidationException");
    let of_consumer = format!("{ARN}/consumer/c:1");
    assert_eq!(list(json!({"StreamFilter": [{"StreamARN": of_consumer}]})).await.code(), "InvalidArgumentException");
    assert_eq!(list(json!({"NextToken": "x"})).await.code(), "InvalidArgumentException");
    cloud.kernel.advance(Duration::from_secs(301)).await.unwrap();
    assert_eq!(list(json!({"NextToken": token})).await.code(), "ExpiredNextTokenException");
    let summary = call(&client, "DescribeStreamSummary", json!({"StreamName": "s"})).await.ok().clone();
    assert_eq!(summary["StreamDescriptionSummary"]["QueueCount"], 2);
    call(&client, "DeleteQueue", json!({"QueueARN": arn})).await.ok();
    for operation in ["DeleteQueue", "DescribeQueue", "ReceiveQueueRecords", "ReceiveDeadLetterQueueRecords"] {
        assert_eq!(call(&client, operation, json!({"QueueARN": arn})).await.code(), "ResourceNotFoundException");
    }
}

#[tokio::test]
async fn a_queue_needs_a_stream_on_demand_with_room_for_it() {
    let (cloud, client) = with_on_demand().await;
    let provisioned = json!({"StreamName": "p", "ShardCount": 1});
    call(&client, "CreateStream", provisioned).await.ok();
    let make = |name: &str, streams: &[&str]| {
        let streams: Vec<Json> =
            streams.iter().map(|name| json!({"StreamARN": ARN.replace("/s", &format!("/{name}"))})).collect();
        json!({"QueueName": name, "StreamConfigurationList": streams})
    };
    assert_eq!(call(&client, "CreateQueue", make("q", &["p"])).await.code(), "InvalidArgumentException");
    assert_eq!(call(&client, "CreateQueue", make("q", &["s", "s"])).await.code(), "InvalidArgumentException");
    assert_eq!(call(&client, "CreateQueue", make("q", &["none"])).await.code(), "ResourceNotFoundException");
    // One of another account needs that account's leave, and then is not built.
    let other = holding(&client, Credentials::new("111111111111", "test"));
    assert_eq!(call(&other, "CreateQueue", make("q", &["s"])).await.code(), "AccessDeniedException");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"AWS": "111111111111"}, "Action": "kinesis:AssociateStreamsWithQueue", "Resource": ARN}]});
    let leave = json!({"ResourceARN": ARN, "Policy": policy.to_string()});
    call(&client, "PutResourcePolicy", leave).await.ok();
    assert_eq!(call(&other, "CreateQueue", make("q", &["s"])).await.status, 501);
    for number in 0..19 {
        queue(&client, &format!("q{number}"), json!({})).await;
    }
    assert_eq!(call(&client, "CreateQueue", make("q0", &["s"])).await.code(), "ResourceInUseException");
    // Consumers count as well.
    call(&client, "RegisterStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": "c"})).await.ok();
    assert_eq!(call(&client, "CreateQueue", make("more", &["s"])).await.code(), "LimitExceededException");
    let another = json!({"StreamARN": ARN, "ConsumerName": "d"});
    assert_eq!(call(&client, "RegisterStreamConsumer", another).await.code(), "LimitExceededException");
    let mode = json!({"StreamARN": ARN, "StreamModeDetails": {"StreamMode": "PROVISIONED"}});
    assert_eq!(call(&client, "UpdateStreamMode", mode).await.code(), "ResourceInUseException");
    call(&client, "DeregisterStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": "c"})).await.ok();
    let delete = |enforce: bool| json!({"StreamName": "s", "EnforceConsumerDeletion": enforce});
    assert_eq!(call(&client, "DeleteStream", delete(false)).await.code(), "ResourceInUseException");
    call(&client, "DeleteStream", delete(true)).await.ok();
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    let left = call(&client, "ListQueues", json!({})).await.ok()["QueueSummaries"].as_array().unwrap().len();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn five_queues_can_be_in_the_making() {
    let (cloud, client) = with_on_demand().await;
    cloud.kernel.clock().freeze();
    let make =
        |number: u32| json!({"QueueName": format!("q{number}"), "StreamConfigurationList": [{"StreamARN": ARN}]});
    for number in 0..5 {
        call(&client, "CreateQueue", make(number)).await.ok();
    }
    assert_eq!(call(&client, "CreateQueue", make(5)).await.code(), "LimitExceededException");
}

/// A life of a cloud: its threads end with it, so that the folder is free for the next.
fn live_once<T>(folder: &Folder, work: impl AsyncFnOnce(Cloud) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async { work(Cloud::in_folder(services(), folder).await).await })
}

#[test]
fn what_was_handed_out_is_remembered_over_a_restart() {
    let folder = Folder::new();
    let (arn, held) = live_once(&folder, async |cloud| {
        let client = cloud.client();
        on_demand(&client).await;
        let arn = queue(&client, "q", json!({})).await;
        for what in ["held", "done", "waiting"] {
            put(&client, what, what).await;
        }
        let held = receive(&client, "ReceiveQueueRecords", &arn, json!({"Limit": 1})).await;
        let done = receive(&client, "ReceiveQueueRecords", &arn, json!({"Limit": 1})).await;
        entries(&client, "AcknowledgeQueueRecords", &arn, json!([of(&done[0])])).await;
        (arn, held[0].clone())
    });
    live_once(&folder, async |cloud| {
        let client = cloud.client();
        assert_eq!(live(&client, &arn).await.len(), 1, "the one that was not handed out yet");
        cloud.kernel.advance(Duration::from_secs(31)).await.unwrap();
        let again = live(&client, &arn).await;
        assert_eq!(again.len(), 2);
        assert!(again.iter().any(|record| record["RecordId"] == held["RecordId"] && record["ReceiveCount"] == 2));
    });
}

#[tokio::test]
async fn queues_have_tags_and_policies_and_permissions() {
    let (_cloud, client) = with_on_demand().await;
    let input = json!({"QueueName": "q", "StreamConfigurationList": [{"StreamARN": ARN}], "Tags": {"team": "a"}});
    let arn = call(&client, "CreateQueue", input).await.ok()["QueueDescription"]["QueueARN"].clone();
    describe(&client, arn.as_str().unwrap()).await;
    call(&client, "TagResource", json!({"ResourceARN": arn, "Tags": {"b": "c"}})).await.ok();
    call(&client, "UntagResource", json!({"ResourceARN": arn, "TagKeys": ["team"]})).await.ok();
    let tags = call(&client, "ListTagsForResource", json!({"ResourceARN": arn})).await.ok()["Tags"].clone();
    assert_eq!(tags, json!([{"Key": "b", "Value": "c"}]));
    let other = holding(&client, Credentials::new("111111111111", "test"));
    let take = json!({"QueueARN": arn});
    assert_eq!(call(&other, "ReceiveQueueRecords", take.clone()).await.code(), "AccessDeniedException");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"AWS": "111111111111"}, "Action": "kinesis:ReceiveQueueRecords", "Resource": arn}]})
    .to_string();
    call(&client, "PutResourcePolicy", json!({"ResourceARN": arn, "Policy": policy})).await.ok();
    assert_eq!(call(&client, "GetResourcePolicy", json!({"ResourceARN": arn})).await.ok()["Policy"], policy);
    call(&other, "ReceiveQueueRecords", take.clone()).await.ok();
    assert_eq!(call(&other, "DescribeQueue", take).await.code(), "AccessDeniedException");
    call(&client, "DeleteResourcePolicy", json!({"ResourceARN": arn})).await.ok();
}
