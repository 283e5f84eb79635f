//! Lists come page by page.

use super::*;

/// The entries of a list, asked for one at a time.
async fn one_by_one(client: &Client, operation: &str, input: &Json, list: &str) -> Vec<Json> {
    let (mut all, mut asked) = (Vec::new(), input.clone());
    asked["maxResults"] = json!(1);
    loop {
        let page = ok(client, operation, asked.clone()).await;
        let entries = page[list].as_array().unwrap();
        assert_eq!(entries.len(), 1, "{operation}");
        all.extend(entries.iter().cloned());
        if page["nextToken"].is_null() {
            return all;
        }
        asked["nextToken"] = page["nextToken"].clone();
    }
}

/// A list is the same in one and in many pages; a token is of the list that gave it only.
async fn comes_by_pages(client: &Client, operation: &str, input: Json, list: &str, count: usize) {
    let whole = ok(client, operation, input.clone()).await[list].as_array().unwrap().clone();
    assert_eq!(whole.len(), count, "{operation}: {whole:#?}");
    assert_eq!(one_by_one(client, operation, &input, list).await, whole, "{operation}");
    for wrong in [json!({"nextToken": "x"}), json!({"maxResults": 0}), json!({"maxResults": 1001})] {
        let mut input = input.clone();
        input.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        assert_eq!(refused(client, operation, input).await.0, "ValidationException", "{operation} {wrong}");
    }
}

/// Queues that others may send to.
async fn shared(client: &Client) {
    let statement =
        json!({"Effect": "Allow", "Principal": {"AWS": [OTHER, THIRD]}, "Action": "sqs:SendMessage", "Resource": "*"});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    for name in ["one", "two"] {
        client.call("sqs", "CreateQueue", json!({"QueueName": name, "Attributes": {"Policy": policy}})).await.ok();
    }
}

#[tokio::test]
async fn what_is_found_comes_by_pages() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    shared(&client).await;
    let arn = analyzer(&client, "a", "ACCOUNT", json!(null)).await;
    comes_by_pages(&client, "ListFindings", json!({"analyzerArn": arn}), "findings", 4).await;
    comes_by_pages(&client, "ListFindingsV2", json!({"analyzerArn": arn}), "findings", 4).await;
    comes_by_pages(&client, "ListAnalyzedResources", json!({"analyzerArn": arn}), "analyzedResources", 2).await;
    let one = findings(&client, &arn, json!({})).await[0].clone();
    let other = ok(&client, "ListFindingsV2", json!({"analyzerArn": arn, "maxResults": 1})).await["nextToken"].clone();
    let elsewhere = json!({"analyzerArn": arn, "nextToken": other});
    assert_eq!(refused(&client, "ListFindings", elsewhere).await.0, "ValidationException");
    let archive = json!({"analyzerArn": arn, "ids": [one["id"]], "status": "ARCHIVED", "clientToken": "t"});
    ok(&client, "UpdateFindings", archive.clone()).await;
    ok(&client, "UpdateFindings", json!({"analyzerArn": arn, "ids": [one["id"]], "status": "ACTIVE"})).await;
    // The same call again is the call that was made.
    ok(&client, "UpdateFindings", archive).await;
    let now = ok(&client, "GetFinding", json!({"analyzerArn": arn, "id": one["id"]})).await;
    assert_eq!(now["finding"]["status"], "ACTIVE");
}

#[tokio::test]
async fn previews_come_by_pages() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    shared(&client).await;
    let arn = analyzer(&client, "a", "ACCOUNT", json!(null)).await;
    let mut last = json!(null);
    for name in ["one", "two", "one"] {
        let queue = format!("arn:aws:sqs:us-east-1:{OWN}:{name}");
        let input = json!({"analyzerArn": arn, "configurations": {queue: {"sqsQueue": {}}}});
        last = ok(&client, "CreateAccessPreview", input).await["id"].clone();
    }
    let asked = json!({"analyzerArn": arn, "accessPreviewId": last});
    until("it is made", async || {
        ok(&client, "GetAccessPreview", asked.clone()).await["accessPreview"]["status"] == "COMPLETED"
    })
    .await;
    comes_by_pages(&client, "ListAccessPreviews", json!({"analyzerArn": arn}), "accessPreviews", 3).await;
    comes_by_pages(&client, "ListAccessPreviewFindings", asked, "findings", 2).await;
}

#[tokio::test]
async fn what_is_not_used_and_what_is_made_of_it_comes_by_pages() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let statement = json!({"Effect": "Allow", "Action": ["sqs:*", "sns:*"], "Resource": "*"});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    client.call("iam", "CreateRole", role("idle", &json!({"AWS": OWN}))).await.ok();
    client.call("iam", "CreateUser", json!({"UserName": "u"})).await.ok();
    let put = json!({"UserName": "u", "PolicyName": "p", "PolicyDocument": policy});
    client.call("iam", "PutUserPolicy", put).await.ok();
    let input = json!({"analyzerName": "u", "type": "ACCOUNT_UNUSED_ACCESS"});
    let arn = ok(&client, "CreateAnalyzer", input).await["arn"].clone();
    cloud.kernel.advance(Duration::from_secs(91 * 86_400)).await.unwrap();
    let wanted = json!({"analyzerArn": arn, "filter": {"findingType": {"eq": ["UnusedPermission"]}}});
    let found = ok(&client, "ListFindingsV2", wanted).await["findings"].as_array().unwrap().clone();
    let id = found.iter().find(|f| f["resource"].as_str().unwrap().ends_with("user/u")).unwrap()["id"].clone();
    comes_by_pages(&client, "GetFindingV2", json!({"analyzerArn": arn, "id": id}), "findingDetails", 2).await;
    for principal in ["user/u", "role/idle"] {
        let principal = format!("arn:aws:iam::{OWN}:{principal}");
        let details = json!({"policyGenerationDetails": {"principalArn": principal}});
        let job = ok(&client, "StartPolicyGeneration", details).await["jobId"].clone();
        ok(&client, "CancelPolicyGeneration", json!({"jobId": job})).await;
    }
    comes_by_pages(&client, "ListPolicyGenerations", json!({}), "policyGenerations", 2).await;
}
