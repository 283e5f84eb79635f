//! Firehose through a real socket, with the services that it reads from and writes to.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod columns;
mod delivered;
mod encrypted;
mod endpoint;
mod partitions;
mod sources;
mod support;
mod templates;

use std::path::Path;

use undercast_testkit::conformance;

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, "firehose", support::services).await;
    assert!(coverage.cases > 40, "{coverage:?}");
}
