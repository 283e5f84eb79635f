//! A map run from its beginning to its end.

use std::sync::Arc;

use futures_core::future::BoxFuture;
use serde_json::Value as Json;
use undercast_asl as asl;
use undercast_kernel::store::Order as Direction;
use undercast_kernel::{Cx, Result};

use super::{CHILDREN, Child, Counts, MapRun, OF_EXECUTION, RUNS, Transformation, Writer, items, key, place, results};
use crate::engine::Happening;
use crate::engine::frame::Doing;
use crate::engine::mapping::Plan;
use crate::rows::{EXECUTIONS, Execution, FRAMES, Status, execution_key, numbered};
use crate::runtime::{Key, Runtime};

/// So many children are written, or started, at a time.
const AT_ONCE: usize = 100;
/// As many executions of a run go on as its concurrency lets, and at most this.
const MOST_RUNNING: u64 = 1000;

/// The inputs of the children, and how many items each has.
fn children(plan: &Plan, inputs: Vec<Json>) -> std::result::Result<Vec<Child>, asl::Failure> {
    let child = |input: Json, items: usize| Child {
        input: input.to_string(),
        items: u32::try_from(items).unwrap_or(u32::MAX),
        name: None,
    };
    let Some((limits, common)) = &plan.batches else {
        return Ok(inputs.into_iter().map(|input| child(input, 1)).collect());
    };
    let batches = asl::batches(inputs, *limits, common.as_ref())?;
    Ok(batches
        .into_iter()
        .map(|batch| {
            let count = batch["Items"].as_array().map_or(0, Vec::len);
            child(batch, count)
        })
        .collect())
}

fn writer(given: &(Json, asl::WriterConfig)) -> Writer {
    let (to, config) = given;
    let text = |member: &str| to[member].as_str().unwrap_or_default().to_owned();
    Writer {
        bucket: text("Bucket"),
        prefix: text("Prefix"),
        transformation: match config.transformation {
            asl::WriterTransformation::None => Transformation::None,
            asl::WriterTransformation::Compact => Transformation::Compact,
            asl::WriterTransformation::Flatten => Transformation::Flatten,
        },
        lines: config.output_type == asl::OutputType::JsonLines,
    }
}

/// Begins a run: reads its items, writes them down, and starts the first ones. One that was begun before goes on.
pub(crate) async fn begin(runtime: &Arc<Runtime>, cx: &Cx, parent: &Key, frame: u32, arn: &str) -> Result<()> {
    if MapRun::find(cx, &cx.read(), arn)?.is_some_and(|run| run.ready) {
        return goes_on(runtime, cx, arn).await;
    }
    let Some((plan, role)) = runtime.map_plan(cx, parent, frame).await? else { return Ok(()) };
    let prepared = match plan {
        Ok(plan) => {
            let run = new(cx, parent, frame, arn, &plan);
            cx.write(|tx| {
                RUNS.put(tx, &key(cx, arn), &run);
                let of = (cx.account(), cx.region(), parent.2.as_str(), parent.3.as_str(), run.started, arn);
                OF_EXECUTION.put(tx, &of, &0);
                Ok(())
            })
            .await?;
            prepare(runtime, cx, parent, run, &plan, role).await?
        }
        Err(failure) => Err(failure),
    };
    let Err(failure) = prepared else { return pump(runtime, cx, arn).await };
    end(cx, arn, Status::Failed).await?;
    let happening = Happening::Mapped { frame, arn: arn.to_owned(), result: Err(failure) };
    runtime.happen(cx, parent, happening).await.map(drop)
}

/// A run whose items are not read yet.
fn new(cx: &Cx, parent: &Key, frame: u32, arn: &str, plan: &Plan) -> MapRun {
    MapRun {
        arn: arn.to_owned(),
        parent: (parent.2.clone(), parent.3.clone()),
        frame,
        state: plan.state.clone(),
        started: cx.kernel().clock().now().as_millisecond(),
        stopped: None,
        status: Status::Running,
        at_once: plan.at_once,
        tolerated_count: plan.tolerated_count,
        tolerated_percentage: plan.tolerated_percentage,
        total: 0,
        next: 0,
        executions: Counts::default(),
        items: Counts::default(),
        writer: plan.writer.as_ref().map(writer),
        written: 0,
        ready: false,
    }
}

/// Reads the items of a run, and writes it with all its children.
async fn prepare(
    runtime: &Arc<Runtime>,
    cx: &Cx,
    parent: &Key,
    run: MapRun,
    plan: &Plan,
    role: Option<Cx>,
) -> Result<std::result::Result<(), asl::Failure>> {
    let Some(role) = role else {
        return Ok(Err(asl::Failure::new(asl::name::PERMISSIONS, "The role of the machine cannot be assumed.")));
    };
    let found = match items::read(&role, plan.source.clone()).await {
        Ok(found) => found,
        Err(failure) => return Ok(Err(failure)),
    };
    let Some(inputs) = runtime.map_inputs(cx, parent, run.frame, found).await? else { return Ok(Ok(())) };
    let all = match inputs.and_then(|inputs| children(plan, inputs)) {
        Ok(all) => all,
        Err(failure) => return Ok(Err(failure)),
    };
    let arn = run.arn.as_str();
    // What a crash left of an earlier try is written over, for it is the same.
    for (number, some) in all.chunks(AT_ONCE).enumerate() {
        let first = u64::try_from(number * AT_ONCE).unwrap_or(u64::MAX);
        cx.write(|tx| {
            for (child, index) in some.iter().zip(first..) {
                CHILDREN.put(tx, &child_key(cx, arn, index), child);
            }
            Ok(())
        })
        .await?;
    }
    let items = all.iter().map(|child| u64::from(child.items)).sum();
    cx.write(|tx| {
        let Some(mut run) = MapRun::find(cx, tx, arn)? else { return Ok(()) };
        run.total = u32::try_from(all.len()).unwrap_or(u32::MAX);
        run.executions.total = u64::from(run.total);
        run.items.total = items;
        run.ready = true;
        RUNS.put(tx, &key(cx, arn), &run);
        Ok(())
    })
    .await?;
    Ok(Ok(()))
}

/// Ends a run that goes on. Says whether it did.
async fn end(cx: &Cx, arn: &str, status: Status) -> Result<bool> {
    cx.write(|tx| {
        let Some(mut run) = MapRun::find(cx, tx, arn)?.filter(|run| run.status == Status::Running) else {
            return Ok(false);
        };
        (run.status, run.stopped) = (status, Some(cx.kernel().clock().now().as_millisecond()));
        RUNS.put(tx, &key(cx, arn), &run);
        Ok(true)
    })
    .await
}

/// Account, region, machine with label, id, number.
type ChildKey<'a> = (&'a str, &'a str, &'a str, &'a str, u64);

fn child_key<'a>(cx: &'a Cx, arn: &'a str, index: u64) -> ChildKey<'a> {
    let (machine, id) = place(arn);
    (cx.account(), cx.region(), machine, id, index)
}

/// The same run after the cloud was stopped: children that were to be started and were not are started.
async fn goes_on(runtime: &Arc<Runtime>, cx: &Cx, arn: &str) -> Result<()> {
    let from = cx.read();
    let Some(run) = MapRun::find(cx, &from, arn)? else { return Ok(()) };
    for entry in CHILDREN.page(&from, &key(cx, arn), None::<&()>, Direction::Ascending, usize::MAX)? {
        let Some(name) = entry.row.name.clone() else { break };
        if run.status == Status::Running && !EXECUTIONS.has(&from, &execution_key(cx, run.machine(), &name))? {
            start(runtime, cx, &run, &entry.row, name).await?;
        }
    }
    pump(runtime, cx, arn).await
}

/// Starts as many children as may run, and ends the run when all is done or too much has failed.
pub(crate) fn pump<'a>(runtime: &'a Arc<Runtime>, cx: &'a Cx, arn: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        loop {
            let (run, begun) = cx.write(|tx| take(cx, tx, arn)).await?;
            let Some(run) = run else { return Ok(()) };
            if begun.is_empty() {
                return finish(runtime, cx, &run).await;
            }
            for (name, child) in begun {
                start(runtime, cx, &run, &child, name).await?;
            }
        }
    })
}

/// Children that are started, each with the name of its execution.
type Begun = Vec<(String, Child)>;

/// Takes the next children of a run, which are started then.
fn take(cx: &Cx, tx: &mut undercast_kernel::store::Tx<'_>, arn: &str) -> Result<(Option<MapRun>, Begun)> {
    let Some(mut run) = MapRun::find(cx, tx, arn)? else { return Ok((None, Vec::new())) };
    let mut begun = Vec::new();
    let most = if run.at_once == 0 { MOST_RUNNING } else { u64::from(run.at_once).min(MOST_RUNNING) };
    while run.status == Status::Running
        && !run.is_exceeded()
        && run.next < run.total
        && run.executions.running < most
        && begun.len() < AT_ONCE
    {
        let at = child_key(cx, arn, u64::from(run.next));
        let Some(child) = CHILDREN.get(tx, &at)? else { break };
        let name = cx.random().uuid();
        CHILDREN.put(tx, &at, &Child { name: Some(name.clone()), ..child.clone() });
        run.next += 1;
        run.executions.running += 1;
        run.items.running += u64::from(child.items);
        begun.push((name, child));
    }
    if !begun.is_empty() {
        RUNS.put(tx, &key(cx, arn), &run);
    }
    Ok((Some(run), begun))
}

async fn start(runtime: &Arc<Runtime>, cx: &Cx, run: &MapRun, child: &Child, name: String) -> Result<()> {
    let parent = EXECUTIONS.get(&cx.read(), &execution_key(cx, &run.parent.0, &run.parent.1))?;
    let Some(parent) = parent else { return Ok(()) };
    let execution = Execution {
        machine: run.machine().to_owned(),
        name,
        machine_id: parent.machine_id,
        revision: parent.revision,
        version: parent.version,
        alias: parent.alias,
        trace: parent.trace,
        input: child.input.clone(),
        started: cx.kernel().clock().now().as_millisecond(),
        map_run: Some((run.arn.clone(), child.items)),
        within: Some(run.state.clone()),
        ..Execution::default()
    };
    runtime.begin_child(cx, execution).await
}

/// Whether the state of a run waits for its end still.
fn is_awaited(cx: &Cx, run: &MapRun) -> Result<bool> {
    let found = FRAMES.get(&cx.read(), &numbered(cx, &run.parent.0, &run.parent.1, u64::from(run.frame)))?;
    Ok(found.is_some_and(|frame| frame.doing == Doing::Mapping(run.arn.clone())))
}

/// Ends a run in which nothing runs any more, or of which too much has failed.
async fn finish(runtime: &Arc<Runtime>, cx: &Cx, run: &MapRun) -> Result<()> {
    let arn = run.arn.as_str();
    if run.status == Status::Running {
        let exceeded = run.is_exceeded();
        if !run.ready || !exceeded && (run.next < run.total || run.executions.running > 0) {
            return Ok(());
        }
        // Whoever ends it tells of it.
        if !end(cx, arn, if exceeded { Status::Failed } else { Status::Succeeded }).await? {
            return Ok(());
        }
        if exceeded {
            stop_children(runtime, cx, arn).await?;
        }
    }
    let Some(run) = MapRun::find(cx, &cx.read(), arn)? else { return Ok(()) };
    if !is_awaited(cx, &run)? {
        return Ok(());
    }
    let parent: Key = (cx.account().to_owned(), cx.region().to_owned(), run.parent.0.clone(), run.parent.1.clone());
    let result = match run.status {
        Status::Succeeded => results::gather(runtime, cx, &parent, &run).await?,
        Status::Failed => {
            results::write_failed(runtime, cx, &parent, &run).await?;
            let why = "The specified tolerated failure threshold was exceeded";
            Err(asl::Failure::new(asl::name::EXCEED_TOLERATED_FAILURE_THRESHOLD, why))
        }
        _ => return Ok(()),
    };
    let happening = Happening::Mapped { frame: run.frame, arn: arn.to_owned(), result };
    runtime.happen(cx, &parent, happening).await.map(drop)
}

/// Stops what runs of a run.
async fn stop_children(runtime: &Arc<Runtime>, cx: &Cx, arn: &str) -> Result<()> {
    let (machine, _) = place(arn);
    for entry in CHILDREN.all(&cx.read(), &key(cx, arn))? {
        let Some(name) = entry.row.name else { break };
        let key: Key = (cx.account().to_owned(), cx.region().to_owned(), machine.to_owned(), name);
        runtime.happen(cx, &key, Happening::Stopped { error: None, cause: None }).await?;
    }
    Ok(())
}

/// Nobody waits for a run any more: it is stopped with all that runs of it.
pub(crate) async fn stop(runtime: &Arc<Runtime>, cx: &Cx, arn: &str) -> Result<()> {
    if end(cx, arn, Status::Aborted).await? { stop_children(runtime, cx, arn).await } else { Ok(()) }
}
