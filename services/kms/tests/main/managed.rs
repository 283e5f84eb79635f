//! AWS managed keys, and calls that services make for their callers.

use super::*;
use undercast_kernel::Cx;

fn through(cloud: &Cloud, account: &str) -> Cx {
    cloud.kernel.cx_for(account, "us-east-1").through("s3.amazonaws.com")
}

#[tokio::test]
async fn the_key_of_a_service_is_made_when_the_service_first_uses_it() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    // Somebody else than the service does not make it.
    let direct = json!({"KeyId": "alias/aws/s3", "KeySpec": "AES_256"});
    let (code, message) = refused(&client, "GenerateDataKey", direct.clone()).await;
    assert_eq!(code, "NotFoundException");
    assert_eq!(message, format!("Alias arn:aws:kms:us-east-1:{ACCOUNT}:alias/aws/s3 is not found."));
    let s3 = through(&cloud, ACCOUNT);
    let made = s3.call("kms", "GenerateDataKey", direct.clone()).await.unwrap();
    let again = s3.call("kms", "GenerateDataKey", direct.clone()).await.unwrap();
    assert_eq!(made["KeyId"], again["KeyId"]);
    let opened = s3.call("kms", "Decrypt", json!({"CiphertextBlob": made["CiphertextBlob"]})).await.unwrap();
    assert_eq!(opened["Plaintext"], made["Plaintext"]);
    // Its policy lets nobody use it but through the service, and nobody manage it.
    let described = call(&client, "DescribeKey", json!({"KeyId": "alias/aws/s3"})).await["KeyMetadata"].clone();
    assert_eq!((&described["KeyManager"], &described["Arn"]), (&json!("AWS"), &made["KeyId"]));
    assert_eq!(described["Description"], "Default key that protects my S3 objects when no other key is defined");
    let id = &described["KeyId"];
    for (operation, input) in [
        ("Decrypt", json!({"CiphertextBlob": made["CiphertextBlob"]})),
        ("GenerateDataKey", direct),
        ("ScheduleKeyDeletion", json!({"KeyId": id})),
        ("DisableKey", json!({"KeyId": id})),
        ("PutKeyPolicy", json!({"KeyId": id, "Policy": "{}"})),
        ("DisableKeyRotation", json!({"KeyId": id})),
    ] {
        let (code, message) = refused(&client, operation, input).await;
        assert_eq!(code, "AccessDeniedException", "{operation}");
        assert!(
            message.ends_with(&format!("because no resource-based policy allows the kms:{operation} action")),
            "{message}"
        );
    }
    let other = cloud.kernel.cx_for(ACCOUNT, "us-east-1").through("sqs.amazonaws.com");
    let refused = other.call("kms", "Decrypt", json!({"CiphertextBlob": made["CiphertextBlob"]})).await;
    assert_eq!(refused.unwrap_err().code(), Some("AccessDeniedException"));
    let status = call(&client, "GetKeyRotationStatus", json!({"KeyId": id})).await;
    assert_eq!((&status["KeyRotationEnabled"], &status["RotationPeriodInDays"]), (&json!(true), &json!(365)));
    // Another account has another.
    let theirs =
        through(&cloud, "111111111111").call("kms", "DescribeKey", json!({"KeyId": "alias/aws/s3"})).await.unwrap();
    assert_ne!(theirs["KeyMetadata"]["Arn"], made["KeyId"]);
}

#[tokio::test]
async fn calls_at_the_same_time_make_one_key() {
    let cloud = Cloud::start(services()).await;
    let s3 = through(&cloud, ACCOUNT);
    let seal = || s3.call("kms", "Encrypt", json!({"KeyId": "alias/aws/s3", "Plaintext": b64("x")}));
    let (a, b, c, d) = tokio::join!(seal(), seal(), seal(), seal());
    let made = [a.unwrap(), b.unwrap(), c.unwrap(), d.unwrap()];
    for one in &made {
        assert_eq!(one["KeyId"], made[0]["KeyId"]);
        let opened = s3.call("kms", "Decrypt", json!({"CiphertextBlob": one["CiphertextBlob"]})).await.unwrap();
        assert_eq!(opened["Plaintext"], json!(b64("x")));
    }
    let keys = call(&cloud.client(), "ListKeys", json!({})).await["Keys"].clone();
    assert_eq!(keys.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn whom_no_policy_stops_cannot_manage_the_keys_of_services_either() {
    let cloud = Cloud::with(services(), |settings| settings.iam = undercast_kernel::IamMode::Off, false).await;
    let client = cloud.client();
    let described = call(&client, "DescribeKey", json!({"KeyId": "alias/aws/sqs"})).await["KeyMetadata"].clone();
    for (operation, more) in [
        ("ScheduleKeyDeletion", json!({})),
        ("DisableKey", json!({})),
        ("EnableKeyRotation", json!({})),
        ("PutKeyPolicy", json!({"Policy": "{}"})),
    ] {
        let mut input = more;
        input["KeyId"] = described["KeyId"].clone();
        assert_eq!(refused(&client, operation, input).await.0, "UnsupportedOperationException", "{operation}");
    }
    let (code, _) = refused(&client, "DescribeKey", json!({"KeyId": "alias/aws/nothing"})).await;
    assert_eq!(code, "NotFoundException");
}

#[tokio::test]
async fn a_condition_on_the_service_holds_for_calls_through_it() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": root}, "NotAction": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": root}, "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*",
         "Condition": {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}, "Bool": {"aws:ViaAWSService": "true"}}}]});
    let (id, _) = key(&client, json!({"Policy": policy.to_string()})).await;
    let input = json!({"KeyId": id, "KeySpec": "AES_256"});
    assert_eq!(refused(&client, "GenerateDataKey", input.clone()).await.0, "AccessDeniedException");
    through(&cloud, ACCOUNT).call("kms", "GenerateDataKey", input.clone()).await.unwrap();
    // For whom a service acts is told when it acts in its own name, not when it lends its caller's rights.
    let of_source = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": root}, "NotAction": "kms:GenerateDataKey", "Resource": "*"},
        {"Effect": "Allow", "Principal": "*", "Action": "kms:GenerateDataKey", "Resource": "*",
         "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}]});
    let (other, _) = key(&client, json!({"Policy": of_source.to_string()})).await;
    let wanted = json!({"KeyId": other, "KeySpec": "AES_256"});
    let lent = through(&cloud, ACCOUNT).call("kms", "GenerateDataKey", wanted.clone()).await;
    assert_eq!(lent.unwrap_err().code(), Some("AccessDeniedException"));
    let own = cloud.kernel.cx_for(ACCOUNT, "us-east-1").as_service("sns.amazonaws.com", None);
    own.call("kms", "GenerateDataKey", wanted).await.unwrap();
    // A service in its own name comes through nobody; what it acts for stays when it comes through another.
    let own = cloud
        .kernel
        .cx_for(ACCOUNT, "us-east-1")
        .as_service("sns.amazonaws.com", Some("arn:aws:sns:us-east-1:000000000000:t"));
    assert_eq!(own.forwarded_by(), None);
    let forwarded = own.through("sqs.amazonaws.com");
    assert_eq!(forwarded.forwarded_by(), Some("sqs.amazonaws.com"));
    assert_eq!(forwarded.origin().service.as_ref().unwrap().1.as_deref(), Some("arn:aws:sns:us-east-1:000000000000:t"));
    assert_eq!(own.call("kms", "GenerateDataKey", input).await.unwrap_err().code(), Some("AccessDeniedException"));
}
