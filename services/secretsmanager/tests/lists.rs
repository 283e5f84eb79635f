//! Lists by filters, in an order, in pages; values of many secrets at once.

use super::*;

async fn names(client: &Client, input: Json) -> Vec<String> {
    let listed = ok(client, "ListSecrets", input).await;
    listed["SecretList"].as_array().unwrap().iter().map(|s| s["Name"].as_str().unwrap().to_owned()).collect()
}

/// Three secrets, one a minute.
async fn some(cloud: &Cloud, client: &Client) {
    for (name, description, key, value) in [
        ("prod/db", "The Database of production", "team", "blue"),
        ("prod/api", "keys for the API", "owner", "Green"),
        ("test/db", "", "team", "green"),
    ] {
        create(client, json!({"Name": name, "Description": description, "Tags": [{"Key": key, "Value": value}]})).await;
        pass(cloud, 60).await;
    }
}

#[tokio::test]
async fn filters_pass_what_they_say() {
    let (cloud, client) = noon().await;
    some(&cloud, &client).await;
    ok(
        &client,
        "ReplicateSecretToRegions",
        json!({"SecretId": "prod/db", "AddReplicaRegions": [{"Region": "eu-west-1"}]}),
    )
    .await;
    let filter = async |key: &str, values: &[&str]| {
        names(&client, json!({"Filters": [{"Key": key, "Values": values}], "SortBy": "name", "SortOrder": "asc"})).await
    };
    for (key, values, wanted) in [
        ("name", &["prod/"][..], &["prod/api", "prod/db"][..]),
        ("name", &["Prod"], &[]),
        ("name", &["prod/d", "test"], &["prod/db", "test/db"]),
        ("name", &["!prod"], &["test/db"]),
        ("description", &["database"], &["prod/db"]),
        ("description", &["KEYS"], &["prod/api"]),
        ("description", &["abase"], &[]),
        ("tag-key", &["te"], &["prod/db", "test/db"]),
        ("tag-value", &["green"], &["test/db"]),
        ("tag-value", &["!green"], &["prod/api", "prod/db"]),
        ("primary-region", &["us-east-1"], &["prod/db"]),
        ("owning-service", &["rds"], &[]),
        ("all", &["green"], &["prod/api", "test/db"]),
        ("all", &["production"], &["prod/db"]),
        ("all", &["db"], &["prod/db", "test/db"]),
    ] {
        assert_eq!(filter(key, values).await, wanted, "{key} {values:?}");
    }
    // All filters must pass.
    let both = json!({"Filters": [{"Key": "name", "Values": ["prod"]}, {"Key": "tag-key", "Values": ["team"]}]});
    assert_eq!(names(&client, both).await, ["prod/db"]);
    for bad in [json!([{"Key": "name"}]), json!([{"Values": ["x"]}])] {
        is_refused(&client, "ListSecrets", json!({"Filters": bad}), "InvalidParameterException", "A filter must have")
            .await;
        is_refused(
            &client,
            "BatchGetSecretValue",
            json!({"Filters": bad}),
            "InvalidParameterException",
            "A filter must have",
        )
        .await;
    }
    let unknown = json!({"Filters": [{"Key": "colour", "Values": ["x"]}]});
    is_refused(&client, "ListSecrets", unknown, "ValidationException", "filters.1.member.key").await;
}

#[tokio::test]
async fn lists_have_an_order_and_pages() {
    let (cloud, client) = noon().await;
    some(&cloud, &client).await;
    pass(&cloud, DAY).await;
    get(&client, "prod/db").await;
    ok(&client, "UpdateSecret", json!({"SecretId": "prod/api", "Description": "x"})).await;
    for (by, order, wanted) in [
        (None, None, ["test/db", "prod/api", "prod/db"]),
        (Some("created-date"), Some("asc"), ["prod/db", "prod/api", "test/db"]),
        (Some("name"), Some("desc"), ["test/db", "prod/db", "prod/api"]),
        (Some("name"), None, ["prod/api", "prod/db", "test/db"]),
        (Some("last-changed-date"), Some("desc"), ["prod/api", "test/db", "prod/db"]),
    ] {
        let input = json!({"SortBy": by, "SortOrder": order});
        assert_eq!(names(&client, input).await, wanted, "{by:?} {order:?}");
    }
    assert_eq!(names(&client, json!({"SortBy": "last-accessed-date", "SortOrder": "desc"})).await[0], "prod/db");
    let first = ok(&client, "ListSecrets", json!({"MaxResults": 2})).await;
    assert_eq!(first["SecretList"].as_array().unwrap().len(), 2);
    assert_eq!(names(&client, json!({"MaxResults": 2, "NextToken": first["NextToken"]})).await, ["prod/db"]);
    // A token is of its own list.
    let other = json!({"MaxResults": 2, "NextToken": first["NextToken"], "SortBy": "name"});
    is_refused(&client, "ListSecrets", other, "InvalidNextTokenException", "").await;
    let entry = &first["SecretList"][1];
    assert_eq!(entry["SecretVersionsToStages"], json!({token(1): ["AWSCURRENT"]}));
    assert_eq!(entry["Tags"], json!([{"Key": "owner", "Value": "Green"}]));
    ok(&client, "DeleteSecret", json!({"SecretId": "prod/db"})).await;
    assert_eq!(names(&client, json!({})).await, ["test/db", "prod/api"]);
    let all = ok(&client, "ListSecrets", json!({"IncludePlannedDeletion": true})).await;
    assert!(all["SecretList"][2]["DeletedDate"].is_number());
}

#[tokio::test]
async fn many_values_are_read_at_once() {
    let (cloud, client) = noon().await;
    some(&cloud, &client).await;
    let batch = ok(&client, "BatchGetSecretValue", json!({"SecretIdList": ["prod/db", "none", "test/db"]})).await;
    let values: Vec<&Json> = batch["SecretValues"].as_array().unwrap().iter().map(|v| &v["Name"]).collect();
    assert_eq!(values, ["prod/db", "test/db"]);
    assert_eq!(
        batch["Errors"],
        json!([{"SecretId": "none", "ErrorCode": "ResourceNotFoundException", "Message": "Secrets Manager can't find the specified secret."}])
    );
    let filters = json!([{"Key": "name", "Values": ["prod"]}]);
    let page = ok(&client, "BatchGetSecretValue", json!({"Filters": filters, "MaxResults": 1})).await;
    assert_eq!(
        (&page["SecretValues"][0]["Name"], &page["SecretValues"][0]["SecretString"]),
        (&json!("prod/api"), &json!("one"))
    );
    let rest = ok(&client, "BatchGetSecretValue", json!({"Filters": filters, "NextToken": page["NextToken"]})).await;
    assert_eq!(rest["SecretValues"][0]["Name"], "prod/db");
    for (input, code) in [
        (json!({}), "InvalidParameterException"),
        (json!({"SecretIdList": ["prod/db"], "Filters": filters}), "InvalidParameterException"),
        (json!({"SecretIdList": ["prod/db"], "MaxResults": 1}), "InvalidParameterException"),
        (json!({"Filters": filters, "NextToken": "x"}), "InvalidNextTokenException"),
    ] {
        is_refused(&client, "BatchGetSecretValue", input, code, "").await;
    }
    // Each is decided for itself.
    let user = rights::user(&cloud, &client, "u", json!([
        {"Effect": "Allow", "Action": ["secretsmanager:BatchGetSecretValue", "kms:*"], "Resource": "*"},
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "arn:aws:secretsmanager:*:*:secret:prod/*"}])).await;
    let batch = ok(&user, "BatchGetSecretValue", json!({"SecretIdList": ["prod/db", "test/db", "none"]})).await;
    assert_eq!(batch["SecretValues"].as_array().unwrap().len(), 1);
    let codes: Vec<&Json> = batch["Errors"].as_array().unwrap().iter().map(|e| &e["ErrorCode"]).collect();
    assert_eq!(codes, ["AccessDeniedException", "AccessDeniedException"]);
    is_refused(
        &user,
        "BatchGetSecretValue",
        json!({"Filters": filters}),
        "AccessDeniedException",
        "secretsmanager:ListSecrets",
    )
    .await;
}

#[tokio::test]
async fn secrets_are_counted_once_an_hour() {
    let (cloud, client) = noon().await;
    some(&cloud, &client).await;
    ok(&client, "DeleteSecret", json!({"SecretId": "prod/db"})).await;
    pass(&cloud, 2 * 3600).await;
    cloud.kernel.service(SERVICE).unwrap().measure(&cloud.kernel).unwrap();
    cloud.kernel.clock().set("2026-03-01T15:00:30Z".parse::<Timestamp>().unwrap());
    cloud.kernel.service(SERVICE).unwrap().measure(&cloud.kernel).unwrap();
    cloud.kernel.keep_metrics().await.unwrap();
    let dimensions: Vec<Json> =
        [("Class", "None"), ("Resource", "SecretCount"), ("Service", "Secrets Manager"), ("Type", "Resource")]
            .iter()
            .map(|(name, value)| json!({"Name": name, "Value": value}))
            .collect();
    let input = json!({"Namespace": "AWS/SecretsManager", "MetricName": "ResourceCount", "Statistics": ["Maximum"], "Period": 3600,
        "Dimensions": dimensions, "StartTime": "2026-03-01T15:00:00Z", "EndTime": "2026-03-01T16:00:00Z"});
    let found = client.call("cloudwatch", "GetMetricStatistics", input).await.ok();
    assert_eq!(found["Datapoints"][0]["Maximum"], 3.0);
}
