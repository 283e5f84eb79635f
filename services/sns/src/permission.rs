//! Who may do what to a topic: its policy, and the two operations that write it.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{PolicyKind, PrincipalKind};
use undercast_kernel::{Access, AwsError, Cx, Failure, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::api;
use crate::error::invalid;
use crate::rows::{TOPICS, Topic, TopicName, find_subscription, parse, subscription_place};
use crate::sealed::PRINCIPAL;
use crate::subscribe;
use crate::topic_attributes::{ACTIONS, default_policy};

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action =
        if operation.name == "PublishBatch" { "sns:Publish".to_owned() } else { format!("sns:{}", operation.name) };
    if is_link(cx, operation, input)? {
        return Ok(Vec::new());
    }
    // Applications, devices and telephones have no policies.
    let other = ["PlatformApplicationArn", "EndpointArn"].iter().find_map(|n| input.text(n));
    if let Some(arn) = other.or_else(|| input.text("TargetArn").filter(|arn| arn.contains(":endpoint/"))) {
        let parsed = parse(arn, "TargetArn")?;
        return Ok(vec![Access::new(action, arn).in_account(parsed.account)]);
    }
    if operation.name == "CreatePlatformApplication" {
        return Ok(vec![Access::new(action, "*")]);
    }
    // Whose a subscription is may do with it what their own policies let them, whosever the topic is.
    if let Some(arn) = input.text("SubscriptionArn")
        && let Ok((_, subscription)) = find_subscription(&cx.read(), arn)
        && subscription.owner == cx.principal().account
    {
        return Ok(vec![Access::new(action, subscription_place(arn)?.0.arn(cx)).in_account(subscription.owner)]);
    }
    let topic = ["TopicArn", "TargetArn", "ResourceArn"].iter().find_map(|n| input.text(n));
    let name = match (topic, input.text("SubscriptionArn"), input.text("Name")) {
        (Some(arn), ..) => TopicName::parse(arn)?,
        (None, Some(arn), _) => subscription_place(arn)?.0,
        (None, None, Some(name)) => {
            TopicName { account: cx.account().to_owned(), region: cx.region().to_owned(), name: name.to_owned() }
        }
        (None, None, None) => return Ok(vec![Access::new(action, "*")]),
    };
    let arn = format!("arn:{}:sns:{}:{}:{}", cx.partition(), name.region, name.account, name.name);
    let mut access = Access::new(action, &arn).in_account(name.account.clone());
    if let Some(protocol) = input.text("Protocol") {
        access.context.set("sns:Protocol", protocol);
    }
    if let Some(endpoint) = input.text("Endpoint") {
        access.context.set("sns:Endpoint", endpoint);
    }
    let alarms_of = account_of_alarms(cx);
    access.context.set("aws:SourceOwner", alarms_of.clone().unwrap_or_else(|| cx.principal().account.clone()));
    undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
    if let Some(topic) = TOPICS.get(&cx.read(), &name.key())? {
        for (key, value) in &topic.tags {
            access.context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
        }
        // Without a policy of its own a topic has the default one, which lets in nobody but its account, and its alarms.
        let default = || alarms_of.is_some().then(|| default_policy(cx, &topic));
        let text = topic.attributes.get("Policy").cloned().or_else(default);
        if let Some(text) = text {
            let policy = cx.policies().compile(PolicyKind::Resource, &text).map_err(Failure::broken)?;
            access = access.with_policy(&arn, policy);
        }
    }
    let mut needed = vec![access];
    needed.extend(handed(input).iter().map(|role| Access::passing(cx, role, PRINCIPAL)));
    Ok(needed)
}

/// The roles that a call hands to SNS, in attributes: for logs and for streams.
fn handed(input: &Fields) -> BTreeSet<String> {
    let all = match input.get("Attributes") {
        Some(Value::Map(all)) => {
            all.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
        }
        _ => Vec::new(),
    };
    let one = input.text("AttributeName").zip(input.text("AttributeValue"));
    let roles = all.into_iter().chain(one).filter(|(name, value)| name.ends_with("RoleArn") && !value.is_empty());
    roles.map(|(_, role)| role.to_owned()).collect()
}

/// Whether a call needs no permission: who has a subscription's token may confirm it, and who has its link may end it, unless
/// its owner wanted otherwise.
fn is_link(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<bool> {
    match operation.name {
        "ConfirmSubscription" => Ok(input.text("AuthenticateOnUnsubscribe") != Some("true")),
        "Unsubscribe" if matches!(cx.principal().kind, PrincipalKind::Anonymous) => {
            input.text("SubscriptionArn").map_or(Ok(true), |arn| subscribe::ends_by_link(&cx.read(), arn))
        }
        _ => Ok(false),
    }
}

/// The account for whose alarm CloudWatch calls. It says for whom it acts, as older services do, so that topics need no
/// policy for it.
fn account_of_alarms(cx: &Cx) -> Option<String> {
    let (service, source) = cx.origin().service.as_ref()?;
    let own = matches!(&cx.principal().kind, PrincipalKind::Service { name } if name == service);
    (own && service == "cloudwatch.amazonaws.com").then_some(())?;
    Arn::parse(source.as_deref()?).map(|arn| arn.account)
}

fn policy_of(cx: &Cx, topic: &Topic) -> Result<Json> {
    let text = topic.attributes.get("Policy").cloned().unwrap_or_else(|| default_policy(cx, topic));
    serde_json::from_str(&text).map_err(Failure::broken)
}

fn statements(policy: &mut Json) -> Result<&mut Vec<Json>> {
    let statement = &mut policy["Statement"];
    if statement.is_object() {
        *statement = Json::Array(vec![statement.take()]);
    }
    statement.as_array_mut().ok_or_else(|| Failure::broken("a policy's Statement is no list"))
}

pub(crate) async fn add(cx: &Cx, input: api::AddPermissionInput) -> Result<()> {
    let name = TopicName::parse(&input.topic_arn)?;
    if input.action_name.iter().any(|a| a != "*" && !ACTIONS.contains(&a.as_str())) {
        return Err(invalid("Invalid parameter: Policy statement action out of service scope!").into());
    }
    let is_account = |a: &String| a.len() == 12 && a.bytes().all(|b| b.is_ascii_digit());
    if !input.aws_account_id.iter().all(is_account) {
        return Err(invalid("Invalid parameter: AWSAccountId").into());
    }
    cx.write(|tx| {
        let mut topic = name.find(tx)?;
        let mut policy = policy_of(cx, &topic)?;
        let principals: Vec<String> =
            input.aws_account_id.iter().map(|a| format!("arn:{}:iam::{a}:root", cx.partition())).collect();
        let actions: Vec<String> = input.action_name.iter().map(|a| format!("SNS:{a}")).collect();
        let all = statements(&mut policy)?;
        if all.iter().any(|s| s["Sid"] == input.label.as_str()) {
            return Err(invalid("Invalid parameter: Statement already exists").into());
        }
        all.push(json!({"Sid": input.label, "Effect": "Allow", "Principal": {"AWS": one_or_many(principals)},
            "Action": one_or_many(actions), "Resource": topic.arn(cx)}));
        topic.attributes.insert("Policy".to_owned(), policy.to_string());
        TOPICS.put(tx, &topic.key(), &topic);
        Ok(())
    })
    .await
}

pub(crate) async fn remove(cx: &Cx, input: api::RemovePermissionInput) -> Result<()> {
    let name = TopicName::parse(&input.topic_arn)?;
    cx.write(|tx| {
        let mut topic = name.find(tx)?;
        let mut policy = policy_of(cx, &topic)?;
        statements(&mut policy)?.retain(|s| s["Sid"] != input.label.as_str());
        topic.attributes.insert("Policy".to_owned(), policy.to_string());
        TOPICS.put(tx, &topic.key(), &topic);
        Ok(())
    })
    .await
}

fn one_or_many(mut texts: Vec<String>) -> Json {
    if texts.len() == 1 { Json::from(texts.remove(0)) } else { Json::from(texts) }
}

/// SNS with a role that it was handed, for the sake of a topic. The role must still trust it.
pub(crate) fn with_role(cx: &Cx, role: &str, topic: &str) -> Result<Cx> {
    if cx.is_assumable(PRINCIPAL, role, Some(topic))? {
        return Ok(cx.as_role(PRINCIPAL, role, "SNS"));
    }
    let message = format!("{PRINCIPAL} is not authorized to assume the role {role}");
    Err(AwsError::new("AccessDenied", 403, message).into())
}
