//! Trino's words over rows of JSON.

use serde_json::{Value as Json, json};
use undercast_query::{Answer, BadQuery, Column, Kind, Query, Table};

const ID: &str = "0a1b2c3d-0000-4000-8000-00000000000e";
const NOW: &str = "2026-11-27T12:00:00Z";

fn columns() -> Vec<Column> {
    let text = |name: &str| Column::new(name, Kind::Text);
    let issuer = Kind::Structure(vec![text("userName")]);
    let context = Kind::Structure(vec![Column::new("sessionIssuer", issuer)]);
    vec![
        text("eventName"),
        Column::new("eventTime", Kind::Moment),
        Column::new("readOnly", Kind::Boolean),
        Column::new("userIdentity", Kind::Structure(vec![text("arn"), Column::new("sessionContext", context)])),
        Column::new("requestParameters", Kind::Map),
        Column::new("resources", Kind::List(Box::new(Kind::Structure(vec![text("arn")])))),
        text("eventJson"),
    ]
}

fn rows() -> Vec<Json> {
    (0..10)
        .map(|at| {
            json!({
                "eventName": if at % 2 == 0 { "PutObject" } else { "GetObject" },
                "eventTime": format!("2026-11-{:02}T10:00:00Z", 18 + at),
                "readOnly": at % 2 == 1,
                "userIdentity": {"arn": format!("arn:{}", at % 3), "sessionContext": {"sessionIssuer": {"userName": "r"}}},
                "requestParameters": {"bucketName": format!("b{at}"), "deep": {"a": at}},
                "resources": [{"arn": format!("arn:aws:s3:::b{at}")}],
                "eventJson": json!({"a": {"b": [at]}}).to_string(),
            })
        })
        .collect()
}

async fn run(sql: &str) -> Result<Answer, BadQuery> {
    let columns = columns();
    let query = Query::parse(&sql.replace("LAKE", ID), &columns, NOW)?;
    assert_eq!(query.tables().collect::<Vec<_>>(), [ID]);
    query.run(vec![Table { name: ID, columns: &columns, rows: rows() }]).await
}

fn cells(answer: &Answer) -> Vec<Vec<&str>> {
    answer.rows.iter().map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect()).collect()
}

#[tokio::test]
async fn names_are_found_whatever_their_letters_are() {
    let answer = run("SELECT EVENTNAME, useridentity.ARN FROM LAKE WHERE readonly = true ORDER BY eventTime LIMIT 2")
        .await
        .unwrap();
    assert_eq!(answer.columns, ["eventName", "arn"]);
    assert_eq!(cells(&answer), [["GetObject", "arn:1"], ["GetObject", "arn:0"]]);
    assert_eq!((answer.scanned, answer.matched), (10, 5));
}

#[tokio::test]
async fn groups_and_counts() {
    let answer = run("select eventName, count(*) as n from LAKE group by eventName having count(*) > 1 order by 1")
        .await
        .unwrap();
    assert_eq!(answer.columns, ["eventName", "n"]);
    assert_eq!(cells(&answer), [["GetObject", "5"], ["PutObject", "5"]]);
    let answer = run("select count(*) from LAKE ").await.unwrap();
    assert_eq!(cells(&answer), [["10"]]);
}

#[tokio::test]
async fn maps_lists_and_parts() {
    for (sql, wanted) in [
        (
            "select element_at(requestParameters, 'bucketName') from LAKE where eventTime = timestamp '2026-11-20 10:00:00'",
            "b2",
        ),
        ("select requestParameters['bucketName'] from LAKE where eventTime = '2026-11-20 10:00:00'", "b2"),
        ("select element_at(requestParameters, 'deep') from LAKE order by eventTime limit 1", r#"{"a":0}"#),
        ("select element_at(requestParameters, 'none') from LAKE limit 1", "-"),
        ("select element_at(resources, 1).ARN from LAKE order by eventTime desc limit 1", "arn:aws:s3:::b9"),
        ("select userIdentity.sessionContext.sessionIssuer.userName from LAKE limit 1", "r"),
        ("select json_extract_scalar(eventJson, '$.a.b[0]') from LAKE order by eventTime desc limit 1", "9"),
        ("select eventTime from LAKE order by eventTime limit 1", "2026-11-18 10:00:00.000"),
        ("select count(distinct userIdentity.arn) from LAKE", "3"),
        ("select count(*) from LAKE where eventName like 'Put%' and eventName in ('PutObject', 'x')", "5"),
        ("select count(*) from LAKE where regexp_like(userIdentity.arn, '[01]$')", "7"),
    ] {
        let answer = run(sql).await.unwrap();
        assert_eq!(cells(&answer), [[wanted]], "{sql}");
    }
}

#[tokio::test]
async fn the_moment_is_the_clouds() {
    for (sql, wanted) in [
        ("select count(*) from LAKE where eventTime > date_add('day', -3, now())", "3"),
        ("select count(*) from LAKE where eventTime > current_timestamp - interval '3' day", "3"),
        ("select count(*) from LAKE where eventTime > from_iso8601_timestamp('2026-11-26T00:00:00Z')", "2"),
        ("select now() from LAKE limit 1", "2026-11-27 12:00:00.000"),
    ] {
        let answer = run(sql).await.unwrap();
        assert_eq!(cells(&answer), [[wanted]], "{sql}");
    }
}

#[tokio::test]
async fn what_is_no_query_is_refused() {
    for sql in [
        "SELEC x",
        "drop table LAKE ",
        "select 1 from LAKE ; select 2 from LAKE ",
        "insert into LAKE values (1)",
        "select none from LAKE ",
        "select no_such_function(eventName) from LAKE ",
        "select * from a.b",
    ] {
        let columns = columns();
        let sql = sql.replace("LAKE", ID);
        let refused = match Query::parse(&sql, &columns, NOW) {
            Err(refused) => Some(refused),
            Ok(query) => query.check(&columns).await.err(),
        };
        assert!(matches!(refused, Some(BadQuery::Statement(_))), "{sql}: {refused:?}");
    }
}

#[tokio::test]
async fn only_what_is_asked_for_is_read() {
    let columns = columns();
    let query = Query::parse(&format!("select eventName from {ID} where readOnly"), &columns, NOW).unwrap();
    assert!(query.needs("eventName") && query.needs("readOnly") && !query.needs("eventJson"));
    let query = Query::parse(&format!("select * from {ID}"), &columns, NOW).unwrap();
    assert!(query.needs("eventJson"));
    query.check(&columns).await.unwrap();
}
