//! `AssumeRole`: a session with a role's rights, where its trust policy lets the caller in.

use std::collections::BTreeSet;

use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{NamedPolicy, Policy, PolicyKind, PrincipalKind, ResourceRule};
use undercast_kernel::{Access, AwsError, Credential, Cx, OwnerKind, Result, RoleFacts};
use undercast_wire::{Fields, Value};

use crate::api::{self, errors, input, output};
use crate::session;

/// Session policies may have so many characters together.
const POLICY_CHARACTERS: usize = 2_048;

fn role(cx: &Cx, arn: &str) -> Result<Option<RoleFacts>> {
    match cx.kernel().identities() {
        Some(known) => known.role(&cx.read(), arn),
        None => Ok(None),
    }
}

fn invalid(message: String) -> AwsError {
    AwsError::new("ValidationError", 400, message)
}

/// The permission to assume the role that the request names: its trust policy must let the caller in.
pub(crate) fn access(cx: &Cx, input: &Fields) -> Result<Vec<Access>> {
    let arn = input.text("RoleArn").unwrap_or_default();
    let parsed = Arn::parse(arn).filter(|a| a.service == "iam" && a.resource.starts_with("role/"));
    let parsed = parsed.ok_or_else(|| invalid(format!("{arn} is invalid")))?;
    let mut access = Access::new("sts:AssumeRole", arn).in_account(parsed.account);
    access.rule = ResourceRule::MustAllow;
    // A role that does not exist answers like one that trusts nobody.
    if let Some(role) = role(cx, arn)? {
        access.policies.push(NamedPolicy { name: arn.into(), policy: role.trust });
    }
    if let Some(code) = session::code(input.text("SerialNumber"), input.text("TokenCode"))? {
        session::good(cx.check_mfa(code)?)?;
        access.context.set("aws:MultiFactorAuthPresent", "true");
        access.context.set("aws:MultiFactorAuthAge", "0");
    }
    if let Some(id) = input.text("ExternalId") {
        access.context.set("sts:ExternalId", id);
    }
    if let Some(name) = input.text("RoleSessionName") {
        access.context.set("sts:RoleSessionName", name);
    }
    if let Some(Value::List(tags)) = input.get("Tags") {
        for tag in tags {
            if let (Some(key), Some(value)) = (tag.text("Key"), tag.text("Value")) {
                access.context.set(&format!("aws:RequestTag/{key}"), value);
            }
        }
        let keys = tags.iter().filter_map(|t| t.text("Key")).map(ToOwned::to_owned).collect();
        access.context.set_many("aws:TagKeys", keys);
        if !tags.is_empty() {
            let tagging = Access { action: "sts:TagSession".into(), ..access.clone() };
            return Ok(vec![access, tagging]);
        }
    }
    Ok(vec![access])
}

pub(crate) async fn assume(cx: &Cx, input: api::AssumeRoleInput) -> Result<api::AssumeRoleOutput> {
    // The trust policy has seen it as `sts:ExternalId`.
    drop(input.external_id);
    let code = session::code(input.serial_number.as_deref(), input.token_code.as_deref())?;
    if matches!(cx.principal().kind, PrincipalKind::Root) {
        return Err(AwsError::new("AccessDenied", 403, "Roles may not be assumed by root accounts.").into());
    }
    let Some(role) = role(cx, &input.role_arn)? else {
        return Err(AwsError::new(
            "AccessDenied",
            403,
            format!(
                "User: {} is not authorized to perform: sts:AssumeRole on resource: {}",
                cx.principal().arn,
                input.role_arn
            ),
        )
        .into());
    };
    let seconds = duration(cx, input.duration_seconds, &role)?;
    let tags = session_tags(input.tags)?;
    let session_policies = session_policies(input.policy)?;
    let name = input.role_session_name;
    let Some(arn) = Arn::parse(&role.arn) else { return Err(cx.broken("a role has a malformed ARN")) };
    let role_name = arn.resource.rsplit('/').next().unwrap_or_default();
    let session_arn = format!("arn:{}:sts::{}:assumed-role/{role_name}/{name}", arn.partition, arn.account);
    let assumed_role_id = format!("{}:{name}", role.id);
    let credential = Credential {
        secret: String::new(),
        account: arn.account,
        arn: session_arn.clone(),
        user_id: assumed_role_id.clone(),
        owner: OwnerKind::AssumedRole { role_arn: role.arn, session_name: name, provider: None },
        token: None,
        expires: None,
        limited: !session_policies.is_empty(),
        mfa: None,
        session_policies,
        active: true,
        tags,
    };
    Ok(api::AssumeRoleOutput {
        credentials: Some(session::make(cx, credential, seconds, code).await?),
        assumed_role_user: Some(output::AssumedRoleUser { assumed_role_id, arn: session_arn }),
        ..api::AssumeRoleOutput::default()
    })
}

/// How long the session lasts. A role that assumes a role gets an hour at most.
fn duration(cx: &Cx, asked: Option<i32>, role: &RoleFacts) -> Result<i32> {
    let seconds = asked.unwrap_or(3_600);
    if matches!(cx.principal().kind, PrincipalKind::AssumedRole { .. }) && seconds > 3_600 {
        let message =
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
        return Err(invalid(message.to_owned()).into());
    }
    if seconds > role.max_session_seconds {
        let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(invalid(message.to_owned()).into());
    }
    Ok(seconds)
}

fn session_policies(policy: Option<String>) -> Result<Vec<String>> {
    let Some(policy) = policy else { return Ok(Vec::new()) };
    if policy.chars().count() > POLICY_CHARACTERS {
        let message = format!(
            "Packed policy consumes {}% of allotted space, please use smaller policy.",
            policy.len() * 100 / POLICY_CHARACTERS
        );
        return Err(errors::packed_policy_too_large_exception(message).into());
    }
    match Policy::parse(PolicyKind::Session, &policy) {
        Ok(_) => Ok(vec![policy]),
        Err(malformed) => Err(errors::malformed_policy_document_exception(malformed.fault.to_string()).into()),
    }
}

fn session_tags(tags: Option<Vec<input::Tag>>) -> Result<Vec<(String, String)>> {
    let parameter = |message: &str| AwsError::new("InvalidParameterValue", 400, message);
    let tags: Vec<(String, String)> = tags.unwrap_or_else(Vec::new).into_iter().map(|t| (t.key, t.value)).collect();
    let names: BTreeSet<String> = tags.iter().map(|(key, _)| key.to_lowercase()).collect();
    if names.len() < tags.len() {
        return Err(parameter("Duplicate tag keys found. Please note that Tag keys are case insensitive.").into());
    }
    Ok(tags)
}
