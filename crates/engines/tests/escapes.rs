//! Attempts to get out, each of which must be refused with the errno that its wall gives.

use crate::setup::{python, run};

/// Tries system calls by number and prints what they answer.
const CALLS: &str = r"
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    print(name, errno.errorcode.get(ctypes.get_errno(), 'OK') if result == -1 else 'ALLOWED')
call('mount', 165, b'none', b'/tmp', b'tmpfs', 0, b'')
call('umount', 166, b'/proc', 2)
call('pivot_root', 155, b'/', b'/tmp')
call('chroot', 161, b'/tmp')
call('unshare user', 272, 0x10000000)
call('unshare net', 272, 0x40000000)
call('clone user', 56, 0x10000000 | 17, 0, 0, 0, 0)
call('clone3', 435, 0, 0)
call('setns', 308, 0, 0)
call('ptrace me', 101, 0, 0, 0, 0)
call('ptrace 1', 101, 16, 1, 0, 0)
call('read 1', 310, 1, 0, 0, 0, 0, 0)
call('bpf', 321, 0, 0, 0)
call('keyctl', 250, 0, -3, 0)
call('add_key', 248, b'user', b'x', b'y', 1, -4)
call('io_uring', 425, 8, 0)
call('userfaultfd', 323, 0)
call('perf', 298, 0, 0, -1, -1, 0)
call('handle', 304, -100, 0, 0)
call('module', 313, 0, b'', 0)
call('kexec', 246, 0, 0, 0, 0)
call('reboot', 169, 0, 0, 0, 0)
call('hostname', 170, b'x', 1)
call('settime', 227, 0, 0)
call('mknod', 133, b'/tmp/disk', 0o60600, 0xfe00)
call('setuid', 105, 0)
call('setgid', 106, 0)
call('setgroups', 116, 0, 0)
call('x32 getpid', 0x40000000 | 39)
call('from the future', 4000)
call('kill outside', 62, 1, 0)
call('getpid', 39)
";

#[tokio::test]
#[cfg(target_arch = "x86_64")]
async fn system_calls_that_lead_out_are_refused() {
    // The ids that are not mapped do not even exist: EINVAL.
    let refused = "mount EPERM\numount EPERM\npivot_root EPERM\nchroot EPERM\nunshare user EPERM\n\
        unshare net EPERM\nclone user EPERM\nclone3 ENOSYS\nsetns EPERM\nptrace me EPERM\nptrace 1 EPERM\n\
        read 1 EPERM\nbpf EPERM\nkeyctl EPERM\nadd_key EPERM\nio_uring EPERM\nuserfaultfd EPERM\nperf EPERM\n\
        handle EPERM\nmodule EPERM\nkexec EPERM\nreboot EPERM\nhostname EPERM\nsettime EPERM\nmknod EPERM\n\
        setuid EINVAL\nsetgid EINVAL\nsetgroups EPERM\nx32 getpid ENOSYS\nfrom the future ENOSYS\n\
        kill outside ALLOWED\ngetpid ALLOWED\n";
    assert_eq!(run(python(CALLS)).await.ok(), refused);
}

#[tokio::test]
async fn user_0_inside_is_nobody_special() {
    let mut spec = python(CALLS);
    spec.user.id = 0;
    let output = run(spec).await.ok();
    for line in ["mount EPERM", "chroot EPERM", "mknod EPERM", "hostname EPERM", "unshare user EPERM"] {
        assert!(output.lines().any(|have| have == line), "{line}: {output}");
    }
    let mut status = python("print(open('/proc/self/status').read())");
    status.user.id = 0;
    let status = run(status).await.ok();
    assert!(status.contains("CapEff:\t0000000000000000") && status.contains("CapBnd:\t0000000000000000"), "{status}");
}

#[tokio::test]
async fn nothing_can_be_gained_back() {
    let script = r"
for line in open('/proc/self/status'):
    name, value = line.split(':')
    if name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp'):
        print(name, int(value, 16))
";
    let expected = "CapInh 0\nCapPrm 0\nCapEff 0\nCapBnd 0\nCapAmb 0\nNoNewPrivs 1\nSeccomp 2\n";
    assert_eq!(run(python(script)).await.ok(), expected);
}

#[tokio::test]
async fn process_1_cannot_be_looked_into() {
    let script = r"
import errno, os
for name in ['mem', 'environ', 'maps', 'root', 'cwd', 'exe', 'fd', 'fd/3']:
    path = '/proc/1/' + name
    try:
        print(name, os.readlink(path) if name in ('root', 'cwd', 'exe', 'fd/3') else os.listdir(path) if name == 'fd' else open(path, 'rb').read(1))
    except OSError as error:
        print(name, errno.errorcode[error.errno])
";
    let expected =
        "mem EACCES\nenviron EACCES\nmaps EACCES\nroot EACCES\ncwd EACCES\nexe EACCES\nfd EACCES\nfd/3 EACCES\n";
    assert_eq!(run(python(script)).await.ok(), expected);
}

#[tokio::test]
async fn killing_process_1_from_inside_does_nothing() {
    let script = "import os, signal, time\nfor s in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP, signal.SIGUSR1, signal.SIGSEGV):\n os.kill(1, s)\ntime.sleep(0.1)\nprint('still here')";
    assert_eq!(run(python(script)).await.ok(), "still here\n");
}
