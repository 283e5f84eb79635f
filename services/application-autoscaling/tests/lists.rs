//! Targets and policies as they are registered, listed, tagged, and who may do it.

use serde_json::{Value as Json, json};
use undercast_kernel::{Effect, FaultRule};
use undercast_testkit::Credentials;

use crate::{SERVICE, at_noon, merged, ok, refused, register, table, units, writes};

fn place(resource: &str, dimension: &str) -> Json {
    json!({"ServiceNamespace": "dynamodb", "ResourceId": resource, "ScalableDimension": dimension})
}

#[tokio::test]
async fn targets_are_registered_and_listed() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    let arn = register(&client, 2, 20).await;
    assert!(arn.starts_with("arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/"), "{arn}");
    let index = merged(
        &place("table/tab/index/idx", "dynamodb:index:ReadCapacityUnits"),
        &json!({"MinCapacity": 1, "MaxCapacity": 3}),
    );
    ok(&client, "RegisterScalableTarget", index.clone()).await;
    // The index has five, which is more than its limit.
    let found = client.call("dynamodb", "DescribeTable", json!({"TableName": "tab"})).await.ok();
    let given = &found["Table"]["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"];
    assert_eq!((&given["ReadCapacityUnits"], &given["WriteCapacityUnits"]), (&json!(3), &json!(5)));
    assert_eq!(units(&client).await, (5, 5));
    let list = async |more: Json| {
        let found =
            ok(&client, "DescribeScalableTargets", merged(&json!({"ServiceNamespace": "dynamodb"}), &more)).await;
        found["ScalableTargets"].as_array().unwrap().clone()
    };
    let all = list(json!({})).await;
    assert_eq!(all.len(), 2);
    let role = "arn:aws:iam::000000000000:role/aws-service-role/dynamodb.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_DynamoDBTable";
    assert_eq!((&all[0]["RoleARN"], &all[0]["ScalableTargetARN"]), (&json!(role), &json!(arn)));
    assert_eq!(all[0]["SuspendedState"]["ScheduledScalingSuspended"], false);
    assert_eq!(list(json!({"ResourceIds": ["table/tab/index/idx"]})).await.len(), 1);
    assert_eq!(list(json!({"ScalableDimension": "dynamodb:table:WriteCapacityUnits"})).await.len(), 1);
    assert_eq!(list(json!({"ServiceNamespace": "ecs"})).await.len(), 0);
    let page = ok(&client, "DescribeScalableTargets", json!({"ServiceNamespace": "dynamodb", "MaxResults": 1})).await;
    assert_eq!(list(json!({"NextToken": page["NextToken"], "MaxResults": 1})).await.len(), 1);
    for operation in ["DescribeScalableTargets", "DescribeScalingPolicies", "DescribeScalingActivities"] {
        let forged = json!({"ServiceNamespace": "dynamodb", "NextToken": "x"});
        assert_eq!(refused(&client, operation, forged).await.0, "InvalidNextTokenException");
        let many = json!({"ServiceNamespace": "dynamodb", "MaxResults": 0});
        assert_eq!(refused(&client, operation, many).await.0, "ValidationException");
    }
}

#[tokio::test]
async fn targets_that_cannot_be_are_refused() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    let limits = json!({"MinCapacity": 1, "MaxCapacity": 3});
    for (input, message) in [
        (
            merged(&place("t", "dynamodb:table:ReadCapacityUnits"), &limits),
            "Unsupported service namespace, resource type or scalable dimension",
        ),
        (
            merged(&place("table/tab", "dynamodb:index:ReadCapacityUnits"), &limits),
            "Unsupported service namespace, resource type or scalable dimension",
        ),
        (
            merged(&place("table/gone", "dynamodb:table:ReadCapacityUnits"), &limits),
            "DynamoDB table does not exist: table/gone",
        ),
        (
            merged(&place("table/tab/index/gone", "dynamodb:index:ReadCapacityUnits"), &limits),
            "DynamoDB index does not exist: table/tab/index/gone",
        ),
        (
            writes(&json!({"MinCapacity": 1})),
            "MinCapacity and MaxCapacity are required to register a new scalable target",
        ),
        (writes(&json!({"MinCapacity": 0, "MaxCapacity": 1})), "Minimum capacity cannot be less than 1"),
        (writes(&json!({"MinCapacity": 3, "MaxCapacity": 1})), "Maximum capacity cannot be less than minimum capacity"),
    ] {
        assert_eq!(
            refused(&client, "RegisterScalableTarget", input).await,
            ("ValidationException".to_owned(), message.to_owned())
        );
    }
    let elsewhere = json!({"ServiceNamespace": "ecs", "ResourceId": "service/c/s", "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1, "MaxCapacity": 2});
    assert_eq!(client.call(SERVICE, "RegisterScalableTarget", elsewhere).await.status, 501);
    for operation in ["DeregisterScalableTarget", "PutScheduledAction"] {
        let mut input = writes(&json!({}));
        if operation == "PutScheduledAction" {
            input["ScheduledActionName"] = json!("a");
        }
        assert_eq!(refused(&client, operation, input).await.0, "ObjectNotFoundException");
    }
    for (operation, more) in [
        ("DeregisterScalableTarget", json!({})),
        ("DeleteScalingPolicy", json!({"PolicyName": "p"})),
        ("DeleteScheduledAction", json!({"ScheduledActionName": "a"})),
    ] {
        let input = merged(&place("t", "dynamodb:table:ReadCapacityUnits"), &more);
        assert_eq!(refused(&client, operation, input).await.0, "ValidationException", "{operation}");
    }
}

#[tokio::test]
async fn targets_have_tags() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    let input = writes(
        &json!({"MinCapacity": 1, "MaxCapacity": 3, "Tags": {"team": "shop"}, "RoleARN": "arn:aws:iam::000000000000:role/other"}),
    );
    let arn = ok(&client, "RegisterScalableTarget", input).await["ScalableTargetARN"].clone();
    let tags = async || ok(&client, "ListTagsForResource", json!({"ResourceARN": arn})).await["Tags"].clone();
    ok(&client, "TagResource", json!({"ResourceARN": arn, "Tags": {"a": "b"}})).await;
    assert_eq!(tags().await, json!({"a": "b", "team": "shop"}));
    ok(&client, "UntagResource", json!({"ResourceARN": arn, "TagKeys": ["team"]})).await;
    assert_eq!(tags().await, json!({"a": "b"}));
    let many: serde_json::Map<String, Json> = (0..50).map(|n| (format!("t{n}"), json!(""))).collect();
    assert_eq!(
        refused(&client, "TagResource", json!({"ResourceARN": arn, "Tags": many})).await.0,
        "TooManyTagsException"
    );
    assert_eq!(
        refused(&client, "TagResource", json!({"ResourceARN": arn, "Tags": {"aws:a": ""}})).await.0,
        "ValidationException"
    );
    let gone = "arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/gone";
    for (operation, more) in [
        ("ListTagsForResource", json!({})),
        ("TagResource", json!({"Tags": {"a": "b"}})),
        ("UntagResource", json!({"TagKeys": ["a"]})),
    ] {
        let input = merged(&json!({"ResourceARN": gone}), &more);
        assert_eq!(refused(&client, operation, input).await.0, "ResourceNotFoundException", "{operation}");
    }
    assert_eq!(
        refused(&client, "UntagResource", json!({"ResourceARN": "abc", "TagKeys": ["a"]})).await.0,
        "ValidationException"
    );
}

#[tokio::test]
async fn policies_are_listed() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    register(&client, 1, 9).await;
    let configuration = json!({"TargetValue": 70.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBWriteCapacityUtilization"}});
    let input = writes(
        &json!({"PolicyName": "p", "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": configuration}),
    );
    let made = ok(&client, "PutScalingPolicy", input.clone()).await;
    assert_eq!(ok(&client, "PutScalingPolicy", input).await, made, "an update keeps the names");
    let list = async |more: Json| {
        let found =
            ok(&client, "DescribeScalingPolicies", merged(&json!({"ServiceNamespace": "dynamodb"}), &more)).await;
        found["ScalingPolicies"].as_array().unwrap().clone()
    };
    let all = list(json!({})).await;
    assert_eq!((&all[0]["PolicyName"], &all[0]["PolicyType"]), (&json!("p"), &json!("TargetTrackingScaling")));
    assert_eq!(all[0]["TargetTrackingScalingPolicyConfiguration"], configuration);
    assert_eq!(all[0]["Alarms"], made["Alarms"]);
    assert_eq!(list(json!({"PolicyNames": ["p"], "ResourceId": "table/tab", "ScalableDimension": "dynamodb:table:WriteCapacityUnits"})).await.len(), 1);
    assert_eq!(list(json!({"PolicyNames": ["q"]})).await.len(), 0);
    assert_eq!(list(json!({"MaxResults": 1})).await.len(), 1);
    // Without a configuration the policy stays what it is.
    ok(&client, "PutScalingPolicy", writes(&json!({"PolicyName": "p"}))).await;
    assert_eq!(list(json!({})).await[0]["TargetTrackingScalingPolicyConfiguration"], configuration);
    ok(&client, "DeleteScalingPolicy", writes(&json!({"PolicyName": "p"}))).await;
    assert!(crate::alarm_states(&client).await.is_empty());
}

#[tokio::test]
async fn who_may_not_is_refused() {
    let cloud = at_noon().await;
    let root = cloud.client();
    table(&root, 5).await;
    root.call("iam", "CreateUser", json!({"UserName": "u"})).await.ok();
    let key = root.call("iam", "CreateAccessKey", json!({"UserName": "u"})).await.ok()["AccessKey"].clone();
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    let user = cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")));
    let input = writes(&json!({"MinCapacity": 1, "MaxCapacity": 3}));
    let allow = async |actions: Json| {
        let statement = json!({"Effect": "Allow", "Action": actions, "Resource": "*", "Condition": {"StringEqualsIfExists": {"application-autoscaling:service-namespace": "dynamodb"}}});
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        root.call("iam", "PutUserPolicy", json!({"UserName": "u", "PolicyName": "p", "PolicyDocument": policy}))
            .await
            .ok();
    };
    assert_eq!(refused(&user, "RegisterScalableTarget", input.clone()).await.0, "AccessDeniedException");
    allow(json!(["application-autoscaling:*"])).await;
    let (code, message) = refused(&user, "RegisterScalableTarget", input.clone()).await;
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains("iam:CreateServiceLinkedRole"), "{message}");
    allow(json!(["application-autoscaling:*", "iam:CreateServiceLinkedRole"])).await;
    ok(&user, "RegisterScalableTarget", input).await;
}

#[tokio::test]
async fn there_are_only_so_many() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    register(&client, 1, 9).await;
    let step = json!({"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]});
    let policy = |n: usize| {
        writes(
            &json!({"PolicyName": format!("p{n}"), "PolicyType": "StepScaling", "StepScalingPolicyConfiguration": step}),
        )
    };
    for n in 0..50 {
        ok(&client, "PutScalingPolicy", policy(n)).await;
    }
    assert_eq!(refused(&client, "PutScalingPolicy", policy(50)).await.0, "LimitExceededException");
    ok(&client, "PutScalingPolicy", policy(49)).await;
    let action = |n: usize| {
        writes(
            &json!({"ScheduledActionName": format!("a{n}"), "Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 2}}),
        )
    };
    for n in 0..200 {
        ok(&client, "PutScheduledAction", action(n)).await;
    }
    assert_eq!(refused(&client, "PutScheduledAction", action(200)).await.0, "LimitExceededException");
}

#[tokio::test]
async fn a_role_that_may_not_see_alarms_is_told() {
    let cloud = at_noon().await;
    let client = cloud.client();
    table(&client, 5).await;
    register(&client, 1, 9).await;
    let step = json!({"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]});
    let input =
        writes(&json!({"PolicyName": "s", "PolicyType": "StepScaling", "StepScalingPolicyConfiguration": step}));
    ok(&client, "PutScalingPolicy", input).await;
    let role = "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable";
    let policy = "arn:aws:iam::aws:policy/aws-service-role/AWSApplicationAutoscalingDynamoDBTablePolicy";
    let detached = client.call("iam", "DetachRolePolicy", json!({"RoleName": role, "PolicyArn": policy})).await;
    assert_eq!(detached.code(), "UnmodifiableEntityException");
    let needed = client.call("iam", "DeleteServiceLinkedRole", json!({"RoleName": role})).await.ok();
    let task = json!({"DeletionTaskId": needed["DeletionTaskId"]});
    let status = client.call("iam", "GetServiceLinkedRoleDeletionStatus", task).await.ok();
    assert_eq!(status["Status"], "FAILED");
    let usage = &status["Reason"]["RoleUsageList"][0];
    assert_eq!(usage["Region"], "us-east-1");
    assert!(usage["Resources"][0].as_str().is_some_and(|arn| arn.contains("scalable-target")), "{usage}");
    // Nobody can take its rights away; what it may not see is played by a rule.
    for operation in ["DescribeAlarms", "PutMetricAlarm"] {
        let effect = Effect::Error { code: "AccessDenied".to_owned(), status: 403, message: "no".to_owned() };
        let rule = FaultRule {
            id: operation.to_owned(),
            service: Some("cloudwatch".to_owned()),
            operation: Some(operation.to_owned()),
            account: None,
            region: None,
            zone: None,
            probability: 1.0,
            effect,
        };
        cloud.kernel.faults().add(rule).unwrap();
    }
    let described = refused(&client, "DescribeScalingPolicies", json!({"ServiceNamespace": "dynamodb"})).await;
    assert_eq!(described.0, "FailedResourceAccessException");
    let configuration = json!({"TargetValue": 70.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBWriteCapacityUtilization"}});
    let input = writes(
        &json!({"PolicyName": "t", "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": configuration}),
    );
    assert_eq!(refused(&client, "PutScalingPolicy", input).await.0, "FailedResourceAccessException");
}

#[tokio::test]
async fn without_iam_the_account_scales_for_itself() {
    use std::sync::Arc;
    use undercast_testkit::Cloud;
    let cloud = Cloud::start(vec![
        Arc::new(undercast_application_autoscaling::ApplicationAutoScaling),
        Arc::new(undercast_cloudwatch::CloudWatch),
        Arc::new(undercast_dynamodb::DynamoDb::default()),
    ])
    .await;
    let client = cloud.client();
    table(&client, 5).await;
    register(&client, 7, 9).await;
    assert_eq!(units(&client).await.1, 7);
}
