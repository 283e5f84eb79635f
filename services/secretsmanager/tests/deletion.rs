//! Deletion: at once, or when the day has come, and taken back before it.

use super::*;

const MARKED: &str = "You can't perform this operation on the secret because it was marked for deletion.";

#[tokio::test]
async fn a_secret_is_deleted_when_its_day_has_come() {
    let (cloud, client) = noon().await;
    let arn = create(&client, json!({})).await["ARN"].clone();
    let deleted = ok(&client, "DeleteSecret", json!({"SecretId": "s", "RecoveryWindowInDays": 7})).await;
    let day = json!(1_772_366_400 + 7 * 86_400);
    assert_eq!(deleted, json!({"ARN": arn, "Name": "s", "DeletionDate": day}));
    assert_eq!(describe(&client, "s").await["DeletedDate"], day);
    for (operation, more) in [
        ("GetSecretValue", json!({})),
        ("PutSecretValue", json!({"SecretString": "x", "ClientRequestToken": token(2)})),
        ("UpdateSecret", json!({"Description": "x"})),
        ("UpdateSecretVersionStage", json!({"VersionStage": "x", "MoveToVersionId": token(1)})),
        ("DeleteSecret", json!({})),
        ("RotateSecret", json!({"RotationLambdaARN": FUNCTION, "ClientRequestToken": token(2)})),
        ("CancelRotateSecret", json!({})),
        ("TagResource", json!({"Tags": [{"Key": "a", "Value": "b"}]})),
        ("UntagResource", json!({"TagKeys": ["a"]})),
        ("PutResourcePolicy", json!({"ResourcePolicy": "{}"})),
        ("GetResourcePolicy", json!({})),
        ("ListResourcePolicies", json!({})),
        ("DeleteResourcePolicy", json!({})),
        ("ReplicateSecretToRegions", json!({"AddReplicaRegions": [{"Region": "eu-west-1"}]})),
        ("RemoveRegionsFromReplication", json!({"RemoveReplicaRegions": ["eu-west-1"]})),
        ("ValidateResourcePolicy", json!({"ResourcePolicy": policies::allowing("111111111111")})),
        ("StopReplicationToReplica", json!({})),
    ] {
        let mut input = json!({"SecretId": "s"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        is_refused(&client, operation, input, "InvalidRequestException", MARKED).await;
    }
    let again = json!({"Name": "s", "SecretString": "x", "ClientRequestToken": token(2)});
    let scheduled = "You can't create this secret because a secret with this name is already scheduled for deletion.";
    is_refused(&client, "CreateSecret", again.clone(), "InvalidRequestException", scheduled).await;
    pass(&cloud, 7 * DAY - 60).await;
    describe(&client, "s").await;
    pass(&cloud, 60).await;
    is_refused(&client, "DescribeSecret", json!({"SecretId": "s"}), "ResourceNotFoundException", "").await;
    assert_eq!(told(&cloud), ["StartSecretVersionDelete", "EndSecretVersionDelete"]);
    // Another of its name has nothing of it.
    let made = ok(&client, "CreateSecret", again).await;
    assert_ne!(made["ARN"], arn);
    let versions = ok(&client, "ListSecretVersionIds", json!({"SecretId": "s", "IncludeDeprecated": true})).await;
    assert_eq!(versions["Versions"].as_array().unwrap().len(), 1);
    is_refused(&client, "GetSecretValue", json!({"SecretId": arn}), "ResourceNotFoundException", "").await;
}

#[tokio::test]
async fn a_secret_is_taken_back() {
    let (cloud, client) = noon().await;
    let arn = create(&client, json!({})).await["ARN"].clone();
    ok(&client, "DeleteSecret", json!({"SecretId": "s"})).await;
    pass(&cloud, 29 * DAY).await;
    assert_eq!(ok(&client, "RestoreSecret", json!({"SecretId": "s"})).await, json!({"ARN": arn, "Name": "s"}));
    pass(&cloud, 2 * DAY).await;
    assert_eq!(get(&client, "s").await["SecretString"], "one");
    assert_eq!(describe(&client, "s").await.get("DeletedDate"), None);
    // What is not to be deleted needs no restoring.
    ok(&client, "RestoreSecret", json!({"SecretId": "s"})).await;
    assert_eq!(told(&cloud), ["StartSecretVersionDelete", "CancelSecretVersionDelete"]);
    is_refused(&client, "RestoreSecret", json!({"SecretId": "none"}), "ResourceNotFoundException", "").await;
}

#[tokio::test]
async fn a_secret_is_deleted_at_once() {
    let (_cloud, client) = noon().await;
    let first = create(&client, json!({})).await["ARN"].clone();
    let force = json!({"SecretId": "s", "ForceDeleteWithoutRecovery": true});
    assert_eq!(ok(&client, "DeleteSecret", force.clone()).await["DeletionDate"], 1_772_366_400);
    assert_ne!(create(&client, json!({})).await["ARN"], first);
    // One that waits for its day goes at once, too, and one that is gone is gone.
    ok(&client, "DeleteSecret", json!({"SecretId": "s"})).await;
    ok(&client, "DeleteSecret", force.clone()).await;
    assert_eq!(ok(&client, "DeleteSecret", force).await["Name"], "s");
    for (more, code, words) in [
        (json!({"RecoveryWindowInDays": 6}), "InvalidParameterException", "between 7 and 30 days (inclusive)"),
        (json!({"RecoveryWindowInDays": 31}), "InvalidParameterException", "between 7 and 30 days (inclusive)"),
        (
            json!({"RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": true}),
            "InvalidParameterException",
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        ),
        (json!({}), "ResourceNotFoundException", "Secrets Manager can't find the specified secret."),
    ] {
        let mut input = json!({"SecretId": "s"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        is_refused(&client, "DeleteSecret", input, code, words).await;
    }
}
