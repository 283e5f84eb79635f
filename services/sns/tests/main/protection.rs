//! Data protection policies.

use super::*;

const EMAIL: &str = "arn:aws:dataprotection::aws:data-identifier/EmailAddress";

fn policy(direction: &str, operation: &Json) -> String {
    json!({"Name": "p", "Version": "2021-06-01", "Statement": [{"Sid": "s", "DataDirection": direction, "Principal": ["*"],
        "DataIdentifier": [EMAIL, "Ticket"], "Operation": operation}],
        "Configuration": {"CustomDataIdentifier": [{"Name": "Ticket", "Regex": "T-[0-9]{4}"}]}})
    .to_string()
}

async fn put(client: &Client, policy: &str) {
    client
        .call("sns", "PutDataProtectionPolicy", json!({"ResourceArn": TOPIC, "DataProtectionPolicy": policy}))
        .await
        .ok();
}

async fn with_queue(cloud: &Cloud) -> (Client, String) {
    let client = cloud.client();
    topic(&client, json!({})).await;
    let (url, arn) = any_queue(&client, "q", json!({})).await;
    subscribed(&client, TOPIC, "sqs", &arn, json!({"RawMessageDelivery": "true"})).await;
    (client, url)
}

#[tokio::test]
async fn what_comes_in_is_denied_masked_or_cut_out() {
    let cloud = Cloud::start(services()).await;
    let (client, url) = with_queue(&cloud).await;
    put(&client, &policy("Inbound", &json!({"Deny": {}}))).await;
    let refused = client.call("sns", "Publish", json!({"TopicArn": TOPIC, "Message": "to a@example.com"})).await;
    assert_eq!(refused.code(), "AuthorizationErrorException");
    put(&client, &policy("Inbound", &json!({"Deidentify": {"MaskConfig": {"MaskWithCharacter": "#"}}}))).await;
    publish(&client, "é to a@example.com of T-1234").await;
    put(&client, &policy("Inbound", &json!({"Deidentify": {"RedactConfig": {}}}))).await;
    publish(&client, "to a@example.com!").await;
    assert_eq!(bodies(&receive(&client, &url, 5).await), ["é to ############# of ######", "to !"]);
    let told = client.call("sns", "GetDataProtectionPolicy", json!({"ResourceArn": TOPIC})).await.ok();
    assert!(told["DataProtectionPolicy"].as_str().unwrap().contains("RedactConfig"));
    put(&client, "{}").await;
    publish(&client, "to a@example.com").await;
    assert_eq!(bodies(&receive(&client, &url, 5).await), ["to a@example.com"]);
}

#[tokio::test]
async fn what_goes_out_is_masked_or_held_back() {
    let cloud = Cloud::start(services()).await;
    let (client, url) = with_queue(&cloud).await;
    put(&client, &policy("Outbound", &json!({"Deidentify": {"MaskConfig": {"MaskWithCharacter": "*"}}}))).await;
    publish(&client, "to a@example.com").await;
    assert_eq!(bodies(&receive(&client, &url, 5).await), ["to *************"]);
    put(&client, &policy("Outbound", &json!({"Deny": {}}))).await;
    publish(&client, "to a@example.com").await;
    publish(&client, "to nobody").await;
    assert_eq!(bodies(&receive(&client, &url, 5).await), ["to nobody"]);
}

#[tokio::test]
async fn findings_are_told_and_counted() {
    let cloud = Cloud::start(services()).await;
    let (client, _) = with_queue(&cloud).await;
    let group = "/aws/vendedlogs/findings";
    client.call("logs", "CreateLogGroup", json!({"logGroupName": group})).await.ok();
    let audit = json!({"Audit": {"SampleRate": "99", "FindingsDestination": {"CloudWatchLogs": {"LogGroup": group}}}});
    put(&client, &policy("Inbound", &audit)).await;
    for _ in 0..4 {
        publish(&client, "from a@example.com of T-1234").await;
    }
    let events = client.call("logs", "FilterLogEvents", json!({"logGroupName": group})).await.ok();
    let event: Json = serde_json::from_str(events["events"][0]["message"].as_str().unwrap()).unwrap();
    let names: Vec<&str> =
        event["dataIdentifiers"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["EmailAddress", "Ticket"]);
    assert_eq!(event["dataIdentifiers"][0]["detections"], json!([{"start": 5, "end": 18}]));
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_by_name() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let good = policy("Inbound", &json!({"Deny": {}}));
    let refused = async |policy: String| {
        client
            .call("sns", "PutDataProtectionPolicy", json!({"ResourceArn": TOPIC, "DataProtectionPolicy": policy}))
            .await
            .status
    };
    assert_eq!(refused(good.replace("EmailAddress", "Name")).await, 501);
    assert_eq!(
        refused(
            good.replace(r#"{"Deny":{}}"#, r#"{"Audit":{"SampleRate":"1","FindingsDestination":{"Firehose":{}}}}"#)
        )
        .await,
        501
    );
    for (from, to) in [
        ("2021-06-01", "2020-01-01"),
        ("T-[0-9]{4}", "T-("),
        (r#"{"Deny":{}}"#, r#"{"Forbid":{}}"#),
        (r#"{"Deny":{}}"#, r#"{"Audit":{"SampleRate":"100"}}"#),
        (
            r#"{"Deny":{}}"#,
            r#"{"Audit":{"SampleRate":"1","FindingsDestination":{"CloudWatchLogs":{"LogGroup":"mine"}}}}"#,
        ),
        (r#"{"Deny":{}}"#, r#"{"Deidentify":{"MaskConfig":{"MaskWithCharacter":"ab"}}}"#),
        ("Inbound", "Sideways"),
        (EMAIL, "EmailAddress"),
    ] {
        assert_eq!(refused(good.replace(from, to)).await, 400, "{to}");
    }
    assert_eq!(refused(good.clone()).await, 200);
    let made = client.call("sns", "CreateTopic", json!({"Name": "other", "DataProtectionPolicy": good})).await.ok();
    let told = client.call("sns", "GetDataProtectionPolicy", json!({"ResourceArn": made["TopicArn"]})).await.ok();
    assert_eq!(told["DataProtectionPolicy"], good);
}
