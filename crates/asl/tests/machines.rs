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

#[test]
fn a_result_is_followed_on_its_way() {
    let machine = machine(&json!({"StartAt": "T", "States": {"T": {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
        "ResultSelector": {"v.$": "$.x"}, "ResultPath": "$.r", "OutputPath": "$.r.v"}}}));
    let state = machine.first().unwrap();
    within(&json!({"a": 1}), &json!({}), |scope| {
        let selected = state.select_result(scope, json!({"x": 5, "y": 6})).unwrap();
        assert_eq!(selected.after_selector, json!({"v": 5}));
        assert_eq!(selected.after_path, json!({"a": 1, "r": {"v": 5}}));
        assert_eq!(state.complete(scope, json!({"x": 5})).unwrap().output, json!(5));
    });
}

#[test]
fn errors_are_tried_again_and_told_with_their_state() {
    let machine = machine(&json!({"StartAt": "T", "States": {"T": {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true, "Retry": [
            {"ErrorEquals": ["A", "B"], "IntervalSeconds": 3, "BackoffRate": 1.5, "MaxAttempts": 2},
            {"ErrorEquals": ["C"], "MaxDelaySeconds": 5, "JitterStrategy": "FULL"},
            {"ErrorEquals": ["Never"], "MaxAttempts": 0},
            {"ErrorEquals": ["States.ALL"]}]}}}));
    let state = machine.first().unwrap();
    let which = |error: &str| state.retrier(&Failure::new(error, "")).map(|(index, _)| index);
    assert_eq!(["A", "B", "C", "Never", "D"].map(which), [Some(0), Some(0), Some(1), Some(2), Some(3)]);
    assert_eq!(["States.Runtime", "States.DataLimitExceeded"].map(which), [None, None]);
    let delays = |index: usize, fraction: f64| -> Vec<f64> {
        (0..).map_while(|n| state.retry[index].delay(n, fraction)).map(|delay| delay.as_secs_f64()).collect()
    };
    assert_eq!(delays(0, 0.1), [3.0, 4.5]);
    assert_eq!(delays(1, 1.0), [1.0, 2.0, 4.0]);
    assert_eq!(delays(1, 0.25), [0.25, 0.5, 1.0]);
    assert_eq!(state.retry[1].delay(2, 5.0).unwrap().as_secs_f64(), 4.0, "a fraction is one at most");
    assert_eq!(delays(2, 0.0), [0.0; 0]);
    let failure = Failure::new("A", "it broke").in_state("T", 2);
    assert_eq!(failure.cause, "An error occurred while executing the state 'T' (entered at the event id #2). it broke");
}

#[test]
fn variables_are_told_of() {
    let machine = machine(&json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Parameters": {"x.$": "$a.b", "y.$": "States.Format('{}{}', $b, $.c)", "z.$": "$.l[?(@.i == $c)]"},
              "Assign": {"a.$": "$a"}, "Next": "B"},
        "B": {"Type": "Pass", "QueryLanguage": "JSONata", "Next": "C",
              "Output": "{% ( $own := 1; $map($states.input.l, function($x) { $x + $own + $d.e }) ~> $sum ) %}"},
        "C": {"Type": "Choice", "Choices": [{"And": [{"Variable": "$e", "NumericEqualsPath": "$f"}], "Next": "P"}], "Default": "D"},
        "P": {"Type": "Parallel", "Branches": [{"StartAt": "I", "States": {"I": {"Type": "Wait", "SecondsPath": "$g", "End": true}}}],
              "Next": "D"},
        "D": {"Type": "Succeed"}}}));
    let found =
        serde_json::to_value(machine.variable_references().into_iter().collect::<std::collections::BTreeMap<_, _>>());
    assert_eq!(found.unwrap(), json!({"A": ["a", "b", "c"], "B": ["d"], "C": ["e", "f"], "I": ["g"]}));
}

#[test]
fn a_refusal_has_all_errors_and_no_warning() {
    let definition = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Parameters": {"v": "$.x"}, "Next": "B", "Foo": 1}, "C": {"Type": "Succeed"}}});
    let found = undercast_asl::validate(&definition.to_string(), &undercast_asl::Limits::default());
    let severities: Vec<_> = found.iter().map(|diagnostic| diagnostic.severity().as_str()).collect();
    assert_eq!(severities, ["ERROR", "ERROR", "ERROR", "WARNING"]);
    assert_eq!(
        undercast_asl::refusal(&found),
        "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: Field 'Foo' is not supported at /States/A, \
         MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Next, \
         MISSING_TRANSITION_TARGET: State \"C\" is not reachable. at /States/C'"
    );
}

#[test]
fn input_that_is_no_json_is_told_of() {
    assert_eq!(undercast_asl::parse_json("{\"a\": [1.5]}"), Ok(json!({"a": [1.5]})));
    let told = |text: &str| undercast_asl::parse_json(text).unwrap_err().to_string();
    assert_eq!(
        told("{'a': 1}"),
        "Unexpected character (''' (code 39)): was expecting double-quote to start field name"
    );
    assert_eq!(
        told("not json"),
        "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
    );
    let bad = undercast_asl::parse_json("{\n  \"é\": }").unwrap_err();
    assert_eq!((bad.line, bad.column), (2, 10));
}
