//! Buckets that templates replace, and those that could not be made or changed.

use super::*;

/// A bucket of this name, with a policy and an access point of another that is not of the stack.
fn fixed(name: &str, other: &str) -> Json {
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "000000000000"},
        "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{other}/*")}]});
    json!({
        "All": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}},
        "Policy": {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": other, "PolicyDocument": policy}},
        "Point": {"Type": "AWS::S3::AccessPoint", "Properties": {"Bucket": other}},
        "Wide": {"Type": "AWS::S3::MultiRegionAccessPoint", "Properties": {"Regions": [{"Bucket": other}]}},
    })
}

#[tokio::test]
async fn what_cannot_be_changed_is_replaced() {
    let (_cloud, client) = start().await;
    for name in ["one", "two"] {
        bucket(&client, &format!("fixed-{name}")).await;
    }
    let ids = async || {
        let found = client.call("cloudformation", "DescribeStackResources", json!({"StackName": "Stack"})).await.ok();
        let all = found["StackResources"].as_array().unwrap().clone();
        let id = |r: &Json| (r["LogicalResourceId"].to_string(), r["PhysicalResourceId"].to_string());
        all.iter().map(id).collect::<std::collections::BTreeMap<_, _>>()
    };
    make(&client, "CreateStack", &fixed("replaced-one", "fixed-one")).await;
    let before = ids().await;
    make(&client, "UpdateStack", &fixed("replaced-two", "fixed-two")).await;
    let after = ids().await;
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert!(before.iter().all(|(logical, id)| after[logical] != *id), "{before:?} {after:?}");
    let status = async |name: &str| call(&client, "HeadBucket", json!({"Bucket": name})).await.status;
    assert_eq!((status("replaced-one").await, status("replaced-two").await), (404, 200));
    let policy = async |name: &str| call(&client, "GetBucketPolicy", json!({"Bucket": name})).await.status;
    assert_eq!((policy("fixed-one").await, policy("fixed-two").await), (404, 200));
    let points = client.call("s3control", "ListAccessPoints", json!({"AccountId": "000000000000"})).await.ok();
    let points = points["AccessPointList"].as_array().unwrap().clone();
    assert_eq!(points.iter().map(|p| p["Bucket"].as_str().unwrap()).collect::<Vec<_>>(), ["fixed-two"]);
    let wide = client.call("s3control", "ListMultiRegionAccessPoints", json!({"AccountId": "000000000000"})).await.ok();
    let wide = wide["AccessPoints"].as_array().unwrap().clone();
    assert_eq!(wide.iter().map(|p| p["Regions"][0]["Bucket"].as_str().unwrap()).collect::<Vec<_>>(), ["fixed-two"]);
}

#[tokio::test]
async fn a_bucket_that_cannot_be_made_leaves_nothing() {
    let (_cloud, client) = start().await;
    bucket(&client, "there").await;
    let rule = json!({"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::nowhere"}});
    let inventory = json!({"Id": "i", "Enabled": true, "IncludedObjectVersions": "All", "ScheduleFrequency": "Daily",
        "Destination": {"BucketArn": "arn:aws:s3:::there", "Format": "Parquet"}});
    let mut held = inventory.clone();
    held["OptionalFields"] = json!(["ObjectLockEventHoldStatus"]);
    for (properties, wanted) in [
        (json!({"BucketName": "there"}), "there already exists"),
        (json!({"AccessControl": "PublicRead"}), "AccessControlListNotSupported"),
        (
            json!({"AccessControl": "PublicRead", "OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}),
            "AccessDenied",
        ),
        (
            json!({"CorsConfiguration": {"CorsRules": [{"AllowedMethods": ["GET"]}]}}),
            "required key [AllowedOrigins] not found",
        ),
        (
            json!({"WebsiteConfiguration": {"Index": "i"}}),
            "#/WebsiteConfiguration: extraneous key [Index] is not permitted",
        ),
        (json!({"VersioningConfiguration": {"Status": "Off"}}), "MalformedXML"),
        (json!({"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}), "InvalidBucketState"),
        (
            json!({"VersioningConfiguration": {"Status": "Enabled"},
                   "ReplicationConfiguration": {"Role": "arn:aws:iam::000000000000:role/r", "Rules": [rule]}}),
            "Destination bucket must exist.",
        ),
        (json!({"LifecycleConfiguration": {"Rules": [{"Status": "Enabled"}]}}), "At least one action"),
        (json!({"InventoryConfigurations": [inventory, inventory]}), "array items are not unique"),
        (
            json!({"IntelligentTieringConfigurations": [{"Id": "t", "Status": "Enabled", "Tierings": [
                {"AccessTier": "ARCHIVE_ACCESS", "Days": 1}]}]}),
            "Days specified in ARCHIVE_ACCESS tier should not be less than 90.",
        ),
        (
            json!({"AnalyticsConfigurations": [{"Id": "a"}]}),
            "#/AnalyticsConfigurations/0: required key [StorageClassAnalysis] not found",
        ),
        // What S3 has not built is named.
        (
            json!({"InventoryConfigurations": [held]}),
            "has not built this: inventories with the field ObjectLockEventHoldStatus",
        ),
        (
            json!({"NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": "true"}}}),
            "has not built this: the service events, which is not running here",
        ),
        (json!({"BucketName": "mine", "BucketNamespace": "account-regional"}), "The specified bucket is not valid."),
        (
            json!({"BucketName": "mine", "BucketNamePrefix": "m"}),
            "[BucketName] and [BucketNamePrefix] cannot be specified together",
        ),
        (
            json!({"BucketNamePrefix": "m"}),
            "has not built this: AWS::S3::Bucket with `BucketNamePrefix` in the global namespace",
        ),
        (
            json!({"ObjectLockEnabled": true, "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention":
                   {"DefaultEventHold": {"Days": 1}}}}}),
            "event holds",
        ),
    ] {
        let found =
            stack(&client, "CreateStack", &json!({"B": {"Type": "AWS::S3::Bucket", "Properties": properties}})).await;
        assert_eq!(found["StackStatus"], "ROLLBACK_COMPLETE", "{properties}");
        let why = reasons(&client).await;
        assert!(why.iter().any(|w| w.contains(wanted)), "{properties}: {why:?}");
        let all = call(&client, "ListBuckets", json!({})).await.ok();
        assert_eq!(all["Buckets"].as_array().unwrap().len(), 1, "{properties}");
        client.call("cloudformation", "DeleteStack", json!({"StackName": "Stack"})).await.ok();
        settled(&client).await;
    }
    for property in ["MetadataConfiguration", "MetadataTableConfiguration"] {
        let resources = json!({"B": {"Type": "AWS::S3::Bucket", "Properties": {property: []}}});
        let input = json!({"StackName": "Stack", "TemplateBody": template(&resources)});
        let refused = client.call("cloudformation", "CreateStack", input).await;
        let message = refused.json["message"].as_str().unwrap();
        assert!(message.contains(&format!("the property {property} of AWS::S3::Bucket (B)")), "{message}");
    }
}

#[tokio::test]
async fn an_update_that_fails_on_its_way_is_taken_back() {
    let (_cloud, client) = start().await;
    make(&client, "CreateStack", &with_bucket(&everything())).await;
    let before = read(&client, "all").await;
    let mut after = everything();
    after["CorsConfiguration"]["CorsRules"][0]["AllowedMethods"] = json!(["PUT"]);
    after["LifecycleConfiguration"] = json!({"Rules": [{"Status": "Enabled", "ExpirationInDays": 1}]});
    after["InventoryConfigurations"] = json!([]);
    after["IntelligentTieringConfigurations"].as_array_mut().unwrap().pop();
    after["AnalyticsConfigurations"][1]["StorageClassAnalysis"] = json!({});
    after.as_object_mut().unwrap().remove("AccelerateConfiguration");
    after["Tags"] = json!([{"Key": "aws:mine", "Value": "no"}]);
    let found = stack(&client, "UpdateStack", &with_bucket(&after)).await;
    assert_eq!(found["StackStatus"], "UPDATE_ROLLBACK_COMPLETE");
    let why = reasons(&client).await;
    assert!(why[0].contains("InvalidTag"), "{why:?}");
    assert_eq!(without_ids(read(&client, "all").await), without_ids(before.clone()));
    // Another resource that fails takes the bucket back with it.
    after["Tags"] = json!([{"Key": "b", "Value": "2"}]);
    let mut resources = with_bucket(&after);
    resources["Bad"] = json!({"Type": "AWS::S3::Bucket", "DependsOn": "All", "Properties": {"BucketName": "Bad"}});
    let found = stack(&client, "UpdateStack", &resources).await;
    assert_eq!(found["StackStatus"], "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(without_ids(read(&client, "all").await), without_ids(before));
}
