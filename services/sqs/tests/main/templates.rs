//! The CloudFormation types, as stacks use them.

use super::*;
use undercast_kernel::resources::{Properties, ResourceRequest, ResourceType, Updated};

fn of_type(name: &str) -> Box<dyn ResourceType> {
    Sqs.resource_types().into_iter().find(|t| t.name() == name).unwrap()
}

fn request(properties: &Json) -> ResourceRequest {
    ResourceRequest {
        stack: "stack".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/stack/1".to_owned(),
        logical_id: "Logical".to_owned(),
        properties: properties_of(properties),
        tags: vec![("of".to_owned(), "stack".to_owned())],
    }
}

fn properties_of(properties: &Json) -> Properties {
    properties.as_object().unwrap().clone()
}

async fn attributes(client: &Client, url: &str) -> Json {
    let input = json!({"QueueUrl": url, "AttributeNames": ["All"]});
    client.call("sqs", "GetQueueAttributes", input).await.ok()["Attributes"].clone()
}

async fn tags(client: &Client, url: &str) -> Json {
    client.call("sqs", "ListQueueTags", json!({"QueueUrl": url})).await.ok()["Tags"].clone()
}

#[tokio::test]
async fn a_queue_is_made_changed_and_removed() {
    let cloud = Cloud::start(services()).await;
    let (client, cx) = (cloud.client(), cloud.kernel.cx_for("000000000000", "us-east-1"));
    let queues = of_type("AWS::SQS::Queue");
    let dead = queue(&client, "dead", json!({})).await;
    let redrive = json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 3});
    let before = json!({"QueueName": "q", "FifoQueue": false, "MaximumMessageSize": 2048, "DelaySeconds": 5, "VisibilityTimeout": 60,
                        "ReceiveMessageWaitTimeSeconds": 7, "RedrivePolicy": redrive, "Tags": [{"Key": "a", "Value": "1"}]});
    let made = queues.create(&cx, &request(&before)).await.unwrap();
    assert_eq!(made.attributes["QueueName"], "q");
    assert_eq!(made.attributes["Arn"], "arn:aws:sqs:us-east-1:000000000000:q");
    let told = attributes(&client, &made.id).await;
    assert_eq!(
        (&told["MaximumMessageSize"], &told["DelaySeconds"], &told["FifoQueue"]),
        (&json!("2048"), &json!("5"), &Json::Null)
    );
    assert_eq!(tags(&client, &made.id).await, json!({"a": "1", "of": "stack"}));
    // What is gone has its default again; tags that are gone are taken away.
    let after =
        json!({"QueueName": "q", "FifoQueue": false, "VisibilityTimeout": 61, "Tags": [{"Key": "b", "Value": "2"}]});
    let updated = queues.update(&cx, &made.id, &properties_of(&before), &request(&after)).await.unwrap();
    assert!(matches!(updated, Updated::InPlace(r) if r.id == made.id));
    let told = attributes(&client, &made.id).await;
    for (name, value) in [
        ("MaximumMessageSize", "1048576"),
        ("DelaySeconds", "0"),
        ("VisibilityTimeout", "61"),
        ("ReceiveMessageWaitTimeSeconds", "0"),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    assert!(told["RedrivePolicy"].is_null(), "{told}");
    assert_eq!(tags(&client, &made.id).await, json!({"b": "2", "of": "stack"}));
    // Nothing at all but a name is a change too; without tags there is nothing to tag.
    let untagged = ResourceRequest { tags: Vec::new(), ..request(&json!({"QueueName": "q"})) };
    queues.update(&cx, &made.id, &properties_of(&json!({"QueueName": "q"})), &untagged).await.unwrap();
    assert_eq!(tags(&client, &made.id).await, Json::Null);
    assert_eq!(attributes(&client, &made.id).await["VisibilityTimeout"], "61");
    for _ in 0..2 {
        queues.delete(&cx, &made.id, &Properties::new()).await.unwrap();
    }
    let left = client.call("sqs", "ListQueues", json!({})).await.ok();
    assert_eq!(left["QueueUrls"], json!([dead]));
}

#[tokio::test]
async fn a_queue_without_a_name_is_given_one() {
    let cloud = Cloud::start(services()).await;
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let long = |fifo: bool| {
        let properties = if fifo { json!({"FifoQueue": true}) } else { json!({}) };
        ResourceRequest { logical_id: "L".repeat(100), ..request(&properties) }
    };
    let name = |made: undercast_kernel::resources::Resource| made.attributes["QueueName"].as_str().unwrap().to_owned();
    let queues = of_type("AWS::SQS::Queue");
    let standard = name(queues.create(&cx, &long(false)).await.unwrap());
    assert!(standard.starts_with("stack-LLL") && standard.len() == 80, "{standard}");
    let fifo = name(queues.create(&cx, &long(true)).await.unwrap());
    assert!(fifo.starts_with("stack-LLL") && fifo.ends_with(".fifo") && fifo.len() == 80, "{fifo}");
}

#[tokio::test]
async fn a_policy_is_put_on_queues_and_taken_away() {
    let cloud = Cloud::start(services()).await;
    let (client, cx) = (cloud.client(), cloud.kernel.cx_for("000000000000", "us-east-1"));
    let policies = of_type("AWS::SQS::QueuePolicy");
    let (one, two) = (queue(&client, "one", json!({})).await, queue(&client, "two", json!({})).await);
    let statement = json!({"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"});
    let document = json!({"Version": "2012-10-17", "Statement": [statement]});
    let before = json!({"PolicyDocument": document, "Queues": [one, two]});
    let made = policies.create(&cx, &request(&before)).await.unwrap();
    let policy = async |url: &str| !attributes(&client, url).await["Policy"].is_null();
    assert!(policy(&one).await && policy(&two).await);
    let after = json!({"PolicyDocument": document, "Queues": [two]});
    policies.update(&cx, &made.id, &properties_of(&before), &request(&after)).await.unwrap();
    assert!(!policy(&one).await && policy(&two).await);
    policies.delete(&cx, &made.id, &properties_of(&after)).await.unwrap();
    assert!(!policy(&two).await);
    // To take it from a queue that is gone is to do nothing; to put it on one is an error.
    client.call("sqs", "DeleteQueue", json!({"QueueUrl": two})).await.ok();
    policies.delete(&cx, &made.id, &properties_of(&after)).await.unwrap();
    assert!(policies.create(&cx, &request(&after)).await.is_err());
}

#[tokio::test]
async fn a_policy_of_one_queue_is_put_on_it_and_taken_away() {
    let cloud = Cloud::start(services()).await;
    let (client, cx) = (cloud.client(), cloud.kernel.cx_for("000000000000", "us-east-1"));
    let policies = of_type("AWS::SQS::QueueInlinePolicy");
    let url = queue(&client, "q", json!({})).await;
    let with = |effect: &str| {
        let statement = json!({"Effect": effect, "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"});
        json!({"Queue": url, "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}})
    };
    let made = policies.create(&cx, &request(&with("Allow"))).await.unwrap();
    assert_eq!(made.id, url);
    assert!(attributes(&client, &url).await["Policy"].as_str().unwrap().contains("Allow"));
    policies.update(&cx, &made.id, &properties_of(&with("Allow")), &request(&with("Deny"))).await.unwrap();
    assert!(attributes(&client, &url).await["Policy"].as_str().unwrap().contains("Deny"));
    policies.delete(&cx, &made.id, &properties_of(&with("Deny"))).await.unwrap();
    assert!(attributes(&client, &url).await["Policy"].is_null());
}
