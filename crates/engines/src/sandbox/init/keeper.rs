//! The keeper: the init process outside of the sandbox.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, fchown, fstat};
use rustix::process::{
    Gid, Pid, PidfdFlags, Signal, Uid, WaitOptions, getegid, geteuid, kill_process, pidfd_open, setsid, waitpid,
};

use super::super::error::{At, Failure, Step};
use super::super::limits::Group;
use super::super::message::{Ending, How, Launch, Notice, Order, receive, send};
use super::super::sys;
use super::first::{First, Identity};
use super::{open_null, root_files};

const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;

/// An id far above those that distributions, systemd and container engines hand out: it owns nothing.
const NOBODYS_ID: u32 = 2_000_000_001;

/// Runs one sandbox from its specification to its end.
pub(super) fn keep(host: &UnixStream) {
    // A session of its own: the terminal's Ctrl-C is for the host, which then ends us in order.
    let _ = setsid();
    let Ok(Some(launch)) = receive::<Launch>(host) else { return };
    let result = start(host, &launch);
    let ended = match result {
        Ok(child) => Ok(child.attend(host)),
        Err(failure) => Err(failure),
    };
    if let Some(group) = &launch.group {
        group.remove();
    }
    // The host may be gone; then nobody needs to know.
    match ended {
        Ok(Some(ending)) => drop(send(host, &Notice::Ended(ending))),
        Ok(None) => {}
        Err(failure) => drop(send(host, &Notice::Failed(failure))),
    }
}

struct Child<'a> {
    launch: &'a Launch,
    pid: Pid,
    pidfd: OwnedFd,
    orders: UnixStream,
}

fn start<'a>(host: &UnixStream, launch: &'a Launch) -> Result<Child<'a>, Failure> {
    let identity = identity(launch.spec.user.id);
    let (orders, inner) = UnixStream::pair().at(Step::Talk, "")?;
    let mut sources = Vec::new();
    if identity.privileged {
        // The host's root reaches what the sandbox's user could not: the path is walked here.
        let _ = rustix::thread::set_thread_groups(&[]);
        unshare_mounts().at(Step::Namespaces, "")?;
        sources = root_files::gather(&launch.spec)?;
        own_pipes(&identity);
    }
    let Some(pid) = sys::fork_into(NAMESPACES).at(Step::Namespaces, "")? else {
        drop(orders);
        First { host, orders: &inner, launch, identity }.run(sources);
    };
    drop((sources, inner));
    // The pipes are the program's alone, so that their end is the program's end.
    if let Ok(null) = open_null() {
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
    let prepared = prepare(host, launch, pid, &identity, &orders);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).at(Step::Namespaces, "");
    match (prepared, pidfd) {
        (Ok(()), Ok(pidfd)) => Ok(Child { launch, pid, pidfd, orders }),
        (Err(failure), _) | (_, Err(failure)) => {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
            Err(failure)
        }
    }
}

fn unshare_mounts() -> io::Result<()> {
    #[expect(deprecated, reason = "only unsafe for namespaces that share descriptors or memory")]
    rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNS)?;
    let private = rustix::mount::MountPropagationFlags::PRIVATE;
    rustix::mount::mount_change("/", private | rustix::mount::MountPropagationFlags::REC)?;
    Ok(())
}

/// Which host id the sandbox's user is.
fn identity(inside: u32) -> Identity {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let may_map = rustix::thread::capabilities(None).is_ok_and(|sets| {
        let wanted = rustix::thread::CapabilitySet::SETUID
            | rustix::thread::CapabilitySet::SETGID
            | rustix::thread::CapabilitySet::SYS_ADMIN;
        sets.effective.contains(wanted)
    });
    match may_map.then(|| spare_id(&map, user)).flatten() {
        Some(id) => Identity { inside, user: id, group: id, privileged: true },
        None => Identity { inside, user, group, privileged: false },
    }
}

/// An id other than our own that our own user namespace knows.
fn spare_id(uid_map: &str, own: u32) -> Option<u32> {
    let ranges = uid_map.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().map(str::parse::<u32>);
        let (first, _, count) = (fields.next()?.ok()?, fields.next()?.ok()?, fields.next()?.ok()?);
        Some((first, first.checked_add(count.checked_sub(1)?)?))
    });
    let best = ranges.map(|(first, last)| if (first..=last).contains(&NOBODYS_ID) { NOBODYS_ID } else { last });
    best.max().filter(|&id| id != own && id != 0)
}

/// Gives the output pipes to the sandbox's user, who may then also open them by name (`/dev/stdout`).
fn own_pipes(identity: &Identity) {
    let owner = (Some(Uid::from_raw(identity.user)), Some(Gid::from_raw(identity.group)));
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    for pipe in [stdout.as_fd(), stderr.as_fd()] {
        if fstat(pipe).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo) {
            let _ = fchown(pipe, owner.0, owner.1);
        }
    }
}

/// Everything that only the outside can do for the new process 1, then the word to begin.
fn prepare(
    host: &UnixStream,
    launch: &Launch,
    pid: Pid,
    identity: &Identity,
    orders: &UnixStream,
) -> Result<(), Failure> {
    let raw = pid.as_raw_nonzero().get();
    let proc = format!("/proc/{raw}");
    if !identity.privileged {
        // Without privileges the kernel allows a group mapping only to those who cannot change groups.
        fs::write(format!("{proc}/setgroups"), "deny").at(Step::UserMapping, "setgroups")?;
    }
    let inside = identity.inside;
    fs::write(format!("{proc}/gid_map"), format!("{inside} {} 1", identity.group)).at(Step::UserMapping, "gid_map")?;
    fs::write(format!("{proc}/uid_map"), format!("{inside} {} 1", identity.user)).at(Step::UserMapping, "uid_map")?;
    if let Some(group) = &launch.group {
        group.add(raw).at(Step::Limits, "cgroup.procs")?;
    }
    // When the whole machine lacks memory, the kernel shall end the sandbox before anything of the host.
    fs::write(format!("{proc}/oom_score_adj"), "1000").at(Step::Limits, "oom_score_adj")?;
    send(host, &Notice::Born(raw)).at(Step::Talk, "")?;
    send(orders, &Order::Begin).at(Step::Talk, "")
}

impl Child<'_> {
    /// Passes orders on until process 1 or the host is gone. `None` if process 1 reported a failure itself.
    fn attend(&self, host: &UnixStream) -> Option<Ending> {
        let mut last_words = None;
        loop {
            let mut fds = [
                PollFd::new(host, PollFlags::IN),
                PollFd::new(&self.orders, PollFlags::IN),
                PollFd::new(&self.pidfd, PollFlags::IN),
            ];
            if poll(&mut fds, None).is_err_and(|error| error != rustix::io::Errno::INTR) {
                break;
            }
            let [from_host, from_first, ended] = fds.map(|fd| !fd.revents().is_empty());
            if from_first {
                match receive::<Notice>(&self.orders) {
                    Ok(Some(Notice::Ended(ending))) => last_words = Some(ending),
                    Ok(Some(notice)) => drop(send(host, &notice)),
                    // Process 1 has closed its end, so it is about to be gone.
                    Ok(None) | Err(_) => break,
                }
            } else if ended {
                break;
            }
            if from_host {
                match receive::<Order>(host) {
                    Ok(Some(Order::Kill) | None) | Err(_) => break,
                    Ok(Some(order)) => drop(send(&self.orders, &order)),
                }
            }
        }
        let _ = kill_process(self.pid, Signal::KILL);
        let status = waitpid(Some(self.pid), WaitOptions::empty()).ok().flatten().map(|(_, status)| status);
        let kills = self.launch.group.as_ref().map_or(0, Group::out_of_memory_kills);
        if let Some(ending) = last_words {
            return Some(Ending { out_of_memory_kills: kills, ..ending });
        }
        let status = status?;
        if status.exit_status() == Some(super::first::FAILURE_REPORTED) {
            return None;
        }
        // Process 1 was killed itself: by order, or by the kernel for lack of memory.
        let how = How::Signal(libc::SIGKILL);
        Some(Ending { how, out_of_memory_kills: kills, peak_bytes: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spare_id_is_one_that_our_namespace_knows() {
        assert_eq!(spare_id("0 0 4294967295", 0), Some(NOBODYS_ID), "a machine's root");
        assert_eq!(spare_id("0 100000 65536", 0), Some(65535), "a container's root");
        assert_eq!(spare_id("0 1000 1\n1 100000 65536", 0), Some(65536), "rootless podman");
        assert_eq!(spare_id("0 1000 1", 0), None, "a lone root in its own namespace");
        assert_eq!(spare_id("65534 65534 1", 65534), None);
        assert_eq!(spare_id("", 0), None);
    }
}
