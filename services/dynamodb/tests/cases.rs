//! The conformance cases in `tests/conformance`: request and answer, as data.

use crate::cloud::Cloud;
use serde_json::Value as Json;
use std::path::Path;

/// Puts what was saved in the place of `${name}`.
fn filled(value: &Json, saved: &[(String, Json)]) -> Json {
    match value {
        Json::String(text) => {
            let found = saved.iter().find(|(name, _)| *text == format!("${{{name}}}"));
            found.map_or_else(|| value.clone(), |(_, value)| value.clone())
        }
        Json::Array(items) => items.iter().map(|item| filled(item, saved)).collect(),
        Json::Object(members) => members.iter().map(|(name, item)| (name.clone(), filled(item, saved))).collect(),
        other => other.clone(),
    }
}

/// Whether everything expected is there; what is there besides does not matter in objects.
fn holds(expected: &Json, found: &Json) -> bool {
    match (expected, found) {
        (Json::Object(expected), Json::Object(found)) => {
            expected.iter().all(|(name, value)| found.get(name).is_some_and(|found| holds(value, found)))
        }
        (Json::Array(expected), Json::Array(found)) => {
            expected.len() == found.len() && expected.iter().zip(found).all(|(expected, found)| holds(expected, found))
        }
        (expected, found) => expected == found,
    }
}

/// What went wrong with a case, if anything did.
async fn run(case: &Json) -> Option<String> {
    let cloud = Cloud::new();
    let mut saved: Vec<(String, Json)> = Vec::new();
    for step in case["given"].as_array().into_iter().flatten() {
        let operation = step["call"].as_str().unwrap().trim_start_matches("dynamodb.");
        let output = cloud.ok(operation, filled(&step["input"], &saved)).await;
        for (name, path) in step["save"].as_object().into_iter().flatten() {
            let pointer = format!("/{}", path.as_str().unwrap().replace('.', "/"));
            saved.push((name.clone(), output.pointer(&pointer).unwrap().clone()));
        }
    }
    let operation = case["operation"].as_str().unwrap().trim_start_matches("dynamodb.");
    let result = cloud.call(operation, filled(&case["when"]["input"], &saved)).await;
    let then = &case["then"];
    let wrong = |found: &dyn std::fmt::Debug| Some(format!("{} ({operation}): {found:?}", case["why"]));
    match (then.get("error"), result) {
        (None, Ok(output)) => {
            let absent = then["absent"].as_array().into_iter().flatten();
            let as_expected = holds(&then["output"], &output)
                && absent.filter_map(Json::as_str).all(|name| output.get(name).is_none());
            if as_expected { None } else { wrong(&output) }
        }
        (Some(code), Err(refusal)) => {
            let as_expected = refusal.code == code.as_str().unwrap()
                && then.get("message").is_none_or(|message| refusal.message == message.as_str().unwrap())
                && then.get("status").is_none_or(|status| u64::from(refusal.status) == status.as_u64().unwrap());
            if as_expected { None } else { wrong(&refusal) }
        }
        (_, result) => wrong(&result),
    }
}

#[tokio::test]
async fn conformance() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut count = 0;
    let mut failed = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let cases: Vec<Json> = serde_json::from_str(&text).unwrap();
        for case in &cases {
            failed.extend(run(case).await);
            count += 1;
        }
    }
    assert!(failed.is_empty(), "{} of {count} cases:\n{}", failed.len(), failed.join("\n"));
    assert!(count > 50, "only {count} cases were found");
}
