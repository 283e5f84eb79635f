//! How tables are described: DescribeTable, ListTables, DescribeLimits, DescribeEndpoints.

use crate::DynamoDb;
use crate::api::output::{
    AttributeDefinition, BillingModeSummary, Endpoint, GlobalSecondaryIndexDescription, KeySchemaElement,
    LocalSecondaryIndexDescription, Projection, RestoreSummary, StreamSpecification, TableClassSummary,
    TableDescription,
};
use crate::api::{
    DescribeEndpointsOutput, DescribeLimitsOutput, DescribeTableOutput, ListTablesInput, ListTablesOutput,
};
use crate::encryption;
use crate::error::{Error, Result};
use crate::global::{self, Standing};
use crate::request::{scope, table_arn, table_name};
use crate::rows::{self, Counts};
use crate::streams::stream_arn;
use crate::table::{BASE, Billing, Index, IndexProjection, KeySchema, Restored, Table};
use crate::throughput::pace::{ACCOUNT_QUOTA, TABLE_QUOTA};
use crate::throughput::settings;
use crate::vectors;
use std::sync::Arc;
use undercast_kernel::{Cx, Timestamp};
use undercast_store::Read;

/// Most tables of one page of ListTables.
const MAX_LISTED: usize = 100;

impl DynamoDb {
    /// What a table is and holds.
    ///
    /// # Errors
    /// When there is none, and when the store fails.
    pub(crate) fn describe(&self, cx: &Cx, given: &str) -> Result<DescribeTableOutput> {
        let from = cx.read();
        let name = table_name(cx, given)?;
        // A replica that is being made can be described, and nothing else.
        let table = self.descriptions.any(&from, scope(cx), name)?.ok_or_else(|| Error::table_not_found(name))?;
        let mut shown = description(cx, &from, &table, status(&table))?;
        shown.warm_throughput = Some(settings::warm(self.throughput.warm(&table, None)));
        for (index, shown) in table.global.iter().zip(shown.global_secondary_indexes.iter_mut().flatten()) {
            shown.warm_throughput = Some(settings::warm_index(self.throughput.warm(&table, Some(index))));
        }
        Ok(DescribeTableOutput { table: Some(shown) })
    }

    /// The table that a `TableName` means, in the words of operations on tables.
    ///
    /// # Errors
    /// When there is none, and when the store fails.
    pub(crate) fn table_of(&self, cx: &Cx, from: &impl Read, given: &str) -> Result<Arc<Table>> {
        let name = table_name(cx, given)?;
        let table = self.descriptions.any(from, scope(cx), name)?;
        table.filter(|table| !table.comes_or_goes()).ok_or_else(|| Error::table_not_found(name))
    }

    /// The same for what cannot be done while the table is being made.
    ///
    /// # Errors
    /// When there is none, or it is being made, and when the store fails.
    pub(crate) fn settled(&self, cx: &Cx, from: &impl Read, given: &str) -> Result<Arc<Table>> {
        let table = self.table_of(cx, from, given)?;
        if table.importing { Err(Error::table_in_creation(&table.name)) } else { Ok(table) }
    }

    /// The names of tables, a page at a time.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn list(&self, cx: &Cx, input: &ListTablesInput) -> Result<ListTablesOutput> {
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MAX_LISTED);
        let after = input.exclusive_start_table_name.as_deref();
        let mut tables = rows::list_tables(&cx.read(), scope(cx), after, limit + 1)?;
        let more = tables.len() > limit;
        tables.truncate(limit);
        let names: Vec<String> = tables.into_iter().map(|table| table.name).collect();
        Ok(ListTablesOutput {
            last_evaluated_table_name: names.last().filter(|_| more).cloned(),
            table_names: Some(names),
        })
    }
}

/// The quotas that an account begins with.
pub(crate) fn limits() -> DescribeLimitsOutput {
    DescribeLimitsOutput {
        account_max_read_capacity_units: Some(ACCOUNT_QUOTA),
        account_max_write_capacity_units: Some(ACCOUNT_QUOTA),
        table_max_read_capacity_units: Some(TABLE_QUOTA),
        table_max_write_capacity_units: Some(TABLE_QUOTA),
    }
}

/// Where the caller has found us. An SDK that asks goes on there.
pub(crate) fn endpoints(cx: &Cx) -> DescribeEndpointsOutput {
    let here = Endpoint { address: cx.origin().host.clone(), cache_period_in_minutes: 1440 };
    DescribeEndpointsOutput { endpoints: vec![here] }
}

/// How a table stands.
pub(crate) fn status(table: &Table) -> &'static str {
    let inaccessible = table.encryption.as_ref().is_some_and(|encryption| encryption.inaccessible.is_some());
    let standing = table.replica.as_ref().map_or(Standing::Active, |replica| replica.standing);
    match (table.importing, inaccessible) {
        (true, _) => "CREATING",
        (false, true) => "INACCESSIBLE_ENCRYPTION_CREDENTIALS",
        (false, false) => standing.name(),
    }
}

/// A table as answers describe it.
///
/// # Errors
/// When the store fails.
pub(crate) fn description(cx: &Cx, from: &impl Read, table: &Table, status: &str) -> Result<TableDescription> {
    let counts = rows::counts(from, scope(cx), table, BASE)?;
    let arn = table_arn(cx, &table.name);
    let local =
        table.local.iter().map(|index| local_index(cx, from, table, index, &arn)).collect::<Result<Vec<_>>>()?;
    let global = table
        .global
        .iter()
        .map(|index| global_index(cx, from, table, index, &arn, "ACTIVE"))
        .collect::<Result<Vec<_>>>()?;
    let vectors = table.vectors.iter().map(|index| vectors::description(cx, from, table, index, "ACTIVE"));
    let vectors = vectors.collect::<Result<Vec<_>>>()?;
    let definition = |known: &crate::table::KeyDefinition| AttributeDefinition {
        attribute_name: known.name.clone(),
        attribute_type: known.code.clone(),
    };
    let mut shown = TableDescription {
        attribute_definitions: Some(table.attributes.iter().map(definition).collect()),
        table_name: Some(table.name.clone()),
        key_schema: Some(key_schema(&table.key)),
        table_status: Some(status.to_owned()),
        creation_date_time: Timestamp::from_millisecond(table.created).ok(),
        provisioned_throughput: Some(settings::provisioned(cx, table.billing, &table.allowance)),
        on_demand_throughput: settings::most(&table.allowance),
        warm_throughput: Some(settings::warm(table.allowance.warm(table.billing))),
        table_size_bytes: Some(counts.bytes),
        item_count: Some(counts.items),
        table_arn: Some(arn),
        table_id: Some(table.id.clone()),
        billing_mode_summary: billing_summary(table),
        local_secondary_indexes: (!local.is_empty()).then_some(local),
        global_secondary_indexes: (!global.is_empty()).then_some(global),
        vector_indexes: (!vectors.is_empty()).then_some(vectors),
        table_class_summary: table
            .class
            .clone()
            .map(|class| TableClassSummary { table_class: Some(class), ..TableClassSummary::default() }),
        deletion_protection_enabled: Some(table.deletion_protection),
        disassociation_protection_enabled: table.stays,
        stream_specification: table.stream.as_ref().filter(|stream| stream.enabled).map(|stream| StreamSpecification {
            stream_enabled: true,
            stream_view_type: Some(stream.view.name().to_owned()),
        }),
        latest_stream_label: table.stream.as_ref().map(|stream| stream.label.clone()),
        latest_stream_arn: table.stream.as_ref().map(|stream| stream_arn(cx, &table.name, &stream.label)),
        sse_description: encryption::description(table),
        restore_summary: table.restored.as_ref().map(|restored| restore_summary(restored, false)),
        ..TableDescription::default()
    };
    global::describe(cx, from, table, &mut shown)?;
    Ok(shown)
}

/// What a table was restored from.
pub(crate) fn restore_summary(restored: &Restored, in_progress: bool) -> RestoreSummary {
    RestoreSummary {
        source_backup_arn: restored.backup.clone(),
        source_table_arn: Some(restored.table.clone()),
        restore_date_time: moment(restored.at),
        restore_in_progress: in_progress,
    }
}

/// A moment in milliseconds since 1970.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(crate) fn key_schema(key: &KeySchema) -> Vec<KeySchemaElement> {
    let element =
        |name: &str, kind: &str| KeySchemaElement { attribute_name: name.to_owned(), key_type: kind.to_owned() };
    let sorts = key.sorts().map(|name| element(name, "RANGE"));
    key.partitions().map(|name| element(name, "HASH")).chain(sorts).collect()
}

/// AWS leaves the summary out for a table that was never paid for by request.
fn billing_summary(table: &Table) -> Option<BillingModeSummary> {
    let since = table.on_demand_since?;
    let mode = match table.billing {
        Billing::OnDemand => "PAY_PER_REQUEST",
        Billing::Provisioned { .. } => "PROVISIONED",
    };
    Some(BillingModeSummary {
        billing_mode: Some(mode.to_owned()),
        last_update_to_pay_per_request_date_time: Timestamp::from_millisecond(since).ok(),
    })
}

pub(crate) fn projection(of: &IndexProjection) -> Projection {
    let (kind, names) = match of {
        IndexProjection::All => ("ALL", None),
        IndexProjection::KeysOnly => ("KEYS_ONLY", None),
        IndexProjection::Include(names) => ("INCLUDE", Some(names.clone())),
    };
    Projection { projection_type: Some(kind.to_owned()), non_key_attributes: names }
}

fn local_index(
    cx: &Cx,
    from: &impl Read,
    table: &Table,
    index: &Index,
    arn: &str,
) -> Result<LocalSecondaryIndexDescription> {
    let Counts { items, bytes } = rows::counts(from, scope(cx), table, index.number)?;
    Ok(LocalSecondaryIndexDescription {
        index_name: Some(index.name.clone()),
        key_schema: Some(key_schema(&index.key)),
        projection: Some(projection(&index.projection)),
        index_size_bytes: Some(bytes),
        item_count: Some(items),
        index_arn: Some(format!("{arn}/index/{}", index.name)),
    })
}

/// A global index as answers describe it.
///
/// # Errors
/// When the store fails.
pub(crate) fn global_index(
    cx: &Cx,
    from: &impl Read,
    table: &Table,
    index: &Index,
    arn: &str,
    status: &str,
) -> Result<GlobalSecondaryIndexDescription> {
    let Counts { items, bytes } = rows::counts(from, scope(cx), table, index.number)?;
    Ok(GlobalSecondaryIndexDescription {
        index_name: Some(index.name.clone()),
        key_schema: Some(key_schema(&index.key)),
        projection: Some(projection(&index.projection)),
        index_status: Some(status.to_owned()),
        provisioned_throughput: Some(settings::provisioned(cx, index.billing, &index.allowance)),
        on_demand_throughput: settings::most(&index.allowance),
        warm_throughput: Some(settings::warm_index(index.allowance.warm(index.billing))),
        index_size_bytes: Some(bytes),
        item_count: Some(items),
        index_arn: Some(format!("{arn}/index/{}", index.name)),
        ..GlobalSecondaryIndexDescription::default()
    })
}
