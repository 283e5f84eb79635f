//! Tables of the catalog: what is known of data that lies elsewhere.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table as Rows, Tx};
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::kept::TableInput;
use crate::api::{self, errors, output};
use crate::databases::{self, moment, page_size};
use crate::error::{check_catalog, invalid, no_table};
use crate::versions::{self, VERSIONS};

/// Account, region, database, name.
pub(crate) static TABLES: Rows<Table> = Rows::new("glue.tables");

/// A table, or one of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Table {
    /// Its input as it was given last, in JSON.
    #[n(0)]
    input: String,
    /// Milliseconds since 1970.
    #[n(1)]
    created: i64,
    #[n(2)]
    updated: i64,
    /// The ARN of who made it.
    #[n(3)]
    created_by: String,
    /// Numbered from 0.
    #[n(4)]
    pub(crate) version: u64,
}

impl Table {
    pub(crate) fn shown(&self, cx: &Cx, database: &str) -> Result<output::Table> {
        let input: TableInput = serde_json::from_str(&self.input).map_err(Failure::broken)?;
        Ok(output::Table {
            name: input.name,
            database_name: Some(database.to_owned()),
            description: input.description,
            owner: input.owner,
            create_time: Some(moment(self.created)),
            update_time: Some(moment(self.updated)),
            last_access_time: input.last_access_time,
            last_analyzed_time: input.last_analyzed_time,
            retention: Some(input.retention.unwrap_or(0)),
            storage_descriptor: input.storage_descriptor,
            partition_keys: Some(input.partition_keys.unwrap_or_else(Vec::new)),
            view_original_text: input.view_original_text,
            view_expanded_text: input.view_expanded_text,
            table_type: input.table_type,
            parameters: input.parameters,
            created_by: Some(self.created_by.clone()),
            is_registered_with_lake_formation: Some(false),
            catalog_id: Some(cx.account().to_owned()),
            version_id: Some(self.version.to_string()),
            ..output::Table::default()
        })
    }
}

/// The key of a table, and where those of its versions begin.
pub(crate) fn key<'a>(cx: &'a Cx, database: &'a str, name: &'a str) -> (&'a str, &'a str, &'a str, &'a str) {
    (cx.account(), cx.region(), database, name)
}

/// The table of a name, with its database's and its own name in lower case.
pub(crate) fn find(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    database: &str,
    name: &str,
) -> Result<((String, String), Table)> {
    let (database, _) = databases::find(cx, from, database)?;
    let folded = name.to_lowercase();
    let found = TABLES.get(from, &key(cx, &database, &folded))?.ok_or_else(|| no_table(name))?;
    Ok(((database, folded), found))
}

/// The input of a table, with its name and those of its columns in lower case.
fn folded(input: Option<TableInput>, name: Option<&str>) -> Result<TableInput> {
    let mut input = input.ok_or_else(|| invalid("TableInput must be specified."))?;
    input.name = input.name.to_lowercase();
    if name.is_some_and(|name| name.to_lowercase() != input.name) {
        return Err(invalid("Name must be that of TableInput."));
    }
    let columns = input.storage_descriptor.iter_mut().filter_map(|of| of.columns.as_mut()).flatten();
    let mut names = Vec::new();
    for column in columns.chain(input.partition_keys.iter_mut().flatten()) {
        column.name = column.name.to_lowercase();
        names.push(column.name.clone());
    }
    names.sort();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(invalid(format!("Column {} is there more than once.", twice[0])));
    }
    Ok(input)
}

pub(crate) async fn create(cx: &Cx, input: api::CreateTableInput) -> Result<()> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    let wanted = folded(input.table_input, input.name.as_deref())?;
    cx.write(|tx| {
        let (database, _) = databases::find(cx, tx, &input.database_name)?;
        if TABLES.has(tx, &key(cx, &database, &wanted.name))? {
            return Err(errors::already_exists_exception("Table already exists.").into());
        }
        let table = Table {
            input: serde_json::to_string(&wanted).map_err(Failure::broken)?,
            created: cx.now_millis(),
            updated: cx.now_millis(),
            created_by: cx.principal().arn.clone(),
            version: 0,
        };
        put(cx, tx, &database, &wanted.name, &table);
        Ok(())
    })
    .await
}

fn put(cx: &Cx, tx: &mut Tx<'_>, database: &str, name: &str, table: &Table) {
    TABLES.put(tx, &key(cx, database, name), table);
    VERSIONS.put(tx, &versions::key(cx, database, name, table.version), table);
}

pub(crate) fn get(cx: &Cx, input: &api::GetTableInput) -> Result<api::GetTableOutput> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    let ((database, _), found) = find(cx, &cx.read(), &input.database_name, &input.name)?;
    let table = restricted(found.shown(cx, &database)?, input.attributes_to_get.as_deref())?;
    Ok(api::GetTableOutput { table: Some(table) })
}

/// A table with the attributes that were asked for.
fn restricted(table: output::Table, wanted: Option<&[String]>) -> Result<output::Table> {
    let Some(wanted) = wanted else { return Ok(table) };
    let asked = |name: &str| wanted.iter().any(|attribute| attribute == name);
    if asked("LATEST_ICEBERG_METADATA") {
        return Err(Failure::not_built("tables in Iceberg's format"));
    }
    if asked("DEFAULT") || wanted.is_empty() {
        return Ok(table);
    }
    Ok(output::Table {
        name: table.name,
        table_type: table.table_type.filter(|_| asked("TABLE_TYPE")),
        ..output::Table::default()
    })
}

pub(crate) fn list(cx: &Cx, input: &api::GetTablesInput) -> Result<api::GetTablesOutput> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    let from = cx.read();
    let (database, _) = databases::find(cx, &from, &input.database_name)?;
    let pattern = input.expression.as_deref().filter(|pattern| !pattern.is_empty());
    let wanted = pattern.map(|pattern| {
        let wrong = |_| invalid(format!("Invalid regular expression: {pattern}"));
        fancy_regex::Regex::new(&format!("^(?i:{pattern})$")).map_err(wrong)
    });
    let wanted = wanted.transpose()?;
    let mut all = Vec::new();
    for entry in TABLES.all(&from, &cx.key(&database))? {
        let table = entry.row.shown(cx, &database)?;
        if wanted.as_ref().is_none_or(|wanted| wanted.is_match(&table.name).unwrap_or(false)) {
            all.push(restricted(table, input.attributes_to_get.as_deref())?);
        }
    }
    let scope = format!("GetTables/{database}/{}", pattern.unwrap_or_default());
    let page = paging::page(&scope, all, input.next_token.as_deref(), page_size(input.max_results));
    let (table_list, next_token) = page.ok_or_else(|| invalid("Invalid token"))?;
    Ok(api::GetTablesOutput { table_list: Some(table_list), next_token })
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateTableInput) -> Result<()> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    let wanted = folded(input.table_input, input.name.as_deref())?;
    let json = serde_json::to_string(&wanted).map_err(Failure::broken)?;
    cx.write(|tx| {
        let ((database, name), before) = find(cx, tx, &input.database_name, &wanted.name)?;
        if input.version_id.as_ref().is_some_and(|version| *version != before.version.to_string()) {
            let message = "Update table failed due to concurrent modifications.";
            return Err(errors::concurrent_modification_exception(message).into());
        }
        if input.skip_archive == Some(true) {
            // The version before is not kept.
            VERSIONS.delete(tx, &versions::key(cx, &database, &name, before.version));
        }
        let version = before.version + 1;
        let table = Table { input: json.clone(), updated: cx.now_millis(), version, ..before };
        put(cx, tx, &database, &name, &table);
        Ok(())
    })
    .await
}

fn remove(cx: &Cx, tx: &mut Tx<'_>, database: &str, name: &str) -> Result<()> {
    let ((database, name), _) = find(cx, tx, database, name)?;
    TABLES.delete(tx, &key(cx, &database, &name));
    VERSIONS.clear(tx, &key(cx, &database, &name))?;
    Ok(())
}

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteTableInput) -> Result<()> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    cx.write(|tx| remove(cx, tx, &input.database_name, &input.name)).await
}

/// Deletes several; each that cannot be deleted is told of.
pub(crate) async fn delete_many(cx: &Cx, input: &api::BatchDeleteTableInput) -> Result<api::BatchDeleteTableOutput> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    let errors = cx
        .write(|tx| {
            databases::find(cx, tx, &input.database_name)?;
            let mut errors = Vec::new();
            for name in &input.tables_to_delete {
                match remove(cx, tx, &input.database_name, name) {
                    Err(Failure::Aws(error)) => errors.push(output::TableError {
                        table_name: Some(name.clone()),
                        error_detail: Some(output::ErrorDetail {
                            error_code: Some(error.code.to_string()),
                            error_message: Some(error.message.clone()),
                        }),
                    }),
                    other => other?,
                }
            }
            Ok(errors)
        })
        .await?;
    Ok(api::BatchDeleteTableOutput { errors: Some(errors) })
}
