//! Buckets of templates: made with every property, changed, taken back, replaced, and gone after failures.

mod replaced;

use undercast_cloudformation::CloudFormation;

use super::*;

async fn start() -> (Cloud, Client) {
    let mut all = services();
    all.push(Arc::new(CloudFormation));
    let cloud = Cloud::start(all).await;
    let client = cloud.client();
    (cloud, client)
}

fn template(resources: &Json) -> String {
    let outputs: Json = resources
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| *name == "All")
        .flat_map(|name| {
            let of = |attribute: &str| json!({"Value": {"Fn::GetAtt": [name, attribute]}});
            [
                ("Ref".to_owned(), json!({"Value": {"Ref": name}})),
                ("Arn".to_owned(), of("Arn")),
                ("DomainName".to_owned(), of("DomainName")),
                ("DualStackDomainName".to_owned(), of("DualStackDomainName")),
                ("RegionalDomainName".to_owned(), of("RegionalDomainName")),
                ("WebsiteURL".to_owned(), of("WebsiteURL")),
            ]
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({"Resources": resources, "Outputs": outputs}).to_string()
}

/// Asks for a stack of these resources, and waits for what becomes of it.
async fn stack(client: &Client, operation: &str, resources: &Json) -> Json {
    let input = json!({"StackName": "Stack", "TemplateBody": template(resources), "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Tags": [{"Key": "stack", "Value": "yes"}]});
    client.call("cloudformation", operation, input).await.ok();
    settled(client).await
}

async fn settled(client: &Client) -> Json {
    for _ in 0..1000 {
        let answer = client.call("cloudformation", "DescribeStacks", json!({"StackName": "Stack"})).await;
        if answer.status != 200 {
            return json!("gone");
        }
        let found = answer.json["Stacks"][0].clone();
        if !found["StackStatus"].as_str().unwrap().ends_with("IN_PROGRESS") {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the stack never came to rest");
}

async fn make(client: &Client, operation: &str, resources: &Json) -> Json {
    let found = stack(client, operation, resources).await;
    let done = if operation == "CreateStack" { "CREATE_COMPLETE" } else { "UPDATE_COMPLETE" };
    assert_eq!(found["StackStatus"], done, "{:#?}", reasons(client).await);
    found
}

/// Why resources failed, the last one first.
async fn reasons(client: &Client) -> Vec<String> {
    let events = client.call("cloudformation", "DescribeStackEvents", json!({"StackName": "Stack"})).await.ok();
    let events = events["StackEvents"].as_array().unwrap().iter();
    let failed = events.filter(|e| e["ResourceStatus"].as_str().unwrap().ends_with("_FAILED"));
    failed.map(|e| e["ResourceStatusReason"].as_str().unwrap_or_default().to_owned()).collect()
}

fn output(stack: &Json, key: &str) -> String {
    let all = stack["Outputs"].as_array().unwrap().iter();
    all.filter(|o| o["OutputKey"] == key).map(|o| o["OutputValue"].as_str().unwrap()).collect()
}

/// What stands around the bucket of a test: where its objects, logs, lists and messages go, and who brings them there.
fn surroundings() -> Json {
    let may =
        |service: &str, action: &str| json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": action});
    let mut send = may("s3.amazonaws.com", "sqs:SendMessage");
    send["Resource"] = json!({"Fn::GetAtt": ["Queue", "Arn"]});
    json!({
        "Replica": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "replica", "VersioningConfiguration": {"Status": "Enabled"}}},
        "Logs": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "logs"}},
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "told"}},
        "QueuePolicy": {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": "Queue"}],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [send]}}},
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "replicate",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [may("s3.amazonaws.com", "sts:AssumeRole")]},
            "Policies": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}}]}},
    })
}

/// A bucket that says something of everything, in CloudFormation's words.
fn everything() -> Json {
    json!({
        "BucketName": "all",
        "BucketNamespace": "global",
        "AbacStatus": "Enabled",
        "AccelerateConfiguration": {"AccelerationStatus": "Enabled"},
        "AccessControl": "PublicReadWrite",
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"BucketKeyEnabled": "true",
            "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/mine"},
            "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}]},
        "CorsConfiguration": {"CorsRules": [{"Id": "c", "AllowedHeaders": ["*"], "AllowedMethods": ["GET"],
            "AllowedOrigins": ["https://a.test"], "ExposedHeaders": ["etag"], "MaxAge": "60"}]},
        "AnalyticsConfigurations": [
            {"Id": "all", "StorageClassAnalysis": {}},
            {"Id": "some", "Prefix": "p/", "TagFilters": [{"Key": "k", "Value": "v"}], "StorageClassAnalysis": {"DataExport": {
                "OutputSchemaVersion": "V_1", "Destination": {"BucketArn": "arn:aws:s3:::logs", "BucketAccountId": "000000000000",
                "Format": "CSV", "Prefix": "ages"}}}}],
        "IntelligentTieringConfigurations": [
            {"Id": "one", "Status": "Enabled", "TagFilters": [{"Key": "k", "Value": "v"}],
             "Tierings": [{"AccessTier": "ARCHIVE_ACCESS", "Days": "90"}]},
            {"Id": "two", "Status": "Disabled", "Prefix": "p/",
             "Tierings": [{"AccessTier": "DEEP_ARCHIVE_ACCESS", "Days": 180}]}],
        "MetricsConfigurations": [
            {"Id": "all"},
            {"Id": "door", "AccessPointArn": "arn:aws:s3:us-east-1:000000000000:accesspoint/door", "Prefix": "p/"},
            {"Id": "tagged", "TagFilters": [{"Key": "k", "Value": "v"}]}],
        "InventoryConfigurations": [
            {"Id": "kept", "Enabled": true, "IncludedObjectVersions": "All", "ScheduleFrequency": "Daily", "Prefix": "p/",
             "OptionalFields": ["Size"], "Destination": {"BucketArn": "arn:aws:s3:::logs", "BucketAccountId": "000000000000",
             "Format": "CSV", "Prefix": "lists"}},
            {"Id": "dropped", "Enabled": "false", "IncludedObjectVersions": "Current", "ScheduleFrequency": "Weekly",
             "Destination": {"BucketArn": "arn:aws:s3:::logs", "Format": "CSV"}}],
        "LifecycleConfiguration": {"TransitionDefaultMinimumObjectSize": "varies_by_storage_class", "Rules": [
            {"Id": "old", "Status": "Enabled", "Prefix": "old/", "ExpirationInDays": "400", "ObjectSizeGreaterThan": "1000",
             "TagFilters": [{"Key": "k", "Value": "v"}],
             "Transitions": [{"StorageClass": "STANDARD_IA", "TransitionInDays": 30}, {"StorageClass": "GLACIER", "TransitionInDays": 90}],
             "NoncurrentVersionExpiration": {"NoncurrentDays": 100, "NewerNoncurrentVersions": 3},
             "NoncurrentVersionTransitions": [{"StorageClass": "GLACIER", "TransitionInDays": 10, "NewerNoncurrentVersions": 2}]},
            {"Id": "uploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
            {"Id": "dated", "Status": "Disabled", "Prefix": "d/", "ExpirationDate": "2031-01-01",
             "Transition": {"StorageClass": "Glacier", "TransitionDate": "2030-01-01T00:00:00Z"}},
            {"Id": "deprecated", "Status": "Enabled", "Prefix": "e/", "NoncurrentVersionExpirationInDays": 30, "ExpiredObjectDeleteMarker": true,
             "NoncurrentVersionTransition": {"StorageClass": "GLACIER_IR", "TransitionInDays": 1}}]},
        "LoggingConfiguration": {"DestinationBucketName": {"Ref": "Logs"}, "LogFilePrefix": "l/",
            "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}},
        "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": "false"}, "QueueConfigurations": [{"Event": "s3:ObjectCreated:*", "Queue": {"Fn::GetAtt": ["Queue", "Arn"]},
            "Filter": {"S3Key": {"Rules": [{"Name": "Suffix", "Value": ".json"}]}}}]},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
        "PublicAccessBlockConfiguration": {"BlockPublicAcls": "false", "RestrictPublicBuckets": true},
        "ReplicationConfiguration": {"Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Rules": [{"Id": "r", "Status": "Enabled", "Priority": "1",
            "Filter": {"And": {"Prefix": "docs/", "TagFilters": [{"Key": "k", "Value": "v"}]}},
            "DeleteMarkerReplication": {"Status": "Disabled"},
            "SourceSelectionCriteria": {"ReplicaModifications": {"Status": "Enabled"}, "SseKmsEncryptedObjects": {"Status": "Enabled"}},
            "Destination": {"Bucket": {"Fn::GetAtt": ["Replica", "Arn"]}, "Account": {"Ref": "AWS::AccountId"}, "StorageClass": "STANDARD_IA",
                "EncryptionConfiguration": {"ReplicaKmsKeyID": "alias/theirs"},
                "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}},
                "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}}}}]},
        "Tags": [{"Key": "a", "Value": 1}],
        "VersioningConfiguration": {"Status": "Enabled"},
        "WebsiteConfiguration": {"IndexDocument": "index.html", "ErrorDocument": "error.html", "RoutingRules": [
            {"RoutingRuleCondition": {"KeyPrefixEquals": "old/", "HttpErrorCodeReturnedEquals": 404},
             "RedirectRule": {"HostName": "b.test", "Protocol": "https", "HttpRedirectCode": "302", "ReplaceKeyPrefixWith": "new/"}}]},
    })
}

/// Everything that a bucket has been told, in S3's words.
async fn read(client: &Client, name: &str) -> Json {
    let mut all = serde_json::Map::new();
    for operation in [
        "GetBucketAbac",
        "GetBucketAccelerateConfiguration",
        "GetBucketAcl",
        "GetBucketCors",
        "GetBucketEncryption",
        "GetBucketLifecycleConfiguration",
        "GetBucketLogging",
        "GetBucketNotificationConfiguration",
        "GetBucketOwnershipControls",
        "GetBucketReplication",
        "GetBucketTagging",
        "GetBucketVersioning",
        "GetBucketWebsite",
        "GetObjectLockConfiguration",
        "GetPublicAccessBlock",
        "ListBucketAnalyticsConfigurations",
        "ListBucketIntelligentTieringConfigurations",
        "ListBucketInventoryConfigurations",
        "ListBucketMetricsConfigurations",
    ] {
        let answer = call(client, operation, json!({"Bucket": name})).await;
        all.insert(operation.to_owned(), if answer.status == 200 { answer.json.clone() } else { answer.code().into() });
    }
    Json::Object(all)
}

fn with_bucket(properties: &Json) -> Json {
    let mut resources = surroundings();
    resources["All"] =
        json!({"Type": "AWS::S3::Bucket", "DependsOn": ["QueuePolicy", "Logs", "Replica"], "Properties": properties});
    resources
}

#[tokio::test]
async fn every_property_is_said_to_the_bucket_and_taken_back() {
    let (_cloud, client) = start().await;
    make(&client, "CreateStack", &with_bucket(&everything())).await;
    let found = read(&client, "all").await;
    check_access(&found);
    check_care(&found);
    check_ways(&found);
    // The template that made it has nothing more to do.
    let same = json!({"StackName": "Stack", "TemplateBody": template(&with_bucket(&everything())), "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Tags": [{"Key": "stack", "Value": "yes"}]});
    let again = client.call("cloudformation", "UpdateStack", same).await;
    assert_eq!(again.json["message"], "No updates are to be performed.");
    // What the template no longer says is as new buckets have it.
    make(&client, "UpdateStack", &with_bucket(&json!({"BucketName": "all", "BucketNamespace": "global"}))).await;
    bucket(&client, "new").await;
    call(&client, "PutBucketVersioning", json!({"Bucket": "new", "VersioningConfiguration": {"Status": "Suspended"}}))
        .await
        .ok();
    call(
        &client,
        "PutBucketTagging",
        json!({"Bucket": "new", "Tagging": {"TagSet": [{"Key": "stack", "Value": "yes"}]}}),
    )
    .await
    .ok();
    call(
        &client,
        "PutBucketAccelerateConfiguration",
        json!({"Bucket": "new", "AccelerateConfiguration": {"Status": "Suspended"}}),
    )
    .await
    .ok();
    assert_eq!(read(&client, "all").await, read(&client, "new").await);
    make(&client, "UpdateStack", &surroundings()).await;
    assert_eq!(call(&client, "HeadBucket", json!({"Bucket": "all"})).await.status, 404);
}

fn check_access(found: &Json) {
    assert_eq!(found["GetBucketAbac"]["AbacStatus"]["Status"], "Enabled");
    let grants = found["GetBucketAcl"]["Grants"].as_array().unwrap();
    let public: Vec<_> = grants.iter().filter(|g| g["Grantee"]["Type"] == "Group").map(|g| &g["Permission"]).collect();
    assert_eq!(public, ["READ", "WRITE"]);
    assert_eq!(
        found["GetBucketCors"]["CORSRules"],
        json!([{"ID": "c", "AllowedHeaders": ["*"], "AllowedMethods": ["GET"], "AllowedOrigins": ["https://a.test"],
                "ExposeHeaders": ["etag"], "MaxAgeSeconds": 60}])
    );
    assert_eq!(
        found["GetBucketOwnershipControls"]["OwnershipControls"],
        json!({"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    );
    assert_eq!(
        found["GetPublicAccessBlock"]["PublicAccessBlockConfiguration"],
        json!({"BlockPublicAcls": false, "IgnorePublicAcls": false, "BlockPublicPolicy": false, "RestrictPublicBuckets": true})
    );
    assert_eq!(
        found["GetBucketTagging"]["TagSet"],
        json!([{"Key": "a", "Value": "1"}, {"Key": "stack", "Value": "yes"}])
    );
}

fn check_care(found: &Json) {
    assert_eq!(
        found["GetBucketEncryption"]["ServerSideEncryptionConfiguration"]["Rules"],
        json!([{"BucketKeyEnabled": true, "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]},
                "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/mine"}}])
    );
    let lifecycle = &found["GetBucketLifecycleConfiguration"];
    assert_eq!(lifecycle["TransitionDefaultMinimumObjectSize"], "varies_by_storage_class");
    assert_eq!(
        lifecycle["Rules"],
        json!([
            {"ID": "old", "Status": "Enabled", "Expiration": {"Days": 400},
             "Filter": {"And": {"Prefix": "old/", "Tags": [{"Key": "k", "Value": "v"}], "ObjectSizeGreaterThan": 1000}},
             "Transitions": [{"StorageClass": "STANDARD_IA", "Days": 30}, {"StorageClass": "GLACIER", "Days": 90}],
             "NoncurrentVersionExpiration": {"NoncurrentDays": 100, "NewerNoncurrentVersions": 3},
             "NoncurrentVersionTransitions": [{"StorageClass": "GLACIER", "NoncurrentDays": 10, "NewerNoncurrentVersions": 2}]},
            {"ID": "uploads", "Status": "Enabled", "Filter": {"Prefix": ""},
             "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
            {"ID": "dated", "Status": "Disabled", "Filter": {"Prefix": "d/"}, "Expiration": {"Date": 1_924_992_000},
             "Transitions": [{"StorageClass": "GLACIER", "Date": 1_893_456_000}]},
            {"ID": "deprecated", "Status": "Enabled", "Filter": {"Prefix": "e/"}, "Expiration": {"ExpiredObjectDeleteMarker": true},
             "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
             "NoncurrentVersionTransitions": [{"StorageClass": "GLACIER_IR", "NoncurrentDays": 1}]},
        ])
    );
    assert_eq!(found["GetBucketVersioning"]["Status"], "Enabled");
}

fn check_ways(found: &Json) {
    assert_eq!(found["GetBucketAccelerateConfiguration"]["Status"], "Enabled");
    let of = |bucket: &str, prefix: Option<&str>| {
        let mut target = json!({"Bucket": format!("arn:aws:s3:::{bucket}"), "Format": "CSV"});
        if let Some(prefix) = prefix {
            target["AccountId"] = json!("000000000000");
            target["Prefix"] = json!(prefix);
        }
        json!({"S3BucketDestination": target})
    };
    assert_eq!(
        found["ListBucketAnalyticsConfigurations"]["AnalyticsConfigurationList"],
        json!([
            {"Id": "all", "StorageClassAnalysis": {}},
            {"Id": "some", "Filter": {"And": {"Prefix": "p/", "Tags": [{"Key": "k", "Value": "v"}]}},
             "StorageClassAnalysis": {"DataExport": {"OutputSchemaVersion": "V_1", "Destination": {"S3BucketDestination":
                {"Bucket": "arn:aws:s3:::logs", "BucketAccountId": "000000000000", "Format": "CSV", "Prefix": "ages"}}}}},
        ])
    );
    assert_eq!(
        found["ListBucketMetricsConfigurations"]["MetricsConfigurationList"],
        json!([
            {"Id": "all"},
            {"Id": "door", "Filter": {"And": {"Prefix": "p/", "AccessPointArn": "arn:aws:s3:us-east-1:000000000000:accesspoint/door"}}},
            {"Id": "tagged", "Filter": {"Tag": {"Key": "k", "Value": "v"}}},
        ])
    );
    assert_eq!(
        found["ListBucketIntelligentTieringConfigurations"]["IntelligentTieringConfigurationList"],
        json!([
            {"Id": "one", "Status": "Enabled", "Filter": {"Tag": {"Key": "k", "Value": "v"}},
             "Tierings": [{"AccessTier": "ARCHIVE_ACCESS", "Days": 90}]},
            {"Id": "two", "Status": "Disabled", "Filter": {"Prefix": "p/"},
             "Tierings": [{"AccessTier": "DEEP_ARCHIVE_ACCESS", "Days": 180}]},
        ])
    );
    assert_eq!(
        found["ListBucketInventoryConfigurations"]["InventoryConfigurationList"],
        json!([
            {"Id": "dropped", "IsEnabled": false, "IncludedObjectVersions": "Current", "Schedule": {"Frequency": "Weekly"},
             "Destination": of("logs", None)},
            {"Id": "kept", "IsEnabled": true, "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"},
             "Filter": {"Prefix": "p/"}, "OptionalFields": ["Size"], "Destination": of("logs", Some("lists"))},
        ])
    );
    assert_eq!(
        found["GetBucketLogging"]["LoggingEnabled"],
        json!({"TargetBucket": "logs", "TargetPrefix": "l/",
               "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}})
    );
    let told = &found["GetBucketNotificationConfiguration"]["QueueConfigurations"][0];
    assert_eq!(told["QueueArn"], "arn:aws:sqs:us-east-1:000000000000:told");
    assert_eq!(told["Events"], json!(["s3:ObjectCreated:*"]));
    let rules = &told["Filter"]["Key"]["FilterRules"];
    assert_eq!((&rules[0]["Name"], &rules[0]["Value"]), (&json!("Suffix"), &json!(".json")));
    let rule = json!({"ID": "r", "Status": "Enabled", "Priority": 1,
        "Filter": {"And": {"Prefix": "docs/", "Tags": [{"Key": "k", "Value": "v"}]}}, "DeleteMarkerReplication": {"Status": "Disabled"},
        "SourceSelectionCriteria": {"ReplicaModifications": {"Status": "Enabled"}, "SseKmsEncryptedObjects": {"Status": "Enabled"}},
        "Destination": {"Bucket": "arn:aws:s3:::replica", "Account": "000000000000", "StorageClass": "STANDARD_IA",
            "EncryptionConfiguration": {"ReplicaKmsKeyID": "alias/theirs"},
            "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}},
            "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}}}});
    let replication = &found["GetBucketReplication"]["ReplicationConfiguration"];
    assert_eq!(*replication, json!({"Role": "arn:aws:iam::000000000000:role/replicate", "Rules": [rule]}));
    let website = &found["GetBucketWebsite"];
    assert_eq!(
        (&website["IndexDocument"], &website["ErrorDocument"]),
        (&json!({"Suffix": "index.html"}), &json!({"Key": "error.html"}))
    );
    assert_eq!(
        website["RoutingRules"],
        json!([{"Condition": {"KeyPrefixEquals": "old/", "HttpErrorCodeReturnedEquals": "404"},
                "Redirect": {"HostName": "b.test", "Protocol": "https", "HttpRedirectCode": "302", "ReplaceKeyPrefixWith": "new/"}}])
    );
}

#[tokio::test]
async fn what_a_template_changes_is_changed_where_it_is() {
    let (_cloud, client) = start().await;
    make(&client, "CreateStack", &with_bucket(&everything())).await;
    let kept = json!({"Bucket": "all", "Key": "k", "ServerSideEncryption": "AES256"});
    client.call_with_body("s3", "PutObject", kept, Some(Bytes::from_static(b"stays"))).await.ok();
    // What somebody has deleted already need not be.
    call(&client, "DeleteBucketInventoryConfiguration", json!({"Bucket": "all", "Id": "dropped"})).await.ok();
    let mut after = everything();
    after["InventoryConfigurations"].as_array_mut().unwrap().pop();
    after["MetricsConfigurations"] = json!([{"Id": "all", "Prefix": "p/"}]);
    after["AnalyticsConfigurations"].as_array_mut().unwrap().remove(0);
    after["AnalyticsConfigurations"][0]["TagFilters"] = json!([]);
    after["IntelligentTieringConfigurations"].as_array_mut().unwrap().remove(0);
    after["IntelligentTieringConfigurations"][0]["Status"] = json!("Enabled");
    after["InventoryConfigurations"][0]["ScheduleFrequency"] = json!("Weekly");
    after["LifecycleConfiguration"] = json!({"Rules": [{"Status": "Enabled", "ExpirationInDays": 1}]});
    // Without another bucket it keeps its logs itself.
    after["LoggingConfiguration"] = json!({"TargetObjectKeyFormat": {"SimplePrefix": {}}});
    after["WebsiteConfiguration"] = json!({"RedirectAllRequestsTo": {"HostName": "c.test", "Protocol": "https"}});
    // Tags decide who may, so that they are changed with the operations for that.
    after["Tags"] = json!([{"Key": "b", "Value": "2"}]);
    after["BucketEncryption"]["ServerSideEncryptionConfiguration"] =
        json!([{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]);
    after["ReplicationConfiguration"]["Rules"] = json!([{"Status": "Enabled", "Priority": 2, "Filter": {"TagFilter": {"Key": "k", "Value": "v"}},
        "DeleteMarkerReplication": {"Status": "Disabled"}, "Destination": {"Bucket": {"Fn::GetAtt": ["Replica", "Arn"]}}}]);
    make(&client, "UpdateStack", &with_bucket(&after)).await;
    assert_eq!(get(&client, json!({"Bucket": "all", "Key": "k"})).await.1, b"stays");
    let found = read(&client, "all").await;
    let lists = found["ListBucketInventoryConfigurations"]["InventoryConfigurationList"].as_array().unwrap();
    assert_eq!((lists.len(), &lists[0]["Schedule"]["Frequency"]), (1, &json!("Weekly")));
    assert_eq!(
        found["ListBucketMetricsConfigurations"]["MetricsConfigurationList"],
        json!([{"Id": "all", "Filter": {"Prefix": "p/"}}])
    );
    let analyses = found["ListBucketAnalyticsConfigurations"]["AnalyticsConfigurationList"].as_array().unwrap();
    assert_eq!((analyses.len(), &analyses[0]["Filter"]), (1, &json!({"Prefix": "p/"})));
    let tiers = &found["ListBucketIntelligentTieringConfigurations"]["IntelligentTieringConfigurationList"];
    assert_eq!(
        (tiers.as_array().unwrap().len(), &tiers[0]["Id"], &tiers[0]["Status"]),
        (1, &json!("two"), &json!("Enabled"))
    );
    let lifecycle = &found["GetBucketLifecycleConfiguration"];
    assert_eq!(lifecycle["Rules"][0]["Expiration"], json!({"Days": 1}));
    assert_eq!(lifecycle["TransitionDefaultMinimumObjectSize"], "all_storage_classes_128K");
    assert_eq!(
        found["GetBucketLogging"]["LoggingEnabled"],
        json!({"TargetBucket": "all", "TargetPrefix": "", "TargetObjectKeyFormat": {"SimplePrefix": {}}})
    );
    assert_eq!(
        found["GetBucketWebsite"],
        json!({"RedirectAllRequestsTo": {"HostName": "c.test", "Protocol": "https"}})
    );
    let tags = json!([{"Key": "b", "Value": "2"}, {"Key": "stack", "Value": "yes"}]);
    assert_eq!(found["GetBucketTagging"]["TagSet"], tags);
    let rule = &found["GetBucketEncryption"]["ServerSideEncryptionConfiguration"]["Rules"][0];
    assert_eq!(rule["ApplyServerSideEncryptionByDefault"], json!({"SSEAlgorithm": "AES256"}));
    let filter = &found["GetBucketReplication"]["ReplicationConfiguration"]["Rules"][0]["Filter"];
    assert_eq!(*filter, json!({"Tag": {"Key": "k", "Value": "v"}}));
    // A bucket that has something in it does not go.
    client.call("cloudformation", "DeleteStack", json!({"StackName": "Stack"})).await.ok();
    let left = settled(&client).await;
    assert_eq!(left["StackStatus"], "DELETE_FAILED");
    assert!(reasons(&client).await.iter().any(|r| r.contains("BucketNotEmpty")));
}

#[tokio::test]
async fn object_lock_comes_with_a_bucket_or_later_and_stays() {
    let (_cloud, client) = start().await;
    let rule = |days: u32| json!({"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": days}}});
    let of = |properties: Json| json!({"B": {"Type": "AWS::S3::Bucket", "Properties": properties}});
    let named = json!({"BucketName": "locked", "ObjectLockEnabled": "true"});
    make(&client, "CreateStack", &of(named.clone())).await;
    let lock = async || {
        let found = call(&client, "GetObjectLockConfiguration", json!({"Bucket": "locked"})).await.ok();
        found["ObjectLockConfiguration"].clone()
    };
    assert_eq!(lock().await, json!({"ObjectLockEnabled": "Enabled"}));
    let mut with_rule = named.clone();
    with_rule["ObjectLockConfiguration"] = rule(3);
    with_rule["VersioningConfiguration"] = json!({"Status": "Enabled"});
    make(&client, "UpdateStack", &of(with_rule)).await;
    assert_eq!(lock().await, rule(3));
    make(&client, "UpdateStack", &of(named)).await;
    assert_eq!(lock().await, json!({"ObjectLockEnabled": "Enabled"}));
    assert_eq!(call(&client, "GetBucketVersioning", json!({"Bucket": "locked"})).await.ok()["Status"], "Enabled");
    // A bucket that is there can have it if it keeps versions; one that has it from its beginning is another bucket.
    let later = json!({"BucketName": "later", "VersioningConfiguration": {"Status": "Enabled"}, "ObjectLockConfiguration": rule(5)});
    make(&client, "UpdateStack", &of(later)).await;
    assert_eq!(call(&client, "HeadBucket", json!({"Bucket": "locked"})).await.status, 404);
    let found = call(&client, "GetObjectLockConfiguration", json!({"Bucket": "later"})).await.ok();
    assert_eq!(found["ObjectLockConfiguration"], rule(5));
}

#[tokio::test]
async fn attributes_name_the_bucket_and_where_its_website_is() {
    let (cloud, client) = start().await;
    for (region, joint) in [("eu-west-1", '-'), ("eu-central-1", '.')] {
        let client = client.in_region(region);
        let of = |name: &str| {
            json!({"All": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name, "WebsiteConfiguration": {"IndexDocument": "i"},
                "PublicAccessBlockConfiguration": {"BlockPublicPolicy": false}}},
                "Policy": {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Ref": "All"}, "PolicyDocument": {"Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": {"Fn::Sub": "${All.Arn}/*"}}]}}}})
        };
        let name = format!("site-{region}");
        let stack = make(&client, "CreateStack", &of(&name)).await;
        for (attribute, wanted) in [
            ("Ref", name.clone()),
            ("Arn", format!("arn:aws:s3:::{name}")),
            ("DomainName", format!("{name}.s3.amazonaws.com")),
            ("DualStackDomainName", format!("{name}.s3.dualstack.{region}.amazonaws.com")),
            ("RegionalDomainName", format!("{name}.s3.{region}.amazonaws.com")),
        ] {
            assert_eq!(output(&stack, attribute), wanted, "{attribute}");
        }
        put(&client, &name, "i", b"home").await;
        let url = output(&stack, "WebsiteURL");
        let host = url.strip_prefix("http://").unwrap();
        assert!(host.starts_with(&format!("{name}.s3-website{joint}{region}.localhost")), "{url}");
        let mut request = unsigned("GET", "/");
        request.headers.insert("host", host.parse().unwrap());
        let (status, _, body) = cloud.client().send(request).await;
        assert_eq!((status, &body[..]), (200, &b"home"[..]));
        // Another name is another bucket, and the one that was there goes.
        call(&client, "DeleteObject", json!({"Bucket": name, "Key": "i"})).await.ok();
        let other = format!("other-{region}");
        let stack = make(&client, "UpdateStack", &of(&other)).await;
        assert_eq!(output(&stack, "Ref"), other);
        assert_eq!(call(&client, "HeadBucket", json!({"Bucket": name})).await.status, 404);
        call(&client, "HeadBucket", json!({"Bucket": other})).await.ok();
    }
}

#[tokio::test]
async fn a_bucket_without_a_name_gets_one() {
    let (_cloud, client) = start().await;
    let resources = json!({"All": {"Type": "AWS::S3::Bucket"}});
    let made = make(&client, "CreateStack", &resources).await;
    let name = output(&made, "Ref");
    assert!(name.starts_with("stack-all-"), "{name}");
    let tags = call(&client, "GetBucketTagging", json!({"Bucket": name})).await.ok();
    assert_eq!(tags["TagSet"], json!([{"Key": "stack", "Value": "yes"}]));
    // The tags of the stack are its tags too, and go with them.
    let input =
        json!({"StackName": "Stack", "TemplateBody": template(&resources), "Tags": [{"Key": "other", "Value": "1"}]});
    client.call("cloudformation", "UpdateStack", input).await.ok();
    assert_eq!(settled(&client).await["StackStatus"], "UPDATE_COMPLETE");
    let tags = call(&client, "GetBucketTagging", json!({"Bucket": name})).await.ok();
    assert_eq!(tags["TagSet"], json!([{"Key": "other", "Value": "1"}]));
    client.call("cloudformation", "DeleteStack", json!({"StackName": "Stack"})).await.ok();
    settled(&client).await;
    assert_eq!(call(&client, "HeadBucket", json!({"Bucket": name})).await.status, 404);
}

#[tokio::test]
async fn tags_go_with_the_property() {
    let (_cloud, client) = start().await;
    let of = |properties: Json| {
        let resources = json!({"B": {"Type": "AWS::S3::Bucket", "Properties": properties}});
        json!({"StackName": "Stack", "TemplateBody": template(&resources)})
    };
    let tags = json!([{"Key": "a", "Value": "1"}]);
    client.call("cloudformation", "CreateStack", of(json!({"BucketName": "tagged", "Tags": tags}))).await.ok();
    settled(&client).await;
    assert_eq!(call(&client, "GetBucketTagging", json!({"Bucket": "tagged"})).await.ok()["TagSet"], tags);
    client.call("cloudformation", "UpdateStack", of(json!({"BucketName": "tagged"}))).await.ok();
    assert_eq!(settled(&client).await["StackStatus"], "UPDATE_COMPLETE");
    assert_eq!(call(&client, "GetBucketTagging", json!({"Bucket": "tagged"})).await.code(), "NoSuchTagSet");
}

/// Notifications get a new id each time they are set without one.
fn without_ids(mut found: Json) -> Json {
    found["GetBucketNotificationConfiguration"]["QueueConfigurations"][0].as_object_mut().unwrap().remove("Id");
    found
}

#[tokio::test]
async fn a_bucket_in_the_accounts_own_namespace_has_its_suffix() {
    let (_cloud, client) = start().await;
    let own = |more: Json| {
        let mut properties = json!({"BucketNamespace": "account-regional"});
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"All": {"Type": "AWS::S3::Bucket", "Properties": properties}})
    };
    let made = make(&client, "CreateStack", &own(json!({"BucketNamePrefix": "app"}))).await;
    assert_eq!(output(&made, "Ref"), "app-000000000000-us-east-1-an");
    let made = make(&client, "UpdateStack", &own(json!({}))).await;
    let name = output(&made, "Ref");
    assert!(name.starts_with("stack-all-") && name.ends_with("-000000000000-us-east-1-an"), "{name}");
    assert!(name.len() <= 63, "{name}");
    let gone = call(&client, "HeadBucket", json!({"Bucket": "app-000000000000-us-east-1-an"})).await;
    assert_eq!(gone.status, 404, "another name is another bucket");
    call(&client, "HeadBucket", json!({"Bucket": name})).await.ok();
}
