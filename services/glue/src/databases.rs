//! Databases of the catalog.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Failure, Result, Timestamp, paging};

use crate::api::kept::DatabaseInput;
use crate::api::{self, errors, output};
use crate::error::{check_catalog, invalid, no_database};
use crate::tables::TABLES;
use crate::versions::VERSIONS;

/// Account, region, name.
pub(crate) static DATABASES: Table<Database> = Table::new("glue.databases");

/// So many are in a page where nothing else is said.
pub(crate) const PAGE: usize = 100;

/// A database.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Database {
    /// Its input as it was given last, in JSON.
    #[n(0)]
    input: String,
    /// Milliseconds since 1970.
    #[n(1)]
    created: i64,
}

impl Database {
    fn of(input: &DatabaseInput, created: i64) -> Result<Self> {
        Ok(Self { input: serde_json::to_string(input).map_err(Failure::broken)?, created })
    }

    fn input(&self) -> Result<DatabaseInput> {
        serde_json::from_str(&self.input).map_err(Failure::broken)
    }

    fn shown(&self, cx: &Cx) -> Result<output::Database> {
        let input = self.input()?;
        Ok(output::Database {
            name: input.name,
            description: input.description,
            location_uri: input.location_uri,
            parameters: input.parameters,
            create_time: Some(moment(self.created)),
            create_table_default_permissions: input.create_table_default_permissions,
            catalog_id: Some(cx.account().to_owned()),
            target_database: None,
            federated_database: None,
        })
    }
}

/// A moment of so many milliseconds since 1970.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

/// The database of a name, in lower case, and the name.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<(String, Database)> {
    let folded = name.to_lowercase();
    let found = DATABASES.get(from, &cx.key(&folded))?.ok_or_else(|| no_database(name))?;
    Ok((folded, found))
}

pub(crate) async fn create(cx: &Cx, input: api::CreateDatabaseInput) -> Result<()> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    let mut wanted = input.database_input;
    wanted.name = wanted.name.to_lowercase();
    cx.write(|tx| {
        if DATABASES.has(tx, &cx.key(&wanted.name))? {
            return Err(errors::already_exists_exception("Database already exists.").into());
        }
        DATABASES.put(tx, &cx.key(&wanted.name), &Database::of(&wanted, cx.now_millis())?);
        Ok(())
    })
    .await
}

pub(crate) fn get(cx: &Cx, input: &api::GetDatabaseInput) -> Result<api::GetDatabaseOutput> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    let (_, found) = find(cx, &cx.read(), &input.name)?;
    Ok(api::GetDatabaseOutput { database: Some(found.shown(cx)?) })
}

pub(crate) fn list(cx: &Cx, input: &api::GetDatabasesInput) -> Result<api::GetDatabasesOutput> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    let rows = DATABASES.all(&cx.read(), &(cx.account(), cx.region()))?;
    let all: Result<Vec<output::Database>> = rows.iter().map(|entry| entry.row.shown(cx)).collect();
    let size = page_size(input.max_results);
    let page = paging::page("GetDatabases", all?, input.next_token.as_deref(), size);
    let (mut database_list, next_token) = page.ok_or_else(|| invalid("Invalid token"))?;
    if let Some(wanted) = &input.attributes_to_get {
        // The only other attribute is where a link leads, and there are no links.
        let named = wanted.iter().any(|attribute| attribute == "NAME");
        let only = |of: output::Database| output::Database {
            name: if named { of.name } else { String::new() },
            ..output::Database::default()
        };
        database_list = database_list.into_iter().map(only).collect();
    }
    Ok(api::GetDatabasesOutput { database_list, next_token })
}

/// How many a page has.
pub(crate) fn page_size(given: Option<i32>) -> usize {
    given.and_then(|size| usize::try_from(size).ok()).unwrap_or(PAGE)
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateDatabaseInput) -> Result<()> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    let mut wanted = input.database_input;
    wanted.name = wanted.name.to_lowercase();
    cx.write(|tx| {
        let (name, before) = find(cx, tx, &input.name)?;
        if wanted.name != name {
            return Err(invalid("Database name cannot be changed."));
        }
        DATABASES.put(tx, &cx.key(&name), &Database::of(&wanted, before.created)?);
        Ok(())
    })
    .await
}

/// Deletes a database with all that is in it.
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteDatabaseInput) -> Result<()> {
    check_catalog(cx, input.catalog_id.as_deref())?;
    cx.write(|tx| {
        let (name, _) = find(cx, tx, &input.name)?;
        TABLES.clear(tx, &cx.key(&name))?;
        VERSIONS.clear(tx, &cx.key(&name))?;
        DATABASES.delete(tx, &cx.key(&name));
        Ok(())
    })
    .await
}
