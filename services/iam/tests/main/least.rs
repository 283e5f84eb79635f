//! The smallest policy for what somebody did.

use super::*;
use undercast_kernel::Timestamp;

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const ANN: &str = "arn:aws:iam::000000000000:user/ann";

async fn told(cloud: &Cloud, of: &str, since: Timestamp) -> Option<Json> {
    cloud.kernel.identities().unwrap().least_privilege(&cloud.kernel, of, since).await.unwrap()
}

async fn give(root: &Client, name: &str, document: &Json) {
    let policy = json!({"UserName": "ann", "PolicyName": name, "PolicyDocument": document.to_string()});
    root.call("iam", "PutUserPolicy", policy).await.ok();
}

/// A queue `q` and a user who may do much, and does little with it.
async fn busy() -> (Cloud, Client, String) {
    let cloud = Cloud::start(services()).await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    let url = root.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok()["QueueUrl"].clone();
    let wide = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Queues", "Effect": "Allow", "Action": ["sqs:*", "sns:Publish"], "Resource": "*"},
        {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*"},
        {"Effect": "Deny", "Action": "sqs:PurgeQueue", "Resource": "*"}]});
    give(&root, "wide", &wide).await;
    ann.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "one"})).await.ok();
    ann.call("sqs", "GetQueueAttributes", json!({"QueueUrl": url})).await.ok();
    ann.call("sqs", "ListQueues", json!({})).await.ok();
    assert_eq!(ann.call("sqs", "PurgeQueue", json!({"QueueUrl": url})).await.status, 403);
    (cloud, ann, url.as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_smallest_policy_allows_what_was_done_and_nothing_else() {
    let (cloud, ann, url) = busy().await;
    let found = told(&cloud, ANN, Timestamp::UNIX_EPOCH).await.unwrap();
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["sqs:GetQueueAttributes", "sqs:SendMessage"], "Resource": QUEUE},
        {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": found["policy"]["Statement"][1]["Resource"]}]});
    assert_eq!(found["policy"], policy);
    give(&cloud.client(), "wide", &policy).await;
    ann.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "two"})).await.ok();
    ann.call("sqs", "GetQueueAttributes", json!({"QueueUrl": url})).await.ok();
    ann.call("sqs", "ListQueues", json!({})).await.ok();
    assert_eq!(ann.call("sqs", "ReceiveMessage", json!({"QueueUrl": url})).await.status, 403);
    cloud.client().call("sqs", "CreateQueue", json!({"QueueName": "other"})).await.ok();
    let other = json!({"QueueUrl": url.replace("/q", "/other"), "MessageBody": "three"});
    assert_eq!(ann.call("sqs", "SendMessage", other).await.status, 403);
    // With it in place, nothing is left to take away.
    let found = told(&cloud, ANN, Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(
        (&found["policy"], &found["unused"], &found["wider"], &found["missing"]),
        (&policy, &json!([]), &json!([]), &json!([]))
    );
}

#[tokio::test]
async fn the_present_policies_are_held_against_it() {
    let (cloud, ann, url) = busy().await;
    let found = told(&cloud, ANN, Timestamp::UNIX_EPOCH).await.unwrap();
    let part = |statement: &str, action: &str, used: Json| json!({"policy": "wide", "statement": statement, "action": action, "used": used});
    let used = json!(["sqs:GetQueueAttributes", "sqs:ListQueues", "sqs:SendMessage"]);
    assert_eq!(found["wider"], json!([part("Queues", "sqs:*", used)]));
    assert_eq!(found["unused"], json!([part("Queues", "sns:Publish", json!([])), part("2", "iam:GetUser", json!([]))]));
    // What a queue's own policy allows is no part of the user's.
    give(&cloud.client(), "wide", &json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}})).await;
    let found = told(&cloud, ANN, Timestamp::UNIX_EPOCH).await.unwrap();
    let missing = |action: &str| json!({"action": action, "resource": QUEUE});
    assert_eq!(found["missing"], json!([missing("sqs:GetQueueAttributes"), missing("sqs:SendMessage")]));
    assert_eq!(ann.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "no"})).await.status, 403);
}

#[tokio::test]
async fn only_what_was_done_since_then_counts() {
    let (cloud, ann, url) = busy().await;
    cloud.kernel.advance(Duration::from_secs(3_600)).await.unwrap();
    let later = cloud.kernel.clock().now();
    ann.call("sqs", "ReceiveMessage", json!({"QueueUrl": url})).await.ok();
    let found = told(&cloud, ANN, later).await.unwrap();
    let statement = json!({"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": QUEUE});
    assert_eq!(found["policy"]["Statement"], json!([statement]));
    cloud.kernel.advance(Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(told(&cloud, ANN, cloud.kernel.clock().now()).await.unwrap()["policy"], Json::Null);
    assert_eq!(told(&cloud, "arn:aws:iam::000000000000:user/nobody", later).await, None);
    // Who is made anew under a name has done nothing yet.
    let root = cloud.client();
    let key = json!({"UserName": "ann", "AccessKeyId": ann.credentials.key});
    root.call("iam", "DeleteAccessKey", key).await.ok();
    root.call("iam", "DeleteUserPolicy", json!({"UserName": "ann", "PolicyName": "wide"})).await.ok();
    root.call("iam", "DeleteUser", json!({"UserName": "ann"})).await.ok();
    root.call("iam", "CreateUser", json!({"UserName": "ann"})).await.ok();
    assert_eq!(told(&cloud, ANN, Timestamp::UNIX_EPOCH).await.unwrap()["policy"], Json::Null);
}
