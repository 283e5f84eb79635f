//! Provisioned concurrency: environments that are warm before anybody asks.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::Client;

use crate::setup::{
    ROLE, cloud, create, eventually, invoke, invoke_with, package, parsed, python, python_runtime, stack, told,
};

crate::tests!(
    provisioned_environments_are_warm,
    an_alias_moves_its_environments_along,
    provisioned_concurrency_is_shown_listed_and_removed,
    a_function_that_does_not_start_is_not_provisioned,
    templates_provision_versions_and_aliases,
    more_than_there_is_cannot_be_provisioned,
    cloudwatch_is_told_of_invocations,
);

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const CODE: &str = "import os, time\nbegun = time.time()\ndef handler(event, context):\n    time.sleep(event.get('sleep', 0))\n    if event.get('exit'):\n        os._exit(1)\n    return [os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'], context.log_stream_name, context.function_version]\n";

async fn call(client: &Client, operation: &str, input: Json) -> Json {
    client.call("lambda", operation, input).await.ok()
}

async fn active(client: &Client) {
    eventually("active", || async {
        call(client, "GetFunctionConfiguration", json!({"FunctionName": "f"})).await["State"] == "Active"
    })
    .await;
}

async fn publish(client: &Client) {
    active(client).await;
    call(client, "PublishVersion", json!({"FunctionName": "f"})).await;
}

fn of(qualifier: &str) -> Json {
    json!({"FunctionName": "f", "Qualifier": qualifier})
}

async fn put(client: &Client, qualifier: &str, wanted: i32) -> Json {
    let mut input = of(qualifier);
    input["ProvisionedConcurrentExecutions"] = json!(wanted);
    call(client, "PutProvisionedConcurrencyConfig", input).await
}

async fn until(client: &Client, qualifier: &str, status: &str) -> Json {
    eventually(status, || async {
        call(client, "GetProvisionedConcurrencyConfig", of(qualifier)).await["Status"] == status
    })
    .await;
    call(client, "GetProvisionedConcurrencyConfig", of(qualifier)).await
}

async fn provisioned_environments_are_warm() {
    let (_cloud, client) = cloud().await;
    create(&client, python("f", CODE)).await;
    publish(&client).await;
    let put = put(&client, "1", 2).await;
    assert_eq!(
        (
            &put["Status"],
            &put["RequestedProvisionedConcurrentExecutions"],
            &put["AllocatedProvisionedConcurrentExecutions"]
        ),
        (&json!("IN_PROGRESS"), &json!(2), &json!(0))
    );
    let ready = until(&client, "1", "READY").await;
    assert_eq!(
        (&ready["AvailableProvisionedConcurrentExecutions"], &ready["AllocatedProvisionedConcurrentExecutions"]),
        (&json!(2), &json!(2))
    );
    // Two at a time are there already, a third is made for the occasion.
    let slow = json!({"sleep": 0.8});
    let run = async || invoke_with(&client, "f:1", json!({"LogType": "Tail"}), &slow).await;
    let (a, b, c) = tokio::join!(run(), run(), run());
    let mut kinds: Vec<(String, bool)> = [a, b, c]
        .iter()
        .map(|answer| {
            let tail = text::unbase64(answer.headers["x-amz-log-result"].to_str().unwrap()).unwrap();
            let cold = String::from_utf8(tail).unwrap().contains("Init Duration");
            (parsed(answer)[0].as_str().unwrap().to_owned(), cold)
        })
        .collect();
    kinds.sort();
    let warm = ("provisioned-concurrency".to_owned(), false);
    assert_eq!(kinds, [("on-demand".to_owned(), true), warm.clone(), warm]);
    assert_eq!(invoke(&client, "f", json!({})).await[0], "on-demand", "$LATEST has none of it");
    // One that ends is made anew, unasked.
    let ended = invoke_with(&client, "f:1", json!({}), &json!({"exit": true})).await;
    assert!(ended.headers.contains_key("x-amz-function-error"));
    until(&client, "1", "READY").await;
    assert_eq!(invoke(&client, "f:1", json!({})).await[0], "provisioned-concurrency");
    call(&client, "DeleteProvisionedConcurrencyConfig", of("1")).await;
    eventually("nothing is provisioned", || async { invoke(&client, "f:1", json!({})).await[0] == "on-demand" }).await;
}

async fn an_alias_moves_its_environments_along() {
    let (_cloud, client) = cloud().await;
    create(&client, python("f", CODE)).await;
    publish(&client).await;
    let zip = package(&[("index.py", &format!("{CODE}# another\n"), 0o644)]);
    call(&client, "UpdateFunctionCode", json!({"FunctionName": "f", "ZipFile": text::base64(&zip)})).await;
    publish(&client).await;
    call(&client, "CreateAlias", json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1"})).await;
    put(&client, "live", 2).await;
    until(&client, "live", "READY").await;
    let said = invoke(&client, "f:live", json!({})).await;
    assert_eq!((&said[0], &said[2]), (&json!("provisioned-concurrency"), &json!("1")));
    call(&client, "UpdateAlias", json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "2"})).await;
    until(&client, "live", "READY").await;
    let said = invoke(&client, "f:live", json!({})).await;
    assert_eq!((&said[0], &said[2]), (&json!("provisioned-concurrency"), &json!("2")));
    eventually("the first one's are gone", || async { invoke(&client, "f:1", json!({})).await[0] == "on-demand" })
        .await;
    // Half of the calls, half of the environments.
    let input = json!({"FunctionName": "f", "Name": "live", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}});
    call(&client, "UpdateAlias", input).await;
    until(&client, "live", "READY").await;
    for version in ["f:1", "f:2"] {
        eventually("each has one", || async {
            invoke(&client, version, json!({})).await[0] == "provisioned-concurrency"
        })
        .await;
    }
    call(&client, "DeleteAlias", json!({"FunctionName": "f", "Name": "live"})).await;
    eventually("none is left", || async { invoke(&client, "f:2", json!({})).await[0] == "on-demand" }).await;
}

async fn provisioned_concurrency_is_shown_listed_and_removed() {
    let (_cloud, client) = cloud().await;
    create(&client, python("f", CODE)).await;
    publish(&client).await;
    call(&client, "UpdateFunctionConfiguration", json!({"FunctionName": "f", "Timeout": 5})).await;
    publish(&client).await;
    put(&client, "1", 1).await;
    put(&client, "2", 1).await;
    let listed = call(&client, "ListProvisionedConcurrencyConfigs", json!({"FunctionName": "f", "MaxItems": 1})).await;
    let first = &listed["ProvisionedConcurrencyConfigs"][0];
    assert_eq!(
        (&first["FunctionArn"], &first["RequestedProvisionedConcurrentExecutions"]),
        (&json!(format!("{ARN}:1")), &json!(1))
    );
    let input = json!({"FunctionName": "f", "MaxItems": 1, "Marker": listed["NextMarker"]});
    let rest = call(&client, "ListProvisionedConcurrencyConfigs", input).await;
    assert_eq!(rest["ProvisionedConcurrencyConfigs"][0]["FunctionArn"], format!("{ARN}:2"));
    for _ in 0..2 {
        let removed = client.call("lambda", "DeleteProvisionedConcurrencyConfig", of("1")).await;
        assert_eq!(removed.status, 204);
    }
    let gone = client.call("lambda", "GetProvisionedConcurrencyConfig", of("1")).await;
    assert_eq!((gone.status, gone.code()), (404, "ProvisionedConcurrencyConfigNotFoundException"));
    assert_eq!(told(&gone), "No Provisioned Concurrency Config found for this function");
    // What is made anew has none of what was before.
    call(&client, "DeleteFunction", json!({"FunctionName": "f"})).await;
    create(&client, python("f", CODE)).await;
    let listed = call(&client, "ListProvisionedConcurrencyConfigs", json!({"FunctionName": "f"})).await;
    assert_eq!(listed["ProvisionedConcurrencyConfigs"], json!([]));
}

async fn a_function_that_does_not_start_is_not_provisioned() {
    let (_cloud, client) = cloud().await;
    create(&client, python("f", "raise ValueError('no')\n")).await;
    publish(&client).await;
    put(&client, "1", 1).await;
    let mut input = python("g", "");
    input["Runtime"] = json!("provided.al2023");
    create(&client, input).await;
    eventually("active", || async {
        call(&client, "GetFunctionConfiguration", json!({"FunctionName": "g"})).await["State"] == "Active"
    })
    .await;
    call(&client, "PublishVersion", json!({"FunctionName": "g"})).await;
    let input = json!({"FunctionName": "g", "Qualifier": "1", "ProvisionedConcurrentExecutions": 1});
    call(&client, "PutProvisionedConcurrencyConfig", input).await;
    eventually("it has failed", || async {
        call(&client, "GetProvisionedConcurrencyConfig", json!({"FunctionName": "g", "Qualifier": "1"})).await["Status"]
            == "FAILED"
    })
    .await;
    let failed = call(&client, "GetProvisionedConcurrencyConfig", json!({"FunctionName": "g", "Qualifier": "1"})).await;
    assert_eq!(
        (&failed["StatusReason"], &failed["AllocatedProvisionedConcurrentExecutions"]),
        (&json!("FUNCTION_ERROR_INIT_FAILURE"), &json!(0))
    );
}

async fn templates_provision_versions_and_aliases() {
    let (_cloud, client) = cloud().await;
    let function = json!({"Type": "AWS::Lambda::Function", "Properties": {
        "FunctionName": "f", "Runtime": python_runtime(), "Role": ROLE, "Handler": "index.handler", "Code": {"ZipFile": CODE}}});
    let wanted = json!({"ProvisionedConcurrentExecutions": 1});
    let version = json!({"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "F"}}});
    let alias = json!({"Type": "AWS::Lambda::Alias", "Properties": {
        "FunctionName": {"Ref": "F"}, "Name": "live", "FunctionVersion": {"Fn::GetAtt": ["V", "Version"]}, "ProvisionedConcurrencyConfig": wanted}});
    let mut template = json!({"Resources": {"F": function, "V": version, "A": alias}});
    stack(&client, "CreateStack", &template, "CREATE_COMPLETE").await;
    assert_eq!(call(&client, "GetProvisionedConcurrencyConfig", of("live")).await["Status"], "READY");
    assert_eq!(invoke(&client, "f:live", json!({})).await[0], "provisioned-concurrency");
    template["Resources"]["A"]["Properties"].as_object_mut().unwrap().remove("ProvisionedConcurrencyConfig");
    stack(&client, "UpdateStack", &template, "UPDATE_COMPLETE").await;
    assert_eq!(client.call("lambda", "GetProvisionedConcurrencyConfig", of("live")).await.status, 404);
    // A version that is provisioned itself takes the place of the one before.
    template["Resources"].as_object_mut().unwrap().remove("A");
    stack(&client, "UpdateStack", &template, "UPDATE_COMPLETE").await;
    template["Resources"]["F"]["Properties"]["Timeout"] = json!(9);
    template["Resources"]["V"]["Properties"] =
        json!({"FunctionName": {"Ref": "F"}, "ProvisionedConcurrencyConfig": wanted});
    stack(&client, "UpdateStack", &template, "UPDATE_COMPLETE").await;
    assert_eq!(call(&client, "GetProvisionedConcurrencyConfig", of("2")).await["Status"], "READY");
}

async fn more_than_there_is_cannot_be_provisioned() {
    let (_cloud, client) = cloud().await;
    create(&client, python("f", CODE)).await;
    publish(&client).await;
    call(&client, "CreateAlias", json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1"})).await;
    call(&client, "CreateAlias", json!({"FunctionName": "f", "Name": "last", "FunctionVersion": "$LATEST"})).await;
    let refused = async |qualifier: &str, wanted: i32| {
        let mut input = of(qualifier);
        input["ProvisionedConcurrentExecutions"] = json!(wanted);
        let answer = client.call("lambda", "PutProvisionedConcurrencyConfig", input).await;
        (answer.status, answer.code().to_owned(), told(&answer))
    };
    let bad = |message: &str| (400, "InvalidParameterValueException".to_owned(), message.to_owned());
    let unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
    assert_eq!(refused("$LATEST", 1).await, bad(unpublished));
    assert_eq!(refused("last", 1).await, bad(unpublished));
    assert_eq!(
        refused("1", 1_001).await,
        bad("Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000].")
    );
    assert_eq!(
        refused("1", 901).await,
        bad(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
        )
    );
    assert_eq!(refused("1", 0).await.1, "ValidationException");
    let missing = |message: String| (404, "ResourceNotFoundException".to_owned(), message);
    assert_eq!(refused("7", 1).await, missing(format!("Function not found: {ARN}:7")));
    assert_eq!(refused("none", 1).await, missing(format!("Cannot find alias arn: {ARN}:none")));
    call(&client, "PutFunctionConcurrency", json!({"FunctionName": "f", "ReservedConcurrentExecutions": 2})).await;
    assert_eq!(
        refused("1", 3).await,
        bad(
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
        )
    );
    put(&client, "1", 2).await;
    let conflict = |message: &str| (409, "ResourceConflictException".to_owned(), message.to_owned());
    call(&client, "PutFunctionConcurrency", json!({"FunctionName": "f", "ReservedConcurrentExecutions": 4})).await;
    assert_eq!(
        refused("live", 1).await,
        conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
    );
    let less = json!({"FunctionName": "f", "ReservedConcurrentExecutions": 1});
    let answer = client.call("lambda", "PutFunctionConcurrency", less).await;
    assert_eq!(
        told(&answer),
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2]."
    );
    call(&client, "DeleteProvisionedConcurrencyConfig", of("1")).await;
    put(&client, "live", 1).await;
    assert_eq!(refused("1", 1).await, conflict("Version is pointed by a Provisioned Concurrency alias"));
    let neither = "The function resource provided must be an alias or a published version.";
    for operation in ["GetProvisionedConcurrencyConfig", "DeleteProvisionedConcurrencyConfig"] {
        let answer = client.call("lambda", operation, of("$LATEST")).await;
        assert_eq!((answer.status, told(&answer).as_str()), (400, neither));
        let answer = client.call("lambda", operation, of("none")).await;
        assert_eq!((answer.status, told(&answer)), (404, format!("Cannot find alias arn: {ARN}:none")));
    }
    let answer =
        client.call("lambda", "ListProvisionedConcurrencyConfigs", json!({"FunctionName": "f", "Marker": "x"})).await;
    assert_eq!(told(&answer), "Invalid Marker");
    let answer = client.call("lambda", "ListProvisionedConcurrencyConfigs", json!({"FunctionName": "none"})).await;
    assert_eq!(answer.code(), "ResourceNotFoundException");
}

async fn cloudwatch_is_told_of_invocations() {
    let (cloud, client) = cloud().await;
    let code = "def handler(event, context):\n    if event.get('fail'):\n        raise ValueError('x')\n";
    create(&client, python("f", code)).await;
    publish(&client).await;
    call(&client, "CreateAlias", json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1"})).await;
    invoke(&client, "f:live", json!({})).await;
    invoke(&client, "f", json!({})).await;
    invoke_with(&client, "f", json!({}), &json!({"fail": 1})).await;
    call(&client, "PutFunctionConcurrency", json!({"FunctionName": "f", "ReservedConcurrentExecutions": 0})).await;
    assert_eq!(invoke_with(&client, "f", json!({}), &json!({})).await.status, 429);
    let now = cloud.kernel.clock().now();
    let sum = async |name: &str, dimensions: Json| {
        let input = json!({
            "Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": dimensions, "Period": 3600, "Statistics": ["Sum"],
            "StartTime": (now - Duration::from_secs(3_600)).to_string(), "EndTime": (now + Duration::from_secs(3_600)).to_string(),
        });
        let found = client.call("cloudwatch", "GetMetricStatistics", input).await.ok();
        found["Datapoints"].as_array().unwrap().iter().map(|point| point["Sum"].as_f64().unwrap()).sum::<f64>()
    };
    let named = json!([{"Name": "FunctionName", "Value": "f"}]);
    assert_eq!(sum("Invocations", named.clone()).await, 3.0);
    assert_eq!(sum("Invocations", json!([])).await, 3.0);
    assert_eq!(sum("Errors", named.clone()).await, 1.0);
    assert_eq!(sum("Throttles", named.clone()).await, 1.0);
    assert!(sum("Duration", named).await > 0.0);
    let mut resource = json!([{"Name": "FunctionName", "Value": "f"}, {"Name": "Resource", "Value": "f:live"}]);
    assert_eq!(sum("Invocations", resource.clone()).await, 1.0);
    resource.as_array_mut().unwrap().push(json!({"Name": "ExecutedVersion", "Value": "1"}));
    assert_eq!(sum("Invocations", resource).await, 1.0);
}
