//! Secrets: made, changed, shown.

use undercast_kernel::{Cx, Result};

use crate::api;
use crate::labels::CURRENT;
use crate::rows::{SECRETS, Secret, Version};
use crate::sealed::{self, Plain};
use crate::values::{self, New};
use crate::{error, replication, rotation, shown, tagging};

/// A name has so many characters at most.
const LONGEST_NAME: usize = 512;

fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-/_+=.@!".contains(c);
    if name.len() > LONGEST_NAME || !name.chars().all(allowed) {
        return Err(error::validation(
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
        ));
    }
    Ok(())
}

/// A key that is said as nothing is the AWS managed one.
fn key(given: Option<&str>) -> Option<String> {
    given.filter(|key| !key.is_empty()).map(ToOwned::to_owned)
}

fn created(cx: &Cx, secret: &Secret, version: Option<String>) -> api::CreateSecretOutput {
    api::CreateSecretOutput {
        arn: Some(secret.arn(cx)),
        name: Some(secret.name.clone()),
        version_id: version,
        replication_status: shown::replication(cx, secret),
    }
}

pub(crate) async fn create(cx: &Cx, input: api::CreateSecretInput) -> Result<api::CreateSecretOutput> {
    check_name(&input.name)?;
    let token = input.client_request_token.ok_or_else(error::no_token)?;
    let plain = Plain::given(input.secret_string, input.secret_binary.as_ref())?;
    let tags = tagging::given(input.tags.as_deref().unwrap_or(&[]))?;
    tagging::check(&tags, 0)?;
    let regions = input.add_replica_regions.unwrap_or_else(Vec::new);
    let overwrite = input.force_overwrite_replica_secret == Some(true);
    let replicas = replication::wanted(cx, &regions, overwrite)?;
    if let Some(there) = SECRETS.get(&cx.read(), &cx.key(input.name.as_str()))? {
        return repeated(cx, there, &token, plain.as_ref()).await;
    }
    let secret = Secret {
        description: input.description,
        key: key(input.kms_key_id.as_deref()),
        tags,
        replicas,
        ..Secret::new(cx, &input.name)
    };
    let value = match &plain {
        Some(plain) => Some(sealed::seal(cx, &secret, &token, plain).await?),
        None => None,
    };
    let secret = cx
        .write(|tx| {
            if SECRETS.has(tx, &secret.place())? {
                return Err(error::exists(&secret.name));
            }
            let mut secret = secret.clone();
            if let Some(value) = &value {
                secret.labels.attach(CURRENT, &token)?;
                let version =
                    Version { id: token.clone(), created: cx.now_millis(), accessed: None, value: Some(value.clone()) };
                version.put(tx, &secret);
            }
            secret.put(tx);
            replication::follow(cx, tx, &secret)?;
            Ok(secret)
        })
        .await?;
    Ok(created(cx, &secret, value.map(|_| token)))
}

/// The answer where there is a secret of the name: the same request may have been sent before.
async fn repeated(cx: &Cx, there: Secret, token: &str, plain: Option<&Plain>) -> Result<api::CreateSecretOutput> {
    if there.deletion.is_some() {
        return Err(error::request(
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        ));
    }
    let version = there.version(&cx.read(), token)?;
    let value = version.and_then(|version| version.value);
    if let (Some(value), Some(plain)) = (value, plain)
        && sealed::open(cx, &there, token, &value).await? == *plain
    {
        return Ok(created(cx, &there, Some(token.to_owned())));
    }
    Err(error::exists(&there.name))
}

/// What an update says besides the value.
struct Edit {
    description: Option<String>,
    key: Option<Option<String>>,
}

impl Edit {
    fn apply(&self, secret: &mut Secret) {
        if let Some(description) = &self.description {
            secret.description = Some(description.clone());
        }
        if let Some(key) = &self.key {
            secret.key.clone_from(key);
        }
    }
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateSecretInput) -> Result<api::UpdateSecretOutput> {
    let edit = Edit { description: input.description, key: input.kms_key_id.as_deref().map(|given| key(Some(given))) };
    let plain = Plain::given(input.secret_string, input.secret_binary.as_ref())?;
    let before = Secret::changeable(cx, &cx.read(), &input.secret_id)?;
    let (secret, version) = match plain {
        Some(plain) => {
            let version = input.client_request_token.ok_or_else(error::no_token)?;
            let labels = vec![CURRENT.to_owned()];
            let new = New { version: version.clone(), plain, labels, rotation_token: None };
            (values::add(cx, &input.secret_id, &new, &|secret| edit.apply(secret)).await?, Some(version))
        }
        None => (edited(cx, &input.secret_id, &edit).await?, None),
    };
    if secret.key != before.key {
        values::renew(cx, &secret).await?;
    }
    Ok(api::UpdateSecretOutput { arn: Some(secret.arn(cx)), name: Some(secret.name), version_id: version })
}

async fn edited(cx: &Cx, id: &str, edit: &Edit) -> Result<Secret> {
    cx.write(|tx| {
        let mut secret = Secret::changeable(cx, tx, id)?;
        edit.apply(&mut secret);
        secret.changed = cx.now_millis();
        secret.put(tx);
        replication::follow(cx, tx, &secret)?;
        Ok(secret)
    })
    .await
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeSecretInput) -> Result<api::DescribeSecretOutput> {
    let secret = Secret::find(cx, &cx.read(), &input.secret_id)?;
    let at = |millis: Option<i64>| millis.map(crate::rows::moment);
    let rotation = secret.rotation.as_ref();
    Ok(api::DescribeSecretOutput {
        arn: Some(secret.arn(cx)),
        name: Some(secret.name.clone()),
        description: secret.description.clone(),
        kms_key_id: secret.key.clone(),
        rotation_enabled: rotation.map(|rotation| rotation.enabled),
        rotation_lambda_arn: rotation.map(|rotation| rotation.function.clone()),
        rotation_rules: rotation.map(rotation::shown),
        last_rotated_date: at(rotation.and_then(|rotation| rotation.last)),
        last_changed_date: at(Some(secret.changed)),
        last_accessed_date: at(secret.accessed),
        deleted_date: at(secret.deletion),
        next_rotation_date: at(rotation.filter(|rotation| rotation.enabled).and_then(|rotation| rotation.next)),
        tags: tagging::shown(&secret.tags),
        version_ids_to_stages: shown::stages(&secret),
        created_date: at(Some(secret.created)),
        primary_region: shown::primary_region(&secret),
        replication_status: shown::replication(cx, &secret),
        ..api::DescribeSecretOutput::default()
    })
}
