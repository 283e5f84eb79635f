//! The account's password policy: what passwords have to be, and for how long they are good.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, output};

/// Account → its policy, where it set one.
static POLICIES: Table<PasswordPolicy> = Table::new("iam.password_policies");

/// What counts as a symbol where one is asked for (`UpdateAccountPasswordPolicy`, `RequireSymbols`).
const SYMBOLS: &str = "!@#$%^&*()_+-=[]{}|'";

/// Without a policy of its own an account's passwords have so many characters, of three of the four classes.
const DEFAULT_LENGTH: i32 = 8;
const DEFAULT_CLASSES: usize = 3;

const DAY: i64 = 86_400;

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct PasswordPolicy {
    #[n(0)]
    length: i32,
    #[n(1)]
    symbols: bool,
    #[n(2)]
    numbers: bool,
    #[n(3)]
    uppercase: bool,
    #[n(4)]
    lowercase: bool,
    /// Users may change their own without any other policy that says so.
    #[n(5)]
    users_may_change: bool,
    /// Days.
    #[n(6)]
    age: Option<i32>,
    /// How many earlier ones are not to be used again.
    #[n(7)]
    reuse: Option<i32>,
    #[n(8)]
    hard_expiry: Option<bool>,
}

pub(crate) fn of(from: &(impl Read + ?Sized), account: &str) -> Result<Option<PasswordPolicy>> {
    Ok(POLICIES.get(from, &(account,))?)
}

/// Whether users may change their own passwords, and read this policy, whatever their other policies leave open.
pub(crate) fn users_may_change(from: &(impl Read + ?Sized), account: &str) -> Result<bool> {
    Ok(of(from, account)?.is_some_and(|policy| policy.users_may_change))
}

fn violation(message: &str) -> undercast_kernel::Failure {
    errors::password_policy_violation_exception(message).into()
}

/// Refuses a password that the account's policy does not allow; the default one, where it has none.
pub(crate) fn check(policy: Option<&PasswordPolicy>, account: &str, password: &str) -> Result<()> {
    let length = i32::try_from(password.chars().count()).unwrap_or(i32::MAX);
    let least = policy.map_or(DEFAULT_LENGTH, |p| p.length);
    if length < least {
        return Err(violation(&format!("Password should have a minimum length of {least}")));
    }
    let has = |of: fn(&char) -> bool| password.chars().any(|c| of(&c));
    let (upper, lower) = (has(char::is_ascii_uppercase), has(char::is_ascii_lowercase));
    let (number, symbol) = (has(char::is_ascii_digit), has(|c| SYMBOLS.contains(*c)));
    let Some(policy) = policy else {
        let other = has(|c| !c.is_alphanumeric());
        let classes = [upper, lower, number, other].into_iter().filter(|there| *there).count();
        if classes < DEFAULT_CLASSES || password == account {
            return Err(violation("Password does not conform to the account password policy."));
        }
        return Ok(());
    };
    for (asked, there, what) in [
        (policy.uppercase, upper, "uppercase letter"),
        (policy.lowercase, lower, "lowercase letter"),
        (policy.numbers, number, "number"),
        (policy.symbols, symbol, "symbol"),
    ] {
        if asked && !there {
            return Err(violation(&format!("Password should have at least one {what}")));
        }
    }
    Ok(())
}

impl PasswordPolicy {
    /// How many of the newest passwords are not to be used again.
    pub(crate) fn reuse(&self) -> usize {
        self.reuse.and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
    }

    /// When a password that was set at a moment has to be changed (seconds since 1970).
    pub(crate) fn expires(&self, set: i64) -> Option<i64> {
        self.age.map(|days| set + i64::from(days) * DAY)
    }

    fn output(&self) -> output::PasswordPolicy {
        output::PasswordPolicy {
            minimum_password_length: Some(self.length),
            require_symbols: Some(self.symbols),
            require_numbers: Some(self.numbers),
            require_uppercase_characters: Some(self.uppercase),
            require_lowercase_characters: Some(self.lowercase),
            allow_users_to_change_password: Some(self.users_may_change),
            expire_passwords: Some(self.age.is_some()),
            max_password_age: self.age,
            password_reuse_prevention: self.reuse,
            hard_expiry: self.hard_expiry,
        }
    }
}

/// Sets the whole policy: what a request leaves out goes back to its default.
///
/// `HardExpiry` keeps people out of AWS's console, which is not here, until an administrator sets their password; by the API
/// they may change an expired one all the same ("PasswordPolicy" in the IAM API reference).
pub(crate) async fn update(cx: &Cx, input: api::UpdateAccountPasswordPolicyInput) -> Result<()> {
    let policy = PasswordPolicy {
        length: input.minimum_password_length.unwrap_or(6),
        symbols: input.require_symbols.unwrap_or(false),
        numbers: input.require_numbers.unwrap_or(false),
        uppercase: input.require_uppercase_characters.unwrap_or(false),
        lowercase: input.require_lowercase_characters.unwrap_or(false),
        users_may_change: input.allow_users_to_change_password.unwrap_or(false),
        age: input.max_password_age,
        reuse: input.password_reuse_prevention,
        hard_expiry: input.hard_expiry,
    };
    cx.write(|tx| {
        POLICIES.put(tx, &(cx.account(),), &policy);
        Ok(())
    })
    .await
}

pub(crate) fn get(cx: &Cx) -> Result<api::GetAccountPasswordPolicyOutput> {
    let Some(policy) = of(&cx.read(), cx.account())? else {
        let message = format!("The Password Policy with domain name {} cannot be found.", cx.account());
        return Err(errors::no_such_entity_exception(message).into());
    };
    Ok(api::GetAccountPasswordPolicyOutput { password_policy: policy.output() })
}

pub(crate) async fn delete(cx: &Cx) -> Result<()> {
    cx.write(|tx| {
        if !POLICIES.has(tx, &(cx.account(),))? {
            let message = "The account policy with name PasswordPolicy cannot be found.";
            return Err(errors::no_such_entity_exception(message).into());
        }
        POLICIES.delete(tx, &(cx.account(),));
        Ok(())
    })
    .await
}
