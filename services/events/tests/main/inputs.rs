//! What targets get of events.

use serde_json::json;

use super::{arn, cloud, messages, put, queue, rule, target};

#[tokio::test]
async fn targets_get_what_they_are_said_to_get() {
    let cloud = cloud().await;
    let client = cloud.client();
    let fixed = queue(&client, "fixed").await;
    let part = queue(&client, "part").await;
    let text = queue(&client, "text").await;
    let document = queue(&client, "document").await;
    let nothing = queue(&client, "nothing").await;
    rule(&client, "r", &json!({"source": ["a"]})).await;
    target(&client, "r", json!({"Id": "fixed", "Arn": fixed.1, "Input": "{\"a\": 1}"})).await;
    target(&client, "r", json!({"Id": "part", "Arn": part.1, "InputPath": "$.detail.list[1]"})).await;
    let template = "\"<kind> of <who>, <gone>by <aws.events.rule-name> at <aws.events.rule-arn>\"";
    let paths = json!({"kind": "$.detail-type", "who": "$.detail.who", "gone": "$.detail.gone"});
    target(
        &client,
        "r",
        json!({"Id": "text", "Arn": text.1, "InputTransformer": {"InputPathsMap": paths, "InputTemplate": template}}),
    )
    .await;
    let template = r#"{"who": <who>, "said": "<who>", "list": <list>, "gone": <gone>, "event": <aws.events.event>, "json": <aws.events.event.json>}"#;
    let paths = json!({"who": "$.detail.who", "list": "$.detail.list", "gone": "$.detail.gone"});
    target(&client, "r", json!({"Id": "document", "Arn": document.1, "InputTransformer": {"InputPathsMap": paths, "InputTemplate": template}})).await;
    target(&client, "r", json!({"Id": "nothing", "Arn": nothing.1, "InputPath": "$.detail.gone"})).await;
    let id = put(&client, "a", json!({"who": "me \"and\" you", "list": [1, {"x": "y"}]})).await;
    assert_eq!(messages(&client, &fixed.0).await[0]["Body"], "{\"a\": 1}");
    assert_eq!(messages(&client, &part.0).await[0]["Body"], "{\"x\":\"y\"}");
    assert_eq!(messages(&client, &nothing.0).await[0]["Body"], "null");
    let said = format!("\"kind of me \"and\" you, by r at {}\"", arn("events", "rule/r"));
    assert_eq!(messages(&client, &text.0).await[0]["Body"], said.as_str());
    let got = super::body(&messages(&client, &document.0).await[0]);
    assert_eq!(
        (&got["who"], &got["said"], &got["list"], &got["gone"]),
        (&json!("me \"and\" you"), &json!("me \"and\" you"), &json!([1, {"x": "y"}]), &json!(""))
    );
    assert_eq!(
        (&got["event"]["id"], &got["event"]["detailType"], &got["event"]["detail"]),
        (&json!(id), &json!("kind"), &json!(null))
    );
    assert_eq!((&got["json"]["id"], &got["json"]["detail"]["list"][0]), (&json!(id), &json!(1)));
}
