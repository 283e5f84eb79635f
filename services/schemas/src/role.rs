//! The role by which discoverers have their rules. On AWS it is there for the service alone, and made with the first discoverer.
//!
//! Source: "Using service-linked roles" in the user guide of EventBridge.

use serde_json::json;
use undercast_kernel::{Cx, Result};

/// The service that assumes it.
pub(crate) const PRINCIPAL: &str = "schemas.amazonaws.com";
const NAME: &str = "AWSServiceRoleForSchemas";

/// Its ARN.
pub(crate) fn arn(cx: &Cx) -> String {
    cx.global_arn("iam", &format!("role/aws-service-role/{PRINCIPAL}/{NAME}"))
}

/// The caller of EventBridge.
pub(crate) fn session(cx: &Cx) -> Cx {
    match cx.kernel().identities() {
        Some(_) => cx.as_role(PRINCIPAL, &arn(cx), "schemas"),
        // Without IAM there are no roles, and the account itself is all that may do anything.
        None => cx.kernel().cx_for(cx.account(), cx.region()).through(PRINCIPAL),
    }
}

/// Whether the account has it.
pub(crate) fn is_there(cx: &Cx) -> Result<bool> {
    match cx.kernel().identities() {
        Some(known) => Ok(known.role(&cx.read(), &arn(cx))?.is_some()),
        // Without IAM nobody has a role, and nobody asks for one.
        None => Ok(true),
    }
}

/// Makes it, unless it is there.
pub(crate) async fn make(cx: &Cx) -> Result<()> {
    if is_there(cx)? {
        return Ok(());
    }
    // Whoever makes the first discoverer was asked for `iam:CreateServiceLinkedRole`; the rest is the account's own.
    let account = cx.kernel().cx_for(cx.account(), cx.region()).through(PRINCIPAL);
    match account.call("iam", "CreateServiceLinkedRole", json!({"AWSServiceName": PRINCIPAL})).await {
        // Somebody else may have made it meanwhile.
        Err(_) if is_there(cx)? => Ok(()),
        other => other.map(drop),
    }
}
