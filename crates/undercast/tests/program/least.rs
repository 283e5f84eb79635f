//! `undercast least-privilege`.

use serde_json::{Value as Json, json};
use undercast_testkit::{Client, Credentials, Folder};

use crate::cloud::Cloud;

/// A user `u` who may do anything with queues.
async fn user(cloud: &Cloud) -> Client {
    let root = &cloud.client;
    root.call("iam", "CreateUser", json!({"UserName": "u"})).await.ok();
    let document = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["sqs:*", "sns:*"], "Resource": "*"}});
    let policy = json!({"UserName": "u", "PolicyName": "wide", "PolicyDocument": document.to_string()});
    root.call("iam", "PutUserPolicy", policy).await.ok();
    let key = root.call("iam", "CreateAccessKey", json!({"UserName": "u"})).await.ok()["AccessKey"].clone();
    let mut client = root.clone();
    client.credentials =
        Credentials::new(key["AccessKeyId"].as_str().unwrap(), key["SecretAccessKey"].as_str().unwrap());
    client
}

fn printed(cloud: &Cloud, arguments: &[&str]) -> String {
    let output = cloud.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_smallest_policy_is_written_also_after_a_restart() {
    let home = Folder::new();
    let mut cloud = Cloud::start(&home.0, &[]);
    let client = user(&cloud).await;
    let url = cloud.queue("q").await;
    client.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "text"})).await.ok();
    let mine = ["least-privilege", "--user", "u"];
    let written = printed(&cloud, &mine);
    let policy: Json = serde_json::from_str(&written).unwrap();
    let resource = "arn:aws:sqs:us-east-1:000000000000:q";
    let statement = json!({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": resource});
    assert_eq!(policy, json!({"Version": "2012-10-17", "Statement": [statement]}));
    let difference = printed(&cloud, &["least-privilege", "--user", "u", "--diff"]);
    let expected = "- sns:*  (policy wide, statement 1: not used)\n~ sqs:*  (policy wide, statement 1: used are sqs:SendMessage)\n";
    assert_eq!(difference, expected);
    cloud.ok(&["down"]);
    cloud.ended(std::time::Duration::from_secs(60));
    let cloud = Cloud::start(&home.0, &[]);
    assert_eq!(printed(&cloud, &mine), written);
    // Nothing was done in the last second of a clock that is an hour ahead.
    cloud.ok(&["clock", "advance", "1h"]);
    let output = cloud.run(&["least-privilege", "--user", "u", "--since", "1s"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && said.contains("user/u was not seen doing anything"), "{said}");
    cloud.no(&["least-privilege", "--user", "u", "--since", "soon"], "`soon` is neither a moment");
    cloud.no(&["least-privilege", "--role", "u"], "there is no user or role arn:aws:iam::000000000000:role/u");
    cloud.no(&["least-privilege"], "--role");
}

#[tokio::test]
async fn where_nobody_asks_for_permissions_none_are_observed() {
    let home = Folder::new();
    let cloud = Cloud::start(&home.0, &["--ephemeral", "--iam", "off"]);
    cloud.no(&["least-privilege", "--user", "u"], "--iam off");
}

#[tokio::test]
async fn what_would_have_been_denied_is_told_as_missing() {
    let home = Folder::new();
    let cloud = Cloud::start(&home.0, &["--ephemeral", "--iam", "audit"]);
    let client = user(&cloud).await;
    client.call("iam", "ListUsers", json!({})).await.ok();
    let said = printed(&cloud, &["least-privilege", "--user", "u", "--diff"]);
    assert!(said.lines().any(|line| line.starts_with("+ iam:ListUsers on * ")), "{said}");
}
