//! Stacks through a real socket: made, changed, rolled back, removed, and gone on with after a crash.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_cloudformation::CloudFormation;
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_sqs::Sqs;
use undercast_testkit::{Client, Cloud};

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(CloudFormation), Arc::new(Iam), Arc::new(Sqs)]
}

async fn settled(client: &Client, stack: &str) -> Json {
    for _ in 0..500 {
        let answer = client.call("cloudformation", "DescribeStacks", json!({"StackName": stack})).await.ok();
        let found = answer["Stacks"][0].clone();
        if !found["StackStatus"].as_str().unwrap().ends_with("IN_PROGRESS") {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the stack {stack} never came to rest");
}

fn template(resources: &Json, outputs: &Json) -> String {
    json!({"Parameters": {"Delay": {"Type": "Number", "Default": "1"}}, "Resources": resources, "Outputs": outputs})
        .to_string()
}

async fn create(client: &Client, name: &str, body: &str) -> Json {
    client
        .call(
            "cloudformation",
            "CreateStack",
            json!({"StackName": name, "TemplateBody": body, "Capabilities": ["CAPABILITY_IAM"]}),
        )
        .await
        .ok();
    settled(client, name).await
}

fn queues() -> Json {
    json!({
        "Dead": {"Type": "AWS::SQS::Queue"},
        "Work": {"Type": "AWS::SQS::Queue", "Properties": {
            "DelaySeconds": {"Ref": "Delay"},
            "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3}}}
    })
}

#[tokio::test]
async fn a_stack_is_made_in_order_and_tells_its_outputs() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let outputs = json!({"Url": {"Value": {"Ref": "Work"}, "Export": {"Name": "work-url"}}, "Name": {"Value": {"Fn::Sub": "${AWS::StackName}/${Dead.QueueName}"}}});
    let stack = create(&client, "s", &template(&queues(), &outputs)).await;
    assert_eq!(stack["StackStatus"], "CREATE_COMPLETE", "{stack}");
    let output = |key: &str| {
        stack["Outputs"].as_array().unwrap().iter().find(|o| o["OutputKey"] == key).unwrap()["OutputValue"].clone()
    };
    let attributes = client
        .call("sqs", "GetQueueAttributes", json!({"QueueUrl": output("Url"), "AttributeNames": ["All"]}))
        .await
        .ok();
    assert_eq!(attributes["Attributes"]["DelaySeconds"], "1");
    assert!(attributes["Attributes"]["RedrivePolicy"].as_str().unwrap().contains(":s-Dead-"));
    assert!(output("Name").as_str().unwrap().starts_with("s/s-Dead-"));
    let exports = client.call("cloudformation", "ListExports", json!({})).await.ok();
    assert_eq!(exports["Exports"][0]["Name"], "work-url");
    let events = client.call("cloudformation", "DescribeStackEvents", json!({"StackName": "s"})).await.ok();
    let story: Vec<String> = events["StackEvents"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|e| format!("{} {}", e["LogicalResourceId"].as_str().unwrap(), e["ResourceStatus"].as_str().unwrap()))
        .collect();
    assert_eq!(
        story,
        [
            "s CREATE_IN_PROGRESS",
            "Dead CREATE_IN_PROGRESS",
            "Dead CREATE_COMPLETE",
            "Work CREATE_IN_PROGRESS",
            "Work CREATE_COMPLETE",
            "s CREATE_COMPLETE"
        ]
    );
}

#[tokio::test]
async fn an_update_changes_in_place_replaces_and_removes() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    create(&client, "s", &template(&queues(), &json!({}))).await;
    let update = async |body: String, delay: &str| {
        let input = json!({"StackName": "s", "TemplateBody": body, "Parameters": [{"ParameterKey": "Delay", "ParameterValue": delay}]});
        client.call("cloudformation", "UpdateStack", input).await
    };
    let ids = async || {
        let answer = client.call("cloudformation", "ListStackResources", json!({"StackName": "s"})).await.ok();
        answer["StackResourceSummaries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| (r["LogicalResourceId"].as_str().unwrap().to_owned(), r["PhysicalResourceId"].clone()))
            .collect::<Vec<_>>()
    };
    let same = update(template(&queues(), &json!({})), "1").await;
    assert_eq!(same.json["message"], "No updates are to be performed.");
    let before = ids().await;
    update(template(&queues(), &json!({})), "7").await.ok();
    assert_eq!(settled(&client, "s").await["StackStatus"], "UPDATE_COMPLETE");
    assert_eq!(ids().await, before, "nothing was replaced");
    let attributes = client
        .call("sqs", "GetQueueAttributes", json!({"QueueUrl": before[1].1, "AttributeNames": ["DelaySeconds"]}))
        .await
        .ok();
    assert_eq!(attributes["Attributes"]["DelaySeconds"], "7");
    let renamed = json!({"Work": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "renamed"}}});
    update(template(&renamed, &json!({})), "7").await.ok();
    assert_eq!(settled(&client, "s").await["StackStatus"], "UPDATE_COMPLETE");
    let all = client.call("sqs", "ListQueues", json!({})).await.ok();
    assert_eq!(all["QueueUrls"].as_array().unwrap().len(), 1, "the old queues are gone: {all}");
    assert!(all["QueueUrls"][0].as_str().unwrap().ends_with("/renamed"));
}

#[tokio::test]
async fn what_fails_is_rolled_back() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let broken = json!({
        "Good": {"Type": "AWS::SQS::Queue"},
        "Bad": {"Type": "AWS::SQS::Queue", "DependsOn": "Good", "Properties": {"DelaySeconds": 100_000}}
    });
    let stack = create(&client, "s", &template(&broken, &json!({}))).await;
    assert_eq!(stack["StackStatus"], "ROLLBACK_COMPLETE");
    assert!(client.call("sqs", "ListQueues", json!({})).await.ok()["QueueUrls"].is_null());
    let events = client.call("cloudformation", "DescribeStackEvents", json!({"StackName": "s"})).await.ok();
    let reason = events["StackEvents"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["ResourceStatus"] == "CREATE_FAILED")
        .unwrap()["ResourceStatusReason"]
        .clone();
    assert!(reason.as_str().unwrap().contains("Invalid value for the parameter DelaySeconds."), "{reason}");
    create(&client, "t", &template(&queues(), &json!({}))).await;
    let before = client.call("sqs", "ListQueues", json!({})).await.ok();
    let mut wider = queues();
    wider["Work"]["Properties"]["DelaySeconds"] = json!(9);
    wider["Bad"] = json!({"Type": "AWS::SQS::Queue", "DependsOn": "Work", "Properties": {"VisibilityTimeout": 99_999}});
    client
        .call("cloudformation", "UpdateStack", json!({"StackName": "t", "TemplateBody": template(&wider, &json!({}))}))
        .await
        .ok();
    assert_eq!(settled(&client, "t").await["StackStatus"], "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(client.call("sqs", "ListQueues", json!({})).await.ok(), before);
    let work = before["QueueUrls"].as_array().unwrap().iter().find(|u| u.as_str().unwrap().contains("Work")).unwrap();
    let attributes = client
        .call("sqs", "GetQueueAttributes", json!({"QueueUrl": work, "AttributeNames": ["DelaySeconds"]}))
        .await
        .ok();
    assert_eq!(attributes["Attributes"]["DelaySeconds"], "1");
}

#[tokio::test]
async fn a_change_set_says_what_it_will_do_and_does_it() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let set = async |name: &str, kind: &str, body: &str| {
        let input = json!({"StackName": "s", "ChangeSetName": name, "ChangeSetType": kind, "TemplateBody": body});
        client.call("cloudformation", "CreateChangeSet", input).await.ok();
        client.call("cloudformation", "DescribeChangeSet", json!({"StackName": "s", "ChangeSetName": name})).await.ok()
    };
    let execute = async |name: &str| {
        client.call("cloudformation", "ExecuteChangeSet", json!({"StackName": "s", "ChangeSetName": name})).await.ok();
        settled(&client, "s").await["StackStatus"].clone()
    };
    let first = set("first", "CREATE", &template(&queues(), &json!({}))).await;
    assert_eq!(first["Changes"].as_array().unwrap().len(), 2);
    assert_eq!(execute("first").await, "CREATE_COMPLETE");
    let empty = set("empty", "UPDATE", &template(&queues(), &json!({}))).await;
    assert_eq!((&empty["Status"], &empty["ExecutionStatus"]), (&json!("FAILED"), &json!("UNAVAILABLE")));
    assert!(empty["StatusReason"].as_str().unwrap().starts_with("The submitted information didn't contain changes."));
    let mut changed = queues();
    changed["Dead"]["Properties"] = json!({"QueueName": "dead"});
    let replacing = set("replacing", "UPDATE", &template(&changed, &json!({}))).await;
    let of = |logical: &str| {
        replacing["Changes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["ResourceChange"]["LogicalResourceId"] == logical)
            .unwrap()["ResourceChange"]
            .clone()
    };
    assert_eq!(of("Dead")["Replacement"], "True");
    assert_eq!(of("Work")["Replacement"], "False", "its redrive policy follows");
    assert_eq!(execute("replacing").await, "UPDATE_COMPLETE");
}

#[tokio::test]
async fn refusals_come_before_anything_is_made() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let check = async |resources: Json, status: u16, message: &str| {
        let answer = client
            .call(
                "cloudformation",
                "CreateStack",
                json!({"StackName": "s", "TemplateBody": template(&resources, &json!({}))}),
            )
            .await;
        assert_eq!(answer.status, status, "{}", answer.json);
        assert!(answer.json["message"].as_str().unwrap().contains(message), "{}", answer.json);
    };
    check(json!({"X": {"Type": "AWS::EC2::Instance"}}), 501, "AWS::EC2::Instance").await;
    check(json!({"X": {"Type": "AWS::SQS::Queue", "Properties": {"Nonsense": 1}}}), 501, "Nonsense").await;
    check(
        json!({"X": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": {"Ref": "Y"}}}}),
        400,
        "Unresolved resource dependencies [Y]",
    )
    .await;
    let role = json!({"R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}}});
    check(role, 400, "Requires capabilities : [CAPABILITY_IAM]").await;
    let none = client.call("cloudformation", "DescribeStacks", json!({"StackName": "s"})).await;
    assert_eq!(none.json["message"], "Stack with id s does not exist");
}

#[tokio::test]
async fn a_parameter_that_only_outputs_use_is_a_change() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let queue = json!({"Queue": {"Type": "AWS::SQS::Queue"}});
    let body = template(&queue, &json!({"Delay": {"Value": {"Ref": "Delay"}}}));
    create(&client, "s", &body).await;
    let with = |delay: &str| {
        let parameter = json!([{"ParameterKey": "Delay", "ParameterValue": delay}]);
        json!({"StackName": "s", "TemplateBody": body, "Parameters": parameter})
    };
    let same = client.call("cloudformation", "UpdateStack", with("1")).await;
    assert_eq!(same.json["message"], "No updates are to be performed.");
    client.call("cloudformation", "UpdateStack", with("2")).await.ok();
    let stack = settled(&client, "s").await;
    assert_eq!(stack["StackStatus"], "UPDATE_COMPLETE", "{stack}");
    assert_eq!(stack["Outputs"][0]["OutputValue"], "2");
    // One that nothing uses is none.
    let unused = template(&queue, &json!({}));
    client.call("cloudformation", "UpdateStack", json!({"StackName": "s", "TemplateBody": unused})).await.ok();
    settled(&client, "s").await;
    let mut other = with("3");
    other["TemplateBody"] = json!(unused);
    let none = client.call("cloudformation", "UpdateStack", other).await;
    assert_eq!(none.json["message"], "No updates are to be performed.");
}

#[tokio::test]
async fn a_deleted_stack_takes_its_resources_along_unless_others_import_from_it() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    create(&client, "a", &template(&queues(), &json!({"Url": {"Value": {"Ref": "Work"}, "Export": {"Name": "url"}}})))
        .await;
    let importing = json!({"Q": {"Type": "AWS::SQS::Queue", "Properties": {"Tags": [{"Key": "from", "Value": {"Fn::ImportValue": "url"}}]}}});
    assert_eq!(create(&client, "b", &template(&importing, &json!({}))).await["StackStatus"], "CREATE_COMPLETE");
    client.call("cloudformation", "DeleteStack", json!({"StackName": "a"})).await.ok();
    let refused = settled(&client, "a").await;
    assert_eq!(refused["StackStatus"], "DELETE_FAILED");
    assert_eq!(refused["StackStatusReason"], "Export url cannot be deleted as it is in use by b");
    let arn = refused["StackId"].as_str().unwrap().to_owned();
    client.call("cloudformation", "DeleteStack", json!({"StackName": "b"})).await.ok();
    for _ in 0..200 {
        if client.call("cloudformation", "DescribeStacks", json!({"StackName": "b"})).await.status == 400 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    client.call("cloudformation", "DeleteStack", json!({"StackName": "a"})).await.ok();
    assert_eq!(settled(&client, &arn).await["StackStatus"], "DELETE_COMPLETE");
    assert!(client.call("sqs", "ListQueues", json!({})).await.ok()["QueueUrls"].is_null());
}
