//! The kept inputs of the fuzz targets (`fuzz/corpus/token` and `saml`), run again.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::fuzzed;

/// No input may take longer.
const LONGEST: Duration = Duration::from_secs(2);

/// The kept inputs of a target that are good, by name.
fn good(target: &str, body: fn(&[u8]) -> bool) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 10, "there are only {} inputs", files.len());
    let mut good = Vec::new();
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let started = Instant::now();
        let outcome = std::panic::catch_unwind(|| body(&bytes));
        assert!(outcome.is_ok(), "{} breaks it", file.display());
        assert!(started.elapsed() < LONGEST, "{} took {:?}", file.display(), started.elapsed());
        if outcome.is_ok_and(|taken| taken) {
            good.push(file.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    good.sort();
    good
}

#[test]
fn kept_tokens_break_nothing() {
    assert_eq!(good("token", fuzzed::token), ["ec", "fraction", "no_kid", "rsa", "with_keys"]);
}

/// A reference is the character that it stands for, so what was signed is the same; and what was not may be changed.
#[test]
fn kept_responses_break_nothing() {
    let taken = ["cdata", "prefixes", "reference", "signed_assertion", "signed_both", "signed_response"];
    assert_eq!(good("saml", fuzzed::saml), taken);
}
