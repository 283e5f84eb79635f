//! The few kernel calls that no safe crate offers: the only `unsafe` code of the sandbox.
//!
//! Everything here runs in the init process, which has one thread and was just
//! executed, so a `fork` in it copies a sane program: no lock is held by a thread that is not copied.

#![expect(unsafe_code, reason = "clone, mount_setattr, signalfd, seccomp and kill(-1) have no safe wrapper")]

use std::ffi::CStr;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::process::Pid;

/// One instruction of a seccomp filter, in the kernel's layout (`struct sock_filter`).
pub(super) use libc::sock_filter as Instruction;

/// Attributes for [`set_mount_attributes`].
#[derive(Clone, Copy, Default)]
pub(super) struct MountAttributes {
    /// Attributes to set, of `libc::MOUNT_ATTR_*`.
    pub(super) set: u64,
    /// Whether the whole tree below is meant.
    pub(super) recursive: bool,
}

/// The kernel's `struct mount_attr`, as `mount_setattr(2)` describes it.
#[repr(C)]
struct RawMountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// Starts a child in new namespaces (`libc::CLONE_NEW*`); like `fork`, `None` is the child's answer.
///
/// `clone` and not `unshare`, because the parent must stay outside: it writes the child's user mapping
/// and removes what is left when the child is gone.
pub(super) fn fork_into(namespaces: libc::c_int) -> io::Result<Option<Pid>> {
    let flags = libc::c_long::from(namespaces | libc::SIGCHLD);
    let none: libc::c_long = 0;
    // SAFETY: no stack, no thread-id pointers and no CLONE_VM: this is `fork` with namespaces, and the
    // process has a single thread, so the copy may go on running Rust.
    let child = check(unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) })?;
    Ok(i32::try_from(child).ok().and_then(Pid::from_raw))
}

/// Sets attributes of the mount behind `mount`, and makes it private so that no later mount or unmount
/// of the host shows inside.
pub(super) fn set_mount_attributes(mount: BorrowedFd<'_>, attributes: MountAttributes) -> io::Result<()> {
    let raw = RawMountAttributes { set: attributes.set, clear: 0, propagation: libc::MS_PRIVATE, user_namespace: 0 };
    let recursive = if attributes.recursive { libc::AT_RECURSIVE } else { 0 };
    let empty: &CStr = c"";
    // SAFETY: `raw` has the kernel's layout and outlives the call; its size is passed along.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            empty.as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const raw,
            size_of::<RawMountAttributes>(),
        )
    })?;
    Ok(())
}

/// Closes every descriptor from `first` on, or only marks them to be closed at `exec`.
pub(super) fn close_from(first: RawFd, at_exec: bool) -> io::Result<()> {
    let flags = if at_exec { libc::CLOSE_RANGE_CLOEXEC } else { 0 };
    // SAFETY: with `at_exec` nothing is closed yet. Without it, the only caller is the first line of the
    // init program, before any descriptor above 2 is owned by a Rust value.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) })?;
    Ok(())
}

/// Blocks `SIGCHLD` and answers a descriptor that becomes readable when a child ends.
pub(super) fn child_signals() -> io::Result<OwnedFd> {
    // SAFETY: `set` is written by `sigemptyset` before it is read; the descriptor is new and ours.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        check(libc::c_long::from(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut())))?;
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        check(libc::c_long::from(fd))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Sets every signal back to what it does by default: a host started with some of them ignored (`nohup`,
/// some supervisors) would otherwise hand that down.
pub(super) fn default_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the default action runs no code of ours. The kernel refuses the few that cannot be set.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Sends `signal` to every process of this pid namespace but the caller. No process left is no error.
///
/// The kernel walks the list of processes under a lock that `fork` also takes, and a `fork` of a process
/// that has a signal waiting starts over: so none slips through.
pub(super) fn signal_all(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: `kill` touches no memory. The callers are process 1 of a pid namespace, so -1 cannot reach
    // any process outside of the sandbox.
    match check(libc::c_long::from(unsafe { libc::kill(-1, signal) })) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other.map(drop),
    }
}

/// Installs a seccomp filter for this process and all it will start. Needs `no_new_privs`.
pub(super) fn install_filter(program: &[Instruction]) -> io::Result<()> {
    let length =
        u16::try_from(program.len()).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "filter too long"))?;
    let raw = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions out of `filter` and writes nothing.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const raw) })?;
    Ok(())
}

/// The largest resident size that any child, already reaped, had in its life, in bytes.
pub(super) fn largest_ended_child() -> u64 {
    // SAFETY: `usage` is plain data, written by the kernel before it is read; on failure it stays zero.
    let kibibytes = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage.ru_maxrss
    };
    u64::try_from(kibibytes).unwrap_or(0) * 1024
}

/// Raises the loopback device of the network namespace that `socket` belongs to.
pub(super) fn raise_loopback(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: `ifreq` is plain data; the two requests read the name and read or write the flags member,
    // which is the active one of the union for both.
    unsafe {
        let mut request = std::mem::zeroed::<libc::ifreq>();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = *from as libc::c_char;
        }
        let fd = socket.as_raw_fd();
        check(libc::c_long::from(libc::ioctl(fd, libc::SIOCGIFFLAGS, &raw mut request)))?;
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        check(libc::c_long::from(libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw const request)))?;
    }
    Ok(())
}
