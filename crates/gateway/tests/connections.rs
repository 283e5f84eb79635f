//! Connections that do not keep to HTTP: too much, too slow, half of it, or two things at once.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use undercast_testkit::Cloud;

use crate::raw::{cloud, connect, queues, rest, say};

/// A signature of a key that was not issued here, for SQS.
const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=00\r\nX-Amz-Date: 20260101T000000Z\r\n";

/// The head of a call that makes a queue, with these headers.
fn head(headers: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AmazonSQS.CreateQueue\r\nContent-Type: application/x-amz-json-1.0\r\n{SIGNED}{headers}\r\n"
    )
}

/// A whole call that makes a queue.
fn create(name: &str) -> String {
    let body = json!({"QueueName": name}).to_string();
    format!("{}{body}", head(&format!("Content-Length: {}\r\n", body.len())))
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.match_indices("HTTP/1.1 ").map(|(at, found)| &answers[at + found.len()..][..3]).collect()
}

async fn assert_made(cloud: &Cloud, names: &[&str]) {
    assert_eq!(queues(&cloud.client()).await, names);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let cloud = cloud().await;
    for headers in [
        format!("X-Large: {}\r\n", "x".repeat(20_000)),
        (0..200).map(|n| format!("X-{n}: {n}\r\n")).collect(),
        format!("{}: x\r\n", "X".repeat(20_000)),
    ] {
        assert_eq!(statuses(&say(&cloud, head(&headers)).await), ["431"], "{}", &headers[..20]);
    }
    let line = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(70_000));
    let answer = say(&cloud, line).await;
    assert!(matches!(statuses(&answer)[..], ["414" | "431"]), "{answer}");
    assert_made(&cloud, &[]).await;
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let cloud = cloud().await;
    for text in [
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "GET /\u{0} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "G{T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: local\u{0}host\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n",
    ] {
        assert_eq!(statuses(&say(&cloud, text).await), ["400"], "{text:?}");
    }
    // The beginnings of TLS and of HTTP/2, and then nothing of the kind.
    for text in [&b"\x16\x03\x01\x00\x05hello"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nno frames at all"] {
        let answer = say(&cloud, text).await;
        assert!(!answer.contains("HTTP/1.1"), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_half_said_is_not_done() {
    let cloud = cloud().await;
    let client = cloud.client();
    client.call("s3", "CreateBucket", json!({"Bucket": "bucket"})).await.ok();
    let put = "PUT /bucket/half HTTP/1.1\r\nHost: s3.localhost\r\n";
    let signed = SIGNED.replace("/sqs/", "/s3/");
    let whole = create("half");
    for text in [
        whole[..100].to_owned(),
        whole[..whole.len() - 1].to_owned(),
        format!("{}5\r\n{{\"Que", head("Transfer-Encoding: chunked\r\n")),
        format!("{}10\r\n{{\"QueueName\":\"h\"}}\r\n", head("Transfer-Encoding: chunked\r\n")),
        format!("{put}{signed}Content-Length: 100\r\n\r\nhalf of it"),
        format!("{put}{signed}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    ] {
        let mut stream = connect(&cloud).await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(statuses(&answer).iter().all(|s| s.starts_with('4')), "{text}: {answer}");
    }
    assert_made(&cloud, &[]).await;
    let there = client.call("s3", "HeadObject", json!({"Bucket": "bucket", "Key": "half"})).await;
    assert_eq!(there.status, 404);
}

/// Heads that two programs could understand in two ways: each is answered once, and what stands behind it is no request.
#[tokio::test]
async fn a_request_is_not_smuggled_behind_another() {
    let cloud = cloud().await;
    let smuggled = create("smuggled");
    let chunked = format!("0\r\n\r\n{smuggled}");
    for (headers, body) in [
        ("Content-Length: 5\r\nContent-Length: 6\r\n", &smuggled),
        ("Content-Length: 0, 0\r\n", &smuggled),
        ("Content-Length: +0\r\n", &smuggled),
        ("Content-Length: -1\r\n", &smuggled),
        ("Content-Length: 0x0\r\n", &smuggled),
        ("Content-Length: 99999999999999999999999\r\n", &smuggled),
        ("Content-Length : 0\r\n", &smuggled),
        ("Transfer-Encoding: identity\r\n", &chunked),
        ("Transfer-Encoding: xchunked\r\n", &chunked),
        ("Transfer-Encoding: chunked, identity\r\n", &chunked),
        ("Transfer-Encoding : chunked\r\n", &chunked),
        ("Transfer-Encoding:\r\n chunked\r\n", &chunked),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", &chunked),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", &chunked),
        ("Transfer-Encoding: chunked\r\n", &format!("0;\n\r\n{smuggled}")),
        ("Transfer-Encoding: chunked\r\n", &format!("0x0\r\n\r\n{smuggled}")),
        ("Transfer-Encoding: chunked\r\n", &format!("-1\r\n\r\n{smuggled}")),
        ("Transfer-Encoding: chunked\r\n", &format!("fffffffffffffffff\r\n\r\n{smuggled}")),
    ] {
        let answers = say(&cloud, format!("{}{body}", head(headers))).await;
        assert!(matches!(statuses(&answers)[..], ["400"]), "{headers:?} {:?}: {answers}", &body[..10]);
    }
    let old = format!("POST / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}");
    assert_eq!(statuses(&say(&cloud, old).await), ["400"]);
    assert_made(&cloud, &[]).await;
    // Two requests that are plainly two are two.
    let closing = create("two").replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let answers = say(&cloud, format!("{}{closing}", create("one"))).await;
    assert_eq!(statuses(&answers), ["200", "200"]);
    assert_made(&cloud, &["one", "two"]).await;
}

#[tokio::test]
async fn a_request_is_for_one_host() {
    let cloud = cloud().await;
    for text in [
        "GET /_undercast/health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        "GET http://evil.example/_undercast/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let answer = say(&cloud, text.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(statuses(&answer), ["400"], "{text}: {answer}");
    }
    for text in [
        "GET /_undercast/health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        "GET /_undercast/health HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET http://evil.example/_undercast/health HTTP/1.1\r\nConnection: close\r\n\r\n",
    ] {
        assert_eq!(statuses(&say(&cloud, text).await), ["403"], "{text}");
    }
    let same = "GET http://localhost/_undercast/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&say(&cloud, same).await), ["200"]);
}

/// Each of these holds a connection for twenty seconds, and no longer; meanwhile others are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_let_go() {
    let cloud = cloud().await;
    let began = Instant::now();
    let mut silent = connect(&cloud).await;
    let mut hesitant = connect(&cloud).await;
    hesitant.write_all(&[22, 3, 1]).await.unwrap();
    // HTTP/2 that begins well, and then does not even answer a ping.
    let mut absent = connect(&cloud).await;
    absent.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut idle = connect(&cloud).await;
    idle.write_all(b"GET /_undercast/health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 64]).await.unwrap() > 0);
    let mut trickling = connect(&cloud).await;
    let trickle = async {
        for byte in head("").bytes() {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if trickling.write_all(&[byte]).await.is_err() {
                break;
            }
            let mut said = [0; 64];
            let heard = tokio::time::timeout(Duration::from_millis(1), trickling.read(&mut said)).await;
            if matches!(heard, Ok(Ok(0) | Err(_))) {
                break;
            }
        }
        began.elapsed()
    };
    let until_end = async |stream: &mut tokio::net::TcpStream| {
        // Whatever it ends with, it ends.
        let _ = stream.read_to_end(&mut Vec::new()).await;
        began.elapsed()
    };
    let all = async {
        tokio::join!(
            until_end(&mut silent),
            until_end(&mut hesitant),
            until_end(&mut absent),
            until_end(&mut idle),
            trickle
        )
    };
    let served = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_made(&cloud, &[]).await;
    };
    let limit = Duration::from_secs(60);
    let (ended, ()) = tokio::join!(async { tokio::time::timeout(limit, all).await.expect("all are let go") }, served);
    for took in [ended.0, ended.1, ended.2, ended.3, ended.4] {
        let patience = Duration::from_secs(19)..Duration::from_secs(45);
        assert!(patience.contains(&took), "{ended:?}");
    }
}

#[tokio::test]
async fn whoever_is_refused_before_all_is_sent_is_told_that_the_connection_ends() {
    let cloud = cloud().await;
    let signed = format!("{}X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\n", SIGNED.replace("/sqs/", "/s3/"));
    let put = |headers: &str| format!("PUT /no-such-bucket/key HTTP/1.1\r\nHost: localhost\r\n{signed}{headers}\r\n");
    let mut stream = connect(&cloud).await;
    stream.write_all(put("Content-Length: 5\r\nExpect: 100-continue\r\n").as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 404") && answer.contains("connection: close\r\n"), "{answer}");
    // What has come whole is read whole, and the connection serves on.
    let whole = create("first");
    let answers =
        say(&cloud, format!("{whole}{}", create("second").replace("Host:", "Connection: close\r\nHost:"))).await;
    assert_eq!(statuses(&answers), ["200", "200"]);
    assert_eq!(answers.to_lowercase().matches("connection: close").count(), 1, "{answers}");
}
