//! Tables that are encrypted with keys of KMS.

use crate::cloud::{Cloud, table, whole};
use serde_json::{Value as Json, json};
use undercast_testkit::Folder;

/// What no row may hold as it is.
const SECRET: &str = "nobody reads this";

async fn key(cloud: &Cloud) -> Json {
    cloud.other("kms", "CreateKey", json!({})).await["KeyMetadata"]["Arn"].clone()
}

/// A table with an index, a stream and a history.
fn wanted(specification: Json) -> Json {
    let mut input = table("tab", "pk:S", "");
    input["AttributeDefinitions"].as_array_mut().unwrap().push(json!({"AttributeName": "g", "AttributeType": "S"}));
    input["GlobalSecondaryIndexes"] = json!([{"IndexName": "by-g", "Projection": {"ProjectionType": "ALL"},
        "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}]}]);
    input["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
    if !specification.is_null() {
        input["SSESpecification"] = specification;
    }
    input
}

async fn prepared(specification: Json) -> Cloud {
    let cloud = Cloud::whole();
    cloud.ok("CreateTable", wanted(specification)).await;
    let recovery = json!({"PointInTimeRecoveryEnabled": true});
    cloud
        .ok("UpdateContinuousBackups", json!({"TableName": "tab", "PointInTimeRecoverySpecification": recovery}))
        .await;
    cloud
}

async fn put(cloud: &Cloud, pk: &str) {
    cloud.put(json!({"pk": {"S": pk}, "g": {"S": "g"}, "v": {"S": SECRET}})).await;
}

async fn value(cloud: &Cloud, pk: &str) -> Json {
    cloud.get(json!({"pk": {"S": pk}})).await["v"]["S"].take()
}

async fn shown(cloud: &Cloud, name: &str) -> Json {
    cloud.ok("DescribeTable", json!({"TableName": name})).await["Table"].clone()
}

async fn change(cloud: &Cloud, specification: Json) -> Json {
    let input = json!({"TableName": "tab", "SSESpecification": specification});
    cloud.ok("UpdateTable", input).await["TableDescription"]["SSEDescription"].clone()
}

fn with_key(key: &Json) -> Json {
    json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": key})
}

async fn shards(cloud: &Cloud, arn: &Json) -> Json {
    let stream = cloud.ok("DescribeStream", json!({"StreamArn": arn})).await;
    let shard = &stream["StreamDescription"]["Shards"][0]["ShardId"];
    let input = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = cloud.ok("GetShardIterator", input).await["ShardIterator"].clone();
    cloud.ok("GetRecords", json!({"ShardIterator": iterator})).await["Records"].clone()
}

#[tokio::test]
async fn nothing_of_an_encrypted_table_stands_in_the_store_as_it_is() {
    let cloud = prepared(json!({"Enabled": true})).await;
    put(&cloud, "a").await;
    put(&cloud, "b").await;
    let update = json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "SET w = v"});
    cloud.ok("UpdateItem", update).await;
    assert_eq!(value(&cloud, "a").await, SECRET);
    let by_index = cloud.ok("Scan", json!({"TableName": "tab", "IndexName": "by-g"})).await;
    assert_eq!((&by_index["Count"], &by_index["Items"][0]["v"]["S"]), (&json!(2), &json!(SECRET)));
    let table = shown(&cloud, "tab").await;
    let sse = &table["SSEDescription"];
    let managed = cloud.other("kms", "DescribeKey", json!({"KeyId": "alias/aws/dynamodb"})).await;
    assert_eq!((&sse["Status"], &sse["SSEType"]), (&json!("ENABLED"), &json!("KMS")));
    assert_eq!(sse["KMSMasterKeyArn"], managed["KeyMetadata"]["Arn"]);
    let records = shards(&cloud, &table["LatestStreamArn"]).await;
    assert_eq!(records[2]["dynamodb"]["OldImage"]["v"]["S"], SECRET);
    cloud.ok("CreateBackup", json!({"TableName": "tab", "BackupName": "one"})).await;
    assert!(!cloud.holds(SECRET));
    let plain = prepared(Json::Null).await;
    put(&plain, "a").await;
    assert!(plain.holds(SECRET) && shown(&plain, "tab").await.get("SSEDescription").is_none());
}

#[tokio::test]
async fn a_key_that_is_disabled_closes_its_table() {
    let cloud = Cloud::whole();
    let key = key(&cloud).await;
    cloud.ok("CreateTable", wanted(with_key(&key))).await;
    put(&cloud, "a").await;
    cloud.other("kms", "DisableKey", json!({"KeyId": key})).await;
    cloud.advance(200).await;
    assert_eq!(value(&cloud, "a").await, SECRET, "the key is used for five minutes");
    cloud.advance(200).await;
    let message = format!(
        "KMS key disabled error: com.amazonaws.services.kms.model.DisabledException: {} is disabled.",
        key.as_str().unwrap()
    );
    let get = json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}});
    for (operation, input) in [
        ("GetItem", get.clone()),
        ("Scan", json!({"TableName": "tab"})),
        ("BatchGetItem", json!({"RequestItems": {"tab": {"Keys": [{"pk": {"S": "a"}}]}}})),
        ("TransactGetItems", json!({"TransactItems": [{"Get": get}]})),
        ("ExecuteStatement", json!({"Statement": "SELECT * FROM tab"})),
        (
            "UpdateTimeToLive",
            json!({"TableName": "tab", "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "t"}}),
        ),
        ("CreateBackup", json!({"TableName": "tab", "BackupName": "one"})),
        ("UpdateTable", json!({"TableName": "tab", "SSESpecification": {"Enabled": false}})),
    ] {
        let refusal = cloud.err(operation, input).await;
        assert!(
            refusal.code == "ValidationException" && refusal.message.starts_with(&message),
            "{operation}: {refusal:?}"
        );
    }
    assert_eq!(shown(&cloud, "tab").await["TableStatus"], "ACTIVE");
    cloud.advance(3600).await;
    let closed = shown(&cloud, "tab").await;
    assert_eq!(closed["TableStatus"], "INACCESSIBLE_ENCRYPTION_CREDENTIALS");
    assert!(closed["SSEDescription"]["InaccessibleEncryptionDateTime"].is_number());
    cloud.ok("UpdateTable", json!({"TableName": "tab", "DeletionProtectionEnabled": true})).await;
    cloud.ok("ListTagsOfResource", json!({"ResourceArn": closed["TableArn"]})).await;
    cloud.other("kms", "EnableKey", json!({"KeyId": key})).await;
    assert_eq!(value(&cloud, "a").await, SECRET);
    cloud.advance(3600).await;
    let open = shown(&cloud, "tab").await;
    assert_eq!(
        (&open["TableStatus"], open["SSEDescription"].get("InaccessibleEncryptionDateTime")),
        (&json!("ACTIVE"), None)
    );
}

#[tokio::test]
async fn encryption_can_be_changed_and_all_stays_readable() {
    let cloud = prepared(Json::Null).await;
    put(&cloud, "a").await;
    let (first, second) = (key(&cloud).await, key(&cloud).await);
    let default = json!({"TableName": "tab", "SSESpecification": {"Enabled": false}});
    assert!(cloud.err("UpdateTable", default.clone()).await.message.ends_with("Table is already encrypted by default"));
    assert_eq!(change(&cloud, with_key(&first)).await, json!({"Status": "UPDATING"}));
    assert_eq!(shown(&cloud, "tab").await["SSEDescription"]["Status"], "UPDATING");
    let busy = cloud.err("UpdateTable", default).await;
    assert_eq!(busy.code, "ResourceInUseException");
    put(&cloud, "b").await;
    cloud.advance(1).await;
    assert_eq!(shown(&cloud, "tab").await["SSEDescription"]["Status"], "ENABLED");
    assert_eq!((value(&cloud, "a").await, value(&cloud, "b").await), (json!(SECRET), json!(SECRET)));
    let again = cloud.err("UpdateTable", json!({"TableName": "tab", "SSESpecification": with_key(&first)})).await;
    assert!(again.message.contains("Table is already encrypted with given KMSMasterKeyId"), "{}", again.message);
    let left = change(&cloud, with_key(&second)).await;
    assert_eq!((&left["Status"], &left["KMSMasterKeyArn"]), (&json!("UPDATING"), &first));
    assert_eq!(shown(&cloud, "tab").await["SSEDescription"]["KMSMasterKeyArn"], second);
    cloud.other("kms", "DisableKey", json!({"KeyId": first})).await;
    cloud.advance(600).await;
    assert_eq!(value(&cloud, "a").await, SECRET, "the old key is not needed any more");
    let grants = cloud.other("kms", "ListGrants", json!({"KeyId": first})).await;
    assert_eq!(grants["Grants"], json!([]));
    change(&cloud, json!({"Enabled": false})).await;
    assert!(shown(&cloud, "tab").await.get("SSEDescription").is_none());
    cloud.other("kms", "DisableKey", json!({"KeyId": second})).await;
    cloud.advance(600).await;
    put(&cloud, "c").await;
    for pk in ["a", "b", "c"] {
        assert_eq!(value(&cloud, pk).await, SECRET);
    }
    // It has seen every kind of key; its history and its stream open with each.
    cloud
        .ok(
            "RestoreTableToPointInTime",
            json!({"SourceTableName": "tab", "TargetTableName": "past", "UseLatestRestorableTime": true}),
        )
        .await;
    assert_eq!(cloud.ok("Scan", json!({"TableName": "past"})).await["Count"], 3);
    let records = shards(&cloud, &shown(&cloud, "tab").await["LatestStreamArn"]).await;
    assert_eq!(records.as_array().unwrap().len(), 3);
    change(&cloud, json!({"SSEType": "KMS"})).await;
    cloud.advance(1).await;
    assert_eq!((value(&cloud, "a").await, value(&cloud, "c").await), (json!(SECRET), json!(SECRET)));
}

#[tokio::test]
async fn encryption_is_not_changed_too_often() {
    let cloud = prepared(Json::Null).await;
    let keys = [key(&cloud).await, key(&cloud).await];
    for number in 0..4 {
        change(&cloud, with_key(&keys[number % 2])).await;
        cloud.advance(2).await;
    }
    let more = json!({"TableName": "tab", "SSESpecification": with_key(&keys[0])});
    let refused = cloud.err("UpdateTable", more).await;
    assert_eq!((refused.status, refused.code.as_str()), (400, "LimitExceededException"));
    for part in [
        "Subscriber limit exceeded: Encryption mode changes are limited in the 24h window ending at 20",
        "Number of updates today: 4. Last change at 20",
    ] {
        assert!(refused.message.contains(part), "{}", refused.message);
    }
    cloud.advance(21_600).await;
    change(&cloud, with_key(&keys[0])).await;
    // Back to DynamoDB's own key a table may go at all times.
    change(&cloud, json!({"Enabled": false})).await;
    assert!(shown(&cloud, "tab").await.get("SSEDescription").is_none());
}

#[tokio::test]
async fn rows_that_were_there_before_are_sealed() {
    let cloud = Cloud::whole().with_table().await;
    for number in 0..1500 {
        cloud.put(json!({"pk": {"S": format!("k{number}")}, "v": {"S": SECRET}})).await;
    }
    assert!(cloud.holds(SECRET));
    change(&cloud, json!({"Enabled": true})).await;
    cloud.advance(1).await;
    assert!(!cloud.holds(SECRET));
    assert_eq!(value(&cloud, "k77").await, SECRET);
    cloud.ok("DeleteTable", json!({"TableName": "tab"})).await;
    cloud.advance(3600).await;
}

#[tokio::test]
async fn keys_that_cannot_be_used_make_no_table() {
    let cloud = Cloud::whole();
    let refused = async |specification: Json| {
        let refusal = cloud.err("CreateTable", wanted(specification)).await;
        (refusal.status, refusal.code, refusal.message)
    };
    let invalid = "One or more parameter values were invalid: ";
    for (specification, message) in [
        (json!({"Enabled": false, "SSEType": "KMS"}), "SSEType can not be specified if Enabled is false"),
        (json!({"Enabled": false, "KMSMasterKeyId": "x"}), "KMSMasterKeyId can not be specified if Enabled is false"),
        (json!({"Enabled": true, "SSEType": "AES256"}), "SSEType AES256 is not supported"),
        (json!({"Enabled": true, "KMSMasterKeyId": "x"}), "SSEType KMS is required if KMSMasterKeyId is specified"),
    ] {
        assert_eq!(refused(specification).await.2, format!("{invalid}{message}"));
    }
    let missing = refused(with_key(&json!("alias/none"))).await;
    assert!(
        missing.2.starts_with("KMS validation error: com.amazonaws.services.kms.model.NotFoundException: Alias "),
        "{missing:?}"
    );
    let disabled = key(&cloud).await;
    cloud.other("kms", "DisableKey", json!({"KeyId": disabled})).await;
    assert!(refused(with_key(&disabled)).await.2.starts_with("KMS key disabled error: "));
    let deleted = key(&cloud).await;
    cloud.other("kms", "ScheduleKeyDeletion", json!({"KeyId": deleted})).await;
    let deleted = refused(with_key(&deleted)).await;
    assert!(
        deleted.2.starts_with("KMS validation error: com.amazonaws.services.kms.model.KMSInvalidStateException: "),
        "{deleted:?}"
    );
    let pair = cloud.other("kms", "CreateKey", json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"})).await;
    let pair = refused(with_key(&pair["KeyMetadata"]["Arn"])).await;
    assert_eq!((pair.0, pair.1.as_str()), (500, "InternalServerError"));
    assert_eq!(cloud.ok("ListTables", json!({})).await["TableNames"], json!([]));
    cloud.ok("CreateTable", wanted(json!({}))).await;
    let pair = cloud.other("kms", "CreateKey", json!({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"})).await;
    let pair = with_key(&pair["KeyMetadata"]["Arn"]);
    let backup =
        cloud.ok("CreateBackup", json!({"TableName": "tab", "BackupName": "one"})).await["BackupDetails"]["BackupArn"]
            .clone();
    let recovery = json!({"PointInTimeRecoveryEnabled": true});
    cloud
        .ok("UpdateContinuousBackups", json!({"TableName": "tab", "PointInTimeRecoverySpecification": recovery}))
        .await;
    for (operation, input) in [
        ("UpdateTable", json!({"TableName": "tab", "SSESpecification": pair})),
        (
            "RestoreTableFromBackup",
            json!({"BackupArn": backup, "TargetTableName": "two", "SSESpecificationOverride": pair}),
        ),
        (
            "RestoreTableToPointInTime",
            json!({"SourceTableName": "tab", "UseLatestRestorableTime": true, "TargetTableName": "two", "SSESpecificationOverride": pair}),
        ),
    ] {
        assert_eq!(cloud.err(operation, input).await.code, "InternalServerError", "{operation}");
    }
    let both = json!({"TableName": "tab", "SSESpecification": {"Enabled": true}, "DeletionProtectionEnabled": true});
    assert!(cloud.err("UpdateTable", both).await.message.ends_with("must be the only operation in the request"));
}

#[tokio::test]
async fn callers_must_be_allowed_to_decrypt() {
    let cloud = Cloud::whole();
    let key = key(&cloud).await;
    cloud.ok("CreateTable", wanted(with_key(&key))).await;
    put(&cloud, "a").await;
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]});
    let user = cloud.as_user(&policy);
    let denied = user.err("GetItem", json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}})).await;
    assert_eq!(denied.code, "AccessDeniedException");
    assert!(
        denied
            .message
            .starts_with("KMS key access denied error: com.amazonaws.services.kms.model.AWSKMSException: User: "),
        "{}",
        denied.message
    );
    let mut other = wanted(with_key(&key));
    other["TableName"] = json!("other");
    assert_eq!(user.err("CreateTable", other).await.code, "AccessDeniedException");
    assert_eq!(value(&cloud, "a").await, SECRET);
}

#[tokio::test]
async fn copies_of_an_encrypted_table_are_encrypted() {
    let cloud = prepared(json!({"SSEType": "KMS"})).await;
    put(&cloud, "a").await;
    let backup =
        cloud.ok("CreateBackup", json!({"TableName": "tab", "BackupName": "one"})).await["BackupDetails"]["BackupArn"]
            .clone();
    let own = key(&cloud).await;
    for (operation, name, more, expected) in [
        (
            "RestoreTableFromBackup",
            "one",
            json!({"BackupArn": backup}),
            shown(&cloud, "tab").await["SSEDescription"]["KMSMasterKeyArn"].clone(),
        ),
        (
            "RestoreTableFromBackup",
            "two",
            json!({"BackupArn": backup, "SSESpecificationOverride": with_key(&own)}),
            own.clone(),
        ),
        (
            "RestoreTableToPointInTime",
            "three",
            json!({"SourceTableName": "tab", "UseLatestRestorableTime": true, "SSESpecificationOverride": {"Enabled": false}}),
            Json::Null,
        ),
    ] {
        let mut input = more;
        input["TargetTableName"] = json!(name);
        cloud.ok(operation, input).await;
        assert_eq!(shown(&cloud, name).await["SSEDescription"]["KMSMasterKeyArn"], expected, "{name}");
        assert_eq!(cloud.ok("Scan", json!({"TableName": name})).await["Items"][0]["v"]["S"], SECRET, "{name}");
        assert_eq!(cloud.holds(SECRET), name == "three", "{name}");
    }
    let taken = cloud.err("RestoreTableFromBackup", json!({"BackupArn": backup, "TargetTableName": "one"})).await;
    assert_eq!(taken.code, "TableAlreadyExistsException");
    let described = cloud.ok("DescribeBackup", json!({"BackupArn": backup})).await;
    assert_eq!(described["BackupDescription"]["SourceTableFeatureDetails"]["SSEDescription"]["SSEType"], "KMS");
}

#[tokio::test]
async fn encrypted_tables_are_exported_and_imported() {
    let cloud = prepared(json!({"SSEType": "KMS"})).await;
    put(&cloud, "a").await;
    cloud.other("s3", "CreateBucket", json!({"Bucket": "between"})).await;
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/tab";
    let begun = cloud.ok("ExportTableToPointInTime", json!({"TableArn": arn, "S3Bucket": "between"})).await;
    cloud.advance(1).await;
    let ended = cloud.ok("DescribeExport", json!({"ExportArn": begun["ExportDescription"]["ExportArn"]})).await["ExportDescription"].clone();
    assert_eq!(ended["ItemCount"], 1, "{ended}");
    let prefix = ended["ExportManifest"].as_str().unwrap().replace("manifest-summary.json", "data/");
    let mut parameters = table("made", "pk:S", "");
    parameters["SSESpecification"] = json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": "alias/aws/dynamodb"});
    let input = json!({"ClientToken": "token", "InputFormat": "DYNAMODB_JSON", "InputCompressionType": "GZIP",
        "S3BucketSource": {"S3Bucket": "between", "S3KeyPrefix": prefix}, "TableCreationParameters": parameters});
    let begun = cloud.ok("ImportTable", input).await["ImportTableDescription"].clone();
    assert_eq!(begun["TableCreationParameters"]["SSESpecification"], parameters["SSESpecification"]);
    cloud.advance(1).await;
    assert_eq!(cloud.ok("Scan", json!({"TableName": "made"})).await["Items"][0]["v"]["S"], SECRET);
    assert_eq!(shown(&cloud, "made").await["SSEDescription"]["Status"], "ENABLED");
    assert!(!cloud.holds(SECRET));
}

#[tokio::test]
async fn items_of_an_encrypted_table_expire_and_leave_readable_records() {
    let cloud = Cloud::whole();
    let key = key(&cloud).await;
    cloud.ok("CreateTable", wanted(with_key(&key))).await;
    cloud
        .ok(
            "UpdateTimeToLive",
            json!({"TableName": "tab", "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "t"}}),
        )
        .await;
    cloud.put(json!({"pk": {"S": "a"}, "v": {"S": SECRET}, "t": {"N": (cloud.now() + 50).to_string()}})).await;
    let stream = shown(&cloud, "tab").await["LatestStreamArn"].clone();
    cloud.advance(100).await;
    assert_eq!(cloud.ok("Scan", json!({"TableName": "tab"})).await["Count"], 0);
    cloud.ok("DeleteTable", json!({"TableName": "tab"})).await;
    let records = shards(&cloud, &stream).await;
    assert_eq!(records[1]["dynamodb"]["OldImage"]["v"]["S"], SECRET);
    assert_eq!(cloud.other("kms", "ListGrants", json!({"KeyId": key})).await["Grants"], json!([]));
}

/// After a restart no key is at hand, and KMS is asked for it.
#[test]
fn an_encrypted_table_opens_after_a_restart() {
    let folder = Folder::new();
    for round in 0..2 {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cloud = undercast_testkit::Cloud::in_folder(whole(), &folder).await;
            let client = cloud.client();
            if round == 0 {
                client.call("dynamodb", "CreateTable", wanted(json!({"Enabled": true}))).await;
                let item = json!({"TableName": "tab", "Item": {"pk": {"S": "a"}, "v": {"S": SECRET}}});
                assert_eq!(client.call("dynamodb", "PutItem", item).await.status, 200);
            }
            let got = client.call("dynamodb", "GetItem", json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}})).await;
            assert_eq!(got.json["Item"]["v"]["S"], SECRET, "{}", got.json);
        });
    }
}
