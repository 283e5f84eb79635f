//! Roles that S3 takes on.

use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{NamedPolicy, ResourceRule};
use undercast_kernel::{Access, Cx, IamMode, Result};

/// Whether a service may take on a role: it is there, and lets the service in.
pub(crate) fn is_assumable(cx: &Cx, service: &str, arn: &str) -> Result<bool> {
    if cx.kernel().settings().iam != IamMode::Enforce {
        return Ok(true);
    }
    let Some(known) = cx.kernel().identities() else { return Ok(false) };
    let Some(role) = known.role(&cx.read(), arn)? else { return Ok(false) };
    let account = Arn::parse(arn).map_or_else(String::new, |a| a.account);
    let mut access = Access::new("sts:AssumeRole", arn).in_account(account);
    access.rule = ResourceRule::MustAllow;
    access.policies.push(NamedPolicy { name: arn.into(), policy: role.trust });
    Ok(cx.as_service(service, None).denied(&access)?.is_none())
}
