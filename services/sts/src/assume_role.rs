//! `AssumeRole`: a session with a role's rights, where its trust policy lets the caller in.

use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{NamedPolicy, PrincipalKind, ResourceRule};
use undercast_kernel::{Access, AwsError, Credential, Cx, MfaCode, OwnerKind, Result, RoleFacts};
use undercast_wire::Fields;

use crate::api::{self, output};
use crate::limits::{self, Carried, invalid};
use crate::session;

/// A role that is there.
pub(crate) fn role(cx: &Cx, arn: &str) -> Result<Option<RoleFacts>> {
    match cx.kernel().identities() {
        Some(known) => known.role(&cx.read(), arn),
        None => Ok(None),
    }
}

/// The permission to do this with a role: its trust policy must let the caller in.
pub(crate) fn trusted(cx: &Cx, action: &'static str, arn: &str) -> Result<Access> {
    let parsed = Arn::parse(arn).filter(|a| a.service == "iam" && a.resource.starts_with("role/"));
    let parsed = parsed.ok_or_else(|| invalid(format!("{arn} is invalid")))?;
    let mut access = Access::new(action, arn).in_account(parsed.account);
    access.rule = ResourceRule::MustAllow;
    // A role that does not exist answers like one that trusts nobody.
    if let Some(role) = role(cx, arn)? {
        for (key, value) in role.tags {
            access.context.set(&format!("aws:ResourceTag/{key}"), value.clone());
            access.context.set(&format!("iam:ResourceTag/{key}"), value);
        }
        access.policies.push(NamedPolicy { name: arn.into(), policy: role.trust });
    }
    Ok(access)
}

/// The permissions that the request needs.
pub(crate) fn access(cx: &Cx, input: &Fields) -> Result<Vec<Access>> {
    let mut access = trusted(cx, "sts:AssumeRole", input.text("RoleArn").unwrap_or_default())?;
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
    Ok(Carried::of(input).inherit(cx)?.permissions(access))
}

pub(crate) async fn assume(cx: &Cx, input: api::AssumeRoleInput) -> Result<api::AssumeRoleOutput> {
    // The trust policy has seen it as `sts:ExternalId`.
    drop(input.external_id);
    let code = session::code(input.serial_number.as_deref(), input.token_code.as_deref())?;
    if matches!(cx.principal().kind, PrincipalKind::Root) {
        return Err(AwsError::new("AccessDenied", 403, "Roles may not be assumed by root accounts.").into());
    }
    let Some(role) = role(cx, &input.role_arn)? else {
        let (who, role) = (&cx.principal().arn, &input.role_arn);
        let message = format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {role}");
        return Err(AwsError::new("AccessDenied", 403, message).into());
    };
    let seconds = duration(cx, input.duration_seconds, &role)?;
    let carried = Carried {
        tags: input.tags.into_iter().flatten().map(|tag| (tag.key, tag.value)).collect(),
        transitive: input.transitive_tag_keys.into_iter().flatten().collect(),
        source_identity: input.source_identity,
    };
    let carried = carried.inherit(cx)?;
    let source_identity = carried.source_identity.clone();
    let account = account(cx, &role)?;
    let policies = limits::policies(cx, &account, input.policy, input.policy_arns)?;
    let asked = Asked { role, account, name: input.role_session_name, policies, seconds, carried };
    let (credentials, user) = asked.begin(cx, None, Vec::new(), code).await?;
    Ok(api::AssumeRoleOutput {
        credentials: Some(credentials),
        assumed_role_user: Some(user),
        source_identity,
        ..api::AssumeRoleOutput::default()
    })
}

/// The account of a role.
pub(crate) fn account(cx: &Cx, role: &RoleFacts) -> Result<String> {
    let arn = Arn::parse(&role.arn).ok_or_else(|| cx.broken("a role has a malformed ARN"))?;
    Ok(arn.account)
}

/// A session of a role that is asked for, and may be had.
pub(crate) struct Asked {
    pub(crate) role: RoleFacts,
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) policies: Vec<String>,
    pub(crate) seconds: i32,
    pub(crate) carried: Carried,
}

impl Asked {
    /// Begins it. `provider`: who let the caller in, and what it says of them.
    pub(crate) async fn begin(
        self,
        cx: &Cx,
        provider: Option<String>,
        claims: Vec<(String, Vec<String>)>,
        code: Option<MfaCode<'_>>,
    ) -> Result<(output::Credentials, output::AssumedRoleUser)> {
        let (role, name) = (self.role, self.name);
        let role_name = role.arn.rsplit('/').next().unwrap_or_default();
        let partition = cx.partition();
        let arn = format!("arn:{partition}:sts::{}:assumed-role/{role_name}/{name}", self.account);
        let assumed_role_id = format!("{}:{name}", role.id);
        let credential = Credential {
            secret: String::new(),
            account: self.account,
            arn: arn.clone(),
            user_id: assumed_role_id.clone(),
            owner: OwnerKind::AssumedRole { role_arn: role.arn, session_name: name, provider },
            token: None,
            expires: None,
            limited: !self.policies.is_empty(),
            mfa: None,
            session_policies: self.policies,
            active: true,
            begun: Some(self.carried.begun(cx, claims)),
            tags: self.carried.tags,
        };
        let credentials = session::make(cx, credential, self.seconds, code).await?;
        Ok((credentials, output::AssumedRoleUser { assumed_role_id, arn }))
    }
}

/// How long the session lasts. A role that assumes a role gets an hour at most.
fn duration(cx: &Cx, asked: Option<i32>, role: &RoleFacts) -> Result<i32> {
    let seconds = asked.unwrap_or(3_600);
    if matches!(cx.principal().kind, PrincipalKind::AssumedRole { .. }) && seconds > 3_600 {
        let message =
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
        return Err(invalid(message).into());
    }
    within_role(seconds, role)
}

/// A role says how long its sessions last at most.
pub(crate) fn within_role(seconds: i32, role: &RoleFacts) -> Result<i32> {
    if seconds > role.max_session_seconds {
        let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(invalid(message).into());
    }
    Ok(seconds)
}
