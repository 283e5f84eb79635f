//! Reports on which services accounts may use, and did.

use super::*;

async fn report(client: &Client, path: &str, policy: Option<&str>) -> Answer {
    let mut input = json!({"EntityPath": path});
    if let Some(policy) = policy {
        input["OrganizationsPolicyId"] = json!(policy);
    }
    client.call("iam", "GenerateOrganizationsAccessReport", input).await
}

async fn made(client: &Client, answer: Json, more: Json) -> Json {
    let mut input = json!({"JobId": answer["JobId"]});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call("iam", "GetOrganizationsAccessReport", input).await.ok()
}

fn detail<'a>(report: &'a Json, namespace: &str) -> Option<&'a Json> {
    report["AccessDetails"].as_array().unwrap().iter().find(|one| one["ServiceNamespace"] == namespace)
}

async fn user(cloud: &Cloud, account: &str, name: &str, actions: &[&str]) -> Client {
    let root = root_of(cloud, account);
    root.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    root.call(
        "iam",
        "PutUserPolicy",
        json!({"UserName": name, "PolicyName": "p", "PolicyDocument": policy.to_string()}),
    )
    .await
    .ok();
    let key = root.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| key["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

#[tokio::test]
async fn a_report_tells_what_is_let_and_what_was_used() {
    let (cloud, client, root) = organization().await;
    let organization = call(&client, "DescribeOrganization", json!({})).await.ok()["Organization"]["Id"].clone();
    let top = format!("{}/{root}", organization.as_str().unwrap());
    let kind = "SERVICE_CONTROL_POLICY";
    enable(&client, &root, kind).await;
    let unit = unit(&client, &root, "team").await;
    let member = account(&cloud, "dev").await;
    call(&client, "MoveAccount", json!({"AccountId": member, "SourceParentId": root, "DestinationParentId": unit}))
        .await
        .ok();
    let ann = user(&cloud, &member, "ann", &["sqs:*"]).await;
    let only = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sqs:*", "s3:*"], "Resource": "*"}]});
    let only = attached(&client, kind, "only", &only, &unit).await;
    call(&client, "DetachPolicy", json!({"PolicyId": "p-FullAWSAccess", "TargetId": unit})).await.ok();
    ann.in_region("eu-west-1").call("sqs", "ListQueues", json!({})).await.ok();
    // Of the account: what each level lets.
    let path = format!("{top}/{unit}/{member}");
    let job = report(&client, &path, None).await.ok();
    let told = made(&client, job.clone(), json!({})).await;
    let names: Vec<&str> =
        told["AccessDetails"].as_array().unwrap().iter().map(|one| one["ServiceNamespace"].as_str().unwrap()).collect();
    assert_eq!((names, &told["JobStatus"]), (vec!["s3", "sqs"], &json!("COMPLETED")));
    assert_eq!((&told["NumberOfServicesAccessible"], &told["NumberOfServicesNotAccessed"]), (&json!(2), &json!(1)));
    let sqs = detail(&told, "sqs").unwrap();
    assert_eq!((&sqs["EntityPath"], &sqs["Region"]), (&json!(path), &json!("eu-west-1")));
    assert_eq!((&sqs["TotalAuthenticatedEntities"], &sqs["ServiceName"]), (&json!(1), &json!("Amazon SQS")));
    assert!(sqs["LastAuthenticatedTime"].is_string() || sqs["LastAuthenticatedTime"].is_number());
    assert_eq!(detail(&told, "s3").unwrap()["EntityPath"], Json::Null);
    for (key, first) in [
        ("SERVICE_NAMESPACE_DESCENDING", "sqs"),
        ("LAST_AUTHENTICATED_TIME_ASCENDING", "s3"),
        ("LAST_AUTHENTICATED_TIME_DESCENDING", "sqs"),
    ] {
        let sorted = made(&client, job.clone(), json!({"SortKey": key, "MaxItems": 1})).await;
        assert_eq!(sorted["AccessDetails"][0]["ServiceNamespace"], first, "{key}");
        let next = made(&client, job.clone(), json!({"SortKey": key, "Marker": sorted["Marker"]})).await;
        assert_ne!(next["AccessDetails"][0]["ServiceNamespace"], first, "{key}");
    }
    // Of the root: all services, and all accounts below.
    let job = report(&client, &top, None).await.ok();
    let told = made(&client, job, json!({"MaxItems": 1000})).await;
    assert!(detail(&told, "kms").is_some());
    assert_eq!(detail(&told, "sqs").unwrap()["EntityPath"], json!(path));
    // Of one policy.
    let job = report(&client, &top, Some(&only)).await.ok();
    assert_eq!(made(&client, job.clone(), json!({})).await["NumberOfServicesAccessible"], json!(2));
    refused(&report(&client, &top, Some("p-00000000")).await, "PolicyNotFoundException");
    for wrong in [format!("{top}/{member}"), format!("o-0123456789/{root}"), format!("{top}/ou-0000-00000000")] {
        refused(&report(&client, &wrong, None).await, "ValidationError");
    }
    let unknown = json!({"JobId": "01234567-89ab-cdef-0123-456789abcdef"});
    refused(&client.call("iam", "GetOrganizationsAccessReport", unknown).await, "NoSuchEntityException");
    cloud.kernel.clock().freeze();
    cloud.kernel.advance(std::time::Duration::from_secs(86_400)).await.unwrap();
    let over = client.call("iam", "GetOrganizationsAccessReport", json!({"JobId": job["JobId"]})).await;
    refused(&over, "NoSuchEntityException");
}

#[tokio::test]
async fn who_wants_a_report_needs_the_rights_of_both_services() {
    let (cloud, client, root) = organization().await;
    let organization = call(&client, "DescribeOrganization", json!({})).await.ok()["Organization"]["Id"].clone();
    let top = format!("{}/{root}", organization.as_str().unwrap());
    enable(&client, &root, "SERVICE_CONTROL_POLICY").await;
    let member = account(&cloud, "dev").await;
    refused(&report(&root_of(&cloud, &member), &top, None).await, "AccessDenied");
    let one = user(&cloud, MANAGEMENT, "one", &["iam:GenerateOrganizationsAccessReport"]).await;
    refused(&report(&one, &top, None).await, "AccessDeniedException");
    let other = user(&cloud, MANAGEMENT, "other", &["organizations:*"]).await;
    refused(&report(&other, &top, None).await, "AccessDenied");
    let both = user(&cloud, MANAGEMENT, "both", &["organizations:*", "iam:GenerateOrganizationsAccessReport"]).await;
    report(&both, &top, None).await.ok();
}
