//! What AWS answers when it cannot: by rule, for it never happens here by itself.

use undercast_kernel::FaultRule;

use super::control::control;
use super::*;

fn rule(cloud: &Cloud, service: &str, effect: &Json) {
    let rule: FaultRule = serde_json::from_value(json!({"service": service, "effect": effect})).unwrap();
    cloud.kernel.faults().add(rule).unwrap();
}

#[tokio::test]
async fn jobs_have_errors_of_their_own_for_what_s3_cannot_do_now() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let job = json!({"Operation": {"S3DeleteObjectTagging": {}}, "Priority": 1, "Report": {"Enabled": false},
        "ClientRequestToken": "t", "RoleArn": "arn:aws:iam::000000000000:role/batch", "ManifestGenerator":
        {"S3JobManifestGenerator": {"SourceBucket": "arn:aws:s3:::bkt", "EnableManifestOutput": false}}});
    let id = json!({"JobId": "11111111-2222-3333-4444-555555555555"});
    let with = |more: Json| {
        let mut input = id.clone();
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let calls = [
        ("CreateJob", job),
        ("DescribeJob", id.clone()),
        ("ListJobs", json!({})),
        ("UpdateJobPriority", with(json!({"Priority": 2}))),
        ("UpdateJobStatus", with(json!({"RequestedJobStatus": "Ready"}))),
        ("PutJobTagging", with(json!({"Tags": []}))),
        ("GetJobTagging", id.clone()),
        ("DeleteJobTagging", id.clone()),
    ];
    rule(&cloud, "s3control", &json!("throttle"));
    for (operation, input) in &calls {
        let refused = control(&client, operation, input.clone()).await;
        let wanted = if *operation == "ListJobs" { "SlowDown" } else { "TooManyRequestsException" };
        assert_eq!(refused.code(), wanted, "{operation}");
    }
    cloud.kernel.faults().remove(None);
    rule(&cloud, "s3control", &json!({"error": {"code": "InternalServiceException", "status": 500}}));
    for (operation, input) in &calls {
        let refused = control(&client, operation, input.clone()).await;
        assert_eq!((refused.status, refused.code()), (500, "InternalServiceException"), "{operation}");
    }
    cloud.kernel.faults().remove(None);
    let jobs = control(&client, "ListJobs", json!({})).await.ok();
    assert_eq!(jobs["Jobs"], json!([]), "none was made");
}

#[tokio::test]
async fn s3_that_has_too_much_to_do_asks_to_slow_down() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "busy").await;
    rule(&cloud, "s3", &json!("throttle"));
    let input = json!({"Bucket": "busy", "Key": "k"});
    let refused = client.call_with_body("s3", "PutObject", input.clone(), Some(Bytes::from_static(b"x"))).await;
    let message = refused.json["message"].as_str().unwrap();
    assert_eq!((refused.status, refused.code(), message), (503, "SlowDown", "Please reduce your request rate."));
    cloud.kernel.faults().remove(None);
    assert_eq!(call(&client, "GetObject", input).await.code(), "NoSuchKey");
}
