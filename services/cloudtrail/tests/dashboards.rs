//! Dashboards: their widgets, and what refreshes find.

use super::lake::{finished, id, store};
use super::*;

fn widget(sql: &str, parameters: &[&str]) -> Json {
    let mut widget = json!({"QueryStatement": sql, "ViewProperties": {"Height": "2", "Width": "4", "Title": "Calls", "View": "Table"}});
    if !parameters.is_empty() {
        widget["QueryParameters"] = json!(parameters);
    }
    widget
}

/// A widget that counts queues between two moments, and one that counts by the period.
fn widgets(arn: &str) -> Json {
    let of = |sql: &str| sql.replace("LAKE", id(arn));
    json!([
        widget(
            &of(
                "SELECT COUNT(*) AS n FROM LAKE WHERE eventName = 'CreateQueue' AND eventTime > '?' AND eventTime < '?'"
            ),
            &["$StartTime$", "$EndTime$"]
        ),
        widget(
            &of(
                "SELECT date_trunc('?', eventTime) AS t, COUNT(*) AS n FROM LAKE WHERE eventName = 'CreateQueue' GROUP BY 1"
            ),
            &["$Period$"]
        ),
    ])
}

/// Lets CloudTrail run queries for the dashboards of the account.
async fn open(client: &Client, arn: &str) {
    let statement = json!({"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "cloudtrail:StartQuery", "Resource": arn,
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:cloudtrail:us-east-1:000000000000:dashboard/*"}, "StringEquals": {"aws:SourceAccount": "000000000000"}}});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    ok(client, "PutResourcePolicy", json!({"ResourceArn": arn, "ResourcePolicy": policy})).await;
}

async fn dashboard(client: &Client, arn: &str, more: Json) -> Json {
    let mut input = json!({"Name": "shop", "Widgets": widgets(arn)});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ok(client, "CreateDashboard", input).await
}

/// What the last query of a widget found, of a refresh where one is given.
async fn found(client: &Client, alias: &Json, refresh: Option<&Json>) -> Json {
    let mut input = json!({"QueryAlias": alias});
    if let Some(refresh) = refresh {
        input["RefreshId"] = refresh.clone();
    }
    for _ in 0..500 {
        let answer = client.call(SERVICE, "DescribeQuery", input.clone()).await;
        if answer.status != 200 {
            assert_eq!(answer.code(), "QueryIdNotFoundException");
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        let query = answer.ok()["QueryId"].clone();
        let shown = finished(client, &query).await;
        assert_eq!(shown["QueryStatus"], "FINISHED", "{shown}");
        return ok(client, "GetQueryResults", json!({"QueryId": query})).await["QueryResultRows"].clone();
    }
    unreachable!("the widget's query is not run")
}

#[tokio::test]
async fn a_refresh_runs_the_queries_of_widgets() {
    let (cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    open(&client, &arn).await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "one"})).await.ok();
    advance(&cloud, 1).await;
    let made = dashboard(&client, &arn, json!({"TagsList": [{"Key": "team", "Value": "a"}]})).await;
    assert_eq!((&made["Name"], &made["Type"]), (&json!("shop"), &json!("CUSTOM")));
    assert_eq!(made["TagsList"], json!([{"Key": "team", "Value": "a"}]));
    let aliases: Vec<&Json> = made["Widgets"].as_array().unwrap().iter().map(|one| &one["QueryAlias"]).collect();
    let refresh = ok(&client, "StartDashboardRefresh", json!({"DashboardId": "shop"})).await["RefreshId"].clone();
    advance(&cloud, 1).await;
    assert_eq!(found(&client, aliases[0], Some(&refresh)).await, json!([[{"n": "1"}]]));
    assert_eq!(found(&client, aliases[1], Some(&refresh)).await[0][1], json!({"n": "1"}));
    // Another span finds other events; the first refresh stays what it was.
    let values = json!({"$StartTime$": "2001-01-01T00:00:00Z", "$EndTime$": "2001-01-02T00:00:00Z", "$Period$": "day"});
    let input = json!({"DashboardId": made["DashboardArn"], "QueryParameterValues": values});
    let second = ok(&client, "StartDashboardRefresh", input).await["RefreshId"].clone();
    advance(&cloud, 1).await;
    assert_eq!(found(&client, aliases[0], Some(&second)).await, json!([[{"n": "0"}]]));
    assert_eq!(found(&client, aliases[0], None).await, json!([[{"n": "0"}]]));
    assert_eq!(found(&client, aliases[0], Some(&refresh)).await, json!([[{"n": "1"}]]));
    let shown = ok(&client, "GetDashboard", json!({"DashboardId": "shop"})).await;
    assert_eq!(
        (&shown["LastRefreshId"], &shown["Status"], shown.get("LastRefreshFailureReason")),
        (&second, &json!("CREATED"), None)
    );
    assert!(shown["CreatedTimestamp"].is_number() && shown["Widgets"] == made["Widgets"], "{shown}");
    // A widget's query can be asked by hand as well.
    let ask = json!({"QueryAlias": aliases[0], "QueryParameters": ["2001-01-01 00:00:00", "2101-01-01 00:00:00"]});
    let query = ok(&client, "StartQuery", ask).await["QueryId"].clone();
    finished(&client, &query).await;
    assert_eq!(
        ok(&client, "GetQueryResults", json!({"QueryId": query})).await["QueryResultRows"],
        json!([[{"n": "1"}]])
    );
}

#[tokio::test]
async fn what_asks_for_no_query() {
    let (_cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    let made = dashboard(&client, &arn, json!({})).await;
    let alias = &made["Widgets"][0]["QueryAlias"];
    let sql = format!("SELECT COUNT(*) FROM {}", id(&arn));
    for (operation, input, wanted) in [
        ("StartQuery", json!({"QueryAlias": "none"}), "InvalidParameterException"),
        ("StartQuery", json!({"QueryAlias": alias}), "InvalidQueryStatementException"),
        ("StartQuery", json!({"QueryAlias": alias, "QueryStatement": sql}), "InvalidParameterException"),
        ("StartQuery", json!({"QueryParameters": ["a"], "QueryStatement": sql}), "InvalidParameterException"),
        ("DescribeQuery", json!({"QueryAlias": alias}), "QueryIdNotFoundException"),
        (
            "DescribeQuery",
            json!({"QueryAlias": alias, "QueryId": "0a1b2c3d-0000-4000-8000-00000000000e"}),
            "InvalidParameterException",
        ),
        (
            "DescribeQuery",
            json!({"RefreshId": "1234567890", "QueryId": "0a1b2c3d-0000-4000-8000-00000000000e"}),
            "InvalidParameterException",
        ),
    ] {
        assert_eq!(refused(&client, operation, input.clone()).await.0, wanted, "{operation} {input}");
    }
}

#[tokio::test]
async fn cloudtrail_must_be_let_in() {
    let (cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    dashboard(&client, &arn, json!({})).await;
    ok(&client, "StartDashboardRefresh", json!({"DashboardId": "shop"})).await;
    advance(&cloud, 1).await;
    let shown = ok(&client, "GetDashboard", json!({"DashboardId": "shop"})).await;
    let why = shown["LastRefreshFailureReason"].as_str().unwrap();
    assert!(why.contains("not authorized to perform: cloudtrail:StartQuery"), "{why}");
}

#[tokio::test]
async fn a_dashboard_is_refreshed_by_the_clock() {
    let (cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    open(&client, &arn).await;
    let hourly = json!({"Frequency": {"Unit": "HOURS", "Value": 1}, "Status": "ENABLED", "TimeOfDay": "00:30"});
    let made = dashboard(&client, &arn, json!({"RefreshSchedule": hourly})).await;
    assert_eq!(made["RefreshSchedule"], hourly);
    let of = async |name: &str| ok(&client, "GetDashboard", json!({"DashboardId": "shop"})).await.get(name).cloned();
    advance(&cloud, 61).await;
    let why = of("LastRefreshFailureReason").await.unwrap();
    assert!(why.as_str().unwrap().contains("cloudtrail:StartDashboardRefresh"), "{why}");
    assert_eq!(of("LastRefreshId").await, None);
    let dashboard = made["DashboardArn"].as_str().unwrap();
    let statement = json!({"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "cloudtrail:StartDashboardRefresh", "Resource": dashboard});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    ok(&client, "PutResourcePolicy", json!({"ResourceArn": dashboard, "ResourcePolicy": policy})).await;
    advance(&cloud, 60).await;
    let first = of("LastRefreshId").await.unwrap();
    assert_eq!(of("LastRefreshFailureReason").await, None);
    assert_eq!(found(&client, &made["Widgets"][0]["QueryAlias"], Some(&first)).await, json!([[{"n": "0"}]]));
    advance(&cloud, 60).await;
    let second = of("LastRefreshId").await.unwrap();
    assert_ne!(first, second);
    let off = json!({"Frequency": {"Unit": "DAYS", "Value": 1}, "Status": "DISABLED"});
    let changed = ok(&client, "UpdateDashboard", json!({"DashboardId": "shop", "RefreshSchedule": off})).await;
    assert_eq!(changed["RefreshSchedule"]["Status"], "DISABLED");
    advance(&cloud, 26 * 60).await;
    assert_eq!(of("LastRefreshId").await.unwrap(), second);
}

#[tokio::test]
async fn dashboards_are_changed_listed_and_deleted() {
    let (cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    let made = dashboard(&client, &arn, json!({"TerminationProtectionEnabled": true})).await;
    assert_eq!(made["TerminationProtectionEnabled"], true);
    ok(&client, "CreateDashboard", json!({"Name": "other"})).await;
    assert_eq!(refused(&client, "CreateDashboard", json!({"Name": "other"})).await.0, "ConflictException");
    let one = widget(&format!("SELECT COUNT(*) AS n FROM {}", id(&arn)), &[]);
    let changed = ok(&client, "UpdateDashboard", json!({"DashboardId": made["DashboardArn"], "Widgets": [one]})).await;
    assert_eq!((changed["Widgets"].as_array().unwrap().len(), &changed["Name"]), (1, &json!("shop")));
    assert_eq!(changed["Widgets"][0]["ViewProperties"], one["ViewProperties"]);
    assert_eq!(ok(&client, "GetDashboard", json!({"DashboardId": "shop"})).await["Status"], "UPDATED");
    let page = ok(&client, "ListDashboards", json!({"MaxResults": 1, "Type": "CUSTOM"})).await;
    assert_eq!(page["Dashboards"].as_array().unwrap().len(), 1);
    let rest =
        ok(&client, "ListDashboards", json!({"MaxResults": 1, "Type": "CUSTOM", "NextToken": page["NextToken"]})).await;
    assert_eq!(rest["Dashboards"], json!([{"DashboardArn": made["DashboardArn"], "Type": "CUSTOM"}]));
    let named = ok(&client, "ListDashboards", json!({"NamePrefix": "oth"})).await;
    assert_eq!(named["Dashboards"].as_array().unwrap().len(), 1);
    assert_eq!(ok(&client, "ListDashboards", json!({"Type": "MANAGED"})).await["Dashboards"], json!([]));
    assert_eq!(refused(&client, "DeleteDashboard", json!({"DashboardId": "shop"})).await.0, "ConflictException");
    ok(&client, "UpdateDashboard", json!({"DashboardId": "shop", "TerminationProtectionEnabled": false})).await;
    let tagged = json!([{"Effect": "Allow", "Action": "cloudtrail:*", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "b"}}}]);
    let one = user(&cloud, &client, "one", tagged).await;
    assert_eq!(refused(&one, "DeleteDashboard", json!({"DashboardId": "shop"})).await.0, "AccessDeniedException");
    ok(&client, "AddTags", json!({"ResourceId": made["DashboardArn"], "TagsList": [{"Key": "team", "Value": "b"}]}))
        .await;
    ok(&one, "DeleteDashboard", json!({"DashboardId": "shop"})).await;
    for (operation, input) in [
        ("GetDashboard", json!({"DashboardId": "shop"})),
        ("UpdateDashboard", json!({"DashboardId": "shop"})),
        ("DeleteDashboard", json!({"DashboardId": "shop"})),
        ("StartDashboardRefresh", json!({"DashboardId": made["DashboardArn"]})),
        ("AddTags", json!({"ResourceId": made["DashboardArn"], "TagsList": [{"Key": "a"}]})),
    ] {
        assert_eq!(refused(&client, operation, input).await.0, "ResourceNotFoundException", "{operation}");
    }
}

#[tokio::test]
async fn what_is_no_dashboard() {
    let (cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    let key = sealing::key(&client).await;
    let sealed = store(&client, json!({"Name": "sealed", "KmsKeyId": key})).await;
    let closed = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:*", "Resource": "*"}]});
    client
        .call("kms", "PutKeyPolicy", json!({"KeyId": key, "PolicyName": "default", "Policy": closed.to_string()}))
        .await
        .ok();
    let gone = store(&client, json!({"Name": "gone"})).await;
    ok(&client, "DeleteEventDataStore", json!({"EventDataStore": gone})).await;
    dashboard(&client, &arn, json!({})).await;
    let of = |arn: &str| widget(&format!("SELECT COUNT(*) FROM {}", id(arn)), &[]);
    for (widgets, wanted) in [
        (json!([widget("SELEC", &[])]), "InvalidQueryStatementException"),
        (json!([widget("SELECT 1 FROM 0a1b2c3d-0000-4000-8000-00000000000e", &[])]), "EventDataStoreNotFoundException"),
        (json!([of(&gone)]), "InactiveEventDataStoreException"),
        (json!([of(&sealed)]), "InsufficientEncryptionPolicyException"),
        (json!([widget(&format!("SELECT '?' FROM {}", id(&arn)), &["$Other$"])]), "InvalidQueryStatementException"),
        (json!([widget(&format!("SELECT '?' FROM {}", id(&arn)), &[])]), "InvalidQueryStatementException"),
        (json!(vec![of(&arn); 11]), "ServiceQuotaExceededException"),
    ] {
        let input = json!({"Name": "bad", "Widgets": widgets});
        assert_eq!(refused(&client, "CreateDashboard", input.clone()).await.0, wanted, "{input}");
        let input = json!({"DashboardId": "shop", "Widgets": widgets});
        assert_eq!(refused(&client, "UpdateDashboard", input.clone()).await.0, wanted, "{input}");
    }
    for schedule in [
        json!({"Frequency": {"Unit": "HOURS", "Value": 2}, "Status": "ENABLED"}),
        json!({"Frequency": {"Unit": "DAYS", "Value": 2}}),
        json!({"Status": "ENABLED"}),
        json!({"Frequency": {"Unit": "DAYS", "Value": 1}, "TimeOfDay": "25:00"}),
    ] {
        let input = json!({"Name": "bad", "RefreshSchedule": schedule});
        assert_eq!(refused(&client, "CreateDashboard", input).await.0, "InvalidParameterException", "{schedule}");
    }
    let tagged = json!({"Name": "bad", "TagsList": [{"Key": "aws:x", "Value": "a"}]});
    assert_eq!(refused(&client, "CreateDashboard", tagged).await.0, "InvalidTagParameterException");
    for values in [json!({"$Other$": "a"}), json!({"$StartTime$": "yesterday"})] {
        let input = json!({"DashboardId": "shop", "QueryParameterValues": values});
        assert_eq!(refused(&client, "StartDashboardRefresh", input).await.0, "InvalidParameterException", "{values}");
    }
    assert_eq!(ok(&client, "ListDashboards", json!({})).await["Dashboards"].as_array().unwrap().len(), 1);
    // A store that goes takes the refresh with it, for as long as it is there and after.
    ok(&client, "DeleteEventDataStore", json!({"EventDataStore": arn})).await;
    let refresh = json!({"DashboardId": "shop"});
    assert_eq!(refused(&client, "StartDashboardRefresh", refresh.clone()).await.0, "InactiveEventDataStoreException");
    advance(&cloud, 7 * 24 * 60 + 1).await;
    assert_eq!(refused(&client, "StartDashboardRefresh", refresh).await.0, "EventDataStoreNotFoundException");
}
