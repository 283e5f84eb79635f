//! GetItem, and reading single items for BatchGetItem and TransactGetItems.

use super::consumed::Consumed;
use crate::DynamoDb;
use crate::api::form::{self, Attributes};
use crate::api::{GetItemInput, GetItemOutput};
use crate::capacity::{self, Reading};
use crate::compact::ItemRef;
use crate::error::{Error, Result};
use crate::expression::projection::{self, Projection};
use crate::legacy;
use crate::request::{check_parameters, scope, table_name};
use crate::rows;
use crate::table::{BASE, Table};
use crate::throughput::{Ledger, Side, Spot};
use crate::value::Item;
use std::collections::BTreeMap;
use std::sync::Arc;
use undercast_kernel::Cx;
use undercast_store::Read;

/// An item that was looked for.
pub(crate) struct Found {
    /// The item, or the parts of it that were wanted.
    pub(crate) item: Option<Attributes>,
    /// What the look consumed.
    pub(crate) consumed: Consumed,
    /// Bytes of the whole item.
    pub(crate) size: usize,
}

impl DynamoDb {
    /// The item with a key.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) fn get(&self, cx: &Cx, input: GetItemInput) -> Result<GetItemOutput> {
        let expression = input.projection_expression.as_deref();
        check_projection(expression, input.expression_attribute_names.as_ref(), input.attributes_to_get.as_deref())?;
        let key = input.key.into_item()?;
        let projection = projection_of(expression, input.expression_attribute_names, input.attributes_to_get)?;
        let name = table_name(cx, &input.table_name)?;
        let from = cx.read();
        let table = self.descriptions.get(&from, scope(cx), name)?.ok_or_else(Error::resource_not_found)?;
        let reading = if input.consistent_read == Some(true) { Reading::Consistent } else { Reading::Eventual };
        let mut ledger = self.ledger(cx);
        let found = look_up(&from, cx, &table, &key, projection.as_ref(), (reading, &mut ledger))?;
        Ok(GetItemOutput {
            item: found.item,
            consumed_capacity: found.consumed.report(input.return_consumed_capacity.as_deref()),
        })
    }
}

/// Refuses parameters of a projection that do not go together.
fn check_projection(
    text: Option<&str>,
    names: Option<&BTreeMap<String, String>>,
    attributes: Option<&[String]>,
) -> Result<()> {
    let legacy = [("AttributesToGet", attributes.is_some())];
    check_parameters(&legacy, &[("ProjectionExpression", text.is_some())], names.is_some(), false)
}

/// The projection of a read, if it has one.
///
/// # Errors
/// What AWS says of it.
pub(crate) fn projection_of(
    text: Option<&str>,
    names: Option<BTreeMap<String, String>>,
    attributes: Option<Vec<String>>,
) -> Result<Option<Projection>> {
    check_projection(text, names.as_ref(), attributes.as_deref())?;
    let legacy = attributes.map(legacy::projection).transpose()?;
    let placeholders = form::placeholders(names, None)?;
    let projection = text.map(|text| projection::parse(text, &placeholders)).transpose()?;
    placeholders.check_all_used()?;
    Ok(projection.or(legacy))
}

/// Looks for the item with a key.
///
/// # Errors
/// What AWS says of the key, when the throughput of the table does not let it in, and when the store fails.
pub(crate) fn look_up(
    from: &impl Read,
    cx: &Cx,
    table: &Arc<Table>,
    key: &Item,
    projection: Option<&Projection>,
    (reading, ledger): (Reading, &mut Ledger<'_>),
) -> Result<Found> {
    let place = table.key_of(key)?;
    table.check_scalar_keys(projection.into_iter().flat_map(Projection::nested))?;
    ledger.admit(table, BASE, Side::Read, Spot::from(&place))?;
    let stored = rows::get(from, scope(cx), table, &place.bytes)?;
    let size = stored.as_deref().map(ItemRef::open).transpose()?.map_or(0, ItemRef::size);
    let item = match (stored, projection) {
        (None, _) => None,
        (Some(stored), None) => Some(Attributes::stored(stored)?),
        (Some(stored), Some(projection)) => {
            Some(Attributes::from(projection.apply(ItemRef::open(&stored)?.attributes())?))
        }
    };
    let units = capacity::read_units(size, reading);
    ledger.note(table, BASE, Side::Read, Spot::from(&place), units);
    let consumed = Consumed::reading(table.clone(), BASE, units);
    Ok(Found { item, consumed, size })
}
