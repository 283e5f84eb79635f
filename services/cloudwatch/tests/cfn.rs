//! The resource types as CloudFormation drives them.

use serde_json::{Value as Json, json};
use undercast_cloudwatch::CloudWatch;
use undercast_kernel::Service as _;
use undercast_kernel::resources::{Properties, ResourceRequest, ResourceType, Updated};
use undercast_testkit::Client;

use crate::at_noon;

fn properties(json: &Json) -> Properties {
    json.as_object().unwrap().clone()
}

fn request(json: &Json) -> ResourceRequest {
    ResourceRequest {
        stack: "shop".into(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop/1".into(),
        logical_id: "Watch".into(),
        properties: properties(json),
        tags: vec![("stack".into(), "shop".into())],
    }
}

fn kind(name: &str) -> Box<dyn ResourceType> {
    let name = format!("AWS::CloudWatch::{name}");
    CloudWatch.resource_types().into_iter().find(|kind| kind.name() == name).unwrap()
}

async fn tags(client: &Client, arn: &str) -> Json {
    client.call("cloudwatch", "ListTagsForResource", json!({"ResourceARN": arn})).await.ok()["Tags"].clone()
}

#[tokio::test]
async fn a_template_makes_changes_and_removes_alarms() {
    let cloud = at_noon().await;
    let client = cloud.client();
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let (metric, composite) = (kind("Alarm"), kind("CompositeAlarm"));
    let before = json!({"Namespace": "Shop", "MetricName": "Sales", "Statistic": "Sum", "Period": "60", "EvaluationPeriods": "2",
        "Threshold": "5", "ComparisonOperator": "GreaterThanThreshold", "ActionsEnabled": "false", "Dimensions": [{"Name": "a", "Value": "b"}],
        "Tags": [{"Key": "team", "Value": "shop"}]});
    let made = metric.create(&cx, &request(&before)).await.unwrap();
    assert!(made.id.starts_with("shop-Watch-"), "{}", made.id);
    let arn = format!("arn:aws:cloudwatch:us-east-1:000000000000:alarm:{}", made.id);
    assert_eq!(made.attributes["Arn"], arn);
    assert_eq!(tags(&client, &arn).await, json!([{"Key": "stack", "Value": "shop"}, {"Key": "team", "Value": "shop"}]));
    let mut now = before.clone();
    now["Threshold"] = json!(7);
    now.as_object_mut().unwrap().remove("Tags");
    let updated = metric.update(&cx, &made.id, &properties(&before), &request(&now)).await.unwrap();
    assert!(matches!(updated, Updated::InPlace(resource) if resource.id == made.id));
    let shown = client.call("cloudwatch", "DescribeAlarms", json!({})).await.ok()["MetricAlarms"][0].clone();
    assert_eq!((&shown["Threshold"], &shown["ActionsEnabled"]), (&json!(7.0), &json!(false)));
    assert_eq!(tags(&client, &arn).await, json!([{"Key": "stack", "Value": "shop"}]));

    let rule = json!({"AlarmName": "both", "AlarmRule": format!("ALARM({})", made.id)});
    let over = composite.create(&cx, &request(&rule)).await.unwrap();
    assert_eq!(over.attributes["Arn"], "arn:aws:cloudwatch:us-east-1:000000000000:alarm:both");
    let other = json!({"AlarmName": "both", "AlarmRule": "TRUE", "AlarmDescription": "always"});
    composite.update(&cx, &over.id, &properties(&rule), &request(&other)).await.unwrap();
    let input = json!({"AlarmTypes": ["CompositeAlarm"]});
    let shown = client.call("cloudwatch", "DescribeAlarms", input).await.ok()["CompositeAlarms"][0].clone();
    assert_eq!((&shown["AlarmDescription"], &shown["StateValue"]), (&json!("always"), &json!("ALARM")));
    for _ in 0..2 {
        composite.delete(&cx, &over.id, &properties(&other)).await.unwrap();
        metric.delete(&cx, &made.id, &properties(&now)).await.unwrap();
    }
    let left = client.call("cloudwatch", "DescribeAlarms", json!({})).await.ok();
    assert_eq!(left["MetricAlarms"], json!([]));
}

#[tokio::test]
async fn a_template_makes_changes_and_removes_a_dashboard() {
    let cloud = at_noon().await;
    let client = cloud.client();
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let kind = kind("Dashboard");
    let before = json!({"DashboardBody": "{\"widgets\": []}"});
    let made = kind.create(&cx, &request(&before)).await.unwrap();
    let now = json!({"DashboardBody": "{\"widgets\": [], \"start\": \"-PT1H\"}", "Tags": [{"Key": "a", "Value": "b"}]});
    kind.update(&cx, &made.id, &properties(&before), &request(&now)).await.unwrap();
    let shown = client.call("cloudwatch", "GetDashboard", json!({"DashboardName": made.id})).await.ok();
    assert_eq!(shown["DashboardBody"], now["DashboardBody"]);
    let arn = shown["DashboardArn"].as_str().unwrap();
    assert_eq!(tags(&client, arn).await, json!([{"Key": "a", "Value": "b"}, {"Key": "stack", "Value": "shop"}]));
    for _ in 0..2 {
        kind.delete(&cx, &made.id, &properties(&now)).await.unwrap();
    }
    assert_eq!(client.call("cloudwatch", "GetDashboard", json!({"DashboardName": made.id})).await.status, 404);
}

#[tokio::test]
async fn a_template_makes_changes_and_removes_a_mute_rule() {
    let cloud = at_noon().await;
    let client = cloud.client();
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let kind = kind("AlarmMuteRule");
    let before = json!({"Name": "m", "Rule": {"Schedule": {"Expression": "cron(0 2 * * *)", "Duration": "PT4H"}}, "StartDate": "2026-04-15T08:00:00Z",
        "ExpireDate": "2026-12-31T23:59:59Z", "Description": "nights"});
    let made = kind.create(&cx, &request(&before)).await.unwrap();
    assert_eq!(made.id, "arn:aws:cloudwatch:us-east-1:000000000000:alarm-mute-rule:m");
    assert_eq!((&made.attributes["Status"], &made.attributes["MuteType"]), (&json!("SCHEDULED"), &json!("RECURRING")));
    let now = json!({"Name": "m", "Rule": {"Schedule": {"Expression": "at(2026-03-01T12:00)", "Duration": "PT4H"}}});
    let updated = kind.update(&cx, &made.id, &properties(&before), &request(&now)).await.unwrap();
    assert!(matches!(updated, Updated::InPlace(resource) if resource.attributes["Status"] == "ACTIVE"));
    assert_eq!(tags(&client, &made.id).await, json!([{"Key": "stack", "Value": "shop"}]));
    for _ in 0..2 {
        kind.delete(&cx, &made.id, &properties(&now)).await.unwrap();
    }
}
