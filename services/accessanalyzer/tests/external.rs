//! Access from outside.

use super::*;

fn policy(principal: &Json, action: &str, resource: &str, condition: &Json) -> String {
    let statement = json!({"Sid": "s", "Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource, "Condition": condition});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

async fn queue(client: &Client, name: &str, policy: Option<&str>) -> String {
    let made = client.call("sqs", "CreateQueue", json!({"QueueName": name})).await.ok();
    let url = made["QueueUrl"].as_str().unwrap().to_owned();
    if let Some(policy) = policy {
        let input = json!({"QueueUrl": url, "Attributes": {"Policy": policy}});
        client.call("sqs", "SetQueueAttributes", input).await.ok();
    }
    url
}

#[tokio::test]
async fn every_kind_of_resource_is_looked_at() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let other = json!({"AWS": OTHER});
    queue(&client, "q", Some(&policy(&other, "sqs:SendMessage", "*", &json!({})))).await;
    client.call("iam", "CreateRole", role("r", &json!({"AWS": format!("arn:aws:iam::{OTHER}:role/x")}))).await.ok();
    client.call("iam", "CreateRole", role("own", &json!({"AWS": OWN}))).await.ok();
    client.call("iam", "CreateRole", role("service", &json!({"Service": "lambda.amazonaws.com"}))).await.ok();
    let topic =
        client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok()["TopicArn"].as_str().unwrap().to_owned();
    let open = policy(&json!("*"), "sns:Publish", &topic, &json!({}));
    client
        .call(
            "sns",
            "SetTopicAttributes",
            json!({"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": open}),
        )
        .await
        .ok();
    client.call("s3", "CreateBucket", json!({"Bucket": "shelf"})).await.ok();
    let read = policy(&other, "s3:Get*", "arn:aws:s3:::shelf/*", &json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}));
    client.call("s3", "PutBucketPolicy", json!({"Bucket": "shelf", "Policy": read})).await.ok();
    let secret = client
        .call(
            "secretsmanager",
            "CreateSecret",
            json!({"Name": "s", "SecretString": "x", "ClientRequestToken": "00000000-0000-0000-0000-000000000001"}),
        )
        .await
        .ok();
    let shared = policy(&other, "secretsmanager:GetSecretValue", "*", &json!({}));
    client.call("secretsmanager", "PutResourcePolicy", json!({"SecretId": "s", "ResourcePolicy": shared})).await.ok();
    let key =
        client.call("kms", "CreateKey", json!({})).await.ok()["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
    let grantee = format!("arn:aws:iam::{OTHER}:root");
    let grant = json!({"KeyId": key, "GranteePrincipal": grantee, "Operations": ["Decrypt"], "Constraints": {"EncryptionContextEquals": {"a": "b"}}});
    client.call("kms", "CreateGrant", grant).await.ok();
    let table = json!({"TableName": "table", "BillingMode": "PAY_PER_REQUEST", "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}]});
    client.call("dynamodb", "CreateTable", table).await.ok();
    let table = format!("arn:aws:dynamodb:us-east-1:{OWN}:table/table");
    let shared = policy(&other, "dynamodb:GetItem", &table, &json!({}));
    until("the table is there", async || {
        client.call("dynamodb", "PutResourcePolicy", json!({"ResourceArn": table, "Policy": shared})).await.status < 300
    })
    .await;
    let arn = analyzer(&client, "a", "ACCOUNT", json!(null)).await;
    assert_eq!(arn, analyzer_arn("a"));
    let found = findings(&client, &arn, json!({})).await;
    let of =
        |kind: &str| found.iter().find(|f| f["resourceType"] == kind).unwrap_or_else(|| panic!("{kind}: {found:#?}"));
    assert_eq!(found.len(), 7, "{found:#?}");
    let queue = of("AWS::SQS::Queue");
    assert_eq!((&queue["principal"], &queue["action"]), (&other, &json!(["sqs:SendMessage"])));
    assert_eq!(
        (&queue["status"], &queue["isPublic"], &queue["resourceOwnerAccount"]),
        (&json!("ACTIVE"), &json!(false), &json!(OWN))
    );
    assert_eq!(of("AWS::IAM::Role")["principal"], json!({"AWS": format!("arn:aws:iam::{OTHER}:role/x")}));
    assert_eq!(of("AWS::IAM::Role")["action"], json!(["sts:AssumeRole"]));
    assert_eq!(
        (&of("AWS::SNS::Topic")["isPublic"], &of("AWS::SNS::Topic")["principal"]),
        (&json!(true), &json!({"AWS": "*"}))
    );
    let bucket = of("AWS::S3::Bucket");
    assert_eq!(bucket["condition"], json!({"aws:SourceIp": "10.0.0.0/8"}));
    assert_eq!(bucket["sources"], json!([{"type": "POLICY"}]));
    assert!(bucket["action"].as_array().unwrap().contains(&json!("s3:GetObject")), "{bucket}");
    assert_eq!(of("AWS::SecretsManager::Secret")["resource"], secret["ARN"]);
    assert_eq!(of("AWS::KMS::Key")["condition"], json!({"kms:EncryptionContext:a": "b"}));
    assert_eq!(of("AWS::DynamoDB::Table")["action"], json!(["dynamodb:GetItem"]));
    let listed =
        ok(&client, "ListAnalyzedResources", json!({"analyzerArn": arn, "resourceType": "AWS::IAM::Role"})).await;
    assert_eq!(listed["analyzedResources"].as_array().unwrap().len(), 3, "{listed}");
}

#[tokio::test]
async fn what_changes_is_seen_and_what_is_undone_is_resolved() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let url = queue(&client, "events", None).await;
    let to_queue = policy(&json!({"Service": "events.amazonaws.com"}), "sqs:SendMessage", "*", &json!({}));
    client.call("sqs", "SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"Policy": to_queue}})).await.ok();
    let rule = json!({"Name": "r", "EventPattern": "{\"source\": [\"aws.access-analyzer\"]}"});
    client.call("events", "PutRule", rule).await.ok();
    let target = json!({"Id": "1", "Arn": format!("arn:aws:sqs:us-east-1:{OWN}:events")});
    client.call("events", "PutTargets", json!({"Rule": "r", "Targets": [target]})).await.ok();
    let arn = analyzer(&client, "a", "ACCOUNT", json!(null)).await;
    assert!(findings(&client, &arn, json!({})).await.is_empty());
    let shared = policy(&json!({"AWS": [OTHER, THIRD]}), "sqs:*", "*", &json!({}));
    let watched = queue(&client, "q", Some(&shared)).await;
    until("the change is seen", async || findings(&client, &arn, json!({})).await.len() == 2).await;
    let of = json!({"principal.AWS": {"eq": [OTHER]}});
    let first = findings(&client, &arn, of.clone()).await[0].clone();
    let id = first["id"].as_str().unwrap().to_owned();
    let shown = ok(&client, "GetFinding", json!({"analyzerArn": arn, "id": id})).await;
    assert_eq!(shown["finding"]["principal"], json!({"AWS": OTHER}));
    let second = ok(&client, "GetFindingV2", json!({"analyzerArn": arn, "id": id})).await;
    assert_eq!(second["findingDetails"][0]["externalAccessDetails"]["principal"], json!({"AWS": OTHER}));
    assert_eq!(second["findingType"], "ExternalAccess");
    let input = json!({"QueueUrl": watched, "Attributes": {"Policy": ""}});
    client.call("sqs", "SetQueueAttributes", input).await.ok();
    until("it is undone", async || findings(&client, &arn, json!({"status": {"eq": ["RESOLVED"]}})).await.len() == 2)
        .await;
    let input = json!({"QueueUrl": watched, "Attributes": {"Policy": shared}});
    client.call("sqs", "SetQueueAttributes", input).await.ok();
    until("it is so again, under its id", async || {
        findings(&client, &arn, of.clone()).await.iter().any(|f| f["id"] == id.as_str() && f["status"] == "ACTIVE")
    })
    .await;
    let mut told = Vec::new();
    for _ in 0..30 {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1});
        let got = client.call("sqs", "ReceiveMessage", input).await.ok();
        for message in got["Messages"].as_array().into_iter().flatten() {
            told.push(serde_json::from_str::<Json>(message["Body"].as_str().unwrap()).unwrap());
        }
        if told.len() >= 6 {
            break;
        }
    }
    let of_first: Vec<&Json> = told.iter().filter(|event| event["detail"]["id"] == id.as_str()).collect();
    assert_eq!(of_first.len(), 3, "{told:#?}");
    assert!(of_first.iter().all(|e| e["detail-type"] == "Access Analyzer Finding" && e["resources"] == json!([arn])));
    assert_eq!(of_first.iter().filter(|event| event["detail"]["status"] == "RESOLVED").count(), 1);
    assert_eq!(of_first[0]["detail"]["principal"], json!({"AWS": OTHER}));
    assert_eq!(of_first[0]["detail"]["isPublic"], false);
}

#[tokio::test]
async fn rules_archive_what_is_new_and_what_they_are_applied_to() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    queue(&client, "q", Some(&policy(&json!({"AWS": [OTHER, THIRD]}), "sqs:*", "*", &json!({})))).await;
    let mine = json!({"principal.AWS": {"eq": [OTHER]}, "isPublic": {"eq": ["false"]}, "resource": {"contains": [":q"], "neq": ["x"]},
        "condition.aws:SourceIp": {"exists": false}});
    let rules = json!([{"ruleName": "mine", "filter": mine}]);
    ok(&client, "CreateAnalyzer", json!({"analyzerName": "a", "type": "ACCOUNT", "archiveRules": rules})).await;
    let arn = analyzer_arn("a");
    until("both are found", async || findings(&client, &arn, json!({})).await.len() == 2).await;
    let archived = findings(&client, &arn, json!({"status": {"eq": ["ARCHIVED"]}})).await;
    assert_eq!(archived.iter().map(|f| &f["principal"]["AWS"]).collect::<Vec<_>>(), [OTHER]);
    let rest =
        json!({"analyzerName": "a", "ruleName": "rest", "filter": {"resourceType": {"eq": ["AWS::SQS::Queue"]}}});
    ok(&client, "CreateArchiveRule", rest).await;
    assert_eq!(findings(&client, &arn, json!({"status": {"eq": ["ACTIVE"]}})).await.len(), 1);
    ok(&client, "ApplyArchiveRule", json!({"analyzerArn": arn, "ruleName": "rest"})).await;
    assert!(findings(&client, &arn, json!({"status": {"eq": ["ACTIVE"]}})).await.is_empty());
    let queue_arn = format!("arn:aws:sqs:us-east-1:{OWN}:q");
    let input = json!({"analyzerArn": arn, "status": "ACTIVE", "resourceArn": queue_arn});
    ok(&client, "UpdateFindings", input).await;
    assert_eq!(findings(&client, &arn, json!({"status": {"eq": ["ACTIVE"]}})).await.len(), 2);
    let id = archived[0]["id"].clone();
    ok(&client, "UpdateFindings", json!({"analyzerArn": arn, "status": "ARCHIVED", "ids": [id]})).await;
    let statistics = ok(&client, "GetFindingsStatistics", json!({"analyzerArn": arn})).await;
    let external = &statistics["findingsStatistics"][0]["externalAccessFindingsStatistics"];
    assert_eq!((&external["totalActiveFindings"], &external["totalArchivedFindings"]), (&json!(1), &json!(1)));
    assert_eq!(external["resourceTypeStatistics"]["AWS::SQS::Queue"]["totalActiveCrossAccount"], 1);
    let resource = ok(&client, "GetAnalyzedResource", json!({"analyzerArn": arn, "resourceArn": queue_arn})).await;
    assert_eq!((&resource["resource"]["status"], &resource["resource"]["isPublic"]), (&json!("ACTIVE"), &json!(false)));
    assert!(resource["resource"]["actions"].as_array().unwrap().contains(&json!("sqs:SendMessage")));
    // What is found again stays in the archive.
    ok(
        &client,
        "StartResourceScan",
        json!({"analyzerArn": arn, "resourceArn": queue_arn, "resourceOwnerAccount": OWN}),
    )
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(findings(&client, &arn, json!({"status": {"eq": ["ARCHIVED"]}})).await.len(), 1);
    ok(&client, "DeleteAnalyzer", json!({"analyzerName": "a"})).await;
    let (code, _) = refused(&client, "ListFindings", json!({"analyzerArn": arn})).await;
    assert_eq!(code, "ResourceNotFoundException");
}

#[tokio::test]
async fn buckets_are_shared_by_acls_and_access_points_unless_that_is_blocked() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let own = async |bucket: &str| {
        client.call("s3", "CreateBucket", json!({"Bucket": bucket})).await.ok();
        client.call("s3", "DeletePublicAccessBlock", json!({"Bucket": bucket})).await.ok();
        let rules = json!({"Rules": [{"ObjectOwnership": "ObjectWriter"}]});
        client
            .call("s3", "PutBucketOwnershipControls", json!({"Bucket": bucket, "OwnershipControls": rules}))
            .await
            .ok();
    };
    own("listed").await;
    client.call("s3", "PutBucketAcl", json!({"Bucket": "listed", "ACL": "public-read"})).await.ok();
    own("open").await;
    let read = policy(&json!("*"), "s3:GetObject", "arn:aws:s3:::open/*", &json!({}));
    client.call("s3", "PutBucketPolicy", json!({"Bucket": "open", "Policy": read})).await.ok();
    own("behind").await;
    let delegated = policy(
        &json!({"AWS": "*"}),
        "*",
        "arn:aws:s3:::behind*",
        &json!({"StringEquals": {"s3:DataAccessPointAccount": OWN}}),
    );
    client.call("s3", "PutBucketPolicy", json!({"Bucket": "behind", "Policy": delegated})).await.ok();
    client
        .call("s3control", "CreateAccessPoint", json!({"AccountId": OWN, "Name": "door", "Bucket": "behind"}))
        .await
        .ok();
    let door = format!("arn:aws:s3:us-east-1:{OWN}:accesspoint/door");
    let through = policy(&json!({"AWS": OTHER}), "s3:GetObject", &format!("{door}/object/*"), &json!({}));
    client
        .call("s3control", "PutAccessPointPolicy", json!({"AccountId": OWN, "Name": "door", "Policy": through}))
        .await
        .ok();
    let arn = analyzer(&client, "a", "ACCOUNT", json!(null)).await;
    let found = findings(&client, &arn, json!({})).await;
    assert_eq!(found.len(), 3, "{found:#?}");
    let of = |bucket: &str| found.iter().find(|f| f["resource"] == format!("arn:aws:s3:::{bucket}")).unwrap();
    assert_eq!((&of("listed")["isPublic"], &of("listed")["sources"]), (&json!(true), &json!([{"type": "BUCKET_ACL"}])));
    assert_eq!((&of("open")["isPublic"], &of("open")["sources"]), (&json!(true), &json!([{"type": "POLICY"}])));
    assert_eq!(of("behind")["sources"], json!([{"type": "S3_ACCESS_POINT", "detail": {"accessPointArn": door}}]));
    assert_eq!(of("behind")["action"], json!(["s3:GetObject"]));
    let block = json!({"IgnorePublicAcls": true, "RestrictPublicBuckets": true, "BlockPublicAcls": false, "BlockPublicPolicy": false});
    let input = json!({"AccountId": OWN, "PublicAccessBlockConfiguration": block});
    client.call("s3control", "PutPublicAccessBlock", input).await.ok();
    until("what is public is blocked", async || {
        let active = findings(&client, &arn, json!({"status": {"eq": ["ACTIVE"]}})).await;
        active.len() == 1 && active[0]["resource"] == "arn:aws:s3:::behind"
    })
    .await;
}

#[tokio::test]
async fn an_organization_can_be_the_zone_of_trust() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let none = json!({"analyzerName": "o", "type": "ORGANIZATION"});
    assert_eq!(refused(&client, "CreateAnalyzer", none.clone()).await.0, "ValidationException");
    let made = client.call("organizations", "CreateOrganization", json!({"FeatureSet": "ALL"})).await.ok();
    let id = made["Organization"]["Id"].as_str().unwrap().to_owned();
    let account =
        client.call("organizations", "CreateAccount", json!({"AccountName": "m", "Email": "m@example.com"})).await.ok();
    let request = account["CreateAccountStatus"]["Id"].clone();
    let mut member = String::new();
    until("the account is there", async || {
        let input = json!({"CreateAccountRequestId": request});
        let status = client.call("organizations", "DescribeCreateAccountStatus", input).await.ok();
        status["CreateAccountStatus"]["State"] == "SUCCEEDED"
    })
    .await;
    let accounts = client.call("organizations", "ListAccounts", json!({})).await.ok();
    for one in accounts["Accounts"].as_array().unwrap() {
        if one["Id"] != OWN {
            one["Id"].as_str().unwrap().clone_into(&mut member);
        }
    }
    let theirs = cloud.client_of(undercast_testkit::Credentials::new(&member, "test"));
    queue(&theirs, "theirs", Some(&policy(&json!({"AWS": [OWN, OTHER]}), "sqs:SendMessage", "*", &json!({})))).await;
    queue(
        &client,
        "mine",
        Some(&policy(&json!("*"), "sqs:SendMessage", "*", &json!({"StringEquals": {"aws:PrincipalOrgID": id}}))),
    )
    .await;
    // A member that does not administer it may not look at the organization.
    assert_eq!(refused(&theirs, "CreateAnalyzer", none).await.0, "AccessDeniedException");
    let whole = analyzer(&client, "o", "ORGANIZATION", json!(null)).await;
    let found = findings(&client, &whole, json!({})).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["resourceOwnerAccount"], &found[0]["principal"]), (&json!(member), &json!({"AWS": OTHER})));
    let alone = analyzer(&client, "a", "ACCOUNT", json!(null)).await;
    let found = findings(&client, &alone, json!({})).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["condition"], json!({"aws:PrincipalOrgID": id}));
    assert_eq!(
        (&found[0]["isPublic"], &found[0]["resourceControlPolicyRestriction"]),
        (&json!(false), &json!("NOT_APPLICABLE"))
    );
}
