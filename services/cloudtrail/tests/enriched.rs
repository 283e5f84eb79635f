//! Events with more than the call: condition keys and tags, and those that two accounts have.

use super::lake::{rows, store};
use super::*;

const OTHER: &str = "222222222222";

fn chosen() -> Json {
    json!([{"Type": "TagContext", "Equals": ["Team"]}, {"Type": "RequestContext", "Equals": ["aws:PrincipalArn", "aws:ViaAWSService", "aws:CalledVia"]}])
}

fn configuration(store: &str, more: &Json) -> Json {
    let mut input = json!({"EventDataStore": store, "MaxEventSize": "Large", "ContextKeySelectors": chosen()});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}

#[tokio::test]
async fn events_have_the_context_that_is_chosen() {
    let (cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    let put = ok(&client, "PutEventConfiguration", configuration(&arn, &json!({}))).await;
    assert_eq!(
        (&put["EventDataStoreArn"], &put["MaxEventSize"], &put["ContextKeySelectors"]),
        (&json!(arn), &json!("Large"), &chosen())
    );
    assert_eq!(ok(&client, "GetEventConfiguration", json!({"EventDataStore": arn})).await, put);
    let one = user(&cloud, &client, "one", json!([{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}])).await;
    let tags = json!([{"Key": "team", "Value": "red"}]);
    client.call("iam", "TagUser", json!({"UserName": "one", "Tags": tags})).await.ok();
    let tags = json!([{"TagKey": "team", "TagValue": "blue"}, {"TagKey": "cost", "TagValue": "1"}]);
    let key = client.call("kms", "CreateKey", json!({"Tags": tags})).await.ok()["KeyMetadata"]["Arn"].clone();
    one.call("kms", "DisableKey", json!({"KeyId": key})).await.ok();
    let sql = "SELECT element_at(eventContext.requestContext, 'aws:PrincipalArn') AS who, element_at(eventContext.requestContext, 'aws:ViaAWSService') AS via, \
        element_at(eventContext.tagContext.principalTags, 'Team') AS mine, element_at(eventContext.tagContext.resourceTags, 1).arn AS a, \
        json_extract(eventJson, '$.eventContext.tagContext.resourceTags[0].tags') AS t FROM LAKE WHERE eventName = 'DisableKey'";
    let found = rows(&client, &arn, sql).await;
    assert_eq!(
        found,
        json!([[{"who": "arn:aws:iam::000000000000:user/one"}, {"via": "false"}, {"mine": "red"}, {"a": key}, {"t": "{\"Team\":\"blue\"}"}]])
    );
    // What nobody asks for any more is not there.
    let none = json!({"EventDataStore": arn, "MaxEventSize": "Standard", "ContextKeySelectors": []});
    ok(&client, "PutEventConfiguration", none).await;
    one.call("kms", "EnableKey", json!({"KeyId": key})).await.ok();
    let sql = "SELECT COUNT(*) AS n FROM LAKE WHERE eventName = 'EnableKey' AND eventContext IS NULL";
    assert_eq!(rows(&client, &arn, sql).await, json!([[{"n": "1"}]]));
}

#[tokio::test]
async fn what_is_no_configuration() {
    let (_cloud, client) = cloud().await;
    ok(&client, "CreateTrail", json!({"Name": "all", "S3BucketName": BUCKET})).await;
    let arn = store(&client, json!({})).await;
    let audit = json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["ActivityAuditLog"]}]}]);
    let other = store(&client, json!({"Name": "other", "AdvancedEventSelectors": audit})).await;
    let stopped = store(&client, json!({"Name": "stopped", "StartIngestion": false})).await;
    let gone = store(&client, json!({"Name": "gone"})).await;
    ok(&client, "DeleteEventDataStore", json!({"EventDataStore": gone})).await;
    let none = format!("{}0a1b2c3d-0000-4000-8000-00000000000e", arn.split_at(arn.len() - 36).0);
    let twice = json!([{"Type": "TagContext", "Equals": ["a"]}, {"Type": "TagContext", "Equals": ["b"]}]);
    for (more, wanted) in [
        (json!({"TrailName": "all"}), "InvalidParameterCombinationException"),
        (json!({"MaxEventSize": "Standard"}), "InvalidParameterException"),
        (json!({"ContextKeySelectors": twice}), "InvalidParameterException"),
        (
            json!({"ContextKeySelectors": [{"Type": "RequestContext", "Equals": ["aws:Nothing"]}]}),
            "InvalidParameterException",
        ),
        (json!({"EventDataStore": none}), "EventDataStoreNotFoundException"),
        (json!({"EventDataStore": "none"}), "EventDataStoreARNInvalidException"),
        (json!({"EventDataStore": other}), "InvalidEventDataStoreCategoryException"),
        (json!({"EventDataStore": stopped}), "InvalidEventDataStoreStatusException"),
        (json!({"EventDataStore": gone}), "InactiveEventDataStoreException"),
    ] {
        assert_eq!(refused(&client, "PutEventConfiguration", configuration(&arn, &more)).await.0, wanted, "{more}");
    }
    assert_eq!(ok(&client, "GetEventConfiguration", json!({"EventDataStore": arn})).await["MaxEventSize"], "Standard");
    let of_trail = |name: &str| json!({"TrailName": name});
    let shown = ok(&client, "GetEventConfiguration", of_trail("all")).await;
    assert_eq!((&shown["TrailARN"], &shown["AggregationConfigurations"]), (&json!(TRAIL), &json!([])));
    for (input, wanted) in [
        (json!({}), "InvalidParameterException"),
        (json!({"TrailName": "all", "EventDataStore": arn}), "InvalidParameterCombinationException"),
        (of_trail("none"), "TrailNotFoundException"),
        (of_trail("a"), "InvalidTrailNameException"),
        (of_trail("arn:aws:sns:us-east-1:000000000000:x"), "CloudTrailARNInvalidException"),
        (json!({"EventDataStore": none}), "EventDataStoreNotFoundException"),
        (json!({"EventDataStore": "none"}), "EventDataStoreARNInvalidException"),
        (json!({"EventDataStore": other}), "InvalidEventDataStoreCategoryException"),
        (json!({"EventDataStore": stopped}), "InvalidEventDataStoreStatusException"),
    ] {
        for operation in ["GetEventConfiguration", "PutEventConfiguration"] {
            assert_eq!(refused(&client, operation, input.clone()).await.0, wanted, "{operation} {input}");
        }
    }
    assert_eq!(refused(&client, "PutEventConfiguration", of_trail("all")).await.0, "InvalidParameterException");
    ok(&client, "UpdateTrail", json!({"Name": "all", "IsMultiRegionTrail": true})).await;
    let (code, _) = refused(&client.in_region("eu-west-1"), "PutEventConfiguration", of_trail(TRAIL)).await;
    assert_eq!(code, "InvalidHomeRegionException");
}

#[tokio::test]
async fn an_organizations_trail_is_its_owners() {
    let (_cloud, _client, there, _) = promised::organized().await;
    let (code, _) = refused(&there, "PutEventConfiguration", json!({"TrailName": TRAIL})).await;
    assert_eq!(code, "NotOrganizationMasterAccountException");
}

/// The events of a name in an account's history.
async fn history(client: &Client, name: &str) -> Vec<Json> {
    let asked = json!({"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": name}]});
    let listed = ok(client, "LookupEvents", asked).await;
    let events = listed["Events"].as_array().unwrap().iter();
    events.map(|event| serde_json::from_str(event["CloudTrailEvent"].as_str().unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn two_accounts_have_the_event_of_a_call_between_them() {
    let (cloud, client) = cloud().await;
    let root = cloud.client_of(Credentials::new(OTHER, "secret"));
    let other = user(
        &cloud,
        &root,
        "guest",
        json!([{"Effect": "Allow", "Action": ["sts:*", "cloudtrail:*"], "Resource": "*"}]),
    )
    .await;
    let lake = store(&client, json!({})).await;
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "sts:AssumeRole"}]});
    let role = client
        .call("iam", "CreateRole", json!({"RoleName": "guest", "AssumeRolePolicyDocument": trust.to_string()}))
        .await
        .ok();
    let assume = |session: &str| json!({"RoleArn": role["Role"]["Arn"], "RoleSessionName": session});
    other.call("sts", "AssumeRole", assume("visit")).await.ok();
    let (theirs, mine) = (history(&other, "AssumeRole").await, history(&client, "AssumeRole").await);
    assert_eq!((theirs.len(), mine.len()), (1, 1));
    let (theirs, mine) = (&theirs[0], &mine[0]);
    assert!(theirs["sharedEventID"].is_string() && theirs["sharedEventID"] == mine["sharedEventID"], "{theirs}");
    assert_ne!(theirs["eventID"], mine["eventID"]);
    assert_eq!((&theirs["requestID"], &theirs["requestParameters"]), (&mine["requestID"], &mine["requestParameters"]));
    assert_eq!((&theirs["recipientAccountId"], &mine["recipientAccountId"]), (&json!(OTHER), &json!("000000000000")));
    // Whose the resource is is told of the account alone.
    assert_eq!(theirs["userIdentity"]["arn"], json!(format!("arn:aws:iam::{OTHER}:user/guest")));
    assert_eq!(
        mine["userIdentity"],
        json!({"type": "AWSAccount", "principalId": theirs["userIdentity"]["principalId"], "accountId": OTHER})
    );
    let kept =
        rows(&client, &lake, "SELECT sharedEventID, userIdentity.type FROM LAKE WHERE eventName = 'AssumeRole'").await;
    assert_eq!(kept, json!([[{"sharedEventID": mine["sharedEventID"]}, {"type": "AWSAccount"}]]));
    // Who is not let in touches nothing, and within an account nothing is shared.
    let closed = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}]});
    client
        .call("iam", "UpdateAssumeRolePolicy", json!({"RoleName": "guest", "PolicyDocument": closed.to_string()}))
        .await
        .ok();
    assert_eq!(other.call("sts", "AssumeRole", assume("again")).await.code(), "AccessDenied");
    assert_eq!((history(&other, "AssumeRole").await.len(), history(&client, "AssumeRole").await.len()), (2, 1));
    assert!(history(&client, "CreateRole").await[0].get("sharedEventID").is_none());
}
