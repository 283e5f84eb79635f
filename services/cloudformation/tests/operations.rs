//! What is said with requests on stacks and change sets, and what they answer.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_cloudformation::CloudFormation;
use undercast_iam::Iam;
use undercast_kernel::{Effect, FaultRule, Service};
use undercast_s3::S3;
use undercast_sqs::Sqs;
use undercast_testkit::{Answer, Client, Cloud};

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(CloudFormation), Arc::new(Iam), Arc::new(S3::default()), Arc::new(Sqs)]
}

async fn call(client: &Client, operation: &str, input: Json) -> Answer {
    client.call("cloudformation", operation, input).await
}

/// The request is refused with this code and this in its message.
async fn refused(client: &Client, operation: &str, input: Json, code: &str, message: &str) {
    let answer = call(client, operation, input).await;
    assert_eq!(answer.code(), code, "{operation}: {}", answer.json);
    assert!(answer.json["message"].as_str().unwrap().contains(message), "{operation}: {}", answer.json);
}

async fn settled(client: &Client, stack: &str) -> Json {
    for _ in 0..1000 {
        let found = call(client, "DescribeStacks", json!({"StackName": stack})).await.ok()["Stacks"][0].clone();
        if !found["StackStatus"].as_str().unwrap().ends_with("IN_PROGRESS") {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the stack {stack} never came to rest");
}

/// Asks for something to be done to a stack, and waits for its end.
async fn done(client: &Client, operation: &str, input: Json) -> Json {
    let name = input["StackName"].as_str().unwrap().to_owned();
    let arn = match call(client, "DescribeStacks", json!({"StackName": name})).await {
        there if there.status == 200 => Some(there.json["Stacks"][0]["StackId"].as_str().unwrap().to_owned()),
        _ => None,
    };
    let answer = call(client, operation, input).await.ok();
    let arn = answer["StackId"].as_str().map(ToOwned::to_owned).or(arn);
    settled(client, &arn.unwrap_or(name)).await
}

/// A template with a queue that waits as long as `Delay` says, and tells it.
fn waiting() -> String {
    json!({
        "Description": "A queue.",
        "Parameters": {
            "Delay": {"Type": "Number", "Default": "1", "Description": "In seconds."},
            "Secret": {"Type": "String", "Default": "none", "NoEcho": true, "AllowedValues": ["none", "some"]},
        },
        "Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": {"Ref": "Delay"}}}},
        "Outputs": {"Delay": {"Value": {"Ref": "Delay"}}, "Secret": {"Value": {"Ref": "Secret"}}},
    })
    .to_string()
}

fn one(kind: &str, properties: &Json) -> String {
    json!({"Resources": {"It": {"Type": kind, "Properties": properties}}}).to_string()
}

fn trusting(service: &str) -> Json {
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]})
}

/// A template that needs a capability.
fn a_role() -> String {
    one("AWS::IAM::Role", &json!({"AssumeRolePolicyDocument": trusting("lambda.amazonaws.com")}))
}

fn delay(value: &str) -> Json {
    json!([{"ParameterKey": "Delay", "ParameterValue": value}])
}

async fn role(client: &Client, name: &str, action: Option<&str>) -> String {
    let trust = trusting("cloudformation.amazonaws.com").to_string();
    let input = json!({"RoleName": name, "AssumeRolePolicyDocument": trust});
    let made = client.call("iam", "CreateRole", input).await.ok();
    if let Some(action) = action {
        let allow =
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]});
        let input = json!({"RoleName": name, "PolicyName": "p", "PolicyDocument": allow.to_string()});
        client.call("iam", "PutRolePolicy", input).await.ok();
    }
    made["Role"]["Arn"].as_str().unwrap().to_owned()
}

fn outputs(stack: &Json) -> Vec<&str> {
    stack["Outputs"].as_array().unwrap().iter().map(|o| o["OutputValue"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_role_does_the_work_and_its_failure_ends_as_was_asked() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (idle, able) = (role(&client, "idle", None).await, role(&client, "able", Some("sqs:*")).await);
    let with = |name: &str, role: &str, more: Json| {
        let mut input = json!({"StackName": name, "TemplateBody": waiting(), "RoleARN": role});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let left = done(&client, "CreateStack", with("left", &idle, json!({"OnFailure": "DO_NOTHING"}))).await;
    assert_eq!((&left["StackStatus"], &left["DisableRollback"]), (&json!("CREATE_FAILED"), &json!(true)));
    assert_eq!(left["RoleARN"], idle.as_str());
    let why = call(&client, "DescribeStackResource", json!({"StackName": "left", "LogicalResourceId": "Q"})).await.ok();
    let why = why["StackResourceDetail"]["ResourceStatusReason"].as_str().unwrap();
    assert!(why.contains("not authorized to perform: sqs:createqueue"), "{why}");
    let still = done(&client, "CreateStack", with("still", &idle, json!({"DisableRollback": true}))).await;
    assert_eq!(still["StackStatus"], "CREATE_FAILED");
    let gone = done(&client, "CreateStack", with("gone", &idle, json!({"OnFailure": "DELETE"}))).await;
    assert_eq!(gone["StackStatus"], "DELETE_COMPLETE");
    let back = done(&client, "CreateStack", with("back", &idle, json!({"OnFailure": "ROLLBACK"}))).await;
    assert_eq!(back["StackStatus"], "ROLLBACK_COMPLETE");
    let both = with("both", &idle, json!({"OnFailure": "DELETE", "DisableRollback": true}));
    refused(&client, "CreateStack", both, "ValidationError", "Only one of OnFailure or DisableRollback").await;

    assert_eq!(done(&client, "CreateStack", with("s", &able, json!({}))).await["StackStatus"], "CREATE_COMPLETE");
    let update = with("s", &idle, json!({"Parameters": delay("3"), "DisableRollback": true}));
    assert_eq!(done(&client, "UpdateStack", update).await["StackStatus"], "UPDATE_FAILED");
    let failed = done(&client, "DeleteStack", json!({"StackName": "s", "RoleARN": idle})).await;
    assert_eq!(failed["StackStatus"], "DELETE_FAILED");
    let deleted = done(&client, "DeleteStack", json!({"StackName": "s", "RoleARN": able, "DeletionMode": "STANDARD"}));
    assert_eq!(deleted.await["StackStatus"], "DELETE_COMPLETE");
    assert!(client.call("sqs", "ListQueues", json!({})).await.ok()["QueueUrls"].is_null());
    let forced = call(&client, "DeleteStack", json!({"StackName": "left", "DeletionMode": "FORCE_DELETE_STACK"})).await;
    assert_eq!(forced.status, 501);
}

#[tokio::test]
async fn templates_come_from_a_bucket_and_from_the_stack_itself() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("s3", "CreateBucket", json!({"Bucket": "texts"})).await.ok();
    client
        .call_with_body("s3", "PutObject", json!({"Bucket": "texts", "Key": "a b.json"}), Some(waiting().into()))
        .await
        .ok();
    let url = "https://s3.amazonaws.com/texts/a%20b.json";
    let create = json!({"StackName": "s", "TemplateURL": url, "Parameters": [
        {"ParameterKey": "Delay", "ParameterValue": "2", "ResolvedValue": "9"},
        {"ParameterKey": "Secret", "ParameterValue": "some"}]});
    let made = done(&client, "CreateStack", create).await;
    assert_eq!(outputs(&made), ["2", "some"], "{made}");
    assert_eq!(made["Parameters"][1]["ParameterValue"], "****");
    let update = json!({"StackName": "s", "UsePreviousTemplate": true, "Parameters": [
        {"ParameterKey": "Delay", "ParameterValue": "3"}, {"ParameterKey": "Secret", "UsePreviousValue": true}]});
    assert_eq!(outputs(&done(&client, "UpdateStack", update).await), ["3", "some"]);
    // What is not said has its default again.
    let update = json!({"StackName": "s", "TemplateURL": url, "Parameters": delay("3")});
    assert_eq!(outputs(&done(&client, "UpdateStack", update).await), ["3", "none"]);
    for (input, message) in [
        (json!({"StackName": "t", "TemplateURL": url, "TemplateBody": waiting()}), "only one of TemplateBody or"),
        (json!({"StackName": "t"}), "Either Template URL or Template Body must be specified."),
        (json!({"StackName": "t", "TemplateURL": "https://s3.amazonaws.com/texts/none"}), "S3 error: "),
        (json!({"StackName": "t", "TemplateURL": "nowhere"}), "TemplateURL must be a supported URL."),
    ] {
        refused(&client, "CreateStack", input, "ValidationError", message).await;
    }
    for input in [json!({"TemplateURL": url}), json!({"TemplateBody": waiting()})] {
        let valid = call(&client, "ValidateTemplate", input).await.ok();
        assert_eq!(valid["Description"], "A queue.");
        let secret = json!({"ParameterKey": "Secret", "DefaultValue": "none", "NoEcho": true});
        assert_eq!(valid["Parameters"][1], secret);
    }
    for input in [json!({"TemplateURL": url}), json!({"TemplateBody": waiting()}), json!({"StackName": "s"})] {
        let summary = call(&client, "GetTemplateSummary", input).await.ok();
        assert_eq!(summary["ResourceTypes"], json!(["AWS::SQS::Queue"]));
        assert_eq!(summary["Parameters"][0]["ParameterType"], "Number");
        assert_eq!(summary["Parameters"][1]["ParameterConstraints"]["AllowedValues"], json!(["none", "some"]));
    }
    let needs = call(&client, "GetTemplateSummary", json!({"TemplateBody": a_role()})).await.ok();
    assert_eq!(needs["Capabilities"], json!(["CAPABILITY_IAM"]));
    assert_eq!(needs["CapabilitiesReason"], "The following resource(s) require capabilities: [AWS::IAM::Role]");
    let text = call(&client, "GetTemplate", json!({"StackName": "s", "TemplateStage": "Processed"})).await.ok();
    assert_eq!(text["TemplateBody"], waiting());
    refused(&client, "ValidateTemplate", json!({"TemplateBody": "{}"}), "ValidationError", "").await;
    refused(&client, "GetTemplate", json!({}), "ValidationError", "StackName is required").await;
}

#[tokio::test]
async fn a_change_set_has_all_that_its_request_said() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let able = role(&client, "able", Some("*")).await;
    let named = |name: &str| json!({"StackName": "s", "ChangeSetName": name});
    let with = |name: &str, more: Json| {
        let mut input = named(name);
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let first = with(
        "first",
        json!({"ChangeSetType": "CREATE", "TemplateBody": a_role(), "Capabilities": ["CAPABILITY_IAM"], "Description": "the first",
               "OnStackFailure": "DELETE", "RoleARN": able, "Tags": [{"Key": "k", "Value": "v"}]}),
    );
    let mut bare = first.clone();
    bare["Capabilities"] = json!([]);
    let needs = "Requires capabilities : [CAPABILITY_IAM]";
    refused(&client, "CreateChangeSet", bare, "InsufficientCapabilitiesException", needs).await;
    let made = call(&client, "CreateChangeSet", first.clone()).await.ok();
    refused(&client, "CreateChangeSet", first, "AlreadyExistsException", "first").await;
    let set = call(&client, "DescribeChangeSet", json!({"ChangeSetName": made["Id"]})).await.ok();
    assert_eq!((&set["Description"], &set["OnStackFailure"]), (&json!("the first"), &json!("DELETE")));
    assert_eq!((&set["Capabilities"], &set["Tags"][0]["Value"]), (&json!(["CAPABILITY_IAM"]), &json!("v")));
    assert_eq!(set["ExecutionStatus"], "AVAILABLE");
    let text = call(&client, "GetTemplate", named("first")).await.ok();
    assert_eq!(text["TemplateBody"], a_role());
    let stack = done(&client, "ExecuteChangeSet", with("first", json!({"DisableRollback": false}))).await;
    assert_eq!((&stack["StackStatus"], &stack["RoleARN"]), (&json!("CREATE_COMPLETE"), &json!(able)));
    assert_eq!(stack["ChangeSetId"], made["Id"]);

    client.call("s3", "CreateBucket", json!({"Bucket": "texts"})).await.ok();
    client.call_with_body("s3", "PutObject", json!({"Bucket": "texts", "Key": "t"}), Some(waiting().into())).await.ok();
    let url = "https://texts.s3.us-east-1.amazonaws.com/t";
    call(&client, "CreateChangeSet", with("queue", json!({"TemplateURL": url, "Parameters": delay("4")}))).await.ok();
    assert_eq!(done(&client, "ExecuteChangeSet", named("queue")).await["Outputs"][0]["OutputValue"], "4");
    let same = with(
        "same",
        json!({"UsePreviousTemplate": true, "Parameters": [{"ParameterKey": "Delay", "UsePreviousValue": true}]}),
    );
    call(&client, "CreateChangeSet", same).await.ok();
    let listed = call(&client, "ListChangeSets", json!({"StackName": "s"})).await.ok();
    let states: Vec<[&str; 3]> = listed["Summaries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| ["ChangeSetName", "Status", "ExecutionStatus"].map(|member| s[member].as_str().unwrap()))
        .collect();
    assert_eq!(states, [["queue", "CREATE_COMPLETE", "EXECUTE_COMPLETE"], ["same", "FAILED", "UNAVAILABLE"]]);
    refused(&client, "ExecuteChangeSet", named("same"), "InvalidChangeSetStatusException", "cannot be executed").await;
    call(&client, "DeleteChangeSet", named("same")).await.ok();
    for operation in ["DescribeChangeSet", "ExecuteChangeSet", "GetTemplate"] {
        refused(&client, operation, named("same"), "ChangeSetNotFoundException", "ChangeSet [same] does not exist")
            .await;
    }
    call(&client, "DeleteChangeSet", named("same")).await.ok();
}

#[tokio::test]
async fn a_change_set_under_way_stays_and_tells_its_end() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let named = json!({"StackName": "s", "ChangeSetName": "c"});
    let status = async || call(&client, "DescribeChangeSet", named.clone()).await.ok()["ExecutionStatus"].clone();
    let bad = json!({"StackName": "s", "ChangeSetName": "c", "ChangeSetType": "CREATE",
        "TemplateBody": one("AWS::SQS::Queue", &json!({"DelaySeconds": 100_000}))});
    call(&client, "CreateChangeSet", bad).await.ok();
    let slow = FaultRule {
        id: "slow".to_owned(),
        service: Some("sqs".to_owned()),
        operation: Some("CreateQueue".to_owned()),
        account: None,
        region: None,
        zone: None,
        probability: 1.0,
        effect: Effect::Latency { milliseconds: 1_500 },
    };
    cloud.kernel.faults().add(slow).unwrap();
    call(&client, "ExecuteChangeSet", named.clone()).await.ok();
    assert_eq!(status().await, "EXECUTE_IN_PROGRESS");
    let why = "cannot be deleted in its current execution status";
    refused(&client, "DeleteChangeSet", named.clone(), "InvalidChangeSetStatusException", why).await;
    assert_eq!(settled(&client, "s").await["StackStatus"], "ROLLBACK_COMPLETE");
    assert_eq!(status().await, "EXECUTE_FAILED");
    call(&client, "DeleteChangeSet", named.clone()).await.ok();
}

#[tokio::test]
async fn capabilities_protection_and_names_are_minded() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let create = json!({"StackName": "s", "TemplateBody": waiting(), "EnableTerminationProtection": true});
    assert_eq!(done(&client, "CreateStack", create.clone()).await["EnableTerminationProtection"], true);
    refused(&client, "CreateStack", create, "AlreadyExistsException", "Stack [s] already exists").await;
    let update = json!({"StackName": "s", "TemplateBody": a_role()});
    let needs = "Requires capabilities : [CAPABILITY_IAM]";
    refused(&client, "UpdateStack", update, "InsufficientCapabilitiesException", needs).await;
    let delete = json!({"StackName": "s"});
    refused(&client, "DeleteStack", delete, "ValidationError", "while TerminationProtection is enabled").await;
}

#[tokio::test]
async fn what_will_not_go_is_retained_on_request() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let bucket = one("AWS::S3::Bucket", &json!({"BucketName": "full"}));
    done(&client, "CreateStack", json!({"StackName": "s", "TemplateBody": bucket})).await;
    client
        .call_with_body("s3", "PutObject", json!({"Bucket": "full", "Key": "k"}), Some(b"x".to_vec().into()))
        .await
        .ok();
    let retaining = json!({"StackName": "s", "RetainResources": ["It"]});
    refused(&client, "DeleteStack", retaining.clone(), "ValidationError", "DELETE_FAILED state").await;
    let failed = done(&client, "DeleteStack", json!({"StackName": "s"})).await;
    assert_eq!(failed["StackStatus"], "DELETE_FAILED");
    assert_eq!(done(&client, "DeleteStack", retaining).await["StackStatus"], "DELETE_COMPLETE");
    client.call("s3", "HeadObject", json!({"Bucket": "full", "Key": "k"})).await.ok();
}

#[tokio::test]
async fn resources_are_found_by_either_id_and_lists_come_in_pages() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let queues: serde_json::Map<String, Json> =
        (0..101).map(|n| (format!("Q{n:03}"), json!({"Type": "AWS::SQS::Queue"}))).collect();
    let text = json!({"Resources": queues, "Outputs": {"O": {"Value": {"Ref": "Q000"}, "Export": {"Name": "url"}}}});
    let made = done(&client, "CreateStack", json!({"StackName": "s", "TemplateBody": text.to_string()})).await;
    assert_eq!(made["StackStatus"], "CREATE_COMPLETE");
    let next = async |operation: &str, list: &str, token: Json| {
        let mut input = json!({"StackName": "s"});
        if token.is_string() {
            input["NextToken"] = token;
        }
        let page = call(&client, operation, input).await.ok();
        (page[list].as_array().unwrap().len(), page["NextToken"].clone())
    };
    for (operation, list, sizes) in [
        ("ListStackResources", "StackResourceSummaries", vec![100, 1]),
        ("DescribeStackEvents", "StackEvents", vec![100, 100, 4]),
    ] {
        let (mut token, mut found) = (Json::Null, Vec::new());
        while found.is_empty() || token.is_string() {
            let (size, more) = next(operation, list, token).await;
            found.push(size);
            token = more;
        }
        assert_eq!(found, sizes, "{operation}");
    }
    for (operation, of_stack) in [
        ("DescribeStacks", false),
        ("ListStacks", false),
        ("ListExports", false),
        ("DescribeStackEvents", true),
        ("ListStackResources", true),
        ("ListChangeSets", true),
    ] {
        let mut input = json!({"NextToken": "none of ours"});
        if of_stack {
            input["StackName"] = json!("s");
        }
        refused(&client, operation, input, "ValidationError", "Invalid NextToken").await;
    }
    let set = json!({"StackName": "s", "ChangeSetName": "c", "NextToken": "none of ours"});
    refused(&client, "DescribeChangeSet", set, "ValidationError", "Invalid NextToken").await;

    let named = json!({"StackName": "s", "LogicalResourceId": "Q007"});
    let detail = call(&client, "DescribeStackResource", named.clone()).await.ok()["StackResourceDetail"].clone();
    assert_eq!((&detail["ResourceStatus"], &detail["StackId"]), (&json!("CREATE_COMPLETE"), &made["StackId"]));
    let by_logical = call(&client, "DescribeStackResources", named).await.ok()["StackResources"].clone();
    assert_eq!(by_logical[0]["PhysicalResourceId"], detail["PhysicalResourceId"]);
    assert_eq!(by_logical.as_array().unwrap().len(), 1);
    let physical = json!({"PhysicalResourceId": detail["PhysicalResourceId"], "LogicalResourceId": "Q007"});
    assert_eq!(call(&client, "DescribeStackResources", physical).await.ok()["StackResources"], by_logical);
    let unknown = json!({"StackName": "s", "LogicalResourceId": "None"});
    let why = "Resource None does not exist for stack s";
    refused(&client, "DescribeStackResource", unknown, "ValidationError", why).await;

    let importing = one("AWS::SQS::Queue", &json!({"Tags": [{"Key": "k", "Value": {"Fn::ImportValue": "url"}}]}));
    let not_yet = "Export 'url' is not imported by any stack.";
    refused(&client, "ListImports", json!({"ExportName": "url"}), "ValidationError", not_yet).await;
    done(&client, "CreateStack", json!({"StackName": "t", "TemplateBody": importing})).await;
    assert_eq!(call(&client, "ListImports", json!({"ExportName": "url"})).await.ok()["Imports"], json!(["t"]));
    let bad = json!({"ExportName": "url", "NextToken": "none of ours"});
    refused(&client, "ListImports", bad, "ValidationError", "Invalid NextToken").await;
    done(&client, "DeleteStack", json!({"StackName": "t"})).await;
    let gone = call(&client, "ListStacks", json!({"StackStatusFilter": ["DELETE_COMPLETE"]})).await.ok();
    assert_eq!(gone["StackSummaries"][0]["StackName"], "t");
    assert_eq!(gone["StackSummaries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_with_a_token_is_done_once() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let create = json!({"StackName": "s", "TemplateBody": waiting(), "ClientRequestToken": "t1"});
    let first = call(&client, "CreateStack", create.clone()).await.ok();
    assert_eq!(call(&client, "CreateStack", create.clone()).await.ok(), first);
    settled(&client, "s").await;
    assert_eq!(call(&client, "CreateStack", create.clone()).await.ok(), first);
    let used = "The client request token t1 has already been used for this stack.";
    let update = |token: &str| json!({"StackName": "s", "UsePreviousTemplate": true, "Parameters": delay("5"), "ClientRequestToken": token});
    refused(&client, "UpdateStack", update("t1"), "TokenAlreadyExistsException", used).await;
    call(&client, "UpdateStack", update("t2")).await.ok();
    call(&client, "UpdateStack", update("t2")).await.ok();
    settled(&client, "s").await;
    call(&client, "UpdateStack", update("t2")).await.ok();

    let set = |name: &str, token: &str| json!({"StackName": "s", "ChangeSetName": name, "UsePreviousTemplate": true, "Parameters": delay("6"), "ClientToken": token});
    let made = call(&client, "CreateChangeSet", set("c", "t1")).await.ok();
    assert_eq!(call(&client, "CreateChangeSet", set("c", "t1")).await.ok(), made);
    refused(&client, "CreateChangeSet", set("c", "t2"), "AlreadyExistsException", "").await;
    let execute = |token: &str| json!({"StackName": "s", "ChangeSetName": "c", "ClientRequestToken": token});
    refused(&client, "ExecuteChangeSet", execute("t1"), "TokenAlreadyExistsException", used).await;
    call(&client, "ExecuteChangeSet", execute("t3")).await.ok();
    call(&client, "ExecuteChangeSet", execute("t3")).await.ok();
    assert_eq!(outputs(&settled(&client, "s").await), ["6", "none"]);

    let delete = |token: &str| json!({"StackName": "s", "ClientRequestToken": token});
    refused(&client, "DeleteStack", delete("t1"), "TokenAlreadyExistsException", used).await;
    assert_eq!(done(&client, "DeleteStack", delete("t4")).await["StackStatus"], "DELETE_COMPLETE");
    let events = call(&client, "DescribeStackEvents", json!({"StackName": first["StackId"]})).await.ok();
    let mut tokens: Vec<&str> =
        events["StackEvents"].as_array().unwrap().iter().map(|e| e["ClientRequestToken"].as_str().unwrap()).collect();
    tokens.dedup();
    assert_eq!(tokens, ["t4", "t3", "t2", "t1"]);
    // Its name is free, and the token is still used.
    refused(&client, "CreateStack", create, "TokenAlreadyExistsException", used).await;
}
