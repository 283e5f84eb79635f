//! The fuzz targets' bodies, which are those of the tests of `crates/wire`, `crates/select` and `services/dynamodb`.

#[path = "../../crates/wire/tests/corpus/targets/mod.rs"]
mod targets;

#[path = "../../crates/select/tests/fuzzed.rs"]
mod fuzzed;

#[path = "../../services/dynamodb/tests/fuzzed.rs"]
mod imported;

/// Runs the target called `name` with an input.
pub fn run(name: &str, bytes: &[u8]) {
    if name == "select" {
        return fuzzed::select(bytes);
    }
    if name == "import" {
        return imported::import(bytes);
    }
    for (target, body) in targets::TARGETS {
        if *target == name {
            return body(bytes);
        }
    }
    unreachable!("no target is called {name}");
}
