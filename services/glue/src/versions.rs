//! Versions of tables: what a table was before each update.

use undercast_kernel::store::Table as Rows;
use undercast_kernel::{Cx, Result, paging};

use crate::api::{self, errors, output};
use crate::databases::page_size;
use crate::error::{check_catalog, invalid};
use crate::tables::{self, Table};

/// Account, region, database, table, number.
pub(crate) static VERSIONS: Rows<Table> = Rows::new("glue.versions");

pub(crate) fn key<'a>(
    cx: &'a Cx,
    database: &'a str,
    name: &'a str,
    version: u64,
) -> (&'a str, &'a str, &'a str, &'a str, u64) {
    (cx.account(), cx.region(), database, name, version)
}

fn number(given: &str) -> Result<u64> {
    given.parse().map_err(|_| invalid(format!("Invalid version id: {given}")))
}

fn shown(cx: &Cx, database: &str, version: &Table) -> Result<output::TableVersion> {
    let table = version.shown(cx, database)?;
    Ok(output::TableVersion { version_id: Some(version.version.to_string()), table: Some(table) })
}

/// A version of a table; without a number the newest.
pub(crate) fn get(cx: &Cx, input: &api::GetTableVersionInput) -> Result<api::GetTableVersionOutput> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    let from = cx.read();
    let ((database, name), table) = tables::find(cx, &from, &input.database_name, &input.table_name)?;
    let wanted = input.version_id.as_deref().map_or(Ok(table.version), number)?;
    let found = VERSIONS.get(&from, &key(cx, &database, &name, wanted))?;
    let found = found.ok_or_else(|| errors::entity_not_found_exception(format!("Version {wanted} not found.")))?;
    Ok(api::GetTableVersionOutput { table_version: Some(shown(cx, &database, &found)?) })
}

/// All versions, the newest first.
pub(crate) fn list(cx: &Cx, input: &api::GetTableVersionsInput) -> Result<api::GetTableVersionsOutput> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    let from = cx.read();
    let ((database, name), _) = tables::find(cx, &from, &input.database_name, &input.table_name)?;
    let rows = VERSIONS.all(&from, &tables::key(cx, &database, &name))?;
    let all: Result<Vec<output::TableVersion>> =
        rows.iter().rev().map(|entry| shown(cx, &database, &entry.row)).collect();
    let scope = format!("GetTableVersions/{database}/{name}");
    let page = paging::page(&scope, all?, input.next_token.as_deref(), page_size(input.max_results));
    let (table_versions, next_token) = page.ok_or_else(|| invalid("Invalid token"))?;
    Ok(api::GetTableVersionsOutput { table_versions: Some(table_versions), next_token })
}

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteTableVersionInput) -> Result<()> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    let wanted = number(&input.version_id)?;
    cx.write(|tx| {
        let ((database, name), table) = tables::find(cx, tx, &input.database_name, &input.table_name)?;
        if wanted == table.version {
            return Err(invalid("The current version of a table cannot be deleted."));
        }
        let key = key(cx, &database, &name, wanted);
        if !VERSIONS.has(tx, &key)? {
            return Err(errors::entity_not_found_exception(format!("Version {wanted} not found.")).into());
        }
        VERSIONS.delete(tx, &key);
        Ok(())
    })
    .await
}
