//! The resource types as CloudFormation drives them.

use undercast_kernel::resources::{Properties, ResourceRequest, ResourceType, Updated};
use undercast_s3::S3;

use super::*;

fn properties(json: &Json) -> Properties {
    json.as_object().unwrap().clone()
}

fn request(json: &Json) -> ResourceRequest {
    ResourceRequest {
        stack: "shop".into(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop/1".into(),
        logical_id: "Flow".into(),
        properties: properties(json),
        tags: vec![("stack".into(), "shop".into())],
    }
}

fn kind(name: &str) -> Box<dyn ResourceType> {
    let wanted = format!("AWS::StepFunctions::{name}");
    StepFunctions::default().resource_types().into_iter().find(|kind| kind.name() == wanted).unwrap()
}

fn passing(result: &str) -> Json {
    json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": result, "End": true}}})
}

#[tokio::test]
async fn a_template_makes_machines_versions_and_aliases() {
    let mut all = services();
    all.push(Arc::new(S3::default()));
    let cloud = Cloud::start(all).await;
    let client = cloud.client();
    role(&client, "states", &["*"]).await;
    client.call("logs", "CreateLogGroup", json!({"logGroupName": "/g"})).await.ok();
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let (machines, versions, aliases) = (kind("StateMachine"), kind("StateMachineVersion"), kind("StateMachineAlias"));
    let group = "arn:aws:logs:us-east-1:000000000000:log-group:/g:*";
    let before = json!({"DefinitionString": passing("${What}").to_string(), "DefinitionSubstitutions": {"What": "one"}, "RoleArn": ROLE, "StateMachineType": "STANDARD",
        "LoggingConfiguration": {"Level": "ALL", "IncludeExecutionData": "true", "Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": group}}]},
        "TracingConfiguration": {"Enabled": false}, "EncryptionConfiguration": {"Type": "AWS_OWNED_KEY"}, "Tags": [{"Key": "team", "Value": "x"}]});
    let made = machines.create(&cx, &request(&before)).await.unwrap();
    assert!(made.id.contains(":stateMachine:shop-Flow-"), "{}", made.id);
    assert_eq!(
        (&made.attributes["Arn"], &made.attributes["StateMachineRevisionId"]),
        (&json!(made.id), &json!("INITIAL"))
    );
    let found = ok(&client, "DescribeStateMachine", json!({"stateMachineArn": made.id})).await;
    assert!(found["definition"].as_str().unwrap().contains("\"one\""), "{found:#}");
    assert_eq!((&found["loggingConfiguration"]["level"], &found["name"]), (&json!("ALL"), &made.attributes["Name"]));
    let first = versions
        .create(
            &cx,
            &request(&json!({"StateMachineArn": made.id, "Description": "d", "StateMachineRevisionId": "INITIAL"})),
        )
        .await
        .unwrap();
    assert_eq!((&first.id, &first.attributes["Arn"]), (&format!("{}:1", made.id), &json!(first.id)));
    // The definition of an update is an object of S3.
    client.call("s3", "CreateBucket", json!({"Bucket": "defs"})).await.ok();
    let body = Some(passing("two").to_string().into_bytes().into());
    client.call_with_body("s3", "PutObject", json!({"Bucket": "defs", "Key": "d.json"}), body).await.ok();
    let now = json!({"DefinitionS3Location": {"Bucket": "defs", "Key": "d.json"}, "RoleArn": ROLE, "StateMachineType": "STANDARD"});
    let updated = machines.update(&cx, &made.id, &properties(&before), &request(&now)).await.unwrap();
    let Updated::InPlace(updated) = updated else { panic!("it stays where it is") };
    assert_ne!(updated.attributes["StateMachineRevisionId"], "INITIAL");
    let found = ok(&client, "DescribeStateMachine", json!({"stateMachineArn": made.id})).await;
    assert!(found["definition"].as_str().unwrap().contains("\"two\""), "{found:#}");
    assert_eq!(found["loggingConfiguration"]["level"], "OFF");
    let tags = ok(&client, "ListTagsForResource", json!({"resourceArn": made.id})).await;
    assert_eq!(tags["tags"], json!([{"key": "stack", "value": "shop"}]));
    let route = json!({"Name": "prod", "Description": "d", "RoutingConfiguration": [{"StateMachineVersionArn": first.id, "Weight": "100"}]});
    let alias = aliases.create(&cx, &request(&route)).await.unwrap();
    assert_eq!(alias.id, format!("{}:prod", made.id));
    let second = versions.create(&cx, &request(&json!({"StateMachineArn": made.id}))).await.unwrap();
    let preference =
        json!({"Name": "prod", "DeploymentPreference": {"StateMachineVersionArn": second.id, "Type": "ALL_AT_ONCE"}});
    aliases.update(&cx, &alias.id, &properties(&route), &request(&preference)).await.unwrap();
    let described = ok(&client, "DescribeStateMachineAlias", json!({"stateMachineAliasArn": alias.id})).await;
    assert_eq!(described["routingConfiguration"], json!([{"stateMachineVersionArn": second.id, "weight": 100}]));
    for _ in 0..2 {
        aliases.delete(&cx, &alias.id, &properties(&route)).await.unwrap();
        versions.delete(&cx, &second.id, &properties(&json!({}))).await.unwrap();
        machines.delete(&cx, &made.id, &properties(&now)).await.unwrap();
    }
    let both = json!({"Definition": passing("x"), "DefinitionString": "x", "RoleArn": ROLE});
    assert!(machines.create(&cx, &request(&both)).await.is_err());
    let object = machines
        .create(&cx, &request(&json!({"Definition": passing("x"), "RoleArn": ROLE, "StateMachineName": "named"})))
        .await
        .unwrap();
    assert_eq!(object.attributes["Name"], "named");
}

#[tokio::test]
async fn a_template_makes_activities() {
    let (cloud, client) = noon().await;
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let activities = kind("Activity");
    let before = json!({"Name": "a", "Tags": [{"Key": "team", "Value": "x"}], "EncryptionConfiguration": {"Type": "AWS_OWNED_KEY"}});
    let made = activities.create(&cx, &request(&before)).await.unwrap();
    assert_eq!(
        (made.id.as_str(), &made.attributes["Name"]),
        ("arn:aws:states:us-east-1:000000000000:activity:a", &json!("a"))
    );
    activities.update(&cx, &made.id, &properties(&before), &request(&json!({"Name": "a"}))).await.unwrap();
    let tags = ok(&client, "ListTagsForResource", json!({"resourceArn": made.id})).await;
    assert_eq!(tags["tags"], json!([{"key": "stack", "value": "shop"}]));
    activities.delete(&cx, &made.id, &properties(&before)).await.unwrap();
    assert_eq!(refused(&client, "DescribeActivity", json!({"activityArn": made.id})).await.0, "ActivityDoesNotExist");
}
