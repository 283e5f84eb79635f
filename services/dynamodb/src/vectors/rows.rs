//! The rows of vector indexes: a vector each, packed, under the place of its item.

use super::{VectorIndex, number};
use crate::compact::{ItemRef, MapRef, ValueRef};
use crate::error::{Error, Result};
use crate::rows::{self, Rows, Scope};
use crate::table::{BASE, Table};
use crate::value::Type;
use bytes::Bytes;
use undercast_store::Tx;

/// How many items are looked at at a time while an index is made.
const STEP: usize = 1000;

/// An item before or after a write.
pub(crate) type Side<'a> = Option<ItemRef<'a>>;

/// Refuses an item whose vectors, or the partitions they belong to, are not what the indexes want.
///
/// # Errors
/// What AWS says of it.
pub(crate) fn check(table: &Table, item: MapRef<'_>) -> Result<()> {
    for index in &table.vectors {
        if let Some(value) = item.get(&index.attribute)? {
            check_vector(index, value)?;
        }
        if let Some(name) = &index.partition
            && let Some(value) = item.get(name)?
        {
            check_partition(table, index, name, value)?;
        }
    }
    Ok(())
}

fn check_vector(index: &VectorIndex, value: ValueRef<'_>) -> Result<()> {
    let wrong = |place: &str, expected: Type, actual: Type| {
        Error::invalid(format_args!(
            "Invalid type for parameter {}{place}, Expected: {}, Actual: {}. IndexName: {}",
            index.attribute,
            expected.code(),
            actual.code(),
            index.name
        ))
    };
    let ValueRef::L(list) = value else { return Err(wrong("", Type::L, value.kind())) };
    if list.len() != index.dimensions {
        return Err(Error::invalid(format_args!(
            "Invalid size for parameter {}, Expected: {}, Actual: {}. IndexName: {}",
            index.attribute,
            index.dimensions,
            list.len(),
            index.name
        )));
    }
    for (place, element) in list.iter().enumerate() {
        let element = element?;
        if number(element).is_none() {
            return Err(wrong(&format!("[{place}]"), Type::N, element.kind()));
        }
    }
    Ok(())
}

/// As the key of any index: of its type, and not empty.
fn check_partition(table: &Table, index: &VectorIndex, name: &str, value: ValueRef<'_>) -> Result<()> {
    let (expected, actual) = (table.kind(name), value.kind());
    if expected != actual {
        let (expected, actual, index) = (expected.code(), actual.code(), &index.name);
        return Err(Error::invalid(format_args!(
            "Type mismatch for Index Key {name} Expected: {expected} Actual: {actual} IndexName: {index}"
        )));
    }
    let empty = match value {
        ValueRef::S("") => "string",
        ValueRef::B([]) => "binary",
        _ => return Ok(()),
    };
    Err(Error::validation(format_args!(
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. \
         The AttributeValue for a key attribute cannot contain an empty {empty} value. IndexName: {}, IndexKey: {name}",
        index.name
    )))
}

/// Carries a write of an item out in the vector indexes of its table.
///
/// # Errors
/// When the store fails or a stored item is damaged.
pub(crate) fn write(
    tx: &mut Tx<'_>,
    scope: Scope<'_>,
    table: &Table,
    place: &[u8],
    (old, new): (Side<'_>, Side<'_>),
) -> Result<()> {
    for index in &table.vectors {
        write_one(tx, scope, table, index, place, (old, new))?;
    }
    Ok(())
}

fn write_one(
    tx: &mut Tx<'_>,
    scope: Scope<'_>,
    table: &Table,
    index: &VectorIndex,
    place: &[u8],
    (old, new): (Side<'_>, Side<'_>),
) -> Result<()> {
    let entry =
        |item: Side<'_>| item.map(|item| index.entry(table, item.attributes())).transpose().map(Option::flatten);
    let (before, after) = (entry(old)?, entry(new)?);
    if before == after {
        return Ok(());
    }
    let behind = |prefix: &[u8]| [prefix, place].concat();
    let size = |vector: &[f32]| 4 * vector.len() + place.len();
    let sizes = [&before, &after].map(|entry| entry.as_ref().map(|(_, vector)| size(vector)));
    if let Some((prefix, _)) = &before {
        rows::delete_row(tx, scope, table, index.number, &behind(prefix));
    }
    if let Some((prefix, vector)) = &after {
        let packed: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
        rows::put_row(tx, scope, table, index.number, &behind(prefix), Bytes::from(packed))?;
    }
    rows::count(tx, scope, table, index.number, sizes[0], sizes[1])
}

/// Makes the rows of an index of a table that has items.
///
/// # Errors
/// When the store fails or a stored item is damaged.
pub(crate) fn fill(tx: &mut Tx<'_>, scope: Scope<'_>, table: &Table, index: &VectorIndex) -> Result<()> {
    let mut rows = Rows::all();
    loop {
        let found = rows::scan(tx, scope, table, BASE, &rows, STEP)?;
        let Some((last, _)) = found.last() else { return Ok(()) };
        rows = Rows::all().after(last);
        for (place, item) in &found {
            write_one(tx, scope, table, index, place, (None, Some(ItemRef::open(item)?)))?;
        }
    }
}
