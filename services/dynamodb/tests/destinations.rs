//! What is written to a table goes to streams of Kinesis.

use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;
use undercast_dynamodb::{DynamoDb, DynamoDbStreams};
use undercast_kernel::wire::text;
use undercast_kernel::{Service, metrics};
use undercast_kinesis::Kinesis;
use undercast_kms::Kms;
use undercast_testkit::{Answer, Client, Cloud, Folder};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

fn services(limits: bool) -> Vec<Arc<dyn Service>> {
    let kinesis = if limits { Kinesis::default() } else { Kinesis::without_limits() };
    vec![Arc::new(DynamoDb::default()), Arc::new(DynamoDbStreams), Arc::new(kinesis), Arc::new(Kms)]
}

async fn call(client: &Client, operation: &str, input: Json) -> Answer {
    client.call("dynamodb", operation, input).await
}

async fn begin(client: &Client) {
    let table = json!({"TableName": "table", "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"});
    call(client, "CreateTable", table).await.ok();
    client.call("kinesis", "CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await.ok();
}

async fn put(client: &Client, key: &str, value: &str) {
    let input = json!({"TableName": "table", "Item": {"pk": {"S": key}, "v": {"S": value}, "b": {"B": "AQI="}}});
    call(client, "PutItem", input).await.ok();
}

/// The destinations of the table, once the first of them has a status.
async fn until(client: &Client, status: &str) -> Json {
    for _ in 0..500 {
        let told = call(client, "DescribeKinesisStreamingDestination", json!({"TableName": "table"})).await.ok();
        if told["KinesisDataStreamDestinations"][0]["DestinationStatus"] == status {
            return told["KinesisDataStreamDestinations"].clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not become {status}");
}

async fn enable(client: &Client, configuration: Json) -> Json {
    let mut input = json!({"TableName": "table", "StreamArn": ARN});
    if configuration.is_object() {
        input["EnableKinesisStreamingConfiguration"] = configuration;
    }
    let told = call(client, "EnableKinesisStreamingDestination", input).await.ok();
    until(client, "ACTIVE").await;
    told
}

/// The records of the stream, once there are so many.
async fn records(client: &Client, count: usize) -> Vec<Json> {
    let start = json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    for _ in 0..100 {
        let place = client.call("kinesis", "GetShardIterator", start.clone()).await.ok()["ShardIterator"].clone();
        let got = client.call("kinesis", "GetRecords", json!({"ShardIterator": place})).await.ok();
        let all = got["Records"].as_array().unwrap();
        if all.len() >= count {
            let data = |record: &Json| text::unbase64(record["Data"].as_str().unwrap()).unwrap();
            return all.iter().map(|record| serde_json::from_slice(&data(record)).unwrap()).collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there are not {count} records");
}

#[tokio::test]
async fn writes_go_to_a_stream_in_the_form_that_aws_documents() {
    let cloud = Cloud::start(services(false)).await;
    let client = cloud.client();
    begin(&client).await;
    put(&client, "before", "x").await;
    let told = enable(&client, Json::Null).await;
    assert_eq!(
        (&told["DestinationStatus"], &told["StreamArn"], &told["TableName"]),
        (&json!("ENABLING"), &json!(ARN), &json!("table"))
    );
    put(&client, "a", "one").await;
    put(&client, "a", "one").await;
    put(&client, "a", "two").await;
    call(&client, "DeleteItem", json!({"TableName": "table", "Key": {"pk": {"S": "a"}}})).await.ok();
    let all = records(&client, 3).await;
    let names: Vec<&Json> = all.iter().map(|record| &record["eventName"]).collect();
    assert_eq!(names, ["INSERT", "MODIFY", "REMOVE"]);
    let (first, second, third) = (&all[0], &all[1], &all[2]);
    assert_eq!(
        (
            &first["awsRegion"],
            &first["eventSource"],
            &first["tableName"],
            &first["recordFormat"],
            &first["userIdentity"]
        ),
        (&json!("us-east-1"), &json!("aws:dynamodb"), &json!("table"), &json!("application/json"), &Json::Null)
    );
    assert_eq!(first["eventID"].as_str().unwrap().len(), 36);
    let image = |value: &str| json!({"pk": {"S": "a"}, "v": {"S": value}, "b": {"B": "AQI="}});
    assert_eq!(first["dynamodb"]["Keys"], json!({"pk": {"S": "a"}}));
    assert_eq!((&first["dynamodb"]["NewImage"], first["dynamodb"].get("OldImage")), (&image("one"), None));
    assert_eq!((&second["dynamodb"]["OldImage"], &second["dynamodb"]["NewImage"]), (&image("one"), &image("two")));
    assert_eq!((&third["dynamodb"]["OldImage"], third["dynamodb"].get("NewImage")), (&image("two"), None));
    let at = first["dynamodb"]["ApproximateCreationDateTime"].as_i64().unwrap();
    assert!((cloud.kernel.clock().now().as_millisecond() - at).abs() < 60_000, "{at} is in milliseconds");
    assert!(first["dynamodb"]["SizeBytes"].as_i64().unwrap() > 10);
    assert_eq!(first["dynamodb"].get("ApproximateCreationDateTimePrecision"), None);
}

#[tokio::test]
async fn moments_are_told_in_the_precision_that_is_wanted() {
    let cloud = Cloud::start(services(false)).await;
    let client = cloud.client();
    begin(&client).await;
    let told = enable(&client, json!({"ApproximateCreationDateTimePrecision": "MICROSECOND"})).await;
    assert_eq!(told["EnableKinesisStreamingConfiguration"]["ApproximateCreationDateTimePrecision"], "MICROSECOND");
    put(&client, "a", "one").await;
    let micros = &records(&client, 1).await[0]["dynamodb"];
    assert!(micros["ApproximateCreationDateTime"].as_i64().unwrap() > 1_700_000_000_000_000);
    assert_eq!(micros["ApproximateCreationDateTimePrecision"], "MICROSECOND");
    let update = |precision: &str| json!({"TableName": "table", "StreamArn": ARN, "UpdateKinesisStreamingConfiguration": {"ApproximateCreationDateTimePrecision": precision}});
    let same = call(&client, "UpdateKinesisStreamingDestination", update("MICROSECOND")).await;
    assert!(
        same.json["message"]
            .as_str()
            .unwrap()
            .starts_with("Invalid Request: Precision is already set to the desired value")
    );
    let told = call(&client, "UpdateKinesisStreamingDestination", update("MILLISECOND")).await.ok();
    assert_eq!(told["DestinationStatus"], "UPDATING");
    let all = until(&client, "ACTIVE").await;
    assert_eq!(all[0]["ApproximateCreationDateTimePrecision"], "MILLISECOND");
    put(&client, "b", "two").await;
    let millis = &records(&client, 2).await[1]["dynamodb"];
    assert!(millis["ApproximateCreationDateTime"].as_i64().unwrap() < 1_700_000_000_000_000);
}

#[tokio::test]
async fn destinations_end_and_begin_anew() {
    let cloud = Cloud::start(services(false)).await;
    let client = cloud.client();
    begin(&client).await;
    let named = json!({"TableName": "table", "StreamArn": ARN});
    let refused = call(&client, "DisableKinesisStreamingDestination", named.clone()).await;
    assert_eq!((refused.code(), refused.status), ("ValidationException", 400));
    let update = json!({"TableName": "table", "StreamArn": ARN});
    assert_eq!(call(&client, "UpdateKinesisStreamingDestination", update).await.code(), "ValidationException");
    enable(&client, Json::Null).await;
    let again = call(&client, "EnableKinesisStreamingDestination", named.clone()).await;
    let message = "Table is not in a valid state to enable Kinesis Streaming Destination: KinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE operation.";
    assert_eq!(again.json["message"], message);
    put(&client, "a", "1").await;
    records(&client, 1).await;
    let told = call(&client, "DisableKinesisStreamingDestination", named.clone()).await.ok();
    assert_eq!(told["DestinationStatus"], "DISABLING");
    until(&client, "DISABLED").await;
    put(&client, "a", "2").await;
    enable(&client, Json::Null).await;
    put(&client, "a", "3").await;
    let values: Vec<Json> =
        records(&client, 2).await.iter().map(|record| record["dynamodb"]["NewImage"]["v"]["S"].clone()).collect();
    assert_eq!(values, ["1", "3"]);
    // A stream that nobody has, and a table that nobody has.
    let nobody = json!({"TableName": "table", "StreamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/nobody"});
    let refused = call(&client, "EnableKinesisStreamingDestination", nobody).await;
    assert_eq!(refused.json["message"], "User does not have a permission to use kinesis stream");
    for operation in ["EnableKinesisStreamingDestination", "DisableKinesisStreamingDestination"] {
        let nobody = json!({"TableName": "nobody", "StreamArn": ARN});
        assert_eq!(call(&client, operation, nobody).await.code(), "ResourceNotFoundException", "{operation}");
    }
    let nobody = json!({"TableName": "nobody", "StreamArn": ARN,
        "UpdateKinesisStreamingConfiguration": {"ApproximateCreationDateTimePrecision": "MICROSECOND"}});
    assert_eq!(call(&client, "UpdateKinesisStreamingDestination", nobody).await.code(), "ResourceNotFoundException");
    for name in ["two", "three"] {
        client.call("kinesis", "CreateStream", json!({"StreamName": name, "ShardCount": 1})).await.ok();
    }
    let to = |name: &str| json!({"TableName": "table", "StreamArn": format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}")});
    call(&client, "EnableKinesisStreamingDestination", to("two")).await.ok();
    assert_eq!(call(&client, "EnableKinesisStreamingDestination", to("three")).await.code(), "LimitExceededException");
    call(&client, "DeleteTable", json!({"TableName": "table"})).await.ok();
}

#[tokio::test]
async fn what_a_stream_does_not_take_comes_later_and_is_counted() {
    let cloud = Cloud::start(services(true)).await;
    let client = cloud.client();
    begin(&client).await;
    enable(&client, Json::Null).await;
    // Three mebibytes are three seconds' worth of the shard.
    for n in 0..9 {
        put(&client, &format!("k{n}"), &"x".repeat(350_000)).await;
    }
    let start = json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    let mut place = client.call("kinesis", "GetShardIterator", start).await.ok()["ShardIterator"].clone();
    let mut count = 0;
    for _ in 0..40 {
        // Who reads has limits as well.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let got = client.call("kinesis", "GetRecords", json!({"ShardIterator": place})).await;
        if got.status == 200 {
            count += got.json["Records"].as_array().unwrap().len();
            place = got.json["NextShardIterator"].clone();
        }
        if count == 9 {
            break;
        }
    }
    assert_eq!(count, 9);
    cloud.kernel.keep_metrics().await.unwrap();
    let from = cloud.kernel.database().read();
    let all = metrics::list(&from, ("000000000000", "us-east-1"), Some("AWS/DynamoDB"), 0).unwrap();
    for name in ["AgeOfOldestUnreplicatedRecord", "ConsumedChangeDataCaptureUnits", "ThrottledPutRecordCount"] {
        assert!(all.iter().any(|series| series.name == name && series.dimensions.len() == 2), "{name}");
    }
}

#[tokio::test]
async fn writes_of_a_sealed_table_reach_a_sealed_stream() {
    let cloud = Cloud::start(services(false)).await;
    let client = cloud.client();
    begin(&client).await;
    let sealed = json!({"TableName": "table", "SSESpecification": {"Enabled": true}});
    call(&client, "UpdateTable", sealed).await.ok();
    let start = json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"});
    client.call("kinesis", "DescribeStream", json!({"StreamName": "s"})).await.ok();
    client.call("kinesis", "StartStreamEncryption", start).await.ok();
    enable(&client, Json::Null).await;
    put(&client, "a", "secret").await;
    assert_eq!(records(&client, 1).await[0]["dynamodb"]["NewImage"]["v"]["S"], "secret");
}

#[test]
fn what_was_acknowledged_is_delivered_after_the_cloud_was_opened_again() {
    let folder = Folder::new();
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime().block_on(async {
        let cloud = Cloud::in_folder(services(false), &folder).await;
        let client = cloud.client();
        begin(&client).await;
        enable(&client, Json::Null).await;
        for n in 0..20 {
            put(&client, &format!("k{n}"), "x").await;
        }
    });
    runtime().block_on(async {
        let cloud = Cloud::in_folder(services(false), &folder).await;
        let all = records(&cloud.client(), 20).await;
        let mut keys: Vec<&str> = all.iter().map(|r| r["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 20, "each at least once");
    });
}

#[tokio::test]
async fn a_template_says_where_writes_go() {
    let cloud = Cloud::start(services(false)).await;
    let (client, cx) = (cloud.client(), cloud.kernel.cx_for("000000000000", "us-east-1"));
    client.call("kinesis", "CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await.ok();
    client.call("kinesis", "CreateStream", json!({"StreamName": "u", "ShardCount": 1})).await.ok();
    let types = DynamoDb::default().resource_types();
    let tables = types.into_iter().find(|t| t.name() == "AWS::DynamoDB::Table").unwrap();
    let with = |specification: Json| {
        let mut properties = json!({"TableName": "table", "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"});
        if specification.is_object() {
            properties["KinesisStreamSpecification"] = specification;
        }
        undercast_kernel::resources::ResourceRequest {
            stack: "stack".to_owned(),
            stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/stack/1".to_owned(),
            logical_id: "Table".to_owned(),
            properties: properties.as_object().unwrap().clone(),
            tags: Vec::new(),
        }
    };
    let first = with(json!({"StreamArn": ARN}));
    tables.create(&cx, &first).await.unwrap();
    assert_eq!(until(&client, "ACTIVE").await[0]["StreamArn"], ARN);
    let micros = with(json!({"StreamArn": ARN, "ApproximateCreationDateTimePrecision": "MICROSECOND"}));
    tables.update(&cx, "table", &first.properties, &micros).await.unwrap();
    assert_eq!(until(&client, "ACTIVE").await[0]["ApproximateCreationDateTimePrecision"], "MICROSECOND");
    let other = with(json!({"StreamArn": ARN.replace("/s", "/u")}));
    tables.update(&cx, "table", &micros.properties, &other).await.unwrap();
    assert_eq!(until(&client, "DISABLED").await[1]["DestinationStatus"], "ACTIVE");
    let none = with(Json::Null);
    tables.update(&cx, "table", &other.properties, &none).await.unwrap();
    let told = call(&client, "DescribeKinesisStreamingDestination", json!({"TableName": "table"})).await.ok();
    let statuses: Vec<&Json> =
        told["KinesisDataStreamDestinations"].as_array().unwrap().iter().map(|d| &d["DestinationStatus"]).collect();
    assert_eq!(statuses, ["DISABLED", "DISABLED"]);
    tables.delete(&cx, "table", &none.properties).await.unwrap();
}
