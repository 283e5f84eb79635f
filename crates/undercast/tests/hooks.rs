//! Init scripts are run at their moments, and find the cloud.

use std::process::{Command, Stdio};
use std::time::Duration;

use undercast_testkit::Folder;

#[test]
fn scripts_are_run_at_their_moments() {
    let folder = Folder::new();
    let told = folder.0.join("told");
    let tell = |line: &str| format!("echo {line} >> '{}'\n", told.display());
    // Every door of several is open when `ready.d` is run.
    let calls = r#"python3 -c 'import os, urllib.request as r; print(r.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/_undercast/health").status)'"#;
    let ready = format!("{calls} >> '{}'\n", told.display());
    let files = [
        ("boot.d/1.sh", tell("boot")),
        ("start.d/1.sh", tell("start")),
        ("ready.d/1-fails.sh", "exit 3\n".to_owned()),
        ("ready.d/2.sh", ready),
        ("ready.d/notes.txt", "not a script\n".to_owned()),
        ("ready.d/more/3.sh", tell("ready")),
        ("shutdown.d/1.sh", tell("shutdown")),
    ];
    for (name, text) in files {
        let path = folder.0.join("init").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let port = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (first, second) = (port(), port());
    let mut up = Command::new(env!("CARGO_BIN_EXE_undercast"));
    up.args([
        "up",
        "--ephemeral",
        "--log",
        "off",
        "--listen",
        &format!("127.0.0.1:{first},127.0.0.1:{second}"),
        "--init",
    ]);
    let mut cloud = up.arg(folder.0.join("init")).stdin(Stdio::null()).spawn().unwrap();
    let said = || std::fs::read_to_string(&told).unwrap_or_default();
    for _ in 0..2_000 {
        if said().ends_with("ready\n") {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let endpoint = format!("http://127.0.0.1:{second}");
    let down = Command::new(env!("CARGO_BIN_EXE_undercast")).args(["--endpoint", &endpoint, "down"]).output().unwrap();
    if !down.status.success() {
        cloud.kill().unwrap();
    }
    assert!(cloud.wait().unwrap().success(), "{down:?}");
    assert_eq!(said(), "boot\nstart\n200\nready\nshutdown\n");
}
