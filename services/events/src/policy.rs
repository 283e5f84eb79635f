//! Who may put events on a bus: PutPermission and RemovePermission.

use serde_json::{Value as Json, json};
use undercast_kernel::policy::PolicyKind;
use undercast_kernel::{Cx, Failure, Result, regions};

use crate::api::{self, errors};
use crate::bus::{BUSES, Bus};
use crate::error::validation;
use crate::name::BusName;

/// Most bytes of a policy.
const MOST: usize = 10 * 1024;

fn statements(policy: &mut Json) -> Result<&mut Vec<Json>> {
    let statement = &mut policy["Statement"];
    if !statement.is_array() {
        *statement = Json::Array(vec![statement.take()]);
    }
    statement.as_array_mut().ok_or_else(|| Failure::broken("a policy's Statement is no list"))
}

/// The statement that a call without a whole policy means.
fn statement(bus: &BusName, input: &api::PutPermissionInput) -> Result<Json> {
    let missing = |name: &str| validation(format!("Parameter {name} is not valid. Reason: {name} is required."));
    let action = input.action.as_deref().ok_or_else(|| missing("Action"))?;
    let principal = input.principal.as_deref().ok_or_else(|| missing("Principal"))?;
    let id = input.statement_id.as_deref().ok_or_else(|| missing("StatementId"))?;
    if action != "events:PutEvents" {
        return Err(validation("Provided value in parameter 'action' is not supported.").into());
    }
    let principal = match principal {
        "*" => json!("*"),
        account => json!({"AWS": format!("arn:{}:iam::{account}:root", regions::partition(&bus.region))}),
    };
    let mut statement =
        json!({"Sid": id, "Effect": "Allow", "Principal": principal, "Action": action, "Resource": bus.arn()});
    if let Some(condition) = &input.condition {
        if condition.type_ != "StringEquals" || condition.key != "aws:PrincipalOrgID" {
            let message = "Parameter Condition is not valid. Reason: Type must be StringEquals and Key must be aws:PrincipalOrgID.";
            return Err(validation(message).into());
        }
        statement["Condition"] = json!({"StringEquals": {"aws:PrincipalOrgID": condition.value}});
    }
    Ok(statement)
}

/// The policy of a bus with one more statement, in the place of the one that had its id.
fn added(bus: &Bus, statement: Json) -> Result<String> {
    let none = || json!({"Version": "2012-10-17", "Statement": []});
    let mut policy = match &bus.policy {
        Some(text) => serde_json::from_str(text).map_err(Failure::broken)?,
        None => none(),
    };
    let all = statements(&mut policy)?;
    all.retain(|there| there["Sid"] != statement["Sid"]);
    all.push(statement);
    Ok(policy.to_string())
}

fn check(cx: &Cx, policy: &str) -> Result<()> {
    if policy.len() > MOST {
        let message = format!("The length of the policy exceeds the limit of {MOST} bytes.");
        return Err(errors::policy_length_exceeded_exception(message).into());
    }
    let compiled = cx.policies().compile(PolicyKind::Resource, policy);
    compiled.map_err(|why| validation(format!("Provided policy is not valid. Reason: {why}")))?;
    Ok(())
}

pub(crate) async fn put(cx: &Cx, input: api::PutPermissionInput) -> Result<()> {
    let name = BusName::of(cx, input.event_bus_name.as_deref());
    cx.write(|tx| {
        let mut bus = name.find(tx)?;
        let policy = match &input.policy {
            Some(whole) => whole.clone(),
            None => added(&bus, statement(&name, &input)?)?,
        };
        check(cx, &policy)?;
        bus.policy = Some(policy);
        bus.modified = bus.created.map(|_| cx.now_millis());
        BUSES.put(tx, &name.key(), &bus);
        Ok(())
    })
    .await
}

pub(crate) async fn remove(cx: &Cx, input: api::RemovePermissionInput) -> Result<()> {
    let name = BusName::of(cx, input.event_bus_name.as_deref());
    let missing = || errors::resource_not_found_exception("Statement with the provided id does not exist.");
    if input.statement_id.is_none() && input.remove_all_permissions != Some(true) {
        return Err(validation("Parameter StatementId is not valid. Reason: StatementId is required.").into());
    }
    cx.write(|tx| {
        let mut bus = name.find(tx)?;
        if input.remove_all_permissions == Some(true) {
            bus.policy = None;
        } else {
            let Some(text) = &bus.policy else {
                return Err(errors::resource_not_found_exception("EventBus does not have a policy.").into());
            };
            let mut policy: Json = serde_json::from_str(text).map_err(Failure::broken)?;
            let all = statements(&mut policy)?;
            let before = all.len();
            all.retain(|there| there["Sid"].as_str() != input.statement_id.as_deref());
            if all.len() == before {
                return Err(missing().into());
            }
            bus.policy = (!all.is_empty()).then(|| policy.to_string());
        }
        bus.modified = bus.created.map(|_| cx.now_millis());
        BUSES.put(tx, &name.key(), &bus);
        Ok(())
    })
    .await
}
