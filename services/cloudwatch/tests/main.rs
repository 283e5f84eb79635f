//! CloudWatch through a real socket: what is put comes back, by period and statistic, on each protocol.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod alarms;
mod cfn;
mod dashboards;
mod math;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use undercast_cloudwatch::CloudWatch;
use undercast_kernel::wire::Protocol;
use undercast_kernel::{Metric, Service};
use undercast_testkit::{Answer, Client, Cloud, Folder, conformance};

/// A minute begins here.
const NOON: &str = "2026-03-01T12:00:00Z";

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(CloudWatch)]
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, "cloudwatch", services).await;
    assert!(coverage.cases >= 36, "{coverage:?}");
}

/// A cloud whose clock stands still at noon.
async fn at_noon() -> Cloud {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set(noon(0));
    cloud
}

/// So many seconds after noon.
fn noon(seconds: i64) -> Timestamp {
    NOON.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds)
}

/// The code as the query protocol has it.
fn code(answer: &Answer) -> &str {
    let told = answer.headers.get("x-amzn-query-error").and_then(|v| v.to_str().ok());
    told.and_then(|t| t.split(';').next()).unwrap_or(answer.code())
}

fn seconds(of: &Json) -> i64 {
    of.as_i64().unwrap_or_else(|| {
        of.as_f64().map_or_else(|| of.as_str().unwrap().parse::<Timestamp>().unwrap().as_second(), |f| f as i64)
    })
}

async fn put(client: &Client, data: Json) -> Answer {
    client.call("cloudwatch", "PutMetricData", json!({"Namespace": "Shop", "MetricData": data})).await
}

fn question(start: i64, end: i64, period: i64, statistics: &Json) -> Json {
    json!({"Namespace": "Shop", "MetricName": "Sales", "StartTime": noon(start).as_second(), "EndTime": noon(end).as_second(),
        "Period": period, "Statistics": statistics})
}

async fn statistics(client: &Client, question: Json) -> Vec<Json> {
    let answer = client.call("cloudwatch", "GetMetricStatistics", question).await.ok();
    let mut points = answer["Datapoints"].as_array().cloned().unwrap_or_default();
    points.sort_by_key(|p| seconds(&p["Timestamp"]));
    points
}

#[tokio::test]
async fn values_come_back_by_the_minute_on_every_protocol() {
    for protocol in [Protocol::Cbor, Protocol::Json, Protocol::Query] {
        let cloud = at_noon().await;
        let client = cloud.client().speaking(protocol);
        let at = |seconds: i64| noon(seconds).as_second();
        let data = json!([
            {"MetricName": "Sales", "Value": 3, "Unit": "Count", "Timestamp": at(-119)},
            {"MetricName": "Sales", "Value": 5, "Unit": "Count", "Timestamp": at(-61)},
            {"MetricName": "Sales", "Values": [1, 10], "Counts": [3, 1], "Unit": "Count", "Timestamp": at(-60)},
            {"MetricName": "Sales", "StatisticValues": {"SampleCount": 4, "Sum": 40, "Minimum": 7, "Maximum": 20}, "Unit": "Count", "Timestamp": at(-30)},
        ]);
        put(&client, data).await.ok();
        let all = json!(["SampleCount", "Average", "Sum", "Minimum", "Maximum"]);
        let points = statistics(&client, question(-120, 0, 60, &all)).await;
        let figures =
            |p: &Json| ["SampleCount", "Average", "Sum", "Minimum", "Maximum"].map(|n| p[n].as_f64().unwrap());
        assert_eq!(points.len(), 2, "{protocol:?} {points:?}");
        assert_eq!(figures(&points[0]), [2.0, 4.0, 8.0, 3.0, 5.0]);
        assert_eq!(figures(&points[1]), [8.0, 53.0 / 8.0, 53.0, 1.0, 20.0]);
        assert_eq!((points[0]["Unit"].as_str(), seconds(&points[0]["Timestamp"])), (Some("Count"), at(-120)));
        // Both in one period, which begins where the request does.
        let both = statistics(&client, question(-120, 0, 120, &json!(["Sum"]))).await;
        assert_eq!((both.len(), both[0]["Sum"].as_f64()), (1, Some(61.0)));
        assert!(both[0].get("Average").is_none_or(Json::is_null));
    }
}

#[tokio::test]
async fn percentiles_need_the_values() {
    let cloud = at_noon().await;
    let client = cloud.client();
    put(&client, json!([{"MetricName": "Sales", "Values": [1, 2, 3, 4, 100]}])).await.ok();
    let mut asked = question(0, 60, 60, &json!(null));
    asked["ExtendedStatistics"] = json!(["p50", "p80", "p99.9"]);
    let points = statistics(&client, asked.clone()).await;
    assert_eq!(points[0]["ExtendedStatistics"], json!({"p50": 3.0, "p80": 4.0, "p99.9": 100.0}));
    let mut trimmed = asked.clone();
    trimmed["ExtendedStatistics"] = json!(["tm80", "TM(20%:80%)", "TC(2:50)", "PR(:4)", "IQM"]);
    let points = statistics(&client, trimmed).await;
    let wanted = json!({"tm80": 2.5, "TM(20%:80%)": 3.0, "TC(2:50)": 2.0, "PR(:4)": 80.0, "IQM": 3.0});
    assert_eq!(points[0]["ExtendedStatistics"], wanted);
    assert_eq!(points[0]["Unit"], "None");
    let set = json!({"SampleCount": 2, "Sum": 3, "Minimum": 1, "Maximum": 2});
    put(&client, json!([{"MetricName": "Sales", "StatisticValues": set}])).await.ok();
    assert_eq!(statistics(&client, asked.clone()).await[0]["ExtendedStatistics"], json!({}));
    asked["ExtendedStatistics"] = json!(["Average"]);
    assert_eq!(code(&client.call("cloudwatch", "GetMetricStatistics", asked).await), "InvalidParameterValue");
}

#[tokio::test]
async fn dimensions_and_units_make_another_series() {
    let cloud = at_noon().await;
    let client = cloud.client();
    let (one, two) = (json!({"Name": "Shop", "Value": "1"}), json!({"Name": "Till", "Value": "a=b"}));
    put(
        &client,
        json!([
            {"MetricName": "Sales", "Value": 1},
            {"MetricName": "Sales", "Value": 2, "Dimensions": [one.clone(), two.clone()]},
            {"MetricName": "Sales", "Value": 4, "Dimensions": [two.clone(), one.clone()]},
            {"MetricName": "Sales", "Value": 8, "Dimensions": [one.clone()], "Unit": "Bytes"},
            {"MetricName": "Sales", "Value": 16, "Dimensions": [one.clone()], "Unit": "Bits"},
            {"MetricName": "Returns", "Value": 32},
        ]),
    )
    .await
    .ok();
    let sum = async |dimensions: Json, unit: Json| {
        let mut asked = question(0, 60, 60, &json!(["Sum"]));
        asked["Dimensions"] = dimensions;
        asked["Unit"] = unit;
        let points = statistics(&client, asked).await;
        points.iter().map(|p| p["Sum"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(sum(json!(null), json!(null)).await, [1.0]);
    assert_eq!(sum(json!([one, two]), json!(null)).await, [6.0]);
    assert_eq!(sum(json!([two, one]), json!("None")).await, [6.0]);
    assert_eq!(sum(json!([one]), json!("Bytes")).await, [8.0]);
    assert_eq!(sum(json!([one]), json!(null)).await.len(), 2);
    assert!(sum(json!([two]), json!(null)).await.is_empty());

    let list = async |filter: Json| {
        let answer = client.call("cloudwatch", "ListMetrics", filter).await.ok();
        answer["Metrics"].as_array().unwrap().len()
    };
    assert_eq!(list(json!({})).await, 4);
    assert_eq!(list(json!({"Namespace": "Shop", "MetricName": "Sales"})).await, 3);
    assert_eq!(list(json!({"Namespace": "Sho"})).await, 0);
    assert_eq!(list(json!({"Dimensions": [{"Name": "Shop"}]})).await, 2);
    assert_eq!(list(json!({"Dimensions": [{"Name": "Shop", "Value": "1"}, {"Name": "Till"}]})).await, 1);
    assert_eq!(list(json!({"Dimensions": [{"Name": "Shop", "Value": "2"}]})).await, 0);
    cloud.kernel.clock().set(noon(4 * 3600));
    assert_eq!(list(json!({})).await, 4);
    assert_eq!(list(json!({"RecentlyActive": "PT3H"})).await, 0);
    cloud.kernel.clock().set(noon(15 * 24 * 3600));
    assert_eq!(list(json!({})).await, 0);
    let elsewhere = client.in_region("eu-west-1").call("cloudwatch", "ListMetrics", json!({})).await.ok();
    assert_eq!(elsewhere["Metrics"], json!([]));
}

#[tokio::test]
async fn a_list_has_pages() {
    let cloud = at_noon().await;
    let client = cloud.client();
    let data: Vec<Json> = (0..501).map(|n| json!({"MetricName": format!("m{n}"), "Value": n})).collect();
    put(&client, json!(data)).await.ok();
    let first = client.call("cloudwatch", "ListMetrics", json!({})).await.ok();
    assert_eq!(first["Metrics"].as_array().unwrap().len(), 500);
    let rest = client.call("cloudwatch", "ListMetrics", json!({"NextToken": first["NextToken"]})).await.ok();
    assert_eq!((rest["Metrics"].as_array().unwrap().len(), &rest["NextToken"]), (1, &Json::Null));
    let forged = client.call("cloudwatch", "ListMetrics", json!({"NextToken": "abc"})).await;
    assert_eq!(code(&forged), "InvalidParameterValue");
}

fn query(id: &str, stat: &str) -> Json {
    let metric = json!({"Namespace": "Shop", "MetricName": "Sales"});
    json!({"Id": id, "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}})
}

fn data(queries: &Json) -> Json {
    json!({"MetricDataQueries": queries, "StartTime": noon(-600).as_second(), "EndTime": noon(0).as_second()})
}

#[tokio::test]
async fn several_questions_are_answered_at_once_and_in_pages() {
    let cloud = at_noon().await;
    let client = cloud.client();
    for minute in 1..=3 {
        let at = noon(-60 * minute).as_second();
        put(&client, json!([{"MetricName": "Sales", "Values": [minute, 10], "Timestamp": at}])).await.ok();
    }
    let get =
        async |input: Json| client.call("cloudwatch", "GetMetricData", input).await.ok()["MetricDataResults"].clone();
    let mut quiet = query("quiet", "Sum");
    quiet["ReturnData"] = json!(false);
    let mut named = query("b_2", "Maximum");
    named["Label"] = json!("most");
    let asked = data(&json!([query("a", "Minimum"), named, quiet]));
    let found = get(asked.clone()).await;
    assert_eq!(found.as_array().unwrap().len(), 2);
    assert_eq!(
        (&found[0]["Id"], &found[0]["Label"], &found[0]["StatusCode"]),
        (&json!("a"), &json!("Sales"), &json!("Complete"))
    );
    assert_eq!((&found[0]["Values"], &found[1]["Values"]), (&json!([1.0, 2.0, 3.0]), &json!([10.0, 10.0, 10.0])));
    assert_eq!(found[1]["Label"], "most");
    assert_eq!(seconds(&found[0]["Timestamps"][0]), noon(-60).as_second());
    let mut upwards = asked.clone();
    upwards["ScanBy"] = json!("TimestampAscending");
    assert_eq!(get(upwards).await[0]["Values"], json!([3.0, 2.0, 1.0]));

    let mut of_unit = query("c", "Sum");
    of_unit["MetricStat"]["Unit"] = json!("Count");
    assert_eq!(get(data(&json!([of_unit]))).await[0]["Values"], json!([]), "they were put without a unit");

    let mut pages = asked.clone();
    pages["MaxDatapoints"] = json!(4);
    let first = client.call("cloudwatch", "GetMetricData", pages.clone()).await.ok();
    let results = &first["MetricDataResults"];
    assert_eq!((&results[0]["Values"], &results[1]["Values"]), (&json!([1.0, 2.0, 3.0]), &json!([10.0])));
    assert_eq!(results[1]["StatusCode"], "PartialData");
    pages["NextToken"] = first["NextToken"].clone();
    let second = client.call("cloudwatch", "GetMetricData", pages.clone()).await.ok();
    let results = &second["MetricDataResults"];
    assert_eq!((&results[0]["Values"], &results[1]["Values"]), (&json!([]), &json!([10.0, 10.0])));
    assert_eq!((&results[1]["StatusCode"], &second["NextToken"]), (&json!("Complete"), &Json::Null));
    pages["NextToken"] = json!("made up");
    assert_eq!(client.call("cloudwatch", "GetMetricData", pages).await.code(), "InvalidNextToken");
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_nothing_is_kept() {
    let cloud = at_noon().await;
    let client = cloud.client().speaking(Protocol::Json);
    let at = |seconds: i64| noon(seconds).as_second();
    let datum = |more: Json| {
        let mut datum = json!({"MetricName": "Sales"});
        datum.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        datum
    };
    let set = json!({"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1});
    let many: Vec<i64> = (0..151).collect();
    let cases = [
        (
            json!({"Value": 1, "StatisticValues": set}),
            "InvalidParameterCombination",
            "The parameters MetricData.member.2.Value and MetricData.member.2.StatisticValues are mutually exclusive and you have specified both.",
        ),
        (
            json!({"Value": 1, "Values": [1]}),
            "InvalidParameterCombination",
            "The parameters MetricData.member.2.Value and MetricData.member.2.Values are mutually exclusive and you have specified both.",
        ),
        (
            json!({"Values": [1, 2], "Counts": [1]}),
            "InvalidParameterValue",
            "The parameters MetricData.member.2.Values and MetricData.member.2.Counts must be of the same size.",
        ),
        (
            json!({"Values": many}),
            "InvalidParameterValue",
            "The collection MetricData.member.2.Values must not have a size greater than 150.",
        ),
        (json!({}), "MissingParameter", "The parameter MetricData.member.2.Value is required."),
        (
            json!({"Value": 1, "StorageResolution": 300}),
            "InvalidParameterValue",
            "The parameter MetricData.member.2.StorageResolution must be a value in the set [ 1, 60 ].",
        ),
        (
            json!({"Value": 1, "Timestamp": at(-14 * 86400 - 1)}),
            "InvalidParameterValue",
            "The parameter MetricData.member.2.Timestamp must specify a time within the past two weeks.",
        ),
        (
            json!({"Value": 1, "Timestamp": at(7201)}),
            "InvalidParameterValue",
            "The parameter MetricData.member.2.Timestamp must specify a time no more than two hours in the future.",
        ),
        (json!({"Value": 1e109}), "InvalidParameterValue", ""),
        (
            json!({"Value": 1, "Dimensions": [{"Name": ":a", "Value": "b"}]}),
            "InvalidParameterValue",
            "The value :a for parameter MetricData.member.2.Dimensions.member.1.Name is invalid.",
        ),
        (json!({"Value": 1, "Dimensions": [{"Name": "a", "Value": "\u{1}"}]}), "InvalidParameterValue", ""),
        (json!({"Value": 1, "Unit": "Furlongs"}), "InvalidParameterValue", ""),
    ];
    for (more, wanted, message) in cases {
        let answer = put(&client, json!([datum(json!({"Value": 1})), datum(more.clone())])).await;
        assert_eq!((answer.status, code(&answer)), (400, wanted), "{more}");
        assert!(message.is_empty() || answer.json["message"] == message, "{more} {:?}", answer.json);
    }
    assert_eq!(code(&put(&client, json!([])).await), "MissingParameter");
    let ours = json!({"Namespace": "AWS/S3", "MetricData": [{"MetricName": "m", "Value": 1}]});
    assert_eq!(code(&client.call("cloudwatch", "PutMetricData", ours).await), "InvalidParameterValue");
    let listed = client.call("cloudwatch", "ListMetrics", json!({})).await.ok();
    assert_eq!(listed["Metrics"], json!([]));

    for (asked, wanted, message) in [
        (
            question(0, 0, 60, &json!(["Sum"])),
            "InvalidParameterValue",
            "The parameter StartTime must be less than the parameter EndTime.",
        ),
        (
            question(-86400, 0, 1, &json!(["Sum"])),
            "InvalidParameterCombination",
            "You have requested up to 86400 datapoints, which exceeds the limit of 1440. You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
        ),
        (question(-600, 0, 61, &json!(["Sum"])), "InvalidParameterValue", ""),
        (question(-600, 0, 60, &json!(null)), "MissingParameter", ""),
        (question(-600, 0, 60, &json!(["Median"])), "InvalidParameterValue", ""),
    ] {
        let answer = client.call("cloudwatch", "GetMetricStatistics", asked).await;
        assert_eq!(code(&answer), wanted);
        assert!(message.is_empty() || answer.json["message"] == message, "{:?}", answer.json);
    }
    let (mut reversed, mut empty) = (data(&json!([query("a", "Sum")])), data(&json!([query("a", "Sum")])));
    reversed["StartTime"] = json!(at(1));
    empty["StartTime"] = json!(at(0));
    let mut twice = query("a", "Sum");
    twice["Period"] = json!(60);
    let refused = [
        (data(&json!([twice])), "Period must not be set where MetricStat is."),
        (reversed, "The parameter StartTime must be less than the parameter EndTime."),
        (empty, "The parameter StartTime must not equal parameter EndTime."),
        (data(&json!([])), "The collection MetricDataQueries must not be empty."),
        (data(&json!([query("A", "Sum")])), "The value A for parameter Id is invalid."),
        (
            data(&json!([query("a", "Sum"), query("a", "Sum")])),
            "The values for parameter id in MetricDataQueries are not unique.",
        ),
        (data(&json!([query("a", "Median")])), "The value Median for parameter Stat is invalid."),
        (data(&json!([{"Id": "a"}])), "Either MetricStat or Expression must be specified."),
    ];
    for (asked, message) in refused {
        let answer = client.call("cloudwatch", "GetMetricData", asked).await;
        assert_eq!((answer.code(), answer.json["message"].as_str()), ("ValidationError", Some(message)));
    }
}

#[test]
fn what_services_observe_is_read_at_once_and_outlives_the_cloud() {
    let folder = Folder::new();
    let alone =
        |work: std::pin::Pin<Box<dyn Future<Output = ()> + '_>>| tokio::runtime::Runtime::new().unwrap().block_on(work);
    alone(Box::pin(observed(&folder)));
    alone(Box::pin(async {
        let cloud = Cloud::in_folder(services(), &folder).await;
        assert_eq!(statistics(&cloud.client(), requests()).await[0]["Sum"], 1015.0);
    }));
}

fn requests() -> Json {
    json!({"Namespace": "AWS/S3", "MetricName": "AllRequests", "Dimensions": [{"Name": "BucketName", "Value": "b"}],
        "StartTime": noon(0).as_second(), "EndTime": noon(60).as_second(), "Period": 60, "Statistics": ["Sum", "Average"]})
}

async fn observed(folder: &Folder) {
    let cloud = Cloud::in_folder(services(), folder).await;
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set(noon(30));
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let dimensions = [("BucketName", "b")];
    let metric = Metric { namespace: "AWS/S3", name: "AllRequests", dimensions: &dimensions, unit: "Count" };
    (0..1000).for_each(|_| cx.observe(&metric, 1.0));
    let points = statistics(&cloud.client(), requests()).await;
    assert_eq!((points[0]["Sum"].as_f64(), points[0]["Average"].as_f64()), (Some(1000.0), Some(1.0)));
    (0..5).for_each(|_| cx.observe(&metric, 3.0));
    assert_eq!(statistics(&cloud.client(), requests()).await[0]["Sum"], 1015.0);
}

#[tokio::test]
async fn the_older_the_coarser() {
    let cloud = at_noon().await;
    let client = cloud.client();
    let data: Vec<Json> = (0..60)
        .map(|n| json!({"MetricName": "Sales", "Value": n, "StorageResolution": 1, "Timestamp": noon(-n).as_second()}))
        .collect();
    put(&client, json!(data)).await.ok();
    // When the points that are still there begin, before noon.
    let points = async |start: i64, period: i64| {
        let found = statistics(&client, question(start, 1, period, &json!(["Sum"]))).await;
        assert_eq!(found.iter().map(|p| p["Sum"].as_f64().unwrap()).sum::<f64>(), 1770.0);
        found.iter().map(|p| noon(0).as_second() - seconds(&p["Timestamp"])).collect::<Vec<_>>()
    };
    assert_eq!(points(-60, 1).await.len(), 60);
    assert_eq!(points(-60, 30).await, [60, 30, 0]);
    for (days, begin) in [(1, [60, 0]), (16, [300, 0]), (64, [3600, 0])] {
        cloud.kernel.clock().set(noon(days * 86400));
        cloud.kernel.thin_metrics().await.unwrap();
        assert_eq!(points(-7200, 60).await, begin, "after {days} days");
    }
    cloud.kernel.clock().set(noon(456 * 86400));
    cloud.kernel.thin_metrics().await.unwrap();
    assert!(statistics(&client, question(-7200, 1, 3600, &json!(["Sum"]))).await.is_empty());
}

#[tokio::test]
async fn a_put_survives_and_time_is_the_clouds() {
    let cloud = at_noon().await;
    cloud.kernel.advance(Duration::from_secs(3600)).await.unwrap();
    put(&cloud.client(), json!([{"MetricName": "Sales", "Value": 1}])).await.ok();
    assert_eq!(statistics(&cloud.client(), question(3600, 3660, 60, &json!(["Sum"]))).await.len(), 1);
}

/// Contributions to a rule of two keys: the name, the key, seconds after noon, and how much.
fn contribute(cloud: &Cloud, contributions: &[(&str, &str, i64, f64)]) {
    let kernel = &cloud.kernel;
    for (name, key, at, value) in contributions {
        kernel.clock().set(noon(*at));
        let keys = [(*name).to_owned(), (*key).to_owned()];
        kernel.cx_for("000000000000", "us-east-1").contribute("rule", &keys, *value);
    }
}

#[tokio::test]
async fn a_report_tells_who_contributed_most() {
    use undercast_kernel::insights::{self, Rule};
    let cloud = at_noon().await;
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let rule = Rule { labels: vec!["PartitionKey".to_owned(), "SortKey".to_owned()] };
    cx.write(|tx| {
        insights::put(&cx, tx, "rule", &rule);
        Ok(())
    })
    .await
    .unwrap();
    contribute(&cloud, &[("a", "1", 0, 1.0), ("b", "1", 30, 5.0), ("a", "1", 30, 2.0)]);
    let client = cloud.client();
    let ask = |more: Json| {
        let mut input = json!({"RuleName": "rule", "StartTime": noon(0).as_second(), "EndTime": noon(600).as_second(), "Period": 300});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    // What was reported already is added to.
    client.call("cloudwatch", "GetInsightRuleReport", ask(json!({}))).await.ok();
    contribute(&cloud, &[("a", "1", 59, 1.5), ("a", "1", 300, 3.0), ("c", "1", 330, 1.0)]);
    let every = ["UniqueContributors", "MaxContributorValue", "SampleCount", "Sum", "Minimum", "Maximum", "Average"];
    let report = client.call("cloudwatch", "GetInsightRuleReport", ask(json!({ "Metrics": every }))).await.ok();
    assert_eq!(report["KeyLabels"], json!(["PartitionKey", "SortKey"]));
    assert_eq!((&report["AggregationStatistic"], report["AggregateValue"].as_f64()), (&json!("Sum"), Some(13.5)));
    assert_eq!(report["ApproximateUniqueCount"], 3);
    let contributors = report["Contributors"].as_array().unwrap();
    let order: Vec<&Json> = contributors.iter().map(|c| &c["Keys"][0]).collect();
    assert_eq!(order, ["a", "b", "c"]);
    assert_eq!(contributors[0]["ApproximateAggregateValue"].as_f64(), Some(7.5));
    let points = contributors[0]["Datapoints"].as_array().unwrap();
    let values: Vec<(i64, f64)> =
        points.iter().map(|p| (seconds(&p["Timestamp"]), p["ApproximateValue"].as_f64().unwrap())).collect();
    assert_eq!(values, [(noon(0).as_second(), 4.5), (noon(300).as_second(), 3.0)]);
    let of = |point: &Json| every.map(|name| point[name].as_f64().unwrap());
    let points = report["MetricDatapoints"].as_array().unwrap();
    assert_eq!(of(&points[0]), [2.0, 5.0, 4.0, 9.5, 1.0, 5.0, 2.375]);
    assert_eq!(of(&points[1]), [2.0, 3.0, 2.0, 4.0, 1.0, 3.0, 2.0]);
    let few = ask(json!({"MaxContributorCount": 1, "OrderBy": "Maximum"}));
    let report = client.call("cloudwatch", "GetInsightRuleReport", few).await.ok();
    assert_eq!(report["Contributors"].as_array().unwrap().len(), 1);
    assert_eq!(report["Contributors"][0]["Keys"][0], "b");
    assert!(report.get("MetricDatapoints").is_none());
    for (wrong, expected) in [
        (json!({"RuleName": "other"}), "ResourceNotFoundException"),
        (json!({"Period": 59}), "InvalidParameterValue"),
        (json!({"EndTime": noon(0).as_second()}), "InvalidParameterValue"),
        (json!({"MaxContributorCount": 101}), "InvalidParameterValue"),
        (json!({"OrderBy": "Minimum"}), "InvalidParameterValue"),
        (json!({"Metrics": ["Median"]}), "InvalidParameterValue"),
        (json!({"EndTime": noon(90_000 * 60).as_second()}), "InvalidParameterValue"),
    ] {
        let answer = client.call("cloudwatch", "GetInsightRuleReport", ask(wrong.clone())).await;
        assert_eq!(code(&answer), expected, "{wrong}");
    }
    // Old contributions are forgotten.
    cloud.kernel.clock().set(noon(16 * 86_400));
    cloud.kernel.thin_metrics().await.unwrap();
    let report = client.call("cloudwatch", "GetInsightRuleReport", ask(json!({}))).await.ok();
    assert_eq!(report["AggregateValue"].as_f64(), Some(0.0));
}

/// One contribution to the rule, so many seconds after noon.
fn contribute_one(cloud: &Cloud, at: i64, keys: &[&str], value: f64) {
    cloud.kernel.clock().set(noon(at));
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    cloud.kernel.cx_for("000000000000", "us-east-1").contribute("rule", &keys, value);
}
