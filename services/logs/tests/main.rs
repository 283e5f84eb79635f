//! CloudWatch Logs through a real socket.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::Service;
use undercast_logs::Logs;
use undercast_testkit::{Client, Cloud};

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(Logs)]
}

async fn stream(client: &Client, group: &str, streams: &[&str]) {
    client.call("logs", "CreateLogGroup", json!({"logGroupName": group})).await.ok();
    for name in streams {
        client.call("logs", "CreateLogStream", json!({"logGroupName": group, "logStreamName": name})).await.ok();
    }
}

async fn put(client: &Client, group: &str, stream: &str, events: &[(i64, &str)]) -> Json {
    let events: Vec<Json> = events.iter().map(|(t, m)| json!({"timestamp": t, "message": m})).collect();
    client
        .call("logs", "PutLogEvents", json!({"logGroupName": group, "logStreamName": stream, "logEvents": events}))
        .await
        .ok()
}

fn messages(answer: &Json) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|e| e["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_go_both_ways_and_the_last_token_repeats() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let now = cloud.kernel.clock().now().as_millisecond();
    stream(&client, "g", &["s"]).await;
    put(&client, "g", "s", &[(now - 2, "one"), (now - 1, "two"), (now, "three"), (now, "four"), (now, "five")]).await;
    let get = async |more: Json| {
        let mut input = json!({"logGroupName": "g", "logStreamName": "s", "limit": 2});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.call("logs", "GetLogEvents", input).await.ok()
    };
    let tail = get(json!({})).await;
    assert_eq!(messages(&tail), ["four", "five"]);
    let end = get(json!({"nextToken": tail["nextForwardToken"]})).await;
    assert!(messages(&end).is_empty());
    assert_eq!(end["nextForwardToken"], tail["nextForwardToken"]);
    let back = get(json!({"nextToken": tail["nextBackwardToken"]})).await;
    assert_eq!(messages(&back), ["two", "three"]);
    let head = get(json!({"startFromHead": true})).await;
    assert_eq!(messages(&head), ["one", "two"]);
    put(&client, "g", "s", &[(now, "six")]).await;
    assert_eq!(messages(&get(json!({"nextToken": end["nextForwardToken"]})).await), ["six"]);
    let window = get(json!({"startFromHead": true, "startTime": now - 1, "endTime": now})).await;
    assert_eq!(messages(&window), ["two"]);
}

#[tokio::test]
async fn events_outside_of_the_window_are_rejected_and_named() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let now = cloud.kernel.clock().now().as_millisecond();
    stream(&client, "g", &["s"]).await;
    let day = 86_400_000;
    let answer = put(&client, "g", "s", &[(now - 14 * day - 60_000, "old"), (now - 14 * day + 60_000, "fine")]).await;
    assert_eq!(answer["rejectedLogEventsInfo"], json!({"tooOldLogEventEndIndex": 1}));
    let answer = put(&client, "g", "s", &[(now, "fine"), (now + 3 * 3_600_000, "new")]).await;
    assert_eq!(answer["rejectedLogEventsInfo"], json!({"tooNewLogEventStartIndex": 1}));
    let events = json!([{"timestamp": now, "message": "b"}, {"timestamp": now - 1, "message": "a"}]);
    let disordered = json!({"logGroupName": "g", "logStreamName": "s", "logEvents": events});
    let answer = client.call("logs", "PutLogEvents", disordered).await;
    assert_eq!(answer.code(), "InvalidParameterException");
    assert_eq!(answer.json["message"], "Log events in a single PutLogEvents request must be in chronological order.");
    let nowhere = json!({"logGroupName": "h", "logStreamName": "s", "logEvents": [{"timestamp": now, "message": "x"}]});
    let answer = client.call("logs", "PutLogEvents", nowhere).await;
    assert_eq!((answer.status, answer.code()), (400, "ResourceNotFoundException"));
    assert_eq!(answer.json["message"], "The specified log group does not exist.");
}

#[tokio::test]
async fn filters_look_into_all_streams_in_the_order_of_time() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let now = cloud.kernel.clock().now().as_millisecond();
    stream(&client, "g", &["a", "b", "other"]).await;
    put(&client, "g", "a", &[(now - 4, "ERROR 1"), (now - 2, "ERROR 3")]).await;
    put(&client, "g", "b", &[(now - 3, "ERROR 2"), (now - 1, "fine")]).await;
    put(&client, "g", "other", &[(now - 5, "ERROR 0")]).await;
    let filter = async |input: Json| client.call("logs", "FilterLogEvents", input).await.ok();
    let found = filter(json!({"logGroupName": "g", "filterPattern": "ERROR"})).await;
    assert_eq!(messages(&found), ["ERROR 0", "ERROR 1", "ERROR 2", "ERROR 3"]);
    let found =
        filter(json!({"logGroupName": "g", "filterPattern": "ERROR", "logStreamNames": ["a", "b"], "limit": 2})).await;
    assert_eq!(messages(&found), ["ERROR 1", "ERROR 2"]);
    let next = json!({"logGroupName": "g", "filterPattern": "ERROR", "logStreamNames": ["a", "b"], "limit": 2, "nextToken": found["nextToken"]});
    let rest = filter(next).await;
    assert_eq!(messages(&rest), ["ERROR 3"]);
    assert!(rest["nextToken"].is_null());
    let answer =
        client.call("logs", "FilterLogEvents", json!({"logGroupName": "g", "filterPattern": "{ $.a = 1 }"})).await;
    assert_eq!(answer.status, 501);
}

#[tokio::test]
async fn retention_ends_events_and_only_they() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let now = cloud.kernel.clock().now().as_millisecond();
    stream(&client, "g", &["s"]).await;
    put(&client, "g", "s", &[(now, "old")]).await;
    let wrong = client.call("logs", "PutRetentionPolicy", json!({"logGroupName": "g", "retentionInDays": 2})).await;
    assert_eq!(wrong.code(), "InvalidParameterException");
    client.call("logs", "PutRetentionPolicy", json!({"logGroupName": "g", "retentionInDays": 1})).await.ok();
    cloud.kernel.advance(Duration::from_secs(43_200)).await.unwrap();
    put(&client, "g", "s", &[(now + 43_200_000, "young")]).await;
    cloud.kernel.advance(Duration::from_secs(43_300)).await.unwrap();
    let left = client.call("logs", "GetLogEvents", json!({"logGroupName": "g", "logStreamName": "s"})).await.ok();
    assert_eq!(messages(&left), ["young"]);
    let groups = client.call("logs", "DescribeLogGroups", json!({})).await.ok();
    assert_eq!(groups["logGroups"][0]["storedBytes"], 31);
    assert_eq!(groups["logGroups"][0]["retentionInDays"], 1);
}

#[tokio::test]
async fn groups_and_streams_are_listed_in_pages() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let now = cloud.kernel.clock().now().as_millisecond();
    stream(&client, "/aws/lambda/a", &["1", "2", "3"]).await;
    stream(&client, "/aws/lambda/b", &[]).await;
    stream(&client, "other", &[]).await;
    let again = client.call("logs", "CreateLogGroup", json!({"logGroupName": "other"})).await;
    assert_eq!(again.code(), "ResourceAlreadyExistsException");
    let page = client.call("logs", "DescribeLogGroups", json!({"logGroupNamePrefix": "/aws", "limit": 1})).await.ok();
    assert_eq!(page["logGroups"][0]["arn"], "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/a:*");
    let next = json!({"logGroupNamePrefix": "/aws", "limit": 1, "nextToken": page["nextToken"]});
    let page = client.call("logs", "DescribeLogGroups", next).await.ok();
    assert_eq!(page["logGroups"][0]["logGroupName"], "/aws/lambda/b");
    assert!(page["nextToken"].is_null());
    put(&client, "/aws/lambda/a", "2", &[(now, "x")]).await;
    put(&client, "/aws/lambda/a", "1", &[(now - 5, "x")]).await;
    let input = json!({"logGroupName": "/aws/lambda/a", "orderBy": "LastEventTime", "descending": true});
    let streams = client.call("logs", "DescribeLogStreams", input).await.ok();
    let names: Vec<&str> =
        streams["logStreams"].as_array().unwrap().iter().map(|s| s["logStreamName"].as_str().unwrap()).collect();
    assert_eq!(names, ["2", "1", "3"]);
    client.call("logs", "DeleteLogGroup", json!({"logGroupName": "other"})).await.ok();
    assert_eq!(
        client.call("logs", "DeleteLogGroup", json!({"logGroupName": "other"})).await.code(),
        "ResourceNotFoundException"
    );
}

/// The code of an answer that refuses.
async fn code(client: &Client, operation: &str, input: Json) -> String {
    client.call("logs", operation, input).await.code().to_owned()
}

const ARN: &str = "arn:aws:logs:us-east-1:000000000000:log-group:g";

#[tokio::test]
async fn groups_have_tags_by_name_and_by_arn() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let input = json!({"logGroupName": "g", "logGroupClass": "STANDARD", "tags": {"team": "shop"}});
    client.call("logs", "CreateLogGroup", input).await.ok();
    let by_name =
        async || client.call("logs", "ListTagsLogGroup", json!({"logGroupName": "g"})).await.ok()["tags"].clone();
    let by_arn =
        async || client.call("logs", "ListTagsForResource", json!({"resourceArn": ARN})).await.ok()["tags"].clone();
    assert_eq!((by_name().await, by_arn().await), (json!({"team": "shop"}), json!({"team": "shop"})));
    client.call("logs", "TagLogGroup", json!({"logGroupName": "g", "tags": {"a": "1"}})).await.ok();
    client.call("logs", "TagResource", json!({"resourceArn": ARN, "tags": {"b": "2"}})).await.ok();
    client.call("logs", "UntagLogGroup", json!({"logGroupName": "g", "tags": ["team"]})).await.ok();
    assert_eq!(by_arn().await, json!({"a": "1", "b": "2"}));
    client.call("logs", "UntagResource", json!({"resourceArn": ARN, "tagKeys": ["a"]})).await.ok();
    assert_eq!(by_name().await, json!({"b": "2"}));
    let many: serde_json::Map<String, Json> = (0..50).map(|n| (format!("t{n}"), json!(""))).collect();
    assert_eq!(code(&client, "TagResource", json!({"resourceArn": ARN, "tags": many})).await, "TooManyTagsException");
    assert_eq!(by_name().await, json!({"b": "2"}));
    let gone = "arn:aws:logs:us-east-1:000000000000:log-group:gone";
    for (operation, more) in [
        ("ListTagsForResource", json!({})),
        ("TagResource", json!({"tags": {"a": "b"}})),
        ("UntagResource", json!({"tagKeys": ["a"]})),
    ] {
        let input = |arn: &str| {
            let mut input = more.clone();
            input["resourceArn"] = json!(arn);
            input
        };
        assert_eq!(code(&client, operation, input(gone)).await, "ResourceNotFoundException", "{operation}");
        assert_eq!(code(&client, operation, input("arn:aws:s3:::b")).await, "InvalidParameterException", "{operation}");
    }
    for (operation, more) in [
        ("ListTagsLogGroup", json!({})),
        ("TagLogGroup", json!({"tags": {"a": "b"}})),
        ("UntagLogGroup", json!({"tags": ["a"]})),
    ] {
        let mut input = more;
        input["logGroupName"] = json!("gone");
        assert_eq!(code(&client, operation, input).await, "ResourceNotFoundException", "{operation}");
    }
    let reserved = json!({"logGroupName": "g", "tags": {"aws:a": "b"}});
    assert_eq!(code(&client, "TagLogGroup", reserved).await, "InvalidParameterException");
}

#[tokio::test]
async fn groups_are_found_by_what_they_are() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for name in ["/app/web", "/app/api", "batch"] {
        stream(&client, name, &[]).await;
    }
    let find = async |input: Json| {
        let found = client.call("logs", "DescribeLogGroups", input).await.ok();
        let names =
            found["logGroups"].as_array().unwrap().iter().map(|g| g["logGroupName"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(find(json!({"logGroupNamePattern": "a"})).await, "/app/api /app/web batch");
    assert_eq!(find(json!({"logGroupNamePattern": "web"})).await, "/app/web");
    assert_eq!(find(json!({"logGroupIdentifiers": ["batch", "/app/api"]})).await, "/app/api batch");
    assert_eq!(find(json!({"logGroupClass": "STANDARD", "logGroupNamePrefix": "b"})).await, "batch");
    assert_eq!(find(json!({"logGroupClass": "INFREQUENT_ACCESS"})).await, "");
    let both = json!({"logGroupNamePrefix": "b", "logGroupNamePattern": "b"});
    assert_eq!(code(&client, "DescribeLogGroups", both).await, "InvalidParameterException");
    client.call("logs", "PutRetentionPolicy", json!({"logGroupName": "batch", "retentionInDays": 3})).await.ok();
    client.call("logs", "DeleteRetentionPolicy", json!({"logGroupName": "batch"})).await.ok();
    let found = client.call("logs", "DescribeLogGroups", json!({"logGroupNamePrefix": "batch"})).await.ok();
    assert!(found["logGroups"][0]["retentionInDays"].is_null());
}

#[tokio::test]
async fn streams_are_found_and_deleted() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let now = cloud.kernel.clock().now().as_millisecond();
    stream(&client, "g", &["a1", "a2", "b1"]).await;
    put(&client, "g", "a1", &[(now - 9, "one"), (now - 5, "two"), (now - 1, "three")]).await;
    put(&client, "g", "b1", &[(now - 4, "four")]).await;
    let find = async |input: Json| {
        let found = client.call("logs", "DescribeLogStreams", input).await.ok();
        let names =
            found["logStreams"].as_array().unwrap().iter().map(|s| s["logStreamName"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>().join(" "), found["nextToken"].clone())
    };
    assert_eq!(find(json!({"logGroupIdentifier": ARN, "logStreamNamePrefix": "a"})).await.0, "a1 a2");
    let (first, next) = find(json!({"logGroupName": "g", "limit": 2})).await;
    assert_eq!(first, "a1 a2");
    assert_eq!(find(json!({"logGroupName": "g", "limit": 2, "nextToken": next})).await, ("b1".to_owned(), Json::Null));
    let filter = async |more: Json| {
        let mut input = json!({"logGroupIdentifier": ARN});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        messages(&client.call("logs", "FilterLogEvents", input).await.ok()).join(" ")
    };
    assert_eq!(filter(json!({"logStreamNamePrefix": "a", "startFromHead": true})).await, "one two three");
    assert_eq!(filter(json!({"startTime": now - 5, "endTime": now - 4})).await, "two four");
    let read = json!({"logGroupIdentifier": ARN, "logStreamName": "a1", "startFromHead": true});
    assert_eq!(messages(&client.call("logs", "GetLogEvents", read).await.ok()), ["one", "two", "three"]);
    client.call("logs", "DeleteLogStream", json!({"logGroupName": "g", "logStreamName": "a1"})).await.ok();
    assert_eq!(filter(json!({})).await, "four");
    let again = json!({"logGroupName": "g", "logStreamName": "a1"});
    client.call("logs", "CreateLogStream", again.clone()).await.ok();
    assert_eq!(filter(json!({})).await, "four", "a stream made anew is empty");
    assert_eq!(code(&client, "CreateLogStream", again).await, "ResourceAlreadyExistsException");
}

#[tokio::test]
async fn what_is_not_there_or_cannot_be_is_refused() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    stream(&client, "g", &["s"]).await;
    let named = |group: &str, stream: Option<&str>| match stream {
        Some(stream) => json!({"logGroupName": group, "logStreamName": stream}),
        None => json!({"logGroupName": group}),
    };
    for (operation, stream, days) in [
        ("CreateLogStream", Some("s"), false),
        ("DeleteLogStream", Some("s"), false),
        ("GetLogEvents", Some("s"), false),
        ("DeleteLogGroup", None, false),
        ("DeleteRetentionPolicy", None, false),
        ("PutRetentionPolicy", None, true),
        ("DescribeLogStreams", None, false),
    ] {
        let input = |group: &str, stream: Option<&str>| {
            let mut input = named(group, stream);
            if days {
                input["retentionInDays"] = json!(1);
            }
            input
        };
        assert_eq!(code(&client, operation, input("gone", stream)).await, "ResourceNotFoundException", "{operation}");
        // A name with a character that names do not have.
        assert_eq!(code(&client, operation, input("a b", stream)).await, "InvalidParameterException", "{operation}");
    }
    for operation in ["DeleteLogStream", "GetLogEvents"] {
        assert_eq!(
            code(&client, operation, named("g", Some("gone"))).await,
            "ResourceNotFoundException",
            "{operation}"
        );
    }
    assert_eq!(code(&client, "CreateLogGroup", named("a b", None)).await, "InvalidParameterException");
    for (operation, input) in [
        ("FilterLogEvents", json!({})),
        ("FilterLogEvents", json!({"logGroupName": "g", "logGroupIdentifier": ARN})),
        ("FilterLogEvents", json!({"logGroupName": "g", "logStreamNames": ["s"], "logStreamNamePrefix": "s"})),
        ("GetLogEvents", json!({"logGroupName": "g", "logStreamName": "s", "nextToken": "x"})),
        ("DescribeLogGroups", json!({"nextToken": "x"})),
        ("DescribeLogStreams", json!({"logGroupName": "g", "nextToken": "x"})),
    ] {
        assert_eq!(code(&client, operation, input).await, "InvalidParameterException", "{operation}");
    }
    let unknown = json!({"logGroupName": "g", "logStreamNames": ["gone"]});
    assert_eq!(code(&client, "FilterLogEvents", unknown).await, "ResourceNotFoundException");
}

#[tokio::test]
async fn policies_of_the_account_are_put_and_taken_back() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "logs:CreateLogGroup", "Resource": "*"}]});
    let put = async |name: Json, document: &str| {
        let input = json!({"policyName": name, "policyDocument": document});
        client.call("logs", "PutResourcePolicy", input).await
    };
    let made = put(json!("p"), &policy.to_string()).await.ok();
    assert_eq!(made["resourcePolicy"]["policyName"], "p");
    assert_eq!(put(json!("q"), "{}").await.code(), "InvalidParameterException");
    assert_eq!(put(json!(""), &policy.to_string()).await.code(), "InvalidParameterException");
    for n in 0..9 {
        put(json!(format!("p{n}")), &policy.to_string()).await.ok();
    }
    assert_eq!(put(json!("one-more"), &policy.to_string()).await.code(), "LimitExceededException");
    put(json!("p"), &policy.to_string()).await.ok();
    let describe = async |input: Json| client.call("logs", "DescribeResourcePolicies", input).await;
    let first = describe(json!({"limit": 9, "policyScope": "ACCOUNT"})).await.ok();
    let rest = describe(json!({"nextToken": first["nextToken"], "limit": 9})).await.ok();
    assert_eq!(rest["resourcePolicies"].as_array().unwrap().len(), 1);
    assert_eq!(describe(json!({"policyScope": "RESOURCE"})).await.ok()["resourcePolicies"], json!([]));
    assert_eq!(describe(json!({"nextToken": "x"})).await.code(), "InvalidParameterException");
    client.call("logs", "DeleteResourcePolicy", json!({"policyName": "p"})).await.ok();
    let gone = client.call("logs", "DeleteResourcePolicy", json!({"policyName": "p"})).await;
    assert_eq!(gone.code(), "ResourceNotFoundException");
    let unnamed = client.call("logs", "DeleteResourcePolicy", json!({})).await;
    assert_eq!(unnamed.code(), "InvalidParameterException");
}
