//! What this machine can do for sandboxes, in words for people, each with the one command that would help.

use std::fs;
use std::path::PathBuf;

use super::error::{LaunchError, Step};
use super::limits::Limits;
use super::running::{Exit, launch};
use super::spec::SandboxSpec;

/// Whether something works on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It works.
    Works,
    /// It works, but less well than it could.
    Limited,
    /// It does not work, and what needs it is refused.
    Missing,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about, in a word or two.
    pub subject: &'static str,
    /// Whether it works.
    pub state: State,
    /// What was found, as a sentence.
    pub sentence: String,
    /// The command that would help, if one does.
    pub fix: Option<String>,
}

/// Tries what sandboxes need, by really building one, and tells what was found.
pub async fn doctor(init: Option<PathBuf>) -> Vec<Finding> {
    vec![isolation(init).await, limits()]
}

async fn isolation(init: Option<PathBuf>) -> Finding {
    let mut spec = SandboxSpec::new(["true"]);
    spec.env.push(("PATH".into(), "/usr/bin:/bin:/run/current-system/sw/bin".into()));
    if let Some(init) = init {
        spec.init = init;
    }
    let finding = |state, sentence, fix| Finding { subject: "isolation", state, sentence, fix };
    let running = match launch(spec).await {
        Ok(running) => running,
        Err(LaunchError::NotIsolated { step, source, .. }) => {
            let (reason, fix) = reason(step, source.raw_os_error().unwrap_or(0));
            let sentence = format!("A sandbox could not {}: {reason}.", step.words());
            return finding(State::Missing, sentence, fix);
        }
        Err(error) => return finding(State::Missing, chain(&error), None),
    };
    match running.wait().await.map(|ending| ending.exit) {
        Ok(Exit::Code(0)) => {
            finding(State::Works, "Programs run isolated, without root and without a container.".into(), None)
        }
        Ok(exit) => finding(State::Missing, format!("A program in a sandbox ended with {exit:?}."), None),
        Err(error) => finding(State::Missing, chain(&error), None),
    }
}

fn limits() -> Finding {
    let limits = Limits::of_this_machine();
    let (state, fix) = match limits {
        Limits::Cgroup2 | Limits::Cgroup1 => (State::Works, None),
        Limits::Watched => {
            let command = "systemd-run --user --scope -p Delegate=yes undercast up";
            (State::Limited, Some(command.to_owned()))
        }
    };
    Finding { subject: "limits", state, sentence: format!("For sandboxes {}.", limits.words()), fix }
}

/// The end of an error's sentence: what is missing and what would help.
pub(super) fn advice(step: Step, errno: i32) -> String {
    match reason(step, errno) {
        (reason, Some(fix)) => format!("{reason}; try `{fix}`"),
        (reason, None) => reason,
    }
}

/// Why a step is refused on this machine, and the command that would allow it.
fn reason(step: Step, errno: i32) -> (String, Option<String>) {
    let with = |reason: &str, fix: &str| (reason.to_owned(), Some(fix.to_owned()));
    if errno == libc::ENOSYS {
        return ("the kernel is older than Linux 5.12".to_owned(), None);
    }
    if setting("kernel/unprivileged_userns_clone") == Some(0) {
        return with(
            "the kernel lets only root create user namespaces",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        );
    }
    if setting("user/max_user_namespaces") == Some(0) {
        return with("the kernel allows no user namespaces", "sudo sysctl -w user.max_user_namespaces=15000");
    }
    if setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return with(
            "AppArmor lets unprivileged programs do nothing in their own user namespaces",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        );
    }
    match (step, errno) {
        (Step::Namespaces, libc::ENOSPC) => with(
            "the kernel's bound on the number of namespaces is reached",
            "sudo sysctl -w user.max_user_namespaces=15000",
        ),
        (Step::Proc, libc::EPERM) => with(
            "this seems to be a container that hides parts of /proc",
            "docker run --security-opt systempaths=unconfined --security-opt seccomp=unconfined",
        ),
        (_, libc::EPERM | libc::EACCES) => with(
            "this seems to be a container, or a security policy, that forbids namespaces",
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined",
        ),
        _ => ("the kernel refused for a reason not known to us".to_owned(), None),
    }
}

fn setting(name: &str) -> Option<u64> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok()?.trim().parse().ok()
}

/// The error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
