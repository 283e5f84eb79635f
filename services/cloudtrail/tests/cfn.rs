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

#[tokio::test]
async fn a_stack_has_an_event_data_store() {
    let (_cloud, client) = cloud().await;
    let template = |properties: Json| {
        let store = json!({"Type": "AWS::CloudTrail::EventDataStore", "Properties": properties});
        json!({"Resources": {"Lake": store}, "Outputs": {"Ref": {"Value": {"Ref": "Lake"}}, "Status": {"Value": {"Fn::GetAtt": ["Lake", "Status"]}}}})
    };
    let run = async |operation: &str, properties: Json| {
        let input = json!({"StackName": "lake", "TemplateBody": template(properties).to_string()});
        client.call("cloudformation", operation, input).await.ok();
        loop {
            let shown =
                client.call("cloudformation", "DescribeStacks", json!({"StackName": "lake"})).await.ok()["Stacks"][0]
                    .clone();
            if !shown["StackStatus"].as_str().unwrap().ends_with("IN_PROGRESS") {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let made = run(
        "CreateStack",
        json!({"RetentionPeriod": 30, "TerminationProtectionEnabled": false, "Tags": [{"Key": "team", "Value": "a"}]}),
    )
    .await;
    assert_eq!(made["StackStatus"], "CREATE_COMPLETE", "{made}");
    let arn = output(&made, "Ref");
    let shown = ok(&client, "GetEventDataStore", json!({"EventDataStore": arn})).await;
    assert_eq!((&shown["RetentionPeriod"], &shown["Status"]), (&json!(30), &json!("ENABLED")));
    let changed = run("UpdateStack", json!({"Name": "renamed", "RetentionPeriod": 60, "TerminationProtectionEnabled": false, "IngestionEnabled": false})).await;
    assert_eq!((&changed["StackStatus"], output(&changed, "Ref")), (&json!("UPDATE_COMPLETE"), arn.clone()));
    let shown = ok(&client, "GetEventDataStore", json!({"EventDataStore": arn})).await;
    assert_eq!(
        (&shown["Name"], &shown["RetentionPeriod"], &shown["Status"]),
        (&json!("renamed"), &json!(60), &json!("STOPPED_INGESTION"))
    );
    let tags = ok(&client, "ListTags", json!({"ResourceIdList": [arn]})).await;
    assert!(!tags.to_string().contains("team"), "{tags}");
    client.call("cloudformation", "DeleteStack", json!({"StackName": "lake"})).await.ok();
    for _ in 0..200 {
        if ok(&client, "GetEventDataStore", json!({"EventDataStore": arn})).await["Status"] == "PENDING_DELETION" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("the store is still there")
}

/// What a stack has become that is made or changed.
async fn driven(client: &Client, operation: &str, template: &Json) -> Json {
    let input = json!({"StackName": "lake", "TemplateBody": template.to_string()});
    client.call("cloudformation", operation, input).await.ok();
    loop {
        let asked = json!({"StackName": "lake"});
        let shown = client.call("cloudformation", "DescribeStacks", asked).await.ok()["Stacks"][0].clone();
        if !shown["StackStatus"].as_str().unwrap().ends_with("IN_PROGRESS") {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Stores, a channel, a dashboard and a policy.
fn everything(key: &str, size: &str, view: &str, with_insights: bool) -> Json {
    let selector = |category: &str| json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": [category]}]}]);
    let mut calls = json!({"Name": "calls", "TerminationProtectionEnabled": false, "KmsKeyId": key, "MaxEventSize": size,
        "ContextKeySelectors": if size == "Large" { json!([{"Type": "TagContext", "Equals": ["team"]}]) } else { json!([]) }});
    if with_insights {
        calls["InsightSelectors"] = json!([{"InsightType": "ApiCallRateInsight"}]);
        calls["InsightsDestination"] = json!({"Ref": "Insights"});
    }
    let id = json!({"Fn::Select": [1, {"Fn::Split": ["/", {"Ref": "Calls"}]}]});
    let widget = json!({"QueryStatement": {"Fn::Join": ["", ["SELECT COUNT(*) AS n FROM ", id, " WHERE eventTime > '?'"]]},
        "QueryParameters": ["$StartTime$"], "ViewProperties": {"View": view}});
    json!({
        "Resources": {
            "Insights": {"Type": "AWS::CloudTrail::EventDataStore", "Properties": {"Name": "insights", "TerminationProtectionEnabled": false, "AdvancedEventSelectors": selector("Insight")}},
            "Calls": {"Type": "AWS::CloudTrail::EventDataStore", "Properties": calls},
            "Audit": {"Type": "AWS::CloudTrail::EventDataStore", "Properties": {"Name": "audit", "TerminationProtectionEnabled": false, "AdvancedEventSelectors": selector("ActivityAuditLog")}},
            "Doors": {"Type": "AWS::CloudTrail::Channel", "Properties": {"Name": view.to_lowercase(), "Source": "Custom", "Destinations": [{"Type": "EVENT_DATA_STORE", "Location": {"Ref": "Audit"}}], "Tags": [{"Key": "team", "Value": view}]}},
            "Policy": {"Type": "AWS::CloudTrail::ResourcePolicy", "Properties": {"ResourceArn": {"Ref": "Calls"}, "ResourcePolicy": {"Version": "2012-10-17",
                "Statement": [{"Sid": view, "Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "cloudtrail:StartQuery", "Resource": {"Ref": "Calls"}}]}}},
            "Shop": {"Type": "AWS::CloudTrail::Dashboard", "Properties": {"Name": "shop", "Widgets": [widget], "TerminationProtectionEnabled": false, "Tags": [{"Key": "team", "Value": view}],
                "RefreshSchedule": {"Frequency": {"Unit": "HOURS", "Value": 6}, "Status": "ENABLED", "TimeOfDay": "01:00"}}},
        },
        "Outputs": {
            "Calls": {"Value": {"Fn::GetAtt": ["Calls", "EventDataStoreArn"]}}, "Doors": {"Value": {"Ref": "Doors"}},
            "DoorsArn": {"Value": {"Fn::GetAtt": ["Doors", "ChannelArn"]}}, "Policy": {"Value": {"Ref": "Policy"}}, "Shop": {"Value": {"Ref": "Shop"}},
            "Status": {"Value": {"Fn::GetAtt": ["Shop", "Status"]}}, "Type": {"Value": {"Fn::GetAtt": ["Shop", "Type"]}},
        },
    })
}

#[tokio::test]
async fn a_stack_has_all_of_lake() {
    let (_cloud, client) = cloud().await;
    let key = sealing::key(&client).await;
    let made = driven(&client, "CreateStack", &everything(&key, "Large", "Table", true)).await;
    assert_eq!(made["StackStatus"], "CREATE_COMPLETE", "{made}");
    let (calls, doors, shop) = (output(&made, "Calls"), output(&made, "Doors"), output(&made, "Shop"));
    assert_eq!((output(&made, "DoorsArn"), output(&made, "Policy")), (doors.clone(), calls.clone()));
    assert_eq!((output(&made, "Status"), output(&made, "Type")), (json!("CREATED"), json!("CUSTOM")));
    assert_eq!(ok(&client, "GetEventDataStore", json!({"EventDataStore": calls})).await["KmsKeyId"], json!(key));
    let configuration = ok(&client, "GetEventConfiguration", json!({"EventDataStore": calls})).await;
    assert_eq!(
        (&configuration["MaxEventSize"], &configuration["ContextKeySelectors"][0]["Equals"]),
        (&json!("Large"), &json!(["team"]))
    );
    ok(&client, "GetInsightSelectors", json!({"EventDataStore": calls})).await;
    assert_eq!(ok(&client, "GetChannel", json!({"Channel": doors})).await["Name"], "table");
    let policy = ok(&client, "GetResourcePolicy", json!({"ResourceArn": calls})).await;
    assert!(policy["ResourcePolicy"].as_str().unwrap().contains("\"Table\""), "{policy}");
    assert_eq!(
        ok(&client, "GetDashboard", json!({"DashboardId": shop})).await["RefreshSchedule"]["Frequency"],
        json!({"Unit": "HOURS", "Value": 6})
    );
    let changed = driven(&client, "UpdateStack", &everything(&key, "Standard", "PieChart", false)).await;
    assert_eq!(
        (&changed["StackStatus"], output(&changed, "Shop")),
        (&json!("UPDATE_COMPLETE"), shop.clone()),
        "{changed}"
    );
    assert_eq!(output(&changed, "Doors"), doors);
    let configuration = ok(&client, "GetEventConfiguration", json!({"EventDataStore": calls})).await;
    assert_eq!(
        (&configuration["MaxEventSize"], &configuration["ContextKeySelectors"]),
        (&json!("Standard"), &json!([]))
    );
    assert_eq!(
        refused(&client, "GetInsightSelectors", json!({"EventDataStore": calls})).await.0,
        "InsightNotEnabledException"
    );
    assert_eq!(ok(&client, "GetChannel", json!({"Channel": doors})).await["Name"], "piechart");
    let shown = ok(&client, "GetDashboard", json!({"DashboardId": shop})).await;
    assert_eq!(
        (&shown["Status"], &shown["Widgets"][0]["ViewProperties"]["View"]),
        (&json!("UPDATED"), &json!("PieChart"))
    );
    let tags = ok(&client, "ListTags", json!({"ResourceIdList": [doors, shop]})).await.to_string();
    assert_eq!(tags.matches("PieChart").count(), 2, "{tags}");
    client.call("cloudformation", "DeleteStack", json!({"StackName": "lake"})).await.ok();
    for _ in 0..500 {
        let left = ok(&client, "GetEventDataStore", json!({"EventDataStore": calls})).await["Status"].clone();
        if left == "PENDING_DELETION" && ok(&client, "ListChannels", json!({})).await["Channels"] == json!([]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(refused(&client, "GetDashboard", json!({"DashboardId": "shop"})).await.0, "ResourceNotFoundException");
    assert_eq!(ok(&client, "ListChannels", json!({})).await["Channels"], json!([]));
}
