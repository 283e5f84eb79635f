//! Histories: every event, with all that it says.

use super::*;

#[tokio::test]
async fn a_history_has_every_step() {
    let (_cloud, client) = noon().await;
    let definition = json!({"StartAt": "One", "States": {
        "One": {"Type": "Pass", "Result": {"a": 1}, "ResultPath": "$.one", "Next": "Two"},
        "Two": {"Type": "Choice", "Choices": [{"Variable": "$.one.a", "NumericEquals": 1, "Next": "Three"}]},
        "Three": {"Type": "Succeed", "OutputPath": "$.one"}}});
    machine(&client, &definition).await;
    let arn = start(&client, &json!({"x": true})).await;
    assert_eq!(output(&ended(&client, &arn).await), json!({"a": 1}));
    let events = history(&client, &arn).await;
    let at = events[0]["timestamp"].clone();
    let whole = json!({"truncated": false});
    let entered = |id: i64, previous: i64, kind: &str, name: &str, input: &str| {
        json!({"timestamp": at, "id": id, "previousEventId": previous, "type": format!("{kind}StateEntered"),
            "stateEnteredEventDetails": {"name": name, "input": input, "inputDetails": whole}})
    };
    let exited = |id: i64, previous: i64, kind: &str, name: &str, output: &str| {
        json!({"timestamp": at, "id": id, "previousEventId": previous, "type": format!("{kind}StateExited"),
            "stateExitedEventDetails": {"name": name, "output": output, "outputDetails": whole}})
    };
    let (first, second) = (r#"{"x":true}"#, r#"{"x":true,"one":{"a":1}}"#);
    let expected = json!([
        {"timestamp": at, "id": 1, "previousEventId": 0, "type": "ExecutionStarted",
            "executionStartedEventDetails": {"input": first, "inputDetails": whole, "roleArn": ROLE}},
        entered(2, 0, "Pass", "One", first),
        exited(3, 2, "Pass", "One", second),
        entered(4, 3, "Choice", "Two", second),
        exited(5, 4, "Choice", "Two", second),
        entered(6, 5, "Succeed", "Three", second),
        exited(7, 6, "Succeed", "Three", r#"{"a":1}"#),
        {"timestamp": at, "id": 8, "previousEventId": 7, "type": "ExecutionSucceeded",
            "executionSucceededEventDetails": {"output": r#"{"a":1}"#, "outputDetails": whole}},
    ]);
    assert_eq!(events, expected, "{events:#}");
}
