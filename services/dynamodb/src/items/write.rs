//! One write to one item, as PutItem, UpdateItem, DeleteItem, their batch and their transaction carry it out.

use crate::api::form;
use crate::capacity;
use crate::compact::{self, ItemRef, MapRef};
use crate::error::{Error, Result};
use crate::expression::condition::Condition;
use crate::expression::update::{Change, Update, UpdateError};
use crate::rows::{self, Descriptions, Scope, Written};
use crate::table::{BASE, PrimaryKey, Table};
use crate::throughput::{Ledger, Side, Spot};
use crate::value::{AttributeValue, Item, MAX_ITEM_SIZE};
use crate::vectors;
use bytes::Bytes;
use std::sync::Arc;
use undercast_store::{Read, Tx};

/// A write to one item.
#[derive(Debug)]
pub(crate) struct ItemWrite {
    /// Name of the table.
    pub(crate) table: String,
    /// What is to happen.
    pub(crate) action: Action,
    /// What must hold of the item that is there.
    pub(crate) condition: Option<Condition>,
    /// Whether the item is shown when the condition does not hold.
    pub(crate) show_on_failure: bool,
}

/// What is to happen to an item.
#[derive(Debug)]
pub(crate) enum Action {
    /// This item takes its place.
    Put(NewItem),
    /// This item takes its place, which must be free.
    Insert(NewItem),
    /// The item with this key is changed, or made.
    Update {
        /// The key.
        key: Item,
        /// The changes.
        update: Update,
        /// In what it was asked for.
        style: Style,
    },
    /// The item with this key goes.
    Delete(Item),
    /// Nothing; only the condition is looked at.
    Check(Item),
}

/// In what an update was asked for, on which some of AWS's answers depend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// UpdateItem with an expression. What it writes is weighed with an allowance for each clause.
    Alone,
    /// UpdateItem with `AttributeUpdates`.
    Legacy,
    /// TransactWriteItems.
    Transaction,
}

/// An item to be put, with its stored form.
#[derive(Debug)]
pub(crate) struct NewItem {
    item: Item,
    stored: Bytes,
}

impl NewItem {
    /// An item to be put.
    ///
    /// # Errors
    /// When it is too deep or weighs more than 400 KB.
    pub(crate) fn new(item: Item) -> Result<Self> {
        item.check_depth()?;
        if item.size() > MAX_ITEM_SIZE {
            return Err(Error::validation("Item size has exceeded the maximum allowed size"));
        }
        Ok(Self { stored: stored(&item), item })
    }

    /// Its stored form.
    pub(crate) fn stored(&self) -> Bytes {
        self.stored.clone()
    }

    /// Refuses it when its vectors are not what the table's indexes want.
    ///
    /// # Errors
    /// What AWS says of it.
    pub(crate) fn check_vectors(&self, table: &Table) -> Result<()> {
        if table.vectors.is_empty() {
            return Ok(());
        }
        vectors::check(table, ItemRef::open(&self.stored)?.attributes())
    }

    /// The item.
    pub(crate) fn item(&self) -> &Item {
        &self.item
    }
}

fn stored(item: &Item) -> Bytes {
    let mut bytes = Vec::new();
    compact::encode(item, &mut bytes);
    bytes.into()
}

/// A write that has been carried out.
#[derive(Debug)]
pub(crate) struct Done {
    /// The table.
    pub(crate) table: Arc<Table>,
    /// The place of the item.
    pub(crate) key: PrimaryKey,
    /// The item as it was.
    pub(crate) old: Option<Bytes>,
    /// The item as it is.
    pub(crate) new: Option<Bytes>,
    /// What was written besides.
    pub(crate) written: Written,
}

impl Done {
    /// Sizes of the item as it was and as it is.
    ///
    /// # Errors
    /// When a stored item is damaged.
    pub(crate) fn sizes(&self) -> Result<(Option<usize>, Option<usize>)> {
        let size = |bytes: &Option<Bytes>| -> Result<Option<usize>> {
            Ok(bytes.as_deref().map(ItemRef::open).transpose()?.map(ItemRef::size))
        };
        Ok((size(&self.old)?, size(&self.new)?))
    }
}

impl ItemWrite {
    /// The table that is meant.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn table(&self, from: &impl Read, scope: Scope<'_>, known: &Descriptions) -> Result<Arc<Table>> {
        known.get(from, scope, &self.table)?.ok_or_else(Error::resource_not_found)
    }

    /// The place that is meant.
    ///
    /// # Errors
    /// What AWS says of a key or an item that does not fit the table.
    pub(crate) fn place(&self, table: &Table) -> Result<PrimaryKey> {
        match &self.action {
            Action::Put(new) | Action::Insert(new) => table.place_of(&new.item),
            Action::Update { key, .. } | Action::Delete(key) | Action::Check(key) => table.key_of(key),
        }
    }

    /// Refuses what does not fit the table, before anything is read.
    ///
    /// # Errors
    /// What AWS says of it.
    pub(crate) fn check(&self, table: &Table) -> Result<()> {
        match &self.action {
            Action::Put(new) | Action::Insert(new) => {
                table.check_index_keys(&new.item)?;
                new.check_vectors(table)
            }
            Action::Update { update, .. } => {
                let touched = |name: &&str| update.paths().any(|path| path.root == *name);
                if let Some(name) = table.key.names().find(touched) {
                    return Err(Error::invalid(format_args!(
                        "Cannot update attribute {name}. This attribute is part of the key"
                    )));
                }
                table.check_index_key_updates(update)?;
                let nested = update.paths().filter(|path| path.is_nested());
                table.check_scalar_keys(nested.map(|path| path.root.as_str()))
            }
            Action::Delete(_) | Action::Check(_) => Ok(()),
        }
    }

    /// Carries it out, `now` being in milliseconds since 1970. Each unit that it takes counts so many times.
    ///
    /// # Errors
    /// What AWS says, when the throughput of the table or of an index does not let it in, and when the store fails.
    pub(crate) fn carry_out(
        &self,
        tx: &mut Tx<'_>,
        scope: Scope<'_>,
        known: &Descriptions,
        now: i64,
        (ledger, times): (&mut Ledger<'_>, f64),
    ) -> Result<Done> {
        let table = self.table(tx, scope, known)?;
        let key = self.place(&table)?;
        self.check(&table)?;
        ledger.admit(&table, BASE, Side::Write, Spot::from(&key))?;
        let old = rows::get(tx, scope, &table, &key.bytes)?;
        let before = old.as_deref().map(ItemRef::open).transpose()?;
        if let Some(condition) = &self.condition
            && !condition.holds(before.map_or(MapRef::EMPTY, ItemRef::attributes))?
        {
            // The item that is there was weighed for nothing, and is paid for.
            let units = capacity::write_units(before.map(ItemRef::size), None) * times;
            ledger.note(&table, BASE, Side::Write, Spot::from(&key), units);
            let shown = old.as_deref().filter(|_| self.show_on_failure).map(form::json).transpose()?;
            return Err(Error::conditional_check_failed(shown));
        }
        if matches!(self.action, Action::Insert(_)) && old.is_some() {
            return Err(Error::duplicate_item());
        }
        let new = match &self.action {
            Action::Put(new) | Action::Insert(new) => Some(new.stored.clone()),
            Action::Delete(_) => None,
            Action::Check(_) => {
                let done = Done { table, key, new: old.clone(), old, written: Written::default() };
                ledger.write(&done, times)?;
                return Ok(done);
            }
            Action::Update { key, update, style } => {
                let item = updated(&table, key, update, *style, before)?;
                let new = NewItem { stored: stored(&item), item };
                new.check_vectors(&table)?;
                Some(new.stored)
            }
        };
        let change = rows::Change { place: &key.bytes, old, new, at: now, expired: false, origin: None };
        let written = rows::write(tx, scope, &table, &change)?;
        let rows::Change { old, new, .. } = change;
        let done = Done { table, key, old, new, written };
        ledger.write(&done, times)?;
        Ok(done)
    }
}

fn updated(table: &Table, key: &Item, update: &Update, style: Style, before: Option<ItemRef<'_>>) -> Result<Item> {
    let old = before.map_or_else(|| Ok(key.clone()), ItemRef::to_item)?;
    let new = update.apply(&old, before.is_some()).map_err(|error| match error {
        UpdateError::OperandType if style == Style::Legacy => {
            Error::validation("Type mismatch for attribute to update")
        }
        other => other.into(),
    })?;
    check_updated_index_keys(table, update, &new)?;
    update.paths().filter_map(|path| new.get(&path.root)).try_for_each(AttributeValue::check_depth)?;
    let weight = if style == Style::Alone { new.size().max(written_weight(update, &new)) } else { new.size() };
    if weight > MAX_ITEM_SIZE {
        return Err(Error::validation("Item size to update has exceeded the maximum allowed size"));
    }
    Ok(new)
}

/// What UpdateItem weighs besides the item it makes: what its clauses write, three bytes, and for each clause 19 that sets
/// or adds and 2 that removes or deletes. AWS documents none of it; measured against it in 2026.
fn written_weight(update: &Update, new: &Item) -> usize {
    let of = |action: &crate::expression::update::Action| match &action.change {
        Change::Set(_) | Change::Add(_) if action.path.is_nested() => 19,
        Change::Set(_) | Change::Add(_) => {
            let root = &action.path.root;
            19 + new.get(root).map_or(0, |value| root.len() + value.size())
        }
        Change::Remove | Change::Delete(_) => 2,
    };
    3 + update.actions.iter().map(of).sum::<usize>()
}

/// Refuses an update that gives a key of an index another type, or nothing.
fn check_updated_index_keys(table: &Table, update: &Update, new: &Item) -> Result<()> {
    for name in table.indexes().flat_map(|index| index.key.names()) {
        if !update.paths().any(|path| path.root == *name) {
            continue;
        }
        let Some(value) = new.get(name) else { continue };
        if value.kind() != table.kind(name) {
            return Err(Error::validation(
                "The update expression attempted to update the secondary index key to unsupported type",
            ));
        }
        let empty = match value {
            AttributeValue::S(text) if text.is_empty() => "string",
            AttributeValue::B(bytes) if bytes.is_empty() => "binary",
            _ => continue,
        };
        return Err(Error::validation(format_args!(
            "The update expression attempted to update a secondary index key to a value that is not supported. \
             The AttributeValue for a key attribute cannot contain an empty {empty} value."
        )));
    }
    Ok(())
}
