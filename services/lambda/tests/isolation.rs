//! What a function can see and do: this cloud, with its role, and nothing else.

use serde_json::json;

use crate::setup::{allow, cloud, create, invoke, python, role};

crate::tests!(
    a_function_calls_this_cloud_as_its_role,
    nothing_of_this_machine_can_be_seen,
    logs_need_the_roles_permission
);

/// Calls SQS and STS with nothing but the standard library, signed by hand: an SDK may or may not be there.
const CALL: &str = r#"
import datetime, hashlib, hmac, json, os, urllib.error, urllib.request
def call(service, target, body, kind="application/x-amz-json-1.0"):
    env = os.environ
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    url = env["AWS_ENDPOINT_URL"] + "/"
    host = url.split("/")[2]
    headers = {"content-type": kind, "host": host, "x-amz-date": stamp, "x-amz-security-token": env["AWS_SESSION_TOKEN"]}
    if target:
        headers["x-amz-target"] = target
    names = ";".join(sorted(headers))
    data = body.encode()
    lines = "".join(f"{n}:{headers[n]}\n" for n in sorted(headers))
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(data).hexdigest()}"
    scope = f"{day}/{env['AWS_REGION']}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = ("AWS4" + env["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in (day, env["AWS_REGION"], service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={env['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders={names}, Signature={signature}"
    try:
        return urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers)).read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()
def handler(event, context):
    who = call("sts", None, "Action=GetCallerIdentity&Version=2011-06-15", "application/x-www-form-urlencoded")
    sent = call("sqs", "AmazonSQS.SendMessage", json.dumps({"QueueUrl": event, "MessageBody": "from inside"}))
    return [who, sent]
"#;

async fn a_function_calls_this_cloud_as_its_role() {
    let (_cloud, client) = cloud().await;
    let url = client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok()["QueueUrl"].clone();
    create(&client, python("f", CALL)).await;
    let told = invoke(&client, "f", url.clone()).await;
    assert!(
        told[0].as_str().unwrap().contains("<Arn>arn:aws:sts::000000000000:assumed-role/function/f</Arn>"),
        "{told}"
    );
    assert!(told[1].as_str().unwrap().contains("not authorized to perform: sqs:sendmessage"), "{told}");
    allow(&client, "function", &["logs:*", "sqs:SendMessage"]).await;
    let told = invoke(&client, "f", url.clone()).await;
    assert!(told[1].as_str().unwrap().contains("MessageId"), "{told}");
    let received = client.call("sqs", "ReceiveMessage", json!({"QueueUrl": url})).await.ok();
    assert_eq!(received["Messages"][0]["Body"], "from inside");
}

async fn nothing_of_this_machine_can_be_seen() {
    let (_cloud, client) = cloud().await;
    let code = r#"
import os, socket
def attempt(address):
    try:
        socket.create_connection(address, timeout=2)
        return "connected"
    except OSError as error:
        return type(error).__name__
def writable(path):
    try:
        open(path, "w").write("x")
        return True
    except OSError:
        return False
def handler(event, context):
    return {
        "internet": attempt(("1.1.1.1", 53)), "other": attempt(("127.0.0.1", 22)), "cloud": attempt(("127.0.0.1", 4566)),
        "home": os.path.exists("/home") and os.listdir("/home"), "shadow": os.path.exists("/etc/shadow"),
        "tmp": writable("/tmp/x"), "task": writable("/var/task/x"), "root": writable("/x"),
        "processes": len([p for p in os.listdir("/proc") if p.isdigit()]), "leaked": "HOME_OF_TESTS" in os.environ,
        "runtime": sorted(os.listdir("/var/runtime")), "stayed": os.path.exists("/tmp/stays"),
    }
"#;
    create(&client, python("f", code)).await;
    let told = invoke(&client, "f", json!({})).await;
    assert_ne!(told["internet"], "connected");
    assert_ne!(told["other"], "connected");
    assert_eq!(told["cloud"], "connected");
    assert!(told["home"] == json!(false) || told["home"] == json!([]), "{told}");
    assert_eq!(
        (&told["shadow"], &told["tmp"], &told["task"], &told["root"]),
        (&json!(false), &json!(true), &json!(false), &json!(false)),
        "{told}"
    );
    assert!(told["processes"].as_i64().unwrap() <= 3, "{told}");
}

async fn logs_need_the_roles_permission() {
    let (_cloud, client) = cloud().await;
    role(&client, "mute", &["sqs:*"]).await;
    let mut input = python("f", "def handler(event, context):\n    print('nobody hears')\n    return 1\n");
    input["Role"] = json!("arn:aws:iam::000000000000:role/mute");
    create(&client, input).await;
    assert_eq!(invoke(&client, "f", json!({})).await, json!(1));
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let groups = client.call("logs", "DescribeLogGroups", json!({})).await.ok();
    assert_eq!(groups["logGroups"], json!([]));
}
