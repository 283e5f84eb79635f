//! Sources of partners, on both sides.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::targets::stranger;
use super::{ACCOUNT, Client, body, cloud, messages, queue, receive};

const NAME: &str = "aws.partner/example.com/shop/1";
const ARN: &str = "arn:aws:events:us-east-1::event-source/aws.partner/example.com/shop/1";
const DAYS: Duration = Duration::from_secs(24 * 60 * 60);

async fn offer(partner: &Client) {
    let made = partner.call("events", "CreatePartnerEventSource", json!({"Name": NAME, "Account": ACCOUNT})).await.ok();
    assert_eq!(made["EventSourceArn"], ARN);
}

async fn make(client: &Client) {
    let input = json!({"Name": NAME, "EventSourceName": NAME});
    let made = client.call("events", "CreateEventBus", input).await.ok();
    assert_eq!(made["EventBusArn"], format!("arn:aws:events:us-east-1:{ACCOUNT}:event-bus/{NAME}"));
}

async fn state(client: &Client) -> Json {
    let told = client.call("events", "ListEventSources", json!({"NamePrefix": "aws.partner/example"})).await.ok();
    told["EventSources"][0]["State"].clone()
}

/// Puts an event of a partner. Returns its id.
async fn put(partner: &Client) -> String {
    let entry =
        json!({"Source": NAME, "DetailType": "sold", "Detail": "{\"n\":1}", "Resources": ["r"], "Time": 1_767_323_045});
    let told = partner.call("events", "PutPartnerEvents", json!({"Entries": [entry]})).await.ok();
    assert_eq!(told["FailedEntryCount"], 0, "{told}");
    told["Entries"][0]["EventId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_a_partner_puts_comes_to_the_bus_of_its_source() {
    let cloud = cloud().await;
    let (client, partner) = (cloud.client(), stranger(&cloud));
    offer(&partner).await;
    assert_eq!(state(&client).await, "PENDING");
    // Nobody takes it yet.
    put(&partner).await;
    make(&client).await;
    assert_eq!(state(&client).await, "ACTIVE");
    let (url, queue) = queue(&client, "q").await;
    let pattern = json!({"source": [{"prefix": "aws.partner/"}]}).to_string();
    client.call("events", "PutRule", json!({"Name": "r", "EventBusName": NAME, "EventPattern": pattern})).await.ok();
    let targets = json!([{"Id": "q", "Arn": queue}]);
    client.call("events", "PutTargets", json!({"Rule": "r", "EventBusName": NAME, "Targets": targets})).await.ok();
    let id = put(&partner).await;
    assert_eq!(
        body(&messages(&client, &url).await[0]),
        json!({"version": "0", "id": id, "detail-type": "sold", "source": NAME, "account": ACCOUNT,
            "time": "2026-01-02T03:04:05Z", "region": "us-east-1", "resources": ["r"], "detail": {"n": 1}})
    );
    client.call("events", "DeactivateEventSource", json!({"Name": NAME})).await.ok();
    assert_eq!(state(&client).await, "PENDING");
    put(&partner).await;
    client.call("events", "ActivateEventSource", json!({"Name": NAME})).await.ok();
    let id = put(&partner).await;
    let found = messages(&client, &url).await;
    assert_eq!((found.len(), &body(&found[0])["id"]), (1, &json!(id)));
    // The partner takes it back: its bus stays, and gets nothing.
    partner.call("events", "DeletePartnerEventSource", json!({"Name": NAME, "Account": ACCOUNT})).await.ok();
    assert_eq!(state(&client).await, "DELETED");
    let gone = partner.call("events", "DescribePartnerEventSource", json!({"Name": NAME})).await;
    assert_eq!(gone.code(), "ResourceNotFoundException");
    for operation in ["ActivateEventSource", "DeactivateEventSource"] {
        let refused = client.call("events", operation, json!({"Name": NAME})).await;
        assert_eq!(refused.code(), "InvalidStateException", "{operation}");
    }
    put(&partner).await;
    assert!(receive(&client, &url, 0).await.is_empty());
    client.call("events", "RemoveTargets", json!({"Rule": "r", "EventBusName": NAME, "Ids": ["q"]})).await.ok();
    client.call("events", "DeleteRule", json!({"Name": "r", "EventBusName": NAME})).await.ok();
    client.call("events", "DeleteEventBus", json!({"Name": NAME})).await.ok();
    assert_eq!(state(&client).await, Json::Null);
}

#[tokio::test]
async fn both_sides_see_a_source() {
    let cloud = cloud().await;
    let (client, partner) = (cloud.client(), stranger(&cloud));
    offer(&partner).await;
    let taken = partner.call("events", "CreatePartnerEventSource", json!({"Name": NAME, "Account": ACCOUNT})).await;
    assert_eq!(taken.code(), "ResourceAlreadyExistsException");
    let told = partner.call("events", "DescribePartnerEventSource", json!({"Name": NAME})).await.ok();
    assert_eq!(told, json!({"Arn": ARN, "Name": NAME}));
    let input = json!({"NamePrefix": "aws.partner/example.com/", "Limit": 1});
    let told = partner.call("events", "ListPartnerEventSources", input).await.ok();
    assert_eq!(told, json!({"PartnerEventSources": [{"Arn": ARN, "Name": NAME}]}));
    let input = json!({"EventSourceName": NAME, "Limit": 1});
    let told = partner.call("events", "ListPartnerEventSourceAccounts", input).await.ok();
    let account = &told["PartnerEventSourceAccounts"][0];
    assert_eq!((&account["Account"], &account["State"]), (&json!(ACCOUNT), &json!("PENDING")));
    let told = client.call("events", "DescribeEventSource", json!({"Name": NAME})).await.ok();
    assert_eq!(
        (&told["Arn"], &told["CreatedBy"], &told["State"]),
        (&json!(ARN), &json!("aws.partner/example.com"), &json!("PENDING"))
    );
    assert_eq!(
        (&told["CreationTime"], &told["ExpirationTime"]),
        (&account["CreationTime"], &account["ExpirationTime"])
    );
    // Neither sees the other's side.
    for (side, operation) in [(&client, "DescribePartnerEventSource"), (&partner, "DescribeEventSource")] {
        let refused = side.call("events", operation, json!({"Name": NAME})).await;
        assert_eq!(refused.code(), "ResourceNotFoundException", "{operation}");
    }
    let entry = json!({"Source": NAME, "DetailType": "t", "Detail": "{}"});
    let told = client.call("events", "PutPartnerEvents", json!({"Entries": [entry, {"Detail": "{}"}]})).await.ok();
    assert_eq!(told["FailedEntryCount"], 2);
    assert_eq!(
        (&told["Entries"][0]["ErrorCode"], &told["Entries"][1]["ErrorCode"]),
        (&json!("NotAuthorizedForSourceException"), &json!("InvalidArgument"))
    );
}

#[tokio::test]
async fn a_source_without_a_bus_goes_by_the_clock() {
    let cloud = cloud().await;
    let (client, partner) = (cloud.client(), stranger(&cloud));
    cloud.kernel.clock().freeze();
    offer(&partner).await;
    cloud.kernel.advance(13 * DAYS).await.unwrap();
    make(&client).await;
    cloud.kernel.advance(20 * DAYS).await.unwrap();
    assert_eq!(state(&client).await, "ACTIVE");
    client.call("events", "DeleteEventBus", json!({"Name": NAME})).await.ok();
    assert_eq!(state(&client).await, "PENDING");
    cloud.kernel.advance(15 * DAYS).await.unwrap();
    assert_eq!(state(&client).await, Json::Null);
    let refused = client.call("events", "CreateEventBus", json!({"Name": NAME, "EventSourceName": NAME})).await;
    assert_eq!(refused.code(), "ResourceNotFoundException");
}
