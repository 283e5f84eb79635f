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
        json!([{"Region": "us-east-1", "ReadProvisionedThroughputSettings": {"ReadCapacityUnits": 1}}]),
        json!([{"Region": "us-east-1", "ReplicaStreamSpecification": {"Tags": []}}]),
        json!([{"Region": "us-east-1", "GlobalSecondaryIndexes": [{"IndexName": "by-kind", "ReadProvisionedThroughputSettings": {}}]}]),
    ] {
        let error = kind.create(&cx, &request(properties(&with(refused)))).await.unwrap_err();
        assert!(error.to_string().contains("dynamodb"), "{error}");
    }
    let elsewhere = kind.create(&cx, &request(properties(&with(json!([{"Region": "eu-west-1"}]))))).await.unwrap_err();
    assert!(elsewhere.to_string().contains("must contain an entry for the current region"), "{elsewhere}");
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

/// A template of a global table with these replicas.
fn global(replicas: Json) -> Json {
    let mut wanted = indexed(&["kind"]);
    wanted["Replicas"] = replicas;
    wanted["StreamSpecification"] = json!({"StreamViewType": "NEW_AND_OLD_IMAGES"});
    wanted["TimeToLiveSpecification"] = json!({"AttributeName": "until", "Enabled": true});
    wanted["ReadOnDemandThroughputSettings"] = json!({"MaxReadRequestUnits": 20});
    wanted["WriteOnDemandThroughputSettings"] = json!({"MaxWriteRequestUnits": 30});
    wanted
}

#[tokio::test]
async fn a_template_makes_changes_and_removes_replicas() {
    let cloud = undercast_testkit::Cloud::start(crate::cloud::whole()).await;
    let at = |region: &str| {
        let mut client = cloud.client();
        client.region = region.to_owned();
        client
    };
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let kind = DynamoDb::default().resource_types().remove(1);
    let policy = |action: &str| {
        json!({"PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"AWS": "111111111111"}, "Action": action, "Resource": "*"}]}})
    };
    let west = json!({"Region": "us-west-2", "TableClass": "STANDARD_INFREQUENT_ACCESS", "DeletionProtectionEnabled": true,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true},
        "ContributorInsightsSpecification": {"Enabled": true}, "ResourcePolicy": policy("dynamodb:GetItem"),
        "ReadOnDemandThroughputSettings": {"MaxReadRequestUnits": 10},
        "ReplicaStreamSpecification": {"ResourcePolicy": policy("dynamodb:GetRecords")},
        "GlobalSecondaryIndexes": [{"IndexName": "by-kind", "ContributorInsightsSpecification": {"Enabled": true},
            "ReadOnDemandThroughputSettings": {"MaxReadRequestUnits": 5}}],
        "Tags": [{"Key": "where", "Value": "west"}]});
    let first = properties(&global(json!([{"Region": "us-east-1"}, west])));
    let made = kind.create(&cx, &request(first.clone())).await.unwrap();
    for attribute in ["Arn", "StreamArn", "TableId"] {
        assert!(made.attributes[attribute].is_string(), "{attribute}");
    }
    let ask = async |region: &str, operation: &str, input: Json| at(region).call("dynamodb", operation, input).await;
    let name = json!({"TableName": made.id});
    let describe = async |region: &str| ask(region, "DescribeTable", name.clone()).await.ok()["Table"].take();
    let there = describe("us-west-2").await;
    assert_eq!(there["TableClassSummary"]["TableClass"], "STANDARD_INFREQUENT_ACCESS");
    assert_eq!(there["DeletionProtectionEnabled"], true);
    assert_eq!(there["OnDemandThroughput"], json!({"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": 30}));
    assert_eq!(there["GlobalSecondaryIndexes"][0]["OnDemandThroughput"]["MaxReadRequestUnits"], 5);
    let here = describe("us-east-1").await;
    assert_eq!(here["OnDemandThroughput"], json!({"MaxReadRequestUnits": 20, "MaxWriteRequestUnits": 30}));
    assert_eq!(here["Replicas"][0]["ReplicaStatus"], "ACTIVE");
    let ttl = ask("us-west-2", "DescribeTimeToLive", name.clone()).await.ok();
    assert_eq!(ttl["TimeToLiveDescription"]["AttributeName"], "until");
    let kept = ask("us-west-2", "DescribeContinuousBackups", name.clone()).await.ok();
    let kept = &kept["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"];
    assert_eq!(kept, "ENABLED");
    for index in [None, Some("by-kind")] {
        let mut input = name.clone();
        input.as_object_mut().unwrap().extend(index.map(|index| ("IndexName".to_owned(), json!(index))));
        let counted = ask("us-west-2", "DescribeContributorInsights", input).await.ok();
        assert_eq!(counted["ContributorInsightsStatus"], "ENABLED");
    }
    for arn in ["TableArn", "LatestStreamArn"] {
        let found = ask("us-west-2", "GetResourcePolicy", json!({"ResourceArn": there[arn]})).await.ok();
        assert!(found["Policy"].as_str().unwrap().contains("111111111111"));
    }
    let tags = ask("us-west-2", "ListTagsOfResource", json!({"ResourceArn": there["TableArn"]})).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "stack", "Value": "shop"}, {"Key": "where", "Value": "west"}]));

    // The second is left as it is made, the third comes.
    let mut second = global(json!([{"Region": "us-east-1"}, {"Region": "us-west-2"}, {"Region": "eu-west-1"}]));
    second["ReadOnDemandThroughputSettings"] = json!({"MaxReadRequestUnits": 25});
    let second = properties(&second);
    let updated = kind.update(&cx, &made.id, &first, &request(second.clone())).await.unwrap();
    let Updated::InPlace(updated) = updated else { panic!("the table was replaced") };
    assert_eq!(updated.attributes["TableId"], made.attributes["TableId"]);
    let there = describe("us-west-2").await;
    assert_eq!(
        (&there["DeletionProtectionEnabled"], &there["TableClassSummary"]["TableClass"]),
        (&json!(false), &json!("STANDARD"))
    );
    assert_eq!(there["OnDemandThroughput"]["MaxReadRequestUnits"], 25);
    assert!(there["GlobalSecondaryIndexes"][0].get("OnDemandThroughput").is_none());
    let policy = ask("us-west-2", "GetResourcePolicy", json!({"ResourceArn": there["TableArn"]})).await;
    assert_eq!(policy.code(), "PolicyNotFoundException");
    assert_eq!(describe("eu-west-1").await["TableStatus"], "ACTIVE");

    let third = properties(&global(json!([{"Region": "us-east-1"}, {"Region": "eu-west-1"}])));
    kind.update(&cx, &made.id, &second, &request(third.clone())).await.unwrap();
    assert_eq!(ask("us-west-2", "DescribeTable", name.clone()).await.code(), "ResourceNotFoundException");
    kind.delete(&cx, &made.id, &third).await.unwrap();
    for region in ["us-east-1", "eu-west-1"] {
        assert_eq!(ask(region, "DescribeTable", name.clone()).await.code(), "ResourceNotFoundException");
    }
    kind.delete(&cx, &made.id, &third).await.unwrap();
}

#[tokio::test]
async fn a_template_makes_a_strongly_consistent_table() {
    let cloud = undercast_testkit::Cloud::start(crate::cloud::whole()).await;
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let kind = DynamoDb::default().resource_types().remove(1);
    let mut strong = indexed(&[]);
    strong["Replicas"] = json!([{"Region": "us-east-1"}, {"Region": "us-east-2"}]);
    strong["MultiRegionConsistency"] = json!("STRONG");
    strong["GlobalTableWitnesses"] = json!([{"Region": "us-west-2"}]);
    let strong = properties(&strong);
    let made = kind.create(&cx, &request(strong.clone())).await.unwrap();
    let describe = async || {
        let shown = cloud.client().call("dynamodb", "DescribeTable", json!({"TableName": made.id})).await.ok();
        shown["Table"].clone()
    };
    let shown = describe().await;
    assert_eq!(shown["MultiRegionConsistency"], "STRONG");
    assert_eq!(shown["GlobalTableWitnesses"], json!([{"RegionName": "us-west-2", "WitnessStatus": "ACTIVE"}]));
    // A stream is set in each region.
    let mut streamed = strong.clone();
    streamed.insert("StreamSpecification".to_owned(), json!({"StreamViewType": "KEYS_ONLY"}));
    kind.update(&cx, &made.id, &strong, &request(streamed.clone())).await.unwrap();
    let mut ohio = cloud.client();
    ohio.region = "us-east-2".to_owned();
    let there = ohio.call("dynamodb", "DescribeTable", json!({"TableName": made.id})).await.ok();
    assert_eq!(there["Table"]["StreamSpecification"]["StreamViewType"], "KEYS_ONLY");
    let mut eventual = strong.clone();
    eventual.remove("MultiRegionConsistency");
    eventual.remove("GlobalTableWitnesses");
    let error = kind.update(&cx, &made.id, &streamed, &request(eventual)).await.unwrap_err();
    assert!(error.to_string().contains("MultiRegionConsistency parameter is unsupported"), "{error}");
    let mut alone = strong.clone();
    alone.insert("Replicas".to_owned(), json!([{"Region": "us-east-1"}]));
    kind.update(&cx, &made.id, &strong, &request(alone.clone())).await.unwrap();
    assert!(describe().await.get("MultiRegionConsistency").is_none());
    kind.update(&cx, &made.id, &alone, &request(strong.clone())).await.unwrap();
    kind.delete(&cx, &made.id, &strong).await.unwrap();
    // What cannot be made whole leaves nothing.
    let mut refused = strong.clone();
    refused.insert("GlobalTableWitnesses".to_owned(), json!([{"Region": "us-west-1"}]));
    kind.create(&cx, &request(refused)).await.unwrap_err();
    let listed = cloud.client().call("dynamodb", "ListTables", json!({})).await.ok();
    assert_eq!(listed["TableNames"], json!([]));
}

#[tokio::test]
async fn a_template_makes_a_replica_of_a_table_of_another_account() {
    let cloud = undercast_testkit::Cloud::start(crate::cloud::whole()).await;
    let client = cloud.client();
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "replication.dynamodb.amazonaws.com"}, "Resource": "*",
         "Action": ["dynamodb:ReadDataForReplication", "dynamodb:WriteDataForReplication", "dynamodb:ReplicateSettings"]},
        {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Resource": "*", "Action": "dynamodb:AssociateTableReplica"}]});
    let mut source = table("shared", "pk:S", "");
    source["ResourcePolicy"] = json!(policy.to_string());
    let made = client.call("dynamodb", "CreateTable", source).await.ok();
    let cx = cloud.kernel.cx_for("111111111111", "us-west-2");
    let kind = DynamoDb::default().resource_types().remove(1);
    let wanted =
        properties(&json!({"TableName": "shared", "GlobalTableSourceArn": made["TableDescription"]["TableArn"],
        "Replicas": [{"Region": "us-west-2", "GlobalTableSettingsReplicationMode": "ENABLED",
            "ResourcePolicy": {"PolicyDocument": policy}}]}));
    let replica = kind.create(&cx, &request(wanted.clone())).await.unwrap();
    assert_eq!(replica.attributes["Arn"], "arn:aws:dynamodb:us-west-2:111111111111:table/shared");
    let shown = client.call("dynamodb", "DescribeTable", json!({"TableName": "shared"})).await.ok();
    assert_eq!(shown["Table"]["Replicas"][0]["ReplicaStatus"], "ACTIVE");
    let mut now = wanted.clone();
    now["Replicas"][0]["GlobalTableSettingsReplicationMode"] = json!("DISABLED");
    kind.update(&cx, &replica.id, &wanted, &request(now.clone())).await.unwrap();
    let shown = client.call("dynamodb", "DescribeTable", json!({"TableName": "shared"})).await.ok();
    assert_eq!(shown["Table"]["Replicas"][0]["GlobalTableSettingsReplicationMode"], "DISABLED");
    let mut another = now.clone();
    another.insert("GlobalTableSourceArn".to_owned(), json!("arn:aws:dynamodb:us-east-1:000000000000:table/other"));
    kind.update(&cx, &replica.id, &now, &request(another)).await.unwrap_err();
    kind.delete(&cx, &replica.id, &now).await.unwrap();
    while client.call("dynamodb", "DescribeTable", json!({"TableName": "shared"})).await.ok()["Table"]
        .get("Replicas")
        .is_some()
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn vector_indexes_come_and_go_with_the_template() {
    let cloud = Cloud::new();
    let (cx, kind) = (cloud.cx(), kind());
    let with = |names: &[&str]| {
        let mut properties = indexed(&[]);
        let index = |name: &&str| {
            json!({"IndexName": name, "VectorAttribute": {"AttributeName": "vec"}, "Dimensions": 3, "DistanceFunction": "COSINE",
                   "Projection": {"ProjectionType": "KEYS_ONLY"}})
        };
        if !names.is_empty() {
            properties["VectorIndexes"] = names.iter().map(index).collect();
        }
        properties
    };
    let made = kind.create(&cx, &request(properties(&with(&["one", "two"])))).await.unwrap();
    let names = async || {
        let shown = cloud.ok("DescribeTable", json!({"TableName": made.id})).await;
        let indexes = shown["Table"]["VectorIndexes"].as_array().cloned().unwrap_or_default();
        indexes.iter().map(|index| index["IndexName"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["one", "two"]);
    let change = async |before: &[&str], now: &[&str]| {
        let (before, now) = (properties(&with(before)), request(properties(&with(now))));
        kind.update(&cx, &made.id, &before, &now).await.unwrap();
    };
    change(&["one", "two"], &["two", "three"]).await;
    assert_eq!(names().await, ["two", "three"]);
    change(&["two", "three"], &[]).await;
    assert!(names().await.is_empty());
}
