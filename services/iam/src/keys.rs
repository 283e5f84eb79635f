//! Access keys of users.

use minicbor::{Decode, Encode};
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::store::{Table, Tx};
use undercast_kernel::{AwsError, CREDENTIALS, Credential, Cx, OwnerKind, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::entity::Kind;
use crate::pages;

/// Account, user, key id → key.
static KEYS: Table<Key> = Table::new("iam.keys");

const MOST: usize = 2;

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

fn status(active: bool) -> String {
    if active { "Active".to_owned() } else { "Inactive".to_owned() }
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

fn find(tx: &Tx<'_>, cx: &Cx, user: &str, id: &str) -> Result<Key> {
    Kind::User.find(tx, cx.account(), user)?;
    let found = KEYS.get(tx, &(cx.account(), user.to_lowercase(), id))?;
    found
        .ok_or_else(|| errors::no_such_entity_exception(format!("The Access Key with id {id} cannot be found.")).into())
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateAccessKeyInput) -> Result<()> {
    let name = user_of(cx, input.user_name)?;
    let active = match input.status.as_str() {
        "Active" => true,
        "Inactive" => false,
        other => return Err(errors::invalid_input_exception(format!("{other} is not allowed for access keys.")).into()),
    };
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
    let name = user_of(cx, input.user_name)?;
    cx.write(|tx| {
        find(tx, cx, &name, &input.access_key_id)?;
        KEYS.delete(tx, &(cx.account(), name.to_lowercase(), &input.access_key_id));
        Credential::take_away(tx, &input.access_key_id)
    })
    .await
}

/// Whether a user still has keys, which keeps it from being deleted.
pub(crate) fn any(tx: &Tx<'_>, cx: &Cx, user: &str) -> Result<bool> {
    Ok(!KEYS.all(tx, &(cx.account(), user.to_lowercase()))?.is_empty())
}
