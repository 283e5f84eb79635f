//! What is done with alarms that are there.

use undercast_kernel::{Cx, Result};

use super::rows::{ALARMS, Alarm, State, StateValue, all};
use super::{composite, evaluate, history, message, put, state};
use crate::api::{self, errors};
use crate::error::validation;

/// `SetAlarmState`: the state is what it is said to be until the next evaluation, and that of a composite alarm until one that it
/// watches changes.
pub(crate) async fn set_state(cx: &Cx, input: &api::SetAlarmStateInput) -> Result<()> {
    let value = StateValue::parse(&input.state_value)
        .ok_or_else(|| validation(format!("The value {} for parameter StateValue is invalid.", input.state_value)))?;
    if let Some(data) = &input.state_reason_data
        && serde_json::from_str::<serde_json::Value>(data).is_err()
    {
        return Err(errors::invalid_format_fault("StateReasonData was not valid JSON").into());
    }
    cx.write(|tx| {
        let mut alarm = ALARMS
            .get(tx, &cx.key(&input.alarm_name))?
            .ok_or_else(|| errors::resource_not_found(format!("Alarm {} does not exist", input.alarm_name)))?;
        let state = State {
            value,
            reason: input.state_reason.clone(),
            data: input.state_reason_data.clone(),
            since: cx.now_millis(),
        };
        state::enter(cx, tx, &mut alarm, state)?;
        state::follow(cx, tx, &[&input.alarm_name], None)?;
        evaluate::schedule(cx, tx, false)
    })
    .await
}

/// `EnableAlarmActions`
pub(crate) async fn enable(cx: &Cx, input: &api::EnableAlarmActionsInput) -> Result<()> {
    switch(cx, &input.alarm_names, true).await
}

/// `DisableAlarmActions`
pub(crate) async fn disable(cx: &Cx, input: &api::DisableAlarmActionsInput) -> Result<()> {
    switch(cx, &input.alarm_names, false).await
}

/// Names of alarms that are not there are passed over.
async fn switch(cx: &Cx, names: &[String], enabled: bool) -> Result<()> {
    cx.write(|tx| {
        for name in names {
            let Some(mut alarm) = ALARMS.get(tx, &cx.key(name))? else { continue };
            if alarm.actions_enabled == enabled {
                continue;
            }
            let before = message::whole_configuration(&alarm, &alarm.definition()?);
            alarm.actions_enabled = enabled;
            alarm.defined = cx.now_millis();
            ALARMS.put(tx, &cx.key(name), &alarm);
            history::configured(cx, tx, &alarm, "Update", Some(before))?;
        }
        Ok(())
    })
    .await
}

/// `DeleteAlarms`: those that are there; names of others are passed over.
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteAlarmsInput) -> Result<()> {
    cx.write(|tx| {
        let mut gone: Vec<Alarm> = Vec::new();
        for name in &input.alarm_names {
            let alarm = ALARMS.get(tx, &cx.key(name))?;
            gone.extend(alarm.filter(|a| !gone.iter().any(|g| g.name == a.name)));
        }
        let mut composites = 0;
        for alarm in &gone {
            composites += usize::from(alarm.definition()?.composite().is_some());
        }
        if composites > 1 {
            return Err(validation("You can't delete more than one composite alarm in a single operation."));
        }
        let others = all(cx, tx)?;
        for alarm in &gone {
            for (other, definition) in others.iter().filter(|(o, _)| !gone.iter().any(|g| g.name == o.name)) {
                let Some(watched) = definition.composite() else { continue };
                if alarm.definition()?.composite().is_some() && composite::children(watched)?.contains(&alarm.name) {
                    return Err(validation(format!(
                        "Could not delete the alarm {} as the composite alarm {} depends on it.",
                        alarm.name, other.name
                    )));
                }
            }
        }
        for alarm in &gone {
            ALARMS.delete(tx, &cx.key(&alarm.name));
            put::count(cx, tx, |before| before.saturating_sub(1))?;
            history::configured(cx, tx, alarm, "Delete", None)?;
        }
        let names: Vec<&str> = gone.iter().map(|alarm| alarm.name.as_str()).collect();
        state::follow(cx, tx, &names, None)
    })
    .await
}
