//! Rules that mute alarms, by schedule.

use super::*;

fn mute(expression: &str, duration: &str, more: &Json) -> Json {
    let mut rule = json!({"Name": "m", "Rule": {"Schedule": {"Expression": expression, "Duration": duration}}, "MuteTargets": {"AlarmNames": ["a"]}});
    rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    rule
}

#[tokio::test]
async fn a_muted_alarm_changes_and_acts_when_it_is_muted_no_longer() {
    let (cloud, invoked) = cloud().await;
    let client = cloud.client();
    let acted = || invoked.lock().unwrap().len();
    make(&client, json!({"AlarmActions": [FUNCTION], "OKActions": [FUNCTION], "TreatMissingData": "ignore"})).await;
    let nights = mute(
        "cron(30 13 * * *)",
        "PT1H",
        &json!({"Description": "an hour at noon", "Rule": {"Schedule":
        {"Expression": "cron(30 13 * * *)", "Duration": "PT1H", "Timezone": "Europe/Berlin"}}, "Tags": [{"Key": "a", "Value": "b"}]}),
    );
    client.call("cloudwatch", "PutAlarmMuteRule", nights).await.ok();
    let get = async || client.call("cloudwatch", "GetAlarmMuteRule", json!({"AlarmMuteRuleName": "m"})).await.ok();
    let rule = get().await;
    assert_eq!(
        (&rule["Status"], &rule["MuteType"], &rule["Description"]),
        (&json!("SCHEDULED"), &json!("RECURRING"), &json!("an hour at noon"))
    );
    assert_eq!(rule["MuteTargets"], json!({"AlarmNames": ["a"]}));
    set(&client, "a", "OK").await;
    pass(&cloud, 1800).await;
    assert_eq!((acted(), &get().await["Status"]), (1, &json!("ACTIVE")));
    set(&client, "a", "ALARM").await;
    pass(&cloud, 3599).await;
    assert_eq!((acted(), state(&client, "a").await.as_str()), (1, "ALARM"));
    pass(&cloud, 2).await;
    assert_eq!((acted(), &get().await["Status"]), (2, &json!("SCHEDULED")));
    // What is over before the window is, is not told afterwards; nor is anything else told twice.
    pass(&cloud, 86_400 - 3600).await;
    set(&client, "a", "OK").await;
    pass(&cloud, 7200).await;
    assert_eq!(acted(), 2);
    // A rule that is deleted, or has other alarms now, mutes no longer.
    let now = mute("at(2026-03-02T13:00)", "PT10H", &json!({}));
    client.call("cloudwatch", "PutAlarmMuteRule", now.clone()).await.ok();
    set(&client, "a", "ALARM").await;
    pass(&cloud, 60).await;
    assert_eq!(acted(), 2);
    client.call("cloudwatch", "DeleteAlarmMuteRule", json!({"AlarmMuteRuleName": "m"})).await.ok();
    client.call("cloudwatch", "DeleteAlarmMuteRule", json!({"AlarmMuteRuleName": "m"})).await.ok();
    pass(&cloud, 1).await;
    assert_eq!(acted(), 3);
    client.call("cloudwatch", "PutAlarmMuteRule", now.clone()).await.ok();
    set(&client, "a", "OK").await;
    set(&client, "a", "ALARM").await;
    client
        .call("cloudwatch", "PutAlarmMuteRule", mute("at(2026-03-02T13:00)", "PT10H", &json!({"MuteTargets": null})))
        .await
        .ok();
    pass(&cloud, 1).await;
    assert_eq!(acted(), 4);
}

#[tokio::test]
async fn mute_rules_are_listed_and_end() {
    let (cloud, _) = cloud().await;
    let client = cloud.client();
    make(&client, json!({})).await;
    make(&client, json!({"AlarmName": "b"})).await;
    let at = |seconds: i64| noon(seconds).as_second();
    for (name, rule) in [
        ("past", mute("at(2026-03-01T10:00)", "PT1H", &json!({}))),
        (
            "now",
            mute("cron(0 * * * *)", "PT30M", &json!({"ExpireDate": at(7200), "MuteTargets": {"AlarmNames": ["b"]}})),
        ),
        ("later", mute("cron(0 * * * SUN)", "P1D", &json!({"StartDate": at(86_400)}))),
    ] {
        let mut rule = rule;
        rule["Name"] = json!(name);
        client.call("cloudwatch", "PutAlarmMuteRule", rule).await.ok();
    }
    let list = async |input: Json| {
        let found = client.call("cloudwatch", "ListAlarmMuteRules", input).await.ok();
        let names = found["AlarmMuteRuleSummaries"].as_array().unwrap().iter().map(|r| {
            let arn = r["AlarmMuteRuleArn"].as_str().unwrap();
            format!("{}={}", arn.rsplit(':').next().unwrap(), r["Status"].as_str().unwrap())
        });
        (names.collect::<Vec<_>>().join(" "), found["NextToken"].clone())
    };
    assert_eq!(list(json!({})).await.0, "later=SCHEDULED now=ACTIVE past=EXPIRED");
    assert_eq!(list(json!({"AlarmName": "b"})).await.0, "now=ACTIVE");
    assert_eq!(list(json!({"Statuses": ["EXPIRED", "SCHEDULED"]})).await.0, "later=SCHEDULED past=EXPIRED");
    let (first, next) = list(json!({"MaxRecords": 2})).await;
    assert_eq!(
        (first.as_str(), list(json!({"MaxRecords": 2, "NextToken": next})).await.0.as_str()),
        ("later=SCHEDULED now=ACTIVE", "past=EXPIRED")
    );
    pass(&cloud, 7200).await;
    assert_eq!(list(json!({"AlarmName": "b"})).await.0, "now=EXPIRED");
    let code =
        async |operation: &str, input: Json| crate::code(&client.call("cloudwatch", operation, input).await).to_owned();
    assert_eq!(code("ListAlarmMuteRules", json!({"NextToken": "x"})).await, "InvalidNextToken");
    assert_eq!(code("ListAlarmMuteRules", json!({"AlarmName": "gone"})).await, "ResourceNotFoundException");
    assert_eq!(code("GetAlarmMuteRule", json!({"AlarmMuteRuleName": "gone"})).await, "ResourceNotFoundException");
    for wrong in [
        mute("cron(0 * * * ? *)", "PT1H", &json!({})),
        mute("rate(1 day)", "PT1H", &json!({})),
        mute("cron(0 * * * *)", "PT30S", &json!({})),
        mute("cron(0 * * * *)", "P16D", &json!({})),
        mute("cron(0 * * * *)", "P1M", &json!({})),
        mute("cron(0 * * * *)", "an hour", &json!({})),
        mute("cron(0 * * * *)", "PT1H", &json!({"MuteTargets": {"AlarmNames": ["gone"]}})),
        mute("cron(0 * * * *)", "PT1H", &json!({"StartDate": at(2), "ExpireDate": at(1)})),
        mute(
            "cron(0 * * * *)",
            "PT1H",
            &json!({"Rule": {"Schedule": {"Expression": "cron(0 * * * *)", "Duration": "PT1H", "Timezone": "Middle/Earth"}}}),
        ),
    ] {
        assert_eq!(code("PutAlarmMuteRule", wrong.clone()).await, "ValidationError", "{wrong}");
    }
}
