//! Rotation: new material under the same key. What older material encrypted, it still decrypts.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, output};
use crate::keys::{self, DAY, SERVICE};
use crate::reference::Reference;
use crate::rows::{KEYS, Key, Material, Rotation, State};
use crate::specs::{SYMMETRIC, Spec};
use crate::{error, family, material, pages};

/// The kind of the task that rotates a key.
pub(crate) const ROTATE: &str = "rotate";
/// Every so many days, if nobody says otherwise.
const USUAL_PERIOD: i32 = 365;
/// A key is rotated on demand at most so often.
const MOST_ON_DEMAND: usize = 25;

fn every(cx: &Cx, period_days: i32) -> Rotation {
    Rotation { period_days, next: cx.now_millis() + i64::from(period_days) * DAY }
}

/// How AWS rotates its own keys.
pub(crate) fn yearly(cx: &Cx) -> Rotation {
    every(cx, USUAL_PERIOD)
}

/// Schedules the next rotation, or takes it back.
pub(crate) fn schedule(cx: &Cx, tx: &mut Tx<'_>, key: &Key) -> Result<()> {
    let task = keys::task(key, ROTATE);
    match &key.rotation {
        Some(rotation) => {
            // It is the primary key that rotates, for all.
            let primary = key.family.as_ref().map_or(&key.region, |family| &family.primary);
            let (there, due) = (cx.elsewhere(&key.account, primary), keys::moment(rotation.next)?);
            cx.tasks().schedule(&there, tx, SERVICE, &task, ROTATE, key.id.clone(), due)
        }
        None => cx.tasks().cancel(tx, SERVICE, &task),
    }
}

/// A key that can be rotated: the caller's own, symmetric, no replica, and in use.
fn rotatable(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<Key> {
    let key = keys::own(cx, from, given)?;
    if key.spec != SYMMETRIC || key.is_replica() {
        return Err(error::unsupported().into());
    }
    keys::usable(cx, &key)?;
    Ok(key)
}

/// The same by itself, which needs material of KMS's own.
fn rotatable_by_itself(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<Key> {
    let key = rotatable(cx, from, given)?;
    if key.external {
        return Err(error::wrong_origin(&key.arn(cx), key.origin()).into());
    }
    Ok(key)
}

pub(crate) async fn enable(cx: &Cx, input: api::EnableKeyRotationInput) -> Result<()> {
    let period = input.rotation_period_in_days.unwrap_or(USUAL_PERIOD);
    cx.write(|tx| {
        let mut key = rotatable_by_itself(cx, tx, &input.key_id)?;
        // To enable it again as it is changes nothing.
        if key.rotation.as_ref().is_none_or(|rotation| rotation.period_days != period) {
            key.rotation = Some(every(cx, period));
            family::put(tx, &key)?;
            schedule(cx, tx, &key)?;
        }
        Ok(())
    })
    .await
}

pub(crate) async fn disable(cx: &Cx, input: api::DisableKeyRotationInput) -> Result<()> {
    cx.write(|tx| {
        let mut key = rotatable_by_itself(cx, tx, &input.key_id)?;
        key.rotation = None;
        family::put(tx, &key)?;
        schedule(cx, tx, &key)
    })
    .await
}

pub(crate) fn status(cx: &Cx, input: &api::GetKeyRotationStatusInput) -> Result<api::GetKeyRotationStatusOutput> {
    let key = Reference::parse_key(cx, &input.key_id)?.get(cx, &cx.read())?;
    if key.spec != SYMMETRIC {
        return Err(error::unsupported().into());
    }
    match key.state {
        State::PendingDeletion | State::PendingReplicaDeletion => keys::usable(cx, &key)?,
        State::Enabled | State::Disabled | State::PendingImport => {}
    }
    let rotation = key.rotation.as_ref();
    Ok(api::GetKeyRotationStatusOutput {
        key_rotation_enabled: Some(rotation.is_some()),
        key_id: Some(key.arn(cx)),
        rotation_period_in_days: rotation.map(|r| r.period_days),
        next_rotation_date: rotation.map(|r| keys::moment(r.next)).transpose()?,
        // A rotation on demand is over when it is answered.
        on_demand_rotation_start_date: None,
    })
}

/// Gives a key new material, which came in now.
fn put(cx: &Cx, tx: &mut Tx<'_>, key: &mut Key, id: &str, made: &Material, on_demand: bool) -> Result<()> {
    let made = Material { rotated: Some(cx.now_millis()), on_demand, ..made.clone() };
    key.put_material(tx, id, &made);
    key.materials.push(id.to_owned());
    family::put(tx, key)
}

pub(crate) async fn on_demand(cx: &Cx, input: api::RotateKeyOnDemandInput) -> Result<api::RotateKeyOnDemandOutput> {
    let key = rotatable(cx, &cx.read(), &input.key_id)?;
    if key.external {
        return on_demand_of_external(cx, &input.key_id).await;
    }
    let (id, made) = material::make(cx, &key.id, Spec::named(SYMMETRIC)?).await?;
    cx.write(|tx| {
        let mut key = rotatable(cx, tx, &input.key_id)?;
        check_demands(cx, tx, &key)?;
        put(cx, tx, &mut key, &id, &made, true)
    })
    .await?;
    Ok(api::RotateKeyOnDemandOutput { key_id: Some(key.arn(cx)) })
}

fn check_demands(cx: &Cx, from: &(impl Read + ?Sized), key: &Key) -> Result<()> {
    let mut asked = 0;
    for id in &key.materials {
        asked += usize::from(key.material(cx, from, id)?.on_demand);
    }
    if asked < MOST_ON_DEMAND {
        return Ok(());
    }
    let message = format!(
        "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: {}",
        key.arn(cx)
    );
    Err(errors::limit_exceeded_exception(message).into())
}

/// The material that was imported for the next rotation becomes the current one.
async fn on_demand_of_external(cx: &Cx, given: &str) -> Result<api::RotateKeyOnDemandOutput> {
    let arn = cx
        .write(|tx| {
            let mut key = rotatable(cx, tx, given)?;
            check_demands(cx, tx, &key)?;
            let none = || {
                let arn = key.arn(cx);
                error::invalid_state(format!("No available key material pending rotation for the key: {arn}."))
            };
            let id = key.pending.clone().ok_or_else(none)?;
            let made = key.material(cx, tx, &id)?;
            key.pending = None;
            put(cx, tx, &mut key, &id, &made, true)?;
            Ok(key.arn(cx))
        })
        .await?;
    Ok(api::RotateKeyOnDemandOutput { key_id: Some(arn) })
}

/// The day has come: a key that is in use gets new material. Others wait until they are switched on.
pub(crate) async fn run(cx: &Cx, id: &str) -> Result<()> {
    let (material_id, made) = material::make(cx, id, Spec::named(SYMMETRIC)?).await?;
    cx.write(|tx| {
        let Some(mut key) = KEYS.get(tx, &cx.key(id))? else { return Ok(()) };
        let Some(rotation) = key.rotation.clone().filter(|rotation| rotation.next <= cx.now_millis()) else {
            return Ok(());
        };
        if keys::usable(cx, &key).is_err() {
            return Ok(());
        }
        key.rotation = Some(every(cx, rotation.period_days));
        put(cx, tx, &mut key, &material_id, &made, false)?;
        schedule(cx, tx, &key)
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: api::ListKeyRotationsInput) -> Result<api::ListKeyRotationsOutput> {
    let read = cx.read();
    let key = Reference::parse_key(cx, &input.key_id)?.get(cx, &read)?;
    if key.spec != SYMMETRIC {
        return Err(error::unsupported().into());
    }
    let everything = input.include_key_material.as_deref() == Some("ALL_KEY_MATERIAL");
    let mut all = Vec::new();
    for (number, id) in key.materials.iter().chain(&key.pending).enumerate() {
        let material = key.material(cx, &read, id)?;
        if everything || material.rotated.is_some() {
            all.push((number, id, material));
        }
    }
    let scope = format!("ListKeyRotations/{}/{everything}", key.id);
    let page = pages::page(all, |(number, ..)| format!("{number:08}"), &scope, 100, input.limit, input.marker)?;
    let entry = |(_, id, material): &(usize, &String, Material)| {
        let kind = if material.on_demand { "ON_DEMAND" } else { "AUTOMATIC" };
        let state = match *id {
            id if key.pending.as_ref() == Some(id) => "PENDING_ROTATION",
            id if id == key.current() => "CURRENT",
            _ => "NON_CURRENT",
        };
        let import = material.import.as_ref();
        let imported = if material.sealed.is_some() { "IMPORTED" } else { "PENDING_IMPORT" };
        Ok(output::RotationsListEntry {
            key_id: Some(key.id.clone()),
            key_material_id: Some((*id).clone()),
            key_material_description: import.and_then(|import| import.description.clone()),
            import_state: import.map(|_| imported.to_owned()),
            key_material_state: Some(state.to_owned()),
            expiration_model: import.map(|import| import.expiration_model().to_owned()),
            valid_to: import.and_then(|import| import.valid_to).map(keys::moment).transpose()?,
            rotation_date: material.rotated.map(keys::moment).transpose()?,
            rotation_type: material.rotated.map(|_| kind.to_owned()),
        })
    };
    Ok(api::ListKeyRotationsOutput {
        rotations: Some(page.items.iter().map(entry).collect::<Result<_>>()?),
        truncated: Some(page.next.is_some()),
        next_marker: page.next,
    })
}
