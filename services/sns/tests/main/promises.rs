//! What every operation refuses: strangers, what is not there, what is no ARN, and too much at once.

use super::*;
use undercast_testkit::Credentials;

const NOWHERE: &str = "arn:aws:sns:us-east-1:000000000000:nowhere";
const NO_SUBSCRIPTION: &str = "arn:aws:sns:us-east-1:000000000000:t:00000000-0000-4000-8000-000000000000";
const NO_APP: &str = "arn:aws:sns:us-east-1:000000000000:app/GCM/nothing";
const NO_DEVICE: &str = "arn:aws:sns:us-east-1:000000000000:endpoint/GCM/nothing/00000000-0000-4000-8000-000000000000";

/// Every operation with everything that it takes, about this topic, subscription, application and device.
fn every(topic: &str, subscription: &str, app: &str, device: &str) -> Vec<(&'static str, Json)> {
    let tag = json!([{"Key": "k", "Value": "v"}]);
    let attributes = json!({"a": {"DataType": "Binary", "BinaryValue": "AQ=="}});
    let entry = json!([{"Id": "a", "Message": "{\"default\": \"m\"}", "MessageStructure": "json", "Subject": "s", "MessageAttributes": attributes,
        "MessageGroupId": "g"}]);
    vec![
        (
            "AddPermission",
            json!({"TopicArn": topic, "Label": "l", "AWSAccountId": ["111111111111"], "ActionName": ["Publish"]}),
        ),
        ("CheckIfPhoneNumberIsOptedOut", json!({"phoneNumber": "+14155552671"})),
        ("ConfirmSubscription", json!({"TopicArn": topic, "Token": "t", "AuthenticateOnUnsubscribe": "true"})),
        (
            "CreatePlatformApplication",
            json!({"Name": "n", "Platform": "GCM", "Attributes": {"PlatformCredential": "c"}}),
        ),
        (
            "CreatePlatformEndpoint",
            json!({"PlatformApplicationArn": app, "Token": "t", "CustomUserData": "d", "Attributes": {"Enabled": "true"}}),
        ),
        ("CreateSMSSandboxPhoneNumber", json!({"PhoneNumber": "+14155552671", "LanguageCode": "en-US"})),
        ("CreateTopic", json!({"Name": "new", "Attributes": {"DisplayName": "d"}, "Tags": tag})),
        ("DeleteEndpoint", json!({"EndpointArn": device})),
        ("DeletePlatformApplication", json!({"PlatformApplicationArn": app})),
        ("DeleteSMSSandboxPhoneNumber", json!({"PhoneNumber": "+14155552679"})),
        ("DeleteTopic", json!({"TopicArn": topic})),
        ("GetDataProtectionPolicy", json!({"ResourceArn": topic})),
        ("GetEndpointAttributes", json!({"EndpointArn": device})),
        ("GetPlatformApplicationAttributes", json!({"PlatformApplicationArn": app})),
        ("GetSMSAttributes", json!({"attributes": ["DefaultSMSType"]})),
        ("GetSMSSandboxAccountStatus", json!({})),
        ("GetSubscriptionAttributes", json!({"SubscriptionArn": subscription})),
        ("GetTopicAttributes", json!({"TopicArn": topic})),
        ("ListEndpointsByPlatformApplication", json!({"PlatformApplicationArn": app})),
        ("ListOriginationNumbers", json!({"MaxResults": 5})),
        ("ListPhoneNumbersOptedOut", json!({})),
        ("ListPlatformApplications", json!({})),
        ("ListSMSSandboxPhoneNumbers", json!({"MaxResults": 5})),
        ("ListSubscriptions", json!({})),
        ("ListSubscriptionsByTopic", json!({"TopicArn": topic})),
        ("ListTagsForResource", json!({"ResourceArn": topic})),
        ("ListTopics", json!({})),
        ("OptInPhoneNumber", json!({"phoneNumber": "+14155552671"})),
        ("Publish", json!({"TopicArn": topic, "Message": "m", "MessageGroupId": "g"})),
        ("PublishBatch", json!({"TopicArn": topic, "PublishBatchRequestEntries": entry})),
        ("PutDataProtectionPolicy", json!({"ResourceArn": topic, "DataProtectionPolicy": "{}"})),
        ("RemovePermission", json!({"TopicArn": topic, "Label": "l"})),
        ("SetEndpointAttributes", json!({"EndpointArn": device, "Attributes": {"Enabled": "true"}})),
        ("SetPlatformApplicationAttributes", json!({"PlatformApplicationArn": app, "Attributes": {"Enabled": "true"}})),
        ("SetSMSAttributes", json!({"attributes": {"DefaultSMSType": "Promotional"}})),
        (
            "SetSubscriptionAttributes",
            json!({"SubscriptionArn": subscription, "AttributeName": "RawMessageDelivery", "AttributeValue": "true"}),
        ),
        ("SetTopicAttributes", json!({"TopicArn": topic, "AttributeName": "DisplayName", "AttributeValue": "d"})),
        (
            "Subscribe",
            json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:000000000000:q"}),
        ),
        ("TagResource", json!({"ResourceArn": topic, "Tags": tag})),
        ("Unsubscribe", json!({"SubscriptionArn": subscription})),
        ("UntagResource", json!({"ResourceArn": topic, "TagKeys": ["k"]})),
        ("VerifySMSSandboxPhoneNumber", json!({"PhoneNumber": "+14155552679", "OneTimePassword": "12345"})),
    ]
}

#[tokio::test]
async fn who_may_do_nothing_does_nothing() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    client.call("iam", "CreateUser", json!({"UserName": "u"})).await.ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": "u"})).await.ok();
    let text = |name: &str| made["AccessKey"][name].as_str().unwrap();
    let user = cloud.client_of(Credentials::new(text("AccessKeyId"), text("SecretAccessKey")));
    let all = every(TOPIC, NO_SUBSCRIPTION, NO_APP, NO_DEVICE);
    assert_eq!(all.len(), Sns.api().operations.len());
    for (operation, input) in all {
        assert_eq!(user.call("sns", operation, input).await.code(), "AuthorizationErrorException", "{operation}");
    }
    for input in
        [json!({"PhoneNumber": "+14155552671", "Message": "m"}), json!({"TargetArn": NO_DEVICE, "Message": "m"})]
    {
        assert_eq!(user.call("sns", "Publish", input).await.code(), "AuthorizationErrorException");
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_so() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    // To remove what is not there is to do nothing, and others ask for no thing of the account's.
    let fine = ["DeleteEndpoint", "DeletePlatformApplication", "DeleteTopic", "Unsubscribe"];
    for (operation, input) in every(NOWHERE, NO_SUBSCRIPTION, NO_APP, NO_DEVICE) {
        let names = ["TopicArn", "ResourceArn", "SubscriptionArn", "PlatformApplicationArn", "EndpointArn"];
        if !names.iter().any(|n| input.get(*n).is_some()) {
            continue;
        }
        let answer = client.call("sns", operation, input).await;
        if fine.contains(&operation) {
            answer.ok();
        } else {
            let code = if operation.contains("Tag") || operation.contains("Untag") {
                "ResourceNotFoundException"
            } else {
                "NotFoundException"
            };
            assert_eq!(answer.code(), code, "{operation}");
        }
    }
    for operation in ["DeleteSMSSandboxPhoneNumber", "VerifySMSSandboxPhoneNumber"] {
        let input = json!({"PhoneNumber": "+14155552679", "OneTimePassword": "12345"});
        let input = if operation.starts_with('D') { json!({"PhoneNumber": input["PhoneNumber"]}) } else { input };
        assert_eq!(client.call("sns", operation, input).await.code(), "ResourceNotFoundException");
    }
}

#[tokio::test]
async fn what_is_no_arn_number_or_token_is_refused() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for (operation, input) in every("x", "x", "x", "x") {
        let mut input = input;
        for name in ["phoneNumber", "PhoneNumber"] {
            if input.get(name).is_some() {
                input[name] = json!("12");
            }
        }
        match operation {
            "CreateTopic" => input["Name"] = json!("a b"),
            "CreatePlatformApplication" => input["Platform"] = json!("AAA"),
            "SetSMSAttributes" => input["attributes"] = json!({"Nothing": "x"}),
            "ListPhoneNumbersOptedOut" => input["nextToken"] = json!("x"),
            "GetSMSAttributes" | "GetSMSSandboxAccountStatus" => continue,
            "VerifySMSSandboxPhoneNumber" => input["OneTimePassword"] = json!("letters"),
            "DeleteSMSSandboxPhoneNumber" => input["PhoneNumber"] = json!("letters"),
            name if name.starts_with("List") && !input.as_object().unwrap().values().any(|v| v == "x") => {
                input["NextToken"] = json!("x");
            }
            _ => {}
        }
        let answer = client.call("sns", operation, input).await;
        assert_eq!(answer.code(), "InvalidParameterException", "{operation}: {}", answer.json);
    }
    topic(&client, json!({})).await;
    let made = client
        .call(
            "sns",
            "CreatePlatformApplication",
            json!({"Name": "a", "Platform": "GCM", "Attributes": {"PlatformCredential": "c"}}),
        )
        .await
        .ok();
    for (operation, input) in [
        ("ListSubscriptionsByTopic", json!({"TopicArn": TOPIC, "NextToken": "x"})),
        (
            "ListEndpointsByPlatformApplication",
            json!({"PlatformApplicationArn": made["PlatformApplicationArn"], "NextToken": "x"}),
        ),
    ] {
        assert_eq!(client.call("sns", operation, input).await.code(), "InvalidParameterException", "{operation}");
    }
}

#[tokio::test]
async fn who_asks_too_much_is_told_so() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let rule = json!({"id": "busy", "service": "sns", "effect": "throttle"});
    cloud.kernel.faults().add(serde_json::from_value(rule).unwrap()).unwrap();
    for (operation, input) in every(TOPIC, NO_SUBSCRIPTION, NO_APP, NO_DEVICE) {
        let code = client.call("sns", operation, input).await.code().to_owned();
        assert!(matches!(code.as_str(), "ThrottledException" | "Throttling"), "{operation}: {code}");
    }
}

#[tokio::test]
async fn a_batch_is_refused_as_a_whole_where_it_is_none() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let entry = |id: &str| json!({"Id": id, "Message": "m"});
    let large = json!({"Id": "a", "Message": "x".repeat(262_145)});
    for (entries, code) in [
        (json!([]), "EmptyBatchRequestException"),
        (json!((0..11).map(|n| entry(&n.to_string())).collect::<Vec<_>>()), "TooManyEntriesInBatchRequestException"),
        (json!([entry("a"), entry("a")]), "BatchEntryIdsNotDistinctException"),
        (json!([entry("msg@123#test")]), "InvalidBatchEntryIdException"),
        (json!([entry(&"a".repeat(81))]), "InvalidBatchEntryIdException"),
        (json!([large]), "BatchRequestTooLongException"),
    ] {
        let answer =
            client.call("sns", "PublishBatch", json!({"TopicArn": TOPIC, "PublishBatchRequestEntries": entries})).await;
        assert_eq!(answer.code(), code, "{}", answer.json);
    }
    let entry = json!([{"Id": "a", "Message": "{\"default\": \"m\"}", "MessageStructure": "json", "Subject": "s", "MessageGroupId": "g",
        "MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "AQ=="}}},
        {"Id": "b", "Message": "m", "MessageAttributes": {"a": {"DataType": "Number", "StringValue": "x"}}}]);
    let answer =
        client.call("sns", "PublishBatch", json!({"TopicArn": TOPIC, "PublishBatchRequestEntries": entry})).await.ok();
    assert_eq!(
        (&answer["Successful"][0]["Id"], &answer["Failed"][0]["Code"]),
        (&json!("a"), &json!("ParameterValueInvalid"))
    );
}

#[tokio::test]
async fn a_topic_has_fifty_tags() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let tags = |n: usize| json!((0..n).map(|n| json!({"Key": n.to_string(), "Value": ""})).collect::<Vec<_>>());
    let refused = client.call("sns", "CreateTopic", json!({"Name": "t", "Tags": tags(51)})).await;
    assert_eq!(refused.code(), "TagLimitExceededException");
    client.call("sns", "CreateTopic", json!({"Name": "t", "Tags": tags(50)})).await.ok();
    let one = json!({"ResourceArn": TOPIC, "Tags": [{"Key": "more", "Value": ""}]});
    assert_eq!(client.call("sns", "TagResource", one.clone()).await.code(), "TagLimitExceededException");
    client.call("sns", "UntagResource", json!({"ResourceArn": TOPIC, "TagKeys": ["1"]})).await.ok();
    client.call("sns", "TagResource", one).await.ok();
    let twice = json!({"ResourceArn": TOPIC, "Tags": [{"Key": "a", "Value": ""}, {"Key": "a", "Value": ""}]});
    assert_eq!(
        client.call("sns", "TagResource", twice).await.json["message"],
        "Invalid parameter: Duplicated keys are not allowed."
    );
}
