//! Secrets as answers show them.

use std::collections::BTreeMap;

use undercast_kernel::Cx;

use crate::api::output;
use crate::rows::{SECRETS, Secret, moment};
use crate::{rotation, tagging};

/// Version to labels, of those that have some.
pub(crate) fn stages(secret: &Secret) -> Option<BTreeMap<String, Vec<String>>> {
    Some(secret.labels.by_version()).filter(|all| !all.is_empty())
}

/// The Region of the primary secret, where there are replicas.
pub(crate) fn primary_region(secret: &Secret) -> Option<String> {
    secret.primary.clone().or_else(|| (!secret.replicas.is_empty()).then(|| secret.region.clone()))
}

/// How its replicas are.
pub(crate) fn replication(cx: &Cx, secret: &Secret) -> Option<Vec<output::ReplicationStatusType>> {
    let from = cx.read();
    let all = secret.replicas.iter().map(|replica| {
        let there = SECRETS.get(&from, &(secret.account.as_str(), replica.region.as_str(), secret.name.as_str()));
        // What cannot be read is not told of, and the primary is answered all the same.
        let there = there.ok().flatten().filter(|there| there.suffix == secret.suffix);
        output::ReplicationStatusType {
            region: Some(replica.region.clone()),
            kms_key_id: Some(replica.key.clone().unwrap_or_else(|| "alias/aws/secretsmanager".to_owned())),
            status: Some(replica.status.clone()),
            status_message: replica.message.clone(),
            last_accessed_date: there.and_then(|there| there.accessed).map(moment),
        }
    });
    (!secret.replicas.is_empty()).then(|| all.collect())
}

/// A secret in a list.
pub(crate) fn entry(cx: &Cx, secret: &Secret) -> output::SecretListEntry {
    let at = |millis: Option<i64>| millis.map(moment);
    let rotation = secret.rotation.as_ref();
    output::SecretListEntry {
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
        secret_versions_to_stages: stages(secret),
        created_date: at(Some(secret.created)),
        primary_region: primary_region(secret),
        ..output::SecretListEntry::default()
    }
}
