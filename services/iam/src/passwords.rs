//! Passwords of users: their login profiles.
//!
//! What is kept of a password is what PBKDF2 makes of it. All passwords of a profile have one salt, so that one derivation
//! tells whether a new one was used before. AWS's console, which is what passwords are for, is not here.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, pbkdf2};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Failure, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::entity::Kind;
use crate::{keys, password_policy, root_user};

/// Account, user in small letters → login profile.
static LOGINS: Table<Login> = Table::new("iam.login_profiles");

/// Rounds of PBKDF2 with HMAC-SHA-512, as OWASP's cheat sheet on the storage of passwords has them.
const ROUNDS: NonZeroU32 = NonZeroU32::new(210_000).expect("not zero");
/// So many of the newest passwords are kept: no policy asks for more.
const KEPT: usize = 24;

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Login {
    #[n(0)]
    salt: ByteVec,
    #[n(1)]
    rounds: u32,
    /// What was made of its passwords, the one in force first.
    #[n(2)]
    hashes: Vec<ByteVec>,
    /// Seconds since 1970.
    #[n(3)]
    created: i64,
    /// When the password was set.
    #[n(4)]
    pub(crate) changed: i64,
    /// It has to be changed at the next sign-in.
    #[n(5)]
    reset_required: bool,
}

/// What PBKDF2 makes of a password. It takes a while, and so has a thread of its own.
async fn derive(salt: Vec<u8>, rounds: u32, password: String) -> Result<Vec<u8>> {
    let rounds = NonZeroU32::new(rounds).unwrap_or(ROUNDS);
    let work = move || {
        let mut out = vec![0; 64];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, rounds, &salt, password.as_bytes(), &mut out);
        out
    };
    tokio::task::spawn_blocking(work).await.map_err(Failure::broken)
}

fn same(kept: &ByteVec, hash: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(kept, hash).is_ok()
}

pub(crate) fn not_found(user: &str) -> AwsError {
    errors::no_such_entity_exception(format!("Login Profile for User {user} cannot be found."))
}

pub(crate) fn of(from: &(impl Read + ?Sized), account: &str, user: &str) -> Result<Option<Login>> {
    Ok(LOGINS.get(from, &(account, user.to_lowercase()))?)
}

fn find(from: &(impl Read + ?Sized), account: &str, user: &str) -> Result<Login> {
    Kind::User.find(from, account, user)?;
    of(from, account, user)?.ok_or_else(|| not_found(user).into())
}

/// A user has another name.
pub(crate) fn user_renamed(tx: &mut Tx<'_>, account: &str, before: &str, after: &str) -> Result<()> {
    if let Some(login) = LOGINS.get(tx, &(account, before))? {
        LOGINS.delete(tx, &(account, before));
        LOGINS.put(tx, &(account, after), &login);
    }
    Ok(())
}

impl Login {
    fn output(&self, user: String) -> output::LoginProfile {
        output::LoginProfile {
            user_name: user,
            create_date: Timestamp::from_second(self.created).unwrap_or(Timestamp::UNIX_EPOCH),
            password_reset_required: Some(self.reset_required),
        }
    }

    /// Takes a new password, unless it is one of those that the policy does not let come back.
    fn set(&mut self, hash: &[u8], reuse: usize, now: i64) -> Result<()> {
        if self.hashes.iter().take(reuse).any(|kept| same(kept, hash)) {
            let message = "Policy constraint violation with password reuse prevention during password change.";
            return Err(errors::password_policy_violation_exception(message).into());
        }
        self.hashes.insert(0, hash.to_vec().into());
        self.hashes.truncate(KEPT);
        self.changed = now;
        Ok(())
    }
}

pub(crate) async fn create(cx: &Cx, input: api::CreateLoginProfileInput) -> Result<api::CreateLoginProfileOutput> {
    if root_user::asks(cx, input.user_name.as_deref()) && cx.temporary().is_some() {
        return root_user::recover(cx, input.password.is_some()).await;
    }
    let name = keys::user_of(cx, input.user_name)?;
    let Some(password) = input.password else {
        let message = "The parameter Password is required unless a root session creates the root user's profile.";
        return Err(AwsError::new("ValidationError", 400, message).into());
    };
    let from = cx.read();
    Kind::User.find(&from, cx.account(), &name)?;
    password_policy::check(password_policy::of(&from, cx.account())?.as_ref(), cx.account(), &password)?;
    drop(from);
    let salt: [u8; 16] = cx.random().bytes();
    let hash = derive(salt.to_vec(), ROUNDS.get(), password).await?;
    let now = cx.now().as_second();
    let login = Login {
        salt: salt.to_vec().into(),
        rounds: ROUNDS.get(),
        hashes: vec![hash.into()],
        created: now,
        changed: now,
        reset_required: input.password_reset_required.unwrap_or(false),
    };
    let user = cx
        .write(|tx| {
            let user = Kind::User.find(tx, cx.account(), &name)?;
            let key = (cx.account(), user.name.to_lowercase());
            if LOGINS.has(tx, &key)? {
                let message = format!("Login Profile for user {} already exists.", user.name);
                return Err(errors::entity_already_exists_exception(message).into());
            }
            LOGINS.put(tx, &key, &login);
            Ok(user.name)
        })
        .await?;
    Ok(api::CreateLoginProfileOutput { login_profile: login.output(user) })
}

pub(crate) fn get(cx: &Cx, input: api::GetLoginProfileInput) -> Result<api::GetLoginProfileOutput> {
    if root_user::asks(cx, input.user_name.as_deref()) {
        let login_profile = root_user::login(cx, &cx.read())?;
        return Ok(api::GetLoginProfileOutput { login_profile });
    }
    let name = keys::user_of(cx, input.user_name)?;
    let from = cx.read();
    let user = Kind::User.find(&from, cx.account(), &name)?;
    let login = find(&from, cx.account(), &user.name)?;
    Ok(api::GetLoginProfileOutput { login_profile: login.output(user.name) })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteLoginProfileInput) -> Result<()> {
    if root_user::asks(cx, input.user_name.as_deref()) {
        return root_user::forget(cx).await;
    }
    let name = keys::user_of(cx, input.user_name)?;
    cx.write(|tx| {
        find(tx, cx.account(), &name)?;
        LOGINS.delete(tx, &(cx.account(), name.to_lowercase()));
        Ok(())
    })
    .await
}

/// Sets a new password, which `change` takes into the row; the row has to be the one whose salt it was derived with.
async fn set(
    cx: &Cx,
    user: &str,
    before: &Login,
    hash: Option<&[u8]>,
    mut change: impl FnMut(&mut Login),
) -> Result<()> {
    cx.write(|tx| {
        let mut login = find(tx, cx.account(), user)?;
        if login.salt != before.salt {
            // It was taken away and made anew meanwhile.
            return Err(not_found(user).into());
        }
        if let Some(hash) = hash {
            let reuse = password_policy::of(tx, cx.account())?.map_or(0, |policy| policy.reuse());
            login.set(hash, reuse, cx.now().as_second())?;
        }
        change(&mut login);
        LOGINS.put(tx, &(cx.account(), user.to_lowercase()), &login);
        Ok(())
    })
    .await
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateLoginProfileInput) -> Result<()> {
    let from = cx.read();
    let before = find(&from, cx.account(), &input.user_name)?;
    let policy = password_policy::of(&from, cx.account())?;
    drop(from);
    let hash = match input.password {
        Some(password) => {
            password_policy::check(policy.as_ref(), cx.account(), &password)?;
            Some(derive(before.salt.to_vec(), before.rounds, password).await?)
        }
        None => None,
    };
    let change =
        |login: &mut Login| login.reset_required = input.password_reset_required.unwrap_or(login.reset_required);
    set(cx, &input.user_name, &before, hash.as_deref(), change).await
}

/// Changes the caller's own password, which has to know the old one.
pub(crate) async fn change(cx: &Cx, input: api::ChangePasswordInput) -> Result<()> {
    let PrincipalKind::User { name } = &cx.principal().kind else {
        let message = "Only IAM Users can change their own password.";
        return Err(errors::invalid_user_type_exception(message).into());
    };
    let from = cx.read();
    let before = find(&from, cx.account(), name)?;
    let policy = password_policy::of(&from, cx.account())?;
    drop(from);
    let old = derive(before.salt.to_vec(), before.rounds, input.old_password).await?;
    if !before.hashes.first().is_some_and(|kept| same(kept, &old)) {
        return Err(AwsError::new("AccessDenied", 403, "The old password was incorrect.").into());
    }
    password_policy::check(policy.as_ref(), cx.account(), &input.new_password)?;
    let hash = derive(before.salt.to_vec(), before.rounds, input.new_password).await?;
    set(cx, name, &before, Some(&hash), |login| login.reset_required = false).await
}
