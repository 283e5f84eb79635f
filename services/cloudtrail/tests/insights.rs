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

#[tokio::test]
async fn a_store_has_the_insights_of_another() {
    let (cloud, client) = cloud().await;
    let source = lake::store(&client, json!({})).await;
    let insight = json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Insight"]}]}]);
    let to = lake::store(&client, json!({"Name": "insights", "AdvancedEventSelectors": insight})).await;
    let calls = json!([{"InsightType": "ApiCallRateInsight"}]);
    let put = ok(
        &client,
        "PutInsightSelectors",
        json!({"EventDataStore": source, "InsightsDestination": to, "InsightSelectors": calls}),
    )
    .await;
    assert_eq!(
        (&put["EventDataStoreArn"], &put["InsightsDestination"], &put["InsightSelectors"]),
        (&json!(source), &json!(to), &calls)
    );
    assert_eq!(ok(&client, "GetInsightSelectors", json!({"EventDataStore": source})).await, put);
    usual(&cloud, &client).await;
    for _ in 0..6 {
        create(&client, 20).await;
        advance(&cloud, 1).await;
    }
    advance(&cloud, 20).await;
    let sql = "SELECT insightSource, insightState, insightEventName, insightType, insightContext.insightAverage, element_at(insightContext.attributions, 1).insightValue AS who, sharedEventID FROM LAKE ORDER BY insightState";
    let found = lake::rows(&client, &to, sql).await;
    assert_eq!(found.as_array().unwrap().len(), 2, "{found}");
    for (row, state) in found.as_array().unwrap().iter().zip(["End", "Start"]) {
        assert_eq!((&row[0]["insightSource"], &row[1]["insightState"]), (&json!(source), &json!(state)));
        assert_eq!(
            (&row[2]["insightEventName"], &row[3]["insightType"]),
            (&json!("CreateQueue"), &json!("ApiCallRateInsight"))
        );
        assert!(row[4]["insightAverage"].as_str().unwrap().parse::<f64>().unwrap() > 1.0, "{row}");
        assert_eq!(row[5]["who"], "arn:aws:iam::000000000000:root");
    }
    assert_eq!(found[0][6], found[1][6]);
    // A store whose insights are looked for keeps management events.
    let data = json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]}]);
    let update = json!({"EventDataStore": source, "AdvancedEventSelectors": data});
    assert_eq!(refused(&client, "UpdateEventDataStore", update).await.0, "InvalidInsightSelectorsException");
    ok(&client, "PutInsightSelectors", json!({"EventDataStore": source, "InsightSelectors": []})).await;
    assert_eq!(
        refused(&client, "GetInsightSelectors", json!({"EventDataStore": source})).await.0,
        "InsightNotEnabledException"
    );
}

#[tokio::test]
async fn what_are_no_insights_of_a_store() {
    let (_cloud, client) = cloud().await;
    let source = lake::store(&client, json!({})).await;
    let insight = json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Insight"]}]}]);
    let to = lake::store(&client, json!({"Name": "insights", "AdvancedEventSelectors": insight})).await;
    let calls = json!([{"InsightType": "ApiCallRateInsight"}]);
    let data = json!([{"InsightType": "ApiCallRateInsight", "EventCategories": ["Data"]}]);
    for (input, wanted) in [
        (json!({"InsightSelectors": calls}), "InvalidParameterException"),
        (
            json!({"TrailName": "all", "EventDataStore": source, "InsightSelectors": calls}),
            "InvalidParameterCombinationException",
        ),
        (
            json!({"TrailName": "all", "InsightsDestination": to, "InsightSelectors": calls}),
            "InvalidParameterCombinationException",
        ),
        (json!({"EventDataStore": source, "InsightSelectors": calls}), "InvalidParameterException"),
        (
            json!({"EventDataStore": source, "InsightsDestination": source, "InsightSelectors": calls}),
            "InvalidParameterException",
        ),
        (
            json!({"EventDataStore": "none", "InsightsDestination": to, "InsightSelectors": calls}),
            "InvalidParameterException",
        ),
        (
            json!({"EventDataStore": to, "InsightsDestination": to, "InsightSelectors": calls}),
            "InvalidInsightSelectorsException",
        ),
        (
            json!({"EventDataStore": source, "InsightsDestination": to, "InsightSelectors": data}),
            "InvalidInsightSelectorsException",
        ),
    ] {
        assert_eq!(refused(&client, "PutInsightSelectors", input.clone()).await.0, wanted, "{input}");
    }
    for (input, wanted) in [
        (json!({}), "InvalidParameterException"),
        (json!({"TrailName": "all", "EventDataStore": source}), "InvalidParameterCombinationException"),
        (json!({"EventDataStore": "none"}), "InvalidParameterException"),
        (json!({"EventDataStore": source}), "InsightNotEnabledException"),
    ] {
        assert_eq!(refused(&client, "GetInsightSelectors", input.clone()).await.0, wanted, "{input}");
    }
}
