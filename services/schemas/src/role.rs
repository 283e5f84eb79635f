//! The role by which discoverers have their rules. On AWS it is there for the service alone, and made with the first discoverer.
//!
//! Source: "Using service-linked roles" in the user guide of EventBridge.

use serde_json::json;
use undercast_kernel::{Cx, Failure, Result};

/// The service that assumes it.
pub(crate) const PRINCIPAL: &str = "schemas.amazonaws.com";
const NAME: &str = "AWSServiceRoleForSchemas";
const POLICY: &str = "aws-service-role/AmazonEventBridgeSchemasServiceRolePolicy";

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
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": PRINCIPAL}, "Action": "sts:AssumeRole"}]});
    let role = json!({"RoleName": NAME, "Path": format!("/aws-service-role/{PRINCIPAL}/"), "AssumeRolePolicyDocument": trust.to_string()});
    match account.call("iam", "CreateRole", role).await {
        // Somebody else may have made it meanwhile.
        Err(Failure::Aws(error)) if error.code == "EntityAlreadyExists" => {}
        other => drop(other?),
    }
    let policy = format!("arn:{}:iam::aws:policy/{POLICY}", cx.partition());
    account.call("iam", "AttachRolePolicy", json!({"RoleName": NAME, "PolicyArn": policy})).await.map(drop)
}
