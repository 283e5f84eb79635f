//! Who may do what to topics: policies and their condition keys.

use super::*;
use undercast_testkit::Credentials;

const OTHER: &str = "111111111111";

async fn set_policy(client: &Client, statements: Json) {
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let input = json!({"TopicArn": TOPIC, "AttributeName": "Policy", "AttributeValue": policy});
    client.call("sns", "SetTopicAttributes", input).await.ok();
}

#[tokio::test]
async fn another_account_subscribes_as_the_policy_says() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let stranger = cloud.client_of(Credentials::new(OTHER, "test"));
    topic(&client, json!({})).await;
    let subscribe =
        |protocol: &str, endpoint: &str| json!({"TopicArn": TOPIC, "Protocol": protocol, "Endpoint": endpoint});
    let refused = stranger.call("sns", "Subscribe", subscribe("sms", "+14155552671")).await;
    assert_eq!(refused.code(), "AuthorizationErrorException");
    set_policy(
        &client,
        json!([{"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "sns:Subscribe", "Resource": TOPIC,
        "Condition": {"StringEquals": {"sns:Protocol": "email"}, "StringLike": {"sns:Endpoint": "*@example.com"}}}]),
    )
    .await;
    for (protocol, endpoint) in [("sms", "+14155552671"), ("email", "a@example.org")] {
        let refused = stranger.call("sns", "Subscribe", subscribe(protocol, endpoint)).await;
        assert_eq!(refused.code(), "AuthorizationErrorException", "{endpoint}");
    }
    let mut input = subscribe("email", "a@example.com");
    input["ReturnSubscriptionArn"] = json!(true);
    let made = stranger.call("sns", "Subscribe", input).await.ok();
    // It is theirs: they see it, and may change and end it; the topic's owner sees it with the topic.
    let own = json!({"SubscriptionArn": made["SubscriptionArn"]});
    let told = stranger.call("sns", "GetSubscriptionAttributes", own.clone()).await.ok();
    assert_eq!(told["Attributes"]["Owner"], OTHER);
    let mine = async |client: &Client| {
        client.call("sns", "ListSubscriptions", json!({})).await.ok()["Subscriptions"].as_array().unwrap().len()
    };
    assert_eq!((mine(&stranger).await, mine(&client).await), (1, 0));
    let listed = client.call("sns", "ListSubscriptionsByTopic", json!({"TopicArn": TOPIC})).await.ok();
    assert_eq!(listed["Subscriptions"][0]["Owner"], OTHER);
    let third = cloud.client_of(Credentials::new("222222222222", "test"));
    assert_eq!(third.call("sns", "Unsubscribe", own.clone()).await.code(), "AuthorizationErrorException");
    stranger.call("sns", "Unsubscribe", own).await.ok();
    assert_eq!(mine(&stranger).await, 0);
}

#[tokio::test]
async fn another_account_publishes_with_a_permission() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let stranger = cloud.client_of(Credentials::new(OTHER, "test"));
    topic(&client, json!({})).await;
    let (url, arn) = any_queue(&client, "q", json!({})).await;
    subscribed(&client, TOPIC, "sqs", &arn, json!({"RawMessageDelivery": "true"})).await;
    let input = json!({"TopicArn": TOPIC, "Message": "from afar"});
    assert_eq!(stranger.call("sns", "Publish", input.clone()).await.code(), "AuthorizationErrorException");
    let permission = json!({"TopicArn": TOPIC, "Label": "l", "AWSAccountId": [OTHER], "ActionName": ["Publish"]});
    client.call("sns", "AddPermission", permission).await.ok();
    stranger.call("sns", "Publish", input.clone()).await.ok();
    assert_eq!(bodies(&receive(&client, &url, 0).await), ["from afar"]);
    client.call("sns", "RemovePermission", json!({"TopicArn": TOPIC, "Label": "l"})).await.ok();
    assert_eq!(stranger.call("sns", "Publish", input).await.code(), "AuthorizationErrorException");
}

#[tokio::test]
async fn a_queue_of_somebody_else_is_asked_first() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let owner = cloud.client_of(Credentials::new(OTHER, "test"));
    topic(&client, json!({})).await;
    let arn = format!("arn:aws:sqs:us-east-1:{OTHER}:q");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": arn, "Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}}}]}).to_string();
    let made = owner.call("sqs", "CreateQueue", json!({"QueueName": "q", "Attributes": {"Policy": policy}})).await.ok();
    let url = made["QueueUrl"].as_str().unwrap().to_owned();
    let answer =
        client.call("sns", "Subscribe", json!({"TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": arn})).await.ok();
    assert_eq!(answer["SubscriptionArn"], "pending confirmation");
    let asked: Json = serde_json::from_str(receive(&owner, &url, 5).await[0]["Body"].as_str().unwrap()).unwrap();
    assert_eq!(asked["Type"], "SubscriptionConfirmation");
    client.call("sns", "ConfirmSubscription", json!({"TopicArn": TOPIC, "Token": asked["Token"]})).await.ok();
    publish(&client, "m").await;
    let got: Json = serde_json::from_str(receive(&owner, &url, 5).await[0]["Body"].as_str().unwrap()).unwrap();
    assert_eq!(got["Message"], "m");
}

#[tokio::test]
async fn a_role_is_handed_over_by_who_may() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    client.call("iam", "CreateUser", json!({"UserName": "u"})).await.ok();
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sns:*", "Resource": "*"}]})
            .to_string();
    client
        .call("iam", "PutUserPolicy", json!({"UserName": "u", "PolicyName": "p", "PolicyDocument": policy}))
        .await
        .ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": "u"})).await.ok();
    let text = |name: &str| made["AccessKey"][name].as_str().unwrap();
    let user = cloud.client_of(Credentials::new(text("AccessKeyId"), text("SecretAccessKey")));
    let set = json!({"TopicArn": TOPIC, "AttributeName": "SQSFailureFeedbackRoleArn", "AttributeValue": "arn:aws:iam::000000000000:role/r"});
    assert_eq!(user.call("sns", "SetTopicAttributes", set.clone()).await.code(), "AuthorizationErrorException");
    client.call("sns", "SetTopicAttributes", set).await.ok();
}

#[tokio::test]
async fn tags_decide_where_a_policy_says_so() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    client.call("iam", "CreateUser", json!({"UserName": "u"})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}},
        {"Effect": "Allow", "Action": ["sns:TagResource", "sns:UntagResource"], "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "team"}}}]});
    client
        .call("iam", "PutUserPolicy", json!({"UserName": "u", "PolicyName": "p", "PolicyDocument": policy.to_string()}))
        .await
        .ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": "u"})).await.ok();
    let text = |name: &str| made["AccessKey"][name].as_str().unwrap();
    let user = cloud.client_of(Credentials::new(text("AccessKeyId"), text("SecretAccessKey")));
    let message = json!({"TopicArn": TOPIC, "Message": "m"});
    assert_eq!(user.call("sns", "Publish", message.clone()).await.code(), "AuthorizationErrorException");
    let tag = |key: &str| json!({"ResourceArn": TOPIC, "Tags": [{"Key": key, "Value": "a"}]});
    assert_eq!(user.call("sns", "TagResource", tag("other")).await.code(), "AuthorizationErrorException");
    user.call("sns", "TagResource", tag("team")).await.ok();
    user.call("sns", "Publish", message).await.ok();
    let untag = json!({"ResourceArn": TOPIC, "TagKeys": ["other"]});
    assert_eq!(user.call("sns", "UntagResource", untag).await.code(), "AuthorizationErrorException");
}
