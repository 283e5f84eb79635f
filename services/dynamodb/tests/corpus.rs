//! The kept inputs of the fuzz target (`fuzz/corpus/import`), run again.

use crate::fuzzed;
use std::path::Path;
use std::time::{Duration, Instant};

/// No input may take longer.
const LONGEST: Duration = Duration::from_secs(2);

#[test]
fn kept_inputs_break_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/import");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 10, "there are only {} inputs", files.len());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let started = Instant::now();
        let outcome = std::panic::catch_unwind(|| fuzzed::import(&bytes));
        assert!(outcome.is_ok(), "{} breaks it", file.display());
        assert!(started.elapsed() < LONGEST, "{} took {:?}", file.display(), started.elapsed());
    }
}

/// Bytes of chance, and kept inputs of which some bytes are of chance.
#[test]
fn chance_breaks_nothing() {
    use proptest::prelude::*;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/import");
    let kept: Vec<Vec<u8>> =
        std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    proptest!(|(one in prop::sample::select(kept), changes in changes, cut in any::<prop::sample::Index>())| {
        let mut bytes = one;
        for (at, byte) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        if changes.is_empty() {
            bytes.truncate(cut.index(bytes.len()));
        }
        fuzzed::import(&bytes);
    });
}
