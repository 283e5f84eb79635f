//! Advanced parameters for other accounts.

use super::*;

const OTHER: &str = "111111111111";
const ARN: &str = "arn:aws:ssm:us-east-1:000000000000:parameter/shared";

fn policy(actions: &[&str]) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": actions, "Resource": ARN}]}).to_string()
}

#[tokio::test]
async fn another_account_reads_what_a_policy_lets_it() {
    let (cloud, client) = noon().await;
    put(&client, "/shared", "v", json!({"Tier": "Advanced"})).await;
    let other = of_account(&cloud, OTHER);
    is_refused(&other, "GetParameter", json!({"Name": ARN}), "AccessDeniedException", "").await;
    let put_policy = json!({"ResourceArn": ARN, "Policy": policy(&["ssm:GetParameter", "ssm:DescribeParameters"])});
    let made = ok(&client, "PutResourcePolicy", put_policy).await;
    assert_eq!(get(&other, ARN).await["Value"], "v");
    is_refused(&other, "GetParameters", json!({"Names": [ARN]}), "AccessDeniedException", "").await;
    is_refused(&other, "GetParameter", json!({"Name": "/shared"}), "ParameterNotFound", "").await;
    let shared = ok(&other, "DescribeParameters", json!({"Shared": true})).await;
    assert_eq!(shared["Parameters"][0]["ARN"], ARN);
    assert_eq!(ok(&other, "DescribeParameters", json!({"Shared": false})).await["Parameters"], json!([]));
    let third = of_account(&cloud, "222222222222");
    assert_eq!(ok(&third, "DescribeParameters", json!({"Shared": true})).await["Parameters"], json!([]));
    let listed = ok(&client, "GetResourcePolicies", json!({"ResourceArn": ARN, "MaxResults": 1})).await;
    assert_eq!(
        (&listed["Policies"][0]["PolicyId"], &listed["Policies"][0]["PolicyHash"]),
        (&made["PolicyId"], &made["PolicyHash"])
    );
    let update = json!({"ResourceArn": ARN, "Policy": policy(&["ssm:GetParameters"]), "PolicyId": made["PolicyId"], "PolicyHash": made["PolicyHash"]});
    let updated = ok(&client, "PutResourcePolicy", update.clone()).await;
    assert_eq!(updated["PolicyId"], made["PolicyId"]);
    assert_ne!(updated["PolicyHash"], made["PolicyHash"]);
    is_refused(&client, "PutResourcePolicy", update, "ResourcePolicyConflictException", "hash").await;
    ok(&other, "GetParameters", json!({"Names": [ARN]})).await;
    let delete = |id: &Json, hash: &Json| json!({"ResourceArn": ARN, "PolicyId": id, "PolicyHash": hash});
    is_refused(
        &client,
        "DeleteResourcePolicy",
        delete(&made["PolicyId"], &made["PolicyHash"]),
        "ResourcePolicyConflictException",
        "",
    )
    .await;
    is_refused(
        &client,
        "DeleteResourcePolicy",
        delete(&json!("none"), &made["PolicyHash"]),
        "ResourcePolicyNotFoundException",
        "none",
    )
    .await;
    ok(&client, "DeleteResourcePolicy", delete(&updated["PolicyId"], &updated["PolicyHash"])).await;
    is_refused(&other, "GetParameters", json!({"Names": [ARN]}), "AccessDeniedException", "").await;
}

#[tokio::test]
async fn what_cannot_be_shared_is_refused() {
    let (_cloud, client) = noon().await;
    put(&client, "/shared", "v", json!({"Tier": "Advanced"})).await;
    put(&client, "/standard", "v", json!({})).await;
    let input = |arn: &str, policy: &str| json!({"ResourceArn": arn, "Policy": policy});
    let good = policy(&["ssm:GetParameter"]);
    let standard = ARN.replace("shared", "standard");
    let none = ARN.replace("shared", "none");
    let padded = format!("{good}{}", " ".repeat(1025 - good.len()));
    for (input, code) in [
        (input(&standard, &good), "ResourcePolicyInvalidParameterException"),
        (input("arn:aws:s3:::a-bucket-of-s3", &good), "ResourcePolicyInvalidParameterException"),
        (input(&none, &good), "ResourceNotFoundException"),
        (input(&ARN.replace("000000000000", OTHER), &good), "AccessDeniedException"),
        (input(ARN, "{}"), "MalformedResourcePolicyDocumentException"),
        (input(ARN, &padded), "ResourcePolicyLimitExceededException"),
        (merged(input(ARN, &good), &json!({"PolicyId": "none", "PolicyHash": "x"})), "ResourcePolicyNotFoundException"),
    ] {
        is_refused(&client, "PutResourcePolicy", input, code, "").await;
    }
    ok(&client, "PutResourcePolicy", input(ARN, &good)).await;
    is_refused(
        &client,
        "PutResourcePolicy",
        input(ARN, &good),
        "ResourcePolicyLimitExceededException",
        "Only one policy",
    )
    .await;
    for (operation, more) in
        [("GetResourcePolicies", json!({})), ("DeleteResourcePolicy", json!({"PolicyId": "a", "PolicyHash": "b"}))]
    {
        let of = |arn: &str| merged(json!({"ResourceArn": arn}), &more);
        is_refused(&client, operation, of(&none), "ResourceNotFoundException", "").await;
        is_refused(
            &client,
            operation,
            of("arn:aws:s3:::a-bucket-of-s3"),
            "ResourcePolicyInvalidParameterException",
            "",
        )
        .await;
        is_not_built(&client, operation, of("arn:aws:ssm:us-east-1:000000000000:document/x")).await;
    }
    is_refused(
        &client,
        "GetResourcePolicies",
        json!({"ResourceArn": ARN, "NextToken": "x"}),
        "ResourcePolicyInvalidParameterException",
        "",
    )
    .await;
    let mode = json!({"ResourceArn": ARN, "PolicyId": "a", "PolicyHash": "b", "DeletionMode": "RemoveSharing"});
    is_not_built(&client, "DeleteResourcePolicy", mode).await;
}
