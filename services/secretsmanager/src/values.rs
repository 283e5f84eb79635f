//! Versions of secrets: their values put and read, their labels moved.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Result};

use crate::api;
use crate::labels::{CURRENT, PENDING, PREVIOUS};
use crate::rows::{Sealed, Secret, VERSIONS, Version, day, moment};
use crate::sealed::{self, Plain};
use crate::{error, replication, rotation};

/// A secret has about so many versions. Above it, those without labels go.
const MOST: usize = 100;
/// But for those that are younger than this.
const KEPT_MILLIS: i64 = 86_400_000;

/// A new version.
pub(crate) struct New {
    pub(crate) version: String,
    pub(crate) plain: Plain,
    pub(crate) labels: Vec<String>,
    /// What a rotation function shows.
    pub(crate) rotation_token: Option<String>,
}

impl Version {
    pub(crate) fn put(&self, tx: &mut Tx<'_>, secret: &Secret) {
        VERSIONS.put(tx, &secret.version_place(&self.id), self);
    }
}

pub(crate) async fn put(cx: &Cx, input: api::PutSecretValueInput) -> Result<api::PutSecretValueOutput> {
    let version = input.client_request_token.ok_or_else(error::no_token)?;
    let plain = Plain::given(input.secret_string, input.secret_binary.as_ref())?;
    let plain = plain.ok_or_else(|| error::request("You must provide either SecretString or SecretBinary."))?;
    let labels = input.version_stages.unwrap_or_else(|| vec![CURRENT.to_owned()]);
    let new = New { version: version.clone(), plain, labels, rotation_token: input.rotation_token };
    let secret = add(cx, &input.secret_id, &new, &|_| ()).await?;
    Ok(api::PutSecretValueOutput {
        arn: Some(secret.arn(cx)),
        version_stages: Some(secret.labels.of(&version)),
        name: Some(secret.name),
        version_id: Some(version),
    })
}

/// Adds a version, or gives its value to the one that a rotation has made. One that is there with the same value is as good.
///
/// # Errors
/// `ResourceExistsException` when the version has another value.
pub(crate) async fn add(cx: &Cx, id: &str, new: &New, edit: &(dyn Fn(&mut Secret) + Sync)) -> Result<Secret> {
    loop {
        let mut secret = Secret::changeable(cx, &cx.read(), id)?;
        check_rotation(&secret, new)?;
        let there = secret.version(&cx.read(), &new.version)?.and_then(|version| version.value);
        if let Some(value) = there {
            if sealed::open(cx, &secret, &new.version, &value).await? == new.plain {
                return Ok(secret);
            }
            return Err(error::token_in_use(&new.version, &secret.arn(cx)));
        }
        edit(&mut secret);
        let value = sealed::seal(cx, &secret, &new.version, &new.plain).await?;
        // Another call may have been faster, and is looked at then.
        if let Some(done) = cx.write(|tx| store(cx, tx, &secret, new, &value, edit)).await? {
            return Ok(done);
        }
    }
}

/// Refuses a token that is not the one of the rotation that is under way.
fn check_rotation(secret: &Secret, new: &New) -> Result<()> {
    let Some(token) = &new.rotation_token else { return Ok(()) };
    let under_way = secret.rotation.as_ref().and_then(|rotation| rotation.under_way.as_ref());
    if under_way.is_none_or(|under_way| under_way.token != *token || under_way.version != new.version) {
        return Err(error::parameter("The RotationToken isn't valid for a rotation of this secret."));
    }
    Ok(())
}

/// Stores a version. `None`: the secret or the version is not as it was by now.
fn store(
    cx: &Cx,
    tx: &mut Tx<'_>,
    seen: &Secret,
    new: &New,
    value: &Sealed,
    edit: &(dyn Fn(&mut Secret) + Sync),
) -> Result<Option<Secret>> {
    let Some(mut secret) = seen.again(tx)? else { return Ok(None) };
    edit(&mut secret);
    let there = secret.version(tx, &new.version)?;
    if secret.deletion.is_some() || secret.key != seen.key || there.as_ref().is_some_and(|v| v.value.is_some()) {
        return Ok(None);
    }
    if there.is_none() {
        sweep(cx, tx, &secret)?;
    }
    let before = secret.labels.version(CURRENT).map(ToOwned::to_owned);
    secret.labels.begin(&new.version, &new.labels)?;
    if before.is_some() && before.as_deref() != secret.labels.version(CURRENT) {
        rotation::was_changed(cx, tx, &mut secret)?;
    }
    let (created, accessed) = there.map_or((cx.now_millis(), None), |there| (there.created, there.accessed));
    Version { id: new.version.clone(), created, accessed, value: Some(value.clone()) }.put(tx, &secret);
    secret.changed = cx.now_millis();
    secret.put(tx);
    replication::follow(cx, tx, &secret)?;
    Ok(Some(secret))
}

/// Makes room for a version.
///
/// # Errors
/// `LimitExceededException` when those that have no label are too young to go.
pub(crate) fn sweep(cx: &Cx, tx: &mut Tx<'_>, secret: &Secret) -> Result<()> {
    let all = secret.versions(tx)?;
    let mut count = all.len();
    let old = cx.now_millis() - KEPT_MILLIS;
    for version in all.iter().filter(|version| !secret.labels.has(&version.id) && version.created <= old) {
        if count < MOST {
            break;
        }
        VERSIONS.delete(tx, &secret.version_place(&version.id));
        count -= 1;
    }
    if count >= MOST { Err(error::over_quota("100 versions")) } else { Ok(()) }
}

/// The version that a request asks for, which has a value.
pub(crate) fn chosen(cx: &Cx, secret: &Secret, id: Option<&str>, stage: Option<&str>) -> Result<(Version, Sealed)> {
    let label = stage.unwrap_or(CURRENT);
    let missing = || id.map_or_else(|| error::no_stage(label), error::no_version);
    let named = match id {
        Some(id) => Some(id),
        None => secret.labels.version(label),
    };
    let version = secret.version(&cx.read(), named.ok_or_else(missing)?)?.ok_or_else(missing)?;
    if stage.is_some_and(|stage| secret.labels.version(stage) != Some(version.id.as_str())) {
        return Err(error::request("You provided a VersionStage that is not associated to the provided VersionId."));
    }
    let value = version.value.clone().ok_or_else(missing)?;
    Ok((version, value))
}

/// The value that a request asks for, opened, and the read noted.
pub(crate) async fn read(
    cx: &Cx,
    secret: &Secret,
    id: Option<&str>,
    stage: Option<&str>,
) -> Result<api::GetSecretValueOutput> {
    let (version, value) = chosen(cx, secret, id, stage)?;
    let plain = sealed::open(cx, secret, &version.id, &value).await?;
    touch(cx, secret, &version).await?;
    let (secret_string, secret_binary) = plain.shown()?;
    Ok(api::GetSecretValueOutput {
        arn: Some(secret.arn(cx)),
        name: Some(secret.name.clone()),
        secret_string,
        secret_binary,
        version_stages: Some(secret.labels.of(&version.id)).filter(|labels| !labels.is_empty()),
        created_date: Some(moment(version.created)),
        version_id: Some(version.id),
    })
}

pub(crate) async fn get(cx: &Cx, input: &api::GetSecretValueInput) -> Result<api::GetSecretValueOutput> {
    let secret = Secret::active(cx, &cx.read(), &input.secret_id)?;
    read(cx, &secret, input.version_id.as_deref(), input.version_stage.as_deref()).await
}

/// Notes that a version was read, by the day.
async fn touch(cx: &Cx, secret: &Secret, version: &Version) -> Result<()> {
    let today = Some(day(cx.now_millis()));
    if secret.accessed == today && version.accessed == today {
        return Ok(());
    }
    cx.write(|tx| {
        let Some(secret) = secret.again(tx)? else { return Ok(()) };
        if let Some(version) = secret.version(tx, &version.id)? {
            Version { accessed: today, ..version }.put(tx, &secret);
        }
        Secret { accessed: today, ..secret }.put(tx);
        Ok(())
    })
    .await
}

pub(crate) async fn update_stage(
    cx: &Cx,
    input: &api::UpdateSecretVersionStageInput,
) -> Result<api::UpdateSecretVersionStageOutput> {
    let (from, to) = (input.remove_from_version_id.as_deref(), input.move_to_version_id.as_deref());
    let secret = cx
        .write(|tx| {
            let mut secret = Secret::changeable(cx, tx, &input.secret_id)?;
            if let Some(to) = to
                && secret.version(tx, to)?.is_none()
            {
                return Err(error::no_version(to));
            }
            secret.labels.shift(&input.version_stage, from, to)?;
            secret.changed = cx.now_millis();
            secret.put(tx);
            replication::follow(cx, tx, &secret)?;
            Ok(secret)
        })
        .await?;
    Ok(api::UpdateSecretVersionStageOutput { arn: Some(secret.arn(cx)), name: Some(secret.name) })
}

/// Seals the versions that AWS's labels are attached to anew, after the key was changed.
pub(crate) async fn renew(cx: &Cx, secret: &Secret) -> Result<()> {
    for label in [CURRENT, PENDING, PREVIOUS] {
        let Some(id) = secret.labels.version(label) else { continue };
        let Some(value) = secret.version(&cx.read(), id)?.and_then(|version| version.value) else { continue };
        let Some(anew) = sealed::renew(cx, secret, id, &value).await? else { continue };
        cx.write(|tx| {
            let Some(there) = secret.again(tx)?.filter(|there| there.key == secret.key) else { return Ok(()) };
            let Some(version) = there.version(tx, id)?.filter(|version| version.value.as_ref() == Some(&value)) else {
                return Ok(());
            };
            Version { value: Some(anew.clone()), ..version }.put(tx, &there);
            Ok(())
        })
        .await?;
    }
    Ok(())
}
