//! What a sandboxed program can see: what it was given.

use std::fs;

use tokio::process::Command;
use undercast_engines::sandbox::{Exit, Mount, launch};

use crate::setup::{finish, python, readable_dir, run, shell, spec};

#[tokio::test]
async fn the_environment_is_only_what_was_given() {
    let mut spec = spec(&["/usr/bin/env"]);
    spec.env = vec![("GIVEN".into(), "a value\nof two lines".into())];
    assert_eq!(run(spec).await.ok(), "GIVEN=a value\nof two lines\n");
}

#[tokio::test]
async fn standard_input_is_at_its_end_and_nothing_else_is_open() {
    let leaked = fs::File::open("/dev/zero").unwrap();
    // Descriptors of the host that forgot to close themselves at exec must not arrive either.
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let script = "import os, sys; print(repr(sys.stdin.read()), sorted(os.listdir('/proc/self/fd')))";
    // The fourth is the one that lists the directory.
    assert_eq!(run(python(script)).await.ok(), "'' ['0', '1', '2', '3']\n");
}

#[tokio::test]
async fn each_sandbox_has_its_own_tmp() {
    let first = launch(shell("echo mine > /tmp/file; ls /tmp; sleep 1; cat /tmp/file")).await.unwrap();
    let second = run(shell("sleep 0.3; ls -A /tmp /dev/shm; echo other > /tmp/file")).await.ok();
    assert_eq!(second, "/dev/shm:\n\n/tmp:\n");
    assert_eq!(finish(first).await.ok(), "file\nmine\n");
    assert!(!fs::exists("/tmp/file").unwrap());
}

#[tokio::test]
async fn the_hosts_files_are_not_there() {
    let data = readable_dir();
    fs::write(data.path().join("secret"), "the secret").unwrap();
    let path = data.path().join("secret");
    let script = format!(
        "ls -d /root /home /var /mnt /work /sys /boot /etc/shadow /etc/ssh /dev/vda /dev/tty 2>/dev/null; \
         cat {} 2>&1; wc -l < /etc/passwd; mount | grep -c ' /proc '; cat /etc/hostname",
        path.display()
    );
    let seen = run(shell(&script)).await.ok();
    let expected = format!("cat: {}: No such file or directory\n2\n1\nsandbox\n", path.display());
    assert_eq!(seen, expected);

    let mut shown = shell(&format!("cat {}", path.display()));
    shown.mounts.push(Mount { host: path.clone(), inside: path });
    assert_eq!(run(shown).await.ok(), "the secret", "shown when it is mounted");
}

#[tokio::test]
async fn nothing_but_tmp_and_shm_can_be_written() {
    let code = readable_dir();
    fs::write(code.path().join("code.py"), "print(1)").unwrap();
    let script = r"
import errno, os
for path in ['/var/task/new', '/var/task/code.py', '/usr/new', '/new', '/etc/hosts', '/dev/new', '/dev/null/x',
             '/proc/sys/kernel/core_pattern', '/proc/self/uid_map', '/var/new', '/tmp/new', '/dev/shm/new', '/dev/null']:
    try:
        open(path, 'w').write('x')
        print(path, 'written')
    except OSError as error:
        print(path, errno.errorcode[error.errno])
for call in [lambda: os.rename('/var/task/code.py', '/tmp/code.py'), lambda: os.unlink('/var/task/code.py'),
             lambda: os.chmod('/var/task/code.py', 0o777)]:
    try:
        call()
        print('done')
    except OSError as error:
        print(errno.errorcode[error.errno])
";
    let mut spec = python(script).code(code.path(), "/var/task");
    spec.working_dir = "/tmp".into();
    let expected = "/var/task/new EROFS\n/var/task/code.py EROFS\n/usr/new EROFS\n/new EROFS\n\
        /etc/hosts EROFS\n/dev/new EROFS\n/dev/null/x ENOTDIR\n/proc/sys/kernel/core_pattern EROFS\n\
        /proc/self/uid_map EROFS\n/var/new EROFS\n/tmp/new written\n/dev/shm/new written\n\
        /dev/null written\nEXDEV\nEROFS\nEROFS\n";
    assert_eq!(run(spec).await.ok(), expected);
    assert_eq!(fs::read_to_string(code.path().join("code.py")).unwrap(), "print(1)");
}

#[tokio::test]
async fn the_hosts_processes_are_not_there() {
    let host = Command::new("sleep").arg("98765").kill_on_drop(true).spawn().unwrap();
    let script = format!(
        "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; ls -d /proc/[0-9]* > /tmp/list; wc -l < /tmp/list; kill -0 {} 2>&1",
        host.id().unwrap()
    );
    let output = run(shell(&script)).await;
    drop(host);
    assert_eq!(output.ending.exit, Exit::Code(1), "{output:?}");
    assert!(output.stdout.contains("sandbox-init"), "it sees its own process 1: {output:?}");
    assert!(!output.stdout.contains("98765"), "{output:?}");
    assert!(output.stdout.contains("No such process"), "{output:?}");
    // Process 1 and the shell, which lists them itself.
    assert!(output.stdout.contains(" 2\n"), "{output:?}");
}

#[tokio::test]
async fn every_namespace_is_its_own() {
    let kinds = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];
    let script = format!("cd /proc/self/ns; for kind in {}; do readlink $kind; done", kinds.join(" "));
    let inside = run(shell(&script)).await.ok();
    for (kind, inside) in kinds.iter().zip(inside.lines()) {
        let outside = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert!(inside.starts_with(kind), "{inside}");
        assert_ne!(inside, outside.to_str().unwrap());
    }
    assert_eq!(inside.lines().count(), kinds.len());
}

#[tokio::test]
async fn user_names_and_files_are_those_of_the_specification() {
    let mut spec = shell("id; hostname; pwd; cat /opt/given/file; getent hosts made.up; echo by-name > /dev/stdout");
    spec.user.id = 993;
    spec.user.name = "someone".into();
    spec.host_name = "a-name".into();
    spec.working_dir = "/opt/given".into();
    spec.files.push(("/opt/given/file".into(), b"made up\n".to_vec()));
    spec.hosts.push((std::net::IpAddr::from([127, 0, 0, 1]), "made.up".into()));
    let expected = "uid=993(someone) gid=993(someone) groups=993(someone)\na-name\n/opt/given\n\
        made up\n127.0.0.1       made.up\nby-name\n";
    let output = run(spec).await.ok();
    // Without root the caller's further groups cannot be given up, and show as those of nobody.
    assert_eq!(output.replace(",65534", ""), expected);
}

#[tokio::test]
async fn mounts_can_be_files_and_lie_within_each_other() {
    let (outer, inner) = (readable_dir(), readable_dir());
    fs::create_dir(outer.path().join("layer")).unwrap();
    fs::write(outer.path().join("a"), "outer ").unwrap();
    fs::write(inner.path().join("b"), "inner ").unwrap();
    let mut spec = shell("cat /opt/a /opt/layer/b /somewhere/else.txt");
    let mount = |host: std::path::PathBuf, inside: &str| Mount { host, inside: inside.into() };
    spec.mounts = vec![
        mount(inner.path().into(), "/opt/layer"),
        mount(outer.path().into(), "/opt"),
        mount(inner.path().join("b"), "/somewhere/else.txt"),
    ];
    assert_eq!(run(spec).await.ok(), "outer inner inner ");
}
