//! The fuzz targets' bodies, which are those of the tests of `crates/wire`, `crates/select`, `crates/policy`, `crates/asl`,
//! `crates/kernel`, `services/dynamodb` and `services/sts`.

#[path = "../../crates/wire/tests/corpus/targets/mod.rs"]
mod targets;

#[path = "../../crates/select/tests/fuzzed.rs"]
mod fuzzed;

#[path = "../../services/dynamodb/tests/fuzzed.rs"]
mod imported;

#[path = "../../crates/policy/tests/fuzzed.rs"]
mod policies;

#[path = "../../crates/kernel/tests/arns/fuzzed.rs"]
mod arns;

#[path = "../../crates/asl/tests/fuzzed.rs"]
mod machines;

#[path = "../../services/sts/tests/main/fuzzed.rs"]
mod vouched;

/// Runs the target called `name` with an input.
pub fn run(name: &str, bytes: &[u8]) {
    match name {
        "select" => fuzzed::select(bytes),
        "import" => imported::import(bytes),
        "policy" => policies::policy(bytes),
        "asl" => machines::asl(bytes),
        "jsonpath" => machines::jsonpath(bytes),
        "jsonata" => machines::jsonata(bytes),
        "arn" => _ = arns::arn(bytes),
        "token" => _ = vouched::token(bytes),
        "saml" => _ = vouched::saml(bytes),
        _ => {
            let known = targets::TARGETS.iter().find(|(target, _)| *target == name);
            let Some((_, body)) = known else { unreachable!("no target is called {name}") };
            body(bytes);
        }
    }
}
