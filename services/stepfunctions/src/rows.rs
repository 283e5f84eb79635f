//! What is stored of state machines, their revisions, versions and aliases, of activities, and of executions.
//!
//! Moments are milliseconds since 1970. What runs of an execution is in `engine::frame`.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Result, Timestamp};

use crate::arns;
use crate::engine::frame::Frame;
use crate::engine::history::Event;

/// Account, region, name.
pub(crate) static MACHINES: Table<Machine> = Table::new("stepfunctions.machines");
/// Account, region, id of the machine, revision.
pub(crate) static REVISIONS: Table<Revision> = Table::new("stepfunctions.revisions");
/// Account, region, machine, number.
pub(crate) static VERSIONS: Table<Version> = Table::new("stepfunctions.versions");
/// Account, region, machine, alias.
pub(crate) static ALIASES: Table<Alias> = Table::new("stepfunctions.aliases");
/// Account, region, name.
pub(crate) static ACTIVITIES: Table<Activity> = Table::new("stepfunctions.activities");
/// Account, region, activity, when it was scheduled, nonce → what waits for a worker.
pub(crate) static OFFERS: Table<Offer> = Table::new("stepfunctions.offers");
/// Account, region, machine, name.
pub(crate) static EXECUTIONS: Table<Execution> = Table::new("stepfunctions.executions");
/// Account, region, machine, start, name.
pub(crate) static BY_START: Table<u8> = Table::new("stepfunctions.executions.by_start");
/// Account, region, end, machine, name: those that have ended.
pub(crate) static BY_END: Table<u8> = Table::new("stepfunctions.executions.by_end");
/// Account, region, machine, name: those that go on, and how far they are.
pub(crate) static RUNNING: Table<Progress> = Table::new("stepfunctions.executions.running");
/// Account, region, machine, name of the execution, number of the frame.
pub(crate) static FRAMES: Table<Frame> = Table::new("stepfunctions.frames");
/// Account, region, machine, name of the execution, number of the event.
pub(crate) static EVENTS: Table<Event> = Table::new("stepfunctions.events");

/// A state machine.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Machine {
    #[n(0)]
    pub(crate) name: String,
    /// Tells it from others that had its name before.
    #[n(1)]
    pub(crate) id: String,
    #[n(2)]
    pub(crate) created: i64,
    #[n(3)]
    pub(crate) express: bool,
    /// The newest one.
    #[n(4)]
    pub(crate) revision: String,
    #[n(5)]
    pub(crate) tags: BTreeMap<String, String>,
    /// The number of the version that was published last.
    #[n(6)]
    pub(crate) published: u64,
}

/// What a state machine is from one update to the next.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Revision {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) definition: String,
    #[n(2)]
    pub(crate) role: String,
    #[n(3)]
    pub(crate) logging: Logging,
    #[n(4)]
    pub(crate) updated: i64,
    /// The first one of its machine, of which answers say no id.
    #[n(5)]
    pub(crate) first: bool,
}

/// What is logged of executions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Logging {
    #[n(0)]
    pub(crate) level: Level,
    /// Inputs and outputs as well.
    #[n(1)]
    pub(crate) data: bool,
    /// ARN of the log group, with `:*` behind it.
    #[n(2)]
    pub(crate) group: Option<String>,
}

/// Which events are logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Level {
    #[default]
    #[n(0)]
    Off,
    #[n(1)]
    Fatal,
    #[n(2)]
    Error,
    #[n(3)]
    All,
}

/// A version: a revision that stays.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Version {
    #[n(0)]
    pub(crate) number: u64,
    #[n(1)]
    pub(crate) revision: String,
    #[n(2)]
    pub(crate) description: Option<String>,
    #[n(3)]
    pub(crate) created: i64,
}

/// An alias: a name for one version, or for two that share what comes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Alias {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) description: Option<String>,
    #[n(2)]
    pub(crate) routes: Vec<Route>,
    #[n(3)]
    pub(crate) created: i64,
    #[n(4)]
    pub(crate) updated: i64,
}

/// How much of what comes a version gets, of a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Route {
    #[n(0)]
    pub(crate) version: u64,
    #[n(1)]
    pub(crate) weight: u8,
}

/// An activity.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Activity {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) created: i64,
    #[n(2)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// A task of an activity that waits for a worker.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Offer {
    #[n(0)]
    pub(crate) token: String,
    #[n(1)]
    pub(crate) input: String,
}

/// How far an execution is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Status {
    #[default]
    #[n(0)]
    Running,
    #[n(1)]
    Succeeded,
    #[n(2)]
    Failed,
    #[n(3)]
    TimedOut,
    #[n(4)]
    Aborted,
    /// A child of a map run that is to be redriven.
    #[n(5)]
    PendingRedrive,
}

/// How far an execution is: what changes with each step, apart from the execution with its input, which does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Progress {
    /// The number of its last event.
    #[n(0)]
    pub(crate) events: u64,
    /// The number that its next frame gets.
    #[n(1)]
    pub(crate) frames: u32,
    /// When it has taken too long.
    #[n(2)]
    pub(crate) deadline: Option<i64>,
}

/// An execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Execution {
    /// With a label behind a slash, if it is a child of a distributed map.
    #[n(0)]
    pub(crate) machine: String,
    #[n(1)]
    pub(crate) name: String,
    /// Id of the machine, and which of its revisions.
    #[n(2)]
    pub(crate) machine_id: String,
    #[n(3)]
    pub(crate) revision: String,
    #[n(4)]
    pub(crate) version: Option<u64>,
    #[n(5)]
    pub(crate) alias: Option<String>,
    #[n(6)]
    pub(crate) input: String,
    #[n(7)]
    pub(crate) trace: Option<String>,
    #[n(8)]
    pub(crate) started: i64,
    #[n(9)]
    pub(crate) stopped: Option<i64>,
    #[n(10)]
    pub(crate) status: Status,
    #[n(11)]
    pub(crate) output: Option<String>,
    #[n(12)]
    pub(crate) error: Option<String>,
    #[n(13)]
    pub(crate) cause: Option<String>,
    #[n(14)]
    pub(crate) redrives: u32,
    #[n(15)]
    pub(crate) redriven: Option<i64>,
    /// How far it came, once it has ended: a redrive goes on from there.
    #[n(16)]
    pub(crate) progress: Progress,
    /// ARN of the map run whose child it is, and how many items it was given.
    #[n(17)]
    pub(crate) map_run: Option<(String, u32)>,
    /// The state of the machine whose items it is one of, of a child of a distributed map.
    #[n(18)]
    pub(crate) within: Option<String>,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
            Self::PendingRedrive => "PENDING_REDRIVE",
        }
    }
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::All => "ALL",
        }
    }

    pub(crate) fn named(text: &str) -> Self {
        [Self::Fatal, Self::Error, Self::All].into_iter().find(|level| level.name() == text).unwrap_or_default()
    }
}

impl Machine {
    pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Option<Self>> {
        Ok(MACHINES.get(from, &cx.key(name))?)
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        arns::of_machine(cx, &self.name)
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.express { "EXPRESS" } else { "STANDARD" }
    }

    /// One of its revisions.
    pub(crate) fn revision(&self, cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<Revision> {
        let found = REVISIONS.get(from, &revision_key(cx, &self.id, id))?;
        found.ok_or_else(|| undercast_kernel::Failure::broken(format!("{} has no revision {id}", self.name)))
    }
}

impl Revision {
    /// As answers tell it.
    pub(crate) fn shown_id(&self) -> Option<String> {
        (!self.first).then(|| self.id.clone())
    }
}

impl Execution {
    pub(crate) fn key<'a>(&'a self, cx: &'a Cx) -> (&'a str, &'a str, &'a str, &'a str) {
        execution_key(cx, &self.machine, &self.name)
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        arns::of_execution(cx, &self.machine, &self.name)
    }

    pub(crate) fn machine_arn(&self, cx: &Cx) -> String {
        arns::of_machine(cx, &self.machine)
    }

    pub(crate) fn version_arn(&self, cx: &Cx) -> Option<String> {
        self.version.map(|number| arns::of_qualified(cx, &self.machine, &number.to_string()))
    }

    pub(crate) fn alias_arn(&self, cx: &Cx) -> Option<String> {
        self.alias.as_ref().map(|alias| arns::of_qualified(cx, &self.machine, alias))
    }
}

pub(crate) fn revision_key<'a>(cx: &'a Cx, machine: &'a str, id: &'a str) -> (&'a str, &'a str, &'a str, &'a str) {
    (cx.account(), cx.region(), machine, id)
}

pub(crate) fn execution_key<'a>(cx: &'a Cx, machine: &'a str, name: &'a str) -> (&'a str, &'a str, &'a str, &'a str) {
    (cx.account(), cx.region(), machine, name)
}

/// Where something of an execution stands that has a number: a frame, an event.
pub(crate) fn numbered<'a, N>(
    cx: &'a Cx,
    machine: &'a str,
    name: &'a str,
    number: N,
) -> (&'a str, &'a str, &'a str, &'a str, N) {
    (cx.account(), cx.region(), machine, name, number)
}

/// A moment out of the store.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}
