//! `DescribeMapRun`, `ListMapRuns`, `UpdateMapRun`.

use std::sync::Arc;

use undercast_kernel::{Cx, Result, paging};

use super::{Counts, MapRun, OF_EXECUTION, RUNS, key, pump};
use crate::api::{self, output};
use crate::arns;
use crate::error::{bad_token, no_resource, validation};
use crate::executions;
use crate::machines::page_size;
use crate::rows::{Status, moment};
use crate::runtime::Runtime;

fn long(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn find(cx: &Cx, arn: &str) -> Result<MapRun> {
    arns::map_run(cx, arn)?;
    MapRun::find(cx, &cx.read(), arn)?.ok_or_else(|| no_resource(arn))
}

fn items(of: &Counts, written: u64) -> output::MapRunItemCounts {
    output::MapRunItemCounts {
        pending: long(of.pending()),
        running: long(of.running),
        succeeded: long(of.succeeded),
        failed: long(of.failed),
        timed_out: long(of.timed_out),
        aborted: long(of.aborted),
        total: long(of.total),
        results_written: long(written),
        failures_not_redrivable: Some(0),
        pending_redrive: Some(0),
    }
}

fn executions_of(of: &Counts, written: u64) -> output::MapRunExecutionCounts {
    output::MapRunExecutionCounts {
        pending: long(of.pending()),
        running: long(of.running),
        succeeded: long(of.succeeded),
        failed: long(of.failed),
        timed_out: long(of.timed_out),
        aborted: long(of.aborted),
        total: long(of.total),
        results_written: long(written),
        failures_not_redrivable: Some(0),
        pending_redrive: Some(0),
    }
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeMapRunInput) -> Result<api::DescribeMapRunOutput> {
    let run = find(cx, &input.map_run_arn)?;
    #[expect(clippy::cast_possible_truncation, reason = "at most a hundred")]
    let percentage = run.tolerated_percentage.unwrap_or(0.0) as f32;
    Ok(api::DescribeMapRunOutput {
        execution_arn: arns::of_execution(cx, &run.parent.0, &run.parent.1),
        status: run.status.name().to_owned(),
        start_date: moment(run.started),
        stop_date: run.stopped.map(moment),
        max_concurrency: i32::try_from(run.at_once).unwrap_or(i32::MAX),
        tolerated_failure_percentage: percentage,
        tolerated_failure_count: long(run.tolerated_count.unwrap_or(0)),
        item_counts: items(&run.items, if run.writer.is_some() { run.items.ended() } else { 0 }),
        execution_counts: executions_of(&run.executions, run.written),
        redrive_count: Some(0),
        redrive_date: None,
        map_run_arn: run.arn,
    })
}

/// Those of an execution, the newest first.
pub(crate) fn list(cx: &Cx, input: &api::ListMapRunsInput) -> Result<api::ListMapRunsOutput> {
    let from = cx.read();
    let execution = executions::find(cx, &from, &input.execution_arn)?;
    let place = (cx.account(), cx.region(), execution.machine.as_str(), execution.name.as_str());
    let mut shown = Vec::new();
    for entry in OF_EXECUTION.all(&from, &place)? {
        let arn = entry.key::<(String, String, String, String, i64, String)>().map(|key| key.5);
        let run = arn.map(|arn| MapRun::find(cx, &from, &arn)).transpose()?.flatten();
        shown.extend(run.map(|run| output::MapRunListItem {
            execution_arn: input.execution_arn.clone(),
            state_machine_arn: arns::of_machine(cx, run.machine()),
            start_date: moment(run.started),
            stop_date: run.stopped.map(moment),
            map_run_arn: run.arn,
        }));
    }
    shown.reverse();
    let (scope, size) = (format!("ListMapRuns/{}", input.execution_arn), page_size(input.max_results));
    let page = paging::page(&scope, shown, input.next_token.as_deref(), size).ok_or_else(bad_token)?;
    Ok(api::ListMapRunsOutput { map_runs: page.0, next_token: page.1 })
}

/// Changes how many go on at a time, and how many may fail, of a run that goes on.
pub(crate) async fn update(runtime: &Arc<Runtime>, cx: &Cx, input: &api::UpdateMapRunInput) -> Result<()> {
    let arn = input.map_run_arn.as_str();
    find(cx, arn)?;
    cx.write(|tx| {
        let mut run = MapRun::find(cx, tx, arn)?.ok_or_else(|| no_resource(arn))?;
        if run.status != Status::Running {
            return Err(validation("Only a Map Run that is RUNNING can be updated"));
        }
        if let Some(most) = input.max_concurrency.and_then(|most| u32::try_from(most).ok()) {
            run.at_once = most;
        }
        if let Some(count) = input.tolerated_failure_count.and_then(|count| u64::try_from(count).ok()) {
            run.tolerated_count = Some(count);
        }
        if let Some(percentage) = input.tolerated_failure_percentage {
            run.tolerated_percentage = Some(f64::from(percentage));
        }
        RUNS.put(tx, &key(cx, arn), &run);
        Ok(())
    })
    .await?;
    pump(runtime, cx, arn).await
}
