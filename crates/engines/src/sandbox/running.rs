//! The host's side: launching a sandbox and steering it.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::Stdio;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::Mutex;

use super::doctor;
use super::error::{ControlError, Failure, LaunchError, Step};
use super::init::INIT_WORD;
use super::limits::{Group, Limits};
use super::message::{self, How, Launch, Notice, Order};
use super::spec::SandboxSpec;

/// How often memory is counted where the kernel's own limit is missing or includes `/tmp`.
const WATCH_MILLIS: u32 = 20;

/// How a sandboxed program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself, with this code.
    Code(i32),
    /// A signal ended it; 9 also stands for [`Running::kill`].
    Signal(i32),
    /// It was ended because the sandbox used more memory than it may.
    OutOfMemory,
}

/// How a sandbox ended, and what it had used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How the program ended.
    pub exit: Exit,
    /// The most memory its processes had resident at a time, in bytes, by the kernel's high-water marks:
    /// the largest process's, or what [`Running::peak_memory_bytes`] had found before. 0 if it was killed.
    pub peak_memory_bytes: u64,
    /// How many processes the kernel ended for lack of memory. Above 0 with another [`Exit`] than
    /// `OutOfMemory`, when a child was ended and the program went on.
    pub out_of_memory_kills: u64,
}

/// A port inside, answered by whoever accepts on the listener.
#[derive(Debug)]
pub struct Door {
    /// The port on 127.0.0.1, inside.
    pub port: u16,
    /// The listening socket, non-blocking. It belongs to the sandbox's network: only the sandbox reaches it.
    pub listener: TcpListener,
}

/// A running sandbox. Dropping it ends the sandbox.
#[derive(Debug)]
pub struct Running {
    pid: u32,
    group: Option<Group>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    doors: Vec<Door>,
    control: Mutex<Control>,
    keeper: Mutex<Keeper>,
}

/// The host's end of the conversation.
#[derive(Debug)]
struct Control {
    stream: UnixStream,
    /// What arrived but was not read yet: a reader that gives up halfway loses nothing.
    received: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    ended: Option<message::Ending>,
}

#[derive(Debug)]
struct Keeper {
    process: Child,
    outcome: Option<Ending>,
}

/// Builds the sandbox and starts its program; answers when the program is executing.
///
/// If this future is dropped, nothing is left running.
///
/// # Errors
/// Whatever keeps the sandbox from being what `spec` says. The program was not run then, or not for long.
pub async fn launch(spec: SandboxSpec) -> Result<Running, LaunchError> {
    spec.check()?;
    // Process 1 lives in the group as well. What lies in /tmp is charged to the group, but it is storage and
    // not memory: the group gets room for both, and the watch holds memory alone to its limit.
    let group = Group::create(spec.memory_bytes + spec.tmp_bytes, spec.max_processes + 1);
    let group =
        group.map_err(|source| LaunchError::Setup { step: Step::Limits, subject: "control group".into(), source })?;
    let exact = group.is_some() && spec.tmp_bytes == 0;
    let watch_millis = (!exact).then_some(WATCH_MILLIS);
    let mut unclaimed = Unclaimed(group.clone());
    let launch = Launch { spec, group, watch_millis };
    let (process, stream) = match start(&launch) {
        Ok(started) => started,
        Err(source) => return Err(LaunchError::Init { path: launch.spec.init, source }),
    };
    Running::meet(launch, process, stream, &mut unclaimed).await
}

/// Control groups that no keeper has taken over: removed here.
struct Unclaimed(Option<Group>);

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(group) = &self.0 {
            group.remove();
        }
    }
}

/// Starts the init program with one end of a socket as its standard input: no descriptor has to be inherited
/// by number, so nothing runs between `fork` and `exec` in the host.
fn start(launch: &Launch) -> io::Result<(Child, UnixStream)> {
    let (mine, theirs) = StdUnixStream::pair()?;
    mine.set_nonblocking(true)?;
    let process = Command::new(&launch.spec.init)
        // Process 1's arguments can be read inside; where the host keeps its programs is none of its business.
        .arg0("sandbox-init")
        .arg(INIT_WORD)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok((process, UnixStream::from_std(mine)?))
}

impl Running {
    /// Tells the keeper what to build and waits until it stands.
    async fn meet(
        launch: Launch,
        mut process: Child,
        stream: UnixStream,
        unclaimed: &mut Unclaimed,
    ) -> Result<Self, LaunchError> {
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        let mut control = Control { stream, received: Vec::new(), descriptors: Vec::new(), ended: None };
        let silent = || LaunchError::Silent { path: launch.spec.init.clone() };
        control.send(&launch).await.map_err(|_| silent())?;
        let group = unclaimed.0.take();
        let mut pid = 0;
        loop {
            match control.receive::<Notice>().await {
                Ok(Some(Notice::Born(number))) => pid = number.unsigned_abs(),
                Ok(Some(Notice::Ready)) => break,
                Ok(Some(Notice::Failed(failure))) => {
                    // The keeper cleans up before it ends. That it was waited for is all that matters.
                    drop(process.wait().await);
                    return Err(explain(failure));
                }
                Ok(Some(Notice::Ended(ending))) => control.ended = Some(ending),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => {
                    // Whatever it was that was started, it does not clean up.
                    drop(process.kill().await);
                    unclaimed.0 = group;
                    return Err(silent());
                }
            }
        }
        let listeners = control.descriptors.drain(..).map(TcpListener::from);
        let doors = launch.spec.ports.iter().zip(listeners);
        let doors = doors.map(|(&port, listener)| Door { port, listener }).collect::<Vec<_>>();
        for Door { port, listener } in &doors {
            listener.set_nonblocking(true).map_err(|source| LaunchError::Setup {
                step: Step::Port,
                subject: port.to_string(),
                source,
            })?;
        }
        let (control, keeper) = (Mutex::new(control), Mutex::new(Keeper { process, outcome: None }));
        Ok(Self { pid, group: launch.group, stdout, stderr, doors, control, keeper })
    }

    /// The host's process id of the sandbox's process 1.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What keeps this sandbox to its limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.group.as_ref().map_or(Limits::Watched, |group| group.kind)
    }

    /// The program's standard output, the first time. It ends when every process holding it has ended.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    /// The program's standard error, the first time.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.stderr.take()
    }

    /// The listening sockets, in the order of [`SandboxSpec::ports`], the first time.
    pub fn take_doors(&mut self) -> Vec<Door> {
        std::mem::take(&mut self.doors)
    }

    /// Stops every process of the sandbox. When this answers, none of them will run until [`Running::thaw`].
    ///
    /// # Errors
    /// If the sandbox has ended.
    pub async fn freeze(&self) -> Result<(), ControlError> {
        self.ask(Order::Freeze, |notice| matches!(notice, Notice::Frozen).then_some(())).await
    }

    /// Lets a frozen sandbox run again.
    ///
    /// # Errors
    /// If the sandbox has ended.
    pub async fn thaw(&self) -> Result<(), ControlError> {
        self.ask(Order::Thaw, |notice| matches!(notice, Notice::Thawed).then_some(())).await
    }

    /// The most memory that the sandbox's processes had resident so far, in bytes: the sum of the high-water
    /// marks of the processes now alive, or the highest found before.
    ///
    /// # Errors
    /// If the sandbox has ended.
    pub async fn peak_memory_bytes(&self) -> Result<u64, ControlError> {
        let read = |notice: &Notice| match notice {
            Notice::Measured { peak_bytes } => Some(*peak_bytes),
            _ => None,
        };
        self.ask(Order::Measure, read).await
    }

    /// Ends every process of the sandbox and waits until they are gone.
    ///
    /// # Errors
    /// If how it ended could not be learnt; it has ended nevertheless.
    pub async fn kill(&self) -> Result<Ending, ControlError> {
        let sent = self.control.lock().await.send(&Order::Kill).await;
        // A sandbox that ended meanwhile does not listen any more.
        drop(sent);
        self.wait().await
    }

    /// Waits until the program has ended, and with it everything else in the sandbox. May be asked again.
    ///
    /// # Errors
    /// If the init process was killed from outside, so that nobody knows how the program ended.
    pub async fn wait(&self) -> Result<Ending, ControlError> {
        let mut keeper = self.keeper.lock().await;
        if let Some(outcome) = keeper.outcome {
            return Ok(outcome);
        }
        keeper.process.wait().await?;
        let mut control = self.control.lock().await;
        while control.ended.is_none() {
            match control.receive::<Notice>().await? {
                Some(Notice::Ended(ending)) => control.ended = Some(ending),
                Some(_) => {}
                None => {
                    // The kernel ends the sandbox, but nobody else removes its groups.
                    self.group.iter().for_each(Group::remove);
                    return Err(ControlError::Lost);
                }
            }
        }
        let outcome = control.ended.map(Ending::from).ok_or(ControlError::Lost)?;
        keeper.outcome = Some(outcome);
        Ok(outcome)
    }

    async fn ask<T>(&self, order: Order, answer: impl Fn(&Notice) -> Option<T>) -> Result<T, ControlError> {
        let mut control = self.control.lock().await;
        if control.ended.is_some() || control.send(&order).await.is_err() {
            return Err(ControlError::Ended);
        }
        loop {
            match control.receive::<Notice>().await {
                Ok(Some(Notice::Ended(ending))) => {
                    control.ended = Some(ending);
                    return Err(ControlError::Ended);
                }
                Ok(Some(notice)) => {
                    if let Some(answer) = answer(&notice) {
                        return Ok(answer);
                    }
                }
                Ok(None) => return Err(ControlError::Ended),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl From<message::Ending> for Ending {
    fn from(ending: message::Ending) -> Self {
        let exit = match ending.how {
            How::OverMemory => Exit::OutOfMemory,
            How::Signal(libc::SIGKILL) if ending.out_of_memory_kills > 0 => Exit::OutOfMemory,
            How::Signal(signal) => Exit::Signal(signal),
            How::Code(code) => Exit::Code(code),
        };
        Self { exit, peak_memory_bytes: ending.peak_bytes, out_of_memory_kills: ending.out_of_memory_kills }
    }
}

impl Control {
    async fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        self.stream.write_all(&message::encode(message)?).await
    }

    async fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            if let Some(message) = message::decode(&mut self.received)? {
                return Ok(Some(message));
            }
            let (received, descriptors) = (&mut self.received, &mut self.descriptors);
            let stream = &self.stream;
            let take = || message::take_arrived(stream, received, descriptors);
            let count = stream.async_io(Interest::READABLE, take).await;
            match count {
                Ok(0) => return Ok(None),
                // The other side ended with something of ours unread: the same as an end.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                other => other?,
            };
        }
    }
}

/// Tells what the caller asked for in vain from what the machine does not allow.
fn explain(failure: Failure) -> LaunchError {
    let Failure { step, subject, errno } = failure;
    let source = io::Error::from_raw_os_error(errno);
    match step {
        Step::Source | Step::Port | Step::WorkingDir | Step::Execute | Step::Limits => {
            LaunchError::Setup { step, subject, source }
        }
        Step::RootFiles if matches!(errno, libc::EROFS | libc::ENOTDIR | libc::ELOOP | libc::ENOSPC) => {
            LaunchError::Setup { step, subject, source }
        }
        _ => LaunchError::NotIsolated { step, advice: doctor::advice(step, errno), source },
    }
}
