//! Function URLs.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use undercast_kernel::wire::text;
use undercast_testkit::Client;

use crate::setup::{cloud, create, node, python, request};

crate::tests!(
    a_url_answers_whom_the_policy_lets_in,
    pages_of_other_origins_use_a_url_as_its_rules_say,
    a_url_streams_what_its_function_writes,
    pieces_come_before_the_function_ends,
);

async fn permit(client: &Client, id: &str, action: &str, more: Json) {
    let mut input = json!({"FunctionName": "f", "StatementId": id, "Action": action, "Principal": "*"});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call("lambda", "AddPermission", input).await.ok();
}

async fn a_url_answers_whom_the_policy_lets_in() {
    let (_cloud, client) = cloud().await;
    let code = r#"
import base64
def handler(event, context):
    if event["rawPath"] == "/plain":
        return {"just": "json"}
    if event["rawPath"] == "/bytes":
        return {"statusCode": 201, "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True,
                "headers": {"Content-Type": "image/x"}, "cookies": ["a=1", "b=2"]}
    if event["rawPath"] == "/fail":
        raise ValueError()
    import json
    return {"statusCode": 200, "body": json.dumps(event)}
"#;
    create(&client, python("f", code)).await;
    let made =
        client.call("lambda", "CreateFunctionUrlConfig", json!({"FunctionName": "f", "AuthType": "NONE"})).await.ok();
    let url = made["FunctionUrl"].as_str().unwrap().to_owned();
    assert!(url.contains(".lambda-url.us-east-1.localhost:"), "{url}");
    let get = async |path: &str| request(&client, "GET", &format!("{url}{path}"), &[("cookie", "x=1; y=2")], b"").await;
    assert_eq!(get("").await.0, 403, "nobody is let in yet");
    permit(&client, "url", "lambda:InvokeFunctionUrl", json!({"FunctionUrlAuthType": "NONE"})).await;
    assert_eq!(get("").await.0, 403, "the second permission is missing");
    permit(&client, "function", "lambda:InvokeFunction", json!({"InvokedViaFunctionUrl": true})).await;
    let (status, headers, body) = get("a/b?q=1&q=2&r=x%20y").await;
    assert_eq!((status, headers["content-type"].as_bytes()), (200, b"application/json".as_slice()));
    let event: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&event["version"], &event["rawPath"], &event["rawQueryString"]),
        (&json!("2.0"), &json!("/a/b"), &json!("q=1&q=2&r=x%20y"))
    );
    assert_eq!(event["queryStringParameters"], json!({"q": "1,2", "r": "x y"}));
    assert_eq!(event["cookies"], json!(["x=1", "y=2"]));
    assert_eq!(event["requestContext"]["http"]["method"], "GET");
    assert_eq!(event["requestContext"]["accountId"], "anonymous");
    assert_eq!(get("plain").await.2.as_ref(), br#"{"just": "json"}"#);
    let (status, headers, body) = get("bytes").await;
    assert_eq!((status, body.as_ref()), (201, b"\x00\xff".as_slice()));
    assert_eq!(headers["content-type"], "image/x");
    assert_eq!(headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(get("fail").await.0, 502);
    let post = async |kind: &str, body: &[u8]| {
        let answer = request(&client, "POST", &url, &[("content-type", kind)], body).await.2;
        serde_json::from_slice::<Json>(&answer).unwrap()
    };
    let event = post("application/json", b"{}").await;
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{}"), &json!(false)));
    let event = post("application/octet-stream", b"\x01\x02").await;
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!(text::base64(b"\x01\x02")), &json!(true)));
    client.call("lambda", "UpdateFunctionUrlConfig", json!({"FunctionName": "f", "AuthType": "AWS_IAM"})).await.ok();
    assert_eq!(get("").await.0, 403, "unsigned");
    client.call("lambda", "DeleteFunctionUrlConfig", json!({"FunctionName": "f"})).await.ok();
    assert_eq!(get("").await.0, 403);
    let gone = client.call("lambda", "GetFunctionUrlConfig", json!({"FunctionName": "f"})).await;
    assert_eq!((gone.status, gone.code()), (404, "ResourceNotFoundException"));
}

async fn pages_of_other_origins_use_a_url_as_its_rules_say() {
    let (_cloud, client) = cloud().await;
    let code = "def handler(event, context):\n    return {'statusCode': 200, 'headers': {'Access-Control-Allow-Origin': 'https://of-the-function'}, 'body': event['requestContext']['http']['method']}\n";
    create(&client, python("f", code)).await;
    let rules = json!({
        "AllowOrigins": ["https://page.example"], "AllowMethods": ["GET", "PUT"], "AllowHeaders": ["x-own"],
        "ExposeHeaders": ["x-shown", "x-too"], "MaxAge": 77, "AllowCredentials": true,
    });
    let input = json!({"FunctionName": "f", "AuthType": "NONE", "Cors": rules});
    let made = client.call("lambda", "CreateFunctionUrlConfig", input).await.ok();
    assert_eq!(made["Cors"], rules);
    permit(&client, "url", "lambda:InvokeFunctionUrl", json!({"FunctionUrlAuthType": "NONE"})).await;
    permit(&client, "function", "lambda:InvokeFunction", json!({"InvokedViaFunctionUrl": true})).await;
    let url = made["FunctionUrl"].as_str().unwrap().to_owned();
    let ask = async |method: &str, origin: &str, more: &[(&str, &str)]| {
        let headers: Vec<(&str, &str)> = [("origin", origin)].iter().chain(more).copied().collect();
        let (status, headers, body) = request(&client, method, &url, &headers, b"").await;
        let text = move |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        (status, text, String::from_utf8(body.to_vec()).unwrap())
    };
    let before =
        |method, headers| [("access-control-request-method", method), ("access-control-request-headers", headers)];
    let (status, header, body) = ask("OPTIONS", "https://page.example", &before("PUT", "x-own")).await;
    assert_eq!((status, body.as_str()), (200, ""), "the function is not asked");
    assert_eq!(header("access-control-allow-origin").as_deref(), Some("https://page.example"));
    assert_eq!(header("access-control-allow-methods").as_deref(), Some("PUT"));
    assert_eq!(header("access-control-allow-headers").as_deref(), Some("x-own"));
    assert_eq!(header("access-control-max-age").as_deref(), Some("77"));
    let (status, header, body) = ask("GET", "https://page.example", &[]).await;
    assert_eq!((status, body.as_str()), (200, "GET"));
    assert_eq!(header("access-control-allow-origin").as_deref(), Some("https://page.example"), "the rules go before");
    assert_eq!(header("access-control-allow-credentials").as_deref(), Some("true"));
    assert_eq!(header("access-control-expose-headers").as_deref(), Some("x-shown,x-too"));
    for (method, origin, asked) in [
        ("GET", "https://other.example", before("GET", "x-own")),
        ("OPTIONS", "https://page.example", before("POST", "x-own")),
        ("OPTIONS", "https://page.example", before("GET", "x-other")),
    ] {
        let (status, header, _) = ask(method, origin, &asked).await;
        assert_eq!((status, header("access-control-allow-origin")), (403, None), "{method} {origin}");
    }
    // Everybody, without credentials.
    let open = json!({"FunctionName": "f", "Cors": {"AllowOrigins": ["*"], "AllowMethods": ["*"]}});
    client.call("lambda", "UpdateFunctionUrlConfig", open).await.ok();
    let (status, header, _) = ask("POST", "https://any.example", &[]).await;
    assert_eq!((status, header("access-control-allow-origin").as_deref()), (200, Some("*")));
    let none = json!({"FunctionName": "f", "Cors": {}});
    assert_eq!(client.call("lambda", "UpdateFunctionUrlConfig", none).await.ok()["Cors"], Json::Null);
    assert_eq!(ask("POST", "https://any.example", &[]).await.0, 403);
}

async fn a_url_streams_what_its_function_writes() {
    let (_cloud, client) = cloud().await;
    let code = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n  if (event.rawPath === '/fail') throw new Error('early');\n  if (event.rawPath === '/plain') { stream.setContentType('text/x'); stream.write('a'); stream.end('b'); return; }\n  const http = awslambda.HttpResponseStream.from(stream, { statusCode: 418, headers: { 'X-Own': 'yes' }, cookies: ['c=1'] });\n  http.write('one ');\n  http.end('two');\n});\n";
    create(&client, node("f", "index.js", code)).await;
    let input = json!({"FunctionName": "f", "AuthType": "NONE", "InvokeMode": "RESPONSE_STREAM"});
    let made = client.call("lambda", "CreateFunctionUrlConfig", input).await.ok();
    assert_eq!(made["InvokeMode"], "RESPONSE_STREAM");
    permit(&client, "url", "lambda:InvokeFunctionUrl", json!({"FunctionUrlAuthType": "NONE"})).await;
    permit(&client, "function", "lambda:InvokeFunction", json!({"InvokedViaFunctionUrl": true})).await;
    let url = made["FunctionUrl"].as_str().unwrap().to_owned();
    let get = async |path: &str| request(&client, "GET", &format!("{url}{path}"), &[], b"").await;
    let (status, headers, body) = get("").await;
    assert_eq!((status, body.as_ref()), (418, b"one two".as_slice()));
    assert_eq!((headers["x-own"].as_bytes(), headers["set-cookie"].as_bytes()), (b"yes".as_slice(), b"c=1".as_slice()));
    assert_eq!(headers["content-type"], "application/octet-stream");
    let (status, headers, body) = get("plain").await;
    assert_eq!(
        (status, headers["content-type"].as_bytes(), body.as_ref()),
        (200, b"text/x".as_slice(), b"ab".as_slice())
    );
    assert_eq!(get("fail").await.0, 502);
    // Whoever waits for all of it gets it in one piece.
    let input = json!({"FunctionName": "f", "InvokeMode": "BUFFERED"});
    assert_eq!(client.call("lambda", "UpdateFunctionUrlConfig", input).await.ok()["InvokeMode"], "BUFFERED");
    assert_eq!(get("plain").await.2.as_ref(), b"ab");
}

async fn pieces_come_before_the_function_ends() {
    let (cloud, client) = cloud().await;
    let code = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n  stream.write('first');\n  await new Promise((done) => setTimeout(done, 1500));\n  stream.end('last');\n});\n";
    create(&client, node("f", "index.js", code)).await;
    let input = json!({"FunctionName": "f", "AuthType": "NONE", "InvokeMode": "RESPONSE_STREAM"});
    let made = client.call("lambda", "CreateFunctionUrlConfig", input).await.ok();
    permit(&client, "url", "lambda:InvokeFunctionUrl", json!({"FunctionUrlAuthType": "NONE"})).await;
    permit(&client, "function", "lambda:InvokeFunction", json!({"InvokedViaFunctionUrl": true})).await;
    let host = made["FunctionUrl"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut connection = tokio::net::TcpStream::connect(cloud.address).await.unwrap();
    let asked = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    connection.write_all(asked.as_bytes()).await.unwrap();
    let (mut all, mut first) = (Vec::new(), None);
    let mut bytes = [0; 4096];
    loop {
        let count = connection.read(&mut bytes).await.unwrap();
        if count == 0 {
            break;
        }
        all.extend_from_slice(&bytes[..count]);
        if first.is_none() && String::from_utf8_lossy(&all).contains("first") {
            first = Some(Instant::now());
        }
    }
    assert!(String::from_utf8_lossy(&all).contains("last"), "{all:?}");
    let between = first.unwrap().elapsed();
    assert!(between > Duration::from_millis(1_000), "{between:?} between the first piece and the end");
}
