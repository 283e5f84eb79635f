//! Policy generation.

use undercast_testkit::Credentials;

use super::*;

async fn busy(cloud: &Cloud, client: &Client) -> String {
    client.call("iam", "CreateUser", json!({"UserName": "busy"})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
        .to_string();
    client
        .call("iam", "PutUserPolicy", json!({"UserName": "busy", "PolicyName": "p", "PolicyDocument": policy}))
        .await
        .ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": "busy"})).await.ok();
    let text = |field: &str| made["AccessKey"][field].as_str().unwrap().to_owned();
    let theirs = cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")));
    theirs.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    theirs.call("s3", "ListBuckets", json!({})).await.ok();
    format!("arn:aws:iam::{OWN}:user/busy")
}

async fn done(cloud: &Cloud, client: &Client, job: &Json) -> Json {
    cloud.kernel.advance(Duration::from_secs(5)).await.unwrap();
    until("it is done", async || {
        ok(client, "GetGeneratedPolicy", json!({"jobId": job})).await["jobDetails"]["status"] != "IN_PROGRESS"
    })
    .await;
    ok(client, "GetGeneratedPolicy", json!({"jobId": job})).await
}

#[tokio::test]
async fn the_policy_has_what_was_done() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let principal = busy(&cloud, &client).await;
    let input = json!({"policyGenerationDetails": {"principalArn": principal}, "clientToken": "t"});
    let job = ok(&client, "StartPolicyGeneration", input.clone()).await["jobId"].clone();
    assert_eq!(ok(&client, "StartPolicyGeneration", input).await["jobId"], job);
    let before = ok(&client, "GetGeneratedPolicy", json!({"jobId": job})).await;
    assert_eq!(before["jobDetails"]["status"], "IN_PROGRESS");
    assert_eq!(before["generatedPolicyResult"]["generatedPolicies"], json!([]));
    let other = json!({"policyGenerationDetails": {"principalArn": principal}});
    assert_eq!(refused(&client, "StartPolicyGeneration", other).await.0, "ConflictException");
    let made = done(&cloud, &client, &job).await;
    assert_eq!(made["jobDetails"]["status"], "SUCCEEDED");
    let result = &made["generatedPolicyResult"];
    assert_eq!(result["properties"], json!({"isComplete": true, "principalArn": principal}));
    let policy: Json = serde_json::from_str(result["generatedPolicies"][0]["policy"].as_str().unwrap()).unwrap();
    let wanted = json!({"Sid": "SupportedServiceSid0", "Effect": "Allow", "Action": ["s3:ListAllMyBuckets", "sqs:CreateQueue"], "Resource": "*"});
    assert_eq!(policy["Statement"], json!([wanted]));
    let placed = ok(&client, "GetGeneratedPolicy", json!({"jobId": job, "includeResourcePlaceholders": true})).await;
    let policy: Json =
        serde_json::from_str(placed["generatedPolicyResult"]["generatedPolicies"][0]["policy"].as_str().unwrap())
            .unwrap();
    let resources: Vec<&Json> = policy["Statement"].as_array().unwrap().iter().map(|s| &s["Resource"]).collect();
    assert_eq!(resources, [&json!("*"), &json!("arn:aws:sqs:${Region}:${Account}:${QueueName}")]);
    let listed = ok(&client, "ListPolicyGenerations", json!({"principalArn": principal, "maxResults": 1})).await;
    assert_eq!(listed["policyGenerations"][0]["jobId"], job);
    let nobody = json!({"principalArn": format!("arn:aws:iam::{OWN}:user/nobody")});
    assert_eq!(ok(&client, "ListPolicyGenerations", nobody).await["policyGenerations"], json!([]));
}

#[tokio::test]
async fn a_job_can_be_cancelled_and_can_fail() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let principal = busy(&cloud, &client).await;
    let input = json!({"policyGenerationDetails": {"principalArn": principal}});
    let job = ok(&client, "StartPolicyGeneration", input.clone()).await["jobId"].clone();
    ok(&client, "CancelPolicyGeneration", json!({"jobId": job})).await;
    assert_eq!(done(&cloud, &client, &job).await["jobDetails"]["status"], "CANCELED");
    let nobody = json!({"policyGenerationDetails": {"principalArn": format!("arn:aws:iam::{OWN}:role/nobody")}});
    let job = ok(&client, "StartPolicyGeneration", nobody).await["jobId"].clone();
    let failed = done(&cloud, &client, &job).await;
    assert_eq!(
        (&failed["jobDetails"]["status"], &failed["jobDetails"]["jobError"]["code"]),
        (&json!("FAILED"), &json!("RESOURCE_NOT_FOUND_ERROR"))
    );
    // There is no CloudTrail in this cloud, and the job says so.
    client.call("iam", "CreateRole", role("reader", &json!({"Service": "access-analyzer.amazonaws.com"}))).await.ok();
    let now = cloud.kernel.clock().now().as_second();
    let trail = json!({"cloudTrailArn": format!("arn:aws:cloudtrail:us-east-1:{OWN}:trail/t"), "allRegions": true});
    let trails = json!({"trails": [trail], "accessRole": format!("arn:aws:iam::{OWN}:role/reader"), "startTime": now - 3600, "endTime": now + 3600});
    let mut with = input.clone();
    with["cloudTrailDetails"] = trails.clone();
    let job = ok(&client, "StartPolicyGeneration", with.clone()).await["jobId"].clone();
    let failed = done(&cloud, &client, &job).await;
    assert_eq!(failed["jobDetails"]["jobError"]["code"], "SERVICE_ERROR", "{failed}");
    let shown = &failed["generatedPolicyResult"]["properties"]["cloudTrailProperties"];
    assert_eq!(shown["trailProperties"][0]["allRegions"], true);
    let now = cloud.kernel.clock().now().as_second();
    for (name, value) in
        [("startTime", json!(now + 7200)), ("startTime", json!(now - 100 * 86_400)), ("trails", json!([]))]
    {
        with["cloudTrailDetails"] = trails.clone();
        with["cloudTrailDetails"][name] = value;
        assert_eq!(refused(&client, "StartPolicyGeneration", with.clone()).await.0, "ValidationException", "{name}");
    }
    with["cloudTrailDetails"] = trails;
    with["cloudTrailDetails"]["startTime"] = json!(now - 7200);
    with["cloudTrailDetails"]["endTime"] = json!(now - 3600);
    assert_eq!(refused(&client, "StartPolicyGeneration", with).await.0, "NotImplemented");
}

#[tokio::test]
async fn a_trail_is_read_by_the_role_that_may() {
    let mut all = services();
    all.push(Arc::new(undercast_cloudtrail::CloudTrail::default()));
    let cloud = Cloud::start(all).await;
    let client = cloud.client();
    let principal = busy(&cloud, &client).await;
    client.call("s3", "CreateBucket", json!({"Bucket": "trail-logs"})).await.ok();
    let open = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": ["s3:GetBucketAcl", "s3:PutObject"], "Resource": ["arn:aws:s3:::trail-logs", "arn:aws:s3:::trail-logs/*"]}]});
    client.call("s3", "PutBucketPolicy", json!({"Bucket": "trail-logs", "Policy": open.to_string()})).await.ok();
    let made =
        client.call("cloudtrail", "CreateTrail", json!({"Name": "all", "S3BucketName": "trail-logs"})).await.ok();
    client.call("iam", "CreateRole", role("reader", &json!({"Service": "access-analyzer.amazonaws.com"}))).await.ok();
    let run = async |trail: &Json| {
        let now = cloud.kernel.clock().now().as_second();
        let details = json!({"trails": [{"cloudTrailArn": trail, "allRegions": true}],
            "accessRole": format!("arn:aws:iam::{OWN}:role/reader"), "startTime": now - 3600, "endTime": now + 3600});
        let input = json!({"policyGenerationDetails": {"principalArn": principal}, "cloudTrailDetails": details});
        let job = ok(&client, "StartPolicyGeneration", input).await["jobId"].clone();
        done(&cloud, &client, &job).await["jobDetails"].clone()
    };
    let denied = run(&made["TrailARN"]).await;
    assert_eq!(denied["jobError"]["code"], "AUTHORIZATION_ERROR", "{denied}");
    let rights = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "cloudtrail:GetTrail", "Resource": "*"}]});
    let input = json!({"RoleName": "reader", "PolicyName": "p", "PolicyDocument": rights.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
    assert_eq!(run(&made["TrailARN"]).await["status"], "SUCCEEDED");
    let none = run(&json!(format!("arn:aws:cloudtrail:us-east-1:{OWN}:trail/none"))).await;
    assert_eq!(none["jobError"]["code"], "RESOURCE_NOT_FOUND_ERROR", "{none}");
}
