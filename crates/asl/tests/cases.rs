//! Cases as data: `cases/*.json`, a list each.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use undercast_asl::{Failure, Kind, Limits, State, validate};

use crate::support::{machine, within};

/// How many cases there are of each kind, at least. The numbers may not fall.
const LEAST: usize = 300;

fn cases(name: &str) -> Vec<Value> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&file).unwrap();
    serde_json::from_str::<Value>(&text).unwrap_or_else(|e| panic!("{name}: {e}")).as_array().unwrap().clone()
}

/// Runs each case of a file, and tells of all that differ.
fn check(name: &str, mut outcome: impl FnMut(&Value) -> Value) {
    let cases = cases(name);
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for case in &cases {
        assert!(seen.insert(case.to_string()), "twice: {case}");
        let found = outcome(case);
        let wanted = case.get("gives").or(case.get("fails")).unwrap_or_else(|| panic!("nothing is wanted: {case}"));
        let (found_fails, wanted_fails) = (found.get("fails").is_some(), case.get("fails").is_some());
        let found = found.get("fails").or(found.get("gives")).unwrap();
        if found_fails != wanted_fails || found != wanted {
            wrong.push(format!("{case}\n  gives {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {name}:\n{}", wrong.len(), wrong.join("\n"));
}

fn told(result: Result<Value, Failure>) -> Value {
    match result {
        Ok(value) => json!({"gives": value}),
        Err(failure) => json!({"fails": failure.to_string()}),
    }
}

fn variables(case: &Value) -> Value {
    case.get("variables").cloned().unwrap_or_else(|| json!({}))
}

/// A state called `S` in a machine; states that it leads to are there.
fn state(definition: &Value) -> State {
    let mut all = json!({"S": definition, "N": {"Type": "Succeed"}});
    let states = all.as_object_mut().unwrap();
    let text = definition.to_string();
    if !text.contains("\"Next\":\"N\"") && !text.contains("\"Default\":\"N\"") {
        states.remove("N");
    }
    machine(&json!({"StartAt": "S", "States": all})).state("S").unwrap().clone()
}

/// What a field `v.$` gives: `{"look": "$.a", "in": …}`.
fn lookup(case: &Value) -> Value {
    let state = state(&json!({"Type": "Pass", "Parameters": {"v.$": case["look"]}, "End": true}));
    told(within(&case["in"], &variables(case), |scope| {
        let mut effective = state.effective_input(scope)?;
        Ok(effective.value["v"].take())
    }))
}

#[test]
fn paths() {
    check("paths", lookup);
}

#[test]
fn intrinsics() {
    check("intrinsics", lookup);
}

/// What an expression gives: `{"expression": "…", "in": …}`.
#[test]
fn expressions() {
    check("expressions", |case| {
        let text = format!("{{% {} %}}", case["expression"].as_str().unwrap());
        let state = state(&json!({"Type": "Pass", "QueryLanguage": "JSONata", "Output": text, "End": true}));
        told(within(&case["in"], &variables(case), |scope| Ok(state.complete(scope, Value::Null)?.output)))
    });
}

/// Whether a rule holds: `{"rule": {…}, "in": …}`, and in JSONata `{"condition": …}`.
#[test]
fn choices() {
    check("choices", |case| {
        let mut rule = case["rule"].clone();
        rule["Next"] = "N".into();
        let language = if rule.get("Condition").is_some() { "JSONata" } else { "JSONPath" };
        let choice = json!({"Type": "Choice", "QueryLanguage": language, "Choices": [rule], "Default": "E"});
        let machine = machine(&json!({"StartAt": "S", "States": {
            "S": choice, "N": {"Type": "Succeed"}, "E": {"Type": "Fail"}}}));
        let state = machine.first().unwrap();
        told(within(&case["in"], &variables(case), |scope| Ok(Value::Bool(state.choose(scope)?.next == "N"))))
    });
}

/// What a state makes of data: `{"state": {…}, "in": …, "result": …}` gives its effective input, its output and what it sets.
#[test]
fn flows() {
    check("flows", |case| {
        let state = state(&case["state"]);
        told(within(&case["in"], &variables(case), |scope| {
            if let Some(error) = case.get("error") {
                let failure = Failure::new(error[0].as_str().unwrap(), error[1].as_str().unwrap());
                let Some(caught) = state.catch(scope, &failure)? else { return Ok(Value::Null) };
                let done = caught.done;
                return Ok(json!({"next": caught.next, "output": done.output, "assigned": done.assigned}));
            }
            if let Kind::Choice(_) = state.kind {
                let chosen = state.choose(scope)?;
                let done = chosen.done;
                return Ok(json!({"next": chosen.next, "output": done.output, "assigned": done.assigned}));
            }
            let effective = state.effective_input(scope)?;
            let done = match (&state.kind, case.get("result")) {
                (_, Some(result)) => state.complete(scope, result.clone())?,
                (Kind::Pass(pass), None) => state.complete(scope, pass.result(&effective))?,
                _ => state.leave(scope)?,
            };
            Ok(json!({"input": effective.value, "output": done.output, "assigned": done.assigned}))
        }))
    });
}

/// What is wrong with a definition: `{"definition": …}`, or `{"states": {…}}` beginning with the first.
#[test]
fn validation() {
    check("validation", |case| {
        let definition = match (case.get("text"), case.get("definition"), case.get("states")) {
            (Some(text), _, _) => text.as_str().unwrap().to_owned(),
            (_, Some(definition), _) => definition.to_string(),
            (_, _, Some(states)) => {
                let first = states.as_object().unwrap().keys().next().unwrap();
                json!({"StartAt": first, "States": states}).to_string()
            }
            _ => panic!("no definition: {case}"),
        };
        let found = validate(&definition, &Limits { express: case["express"] == true });
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        json!({"gives": told})
    });
}

#[test]
fn there_are_enough() {
    let all = ["paths", "intrinsics", "expressions", "choices", "flows", "validation"];
    let count: usize = all.iter().map(|name| cases(name).len()).sum();
    assert!(count >= LEAST, "there are only {count} cases");
}
