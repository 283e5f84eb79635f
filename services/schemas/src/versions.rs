//! Versions of schemas. They are numbered from 1 on.

use undercast_kernel::store::{Order, Read, Tx};
use undercast_kernel::{Cx, Result};

use crate::api::{self, output};
use crate::error::{bad, managed, missing, page, too_many};
use crate::name::RegistryName;
use crate::rows::{BINDINGS, Kind, Schema, VERSIONS, Version};
use crate::{aws_events, schemas};

/// A schema has so many by default.
pub(crate) const MOST: usize = 100;

fn none(schema: &str, version: &str) -> undercast_kernel::Failure {
    missing(format!("Version {version} of schema with name {schema} does not exist."))
}

/// The number that a call gives.
pub(crate) fn number(given: &str) -> Result<i64> {
    given.parse().map_err(|_| bad(format!("SchemaVersion {given} is not a number.")).into())
}

/// A version of a schema that is there: the one that a call names, or the newest.
pub(crate) fn find(
    from: &(impl Read + ?Sized),
    registry: &RegistryName,
    schema: &str,
    given: Option<&str>,
) -> Result<Version> {
    let wanted = given.map(number).transpose()?;
    if registry.is_aws() {
        let found = aws_events::find(schema).filter(|(_, version)| wanted.is_none_or(|n| n == version.number));
        return found.map(|(_, version)| version.clone()).ok_or_else(|| none(schema, given.unwrap_or("")));
    }
    let found = match wanted {
        Some(number) => VERSIONS.get(from, &(registry.key(), schema, number))?,
        None => {
            let newest = VERSIONS.page(from, &(registry.key(), schema), None::<&()>, Order::Descending, 1)?;
            newest.into_iter().next().map(|entry| entry.row)
        }
    };
    found.ok_or_else(|| none(schema, given.unwrap_or("")))
}

/// All versions of a schema, the oldest first.
pub(crate) fn all(from: &(impl Read + ?Sized), registry: &RegistryName, schema: &str) -> Result<Vec<Version>> {
    if registry.is_aws() {
        return Ok(aws_events::find(schema).into_iter().map(|(_, version)| version.clone()).collect());
    }
    Ok(VERSIONS.all(from, &(registry.key(), schema))?.into_iter().map(|entry| entry.row).collect())
}

/// Adds a version. The schema has its number taken, and is not put by this.
pub(crate) fn add(
    cx: &Cx,
    tx: &mut Tx<'_>,
    registry: &RegistryName,
    schema: &mut Schema,
    kind: Kind,
    content: &str,
    shape: Option<String>,
) -> Result<Version> {
    if VERSIONS.all(tx, &(registry.key(), &schema.name))?.len() >= MOST {
        return Err(too_many("versions of a schema", MOST));
    }
    let now = cx.now_millis();
    let version = Version { number: schema.next, kind, content: content.to_owned(), created: now, shape };
    VERSIONS.put(tx, &(registry.key(), &schema.name, version.number), &version);
    (schema.next, schema.modified) = (schema.next + 1, now);
    Ok(version)
}

/// The last one that is left goes with the schema only.
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteSchemaVersionInput) -> Result<()> {
    let registry = RegistryName::of(cx, &input.registry_name);
    let name = input.schema_name.as_str();
    cx.write(|tx| {
        schemas::find(cx, tx, &registry, name)?;
        if registry.is_aws() {
            return Err(managed(&registry.name));
        }
        let version = find(tx, &registry, name, Some(&input.schema_version))?;
        if all(tx, &registry, name)?.len() == 1 {
            let message = format!("Version {} is the only one of schema with name {name}.", version.number);
            return Err(bad(message).into());
        }
        VERSIONS.delete(tx, &(registry.key(), name, version.number));
        BINDINGS.clear(tx, &(registry.key(), name, version.number))?;
        Ok(())
    })
    .await
}

/// The newest first.
pub(crate) fn list(cx: &Cx, input: &api::ListSchemaVersionsInput) -> Result<api::ListSchemaVersionsOutput> {
    let registry = RegistryName::of(cx, &input.registry_name);
    let from = cx.read();
    let schema = schemas::find(cx, &from, &registry, &input.schema_name)?;
    let arn = registry.schema_arn(&schema.name);
    let shown = all(&from, &registry, &schema.name)?.into_iter().rev().map(|version| output::SchemaVersionSummary {
        schema_arn: Some(arn.clone()),
        schema_name: Some(schema.name.clone()),
        schema_version: Some(version.number.to_string()),
        type_: Some(version.kind.name().to_owned()),
    });
    let scope = format!("ListSchemaVersions/{arn}");
    let (versions, next_token) = page(&scope, shown.collect(), input.next_token.as_deref(), input.limit)?;
    Ok(api::ListSchemaVersionsOutput { next_token, schema_versions: Some(versions) })
}
