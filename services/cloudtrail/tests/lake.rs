//! Event data stores and queries over them.

use super::*;

pub(crate) async fn store(client: &Client, more: Json) -> String {
    let mut input = json!({"Name": "lake", "TerminationProtectionEnabled": false});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = ok(client, "CreateEventDataStore", input).await;
    assert_eq!(made["Status"], "CREATED");
    made["EventDataStoreArn"].as_str().unwrap().to_owned()
}

pub(crate) fn id(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap()
}

pub(crate) async fn finished(client: &Client, query: &Json) -> Json {
    for _ in 0..500 {
        let shown = ok(client, "DescribeQuery", json!({"QueryId": query})).await;
        if !["QUEUED", "RUNNING"].contains(&shown["QueryStatus"].as_str().unwrap()) {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("the query does not end")
}

/// The rows of a query over the store, which is called `LAKE`.
pub(crate) async fn rows(client: &Client, arn: &str, sql: &str) -> Json {
    let sql = sql.replace("LAKE", id(arn));
    let query = ok(client, "StartQuery", json!({"QueryStatement": sql})).await["QueryId"].clone();
    let shown = finished(client, &query).await;
    assert_eq!(shown["QueryStatus"], "FINISHED", "{shown}");
    ok(client, "GetQueryResults", json!({"QueryId": query})).await["QueryResultRows"].clone()
}

#[tokio::test]
async fn calls_are_kept_and_asked_for() {
    let (cloud, client) = cloud().await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "before"})).await.ok();
    let arn = store(&client, json!({})).await;
    let maker = user(&cloud, &client, "maker", json!([{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}])).await;
    for at in 0..3 {
        maker.call("sqs", "CreateQueue", json!({"QueueName": format!("q{at}")})).await.ok();
    }
    client.in_region("eu-west-1").call("sqs", "CreateQueue", json!({"QueueName": "far"})).await.ok();
    client.call("s3", "PutObject", json!({"Bucket": BUCKET, "Key": "k"})).await.ok();
    let counted = rows(&client, &arn, "SELECT userIdentity.userName, COUNT(*) AS calls FROM LAKE WHERE eventName = 'CreateQueue' AND awsRegion = 'us-east-1' GROUP BY userIdentity.userName").await;
    assert_eq!(counted, json!([[{"userName": "maker"}, {"calls": "3"}]]));
    let named = rows(&client, &arn, "SELECT element_at(requestParameters, 'queueName') AS q FROM LAKE WHERE eventName = 'CreateQueue' AND eventTime > date_add('day', -1, now()) ORDER BY 1").await;
    assert_eq!(named, json!([[{"q": "far"}], [{"q": "q0"}], [{"q": "q1"}], [{"q": "q2"}]]));
    // Calls for data are kept where they are chosen.
    assert_eq!(
        rows(&client, &arn, "SELECT COUNT(*) AS n FROM LAKE WHERE eventName = 'PutObject'").await,
        json!([[{"n": "0"}]])
    );
    let data = json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]}]);
    ok(&client, "UpdateEventDataStore", json!({"EventDataStore": arn, "AdvancedEventSelectors": data})).await;
    client.call("s3", "PutObject", json!({"Bucket": BUCKET, "Key": "k2"})).await.ok();
    let put = rows(&client, &arn, "SELECT element_at(resources, 1).arn AS a, json_extract_scalar(eventJson, '$.requestParameters.key') AS k FROM LAKE WHERE eventName = 'PutObject'").await;
    assert_eq!(put, json!([[{"a": format!("arn:aws:s3:::{BUCKET}/k2")}, {"k": "k2"}]]));
    // An event is the one that the history has.
    let history = ok(
        &client,
        "LookupEvents",
        json!({"LookupAttributes": [{"AttributeKey": "ResourceName", "AttributeValue": "q1"}]}),
    )
    .await;
    let same = rows(
        &client,
        &arn,
        "SELECT eventID, eventJson FROM LAKE WHERE element_at(requestParameters, 'queueName') = 'q1'",
    )
    .await;
    assert_eq!(
        same,
        json!([[{"eventID": history["Events"][0]["EventId"]}, {"eventJson": history["Events"][0]["CloudTrailEvent"]}]])
    );
}

#[tokio::test]
async fn a_query_tells_what_it_read() {
    let (_cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    for at in 0..5 {
        client.call("sqs", "CreateQueue", json!({"QueueName": format!("q{at}")})).await.ok();
    }
    let sql = format!("select eventName from {} where eventName = 'CreateQueue'", id(&arn));
    let query = ok(&client, "StartQuery", json!({"QueryStatement": sql})).await["QueryId"].clone();
    let shown = finished(&client, &query).await;
    let statistics = &shown["QueryStatistics"];
    assert_eq!((&shown["QueryString"], &statistics["EventsMatched"]), (&json!(sql), &json!(5)));
    assert!(
        statistics["EventsScanned"].as_i64().unwrap() >= 6 && statistics["BytesScanned"].as_i64().unwrap() > 1000,
        "{shown}"
    );
    let first =
        ok(&client, "GetQueryResults", json!({"QueryId": query, "EventDataStore": arn, "MaxQueryResults": 3})).await;
    assert_eq!(
        (&first["QueryStatistics"]["ResultsCount"], &first["QueryStatistics"]["TotalResultsCount"]),
        (&json!(3), &json!(5))
    );
    let rest = ok(&client, "GetQueryResults", json!({"QueryId": query, "NextToken": first["NextToken"]})).await;
    assert_eq!((rest["QueryResultRows"].as_array().unwrap().len(), rest.get("NextToken")), (2, None));
    let listed = ok(&client, "ListQueries", json!({"EventDataStore": arn, "QueryStatus": "FINISHED"})).await;
    assert_eq!(listed["Queries"][0]["QueryId"], query);
    assert_eq!(
        ok(&client, "ListQueries", json!({"EventDataStore": arn, "QueryStatus": "FAILED"})).await["Queries"],
        json!([])
    );
    assert_eq!(refused(&client, "CancelQuery", json!({"QueryId": query})).await.0, "InactiveQueryException");
}

#[tokio::test]
async fn a_query_is_gone_after_seven_days() {
    let (cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    let sql = format!("select count(*) from {}", id(&arn));
    let query = ok(&client, "StartQuery", json!({"QueryStatement": sql})).await["QueryId"].clone();
    finished(&client, &query).await;
    advance(&cloud, 7 * 24 * 60 + 1).await;
    assert_eq!(refused(&client, "GetQueryResults", json!({"QueryId": query})).await.0, "QueryIdNotFoundException");
}

#[tokio::test]
async fn events_are_kept_as_long_as_it_is_said() {
    let (cloud, client) = cloud().await;
    let arn = store(&client, json!({"RetentionPeriod": 7})).await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "old"})).await.ok();
    advance(&cloud, 6 * 24 * 60).await;
    let count = "SELECT COUNT(*) AS n FROM LAKE WHERE eventName = 'CreateQueue'";
    assert_eq!(rows(&client, &arn, count).await, json!([[{"n": "1"}]]));
    advance(&cloud, 2 * 24 * 60).await;
    assert_eq!(rows(&client, &arn, count).await, json!([[{"n": "0"}]]));
}

#[tokio::test]
async fn a_store_stops_and_goes_on() {
    let (_cloud, client) = cloud().await;
    let arn = store(&client, json!({"StartIngestion": false})).await;
    let state = async || ok(&client, "GetEventDataStore", json!({"EventDataStore": arn})).await["Status"].clone();
    assert_eq!(state().await, "STOPPED_INGESTION");
    client.call("sqs", "CreateQueue", json!({"QueueName": "one"})).await.ok();
    ok(&client, "StartEventDataStoreIngestion", json!({"EventDataStore": arn})).await;
    assert_eq!(state().await, "ENABLED");
    assert_eq!(
        refused(&client, "StartEventDataStoreIngestion", json!({"EventDataStore": arn})).await.0,
        "InvalidEventDataStoreStatusException"
    );
    client.call("sqs", "CreateQueue", json!({"QueueName": "two"})).await.ok();
    ok(&client, "StopEventDataStoreIngestion", json!({"EventDataStore": arn})).await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "three"})).await.ok();
    let kept = rows(
        &client,
        &arn,
        "SELECT element_at(requestParameters, 'queueName') AS q FROM LAKE WHERE eventName = 'CreateQueue'",
    )
    .await;
    assert_eq!(kept, json!([[{"q": "two"}]]));
}

#[tokio::test]
async fn a_store_is_deleted_and_can_be_restored_for_a_week() {
    let (cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    ok(&client, "UpdateEventDataStore", json!({"EventDataStore": arn, "TerminationProtectionEnabled": true})).await;
    let (code, _) = refused(&client, "DeleteEventDataStore", json!({"EventDataStore": arn})).await;
    assert_eq!(code, "EventDataStoreTerminationProtectedException");
    ok(&client, "UpdateEventDataStore", json!({"EventDataStore": arn, "TerminationProtectionEnabled": false})).await;
    ok(&client, "DeleteEventDataStore", json!({"EventDataStore": arn})).await;
    let shown = ok(&client, "GetEventDataStore", json!({"EventDataStore": arn})).await;
    assert_eq!(shown["Status"], "PENDING_DELETION");
    let sql = format!("select count(*) from {}", id(&arn));
    assert_eq!(
        refused(&client, "StartQuery", json!({"QueryStatement": sql})).await.0,
        "InactiveEventDataStoreException"
    );
    advance(&cloud, 6 * 24 * 60).await;
    assert_eq!(ok(&client, "RestoreEventDataStore", json!({"EventDataStore": arn})).await["Status"], "ENABLED");
    ok(&client, "DeleteEventDataStore", json!({"EventDataStore": id(&arn)})).await;
    advance(&cloud, 7 * 24 * 60 + 1).await;
    assert_eq!(
        refused(&client, "GetEventDataStore", json!({"EventDataStore": arn})).await.0,
        "EventDataStoreNotFoundException"
    );
}

#[tokio::test]
async fn a_region_has_ten_stores() {
    let (_cloud, client) = cloud().await;
    for at in 0..10 {
        ok(&client, "CreateEventDataStore", json!({"Name": format!("lake-{at}")})).await;
    }
    assert_eq!(
        refused(&client, "CreateEventDataStore", json!({"Name": "one-more"})).await.0,
        "EventDataStoreMaxLimitExceededException"
    );
    assert_eq!(
        refused(&client, "CreateEventDataStore", json!({"Name": "lake-1"})).await.0,
        "EventDataStoreAlreadyExistsException"
    );
    let page = ok(&client, "ListEventDataStores", json!({"MaxResults": 4})).await;
    assert_eq!(page["EventDataStores"].as_array().unwrap().len(), 4);
    let rest = ok(&client, "ListEventDataStores", json!({"NextToken": page["NextToken"], "MaxResults": 10})).await;
    assert_eq!(rest["EventDataStores"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn stores_are_resources_and_their_tags_decide() {
    let (cloud, client) = cloud().await;
    let arn = store(&client, json!({"TagsList": [{"Key": "team", "Value": "a"}]})).await;
    let other = ok(&client, "CreateEventDataStore", json!({"Name": "other"})).await["EventDataStoreArn"]
        .as_str()
        .unwrap()
        .to_owned();
    let tagged = json!([{"Effect": "Allow", "Action": "cloudtrail:*", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}}]);
    let one = user(&cloud, &client, "one", tagged).await;
    let sql = |arn: &str| json!({"QueryStatement": format!("select count(*) from {}", id(arn))});
    let query = ok(&one, "StartQuery", sql(&arn)).await["QueryId"].clone();
    finished(&one, &query).await;
    ok(&one, "GetQueryResults", json!({"QueryId": query})).await;
    for (operation, input) in [
        ("StartQuery", sql(&other)),
        ("GetEventDataStore", json!({"EventDataStore": other})),
        ("DeleteEventDataStore", json!({"EventDataStore": other})),
    ] {
        assert_eq!(refused(&one, operation, input).await.0, "AccessDeniedException", "{operation}");
    }
    let tags = ok(&client, "ListTags", json!({"ResourceIdList": [arn]})).await;
    assert_eq!(tags["ResourceTagList"][0]["TagsList"], json!([{"Key": "team", "Value": "a"}]));
    ok(&client, "RemoveTags", json!({"ResourceId": arn, "TagsList": [{"Key": "team"}]})).await;
    assert_eq!(refused(&one, "StartQuery", sql(&arn)).await.0, "AccessDeniedException");
}
