//! Alarms: what they watch, what state they are in, what they do.
//!
//! One task a region evaluates its metric alarms, each minute (every ten seconds where an alarm has a shorter period). A change
//! of state, its place in the history and what is to be done about it are one transaction, in which composite alarms follow.

mod act;
mod composite;
mod datapoints;
mod describe;
mod evaluate;
mod history;
mod manage;
mod message;
mod mute;
mod put;
mod reason;
mod rows;
mod rule;
mod state;
mod suppress;

pub(crate) use act::act;
pub(crate) use composite::put as put_composite;
pub(crate) use describe::{describe, describe_for_metric};
pub(crate) use evaluate::evaluate;
pub(crate) use history::describe as describe_history;
pub(crate) use manage::{delete, disable, enable, set_state};
pub(crate) use mute::{
    MUTES, MuteRule, delete as delete_mute, get as get_mute, list as list_mutes, over as window_over, put as put_mute,
};
pub(crate) use put::{check_tags, put as put_metric};
pub(crate) use rows::{ALARMS, Alarm};
pub(crate) use suppress::release;

/// The kinds of tasks.
pub(crate) const EVALUATE: &str = "evaluate";
pub(crate) const ACT: &str = "act";
pub(crate) const RELEASE: &str = "release";
pub(crate) const UNMUTE: &str = "unmute";
