//! The init program: what runs between the host and the sandboxed program.
//!
//! Two processes. The *keeper* stays outside of all namespaces: it starts process 1, holds the control groups
//! and cleans up, also when the host was killed. *Process 1* builds the sandbox from the inside, starts the
//! program, and takes the whole sandbox with it when it ends, whatever ends it.
//! Both are a fresh execution of a program with one thread, never a fork of the many-threaded host.

mod first;
mod keeper;
mod program;
mod root_files;
mod watch;

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use super::sys;

/// The first argument that makes a program the sandbox's init.
pub const INIT_WORD: &str = "__sandbox-init";

/// Becomes the sandbox's init, and never returns, if the program was started as such.
///
/// A program that launches sandboxes with the usual [`SandboxSpec::init`](super::SandboxSpec::init), which
/// is itself, must call this as the first thing in `main`, before any thread is started.
pub fn run_if_init() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() == Some(OsStr::new(INIT_WORD)) {
        // Exit codes tell nothing here: what there is to say goes over the socket.
        drop(run());
        std::process::exit(0);
    }
}

/// The whole life of the init program; the host's socket is its standard input.
fn run() -> Result<ExitCode, std::io::Error> {
    sys::close_from(3, false)?;
    let host = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    let null = open_null()?;
    rustix::stdio::dup2_stdin(&null)?;
    keeper::keep(&host);
    Ok(ExitCode::SUCCESS)
}

fn open_null() -> std::io::Result<OwnedFd> {
    Ok(std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?.into())
}
