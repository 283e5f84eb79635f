//! The public test suite of JSONata, which is kept beside the project and not in it: not run where the folder is absent.
//!
//! What fails, and what Step Functions has otherwise, is listed in `jsonata/left_out.toml`, each with its reason. A listed case
//! that passes is an error, as is another one that fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use undercast_asl::Expression;

use crate::support::Still;

/// How many cases there are. The number may not fall.
const CASES: usize = 1_686;

#[test]
fn the_public_suite_passes() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/testdata/jsonata");
    if !folder.is_dir() {
        #[expect(clippy::print_stdout, reason = "a test that is not run says so")]
        {
            println!("not run: {} is absent", folder.display());
        }
        return;
    }
    let left_out: toml::Table = include_str!("jsonata/left_out.toml").parse().unwrap();
    let (mut run, mut wrong) = (0, Vec::new());
    for (name, case) in cases(&folder) {
        run += 1;
        let outcome = outcome(&folder, &name, &case);
        match (outcome, left_out.get(&name)) {
            (Err(_), Some(_)) | (Ok(()), None) => {}
            (Ok(()), Some(reason)) => wrong.push(format!("{name} passes, and is left out: {reason}")),
            (Err(why), None) => wrong.push(format!("{name}: {why}")),
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(run >= CASES, "there are only {run} cases");
}

fn json(file: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The cases by their names: `group/case000`, and of a file with several `group/case000/1`.
fn cases(folder: &Path) -> BTreeMap<String, Value> {
    let mut cases = BTreeMap::new();
    for group in std::fs::read_dir(folder.join("groups")).unwrap().map(|entry| entry.unwrap().path()) {
        for file in std::fs::read_dir(&group).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let (group, file_name) = (group.file_name().unwrap(), file.file_stem().unwrap());
            let name = format!("{}/{}", group.to_string_lossy(), file_name.to_string_lossy());
            // Half of a surrogate pair is no character of a text here: such a case has no expression.
            match serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap_or(Value::Null) {
                Value::Array(all) => {
                    cases.extend(all.into_iter().enumerate().map(|(i, case)| (format!("{name}/{i}"), case)));
                }
                case => _ = cases.insert(name, case),
            }
        }
    }
    cases
}

fn outcome(folder: &Path, name: &str, case: &Value) -> Result<(), String> {
    let group = name.split('/').next().unwrap();
    let text = match (&case["expr"], &case["expr-file"]) {
        (Value::String(text), _) => text.clone(),
        (_, Value::String(file)) => std::fs::read_to_string(folder.join("groups").join(group).join(file)).unwrap(),
        _ => return Err("there is no expression".to_owned()),
    };
    let data = match (case.get("data"), &case["dataset"]) {
        (Some(data), _) => Some(data.clone()),
        (None, Value::String(set)) => Some(json(&folder.join("datasets").join(format!("{set}.json")))),
        (None, _) => None,
    };
    let bindings = case["bindings"].as_object().cloned().unwrap_or_else(Map::new);
    let found = Expression::parse(&text, "Output")
        .and_then(|expression| expression.apply(data.as_ref(), &bindings, &Still::new()));
    if let Some(code) = case["code"].as_str().or(case["error"]["code"].as_str()) {
        return match found {
            Err(error) if error.0.starts_with(code) => Ok(()),
            other => Err(format!("{other:?} instead of {code}")),
        };
    }
    match (found, case.get("result")) {
        (Ok(None), None) => Ok(()),
        (Ok(Some(found)), Some(wanted)) if same(&found, wanted, case["unordered"] == true) => Ok(()),
        (found, wanted) => Err(format!("{found:?} instead of {wanted:?}")),
    }
}

fn same(found: &Value, wanted: &Value, unordered: bool) -> bool {
    match (found, wanted) {
        // The suite's own runner lets the last digits differ, which depend on the order of sums.
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-13 * b.abs()
        }
        (Value::Array(a), Value::Array(b)) if unordered => {
            a.len() == b.len() && a.iter().all(|x| b.iter().any(|y| same(x, y, false)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| same(x, y, false)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, x)| b.get(name).is_some_and(|y| same(x, y, false)))
        }
        (a, b) => a == b,
    }
}
