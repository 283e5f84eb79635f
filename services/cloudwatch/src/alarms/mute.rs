//! Mute rules: times at which alarms change their states, and do nothing about it.
//!
//! Source: `PutAlarmMuteRule` and `DeleteAlarmMuteRule` in the API reference. An alarm that came to `ALARM` while it was muted, and is in
//! it when it no longer is, acts then.

use std::collections::BTreeMap;

use jiff::Span;
use minicbor::{Decode, Encode};
use undercast_kernel::schedule::Schedule;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp, paging};

use super::put::check_tags;
use super::rows::{ALARMS, State, StateValue};
use super::{UNMUTE, state};
use crate::api::{self, errors, output};
use crate::error::validation;

/// Account, region, name.
pub(crate) static MUTES: Table<MuteRule> = Table::new("cloudwatch.mute_rules");

/// A page has so many.
const PAGE: i32 = 50;

/// A rule has so many alarms at most.
const MOST_TARGETS: usize = 100;

/// Milliseconds: how long a rule mutes.
const SHORTEST: i64 = 60_000;
const LONGEST: i64 = 15 * 86_400_000;

/// A mute rule.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct MuteRule {
    #[n(0)]
    name: String,
    #[n(1)]
    description: Option<String>,
    #[n(2)]
    expression: String,
    #[n(3)]
    duration: String,
    #[n(4)]
    zone: Option<String>,
    #[n(5)]
    targets: Option<Vec<String>>,
    /// Milliseconds since 1970.
    #[n(6)]
    start: Option<i64>,
    #[n(7)]
    expire: Option<i64>,
    #[n(8)]
    updated: i64,
    #[n(9)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// From when to when a rule mutes, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    from: i64,
    to: i64,
}

impl MuteRule {
    fn arn(&self, cx: &Cx) -> String {
        cx.arn("cloudwatch", &format!("alarm-mute-rule:{}", self.name))
    }

    fn schedule(&self) -> Result<Schedule> {
        Schedule::parse_classic(&self.expression, self.zone.as_deref()).map_err(|why| validation(why.to_string()))
    }

    /// The window that is open at a moment, or the next one. `None`: there is none any more.
    fn window(&self, now: i64) -> Result<Option<Window>> {
        let length = milliseconds(&self.duration)?;
        let moment = |millis: i64| Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
        let earliest = self.start.unwrap_or(i64::MIN).max(now - length + 1);
        let next = self.schedule()?.next(moment(earliest), moment(earliest - 1));
        let Some(from) = next.map(Timestamp::as_millisecond) else { return Ok(None) };
        let to = (from + length).min(self.expire.unwrap_or(i64::MAX));
        Ok((to > from && to > now).then_some(Window { from, to }))
    }

    fn is_active(&self, now: i64) -> Result<bool> {
        Ok(self.window(now)?.is_some_and(|window| window.from <= now))
    }

    fn status(&self, now: i64) -> Result<&'static str> {
        Ok(match self.window(now)? {
            None => "EXPIRED",
            Some(window) if window.from <= now => "ACTIVE",
            Some(_) => "SCHEDULED",
        })
    }

    fn mute_type(&self) -> &'static str {
        if self.expression.starts_with("at(") { "ONE_TIME" } else { "RECURRING" }
    }

    fn has(&self, alarm: &str) -> bool {
        self.targets.iter().flatten().any(|target| target == alarm)
    }
}

/// The length of an ISO 8601 duration of days, hours, minutes and seconds.
fn milliseconds(text: &str) -> Result<i64> {
    let wrong = || validation(format!("Invalid duration: {text}"));
    let span: Span = text.parse().map_err(|_| wrong())?;
    if !text.starts_with('P') || span.get_years() != 0 || span.get_months() != 0 {
        return Err(wrong());
    }
    let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let hours = days * 24 + i64::from(span.get_hours());
    let millis = ((hours * 60 + span.get_minutes()) * 60 + span.get_seconds()) * 1000;
    if (SHORTEST..=LONGEST).contains(&millis) {
        return Ok(millis);
    }
    Err(validation("The duration of a mute rule must be between 1 minute and 15 days."))
}

/// The mute rules of a region.
fn all(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Vec<MuteRule>> {
    Ok(MUTES.all(from, &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row).collect())
}

/// Whether an alarm is to do nothing now.
pub(super) fn is_muted(cx: &Cx, from: &(impl Read + ?Sized), alarm: &str) -> Result<bool> {
    for rule in all(cx, from)?.iter().filter(|rule| rule.has(alarm)) {
        if rule.is_active(cx.now_millis())? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) async fn put(cx: &Cx, input: api::PutAlarmMuteRuleInput) -> Result<()> {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let targets = input.mute_targets.map(|targets| targets.alarm_names);
    if targets.as_ref().is_some_and(|targets| targets.len() > MOST_TARGETS) {
        return Err(validation(format!("A mute rule must not target more than {MOST_TARGETS} alarms.")));
    }
    let schedule = input.rule.schedule;
    let rule = MuteRule {
        name: input.name,
        description: input.description,
        expression: schedule.expression,
        duration: schedule.duration,
        zone: schedule.timezone,
        targets,
        start: millis(input.start_date),
        expire: millis(input.expire_date),
        updated: cx.now_millis(),
        tags: check_tags(input.tags)?,
    };
    rule.schedule()?;
    milliseconds(&rule.duration)?;
    if let (Some(start), Some(expire)) = (rule.start, rule.expire)
        && start >= expire
    {
        return Err(validation("StartDate must be before ExpireDate."));
    }
    cx.write(|tx| {
        for target in rule.targets.iter().flatten() {
            if !ALARMS.has(tx, &cx.key(target))? {
                return Err(validation(format!("The alarm {target} does not exist.")));
            }
        }
        let key = cx.key(rule.name.as_str());
        let there = MUTES.get(tx, &key)?;
        let mut rule = rule.clone();
        if let Some(there) = &there {
            rule.tags.clone_from(&there.tags);
        }
        MUTES.put(tx, &key, &rule);
        // Who is no longer muted by it acts.
        there.map_or(Ok(()), |there| unmute(cx, tx, &there))?;
        schedule_end(cx, tx, &rule)
    })
    .await
}

fn task_id(cx: &Cx, name: &str) -> String {
    format!("{UNMUTE}/{}/{}/{name}", cx.account(), cx.region())
}

/// Has alarms act again at the end of the window that is open, or of the next one.
fn schedule_end(cx: &Cx, tx: &mut Tx<'_>, rule: &MuteRule) -> Result<()> {
    let id = task_id(cx, &rule.name);
    match rule.window(cx.now_millis())? {
        None => cx.tasks().cancel(tx, "cloudwatch", &id),
        Some(window) => {
            let due = Timestamp::from_millisecond(window.to).unwrap_or(Timestamp::MAX);
            cx.tasks().schedule(cx, tx, "cloudwatch", &id, UNMUTE, rule.name.clone(), due)
        }
    }
}

/// Has those alarms of a rule act that were muted, are in `ALARM`, and are muted by no rule any more.
fn unmute(cx: &Cx, tx: &mut Tx<'_>, rule: &MuteRule) -> Result<()> {
    for name in rule.targets.iter().flatten() {
        let Some(mut alarm) = ALARMS.get(tx, &cx.key(name))?.filter(|alarm| alarm.muted) else { continue };
        if is_muted(cx, tx, name)? {
            continue;
        }
        alarm.muted = false;
        if alarm.state.value == StateValue::Alarm {
            let definition = alarm.definition()?;
            let before = State { value: StateValue::Ok, ..alarm.state.clone() };
            state::act(cx, tx, &mut alarm, &definition, &before)?;
        }
        ALARMS.put(tx, &cx.key(name), &alarm);
    }
    Ok(())
}

/// A window is over.
pub(crate) async fn over(cx: &Cx, task: &Task) -> Result<Next> {
    let next = cx
        .write(|tx| {
            let Some(rule) = MUTES.get(tx, &cx.key(&task.payload))? else { return Ok(None) };
            unmute(cx, tx, &rule)?;
            rule.window(cx.now_millis())
        })
        .await?;
    let next = next.and_then(|window| Timestamp::from_millisecond(window.to).ok());
    Ok(next.map_or(Next::Done, Next::Again))
}

/// Deletes a rule; one that is not there is fine.
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteAlarmMuteRuleInput) -> Result<()> {
    let name = input.alarm_mute_rule_name.as_str();
    cx.write(|tx| {
        let Some(rule) = MUTES.get(tx, &cx.key(name))? else { return Ok(()) };
        MUTES.delete(tx, &cx.key(name));
        cx.tasks().cancel(tx, "cloudwatch", &task_id(cx, name))?;
        unmute(cx, tx, &rule)
    })
    .await
}

fn not_found(kind: &str, name: &str) -> Failure {
    let error = errors::resource_not_found_exception(format!("The {kind} {name} does not exist."));
    error.with("ResourceType", kind).with("ResourceId", name).into()
}

pub(crate) fn get(cx: &Cx, input: &api::GetAlarmMuteRuleInput) -> Result<api::GetAlarmMuteRuleOutput> {
    let name = input.alarm_mute_rule_name.as_str();
    let rule = MUTES.get(&cx.read(), &cx.key(name))?.ok_or_else(|| not_found("alarm-mute-rule", name))?;
    let moment = |millis: Option<i64>| millis.and_then(|at| Timestamp::from_millisecond(at).ok());
    let schedule = output::Schedule {
        expression: rule.expression.clone(),
        duration: rule.duration.clone(),
        timezone: rule.zone.clone(),
    };
    Ok(api::GetAlarmMuteRuleOutput {
        alarm_mute_rule_arn: Some(rule.arn(cx)),
        status: Some(rule.status(cx.now_millis())?.to_owned()),
        mute_type: Some(rule.mute_type().to_owned()),
        rule: Some(output::Rule { schedule }),
        mute_targets: rule.targets.map(|alarm_names| output::MuteTargets { alarm_names }),
        name: Some(rule.name),
        description: rule.description,
        start_date: moment(rule.start),
        expire_date: moment(rule.expire),
        last_updated_timestamp: moment(Some(rule.updated)),
    })
}

pub(crate) fn list(cx: &Cx, input: &api::ListAlarmMuteRulesInput) -> Result<api::ListAlarmMuteRulesOutput> {
    let from = cx.read();
    if let Some(alarm) = &input.alarm_name
        && !ALARMS.has(&from, &cx.key(alarm))?
    {
        return Err(not_found("alarm", alarm));
    }
    let statuses = input.statuses.as_deref().unwrap_or_default();
    let mut found = Vec::new();
    for rule in all(cx, &from)? {
        let status = rule.status(cx.now_millis())?;
        let of_status = statuses.is_empty() || statuses.iter().any(|wanted| wanted == status);
        if of_status && input.alarm_name.as_ref().is_none_or(|alarm| rule.has(alarm)) {
            found.push(output::AlarmMuteRuleSummary {
                alarm_mute_rule_arn: Some(rule.arn(cx)),
                expire_date: rule.expire.and_then(|at| Timestamp::from_millisecond(at).ok()),
                status: Some(status.to_owned()),
                mute_type: Some(rule.mute_type().to_owned()),
                last_updated_timestamp: Timestamp::from_millisecond(rule.updated).ok(),
            });
        }
    }
    let size = usize::try_from(input.max_records.unwrap_or(PAGE)).unwrap_or(1);
    let page = paging::page("ListAlarmMuteRules", found, input.next_token.as_deref(), size);
    let (page, next_token) = page.ok_or_else(|| errors::invalid_next_token("The next token is invalid."))?;
    Ok(api::ListAlarmMuteRulesOutput { alarm_mute_rule_summaries: Some(page), next_token })
}
