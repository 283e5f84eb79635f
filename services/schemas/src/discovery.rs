//! Discovery: an event that came to the bus of a discoverer makes a schema, or a new version of one if it shows something new.
//!
//! EventBridge stores a task with what acknowledges the event; doing it twice changes nothing more. A version holds what all events
//! until then had in common: AWS tells only that an event whose content has changed makes a version, and not what of it was known.

use serde_json::Value as Json;
use undercast_kernel::store::Tx;
use undercast_kernel::tags::Tags;
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use crate::infer::{self, Called, Shape};
use crate::name::{DISCOVERED, RegistryName};
use crate::rows::{DISCOVERERS, Kind, SCHEMAS, Schema, VERSIONS, Version};
use crate::{SERVICE, schemas, versions};

/// The kind of the tasks that bring events.
pub(crate) const KIND: &str = "discover";

/// Looks at an event: `{"discoverer": its id, "event": the event}`.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let told: Json = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let id = told["discoverer"].as_str().unwrap_or("");
    // It may have been stopped or deleted meanwhile.
    let active = DISCOVERERS.get(&cx.read(), &cx.key(id))?.is_some_and(|discoverer| discoverer.started);
    let mut event = told["event"].clone();
    if let Some(fields) = event.as_object_mut() {
        // It says how the event came, and not what it is.
        fields.remove("replay-name");
    }
    let Some(called) = Called::of(&event).filter(|_| active) else { return Ok(Next::Done) };
    let seen = Shape::of(&event);
    cx.meter(SERVICE, "DiscoveredEvents", 1.0);
    cx.write(|tx| learn(cx, tx, &called, &seen)).await?;
    Ok(Next::Done)
}

/// Writes down what an event shows, if that is anything new.
fn learn(cx: &Cx, tx: &mut Tx<'_>, called: &Called, seen: &Shape) -> Result<()> {
    let registry = RegistryName::new(cx, DISCOVERED);
    let name = called.schema();
    let there = SCHEMAS.get(tx, &(registry.key(), &name))?;
    let known = match &there {
        Some(_) => known(tx, &registry, &name)?,
        None => None,
    };
    let all = match &known {
        Some(known) => known.clone().merged(seen.clone()),
        None => seen.clone(),
    };
    if known.as_ref() == Some(&all) {
        return Ok(());
    }
    let full = match &there {
        Some(_) => versions::all(tx, &registry, &name)?.len() >= versions::MOST,
        None => SCHEMAS.all(tx, &registry.key())?.len() >= 2 * schemas::MOST,
    };
    if full {
        // AWS discovers no more either when the registry is full.
        return Ok(());
    }
    let content = infer::document(&all, Some(called)).to_string();
    let shape = Some(serde_json::to_string(&all).map_err(Failure::broken)?);
    let mut schema = there.unwrap_or_else(|| Schema {
        name: name.clone(),
        description: None,
        tags: Tags::new(),
        modified: cx.now_millis(),
        next: 1,
    });
    versions::add(cx, tx, &registry, &mut schema, Kind::OpenApi, &content, shape)?;
    SCHEMAS.put(tx, &(registry.key(), &name), &schema);
    Ok(())
}

/// What is known of an event by the newest version of its schema.
fn known(tx: &Tx<'_>, registry: &RegistryName, name: &str) -> Result<Option<Shape>> {
    let order = undercast_kernel::store::Order::Descending;
    let newest: Option<Version> =
        VERSIONS.page(tx, &(registry.key(), name), None::<&()>, order, 1)?.into_iter().next().map(|entry| entry.row);
    let shape = newest.and_then(|version| version.shape);
    shape.map(|text| serde_json::from_str(&text).map_err(Failure::broken)).transpose()
}
