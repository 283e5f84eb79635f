//! The root user of an account: how answers show it, and the password that it may have.
//!
//! It has no access keys and certificates that were issued here. A member account that was made in an organization has no
//! password of its root user, unless a session that was begun by `AssumeRoot` lets whoever has its address set one.

use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{AwsError, Cx, Failure, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::mfa::ROOT;
use crate::passwords;

/// Account → since when its root user may have a password (seconds since 1970).
static PASSWORDS: Table<i64> = Table::new("iam.root_passwords");

/// Whether the root user asks about itself.
pub(crate) fn asks(cx: &Cx, name: Option<&str>) -> bool {
    name.is_none() && matches!(cx.principal().kind, PrincipalKind::Root)
}

/// As answers show it. An account is there from the beginning, whenever that was.
pub(crate) fn shown(cx: &Cx) -> output::User {
    output::User {
        path: "/".to_owned(),
        user_name: ROOT.to_owned(),
        user_id: cx.account().to_owned(),
        arn: cx.global_arn("iam", "root"),
        create_date: Timestamp::UNIX_EPOCH,
        ..output::User::default()
    }
}

fn profile(created: i64) -> Result<output::LoginProfile> {
    Ok(output::LoginProfile {
        user_name: ROOT.to_owned(),
        create_date: Timestamp::from_second(created).map_err(Failure::broken)?,
        password_reset_required: Some(false),
    })
}

/// Lets the root user recover its password. Nobody says here which: whoever has the account's address sets it.
pub(crate) async fn recover(cx: &Cx, has_password: bool) -> Result<api::CreateLoginProfileOutput> {
    if has_password {
        let message = "The parameter Password is not allowed for the root user.";
        return Err(AwsError::new("ValidationError", 400, message).into());
    }
    let now = cx.now().as_second();
    cx.write(|tx| {
        if PASSWORDS.has(tx, &(cx.account(),))? {
            let message = format!("Login Profile for user {ROOT} already exists.");
            return Err(errors::entity_already_exists_exception(message).into());
        }
        PASSWORDS.put(tx, &(cx.account(),), &now);
        Ok(())
    })
    .await?;
    Ok(api::CreateLoginProfileOutput { login_profile: profile(now)? })
}

pub(crate) fn login(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<output::LoginProfile> {
    profile(PASSWORDS.get(from, &(cx.account(),))?.ok_or_else(|| passwords::not_found(ROOT))?)
}

/// Takes the password away.
pub(crate) async fn forget(cx: &Cx) -> Result<()> {
    cx.write(|tx| {
        login(cx, tx)?;
        PASSWORDS.delete(tx, &(cx.account(),));
        Ok(())
    })
    .await
}
