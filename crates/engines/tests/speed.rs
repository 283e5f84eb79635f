//! What a sandbox costs on top of the bare program.

use std::time::{Duration, Instant};

use undercast_engines::runtimes::{Language, discover, usual_places};
use undercast_engines::sandbox::{Mount, SandboxSpec, launch};

use crate::setup::{MEBIBYTE, spec};

const ROUNDS: usize = 15;
/// The aim is 30 ms on an idle machine. Tests share theirs, so only what no load explains is a failure.
const FAR_TOO_SLOW: Duration = Duration::from_millis(150);

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn bare(command: &[&str]) -> Duration {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let mut bare = tokio::process::Command::new(command[0]);
        bare.args(&command[1..]).env_clear().stdin(std::process::Stdio::null());
        assert!(bare.output().await.unwrap().status.success());
        times.push(begin.elapsed());
    }
    median(times)
}

async fn sandboxed(spec: &SandboxSpec) -> (Duration, Duration) {
    let (mut ready, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let running = launch(spec.clone()).await.unwrap();
        ready.push(begin.elapsed());
        let output = crate::setup::finish(running).await;
        whole.push(begin.elapsed());
        output.ok();
    }
    (median(ready), median(whole))
}

#[tokio::test]
async fn a_cold_start_costs_little_more_than_the_bare_program() {
    let places = usual_places(None, std::env::home_dir().as_deref());
    let found = discover(&places).await;
    let mut commands = vec![("true", vec!["/bin/true".to_owned()], Vec::<Mount>::new())];
    for (language, flag, name) in [(Language::Python, "-c", "python"), (Language::Node, "-e", "node")] {
        if let Some(runtime) = found.iter().rfind(|runtime| runtime.language == language) {
            let command = vec![runtime.program.display().to_string(), flag.to_owned(), "0".to_owned()];
            commands.push((name, command, runtime.mounts()));
        }
    }
    for (name, command, mounts) in commands {
        let command = command.iter().map(String::as_str).collect::<Vec<_>>();
        let mut spec = spec(&command);
        spec.memory_bytes = 512 * MEBIBYTE;
        spec.mounts = mounts;
        let bare = bare(&command).await;
        let (ready, whole) = sandboxed(&spec).await;
        let more = whole.saturating_sub(bare);
        println!(
            "{name}: bare {bare:.1?}, sandboxed {whole:.1?} (ready to execute {ready:.1?}): \
             {more:.1?} more, {:.2} times",
            whole.as_secs_f64() / bare.as_secs_f64()
        );
        assert!(more < FAR_TOO_SLOW, "{name}: {more:?} more than the bare program");
    }
}

/// What a process uses for itself, in KiB.
fn own_kibibytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[tokio::test]
async fn fifty_at_once_start_and_end() {
    const MANY: usize = 50;
    let begin = Instant::now();
    #[expect(clippy::disallowed_methods, reason = "there is no kernel here")]
    let launches = (0..MANY).map(|_| tokio::spawn(launch(spec(&["sleep", "1000"]))));
    let mut all = Vec::new();
    for launched in launches.collect::<Vec<_>>() {
        all.push(launched.await.unwrap().unwrap());
    }
    let started = begin.elapsed();
    let pids = all.iter().map(undercast_engines::sandbox::Running::pid).collect::<Vec<_>>();
    let own = pids.iter().map(|&pid| own_kibibytes(pid)).sum::<u64>() / MANY as u64;
    let begin = Instant::now();
    for running in all {
        running.kill().await.unwrap();
    }
    println!(
        "{MANY} at once: {started:.1?} until all run, {:.1?} to end one after the other; process 1 uses {own} KiB",
        begin.elapsed()
    );
    assert!(!pids.into_iter().any(crate::setup::is_alive));
}
