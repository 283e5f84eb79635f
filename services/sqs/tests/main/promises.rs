//! What every operation refuses: what is not there, and too much at once.

use super::*;

const NOWHERE: &str = "http://localhost/000000000000/nowhere";

/// Every operation with what it needs, about this queue.
fn every(url: &str, arn: &str) -> Vec<(&'static str, Json)> {
    let handle = json!([{"Id": "a", "ReceiptHandle": "h"}]);
    vec![
        (
            "AddPermission",
            json!({"QueueUrl": url, "Label": "l", "AWSAccountIds": ["111111111111"], "Actions": ["SendMessage"]}),
        ),
        ("CancelMessageMoveTask", json!({"TaskHandle": "h"})),
        ("ChangeMessageVisibility", json!({"QueueUrl": url, "ReceiptHandle": "h", "VisibilityTimeout": 1})),
        (
            "ChangeMessageVisibilityBatch",
            json!({"QueueUrl": url, "Entries": [{"Id": "a", "ReceiptHandle": "h", "VisibilityTimeout": 1}]}),
        ),
        ("CreateQueue", json!({"QueueName": "new"})),
        ("DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": "h"})),
        ("DeleteMessageBatch", json!({"QueueUrl": url, "Entries": handle})),
        ("DeleteQueue", json!({"QueueUrl": url})),
        ("GetQueueAttributes", json!({"QueueUrl": url})),
        ("GetQueueUrl", json!({"QueueName": "nowhere"})),
        ("ListDeadLetterSourceQueues", json!({"QueueUrl": url})),
        ("ListMessageMoveTasks", json!({"SourceArn": arn})),
        ("ListQueueTags", json!({"QueueUrl": url})),
        ("ListQueues", json!({})),
        ("PurgeQueue", json!({"QueueUrl": url})),
        ("ReceiveMessage", json!({"QueueUrl": url})),
        ("RemovePermission", json!({"QueueUrl": url, "Label": "l"})),
        ("SendMessage", json!({"QueueUrl": url, "MessageBody": "b"})),
        ("SendMessageBatch", json!({"QueueUrl": url, "Entries": [{"Id": "a", "MessageBody": "b"}]})),
        ("SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"DelaySeconds": "1"}})),
        ("StartMessageMoveTask", json!({"SourceArn": arn})),
        ("TagQueue", json!({"QueueUrl": url, "Tags": {"a": "b"}})),
        ("UntagQueue", json!({"QueueUrl": url, "TagKeys": ["a"]})),
    ]
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_told_so() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let all = every(NOWHERE, "arn:aws:sqs:us-east-1:000000000000:nowhere");
    assert_eq!(all.len(), Sqs.api().operations.len());
    for (operation, input) in all {
        let code = match operation {
            "CreateQueue" | "ListQueues" | "CancelMessageMoveTask" => continue,
            "ListMessageMoveTasks" | "StartMessageMoveTask" => "ResourceNotFoundException",
            _ => "QueueDoesNotExist",
        };
        assert_eq!(client.call("sqs", operation, input).await.code(), code, "{operation}");
    }
}

#[tokio::test]
async fn who_asks_too_much_is_told_so() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let rule = json!({"id": "busy", "service": "sqs", "effect": "throttle"});
    cloud.kernel.faults().add(serde_json::from_value(rule).unwrap()).unwrap();
    for (operation, input) in every(NOWHERE, "arn:aws:sqs:us-east-1:000000000000:nowhere") {
        assert_eq!(client.call("sqs", operation, input).await.code(), "RequestThrottled", "{operation}");
    }
}

#[tokio::test]
async fn batches_are_refused_as_a_whole_where_they_are_none() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let url = queue(&client, "q", json!({})).await;
    let entry = |id: &str| json!({"Id": id, "ReceiptHandle": "h", "VisibilityTimeout": 1});
    for (entries, code) in [
        (json!([]), "EmptyBatchRequest"),
        (json!((0..11).map(|n| entry(&n.to_string())).collect::<Vec<_>>()), "TooManyEntriesInBatchRequest"),
        (json!([entry("a"), entry("a")]), "BatchEntryIdsNotDistinct"),
        (json!([entry("a b")]), "InvalidBatchEntryId"),
    ] {
        for operation in ["ChangeMessageVisibilityBatch", "DeleteMessageBatch"] {
            let mut entries = entries.clone();
            if operation == "DeleteMessageBatch" {
                entries
                    .as_array_mut()
                    .unwrap()
                    .iter_mut()
                    .for_each(|e| drop(e.as_object_mut().unwrap().remove("VisibilityTimeout")));
            }
            let answer = client.call("sqs", operation, json!({"QueueUrl": url, "Entries": entries})).await;
            assert_eq!(answer.code(), code, "{operation}");
        }
    }
}

#[tokio::test]
async fn a_handle_of_nobody_is_refused_and_a_policy_has_twenty_statements() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let url = queue(&client, "q", json!({})).await;
    let input = json!({"QueueUrl": url, "ReceiptHandle": "h", "VisibilityTimeout": 1});
    assert_eq!(client.call("sqs", "ChangeMessageVisibility", input).await.code(), "ReceiptHandleIsInvalid");
    let add = |n: usize| json!({"QueueUrl": url, "Label": format!("l{n}"), "AWSAccountIds": ["111111111111"], "Actions": ["SendMessage"]});
    for n in 0..20 {
        client.call("sqs", "AddPermission", add(n)).await.ok();
    }
    assert_eq!(client.call("sqs", "AddPermission", add(20)).await.code(), "OverLimit");
}
