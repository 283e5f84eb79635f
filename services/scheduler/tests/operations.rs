//! Schedules made, changed, shown, listed, deleted.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_schedule_is_shown_with_what_it_was_made_with_and_the_defaults() {
    let (_cloud, client, _) = noon().await;
    let made = ok(&client, "CreateSchedule", schedule("rate(5 minutes)", &json!({}))).await;
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s";
    assert_eq!(made["ScheduleArn"], arn);
    let shown = ok(&client, "GetSchedule", json!({"Name": "s"})).await;
    assert_eq!(
        shown,
        json!({"Arn": arn, "Name": "s", "GroupName": "default", "ScheduleExpression": "rate(5 minutes)", "ScheduleExpressionTimezone": "UTC",
               "State": "ENABLED", "ActionAfterCompletion": "NONE", "FlexibleTimeWindow": {"Mode": "OFF"},
               "CreationDate": shown["CreationDate"], "LastModificationDate": shown["LastModificationDate"],
               "Target": {"Arn": QUEUE, "RoleArn": ROLE, "Input": "<aws.scheduler.scheduled-time>",
                          "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}}})
    );
    let all = json!({"Description": "words", "StartDate": "2026-03-02T00:00:00Z", "EndDate": "2026-03-03T00:00:00Z", "State": "DISABLED",
        "ScheduleExpressionTimezone": "Asia/Tokyo", "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
        "ActionAfterCompletion": "DELETE", "Target": {"RetryPolicy": {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}, "DeadLetterConfig": {"Arn": QUEUE}}});
    create(&client, "cron(0 9 * * ? *)", merged(json!({"Name": "t"}), &all)).await;
    let shown = ok(&client, "GetSchedule", json!({"Name": "t", "GroupName": "default"})).await;
    for member in ["Description", "State", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "ActionAfterCompletion"]
    {
        assert_eq!(shown[member], all[member], "{member}");
    }
    assert_eq!((&shown["StartDate"], &shown["EndDate"]), (&json!(1_772_409_600), &json!(1_772_496_000)));
    assert_eq!(shown["Target"]["RetryPolicy"], all["Target"]["RetryPolicy"]);
    assert_eq!(shown["Target"]["DeadLetterConfig"], all["Target"]["DeadLetterConfig"]);
}

#[tokio::test]
async fn an_update_says_all_of_it_anew() {
    let (cloud, client, url) = noon().await;
    create(&client, "rate(1 hour)", json!({"Description": "words", "State": "DISABLED"})).await;
    pass(&cloud, 3600).await;
    assert!(bodies(&client, &url).await.is_empty());
    let made = ok(&client, "GetSchedule", json!({"Name": "s"})).await;
    let updated = ok(&client, "UpdateSchedule", schedule("rate(1 hour)", &json!({}))).await;
    assert_eq!(updated["ScheduleArn"], made["Arn"]);
    let shown = ok(&client, "GetSchedule", json!({"Name": "s"})).await;
    assert_eq!((&shown["State"], shown.get("Description")), (&json!("ENABLED"), None));
    assert_eq!(shown["CreationDate"], made["CreationDate"]);
    assert!(shown["LastModificationDate"].as_f64() > made["LastModificationDate"].as_f64());
    // A rate goes on as it was; another one begins anew, at once.
    pass(&cloud, 3600).await;
    assert_eq!(bodies(&client, &url).await, ["2026-03-01T14:00:00Z"]);
    pass(&cloud, 600).await;
    ok(&client, "UpdateSchedule", schedule("rate(2 hours)", &json!({}))).await;
    pass(&cloud, 7200).await;
    assert_eq!(bodies(&client, &url).await, ["2026-03-01T14:10:00Z", "2026-03-01T16:10:00Z"]);
    // What is due next stays due when something else is changed.
    ok(
        &client,
        "UpdateSchedule",
        schedule("rate(2 hours)", &json!({"Description": "other", "Target": {"Input": "new"}})),
    )
    .await;
    pass(&cloud, 7200).await;
    assert_eq!(bodies(&client, &url).await, ["new"]);
    ok(&client, "UpdateSchedule", schedule("rate(2 hours)", &json!({"EndDate": "2026-03-01T20:00:00Z"}))).await;
    pass(&cloud, 86_400).await;
    assert!(bodies(&client, &url).await.is_empty());
    let (code, message) = refused(&client, "UpdateSchedule", schedule("rate(1 day)", &json!({"Name": "gone"}))).await;
    assert_eq!((code.as_str(), message.as_str()), ("ResourceNotFoundException", "Schedule gone does not exist."));
}

#[tokio::test]
async fn a_deleted_schedule_is_due_no_more_even_within_its_window() {
    let (cloud, client, url) = noon().await;
    let flexible = json!({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1440}});
    create(&client, "at(2026-03-01T12:00:01)", flexible.clone()).await;
    pass(&cloud, 1).await;
    ok(&client, "DeleteSchedule", json!({"Name": "s"})).await;
    // Another of its name does not get what was planned before.
    create(&client, "rate(10 days)", json!({"StartDate": "2026-04-01T00:00:00Z"})).await;
    pass(&cloud, 3 * 86_400).await;
    assert!(bodies(&client, &url).await.is_empty());
    let more = merged(flexible, &json!({"Name": "t"}));
    create(&client, "at(2026-03-04T12:00:02)", more.clone()).await;
    pass(&cloud, 1).await;
    ok(&client, "UpdateSchedule", schedule("at(2026-03-04T12:00:02)", &merged(more, &json!({"State": "DISABLED"}))))
        .await;
    pass(&cloud, 3 * 86_400).await;
    assert!(bodies(&client, &url).await.is_empty());
}

#[tokio::test]
async fn a_request_that_comes_twice_is_done_once() {
    let (_cloud, client, _) = noon().await;
    let token = |text: &str| json!({"ClientToken": text});
    let input = schedule("rate(1 day)", &token("a"));
    for _ in 0..2 {
        ok(&client, "CreateSchedule", input.clone()).await;
    }
    let update = schedule("rate(2 days)", &token("b"));
    ok(&client, "UpdateSchedule", update.clone()).await;
    ok(&client, "UpdateSchedule", schedule("rate(3 days)", &token("c"))).await;
    ok(&client, "UpdateSchedule", update).await;
    assert_eq!(ok(&client, "GetSchedule", json!({"Name": "s"})).await["ScheduleExpression"], "rate(3 days)");
    for (operation, input) in [
        ("CreateSchedule", schedule("rate(9 days)", &token("a"))),
        ("UpdateSchedule", schedule("rate(9 days)", &token("b"))),
        ("CreateSchedule", schedule("rate(9 days)", &token("d"))),
    ] {
        assert_eq!(refused(&client, operation, input).await.0, "ConflictException");
    }
    for _ in 0..2 {
        ok(&client, "DeleteSchedule", json!({"Name": "s", "ClientToken": "e"})).await;
    }
    let other = json!({"Name": "t", "ClientToken": "e"});
    assert_eq!(refused(&client, "DeleteSchedule", other).await.0, "ConflictException");
    for _ in 0..2 {
        ok(&client, "CreateScheduleGroup", json!({"Name": "g", "ClientToken": "f"})).await;
    }
    assert_eq!(
        refused(&client, "CreateScheduleGroup", json!({"Name": "h", "ClientToken": "f"})).await.0,
        "ConflictException"
    );
    for _ in 0..2 {
        ok(&client, "DeleteScheduleGroup", json!({"Name": "g", "ClientToken": "g"})).await;
    }
}

#[tokio::test]
async fn lists_are_filtered_and_have_pages() {
    let (_cloud, client, _) = noon().await;
    ok(&client, "CreateScheduleGroup", json!({"Name": "g"})).await;
    for (name, group, state) in
        [("a1", "g", "ENABLED"), ("a2", "default", "ENABLED"), ("a3", "g", "DISABLED"), ("b1", "g", "ENABLED")]
    {
        create(&client, "rate(1 day)", json!({"Name": name, "GroupName": group, "State": state})).await;
    }
    let list = async |input: Json| {
        let found = ok(&client, "ListSchedules", input).await;
        let names = found["Schedules"].as_array().unwrap().iter().map(|s| s["Name"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>(), found["NextToken"].clone())
    };
    assert_eq!(list(json!({})).await.0, ["a2", "a1", "a3", "b1"]);
    assert_eq!(list(json!({"GroupName": "g"})).await.0, ["a1", "a3", "b1"]);
    assert_eq!(list(json!({"GroupName": "g", "NamePrefix": "a"})).await.0, ["a1", "a3"]);
    assert_eq!(list(json!({"State": "DISABLED"})).await.0, ["a3"]);
    let (first, token) = list(json!({"MaxResults": 3})).await;
    assert_eq!(first, ["a2", "a1", "a3"]);
    let (rest, none) = list(json!({"MaxResults": 3, "NextToken": token})).await;
    assert_eq!((rest, none), (vec!["b1".to_owned()], Json::Null));
    let found = ok(&client, "ListSchedules", json!({"NamePrefix": "a2"})).await["Schedules"][0].clone();
    assert_eq!(
        (&found["GroupName"], &found["State"], &found["Target"]),
        (&json!("default"), &json!("ENABLED"), &json!({"Arn": QUEUE}))
    );
    for wrong in
        [json!({"NextToken": "x"}), json!({"NextToken": token, "State": "ENABLED"}), json!({"MaxResults": 101})]
    {
        assert_eq!(refused(&client, "ListSchedules", wrong).await.0, "ValidationException");
    }
    assert_eq!(refused(&client, "ListSchedules", json!({"GroupName": "gone"})).await.0, "ResourceNotFoundException");
}

#[tokio::test]
async fn what_cannot_be_changes_nothing() {
    let (_cloud, client, _) = noon().await;
    let wrong = [
        ("rate(10 seconds)", json!({}), "Invalid Schedule Expression rate(10 seconds)."),
        ("at(2021-12-31)", json!({}), "Invalid Schedule Expression at(2021-12-31)."),
        ("cron(0 1 * * * *)", json!({}), "Invalid Schedule Expression cron(0 1 * * * *)."),
        ("rate(1 day)", json!({"ScheduleExpressionTimezone": "Middle/Earth"}), "Middle/Earth"),
        (
            "rate(1 day)",
            json!({"StartDate": "2026-03-01T11:54:00Z"}),
            "The StartDate you specify cannot be earlier than 5 minutes ago.",
        ),
        ("rate(1 day)", json!({"EndDate": "2026-03-01T12:00:00Z"}), "EndDate"),
        ("rate(1 day)", json!({"StartDate": "2026-03-03T12:00:00Z", "EndDate": "2026-03-02T12:00:00Z"}), "EndDate"),
        ("rate(1 day)", json!({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}), "MaximumWindowInMinutes"),
        (
            "rate(1 day)",
            json!({"FlexibleTimeWindow": {"Mode": "OFF", "MaximumWindowInMinutes": 1}}),
            "MaximumWindowInMinutes",
        ),
        ("rate(1 day)", json!({"Target": {"Input": "x".repeat(262_145)}}), "262144"),
        (
            "rate(1 day)",
            json!({"Target": {"RoleArn": "arn:aws:iam::000000000000:role/gone"}}),
            "must allow AWS EventBridge Scheduler to assume the role",
        ),
        ("rate(1 day)", json!({"GroupName": "gone"}), "Schedule group gone does not exist."),
    ];
    create(&client, "rate(9 days)", json!({"Name": "there"})).await;
    let before = ok(&client, "GetSchedule", json!({"Name": "there"})).await;
    for (expression, more, words) in wrong {
        let (_, message) = refused(&client, "CreateSchedule", schedule(expression, &more)).await;
        assert!(message.contains(words), "{more}: {message}");
        let more = merged(more, &json!({"Name": "there"}));
        assert_ne!(refused(&client, "UpdateSchedule", schedule(expression, &more)).await.0, "", "{more}");
    }
    assert_eq!(ok(&client, "GetSchedule", json!({"Name": "there"})).await, before);
    assert_eq!(ok(&client, "ListSchedules", json!({})).await["Schedules"].as_array().unwrap().len(), 1);
}
