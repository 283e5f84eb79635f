//! What is refused, operation by operation, and members that other tests do not need.

use super::*;

/// A trail and a store of an organization, and a member of it.
pub(crate) async fn organized() -> (Cloud, Client, Client, String) {
    let (cloud, client) = cloud().await;
    let (id, account) = organization::organization(&client).await;
    let there = organization::member(&cloud, &client, &account).await;
    client
        .call("organizations", "EnableAWSServiceAccess", json!({"ServicePrincipal": "cloudtrail.amazonaws.com"}))
        .await
        .ok();
    let policy = bucket_policy(&[&format!("AWSLogs/{id}"), "AWSLogs/000000000000"]).to_string();
    client.call("s3", "PutBucketPolicy", json!({"Bucket": BUCKET, "Policy": policy})).await.ok();
    trail(&client, json!({"IsOrganizationTrail": true})).await;
    (cloud, client, there, account)
}

/// Calls that change the trail.
fn changes() -> Vec<(&'static str, Json)> {
    vec![
        ("UpdateTrail", json!({"Name": TRAIL})),
        ("StartLogging", json!({"Name": TRAIL})),
        ("StopLogging", json!({"Name": TRAIL})),
        ("DeleteTrail", json!({"Name": TRAIL})),
        ("PutEventSelectors", json!({"TrailName": TRAIL, "EventSelectors": [{}]})),
        ("PutInsightSelectors", json!({"TrailName": TRAIL, "InsightSelectors": []})),
    ]
}

#[tokio::test]
async fn a_trail_is_changed_at_home_by_its_owner() {
    let (_cloud, client, there, _) = organized().await;
    for (operation, input) in changes() {
        assert_eq!(refused(&there, operation, input).await.0, "NotOrganizationMasterAccountException", "{operation}");
    }
    ok(&client, "UpdateTrail", json!({"Name": "all", "IsMultiRegionTrail": true, "RecursiveLogging": false})).await;
    for (operation, input) in changes() {
        let (code, _) = refused(&client.in_region("eu-west-1"), operation, input).await;
        assert_eq!(code, "InvalidHomeRegionException", "{operation}");
    }
    let made = json!({"Name": "theirs", "OrganizationEnabled": true});
    assert_eq!(refused(&there, "CreateEventDataStore", made).await.0, "NotOrganizationMasterAccountException");
    let arn = ok(&there, "CreateEventDataStore", json!({"Name": "theirs"})).await["EventDataStoreArn"].clone();
    let mine = json!({"EventDataStore": arn, "OrganizationEnabled": true});
    assert_eq!(refused(&there, "UpdateEventDataStore", mine).await.0, "NotOrganizationMasterAccountException");
}

/// Calls for an organization, by whoever may make a trail and a store of their own.
async fn of_organization(client: &Client, who: &Client, store: &Json, account: &str, wanted: &str) {
    for (operation, input) in [
        ("CreateTrail", json!({"Name": "whole", "S3BucketName": BUCKET, "IsOrganizationTrail": true})),
        ("UpdateTrail", json!({"Name": "own", "IsOrganizationTrail": true})),
        ("CreateEventDataStore", json!({"Name": "whole", "OrganizationEnabled": true})),
        ("UpdateEventDataStore", json!({"EventDataStore": store, "OrganizationEnabled": true})),
        ("RegisterOrganizationDelegatedAdmin", json!({"MemberAccountId": account})),
        ("DeregisterOrganizationDelegatedAdmin", json!({"DelegatedAdminAccountId": account})),
    ] {
        assert_eq!(refused(who, operation, input).await.0, wanted, "{operation}");
    }
    assert_eq!(ok(client, "ListTrails", json!({})).await["Trails"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_organization_must_let_cloudtrail_in() {
    let (cloud, client) = cloud().await;
    ok(&client, "CreateTrail", json!({"Name": "own", "S3BucketName": BUCKET})).await;
    let store = ok(&client, "CreateEventDataStore", json!({"Name": "own"})).await["EventDataStoreArn"].clone();
    of_organization(&client, &client, &store, "111111111111", "OrganizationsNotInUseException").await;
    client.call("organizations", "CreateOrganization", json!({"FeatureSet": "CONSOLIDATED_BILLING"})).await.ok();
    of_organization(&client, &client, &store, "111111111111", "OrganizationNotInAllFeaturesModeException").await;
    client.call("organizations", "DeleteOrganization", json!({})).await.ok();
    let (_, account) = organization::organization(&client).await;
    of_organization(&client, &client, &store, &account, "CloudTrailAccessNotEnabledException").await;
    let alone =
        user(&cloud, &client, "alone", json!([{"Effect": "Allow", "Action": "cloudtrail:*", "Resource": "*"}])).await;
    of_organization(&client, &alone, &store, &account, "InsufficientDependencyServiceAccessPermissionException").await;
    client
        .call("organizations", "EnableAWSServiceAccess", json!({"ServicePrincipal": "cloudtrail.amazonaws.com"}))
        .await
        .ok();
    let there = organization::member(&cloud, &client, &account).await;
    let gone = |account: &str| json!({"DelegatedAdminAccountId": account});
    let said = refused(&there, "DeregisterOrganizationDelegatedAdmin", gone(&account)).await;
    assert_eq!(said.0, "NotOrganizationManagementAccountException");
    for (account, wanted) in
        [("1234567890123", "InvalidParameterException"), ("999999999999", "AccountNotFoundException")]
    {
        assert_eq!(refused(&client, "DeregisterOrganizationDelegatedAdmin", gone(account)).await.0, wanted);
    }
    ok(&client, "UpdateEventDataStore", json!({"EventDataStore": store, "OrganizationEnabled": true})).await;
    let shown = ok(&client, "GetEventDataStore", json!({"EventDataStore": store})).await;
    assert_eq!(shown["OrganizationEnabled"], true);
}

#[tokio::test]
async fn what_a_trail_changes_to_is_tried() {
    let (cloud, client) = cloud().await;
    ok(&client, "CreateTrail", json!({"Name": "all", "S3BucketName": BUCKET})).await;
    settings::log_role(&client).await;
    let (closed, disabled) = (settings::key(&client, false).await, settings::key(&client, true).await);
    client.call("kms", "DisableKey", json!({"KeyId": disabled})).await.ok();
    let said = async |who: &Client, more: Json| {
        let mut input = json!({"Name": "all"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        refused(who, "UpdateTrail", input).await.0
    };
    for (more, wanted) in [
        (json!({"S3BucketName": "none-there"}), "S3BucketDoesNotExistException"),
        (json!({"S3BucketName": "Not_A_Name"}), "InvalidS3BucketNameException"),
        (json!({"S3KeyPrefix": "AWSLogs"}), "InvalidS3PrefixException"),
        (json!({"SnsTopicName": "none"}), "InsufficientSnsTopicPolicyException"),
        (json!({"SnsTopicName": "a topic"}), "InvalidSnsTopicNameException"),
        (json!({"KmsKeyId": closed}), "InsufficientEncryptionPolicyException"),
        (json!({"KmsKeyId": disabled}), "KmsKeyDisabledException"),
        (json!({"KmsKeyId": "alias/none"}), "KmsKeyNotFoundException"),
        (json!({"KmsKeyId": "arn:aws:kms:us-east-1:000000000000:nothing"}), "InvalidKmsKeyIdException"),
        (json!({"CloudWatchLogsLogGroupArn": settings::GROUP}), "InvalidCloudWatchLogsRoleArnException"),
        (json!({"CloudWatchLogsRoleArn": settings::ROLE}), "InvalidCloudWatchLogsLogGroupArnException"),
    ] {
        assert_eq!(said(&client, more.clone()).await, wanted, "{more}");
    }
    let alone =
        user(&cloud, &client, "alone", json!([{"Effect": "Allow", "Action": "cloudtrail:*", "Resource": "*"}])).await;
    assert_eq!(said(&alone, json!({"KmsKeyId": closed})).await, "KmsException");
    let input = json!({"Name": "other", "S3BucketName": BUCKET, "KmsKeyId": closed});
    assert_eq!(refused(&alone, "CreateTrail", input).await.0, "KmsException");
}

#[tokio::test]
async fn a_store_that_is_going_does_nothing_any_more() {
    let (_cloud, client) = cloud().await;
    let made =
        ok(&client, "CreateEventDataStore", json!({"Name": "lake", "TerminationProtectionEnabled": false})).await;
    let arn = made["EventDataStoreArn"].clone();
    let id = arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let query =
        ok(&client, "StartQuery", json!({"QueryStatement": format!("select count(*) from {id}")})).await["QueryId"]
            .clone();
    ok(&client, "CreateEventDataStore", json!({"Name": "other"})).await;
    let update = |more: Json| {
        let mut input = json!({"EventDataStore": arn});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    for (more, wanted) in [
        (json!({"Name": "other"}), "EventDataStoreAlreadyExistsException"),
        (json!({"BillingMode": "FIXED_RETENTION_PRICING"}), "InvalidParameterException"),
        (
            json!({"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "readOnly", "Equals": ["true"]}]}]}),
            "InvalidEventSelectorsException",
        ),
    ] {
        assert_eq!(refused(&client, "UpdateEventDataStore", update(more.clone())).await.0, wanted, "{more}");
    }
    ok(
        &client,
        "UpdateEventDataStore",
        update(json!({"BillingMode": "EXTENDABLE_RETENTION_PRICING", "MultiRegionEnabled": false})),
    )
    .await;
    for operation in ["RestoreEventDataStore", "StartEventDataStoreIngestion"] {
        assert_eq!(refused(&client, operation, update(json!({}))).await.0, "InvalidEventDataStoreStatusException");
    }
    ok(&client, "StopEventDataStoreIngestion", update(json!({}))).await;
    assert_eq!(
        refused(&client, "StopEventDataStoreIngestion", update(json!({}))).await.0,
        "InvalidEventDataStoreStatusException"
    );
    ok(&client, "DeleteEventDataStore", update(json!({}))).await;
    let of_query = json!({"EventDataStore": arn, "QueryId": query});
    for (operation, input) in [
        ("UpdateEventDataStore", update(json!({}))),
        ("DeleteEventDataStore", update(json!({}))),
        ("ListQueries", update(json!({}))),
        ("DescribeQuery", of_query.clone()),
        ("GetQueryResults", of_query.clone()),
        ("CancelQuery", of_query),
        ("AddTags", json!({"ResourceId": arn, "TagsList": [{"Key": "a"}]})),
        ("RemoveTags", json!({"ResourceId": arn, "TagsList": [{"Key": "a"}]})),
        ("ListTags", json!({"ResourceIdList": [arn]})),
    ] {
        assert_eq!(refused(&client, operation, input).await.0, "InactiveEventDataStoreException", "{operation}");
    }
}

#[tokio::test]
async fn queries_are_listed() {
    let (_cloud, client) = cloud().await;
    let arn = ok(&client, "CreateEventDataStore", json!({"Name": "lake"})).await["EventDataStoreArn"]
        .as_str()
        .unwrap()
        .to_owned();
    let id = arn.rsplit('/').next().unwrap();
    let (code, _) = refused(&client, "StartQuery", json!({"QueryStatement": "select 1 from nothing"})).await;
    assert_eq!(code, "EventDataStoreARNInvalidException");
    for _ in 0..3 {
        let counted = json!({"QueryStatement": format!("select count(*) from {id}")});
        ok(&client, "StartQuery", counted).await;
    }
    let now = json!({"EventDataStore": arn, "StartTime": 0, "EndTime": 4_000_000_000_i64, "MaxResults": 2});
    let page = ok(&client, "ListQueries", now).await;
    let mut next = json!({"EventDataStore": arn, "StartTime": 0, "EndTime": 4_000_000_000_i64, "MaxResults": 2});
    next["NextToken"] = page["NextToken"].clone();
    assert_eq!(ok(&client, "ListQueries", next).await["Queries"].as_array().unwrap().len(), 1);
    let wrong = json!({"EventDataStore": arn, "StartTime": 2, "EndTime": 1});
    assert_eq!(refused(&client, "ListQueries", wrong).await.0, "InvalidDateRangeException");
    let wrong = json!({"EventDataStore": arn, "NextToken": "none"});
    assert_eq!(refused(&client, "ListQueries", wrong).await.0, "InvalidNextTokenException");
    let query = page["Queries"][0]["QueryId"].clone();
    let wrong = json!({"QueryId": query, "NextToken": "none"});
    assert_eq!(refused(&client, "GetQueryResults", wrong).await.0, "InvalidNextTokenException");
}

#[tokio::test]
async fn lists_take_their_members() {
    let (_cloud, client) = cloud().await;
    trail(&client, json!({})).await;
    let shown = ok(&client, "DescribeTrails", json!({"trailNameList": ["all"], "includeShadowTrails": false})).await;
    assert_eq!(shown["trailList"].as_array().unwrap().len(), 1);
    assert_eq!(ok(&client, "ListTrails", json!({"NextToken": "none"})).await["Trails"].as_array().unwrap().len(), 1);
    let selectors = json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
        {"Field": "eventName", "EndsWith": ["Object"], "NotEndsWith": ["x"], "NotEquals": ["y"], "NotStartsWith": ["z"]}]}]);
    ok(&client, "PutEventSelectors", json!({"TrailName": "all", "AdvancedEventSelectors": selectors})).await;
    ok(
        &client,
        "PutInsightSelectors",
        json!({"TrailName": "all", "InsightSelectors": [{"InsightType": "ApiCallRateInsight"}]}),
    )
    .await;
    let now = json!({"InsightSource": TRAIL, "DataType": "InsightsEvents", "StartTime": 0, "EndTime": 4_000_000_000_i64, "MaxResults": 1});
    assert_eq!(ok(&client, "ListInsightsData", now.clone()).await["Events"], json!([]));
    for (more, wanted) in
        [(json!({"NextToken": "none"}), "not valid"), (json!({"StartTime": 2, "EndTime": 1}), "StartTime")]
    {
        let mut input = now.clone();
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (code, message) = refused(&client, "ListInsightsData", input).await;
        assert!(code == "InvalidParameterException" && message.contains(wanted), "{message}");
    }
    let end = 1_800_000_000_i64;
    let mut input = json!({"EventSource": "sqs.amazonaws.com", "EventName": "CreateQueue", "InsightType": "ApiCallRateInsight",
        "Period": 60, "StartTime": end - 600, "EndTime": end, "MaxResults": 4});
    let page = ok(&client, "ListInsightsMetricData", input.clone()).await;
    assert_eq!(page["Values"].as_array().unwrap().len(), 4);
    input["NextToken"] = page["NextToken"].clone();
    assert_eq!(ok(&client, "ListInsightsMetricData", input).await["Timestamps"].as_array().unwrap().len(), 4);
}
