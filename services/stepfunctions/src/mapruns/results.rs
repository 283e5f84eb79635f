//! What the executions of a map run gave: as one list, or as files in a bucket.
//!
//! Source: "ResultWriter (Map)" in the developer guide.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use undercast_asl as asl;
use undercast_kernel::{Body, Cx, Result};

use super::{CHILDREN, MapRun, RUNS, Transformation, Writer, key};
use crate::engine::context::written;
use crate::executions::MOST_BYTES;
use crate::rows::{EXECUTIONS, Execution, Status, execution_key};
use crate::runtime::{Key, Runtime};

type Gathered = std::result::Result<Json, asl::Failure>;

/// The executions of a run that were started, in the order of their items.
fn executions(cx: &Cx, run: &MapRun) -> Result<Vec<Execution>> {
    let from = cx.read();
    let mut all = Vec::new();
    for entry in CHILDREN.all(&from, &key(cx, &run.arn))? {
        let Some(name) = entry.row.name else { break };
        all.extend(EXECUTIONS.get(&from, &execution_key(cx, run.machine(), &name))?);
    }
    Ok(all)
}

fn output(execution: &Execution) -> Json {
    execution.output.as_ref().and_then(|output| serde_json::from_str(output).ok()).unwrap_or_default()
}

/// The result of a run that succeeded.
pub(super) async fn gather(runtime: &Arc<Runtime>, cx: &Cx, parent: &Key, run: &MapRun) -> Result<Gathered> {
    let all = executions(cx, run)?;
    if let Some(writer) = &run.writer {
        return write(runtime, cx, parent, run, writer, &all).await;
    }
    let outputs: Json = all.iter().filter(|e| e.status == Status::Succeeded).map(output).collect();
    if outputs.to_string().len() > MOST_BYTES {
        let why = format!(
            "The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit.",
            run.state
        );
        return Ok(Err(asl::Failure::new(asl::name::DATA_LIMIT_EXCEEDED, why)));
    }
    Ok(Ok(outputs))
}

/// The files of a run that failed, where files are wanted.
pub(super) async fn write_failed(runtime: &Arc<Runtime>, cx: &Cx, parent: &Key, run: &MapRun) -> Result<()> {
    let Some(writer) = &run.writer else { return Ok(()) };
    let all = executions(cx, run)?;
    if let Err(failure) = write(runtime, cx, parent, run, writer, &all).await? {
        tracing::warn!(run = run.arn, why = %failure, "the results of a map run could not be written");
    }
    Ok(())
}

/// What a file says of an execution.
fn told(cx: &Cx, execution: &Execution) -> Json {
    let mut told = json!({
        "ExecutionArn": execution.arn(cx), "Input": execution.input, "InputDetails": {"Included": true},
        "Name": execution.name, "StartDate": written(execution.started), "StateMachineArn": execution.machine_arn(cx),
        "Status": execution.status.name(), "StopDate": execution.stopped.map(written),
    });
    if let Some(output) = &execution.output {
        told["Output"] = json!(output);
        told["OutputDetails"] = json!({"Included": true});
    }
    for (name, text) in [("Error", &execution.error), ("Cause", &execution.cause)] {
        if let Some(text) = text {
            told[name] = json!(text);
        }
    }
    told
}

/// The entries of a file.
fn entries(cx: &Cx, writer: &Writer, all: &[&Execution]) -> Vec<Json> {
    let succeeded = all.first().is_some_and(|execution| execution.status == Status::Succeeded);
    match writer.transformation {
        Transformation::Compact if succeeded => all.iter().map(|execution| output(execution)).collect(),
        Transformation::Flatten if succeeded => {
            let flat = all.iter().map(|execution| match output(execution) {
                Json::Array(items) => items,
                one => vec![one],
            });
            flat.flatten().collect()
        }
        _ => all.iter().map(|execution| told(cx, execution)).collect(),
    }
}

fn text(writer: &Writer, entries: Vec<Json>) -> String {
    if writer.lines {
        return entries.iter().map(|entry| format!("{entry}\n")).collect();
    }
    Json::Array(entries).to_string()
}

/// Writes the files of a run: a manifest, and one for each kind of end.
async fn write(
    runtime: &Arc<Runtime>,
    cx: &Cx,
    parent: &Key,
    run: &MapRun,
    writer: &Writer,
    all: &[Execution],
) -> Result<Gathered> {
    let failed = |why: String| asl::Failure::new(asl::name::RESULT_WRITER_FAILED, why);
    let Some(role) = runtime.role_of(cx, parent).await? else {
        return Ok(Err(failed("The role of the machine cannot be assumed.".to_owned())));
    };
    let id = run.arn.rsplit(':').next().unwrap_or_default();
    let prefix = if writer.prefix.is_empty() { id.to_owned() } else { format!("{}/{id}", writer.prefix) };
    let kinds = [("SUCCEEDED", true), ("FAILED", false)];
    let (mut files, mut count) = (json!({"FAILED": [], "PENDING": [], "SUCCEEDED": []}), 0u64);
    let ending = if writer.lines { "jsonl" } else { "json" };
    for (kind, good) in kinds {
        let some: Vec<&Execution> =
            all.iter().filter(|e| e.status != Status::Running && (e.status == Status::Succeeded) == good).collect();
        if some.is_empty() {
            continue;
        }
        count += u64::try_from(some.len()).unwrap_or(u64::MAX);
        let body = text(writer, entries(cx, writer, &some));
        let key = format!("{prefix}/{kind}_0.{ending}");
        files[kind] = json!([{"Key": key, "Size": body.len()}]);
        if let Err(failure) = put(&role, &writer.bucket, &key, body).await {
            return Ok(Err(failed(failure.to_string())));
        }
    }
    let manifest = json!({"DestinationBucket": writer.bucket, "MapRunArn": run.arn, "ResultFiles": files});
    let key = format!("{prefix}/manifest.json");
    if let Err(failure) = put(&role, &writer.bucket, &key, manifest.to_string()).await {
        return Ok(Err(failed(failure.to_string())));
    }
    cx.write(|tx| {
        if let Some(mut now) = MapRun::find(cx, tx, &run.arn)? {
            now.written = count;
            RUNS.put(tx, &super::key(cx, &run.arn), &now);
        }
        Ok(())
    })
    .await?;
    Ok(Ok(json!({"MapRunArn": run.arn, "ResultWriterDetails": {"Bucket": writer.bucket, "Key": key}})))
}

async fn put(role: &Cx, bucket: &str, key: &str, text: String) -> Result<()> {
    let input = json!({"Bucket": bucket, "Key": key, "ContentType": "application/json"});
    role.call_with_body("s3", "PutObject", input, Some(Body::from(text.into_bytes()))).await.map(drop)
}
