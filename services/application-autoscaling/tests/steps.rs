//! Step scaling by an alarm that somebody makes.

use serde_json::{Value as Json, json};
use undercast_testkit::Client;

use crate::{activities, at_noon, ok, pass, refused, register, table, units, writes};

fn policy(name: &str, configuration: &Json) -> Json {
    writes(&json!({"PolicyName": name, "PolicyType": "StepScaling", "StepScalingPolicyConfiguration": configuration}))
}

async fn measure(client: &Client, value: f64) {
    let data = json!({"Namespace": "Shop", "MetricData": [{"MetricName": "Queue", "Value": value}]});
    client.call("cloudwatch", "PutMetricData", data).await.ok();
}

#[tokio::test]
async fn each_step_adds_as_much_as_it_says() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 10).await;
    register(&client, 1, 100).await;
    let configuration = json!({"AdjustmentType": "PercentChangeInCapacity", "Cooldown": 120, "MinAdjustmentMagnitude": 2, "MetricAggregationType": "Maximum",
        "StepAdjustments": [{"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 50, "ScalingAdjustment": 10},
                            {"MetricIntervalLowerBound": 50, "ScalingAdjustment": 100}]});
    let made = ok(&client, "PutScalingPolicy", policy("up", &configuration)).await;
    assert_eq!(made["Alarms"], json!([]));
    let alarm = json!({"AlarmName": "long", "Namespace": "Shop", "MetricName": "Queue", "Statistic": "Maximum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 100, "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": [made["PolicyARN"]]});
    client.call("cloudwatch", "PutMetricAlarm", alarm).await.ok();
    let shown = ok(&client, "DescribeScalingPolicies", json!({"ServiceNamespace": "dynamodb"})).await;
    let shown = &shown["ScalingPolicies"][0];
    assert_eq!(shown["Alarms"][0]["AlarmName"], "long");
    assert_eq!(shown["StepScalingPolicyConfiguration"]["Cooldown"], 120);
    // Ten percent would be one unit, and two are the least.
    measure(&client, 120.0).await;
    pass(&cloud, 61).await;
    assert_eq!(units(&client).await.1, 12);
    // Within the pause a larger step is taken, and the same one is not.
    measure(&client, 120.0).await;
    pass(&cloud, 60).await;
    assert_eq!(units(&client).await.1, 12);
    measure(&client, 190.0).await;
    pass(&cloud, 60).await;
    assert_eq!(units(&client).await.1, 24);
    measure(&client, 50.0).await;
    pass(&cloud, 600).await;
    assert_eq!(units(&client).await.1, 24);
    let causes = activities(&client, json!({})).await;
    assert_eq!(causes[0]["Cause"], "monitor alarm long in state ALARM triggered policy up");
    // Without its policy an alarm does nothing.
    ok(&client, "DeleteScalingPolicy", writes(&json!({"PolicyName": "up"}))).await;
    let left = client.call("cloudwatch", "DescribeAlarms", json!({"AlarmNames": ["long"]})).await.ok()["MetricAlarms"]
        [0]
    .clone();
    assert_eq!((&left["AlarmActions"], &left["Threshold"]), (&json!([]), &json!(100.0)));
    measure(&client, 500.0).await;
    pass(&cloud, 120).await;
    assert_eq!(units(&client).await.1, 24);
    let (code, message) = refused(&client, "DeleteScalingPolicy", writes(&json!({"PolicyName": "up"}))).await;
    assert_eq!(code, "ObjectNotFoundException");
    assert!(message.ends_with("policy name: up"), "{message}");
}

#[tokio::test]
async fn a_change_that_dynamodb_refuses_is_told() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 10).await;
    register(&client, 1, 100).await;
    let given = |units: i64| json!({"TableName": "tab", "ProvisionedThroughput": {"ReadCapacityUnits": 10, "WriteCapacityUnits": units}});
    for units in [9, 8, 7, 6] {
        client.call("dynamodb", "UpdateTable", given(units)).await.ok();
        pass(&cloud, 1).await;
    }
    let configuration = json!({"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1}]});
    let made = ok(&client, "PutScalingPolicy", policy("down", &configuration)).await;
    let alarm = json!({"AlarmName": "short", "Namespace": "Shop", "MetricName": "Queue", "Statistic": "Maximum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 100, "ComparisonOperator": "LessThanThreshold", "AlarmActions": [made["PolicyARN"]]});
    client.call("cloudwatch", "PutMetricAlarm", alarm).await.ok();
    measure(&client, 1.0).await;
    pass(&cloud, 61).await;
    assert_eq!(units(&client).await.1, 6);
    let told = &activities(&client, json!({})).await[0];
    assert_eq!(told["StatusCode"], "Failed");
    let message = told["StatusMessage"].as_str().unwrap();
    assert!(
        message.starts_with("Failed to set write capacity units to 5. Reason: LimitExceededException"),
        "{message}"
    );
}

#[tokio::test]
async fn steps_that_cannot_be_are_refused() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 10).await;
    register(&client, 1, 100).await;
    let step = json!({"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1});
    for wrong in [
        json!({"AdjustmentType": "ChangeInCapacity"}),
        json!({"StepAdjustments": [step]}),
        json!({"AdjustmentType": "ExactCapacity", "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": -1}]}),
        json!({"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [step, step]}),
        json!({"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [step], "MinAdjustmentMagnitude": 1}),
        json!({"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [step], "Cooldown": -1}),
    ] {
        assert_eq!(refused(&client, "PutScalingPolicy", policy("p", &wrong)).await.0, "ValidationException", "{wrong}");
    }
}
