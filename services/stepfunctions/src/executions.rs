//! Executions: started, stopped, described, listed, and their histories.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use undercast_asl as asl;
use undercast_kernel::store::{Entry, Order, Read};
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, errors, output};
use crate::arns::{ExecutionArn, MachineArn, Qualifier, of_execution};
use crate::engine::Happening;
use crate::error::{bad_token, check_name, no_execution, no_machine, validation};
use crate::machines::{Named, named, page_size};
use crate::rows::{BY_START, EVENTS, EXECUTIONS, Execution, Machine, RUNNING, Status, execution_key, moment};
use crate::runtime::{Key, Runtime, bell, key_of};
use crate::{SERVICE, arns, express, redrive};

/// An execution that has ended is remembered for so long, in milliseconds.
pub(crate) const KEPT: i64 = 90 * 86_400_000;
/// An input or output has so many bytes at most.
pub(crate) const MOST_BYTES: usize = 262_144;

/// Why an input is none, as AWS's parser says it.
///
/// Source: recorded answers.
fn wrong_input(why: &str) -> Failure {
    errors::invalid_execution_input(format!("Invalid State Machine Execution Input: '{why}'")).into()
}

/// Refuses what is no JSON.
pub(crate) fn check_input(input: &str) -> Result<()> {
    if input.len() > MOST_BYTES {
        return Err(wrong_input(&format!("The input is longer than {MOST_BYTES} bytes.")));
    }
    asl::parse_json(input).map(drop).map_err(|wrong| wrong_input(&wrong.message))
}

/// A new execution of what an ARN names.
pub(crate) fn new(cx: &Cx, found: &Named, name: String, input: String, trace: Option<String>) -> Execution {
    Execution {
        machine: found.machine.name.clone(),
        name,
        machine_id: found.machine.id.clone(),
        revision: found.revision.id.clone(),
        version: found.version.as_ref().map(|version| version.number),
        alias: found.alias.clone(),
        input,
        trace,
        started: cx.now_millis(),
        ..Execution::default()
    }
}

pub(crate) async fn start(
    runtime: &Arc<Runtime>,
    cx: &Cx,
    input: api::StartExecutionInput,
) -> Result<api::StartExecutionOutput> {
    if let Some(name) = &input.name {
        check_name(name)?;
    }
    let given = input.input.unwrap_or_else(|| "{}".to_owned());
    check_input(&given)?;
    let found = named(cx, &cx.read(), &input.state_machine_arn)?;
    let name = input.name.unwrap_or_else(|| cx.random().uuid());
    if found.machine.express {
        let (arn, start_date) = express::start(runtime, cx, &found, name, given, input.trace_header).await?;
        return Ok(api::StartExecutionOutput { execution_arn: arn, start_date });
    }
    let execution_arn = of_execution(cx, &found.machine.name, &name);
    let answer =
        |started: i64| api::StartExecutionOutput { execution_arn: execution_arn.clone(), start_date: moment(started) };
    // A name may be used again for the same, as long as that goes on.
    let there = EXECUTIONS.get(&cx.read(), &execution_key(cx, &found.machine.name, &name))?;
    if let Some(there) = there.filter(|there| there.status == Status::Running && there.input == given) {
        return Ok(answer(there.started));
    }
    let execution = new(cx, &found, name, given, input.trace_header);
    let started = execution.started;
    runtime.begin(cx, execution, found.revision, execution_arn.clone(), None).await?;
    Ok(answer(started))
}

/// Whether an execution is remembered still.
pub(crate) fn is_kept(cx: &Cx, execution: &Execution) -> bool {
    execution.stopped.is_none_or(|at| at + KEPT > cx.now_millis())
}

/// The execution with an ARN. One that ended long ago is forgotten.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), text: &str) -> Result<Execution> {
    let arn = ExecutionArn::parse(cx, text)?;
    let found = EXECUTIONS.get(from, &execution_key(cx, &arn.machine, &arn.name))?;
    found.filter(|found| is_kept(cx, found)).ok_or_else(|| no_execution(text))
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeExecutionInput) -> Result<api::DescribeExecutionOutput> {
    let execution = find(cx, &cx.read(), &input.execution_arn)?;
    let (status, reason) = redrive::status(cx, &execution);
    let metadata = input.included_data.as_deref() == Some("METADATA_ONLY");
    let details = || output::CloudWatchEventsExecutionDataDetails { included: Some(true) };
    let version = execution.version_arn(cx);
    let alias = execution.alias_arn(cx);
    Ok(api::DescribeExecutionOutput {
        execution_arn: input.execution_arn.clone(),
        state_machine_arn: execution.machine_arn(cx),
        name: Some(execution.name),
        status: execution.status.name().to_owned(),
        start_date: moment(execution.started),
        stop_date: execution.stopped.map(moment),
        input: Some(execution.input).filter(|_| !metadata),
        input_details: Some(details()).filter(|_| !metadata),
        output_details: execution.output.as_ref().map(|_| details()).filter(|_| !metadata),
        output: execution.output.filter(|_| !metadata),
        trace_header: execution.trace,
        map_run_arn: execution.map_run.map(|(arn, _)| arn),
        error: execution.error,
        cause: execution.cause,
        state_machine_version_arn: version,
        state_machine_alias_arn: alias,
        redrive_count: i32::try_from(execution.redrives).ok(),
        redrive_date: execution.redriven.map(moment),
        redrive_status: Some(status.to_owned()),
        redrive_status_reason: reason,
    })
}

/// Waits until an execution has ended, and says what it is then, as `DescribeExecution` does.
pub(crate) async fn ended(cx: &Cx, arn: &str) -> Result<Json> {
    loop {
        let bell = cx.signals().of(&bell(arn));
        let heard = bell.notified();
        if find(cx, &cx.read(), arn)?.status != Status::Running {
            let own = cx.kernel().cx_for(cx.account(), cx.region()).through(crate::PRINCIPAL);
            return own.call(SERVICE, "DescribeExecution", json!({"executionArn": arn})).await;
        }
        heard.await;
    }
}

pub(crate) async fn stop(
    runtime: &Arc<Runtime>,
    cx: &Cx,
    input: api::StopExecutionInput,
) -> Result<api::StopExecutionOutput> {
    let execution = find(cx, &cx.read(), &input.execution_arn)?;
    if let Some(stopped) = execution.stopped {
        return Ok(api::StopExecutionOutput { stop_date: moment(stopped) });
    }
    let happening = Happening::Stopped { error: input.error, cause: input.cause };
    runtime.happen(cx, &key_of(cx, &execution), happening).await?;
    let execution = find(cx, &cx.read(), &input.execution_arn)?;
    Ok(api::StopExecutionOutput { stop_date: execution.stopped.map_or_else(|| cx.now(), moment) })
}

/// Stops what runs of a machine that is deleted.
pub(crate) async fn stop_all(runtime: &Arc<Runtime>, cx: &Cx, machine: &str) -> Result<()> {
    let running = RUNNING.all(&cx.read(), &(cx.account(), cx.region(), machine))?;
    for key in running.iter().filter_map(Entry::key::<Key>) {
        runtime.happen(cx, &key, Happening::Stopped { error: None, cause: None }).await?;
    }
    Ok(())
}

/// Of which machine, version, alias or map run executions are listed.
struct Wanted {
    machine: String,
    qualifier: Qualifier,
    map_run: Option<String>,
}

fn wanted(cx: &Cx, from: &(impl Read + ?Sized), input: &api::ListExecutionsInput) -> Result<Wanted> {
    match (&input.state_machine_arn, &input.map_run_arn) {
        (Some(text), None) => {
            let arn = MachineArn::parse(cx, text)?;
            let machine = Machine::find(cx, from, &arn.name)?.ok_or_else(|| no_machine(text))?;
            if machine.express {
                let why = "This operation is not supported by this type of state machine";
                return Err(errors::state_machine_type_not_supported(why).into());
            }
            Ok(Wanted { machine: arn.name, qualifier: arn.qualifier, map_run: None })
        }
        (None, Some(text)) => {
            let (machine, _) = arns::map_run(cx, text)?;
            Ok(Wanted { machine, qualifier: Qualifier::None, map_run: Some(text.clone()) })
        }
        _ => Err(validation("Must provide exactly one of the state machine ARN and the map run ARN")),
    }
}

fn listed(cx: &Cx, execution: Execution) -> output::ExecutionListItem {
    output::ExecutionListItem {
        execution_arn: execution.arn(cx),
        state_machine_arn: execution.machine_arn(cx),
        state_machine_version_arn: execution.version_arn(cx),
        state_machine_alias_arn: execution.alias_arn(cx),
        status: execution.status.name().to_owned(),
        start_date: moment(execution.started),
        stop_date: execution.stopped.map(moment),
        item_count: execution.map_run.as_ref().and_then(|(_, count)| i32::try_from(*count).ok()),
        map_run_arn: execution.map_run.map(|(arn, _)| arn),
        redrive_count: i32::try_from(execution.redrives).ok(),
        redrive_date: execution.redriven.map(moment),
        name: execution.name,
    }
}

/// The newest ones first.
pub(crate) fn list(cx: &Cx, input: &api::ListExecutionsInput) -> Result<api::ListExecutionsOutput> {
    let from = cx.read();
    let wanted = wanted(cx, &from, input)?;
    let fits = |execution: &Execution| {
        let qualified = match &wanted.qualifier {
            Qualifier::None => true,
            Qualifier::Version(number) => execution.version == Some(*number),
            Qualifier::Alias(name) => execution.alias.as_ref() == Some(name),
        };
        let redriven = match input.redrive_filter.as_deref() {
            Some("REDRIVEN") => execution.redrives > 0,
            Some(_) => execution.redrives == 0,
            None => true,
        };
        let status = input.status_filter.as_deref().is_none_or(|status| status == execution.status.name());
        let run = wanted.map_run.is_none() || execution.map_run.as_ref().map(|(arn, _)| arn) == wanted.map_run.as_ref();
        qualified && redriven && status && run && is_kept(cx, execution)
    };
    let scope = format!("ListExecutions/{:?}/{:?}", input.state_machine_arn, input.map_run_arn);
    let after = input.next_token.as_deref().map(|token| paging::position(&scope, token).ok_or_else(bad_token));
    let mut after: Option<(i64, String)> = match after.transpose()? {
        Some(position) => {
            let (started, name) = position.split_once('/').ok_or_else(bad_token)?;
            Some((started.parse().map_err(|_| bad_token())?, name.to_owned()))
        }
        None => None,
    };
    let (size, place) = (page_size(input.max_results), (cx.account(), cx.region(), wanted.machine.as_str()));
    let mut executions = Vec::new();
    loop {
        let behind = after.as_ref().map(|(started, name)| (place.0, place.1, place.2, *started, name.as_str()));
        let page = BY_START.page(&from, &place, behind.as_ref(), Order::Descending, size + 1)?;
        let is_last = page.len() <= size;
        for entry in page {
            let Some((_, _, _, started, name)) = entry.key::<(String, String, String, i64, String)>() else { continue };
            let found = EXECUTIONS.get(&from, &execution_key(cx, &wanted.machine, &name))?;
            if let Some(execution) = found.filter(fits) {
                if executions.len() == size {
                    let next = after.map(|(started, name)| paging::token(&scope, &format!("{started}/{name}")));
                    return Ok(api::ListExecutionsOutput { executions, next_token: next });
                }
                executions.push(listed(cx, execution));
            }
            after = Some((started, name));
        }
        if is_last {
            return Ok(api::ListExecutionsOutput { executions, next_token: None });
        }
    }
}

/// The events of an execution, in their order or the other way round.
pub(crate) fn history(cx: &Cx, input: &api::GetExecutionHistoryInput) -> Result<api::GetExecutionHistoryOutput> {
    let from = cx.read();
    let execution = find(cx, &from, &input.execution_arn)?;
    let reverse = input.reverse_order == Some(true);
    let scope = format!("GetExecutionHistory/{}/{reverse}", input.execution_arn);
    let after =
        input.next_token.as_deref().map(|token| paging::number(&scope, token).ok_or_else(bad_token)).transpose()?;
    let after = after.and_then(|id| i64::try_from(id).ok());
    let place = (cx.account(), cx.region(), execution.machine.as_str(), execution.name.as_str());
    let behind = after.map(|id| (place.0, place.1, place.2, place.3, id));
    let (size, order) = (page_size(input.max_results), if reverse { Order::Descending } else { Order::Ascending });
    let page = EVENTS.page(&from, &place, behind.as_ref(), order, size + 1)?;
    let more = page.len() > size;
    let mut events = Vec::with_capacity(page.len());
    for entry in page.into_iter().take(size) {
        let mut event = entry.row.read()?;
        if input.include_execution_data == Some(false) {
            crate::logbook::strip(&mut event);
        }
        events.push(event);
    }
    let last = events.last().map(|event| event.id);
    let next_token = last.filter(|_| more).map(|id| paging::token(&scope, &id.to_string()));
    Ok(api::GetExecutionHistoryOutput { events, next_token })
}
