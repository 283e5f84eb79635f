//! `AWS::DynamoDB::Table` as CloudFormation drives it.

use crate::cloud::{Cloud, table};
use serde_json::{Value as Json, json};
use undercast_dynamodb::DynamoDb;
use undercast_kernel::Service as _;
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated};

fn properties(json: &Json) -> Properties {
    json.as_object().unwrap().clone()
}

fn request(properties: Properties) -> ResourceRequest {
    ResourceRequest {
        stack: "shop".into(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop/1".into(),
        logical_id: "Orders".into(),
        properties,
        tags: vec![("stack".into(), "shop".into())],
    }
}

fn kind() -> Box<dyn ResourceType> {
    DynamoDb::default().resource_types().remove(0)
}

fn indexed(names: &[&str]) -> Json {
    let mut input = table("", "pk:S", "");
    input.as_object_mut().unwrap().remove("TableName");
    let definitions = input["AttributeDefinitions"].as_array_mut().unwrap();
    definitions.extend(names.iter().map(|name| json!({"AttributeName": name, "AttributeType": "S"})));
    if !names.is_empty() {
        input["GlobalSecondaryIndexes"] = names
            .iter()
            .map(|name| {
                json!({
                    "IndexName": format!("by-{name}"), "Projection": {"ProjectionType": "ALL"},
                    "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}]
                })
            })
            .collect();
    }
    input
}

#[tokio::test]
async fn a_template_makes_changes_and_removes_a_table() {
    let cloud = Cloud::new();
    let (cx, kind) = (cloud.cx(), kind());
    assert_eq!(kind.name(), "AWS::DynamoDB::Table");
    let mut before = indexed(&["a", "b"]);
    before["TimeToLiveSpecification"] = json!({"AttributeName": "until", "Enabled": true});
    before["Tags"] = json!([{"Key": "team", "Value": "a"}]);
    let made = kind.create(&cx, &request(properties(&before))).await.unwrap();
    assert!(made.id.starts_with("shop-Orders-"));
    assert_eq!(made.attributes["Arn"], format!("arn:aws:dynamodb:us-east-1:000000000000:table/{}", made.id));
    let ttl = cloud.ok("DescribeTimeToLive", json!({"TableName": made.id})).await;
    assert_eq!(ttl["TimeToLiveDescription"]["AttributeName"], "until");

    let mut now = indexed(&["b", "c"]);
    now["DeletionProtectionEnabled"] = json!("true");
    now["TimeToLiveSpecification"] = json!({"AttributeName": "expires", "Enabled": "true"});
    let updated = kind.update(&cx, &made.id, &properties(&before), &request(properties(&now))).await.unwrap();
    assert!(matches!(updated, Updated::InPlace(resource) if resource.id == made.id));
    let shown = cloud.ok("DescribeTable", json!({"TableName": made.id})).await;
    let mut names: Vec<_> = shown["Table"]["GlobalSecondaryIndexes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|index| index["IndexName"].to_string())
        .collect();
    names.sort();
    assert_eq!(names, ["\"by-b\"", "\"by-c\""]);
    assert_eq!(shown["Table"]["DeletionProtectionEnabled"], true);
    let ttl = cloud.ok("DescribeTimeToLive", json!({"TableName": made.id})).await;
    assert_eq!(ttl["TimeToLiveDescription"]["AttributeName"], "expires");
    let tags = cloud.ok("ListTagsOfResource", json!({"ResourceArn": made.attributes["Arn"]})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "stack", "Value": "shop"}]));

    assert!(kind.delete(&cx, &made.id, &properties(&now)).await.is_err(), "it is protected");
    let mut free = now.clone();
    free.as_object_mut().unwrap().remove("DeletionProtectionEnabled");
    kind.update(&cx, &made.id, &properties(&now), &request(properties(&free))).await.unwrap();
    kind.delete(&cx, &made.id, &properties(&free)).await.unwrap();
    kind.delete(&cx, &made.id, &properties(&free)).await.unwrap();
    assert_eq!(cloud.ok("ListTables", json!({})).await["TableNames"], json!([]));
}

#[tokio::test]
async fn a_stream_comes_changes_and_goes() {
    let cloud = Cloud::new();
    let (cx, kind) = (cloud.cx(), kind());
    let plain = indexed(&[]);
    let with = |view: &str| {
        let mut wanted = plain.clone();
        wanted["StreamSpecification"] = json!({"StreamViewType": view});
        wanted
    };
    let arn = |resource: &Resource| resource.attributes.get("StreamArn").cloned();
    let made = kind.create(&cx, &request(properties(&with("NEW_IMAGE")))).await.unwrap();
    let (first, second) = (with("NEW_IMAGE"), with("KEYS_ONLY"));
    let updated = kind.update(&cx, &made.id, &properties(&first), &request(properties(&second))).await.unwrap();
    let Updated::InPlace(updated) = updated else { panic!("the table was replaced") };
    assert!(arn(&made).is_some() && arn(&updated) != arn(&made));
    let shown = cloud.ok("DescribeTable", json!({"TableName": made.id})).await["Table"].clone();
    assert_eq!(shown["StreamSpecification"], json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}));
    kind.update(&cx, &made.id, &properties(&second), &request(properties(&plain))).await.unwrap();
    let shown = cloud.ok("DescribeTable", json!({"TableName": made.id})).await["Table"].clone();
    assert!(shown.get("StreamSpecification").is_none());
}

#[tokio::test]
async fn a_global_table_of_one_region_is_a_table() {
    let cloud = Cloud::whole();
    let (cx, kind) = (cloud.cx(), DynamoDb::default().resource_types().remove(1));
    assert_eq!(kind.name(), "AWS::DynamoDB::GlobalTable");
    let with = |replicas: Json| {
        let mut wanted = indexed(&["kind"]);
        wanted["Replicas"] = replicas;
        wanted["SSESpecification"] = json!({"SSEEnabled": true});
        wanted
    };
    let replica = json!({"Region": "us-east-1", "DeletionProtectionEnabled": true, "Tags": [{"Key": "a", "Value": "b"}],
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}});
    let made = kind.create(&cx, &request(properties(&with(json!([replica]))))).await.unwrap();
    let shown = cloud.ok("DescribeTable", json!({"TableName": made.id})).await["Table"].clone();
    assert_eq!((&shown["DeletionProtectionEnabled"], &shown["TableId"]), (&json!(true), &made.attributes["TableId"]));
    assert_eq!(shown["SSEDescription"]["Status"], "ENABLED");
    let kept = cloud.ok("DescribeContinuousBackups", json!({"TableName": made.id})).await;
    let kept = &kept["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
    assert_eq!(kept["PointInTimeRecoveryStatus"], "ENABLED");
    for refused in [
        json!([replica, {"Region": "eu-west-1"}]),
        json!([{"Region": "eu-west-1"}]),
        json!([{"Region": "us-east-1", "ContributorInsightsSpecification": {"Enabled": true}}]),
        json!([{"Region": "us-east-1", "KinesisStreamSpecification": {"StreamArn": "arn"}}]),
    ] {
        let error = kind.create(&cx, &request(properties(&with(refused)))).await.unwrap_err();
        assert!(error.to_string().contains("dynamodb"), "{error}");
    }
    assert_eq!(cloud.ok("ListTables", json!({})).await["TableNames"], json!([made.id]));
}

#[tokio::test]
async fn a_template_says_what_a_table_is_encrypted_with() {
    let cloud = Cloud::whole();
    let (cx, kind) = (cloud.cx(), kind());
    let key = cloud.other("kms", "CreateKey", json!({})).await["KeyMetadata"]["Arn"].clone();
    let with = |specification: Json| {
        let mut wanted = indexed(&[]);
        wanted["SSESpecification"] = specification;
        properties(&wanted)
    };
    let (none, own) = (
        with(json!({"SSEEnabled": false})),
        with(json!({"SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": key})),
    );
    let made = kind.create(&cx, &request(none.clone())).await.unwrap();
    let used = async || {
        let shown = cloud.ok("DescribeTable", json!({"TableName": made.id})).await["Table"].clone();
        shown["SSEDescription"]["KMSMasterKeyArn"].clone()
    };
    assert_eq!(used().await, Json::Null);
    kind.update(&cx, &made.id, &none, &request(own.clone())).await.unwrap();
    assert_eq!(used().await, key);
    cloud.advance(1).await;
    kind.update(&cx, &made.id, &own, &request(properties(&indexed(&[])))).await.unwrap();
    assert_eq!(used().await, Json::Null);
}

#[tokio::test]
async fn a_template_makes_a_table_of_what_is_in_s3() {
    let cloud = undercast_testkit::Cloud::start(crate::cloud::whole()).await;
    let client = cloud.client();
    client.call("s3", "CreateBucket", json!({"Bucket": "source"})).await;
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let put = async |key: &str, text: &'static str| {
        let input = json!({"Bucket": "source", "Key": key, "ContentLength": text.len()});
        let body = undercast_kernel::Body::from(undercast_kernel::Bytes::from_static(text.as_bytes()));
        cx.call_with_body("s3", "PutObject", input, Some(body)).await.unwrap();
    };
    put("good/1", "pk|v\na|1\n").await;
    put("bad/1", "v\n1\n").await;
    let kind = kind();
    let with = |prefix: &str| {
        let mut wanted = indexed(&[]);
        wanted["ImportSourceSpecification"] = json!({"InputFormat": "CSV", "InputCompressionType": "NONE",
            "S3BucketSource": {"S3Bucket": "source", "S3KeyPrefix": prefix}, "InputFormatOptions": {"Csv": {"Delimiter": "|"}}});
        wanted["StreamSpecification"] = json!({"StreamViewType": "NEW_IMAGE"});
        wanted["DeletionProtectionEnabled"] = json!(true);
        wanted["PointInTimeRecoverySpecification"] = json!({"PointInTimeRecoveryEnabled": true});
        request(properties(&wanted))
    };
    let made = kind.create(&cx, &with("good/")).await.unwrap();
    assert!(made.attributes["StreamArn"].is_string());
    let held = client.call("dynamodb", "Scan", json!({"TableName": made.id})).await.json;
    assert_eq!(held["Items"], json!([{"pk": {"S": "a"}, "v": {"S": "1"}}]));
    let shown = client.call("dynamodb", "DescribeTable", json!({"TableName": made.id})).await.json;
    assert_eq!(shown["Table"]["DeletionProtectionEnabled"], true);
    let error = kind.create(&cx, &with("bad/")).await.unwrap_err();
    assert!(error.code() == Some("ItemValidationError"), "{error}");
    let listed = client.call("dynamodb", "ListTables", json!({})).await.json;
    assert_eq!(listed["TableNames"], json!([made.id]), "nothing is left of it");
}
