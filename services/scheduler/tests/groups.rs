//! Groups and their tags.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_group_goes_with_its_schedules() {
    let (cloud, client, url) = noon().await;
    let made =
        ok(&client, "CreateScheduleGroup", json!({"Name": "g", "Tags": [{"Key": "team", "Value": "shop"}]})).await;
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g";
    assert_eq!(made["ScheduleGroupArn"], arn);
    let shown = ok(&client, "GetScheduleGroup", json!({"Name": "g"})).await;
    assert_eq!((&shown["Arn"], &shown["Name"], &shown["State"]), (&json!(arn), &json!("g"), &json!("ACTIVE")));
    for number in 0..150 {
        create(&client, "cron(0 13 * * ? *)", json!({"Name": format!("s{number}"), "GroupName": "g"})).await;
    }
    create(&client, "cron(0 13 * * ? *)", json!({})).await;
    ok(&client, "DeleteScheduleGroup", json!({"Name": "g"})).await;
    // The clock stands still, and so the rest of them waits.
    assert_eq!(ok(&client, "GetScheduleGroup", json!({"Name": "g"})).await["State"], "DELETING");
    for (operation, input) in [
        ("CreateSchedule", schedule("rate(1 day)", &json!({"GroupName": "g"}))),
        ("UpdateSchedule", schedule("rate(1 day)", &json!({"GroupName": "g", "Name": "s99"}))),
        ("DeleteScheduleGroup", json!({"Name": "g"})),
        ("CreateScheduleGroup", json!({"Name": "g"})),
        ("TagResource", json!({"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "b"}]})),
        ("UntagResource", json!({"ResourceArn": arn, "TagKeys": ["team"]})),
    ] {
        assert_eq!(refused(&client, operation, input).await.0, "ConflictException", "{operation}");
    }
    pass(&cloud, 5).await;
    assert_eq!(refused(&client, "GetScheduleGroup", json!({"Name": "g"})).await.0, "ResourceNotFoundException");
    pass(&cloud, 3600).await;
    assert_eq!(bodies(&client, &url).await.len(), 1);
    assert_eq!(refused(&client, "DeleteScheduleGroup", json!({"Name": "g"})).await.0, "ResourceNotFoundException");
    assert_eq!(refused(&client, "DeleteScheduleGroup", json!({"Name": "default"})).await.0, "ValidationException");
    assert_eq!(refused(&client, "CreateScheduleGroup", json!({"Name": "default"})).await.0, "ConflictException");
}

#[tokio::test]
async fn groups_are_listed_with_the_default_one() {
    let (_cloud, client, _) = noon().await;
    for name in ["a", "d", "z"] {
        ok(&client, "CreateScheduleGroup", json!({"Name": name})).await;
    }
    let list = async |input: Json| {
        let found = ok(&client, "ListScheduleGroups", input).await;
        let names = found["ScheduleGroups"].as_array().unwrap().iter().map(|g| g["Name"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>(), found["NextToken"].clone())
    };
    assert_eq!(list(json!({})).await.0, ["a", "d", "default", "z"]);
    assert_eq!(list(json!({"NamePrefix": "d"})).await.0, ["d", "default"]);
    let (first, token) = list(json!({"MaxResults": 3})).await;
    assert_eq!(first.len(), 3);
    assert_eq!(list(json!({"MaxResults": 3, "NextToken": token})).await.0, ["z"]);
    assert_eq!(refused(&client, "ListScheduleGroups", json!({"NextToken": "x"})).await.0, "ValidationException");
    let default = ok(&client, "GetScheduleGroup", json!({"Name": "default"})).await;
    assert_eq!(default["State"], "ACTIVE");
    assert_eq!(ok(&client, "GetScheduleGroup", json!({"Name": "default"})).await, default);
}

#[tokio::test]
async fn groups_have_tags() {
    let (_cloud, client, _) = noon().await;
    let arn = ok(&client, "CreateScheduleGroup", json!({"Name": "g", "Tags": [{"Key": "a", "Value": "1"}]})).await["ScheduleGroupArn"].clone();
    ok(
        &client,
        "TagResource",
        json!({"ResourceArn": arn, "Tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}]}),
    )
    .await;
    let tags = async |arn: &Json| ok(&client, "ListTagsForResource", json!({"ResourceArn": arn})).await["Tags"].clone();
    assert_eq!(tags(&arn).await, json!([{"Key": "a", "Value": "3"}, {"Key": "b", "Value": "2"}]));
    ok(&client, "UntagResource", json!({"ResourceArn": arn, "TagKeys": ["a", "x"]})).await;
    assert_eq!(tags(&arn).await, json!([{"Key": "b", "Value": "2"}]));
    let default = json!("arn:aws:scheduler:us-east-1:000000000000:schedule-group/default");
    ok(&client, "TagResource", json!({"ResourceArn": default, "Tags": [{"Key": "c", "Value": "4"}]})).await;
    assert_eq!(tags(&default).await, json!([{"Key": "c", "Value": "4"}]));
    let reserved = json!({"ResourceArn": arn, "Tags": [{"Key": "aws:x", "Value": "1"}]});
    assert_eq!(refused(&client, "TagResource", reserved).await.0, "ValidationException");
    let many: Vec<Json> = (0..50).map(|n| json!({"Key": format!("k{n}"), "Value": "v"})).collect();
    assert_eq!(
        refused(&client, "TagResource", json!({"ResourceArn": arn, "Tags": many})).await.0,
        "ValidationException"
    );
    let gone = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/gone";
    for (operation, more) in [
        ("ListTagsForResource", json!({})),
        ("TagResource", json!({"Tags": []})),
        ("UntagResource", json!({"TagKeys": ["a"]})),
    ] {
        let input = merged(json!({"ResourceArn": gone}), &more);
        assert_eq!(refused(&client, operation, input).await.0, "ResourceNotFoundException", "{operation}");
    }
}
