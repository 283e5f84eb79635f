//! HTTP endpoints: confirmations, notifications, signatures, retries by the clock.

use std::sync::Mutex;

use super::*;
use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use undercast_kernel::wire::text;

/// What an endpoint was sent.
#[derive(Debug, Clone)]
struct Got {
    headers: String,
    body: String,
}

impl Got {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().filter_map(|l| l.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }
}

/// An endpoint that answers with one status after the other, and with 200 when there are no more.
struct Endpoint {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Endpoint {
    #[expect(clippy::disallowed_methods, reason = "it is no part of the cloud")]
    async fn new(statuses: &[&str]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}/in?x=1", listener.local_addr().unwrap().port());
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let (kept, mut statuses) =
            (got.clone(), statuses.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>().into_iter());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut all = Vec::new();
                let mut buffer = [0; 4096];
                loop {
                    let text = String::from_utf8_lossy(&all).into_owned();
                    if let Some((head, body)) = text.split_once("\r\n\r\n") {
                        let got = Got { headers: head.to_owned(), body: body.to_owned() };
                        if body.len() >= got.header("content-length").unwrap().parse().unwrap() {
                            kept.lock().unwrap().push(got);
                            break;
                        }
                    }
                    match stream.read(&mut buffer).await {
                        Ok(n) if n > 0 => all.extend_from_slice(&buffer[..n]),
                        _ => break,
                    }
                }
                let status = statuses.next().unwrap_or_else(|| "200 OK".to_owned());
                drop(stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok").as_bytes()).await);
            }
        });
        Self { url, got }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    async fn nth(&self, n: usize) -> Got {
        until("the endpoint is called", async || self.got().len() > n).await;
        self.got()[n].clone()
    }
}

/// Follows a link, as a person or a program does: nobody signs it.
async fn follow(url: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let address = host.replace("localhost", "127.0.0.1");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// Checks a signature as the SDKs do: with the certificate at the place that the message names.
async fn verify(message: &Json, names: &[&str]) {
    let url = message["SigningCertURL"].as_str().unwrap();
    assert!(url.starts_with("https://") && url.ends_with(".pem"), "{url}");
    let (status, pem) = follow(&url.replace("https://", "http://")).await;
    assert_eq!(status, 200, "{pem}");
    let lines: String = pem.lines().filter(|l| !l.starts_with("-----")).map(str::trim).collect();
    let der = text::unbase64(&lines).unwrap();
    // The key stands in the certificate as PKCS #1: a bit string that holds a sequence of 270 bytes.
    let at = der.windows(4).position(|w| w == [0x30, 0x82, 0x01, 0x0a]).unwrap();
    let key = &der[at..at + 270];
    let canonical: String = names.iter().filter_map(|n| message[*n].as_str().map(|v| format!("{n}\n{v}\n"))).collect();
    let signature = text::unbase64(message["Signature"].as_str().unwrap()).unwrap();
    let good = if message["SignatureVersion"] == "2" {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(canonical.as_bytes(), &signature)
    } else {
        UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, key)
            .verify(canonical.as_bytes(), &signature)
    };
    assert!(good.is_ok(), "{message}");
}

const NOTIFICATION: &[&str] = &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
const CONFIRMATION: &[&str] = &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

#[tokio::test]
async fn an_endpoint_confirms_gets_signed_messages_and_leaves_by_links() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let endpoint = Endpoint::new(&[]).await;
    let input = json!({"TopicArn": TOPIC, "Protocol": "http", "Endpoint": endpoint.url});
    let answer = client.call("sns", "Subscribe", input).await.ok();
    assert_eq!(answer["SubscriptionArn"], "pending confirmation");
    publish(&client, "too early").await;
    let asked = endpoint.nth(0).await;
    assert!(asked.headers.starts_with("POST /in?x=1 HTTP/1.1"), "{}", asked.headers);
    assert_eq!(asked.header("x-amz-sns-message-type"), Some("SubscriptionConfirmation"));
    assert_eq!(asked.header("x-amz-sns-topic-arn"), Some(TOPIC));
    assert_eq!(asked.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(asked.header("user-agent"), Some("Amazon Simple Notification Service Agent"));
    let asked = asked.json();
    verify(&asked, CONFIRMATION).await;
    let listed = client.call("sns", "ListSubscriptionsByTopic", json!({"TopicArn": TOPIC})).await.ok();
    assert_eq!(listed["Subscriptions"][0]["SubscriptionArn"], "PendingConfirmation");
    let (status, xml) = follow(asked["SubscribeURL"].as_str().unwrap()).await;
    assert_eq!(status, 200, "{xml}");
    let arn = xml.split("<SubscriptionArn>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let told = client.call("sns", "GetSubscriptionAttributes", json!({"SubscriptionArn": arn})).await.ok();
    assert_eq!(told["Attributes"]["PendingConfirmation"], "false");
    assert_eq!(told["Attributes"]["ConfirmationWasAuthenticated"], "false");
    // Version 1, then version 2.
    client.call("sns", "Publish", json!({"TopicArn": TOPIC, "Message": "m1", "Subject": "s"})).await.ok();
    let first = endpoint.nth(1).await;
    assert_eq!(first.header("x-amz-sns-subscription-arn"), Some(arn.as_str()));
    assert_eq!(first.json()["Message"], "m1");
    verify(&first.json(), NOTIFICATION).await;
    let set = json!({"TopicArn": TOPIC, "AttributeName": "SignatureVersion", "AttributeValue": "2"});
    client.call("sns", "SetTopicAttributes", set).await.ok();
    publish(&client, "m2").await;
    let second = endpoint.nth(2).await.json();
    assert_eq!(second["SignatureVersion"], "2");
    verify(&second, NOTIFICATION).await;
    // Anybody who has the link can end it, and the endpoint is told how to undo that.
    assert_eq!(follow(second["UnsubscribeURL"].as_str().unwrap()).await.0, 200);
    let ended = endpoint.nth(3).await;
    assert_eq!(ended.header("x-amz-sns-message-type"), Some("UnsubscribeConfirmation"));
    publish(&client, "not for it").await;
    assert_eq!(follow(ended.json()["SubscribeURL"].as_str().unwrap()).await.0, 200);
    publish(&client, "again").await;
    assert_eq!(endpoint.nth(4).await.json()["Message"], "again");
    let counts = client.call("sns", "GetTopicAttributes", json!({"TopicArn": TOPIC})).await.ok();
    assert_eq!(
        (&counts["Attributes"]["SubscriptionsConfirmed"], &counts["Attributes"]["SubscriptionsDeleted"]),
        (&json!("1"), &json!("1"))
    );
}

async fn confirmed(cloud: &Cloud, endpoint: &Endpoint, attributes: Json) -> String {
    let client = cloud.client();
    let arn = subscribed(&client, TOPIC, "http", &endpoint.url, attributes).await;
    let token = endpoint.nth(0).await.json()["Token"].clone();
    client
        .call(
            "sns",
            "ConfirmSubscription",
            json!({"TopicArn": TOPIC, "Token": token, "AuthenticateOnUnsubscribe": "true"}),
        )
        .await
        .ok();
    arn
}

#[tokio::test]
async fn failures_are_tried_again_as_the_policy_says_and_end_in_the_dead_letter_queue() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let (dead, dead_arn) = any_queue(&client, "dead", json!({})).await;
    let down = "503 Service Unavailable";
    let endpoint = Endpoint::new(&["200 OK", down, down, "200 OK", down, down, down, "404 Not Found"]).await;
    let policy = json!({"healthyRetryPolicy": {"numRetries": 2, "minDelayTarget": 5, "maxDelayTarget": 9}}).to_string();
    let redrive = json!({"deadLetterTargetArn": dead_arn}).to_string();
    cloud.kernel.clock().freeze();
    confirmed(
        &cloud,
        &endpoint,
        json!({"DeliveryPolicy": policy, "RedrivePolicy": redrive, "RawMessageDelivery": "true"}),
    )
    .await;
    publish(&client, "third time").await;
    let raw = endpoint.nth(1).await;
    assert_eq!((raw.body.as_str(), raw.header("x-amz-sns-rawdelivery")), ("third time", Some("true")));
    let calls = async |seconds: u64| {
        cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
        endpoint.got().len()
    };
    until("the failure is kept", async || calls(0).await == 2).await;
    assert_eq!(calls(4).await, 2);
    assert_eq!(calls(1).await, 3);
    assert_eq!(calls(8).await, 3);
    assert_eq!(calls(1).await, 4);
    // Three failures are one more than it is tried again.
    publish(&client, "never").await;
    assert_eq!(calls(60).await, 7);
    assert_eq!(bodies(&receive(&client, &dead, 0).await), ["never"]);
    // What the endpoint does not want is not tried again.
    publish(&client, "unwanted").await;
    assert_eq!(calls(60).await, 8);
    assert!(bodies(&receive(&client, &dead, 0).await).contains(&"unwanted"));
}

#[tokio::test]
async fn who_wants_signed_calls_alone_is_not_unsubscribed_by_a_link() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let endpoint = Endpoint::new(&[]).await;
    let arn = confirmed(&cloud, &endpoint, json!({})).await;
    publish(&client, "m").await;
    let url = endpoint.nth(1).await.json()["UnsubscribeURL"].as_str().unwrap().to_owned();
    let (status, answer) = follow(&url).await;
    assert_eq!(status, 403, "{answer}");
    client.call("sns", "Unsubscribe", json!({"SubscriptionArn": arn})).await.ok();
    let gone = client.call("sns", "GetSubscriptionAttributes", json!({"SubscriptionArn": arn})).await;
    assert_eq!(gone.code(), "NotFoundException");
}

#[tokio::test]
async fn an_endpoint_that_may_not_be_asked_so_often_is_asked_in_time() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let endpoint = Endpoint::new(&[]).await;
    let policy = json!({"throttlePolicy": {"maxReceivesPerSecond": 1}, "requestPolicy": {"headerContentType": "application/json"}});
    cloud.kernel.clock().freeze();
    confirmed(&cloud, &endpoint, json!({"DeliveryPolicy": policy.to_string()})).await;
    for n in 0..3 {
        publish(&client, &n.to_string()).await;
    }
    assert_eq!(endpoint.nth(1).await.header("content-type"), Some("application/json"));
    cloud.kernel.advance(Duration::from_millis(900)).await.unwrap();
    assert_eq!(endpoint.got().len(), 2);
    cloud.kernel.advance(Duration::from_millis(1_200)).await.unwrap();
    assert_eq!(endpoint.got().len(), 4);
}

#[tokio::test]
async fn what_nobody_confirms_is_gone_after_two_days() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let endpoint = Endpoint::new(&[]).await;
    subscribed(&client, TOPIC, "http", &endpoint.url, json!({})).await;
    let token = endpoint.nth(0).await.json()["Token"].clone();
    cloud.kernel.advance(Duration::from_secs(2 * 86_400 + 1)).await.unwrap();
    let listed = client.call("sns", "ListSubscriptions", json!({})).await.ok();
    assert_eq!(listed["Subscriptions"], json!([]));
    let late = client.call("sns", "ConfirmSubscription", json!({"TopicArn": TOPIC, "Token": token})).await;
    assert_eq!(late.json["message"], "Invalid parameter: Token");
}

/// A token that stands in the store, for an endpoint that tells nobody of it.
fn token_in_store(cloud: &Cloud) -> String {
    use undercast_kernel::store::{Order, Page, Read as _};
    let page = Page { start: Vec::new(), end: None, order: Order::Ascending, limit: usize::MAX };
    let rows = cloud.kernel.database().read().scan(&page).unwrap();
    let row = rows.iter().find(|(key, _)| key.starts_with(b"sns.subscriptions")).unwrap().1.clone();
    let text = String::from_utf8_lossy(&row).into_owned();
    let found = text.split(|c: char| !c.is_ascii_hexdigit()).find(|part| part.len() >= 236).unwrap();
    found[found.len() - 236..].to_owned()
}

#[tokio::test]
async fn an_https_endpoint_is_trusted_where_this_clouds_authority_vouches_for_it() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let (dead, dead_arn) = any_queue(&client, "dead", json!({})).await;
    let redrive = json!({"deadLetterTargetArn": dead_arn}).to_string();
    // This cloud is such an endpoint itself, and has nothing at this path: what it answers is not tried again.
    let endpoint = format!("https://localhost:{}/_undercast/nothing", cloud.address.port());
    let attributes = json!({"RedrivePolicy": redrive, "RawMessageDelivery": "true"});
    subscribed(&client, TOPIC, "https", &endpoint, attributes).await;
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    let confirm = json!({"TopicArn": TOPIC, "Token": token_in_store(&cloud)});
    client.call("sns", "ConfirmSubscription", confirm).await.ok();
    publish(&client, "m").await;
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    assert_eq!(bodies(&receive(&client, &dead, 5).await), ["m"]);
}
