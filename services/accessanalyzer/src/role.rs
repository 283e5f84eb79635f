//! The role by which policies are read, in every account that is looked at. It is there for the service alone, and made with the first
//! analyzer.
//!
//! Source: "Using service-linked roles for IAM Access Analyzer" in the IAM user guide.

use serde_json::json;
use undercast_kernel::{Cx, Result};

/// The service that assumes it.
pub(crate) const PRINCIPAL: &str = "access-analyzer.amazonaws.com";
const NAME: &str = "AWSServiceRoleForAccessAnalyzer";

/// Its ARN.
pub(crate) fn arn(cx: &Cx) -> String {
    cx.global_arn("iam", &format!("role/aws-service-role/{PRINCIPAL}/{NAME}"))
}

/// The caller of other services in an account and region.
pub(crate) fn session(cx: &Cx, account: &str, region: &str) -> Cx {
    let there = cx.kernel().cx_for(account, region);
    match cx.kernel().identities() {
        Some(_) => there.as_role(PRINCIPAL, &arn(&there), "access-analyzer"),
        // Without IAM there are no roles, and the account itself is all that may do anything.
        None => there.through(PRINCIPAL),
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

/// Makes it in an account, unless it is there.
pub(crate) async fn make(cx: &Cx, account: &str) -> Result<()> {
    let there = cx.kernel().cx_for(account, cx.region());
    if is_there(&there)? {
        return Ok(());
    }
    // Whoever makes the first analyzer was asked for `iam:CreateServiceLinkedRole`; the rest is the account's own.
    let owner = there.through(PRINCIPAL);
    match owner.call("iam", "CreateServiceLinkedRole", json!({"AWSServiceName": PRINCIPAL})).await {
        // Somebody else may have made it meanwhile.
        Err(_) if is_there(&there)? => Ok(()),
        other => other.map(drop),
    }
}
