//! Batch jobs of S3 Control, from their list to their report.

use std::sync::Arc;
use std::time::Duration;

use md5::{Digest as _, Md5};
use serde_json::{Value as Json, json};
use undercast_kernel::store::{Blobs, Database, Memory};
use undercast_kernel::{AuthMode, Cx, IamMode, Kernel, Random, Service, Settings, Task};
use undercast_s3::{S3, S3Control};
use undercast_testkit::{Client, Cloud, Folder};
use undercast_wire::{Bytes, text};

use super::control::{ME, control};
use super::{bucket, call, put, services};

const ROLE: &str = "arn:aws:iam::000000000000:role/batch";

/// A role that Batch Operations may assume and that may do these things.
async fn role(client: &Client, actions: &[&str]) {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "batchoperations.s3.amazonaws.com"}}]});
    let input = json!({"RoleName": "batch", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", input).await.ok();
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    let input = json!({"RoleName": "batch", "PolicyName": "own", "PolicyDocument": policy.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
}

/// A list of objects as a manifest.
async fn list(client: &Client, bucket: &str, lines: &str) -> Json {
    let tag = put(client, bucket, "list.csv", lines.as_bytes()).await["ETag"].clone();
    json!({"Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]},
        "Location": {"ObjectArn": format!("arn:aws:s3:::{bucket}/list.csv"), "ETag": tag}})
}

fn report(scope: &str) -> Json {
    json!({"Enabled": true, "Bucket": "arn:aws:s3:::reports", "Prefix": "batch", "Format": "Report_CSV_20180820", "ReportScope": scope})
}

/// Makes a job and returns its id.
async fn job(client: &Client, operation: &Json, more: Json) -> String {
    let mut input = json!({"Operation": operation, "Priority": 1, "RoleArn": ROLE, "Report": {"Enabled": false},
        "ClientRequestToken": operation.to_string().len().to_string() + &more.to_string().chars().take(40).collect::<String>()});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    control(client, "CreateJob", input).await.ok()["JobId"].as_str().unwrap().to_owned()
}

async fn described(client: &Client, id: &str) -> Json {
    control(client, "DescribeJob", json!({"JobId": id})).await.ok()["Job"].clone()
}

/// Waits until a job is in a status.
async fn until(client: &Client, id: &str, status: &str) -> Json {
    for _ in 0..600 {
        let job = described(client, id).await;
        if job["Status"] == status {
            return job;
        }
        let ended = ["Complete", "Failed", "Cancelled"].contains(&job["Status"].as_str().unwrap());
        assert!(!ended, "{status} was wanted of {job}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the job does not become {status}: {}", described(client, id).await);
}

async fn text_of(client: &Client, bucket: &str, key: &str) -> String {
    let (answer, body) = super::get(client, json!({"Bucket": bucket, "Key": key})).await;
    assert_eq!(answer.status, 200, "{key}: {}", answer.json);
    String::from_utf8(body).unwrap()
}

/// The manifest of a job's report, and its lines by what became of them.
async fn reported(client: &Client, id: &str) -> (Json, Vec<(String, String)>) {
    let manifest = text_of(client, "reports", &format!("batch/job-{id}/manifest.json")).await;
    let sum = text_of(client, "reports", &format!("batch/job-{id}/manifest.json.md5")).await;
    assert_eq!(sum, text::hex_encode(&Md5::digest(manifest.as_bytes())));
    let manifest: Json = serde_json::from_str(&manifest).unwrap();
    let mut lines = Vec::new();
    for result in manifest["Results"].as_array().unwrap() {
        assert_eq!(result["Bucket"], "reports");
        let file = text_of(client, "reports", result["Key"].as_str().unwrap()).await;
        assert_eq!(result["MD5Checksum"], text::hex_encode(&Md5::digest(file.as_bytes())));
        let status = result["TaskExecutionStatus"].as_str().unwrap();
        lines.extend(file.lines().map(|l| (status.to_owned(), l.to_owned())));
    }
    (manifest, lines)
}

async fn tags(client: &Client, bucket: &str, key: &str) -> Json {
    call(client, "GetObjectTagging", json!({"Bucket": bucket, "Key": key})).await.ok()["TagSet"].clone()
}

#[tokio::test]
async fn a_job_waits_for_its_confirmation_works_and_reports() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, &["s3:*"]).await;
    bucket(&client, "data").await;
    bucket(&client, "reports").await;
    put(&client, "data", "a b", b"x").await;
    put(&client, "data", "c", b"x").await;
    let manifest = list(&client, "data", "data,a%20b\ndata,c\ndata,gone\n").await;
    let operation = json!({"S3PutObjectTagging": {"TagSet": [{"Key": "done", "Value": "yes"}]}});
    let id = job(
        &client,
        &operation,
        json!({"Manifest": manifest, "Report": report("AllTasks"), "ConfirmationRequired": true, "Description": "tags"}),
    )
    .await;
    let waiting = until(&client, &id, "Suspended").await;
    assert_eq!(waiting["ProgressSummary"]["TotalNumberOfTasks"], 3);
    assert_eq!(waiting["SuspendedCause"], "AWAITING_CONFIRMATION");
    assert_eq!(tags(&client, "data", "c").await, json!([]));
    let priority = control(&client, "UpdateJobPriority", json!({"JobId": id, "Priority": 9})).await.ok();
    assert_eq!(priority, json!({"JobId": id, "Priority": 9}));
    let input = json!({"JobId": id, "RequestedJobStatus": "Ready", "StatusUpdateReason": "looks fine"});
    assert_eq!(control(&client, "UpdateJobStatus", input.clone()).await.ok()["Status"], "Ready");
    let done = until(&client, &id, "Complete").await;
    let summary = &done["ProgressSummary"];
    assert_eq!((&summary["NumberOfTasksSucceeded"], &summary["NumberOfTasksFailed"]), (&json!(2), &json!(1)));
    assert_eq!((&done["StatusUpdateReason"], &done["Priority"]), (&json!("looks fine"), &json!(9)));
    assert!(done["TerminationDate"].is_number() && done["FailureReasons"].is_null(), "{done}");
    for key in ["a b", "c"] {
        assert_eq!(tags(&client, "data", key).await, json!([{"Key": "done", "Value": "yes"}]));
    }
    let (manifest, lines) = reported(&client, &id).await;
    assert_eq!(manifest["Format"], "Report_CSV_20180820");
    let line = |status: &str, line: &str| (status.to_owned(), line.to_owned());
    assert_eq!(
        lines,
        [
            line("succeeded", "data,a%20b,,succeeded,200,,Successful"),
            line("succeeded", "data,c,,succeeded,200,,Successful"),
            line("failed", "data,gone,,failed,404,NoSuchKey,The specified key does not exist."),
        ]
    );
    // It is over.
    let over = control(&client, "UpdateJobStatus", input).await;
    assert_eq!((over.status, over.code()), (400, "JobStatusException"));
    let over = control(&client, "UpdateJobPriority", json!({"JobId": id, "Priority": 1})).await;
    assert_eq!(over.code(), "BadRequestException");
    let listed = control(&client, "ListJobs", json!({"JobStatuses": ["Complete"]})).await.ok();
    assert_eq!(listed["Jobs"][0]["JobId"], json!(id));
    assert_eq!(listed["Jobs"][0]["ProgressSummary"]["TotalNumberOfTasks"], 3);
    // After ninety days nobody knows of it.
    cloud.kernel.advance(Duration::from_secs(90 * 24 * 3600 + 60)).await.unwrap();
    assert_eq!(control(&client, "DescribeJob", json!({"JobId": id})).await.code(), "NotFoundException");
}

#[tokio::test]
async fn the_role_decides_what_a_job_may_do() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "data").await;
    bucket(&client, "reports").await;
    put(&client, "data", "k", b"x").await;
    let manifest = list(&client, "data", "data,k\n").await;
    let operation = json!({"S3DeleteObjectTagging": {}});
    let id = job(&client, &operation, json!({"Manifest": manifest, "ClientRequestToken": "no role"})).await;
    let failed = until(&client, &id, "Failed").await;
    assert_eq!(failed["FailureReasons"][0]["FailureCode"], "InvalidRole");
    role(&client, &["s3:GetObject", "s3:PutObject"]).await;
    let more = json!({"Manifest": manifest, "Report": report("FailedTasksOnly"), "ClientRequestToken": "no right"});
    let id = job(&client, &operation, more).await;
    let done = until(&client, &id, "Complete").await;
    assert_eq!(done["ProgressSummary"]["NumberOfTasksFailed"], 1);
    let (_, lines) = reported(&client, &id).await;
    assert!(lines[0].1.starts_with("data,k,,failed,403,AccessDenied,"), "{lines:?}");
    // A list that changed since is not the one that was meant.
    let mut changed = manifest.clone();
    changed["Location"]["ETag"] = json!("0123");
    let id = job(&client, &operation, json!({"Manifest": changed, "ClientRequestToken": "changed"})).await;
    let failed = until(&client, &id, "Failed").await;
    let reason = failed["FailureReasons"][0]["FailureReason"].as_str().unwrap();
    assert!(reason.contains("ETag mismatch. Expected ETag: 0123."), "{reason}");
    assert_eq!(failed["FailureReasons"][0]["FailureCode"], "InvalidManifestContent");
}

#[tokio::test]
async fn copies_are_made_of_what_a_generator_finds() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, &["s3:*"]).await;
    for name in ["from", "target", "reports"] {
        bucket(&client, name).await;
    }
    for key in ["logs/1.txt", "logs/2.txt", "logs/3.bin", "other.txt"] {
        put(&client, "from", key, key.as_bytes()).await;
    }
    let generator = json!({"S3JobManifestGenerator": {"SourceBucket": "arn:aws:s3:::from", "ExpectedBucketOwner": ME, "EnableManifestOutput": true,
        "ManifestOutputLocation": {"Bucket": "arn:aws:s3:::reports", "ManifestPrefix": "lists", "ManifestFormat": "S3InventoryReport_CSV_20211130"},
        "Filter": {"KeyNameConstraint": {"MatchAnyPrefix": ["logs/"], "MatchAnySuffix": [".txt"]}}}});
    let operation = json!({"S3PutObjectCopy": {"TargetResource": "arn:aws:s3:::target", "TargetKeyPrefix": "in", "StorageClass": "STANDARD_IA",
        "MetadataDirective": "REPLACE", "NewObjectMetadata": {"ContentType": "text/x", "UserMetadata": {"a": "b"}},
        "NewObjectTagging": [{"Key": "copied", "Value": "yes"}]}});
    let annotation = json!({"Bucket": "from", "Key": "logs/1.txt", "AnnotationName": "n", "AnnotationPayload": "eA=="});
    call(&client, "PutObjectAnnotation", annotation).await.ok();
    let mut without = operation.clone();
    without["S3PutObjectCopy"]["AnnotationDirective"] = json!("EXCLUDE");
    without["S3PutObjectCopy"]["TargetResource"] = json!("arn:aws:s3:::bare");
    bucket(&client, "bare").await;
    let id = job(&client, &without, json!({"ManifestGenerator": generator, "ClientRequestToken": "bare"})).await;
    until(&client, &id, "Complete").await;
    let id = job(&client, &operation, json!({"ManifestGenerator": generator})).await;
    let done = until(&client, &id, "Complete").await;
    assert_eq!(done["ProgressSummary"]["NumberOfTasksSucceeded"], 2);
    let there = call(&client, "ListObjectsV2", json!({"Bucket": "target"})).await.ok();
    let keys: Vec<&str> = there["Contents"].as_array().unwrap().iter().filter_map(|o| o["Key"].as_str()).collect();
    assert_eq!(keys, ["in/logs/1.txt", "in/logs/2.txt"]);
    let head = call(&client, "HeadObject", json!({"Bucket": "target", "Key": "in/logs/1.txt"})).await.ok();
    assert_eq!(
        (&head["ContentType"], &head["StorageClass"], &head["Metadata"]["a"]),
        (&json!("text/x"), &json!("STANDARD_IA"), &json!("b"))
    );
    assert_eq!(tags(&client, "target", "in/logs/2.txt").await, json!([{"Key": "copied", "Value": "yes"}]));
    for (name, count) in [("target", 1), ("bare", 0)] {
        let found = call(&client, "ListObjectAnnotations", json!({"Bucket": name, "Key": "in/logs/1.txt"})).await.ok();
        assert_eq!(found["AnnotationCount"], count, "{name}");
    }
    // The list that was made is one that another job can work on.
    let location = done["GeneratedManifestDescriptor"]["Location"].clone();
    assert_eq!(location["ObjectArn"], format!("arn:aws:s3:::reports/lists/job-{id}/manifest.json"));
    let inventory = json!({"Spec": {"Format": "S3InventoryReport_CSV_20161130"}, "Location": location});
    let operation = json!({"S3PutObjectTagging": {"TagSet": [{"Key": "again", "Value": ""}]}});
    let id = job(&client, &operation, json!({"Manifest": inventory})).await;
    assert_eq!(until(&client, &id, "Complete").await["ProgressSummary"]["NumberOfTasksSucceeded"], 2);
    assert_eq!(tags(&client, "from", "logs/1.txt").await, json!([{"Key": "again", "Value": ""}]));
    // Nothing to do is a failure.
    let none = json!({"S3JobManifestGenerator": {"SourceBucket": "arn:aws:s3:::from", "EnableManifestOutput": false,
        "Filter": {"ObjectSizeGreaterThanBytes": 1000}}});
    let id = job(&client, &operation, json!({"ManifestGenerator": none})).await;
    assert_eq!(until(&client, &id, "Failed").await["FailureReasons"][0]["FailureCode"], "EmptyManifest");
}

#[tokio::test]
async fn what_s3_refuses_fails_its_tasks_with_the_true_error() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, &["s3:*"]).await;
    bucket(&client, "data").await;
    bucket(&client, "reports").await;
    put(&client, "data", "k", b"x").await;
    let manifest = list(&client, "data", "data,k\n").await;
    let s3 = S3::default();
    for (operation, called) in [
        (json!({"S3PutObjectAcl": {"AccessControlPolicy": {"CannedAccessControlList": "private"}}}), "PutObjectAcl"),
        (json!({"S3PutObjectLegalHold": {"LegalHold": {"Status": "ON"}}}), "PutObjectLegalHold"),
        (
            json!({"S3PutObjectRetention": {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": "2099-01-01T00:00:00Z"}}}),
            "PutObjectRetention",
        ),
        (json!({"S3InitiateRestoreObject": {"ExpirationInDays": 1, "GlacierJobTier": "STANDARD"}}), "RestoreObject"),
    ] {
        let id = job(&client, &operation, json!({"Manifest": manifest, "Report": report("AllTasks")})).await;
        until(&client, &id, "Complete").await;
        let (_, lines) = reported(&client, &id).await;
        let line = &lines[0].1;
        if s3.api().operations.iter().any(|o| o.name == called) {
            assert!(!line.contains("NotImplemented"), "{line}");
        } else {
            assert!(
                line.contains(&format!("failed,501,NotImplemented,Undercast has not built this: s3.{called}")),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn a_job_can_be_cancelled() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, &["s3:*"]).await;
    bucket(&client, "data").await;
    let manifest = list(&client, "data", "data,k\n").await;
    let more = json!({"Manifest": manifest, "ConfirmationRequired": true});
    let id = job(&client, &json!({"S3DeleteObjectTagging": {}}), more).await;
    until(&client, &id, "Suspended").await;
    let input = json!({"JobId": id, "RequestedJobStatus": "Cancelled"});
    assert_eq!(control(&client, "UpdateJobStatus", input).await.ok()["Status"], "Cancelling");
    let ended = until(&client, &id, "Cancelled").await;
    assert_eq!(ended["ProgressSummary"]["NumberOfTasksSucceeded"], 0);
}

#[tokio::test]
async fn a_job_fails_when_more_than_half_of_a_thousand_fail() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, &["s3:*"]).await;
    bucket(&client, "data").await;
    let lines: String = (0..1500).map(|n| format!("data,gone{n}\n")).collect();
    let manifest = list(&client, "data", &lines).await;
    let id = job(&client, &json!({"S3DeleteObjectTagging": {}}), json!({"Manifest": manifest})).await;
    let failed = until(&client, &id, "Failed").await;
    assert_eq!(failed["ProgressSummary"]["NumberOfTasksFailed"], 1000);
    assert_eq!(failed["FailureReasons"][0]["FailureCode"], "JobFailureThresholdExceeded");
}

#[tokio::test]
async fn the_higher_priority_goes_first() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, &["s3:*"]).await;
    bucket(&client, "data").await;
    put(&client, "data", "high", b"x").await;
    put(&client, "data", "low", b"x").await;
    let many = "data,high\n".repeat(150);
    let mut ids = Vec::new();
    for (name, lines, priority) in [("high", many.as_str(), 5), ("low", "data,low\n", 1)] {
        let manifest = list(&client, "data", lines).await;
        let more = json!({"Manifest": manifest, "Priority": priority, "ConfirmationRequired": true, "ClientRequestToken": name});
        let id = job(&client, &json!({"S3DeleteObjectTagging": {}}), more).await;
        until(&client, &id, "Suspended").await;
        ids.push(id);
    }
    let mut calls = cloud.kernel.trail().follow();
    for id in &ids {
        control(&client, "UpdateJobStatus", json!({"JobId": id, "RequestedJobStatus": "Ready"})).await.ok();
    }
    for id in &ids {
        until(&client, id, "Complete").await;
    }
    let mut keys = Vec::new();
    loop {
        let record = match calls.try_recv() {
            Ok(record) => record,
            Err(tokio::sync::broadcast::error::TryRecvError::Lagged(_)) => continue,
            Err(_) => break,
        };
        if record.operation == "DeleteObjectTagging" {
            keys.push(record.parameters.unwrap()["Key"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(keys.iter().position(|k| k == "low"), Some(keys.len() - 1), "{keys:?}");
}

/// A role that S3 may assume to replicate.
async fn replicating(client: &Client) {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "s3.amazonaws.com"}}]});
    let input = json!({"RoleName": "replicate", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", input).await.ok();
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
    let input = json!({"RoleName": "replicate", "PolicyName": "own", "PolicyDocument": policy.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
}

#[tokio::test]
async fn what_was_there_before_the_rule_is_replicated_by_a_job() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, &["s3:ListBucketVersions", "s3:PutObject", "s3:InitiateReplication"]).await;
    replicating(&client).await;
    bucket(&client, "reports").await;
    for name in ["source", "target"] {
        bucket(&client, name).await;
        let on = json!({"Bucket": name, "VersioningConfiguration": {"Status": "Enabled"}});
        call(&client, "PutBucketVersioning", on).await.ok();
    }
    let first = put(&client, "source", "docs/1", b"first").await["VersionId"].clone();
    put(&client, "source", "docs/1", b"second").await;
    put(&client, "source", "other", b"x").await;
    let rule = json!({"ID": "docs", "Priority": 1, "Status": "Enabled", "Filter": {"Prefix": "docs/"},
        "DeleteMarkerReplication": {"Status": "Disabled"}, "Destination": {"Bucket": "arn:aws:s3:::target"}});
    let input = json!({"Bucket": "source", "ReplicationConfiguration": {"Role": format!("arn:aws:iam::{ME}:role/replicate"), "Rules": [rule]}});
    call(&client, "PutBucketReplication", input).await.ok();
    let annotation = json!({"Bucket": "source", "Key": "docs/1", "AnnotationName": "n", "AnnotationPayload": "eA=="});
    call(&client, "PutObjectAnnotation", annotation).await.ok();
    let generator = |filter: Json| json!({"S3JobManifestGenerator": {"SourceBucket": "arn:aws:s3:::source", "EnableManifestOutput": false, "Filter": filter}});
    let operation = json!({"S3ReplicateObject": {}});
    let eligible = json!({"EligibleForReplication": true, "ObjectReplicationStatuses": ["NONE", "FAILED"]});
    let more = json!({"ManifestGenerator": generator(eligible.clone()), "Report": report("AllTasks"), "ClientRequestToken": "eligible"});
    let id = job(&client, &operation, more).await;
    let done = until(&client, &id, "Complete").await;
    let (_, lines) = reported(&client, &id).await;
    assert_eq!(done["ProgressSummary"]["NumberOfTasksSucceeded"], 2, "{lines:?}");
    assert!(lines.iter().any(|(_, l)| l.contains(first.as_str().unwrap())), "{lines:?}");
    let replica =
        call(&client, "HeadObject", json!({"Bucket": "target", "Key": "docs/1", "VersionId": first})).await.ok();
    assert_eq!(replica["ReplicationStatus"], "REPLICA");
    assert_eq!(text_of(&client, "target", "docs/1").await, "second");
    let source = call(&client, "HeadObject", json!({"Bucket": "source", "Key": "docs/1"})).await.ok();
    assert_eq!(source["ReplicationStatus"], "COMPLETED");
    // Annotations go with their versions.
    for (name, status) in [("source", "COMPLETED"), ("target", "REPLICA")] {
        let input = json!({"Bucket": name, "Key": "docs/1", "AnnotationName": "n"});
        let found = call(&client, "GetObjectAnnotation", input).await;
        assert_eq!(
            (found.body.as_ref(), found.headers["x-amz-replication-status"].to_str().unwrap()),
            (&b"x"[..], status)
        );
    }
    // Now nothing is left to replicate.
    let more = json!({"ManifestGenerator": generator(eligible), "ClientRequestToken": "again"});
    let id = job(&client, &operation, more).await;
    assert_eq!(until(&client, &id, "Failed").await["FailureReasons"][0]["FailureCode"], "EmptyManifest");
    // What no rule is about is told.
    let all = json!({"ManifestGenerator": generator(json!({})), "Report": report("FailedTasksOnly"), "ClientRequestToken": "all"});
    let id = job(&client, &operation, all).await;
    until(&client, &id, "Complete").await;
    let (_, lines) = reported(&client, &id).await;
    assert!(lines.len() == 1 && lines[0].1.starts_with("source,other,"), "{lines:?}");
    assert!(lines[0].1.contains("SrcObjectNotEligible"), "{lines:?}");
}

#[tokio::test]
async fn a_job_works_on_what_an_inventory_lists() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, &["s3:GetObject", "s3:PutObjectTagging"]).await;
    bucket(&client, "stock").await;
    bucket(&client, "lists").await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "s3:PutObject", "Resource": "arn:aws:s3:::lists/*"}]});
    call(&client, "PutBucketPolicy", json!({"Bucket": "lists", "Policy": policy.to_string()})).await.ok();
    for key in ["a b", "c+d"] {
        put(&client, "stock", key, b"x").await;
    }
    for (id, format) in [("all", "CSV"), ("columns", "Parquet")] {
        let configuration = json!({"Id": id, "IsEnabled": true, "IncludedObjectVersions": "Current", "Schedule": {"Frequency": "Daily"},
            "OptionalFields": ["Size"], "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::lists", "Format": format}}});
        let input = json!({"Bucket": "stock", "Id": id, "InventoryConfiguration": configuration});
        call(&client, "PutBucketInventoryConfiguration", input).await.ok();
    }
    cloud.kernel.advance(Duration::from_secs(24 * 3600)).await.unwrap();
    let page = call(&client, "ListObjectsV2", json!({"Bucket": "lists"})).await.ok();
    let inventory = |id: &str| {
        let is_its = |key: &str| key.starts_with(&format!("stock/{id}/")) && key.ends_with("/manifest.json");
        let manifest =
            page["Contents"].as_array().unwrap().iter().find(|o| is_its(o["Key"].as_str().unwrap())).unwrap();
        let arn = format!("arn:aws:s3:::lists/{}", manifest["Key"].as_str().unwrap());
        let location = json!({"ObjectArn": arn, "ETag": manifest["ETag"]});
        json!({"Spec": {"Format": "S3InventoryReport_CSV_20161130"}, "Location": location})
    };
    let operation = json!({"S3PutObjectTagging": {"TagSet": [{"Key": "seen", "Value": ""}]}});
    let id = job(&client, &operation, json!({"Manifest": inventory("all")})).await;
    assert_eq!(until(&client, &id, "Complete").await["ProgressSummary"]["NumberOfTasksSucceeded"], 2);
    for key in ["a b", "c+d"] {
        assert_eq!(tags(&client, "stock", key).await, json!([{"Key": "seen", "Value": ""}]));
    }
    // Jobs read lists in CSV only: the model has no other format of manifests.
    let more = json!({"Manifest": inventory("columns"), "ClientRequestToken": "columns"});
    let id = job(&client, &operation, more).await;
    let reasons = until(&client, &id, "Failed").await["FailureReasons"].clone();
    assert_eq!(reasons[0]["FailureCode"], "InvalidManifestContent", "{reasons}");
}

#[tokio::test]
async fn a_role_that_demands_a_code_is_of_no_use_to_a_job() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, &["s3:*"]).await;
    let strict = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:PutObjectTagging", "Resource": "*",
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}]});
    let input = json!({"RoleName": "batch", "PolicyName": "strict", "PolicyDocument": strict.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
    bucket(&client, "data").await;
    put(&client, "data", "k", b"x").await;
    let manifest = list(&client, "data", "data,k\n").await;
    let operation = json!({"S3PutObjectTagging": {"TagSet": [{"Key": "done", "Value": "yes"}]}});
    let id = job(&client, &operation, json!({"Manifest": manifest})).await;
    let done = until(&client, &id, "Complete").await;
    assert_eq!(done["ProgressSummary"]["NumberOfTasksFailed"], 1, "{done}");
    assert_eq!(tags(&client, "data", "k").await, json!([]));
}

#[tokio::test]
async fn checksums_are_computed_where_objects_are() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, &["s3:GetObject", "s3:PutObject", "s3:ListBucket"]).await;
    bucket(&client, "summed").await;
    bucket(&client, "reports").await;
    put(&client, "summed", "k", b"123456789").await;
    let body = Bytes::from_static(b"123456789");
    client
        .call_with_body(
            "s3",
            "PutObject",
            json!({"Bucket": "summed", "Key": "cold", "StorageClass": "GLACIER"}),
            Some(body),
        )
        .await
        .ok();
    let manifest = list(&client, "summed", "summed,k\nsummed,cold\nsummed,gone\n").await;
    for (algorithm, kind, sum, hex) in [
        ("CRC32", "FULL_OBJECT", "y/Q5Jg==", "CBF43926"),
        ("SHA1", "FULL_OBJECT", "98O8HYCOBHMq32eZZczDTKeuNEE=", "F7C3BC1D808E04732ADF679965CCC34CA7AE3441"),
        ("CRC32", "COMPOSITE", "7kxlUA==-1", "EE4C6550"),
    ] {
        let operation = json!({"S3ComputeObjectChecksum": {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}});
        let more = json!({"Manifest": manifest, "Report": report("AllTasks"), "ClientRequestToken": format!("{algorithm} {kind}")});
        let id = job(&client, &operation, more).await;
        until(&client, &id, "Complete").await;
        let (_, lines) = reported(&client, &id).await;
        for (line, key) in lines.iter().zip(["k", "cold"]) {
            let wanted = format!(
                "summed,{key},,succeeded,200,,\"{{\"\"checksum_base64\"\":\"\"{sum}\"\",\"\"etag\"\":\"\"25f9e794323b453885f5181f1b624d0b\"\",\"\"checksumAlgorithm\"\":\"\"{algorithm}\"\",\"\"checksumType\"\":\"\"{kind}\"\",\"\"checksum_hex\"\":\"\"{hex}\"\"}}\""
            );
            assert_eq!(line.1, wanted);
        }
        let failed = &lines[2].1;
        assert!(failed.starts_with("summed,gone,,failed,200,PermanentFailure,\"error details: "), "{failed}");
        assert!(failed.contains("Key not found\"\", \"\"errorCode\"\": \"\"404\"\"}"), "{failed}");
    }
}

#[tokio::test]
async fn generators_choose_by_encryption() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, &["s3:*"]).await;
    bucket(&client, "sealed").await;
    put(&client, "sealed", "own", b"x").await;
    let rules = json!({"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
        "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}]});
    let input = json!({"Bucket": "sealed", "ServerSideEncryptionConfiguration": rules});
    call(&client, "PutBucketEncryption", input).await.ok();
    let key = text::base64(&[7; 32]);
    let sum = text::base64(&Md5::digest([7; 32]));
    let input = json!({"Bucket": "sealed", "Key": "customer", "SSECustomerAlgorithm": "AES256", "SSECustomerKey": key, "SSECustomerKeyMD5": sum});
    call(&client, "PutObject", input).await.ok();
    let operation = json!({"S3PutObjectTagging": {"TagSet": [{"Key": "found", "Value": ""}]}});
    for (encryption, found) in [("SSEC", Some("customer")), ("SSES3", Some("own")), ("SSEKMS", None), ("NOTSSE", None)]
    {
        let generator = json!({"S3JobManifestGenerator": {"SourceBucket": "arn:aws:s3:::sealed", "EnableManifestOutput": false,
            "Filter": {"MatchAnyObjectEncryption": [{encryption: {}}]}}});
        let id =
            job(&client, &operation, json!({"ManifestGenerator": generator, "ClientRequestToken": encryption})).await;
        let Some(found) = found else {
            until(&client, &id, "Failed").await;
            continue;
        };
        assert_eq!(until(&client, &id, "Complete").await["ProgressSummary"]["TotalNumberOfTasks"], 1);
        assert_eq!(tags(&client, "sealed", found).await, json!([{"Key": "found", "Value": ""}]));
    }
}

/// A kernel whose tasks nobody runs but the test.
fn kernel(folder: &Folder) -> Kernel {
    let settings = Settings {
        iam: IamMode::Off,
        auth: AuthMode::Open,
        strict: false,
        host: "localhost:4566".into(),
        data: None,
        files: folder.0.clone(),
    };
    let services: Vec<Arc<dyn Service>> = vec![Arc::new(S3::default()), Arc::new(S3Control)];
    let blobs = Blobs::open(&folder.0.join("blobs"), false).unwrap();
    let database = Database::new(Arc::new(Memory::new())).unwrap();
    Kernel::new(settings, database, blobs, Random::seeded(11), services).unwrap()
}

async fn ok(cx: &Cx, service: &str, operation: &str, input: Json) -> Json {
    cx.refreshed().call(service, operation, input).await.unwrap()
}

#[tokio::test]
async fn steps_that_are_cut_short_lose_nothing_and_count_nothing_twice() {
    const OBJECTS: usize = 230;
    let folder = Folder::new();
    let kernel = kernel(&folder);
    let cx = kernel.cx_for(ME, "us-east-1");
    for name in ["data", "target", "reports"] {
        ok(&cx, "s3", "CreateBucket", json!({"Bucket": name})).await;
    }
    for n in 0..OBJECTS {
        ok(&cx, "s3", "PutObject", json!({"Bucket": "data", "Key": format!("{n:03}")})).await;
    }
    let generator =
        json!({"S3JobManifestGenerator": {"SourceBucket": "arn:aws:s3:::data", "EnableManifestOutput": false}});
    let input = json!({"AccountId": ME, "Operation": {"S3PutObjectCopy": {"TargetResource": "arn:aws:s3:::target"}}, "Priority": 1,
        "RoleArn": ROLE, "Report": report("AllTasks"), "ClientRequestToken": "cut", "ManifestGenerator": generator});
    let id = ok(&cx, "s3control", "CreateJob", input).await["JobId"].as_str().unwrap().to_owned();
    let task = Task {
        service: "s3control".into(),
        id: id.clone(),
        kind: "job".into(),
        payload: id.clone(),
        account: ME.into(),
        region: "us-east-1".into(),
        due: 0,
        attempts: 0,
    };
    let service = kernel.service("s3control").unwrap();
    for round in 0_u64.. {
        let here = cx.refreshed();
        tokio::select! {
            step = service.run(&here, &task) => drop(step.unwrap()),
            () = tokio::time::sleep(Duration::from_micros(round % 17 * 300)) => {}
        }
        let job = ok(&cx, "s3control", "DescribeJob", json!({"AccountId": ME, "JobId": id})).await["Job"].clone();
        if job["Status"] == "Complete" {
            let summary = &job["ProgressSummary"];
            assert_eq!(
                (&summary["TotalNumberOfTasks"], &summary["NumberOfTasksSucceeded"]),
                (&json!(OBJECTS), &json!(OBJECTS))
            );
            break;
        }
        assert!(round < 5000, "the job does not end: {job}");
    }
    let copied = ok(&cx, "s3", "ListObjectsV2", json!({"Bucket": "target"})).await;
    assert_eq!(copied["KeyCount"], OBJECTS);
    let files = ok(&cx, "s3", "ListObjectsV2", json!({"Bucket": "reports"})).await;
    let key =
        files["Contents"].as_array().unwrap().iter().filter_map(|o| o["Key"].as_str()).find(|k| k.ends_with(".csv"));
    let (_, body) = cx.call_with_body("s3", "GetObject", json!({"Bucket": "reports", "Key": key}), None).await.unwrap();
    let lines = body.unwrap().collect(1 << 20).await.unwrap().unwrap();
    let lines: std::collections::BTreeSet<&str> = std::str::from_utf8(&lines).unwrap().lines().collect();
    assert_eq!(lines.len(), OBJECTS);
}

#[tokio::test]
async fn a_job_asks_back_what_nobody_read_for_long() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, &["s3:*"]).await;
    bucket(&client, "data").await;
    let tierings = json!([{"AccessTier": "ARCHIVE_ACCESS", "Days": 90}]);
    let configuration = json!({"Id": "all", "Status": "Enabled", "Tierings": tierings});
    let input = json!({"Bucket": "data", "Id": "all", "IntelligentTieringConfiguration": configuration});
    call(&client, "PutBucketIntelligentTieringConfiguration", input).await.ok();
    let input = json!({"Bucket": "data", "Key": "k", "StorageClass": "INTELLIGENT_TIERING"});
    client.call_with_body("s3", "PutObject", input, Some(super::bytes(128 * 1024).into())).await.ok();
    cloud.kernel.advance(Duration::from_secs(92 * 24 * 3600)).await.unwrap();
    let manifest = list(&client, "data", "data,k\n").await;
    let operation = json!({"S3InitiateRestoreObject": {"GlacierJobTier": "BULK"}});
    let id = job(&client, &operation, json!({"Manifest": manifest})).await;
    let done = until(&client, &id, "Complete").await;
    assert_eq!(done["ProgressSummary"]["NumberOfTasksSucceeded"], 1);
    let head = call(&client, "HeadObject", json!({"Bucket": "data", "Key": "k"})).await.ok();
    assert_eq!(
        (&head["ArchiveStatus"], &head["Restore"]),
        (&json!("ARCHIVE_ACCESS"), &json!("ongoing-request=\"true\""))
    );
}
