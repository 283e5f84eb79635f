//! Process 1 of the sandbox: builds it from the inside, starts the program, reaps and obeys.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, set_dumpable_behavior, set_parent_process_death_signal, wait,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_thread_res_gid, set_thread_res_uid};

use super::super::error::{At, Failure, Step};
use super::super::limits::Group;
use super::super::message::{Ending, How, Launch, Notice, Order, receive, send, send_with};
use super::super::sys;
use super::root_files::{self, Source};
use super::watch::{self, Watch};
use super::{open_null, program};

/// The exit code of process 1 after it has told the host why it failed.
pub(super) const FAILURE_REPORTED: i32 = 77;

/// How often and how long to look whether signalled processes have stopped: a second at most.
const MOST_LOOKS: u32 = 2000;
const BETWEEN_LOOKS: Duration = Duration::from_micros(500);

/// Who the sandbox's user is, inside and on the host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) inside: u32,
    pub(super) user: u32,
    pub(super) group: u32,
    /// Whether the keeper may map an id that is not its own.
    pub(super) privileged: bool,
}

pub(super) struct First<'a> {
    pub(super) host: &'a UnixStream,
    pub(super) orders: &'a UnixStream,
    pub(super) launch: &'a Launch,
    pub(super) identity: Identity,
}

/// What process 1 needs while the program runs.
struct Family {
    program: Pid,
    children: OwnedFd,
    watch: Watch,
}

impl First<'_> {
    /// The whole life of process 1.
    pub(super) fn run(&self, sources: Vec<Source>) -> ! {
        match self.build(sources) {
            Ok(family) => {
                let ending = self.attend(family);
                drop(send(self.orders, &Notice::Ended(ending)));
                exit(0);
            }
            Err(failure) => {
                drop(send(self.host, &Notice::Failed(failure)));
                exit(FAILURE_REPORTED);
            }
        }
    }

    fn build(&self, mut sources: Vec<Source>) -> Result<Family, Failure> {
        let spec = &self.launch.spec;
        match receive::<Order>(self.orders) {
            Ok(Some(Order::Begin)) => {}
            // The keeper found something wrong and says so itself, or is gone.
            _ => exit(FAILURE_REPORTED),
        }
        let gauges = self.launch.group.as_ref().map(Group::gauges).transpose();
        let gauges = gauges.at(Step::Limits, "memory.stat")?;
        if !self.identity.privileged {
            sources = root_files::gather(spec)?;
        }
        // From here on files that are made belong to the sandbox's user. The capabilities stay, because the
        // old id was not this namespace's root.
        let inside = self.identity.inside;
        let group = rustix::process::Gid::from_raw(inside);
        let user = rustix::process::Uid::from_raw(inside);
        set_thread_res_gid(group, group, group).at(Step::Privileges, "setresgid")?;
        set_thread_res_uid(user, user, user).at(Step::Privileges, "setresuid")?;
        root_files::assemble(spec, sources)?;
        rustix::system::sethostname(spec.host_name.as_bytes()).at(Step::RootFiles, "hostname")?;
        let listeners = self.open_doors()?;
        // A control-group namespace hides where on the host the groups are. Older kernels have none.
        #[expect(deprecated, reason = "only unsafe for namespaces that share descriptors or memory")]
        let _ = rustix::thread::unshare(rustix::thread::UnshareFlags::NEWCGROUP);

        let children = sys::child_signals().at(Step::Execute, "signalfd")?;
        let program = self.start_program()?;
        self.retire()?;
        send_with(self.host, &Notice::Ready, &listeners).at(Step::Talk, "")?;
        let watch = Watch::new(self.launch, gauges);
        Ok(Family { program, children, watch })
    }

    /// Raises the loopback device and listens on the ports; whoever holds a listener answers inside.
    fn open_doors(&self) -> Result<Vec<TcpListener>, Failure> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).at(Step::Loopback, "")?;
        sys::raise_loopback(socket.as_fd()).at(Step::Loopback, "")?;
        let ports = self.launch.spec.ports.iter();
        ports.map(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).at(Step::Port, &port.to_string())).collect()
    }

    /// Forks and executes the program; answers when it is executing.
    fn start_program(&self) -> Result<Pid, Failure> {
        let (mut mine, theirs) = UnixStream::pair().at(Step::Execute, "")?;
        let Some(program) = sys::fork_into(0).at(Step::Execute, "")? else {
            let failure = program::become_it(self.launch);
            drop(send(&theirs, &failure));
            exit(FAILURE_REPORTED);
        };
        drop(theirs);
        // The other end closes by itself when the program is executed.
        let mut words = Vec::new();
        mine.read_to_end(&mut words).at(Step::Execute, "")?;
        match super::super::message::decode::<Failure>(&mut words).at(Step::Execute, "")? {
            Some(failure) => Err(failure),
            None => Ok(program),
        }
    }

    /// Gives up all that process 1 needs no more: it is nothing that the program could use.
    fn retire(&self) -> Result<(), Failure> {
        let null = open_null().at(Step::RootFiles, "/dev/null")?;
        rustix::stdio::dup2_stdout(&null).at(Step::RootFiles, "/dev/null")?;
        rustix::stdio::dup2_stderr(&null).at(Step::RootFiles, "/dev/null")?;
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
        set_capabilities(None, sets).at(Step::Privileges, "capset")?;
        // The program has the same user: without this it could look into process 1 through /proc/1.
        set_dumpable_behavior(DumpableBehavior::NotDumpable).at(Step::Privileges, "dumpable")?;
        // Last, because the kernel forgets it when ids or capabilities change. If the keeper died before,
        // its end of `orders` is closed, which `attend` sees.
        set_parent_process_death_signal(Some(Signal::KILL)).at(Step::Privileges, "pdeathsig")
    }

    /// Reaps and obeys until the program has ended. Then process 1 ends, and with it everything inside.
    fn attend(&self, mut family: Family) -> Ending {
        let mut frozen = false;
        loop {
            let mut fds = [PollFd::new(&family.children, PollFlags::IN), PollFd::new(self.orders, PollFlags::IN)];
            let pause = family.watch.pause().filter(|_| !frozen).map(timespec);
            if poll(&mut fds, pause.as_ref()).is_err_and(|error| error != rustix::io::Errno::INTR) {
                return family.ending(How::Signal(libc::SIGKILL));
            }
            let [child, order] = fds.map(|fd| !fd.revents().is_empty());
            if child && let Some(how) = family.reap() {
                return family.ending(how);
            }
            if order && !self.obey(&mut family.watch, &mut frozen) {
                exit(0);
            }
            if family.watch.is_over() {
                let ending = family.ending(How::OverMemory);
                drop(sys::signal_all(libc::SIGKILL));
                return ending;
            }
        }
    }

    /// Does what the keeper says; `false` when the keeper is gone.
    fn obey(&self, watch: &mut Watch, frozen: &mut bool) -> bool {
        let answer = match receive::<Order>(self.orders) {
            Ok(Some(Order::Freeze)) => {
                drop(sys::signal_all(libc::SIGSTOP));
                settle();
                *frozen = true;
                Notice::Frozen
            }
            Ok(Some(Order::Thaw)) => {
                *frozen = false;
                drop(sys::signal_all(libc::SIGCONT));
                Notice::Thawed
            }
            Ok(Some(Order::Measure)) => Notice::Measured { peak_bytes: watch.peak() },
            Ok(Some(Order::Begin | Order::Kill)) => return true,
            Ok(None) | Err(_) => return false,
        };
        send(self.orders, &answer).is_ok()
    }
}

impl Family {
    /// Collects all ended children, and answers how the program ended if it is among them.
    fn reap(&self) -> Option<How> {
        let mut drained = [0; 128];
        while rustix::io::read(&self.children, &mut drained).is_ok_and(|count| count > 0) {}
        let mut program = None;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == self.program {
                let signal = status.terminating_signal().map(How::Signal);
                program = signal.or(status.exit_status().map(How::Code));
            }
        }
        program
    }

    fn ending(&mut self, how: How) -> Ending {
        Ending { how, out_of_memory_kills: 0, peak_bytes: self.watch.peak() }
    }
}

/// Waits until no thread runs any more: a signal reaches one that runs on another processor a moment later.
fn settle() {
    let running = |stat: String| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" R"));
    for _ in 0..MOST_LOOKS {
        let mut threads = watch::processes().flat_map(|pid| {
            let threads = fs::read_dir(format!("/proc/{pid}/task"));
            threads.into_iter().flatten().flatten().map(|thread| thread.path().join("stat"))
        });
        if !threads.any(|stat| fs::read_to_string(stat).is_ok_and(running)) {
            return;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs().cast_signed(), tv_nsec: duration.subsec_nanos().into() }
}
