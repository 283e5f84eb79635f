//! Names, paths, filters.

use super::*;

async fn some(client: &Client) {
    for (name, more) in [
        ("/app/db/host", json!({"Tags": [{"Key": "team", "Value": "a"}]})),
        ("/app/db/password", json!({"Type": "SecureString"})),
        ("/app/name", json!({"Tier": "Advanced"})),
        ("/apple", json!({"Tags": [{"Key": "team", "Value": "b"}]})),
        ("bare", json!({"Type": "StringList"})),
    ] {
        put(client, name, "v", more).await;
    }
}

fn names(answer: &Json) -> Vec<&str> {
    answer["Parameters"].as_array().unwrap().iter().map(|p| p["Name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn parameters_below_a_path_are_read_in_pages() {
    let (_cloud, client) = noon().await;
    some(&client).await;
    let by_path = async |more: Json| ok(&client, "GetParametersByPath", more).await;
    assert_eq!(names(&by_path(json!({"Path": "/app"})).await), ["/app/name"]);
    assert_eq!(
        names(&by_path(json!({"Path": "/app/", "Recursive": true})).await),
        ["/app/db/host", "/app/db/password", "/app/name"]
    );
    assert_eq!(names(&by_path(json!({"Path": "/"})).await), ["/apple", "bare"]);
    assert_eq!(names(&by_path(json!({"Path": "/", "Recursive": true})).await).len(), 5);
    assert_eq!(names(&by_path(json!({"Path": "/none", "Recursive": true})).await).len(), 0);
    let first = by_path(json!({"Path": "/app", "Recursive": true, "MaxResults": 2})).await;
    let rest =
        by_path(json!({"Path": "/app", "Recursive": true, "MaxResults": 2, "NextToken": first["NextToken"]})).await;
    assert_eq!((names(&first), names(&rest)), (vec!["/app/db/host", "/app/db/password"], vec!["/app/name"]));
    // What is secret is open to those who ask for it.
    let secret = |answer: &Json| answer["Parameters"][1]["Value"].as_str().unwrap().to_owned();
    assert_ne!(secret(&by_path(json!({"Path": "/app", "Recursive": true})).await), "v");
    assert_eq!(secret(&by_path(json!({"Path": "/app", "Recursive": true, "WithDecryption": true})).await), "v");
    ok(&client, "LabelParameterVersion", json!({"Name": "/app/name", "Labels": ["l"]})).await;
    put(&client, "/app/name", "w", json!({"Overwrite": true, "Tier": "Advanced"})).await;
    let filtered = |key: &str, value: &str| json!({"Path": "/app", "Recursive": true, "ParameterFilters": [{"Key": key, "Values": [value]}]});
    let labelled = by_path(filtered("Label", "l")).await;
    assert_eq!((names(&labelled), &labelled["Parameters"][0]["Value"]), (vec!["/app/name"], &json!("v")));
    assert_eq!(names(&by_path(filtered("Type", "SecureString")).await), ["/app/db/password"]);
    assert_eq!(names(&by_path(filtered("KeyId", "alias/aws/ssm")).await), ["/app/db/password"]);
    for (input, code, words) in [
        (json!({"Path": "app"}), "ValidationException", "must begin with a forward slash"),
        (json!({"Path": "/ssm/x"}), "ValidationException", "can't be prefixed"),
        (json!({"Path": "/a b"}), "ValidationException", "Special characters are not allowed."),
        (json!({"Path": "/app", "NextToken": "x"}), "InvalidNextToken", ""),
        (json!({"Path": "/app", "MaxResults": 11}), "ValidationException", "maxResults"),
        (filtered("Name", "x"), "InvalidFilterKey", "Valid filter keys include: [Type, KeyId, Label]."),
        (
            json!({"Path": "/app", "ParameterFilters": [{"Key": "Type", "Option": "Contains", "Values": ["x"]}]}),
            "InvalidFilterOption",
            "[Equals, BeginsWith]",
        ),
        (filtered("Type", "x"), "InvalidFilterValue", "[String, StringList, SecureString]"),
    ] {
        is_refused(&client, "GetParametersByPath", input, code, words).await;
    }
    is_not_built(&client, "GetParametersByPath", json!({"Path": "/aws/service/list"})).await;
}

#[tokio::test]
async fn filters_pass_what_they_say() {
    let (_cloud, client) = noon().await;
    some(&client).await;
    let filter = |key: &str, option: Option<&str>, values: &[&str]| {
        let mut filter = json!({"Key": key});
        option.iter().for_each(|option| filter["Option"] = json!(option));
        if !values.is_empty() {
            filter["Values"] = json!(values);
        }
        filter
    };
    let described = async |filter: Json| ok(&client, "DescribeParameters", json!({"ParameterFilters": [filter]})).await;
    for (key, option, values, wanted) in [
        ("Name", None, &["/apple", "bare"][..], &["/apple", "bare"][..]),
        ("Name", None, &["apple"], &["/apple"]),
        ("Name", Some("BeginsWith"), &["/app"], &["/app/db/host", "/app/db/password", "/app/name", "/apple"]),
        ("Name", Some("Contains"), &["db"], &["/app/db/host", "/app/db/password"]),
        ("Path", None, &["/app"], &["/app/name"]),
        ("Path", Some("OneLevel"), &["/app/db"], &["/app/db/host", "/app/db/password"]),
        ("Path", Some("Recursive"), &["/app"], &["/app/db/host", "/app/db/password", "/app/name"]),
        ("Type", None, &["StringList"], &["bare"]),
        ("Type", Some("BeginsWith"), &["Secure"], &["/app/db/password"]),
        ("KeyId", None, &["alias/aws/ssm"], &["/app/db/password"]),
        ("Tier", None, &["Advanced"], &["/app/name"]),
        ("DataType", None, &["text"], &["/app/db/host", "/app/db/password", "/app/name", "/apple", "bare"]),
        ("tag:team", None, &[], &["/app/db/host", "/apple"]),
        ("tag:team", None, &["b"], &["/apple"]),
    ] {
        assert_eq!(names(&described(filter(key, option, values)).await), wanted, "{key} {option:?} {values:?}");
    }
    let both = json!({"ParameterFilters": [filter("Path", Some("Recursive"), &["/app"]), filter("Type", None, &["String"])], "MaxResults": 1});
    let first = ok(&client, "DescribeParameters", both.clone()).await;
    let rest = ok(&client, "DescribeParameters", merged(both, &json!({"NextToken": first["NextToken"]}))).await;
    assert_eq!((names(&first), names(&rest)), (vec!["/app/db/host"], vec!["/app/name"]));
    // The older form.
    let older = async |key: &str, value: &str| {
        ok(&client, "DescribeParameters", json!({"Filters": [{"Key": key, "Values": [value]}]})).await
    };
    assert_eq!(names(&older("Name", "/app/").await).len(), 3);
    assert_eq!(names(&older("Type", "StringList").await), ["bare"]);
    assert_eq!(names(&older("KeyId", "alias/aws/ssm").await), ["/app/db/password"]);
    for (filters, code, words) in [
        (
            json!([filter("Label", None, &["x"])]),
            "InvalidFilterKey",
            "The following filter key is not valid: Label. Valid filter keys include: [Path, Name, Type, KeyId, Tier, DataType].",
        ),
        (
            json!([filter("Name", None, &["a"]), filter("Name", None, &["b"])]),
            "InvalidFilterKey",
            "The following filter is duplicated in the request: Name.",
        ),
        (
            json!([filter("Name", Some("Recursive"), &["a"])]),
            "InvalidFilterOption",
            "The following filter option is not valid: Recursive. Valid options include: [Equals, BeginsWith, Contains].",
        ),
        (
            json!([filter("Path", Some("Equals"), &["/a"])]),
            "InvalidFilterOption",
            "Valid options include: [OneLevel, Recursive].",
        ),
        (
            json!([filter("Name", None, &[])]),
            "InvalidFilterValue",
            "The following filter values are missing : null for filter key Name.",
        ),
        (json!([filter("Tier", None, &["Gold"])]), "InvalidFilterValue", "Gold"),
        (json!([filter("Path", None, &["app"])]), "ValidationException", "must begin with a forward slash"),
        (json!([filter("Colour", None, &["x"])]), "ValidationException", "key"),
    ] {
        is_refused(&client, "DescribeParameters", json!({"ParameterFilters": filters}), code, words).await;
    }
    let both =
        json!({"Filters": [{"Key": "Name", "Values": ["a"]}], "ParameterFilters": [filter("Name", None, &["a"])]});
    is_refused(
        &client,
        "DescribeParameters",
        both,
        "ValidationException",
        "You can use either Filters or ParameterFilters",
    )
    .await;
    is_refused(&client, "DescribeParameters", json!({"NextToken": "x"}), "InvalidNextToken", "").await;
}
