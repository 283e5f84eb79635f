//! Who may do what to a queue: its policy, and the two operations that write it.

use serde_json::{Value as Json, json};
use undercast_kernel::policy::{PolicyKind, PrincipalKind};
use undercast_kernel::store::Read;
use undercast_kernel::{Access, Cx, Failure, Result};
use undercast_wire::Fields;
use undercast_wire::schema::Operation;

use crate::api::{self, errors};
use crate::error;
use crate::queue::{QUEUES, QueueName};

/// Actions that `AddPermission` can give.
const GIVEN: &[&str] = &[
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
];

/// With these the root user of an account takes away a policy that denies everybody everything.
const UNLOCKING: [&str; 2] = ["sqs:GetQueueAttributes", "sqs:SetQueueAttributes"];

/// The permission that a call needs.
pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    // Batches are authorised as what they are batches of.
    let action = match operation.name {
        "SendMessageBatch" => "SendMessage",
        "DeleteMessageBatch" => "DeleteMessage",
        "ChangeMessageVisibilityBatch" => "ChangeMessageVisibility",
        other => other,
    };
    let action = format!("sqs:{action}");
    let named = || {
        input.text("QueueName").map(|name| QueueName {
            account: input.text("QueueOwnerAWSAccountId").unwrap_or(cx.account()).to_owned(),
            region: cx.region().to_owned(),
            name: name.to_owned(),
        })
    };
    let name = match (input.text("QueueUrl"), input.text("SourceArn")) {
        (Some(url), _) => Some(QueueName::from_url(cx, url)?),
        (None, Some(arn)) => QueueName::from_arn(arn),
        (None, None) => named(),
    };
    let Some(name) = name else {
        return Ok(vec![Access::new(action, cx.arn("sqs", "*"))]);
    };
    with_policy(cx, &cx.read(), Access::new(action, name.arn(cx)), &name).map(|access| vec![access])
}

fn with_policy(cx: &Cx, from: &impl Read, access: Access, name: &QueueName) -> Result<Access> {
    let access = access.in_account(name.account.clone());
    let Some(queue) = QUEUES.get(from, &name.key())? else { return Ok(access) };
    let root = matches!(cx.principal().kind, PrincipalKind::Root) && cx.principal().account == name.account;
    if root && UNLOCKING.contains(&access.action.as_ref()) {
        // No policy locks the root user out of what it says ("Perform a privileged task on a member account", IAM user guide).
        return Ok(access);
    }
    Ok(match queue.text("Policy") {
        Some(text) => access
            .with_policy(&queue.arn(cx), cx.policies().compile(PolicyKind::Resource, text).map_err(Failure::broken)?),
        None => access,
    })
}

pub(crate) async fn add(cx: &Cx, input: api::AddPermissionInput) -> Result<()> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    for action in &input.actions {
        if !GIVEN.contains(&action.as_str()) {
            let message = format!(
                "Value SQS:{action} for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a list of valid actions."
            );
            return Err(error::invalid_value(message).into());
        }
    }
    if let Some(account) =
        input.aws_account_ids.iter().find(|a| a.len() != 12 || !a.bytes().all(|b| b.is_ascii_digit()))
    {
        let reason = "Unable to verify.";
        return Err(error::invalid_parameter(account, "PrincipalId", reason).into());
    }
    cx.write(|tx| {
        let mut queue = name.find(tx)?;
        let mut policy = match queue.text("Policy") {
            Some(text) => serde_json::from_str(text).map_err(Failure::broken)?,
            None => {
                json!({"Version": "2008-10-17", "Id": format!("{}/SQSDefaultPolicy", queue.arn(cx)), "Statement": []})
            }
        };
        let principals: Vec<String> =
            input.aws_account_ids.iter().map(|a| format!("arn:{}:iam::{a}:root", cx.partition())).collect();
        let actions: Vec<String> = input.actions.iter().map(|a| format!("SQS:{a}")).collect();
        let statement = json!({"Sid": input.label, "Effect": "Allow", "Principal": {"AWS": one_or_many(principals)},
                               "Action": one_or_many(actions), "Resource": queue.arn(cx)});
        let statements = statements(&mut policy)?;
        if statements.iter().any(|s| s["Sid"] == input.label.as_str()) {
            return Err(error::invalid_parameter(&input.label, "Label", "Already exists.").into());
        }
        if statements.len() >= 20 {
            return Err(errors::over_limit("20 statements are the most that a policy can have.").into());
        }
        statements.push(statement);
        queue.attributes.insert("Policy".to_owned(), policy.to_string());
        QUEUES.put(tx, &queue.key(), &queue);
        Ok(())
    })
    .await
}

pub(crate) async fn remove(cx: &Cx, input: api::RemovePermissionInput) -> Result<()> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    cx.write(|tx| {
        let mut queue = name.find(tx)?;
        let not_found = || Failure::from(error::invalid_parameter(&input.label, "Label", "can't find label."));
        let mut policy: Json =
            serde_json::from_str(queue.text("Policy").ok_or_else(not_found)?).map_err(Failure::broken)?;
        let statements = statements(&mut policy)?;
        let before = statements.len();
        statements.retain(|s| s["Sid"] != input.label.as_str());
        if statements.len() == before {
            return Err(not_found());
        }
        if statements.is_empty() {
            queue.attributes.remove("Policy");
        } else {
            queue.attributes.insert("Policy".to_owned(), policy.to_string());
        }
        QUEUES.put(tx, &queue.key(), &queue);
        Ok(())
    })
    .await
}

fn one_or_many(mut texts: Vec<String>) -> Json {
    if texts.len() == 1 { Json::from(texts.remove(0)) } else { Json::from(texts) }
}

/// The statements of a policy; a single one becomes a list of one.
fn statements(policy: &mut Json) -> Result<&mut Vec<Json>> {
    let statement = policy.get_mut("Statement").ok_or_else(|| Failure::broken("a policy has no Statement"))?;
    if statement.is_object() {
        *statement = Json::Array(vec![statement.take()]);
    }
    statement.as_array_mut().ok_or_else(|| Failure::broken("a policy's Statement is no list"))
}
