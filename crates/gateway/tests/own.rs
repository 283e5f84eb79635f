//! The cloud's own endpoints: what they cannot read they refuse.

use serde_json::{Value as Json, json};
use undercast_testkit::Client;

use crate::raw::{cloud, connect, request, rest, say};

async fn ask(client: &Client, method: &str, target: &str, body: &[u8]) -> (u16, String) {
    let (status, _, answer) = client.send(request("none", method, target, &[], body)).await;
    let answer: Json = serde_json::from_slice(&answer).unwrap();
    (status, answer["error"].as_str().map_or_else(|| answer.to_string(), ToOwned::to_owned))
}

#[tokio::test]
async fn a_body_that_is_not_json_is_not_an_empty_one() {
    let cloud = cloud().await;
    let client = cloud.client();
    for target in ["/_undercast/clock", "/_undercast/faults", "/_undercast/snapshots", "/_undercast/reset"] {
        let (status, error) = ask(&client, "POST", target, b"{\"name\": ").await;
        assert!(status == 400 && error.starts_with("the body is not JSON: "), "{target}: {status} {error}");
    }
    let (status, error) = ask(&client, "POST", "/_undercast/faults", &vec![b' '; (1 << 20) + 1]).await;
    assert_eq!((status, error.as_str()), (413, "the body is larger than 1048576 bytes"));
    let half = "POST /_undercast/faults HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"effect\"";
    let mut stream = connect(&cloud).await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, half.as_bytes()).await.unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("the body could not be read"), "{answer}");
    let nothing = "POST /_undercast/clock HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = say(&cloud, nothing).await;
    assert!(answer.contains("`action` must be freeze, resume, set or advance"), "{answer}");
}

#[tokio::test]
async fn a_query_that_is_not_readable_is_not_an_empty_one() {
    let cloud = cloud().await;
    let client = cloud.client();
    let rule = json!({"id": "one", "service": "sqs", "effect": "throttle"}).to_string();
    assert_eq!(ask(&client, "POST", "/_undercast/faults", rule.as_bytes()).await.0, 200);
    let (status, error) = ask(&client, "DELETE", "/_undercast/faults?id=%zz", b"").await;
    assert_eq!((status, error.as_str()), (400, "the query string is not readable"));
    let (status, error) = ask(&client, "GET", "/_undercast/events?count=many", b"").await;
    assert_eq!((status, error.as_str()), (400, "`count` must be a number of events"));
    let (_, rules) = ask(&client, "GET", "/_undercast/faults", b"").await;
    assert!(rules.contains("\"one\""), "the rule is still there: {rules}");
    let (status, error) = ask(&client, "PUT", "/_undercast/faults", b"").await;
    assert_eq!((status, error.as_str()), (404, "there is no PUT /_undercast/faults"));
}
