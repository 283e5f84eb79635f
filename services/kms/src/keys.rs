//! Keys: made, described, listed, switched, deleted.

use std::collections::BTreeMap;

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Failure, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::policy;
use crate::reference::Reference;
use crate::rows::{ALIASES, Family, KEYS, Key, MATERIALS, Material, State};
use crate::specs::{SYMMETRIC, Spec};
use crate::{error, family, import, material, specs, tagging};

/// Milliseconds of a day.
pub(crate) const DAY: i64 = 24 * 60 * 60 * 1000;
/// A deleted key waits so many days, if nobody says how many.
const USUAL_WINDOW: i32 = 30;
/// The service's name, in tasks.
pub(crate) const SERVICE: &str = "kms";
/// The kind of the task that deletes a key.
pub(crate) const DELETE: &str = "delete";

/// A moment that was stored.
pub(crate) fn moment(millis: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(millis).map_err(Failure::broken)
}

/// A key of the caller's account that is not stored yet, without material.
fn empty(cx: &Cx, id: String, spec: Spec, usage: &str) -> Key {
    Key {
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        id,
        created: cx.now_millis(),
        description: String::new(),
        usage: usage.to_owned(),
        spec: spec.name.to_owned(),
        state: State::Enabled,
        policy: String::new(),
        tags: BTreeMap::new(),
        managed_by: None,
        deletion: None,
        materials: Vec::new(),
        rotation: None,
        deletion_days: None,
        external: false,
        pending: None,
        family: None,
    }
}

/// A key of the caller's account that is not stored yet, and its material.
pub(crate) async fn draft(cx: &Cx, spec: Spec, usage: &str) -> Result<(Key, Material)> {
    let mut key = empty(cx, cx.random().uuid(), spec, usage);
    let made = fill(cx, &mut key, spec).await?;
    Ok((key, made))
}

/// Makes material for a new key.
async fn fill(cx: &Cx, key: &mut Key, spec: Spec) -> Result<Material> {
    let (id, made) = material::make(cx, &key.id, spec).await?;
    key.materials.push(id);
    Ok(made)
}

/// The key that a request wishes, and its material, if it is not to come from outside.
async fn wished(
    cx: &Cx,
    spec: Spec,
    usage: &str,
    external: bool,
    many_regions: bool,
) -> Result<(Key, Option<Material>)> {
    let id = if many_regions { format!("mrk-{}", cx.random().hex(32)) } else { cx.random().uuid() };
    let mut key = empty(cx, id, spec, usage);
    key.family = many_regions.then(|| Family { primary: cx.region().to_owned(), replicas: Vec::new() });
    if external {
        key.external = true;
        key.state = State::PendingImport;
        return Ok((key, None));
    }
    let made = fill(cx, &mut key, spec).await?;
    Ok((key, Some(made)))
}

pub(crate) async fn create(cx: &Cx, input: api::CreateKeyInput) -> Result<api::CreateKeyOutput> {
    if input.key_spec.is_some() && input.customer_master_key_spec.is_some() {
        let message = "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.";
        return Err(error::validation(message).into());
    }
    let many_regions = input.multi_region == Some(true);
    let external = match input.origin.as_deref() {
        None | Some("AWS_KMS") => false,
        // Keys of custom key stores are refused by their stores, which do not exist.
        Some(_) if input.custom_key_store_id.is_some() => false,
        Some("EXTERNAL") if many_regions => {
            return Err(Failure::not_built("kms multi-Region keys with imported material"));
        }
        Some("EXTERNAL") => true,
        Some(origin) => return Err(Failure::not_built(format!("kms keys of the origin {origin}"))),
    };
    if let Some(id) = &input.custom_key_store_id {
        return Err(error::no_store(id).into());
    }
    if let Some(id) = &input.xks_key_id {
        let message = format!("XksKeyId {id} is valid only for keys in external key stores.");
        return Err(error::validation(message).into());
    }
    let spec = input.key_spec.or(input.customer_master_key_spec);
    spec.as_deref().map(|name| specs::check_region(cx, name)).transpose()?;
    let spec = Spec::named(spec.as_deref().unwrap_or(SYMMETRIC))?;
    let usage = spec.usage(input.key_usage.as_deref())?;
    let tags = tagging::read(input.tags.into_iter().flatten())?;
    tagging::check(&tags, 0)?;
    let (mut key, material) = wished(cx, spec, usage, external, many_regions).await?;
    key.tags = tags;
    key.description = input.description.unwrap_or_else(String::new);
    key.policy = match input.policy {
        Some(policy) => {
            policy::check(cx, &key, &policy, input.bypass_policy_lockout_safety_check == Some(true))?;
            policy
        }
        None => policy::usual(cx),
    };
    cx.write(|tx| {
        key.put(tx);
        if let Some(material) = &material {
            key.put_material(tx, key.current(), material);
        }
        Ok(())
    })
    .await?;
    Ok(api::CreateKeyOutput { key_metadata: Some(describe(cx, &cx.read(), &key)?) })
}

/// What is told of a key.
pub(crate) fn describe(cx: &Cx, from: &(impl Read + ?Sized), key: &Key) -> Result<output::KeyMetadata> {
    let spec = Spec::named(&key.spec)?;
    let imported = match key.materials.last() {
        Some(id) if key.external => key.material(cx, from, id)?.import.filter(|_| key.state != State::PendingImport),
        _ => None,
    };
    let waits = key.state == State::PendingReplicaDeletion;
    let of_usage = |usage: &str, algorithms: &[&str]| {
        (key.usage == usage).then(|| algorithms.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())
    };
    Ok(output::KeyMetadata {
        aws_account_id: Some(key.account.clone()),
        key_id: key.id.clone(),
        arn: Some(key.arn(cx)),
        creation_date: Some(moment(key.created)?),
        enabled: Some(key.state == State::Enabled),
        description: Some(key.description.clone()),
        key_usage: Some(key.usage.clone()),
        key_state: Some(key.state.name().to_owned()),
        deletion_date: key.deletion.map(moment).transpose()?,
        valid_to: imported.as_ref().and_then(|import| import.valid_to).map(moment).transpose()?,
        origin: Some(key.origin().to_owned()),
        custom_key_store_id: None,
        cloud_hsm_cluster_id: None,
        expiration_model: imported.map(|import| import.expiration_model().to_owned()),
        key_manager: Some(if key.managed_by.is_some() { "AWS" } else { "CUSTOMER" }.to_owned()),
        customer_master_key_spec: Some(key.spec.clone()),
        key_spec: Some(key.spec.clone()),
        encryption_algorithms: of_usage(crate::specs::ENCRYPT, spec.encryption),
        signing_algorithms: of_usage(crate::specs::SIGN, spec.signing),
        key_agreement_algorithms: of_usage(crate::specs::AGREE, spec.agreement),
        encapsulation_algorithms: of_usage(crate::specs::ENCAPSULATE, spec.encapsulation),
        multi_region: Some(key.family.is_some()),
        multi_region_configuration: family::describe(cx, key),
        pending_deletion_window_in_days: key.deletion_days.filter(|_| waits),
        mac_algorithms: of_usage(crate::specs::MAC, spec.mac),
        xks_key_configuration: None,
        current_key_material_id: key.materials.last().filter(|_| key.spec == SYMMETRIC).cloned(),
    })
}

pub(crate) fn list(cx: &Cx, input: api::ListKeysInput) -> Result<api::ListKeysOutput> {
    // Keys of other accounts come through AWS RAM, which shares none here.
    let own = input.resource_owners.is_none_or(|owners| owners.iter().any(|owner| owner == "SELF"));
    let all = if own { KEYS.all(&cx.read(), &(cx.account(), cx.region()))? } else { Vec::new() };
    let all = all.into_iter().map(|entry| entry.row);
    let page = crate::pages::page(all, |key| key.id.clone(), "ListKeys", 100, input.limit, input.marker)?;
    let entry = |key: &Key| output::KeyListEntry { key_id: Some(key.id.clone()), key_arn: Some(key.arn(cx)) };
    Ok(api::ListKeysOutput {
        keys: Some(page.items.iter().map(entry).collect()),
        truncated: Some(page.next.is_some()),
        next_marker: page.next,
    })
}

/// The key of a management call: the caller's own, named by id or ARN, and not AWS's.
pub(crate) fn own(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<Key> {
    let key = Reference::parse_key(cx, given)?.get(cx, from)?;
    if key.managed_by.is_some() {
        // The policies of AWS managed keys let nobody manage them. This is for those whom no policy stops.
        return Err(errors::unsupported_operation_exception(format!("{} is managed by AWS.", key.arn(cx))).into());
    }
    Ok(key)
}

/// The same, of a key that is not about to be deleted.
pub(crate) fn living(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<Key> {
    let key = own(cx, from, given)?;
    match key.state {
        State::PendingDeletion | State::PendingReplicaDeletion => Err(error::pending_deletion(&key.arn(cx)).into()),
        State::Enabled | State::Disabled | State::PendingImport => Ok(key),
    }
}

/// Refuses to use a key that is switched off or about to be deleted.
pub(crate) fn usable(cx: &Cx, key: &Key) -> Result<()> {
    match key.state {
        State::Enabled => Ok(()),
        State::Disabled => Err(error::disabled(&key.arn(cx)).into()),
        State::PendingDeletion => Err(error::pending_deletion(&key.arn(cx)).into()),
        State::PendingImport => Err(error::pending_import(&key.arn(cx)).into()),
        State::PendingReplicaDeletion => {
            Err(error::invalid_state(format!("{} is pending replica deletion.", key.arn(cx))).into())
        }
    }
}

/// Refuses to use a key for what it is not for.
pub(crate) fn serves(cx: &Cx, key: &Key, usage: &str, operation: &str) -> Result<()> {
    usable(cx, key)?;
    if key.usage == usage {
        return Ok(());
    }
    let message = format!("{} key usage is {} which is not valid for {operation}.", key.arn(cx), key.usage);
    Err(errors::invalid_key_usage_exception(message).into())
}

/// `EnableKey` and `DisableKey`.
pub(crate) async fn switch(cx: &Cx, given: &str, state: State) -> Result<()> {
    cx.write(|tx| {
        let key = living(cx, tx, given)?;
        if key.state == State::PendingImport {
            return Err(error::pending_import(&key.arn(cx)).into());
        }
        let key = Key { state, ..key };
        key.put(tx);
        // A rotation that fell due while the key was switched off is done now.
        if state == State::Enabled { crate::rotation::schedule(cx, tx, &key) } else { Ok(()) }
    })
    .await
}

pub(crate) async fn set_description(cx: &Cx, input: api::UpdateKeyDescriptionInput) -> Result<()> {
    cx.write(|tx| {
        let key = living(cx, tx, &input.key_id)?;
        Key { description: input.description.clone(), ..key }.put(tx);
        Ok(())
    })
    .await
}

pub(crate) async fn schedule_deletion(
    cx: &Cx,
    input: api::ScheduleKeyDeletionInput,
) -> Result<api::ScheduleKeyDeletionOutput> {
    let days = input.pending_window_in_days.unwrap_or(USUAL_WINDOW);
    let bound = match days {
        ..7 => Some("have value greater than or equal to 7"),
        31.. => Some("have value less than or equal to 30"),
        7..31 => None,
    };
    if let Some(bound) = bound {
        return Err(error::constraint(&days.to_string(), "pendingWindowInDays", bound).into());
    }
    let key = cx
        .write(|tx| {
            let mut key = living(cx, tx, &input.key_id)?;
            key.deletion_days = Some(days);
            let replicas = key.family.as_ref().filter(|_| !key.is_replica()).is_some_and(|f| !f.replicas.is_empty());
            if replicas {
                key.state = State::PendingReplicaDeletion;
            } else {
                wait_for_deletion(cx, tx, &mut key)?;
            }
            key.put(tx);
            Ok(key)
        })
        .await?;
    Ok(api::ScheduleKeyDeletionOutput {
        key_id: Some(key.arn(cx)),
        deletion_date: key.deletion.map(moment).transpose()?,
        key_state: Some(key.state.name().to_owned()),
        pending_window_in_days: Some(days),
    })
}

/// The days before a key's deletion begin.
pub(crate) fn wait_for_deletion(cx: &Cx, tx: &mut Tx<'_>, key: &mut Key) -> Result<()> {
    let due = cx.now_millis() + i64::from(key.deletion_days.unwrap_or(USUAL_WINDOW)) * DAY;
    key.state = State::PendingDeletion;
    key.deletion = Some(due);
    // The last replica of a primary key may go in another Region than its own.
    let there = cx.elsewhere(&key.account, &key.region);
    cx.tasks().schedule(&there, tx, SERVICE, &task(key, DELETE), DELETE, key.id.clone(), moment(due)?)
}

/// The id of a key's task.
pub(crate) fn task(key: &Key, kind: &str) -> String {
    format!("{kind}/{}/{}/{}", key.account, key.region, key.id)
}

/// A key that is not deleted after all is switched off until somebody switches it on.
pub(crate) async fn cancel_deletion(
    cx: &Cx,
    input: api::CancelKeyDeletionInput,
) -> Result<api::CancelKeyDeletionOutput> {
    let key = cx
        .write(|tx| {
            let key = own(cx, tx, &input.key_id)?;
            if !matches!(key.state, State::PendingDeletion | State::PendingReplicaDeletion) {
                return Err(error::invalid_state(format!("{} is not pending deletion.", key.arn(cx))).into());
            }
            cx.tasks().cancel(tx, SERVICE, &task(&key, DELETE))?;
            let lacks = key.external && import::lacks_material(cx, tx, &key)?;
            let state = if lacks { State::PendingImport } else { State::Disabled };
            let key = Key { state, deletion: None, deletion_days: None, ..key };
            key.put(tx);
            Ok(key)
        })
        .await?;
    Ok(api::CancelKeyDeletionOutput { key_id: Some(key.arn(cx)) })
}

/// The day has come: the key goes, with its material, its aliases and its grants.
pub(crate) async fn delete(cx: &Cx, id: &str) -> Result<()> {
    cx.write(|tx| {
        let Some(key) = KEYS.get(tx, &cx.key(id))? else { return Ok(()) };
        if key.deletion.is_none_or(|at| at > cx.now_millis()) {
            return Ok(());
        }
        for name in key.aliases(tx)? {
            if let Some(alias) = ALIASES.get(tx, &cx.key(name))? {
                alias.delete(cx, tx);
            }
        }
        for material in key.materials.iter().chain(&key.pending) {
            MATERIALS.delete(tx, &(&key.account, &key.region, material));
        }
        crate::grants::GRANTS.clear(tx, &key.place())?;
        import::forget(cx, tx, &key)?;
        cx.tasks().cancel(tx, SERVICE, &task(&key, crate::rotation::ROTATE))?;
        crate::usage::forget(tx, &key);
        KEYS.delete(tx, &key.place());
        family::left(cx, tx, &key)
    })
    .await
}
