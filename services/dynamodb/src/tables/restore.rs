//! Making a table of what another holds or held, as both kinds of restoring do it.

use super::describe::{description, restore_summary};
use super::recovery::Instead;
use super::{schema, update};
use crate::DynamoDb;
use crate::api::input::{GlobalSecondaryIndex, LocalSecondaryIndex, OnDemandThroughput, ProvisionedThroughput};
use crate::api::output::TableDescription;
use crate::encryption::Encryption;
use crate::error::{Error, Result};
use crate::request::{scope, table_name};
use crate::rows::{self, Change, Rows, Scope};
use crate::table::{BASE, Billing, Index, IndexProjection, KeySchema, Restored, Table};
use crate::throughput::Allowance;
use crate::throughput::settings::{self, Asked, When, Whose};
use crate::vectors;
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
    /// What it is encrypted with.
    pub(crate) encryption: Option<Encryption>,
}

/// In what the new table differs from the old one.
pub(crate) struct Overrides {
    /// How it is paid for.
    pub(crate) billing: Option<String>,
    /// How much capacity it holds ready.
    pub(crate) throughput: Option<ProvisionedThroughput>,
    /// How much may be asked of it.
    pub(crate) most: Option<OnDemandThroughput>,
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
        if self.descriptions.any(tx, scope(cx), name)?.is_some() {
            return Err(Error::target_exists(name));
        }
        let mut table = Table {
            name: name.to_owned(),
            id: wanted.id.to_owned(),
            created: cx.now_millis(),
            deletion_protection: false,
            class: None,
            ttl: None,
            stream: None,
            recovery: None,
            destinations: None,
            restored: Some(restored.clone()),
            encryption: wanted.encryption.clone(),
            allowance: anew(&source.allowance),
            policy: None,
            insights: None,
            replica: None,
            follows: None,
            stays: None,
            ..source.clone()
        };
        for index in &mut table.global {
            index.allowance = anew(&index.allowance);
            index.insights = None;
        }
        overridden(cx, &mut table, &wanted.overrides)?;
        self.descriptions.attach(&mut table);
        self.watch_key(cx, tx, &table)?;
        rows::put_table(tx, scope(cx), &table);
        copy(tx, scope(cx), source, &table, instead, cx.now_millis())?;
        let mut shown = description(cx, tx, &table, "CREATING")?;
        shown.restore_summary = Some(restore_summary(restored, true));
        Ok(shown)
    }
}

/// What a new table has of what the old one may read and write: not how often that was changed.
fn anew(old: &Allowance) -> Allowance {
    Allowance { decreases: 0, decreased: None, increased: None, ..*old }
}

fn overridden(cx: &Cx, table: &mut Table, overrides: &Overrides) -> Result<()> {
    if overrides.billing.is_some() || overrides.throughput.is_some() {
        let mode = overrides.billing.as_deref();
        match (mode, &overrides.throughput) {
            (None, Some(_)) if table.billing == Billing::OnDemand => {
                return Err(Error::validation(
                    "Cannot override ProvisionedThroughput unless BillingMode is PROVISIONED",
                ));
            }
            (Some("PROVISIONED"), None) => {
                return Err(Error::validation(
                    "Must override ProvisionedThroughput if BillingMode is overridden to PROVISIONED",
                ));
            }
            _ => {}
        }
        let billing = schema::billing(mode, overrides.throughput.as_ref())?;
        if billing == Billing::OnDemand {
            table.on_demand_since = Some(cx.now_millis());
        }
        settings::check_provisioned(cx, billing, Whose::Table)?;
        table.global.iter_mut().for_each(|index| index.billing = billing);
        table.billing = billing;
    }
    if let Some(most) = &overrides.most {
        if table.billing != Billing::OnDemand {
            return Err(Error::validation(
                "Cannot override MaxReadRequestUnits for OnDemandThroughput unless BillingModeOverride is PAY_PER_REQUEST",
            ));
        }
        let asked = Asked { most: Some(most), warm: None };
        asked.follow(cx, &mut table.allowance, table.billing, Whose::Table, When::Made)?;
    }
    let attributes = table.attributes.clone();
    if let Some(wanted) = &overrides.local {
        let mut kept = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let key = schema::key(&wanted.key_schema, &attributes)?;
            kept.push(renamed(&table.local, &wanted.index_name, &key, &schema::projection(&wanted.projection)?)?);
        }
        table.local = kept;
    }
    if let Some(wanted) = &overrides.global {
        let mut kept = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let key = schema::global_key(&wanted.key_schema, &attributes)?;
            let projection = schema::projection(&wanted.projection)?;
            let mut index = renamed(&table.global, &wanted.index_name, &key, &projection)?;
            index.billing = index_billing(table, wanted)?;
            let asked = Asked { most: wanted.on_demand_throughput.as_ref(), warm: wanted.warm_throughput.as_ref() };
            index.allowance = schema::made(cx, index.billing, asked, Whose::Index(&wanted.index_name))?;
            kept.push(index);
        }
        table.global = kept;
    }
    schema::check_together(&table.local, &table.global)?;
    // Two indexes of the new table may be made of one of the old.
    table.next_index = 1;
    for index in table.local.iter_mut().chain(&mut table.global) {
        index.number = schema::next(&mut table.next_index);
    }
    for index in &mut table.vectors {
        index.number = schema::next(&mut table.next_index);
    }
    if table.billing != Billing::OnDemand && !table.vectors.is_empty() {
        return Err(vectors::only_on_demand());
    }
    update::forget_definitions(table);
    Ok(())
}

fn index_billing(table: &Table, wanted: &GlobalSecondaryIndex) -> Result<Billing> {
    let name = &wanted.index_name;
    match (table.billing, &wanted.provisioned_throughput) {
        (Billing::OnDemand, None) => Ok(Billing::OnDemand),
        (Billing::OnDemand, Some(_)) => Err(Error::validation(format_args!(
            "Cannot override ProvisionedThroughput if BillingMode is overridden to PAY_PER_REQUEST for index {name}"
        ))),
        (Billing::Provisioned { .. }, Some(throughput)) => schema::provisioned(throughput),
        (Billing::Provisioned { .. }, None) => {
            Err(Error::validation(format_args!("Must specify provisioned throughput for index {name}")))
        }
    }
}

/// The index with this key and projection, under the name that it shall have.
fn renamed(indexes: &[Index], name: &str, key: &KeySchema, projection: &IndexProjection) -> Result<Index> {
    let found = indexes.iter().find(|index| index.key == *key && index.projection == *projection);
    let index = found.ok_or_else(|| {
        Error::validation(format_args!(
            "Index {name} does not match a secondary index that existed in the source table and cannot be created during the \
             restore operation"
        ))
    })?;
    Ok(Index { name: name.to_owned(), ..index.clone() })
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
        let change = Change { place, old: None, new: Some(item), at: now, expired: false, origin: None };
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
