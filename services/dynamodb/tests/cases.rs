//! The conformance cases in `tests/conformance`, through a real socket, on each protocol.

use std::path::Path;
use std::sync::Arc;
use undercast_dynamodb::{DynamoDb, DynamoDbStreams};
use undercast_kernel::Service;
use undercast_testkit::conformance;

#[tokio::test]
async fn conformance_cases_hold_on_every_protocol() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let services = || -> Vec<Arc<dyn Service>> { vec![Arc::new(DynamoDb::default()), Arc::new(DynamoDbStreams)] };
    let coverage = conformance::run(&folder, "dynamodb", services).await;
    assert!(coverage.cases > 100, "{coverage:?}");
}
