//! What holds whatever the data is.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use undercast_asl::{BatcherLimits, Kind, Retrier, batches};

use crate::support::{machine, within};

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e6..1e6_f64).prop_map(Value::from),
        "[a-z'\\\\\"{}$.é ]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z' \\[\\]é]{1,5}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// What a field of a `Pass` gives.
fn look(text: &str, input: &Value) -> Result<Value, String> {
    let machine = machine(&json!({"StartAt": "P", "States": {
        "P": {"Type": "Pass", "Parameters": {"v.$": text}, "End": true}}}));
    let state = machine.first().unwrap();
    within(input, &json!({}), |scope| match state.effective_input(scope) {
        Ok(mut effective) => Ok(effective.value["v"].take()),
        Err(failure) => Err(failure.to_string()),
    })
}

fn expression(text: &str, input: &Value) -> Value {
    let machine = machine(&json!({"QueryLanguage": "JSONata", "StartAt": "P", "States": {
        "P": {"Type": "Pass", "Output": format!("{{% {text} %}}"), "End": true}}}));
    let state = machine.first().unwrap();
    within(input, &json!({}), |scope| state.complete(scope, Value::Null).unwrap().output)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_put_somewhere_is_found_there(name in "[a-z' é]{1,5}", value in values()) {
        let path = format!("$.out['{}']", name.replace('\'', "\\'"));
        let machine = machine(&json!({"StartAt": "P", "States": {
            "P": {"Type": "Pass", "Result": value, "ResultPath": path, "OutputPath": path, "End": true}}}));
        let state = machine.first().unwrap();
        let Kind::Pass(pass) = &state.kind else { panic!("no pass") };
        let output = within(&json!({"kept": 1}), &json!({}), |scope| {
            let effective = state.effective_input(scope).unwrap();
            state.complete(scope, pass.result(&effective)).unwrap().output
        });
        prop_assert_eq!(output, value);
    }

    #[test]
    fn json_survives_being_text(value in values()) {
        let input = json!({"v": value});
        prop_assert_eq!(look("States.StringToJson(States.JsonToString($.v))", &input).unwrap(), value);
    }

    #[test]
    fn partitions_are_the_array(items in prop::collection::vec(any::<i32>(), 1..40), size in 1_u64..50) {
        let input = json!({"a": items, "n": size});
        let parts = look("States.ArrayPartition($.a, $.n)", &input).unwrap();
        let joined: Vec<Value> = parts.as_array().unwrap().iter().flat_map(|part| part.as_array().unwrap().clone()).collect();
        prop_assert_eq!(&Value::Array(joined), &input["a"]);
        prop_assert_eq!(expression("$partition($states.input.a, $states.input.n)", &input), parts);
    }

    #[test]
    fn what_an_expression_passes_on_is_the_same(value in values()) {
        let input = json!({"v": value});
        prop_assert_eq!(expression("$states.input", &input), input);
    }

    #[test]
    fn chance_stays_in_its_bounds(from in -1000_i64..1000, width in 1_i64..1000, seed in any::<i32>()) {
        let input = json!({"a": from, "b": from + width, "s": seed});
        let found = look("States.MathRandom($.a, $.b, $.s)", &input).unwrap();
        prop_assert!((from..from + width).contains(&found.as_i64().unwrap()));
        prop_assert_eq!(look("States.MathRandom($.a, $.b, $.s)", &input).unwrap(), found);
    }

    #[test]
    fn batches_lose_nothing(items in prop::collection::vec(values(), 0..30), most in 1_u64..10, bytes in 300_u64..2000) {
        let limits = BatcherLimits { items: Some(most), bytes: Some(bytes) };
        if let Ok(found) = batches(items.clone(), limits, Some(&json!({"x": 1}))) {
            let mut all = Vec::new();
            for batch in found {
                prop_assert!(batch.to_string().len() as u64 <= bytes);
                let in_it = batch["Items"].as_array().unwrap().clone();
                prop_assert!(!in_it.is_empty() && in_it.len() as u64 <= most);
                all.extend(in_it);
            }
            prop_assert_eq!(all, items);
        }
    }

    #[test]
    fn delays_grow_to_their_limit(interval in 1_u64..100, rate in 1.0..4.0_f64, most in 101_u64..1000, fraction in 0.0..1.0_f64) {
        let retry = json!([{"ErrorEquals": ["a"], "IntervalSeconds": interval, "BackoffRate": rate, "MaxDelaySeconds": most,
                            "MaxAttempts": 20, "JitterStrategy": "FULL"}]);
        let machine = machine(&json!({"StartAt": "T", "States": {"T": {
            "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Retry": retry, "End": true}}}));
        let retrier: &Retrier = &machine.first().unwrap().retry[0];
        let delays: Vec<f64> = (0..20).map(|n| retrier.delay(n, 1.0).unwrap().as_secs_f64()).collect();
        prop_assert!((delays[0] - interval as f64).abs() < 1e-6);
        prop_assert!(delays.windows(2).all(|pair| pair[0] <= pair[1] && pair[1] <= most as f64));
        prop_assert!(retrier.delay(20, 1.0).is_none());
        let jittered = retrier.delay(3, fraction).unwrap().as_secs_f64();
        prop_assert!((jittered - delays[3] * fraction).abs() < 1e-6);
    }
}
