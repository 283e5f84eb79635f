//! PutEvents and PutPartnerEvents: each entry is taken or refused by itself, and what is taken is acknowledged with what shall
//! be delivered of it.

use std::time::Instant;

use serde_json::Value as Json;
use undercast_kernel::{Cx, Result, Timestamp};

use crate::accept::Plan;

use crate::api::{self, input, output};
use crate::error::validation;
use crate::event::{Event, compact};
use crate::metrics::{self, Puts};
use crate::name::BusName;
use crate::{Events, partner};

/// Most bytes of all entries of a call: each of them may be as large.
const LARGEST: usize = 256 * 1024;

/// An entry of either call.
struct Entry<'a> {
    time: Option<Timestamp>,
    source: &'a Option<String>,
    resources: &'a Option<Vec<String>>,
    detail_type: &'a Option<String>,
    detail: &'a Option<String>,
    trace: &'a Option<String>,
    bus: Option<&'a str>,
}

impl<'a> From<&'a input::PutEventsRequestEntry> for Entry<'a> {
    fn from(of: &'a input::PutEventsRequestEntry) -> Self {
        Self {
            time: of.time,
            source: &of.source,
            resources: &of.resources,
            detail_type: &of.detail_type,
            detail: &of.detail,
            trace: &of.trace_header,
            bus: of.event_bus_name.as_deref(),
        }
    }
}

impl<'a> From<&'a input::PutPartnerEventsRequestEntry> for Entry<'a> {
    fn from(of: &'a input::PutPartnerEventsRequestEntry) -> Self {
        Self {
            time: of.time,
            source: &of.source,
            resources: &of.resources,
            detail_type: &of.detail_type,
            detail: &of.detail,
            trace: &None,
            bus: None,
        }
    }
}

impl Entry<'_> {
    /// Its bytes, as AWS counts them.
    fn size(&self) -> usize {
        let of = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let resources = self.resources.iter().flatten().map(String::len).sum::<usize>();
        let time = if self.time.is_some() { 14 } else { 0 };
        time + of(self.source) + of(self.detail_type) + of(self.detail) + resources
    }
}

/// Why an entry is not taken: code and message.
type Refused = (&'static str, String);

fn not_authorized() -> Refused {
    ("NotAuthorizedForSourceException", "Not authorized for the source.".to_owned())
}

fn required<'a>(given: &'a Option<String>, name: &str) -> std::result::Result<&'a str, Refused> {
    let missing = || {
        let message = format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
        ("InvalidArgument", message)
    };
    given.as_deref().filter(|text| !text.is_empty()).ok_or_else(missing)
}

/// The event of an entry.
fn event(cx: &Cx, entry: &Entry<'_>) -> std::result::Result<Event, Refused> {
    let source = required(entry.source, "Source")?;
    let detail_type = required(entry.detail_type, "DetailType")?;
    let detail = required(entry.detail, "Detail")?;
    if !serde_json::from_str::<Json>(detail).is_ok_and(|detail| detail.is_object()) {
        return Err(("MalformedDetail", "Detail is malformed.".to_owned()));
    }
    Ok(Event {
        id: cx.random().uuid(),
        detail_type: detail_type.to_owned(),
        source: source.to_owned(),
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        time: entry.time.unwrap_or(cx.now()).as_second(),
        resources: entry.resources.clone().unwrap_or_else(Vec::new),
        detail: compact(detail),
        ingested: cx.now_millis(),
        trace: entry.trace.clone(),
        hop: None,
        replay: None,
    })
}

/// What became of the entries of a call.
#[derive(Default)]
struct Taken {
    plans: Vec<Plan>,
    /// The id of each event, or why it was not taken.
    entries: Vec<std::result::Result<String, Refused>>,
}

impl Taken {
    fn failed(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is_err()).count()
    }

    /// What is taken is stored, and nobody waits for what nobody wants.
    async fn write(&mut self, cx: &Cx) -> Result<()> {
        self.plans.retain(|plan| !plan.is_empty());
        if self.plans.is_empty() {
            return Ok(());
        }
        cx.write(|tx| self.plans.iter().try_for_each(|plan| plan.write(cx, tx))).await
    }

    fn tell(&self, cx: &Cx, call: &str, bytes: usize, began: Instant) {
        let (entries, failed) = (self.entries.len(), self.failed());
        cx.meter("events", "Events", f64::from(u32::try_from(entries - failed).unwrap_or(u32::MAX)));
        metrics::put(cx, call, &Puts { bytes, entries, failed, took: began.elapsed() });
    }
}

fn check_size(cx: &Cx, call: &str, bytes: usize) -> Result<()> {
    if bytes > LARGEST {
        metrics::put_failed(cx, call);
        return Err(validation("Total size of the entries in the request is over the limit.").into());
    }
    Ok(())
}

pub(crate) async fn put(service: &Events, cx: &Cx, input: api::PutEventsInput) -> Result<api::PutEventsOutput> {
    const CALL: &str = "PutEvents";
    let began = Instant::now();
    let entries: Vec<Entry<'_>> = input.entries.iter().map(Entry::from).collect();
    let bytes = entries.iter().map(Entry::size).sum();
    check_size(cx, CALL, bytes)?;
    let from = cx.read();
    let mut taken = Taken::default();
    for entry in &entries {
        let mut made = event(cx, entry);
        if entry.source.as_ref().is_some_and(|source| source.starts_with("aws.")) {
            made = made.and(Err(not_authorized()));
        }
        if let Ok(event) = &made {
            taken.plans.push(service.plan(cx, &from, &BusName::of(cx, entry.bus), event, None)?);
        }
        taken.entries.push(made.map(|event| event.id));
    }
    taken.write(cx).await?;
    taken.tell(cx, CALL, bytes, began);
    let failed_entry_count = i32::try_from(taken.failed()).ok();
    let shown = taken.entries.into_iter().map(|entry| {
        let (event_id, error_code, error_message) = told(entry);
        output::PutEventsResultEntry { event_id, error_code, error_message }
    });
    Ok(api::PutEventsOutput { failed_entry_count, entries: Some(shown.collect()) })
}

/// The id, the code and the message of an entry.
fn told(entry: std::result::Result<String, Refused>) -> (Option<String>, Option<String>, Option<String>) {
    match entry {
        Ok(id) => (Some(id), None, None),
        Err((code, message)) => (None, Some(code.to_owned()), Some(message)),
    }
}

/// A partner's events come to the bus of the account that its source is offered to.
pub(crate) async fn put_partner(
    service: &Events,
    cx: &Cx,
    input: api::PutPartnerEventsInput,
) -> Result<api::PutPartnerEventsOutput> {
    const CALL: &str = "PutPartnerEvents";
    let began = Instant::now();
    let entries: Vec<Entry<'_>> = input.entries.iter().map(Entry::from).collect();
    let bytes = entries.iter().map(Entry::size).sum();
    check_size(cx, CALL, bytes)?;
    let from = cx.read();
    let mut taken = Taken::default();
    for entry in &entries {
        let taker = entry.source.as_ref().map(|source| partner::taker(cx, &from, source)).transpose()?.flatten();
        let made = match taker {
            None => required(entry.source, "Source").and_then(|_| Err(not_authorized())),
            Some((account, takes)) => {
                let home = cx.elsewhere(&account, cx.region());
                let made = event(&home, entry);
                if let (Ok(event), true) = (&made, takes) {
                    taken.plans.push(service.plan(&home, &from, &BusName::new(&home, &event.source), event, None)?);
                }
                made
            }
        };
        taken.entries.push(made.map(|event| event.id));
    }
    taken.write(cx).await?;
    taken.tell(cx, CALL, bytes, began);
    let failed_entry_count = i32::try_from(taken.failed()).ok();
    let shown = taken.entries.into_iter().map(|entry| {
        let (event_id, error_code, error_message) = told(entry);
        output::PutPartnerEventsResultEntry { event_id, error_code, error_message }
    });
    Ok(api::PutPartnerEventsOutput { failed_entry_count, entries: Some(shown.collect()) })
}
