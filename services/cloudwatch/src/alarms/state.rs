//! A change of state: its place in the history, what is to be done about it, and the composite alarms that follow.

use serde_json::json;
use undercast_kernel::store::Tx;
use undercast_kernel::{Announcement, Cx, Result};

use super::act::Told;
use super::rows::{ALARMS, Alarm, Definition, State, StateValue};
use super::{ACT, composite, history, message, mute, suppress};
use crate::SERVICE;

/// Brings an alarm to a state. Nothing happens where it is in it already.
pub(super) fn enter(cx: &Cx, tx: &mut Tx<'_>, alarm: &mut Alarm, state: State) -> Result<()> {
    if alarm.state.value == state.value {
        return Ok(());
    }
    let before = std::mem::replace(&mut alarm.state, state);
    history::changed(cx, tx, alarm, &before)?;
    let definition = alarm.definition()?;
    let told = Told { alarm, definition: &definition, before: &before, now: &alarm.state };
    let kind = "CloudWatch Alarm State Change";
    cx.announce(tx, &Announcement::new(cx, "aws.cloudwatch", kind, alarm.arn(cx), message::of_event(&told)))?;
    if !suppress::holds_back(cx, tx, alarm, &definition)? {
        act(cx, tx, alarm, &definition, &before)?;
    }
    ALARMS.put(tx, &cx.key(&alarm.name), alarm);
    Ok(())
}

/// Has done what an alarm does in the state that it has come to, unless it is muted. The caller keeps the alarm.
pub(super) fn act(cx: &Cx, tx: &mut Tx<'_>, alarm: &mut Alarm, definition: &Definition, before: &State) -> Result<()> {
    alarm.muted = false;
    if !alarm.actions_enabled {
        return Ok(());
    }
    if mute::is_muted(cx, tx, &alarm.name)? {
        alarm.muted = true;
        return Ok(());
    }
    for action in definition.actions(alarm.state.value) {
        order(cx, tx, alarm, before, action)?;
    }
    Ok(())
}

/// Has one thing done.
pub(super) fn order(cx: &Cx, tx: &mut Tx<'_>, alarm: &Alarm, before: &State, action: &str) -> Result<()> {
    let shown = |state: &State| json!({"value": state.value.as_str(), "reason": state.reason, "data": state.data, "since": state.since});
    let payload = json!({"alarm": alarm.name, "action": action, "before": shown(before), "now": shown(&alarm.state)});
    let id = format!("{ACT}/{}/{}/{}", cx.account(), cx.region(), cx.random().uuid());
    cx.tasks().schedule(cx, tx, SERVICE, &id, ACT, payload.to_string(), cx.now())
}

/// A state as it comes back from [`order`].
pub(super) fn parse(shown: &serde_json::Value) -> Option<State> {
    Some(State {
        value: StateValue::parse(shown["value"].as_str()?)?,
        reason: shown["reason"].as_str()?.to_owned(),
        data: shown["data"].as_str().map(ToOwned::to_owned),
        since: shown["since"].as_i64()?,
    })
}

/// Brings the composite alarms that watch some that have changed to the states that their rules make now, and those that watch
/// them in turn. `defined` is one that has a new rule.
pub(super) fn follow(cx: &Cx, tx: &mut Tx<'_>, changed: &[&str], defined: Option<&str>) -> Result<()> {
    let mut changed: Vec<String> = changed.iter().map(|name| (*name).to_owned()).collect();
    let mut defined = defined;
    // Rules that go round in a circle never come to rest.
    for _ in 0..16 {
        if changed.is_empty() && defined.is_none() {
            break;
        }
        changed = composite::follow_once(cx, tx, &changed, defined.take())?;
    }
    Ok(())
}
