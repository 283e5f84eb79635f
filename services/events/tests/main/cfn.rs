//! Resources of templates.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Client, Cloud, arn, body, cloud, entry, messages};

/// Makes or changes a stack, and waits for its end. Returns its status and its outputs by name.
async fn deploy(cloud: &Cloud, operation: &str, template: &Json) -> (String, Json) {
    let client = cloud.client();
    let input = json!({"StackName": "s", "TemplateBody": template.to_string(), "Capabilities": ["CAPABILITY_IAM"]});
    client.call("cloudformation", operation, input).await.ok();
    settled(&client).await
}

async fn settled(client: &Client) -> (String, Json) {
    for _ in 0..500 {
        let told = client.call("cloudformation", "DescribeStacks", json!({"StackName": "s"})).await;
        if told.status >= 300 {
            return ("GONE".to_owned(), json!({}));
        }
        let stack = &told.json["Stacks"][0];
        let status = stack["StackStatus"].as_str().unwrap().to_owned();
        if !status.ends_with("IN_PROGRESS") {
            let outputs = stack["Outputs"].as_array().cloned().unwrap_or_default();
            let named = outputs.iter().map(|o| (o["OutputKey"].as_str().unwrap().to_owned(), o["OutputValue"].clone()));
            return (status, Json::Object(named.collect()));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the stack does not settle");
}

fn template(pattern: &str, targets: &Json) -> Json {
    json!({
        "Resources": {
            "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "shop", "Description": pattern,
                "Tags": [{"Key": "of", "Value": pattern}]}},
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}},
            "Open": {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": "Queue"}], "PolicyDocument": {
                "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage", "Resource": {"Fn::GetAtt": ["Queue", "Arn"]}}]}}},
            "Rule": {"Type": "AWS::Events::Rule", "Properties": {"EventBusName": {"Ref": "Bus"}, "Name": "r", "Description": "d",
                "EventPattern": {"source": [pattern]}, "State": "ENABLED", "Targets": targets,
                "Tags": [{"Key": "of", "Value": pattern}]}},
            "Archive": {"Type": "AWS::Events::Archive", "Properties": {"SourceArn": {"Fn::GetAtt": ["Bus", "Arn"]}, "ArchiveName": "kept",
                "EventPattern": {"source": [pattern]}, "RetentionDays": "7", "Description": pattern}},
            "Clock": {"Type": "AWS::Events::Rule", "Properties": {"ScheduleExpression": "rate(1 hour)"}},
            "Policy": {"Type": "AWS::Events::EventBusPolicy", "Properties": {"EventBusName": {"Ref": "Bus"}, "StatementId": "other",
                "Action": "events:PutEvents", "Principal": "111111111111"}},
            "Statement": {"Type": "AWS::Events::EventBusPolicy", "DependsOn": "Policy", "Properties": {"EventBusName": {"Ref": "Bus"},
                "StatementId": "mine", "Statement": {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"},
                "Action": "events:PutEvents", "Resource": {"Fn::GetAtt": ["Bus", "Arn"]}}}},
        },
        "Outputs": {
            "Bus": {"Value": {"Ref": "Bus"}}, "BusArn": {"Value": {"Fn::GetAtt": ["Bus", "Arn"]}},
            "BusName": {"Value": {"Fn::GetAtt": ["Bus", "Name"]}}, "Rule": {"Value": {"Ref": "Rule"}},
            "RuleArn": {"Value": {"Fn::GetAtt": ["Rule", "Arn"]}}, "Clock": {"Value": {"Ref": "Clock"}},
            "ClockArn": {"Value": {"Fn::GetAtt": ["Clock", "Arn"]}}, "Policy": {"Value": {"Ref": "Policy"}},
            "Archive": {"Value": {"Ref": "Archive"}}, "ArchiveArn": {"Value": {"Fn::GetAtt": ["Archive", "Arn"]}},
        },
    })
}

#[tokio::test]
async fn a_template_makes_buses_and_rules() {
    let cloud = cloud().await;
    let client = cloud.client();
    let queue = json!({"Fn::GetAtt": ["Queue", "Arn"]});
    let targets = json!([
        {"Id": "one", "Arn": queue, "RetryPolicy": {"MaximumRetryAttempts": "3", "MaximumEventAgeInSeconds": 60}, "Input": {"n": 1}},
        {"Id": "two", "Arn": queue, "InputPath": "$.detail"},
    ]);
    let (status, outputs) = deploy(&cloud, "CreateStack", &template("a", &targets)).await;
    assert_eq!(status, "CREATE_COMPLETE");
    assert_eq!((&outputs["Bus"], &outputs["BusArn"]), (&json!("shop"), &json!(arn("events", "event-bus/shop"))));
    assert_eq!((&outputs["Rule"], &outputs["RuleArn"]), (&json!("shop|r"), &json!(arn("events", "rule/shop/r"))));
    let clock = outputs["Clock"].as_str().unwrap();
    assert!(clock.starts_with("s-Clock-"), "{clock}");
    assert_eq!(
        (&outputs["ClockArn"], &outputs["Policy"]),
        (&json!(arn("events", &format!("rule/{clock}"))), &json!("shop|other"))
    );
    assert_eq!((&outputs["Archive"], &outputs["ArchiveArn"]), (&json!("kept"), &json!(arn("events", "archive/kept"))));
    let policy = client.call("events", "DescribeEventBus", json!({"Name": "shop"})).await.ok()["Policy"].clone();
    let policy: Json = serde_json::from_str(policy.as_str().unwrap()).unwrap();
    assert_eq!((&policy["Statement"][0]["Sid"], &policy["Statement"][1]["Sid"]), (&json!("other"), &json!("mine")));
    let mut event = entry("a", &json!({"n": 2}));
    event["EventBusName"] = json!("shop");
    client.call("events", "PutEvents", json!({"Entries": [event]})).await.ok();
    let url = client.call("sqs", "GetQueueUrl", json!({"QueueName": "q"})).await.ok()["QueueUrl"].clone();
    let mut bodies = Vec::new();
    while bodies.len() < 2 {
        bodies.extend(messages(&client, url.as_str().unwrap()).await.iter().map(body));
    }
    bodies.sort_by_key(Json::to_string);
    assert_eq!(bodies, [json!({"n": 1}), json!({"n": 2})]);
    // Another pattern, and other targets.
    let targets = json!([{"Id": "two", "Arn": queue, "InputPath": "$.id"}, {"Id": "three", "Arn": queue}]);
    let (status, changed) = deploy(&cloud, "UpdateStack", &template("b", &targets)).await;
    assert_eq!((status.as_str(), &changed), ("UPDATE_COMPLETE", &outputs));
    let there = client.call("events", "ListTargetsByRule", json!({"Rule": "r", "EventBusName": "shop"})).await.ok();
    let ids: Vec<_> =
        there["Targets"].as_array().unwrap().iter().map(|t| (t["Id"].clone(), t["InputPath"].clone())).collect();
    assert_eq!(ids, [(json!("three"), Json::Null), (json!("two"), json!("$.id"))]);
    let rule = client.call("events", "DescribeRule", json!({"Name": "r", "EventBusName": "shop"})).await.ok();
    assert_eq!(rule["EventPattern"], "{\"source\":[\"b\"]}");
    let kept = client.call("events", "DescribeArchive", json!({"ArchiveName": "kept"})).await.ok();
    assert_eq!(
        (&kept["EventPattern"], &kept["RetentionDays"], &kept["Description"]),
        (&json!("{\"source\":[\"b\"]}"), &json!(7), &json!("b"))
    );
    for resource in ["event-bus/shop", "rule/shop/r"] {
        let tags =
            client.call("events", "ListTagsForResource", json!({"ResourceARN": arn("events", resource)})).await.ok();
        assert_eq!(tags["Tags"], json!([{"Key": "of", "Value": "b"}]), "{resource}");
    }
    client.call("cloudformation", "DeleteStack", json!({"StackName": "s"})).await.ok();
    assert_eq!(settled(&client).await.0, "GONE");
    let buses = client.call("events", "ListEventBuses", json!({})).await.ok();
    assert_eq!(buses["EventBuses"].as_array().unwrap().len(), 1);
    assert_eq!(client.call("events", "ListRules", json!({})).await.ok()["Rules"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_made_leaves_nothing() {
    let cloud = cloud().await;
    let client = cloud.client();
    for (kind, properties) in [
        ("AWS::Events::Rule", json!({"EventPattern": {"source": ["a"]}, "Targets": [{"Id": "t", "Arn": "nothing"}]})),
        ("AWS::Events::EventBus", json!({"Name": "b", "Policy": {"Statement": []}})),
        ("AWS::Events::EventBusPolicy", json!({"StatementId": "s", "Statement": "text"})),
    ] {
        let template = json!({"Resources": {"It": {"Type": kind, "Properties": properties}}});
        let (status, _) = deploy(&cloud, "CreateStack", &template).await;
        assert_eq!(status, "ROLLBACK_COMPLETE", "{kind}");
        assert_eq!(client.call("events", "ListRules", json!({})).await.ok()["Rules"], json!([]));
        let buses = client.call("events", "ListEventBuses", json!({})).await.ok();
        assert_eq!(buses["EventBuses"].as_array().unwrap().len(), 1, "{kind}");
        client.call("cloudformation", "DeleteStack", json!({"StackName": "s"})).await.ok();
        settled(&client).await;
    }
}

fn outside(rate: Option<&str>, user: &str) -> Json {
    let get = |name: &str, of: &str| json!({"Fn::GetAtt": [name, of]});
    let mut template = json!({
        "Resources": {
            "Line": {"Type": "AWS::Events::Connection", "Properties": {"AuthorizationType": "BASIC", "Description": user, "AuthParameters": {
                "BasicAuthParameters": {"Username": user, "Password": "p"},
                "InvocationHttpParameters": {"HeaderParameters": [{"Key": "X-Tier", "Value": "gold", "IsValueSecret": "true"}]}}}},
            "There": {"Type": "AWS::Events::ApiDestination", "Properties": {"Name": "there", "ConnectionArn": get("Line", "Arn"),
                "HttpMethod": "POST", "InvocationEndpoint": "https://example.com/in"}},
        },
        "Outputs": {
            "Line": {"Value": {"Ref": "Line"}}, "LinePolicy": {"Value": get("Line", "ArnForPolicy")},
            "There": {"Value": {"Ref": "There"}}, "ThereArn": {"Value": get("There", "Arn")},
            "TherePolicy": {"Value": get("There", "ArnForPolicy")},
        },
    });
    if let Some(rate) = rate {
        template["Resources"]["There"]["Properties"]["InvocationRateLimitPerSecond"] = json!(rate);
    }
    template
}

#[tokio::test]
async fn a_template_makes_connections_and_destinations() {
    let cloud = cloud().await;
    let client = cloud.client();
    let (status, outputs) = deploy(&cloud, "CreateStack", &outside(Some("7"), "ann")).await;
    assert_eq!(status, "CREATE_COMPLETE");
    let line = outputs["Line"].as_str().unwrap();
    assert!(line.starts_with("s-Line-"), "{line}");
    assert_eq!(outputs["LinePolicy"], arn("events", &format!("connection/{line}")));
    assert_eq!(
        (&outputs["There"], &outputs["TherePolicy"]),
        (&json!("there"), &json!(arn("events", "api-destination/there")))
    );
    let destination = client.call("events", "DescribeApiDestination", json!({"Name": "there"})).await.ok();
    assert_eq!(
        (&destination["ApiDestinationArn"], &destination["InvocationRateLimitPerSecond"]),
        (&outputs["ThereArn"], &json!(7))
    );
    let connection = client.call("events", "DescribeConnection", json!({"Name": line})).await.ok();
    assert_eq!(
        connection["AuthParameters"],
        json!({
            "BasicAuthParameters": {"Username": "ann"},
            "InvocationHttpParameters": {"HeaderParameters": [{"Key": "X-Tier", "IsValueSecret": true}]},
        })
    );
    let (status, changed) = deploy(&cloud, "UpdateStack", &outside(None, "bob")).await;
    assert_eq!((status.as_str(), &changed), ("UPDATE_COMPLETE", &outputs));
    let connection = client.call("events", "DescribeConnection", json!({"Name": line})).await.ok();
    assert_eq!(
        (&connection["AuthParameters"]["BasicAuthParameters"]["Username"], &connection["Description"]),
        (&json!("bob"), &json!("bob"))
    );
    let destination = client.call("events", "DescribeApiDestination", json!({"Name": "there"})).await.ok();
    assert_eq!(destination["InvocationRateLimitPerSecond"], json!(300));
    client.call("cloudformation", "DeleteStack", json!({"StackName": "s"})).await.ok();
    assert_eq!(settled(&client).await.0, "GONE");
    assert_eq!(client.call("events", "ListConnections", json!({})).await.ok()["Connections"], json!([]));
    assert_eq!(client.call("events", "ListApiDestinations", json!({})).await.ok()["ApiDestinations"], json!([]));
}
