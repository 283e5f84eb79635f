//! Reading many items: what Query and Scan have in common.

use super::consumed::Consumed;
use crate::api::form::Attributes;
use crate::capacity::{self, Reading};
use crate::compact::{self, ItemRef, MapRef};
use crate::error::{Error, Result};
use crate::expression::condition::Condition;
use crate::expression::projection::Projection;
use crate::key::KeyValue;
use crate::rows::{self, Rows, Scope};
use crate::table::{BASE, Index, PrimaryKey, Table};
use crate::throughput::{Ledger, Side, Spot};
use crate::value::{AttributeValue, Item};
use bytes::Bytes;
use std::ops::Bound;
use std::sync::Arc;
use undercast_store::Read;

/// Most bytes that one call looks at, before it filters and projects.
pub(crate) const MAX_PAGE: usize = 1_048_576;

/// Which attributes a call answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Select {
    /// All of the item.
    All,
    /// All that the index has.
    Projected,
    /// Those of the projection.
    Specific,
    /// None; the items are only counted.
    Count,
}

/// The parameter that chooses attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// None does.
    Nothing,
    /// `ProjectionExpression`
    Expression,
    /// `AttributesToGet`
    Attributes,
}

impl Chosen {
    /// The one that is given.
    pub(crate) fn of(expression: bool, attributes: bool) -> Self {
        match (expression, attributes) {
            (true, _) => Self::Expression,
            (false, true) => Self::Attributes,
            (false, false) => Self::Nothing,
        }
    }
}

impl Select {
    /// What a call with these parameters answers with.
    ///
    /// # Errors
    /// What AWS says of parameters that do not go together.
    pub(crate) fn of(asked: Option<&str>, chosen: Chosen, table: &Table, index: Option<&Index>) -> Result<Self> {
        let projected = chosen != Chosen::Nothing;
        let forbidden = |what: &str| {
            let name = if chosen == Chosen::Attributes { "AttributesToGet" } else { "ProjectionExpression" };
            Err(Error::validation(format_args!("Cannot specify the {name} when choosing to get {what}")))
        };
        match asked {
            Some("ALL_ATTRIBUTES") if projected => forbidden("ALL_ATTRIBUTES"),
            Some("ALL_PROJECTED_ATTRIBUTES") if projected => forbidden("ALL_PROJECTED_ATTRIBUTES"),
            Some("COUNT") if projected => forbidden("only the Count"),
            Some("COUNT") => Ok(Self::Count),
            Some("SPECIFIC_ATTRIBUTES") if !projected => Err(Error::validation(
                "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
            )),
            Some("ALL_PROJECTED_ATTRIBUTES") if index.is_none() => {
                Err(Error::validation("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"))
            }
            Some("ALL_ATTRIBUTES") => match index {
                Some(index) if table.is_global(index) && !index.projects_all() => Err(Error::invalid(format_args!(
                    "Select type ALL_ATTRIBUTES is not supported for global secondary index {} because its projection type \
                     is not ALL",
                    index.name
                ))),
                _ => Ok(Self::All),
            },
            _ if projected => Ok(Self::Specific),
            _ => Ok(if index.is_some() { Self::Projected } else { Self::All }),
        }
    }
}

/// What is read, and how.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) table: &'a Arc<Table>,
    pub(crate) index: Option<&'a Index>,
    pub(crate) rows: Rows,
    /// The values that say which partition is read; none where all are.
    pub(crate) partition: Vec<KeyValue>,
    pub(crate) filter: Option<Condition>,
    pub(crate) projection: Option<Projection>,
    pub(crate) select: Select,
    /// Most items to look at.
    pub(crate) limit: Option<usize>,
    pub(crate) reading: Reading,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Page {
    /// The items, unless they were only counted.
    pub(crate) items: Option<Vec<Attributes>>,
    /// How many passed the filter.
    pub(crate) count: usize,
    /// How many were looked at.
    pub(crate) scanned: usize,
    /// Bytes of the items that were looked at.
    pub(crate) bytes: usize,
    /// The last that was looked at, if there may be more.
    pub(crate) last: Option<Item>,
    /// What it consumed.
    pub(crate) consumed: Consumed,
}

/// Where reading stands.
struct Progress {
    items: Vec<Attributes>,
    count: usize,
    scanned: usize,
    bytes: usize,
    /// Units of looking up in the table what a local index does not have.
    fetched: f64,
}

impl<'a> Plan<'a> {
    /// Refuses what a global index cannot do.
    ///
    /// # Errors
    /// What AWS says of it.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(index) = self.index.filter(|index| self.table.is_global(index)) else { return Ok(()) };
        let missing: Vec<&str> = self
            .projection
            .iter()
            .flat_map(Projection::attributes)
            .filter(|name| !index.projects(self.table, name))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::invalid(format_args!(
            "Global secondary index {} does not project [{}]",
            index.name,
            missing.join(", ")
        )))
    }

    /// Where reading begins, which says in which partition.
    fn first_place(&self) -> Vec<u8> {
        match &self.rows.from {
            Bound::Included(place) | Bound::Excluded(place) => place.clone(),
            Bound::Unbounded => Vec::new(),
        }
    }

    fn number(&self) -> u16 {
        self.index.map_or(BASE, |index| index.number)
    }

    /// Reads.
    ///
    /// # Errors
    /// When the throughput of the table or the index does not let it in, and when the store fails or a stored item is damaged.
    pub(crate) fn run(mut self, from: &impl Read, scope: Scope<'_>, ledger: &mut Ledger<'_>) -> Result<Page> {
        let (place, partition) = (self.first_place(), std::mem::take(&mut self.partition));
        let spot = Spot { place: &place, partition: &partition, sort: None };
        ledger.admit(self.table, self.number(), Side::Read, spot)?;
        let mut progress = Progress { items: Vec::new(), count: 0, scanned: 0, bytes: 0, fetched: 0.0 };
        let mut batch = 16;
        let last = loop {
            let limit = self.limit.map_or(batch, |limit| batch.min(limit - progress.scanned));
            let rows = rows::scan(from, scope, self.table, self.number(), &self.rows, limit)?;
            if let Some(last) = self.look_at(from, scope, &rows, &mut progress)? {
                break Some(last);
            }
            match rows.last() {
                Some((place, _)) if rows.len() == limit => self.rows = self.rows.clone().after(place),
                _ => break None,
            }
            // As many as will probably fill the page, and not many more: rows may be large.
            let average = (progress.bytes / progress.scanned.max(1)).max(1);
            batch = ((MAX_PAGE - progress.bytes) / average + 1).clamp(16, 1024);
        };
        let units = capacity::read_units(progress.bytes, self.reading);
        ledger.note(self.table, self.number(), Side::Read, spot, units);
        let mut consumed = Consumed::reading(self.table.clone(), self.number(), units);
        if progress.fetched > 0.0 {
            ledger.note(self.table, BASE, Side::Read, spot, progress.fetched);
            consumed.add(BASE, progress.fetched);
        }
        Ok(Page {
            items: (self.select != Select::Count).then_some(progress.items),
            count: progress.count,
            scanned: progress.scanned,
            bytes: progress.bytes,
            last,
            consumed,
        })
    }

    /// Looks at rows until the limit or the size of a page is reached; then it gives the key of the last one.
    fn look_at(
        &self,
        from: &impl Read,
        scope: Scope<'_>,
        rows: &[(Vec<u8>, Bytes)],
        progress: &mut Progress,
    ) -> Result<Option<Item>> {
        for (_, stored) in rows {
            let item = ItemRef::open(stored)?;
            progress.scanned += 1;
            progress.bytes += item.size();
            let whole = match self.wants_more_than_index() {
                true => Some(self.fetch(from, scope, item.attributes(), &mut progress.fetched)?),
                false => None,
            };
            let seen = whole.as_ref().unwrap_or(stored);
            let attributes = ItemRef::open(seen)?.attributes();
            if self.filter.as_ref().map_or(Ok(true), |filter| filter.holds(attributes))? {
                progress.count += 1;
                if self.select != Select::Count {
                    progress.items.push(self.answer(seen)?);
                }
            }
            if progress.bytes >= MAX_PAGE || self.limit == Some(progress.scanned) {
                return Ok(Some(self.table.last_key(self.index, item.attributes())?));
            }
        }
        Ok(None)
    }

    fn answer(&self, stored: &Bytes) -> Result<Attributes> {
        match &self.projection {
            None => Ok(Attributes::stored(stored.clone())?),
            Some(projection) => Ok(Attributes::from(projection.apply(ItemRef::open(stored)?.attributes())?)),
        }
    }

    /// A local index answers with attributes that it does not have by looking them up in the table.
    fn wants_more_than_index(&self) -> bool {
        let Some(index) = self.index.filter(|index| !index.projects_all()) else { return false };
        match &self.projection {
            None => self.select == Select::All,
            Some(projection) => projection.attributes().any(|name| !index.projects(self.table, name)),
        }
    }

    fn fetch(&self, from: &impl Read, scope: Scope<'_>, item: MapRef<'_>, fetched: &mut f64) -> Result<Bytes> {
        let place = self.table.key_of(&self.table.last_key(None, item)?)?;
        let whole = rows::get(from, scope, self.table, &place.bytes)?.ok_or(compact::Corrupt)?;
        *fetched += capacity::read_units(ItemRef::open(&whole)?.size(), self.reading);
        Ok(whole)
    }

    /// Begins behind the item that `ExclusiveStartKey` names.
    pub(crate) fn start_behind(&mut self, start: &StartKey) {
        self.rows = self.rows.clone().after(&start.place);
    }
}

const INVALID_START: &str = "The provided starting key is invalid";

/// The values of an `ExclusiveStartKey`.
///
/// # Errors
/// What AWS says of them.
pub(crate) fn start_item(given: Option<Attributes>) -> Result<Option<Item>> {
    let invalid = |error| match error {
        Error::Aws(error) => Error::validation(format_args!("{INVALID_START}: {}", error.message)),
        other => other,
    };
    given.map(Attributes::into_item).transpose().map_err(invalid)
}

/// The key behind which a page begins.
pub(crate) struct StartKey {
    /// Its place in what is read.
    pub(crate) place: Vec<u8>,
    /// The key itself.
    pub(crate) key: Item,
}

impl StartKey {
    /// The key that an `ExclusiveStartKey` of a table or an index is.
    ///
    /// # Errors
    /// What AWS says of a key that is none.
    pub(crate) fn of(table: &Table, index: Option<&Index>, start: &Item) -> Result<Self> {
        let invalid = || Error::validation(INVALID_START);
        let mut names: Vec<&str> =
            table.key.names().chain(index.into_iter().flat_map(|index| index.key.names())).collect();
        names.sort_unstable();
        names.dedup();
        if start.len() != names.len() || names.iter().any(|name| start.get(name).is_none()) {
            return Err(invalid());
        }
        let own: Item = table
            .key
            .names()
            .filter_map(|name| start.get(name).map(|value| (name.to_owned(), value.clone())))
            .collect::<Vec<(String, AttributeValue)>>()
            .into_iter()
            .collect();
        let PrimaryKey { bytes, .. } = table.key_of(&own)?;
        let place = match index {
            None => bytes,
            Some(index) => {
                let mut stored = Vec::new();
                compact::encode(start, &mut stored);
                let place = index.place_of(table, ItemRef::open(&stored)?.attributes(), &bytes)?;
                place.ok_or_else(|| Error::validation("The provided key element does not match the schema"))?
            }
        };
        Ok(Self { place, key: start.clone() })
    }
}
