//! The permissions that statements need.

use super::parse;
use super::reads;
use super::tree::{Change, Expression, Select, Statement};
use super::value::Values;
use super::write;
use crate::DynamoDb;
use crate::error::Result;
use crate::items::write::Action;
use crate::permission::{is_asked, of_table, resource_tags};
use crate::request::{scope, table_arn, table_name};
use crate::table::Table;
use crate::value::{AttributeValue, base64};
use std::sync::Arc;
use undercast_kernel::{Access, Cx};

/// The permission that a statement needs. None for one that is not of the grammar: it is refused, whoever asks.
///
/// # Errors
/// When the store fails.
pub(crate) fn on_statement(
    service: &DynamoDb,
    cx: &Cx,
    text: &str,
    values: &[AttributeValue],
    operation: &'static str,
) -> Result<Vec<Access>> {
    let Ok(statement) = parse::statement(text) else { return Ok(Vec::new()) };
    let (given, index) = statement.source();
    let Ok(name) = table_name(cx, given) else { return Ok(Vec::new()) };
    let arn = table_arn(cx, name);
    let resource = index.map_or_else(|| arn.clone(), |index| format!("{arn}/index/{index}"));
    let action = match &statement {
        Statement::Select(_) | Statement::Exists(_) => "PartiQLSelect",
        Statement::Insert { .. } => "PartiQLInsert",
        Statement::Update { .. } => "PartiQLUpdate",
        Statement::Delete { .. } => "PartiQLDelete",
    };
    if service.asks_nothing(cx, cx)? {
        return Ok(vec![Access::new(format!("dynamodb:{action}"), resource)]);
    }
    let known = service.descriptions.get(&cx.read(), scope(cx), name)?;
    let mut access = of_table(cx, Access::new(format!("dynamodb:{action}"), resource), &arn, known.as_deref())?;
    if !is_asked(cx, &access) {
        return Ok(vec![access]);
    }
    access.context.set("dynamodb:EnclosingOperation", operation);
    let attributes = attributes(&statement);
    if !attributes.is_empty() {
        access.context.set_many("dynamodb:Attributes", attributes);
    }
    if let Some(table) = known {
        resource_tags(cx, &mut access, &table)?;
        let values = Values { parameters: values };
        let keys = match &statement {
            Statement::Select(select) => selected(&mut access, select, &table, values),
            write => written(write, &table, values),
        };
        if !keys.is_empty() {
            access.context.set_many("dynamodb:LeadingKeys", keys);
        }
    }
    Ok(vec![access])
}

fn text_of(value: &AttributeValue) -> Option<String> {
    match value {
        AttributeValue::S(text) => Some(text.clone()),
        AttributeValue::N(number) => Some(number.to_string()),
        AttributeValue::B(bytes) => Some(base64(bytes)),
        _ => None,
    }
}

/// The partitions that a SELECT reads, and whether it looks through everything. One that cannot be carried out counts as
/// looking through everything.
fn selected(access: &mut Access, select: &Select, table: &Arc<Table>, values: Values<'_>) -> Vec<String> {
    let planned = reads::Draft::of(select, values).and_then(|draft| draft.on_table(table, false));
    let scans = planned.as_ref().map_or(true, reads::Planned::scans);
    access.context.set("dynamodb:FullTableScan", if scans { "true" } else { "false" });
    let partitions = planned.iter().flat_map(reads::Planned::partitions);
    partitions.filter_map(|key| text_of(&reads::attribute(key))).collect()
}

/// The partition that a write is about.
fn written(statement: &Statement, table: &Arc<Table>, values: Values<'_>) -> Vec<String> {
    let write = write::Draft::of(statement, values).and_then(|draft| draft.on_table(table, false));
    let Ok(write) = write else { return Vec::new() };
    let partition = &table.key.partition;
    let value = match &write.action {
        Action::Put(new) | Action::Insert(new) => new.item().get(partition),
        Action::Update { key, .. } | Action::Delete(key) | Action::Check(key) => key.get(partition),
    };
    value.and_then(text_of).into_iter().collect()
}

/// The attributes that a statement names, outside of conditions.
fn attributes(statement: &Statement) -> Vec<String> {
    let mut found: Vec<String> = match statement {
        Statement::Select(select) | Statement::Exists(select) => {
            let columns = select.columns.iter().flatten();
            columns
                .filter_map(|column| match column {
                    Expression::Path(path, _) => Some(path.root.clone()),
                    _ => None,
                })
                .collect()
        }
        Statement::Insert { value: Expression::Map(members), .. } => {
            members.iter().map(|(name, _)| name.clone()).collect()
        }
        Statement::Update { changes, .. } => changes
            .iter()
            .map(|change| match change {
                Change::Set(path, _) | Change::Remove(path) => path.root.clone(),
            })
            .collect(),
        Statement::Insert { .. } | Statement::Delete { .. } => Vec::new(),
    };
    found.sort_unstable();
    found.dedup();
    found
}
