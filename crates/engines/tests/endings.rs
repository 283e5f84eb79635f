//! How sandboxes end, and that nothing is left of them.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use undercast_engines::sandbox::{ControlError, Exit, LaunchError, Running, Step, launch};

use crate::setup::{eventually, family, finish, groups_of, groups_of_process, is_alive, python, run, shell, spec};

#[tokio::test]
async fn codes_and_signals_are_told() {
    assert_eq!(run(shell("exit 7")).await.ending.exit, Exit::Code(7));
    assert_eq!(run(shell("kill -TERM $$")).await.ending.exit, Exit::Signal(15));
    assert_eq!(run(shell("kill -KILL $$")).await.ending.exit, Exit::Signal(9));
    let both = run(shell("echo out; echo err >&2")).await;
    assert_eq!((both.stdout.as_str(), both.stderr.as_str()), ("out\n", "err\n"));
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let error = launch(spec(&["no-such-program"])).await.unwrap_err();
    assert!(
        matches!(&error, LaunchError::Setup { step: Step::Execute, subject, .. } if subject == "no-such-program"),
        "{error:?}"
    );
    let missing = spec(&["true"]).code("/no/such/dir", "/var/task");
    let error = launch(missing).await.unwrap_err();
    assert!(
        matches!(&error, LaunchError::Setup { step: Step::Source, subject, .. } if subject == "/no/such/dir"),
        "{error:?}"
    );
    let mut inside_read_only = spec(&["true"]);
    inside_read_only.files.push(("/usr/new/file".into(), Vec::new()));
    let error = launch(inside_read_only).await.unwrap_err();
    assert!(matches!(&error, LaunchError::Setup { step: Step::RootFiles, .. }), "{error:?}");
    let mut twice = spec(&["true"]);
    twice.ports = vec![80, 80];
    assert!(matches!(launch(twice).await.unwrap_err(), LaunchError::Spec { .. }));
    let mut upwards = spec(&["true"]);
    upwards.files.push(("/opt/../../etc/x".into(), Vec::new()));
    assert!(matches!(launch(upwards).await.unwrap_err(), LaunchError::Spec { .. }));
    let mut no_init = spec(&["true"]);
    no_init.init = "/bin/true".into();
    assert!(matches!(launch(no_init).await.unwrap_err(), LaunchError::Silent { .. }));
    let mut absent_init = spec(&["true"]);
    absent_init.init = "/no/such/init".into();
    assert!(matches!(launch(absent_init).await.unwrap_err(), LaunchError::Init { .. }));
}

#[tokio::test]
async fn what_the_program_leaves_behind_ends_with_it() {
    let script = "setsid sleep 1000 & (sleep 1000 & sleep 1000) & sleep 0.1; echo done";
    let running = launch(shell(script)).await.unwrap();
    let pid = running.pid();
    eventually("five processes", || family(pid).len() >= 5);
    let all = family(pid);
    // Standard output ends as well, although the orphans hold it.
    assert_eq!(finish(running).await.ok(), "done\n");
    assert!(!all.into_iter().any(is_alive));
}

#[tokio::test]
async fn output_ends_when_the_program_closes_it() {
    let mut running = launch(shell("echo last; exec >&- 2>&-; sleep 1000")).await.unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    let (mut stdout, mut stderr) = (running.take_stdout().unwrap(), running.take_stderr().unwrap());
    let both = async { tokio::try_join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err)) };
    tokio::time::timeout(Duration::from_secs(5), both).await.unwrap().unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("last\n", ""));
    assert_eq!(running.kill().await.unwrap().exit, Exit::Signal(9));
}

#[tokio::test]
async fn orphans_are_reaped() {
    let script = r"
import os, time
for _ in range(20):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()
time.sleep(0.3)
print(sum('State:\tZ' in open(f'/proc/{p}/status').read() for p in os.listdir('/proc') if p.isdigit()))
";
    assert_eq!(run(python(script)).await.ok(), "0\n");
}

async fn busy() -> (Running, Vec<u32>) {
    let mut running = launch(shell("(while :; do :; done) & echo up; while :; do :; done")).await.unwrap();
    let mut lines = BufReader::new(running.take_stdout().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "up");
    let all = family(running.pid());
    assert!(all.len() >= 3, "process 1 and two loops: {all:?}");
    (running, all)
}

#[tokio::test]
async fn killing_and_dropping_end_everything() {
    let (running, all) = busy().await;
    assert!(all.iter().all(|&pid| is_alive(pid)));
    assert_eq!(running.kill().await.unwrap().exit, Exit::Signal(9));
    assert!(!all.into_iter().any(is_alive));
    assert_eq!(running.wait().await.unwrap().exit, Exit::Signal(9), "may be asked again");
    assert!(matches!(running.freeze().await.unwrap_err(), ControlError::Ended));

    let (running, all) = busy().await;
    drop(running);
    eventually("dropping ends all", || !all.iter().any(|&pid| is_alive(pid)));
}

#[tokio::test]
async fn a_launch_given_up_leaves_nothing() {
    // A name of its own, so that only what this test started is looked for.
    let program = format!("sleep 4321; : {}", std::process::id());
    for millis in 0..12 {
        let patience = Duration::from_millis(millis);
        drop(tokio::time::timeout(patience, launch(shell(&program))).await);
    }
    let is_ours = |pid: &u32| {
        let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&cmdline).contains(&program)
    };
    let all = || std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    eventually("no program is left", || !all().any(|pid| is_ours(&pid)));
}

#[tokio::test]
async fn the_death_of_the_keeper_is_the_death_of_the_sandbox() {
    let (running, all) = busy().await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let keeper = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().parse().unwrap();
    // Even if process 1 cannot do anything about it itself.
    let groups = groups_of_process(running.pid());
    let signal = |pid, signal| kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    signal(running.pid().cast_signed(), Signal::STOP);
    signal(keeper, Signal::KILL);
    assert!(matches!(running.wait().await.unwrap_err(), ControlError::Lost));
    eventually("all end", || !all.iter().any(|&pid| is_alive(pid)));
    assert!(!groups.iter().any(|group| group.exists()), "the host removes the groups in the keeper's place");
}

#[tokio::test]
async fn no_control_group_is_left() {
    let (running, _) = busy().await;
    let groups = groups_of(std::process::id());
    if running.limits() != undercast_engines::sandbox::Limits::Watched {
        assert!(!groups.is_empty(), "a sandbox has a group while it runs");
    }
    running.kill().await.unwrap();
    // Other tests have their own in the meantime.
    eventually("the groups are removed", || !groups.iter().all(|group| group.exists()) || groups.is_empty());
}

/// Processor time that processes used so far, in clock ticks.
fn ticks(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields = stat.rsplit(')').next().unwrap().split_whitespace().collect::<Vec<_>>();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    pids.iter().map(of).sum()
}

#[tokio::test]
async fn frozen_is_frozen() {
    let (running, all) = busy().await;
    eventually("it uses the processor", || ticks(&all[1..]) > 5);
    running.freeze().await.unwrap();
    let before = ticks(&all[1..]);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(ticks(&all[1..]), before, "frozen programs use no processor time");
    running.thaw().await.unwrap();
    eventually("it goes on", || ticks(&all[1..]) > before + 5);
    running.freeze().await.unwrap();
    assert_eq!(running.kill().await.unwrap().exit, Exit::Signal(9), "frozen sandboxes can be killed");
    assert!(!all.into_iter().any(is_alive));
}
