//! Credentials of users for one service: user names with passwords, and API keys.
//!
//! The services that they are for are not here. What is kept of a secret, which is 32 random bytes, is its hash.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Result, Timestamp};
use undercast_wire::text;

use crate::api::{self, errors, output};
use crate::entity::Kind;
use crate::{keys, pages};

/// Account, user in small letters, id → credential.
static CREDENTIALS: Table<Row> = Table::new("iam.service_credentials");

/// A user has so many for a service.
const MOST: usize = 2;
const DAY: i64 = 86_400;

/// The services, and what an API key of theirs begins with; `None`: theirs are user names with passwords.
const SERVICES: [(&str, Option<(&str, &str)>); 3] = [
    ("bedrock.amazonaws.com", Some(("BedrockAPIKey", "ABSK"))),
    ("cassandra.amazonaws.com", None),
    ("codecommit.amazonaws.com", None),
];

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Row {
    #[n(0)]
    service: String,
    /// The name that goes with the secret.
    #[n(1)]
    alias: String,
    #[n(2)]
    hash: ByteVec,
    #[n(3)]
    active: bool,
    /// Seconds since 1970.
    #[n(4)]
    created: i64,
    #[n(5)]
    expires: Option<i64>,
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn api_key(service: &str) -> Option<(&'static str, &'static str)> {
    SERVICES.iter().find(|(name, _)| *name == service).and_then(|(_, key)| *key)
}

fn no_such_service(service: &str) -> AwsError {
    let message = format!("No such service {service} is supported for Service Specific Credentials");
    errors::no_such_entity_exception(message)
}

impl Row {
    fn status(&self, now: i64) -> String {
        if self.expires.is_some_and(|at| at <= now) { "Expired".to_owned() } else { keys::status(self.active) }
    }

    /// Makes a secret, and keeps what it is known by.
    fn renew(&mut self, cx: &Cx) -> String {
        let bytes: [u8; 32] = cx.random().bytes();
        let secret = match api_key(&self.service) {
            Some((_, prefix)) => {
                let inner = format!("{}:{}", self.alias, text::base64(&bytes));
                format!("{prefix}{}", text::base64(inner.as_bytes()))
            }
            None => text::base64(&bytes),
        };
        self.hash = Sha256::digest(secret.as_bytes()).to_vec().into();
        secret
    }

    /// With its secret, which is shown when it is made and never again.
    fn output(&self, user: &str, id: String, secret: String, now: i64) -> output::ServiceSpecificCredential {
        let is_key = api_key(&self.service).is_some();
        let (name, alias) = (Some(self.alias.clone()), Some(self.alias.clone()));
        output::ServiceSpecificCredential {
            create_date: moment(self.created),
            expiration_date: self.expires.map(moment),
            service_name: self.service.clone(),
            service_user_name: name.filter(|_| !is_key),
            service_password: Some(secret.clone()).filter(|_| !is_key),
            service_credential_alias: alias.filter(|_| is_key),
            service_credential_secret: Some(secret).filter(|_| is_key),
            service_specific_credential_id: id,
            user_name: user.to_owned(),
            status: self.status(now),
        }
    }

    fn metadata(&self, user: &str, id: String, now: i64) -> output::ServiceSpecificCredentialMetadata {
        let whole = self.output(user, id, String::new(), now);
        output::ServiceSpecificCredentialMetadata {
            user_name: whole.user_name,
            status: whole.status,
            service_user_name: whole.service_user_name,
            service_credential_alias: whole.service_credential_alias,
            create_date: whole.create_date,
            expiration_date: whole.expiration_date,
            service_specific_credential_id: whole.service_specific_credential_id,
            service_name: whole.service_name,
        }
    }
}

/// Those of a user, each with its id.
fn all(from: &(impl Read + ?Sized), account: &str, user: &str) -> Result<Vec<(String, Row)>> {
    let rows = CREDENTIALS.all(from, &(account, user.to_lowercase()))?.into_iter();
    Ok(rows.filter_map(|entry| Some((entry.key::<(String, String, String)>()?.2, entry.row))).collect())
}

/// Whether a user has some, which keeps it from being deleted.
pub(crate) fn any(from: &(impl Read + ?Sized), account: &str, user: &str) -> Result<bool> {
    Ok(!all(from, account, user)?.is_empty())
}

/// A user has another name.
pub(crate) fn user_renamed(tx: &mut Tx<'_>, account: &str, before: &str, after: &str) -> Result<()> {
    pages::move_rows(tx, &CREDENTIALS, account, before, after)
}

pub(crate) async fn create(
    cx: &Cx,
    input: api::CreateServiceSpecificCredentialInput,
) -> Result<api::CreateServiceSpecificCredentialOutput> {
    let service = input.service_name;
    if !SERVICES.iter().any(|(name, _)| *name == service) {
        return Err(no_such_service(&service).into());
    }
    let key = api_key(&service);
    if input.credential_age_days.is_some() && key.is_none() {
        let message = format!("CredentialAgeDays is not supported for {service}");
        return Err(AwsError::new("ValidationError", 400, message).into());
    }
    let (now, id) = (cx.now().as_second(), cx.random().id("ACCA", 17));
    let mark = cx.random().text(4, "abcdefghijklmnopqrstuvwxyz0123456789");
    let expires = input.credential_age_days.map(|days| now + i64::from(days) * DAY);
    let made = cx
        .write(|tx| {
            let user = Kind::User.find(tx, cx.account(), &input.user_name)?;
            let there = all(tx, cx.account(), &user.name)?;
            let others = there.iter().filter(|(_, row)| row.service == service).count();
            if others >= MOST {
                let message = format!("Cannot exceed quota for ServiceSpecificCredentialsPerUser: {MOST}");
                return Err(errors::limit_exceeded_exception(message).into());
            }
            let taken = |alias: &String| there.iter().any(|(_, row)| row.service == service && row.alias == *alias);
            let plain = format!("{}-at-{}", user.name, cx.account());
            let alias = match key {
                Some((prefix, _)) => format!("{prefix}-{mark}-at-{}", cx.account()),
                None if taken(&plain) => format!("{}+1-at-{}", user.name, cx.account()),
                None => plain,
            };
            let (service, hash) = (service.clone(), Vec::new().into());
            let mut row = Row { service, alias, hash, active: true, created: now, expires };
            let secret = row.renew(cx);
            CREDENTIALS.put(tx, &(cx.account(), user.name.to_lowercase(), &id), &row);
            Ok(row.output(&user.name, id.clone(), secret, now))
        })
        .await?;
    Ok(api::CreateServiceSpecificCredentialOutput { service_specific_credential: Some(made) })
}

/// Those of one user, or of all.
pub(crate) fn list(
    cx: &Cx,
    input: api::ListServiceSpecificCredentialsInput,
) -> Result<api::ListServiceSpecificCredentialsOutput> {
    let from = cx.read();
    let users = if input.all_users == Some(true) {
        if input.user_name.is_some() {
            let message = "UserName cannot be given together with AllUsers.";
            return Err(AwsError::new("ValidationError", 400, message).into());
        }
        Kind::User.all(&from, cx.account())?
    } else {
        vec![Kind::User.find(&from, cx.account(), &keys::user_of(cx, input.user_name)?)?]
    };
    if let Some(service) = input.service_name.as_ref().filter(|s| !SERVICES.iter().any(|(name, _)| name == *s)) {
        return Err(no_such_service(service).into());
    }
    let mut found = Vec::new();
    for user in &users {
        for (id, row) in all(&from, cx.account(), &user.name)? {
            if input.service_name.as_ref().is_none_or(|wanted| row.service == *wanted) {
                found.push(row.metadata(&user.name, id, cx.now().as_second()));
            }
        }
    }
    let place = |c: &output::ServiceSpecificCredentialMetadata| {
        format!("{} {}", c.user_name.to_lowercase(), c.service_specific_credential_id)
    };
    found.sort_by_key(place);
    let list = format!("ListServiceSpecificCredentials {}", users.len());
    let (found, is_truncated, marker) = pages::page(&list, found, place, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListServiceSpecificCredentialsOutput { service_specific_credentials: Some(found), marker, is_truncated })
}

/// Finds one of a user's, changes it, and keeps it.
async fn change<T>(
    cx: &Cx,
    user: Option<String>,
    id: &str,
    mut change: impl FnMut(&mut Tx<'_>, &str, &mut Row) -> Result<T>,
) -> Result<T> {
    let name = keys::user_of(cx, user)?;
    cx.write(|tx| {
        let user = Kind::User.find(tx, cx.account(), &name)?;
        let key = (cx.account(), user.name.to_lowercase(), id);
        let found = CREDENTIALS.get(tx, &key)?;
        let missing = || errors::no_such_entity_exception(format!("No such credential {id} exists"));
        let mut row = found.ok_or_else(missing)?;
        let done = change(tx, &user.name, &mut row)?;
        CREDENTIALS.put(tx, &key, &row);
        Ok(done)
    })
    .await
}

/// Gives one another secret. The old one is good no more.
pub(crate) async fn reset(
    cx: &Cx,
    input: api::ResetServiceSpecificCredentialInput,
) -> Result<api::ResetServiceSpecificCredentialOutput> {
    let id = &input.service_specific_credential_id;
    let reset = change(cx, input.user_name, id, |_, user, row| {
        let secret = row.renew(cx);
        Ok(row.output(user, id.clone(), secret, cx.now().as_second()))
    })
    .await?;
    Ok(api::ResetServiceSpecificCredentialOutput { service_specific_credential: Some(reset) })
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateServiceSpecificCredentialInput) -> Result<()> {
    let active = keys::is_active(&input.status, "service specific credentials")?;
    change(cx, input.user_name, &input.service_specific_credential_id, |_, _, row| {
        row.active = active;
        Ok(())
    })
    .await
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteServiceSpecificCredentialInput) -> Result<()> {
    let name = keys::user_of(cx, input.user_name)?;
    let id = &input.service_specific_credential_id;
    cx.write(|tx| {
        let user = Kind::User.find(tx, cx.account(), &name)?;
        let key = (cx.account(), user.name.to_lowercase(), id);
        if !CREDENTIALS.has(tx, &key)? {
            return Err(errors::no_such_entity_exception(format!("No such credential {id} exists")).into());
        }
        CREDENTIALS.delete(tx, &key);
        Ok(())
    })
    .await
}
