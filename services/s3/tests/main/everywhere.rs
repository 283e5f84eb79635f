//! What every operation takes, asked of every operation: whose bucket it is to be, who pays, and how the body is summed.

use std::collections::BTreeSet;

use super::*;

const OWNER: &str = "000000000000";
const OTHER: &str = "111122223333";

/// Calls in an order in which they work, and the code with which the others are refused once everything is as it must be.
fn calls() -> Vec<(&'static str, Json, &'static str)> {
    let rule = |more: Json| json!({"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": more});
    let inventory = json!({"Id": "i", "IsEnabled": false, "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"},
        "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::whole", "Format": "CSV"}}});
    let tiering = json!({"Id": "t", "Status": "Disabled", "Tierings": [{"AccessTier": "ARCHIVE_ACCESS", "Days": 90}]});
    let analysis = json!({"Id": "a", "StorageClassAnalysis": {}});
    let until = "2099-01-01T00:00:00Z";
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Principal": {"AWS": OTHER},
        "Resource": ["arn:aws:s3:::whole", "arn:aws:s3:::whole/*"]}]});
    let key = || json!({"Key": "k"});
    let upload = || json!({"Key": "u", "UploadId": "none"});
    vec![
        ("GetBucketLocation", json!({}), ""),
        ("HeadBucket", json!({}), ""),
        ("PutBucketVersioning", json!({"VersioningConfiguration": {"Status": "Enabled"}}), ""),
        ("GetBucketVersioning", json!({}), ""),
        (
            "PutBucketOwnershipControls",
            json!({"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}}),
            "",
        ),
        ("GetBucketOwnershipControls", json!({}), ""),
        ("PutBucketPolicy", json!({"Policy": policy.to_string()}), ""),
        ("PutBucketAcl", json!({"ACL": "private"}), ""),
        ("GetBucketAcl", json!({}), ""),
        (
            "PutBucketCors",
            json!({"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}}),
            "",
        ),
        ("GetBucketCors", json!({}), ""),
        ("DeleteBucketCors", json!({}), ""),
        (
            "PutBucketEncryption",
            json!({"ServerSideEncryptionConfiguration": {"Rules": [
            {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}}),
            "",
        ),
        ("GetBucketEncryption", json!({}), ""),
        ("DeleteBucketEncryption", json!({}), ""),
        ("PutBucketInventoryConfiguration", json!({"Id": "i", "InventoryConfiguration": inventory}), ""),
        ("GetBucketInventoryConfiguration", json!({"Id": "i"}), ""),
        ("ListBucketInventoryConfigurations", json!({}), ""),
        ("DeleteBucketInventoryConfiguration", json!({"Id": "i"}), ""),
        ("PutBucketMetricsConfiguration", json!({"Id": "m", "MetricsConfiguration": {"Id": "m"}}), ""),
        ("GetBucketMetricsConfiguration", json!({"Id": "m"}), ""),
        ("ListBucketMetricsConfigurations", json!({}), ""),
        ("DeleteBucketMetricsConfiguration", json!({"Id": "m"}), ""),
        ("PutBucketAnalyticsConfiguration", json!({"Id": "a", "AnalyticsConfiguration": analysis}), ""),
        ("GetBucketAnalyticsConfiguration", json!({"Id": "a"}), ""),
        ("ListBucketAnalyticsConfigurations", json!({}), ""),
        ("DeleteBucketAnalyticsConfiguration", json!({"Id": "a"}), ""),
        (
            "PutBucketIntelligentTieringConfiguration",
            json!({"Id": "t", "IntelligentTieringConfiguration": tiering}),
            "",
        ),
        ("GetBucketIntelligentTieringConfiguration", json!({"Id": "t"}), ""),
        ("ListBucketIntelligentTieringConfigurations", json!({}), ""),
        ("DeleteBucketIntelligentTieringConfiguration", json!({"Id": "t"}), ""),
        (
            "PutBucketLifecycleConfiguration",
            json!({"LifecycleConfiguration": {"Rules": [rule(json!({"Days": 900}))]}}),
            "",
        ),
        ("GetBucketLifecycleConfiguration", json!({}), ""),
        ("DeleteBucketLifecycle", json!({}), ""),
        ("PutBucketLogging", json!({"BucketLoggingStatus": {}}), ""),
        ("GetBucketLogging", json!({}), ""),
        ("PutBucketNotificationConfiguration", json!({"NotificationConfiguration": {}}), ""),
        ("GetBucketNotificationConfiguration", json!({}), ""),
        (
            "PutBucketReplication",
            json!({"ReplicationConfiguration": {"Role": "arn:aws:iam::000000000000:role/r", "Rules": [
            {"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::copies"}}]}}),
            "",
        ),
        ("GetBucketReplication", json!({}), ""),
        ("DeleteBucketReplication", json!({}), ""),
        ("PutBucketRequestPayment", json!({"RequestPaymentConfiguration": {"Payer": "Requester"}}), ""),
        ("GetBucketRequestPayment", json!({}), ""),
        ("PutBucketTagging", json!({"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}), ""),
        ("GetBucketTagging", json!({}), ""),
        ("DeleteBucketTagging", json!({}), ""),
        ("PutBucketWebsite", json!({"WebsiteConfiguration": {"IndexDocument": {"Suffix": "i"}}}), ""),
        ("GetBucketWebsite", json!({}), ""),
        ("DeleteBucketWebsite", json!({}), ""),
        ("PutBucketAccelerateConfiguration", json!({"AccelerateConfiguration": {"Status": "Suspended"}}), ""),
        ("GetBucketAccelerateConfiguration", json!({}), ""),
        ("PutBucketAbac", json!({"AbacStatus": {"Status": "Disabled"}}), ""),
        ("GetBucketAbac", json!({}), ""),
        ("PutPublicAccessBlock", json!({"PublicAccessBlockConfiguration": {"BlockPublicAcls": true}}), ""),
        ("GetPublicAccessBlock", json!({}), ""),
        ("DeletePublicAccessBlock", json!({}), ""),
        ("GetBucketPolicy", json!({}), ""),
        ("GetBucketPolicyStatus", json!({}), ""),
        ("GetObjectLockConfiguration", json!({}), ""),
        ("PutObjectLockConfiguration", json!({"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}), ""),
        ("PutObject", json!({"Key": "k", "ACL": "bucket-owner-full-control"}), ""),
        ("CopyObject", json!({"Key": "copy", "CopySource": "whole/k", "ACL": "bucket-owner-full-control"}), ""),
        ("HeadObject", key(), ""),
        ("GetObject", key(), ""),
        ("GetObjectAttributes", json!({"Key": "k", "ObjectAttributes": ["ETag"]}), ""),
        ("PutObjectAcl", json!({"Key": "k", "ACL": "private"}), ""),
        ("GetObjectAcl", key(), ""),
        ("PutObjectTagging", json!({"Key": "k", "Tagging": {"TagSet": []}}), ""),
        ("GetObjectTagging", key(), ""),
        ("DeleteObjectTagging", key(), ""),
        ("PutObjectAnnotation", json!({"Key": "k", "AnnotationName": "n", "AnnotationPayload": "eA=="}), ""),
        ("GetObjectAnnotation", json!({"Key": "k", "AnnotationName": "n"}), ""),
        ("ListObjectAnnotations", key(), ""),
        ("DeleteObjectAnnotation", json!({"Key": "k", "AnnotationName": "n"}), ""),
        ("PutObjectLegalHold", json!({"Key": "k", "LegalHold": {"Status": "OFF"}}), ""),
        ("GetObjectLegalHold", key(), ""),
        (
            "PutObjectRetention",
            json!({"Key": "copy", "Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": until}}),
            "",
        ),
        ("GetObjectRetention", json!({"Key": "copy"}), ""),
        ("RestoreObject", json!({"Key": "k", "RestoreRequest": {"Days": 1}}), "InvalidObjectState"),
        (
            "UpdateObjectEncryption",
            json!({"Key": "none", "ObjectEncryption": {"SSEKMS": {
            "KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/none"}}}),
            "NoSuchKey",
        ),
        (
            "SelectObjectContent",
            json!({"Key": "k", "Expression": "SELECT * FROM S3Object", "ExpressionType": "SQL",
            "InputSerialization": {"CSV": {}}, "OutputSerialization": {"CSV": {}}}),
            "",
        ),
        ("ListObjects", json!({}), ""),
        ("ListObjectsV2", json!({}), ""),
        ("ListObjectVersions", json!({}), ""),
        ("ListMultipartUploads", json!({}), ""),
        ("CreateMultipartUpload", json!({"Key": "u"}), ""),
        ("UploadPart", json!({"Key": "u", "UploadId": "none", "PartNumber": 1}), "NoSuchUpload"),
        (
            "UploadPartCopy",
            json!({"Key": "u", "UploadId": "none", "PartNumber": 1, "CopySource": "whole/k"}),
            "NoSuchUpload",
        ),
        ("ListParts", upload(), "NoSuchUpload"),
        (
            "CompleteMultipartUpload",
            json!({"Key": "u", "UploadId": "none", "MultipartUpload": {"Parts": [
            {"PartNumber": 1, "ETag": "0"}]}}),
            "NoSuchUpload",
        ),
        ("AbortMultipartUpload", upload(), "NoSuchUpload"),
        ("DeleteObject", json!({"Key": "none"}), ""),
        ("DeleteObjects", json!({"Delete": {"Objects": [{"Key": "none"}]}}), ""),
        ("DeleteBucketPolicy", json!({}), ""),
        ("DeleteBucketOwnershipControls", json!({}), ""),
        ("DeleteBucket", json!({}), "BucketNotEmpty"),
    ]
}

fn with(input: &Json, more: &[(&str, &str)]) -> Json {
    let mut input = input.clone();
    input["Bucket"] = "whole".into();
    for (member, value) in more {
        input[*member] = (*value).into();
    }
    input
}

/// The operations that are built and have a member.
fn having(cloud: &Cloud, member: &str) -> BTreeSet<&'static str> {
    let operations = cloud.kernel.service("s3").unwrap().api().operations.iter();
    operations.filter(|o| o.input.members.iter().any(|m| m.name == member)).map(|o| o.name).collect()
}

async fn whole(client: &Client) {
    call(client, "CreateBucket", json!({"Bucket": "whole", "ObjectLockEnabledForBucket": true})).await.ok();
    bucket(client, "copies").await;
    let versioned = json!({"Bucket": "copies", "VersioningConfiguration": {"Status": "Enabled"}});
    call(client, "PutBucketVersioning", versioned).await.ok();
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "s3.amazonaws.com"}}]});
    let role = json!({"RoleName": "r", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", role).await.ok();
}

/// What a call should have come to and did not: a success, or a refusal with this code.
fn other_than(operation: &str, answer: &Answer, code: &str) -> Option<String> {
    let found = if answer.status < 300 { "" } else { answer.code() };
    (found != code).then(|| format!("{operation}: {} {}", answer.status, answer.json))
}

#[tokio::test]
async fn a_bucket_of_somebody_else_is_refused_to_whoever_expects_another() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    whole(&client).await;
    let (guarded, summed) = (having(&cloud, "ExpectedBucketOwner"), having(&cloud, "ChecksumAlgorithm"));
    let (mut asked, mut wrong) = (BTreeSet::new(), Vec::new());
    for (operation, input, code) in calls() {
        let mut more = Vec::new();
        if guarded.contains(operation) {
            let refused = call(&client, operation, with(&input, &[("ExpectedBucketOwner", OTHER)])).await;
            wrong.extend((refused.status != 403).then(|| format!("{operation} of {OTHER}: {}", refused.status)));
            more.push(("ExpectedBucketOwner", OWNER));
            asked.insert(operation);
        }
        if summed.contains(operation) && !ALONE.contains(&operation) {
            more.push(("ChecksumAlgorithm", "SHA256"));
        }
        wrong.extend(other_than(operation, &call(&client, operation, with(&input, &more)).await, code));
    }
    wrong.extend(guarded.difference(&asked).map(|operation| format!("{operation} is not asked")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of these no checksum is demanded, so that the client sends none, and one that is announced in vain is refused.
const ALONE: [&str; 6] = [
    "PutBucketAbac",
    "PutBucketAccelerateConfiguration",
    "PutObject",
    "PutObjectAnnotation",
    "RestoreObject",
    "UploadPart",
];

#[tokio::test]
async fn whoever_asks_pays_where_that_is_said_or_is_refused() {
    let cloud = Cloud::start(services()).await;
    let (owner, other) = (cloud.client(), cloud.client_of(Credentials::new(OTHER, "x")));
    whole(&owner).await;
    let paid = having(&cloud, "RequestPayer");
    let (mut asked, mut wrong) = (BTreeSet::new(), Vec::new());
    for (operation, input, code) in calls() {
        if !paid.contains(operation) {
            if operation != "DeleteBucketPolicy" {
                wrong.extend(other_than(operation, &call(&owner, operation, with(&input, &[])).await, code));
            }
            continue;
        }
        let refused = call(&other, operation, with(&input, &[])).await;
        wrong.extend((refused.status != 403).then(|| format!("{operation} unpaid: {}", refused.status)));
        let answer = call(&other, operation, with(&input, &[("RequestPayer", "requester")])).await;
        wrong.extend(other_than(operation, &answer, code));
        asked.insert(operation);
    }
    wrong.extend(paid.difference(&asked).map(|operation| format!("{operation} is not asked")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
