//! The resource types as CloudFormation drives them.

use serde_json::json;
use undercast_kernel::resources::{Properties, ResourceRequest, ResourceType, Updated};

use super::*;

fn properties(json: &Json) -> Properties {
    json.as_object().unwrap().clone()
}

fn request(json: &Json) -> ResourceRequest {
    ResourceRequest {
        stack: "shop".into(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop/1".into(),
        logical_id: "Nightly".into(),
        properties: properties(json),
        tags: vec![("stack".into(), "shop".into())],
    }
}

fn kind(name: &str) -> Box<dyn ResourceType> {
    Scheduler.resource_types().into_iter().find(|kind| kind.name() == name).unwrap()
}

#[tokio::test]
async fn a_template_makes_changes_and_removes_schedules_and_groups() {
    let (cloud, client, url) = noon().await;
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let (groups, schedules) = (kind("AWS::Scheduler::ScheduleGroup"), kind("AWS::Scheduler::Schedule"));
    let of_group = json!({"Tags": [{"Key": "team", "Value": "shop"}]});
    let group = groups.create(&cx, &request(&of_group)).await.unwrap();
    assert!(group.id.starts_with("shop-Nightly-"), "{}", group.id);
    let arn = format!("arn:aws:scheduler:us-east-1:000000000000:schedule-group/{}", group.id);
    assert_eq!((&group.attributes["Arn"], &group.attributes["State"]), (&json!(arn), &json!("ACTIVE")));
    assert_eq!(group.attributes["CreationDate"], group.attributes["LastModificationDate"]);
    groups.update(&cx, &group.id, &properties(&of_group), &request(&json!({}))).await.unwrap();
    let tags = ok(&client, "ListTagsForResource", json!({"ResourceArn": arn})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "stack", "Value": "shop"}]));

    let mut before = schedule(
        "rate(1 hour)",
        &json!({"Name": null, "GroupName": group.id, "State": "DISABLED", "StartDate": "2026-03-01T13:00:00.000Z"}),
    );
    let made = schedules.create(&cx, &request(&before)).await.unwrap();
    assert!(made.id.starts_with("shop-Nightly-"));
    let arn = format!("arn:aws:scheduler:us-east-1:000000000000:schedule/{}/{}", group.id, made.id);
    assert_eq!(made.attributes["Arn"], json!(arn));
    let mut now = before.clone();
    now.as_object_mut().unwrap().remove("State");
    now["Description"] = json!("words");
    let updated = schedules.update(&cx, &made.id, &properties(&before), &request(&now)).await.unwrap();
    assert!(matches!(updated, Updated::InPlace(resource) if resource.id == made.id));
    pass(&cloud, 3600).await;
    assert_eq!(bodies(&client, &url).await, ["2026-03-01T13:00:00Z"]);
    before.clone_from(&now);
    now.as_object_mut().unwrap().remove("GroupName");
    let moved = schedules.update(&cx, &made.id, &properties(&before), &request(&now)).await.unwrap();
    assert!(matches!(moved, Updated::NeedsReplacement));
    for _ in 0..2 {
        schedules.delete(&cx, &made.id, &properties(&before)).await.unwrap();
        groups.delete(&cx, &group.id, &properties(&of_group)).await.unwrap();
    }
    assert_eq!(refused(&client, "GetScheduleGroup", json!({"Name": group.id})).await.0, "ResourceNotFoundException");
}
