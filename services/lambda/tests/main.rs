//! Lambda through a real socket, with functions that really run. Without libtest, because this program is its own init: a
//! sandbox begins by running it again, which must be told apart before any thread begins.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test stops at the first surprise, and says that it passed"
)]

mod destinations;
mod events;
mod invocations;
mod isolation;
mod layers;
mod logging;
mod organizations;
mod provisioned;
mod setup;
mod signing;
mod streamed;
mod streams;
mod transforms;
mod urls;
mod versions;
mod zones;

use std::pin::Pin;
use std::time::{Duration, Instant};

type Test = (&'static str, fn() -> Pin<Box<dyn Future<Output = ()> + Send>>);

/// A list of tests by their names.
#[macro_export]
macro_rules! tests {
    ($($test:ident),+ $(,)?) => {
        pub(crate) const TESTS: &[$crate::Test] = &[$((stringify!($test), || Box::pin($test()))),+];
    };
}

fn main() {
    undercast_engines::run_if_helper();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let all = [
        invocations::TESTS,
        isolation::TESTS,
        destinations::TESTS,
        events::TESTS,
        layers::TESTS,
        logging::TESTS,
        organizations::TESTS,
        provisioned::TESTS,
        signing::TESTS,
        streamed::TESTS,
        streams::TESTS,
        transforms::TESTS,
        urls::TESTS,
        versions::TESTS,
        zones::TESTS,
    ]
    .concat();
    let chosen = |name: &str| wanted.is_empty() || wanted.iter().any(|w| name.contains(w.as_str()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(setup::find_runtimes());
    let (began, mut passed, mut failed) = (Instant::now(), 0, Vec::new());
    let left_out = all.iter().filter(|(name, _)| !chosen(name)).count();
    for (name, test) in all.into_iter().filter(|(name, _)| chosen(name)) {
        let begun = Instant::now();
        let outcome = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(120), start(test)).await });
        let good = matches!(outcome, Ok(true));
        println!("test {name} ... {} ({:.1?})", if good { "ok" } else { "FAILED" }, begun.elapsed());
        if good {
            passed += 1;
        } else {
            failed.push(name);
        }
    }
    runtime.shutdown_timeout(Duration::from_secs(2));
    println!("failures: {failed:?}");
    println!(
        "test result: {}. {passed} passed; {} failed; 0 ignored; 0 measured; {left_out} filtered out; finished in {:.2?}",
        if failed.is_empty() { "ok" } else { "FAILED" },
        failed.len(),
        began.elapsed()
    );
    std::process::exit(i32::from(!failed.is_empty()));
}

/// Prints what was measured.
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Runs a test beside the others' panics.
#[expect(clippy::disallowed_methods, reason = "a panic must not end the program")]
async fn start(test: fn() -> Pin<Box<dyn Future<Output = ()> + Send>>) -> bool {
    tokio::spawn(test()).await.is_ok()
}
