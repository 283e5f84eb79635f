//! The kept inputs of the fuzz target (`fuzz/corpus/arn`), run again.

mod fuzzed;

use std::path::Path;

#[test]
fn kept_inputs_break_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/arn");
    let (mut all, mut taken) = (0, 0);
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        all += 1;
        taken += usize::from(fuzzed::arn(&bytes));
    }
    assert!(all >= 10 && taken >= 5 && taken < all, "{taken} of {all} inputs are ARNs");
}
