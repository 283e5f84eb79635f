//! An execution: what becomes of one batch, from the source through the enrichment to the target.
//!
//! Source: "EventBridge Pipes execution steps" and "… batching and concurrency" in the user guide.

use std::time::{Duration, Instant};

use serde_json::Value as Json;
use undercast_kernel::{Cx, Failure, Result};
use undercast_sources::{Batch, Kind, Taken};

use crate::definition::{Target, parsed};
use crate::enrichment;
use crate::error::is_throttled;
use crate::logbook::{ENRICHMENT, Logbook, Said, Stage, Step, TARGET};
use crate::metrics;
use crate::parameters::template;
use crate::runner::Runner;
use crate::target::{Caller, Outgoing, Sent, took_nothing};
use crate::template::{Known, render};

/// An execution that takes longer is given up.
const LONGEST: Duration = Duration::from_secs(300);

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ended {
    Well,
    /// These places of the batch failed.
    Partly(Vec<usize>),
    Failed,
    Throttled,
    TimedOut,
}

/// Runs a batch through the pipe.
pub(crate) async fn run(runner: &Runner, batch: Batch<'_>) -> Result<Taken> {
    let (cx, pipe) = (runner.own(), runner.pipe());
    let began = Instant::now();
    let payload: Json = batch.events.iter().map(|event| (*event).clone()).collect();
    metrics::of_pipe(&cx, &pipe.name, "Invocations", "Count", 1.0);
    metrics::of_account(&cx, "Invocations", 1.0);
    metrics::of_account(&cx, "Concurrency", runner.at_once());
    metrics::of_pipe(&cx, &pipe.name, "EventCount", "Count", metrics::float(batch.events.len()));
    for event in batch.events {
        metrics::of_pipe(&cx, &pipe.name, "EventSize", "Bytes", metrics::float(event.to_string().len()));
    }
    let mut execution = Execution { runner, cx: cx.clone(), batch, book: Logbook::new(&cx, pipe) };
    execution.note(Step::STARTED, &Said { payload: Some(&payload), ..Said::default() });
    let ended = match tokio::time::timeout(LONGEST, execution.stages()).await {
        Ok(ended) => ended?,
        Err(_) => Ended::TimedOut,
    };
    let last = match &ended {
        Ended::Well => Step::SUCCEEDED,
        Ended::Partly(_) => Step::PARTIALLY_FAILED,
        Ended::Failed => Step::FAILED,
        Ended::Throttled => Step::THROTTLED,
        Ended::TimedOut => Step::TIMEOUT,
    };
    execution.note(last, &Said::default());
    execution.book.deliver(&cx, pipe).await;
    metrics::took(&cx, &pipe.name, "Duration", began);
    for (name, happened) in [
        ("ExecutionFailed", ended == Ended::Failed),
        ("ExecutionPartiallyFailed", matches!(ended, Ended::Partly(_))),
        ("ExecutionThrottled", ended == Ended::Throttled),
        ("ExecutionTimeout", ended == Ended::TimedOut),
    ] {
        metrics::whether(&cx, &pipe.name, name, happened);
    }
    Ok(match ended {
        Ended::Well => Taken::Done(None),
        Ended::Partly(places) => Taken::Failed(places),
        Ended::Throttled => Taken::Throttled,
        Ended::Failed | Ended::TimedOut => Taken::Failed((0..batch.events.len()).collect()),
    })
}

struct Execution<'a> {
    runner: &'a Runner,
    cx: Cx,
    batch: Batch<'a>,
    book: Logbook,
}

impl Execution<'_> {
    fn note(&mut self, step: Step, said: &Said<'_>) {
        self.book.note(&self.cx, step, said);
    }

    async fn stages(&mut self) -> Result<Ended> {
        let (runner, cx) = (self.runner, self.cx.clone());
        let pipe = runner.pipe();
        let mut events: Vec<Json> = self.batch.events.iter().map(|event| (*event).clone()).collect();
        if let Some(function) = &pipe.enrichment {
            let began = Instant::now();
            let outcome = self.enrich(function, &events).await?;
            metrics::took(&cx, &pipe.name, "EnrichmentStageDuration", began);
            metrics::whether(&cx, &pipe.name, "EnrichmentStageFailed", outcome.is_err());
            match outcome {
                Ok(enriched) => events = enriched,
                Err(ended) => return Ok(ended),
            }
        }
        let began = Instant::now();
        let ended = self.reach(events).await?;
        metrics::took(&cx, &pipe.name, "TargetStageDuration", began);
        metrics::whether(&cx, &pipe.name, "TargetStageFailed", matches!(ended, Ended::Failed | Ended::Throttled));
        Ok(ended)
    }

    /// What templates know.
    fn known(&self) -> Known {
        let pipe = self.runner.pipe();
        Known {
            arn: pipe.arn(&self.cx),
            name: pipe.name.clone(),
            source: pipe.source.clone(),
            enrichment: pipe.enrichment.clone().unwrap_or_else(String::new),
            target: pipe.target.clone(),
            ingested: self.cx.now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        }
    }

    /// The events as a template makes them, each by itself.
    fn transform(&mut self, stage: &Stage, written: Option<&str>, events: Vec<Json>) -> Option<Vec<Outgoing>> {
        let Some(written) = written else {
            let plain = |event: Json| Outgoing { text: event.to_string(), event };
            return Some(events.into_iter().map(plain).collect());
        };
        let known = self.known();
        let all: Json = events.iter().cloned().collect();
        self.note(stage.transforming, &Said { payload: Some(&all), ..Said::default() });
        let made = events.into_iter().map(|event| Ok(Outgoing { text: render(written, &known, &event)?, event }));
        match made.collect::<std::result::Result<Vec<_>, String>>() {
            Ok(made) => {
                let shown: Json = made.iter().map(Outgoing::json).collect();
                self.note(stage.transformed, &Said { payload: Some(&shown), ..Said::default() });
                Some(made)
            }
            Err(message) => {
                self.note(
                    stage.not_transformed,
                    &Said { payload: Some(&all), message: Some(&message), ..Said::default() },
                );
                None
            }
        }
    }

    /// How a call that failed ends the execution.
    fn lost(&mut self, step: Step, failure: &Failure, service: &str, payload: &Json) -> Ended {
        tracing::warn!(
            pipe = self.runner.pipe().name,
            error = failure as &dyn std::error::Error,
            service,
            "an execution failed"
        );
        self.note(step, &Said { payload: Some(payload), failure: Some((failure, service)), ..Said::default() });
        if is_throttled(failure) { Ended::Throttled } else { Ended::Failed }
    }

    /// The enrichment stage. The inner error: the execution ends so.
    async fn enrich(&mut self, function: &str, events: &[Json]) -> Result<std::result::Result<Vec<Json>, Ended>> {
        let runner = self.runner;
        self.note(ENRICHMENT.entered, &Said::default());
        let written = template(runner.parameters().enrichment.input_template.as_ref());
        let Some(given) = self.transform(&ENRICHMENT, written, events.to_vec()) else { return Ok(Err(Ended::Failed)) };
        let payload: Json = given.iter().map(Outgoing::json).collect();
        self.note(ENRICHMENT.invoking, &Said { payload: Some(&payload), ..Said::default() });
        let answered = match enrichment::invoke(&runner.role(), function, &payload).await {
            Ok(answered) => answered,
            Err(failure) => return Ok(Err(self.lost(ENRICHMENT.not_invoked, &failure, "lambda", &payload))),
        };
        let said = Said {
            payload: Some(&payload),
            request: Some(&answered.request),
            response: Some(&answered.answer),
            ..Said::default()
        };
        self.note(ENRICHMENT.invoked, &said);
        self.note(ENRICHMENT.exited, &Said { payload: Some(&answered.answer), ..Said::default() });
        Ok(Ok(enrichment::events(answered.answer)))
    }

    /// The target stage.
    async fn reach(&mut self, events: Vec<Json>) -> Result<Ended> {
        let runner = self.runner;
        let pipe = runner.pipe();
        let arn = parsed(&pipe.target)?;
        let kind = Target::of(&arn)?;
        let all: Json = events.iter().cloned().collect();
        self.note(TARGET.entered, &Said { payload: Some(&all), ..Said::default() });
        if events.is_empty() {
            // An enrichment answered that there is nothing to do.
            self.note(TARGET.skipped, &Said::default());
            self.note(TARGET.exited, &Said::default());
            return Ok(Ended::Well);
        }
        if events.len() > kind.most() {
            let message = format!("{} events are more than the target takes at once: {}.", events.len(), kind.most());
            self.note(TARGET.not_invoked, &Said { payload: Some(&all), message: Some(&message), ..Said::default() });
            return Ok(Ended::Failed);
        }
        let written = template(runner.parameters().target.input_template.as_ref());
        let Some(batch) = self.transform(&TARGET, written, events) else { return Ok(Ended::Failed) };
        let payload: Json = batch.iter().map(Outgoing::json).collect();
        self.note(TARGET.invoking, &Said { payload: Some(&payload), ..Said::default() });
        let role = runner.role();
        let caller = Caller { role: &role, pipe: &pipe.name, arn: &arn, parameters: &runner.parameters().target };
        let sent = match caller.send(&batch).await {
            Ok(sent) if sent.failed.len() < batch.len() => sent,
            Ok(sent) => {
                return Ok(self.lost(TARGET.not_invoked, &took_nothing(&sent), kind.service(), &payload));
            }
            Err(failure) => return Ok(self.lost(TARGET.not_invoked, &failure, kind.service(), &payload)),
        };
        let failed = self.failed(&batch, &sent);
        let step = if failed.is_empty() { TARGET.invoked } else { TARGET.partly };
        let (request, response) = (Some(&sent.request), Some(&sent.response));
        self.note(step, &Said { payload: Some(&payload), request, response, ..Said::default() });
        self.note(TARGET.exited, &Said::default());
        Ok(match failed.len() {
            0 => Ended::Well,
            all if all == self.batch.ids.len() => Ended::Failed,
            _ => Ended::Partly(failed),
        })
    }

    /// What tells the events of the batch from each other to those who report failures: a message's id, and the id of an
    /// event of a stream.
    fn identifiers(&self) -> Vec<String> {
        let name = if self.runner.kind() == Kind::Queue { "messageId" } else { "eventID" };
        self.batch.events.iter().map(|event| event[name].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The places in the source's batch of what the target did not take. Where an event cannot be found there, all failed.
    fn failed(&self, sent: &[Outgoing], became: &Sent) -> Vec<usize> {
        let all = || (0..self.batch.ids.len()).collect();
        let identifiers = self.identifiers();
        if let Some(answer) = &became.answer {
            let ids: Vec<&str> = identifiers.iter().map(String::as_str).collect();
            return undercast_sources::reported(answer.to_string().as_bytes(), &ids).unwrap_or_else(all);
        }
        if self.runner.pipe().enrichment.is_none() {
            return became.failed.clone();
        }
        let place = |at: &usize| {
            let event = &sent.get(*at)?.event;
            identifiers.iter().position(|id| event["messageId"] == **id || event["eventID"] == **id)
        };
        became.failed.iter().map(place).collect::<Option<Vec<usize>>>().unwrap_or_else(all)
    }
}
