//! Alarms through a socket, on the cloud's clock.

mod composites;
mod mutes;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_cloudwatch::CloudWatch;
use undercast_kernel::wire::schema::Operation;
use undercast_kernel::wire::{Fields, Protocol, Service as Api, Value};
use undercast_kernel::{Access, Answer, Cx, Service};
use undercast_sns::Sns;
use undercast_sqs::Sqs;
use undercast_testkit::{Client, Cloud};

use crate::{noon, put};

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

/// Lambda, as far as it takes events and keeps them.
#[derive(Default)]
pub(crate) struct Functions(Arc<Mutex<Vec<Json>>>);

impl Service for Functions {
    fn api(&self) -> &'static Api {
        &undercast_lambda::api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, _operation: usize, input: Value) -> Answer<'a> {
        let payload = input.as_fields().and_then(|f| match f.get("Payload") {
            Some(Value::Blob(bytes)) => serde_json::from_slice::<Json>(bytes).ok(),
            _ => None,
        });
        let caller = cx.principal().arn.clone();
        self.0.lock().unwrap().push(json!({"caller": caller, "event": payload}));
        Box::pin(async { Ok(Box::new(()) as _) })
    }

    fn access(&self, _: &Cx, _: &'static Operation, _: &Fields) -> undercast_kernel::Result<Vec<Access>> {
        Ok(Vec::new())
    }
}

/// A cloud whose clock stands still at noon, and what its functions get.
async fn cloud() -> (Cloud, Arc<Mutex<Vec<Json>>>) {
    let functions = Functions::default();
    let invoked = functions.0.clone();
    let cloud = Cloud::start(vec![Arc::new(CloudWatch), Arc::new(functions), Arc::new(Sns), Arc::new(Sqs)]).await;
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set(noon(0));
    (cloud, invoked)
}

fn alarm(more: &Json) -> Json {
    let mut alarm = json!({"AlarmName": "a", "Namespace": "Shop", "MetricName": "Sales", "Period": 60, "Statistic": "Sum",
        "EvaluationPeriods": 1, "Threshold": 10.0, "ComparisonOperator": "GreaterThanThreshold"});
    alarm.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    alarm.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    alarm
}

async fn make(client: &Client, more: Json) {
    client.call("cloudwatch", "PutMetricAlarm", alarm(&more)).await.ok();
}

async fn sell(client: &Client, value: f64) {
    put(client, json!([{"MetricName": "Sales", "Value": value}])).await.ok();
}

async fn pass(cloud: &Cloud, seconds: u64) {
    cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
}

async fn shown(client: &Client, name: &str) -> Json {
    let input = json!({"AlarmNames": [name], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]});
    let found = client.call("cloudwatch", "DescribeAlarms", input).await.ok();
    let composite = found["CompositeAlarms"].as_array().and_then(|all| all.first()).cloned();
    found["MetricAlarms"].as_array().and_then(|all| all.first()).cloned().or(composite).unwrap_or_default()
}

async fn state(client: &Client, name: &str) -> String {
    shown(client, name).await["StateValue"].as_str().unwrap_or_default().to_owned()
}

async fn history(client: &Client, more: Json) -> Vec<Json> {
    let mut input = json!({"ScanBy": "TimestampAscending"});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let found = client.call("cloudwatch", "DescribeAlarmHistory", input).await.ok();
    found["AlarmHistoryItems"].as_array().cloned().unwrap_or_default()
}

/// A topic with a queue that gets its messages.
async fn topic(client: &Client) -> String {
    client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]});
    let input = json!({"QueueName": "q", "Attributes": {"Policy": policy.to_string()}});
    let url = client.call("sqs", "CreateQueue", input).await.ok()["QueueUrl"].as_str().unwrap().to_owned();
    let input = json!({"TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:000000000000:q"});
    client.call("sns", "Subscribe", input).await.ok();
    url
}

/// Subjects and messages that came since.
async fn messages(client: &Client, url: &str) -> Vec<(String, Json)> {
    let mut all = Vec::new();
    loop {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10});
        let got = client.call("sqs", "ReceiveMessage", input).await.ok();
        let Some(some) = got["Messages"].as_array().filter(|m| !m.is_empty()) else { break };
        for message in some {
            let body: Json = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            let told = serde_json::from_str(body["Message"].as_str().unwrap()).unwrap();
            all.push((body["Subject"].as_str().unwrap().to_owned(), told));
            let input = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
            client.call("sqs", "DeleteMessage", input).await.ok();
        }
    }
    all.sort_by_key(|(_, told): &(String, Json)| told["StateChangeTime"].as_str().unwrap_or_default().to_owned());
    all
}

#[tokio::test]
async fn an_alarm_passes_through_its_states_and_tells_a_topic_of_each() {
    let (cloud, _) = cloud().await;
    let client = cloud.client();
    let url = topic(&client).await;
    make(
        &client,
        json!({"AlarmDescription": "too much", "AlarmActions": [TOPIC], "OKActions": [TOPIC], "InsufficientDataActions": [TOPIC],
               "Dimensions": [], "Unit": "None", "DatapointsToAlarm": 1, "TreatMissingData": "missing"}),
    )
    .await;
    assert_eq!(state(&client, "a").await, "INSUFFICIENT_DATA");
    assert_eq!(shown(&client, "a").await["StateReason"], "Unchecked: Initial alarm creation");
    sell(&client, 20.0).await;
    pass(&cloud, 60).await;
    let alarmed = shown(&client, "a").await;
    assert_eq!(alarmed["StateValue"], "ALARM");
    assert_eq!(
        alarmed["StateReason"],
        "Threshold Crossed: 1 out of the last 1 datapoints [20.0 (01/03/26 12:00:00)] was greater than the threshold (10.0) (minimum 1 datapoint for OK -> ALARM transition)."
    );
    let data: Json = serde_json::from_str(alarmed["StateReasonData"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&data["recentDatapoints"], &data["threshold"], &data["period"]),
        (&json!([20.0]), &json!(10.0), &json!(60))
    );
    sell(&client, 5.0).await;
    // The points of three periods are looked at, so that the last one is not missing at once.
    pass(&cloud, 300).await;
    assert_eq!(state(&client, "a").await, "INSUFFICIENT_DATA");
    pass(&cloud, 1).await;
    let told = messages(&client, &url).await;
    let subjects: Vec<&str> = told.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(
        subjects,
        [
            "ALARM: \"a\" in US East (N. Virginia)",
            "OK: \"a\" in US East (N. Virginia)",
            "INSUFFICIENT_DATA: \"a\" in US East (N. Virginia)"
        ]
    );
    let first = &told[0].1;
    for (name, wanted) in [
        ("AlarmName", json!("a")),
        ("AlarmDescription", json!("too much")),
        ("AWSAccountId", json!("000000000000")),
        ("OldStateValue", json!("INSUFFICIENT_DATA")),
        ("NewStateValue", json!("ALARM")),
        ("StateChangeTime", json!("2026-03-01T12:01:00.000+0000")),
        ("AlarmArn", json!("arn:aws:cloudwatch:us-east-1:000000000000:alarm:a")),
        ("AlarmActions", json!([TOPIC])),
    ] {
        assert_eq!(first[name], wanted, "{name}");
    }
    let trigger = json!({"MetricName": "Sales", "Namespace": "Shop", "StatisticType": "Statistic", "Statistic": "SUM", "Unit": "None",
        "Dimensions": [], "Period": 60, "EvaluationPeriods": 1, "DatapointsToAlarm": 1, "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 10.0, "TreatMissingData": "missing", "EvaluateLowSampleCountPercentile": ""});
    assert_eq!(first["Trigger"], trigger);
    let told = history(&client, json!({"AlarmName": "a"})).await;
    let summaries: Vec<&str> = told.iter().map(|item| item["HistorySummary"].as_str().unwrap()).collect();
    let acted = format!("Successfully executed action {TOPIC}");
    assert_eq!(summaries.iter().filter(|s| **s == acted).count(), 3, "{summaries:?}");
    for wanted in [
        "Alarm \"a\" created",
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        "Alarm updated from OK to INSUFFICIENT_DATA",
    ] {
        assert!(summaries.contains(&wanted), "{wanted}: {summaries:?}");
    }
}

#[tokio::test]
async fn functions_get_an_event() {
    let (cloud, invoked) = cloud().await;
    let client = cloud.client();
    make(&client, json!({"AlarmActions": [FUNCTION], "TreatMissingData": "breaching", "Dimensions": [{"Name": "Till", "Value": "1"}]})).await;
    pass(&cloud, 61).await;
    let got = invoked.lock().unwrap().clone();
    assert_eq!(got.len(), 1, "{got:?}");
    assert_eq!(got[0]["caller"], "lambda.alarms.cloudwatch.amazonaws.com");
    let event = &got[0]["event"];
    assert_eq!((&event["source"], &event["region"]), (&json!("aws.cloudwatch"), &json!("us-east-1")));
    assert_eq!(event["alarmData"]["state"]["value"], "ALARM");
    assert_eq!(event["alarmData"]["previousState"]["value"], "INSUFFICIENT_DATA");
    let metric = &event["alarmData"]["configuration"]["metrics"][0]["metricStat"];
    assert_eq!(metric["metric"], json!({"namespace": "Shop", "name": "Sales", "dimensions": {"Till": "1"}}));
    assert_eq!(
        shown(&client, "a").await["StateReason"],
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [Breaching]."
    );
}

#[tokio::test]
async fn each_period_is_come_to_in_order() {
    let (cloud, _) = cloud().await;
    let client = cloud.client();
    make(&client, json!({"EvaluationPeriods": 3, "DatapointsToAlarm": 2, "TreatMissingData": "notBreaching"})).await;
    let at = |minute: i64| noon(60 * minute).as_second();
    let data: Vec<Json> = [(0, 20), (2, 20), (10, 20), (11, 20)]
        .iter()
        .map(|(minute, value)| json!({"MetricName": "Sales", "Value": value, "Timestamp": at(*minute)}))
        .collect();
    put(&client, json!(data)).await.ok();
    pass(&cloud, 3600).await;
    let items = history(&client, json!({"AlarmName": "a", "HistoryItemType": "StateUpdate"})).await;
    let changes: Vec<(i64, &str)> = items
        .iter()
        .map(|i| (crate::seconds(&i["Timestamp"]) - at(0), i["HistorySummary"].as_str().unwrap()))
        .collect();
    assert_eq!(
        changes,
        [
            (60, "Alarm updated from INSUFFICIENT_DATA to OK"),
            (180, "Alarm updated from OK to ALARM"),
            // Of five periods that are looked at two are there, until the older one is too old.
            (360, "Alarm updated from ALARM to OK"),
            (720, "Alarm updated from OK to ALARM"),
            (960, "Alarm updated from ALARM to OK"),
        ]
    );
    let page = json!({"AlarmName": "a", "MaxRecords": 2, "ScanBy": "TimestampDescending"});
    let first = client.call("cloudwatch", "DescribeAlarmHistory", page.clone()).await.ok();
    assert_eq!(first["AlarmHistoryItems"].as_array().unwrap().len(), 2);
    let mut next = page.clone();
    next["NextToken"] = first["NextToken"].clone();
    let second = client.call("cloudwatch", "DescribeAlarmHistory", next.clone()).await.ok();
    assert_ne!(first["AlarmHistoryItems"], second["AlarmHistoryItems"]);
    next["NextToken"] = json!("made up");
    assert_eq!(client.call("cloudwatch", "DescribeAlarmHistory", next).await.code(), "InvalidNextToken");
    let between = json!({"StartDate": at(5), "EndDate": at(7), "AlarmTypes": ["MetricAlarm"]});
    assert_eq!(history(&client, between).await.len(), 1);
    assert!(history(&client, json!({"AlarmTypes": ["CompositeAlarm"]})).await.is_empty());
    assert!(history(&client, json!({"AlarmContributorId": "c"})).await.is_empty());
    // It is kept for thirty days.
    client.call("cloudwatch", "DeleteAlarms", json!({"AlarmNames": ["a"]})).await.ok();
    pass(&cloud, 30 * 86_400 + 1).await;
    assert!(history(&client, json!({})).await.is_empty());
}

#[tokio::test]
async fn alarms_watch_expressions_percentiles_and_short_periods() {
    for protocol in [Protocol::Cbor, Protocol::Json, Protocol::Query] {
        let (cloud, _) = cloud().await;
        watched_by_expressions(&cloud, &cloud.client().speaking(protocol)).await;
    }
}

async fn watched_by_expressions(cloud: &Cloud, client: &Client) {
    let metric = |name: &str| json!({"Metric": {"Namespace": "Shop", "MetricName": name}, "Period": 60, "Stat": "Sum"});
    let metrics = json!([
        {"Id": "part", "Expression": "returned / sold * 100", "Label": "returned"},
        {"Id": "returned", "MetricStat": metric("Returns"), "ReturnData": false},
        {"Id": "sold", "MetricStat": metric("Sales"), "ReturnData": false}]);
    let math = json!({"AlarmName": "math", "EvaluationPeriods": 1, "Threshold": 10, "ComparisonOperator": "GreaterThanOrEqualToThreshold", "Metrics": metrics});
    client.call("cloudwatch", "PutMetricAlarm", math).await.ok();
    let none = Json::Null;
    make(client, json!({"AlarmName": "p90", "Statistic": none, "ExtendedStatistic": "p90", "EvaluateLowSampleCountPercentile": "ignore"})).await;
    make(client, json!({"AlarmName": "tm50", "Statistic": none, "ExtendedStatistic": "tm50", "ComparisonOperator": "LessThanOrEqualToThreshold"})).await;
    make(client, json!({"AlarmName": "fast", "Period": 10, "ComparisonOperator": "LessThanThreshold"})).await;
    let data = json!([
        {"MetricName": "Sales", "Values": [1, 50], "Counts": [1, 1], "StorageResolution": 1},
        {"MetricName": "Returns", "Value": 6}]);
    put(client, data).await.ok();
    pass(cloud, 10).await;
    assert_eq!(state(client, "fast").await, "OK");
    pass(cloud, 50).await;
    assert_eq!(state(client, "math").await, "ALARM");
    assert_eq!(shown(client, "math").await["Metrics"], metrics);
    assert_eq!(state(client, "p90").await, "INSUFFICIENT_DATA", "two values are too few for a percentile");
    assert_eq!(state(client, "tm50").await, "ALARM");
    assert_eq!(state(client, "fast").await, "INSUFFICIENT_DATA");
    put(client, json!([{"MetricName": "Sales", "Values": [50], "Counts": [100]}])).await.ok();
    pass(cloud, 60).await;
    assert_eq!(state(client, "p90").await, "ALARM");
    let metric = json!({"Namespace": "Shop", "MetricName": "Sales"});
    let found = async |more: Json| {
        let mut input = metric.clone();
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let found = client.call("cloudwatch", "DescribeAlarmsForMetric", input).await.ok();
        let names =
            found["MetricAlarms"].as_array().unwrap().iter().map(|a| a["AlarmName"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found(json!({})).await, "fast p90 tm50");
    assert_eq!(found(json!({"Statistic": "Sum"})).await, "fast");
    assert_eq!(found(json!({"ExtendedStatistic": "p90"})).await, "p90");
    assert_eq!(found(json!({"Period": 60})).await, "p90 tm50");
    assert_eq!(found(json!({"Unit": "Count"})).await, "");
    assert_eq!(found(json!({"Dimensions": [{"Name": "a", "Value": "b"}]})).await, "");
}

#[tokio::test]
async fn an_alarm_that_cannot_be_evaluated_keeps_no_other_waiting() {
    let (cloud, _) = cloud().await;
    let client = cloud.client();
    let metrics = json!([{"Id": "e1", "Expression": "INSIGHT_RULE_METRIC('gone', 'Sum')", "Period": 60}]);
    let broken = json!({"AlarmName": "a1", "EvaluationPeriods": 1, "Threshold": 10, "ComparisonOperator": "GreaterThanThreshold", "Metrics": metrics,
        "TreatMissingData": "breaching"});
    client.call("cloudwatch", "PutMetricAlarm", broken).await.ok();
    make(&client, json!({"AlarmName": "b"})).await;
    sell(&client, 20.0).await;
    pass(&cloud, 60).await;
    assert_eq!((state(&client, "a1").await, state(&client, "b").await), ("ALARM".to_owned(), "ALARM".to_owned()));
}

#[tokio::test]
async fn a_state_that_is_set_lasts_until_the_next_evaluation() {
    let (cloud, invoked) = cloud().await;
    let client = cloud.client();
    make(&client, json!({"AlarmActions": [FUNCTION], "TreatMissingData": "notBreaching"})).await;
    let set =
        json!({"AlarmName": "a", "StateValue": "ALARM", "StateReason": "a test", "StateReasonData": "{\"x\": 1}"});
    client.call("cloudwatch", "SetAlarmState", set.clone()).await.ok();
    let found = shown(&client, "a").await;
    assert_eq!((&found["StateReason"], &found["StateReasonData"]), (&json!("a test"), &json!("{\"x\": 1}")));
    pass(&cloud, 60).await;
    assert_eq!((state(&client, "a").await.as_str(), invoked.lock().unwrap().len()), ("OK", 1));
    // Nothing is done while actions are disabled.
    client.call("cloudwatch", "DisableAlarmActions", json!({"AlarmNames": ["a", "gone"]})).await.ok();
    assert_eq!(shown(&client, "a").await["ActionsEnabled"], false);
    client.call("cloudwatch", "SetAlarmState", set.clone()).await.ok();
    pass(&cloud, 60).await;
    assert_eq!(invoked.lock().unwrap().len(), 1);
    client.call("cloudwatch", "EnableAlarmActions", json!({"AlarmNames": ["a"]})).await.ok();
    client.call("cloudwatch", "SetAlarmState", set.clone()).await.ok();
    pass(&cloud, 1).await;
    assert_eq!(invoked.lock().unwrap().len(), 2);
    let mut gone = set.clone();
    gone["AlarmName"] = json!("gone");
    let answer = client.call("cloudwatch", "SetAlarmState", gone).await;
    assert_eq!((crate::code(&answer), answer.status), ("ResourceNotFound", 404));
    let mut wrong = set.clone();
    wrong["StateReasonData"] = json!("{");
    assert_eq!(crate::code(&client.call("cloudwatch", "SetAlarmState", wrong).await), "InvalidFormat");
    let mut wrong = set;
    wrong["StateValue"] = json!("FINE");
    let answer = client.speaking(Protocol::Json).call("cloudwatch", "SetAlarmState", wrong).await;
    assert_eq!(answer.status, 400);
}

async fn compose(client: &Client, name: &str, rule: &str, more: Json) {
    let mut input = json!({"AlarmName": name, "AlarmRule": rule});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call("cloudwatch", "PutCompositeAlarm", input).await.ok();
}

async fn set(client: &Client, name: &str, value: &str) {
    let input = json!({"AlarmName": name, "StateValue": value, "StateReason": "a test"});
    client.call("cloudwatch", "SetAlarmState", input).await.ok();
}

#[tokio::test]
async fn alarms_are_found_by_what_they_are() {
    let (cloud, _) = cloud().await;
    for protocol in [Protocol::Cbor, Protocol::Json, Protocol::Query] {
        let client = cloud.client().speaking(protocol);
        make(&client, json!({"AlarmName": "shop-1", "AlarmActions": [TOPIC]})).await;
        make(&client, json!({"AlarmName": "shop-2"})).await;
        make(&client, json!({"AlarmName": "till"})).await;
        set(&client, "till", "OK").await;
        let find = async |input: Json| {
            let found = client.call("cloudwatch", "DescribeAlarms", input).await.ok();
            let names =
                found["MetricAlarms"].as_array().unwrap().iter().map(|a| a["AlarmName"].as_str().unwrap().to_owned());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(find(json!({})).await, "shop-1 shop-2 till");
        assert_eq!(find(json!({"AlarmNamePrefix": "shop"})).await, "shop-1 shop-2");
        assert_eq!(find(json!({"AlarmNames": ["till", "gone"]})).await, "till");
        assert_eq!(find(json!({"StateValue": "OK"})).await, "till");
        assert_eq!(find(json!({"ActionPrefix": "arn:aws:sns"})).await, "shop-1");
        assert_eq!(find(json!({"AlarmTypes": ["CompositeAlarm"]})).await, "");
        let first = client.call("cloudwatch", "DescribeAlarms", json!({"MaxRecords": 2})).await.ok();
        assert_eq!(find(json!({"MaxRecords": 2, "NextToken": first["NextToken"]})).await, "till");
        let forged = client.call("cloudwatch", "DescribeAlarms", json!({"NextToken": "x"})).await;
        assert_eq!(crate::code(&forged), "InvalidNextToken");
        for wrong in [
            json!({"AlarmNames": ["a"], "AlarmNamePrefix": "a"}),
            json!({"ChildrenOfAlarmName": "a", "ParentsOfAlarmName": "a"}),
            json!({"ParentsOfAlarmName": "a", "StateValue": "OK"}),
        ] {
            assert_eq!(crate::code(&client.call("cloudwatch", "DescribeAlarms", wrong).await), "ValidationError");
        }
    }
}

#[tokio::test]
async fn alarms_that_cannot_be_are_refused() {
    let (cloud, _) = cloud().await;
    let client = cloud.client();
    let none = Json::Null;
    let stat = json!({"Metric": {"Namespace": "Shop", "MetricName": "Sales"}, "Period": 60, "Stat": "Sum"});
    let math = |queries: Json| json!({"MetricName": null, "Namespace": null, "Period": null, "Statistic": null, "Metrics": queries});
    for wrong in [
        json!({"Period": 45}),
        json!({"Period": none}),
        json!({"Namespace": none}),
        json!({"MetricName": none}),
        json!({"Statistic": none}),
        json!({"Threshold": none}),
        json!({"ComparisonOperator": none}),
        json!({"EvaluationPeriods": none}),
        json!({"ExtendedStatistic": "p90"}),
        json!({"Statistic": none, "ExtendedStatistic": "q90"}),
        json!({"DatapointsToAlarm": 2}),
        json!({"TreatMissingData": "badly"}),
        json!({"EvaluateLowSampleCountPercentile": "ignore"}),
        json!({"Statistic": none, "ExtendedStatistic": "p90", "EvaluateLowSampleCountPercentile": "sometimes"}),
        json!({"EvaluationPeriods": 1441}),
        json!({"Period": 3600, "EvaluationPeriods": 169}),
        json!({"AlarmActions": ["abc"]}),
        json!({"AlarmActions": ["arn:aws:sns:eu-west-1:000000000000:t"]}),
        json!({"OKActions": [TOPIC, TOPIC]}),
        json!({"Tags": [{"Key": "aws:x", "Value": "y"}]}),
        json!({"Tags": [{"Key": "x", "Value": "y"}, {"Key": "x", "Value": "z"}]}),
        json!({"Metrics": [{"Id": "m1", "MetricStat": stat}]}),
        math(json!([{"Id": "m1", "MetricStat": stat}, {"Id": "m2", "MetricStat": stat}])),
        math(json!([{"Id": "e1", "Expression": "m9 + 1"}])),
        math(json!([{"Id": "e1", "Expression": "m1 +"}, {"Id": "m1", "MetricStat": stat, "ReturnData": false}])),
        math(json!([{"Id": "e1", "Expression": "SUM(SEARCH('a', 'Sum'))"}])),
    ] {
        let answer = client.call("cloudwatch", "PutMetricAlarm", alarm(&wrong)).await;
        assert_eq!((answer.status, crate::code(&answer)), (400, "ValidationError"), "{wrong}");
    }
    for not_built in [
        json!({"AlarmActions": ["arn:aws:automate:us-east-1:ec2:stop"]}),
        json!({"AlarmActions": ["arn:aws:ssm:us-east-1:000000000000:opsitem:1"]}),
        json!({"AlarmActions": ["arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:1:autoScalingGroupName/g:policyName/p"]}),
        json!({"ComparisonOperator": "GreaterThanUpperThreshold", "ThresholdMetricId": "ad1"}),
        json!({"ComparisonOperator": "GreaterThanUpperThreshold"}),
    ] {
        let answer = client.call("cloudwatch", "PutMetricAlarm", alarm(&not_built)).await;
        assert_eq!(answer.status, 501, "{not_built}");
    }
    make(&client, json!({})).await;
    for wrong in [
        json!({"AlarmName": "c", "AlarmRule": "ALARM(gone) OR OK(lost)"}),
        json!({"AlarmName": "c", "AlarmRule": "ALARM(a"}),
        json!({"AlarmName": "c", "AlarmRule": "ALARM(c)"}),
        json!({"AlarmName": "a", "AlarmRule": "TRUE"}),
        json!({"AlarmName": "c", "AlarmRule": "TRUE", "ActionsSuppressor": "a"}),
        json!({"AlarmName": "c", "AlarmRule": "TRUE", "ActionsSuppressorWaitPeriod": 1}),
        json!({"AlarmName": "c", "AlarmRule": "TRUE", "ActionsSuppressor": "gone", "ActionsSuppressorWaitPeriod": 1, "ActionsSuppressorExtensionPeriod": 1}),
        json!({"AlarmName": "c", "AlarmRule": "TRUE", "ActionsSuppressor": "a", "ActionsSuppressorWaitPeriod": -1, "ActionsSuppressorExtensionPeriod": 1}),
        json!({"AlarmName": "c", "AlarmRule": "TRUE", "AlarmActions": ["abc"]}),
    ] {
        let answer = client.call("cloudwatch", "PutCompositeAlarm", wrong.clone()).await;
        assert_eq!((answer.status, crate::code(&answer)), (400, "ValidationError"), "{wrong}");
    }
    let json = client.clone().speaking(Protocol::Json);
    let answer = json
        .call("cloudwatch", "PutCompositeAlarm", json!({"AlarmName": "c", "AlarmRule": "ALARM(gone) OR OK(lost)"}))
        .await;
    assert_eq!(
        answer.json["message"],
        "Could not save the composite alarm as alarms [gone, lost] in the alarm rule do not exist"
    );
}

#[tokio::test]
async fn an_action_that_fails_is_in_the_history() {
    let (cloud, _) = cloud().await;
    let client = cloud.client();
    make(&client, json!({"AlarmActions": [TOPIC], "TreatMissingData": "breaching"})).await;
    pass(&cloud, 61).await;
    let acted = history(&client, json!({"HistoryItemType": "Action"})).await;
    let summary = acted[0]["HistorySummary"].as_str().unwrap();
    assert!(summary.starts_with(&format!("Failed to execute action {TOPIC}. Received error:")), "{summary}");
    // A policy that leaves CloudWatch out is obeyed.
    client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sns:Publish", "Resource": TOPIC}]});
    let input = json!({"TopicArn": TOPIC, "AttributeName": "Policy", "AttributeValue": policy.to_string()});
    client.call("sns", "SetTopicAttributes", input).await.ok();
    set(&client, "a", "OK").await;
    pass(&cloud, 61).await;
    let acted = history(&client, json!({"HistoryItemType": "Action"})).await;
    assert!(acted[1]["HistoryData"].as_str().unwrap().contains("AuthorizationError"), "{acted:?}");
}

#[tokio::test]
async fn an_update_keeps_the_state_and_the_tags() {
    let (cloud, _) = cloud().await;
    let client = cloud.client();
    make(&client, json!({"Tags": [{"Key": "team", "Value": "shop"}]})).await;
    set(&client, "a", "OK").await;
    make(&client, json!({"Threshold": 11.0, "Tags": [{"Key": "team", "Value": "till"}], "ActionsEnabled": false}))
        .await;
    let found = shown(&client, "a").await;
    assert_eq!(
        (&found["StateValue"], &found["Threshold"], &found["ActionsEnabled"]),
        (&json!("OK"), &json!(11.0), &json!(false))
    );
    let arn = found["AlarmArn"].as_str().unwrap();
    let tags = async || {
        client.call("cloudwatch", "ListTagsForResource", json!({"ResourceARN": arn})).await.ok()["Tags"].clone()
    };
    assert_eq!(tags().await, json!([{"Key": "team", "Value": "shop"}]));
    let more = json!({"ResourceARN": arn, "Tags": [{"Key": "team", "Value": "x"}, {"Key": "b", "Value": ""}]});
    client.call("cloudwatch", "TagResource", more).await.ok();
    client.call("cloudwatch", "UntagResource", json!({"ResourceARN": arn, "TagKeys": ["b", "c"]})).await.ok();
    assert_eq!(tags().await, json!([{"Key": "team", "Value": "x"}]));
    for operation in ["ListTagsForResource", "TagResource", "UntagResource"] {
        let call = async |arn: &str| {
            let mut input = json!({"ResourceARN": arn});
            match operation {
                "TagResource" => input["Tags"] = json!([{"Key": "a", "Value": "b"}]),
                "UntagResource" => input["TagKeys"] = json!(["a"]),
                _ => {}
            }
            crate::code(&client.call("cloudwatch", operation, input).await).to_owned()
        };
        assert_eq!(call("arn:aws:cloudwatch:us-east-1:000000000000:alarm:gone").await, "ResourceNotFoundException");
        assert_eq!(call("arn:aws:s3:::b").await, "InvalidParameterValue");
    }
}

#[tokio::test]
async fn a_region_has_five_thousand_alarms_at_most() {
    let (cloud, _) = cloud().await;
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    for n in 0..5000 {
        cx.call("cloudwatch", "PutMetricAlarm", alarm(&json!({"AlarmName": format!("a{n}")}))).await.unwrap();
    }
    let client = cloud.client();
    assert_eq!(crate::code(&client.call("cloudwatch", "PutMetricAlarm", alarm(&json!({}))).await), "LimitExceeded");
    let composite = json!({"AlarmName": "c", "AlarmRule": "TRUE"});
    assert_eq!(crate::code(&client.call("cloudwatch", "PutCompositeAlarm", composite).await), "LimitExceeded");
    client.call("cloudwatch", "DeleteAlarms", json!({"AlarmNames": ["a7"]})).await.ok();
    make(&client, json!({})).await;
}

#[tokio::test]
async fn broken_constraints_are_told_in_the_words_of_each_operation() {
    let (cloud, _) = cloud().await;
    let client = cloud.client().speaking(Protocol::Json);
    let set = json!({"AlarmName": "a", "StateValue": "INVALID", "StateReason": "r"});
    let answer = client.call("cloudwatch", "SetAlarmState", set).await;
    assert_eq!(crate::code(&answer), "ValidationError");
    assert!(
        answer.json["message"]
            .as_str()
            .unwrap()
            .contains("Value 'INVALID' at 'stateValue' failed to satisfy constraint"),
        "{}",
        answer.json
    );
    let report = json!({"RuleName": "r", "StartTime": 0, "EndTime": 60});
    let answer = client.call("cloudwatch", "GetInsightRuleReport", report).await;
    assert_eq!(
        (crate::code(&answer), &answer.json["message"]),
        ("MissingParameter", &json!("The parameter Period is required."))
    );
}

#[tokio::test]
async fn alarms_without_data_sleep_until_there_is_some() {
    let (cloud, _) = cloud().await;
    let client = cloud.client();
    make(&client, json!({})).await;
    // Ten years: more minutes than could be come to here, one by one.
    let began = std::time::Instant::now();
    pass(&cloud, 10 * 365 * 86_400).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    sell(&client, 20.0).await;
    pass(&cloud, 60).await;
    assert_eq!(state(&client, "a").await, "ALARM");
    pass(&cloud, 3600).await;
    assert_eq!(state(&client, "a").await, "INSUFFICIENT_DATA");
    // What services observe wakes them, too.
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    cx.observe(&undercast_kernel::Metric { namespace: "Shop", name: "Sales", dimensions: &[], unit: "None" }, 30.0);
    pass(&cloud, 60).await;
    assert_eq!(state(&client, "a").await, "ALARM");
    pass(&cloud, 3600).await;
    // And what is put for later is not slept through.
    let later = cloud.kernel.clock().now().as_second() + 5000;
    put(&client, json!([{"MetricName": "Sales", "Value": 40, "Timestamp": later}])).await.ok();
    pass(&cloud, 4800).await;
    assert_eq!(state(&client, "a").await, "INSUFFICIENT_DATA");
    pass(&cloud, 300).await;
    assert_eq!(state(&client, "a").await, "ALARM");
    pass(&cloud, 3600).await;
    set(&client, "a", "OK").await;
    pass(&cloud, 60).await;
    assert_eq!(state(&client, "a").await, "INSUFFICIENT_DATA", "a state that was set does not stay");
}

#[tokio::test]
async fn missing_points_of_dynamodb_are_ignored_whatever_is_said() {
    let (cloud, _) = cloud().await;
    let client = cloud.client();
    make(&client, json!({"Namespace": "AWS/DynamoDB", "MetricName": "UserErrors", "TreatMissingData": "breaching"}))
        .await;
    pass(&cloud, 600).await;
    assert_eq!(state(&client, "a").await, "INSUFFICIENT_DATA");
    set(&client, "a", "OK").await;
    pass(&cloud, 600).await;
    assert_eq!(state(&client, "a").await, "OK");
}

#[tokio::test]
async fn who_may_not_is_refused() {
    use undercast_testkit::Credentials;
    let cloud = Cloud::start(vec![Arc::new(CloudWatch), Arc::new(undercast_iam::Iam)]).await;
    let root = cloud.client();
    root.call("iam", "CreateUser", json!({"UserName": "u"})).await.ok();
    let key = root.call("iam", "CreateAccessKey", json!({"UserName": "u"})).await.ok()["AccessKey"].clone();
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    let user = cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")));
    let allow = async |action: &str, resource: &str| {
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]});
        let input = json!({"UserName": "u", "PolicyName": "p", "PolicyDocument": policy.to_string()});
        root.call("iam", "PutUserPolicy", input).await.ok();
    };
    let put = async |name: &str, tags: Json| {
        user.call("cloudwatch", "PutMetricAlarm", alarm(&json!({"AlarmName": name, "Tags": tags}))).await.status
    };
    let own = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:own-*";
    allow("cloudwatch:PutMetricAlarm", own).await;
    assert_eq!((put("own-a", Json::Null).await, put("other", Json::Null).await), (200, 403));
    assert_eq!(put("own-b", json!([{"Key": "a", "Value": "b"}])).await, 403, "tags are another permission");
    allow("cloudwatch:*", own).await;
    assert_eq!(put("own-b", json!([{"Key": "a", "Value": "b"}])).await, 200);
    let composite = json!({"AlarmName": "own-c", "AlarmRule": "TRUE"});
    assert_eq!(
        user.call("cloudwatch", "PutCompositeAlarm", composite.clone()).await.status,
        403,
        "it is to be everything"
    );
    allow("cloudwatch:*", "*").await;
    user.call("cloudwatch", "PutCompositeAlarm", composite).await.ok();
}

#[test]
fn alarms_outlive_the_cloud() {
    let folder = undercast_testkit::Folder::new();
    let services = || -> Vec<Arc<dyn Service>> {
        vec![Arc::new(CloudWatch), Arc::new(Functions::default()), Arc::new(Sns), Arc::new(Sqs)]
    };
    let alone =
        |work: std::pin::Pin<Box<dyn Future<Output = ()> + '_>>| tokio::runtime::Runtime::new().unwrap().block_on(work);
    alone(Box::pin(async {
        let cloud = Cloud::in_folder(services(), &folder).await;
        cloud.kernel.clock().freeze();
        cloud.kernel.clock().set(noon(0));
        cloud.kernel.keep_clock().await.unwrap();
        make(&cloud.client(), json!({})).await;
        compose(&cloud.client(), "c", "ALARM(a)", json!({})).await;
        sell(&cloud.client(), 20.0).await;
    }));
    alone(Box::pin(async {
        let cloud = Cloud::in_folder(services(), &folder).await;
        assert_eq!(state(&cloud.client(), "a").await, "INSUFFICIENT_DATA");
        pass(&cloud, 60).await;
        assert_eq!(
            (state(&cloud.client(), "a").await, state(&cloud.client(), "c").await),
            ("ALARM".to_owned(), "ALARM".to_owned())
        );
    }));
}
