//! API destinations and their connections, against an endpoint on this machine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use undercast_kernel::wire::text::base64;

use super::{Client, Cloud, arn, body, cloud, messages, put, queue, role, rule, target};

/// A request that an endpoint got.
#[derive(Debug, Clone)]
struct Asked {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// An endpoint that answers what it is told to answer, and 200 otherwise.
#[derive(Clone)]
struct Endpoint {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Mutex<Vec<(u16, &'static str, String)>>>,
}

async fn read(stream: &mut tokio::net::TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines();
            let mut first = lines.next()?.split(' ');
            let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
            let headers: BTreeMap<String, String> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
                .collect();
            let length: usize = headers.get("content-length").map_or(0, |v| v.parse().unwrap());
            if rest.len() >= length {
                return Some(Asked { method, path, headers, body: rest.to_owned() });
            }
        }
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..read]);
    }
}

impl Endpoint {
    async fn start(cloud: &Cloud) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let this = Self { port, asked: Arc::default(), answers: Arc::default() };
        let server = this.clone();
        cloud.kernel.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(asked) = read(&mut stream).await else { continue };
                server.asked.lock().unwrap().push(asked);
                let answer = {
                    let mut answers = server.answers.lock().unwrap();
                    if answers.is_empty() { (200, "", String::new()) } else { answers.remove(0) }
                };
                let (status, header, body) = answer;
                let text = format!(
                    "HTTP/1.1 {status} X\r\n{header}content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(text.as_bytes()).await;
            }
        });
        this
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn answer(&self, status: u16, header: &'static str, body: &str) {
        self.answers.lock().unwrap().push((status, header, body.to_owned()));
    }

    /// What was asked, once it was asked so often.
    async fn asked(&self, count: usize) -> Vec<Asked> {
        for _ in 0..500 {
            let asked = self.asked.lock().unwrap().clone();
            if asked.len() >= count {
                return asked;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{count} requests are wanted, these came: {:?}", self.asked.lock().unwrap());
    }
}

async fn connect(client: &Client, kind: &str, parameters: Json) -> String {
    let input = json!({"Name": "c", "AuthorizationType": kind, "AuthParameters": parameters, "Description": "mine"});
    client.call("events", "CreateConnection", input).await.ok()["ConnectionArn"].as_str().unwrap().to_owned()
}

/// A rule whose events go to an endpoint by this connection. Returns the destination's ARN.
async fn wire(client: &Client, connection: &str, url: &str, more: Json, given: Json) -> String {
    let mut input = json!({"Name": "d", "ConnectionArn": connection, "InvocationEndpoint": url, "HttpMethod": "POST"});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = client.call("events", "CreateApiDestination", input).await.ok();
    let destination = made["ApiDestinationArn"].as_str().unwrap().to_owned();
    let role = role(client, "caller", "events:InvokeApiDestination").await;
    rule(client, "r", &json!({"source": ["a"]})).await;
    let mut input = json!({"Id": "t", "Arn": destination, "RoleArn": role});
    input.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
    target(client, "r", input).await;
    destination
}

fn basic() -> Json {
    json!({"BasicAuthParameters": {"Username": "user", "Password": "pass word"}})
}

#[tokio::test]
async fn an_endpoint_gets_the_event_and_what_goes_with_it() {
    let cloud = cloud().await;
    let client = cloud.client();
    let endpoint = Endpoint::start(&cloud).await;
    let mut parameters = basic();
    parameters["InvocationHttpParameters"] = json!({
        "HeaderParameters": [{"Key": "X-Ours", "Value": "secret", "IsValueSecret": true}, {"Key": "X-Both", "Value": "connection"}],
        "QueryStringParameters": [{"Key": "k", "Value": "a&b", "IsValueSecret": false}],
        "BodyParameters": [{"Key": "more", "Value": "body"}]});
    let connection = connect(&client, "BASIC", parameters).await;
    let given = json!({"InputPath": "$.detail", "HttpParameters": {"PathParameterValues": ["x y", "$.detail.id"],
        "HeaderParameters": {"X-Both": "target", "X-Theirs": "$.detail-type", "User-Agent": "mine"}, "QueryStringParameters": {"n": "$.detail.n"}}});
    wire(&client, &connection, &endpoint.url("/a/*/b/*?z=1"), json!({"HttpMethod": "PUT"}), given).await;
    put(&client, "a", json!({"id": "i/1", "n": 7})).await;
    let asked = endpoint.asked(1).await.remove(0);
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("PUT", "/a/x%20y/b/i%2F1?z=1&k=a%26b&n=7"));
    assert_eq!(serde_json::from_str::<Json>(&asked.body).unwrap(), json!({"id": "i/1", "n": 7, "more": "body"}));
    for (name, value) in [
        ("authorization", format!("Basic {}", base64(b"user:pass word")).as_str()),
        ("content-type", "application/json; charset=utf-8"),
        ("user-agent", "Amazon/EventBridge/ApiDestinations"),
        ("range", "bytes=0-1048575"),
        ("accept-encoding", "gzip,deflate"),
        ("connection", "close"),
        ("host", format!("127.0.0.1:{}", endpoint.port).as_str()),
        ("x-ours", "secret"),
        ("x-both", "connection"),
        ("x-theirs", "kind"),
    ] {
        assert_eq!(asked.headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    // Nothing of what is secret is shown.
    let told = client.call("events", "DescribeConnection", json!({"Name": "c"})).await.ok();
    assert_eq!(
        told["AuthParameters"],
        json!({"BasicAuthParameters": {"Username": "user"}, "InvocationHttpParameters": {
            "HeaderParameters": [{"Key": "X-Ours", "IsValueSecret": true}, {"Key": "X-Both", "Value": "connection"}],
            "QueryStringParameters": [{"Key": "k", "Value": "a&b", "IsValueSecret": false}], "BodyParameters": [{"Key": "more", "Value": "body"}]}})
    );
    assert_eq!((&told["ConnectionState"], &told["Description"]), (&json!("AUTHORIZED"), &json!("mine")));
}

#[tokio::test]
async fn a_key_stands_in_its_header_and_can_be_changed() {
    let cloud = cloud().await;
    let client = cloud.client();
    let endpoint = Endpoint::start(&cloud).await;
    let key = json!({"ApiKeyAuthParameters": {"ApiKeyName": "X-Key", "ApiKeyValue": "one"}});
    let connection = connect(&client, "API_KEY", key).await;
    wire(&client, &connection, &endpoint.url(""), json!({}), json!({})).await;
    put(&client, "a", json!({})).await;
    assert_eq!(endpoint.asked(1).await[0].headers["x-key"], "one");
    let update =
        json!({"Name": "c", "Description": "new", "AuthParameters": {"ApiKeyAuthParameters": {"ApiKeyValue": "two"}}});
    client.call("events", "UpdateConnection", update).await.ok();
    put(&client, "a", json!({})).await;
    assert_eq!(endpoint.asked(2).await[1].headers["x-key"], "two");
    // Another kind of authorization.
    let update = json!({"Name": "c", "AuthorizationType": "BASIC", "AuthParameters": basic()});
    client.call("events", "UpdateConnection", update).await.ok();
    put(&client, "a", json!({})).await;
    assert!(endpoint.asked(3).await[2].headers["authorization"].starts_with("Basic "));
    let told = client.call("events", "DescribeConnection", json!({"Name": "c"})).await.ok();
    assert_eq!(
        (&told["AuthParameters"], &told["Description"]),
        (&json!({"BasicAuthParameters": {"Username": "user"}}), &json!("new"))
    );
    let update = json!({"Name": "c", "AuthorizationType": "API_KEY"});
    assert_eq!(client.call("events", "UpdateConnection", update).await.code(), "ValidationException");
    // Nobody is called without it.
    let gone = client.call("events", "DeauthorizeConnection", json!({"Name": "c"})).await.ok();
    assert_eq!(gone["ConnectionState"], "DEAUTHORIZED");
    let told = client.call("events", "DescribeApiDestination", json!({"Name": "d"})).await.ok();
    assert_eq!(told["ApiDestinationState"], "INACTIVE");
    put(&client, "a", json!({})).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(endpoint.asked.lock().unwrap().len(), 3);
    client.call("events", "DeleteConnection", json!({"Name": "c"})).await.ok();
    assert_eq!(client.call("events", "ListConnections", json!({})).await.ok()["Connections"], json!([]));
}

#[tokio::test]
async fn a_token_is_asked_for_and_renewed() {
    let cloud = cloud().await;
    let client = cloud.client();
    let (tokens, endpoint) = (Endpoint::start(&cloud).await, Endpoint::start(&cloud).await);
    let oauth = json!({"OAuthParameters": {"AuthorizationEndpoint": tokens.url("/token"), "HttpMethod": "POST",
        "ClientParameters": {"ClientID": "me", "ClientSecret": "s&s"}, "OAuthHttpParameters": {
            "BodyParameters": [{"Key": "audience", "Value": "x", "IsValueSecret": false}],
            "HeaderParameters": [{"Key": "X-T", "Value": "t"}], "QueryStringParameters": [{"Key": "q", "Value": "v"}]}}});
    tokens.answer(200, "", r#"{"access_token": "one", "token_type": "bearer", "expires_in": 3600}"#);
    let connection = connect(&client, "OAUTH_CLIENT_CREDENTIALS", oauth).await;
    let asked = tokens.asked(1).await.remove(0);
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/token?q=v"));
    assert_eq!(asked.body, "grant_type=client_credentials&client_id=me&client_secret=s%26s&audience=x");
    assert_eq!(
        (asked.headers["content-type"].as_str(), asked.headers["x-t"].as_str()),
        ("application/x-www-form-urlencoded", "t")
    );
    for _ in 0..100 {
        let told = client.call("events", "DescribeConnection", json!({"Name": "c"})).await.ok();
        if told["ConnectionState"] == "AUTHORIZED" {
            let shown = &told["AuthParameters"]["OAuthParameters"];
            assert_eq!(shown["ClientParameters"], json!({"ClientID": "me"}));
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    wire(&client, &connection, &endpoint.url("/"), json!({}), json!({})).await;
    put(&client, "a", json!({})).await;
    put(&client, "a", json!({})).await;
    assert!(endpoint.asked(2).await.iter().all(|asked| asked.headers["authorization"] == "Bearer one"));
    assert_eq!(tokens.asked(1).await.len(), 1, "one token is good for many calls");
    // The other side does not know the token any more.
    endpoint.answer(401, "", "");
    tokens.answer(200, "", r#"{"access_token": "two", "token_type": "mac"}"#);
    put(&client, "a", json!({})).await;
    assert_eq!(endpoint.asked(4).await[3].headers["authorization"], "mac two");
    // A new secret needs a new token; who gives none ends the authorization.
    tokens.answer(403, "", "");
    let update = json!({"Name": "c", "AuthParameters": {"OAuthParameters": {"HttpMethod": "GET", "AuthorizationEndpoint": tokens.url("/other"),
        "ClientParameters": {"ClientID": "you", "ClientSecret": "t"}, "OAuthHttpParameters": {}}}});
    let told = client.call("events", "UpdateConnection", update).await.ok();
    assert_eq!(told["ConnectionState"], "AUTHORIZING");
    assert_eq!(tokens.asked(3).await[2].path, "/other?grant_type=client_credentials&client_id=you&client_secret=t");
    for _ in 0..100 {
        let told = client.call("events", "DescribeConnection", json!({"Name": "c"})).await.ok();
        if told["ConnectionState"] == "DEAUTHORIZED" {
            assert_eq!(told["StateReason"], "The authorization endpoint gave no token: HTTP status 403");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it stays authorized");
}

#[tokio::test]
async fn answers_say_whether_it_is_tried_again() {
    let cloud = cloud().await;
    let client = cloud.client();
    let endpoint = Endpoint::start(&cloud).await;
    let (url, dead) = queue(&client, "dead").await;
    let connection = connect(&client, "BASIC", basic()).await;
    let given = json!({"DeadLetterConfig": {"Arn": dead}, "RetryPolicy": {"MaximumRetryAttempts": 1}});
    wire(&client, &connection, &endpoint.url("/"), json!({}), given).await;
    let letter = async || {
        let found = messages(&client, &url).await;
        let attributes = found[0]["MessageAttributes"].clone();
        (attributes["ERROR_CODE"]["StringValue"].clone(), attributes["RETRY_ATTEMPTS"]["StringValue"].clone())
    };
    endpoint.answer(404, "", "");
    put(&client, "a", json!({})).await;
    assert_eq!(letter().await, (json!("SDK_CLIENT_ERROR"), Json::Null));
    endpoint.answer(503, "", "");
    endpoint.answer(429, "", "");
    put(&client, "a", json!({})).await;
    assert_eq!(letter().await, (json!("THROTTLING"), json!("1")));
    assert_eq!(endpoint.asked(3).await.len(), 3);
    endpoint.answer(503, "retry-after: -1\r\n", "");
    put(&client, "a", json!({})).await;
    assert_eq!(letter().await, (json!("ERROR_FROM_TARGET"), Json::Null));
    // Who asks for a pause gets it.
    cloud.kernel.clock().freeze();
    endpoint.answer(503, "retry-after: 100\r\n", "");
    put(&client, "a", json!({})).await;
    endpoint.asked(5).await;
    cloud.kernel.advance(Duration::from_secs(90)).await.unwrap();
    assert_eq!(endpoint.asked(5).await.len(), 5);
    cloud.kernel.advance(Duration::from_secs(20)).await.unwrap();
    endpoint.asked(6).await;
    // Nobody is there any more.
    let update = json!({"Name": "d", "InvocationEndpoint": "http://127.0.0.1:1/", "HttpMethod": "GET", "Description": "gone",
        "InvocationRateLimitPerSecond": 7, "ConnectionArn": connection});
    client.call("events", "UpdateApiDestination", update).await.ok();
    put(&client, "a", json!({})).await;
    cloud.kernel.advance(Duration::from_secs(20)).await.unwrap();
    assert_eq!(letter().await, (json!("CONNECTION_FAILURE"), json!("1")));
    let told = client.call("events", "DescribeApiDestination", json!({"Name": "d"})).await.ok();
    assert_eq!(
        (&told["HttpMethod"], &told["Description"], &told["InvocationRateLimitPerSecond"]),
        (&json!("GET"), &json!("gone"), &json!(7))
    );
    client.call("events", "DeleteApiDestination", json!({"Name": "d"})).await.ok();
    put(&client, "a", json!({})).await;
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    assert_eq!(letter().await, (json!("NO_RESOURCE"), Json::Null));
}

#[tokio::test]
async fn a_destination_is_not_called_more_often_than_it_wants() {
    let cloud = cloud().await;
    let client = cloud.client();
    let endpoint = Endpoint::start(&cloud).await;
    let connection = connect(&client, "BASIC", basic()).await;
    wire(
        &client,
        &connection,
        &endpoint.url("/"),
        json!({"InvocationRateLimitPerSecond": 2}),
        json!({"RetryPolicy": {"MaximumRetryAttempts": 0}}),
    )
    .await;
    cloud.kernel.clock().freeze();
    for _ in 0..5 {
        put(&client, "a", json!({})).await;
    }
    cloud.kernel.advance(Duration::from_millis(900)).await.unwrap();
    assert_eq!(endpoint.asked(2).await.len(), 2);
    cloud.kernel.advance(Duration::from_millis(1000)).await.unwrap();
    assert_eq!(endpoint.asked(4).await.len(), 4);
    cloud.kernel.advance(Duration::from_millis(1000)).await.unwrap();
    assert_eq!(endpoint.asked(5).await.len(), 5);
}

#[tokio::test]
async fn a_role_must_be_allowed_to_call() {
    let cloud = cloud().await;
    let client = cloud.client();
    let endpoint = Endpoint::start(&cloud).await;
    let (url, dead) = queue(&client, "dead").await;
    let connection = connect(&client, "BASIC", basic()).await;
    let destination = wire(&client, &connection, &endpoint.url("/"), json!({}), json!({})).await;
    let other = role(&client, "other", "sqs:*").await;
    target(&client, "r", json!({"Id": "t", "Arn": destination, "RoleArn": other, "DeadLetterConfig": {"Arn": dead}}))
        .await;
    let id = put(&client, "a", json!({})).await;
    let found = messages(&client, &url).await;
    assert_eq!(body(&found[0])["id"], id);
    assert_eq!(found[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"], "NO_PERMISSIONS");
    assert!(endpoint.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn lists_have_pages_and_filters() {
    let cloud = cloud().await;
    let client = cloud.client();
    let mut arns = Vec::new();
    for n in 0..3 {
        let input = json!({"Name": format!("c{n}"), "AuthorizationType": "BASIC", "AuthParameters": basic()});
        let made = client.call("events", "CreateConnection", input).await.ok();
        let input = json!({"Name": format!("d{n}"), "ConnectionArn": made["ConnectionArn"], "InvocationEndpoint": "https://a.test/x", "HttpMethod": "POST"});
        client.call("events", "CreateApiDestination", input).await.ok();
        arns.push(made["ConnectionArn"].clone());
    }
    for (operation, list, prefix) in
        [("ListConnections", "Connections", "c"), ("ListApiDestinations", "ApiDestinations", "d")]
    {
        let first = client.call("events", operation, json!({"NamePrefix": prefix, "Limit": 2})).await.ok();
        let input = json!({"NamePrefix": prefix, "Limit": 2, "NextToken": first["NextToken"]});
        let second = client.call("events", operation, input).await.ok();
        assert_eq!(
            (first[list].as_array().unwrap().len(), &second[list][0]["Name"]),
            (2, &json!(format!("{prefix}2")))
        );
    }
    let of = client.call("events", "ListApiDestinations", json!({"ConnectionArn": arns[1]})).await.ok();
    assert_eq!((&of["ApiDestinations"][0]["Name"], of["ApiDestinations"].as_array().unwrap().len()), (&json!("d1"), 1));
    assert_eq!(of["ApiDestinations"][0]["ApiDestinationState"], "ACTIVE");
    let of = client.call("events", "ListConnections", json!({"ConnectionState": "DEAUTHORIZED"})).await.ok();
    assert_eq!(of["Connections"], json!([]));
}

#[tokio::test]
async fn a_delivery_stream_gets_a_record() {
    let cloud = cloud().await;
    let client = cloud.client();
    client.call("s3", "CreateBucket", json!({"Bucket": "bkt"})).await.ok();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let writer = client
        .call("iam", "CreateRole", json!({"RoleName": "writer", "AssumeRolePolicyDocument": trust.to_string()}))
        .await
        .ok();
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
    client
        .call(
            "iam",
            "PutRolePolicy",
            json!({"RoleName": "writer", "PolicyName": "p", "PolicyDocument": policy.to_string()}),
        )
        .await
        .ok();
    let input = json!({"DeliveryStreamName": "s", "ExtendedS3DestinationConfiguration": {"RoleARN": writer["Role"]["Arn"], "BucketARN": "arn:aws:s3:::bkt",
        "BufferingHints": {"IntervalInSeconds": 0, "SizeInMBs": 1}}});
    client.call("firehose", "CreateDeliveryStream", input).await.ok();
    for _ in 0..200 {
        let told = client.call("firehose", "DescribeDeliveryStream", json!({"DeliveryStreamName": "s"})).await.ok();
        if told["DeliveryStreamDescription"]["DeliveryStreamStatus"] == "ACTIVE" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let role = role(&client, "putter", "firehose:PutRecord").await;
    rule(&client, "r", &json!({"source": ["a"]})).await;
    target(&client, "r", json!({"Id": "t", "Arn": arn("firehose", "deliverystream/s"), "RoleArn": role})).await;
    put(&client, "a", json!({})).await;
    for _ in 0..300 {
        let found = client.call("s3", "ListObjectsV2", json!({"Bucket": "bkt"})).await.ok();
        if found["KeyCount"].as_i64() == Some(1) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing came to the bucket");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_changes_at_once_one_wins() {
    let cloud = cloud().await;
    let client = cloud.client();
    let parameters = json!({"BasicAuthParameters": {"Username": "u", "Password": "p"}});
    let input = json!({"Name": "c", "AuthorizationType": "BASIC", "AuthParameters": parameters});
    client.call("events", "CreateConnection", input).await.ok();
    for _ in 0..500 {
        let change =
            |text: &'static str| client.call("events", "UpdateConnection", json!({"Name": "c", "Description": text}));
        let answers = tokio::join!(change("a"), change("b"), change("c"), change("d"));
        let answers = [answers.0, answers.1, answers.2, answers.3];
        assert!(answers.iter().any(|answer| answer.status == 200));
        let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
        assert!(refused.iter().all(|answer| answer.code() == "ConcurrentModificationException"));
        if !refused.is_empty() {
            return;
        }
    }
    panic!("changes never meet");
}
