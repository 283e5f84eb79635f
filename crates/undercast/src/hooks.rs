//! Scripts that are run when a cloud begins and ends: `boot.d`, `start.d`, `ready.d` and `shutdown.d` in a directory.

use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Where the scripts are by habit, unless `--init` names another directory.
const HABIT: &str = "/etc/localstack/init";

/// When scripts are run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// Before the state is opened.
    Boot,
    /// When the state is there, and the door is not yet open.
    Start,
    /// When the door is open.
    Ready,
    /// When the door is closed and the state is kept, before the program ends.
    Shutdown,
}

impl Moment {
    fn folder(self) -> &'static str {
        match self {
            Self::Boot => "boot.d",
            Self::Start => "start.d",
            Self::Ready => "ready.d",
            Self::Shutdown => "shutdown.d",
        }
    }
}

/// The scripts of a cloud.
#[derive(Debug, Clone)]
pub(crate) struct Hooks {
    directory: PathBuf,
    endpoint: String,
}

impl Hooks {
    /// Those in `directory`, for a cloud on this port.
    pub(crate) fn new(directory: Option<PathBuf>, port: u16) -> Self {
        let endpoint = format!("http://localhost:{port}");
        Self { directory: directory.unwrap_or_else(|| PathBuf::from(HABIT)), endpoint }
    }

    /// Runs those of a moment one after the other, by name. One that fails is told in the log, and the next is run.
    pub(crate) async fn run(&self, moment: Moment) {
        for script in scripts(&self.directory.join(moment.folder())) {
            tracing::info!(script = %script.display(), "running");
            match self.command(&script).status().await {
                Ok(status) if status.success() => {}
                Ok(status) => tracing::error!(script = %script.display(), %status, "an init script failed"),
                Err(error) => tracing::error!(script = %script.display(), %error, "an init script cannot be run"),
            }
        }
    }

    /// A script as a command that finds this cloud. What it prints goes where the log goes.
    fn command(&self, script: &Path) -> tokio::process::Command {
        let interpreter = if script.extension().is_some_and(|e| e == "py") { "python3" } else { "bash" };
        let mut command = tokio::process::Command::new(interpreter);
        command.arg(script).stdin(Stdio::null()).kill_on_drop(true);
        command.env("AWS_ENDPOINT_URL", &self.endpoint);
        for (name, value) in
            [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_DEFAULT_REGION", "us-east-1")]
        {
            command.env(name, value);
        }
        // An answer that a program pipes out of the cloud is not to be mixed with what scripts say.
        command.stdout(std::io::stderr());
        command
    }
}

/// The scripts of a folder by name, those in folders below it too. What is neither `.sh` nor `.py` is told of and left alone.
fn scripts(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return out };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        match path.extension().and_then(|e| e.to_str()) {
            _ if path.is_dir() => out.extend(scripts(&path)),
            Some("sh" | "py") => out.push(path),
            _ => tracing::warn!(file = %path.display(), "this init file is neither .sh nor .py, and is not run"),
        }
    }
    out
}
