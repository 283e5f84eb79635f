//! Scripts that are run when a cloud begins and ends: `boot.d`, `start.d`, `ready.d` and `shutdown.d` in a directory.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use undercast_gateway::{Init, Script, Stage};

/// Where the scripts are by habit, unless `--init` names another directory.
const HABIT: &str = "/etc/localstack/init";

/// The folder of a stage's scripts.
fn folder(stage: Stage) -> &'static str {
    match stage {
        Stage::Boot => "boot.d",
        Stage::Start => "start.d",
        Stage::Ready => "ready.d",
        Stage::Shutdown => "shutdown.d",
    }
}

/// The scripts of a cloud.
#[derive(Debug, Clone)]
pub(crate) struct Hooks {
    directory: PathBuf,
    endpoint: String,
    /// Where it is told how they are.
    init: Init,
}

impl Hooks {
    /// Those in `directory`, for a cloud on this port.
    pub(crate) fn new(directory: Option<PathBuf>, port: u16, init: Init) -> Self {
        let endpoint = format!("http://localhost:{port}");
        let hooks = Self { directory: directory.unwrap_or_else(|| PathBuf::from(HABIT)), endpoint, init };
        // The others are found when their stage comes, which is before anybody can ask.
        hooks.find(Stage::Shutdown);
        hooks
    }

    fn find(&self, stage: Stage) -> Vec<PathBuf> {
        let found = scripts(&self.directory.join(folder(stage)));
        let names = found.iter().filter_map(|path| path.file_name());
        self.init.found(stage, names.map(|name| name.to_string_lossy().into_owned()));
        found
    }

    /// Runs those of a stage one after the other. One that fails is told in the log, and the next is run.
    pub(crate) async fn run(&self, stage: Stage) {
        for (index, script) in self.find(stage).iter().enumerate() {
            tracing::info!(script = %script.display(), "running");
            self.init.tell(stage, index, Script::Running);
            let ended = match self.command(script).status().await {
                Ok(status) if status.success() => Script::Successful,
                Ok(status) => {
                    tracing::error!(script = %script.display(), %status, "an init script failed");
                    Script::Error
                }
                Err(error) => {
                    tracing::error!(script = %script.display(), %error, "an init script cannot be run");
                    Script::Error
                }
            };
            self.init.tell(stage, index, ended);
        }
        self.init.complete(stage);
    }

    /// Runs nothing: this state was prepared when it was first begun with.
    pub(crate) fn pass(&self) {
        for stage in [Stage::Boot, Stage::Start, Stage::Ready] {
            self.find(stage);
            self.init.complete(stage);
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

/// The scripts of a folder by name, then those of the folders in it. What is neither `.sh` nor `.py` is told of and left alone.
fn scripts(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    let is_script = |path: &PathBuf| {
        let known = matches!(path.extension().and_then(|e| e.to_str()), Some("sh" | "py"));
        if !known {
            tracing::warn!(file = %path.display(), "this init file is neither .sh nor .py, and is not run");
        }
        known
    };
    let own: Vec<PathBuf> = files.into_iter().filter(is_script).collect();
    own.into_iter().chain(folders.iter().flat_map(|folder| scripts(folder))).collect()
}
