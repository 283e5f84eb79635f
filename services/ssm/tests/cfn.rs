//! Templates: parameters made by them, values of parameters that they take, and references to what is stored.

use super::*;

async fn deploy(cloud: &Cloud, client: &Client, operation: &str, template: &Json, parameters: Json) -> Json {
    let input = json!({"StackName": "st", "TemplateBody": template.to_string(), "Parameters": parameters});
    client.call("cloudformation", operation, input).await.ok();
    pass(cloud, 1).await;
    stack(client).await
}

async fn stack(client: &Client) -> Json {
    client.call("cloudformation", "DescribeStacks", json!({"StackName": "st"})).await.ok()["Stacks"][0].clone()
}

fn output(stack: &Json, key: &str) -> String {
    let all = stack["Outputs"].as_array().unwrap_or_else(|| panic!("no outputs: {stack}"));
    all.iter().find(|o| o["OutputKey"] == key).unwrap()["OutputValue"].as_str().unwrap().to_owned()
}

fn parameter(more: &Json) -> Json {
    json!({"Type": "AWS::SSM::Parameter", "Properties": merged(json!({"Type": "String", "Value": "one"}), more)})
}

async fn tags(client: &Client, name: &str) -> Json {
    ok(client, "ListTagsForResource", json!({"ResourceType": "Parameter", "ResourceId": name})).await["TagList"].clone()
}

#[tokio::test]
async fn a_template_makes_changes_and_removes_parameters() {
    let (cloud, client) = noon().await;
    let outputs = json!({"Ref": {"Value": {"Ref": "P"}}, "Value": {"Value": {"Fn::GetAtt": ["P", "Value"]}},
        "Type": {"Value": {"Fn::GetAtt": ["P", "Type"]}}, "Arn": {"Value": {"Fn::GetAtt": ["P", "Arn"]}}});
    let template = |more: &Json| json!({"Resources": {"P": parameter(more)}, "Outputs": outputs});
    let first = json!({"Description": "words", "AllowedPattern": "[a-z]+", "Tags": {"a": "1", "b": "2"}, "Tier": "Advanced",
        "Policies": json!([{"Type": "NoChangeNotification", "Version": "1.0", "Attributes": {"After": "1", "Unit": "Days"}}]).to_string(),
        "DataType": "text"});
    let made = deploy(&cloud, &client, "CreateStack", &template(&first), json!([])).await;
    let name = output(&made, "Ref");
    assert!(name.starts_with("CFN-P-"), "{name}");
    assert_eq!((output(&made, "Value"), output(&made, "Type")), ("one".to_owned(), "String".to_owned()));
    assert_eq!(output(&made, "Arn"), format!("arn:aws:ssm:us-east-1:000000000000:parameter/{name}"));
    let described = ok(&client, "DescribeParameters", json!({})).await["Parameters"][0].clone();
    assert_eq!((&described["Tier"], described["Policies"].as_array().unwrap().len()), (&json!("Advanced"), 1));
    assert_eq!(tags(&client, &name).await, json!([{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]));
    let second = json!({"Value": "2", "Tags": {"b": "3"}, "Tier": "Advanced"});
    let updated = deploy(&cloud, &client, "UpdateStack", &template(&second), json!([])).await;
    assert_eq!(updated["StackStatus"], "UPDATE_COMPLETE", "{updated}");
    assert_eq!((output(&updated, "Ref"), output(&updated, "Value")), (name.clone(), "2".to_owned()));
    let described = ok(&client, "DescribeParameters", json!({})).await["Parameters"][0].clone();
    assert_eq!(
        (&described["Policies"], described.get("AllowedPattern"), &described["Version"]),
        (&json!([]), None, &json!(2))
    );
    assert_eq!(tags(&client, &name).await, json!([{"Key": "b", "Value": "3"}]));
    let renamed = deploy(&cloud, &client, "UpdateStack", &template(&json!({"Name": "/named"})), json!([])).await;
    assert_eq!(output(&renamed, "Ref"), "/named");
    is_refused(&client, "GetParameter", json!({"Name": name}), "ParameterNotFound", "").await;
    let listed = deploy(&cloud, &client, "UpdateStack", &template(&json!({"Type": "StringList"})), json!([])).await;
    assert_eq!(output(&listed, "Type"), "StringList");
    client.call("cloudformation", "DeleteStack", json!({"StackName": "st"})).await.ok();
    pass(&cloud, 1).await;
    assert_eq!(ok(&client, "DescribeParameters", json!({})).await["Parameters"], json!([]));
    let secure = deploy(&cloud, &client, "CreateStack", &template(&json!({"Type": "SecureString"})), json!([])).await;
    assert_eq!(secure["StackStatus"], "ROLLBACK_COMPLETE", "{secure}");
}

#[tokio::test]
async fn a_template_shares_a_parameter() {
    let (cloud, client) = noon().await;
    let template = |account: &str| {
        json!({"Resources": {
        "P": parameter(&json!({"Name": "/shared", "Tier": "Advanced"})),
        "Policy": {"Type": "AWS::SSM::ResourcePolicy", "Properties": {"ResourceArn": {"Fn::GetAtt": ["P", "Arn"]},
            "Policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": account}, "Action": "ssm:GetParameter", "Resource": "*"}]}}}},
        "Outputs": {"Hash": {"Value": {"Fn::GetAtt": ["Policy", "PolicyHash"]}}, "Id": {"Value": {"Fn::GetAtt": ["Policy", "PolicyId"]}}}})
    };
    let made = deploy(&cloud, &client, "CreateStack", &template("111111111111"), json!([])).await;
    let arn = "arn:aws:ssm:us-east-1:000000000000:parameter/shared";
    let (one, two) = (of_account(&cloud, "111111111111"), of_account(&cloud, "222222222222"));
    get(&one, arn).await;
    let updated = deploy(&cloud, &client, "UpdateStack", &template("222222222222"), json!([])).await;
    assert_eq!(updated["StackStatus"], "UPDATE_COMPLETE", "{updated}");
    assert_eq!(output(&updated, "Id"), output(&made, "Id"));
    assert_ne!(output(&updated, "Hash"), output(&made, "Hash"));
    get(&two, arn).await;
    is_refused(&one, "GetParameter", json!({"Name": arn}), "AccessDeniedException", "").await;
    let bare = json!({"Resources": {"P": parameter(&json!({"Name": "/shared", "Tier": "Advanced"}))}});
    deploy(&cloud, &client, "UpdateStack", &bare, json!([])).await;
    assert_eq!(ok(&client, "GetResourcePolicies", json!({"ResourceArn": arn})).await["Policies"], json!([]));
}

#[tokio::test]
async fn templates_take_values_that_parameter_store_has() {
    let (cloud, client) = noon().await;
    put(&client, "/text", "hello", json!({})).await;
    put(&client, "/list", "a, b", json!({"Type": "StringList"})).await;
    put(&client, "/secret", "hush", json!({"Type": "SecureString"})).await;
    let template = json!({
        "Parameters": {"Text": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/text"},
            "List": {"Type": "AWS::SSM::Parameter::Value<List<String>>"}, "Named": {"Type": "AWS::SSM::Parameter::Name"},
            "Comma": {"Type": "AWS::SSM::Parameter::Value<CommaDelimitedList>", "Default": "/list"},
            "Net": {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::VPC::Id>", "Default": "/text", "NoEcho": true}},
        "Resources": {"P": parameter(&json!({"Name": "/made", "Value": {"Fn::Join": ["-", [{"Ref": "Text"}, {"Fn::Select": [1, {"Ref": "List"}]}, {"Ref": "Named"}, {"Fn::Select": [0, {"Ref": "Comma"}]}, {"Ref": "Net"}]]}}))}});
    let given = json!([{"ParameterKey": "List", "ParameterValue": "/list"}, {"ParameterKey": "Named", "ParameterValue": "/secret"}]);
    let refused =
        |parameters: Json| json!({"StackName": "st", "TemplateBody": template.to_string(), "Parameters": parameters});
    let missing = json!([{"ParameterKey": "List", "ParameterValue": "/none"}, {"ParameterKey": "Named", "ParameterValue": "/text"}]);
    let answer = client.call("cloudformation", "CreateStack", refused(missing)).await;
    assert_eq!(
        (answer.code(), answer.json["message"].as_str().unwrap()),
        ("ValidationError", "Unable to fetch parameters [/none] from parameter store for this account.")
    );
    let secure = json!([{"ParameterKey": "List", "ParameterValue": "/secret"}, {"ParameterKey": "Named", "ParameterValue": "/text"}]);
    let answer = client.call("cloudformation", "CreateStack", refused(secure)).await;
    assert_eq!(
        answer.json["message"],
        "Parameters [/secret] referenced by template have types not supported by CloudFormation."
    );
    let given = json!([given[0], {"ParameterKey": "Named", "ParameterValue": "/text"}]);
    let made = deploy(&cloud, &client, "CreateStack", &template, given).await;
    assert_eq!(value(&client, "/made").await, "hello-b-/text-a-hello");
    let shown =
        |key: &str| made["Parameters"].as_array().unwrap().iter().find(|p| p["ParameterKey"] == key).unwrap().clone();
    assert_eq!(shown("Text"), json!({"ParameterKey": "Text", "ParameterValue": "/text", "ResolvedValue": "hello"}));
    assert_eq!(shown("Net")["ResolvedValue"], "****");
    // What Parameter Store has by now is taken with the next update.
    put(&client, "/text", "bye", json!({"Overwrite": true})).await;
    let previous = json!([{"ParameterKey": "List", "UsePreviousValue": true}, {"ParameterKey": "Named", "UsePreviousValue": true}]);
    let updated = deploy(&cloud, &client, "UpdateStack", &template, previous).await;
    assert_eq!(updated["StackStatus"], "UPDATE_COMPLETE");
    assert_eq!(value(&client, "/made").await, "bye-b-/text-a-bye");
    let set = json!({"StackName": "other", "ChangeSetName": "c", "ChangeSetType": "CREATE", "TemplateBody": template.to_string(),
        "Parameters": [{"ParameterKey": "List", "ParameterValue": "/list"}, {"ParameterKey": "Named", "ParameterValue": "/text"}]});
    client.call("cloudformation", "CreateChangeSet", set).await.ok();
}

#[tokio::test]
async fn dynamic_references_are_filled_where_resources_are_made() {
    let (cloud, client) = noon().await;
    put(&client, "/text", "v1", json!({})).await;
    put(&client, "/text", "v2", json!({"Overwrite": true})).await;
    let token = |n: usize| format!("00000000-0000-4000-8000-{n:012}");
    let secret =
        json!({"Name": "db", "SecretString": r#"{"user": "admin", "port": 5432}"#, "ClientRequestToken": token(1)});
    let arn = client.call("secretsmanager", "CreateSecret", secret).await.ok()["ARN"].as_str().unwrap().to_owned();
    let newer = json!({"SecretId": "db", "SecretString": r#"{"user": "root"}"#, "ClientRequestToken": token(2)});
    client.call("secretsmanager", "PutSecretValue", newer).await.ok();
    let of = |value: &str| json!({"Resources": {"P": parameter(&json!({"Name": "/made", "Value": value}))}});
    let value_of = |reference: &str| format!("<{{{{resolve:{reference}}}}}>");
    let previous = token(1);
    let (by_arn, by_label, by_id) = (
        format!("secretsmanager:{arn}:SecretString:user"),
        "secretsmanager:db:SecretString:port:AWSPREVIOUS".to_owned(),
        format!("secretsmanager:db:SecretString:user::{previous}"),
    );
    let mut operation = "CreateStack";
    for (reference, wanted) in [
        ("ssm:/text", "<v2>"),
        ("ssm:/text:1", "<v1>"),
        (by_arn.as_str(), "<root>"),
        (by_label.as_str(), "<5432>"),
        (by_id.as_str(), "<admin>"),
        ("secretsmanager:db", "<{\"user\": \"root\"}>"),
    ] {
        let done = deploy(&cloud, &client, operation, &of(&value_of(reference)), json!([])).await;
        assert!(done["StackStatus"].as_str().unwrap().ends_with("E_COMPLETE"), "{reference}: {done}");
        assert_eq!(value(&client, "/made").await, wanted, "{reference}");
        operation = "UpdateStack";
    }
    // What is told of the stack has the references, and not what they refer to.
    let events =
        client.call("cloudformation", "DescribeStackEvents", json!({"StackName": "st"})).await.ok().to_string();
    assert!(
        events.contains("resolve:secretsmanager:db") && !events.contains("root") && !events.contains("5432"),
        "{events}"
    );
    for (reference, words) in [
        ("ssm:/none", "Unable to fetch parameters [/none] from parameter store for this account."),
        ("secretsmanager:none", "Secrets Manager can't find the specified secret."),
        ("secretsmanager:db:SecretString:none", "Could not find a value associated with JSONKey in SecretString"),
        ("secretsmanager:db:SecretBinary", "Incorrect format is used in the following dynamic reference"),
        ("other:x", "Incorrect format is used in the following dynamic reference"),
    ] {
        let failed = deploy(&cloud, &client, "UpdateStack", &of(&value_of(reference)), json!([])).await;
        assert_eq!(failed["StackStatus"], "UPDATE_ROLLBACK_COMPLETE", "{reference}");
        let events =
            client.call("cloudformation", "DescribeStackEvents", json!({"StackName": "st"})).await.ok().to_string();
        assert!(events.contains(words), "{reference}: {events}");
    }
    put(&client, "/secret", "hush", json!({"Type": "SecureString"})).await;
    let failed = deploy(&cloud, &client, "UpdateStack", &of(&value_of("ssm:/secret")), json!([])).await;
    assert_eq!(failed["StackStatus"], "UPDATE_ROLLBACK_COMPLETE");
    let secure = json!({"StackName": "st", "TemplateBody": of(&value_of("ssm-secure:/secret:1")).to_string()});
    let answer = client.call("cloudformation", "UpdateStack", secure).await;
    assert_eq!(
        answer.json["message"],
        "SSM Secure reference is not supported in: [AWS::SSM::Parameter/Properties/Value]"
    );
    // What a resource was made with may be gone when it goes.
    ok(&client, "DeleteParameter", json!({"Name": "/text"})).await;
    client.call("cloudformation", "DeleteStack", json!({"StackName": "st"})).await.ok();
    pass(&cloud, 1).await;
    is_refused(&client, "GetParameter", json!({"Name": "/made"}), "ParameterNotFound", "").await;
}
