//! Access keys of users.

use minicbor::{Decode, Encode};
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, CREDENTIALS, Credential, Cx, OwnerKind, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::entity::Kind;
use crate::{pages, root_user, usage};

/// Account, user, key id → key.
static KEYS: Table<Key> = Table::new("iam.keys");

/// Of a user.
pub(crate) const MOST: usize = 2;

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Key {
    #[n(0)]
    active: bool,
    /// Seconds since 1970.
    #[n(1)]
    created: i64,
}

/// The user that a request names, or the one that makes it.
pub(crate) fn user_of(cx: &Cx, name: Option<String>) -> Result<String> {
    match (name, &cx.principal().kind) {
        (Some(name), _) => Ok(name),
        (None, PrincipalKind::User { name }) => Ok(name.clone()),
        (None, _) => {
            Err(AwsError::new("ValidationError", 400, "Must specify userName when calling with non-User credentials")
                .into())
        }
    }
}

pub(crate) fn status(active: bool) -> String {
    if active { "Active".to_owned() } else { "Inactive".to_owned() }
}

/// A status that a request gives. `Expired` comes by itself only.
pub(crate) fn is_active(status: &str, of: &str) -> Result<bool> {
    match status {
        "Active" => Ok(true),
        "Inactive" => Ok(false),
        other => Err(errors::invalid_input_exception(format!("{other} is not allowed for {of}.")).into()),
    }
}

pub(crate) async fn create(cx: &Cx, input: api::CreateAccessKeyInput) -> Result<api::CreateAccessKeyOutput> {
    let name = user_of(cx, input.user_name)?;
    let access_key_id = cx.random().id("AKIA", 16);
    let secret = cx.random().text(40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    let user_name = cx
        .write(|tx| {
            let user = Kind::User.find(tx, cx.account(), &name)?;
            if KEYS.all(tx, &(cx.account(), user.name.to_lowercase()))?.len() >= MOST {
                return Err(errors::limit_exceeded_exception(format!(
                    "Cannot exceed quota for AccessKeysPerUser: {MOST}"
                ))
                .into());
            }
            let key = Key { active: true, created: cx.now().as_second() };
            KEYS.put(tx, &(cx.account(), user.name.to_lowercase(), &access_key_id), &key);
            let credential = Credential {
                secret: secret.clone(),
                account: cx.account().to_owned(),
                arn: user.arn(cx, Kind::User),
                user_id: user.id.clone(),
                owner: OwnerKind::User { name: user.name.clone() },
                token: None,
                expires: None,
                session_policies: Vec::new(),
                active: true,
                tags: Vec::new(),
                limited: false,
                mfa: None,
                begun: None,
            };
            CREDENTIALS.put(tx, &(&access_key_id,), &credential);
            Ok(user.name)
        })
        .await?;
    let access_key = output::AccessKey {
        user_name,
        access_key_id,
        status: status(true),
        secret_access_key: secret,
        create_date: Timestamp::from_second(cx.now().as_second()).ok(),
    };
    Ok(api::CreateAccessKeyOutput { access_key })
}

pub(crate) async fn list(cx: &Cx, input: api::ListAccessKeysInput) -> Result<api::ListAccessKeysOutput> {
    if root_user::asks(cx, input.user_name.as_deref()) {
        let (access_key_metadata, is_truncated) = (Vec::new(), Some(false));
        return Ok(api::ListAccessKeysOutput { access_key_metadata, is_truncated, marker: None });
    }
    let name = user_of(cx, input.user_name)?;
    let read = cx.read();
    let user = Kind::User.find(&read, cx.account(), &name)?;
    let keys = KEYS.all(&read, &(cx.account(), user.name.to_lowercase()))?.into_iter().filter_map(|entry| {
        let (_, _, id) = entry.key::<(String, String, String)>()?;
        Some(output::AccessKeyMetadata {
            user_name: Some(user.name.clone()),
            access_key_id: Some(id),
            status: Some(status(entry.row.active)),
            create_date: Timestamp::from_second(entry.row.created).ok(),
        })
    });
    let place = |k: &output::AccessKeyMetadata| k.access_key_id.clone().unwrap_or_default();
    let list = format!("ListAccessKeys {name}");
    let (access_key_metadata, is_truncated, marker) =
        pages::page(&list, keys.collect(), place, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListAccessKeysOutput { access_key_metadata, is_truncated, marker })
}

fn not_found(id: &str) -> AwsError {
    errors::no_such_entity_exception(format!("The Access Key with id {id} cannot be found."))
}

fn find(tx: &Tx<'_>, cx: &Cx, user: &str, id: &str) -> Result<Key> {
    Kind::User.find(tx, cx.account(), user)?;
    let found = KEYS.get(tx, &(cx.account(), user.to_lowercase(), id))?;
    found.ok_or_else(|| not_found(id).into())
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateAccessKeyInput) -> Result<()> {
    let name = user_of(cx, input.user_name)?;
    let active = is_active(&input.status, "access keys")?;
    cx.write(|tx| {
        let key = find(tx, cx, &name, &input.access_key_id)?;
        KEYS.put(tx, &(cx.account(), name.to_lowercase(), &input.access_key_id), &Key { active, ..key });
        if let Some(credential) = CREDENTIALS.get(tx, &(&input.access_key_id,))? {
            CREDENTIALS.put(tx, &(&input.access_key_id,), &Credential { active, ..credential });
        }
        Ok(())
    })
    .await
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteAccessKeyInput) -> Result<()> {
    if root_user::asks(cx, input.user_name.as_deref()) {
        return Err(not_found(&input.access_key_id).into());
    }
    let name = user_of(cx, input.user_name)?;
    cx.write(|tx| {
        find(tx, cx, &name, &input.access_key_id)?;
        KEYS.delete(tx, &(cx.account(), name.to_lowercase(), &input.access_key_id));
        usage::forget_key(tx, cx.account(), &input.access_key_id);
        Credential::take_away(tx, &input.access_key_id)
    })
    .await
}

/// Whether a user still has keys, which keeps it from being deleted.
pub(crate) fn any(from: &(impl Read + ?Sized), account: &str, user: &str) -> Result<bool> {
    Ok(!KEYS.all(from, &(account, user))?.is_empty())
}

/// A user has another name.
pub(crate) fn user_renamed(tx: &mut Tx<'_>, account: &str, before: &str, after: &str) -> Result<()> {
    pages::move_rows(tx, &KEYS, account, before, after)
}

/// The keys of a user, the oldest first: id, whether it is active, when it was made.
pub(crate) fn of(from: &(impl Read + ?Sized), account: &str, user: &str) -> Result<Vec<(String, bool, i64)>> {
    let rows = KEYS.all(from, &(account, user.to_lowercase()))?.into_iter();
    let mut keys: Vec<_> = rows
        .filter_map(|entry| Some((entry.key::<(String, String, String)>()?.2, entry.row.active, entry.row.created)))
        .collect();
    keys.sort_by_key(|(_, _, created)| *created);
    Ok(keys)
}

/// When, where and for which service a key was used last.
pub(crate) async fn last_used(
    cx: &Cx,
    input: api::GetAccessKeyLastUsedInput,
) -> Result<api::GetAccessKeyLastUsedOutput> {
    usage::flush(cx.kernel()).await?;
    let from = cx.read();
    let owner = CREDENTIALS.get(&from, &(&input.access_key_id,))?.filter(|c| c.account == cx.account());
    let user = match owner.map(|credential| credential.owner) {
        Some(OwnerKind::User { name }) => Some(name),
        _ => None,
    };
    let has = |name: &String| KEYS.has(&from, &(cx.account(), name.to_lowercase(), &input.access_key_id));
    let Some(name) = user.filter(|name| has(name).unwrap_or(false)) else {
        let message = format!("The Access Key with id {} cannot be found.", input.access_key_id);
        return Err(errors::no_such_entity_exception(message).into());
    };
    let used = usage::of_key(&from, cx.account(), &input.access_key_id)?;
    let never = || "N/A".to_owned();
    let access_key_last_used = output::AccessKeyLastUsed {
        last_used_date: used.as_ref().and_then(|used| Timestamp::from_second(used.at).ok()),
        service_name: used.as_ref().map_or_else(never, |used| used.service.clone()),
        region: used.map_or_else(never, |used| used.region),
    };
    Ok(api::GetAccessKeyLastUsedOutput { user_name: Some(name), access_key_last_used: Some(access_key_last_used) })
}
