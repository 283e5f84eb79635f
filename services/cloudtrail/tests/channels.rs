//! Channels, and events of other applications.

use sha2::{Digest as _, Sha256};

use super::lake::{finished, rows, store};
use super::*;

const OTHER: &str = "222222222222";

/// A store for events of other applications.
async fn audit_store(client: &Client) -> String {
    let selector = json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["ActivityAuditLog"]}]}]);
    store(client, json!({"Name": "audit", "AdvancedEventSelectors": selector})).await
}

async fn channel(client: &Client, name: &str, source: &str, store: &str) -> String {
    let input = json!({"Name": name, "Source": source, "Destinations": [{"Type": "EVENT_DATA_STORE", "Location": store}],
        "Tags": [{"Key": "team", "Value": "a"}]});
    let made = ok(client, "CreateChannel", input).await;
    assert_eq!((&made["Name"], &made["Source"]), (&json!(name), &json!(source)));
    assert_eq!(made["Destinations"], json!([{"Type": "EVENT_DATA_STORE", "Location": store}]));
    assert_eq!(made["Tags"], json!([{"Key": "team", "Value": "a"}]));
    made["ChannelArn"].as_str().unwrap().to_owned()
}

/// An event of an application, with what is said otherwise.
fn event(more: &Json) -> String {
    let mut data = json!({
        "version": "1.0", "userIdentity": {"type": "Employee", "principalId": "ann", "details": {"floor": "3"}},
        "eventSource": "door.example.com", "eventName": "Opened", "eventTime": "2026-11-27T19:30:00Z", "UID": "u-1",
        "recipientAccountId": "000000000000", "additionalEventData": {"door": "north"},
    });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    data.to_string()
}

async fn put(client: &Client, channel: &str, events: Json, more: Json) -> undercast_testkit::Answer {
    let mut input = json!({"channelArn": channel, "auditEvents": events});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call("cloudtrail-data", "PutAuditEvents", input).await
}

#[tokio::test]
async fn events_of_an_application_are_kept_and_asked_for() {
    let (_cloud, client) = cloud().await;
    let lake = audit_store(&client).await;
    let arn = channel(&client, "doors", "Custom", &lake).await;
    let good = event(&json!({}));
    let sum = undercast_kernel::wire::text::base64(&Sha256::digest(good.as_bytes()));
    let given = json!([
        {"id": "one", "eventData": good, "eventDataChecksum": sum},
        {"id": "two", "eventData": event(&json!({"UID": "u-2", "eventName": "Closed"}))},
        {"id": "three", "eventData": event(&json!({"recipientAccountId": "111111111111"}))},
        {"id": "four", "eventData": good, "eventDataChecksum": "bm9uZQ=="},
        {"id": "five", "eventData": event(&json!({"eventSource": "s3.amazonaws.com"}))},
    ]);
    let answer = put(&client, &arn, given, json!({})).await.ok();
    let ids =
        |list: &str| -> Vec<Json> { answer[list].as_array().unwrap().iter().map(|one| one["id"].clone()).collect() };
    assert_eq!(
        (ids("successful"), ids("failed")),
        (vec![json!("one"), json!("two")], vec![json!("three"), json!("four"), json!("five")])
    );
    let codes: Vec<&str> =
        answer["failed"].as_array().unwrap().iter().map(|one| one["errorCode"].as_str().unwrap()).collect();
    assert_eq!(codes, ["InvalidRecipient", "InvalidChecksum", "InvalidEventSource"]);
    assert!(answer["failed"][0]["errorMessage"].as_str().unwrap().contains("recipientAccountId"));
    let found = rows(&client, &lake, "SELECT eventID, eventCategory, eventType, eventData.userIdentity.principalId, element_at(eventData.additionalEventData, 'door') AS door, metadata.channelARN FROM LAKE WHERE eventData.eventName = 'Opened'").await;
    let event_id = answer["successful"][0]["eventID"].clone();
    assert_eq!(
        found,
        json!([[{"eventID": event_id}, {"eventCategory": "ActivityAuditLog"}, {"eventType": "ActivityLog"},
        {"principalId": "ann"}, {"door": "north"}, {"channelARN": arn}]])
    );
    // What a store keeps of calls has other columns.
    let (code, _) =
        refused(&client, "StartQuery", json!({"QueryStatement": format!("SELECT readOnly FROM {}", lake::id(&lake))}))
            .await;
    assert_eq!(code, "InvalidQueryStatementException");
    let shown = ok(&client, "GetChannel", json!({"Channel": arn})).await;
    let status = &shown["IngestionStatus"];
    assert_eq!(status["LatestIngestionSuccessEventID"], answer["successful"][1]["eventID"]);
    assert_eq!(status["LatestIngestionErrorCode"], "InvalidEventSource");
    assert!(
        status["LatestIngestionSuccessTime"].is_number() && status["LatestIngestionAttemptTime"].is_number(),
        "{status}"
    );
    assert_ne!(status["LatestIngestionAttemptEventID"], status["LatestIngestionSuccessEventID"]);
}

#[tokio::test]
async fn two_stores_take_the_events_of_one_channel() {
    let (_cloud, client) = cloud().await;
    let key = sealing::key(&client).await;
    let selector = json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["ActivityAuditLog"]}]}]);
    let sealed = store(&client, json!({"Name": "sealed", "AdvancedEventSelectors": selector, "KmsKeyId": key})).await;
    let lake = audit_store(&client).await;
    let arn = channel(&client, "doors", "Custom", &lake).await;
    let both =
        json!([{"Type": "EVENT_DATA_STORE", "Location": lake}, {"Type": "EVENT_DATA_STORE", "Location": sealed}]);
    let changed =
        ok(&client, "UpdateChannel", json!({"Channel": lake::id(&arn), "Name": "gates", "Destinations": both})).await;
    assert_eq!(
        (&changed["Name"], &changed["Destinations"], &changed["Source"]),
        (&json!("gates"), &both, &json!("Custom"))
    );
    put(&client, &arn, json!([{"id": "one", "eventData": event(&json!({}))}]), json!({})).await.ok();
    for store in [&lake, &sealed] {
        let found = rows(&client, store, "SELECT eventData.UID FROM LAKE").await;
        assert_eq!(found, json!([[{"UID": "u-1"}]]), "{store}");
    }
    // Both in one statement.
    let sql = format!(
        "SELECT a.eventData.UID FROM {} a JOIN {} b ON a.eventID = b.eventID",
        lake::id(&lake),
        lake::id(&sealed)
    );
    let query = ok(&client, "StartQuery", json!({"QueryStatement": sql})).await["QueryId"].clone();
    assert_eq!(finished(&client, &query).await["QueryStatus"], "FINISHED");
}

#[tokio::test]
async fn who_may_put_events() {
    let (cloud, client) = cloud().await;
    let lake = audit_store(&client).await;
    let arn = channel(&client, "doors", "Custom", &lake).await;
    let other = cloud.client_of(Credentials::new(OTHER, "secret"));
    let one = || json!([{"id": "one", "eventData": event(&json!({}))}]);
    assert_eq!(put(&other, &arn, one(), json!({})).await.code(), "AccessDeniedException");
    let statement = json!({"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "cloudtrail-data:PutAuditEvents", "Resource": arn,
        "Condition": {"StringEquals": {"cloudtrail:ExternalId": "ours"}}});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    ok(&client, "PutResourcePolicy", json!({"ResourceArn": arn, "ResourcePolicy": policy})).await;
    assert_eq!(put(&other, &arn, one(), json!({})).await.code(), "AccessDeniedException");
    let answer = put(&other, &arn, one(), json!({"externalId": "ours"})).await.ok();
    assert_eq!(answer["successful"].as_array().unwrap().len(), 1);
    let wrong = policies::policy(&json!({"AWS": OTHER}), &["cloudtrail:GetChannel"], &arn);
    let (code, _) = refused(&client, "PutResourcePolicy", json!({"ResourceArn": arn, "ResourcePolicy": wrong})).await;
    assert_eq!(code, "ResourcePolicyNotValidException");
    ok(&client, "DeleteChannel", json!({"Channel": arn})).await;
    let (code, _) = refused(&client, "GetResourcePolicy", json!({"ResourceArn": arn})).await;
    assert_eq!(code, "ResourceNotFoundException");
}

#[tokio::test]
async fn what_is_no_request() {
    let (_cloud, client) = cloud().await;
    let lake = audit_store(&client).await;
    let arn = channel(&client, "doors", "Custom", &lake).await;
    let one = json!({"id": "one", "eventData": event(&json!({}))});
    assert_eq!(put(&client, &arn, json!([one, one]), json!({})).await.code(), "DuplicatedAuditEventId");
    let none = format!("{}0a1b2c3d-0000-4000-8000-00000000000e", arn.split_at(arn.len() - 36).0);
    assert_eq!(put(&client, &none, json!([one]), json!({})).await.code(), "ChannelNotFound");
    assert_eq!(
        put(&client, "arn:aws:cloudtrail:us-east-1:000000000000:trail/x", json!([one]), json!({})).await.code(),
        "InvalidChannelARN"
    );
    assert_eq!(rows(&client, &lake, "SELECT eventID FROM LAKE").await, json!([]));
}

#[tokio::test]
async fn what_is_no_channel() {
    let (_cloud, client) = cloud().await;
    let lake = audit_store(&client).await;
    let calls = store(&client, json!({"Name": "calls"})).await;
    let arn = channel(&client, "doors", "Custom", &lake).await;
    let input = |name: &str, source: &str, kind: &str, location: &str| json!({"Name": name, "Source": source, "Destinations": [{"Type": kind, "Location": location}]});
    let none = format!("{}0a1b2c3d-0000-4000-8000-00000000000e", lake.split_at(lake.len() - 36).0);
    let of_store = "EVENT_DATA_STORE";
    for (input, wanted) in [
        (input("gates", "Nobody", of_store, &lake), "InvalidSourceException"),
        (input("doors", "GitHub", of_store, &lake), "ChannelAlreadyExistsException"),
        (input("gates", "Custom", of_store, &lake), "ChannelMaxLimitExceededException"),
        (input("gates", "GitHub", of_store, &calls), "InvalidEventDataStoreCategoryException"),
        (input("gates", "GitHub", of_store, &none), "EventDataStoreNotFoundException"),
        (input("gates", "GitHub", of_store, "somewhere"), "EventDataStoreARNInvalidException"),
        (input("gates", "GitHub", "AWS_SERVICE", "config.amazonaws.com"), "InvalidParameterException"),
    ] {
        assert_eq!(refused(&client, "CreateChannel", input.clone()).await.0, wanted, "{input}");
        if !["InvalidSourceException", "ChannelAlreadyExistsException", "ChannelMaxLimitExceededException"]
            .contains(&wanted)
        {
            let update = json!({"Channel": arn, "Destinations": input["Destinations"]});
            assert_eq!(refused(&client, "UpdateChannel", update).await.0, wanted, "{input}");
        }
    }
    let mut tagged = input("gates", "GitHub", of_store, &lake);
    tagged["Tags"] = json!([{"Key": "aws:x", "Value": "a"}]);
    assert_eq!(refused(&client, "CreateChannel", tagged.clone()).await.0, "InvalidTagParameterException");
    let many: Vec<Json> = (0..51).map(|at| json!({"Key": format!("k{at}"), "Value": "a"})).collect();
    tagged["Tags"] = json!(many);
    assert_eq!(refused(&client, "CreateChannel", tagged).await.0, "TagsLimitExceededException");
    let github = channel(&client, "code", "GitHub", &lake).await;
    let update = json!({"Channel": github, "Name": "doors"});
    assert_eq!(refused(&client, "UpdateChannel", update).await.0, "ChannelAlreadyExistsException");
    let page = ok(&client, "ListChannels", json!({"MaxResults": 1})).await;
    assert_eq!(page["Channels"], json!([{"ChannelArn": github, "Name": "code"}]));
    let rest = ok(&client, "ListChannels", json!({"NextToken": page["NextToken"], "MaxResults": 10})).await;
    assert_eq!((&rest["Channels"], rest.get("NextToken")), (&json!([{"ChannelArn": arn, "Name": "doors"}]), None));
    // A store to which a channel leads stays.
    let gone = json!({"EventDataStore": lake});
    assert_eq!(refused(&client, "DeleteEventDataStore", gone.clone()).await.0, "ChannelExistsForEDSException");
    for operation in ["StartEventDataStoreIngestion", "StopEventDataStoreIngestion"] {
        assert_eq!(refused(&client, operation, gone.clone()).await.0, "InvalidEventDataStoreCategoryException");
    }
    ok(&client, "DeleteChannel", json!({"Channel": lake::id(&github)})).await;
    let selector = json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["ActivityAuditLog"]}]}]);
    let going = store(&client, json!({"Name": "going", "AdvancedEventSelectors": selector})).await;
    ok(&client, "DeleteEventDataStore", json!({"EventDataStore": going})).await;
    let to = json!([{"Type": of_store, "Location": going}]);
    let update = json!({"Channel": arn, "Destinations": to});
    assert_eq!(refused(&client, "UpdateChannel", update).await.0, "InactiveEventDataStoreException");
    let (code, _) = refused(&client, "CreateChannel", input("gates", "GitHub", of_store, &going)).await;
    assert_eq!(code, "InactiveEventDataStoreException");
    ok(&client, "DeleteChannel", json!({"Channel": arn})).await;
    ok(&client, "DeleteEventDataStore", gone).await;
}

#[tokio::test]
async fn channels_have_tags_that_decide() {
    let (cloud, client) = cloud().await;
    let lake = audit_store(&client).await;
    let arn = channel(&client, "doors", "Custom", &lake).await;
    let tagged = json!([{"Effect": "Allow", "Action": "cloudtrail:*", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "b"}}}]);
    let one = user(&cloud, &client, "one", tagged).await;
    assert_eq!(refused(&one, "GetChannel", json!({"Channel": arn})).await.0, "AccessDeniedException");
    ok(&client, "AddTags", json!({"ResourceId": arn, "TagsList": [{"Key": "team", "Value": "b"}]})).await;
    ok(&one, "GetChannel", json!({"Channel": arn})).await;
    let tags = ok(&one, "ListTags", json!({"ResourceIdList": [arn]})).await;
    assert_eq!(tags["ResourceTagList"][0]["TagsList"], json!([{"Key": "team", "Value": "b"}]));
    ok(&one, "RemoveTags", json!({"ResourceId": arn, "TagsList": [{"Key": "team"}]})).await;
    let none = format!("{}0a1b2c3d-0000-4000-8000-00000000000e", arn.split_at(arn.len() - 36).0);
    for (given, wanted) in [
        (none.as_str(), "ChannelNotFoundException"),
        ("arn:aws:cloudtrail:us-east-1:000000000000:channel/x", "ChannelARNInvalidException"),
    ] {
        for (operation, input) in [
            ("GetChannel", json!({"Channel": given})),
            ("UpdateChannel", json!({"Channel": given})),
            ("DeleteChannel", json!({"Channel": given})),
            ("AddTags", json!({"ResourceId": given, "TagsList": [{"Key": "a"}]})),
            ("RemoveTags", json!({"ResourceId": given, "TagsList": [{"Key": "a"}]})),
        ] {
            assert_eq!(refused(&client, operation, input).await.0, wanted, "{operation} {given}");
        }
    }
    let (code, _) = refused(
        &client,
        "ListTags",
        json!({"ResourceIdList": ["arn:aws:cloudtrail:us-east-1:000000000000:channel/x"]}),
    )
    .await;
    assert_eq!(code, "ChannelARNInvalidException");
}

#[tokio::test]
async fn putting_events_is_a_data_event_of_the_channel() {
    let (_cloud, client) = cloud().await;
    let data = json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::CloudTrail::Channel"]}]}]);
    let calls = store(&client, json!({"Name": "calls", "AdvancedEventSelectors": data})).await;
    let lake = audit_store(&client).await;
    let arn = channel(&client, "doors", "Custom", &lake).await;
    put(&client, &arn, json!([{"id": "one", "eventData": event(&json!({}))}]), json!({})).await.ok();
    let sql = "SELECT eventSource, eventName, element_at(resources, 1).arn AS a FROM LAKE";
    let found = rows(&client, &calls, sql).await;
    assert_eq!(
        found,
        json!([[{"eventSource": "cloudtrail-data.amazonaws.com"}, {"eventName": "PutAuditEvents"}, {"a": arn}]])
    );
}
