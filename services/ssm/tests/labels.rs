//! Labels of versions.

use super::*;

async fn label(client: &Client, labels: &[&str], version: Option<i64>) -> Json {
    let mut input = json!({"Name": "/p", "Labels": labels});
    version.iter().for_each(|version| input["ParameterVersion"] = json!(version));
    ok(client, "LabelParameterVersion", input).await
}

#[tokio::test]
async fn labels_name_versions_and_move() {
    let (_cloud, client) = noon().await;
    put(&client, "/p", "one", json!({})).await;
    put(&client, "/p", "two", json!({"Overwrite": true})).await;
    assert_eq!(
        label(&client, &["prod", "x.y-z_1"], Some(1)).await,
        json!({"InvalidLabels": [], "ParameterVersion": 1})
    );
    let read = get(&client, "/p:prod").await;
    assert_eq!((&read["Value"], &read["Selector"], &read["Version"]), (&json!("one"), &json!(":prod"), &json!(1)));
    // Without a word it is the newest.
    assert_eq!(
        label(&client, &["prod", "1st", "AWSx", "ssm", "a b"], None).await,
        json!({"InvalidLabels": ["1st", "AWSx", "ssm", "a b"], "ParameterVersion": 2})
    );
    assert_eq!(value(&client, "/p:prod").await, "two");
    let history = ok(&client, "GetParameterHistory", json!({"Name": "/p"})).await;
    let labels: Vec<&Json> =
        history["Parameters"].as_array().unwrap().iter().map(|version| &version["Labels"]).collect();
    assert_eq!(labels, [&json!(["x.y-z_1"]), &json!(["prod"])]);
    let unlabel = ok(
        &client,
        "UnlabelParameterVersion",
        json!({"Name": "/p", "ParameterVersion": 2, "Labels": ["prod", "x.y-z_1"]}),
    )
    .await;
    assert_eq!(unlabel, json!({"RemovedLabels": ["prod"], "InvalidLabels": ["x.y-z_1"]}));
    let why = "Systems Manager could not find version prod of /p. Verify the version and try again.";
    is_refused(&client, "GetParameter", json!({"Name": "/p:prod"}), "ParameterVersionNotFound", why).await;
    for operation in ["LabelParameterVersion", "UnlabelParameterVersion"] {
        let input = json!({"Name": "/p", "ParameterVersion": 9, "Labels": ["a"]});
        is_refused(&client, operation, input, "ParameterVersionNotFound", "version 9 of /p").await;
        let input = json!({"Name": "/q", "ParameterVersion": 1, "Labels": ["a"]});
        is_refused(&client, operation, input, "ParameterNotFound", "").await;
    }
}

#[tokio::test]
async fn a_version_has_ten_labels_at_most() {
    let (_cloud, client) = noon().await;
    put(&client, "/p", "one", json!({})).await;
    let ten: Vec<String> = (0..10).map(|n| format!("l{n}")).collect();
    ok(&client, "LabelParameterVersion", json!({"Name": "/p", "Labels": ten})).await;
    let why =
        "A parameter version can have maximum 10 labels.Move one or more labels to another version and try again.";
    let one_more = json!({"Name": "/p", "Labels": ["more"]});
    is_refused(&client, "LabelParameterVersion", one_more, "ParameterVersionLabelLimitExceeded", why).await;
    is_refused(&client, "GetParameter", json!({"Name": "/p:more"}), "ParameterVersionNotFound", "").await;
    label(&client, &["l9"], None).await;
    let long = json!({"Name": "/p", "Labels": ["l".repeat(101)]});
    is_refused(&client, "LabelParameterVersion", long, "ValidationException", "labels").await;
}

#[tokio::test]
async fn a_hundred_versions_are_kept_and_none_with_a_label_goes() {
    let (_cloud, client) = noon().await;
    for number in 1..=101 {
        put(&client, "/p", &number.to_string(), json!({"Overwrite": number > 1})).await;
    }
    is_refused(&client, "GetParameter", json!({"Name": "/p:1"}), "ParameterVersionNotFound", "").await;
    assert_eq!(value(&client, "/p:2").await, "2");
    label(&client, &["keep"], Some(2)).await;
    let over = json!({"Name": "/p", "Value": "x", "Overwrite": true});
    let why = "You attempted to create a new version of /p by calling the PutParameter API with the overwrite flag. Version 2, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.";
    is_refused(&client, "PutParameter", over.clone(), "ParameterMaxVersionLimitExceeded", why).await;
    assert_eq!(value(&client, "/p").await, "101");
    label(&client, &["keep"], Some(3)).await;
    assert_eq!(ok(&client, "PutParameter", over).await["Version"], 102);
}
