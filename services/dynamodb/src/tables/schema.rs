//! What a table and its indexes may look like, in AWS's words where they may not.

use crate::api::input;
use crate::error::{Error, Result};
use crate::table::{Billing, Index, IndexProjection, KeyDefinition, KeySchema};
use crate::throughput::Allowance;
use crate::throughput::settings::{self, Asked, When, Whose};
use undercast_kernel::Cx;

/// Most local indexes of a table.
const MAX_LOCAL: usize = 5;
/// Most attributes of either kind in the key of a global index.
const MAX_KEY_ATTRIBUTES: usize = 4;
/// Most global indexes of a table.
const MAX_GLOBAL: usize = 20;
/// Most attributes that all indexes of a table name besides keys.
const MAX_INCLUDED: usize = 100;
/// Most units of capacity that can be asked for.
const MAX_UNITS: i64 = 1_000_000_000_000;

/// How a table is paid for.
///
/// # Errors
/// What AWS says of a mode and a throughput that do not go together.
pub(crate) fn billing(mode: Option<&str>, throughput: Option<&input::ProvisionedThroughput>) -> Result<Billing> {
    match (mode, throughput) {
        (Some("PAY_PER_REQUEST"), None) => Ok(Billing::OnDemand),
        (Some("PAY_PER_REQUEST"), Some(_)) => Err(Error::invalid(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (_, Some(throughput)) => provisioned(throughput),
        (_, None) => Err(Error::invalid(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
    }
}

/// Capacity held ready.
///
/// # Errors
/// When it is more than anyone may ask for.
pub(crate) fn provisioned(throughput: &input::ProvisionedThroughput) -> Result<Billing> {
    let (read, write) = (throughput.read_capacity_units, throughput.write_capacity_units);
    for (name, units) in [("ReadCapacityUnits", read), ("WriteCapacityUnits", write)] {
        if units > MAX_UNITS {
            return Err(Error::validation(format_args!("Given value {units} for {name} is out of bounds")));
        }
    }
    Ok(Billing::Provisioned { read, write })
}

/// The definitions of key attributes.
///
/// # Errors
/// When one is given twice.
pub(crate) fn definitions(given: impl IntoIterator<Item = input::AttributeDefinition>) -> Result<Vec<KeyDefinition>> {
    let mut definitions: Vec<KeyDefinition> = Vec::new();
    for definition in given {
        if definitions.iter().any(|known| known.name == definition.attribute_name) {
            return Err(Error::invalid(format_args!("Attribute Name is duplicated: {}", definition.attribute_name)));
        }
        definitions.push(KeyDefinition { name: definition.attribute_name, code: definition.attribute_type });
    }
    Ok(definitions)
}

/// Refuses a key with an attribute that is not defined.
fn check_defined(key: &[input::KeySchemaElement], definitions: &[KeyDefinition]) -> Result<()> {
    let defined =
        |element: &input::KeySchemaElement| definitions.iter().any(|known| known.name == element.attribute_name);
    if key.iter().all(defined) {
        return Ok(());
    }
    let keys: Vec<&str> = key.iter().map(|element| element.attribute_name.as_str()).collect();
    let names: Vec<&str> = definitions.iter().map(|known| known.name.as_str()).collect();
    Err(Error::invalid(format_args!(
        "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
        keys.join(", "),
        names.join(", ")
    )))
}

/// The key of a table.
///
/// # Errors
/// What AWS says of a schema that is none.
pub(crate) fn table_key(given: &[input::KeySchemaElement], definitions: &[KeyDefinition]) -> Result<KeySchema> {
    if definitions.len() < given.len() {
        return Err(Error::validation("Invalid KeySchema: Some index key attribute have no definition"));
    }
    key(given, definitions)
}

/// Refuses definitions that do not match the keys of a new table and of its indexes, before anything else of the
/// indexes is looked at.
///
/// # Errors
/// What AWS says of it.
pub(crate) fn check_definitions(
    table: &KeySchema,
    local: Option<&[input::LocalSecondaryIndex]>,
    global: Option<&[input::GlobalSecondaryIndex]>,
    searched: &[&str],
    definitions: &[KeyDefinition],
) -> Result<()> {
    let local = local.into_iter().flatten().map(|index| &index.key_schema);
    let keys = || local.clone().chain(global.into_iter().flatten().map(|index| &index.key_schema));
    keys().try_for_each(|key| check_defined(key, definitions))?;
    let of_indexes = keys().flatten().map(|element| element.attribute_name.as_str());
    let mut used: Vec<&str> = table.names().chain(of_indexes).chain(searched.iter().copied()).collect();
    used.sort_unstable();
    used.dedup();
    if definitions.iter().all(|definition| used.contains(&definition.name.as_str())) {
        return Ok(());
    }
    if keys().next().is_none() && searched.is_empty() {
        return Err(Error::invalid(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
        ));
    }
    let names: Vec<&str> = definitions.iter().map(|definition| definition.name.as_str()).collect();
    Err(Error::invalid(format_args!(
        "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
        names.join(", "),
        used.join(", ")
    )))
}

/// A key of a table or an index.
///
/// # Errors
/// What AWS says of a schema that is none.
pub(crate) fn key(given: &[input::KeySchemaElement], definitions: &[KeyDefinition]) -> Result<KeySchema> {
    let (Some(first), second) = (given.first(), given.get(1)) else {
        return Err(Error::validation(
            "1 validation error detected: Value '[]' at 'keySchema' failed to satisfy constraint: Member must have length \
             greater than or equal to 1",
        ));
    };
    check_defined(given, definitions)?;
    if second.is_some_and(|second| second.attribute_name == first.attribute_name) {
        return Err(Error::validation(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ));
    }
    if first.key_type != "HASH" {
        return Err(Error::validation("Invalid KeySchema: The first KeySchemaElement is not a HASH key type"));
    }
    if second.is_some_and(|second| second.key_type != "RANGE") {
        return Err(Error::validation("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"));
    }
    if given.len() > 2 {
        return Err(Error::validation(
            "Invalid KeySchema: Only keys of global secondary indexes have more than two elements",
        ));
    }
    Ok(KeySchema {
        partition: first.attribute_name.clone(),
        sort: second.map(|second| second.attribute_name.clone()),
        more_partition: Vec::new(),
        more_sort: Vec::new(),
    })
}

/// A key of a global index. Since 2025 it may have several attributes of either kind.
///
/// # Errors
/// What AWS says of a schema that is none.
pub(crate) fn global_key(given: &[input::KeySchemaElement], definitions: &[KeyDefinition]) -> Result<KeySchema> {
    let first_sort = given.iter().position(|element| element.key_type != "HASH").unwrap_or(given.len());
    let (partitions, sorts) = given.split_at(first_sort);
    let many = partitions.len() > 1 || sorts.len() > 1;
    if !many || partitions.is_empty() {
        return key(given, definitions);
    }
    if partitions.len() > MAX_KEY_ATTRIBUTES || sorts.len() > MAX_KEY_ATTRIBUTES {
        return Err(Error::validation(format_args!(
            "Invalid KeySchema: A key has at most {MAX_KEY_ATTRIBUTES} HASH and {MAX_KEY_ATTRIBUTES} RANGE elements"
        )));
    }
    if sorts.iter().any(|element| element.key_type != "RANGE") {
        return Err(Error::validation("Invalid KeySchema: HASH elements must come before RANGE elements"));
    }
    check_defined(given, definitions)?;
    let mut names: Vec<&str> = given.iter().map(|element| element.attribute_name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < given.len() {
        return Err(Error::validation("Invalid KeySchema: Elements of the KeySchema have the same name"));
    }
    let mut partitions = partitions.iter().map(|element| element.attribute_name.clone());
    let mut sorts = sorts.iter().map(|element| element.attribute_name.clone());
    Ok(KeySchema {
        partition: partitions.next().unwrap_or(String::new()),
        sort: sorts.next(),
        more_partition: partitions.collect(),
        more_sort: sorts.collect(),
    })
}

/// What an index has besides keys.
///
/// # Errors
/// What AWS says of a projection that is none.
pub(crate) fn projection(given: &input::Projection) -> Result<IndexProjection> {
    match (given.projection_type.as_deref(), given.non_key_attributes.clone()) {
        (Some("ALL"), None) => Ok(IndexProjection::All),
        (Some("KEYS_ONLY"), None) => Ok(IndexProjection::KeysOnly),
        (Some("INCLUDE"), Some(names)) => {
            let twice = names.iter().enumerate().find(|(at, name)| names.iter().take(*at).any(|other| other == *name));
            match twice {
                Some((_, name)) => Err(Error::invalid(format_args!("Duplicate element in NonKeyAttributes: {name}"))),
                None => Ok(IndexProjection::Include(names)),
            }
        }
        (Some("INCLUDE"), None) => {
            Err(Error::invalid("ProjectionType is INCLUDE, but NonKeyAttributes is not specified"))
        }
        (Some(kind @ ("ALL" | "KEYS_ONLY")), Some(_)) => {
            Err(Error::invalid(format_args!("ProjectionType is {kind}, but NonKeyAttributes is specified")))
        }
        (kind, _) => Err(Error::invalid(format_args!("Unknown ProjectionType: {}", kind.unwrap_or("null")))),
    }
}

/// The local indexes of a table with this key.
///
/// # Errors
/// What AWS says of indexes that the table cannot have.
pub(crate) fn local_indexes(
    given: Option<Vec<input::LocalSecondaryIndex>>,
    table: &KeySchema,
    definitions: &[KeyDefinition],
    numbers: &mut u16,
) -> Result<Vec<Index>> {
    let Some(given) = given else { return Ok(Vec::new()) };
    if given.is_empty() {
        return Err(Error::invalid("List of LocalSecondaryIndexes is empty"));
    }
    if table.sort.is_none() {
        return Err(Error::invalid(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ));
    }
    if given.len() > MAX_LOCAL {
        return Err(Error::invalid("Number of LocalSecondaryIndexes exceeds per-table limit of 5"));
    }
    let mut indexes = Vec::with_capacity(given.len());
    for index in given {
        let key = key(&index.key_schema, definitions)?;
        let name = &index.index_name;
        if key.sort.is_none() {
            return Err(Error::invalid(format_args!("Index KeySchema does not have a range key for index: {name}")));
        }
        if key.partition != table.partition {
            return Err(Error::invalid(format_args!(
                "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. index hash key: \
                 {}, table hash key: {}",
                key.partition, table.partition
            )));
        }
        let projection = projection(&index.projection)?;
        let number = next(numbers);
        indexes.push(Index {
            name: index.index_name,
            number,
            key,
            projection,
            billing: Billing::OnDemand,
            allowance: Allowance::default(),
            insights: None,
        });
    }
    Ok(indexes)
}

/// The global indexes of a table that is paid for so.
///
/// # Errors
/// What AWS says of indexes that the table cannot have.
pub(crate) fn global_indexes(
    cx: &Cx,
    given: Option<Vec<input::GlobalSecondaryIndex>>,
    definitions: &[KeyDefinition],
    billing: Billing,
    numbers: &mut u16,
) -> Result<Vec<Index>> {
    let Some(given) = given else { return Ok(Vec::new()) };
    if given.is_empty() {
        return Err(Error::invalid("List of GlobalSecondaryIndexes is empty"));
    }
    let mut indexes = Vec::with_capacity(given.len());
    for index in given {
        let key = global_key(&index.key_schema, definitions)?;
        let projection = projection(&index.projection)?;
        let billing = index_billing(&index.index_name, billing, index.provisioned_throughput.as_ref())?;
        let asked = Asked { most: index.on_demand_throughput.as_ref(), warm: index.warm_throughput.as_ref() };
        let allowance = made(cx, billing, asked, Whose::Index(&index.index_name))?;
        let number = next(numbers);
        let name = index.index_name;
        indexes.push(Index { name, number, key, projection, billing, allowance, insights: None });
    }
    Ok(indexes)
}

/// What something new may read and write, that is paid for so.
///
/// # Errors
/// What AWS says of what is asked for, and when an account has no such capacity.
pub(crate) fn made(cx: &Cx, billing: Billing, asked: Asked<'_>, whose: Whose<'_>) -> Result<Allowance> {
    settings::check_provisioned(cx, billing, whose)?;
    let mut allowance = Allowance::default();
    asked.follow(cx, &mut allowance, billing, whose, When::Made)?;
    Ok(allowance)
}

/// How a global index is paid for: as its table is.
///
/// # Errors
/// When its throughput does not go with that.
pub(crate) fn index_billing(
    name: &str,
    table: Billing,
    throughput: Option<&input::ProvisionedThroughput>,
) -> Result<Billing> {
    match (table, throughput) {
        (Billing::OnDemand, None) => Ok(Billing::OnDemand),
        (Billing::OnDemand, Some(_)) => Err(Error::invalid(format_args!(
            "ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
        ))),
        (Billing::Provisioned { .. }, Some(throughput)) => provisioned(throughput),
        (Billing::Provisioned { .. }, None) => {
            Err(Error::invalid(format_args!("ProvisionedThroughput is not specified for index: {name}")))
        }
    }
}

/// The number of a new index.
pub(crate) fn next(numbers: &mut u16) -> u16 {
    let number = *numbers;
    *numbers = numbers.saturating_add(1);
    number
}

/// Refuses what only shows when all indexes are known: names twice, too many of them, too many names in them.
///
/// # Errors
/// What AWS says of it.
pub(crate) fn check_together(local: &[Index], global: &[Index]) -> Result<()> {
    let all = || local.iter().chain(global);
    let mut names: Vec<&str> = Vec::new();
    for index in all() {
        if names.contains(&index.name.as_str()) {
            return Err(Error::invalid(format_args!("Duplicate index name: {}", index.name)));
        }
        names.push(&index.name);
    }
    if global.len() > MAX_GLOBAL {
        return Err(Error::invalid("GlobalSecondaryIndex count exceeds the per-table limit of 20"));
    }
    let included: usize = all()
        .map(|index| match &index.projection {
            IndexProjection::Include(names) => names.len(),
            IndexProjection::All | IndexProjection::KeysOnly => 0,
        })
        .sum();
    if included > MAX_INCLUDED {
        return Err(Error::invalid(format_args!(
            "Number of NonKeyAttributes in all indexes exceeds the limit of {MAX_INCLUDED}"
        )));
    }
    Ok(())
}
