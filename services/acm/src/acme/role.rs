//! The roles of external account bindings: with their rights certificates are ordered and revoked.
//!
//! Source: "IAM for ACME certificate automation" and "Condition keys for ACME certificate requests" in the user guide.

use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{NamedPolicy, ResourceRule};
use undercast_kernel::{Access, Cx, IamMode, Result};

use super::PRINCIPAL;

/// What the source identities and the names of the sessions begin with.
const SESSION: &str = "acm-acme-";

/// What a role must let the service do.
const TAKEN_ON: &[&str] = &["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"];

/// Whether the service can take on a role.
pub(crate) fn is_assumable(cx: &Cx, role: &str) -> Result<bool> {
    if cx.kernel().settings().iam != IamMode::Enforce {
        return Ok(true);
    }
    let Some(known) = cx.kernel().identities() else { return Ok(false) };
    let Some(facts) = known.role(&cx.read(), role)? else { return Ok(false) };
    let account = Arn::parse(role).map_or_else(String::new, |arn| arn.account);
    let own = cx.as_service(PRINCIPAL, None);
    for action in TAKEN_ON {
        let mut access = Access::new(*action, role).in_account(account.clone());
        access.rule = ResourceRule::MustAllow;
        access.policies.push(NamedPolicy { name: role.into(), policy: facts.trust.clone() });
        access.context.set("sts:SourceIdentity", format!("{SESSION}{}", cx.account()));
        if own.denied(&access)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a role lets the client of an account do something. `None`: it does; else why not.
pub(crate) fn denied(cx: &Cx, role: &str, account: &str, access: &Access) -> Result<Option<String>> {
    if !is_assumable(cx, role)? {
        return Ok(Some(format!("The role {role} cannot be assumed.")));
    }
    let id: String = account.chars().take(36).collect();
    cx.as_role(PRINCIPAL, role, &format!("{SESSION}{id}")).denied(access)
}
