//! Service and resource control policies: what the authoriser makes of them.

use super::*;

const SCP: &str = "SERVICE_CONTROL_POLICY";
const RCP: &str = "RESOURCE_CONTROL_POLICY";

fn deny(action: &str) -> Json {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]})
}

/// Why the last call was denied: SQS itself says nothing of it.
fn told(cloud: &Cloud, because: &str) {
    let last = cloud.kernel.trail().latest(1);
    let sentence = last[0].decision.as_ref().unwrap()["sentence"].as_str().unwrap().to_owned();
    assert!(sentence.contains(because), "{sentence}");
}

async fn makes_queue(client: &Client, name: &str) -> Answer {
    client.call("sqs", "CreateQueue", json!({"QueueName": name})).await
}

#[tokio::test]
async fn a_service_control_policy_limits_even_the_root_user_of_a_member() {
    let (cloud, client, root) = organization().await;
    enable(&client, &root, SCP).await;
    let unit = unit(&client, &root, "sandbox").await;
    let account = account(&cloud, "dev").await;
    let member = root_of(&cloud, &account);
    makes_queue(&member, "a").await.ok();
    attached(&client, SCP, "no-queues", &deny("sqs:CreateQueue"), &unit).await;
    makes_queue(&member, "b").await.ok();
    let to_unit = json!({"AccountId": account, "SourceParentId": root, "DestinationParentId": unit});
    call(&client, "MoveAccount", to_unit).await.ok();
    let denied = makes_queue(&member, "c").await;
    assert_eq!(denied.status, 403);
    told(&cloud, "with an explicit deny in a service control policy");
    member.call("sqs", "ListQueues", json!({})).await.ok();
    // The management account is under none, wherever they are attached.
    attached(&client, SCP, "no-queues-at-all", &deny("sqs:*"), &root).await;
    makes_queue(&client, "d").await.ok();
    assert_eq!(member.call("sqs", "ListQueues", json!({})).await.status, 403);
    let policies = call(&client, "ListPoliciesForTarget", json!({"TargetId": root, "Filter": SCP})).await.ok();
    let id = policies["Policies"].as_array().unwrap().iter().find(|p| p["Name"] == "no-queues-at-all").unwrap()["Id"]
        .clone();
    call(&client, "DetachPolicy", json!({"PolicyId": id, "TargetId": root})).await.ok();
    member.call("sqs", "ListQueues", json!({})).await.ok();
    // Disabled, they say nothing any more.
    call(&client, "DisablePolicyType", json!({"RootId": root, "PolicyType": SCP})).await.ok();
    makes_queue(&member, "e").await.ok();
}

#[tokio::test]
async fn every_level_must_allow() {
    let (cloud, client, root) = organization().await;
    enable(&client, &root, SCP).await;
    let account = account(&cloud, "dev").await;
    let member = root_of(&cloud, &account);
    let only = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]});
    attached(&client, SCP, "queues", &only, &account).await;
    member.call("s3", "ListBuckets", json!({})).await.ok();
    let full = json!({"PolicyId": "p-FullAWSAccess", "TargetId": account});
    call(&client, "DetachPolicy", full.clone()).await.ok();
    makes_queue(&member, "a").await.ok();
    let denied = member.call("s3", "ListBuckets", json!({})).await;
    assert_eq!(denied.status, 403, "{}", denied.json);
    // A change of the policy is seen at once.
    let policies = call(&client, "ListPolicies", json!({"Filter": SCP})).await.ok();
    let id = policies["Policies"].as_array().unwrap().iter().find(|p| p["Name"] == "queues").unwrap()["Id"].clone();
    let wider = only.to_string().replace("sqs:*", "s3:*");
    call(&client, "UpdatePolicy", json!({"PolicyId": id, "Content": wider})).await.ok();
    member.call("s3", "ListBuckets", json!({})).await.ok();
    assert_eq!(makes_queue(&member, "b").await.status, 403);
    // The last one stays.
    let last = call(&client, "DetachPolicy", json!({"PolicyId": id, "TargetId": account})).await;
    refused(&last, "ConstraintViolationException");
    assert_eq!(last.json["error"]["Reason"], "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "{}", last.json);
    call(&client, "AttachPolicy", full).await.ok();
    makes_queue(&member, "b").await.ok();
}

#[tokio::test]
async fn a_resource_control_policy_keeps_strangers_out() {
    let (cloud, client, root) = organization().await;
    enable(&client, &root, RCP).await;
    let account = account(&cloud, "data").await;
    let (member, stranger) = (root_of(&cloud, &account), root_of(&cloud, "444455556666"));
    let url = makes_queue(&member, "open").await.ok()["QueueUrl"].as_str().unwrap().to_owned();
    let everybody = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*",
        "Resource": format!("arn:aws:sqs:us-east-1:{account}:open")}]});
    let attributes = json!({"QueueUrl": url, "Attributes": {"Policy": everybody.to_string()}});
    member.call("sqs", "SetQueueAttributes", attributes).await.ok();
    let send = async |who: &Client| who.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "m"})).await;
    send(&stranger).await.ok();
    let described = call(&client, "DescribeOrganization", json!({})).await.ok();
    let id = described["Organization"]["Id"].clone();
    let own = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sqs:*",
        "Resource": "*", "Condition": {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": id}}}]});
    attached(&client, RCP, "own", &own, &root).await;
    let denied = send(&stranger).await;
    assert_eq!(denied.status, 403);
    told(&cloud, "with an explicit deny in a resource control policy");
    send(&member).await.ok();
    send(&client).await.ok();
    let stays = call(&client, "DetachPolicy", json!({"PolicyId": "p-RCPFullAWSAccess", "TargetId": root})).await;
    assert_eq!(stays.json["error"]["Reason"], "NON_DETACHABLE_POLICY", "{}", stays.json);
}

#[tokio::test]
async fn policies_see_the_organization() {
    let (cloud, client, root) = organization().await;
    let unit = unit(&client, &root, "team").await;
    let account = account(&cloud, "dev").await;
    let to_unit = json!({"AccountId": account, "SourceParentId": root, "DestinationParentId": unit});
    call(&client, "MoveAccount", to_unit).await.ok();
    let described = call(&client, "DescribeOrganization", json!({})).await.ok();
    let id = described["Organization"]["Id"].as_str().unwrap();
    let url = makes_queue(&client, "shared").await.ok()["QueueUrl"].as_str().unwrap().to_owned();
    let allow = async |condition: Json| {
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*",
            "Resource": "*", "Condition": condition}]});
        let attributes = json!({"QueueUrl": url, "Attributes": {"Policy": policy.to_string()}});
        client.call("sqs", "SetQueueAttributes", attributes).await.ok();
    };
    let member = root_of(&cloud, &account);
    let sends =
        async || member.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "m"})).await.status == 200;
    for (condition, may) in [
        (json!({"StringEquals": {"aws:PrincipalOrgID": id}}), true),
        (json!({"StringEquals": {"aws:PrincipalOrgID": "o-0000000000"}}), false),
        (json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": format!("{id}/{root}/{unit}/*")}}), true),
        (json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": format!("{id}/{root}/ou-*/ou-*")}}), false),
        (json!({"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}}), true),
        (json!({"StringEquals": {"aws:PrincipalOrgMasterAccountId": MANAGEMENT}}), true),
    ] {
        allow(condition.clone()).await;
        assert_eq!(sends().await, may, "{condition}");
    }
    let stranger = root_of(&cloud, "444455556666");
    allow(json!({"StringEquals": {"aws:PrincipalOrgID": id}})).await;
    let denied = stranger.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "m"})).await;
    assert_eq!(denied.status, 403);
}
