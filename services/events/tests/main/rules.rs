//! Rules, their states and schedules, and the buses that they are on.

use std::time::Duration;

use serde_json::json;

use super::{arn, body, cloud, entry, messages, put, queue, receive, rule, target};

#[tokio::test]
async fn a_rule_wants_events_only_while_it_is_there_and_enabled() {
    let cloud = cloud().await;
    let client = cloud.client();
    let (url, queue) = queue(&client, "q").await;
    rule(&client, "r", &json!({"source": ["a"]})).await;
    target(&client, "r", json!({"Id": "t", "Arn": queue})).await;
    put(&client, "a", json!({})).await;
    assert_eq!(messages(&client, &url).await.len(), 1);
    client.call("events", "DisableRule", json!({"Name": "r"})).await.ok();
    put(&client, "a", json!({})).await;
    client.call("events", "EnableRule", json!({"Name": "r"})).await.ok();
    // The same rule wants something else from now on.
    rule(&client, "r", &json!({"source": ["b"]})).await;
    put(&client, "a", json!({})).await;
    let id = put(&client, "b", json!({})).await;
    let found = messages(&client, &url).await;
    assert_eq!(found.iter().map(|m| body(m)["id"].clone()).collect::<Vec<_>>(), [json!(id)]);
    let refused = client.call("events", "DeleteRule", json!({"Name": "r"})).await;
    assert_eq!(refused.json["message"], "Rule can't be deleted since it has targets.");
    let removed = client.call("events", "RemoveTargets", json!({"Rule": "r", "Ids": ["t", "u"]})).await.ok();
    assert_eq!((&removed["FailedEntryCount"], &removed["FailedEntries"][0]["TargetId"]), (&json!(1), &json!("u")));
    client.call("events", "DeleteRule", json!({"Name": "r"})).await.ok();
    put(&client, "b", json!({})).await;
    assert!(receive(&client, &url, 1).await.is_empty());
}

#[tokio::test]
async fn a_schedule_follows_the_clock() {
    let cloud = cloud().await;
    let client = cloud.client();
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set("2026-03-01T12:00:30Z".parse().unwrap());
    let (url, queue) = queue(&client, "q").await;
    let daily = json!({"Name": "daily", "ScheduleExpression": "cron(15 12 ? * MON-FRI *)"});
    client.call("events", "PutRule", daily).await.ok();
    let often = json!({"Name": "often", "ScheduleExpression": "rate(5 minutes)", "State": "DISABLED"});
    client.call("events", "PutRule", often.clone()).await.ok();
    target(&client, "daily", json!({"Id": "t", "Arn": queue})).await;
    target(&client, "often", json!({"Id": "t", "Arn": queue})).await;
    // A Sunday, and a rule that is off.
    cloud.kernel.advance(Duration::from_secs(3600)).await.unwrap();
    assert!(receive(&client, &url, 0).await.is_empty());
    client.call("events", "EnableRule", json!({"Name": "often"})).await.ok();
    cloud.kernel.advance(Duration::from_secs(600)).await.unwrap();
    let found = receive(&client, &url, 0).await;
    let mut times: Vec<String> = found.iter().map(|m| body(m)["time"].as_str().unwrap().to_owned()).collect();
    times.sort();
    assert_eq!(times, ["2026-03-01T13:05:30Z", "2026-03-01T13:10:30Z"]);
    let first = body(&found[0]);
    assert_eq!(
        (&first["source"], &first["detail-type"], &first["detail"], &first["resources"]),
        (&json!("aws.events"), &json!("Scheduled Event"), &json!({}), &json!([arn("events", "rule/often")]))
    );
    client.call("events", "DisableRule", json!({"Name": "often"})).await.ok();
    cloud.kernel.advance(Duration::from_secs(86_400)).await.unwrap();
    let found = receive(&client, &url, 0).await;
    assert_eq!(found.iter().map(|m| body(m)["time"].clone()).collect::<Vec<_>>(), ["2026-03-02T12:15:00Z"]);
}

#[tokio::test]
async fn each_bus_has_rules_of_its_own() {
    let cloud = cloud().await;
    let client = cloud.client();
    let (url, queue) = queue(&client, "q").await;
    client.call("events", "CreateEventBus", json!({"Name": "shop"})).await.ok();
    let bus = arn("events", "event-bus/shop");
    let input = json!({"Name": "r", "EventBusName": bus, "EventPattern": "{\"source\":[\"a\"]}"});
    let made = client.call("events", "PutRule", input).await.ok();
    assert_eq!(made["RuleArn"], arn("events", "rule/shop/r"));
    let input = json!({"Rule": "r", "EventBusName": "shop", "Targets": [{"Id": "t", "Arn": queue}]});
    client.call("events", "PutTargets", input).await.ok();
    put(&client, "a", json!({})).await;
    let mut on_bus = entry("a", &json!({"n": 1}));
    on_bus["EventBusName"] = json!("shop");
    let mut nowhere = entry("a", &json!({"n": 2}));
    nowhere["EventBusName"] = json!("gone");
    let answer = client.call("events", "PutEvents", json!({"Entries": [on_bus, nowhere]})).await.ok();
    assert_eq!(answer["FailedEntryCount"], 0, "an event for a bus that is not there is dropped, as on AWS");
    let found = messages(&client, &url).await;
    assert_eq!(found.iter().map(|m| body(m)["detail"]["n"].clone()).collect::<Vec<_>>(), [json!(1)]);
    let asked = json!({"TargetArn": queue, "EventBusName": "shop"});
    let named = client.call("events", "ListRuleNamesByTarget", asked).await.ok();
    assert_eq!(named["RuleNames"], json!(["r"]));
    let refused = client.call("events", "DeleteEventBus", json!({"Name": "shop"})).await;
    assert_eq!(refused.code(), "ValidationException");
    let force = json!({"Rule": "r", "EventBusName": "shop", "Ids": ["t"], "Force": true});
    client.call("events", "RemoveTargets", force).await.ok();
    client.call("events", "DeleteRule", json!({"Name": "r", "EventBusName": "shop", "Force": true})).await.ok();
    client.call("events", "DeleteEventBus", json!({"Name": "shop"})).await.ok();
    let gone = client.call("events", "DescribeEventBus", json!({"Name": "shop"})).await;
    assert_eq!(
        (gone.code(), &gone.json["message"]),
        ("ResourceNotFoundException", &json!("Event bus shop does not exist."))
    );
}

#[tokio::test]
async fn lists_have_pages() {
    let cloud = cloud().await;
    let client = cloud.client();
    for n in 0..3 {
        client.call("events", "CreateEventBus", json!({"Name": format!("b{n}")})).await.ok();
        rule(&client, &format!("r{n}"), &json!({"source": ["a"]})).await;
        target(&client, "r0", json!({"Id": format!("t{n}"), "Arn": arn("sqs", "q")})).await;
    }
    let everywhere = [
        ("ListEventBuses", json!({"NamePrefix": "b"}), "EventBuses", "Name", ["b0", "b1", "b2"]),
        ("ListRules", json!({"NamePrefix": "r"}), "Rules", "Name", ["r0", "r1", "r2"]),
        ("ListTargetsByRule", json!({"Rule": "r0"}), "Targets", "Id", ["t0", "t1", "t2"]),
    ];
    for (operation, mut input, list, name, wanted) in everywhere {
        input["Limit"] = json!(2);
        let first = client.call("events", operation, input.clone()).await.ok();
        input["NextToken"] = first["NextToken"].clone();
        let second = client.call("events", operation, input.clone()).await.ok();
        let names: Vec<_> =
            [&first, &second].iter().flat_map(|p| p[list].as_array().unwrap()).map(|i| i[name].clone()).collect();
        assert_eq!((names, second.get("NextToken")), (wanted.map(|w| json!(w)).to_vec(), None), "{operation}");
        input["NextToken"] = json!("bm9uc2Vuc2U=");
        assert_eq!(client.call("events", operation, input).await.code(), "ValidationException", "{operation}");
    }
    target(&client, "r2", json!({"Id": "t", "Arn": arn("sqs", "q")})).await;
    let input = json!({"TargetArn": arn("sqs", "q"), "Limit": 1});
    let first = client.call("events", "ListRuleNamesByTarget", input.clone()).await.ok();
    let mut input = input;
    input["NextToken"] = first["NextToken"].clone();
    let second = client.call("events", "ListRuleNamesByTarget", input).await.ok();
    assert_eq!((&first["RuleNames"], &second["RuleNames"]), (&json!(["r0"]), &json!(["r2"])));
}
