//! The kept inputs of the fuzz targets (`fuzz/corpus/asl`, `jsonpath` and `jsonata`), run again: what once broke something, and what
//! reaches far.

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;

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
