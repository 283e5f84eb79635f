//! The resource type as CloudFormation drives it.

use super::*;

/// Makes or changes the stack and says how it ended.
async fn stack(client: &Client, operation: &str, properties: &Json) -> Json {
    let template = json!({
        "Resources": {"Trail": {"Type": "AWS::CloudTrail::Trail", "Properties": properties}},
        "Outputs": {"Ref": {"Value": {"Ref": "Trail"}}, "Arn": {"Value": {"Fn::GetAtt": ["Trail", "Arn"]}}},
    });
    let input =
        json!({"StackName": "shop", "TemplateBody": template.to_string(), "Tags": [{"Key": "stack", "Value": "shop"}]});
    client.call("cloudformation", operation, input).await.ok();
    loop {
        let shown = client.call("cloudformation", "DescribeStacks", json!({"StackName": "shop"})).await.ok()["Stacks"]
            [0]
        .clone();
        if !shown["StackStatus"].as_str().unwrap().ends_with("IN_PROGRESS") {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn output(stack: &Json, key: &str) -> Json {
    stack["Outputs"].as_array().unwrap().iter().find(|o| o["OutputKey"] == key).unwrap()["OutputValue"].clone()
}

#[tokio::test]
async fn a_stack_has_a_trail() {
    let (_cloud, client) = cloud().await;
    let made = stack(&client, "CreateStack", &json!({
        "TrailName": "all", "S3BucketName": BUCKET, "IsLogging": true, "IsMultiRegionTrail": true, "EnableLogFileValidation": true,
        "EventSelectors": [{"ReadWriteType": "WriteOnly"}], "InsightSelectors": [{"InsightType": "ApiCallRateInsight"}],
        "Tags": [{"Key": "team", "Value": "a"}],
    })).await;
    assert_eq!(made["StackStatus"], "CREATE_COMPLETE", "{made}");
    assert_eq!((output(&made, "Ref"), output(&made, "Arn")), (json!("all"), json!(TRAIL)));
    let status = ok(&client, "GetTrailStatus", json!({"Name": "all"})).await;
    assert_eq!(status["IsLogging"], true);
    let chosen = ok(&client, "GetEventSelectors", json!({"TrailName": "all"})).await;
    assert_eq!(chosen["EventSelectors"][0]["ReadWriteType"], "WriteOnly");
    ok(&client, "GetInsightSelectors", json!({"TrailName": "all"})).await;
    // In place: what is not said any more is as it is for a new one.
    let changed = stack(&client, "UpdateStack", &json!({"TrailName": "all", "S3BucketName": BUCKET, "IsLogging": false, "Tags": [{"Key": "team", "Value": "b"}]})).await;
    assert_eq!(changed["StackStatus"], "UPDATE_COMPLETE", "{changed}");
    let trail = ok(&client, "GetTrail", json!({"Name": "all"})).await["Trail"].clone();
    assert_eq!((&trail["IsMultiRegionTrail"], &trail["LogFileValidationEnabled"]), (&json!(false), &json!(false)));
    assert_eq!((&trail["HasCustomEventSelectors"], &trail["HasInsightSelectors"]), (&json!(false), &json!(false)));
    assert_eq!(ok(&client, "GetTrailStatus", json!({"Name": "all"})).await["IsLogging"], false);
    let tags = ok(&client, "ListTags", json!({"ResourceIdList": [TRAIL]})).await.to_string();
    assert!(tags.contains("\"b\"") && tags.contains("shop"), "{tags}");
    // By another one, where the name changes.
    let replaced =
        stack(&client, "UpdateStack", &json!({"TrailName": "other", "S3BucketName": BUCKET, "IsLogging": true})).await;
    assert_eq!((&replaced["StackStatus"], output(&replaced, "Ref")), (&json!("UPDATE_COMPLETE"), json!("other")));
    assert_eq!(ok(&client, "ListTrails", json!({})).await["Trails"].as_array().unwrap().len(), 1);
    client.call("cloudformation", "DeleteStack", json!({"StackName": "shop"})).await.ok();
    for _ in 0..200 {
        if ok(&client, "ListTrails", json!({})).await["Trails"] == json!([]) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("the trail is still there")
}

#[tokio::test]
async fn what_cannot_be_made_as_ordered_is_not_made() {
    let (_cloud, client) = cloud().await;
    let made = stack(
        &client,
        "CreateStack",
        &json!({"TrailName": "all", "S3BucketName": BUCKET, "IsLogging": true,
        "EventSelectors": [{"DataResources": [{"Type": "AWS::None::Such", "Values": ["arn:aws:s3"]}]}]}),
    )
    .await;
    assert_eq!(made["StackStatus"], "ROLLBACK_COMPLETE", "{made}");
    assert_eq!(ok(&client, "ListTrails", json!({})).await["Trails"], json!([]));
}
