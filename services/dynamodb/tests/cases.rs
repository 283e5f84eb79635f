//! The conformance cases in `tests/conformance`, through a real socket, on each protocol.

use crate::cloud::whole;
use std::path::Path;
use undercast_testkit::conformance;

#[tokio::test]
async fn conformance_cases_hold_on_every_protocol() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, "dynamodb", whole).await;
    assert!(coverage.cases > 100, "{coverage:?}");
}
