//! Rotation: new material under the same key. What older material encrypted, it still decrypts.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, output};
use crate::keys::{self, DAY, SERVICE};
use crate::reference::Reference;
use crate::rows::{KEYS, Key, MATERIALS, Material, Rotation};
use crate::specs::{SYMMETRIC, Spec};
use crate::{error, material, pages};

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
            let due = keys::moment(rotation.next)?;
            cx.tasks().schedule(cx, tx, SERVICE, &task, ROTATE, key.id.clone(), due)
        }
        None => cx.tasks().cancel(tx, SERVICE, &task),
    }
}

/// A key that can be rotated: the caller's own, symmetric, and in use.
fn rotatable(cx: &Cx, from: &(impl undercast_kernel::store::Read + ?Sized), given: &str) -> Result<Key> {
    let key = keys::own(cx, from, given)?;
    if key.spec != SYMMETRIC {
        return Err(error::unsupported().into());
    }
    keys::usable(cx, &key)?;
    Ok(key)
}

pub(crate) async fn enable(cx: &Cx, input: api::EnableKeyRotationInput) -> Result<()> {
    let period = input.rotation_period_in_days.unwrap_or(USUAL_PERIOD);
    cx.write(|tx| {
        let mut key = rotatable(cx, tx, &input.key_id)?;
        // To enable it again as it is changes nothing.
        if key.rotation.as_ref().is_none_or(|rotation| rotation.period_days != period) {
            key.rotation = Some(every(cx, period));
            key.put(tx);
            schedule(cx, tx, &key)?;
        }
        Ok(())
    })
    .await
}

pub(crate) async fn disable(cx: &Cx, input: api::DisableKeyRotationInput) -> Result<()> {
    cx.write(|tx| {
        let mut key = rotatable(cx, tx, &input.key_id)?;
        key.rotation = None;
        key.put(tx);
        schedule(cx, tx, &key)
    })
    .await
}

pub(crate) fn status(cx: &Cx, input: api::GetKeyRotationStatusInput) -> Result<api::GetKeyRotationStatusOutput> {
    let key = Reference::parse_key(cx, &input.key_id)?.get(cx, &cx.read())?;
    if key.spec != SYMMETRIC {
        return Err(error::unsupported().into());
    }
    if key.deletion.is_some() {
        return Err(error::pending_deletion(&key.arn(cx)).into());
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
fn put(cx: &Cx, tx: &mut Tx<'_>, key: &mut Key, id: &str, made: &Material, on_demand: bool) {
    let made = Material { rotated: Some(cx.now_millis()), on_demand, ..made.clone() };
    MATERIALS.put(tx, &(&key.account, &key.region, id), &made);
    key.materials.push(id.to_owned());
    key.put(tx);
}

pub(crate) async fn on_demand(cx: &Cx, input: api::RotateKeyOnDemandInput) -> Result<api::RotateKeyOnDemandOutput> {
    let key = rotatable(cx, &cx.read(), &input.key_id)?;
    let (id, made) = material::make(cx, &key.id, Spec::named(SYMMETRIC)?).await?;
    cx.write(|tx| {
        let mut key = rotatable(cx, tx, &input.key_id)?;
        let mut asked = 0;
        for id in &key.materials {
            let there = MATERIALS.get(tx, &(&key.account, &key.region, id))?;
            asked += usize::from(there.is_some_and(|material| material.on_demand));
        }
        if asked >= MOST_ON_DEMAND {
            let message = format!("The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: {}", key.arn(cx));
            return Err(errors::limit_exceeded_exception(message).into());
        }
        put(cx, tx, &mut key, &id, &made, true);
        Ok(())
    })
    .await?;
    Ok(api::RotateKeyOnDemandOutput { key_id: Some(key.arn(cx)) })
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
        put(cx, tx, &mut key, &material_id, &made, false);
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
    for (number, id) in key.materials.iter().enumerate() {
        let material = MATERIALS.get(&read, &(&key.account, &key.region, id))?;
        let material = material.ok_or_else(|| cx.broken(format!("key {} has lost its material {id}", key.id)))?;
        if everything || material.rotated.is_some() {
            all.push((number, id, material));
        }
    }
    let scope = format!("ListKeyRotations/{}/{everything}", key.id);
    let page = pages::page(all, |(number, ..)| format!("{number:08}"), &scope, 100, input.limit, input.marker)?;
    let entry = |(_, id, material): &(usize, &String, Material)| {
        let kind = if material.on_demand { "ON_DEMAND" } else { "AUTOMATIC" };
        let state = if *id == key.current() { "CURRENT" } else { "NON_CURRENT" };
        Ok(output::RotationsListEntry {
            key_id: Some(key.id.clone()),
            key_material_id: Some((*id).clone()),
            key_material_description: None,
            import_state: None,
            key_material_state: Some(state.to_owned()),
            expiration_model: None,
            valid_to: None,
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
