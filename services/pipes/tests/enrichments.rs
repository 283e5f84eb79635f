//! Enrichments: what goes on is what the function answers.

use serde_json::json;

use super::*;

#[tokio::test]
async fn what_a_function_answers_goes_on() {
    let setup = setup().await;
    setup.functions.work(|events| {
        let each = events.as_array().unwrap().iter();
        Ok(each.flat_map(|event| [json!({"twice": event["n"]}), json!({"twice": event["n"]})]).collect())
    });
    let more = json!({"Enrichment": FUNCTION, "EnrichmentParameters": {"InputTemplate": r#"{"n": <$.body.n>}"#},
        "TargetParameters": {"InputTemplate": "<$.twice>"}, "SourceParameters": {"SqsQueueParameters": {"BatchSize": 2}}});
    setup.running(more).await;
    setup.send(r#"{"n": 1}"#).await;
    setup.send(r#"{"n": 2}"#).await;
    assert_eq!(setup.come(4).await, ["1", "1", "2", "2"]);
    setup.emptied(&setup.from).await;
    let taken = setup.functions.taken();
    assert_eq!(taken[0].0, "RequestResponse");
    assert_eq!(taken.iter().map(|(_, events)| events.as_array().unwrap().len()).sum::<usize>(), 2);
    assert!(setup.counted("EnrichmentStageDuration").await > 0.0);
}

#[tokio::test]
async fn an_answer_without_events_ends_it_and_one_event_is_one() {
    let setup = setup().await;
    let answers = [json!([]), json!({}), json!(""), Json::Null, json!({"one": 1})];
    let mut next = answers.into_iter();
    setup.functions.work(move |_| Ok(next.next().unwrap_or_else(|| json!([]))));
    let more = json!({"Enrichment": FUNCTION, "SourceParameters": {"SqsQueueParameters": {"BatchSize": 1}}});
    setup.running(more).await;
    for n in 0..5 {
        setup.send(&n.to_string()).await;
    }
    assert_eq!(setup.come(1).await, [r#"{"one":1}"#]);
    setup.emptied(&setup.from).await;
    setup.nothing_comes(&setup.to).await;
    assert_eq!(setup.counted("ExecutionFailed").await, 0.0);
}

#[tokio::test]
async fn a_function_that_fails_or_answers_too_much_ends_nothing() {
    let setup = setup().await;
    let mut calls = 0;
    setup.functions.work(move |events| {
        calls += 1;
        match calls {
            1 => Err(json!({"errorMessage": "no"})),
            // The target takes ten.
            2 => Ok((0..11).map(Json::from).collect()),
            _ => Ok(events.clone()),
        }
    });
    setup.running(json!({"Enrichment": FUNCTION, "TargetParameters": {"InputTemplate": "<$.body>"}})).await;
    setup.send("x").await;
    assert_eq!(setup.come(1).await, ["x"]);
    setup.emptied(&setup.from).await;
    assert_eq!((setup.counted("EnrichmentStageFailed").await, setup.counted("ExecutionFailed").await), (1.0, 2.0));
    setup.nothing_comes(&setup.to).await;
}

#[tokio::test]
async fn what_of_enriched_events_is_not_taken_is_found_by_its_id() {
    let setup = setup().await;
    setup.functions.work(|events| {
        let mut events = events.as_array().unwrap().clone();
        events.reverse();
        Ok(Json::Array(events))
    });
    let small = json!({"QueueUrl": setup.to, "Attributes": {"MaximumMessageSize": "1024"}});
    setup.client.call("sqs", "SetQueueAttributes", small).await.ok();
    for text in ["a", &"x".repeat(2000), "b"] {
        setup.send(text).await;
    }
    setup.running(json!({"Enrichment": FUNCTION, "TargetParameters": {"InputTemplate": "<$.body>"}})).await;
    assert_eq!(setup.come(2).await, ["a", "b"]);
    eventually("it fails", async || setup.counted("ExecutionFailed").await >= 1.0).await;
    assert_eq!(count(&setup.client, &setup.from).await, 1);
    setup.nothing_comes(&setup.to).await;
}
