//! One invocation from its environment to its last line in the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use undercast_engines::sandbox::Exit;
use undercast_kernel::{Cx, Result};

use crate::environment::{Ended, Environment, NotMade, Started};
use crate::function::Function;
use crate::metrics::Named;
use crate::platform::{Platform, Run, Status};
use crate::runtime_api::{Answer, Invocation, MOST_RESPONSE, Piece};
use crate::state::State;
use crate::{pool, provisioned};

/// A runtime has so long to start; then it starts anew within its first invocation's time.
pub(crate) const INIT: Duration = Duration::from_secs(10);

/// What is asked of a function.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) request_id: String,
    pub(crate) payload: Bytes,
    pub(crate) client_context: Option<String>,
    pub(crate) arn: String,
    /// Who gets what the function answers piece by piece, if it does.
    pub(crate) pieces: Option<mpsc::UnboundedSender<Piece>>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) payload: Bytes,
    pub(crate) failed: bool,
    /// The last lines of its log.
    pub(crate) log: String,
}

/// An environment on its way to an invocation.
struct Prepared {
    environment: Arc<Environment>,
    /// How long its start took; `None`: it was there.
    init: Option<Duration>,
    /// What is left of the invocation's time.
    limit: Duration,
    /// It has failed already.
    failed: Option<Ended>,
}

/// Runs a function once.
///
/// # Errors
/// When it could not be run at all. What goes wrong inside is an answer.
pub(crate) async fn perform(state: &Arc<State>, cx: &Cx, function: &Function, call: Call) -> Result<Done> {
    let arn = call.arn.clone();
    let named = Named { function, arn: &arn };
    let permit = pool::admit(state, cx, function).inspect_err(|_| named.tell(cx, "Throttles", "Count", 1.0))?;
    named.tell(cx, "ConcurrentExecutions", "Count", f64::from(u32::try_from(permit.running()).unwrap_or(u32::MAX)));
    let prepared = match prepare(state, cx, function).await {
        Ok(prepared) => prepared,
        Err(NotMade::NoEntrypoint) => {
            let told = explain(&Ended::NoEntrypoint, &call.request_id, function);
            return Ok(Done { payload: told.payload.into(), failed: true, log: String::new() });
        }
        Err(NotMade::Failure(failure)) => return Err(failure),
    };
    let Prepared { environment, init, limit, failed } = prepared;
    if state.pool(&function.version_place()).wanted() > 0 {
        let kind = if environment.provisioned { "Invocations" } else { "SpilloverInvocations" };
        named.tell(cx, &format!("ProvisionedConcurrency{kind}"), "Count", 1.0);
    }
    let id = call.request_id.clone();
    environment.sink.begin(init.is_some());
    let platform = Platform { cx, function, sink: &environment.sink };
    platform.start(&id);
    let begun = Instant::now();
    let (ended, again) = match failed {
        Some(ended) => (ended, false),
        None => {
            let invocation = Invocation {
                request_id: call.request_id,
                payload: call.payload,
                deadline: 0,
                arn: call.arn,
                trace: trace(cx),
                client_context: call.client_context,
            };
            environment.invoke(invocation, call.pieces, limit).await
        }
    };
    let used = begun.elapsed();
    let full = Duration::from_secs(u64::try_from(function.timeout).unwrap_or(0));
    let duration = if ended == Ended::TimedOut { full } else { used };
    let memory = memory(&environment, &ended, function).await;
    let told = explain(&ended, &id, function);
    let run =
        Run { id: &id, duration, init, memory, produced: told.payload.len(), status: told.status, kind: told.kind };
    platform.end(&run, told.line.map(|line| line.replace("{now}", &now(cx))));
    let done = Done { payload: told.payload.into(), failed: told.failed, log: environment.sink.tail() };
    named.ended(cx, duration, done.failed);
    if again {
        state.pool(&function.version_place()).give_back(cx, &environment);
    } else {
        let provisioned = environment.provisioned;
        environment.retire();
        if provisioned {
            provisioned::reconcile(state, cx, &function.place());
        }
    }
    Ok(done)
}

fn now(cx: &Cx) -> String {
    format!("{:.3}", cx.kernel().clock().now())
}

/// An environment: one that waits, or a new one, started.
async fn prepare(state: &Arc<State>, cx: &Cx, function: &Function) -> std::result::Result<Prepared, NotMade> {
    let limit = Duration::from_secs(u64::try_from(function.timeout).unwrap_or(0));
    let waiting = state.pool(&function.version_place()).take(&function.generation, cx.kernel().clock().now());
    if let Some(environment) = waiting {
        return Ok(Prepared { environment, init: None, limit, failed: None });
    }
    let begun = Instant::now();
    let environment = Environment::launch(state, cx, function, false).await?;
    match environment.started(INIT).await {
        Started::Ready => return Ok(Prepared { environment, init: Some(begun.elapsed()), limit, failed: None }),
        Started::Failed(answer) => {
            let failed = Some(Ended::Answered(answer));
            return Ok(Prepared { environment, init: Some(begun.elapsed()), limit, failed });
        }
        Started::Exited(exit) => {
            return Ok(Prepared { environment, init: Some(begun.elapsed()), limit, failed: Some(Ended::Exited(exit)) });
        }
        Started::TimedOut => {}
    }
    Platform { cx, function, sink: &environment.sink }.init_timeout(begun.elapsed());
    environment.retire();
    let begun = Instant::now();
    let environment = Environment::launch(state, cx, function, false).await?;
    let failed = match environment.started(limit).await {
        Started::Ready => None,
        Started::Failed(answer) => Some(Ended::Answered(answer)),
        Started::Exited(exit) => Some(Ended::Exited(exit)),
        Started::TimedOut => Some(Ended::TimedOut),
    };
    let left = limit.saturating_sub(begun.elapsed());
    Ok(Prepared { environment, init: None, limit: left, failed })
}

/// A trace that is not sampled: nobody here collects traces.
fn trace(cx: &Cx) -> String {
    let seconds = cx.now().as_second();
    let random = cx.random();
    format!("Root=1-{seconds:08x}-{};Parent={};Sampled=0", random.hex(24), random.hex(16))
}

/// The most memory that was in use, in MiB, and never more than there was.
async fn memory(environment: &Environment, ended: &Ended, function: &Function) -> u64 {
    let all = u64::try_from(function.memory).unwrap_or(0);
    let used = match ended {
        Ended::Exited(Exit::OutOfMemory) => all,
        Ended::Exited(_) => environment.ended_mebibytes().await,
        _ => environment.peak_mebibytes().await.unwrap_or(0),
    };
    used.min(all)
}

/// What callers and the log are told of an ending.
struct Told {
    payload: String,
    failed: bool,
    /// A line of the log; `{now}` stands for the moment.
    line: Option<String>,
    status: Status,
    /// What kind of error it was, where Lambda says it.
    kind: Option<&'static str>,
}

fn explain(ended: &Ended, id: &str, function: &Function) -> Told {
    let fault = |kind: &'static str, message: &str, line: Option<String>, status: Status| Told {
        payload: json!({"errorType": kind, "errorMessage": message}).to_string(),
        failed: true,
        line,
        status,
        kind: Some(kind),
    };
    match ended {
        Ended::Answered(Answer::Success(bytes)) => Told {
            payload: String::from_utf8_lossy(bytes).into_owned(),
            failed: false,
            line: None,
            status: Status::Success,
            kind: None,
        },
        Ended::Answered(Answer::Error(bytes)) => Told {
            payload: String::from_utf8_lossy(bytes).into_owned(),
            failed: true,
            line: None,
            status: Status::Failed,
            kind: None,
        },
        Ended::Answered(Answer::TooLarge) => {
            let message =
                format!("Response payload size exceeded maximum allowed payload size ({MOST_RESPONSE} bytes).");
            fault("Function.ResponseSizeTooLarge", &message, Some(format!("[ERROR] {message}\n")), Status::Failed)
        }
        Ended::TimedOut => {
            let after = format!("Task timed out after {}.00 seconds", function.timeout);
            let line = Some(format!("{{now}} {id} {after}\n\n"));
            fault("Sandbox.Timedout", &format!("RequestId: {id} Error: {after}"), line, Status::Timeout)
        }
        Ended::Exited(exit) => {
            let (kind, why) = reason(*exit);
            let message = format!("RequestId: {id} Error: {why}");
            let line = Some(format!("{message}\n{kind}\n"));
            fault(kind, &message, line, Status::Error)
        }
        Ended::NoEntrypoint => {
            let message = format!(
                "RequestId: {id} Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
            );
            fault("Runtime.InvalidEntrypoint", &message, None, Status::Error)
        }
    }
}

/// How a process ended, in Lambda's words.
fn reason(exit: Exit) -> (&'static str, String) {
    match exit {
        Exit::OutOfMemory => ("Runtime.OutOfMemory", "Runtime exited with error: signal: killed".to_owned()),
        Exit::Code(0) => ("Runtime.ExitError", "Runtime exited without providing a reason".to_owned()),
        Exit::Code(code) => ("Runtime.ExitError", format!("Runtime exited with error: exit status {code}")),
        Exit::Signal(signal) => {
            let name = match signal {
                4 => "illegal instruction",
                6 => "aborted",
                7 => "bus error",
                8 => "floating point exception",
                9 => "killed",
                11 => "segmentation fault",
                15 => "terminated",
                _ => return ("Runtime.ExitError", format!("Runtime exited with error: signal: {signal}")),
            };
            ("Runtime.ExitError", format!("Runtime exited with error: signal: {name}"))
        }
    }
}
