//! `Parallel` and `Map`.

use super::*;

#[tokio::test]
async fn branches_run_beside_each_other_and_give_a_list() {
    let (_cloud, client) = noon().await;
    let branch = |name: &str, result: Json| json!({"StartAt": name, "States": {name: {"Type": "Pass", "Result": result, "End": true}}});
    let definition = json!({"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "ResultPath": "$.both", "End": true,
        "Branches": [branch("Left", json!(1)), branch("Right", json!("two"))]}}});
    machine(&client, &definition).await;
    let arn = start(&client, &json!({"x": 0})).await;
    assert_eq!(output(&ended(&client, &arn).await), json!({"x": 0, "both": [1, "two"]}));
    let expected = [
        "ExecutionStarted",
        "ParallelStateEntered",
        "ParallelStateStarted",
        "PassStateEntered",
        "PassStateExited",
        "PassStateEntered",
        "PassStateExited",
        "ParallelStateSucceeded",
        "ParallelStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(types(&client, &arn).await, expected);
    // Each branch begins behind the start of both.
    let events = history(&client, &arn).await;
    assert_eq!((&events[3]["previousEventId"], &events[5]["previousEventId"]), (&json!(3), &json!(3)));
}

#[tokio::test]
async fn an_iteration_sees_its_item_and_its_index() {
    let (_cloud, client) = noon().await;
    let definition = json!({"StartAt": "Each", "States": {"Each": {"Type": "Map", "ItemsPath": "$.all", "MaxConcurrency": 2, "End": true,
        "ItemSelector": {"index.$": "$$.Map.Item.Index", "value.$": "$$.Map.Item.Value", "whole.$": "$.name"},
        "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Say",
            "States": {"Say": {"Type": "Pass", "Parameters": {"said.$": "States.Format('{}{}{}', $.index, $.value, $.whole)", "again.$": "$$.Map.Item.Value"}, "End": true}}}}}});
    machine(&client, &definition).await;
    let arn = start(&client, &json!({"name": "!", "all": ["a", "b", "c"]})).await;
    let expected = json!([{"said": "0a!", "again": "a"}, {"said": "1b!", "again": "b"}, {"said": "2c!", "again": "c"}]);
    assert_eq!(output(&ended(&client, &arn).await), expected);
    let events = history(&client, &arn).await;
    let of = |kind: &str| {
        events.as_array().unwrap().iter().filter(|event| event["type"] == kind).cloned().collect::<Vec<_>>()
    };
    assert_eq!(of("MapStateStarted")[0]["mapStateStartedEventDetails"], json!({"length": 3}));
    let indexes: Vec<Json> =
        of("MapIterationSucceeded").iter().map(|event| event["mapIterationSucceededEventDetails"].clone()).collect();
    assert_eq!(indexes.len(), 3);
    assert!(indexes.contains(&json!({"name": "Each", "index": 2})), "{indexes:?}");
}

#[tokio::test]
async fn no_items_are_an_empty_list() {
    let (_cloud, client) = noon().await;
    let definition = json!({"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true,
        "ItemProcessor": {"StartAt": "Say", "States": {"Say": {"Type": "Pass", "End": true}}}}}});
    assert_eq!(output(&run(&client, &definition, &json!([])).await), json!([]));
}

#[tokio::test]
async fn a_branch_that_fails_stops_the_others_and_is_caught() {
    let (_cloud, client) = noon().await;
    let definition = json!({"StartAt": "Both", "States": {
        "Both": {"Type": "Parallel", "Next": "Never", "Catch": [{"ErrorEquals": ["Odd"], "ResultPath": "$.why", "Next": "Told"}],
            "Branches": [
                {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 100, "End": true}}},
                {"StartAt": "Fail", "States": {"Fail": {"Type": "Fail", "Error": "Odd", "Cause": "it is"}}}]},
        "Never": {"Type": "Fail"},
        "Told": {"Type": "Pass", "End": true}}});
    machine(&client, &definition).await;
    let arn = start(&client, &json!({"x": 1})).await;
    assert_eq!(output(&ended(&client, &arn).await), json!({"x": 1, "why": {"Error": "Odd", "Cause": "it is"}}));
    let types = types(&client, &arn).await;
    assert!(
        types.contains(&"WaitStateAborted".to_owned()) && types.contains(&"ParallelStateFailed".to_owned()),
        "{types:?}"
    );
}

#[tokio::test]
async fn an_iteration_that_fails_fails_its_map() {
    let (_cloud, client) = noon().await;
    let definition = json!({"StartAt": "Each", "States": {"Each": {"Type": "Map", "MaxConcurrency": 1, "End": true,
        "ItemProcessor": {"StartAt": "Look", "States": {
            "Look": {"Type": "Choice", "Choices": [{"Variable": "$", "NumericGreaterThan": 1, "Next": "Bad"}], "Default": "Good"},
            "Bad": {"Type": "Fail", "Error": "TooMuch", "CausePath": "States.Format('{} is', $)"},
            "Good": {"Type": "Succeed"}}}}}});
    let ended = run(&client, &definition, &json!([1, 2, 3])).await;
    assert_eq!(
        (&ended["status"], &ended["error"], &ended["cause"]),
        (&json!("FAILED"), &json!("TooMuch"), &json!("2 is"))
    );
    let types = types(&client, ended["executionArn"].as_str().unwrap()).await;
    let last: Vec<&str> = types.iter().rev().take(3).map(String::as_str).collect();
    assert_eq!(last, ["ExecutionFailed", "MapStateFailed", "MapIterationFailed"]);
    assert_eq!(types.iter().filter(|kind| *kind == "MapIterationStarted").count(), 2);
}

#[tokio::test]
async fn maps_and_branches_stand_in_each_other() {
    let (_cloud, client) = noon().await;
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "Outer", "States": {"Outer": {"Type": "Map", "Items": "{% $states.input.rows %}", "End": true,
        "Assign": {"never": 1},
        "ItemProcessor": {"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "End": true, "Branches": [
            {"StartAt": "Inner", "States": {"Inner": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "Twice",
                "States": {"Twice": {"Type": "Pass", "Output": "{% $states.input * 2 %}", "End": true}}}}}},
            {"StartAt": "Count", "States": {"Count": {"Type": "Pass", "Output": "{% $count($states.input) %}", "End": true}}}]}}}}}});
    let ended = run(&client, &definition, &json!({"rows": [[1, 2], [3]]})).await;
    assert_eq!(output(&ended), json!([[[2, 4], 2], [[6], 1]]));
}

#[tokio::test]
async fn variables_of_an_iteration_stay_in_it() {
    let (_cloud, client) = noon().await;
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "Set", "States": {
        "Set": {"Type": "Pass", "Assign": {"factor": 10}, "Next": "Each"},
        "Each": {"Type": "Map", "Items": [1, 2], "Next": "After", "ItemProcessor": {"StartAt": "Own", "States": {
            "Own": {"Type": "Pass", "Assign": {"own": "{% $states.input * $factor %}"}, "Next": "Give"},
            "Give": {"Type": "Pass", "Output": "{% $own %}", "End": true}}}},
        "After": {"Type": "Pass", "Output": {"given": "{% $states.input %}", "factor": "{% $factor %}", "own": "{% $exists($own) %}"}, "End": true}}});
    let ended = run(&client, &definition, &json!({})).await;
    assert_eq!(output(&ended), json!({"given": [10, 20], "factor": 10, "own": false}));
}
