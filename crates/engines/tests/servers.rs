//! Server programs under supervision.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use undercast_engines::server::{Engine, Health, ProcessEngine, Server, ServerError};

use crate::setup::{eventually, family, helper, is_alive, readable_dir};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn server(dir: &Path, script: &str) -> Server {
    let port = free_port();
    let data_dir = dir.join("data");
    let command = ["/usr/bin/python3", "-I", "-c", script, &port.to_string(), data_dir.to_str().unwrap()];
    Server {
        keeper: helper(),
        command: command.map(Into::into).to_vec(),
        provision: None,
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        data_dir,
        log: dir.join("log"),
        user: None,
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        start_patience: Duration::from_secs(10),
        stop_patience: Duration::from_secs(5),
    }
}

/// Accepts, and tells when it is asked to stop.
const POLITE: &str = r"
import signal, socket, sys
def stop(*_):
    print('stopping in order', flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
print('started', flush=True)
while True:
    s.accept()[0].close()
";

#[tokio::test]
async fn a_server_is_provisioned_started_stopped_and_destroyed() {
    let dir = readable_dir();
    let mut server = server(dir.path(), POLITE);
    let made = server.data_dir.join("made");
    let script = format!("echo once >> {}", made.display());
    server.provision = Some(["sh", "-c", &script].map(Into::into).to_vec());
    let mut engine = ProcessEngine::new(server.clone());
    engine.provision().await.unwrap();
    engine.provision().await.unwrap();
    assert_eq!(fs::read_to_string(&made).unwrap(), "once\n", "an existing directory is left alone");
    assert_eq!(engine.health().await, Health::Stopped);
    engine.start().await.unwrap();
    assert_eq!(engine.health().await, Health::Answers);
    engine.stop().await.unwrap();
    assert_eq!(engine.health().await, Health::Stopped);
    assert_eq!(engine.log().unwrap(), b"started\nstopping in order\n");
    assert!(std::net::TcpStream::connect(server.address).is_err());
    engine.start().await.unwrap();
    engine.destroy().await.unwrap();
    assert!(!server.data_dir.exists());
    assert!(std::net::TcpStream::connect(server.address).is_err());
}

#[tokio::test]
async fn a_server_that_fails_is_told_with_its_log() {
    let dir = readable_dir();
    let mut failing = ProcessEngine::new(server(dir.path(), "raise SystemExit('no disk')"));
    let error = failing.start().await.unwrap_err();
    assert!(
        matches!(&error, ServerError::Ended { status, log, .. } if status.code() == Some(1) && log == "no disk"),
        "{error:?}"
    );
    let mut mute = server(dir.path(), "import time; time.sleep(100)");
    mute.start_patience = Duration::from_millis(300);
    let error = ProcessEngine::new(mute).start().await.unwrap_err();
    assert!(matches!(error, ServerError::Mute { .. }), "{error:?}");
    let mut absent = server(dir.path(), "");
    absent.command = vec!["/no/such/server".into()];
    let error = ProcessEngine::new(absent).start().await.unwrap_err();
    assert!(matches!(&error, ServerError::Ended { log, .. } if log.contains("/no/such/server")), "{error:?}");
}

#[tokio::test]
async fn a_server_that_does_not_listen_is_killed() {
    let dir = readable_dir();
    let deaf = POLITE.replace("sys.exit(0)", "pass");
    let mut server = server(dir.path(), &deaf);
    server.stop_patience = Duration::from_millis(200);
    let mut engine = ProcessEngine::new(server);
    engine.start().await.unwrap();
    engine.stop().await.unwrap();
    assert_eq!(engine.log().unwrap(), b"started\nstopping in order\n");
    assert_eq!(engine.health().await, Health::Stopped);
}

/// Not a test: the host process that the next test kills.
#[tokio::test]
#[ignore = "a part that another test plays"]
async fn host_to_be_killed() {
    let dir = TempDir::new().unwrap();
    let mut engine = ProcessEngine::new(server(dir.path(), POLITE));
    engine.start().await.unwrap();
    println!("log {}", dir.path().join("log").display());
    std::future::pending::<()>().await;
}

#[test]
fn a_host_killed_hard_stops_its_servers_in_order() {
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "servers::host_to_be_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let log = lines.find_map(|line| Some(line.unwrap().split_once("log ")?.1.to_owned())).unwrap();
    let all = family(host.id());
    assert_eq!(all.len(), 3, "host, keeper and server");
    host.kill().unwrap();
    host.wait().unwrap();
    eventually("all end", || !all.iter().any(|&pid| is_alive(pid)));
    assert_eq!(fs::read_to_string(&log).unwrap(), "started\nstopping in order\n");
    fs::remove_dir_all(Path::new(&log).parent().unwrap()).unwrap();
}
