//! Values that a definition gives, or says where they are.

use serde_json::{Value, json};
use undercast_asl::{Kind, Wait};

use crate::support::{machine, within};

/// What a field of a state comes to.
fn given(state: &Value, input: &Value) -> Result<Value, String> {
    let language = if state.to_string().contains("{%") { "JSONata" } else { "JSONPath" };
    let mut state = state.clone();
    state["QueryLanguage"] = language.into();
    if state["Type"] != "Fail" {
        state["End"] = true.into();
    }
    let machine = machine(&json!({"StartAt": "S", "States": {"S": state}}));
    within(input, &json!({"v": 9}), |scope| {
        let found = match &machine.first().unwrap().kind {
            Kind::Wait(Wait::Seconds(seconds)) => scope.number(seconds, "Seconds", input).map(Value::from),
            Kind::Wait(Wait::Until(moment)) => scope.moment(moment, "Timestamp", input).map(|m| m.to_string().into()),
            Kind::Task(task) => {
                scope.number(task.timeout_seconds.as_ref().unwrap(), "TimeoutSeconds", input).map(Value::from)
            }
            Kind::Fail(fail) => scope.text(fail.cause.as_ref().unwrap(), "Cause", input).map(Value::from),
            Kind::Map(map) => {
                let percentage = map.tolerated_failure_percentage.as_ref().unwrap();
                scope.real(percentage, "ToleratedFailurePercentage", input).map(Value::from)
            }
            other => panic!("{other:?}"),
        };
        found.map_err(|failure| failure.to_string())
    })
}

#[test]
fn values_are_found_or_told_of() {
    let input =
        json!({"n": 5, "f": 5.0, "h": 1.5, "m": -1, "s": "x", "t": "2024-01-01T00:00:00Z", "huge": 100_000_000});
    let wait = |field: &str, value: Value| json!({"Type": "Wait", field: value});
    let seconds = |value: &str| wait("Seconds", format!("{{% {value} %}}").into());
    let cause = |field: &str, value: &str| json!({"Type": "Fail", field: value});
    let runtime = |why: &str| Err(format!("States.Runtime: {why}"));
    let query = |why: &str| Err(format!("States.QueryEvaluationError: {why}"));
    let no_moment = "does not reference a valid ISO-8601 extended offset date-time format string";
    let wrong = |expression: &str, field: &str, wanted: &str, was: &str| {
        query(&format!(
            "The JSONata expression '{expression}' specified for the field '{field}' returned an unexpected result type. \
             Expected '{wanted}', but was '{was}'"
        ))
    };
    let cases = [
        (wait("Seconds", json!(3)), Ok(json!(3))),
        (wait("SecondsPath", json!("$.n")), Ok(json!(5))),
        (wait("SecondsPath", json!("$.f")), Ok(json!(5))),
        (wait("SecondsPath", json!("$v")), Ok(json!(9))),
        (
            wait("SecondsPath", json!("$.h")),
            runtime("The SecondsPath parameter cannot be parsed as a long value: $.h == 1.5"),
        ),
        (
            wait("SecondsPath", json!("$.s")),
            runtime("The SecondsPath parameter cannot be parsed as a long value: $.s == x"),
        ),
        (
            wait("SecondsPath", json!("$.m")),
            runtime("The SecondsPath parameter references a negative value: $.m == -1"),
        ),
        (
            wait("SecondsPath", json!("$.z")),
            runtime("The SecondsPath parameter does not reference an input value: $.z"),
        ),
        (seconds("$states.input.n + $v"), Ok(json!(14))),
        (seconds("$states.input.h"), query("The Seconds field cannot be parsed as an integer: 1.5")),
        (seconds("$states.input.m"), query("Seconds must be between 0 and 99999999 but was: -1")),
        (seconds("$states.input.huge"), query("Seconds must be between 0 and 99999999 but was: 100000000")),
        (wait("Timestamp", json!("2024-01-01T00:00:00+01:00")), Ok(json!("2023-12-31T23:00:00Z"))),
        (wait("TimestampPath", json!("$.t")), Ok(json!("2024-01-01T00:00:00Z"))),
        (wait("TimestampPath", json!("$.s")), runtime(&format!("The TimestampPath parameter {no_moment}: $.s == x"))),
        (wait("Timestamp", json!("{% $now() %}")), Ok(json!("2026-11-27T12:00:00.5Z"))),
        (wait("Timestamp", json!("{% 'x' %}")), query(&format!("The Timestamp parameter {no_moment}: x"))),
        (cause("Cause", "c"), Ok(json!("c"))),
        (cause("CausePath", "$.s"), Ok(json!("x"))),
        (cause("CausePath", "States.Format('{}!', $.n)"), Ok(json!("5!"))),
        (cause("CausePath", "$.n"), runtime("The CausePath parameter must be a string: $.n == 5")),
        (cause("Cause", "{% $string($states.input.n) %}"), Ok(json!("5"))),
    ];
    for (state, wanted) in cases {
        assert_eq!(given(&state, &input), wanted, "{state}");
    }
    let of = |state: Value| given(&state, &input).unwrap_err();
    let starts =
        |found: String, wanted: Result<Value, String>| assert!(found.starts_with(&wanted.unwrap_err()), "{found}");
    starts(of(seconds("'x'")), wrong("'x'", "Seconds", "number", "string"));
    starts(of(wait("Timestamp", json!("{% 5 %}"))), wrong("5", "Timestamp", "string", "number"));
    starts(of(cause("Cause", "{% [1] %}")), wrong("[1]", "Cause", "string", "array"));
    let map = |field: &str, value: Value| json!({"Type": "Map", field: value, "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Succeed"}}}});
    assert_eq!(given(&map("ToleratedFailurePercentagePath", json!("$.h")), &input), Ok(json!(1.5)));
    assert_eq!(given(&map("ToleratedFailurePercentage", json!("{% $states.input.h %}")), &input), Ok(json!(1.5)));
    let text = "The ToleratedFailurePercentagePath parameter cannot be parsed as a number: $.s == x";
    assert_eq!(given(&map("ToleratedFailurePercentagePath", json!("$.s")), &input), runtime(text));
    let task = json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "TimeoutSecondsPath": "$.m"});
    assert_eq!(
        given(&task, &input),
        runtime("The TimeoutSecondsPath parameter references a negative value: $.m == -1")
    );
}
