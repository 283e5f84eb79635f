//! Rotation: the four steps, schedules and their windows, what fails.

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "it is made where it is given")]
fn rotate(number: usize, more: Json) -> Json {
    let mut input = json!({"SecretId": "s", "ClientRequestToken": token(number), "RotationLambdaARN": FUNCTION});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}

const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// Rotates with rules, and says when the window of the next time is over.
async fn next(client: &Client, number: usize, rules: Json) -> Json {
    ok(client, "RotateSecret", rotate(number, json!({"RotationRules": rules, "RotateImmediately": false}))).await;
    describe(client, "s").await["NextRotationDate"].clone()
}

fn at(moment: &str) -> Json {
    json!(moment.parse::<Timestamp>().unwrap().as_second())
}

#[tokio::test]
async fn the_function_is_invoked_for_each_step() {
    let functions = Functions::default();
    let (cloud, client) = noon_with(functions.clone()).await;
    let arn = create(&client, json!({})).await["ARN"].clone();
    let begun = ok(&client, "RotateSecret", rotate(2, json!({}))).await;
    assert_eq!(begun, json!({"ARN": arn, "Name": "s", "VersionId": token(2)}));
    pass(&cloud, 1).await;
    let events = functions.events.lock().unwrap().clone();
    let first = &events[0];
    assert_eq!((&first["SecretId"], &first["ClientRequestToken"]), (&arn, &json!(token(2))));
    assert_eq!(first["caller"], "secretsmanager.amazonaws.com");
    assert!(first["RotationToken"].as_str().unwrap().len() >= 36);
    assert!(events.iter().all(|event| event["RotationToken"] == first["RotationToken"]));
    assert_eq!(functions.steps(), STEPS);
    assert_eq!(get(&client, "s").await["SecretString"], format!("value {}", token(2)));
    let shown = describe(&client, "s").await;
    assert_eq!(shown["VersionIdsToStages"], json!({token(1): ["AWSPREVIOUS"], token(2): ["AWSCURRENT", "AWSPENDING"]}));
    assert_eq!((&shown["RotationEnabled"], &shown["RotationLambdaARN"]), (&json!(true), &json!(FUNCTION)));
    assert!((shown["LastRotatedDate"].as_f64().unwrap() - 1_772_366_400.0).abs() < 1.5);
    assert_eq!(shown.get("NextRotationDate"), None);
    assert_eq!(told(&cloud), ["RotationStarted", "RotationSucceeded"]);
    // The same request again does nothing more.
    assert_eq!(ok(&client, "RotateSecret", rotate(2, json!({}))).await, begun);
    pass(&cloud, 1).await;
    assert!(functions.steps().is_empty());
    // What is configured serves again.
    ok(&client, "RotateSecret", json!({"SecretId": "s", "ClientRequestToken": token(3)})).await;
    pass(&cloud, 1).await;
    assert_eq!(functions.steps(), STEPS);
}

#[tokio::test]
async fn a_configuration_is_tried_out_with_one_step() {
    let functions = Functions::default();
    let (cloud, client) = noon_with(functions.clone()).await;
    create(&client, json!({})).await;
    let rules = json!({"AutomaticallyAfterDays": 3});
    ok(&client, "RotateSecret", rotate(2, json!({"RotationRules": rules, "RotateImmediately": false}))).await;
    pass(&cloud, 1).await;
    assert_eq!(functions.steps(), ["testSecret"]);
    let shown = describe(&client, "s").await;
    assert_eq!(shown["VersionIdsToStages"], json!({token(1): ["AWSCURRENT"]}));
    assert_eq!((&shown["RotationRules"], shown.get("LastRotatedDate")), (&rules, None));
    let versions = ok(&client, "ListSecretVersionIds", json!({"SecretId": "s", "IncludeDeprecated": true})).await;
    assert_eq!(versions["Versions"].as_array().unwrap().len(), 1);
    assert_eq!(told(&cloud), ["TestRotationStarted", "TestRotationSucceeded"]);
    functions.fail_in(Some("testSecret"));
    ok(&client, "RotateSecret", rotate(3, json!({"RotateImmediately": false}))).await;
    pass(&cloud, 3600).await;
    assert_eq!(functions.steps(), ["testSecret"]);
    assert_eq!(told(&cloud)[2..], ["TestRotationStarted", "TestRotationFailed"]);
    assert_eq!(describe(&client, "s").await["VersionIdsToStages"], json!({token(1): ["AWSCURRENT"]}));
}

#[tokio::test]
async fn windows_begin_as_schedules_say() {
    let (cloud, client) = noon().await;
    create(&client, json!({})).await;
    for (number, (rules, over)) in [
        (json!({"AutomaticallyAfterDays": 10}), "2026-03-11T23:59:59Z"),
        (json!({"AutomaticallyAfterDays": 1, "Duration": "3h"}), "2026-03-02T02:59:59Z"),
        (json!({"ScheduleExpression": "rate(10 days)"}), "2026-03-11T23:59:59Z"),
        (json!({"ScheduleExpression": "rate(1 day)", "Duration": "24h"}), "2026-03-02T23:59:59Z"),
        (json!({"ScheduleExpression": "rate(4 hours)"}), "2026-03-01T16:59:59Z"),
        (json!({"ScheduleExpression": "rate(10 hours)", "Duration": "10h"}), "2026-03-02T05:59:59Z"),
        (json!({"ScheduleExpression": "cron(0 8 1 * ? *)"}), "2026-04-01T23:59:59Z"),
        (json!({"ScheduleExpression": "cron(0 22 ? * MON *)", "Duration": "2h"}), "2026-03-02T23:59:59Z"),
        (json!({"ScheduleExpression": "cron(0 */8 * * ? *)"}), "2026-03-01T16:59:59Z"),
        (json!({"ScheduleExpression": "cron(0 4/12 * * ? *)", "Duration": "5h"}), "2026-03-01T20:59:59Z"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(next(&client, number + 2, rules.clone()).await, at(over), "{rules}");
        // The trial is over before the next one.
        pass(&cloud, 0).await;
        let shown = describe(&client, "s").await["RotationRules"].clone();
        for (name, value) in rules.as_object().unwrap() {
            assert_eq!(shown[name], *value);
        }
        assert!(shown["AutomaticallyAfterDays"].is_number(), "{shown}");
    }
    assert_eq!(describe(&client, "s").await["RotationRules"]["AutomaticallyAfterDays"], 1);
}

#[tokio::test]
async fn what_is_no_schedule_is_refused() {
    let (_cloud, client) = noon().await;
    create(&client, json!({})).await;
    let before = describe(&client, "s").await;
    for (rules, words) in [
        (
            json!({"AutomaticallyAfterDays": 3, "ScheduleExpression": "rate(3 days)"}),
            "You cannot specify both rotation frequency and schedule expression together.",
        ),
        (json!({"ScheduleExpression": "rate(3 hours)"}), "rate(3 hours)"),
        (json!({"ScheduleExpression": "rate(1000 days)"}), "rate(1000 days)"),
        (json!({"ScheduleExpression": "rate(0 days)"}), "rate(0 days)"),
        (json!({"ScheduleExpression": "rate(5 minutes)"}), "rate(5 minutes)"),
        (json!({"ScheduleExpression": "cron(5 8 * * ? *)"}), "cron(5 8 * * ? *)"),
        (json!({"ScheduleExpression": "cron(0 8 * * ? 2027)"}), "2027"),
        (json!({"ScheduleExpression": "cron(0 */2 * * ? *)"}), "every four hours"),
        (json!({"ScheduleExpression": "cron(0 8 30 2 ? *)"}), "never comes"),
        (json!({"ScheduleExpression": "rate(4 hours)", "Duration": "5h"}), "next rotation window"),
        (json!({"ScheduleExpression": "cron(0 22 * * ? *)", "Duration": "3h"}), "next UTC day"),
        (json!({"AutomaticallyAfterDays": 3, "Duration": "25h"}), "25h"),
        (json!({"AutomaticallyAfterDays": 3, "Duration": "0h"}), "0h"),
        (json!({"Duration": "3h"}), "needs a schedule"),
    ] {
        let input = rotate(2, json!({"RotationRules": rules}));
        is_refused(&client, "RotateSecret", input, "InvalidParameterException", words).await;
    }
    for rules in
        [json!({"AutomaticallyAfterDays": 1001}), json!({"AutomaticallyAfterDays": 0}), json!({"Duration": "1000h"})]
    {
        is_refused(
            &client,
            "RotateSecret",
            rotate(2, json!({"RotationRules": rules})),
            "ValidationException",
            "rotationRules",
        )
        .await;
    }
    let odd = rotate(2, json!({"RotationLambdaARN": "rotator"}));
    is_refused(&client, "RotateSecret", odd, "InvalidParameterException", "isn't the ARN of a Lambda function").await;
    let without = json!({"SecretId": "s", "ClientRequestToken": token(2)});
    let why = "No Lambda rotation function ARN is associated with this secret.";
    is_refused(&client, "RotateSecret", without, "InvalidRequestException", why).await;
    is_refused(&client, "CancelRotateSecret", json!({"SecretId": "s"}), "InvalidRequestException", why).await;
    let without = json!({"SecretId": "s", "RotationLambdaARN": FUNCTION});
    is_refused(&client, "RotateSecret", without, "InvalidRequestException", "ClientRequestToken").await;
    let none = json!({"SecretId": "none", "RotationLambdaARN": FUNCTION, "ClientRequestToken": token(2)});
    is_refused(&client, "RotateSecret", none, "ResourceNotFoundException", "").await;
    is_refused(&client, "CancelRotateSecret", json!({"SecretId": "none"}), "ResourceNotFoundException", "").await;
    assert_eq!(describe(&client, "s").await, before);
    ok(&client, "CreateSecret", json!({"Name": "empty", "ClientRequestToken": token(1)})).await;
    let empty = json!({"SecretId": "empty", "RotationLambdaARN": FUNCTION, "ClientRequestToken": token(2)});
    is_refused(&client, "RotateSecret", empty, "ResourceNotFoundException", "AWSCURRENT").await;
}

#[tokio::test]
async fn secrets_are_rotated_on_schedule() {
    let functions = Functions::default();
    let (cloud, client) = noon_with(functions.clone()).await;
    create(&client, json!({})).await;
    ok(&client, "RotateSecret", rotate(2, json!({"RotationRules": {"AutomaticallyAfterDays": 2}}))).await;
    pass(&cloud, 1).await;
    assert_eq!(functions.steps().len(), 4);
    // Until the window begins nothing is done, and until it is over it is done.
    pass(&cloud, 36 * 3600 - 60).await;
    assert!(functions.steps().is_empty());
    pass(&cloud, DAY + 60).await;
    assert_eq!(functions.steps(), STEPS);
    let rotated = describe(&client, "s").await["LastRotatedDate"].as_f64().unwrap();
    assert!(
        rotated >= at("2026-03-03T00:00:00Z").as_f64().unwrap()
            && rotated < at("2026-03-04T00:00:01Z").as_f64().unwrap()
    );
    assert_eq!(describe(&client, "s").await["NextRotationDate"], at("2026-03-05T23:59:59Z"));
    // A change by hand counts, where rotations are so many days apart.
    pass(&cloud, DAY / 2).await;
    put(&client, 50, "by hand").await;
    assert_eq!(describe(&client, "s").await["NextRotationDate"], at("2026-03-06T23:59:59Z"));
    pass(&cloud, 20 * DAY).await;
    assert!(functions.steps().len() >= 9 * 4);
    let cancelled = ok(&client, "CancelRotateSecret", json!({"SecretId": "s"})).await;
    assert_eq!(cancelled.get("VersionId"), None);
    let shown = describe(&client, "s").await;
    assert_eq!((&shown["RotationEnabled"], shown.get("NextRotationDate")), (&json!(false), None));
    assert_eq!(shown["RotationLambdaARN"], FUNCTION);
    pass(&cloud, 10 * DAY).await;
    assert!(functions.steps().is_empty());
}

#[tokio::test]
async fn a_rotation_that_fails_leaves_its_version_pending_and_is_done_again() {
    let functions = Functions::default();
    let (cloud, client) = noon_with(functions.clone()).await;
    create(&client, json!({})).await;
    functions.fail_in(Some("setSecret"));
    ok(&client, "RotateSecret", rotate(2, json!({}))).await;
    pass(&cloud, 1).await;
    assert_eq!(functions.steps(), ["createSecret", "setSecret"]);
    let pending = json!({token(1): ["AWSCURRENT"], token(2): ["AWSPENDING"]});
    assert_eq!(describe(&client, "s").await["VersionIdsToStages"], pending);
    assert_eq!(get(&client, "s").await["SecretString"], "one");
    let record =
        cloud.kernel.trail().latest(1000).into_iter().find(|record| record.operation == "RotationFailed").unwrap();
    assert_eq!(record.error.unwrap().1, "The rotation function failed in step setSecret: Unhandled.");
    // It is attempted four times in all.
    pass(&cloud, 3600).await;
    assert_eq!(functions.steps().len(), 6);
    assert_eq!(told(&cloud).iter().filter(|name| *name == "RotationFailed").count(), 4);
    let why = "A previous rotation isn't complete. That rotation will be reattempted.";
    is_refused(&client, "RotateSecret", rotate(3, json!({})), "InvalidRequestException", why).await;
    pass(&cloud, 3600).await;
    assert_eq!(functions.steps().len(), 8);
    functions.fail_in(None);
    is_refused(&client, "RotateSecret", rotate(3, json!({})), "InvalidRequestException", why).await;
    pass(&cloud, 1).await;
    assert_eq!(functions.steps(), STEPS);
    assert_eq!(get(&client, "s").await["VersionId"], token(2));
    // One that is under way is cancelled, and tells of the version that it leaves.
    functions.fail_in(Some("createSecret"));
    ok(&client, "RotateSecret", rotate(4, json!({}))).await;
    pass(&cloud, 1).await;
    assert_eq!(ok(&client, "CancelRotateSecret", json!({"SecretId": "s"})).await["VersionId"], token(4));
    functions.steps();
    pass(&cloud, 3600).await;
    assert!(functions.steps().is_empty());
    // Its version has no value yet.
    let read = json!({"SecretId": "s", "VersionId": token(4)});
    is_refused(&client, "GetSecretValue", read, "ResourceNotFoundException", &token(4)).await;
    let read = json!({"SecretId": "s", "VersionStage": "AWSPENDING"});
    is_refused(&client, "GetSecretValue", read, "ResourceNotFoundException", "AWSPENDING").await;
}

#[tokio::test]
async fn a_function_that_does_not_finish_fails() {
    let functions = Functions::default();
    let (cloud, client) = noon_with(functions.clone()).await;
    create(&client, json!({})).await;
    *functions.closed.lock().unwrap() = true;
    let why = "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.";
    is_refused(&client, "RotateSecret", rotate(2, json!({})), "AccessDeniedException", why).await;
    assert_eq!(describe(&client, "s").await.get("RotationEnabled"), None);
    *functions.closed.lock().unwrap() = false;
    *functions.breaks.lock().unwrap() = true;
    ok(&client, "RotateSecret", rotate(2, json!({"RotationRules": {"AutomaticallyAfterDays": 1}}))).await;
    pass(&cloud, 1).await;
    let record =
        cloud.kernel.trail().latest(1000).into_iter().find(|record| record.operation == "RotationFailed").unwrap();
    assert!(record.error.unwrap().1.contains("could not be invoked"));
    pass(&cloud, 3600).await;
    *functions.breaks.lock().unwrap() = false;
    // When it is due again the version that was left is gone on with.
    pass(&cloud, 2 * DAY).await;
    assert_eq!(functions.steps()[..4], STEPS);
    assert!(describe(&client, "s").await["VersionIdsToStages"].as_object().unwrap().contains_key(&token(2)));
}

#[tokio::test]
async fn a_secret_that_is_deleted_is_rotated_no_more() {
    let functions = Functions::default();
    let (cloud, client) = noon_with(functions.clone()).await;
    create(&client, json!({})).await;
    ok(&client, "RotateSecret", rotate(2, json!({"RotationRules": {"AutomaticallyAfterDays": 1}}))).await;
    pass(&cloud, 1).await;
    functions.steps();
    ok(&client, "DeleteSecret", json!({"SecretId": "s"})).await;
    pass(&cloud, 3 * DAY).await;
    assert!(functions.steps().is_empty());
    ok(&client, "RestoreSecret", json!({"SecretId": "s"})).await;
    pass(&cloud, 2 * DAY).await;
    assert!(functions.steps().len() >= 4);
}
