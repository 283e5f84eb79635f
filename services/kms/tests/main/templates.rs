//! The CloudFormation types, as stacks use them.

use super::*;
use undercast_kernel::resources::{Properties, ResourceRequest, ResourceType, Updated};

fn of_type(name: &str) -> Box<dyn ResourceType> {
    Kms.resource_types().into_iter().find(|t| t.name() == name).unwrap()
}

fn request(properties: &Json) -> ResourceRequest {
    ResourceRequest {
        stack: "stack".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/stack/1".to_owned(),
        logical_id: "Logical".to_owned(),
        properties: properties_of(properties),
        tags: vec![("of".to_owned(), "stack".to_owned())],
    }
}

fn properties_of(properties: &Json) -> Properties {
    properties.as_object().unwrap().clone()
}

async fn described(client: &Client, id: &str) -> Json {
    call(client, "DescribeKey", json!({"KeyId": id})).await["KeyMetadata"].clone()
}

async fn tags(client: &Client, id: &str) -> Vec<String> {
    let told = call(client, "ListResourceTags", json!({"KeyId": id})).await;
    let text = |tag: &Json| format!("{}={}", tag["TagKey"].as_str().unwrap(), tag["TagValue"].as_str().unwrap());
    told["Tags"].as_array().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn a_key_is_made_changed_and_removed() {
    let cloud = Cloud::start(services()).await;
    let (client, cx) = (cloud.client(), cloud.kernel.cx_for(ACCOUNT, "us-east-1"));
    let keys = of_type("AWS::KMS::Key");
    let root = json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:*", "Resource": "*"});
    let policy = json!({"Version": "2012-10-17", "Id": "mine", "Statement": [root]});
    let before = json!({"Description": "one", "KeyPolicy": policy, "EnableKeyRotation": true, "RotationPeriodInDays": 100,
                        "PendingWindowInDays": 7, "Tags": [{"Key": "a", "Value": "1"}]});
    let made = keys.create(&cx, &request(&before)).await.unwrap();
    let told = described(&client, &made.id).await;
    assert_eq!((&told["Description"], &made.attributes["Arn"]), (&json!("one"), &told["Arn"]));
    assert_eq!(tags(&client, &made.id).await, ["a=1", "of=stack"]);
    let status = call(&client, "GetKeyRotationStatus", json!({"KeyId": made.id})).await;
    assert_eq!(status["RotationPeriodInDays"], json!(100));
    let put = call(&client, "GetKeyPolicy", json!({"KeyId": made.id})).await["Policy"].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Json>(&put).unwrap(), policy);
    let after = json!({"Enabled": false, "PendingWindowInDays": 7, "Tags": [{"Key": "b", "Value": "2"}]});
    let updated = keys.update(&cx, &made.id, &properties_of(&before), &request(&after)).await.unwrap();
    assert!(matches!(updated, Updated::InPlace(r) if r.id == made.id));
    let told = described(&client, &made.id).await;
    assert_eq!((&told["Description"], &told["KeyState"]), (&json!(""), &json!("Disabled")));
    assert_eq!(tags(&client, &made.id).await, ["b=2", "of=stack"]);
    assert_eq!(
        call(&client, "GetKeyRotationStatus", json!({"KeyId": made.id})).await["KeyRotationEnabled"],
        json!(false)
    );
    let on = json!({"Enabled": "true", "Description": "two", "EnableKeyRotation": true, "PendingWindowInDays": 7});
    keys.update(&cx, &made.id, &properties_of(&after), &request(&on)).await.unwrap();
    assert_eq!(described(&client, &made.id).await["KeyState"], json!("Enabled"));
    let fixed = keys.update(&cx, &made.id, &properties_of(&on), &request(&json!({"KeySpec": "RSA_2048"}))).await;
    assert_eq!(fixed.unwrap_err().code(), Some("NotUpdatable"));
    for _ in 0..2 {
        keys.delete(&cx, &made.id, &properties_of(&on)).await.unwrap();
    }
    assert_eq!(described(&client, &made.id).await["KeyState"], json!("PendingDeletion"));
    keys.delete(&cx, "01234567-89ab-cdef-0123-456789abcdef", &properties_of(&on)).await.unwrap();
    assert!(keys.delete(&cx, &made.id, &properties_of(&json!({"PendingWindowInDays": "soon"}))).await.is_err());
}

#[tokio::test]
async fn a_key_that_cannot_be_made_as_it_should_be_does_not_stay() {
    let cloud = Cloud::start(services()).await;
    let (client, cx) = (cloud.client(), cloud.kernel.cx_for(ACCOUNT, "us-east-1"));
    let wanted = json!({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC", "EnableKeyRotation": true});
    let refused = of_type("AWS::KMS::Key").create(&cx, &request(&wanted)).await;
    assert_eq!(refused.unwrap_err().code(), Some("UnsupportedOperationException"));
    let left = call(&client, "ListKeys", json!({})).await["Keys"][0]["KeyId"].as_str().unwrap().to_owned();
    assert_eq!(described(&client, &left).await["KeyState"], json!("PendingDeletion"));
}

#[tokio::test]
async fn a_replica_is_made_in_the_region_of_its_stack() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (cx, there) = (cloud.kernel.cx_for(ACCOUNT, "us-east-1"), cloud.kernel.cx_for(ACCOUNT, "eu-west-1"));
    let primary = of_type("AWS::KMS::Key").create(&cx, &request(&json!({"MultiRegion": true}))).await.unwrap();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:*", "Resource": "*"}]});
    let replicas = of_type("AWS::KMS::ReplicaKey");
    let before = json!({"PrimaryKeyArn": primary.attributes["Arn"], "KeyPolicy": policy, "Description": "copy", "Enabled": false});
    let made = replicas.create(&there, &request(&before)).await.unwrap();
    assert_eq!(made.attributes["Arn"], json!(format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/{}", primary.id)));
    let elsewhere = client.in_region("eu-west-1");
    let told = described(&elsewhere, &made.id).await;
    assert_eq!((&told["Description"], &told["KeyState"]), (&json!("copy"), &json!("Disabled")));
    assert_eq!(tags(&elsewhere, &made.id).await, ["of=stack"]);
    let after = json!({"PrimaryKeyArn": primary.attributes["Arn"], "KeyPolicy": policy, "PendingWindowInDays": 7});
    replicas.update(&there, &made.id, &properties_of(&before), &request(&after)).await.unwrap();
    let told = described(&elsewhere, &made.id).await;
    assert_eq!((&told["Description"], &told["KeyState"]), (&json!(""), &json!("Enabled")));
    replicas.delete(&there, &made.id, &properties_of(&after)).await.unwrap();
    assert_eq!(described(&elsewhere, &made.id).await["KeyState"], json!("PendingDeletion"));
    assert!(replicas.create(&there, &request(&json!({"PrimaryKeyArn": "nonsense"}))).await.is_err());
}

#[tokio::test]
async fn an_alias_is_made_moved_and_removed() {
    let cloud = Cloud::start(services()).await;
    let (client, cx) = (cloud.client(), cloud.kernel.cx_for(ACCOUNT, "us-east-1"));
    let ((one, _), (two, _)) = (key(&client, json!({})).await, key(&client, json!({})).await);
    let aliases = of_type("AWS::KMS::Alias");
    let to = |target: &str| json!({"AliasName": "alias/a", "TargetKeyId": target});
    let made = aliases.create(&cx, &request(&to(&one))).await.unwrap();
    assert_eq!(
        (made.id.as_str(), described(&client, "alias/a").await["KeyId"].as_str()),
        ("alias/a", Some(one.as_str()))
    );
    aliases.update(&cx, "alias/a", &properties_of(&to(&one)), &request(&to(&two))).await.unwrap();
    assert_eq!(described(&client, "alias/a").await["KeyId"], json!(two));
    for _ in 0..2 {
        aliases.delete(&cx, "alias/a", &Properties::new()).await.unwrap();
    }
    assert_eq!(call(&client, "ListAliases", json!({})).await["Aliases"], json!([]));
    assert!(aliases.create(&cx, &request(&json!({"AliasName": "alias/a"}))).await.is_err());
}
