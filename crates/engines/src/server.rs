//! Engines: server programs of others that services rely on, such as databases, supervised.

use std::ffi::OsString;
use std::fs::{self, File};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};
use tokio::process::{Child, ChildStdin, Command};

/// The first argument that makes a program the keeper of a server.
const KEEPER_WORD: &str = "__server-keeper";
/// How often a starting server is asked whether it answers.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// How much of a server's log an error quotes.
const QUOTED_BYTES: usize = 2000;

/// How an engine is, when asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It runs and answers.
    Answers,
    /// It runs and does not answer.
    Silent,
    /// It does not run.
    Stopped,
}

/// One shape for every engine, whatever it is made of.
pub trait Engine {
    /// What can go wrong.
    type Error: std::error::Error;
    /// Makes what it needs on disk. Doing so again changes nothing.
    fn provision(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;
    /// Starts it, and answers when it answers.
    fn start(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;
    /// Asks how it is.
    fn health(&mut self) -> impl Future<Output = Health> + Send;
    /// Stops it in order; what it stored stays.
    fn stop(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;
    /// Stops it and removes what it stored.
    fn destroy(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A server program on this machine, and how to run it. The caller hands out the port.
#[derive(Clone, Debug)]
pub struct Server {
    /// The program that keeps the server: one that calls [`run_if_keeper`] first thing in `main`.
    pub keeper: PathBuf,
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Program and arguments of what fills an empty `data_dir`, if anything must.
    pub provision: Option<Vec<OsString>>,
    /// The whole environment of both.
    pub env: Vec<(OsString, OsString)>,
    /// The server's own directory: made on provisioning, removed on destruction.
    pub data_dir: PathBuf,
    /// Where its output is appended; outside of `data_dir`.
    pub log: PathBuf,
    /// User and group to run as; as the caller if none. Some servers refuse to run as root.
    pub user: Option<u32>,
    /// Where it accepts connections once it is ready.
    pub address: SocketAddr,
    /// How long it may take until it answers.
    pub start_patience: Duration,
    /// How long it may take to stop when asked, before it is killed.
    pub stop_patience: Duration,
}

/// Why a server does not do as told.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A file, directory or process could not be made or removed.
    #[error("could not {action}: `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The server, or what provisions it, ended where it should not have.
    #[error("`{program}` ended with {status}; the end of its log: {log}")]
    Ended {
        /// Its program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The server did not answer in time; it was stopped.
    #[error("`{program}` did not accept a connection on {address} within {patience:?}; the end of its log: {log}")]
    Mute {
        /// Its program.
        program: String,
        /// Where it should have answered.
        address: SocketAddr,
        /// How long it had.
        patience: Duration,
        /// The end of its log.
        log: String,
    },
}

/// An engine made of one local server program.
///
/// Between it and the server stands a small keeper process, which stops the server when this program ends,
/// however it ends.
#[derive(Debug)]
pub struct ProcessEngine {
    server: Server,
    running: Option<(Child, ChildStdin)>,
}

impl ProcessEngine {
    /// An engine that is not started yet.
    #[must_use]
    pub fn new(server: Server) -> Self {
        Self { server, running: None }
    }

    /// What the server wrote so far.
    ///
    /// # Errors
    /// If it was never started, or the log cannot be read.
    pub fn log(&self) -> Result<Vec<u8>, ServerError> {
        fs::read(&self.server.log).map_err(failed("read the log", &self.server.log))
    }

    fn log_end(&self) -> String {
        let log = self.log().unwrap_or_default();
        let end = log.get(log.len().saturating_sub(QUOTED_BYTES)..).unwrap_or(&log);
        String::from_utf8_lossy(end).trim().to_owned()
    }

    fn keeper(&self, command: &[OsString]) -> Result<Child, ServerError> {
        let Server { keeper, env, log, user, stop_patience, .. } = &self.server;
        let appended = File::options().create(true).append(true).open(log);
        let appended = appended.map_err(failed("open the log", log))?;
        let second = appended.try_clone().map_err(failed("open the log", log))?;
        let mut keeping = Command::new(keeper);
        keeping.arg(KEEPER_WORD).arg(stop_patience.as_millis().to_string());
        keeping.arg(user.map_or_else(|| "-".to_owned(), |user| user.to_string())).args(command);
        keeping.env_clear().envs(env.iter().map(|(name, value)| (name, value)));
        keeping.stdin(Stdio::piped()).stdout(appended).stderr(second);
        keeping.spawn().map_err(failed("start the keeper", keeper))
    }

    fn program(&self) -> String {
        self.server.command.first().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    async fn answers(&self) -> bool {
        tokio::net::TcpStream::connect(self.server.address).await.is_ok()
    }

    /// Asks until the server answers or ends.
    async fn until_it_answers(&mut self) -> Result<(), ServerError> {
        loop {
            let ended = match &mut self.running {
                Some((keeper, _)) => keeper.try_wait().ok().flatten(),
                None => None,
            };
            if let Some(status) = ended {
                self.running = None;
                return Err(ServerError::Ended { program: self.program(), status, log: self.log_end() });
            }
            if self.answers().await {
                return Ok(());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

impl Engine for ProcessEngine {
    type Error = ServerError;

    async fn provision(&mut self) -> Result<(), ServerError> {
        let dir = &self.server.data_dir;
        fs::create_dir_all(dir).map_err(failed("create the directory", dir))?;
        if let Some(user) = self.server.user {
            std::os::unix::fs::chown(dir, Some(user), Some(user)).map_err(failed("give away the directory", dir))?;
        }
        let empty = fs::read_dir(dir).map_err(failed("read the directory", dir))?.next().is_none();
        let Some(command) = self.server.provision.as_ref().filter(|_| empty) else { return Ok(()) };
        let mut keeper = self.keeper(command)?;
        // The keeper stops what it keeps when its input ends, so the input is held until it is done.
        let input = keeper.stdin.take();
        let status = keeper.wait().await.map_err(failed("wait for", &self.server.keeper))?;
        drop(input);
        if status.success() {
            return Ok(());
        }
        let program = command.first().map(|name| name.to_string_lossy().into_owned());
        Err(ServerError::Ended { program: program.unwrap_or_default(), status, log: self.log_end() })
    }

    async fn start(&mut self) -> Result<(), ServerError> {
        if self.running.is_some() {
            return Ok(());
        }
        let mut keeper = self.keeper(&self.server.command)?;
        self.running = keeper.stdin.take().map(|input| (keeper, input));
        let patience = self.server.start_patience;
        if let Ok(outcome) = tokio::time::timeout(patience, self.until_it_answers()).await {
            return outcome;
        }
        let (program, address, log) = (self.program(), self.server.address, self.log_end());
        self.stop().await?;
        Err(ServerError::Mute { program, address, patience, log })
    }

    async fn health(&mut self) -> Health {
        let Some((keeper, _)) = &mut self.running else { return Health::Stopped };
        if !matches!(keeper.try_wait(), Ok(None)) {
            return Health::Stopped;
        }
        if self.answers().await { Health::Answers } else { Health::Silent }
    }

    async fn stop(&mut self) -> Result<(), ServerError> {
        let Some((mut keeper, input)) = self.running.take() else { return Ok(()) };
        drop(input);
        keeper.wait().await.map(drop).map_err(failed("wait for", &self.server.keeper))
    }

    async fn destroy(&mut self) -> Result<(), ServerError> {
        self.stop().await?;
        let dir = &self.server.data_dir;
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove the directory", dir)(error)),
            _ => Ok(()),
        }
    }
}

fn failed(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> ServerError {
    let path = path.to_owned();
    move |source| ServerError::Io { action, path, source }
}

/// Becomes the keeper of a server, and never returns, if the program was started as such. Like
/// [`run_if_init`](crate::sandbox::run_if_init), to be called before any thread is started.
pub fn run_if_keeper() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|word| word != KEEPER_WORD) {
        return;
    }
    let mut number = || arguments.next()?.to_str()?.parse::<u32>().ok();
    let (patience, user) = (number(), number());
    let code = match keep(patience, user, &arguments.collect::<Vec<_>>()) {
        Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        Err(_) => 127,
    };
    std::process::exit(code);
}

/// Runs the server until it ends by itself, or standard input ends, which the host's death brings about.
fn keep(patience_millis: Option<u32>, user: Option<u32>, command: &[OsString]) -> io::Result<ExitStatus> {
    // Out of the host's session, so that Ctrl-C in a terminal is the host's to handle.
    let _ = rustix::process::setsid();
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let (program, arguments) = command.split_first().ok_or_else(invalid)?;
    let mut server = std::process::Command::new(program);
    server.args(arguments).stdin(Stdio::null()).process_group(0);
    if let Some(user) = user {
        server.uid(user).gid(user);
    }
    let mut server = server.spawn().inspect_err(|error| {
        // Standard error is the server's log.
        drop(io::Write::write_all(&mut io::stderr(), format!("{}: {error}\n", program.display()).as_bytes()));
    })?;
    let raw = i32::try_from(server.id()).map_err(io::Error::other)?;
    let pid = Pid::from_raw(raw).ok_or_else(invalid)?;
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    let input = io::stdin();
    let mut fds = [PollFd::new(&ended, PollFlags::IN), PollFd::new(&input, PollFlags::IN)];
    while matches!(poll(&mut fds, None), Err(rustix::io::Errno::INTR)) {}
    let [gone, _] = fds;
    if gone.revents().is_empty() {
        let _ = kill_process(pid, Signal::TERM);
        let seconds = patience_millis.unwrap_or(0) / 1000;
        let patience =
            Timespec { tv_sec: seconds.into(), tv_nsec: i64::from(patience_millis.unwrap_or(0) % 1000) * 1_000_000 };
        let _ = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&patience));
    }
    // Whatever it started and left behind goes with it.
    let _ = kill_process_group(pid, Signal::KILL);
    server.wait()
}
