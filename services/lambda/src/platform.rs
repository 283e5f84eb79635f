//! What Lambda itself says in a function's log: as text, or as JSON in levels.
//!
//! Source: "Configuring JSON and plain text log formats" and "Lambda Telemetry API Event schema reference" in the developer
//! guide.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::Cx;

use crate::function::Function;
use crate::shipping::Sink;

/// How a run of a function ended, for the log.
pub(crate) struct Run<'a> {
    pub(crate) id: &'a str,
    pub(crate) duration: Duration,
    /// How long the start took, if it was part of it.
    pub(crate) init: Option<Duration>,
    /// MiB.
    pub(crate) memory: u64,
    /// Bytes of the answer.
    pub(crate) produced: usize,
    pub(crate) status: Status,
    /// What kind of error it was.
    pub(crate) kind: Option<&'a str>,
}

/// Whether a run went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    /// The function said that it failed, which is its own business.
    Failed,
    /// It ended before it said anything.
    Error,
    Timeout,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed | Self::Error => "error",
            Self::Timeout => "timeout",
        }
    }
}

/// Where Lambda's own lines about one environment go.
pub(crate) struct Platform<'a> {
    pub(crate) cx: &'a Cx,
    pub(crate) function: &'a Function,
    pub(crate) sink: &'a Sink,
}

/// The levels that are above another one.
fn rank(level: &str) -> u8 {
    match level {
        "DEBUG" => 0,
        "INFO" => 1,
        _ => 2,
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// As many digits as the log has.
fn rounded(duration: Duration) -> f64 {
    (millis(duration) * 1000.0).round() / 1000.0
}

impl Platform<'_> {
    /// Writes text, or an event of this level as JSON.
    fn write(&self, text: Option<String>, level: &str, kind: &str, record: impl FnOnce() -> Json) {
        match &self.function.json_logs {
            None => text.into_iter().for_each(|line| self.sink.line(line)),
            Some(levels) if rank(level) >= rank(&levels.system) => {
                let time = format!("{:.3}", self.cx.kernel().clock().now());
                let event = json!({"time": time, "type": format!("platform.{kind}"), "record": record()});
                self.sink.line(format!("{event}\n"));
            }
            Some(_) => {}
        }
    }

    /// A runtime is started.
    pub(crate) fn init_start(&self, runtime: &str, kind: &str) {
        let text = format!("INIT_START Runtime Version: {runtime}\n");
        self.write(
            Some(text),
            "INFO",
            "initStart",
            || json!({"initializationType": kind, "phase": "init", "runtimeVersion": runtime}),
        );
    }

    /// A runtime's start has taken too long.
    pub(crate) fn init_timeout(&self, took: Duration) {
        let text = format!("INIT_REPORT Init Duration: {:.2} ms\tPhase: init\tStatus: timeout\n", millis(took));
        self.write(Some(text), "WARN", "initReport", || {
            json!({"initializationType": "on-demand", "phase": "init", "status": "timeout", "metrics": {"durationMs": rounded(took)}})
        });
    }

    /// An invocation begins.
    pub(crate) fn start(&self, id: &str) {
        let version = self.function.version_name();
        let text = format!("START RequestId: {id} Version: {version}\n");
        self.write(Some(text), "INFO", "start", || json!({"requestId": id, "version": version}));
    }

    /// An invocation has ended. `line` says in text what went wrong.
    pub(crate) fn end(&self, run: &Run<'_>, line: Option<String>) {
        if self.function.json_logs.is_none() {
            line.into_iter().for_each(|line| self.sink.line(line));
        }
        let good = run.status == Status::Success;
        let (id, status) = (run.id, run.status.name());
        let told = |mut record: Json| {
            if let Some(kind) = run.kind {
                record["errorType"] = json!(kind);
            }
            record
        };
        let text = format!("END RequestId: {id}\n");
        self.write(Some(text), if good { "DEBUG" } else { "WARN" }, "runtimeDone", || {
            let metrics = json!({"durationMs": rounded(run.duration), "producedBytes": run.produced});
            told(json!({"requestId": id, "status": status, "metrics": metrics}))
        });
        // Since August 2025 the start is billed too.
        let billed = (millis(run.duration) + run.init.map_or(0.0, millis)).ceil();
        let text = self.report(run, billed);
        self.write(Some(text), if good { "INFO" } else { "WARN" }, "report", || {
            let mut metrics = json!({
                "durationMs": rounded(run.duration), "billedDurationMs": billed,
                "memorySizeMB": self.function.memory, "maxMemoryUsedMB": run.memory,
            });
            if let Some(init) = run.init {
                metrics["initDurationMs"] = json!(rounded(init));
            }
            told(json!({"requestId": id, "status": status, "metrics": metrics}))
        });
    }

    fn report(&self, run: &Run<'_>, billed: f64) -> String {
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {:.2} ms\tBilled Duration: {billed:.0} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
            run.id,
            millis(run.duration),
            self.function.memory,
            run.memory
        );
        if let Some(init) = run.init {
            line.push_str(&format!("Init Duration: {:.2} ms\t", millis(init)));
        }
        match (run.status, run.kind) {
            (Status::Timeout, _) => line.push_str("Status: timeout"),
            (Status::Error, Some(kind)) => line.push_str(&format!("Status: error\tError Type: {kind}")),
            _ => {}
        }
        line.push('\n');
        line
    }
}
