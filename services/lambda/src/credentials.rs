//! What a function signs with: a session of its role.

use std::time::Duration;

use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{NamedPolicy, ResourceRule};
use undercast_kernel::{
    Access, Begun, CREDENTIALS, Credential, Cx, Failure, IamMode, OwnerKind, Result, RoleFacts, Timestamp,
};

use crate::error;
use crate::function::Function;

/// A session lasts so long; environments end before it does.
const SESSION: Duration = Duration::from_secs(12 * 3_600);
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// An access key and what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) key: String,
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) ends: Timestamp,
}

/// The role, if it is there and lets Lambda in.
///
/// # Errors
/// AWS's one sentence for both.
pub(crate) fn assumable(cx: &Cx, role_arn: &str, function_arn: &str) -> Result<Option<RoleFacts>> {
    let refused = || error::invalid("The role defined for the function cannot be assumed by Lambda.");
    let role = match cx.kernel().identities() {
        Some(known) => known.role(&cx.read(), role_arn)?,
        None => None,
    };
    let Some(role) = role else {
        // Where nobody is asked for permission, a role need not be there to be had.
        return if cx.kernel().settings().iam == IamMode::Enforce { Err(refused()) } else { Ok(None) };
    };
    let account = Arn::parse(role_arn).map(|a| a.account).ok_or_else(refused)?;
    let mut access = Access::new("sts:AssumeRole", role_arn).in_account(account);
    access.rule = ResourceRule::MustAllow;
    access.policies.push(NamedPolicy { name: role_arn.into(), policy: role.trust.clone() });
    let lambda = cx.as_service("lambda.amazonaws.com", Some(function_arn));
    match lambda.denied(&access)? {
        Some(_) => Err(refused()),
        None => Ok(Some(role)),
    }
}

/// Makes a session of a function's role.
pub(crate) async fn session(cx: &Cx, function: &Function) -> Result<Session> {
    let role = assumable(cx, &function.role, &function.arn(cx))?;
    let Some(arn) = Arn::parse(&function.role) else { return Err(cx.broken("a function has a malformed role")) };
    let role_name = arn.resource.rsplit('/').next().unwrap_or(&arn.resource);
    let role_id = role.map_or_else(|| role_name.to_owned(), |r| r.id);
    let random = cx.random();
    let session = Session {
        key: random.id("ASIA", 16),
        secret: random.text(40, ALPHABET),
        token: random.text(356, ALPHABET),
        ends: cx.now().checked_add(SESSION).map_err(Failure::broken)?,
    };
    let credential = Credential {
        secret: session.secret.clone(),
        account: arn.account.clone(),
        arn: format!("arn:{}:sts::{}:assumed-role/{role_name}/{}", arn.partition, arn.account, function.name),
        user_id: format!("{role_id}:{}", function.name),
        owner: OwnerKind::AssumedRole {
            role_arn: function.role.clone(),
            session_name: function.name.clone(),
            provider: None,
        },
        token: Some(session.token.clone()),
        expires: Some(session.ends.as_millisecond()),
        session_policies: Vec::new(),
        active: true,
        tags: Vec::new(),
        limited: false,
        mfa: None,
        begun: Some(Begun { at: cx.now_millis(), ..Begun::default() }),
    };
    cx.write(|tx| {
        CREDENTIALS.put(tx, &(&session.key,), &credential);
        Ok(())
    })
    .await?;
    Ok(session)
}

/// Ends a session with its environment.
pub(crate) async fn end(cx: &Cx, key: &str) {
    let ended = cx.write(|tx| Credential::take_away(tx, key));
    if let Err(failure) = ended.await {
        // It ends by itself when its time is over.
        tracing::warn!(error = &failure as &dyn std::error::Error, "a function's session could not be ended");
    }
}
