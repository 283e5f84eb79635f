//! An event comes to a bus: what shall be delivered of it is stored with what acknowledges it.

use serde::{Deserialize, Serialize};
use undercast_kernel::store::{Snapshot, Tx};
use undercast_kernel::{Cx, Failure, Result};

use crate::event::Event;
use crate::index::Indexes;
use crate::name::BusName;
use crate::target::TARGETS;
use crate::{Events, archive, deliver, discover, metrics, trail};

/// What a task needs to deliver an event to a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) bus: String,
    pub(crate) rule: String,
    pub(crate) target: String,
    pub(crate) event: Event,
    /// How often it was tried again.
    pub(crate) retries: u32,
}

/// What becomes of events on a bus.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    home: Option<BusName>,
    deliveries: Vec<Delivery>,
    /// Archives by their names, and what goes into them.
    kept: Vec<(String, Event)>,
    /// Discoverers by their ids, and what they look at.
    shown: Vec<(String, Event)>,
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        self.deliveries.is_empty() && self.kept.is_empty() && self.shown.is_empty()
    }

    /// Stores it. The tasks are those of the account that has the bus.
    pub(crate) fn write(&self, cx: &Cx, tx: &mut Tx<'_>) -> Result<()> {
        let Some(bus) = &self.home else { return Ok(()) };
        let home = cx.elsewhere(&bus.account, &bus.region);
        for delivery in &self.deliveries {
            deliver::schedule(&home, tx, delivery)?;
        }
        self.shown.iter().try_for_each(|(id, event)| discover::show(&home, tx, id, event))?;
        self.kept.iter().try_for_each(|(name, event)| archive::keep(&home, tx, name, event))
    }
}

/// The rule and the event of a call: where it changes nothing, only rules that want such calls are told.
fn wants_call(event: &serde_json::Value, all_calls: bool) -> bool {
    let changes_nothing = event["detail-type"] == trail::KIND && event["detail"]["readOnly"] == true;
    !changes_nothing || all_calls
}

impl Events {
    /// What becomes of an event on a bus. `only`: the rules that it is meant for, where it is not meant for all.
    pub(crate) fn plan(
        &self,
        cx: &Cx,
        from: &Snapshot,
        bus: &BusName,
        event: &Event,
        only: Option<&[String]>,
    ) -> Result<Plan> {
        plan(&self.indexes, cx, from, bus, event, only)
    }
}

/// The same with these patterns.
pub(crate) fn plan(
    indexes: &Indexes,
    cx: &Cx,
    from: &Snapshot,
    bus: &BusName,
    event: &Event,
    only: Option<&[String]>,
) -> Result<Plan> {
    let mut plan = Plan { home: Some(bus.clone()), ..Plan::default() };
    if bus.get(from)?.is_none() {
        // AWS acknowledges events for buses that are not there, and drops them.
        return Ok(plan);
    }
    let json = event.json();
    for found in indexes.matching(from, bus, &json)? {
        let chosen = only.is_none_or(|names| names.iter().any(|name| **name == *found.rule));
        if chosen && wants_call(&json, found.all_calls) {
            metrics::of_rule(cx, bus, &found.rule, "MatchedEvents", "Count", 1.0);
            plan.add(cx, from, bus, &found.rule, event)?;
        }
    }
    Ok(plan)
}

impl Plan {
    /// A plan for the targets of one rule.
    pub(crate) fn of_rule(cx: &Cx, from: &Snapshot, bus: &BusName, rule: &str, event: &Event) -> Result<Self> {
        let mut plan = Self { home: Some(bus.clone()), ..Self::default() };
        plan.add(cx, from, bus, rule, event)?;
        Ok(plan)
    }

    fn add(&mut self, cx: &Cx, from: &Snapshot, bus: &BusName, rule: &str, event: &Event) -> Result<()> {
        metrics::of_rule(cx, bus, rule, "TriggeredRules", "Count", 1.0);
        for entry in TARGETS.all(from, &(bus.key(), rule))? {
            let key: Option<(String, String, String, String, String)> = entry.key();
            let Some((.., target)) = key else { return Err(Failure::broken("the key of a target cannot be read")) };
            if let Some(archive) = archive::behind(&target, &entry.row.arn) {
                self.kept.push((archive, event.clone()));
                continue;
            }
            if let Some(id) = discover::behind(&entry.row.arn) {
                self.shown.push((id.to_owned(), event.clone()));
                continue;
            }
            metrics::of_rule(cx, bus, rule, "InvocationsCreated", "Count", 1.0);
            self.deliveries.push(Delivery {
                bus: bus.name.clone(),
                rule: rule.to_owned(),
                target,
                event: event.clone(),
                retries: 0,
            });
        }
        Ok(())
    }
}
