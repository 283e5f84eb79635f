//! Hosts that are killed, and hosts without namespaces, with and without root. Without the test harness, because this
//! program is those hosts too: it is started once more, with the name of one.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail, and says that it passed")]

#[expect(dead_code, reason = "the other tests use the rest")]
mod setup;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use tempfile::TempDir;
use undercast_engines::sandbox::{doctor, launch};
use undercast_engines::server::{Engine as _, ProcessEngine};

use crate::setup::{POLITE, eventually, family, groups_of, helper, is_alive, is_root, server, shell, without_root};

/// A host that this program is when it is started with its name.
#[derive(Clone, Copy)]
enum Host {
    OfSandboxes,
    OfAServer,
    WithoutNamespaces,
}

impl Host {
    const ALL: [Self; 3] = [Self::OfSandboxes, Self::OfAServer, Self::WithoutNamespaces];

    fn name(self) -> &'static str {
        match self {
            Self::OfSandboxes => "host:of-sandboxes",
            Self::OfAServer => "host:of-a-server",
            Self::WithoutNamespaces => "host:without-namespaces",
        }
    }

    async fn play(self) {
        match self {
            Self::OfSandboxes => host_of_sandboxes().await,
            Self::OfAServer => host_of_a_server().await,
            Self::WithoutNamespaces => host_without_namespaces().await,
        }
    }
}

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("a_host_killed_hard_leaves_nothing", a_host_killed_hard_leaves_nothing),
    ("a_host_killed_hard_stops_its_servers_in_order", a_host_killed_hard_stops_its_servers_in_order),
    ("where_namespaces_are_forbidden_nothing_runs", where_namespaces_are_forbidden_nothing_runs),
    ("hosts_are_the_same_without_root", hosts_are_the_same_without_root),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(host) = Host::ALL.into_iter().find(|host| arguments.iter().any(|a| a == host.name())) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(host.play());
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let mut good = true;
    for (name, test) in TESTS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| name.contains(*w))) {
        let held = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if held { "ok" } else { "FAILED" });
        good &= held;
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Starts this program as a host.
fn start(as_host: Host) -> Child {
    let mut host = Command::new(std::env::current_exe().unwrap());
    host.arg(as_host.name()).stdout(Stdio::piped()).spawn().unwrap()
}

/// What the host says behind this word.
fn said(host: &mut Child, word: &str) -> String {
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    lines.find_map(|line| Some(line.unwrap().split_once(word)?.1.to_owned())).unwrap()
}

async fn host_of_sandboxes() {
    let busy = || shell("sleep 1000 & setsid sleep 1000 & while :; do :; done");
    let (one, two) = (launch(busy()).await.unwrap(), launch(busy()).await.unwrap());
    println!("pids {} {}", one.pid(), two.pid());
    std::future::pending::<()>().await;
}

fn a_host_killed_hard_leaves_nothing() {
    let mut host = start(Host::OfSandboxes);
    let pids = said(&mut host, "pids ");
    let pids = pids.split(' ').map(|pid| pid.parse::<u32>().unwrap()).collect::<Vec<_>>();
    eventually("all run", || pids.iter().all(|&pid| family(pid).len() >= 4));
    // Keepers included.
    let mut all = family(host.id());
    all.retain(|&pid| pid != host.id());
    assert!(all.len() >= 10, "{all:?}");
    assert!(all.iter().all(|&pid| is_alive(pid)));
    let groups = groups_of(host.id());
    println!("control groups of the host: {groups:?}");
    host.kill().unwrap();
    host.wait().unwrap();
    eventually("all end", || !all.iter().any(|&pid| is_alive(pid)));
    eventually("their groups are removed", || groups_of(host.id()).is_empty());
}

async fn host_of_a_server() {
    let dir = TempDir::new().unwrap();
    let mut engine = ProcessEngine::new(server(dir.path(), POLITE));
    engine.start().await.unwrap();
    println!("log {}", dir.path().join("log").display());
    std::future::pending::<()>().await;
}

fn a_host_killed_hard_stops_its_servers_in_order() {
    let mut host = start(Host::OfAServer);
    let log = PathBuf::from(said(&mut host, "log "));
    let all = family(host.id());
    assert_eq!(all.len(), 3, "host, keeper and server");
    host.kill().unwrap();
    host.wait().unwrap();
    eventually("all end", || !all.iter().any(|&pid| is_alive(pid)));
    assert_eq!(fs::read_to_string(&log).unwrap(), "started\nstopping in order\n");
    fs::remove_dir_all(log.parent().map(Path::to_owned).unwrap()).unwrap();
}

/// On a machine that allows no user namespaces.
async fn host_without_namespaces() {
    let error = launch(shell("echo unisolated")).await.unwrap_err();
    println!("refused: {error}");
    let finding = doctor(Some(helper())).await.remove(0);
    println!("doctor: {:?} {} {:?}", finding.state, finding.sentence, finding.fix);
}

fn where_namespaces_are_forbidden_nothing_runs() {
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(Host::WithoutNamespaces.name())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let refused = "refused: this machine does not let a sandbox be built: could not create namespaces; the \
        kernel allows no user namespaces; try `sudo sysctl -w user.max_user_namespaces=15000`";
    assert!(told.contains(refused), "{told}");
    assert!(told.contains("doctor: Missing A sandbox could not create namespaces"), "{told}");
    assert!(!told.contains("unisolated\n"), "{told}");
}

fn hosts_are_the_same_without_root() {
    if is_root() {
        let told = without_root(&["a_host", "where_"]);
        assert_eq!(told.matches(" ... ok").count(), 3, "{told}");
    }
}
