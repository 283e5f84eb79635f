//! Which item a write is about, and what is to happen to it.

use super::bind;
use super::problem::StatementProblem;
use super::tree::{Change, Expression, Returning, Select, Statement};
use super::value::Values;
use crate::compact::ValueRef;
use crate::error::{Error, Result};
use crate::expression::Path;
use crate::expression::condition::{Condition, Operand};
use crate::expression::syntax::Comparator;
use crate::expression::update::Update;
use crate::items::write::{Action, ItemWrite, NewItem, Style};
use crate::table::Table;
use crate::value::{AttributeValue, Item};

/// A write of a statement, as far as it is known without its table.
pub(super) enum Draft {
    Insert(NewItem),
    Update(Update, Option<Condition>),
    Delete(Option<Condition>),
    Exists(Option<Condition>),
}

impl Draft {
    /// The write that a statement asks for.
    ///
    /// # Errors
    /// What AWS says of it before it looks at a table.
    pub(super) fn of(statement: &Statement, values: Values<'_>) -> Result<Self> {
        let condition =
            |written: &Option<Expression>| written.as_ref().map(|written| bind::condition(written, values)).transpose();
        if statement.source().1.is_some() && !matches!(statement, Statement::Exists(_)) {
            return Err(StatementProblem::WriteToIndex.into());
        }
        Ok(match statement {
            Statement::Insert { value, .. } => Self::Insert(NewItem::new(values.item(value)?)?),
            Statement::Update { changes, condition: written, .. } => update_of(changes, condition(written)?, values)?,
            Statement::Delete { condition: written, returning, .. } => {
                if let Some(other) = returning.filter(|returning| *returning != Returning::AllOld) {
                    return Err(StatementProblem::DeleteReturning(other.words()).into());
                }
                Self::Delete(condition(written)?)
            }
            Statement::Exists(Select { condition: written, .. }) => Self::Exists(condition(written)?),
            // Callers tell reads from writes before.
            Statement::Select(_) => return Err(StatementProblem::Operation("Select").into()),
        })
    }

    /// The write to this table.
    ///
    /// # Errors
    /// When it does not say which item it is about.
    pub(super) fn on_table(self, table: &Table, show_on_failure: bool) -> Result<ItemWrite> {
        let name = table.name.clone();
        let (action, condition) = match self {
            Self::Insert(item) => (Action::Insert(item), None),
            Self::Update(update, condition) => {
                let (key, rest) = key_of(table, condition, Twice::Refused)?;
                // An UPDATE changes what is there, and makes nothing.
                let there = Condition::AttributeExists(Path::attribute(&table.key.partition));
                (Action::Update { key, update, style: Style::Transaction }, all(std::iter::once(there).chain(rest)))
            }
            Self::Delete(condition) => {
                let (key, rest) = key_of(table, condition, Twice::Refused)?;
                (Action::Delete(key), all(rest))
            }
            Self::Exists(condition) => {
                let (key, rest) =
                    key_of(table, condition, Twice::Kept).map_err(|_| StatementProblem::ExistsCondition)?;
                if rest.is_empty() {
                    return Err(StatementProblem::ExistsCondition.into());
                }
                (Action::Check(key), all(rest))
            }
        };
        Ok(ItemWrite { table: name, action, condition, show_on_failure })
    }
}

fn update_of(changes: &[Change], condition: Option<Condition>, values: Values<'_>) -> Result<Draft> {
    Ok(Draft::Update(bind::update(changes, values)?, condition))
}

/// The conjunction of conditions, if there are any.
fn all(parts: impl IntoIterator<Item = Condition>) -> Option<Condition> {
    let mut parts: Vec<Condition> = parts.into_iter().collect();
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(Condition::And(parts)),
    }
}

/// What becomes of a second value for one key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Twice {
    Refused,
    /// It stays a condition, which then fails.
    Kept,
}

/// The key that a condition is about, and the rest of the condition.
///
/// # Errors
/// When it does not say what each attribute of the key is equal to.
fn key_of(table: &Table, condition: Option<Condition>, twice: Twice) -> Result<(Item, Vec<Condition>)> {
    let mut parts = Vec::new();
    if let Some(condition) = condition {
        flatten(condition, &mut parts);
    }
    let mut key = Item::new();
    let mut rest = Vec::new();
    for part in parts {
        match key_part(table, &part)? {
            None => rest.push(part),
            Some((name, value)) => match key.get(&name) {
                None => {
                    key.insert(name, value);
                }
                Some(known) if *known == value => {}
                Some(_) if twice == Twice::Kept => rest.push(part),
                Some(_) => return Err(StatementProblem::KeyTwice(name.into()).into()),
            },
        }
    }
    if key.len() < table.key.names().count() {
        return Err(StatementProblem::KeyMissing.into());
    }
    Ok((key, rest))
}

fn flatten(condition: Condition, parts: &mut Vec<Condition>) {
    match condition {
        Condition::And(inner) => inner.into_iter().for_each(|part| flatten(part, parts)),
        other => parts.push(other),
    }
}

/// The attribute of the key that a condition says the value of, and that value.
fn key_part(table: &Table, condition: &Condition) -> Result<Option<(String, AttributeValue)>> {
    let Condition::Compare { comparator: Comparator::Equal, left, right } = condition else { return Ok(None) };
    let ((Operand::Path(path), Operand::Value(value)) | (Operand::Value(value), Operand::Path(path))) = (left, right)
    else {
        return Ok(None);
    };
    if path.is_nested() || !table.key.names().any(|name| name == path.root) {
        return Ok(None);
    }
    let value = value.value().and_then(ValueRef::to_value).map_err(Error::from)?;
    Ok(Some((path.root.clone(), value)))
}
