//! Archives and replays.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Client, arn, body, cloud, put, queue, receive, rule, target};

const DAY: Duration = Duration::from_secs(86_400);

async fn archive(client: &Client, name: &str, more: Json) {
    let pattern = json!({"source": ["a", "b"]}).to_string();
    let mut input =
        json!({"ArchiveName": name, "EventSourceArn": arn("events", "event-bus/default"), "EventPattern": pattern});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = client.call("events", "CreateArchive", input).await.ok();
    assert_eq!(
        (&made["ArchiveArn"], &made["State"]),
        (&json!(arn("events", &format!("archive/{name}"))), &json!("ENABLED"))
    );
}

async fn described(client: &Client, name: &str) -> Json {
    client.call("events", "DescribeArchive", json!({"ArchiveName": name})).await.ok()
}

/// Begins a replay of all that was until now.
async fn replay(client: &Client, name: &str, archive: &str, filters: Option<Json>) -> Json {
    let mut destination = json!({"Arn": arn("events", "event-bus/default")});
    if let Some(filters) = filters {
        destination["FilterArns"] = filters;
    }
    let input = json!({"ReplayName": name, "EventSourceArn": arn("events", &format!("archive/{archive}")), "Destination": destination,
        "EventStartTime": "2026-03-01T00:00:00Z", "EventEndTime": "2026-03-01T12:00:30Z", "Description": "again"});
    client.call("events", "StartReplay", input).await.ok()
}

async fn ended(client: &Client, name: &str) -> Json {
    for _ in 0..500 {
        let told = client.call("events", "DescribeReplay", json!({"ReplayName": name})).await.ok();
        if !["STARTING", "RUNNING", "CANCELLING"].contains(&told["State"].as_str().unwrap()) {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the replay does not end");
}

/// All that is in a queue, by the number in the detail.
async fn numbers(client: &Client, url: &str) -> Vec<(i64, Json)> {
    let mut all = Vec::new();
    loop {
        let found = receive(client, url, 0).await;
        if found.is_empty() {
            all.sort_by_key(|(n, _)| *n);
            return all;
        }
        all.extend(found.iter().map(|m| (body(m)["detail"]["n"].as_i64().unwrap(), body(m)["replay-name"].clone())));
    }
}

#[tokio::test]
async fn what_was_archived_comes_again() {
    let cloud = cloud().await;
    let client = cloud.client();
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set("2026-03-01T12:00:00Z".parse().unwrap());
    let (url, first) = queue(&client, "q").await;
    let (other_url, second) = queue(&client, "other").await;
    archive(&client, "some", json!({"EventPattern": "{\"source\":[\"a\"]}", "Description": "mine"})).await;
    archive(&client, "all", json!({})).await;
    for n in 0..5 {
        put(&client, if n == 4 { "b" } else { "a" }, json!({"n": n})).await;
        cloud.kernel.advance(Duration::from_secs(10)).await.unwrap();
    }
    let told = described(&client, "some").await;
    assert_eq!(
        (&told["EventCount"], &told["Description"], &told["RetentionDays"]),
        (&json!(4), &json!("mine"), &json!(0))
    );
    assert!(told["SizeBytes"].as_i64().unwrap() > 800, "{told}");
    assert_eq!(described(&client, "all").await["EventCount"], 5);
    // Rules that came later get what was before them.
    rule(&client, "r", &json!({"source": ["a", "b"]})).await;
    target(&client, "r", json!({"Id": "t", "Arn": first})).await;
    rule(&client, "other", &json!({"replay-name": [{"exists": true}]})).await;
    target(&client, "other", json!({"Id": "t", "Arn": second})).await;
    let begun = replay(&client, "again", "some", None).await;
    assert_eq!((&begun["State"], &begun["ReplayArn"]), (&json!("STARTING"), &json!(arn("events", "replay/again"))));
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    let told = ended(&client, "again").await;
    assert_eq!((&told["State"], &told["Description"]), (&json!("COMPLETED"), &json!("again")));
    assert_eq!(told["EventSourceArn"], arn("events", "archive/some"));
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    let wanted: Vec<(i64, Json)> = (0..4).map(|n| (n, json!("again"))).collect();
    assert_eq!(numbers(&client, &url).await, wanted);
    assert_eq!(numbers(&client, &other_url).await, wanted);
    // Only one rule is meant, and what is replayed is not archived once more.
    replay(&client, "few", "all", Some(json!([arn("events", "rule/r")]))).await;
    cloud.kernel.advance(Duration::from_secs(2)).await.unwrap();
    ended(&client, "few").await;
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    assert_eq!(numbers(&client, &url).await.len(), 4);
    assert!(numbers(&client, &other_url).await.is_empty());
    assert_eq!(described(&client, "all").await["EventCount"], 5);
    let listed = client.call("events", "ListReplays", json!({"State": "COMPLETED", "Limit": 1})).await.ok();
    assert_eq!(listed["Replays"][0]["ReplayName"], "again");
    let input = json!({"State": "COMPLETED", "NextToken": listed["NextToken"]});
    assert_eq!(client.call("events", "ListReplays", input).await.ok()["Replays"][0]["ReplayName"], "few");
    let of = json!({"EventSourceArn": arn("events", "archive/all")});
    assert_eq!(client.call("events", "ListReplays", of).await.ok()["Replays"].as_array().unwrap().len(), 1);
    let named = client.call("events", "ListReplays", json!({"NamePrefix": "a"})).await.ok();
    assert_eq!(named["Replays"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_too_old_goes_by_the_clock() {
    let cloud = cloud().await;
    let client = cloud.client();
    cloud.kernel.clock().freeze();
    archive(&client, "x", json!({"RetentionDays": 2})).await;
    put(&client, "a", json!({})).await;
    cloud.kernel.advance(DAY).await.unwrap();
    put(&client, "a", json!({})).await;
    assert_eq!(described(&client, "x").await["EventCount"], 2);
    cloud.kernel.advance(DAY).await.unwrap();
    assert_eq!(described(&client, "x").await["EventCount"], 1);
    client
        .call("events", "UpdateArchive", json!({"ArchiveName": "x", "RetentionDays": 0, "Description": "long"}))
        .await
        .ok();
    cloud.kernel.advance(DAY * 30).await.unwrap();
    assert_eq!(described(&client, "x").await["EventCount"], 1);
    let input = json!({"ArchiveName": "x", "RetentionDays": 1, "EventPattern": "{\"source\":[\"b\"]}"});
    client.call("events", "UpdateArchive", input).await.ok();
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    let told = described(&client, "x").await;
    assert_eq!((&told["EventCount"], &told["SizeBytes"]), (&json!(0), &json!(0)));
    put(&client, "a", json!({})).await;
    put(&client, "b", json!({})).await;
    assert_eq!(described(&client, "x").await["EventCount"], 1);
    client.call("events", "DeleteArchive", json!({"ArchiveName": "x"})).await.ok();
    put(&client, "b", json!({})).await;
    archive(&client, "x", json!({})).await;
    assert_eq!(described(&client, "x").await["EventCount"], 0);
}

#[tokio::test]
async fn an_archive_of_everything_has_calls_too() {
    let cloud = cloud().await;
    let client = cloud.client();
    let input = json!({"ArchiveName": "x", "EventSourceArn": arn("events", "event-bus/default")});
    client.call("events", "CreateArchive", input).await.ok();
    put(&client, "a", json!({})).await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    for _ in 0..100 {
        if described(&client, "x").await["EventCount"].as_i64().unwrap() >= 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{}", described(&client, "x").await);
}

#[tokio::test]
async fn the_rule_of_an_archive_is_the_services_own() {
    let cloud = cloud().await;
    let client = cloud.client();
    archive(&client, "x", json!({"EventPattern": "{\"source\":[\"a\"]}"})).await;
    let told = client.call("events", "DescribeRule", json!({"Name": "Events-Archive-x"})).await.ok();
    assert_eq!(
        (&told["ManagedBy"], &told["EventPattern"]),
        (&json!("prod.vhs.events.aws.internal"), &json!("{\"source\":[\"a\"],\"replay-name\":[{\"exists\":false}]}"))
    );
    let name = json!({"Name": "Events-Archive-x"});
    for (operation, input) in [
        ("PutRule", json!({"Name": "Events-Archive-x", "EventPattern": "{\"source\":[\"b\"]}"})),
        ("DisableRule", name.clone()),
        ("EnableRule", name.clone()),
        ("DeleteRule", name.clone()),
        ("PutTargets", json!({"Rule": "Events-Archive-x", "Targets": [{"Id": "t", "Arn": arn("sqs", "q")}]})),
        ("RemoveTargets", json!({"Rule": "Events-Archive-x", "Ids": ["Events-Archive-x"]})),
        (
            "TagResource",
            json!({"ResourceARN": arn("events", "rule/Events-Archive-x"), "Tags": [{"Key": "a", "Value": "b"}]}),
        ),
        ("UntagResource", json!({"ResourceARN": arn("events", "rule/Events-Archive-x"), "TagKeys": ["a"]})),
    ] {
        assert_eq!(client.call("events", operation, input).await.code(), "ManagedRuleException", "{operation}");
    }
    client.call("events", "DeleteArchive", json!({"ArchiveName": "x"})).await.ok();
    let gone = client.call("events", "DescribeRule", name).await;
    assert_eq!(gone.code(), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_replay_can_be_cancelled() {
    let cloud = cloud().await;
    let client = cloud.client();
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set("2026-03-01T12:00:00Z".parse().unwrap());
    archive(&client, "x", json!({})).await;
    for _ in 0..21 {
        let entries: Vec<Json> = (0..10).map(|n| super::entry("a", &json!({"n": n}))).collect();
        client.call("events", "PutEvents", json!({"Entries": entries})).await.ok();
    }
    assert_eq!(described(&client, "x").await["EventCount"], 210);
    // On a clock that stands still only the first batch is taken.
    replay(&client, "r", "x", None).await;
    for _ in 0..100 {
        let told = client.call("events", "DescribeReplay", json!({"ReplayName": "r"})).await.ok();
        if told["State"] == "RUNNING" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let cancelled = client.call("events", "CancelReplay", json!({"ReplayName": "r"})).await.ok();
    assert_eq!(
        (&cancelled["State"], &cancelled["ReplayArn"]),
        (&json!("CANCELLING"), &json!(arn("events", "replay/r")))
    );
    let again = client.call("events", "CancelReplay", json!({"ReplayName": "r"})).await;
    assert_eq!(
        (again.code(), &again.json["message"]),
        ("IllegalStatusException", &json!("Replay r is not in a valid state for this operation."))
    );
    for n in 0..9 {
        replay(&client, &format!("r{n}"), "x", None).await;
    }
    let input = json!({"ReplayName": "more", "EventSourceArn": arn("events", "archive/x"), "Destination": {"Arn": arn("events", "event-bus/default")},
        "EventStartTime": "2026-03-01T00:00:00Z", "EventEndTime": "2026-03-01T12:00:30Z"});
    assert_eq!(client.call("events", "StartReplay", input).await.code(), "LimitExceededException");
    cloud.kernel.advance(Duration::from_secs(5)).await.unwrap();
    assert_eq!(ended(&client, "r").await["State"], "CANCELLED");
    assert_eq!(ended(&client, "r8").await["State"], "COMPLETED");
}
