//! Processes under measurement: started, asked what they used, ended.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failed;

/// A server in a process of its own. It is ended when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How long it took until it gave its first answer.
    pub(crate) start: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a program; `arguments` makes them for an address. It is there when it has answered `first`.
    pub(crate) fn start(
        program: &Path,
        arguments: impl Fn(SocketAddr) -> Vec<String>,
        first: impl Fn(SocketAddr) -> Vec<u8>,
    ) -> Result<Self, Failed> {
        Self::begin(program, arguments, first, Stdio::inherit())
    }

    /// The same of a program whose complaints nobody wants to read.
    pub(crate) fn start_quietly(
        program: &Path,
        arguments: impl Fn(SocketAddr) -> Vec<String>,
        first: impl Fn(SocketAddr) -> Vec<u8>,
    ) -> Result<Self, Failed> {
        Self::begin(program, arguments, first, Stdio::null())
    }

    fn begin(
        program: &Path,
        arguments: impl Fn(SocketAddr) -> Vec<String>,
        first: impl Fn(SocketAddr) -> Vec<u8>,
        complaints: Stdio,
    ) -> Result<Self, Failed> {
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let asked = first(address);
        let began = Instant::now();
        let mut command = Command::new(program);
        command.args(arguments(address)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(complaints);
        let child = command.spawn().map_err(|source| Failed::Start(program.to_owned(), source))?;
        let mut server = Self { child, address, start: Duration::ZERO };
        while began.elapsed() < Duration::from_secs(10) {
            if let Ok((200, _)) = crate::load::ask(address, &asked) {
                server.start = began.elapsed();
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                return Err(Failed::Said(format!("{} ended with {status}", program.display())));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Err(Failed::Said(format!("{} did not answer within 10 s", program.display())))
    }

    /// Processor time that it has used, in all of its threads.
    pub(crate) fn cpu(&self) -> Result<Duration, Failed> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold spaces. User and system time are the 14th and 15th field.
        let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
        // Linux counts hundredths of a second here, whatever its own tick is.
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Memory that it holds, in bytes.
    pub(crate) fn memory(&self) -> Result<u64, Failed> {
        self.status("VmRSS:")
    }

    /// The most that it has held, in bytes.
    pub(crate) fn most_memory(&self) -> Result<u64, Failed> {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> Result<u64, Failed> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(0);
        Ok(kilobytes * 1024)
    }
}
