//! Kinesis Data Streams through a real socket, in JSON and in CBOR.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod encryption;
mod limits;
mod lineage;
mod permissions;
mod pushed;
mod records;
mod shards;
mod support;
mod templates;
mod told;

use std::path::Path;

use undercast_testkit::conformance;

#[tokio::test]
async fn conformance_cases_hold_on_every_protocol() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, "kinesis", support::services).await;
    assert!(coverage.cases > 200, "{coverage:?}");
}
