//! State machines, their versions and aliases; what executions are of each.

use super::*;

fn pass_with(result: i64) -> String {
    json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": result, "End": true}}}).to_string()
}

#[tokio::test]
async fn versions_stay_and_aliases_lead_to_them() {
    let (_cloud, client) = noon().await;
    let input = json!({"name": "m", "definition": pass_with(1), "roleArn": ROLE, "publish": true, "versionDescription": "first"});
    let made = ok(&client, "CreateStateMachine", input.clone()).await;
    let first = format!("{MACHINE}:1");
    assert_eq!(made["stateMachineVersionArn"], first.as_str());
    let described = ok(&client, "DescribeStateMachine", json!({"stateMachineArn": first})).await;
    assert_eq!((&described["description"], described.get("revisionId")), (&json!("first"), None));
    let update = json!({"stateMachineArn": MACHINE, "definition": pass_with(2), "publish": true, "versionDescription": "second"});
    let updated = ok(&client, "UpdateStateMachine", update).await;
    let second = format!("{MACHINE}:2");
    assert_eq!(updated["stateMachineVersionArn"], second.as_str());
    // The same revision makes no other version.
    let again = ok(
        &client,
        "PublishStateMachineVersion",
        json!({"stateMachineArn": MACHINE, "revisionId": updated["revisionId"]}),
    )
    .await;
    assert_eq!(again["stateMachineVersionArn"], second.as_str());
    let old =
        refused(&client, "PublishStateMachineVersion", json!({"stateMachineArn": MACHINE, "revisionId": "old"})).await;
    assert_eq!(old.0, "ConflictException");
    let listed = ok(&client, "ListStateMachineVersions", json!({"stateMachineArn": MACHINE})).await;
    let arns: Vec<&Json> =
        listed["stateMachineVersions"].as_array().unwrap().iter().map(|v| &v["stateMachineVersionArn"]).collect();
    assert_eq!(arns, [&json!(second), &json!(first)]);
    let route = |one: i64, other: i64| json!([{"stateMachineVersionArn": first, "weight": one}, {"stateMachineVersionArn": second, "weight": other}]);
    let alias = ok(
        &client,
        "CreateStateMachineAlias",
        json!({"name": "prod", "description": "d", "routingConfiguration": route(50, 50)}),
    )
    .await;
    let alias = alias["stateMachineAliasArn"].clone();
    assert_eq!(alias, format!("{MACHINE}:prod"));
    let mut outputs = Vec::new();
    for _ in 0..40 {
        let started = ok(&client, "StartExecution", json!({"stateMachineArn": alias})).await;
        let ended = ended(&client, started["executionArn"].as_str().unwrap()).await;
        assert_eq!((&ended["stateMachineAliasArn"], &ended["stateMachineArn"]), (&alias, &json!(MACHINE)));
        let number = output(&ended).as_i64().unwrap();
        assert_eq!(ended["stateMachineVersionArn"], format!("{MACHINE}:{number}"));
        outputs.push(number);
    }
    assert!(outputs.contains(&1) && outputs.contains(&2), "{outputs:?}");
    let of_first = ok(&client, "ListExecutions", json!({"stateMachineArn": first})).await;
    assert_eq!(of_first["executions"].as_array().unwrap().len(), outputs.iter().filter(|n| **n == 1).count());
    let of_alias = ok(&client, "ListExecutions", json!({"stateMachineArn": alias, "maxResults": 1000})).await;
    assert_eq!(of_alias["executions"].as_array().unwrap().len(), 40);
    let kept = refused(&client, "DeleteStateMachineVersion", json!({"stateMachineVersionArn": first})).await;
    assert_eq!(kept.0, "ConflictException");
    let update = json!({"stateMachineAliasArn": alias, "routingConfiguration": [{"stateMachineVersionArn": second, "weight": 100}], "description": "e"});
    ok(&client, "UpdateStateMachineAlias", update).await;
    let described = ok(&client, "DescribeStateMachineAlias", json!({"stateMachineAliasArn": alias})).await;
    assert_eq!(
        (&described["description"], &described["routingConfiguration"]),
        (&json!("e"), &json!([{"stateMachineVersionArn": second, "weight": 100}]))
    );
    ok(&client, "DeleteStateMachineVersion", json!({"stateMachineVersionArn": first})).await;
    assert_eq!(
        refused(&client, "StartExecution", json!({"stateMachineArn": first})).await.0,
        "StateMachineDoesNotExist"
    );
    let aliases = async |of: &str| {
        let found = ok(&client, "ListStateMachineAliases", json!({"stateMachineArn": of})).await;
        found["stateMachineAliases"].as_array().unwrap().len()
    };
    assert_eq!((aliases(MACHINE).await, aliases(&second).await), (1, 1));
    ok(&client, "DeleteStateMachineAlias", json!({"stateMachineAliasArn": alias})).await;
    assert_eq!(aliases(MACHINE).await, 0);
    assert_eq!(
        refused(&client, "DescribeStateMachineAlias", json!({"stateMachineAliasArn": alias})).await.0,
        "ResourceNotFound"
    );
}

#[tokio::test]
async fn an_execution_keeps_the_definition_with_which_it_began() {
    let (cloud, client) = noon().await;
    let definition = |result: i64| json!({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 10, "Next": "P"}, "P": {"Type": "Pass", "Result": result, "End": true}}});
    machine(&client, &definition(1)).await;
    let arn = start(&client, &json!({})).await;
    ok(&client, "UpdateStateMachine", json!({"stateMachineArn": MACHINE, "definition": definition(2).to_string()}))
        .await;
    let of = ok(&client, "DescribeStateMachineForExecution", json!({"executionArn": arn})).await;
    assert_eq!(
        (&of["definition"], &of["name"], &of["roleArn"]),
        (&json!(definition(1).to_string()), &json!("m"), &json!(ROLE))
    );
    pass(&cloud, 10).await;
    assert_eq!(output(&describe(&client, &arn).await), json!(1));
}

#[tokio::test]
async fn a_machine_that_is_deleted_stops_what_runs_of_it() {
    let (_cloud, client) = noon().await;
    machine(&client, &json!({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 10, "End": true}}})).await;
    let arn = start(&client, &json!({})).await;
    ok(&client, "DeleteStateMachine", json!({"stateMachineArn": MACHINE})).await;
    assert_eq!(describe(&client, &arn).await["status"], "ABORTED");
    assert_eq!(
        refused(&client, "DescribeStateMachine", json!({"stateMachineArn": MACHINE})).await.0,
        "StateMachineDoesNotExist"
    );
    ok(&client, "DeleteStateMachine", json!({"stateMachineArn": MACHINE})).await;
}

#[tokio::test]
async fn executions_are_listed_newest_first_page_by_page() {
    let (cloud, client) = noon().await;
    machine(&client, &json!({"StartAt": "C", "States": {"C": {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 2, "Next": "F"}], "Default": "S"},
        "F": {"Type": "Fail"}, "S": {"Type": "Succeed"}}})).await;
    let mut arns = Vec::new();
    for n in 0..5 {
        arns.push(start(&client, &json!(n)).await);
        pass(&cloud, 1).await;
    }
    arns.reverse();
    let mut found: Vec<String> = Vec::new();
    let mut input = json!({"stateMachineArn": MACHINE, "maxResults": 2});
    loop {
        let page = ok(&client, "ListExecutions", input.clone()).await;
        found.extend(
            page["executions"].as_array().unwrap().iter().map(|e| e["executionArn"].as_str().unwrap().to_owned()),
        );
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(found, arns);
    let failed = ok(&client, "ListExecutions", json!({"stateMachineArn": MACHINE, "statusFilter": "FAILED"})).await;
    assert_eq!(failed["executions"].as_array().unwrap().len(), 1);
    let redriven =
        ok(&client, "ListExecutions", json!({"stateMachineArn": MACHINE, "redriveFilter": "REDRIVEN"})).await;
    assert_eq!(redriven["executions"], json!([]));
    // Ninety days after its end an execution is forgotten.
    pass(&cloud, 90 * 86_400).await;
    assert_eq!(ok(&client, "ListExecutions", json!({"stateMachineArn": MACHINE})).await["executions"], json!([]));
    assert_eq!(
        refused(&client, "DescribeExecution", json!({"executionArn": arns[0]})).await.0,
        "ExecutionDoesNotExist"
    );
    // Its name is anybody's again, and nothing of it is left.
    let name = arns[0].rsplit(':').next().unwrap();
    let again = ok(&client, "StartExecution", json!({"stateMachineArn": MACHINE, "name": name, "input": "2"})).await;
    assert_eq!(again["executionArn"], arns[0].as_str());
    assert_eq!(types(&client, &arns[0]).await.last().unwrap(), "ExecutionFailed");
    let listed = ok(&client, "ListExecutions", json!({"stateMachineArn": MACHINE})).await;
    assert_eq!(listed["executions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_history_is_read_page_by_page_from_both_ends_and_without_data() {
    let (_cloud, client) = noon().await;
    machine(&client, &json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}})).await;
    let arn = start(&client, &json!({"secret": 1})).await;
    let page = async |more: Json| {
        let mut input = json!({"executionArn": arn, "maxResults": 3});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let found = ok(&client, "GetExecutionHistory", input).await;
        let ids: Vec<i64> =
            found["events"].as_array().unwrap().iter().map(|event| event["id"].as_i64().unwrap()).collect();
        (ids, found.get("nextToken").cloned(), found.to_string())
    };
    let (ids, token, _) = page(json!({})).await;
    assert_eq!(ids, [1, 2, 3]);
    let (ids, none, _) = page(json!({"nextToken": token.unwrap()})).await;
    assert_eq!((ids, none), (vec![4], None));
    let (ids, token, _) = page(json!({"reverseOrder": true})).await;
    assert_eq!(ids, [4, 3, 2]);
    assert_eq!(page(json!({"reverseOrder": true, "nextToken": token.unwrap()})).await.0, [1]);
    let (_, _, text) = page(json!({"includeExecutionData": false})).await;
    assert!(!text.contains("secret") && text.contains("roleArn"), "{text}");
}

#[tokio::test]
async fn who_asks_is_told_which_variables_states_refer_to() {
    let (_cloud, client) = noon().await;
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": {"Type": "Pass", "Assign": {"x": 1}, "Next": "B"}, "B": {"Type": "Pass", "Output": "{% $x %}", "End": true}}});
    machine(&client, &definition).await;
    let found = ok(&client, "DescribeStateMachine", json!({"stateMachineArn": MACHINE})).await;
    assert_eq!(found["variableReferences"]["B"], json!(["x"]), "{found:#}");
    let arn = start(&client, &json!({})).await;
    let of = ok(&client, "DescribeStateMachineForExecution", json!({"executionArn": arn})).await;
    assert_eq!(of["variableReferences"], found["variableReferences"]);
    let bare =
        ok(&client, "DescribeStateMachine", json!({"stateMachineArn": MACHINE, "includedData": "METADATA_ONLY"})).await;
    assert_eq!((bare.get("variableReferences"), &bare["definition"]), (None, &json!("")));
    let bare =
        ok(&client, "DescribeStateMachineForExecution", json!({"executionArn": arn, "includedData": "METADATA_ONLY"}))
            .await;
    assert_eq!(bare["definition"], "");
    let bare = ok(&client, "DescribeExecution", json!({"executionArn": arn, "includedData": "METADATA_ONLY"})).await;
    assert_eq!((bare.get("input"), bare.get("output")), (None, None));
}

#[tokio::test]
async fn a_machine_has_a_thousand_versions_and_a_hundred_aliases() {
    let (_cloud, client) = noon().await;
    ok(
        &client,
        "CreateStateMachine",
        json!({"name": "m", "definition": pass_with(0), "roleArn": ROLE, "publish": true}),
    )
    .await;
    for n in 1..1000 {
        ok(
            &client,
            "UpdateStateMachine",
            json!({"stateMachineArn": MACHINE, "definition": pass_with(n), "publish": true}),
        )
        .await;
    }
    let more = json!({"stateMachineArn": MACHINE, "definition": pass_with(1000), "publish": true});
    assert_eq!(refused(&client, "UpdateStateMachine", more.clone()).await.0, "ServiceQuotaExceededException");
    let found = ok(&client, "DescribeStateMachine", json!({"stateMachineArn": MACHINE})).await;
    assert_eq!(found["definition"], pass_with(999), "what is refused changes nothing");
    ok(&client, "UpdateStateMachine", json!({"stateMachineArn": MACHINE, "definition": pass_with(1000)})).await;
    let published = refused(&client, "PublishStateMachineVersion", json!({"stateMachineArn": MACHINE})).await;
    assert_eq!(published.0, "ServiceQuotaExceededException");
    let routes = json!([{"stateMachineVersionArn": format!("{MACHINE}:1"), "weight": 100}]);
    for n in 0..100 {
        ok(&client, "CreateStateMachineAlias", json!({"name": format!("a{n}"), "routingConfiguration": routes})).await;
    }
    let more = json!({"name": "more", "routingConfiguration": routes});
    assert_eq!(refused(&client, "CreateStateMachineAlias", more).await.0, "ServiceQuotaExceededException");
}
