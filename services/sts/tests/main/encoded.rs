//! Encoded authorization failure messages, as services give them that say so.

use undercast_kernel::wire::schema::Operation;
use undercast_kernel::wire::{Fields, Service as Api, Value};
use undercast_kernel::{Access, Answer, Cx, Result};

use super::*;

/// SQS, if its denials were as those of EC2.
struct Encoding(Sqs);

impl Service for Encoding {
    fn api(&self) -> &'static Api {
        self.0.api()
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        self.0.call(cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        self.0.access(cx, operation, input)
    }

    fn encodes_denials(&self, operation: &'static Operation) -> bool {
        operation.name == "CreateQueue"
    }
}

/// The encoded message of a call that was denied.
async fn denied(client: &Client, name: &str) -> (String, String) {
    let answer = client.call("sqs", "CreateQueue", json!({"QueueName": name})).await;
    let message = answer.json["message"].as_str().unwrap();
    let (told, encoded) = message.split_once(" Encoded authorization failure message: ").expect(message);
    (told.to_owned(), encoded.to_owned())
}

async fn decode(client: &Client, encoded: &str) -> undercast_testkit::Answer {
    client.call("sts", "DecodeAuthorizationMessage", json!({"EncodedMessage": encoded})).await
}

#[tokio::test]
async fn who_may_decode_a_message_reads_why() {
    let cloud = Cloud::durable(vec![Arc::new(Iam), Arc::new(Encoding(Sqs)), Arc::new(Sts)]).await;
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:*:a*"},
        {"Sid": "NotThese", "Effect": "Deny", "Action": ["sqs:CreateQueue", "sqs:Get*"], "Resource": "arn:aws:sqs:*:*:ab*",
         "Condition": {"StringLike": {"aws:username": "a*"}}}]});
    let ann = user(&cloud, "ann", &policy.to_string()).await;
    let (told, encoded) = denied(&ann, "abc").await;
    assert!(told.ends_with("with an explicit deny in an identity-based policy"), "{told}");
    let root = cloud.client();
    let message = decode(&root, &encoded).await.ok()["DecodedMessage"].clone();
    let message: Json = serde_json::from_str(message.as_str().unwrap()).unwrap();
    assert_eq!((&message["allowed"], &message["explicitDeny"]), (&json!(false), &json!(true)));
    let id = root.call("iam", "GetUser", json!({"UserName": "ann"})).await.ok()["User"]["UserId"].clone();
    let statements = message["matchedStatements"]["items"].as_array().unwrap();
    assert_eq!(statements.len(), 2);
    assert_eq!(
        statements[1],
        json!({"statementId": "NotThese", "effect": "DENY", "principals": {"items": [{"value": id}]},
            "principalGroups": {"items": []}, "actions": {"items": [{"value": "sqs:CreateQueue"}, {"value": "sqs:Get*"}]},
            "resources": {"items": [{"value": "arn:aws:sqs:*:*:ab*"}]},
            "conditions": {"items": [{"key": "aws:username", "operator": "StringLike", "values": {"items": [{"value": "a*"}]}}]}})
    );
    let context = &message["context"];
    assert_eq!(context["principal"], json!({"id": id, "arn": "arn:aws:iam::000000000000:user/ann"}));
    assert_eq!(
        (&context["action"], &context["resource"]),
        (&json!("sqs:CreateQueue"), &json!("arn:aws:sqs:us-east-1:000000000000:abc"))
    );
    // What nobody allows has no statement that matched.
    let (_, encoded) = denied(&ann, "b").await;
    let message: Json =
        serde_json::from_str(decode(&root, &encoded).await.ok()["DecodedMessage"].as_str().unwrap()).unwrap();
    assert_eq!((&message["explicitDeny"], &message["matchedStatements"]), (&json!(false), &json!({"items": []})));
    // An operation that does not say so gives none, and a permission is needed to read one.
    let other = ann.call("sqs", "ListQueues", json!({})).await;
    assert!(!other.json["message"].as_str().unwrap().contains("Encoded"), "{}", other.json);
    assert_eq!(decode(&ann, &encoded).await.code(), "AccessDenied");
    let bob = user(&cloud, "bob", &allow(&["sts:DecodeAuthorizationMessage"], &json!({}))).await;
    decode(&bob, &encoded).await.ok();
    // It is for the account of whoever was denied.
    let stranger = cloud.client_of(Credentials::new("111122223333", "test"));
    assert_eq!(decode(&stranger, &encoded).await.code(), "InvalidAuthorizationMessageException");
}

#[tokio::test]
async fn a_message_with_one_bent_letter_is_none() {
    let cloud = Cloud::start(vec![Arc::new(Iam), Arc::new(Encoding(Sqs)), Arc::new(Sts)]).await;
    let ann = user(&cloud, "ann", &allow(&["sns:*"], &json!({}))).await;
    let (_, encoded) = denied(&ann, "queue").await;
    let (_, again) = denied(&ann, "queue").await;
    assert_ne!(encoded, again);
    let root = cloud.client();
    decode(&root, &encoded).await.ok();
    for at in 0..encoded.len() {
        let mut bent = encoded.clone().into_bytes();
        bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
        let bent = String::from_utf8(bent).unwrap();
        let answer = decode(&root, &bent).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidAuthorizationMessageException"), "letter {at}");
        if at > 0 {
            assert_eq!(
                decode(&root, &encoded[..at]).await.code(),
                "InvalidAuthorizationMessageException",
                "cut at {at}"
            );
        }
    }
    for none in ["x", "????", "AAAA", &format!("{encoded}AAAA")] {
        assert_eq!(decode(&root, none).await.code(), "InvalidAuthorizationMessageException", "{none}");
    }
}
