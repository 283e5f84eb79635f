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
        wanted["WriteOnDemandThroughputSettings"] = json!({"MaxWriteRequestUnits": 4});
        wanted["GlobalSecondaryIndexes"][0]["WriteOnDemandThroughputSettings"] = json!({"MaxWriteRequestUnits": 5});
        wanted
    };
    let replica = json!({"Region": "us-east-1", "DeletionProtectionEnabled": true, "Tags": [{"Key": "a", "Value": "b"}],
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true},
        "ReadOnDemandThroughputSettings": {"MaxReadRequestUnits": 6}});
    let made = kind.create(&cx, &request(properties(&with(json!([replica]))))).await.unwrap();
    let shown = cloud.ok("DescribeTable", json!({"TableName": made.id})).await["Table"].clone();
    assert_eq!((&shown["DeletionProtectionEnabled"], &shown["TableId"]), (&json!(true), &made.attributes["TableId"]));
    assert_eq!(shown["SSEDescription"]["Status"], "ENABLED");
    assert_eq!(shown["OnDemandThroughput"], json!({"MaxReadRequestUnits": 6, "MaxWriteRequestUnits": 4}));
    assert_eq!(shown["GlobalSecondaryIndexes"][0]["OnDemandThroughput"], json!({"MaxWriteRequestUnits": 5}));
    let kept = cloud.ok("DescribeContinuousBackups", json!({"TableName": made.id})).await;
    let kept = &kept["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
    assert_eq!(kept["PointInTimeRecoveryStatus"], "ENABLED");
    for refused in [
        json!([replica, {"Region": "eu-west-1"}]),
        json!([{"Region": "eu-west-1"}]),
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

#[tokio::test]
async fn a_template_sets_throughput_policies_and_insights() {
    let cloud = Cloud::new();
    let (cx, kind) = (cloud.cx(), kind());
    let units = |read: i64, write: i64| json!({"ReadCapacityUnits": read, "WriteCapacityUnits": write});
    let policy = |action: &str| {
        json!({"PolicyDocument": {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": action, "Resource": "*"
        }]}})
    };
    let mut first = indexed(&["a", "b"]);
    first["OnDemandThroughput"] = json!({"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": 11});
    first["WarmThroughput"] = json!({"ReadUnitsPerSecond": 12_500});
    first["ResourcePolicy"] = policy("dynamodb:GetItem");
    first["StreamSpecification"] =
        json!({"StreamViewType": "KEYS_ONLY", "ResourcePolicy": policy("dynamodb:GetRecords")});
    first["ContributorInsightsSpecification"] = json!({"Enabled": true, "Mode": "THROTTLED_KEYS"});
    first["GlobalSecondaryIndexes"][0]["ContributorInsightsSpecification"] = json!({"Enabled": true});
    first["GlobalSecondaryIndexes"][1]["OnDemandThroughput"] = json!({"MaxReadRequestUnits": 12});
    let made = kind.create(&cx, &request(properties(&first))).await.unwrap();
    let describe = async || cloud.ok("DescribeTable", json!({"TableName": made.id})).await["Table"].take();
    let shown = describe().await;
    assert_eq!(shown["OnDemandThroughput"], first["OnDemandThroughput"]);
    assert_eq!(shown["WarmThroughput"]["ReadUnitsPerSecond"], 12_500);
    assert_eq!(shown["GlobalSecondaryIndexes"][1]["OnDemandThroughput"], json!({"MaxReadRequestUnits": 12}));
    let policies = [("Arn", "dynamodb:GetItem"), ("StreamArn", "dynamodb:GetRecords")];
    for (attribute, action) in policies {
        let shown = cloud.ok("GetResourcePolicy", json!({"ResourceArn": made.attributes[attribute]})).await;
        assert!(shown["Policy"].as_str().unwrap().contains(action), "{shown}");
    }
    let counted = async |index: Option<&str>| {
        let mut input = json!({"TableName": made.id});
        if let Some(index) = index {
            input["IndexName"] = json!(index);
        }
        let shown = cloud.ok("DescribeContributorInsights", input).await;
        [shown["ContributorInsightsStatus"].clone(), shown["ContributorInsightsMode"].clone()]
    };
    assert_eq!(counted(None).await, ["ENABLED", "THROTTLED_KEYS"]);
    assert_eq!(counted(Some("by-a")).await, ["ENABLED", "ACCESSED_AND_THROTTLED_KEYS"]);

    // Less is limited; the index that was limited is not any more, and stays the same index.
    let mut second = first.clone();
    second["OnDemandThroughput"] = json!({"MaxReadRequestUnits": 9});
    second["GlobalSecondaryIndexes"][1].as_object_mut().unwrap().remove("OnDemandThroughput");
    second["ResourcePolicy"] = policy("dynamodb:Query");
    second["StreamSpecification"].as_object_mut().unwrap().remove("ResourcePolicy");
    second.as_object_mut().unwrap().remove("ContributorInsightsSpecification");
    kind.update(&cx, &made.id, &properties(&first), &request(properties(&second))).await.unwrap();
    let shown = describe().await;
    assert_eq!(shown["OnDemandThroughput"], second["OnDemandThroughput"]);
    assert!(shown["GlobalSecondaryIndexes"][1].get("OnDemandThroughput").is_none());
    let policy = cloud.ok("GetResourcePolicy", json!({"ResourceArn": made.attributes["Arn"]})).await;
    assert!(policy["Policy"].as_str().unwrap().contains("dynamodb:Query"));
    cloud.err("GetResourcePolicy", json!({"ResourceArn": made.attributes["StreamArn"]})).await;
    assert_eq!(counted(None).await[0], "DISABLED");
    assert_eq!(counted(Some("by-a")).await[0], "ENABLED");

    // The indexes go over with their table to how it is paid for.
    let mut third = second.clone();
    third["BillingMode"] = json!("PROVISIONED");
    third["ProvisionedThroughput"] = units(3, 4);
    third.as_object_mut().unwrap().remove("OnDemandThroughput");
    third.as_object_mut().unwrap().remove("ResourcePolicy");
    for index in third["GlobalSecondaryIndexes"].as_array_mut().unwrap() {
        index["ProvisionedThroughput"] = units(1, 2);
    }
    kind.update(&cx, &made.id, &properties(&second), &request(properties(&third))).await.unwrap();
    let shown = describe().await;
    assert_eq!(shown["ProvisionedThroughput"]["WriteCapacityUnits"], 4);
    assert_eq!(shown["GlobalSecondaryIndexes"][1]["ProvisionedThroughput"]["WriteCapacityUnits"], 2);
    cloud.err("GetResourcePolicy", json!({"ResourceArn": made.attributes["Arn"]})).await;
    let mut fourth = third.clone();
    fourth["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"] = units(5, 2);
    kind.update(&cx, &made.id, &properties(&third), &request(properties(&fourth))).await.unwrap();
    assert_eq!(describe().await["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"], 5);
    assert_eq!(counted(Some("by-a")).await[0], "ENABLED", "it is the same index");
}
