//! Carrying out a SELECT.

use super::bind;
use super::problem::StatementProblem;
use super::select::{Keys, Read, Reads};
use super::tree::Select;
use super::value::Values;
use crate::api::form::Attributes;
use crate::capacity::Reading;
use crate::compact::{self, ItemRef};
use crate::error::{Error, Result};
use crate::expression::condition::Condition;
use crate::expression::projection::Projection;
use crate::items::consumed::Consumed;
use crate::items::read::{MAX_PAGE, Plan, Select as Chosen, StartKey};
use crate::items::search::nested;
use crate::key::KeyValue;
use crate::rows::{Rows, Scope};
use crate::table::{BASE, Index, Table};
use crate::throughput::Ledger;
use crate::value::{AttributeValue, Item, base64};
use std::collections::HashSet;
use std::sync::Arc;
use undercast_kernel::paging;
use undercast_store::{Order, Read as Source};
use undercast_wire::text;

/// A SELECT, as far as it is known without its table.
pub(super) struct Draft<'a> {
    written: &'a Select,
    condition: Option<Condition>,
    projection: Option<Projection>,
}

/// A SELECT of a table.
pub(super) struct Planned<'a> {
    table: &'a Arc<Table>,
    index: Option<&'a Index>,
    condition: Option<Condition>,
    projection: Option<Projection>,
    reads: Reads,
}

/// What one call reads of what a SELECT reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portion<'a> {
    /// What tells the statement from others, for tokens.
    pub(super) scope: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) limit: Option<usize>,
    pub(super) reading: Reading,
}

/// What was read.
pub(super) struct Page {
    pub(super) items: Vec<Attributes>,
    pub(super) token: Option<String>,
    pub(super) last: Option<Item>,
    pub(super) consumed: Consumed,
}

impl<'a> Draft<'a> {
    /// The SELECT with the parameters put in.
    ///
    /// # Errors
    /// What AWS says of it before it looks at a table.
    pub(super) fn of(written: &'a Select, values: Values<'_>) -> Result<Self> {
        let condition = written.condition.as_ref().map(|condition| bind::condition(condition, values)).transpose()?;
        Ok(Self { written, condition, projection: None })
    }

    /// What is read of a table for it.
    ///
    /// # Errors
    /// What AWS says of it.
    pub(super) fn on_table(mut self, table: &'a Arc<Table>, consistent: bool) -> Result<Planned<'a>> {
        let index = match &self.written.source.index {
            None => None,
            Some(name) => Some(table.index(name).ok_or(StatementProblem::NoIndex)?),
        };
        if let Some(index) = index {
            if index.key.partitions().count() > 1 || index.key.sorts().count() > 1 {
                return Err(StatementProblem::ManyKeyAttributes.into());
            }
            if consistent && table.is_global(index) {
                return Err(StatementProblem::ConsistentIndex.into());
            }
        }
        self.projection = self.written.columns.as_deref().map(bind::columns).transpose()?;
        table.check_scalar_keys(self.projection.iter().flat_map(Projection::nested))?;
        table.check_scalar_keys(nested(self.condition.as_ref()).into_iter())?;
        let keys = Keys::of(table, index);
        let reads = self.condition.as_ref().map(|condition| keys.reads(condition)).transpose()?.flatten();
        let reads = keys.ordered(reads, &self.written.order, self.condition.is_some())?;
        if let (Some(index), Reads::Keyed { reads, .. }) = (index, &reads) {
            check_filters(table, index, reads)?;
        }
        let Self { condition, projection, .. } = self;
        Ok(Planned { table, index, condition, projection, reads })
    }
}

/// Refuses a read of an index whose filters are about what the index does not have, in each of its alternatives.
fn check_filters(table: &Table, index: &Index, reads: &[Read]) -> Result<()> {
    let mut last = Vec::new();
    for read in reads {
        let mut names: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        for filter in &read.filters {
            filter.each_path(&mut |path| {
                if seen.insert(path.root.clone()) && !index.projects(table, &path.root) {
                    names.push(path.root.clone());
                }
            });
        }
        if names.is_empty() {
            return Ok(());
        }
        last = names;
    }
    if last.is_empty() {
        return Ok(());
    }
    let (index, names) = (index.name.as_str().into(), last.join(", ").into());
    Err(StatementProblem::FilterNotProjected { index, names }.into())
}

impl<'a> Planned<'a> {
    /// Whether everything is looked through.
    pub(super) fn scans(&self) -> bool {
        matches!(self.reads, Reads::Scan)
    }

    /// The partitions that are read.
    pub(super) fn partitions(&self) -> impl Iterator<Item = &KeyValue> {
        let reads: &[Read] = match &self.reads {
            Reads::Keyed { reads, .. } => reads,
            Reads::Scan => &[],
        };
        reads.iter().map(|read| &read.partition)
    }

    /// The parts of the items that are answered.
    pub(super) fn projection(&self) -> Option<&Projection> {
        self.projection.as_ref()
    }

    /// The key of the one item that it is about, if the key is all that it asks for.
    pub(super) fn only_key(&self) -> Option<Item> {
        let Reads::Keyed { reads, .. } = &self.reads else { return None };
        let [read] = reads.as_slice() else { return None };
        if self.index.is_some() || !read.filters.is_empty() {
            return None;
        }
        let sort = match (&self.table.key.sort, &read.sort) {
            (None, None) => None,
            (Some(name), Some(value)) => Some((name.clone(), attribute(value))),
            _ => return None,
        };
        Some(std::iter::once((self.table.key.partition.clone(), attribute(&read.partition))).chain(sort).collect())
    }

    /// Reads a page.
    ///
    /// # Errors
    /// What AWS says of the token, and when the store fails.
    pub(super) fn run(
        &self,
        from: &impl Source,
        scope: Scope<'_>,
        portion: Portion<'_>,
        ledger: &mut Ledger<'_>,
    ) -> Result<Page> {
        let reads: Vec<(Rows, Option<Condition>)> = match &self.reads {
            Reads::Scan => vec![(Rows::all(), self.condition.clone())],
            Reads::Keyed { reads, descends } => {
                let order = if *descends { Order::Descending } else { Order::Ascending };
                reads.iter().map(|read| rows_of(read, order)).collect()
            }
        };
        let start = portion.token.map(|token| position(portion.scope, token)).transpose()?;
        let (first, mut behind) = start.unwrap_or((0, None));
        let (mut bytes, end) = (0, reads.len().saturating_sub(1));
        let number = self.index.map_or(BASE, |index| index.number);
        let mut page = Page {
            items: Vec::new(),
            token: None,
            last: None,
            consumed: Consumed::reading(self.table.clone(), number, 0.0),
        };
        let mut left = portion.limit;
        for (place, (rows, filter)) in reads.into_iter().enumerate().skip(first) {
            if super::bounds::is_empty(&(rows.from.clone(), rows.to.clone())) {
                continue;
            }
            let found = self.read(from, scope, (rows, filter), behind.take(), left, (portion.reading, &mut *ledger))?;
            page.items.extend(found.items.into_iter().flatten());
            page.consumed.merge(&found.consumed);
            left = left.map(|left| left.saturating_sub(found.scanned));
            bytes += found.bytes;
            if let Some(last) = found.last {
                page.token = Some(token(portion.scope, place, Some(&last)));
                page.last = Some(last);
                break;
            }
            // Partitions that are small by themselves may be much together.
            if bytes >= MAX_PAGE && place < end {
                page.token = Some(token(portion.scope, place + 1, None));
                break;
            }
        }
        Ok(page)
    }

    fn read(
        &self,
        from: &impl Source,
        scope: Scope<'_>,
        (rows, filter): (Rows, Option<Condition>),
        behind: Option<Item>,
        limit: Option<usize>,
        (reading, ledger): (Reading, &mut Ledger<'_>),
    ) -> Result<crate::items::read::Page> {
        let select = match (&self.projection, self.index) {
            (Some(_), _) => Chosen::Specific,
            (None, Some(_)) => Chosen::Projected,
            (None, None) => Chosen::All,
        };
        let projection = self.projection.clone();
        // Insights do not count by statements.
        let partition = Vec::new();
        let (table, index) = (self.table, self.index);
        let mut plan = Plan { table, index, rows, partition, filter, projection, select, limit, reading };
        plan.check()?;
        if let Some(key) = behind {
            plan.start_behind(
                &StartKey::of(self.table, self.index, &key).map_err(|_| StatementProblem::TokenOfAnother)?,
            );
        }
        plan.run(from, scope, ledger)
    }
}

fn rows_of(read: &Read, order: Order) -> (Rows, Option<Condition>) {
    let (from, to) = read.range.clone();
    let filter = (!read.filters.is_empty()).then(|| Condition::And(read.filters.clone()));
    (Rows { from, to, order }, filter)
}

pub(super) fn attribute(key: &KeyValue) -> AttributeValue {
    match key {
        KeyValue::S(text) => AttributeValue::S(text.clone()),
        KeyValue::N(number) => AttributeValue::N(*number),
        KeyValue::B(bytes) => AttributeValue::B(bytes.clone()),
    }
}

/// A token for the place behind an item of one of the reads, or for its beginning.
fn token(scope: &str, read: usize, last: Option<&Item>) -> String {
    let mut key = Vec::new();
    if let Some(last) = last {
        compact::encode(last, &mut key);
    }
    paging::token(scope, &format!("{read}:{}", base64(&key)))
}

/// The read, and the item in it behind which a token goes on.
fn position(scope: &str, token: &str) -> Result<(usize, Option<Item>)> {
    if text::unbase64(token).is_none() {
        return Err(StatementProblem::TokenUnreadable.into());
    }
    let foreign = || Error::from(StatementProblem::TokenOfAnother);
    let position = paging::position(scope, token).ok_or_else(foreign)?;
    let (read, key) = position.split_once(':').ok_or_else(foreign)?;
    let key = text::unbase64(key).ok_or_else(foreign)?;
    let key = if key.is_empty() { None } else { Some(ItemRef::open(&key)?.to_item()?) };
    Ok((read.parse().map_err(|_| foreign())?, key))
}
