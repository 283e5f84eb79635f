//! Encryption with a key of KMS.

use serde_json::json;

use crate::support::{advance, call, cloud, create, keys, object, put};

#[tokio::test]
async fn records_are_sealed_with_a_key_that_can_be_taken_away() {
    let (cloud, client) = cloud().await;
    create(&client, json!({"BufferingHints": {"IntervalInSeconds": 400, "SizeInMBs": 5}})).await;
    put(&client, "plain ").await;
    let made = client.call("kms", "CreateKey", json!({})).await.ok();
    let key = made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let wanted = json!({"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": key});
    let input = json!({"DeliveryStreamName": "s", "DeliveryStreamEncryptionConfigurationInput": wanted});
    call(&client, "StartDeliveryStreamEncryption", input).await;
    let told = call(&client, "DescribeDeliveryStream", json!({"DeliveryStreamName": "s"})).await;
    let told = &told["DeliveryStreamDescription"]["DeliveryStreamEncryptionConfiguration"];
    assert_eq!((&told["Status"], &told["KeyARN"]), (&json!("ENABLED"), &json!(key)));
    put(&client, "sealed ").await;

    client.call("kms", "DisableKey", json!({"KeyId": key})).await.ok();
    // The key is asked for again after five minutes.
    advance(&cloud, 310).await;
    let refused = json!({"DeliveryStreamName": "s", "Record": {"Data": "eA=="}});
    assert_eq!(client.call("firehose", "PutRecord", refused).await.code(), "InvalidKMSResourceException");
    let refused = json!({"DeliveryStreamName": "s", "Records": [{"Data": "eA=="}]});
    assert_eq!(client.call("firehose", "PutRecordBatch", refused).await.code(), "InvalidKMSResourceException");
    advance(&cloud, 100).await;
    assert_eq!(keys(&client).await.len(), 0);
    client.call("kms", "EnableKey", json!({"KeyId": key})).await.ok();
    put(&client, "again ").await;
    call(&client, "StopDeliveryStreamEncryption", json!({"DeliveryStreamName": "s"})).await;
    let grants = client.call("kms", "ListGrants", json!({"KeyId": key})).await.ok();
    assert_eq!(grants["Grants"], json!([]));
    client.call("kms", "DisableKey", json!({"KeyId": key})).await.ok();
    put(&client, "open").await;
    advance(&cloud, 700).await;
    // What was on its way goes by itself.
    let mut all = String::new();
    for key in keys(&client).await {
        all.push_str(&String::from_utf8(object(&client, &key).await).unwrap());
    }
    assert_eq!(all, "plain sealed again open");
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let (_cloud, client) = cloud().await;
    create(&client, json!({})).await;
    let key = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";
    let wanted = json!({"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": key});
    let input = json!({"DeliveryStreamName": "s", "DeliveryStreamEncryptionConfigurationInput": wanted});
    let refused = client.call("firehose", "StartDeliveryStreamEncryption", input).await;
    assert_eq!(refused.code(), "InvalidKMSResourceException");
    let told = call(&client, "DescribeDeliveryStream", json!({"DeliveryStreamName": "s"})).await;
    let told = &told["DeliveryStreamDescription"]["DeliveryStreamEncryptionConfiguration"];
    assert_eq!(told["Status"], "DISABLED");
}
