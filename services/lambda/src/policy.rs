//! A function's policy: who may call it, statement by statement.

use serde_json::{Value as Json, json};
use undercast_kernel::policy::{Policy, PolicyKind};
use undercast_kernel::store::is_account;
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors};
use crate::error;
use crate::function::FunctionName;
use crate::holder::Holder;

/// A policy may be so long.
pub(crate) const LONGEST: usize = 20_480;

/// The whole policy. `None`: there is none.
pub(crate) fn document(of: &[(String, String)]) -> Option<String> {
    if of.is_empty() {
        return None;
    }
    let statements: Vec<&str> = of.iter().map(|(_, statement)| statement.as_str()).collect();
    Some(format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{}]}}"#, statements.join(",")))
}

pub(crate) fn principal(given: &str) -> Result<Json> {
    let account = is_account(given);
    Ok(match given {
        "*" => json!("*"),
        id if account => json!({"AWS": format!("arn:aws:iam::{id}:root")}),
        arn if arn.starts_with("arn:") => json!({"AWS": arn}),
        service if service.contains(".amazonaws.com") || service.ends_with(".amazon.com") => {
            json!({"Service": service})
        }
        _ => {
            return Err(error::invalid(
                "The provided principal was invalid. Please check the principal and try again.",
            ));
        }
    })
}

/// What a call names: a function, one of its versions, an alias. `$LATEST` is not one that has a policy of its own.
fn named(cx: &Cx, function: &str, qualifier: Option<&str>) -> Result<FunctionName> {
    let name = FunctionName::parse(cx, function, qualifier)?;
    match name.qualifier.as_deref() {
        Some("$LATEST") => Err(error::invalid("We currently do not support adding policies for $LATEST.")),
        _ => Ok(name),
    }
}

/// Refuses a change to a policy that has changed since it was looked at.
fn check_revision(given: Option<&String>, holder: &Holder) -> Result<()> {
    match given {
        Some(given) if given != holder.revision() => {
            let message = "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id";
            Err(errors::precondition_failed_exception(message).into())
        }
        _ => Ok(()),
    }
}

/// The statement that a call adds.
fn statement(cx: &Cx, name: &FunctionName, input: &api::AddPermissionInput) -> Result<Json> {
    let mut conditions = serde_json::Map::new();
    let mut equals = serde_json::Map::new();
    if let Some(account) = &input.source_account {
        equals.insert("AWS:SourceAccount".to_owned(), json!(account));
    }
    if let Some(auth) = &input.function_url_auth_type {
        if input.action != "lambda:InvokeFunctionUrl" {
            return Err(error::invalid("FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"));
        }
        equals.insert("lambda:FunctionUrlAuthType".to_owned(), json!(auth));
    }
    if let Some(organization) = &input.principal_org_id {
        equals.insert("aws:PrincipalOrgID".to_owned(), json!(organization));
    }
    if let Some(token) = &input.event_source_token {
        equals.insert("lambda:EventSourceToken".to_owned(), json!(token));
    }
    if !equals.is_empty() {
        conditions.insert("StringEquals".to_owned(), Json::Object(equals));
    }
    if let Some(via) = input.invoked_via_function_url {
        conditions.insert("Bool".to_owned(), json!({"lambda:InvokedViaFunctionUrl": via.to_string()}));
    }
    if let Some(arn) = &input.source_arn {
        conditions.insert("ArnLike".to_owned(), json!({"AWS:SourceArn": arn}));
    }
    let mut statement = json!({
        "Sid": input.statement_id, "Effect": "Allow", "Principal": principal(&input.principal)?,
        "Action": input.action, "Resource": name.qualified_arn(cx),
    });
    if !conditions.is_empty() {
        statement["Condition"] = Json::Object(conditions);
    }
    Ok(statement)
}

pub(crate) async fn add(cx: &Cx, input: api::AddPermissionInput) -> Result<api::AddPermissionOutput> {
    let name = named(cx, &input.function_name, input.qualifier.as_deref())?;
    let statement = statement(cx, &name, &input)?.to_string();
    let whole = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    if let Err(bad) = Policy::parse(PolicyKind::Resource, &whole) {
        return Err(error::invalid(bad.fault.to_string()));
    }
    cx.write(|tx| {
        let mut holder = Holder::find(cx, tx, &name)?;
        check_revision(input.revision_id.as_ref(), &holder)?;
        if holder.permissions().iter().any(|(id, _)| *id == input.statement_id) {
            let message = format!(
                "The statement id ({}) provided already exists. Please provide a new statement id, or remove the existing statement.",
                input.statement_id
            );
            return Err(error::conflict(message));
        }
        holder.permissions_mut().push((input.statement_id.clone(), statement.clone()));
        let length = document(holder.permissions()).map_or(0, |d| d.len());
        if length > LONGEST {
            let message = format!("The final policy size ({length}) is bigger than the limit ({LONGEST}).");
            return Err(errors::policy_length_exceeded_exception(message).into());
        }
        holder.revise(cx);
        holder.put(tx);
        Ok(())
    })
    .await?;
    Ok(api::AddPermissionOutput { statement: Some(statement) })
}

pub(crate) async fn remove(cx: &Cx, input: api::RemovePermissionInput) -> Result<()> {
    let name = named(cx, &input.function_name, input.qualifier.as_deref())?;
    cx.write(|tx| {
        let mut holder = Holder::find(cx, tx, &name)?;
        check_revision(input.revision_id.as_ref(), &holder)?;
        let permissions = holder.permissions_mut();
        let before = permissions.len();
        if before == 0 {
            return Err(error::not_found("No policy is associated with the given resource."));
        }
        permissions.retain(|(id, _)| *id != input.statement_id);
        if permissions.len() == before {
            return Err(error::not_found(format!("Statement {} is not found in resource policy.", input.statement_id)));
        }
        holder.revise(cx);
        holder.put(tx);
        Ok(())
    })
    .await
}

pub(crate) fn get(cx: &Cx, input: &api::GetPolicyInput) -> Result<api::GetPolicyOutput> {
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    let holder = Holder::find(cx, &cx.read(), &name)?;
    let policy =
        document(holder.permissions()).ok_or_else(|| error::not_found("The resource you requested does not exist."))?;
    Ok(api::GetPolicyOutput { policy: Some(policy), revision_id: Some(holder.revision().to_owned()) })
}
