//! What is stored of groups, schedules and invocations.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Result, Timestamp};
use undercast_sealing::Envelope;

use crate::error;

/// Account, region, name.
pub(crate) static GROUPS: Table<Group> = Table::new("scheduler.groups");
/// Account, region, group, name.
pub(crate) static SCHEDULES: Table<Schedule> = Table::new("scheduler.schedules");
/// Account, region, group, name, execution.
pub(crate) static INVOCATIONS: Table<Invocation> = Table::new("scheduler.invocations");

/// The group that every account has.
pub(crate) const DEFAULT_GROUP: &str = "default";

/// A group of schedules. Moments are milliseconds since 1970, here and below.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Group {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) created: i64,
    #[n(2)]
    pub(crate) modified: i64,
    /// Its schedules are being deleted, and it goes with the last.
    #[n(3)]
    pub(crate) deleting: bool,
    #[n(4)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Schedule {
    #[n(0)]
    pub(crate) group: String,
    #[n(1)]
    pub(crate) name: String,
    /// Tells it from others that had its name before.
    #[n(2)]
    pub(crate) id: String,
    #[n(3)]
    pub(crate) created: i64,
    #[n(4)]
    pub(crate) modified: i64,
    #[n(5)]
    pub(crate) expression: String,
    #[n(6)]
    pub(crate) zone: String,
    #[n(7)]
    pub(crate) start: Option<i64>,
    #[n(8)]
    pub(crate) end: Option<i64>,
    #[n(9)]
    pub(crate) description: Option<String>,
    #[n(10)]
    pub(crate) enabled: bool,
    /// Minutes of a flexible window.
    #[n(11)]
    pub(crate) window: Option<i32>,
    /// It is deleted after its last invocation.
    #[n(12)]
    pub(crate) deletes: bool,
    #[n(13)]
    pub(crate) key: Option<String>,
    #[n(14)]
    pub(crate) target: Target,
    /// From when a rate counts.
    #[n(15)]
    pub(crate) begun: i64,
    /// When it is due next.
    #[n(16)]
    pub(crate) next: Option<i64>,
}

/// What a schedule invokes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Target {
    #[n(0)]
    pub(crate) arn: String,
    #[n(1)]
    pub(crate) role: String,
    /// ARN of a queue.
    #[n(2)]
    pub(crate) dead_letters: Option<String>,
    /// Seconds.
    #[n(3)]
    pub(crate) most_age: i32,
    #[n(4)]
    pub(crate) most_retries: i32,
    #[n(5)]
    pub(crate) input: Input,
    /// Detail type and source of an event.
    #[n(6)]
    pub(crate) event: Option<(String, String)>,
    #[n(7)]
    pub(crate) partition_key: Option<String>,
    /// The parameters of queues were said, and perhaps a group of messages.
    #[n(8)]
    pub(crate) queue: Option<QueueParameters>,
}

/// What is said of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct QueueParameters {
    #[n(0)]
    pub(crate) group: Option<String>,
}

/// What a target is given.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Input {
    /// An event that tells of the schedule.
    #[n(0)]
    Default,
    #[n(1)]
    Plain(#[n(0)] String),
    /// Sealed with a key of KMS, and whether there was an input.
    #[n(2)]
    Sealed(#[n(0)] Envelope, #[n(1)] bool),
}

/// An invocation that is not done with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Invocation {
    /// Id of its schedule.
    #[n(0)]
    pub(crate) schedule: String,
    /// When the schedule was due.
    #[n(1)]
    pub(crate) due: i64,
    /// When it was to be attempted first, a flexible window being over by then.
    #[n(2)]
    pub(crate) planned: i64,
    /// Attempts that failed.
    #[n(3)]
    pub(crate) failures: u32,
}

impl Group {
    pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Self> {
        let found = GROUPS.get(from, &cx.key(name))?;
        let default = || (name == DEFAULT_GROUP).then(|| Self::new(cx, name));
        found.or_else(default).ok_or_else(|| error::no_group(name))
    }

    pub(crate) fn new(cx: &Cx, name: &str) -> Self {
        let now = cx.now_millis();
        Self { name: name.to_owned(), created: now, modified: now, deleting: false, tags: BTreeMap::new() }
    }

    /// The same, which must be there to stay.
    pub(crate) fn find_active(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Self> {
        let group = Self::find(cx, from, name)?;
        if group.deleting {
            return Err(error::conflict(format!("Schedule group {name} is being deleted.")));
        }
        Ok(group)
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        arn_of_group(cx, &self.name)
    }
}

impl Schedule {
    pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), group: &str, name: &str) -> Result<Self> {
        SCHEDULES.get(from, &place(cx, group, name))?.ok_or_else(|| error::no_schedule(name))
    }

    pub(crate) fn key<'a>(&'a self, cx: &'a Cx) -> Place<'a> {
        place(cx, &self.group, &self.name)
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        arn_of_schedule(cx, &self.group, &self.name)
    }
}

pub(crate) fn arn_of_schedule(cx: &Cx, group: &str, name: &str) -> String {
    cx.arn("scheduler", &format!("schedule/{group}/{name}"))
}

pub(crate) fn arn_of_group(cx: &Cx, name: &str) -> String {
    cx.arn("scheduler", &format!("schedule-group/{name}"))
}

/// Account, region, group, name.
pub(crate) type Place<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Where a schedule stands.
pub(crate) fn place<'a>(cx: &'a Cx, group: &'a str, name: &'a str) -> Place<'a> {
    (cx.account(), cx.region(), group, name)
}

/// Where an invocation of it stands.
pub(crate) fn execution_place<'a>(
    cx: &'a Cx,
    group: &'a str,
    name: &'a str,
    execution: &'a str,
) -> (&'a str, &'a str, &'a str, &'a str, &'a str) {
    (cx.account(), cx.region(), group, name, execution)
}

/// A moment out of the store.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}
