//! Lists come page by page, and all of them is what comes at once.

use super::*;

const POLICY: &str = "SERVICE_CONTROL_POLICY";

/// All of a list by pages of one.
async fn paged(client: &Client, operation: &str, input: &Json, member: &str) -> Vec<Json> {
    let (mut all, mut input) = (Vec::new(), input.clone());
    input["MaxResults"] = json!(1);
    loop {
        let page = call(client, operation, input.clone()).await.ok();
        let items = page[member].as_array().unwrap();
        assert!(items.len() <= 1, "{operation}: {page}");
        all.extend(items.iter().cloned());
        match page["NextToken"].as_str() {
            Some(token) => input["NextToken"] = json!(token),
            None => return all,
        }
    }
}

/// Compares both, and refuses a token that was not given.
async fn check(client: &Client, operation: &str, input: Json, member: &str, least: usize) {
    let whole = call(client, operation, input.clone()).await.ok();
    let whole = whole[member].as_array().unwrap();
    assert!(whole.len() >= least, "{operation}: {whole:?}");
    assert_eq!(&paged(client, operation, &input, member).await, whole, "{operation}");
    let mut forged = input;
    forged["NextToken"] = json!("nonsense");
    let answer = call(client, operation, forged).await;
    refused(&answer, "InvalidInputException");
    assert_eq!(answer.json["error"]["Reason"], "INVALID_NEXT_TOKEN", "{operation}: {}", answer.json);
}

#[tokio::test]
async fn what_is_in_the_tree_comes_in_pages() {
    let (cloud, client, root) = organization().await;
    let (one, _) = (account(&cloud, "one").await, account(&cloud, "two").await);
    for name in ["a", "b", "c"] {
        unit(&client, &root, name).await;
    }
    check(&client, "ListAccountsForParent", json!({"ParentId": root}), "Accounts", 3).await;
    let children = json!({"ParentId": root, "ChildType": "ORGANIZATIONAL_UNIT"});
    check(&client, "ListChildren", children, "Children", 3).await;
    check(&client, "ListOrganizationalUnitsForParent", json!({"ParentId": root}), "OrganizationalUnits", 3).await;
    check(&client, "ListParents", json!({"ChildId": one}), "Parents", 1).await;
}

#[tokio::test]
async fn policies_and_their_targets_come_in_pages() {
    let (cloud, client, root) = organization().await;
    enable(&client, &root, POLICY).await;
    let content = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let targets = [unit(&client, &root, "a").await, unit(&client, &root, "b").await, account(&cloud, "one").await];
    let mut policy = String::new();
    for name in ["first", "second"] {
        policy = attached(&client, POLICY, name, &content, &targets[0]).await;
    }
    for target in &targets[1..] {
        call(&client, "AttachPolicy", json!({"PolicyId": policy, "TargetId": target})).await.ok();
    }
    check(&client, "ListPolicies", json!({"Filter": POLICY}), "Policies", 3).await;
    let of_target = json!({"TargetId": targets[0], "Filter": POLICY});
    check(&client, "ListPoliciesForTarget", of_target, "Policies", 3).await;
    check(&client, "ListTargetsForPolicy", json!({"PolicyId": policy}), "Targets", 3).await;
}

#[tokio::test]
async fn services_that_an_account_administers_come_in_pages() {
    let (cloud, client, _) = organization().await;
    let account = account(&cloud, "audit").await;
    for service in ["config.amazonaws.com", "ssm.amazonaws.com"] {
        call(&client, "EnableAWSServiceAccess", json!({"ServicePrincipal": service})).await.ok();
        let input = json!({"AccountId": account, "ServicePrincipal": service});
        call(&client, "RegisterDelegatedAdministrator", input).await.ok();
    }
    check(&client, "ListDelegatedServicesForAccount", json!({"AccountId": account}), "DelegatedServices", 2).await;
}

#[tokio::test]
async fn tags_come_in_pages_of_their_own_size() {
    let (_cloud, client, root) = organization().await;
    let tag = |n: usize| json!({"Key": format!("key-{n:02}"), "Value": "v"});
    let tags: Vec<Json> = (0..50).map(tag).collect();
    call(&client, "TagResource", json!({"ResourceId": root, "Tags": tags})).await.ok();
    let (mut all, mut input) = (Vec::new(), json!({"ResourceId": root}));
    loop {
        let page = call(&client, "ListTagsForResource", input.clone()).await.ok();
        all.extend(page["Tags"].as_array().unwrap().iter().cloned());
        match page["NextToken"].as_str() {
            Some(token) => input["NextToken"] = json!(token),
            None => break,
        }
    }
    assert_eq!(all, tags);
    let forged = json!({"ResourceId": root, "NextToken": "nonsense"});
    refused(&call(&client, "ListTagsForResource", forged).await, "InvalidInputException");
}
