//! Targets that fail: attempts, their ends, the dead-letter queue, metrics.

use serde_json::json;

use super::*;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

async fn failing(refusals: Vec<(&'static str, u16)>) -> (Cloud, Client, String, Functions) {
    let functions = Functions::default();
    *functions.refusals.lock().unwrap() = refusals;
    let (cloud, client, url) = at_with("2026-03-01T12:00:00Z", functions.clone()).await;
    (cloud, client, url, functions)
}

fn to_function(retries: &Json) -> Json {
    json!({"Target": {"Arn": FUNCTION, "Input": r#"{"n": <aws.scheduler.attempt-number>}"#, "RetryPolicy": retries, "DeadLetterConfig": {"Arn": QUEUE}}})
}

#[tokio::test]
async fn what_fails_is_attempted_again_after_longer_and_longer_pauses() {
    let (cloud, client, url, functions) =
        failing(vec![("ServiceException", 500), ("TooManyRequestsException", 429)]).await;
    create(&client, "at(2026-03-01T12:01:00)", to_function(&json!({}))).await;
    pass(&cloud, 60).await;
    assert_eq!(functions.refusals.lock().unwrap().len(), 1);
    pass(&cloud, 1).await;
    assert!(functions.taken.lock().unwrap().is_empty());
    pass(&cloud, 2).await;
    assert_eq!(functions.taken.lock().unwrap()[0]["event"], json!({"n": 3}));
    assert!(messages(&client, &url).await.is_empty());
    let count = async |name: &str| counted(&cloud, &client, "default", name).await;
    assert_eq!(count("InvocationAttemptCount").await, 3.0);
    assert_eq!((count("TargetErrorCount").await, count("TargetErrorThrottledCount").await), (2.0, 1.0));
    assert_eq!(count("InvocationDroppedCount").await, 0.0);
}

#[tokio::test]
async fn what_is_given_up_goes_to_the_dead_letter_queue() {
    let (cloud, client, url, functions) = failing(vec![("ServiceException", 500); 9]).await;
    create(&client, "at(2026-03-01T12:01:00)", to_function(&json!({"MaximumRetryAttempts": 2}))).await;
    pass(&cloud, 3600).await;
    assert_eq!(functions.refusals.lock().unwrap().len(), 6);
    let told = messages(&client, &url).await;
    assert_eq!((told.len(), told[0]["Body"].as_str().unwrap()), (1, r#"{"n": 3}"#));
    let says = |name: &str| told[0]["MessageAttributes"][name]["StringValue"].as_str().unwrap();
    assert_eq!((says("ERROR_CODE"), says("ERROR_MESSAGE")), ("ServiceException", "Not now."));
    assert_eq!((says("EXHAUSTED_RETRY_CONDITION"), says("RETRY_ATTEMPTS")), ("MaximumRetryAttempts", "2"));
    assert_eq!((says("SCHEDULED_TIME"), says("TARGET_ARN")), ("2026-03-01T12:01:00Z", FUNCTION));
    assert_eq!(says("SCHEDULE_ARN"), "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s");
    assert_eq!((says("EXECUTION_ID").len(), says("IS_PAYLOAD_TRUNCATED")), (16, "false"));
    let count = async |name: &str| counted(&cloud, &client, "default", name).await;
    assert_eq!((count("InvocationDroppedCount").await, count("InvocationsSentToDeadLetterCount").await), (1.0, 1.0));
}

#[tokio::test]
async fn what_is_too_old_is_given_up() {
    let (cloud, client, url, functions) = failing(vec![("ServiceException", 500); 99]).await;
    create(&client, "at(2026-03-01T12:01:00)", to_function(&json!({"MaximumEventAgeInSeconds": 60}))).await;
    pass(&cloud, 3600).await;
    // At 0, 1, 3, 7, 15 and 31 seconds; the next would be at 63.
    assert_eq!(functions.refusals.lock().unwrap().len(), 93);
    let told = messages(&client, &url).await;
    assert_eq!(told[0]["MessageAttributes"]["EXHAUSTED_RETRY_CONDITION"]["StringValue"], "MaximumEventAgeInSeconds");
}

#[tokio::test]
async fn a_day_has_as_many_attempts_as_the_guide_says() {
    let (cloud, client, url, functions) = failing(vec![("ServiceException", 500); 400]).await;
    create(&client, "at(2026-03-01T12:01:00)", to_function(&json!({}))).await;
    pass(&cloud, 2 * 86_400).await;
    let attempts = 400 - functions.refusals.lock().unwrap().len();
    assert!((180..=186).contains(&attempts), "{attempts}");
    assert_eq!(messages(&client, &url).await.len(), 1);
}

#[tokio::test]
async fn a_dead_letter_queue_that_takes_nothing_is_counted_and_one_for_small_messages_gets_a_part() {
    let (cloud, client, url, _) = failing(vec![("ServiceException", 500); 9]).await;
    let mut target = to_function(&json!({"MaximumRetryAttempts": 0}));
    target["Target"]["DeadLetterConfig"]["Arn"] = json!(format!("{QUEUE}-gone"));
    create(&client, "at(2026-03-01T12:01:00)", target.clone()).await;
    pass(&cloud, 120).await;
    let count = async |name: &str| counted(&cloud, &client, "default", name).await;
    let name = "InvocationsFailedToBeSentToDeadLetterCount";
    assert_eq!(count(name).await, 1.0);
    assert_eq!(count(&format!("{name}_AWS.SimpleQueueService.NonExistentQueue")).await, 1.0);
    let small = json!({"QueueUrl": url, "Attributes": {"MaximumMessageSize": "2048"}});
    client.call("sqs", "SetQueueAttributes", small).await.ok();
    target["Target"]["DeadLetterConfig"]["Arn"] = json!(QUEUE);
    target["Target"]["Input"] = json!(json!({"long": "ä".repeat(4000)}).to_string());
    target["Name"] = json!("t");
    create(&client, "at(2026-03-01T13:00:00)", target).await;
    pass(&cloud, 3600).await;
    let told = messages(&client, &url).await;
    assert_eq!(told[0]["MessageAttributes"]["IS_PAYLOAD_TRUNCATED"]["StringValue"], "true");
    assert!(told[0]["Body"].as_str().unwrap().starts_with(r#"{"long":"ää"#));
    assert_eq!(count("InvocationsSentToDeadLetterCount_Truncated_MessageSizeExceeded").await, 1.0);
}

#[tokio::test]
async fn a_schedule_that_deletes_itself_goes_after_its_last_invocation() {
    let (cloud, client, url, functions) = failing(vec![("ServiceException", 500)]).await;
    let deletes = json!({"ActionAfterCompletion": "DELETE"});
    create(&client, "at(2026-03-01T12:01:00)", merged(to_function(&json!({})), &deletes)).await;
    let listed = async || ok(&client, "ListSchedules", json!({})).await["Schedules"].as_array().unwrap().len();
    pass(&cloud, 60).await;
    assert_eq!((listed().await, functions.taken.lock().unwrap().len()), (1, 0));
    pass(&cloud, 1).await;
    assert_eq!((listed().await, functions.taken.lock().unwrap().len()), (0, 1));
    let ends = json!({"ActionAfterCompletion": "DELETE", "EndDate": "2026-03-01T14:30:00Z"});
    create(&client, "rate(1 hour)", ends).await;
    assert_eq!(ok(&client, "GetSchedule", json!({"Name": "s"})).await["ActionAfterCompletion"], "DELETE");
    pass(&cloud, 2 * 3600).await;
    assert_eq!((listed().await, bodies(&client, &url).await.len()), (0, 3));
    create(&client, "at(2026-03-01T15:00:00)", json!({})).await;
    ok(&client, "UpdateSchedule", schedule("at(2026-03-01T15:00:00)", &deletes)).await;
    pass(&cloud, 3600).await;
    assert_eq!((listed().await, bodies(&client, &url).await.len()), (0, 1));
    // One that is switched off is not done.
    create(&client, "at(2026-03-01T16:00:00)", merged(deletes, &json!({"State": "DISABLED"}))).await;
    pass(&cloud, 86_400).await;
    assert_eq!(listed().await, 1);
}
