//! SearchVectors.

use super::VectorIndex;
use crate::DynamoDb;
use crate::api::form::{self, Attributes, Written};
use crate::api::output::{SearchResultItem, VectorCapacity};
use crate::api::{SearchVectorsInput, SearchVectorsOutput};
use crate::compact::{ItemRef, MapRef};
use crate::error::{Error, Result};
use crate::expression::condition::{self, Condition, Operand};
use crate::expression::projection::{self, Projection};
use crate::expression::syntax::Comparator;
use crate::expression::{ExpressionKind, Placeholders};
use crate::key::KeyValue;
use crate::metrics;
use crate::request::{scope, table_name};
use crate::rows::{self, Rows};
use crate::table::Table;
use crate::value::{AttributeValue, Item};
use std::ops::{Bound, RangeInclusive};
use undercast_kernel::Cx;
use undercast_store::{Read, prefix_end};

/// How many of the nearest can be asked for.
const MOST: RangeInclusive<i32> = 1..=100;
/// Rows are read so many at a time.
const STEP: usize = 1000;
/// A search counts for so many bytes at least.
const LEAST_BYTES: usize = 1024;
/// An answer may be so large.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// An item that may be among the nearest.
struct Near {
    score: f64,
    place: Vec<u8>,
}

impl DynamoDb {
    /// The items whose vectors are most like one.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) fn search_vectors(&self, cx: &Cx, input: SearchVectorsInput) -> Result<SearchVectorsOutput> {
        if !MOST.contains(&input.top_k) {
            return Err(Error::validation(format_args!(
                "Provided TopK value '{}' is out of valid range. The value must be between {} and {} inclusive",
                input.top_k,
                MOST.start(),
                MOST.end()
            )));
        }
        let placeholders = form::placeholders(input.expression_attribute_names, input.expression_attribute_values)?;
        let condition =
            input.search_condition_expression.as_deref().map(|text| parsed(text, &placeholders)).transpose()?;
        let projection = input.projection_expression.as_deref();
        let projection = projection.map(|text| projection::parse(text, &placeholders)).transpose()?;
        placeholders.check_all_used()?;
        let from = cx.read();
        let name = table_name(cx, &input.table_name)?;
        let table = self.descriptions.get(&from, scope(cx), name)?.ok_or_else(Error::resource_not_found)?;
        let found = table.vectors.iter().find(|index| index.name == input.index_name);
        let index = found.ok_or_else(|| {
            Error::validation(format_args!("The table does not have the specified index: {}", input.index_name))
        })?;
        let sought = sought(index, input.search_vector)?;
        let narrowed = Narrowed::new(index, condition)?;
        let top = usize::try_from(input.top_k).unwrap_or(1);
        let (nearest, examined) = nearest(cx, &from, &table, index, &sought, &narrowed, top)?;
        let bytes = examined.max(LEAST_BYTES);
        metrics::searched(cx, &table, &index.name, bytes);
        let mut results = Vec::with_capacity(nearest.len());
        let mut size = 0;
        for near in nearest {
            let Some(stored) = rows::get(&from, scope(cx), &table, &near.place)? else { continue };
            let item = shown(&table, index, ItemRef::open(&stored)?.attributes(), projection.as_ref())?;
            size += item.size();
            if size > MOST_BYTES {
                return Err(Error::validation(
                    "The response of SearchVectors is larger than 16 MB; ask for a smaller TopK",
                ));
            }
            results.push(SearchResultItem { item: Some(Attributes::from(item)), score: Some(near.score) });
        }
        let wanted = input.return_consumed_capacity.as_deref().is_some_and(|wanted| wanted != "NONE");
        // Far fewer than a double can count.
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        let consumed = || VectorCapacity { vector_search_request_bytes: Some(bytes), vector_write_request_bytes: None };
        Ok(SearchVectorsOutput { consumed_capacity: wanted.then(consumed), search_results: Some(results) })
    }
}

fn parsed(text: &str, placeholders: &Placeholders) -> Result<Condition> {
    Ok(condition::parse(ExpressionKind::SearchCondition, text, placeholders)?)
}

/// The vector that is searched for.
fn sought(index: &VectorIndex, given: Vec<Written>) -> Result<Vec<f32>> {
    if given.len() != index.dimensions {
        return Err(Error::validation(format_args!(
            "Input search vector dimension {} does not match vector index dimension {}",
            given.len(),
            index.dimensions
        )));
    }
    let number = |(place, value): (usize, Written)| {
        let value = value.into_value()?;
        let number = match &value {
            AttributeValue::N(number) => number.to_string().parse::<f32>().ok().filter(|number| number.is_finite()),
            _ => None,
        };
        number.ok_or_else(|| {
            Error::invalid(format_args!(
                "Invalid type for parameter SearchVector[{place}], Expected: N, Actual: {}",
                value.kind().code()
            ))
        })
    };
    given.into_iter().enumerate().map(number).collect()
}

/// To what a search is narrowed: a partition, and what must hold of the item.
struct Narrowed {
    prefix: Vec<u8>,
    condition: Option<Condition>,
}

fn wrong(why: &str) -> Error {
    Error::validation(format_args!("Invalid SearchConditionExpression: {why}"))
}

impl Narrowed {
    fn new(index: &VectorIndex, condition: Option<Condition>) -> Result<Self> {
        let Some(condition) = condition else {
            return match index.partition {
                Some(_) => Err(needs_partition()),
                None => Ok(Self { prefix: Vec::new(), condition: None }),
            };
        };
        check(&condition)?;
        let mut foreign = None;
        condition.each_path(&mut |path| {
            let known = !path.is_nested() && index.schema().any(|name| name == path.root);
            if !known {
                foreign.get_or_insert_with(|| path.root.clone());
            }
        });
        if let Some(name) = foreign {
            return Err(wrong(&format!("The attribute {name} is not a top-level attribute of the SearchSchema")));
        }
        let prefix = match &index.partition {
            None => Vec::new(),
            Some(name) => index.prefix(Some(partition_in(&condition, name)?.ok_or_else(needs_partition)?)),
        };
        Ok(Self { prefix, condition: Some(condition) })
    }

    fn has(&self, item: MapRef<'_>) -> Result<bool> {
        Ok(self.condition.as_ref().map_or(Ok(true), |condition| condition.holds(item))?)
    }
}

fn needs_partition() -> Error {
    Error::validation("SearchConditionExpression must be provided when SearchSchema has a HASH key")
}

/// Refuses comparisons and functions that searches do not know, or of which it is not known whether they do.
fn check(condition: &Condition) -> Result<()> {
    match condition {
        Condition::And(parts) | Condition::Or(parts) => parts.iter().try_for_each(check),
        Condition::Compare { comparator: Comparator::NotEqual, .. } => {
            Err(wrong("Invalid comparator used in SearchConditionExpression"))
        }
        Condition::Compare { .. } | Condition::Between { .. } | Condition::In { .. } => Ok(()),
        _ => Err(Error::NotBuilt("a SearchConditionExpression with NOT or functions")),
    }
}

/// The value to which a condition holds the attribute of the partitions, in all cases.
fn partition_in(condition: &Condition, name: &str) -> Result<Option<KeyValue>> {
    match condition {
        Condition::And(parts) => {
            for part in parts {
                if let Some(found) = partition_in(part, name)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        }
        Condition::Compare { comparator: Comparator::Equal, left, right } => match (left, right) {
            (Operand::Path(path), Operand::Value(value)) | (Operand::Value(value), Operand::Path(path))
                if path.root == name =>
            {
                Ok(KeyValue::from_attribute(&value.value()?.to_value()?))
            }
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// The nearest rows of what the search is narrowed to, with how many bytes were looked at.
fn nearest(
    cx: &Cx,
    from: &impl Read,
    table: &Table,
    index: &VectorIndex,
    sought: &[f32],
    narrowed: &Narrowed,
    top: usize,
) -> Result<(Vec<Near>, usize)> {
    let (mut near, mut examined) = (Vec::<Near>::new(), 0);
    let end = prefix_end(&narrowed.prefix).map_or(Bound::Unbounded, Bound::Excluded);
    let mut rows = Rows { from: Bound::Included(narrowed.prefix.clone()), to: end, ..Rows::all() };
    loop {
        let found = rows::scan(from, scope(cx), table, index.number, &rows, STEP)?;
        let Some((last, _)) = found.last() else { break };
        rows.from = Bound::Excluded(last.clone());
        for (place, packed) in &found {
            examined += packed.len();
            let place = place.get(narrowed.prefix.len()..).unwrap_or_default();
            let vector: Vec<f32> = packed.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            let score = index.distance.score(sought, &vector);
            let full = near.len() == top;
            if full && near.last().is_some_and(|last| index.distance.order(score, last.score).is_ge()) {
                continue;
            }
            if narrowed.condition.is_some() {
                let Some(stored) = rows::get(from, scope(cx), table, place)? else { continue };
                if !narrowed.has(ItemRef::open(&stored)?.attributes())? {
                    continue;
                }
            }
            let at = near.partition_point(|other| index.distance.order(other.score, score).is_le());
            near.insert(at, Near { score, place: place.to_vec() });
            near.truncate(top);
        }
    }
    Ok((near, examined))
}

/// What an answer shows of an item: what the index has of it, without the vector unless that is asked for.
fn shown(table: &Table, index: &VectorIndex, item: MapRef<'_>, projection: Option<&Projection>) -> Result<Item> {
    let asked = projection.is_some();
    let mut projected = Vec::new();
    for entry in item.iter() {
        let (name, value) = entry?;
        if index.projects(table, name) && (asked || name != index.attribute) {
            projected.push((name.to_owned(), value.to_value()?));
        }
    }
    let projected: Item = projected.into_iter().collect();
    let Some(projection) = projection else { return Ok(projected) };
    let mut bytes = Vec::new();
    crate::compact::encode(&projected, &mut bytes);
    Ok(projection.apply(ItemRef::open(&bytes)?.attributes())?)
}
