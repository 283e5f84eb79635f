//! Sources of partners: a partner offers one to an account, which makes a bus of the same name; what the partner puts comes
//! to that bus.
//!
//! On AWS partners are companies that signed up. Here every account may be one.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Result, regions};

use crate::api::{self, errors, output};
use crate::bus::{moment, page};
use crate::error::validation;
use crate::name::BusName;

/// Region, name: no two partners have sources of one name.
static SOURCES: Table<Source> = Table::new("events.sources");

/// A source that has no bus goes after two weeks.
const OFFERED: i64 = 14 * 24 * 60 * 60 * 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
enum State {
    /// It has no bus yet, or one that takes nothing until it is activated.
    #[n(0)]
    Pending,
    #[n(1)]
    Active,
    /// The partner took it back, and its bus is still there.
    #[n(2)]
    Deleted,
}

impl State {
    fn name(self) -> String {
        match self {
            Self::Pending => "PENDING",
            Self::Active => "ACTIVE",
            Self::Deleted => "DELETED",
        }
        .to_owned()
    }
}

/// A source.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Source {
    #[n(0)]
    name: String,
    /// The account that offers it.
    #[n(1)]
    partner: String,
    /// The account that it is offered to.
    #[n(2)]
    account: String,
    #[n(3)]
    state: State,
    /// Milliseconds since 1970.
    #[n(4)]
    created: i64,
    /// When it goes if no bus takes its events till then.
    #[n(5)]
    expires: Option<i64>,
}

impl Source {
    fn arn(&self, cx: &Cx) -> String {
        format!("arn:{}:events:{}::event-source/{}", regions::partition(cx.region()), cx.region(), self.name)
    }

    /// `aws.partner/example.com`
    fn created_by(&self) -> String {
        self.name.split('/').take(2).collect::<Vec<_>>().join("/")
    }

    fn is_over(&self, cx: &Cx) -> bool {
        self.expires.is_some_and(|at| at <= cx.now_millis())
    }

    fn wait(&mut self, cx: &Cx) {
        self.state = State::Pending;
        self.expires = Some(cx.now_millis() + OFFERED);
    }

    fn put(&self, cx: &Cx, tx: &mut Tx<'_>) {
        SOURCES.put(tx, &(cx.region(), &self.name), self);
    }
}

fn get(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Option<Source>> {
    Ok(SOURCES.get(from, &(cx.region(), name))?.filter(|source| !source.is_over(cx)))
}

fn missing(name: &str) -> AwsError {
    errors::resource_not_found_exception(format!("Event source {name} does not exist."))
}

/// A source that the caller's account offers.
fn offered(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Source> {
    let found = get(cx, from, name)?.filter(|source| source.partner == cx.account() && source.state != State::Deleted);
    found.ok_or_else(|| missing(name).into())
}

/// A source that is offered to the caller's account.
fn shared(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Source> {
    get(cx, from, name)?.filter(|source| source.account == cx.account()).ok_or_else(|| missing(name).into())
}

fn all(cx: &Cx, prefix: &str) -> Result<Vec<Source>> {
    let rows = SOURCES.all(&cx.read(), &(cx.region(),))?.into_iter().map(|entry| entry.row);
    Ok(rows.filter(|source| !source.is_over(cx) && source.name.starts_with(prefix)).collect())
}

fn wrong_state(source: &Source) -> AwsError {
    let (name, state) = (&source.name, source.state.name());
    let message = format!("Event source {name} is {state}; one with an event bus can be activated or deactivated.");
    errors::invalid_state_exception(message)
}

pub(crate) async fn create(
    cx: &Cx,
    input: api::CreatePartnerEventSourceInput,
) -> Result<api::CreatePartnerEventSourceOutput> {
    let mut source = Source {
        name: input.name,
        partner: cx.account().to_owned(),
        account: input.account,
        state: State::Pending,
        created: cx.now_millis(),
        expires: None,
    };
    source.wait(cx);
    cx.write(|tx| {
        if get(cx, tx, &source.name)?.is_some_and(|there| there.state != State::Deleted) {
            let message = format!("Event source {} already exists.", source.name);
            return Err(errors::resource_already_exists_exception(message).into());
        }
        source.put(cx, tx);
        Ok(())
    })
    .await?;
    Ok(api::CreatePartnerEventSourceOutput { event_source_arn: Some(source.arn(cx)) })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeletePartnerEventSourceInput) -> Result<()> {
    cx.write(|tx| {
        let found = get(cx, tx, &input.name)?;
        // One that is not there is gone already.
        let Some(mut source) = found.filter(|s| s.partner == cx.account() && s.account == input.account) else {
            return Ok(());
        };
        let home = BusName { account: source.account.clone(), ..BusName::new(cx, &source.name) };
        if home.get(tx)?.is_none() {
            SOURCES.delete(tx, &(cx.region(), &source.name));
            return Ok(());
        }
        (source.state, source.expires) = (State::Deleted, None);
        source.put(cx, tx);
        Ok(())
    })
    .await
}

pub(crate) fn describe_offered(
    cx: &Cx,
    input: &api::DescribePartnerEventSourceInput,
) -> Result<api::DescribePartnerEventSourceOutput> {
    let source = offered(cx, &cx.read(), &input.name)?;
    Ok(api::DescribePartnerEventSourceOutput { arn: Some(source.arn(cx)), name: Some(source.name) })
}

pub(crate) fn list_offered(
    cx: &Cx,
    input: &api::ListPartnerEventSourcesInput,
) -> Result<api::ListPartnerEventSourcesOutput> {
    let mut all = all(cx, &input.name_prefix)?;
    all.retain(|source| source.partner == cx.account() && source.state != State::Deleted);
    let scope = format!("ListPartnerEventSources/{}", input.name_prefix);
    let (page, next_token) = page(&scope, all, input.next_token.as_deref(), input.limit)?;
    let shown =
        page.into_iter().map(|s| output::PartnerEventSource { arn: Some(s.arn(cx)), name: Some(s.name) }).collect();
    Ok(api::ListPartnerEventSourcesOutput { partner_event_sources: Some(shown), next_token })
}

pub(crate) fn list_accounts(
    cx: &Cx,
    input: &api::ListPartnerEventSourceAccountsInput,
) -> Result<api::ListPartnerEventSourceAccountsOutput> {
    let source = offered(cx, &cx.read(), &input.event_source_name)?;
    let scope = format!("ListPartnerEventSourceAccounts/{}", source.name);
    let (page, next_token) = page(&scope, vec![source], input.next_token.as_deref(), input.limit)?;
    let shown = page.into_iter().map(|source| output::PartnerEventSourceAccount {
        account: Some(source.account),
        creation_time: Some(moment(source.created)),
        expiration_time: source.expires.map(moment),
        state: Some(source.state.name()),
    });
    Ok(api::ListPartnerEventSourceAccountsOutput { partner_event_source_accounts: Some(shown.collect()), next_token })
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeEventSourceInput) -> Result<api::DescribeEventSourceOutput> {
    let source = shared(cx, &cx.read(), &input.name)?;
    Ok(api::DescribeEventSourceOutput {
        arn: Some(source.arn(cx)),
        created_by: Some(source.created_by()),
        creation_time: Some(moment(source.created)),
        expiration_time: source.expires.map(moment),
        state: Some(source.state.name()),
        name: Some(source.name),
    })
}

pub(crate) fn list(cx: &Cx, input: &api::ListEventSourcesInput) -> Result<api::ListEventSourcesOutput> {
    let prefix = input.name_prefix.as_deref().unwrap_or("");
    let mut all = all(cx, prefix)?;
    all.retain(|source| source.account == cx.account());
    let (page, next_token) =
        page(&format!("ListEventSources/{prefix}"), all, input.next_token.as_deref(), input.limit)?;
    let shown = page.into_iter().map(|source| output::EventSource {
        arn: Some(source.arn(cx)),
        created_by: Some(source.created_by()),
        creation_time: Some(moment(source.created)),
        expiration_time: source.expires.map(moment),
        state: Some(source.state.name()),
        name: Some(source.name),
    });
    Ok(api::ListEventSourcesOutput { event_sources: Some(shown.collect()), next_token })
}

/// Has a source send its events to its bus, or not.
async fn switch(cx: &Cx, name: &str, on: bool) -> Result<()> {
    cx.write(|tx| {
        let mut source = shared(cx, tx, name)?;
        if source.state == State::Deleted || BusName::new(cx, name).get(tx)?.is_none() {
            return Err(wrong_state(&source).into());
        }
        match (on, source.state) {
            (true, State::Pending) => (source.state, source.expires) = (State::Active, None),
            (false, State::Active) => source.wait(cx),
            _ => {}
        }
        source.put(cx, tx);
        Ok(())
    })
    .await
}

pub(crate) async fn activate(cx: &Cx, input: api::ActivateEventSourceInput) -> Result<()> {
    switch(cx, &input.name, true).await
}

pub(crate) async fn deactivate(cx: &Cx, input: api::DeactivateEventSourceInput) -> Result<()> {
    switch(cx, &input.name, false).await
}

/// A bus is made for a source.
pub(crate) fn bus_made(cx: &Cx, tx: &mut Tx<'_>, bus: &str, source: &str) -> Result<()> {
    if bus != source {
        let message = format!("Event bus name {bus} must be that of the event source, {source}.");
        return Err(validation(message).into());
    }
    // Without a bus it is pending: one that its partner took back has its bus still.
    let mut source = shared(cx, tx, source)?;
    (source.state, source.expires) = (State::Active, None);
    source.put(cx, tx);
    Ok(())
}

/// A bus that was perhaps one for a source is gone.
pub(crate) fn bus_gone(cx: &Cx, tx: &mut Tx<'_>, bus: &str) -> Result<()> {
    let Some(mut source) = get(cx, tx, bus)?.filter(|source| source.account == cx.account()) else { return Ok(()) };
    if source.state == State::Deleted {
        SOURCES.delete(tx, &(cx.region(), bus));
        return Ok(());
    }
    source.wait(cx);
    source.put(cx, tx);
    Ok(())
}

/// The account that a source of the caller's is offered to, and whether its events are taken there.
pub(crate) fn taker(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Option<(String, bool)>> {
    let found = get(cx, from, name)?.filter(|source| source.partner == cx.account());
    Ok(found.map(|source| (source.account, source.state == State::Active)))
}
