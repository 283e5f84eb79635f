//! CreateChannel and its kin.
//!
//! Source: "Create an integration with an event source outside of AWS" in the user guide, and the API reference. Channels that AWS
//! services make for themselves are not here.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Result, paging};

use super::row::{CHANNELS, Channel, find};
use crate::api::{self, errors, input, output};
use crate::lake::kind::Kind;
use crate::lake::store::{self, Store};
use crate::rows::moment;
use crate::{policies, tags};

/// So many are on a page.
const PAGE: usize = 1000;

/// Where events may come from: an application of one's own, or a partner's.
///
/// Source: "Additional information about integration partners" in the user guide.
const SOURCES: &[&str] = &[
    "CloudStorageSecurityConsole",
    "Clumio",
    "CrowdStrike",
    "CyberArk",
    "Custom",
    "GitHub",
    "IBMMulticloud",
    "KongGatewayEnterprise",
    "LaunchDarkly",
    "MontyCloud",
    "NetskopeCloudExchange",
    "OktaSystemLogEvents",
    "OneLogin",
    "Shoreline",
    "Snyk",
    "WizAuditLogs",
];

fn bad(message: impl Into<String>) -> undercast_kernel::Failure {
    errors::invalid_parameter_exception(message).into()
}

/// The stores to which events go: of this account, active, and for events of other applications.
fn stores(cx: &Cx, from: &(impl Read + ?Sized), all: &[input::Destination]) -> Result<Vec<String>> {
    let mut arns = Vec::new();
    for one in all {
        if one.type_ != "EVENT_DATA_STORE" {
            return Err(bad("The type of a destination must be EVENT_DATA_STORE."));
        }
        let store = store::find_active(cx, from, &one.location)?;
        if store.kind()? != Kind::Audit {
            let message = format!("The event data store {} does not log events of ActivityAuditLog.", store.arn());
            return Err(errors::invalid_event_data_store_category_exception(message).into());
        }
        if arns.contains(&store.arn()) {
            return Err(bad(format!("The destination {} is given twice.", store.arn())));
        }
        arns.push(store.arn());
    }
    Ok(arns)
}

fn destinations(channel: &Channel) -> Vec<output::Destination> {
    let shown = |arn: &String| output::Destination { type_: "EVENT_DATA_STORE".to_owned(), location: arn.clone() };
    channel.stores.iter().map(shown).collect()
}

/// Whether another channel has the name already.
fn check_name(cx: &Cx, from: &(impl Read + ?Sized), name: &str, id: &str) -> Result<()> {
    let all = CHANNELS.all(from, &(cx.account(), cx.region()))?;
    if all.iter().any(|entry| entry.row.name == name && entry.row.id != id) {
        let message = format!("The channel {name} already exists.");
        return Err(errors::channel_already_exists_exception(message).into());
    }
    Ok(())
}

/// Whether another channel takes events of the source already.
fn check_source(cx: &Cx, from: &(impl Read + ?Sized), source: &str) -> Result<()> {
    let all = CHANNELS.all(from, &(cx.account(), cx.region()))?;
    if all.iter().any(|entry| entry.row.source == source) {
        let message = format!("A maximum of one channel is allowed per source, and {source} has one.");
        return Err(errors::channel_max_limit_exceeded_exception(message).into());
    }
    Ok(())
}

pub(crate) async fn create(cx: &Cx, input: api::CreateChannelInput) -> Result<api::CreateChannelOutput> {
    if !SOURCES.contains(&input.source.as_str()) {
        let message = format!("The source {} is not valid.", input.source);
        return Err(errors::invalid_source_exception(message).into());
    }
    let tags = tags::given(input.tags.unwrap_or_else(Vec::new), 0)?;
    let id = cx.random().uuid();
    let channel = cx
        .write(|tx| {
            check_name(cx, tx, &input.name, "")?;
            check_source(cx, tx, &input.source)?;
            let channel = Channel {
                id: id.clone(),
                account: cx.account().to_owned(),
                region: cx.region().to_owned(),
                name: input.name.clone(),
                source: input.source.clone(),
                stores: stores(cx, tx, &input.destinations)?,
                tags: tags.clone(),
                success: None,
                attempt: None,
                error: None,
            };
            CHANNELS.put(tx, &channel.key(), &channel);
            Ok(channel)
        })
        .await?;
    Ok(api::CreateChannelOutput {
        channel_arn: Some(channel.arn()),
        destinations: Some(destinations(&channel)),
        name: Some(channel.name),
        source: Some(channel.source),
        tags: Some(tags::shown(channel.tags)),
    })
}

pub(crate) fn get(cx: &Cx, input: &api::GetChannelInput) -> Result<api::GetChannelOutput> {
    let channel = find(cx, &cx.read(), &input.channel)?;
    let (success, attempt) = (channel.success.clone(), channel.attempt.clone());
    let status = output::IngestionStatus {
        latest_ingestion_success_time: success.as_ref().map(|(at, _)| moment(*at)),
        latest_ingestion_success_event_id: success.map(|(_, id)| id),
        latest_ingestion_error_code: channel.error.clone(),
        latest_ingestion_attempt_time: attempt.as_ref().map(|(at, _)| moment(*at)),
        latest_ingestion_attempt_event_id: attempt.map(|(_, id)| id),
    };
    Ok(api::GetChannelOutput {
        channel_arn: Some(channel.arn()),
        destinations: Some(destinations(&channel)),
        name: Some(channel.name),
        source: Some(channel.source),
        source_config: None,
        ingestion_status: Some(status),
    })
}

/// The channels of this account and region, by their names.
pub(crate) fn list(cx: &Cx, input: &api::ListChannelsInput) -> Result<api::ListChannelsOutput> {
    let all = CHANNELS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    let mut all: Vec<Channel> = all.collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let shown = all.into_iter().map(|c| output::Channel { channel_arn: Some(c.arn()), name: Some(c.name) });
    let size = input.max_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
    let page = paging::page("ListChannels", shown.collect(), input.next_token.as_deref(), size);
    let (channels, next_token) =
        page.ok_or_else(|| errors::invalid_next_token_exception("The next token is not valid."))?;
    Ok(api::ListChannelsOutput { channels: Some(channels), next_token })
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateChannelInput) -> Result<api::UpdateChannelOutput> {
    let channel = cx
        .write(|tx| {
            let mut channel = find(cx, tx, &input.channel)?;
            if let Some(name) = &input.name {
                check_name(cx, tx, name, &channel.id)?;
                channel.name.clone_from(name);
            }
            if let Some(all) = &input.destinations {
                channel.stores = stores(cx, tx, all)?;
            }
            CHANNELS.put(tx, &channel.key(), &channel);
            Ok(channel)
        })
        .await?;
    Ok(api::UpdateChannelOutput {
        channel_arn: Some(channel.arn()),
        destinations: Some(destinations(&channel)),
        name: Some(channel.name),
        source: Some(channel.source),
    })
}

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteChannelInput) -> Result<()> {
    cx.write(|tx| {
        let channel = find(cx, tx, &input.channel)?;
        policies::forget(cx, tx, &format!("channel/{}", channel.id));
        CHANNELS.delete(tx, &channel.key());
        Ok(())
    })
    .await
}

/// Refuses the deletion of a store to which a channel leads.
pub(crate) fn check_unused(cx: &Cx, tx: &Tx<'_>, store: &Store) -> Result<()> {
    let all = CHANNELS.all(tx, &(cx.account(), cx.region()))?;
    if all.iter().any(|entry| entry.row.stores.contains(&store.arn())) {
        let message = format!("The event data store {} is a destination of a channel.", store.arn());
        return Err(errors::channel_exists_for_eds_exception(message).into());
    }
    Ok(())
}
