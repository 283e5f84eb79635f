//! An execution environment: one sandbox with one runtime in it, which takes one invocation at a time.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use undercast_engines::sandbox::{Exit, LaunchError, Mount, Running, SandboxSpec, Step, User, launch};
use undercast_kernel::{Cx, Failure, Kernel, Timestamp};

use crate::credentials::{self, Session};
use crate::function::Function;
use crate::output_lines::Output;
use crate::platform::Platform;
use crate::runtime_api::{self, Answer, Invocation, Piece, RuntimeApi};
use crate::runtimes::{self, Start};
use crate::shipping::Sink;
use crate::state::State;
use crate::{door, error, package};

const RUNTIME_PORT: u16 = 9001;
/// This cloud's port inside; its own one leads to it too, for URLs that were made outside.
const CLOUD_PORT: u16 = 4566;
const MEBIBYTE: u64 = 1 << 20;
/// Where programs look for libraries; those of layers come last.
const LIBRARIES: &str = "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib";
/// After an answer a runtime has so long to ask for more, if its invocation's time is not over before.
const RETURN: Duration = Duration::from_secs(2);

/// A sandbox with a runtime in it.
pub(crate) struct Environment {
    running: Running,
    api: Arc<RuntimeApi>,
    pub(crate) sink: Arc<Sink>,
    outputs: Vec<Arc<Output>>,
    /// The function's generation that it was made for.
    pub(crate) generation: String,
    session: Session,
    kernel: Kernel,
    account: String,
    region: String,
    /// Where it stands.
    zone: String,
    /// An invocation is under way.
    in_use: AtomicBool,
    /// It is there whether anybody asks or not.
    pub(crate) provisioned: bool,
    retired: AtomicBool,
    frozen: tokio::sync::Mutex<bool>,
    /// What serves it ends when this is dropped.
    _alive: watch::Sender<()>,
}

/// How a runtime's start ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Started {
    /// It waits for invocations.
    Ready,
    /// It says that it cannot.
    Failed(Answer),
    /// Its process ended.
    Exited(Exit),
    /// It took too long.
    TimedOut,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The runtime has answered.
    Answered(Answer),
    /// Its process ended.
    Exited(Exit),
    /// Its time was over.
    TimedOut,
    /// There was no program to start.
    NoEntrypoint,
}

/// An environment that could not be made.
#[derive(Debug)]
pub(crate) enum NotMade {
    /// There is no program to start.
    NoEntrypoint,
    /// Something else.
    Failure(Failure),
}

impl From<Failure> for NotMade {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// The name of an environment's log stream.
pub(crate) fn stream_name(cx: &Cx, function: &Function) -> String {
    let day = cx.now().to_string();
    let day = day.get(..10).unwrap_or_default().replace('-', "/");
    format!("{day}/[{}]{}", function.version_name(), cx.random().hex(32))
}

fn variables(
    cx: &Cx,
    function: &Function,
    start: &Start,
    session: &Session,
    (stream, kind): (&str, &str),
) -> Vec<(OsString, OsString)> {
    let own = [
        ("AWS_ACCESS_KEY_ID", session.key.clone()),
        ("AWS_DEFAULT_REGION", function.region.clone()),
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{CLOUD_PORT}")),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", function.version_name()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", kind.to_owned()),
        ("AWS_LAMBDA_LOG_FORMAT", if function.json_logs.is_some() { "JSON" } else { "Text" }.to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", function.log_group()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", stream.to_owned()),
        ("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{RUNTIME_PORT}")),
        ("AWS_REGION", function.region.clone()),
        ("AWS_SECRET_ACCESS_KEY", session.secret.clone()),
        ("AWS_SESSION_TOKEN", session.token.clone()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("LD_LIBRARY_PATH", LIBRARIES.to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("_HANDLER", function.handler.clone()),
    ];
    let fixed = own.into_iter().chain(start.variables.iter().map(|(name, value)| (*name, value.clone())));
    let mut all: Vec<(String, String)> = fixed.map(|(name, value)| (name.to_owned(), value)).collect();
    if let Some(levels) = &function.json_logs {
        all.push(("AWS_LAMBDA_LOG_LEVEL".to_owned(), levels.application.clone()));
    }
    // A function may set some of these itself, such as its search path or its endpoint; the reserved ones were refused.
    all.retain(|(name, _)| !function.variables.contains_key(name));
    all.extend(function.variables.clone());
    tracing::trace!(request = cx.request_id(), count = all.len(), "variables of an environment");
    all.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn spec(
    cx: &Cx,
    function: &Function,
    start: &Start,
    (code, layers): (PathBuf, Option<PathBuf>),
    env: Vec<(OsString, OsString)>,
) -> SandboxSpec {
    let size = |mebibytes: i32| u64::try_from(mebibytes).unwrap_or(0) * MEBIBYTE;
    let mut spec = SandboxSpec::new(start.command.clone()).code(code, "/var/task");
    spec.mounts.extend(layers.map(|host| Mount { host, inside: PathBuf::from("/opt") }));
    spec.mounts.extend(start.mounts.clone());
    spec.files = start.files.clone();
    spec.env = env;
    spec.tmp_bytes = size(function.storage);
    spec.memory_bytes = size(function.memory);
    spec.ports = vec![RUNTIME_PORT, CLOUD_PORT];
    let own = door::port(cx.kernel());
    if !spec.ports.contains(&own) {
        spec.ports.push(own);
    }
    spec.user = User { id: 993, name: "sbx_user1051".to_owned() };
    spec.host_name = "169-254-10-1".to_owned();
    spec
}

impl Environment {
    /// Builds the sandbox and starts the runtime in it. It has not said yet whether it is ready.
    pub(crate) async fn launch(
        state: &State,
        cx: &Cx,
        function: &Function,
        provisioned: bool,
    ) -> std::result::Result<Arc<Self>, NotMade> {
        let zone = choose_zone(cx, &function.region)?;
        let start = runtimes::find(&function.runtime, state.interpreters().await)?;
        let code = package::unpacked(state, cx, &function.code).await?;
        let layers = package::unpacked_layers(state, cx, &function.layers).await?;
        let start = start.with(&code, layers.as_deref(), function);
        let session = credentials::session(cx, function).await?;
        let stream = stream_name(cx, function);
        let kind = if provisioned { "provisioned-concurrency" } else { "on-demand" };
        let env = variables(cx, function, &start, &session, (&stream, kind));
        let sink = Sink::open(cx.kernel(), function, stream);
        let launched = launch(spec(cx, function, &start, (code, layers), env)).await;
        let mut running = launched.map_err(|error| not_launched(&error))?;
        Platform { cx, function, sink: &sink }.init_start(&start.version, kind);
        let kernel = cx.kernel().clone();
        let api = RuntimeApi::new();
        let alive = watch::Sender::new(());
        for door in running.take_doors() {
            if door.port == RUNTIME_PORT {
                kernel.spawn(runtime_api::serve(kernel.clone(), Arc::clone(&api), door.listener, alive.subscribe()));
            } else {
                kernel.spawn(door::serve(kernel.clone(), door.listener, alive.subscribe()));
            }
        }
        let out = running.take_stdout().map(tokio::process::ChildStdout::into_owned_fd);
        let err = running.take_stderr().map(tokio::process::ChildStderr::into_owned_fd);
        let mut outputs = Vec::new();
        for fd in [out, err].into_iter().flatten() {
            let output = fd.and_then(|fd| Output::new(fd, Arc::clone(&sink))).map_err(Failure::broken)?;
            kernel.spawn(Arc::clone(&output).follow(alive.subscribe()));
            outputs.push(output);
        }
        Ok(Arc::new(Self {
            running,
            api,
            sink,
            outputs,
            generation: function.generation.clone(),
            session,
            kernel,
            account: function.account.clone(),
            region: function.region.clone(),
            zone,
            in_use: AtomicBool::new(true),
            provisioned,
            retired: AtomicBool::new(false),
            frozen: tokio::sync::Mutex::new(false),
            _alive: alive,
        }))
    }

    /// Waits until the runtime is ready, for so long at most.
    pub(crate) async fn started(&self, limit: Duration) -> Started {
        let started = tokio::select! {
            failed = self.api.started() => failed.map_or(Started::Ready, Started::Failed),
            exit = self.exit() => Started::Exited(exit),
            () = tokio::time::sleep(limit) => Started::TimedOut,
        };
        if started != Started::Ready {
            self.outputs.iter().for_each(|o| o.finish());
        }
        started
    }

    async fn exit(&self) -> Exit {
        // An init process that was killed from outside has taken everything with it.
        self.running.wait().await.map_or(Exit::Signal(9), |ending| ending.exit)
    }

    /// Lets the runtime handle an invocation, within a time. Also says whether the environment can take another one.
    pub(crate) async fn invoke(
        &self,
        mut invocation: Invocation,
        pieces: Option<mpsc::UnboundedSender<Piece>>,
        limit: Duration,
    ) -> (Ended, bool) {
        let begun = Instant::now();
        if !self.thaw().await {
            return (Ended::Exited(self.exit().await), false);
        }
        invocation.deadline = machine_millis(&self.kernel) + i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
        self.api.offer(invocation, pieces);
        let ended = tokio::select! {
            answer = self.api.answer() => Ended::Answered(answer),
            exit = self.exit() => Ended::Exited(exit),
            () = self.kernel.faults().zone_dies(&self.zone) => {
                // One that has ended already is what was wanted.
                drop(self.running.kill().await);
                Ended::Exited(self.exit().await)
            }
            () = tokio::time::sleep(limit) => Ended::TimedOut,
        };
        let again = match &ended {
            Ended::Answered(_) => {
                let left = limit.saturating_sub(begun.elapsed()).min(RETURN);
                tokio::select! {
                    () = self.api.idle() => true,
                    _ = self.exit() => false,
                    () = tokio::time::sleep(left) => false,
                }
            }
            _ => false,
        };
        // Nothing more comes of this invocation.
        self.api.forget_pieces();
        self.outputs.iter().for_each(|o| o.finish());
        (ended, again)
    }

    /// The most memory that was in use so far, in MiB; `None`: it has ended.
    pub(crate) async fn peak_mebibytes(&self) -> Option<u64> {
        self.running.peak_memory_bytes().await.ok().map(|bytes| bytes.div_ceil(MEBIBYTE))
    }

    /// The same of one that has ended by itself.
    pub(crate) async fn ended_mebibytes(&self) -> u64 {
        self.running.wait().await.map_or(0, |e| e.peak_memory_bytes.div_ceil(MEBIBYTE))
    }

    /// Whether it may take an invocation of this generation at this moment.
    pub(crate) fn fits(&self, generation: &str, now: Timestamp) -> bool {
        // A session that ends during an invocation would be a surprise.
        let margin = Duration::from_secs(1_000);
        let dead = self.kernel.faults().is_dead_zone(&self.zone);
        !dead && self.generation == generation && now.checked_add(margin).is_ok_and(|t| t < self.session.ends)
    }

    /// It takes no invocations any more.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Marks it as taken, or as free.
    pub(crate) fn set_in_use(&self, in_use: bool) {
        self.in_use.store(in_use, Ordering::Release);
    }

    /// Stops it between invocations, unless one began meanwhile.
    pub(crate) async fn freeze(&self) {
        let mut frozen = self.frozen.lock().await;
        if !*frozen && !self.in_use.load(Ordering::Acquire) {
            *frozen = self.running.freeze().await.is_ok();
        }
    }

    async fn thaw(&self) -> bool {
        let mut frozen = self.frozen.lock().await;
        if *frozen {
            *frozen = false;
            return self.running.thaw().await.is_ok();
        }
        true
    }

    /// Ends it, and its session.
    pub(crate) fn retire(self: Arc<Self>) {
        self.retired.store(true, Ordering::Release);
        let kernel = self.kernel.clone();
        kernel.spawn(async move {
            // One that has ended already is what was wanted.
            drop(self.running.kill().await);
            let cx = self.kernel.cx_for(&self.account, &self.region);
            credentials::end(&cx, &self.session.key).await;
        });
    }
}

/// Environments are spread over the zones of their region.
fn choose_zone(cx: &Cx, region: &str) -> std::result::Result<String, Failure> {
    let living = cx.kernel().faults().living_zones(region);
    let chosen = cx.random().below(living.len().max(1) as u64);
    let zone = usize::try_from(chosen).ok().and_then(|n| living.into_iter().nth(n));
    zone.ok_or_else(|| error::service_fault(format!("No zone of {region} is alive to run functions in.")))
}

/// Milliseconds since 1970 by the machine's clock, which is the one that functions see.
fn machine_millis(kernel: &Kernel) -> i64 {
    let clock = kernel.clock();
    let ahead = i64::try_from(clock.ahead().0.as_millis()).unwrap_or(0);
    clock.now().as_millisecond() - ahead
}

fn not_launched(error: &LaunchError) -> NotMade {
    match error {
        LaunchError::Setup { step: Step::Execute, .. } => NotMade::NoEntrypoint,
        LaunchError::NotIsolated { .. } => {
            NotMade::Failure(Failure::not_built(format!("to run functions here: {error}")))
        }
        other => NotMade::Failure(Failure::broken(other.to_string())),
    }
}
