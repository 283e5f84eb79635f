//! PutEvents: each entry is taken or refused by itself, and what is taken is acknowledged with what shall be delivered of it.

use serde_json::Value as Json;
use undercast_kernel::{Cx, Result};

use crate::api::{self, input, output};
use crate::error::validation;
use crate::event::{Event, compact};
use crate::metrics::{self, Puts};
use crate::name::BusName;
use crate::{Events, accept};

/// Most bytes of all entries of a call: each of them may be as large.
const LARGEST: usize = 256 * 1024;

/// The bytes of an entry, as AWS counts them.
fn size(entry: &input::PutEventsRequestEntry) -> usize {
    let of = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let resources = entry.resources.iter().flatten().map(String::len).sum::<usize>();
    let time = if entry.time.is_some() { 14 } else { 0 };
    time + of(&entry.source) + of(&entry.detail_type) + of(&entry.detail) + resources
}

/// Why an entry is not taken: code and message.
type Refused = (&'static str, String);

fn required<'a>(given: &'a Option<String>, name: &str) -> std::result::Result<&'a str, Refused> {
    let missing = || {
        let message = format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
        ("InvalidArgument", message)
    };
    given.as_deref().filter(|text| !text.is_empty()).ok_or_else(missing)
}

/// The event of an entry.
fn event(cx: &Cx, entry: &input::PutEventsRequestEntry) -> std::result::Result<Event, Refused> {
    let source = required(&entry.source, "Source")?;
    let detail_type = required(&entry.detail_type, "DetailType")?;
    let detail = required(&entry.detail, "Detail")?;
    if source.starts_with("aws.") {
        return Err(("NotAuthorizedForSourceException", "Not authorized for the source.".to_owned()));
    }
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
        trace: entry.trace_header.clone(),
        hop: None,
        replay: None,
    })
}

pub(crate) async fn put(service: &Events, cx: &Cx, input: api::PutEventsInput) -> Result<api::PutEventsOutput> {
    let began = std::time::Instant::now();
    let bytes: usize = input.entries.iter().map(size).sum();
    if bytes > LARGEST {
        metrics::put_failed(cx);
        return Err(validation("Total size of the entries in the request is over the limit.").into());
    }
    let from = cx.read();
    let (mut entries, mut plans, mut failed) = (Vec::new(), Vec::<accept::Plan>::new(), 0);
    for entry in &input.entries {
        let shown = match event(cx, entry) {
            Ok(event) => {
                let bus = BusName::of(cx, entry.event_bus_name.as_deref());
                plans.push(service.plan(cx, &from, &bus, &event, None)?);
                output::PutEventsResultEntry { event_id: Some(event.id), error_code: None, error_message: None }
            }
            Err((code, message)) => {
                failed += 1;
                output::PutEventsResultEntry {
                    event_id: None,
                    error_code: Some(code.to_owned()),
                    error_message: Some(message),
                }
            }
        };
        entries.push(shown);
    }
    plans.retain(|plan| !plan.is_empty());
    // Nobody waits for what nobody wants.
    if !plans.is_empty() {
        cx.write(|tx| plans.iter().try_for_each(|plan| plan.write(cx, tx))).await?;
    }
    cx.meter("events", "Events", f64::from(u32::try_from(entries.len() - failed).unwrap_or(u32::MAX)));
    metrics::put(cx, &Puts { bytes, entries: entries.len(), failed, took: began.elapsed() });
    let failed_entry_count = i32::try_from(failed).ok();
    Ok(api::PutEventsOutput { failed_entry_count, entries: Some(entries) })
}
