//! The bodies of the fuzz targets: definitions, paths and calls, and expressions, all of chance.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use undercast_asl::{
    Effective, Expression, Failure, Kind, Limits, Machine, Outside, Scope, Severity, State, read, refusal, validate,
};

struct Nothing;

impl Outside for Nothing {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

fn within(input: &Value, variables: &Map<String, Value>, run: impl FnOnce(&Scope)) {
    let context = json!({"Execution": {"Input": {}}, "Map": {"Item": {"Index": 0, "Value": 1}}});
    run(&Scope { input, context: &context, variables, outside: &Nothing });
}

/// A byte that says for which kind of machine, and a definition. A machine is read of it if and only if no error is told, and its
/// states do what they say, or fail.
pub(crate) fn asl(bytes: &[u8]) {
    let Some((how, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let limits = Limits { express: how & 1 == 1 };
    let found = validate(text, &limits);
    let wrong = found.iter().any(|diagnostic| diagnostic.severity() == Severity::Error);
    let read = read(text, &limits);
    assert_eq!(read.is_err(), wrong, "{found:?}");
    assert!(refusal(&found).starts_with("Invalid State Machine Definition: '"));
    if let Ok(machine) = read {
        assert!(machine.first().is_some(), "the machine begins nowhere");
        _ = machine.variable_references();
        for input in [json!({"a": [1, {"b": "x"}], "x": 1}), json!([null, "2024-01-01T00:00:00Z"]), json!("text")] {
            run(&machine, &input);
        }
    }
}

fn run(machine: &Machine, input: &Value) {
    let variables = Map::from_iter([("v".to_owned(), json!({"x": 1}))]);
    for state in machine.states.values() {
        within(input, &variables, |scope| step(state, scope));
        match &state.kind {
            Kind::Parallel(branches) => branches.iter().for_each(|branch| run(branch, input)),
            Kind::Map(map) => run(&map.processor, input),
            _ => {}
        }
    }
}

fn step(state: &State, scope: &Scope) {
    _ = state.choose(scope);
    _ = state.leave(scope);
    _ = state.catch(scope, &Failure::new("States.TaskFailed", "it broke"));
    let Ok(effective) = state.effective_input(scope) else { return };
    match &state.kind {
        Kind::Pass(pass) => _ = state.complete(scope, pass.result(&effective)),
        Kind::Map(map) => map_step(map, scope, &effective),
        _ => _ = state.complete(scope, json!({"r": 1})),
    }
}

fn map_step(map: &undercast_asl::Map, scope: &Scope, effective: &Effective) {
    for item in map.items(scope, effective).into_iter().flatten().take(3) {
        _ = map.item_input(scope, effective, item);
    }
    if let Some(batcher) = &map.item_batcher {
        _ = batcher.limits(scope, effective);
    }
}

/// A path or a call up to a zero, and a document. One value is found, or a list, or nothing.
pub(crate) fn jsonpath(bytes: &[u8]) {
    let at = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let Ok(text) = std::str::from_utf8(&bytes[..at]) else { return };
    let rest = bytes.get(at + 1..).unwrap_or_default();
    let input = serde_json::from_slice(rest).unwrap_or_else(|_| json!({"a": {"b": [1, "x", null]}}));
    let definition = json!({"StartAt": "P", "States": {"P": {
        "Type": "Pass", "Parameters": {"v.$": text}, "ResultPath": text, "End": true}}});
    let definitions = [definition.clone(), {
        let mut plain = definition;
        plain["States"]["P"]["ResultPath"] = "$.r".into();
        plain
    }];
    for definition in definitions {
        if let Ok(machine) = Machine::parse(&definition.to_string()) {
            run(&machine, &input);
        }
    }
}

/// An expression up to a zero, and a document.
pub(crate) fn jsonata(bytes: &[u8]) {
    let at = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let Ok(text) = std::str::from_utf8(&bytes[..at]) else { return };
    let input: Value = serde_json::from_slice(bytes.get(at + 1..).unwrap_or_default()).unwrap_or(Value::Null);
    let Ok(expression) = Expression::parse(text, "Output") else { return };
    let once = expression.apply(Some(&input), &Map::new(), &Nothing);
    // What takes too long ends sooner or later, and not at the same place.
    let timed = |e: &undercast_asl::BadExpression| e.0.starts_with("Expression evaluation timeout");
    let again = expression.apply(Some(&input), &Map::new(), &Nothing);
    if !once.as_ref().is_err_and(timed) && !again.as_ref().is_err_and(timed) {
        assert_eq!(once, again, "{text}");
    }
}
