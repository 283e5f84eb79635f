//! Access previews.

use super::*;

fn shared(with: &Json) -> String {
    let statement =
        json!({"Effect": "Allow", "Principal": {"AWS": with}, "Action": "sqs:SendMessage", "Resource": "*"});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

/// Makes a preview and waits for it.
async fn preview(client: &Client, arn: &str, resource: &str, configuration: Json) -> (String, Json) {
    let input = json!({"analyzerArn": arn, "configurations": {resource: configuration}});
    let id = ok(client, "CreateAccessPreview", input).await["id"].as_str().unwrap().to_owned();
    let asked = json!({"analyzerArn": arn, "accessPreviewId": id});
    until("it is made", async || {
        ok(client, "GetAccessPreview", asked.clone()).await["accessPreview"]["status"] != "CREATING"
    })
    .await;
    let made = ok(client, "GetAccessPreview", asked).await["accessPreview"].clone();
    (id, made)
}

async fn findings_of(client: &Client, arn: &str, id: &str, filter: Json) -> Vec<Json> {
    let input = json!({"analyzerArn": arn, "accessPreviewId": id, "filter": filter});
    let mut all = ok(client, "ListAccessPreviewFindings", input).await["findings"].as_array().unwrap().clone();
    all.sort_by_key(|finding| finding["principal"].to_string());
    all
}

#[tokio::test]
async fn what_would_be_found_is_compared_with_what_is() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let queue = format!("arn:aws:sqs:us-east-1:{OWN}:q");
    let policy = shared(&json!([OTHER, THIRD]));
    client.call("sqs", "CreateQueue", json!({"QueueName": "q", "Attributes": {"Policy": policy}})).await.ok();
    let arn = analyzer(&client, "a", "ACCOUNT", json!(null)).await;
    let (id, made) =
        preview(&client, &arn, &queue, json!({"sqsQueue": {"queuePolicy": shared(&json!([OTHER, "333333333333"]))}}))
            .await;
    assert_eq!(made["status"], "COMPLETED");
    assert!(made["configurations"][&queue]["sqsQueue"]["queuePolicy"].is_string());
    let found = findings_of(&client, &arn, &id, json!({})).await;
    let told: Vec<_> = found
        .iter()
        .map(|f| {
            (f["principal"]["AWS"].as_str().unwrap(), f["changeType"].as_str().unwrap(), f["status"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [(OTHER, "UNCHANGED", "ACTIVE"), (THIRD, "CHANGED", "RESOLVED"), ("333333333333", "NEW", "ACTIVE")]
    );
    assert!(found[0]["existingFindingId"].is_string() && found[2]["existingFindingId"].is_null());
    assert_eq!(findings_of(&client, &arn, &id, json!({"changeType": {"eq": ["NEW"]}})).await.len(), 1);
    let none = preview(&client, &arn, &queue, json!({"sqsQueue": {"queuePolicy": ""}})).await.0;
    assert_eq!(findings_of(&client, &arn, &none, json!({"status": {"neq": ["RESOLVED"]}})).await.len(), 0);
    let same = preview(&client, &arn, &queue, json!({"sqsQueue": {}})).await.0;
    assert_eq!(findings_of(&client, &arn, &same, json!({"changeType": {"eq": ["UNCHANGED"]}})).await.len(), 2);
    let listed = ok(&client, "ListAccessPreviews", json!({"analyzerArn": arn, "maxResults": 2})).await;
    assert_eq!((listed["accessPreviews"].as_array().unwrap().len(), listed["nextToken"].is_string()), (2, true));
    // The queue is as it was.
    assert_eq!(findings(&client, &arn, json!({"status": {"eq": ["ACTIVE"]}})).await.len(), 2);
}

#[tokio::test]
async fn every_kind_of_resource_can_be_proposed() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("sqs", "CreateQueue", json!({"QueueName": "there"})).await.ok();
    let arn = analyzer(&client, "a", "ACCOUNT", json!(null)).await;
    let policy = |action: &str, resource: &str| {
        let statement = json!({"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": action, "Resource": resource});
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    };
    let bucket = "arn:aws:s3:::new";
    let door = format!("arn:aws:s3:us-east-1:{OWN}:accesspoint/door");
    let at = |service: &str, rest: &str| format!("arn:aws:{service}:us-east-1:{OWN}:{rest}");
    let trust = role("x", &json!({"AWS": OTHER}))["AssumeRolePolicyDocument"].clone();
    let grant = json!({"operations": ["Decrypt"], "granteePrincipal": format!("arn:aws:iam::{OTHER}:root"), "retiringPrincipal": "r",
        "constraints": {"encryptionContextEquals": {"a": "b"}, "encryptionContextSubset": {"c": "d"}}, "issuingAccount": OWN});
    let cases = [
        (at("sns", "t"), json!({"snsTopic": {"topicPolicy": policy("sns:Publish", "*")}}), 1),
        (at("sqs", "q"), json!({"sqsQueue": {"queuePolicy": policy("sqs:SendMessage", "*")}}), 1),
        (
            at("secretsmanager", "secret:s-AbCdEf"),
            json!({"secretsManagerSecret": {"secretPolicy": policy("secretsmanager:GetSecretValue", "*")}}),
            1,
        ),
        (at("dynamodb", "table/t"), json!({"dynamodbTable": {"tablePolicy": policy("dynamodb:GetItem", "*")}}), 1),
        (
            at("dynamodb", "table/t/stream/2020-01-01T00:00:00.000"),
            json!({"dynamodbStream": {"streamPolicy": policy("dynamodb:GetRecords", "*")}}),
            1,
        ),
        (format!("arn:aws:iam::{OWN}:role/r"), json!({"iamRole": {"trustPolicy": trust}}), 1),
        (
            at("kms", "key/1"),
            json!({"kmsKey": {"keyPolicies": {"default": policy("kms:Decrypt", "*")}, "grants": [grant]}}),
            2,
        ),
        (bucket.to_owned(), json!({"s3Bucket": {"bucketPolicy": policy("s3:GetObject", "arn:aws:s3:::new/*")}}), 1),
        (
            bucket.to_owned(),
            json!({"s3Bucket": {"bucketAclGrants": [
            {"permission": "READ", "grantee": {"uri": "http://acs.amazonaws.com/groups/global/AllUsers"}},
            {"permission": "WRITE", "grantee": {"id": "somebody"}}]}}),
            2,
        ),
        (
            bucket.to_owned(),
            json!({"s3Bucket": {"bucketPublicAccessBlock": {"ignorePublicAcls": true, "restrictPublicBuckets": true},
            "bucketAclGrants": [{"permission": "READ", "grantee": {"uri": "http://acs.amazonaws.com/groups/global/AllUsers"}}]}}),
            0,
        ),
        (
            bucket.to_owned(),
            json!({"s3Bucket": {"bucketPolicy": policy("s3:GetObject", "arn:aws:s3:::new/*"), "accessPoints": {door.clone():
            {"accessPointPolicy": policy("s3:GetObject", &format!("{door}/object/*")), "publicAccessBlock": {"ignorePublicAcls": false, "restrictPublicBuckets": false},
             "networkOrigin": {"vpcConfiguration": {"vpcId": "vpc-12345678"}}}}}}),
            1,
        ),
        (
            bucket.to_owned(),
            json!({"s3Bucket": {"accessPoints": {door.clone(): {"accessPointPolicy": "", "networkOrigin": {"internetConfiguration": {}}}}}}),
            0,
        ),
    ];
    for (resource, configuration, count) in cases {
        let (id, made) = preview(&client, &arn, &resource, configuration.clone()).await;
        assert_eq!(made["status"], "COMPLETED", "{configuration}");
        let found = findings_of(&client, &arn, &id, json!({})).await;
        assert_eq!(found.len(), count, "{configuration} {found:#?}");
        assert!(found.iter().all(|finding| finding["changeType"] == "NEW" && finding["resource"] == resource.as_str()));
    }
    // What cannot be so.
    let wrong = [
        (at("sqs", "q"), json!({"sqsQueue": {"queuePolicy": "{"}})),
        (at("sns", "q"), json!({"sqsQueue": {"queuePolicy": ""}})),
        (format!("arn:aws:iam::{OWN}:role/r"), json!({"iamRole": {}})),
        (at("kms", "key/1"), json!({"kmsKey": {"keyPolicies": {"other": policy("kms:Decrypt", "*")}}})),
    ];
    for (resource, configuration) in wrong {
        let (id, made) = preview(&client, &arn, &resource, configuration.clone()).await;
        assert_eq!(
            (&made["status"], &made["statusReason"]),
            (&json!("FAILED"), &json!({"code": "INVALID_CONFIGURATION"})),
            "{configuration}"
        );
        let input = json!({"analyzerArn": arn, "accessPreviewId": id});
        assert_eq!(refused(&client, "ListAccessPreviewFindings", input).await.0, "ConflictException");
    }
}

#[tokio::test]
async fn a_token_makes_one_preview() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("sqs", "CreateQueue", json!({"QueueName": "there"})).await.ok();
    let arn = analyzer(&client, "a", "ACCOUNT", json!(null)).await;
    let queue = format!("arn:aws:sqs:us-east-1:{OWN}:q");
    let input = |policy: &str| json!({"analyzerArn": arn, "clientToken": "t", "configurations": {&queue: {"sqsQueue": {"queuePolicy": policy}}}});
    let first = ok(&client, "CreateAccessPreview", input("")).await;
    assert_eq!(ok(&client, "CreateAccessPreview", input("")).await, first);
    assert_eq!(refused(&client, "CreateAccessPreview", input("{}")).await.0, "ConflictException");
    let unused = json!({"analyzerName": "u", "type": "ACCOUNT_UNUSED_ACCESS"});
    let unused = ok(&client, "CreateAnalyzer", unused).await["arn"].clone();
    let mut wrong = input("");
    wrong["analyzerArn"] = unused;
    wrong["clientToken"] = json!("u");
    assert_eq!(refused(&client, "CreateAccessPreview", wrong).await.0, "ValidationException");
}
