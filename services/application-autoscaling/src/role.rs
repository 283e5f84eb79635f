//! The role by which tables are scaled. On AWS it is there for the service alone, and made with the first target.

use serde_json::json;
use undercast_kernel::{Cx, Failure, Result};

/// The service that assumes it.
pub(crate) const PRINCIPAL: &str = "dynamodb.application-autoscaling.amazonaws.com";
const NAME: &str = "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable";
const POLICY: &str = "aws-service-role/AWSApplicationAutoscalingDynamoDBTablePolicy";

/// Its ARN.
pub(crate) fn arn(cx: &Cx) -> String {
    cx.global_arn("iam", &format!("role/aws-service-role/{PRINCIPAL}/{NAME}"))
}

/// Calls of tables.
pub(crate) fn scaling(cx: &Cx) -> Cx {
    cx.as_role(PRINCIPAL, &arn(cx), "AutoScaling-UpdateTable")
}

/// Calls of alarms.
pub(crate) fn alarms(cx: &Cx) -> Cx {
    cx.as_role(PRINCIPAL, &arn(cx), "AutoScaling-ManageAlarms")
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
    // Whoever registers the first target was asked for `iam:CreateServiceLinkedRole`; the rest is the account's own.
    let account = cx.kernel().cx_for(cx.account(), cx.region()).through("application-autoscaling.amazonaws.com");
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": PRINCIPAL}, "Action": "sts:AssumeRole"}]});
    let role = json!({"RoleName": NAME, "Path": format!("/aws-service-role/{PRINCIPAL}/"), "AssumeRolePolicyDocument": trust.to_string()});
    unless_there(account.call("iam", "CreateRole", role).await.map(drop))?;
    let policy = format!("arn:{}:iam::aws:policy/{POLICY}", cx.partition());
    let attach = json!({"RoleName": NAME, "PolicyArn": policy});
    account.call("iam", "AttachRolePolicy", attach).await.map(drop)
}

/// Somebody else may have made it meanwhile.
fn unless_there(made: Result<()>) -> Result<()> {
    match made {
        Err(Failure::Aws(error)) if error.code == "EntityAlreadyExists" => Ok(()),
        other => other,
    }
}
