//! Replicas in other Regions.

use super::*;

async fn status(client: &Client) -> Json {
    describe(client, "s").await["ReplicationStatus"].clone()
}

#[tokio::test]
async fn a_replica_follows_its_primary() {
    let (cloud, client) = noon().await;
    let there = client.in_region("eu-west-1");
    let key = there.call("kms", "CreateKey", json!({})).await.ok()["KeyMetadata"]["Arn"].clone();
    let made = create(
        &client,
        json!({"Description": "words", "Tags": [{"Key": "a", "Value": "b"}],
        "AddReplicaRegions": [{"Region": "eu-west-1", "KmsKeyId": key}, {"Region": "eu-west-2"}]}),
    )
    .await;
    assert_eq!(
        made["ReplicationStatus"],
        json!([{"Region": "eu-west-1", "KmsKeyId": key, "Status": "InProgress"},
               {"Region": "eu-west-2", "KmsKeyId": "alias/aws/secretsmanager", "Status": "InProgress"}])
    );
    pass(&cloud, 1).await;
    assert_eq!(status(&client).await[0]["Status"], "InSync");
    let arn = made["ARN"].as_str().unwrap().replace("us-east-1", "eu-west-1");
    let copy = get(&there, &arn).await;
    assert_eq!(
        (&copy["SecretString"], &copy["ARN"], &copy["VersionId"]),
        (&json!("one"), &json!(arn), &json!(token(1)))
    );
    let shown = describe(&there, "s").await;
    assert_eq!(
        (&shown["PrimaryRegion"], &shown["Description"], &shown["KmsKeyId"]),
        (&json!("us-east-1"), &json!("words"), &key)
    );
    assert_eq!(shown["Tags"], json!([{"Key": "a", "Value": "b"}]));
    let versions = ok(&there, "ListSecretVersionIds", json!({"SecretId": "s"})).await;
    assert_eq!(versions["Versions"][0]["KmsKeyIds"], json!([key]));
    // When it was read is its own matter, and told to the primary.
    assert!(status(&client).await[0]["LastAccessedDate"].is_number());
    assert_eq!(describe(&client, "s").await.get("LastAccessedDate"), None);
    put(&client, 2, "two").await;
    ok(&client, "UntagResource", json!({"SecretId": "s", "TagKeys": ["a"]})).await;
    ok(&client, "PutResourcePolicy", json!({"SecretId": "s", "ResourcePolicy": policies::allowing("111111111111")}))
        .await;
    ok(
        &client,
        "UpdateSecretVersionStage",
        json!({"SecretId": "s", "VersionStage": "mine", "MoveToVersionId": token(1)}),
    )
    .await;
    pass(&cloud, 1).await;
    for region in ["eu-west-1", "eu-west-2"] {
        let there = client.in_region(region);
        assert_eq!(get(&there, "s").await["SecretString"], "two");
        let shown = describe(&there, "s").await;
        assert_eq!(shown["VersionIdsToStages"], json!({token(1): ["AWSPREVIOUS", "mine"], token(2): ["AWSCURRENT"]}));
        assert_eq!(shown.get("Tags"), None);
        assert!(ok(&there, "GetResourcePolicy", json!({"SecretId": "s"})).await["ResourcePolicy"].is_string());
    }
    assert!(told(&cloud).contains(&"ReplicationSucceeded".to_owned()));
}

#[tokio::test]
async fn a_replica_is_not_changed_where_it_is() {
    let (cloud, client) = noon().await;
    create(&client, json!({"AddReplicaRegions": [{"Region": "eu-west-1"}]})).await;
    pass(&cloud, 1).await;
    let there = client.in_region("eu-west-1");
    let why = "Operation not permitted on a replica secret. Call must be made in primary secret's region.";
    for (operation, more) in [
        ("PutSecretValue", json!({"SecretString": "x", "ClientRequestToken": token(2)})),
        ("UpdateSecret", json!({"Description": "x"})),
        ("UpdateSecretVersionStage", json!({"VersionStage": "x", "MoveToVersionId": token(1)})),
        ("DeleteSecret", json!({})),
        ("RestoreSecret", json!({})),
        ("RotateSecret", json!({"RotationLambdaARN": FUNCTION, "ClientRequestToken": token(2)})),
        ("CancelRotateSecret", json!({})),
        ("TagResource", json!({"Tags": [{"Key": "a", "Value": "b"}]})),
        ("UntagResource", json!({"TagKeys": ["a"]})),
        ("PutResourcePolicy", json!({"ResourcePolicy": policies::allowing("111111111111")})),
        ("DeleteResourcePolicy", json!({})),
        ("ReplicateSecretToRegions", json!({"AddReplicaRegions": [{"Region": "eu-west-2"}]})),
        ("RemoveRegionsFromReplication", json!({"RemoveReplicaRegions": ["eu-west-2"]})),
    ] {
        let mut input = json!({"SecretId": "s"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        is_refused(&there, operation, input, "InvalidParameterException", why).await;
    }
    let arn = describe(&client, "s").await["ARN"].as_str().unwrap().to_owned();
    let still = format!("You can't delete secret {arn} that still has replica regions [eu-west-1].");
    is_refused(&client, "DeleteSecret", json!({"SecretId": "s"}), "InvalidParameterException", &still).await;
    ok(&client, "RemoveRegionsFromReplication", json!({"SecretId": "s", "RemoveReplicaRegions": ["eu-west-1"]})).await;
    is_refused(&there, "GetSecretValue", json!({"SecretId": "s"}), "ResourceNotFoundException", "").await;
    assert_eq!(status(&client).await, Json::Null);
    ok(&client, "DeleteSecret", json!({"SecretId": "s"})).await;
}

#[tokio::test]
async fn a_replica_becomes_a_secret_of_its_own() {
    let (cloud, client) = noon().await;
    create(&client, json!({"AddReplicaRegions": [{"Region": "eu-west-1"}]})).await;
    pass(&cloud, 1).await;
    let there = client.in_region("eu-west-1");
    let arn = describe(&there, "s").await["ARN"].clone();
    assert_eq!(ok(&there, "StopReplicationToReplica", json!({"SecretId": "s"})).await, json!({"ARN": arn}));
    put(&there, 2, "theirs").await;
    put(&client, 3, "ours").await;
    pass(&cloud, 1).await;
    assert_eq!(get(&there, "s").await["SecretString"], "theirs");
    assert_eq!(describe(&there, "s").await.get("PrimaryRegion"), None);
    assert_eq!(status(&client).await, Json::Null);
    is_refused(
        &there,
        "StopReplicationToReplica",
        json!({"SecretId": "s"}),
        "InvalidRequestException",
        "isn't a replica",
    )
    .await;
    is_refused(&there, "StopReplicationToReplica", json!({"SecretId": "none"}), "ResourceNotFoundException", "").await;
}

#[tokio::test]
async fn what_cannot_be_copied_is_told() {
    let (cloud, client) = noon().await;
    let there = client.in_region("eu-west-1");
    create(&there, json!({"SecretString": "in the way"})).await;
    create(&client, json!({})).await;
    let add = |region: &str, more: Json| {
        let mut replica = json!({"Region": region});
        replica.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"SecretId": "s", "AddReplicaRegions": [replica]})
    };
    ok(&client, "ReplicateSecretToRegions", add("eu-west-1", json!({}))).await;
    ok(&client, "ReplicateSecretToRegions", add("eu-west-2", json!({"KmsKeyId": "alias/nothing"}))).await;
    pass(&cloud, 1).await;
    let failed = status(&client).await;
    assert_eq!((&failed[0]["Status"], &failed[1]["Status"]), (&json!("Failed"), &json!("Failed")));
    assert_eq!(failed[0]["StatusMessage"], "Replication failed: Secret name s already exists in region eu-west-1.");
    assert!(failed[1]["StatusMessage"].as_str().unwrap().contains("KMS key"), "{failed}");
    assert_eq!(get(&there, "s").await["SecretString"], "in the way");
    assert!(told(&cloud).contains(&"ReplicationFailed".to_owned()));
    // Said again, it takes the place of the other.
    let mut force = add("eu-west-1", json!({}));
    force["ForceOverwriteReplicaSecret"] = json!(true);
    ok(&client, "ReplicateSecretToRegions", force).await;
    pass(&cloud, 1).await;
    assert_eq!(get(&there, "s").await["SecretString"], "one");
    for region in ["us-east-1", "eu-west-9", "cn-north-1"] {
        let bad = add(region, json!({}));
        is_refused(
            &client,
            "ReplicateSecretToRegions",
            bad.clone(),
            "InvalidParameterException",
            "Invalid replica region.",
        )
        .await;
        let create =
            json!({"Name": "t", "ClientRequestToken": token(1), "AddReplicaRegions": bad["AddReplicaRegions"]});
        is_refused(&client, "CreateSecret", create, "InvalidParameterException", "Invalid replica region.").await;
    }
    let none = json!({"SecretId": "none", "AddReplicaRegions": [{"Region": "eu-west-1"}]});
    is_refused(&client, "ReplicateSecretToRegions", none, "ResourceNotFoundException", "").await;
    let none = json!({"SecretId": "none", "RemoveReplicaRegions": ["eu-west-1"]});
    is_refused(&client, "RemoveRegionsFromReplication", none, "ResourceNotFoundException", "").await;
}

#[tokio::test]
async fn a_region_that_is_dead_is_followed_up_later() {
    let (cloud, client) = noon().await;
    create(&client, json!({"AddReplicaRegions": [{"Region": "eu-west-1"}]})).await;
    pass(&cloud, 1).await;
    let dead = json!({"id": "dead", "region": "eu-west-1", "effect": "dead"});
    let rule = serde_json::from_value(dead);
    cloud.kernel.faults().add(rule.unwrap()).unwrap();
    put(&client, 2, "two").await;
    pass(&cloud, 60).await;
    assert_eq!(status(&client).await[0]["Status"], "InProgress");
    cloud.kernel.faults().remove(None);
    assert_eq!(get(&client.in_region("eu-west-1"), "s").await["SecretString"], "one");
    pass(&cloud, 10).await;
    assert_eq!(get(&client.in_region("eu-west-1"), "s").await["SecretString"], "two");
}
