//! MFA delete.

use undercast_testkit::Authenticator;

use super::*;

/// A cloud whose clock stands still, and the root user's device in it.
async fn owned() -> (Cloud, String, Authenticator) {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    let root = cloud.client();
    let made = root.call("iam", "CreateVirtualMFADevice", json!({"VirtualMFADeviceName": "owner"})).await.ok();
    let device = &made["VirtualMFADevice"];
    let (serial, shows) =
        (device["SerialNumber"].as_str().unwrap(), Authenticator::new(device["Base32StringSeed"].as_str().unwrap()));
    let codes = [shows.code(&cloud, -2), shows.code(&cloud, -1)];
    let input = json!({"UserName": "root", "SerialNumber": serial, "AuthenticationCode1": codes[0], "AuthenticationCode2": codes[1]});
    root.call("iam", "EnableMFADevice", input).await.ok();
    (cloud, serial.to_owned(), shows)
}

fn versioning(status: &str, mfa_delete: &str, mfa: Option<&str>) -> Json {
    let mut input = json!({"Bucket": "kept", "VersioningConfiguration": {"Status": status, "MFADelete": mfa_delete}});
    if let Some(mfa) = mfa {
        input["MFA"] = json!(mfa);
    }
    input
}

/// Half a minute later, and the code of then.
async fn next(cloud: &Cloud, serial: &str, shows: &Authenticator) -> String {
    cloud.kernel.advance(Duration::from_secs(30)).await.unwrap();
    format!("{serial} {}", shows.code(cloud, 0))
}

fn message(answer: &Answer) -> &str {
    answer.json["message"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn versions_go_only_by_the_owners_code() {
    let (cloud, serial, shows) = owned().await;
    let root = cloud.client();
    bucket(&root, "kept").await;
    let code = format!("{serial} {}", shows.code(&cloud, 0));
    call(&root, "PutBucketVersioning", versioning("Enabled", "Enabled", Some(&code))).await.ok();
    let shown = call(&root, "GetBucketVersioning", json!({"Bucket": "kept"})).await.ok();
    assert_eq!((&shown["Status"], &shown["MFADelete"]), (&json!("Enabled"), &json!("Enabled")));
    let versions: Vec<Json> = [
        put(&root, "kept", "k", b"1").await["VersionId"].clone(),
        put(&root, "kept", "k", b"2").await["VersionId"].clone(),
        put(&root, "kept", "k", b"3").await["VersionId"].clone(),
    ]
    .to_vec();
    // A marker can be set by anybody, and taken away only with a code.
    let marker = call(&root, "DeleteObject", json!({"Bucket": "kept", "Key": "k"})).await.ok()["VersionId"].clone();
    let order = |version: &Json, mfa: Option<&str>| {
        let mut input = json!({"Bucket": "kept", "Key": "k", "VersionId": version});
        if let Some(mfa) = mfa {
            input["MFA"] = json!(mfa);
        }
        input
    };
    for version in [&versions[0], &marker] {
        let refused = call(&root, "DeleteObject", order(version, None)).await;
        assert_eq!((refused.status, refused.code()), (403, "AccessDenied"));
        assert_eq!(message(&refused), "Mfa Authentication must be used for this request");
    }
    let used = call(&root, "DeleteObject", order(&versions[0], Some(&code))).await;
    assert_eq!((used.status, used.code()), (403, "AccessDenied"), "a code is good once");
    let code = next(&cloud, &serial, &shows).await;
    let gone = call(&root, "DeleteObject", order(&versions[0], Some(&code))).await.ok();
    assert_eq!(gone["VersionId"], versions[0]);
    // Many at once: all or none, by one code.
    let many = |mfa: Option<&str>, objects: Json| {
        let mut input = json!({"Bucket": "kept", "Delete": {"Objects": objects}});
        if let Some(mfa) = mfa {
            input["MFA"] = json!(mfa);
        }
        input
    };
    let both = json!([{"Key": "k", "VersionId": versions[1]}, {"Key": "other"}]);
    assert_eq!(call(&root, "DeleteObjects", many(None, both.clone())).await.code(), "AccessDenied");
    assert_eq!(call(&root, "DeleteObjects", many(Some(&code), json!([{"Key": "other"}]))).await.code(), "AccessDenied");
    call(&root, "DeleteObjects", many(None, json!([{"Key": "other"}]))).await.ok();
    let code = next(&cloud, &serial, &shows).await;
    let done = call(&root, "DeleteObjects", many(Some(&code), both)).await.ok();
    assert_eq!((done["Deleted"].as_array().unwrap().len(), &done["Errors"]), (2, &Json::Null));
    let left = call(&root, "ListObjectVersions", json!({"Bucket": "kept", "Prefix": "k"})).await.ok();
    assert_eq!(left["Versions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn only_the_root_user_with_keys_for_good_has_a_say() {
    let (cloud, serial, shows) = owned().await;
    let root = cloud.client();
    bucket(&root, "kept").await;
    let code = format!("{serial} {}", shows.code(&cloud, 0));
    call(&root, "PutBucketVersioning", versioning("Enabled", "Enabled", Some(&code))).await.ok();
    let code = next(&cloud, &serial, &shows).await;
    let ann = user(&cloud, "ann").await;
    let all = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
    let input = json!({"UserName": "ann", "PolicyName": "all", "PolicyDocument": all.to_string()});
    root.call("iam", "PutUserPolicy", input).await.ok();
    let refused = call(&ann, "PutBucketVersioning", versioning("Suspended", "Enabled", Some(&code))).await;
    assert_eq!((refused.status, message(&refused)), (403, "This operation may only be performed by the bucket owner"));
    let session = root.call("sts", "GetSessionToken", json!({})).await.ok();
    let text = |field: &str| session["Credentials"][field].as_str().unwrap().to_owned();
    let mut credentials = Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey"));
    credentials.token = Some(text("SessionToken"));
    let refused =
        call(&cloud.client_of(credentials), "PutBucketVersioning", versioning("Suspended", "Enabled", Some(&code)))
            .await;
    assert_eq!((refused.status, refused.code()), (400, "InvalidRequest"));
    assert_eq!(message(&refused), "DevPay and Mfa are mutually exclusive authorization methods.");
    // Who is refused uses no code up. Nothing of the versioning is changed without one, not even to what it is.
    for status in ["Enabled", "Suspended"] {
        let refused = call(&root, "PutBucketVersioning", versioning(status, "Disabled", None)).await;
        assert_eq!(message(&refused), "Mfa Authentication must be used for this request");
    }
    call(&root, "PutBucketVersioning", versioning("Suspended", "Disabled", Some(&code))).await.ok();
    let shown = call(&root, "GetBucketVersioning", json!({"Bucket": "kept"})).await.ok();
    assert_eq!((&shown["Status"], &shown["MFADelete"]), (&json!("Suspended"), &json!("Disabled")));
    call(&root, "PutBucketVersioning", versioning("Enabled", "Disabled", None)).await.ok();
}

#[tokio::test]
async fn a_bucket_has_lifecycle_rules_or_mfa_delete() {
    let (cloud, serial, shows) = owned().await;
    let root = cloud.client();
    bucket(&root, "kept").await;
    let rules = json!({"Bucket": "kept", "LifecycleConfiguration": {"Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]}});
    call(&root, "PutBucketLifecycleConfiguration", rules.clone()).await.ok();
    let code = format!("{serial} {}", shows.code(&cloud, 0));
    let refused = call(&root, "PutBucketVersioning", versioning("Enabled", "Enabled", Some(&code))).await;
    assert_eq!((refused.status, refused.code()), (409, "InvalidBucketState"));
    assert!(
        message(&refused).starts_with("Mfa Authentication is not supported on a bucket with lifecycle configuration.")
    );
    call(&root, "DeleteBucketLifecycle", json!({"Bucket": "kept"})).await.ok();
    // The code was not used up by what was refused.
    call(&root, "PutBucketVersioning", versioning("Enabled", "Enabled", Some(&code))).await.ok();
    let refused = call(&root, "PutBucketLifecycleConfiguration", rules).await;
    assert_eq!((refused.status, refused.code()), (409, "InvalidBucketState"));
}
