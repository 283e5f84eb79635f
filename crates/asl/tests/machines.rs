//! Whole machines, and what their states make of data.

use serde_json::json;
use undercast_asl::{Failure, Kind, State, Transition};

use crate::support::{machine, within};

#[test]
fn every_type_is_read() {
    let machine = machine(&json!({
        "Comment": "all", "StartAt": "T", "TimeoutSeconds": 60, "Version": "1.0",
        "States": {
            "T": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"a.$": "$.b"}, "Next": "P",
                  "TimeoutSecondsPath": "$.t", "Retry": [{"ErrorEquals": ["States.ALL"], "JitterStrategy": "FULL"}],
                  "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "F", "ResultPath": "$.e"}]},
            "P": {"Type": "Pass", "Result": {"x": 1}, "ResultPath": "$.p", "Next": "C"},
            "C": {"Type": "Choice", "Choices": [
                {"And": [{"Variable": "$.x", "IsPresent": true}, {"Not": {"Variable": "$.x", "NumericEquals": 1}}], "Next": "W"},
                {"Variable": "$.x", "StringEqualsPath": "$.y", "Next": "W"}], "Default": "F"},
            "W": {"Type": "Wait", "SecondsPath": "$.s", "Next": "L"},
            "L": {"Type": "Parallel", "Branches": [{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}], "Next": "M"},
            "M": {"Type": "Map", "Next": "S", "MaxConcurrency": 3, "ItemsPath": "$.items", "ItemSelector": {"v.$": "$$.Map.Item.Value"},
                  "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}, "StartAt": "I",
                                    "States": {"I": {"Type": "Pass", "End": true}}}},
            "S": {"Type": "Succeed"},
            "F": {"Type": "Fail", "Error": "E", "CausePath": "States.Format('{}', $.c)"}
        }
    }));
    let names: Vec<&str> = machine.states.values().map(State::kind_name).collect();
    assert_eq!(names, ["Task", "Pass", "Choice", "Wait", "Parallel", "Map", "Succeed", "Fail"]);
    assert_eq!(machine.first().unwrap().next, Transition::Next("P".to_owned()));
    let Kind::Map(map) = &machine.state("M").unwrap().kind else { panic!("no map") };
    assert!(map.is_distributed());
}

#[test]
fn a_state_takes_and_gives() {
    let machine = machine(&json!({"StartAt": "P", "States": {"P": {
        "Type": "Pass", "InputPath": "$.a", "Parameters": {"b.$": "$.b", "c": [1, {"d.$": "$$.State.Name", "v.$": "$v"}]},
        "ResultPath": "$.r", "OutputPath": "$.r", "Assign": {"x.$": "$.b"}, "End": true}}}));
    let state = machine.first().unwrap();
    let done = within(&json!({"a": {"b": 5}}), &json!({"v": 7}), |scope| {
        let effective = state.effective_input(scope).unwrap();
        let Kind::Pass(pass) = &state.kind else { panic!("no pass") };
        state.complete(scope, pass.result(&effective)).unwrap()
    });
    assert_eq!(done.output, json!({"b": 5, "c": [1, {"d": "S", "v": 7}]}));
    assert_eq!(serde_json::Value::Object(done.assigned), json!({"x": 5}));
}

#[test]
fn expressions_take_and_give() {
    let machine = machine(&json!({"QueryLanguage": "JSONata", "StartAt": "T", "States": {
        "T": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
              "Arguments": {"n": "{% $states.input.n + $v %}", "big": "{% $states.input.big %}"},
              "Output": "{% {'sum': $states.result.n, 'was': $states.input.n} %}", "Assign": {"v": "{% $states.result.n %}"},
              "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput.Error %}", "Next": "F"}], "Next": "F"},
        "F": {"Type": "Fail", "Cause": "{% $states.input %}"}}}));
    let state = machine.first().unwrap();
    let input = json!({"n": 2, "big": 9_007_199_254_740_993_u64});
    within(&input, &json!({"v": 40}), |scope| {
        let effective = state.effective_input(scope).unwrap();
        assert_eq!(effective.value, json!({"n": 42, "big": 9_007_199_254_740_993_u64}));
        let done = state.complete(scope, json!({"n": 42})).unwrap();
        assert_eq!(done.output, json!({"sum": 42, "was": 2}));
        let caught = state.catch(scope, &Failure::new("Oops", "it broke")).unwrap().unwrap();
        assert_eq!(caught.done.output, json!("Oops"));
    });
}
