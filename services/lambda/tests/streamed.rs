//! Answers that come piece by piece.

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::{Answer, Client};
use undercast_wire::eventstream::Message;

use crate::setup::{cloud, create, invoke, node, package, python};

crate::tests!(
    pieces_come_as_they_are_written,
    functions_that_do_not_stream_answer_in_one_piece,
    what_goes_wrong_ends_a_stream,
    a_program_of_ones_own_streams,
    wrong_streams_are_refused,
);

/// The events of an answer: their names and payloads.
fn events(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let (mut rest, mut found) = (answer.body.as_ref(), Vec::new());
    while !rest.is_empty() {
        let (message, length) = Message::decode(rest).unwrap().unwrap();
        let name = message.text(":event-type").unwrap().to_owned();
        found.push((name, message.payload.to_vec()));
        rest = &rest[length..];
    }
    found
}

async fn stream(client: &Client, name: &str, more: Json, payload: &Json) -> Answer {
    let mut input = json!({"FunctionName": name, "Payload": text::base64(payload.to_string().as_bytes())});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call("lambda", "InvokeWithResponseStream", input).await
}

/// The pieces of an answer put together, and what its end says.
fn whole(answer: &Answer) -> (String, Json) {
    let mut found = events(answer);
    let (name, end) = found.pop().unwrap();
    assert_eq!(name, "InvokeComplete");
    assert!(found.iter().all(|(name, _)| name == "PayloadChunk"));
    let bytes: Vec<u8> = found.into_iter().flat_map(|(_, payload)| payload).collect();
    (String::from_utf8(bytes).unwrap(), serde_json::from_slice(&end).unwrap())
}

const CODE: &str = "exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {\n  for (let n = 0; n < 3; n += 1) {\n    stream.write(`${event.word}${n} `);\n    await new Promise((done) => setTimeout(done, 150));\n  }\n  if (event.fail) throw new TypeError('late');\n  stream.end(context.clientContext?.custom ?? 'end');\n});\n";

async fn pieces_come_as_they_are_written() {
    let (_cloud, client) = cloud().await;
    create(&client, node("f", "index.js", CODE)).await;
    let context = text::base64(br#"{"custom": "mine"}"#);
    let more = json!({"LogType": "Tail", "ClientContext": context, "Qualifier": "$LATEST", "InvocationType": "RequestResponse"});
    let answer = stream(&client, "f", more, &json!({"word": "w"})).await;
    assert_eq!((answer.status, answer.headers["x-amz-executed-version"].to_str().unwrap()), (200, "$LATEST"));
    assert_eq!(answer.headers["content-type"], "application/vnd.amazon.eventstream");
    assert!(events(&answer).len() > 3, "several pieces");
    let (text, end) = whole(&answer);
    assert_eq!(text, "w0 w1 w2 mine");
    let log = text::unbase64(end["LogResult"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8(log).unwrap().contains("REPORT RequestId"));
    assert_eq!(end.get("ErrorCode"), None);
    // The environment is used again.
    assert_eq!(whole(&stream(&client, "f", json!({}), &json!({"word": "x"})).await).0, "x0 x1 x2 end");
    let dry = stream(&client, "f", json!({"InvocationType": "DryRun"}), &json!({})).await;
    assert_eq!((dry.status, dry.body.len()), (204, 0));
}

async fn functions_that_do_not_stream_answer_in_one_piece() {
    let (_cloud, client) = cloud().await;
    create(&client, python("f", "def handler(event, context):\n    return {'got': event}\n")).await;
    let (text, end) = whole(&stream(&client, "f", json!({}), &json!(7)).await);
    assert_eq!((text.as_str(), end), ("{\"got\": 7}", json!({})));
    // Who asks for an answer in one piece gets it of those that stream, too.
    create(&client, node("g", "index.js", "exports.handler = awslambda.streamifyResponse(async (event, stream) => { stream.write('{\"a\":'); stream.end('1}') })")).await;
    assert_eq!(invoke(&client, "g", json!({})).await, json!({"a": 1}));
}

async fn what_goes_wrong_ends_a_stream() {
    let (_cloud, client) = cloud().await;
    create(&client, node("f", "index.js", CODE)).await;
    let (text, end) = whole(&stream(&client, "f", json!({}), &json!({"word": "w", "fail": true})).await);
    assert_eq!((text.as_str(), &end["ErrorCode"]), ("w0 w1 w2 ", &json!("Unhandled")));
    let details: Json = serde_json::from_str(end["ErrorDetails"].as_str().unwrap()).unwrap();
    assert_eq!((&details["errorType"], &details["errorMessage"]), (&json!("TypeError"), &json!("late")));
    assert_eq!(
        whole(&stream(&client, "f", json!({}), &json!({"word": "x"})).await).0,
        "x0 x1 x2 end",
        "the next one is fine"
    );
    create(
        &client,
        node(
            "early",
            "index.js",
            "exports.handler = awslambda.streamifyResponse(async () => { throw new Error('early') })",
        ),
    )
    .await;
    let (text, end) = whole(&stream(&client, "early", json!({}), &json!({})).await);
    assert!(text.is_empty() && end["ErrorDetails"].as_str().unwrap().contains("early"), "{end}");
    let mut slow = node(
        "slow",
        "index.js",
        "exports.handler = awslambda.streamifyResponse(async (event, stream) => { stream.write('begun'); await new Promise((done) => setTimeout(done, 9000)) })",
    );
    slow["Timeout"] = json!(1);
    create(&client, slow).await;
    let (text, end) = whole(&stream(&client, "slow", json!({}), &json!({})).await);
    assert_eq!(text, "begun");
    assert!(end["ErrorDetails"].as_str().unwrap().contains("Task timed out after 1.00 seconds"), "{end}");
}

async fn a_program_of_ones_own_streams() {
    let (_cloud, client) = cloud().await;
    let program = r#"#!/usr/bin/python3 -B
import os, http.client
host = os.environ["AWS_LAMBDA_RUNTIME_API"]
base = "/2018-06-01/runtime/invocation/"
while True:
    api = http.client.HTTPConnection(host)
    api.request("GET", base + "next")
    event = api.getresponse()
    event.read()
    path = base + event.getheader("Lambda-Runtime-Aws-Request-Id") + "/response"
    api.request("POST", path, iter([b"one ", b"two"]), {"Lambda-Runtime-Function-Response-Mode": "streaming"}, encode_chunked=True)
    api.getresponse().read()
"#;
    let mut input = python("own", "");
    input["Runtime"] = json!("provided.al2023");
    input["Code"] = json!({"ZipFile": text::base64(&package(&[("bootstrap", program, 0o755)]))});
    create(&client, input).await;
    assert_eq!(whole(&stream(&client, "own", json!({}), &json!({})).await).0, "one two");
}

async fn wrong_streams_are_refused() {
    let (_cloud, client) = cloud().await;
    create(&client, python("f", "def handler(event, context):\n    return 1\n")).await;
    let none = stream(&client, "none", json!({}), &json!({})).await;
    assert_eq!((none.status, none.code()), (404, "ResourceNotFoundException"));
    let mismatch = stream(&client, "f:1", json!({"Qualifier": "2"}), &json!({})).await;
    assert_eq!(mismatch.code(), "InvalidParameterValueException");
    let input = json!({"FunctionName": "f", "Payload": text::base64(b"{no json")});
    let bad = client.call("lambda", "InvokeWithResponseStream", input).await;
    assert_eq!(bad.code(), "InvalidRequestContentException");
    let large = stream(&client, "f", json!({}), &json!("x".repeat(6_291_456))).await;
    assert_eq!(large.status, 413, "{}", large.json);
    let reserve = json!({"FunctionName": "f", "ReservedConcurrentExecutions": 0});
    client.call("lambda", "PutFunctionConcurrency", reserve).await.ok();
    let throttled = stream(&client, "f", json!({}), &json!({})).await;
    assert_eq!((throttled.status, throttled.code()), (429, "TooManyRequestsException"));
}
