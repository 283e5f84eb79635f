//! Server programs under supervision.

use std::fs;
use std::time::Duration;

use undercast_engines::server::{Engine, Health, ProcessEngine, ServerError};

use crate::setup::{POLITE, readable_dir, server};

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
