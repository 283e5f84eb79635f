//! The CloudFormation types, as stacks use them.

use super::*;
use undercast_kernel::resources::{Properties, ResourceRequest, ResourceType, Updated};

fn of_type(name: &str) -> Box<dyn ResourceType> {
    Sns.resource_types().into_iter().find(|t| t.name() == name).unwrap()
}

fn properties_of(properties: &Json) -> Properties {
    properties.as_object().unwrap().clone()
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

async fn attributes(client: &Client, arn: &str) -> Json {
    client.call("sns", "GetTopicAttributes", json!({"TopicArn": arn})).await.ok()["Attributes"].clone()
}

#[tokio::test]
async fn a_topic_is_made_changed_and_removed() {
    let cloud = Cloud::start(services()).await;
    let (client, cx) = (cloud.client(), cloud.kernel.cx_for("000000000000", "us-east-1"));
    let topics = of_type("AWS::SNS::Topic");
    let (queue, other) = ("arn:aws:sqs:us-east-1:000000000000:a", "arn:aws:sqs:us-east-1:000000000000:b");
    let role = "arn:aws:iam::000000000000:role/r";
    let before = json!({"TopicName": "t", "FifoTopic": false, "DisplayName": "d", "SignatureVersion": "2", "TracingConfig": "PassThrough",
        "Subscription": [{"Endpoint": queue, "Protocol": "sqs"}], "Tags": [{"Key": "a", "Value": "1"}],
        "DeliveryStatusLogging": [{"Protocol": "http/s", "FailureFeedbackRoleArn": role}, {"Protocol": "sqs", "SuccessFeedbackRoleArn": role, "SuccessFeedbackSampleRate": 7}]});
    let made = topics.create(&cx, &request(&before)).await.unwrap();
    assert_eq!((made.id.as_str(), &made.attributes["TopicName"]), (TOPIC, &json!("t")));
    let told = attributes(&client, TOPIC).await;
    for (name, value) in [
        ("DisplayName", "d"),
        ("SignatureVersion", "2"),
        ("HTTPFailureFeedbackRoleArn", role),
        ("SQSSuccessFeedbackSampleRate", "7"),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    let policy = json!({"Name": "p", "Version": "2021-06-01", "Statement": [{"DataDirection": "Inbound", "Principal": ["*"],
        "DataIdentifier": ["arn:aws:dataprotection::aws:data-identifier/EmailAddress"], "Operation": {"Deny": {}}}]});
    let after = json!({"TopicName": "t", "FifoTopic": false, "KmsMasterKeyId": "alias/k", "DataProtectionPolicy": policy,
        "Subscription": [{"Endpoint": other, "Protocol": "sqs"}], "Tags": [{"Key": "b", "Value": "2"}]});
    let updated = topics.update(&cx, TOPIC, &properties_of(&before), &request(&after)).await.unwrap();
    assert!(matches!(updated, Updated::InPlace(r) if r.id == TOPIC));
    let told = attributes(&client, TOPIC).await;
    assert_eq!((&told["DisplayName"], &told["KmsMasterKeyId"]), (&json!(""), &json!("alias/k")));
    assert!(told["SignatureVersion"].is_null() && told["HTTPFailureFeedbackRoleArn"].is_null(), "{told}");
    let protection = client.call("sns", "GetDataProtectionPolicy", json!({"ResourceArn": TOPIC})).await.ok();
    assert!(protection["DataProtectionPolicy"].as_str().unwrap().contains("EmailAddress"));
    let listed = client.call("sns", "ListSubscriptionsByTopic", json!({"TopicArn": TOPIC})).await.ok();
    let endpoints: Vec<&str> =
        listed["Subscriptions"].as_array().unwrap().iter().map(|s| s["Endpoint"].as_str().unwrap()).collect();
    assert_eq!(endpoints, [other]);
    let tags = client.call("sns", "ListTagsForResource", json!({"ResourceArn": TOPIC})).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "b", "Value": "2"}, {"Key": "of", "Value": "stack"}]));
    for _ in 0..2 {
        topics.delete(&cx, TOPIC, &properties_of(&after)).await.unwrap();
    }
    assert_eq!(client.call("sns", "ListTopics", json!({})).await.ok()["Topics"], json!([]));
}

#[tokio::test]
async fn a_fifo_topic_is_given_a_name_and_is_removed_with_its_archive() {
    let cloud = Cloud::start(services()).await;
    let (client, cx) = (cloud.client(), cloud.kernel.cx_for("000000000000", "us-east-1"));
    let topics = of_type("AWS::SNS::Topic");
    let properties = json!({"FifoTopic": true, "ContentBasedDeduplication": true, "FifoThroughputScope": "MessageGroup",
        "ArchivePolicy": {"MessageRetentionPeriod": 30}});
    let made = topics.create(&cx, &request(&properties)).await.unwrap();
    assert!(made.id.contains(":stack-Logical-") && made.id.ends_with(".fifo"), "{}", made.id);
    let told = attributes(&client, &made.id).await;
    assert_eq!(
        (&told["ContentBasedDeduplication"], &told["FifoThroughputScope"]),
        (&json!("true"), &json!("MessageGroup"))
    );
    topics.delete(&cx, &made.id, &properties_of(&properties)).await.unwrap();
    assert_eq!(client.call("sns", "ListTopics", json!({})).await.ok()["Topics"], json!([]));
}

#[tokio::test]
async fn a_subscription_is_made_in_its_region_and_changed() {
    let cloud = Cloud::start(services()).await;
    let (client, cx) = (cloud.client().in_region("eu-west-1"), cloud.kernel.cx_for("000000000000", "us-east-1"));
    let made = client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok();
    let subscriptions = of_type("AWS::SNS::Subscription");
    let base = json!({"TopicArn": made["TopicArn"], "Protocol": "http", "Endpoint": "http://127.0.0.1:1/", "Region": "eu-west-1"});
    let with = |more: Json| {
        let mut all = base.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let before = with(
        json!({"FilterPolicy": {"a": {"b": ["c"]}}, "FilterPolicyScope": "MessageBody", "RawMessageDelivery": true,
        "RedrivePolicy": {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:q"}, "DeliveryPolicy": {"healthyRetryPolicy": {"numRetries": 1}}}),
    );
    let resource = subscriptions.create(&cx, &request(&before)).await.unwrap();
    let told = async || {
        client.call("sns", "GetSubscriptionAttributes", json!({"SubscriptionArn": resource.id})).await.ok()["Attributes"].clone()
    };
    let first = told().await;
    assert_eq!((&first["RawMessageDelivery"], &first["FilterPolicyScope"]), (&json!("true"), &json!("MessageBody")));
    assert!(first["EffectiveDeliveryPolicy"].as_str().unwrap().contains("\"numRetries\":1"), "{first}");
    let after = with(json!({"FilterPolicy": {"a": ["b"]}, "FilterPolicyScope": "MessageBody"}));
    subscriptions.update(&cx, &resource.id, &properties_of(&before), &request(&after)).await.unwrap();
    let second = told().await;
    assert_eq!((&second["RawMessageDelivery"], &second["FilterPolicy"]), (&json!("false"), &json!(r#"{"a":["b"]}"#)));
    assert!(second["RedrivePolicy"].is_null() && second["DeliveryPolicy"].is_null(), "{second}");
    subscriptions.delete(&cx, &resource.id, &properties_of(&after)).await.unwrap();
    assert_eq!(client.call("sns", "ListSubscriptions", json!({})).await.ok()["Subscriptions"], json!([]));
}

#[tokio::test]
async fn policies_are_put_on_topics_and_taken_away() {
    let cloud = Cloud::start(services()).await;
    let (client, cx) = (cloud.client(), cloud.kernel.cx_for("000000000000", "us-east-1"));
    topic(&client, json!({})).await;
    let document = |effect: &str| json!({"Version": "2012-10-17", "Id": "mine", "Statement": [{"Effect": effect, "Principal": "*", "Action": "sns:Publish", "Resource": TOPIC}]});
    let own = async || attributes(&client, TOPIC).await["Policy"].as_str().unwrap().to_owned();
    for (kind, place) in [
        ("AWS::SNS::TopicPolicy", json!({"Topics": [TOPIC]})),
        ("AWS::SNS::TopicInlinePolicy", json!({"TopicArn": TOPIC})),
    ] {
        let policies = of_type(kind);
        let with = |effect: &str| {
            let mut all = place.clone();
            all["PolicyDocument"] = document(effect);
            all
        };
        let made = policies.create(&cx, &request(&with("Allow"))).await.unwrap();
        assert!(own().await.contains("Allow") && own().await.contains("mine"), "{kind}");
        policies.update(&cx, &made.id, &properties_of(&with("Allow")), &request(&with("Deny"))).await.unwrap();
        assert!(own().await.contains("Deny"), "{kind}");
        policies.delete(&cx, &made.id, &properties_of(&with("Deny"))).await.unwrap();
        assert!(own().await.contains("__default_policy_ID"), "{kind}");
    }
}
