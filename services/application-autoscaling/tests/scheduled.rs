//! Limits that change by the clock.

use serde_json::{Value as Json, json};
use undercast_testkit::Client;

use crate::{activities, at_noon, merged, ok, pass, refused, register, table, units, writes};

fn action(more: &Json) -> Json {
    let action = json!({"ScheduledActionName": "morning", "Schedule": "at(2026-03-01T13:00:00)",
        "ScalableTargetAction": {"MinCapacity": 8, "MaxCapacity": 30}});
    writes(&merged(&action, more))
}

async fn limits(client: &Client) -> (i64, i64) {
    let found = ok(client, "DescribeScalableTargets", json!({"ServiceNamespace": "dynamodb"})).await;
    let target = &found["ScalableTargets"][0];
    (target["MinCapacity"].as_i64().unwrap(), target["MaxCapacity"].as_i64().unwrap())
}

#[tokio::test]
async fn an_action_sets_the_limits_and_what_lies_beyond_them() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    register(&client, 1, 10).await;
    ok(&client, "PutScheduledAction", action(&json!({}))).await;
    pass(&cloud, 3599).await;
    assert_eq!((limits(&client).await, units(&client).await.1), ((1, 10), 5));
    pass(&cloud, 2).await;
    assert_eq!((limits(&client).await, units(&client).await.1), ((8, 30), 8));
    let told = activities(&client, json!({"ScalableDimension": "dynamodb:table:WriteCapacityUnits"})).await;
    let text = |n: usize, member: &str| told[n][member].as_str().unwrap().to_owned();
    let by_cause = |cause: &str| (0..told.len()).find(|n| text(*n, "Cause") == cause).unwrap();
    let set = by_cause("scheduled action name morning was triggered");
    assert_eq!(text(set, "Description"), "Setting min capacity to 8 and max capacity to 30");
    assert_eq!(text(set, "StatusMessage"), "Successfully set min capacity to 8 and max capacity to 30");
    let scaled = by_cause("minimum capacity was set to 8");
    assert_eq!(text(scaled, "Description"), "Setting write capacity units to 8.");
    // In the evening less is enough, each day again.
    let evening = json!({"ScheduledActionName": "evening", "Schedule": "cron(0 20 * * ? *)", "Timezone": "Europe/Berlin",
        "ScalableTargetAction": {"MinCapacity": 1, "MaxCapacity": 4}});
    ok(&client, "PutScheduledAction", action(&evening)).await;
    pass(&cloud, 6 * 3600).await;
    assert_eq!((limits(&client).await, units(&client).await.1), ((1, 4), 4));
    register(&client, 6, 10).await;
    assert_eq!(units(&client).await.1, 6, "new limits hold at once");
    pass(&cloud, 24 * 3600).await;
    assert_eq!(units(&client).await.1, 4);
}

#[tokio::test]
async fn rates_have_a_beginning_and_an_end() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    register(&client, 1, 10).await;
    let now = cloud.kernel.clock().now().as_second();
    let rate = json!({"Schedule": "rate(10 minutes)", "StartTime": now + 300, "EndTime": now + 1600, "ScalableTargetAction": {"MinCapacity": 2}});
    ok(&client, "PutScheduledAction", action(&rate)).await;
    let runs = async || {
        activities(&client, json!({})).await.iter().filter(|a| a["Description"] == "Setting min capacity to 2").count()
    };
    pass(&cloud, 301).await;
    assert_eq!(runs().await, 1);
    pass(&cloud, 3600).await;
    assert_eq!(runs().await, 3, "after 300, 900 and 1500 seconds");
    // While it is suspended nothing is done.
    let suspended = json!({"SuspendedState": {"ScheduledScalingSuspended": true, "DynamicScalingInSuspended": true}});
    ok(&client, "RegisterScalableTarget", writes(&suspended)).await;
    ok(&client, "PutScheduledAction", action(&json!({"Schedule": "rate(1 minute)"}))).await;
    pass(&cloud, 200).await;
    assert_eq!(activities(&client, json!({})).await.len(), 3);
    // Limits that exclude each other are not set.
    let resumed = json!({"SuspendedState": {"ScheduledScalingSuspended": false}});
    ok(&client, "RegisterScalableTarget", writes(&resumed)).await;
    ok(
        &client,
        "PutScheduledAction",
        action(&json!({"Schedule": "rate(1 minute)", "ScalableTargetAction": {"MinCapacity": 50}})),
    )
    .await;
    pass(&cloud, 61).await;
    assert_eq!(activities(&client, json!({})).await[0]["StatusCode"], "Failed");
    assert_eq!(limits(&client).await, (2, 10));
}

#[tokio::test]
async fn actions_are_listed_changed_and_deleted() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    assert_eq!(refused(&client, "PutScheduledAction", action(&json!({}))).await.0, "ObjectNotFoundException");
    register(&client, 1, 10).await;
    ok(&client, "PutScheduledAction", action(&json!({"Timezone": "America/New_York"}))).await;
    ok(&client, "PutScheduledAction", action(&json!({"ScheduledActionName": "other"}))).await;
    // What is not said stays as it is.
    ok(&client, "PutScheduledAction", action(&json!({"Schedule": null, "ScalableTargetAction": null}))).await;
    let list = async |more: Json| {
        let input = merged(&json!({"ServiceNamespace": "dynamodb"}), &more);
        ok(&client, "DescribeScheduledActions", input).await
    };
    let all = list(json!({})).await;
    let first = &all["ScheduledActions"][0];
    assert_eq!(
        (&first["Schedule"], &first["Timezone"]),
        (&json!("at(2026-03-01T13:00:00)"), &json!("America/New_York"))
    );
    assert_eq!(first["ScalableTargetAction"], json!({"MinCapacity": 8, "MaxCapacity": 30}));
    let count = async |more: Json| list(more).await["ScheduledActions"].as_array().unwrap().len();
    assert_eq!(count(json!({"ScheduledActionNames": ["other"]})).await, 1);
    assert_eq!(count(json!({"ResourceId": "table/tab"})).await, 2);
    assert_eq!(count(json!({"ScalableDimension": "dynamodb:table:ReadCapacityUnits"})).await, 0);
    let page = list(json!({"MaxResults": 1})).await;
    assert_eq!(count(json!({"MaxResults": 1, "NextToken": page["NextToken"]})).await, 1);
    assert_eq!(
        refused(&client, "DescribeScheduledActions", json!({"ServiceNamespace": "dynamodb", "NextToken": "x"})).await.0,
        "InvalidNextTokenException"
    );
    assert_eq!(
        refused(&client, "DescribeScheduledActions", json!({"ServiceNamespace": "dynamodb", "MaxResults": 51})).await.0,
        "ValidationException"
    );
    for wrong in [
        json!({"ScheduledActionName": "new", "Schedule": null}),
        json!({"ScheduledActionName": "new", "ScalableTargetAction": null}),
        json!({"Schedule": "sometimes"}),
        json!({"Timezone": "Middle/Earth"}),
        json!({"ScalableTargetAction": {"MinCapacity": 5, "MaxCapacity": 4}}),
        json!({"ScalableTargetAction": {"MinCapacity": 0}}),
        json!({"StartTime": 1_800_000_000, "EndTime": 1_700_000_000}),
    ] {
        assert_eq!(refused(&client, "PutScheduledAction", action(&wrong)).await.0, "ValidationException", "{wrong}");
    }
    let name = writes(&json!({"ScheduledActionName": "other"}));
    ok(&client, "DeleteScheduledAction", name.clone()).await;
    assert_eq!(refused(&client, "DeleteScheduledAction", name).await.0, "ObjectNotFoundException");
    assert_eq!(count(json!({})).await, 1);
    ok(&client, "DeregisterScalableTarget", writes(&json!({}))).await;
    assert_eq!(count(json!({})).await, 0);
    pass(&cloud, 7 * 3600).await;
    assert_eq!(units(&client).await.1, 5);
}
