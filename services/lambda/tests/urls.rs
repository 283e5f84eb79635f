//! Function URLs.

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::Client;

use crate::setup::{cloud, create, python, request};

crate::tests!(a_url_answers_whom_the_policy_lets_in);

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
