//! An event data store, and what an operation means by one.

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table};
use undercast_kernel::tags::Tags;
use undercast_kernel::{Cx, Result};

use crate::api::errors;
use crate::api::kept::AdvancedEventSelector;
use crate::rows::from_json;
use crate::selectors::Selectors;

/// Account, region, id.
pub(crate) static STORES: Table<Store> = Table::new("cloudtrail.stores");

/// An event data store. Moments are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Store {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) account: String,
    #[n(2)]
    pub(crate) region: String,
    #[n(3)]
    pub(crate) name: String,
    /// Advanced event selectors, in JSON.
    #[n(4)]
    pub(crate) selectors: String,
    #[n(5)]
    pub(crate) multi_region: bool,
    /// The organization whose events it keeps.
    #[n(6)]
    pub(crate) organization: Option<String>,
    /// Days.
    #[n(7)]
    pub(crate) retention: i32,
    #[n(8)]
    pub(crate) protected: bool,
    #[n(9)]
    pub(crate) created: i64,
    #[n(10)]
    pub(crate) updated: i64,
    #[n(11)]
    pub(crate) state: State,
    /// Its retention can be extended, by what it costs.
    #[n(12)]
    pub(crate) extendable: bool,
    #[n(13)]
    pub(crate) tags: Tags,
    /// ARN of the key of KMS that its events are sealed with.
    #[n(14)]
    pub(crate) kms: Option<String>,
    /// Insight selectors, in JSON.
    #[n(15)]
    pub(crate) insights: Option<String>,
    /// ARN of the store that keeps its insights.
    #[n(16)]
    pub(crate) insights_to: Option<String>,
    /// Since when unusual activity is looked for.
    #[n(17)]
    pub(crate) insights_since: Option<i64>,
    /// Its events may have up to 1 MB.
    #[n(18)]
    #[cbor(default)]
    pub(crate) large: bool,
    /// Context key selectors, in JSON.
    #[n(19)]
    pub(crate) context: Option<String>,
}

/// What becomes of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum State {
    #[n(0)]
    Enabled,
    #[n(1)]
    Stopped,
    #[n(2)]
    PendingDeletion,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Stopped => "STOPPED_INGESTION",
            Self::PendingDeletion => "PENDING_DELETION",
        }
    }
}

impl Store {
    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.id)
    }

    /// Where it is.
    pub(crate) fn home(&self, cx: &Cx) -> Cx {
        cx.elsewhere(&self.account, &self.region)
    }

    pub(crate) fn arn(&self) -> String {
        arn(&self.account, &self.region, &self.id)
    }

    /// What it keeps.
    pub(crate) fn chosen(&self) -> Result<Vec<AdvancedEventSelector>> {
        from_json(&self.selectors)
    }

    pub(crate) fn selectors(&self) -> Result<Selectors> {
        Ok(Selectors::Advanced(self.chosen()?))
    }
}

pub(crate) fn arn(account: &str, region: &str, id: &str) -> String {
    let partition = undercast_kernel::regions::partition(region);
    format!("arn:{partition}:cloudtrail:{region}:{account}:eventdatastore/{id}")
}

/// Whether a text has the form of an id: 36 letters of a UUID.
fn is_id(text: &str) -> bool {
    text.len() == 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// The id that is given by itself, or as the end of an ARN of this account and region.
pub(crate) fn id(cx: &Cx, given: &str) -> Result<String> {
    let invalid =
        || errors::event_data_store_arn_invalid_exception(format!("The event data store ARN is not valid: {given}."));
    if is_id(given) {
        return Ok(given.to_owned());
    }
    let arn = Arn::parse(given).filter(|arn| arn.service == "cloudtrail").ok_or_else(invalid)?;
    let id = arn.resource.strip_prefix("eventdatastore/").filter(|id| is_id(id)).ok_or_else(invalid)?;
    if arn.account != cx.account() || arn.region != cx.region() {
        return Err(missing(given));
    }
    Ok(id.to_owned())
}

/// Where the store is that is given: with the account that is named as its owner, or the one of its ARN; here where neither says
/// anything. What is not this account's is there for those whom the store's policy lets in.
pub(crate) fn home(cx: &Cx, given: Option<&str>, owner: Option<&str>) -> Cx {
    let arn = given.and_then(Arn::parse).filter(|arn| arn.service == "cloudtrail" && arn.region == cx.region());
    let account = owner.map(ToOwned::to_owned).or(arn.map(|arn| arn.account));
    match account.filter(|account| account != cx.account()) {
        Some(account) => cx.elsewhere(&account, cx.region()),
        None => cx.clone(),
    }
}

pub(crate) fn missing(given: &str) -> undercast_kernel::Failure {
    errors::event_data_store_not_found_exception(format!("The event data store {given} is not found.")).into()
}

pub(crate) fn inactive(store: &Store) -> undercast_kernel::Failure {
    let message = format!("The event data store {} is pending deletion.", store.arn());
    errors::inactive_event_data_store_exception(message).into()
}

/// The store that is given, whatever becomes of it.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<Store> {
    let id = id(cx, given)?;
    STORES.get(from, &cx.key(id.as_str()))?.ok_or_else(|| missing(given))
}

/// The store that is given, if it is not on its way out.
pub(crate) fn find_active(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<Store> {
    let store = find(cx, from, given)?;
    if store.state == State::PendingDeletion { Err(inactive(&store)) } else { Ok(store) }
}
