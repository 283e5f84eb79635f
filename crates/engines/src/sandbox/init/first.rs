//! Process 1 of the sandbox: builds it from the inside, starts the program, reaps and obeys.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus, set_dumpable_behavior, set_parent_process_death_signal,
    wait,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_thread_res_gid, set_thread_res_uid};

use super::super::error::{At, Failure, Step};
use super::super::limits::Group;
use super::super::message::{Ending, Launch, Notice, Order, receive, send, send_with};
use super::super::sys;
use super::root_files::{self, Source};
use super::watch::Watch;
use super::{open_null, program};

/// The exit code of process 1 after it has told the host why it failed.
pub(super) const FAILURE_REPORTED: i32 = 77;

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
                return Ending { signal: Some(libc::SIGKILL), ..Ending::default() };
            }
            let [child, order] = fds.map(|fd| !fd.revents().is_empty());
            if child && let Some(status) = reap(&family) {
                return Ending {
                    code: status.exit_status(),
                    signal: status.terminating_signal(),
                    peak_bytes: family.watch.peak(),
                    ..Ending::default()
                };
            }
            if order && !self.obey(&mut family.watch, &mut frozen) {
                exit(0);
            }
            if family.watch.is_over() {
                let peak_bytes = family.watch.peak();
                drop(sys::signal_all(libc::SIGKILL));
                return Ending { signal: Some(libc::SIGKILL), over_memory: true, peak_bytes, ..Ending::default() };
            }
        }
    }

    /// Does what the keeper says; `false` when the keeper is gone.
    fn obey(&self, watch: &mut Watch, frozen: &mut bool) -> bool {
        let answer = match receive::<Order>(self.orders) {
            Ok(Some(Order::Freeze)) => {
                drop(sys::signal_all(libc::SIGSTOP));
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

/// Collects all ended children, and answers how the program ended if it is among them.
fn reap(family: &Family) -> Option<WaitStatus> {
    let mut drained = [0; 128];
    while rustix::io::read(&family.children, &mut drained).is_ok_and(|count| count > 0) {}
    let mut program = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == family.program {
            program = Some(status);
        }
    }
    program
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs().cast_signed(), tv_nsec: duration.subsec_nanos().into() }
}
