//! `GetFederationToken`: a session for somebody whom a user vouches for, with what the session's policies and the user's
//! both allow.

use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::{Access, AwsError, Credential, Cx, OwnerKind, Result};
use undercast_wire::Fields;

use crate::api::{self, output};
use crate::limits::{self, Carried};
use crate::session;

fn arn(cx: &Cx, name: &str) -> String {
    cx.global_arn("sts", &format!("federated-user/{name}"))
}

/// The permissions that the request needs.
pub(crate) fn access(cx: &Cx, input: &Fields) -> Result<Vec<Access>> {
    let name = input.text("Name").unwrap_or_default();
    Ok(Carried::of(input).inherit(cx)?.permissions(Access::new("sts:GetFederationToken", arn(cx, name))))
}

pub(crate) async fn of_caller(cx: &Cx, input: api::GetFederationTokenInput) -> Result<api::GetFederationTokenOutput> {
    let principal = cx.principal();
    let lasting = matches!(principal.kind, PrincipalKind::Root | PrincipalKind::User { .. });
    if !lasting || cx.temporary().is_some() {
        let message = "Cannot call GetFederationToken with session credentials";
        return Err(AwsError::new("AccessDenied", 403, message).into());
    }
    let asked = input.duration_seconds.unwrap_or(43_200);
    // The root user's sessions last an hour at most, whatever it asks for.
    let seconds = if principal.kind == PrincipalKind::Root { asked.min(3_600) } else { asked };
    let carried = Carried {
        tags: input.tags.into_iter().flatten().map(|tag| (tag.key, tag.value)).collect(),
        ..Carried::default()
    };
    let carried = carried.inherit(cx)?;
    let session_policies = limits::policies(cx, &principal.account, input.policy, input.policy_arns)?;
    let (name, user_arn) = (input.name, principal.arn.clone());
    let (arn, federated_user_id) = (arn(cx, &name), format!("{}:{name}", principal.account));
    let credential = Credential {
        secret: String::new(),
        account: principal.account.clone(),
        arn: arn.clone(),
        user_id: federated_user_id.clone(),
        owner: OwnerKind::FederatedUser { name, user_arn },
        token: None,
        expires: None,
        limited: !session_policies.is_empty(),
        mfa: None,
        session_policies,
        active: true,
        begun: Some(carried.begun(cx, Vec::new())),
        tags: carried.tags,
    };
    Ok(api::GetFederationTokenOutput {
        credentials: Some(session::make(cx, credential, seconds, None).await?),
        federated_user: Some(output::FederatedUser { federated_user_id, arn }),
        ..api::GetFederationTokenOutput::default()
    })
}
