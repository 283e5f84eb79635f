//! Aliases: other names of keys.

use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, Cx, Result};

use crate::api::{self, errors, output};
use crate::reference::{AWS_ALIAS, Reference};
use crate::rows::{ALIASES, Alias, Key};
use crate::{error, keys, pages};

/// So many aliases may a key have. Source: "Resource quotas" in the KMS developer guide.
const MOST: usize = 50;

/// The key that an alias is to name: the caller's own, and not AWS's or one that goes.
fn target(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<Key> {
    if given.contains("alias/") {
        return Err(error::validation("Aliases must refer to keys. Not aliases").into());
    }
    keys::living(cx, from, given)
}

/// Refuses a name that no alias of a customer can have.
fn check_name(name: &str) -> Result<()> {
    if name == "alias/aws" || name.starts_with(AWS_ALIAS) {
        return Err(AwsError::new("NotAuthorizedException", 400, "").into());
    }
    match name.strip_prefix("alias/") {
        None | Some("") => Err(error::validation("Invalid identifier").into()),
        // The model's pattern has the colon of ARNs; a name has none.
        Some(rest) if rest.contains(':') => {
            Err(error::validation(format!("{name} contains invalid characters for an alias")).into())
        }
        Some(_) => Ok(()),
    }
}

pub(crate) async fn create(cx: &Cx, input: api::CreateAliasInput) -> Result<()> {
    check_name(&input.alias_name)?;
    cx.write(|tx| {
        let key = target(cx, tx, &input.target_key_id)?;
        let now = cx.now_millis();
        let alias = Alias { name: input.alias_name.clone(), key_id: key.id.clone(), created: now, updated: now };
        if ALIASES.has(tx, &cx.key(&alias.name))? {
            let message = format!("An alias with the name {} already exists", alias.arn(cx));
            return Err(errors::already_exists_exception(message).into());
        }
        check_count(cx, tx, &key)?;
        alias.put(cx, tx, None);
        Ok(())
    })
    .await
}

/// Keys of one kind can take each other's place under an alias.
fn kind(key: &Key) -> &str {
    key.spec.split('_').next().unwrap_or_default()
}

fn check_count(cx: &Cx, from: &(impl Read + ?Sized), key: &Key) -> Result<()> {
    if key.aliases(from)?.len() < MOST {
        return Ok(());
    }
    let message = format!("The key {} has {MOST} aliases, which is the most a key can have.", key.arn(cx));
    Err(errors::limit_exceeded_exception(message).into())
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateAliasInput) -> Result<()> {
    check_name(&input.alias_name)?;
    cx.write(|tx| {
        let named = Reference::Alias { account: cx.account().to_owned(), name: input.alias_name.clone() };
        let alias = ALIASES.get(tx, &cx.key(&input.alias_name))?.ok_or_else(|| named.missing(cx))?;
        let (before, key) = (named.get(cx, tx)?, target(cx, tx, &input.target_key_id)?);
        if before.usage != key.usage || kind(&before) != kind(&key) {
            let message = format!("Alias {} and its new key must have the same key usage and type.", alias.arn(cx));
            return Err(error::validation(message).into());
        }
        if before.id != key.id {
            check_count(cx, tx, &key)?;
        }
        let moved = Alias { key_id: key.id, updated: cx.now_millis(), ..alias.clone() };
        moved.put(cx, tx, Some(&alias));
        Ok(())
    })
    .await
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteAliasInput) -> Result<()> {
    check_name(&input.alias_name)?;
    cx.write(|tx| {
        let named = Reference::Alias { account: cx.account().to_owned(), name: input.alias_name.clone() };
        let alias = ALIASES.get(tx, &cx.key(&input.alias_name))?.ok_or_else(|| named.missing(cx))?;
        alias.delete(cx, tx);
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: api::ListAliasesInput) -> Result<api::ListAliasesOutput> {
    let read = cx.read();
    let (scope, all) = match &input.key_id {
        Some(given) => {
            let key = Reference::parse_key(cx, given)?.get(cx, &read)?;
            let rows = key.aliases(&read)?.into_iter().map(|name| ALIASES.get(&read, &cx.key(name)));
            let rows = rows.collect::<std::result::Result<Vec<_>, _>>()?;
            (format!("ListAliases/{}", key.id), rows.into_iter().flatten().collect::<Vec<_>>())
        }
        None => {
            let all = ALIASES.all(&read, &(cx.account(), cx.region()))?;
            ("ListAliases".to_owned(), all.into_iter().map(|entry| entry.row).collect())
        }
    };
    let page = pages::page(all, |alias: &Alias| alias.name.clone(), &scope, 50, input.limit, input.marker)?;
    let entry = |alias: &Alias| {
        Ok(output::AliasListEntry {
            alias_name: Some(alias.name.clone()),
            alias_arn: Some(alias.arn(cx)),
            target_key_id: Some(alias.key_id.clone()),
            creation_date: Some(keys::moment(alias.created)?),
            last_updated_date: Some(keys::moment(alias.updated)?),
        })
    };
    Ok(api::ListAliasesOutput {
        aliases: Some(page.items.iter().map(entry).collect::<Result<_>>()?),
        truncated: Some(page.next.is_some()),
        next_marker: page.next,
    })
}
