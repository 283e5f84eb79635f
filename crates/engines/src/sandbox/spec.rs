//! What a sandbox is to be: all that its process gets, and nothing else.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::LaunchError;

const MEBIBYTE: u64 = 1 << 20;
/// The kernel carries at most 253 descriptors in a message; nobody needs that many doors.
const MOST_PORTS: usize = 64;

/// A directory or file of the host, shown read-only inside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mount {
    /// Where it is on the host. Symbolic links are followed.
    pub host: PathBuf,
    /// The absolute path at which the sandbox sees it.
    pub inside: PathBuf,
}

/// The user that the sandboxed process believes to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// User and group id inside. On the host the process is either the caller or an id that owns nothing.
    pub id: u32,
    /// The name that `/etc/passwd` gives to it.
    pub name: String,
}

/// All that a sandboxed process gets. Begin with [`SandboxSpec::new`] and change what matters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// The program that sets the sandbox up. It must call [`run_if_init`](super::run_if_init) first thing
    /// in `main`. The running program itself unless told otherwise.
    pub init: PathBuf,
    /// Program and arguments. A name without a slash is looked for in the `PATH` of `env`.
    pub command: Vec<OsString>,
    /// The whole environment: nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Where the process starts, inside.
    pub working_dir: PathBuf,
    /// Read-only directories and files beside the system's own libraries.
    pub mounts: Vec<Mount>,
    /// Small files that exist inside only, by absolute path.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// Names for `/etc/hosts`, beside `localhost` and the host name.
    pub hosts: Vec<(IpAddr, String)>,
    /// The size of the private, writable `/tmp`, in bytes.
    pub tmp_bytes: u64,
    /// The size of the private `/dev/shm`, in bytes; with 0 there is none.
    pub shared_memory_bytes: u64,
    /// How much memory all processes together may use, in bytes; what lies in `/tmp` is not counted.
    pub memory_bytes: u64,
    /// How many processes and threads may exist at a time.
    pub max_processes: u32,
    /// How many descriptors one process may have open.
    pub max_open_files: u32,
    /// Ports on 127.0.0.1 inside on which the host answers: the only way out.
    pub ports: Vec<u16>,
    /// Who the process is, inside.
    pub user: User,
    /// The host name inside.
    pub host_name: String,
}

impl SandboxSpec {
    /// A sandbox for `command` with 128 MiB of memory, 512 MiB of `/tmp`, 1024 processes and no port.
    pub fn new<Argument: Into<OsString>>(command: impl IntoIterator<Item = Argument>) -> Self {
        Self {
            init: PathBuf::from("/proc/self/exe"),
            command: command.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            working_dir: PathBuf::from("/"),
            mounts: Vec::new(),
            files: Vec::new(),
            hosts: Vec::new(),
            tmp_bytes: 512 * MEBIBYTE,
            shared_memory_bytes: 64 * MEBIBYTE,
            memory_bytes: 128 * MEBIBYTE,
            max_processes: 1024,
            max_open_files: 1024,
            ports: Vec::new(),
            user: User { id: 1000, name: "sandbox".into() },
            host_name: "sandbox".into(),
        }
    }

    /// Mounts `code_dir` read-only at `inside` and starts the process there.
    #[must_use]
    pub fn code(mut self, code_dir: impl Into<PathBuf>, inside: impl Into<PathBuf>) -> Self {
        let inside = inside.into();
        self.working_dir.clone_from(&inside);
        self.mounts.push(Mount { host: code_dir.into(), inside });
        self
    }

    /// Refuses what could not be done truly, before anything is started.
    pub(super) fn check(&self) -> Result<(), LaunchError> {
        let wrong = |what: &'static str| Err(LaunchError::Spec { what });
        if self.command.first().is_none_or(|program| program.is_empty()) {
            return wrong("`command` names no program");
        }
        if self.memory_bytes < MEBIBYTE {
            return wrong("`memory_bytes` is below one MiB");
        }
        if self.max_processes == 0 {
            return wrong("`max_processes` is 0");
        }
        let distinct = self.ports.iter().collect::<BTreeSet<_>>();
        if distinct.len() != self.ports.len() || self.ports.contains(&0) {
            return wrong("`ports` holds 0 or the same port twice");
        }
        if self.ports.len() > MOST_PORTS {
            return wrong("`ports` holds more than 64 ports");
        }
        let insides = self.mounts.iter().map(|mount| &mount.inside);
        let paths = insides.chain(self.files.iter().map(|(path, _)| path));
        if paths.clone().any(|path| path.parent().is_none()) {
            return wrong("a mount or file would take the place of the root");
        }
        if !paths.chain([&self.working_dir]).all(|path| is_plain(path)) {
            return wrong("a path inside is not absolute, or goes through `..`");
        }
        if !is_one_line(&self.host_name) || self.host_name.len() > 64 {
            return wrong("`host_name` is empty, too long or has blanks");
        }
        let names = self.hosts.iter().map(|(_, name)| name).chain([&self.user.name]);
        if !names.into_iter().all(|name| is_one_line(name) && !name.contains(':')) {
            return wrong("a name has blanks or a colon");
        }
        Ok(())
    }
}

/// Whether the path is absolute and means what it says.
fn is_plain(path: &Path) -> bool {
    path.is_absolute() && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

/// Whether the name can stand in a made-up file under `/etc` without adding entries of its own.
fn is_one_line(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|character| character.is_ascii_graphic())
}
