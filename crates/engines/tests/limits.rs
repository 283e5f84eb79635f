//! Limits hold for all processes of a sandbox together.

use undercast_engines::sandbox::{Exit, Limits, SandboxSpec, State, doctor, launch};

use crate::setup::{MEBIBYTE, finish, helper, is_root, python, run};

fn with_memory(mebibytes: u64, script: &str) -> SandboxSpec {
    let mut spec = python(script);
    spec.memory_bytes = mebibytes * MEBIBYTE;
    spec
}

#[tokio::test]
async fn a_memory_hog_is_ended_and_told_from_others() {
    let modest = "data = b'x' * (70 << 20); print(len(data))";
    assert_eq!(run(with_memory(128, modest)).await.ok(), "73400320\n");
    let hog = "data = []\nwhile True: data.append(b'x' * (1 << 20))";
    assert_eq!(run(with_memory(128, hog)).await.ending.exit, Exit::OutOfMemory);
    let mut exact = with_memory(64, hog);
    exact.tmp_bytes = 0;
    assert_eq!(run(exact).await.ending.exit, Exit::OutOfMemory);
}

const FAMILY: &str = r"
import os, sys, time
for _ in range(4):
    if os.fork() == 0:
        data = b'x' * (int(sys.argv[1]) << 20)
        time.sleep(1)
        os._exit(0)
for _ in range(4):
    os.wait()
print('all done')
";

#[tokio::test]
async fn memory_is_counted_over_all_processes() {
    let mut each = with_memory(200, FAMILY);
    each.command.push("20".into());
    assert_eq!(run(each).await.ok(), "all done\n");
    let mut each = with_memory(200, FAMILY);
    each.command.push("80".into());
    assert_eq!(run(each).await.ending.exit, Exit::OutOfMemory, "four times 80 MiB are over 200");
}

#[tokio::test]
async fn memory_shared_after_fork_counts_once() {
    let script = r"
import os, time
data = b'x' * (60 << 20)
for _ in range(4):
    if os.fork() == 0:
        time.sleep(0.5)
        os._exit(0)
for _ in range(4):
    os.wait()
print('all done')
";
    assert_eq!(run(with_memory(150, script)).await.ok(), "all done\n");
}

#[tokio::test]
async fn shared_and_hidden_memory_counts() {
    let shared = "import mmap, time\nm = mmap.mmap(-1, 200 << 20)\nm.write(b'x' * (200 << 20))\ntime.sleep(2)";
    assert_eq!(run(with_memory(128, shared)).await.ending.exit, Exit::OutOfMemory);
    // A file in memory that is neither mapped nor in /tmp: refused where only processes are watched.
    let hidden = "import os\nf = os.memfd_create('x')\nfor _ in range(200): os.write(f, b'x' * (1 << 20))\n\
        import time; time.sleep(2)";
    let output = run(with_memory(128, hidden)).await;
    let refused = output.stderr.contains("PermissionError");
    assert!(output.ending.exit == Exit::OutOfMemory || refused, "{output:?}");
}

#[tokio::test]
async fn what_lies_in_tmp_is_storage_and_not_memory() {
    let script = "with open('/tmp/big', 'wb') as f:\n for _ in range(300): f.write(b'x' * (1 << 20))\n\
        import os, time; time.sleep(0.2); print(os.path.getsize('/tmp/big'))";
    assert_eq!(run(with_memory(128, script)).await.ok(), "314572800\n");
}

#[tokio::test]
async fn tmp_has_its_size() {
    let script = r"
import errno
written = 0
try:
    with open('/tmp/big', 'wb', buffering=0) as f:
        while True:
            written += f.write(b'x' * 65536)
except OSError as error:
    print(errno.errorcode[error.errno], written >> 20)
";
    let mut spec = python(script);
    spec.tmp_bytes = 8 * MEBIBYTE;
    assert_eq!(run(spec).await.ok(), "ENOSPC 8\n");
    let many = "n = 0\ntry:\n  while n < 100000:\n    open(f'/tmp/{n}', 'w').close(); n += 1\nexcept OSError: pass\nprint(n < 5000)";
    let mut spec = python(many);
    spec.tmp_bytes = 8 * MEBIBYTE;
    assert_eq!(run(spec).await.ok(), "True\n", "empty files have a limit as well");
}

#[tokio::test]
async fn a_fork_bomb_stops_at_the_limit() {
    let script = r"
import os, time
made = 0
try:
    while made < 500:
        if os.fork() == 0:
            time.sleep(100)
            os._exit(0)
        made += 1
except OSError as error:
    print(made, error.errno)
";
    let mut spec = python(script);
    spec.max_processes = 20;
    // The program itself is the twentieth.
    assert_eq!(run(spec).await.ok(), "19 11\n");
}

#[tokio::test]
async fn open_files_have_a_limit() {
    let script = "f = []\ntry:\n  while True: f.append(open('/dev/null'))\nexcept OSError as e: print(e.errno, len(f))";
    let mut spec = python(script);
    spec.max_open_files = 50;
    assert_eq!(run(spec).await.ok(), "24 47\n");
}

#[tokio::test]
async fn the_peak_is_that_of_the_program() {
    let script = "data = b'x' * (50 << 20); print('up', flush=True); import time; time.sleep(0.3)";
    let mut running = launch(python(script)).await.unwrap();
    let mut first = [0; 3];
    let mut out = running.take_stdout().unwrap();
    tokio::io::AsyncReadExt::read_exact(&mut out, &mut first).await.unwrap();
    let living = running.peak_memory_bytes().await.unwrap() / MEBIBYTE;
    assert!((50..80).contains(&living), "{living} MiB");
    let ended = running.wait().await.unwrap().peak_memory_bytes / MEBIBYTE;
    assert!((50..80).contains(&ended), "{ended} MiB");
    let small = finish(launch(python("pass")).await.unwrap()).await.ending.peak_memory_bytes;
    assert!((1..30).contains(&(small / MEBIBYTE)), "{small}");
}

#[tokio::test]
async fn the_doctor_tells_what_is_so() {
    let findings = doctor(Some(helper())).await;
    let state = |subject| findings.iter().find(|finding| finding.subject == subject).unwrap().state;
    assert_eq!(state("isolation"), State::Works, "{findings:?}");
    let limits = launch(python("pass")).await.unwrap().limits();
    assert_eq!(limits, Limits::of_this_machine());
    let expected = if limits == Limits::Watched { State::Limited } else { State::Works };
    assert_eq!(state("limits"), expected);
    println!("limits here, root {}: {limits:?}", is_root());

    let broken = doctor(Some("/bin/true".into())).await;
    assert_eq!(broken[0].state, State::Missing, "{broken:?}");
}
