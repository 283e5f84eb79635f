//! Keys of many Regions: a primary key and its replicas, which have id, material, spec, usage and rotation in common.
//!
//! Source: "How multi-Region keys work" in the KMS developer guide. What AWS synchronises within seconds is one transaction here.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Result, regions};

use crate::api::{self, errors, output};
use crate::rows::{Family, KEYS, Key, MATERIALS, State};
use crate::{error, keys, policy, rotation, tagging};

/// Stores a key, and in its relatives what they have in common with it.
pub(crate) fn put(tx: &mut Tx<'_>, key: &Key) -> Result<()> {
    key.put(tx);
    for region in key.regions().iter().filter(|region| **region != key.region) {
        if let Some(there) = KEYS.get(tx, &(&key.account, region, &key.id))? {
            let shared = Key {
                materials: key.materials.clone(),
                rotation: key.rotation.clone(),
                family: key.family.clone(),
                ..there
            };
            shared.put(tx);
        }
    }
    Ok(())
}

/// What is told of a key's family.
pub(crate) fn describe(cx: &Cx, key: &Key) -> Option<output::MultiRegionConfiguration> {
    let family = key.family.as_ref()?;
    let member = |region: &String| output::MultiRegionKey {
        arn: Some(Key { region: region.clone(), ..key.clone() }.arn(cx)),
        region: Some(region.clone()),
    };
    Some(output::MultiRegionConfiguration {
        multi_region_key_type: key.kind_in_family().map(ToOwned::to_owned),
        primary_key: Some(member(&family.primary)),
        replica_keys: Some(family.replicas.iter().map(member).collect()),
    })
}

/// The primary key of a family, which is in use.
fn primary(cx: &Cx, from: &(impl undercast_kernel::store::Read + ?Sized), given: &str) -> Result<(Key, Family)> {
    let key = keys::own(cx, from, given)?;
    let family = key.family.clone().filter(|family| family.primary == key.region);
    let family = family.ok_or_else(|| {
        let message = format!("{} is not a multi-Region primary key.", key.arn(cx));
        errors::unsupported_operation_exception(message)
    })?;
    keys::usable(cx, &key)?;
    Ok((key, family))
}

/// Refuses what is no Region of the call's partition.
fn check_region(cx: &Cx, region: &str) -> Result<()> {
    if regions::exists(region) && regions::partition(region) == cx.partition() {
        return Ok(());
    }
    Err(error::validation(format!("Region {region} is not valid.")).into())
}

pub(crate) async fn replicate(cx: &Cx, input: api::ReplicateKeyInput) -> Result<api::ReplicateKeyOutput> {
    let region = input.replica_region;
    check_region(cx, &region)?;
    let tags = tagging::read(input.tags.into_iter().flatten())?;
    tagging::check(&tags, 0)?;
    let description = input.description.unwrap_or_else(String::new);
    let bypass = input.bypass_policy_lockout_safety_check == Some(true);
    let there = cx.elsewhere(cx.account(), &region);
    let replica = cx
        .write(|tx| {
            let (mut key, mut family) = primary(cx, tx, &input.key_id)?;
            if KEYS.has(tx, &(&key.account, &region, &key.id))? {
                let arn = Key { region: region.clone(), ..key }.arn(cx);
                return Err(errors::already_exists_exception(format!("Key {arn} already exists.")).into());
            }
            family.replicas.push(region.clone());
            key.family = Some(family);
            let replica = Key {
                region: region.clone(),
                created: cx.now_millis(),
                description: description.clone(),
                tags: tags.clone(),
                policy: input.policy.clone().unwrap_or_else(|| policy::usual(&there)),
                ..key.clone()
            };
            policy::check(&there, &replica, &replica.policy, bypass)?;
            for id in &key.materials {
                let material = key.material(cx, tx, id)?;
                MATERIALS.put(tx, &(&key.account, &region, id), &material);
            }
            replica.put(tx);
            put(tx, &key)?;
            Ok(replica)
        })
        .await?;
    let tags = replica.tags.clone().into_iter().map(|(tag_key, tag_value)| output::Tag { tag_key, tag_value });
    Ok(api::ReplicateKeyOutput {
        replica_key_metadata: Some(keys::describe(&there, &there.read(), &replica)?),
        replica_policy: Some(replica.policy),
        replica_tags: Some(tags.collect()),
    })
}

pub(crate) async fn update_primary(cx: &Cx, input: api::UpdatePrimaryRegionInput) -> Result<()> {
    let region = input.primary_region;
    check_region(cx, &region)?;
    cx.write(|tx| {
        let (mut key, mut family) = primary(cx, tx, &input.key_id)?;
        let there = Key { region: region.clone(), ..key.clone() };
        let replica = KEYS.get(tx, &there.place())?.filter(|_| region != key.region);
        let replica = replica.ok_or_else(|| error::no_key(&there.arn(cx)))?;
        keys::usable(cx, &replica)?;
        family.replicas.retain(|one| *one != region);
        family.replicas.push(std::mem::replace(&mut family.primary, region.clone()));
        // The task that rotates runs where the primary key is.
        cx.tasks().cancel(tx, keys::SERVICE, &keys::task(&key, rotation::ROTATE))?;
        key.family = Some(family);
        put(tx, &key)?;
        rotation::schedule(cx, tx, &Key { family: key.family, ..replica })
    })
    .await
}

/// A key has been deleted: its relatives forget it, and a primary key that waited for its last replica begins to wait
/// for its own deletion.
pub(crate) fn left(cx: &Cx, tx: &mut Tx<'_>, gone: &Key) -> Result<()> {
    let Some(mut family) = gone.family.clone() else { return Ok(()) };
    family.replicas.retain(|region| *region != gone.region);
    let Some(mut key) = KEYS.get(tx, &(&gone.account, &family.primary, &gone.id))? else { return Ok(()) };
    let alone = family.replicas.is_empty();
    key.family = Some(family);
    if alone && key.state == State::PendingReplicaDeletion {
        keys::wait_for_deletion(cx, tx, &mut key)?;
    }
    put(tx, &key)
}
