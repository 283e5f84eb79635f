//! Distributed maps: what an execution has to do with one. The items themselves are the map run's (`mapruns`).

use serde_json::{Value as Json, json};
use undercast_asl as asl;

use super::frame::Doing;
use super::history::{cause, error, plain};
use super::{Around, Order, Run};
use crate::api::kept::{
    HistoryEvent, MapRunFailedEventDetails, MapRunStartedEventDetails, MapStateStartedEventDetails,
};

/// A distributed map, reckoned but for its items.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// The name of its state.
    pub(crate) state: String,
    pub(crate) source: Source,
    /// How many at a time. Zero: as many as can be.
    pub(crate) at_once: u32,
    pub(crate) tolerated_count: Option<u64>,
    pub(crate) tolerated_percentage: Option<f64>,
    pub(crate) batches: Option<(asl::BatcherLimits, Option<Json>)>,
    /// What the call gets that writes results, and how they are written.
    pub(crate) writer: Option<(Json, asl::WriterConfig)>,
}

/// Where the items are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    Given(Vec<Json>),
    /// The ARN of the call that reads them, what it gets, how that is read, and how many at most.
    Read(String, Json, Box<asl::ReaderConfig>, Option<u64>),
}

/// The ARN of a map run: of the execution's machine, with the label of the map.
pub(crate) fn run_arn(machine_arn: &str, label: &str, id: &str) -> String {
    format!("{}/{label}:{id}", machine_arn.replacen(":stateMachine:", ":mapRun:", 1))
}

impl Run {
    /// What the distributed map of a frame's state does.
    pub(crate) fn map_plan(&self, around: &Around<'_>, id: u32) -> Result<Plan, asl::Failure> {
        let gone = || asl::Failure::runtime("The map is gone.");
        let state = self.state_of(id).ok_or_else(gone)?;
        let asl::Kind::Map(map) = &state.kind else { return Err(gone()) };
        let plan = self.scoped(around, id, |scope| {
            let effective = state.effective_input(scope)?;
            let root = &effective.selected;
            let number = |given: &Option<asl::Given<u64>>, field: &str| {
                given.as_ref().map(|given| scope.number(given, field, root)).transpose()
            };
            let arguments = |template: &Option<asl::Template>| {
                template.as_ref().map_or_else(|| Ok(json!({})), |template| scope.fill(template, root))
            };
            let source = match &map.item_reader {
                None => Source::Given(map.items(scope, &effective)?),
                Some(reader) => {
                    let most = number(&reader.config.max_items, "MaxItems")?;
                    let given = arguments(&reader.arguments)?;
                    Source::Read(reader.resource.clone(), given, Box::new(reader.config.clone()), most)
                }
            };
            let batches = map.item_batcher.as_ref().map(|batcher| {
                let input = batcher.batch_input.as_ref().map(|template| scope.fill(template, root)).transpose()?;
                Ok((batcher.limits(scope, &effective)?, input))
            });
            let writer = map.result_writer.as_ref().filter(|writer| writer.resource.is_some());
            let writer = writer.map(|writer| Ok((arguments(&writer.arguments)?, writer.config)));
            let percentage = map.tolerated_failure_percentage.as_ref();
            Ok(Plan {
                state: state.name.clone(),
                source,
                at_once: number(&map.max_concurrency, "MaxConcurrency")?
                    .map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX)),
                tolerated_count: number(&map.tolerated_failure_count, "ToleratedFailureCount")?,
                tolerated_percentage: percentage
                    .map(|given| scope.real(given, "ToleratedFailurePercentage", root))
                    .transpose()?,
                batches: batches.transpose()?,
                writer: writer.transpose()?,
            })
        });
        plan.unwrap_or_else(|| Err(gone()))
    }

    /// What each item of a map run is made by the state's `ItemSelector`.
    pub(crate) fn map_inputs(&self, around: &Around<'_>, id: u32, items: Vec<Json>) -> Result<Vec<Json>, asl::Failure> {
        let gone = || asl::Failure::runtime("The map is gone.");
        let state = self.state_of(id).ok_or_else(gone)?;
        let asl::Kind::Map(map) = &state.kind else { return Err(gone()) };
        let made = self.scoped(around, id, |scope| map.inputs(scope, &state.effective_input(scope)?, items));
        made.unwrap_or_else(|| Err(gone()))
    }

    /// Begins a distributed map.
    pub(super) fn begin_map_run(&mut self, around: &Around<'_>, id: u32, plan: &Plan) {
        let length = match &plan.source {
            Source::Given(items) => i32::try_from(items.len()).unwrap_or(i32::MAX),
            Source::Read(..) => 0,
        };
        let details = Some(MapStateStartedEventDetails { length: Some(length) });
        self.note(id, HistoryEvent { map_state_started_event_details: details, ..plain("MapStateStarted") });
        let label = match self.state_of(id).map(|state| &state.kind) {
            Some(asl::Kind::Map(map)) => map.label.clone(),
            _ => None,
        };
        let label = label.unwrap_or_else(|| around.random.hex(32));
        let arn = run_arn(&self.header.machine_arn, &label, &around.random.uuid());
        let details = Some(MapRunStartedEventDetails { map_run_arn: Some(arn.clone()) });
        self.note(id, HistoryEvent { map_run_started_event_details: details, ..plain("MapRunStarted") });
        self.put(id, Doing::Mapping(arn.clone()));
        self.effects.orders.push(Order::MapRun { frame: id, arn });
    }

    /// A map run has ended.
    pub(super) fn mapped(&mut self, around: &Around<'_>, id: u32, arn: &str, result: Result<Json, asl::Failure>) {
        if !self.frame(id).is_some_and(|frame| matches!(&frame.doing, Doing::Mapping(run) if run == arn)) {
            return;
        }
        match result {
            Ok(result) => {
                self.note(id, plain("MapRunSucceeded"));
                self.note(id, plain("MapStateSucceeded"));
                self.conclude(around, id, result);
            }
            Err(failure) => {
                let details = MapRunFailedEventDetails { error: error(&failure.error), cause: cause(&failure.cause) };
                let event = HistoryEvent { map_run_failed_event_details: Some(details), ..plain("MapRunFailed") };
                self.note(id, event);
                self.note(id, plain("MapStateFailed"));
                self.fail(around, id, failure);
            }
        }
    }
}
