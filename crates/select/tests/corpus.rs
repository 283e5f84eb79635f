//! The kept inputs of the fuzz target (`fuzz/corpus/select`), run again: what once broke something, and what reaches far.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::fuzzed;

/// No input may take longer.
const LONGEST: Duration = Duration::from_secs(2);

#[test]
fn kept_inputs_break_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/select");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 10, "there are only {} inputs", files.len());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let started = Instant::now();
        let outcome = std::panic::catch_unwind(|| fuzzed::select(&bytes));
        assert!(outcome.is_ok(), "{} breaks it", file.display());
        assert!(started.elapsed() < LONGEST, "{} took {:?}", file.display(), started.elapsed());
    }
}
