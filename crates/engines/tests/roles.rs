//! Tests that need another host process: killed hosts, and hosts without root.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use undercast_engines::sandbox::{doctor, launch};

use crate::setup::{eventually, family, groups_of, helper, is_alive, is_root, readable_dir, shell};

const NOBODY: u32 = 65534;

/// Not a test: the host process that the next test kills.
#[tokio::test]
#[ignore = "a part that another test plays"]
async fn host_to_be_killed() {
    let busy = || shell("sleep 1000 & setsid sleep 1000 & while :; do :; done");
    let (one, two) = (launch(busy()).await.unwrap(), launch(busy()).await.unwrap());
    println!("pids {} {}", one.pid(), two.pid());
    std::future::pending::<()>().await;
}

#[test]
fn a_host_killed_hard_leaves_nothing() {
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "roles::host_to_be_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let line = lines.find_map(|line| Some(line.unwrap().split_once("pids ")?.1.to_owned())).unwrap();
    let pids = line.split(' ').map(|pid| pid.parse::<u32>().unwrap()).collect::<Vec<_>>();
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

/// Not a test: the host process on a machine that allows no user namespaces.
#[tokio::test]
#[ignore = "a part that another test plays"]
async fn host_without_namespaces() {
    let error = launch(shell("echo unisolated")).await.unwrap_err();
    println!("refused: {error}");
    let finding = doctor(Some(helper())).await.remove(0);
    println!("doctor: {:?} {} {:?}", finding.state, finding.sentence, finding.fix);
}

#[test]
fn where_namespaces_are_forbidden_nothing_runs() {
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "roles::host_without_namespaces", "--ignored", "--nocapture"])
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

#[test]
fn failed_launches_leave_no_control_groups() {
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "endings::what_is_not_there_is_named"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(host.wait().unwrap().success());
    assert_eq!(groups_of(host.id()), Vec::<std::path::PathBuf>::new());
}

/// Runs every test once more as a user without any privilege, whose sandboxes are built another way.
#[test]
fn everything_holds_without_root() {
    if !is_root() {
        return;
    }
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
        .args(["--skip", "everything_holds_without_root", "--nocapture"])
        .env("TMPDIR", &tmp)
        .env_remove("CARGO_MANIFEST_DIR")
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&again.stdout);
    println!("{told}");
    assert!(again.status.success(), "{told}\n{}", String::from_utf8_lossy(&again.stderr));
    assert!(told.contains("limits here, root false"), "the tests did run");
}
