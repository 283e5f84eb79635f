//! What a call of S3 Control needs to be allowed.
//!
//! Source: "Actions, resources, and condition keys for Amazon S3" in the service authorization reference.

use undercast_kernel::{Access, Cx, Result};
use undercast_wire::Fields;
use undercast_wire::schema::Operation;

/// What a call needs.
pub(crate) fn access(_cx: &Cx, operation: &'static Operation, _input: &Fields) -> Result<Vec<Access>> {
    Ok(match operation.name {
        "GetPublicAccessBlock" => vec![Access::new("s3:GetAccountPublicAccessBlock", "*")],
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => vec![Access::new("s3:PutAccountPublicAccessBlock", "*")],
        name => vec![Access::new(format!("s3:{name}"), "*")],
    })
}
