//! Composite alarms.

use std::collections::BTreeMap;

use serde_json::json;
use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Failure, Result, Timestamp};

use super::put::{Given, check_tags, store};
use super::rows::{
    ALARMS, Alarm, CompositeDefinition, Definition, State, StateValue, Suppressor, Watched, all, name_of,
};
use super::rule::Rule;
use super::{put, reason, state, suppress};
use crate::api;
use crate::error::validation;

pub(crate) async fn put(cx: &Cx, input: api::PutCompositeAlarmInput) -> Result<()> {
    let rule = Rule::parse(&input.alarm_rule).map_err(|why| validation(format!("AlarmRule is invalid: {why}.")))?;
    let suppressor = suppressor(&input)?;
    let definition = Definition {
        description: input.alarm_description,
        ok_actions: input.ok_actions.unwrap_or_else(Vec::new),
        alarm_actions: input.alarm_actions.unwrap_or_else(Vec::new),
        insufficient_data_actions: input.insufficient_data_actions.unwrap_or_else(Vec::new),
        watched: Watched::Composite(CompositeDefinition { rule: input.alarm_rule, suppressor }),
    };
    put::check_actions(cx, &definition)?;
    if definition.all_actions().any(|action| !action.contains(":sns:") && !action.contains(":lambda:")) {
        return Err(validation("Composite alarms act on Amazon SNS topics and Lambda functions only."));
    }
    let tags = check_tags(input.tags)?;
    let given = Given { name: input.alarm_name, enabled: input.actions_enabled.unwrap_or(true), tags };
    cx.write(|tx| {
        check_children(cx, tx, &given.name, &rule, &definition)?;
        store(cx, tx, &given, &definition)?;
        state::follow(cx, tx, &[], Some(&given.name))
    })
    .await
}

fn suppressor(input: &api::PutCompositeAlarmInput) -> Result<Option<Suppressor>> {
    let (wait, extension) = (input.actions_suppressor_wait_period, input.actions_suppressor_extension_period);
    match (&input.actions_suppressor, wait, extension) {
        (None, None, None) => Ok(None),
        (Some(alarm), Some(wait), Some(extension)) if wait >= 0 && extension >= 0 => {
            Ok(Some(Suppressor { alarm: alarm.clone(), wait, extension }))
        }
        (Some(_), Some(_), Some(_)) => {
            Err(validation("ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod must not be negative."))
        }
        (Some(_), ..) => Err(validation(
            "ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod are required with ActionsSuppressor.",
        )),
        (None, ..) => Err(validation(
            "ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod need an ActionsSuppressor.",
        )),
    }
}

/// The alarms of a rule are there. One may name itself no more than others may.
fn check_children(cx: &Cx, tx: &Tx<'_>, name: &str, rule: &Rule, definition: &Definition) -> Result<()> {
    let mut gone = Vec::new();
    for child in rule.alarms() {
        if child == name || !ALARMS.has(tx, &cx.key(child))? {
            gone.push(child);
        }
    }
    if !gone.is_empty() {
        let names = gone.join(", ");
        let message = format!("Could not save the composite alarm as alarms [{names}] in the alarm rule do not exist");
        return Err(validation(message));
    }
    let suppressor = definition.composite().and_then(|c| c.suppressor.as_ref()).map(|s| name_of(&s.alarm));
    if let Some(suppressor) = suppressor
        && (suppressor == name || !ALARMS.has(tx, &cx.key(suppressor))?)
    {
        let message =
            format!("Could not save the composite alarm as the actions suppressor {suppressor} does not exist");
        return Err(validation(message));
    }
    Ok(())
}

/// The state of each alarm of the region, and since when it has it.
fn states(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<BTreeMap<String, State>> {
    Ok(all(cx, from)?.into_iter().map(|(alarm, _)| (alarm.name, alarm.state)).collect())
}

/// Brings the composite alarms that watch some that have changed, and one that is newly defined, to the states that their rules
/// make now. Those that have changed by it.
pub(super) fn follow_once(cx: &Cx, tx: &mut Tx<'_>, changed: &[String], defined: Option<&str>) -> Result<Vec<String>> {
    let mut states = states(cx, tx)?;
    let mut followed = Vec::new();
    for (mut alarm, definition) in all(cx, tx)? {
        let Some(composite) = definition.composite() else { continue };
        let concerned =
            defined == Some(&alarm.name) || children(composite)?.iter().any(|child| changed.contains(child));
        if !concerned {
            continue;
        }
        suppress::look(cx, tx, &mut alarm, &definition, &states)?;
        let rule = Rule::parse(&composite.rule).map_err(Failure::broken)?;
        let holds = rule.holds(&|name| states.get(name).map(|state| state.value));
        let value = if holds { StateValue::Alarm } else { StateValue::Ok };
        if alarm.state.value == value {
            continue;
        }
        let state = State {
            value,
            reason: why(cx, &alarm, value, &rule, &states),
            data: Some(triggering(cx, &rule, &states)),
            since: cx.now_millis(),
        };
        state::enter(cx, tx, &mut alarm, state)?;
        followed.push(alarm.name.clone());
        states.insert(alarm.name, alarm.state);
    }
    Ok(followed)
}

/// The alarm of a rule that changed last is why a composite alarm does.
fn why(cx: &Cx, alarm: &Alarm, value: StateValue, rule: &Rule, states: &BTreeMap<String, State>) -> String {
    if alarm.state.reason == put::CREATED {
        return format!("{} was created and its alarm rule evaluates to {}", alarm.arn(cx), value.as_str());
    }
    let children = rule.alarms().into_iter().filter_map(|name| Some((name, states.get(name)?)));
    match children.max_by_key(|(_, state)| state.since) {
        Some((name, state)) => {
            let at = Timestamp::from_millisecond(state.since).unwrap_or(Timestamp::UNIX_EPOCH);
            let at = at.strftime("%A %d %B, %Y %H:%M:%S UTC");
            let arn = cx.arn("cloudwatch", &format!("alarm:{name}"));
            format!("{arn} transitioned to {} at {at}", state.value.as_str())
        }
        None => format!("{} was updated and its alarm rule evaluates to {}", alarm.arn(cx), value.as_str()),
    }
}

/// The alarms of a rule that are in `ALARM`.
fn triggering(cx: &Cx, rule: &Rule, states: &BTreeMap<String, State>) -> String {
    let children = rule.alarms().into_iter().filter_map(|name| Some((name, states.get(name)?)));
    let triggering = children.filter(|(_, state)| state.value == StateValue::Alarm).map(|(name, state)| {
        json!({"arn": cx.arn("cloudwatch", &format!("alarm:{name}")),
               "state": {"value": "ALARM", "timestamp": reason::instant(state.since)}})
    });
    json!({"triggeringAlarms": triggering.collect::<Vec<_>>()}).to_string()
}

/// The names of the alarms that a composite alarm watches.
pub(super) fn children(definition: &CompositeDefinition) -> Result<Vec<String>> {
    let rule = Rule::parse(&definition.rule).map_err(Failure::broken)?;
    let mut names: Vec<String> = rule.alarms().into_iter().map(ToOwned::to_owned).collect();
    if let Some(suppressor) = &definition.suppressor {
        let suppressor = name_of(&suppressor.alarm);
        if !names.iter().any(|name| name == suppressor) {
            names.push(suppressor.to_owned());
        }
    }
    Ok(names)
}
