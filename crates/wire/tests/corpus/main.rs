//! The kept inputs of the fuzz targets (`fuzz/corpus`), run again: what once broke something, and what reaches far.

mod targets;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No input may take longer. The kept ones are short, and take a thousandth of it.
const LONGEST: Duration = Duration::from_secs(2);

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

#[test]
fn kept_inputs_break_nothing() {
    for (name, target) in targets::TARGETS {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(corpus().join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 10, "the target {name} has only {} inputs", files.len());
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            let started = Instant::now();
            let outcome = std::panic::catch_unwind(|| target(&bytes));
            assert!(outcome.is_ok(), "{} breaks the target {name}", file.display());
            assert!(started.elapsed() < LONGEST, "{} took {:?}", file.display(), started.elapsed());
        }
    }
}

/// The corpora of targets whose bodies are tests of other crates.
const ELSEWHERE: &[&str] = &["arn", "asl", "import", "jsonata", "jsonpath", "policy", "saml", "select", "token"];

/// A folder that belongs to no target is run by nobody.
#[test]
fn every_corpus_has_its_target() {
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let name = entry.unwrap().file_name();
        let known = targets::TARGETS.iter().any(|(target, _)| name == *target)
            || ELSEWHERE.iter().any(|target| name == *target);
        assert!(known, "no target is called {name:?}");
    }
}
