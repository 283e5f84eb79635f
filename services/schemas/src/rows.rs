//! What is stored. Moments are milliseconds since 1970.

use minicbor::{Decode, Encode};
use undercast_kernel::store::Table;
use undercast_kernel::tags::Tags;
use undercast_kernel::{Result, Timestamp};

use crate::error::bad;

/// Account, region, name.
pub(crate) static REGISTRIES: Table<Registry> = Table::new("schemas.registries");
/// Account, region, registry; name.
pub(crate) static SCHEMAS: Table<Schema> = Table::new("schemas.schemas");
/// Account, region, registry; schema, number.
pub(crate) static VERSIONS: Table<Version> = Table::new("schemas.versions");
/// Account, region, registry; schema, number, language.
pub(crate) static BINDINGS: Table<Binding> = Table::new("schemas.bindings");
/// Account, region, id.
pub(crate) static DISCOVERERS: Table<Discoverer> = Table::new("schemas.discoverers");

/// A registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Registry {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) description: Option<String>,
    #[n(2)]
    pub(crate) tags: Tags,
    #[n(3)]
    pub(crate) policy: Option<Policy>,
}

/// The policy of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Policy {
    #[n(0)]
    pub(crate) text: String,
    /// Another one whenever it is put.
    #[n(1)]
    pub(crate) revision: String,
}

/// A schema, of which there are versions.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Schema {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) description: Option<String>,
    #[n(2)]
    pub(crate) tags: Tags,
    #[n(3)]
    pub(crate) modified: i64,
    /// The number of the next version; numbers are not used twice.
    #[n(4)]
    pub(crate) next: i64,
}

/// In what language a schema is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Kind {
    #[n(0)]
    OpenApi,
    #[n(1)]
    JsonSchema,
}

/// A version of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Version {
    #[n(0)]
    pub(crate) number: i64,
    #[n(1)]
    pub(crate) kind: Kind,
    #[n(2)]
    pub(crate) content: String,
    #[n(3)]
    pub(crate) created: i64,
    /// What was inferred, in JSON, where it was discovered.
    #[n(4)]
    pub(crate) shape: Option<String>,
}

/// Code for a version.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Binding {
    #[n(0)]
    pub(crate) created: i64,
    #[n(1)]
    pub(crate) modified: i64,
    #[n(2)]
    pub(crate) status: Status,
}

/// How far the making of code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Status {
    #[n(0)]
    InProgress,
    #[n(1)]
    Complete,
    #[n(2)]
    Failed,
}

/// A discoverer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Discoverer {
    #[n(0)]
    pub(crate) id: String,
    /// ARN of the bus.
    #[n(1)]
    pub(crate) source: String,
    #[n(2)]
    pub(crate) description: Option<String>,
    #[n(3)]
    pub(crate) cross_account: bool,
    #[n(4)]
    pub(crate) started: bool,
    #[n(5)]
    pub(crate) tags: Tags,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenApi => "OpenApi3",
            Self::JsonSchema => "JSONSchemaDraft4",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        let known = [Self::OpenApi, Self::JsonSchema].into_iter().find(|kind| kind.name() == text);
        known.ok_or_else(|| bad("Type must be OpenApi3 or JSONSchemaDraft4.").into())
    }
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InProgress => "CREATE_IN_PROGRESS",
            Self::Complete => "CREATE_COMPLETE",
            Self::Failed => "CREATE_FAILED",
        }
    }
}

/// A moment out of the store.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}
