//! Sessions through a real socket: how they begin, and what they are worth.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod chains;
mod corpus;
mod encoded;
mod federation;
mod fuzzed;
mod outbound;
mod provider;
mod saml;
mod web_identity;
mod why;

use std::sync::Arc;

use serde_json::{Value as Json, json};
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_sqs::Sqs;
use undercast_sts::Sts;
use undercast_testkit::{Client, Cloud, Credentials};

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(Iam), Arc::new(Sqs), Arc::new(Sts)]
}

fn allow(actions: &[&str], condition: &Json) -> String {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": actions, "Resource": "*", "Condition": condition}]})
    .to_string()
}

/// A role whom `principal` may do these actions with, and which may do everything.
async fn role(cloud: &Cloud, name: &str, principal: &Json, actions: &[&str], condition: &Json) -> String {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": principal, "Action": actions, "Condition": condition}]});
    let root = cloud.client();
    let input = json!({"RoleName": name, "AssumeRolePolicyDocument": trust.to_string()});
    let made = root.call("iam", "CreateRole", input).await.ok();
    let all = json!({"RoleName": name, "PolicyName": "all", "PolicyDocument": allow(&["*"], &json!({}))});
    root.call("iam", "PutRolePolicy", all).await.ok();
    made["Role"]["Arn"].as_str().unwrap().to_owned()
}

/// A user with this policy.
async fn user(cloud: &Cloud, name: &str, policy: &str) -> Client {
    let root = cloud.client();
    root.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let policy = json!({"UserName": name, "PolicyName": "p", "PolicyDocument": policy});
    root.call("iam", "PutUserPolicy", policy).await.ok();
    let key = root.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| key["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

/// Who has the credentials of an answer.
fn holder(cloud: &Cloud, answer: &Json) -> Client {
    let text = |field: &str| answer["Credentials"][field].as_str().unwrap().to_owned();
    let mut credentials = Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey"));
    credentials.token = Some(text("SessionToken"));
    cloud.client_of(credentials)
}

async fn assume(client: &Client, role: &str, more: Json) -> undercast_testkit::Answer {
    let mut input = json!({"RoleArn": role, "RoleSessionName": "s1"});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call("sts", "AssumeRole", input).await
}

/// ARNs of policies that are too long together.
fn long_policies() -> Json {
    let arn = format!("arn:aws:iam::000000000000:policy/{}", "x".repeat(1_900));
    json!([{"arn": arn}, {"arn": arn}])
}

async fn may_make_queue(client: &Client, name: &str) -> bool {
    client.call("sqs", "CreateQueue", json!({"QueueName": name})).await.status == 200
}
