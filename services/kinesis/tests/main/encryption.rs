//! Records that are sealed with a key of KMS.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::{Client, Cloud, Credentials};

use crate::support::{ARN, all, call, create, get, holding, iterator, put, services, settled, with_stream};

const SHARD: &str = "shardId-000000000000";

async fn start(client: &Client, key: &str) {
    let input = json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": key});
    call(client, "StartStreamEncryption", input).await.ok();
    settled(client).await;
}

async fn key(client: &Client) -> String {
    let made = client.call("kms", "CreateKey", json!({})).await.ok();
    made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_written_under_a_key_is_sealed_and_opened() {
    let cloud = Cloud::durable(services()).await;
    let client = cloud.client();
    create(&client, 1).await;
    put(&client, "a", "a plain record").await;
    start(&client, "alias/aws/kinesis").await;
    let described = settled(&client).await;
    assert_eq!((&described["EncryptionType"], &described["KeyId"]), (&json!("KMS"), &json!("alias/aws/kinesis")));
    let put_sealed = put(&client, "a", "a sealed record").await;
    assert_eq!(put_sealed["EncryptionType"], "KMS");
    let many = json!({"StreamName": "s", "Records": [{"PartitionKey": "a", "Data": text::base64(b"another")}]});
    assert_eq!(call(&client, "PutRecords", many).await.ok()["EncryptionType"], "KMS");
    let first = iterator(&client, SHARD, "TRIM_HORIZON", json!({})).await;
    let got = get(&client, &first, json!({})).await;
    let kinds: Vec<&Json> = got["Records"].as_array().unwrap().iter().map(|r| &r["EncryptionType"]).collect();
    assert_eq!(kinds, [&Json::Null, &json!("KMS"), &json!("KMS")]);
    assert_eq!(all(&client, SHARD).await, ["a plain record", "a sealed record", "another"]);
    let stop = json!({"StreamARN": ARN, "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"});
    call(&client, "StopStreamEncryption", stop).await.ok();
    assert_eq!(settled(&client).await["EncryptionType"], "NONE");
    put(&client, "a", "plain again").await;
    assert_eq!(all(&client, SHARD).await.len(), 4);
    // On the disk there is nothing of it.
    let folder = cloud.kernel.settings().data.clone().unwrap();
    let mut files = vec![folder];
    let mut found = Vec::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().flatten().map(|entry| entry.path()));
        } else if let Ok(bytes) = std::fs::read(&path) {
            for text in ["a plain record", "a sealed record"] {
                if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                    found.push(text);
                }
            }
        }
    }
    found.dedup();
    assert_eq!(found, ["a plain record"]);
}

#[tokio::test]
async fn a_key_that_cannot_be_used_refuses_writers_and_readers_after_five_minutes() {
    let (cloud, client) = with_stream(1).await;
    let longer = json!({"StreamName": "s", "RetentionPeriodHours": 240});
    call(&client, "IncreaseStreamRetentionPeriod", longer).await.ok();
    settled(&client).await;
    let key = key(&client).await;
    start(&client, &key).await;
    put(&client, "a", "x").await;
    assert_eq!(all(&client, SHARD).await, ["x"]);
    client.call("kms", "DisableKey", json!({"KeyId": key})).await.ok();
    put(&client, "a", "y").await;
    assert_eq!(all(&client, SHARD).await, ["x", "y"]);
    cloud.kernel.advance(Duration::from_secs(301)).await.unwrap();
    let input = json!({"StreamName": "s", "PartitionKey": "a", "Data": ""});
    assert_eq!(call(&client, "PutRecord", input.clone()).await.code(), "KMSDisabledException");
    let many = json!({"StreamName": "s", "Records": [{"PartitionKey": "a", "Data": ""}]});
    assert_eq!(call(&client, "PutRecords", many.clone()).await.code(), "KMSDisabledException");
    let place = iterator(&client, SHARD, "TRIM_HORIZON", json!({})).await;
    let read = json!({"ShardIterator": place});
    assert_eq!(call(&client, "GetRecords", read.clone()).await.code(), "KMSDisabledException");
    client.call("kms", "ScheduleKeyDeletion", json!({"KeyId": key, "PendingWindowInDays": 7})).await.ok();
    for (operation, input) in [("PutRecord", input.clone()), ("PutRecords", many.clone()), ("GetRecords", read.clone())]
    {
        assert_eq!(call(&client, operation, input).await.code(), "KMSInvalidStateException", "{operation}");
    }
    cloud.kernel.advance(Duration::from_secs(8 * 24 * 3600)).await.unwrap();
    let place = iterator(&client, SHARD, "TRIM_HORIZON", json!({})).await;
    let read = json!({"ShardIterator": place});
    for (operation, input) in [("PutRecord", input), ("PutRecords", many), ("GetRecords", read)] {
        assert_eq!(call(&client, operation, input).await.code(), "KMSNotFoundException", "{operation}");
    }
}

#[tokio::test]
async fn a_key_that_nobody_can_write_with_is_refused() {
    let (_cloud, client) = with_stream(1).await;
    let begin = |key: &str| json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": key});
    let nobody = "12345678-1234-1234-1234-123456789012";
    assert_eq!(call(&client, "StartStreamEncryption", begin(nobody)).await.code(), "KMSNotFoundException");
    let key = key(&client).await;
    client.call("kms", "DisableKey", json!({"KeyId": key})).await.ok();
    assert_eq!(call(&client, "StartStreamEncryption", begin(&key)).await.code(), "KMSDisabledException");
    client.call("kms", "ScheduleKeyDeletion", json!({"KeyId": key, "PendingWindowInDays": 7})).await.ok();
    assert_eq!(call(&client, "StartStreamEncryption", begin(&key)).await.code(), "KMSInvalidStateException");
    assert_eq!(settled(&client).await["EncryptionType"], "NONE");
    let none = json!({"StreamName": "s", "EncryptionType": "NONE", "KeyId": key});
    assert_eq!(call(&client, "StartStreamEncryption", none.clone()).await.code(), "InvalidArgumentException");
    assert_eq!(call(&client, "StopStreamEncryption", none).await.code(), "InvalidArgumentException");
}

#[tokio::test]
async fn encryption_is_changed_twenty_five_times_a_day() {
    let (_cloud, client) = with_stream(1).await;
    let input = json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"});
    for n in 0..25 {
        let operation = if n % 2 == 0 { "StartStreamEncryption" } else { "StopStreamEncryption" };
        call(&client, operation, input.clone()).await.ok();
        settled(&client).await;
    }
    for operation in ["StopStreamEncryption", "StartStreamEncryption"] {
        assert_eq!(call(&client, operation, input.clone()).await.code(), "LimitExceededException", "{operation}");
    }
}

#[tokio::test]
async fn writers_need_the_right_to_make_data_keys_and_readers_that_to_decrypt() {
    let (_cloud, client) = with_stream(1).await;
    let key = key(&client).await;
    start(&client, &key).await;
    put(&client, "a", "x").await;
    client.call("iam", "CreateUser", json!({"UserName": "u"})).await.ok();
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kinesis:*", "Resource": "*"}]});
    let attach = json!({"UserName": "u", "PolicyName": "p", "PolicyDocument": policy.to_string()});
    client.call("iam", "PutUserPolicy", attach).await.ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": "u"})).await.ok()["AccessKey"].clone();
    let keys = Credentials::new(made["AccessKeyId"].as_str().unwrap(), made["SecretAccessKey"].as_str().unwrap());
    let user = holding(&client, keys);
    let input = json!({"StreamName": "s", "PartitionKey": "a", "Data": ""});
    assert_eq!(call(&user, "PutRecord", input.clone()).await.code(), "KMSAccessDeniedException");
    let many = json!({"StreamName": "s", "Records": [{"PartitionKey": "a", "Data": ""}]});
    assert_eq!(call(&user, "PutRecords", many).await.code(), "KMSAccessDeniedException");
    let place = iterator(&user, SHARD, "TRIM_HORIZON", json!({})).await;
    let read = json!({"ShardIterator": place});
    assert_eq!(call(&user, "GetRecords", read.clone()).await.code(), "KMSAccessDeniedException");
    let begin = json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": key});
    assert_eq!(call(&user, "StartStreamEncryption", begin).await.code(), "KMSAccessDeniedException");
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "kinesis:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Condition": {"StringEquals": {
            "kms:ViaService": "kinesis.us-east-1.amazonaws.com", "kms:EncryptionContext:aws:kinesis:arn": ARN}}}]});
    let attach = json!({"UserName": "u", "PolicyName": "p", "PolicyDocument": policy.to_string()});
    client.call("iam", "PutUserPolicy", attach).await.ok();
    call(&user, "GetRecords", read).await.ok();
    assert_eq!(call(&user, "PutRecord", input).await.code(), "KMSAccessDeniedException");
}
