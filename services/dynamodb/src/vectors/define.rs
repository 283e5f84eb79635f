//! Vector indexes as requests define them and answers describe them.

use super::{Distance, MOST_DIMENSIONS, MOST_FILTERS, MOST_INDEXES, VectorIndex};
use crate::api::input;
use crate::api::output::{SearchSchemaElement, VectorAttributeDefinition, VectorIndexDescription};
use crate::error::{Error, Result};
use crate::request::scope;
use crate::rows;
use crate::table::{Billing, KeyDefinition, Table};
use crate::tables::{describe, schema};
use undercast_kernel::Cx;
use undercast_store::Read;

/// The vector indexes of a new table; those of a restored one are given by their definitions too.
///
/// # Errors
/// What AWS says of them.
pub(crate) fn create(table: &mut Table, given: Option<Vec<input::VectorIndex>>) -> Result<()> {
    let Some(given) = given else { return Ok(()) };
    for index in given {
        let index = Defined {
            name: &index.index_name,
            attribute: &index.vector_attribute.attribute_name,
            schema: index.search_schema.as_deref().unwrap_or_default(),
            projection: &index.projection,
            dimensions: index.dimensions,
            distance: &index.distance_function,
        };
        add(table, &index)?;
    }
    Ok(())
}

/// What a request says of a vector index.
struct Defined<'a> {
    name: &'a str,
    attribute: &'a str,
    schema: &'a [input::SearchSchemaElement],
    projection: &'a input::Projection,
    dimensions: i64,
    distance: &'a str,
}

fn add(table: &mut Table, given: &Defined<'_>) -> Result<()> {
    let taken = table.vectors.iter().any(|index| index.name == given.name) || table.index(given.name).is_some();
    if taken {
        return Err(Error::validation(format_args!(
            "Attempting to create an index which already exists: {}",
            given.name
        )));
    }
    if table.billing != Billing::OnDemand {
        return Err(only_on_demand());
    }
    if table.vectors.len() >= MOST_INDEXES {
        return Err(Error::invalid(format_args!("Number of VectorIndexes exceeds per-table limit of {MOST_INDEXES}")));
    }
    let dimensions = usize::try_from(given.dimensions).ok().filter(|_| given.dimensions <= MOST_DIMENSIONS);
    let dimensions = dimensions.ok_or_else(|| {
        Error::invalid(format_args!(
            "Dimensions must be between 1 and {MOST_DIMENSIONS} inclusive. IndexName: {}",
            given.name
        ))
    })?;
    let (partition, filters) = search_schema(table, given)?;
    let index = VectorIndex {
        name: given.name.to_owned(),
        number: schema::next(&mut table.next_index),
        attribute: given.attribute.to_owned(),
        dimensions,
        distance: Distance::parse(given.distance).unwrap_or(Distance::Cosine),
        partition,
        filters,
        projection: schema::projection(given.projection)?,
    };
    table.vectors.push(index);
    Ok(())
}

/// What AWS says where a table has vector indexes and is not paid for by request.
pub(crate) fn only_on_demand() -> Error {
    Error::invalid("Vector indexes are not supported on tables with BillingMode PROVISIONED")
}

/// The attribute of the partitions, and those of the filters.
fn search_schema(table: &Table, given: &Defined<'_>) -> Result<(Option<String>, Vec<String>)> {
    let (mut partition, mut filters) = (None, Vec::new());
    for element in given.schema {
        let name = &element.attribute_name;
        if !table.attributes.iter().any(|known| known.name == *name) {
            return Err(Error::invalid("One element in SearchSchema is not defined in attribute definitions"));
        }
        if partition.as_ref() == Some(name) || filters.contains(name) {
            return Err(Error::invalid(format_args!("SearchSchema has the attribute {name} twice")));
        }
        match element.search_schema_element_type.as_str() {
            "HASH" if partition.is_some() => {
                return Err(Error::invalid("SearchSchema can have at most one element of type HASH"));
            }
            "HASH" => partition = Some(name.clone()),
            _ => filters.push(name.clone()),
        }
    }
    if filters.len() > MOST_FILTERS {
        return Err(Error::invalid(format_args!(
            "Number of INLINE_FILTER elements in SearchSchema exceeds limit of {MOST_FILTERS}"
        )));
    }
    Ok((partition, filters))
}

/// A change to the vector indexes of a table: one at a time.
#[derive(Default)]
pub(crate) struct Changes {
    /// The index that was made.
    pub(crate) made: Option<String>,
    /// The index that went.
    pub(crate) gone: Option<VectorIndex>,
}

impl Changes {
    /// Follows what a request says; `others`: an index of another kind was made or went already.
    ///
    /// # Errors
    /// What AWS says of it.
    pub(crate) fn follow(
        table: &mut Table,
        definitions: &[KeyDefinition],
        updates: &[input::VectorIndexUpdate],
        others: bool,
    ) -> Result<Self> {
        let mut changes = Self::default();
        for update in updates {
            if others || changes.made.is_some() || changes.gone.is_some() {
                return Err(Error::limit_exceeded(
                    "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
                ));
            }
            match (&update.create, &update.delete) {
                (Some(create), None) => {
                    define_more(table, definitions)?;
                    let index = Defined {
                        name: &create.index_name,
                        attribute: &create.vector_attribute.attribute_name,
                        schema: create.search_schema.as_deref().unwrap_or_default(),
                        projection: &create.projection,
                        dimensions: create.dimensions,
                        distance: &create.distance_function,
                    };
                    add(table, &index)?;
                    changes.made = Some(create.index_name.clone());
                }
                (None, Some(delete)) => {
                    let at = table.vectors.iter().position(|index| index.name == delete.index_name);
                    let index = at.map(|at| table.vectors.remove(at)).ok_or_else(Error::resource_not_found)?;
                    changes.gone = Some(index);
                }
                _ => {
                    return Err(Error::invalid("Exactly one of Create and Delete must be in a VectorIndexUpdate"));
                }
            }
        }
        if table.billing != Billing::OnDemand && !table.vectors.is_empty() {
            return Err(only_on_demand());
        }
        Ok(changes)
    }
}

/// Takes over definitions of attributes, which must not say something else of one that is known.
fn define_more(table: &mut Table, definitions: &[KeyDefinition]) -> Result<()> {
    for definition in definitions {
        match table.attributes.iter().find(|known| known.name == definition.name) {
            Some(known) if known.code != definition.code => {
                return Err(Error::invalid(format_args!(
                    "Attributes cannot be redefined. Please check that your attribute has the same type as previously defined. \
                     Existing schema: {known:?} New schema: {definition:?}"
                )));
            }
            Some(_) => {}
            None => table.attributes.push(definition.clone()),
        }
    }
    Ok(())
}

/// An index as answers describe it.
///
/// # Errors
/// When the store fails.
pub(crate) fn description(
    cx: &Cx,
    from: &impl Read,
    table: &Table,
    index: &VectorIndex,
    status: &str,
) -> Result<VectorIndexDescription> {
    let counts = rows::counts(from, scope(cx), table, index.number)?;
    let element = |name: &String, kind: &str| SearchSchemaElement {
        attribute_name: name.clone(),
        search_schema_element_type: kind.to_owned(),
    };
    let partition = index.partition.iter().map(|name| element(name, "HASH"));
    let elements = partition.chain(index.filters.iter().map(|name| element(name, "INLINE_FILTER"))).collect::<Vec<_>>();
    Ok(VectorIndexDescription {
        index_name: Some(index.name.clone()),
        search_schema: (!elements.is_empty()).then_some(elements),
        projection: Some(describe::projection(&index.projection)),
        vector_attribute: Some(VectorAttributeDefinition { attribute_name: index.attribute.clone() }),
        dimensions: i64::try_from(index.dimensions).ok(),
        distance_function: Some(index.distance.name().to_owned()),
        index_status: Some(status.to_owned()),
        backfilling: None,
        index_size_bytes: Some(counts.bytes),
        item_count: Some(counts.items),
        index_arn: Some(format!("{}/index/{}", crate::request::table_arn(cx, &table.name), index.name)),
    })
}
