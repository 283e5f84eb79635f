//! `AssumeRoot`: a short session as the root user of a member account, for one task.
//!
//! Source: "Centrally manage root access for member accounts" and "AWS managed policies for IAM" in the IAM user guide. The
//! policies of the tasks stand in `root_tasks.json`: they deny all but the task, to a user who needs nobody's leave otherwise.

use serde_json::Value as Json;
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::{Access, AwsError, Begun, Credential, Cx, Failure, Membership, OwnerKind, Result};
use undercast_wire::Fields;

use crate::api;
use crate::limits::invalid;
use crate::session;

/// What IAM is called by organizations.
const IAM: &str = "iam.amazonaws.com";
/// The session lasts so long if nobody says how long.
const USUAL_SECONDS: i32 = 900;
const TASKS: &str = ":iam::aws:policy/root-task/";
/// What the root user may do but for the task's policy.
const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// The account that a request names, by its number or by an ARN of its root user.
fn target(given: &str) -> Result<String> {
    let digits = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if digits(given) {
        return Ok(given.to_owned());
    }
    let arn = Arn::parse(given).filter(|arn| arn.service == "iam" && arn.resource == "root" && digits(&arn.account));
    let arn = arn.ok_or_else(|| invalid(format!("Invalid principal in TargetPrincipal: {given}")))?;
    Ok(arn.account)
}

pub(crate) fn access(cx: &Cx, input: &Fields) -> Result<Vec<Access>> {
    let account = target(input.text("TargetPrincipal").unwrap_or_default())?;
    let arn = format!("arn:{}:iam::{account}:root", cx.partition());
    // It is decided in the account of whoever calls: the organization is what lets them into the other one.
    let mut access = Access::new("sts:AssumeRoot", arn);
    if let Some(task) = input.get("TaskPolicyArn").and_then(|of| of.text("arn")) {
        access.context.set("sts:TaskPolicyArn", task);
    }
    Ok(vec![access])
}

/// The policy of a task.
fn task(arn: Option<&str>) -> Result<String> {
    let wanted = arn.unwrap_or_default();
    let all: Vec<Json> = serde_json::from_str(include_str!("root_tasks.json")).map_err(Failure::broken)?;
    let name = wanted.split_once(TASKS).map_or("", |(_, name)| name);
    let found = all.iter().find(|task| task["name"] == name).map(|task| task["document"].to_string());
    found.ok_or_else(|| invalid(format!("The task policy {wanted} is not a policy of a root task.")).into())
}

fn denied(cx: &Cx, account: &str) -> AwsError {
    let (who, partition) = (&cx.principal().arn, cx.partition());
    let message = format!(
        "User: {who} is not authorized to perform: sts:AssumeRoot on resource: arn:{partition}:iam::{account}:root"
    );
    AwsError::new("AccessDenied", 403, message)
}

/// Whether an organization lets the caller's account act as the root users of its members.
fn is_let(cx: &Cx, caller: &Membership) -> Result<bool> {
    let administers = caller.management == cx.account() || caller.administers.iter().any(|service| service == IAM);
    let trusted = caller.all_features && caller.trusted.iter().any(|service| service == IAM);
    let Some(known) = cx.kernel().identities().filter(|_| administers && trusted) else { return Ok(false) };
    known.root_sessions(&cx.read(), &caller.management)
}

pub(crate) async fn assume(cx: &Cx, input: api::AssumeRootInput) -> Result<api::AssumeRootOutput> {
    let account = target(&input.target_principal)?;
    if matches!(cx.principal().kind, PrincipalKind::Root) {
        return Err(AwsError::new("AccessDenied", 403, "Root users cannot call AssumeRoot.").into());
    }
    let task = task(input.task_policy_arn.arn.as_deref())?;
    let member = |account: &str| match cx.kernel().organizations() {
        Some(known) => known.membership(&cx.read(), account),
        None => Ok(None),
    };
    let (caller, theirs) = (member(cx.account())?, member(&account)?);
    let (Some(caller), Some(theirs)) = (caller, theirs) else { return Err(denied(cx, &account).into()) };
    // The management account is no member of its own.
    let same = caller.organization == theirs.organization && account != theirs.management;
    if !same || !is_let(cx, &caller)? {
        return Err(denied(cx, &account).into());
    }
    let source_identity = cx.temporary().and_then(|t| t.begun.as_deref()?.source_identity.clone());
    let credential = Credential {
        secret: String::new(),
        arn: format!("arn:{}:iam::{account}:root", cx.partition()),
        user_id: account.clone(),
        account,
        owner: OwnerKind::Root,
        token: None,
        expires: None,
        session_policies: vec![task, EVERYTHING.to_owned()],
        active: true,
        tags: Vec::new(),
        limited: true,
        mfa: None,
        begun: Some(Begun { at: cx.now_millis(), source_identity: source_identity.clone(), ..Begun::default() }),
    };
    let seconds = input.duration_seconds.unwrap_or(USUAL_SECONDS);
    let credentials = Some(session::make(cx, credential, seconds, None).await?);
    Ok(api::AssumeRootOutput { credentials, source_identity, ..api::AssumeRootOutput::default() })
}
