//! What Secrets Manager does by itself, as the trail tells it.
//!
//! Source: "AWS CloudTrail entries for Secrets Manager" in the user guide.

use serde_json::json;
use undercast_kernel::{AwsError, Cx};
use undercast_wire::schema::{Http, Operation, Structure};

use crate::SERVICE;
use crate::rows::Secret;

const fn event(name: &'static str) -> Operation {
    Operation {
        name,
        http: Http { method: "", uri: "", code: 200 },
        input: &Structure::EMPTY,
        output: &Structure::EMPTY,
        result_wrapper: None,
        errors: &[],
        anonymous: false,
        readonly: false,
        checksum_required: false,
        cases: 0,
    }
}

pub(crate) static ROTATION_STARTED: Operation = event("RotationStarted");
pub(crate) static ROTATION_SUCCEEDED: Operation = event("RotationSucceeded");
pub(crate) static ROTATION_FAILED: Operation = event("RotationFailed");
pub(crate) static TEST_STARTED: Operation = event("TestRotationStarted");
pub(crate) static TEST_SUCCEEDED: Operation = event("TestRotationSucceeded");
pub(crate) static TEST_FAILED: Operation = event("TestRotationFailed");
pub(crate) static REPLICATION_STARTED: Operation = event("ReplicationStarted");
pub(crate) static REPLICATION_SUCCEEDED: Operation = event("ReplicationSucceeded");
pub(crate) static REPLICATION_FAILED: Operation = event("ReplicationFailed");
pub(crate) static DELETION_STARTED: Operation = event("StartSecretVersionDelete");
pub(crate) static DELETION_CANCELLED: Operation = event("CancelSecretVersionDelete");
pub(crate) static DELETION_ENDED: Operation = event("EndSecretVersionDelete");

/// Tells of something that became of a secret.
pub(crate) fn tell(cx: &Cx, event: &'static Operation, secret: &Secret, error: Option<String>) {
    let error = error.map(|message| AwsError::new(event.name, 200, message));
    let own = secret.home(cx).as_service(crate::PRINCIPAL, Some(&secret.arn(cx)));
    own.record_event(SERVICE, event, error, json!({"SecretId": secret.arn(cx)}));
}
