//! Exports to S3, as whoever reads the objects finds them.

use crate::cloud::{Cloud, table, whole};
use md5::{Digest as _, Md5};
use serde_json::{Value as Json, json};
use std::io::Read as _;
use undercast_kernel::wire::text::base64;
use undercast_testkit::{Credentials, Folder};

const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/tab";

/// A cloud with a table whose history is kept, and a bucket.
async fn prepared() -> Cloud {
    let cloud = Cloud::whole();
    cloud.ok("CreateTable", table("tab", "pk:S", "")).await;
    let recovery = json!({"PointInTimeRecoveryEnabled": true});
    cloud
        .ok("UpdateContinuousBackups", json!({"TableName": "tab", "PointInTimeRecoverySpecification": recovery}))
        .await;
    cloud.other("s3", "CreateBucket", json!({"Bucket": "exports"})).await;
    cloud
}

async fn put(cloud: &Cloud, pk: &str, value: &str) {
    cloud.put(json!({"pk": {"S": pk}, "v": {"N": value}})).await;
}

async fn delete(cloud: &Cloud, pk: &str) {
    cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"pk": {"S": pk}}})).await;
}

fn request(more: Json) -> Json {
    let mut input = json!({"TableArn": TABLE, "S3Bucket": "exports"});
    let Json::Object(more) = more else { panic!("{more} is no object") };
    input.as_object_mut().unwrap().extend(more);
    input
}

/// Exports, and describes the export once it has ended.
async fn export(cloud: &Cloud, more: Json) -> Json {
    let begun = cloud.ok("ExportTableToPointInTime", request(more)).await["ExportDescription"].clone();
    assert_eq!(begun["ExportStatus"], "IN_PROGRESS");
    assert!(begun.get("ItemCount").is_none() && begun.get("ExportManifest").is_none());
    cloud.advance(1).await;
    described(cloud, &begun["ExportArn"]).await
}

async fn described(cloud: &Cloud, arn: &Json) -> Json {
    cloud.ok("DescribeExport", json!({"ExportArn": arn})).await["ExportDescription"].clone()
}

/// The lines of all files that the manifest of an export lists, sorted, after a look at what it says of them.
async fn lines(cloud: &Cloud, export: &Json) -> Vec<String> {
    let key = export["ExportManifest"].as_str().unwrap();
    let summary: Json = serde_json::from_slice(&cloud.object("exports", key).await).unwrap();
    let list = cloud.object("exports", summary["manifestFilesS3Key"].as_str().unwrap()).await;
    for (object, text) in
        [(key, summary.to_string().into_bytes()), (summary["manifestFilesS3Key"].as_str().unwrap(), list.clone())]
    {
        let checksum = cloud.object("exports", &object.replace(".json", ".md5")).await;
        assert_eq!(String::from_utf8(checksum).unwrap(), base64(&Md5::digest(&text)));
    }
    let mut all = Vec::new();
    for entry in String::from_utf8(list).unwrap().lines() {
        let entry: Json = serde_json::from_str(entry).unwrap();
        let packed = cloud.object("exports", entry["dataFileS3Key"].as_str().unwrap()).await;
        assert_eq!(entry["md5Checksum"], base64(&Md5::digest(&packed)));
        assert!(!entry["etag"].as_str().unwrap().is_empty());
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(entry["itemCount"], text.lines().count());
        all.extend(text.lines().map(ToOwned::to_owned));
    }
    assert_eq!((&summary["itemCount"], &summary["exportArn"]), (&json!(all.len()), &export["ExportArn"]));
    assert_eq!(
        (&summary["itemCount"], &summary["billedSizeBytes"]),
        (&export["ItemCount"], &export["BilledSizeBytes"])
    );
    all.sort();
    all
}

#[tokio::test]
async fn a_full_export_has_what_the_table_held_at_the_moment() {
    let cloud = prepared().await;
    for number in 0..40 {
        put(&cloud, &format!("k{number}"), "1").await;
    }
    cloud.advance(10).await;
    let then = cloud.now();
    cloud.advance(10).await;
    put(&cloud, "k0", "2").await;
    put(&cloud, "new", "1").await;
    delete(&cloud, "k1").await;
    let export = export(&cloud, json!({"ExportTime": then, "S3Prefix": "of/day"})).await;
    assert_eq!(
        (&export["ExportStatus"], &export["ItemCount"], &export["ExportTime"]),
        (&json!("COMPLETED"), &json!(40), &json!(then))
    );
    assert_eq!((&export["ExportFormat"], &export["S3SseAlgorithm"]), (&json!("DYNAMODB_JSON"), &json!("AES256")));
    assert!(export.get("ExportType").is_none(), "AWS tells the type only to whoever named it");
    let mut expected: Vec<String> =
        (0..40).map(|n| format!(r#"{{"Item":{{"pk":{{"S":"k{n}"}},"v":{{"N":"1"}}}}}}"#)).collect();
    expected.sort();
    assert_eq!(lines(&cloud, &export).await, expected);
    // Two letters of names, one of the value, a text of two or three and a number of two.
    assert_eq!(export["BilledSizeBytes"], 10 * 7 + 30 * 8);
    let objects = cloud.objects("exports").await;
    let base = export["ExportManifest"].as_str().unwrap().trim_end_matches("manifest-summary.json").to_owned();
    assert!(base.starts_with("of/day/AWSDynamoDB/0"));
    assert!(objects.iter().all(|key| key.starts_with(&base)) && objects.contains(&format!("{base}_started")));
    assert_eq!(objects.iter().filter(|key| key.ends_with(".json.gz")).count(), 4, "one for each partition");
}

#[tokio::test]
async fn an_incremental_export_has_what_became_of_the_items_that_were_written() {
    let cloud = prepared().await;
    for pk in ["changed", "deleted", "later", "untouched"] {
        put(&cloud, pk, "1").await;
    }
    cloud.advance(60).await;
    let from = cloud.now();
    put(&cloud, "changed", "2").await;
    put(&cloud, "changed", "3").await;
    delete(&cloud, "deleted").await;
    put(&cloud, "made", "1").await;
    put(&cloud, "passing", "1").await;
    delete(&cloud, "passing").await;
    cloud.advance(1000).await;
    let to = cloud.now();
    put(&cloud, "later", "2").await;
    put(&cloud, "changed", "4").await;
    cloud.advance(5).await;
    let asked = |view: Json| {
        json!({"ExportType": "INCREMENTAL_EXPORT",
            "IncrementalExportSpecification": {"ExportFromTime": from, "ExportToTime": to, "ExportViewType": view}})
    };
    let both = export(&cloud, asked(json!("NEW_AND_OLD_IMAGES"))).await;
    assert_eq!((&both["ExportType"], &both["ItemCount"]), (&json!("INCREMENTAL_EXPORT"), &json!(3)));
    assert_eq!(both["BilledSizeBytes"], 10_000_000, "the least that is billed");
    assert_eq!(both["IncrementalExportSpecification"]["ExportToTime"], to);
    // What a line says behind the moment of its write, which must be one of those asked for.
    let behind_metadata = |line: &String| {
        let rest = line.strip_prefix(r#"{"Metadata":{"WriteTimestampMicros":{"N":""#).unwrap();
        let (micros, rest) = rest.split_once(r#""}},"#).unwrap();
        let micros: i64 = micros.parse().unwrap();
        assert!((from * 1_000_000..to * 1_000_000).contains(&micros) && micros % 1000 == 0, "{line}");
        rest.to_owned()
    };
    let lines_of_both: Vec<String> = lines(&cloud, &both).await.iter().map(behind_metadata).collect();
    let expected = [
        r#""Keys":{"pk":{"S":"changed"}},"NewImage":{"pk":{"S":"changed"},"v":{"N":"3"}},"OldImage":{"pk":{"S":"changed"},"v":{"N":"1"}}}"#,
        r#""Keys":{"pk":{"S":"deleted"}},"OldImage":{"pk":{"S":"deleted"},"v":{"N":"1"}}}"#,
        r#""Keys":{"pk":{"S":"made"}},"NewImage":{"pk":{"S":"made"},"v":{"N":"1"}}}"#,
    ];
    assert_eq!(lines_of_both, expected);
    let new = export(&cloud, asked(json!("NEW_IMAGE"))).await;
    let new: Vec<String> = lines(&cloud, &new).await.iter().map(behind_metadata).collect();
    assert!(new.iter().all(|line| !line.contains("OldImage")) && new[1] == r#""Keys":{"pk":{"S":"deleted"}}}"#);
    let objects = cloud.objects("exports").await;
    assert_eq!(objects.iter().filter(|key| key.starts_with("AWSDynamoDB/data/")).count(), 2);
}

/// A cloud with a table of orders of customers, two of which are there already.
async fn with_orders() -> Cloud {
    let cloud = Cloud::whole();
    cloud.ok("CreateTable", table("tab", "pk:S", "sk:S")).await;
    let recovery = json!({"PointInTimeRecoveryEnabled": true});
    cloud
        .ok("UpdateContinuousBackups", json!({"TableName": "tab", "PointInTimeRecoverySpecification": recovery}))
        .await;
    cloud.other("s3", "CreateBucket", json!({"Bucket": "exports"})).await;
    for (pk, sk, n) in [("ann", "1", "5"), ("ann", "2", "6"), ("ann", "3", "7"), ("bob", "1", "7"), ("bob", "2", "8")] {
        order(&cloud, pk, sk, n).await;
    }
    cloud
}

async fn order(cloud: &Cloud, pk: &str, sk: &str, n: &str) {
    cloud.put(json!({"pk": {"S": pk}, "sk": {"S": sk}, "n": {"N": n}, "note": {"S": "none"}})).await;
}

#[tokio::test]
async fn a_full_export_has_the_items_and_attributes_that_are_asked_for() {
    let cloud = with_orders().await;
    cloud.advance(2).await;
    let filter = json!({
        "KeyConditionExpression": "pk = :pk AND sk > :sk", "FilterExpression": "#n < :n", "ProjectionExpression": "sk, #n",
        "ExpressionAttributeNames": {"#n": "n"},
        "ExpressionAttributeValues": {":pk": {"S": "ann"}, ":sk": {"S": "1"}, ":n": {"N": "7"}}});
    let done = export(&cloud, json!({"FilterSpecification": filter})).await;
    assert_eq!(done["FilterSpecification"], filter);
    assert_eq!(lines(&cloud, &done).await, [r#"{"Item":{"n":{"N":"6"},"sk":{"S":"2"}}}"#]);
    // Two items are read, and one of them is what is wanted.
    assert_eq!(done["BilledSizeBytes"], 2 * (5 + 3 + 3 + 8));
    let filter = json!({"FilterExpression": "n = :n OR pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "bob"}, ":n": {"N": "5"}}, "ProjectionExpression": "n"});
    let done = export(&cloud, json!({"FilterSpecification": filter})).await;
    let found = ["5", "7", "8"].map(|n| format!(r#"{{"Item":{{"n":{{"N":"{n}"}}}}}}"#));
    assert_eq!(lines(&cloud, &done).await, found);
    assert_eq!(done["BilledSizeBytes"], 5 * (5 + 3 + 3 + 8), "all are read");
    let filter = json!({"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "carl"}}});
    let done = export(&cloud, json!({"FilterSpecification": filter})).await;
    assert_eq!((&done["ItemCount"], &done["BilledSizeBytes"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn an_incremental_export_is_filtered_by_what_items_are_or_were() {
    let cloud = with_orders().await;
    cloud.advance(60).await;
    let from = cloud.now();
    order(&cloud, "ann", "1", "9").await;
    order(&cloud, "ann", "2", "1").await;
    order(&cloud, "bob", "1", "9").await;
    cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"pk": {"S": "ann"}, "sk": {"S": "3"}}})).await;
    cloud.advance(1000).await;
    let asked = |filter: Json| {
        json!({"ExportType": "INCREMENTAL_EXPORT", "FilterSpecification": filter,
            "IncrementalExportSpecification": {"ExportFromTime": from, "ExportViewType": "NEW_AND_OLD_IMAGES"}})
    };
    let filter = json!({"KeyConditionExpression": "pk = :pk", "FilterExpression": "n >= :n", "ProjectionExpression": "n",
        "ExpressionAttributeValues": {":pk": {"S": "ann"}, ":n": {"N": "7"}}});
    let done = export(&cloud, asked(filter)).await;
    let found: Vec<String> = lines(&cloud, &done)
        .await
        .iter()
        .map(|line| line.split_once(r#""}},"#).map(|(_, rest)| rest.to_owned()).unwrap())
        .collect();
    let expected = [
        r#""Keys":{"pk":{"S":"ann"},"sk":{"S":"1"}},"NewImage":{"n":{"N":"9"}},"OldImage":{"n":{"N":"5"}}}"#,
        r#""Keys":{"pk":{"S":"ann"},"sk":{"S":"3"}},"OldImage":{"n":{"N":"7"}}}"#,
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn exports_are_ion_where_that_is_asked_for() {
    let cloud = prepared().await;
    cloud.put(json!({"pk": {"S": "a"}, "n": {"N": "600"}, "b": {"B": "aGk="}, "s": {"SS": ["x", "y"]}, "l": {"L": [{"BOOL": true}, {"NULL": true}]}})).await;
    let full = export(&cloud, json!({"ExportFormat": "ION", "ExportType": "FULL_EXPORT"})).await;
    assert_eq!((&full["ExportFormat"], &full["ExportType"]), (&json!("ION"), &json!("FULL_EXPORT")));
    let expected = r#"$ion_1_0 {Item:{b:{{aGk=}},l:[true,null],n:6d2,pk:"a",s:$dynamodb_SS::["x","y"]}}"#;
    assert_eq!(lines(&cloud, &full).await, [expected]);
    cloud.advance(1000).await;
    let from = cloud.now() - 1001;
    let asked = json!({"ExportFormat": "ION", "ExportType": "INCREMENTAL_EXPORT",
        "IncrementalExportSpecification": {"ExportFromTime": from}});
    let changes = lines(&cloud, &export(&cloud, asked).await).await;
    assert!(changes[0].starts_with("$ion_1_0 {Record:{Metadata:{WriteTimestampMicros:"), "{changes:?}");
    assert!(changes[0].contains(r#"Keys:{pk:"a"},NewImage:{b:{{aGk=}}"#), "{changes:?}");
}

#[tokio::test]
async fn a_token_begins_one_export_and_no_other() {
    let cloud = prepared().await;
    let first = cloud.ok("ExportTableToPointInTime", request(json!({"ClientToken": "one"}))).await;
    cloud.advance(60).await;
    let again = cloud.ok("ExportTableToPointInTime", request(json!({"ClientToken": "one"}))).await;
    assert_eq!(first["ExportDescription"]["ExportArn"], again["ExportDescription"]["ExportArn"]);
    assert_eq!(again["ExportDescription"]["ExportStatus"], "COMPLETED");
    for other in [json!({"S3Prefix": "x"}), json!({"ExportFormat": "ION"}), json!({"S3BucketOwner": "000000000000"})] {
        let mut input = request(other);
        input["ClientToken"] = json!("one");
        assert_eq!(cloud.err("ExportTableToPointInTime", input).await.code, "ExportConflictException");
    }
    cloud.advance(8 * 3600).await;
    let late = cloud.ok("ExportTableToPointInTime", request(json!({"ClientToken": "one"}))).await;
    assert_ne!(first["ExportDescription"]["ExportArn"], late["ExportDescription"]["ExportArn"]);
}

#[tokio::test]
async fn what_s3_refuses_ends_the_export() {
    let cloud = prepared().await;
    let missing = export(&cloud, json!({"S3Bucket": "nowhere"})).await;
    assert_eq!((&missing["ExportStatus"], &missing["FailureCode"]), (&json!("FAILED"), &json!("S3NoSuchBucket")));
    let message = missing["FailureMessage"].as_str().unwrap();
    assert!(message.starts_with("The specified bucket does not exist (Service: Amazon S3; Status Code: 404; Error Code: NoSuchBucket; Request ID: "), "{message}");
    let other = export(&cloud, json!({"S3BucketOwner": "111122223333"})).await;
    assert_eq!(other["FailureCode"], "S3AccessDenied");
    let key = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let keyless = export(&cloud, json!({"S3SseAlgorithm": "KMS", "S3SseKmsKeyId": key})).await;
    assert_eq!(keyless["FailureCode"], "KmsNotFoundException", "{keyless}");
    let reader =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]});
    let user = cloud.as_user(&reader);
    let denied = export(&user, json!({})).await;
    assert_eq!(denied["FailureCode"], "S3AccessDenied", "the caller must be allowed to put objects");
    let managed = export(&cloud, json!({"S3SseAlgorithm": "KMS"})).await;
    assert_eq!((&managed["ExportStatus"], &managed["S3SseAlgorithm"]), (&json!("COMPLETED"), &json!("KMS")));
    let head = json!({"Bucket": "exports", "Key": managed["ExportManifest"]});
    assert_eq!(cloud.other("s3", "HeadObject", head).await["ServerSideEncryption"], "aws:kms");
}

#[tokio::test]
async fn exports_are_listed_newest_first_while_their_table_is_there() {
    let cloud = prepared().await;
    let mut arns = Vec::new();
    for _ in 0..3 {
        arns.insert(0, export(&cloud, json!({})).await["ExportArn"].clone());
    }
    let listed = |page: &Json| -> Vec<Json> {
        page["ExportSummaries"].as_array().unwrap().iter().map(|export| export["ExportArn"].clone()).collect()
    };
    let first = cloud.ok("ListExports", json!({"MaxResults": 2})).await;
    assert_eq!(listed(&first), arns[..2]);
    let second =
        cloud.ok("ListExports", json!({"MaxResults": 2, "NextToken": first["NextToken"], "TableArn": TABLE})).await;
    assert_eq!((listed(&second), second.get("NextToken")), (arns[2..].to_vec(), None));
    assert_eq!(first["ExportSummaries"][0]["ExportType"], "FULL_EXPORT");
    cloud.ok("DeleteTable", json!({"TableName": "tab"})).await;
    assert!(listed(&cloud.ok("ListExports", json!({"TableArn": TABLE})).await).is_empty());
    assert_eq!(described(&cloud, &arns[0]).await["ExportStatus"], "COMPLETED");
    cloud.advance(91 * 86_400).await;
    assert!(listed(&cloud.ok("ListExports", json!({})).await).is_empty());
    assert_eq!(cloud.err("DescribeExport", json!({"ExportArn": arns[0]})).await.code, "ExportNotFoundException");
}

#[tokio::test]
async fn an_export_of_a_table_that_is_deleted_meanwhile_has_what_it_held() {
    let cloud = prepared().await;
    put(&cloud, "a", "1").await;
    cloud.advance(10).await;
    let then = cloud.now();
    cloud.advance(10).await;
    put(&cloud, "a", "2").await;
    let rule = json!({"service": "s3", "operation": "PutObject", "effect": "abort"});
    cloud.faults().add(serde_json::from_value(rule).unwrap()).unwrap();
    let begun = cloud.ok("ExportTableToPointInTime", request(json!({"ExportTime": then}))).await;
    cloud.ok("DeleteTable", json!({"TableName": "tab"})).await;
    cloud.advance(600).await;
    assert_eq!(described(&cloud, &begun["ExportDescription"]["ExportArn"]).await["ExportStatus"], "IN_PROGRESS");
    let rows = cloud.rows();
    cloud.faults().remove(None);
    cloud.advance(600).await;
    let ended = described(&cloud, &begun["ExportDescription"]["ExportArn"]).await;
    assert_eq!(lines(&cloud, &ended).await, [r#"{"Item":{"pk":{"S":"a"},"v":{"N":"1"}}}"#]);
    assert_eq!(ended["ExportTime"], then);
    cloud
        .other(
            "s3",
            "DeleteObjects",
            json!({"Bucket": "exports", "Delete": {"Objects":
        cloud.objects("exports").await.iter().map(|key| json!({"Key": key})).collect::<Vec<_>>()}}),
        )
        .await;
    cloud.advance(7200).await;
    assert!(cloud.rows() < rows, "the history goes once the export has ended");
}

#[tokio::test]
async fn moments_that_cannot_be_exported_are_refused() {
    let cloud = prepared().await;
    cloud.advance(3600).await;
    let refused = async |more: Json| {
        let refusal = cloud.err("ExportTableToPointInTime", request(more)).await;
        (refusal.code, refusal.message)
    };
    let invalid = "InvalidExportTimeException".to_owned();
    for at in [cloud.now() + 5, cloud.now() - 7200] {
        assert_eq!(refused(json!({"ExportTime": at})).await, (invalid.clone(), "Export Time is invalid".to_owned()));
    }
    let of = |from: i64, to: i64| {
        json!({"ExportType": "INCREMENTAL_EXPORT",
            "IncrementalExportSpecification": {"ExportFromTime": cloud.now() + from, "ExportToTime": cloud.now() + to}})
    };
    for (from, to, message) in [
        (-7200, 0, "Incremental export period from time cannot be less than the table creation time : "),
        (-3000, 5, "Incremental export period to time cannot be greater than the current time : "),
        (-3000, -2500, "Difference between export period from time and export period to time is less than 15 minutes"),
    ] {
        let (code, said) = refused(of(from, to)).await;
        assert!(code == invalid && said.starts_with(message), "{said}");
    }
    cloud.advance(2 * 86_400).await;
    let (code, said) = refused(of(-90_000, 0)).await;
    assert!(code == invalid && said.ends_with("greater than 24 hours"), "{said}");
    cloud
        .ok(
            "UpdateContinuousBackups",
            json!({"TableName": "tab", "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": false}}),
        )
        .await;
    assert_eq!(refused(json!({})).await.0, "PointInTimeRecoveryUnavailableException");
}

#[tokio::test]
async fn there_are_not_more_exports_at_a_time_than_aws_allows() {
    let cloud = prepared().await;
    let rule = json!({"service": "s3", "operation": "PutObject", "effect": "abort"});
    cloud.faults().add(serde_json::from_value(rule).unwrap()).unwrap();
    for _ in 0..300 {
        cloud.ok("ExportTableToPointInTime", request(json!({}))).await;
    }
    assert_eq!(cloud.err("ExportTableToPointInTime", request(json!({}))).await.code, "LimitExceededException");
}

/// An export that was begun before a crash is written after it, and its caller is still the one who asked.
#[test]
fn an_export_survives_a_restart() {
    let folder = Folder::new();
    let run = |work: &dyn Fn() -> std::pin::Pin<Box<dyn Future<Output = Json>>>| {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work())
    };
    let path = std::sync::Arc::new(folder);
    let begin = path.clone();
    let arn = run(&move || {
        let folder = begin.clone();
        Box::pin(async move {
            let cloud = undercast_testkit::Cloud::in_folder(whole(), &folder).await;
            let client = cloud.client_of(Credentials::new("test", "test"));
            client.call("dynamodb", "CreateTable", table("tab", "pk:S", "")).await;
            let recovery = json!({"PointInTimeRecoveryEnabled": true});
            client
                .call(
                    "dynamodb",
                    "UpdateContinuousBackups",
                    json!({"TableName": "tab", "PointInTimeRecoverySpecification": recovery}),
                )
                .await;
            client.call("dynamodb", "PutItem", json!({"TableName": "tab", "Item": {"pk": {"S": "a"}}})).await;
            client.call("s3", "CreateBucket", json!({"Bucket": "exports"})).await;
            // Until the crash nothing can be put.
            let rule = json!({"service": "s3", "operation": "PutObject", "effect": "abort"});
            cloud.kernel.faults().add(serde_json::from_value(rule).unwrap()).unwrap();
            let begun = client.call("dynamodb", "ExportTableToPointInTime", request(json!({}))).await;
            assert_eq!(begun.status, 200, "{}", begun.json);
            begun.json["ExportDescription"]["ExportArn"].clone()
        })
    });
    let ended = run(&move || {
        let (folder, arn) = (path.clone(), arn.clone());
        Box::pin(async move {
            let cloud = undercast_testkit::Cloud::in_folder(whole(), &folder).await;
            let client = cloud.client();
            for _ in 0..200 {
                let shown = client.call("dynamodb", "DescribeExport", json!({"ExportArn": arn})).await.json["ExportDescription"].clone();
                if shown["ExportStatus"] != "IN_PROGRESS" {
                    return shown;
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            panic!("the export does not end");
        })
    });
    assert_eq!((&ended["ExportStatus"], &ended["ItemCount"]), (&json!("COMPLETED"), &json!(1)), "{ended}");
}
