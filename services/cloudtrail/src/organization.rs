//! Trails of organizations, and delegated administrators.
//!
//! Source: "Creating a trail for an organization" and "Organization delegated administrator" in the user guide.

use serde_json::json;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::PRINCIPAL;
use crate::api::{self, errors};

fn not_in_use() -> Failure {
    let message = "Your account is not a member of an organization.";
    errors::organizations_not_in_use_exception(message).into()
}

/// The calls to Organizations are the caller's own, made through CloudTrail.
fn asks(cx: &Cx) -> Cx {
    cx.through(PRINCIPAL)
}

/// The organization that this account belongs to, as Organizations tells of it.
async fn described(cx: &Cx) -> Result<serde_json::Value> {
    match asks(cx).call("organizations", "DescribeOrganization", json!({})).await {
        Ok(answer) => Ok(answer["Organization"].clone()),
        Err(Failure::Aws(error)) if error.code == "AWSOrganizationsNotInUseException" => Err(not_in_use()),
        Err(Failure::Aws(error)) if error.code == "AccessDeniedException" => {
            Err(errors::insufficient_dependency_service_access_permission_exception(error.message).into())
        }
        Err(failure) => Err(failure),
    }
}

/// Refuses what the organization does not let CloudTrail do.
async fn check_access(cx: &Cx, organization: &serde_json::Value) -> Result<()> {
    if organization["FeatureSet"] != "ALL" {
        let message = "The organization does not have all features enabled.";
        return Err(errors::organization_not_in_all_features_mode_exception(message).into());
    }
    let enabled = match asks(cx).call("organizations", "ListAWSServiceAccessForOrganization", json!({})).await {
        Err(Failure::Aws(error)) if error.code == "AccessDeniedException" => {
            return Err(errors::insufficient_dependency_service_access_permission_exception(error.message).into());
        }
        other => other?,
    };
    let mut all = enabled["EnabledServicePrincipals"].as_array().into_iter().flatten();
    if all.any(|one| one["ServicePrincipal"] == PRINCIPAL) {
        return Ok(());
    }
    let message = "CloudTrail is not enabled as a trusted service of the organization.";
    Err(errors::cloud_trail_access_not_enabled_exception(message).into())
}

/// The organization for which this account may make a trail: the management account may, and a delegated administrator.
pub(crate) async fn of_trail(cx: &Cx) -> Result<String> {
    let organization = described(cx).await?;
    let management = organization["MasterAccountId"].as_str().unwrap_or_default();
    if management != cx.account() && !is_delegated(cx).await? {
        let message = "You must be the management account or a delegated administrator of the organization.";
        return Err(errors::not_organization_master_account_exception(message).into());
    }
    check_access(cx, &organization).await?;
    Ok(organization["Id"].as_str().unwrap_or_default().to_owned())
}

async fn is_delegated(cx: &Cx) -> Result<bool> {
    let asked = json!({"ServicePrincipal": PRINCIPAL});
    match asks(cx).call("organizations", "ListDelegatedAdministrators", asked).await {
        Ok(listed) => {
            Ok(listed["DelegatedAdministrators"].as_array().into_iter().flatten().any(|one| one["Id"] == cx.account()))
        }
        // Members that are none may not ask.
        Err(Failure::Aws(_)) => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn bad_account(account: &str) -> AwsError {
    errors::invalid_parameter_exception(format!("The account id {account} is not twelve digits."))
}

/// The management account of this organization is who calls, and CloudTrail is let in.
async fn check_management(cx: &Cx, account: &str) -> Result<()> {
    if account.len() != 12 {
        return Err(bad_account(account).into());
    }
    let organization = described(cx).await?;
    if organization["MasterAccountId"] != cx.account() {
        let message = "You must be the management account of the organization.";
        return Err(errors::not_organization_management_account_exception(message).into());
    }
    check_access(cx, &organization).await
}

/// What Organizations says of a delegated administrator, in CloudTrail's words.
fn told(failure: Failure) -> Failure {
    let Failure::Aws(error) = failure else { return failure };
    let message = error.message.clone();
    match error.code.as_ref() {
        "AccountNotFoundException" => errors::account_not_found_exception(message),
        "AccountAlreadyRegisteredException" => errors::account_registered_exception(message),
        "AccountNotRegisteredException" => errors::account_not_registered_exception(message),
        "AccessDeniedException" => errors::insufficient_dependency_service_access_permission_exception(message),
        "ConstraintViolationException" => errors::delegated_admin_account_limit_exceeded_exception(message),
        _ => errors::conflict_exception(message),
    }
    .into()
}

pub(crate) async fn register(cx: &Cx, input: &api::RegisterOrganizationDelegatedAdminInput) -> Result<()> {
    let account = &input.member_account_id;
    check_management(cx, account).await?;
    if account == cx.account() {
        let message = "The management account cannot be a delegated administrator.";
        return Err(errors::cannot_delegate_management_account_exception(message).into());
    }
    let asked = json!({"AccountId": account, "ServicePrincipal": PRINCIPAL});
    asks(cx).call("organizations", "RegisterDelegatedAdministrator", asked).await.map(drop).map_err(told)
}

pub(crate) async fn deregister(cx: &Cx, input: &api::DeregisterOrganizationDelegatedAdminInput) -> Result<()> {
    let account = &input.delegated_admin_account_id;
    check_management(cx, account).await?;
    let asked = json!({"AccountId": account, "ServicePrincipal": PRINCIPAL});
    asks(cx).call("organizations", "DeregisterDelegatedAdministrator", asked).await.map(drop).map_err(told)
}
