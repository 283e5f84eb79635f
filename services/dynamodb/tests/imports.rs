//! Imports from S3: tables made of objects, and what is said of items that are none.

use crate::cloud::{Cloud, table};
use serde_json::{Value as Json, json};
use std::io::Write as _;

/// A cloud with a bucket of objects.
async fn prepared(objects: &[(&str, &[u8])]) -> Cloud {
    let cloud = Cloud::whole();
    cloud.other("s3", "CreateBucket", json!({"Bucket": "source"})).await;
    for (key, bytes) in objects {
        cloud.put_object("source", key, bytes).await;
    }
    cloud
}

fn request(format: &str, more: Json) -> Json {
    let mut input = json!({"ClientToken": "token", "InputFormat": format, "S3BucketSource": {"S3Bucket": "source"},
        "TableCreationParameters": table("made", "pk:S", "")});
    let Json::Object(more) = more else { panic!("{more} is no object") };
    input.as_object_mut().unwrap().extend(more);
    input
}

async fn described(cloud: &Cloud, arn: &Json) -> Json {
    cloud.ok("DescribeImport", json!({"ImportArn": arn})).await["ImportTableDescription"].clone()
}

/// Imports, and describes the import once it has ended.
async fn import(cloud: &Cloud, format: &str, more: Json) -> Json {
    let begun = cloud.ok("ImportTable", request(format, more)).await["ImportTableDescription"].clone();
    assert_eq!(begun["ImportStatus"], "IN_PROGRESS");
    assert!(begun.get("EndTime").is_none() && begun.get("ProcessedSizeBytes").is_none());
    cloud.advance(1).await;
    described(cloud, &begun["ImportArn"]).await
}

/// Processed, imported, wrong.
fn counts(import: &Json) -> [i64; 3] {
    ["ProcessedItemCount", "ImportedItemCount", "ErrorCount"].map(|name| import[name].as_i64().unwrap())
}

async fn held(cloud: &Cloud) -> Vec<String> {
    let page = cloud.ok("Scan", json!({"TableName": "made"})).await;
    let mut all: Vec<String> = page["Items"].as_array().unwrap().iter().map(Json::to_string).collect();
    all.sort();
    all
}

/// The events that an import wrote.
async fn told(cloud: &Cloud, import: &Json) -> Vec<Json> {
    let id = import["ImportArn"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let input =
        json!({"logGroupName": "/aws-dynamodb/imports", "logStreamName": format!("{id}/error"), "startFromHead": true});
    let events = cloud.other("logs", "GetLogEvents", input).await["events"].clone();
    events.as_array().unwrap().iter().map(|e| serde_json::from_str(e["message"].as_str().unwrap()).unwrap()).collect()
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

fn zstandard(text: &str) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
}

const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

#[tokio::test]
async fn a_table_is_made_of_lines_of_json_with_its_indexes() {
    let lines = "{\"Item\":{\"pk\":{\"S\":\"a\"},\"g\":{\"N\":\"1\"}}}\n\n{\"Item\":{\"pk\":{\"S\":\"b\"}}}\n";
    let cloud = prepared(&[("in/1.json", lines.as_bytes()), ("in/2.json", b""), ("other", b"{")]).await;
    let mut parameters = table("made", "pk:S", "");
    parameters["AttributeDefinitions"]
        .as_array_mut()
        .unwrap()
        .push(json!({"AttributeName": "g", "AttributeType": "N"}));
    parameters["GlobalSecondaryIndexes"] = json!([{"IndexName": "by-g", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"}}]);
    let more =
        json!({"S3BucketSource": {"S3Bucket": "source", "S3KeyPrefix": "in/"}, "TableCreationParameters": parameters});
    let begun = cloud.ok("ImportTable", request("DYNAMODB_JSON", more)).await["ImportTableDescription"].clone();
    let status = |shown: Json| shown["Table"]["TableStatus"].clone();
    assert_eq!(status(cloud.ok("DescribeTable", json!({"TableName": "made"})).await), "CREATING");
    let item = json!({"TableName": "made", "Item": {"pk": {"S": "c"}}});
    assert_eq!(cloud.err("PutItem", item).await.code, "ResourceNotFoundException");
    for (operation, more, code) in [
        ("DeleteTable", json!({}), "ResourceInUseException"),
        ("EnableKinesisStreamingDestination", json!({"StreamArn": STREAM}), "ResourceInUseException"),
        ("DisableKinesisStreamingDestination", json!({"StreamArn": STREAM}), "ResourceInUseException"),
        (
            "UpdateKinesisStreamingDestination",
            json!({"StreamArn": STREAM, "UpdateKinesisStreamingConfiguration": {"ApproximateCreationDateTimePrecision": "MICROSECOND"}}),
            "ResourceInUseException",
        ),
        ("UpdateTable", json!({"DeletionProtectionEnabled": true}), "ResourceInUseException"),
        (
            "UpdateTimeToLive",
            json!({"TimeToLiveSpecification": {"Enabled": true, "AttributeName": "t"}}),
            "ResourceInUseException",
        ),
        ("CreateBackup", json!({"BackupName": "one"}), "ContinuousBackupsUnavailableException"),
        (
            "UpdateContinuousBackups",
            json!({"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}}),
            "ContinuousBackupsUnavailableException",
        ),
    ] {
        let mut input = more;
        input["TableName"] = json!("made");
        assert_eq!(cloud.err(operation, input).await.code, code, "{operation}");
    }
    cloud.advance(1).await;
    let ended = described(&cloud, &begun["ImportArn"]).await;
    assert_eq!((&ended["ImportStatus"], counts(&ended)), (&json!("COMPLETED"), [2, 2, 0]));
    assert_eq!(ended["ProcessedSizeBytes"], lines.len());
    assert_eq!(
        ended["S3BucketSource"],
        json!({"S3BucketOwner": "000000000000", "S3Bucket": "source", "S3KeyPrefix": "in/"})
    );
    assert_eq!(ended["CloudWatchLogGroupArn"], "arn:aws:logs:us-east-1:000000000000:log-group:/aws-dynamodb/imports:*");
    assert_eq!(ended["TableCreationParameters"]["GlobalSecondaryIndexes"][0]["IndexName"], "by-g");
    assert_eq!((&ended["InputCompressionType"], &ended["TableId"]), (&json!("NONE"), &begun["TableId"]));
    assert_eq!(held(&cloud).await.len(), 2);
    let shown = cloud.ok("DescribeTable", json!({"TableName": "made"})).await;
    assert_eq!((&shown["Table"]["ItemCount"], &shown["Table"]["TableId"]), (&json!(2), &begun["TableId"]));
    let by_index = cloud.ok("Scan", json!({"TableName": "made", "IndexName": "by-g"})).await;
    assert_eq!(by_index["Items"], json!([{"pk": {"S": "a"}, "g": {"N": "1"}}]));
}

#[tokio::test]
async fn objects_are_read_in_each_format_and_compression() {
    let json = "{\"Item\":{\"pk\":{\"S\":\"a\"},\"n\":{\"N\":\"600\"}}}\n";
    let ion = "$ion_1_0 {Item:{pk:\"a\",n:6d2}}\n";
    let csv = "pk;n;empty\na;600;\n";
    let number = r#"{"n":{"N":"600"},"pk":{"S":"a"}}"#;
    let text = r#"{"n":{"S":"600"},"pk":{"S":"a"}}"#;
    let options = json!({"Csv": {"Delimiter": ";"}});
    for (format, written, more, expected) in [
        ("DYNAMODB_JSON", json, json!({}), number),
        ("ION", ion, json!({}), number),
        ("CSV", csv, json!({"InputFormatOptions": options}), text),
    ] {
        // Several frames one behind another are one object.
        let frames = [zstandard(""), zstandard(written)].concat();
        for (compression, bytes) in [
            ("NONE", written.as_bytes().to_vec()),
            ("GZIP", [gzipped(""), gzipped(written)].concat()),
            ("ZSTD", frames),
        ] {
            let cloud = prepared(&[("one", &bytes)]).await;
            let mut more = more.clone();
            more["InputCompressionType"] = json!(compression);
            let ended = import(&cloud, format, more).await;
            assert_eq!(
                (&ended["ImportStatus"], counts(&ended)),
                (&json!("COMPLETED"), [1, 1, 0]),
                "{format} {compression}: {ended}"
            );
            assert_eq!(ended["ProcessedSizeBytes"], written.len(), "{format} {compression}");
            assert_eq!(held(&cloud).await, [expected], "{format} {compression}");
        }
    }
}

#[tokio::test]
async fn headers_of_csv_are_given_or_stand_in_the_object() {
    let cloud = prepared(&[("one", b"1,x\n2,y\n")]).await;
    let mut parameters = table("made", "id:N", "");
    parameters["BillingMode"] = json!("PROVISIONED");
    parameters["ProvisionedThroughput"] = json!({"ReadCapacityUnits": 3, "WriteCapacityUnits": 4});
    let options = json!({"Csv": {"HeaderList": ["id", "v"]}});
    let ended =
        import(&cloud, "CSV", json!({"InputFormatOptions": options, "TableCreationParameters": parameters})).await;
    assert_eq!((counts(&ended), &ended["InputFormatOptions"]), ([2, 2, 0], &options));
    assert_eq!(ended["TableCreationParameters"]["ProvisionedThroughput"]["ReadCapacityUnits"], 3);
    assert_eq!(held(&cloud).await, [r#"{"id":{"N":"1"},"v":{"S":"x"}}"#, r#"{"id":{"N":"2"},"v":{"S":"y"}}"#]);
    let shown = cloud.ok("DescribeTable", json!({"TableName": "made"})).await;
    assert_eq!(shown["Table"]["ProvisionedThroughput"]["WriteCapacityUnits"], 4);
}

#[tokio::test]
async fn items_that_are_none_are_counted_and_told() {
    let good = |pk: &str| format!("{{\"Item\":{{\"pk\":{{\"S\":\"{pk}\"}}}}}}\n");
    let keyless = format!("{}{{\"Item\":{{\"v\":{{\"S\":\"x\"}}}}}}\n{}", good("a"), good("b"));
    let garbage = format!("{}{{\"Item\":\n{}", good("c"), good("d"));
    let cloud = prepared(&[("1", keyless.as_bytes()), ("2", garbage.as_bytes()), ("3", good("a").as_bytes())]).await;
    let ended = import(&cloud, "DYNAMODB_JSON", json!({})).await;
    assert_eq!((&ended["ImportStatus"], &ended["FailureCode"]), (&json!("FAILED"), &json!("ItemValidationError")));
    // Behind a line that cannot be read nothing of its object is; a key that comes twice counts twice.
    assert_eq!(counts(&ended), [6, 4, 2]);
    assert_eq!(held(&cloud).await.len(), 3, "what can be read is there");
    let told = told(&cloud, &ended).await;
    assert_eq!(told[0]["itemS3Pointer"], json!({"bucket": "source", "key": "1", "itemIndex": 1}));
    assert_eq!(
        told[0]["errorMessages"],
        json!(["One or more parameter values were invalid: Missing the key pk in the item"])
    );
    assert_eq!((&told[0]["importArn"], told.len()), (&ended["ImportArn"], 2));
    assert!(told[1]["errorMessages"][0].as_str().unwrap().starts_with("Unexpected token"));
    cloud.ok("DeleteTable", json!({"TableName": "made"})).await;
    let packed = import(&cloud, "DYNAMODB_JSON", json!({"InputCompressionType": "GZIP", "ClientToken": "two"})).await;
    assert_eq!((&packed["FailureCode"], counts(&packed)), (&json!("ItemValidationError"), [3, 0, 3]));
}

#[tokio::test]
async fn what_s3_refuses_leaves_no_table() {
    let cloud = prepared(&[]).await;
    let nowhere = import(&cloud, "CSV", json!({"S3BucketSource": {"S3Bucket": "nowhere"}})).await;
    assert_eq!((&nowhere["ImportStatus"], &nowhere["FailureCode"]), (&json!("FAILED"), &json!("S3NoSuchBucket")));
    assert_eq!(cloud.err("DescribeTable", json!({"TableName": "made"})).await.code, "ResourceNotFoundException");
    let policy = |actions: Json| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    let user = cloud.as_user(&policy(json!(["dynamodb:*", "logs:*"])));
    assert_eq!(import(&user, "CSV", json!({"ClientToken": "two"})).await["FailureCode"], "S3AccessDenied");
    let other = prepared(&[]).await;
    let user = other.as_user(&policy(json!(["dynamodb:*", "s3:*"])));
    let silent = import(&user, "CSV", json!({})).await;
    assert_eq!(silent["FailureCode"], "CloudWatchLogsAccessDeniedException");
    let empty = import(&cloud, "CSV", json!({"ClientToken": "four"})).await;
    assert_eq!((&empty["ImportStatus"], counts(&empty)), (&json!("COMPLETED"), [0, 0, 0]), "no object is no error");
    assert!(held(&cloud).await.is_empty());
}

#[tokio::test]
async fn a_token_begins_one_import() {
    let cloud = prepared(&[]).await;
    let arn = |answer: Json| answer["ImportTableDescription"]["ImportArn"].clone();
    let first = arn(cloud.ok("ImportTable", request("CSV", json!({}))).await);
    assert_eq!(arn(cloud.ok("ImportTable", request("ION", json!({}))).await), first, "only the table's name counts");
    let other = json!({"TableCreationParameters": table("other", "pk:S", "")});
    assert_eq!(cloud.err("ImportTable", request("CSV", other)).await.code, "ImportConflictException");
    let taken = json!({"ClientToken": "two"});
    assert_eq!(cloud.err("ImportTable", request("CSV", taken)).await.code, "ResourceInUseException");
    cloud.advance(1).await;
    let there = cloud.err("ImportTable", request("CSV", json!({}))).await;
    assert_eq!((there.code.as_str(), there.message.as_str()), ("ResourceInUseException", "Table already exists: made"));
    cloud.ok("DeleteTable", json!({"TableName": "made"})).await;
    assert_eq!(arn(cloud.ok("ImportTable", request("CSV", json!({}))).await), first);
    assert_eq!(cloud.err("DescribeTable", json!({"TableName": "made"})).await.code, "ResourceNotFoundException");
}

#[tokio::test]
async fn there_are_not_more_imports_at_a_time_than_aws_allows() {
    let cloud = prepared(&[]).await;
    let of = |number: usize| {
        let name = format!("table{number}");
        request("CSV", json!({"ClientToken": name, "TableCreationParameters": table(&name, "pk:S", "")}))
    };
    for number in 0..50 {
        cloud.ok("ImportTable", of(number)).await;
    }
    assert_eq!(cloud.err("ImportTable", of(50)).await.code, "LimitExceededException");
}

#[tokio::test]
async fn imports_are_listed_newest_first_and_outlive_their_tables() {
    let cloud = prepared(&[]).await;
    let mut arns = Vec::new();
    for name in ["one", "two", "three"] {
        let more = json!({"ClientToken": name, "TableCreationParameters": table(name, "pk:S", "")});
        arns.insert(0, import(&cloud, "CSV", more).await["ImportArn"].clone());
    }
    let listed = |page: &Json| -> Vec<Json> {
        page["ImportSummaryList"].as_array().unwrap().iter().map(|import| import["ImportArn"].clone()).collect()
    };
    let first = cloud.ok("ListImports", json!({"PageSize": 2})).await;
    assert_eq!(listed(&first), arns[..2]);
    let second = cloud.ok("ListImports", json!({"PageSize": 2, "NextToken": first["NextToken"]})).await;
    assert_eq!((listed(&second), second.get("NextToken")), (arns[2..].to_vec(), None));
    cloud.ok("DeleteTable", json!({"TableName": "two"})).await;
    let of_table = json!({"TableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/two"});
    let page = cloud.ok("ListImports", of_table).await;
    assert_eq!(listed(&page), arns[1..2]);
    assert_eq!(page["ImportSummaryList"][0]["InputFormat"], "CSV");
    cloud.advance(91 * 86_400).await;
    assert!(listed(&cloud.ok("ListImports", json!({})).await).is_empty());
}

#[tokio::test]
async fn what_is_exported_can_be_imported() {
    let cloud = Cloud::whole().with_table().await;
    let recovery = json!({"PointInTimeRecoveryEnabled": true});
    cloud
        .ok("UpdateContinuousBackups", json!({"TableName": "tab", "PointInTimeRecoverySpecification": recovery}))
        .await;
    let item = json!({"pk": {"S": "a\n\"\u{1F600}"}, "b": {"B": "AP8="}, "ns": {"NS": ["1", "-2.5"]}, "bs": {"BS": ["aGk="]},
        "m": {"M": {"l": {"L": [{"NULL": true}, {"BOOL": false}, {"S": ""}]}, "null": {"N": "1e-100"}}}});
    cloud.put(item).await;
    let expected = cloud.ok("Scan", json!({"TableName": "tab"})).await["Items"].clone();
    cloud.other("s3", "CreateBucket", json!({"Bucket": "source"})).await;
    for format in ["DYNAMODB_JSON", "ION"] {
        let input = json!({"TableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/tab", "S3Bucket": "source",
            "ExportFormat": format, "S3Prefix": format});
        let begun = cloud.ok("ExportTableToPointInTime", input).await;
        cloud.advance(1).await;
        let shown = cloud.ok("DescribeExport", json!({"ExportArn": begun["ExportDescription"]["ExportArn"]})).await;
        let manifest = shown["ExportDescription"]["ExportManifest"].as_str().unwrap();
        let data = manifest.replace("manifest-summary.json", "data/");
        let source = json!({"S3Bucket": "source", "S3KeyPrefix": data});
        let more = json!({"S3BucketSource": source, "InputCompressionType": "GZIP", "ClientToken": format});
        let ended = import(&cloud, format, more).await;
        assert_eq!((&ended["ImportStatus"], counts(&ended)), (&json!("COMPLETED"), [1, 1, 0]), "{ended}");
        assert_eq!(cloud.ok("Scan", json!({"TableName": "made"})).await["Items"], expected);
        cloud.ok("DeleteTable", json!({"TableName": "made"})).await;
    }
}
