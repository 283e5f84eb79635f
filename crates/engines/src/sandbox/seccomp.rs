//! The system calls that sandboxed code may not make, as a filter program for the kernel.
//!
//! Namespaces and dropped capabilities already stop most of these. The filter is the second wall: it keeps
//! code away from the parts of the kernel where escapes were found (new user namespaces, mounts, bpf,
//! keyrings, io_uring, userfaultfd), and it closes one way out that no namespace covers: `AF_VSOCK`
//! sockets reach the hypervisor's host whatever the network namespace.
//! Calls newer than this list answer `ENOSYS`, which programs expect of an older kernel.

use std::io;

use super::sys::{self, Instruction};

const EPERM: u32 = libc::EPERM as u32;
const ENOSYS: u32 = libc::ENOSYS as u32;
const EAFNOSUPPORT: u32 = libc::EAFNOSUPPORT as u32;

/// Offsets into the kernel's `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// The low half of the first argument; both supported architectures are little-endian.
const FIRST_ARGUMENT: u32 = 16;

/// `AUDIT_ARCH_*` of linux/audit.h: the ELF machine with the 64-bit and little-endian marks.
#[cfg(target_arch = "x86_64")]
const OURS: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const OURS: u32 = 0xC000_00B7;

/// One more than the newest call that the list was checked against (Linux 6.16: `file_setattr`, 469).
/// On x86-64 this also refuses the x32 calls, which are ordinary numbers with bit 30 set.
const FIRST_UNKNOWN: u32 = 470;

/// The namespaces that `clone` may make: none.
const NAMESPACES: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u32;

/// Socket families that stay inside the sandbox's own network namespace.
const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Calls answered with `EPERM`.
const REFUSED: &[libc::c_long] = &[
    // namespaces and mounts
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // other processes' insides
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // keyrings are not divided by namespaces in all kernels
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // kernel surfaces with a history of escapes
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // the machine itself
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    // memory moved where the watch does not look
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_mbind,
    libc::SYS_set_mempolicy,
    libc::SYS_memfd_secret,
];

/// Calls that exist on x86-64 alone.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] =
    &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS_uselib, libc::SYS__sysctl];
#[cfg(target_arch = "aarch64")]
const REFUSED_HERE: &[libc::c_long] = &[];

/// Memory that belongs to no process and to no file system: refused where memory is counted by watching
/// processes, because it could not be counted.
const UNCOUNTABLE: &[libc::c_long] = &[libc::SYS_memfd_create, libc::SYS_shmget];

/// Installs the filter. `memory_is_watched` also refuses [`UNCOUNTABLE`].
pub(super) fn install(memory_is_watched: bool) -> io::Result<()> {
    sys::install_filter(&program(memory_is_watched)?)
}

fn program(memory_is_watched: bool) -> io::Result<Vec<Instruction>> {
    let mut program = vec![
        load(ARCHITECTURE),
        skip_unless(libc::BPF_JEQ, OURS, 1),
        skip(1),
        give(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
        skip_unless(libc::BPF_JGE, FIRST_UNKNOWN, 1),
        refuse(ENOSYS),
    ];
    let uncountable = if memory_is_watched { UNCOUNTABLE } else { &[] };
    for &call in REFUSED.iter().chain(REFUSED_HERE).chain(uncountable) {
        program.extend([skip_unless(libc::BPF_JEQ, number(call)?, 1), refuse(EPERM)]);
    }
    // `clone3` hides its flags behind a pointer that a filter cannot read; libraries fall back to `clone`.
    program.extend([skip_unless(libc::BPF_JEQ, number(libc::SYS_clone3)?, 1), refuse(ENOSYS)]);
    program.extend([
        skip_unless(libc::BPF_JEQ, number(libc::SYS_clone)?, 4),
        load(FIRST_ARGUMENT),
        skip_unless(libc::BPF_JSET, NAMESPACES, 1),
        refuse(EPERM),
        give(libc::SECCOMP_RET_ALLOW),
    ]);
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        let families = FAMILIES.len() as u8;
        program.extend([skip_unless(libc::BPF_JEQ, number(call)?, families * 2 + 2)]);
        program.push(load(FIRST_ARGUMENT));
        for family in FAMILIES {
            program.push(skip_unless(libc::BPF_JEQ, family.cast_unsigned(), 1));
            program.push(give(libc::SECCOMP_RET_ALLOW));
        }
        program.push(refuse(EAFNOSUPPORT));
    }
    program.push(give(libc::SECCOMP_RET_ALLOW));
    Ok(program)
}

fn number(call: libc::c_long) -> io::Result<u32> {
    u32::try_from(call).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Loads a 32-bit word of the call's description.
fn load(offset: u32) -> Instruction {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

/// Goes on if the test of the loaded word against `value` holds, else skips `count` instructions.
fn skip_unless(test: u32, value: u32, count: u8) -> Instruction {
    instruction(libc::BPF_JMP | test | libc::BPF_K, 0, count, value)
}

fn skip(count: u32) -> Instruction {
    instruction(libc::BPF_JMP | libc::BPF_JA, 0, 0, count)
}

fn give(answer: u32) -> Instruction {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, answer)
}

fn refuse(errno: u32) -> Instruction {
    give(libc::SECCOMP_RET_ERRNO | errno)
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code: code as u16, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer, by running the program as it does.
    fn answer(watched: bool, architecture: u32, number: u32, first_argument: u32) -> u32 {
        let program = program(watched).unwrap();
        let (mut at, mut loaded) = (0, 0);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            let code = u32::from(code);
            at += 1;
            let skip = |holds: bool| usize::from(if holds { jt } else { jf });
            match (code & 0x07, code & 0xf0) {
                (libc::BPF_LD, _) => {
                    loaded = match k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        FIRST_ARGUMENT => first_argument,
                        other => panic!("reads at {other}"),
                    }
                }
                (libc::BPF_RET, _) => return k,
                (_, libc::BPF_JA) => at += k as usize,
                (_, libc::BPF_JEQ) => at += skip(loaded == k),
                (_, libc::BPF_JGE) => at += skip(loaded >= k),
                (_, libc::BPF_JSET) => at += skip(loaded & k != 0),
                other => panic!("does {other:?}"),
            }
        }
    }

    #[test]
    fn calls_of_other_architectures_end_the_process() {
        const I386: u32 = 0x4000_0003;
        assert_eq!(answer(false, I386, 20, 0), libc::SECCOMP_RET_KILL_PROCESS);
        assert_eq!(answer(false, OURS, libc::SYS_getpid as u32, 0), libc::SECCOMP_RET_ALLOW);
    }

    #[test]
    fn unknown_and_x32_calls_do_not_exist() {
        let refused = libc::SECCOMP_RET_ERRNO | ENOSYS;
        let getpid = libc::SYS_getpid as u32;
        assert!([FIRST_UNKNOWN, 0x4000_0000 | getpid, u32::MAX].iter().all(|&n| answer(false, OURS, n, 0) == refused));
    }

    #[test]
    fn arguments_decide_where_they_must() {
        let (clone, socket) = (libc::SYS_clone as u32, libc::SYS_socket as u32);
        let (allowed, refused) = (libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_ERRNO | EPERM);
        let thread = (libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND) as u32;
        assert_eq!(answer(false, OURS, clone, thread), allowed);
        assert_eq!(answer(false, OURS, clone, libc::CLONE_NEWNS as u32), refused);
        assert_eq!(answer(false, OURS, clone, libc::CLONE_NEWUSER as u32), refused);
        let families = (0..64).filter(|&family| answer(false, OURS, socket, family) == allowed);
        assert_eq!(families.collect::<Vec<_>>(), [1, 2, 10, 16]);
        let memfd = libc::SYS_memfd_create as u32;
        assert_eq!((answer(false, OURS, memfd, 0), answer(true, OURS, memfd, 0)), (allowed, refused));
    }
}
