//! The fuzz targets' bodies, which are those of the tests of `crates/wire`.

#[path = "../../crates/wire/tests/corpus/targets/mod.rs"]
mod targets;

/// Runs the target called `name` with an input.
pub fn run(name: &str, bytes: &[u8]) {
    for (target, body) in targets::TARGETS {
        if *target == name {
            return body(bytes);
        }
    }
    unreachable!("no target is called {name}");
}
