//! The resource types as CloudFormation drives them.

use super::*;

/// Makes or changes the stack and says how it ended.
async fn stack(client: &Client, operation: &str, template: &Json) -> Json {
    let input =
        json!({"StackName": "shop", "TemplateBody": template.to_string(), "Tags": [{"Key": "stack", "Value": "shop"}]});
    client.call("cloudformation", operation, input).await.ok();
    let shown = async || {
        client.call("cloudformation", "DescribeStacks", json!({"StackName": "shop"})).await.ok()["Stacks"][0].clone()
    };
    until("the stack stands", async || {
        let status = shown().await["StackStatus"].as_str().unwrap().to_owned();
        !status.ends_with("IN_PROGRESS")
    })
    .await;
    shown().await
}

fn outputs(stack: &Json) -> Json {
    let all = stack["Outputs"].as_array().unwrap().iter();
    all.map(|o| (o["OutputKey"].as_str().unwrap().to_owned(), o["OutputValue"].clone())).collect()
}

fn template(words: &str, property: &str, registry: &str) -> Json {
    let content =
        open_api("Order", &json!({"Order": {"type": "object", "properties": {property: {"type": "string"}}}}));
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "schemas:DescribeRegistry", "Resource": "*"}]});
    let value = |what: Json| json!({"Value": what});
    json!({
        "Resources": {
            "Registry": {"Type": "AWS::EventSchemas::Registry", "Properties": {"RegistryName": registry, "Description": words, "Tags": [{"Key": "team", "Value": words}]}},
            "Schema": {"Type": "AWS::EventSchemas::Schema", "Properties": {"RegistryName": {"Fn::GetAtt": ["Registry", "RegistryName"]}, "SchemaName": "Order",
                "Type": "OpenApi3", "Content": content, "Description": words, "Tags": [{"Key": "team", "Value": words}]}},
            "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "shop"}},
            "Discoverer": {"Type": "AWS::EventSchemas::Discoverer", "Properties": {"SourceArn": {"Fn::GetAtt": ["Bus", "Arn"]}, "Description": words,
                "CrossAccount": words == "one", "Tags": [{"Key": "team", "Value": words}]}},
            "Policy": {"Type": "AWS::EventSchemas::RegistryPolicy", "Properties": {"RegistryName": {"Fn::GetAtt": ["Registry", "RegistryName"]}, "Policy": policy}},
        },
        "Outputs": {
            "Registry": value(json!({"Ref": "Registry"})), "Schema": value(json!({"Ref": "Schema"})),
            "Version": value(json!({"Fn::GetAtt": ["Schema", "SchemaVersion"]})), "Discoverer": value(json!({"Ref": "Discoverer"})),
            "Id": value(json!({"Fn::GetAtt": ["Discoverer", "DiscovererId"]})), "Cross": value(json!({"Fn::GetAtt": ["Discoverer", "CrossAccount"]})),
            "Policy": value(json!({"Ref": "Policy"})), "Revision": value(json!({"Fn::GetAtt": ["Policy", "Id"]})),
            "Changed": value(json!({"Fn::GetAtt": ["Schema", "LastModified"]})),
        },
    })
}

#[tokio::test]
async fn a_stack_has_registries_schemas_discoverers_and_policies() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let made = stack(&client, "CreateStack", &template("one", "a", "r")).await;
    assert_eq!(made["StackStatus"], "CREATE_COMPLETE", "{made}");
    let out = outputs(&made);
    assert_eq!(out["Registry"], "arn:aws:schemas:us-east-1:000000000000:registry/r");
    assert_eq!(out["Schema"], "arn:aws:schemas:us-east-1:000000000000:schema/r/Order");
    assert_eq!(out["Discoverer"], "arn:aws:schemas:us-east-1:000000000000:discoverer/events-event-bus-shop");
    assert_eq!(
        (&out["Version"], &out["Id"], &out["Policy"]),
        (&json!("1"), &json!("events-event-bus-shop"), &json!("r"))
    );
    let got = ok(&client, "GetResourcePolicy", json!({"RegistryName": "r"})).await;
    assert_eq!(got["RevisionId"], out["Revision"]);
    let changed = stack(&client, "UpdateStack", &template("two", "b", "r")).await;
    assert_eq!(changed["StackStatus"], "UPDATE_COMPLETE", "{changed}");
    let out = outputs(&changed);
    assert_eq!((&out["Version"], &out["Cross"]), (&json!("2"), &json!("false")));
    let registry = ok(&client, "DescribeRegistry", json!({"RegistryName": "r"})).await;
    assert_eq!(registry["Description"], "two");
    assert_eq!(registry["Tags"], json!({"stack": "shop", "team": "two"}));
    let schema = ok(&client, "DescribeSchema", json!({"RegistryName": "r", "SchemaName": "Order"})).await;
    assert_eq!((&schema["Description"], &schema["Tags"]["team"]), (&json!("two"), &json!("two")));
    let discoverer = ok(&client, "DescribeDiscoverer", json!({"DiscovererId": "events-event-bus-shop"})).await;
    assert_eq!((&discoverer["Description"], &discoverer["CrossAccount"]), (&json!("two"), &json!(false)));
    // A new name is a new registry, with a schema and a policy of its own.
    let moved = stack(&client, "UpdateStack", &template("two", "b", "other")).await;
    assert_eq!(moved["StackStatus"], "UPDATE_COMPLETE", "{moved}");
    assert_eq!(outputs(&moved)["Policy"], "other");
    ok(&client, "GetResourcePolicy", json!({"RegistryName": "other"})).await;
    until("the old one is gone", async || {
        refused(&client, "DescribeRegistry", json!({"RegistryName": "r"})).await.0 == "NotFoundException"
    })
    .await;
    client.call("cloudformation", "DeleteStack", json!({"StackName": "shop"})).await.ok();
    until("all is gone", async || {
        let registry = refused(&client, "DescribeRegistry", json!({"RegistryName": "other"})).await.0;
        let bus = client.call("events", "DescribeEventBus", json!({"Name": "shop"})).await;
        registry == "NotFoundException" && bus.code() == "ResourceNotFoundException"
    })
    .await;
}
