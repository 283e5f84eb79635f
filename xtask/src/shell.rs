//! Running other programs, and saying what is done.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a command of `./x` did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("there is no such command\n\n{0}")]
    Usage(&'static str),
    #[error("{command} ended with {status}{output}")]
    Command { command: String, status: String, output: String },
    #[error("{command} could not be started: {source}")]
    Start { command: String, source: std::io::Error },
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{0}")]
    Check(String),
    /// What a suite needs cannot be had on this machine.
    #[error("{0}")]
    Missing(Box<Failed>),
}

impl Failed {
    /// For what fails because something cannot be installed.
    pub(crate) fn missing(self) -> Self {
        Self::Missing(Box::new(self))
    }
}

/// Says what is done, for a person.
pub(crate) fn say(line: &str) {
    // A closed pipe has nobody to tell.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// The repository: the one in which cargo runs this program. What is compiled may come from another checkout that shares
/// the target directory.
pub(crate) fn root() -> PathBuf {
    let own = variable("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&own).parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// A variable of the environment.
#[expect(clippy::disallowed_methods, reason = "this program has no settings but its environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// A command in the repository.
pub(crate) fn command(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

fn text_of(command: &Command) -> String {
    let arguments = command.get_args().map(|a| a.to_string_lossy().into_owned());
    std::iter::once(command.get_program().to_string_lossy().into_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// Runs a command to its end, its output shown.
pub(crate) fn run_command(mut command: Command) -> Result<(), Failed> {
    let text = text_of(&command);
    let status = command.status().map_err(|source| Failed::Start { command: text.clone(), source })?;
    if status.success() {
        Ok(())
    } else {
        Err(Failed::Command { command: text, status: status.to_string(), output: String::new() })
    }
}

/// The same for a program and its arguments.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<(), Failed> {
    run_command(command(program, arguments))
}

/// Runs a command and gives back what it printed.
pub(crate) fn output(mut command: Command) -> Result<String, Failed> {
    let text = text_of(&command);
    let done = command.output().map_err(|source| Failed::Start { command: text.clone(), source })?;
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() {
        return Ok(printed);
    }
    let output = format!("\n{printed}{}", String::from_utf8_lossy(&done.stderr));
    Err(Failed::Command { command: text, status: done.status.to_string(), output })
}

/// Whether a program is there.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

pub(crate) fn read(path: &Path) -> Result<String, Failed> {
    std::fs::read_to_string(path).map_err(|source| Failed::File { path: path.to_owned(), source })
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failed> {
    let fail = |source| Failed::File { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    std::fs::write(path, text).map_err(fail)
}
