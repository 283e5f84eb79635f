//! The resource types as CloudFormation drives them.

use super::*;

async fn stack(cloud: &Cloud, client: &Client, operation: &str, resources: Json) -> Json {
    let template = json!({"Resources": resources, "Outputs": {"Ref": {"Value": {"Ref": "Secret"}}, "Id": {"Value": {"Fn::GetAtt": ["Secret", "Id"]}}}});
    client
        .call("cloudformation", operation, json!({"StackName": "st", "TemplateBody": template.to_string()}))
        .await
        .ok();
    pass(cloud, 1).await;
    let found = client.call("cloudformation", "DescribeStacks", json!({"StackName": "st"})).await.ok();
    found["Stacks"][0].clone()
}

#[tokio::test]
async fn a_template_makes_changes_and_removes_secrets() {
    let functions = Functions::default();
    let (cloud, client) = noon_with(functions.clone()).await;
    let generate = json!({"SecretStringTemplate": "{\"username\": \"admin\"}", "GenerateStringKey": "password", "PasswordLength": 20,
        "ExcludePunctuation": true});
    let secret = |more: Json| {
        let mut properties = json!({"Description": "words", "Tags": [{"Key": "a", "Value": "b"}]});
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"Type": "AWS::SecretsManager::Secret", "Properties": properties})
    };
    let policy = |account: &str| {
        json!({"Type": "AWS::SecretsManager::ResourcePolicy", "Properties": {"SecretId": {"Ref": "Secret"},
        "BlockPublicPolicy": true, "ResourcePolicy": serde_json::from_str::<Json>(&policies::allowing(account)).unwrap()}})
    };
    let schedule = |days: u32| {
        json!({"Type": "AWS::SecretsManager::RotationSchedule", "Properties": {"SecretId": {"Ref": "Secret"},
        "RotationLambdaARN": FUNCTION, "RotationRules": {"AutomaticallyAfterDays": days}, "RotateImmediatelyOnUpdate": false}})
    };
    let replicas = json!([{"Region": "eu-west-1"}]);
    let made = stack(
        &cloud,
        &client,
        "CreateStack",
        json!({
        "Secret": secret(json!({"GenerateSecretString": generate, "ReplicaRegions": replicas})),
        "Policy": policy("111111111111"), "Schedule": schedule(3)}),
    )
    .await;
    assert_eq!(made["StackStatus"], "CREATE_COMPLETE", "{made}");
    let output = |stack: &Json, key: &str| {
        let all = stack["Outputs"].as_array().unwrap().iter().find(|o| o["OutputKey"] == key).unwrap();
        all["OutputValue"].as_str().unwrap().to_owned()
    };
    let arn = output(&made, "Ref");
    assert_eq!(output(&made, "Id"), arn);
    let shown = describe(&client, &arn).await;
    assert!(shown["Name"].as_str().unwrap().starts_with("Secret-"), "{shown}");
    assert_eq!(
        (&shown["RotationRules"]["AutomaticallyAfterDays"], &shown["ReplicationStatus"][0]["Status"]),
        (&json!(3), &json!("InSync"))
    );
    assert!(shown["Tags"].as_array().unwrap().contains(&json!({"Key": "a", "Value": "b"})));
    let value: Json = serde_json::from_str(get(&client, &arn).await["SecretString"].as_str().unwrap()).unwrap();
    assert_eq!((&value["username"], value["password"].as_str().unwrap().len()), (&json!("admin"), 20));
    assert_eq!(functions.steps(), ["testSecret"]);
    let updated = stack(
        &cloud,
        &client,
        "UpdateStack",
        json!({
        "Secret": secret(json!({"SecretString": "plain", "Description": "others", "Tags": []})),
        "Policy": policy("222222222222"), "Schedule": schedule(4)}),
    )
    .await;
    assert_eq!(updated["StackStatus"], "UPDATE_COMPLETE", "{updated}");
    assert_eq!(output(&updated, "Ref"), arn);
    let shown = describe(&client, &arn).await;
    assert_eq!((&shown["Description"], shown.get("ReplicationStatus")), (&json!("others"), None));
    assert_eq!(shown["RotationRules"]["AutomaticallyAfterDays"], 4);
    assert!(!shown["Tags"].as_array().is_some_and(|tags| tags.iter().any(|tag| tag["Key"] == "a")));
    assert_eq!(get(&client, &arn).await["SecretString"], "plain");
    let put = ok(&client, "GetResourcePolicy", json!({"SecretId": arn})).await;
    assert!(put["ResourcePolicy"].as_str().unwrap().contains("222222222222"));
    let bare = stack(&cloud, &client, "UpdateStack", json!({"Secret": secret(json!({"SecretString": "plain"}))})).await;
    assert_eq!(bare["StackStatus"], "UPDATE_COMPLETE", "{bare}");
    assert_eq!(describe(&client, &arn).await["RotationEnabled"], false);
    assert_eq!(ok(&client, "GetResourcePolicy", json!({"SecretId": arn})).await.get("ResourcePolicy"), None);
    // Another name is another secret.
    let named = stack(
        &cloud,
        &client,
        "UpdateStack",
        json!({"Secret": secret(json!({"SecretString": "plain", "Name": "named"}))}),
    )
    .await;
    assert_ne!(output(&named, "Ref"), arn);
    is_refused(&client, "DescribeSecret", json!({"SecretId": arn}), "ResourceNotFoundException", "").await;
    client.call("cloudformation", "DeleteStack", json!({"StackName": "st"})).await.ok();
    pass(&cloud, 1).await;
    is_refused(&client, "DescribeSecret", json!({"SecretId": "named"}), "ResourceNotFoundException", "").await;
}

#[tokio::test]
async fn what_is_not_here_is_refused_before_anything_is_made() {
    let (cloud, client) = noon().await;
    let secret = json!({"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "s"}});
    for (kind, properties) in [
        (
            "RotationSchedule",
            json!({"SecretId": {"Ref": "Secret"}, "HostedRotationLambda": {"RotationType": "MySQLSingleUser"}}),
        ),
        (
            "SecretTargetAttachment",
            json!({"SecretId": {"Ref": "Secret"}, "TargetType": "AWS::RDS::DBInstance", "TargetId": "db"}),
        ),
        ("Secret", json!({"Type": "partner"})),
    ] {
        let resources = json!({"Secret": secret, "Other": {"Type": format!("AWS::SecretsManager::{kind}"), "Properties": properties}});
        let input = json!({"StackName": "st", "TemplateBody": json!({"Resources": resources}).to_string()});
        let answer = client.call("cloudformation", "CreateStack", input).await;
        assert_eq!(answer.status, 501, "{kind}: {}", answer.json);
    }
    pass(&cloud, 1).await;
    is_refused(&client, "DescribeSecret", json!({"SecretId": "s"}), "ResourceNotFoundException", "").await;
    // Values that contradict each other fail the resource.
    for properties in [
        json!({"SecretString": "a", "GenerateSecretString": {}}),
        json!({"GenerateSecretString": {"SecretStringTemplate": "{}"}}),
        json!({"GenerateSecretString": {"SecretStringTemplate": "no json", "GenerateStringKey": "k"}}),
    ] {
        let resources = json!({"Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": properties}});
        let made = stack(&cloud, &client, "CreateStack", resources).await;
        assert_eq!(made["StackStatus"], "ROLLBACK_COMPLETE", "{made}");
        client.call("cloudformation", "DeleteStack", json!({"StackName": "st"})).await.ok();
        pass(&cloud, 1).await;
    }
}
