//! What a trail is told to use must be there, and let CloudTrail in.

use super::*;

pub(crate) const GROUP: &str = "arn:aws:logs:us-east-1:000000000000:log-group:trail:*";
pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/trail";

/// The group `trail`, and a role by which CloudTrail may write into it.
pub(crate) async fn log_role(client: &Client) {
    client.call("logs", "CreateLogGroup", json!({"logGroupName": "trail"})).await.ok();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    client
        .call("iam", "CreateRole", json!({"RoleName": "trail", "AssumeRolePolicyDocument": trust.to_string()}))
        .await
        .ok();
    let rights = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": "arn:aws:logs:us-east-1:000000000000:log-group:trail:log-stream:*"}]});
    client
        .call(
            "iam",
            "PutRolePolicy",
            json!({"RoleName": "trail", "PolicyName": "p", "PolicyDocument": rights.to_string()}),
        )
        .await
        .ok();
}

/// A key, which CloudTrail may use or not.
pub(crate) async fn key(client: &Client, open: bool) -> Json {
    let mut statements = vec![
        json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:*", "Resource": "*"}),
    ];
    if open {
        statements.push(json!({"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "kms:GenerateDataKey*", "Resource": "*",
            "Condition": {"StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": "arn:aws:cloudtrail:*:000000000000:trail/*"}}}));
    }
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    client.call("kms", "CreateKey", json!({"Policy": policy})).await.ok()["KeyMetadata"]["Arn"].clone()
}

/// What CreateTrail says to these settings. Nothing is made.
async fn said(client: &Client, more: Json) -> (String, String) {
    let mut input = json!({"Name": "all", "S3BucketName": BUCKET});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let refused = refused(client, "CreateTrail", input).await;
    assert_eq!(ok(client, "ListTrails", json!({})).await["Trails"], json!([]));
    refused
}

#[tokio::test]
async fn buckets() {
    let (_cloud, client) = cloud().await;
    let (code, message) = said(&client, json!({"S3BucketName": "none-there"})).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("S3BucketDoesNotExistException", "S3 bucket none-there does not exist!")
    );
    let (code, message) = said(&client, json!({"S3BucketName": "Not_A_Name"})).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("InvalidS3BucketNameException", "Bucket name is not valid: Not_A_Name")
    );
    // The policy is for another folder.
    let (code, message) = said(&client, json!({"S3KeyPrefix": "p"})).await;
    assert_eq!(code, "InsufficientS3BucketPolicyException");
    assert_eq!(message, "Incorrect S3 bucket policy is detected for bucket: trail-logs");
    client.call("s3", "DeleteBucketPolicy", json!({"Bucket": BUCKET})).await.ok();
    assert_eq!(said(&client, json!({})).await.0, "InsufficientS3BucketPolicyException");
    assert_eq!(said(&client, json!({"S3KeyPrefix": "p".repeat(201)})).await.0, "InvalidS3PrefixException");
}

#[tokio::test]
async fn topics() {
    let (_cloud, client) = cloud().await;
    let none = "SNS Topic does not exist or the topic policy is incorrect!";
    let said_of = async |name: &str| said(&client, json!({"SnsTopicName": name})).await;
    assert_eq!(said_of("none").await, ("InsufficientSnsTopicPolicyException".to_owned(), none.to_owned()));
    client.call("sns", "CreateTopic", json!({"Name": "closed"})).await.ok();
    assert_eq!(said_of("closed").await.0, "InsufficientSnsTopicPolicyException");
    assert_eq!(said_of("a topic").await.0, "InvalidSnsTopicNameException");
}

#[tokio::test]
async fn log_groups_and_roles() {
    let (_cloud, client) = cloud().await;
    log_role(&client).await;
    let said_of = async |group: Option<&str>, role: Option<&str>| {
        said(&client, json!({"CloudWatchLogsLogGroupArn": group, "CloudWatchLogsRoleArn": role})).await.0
    };
    let (no_group, no_role) = ("InvalidCloudWatchLogsLogGroupArnException", "InvalidCloudWatchLogsRoleArnException");
    assert_eq!(said_of(None, Some(ROLE)).await, no_group);
    assert_eq!(said_of(Some(GROUP), None).await, no_role);
    assert_eq!(said_of(Some("group"), Some(ROLE)).await, no_group);
    assert_eq!(said_of(Some(GROUP), Some("role")).await, no_role);
    assert_eq!(said_of(Some(GROUP), Some("arn:aws:iam::000000000000:role/none")).await, no_role);
    // The role's rights are for one group.
    let other = "arn:aws:logs:us-east-1:000000000000:log-group:other:*";
    client.call("logs", "CreateLogGroup", json!({"logGroupName": "other"})).await.ok();
    assert_eq!(said_of(Some(other), Some(ROLE)).await, no_group);
    client.call("logs", "DeleteLogGroup", json!({"logGroupName": "trail"})).await.ok();
    assert_eq!(said_of(Some(GROUP), Some(ROLE)).await, no_group);
}

#[tokio::test]
async fn keys_of_kms() {
    let (_cloud, client) = cloud().await;
    let said_of = async |key: &Json| said(&client, json!({"KmsKeyId": key})).await.0;
    assert_eq!(said_of(&json!("alias/none")).await, "KmsKeyNotFoundException");
    assert_eq!(said_of(&key(&client, false).await).await, "InsufficientEncryptionPolicyException");
    let disabled = key(&client, true).await;
    client.call("kms", "DisableKey", json!({"KeyId": disabled})).await.ok();
    assert_eq!(said_of(&disabled).await, "KmsKeyDisabledException");
    let signing = client.call("kms", "CreateKey", json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"})).await.ok();
    assert_eq!(said_of(&signing["KeyMetadata"]["Arn"]).await, "InvalidKmsKeyIdException");
    assert_eq!(said_of(&json!("arn:aws:kms:us-east-1:000000000000:nothing")).await, "InvalidKmsKeyIdException");
}

#[tokio::test]
async fn what_is_changed_is_tried_and_the_rest_stays() {
    let (_cloud, client) = cloud().await;
    trail(&client, json!({"TagsList": [{"Key": "team", "Value": "a"}]})).await;
    let (code, _) = refused(&client, "UpdateTrail", json!({"Name": "all", "S3KeyPrefix": "p"})).await;
    assert_eq!(code, "InsufficientS3BucketPolicyException");
    let input = json!({"Name": "all", "IsMultiRegionTrail": true, "IncludeGlobalServiceEvents": false});
    assert_eq!(refused(&client, "UpdateTrail", input).await.0, "InvalidParameterCombinationException");
    let changed =
        ok(&client, "UpdateTrail", json!({"Name": "all", "IsMultiRegionTrail": true, "EnableLogFileValidation": true}))
            .await;
    assert_eq!((&changed["IsMultiRegionTrail"], &changed["LogFileValidationEnabled"]), (&json!(true), &json!(true)));
    assert_eq!((&changed["S3BucketName"], changed.get("S3KeyPrefix")), (&json!(BUCKET), None));
    assert_eq!(ok(&client, "GetTrailStatus", json!({"Name": "all"})).await["IsLogging"], true);
    let tags = ok(&client, "ListTags", json!({"ResourceIdList": [TRAIL]})).await;
    assert_eq!(tags["ResourceTagList"][0]["TagsList"], json!([{"Key": "team", "Value": "a"}]));
}

#[tokio::test]
async fn a_region_has_five_trails() {
    let (_cloud, client) = cloud().await;
    for at in 0..5 {
        ok(
            &client,
            "CreateTrail",
            json!({"Name": format!("trail-{at}"), "S3BucketName": BUCKET, "IsMultiRegionTrail": at == 0}),
        )
        .await;
    }
    let (code, message) = refused(&client, "CreateTrail", json!({"Name": "six", "S3BucketName": BUCKET})).await;
    assert_eq!(code, "MaximumNumberOfTrailsExceededException");
    assert_eq!(message, "User: 000000000000 already has 5 trails in us-east-1.");
    // One of all regions is one of the five elsewhere.
    let there = client.in_region("eu-west-1");
    for at in 5..9 {
        ok(&there, "CreateTrail", json!({"Name": format!("trail-{at}"), "S3BucketName": BUCKET})).await;
    }
    assert_eq!(
        refused(&there, "CreateTrail", json!({"Name": "six", "S3BucketName": BUCKET})).await.0,
        "MaximumNumberOfTrailsExceededException"
    );
    assert_eq!(
        refused(&there, "CreateTrail", json!({"Name": "trail-0", "S3BucketName": BUCKET})).await.0,
        "TrailAlreadyExistsException"
    );
    assert_eq!(ok(&there, "ListTrails", json!({})).await["Trails"].as_array().unwrap().len(), 9);
}
