//! Rules that are due by the clock: `rate(…)` and `cron(…)`, in UTC, on the default bus.
//!
//! The deliveries of a moment are stored together with the next moment, so that each moment is told of once.

use serde_json::json;
use undercast_kernel::schedule::Schedule;
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::accept::Plan;
use crate::bus::moment;
use crate::error::validation;
use crate::event::Event;
use crate::name::{BusName, DEFAULT};
use crate::rule::{RULES, Rule};

/// The kind of its tasks.
pub(crate) const DUE: &str = "schedule";

/// Reads a schedule expression.
pub(crate) fn parse(text: &str) -> Result<Schedule> {
    let invalid = || Failure::from(validation("Parameter ScheduleExpression is not valid."));
    // One is one minute, and none is several minutes.
    if text.starts_with("rate(1 ") && text.ends_with("s)") {
        return Err(invalid());
    }
    match Schedule::parse(text, None) {
        // One moment is a matter of EventBridge Scheduler.
        Ok(Schedule::At(_)) | Err(_) => Err(invalid()),
        Ok(schedule) => Ok(schedule),
    }
}

fn id(bus: &BusName, rule: &str) -> String {
    format!("schedule/{}/{}/{rule}", bus.account, bus.region)
}

fn next(rule: &Rule, after: Timestamp) -> Result<Option<Timestamp>> {
    let Some(text) = rule.schedule.as_deref().filter(|_| rule.is_enabled()) else { return Ok(None) };
    Ok(parse(text)?.next(moment(rule.begun), after))
}

/// Plans when a rule is due next, or takes it back.
pub(crate) fn plan(cx: &Cx, tx: &mut Tx<'_>, bus: &BusName, rule: &Rule) -> Result<()> {
    let home = cx.elsewhere(&bus.account, &bus.region);
    match next(rule, cx.now())? {
        Some(due) => {
            let payload = json!({"rule": rule.name, "due": due.as_second()}).to_string();
            cx.tasks().schedule(&home, tx, "events", &id(bus, &rule.name), DUE, payload, due)
        }
        None => cancel(cx, tx, bus, &rule.name),
    }
}

pub(crate) fn cancel(cx: &Cx, tx: &mut Tx<'_>, bus: &BusName, rule: &str) -> Result<()> {
    cx.tasks().cancel(tx, "events", &id(bus, rule))
}

/// A rule is due.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let payload: serde_json::Value = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let (name, due) = (payload["rule"].as_str().unwrap_or_default(), payload["due"].as_i64().unwrap_or_default());
    let bus = BusName::new(cx, DEFAULT);
    let from = cx.read();
    let Some(rule) = RULES.get(&from, &(bus.key(), name))?.filter(Rule::is_enabled) else { return Ok(Next::Done) };
    let event = Event {
        id: cx.random().uuid(),
        detail_type: "Scheduled Event".to_owned(),
        source: "aws.events".to_owned(),
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        time: due,
        resources: vec![bus.rule_arn(&rule.name)],
        detail: "{}".to_owned(),
        ingested: cx.now_millis(),
        trace: None,
        hop: None,
        replay: None,
    };
    let deliveries = Plan::of_rule(cx, &from, &bus, &rule.name, &event)?;
    cx.write(|tx| {
        deliveries.write(cx, tx)?;
        // What was changed meanwhile has planned for itself.
        match RULES.get(tx, &(bus.key(), name))? {
            Some(now) if now == rule => plan(cx, tx, &bus, &rule),
            _ => Ok(()),
        }
    })
    .await?;
    Ok(Next::Done)
}
