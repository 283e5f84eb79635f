//! Names, sizes, tiers: what is one too many is refused, and nothing is changed.

use super::*;

#[tokio::test]
async fn names_are_held_to_their_rules() {
    let (_cloud, client) = noon().await;
    let path = |levels: usize| (0..levels).map(|n| format!("/l{n}")).collect::<String>();
    put(&client, &path(15), "v", json!({})).await;
    put(&client, &format!("/{}", "n".repeat(1010)), "v", json!({})).await;
    put(&client, "not.aws", "v", json!({})).await;
    let input = |name: &str| json!({"Name": name, "Value": "v", "Type": "String"});
    let rules = "If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_";
    for (name, code, words) in [
        (path(16), "HierarchyLevelLimitExceededException", "maximum of 15 levels"),
        (format!("/{}", "n".repeat(1011)), "ValidationException", "1011"),
        (
            "aws".to_owned(),
            "ValidationException",
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).",
        ),
        ("/AWSx".to_owned(), "ValidationException", "can't be prefixed with \"aws\" or \"ssm\""),
        ("ssm-x".to_owned(), "ValidationException", "can't be prefixed with \"aws\" or \"ssm\""),
        ("/ssm/x".to_owned(), "ValidationException", rules),
        ("/aws/x".to_owned(), "AccessDeniedException", "No access to reserved parameter name: /aws/x."),
        ("a b".to_owned(), "ValidationException", rules),
        ("a:1".to_owned(), "ValidationException", rules),
        ("a//b".to_owned(), "ValidationException", rules),
        ("/a/".to_owned(), "ValidationException", rules),
        ("a/b".to_owned(), "ValidationException", "Parameter name must be a fully qualified name."),
        ("arn:aws:ssm:us-east-1:000000000000:parameter/x".to_owned(), "ValidationException", rules),
        (String::new(), "ValidationException", "name"),
    ] {
        is_refused(&client, "PutParameter", input(&name), code, words).await;
    }
    assert_eq!(ok(&client, "DescribeParameters", json!({})).await["Parameters"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn values_fit_into_their_tiers() {
    let (_cloud, client) = noon().await;
    put(&client, "/standard", &"v".repeat(4096), json!({})).await;
    let made = put(&client, "/advanced", &"v".repeat(8192), json!({"Tier": "Advanced"})).await;
    assert_eq!(made["Tier"], "Advanced");
    let made = put(&client, "/clever", &"v".repeat(4096), json!({"Tier": "Intelligent-Tiering"})).await;
    assert_eq!(made["Tier"], "Standard");
    let made =
        put(&client, "/clever", &"v".repeat(4097), json!({"Tier": "Intelligent-Tiering", "Overwrite": true})).await;
    assert_eq!(made["Tier"], "Advanced");
    // What is advanced stays so.
    assert_eq!(
        put(&client, "/clever", "v", json!({"Tier": "Intelligent-Tiering", "Overwrite": true})).await["Tier"],
        "Advanced"
    );
    assert_eq!(put(&client, "/clever", "v", json!({"Overwrite": true})).await["Tier"], "Advanced");
    let input = |name: &str, size: usize, more: Json| {
        merged(json!({"Name": name, "Value": "v".repeat(size), "Type": "String"}), &more)
    };
    let standard = "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.";
    for (input, words) in [
        (input("/x", 4097, json!({})), standard),
        (input("/x", 4097, json!({"Tier": "Standard"})), standard),
        (
            input("/x", 8193, json!({"Tier": "Advanced"})),
            "Advanced tier parameters support a maximum parameter value of 8192 characters.",
        ),
        (input("/x", 8193, json!({"Tier": "Intelligent-Tiering"})), "8192 characters"),
        (
            input("/clever", 1, json!({"Tier": "Standard", "Overwrite": true})),
            "You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier.",
        ),
        (input("/x", 0, json!({})), "Member must have length greater than or equal to 1."),
        (input("/x", 1, json!({"Tier": "Gold"})), "tier"),
        (input("/x", 1, json!({"Type": "Bytes"})), "type"),
        (
            input("/x", 1, json!({"DataType": "Text"})),
            "The following data type is not supported: Text (Data type names are all lowercase.)",
        ),
        (input("/x", 1, json!({"KeyId": "alias/a"})), "KeyId is required for SecureString type parameter only."),
        (input("/x", 1, json!({"Description": "d".repeat(1025)})), "description"),
        (json!({"Name": "/x", "Value": "v"}), "A parameter type is required when you create a parameter."),
    ] {
        is_refused(&client, "PutParameter", input, "ValidationException", words).await;
    }
    for data in ["aws:ec2:image", "aws:ssm:integration"] {
        is_not_built(&client, "PutParameter", input("/x", 1, json!({"DataType": data}))).await;
    }
    is_refused(&client, "GetParameter", json!({"Name": "/x"}), "ParameterNotFound", "").await;
    let names: Vec<String> = (0..11).map(|n| format!("/n{n}")).collect();
    for operation in ["GetParameters", "DeleteParameters"] {
        is_refused(&client, operation, json!({"Names": names}), "ValidationException", "less than or equal to 10")
            .await;
    }
}

#[tokio::test]
async fn an_account_has_ten_thousand_standard_parameters_at_most() {
    let (cloud, client) = noon().await;
    let (full, work) = tokio::sync::mpsc::channel::<()>(1);
    for batch in 0..20 {
        let (client, full) = (client.clone(), full.clone());
        cloud.kernel.spawn(async move {
            for n in 0..500 {
                put(&client, &format!("/n/{batch}/{n}"), "v", json!({})).await;
            }
            drop(full);
        });
    }
    drop(full);
    let mut work = work;
    assert!(work.recv().await.is_none());
    let why = "You have reached the maximum number of standard parameters for this AWS account and Region (10000). To add more parameters, either delete existing parameters or upgrade to the advanced-parameter tier (charges apply).";
    let over = json!({"Name": "/over", "Value": "v", "Type": "String"});
    is_refused(&client, "PutParameter", over.clone(), "ParameterLimitExceeded", why).await;
    // The clever tier makes it an advanced one, and one that goes makes room.
    assert_eq!(put(&client, "/clever", "v", json!({"Tier": "Intelligent-Tiering"})).await["Tier"], "Advanced");
    put(&client, "/n/0/0", "w", json!({"Overwrite": true})).await;
    put(&client, "/n/0/1", "w", json!({"Overwrite": true, "Tier": "Advanced"})).await;
    ok(&client, "PutParameter", over).await;
    is_refused(
        &client,
        "PutParameter",
        json!({"Name": "/more", "Value": "v", "Type": "String"}),
        "ParameterLimitExceeded",
        "",
    )
    .await;
    ok(&client, "DeleteParameter", json!({"Name": "/n/0/2"})).await;
    put(&client, "/more", "v", json!({})).await;
    put(&client.in_region("eu-west-1"), "/more", "v", json!({})).await;
}

#[tokio::test]
async fn a_parameter_has_50_tags_at_most() {
    let (_cloud, client) = noon().await;
    let tags = |range: std::ops::Range<usize>| {
        range.map(|n| json!({"Key": format!("k{n}"), "Value": "v"})).collect::<Vec<_>>()
    };
    put(&client, "/p", "v", json!({"Tags": tags(0..50)})).await;
    let add = json!({"ResourceType": "Parameter", "ResourceId": "/p", "Tags": tags(50..51)});
    is_refused(&client, "AddTagsToResource", add, "TooManyTagsError", "too many tags").await;
    let own = json!({"ResourceType": "Parameter", "ResourceId": "/p", "Tags": [{"Key": "aws:x", "Value": "v"}]});
    let mut bare = own.clone();
    ok(&client, "RemoveTagsFromResource", json!({"ResourceType": "Parameter", "ResourceId": "/p", "TagKeys": ["k1"]}))
        .await;
    is_refused(&client, "AddTagsToResource", own, "ValidationException", "aws:").await;
    bare["Tags"] = json!([{"Key": "k0", "Value": "w"}]);
    ok(&client, "AddTagsToResource", bare).await;
}
