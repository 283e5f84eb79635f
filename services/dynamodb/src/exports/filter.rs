//! Which items are exported, and what of them: the expressions of a request, kept as they were written.
//!
//! A key condition and its rules are those of Query, a filter and a projection those of Scan; a filter beside a key condition
//! says nothing of key attributes. Source: "Filtering a table export" in the developer guide.

use crate::api::form::{self, Values};
use crate::api::{input, output};
use crate::compact::{self, ItemRef};
use crate::error::Result;
use crate::expression::ExpressionKind;
use crate::expression::condition::{self, Condition};
use crate::expression::key_condition::KeyCondition;
use crate::expression::projection::{self, Projection};
use crate::items::search::{check_filter, nested};
use crate::request::check_parameters;
use crate::table::Table;
use minicbor::{Decode, Encode};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds as _};

/// The expressions of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub(super) struct Filter {
    #[n(0)]
    key_condition: Option<String>,
    #[n(1)]
    filter: Option<String>,
    #[n(2)]
    projection: Option<String>,
    #[n(3)]
    names: Option<BTreeMap<String, String>>,
    /// The values, in the stored form of items.
    #[cbor(n(4), with = "minicbor::bytes")]
    values: Option<Vec<u8>>,
}

/// Bounds of places in a table.
type Places = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// What the expressions choose of a table; without any, all of it.
#[derive(Default)]
pub(super) struct Choice {
    places: Option<Places>,
    condition: Option<Condition>,
    projection: Option<Projection>,
}

/// The expressions, as far as they say something without the table.
struct Parsed {
    key_condition: Option<KeyCondition>,
    condition: Option<Condition>,
    projection: Option<Projection>,
}

impl Filter {
    /// The expressions of a request.
    ///
    /// # Errors
    /// What AWS says of expressions that are none.
    pub(super) fn of(given: input::FilterSpecification) -> Result<Self> {
        let values = given.expression_attribute_values;
        check_parameters(
            &[],
            &[
                ("ProjectionExpression", given.projection_expression.is_some()),
                ("FilterExpression", given.filter_expression.is_some()),
                ("KeyConditionExpression", given.key_condition_expression.is_some()),
            ],
            given.expression_attribute_names.is_some(),
            values.is_some(),
        )?;
        // What is wrong with values is said in the words of placeholders.
        form::placeholders(given.expression_attribute_names.clone(), values.clone())?;
        let filter = Self {
            key_condition: given.key_condition_expression,
            filter: given.filter_expression,
            projection: given.projection_expression,
            names: given.expression_attribute_names,
            values: values.map(stored).transpose()?,
        };
        filter.parsed()?;
        Ok(filter)
    }

    fn values(&self) -> Result<Option<Values>> {
        let Some(values) = &self.values else { return Ok(None) };
        Ok(Some(Values::from(&ItemRef::open(values)?.to_item()?)))
    }

    fn parsed(&self) -> Result<Parsed> {
        let placeholders = form::placeholders(self.names.clone(), self.values()?)?;
        let of = |kind, text: &Option<String>| {
            text.as_deref().map(|text| condition::parse(kind, text, &placeholders)).transpose()
        };
        let key_condition = of(ExpressionKind::KeyCondition, &self.key_condition)?;
        let condition = of(ExpressionKind::Filter, &self.filter)?;
        let projection = self.projection.as_deref().map(|text| projection::parse(text, &placeholders)).transpose()?;
        placeholders.check_all_used()?;
        let key_condition = key_condition.map(|condition| KeyCondition::of(&condition)).transpose()?;
        Ok(Parsed { key_condition, condition, projection })
    }

    /// What the expressions choose of a table.
    ///
    /// # Errors
    /// What AWS says of expressions that do not fit the table.
    pub(super) fn bind(&self, table: &Table) -> Result<Choice> {
        let Parsed { key_condition, condition, projection } = self.parsed()?;
        let (partitions, sorts) = table.key_attributes(&table.key);
        let range = key_condition.map(|condition| condition.range(&partitions, &sorts)).transpose()?;
        table.check_scalar_keys(projection.iter().flat_map(Projection::nested))?;
        if range.is_some() {
            check_filter("Filter Expression", condition.as_ref(), table.key.names())?;
        }
        table.check_scalar_keys(nested(condition.as_ref()).into_iter())?;
        Ok(Choice { places: range.map(|range| range.bounds()), condition, projection })
    }

    /// The expressions as answers show them.
    pub(super) fn described(&self) -> output::FilterSpecification {
        output::FilterSpecification {
            filter_expression: self.filter.clone(),
            projection_expression: self.projection.clone(),
            key_condition_expression: self.key_condition.clone(),
            expression_attribute_names: self.names.clone(),
            // They were read before they were stored.
            expression_attribute_values: self.values().ok().flatten(),
        }
    }
}

fn stored(values: Values) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    compact::encode(&values.into_item()?, &mut bytes);
    Ok(bytes)
}

impl Choice {
    /// Whether the item at a place is chosen by its key.
    pub(super) fn has(&self, place: &Vec<u8>) -> bool {
        self.places.as_ref().is_none_or(|places| places.contains(place))
    }

    /// What of the places from one bound to another is chosen, if any is.
    pub(super) fn among(&self, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Option<Places> {
        let (from, to) = match self.places.clone() {
            Some((first, last)) => (later(from, first), earlier(to, last)),
            None => (from, to),
        };
        let empty = match (&from, &to) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
        };
        (!empty).then_some((from, to))
    }

    /// Whether an item that is chosen by its key passes the filter.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn wants(&self, item: ItemRef<'_>) -> Result<bool> {
        Ok(self.condition.as_ref().map_or(Ok(true), |condition| condition.holds(item.attributes()))?)
    }

    /// What is exported of an item, in stored form.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn of<'a>(&self, stored: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        let Some(projection) = &self.projection else { return Ok(Cow::Borrowed(stored)) };
        let mut bytes = Vec::new();
        compact::encode(&projection.apply(ItemRef::open(stored)?.attributes())?, &mut bytes);
        Ok(Cow::Owned(bytes))
    }
}

/// The one of two beginnings behind which less comes.
fn later(one: Bound<Vec<u8>>, other: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    let rank = |bound: &Bound<Vec<u8>>| match bound {
        Bound::Unbounded => None,
        Bound::Included(place) => Some((place.clone(), false)),
        Bound::Excluded(place) => Some((place.clone(), true)),
    };
    if rank(&one) >= rank(&other) { one } else { other }
}

/// The one of two ends before which less comes.
fn earlier(one: Bound<Vec<u8>>, other: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    let rank = |bound: &Bound<Vec<u8>>| match bound {
        Bound::Unbounded => (true, Vec::new(), false),
        Bound::Included(place) => (false, place.clone(), true),
        Bound::Excluded(place) => (false, place.clone(), false),
    };
    if rank(&one) <= rank(&other) { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_lie_within_what_is_looked_at() {
        let (at, behind) = (|n: u8| Bound::Included(vec![n]), |n: u8| Bound::Excluded(vec![n]));
        let choice = |from, to| Choice { places: Some((from, to)), ..Choice::default() };
        assert_eq!(choice(at(3), behind(5)).among(at(0), behind(4)), Some((at(3), behind(4))));
        assert_eq!(choice(at(3), at(5)).among(behind(3), Bound::Unbounded), Some((behind(3), at(5))));
        assert_eq!(choice(at(3), behind(5)).among(at(5), Bound::Unbounded), None);
        assert_eq!(choice(at(3), at(5)).among(at(5), behind(9)), Some((at(5), at(5))));
        assert_eq!(choice(behind(3), at(5)).among(at(0), at(3)), None);
        assert_eq!(choice(at(3), Bound::Unbounded).among(at(0), behind(2)), None);
        assert_eq!(Choice::default().among(at(1), Bound::Unbounded), Some((at(1), Bound::Unbounded)));
        assert!(choice(at(3), behind(5)).has(&vec![4, 9]) && !choice(at(3), behind(5)).has(&vec![5]));
    }
}
