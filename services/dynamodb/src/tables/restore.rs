//! Making a table of what another holds or held, as both kinds of restoring do it.

use super::describe::{description, restore_summary};
use super::recovery::Instead;
use super::{schema, update};
use crate::DynamoDb;
use crate::api::input::{GlobalSecondaryIndex, LocalSecondaryIndex, ProvisionedThroughput};
use crate::api::output::TableDescription;
use crate::error::{Error, Result};
use crate::request::{scope, table_name};
use crate::rows::{self, Change, Rows, Scope};
use crate::table::{BASE, Billing, Index, Restored, Table};
use bytes::Bytes;
use undercast_kernel::Cx;
use undercast_store::Tx;

/// How many items are copied at a time.
const STEP: usize = 1000;

/// The table that is to be made.
pub(crate) struct Wanted<'a> {
    /// Its name, as the request gives it.
    pub(crate) table: &'a str,
    /// Its id.
    pub(crate) id: &'a str,
    /// In what it differs from the old one.
    pub(crate) overrides: Overrides,
}

/// In what the new table differs from the old one.
pub(crate) struct Overrides {
    /// How it is paid for.
    pub(crate) billing: Option<String>,
    /// How much capacity it holds ready.
    pub(crate) throughput: Option<ProvisionedThroughput>,
    /// Which global indexes it keeps.
    pub(crate) global: Option<Vec<GlobalSecondaryIndex>>,
    /// Which local indexes it keeps.
    pub(crate) local: Option<Vec<LocalSecondaryIndex>>,
}

impl DynamoDb {
    /// Makes the table that is wanted of what `source` holds, with other items in place of some.
    ///
    /// # Errors
    /// When there is a table of that name, when an override does not fit, and when the store fails.
    pub(crate) fn restore(
        &self,
        cx: &Cx,
        tx: &mut Tx<'_>,
        source: &Table,
        restored: &Restored,
        wanted: &Wanted<'_>,
        instead: &Instead,
    ) -> Result<TableDescription> {
        let name = table_name(cx, wanted.table)?;
        if self.descriptions.get(tx, scope(cx), name)?.is_some() {
            return Err(Error::target_exists(name));
        }
        let mut table = Table {
            name: name.to_owned(),
            id: wanted.id.to_owned(),
            created: cx.now_millis(),
            deletion_protection: false,
            ttl: None,
            stream: None,
            recovery: None,
            restored: Some(restored.clone()),
            ..source.clone()
        };
        overridden(cx, &mut table, &wanted.overrides)?;
        rows::put_table(tx, scope(cx), &table);
        copy(tx, scope(cx), source, &table, instead, cx.now_millis())?;
        let mut shown = description(cx, tx, &table, "CREATING")?;
        shown.restore_summary = Some(restore_summary(restored, true));
        Ok(shown)
    }
}

fn overridden(cx: &Cx, table: &mut Table, overrides: &Overrides) -> Result<()> {
    if overrides.billing.is_some() || overrides.throughput.is_some() {
        let billing = schema::billing(overrides.billing.as_deref(), overrides.throughput.as_ref())?;
        if billing == Billing::OnDemand {
            table.on_demand_since = Some(cx.now_millis());
        }
        table.global.iter_mut().for_each(|index| index.billing = billing);
        table.billing = billing;
    }
    if let Some(wanted) = &overrides.local {
        let names: Vec<&str> = wanted.iter().map(|index| index.index_name.as_str()).collect();
        keep(&mut table.local, &names)?;
    }
    if let Some(wanted) = &overrides.global {
        let names: Vec<&str> = wanted.iter().map(|index| index.index_name.as_str()).collect();
        keep(&mut table.global, &names)?;
        for wanted in wanted {
            let index = table.global.iter_mut().find(|index| index.name == wanted.index_name);
            if let (Some(index), Some(throughput)) = (index, &wanted.provisioned_throughput) {
                index.billing = schema::index_billing(&wanted.index_name, table.billing, Some(throughput))?;
            }
        }
    }
    update::forget_definitions(table);
    Ok(())
}

/// Keeps the indexes that are named, all of which must be there.
fn keep(indexes: &mut Vec<Index>, names: &[&str]) -> Result<()> {
    if let Some(other) = names.iter().find(|name| !indexes.iter().any(|index| index.name == **name)) {
        return Err(Error::invalid(format_args!("Index {other} does not exist in the source")));
    }
    indexes.retain(|index| names.contains(&index.name.as_str()));
    Ok(())
}

/// Writes what one table holds into another, with other items in place of some.
///
/// # Errors
/// When the store fails or a stored item is damaged.
pub(crate) fn copy(
    tx: &mut Tx<'_>,
    scope: Scope<'_>,
    from: &Table,
    to: &Table,
    instead: &Instead,
    now: i64,
) -> Result<()> {
    let write = |tx: &mut Tx<'_>, place: &[u8], item: Bytes| -> Result<()> {
        let change = Change { place, old: None, new: Some(item), at: now, expired: false };
        rows::write(tx, scope, to, &change).map(drop)
    };
    let mut rows = Rows::all();
    loop {
        let found = rows::scan(tx, scope, from, BASE, &rows, STEP)?;
        let Some((last, _)) = found.last() else { break };
        rows = Rows::all().after(last);
        for (place, item) in found {
            if !instead.contains_key(&place) {
                write(tx, &place, item)?;
            }
        }
    }
    for (place, item) in instead {
        if let Some(item) = item {
            write(tx, place, item.clone())?;
        }
    }
    Ok(())
}
