//! Centralized root access: what the accounts that administer IAM in an organization may do for the root users of its members.
//!
//! Source: "Centrally manage root access for member accounts" in the user guide. Sessions are begun by STS (`AssumeRoot`), which
//! asks here whether they may be.

use std::sync::Arc;

use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Membership, Result};

use crate::api::{self, errors};

/// Management account → the features that are enabled in its organization, in order.
static FEATURES: Table<Vec<String>> = Table::new("iam.root_features");

/// What IAM is called by organizations.
const IAM: &str = "iam.amazonaws.com";
pub(crate) const SESSIONS: &str = "RootSessions";
pub(crate) const CREDENTIALS: &str = "RootCredentialsManagement";

/// The organization of the caller's account, for those who may have a say in it.
fn organization(cx: &Cx) -> Result<Arc<Membership>> {
    let found = match cx.kernel().organizations() {
        Some(known) => known.membership(&cx.read(), cx.account())?,
        None => None,
    };
    let membership = found.ok_or_else(|| {
        let message = "The request was rejected because no organization is associated with your account.";
        errors::organization_not_found_exception(message)
    })?;
    if !membership.all_features {
        let message = "The request was rejected because your organization does not have All features enabled.";
        return Err(errors::organization_not_in_all_features_mode_exception(message).into());
    }
    let administers = membership.administers.iter().any(|service| service == IAM);
    if membership.management != cx.account() && !administers {
        let message = "The request was rejected because the account making the request is not the management account or delegated administrator account for centralized root access.";
        return Err(errors::account_not_management_or_delegated_administrator_exception(message).into());
    }
    if !membership.trusted.iter().any(|service| service == IAM) {
        let message = "The request was rejected because trusted access is not enabled for IAM in Organizations.";
        return Err(errors::service_access_not_enabled_exception(message).into());
    }
    Ok(membership)
}

/// The features of an organization.
fn features(from: &(impl Read + ?Sized), management: &str) -> Result<Vec<String>> {
    Ok(FEATURES.get(from, &(management,))?.unwrap_or_else(Vec::new))
}

/// Whether sessions of root users may be begun in the organization of a management account.
pub(crate) fn are_sessions_on(from: &(impl Read + ?Sized), management: &str) -> Result<bool> {
    Ok(features(from, management)?.iter().any(|feature| feature == SESSIONS))
}

/// The id of the organization, and its features.
pub(crate) fn list(cx: &Cx) -> Result<(String, Vec<String>)> {
    let organization = organization(cx)?;
    Ok((organization.organization.clone(), features(&cx.read(), &organization.management)?))
}

/// Enables a feature, which the management account alone can; one that is enabled stays so.
pub(crate) async fn enable(cx: &Cx, feature: &str) -> Result<(String, Vec<String>)> {
    let organization = organization(cx)?;
    if organization.management != cx.account() {
        let message = "The request was rejected because the account making the request is not the management account for the organization.";
        return Err(errors::caller_is_not_management_account_exception(message).into());
    }
    change(cx, &organization, |features| {
        features.push(feature.to_owned());
        features.sort();
        features.dedup();
    })
    .await
}

pub(crate) async fn disable(cx: &Cx, feature: &str) -> Result<(String, Vec<String>)> {
    let organization = organization(cx)?;
    change(cx, &organization, |features| features.retain(|there| there != feature)).await
}

async fn change(
    cx: &Cx,
    organization: &Membership,
    change: impl Fn(&mut Vec<String>) + Send + Sync,
) -> Result<(String, Vec<String>)> {
    let features = cx
        .write(|tx| {
            let mut features = features(tx, &organization.management)?;
            change(&mut features);
            FEATURES.put(tx, &(&organization.management,), &features);
            Ok(features)
        })
        .await?;
    Ok((organization.organization.clone(), features))
}

/// Answers of the operations, which all tell the same.
macro_rules! told {
    ($done:expr, $output:ident) => {{
        let (organization_id, features) = $done?;
        Ok($crate::api::$output { organization_id: Some(organization_id), enabled_features: Some(features) })
    }};
}
pub(crate) use told;

/// `ListOrganizationsFeatures`
pub(crate) fn list_features(cx: &Cx) -> Result<api::ListOrganizationsFeaturesOutput> {
    told!(list(cx), ListOrganizationsFeaturesOutput)
}
