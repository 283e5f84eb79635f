//! Running real things: sandboxed programs, the interpreters to run them, and supervised server processes.
//!
//! This floor knows processes, namespaces, files and ports. It must never know the cloud's vocabulary: what a
//! function, a queue or an account is, is the services' affair above.
//!
//! Linux only: isolation here is made of Linux namespaces, and there is no honest substitute for them elsewhere.

pub mod runtimes;
pub mod sandbox;
pub mod server;

/// Becomes one of this crate's helper processes, and never returns, if the program was started as such.
///
/// A program that launches sandboxes or servers, with itself as the helper, must call this as the first thing
/// in `main`, before any thread is started.
pub fn run_if_helper() {
    sandbox::run_if_init();
    server::run_if_keeper();
}

/// Ends every sandbox that this process has, before another program takes its place: they end with their process, and
/// would not notice.
///
/// Server processes notice by themselves, and are left to stop in their own time.
pub fn end_sandboxes() {
    use rustix::process::{Pid, Signal, kill_process};
    let own = depth("self");
    let children = children("self");
    // A sandbox is the first process of a process namespace below this one, started by a child of this one.
    for process in children.iter().flat_map(|child| self::children(child)).filter(|process| depth(process) > own) {
        if let Some(pid) = process.parse().ok().and_then(Pid::from_raw) {
            // One that has just ended by itself is as good.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The processes that a process has started, those that have ended left out.
fn children(process: &str) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>()).collect()
}

/// In how many process namespaces a process is, one in the other; 0 when it has ended.
fn depth(process: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_else(|_| String::new());
    status.lines().find_map(|l| l.strip_prefix("NSpid:")).map_or(0, |n| n.split_whitespace().count())
}
