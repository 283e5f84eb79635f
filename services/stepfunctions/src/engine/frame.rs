//! What runs of an execution: a frame for the execution itself, one for each branch and each iteration that runs.

use std::sync::Arc;

use minicbor::decode::Error as DecodeError;
use minicbor::{Decode, Decoder, Encode, Encoder};
use serde_json::Value as Json;

/// JSON that many frames may hold, stored as text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Held(pub(crate) Arc<Json>);

impl Held {
    pub(crate) fn new(value: Json) -> Self {
        Self(Arc::new(value))
    }
}

impl std::ops::Deref for Held {
    type Target = Json;

    fn deref(&self) -> &Json {
        &self.0
    }
}

impl<C> Encode<C> for Held {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Held {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let text = d.str()?;
        serde_json::from_str(text).map(Self::new).map_err(|e| DecodeError::message(e.to_string()))
    }
}

/// One thread of an execution: where it is, and what it has.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Frame {
    /// The frame whose `Parallel` or `Map` state it is part of, and as which branch or iteration. `None`: the execution itself.
    #[n(0)]
    pub(crate) parent: Option<(u32, u32)>,
    /// The state that it is in.
    #[n(1)]
    pub(crate) state: String,
    /// The input of that state.
    #[n(2)]
    pub(crate) input: Held,
    /// The variables that it sees: its own, and those that were there when it began.
    #[n(3)]
    pub(crate) variables: Held,
    /// The event by which the state was entered, and when.
    #[n(4)]
    pub(crate) entered: u64,
    #[n(5)]
    pub(crate) entered_at: i64,
    /// Its last event.
    #[n(6)]
    pub(crate) previous: u64,
    /// How often each retrier of the state has tried again.
    #[n(7)]
    pub(crate) retries: Vec<u64>,
    #[n(8)]
    pub(crate) doing: Doing,
    /// What the iteration works on, as the context object tells it.
    #[n(9)]
    pub(crate) item: Option<Item>,
}

/// The item of an iteration.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Item {
    #[n(0)]
    pub(crate) index: u32,
    #[n(1)]
    pub(crate) value: Held,
}

/// What a frame is at.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) enum Doing {
    /// It enters the state.
    #[n(0)]
    Entering,
    /// It is in the state, and does it (again).
    #[n(1)]
    Attempting,
    /// A `Wait` state, until then.
    #[n(2)]
    Waiting(#[n(0)] i64),
    /// It tries again then.
    #[n(3)]
    Delayed(#[n(0)] i64),
    /// Somebody does its task.
    #[n(4)]
    Tasking(#[n(0)] Box<Tasking>),
    /// Its branches or iterations run.
    #[n(5)]
    Fanning(#[n(0)] Fan),
    /// A map run has its items.
    #[n(6)]
    Mapping(#[n(0)] String),
    /// It has ended, with this.
    #[n(7)]
    Done(#[n(0)] Held),
    /// It has failed, or was stopped: a redrive goes on from here.
    #[n(8)]
    Broken,
}

/// A task that somebody does.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Tasking {
    /// Tells this attempt from others.
    #[n(0)]
    pub(crate) nonce: String,
    /// What the task is given.
    #[n(1)]
    pub(crate) arguments: Held,
    /// The role whose rights it has, if it is not the machine's.
    #[n(2)]
    pub(crate) role: Option<String>,
    /// When it is too late.
    #[n(3)]
    pub(crate) deadline: Option<i64>,
    /// So many seconds there may be between heartbeats, and when the next one is too late.
    #[n(4)]
    pub(crate) heartbeat: Option<(u64, i64)>,
    /// What was answered to the call that began it, where its end is told later.
    #[n(5)]
    pub(crate) submitted: Option<Held>,
    /// An activity's worker has it.
    #[n(6)]
    pub(crate) started: bool,
    /// When it was scheduled.
    #[n(7)]
    pub(crate) scheduled: i64,
}

/// The branches of a `Parallel`, or the iterations of a `Map`.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Fan {
    /// The event that tells that they have begun.
    #[n(0)]
    pub(crate) started: u64,
    /// How many there are.
    #[n(1)]
    pub(crate) total: u32,
    /// How many run at a time.
    #[n(2)]
    pub(crate) at_once: u32,
    /// What each begins with: one input a branch or iteration.
    #[n(3)]
    pub(crate) inputs: Held,
    /// The items themselves, of a `Map`.
    #[n(4)]
    pub(crate) items: Option<Held>,
}

impl Frame {
    /// When it is due, if it waits for a moment.
    pub(crate) fn due(&self) -> Option<i64> {
        match &self.doing {
            Doing::Waiting(at) | Doing::Delayed(at) => Some(*at),
            Doing::Tasking(task) => match (task.deadline, task.heartbeat) {
                (Some(one), Some((_, other))) => Some(one.min(other)),
                (one, other) => one.or(other.map(|(_, at)| at)),
            },
            _ => None,
        }
    }
}
