//! The patterns of all models.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;
use undercast_wire::pattern::Pattern;

/// What neither engine can run: a repeated look ahead, halves of pairs, and what comes to too large a machine. Such a
/// pattern is not checked.
const UNKNOWN: &[&str] = &[
    r#"efs: ^(\/|(\/(?!\.)+[^$#<>;`|&?{}^*/\n]+){1,4})$"#,
    r"emr-containers: [\u0020-\uD7FF\uE000-\uFFFD\uD800\uDBFF-\uDC00\uDFFF\r\n\t]*",
    r"emr-serverless: .*[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDBFF-\uDC00\uDFFF\r\n\t]*.*",
    r"emr: [\u0020-\uD7FF\uE000-\uFFFD\uD800\uDBFF-\uDC00\uDFFF\r\n\t]*",
    r"sagemaker: [\p{L}\p{M}\p{Z}\p{N}\p{P}]{0,1024}",
    r"ssm: ^.{1,100000}$",
];

#[test]
fn every_pattern_can_be_run_or_is_known_not_to() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let (mut linear, mut trying, mut unknown) = (0, 0, BTreeSet::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let model: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let patterns: BTreeSet<&str> = model["shapes"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, shape)| shape["pattern"].as_str())
            .collect();
        for pattern in patterns {
            match Pattern::new(pattern) {
                Pattern::Linear(_) => linear += 1,
                Pattern::Trying(_) => trying += 1,
                Pattern::Unknown => drop(unknown.insert(format!("{name}: {pattern}"))),
            }
        }
    }
    assert!(linear > 2_000 && trying > 50, "{linear} linear, {trying} by trying");
    let expected: BTreeSet<String> = UNKNOWN.iter().map(|u| (*u).to_owned()).collect();
    assert_eq!(unknown, expected);
}
