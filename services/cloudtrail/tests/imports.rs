//! Imports of what trails delivered.

use super::lake::{rows, store};
use super::*;

const ROLE: &str = "arn:aws:iam::000000000000:role/import";
const COUNT: &str = "SELECT COUNT(*) AS n FROM LAKE WHERE eventName = 'CreateQueue'";

/// A role by which CloudTrail may read the bucket.
async fn role(client: &Client) {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let input = json!({"RoleName": "import", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", input).await.ok();
    let rights = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"],
        "Resource": [format!("arn:aws:s3:::{BUCKET}"), format!("arn:aws:s3:::{BUCKET}/*")]}]});
    let input = json!({"RoleName": "import", "PolicyName": "p", "PolicyDocument": rights.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
}

fn source(uri: &str) -> Json {
    json!({"S3": {"S3LocationUri": uri, "S3BucketRegion": "us-east-1", "S3BucketAccessRoleArn": ROLE}})
}

fn order(store: &str, more: &Json) -> Json {
    let mut input = json!({"Destinations": [store], "ImportSource": source(&format!("s3://{BUCKET}"))});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}

/// The import when it has ended.
async fn ended(client: &Client, id: &Json) -> Json {
    for _ in 0..500 {
        let shown = ok(client, "GetImport", json!({"ImportId": id})).await;
        if !["INITIALIZING", "IN_PROGRESS"].contains(&shown["ImportStatus"].as_str().unwrap()) {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("the import does not end")
}

/// A cloud with files of a trail of two days, three queues each, and a store that keeps nothing by itself.
async fn delivered() -> (Cloud, Client, String) {
    let (cloud, client) = cloud().await;
    let arn = fill(&cloud, &client).await;
    (cloud, client, arn)
}

async fn fill(cloud: &Cloud, client: &Client) -> String {
    trail(client, json!({})).await;
    for day in 0..2 {
        for at in 0..3 {
            client.call("sqs", "CreateQueue", json!({"QueueName": format!("q{day}{at}")})).await.ok();
        }
        advance(cloud, 24 * 60).await;
    }
    role(client).await;
    store(client, json!({"StartIngestion": false})).await
}

#[test]
fn an_import_outlives_the_program() {
    let folder = undercast_testkit::Folder::new();
    let alone = |work: std::pin::Pin<Box<dyn Future<Output = Json> + '_>>| {
        tokio::runtime::Runtime::new().unwrap().block_on(work)
    };
    let id = alone(Box::pin(async {
        let cloud = Cloud::in_folder(services(), &folder).await;
        let client = cloud.client();
        prepare(&client, &["AWSLogs/000000000000"]).await;
        let arn = fill(&cloud, &client).await;
        cloud.kernel.keep_clock().await.unwrap();
        // The first file takes longer than the program lives.
        let slow = json!({"service": "s3", "operation": "GetObject", "effect": {"latency": {"milliseconds": 600_000}}});
        cloud.kernel.faults().add(serde_json::from_value(slow).unwrap()).unwrap();
        let id = ok(&client, "StartImport", order(&arn, &json!({}))).await["ImportId"].clone();
        loop {
            let shown = ok(&client, "GetImport", json!({"ImportId": id})).await;
            if shown["ImportStatus"] == "IN_PROGRESS" {
                assert_eq!(shown["ImportStatistics"]["FilesCompleted"], 0);
                return id;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }));
    alone(Box::pin(async {
        let cloud = Cloud::in_folder(services(), &folder).await;
        let client = cloud.client();
        let shown = ended(&client, &id).await;
        assert_eq!(shown["ImportStatus"], "COMPLETED", "{shown}");
        let arn = shown["Destinations"][0].as_str().unwrap().to_owned();
        assert_eq!(rows(&client, &arn, COUNT).await, json!([[{"n": "6"}]]));
        Json::Null
    }));
}

async fn put(client: &Client, key: &str, body: Vec<u8>) {
    let input = json!({"Bucket": BUCKET, "Key": key});
    client.call_with_body("s3", "PutObject", input, Some(body.into())).await.ok();
}

#[tokio::test]
async fn files_of_a_trail_are_read() {
    let (_cloud, client, arn) = delivered().await;
    let started = ok(&client, "StartImport", order(&arn, &json!({}))).await;
    assert_eq!((&started["ImportStatus"], &started["Destinations"]), (&json!("INITIALIZING"), &json!([arn])));
    assert_eq!(started["ImportSource"], source(&format!("s3://{BUCKET}")));
    let shown = ended(&client, &started["ImportId"]).await;
    assert_eq!(shown["ImportStatus"], "COMPLETED", "{shown}");
    let done = &shown["ImportStatistics"];
    let number = |name: &str| done[name].as_i64().unwrap();
    assert!(number("FilesCompleted") >= 2 && number("EventsCompleted") >= 6, "{done}");
    assert!(number("PrefixesFound") >= 2 && number("PrefixesFound") == number("PrefixesCompleted"), "{done}");
    assert_eq!(number("FailedEntries"), 0);
    assert_eq!(rows(&client, &arn, COUNT).await, json!([[{"n": "6"}]]));
    // Digests and other services' files are no events of a trail; what was read twice is there once.
    let again = ok(&client, "StartImport", order(&arn, &json!({}))).await["ImportId"].clone();
    assert_eq!(ended(&client, &again).await["ImportStatus"], "COMPLETED");
    assert_eq!(rows(&client, &arn, COUNT).await, json!([[{"n": "6"}]]));
    let listed =
        ok(&client, "ListImports", json!({"Destination": arn, "ImportStatus": "COMPLETED", "MaxResults": 1})).await;
    assert_eq!(listed["Imports"].as_array().unwrap().len(), 1);
    let next = json!({"Destination": arn, "ImportStatus": "COMPLETED", "NextToken": listed["NextToken"]});
    assert_eq!(ok(&client, "ListImports", next).await["Imports"].as_array().unwrap().len(), 1);
    assert_eq!(ok(&client, "ListImports", json!({"ImportStatus": "FAILED"})).await["Imports"], json!([]));
    let (code, message) = refused(&client, "StartImport", json!({"ImportId": again})).await;
    assert_eq!((code.as_str(), message.contains("nothing to retry")), ("InvalidParameterException", true));
}

#[tokio::test]
async fn a_time_range_is_kept_to() {
    let (_cloud, client, arn) = delivered().await;
    let found = ok(
        &client,
        "LookupEvents",
        json!({"LookupAttributes": [{"AttributeKey": "ResourceName", "AttributeValue": "q10"}]}),
    )
    .await;
    let second = found["Events"][0]["EventTime"].as_f64().unwrap();
    let range = json!({"StartEventTime": second, "EndEventTime": second + 3600.0});
    let started = ok(&client, "StartImport", order(&arn, &range)).await;
    for name in ["StartEventTime", "EndEventTime"] {
        assert_eq!(started[name].as_f64(), range[name].as_f64(), "{name}");
    }
    assert_eq!(ended(&client, &started["ImportId"]).await["ImportStatus"], "COMPLETED");
    assert_eq!(rows(&client, &arn, COUNT).await, json!([[{"n": "3"}]]));
}

#[tokio::test]
async fn files_that_cannot_be_read_are_told_and_read_again() {
    let (_cloud, client, arn) = delivered().await;
    let folder = "AWSLogs/000000000000/CloudTrail/us-east-1/2026/11/29";
    for name in ["bad1.json.gz", "bad2.json.gz"] {
        put(&client, &format!("{folder}/{name}"), b"no log file".to_vec()).await;
    }
    let id = ok(&client, "StartImport", order(&arn, &json!({}))).await["ImportId"].clone();
    let shown = ended(&client, &id).await;
    assert_eq!((&shown["ImportStatus"], &shown["ImportStatistics"]["FailedEntries"]), (&json!("FAILED"), &json!(2)));
    assert_eq!(rows(&client, &arn, COUNT).await, json!([[{"n": "6"}]]));
    let page = ok(&client, "ListImportFailures", json!({"ImportId": id, "MaxResults": 1})).await;
    let first = &page["Failures"][0];
    assert_eq!(first["Location"], json!(format!("s3://{BUCKET}/{folder}/bad1.json.gz")));
    assert_eq!((&first["Status"], &first["ErrorType"]), (&json!("FAILED"), &json!("InvalidFile")));
    assert!(
        first["ErrorMessage"].as_str().unwrap().contains("gzip") && first["LastUpdatedTime"].is_number(),
        "{first}"
    );
    let rest = ok(&client, "ListImportFailures", json!({"ImportId": id, "NextToken": page["NextToken"]})).await;
    assert_eq!(rest["Failures"].as_array().unwrap().len(), 1);
    let wrong = json!({"ImportId": id, "NextToken": "none"});
    assert_eq!(refused(&client, "ListImportFailures", wrong).await.0, "InvalidNextTokenException");
    // One is mended: of the two it alone is read.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let record =
        json!({"Records": [{"eventID": "m", "eventTime": "2026-11-27T19:30:00Z", "eventName": "CreateQueue"}]});
    std::io::Write::write_all(&mut encoder, record.to_string().as_bytes()).unwrap();
    put(&client, &format!("{folder}/bad1.json.gz"), encoder.finish().unwrap()).await;
    assert_eq!(ok(&client, "StartImport", json!({"ImportId": id})).await["ImportStatus"], "INITIALIZING");
    let shown = ended(&client, &id).await;
    assert_eq!((&shown["ImportStatus"], &shown["ImportStatistics"]["FailedEntries"]), (&json!("FAILED"), &json!(1)));
    assert_eq!(rows(&client, &arn, COUNT).await, json!([[{"n": "7"}]]));
    let all = ok(&client, "ListImportFailures", json!({"ImportId": id})).await;
    let states: Vec<&str> =
        all["Failures"].as_array().unwrap().iter().map(|one| one["Status"].as_str().unwrap()).collect();
    assert_eq!(states, ["SUCCEEDED", "FAILED"]);
}

#[tokio::test]
async fn an_import_is_stopped_and_goes_on() {
    let (cloud, client, arn) = delivered().await;
    // Reading an object takes long, by a fault rule.
    let slow = json!({"service": "s3", "operation": "GetObject", "effect": {"latency": {"milliseconds": 400}}});
    cloud.kernel.faults().add(serde_json::from_value(slow).unwrap()).unwrap();
    let id = ok(&client, "StartImport", order(&arn, &json!({}))).await["ImportId"].clone();
    for (operation, input) in [
        ("UpdateEventDataStore", json!({"EventDataStore": arn})),
        ("DeleteEventDataStore", json!({"EventDataStore": arn})),
    ] {
        assert_eq!(
            refused(&client, operation, input).await.0,
            "EventDataStoreHasOngoingImportException",
            "{operation}"
        );
    }
    assert_eq!(refused(&client, "StartImport", order(&arn, &json!({}))).await.0, "AccountHasOngoingImportException");
    let stopped = ok(&client, "StopImport", json!({"ImportId": id})).await;
    assert_eq!((&stopped["ImportStatus"], &stopped["Destinations"]), (&json!("STOPPED"), &json!([arn])));
    assert!(stopped["ImportStatistics"].is_object(), "{stopped}");
    assert_eq!(refused(&client, "StopImport", json!({"ImportId": id})).await.0, "InvalidParameterException");
    cloud.kernel.faults().remove(None);
    ok(&client, "StartImport", json!({"ImportId": id})).await;
    assert_eq!(ended(&client, &id).await["ImportStatus"], "COMPLETED");
    assert_eq!(rows(&client, &arn, COUNT).await, json!([[{"n": "6"}]]));
}

#[tokio::test]
async fn what_cannot_be_imported() {
    let (_cloud, client, arn) = delivered().await;
    let insight = json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Insight"]}]}]);
    let other = store(&client, json!({"Name": "other", "AdvancedEventSelectors": insight})).await;
    let gone = store(&client, json!({"Name": "gone"})).await;
    ok(&client, "DeleteEventDataStore", json!({"EventDataStore": gone})).await;
    let key = sealing::key(&client).await;
    let sealed = store(&client, json!({"Name": "sealed", "KmsKeyId": key})).await;
    let closed = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:*", "Resource": "*"}]});
    client
        .call("kms", "PutKeyPolicy", json!({"KeyId": key, "PolicyName": "default", "Policy": closed.to_string()}))
        .await
        .ok();
    let none = format!("{}0a1b2c3d-0000-4000-8000-00000000000e", arn.split_at(arn.len() - 36).0);
    let from = |more: Json| {
        let mut of = source(&format!("s3://{BUCKET}"));
        of["S3"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        order(&arn, &json!({"ImportSource": of}))
    };
    for (input, wanted) in [
        (json!({}), "InvalidParameterException"),
        (json!({"Destinations": [arn]}), "InvalidParameterException"),
        (order(&arn, &json!({"StartEventTime": 2, "EndEventTime": 1})), "InvalidParameterException"),
        (order(&arn, &json!({"ImportId": "0a1b2c3d-0000-4000-8000-00000000000e"})), "InvalidParameterException"),
        (json!({"ImportId": "0a1b2c3d-0000-4000-8000-00000000000e"}), "ImportNotFoundException"),
        (order("nothing", &json!({})), "EventDataStoreARNInvalidException"),
        (order(&none, &json!({})), "EventDataStoreNotFoundException"),
        (order(&gone, &json!({})), "InactiveEventDataStoreException"),
        (order(&other, &json!({})), "InvalidEventDataStoreCategoryException"),
        (order(&sealed, &json!({})), "InsufficientEncryptionPolicyException"),
        (from(json!({"S3LocationUri": "https://bucket"})), "InvalidImportSourceException"),
        (from(json!({"S3LocationUri": "s3://none-there"})), "InvalidImportSourceException"),
        (from(json!({"S3BucketAccessRoleArn": "arn:aws:iam::000000000000:role/none"})), "InvalidImportSourceException"),
        (from(json!({"S3BucketAccessRoleArn": "none"})), "InvalidImportSourceException"),
    ] {
        let (code, message) = refused(&client, "StartImport", input.clone()).await;
        assert_eq!(code, wanted, "{input}: {message}");
    }
    assert_eq!(ok(&client, "ListImports", json!({})).await["Imports"], json!([]));
    let unknown = json!({"ImportId": "0a1b2c3d-0000-4000-8000-00000000000e"});
    for operation in ["GetImport", "StopImport"] {
        assert_eq!(refused(&client, operation, unknown.clone()).await.0, "ImportNotFoundException", "{operation}");
    }
    assert_eq!(refused(&client, "ListImportFailures", unknown).await.0, "InvalidParameterException");
    assert_eq!(
        refused(&client, "ListImports", json!({"Destination": "nothing"})).await.0,
        "EventDataStoreARNInvalidException"
    );
    assert_eq!(refused(&client, "ListImports", json!({"NextToken": "none"})).await.0, "InvalidNextTokenException");
}

#[tokio::test]
async fn a_role_is_handed_over_by_those_who_may() {
    let (cloud, client, arn) = delivered().await;
    let maker =
        user(&cloud, &client, "maker", json!([{"Effect": "Allow", "Action": "cloudtrail:*", "Resource": "*"}])).await;
    let (code, message) = refused(&maker, "StartImport", order(&arn, &json!({}))).await;
    assert!(code == "AccessDeniedException" && message.contains("iam:PassRole"), "{message}");
}
