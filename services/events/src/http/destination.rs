//! API destinations: CreateApiDestination and its kin.

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Failure, Result};

use super::connection::{self, AUTHORIZED, check_endpoint};
use crate::api::{self, errors, output};
use crate::bus::{moment, page};
use crate::error::validation;

/// Account, region, name.
static DESTINATIONS: Table<Destination> = Table::new("events.destinations");

/// So often a second a destination is called at most, where nothing else is said.
const RATE: i32 = 300;

/// An API destination.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Destination {
    #[n(0)]
    name: String,
    /// The end of its ARN.
    #[n(1)]
    id: String,
    #[n(2)]
    description: Option<String>,
    /// The ARN of its connection.
    #[n(3)]
    pub(super) connection: String,
    #[n(4)]
    pub(super) endpoint: String,
    #[n(5)]
    pub(super) method: String,
    #[n(6)]
    pub(super) rate: i32,
    /// Milliseconds since 1970.
    #[n(7)]
    created: i64,
    #[n(8)]
    modified: i64,
}

impl Destination {
    fn arn(&self, cx: &Cx) -> String {
        cx.arn("events", &format!("api-destination/{}/{}", self.name, self.id))
    }

    /// It is called only while its connection is authorized.
    fn state(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<String> {
        let connection = connection::of_arn(cx, from, &self.connection)?;
        let active = connection.is_some_and(|connection| connection.state == AUTHORIZED);
        Ok(if active { "ACTIVE" } else { "INACTIVE" }.to_owned())
    }
}

fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Destination> {
    let missing = || {
        let message = format!("Failed to describe the api-destination(s). An api-destination '{name}' does not exist.");
        errors::resource_not_found_exception(message)
    };
    DESTINATIONS.get(from, &cx.key(name))?.ok_or_else(|| missing().into())
}

/// The destination of an ARN, which has an id at its end or not. `cx` is in its account and region.
pub(super) fn of_arn(cx: &Cx, arn: &Arn) -> Result<Option<Destination>> {
    let Some(rest) = arn.resource.strip_prefix("api-destination/") else { return Ok(None) };
    let (name, id) = rest.split_once('/').map_or((rest, None), |(name, id)| (name, Some(id)));
    let found = DESTINATIONS.get(&cx.read(), &cx.key(name))?;
    Ok(found.filter(|destination| id.is_none_or(|id| id == destination.id)))
}

fn check_connection(cx: &Cx, arn: &str) -> Result<()> {
    if Arn::parse(arn).is_none_or(|of| of.region != cx.region() || of.account != cx.account()) {
        return Err(validation(format!("Invalid ARN: '{arn}'")).into());
    }
    let missing = || errors::resource_not_found_exception(format!("Connection '{arn}' does not exist."));
    connection::of_arn(cx, &cx.read(), arn)?.map(drop).ok_or_else(|| missing().into())
}

pub(crate) async fn create(cx: &Cx, input: api::CreateApiDestinationInput) -> Result<api::CreateApiDestinationOutput> {
    check_endpoint("InvocationEndpoint", &input.invocation_endpoint)?;
    check_connection(cx, &input.connection_arn)?;
    let destination = Destination {
        name: input.name,
        id: cx.random().uuid(),
        description: input.description,
        connection: input.connection_arn,
        endpoint: input.invocation_endpoint,
        method: input.http_method,
        rate: input.invocation_rate_limit_per_second.unwrap_or(RATE),
        created: cx.now_millis(),
        modified: cx.now_millis(),
    };
    let state = cx
        .write(|tx| {
            if DESTINATIONS.has(tx, &cx.key(&destination.name))? {
                let message = format!("An api-destination '{}' already exists.", destination.name);
                return Err(Failure::from(errors::resource_already_exists_exception(message)));
            }
            DESTINATIONS.put(tx, &cx.key(&destination.name), &destination);
            destination.state(cx, tx)
        })
        .await?;
    Ok(api::CreateApiDestinationOutput {
        api_destination_arn: Some(destination.arn(cx)),
        api_destination_state: Some(state),
        creation_time: Some(moment(destination.created)),
        last_modified_time: Some(moment(destination.modified)),
    })
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateApiDestinationInput) -> Result<api::UpdateApiDestinationOutput> {
    if let Some(endpoint) = &input.invocation_endpoint {
        check_endpoint("InvocationEndpoint", endpoint)?;
    }
    if let Some(connection) = &input.connection_arn {
        check_connection(cx, connection)?;
    }
    let (destination, state) = cx
        .write(|tx| {
            let mut destination = find(cx, tx, &input.name)?;
            destination.description = input.description.clone().or(destination.description);
            destination.connection = input.connection_arn.clone().unwrap_or(destination.connection);
            destination.endpoint = input.invocation_endpoint.clone().unwrap_or(destination.endpoint);
            destination.method = input.http_method.clone().unwrap_or(destination.method);
            destination.rate = input.invocation_rate_limit_per_second.unwrap_or(destination.rate);
            destination.modified = cx.now_millis();
            DESTINATIONS.put(tx, &cx.key(&destination.name), &destination);
            let state = destination.state(cx, tx)?;
            Ok((destination, state))
        })
        .await?;
    Ok(api::UpdateApiDestinationOutput {
        api_destination_arn: Some(destination.arn(cx)),
        api_destination_state: Some(state),
        creation_time: Some(moment(destination.created)),
        last_modified_time: Some(moment(destination.modified)),
    })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteApiDestinationInput) -> Result<()> {
    cx.write(|tx| {
        find(cx, tx, &input.name)?;
        DESTINATIONS.delete(tx, &cx.key(&input.name));
        Ok(())
    })
    .await
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeApiDestinationInput) -> Result<api::DescribeApiDestinationOutput> {
    let from = cx.read();
    let destination = find(cx, &from, &input.name)?;
    Ok(api::DescribeApiDestinationOutput {
        api_destination_arn: Some(destination.arn(cx)),
        api_destination_state: Some(destination.state(cx, &from)?),
        name: Some(destination.name),
        description: destination.description,
        connection_arn: Some(destination.connection),
        invocation_endpoint: Some(destination.endpoint),
        http_method: Some(destination.method),
        invocation_rate_limit_per_second: Some(destination.rate),
        creation_time: Some(moment(destination.created)),
        last_modified_time: Some(moment(destination.modified)),
    })
}

pub(crate) fn list(cx: &Cx, input: &api::ListApiDestinationsInput) -> Result<api::ListApiDestinationsOutput> {
    let from = cx.read();
    let (prefix, connection) = (&input.name_prefix, &input.connection_arn);
    let mut all: Vec<Destination> =
        DESTINATIONS.all(&from, &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row).collect();
    all.retain(|destination| {
        prefix.as_ref().is_none_or(|prefix| destination.name.starts_with(prefix))
            && connection.as_ref().is_none_or(|connection| *connection == destination.connection)
    });
    let scope = format!("ListApiDestinations/{prefix:?}/{connection:?}");
    let (page, next_token) = page(&scope, all, input.next_token.as_deref(), input.limit)?;
    let shown = page.into_iter().map(|destination| {
        Ok(output::ApiDestination {
            api_destination_arn: Some(destination.arn(cx)),
            api_destination_state: Some(destination.state(cx, &from)?),
            name: Some(destination.name),
            connection_arn: Some(destination.connection),
            invocation_endpoint: Some(destination.endpoint),
            http_method: Some(destination.method),
            invocation_rate_limit_per_second: Some(destination.rate),
            creation_time: Some(moment(destination.created)),
            last_modified_time: Some(moment(destination.modified)),
        })
    });
    Ok(api::ListApiDestinationsOutput { api_destinations: Some(shown.collect::<Result<_>>()?), next_token })
}
