//! The resource types as CloudFormation drives them.

use serde_json::{Value as Json, json};
use undercast_application_autoscaling::ApplicationAutoScaling;
use undercast_kernel::Service as _;
use undercast_kernel::resources::{Properties, ResourceRequest, ResourceType, Updated};

use crate::{alarm_states, at_noon, ok, table};

fn properties(json: &Json) -> Properties {
    json.as_object().unwrap().clone()
}

fn request(json: &Json) -> ResourceRequest {
    ResourceRequest {
        stack: "shop".into(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop/1".into(),
        logical_id: "Scaling".into(),
        properties: properties(json),
        tags: vec![("stack".into(), "shop".into())],
    }
}

fn kind(name: &str) -> Box<dyn ResourceType> {
    ApplicationAutoScaling.resource_types().into_iter().find(|kind| kind.name().ends_with(name)).unwrap()
}

#[tokio::test]
async fn a_template_makes_changes_and_removes_targets_and_policies() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let (target, policy) = (kind("ScalableTarget"), kind("ScalingPolicy"));
    let action = |name: &str| json!({"ScheduledActionName": name, "Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 2}});
    let mut before = json!({"ServiceNamespace": "dynamodb", "ResourceId": "table/tab", "ScalableDimension": "dynamodb:table:WriteCapacityUnits",
        "MinCapacity": 1, "MaxCapacity": "9", "ScheduledActions": [action("a"), action("b")], "SuspendedState": {"ScheduledScalingSuspended": true},
        "Tags": [{"Key": "team", "Value": "shop"}]});
    let made = target.create(&cx, &request(&before)).await.unwrap();
    assert_eq!(made.id, "table/tab|dynamodb:table:WriteCapacityUnits|dynamodb");
    assert_eq!(made.attributes["Id"], made.id);
    let shown = async || {
        ok(&client, "DescribeScalableTargets", json!({"ServiceNamespace": "dynamodb"})).await["ScalableTargets"][0]
            .clone()
    };
    assert_eq!(
        (&shown().await["MaxCapacity"], &shown().await["SuspendedState"]["ScheduledScalingSuspended"]),
        (&json!(9), &json!(true))
    );
    let mut now = before.clone();
    now["MaxCapacity"] = json!(12);
    now["ScheduledActions"] = json!([action("b")]);
    now.as_object_mut().unwrap().remove("SuspendedState");
    now.as_object_mut().unwrap().remove("Tags");
    let updated = target.update(&cx, &made.id, &properties(&before), &request(&now)).await.unwrap();
    assert!(matches!(updated, Updated::InPlace(resource) if resource.id == made.id));
    let after = shown().await;
    assert_eq!(
        (&after["MaxCapacity"], &after["SuspendedState"]["ScheduledScalingSuspended"]),
        (&json!(12), &json!(false))
    );
    let tags = ok(&client, "ListTagsForResource", json!({"ResourceARN": after["ScalableTargetARN"]})).await;
    assert_eq!(tags["Tags"], json!({"stack": "shop"}));
    let actions = ok(&client, "DescribeScheduledActions", json!({"ServiceNamespace": "dynamodb"})).await;
    assert_eq!(actions["ScheduledActions"].as_array().unwrap().len(), 1);

    let configuration = |target: f64| json!({"TargetValue": target, "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBWriteCapacityUtilization"}});
    let of_policy = |target: f64| {
        json!({"PolicyName": "p", "PolicyType": "TargetTrackingScaling", "ScalingTargetId": made.id,
               "TargetTrackingScalingPolicyConfiguration": configuration(target)})
    };
    let scaling = policy.create(&cx, &request(&of_policy(70.0))).await.unwrap();
    assert_eq!(scaling.attributes["Arn"], scaling.id);
    let updated =
        policy.update(&cx, &scaling.id, &properties(&of_policy(70.0)), &request(&of_policy(50.0))).await.unwrap();
    assert!(matches!(updated, Updated::InPlace(resource) if resource.id == scaling.id));
    assert_eq!(alarm_states(&client).await[0].2, 150.0);
    let mut both = of_policy(50.0);
    both["ResourceId"] = json!("table/tab");
    assert!(policy.create(&cx, &request(&both)).await.is_err());
    for _ in 0..2 {
        policy.delete(&cx, &scaling.id, &properties(&of_policy(50.0))).await.unwrap();
        target.delete(&cx, &made.id, &properties(&now)).await.unwrap();
    }
    assert!(alarm_states(&client).await.is_empty());
    // One that is there by its three names.
    before["ScheduledActions"] = json!([]);
    target.create(&cx, &request(&before)).await.unwrap();
    let mut named = of_policy(70.0);
    named.as_object_mut().unwrap().remove("ScalingTargetId");
    for name in ["ServiceNamespace", "ResourceId", "ScalableDimension"] {
        named[name] = before[name].clone();
    }
    policy.create(&cx, &request(&named)).await.unwrap();
}
