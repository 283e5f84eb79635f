//! Who may do what: policies of callers with the condition keys of the service, policies of secrets, other accounts.

use undercast_testkit::Credentials;

use super::*;

pub(crate) async fn user(cloud: &Cloud, client: &Client, name: &str, statements: Json) -> Client {
    client.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    client
        .call("iam", "PutUserPolicy", json!({"UserName": name, "PolicyName": "p", "PolicyDocument": policy}))
        .await
        .ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| made["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

const DENIED: &str = "AccessDeniedException";

#[tokio::test]
async fn arns_of_secrets_end_in_what_policies_leave_open() {
    let (cloud, client) = noon().await;
    let on = |resource: &str| {
        json!([{"Effect": "Allow", "Action": "secretsmanager:*",
        "Resource": format!("arn:aws:secretsmanager:*:*:secret:{resource}")}])
    };
    let exact = user(&cloud, &client, "exact", on("team-??????")).await;
    let prefix = user(&cloud, &client, "prefix", on("team*")).await;
    let bare = user(&cloud, &client, "bare", on("team")).await;
    create(&exact, json!({"Name": "team"})).await;
    create(&prefix, json!({"Name": "team2"})).await;
    for who in [&exact, &prefix] {
        assert_eq!(get(who, "team").await["SecretString"], "one");
    }
    let (code, message) = refused(&bare, "GetSecretValue", json!({"SecretId": "team"})).await;
    assert!(
        code == DENIED && message.contains("is not authorized to perform: secretsmanager:GetSecretValue"),
        "{message}"
    );
    is_refused(&exact, "GetSecretValue", json!({"SecretId": "team2"}), DENIED, "").await;
    // Who may not see whether it is there is not told.
    is_refused(&exact, "GetSecretValue", json!({"SecretId": "none"}), DENIED, "").await;
    is_refused(&prefix, "ListSecrets", json!({}), DENIED, "").await;
    is_refused(&prefix, "GetRandomPassword", json!({}), DENIED, "").await;
}

/// Whether a user who may do one thing under a condition may do what the input says.
async fn decides(cloud: &Cloud, client: &Client, action: &str, condition: Json, allowed: Json, denied: Json) {
    let name = format!("u{}", cloud.kernel.random().hex(12));
    let statement = json!([
        {"Effect": "Allow", "Action": format!("secretsmanager:{action}"), "Resource": "*", "Condition": condition},
        {"Effect": "Allow", "Action": ["secretsmanager:TagResource", "lambda:*"], "Resource": "*"}]);
    let user = user(cloud, client, &name, statement).await;
    let answer = user.call(SERVICE, action, denied.clone()).await;
    assert_eq!(answer.code(), DENIED, "{action} {denied}");
    let answer = user.call(SERVICE, action, allowed.clone()).await;
    assert!(answer.status < 300, "{action} {allowed}: {}", answer.json);
}

#[tokio::test]
async fn condition_keys_decide() {
    let (cloud, client) = noon().await;
    let arn = create(&client, json!({"Tags": [{"Key": "team", "Value": "a"}]})).await["ARN"].clone();
    create(&client, json!({"Name": "t"})).await;
    let equals = |key: &str, value: &str| json!({"StringEquals": {key: value}});
    let named = |name: &str, more: Json| {
        let mut input = json!({"SecretId": name});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let (s, t) = (named("s", json!({})), named("t", json!({})));
    for key in ["aws:ResourceTag/team", "secretsmanager:ResourceTag/team"] {
        decides(&cloud, &client, "GetSecretValue", equals(key, "a"), s.clone(), t.clone()).await;
    }
    let by_arn = json!({"ArnEquals": {"secretsmanager:SecretId": arn}});
    decides(&cloud, &client, "GetSecretValue", by_arn, s.clone(), t.clone()).await;
    let previous = named("s", json!({"VersionStage": "AWSPREVIOUS"}));
    decides(
        &cloud,
        &client,
        "GetSecretValue",
        equals("secretsmanager:VersionStage", "AWSCURRENT"),
        s.clone(),
        previous,
    )
    .await;
    let first = named("s", json!({"VersionId": token(1)}));
    decides(&cloud, &client, "GetSecretValue", equals("secretsmanager:VersionId", &token(1)), first, s.clone()).await;
    decides(
        &cloud,
        &client,
        "DescribeSecret",
        equals("secretsmanager:SecretPrimaryRegion", "us-east-1"),
        s.clone(),
        named("none", json!({})),
    )
    .await;
    let new = |number: usize, more: Json| {
        let mut input = json!({"Name": format!("new{number}"), "ClientRequestToken": token(1)});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    decides(
        &cloud,
        &client,
        "CreateSecret",
        equals("secretsmanager:Name", "new1"),
        new(1, json!({})),
        new(2, json!({})),
    )
    .await;
    decides(
        &cloud,
        &client,
        "CreateSecret",
        equals("secretsmanager:Description", "d"),
        new(3, json!({"Description": "d"})),
        new(4, json!({})),
    )
    .await;
    decides(
        &cloud,
        &client,
        "CreateSecret",
        equals("secretsmanager:KmsKeyId", "alias/a"),
        new(5, json!({"KmsKeyId": "alias/a"})),
        new(6, json!({})),
    )
    .await;
    decides(
        &cloud,
        &client,
        "CreateSecret",
        equals("secretsmanager:KmsKeyArn", "arn:aws:kms:us-east-1:0:alias/a"),
        new(7, json!({"KmsKeyId": "arn:aws:kms:us-east-1:0:alias/a"})),
        new(8, json!({"KmsKeyId": "alias/a"})),
    )
    .await;
    let tag = |value: &str| json!({"Tags": [{"Key": "team", "Value": value}]});
    decides(&cloud, &client, "CreateSecret", equals("aws:RequestTag/team", "a"), new(9, tag("a")), new(10, tag("b")))
        .await;
    let keys = json!({"ForAllValues:StringEquals": {"aws:TagKeys": "team"}});
    decides(
        &cloud,
        &client,
        "UntagResource",
        keys,
        named("s", json!({"TagKeys": ["team"]})),
        named("s", json!({"TagKeys": ["x"]})),
    )
    .await;
    let regions = json!({"ForAllValues:StringEquals": {"secretsmanager:AddReplicaRegions": "eu-west-1"}});
    let replicas = |region: &str| json!({"AddReplicaRegions": [{"Region": region}]});
    decides(&cloud, &client, "CreateSecret", regions, new(11, replicas("eu-west-1")), new(12, replicas("eu-west-2")))
        .await;
    let flag = |key: &str, value: bool| json!({"Bool": {format!("secretsmanager:{key}"): value}});
    decides(
        &cloud,
        &client,
        "CreateSecret",
        flag("ForceOverwriteReplicaSecret", false),
        new(13, json!({"ForceOverwriteReplicaSecret": false})),
        new(14, json!({"ForceOverwriteReplicaSecret": true})),
    )
    .await;
    let policy = policies::allowing("111111111111");
    let put = |block: bool| named("s", json!({"ResourcePolicy": policy, "BlockPublicPolicy": block}));
    decides(&cloud, &client, "PutResourcePolicy", flag("BlockPublicPolicy", true), put(true), put(false)).await;
    let rotate = |number: usize, more: Json| {
        let mut input = json!({"SecretId": "s", "ClientRequestToken": token(number), "RotationLambdaARN": FUNCTION});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let function = json!({"ArnEquals": {"secretsmanager:RotationLambdaARN": FUNCTION}});
    let later = rotate(20, json!({"RotateImmediately": false}));
    decides(&cloud, &client, "RotateSecret", flag("RotateImmediately", false), later, rotate(21, json!({}))).await;
    pass(&cloud, 1).await;
    decides(
        &cloud,
        &client,
        "RotateSecret",
        function,
        rotate(22, json!({})),
        rotate(23, json!({"RotationLambdaARN": format!("{FUNCTION}2")})),
    )
    .await;
    pass(&cloud, 1).await;
    let rules = rotate(24, json!({"RotationRules": {"AutomaticallyAfterDays": 3}}));
    decides(&cloud, &client, "RotateSecret", flag("ModifyRotationRules", false), rotate(25, json!({})), rules).await;
    pass(&cloud, 1).await;
    let of_function = json!({"ArnEquals": {"secretsmanager:resource/AllowRotationLambdaArn": FUNCTION}});
    decides(&cloud, &client, "DescribeSecret", of_function, s.clone(), t.clone()).await;
    let window = json!({"NumericGreaterThan": {"secretsmanager:RecoveryWindowInDays": 20}});
    let delete = |more: Json| named("t", more);
    decides(
        &cloud,
        &client,
        "DeleteSecret",
        window,
        delete(json!({"RecoveryWindowInDays": 21})),
        delete(json!({"RecoveryWindowInDays": 7})),
    )
    .await;
    decides(
        &cloud,
        &client,
        "DeleteSecret",
        flag("ForceDeleteWithoutRecovery", false),
        named("new1", json!({"ForceDeleteWithoutRecovery": false})),
        delete(json!({"ForceDeleteWithoutRecovery": true})),
    )
    .await;
}

#[tokio::test]
async fn another_account_reads_what_policies_of_secret_and_key_let_it() {
    let (cloud, client) = noon().await;
    let other = of_account(&cloud, "111111111111");
    let made = client
        .call(
            "kms",
            "CreateKey",
            json!({"Policy": json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}]}).to_string()}),
        )
        .await
        .ok();
    let key = made["KeyMetadata"]["Arn"].clone();
    let own = create(&client, json!({"KmsKeyId": key})).await["ARN"].clone();
    let managed = create(&client, json!({"Name": "managed"})).await["ARN"].clone();
    is_refused(&other, "GetSecretValue", json!({"SecretId": own}), DENIED, "").await;
    for id in ["s", "managed"] {
        let input = json!({"SecretId": id, "ResourcePolicy": policies::allowing("111111111111")});
        ok(&client, "PutResourcePolicy", input).await;
    }
    assert_eq!(get(&other, own.as_str().unwrap()).await["SecretString"], "one");
    let input = json!({"SecretId": own, "SecretString": "theirs", "ClientRequestToken": token(2)});
    ok(&other, "PutSecretValue", input).await;
    assert_eq!(get(&client, "s").await["SecretString"], "theirs");
    // The AWS managed key is for its own account.
    let why = "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.";
    is_refused(&other, "GetSecretValue", json!({"SecretId": managed}), "InvalidRequestException", why).await;
    is_refused(&other, "DeleteSecret", json!({"SecretId": own}), DENIED, "").await;
    // A name alone is one of one's own account.
    is_refused(&other, "GetSecretValue", json!({"SecretId": "s"}), "ResourceNotFoundException", "").await;
    let batch = ok(&other, "BatchGetSecretValue", json!({"SecretIdList": [own, managed]})).await;
    assert_eq!(batch["SecretValues"][0]["SecretString"], "theirs");
    assert_eq!(batch["Errors"][0]["ErrorCode"], "InvalidRequestException");
}

#[tokio::test]
async fn a_secrets_policy_denies_within_its_account() {
    let (cloud, client) = noon().await;
    create(&client, json!({})).await;
    let all = json!([{"Effect": "Allow", "Action": ["secretsmanager:*", "kms:*"], "Resource": "*"}]);
    let (one, two) = (user(&cloud, &client, "one", all.clone()).await, user(&cloud, &client, "two", all).await);
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::000000000000:user/two"},
        "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]});
    ok(&client, "PutResourcePolicy", json!({"SecretId": "s", "ResourcePolicy": policy.to_string()})).await;
    get(&one, "s").await;
    let (code, message) = refused(&two, "GetSecretValue", json!({"SecretId": "s"})).await;
    assert!(code == DENIED && message.contains("explicit deny in a resource-based policy"), "{message}");
    // A policy that lets a user in is enough.
    let bare = user(&cloud, &client, "bare", json!([{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}])).await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:user/bare"},
        "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]});
    ok(&client, "PutResourcePolicy", json!({"SecretId": "s", "ResourcePolicy": policy.to_string()})).await;
    get(&bare, "s").await;
}

#[tokio::test]
async fn nobody_locks_themselves_out_by_tags() {
    let (cloud, client) = noon().await;
    create(&client, json!({"Tags": [{"Key": "team", "Value": "a"}]})).await;
    let by_tag = json!([{"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}}]);
    let user = user(&cloud, &client, "u", by_tag).await;
    let tag = |key: &str, value: &str| json!({"SecretId": "s", "Tags": [{"Key": key, "Value": value}]});
    is_refused(&user, "TagResource", tag("team", "b"), DENIED, "secretsmanager:TagResource").await;
    is_refused(
        &user,
        "UntagResource",
        json!({"SecretId": "s", "TagKeys": ["team"]}),
        DENIED,
        "secretsmanager:UntagResource",
    )
    .await;
    ok(&user, "TagResource", tag("other", "b")).await;
    ok(&user, "UntagResource", json!({"SecretId": "s", "TagKeys": ["other"]})).await;
    assert_eq!(describe(&client, "s").await["Tags"], json!([{"Key": "team", "Value": "a"}]));
}
