//! Parameters put, read, described, deleted.

use super::*;

#[tokio::test]
async fn a_parameter_is_shown_with_what_it_was_put_with() {
    let (_cloud, client) = noon().await;
    let made = put(&client, "/app/name", "one", json!({"Description": "words", "AllowedPattern": "[a-z]+"})).await;
    assert_eq!(made, json!({"Version": 1, "Tier": "Standard"}));
    let arn = "arn:aws:ssm:us-east-1:000000000000:parameter/app/name";
    assert_eq!(
        get(&client, "/app/name").await,
        json!({"Name": "/app/name", "Type": "String", "Value": "one", "Version": 1, "LastModifiedDate": NOON, "ARN": arn,
               "DataType": "text"})
    );
    let described = ok(&client, "DescribeParameters", json!({})).await;
    assert_eq!(
        described["Parameters"],
        json!([{"Name": "/app/name", "ARN": arn, "Type": "String", "LastModifiedDate": NOON, "Description": "words",
                "LastModifiedUser": "arn:aws:iam::000000000000:root", "AllowedPattern": "[a-z]+", "Version": 1,
                "Tier": "Standard", "Policies": [], "DataType": "text"}])
    );
    put(&client, "bare", "a,b", json!({"Type": "StringList", "DataType": "text"})).await;
    assert_eq!(get(&client, "bare").await["ARN"], "arn:aws:ssm:us-east-1:000000000000:parameter/bare");
    assert_eq!(get(&client, arn).await["Value"], "one");
    assert_eq!(get(&client, "arn:aws:ssm:us-east-1:000000000000:parameter/bare").await["Value"], "a,b");
    put(&client, "/one", "level", json!({})).await;
    assert_eq!(get(&client, "arn:aws:ssm:us-east-1:000000000000:parameter/one").await["Name"], "/one");
}

#[tokio::test]
async fn a_parameter_is_written_over_only_when_that_is_said() {
    let (cloud, client) = noon().await;
    put(&client, "p", "1", json!({"Description": "words", "AllowedPattern": "[0-9]"})).await;
    let again = json!({"Name": "p", "Value": "2", "Type": "String"});
    let why = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
    is_refused(&client, "PutParameter", again, "ParameterAlreadyExists", why).await;
    pass(&cloud, 60).await;
    let over = ok(&client, "PutParameter", json!({"Name": "p", "Value": "2", "Overwrite": true})).await;
    assert_eq!(over["Version"], 2);
    let described = ok(&client, "DescribeParameters", json!({})).await["Parameters"][0].clone();
    // What is not said stays.
    assert_eq!((&described["Description"], &described["Type"]), (&json!("words"), &json!("String")));
    assert_eq!(described["LastModifiedDate"], NOON + 60);
    let why = "Parameter value, cannot be validated against allowedPattern: [0-9]";
    let bad = json!({"Name": "p", "Value": "10", "Overwrite": true});
    is_refused(&client, "PutParameter", bad, "ParameterPatternMismatchException", why).await;
    let bad = json!({"Name": "p", "Value": "3", "Overwrite": true, "AllowedPattern": "[0-"});
    is_refused(&client, "PutParameter", bad, "InvalidAllowedPatternException", "[0-").await;
    let bad = json!({"Name": "p", "Value": "3", "Overwrite": true, "Type": "SecureString"});
    is_refused(
        &client,
        "PutParameter",
        bad,
        "HierarchyTypeMismatchException",
        "doesn't support changing a parameter type",
    )
    .await;
    let bad = json!({"Name": "p", "Value": "3", "Overwrite": true, "Tags": [{"Key": "a", "Value": "b"}]});
    is_refused(&client, "PutParameter", bad, "ValidationException", "tags and overwrite can't be used together").await;
    assert_eq!(value(&client, "p").await, "2");
    ok(
        &client,
        "PutParameter",
        json!({"Name": "p", "Value": "long", "Overwrite": true, "AllowedPattern": "", "Description": ""}),
    )
    .await;
    let described = ok(&client, "DescribeParameters", json!({})).await["Parameters"][0].clone();
    assert_eq!((&described["Description"], described.get("AllowedPattern")), (&json!(""), None));
}

#[tokio::test]
async fn versions_are_read_by_number_and_told_of() {
    let (_cloud, client) = noon().await;
    for (number, text) in ["one", "two", "three"].into_iter().enumerate() {
        put(&client, "/p", text, json!({"Overwrite": number > 0, "Description": text})).await;
    }
    let second = get(&client, "/p:2").await;
    assert_eq!((&second["Value"], &second["Version"], &second["Selector"]), (&json!("two"), &json!(2), &json!(":2")));
    assert_eq!(get(&client, "arn:aws:ssm:us-east-1:000000000000:parameter/p:1").await["Value"], "one");
    let why = "Systems Manager could not find version 4 of /p. Verify the version and try again.";
    is_refused(&client, "GetParameter", json!({"Name": "/p:4"}), "ParameterVersionNotFound", why).await;
    is_refused(&client, "GetParameter", json!({"Name": "/q"}), "ParameterNotFound", "").await;
    is_refused(&client, "GetParameter", json!({"Name": "/p:1:2"}), "ValidationException", "").await;
    let first = ok(&client, "GetParameterHistory", json!({"Name": "/p", "MaxResults": 2})).await;
    let rest =
        ok(&client, "GetParameterHistory", json!({"Name": "/p", "MaxResults": 2, "NextToken": first["NextToken"]}))
            .await;
    assert_eq!((first["Parameters"].as_array().unwrap().len(), rest["Parameters"].as_array().unwrap().len()), (2, 1));
    assert_eq!(
        rest["Parameters"][0],
        json!({"Name": "/p", "Type": "String", "Value": "three", "Version": 3, "Labels": [], "Tier": "Standard", "Policies": [],
               "DataType": "text", "Description": "three", "LastModifiedDate": NOON, "LastModifiedUser": "arn:aws:iam::000000000000:root"})
    );
    is_refused(&client, "GetParameterHistory", json!({"Name": "/p", "NextToken": "x"}), "InvalidNextToken", "").await;
    is_refused(&client, "GetParameterHistory", json!({"Name": "/q"}), "ParameterNotFound", "").await;
    let many = ok(&client, "GetParameters", json!({"Names": ["/p", "/p:1", "/q", "/p:9"]})).await;
    let values: Vec<&Json> = many["Parameters"].as_array().unwrap().iter().map(|p| &p["Value"]).collect();
    assert_eq!((values, &many["InvalidParameters"]), (vec![&json!("three"), &json!("one")], &json!(["/q", "/p:9"])));
}

#[tokio::test]
async fn deleted_parameters_are_gone_with_their_versions() {
    let (_cloud, client) = noon().await;
    put(&client, "/a", "1", json!({})).await;
    put(&client, "/a", "2", json!({"Overwrite": true})).await;
    put(&client, "/b", "1", json!({})).await;
    ok(&client, "DeleteParameter", json!({"Name": "/a"})).await;
    is_refused(&client, "DeleteParameter", json!({"Name": "/a"}), "ParameterNotFound", "").await;
    assert_eq!(put(&client, "/a", "3", json!({})).await["Version"], 1);
    is_refused(&client, "GetParameter", json!({"Name": "/a:2"}), "ParameterVersionNotFound", "").await;
    let many = ok(&client, "DeleteParameters", json!({"Names": ["/a", "/none", "/b"]})).await;
    assert_eq!(many, json!({"DeletedParameters": ["/a", "/b"], "InvalidParameters": ["/none"]}));
    assert_eq!(ok(&client, "DescribeParameters", json!({})).await["Parameters"], json!([]));
}

#[tokio::test]
async fn changes_are_told_of() {
    let (cloud, client) = noon().await;
    let url = listening(&client).await;
    put(&client, "/p", "1", json!({"Description": "words"})).await;
    put(&client, "/p", "2", json!({"Overwrite": true})).await;
    ok(&client, "LabelParameterVersion", json!({"Name": "/p", "Labels": ["l"]})).await;
    ok(&client, "DeleteParameter", json!({"Name": "/p"})).await;
    let told: Vec<Json> = heard(&cloud, &client, &url)
        .await
        .into_iter()
        .filter(|e| e["detail-type"] == "Parameter Store Change")
        .collect();
    let operations: Vec<&Json> = told.iter().map(|event| &event["detail"]["operation"]).collect();
    assert_eq!(operations, ["Create", "Delete", "LabelParameterVersion", "Update"]);
    let first = &told[0];
    assert_eq!(first["detail"], json!({"operation": "Create", "name": "/p", "type": "String", "description": "words"}));
    assert_eq!(
        (&first["source"], &first["resources"]),
        (&json!("aws.ssm"), &json!(["arn:aws:ssm:us-east-1:000000000000:parameter/p"]))
    );
}

#[tokio::test]
async fn tags_are_put_shown_and_taken_away() {
    let (_cloud, client) = noon().await;
    put(&client, "/p", "1", json!({"Tags": [{"Key": "a", "Value": "1"}]})).await;
    let named = |more: Json| merged(json!({"ResourceType": "Parameter", "ResourceId": "/p"}), &more);
    ok(&client, "AddTagsToResource", named(json!({"Tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}]})))
        .await;
    let list = async || ok(&client, "ListTagsForResource", named(json!({}))).await["TagList"].clone();
    assert_eq!(list().await, json!([{"Key": "a", "Value": "3"}, {"Key": "b", "Value": "2"}]));
    ok(&client, "RemoveTagsFromResource", named(json!({"TagKeys": ["a", "none"]}))).await;
    assert_eq!(list().await, json!([{"Key": "b", "Value": "2"}]));
    for (operation, more) in [
        ("AddTagsToResource", json!({"Tags": [{"Key": "b", "Value": "2"}]})),
        ("RemoveTagsFromResource", json!({"TagKeys": ["a"]})),
        ("ListTagsForResource", json!({})),
    ] {
        let other = merged(named(more.clone()), &json!({"ResourceId": "/none"}));
        is_refused(&client, operation, other, "InvalidResourceId", "/none").await;
        is_not_built(&client, operation, merged(named(more.clone()), &json!({"ResourceType": "Document"}))).await;
        is_refused(
            &client,
            operation,
            merged(named(more), &json!({"ResourceType": "Paper"})),
            "ValidationException",
            "resourceType",
        )
        .await;
    }
}
