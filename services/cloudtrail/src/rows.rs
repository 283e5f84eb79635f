//! What is stored. Moments are milliseconds since 1970.

use minicbor::{Decode, Encode};
use undercast_kernel::store::Table;
use undercast_kernel::tags::Tags;
use undercast_kernel::{Failure, Result, Timestamp};

use crate::name::TrailName;
use crate::selectors::Selectors;

/// Account, home region, name.
pub(crate) static TRAILS: Table<Trail> = Table::new("cloudtrail.trails");
/// Account, home region, name: what became of deliveries.
pub(crate) static STATUS: Table<Status> = Table::new("cloudtrail.status");
/// Account, region, milliseconds, id: the event history.
pub(crate) static HISTORY: Table<Seen> = Table::new("cloudtrail.history");
/// Account, home region, name of a trail; account and region of the event, milliseconds, id: what is to be delivered.
pub(crate) static PENDING: Table<String> = Table::new("cloudtrail.pending");

/// A trail.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Trail {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) bucket: String,
    #[n(2)]
    pub(crate) prefix: Option<String>,
    /// ARN of the topic.
    #[n(3)]
    pub(crate) topic: Option<String>,
    #[n(4)]
    pub(crate) global_events: bool,
    #[n(5)]
    pub(crate) multi_region: bool,
    #[n(6)]
    pub(crate) validated: bool,
    #[n(7)]
    pub(crate) log_group: Option<String>,
    #[n(8)]
    pub(crate) role: Option<String>,
    /// ARN of the key.
    #[n(9)]
    pub(crate) kms: Option<String>,
    #[n(10)]
    pub(crate) organization: bool,
    #[n(11)]
    pub(crate) recursive: bool,
    #[n(12)]
    pub(crate) tags: Tags,
    #[n(13)]
    pub(crate) logging: bool,
    /// Selectors, in JSON. `None`: those that a trail has where nobody said any.
    #[n(14)]
    pub(crate) selectors: Option<String>,
    /// Insight selectors, in JSON.
    #[n(15)]
    pub(crate) insights: Option<String>,
    #[n(16)]
    pub(crate) account: String,
    #[n(17)]
    pub(crate) region: String,
    /// The organization whose events it logs.
    #[n(18)]
    pub(crate) organization_id: Option<String>,
    /// Since when unusual activity is looked for.
    #[n(19)]
    pub(crate) insights_since: Option<i64>,
}

impl Trail {
    pub(crate) fn named(&self) -> TrailName {
        TrailName { account: self.account.clone(), region: self.region.clone(), name: self.name.clone() }
    }

    /// What it logs.
    pub(crate) fn selectors(&self) -> Result<Selectors> {
        self.selectors.as_deref().map_or_else(|| Ok(Selectors::default()), from_json)
    }
}

/// What became of a trail's deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Status {
    #[n(0)]
    pub(crate) started: Option<i64>,
    #[n(1)]
    pub(crate) stopped: Option<i64>,
    #[n(2)]
    pub(crate) files: Tried,
    #[n(3)]
    pub(crate) notifications: Tried,
    #[n(4)]
    pub(crate) logs: Tried,
    #[n(5)]
    pub(crate) digests: Tried,
}

/// The last attempt, and the last one that succeeded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Tried {
    #[n(0)]
    pub(crate) attempt: Option<i64>,
    #[n(1)]
    pub(crate) success: Option<i64>,
    /// What the last attempt met with.
    #[n(2)]
    pub(crate) error: Option<String>,
}

impl Tried {
    /// One more attempt; `error`: the code of what it met with.
    pub(crate) fn note(&mut self, at: i64, error: Option<String>) {
        self.attempt = Some(at);
        if error.is_none() {
            self.success = Some(at);
        }
        self.error = error;
    }
}

/// An event of the history.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Seen {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) name: String,
    #[n(2)]
    pub(crate) source: String,
    #[n(3)]
    pub(crate) read_only: bool,
    #[n(4)]
    pub(crate) username: Option<String>,
    #[n(5)]
    pub(crate) access_key: Option<String>,
    /// Type and name.
    #[n(6)]
    pub(crate) resources: Vec<(String, String)>,
    /// All of it, in JSON.
    #[n(7)]
    pub(crate) event: String,
    #[n(8)]
    pub(crate) at: i64,
}

/// A moment out of the store.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What was stored as JSON.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(Failure::broken)
}

/// What is stored as JSON.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Failure::broken)
}
