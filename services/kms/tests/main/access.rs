//! Who may use a key: its policy decides, with the caller's own where it says so.

use super::*;

const OTHER: &str = "111111111111";

fn policy(statements: &Json) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn root(account: &str) -> Json {
    json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{account}:root")}, "Action": "kms:*", "Resource": "*"})
}

fn any(action: &str) -> Json {
    json!({"Effect": "Allow", "Action": action, "Resource": "*"})
}

async fn may(client: &Client, id: &str) -> bool {
    let answer = client.call("kms", "Encrypt", json!({"KeyId": id, "Plaintext": b64("x")})).await;
    if answer.status >= 300 {
        assert_eq!(answer.code(), "AccessDeniedException");
    }
    answer.status < 300
}

#[tokio::test]
async fn the_callers_policies_count_only_where_the_key_policy_says_so() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (with, without) =
        (user(&cloud, ACCOUNT, "with", Some(any("kms:Encrypt"))).await, user(&cloud, ACCOUNT, "without", None).await);
    // The usual policy leaves it to the account's own policies.
    let (usual, _) = key(&client, json!({})).await;
    assert!(may(&with, &usual).await && !may(&without, &usual).await);
    // A policy that names somebody needs no other; one that does not name the account leaves nothing to it.
    let arn = |name: &str| format!("arn:aws:iam::{ACCOUNT}:user/{name}");
    let strict =
        policy(&json!([{"Effect": "Allow", "Principal": {"AWS": arn("without")}, "Action": "kms:*", "Resource": "*"}]));
    let (strict, _) = key(&client, json!({"Policy": strict, "BypassPolicyLockoutSafetyCheck": true})).await;
    assert!(!may(&with, &strict).await && may(&without, &strict).await && !may(&client, &strict).await);
    let (code, message) = refused(&with, "Encrypt", json!({"KeyId": strict, "Plaintext": b64("x")})).await;
    assert_eq!(code, "AccessDeniedException");
    assert!(message.ends_with("because no resource-based policy allows the kms:Encrypt action"), "{message}");
    let (_, message) = refused(&without, "Encrypt", json!({"KeyId": usual, "Plaintext": b64("x")})).await;
    assert!(message.ends_with("because no identity-based policy allows the kms:Encrypt action"), "{message}");
}

#[tokio::test]
async fn nobody_locks_themselves_out_unless_they_say_so() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = key(&client, json!({})).await;
    let locked = policy(
        &json!([{"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{OTHER}:root")}, "Action": "kms:*", "Resource": "*"}]),
    );
    let (code, message) =
        refused(&client, "PutKeyPolicy", json!({"KeyId": id, "PolicyName": "default", "Policy": locked})).await;
    assert_eq!(code, "MalformedPolicyDocumentException");
    assert_eq!(message, "The new key policy will not allow you to update the key policy in the future.");
    let (code, _) = refused(&client, "CreateKey", json!({"Policy": locked})).await;
    assert_eq!(code, "MalformedPolicyDocumentException");
    call(&client, "PutKeyPolicy", json!({"KeyId": id, "Policy": locked, "BypassPolicyLockoutSafetyCheck": true})).await;
    assert_eq!(refused(&client, "GetKeyPolicy", json!({"KeyId": id})).await.0, "AccessDeniedException");
    let (id, _) = key(&client, json!({})).await;
    let long = policy(
        &json!([root(ACCOUNT), {"Sid": "x".repeat(33_000), "Effect": "Allow", "Principal": "*", "Action": "kms:Sign", "Resource": "*"}]),
    );
    assert_eq!(
        refused(&client, "PutKeyPolicy", json!({"KeyId": id, "Policy": long})).await.0,
        "LimitExceededException"
    );
}

#[tokio::test]
async fn another_account_needs_both_sides() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (with, without) =
        (user(&cloud, OTHER, "with", Some(any("kms:*"))).await, user(&cloud, OTHER, "without", None).await);
    let (_, closed) = key(&client, json!({})).await;
    let (id, open) = key(&client, json!({"Policy": policy(&json!([root(ACCOUNT), root(OTHER)]))})).await;
    assert!(may(&with, &open).await && !may(&without, &open).await && !may(&with, &closed).await);
    // What one encrypts the other decrypts: the ciphertext knows whose key it is.
    let blob = call(&with, "Encrypt", json!({"KeyId": open, "Plaintext": b64("x")})).await["CiphertextBlob"].clone();
    assert_eq!(call(&client, "Decrypt", json!({"CiphertextBlob": blob})).await["Plaintext"], json!(b64("x")));
    assert_eq!(call(&with, "Decrypt", json!({"CiphertextBlob": blob})).await["KeyId"], json!(open));
    // Its id alone is of the caller's own account, and no policy lets others manage it.
    assert_eq!(refused(&with, "DescribeKey", json!({"KeyId": id})).await.0, "NotFoundException");
    assert_eq!(refused(&with, "ScheduleKeyDeletion", json!({"KeyId": open})).await.0, "AccessDeniedException");
    let nowhere = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/01234567-89ab-cdef-0123-456789abcdef");
    let (code, message) = refused(&with, "DescribeKey", json!({"KeyId": nowhere})).await;
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains("because the resource does not exist in this Region"), "{message}");
}

#[tokio::test]
async fn conditions_see_what_a_call_says() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = key(&client, json!({"Tags": [{"TagKey": "team", "TagValue": "a"}]})).await;
    call(&client, "CreateAlias", json!({"AliasName": "alias/named", "TargetKeyId": id})).await;
    let encrypt = |more: Json| {
        let mut input = json!({"KeyId": id, "Plaintext": b64("x"), "EncryptionContext": {"app": "shop"}});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let holding = json!({"StringEquals": {"kms:EncryptionContext:app": "shop", "kms:CallerAccount": ACCOUNT, "kms:KeySpec": "SYMMETRIC_DEFAULT",
        "kms:KeyUsage": "ENCRYPT_DECRYPT", "kms:KeyOrigin": "AWS_KMS", "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "aws:ResourceTag/team": "a"},
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/named"}, "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": "app"}});
    for (name, condition, input, allowed) in [
        ("all", holding, encrypt(json!({})), true),
        ("value", json!({"StringEquals": {"kms:EncryptionContext:app": "bank"}}), encrypt(json!({})), false),
        (
            "keys",
            json!({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": "app"}}),
            encrypt(json!({"EncryptionContext": {"app": "1", "more": "2"}})),
            false,
        ),
        (
            "alias",
            json!({"StringEquals": {"kms:RequestAlias": "alias/named"}}),
            encrypt(json!({"KeyId": "alias/named"})),
            true,
        ),
        ("id", json!({"StringEquals": {"kms:RequestAlias": "alias/named"}}), encrypt(json!({})), false),
        ("service", json!({"StringLike": {"kms:ViaService": "*"}}), encrypt(json!({})), false),
    ] {
        let statement = json!({"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition});
        let caller = user(&cloud, ACCOUNT, name, Some(statement)).await;
        let answer = caller.call("kms", "Encrypt", input).await;
        assert_eq!(answer.status < 300, allowed, "{name}: {}", answer.json);
    }
    let short = json!({"Effect": "Allow", "Action": "kms:ScheduleKeyDeletion", "Resource": "*",
        "Condition": {"NumericGreaterThanEquals": {"kms:ScheduleKeyDeletionPendingWindowInDays": "14"}}});
    let careful = user(&cloud, ACCOUNT, "careful", Some(short)).await;
    let delete = |days: u32| json!({"KeyId": id, "PendingWindowInDays": days});
    assert_eq!(refused(&careful, "ScheduleKeyDeletion", delete(7)).await.0, "AccessDeniedException");
    call(&careful, "ScheduleKeyDeletion", delete(14)).await;
}

#[tokio::test]
async fn an_alias_needs_a_permission_of_its_own_and_one_on_its_key() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, arn) = key(&client, json!({})).await;
    let alias = format!("arn:aws:kms:us-east-1:{ACCOUNT}:alias/a");
    let on = |resource: Json| json!({"Effect": "Allow", "Action": "kms:CreateAlias", "Resource": resource});
    let input = json!({"AliasName": "alias/a", "TargetKeyId": id});
    for (name, resource) in [("only-key", json!([arn])), ("only-alias", json!([alias]))] {
        let caller = user(&cloud, ACCOUNT, name, Some(on(resource))).await;
        assert_eq!(refused(&caller, "CreateAlias", input.clone()).await.0, "AccessDeniedException", "{name}");
    }
    let caller = user(&cloud, ACCOUNT, "both", Some(on(json!([alias, arn])))).await;
    call(&caller, "CreateAlias", input).await;
}

#[tokio::test]
async fn a_tagged_key_needs_the_permission_to_tag() {
    let cloud = Cloud::start(services()).await;
    let create = any("kms:CreateKey");
    let tag = json!({"Effect": "Allow", "Action": "kms:TagResource", "Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag/team": "a"}}});
    let plain = user(&cloud, ACCOUNT, "plain", Some(create.clone())).await;
    let tagger = user(&cloud, ACCOUNT, "tagger", Some(json!([create, tag]))).await;
    let policy = policy(&json!([root(ACCOUNT)]));
    // The key policy lets the account put another, so that a caller who may not do so today is not locked out.
    let input = |tags: Json| json!({"Policy": policy, "Tags": tags});
    let team = |value: &str| json!([{"TagKey": "team", "TagValue": value}]);
    call(&plain, "CreateKey", input(json!([]))).await;
    assert_eq!(refused(&plain, "CreateKey", input(team("a"))).await.0, "AccessDeniedException");
    assert_eq!(refused(&tagger, "CreateKey", input(team("b"))).await.0, "AccessDeniedException");
    call(&tagger, "CreateKey", input(team("a"))).await;
}

#[tokio::test]
async fn re_encryption_needs_a_permission_on_each_key() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let ((from, from_arn), (to, to_arn)) = (key(&client, json!({})).await, key(&client, json!({})).await);
    let blob = call(&client, "Encrypt", json!({"KeyId": from, "Plaintext": b64("x")})).await["CiphertextBlob"].clone();
    let input = json!({"CiphertextBlob": blob, "DestinationKeyId": to});
    let on = |action: &str, arn: &str| json!({"Effect": "Allow", "Action": action, "Resource": arn});
    let (source, destination) = (on("kms:ReEncryptFrom", &from_arn), on("kms:ReEncryptTo", &to_arn));
    for (name, statements, allowed) in [
        ("from", json!([source]), false),
        ("to", json!([destination]), false),
        ("both", json!([source, destination]), true),
    ] {
        let caller = user(&cloud, ACCOUNT, name, Some(statements)).await;
        assert_eq!(caller.call("kms", "ReEncrypt", input.clone()).await.status < 300, allowed, "{name}");
    }
}
