//! What becomes of events that targets do not take.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Cloud, arn, body, cloud, messages, put, queue, receive, role, rule, target};

fn attribute<'a>(message: &'a Json, name: &str) -> &'a str {
    message["MessageAttributes"][name]["StringValue"].as_str().unwrap_or_default()
}

fn fault(cloud: &Cloud, rule: Json) {
    cloud.kernel.faults().add(serde_json::from_value(rule).unwrap()).unwrap();
}

#[tokio::test]
async fn what_can_never_succeed_is_a_dead_letter_at_once() {
    let cloud = cloud().await;
    let client = cloud.client();
    let (dead_url, dead) = queue(&client, "dead").await;
    let closed = client.call("sqs", "CreateQueue", json!({"QueueName": "closed"})).await.ok();
    assert!(closed["QueueUrl"].is_string());
    rule(&client, "r", &json!({"source": ["a"]})).await;
    let letters = json!({"Arn": dead});
    target(
        &client,
        "r",
        json!({"Id": "closed", "Arn": arn("sqs", "closed"), "InputPath": "$.detail", "DeadLetterConfig": letters}),
    )
    .await;
    let role = role(&client, "publisher", "sns:*").await;
    target(
        &client,
        "r",
        json!({"Id": "gone", "Arn": arn("sns", "gone"), "RoleArn": role, "DeadLetterConfig": letters}),
    )
    .await;
    let nobody = "arn:aws:iam::000000000000:role/nobody";
    target(
        &client,
        "r",
        json!({"Id": "nobody", "Arn": arn("sns", "x"), "RoleArn": nobody, "DeadLetterConfig": letters}),
    )
    .await;
    let id = put(&client, "a", json!({})).await;
    let mut found = Vec::new();
    while found.len() < 3 {
        let more = messages(&client, &dead_url).await;
        assert!(!more.is_empty(), "{found:?}");
        found.extend(more);
    }
    found.sort_by_key(|m| attribute(m, "TARGET_ARN").to_owned());
    assert!(found.iter().all(|m| body(m)["id"] == id), "the event itself, not what the target would have got");
    let targets = [
        (arn("sns", "gone"), "NO_RESOURCE"),
        (arn("sns", "x"), "FAILED_TO_ASSUME_ROLE"),
        (arn("sqs", "closed"), "NO_PERMISSIONS"),
    ];
    for (message, (target, code)) in found.iter().zip(targets) {
        assert_eq!(attribute(message, "TARGET_ARN"), target);
        assert_eq!(
            (attribute(message, "RULE_ARN"), attribute(message, "ERROR_CODE")),
            (arn("events", "rule/r").as_str(), code)
        );
        assert_ne!(attribute(message, "ERROR_MESSAGE"), "");
        assert_eq!(attribute(message, "EXHAUSTED_RETRY_CONDITION"), "");
    }
}

#[tokio::test]
async fn what_may_succeed_is_tried_again() {
    let cloud = cloud().await;
    let client = cloud.client();
    cloud.kernel.clock().freeze();
    let (url, queue) = queue(&client, "q").await;
    rule(&client, "r", &json!({"source": ["a"]})).await;
    target(&client, "r", json!({"Id": "t", "Arn": queue})).await;
    fault(
        &cloud,
        json!({"id": "f", "service": "sqs", "operation": "SendMessage", "effect": {"error": {"code": "ServiceUnavailable", "status": 503}}}),
    );
    put(&client, "a", json!({})).await;
    cloud.kernel.advance(Duration::from_secs(30)).await.unwrap();
    assert!(receive(&client, &url, 0).await.is_empty());
    cloud.kernel.faults().remove(Some("f"));
    cloud.kernel.advance(Duration::from_secs(120)).await.unwrap();
    assert_eq!(receive(&client, &url, 0).await.len(), 1);
}

#[tokio::test]
async fn tries_and_age_have_limits() {
    let cloud = cloud().await;
    let client = cloud.client();
    cloud.kernel.clock().freeze();
    let (dead_url, dead) = queue(&client, "dead").await;
    let (_, queue) = queue(&client, "q").await;
    client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok();
    rule(&client, "r", &json!({"source": ["a"]})).await;
    let letters = json!({"Arn": dead});
    let few = json!({"MaximumRetryAttempts": 2});
    target(&client, "r", json!({"Id": "few", "Arn": arn("sns", "t"), "DeadLetterConfig": letters, "RetryPolicy": few}))
        .await;
    let short = json!({"MaximumEventAgeInSeconds": 60});
    target(
        &client,
        "r",
        json!({"Id": "short", "Arn": arn("sns", "t"), "DeadLetterConfig": letters, "RetryPolicy": short}),
    )
    .await;
    target(&client, "r", json!({"Id": "usual", "Arn": arn("sns", "t"), "DeadLetterConfig": letters})).await;
    target(&client, "r", json!({"Id": "good", "Arn": queue})).await;
    fault(&cloud, json!({"service": "sns", "operation": "Publish", "effect": "throttle"}));
    put(&client, "a", json!({})).await;
    cloud.kernel.advance(Duration::from_secs(600)).await.unwrap();
    let found = receive(&client, &dead_url, 0).await;
    let mut limits: Vec<(&str, &str)> =
        found.iter().map(|m| (attribute(m, "EXHAUSTED_RETRY_CONDITION"), attribute(m, "ERROR_CODE"))).collect();
    limits.sort_unstable();
    assert_eq!(limits, [("MaximumEventAgeInSeconds", "THROTTLING"), ("MaximumRetryAttempts", "THROTTLING")]);
    let tries = found.iter().find(|m| attribute(m, "EXHAUSTED_RETRY_CONDITION") == "MaximumRetryAttempts");
    assert_eq!(attribute(tries.unwrap(), "RETRY_ATTEMPTS"), "2");
    // A day later the third is given up as well.
    cloud.kernel.advance(Duration::from_secs(86_400)).await.unwrap();
    let found = receive(&client, &dead_url, 0).await;
    assert_eq!(found.iter().filter(|m| attribute(m, "RETRY_ATTEMPTS").parse::<u32>().unwrap() > 100).count(), 1);
}

#[tokio::test]
async fn cloudwatch_is_told() {
    let cloud = cloud().await;
    let client = cloud.client();
    let (url, queue) = queue(&client, "q").await;
    rule(&client, "r", &json!({"source": ["a"]})).await;
    target(&client, "r", json!({"Id": "t", "Arn": queue})).await;
    target(&client, "r", json!({"Id": "u", "Arn": arn("sqs", "gone"), "DeadLetterConfig": {"Arn": queue}})).await;
    put(&client, "a", json!({})).await;
    put(&client, "b", json!({})).await;
    let mut count = 0;
    while count < 2 {
        let more = messages(&client, &url).await.len();
        assert!(more > 0);
        count += more;
    }
    cloud.kernel.keep_metrics().await.unwrap();
    let told = super::told(&cloud, "AWS/Events");
    for (name, dimension, sum) in [
        ("MatchedEvents", "r", 1.0),
        ("TriggeredRules", "r", 1.0),
        ("Invocations", "r", 2.0),
        ("InvocationAttempts", "r", 2.0),
        ("FailedInvocations", "r", 1.0),
        ("InvocationsSentToDlq", "r", 1.0),
        ("SuccessfulInvocationAttempts", "r", 1.0),
        ("PutEventsApproximateCallCount", "", 2.0),
        ("PutEventsEntriesCount", "", 2.0),
    ] {
        assert_eq!(told.get(&(name.to_owned(), dimension.to_owned())), Some(&sum), "{name}: {told:?}");
    }
}
