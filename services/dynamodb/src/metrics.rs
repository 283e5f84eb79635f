//! What CloudWatch is told, in the namespace `AWS/DynamoDB`.
//!
//! Source: "DynamoDB Metrics and dimensions" in the developer guide. Writers come one after the other here, so no transaction
//! meets another one, and `TransactionConflict` has nothing to count. What of a request cannot be read at all is not counted.

use crate::partiql;
use crate::request::each_named;
use crate::rows;
use crate::table::{Billing, Index, Table};
use crate::throughput::Side;
use crate::throughput::pace::{ACCOUNT_QUOTA, TABLE_QUOTA, units};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use undercast_kernel::{Cx, Failure, Kernel, Metric, Result};
use undercast_wire::{Fields, Value};

/// How often it is told what tables are given.
const BETWEEN: Duration = Duration::from_secs(300);

/// Names and values of dimensions.
pub(crate) type Dimensions<'a> = &'a [(&'a str, &'a str)];

fn observe(cx: &Cx, name: &str, unit: &str, dimensions: Dimensions<'_>, value: f64) {
    cx.observe(&Metric { namespace: "AWS/DynamoDB", name, dimensions, unit }, value);
}

/// Counts something.
pub(crate) fn count(cx: &Cx, name: &str, dimensions: Dimensions<'_>, value: f64) {
    observe(cx, name, "Count", dimensions, value);
}

/// Counts something of a table or one of its global indexes.
pub(crate) fn count_of(cx: &Cx, name: &str, table: &Table, index: Option<&Index>, value: f64) {
    match index {
        None => count(cx, name, &[("TableName", &table.name)], value),
        Some(index) => {
            count(cx, name, &[("TableName", &table.name), ("GlobalSecondaryIndexName", &index.name)], value);
        }
    }
}

/// What a request has consumed of a table or one of its global indexes.
pub(crate) fn consumed(cx: &Cx, table: &Table, index: Option<&Index>, side: Side, units: f64) {
    count_of(cx, side.of("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"), table, index, units);
}

/// That a request was not let in; `cause` is the end of the name of the metric that counts why.
pub(crate) fn throttled(cx: &Cx, table: &Table, index: Option<&Index>, side: Side, cause: &str) {
    count_of(cx, side.of("ReadThrottleEvents", "WriteThrottleEvents"), table, index, 1.0);
    count_of(cx, &format!("{}{cause}", side.word()), table, index, 1.0);
}

/// How many items a query or a scan has answered with.
pub(crate) fn returned(cx: &Cx, table: &Table, operation: &str, items: usize) {
    let items = f64::from(u32::try_from(items).unwrap_or(u32::MAX));
    count(cx, "ReturnedItemCount", &[("TableName", &table.name), ("Operation", operation)], items);
}

/// How many bytes of a vector index a search looked at.
pub(crate) fn searched(cx: &Cx, table: &Table, index: &str, bytes: usize) {
    let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
    let dimensions = [("TableName", table.name.as_str()), ("VectorIndexName", index)];
    observe(cx, "VectorSearchRequestBytes", "Bytes", &dimensions, bytes);
}

/// That so many items have expired.
pub(crate) fn expired(cx: &Cx, table: &Table, items: usize) {
    if items > 0 {
        let items = f64::from(u32::try_from(items).unwrap_or(u32::MAX));
        count(cx, "TimeToLiveDeletedItemCount", &[("TableName", &table.name)], items);
    }
}

/// What a request for the records of a stream has answered with, and how long that took.
pub(crate) fn streamed(cx: &Cx, (table, label): (&str, &str), records: usize, bytes: usize, took: Duration) {
    let dimensions = [("TableName", table), ("StreamLabel", label), ("Operation", "GetRecords")];
    let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    count(cx, "ReturnedRecordsCount", &dimensions, float(records));
    observe(cx, "ReturnedBytes", "Bytes", &dimensions, float(bytes));
    observe(cx, "SuccessfulRequestLatency", "Milliseconds", &dimensions, took.as_secs_f64() * 1000.0);
}

/// That a write was brought to a region, so many milliseconds after it was made.
pub(crate) fn replicated(cx: &Cx, table: &Table, region: &str, took: i64) {
    let took = f64::from(u32::try_from(took.max(0)).unwrap_or(u32::MAX));
    let dimensions = [("TableName", table.name.as_str()), ("ReceivingRegion", region)];
    observe(cx, "ReplicationLatency", "Milliseconds", &dimensions, took);
}

/// What a write that was brought to a region is billed there.
pub(crate) fn replicated_units(there: &Cx, units: f64) {
    there.meter("dynamodb", "ReplicatedWriteRequestUnits", units);
}

/// That a new index was filled, with so many units of writing.
pub(crate) fn filled(cx: &Cx, table: &Table, index: &str, units: f64) {
    let dimensions = [("TableName", table.name.as_str()), ("GlobalSecondaryIndexName", index)];
    count(cx, "OnlineIndexConsumedWriteCapacity", &dimensions, units);
    count(cx, "OnlineIndexPercentageProgress", &dimensions, 100.0);
}

/// A request for items, as it is counted when it is over.
pub(crate) struct Counted {
    operation: &'static str,
    tables: Vec<String>,
    began: Instant,
}

impl Counted {
    /// A request for items; `None` for any other.
    pub(crate) fn of(operation: &'static str, input: &Value) -> Option<Self> {
        let input = input.as_fields().filter(|_| crate::operations::DATA.contains(&operation))?;
        let mut tables: Vec<String> = Vec::with_capacity(1);
        each_table(input, &mut |given| {
            // An ARN ends with the name.
            let name = given.rsplit('/').next().unwrap_or(given);
            if !tables.iter().any(|known| known == name) {
                tables.push(name.to_owned());
            }
        });
        Some(Self { operation, tables, began: Instant::now() })
    }

    /// It is over.
    pub(crate) fn over<T>(self, cx: &Cx, result: &Result<T>) {
        let (name, unit, value) = match result {
            Ok(_) => ("SuccessfulRequestLatency", "Milliseconds", self.began.elapsed().as_secs_f64() * 1000.0),
            Err(Failure::Broken(_)) => ("SystemErrors", "Count", 1.0),
            Err(Failure::Aws(error)) if error.code == "ConditionalCheckFailedException" => {
                for table in &self.tables {
                    count(cx, "ConditionalCheckFailedRequests", &[("TableName", table)], 1.0);
                }
                return;
            }
            Err(Failure::Aws(error)) if crate::throughput::reason_code(&error.code).is_some() => {
                ("ThrottledRequests", "Count", 1.0)
            }
            Err(_) => return,
        };
        for table in &self.tables {
            observe(cx, name, unit, &[("TableName", table), ("Operation", self.operation)], value);
        }
    }
}

/// The tables that a request names, by name or by ARN.
fn each_table(input: &Fields, see: &mut impl FnMut(&str)) {
    each_named(input, see);
    let statements = ["Statements", "TransactStatements"].into_iter().filter_map(|name| match input.get(name) {
        Some(Value::List(statements)) => Some(statements),
        _ => None,
    });
    let many = statements.flatten().filter_map(Value::as_fields);
    for text in std::iter::once(input).chain(many).filter_map(|fields| fields.text("Statement")) {
        if let Some(table) = partiql::table_of(text) {
            see(&table);
        }
    }
}

/// A call of an account was refused. What was let in no more, and conditions that did not hold, are counted elsewhere.
pub(crate) fn refused(cx: &Cx, failure: &Failure) {
    if let Failure::Aws(error) = failure
        && error.status == 400
        && error.code != "ConditionalCheckFailedException"
        && crate::throughput::reason_code(&error.code).is_none()
    {
        count(cx, "UserErrors", &[], 1.0);
    }
}

/// Tells every five minutes what tables are given, until the process ends.
pub(crate) async fn tell(kernel: Kernel) {
    loop {
        kernel.clock().sleep(BETWEEN).await;
        if let Err(error) = tell_once(&kernel) {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "what tables are given could not be told");
        }
    }
}

/// What an account gives to its tables together, a side at a time.
#[derive(Default)]
struct Given {
    all: i64,
    most: i64,
}

impl Given {
    fn add(&mut self, units: i64) {
        self.all += units;
        self.most = self.most.max(units);
    }
}

/// Tells once what the tables of all accounts are given.
///
/// # Errors
/// When the store fails.
pub(crate) fn tell_once(kernel: &Kernel) -> crate::error::Result<()> {
    let mut accounts: BTreeMap<(String, String), [Given; 2]> = BTreeMap::new();
    for ((account, region), table) in rows::every_table(&kernel.database().read())? {
        let cx = kernel.cx_for(&account, &region);
        let sides = accounts.entry((account, region)).or_default();
        let own = std::iter::once((None, table.billing));
        for (index, billing) in own.chain(table.global.iter().map(|index| (Some(index), index.billing))) {
            let Billing::Provisioned { read, write } = billing else { continue };
            count_of(&cx, "ProvisionedReadCapacityUnits", &table, index, units(read));
            count_of(&cx, "ProvisionedWriteCapacityUnits", &table, index, units(write));
            let [reading, writing] = sides;
            reading.add(read);
            writing.add(write);
        }
    }
    for ((account, region), [read, write]) in accounts {
        let cx = kernel.cx_for(&account, &region);
        for (side, given) in [("Read", read), ("Write", write)] {
            let percent = |name: &str, part: i64, whole: i64| {
                observe(&cx, name, "Percent", &[], units(part) * 100.0 / units(whole));
            };
            percent(&format!("AccountProvisioned{side}CapacityUtilization"), given.all, ACCOUNT_QUOTA);
            percent(&format!("MaxProvisionedTable{side}CapacityUtilization"), given.most, TABLE_QUOTA);
            count(&cx, &format!("AccountMax{side}s"), &[], units(ACCOUNT_QUOTA));
            count(&cx, &format!("AccountMaxTableLevel{side}s"), &[], units(TABLE_QUOTA));
        }
    }
    Ok(())
}
