//! Target tracking from end to end.

use serde_json::{Value as Json, json};
use undercast_testkit::Client;

use crate::{activities, alarm_states, at_noon, load, merged, ok, pass, refused, register, table, units, writes};

const POLICY: &str = "seventy";

fn policy(more: &Json) -> Json {
    let predefined = json!({"PredefinedMetricType": "DynamoDBWriteCapacityUtilization"});
    let configuration = merged(&json!({"TargetValue": 70.0, "PredefinedMetricSpecification": predefined}), more);
    writes(&json!({"PolicyName": POLICY, "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": configuration}))
}

async fn track(client: &Client, more: Json) -> Json {
    ok(client, "PutScalingPolicy", policy(&more)).await
}

#[tokio::test]
async fn capacity_follows_the_load_up_and_down() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    register(&client, 2, 20).await;
    let made = track(&client, json!({})).await;
    let arn = made["PolicyARN"].as_str().unwrap();
    let id = arn.split(':').nth(6).unwrap();
    assert_eq!(
        arn,
        format!(
            "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:{id}:resource/dynamodb/table/tab:policyName/seventy"
        )
    );
    let alarms: Vec<&str> =
        made["Alarms"].as_array().unwrap().iter().map(|a| a["AlarmName"].as_str().unwrap()).collect();
    let name = |part: &str| format!("TargetTracking-table/tab-{part}-{id}");
    assert_eq!(
        alarms,
        [name("AlarmHigh"), name("AlarmLow"), name("ProvisionedCapacityHigh"), name("ProvisionedCapacityLow")]
    );
    let thresholds: Vec<f64> = alarm_states(&client).await.iter().map(|(_, _, threshold)| *threshold).collect();
    assert_eq!(thresholds, [210.0, 150.0, 5.0, 5.0]);
    // Two minutes of 300 units are five a second, which eight units carry by seventy percent.
    load(&client, 30).await;
    pass(&cloud, 60).await;
    assert_eq!(units(&client).await, (5, 5), "one minute is not enough");
    load(&client, 30).await;
    pass(&cloud, 61).await;
    assert_eq!(units(&client).await, (5, 8));
    let states = alarm_states(&client).await;
    assert_eq!((states[0].2, states[1].2), (336.0, 240.0));
    let told = &activities(&client, json!({"ResourceId": "table/tab"})).await[0];
    for (member, wanted) in [
        ("Cause", format!("monitor alarm {} in state ALARM triggered policy seventy", name("AlarmHigh"))),
        ("Description", "Setting write capacity units to 8.".to_owned()),
        ("StatusCode", "Successful".to_owned()),
        (
            "StatusMessage",
            "Successfully set write capacity units to 8. Change successfully fulfilled by dynamodb.".to_owned(),
        ),
        ("ScalableDimension", "dynamodb:table:WriteCapacityUnits".to_owned()),
    ] {
        assert_eq!(told[member], wanted, "{member}");
    }
    // A quarter of an hour with hardly any load.
    for _ in 0..14 {
        load(&client, 1).await;
        pass(&cloud, 60).await;
    }
    assert_eq!(units(&client).await.1, 8);
    for _ in 0..3 {
        load(&client, 1).await;
        pass(&cloud, 60).await;
    }
    assert_eq!(units(&client).await.1, 2, "no less than the minimum");
    let told = &activities(&client, json!({})).await[0];
    assert!(told["Cause"].as_str().unwrap().contains("AlarmLow"), "{told}");
}

#[tokio::test]
async fn nothing_goes_beyond_the_limits_or_against_what_is_suspended() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    register(&client, 5, 6).await;
    track(&client, json!({"DisableScaleIn": true})).await;
    let names: Vec<String> = alarm_states(&client).await.into_iter().map(|(name, ..)| name).collect();
    assert!(!names.iter().any(|name| name.contains("AlarmLow")), "{names:?}");
    let suspend = json!({"SuspendedState": {"DynamicScalingOutSuspended": true}});
    ok(&client, "RegisterScalableTarget", writes(&suspend)).await;
    for _ in 0..3 {
        load(&client, 30).await;
        pass(&cloud, 60).await;
    }
    assert_eq!(units(&client).await.1, 5);
    let resume = json!({"SuspendedState": {"DynamicScalingOutSuspended": false}});
    ok(&client, "RegisterScalableTarget", writes(&resume)).await;
    load(&client, 30).await;
    pass(&cloud, 61).await;
    assert_eq!(units(&client).await.1, 6, "an alarm that stays goes on");
    // It is told once that there is no more.
    for _ in 0..3 {
        load(&client, 30).await;
        pass(&cloud, 60).await;
    }
    assert!(activities(&client, json!({})).await.iter().all(|a| a["StatusCode"] == "Successful"));
    let all = activities(&client, json!({"IncludeNotScaledActivities": true})).await;
    assert_eq!(all[0]["NotScaledReasons"], json!([{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 6}]), "{all:?}");
    assert_eq!(all.iter().filter(|a| a["NotScaledReasons"].is_array()).count(), 1);
}

#[tokio::test]
async fn cooldowns_are_kept() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 10).await;
    register(&client, 1, 100).await;
    track(&client, json!({"ScaleInCooldown": 600, "ScaleOutCooldown": 600})).await;
    // Down to what little load there is.
    for _ in 0..16 {
        load(&client, 20).await;
        pass(&cloud, 60).await;
    }
    assert_eq!(units(&client).await.1, 5);
    // The load falls on, and the pause lasts.
    for _ in 0..8 {
        load(&client, 5).await;
        pass(&cloud, 60).await;
    }
    assert_eq!(units(&client).await.1, 5);
    for _ in 0..16 {
        load(&client, 5).await;
        pass(&cloud, 60).await;
    }
    assert_eq!(units(&client).await.1, 2);
}

#[tokio::test]
async fn an_alarm_of_capacity_that_others_changed_mends_the_thresholds() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    register(&client, 2, 20).await;
    track(&client, json!({})).await;
    let given =
        json!({"TableName": "tab", "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 10}});
    client.call("dynamodb", "UpdateTable", given).await.ok();
    let high = alarm_states(&client).await[2].0.clone();
    assert!(high.contains("ProvisionedCapacityHigh"));
    let set = json!({"AlarmName": high, "StateValue": "ALARM", "StateReason": "ten is more than five"});
    client.call("cloudwatch", "SetAlarmState", set).await.ok();
    pass(&cloud, 1).await;
    let thresholds: Vec<f64> = alarm_states(&client).await.iter().map(|(_, _, threshold)| *threshold).collect();
    assert_eq!(thresholds, [420.0, 300.0, 10.0, 10.0]);
}

#[tokio::test]
async fn nothing_is_taken_back_before_all_policies_are_ready_to() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 10).await;
    register(&client, 1, 100).await;
    track(&client, json!({})).await;
    let queue = json!({"Namespace": "Shop", "MetricName": "Queue", "Statistic": "Average", "Unit": "Count", "Dimensions": [{"Name": "a", "Value": "b"}]});
    let mut other = policy(
        &json!({"PredefinedMetricSpecification": null, "CustomizedMetricSpecification": queue, "TargetValue": 100}),
    );
    other["PolicyName"] = json!("queue");
    ok(&client, "PutScalingPolicy", other.clone()).await;
    for _ in 0..18 {
        load(&client, 1).await;
        measure(&client, 100.0).await;
        pass(&cloud, 60).await;
    }
    assert_eq!(units(&client).await.1, 10, "the queue is as long as it may be");
    other["TargetTrackingScalingPolicyConfiguration"]["DisableScaleIn"] = json!(true);
    ok(&client, "PutScalingPolicy", other).await;
    load(&client, 1).await;
    pass(&cloud, 61).await;
    assert!(units(&client).await.1 < 10);
}

async fn measure(client: &Client, value: f64) {
    let data = json!({"Namespace": "Shop", "MetricData": [{"MetricName": "Queue", "Value": value, "Dimensions": [{"Name": "a", "Value": "b"}], "Unit": "Count"}]});
    client.call("cloudwatch", "PutMetricData", data).await.ok();
}

#[tokio::test]
async fn a_metric_of_ones_own_is_followed() {
    let cloud = at_noon().await;
    let client = cloud.client();
    let dimensions = json!([{"Name": "a", "Value": "b"}]);
    let one = json!({"Namespace": "Shop", "MetricName": "Queue", "Statistic": "Average", "Unit": "Count", "Dimensions": dimensions});
    let stat = json!({"Metric": {"Namespace": "Shop", "MetricName": "Queue", "Dimensions": dimensions}, "Stat": "Average", "Unit": "Count"});
    let math = json!({"Metrics": [{"Id": "e1", "Expression": "m1 * 1", "Label": "queue", "ReturnData": true},
        {"Id": "m1", "MetricStat": stat, "ReturnData": false}]});
    table(&client, 10).await;
    for (customized, wanted) in [(one, 15), (math, 23)] {
        register(&client, 1, 100).await;
        let more = json!({"PredefinedMetricSpecification": null, "CustomizedMetricSpecification": customized, "TargetValue": 100});
        let made = track(&client, more).await;
        assert_eq!(made["Alarms"].as_array().unwrap().len(), 2);
        for _ in 0..3 {
            measure(&client, 150.0).await;
            pass(&cloud, 60).await;
        }
        pass(&cloud, 1).await;
        assert_eq!(units(&client).await.1, wanted);
        ok(&client, "DeregisterScalableTarget", writes(&json!({}))).await;
        assert!(alarm_states(&client).await.is_empty());
        pass(&cloud, 3600).await;
    }
}

#[tokio::test]
async fn policies_that_cannot_be_are_refused() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    let (code, message) = refused(&client, "PutScalingPolicy", policy(&json!({}))).await;
    assert_eq!(code, "ObjectNotFoundException");
    assert_eq!(
        message,
        "No scalable target registered for service namespace: dynamodb, resource ID: table/tab, scalable dimension: dynamodb:table:WriteCapacityUnits"
    );
    register(&client, 2, 20).await;
    let customized =
        |customized: Json| json!({"PredefinedMetricSpecification": null, "CustomizedMetricSpecification": customized});
    for wrong in [
        json!({"PredefinedMetricSpecification": null}),
        json!({"PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"}}),
        json!({"PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBWriteCapacityUtilization", "ResourceLabel": "x"}}),
        json!({"TargetValue": 95}),
        json!({"ScaleInCooldown": -1}),
        customized(json!({"MetricName": "a", "Namespace": "b"})),
        customized(json!({"MetricName": "a", "Namespace": "b", "Statistic": "Sum", "Metrics": []})),
        customized(json!({"Metrics": []})),
        customized(json!({"Metrics": [{"Id": "e1", "Expression": "m9"}]})),
        merged(
            &customized(json!({"MetricName": "a", "Namespace": "b", "Statistic": "Sum"})),
            &json!({"TargetValue": 0}),
        ),
    ] {
        let (code, _) = refused(&client, "PutScalingPolicy", policy(&wrong)).await;
        assert_eq!(code, "ValidationException", "{wrong}");
    }
    let mut mixed = policy(&json!({}));
    mixed["PolicyType"] = json!("StepScaling");
    assert_eq!(refused(&client, "PutScalingPolicy", mixed).await.0, "ValidationException");
    let mut predictive = policy(&json!({}));
    predictive["PolicyType"] = json!("PredictiveScaling");
    assert_eq!(client.call(crate::SERVICE, "PutScalingPolicy", predictive).await.status, 501);
    assert!(alarm_states(&client).await.is_empty());
}
