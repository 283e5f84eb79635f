//! Composite alarms: they follow those they watch, and hold actions back.

use super::*;

#[tokio::test]
async fn composite_alarms_follow_those_they_watch() {
    let (cloud, _) = cloud().await;
    let client = cloud.client();
    let url = topic(&client).await;
    for name in ["x", "y"] {
        make(&client, json!({"AlarmName": name, "TreatMissingData": "ignore"})).await;
    }
    compose(
        &client,
        "both",
        "ALARM(x) AND ALARM(\"y\")",
        json!({"AlarmActions": [TOPIC], "OKActions": [TOPIC], "AlarmDescription": "both of them"}),
    )
    .await;
    compose(&client, "top", "NOT OK(both)", json!({"InsufficientDataActions": [], "ActionsEnabled": true})).await;
    let both = shown(&client, "both").await;
    assert_eq!(both["StateValue"], "OK");
    let reason = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:both was created and its alarm rule evaluates to OK";
    assert_eq!(both["StateReason"], reason);
    set(&client, "x", "ALARM").await;
    assert_eq!(state(&client, "both").await, "OK");
    pass(&cloud, 2).await;
    set(&client, "y", "ALARM").await;
    assert_eq!((state(&client, "both").await, state(&client, "top").await), ("ALARM".to_owned(), "ALARM".to_owned()));
    let reason = shown(&client, "both").await["StateReason"].as_str().unwrap().to_owned();
    assert!(reason.ends_with("alarm:y transitioned to ALARM at Sunday 01 March, 2026 12:00:02 UTC"), "{reason}");
    pass(&cloud, 1).await;
    set(&client, "x", "OK").await;
    pass(&cloud, 1).await;
    let told = messages(&client, &url).await;
    let states: Vec<&Json> = told.iter().map(|(_, told)| &told["NewStateValue"]).collect();
    assert_eq!(states, ["OK", "ALARM", "OK"]);
    let children: Vec<&Json> = told[1].1["TriggeringChildren"].as_array().unwrap().iter().map(|c| &c["Arn"]).collect();
    assert_eq!(children.len(), 2);
    assert_eq!(told[1].1["AlarmRule"], "ALARM(x) AND ALARM(\"y\")");
    // Who watches whom.
    let family = async |input: Json| {
        let found = client.call("cloudwatch", "DescribeAlarms", input).await.ok();
        let names = |list: &str| {
            found[list]
                .as_array()
                .unwrap()
                .iter()
                .map(|a| a["AlarmName"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        [names("CompositeAlarms"), names("MetricAlarms")].concat().join(" ")
    };
    assert_eq!(family(json!({"ChildrenOfAlarmName": "both"})).await, "x y");
    assert_eq!(family(json!({"ChildrenOfAlarmName": "top"})).await, "both");
    assert_eq!(family(json!({"ParentsOfAlarmName": "x"})).await, "both");
    // One that others watch stays, and so do two at once.
    let delete = |names: Json| client.call("cloudwatch", "DeleteAlarms", json!({"AlarmNames": names}));
    assert_eq!(crate::code(&delete(json!(["both"])).await), "ValidationError");
    assert_eq!(crate::code(&delete(json!(["both", "top"])).await), "ValidationError");
    delete(json!(["top", "x", "nothing"])).await.ok();
    assert_eq!(family(json!({"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]})).await, "both y");
    let deleted = history(&client, json!({"AlarmName": "x", "HistoryItemType": "ConfigurationUpdate"})).await;
    assert_eq!(deleted.last().unwrap()["HistorySummary"], "Alarm \"x\" deleted");
    assert!(!history(&client, json!({"AlarmName": "both", "AlarmTypes": ["CompositeAlarm"]})).await.is_empty());
}

#[tokio::test]
async fn a_suppressor_holds_actions_back() {
    let (cloud, invoked) = cloud().await;
    let client = cloud.client();
    for name in ["x", "quiet"] {
        make(&client, json!({"AlarmName": name, "TreatMissingData": "ignore"})).await;
    }
    let suppressor = json!({"ActionsSuppressor": "quiet", "ActionsSuppressorWaitPeriod": 60, "ActionsSuppressorExtensionPeriod": 120,
        "AlarmActions": [FUNCTION]});
    compose(&client, "c", "ALARM(x)", suppressor).await;
    let by = async || shown(&client, "c").await["ActionsSuppressedBy"].as_str().map(ToOwned::to_owned);
    let acted = || invoked.lock().unwrap().len();
    // Nobody suppresses it: it acts when it has waited.
    set(&client, "x", "ALARM").await;
    assert_eq!(by().await.as_deref(), Some("WaitPeriod"));
    pass(&cloud, 59).await;
    assert_eq!(acted(), 0);
    pass(&cloud, 2).await;
    assert_eq!((acted(), by().await), (1, None));
    // The suppressor comes while it waits, and the extension is over before it acts.
    set(&client, "x", "OK").await;
    set(&client, "x", "ALARM").await;
    pass(&cloud, 30).await;
    set(&client, "quiet", "ALARM").await;
    let found = shown(&client, "c").await;
    assert_eq!(
        (&found["ActionsSuppressedBy"], &found["ActionsSuppressedReason"]),
        (&json!("Alarm"), &json!("Actions suppressed by Alarm"))
    );
    pass(&cloud, 600).await;
    assert_eq!(acted(), 1);
    set(&client, "quiet", "OK").await;
    assert_eq!(by().await.as_deref(), Some("ExtensionPeriod"));
    pass(&cloud, 119).await;
    assert_eq!(acted(), 1);
    pass(&cloud, 2).await;
    assert_eq!((acted(), by().await), (2, None));
}

#[tokio::test]
async fn a_composite_alarm_that_is_set_waits_for_those_it_watches() {
    let (cloud, _) = cloud().await;
    let client = cloud.client();
    for name in ["x", "y"] {
        make(&client, json!({"AlarmName": name, "TreatMissingData": "ignore"})).await;
    }
    compose(&client, "c", "ALARM(x) OR FALSE", json!({})).await;
    set(&client, "c", "ALARM").await;
    set(&client, "y", "ALARM").await;
    pass(&cloud, 120).await;
    assert_eq!(state(&client, "c").await, "ALARM");
    set(&client, "x", "OK").await;
    assert_eq!(state(&client, "c").await, "OK");
}
