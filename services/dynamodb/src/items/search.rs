//! Query and Scan.

use super::read::{Chosen, Plan, Select, StartKey, start_item};
use crate::DynamoDb;
use crate::api::form::{self, Attributes};
use crate::api::{QueryInput, QueryOutput, ScanInput, ScanOutput};
use crate::capacity::Reading;
use crate::error::{Error, Result};
use crate::expression::condition::{self, Condition};
use crate::expression::key_condition::{KeyCondition, KeyRange};
use crate::expression::projection::{self, Projection};
use crate::expression::{ExpressionKind, Placeholders};
use crate::key::{KeyValue, segment_range};
use crate::legacy;
use crate::metrics;
use crate::request::{check_parameters, scope, table_name};
use crate::rows::Rows;
use crate::table::{Index, Table};
use std::ops::Bound;
use std::sync::Arc;
use undercast_kernel::Cx;
use undercast_store::Order;

impl DynamoDb {
    /// The items of a partition, in order of their sort keys.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) fn find(&self, cx: &Cx, input: QueryInput) -> Result<QueryOutput> {
        let expressions = [
            ("ProjectionExpression", input.projection_expression.is_some()),
            ("FilterExpression", input.filter_expression.is_some()),
            ("KeyConditionExpression", input.key_condition_expression.is_some()),
        ];
        check_parameters(
            &[
                ("AttributesToGet", input.attributes_to_get.is_some()),
                ("QueryFilter", input.query_filter.is_some()),
                ("ConditionalOperator", input.conditional_operator.is_some()),
                ("KeyConditions", input.key_conditions.is_some()),
            ],
            &expressions,
            input.expression_attribute_names.is_some(),
            input.expression_attribute_values.is_some(),
        )?;
        let filter_name = if input.query_filter.is_some() { "QueryFilter" } else { "Filter Expression" };
        let legacy_filter = legacy::filter(input.query_filter, input.conditional_operator.as_deref())?;
        let legacy_projection = input.attributes_to_get.map(legacy::projection).transpose()?;
        let start = start_item(input.exclusive_start_key)?;
        if input.key_condition_expression.is_none() && input.key_conditions.is_none() {
            return Err(Error::validation(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
            ));
        }
        let placeholders = form::placeholders(input.expression_attribute_names, input.expression_attribute_values)?;
        let of_key = |text: String| condition::parse(ExpressionKind::KeyCondition, &text, &placeholders);
        let of_key = input.key_condition_expression.map(of_key).transpose()?;
        let filter = filter_of(input.filter_expression.as_deref(), &placeholders)?.or(legacy_filter);
        let chosen = Chosen::of(input.projection_expression.is_some(), legacy_projection.is_some());
        let projection = input.projection_expression.map(|text| projection::parse(&text, &placeholders)).transpose()?;
        let projection = projection.or(legacy_projection);
        placeholders.check_all_used()?;
        let condition = match of_key {
            Some(condition) => KeyCondition::of(&condition)?,
            None => legacy::key_conditions(input.key_conditions.into_iter().flatten().collect())?,
        };
        let from = cx.read();
        let table = self.described(cx, &from, &input.table_name)?;
        let index = index_of(&table, input.index_name.as_deref(), "Query")?;
        let reading = reading_of(&table, index, input.consistent_read)?;
        let select = Select::of(input.select.as_deref(), chosen, &table, index)?;
        let schema = index.map_or(&table.key, |index| &index.key);
        let (partitions, sorts) = table.key_attributes(schema);
        let start = start.map(|start| StartKey::of(&table, index, &start)).transpose()?;
        let range = condition.range(&partitions, &sorts)?;
        if let Some(start) = &start {
            check_start(&table, index, &range, start)?;
        }
        table.check_scalar_keys(projection.iter().flat_map(Projection::nested))?;
        check_filter(filter_name, filter.as_ref(), schema.names())?;
        table.check_scalar_keys(nested(filter.as_ref()).into_iter())?;
        let (first, last) = range.bounds();
        let order = if input.scan_index_forward == Some(false) { Order::Descending } else { Order::Ascending };
        let rows = Rows { from: first, to: last, order };
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
        let partition = range.partition;
        let mut plan = Plan { table: &table, index, rows, partition, filter, projection, select, limit, reading };
        plan.check()?;
        if let Some(start) = &start {
            plan.start_behind(start);
        }
        let page = plan.run(&from, scope(cx), &mut self.ledger(cx))?;
        metrics::returned(cx, &table, "Query", page.count);
        Ok(QueryOutput {
            items: page.items,
            count: i32::try_from(page.count).ok(),
            scanned_count: i32::try_from(page.scanned).ok(),
            last_evaluated_key: page.last.map(Attributes::from),
            consumed_capacity: page.consumed.report(input.return_consumed_capacity.as_deref()),
        })
    }

    /// All items, or those of one segment, in the order in which partitions are spread.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) fn look_through(&self, cx: &Cx, input: ScanInput) -> Result<ScanOutput> {
        let expressions = [
            ("ProjectionExpression", input.projection_expression.is_some()),
            ("FilterExpression", input.filter_expression.is_some()),
        ];
        check_parameters(
            &[
                ("AttributesToGet", input.attributes_to_get.is_some()),
                ("ScanFilter", input.scan_filter.is_some()),
                ("ConditionalOperator", input.conditional_operator.is_some()),
            ],
            &expressions,
            input.expression_attribute_names.is_some(),
            input.expression_attribute_values.is_some(),
        )?;
        let legacy_projection = input.attributes_to_get.map(legacy::projection).transpose()?;
        let legacy_filter = legacy::filter(input.scan_filter, input.conditional_operator.as_deref())?;
        let start = start_item(input.exclusive_start_key)?;
        let segment = segment_of(input.segment, input.total_segments)?;
        let placeholders = form::placeholders(input.expression_attribute_names, input.expression_attribute_values)?;
        let filter = filter_of(input.filter_expression.as_deref(), &placeholders)?.or(legacy_filter);
        let chosen = Chosen::of(input.projection_expression.is_some(), legacy_projection.is_some());
        let projection = input.projection_expression.map(|text| projection::parse(&text, &placeholders)).transpose()?;
        let projection = projection.or(legacy_projection);
        placeholders.check_all_used()?;
        let from = cx.read();
        let table = self.described(cx, &from, &input.table_name)?;
        let index = index_of(&table, input.index_name.as_deref(), "Scan")?;
        let reading = reading_of(&table, index, input.consistent_read)?;
        let select = Select::of(input.select.as_deref(), chosen, &table, index)?;
        table.check_scalar_keys(projection.iter().flat_map(Projection::nested))?;
        table.check_scalar_keys(nested(filter.as_ref()).into_iter())?;
        let rows = segment.map_or_else(Rows::all, |(segment, total)| segment_rows(segment, total));
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
        let bounds = rows.clone();
        let partition = Vec::new();
        let mut plan = Plan { table: &table, index, rows, partition, filter, projection, select, limit, reading };
        plan.check()?;
        if let Some(start) = start.map(|start| StartKey::of(&table, index, &start)).transpose()? {
            check_segment(&bounds, &start, segment)?;
            plan.start_behind(&start);
        }
        let page = plan.run(&from, scope(cx), &mut self.ledger(cx))?;
        metrics::returned(cx, &table, "Scan", page.count);
        Ok(ScanOutput {
            items: page.items,
            count: i32::try_from(page.count).ok(),
            scanned_count: i32::try_from(page.scanned).ok(),
            last_evaluated_key: page.last.map(Attributes::from),
            consumed_capacity: page.consumed.report(input.return_consumed_capacity.as_deref()),
        })
    }

    /// The table that a `TableName` means.
    ///
    /// # Errors
    /// When there is none, and when the store fails.
    pub(crate) fn described(&self, cx: &Cx, from: &impl undercast_store::Read, given: &str) -> Result<Arc<Table>> {
        let name = table_name(cx, given)?;
        self.descriptions.get(from, scope(cx), name)?.ok_or_else(Error::resource_not_found)
    }
}

fn filter_of(text: Option<&str>, placeholders: &Placeholders) -> Result<Option<Condition>> {
    Ok(text.map(|text| condition::parse(ExpressionKind::Filter, text, placeholders)).transpose()?)
}

fn index_of<'a>(table: &'a Table, name: Option<&str>, operation: &str) -> Result<Option<&'a Index>> {
    let Some(name) = name else { return Ok(None) };
    if table.vectors.iter().any(|index| index.name == name) {
        return Err(Error::validation(format_args!("{operation} operation not supported on this index type.")));
    }
    let found = table.index(name);
    found
        .map(Some)
        .ok_or_else(|| Error::validation(format_args!("The table does not have the specified index: {name}")))
}

fn reading_of(table: &Table, index: Option<&Index>, consistent: Option<bool>) -> Result<Reading> {
    if consistent != Some(true) {
        return Ok(Reading::Eventual);
    }
    if index.is_some_and(|index| table.is_global(index)) {
        return Err(Error::validation("Consistent reads are not supported on global secondary indexes"));
    }
    Ok(Reading::Consistent)
}

/// A filter of a query is about what the key condition cannot be about.
pub(crate) fn check_filter<'a>(
    what: &str,
    filter: Option<&Condition>,
    mut keys: impl Iterator<Item = &'a str>,
) -> Result<()> {
    let Some(filter) = filter else { return Ok(()) };
    let mut roots: Vec<&str> = Vec::new();
    filter.each_path(&mut |path| roots.push(&path.root));
    match keys.find(|key| roots.contains(key)) {
        None => Ok(()),
        Some(key) => Err(Error::validation(format_args!(
            "{what} can only contain non-primary key attributes: Primary key attribute: {key}"
        ))),
    }
}

/// The attributes that a filter looks into.
pub(crate) fn nested(filter: Option<&Condition>) -> Vec<&str> {
    let mut roots = Vec::new();
    if let Some(filter) = filter {
        filter.each_path(&mut |path| roots.extend(path.is_nested().then_some(path.root.as_str())));
    }
    roots
}

/// The start of a page lies in the partition and in the range that is asked for.
fn check_start(table: &Table, index: Option<&Index>, range: &KeyRange, start: &StartKey) -> Result<()> {
    let schema = index.map_or(&table.key, |index| &index.key);
    let value = |name: &str| start.key.get(name).and_then(KeyValue::from_attribute);
    let sorts: Vec<Option<KeyValue>> = schema.sorts().map(value).collect();
    let equal = range.equal.iter().zip(&sorts).all(|(wanted, found)| found.as_ref() == Some(wanted));
    if !equal || !range.admits(sorts.get(range.equal.len()).and_then(Option::as_ref)) {
        return Err(Error::validation("The provided starting key does not match the range key predicate"));
    }
    if schema.partitions().map(value).eq(range.partition.iter().cloned().map(Some)) {
        return Ok(());
    }
    // What AWS says of it when there is a condition on the sort key, whichever condition it is.
    Err(Error::validation(match range.sort {
        Some(_) => "The query can return at most one row and cannot be restarted",
        None => "The provided starting key is outside query boundaries based on provided conditions",
    }))
}

fn segment_of(segment: Option<i32>, total: Option<i32>) -> Result<Option<(u32, u32)>> {
    match (segment, total) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(Error::validation(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        )),
        (None, Some(_)) => Err(Error::validation(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        )),
        (Some(segment), Some(total)) if segment >= total => Err(Error::validation(format_args!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is not \
             less than TotalSegments: {total}"
        ))),
        (Some(segment), Some(total)) => Ok(u32::try_from(segment).ok().zip(u32::try_from(total).ok())),
    }
}

fn segment_rows(segment: u32, total: u32) -> Rows {
    let (from, to) = segment_range(segment, total);
    let to = to.map_or(Bound::Unbounded, |to| Bound::Excluded(to.to_vec()));
    Rows { from: Bound::Included(from.to_vec()), to, order: Order::Ascending }
}

fn check_segment(bounds: &Rows, start: &StartKey, segment: Option<(u32, u32)>) -> Result<()> {
    let Some((segment, total)) = segment else { return Ok(()) };
    let begun = match &bounds.from {
        Bound::Included(from) => start.place >= *from,
        _ => true,
    };
    let ended = match &bounds.to {
        Bound::Excluded(to) => start.place >= *to,
        _ => false,
    };
    if begun && !ended {
        return Ok(());
    }
    Err(Error::validation(format_args!(
        "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. \
         TotalSegments: {total} Segment: {segment}"
    )))
}
