//! Bodies that are not what they should be, on each protocol.

use serde_json::json;
use undercast_testkit::Client;
use undercast_wire::Request;

use crate::raw::{cloud, form_call, json_call, queues, refused, refuses, request};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
const FUNCTIONS: &str = "/2015-03-31/functions";

fn create_queue(body: &[u8]) -> Request {
    json_call("sqs", "AmazonSQS.CreateQueue", body)
}

fn create_function(body: &[u8]) -> Request {
    request("lambda", "POST", FUNCTIONS, &JSON, body)
}

fn delete_objects(body: &[u8]) -> Request {
    // S3 takes such a body only with a checksum of it.
    let sum = undercast_wire::text::base64(&crc32fast::hash(body).to_be_bytes());
    request("s3", "POST", "/bucket?delete", &[("x-amz-checksum-crc32", &sum)], body)
}

/// Each body in a request.
fn each<'a>(of: fn(&[u8]) -> Request, bodies: &[&'a [u8]]) -> Vec<(Request, &'a [u8])> {
    bodies.iter().map(|body| (of(body), *body)).collect()
}

async fn bucket(client: &Client) {
    client.call("s3", "CreateBucket", json!({"Bucket": "bucket"})).await.ok();
}

#[tokio::test]
async fn what_is_not_the_protocols_language_is_refused() {
    let cloud = cloud().await;
    let client = cloud.client();
    bucket(&client).await;
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let no_json: Vec<&[u8]> = vec![
        b"{",
        b"[]",
        b"\"q\"",
        b"nul",
        b"{\"QueueName\":\"q\"} and more",
        b"{\"QueueName\":\"q\",}",
        b"{QueueName:\"q\"}",
        b"{\"QueueName\":\"\xff\xfe\"}",
        b"{\"QueueName\":\"\\ud800\"}",
        b"\xef\xbb\xbf\x00",
        b"QueueName=q",
        b"<QueueName>q</QueueName>",
        &deep,
    ];
    refuses(&client, each(create_queue, &no_json), 400, "SerializationException").await;
    refuses(&client, each(create_function, &no_json), 400, "SerializationException").await;
    let no_xml: Vec<&[u8]> = vec![
        b"<Delete>",
        b"<Delete><Object></Delete></Object>",
        b"<Delete/><Delete/>",
        b"<Delete><Object><Key>\xff</Key></Object></Delete>",
        b"<!DOCTYPE a [<!ENTITY b \"c\">]><Delete><Object><Key>&b;</Key></Object></Delete>",
        b"{}",
        b"Delete",
    ];
    refuses(&client, each(delete_objects, &no_xml), 400, "MalformedXML").await;
    let no_form: Vec<&[u8]> = vec![
        b"Action=CreateTopic&Name=%zz",
        b"Action=CreateTopic&Name=%f",
        b"Action=CreateTopic&Name=%ff",
        b"Action=CreateTopic&Name=\xff",
    ];
    refuses(&client, each(|body| form_call("sns", body), &no_form), 400, "MalformedQueryString").await;
    assert!(queues(&client).await.is_empty());
}

#[tokio::test]
async fn values_of_the_wrong_type_are_refused() {
    let cloud = cloud().await;
    let client = cloud.client();
    bucket(&client).await;
    let json: Vec<&[u8]> = vec![
        b"{\"QueueName\":5}",
        b"{\"QueueName\":[\"q\"]}",
        b"{\"QueueName\":{}}",
        b"{\"QueueName\":\"q\",\"Attributes\":[]}",
        b"{\"QueueName\":\"q\",\"Attributes\":{\"DelaySeconds\":5}}",
    ];
    refuses(&client, each(create_queue, &json), 400, "SerializationException").await;
    let numbers: Vec<&[u8]> = vec![
        b"{\"QueueUrl\":\"q\",\"MaxNumberOfMessages\":\"ten\"}",
        b"{\"QueueUrl\":\"q\",\"MaxNumberOfMessages\":1.5}",
        b"{\"QueueUrl\":\"q\",\"MaxNumberOfMessages\":1e99}",
        b"{\"QueueUrl\":\"q\",\"MaxNumberOfMessages\":99999999999}",
        b"{\"QueueUrl\":\"q\",\"MaxNumberOfMessages\":true}",
    ];
    let receive = |body: &[u8]| json_call("sqs", "AmazonSQS.ReceiveMessage", body);
    refuses(&client, each(receive, &numbers), 400, "SerializationException").await;
    let functions: Vec<&[u8]> =
        vec![b"{\"FunctionName\":\"f\",\"Timeout\":\"long\"}", b"{\"FunctionName\":\"f\",\"Code\":\"x\"}"];
    refuses(&client, each(create_function, &functions), 400, "SerializationException").await;
    let blob = json_call(
        "dynamodb",
        "DynamoDB_20120810.PutItem",
        b"{\"TableName\":\"t\",\"Item\":{\"a\":{\"B\":\"not base64!\"}}}",
    );
    refused(&client, blob, 400, "SerializationException").await;
    let form = b"Action=ReceiveMessage&Version=2012-11-05&QueueUrl=q&MaxNumberOfMessages=ten";
    refused(&client, form_call("sqs", form), 400, "MalformedInput").await;
    let xml: Vec<&[u8]> = vec![b"<Delete><Object><Key>k</Key></Object><Quiet>perhaps</Quiet></Delete>"];
    refuses(&client, each(delete_objects, &xml), 400, "MalformedXML").await;
    assert!(queues(&client).await.is_empty());
}

#[tokio::test]
async fn missing_and_overlong_members_are_named() {
    let cloud = cloud().await;
    let client = cloud.client();
    let long = |length: usize| "x".repeat(length);
    let refused = async |service: &str, operation: &str, input: serde_json::Value, code: &str, message: &str| {
        let answer = client.call(service, operation, input).await;
        let found = answer.json["message"].as_str().unwrap_or_default();
        assert!(answer.code() == code && found.contains(message), "{service}.{operation}: {}", answer.json);
    };
    refused("sqs", "CreateQueue", json!({}), "MissingParameter", "QueueName").await;
    refused("sqs", "CreateQueue", json!({"QueueName": long(81)}), "InvalidParameterValue", "80").await;
    let null = "Value null at 'tableName' failed to satisfy constraint: Member must not be null";
    refused("dynamodb", "GetItem", json!({"Key": {"a": {"S": "b"}}}), "ValidationException", null).await;
    let length = "Member must have length less than or equal to";
    refused("dynamodb", "DescribeTable", json!({"TableName": long(1_025)}), "ValidationException", length).await;
    refused("lambda", "CreateFunction", json!({"FunctionName": "f"}), "ValidationException", "'role'").await;
    refused("lambda", "GetFunction", json!({"FunctionName": long(257)}), "ValidationException", length).await;
    refused("iam", "CreateUser", json!({}), "ValidationError", "'userName'").await;
    refused("iam", "CreateUser", json!({"UserName": long(65)}), "ValidationError", length).await;
    refused("sns", "CreateTopic", json!({}), "ValidationError", "'name'").await;
    refused("s3", "CreateBucket", json!({"Bucket": long(64)}), "InvalidBucketName", "not valid").await;
    bucket(&client).await;
    let key = json!({"Bucket": "bucket", "Key": long(1_025)});
    refused("s3", "PutObject", key, "KeyTooLongError", "Your key is too long").await;
}

#[tokio::test]
async fn operations_and_services_that_are_not_there_are_told_apart() {
    let cloud = cloud().await;
    let client = cloud.client();
    let target = |target: &str| json_call("sqs", target, b"{}");
    refused(&client, target("AmazonSQS.MakeQueue"), 400, "UnknownOperationException").await;
    refused(&client, target("AmazonSQS."), 400, "UnknownOperationException").await;
    refused(&client, target("Nothing.CreateQueue"), 400, "UnknownOperationException").await;
    refused(&client, target("CreateQueue"), 400, "UnknownOperationException").await;
    refused(&client, form_call("sns", b"Action=MakeTopic&Version=2010-03-31"), 400, "InvalidAction").await;
    refused(&client, form_call("sns", b"Version=2010-03-31"), 400, "MissingAction").await;
    refused(&client, form_call("sns", b""), 400, "MissingAction").await;
    refused(&client, request("lambda", "GET", "/2015-03-31/nothing", &JSON, b""), 404, "UnknownOperation").await;
    refused(&client, request("s3", "PATCH", "/bucket", &[], b""), 405, "MethodNotAllowed").await;
    // Of AWS, and not built here: the operation, the service.
    let form = b"Action=AcquireRole&Version=2010-05-08";
    refused(&client, form_call("iam", form), 501, "iam.AcquireRole").await;
    let call = json_call("comprehend", "Comprehend_20171127.DetectSentiment", b"{}");
    refused(&client, call, 501, "the service comprehend").await;
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused_packed_or_not() {
    let cloud = cloud().await;
    let client = cloud.client();
    let large = vec![b' '; (16 << 20) + 1];
    refused(&client, create_queue(&large), 413, "RequestEntityTooLargeException").await;
    refused(&client, form_call("sns", &large), 413, "RequestEntityTooLargeException").await;
    bucket(&client).await;
    refused(&client, delete_objects(&large), 400, "MaxMessageLengthExceeded").await;
    // A small body that unpacks to a large one.
    let mut packed = create_queue(&gzip(&large));
    packed.headers.insert("content-encoding", "gzip".parse().unwrap());
    refused(&client, packed, 400, "SerializationException").await;
    let mut broken = create_queue(b"{\"QueueName\":\"q\"}");
    broken.headers.insert("content-encoding", "gzip".parse().unwrap());
    refused(&client, broken, 400, "SerializationException").await;
    let mut good = create_queue(&gzip(b"{\"QueueName\":\"q\"}"));
    good.headers.insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(client.send(good).await.0, 200);
    assert_eq!(queues(&client).await, ["q"]);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
