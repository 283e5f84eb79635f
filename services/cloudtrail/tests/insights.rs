//! Insights: what is called, or fails, unusually often.

use super::*;

const BOTH: &str = r#"[{"InsightType": "ApiCallRateInsight"}, {"InsightType": "ApiErrorRateInsight"}]"#;

async fn watched() -> (Cloud, Client) {
    let (cloud, client) = cloud().await;
    trail(&client, json!({})).await;
    let both: Json = serde_json::from_str(BOTH).unwrap();
    let put = ok(&client, "PutInsightSelectors", json!({"TrailName": "all", "InsightSelectors": both})).await;
    assert_eq!(put, ok(&client, "GetInsightSelectors", json!({"TrailName": TRAIL})).await);
    assert_eq!(ok(&client, "GetTrail", json!({"Name": "all"})).await["Trail"]["HasInsightSelectors"], true);
    (cloud, client)
}

async fn create(client: &Client, count: usize) {
    for at in 0..count {
        client.call("sqs", "CreateQueue", json!({"QueueName": format!("q{at}")})).await.ok();
    }
}

/// A day and more of one call in ten minutes.
async fn usual(cloud: &Cloud, client: &Client) {
    for _ in 0..(30 * 6) {
        create(client, 1).await;
        advance(cloud, 10).await;
    }
}

async fn found(client: &Client) -> Vec<Json> {
    let listed = ok(client, "LookupEvents", json!({"EventCategory": "insight"})).await;
    let events = listed["Events"].as_array().unwrap().iter();
    events.map(|e| serde_json::from_str(e["CloudTrailEvent"].as_str().unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn a_burst_of_calls_begins_an_insight_and_its_end_ends_it() {
    let (cloud, client) = watched().await;
    usual(&cloud, &client).await;
    assert_eq!(found(&client).await, Vec::<Json>::new());
    for _ in 0..6 {
        create(&client, 20).await;
        advance(&cloud, 1).await;
    }
    let begun = found(&client).await;
    assert_eq!(begun.len(), 1, "{begun:?}");
    let details = &begun[0]["insightDetails"];
    assert_eq!(
        (&details["state"], &details["insightType"], &details["eventName"]),
        (&json!("Start"), &json!("ApiCallRateInsight"), &json!("CreateQueue"))
    );
    let statistics = &details["insightContext"]["statistics"];
    let (usual, now) =
        (statistics["baseline"]["average"].as_f64().unwrap(), statistics["insight"]["average"].as_f64().unwrap());
    assert!((0.08..0.12).contains(&usual) && now >= 4.0, "{statistics}");
    advance(&cloud, 20).await;
    let all = found(&client).await;
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(
        (&all[0]["insightDetails"]["state"], &all[0]["sharedEventID"]),
        (&json!("End"), &begun[0]["sharedEventID"])
    );
    let users = all[0]["insightDetails"]["insightContext"]["attributions"][0]["insight"].clone();
    assert_eq!(users[0]["value"], "arn:aws:iam::000000000000:root");
    // They are delivered to the trail, and listed by it.
    let mut files = delivered_of(&client, "CloudTrail-Insight").await;
    files.sort_by_key(|event| event["insightDetails"]["state"] == "Start");
    assert_eq!(files, all);
    let input =
        json!({"InsightSource": TRAIL, "DataType": "InsightsEvents", "Dimensions": {"EventName": "CreateQueue"}});
    assert_eq!(ok(&client, "ListInsightsData", input).await["Events"].as_array().unwrap().len(), 2);
    let input =
        json!({"InsightSource": TRAIL, "DataType": "InsightsEvents", "Dimensions": {"EventName": "DeleteQueue"}});
    assert_eq!(ok(&client, "ListInsightsData", input).await["Events"], json!([]));
}

#[tokio::test]
async fn a_burst_of_errors_is_one_of_their_code() {
    let (cloud, client) = watched().await;
    usual(&cloud, &client).await;
    for _ in 0..6 {
        for _ in 0..10 {
            client.call("sqs", "GetQueueUrl", json!({"QueueName": "none"})).await;
        }
        advance(&cloud, 1).await;
    }
    let begun = found(&client).await;
    assert_eq!(begun.len(), 1, "{begun:?}");
    let details = &begun[0]["insightDetails"];
    assert_eq!(
        (&details["insightType"], &details["eventName"]),
        (&json!("ApiErrorRateInsight"), &json!("GetQueueUrl"))
    );
    assert_eq!(details["errorCode"], "AWS.SimpleQueueService.NonExistentQueue");
}

#[tokio::test]
async fn nothing_is_found_before_a_day_is_known() {
    let (cloud, client) = watched().await;
    for _ in 0..10 {
        create(&client, 20).await;
        advance(&cloud, 1).await;
    }
    assert_eq!(found(&client).await, Vec::<Json>::new());
}

#[tokio::test]
async fn counts_are_told_by_the_minute() {
    let (cloud, client) = watched().await;
    create(&client, 3).await;
    advance(&cloud, 5).await;
    create(&client, 2).await;
    let input = |more: Json| {
        let mut input = json!({"EventSource": "sqs.amazonaws.com", "EventName": "CreateQueue", "InsightType": "ApiCallRateInsight", "Period": 60});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let told =
        ok(&client, "ListInsightsMetricData", input(json!({"DataType": "NonZeroData", "TrailName": "all"}))).await;
    assert_eq!((&told["Values"], &told["TrailARN"]), (&json!([3.0, 2.0]), &json!(TRAIL)));
    let filled = ok(&client, "ListInsightsMetricData", input(json!({"DataType": "FillWithZeros"}))).await;
    let values: Vec<f64> = filled["Values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!((values.len() / 10, values.iter().sum::<f64>()), (144, 5.0));
    let errors = input(json!({"ErrorCode": "x"}));
    assert_eq!(refused(&client, "ListInsightsMetricData", errors).await.0, "InvalidParameterException");
    assert_eq!(
        refused(&client, "ListInsightsMetricData", input(json!({"Period": 61}))).await.0,
        "InvalidParameterException"
    );
}

#[tokio::test]
async fn what_is_not_watched_is_said_so() {
    let (_cloud, client) = cloud().await;
    trail(&client, json!({})).await;
    assert_eq!(
        refused(&client, "GetInsightSelectors", json!({"TrailName": "all"})).await.0,
        "InsightNotEnabledException"
    );
    let put = |all: &str| json!({"TrailName": "all", "InsightSelectors": serde_json::from_str::<Json>(all).unwrap()});
    for bad in [
        r"[{}]",
        r#"[{"InsightType": "ApiCallRateInsight"}, {"InsightType": "ApiCallRateInsight"}]"#,
        r#"[{"InsightType": "ApiCallRateInsight", "EventCategories": ["Data"]}]"#,
    ] {
        assert_eq!(
            refused(&client, "PutInsightSelectors", put(bad)).await.0,
            "InvalidInsightSelectorsException",
            "{bad}"
        );
    }
    ok(&client, "PutInsightSelectors", put(BOTH)).await;
    ok(&client, "PutInsightSelectors", put("[]")).await;
    assert_eq!(
        refused(&client, "GetInsightSelectors", json!({"TrailName": "all"})).await.0,
        "InsightNotEnabledException"
    );
    let input = json!({"InsightSource": TRAIL, "DataType": "InsightsEvents"});
    assert_eq!(refused(&client, "ListInsightsData", input).await.0, "InvalidParameterException");
}
