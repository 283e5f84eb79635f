//! PutAuditEvents: the service by which other applications hand their events over.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::Snapshot;
use undercast_kernel::{Access, Answer, Cx, Record, Result, Service};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use super::audit::{Audit, Wrong};
use super::row::{CHANNELS, Channel, arn, place};
use crate::data_api::{self as api, errors, input, output};
use crate::lake::ingest;
use crate::lake::store::{self, State, Store};
use crate::policies;

/// What policies call it.
const NAME: &str = "cloudtrail-data";

/// The service that takes events of other applications.
#[derive(Debug, Default)]
pub struct CloudTrailData;

impl Service for CloudTrailData {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn data_events(&self) -> &'static [&'static str] {
        &["PutAuditEvents"]
    }

    fn event_resources(&self, _from: &Snapshot, record: &Record, parameters: &Json) -> Vec<Json> {
        let Some(given) = parameters["channelArn"].as_str() else { return Vec::new() };
        let arn =
            if given.starts_with("arn:") { given.to_owned() } else { arn(&record.account, &record.region, given) };
        let account = Arn::parse(&arn).map_or_else(|| record.account.clone(), |arn| arn.account);
        vec![json!({"accountId": account, "type": "AWS::CloudTrail::Channel", "ARN": arn})]
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        let action = format!("{NAME}:{}", operation.name);
        let Some((account, region, id)) = place(cx, input.text("channelArn").unwrap_or_default()) else {
            // What names no channel is refused by the operation.
            return Ok(vec![Access::new(action, "*")]);
        };
        let home = cx.elsewhere(&account, &region);
        let mut access = policies::guarded(&home, action, &format!("channel/{id}"))?;
        if let Some(external) = input.text("externalId") {
            access.context.set("cloudtrail:ExternalId", external);
        }
        for (key, value) in CHANNELS.get(&cx.read(), &home.key(id))?.into_iter().flat_map(|channel| channel.tags) {
            access.context.set(&format!("aws:ResourceTag/{key}"), value);
        }
        Ok(vec![access])
    }
}

api::operations! {
    impl api::Operations for CloudTrailData; |self, cx, input|
    PutAuditEvents => put(cx, input).await,
}

/// Where the channel is, and it.
fn find(cx: &Cx, given: &str) -> Result<(Cx, Channel)> {
    let (account, region, id) = place(cx, given)
        .ok_or_else(|| errors::invalid_channel_arn(format!("The channel ARN is not valid: {given}.")))?;
    let home = cx.elsewhere(&account, &region);
    let channel = CHANNELS.get(&home.read(), &home.key(id))?.filter(|_| region == cx.region());
    let channel = channel.ok_or_else(|| errors::channel_not_found(format!("The channel {given} is not found.")))?;
    Ok((home, channel))
}

/// An event that was given: the id that it had, the one that it has, and what it is or what is wrong with it.
struct Given {
    original: String,
    id: String,
    read: std::result::Result<Audit, Wrong>,
}

/// The stores that take events of a channel now.
fn stores(home: &Cx, channel: &Channel) -> Result<Vec<Store>> {
    let from = home.read();
    let mut all = Vec::new();
    for arn in &channel.stores {
        let store = store::find(home, &from, arn)?;
        if store.state == State::Enabled {
            all.push(store);
        }
    }
    Ok(all)
}

/// Takes the events that can be taken, and says what is wrong with the others.
async fn put(cx: &Cx, input: api::PutAuditEventsInput) -> Result<api::PutAuditEventsOutput> {
    let (home, channel) = find(cx, &input.channel_arn)?;
    let mut ids = BTreeSet::new();
    if !input.audit_events.iter().all(|event| ids.insert(event.id.as_str())) {
        let message = "Two or more events in the request have the same ID.";
        return Err(errors::duplicated_audit_event_id(message).into());
    }
    let read = |event: input::AuditEvent| Given {
        id: cx.random().uuid(),
        read: Audit::read(&event.event_data, event.event_data_checksum.as_deref(), home.account()),
        original: event.id,
    };
    let all: Vec<Given> = input.audit_events.into_iter().map(read).collect();
    let events = all.iter().filter_map(|given| {
        let audit = given.read.as_ref().ok()?;
        let event = audit.event(&given.id, home.account(), home.region(), &channel.arn(), cx.now());
        Some(ingest::Event { at: audit.at(), id: given.id.clone(), text: event.to_string() })
    });
    let (events, mut kept): (Vec<ingest::Event>, _) = (events.collect(), Vec::new());
    for store in stores(&home, &channel)? {
        let sealed = ingest::prepare(&home, &store, events.clone()).await?;
        kept.push((store, sealed));
    }
    home.write(|tx| {
        for (store, events) in &kept {
            events.iter().try_for_each(|event| ingest::put(tx, store, event, home.now_millis()))?;
        }
        if let Some(channel) = CHANNELS.get(tx, &channel.key())? {
            CHANNELS.put(tx, &channel.key(), &told(channel.clone(), &all, home.now_millis()));
        }
        Ok(())
    })
    .await?;
    Ok(answered(all))
}

/// A channel that knows what became of what was given.
fn told(channel: Channel, all: &[Given], now: i64) -> Channel {
    let at = |given: &Given| (now, given.id.clone());
    let success = all.iter().rev().find(|given| given.read.is_ok()).map(at);
    let error = all.iter().rev().find_map(|given| given.read.as_ref().err()).map(|wrong| wrong.code.to_owned());
    Channel {
        success: success.or(channel.success),
        attempt: all.last().map(at).or(channel.attempt),
        error: error.or(channel.error),
        ..channel
    }
}

fn answered(all: Vec<Given>) -> api::PutAuditEventsOutput {
    let (mut failed, mut successful) = (Vec::new(), Vec::new());
    for Given { original, id, read } in all {
        match read {
            Ok(_) => successful.push(output::AuditEventResultEntry { id: original, event_id: id }),
            Err(Wrong { code, message }) => failed.push(output::ResultErrorEntry {
                id: original,
                error_code: code.to_owned(),
                error_message: message,
            }),
        }
    }
    api::PutAuditEventsOutput { failed, successful }
}
