//! A layer's policy: which other accounts may use one of its versions.

use serde_json::json;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors};
use crate::error;
use crate::layer::{LayerName, LayerVersion, number};
use crate::policy::{LONGEST, document, principal};

fn none(cx: &Cx, place: &LayerName, number: u64) -> Failure {
    error::not_found(format!("Layer version {} does not exist.", place.version_arn(cx, number)))
}

/// Refuses a change to a policy that has changed since it was looked at.
fn check_revision(given: Option<&String>, version: &LayerVersion) -> Result<()> {
    match given {
        Some(given) if *given != version.revision => {
            let message = "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id";
            Err(errors::precondition_failed_exception(message).into())
        }
        _ => Ok(()),
    }
}

/// `AddLayerVersionPermission`
pub(crate) async fn add(
    cx: &Cx,
    input: api::AddLayerVersionPermissionInput,
) -> Result<api::AddLayerVersionPermissionOutput> {
    let (place, number) = (LayerName::parse(cx, &input.layer_name), number(input.version_number)?);
    let mut statement = json!({
        "Sid": input.statement_id, "Effect": "Allow", "Principal": principal(&input.principal)?,
        "Action": input.action, "Resource": place.version_arn(cx, number),
    });
    if let Some(organization) = &input.organization_id {
        statement["Condition"] = json!({"StringEquals": {"aws:PrincipalOrgID": organization}});
    }
    let statement = statement.to_string();
    let revision = cx
        .write(|tx| {
            let mut version = place.version(tx, number)?.ok_or_else(|| none(cx, &place, number))?;
            check_revision(input.revision_id.as_ref(), &version)?;
            if version.permissions.iter().any(|(id, _)| *id == input.statement_id) {
                return Err(error::conflict(format!(
                    "The statement id ({}) provided already exists. Please provide a new statement id, or remove the existing statement.",
                    input.statement_id
                )));
            }
            version.permissions.push((input.statement_id.clone(), statement.clone()));
            let length = document(&version.permissions).map_or(0, |d| d.len());
            if length > LONGEST {
                let message = format!("The final policy size ({length}) is bigger than the limit ({LONGEST}).");
                return Err(errors::policy_length_exceeded_exception(message).into());
            }
            version.revision = cx.random().uuid();
            version.put(tx);
            Ok(version.revision)
        })
        .await?;
    Ok(api::AddLayerVersionPermissionOutput { statement: Some(statement), revision_id: Some(revision) })
}

/// `RemoveLayerVersionPermission`
pub(crate) async fn remove(cx: &Cx, input: api::RemoveLayerVersionPermissionInput) -> Result<()> {
    let (place, number) = (LayerName::parse(cx, &input.layer_name), number(input.version_number)?);
    cx.write(|tx| {
        let mut version = place.version(tx, number)?.ok_or_else(|| none(cx, &place, number))?;
        check_revision(input.revision_id.as_ref(), &version)?;
        let before = version.permissions.len();
        version.permissions.retain(|(id, _)| *id != input.statement_id);
        if version.permissions.len() == before {
            return Err(error::not_found(format!("Statement {} is not found in resource policy.", input.statement_id)));
        }
        version.revision = cx.random().uuid();
        version.put(tx);
        Ok(())
    })
    .await
}

/// `GetLayerVersionPolicy`
pub(crate) fn get(cx: &Cx, input: &api::GetLayerVersionPolicyInput) -> Result<api::GetLayerVersionPolicyOutput> {
    let (place, number) = (LayerName::parse(cx, &input.layer_name), number(input.version_number)?);
    let version = place.version(&cx.read(), number)?.ok_or_else(|| none(cx, &place, number))?;
    let policy = document(&version.permissions)
        .ok_or_else(|| error::not_found("No policy is associated with the given resource."))?;
    Ok(api::GetLayerVersionPolicyOutput { policy: Some(policy), revision_id: Some(version.revision) })
}
