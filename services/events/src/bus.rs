//! Event buses: CreateEventBus and its kin.
//!
//! The default bus is there without a row; it gets one when something is said of it.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::tags::Tags;
use undercast_kernel::{Cx, Result, Timestamp, paging};

use crate::api::{self, errors, output};
use crate::error::{bad_token, no_bus, validation};
use crate::name::{BusName, DEFAULT};
use crate::rule::RULES;
use crate::{partner, tags};

/// Account, region, name.
pub(crate) static BUSES: Table<Bus> = Table::new("events.buses");

/// Lists come in pages of so many, where nothing else is said.
pub(crate) const PAGE: i32 = 100;

/// A bus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Bus {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) description: Option<String>,
    #[n(2)]
    pub(crate) policy: Option<String>,
    /// Milliseconds since 1970; the default bus was always there.
    #[n(3)]
    pub(crate) created: Option<i64>,
    #[n(4)]
    pub(crate) modified: Option<i64>,
    #[n(5)]
    pub(crate) tags: Tags,
}

impl BusName {
    /// The bus, if it is there.
    pub(crate) fn get(&self, from: &(impl Read + ?Sized)) -> Result<Option<Bus>> {
        let found = BUSES.get(from, &self.key())?;
        let default = || Bus { name: DEFAULT.to_owned(), ..Bus::default() };
        Ok(found.or_else(|| self.is_default().then(default)))
    }

    pub(crate) fn find(&self, from: &(impl Read + ?Sized)) -> Result<Bus> {
        self.get(from)?.ok_or_else(|| no_bus(&self.name).into())
    }

    /// The same in the region of a call: an ARN may name a bus of another account, but not of another region.
    pub(crate) fn find_here(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Bus> {
        if self.region == cx.region() { self.find(from) } else { Err(no_bus(&self.name).into()) }
    }
}

pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(crate) async fn create(cx: &Cx, input: api::CreateEventBusInput) -> Result<api::CreateEventBusOutput> {
    if input.name.contains('/') && input.event_source_name.is_none() {
        let message = format!(
            "1 validation error detected: Value '{}' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+",
            input.name
        );
        return Err(validation(message).into());
    }
    let name = BusName::new(cx, &input.name);
    let exists = || errors::resource_already_exists_exception(format!("Event bus {} already exists.", input.name));
    let given = tags::read(input.tags)?;
    let now = cx.now_millis();
    cx.write(|tx| {
        if name.get(tx)?.is_some() {
            return Err(exists().into());
        }
        if let Some(source) = &input.event_source_name {
            partner::bus_made(cx, tx, &input.name, source)?;
        }
        let bus = Bus {
            name: input.name.clone(),
            description: input.description.clone(),
            policy: None,
            created: Some(now),
            modified: Some(now),
            tags: given.clone(),
        };
        BUSES.put(tx, &name.key(), &bus);
        Ok(())
    })
    .await?;
    Ok(api::CreateEventBusOutput {
        event_bus_arn: Some(name.arn()),
        description: input.description,
        ..api::CreateEventBusOutput::default()
    })
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateEventBusInput) -> Result<api::UpdateEventBusOutput> {
    let name = BusName::of(cx, input.name.as_deref());
    let bus = cx
        .write(|tx| {
            let mut bus = name.find_here(cx, tx)?;
            if let Some(description) = &input.description {
                bus.description = Some(description.clone()).filter(|text| !text.is_empty());
            }
            bus.modified = Some(cx.now_millis());
            BUSES.put(tx, &name.key(), &bus);
            Ok(bus)
        })
        .await?;
    Ok(api::UpdateEventBusOutput {
        arn: Some(name.arn()),
        name: Some(bus.name),
        description: bus.description,
        ..api::UpdateEventBusOutput::default()
    })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteEventBusInput) -> Result<()> {
    let name = BusName::of(cx, Some(&input.name));
    if name.is_default() {
        return Err(validation("Cannot delete event bus default.").into());
    }
    cx.write(|tx| {
        // One that is not there is gone already.
        if name.region != cx.region() || name.get(tx)?.is_none() {
            return Ok(());
        }
        if !RULES.page(tx, &name.key(), None::<&()>, undercast_kernel::store::Order::Ascending, 1)?.is_empty() {
            return Err(validation("Event bus can't be deleted since it has rules.").into());
        }
        BUSES.delete(tx, &name.key());
        partner::bus_gone(cx, tx, &name.name)
    })
    .await
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeEventBusInput) -> Result<api::DescribeEventBusOutput> {
    let name = BusName::of(cx, input.name.as_deref());
    let bus = name.find_here(cx, &cx.read())?;
    Ok(api::DescribeEventBusOutput {
        name: Some(bus.name),
        arn: Some(name.arn()),
        description: bus.description,
        policy: bus.policy,
        creation_time: bus.created.map(moment),
        last_modified_time: bus.modified.map(moment),
        ..api::DescribeEventBusOutput::default()
    })
}

pub(crate) fn list(cx: &Cx, input: &api::ListEventBusesInput) -> Result<api::ListEventBusesOutput> {
    let from = cx.read();
    let mut all: Vec<Bus> = BUSES.all(&from, &(cx.account(), cx.region()))?.into_iter().map(|e| e.row).collect();
    if !all.iter().any(|bus| bus.name == DEFAULT) {
        all.push(BusName::new(cx, DEFAULT).find(&from)?);
        all.sort_by(|a, b| a.name.cmp(&b.name));
    }
    let prefix = input.name_prefix.as_deref().unwrap_or("");
    all.retain(|bus| bus.name.starts_with(prefix));
    let (page, next_token) = page("ListEventBuses", all, input.next_token.as_deref(), input.limit)?;
    let shown = page.into_iter().map(|bus| output::EventBus {
        arn: Some(BusName::new(cx, &bus.name).arn()),
        name: Some(bus.name),
        description: bus.description,
        policy: bus.policy,
        creation_time: bus.created.map(moment),
        last_modified_time: bus.modified.map(moment),
        ..output::EventBus::default()
    });
    Ok(api::ListEventBusesOutput { event_buses: Some(shown.collect()), next_token })
}

/// A page of a list, as long as the caller wants it.
pub(crate) fn page<T>(
    scope: &str,
    items: Vec<T>,
    token: Option<&str>,
    limit: Option<i32>,
) -> Result<(Vec<T>, Option<String>)> {
    let size = usize::try_from(limit.unwrap_or(PAGE)).unwrap_or(1);
    paging::page(scope, items, token, size).ok_or_else(|| bad_token().into())
}
