//! Message move tasks: dead letters go back to where they came from, or elsewhere, at a rate.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Order, Table, Tx};
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::api::{self, errors, output};
use crate::message::{self, BODIES, MESSAGES, Standing};
use crate::queue::{Placed, QUEUES, Queue, QueueName};
use crate::{error, sweep};

/// Source queue, start (ms) → task.
static TASKS: Table<MoveTask> = Table::new("sqs.move_tasks");

/// So many are remembered for a queue.
const REMEMBERED: usize = 10;
/// So many messages are moved in one transaction.
const STEP: usize = 100;
/// A task without a rate moves so many a second.
const DEFAULT_RATE: i32 = 500;

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct MoveTask {
    #[n(0)]
    id: String,
    #[n(1)]
    status: String,
    #[n(2)]
    source: String,
    #[n(3)]
    destination: Option<String>,
    #[n(4)]
    rate: Option<i32>,
    #[n(5)]
    moved: i64,
    #[n(6)]
    to_move: i64,
    #[n(7)]
    failure: Option<String>,
    #[n(8)]
    started: i64,
}

impl MoveTask {
    fn handle(&self) -> String {
        text::base64(format!("{{\"taskId\":\"{}\",\"sourceArn\":\"{}\"}}", self.id, self.source).as_bytes())
    }
}

fn not_found(message: &str) -> Failure {
    errors::resource_not_found_exception(message).into()
}

fn dead_letter_queue(tx: &Tx<'_>, arn: &str) -> Result<Queue> {
    let name = QueueName::from_arn(arn).ok_or_else(|| not_found("You must use this format to specify the SourceArn: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"))?;
    name.find(tx).map_err(|_| not_found("The resource that you specified for the SourceArn parameter doesn't exist."))
}

pub(crate) async fn start(cx: &Cx, input: api::StartMessageMoveTaskInput) -> Result<api::StartMessageMoveTaskOutput> {
    if let Some(rate) = input.max_number_of_messages_per_second.filter(|r| !(1..=500).contains(r)) {
        return Err(error::invalid_parameter(
            &rate.to_string(),
            "MaxNumberOfMessagesPerSecond",
            "Must be between 1 and 500, if provided.",
        )
        .into());
    }
    let task_handle = cx
        .write(|tx| {
            let source = dead_letter_queue(tx, &input.source_arn)?;
            if sources(cx, tx, &source)?.is_empty() {
                let message = "Source queue must be configured as a Dead Letter Queue.";
                return Err(error::invalid_value(message).into());
            }
            if let Some(destination) = &input.destination_arn {
                let missing = "The resource that you specified for the DestinationArn parameter doesn't exist.";
                let found = QueueName::from_arn(destination).map(|name| name.find(tx));
                let found = found.and_then(Result::ok).ok_or_else(|| not_found(missing))?;
                if found.is_fifo() != source.is_fifo() {
                    let message = "Destination queue must be same type of queue as the source.";
                    return Err(error::invalid_value(message).into());
                }
            }
            if TASKS.all(tx, &source.place())?.iter().any(|t| t.row.status == "RUNNING") {
                let message = "There is already a task running. Only one active task is allowed for a source queue arn at a given time.";
                return Err(error::invalid_value(message).into());
            }
            let (visible, ..) = message::counts(tx, &source, cx.now_millis())?;
            let task = MoveTask {
                id: cx.random().uuid(),
                status: "RUNNING".to_owned(),
                source: input.source_arn.clone(),
                destination: input.destination_arn.clone(),
                rate: input.max_number_of_messages_per_second,
                moved: 0,
                to_move: i64::try_from(visible).unwrap_or(i64::MAX),
                failure: None,
                started: cx.now_millis(),
            };
            for old in TASKS.page(tx, &source.place(), None::<&()>, Order::Descending, usize::MAX)?.iter().skip(REMEMBERED - 1) {
                TASKS.delete(tx, &(source.place(), old.row.started));
            }
            TASKS.put(tx, &(source.place(), task.started), &task);
            let place = cx.elsewhere(&source.account, &source.region);
            let id = format!("move/{}/{}", source.tag(), task.started);
            place.tasks().schedule(&place, tx, "sqs", &id, "move", format!("{}/{}", source.name, task.started), cx.now())?;
            Ok(task.handle())
        })
        .await?;
    Ok(api::StartMessageMoveTaskOutput { task_handle: Some(task_handle) })
}

/// Moves some messages, and says when to move the next ones.
pub(crate) async fn step(cx: &Cx, due: &Task) -> Result<Next> {
    let (name, started) = due.payload.rsplit_once('/').ok_or_else(|| Failure::broken("a move task has no start"))?;
    let started: i64 = started.parse().map_err(Failure::broken)?;
    let name = QueueName { account: due.account.clone(), region: due.region.clone(), name: name.to_owned() };
    let (bells, again) = cx
        .write(|tx| {
            let Ok(source) = name.find(tx) else { return Ok((Vec::new(), None)) };
            let Some(mut task) = TASKS.get(tx, &(source.place(), started))? else { return Ok((Vec::new(), None)) };
            if task.status != "RUNNING" {
                if task.status == "CANCELLING" {
                    "CANCELLED".clone_into(&mut task.status);
                    TASKS.put(tx, &(source.place(), started), &task);
                }
                return Ok((Vec::new(), None));
            }
            let rate = task.rate.unwrap_or(DEFAULT_RATE);
            let bells = move_some(cx, tx, &source, &mut task, usize::try_from(rate).unwrap_or(1).min(STEP))?;
            let wait = i64::try_from(bells.len()).unwrap_or(1) * 1000 / i64::from(rate);
            if bells.is_empty() && task.status == "RUNNING" {
                "COMPLETED".clone_into(&mut task.status);
            }
            TASKS.put(tx, &(source.place(), started), &task);
            Ok((bells, (task.status == "RUNNING").then_some(cx.now_millis() + wait)))
        })
        .await?;
    bells.iter().for_each(|topic| cx.signals().ring(topic));
    match again {
        Some(at) => Ok(Next::Again(Timestamp::from_millisecond(at).map_err(Failure::broken)?)),
        None => Ok(Next::Done),
    }
}

/// Moves up to `most` of the messages that can be seen. The answer has a bell for each.
fn move_some(cx: &Cx, tx: &mut Tx<'_>, source: &Queue, task: &mut MoveTask, most: usize) -> Result<Vec<String>> {
    let (mut bells, mut after) = (Vec::new(), None);
    loop {
        let page = MESSAGES.page(tx, &source.place(), after.as_ref(), Order::Ascending, STEP)?;
        for entry in &page {
            let Some((_, number)) = entry.key::<(Placed, u64)>() else { continue };
            after = Some((source.place(), number));
            if bells.len() == most {
                return Ok(bells);
            }
            if entry.row.visible > cx.now_millis() || source.is_over(&entry.row, cx.now_millis()) {
                continue;
            }
            match move_one(cx, tx, source, task.destination.as_deref(), number, &entry.row)? {
                Some(bell) => bells.push(bell),
                None => {
                    "FAILED".clone_into(&mut task.status);
                    task.failure = Some("CouldNotDetermineMessageSource".to_owned());
                    return Ok(bells);
                }
            }
            task.moved += 1;
        }
        if page.len() < STEP {
            return Ok(bells);
        }
    }
}

/// Moves one message; `None`: there is no queue to move it to.
fn move_one(
    cx: &Cx,
    tx: &mut Tx<'_>,
    source: &Queue,
    destination: Option<&str>,
    number: u64,
    standing: &Standing,
) -> Result<Option<String>> {
    let Some(mut message) = BODIES.get(tx, &(source.place(), number))? else {
        return Err(cx.broken("a message has a standing and no body"));
    };
    let target = destination.or(message.dead_letter_of.as_deref()).and_then(QueueName::from_arn);
    let Some(Ok(target)) = target.map(|name| name.find(tx)) else { return Ok(None) };
    message::remove(tx, source, number, standing);
    // A moved message is a new one in its queue: new id, new time of retention (developer guide, "redrive").
    message.id = cx.random().uuid();
    message.sent = cx.now_millis();
    message.dead_letter_of = None;
    message.earlier_receives = None;
    message.enqueue(tx, &target, cx.now_millis())?;
    sweep::plan(cx, tx, &target)?;
    Ok(Some(target.topic()))
}

/// Removes what is remembered of a queue that is deleted. A task of it that falls due finds nothing to do.
pub(crate) fn forget(tx: &mut Tx<'_>, source: &Queue) -> Result<()> {
    TASKS.clear(tx, &source.place())?;
    Ok(())
}

/// The queues whose dead-letter queue this is.
pub(crate) fn sources(cx: &Cx, tx: &impl undercast_kernel::store::Read, target: &Queue) -> Result<Vec<Queue>> {
    let arn = target.arn(cx);
    let mut found = Vec::new();
    for entry in QUEUES.all(tx, &(&target.account, &target.region))? {
        if entry.row.redrive()?.is_some_and(|r| r.dead_letter_target_arn == arn) {
            found.push(entry.row);
        }
    }
    Ok(found)
}

pub(crate) async fn cancel(
    cx: &Cx,
    input: api::CancelMessageMoveTaskInput,
) -> Result<api::CancelMessageMoveTaskOutput> {
    let bad = || Failure::from(error::invalid_value("Value for parameter TaskHandle is invalid."));
    let bytes = text::unbase64(&input.task_handle).ok_or_else(bad)?;
    let handle: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| bad())?;
    let arn = handle["sourceArn"].as_str().ok_or_else(bad)?.to_owned();
    let moved = cx
        .write(|tx| {
            let missing = || not_found("Task does not exist.");
            let source = dead_letter_queue(tx, &arn)?;
            let running = TASKS.all(tx, &source.place())?.into_iter().find(|t| t.row.handle() == input.task_handle);
            let mut task = running.map(|t| t.row).ok_or_else(missing)?;
            if task.status != "RUNNING" {
                return Err(error::invalid_value("Only active tasks can be cancelled.").into());
            }
            "CANCELLING".clone_into(&mut task.status);
            TASKS.put(tx, &(source.place(), task.started), &task);
            Ok(task.moved)
        })
        .await?;
    Ok(api::CancelMessageMoveTaskOutput { approximate_number_of_messages_moved: Some(moved) })
}

pub(crate) async fn list(cx: &Cx, input: api::ListMessageMoveTasksInput) -> Result<api::ListMessageMoveTasksOutput> {
    let most = input.max_results.unwrap_or(1);
    if !(1..=10).contains(&most) {
        return Err(error::invalid_parameter(
            &most.to_string(),
            "MaxResults",
            "Must be between 1 and 10, if provided.",
        )
        .into());
    }
    let missing = || not_found("The resource that you specified for the SourceArn parameter doesn't exist.");
    let name = QueueName::from_arn(&input.source_arn).ok_or_else(missing)?;
    let read = cx.read();
    let source = name.find(&read).map_err(|_| missing())?;
    let most = usize::try_from(most).unwrap_or(1).min(REMEMBERED);
    let tasks = TASKS.page(&read, &source.place(), None::<&()>, Order::Descending, most)?;
    let results = tasks.into_iter().map(|entry| {
        let task = entry.row;
        output::ListMessageMoveTasksResultEntry {
            // Only a running task can be cancelled, so only it has a handle.
            task_handle: (task.status == "RUNNING").then(|| task.handle()),
            status: Some(task.status),
            source_arn: Some(task.source),
            destination_arn: task.destination,
            max_number_of_messages_per_second: task.rate,
            approximate_number_of_messages_moved: Some(task.moved),
            approximate_number_of_messages_to_move: Some(task.to_move),
            failure_reason: task.failure,
            started_timestamp: Some(task.started),
        }
    });
    Ok(api::ListMessageMoveTasksOutput { results: Some(results.collect()) })
}
