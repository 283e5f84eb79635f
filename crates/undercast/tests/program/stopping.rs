//! The program told to stop: what is in flight is finished, and who only holds a connection holds nobody up.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use undercast_testkit::Folder;

use crate::cloud::Cloud;

/// Connects, and says this much.
fn connect(port: u16, said: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(said).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_what_is_in_flight_and_for_nobody_else() {
    let home = Folder::new();
    let mut cloud = Cloud::start(&home.0, &["--ephemeral"]);
    let url = cloud.queue("q").await;
    let silent = connect(cloud.port, b"");
    // The beginning of a TLS handshake.
    let hesitant = connect(cloud.port, &[22, 3, 1]);
    let mut served = connect(cloud.port, b"GET /_undercast/health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(served.read(&mut [0; 4096]).unwrap() > 0);
    let client = cloud.client.clone();
    let poll = tokio::spawn(async move {
        let input = json!({"QueueUrl": url, "WaitTimeSeconds": 4});
        client.try_call("sqs", "ReceiveMessage", input).await
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told = Instant::now();
    cloud.ok(&["down"]);
    for mut stream in [silent, hesitant, served] {
        let ended = stream.read_to_end(&mut Vec::new()).map_err(|e| e.kind());
        assert!(matches!(ended, Ok(_) | Err(std::io::ErrorKind::ConnectionReset)), "{ended:?}");
        assert!(told.elapsed() < Duration::from_secs(2), "whoever asked for nothing is let go at once");
    }
    assert!(!poll.is_finished(), "the poll is still in flight");
    let answer = poll.await.unwrap().expect("the poll is answered");
    assert_eq!(answer.status, 200, "{}", answer.json);
    let status = cloud.ended(Duration::from_secs(3));
    assert!(status.success(), "{status}");
}
