//! Replays: events of an archive come to their bus again, in the order of their times.
//!
//! A task takes one batch after the other; the deliveries of a batch are stored together with how far the replay has come, so that
//! each event is delivered as if it had been put once more.
//!
//! Source: "Archiving and replaying events in Amazon EventBridge" in the user guide.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Order, Table};
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use crate::api::{self, errors, output};
use crate::archive::{ARCHIVED, ARCHIVES, check_filters};
use crate::bus::{moment, page};
use crate::error::{too_many, validation};
use crate::event::Event;
use crate::name::{BusName, Tagged};
use crate::{Events, accept};

/// Account, region, name.
static REPLAYS: Table<Replay> = Table::new("events.replays");

/// The kind of its tasks.
pub(crate) const REPLAY: &str = "replay";
/// So many events are taken in one go.
const BATCH: usize = 100;
/// An account has so many at work in a region at most.
const MOST: usize = 10;

const STARTING: &str = "STARTING";
const RUNNING: &str = "RUNNING";
const CANCELLING: &str = "CANCELLING";

/// A replay.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Replay {
    #[n(0)]
    name: String,
    #[n(1)]
    description: Option<String>,
    #[n(2)]
    archive: String,
    /// The bus, by its name.
    #[n(3)]
    bus: String,
    /// The rules that it is meant for; none: all.
    #[n(4)]
    filters: Vec<String>,
    /// Milliseconds since 1970.
    #[n(5)]
    from: i64,
    #[n(6)]
    to: i64,
    #[n(7)]
    state: String,
    #[n(8)]
    reason: Option<String>,
    #[n(9)]
    begun: i64,
    #[n(10)]
    ended: Option<i64>,
    /// Seconds and id of the last event that was taken.
    #[n(11)]
    last: Option<(i64, String)>,
}

impl Replay {
    fn arn(&self, cx: &Cx) -> String {
        cx.arn("events", &format!("replay/{}", self.name))
    }

    fn archive_arn(&self, cx: &Cx) -> String {
        cx.arn("events", &format!("archive/{}", self.archive))
    }

    fn is_at_work(&self) -> bool {
        [STARTING, RUNNING, CANCELLING].contains(&self.state.as_str())
    }

    fn end(&mut self, cx: &Cx, state: &str, reason: Option<&str>) {
        state.clone_into(&mut self.state);
        self.reason = reason.map(str::to_owned);
        self.ended = Some(cx.now_millis());
    }

    /// The names of the rules that it is meant for.
    fn rules(&self) -> Option<Vec<String>> {
        let name = |arn: &String| match Tagged::parse(arn) {
            Some(Tagged::Rule(_, rule)) => Some(rule),
            _ => None,
        };
        (!self.filters.is_empty()).then(|| self.filters.iter().filter_map(name).collect())
    }
}

fn find(cx: &Cx, from: &(impl undercast_kernel::store::Read + ?Sized), name: &str) -> Result<Replay> {
    let missing = || errors::resource_not_found_exception(format!("Replay {name} does not exist."));
    REPLAYS.get(from, &cx.key(name))?.ok_or_else(|| missing().into())
}

fn task(cx: &Cx, name: &str) -> String {
    format!("replay/{}/{}/{name}", cx.account(), cx.region())
}

/// What is wrong with a request, in AWS's words.
fn check(cx: &Cx, input: &api::StartReplayInput) -> Result<(BusName, String)> {
    let invalid = |parameter: &str, why: &str| {
        Failure::from(validation(format!("Parameter {parameter} is not valid. Reason: {why}")))
    };
    let bus = BusName::from_arn(&input.destination.arn)
        .ok_or_else(|| invalid("Destination.Arn", "Must contain an event bus ARN."))?;
    bus.find_here(cx, &cx.read())?;
    let prefix = cx.arn("events", "archive/");
    let name = input.event_source_arn.strip_prefix(&prefix).unwrap_or(&input.event_source_arn);
    let archive = ARCHIVES.get(&cx.read(), &cx.key(name))?;
    let missing = || invalid("EventSourceArn", &format!("Archive {name} does not exist."));
    let archive = archive.ok_or_else(missing)?;
    if bus != BusName::new(cx, &archive.bus) {
        return Err(invalid("Destination.Arn", "Cross event bus replay is not permitted."));
    }
    if input.event_start_time >= input.event_end_time {
        return Err(invalid("EventEndTime", "EventStartTime must be before EventEndTime."));
    }
    for filter in input.destination.filter_arns.iter().flatten() {
        if !matches!(Tagged::parse(filter), Some(Tagged::Rule(of, _)) if of == bus) {
            return Err(invalid("Destination.FilterArns", "Must contain ARNs of rules of the event bus."));
        }
    }
    Ok((bus, archive.name))
}

pub(crate) async fn start(cx: &Cx, input: api::StartReplayInput) -> Result<api::StartReplayOutput> {
    let (bus, archive) = check(cx, &input)?;
    let replay = Replay {
        name: input.replay_name,
        description: input.description,
        archive,
        bus: bus.name,
        filters: input.destination.filter_arns.unwrap_or_else(Vec::new),
        from: input.event_start_time.as_millisecond(),
        to: input.event_end_time.as_millisecond(),
        state: STARTING.to_owned(),
        reason: None,
        begun: cx.now_millis(),
        ended: None,
        last: None,
    };
    cx.write(|tx| {
        if REPLAYS.has(tx, &cx.key(&replay.name))? {
            let message = format!("Replay {} already exists.", replay.name);
            return Err(errors::resource_already_exists_exception(message).into());
        }
        let all = REPLAYS.all(tx, &(cx.account(), cx.region()))?;
        if all.iter().filter(|entry| entry.row.is_at_work()).count() >= MOST {
            return Err(too_many().into());
        }
        REPLAYS.put(tx, &cx.key(&replay.name), &replay);
        let id = task(cx, &replay.name);
        cx.tasks().schedule(cx, tx, "events", &id, REPLAY, replay.name.clone(), cx.now())
    })
    .await?;
    Ok(api::StartReplayOutput {
        replay_arn: Some(replay.arn(cx)),
        state: Some(replay.state),
        state_reason: None,
        replay_start_time: Some(moment(replay.begun)),
    })
}

pub(crate) async fn cancel(cx: &Cx, input: api::CancelReplayInput) -> Result<api::CancelReplayOutput> {
    let replay = cx
        .write(|tx| {
            let mut replay = find(cx, tx, &input.replay_name)?;
            if replay.state != STARTING && replay.state != RUNNING {
                let message = format!("Replay {} is not in a valid state for this operation.", replay.name);
                return Err(errors::illegal_status_exception(message).into());
            }
            CANCELLING.clone_into(&mut replay.state);
            REPLAYS.put(tx, &cx.key(&replay.name), &replay);
            Ok(replay)
        })
        .await?;
    Ok(api::CancelReplayOutput {
        replay_arn: Some(replay.arn(cx)),
        state: Some(replay.state),
        state_reason: replay.reason,
    })
}

/// Takes a batch of events, and comes again until there are no more.
pub(crate) async fn run(service: &Events, cx: &Cx, task: &Task) -> Result<Next> {
    let from = cx.read();
    let Some(mut replay) = REPLAYS.get(&from, &cx.key(&task.payload))?.filter(Replay::is_at_work) else {
        return Ok(Next::Done);
    };
    let mut plans: Vec<accept::Plan> = Vec::new();
    match ARCHIVES.get(&from, &cx.key(&replay.archive))? {
        _ if replay.state == CANCELLING => replay.end(cx, "CANCELLED", None),
        None => replay.end(cx, "FAILED", Some("The archive was deleted.")),
        Some(archive) => {
            RUNNING.clone_into(&mut replay.state);
            let (bus, rules) = (BusName::new(cx, &replay.bus), replay.rules());
            // Times of events have whole seconds.
            let begin = (cx.key(&archive.id), (replay.from + 999).div_euclid(1000));
            let end = (cx.key(&archive.id), replay.to.div_euclid(1000) + 1);
            let all = match &replay.last {
                Some((second, id)) => {
                    let after = (cx.key(&archive.id), *second, format!("{id}\u{1}"));
                    ARCHIVED.range(&from, &after, &end, Order::Ascending, BATCH)?
                }
                None => ARCHIVED.range(&from, &begin, &end, Order::Ascending, BATCH)?,
            };
            for entry in &all {
                let mut event: Event = serde_json::from_str(&entry.row.event).map_err(Failure::broken)?;
                replay.last = Some((event.time, event.id.clone()));
                event.replay = Some(replay.name.clone());
                event.ingested = cx.now_millis();
                plans.push(service.plan(cx, &from, &bus, &event, rules.as_deref())?);
            }
            if all.len() < BATCH {
                replay.end(cx, "COMPLETED", None);
            }
        }
    }
    cx.write(|tx| {
        let now = REPLAYS.get(tx, &cx.key(&replay.name))?;
        if now.is_some_and(|now| now.state == CANCELLING) && replay.state == RUNNING {
            replay.end(cx, "CANCELLED", None);
        }
        plans.iter().try_for_each(|plan| plan.write(cx, tx))?;
        REPLAYS.put(tx, &cx.key(&replay.name), &replay);
        if replay.is_at_work() {
            // A moment later, so that it is another task than this one.
            let due = moment(cx.now_millis().max(task.due) + 1);
            return cx.tasks().schedule(cx, tx, "events", &task.id, REPLAY, task.payload.clone(), due);
        }
        cx.tasks().cancel(tx, "events", &task.id)
    })
    .await?;
    Ok(Next::Done)
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeReplayInput) -> Result<api::DescribeReplayOutput> {
    let replay = find(cx, &cx.read(), &input.replay_name)?;
    Ok(api::DescribeReplayOutput {
        replay_arn: Some(replay.arn(cx)),
        event_source_arn: Some(replay.archive_arn(cx)),
        destination: Some(output::ReplayDestination {
            arn: BusName::new(cx, &replay.bus).arn(),
            filter_arns: (!replay.filters.is_empty()).then_some(replay.filters),
        }),
        replay_name: Some(replay.name),
        description: replay.description,
        state: Some(replay.state),
        state_reason: replay.reason,
        event_start_time: Some(moment(replay.from)),
        event_end_time: Some(moment(replay.to)),
        event_last_replayed_time: replay.last.map(|(second, _)| moment(second * 1000)),
        replay_start_time: Some(moment(replay.begun)),
        replay_end_time: replay.ended.map(moment),
    })
}

pub(crate) fn list(cx: &Cx, input: &api::ListReplaysInput) -> Result<api::ListReplaysOutput> {
    let (prefix, source, state) = (&input.name_prefix, &input.event_source_arn, &input.state);
    check_filters("ListReplays", [prefix.is_some(), source.is_some(), state.is_some()])?;
    let mut all: Vec<Replay> =
        REPLAYS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row).collect();
    all.retain(|replay| {
        prefix.as_ref().is_none_or(|prefix| replay.name.starts_with(prefix))
            && source.as_ref().is_none_or(|source| replay.archive_arn(cx) == *source)
            && state.as_ref().is_none_or(|state| *state == replay.state)
    });
    let scope = format!("ListReplays/{prefix:?}/{source:?}/{state:?}");
    let (page, next_token) = page(&scope, all, input.next_token.as_deref(), input.limit)?;
    let shown = page.into_iter().map(|replay| output::Replay {
        event_source_arn: Some(replay.archive_arn(cx)),
        replay_name: Some(replay.name),
        state: Some(replay.state),
        state_reason: replay.reason,
        event_start_time: Some(moment(replay.from)),
        event_end_time: Some(moment(replay.to)),
        event_last_replayed_time: replay.last.map(|(second, _)| moment(second * 1000)),
        replay_start_time: Some(moment(replay.begun)),
        replay_end_time: replay.ended.map(moment),
    });
    Ok(api::ListReplaysOutput { replays: Some(shown.collect()), next_token })
}
