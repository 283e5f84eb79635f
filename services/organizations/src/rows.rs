//! What is kept.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::Timestamp;
use undercast_kernel::store::Table;

/// Management account → its organization.
pub(crate) static ORGANIZATIONS: Table<Organization> = Table::new("organizations.organizations");
/// Account → what it is in its organization.
pub(crate) static MEMBERS: Table<Member> = Table::new("organizations.members");
/// Management account, unit's id.
pub(crate) static UNITS: Table<Unit> = Table::new("organizations.units");
/// Management account, policy's id.
pub(crate) static POLICIES: Table<Policy> = Table::new("organizations.policies");
/// Management account, target, policy's id → when it was attached (ms).
pub(crate) static ATTACHMENTS: Table<i64> = Table::new("organizations.attachments");
/// Management account, request's id.
pub(crate) static STATUSES: Table<CreateStatus> = Table::new("organizations.statuses");
/// Management account, handshake's id.
pub(crate) static HANDSHAKES: Table<Handshake> = Table::new("organizations.handshakes");

/// Management account that pays, transfer's id.
pub(crate) static TRANSFERS: Table<Transfer> = Table::new("organizations.transfers");

/// An organization.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Organization {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) root: String,
    /// It has all features, not consolidated billing alone.
    #[n(2)]
    pub(crate) all_features: bool,
    /// The types of policies that are enabled in its root.
    #[n(3)]
    pub(crate) types: Vec<String>,
    #[n(4)]
    pub(crate) root_tags: BTreeMap<String, String>,
    /// Services that may act in all accounts, since when (ms).
    #[n(5)]
    pub(crate) services: BTreeMap<String, i64>,
    /// Account, service → since when it administers it (ms).
    #[n(6)]
    pub(crate) delegated: BTreeMap<(String, String), i64>,
    /// Who of the members may do what with the organization.
    #[n(7)]
    pub(crate) policy: Option<ResourcePolicy>,
    /// Counts the changes that the authoriser must see: of accounts, units, policies and what they are attached to, of services
    /// and who administers them.
    #[n(8)]
    pub(crate) revision: u64,
}

/// The resource policy of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ResourcePolicy {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) content: String,
    #[n(2)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// An account of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Member {
    #[n(0)]
    pub(crate) management: String,
    #[n(1)]
    pub(crate) email: String,
    #[n(2)]
    pub(crate) name: String,
    /// It was made here, not invited.
    #[n(3)]
    pub(crate) created: bool,
    /// When it joined (ms).
    #[n(4)]
    pub(crate) joined: i64,
    /// The root or the unit that it is in.
    #[n(5)]
    pub(crate) parent: String,
    #[n(6)]
    pub(crate) tags: BTreeMap<String, String>,
    /// It was closed.
    #[n(7)]
    pub(crate) closed: bool,
}

/// An organizational unit.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Unit {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) parent: String,
    #[n(2)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// A policy of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Policy {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) description: String,
    /// `SERVICE_CONTROL_POLICY`
    #[n(2)]
    pub(crate) kind: String,
    #[n(3)]
    pub(crate) content: String,
    #[n(4)]
    pub(crate) tags: BTreeMap<String, String>,
    /// When it was changed last (ms).
    #[n(5)]
    pub(crate) updated: i64,
}

/// How far the making of an account is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct CreateStatus {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) email: String,
    #[n(2)]
    pub(crate) role: String,
    #[n(3)]
    pub(crate) tags: BTreeMap<String, String>,
    /// When it was asked for (ms).
    #[n(4)]
    pub(crate) requested: i64,
    /// When it was done, or failed (ms).
    #[n(5)]
    pub(crate) completed: Option<i64>,
    #[n(6)]
    pub(crate) account: Option<String>,
    #[n(7)]
    pub(crate) failure: Option<String>,
}

/// Two parties that are about to agree.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Handshake {
    /// `INVITE`, `ENABLE_ALL_FEATURES`, `APPROVE_ALL_FEATURES`
    #[n(0)]
    pub(crate) action: String,
    /// Which account is asked. `None`: the organization itself.
    #[n(1)]
    pub(crate) account: Option<String>,
    /// It was named by its address.
    #[n(2)]
    pub(crate) email: Option<String>,
    #[n(3)]
    pub(crate) notes: Option<String>,
    /// `OPEN`, `ACCEPTED`, …
    #[n(4)]
    pub(crate) state: String,
    /// Milliseconds since 1970.
    #[n(5)]
    pub(crate) requested: i64,
    #[n(6)]
    pub(crate) expires: i64,
    /// Tags that the account gets when it joins.
    #[n(7)]
    pub(crate) tags: BTreeMap<String, String>,
    /// The handshake of the organization that this is a part of.
    #[n(8)]
    pub(crate) parent: Option<String>,
    /// The transfer of responsibility that it is about.
    #[n(9)]
    pub(crate) transfer: Option<String>,
}

/// One account pays the bills of another one's organization, or is to.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Transfer {
    #[n(0)]
    pub(crate) name: String,
    /// `BILLING`
    #[n(1)]
    pub(crate) kind: String,
    /// The management account whose bills they are.
    #[n(2)]
    pub(crate) source: String,
    /// Milliseconds since 1970.
    #[n(3)]
    pub(crate) starts: i64,
    /// When it ends, once it is withdrawn (ms).
    #[n(4)]
    pub(crate) ends: Option<i64>,
    /// The handshake by which it is agreed on.
    #[n(5)]
    pub(crate) handshake: String,
    #[n(6)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// A moment of so many milliseconds since 1970.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}
