//! Schemas: CreateSchema and its kin.

use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Repeated, Result, fingerprint};

use crate::api::{self, output};
use crate::error::{bad, conflict, managed, missing, page, too_many};
use crate::name::{RegistryName, check_schema};
use crate::rows::{BINDINGS, Kind, SCHEMAS, Schema, VERSIONS, Version, moment};
use crate::{aws_events, document, registries, tags, versions};

/// A registry has so many by default.
pub(crate) const MOST: usize = 100;
/// AWS does not tell for how long it remembers a client token.
const TOKEN_MILLIS: i64 = 8 * 3_600_000;

/// The schema of a call.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), registry: &RegistryName, name: &str) -> Result<Schema> {
    registries::find(cx, from, registry)?;
    let found = if registry.is_aws() {
        aws_events::find(name).map(|(schema, _)| schema.clone())
    } else {
        SCHEMAS.get(from, &(registry.key(), name))?
    };
    found.ok_or_else(|| missing(format!("Schema with name {name} does not exist.")))
}

/// All schemas of a registry, by name.
pub(crate) fn all(cx: &Cx, from: &(impl Read + ?Sized), registry: &RegistryName) -> Result<Vec<Schema>> {
    registries::find(cx, from, registry)?;
    if registry.is_aws() {
        return Ok(aws_events::all().iter().map(|(schema, _)| schema.clone()).collect());
    }
    Ok(SCHEMAS.all(from, &registry.key())?.into_iter().map(|entry| entry.row).collect())
}

/// An answer that describes a schema and a version of it.
macro_rules! described {
    ($output:ident, $registry:expr, $schema:expr, $version:expr $(, $member:ident: $value:expr)?) => {
        api::$output {
            $($member: $value,)?
            description: $schema.description,
            last_modified: Some(moment($schema.modified)),
            schema_arn: Some($registry.schema_arn(&$schema.name)),
            schema_name: Some($schema.name),
            schema_version: Some($version.number.to_string()),
            tags: Some($schema.tags),
            type_: Some($version.kind.name().to_owned()),
            version_created_date: Some(moment($version.created)),
        }
    };
}

pub(crate) async fn create(cx: &Cx, input: api::CreateSchemaInput) -> Result<api::CreateSchemaOutput> {
    let registry = RegistryName::of(cx, &input.registry_name);
    let name = input.schema_name.as_str();
    check_schema(name)?;
    let kind = Kind::parse(&input.type_)?;
    document::check(kind, &input.content)?;
    let now = cx.now_millis();
    let tags = tags::given(input.tags)?;
    let schema = Schema { name: name.to_owned(), description: input.description, tags, modified: now, next: 2 };
    let version = Version { number: 1, kind, content: input.content, created: now, shape: None };
    cx.write(|tx| {
        registries::find(cx, tx, &registry)?;
        if registry.is_managed() {
            return Err(managed(&registry.name));
        }
        if SCHEMAS.has(tx, &(registry.key(), name))? {
            return Err(conflict(format!("Schema with name {name} already exists.")));
        }
        if SCHEMAS.all(tx, &registry.key())?.len() >= MOST {
            return Err(too_many("schemas in a registry", MOST));
        }
        SCHEMAS.put(tx, &(registry.key(), name), &schema);
        VERSIONS.put(tx, &(registry.key(), name, 1i64), &version);
        Ok(())
    })
    .await?;
    Ok(described!(CreateSchemaOutput, registry, schema, version))
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeSchemaInput) -> Result<api::DescribeSchemaOutput> {
    let registry = RegistryName::of(cx, &input.registry_name);
    let from = cx.read();
    let schema = find(cx, &from, &registry, &input.schema_name)?;
    let version = versions::find(&from, &registry, &schema.name, input.schema_version.as_deref())?;
    Ok(described!(DescribeSchemaOutput, registry, schema, version, content: Some(version.content)))
}

/// Whether the same request, with the same token, was done before.
fn was_done(cx: &Cx, tx: &mut undercast_kernel::store::Tx<'_>, token: Option<&str>, request: &[u8]) -> Result<bool> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(false) };
    match cx.repeated(tx, "schemas.UpdateSchema", token, request, TOKEN_MILLIS)? {
        Repeated::New => Ok(false),
        Repeated::Same => Ok(true),
        Repeated::Another => Err(bad("The ClientTokenId was used with another request.").into()),
    }
}

/// New content is a new version, unless it says what the newest one says.
pub(crate) async fn update(cx: &Cx, input: api::UpdateSchemaInput) -> Result<api::UpdateSchemaOutput> {
    let request = fingerprint(&input);
    let registry = RegistryName::of(cx, &input.registry_name);
    if registry.is_managed() {
        registries::find(cx, &cx.read(), &registry)?;
        return Err(managed(&registry.name));
    }
    let given = input.type_.as_deref().map(Kind::parse).transpose()?;
    let (schema, version) = cx
        .write(|tx| {
            let mut schema = find(cx, tx, &registry, &input.schema_name)?;
            let newest = versions::find(tx, &registry, &schema.name, None)?;
            if was_done(cx, tx, input.client_token_id.as_deref(), &request)? {
                return Ok((schema, newest));
            }
            if let Some(description) = &input.description {
                schema.description = Some(description.clone());
                schema.modified = cx.now_millis();
            }
            let kind = given.unwrap_or(newest.kind);
            let content = input.content.as_ref().unwrap_or(&newest.content);
            document::check(kind, content)?;
            let version = if kind == newest.kind && document::is_same(content, &newest.content) {
                newest
            } else {
                versions::add(cx, tx, &registry, &mut schema, kind, content, None)?
            };
            SCHEMAS.put(tx, &(registry.key(), &schema.name), &schema);
            Ok((schema, version))
        })
        .await?;
    Ok(described!(UpdateSchemaOutput, registry, schema, version))
}

/// It goes with its versions and their code.
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteSchemaInput) -> Result<()> {
    let registry = RegistryName::of(cx, &input.registry_name);
    let name = input.schema_name.as_str();
    cx.write(|tx| {
        find(cx, tx, &registry, name)?;
        if registry.is_aws() {
            return Err(managed(&registry.name));
        }
        SCHEMAS.delete(tx, &(registry.key(), name));
        VERSIONS.clear(tx, &(registry.key(), name))?;
        BINDINGS.clear(tx, &(registry.key(), name))?;
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: &api::ListSchemasInput) -> Result<api::ListSchemasOutput> {
    let registry = RegistryName::of(cx, &input.registry_name);
    let from = cx.read();
    let prefix = input.schema_name_prefix.as_deref().unwrap_or("");
    let mut found = all(cx, &from, &registry)?;
    found.retain(|schema| schema.name.starts_with(prefix));
    let scope = format!("ListSchemas/{}/{prefix}", registry.arn());
    let (found, next_token) = page(&scope, found, input.next_token.as_deref(), input.limit)?;
    let schemas = found.into_iter().map(|schema| {
        let count = versions::all(&from, &registry, &schema.name)?.len();
        Ok(output::SchemaSummary {
            last_modified: Some(moment(schema.modified)),
            schema_arn: Some(registry.schema_arn(&schema.name)),
            schema_name: Some(schema.name),
            tags: Some(schema.tags),
            version_count: i64::try_from(count).ok(),
        })
    });
    Ok(api::ListSchemasOutput { next_token, schemas: Some(schemas.collect::<Result<_>>()?) })
}
