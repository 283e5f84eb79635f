//! What the tests have in common.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use undercast_engines::sandbox::{Ending, Exit, Running, SandboxSpec, launch};
use undercast_engines::server::Server;

pub(crate) const MEBIBYTE: u64 = 1 << 20;

/// The helper program: beside the test binary where the tests were copied, else where cargo built it.
pub(crate) fn helper() -> PathBuf {
    let beside = std::env::current_exe().unwrap().with_file_name("undercast-sandbox-init");
    if beside.exists() { beside } else { env!("CARGO_BIN_EXE_undercast-sandbox-init").into() }
}

pub(crate) fn spec(command: &[&str]) -> SandboxSpec {
    let mut spec = SandboxSpec::new(command.iter().copied());
    spec.init = helper();
    spec.env.push(("PATH".into(), "/usr/bin:/bin".into()));
    spec
}

pub(crate) fn shell(script: &str) -> SandboxSpec {
    spec(&["sh", "-c", script])
}

pub(crate) fn python(script: &str) -> SandboxSpec {
    spec(&["/usr/bin/python3", "-I", "-c", script])
}

/// A directory that the sandbox's user may read.
pub(crate) fn readable_dir() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server that is this Python script, told its port and its directory.
pub(crate) fn server(dir: &Path, script: &str) -> Server {
    let port = free_port();
    let data_dir = dir.join("data");
    let command = ["/usr/bin/python3", "-I", "-c", script, &port.to_string(), data_dir.to_str().unwrap()];
    Server {
        keeper: helper(),
        command: command.map(Into::into).to_vec(),
        provision: None,
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        data_dir,
        log: dir.join("log"),
        user: None,
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        start_patience: Duration::from_secs(10),
        stop_patience: Duration::from_secs(5),
    }
}

/// Accepts, and tells when it is asked to stop.
pub(crate) const POLITE: &str = r"
import signal, socket, sys
def stop(*_):
    print('stopping in order', flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
print('started', flush=True)
while True:
    s.accept()[0].close()
";

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) ending: Ending,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Standard output of a program that must have succeeded.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.ending.exit, Exit::Code(0), "{self:?}");
        self.stdout
    }
}

pub(crate) async fn run(spec: SandboxSpec) -> Output {
    finish(launch(spec).await.unwrap()).await
}

/// Everything the program writes, and how it ends.
pub(crate) async fn finish(mut running: Running) -> Output {
    let (mut out, mut err) = (running.take_stdout().unwrap(), running.take_stderr().unwrap());
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let (from_out, from_err) = tokio::join!(out.read_to_string(&mut stdout), err.read_to_string(&mut stderr));
    from_out.unwrap();
    from_err.unwrap();
    Output { ending: running.wait().await.unwrap(), stdout, stderr }
}

/// A process and all below it, by host process id.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = threads.map(|thread| fs::read_to_string(thread.path().join("children")));
    let children = children.map(Result::unwrap_or_default).collect::<String>();
    let below = children.split_whitespace().flat_map(|child| family(child.parse().unwrap()));
    std::iter::once(pid).chain(below).collect()
}

/// Whether the process exists and is not merely waiting to be reaped.
pub(crate) fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains("Z (zombie)"))
}

/// Waits until something is true; fails the test after five seconds.
#[track_caller]
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(5), "not within 5 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The user of whom nothing is expected.
const NOBODY: u32 = 65534;

/// Runs this program of tests once more with these arguments, as a user without any privilege, and gives what it
/// printed. It must succeed.
pub(crate) fn without_root(arguments: &[&str]) -> String {
    let dir = readable_dir();
    let tests = dir.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &tests).unwrap();
    let init = dir.path().join("undercast-sandbox-init");
    fs::copy(helper(), &init).unwrap();
    for file in [&tests, &init] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let tmp = dir.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    chown(&tmp, Some(NOBODY), Some(NOBODY)).unwrap();
    let again = Command::new(&tests)
        .args(arguments)
        .env("TMPDIR", &tmp)
        .env_remove("CARGO_MANIFEST_DIR")
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&again.stdout).into_owned();
    println!("{told}");
    assert!(again.status.success(), "{told}\n{}", String::from_utf8_lossy(&again.stderr));
    told
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The control groups of sandboxes that the process `host` launched.
pub(crate) fn groups_of(host: u32) -> Vec<PathBuf> {
    let prefix = format!("undercast-{host}-");
    let mut found = Vec::new();
    collect_groups(Path::new("/sys/fs/cgroup"), &prefix, 0, &mut found);
    found
}

/// The control groups made for the sandbox whose process 1 this is.
pub(crate) fn groups_of_process(pid: u32) -> Vec<PathBuf> {
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mut groups = groups_of(std::process::id());
    groups.retain(|group| own.lines().any(|line| line.ends_with(group.file_name().unwrap().to_str().unwrap())));
    groups
}

fn collect_groups(dir: &Path, prefix: &str, depth: usize, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        } else if depth < 8 {
            collect_groups(&entry.path(), prefix, depth + 1, found);
        }
    }
}
