//! Metric math and labels through a socket.

use serde_json::{Value as Json, json};
use undercast_kernel::wire::Protocol;
use undercast_testkit::Client;

use crate::{at_noon, data, noon, put, query, seconds};

fn of(id: &str, expression: &str) -> Json {
    json!({"Id": id, "Expression": expression})
}

async fn results(client: &Client, input: Json) -> Vec<Json> {
    let answer = client.call("cloudwatch", "GetMetricData", input).await.ok();
    answer["MetricDataResults"].as_array().cloned().unwrap_or_default()
}

async fn refused(client: &Client, queries: Json) -> String {
    let client = client.clone().speaking(Protocol::Json);
    let answer = client.call("cloudwatch", "GetMetricData", data(&queries)).await;
    assert_eq!(answer.code(), "ValidationError", "{queries}");
    answer.json["message"].as_str().unwrap_or_default().to_owned()
}

/// Sales of the last three minutes: 1, 2 and 4, and one at each of two tills.
async fn sold(client: &Client) {
    for (minute, value) in [(3, 1), (2, 2), (1, 4)] {
        let at = noon(-60 * minute).as_second();
        put(client, json!([{"MetricName": "Sales", "Value": value, "Timestamp": at}])).await.ok();
    }
    for till in ["east", "west"] {
        let dimensions = json!([{"Name": "Till", "Value": till}]);
        let at = noon(-60).as_second();
        put(client, json!([{"MetricName": "Sales", "Value": 1, "Timestamp": at, "Dimensions": dimensions}])).await.ok();
    }
}

#[tokio::test]
async fn expressions_are_worked_out_over_metrics_and_expressions() {
    let cloud = at_noon().await;
    let client = cloud.client();
    sold(&client).await;
    let mut hidden = query("m1", "Sum");
    hidden["ReturnData"] = json!(false);
    let mut named = of("e2", "e1 / MAX(e1) * 100");
    named["Label"] = json!("part of ${MAX}");
    let mut constant = of("e3", "TIME_SERIES(7)");
    constant["Period"] = json!(300);
    let asked = data(&json!([of("e1", "m1 * 2 + 1"), named, hidden, constant, of("e4", "FILL(m1, 0)")]));
    let found = results(&client, asked).await;
    let values: Vec<&Json> = found.iter().map(|r| &r["Values"]).collect();
    assert_eq!(values[0], &json!([9.0, 5.0, 3.0]));
    assert_eq!((&found[0]["Id"], &found[0]["Label"]), (&json!("e1"), &json!("e1")));
    assert_eq!(found[1]["Label"], "part of 100");
    assert_eq!(values[1][0], 100.0);
    assert_eq!(values[2], &json!([7.0, 7.0]));
    assert_eq!(values[3].as_array().unwrap().len(), 10);
    assert_eq!(values[3][9], 0.0);
}

#[tokio::test]
async fn a_search_has_a_result_for_each_metric_it_finds() {
    let cloud = at_noon().await;
    let client = cloud.client();
    sold(&client).await;
    let found = results(&client, data(&json!([of("e1", "SEARCH('{Shop,Till} Sales', 'Sum', 60)")]))).await;
    let labels: Vec<(&Json, &Json)> = found.iter().map(|r| (&r["Id"], &r["Label"])).collect();
    assert_eq!(labels, [(&json!("e1"), &json!("east")), (&json!("e1"), &json!("west"))]);
    let mut labelled = of("e1", "SEARCH('Till=west', 'Sum', 60)");
    labelled["Label"] = json!("${PROP('MetricName')} of ${PROP('Dim.Till')}");
    assert_eq!(results(&client, data(&json!([labelled]))).await[0]["Label"], "Sales of west");
    let sum = results(&client, data(&json!([of("e1", "SUM(SEARCH('{Shop,Till}', 'Sum'))")]))).await;
    assert_eq!((sum.len(), &sum[0]["Values"]), (1, &json!([2.0])));
    assert!(results(&client, data(&json!([of("e1", "SEARCH('nothing', 'Sum')")]))).await.is_empty());
}

#[tokio::test]
async fn labels_have_values_and_moments_in_them() {
    let cloud = at_noon().await;
    let client = cloud.client();
    sold(&client).await;
    let told = async |label: &str, zone: Json| {
        let mut asked = query("m1", "Sum");
        asked["Label"] = json!(label);
        let mut input = data(&json!([asked]));
        input["LabelOptions"] = zone;
        results(&client, input).await[0]["Label"].as_str().unwrap().to_owned()
    };
    for (label, wanted) in [
        ("${LABEL}: ${MIN} to ${MAX}", "Sales: 1 to 4"),
        ("${AVG} ${SUM} ${DATAPOINT_COUNT}", "2.3333333333333335 7 3"),
        ("${FIRST} ${LAST} ${FIRST_LAST_RANGE} ${MIN_MAX_RANGE}", "1 4 3 3"),
        ("${FIRST_LAST_TIME_RANGE} ${MIN_MAX_TIME_RANGE}", "2m 2m"),
        ("${LAST_TIME_RELATIVE}, ${FIRST_TIME_RELATIVE}", "1m, 3m"),
        ("${MIN_TIME} ${MAX_TIME_RELATIVE}", "2026-03-01 11:57:00 UTC+00:00 1m"),
        ("${PROP('Namespace')} ${PROP('Stat')} ${PROP('Period')} ${PROP('Region')}", "Shop Sum 60 us-east-1"),
        ("${PROP('AccountId')} ${NOTHING} ${", "000000000000 ${NOTHING} ${"),
    ] {
        assert_eq!(told(label, json!(null)).await, wanted);
    }
    assert_eq!(told("${LAST_TIME}", json!({"Timezone": "+0130"})).await, "2026-03-01 13:29:00 UTC+01:30");
    let mut input = data(&json!([query("m1", "Sum")]));
    input["LabelOptions"] = json!({"Timezone": "CET"});
    let answer = client.call("cloudwatch", "GetMetricData", input).await;
    assert_eq!(answer.code(), "ValidationError");
    let mut many = query("m1", "Sum");
    many["Label"] = json!("${MIN}".repeat(7));
    refused(&client, json!([many])).await;
}

#[tokio::test]
async fn expressions_that_cannot_be_are_refused() {
    let cloud = at_noon().await;
    let client = cloud.client();
    let mut silent = query("m1", "Sum");
    silent["ReturnData"] = json!(false);
    let mut both = query("m1", "Sum");
    both["Expression"] = json!("m2");
    for (queries, message) in [
        (json!([of("e1", "m1 +")]), "Error in expression 'e1': The expression is not complete"),
        (json!([of("e1", "m9 + 1")]), "Error in expression 'e1': Unknown id: m9"),
        (json!([of("e1", "e2"), of("e2", "e1")]), "Error in expression 'e1': The expression needs its own value"),
        (json!([of("e1", "SUM(m1)"), silent]), "Error in expression 'e1': The result is a number, and no time series"),
        (json!([of("e1", "NOSUCH(1)")]), "Error in expression 'e1': Unknown function: NOSUCH"),
        (json!([of("e1", "INSIGHT_RULE_METRIC('r', 'Sum')")]), "Error in expression 'e1': Unknown rule: r"),
        (json!([silent]), "At least one query must return data."),
        (json!([both]), "MetricStat and Expression must not both be specified."),
    ] {
        assert_eq!(refused(&client, queries).await, message);
    }
    for expression in ["ANOMALY_DETECTION_BAND(m1)", "SELECT AVG(Sales) FROM Shop"] {
        let queries = json!([of("e1", expression), query("m1", "Sum")]);
        let answer = client.call("cloudwatch", "GetMetricData", data(&queries)).await;
        assert_eq!(answer.status, 501, "{expression}");
    }
}

#[tokio::test]
async fn a_rule_of_insights_is_a_series() {
    use undercast_kernel::insights::{self, Rule};
    let cloud = at_noon().await;
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    cx.write(|tx| {
        insights::put(&cx, tx, "rule", &Rule { labels: vec!["Key".to_owned()] });
        Ok(())
    })
    .await
    .unwrap();
    crate::contribute_one(&cloud, -120, &["a"], 2.0);
    crate::contribute_one(&cloud, -90, &["b"], 3.0);
    cloud.kernel.clock().set(noon(0));
    let found = results(&cloud.client(), data(&json!([of("e1", "INSIGHT_RULE_METRIC('rule', 'Sum') * 2")]))).await;
    assert_eq!(found[0]["Values"], json!([10.0]));
    assert_eq!(seconds(&found[0]["Timestamps"][0]), noon(-120).as_second());
    refused(&cloud.client(), json!([of("e1", "INSIGHT_RULE_METRIC('rule', 'Median')")])).await;
}
