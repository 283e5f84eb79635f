//! The kept inputs of the fuzz targets (`fuzz/corpus/asl`, `jsonpath` and `jsonata`), run again: what once broke something, and what
//! reaches far.

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fuzzed;

/// No input may take longer.
const LONGEST: Duration = Duration::from_secs(2);

const TARGETS: [(&str, fn(&[u8])); 3] =
    [("asl", fuzzed::asl), ("jsonpath", fuzzed::jsonpath), ("jsonata", fuzzed::jsonata)];

fn kept(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| (file.display().to_string(), std::fs::read(&file).unwrap())).collect()
}

#[test]
fn kept_inputs_break_nothing() {
    for (target, body) in TARGETS {
        let all = kept(target);
        assert!(all.len() >= 10, "there are only {} inputs for {target}", all.len());
        for (file, bytes) in all {
            let started = Instant::now();
            let outcome = std::panic::catch_unwind(|| body(&bytes));
            assert!(outcome.is_ok(), "{file} breaks it");
            assert!(started.elapsed() < LONGEST, "{file} took {:?}", started.elapsed());
        }
    }
}

/// Kept inputs of which some bytes are of chance, or which end early.
#[test]
fn chance_breaks_nothing() {
    for (target, body) in TARGETS {
        let kept: Vec<Vec<u8>> = kept(target).into_iter().map(|(_, bytes)| bytes).collect();
        let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        proptest!(config, |(one in prop::sample::select(kept), changes in changes, cut in any::<prop::sample::Index>())| {
            let mut bytes = one;
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            if changes.is_empty() {
                bytes.truncate(cut.index(bytes.len()));
            }
            body(&bytes);
        });
    }
}

/// What stands somewhere in a definition instead of what stood there.
fn instead() -> impl Strategy<Value = Value> {
    let texts = [
        "",
        "$",
        "$.a",
        "$.a[*]",
        "$$.x",
        "$v",
        "S",
        "N",
        "States.UUID()",
        "States.Format('{}', $.a)",
        "{% $states.input %}",
        "{% 1 + %}",
        "{% 'x' %}",
        "2024-01-01T00:00:00Z",
        "JSONata",
        "JSONPath",
        "Pass",
        "Map",
        "Choice",
        "States.ALL",
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec![-1, 0, 1, 5, 100_000_000]).prop_map(Value::from),
        Just(json!(1.5)),
        prop::sample::select(texts.to_vec()).prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([1, "$.a"])),
        Just(json!({"a.$": "$.a", "b": "{% $v %}"})),
    ]
}

/// Every place in a value, as a JSON pointer.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| places(item, &format!("{at}/{i}"), into)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            places(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), into);
        }),
        _ => {}
    }
}

/// Definitions in which something else stands somewhere: what is told of as wrong, and what is read, agree.
#[test]
fn definitions_are_read_or_told_of() {
    let definitions: Vec<(u8, Value)> = kept("asl")
        .into_iter()
        .filter_map(|(_, bytes)| Some((*bytes.first()?, serde_json::from_slice(bytes.get(1..)?).ok()?)))
        .collect();
    assert!(definitions.len() >= 10, "there are only {} definitions", definitions.len());
    let changes = prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(instead())), 1..4);
    let config = ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |((how, mut definition) in prop::sample::select(definitions), changes in changes)| {
        for (at, value) in changes {
            let mut all = Vec::new();
            places(&definition, "", &mut all);
            let place = &all[at.index(all.len())];
            let parent = place.rsplit_once('/').map(|(parent, name)| (parent.to_owned(), name.replace("~1", "/").replace("~0", "~")));
            match (value, parent) {
                (Some(value), _) => *definition.pointer_mut(place).unwrap() = value,
                // Nothing stands there any more.
                (None, Some((parent, name))) => match definition.pointer_mut(&parent).unwrap() {
                    Value::Object(fields) => _ = fields.shift_remove(&name),
                    Value::Array(items) => _ = items.pop(),
                    _ => {}
                },
                (None, None) => {}
            }
        }
        let mut bytes = vec![how];
        bytes.extend(definition.to_string().bytes());
        fuzzed::asl(&bytes);
    });
}
