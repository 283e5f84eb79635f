//! Filter policies as data: which messages pass, and what is refused with which words.

use super::*;

const CASES: &str = include_str!("filters.json");

/// A message for a subscription: its attributes, or its body.
fn message(scope: &str, of: &Json) -> Json {
    if scope == "MessageBody" {
        return json!({"Message": of.as_str().map_or_else(|| of.to_string(), ToOwned::to_owned)});
    }
    let attributes: serde_json::Map<String, Json> = of
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let (kind, text) = match value {
                Json::String(text) => ("String", text.clone()),
                Json::Number(number) => ("Number", number.to_string()),
                Json::Array(_) => ("String.Array", value.to_string()),
                other => panic!("no attribute is {other}"),
            };
            (name.clone(), json!({"DataType": kind, "StringValue": text}))
        })
        .collect();
    json!({"Message": "m", "MessageAttributes": attributes})
}

#[tokio::test]
async fn policies_let_through_what_they_say() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let (url, arn) = any_queue(&client, "q", json!({})).await;
    let subscription = subscribed(&client, TOPIC, "sqs", &arn, json!({"RawMessageDelivery": "true"})).await;
    let set = async |name: &str, value: &str| {
        let input = json!({"SubscriptionArn": subscription, "AttributeName": name, "AttributeValue": value});
        client.call("sns", "SetSubscriptionAttributes", input).await.ok();
    };
    let cases: Json = serde_json::from_str(CASES).unwrap();
    let mut pairs = 0;
    for case in cases["passes"].as_array().unwrap() {
        let scope = case["scope"].as_str().unwrap_or("MessageAttributes");
        set("FilterPolicy", "").await;
        set("FilterPolicyScope", scope).await;
        set("FilterPolicy", &case["policy"].to_string()).await;
        for (wanted, list) in [(1, "yes"), (0, "no")] {
            for of in case[list].as_array().unwrap() {
                let mut input = message(scope, of);
                input["TopicArn"] = json!(TOPIC);
                client.call("sns", "Publish", input).await.ok();
                let got = receive(&client, &url, 0).await;
                assert_eq!(got.len(), wanted, "{} with {of}", case["policy"]);
                for message in got {
                    client
                        .call(
                            "sqs",
                            "DeleteMessage",
                            json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}),
                        )
                        .await
                        .ok();
                }
                pairs += 1;
            }
        }
    }
    assert!(pairs >= 200, "{pairs}");
}

#[tokio::test]
async fn what_is_no_policy_is_refused_in_awss_words() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let subscription = subscribed(&client, TOPIC, "sqs", "arn:aws:sqs:us-east-1:000000000000:q", json!({})).await;
    let cases: Json = serde_json::from_str(CASES).unwrap();
    for case in cases["refused"].as_array().unwrap() {
        let policy = case["policy"].as_str().map_or_else(|| case["policy"].to_string(), ToOwned::to_owned);
        let scope = case["scope"].as_str().unwrap_or("MessageAttributes");
        let set = |name: &str, value: &str| json!({"SubscriptionArn": subscription, "AttributeName": name, "AttributeValue": value});
        client.call("sns", "SetSubscriptionAttributes", set("FilterPolicyScope", scope)).await.ok();
        let refused = client.call("sns", "SetSubscriptionAttributes", set("FilterPolicy", &policy)).await;
        let why = case["why"].as_str().unwrap();
        assert_eq!(
            (refused.code(), refused.json["message"].as_str().unwrap()),
            ("InvalidParameterException", why),
            "{policy}"
        );
        let attributes = json!({"FilterPolicyScope": scope, "FilterPolicy": policy});
        let input = json!({"TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:000000000000:other", "Attributes": attributes});
        let refused = client.call("sns", "Subscribe", input).await;
        let place =
            why.replace("Invalid parameter: FilterPolicy:", "Invalid parameter: Attributes Reason: FilterPolicy:");
        assert_eq!(refused.json["message"], place, "{policy}");
    }
}

#[tokio::test]
async fn a_topic_has_two_hundred_policies() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let policy = json!({"FilterPolicy": json!({"a": ["b"]}).to_string()});
    for n in 0..200 {
        subscribed(&client, TOPIC, "sms", &format!("+1415555{n:04}"), policy.clone()).await;
    }
    let input = json!({"TopicArn": TOPIC, "Protocol": "sms", "Endpoint": "+14155569999", "Attributes": policy});
    assert_eq!(client.call("sns", "Subscribe", input).await.code(), "FilterPolicyLimitExceededException");
    let plain = subscribed(&client, TOPIC, "sms", "+14155569999", json!({})).await;
    let set =
        json!({"SubscriptionArn": plain, "AttributeName": "FilterPolicy", "AttributeValue": policy["FilterPolicy"]});
    assert_eq!(client.call("sns", "SetSubscriptionAttributes", set).await.code(), "FilterPolicyLimitExceededException");
}
