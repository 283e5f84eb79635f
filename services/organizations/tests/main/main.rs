//! Organizations through a real socket: what they are, and what their policies make of the calls of their accounts.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod accounts;
mod administration;
mod control;
mod declarative;
mod everyone;
mod handshakes;
mod lists;
mod reports;
mod root_access;
mod templates;
mod transfers;
mod tree;

use std::sync::Arc;

use serde_json::{Value as Json, json};
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_organizations::Organizations;
use undercast_s3::S3;
use undercast_sqs::Sqs;
use undercast_sts::Sts;
use undercast_testkit::{Answer, Client, Cloud, Credentials};

/// The account whose organization it is.
const MANAGEMENT: &str = "000000000000";
/// One that is invited.
const OTHER: &str = "111122223333";

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(Iam), Arc::new(Organizations::default()), Arc::new(S3::default()), Arc::new(Sqs), Arc::new(Sts)]
}

async fn call(client: &Client, operation: &str, input: Json) -> Answer {
    client.call("organizations", operation, input).await
}

/// The root user of an account.
fn root_of(cloud: &Cloud, account: &str) -> Client {
    cloud.client_of(Credentials::new(account, "test"))
}

/// A cloud with an organization that has all features, and the id of its root.
async fn organization() -> (Cloud, Client, String) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    call(&client, "CreateOrganization", json!({})).await.ok();
    let roots = call(&client, "ListRoots", json!({})).await.ok();
    let root = roots["Roots"][0]["Id"].as_str().unwrap().to_owned();
    (cloud, client, root)
}

/// Makes an account, and gives its number.
async fn account(cloud: &Cloud, name: &str) -> String {
    let client = cloud.client();
    let email = format!("{name}@example.com");
    let asked = call(&client, "CreateAccount", json!({"Email": email, "AccountName": name})).await.ok();
    let id = asked["CreateAccountStatus"]["Id"].clone();
    for _ in 0..500 {
        let status = call(&client, "DescribeCreateAccountStatus", json!({"CreateAccountRequestId": id})).await.ok();
        let status = &status["CreateAccountStatus"];
        if status["State"] != "IN_PROGRESS" {
            assert_eq!(status["State"], "SUCCEEDED", "{status}");
            return status["AccountId"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the account was not made");
}

async fn unit(client: &Client, parent: &str, name: &str) -> String {
    let made = call(client, "CreateOrganizationalUnit", json!({"ParentId": parent, "Name": name})).await.ok();
    made["OrganizationalUnit"]["Id"].as_str().unwrap().to_owned()
}

/// Makes a policy, attaches it, and gives its id.
async fn attached(client: &Client, kind: &str, name: &str, content: &Json, target: &str) -> String {
    let input = json!({"Content": content.to_string(), "Description": "", "Name": name, "Type": kind});
    let made = call(client, "CreatePolicy", input).await.ok();
    let id = made["Policy"]["PolicySummary"]["Id"].as_str().unwrap().to_owned();
    call(client, "AttachPolicy", json!({"PolicyId": id, "TargetId": target})).await.ok();
    id
}

async fn enable(client: &Client, root: &str, kind: &str) {
    call(client, "EnablePolicyType", json!({"RootId": root, "PolicyType": kind})).await.ok();
}

fn refused(answer: &Answer, code: &str) {
    assert_eq!(answer.code(), code, "{}", answer.json);
}
