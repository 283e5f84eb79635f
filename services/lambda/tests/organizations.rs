//! Functions and layers that an organization's accounts may use, and nobody else.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use undercast_kernel::wire::text;
use undercast_organizations::Organizations;
use undercast_testkit::{Cloud, Credentials};

use crate::setup::{create, invoke, invoke_with, package, python, role, services};

crate::tests![accounts_of_an_organization_share];

async fn accounts_of_an_organization_share() {
    let mut all = services();
    all.push(Arc::new(Organizations::default()));
    let cloud = Cloud::start(all).await;
    let client = cloud.client();
    role(&client, "function", &["logs:*"]).await;
    let made = client.call("organizations", "CreateOrganization", json!({"FeatureSet": "ALL"})).await.ok();
    let organization = made["Organization"]["Id"].clone();
    let asked = json!({"AccountName": "member", "Email": "member@example.com"});
    let asked = client.call("organizations", "CreateAccount", asked).await.ok()["CreateAccountStatus"]["Id"].clone();
    let mut account = None;
    while account.is_none() {
        let input = json!({"CreateAccountRequestId": asked});
        let told = client.call("organizations", "DescribeCreateAccountStatus", input).await.ok();
        account = told["CreateAccountStatus"]["AccountId"].as_str().map(ToOwned::to_owned);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let member = cloud.client_of(Credentials::new(&account.unwrap(), "test"));
    let stranger = cloud.client_of(Credentials::new("999999999999", "test"));
    create(&client, python("f", "def handler(e, c):\n    return 7\n")).await;
    let permission = json!({"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*", "PrincipalOrgID": organization});
    let added = client.call("lambda", "AddPermission", permission).await.ok();
    let statement: serde_json::Value = serde_json::from_str(added["Statement"].as_str().unwrap()).unwrap();
    assert_eq!(statement["Condition"], json!({"StringEquals": {"aws:PrincipalOrgID": organization}}));
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    assert_eq!(invoke(&member, arn, json!({})).await, 7);
    let denied = invoke_with(&stranger, arn, json!({}), &json!({})).await;
    assert_eq!((denied.status, denied.code()), (403, "AccessDeniedException"), "{}", denied.json);

    let content = text::base64(&package(&[("a", "x", 0o644)]));
    client.call("lambda", "PublishLayerVersion", json!({"LayerName": "l", "Content": {"ZipFile": content}})).await.ok();
    let permission = json!({"LayerName": "l", "VersionNumber": 1, "StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "*", "OrganizationId": organization});
    client.call("lambda", "AddLayerVersionPermission", permission).await.ok();
    let layer = json!({"Arn": "arn:aws:lambda:us-east-1:000000000000:layer:l:1"});
    assert_eq!(member.call("lambda", "GetLayerVersionByArn", layer.clone()).await.status, 200);
    let denied = stranger.call("lambda", "GetLayerVersionByArn", layer).await;
    assert_eq!((denied.status, denied.code()), (403, "AccessDeniedException"), "{}", denied.json);
}
