//! Who asks why is told which statement decided.

use undercast_wire::Request;

use super::*;

/// Makes a queue, and asks why that is allowed or not.
async fn why(client: &Client, name: &str) -> (u16, String) {
    let body = json!({"QueueName": name}).to_string();
    let mut request = Request {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers: Default::default(),
        body: body.into_bytes().into(),
    };
    for (header, value) in [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "AmazonSQS.CreateQueue"),
        ("x-undercast-why", "1"),
    ] {
        request.headers.insert(header, value.parse().unwrap());
    }
    client.sign(&mut request, undercast_kernel::Service::api(&Sqs));
    let (status, headers, _) = client.send(request).await;
    let told = headers.get("x-undercast-why").map_or("", |value| value.to_str().unwrap());
    (status, told.to_owned())
}

#[tokio::test]
async fn the_statement_that_decided_is_named() {
    let cloud = Cloud::start(services()).await;
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Make", "Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:*:a*"},
        {"Effect": "Deny", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:*:ab*"},
        {"Sid": "Mfa", "Effect": "Allow", "Action": "sqs:*", "Resource": "*",
         "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}]});
    let ann = user(&cloud, "ann", &policy.to_string()).await;
    let begin = |word: &str, name: &str| {
        format!(
            "User: arn:aws:iam::000000000000:user/ann is {word}authorized to perform: sqs:CreateQueue on resource: arn:aws:sqs:us-east-1:000000000000:{name} "
        )
    };
    assert_eq!(why(&ann, "a1").await, (200, begin("", "a1") + "because of statement 1 (Make) of inline:p"));
    let denied = begin("not ", "ab") + "with an explicit deny in an identity-based policy: statement 2 of inline:p";
    assert_eq!(why(&ann, "ab").await, (403, denied));
    let missing = begin("not ", "b")
        + "because no identity-based policy allows the sqs:CreateQueue action; statement 3 (Mfa) of inline:p would, but its condition Bool of aws:MultiFactorAuthPresent does not hold";
    assert_eq!(why(&ann, "b").await, (403, missing));
    let root = why(&cloud.client(), "c").await;
    assert_eq!(
        (root.0, root.1.ends_with("because they are the root user of their account")),
        (200, true),
        "{}",
        root.1
    );
    // Who does not ask is not told.
    let quiet = ann.call("sqs", "CreateQueue", json!({"QueueName": "b"})).await;
    assert!(quiet.headers.get("x-undercast-why").is_none());
    // The trail has it in either case.
    let events = cloud.kernel.trail().latest(10);
    let told = events.iter().filter_map(|event| event.decision.as_ref()).filter_map(|d| d["sentence"].as_str()).count();
    assert_eq!(told, 1, "the last call was denied: {events:?}");
}
