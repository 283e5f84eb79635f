//! The resource type as CloudFormation drives it.

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
        logical_id: "Pipe".into(),
        properties: properties(json),
        tags: vec![("stack".into(), "shop".into())],
    }
}

fn kind() -> Box<dyn ResourceType> {
    Pipes::default().resource_types().remove(0)
}

#[tokio::test]
async fn a_template_makes_changes_and_removes_pipes() {
    let setup = setup().await;
    let cx = setup.cloud.kernel.cx_for("000000000000", "us-east-1");
    let pipes = kind();
    assert_eq!(pipes.name(), "AWS::Pipes::Pipe");
    let before = pipe(
        &json!({"Name": null, "Description": "words", "DesiredState": "STOPPED", "Enrichment": FUNCTION, "Tags": {"team": "shop"},
        "EnrichmentParameters": {"InputTemplate": "<$.body>"}, "TargetParameters": {"InputTemplate": "<$.x>", "SqsQueueParameters": {}},
        "SourceParameters": {"FilterCriteria": {"Filters": []}, "SqsQueueParameters": {"BatchSize": 3}}}),
    );
    let made = pipes.create(&cx, &request(&before)).await.unwrap();
    assert!(made.id.starts_with("shop-Pipe-"));
    assert_eq!(
        (&made.attributes["CurrentState"], &made.attributes["StateReason"]),
        (&json!("STOPPED"), &json!("USER_INITIATED"))
    );
    assert!(made.attributes["CreationTime"].is_string() && made.attributes["LastModifiedTime"].is_string());
    let pipe_arn = made.attributes["Arn"].clone();
    let now = pipe(&json!({"Name": null, "TargetParameters": {"InputTemplate": "<$.body>"}}));
    let updated = pipes.update(&cx, &made.id, &properties(&before), &request(&now)).await.unwrap();
    assert!(matches!(&updated, Updated::InPlace(resource) if resource.attributes["CurrentState"] == "RUNNING"));
    let shown = ok(&setup.client, "DescribePipe", json!({"Name": made.id})).await;
    assert_eq!((&shown["Description"], shown.get("Enrichment")), (&json!(""), None));
    assert_eq!(shown["SourceParameters"]["FilterCriteria"], json!({"Filters": []}));
    assert_eq!(shown["TargetParameters"], json!({"InputTemplate": "<$.body>", "SqsQueueParameters": {}}));
    let tags = ok(&setup.client, "ListTagsForResource", json!({"resourceArn": pipe_arn})).await;
    assert_eq!(tags["tags"], json!({"stack": "shop"}));
    setup.send("x").await;
    assert_eq!(setup.come(1).await, ["x"]);
    for _ in 0..2 {
        pipes.delete(&cx, &made.id, &properties(&now)).await.unwrap();
    }
    assert_eq!(refused(&setup.client, "DescribePipe", json!({"Name": made.id})).await.0, "NotFoundException");
}

#[tokio::test]
async fn a_pipe_that_does_not_come_to_run_fails_its_stack() {
    let setup = setup().await;
    let cx = setup.cloud.kernel.cx_for("000000000000", "us-east-1");
    let failed = kind().create(&cx, &request(&pipe(&json!({"Source": arn("gone")})))).await.unwrap_err();
    let words = "Resource of type 'AWS::Pipes::Pipe' with identifier 'p' did not stabilize. Status Reason is Input parameter is invalid";
    assert!(failed.to_string().contains(words), "{failed}");
    // Where a stream begins is not changed in place.
    let stream = |position: &str| {
        pipe(&json!({"Source": "arn:aws:kinesis:us-east-1:000000000000:stream/s",
            "SourceParameters": {"KinesisStreamParameters": {"StartingPosition": position}}}))
    };
    let updated =
        kind().update(&cx, "p", &properties(&stream("LATEST")), &request(&stream("TRIM_HORIZON"))).await.unwrap();
    assert!(matches!(updated, Updated::NeedsReplacement));
}
