//! Composite alarms whose actions another alarm holds back.
//!
//! Source: "Alarm suppression" in the user guide. While the suppressor is in `ALARM` nothing is done, and for the extension
//! period after that. An alarm that comes to `ALARM` waits for the wait period, in which the suppressor may follow.

use std::collections::BTreeMap;

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Next, Result, Task, Timestamp};

use super::rows::{ALARMS, Alarm, Definition, State, StateValue, Suppressed, SuppressedBy, Suppressor, name_of};
use super::{RELEASE, state};

fn suppressor(definition: &Definition) -> Option<&Suppressor> {
    definition.composite()?.suppressor.as_ref()
}

fn is_alarming(cx: &Cx, from: &(impl Read + ?Sized), suppressor: &Suppressor) -> Result<bool> {
    let alarm = ALARMS.get(from, &cx.key(name_of(&suppressor.alarm)))?;
    Ok(alarm.is_some_and(|alarm| alarm.state.value == StateValue::Alarm))
}

/// The moment so many seconds from now.
fn after(cx: &Cx, seconds: i32) -> i64 {
    cx.now_millis() + i64::from(seconds) * 1000
}

/// Whether an alarm that has changed its state is not to act on it now.
pub(super) fn holds_back(cx: &Cx, tx: &mut Tx<'_>, alarm: &mut Alarm, definition: &Definition) -> Result<bool> {
    let Some(suppressor) = suppressor(definition) else { return Ok(false) };
    let now = cx.now_millis();
    if is_alarming(cx, tx, suppressor)? {
        alarm.suppressed = Some(Suppressed { by: SuppressedBy::Alarm, until: None, waiting: true });
        return Ok(true);
    }
    if let Some(there) = alarm.suppressed.as_mut().filter(|s| s.until.is_none_or(|until| until > now))
        && there.by != SuppressedBy::WaitPeriod
    {
        there.waiting = true;
        return Ok(true);
    }
    alarm.suppressed = None;
    if alarm.state.value == StateValue::Alarm && suppressor.wait > 0 {
        let until = after(cx, suppressor.wait);
        alarm.suppressed = Some(Suppressed { by: SuppressedBy::WaitPeriod, until: Some(until), waiting: true });
        schedule(cx, tx, alarm, until)?;
        return Ok(true);
    }
    Ok(false)
}

/// Looks what the suppressor of an alarm does now.
pub(super) fn look(
    cx: &Cx,
    tx: &mut Tx<'_>,
    alarm: &mut Alarm,
    definition: &Definition,
    states: &BTreeMap<String, State>,
) -> Result<()> {
    let before = alarm.suppressed.clone();
    let Some(suppressor) = suppressor(definition) else {
        alarm.suppressed = None;
        if before.is_some() {
            ALARMS.put(tx, &cx.key(&alarm.name), alarm);
        }
        return Ok(());
    };
    let state = states.get(name_of(&suppressor.alarm)).map(|state| state.value);
    let alarming = state == Some(StateValue::Alarm);
    let waiting = before.as_ref().is_some_and(|s| s.waiting);
    match before.as_ref().map(|s| s.by) {
        Some(SuppressedBy::Alarm) if !alarming && suppressor.extension > 0 => {
            let until = after(cx, suppressor.extension);
            alarm.suppressed = Some(Suppressed { by: SuppressedBy::ExtensionPeriod, until: Some(until), waiting });
            schedule(cx, tx, alarm, until)?;
        }
        Some(SuppressedBy::Alarm) if !alarming => let_go(cx, tx, alarm, definition)?,
        Some(SuppressedBy::WaitPeriod | SuppressedBy::ExtensionPeriod) if alarming => {
            alarm.suppressed = Some(Suppressed { by: SuppressedBy::Alarm, until: None, waiting });
        }
        None if alarming => {
            alarm.suppressed = Some(Suppressed { by: SuppressedBy::Alarm, until: None, waiting: false });
        }
        _ => {}
    }
    if alarm.suppressed != before {
        ALARMS.put(tx, &cx.key(&alarm.name), alarm);
    }
    Ok(())
}

/// Nothing holds the alarm back any more: it does what it has not done.
fn let_go(cx: &Cx, tx: &mut Tx<'_>, alarm: &mut Alarm, definition: &Definition) -> Result<()> {
    let Some(there) = alarm.suppressed.take() else { return Ok(()) };
    if there.waiting {
        let before = State { value: opposite(alarm.state.value), ..alarm.state.clone() };
        state::act(cx, tx, alarm, definition, &before)?;
    }
    Ok(())
}

/// A composite alarm has two states, once it was looked at.
fn opposite(value: StateValue) -> StateValue {
    if value == StateValue::Alarm { StateValue::Ok } else { StateValue::Alarm }
}

fn schedule(cx: &Cx, tx: &mut Tx<'_>, alarm: &Alarm, until: i64) -> Result<()> {
    let id = format!("{RELEASE}/{}/{}/{}", cx.account(), cx.region(), alarm.name);
    let due = Timestamp::from_millisecond(until).unwrap_or(Timestamp::MAX);
    cx.tasks().schedule(cx, tx, "cloudwatch", &id, RELEASE, alarm.name.clone(), due)
}

/// A wait or an extension is over.
pub(crate) async fn release(cx: &Cx, task: &Task) -> Result<Next> {
    cx.write(|tx| {
        let Some(mut alarm) = ALARMS.get(tx, &cx.key(&task.payload))? else { return Ok(()) };
        let over = alarm.suppressed.as_ref().and_then(|s| s.until).is_some_and(|until| until <= cx.now_millis());
        if over {
            let definition = alarm.definition()?;
            let_go(cx, tx, &mut alarm, &definition)?;
            ALARMS.put(tx, &cx.key(&alarm.name), &alarm);
        }
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}
