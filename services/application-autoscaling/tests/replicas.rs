//! Global tables whose capacity follows their load.

use serde_json::{Value as Json, json};
use undercast_testkit::Client;

use crate::{at_noon, load, merged, ok, pass, register, table, units, writes};

fn index(more: &Json) -> Json {
    let place = json!({"ServiceNamespace": "dynamodb", "ResourceId": "table/tab/index/idx",
        "ScalableDimension": "dynamodb:index:WriteCapacityUnits"});
    merged(&place, more)
}

fn policy() -> Json {
    json!({"PolicyName": "half", "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": {
        "TargetValue": 50.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBWriteCapacityUtilization"}}})
}

fn spread() -> Json {
    json!({"TableName": "tab", "ReplicaUpdates": [{"Create": {"RegionName": "eu-west-1",
        "ProvisionedThroughputOverride": {"ReadCapacityUnits": 30},
        "GlobalSecondaryIndexes": [{"IndexName": "idx", "ProvisionedThroughputOverride": {"ReadCapacityUnits": 31}}]}}]})
}

async fn describe(client: &Client) -> Json {
    client.call("dynamodb", "DescribeTable", json!({"TableName": "tab"})).await.ok()["Table"].take()
}

#[tokio::test]
async fn a_table_that_is_scaled_has_replicas_that_are_scaled_as_it_is() {
    let cloud = at_noon().await;
    let client = cloud.client();
    let mut ireland = cloud.client();
    ireland.region = "eu-west-1".to_owned();
    table(&client, 20).await;
    let refusal = |whose: &str| format!("{whose} write capacity should either be Pay-Per-Request or AutoScaled.");
    let refused = client.call("dynamodb", "UpdateTable", spread()).await;
    assert_eq!(refused.json["message"], refusal("Table"));
    register(&client, 20, 500).await;
    // A target without a policy scales nothing.
    assert_eq!(client.call("dynamodb", "UpdateTable", spread()).await.json["message"], refusal("Table"));
    ok(&client, "PutScalingPolicy", writes(&policy())).await;
    assert_eq!(client.call("dynamodb", "UpdateTable", spread()).await.json["message"], refusal("GSI"));
    ok(&client, "RegisterScalableTarget", index(&json!({"MinCapacity": 20, "MaxCapacity": 400}))).await;
    ok(&client, "PutScalingPolicy", index(&policy())).await;
    client.call("dynamodb", "UpdateTable", spread()).await.ok();
    pass(&cloud, 10).await;

    assert_eq!(units(&ireland).await, (30, 20));
    let shown = describe(&client).await;
    assert_eq!(shown["TableStatus"], "ACTIVE");
    let replica = &shown["Replicas"][0];
    assert_eq!(replica["ProvisionedThroughputOverride"]["ReadCapacityUnits"], 30);
    assert_eq!(replica["GlobalSecondaryIndexes"][0]["ProvisionedThroughputOverride"]["ReadCapacityUnits"], 31);
    let targets = ok(&ireland, "DescribeScalableTargets", json!({"ServiceNamespace": "dynamodb"})).await;
    let most: Vec<_> =
        targets["ScalableTargets"].as_array().unwrap().iter().map(|t| t["MaxCapacity"].clone()).collect();
    assert_eq!(most, [500, 400]);
    let policies = ok(&ireland, "DescribeScalingPolicies", json!({"ServiceNamespace": "dynamodb"})).await;
    assert_eq!(policies["ScalingPolicies"].as_array().unwrap().len(), 2);

    // What is read in a region is its own once it is scaled; what is written is the same in all.
    for _ in 0..4 {
        load(&client, 90).await;
        pass(&cloud, 60).await;
    }
    let (here, there) = (units(&client).await, units(&ireland).await);
    assert!(here.1 > 20, "{here:?}");
    assert_eq!((here.0, there.0, here.1), (20, 30, there.1));
    // Somebody's change of both is a change in every region.
    let given =
        json!({"TableName": "tab", "ProvisionedThroughput": {"ReadCapacityUnits": 40, "WriteCapacityUnits": 200}});
    ireland.call("dynamodb", "UpdateTable", given).await.ok();
    assert_eq!((units(&client).await, units(&ireland).await), ((40, 200), (40, 200)));
    let update = |read: i64| {
        json!({"TableName": "tab", "ReplicaUpdates": [{"Update": {"RegionName": "eu-west-1",
            "ProvisionedThroughputOverride": {"ReadCapacityUnits": read}}}]})
    };
    client.call("dynamodb", "UpdateTable", update(50)).await.ok();
    assert_eq!(describe(&client).await["Replicas"][0]["ProvisionedThroughputOverride"]["ReadCapacityUnits"], 50);
    client.call("dynamodb", "UpdateTable", update(40)).await.ok();
    assert!(describe(&client).await["Replicas"][0].get("ProvisionedThroughputOverride").is_none());
    client.call("dynamodb", "UpdateTable", json!({"TableName": "tab", "BillingMode": "PAY_PER_REQUEST"})).await.ok();
    assert_eq!(describe(&ireland).await["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");
}

#[tokio::test]
async fn the_scaling_of_replicas_is_shown_and_changed_in_all_regions() {
    let cloud = at_noon().await;
    let client = cloud.client();
    let mut ireland = cloud.client();
    ireland.region = "eu-west-1".to_owned();
    table(&client, 20).await;
    let describe = async |client: &Client| {
        let shown = client.call("dynamodb", "DescribeTableReplicaAutoScaling", json!({"TableName": "tab"})).await.ok();
        shown["TableAutoScalingDescription"].clone()
    };
    let alone = describe(&client).await;
    assert_eq!((&alone["TableName"], alone["Replicas"].as_array().unwrap().len()), (&json!("tab"), 1));
    assert_eq!(alone["Replicas"][0].get("ReplicaProvisionedWriteCapacityAutoScalingSettings"), None);
    let settings = |min: i64, max: i64, target: f64| {
        let role = "arn:aws:iam::000000000000:role/aws-service-role/dynamodb.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_DynamoDBTable";
        json!({"MinimumUnits": min, "MaximumUnits": max, "AutoScalingRoleArn": role, "ScalingPolicyUpdate": {"PolicyName": "own",
            "TargetTrackingScalingPolicyConfiguration": {"TargetValue": target, "ScaleInCooldown": 60, "ScaleOutCooldown": 30, "DisableScaleIn": true}}})
    };
    let write = json!({"TableName": "tab", "ProvisionedWriteCapacityAutoScalingUpdate": settings(20, 500, 50.0),
        "GlobalSecondaryIndexUpdates": [{"IndexName": "idx", "ProvisionedWriteCapacityAutoScalingUpdate": settings(20, 400, 60.0)}]});
    client.call("dynamodb", "UpdateTableReplicaAutoScaling", write).await.ok();
    client.call("dynamodb", "UpdateTable", spread()).await.ok();
    pass(&cloud, 10).await;
    let reads = json!({"TableName": "tab", "ProvisionedWriteCapacityAutoScalingUpdate": settings(25, 600, 55.0),
        "ReplicaUpdates": [{"RegionName": "eu-west-1", "ReplicaProvisionedReadCapacityAutoScalingUpdate": settings(30, 90, 70.0),
            "ReplicaGlobalSecondaryIndexUpdates": [{"IndexName": "idx", "ProvisionedReadCapacityAutoScalingUpdate": settings(31, 91, 71.0)}]}]});
    let changed = client.call("dynamodb", "UpdateTableReplicaAutoScaling", reads).await.ok();
    let changed = &changed["TableAutoScalingDescription"];
    assert_eq!(*changed, describe(&client).await);
    let [here, there] = [0, 1].map(|n| changed["Replicas"][n].clone());
    assert_eq!([&here["RegionName"], &there["RegionName"]], ["us-east-1", "eu-west-1"]);
    for replica in [&here, &there] {
        let write = &replica["ReplicaProvisionedWriteCapacityAutoScalingSettings"];
        assert_eq!((&write["MinimumUnits"], &write["MaximumUnits"]), (&json!(25), &json!(600)), "{replica}");
        let policy = write["ScalingPolicies"].as_array().unwrap().last().unwrap();
        let tracking = &policy["TargetTrackingScalingPolicyConfiguration"];
        assert_eq!((&tracking["TargetValue"], &tracking["ScaleInCooldown"]), (&json!(55.0), &json!(60)));
        let index = &replica["GlobalSecondaryIndexes"][0]["ProvisionedWriteCapacityAutoScalingSettings"];
        assert_eq!(index["MaximumUnits"], 400);
    }
    assert_eq!(here.get("ReplicaProvisionedReadCapacityAutoScalingSettings"), None);
    assert_eq!(there["ReplicaProvisionedReadCapacityAutoScalingSettings"]["MaximumUnits"], 90);
    assert_eq!(there["GlobalSecondaryIndexes"][0]["ProvisionedReadCapacityAutoScalingSettings"]["MinimumUnits"], 31);
    // It can be turned off again, and what is not there cannot be scaled.
    let off = json!({"TableName": "tab", "ReplicaUpdates": [{"RegionName": "eu-west-1",
        "ReplicaProvisionedReadCapacityAutoScalingUpdate": {"AutoScalingDisabled": true}}]});
    client.call("dynamodb", "UpdateTableReplicaAutoScaling", off).await.ok();
    assert_eq!(describe(&ireland).await["Replicas"][0].get("ReplicaProvisionedReadCapacityAutoScalingSettings"), None);
    for wrong in [
        json!({"TableName": "none"}),
        json!({"TableName": "tab", "ReplicaUpdates": [{"RegionName": "ap-south-1"}]}),
        json!({"TableName": "tab", "GlobalSecondaryIndexUpdates": [{"IndexName": "none"}]}),
    ] {
        let refused = client.call("dynamodb", "UpdateTableReplicaAutoScaling", wrong).await;
        assert_eq!((refused.status, refused.code()), (400, "ResourceNotFoundException"));
    }
    let none = client.call("dynamodb", "DescribeTableReplicaAutoScaling", json!({"TableName": "none"})).await;
    assert_eq!(none.code(), "ResourceNotFoundException");
}
