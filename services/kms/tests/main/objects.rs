//! Objects of S3 under keys of KMS: what S3 asks for its callers.

use super::*;
use undercast_s3::{S3, S3Control};
use undercast_testkit::Answer;

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(Kms), Arc::new(Iam), Arc::new(Sts), Arc::new(S3::default()), Arc::new(S3Control)]
}

async fn put(client: &Client, name: &str, more: Json) -> Answer {
    let mut input = json!({"Bucket": "sealed", "Key": name, "ServerSideEncryption": "aws:kms"});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call_with_body("s3", "PutObject", input, Some("hello".into())).await
}

async fn get(client: &Client, name: &str) -> Answer {
    client.call("s3", "GetObject", json!({"Bucket": "sealed", "Key": name})).await
}

#[tokio::test]
async fn without_a_key_the_services_own_is_made_and_used() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("s3", "CreateBucket", json!({"Bucket": "sealed"})).await.ok();
    let made = put(&client, "o", json!({})).await.ok();
    let told = call(&client, "DescribeKey", json!({"KeyId": "alias/aws/s3"})).await["KeyMetadata"].clone();
    assert_eq!((&made["SSEKMSKeyId"], &told["KeyManager"]), (&told["Arn"], &json!("AWS")));
    let got = get(&client, "o").await;
    assert_eq!((got.body.as_ref(), got.status), (b"hello".as_slice(), 200));
    // Whoever may read objects needs no permission of their own on this key; its policy lets them come through S3.
    let read = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"});
    let reader = user(&cloud, ACCOUNT, "reader", Some(read)).await;
    assert_eq!(get(&reader, "o").await.body.as_ref(), b"hello");
    let used = json!({"KeyId": told["Arn"], "KeySpec": "AES_256"});
    assert_eq!(refused(&client, "GenerateDataKey", used).await.0, "AccessDeniedException");
}

#[tokio::test]
async fn a_key_of_ones_own_decides_who_reads() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("s3", "CreateBucket", json!({"Bucket": "sealed"})).await.ok();
    let (id, arn) = key(&client, json!({})).await;
    let made = put(&client, "o", json!({"SSEKMSKeyId": id})).await.ok();
    assert_eq!(made["SSEKMSKeyId"], json!(arn));
    let read = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    let through = json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": arn,
        "Condition": {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::sealed/o"}}});
    let without = user(&cloud, ACCOUNT, "without", Some(read.clone())).await;
    let with = user(&cloud, ACCOUNT, "with", Some(json!([read, through]))).await;
    let denied = get(&without, "o").await;
    assert_eq!((denied.status, denied.code()), (403, "AccessDenied"));
    assert_eq!(get(&with, "o").await.body.as_ref(), b"hello");
    assert_eq!(put(&with, "p", json!({"SSEKMSKeyId": id})).await.code(), "AccessDenied");
    call(&client, "DisableKey", json!({"KeyId": id})).await;
    let disabled = get(&client, "o").await;
    assert_eq!(
        (disabled.code(), &disabled.json["message"]),
        ("KMS.DisabledException", &json!(format!("{arn} is disabled.")))
    );
    call(&client, "ScheduleKeyDeletion", json!({"KeyId": id})).await;
    assert_eq!(put(&client, "o", json!({"SSEKMSKeyId": id})).await.code(), "KMS.KMSInvalidStateException");
}

#[tokio::test]
async fn an_object_gets_another_key_and_stays_what_it_is() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("s3", "CreateBucket", json!({"Bucket": "sealed"})).await.ok();
    let (first, second) = (key(&client, json!({})).await.1, key(&client, json!({})).await.1);
    let before = put(&client, "o", json!({"SSEKMSKeyId": first})).await.ok();
    let update = |arn: &str| {
        let encryption = json!({"SSEKMS": {"KMSKeyArn": arn, "BucketKeyEnabled": true}});
        client.call(
            "s3",
            "UpdateObjectEncryption",
            json!({"Bucket": "sealed", "Key": "o", "ObjectEncryption": encryption}),
        )
    };
    update(&second).await.ok();
    call(&client, "DisableKey", json!({"KeyId": first})).await;
    let got = get(&client, "o").await;
    assert_eq!(got.body.as_ref(), b"hello");
    assert_eq!(got.headers["x-amz-server-side-encryption-aws-kms-key-id"], second.as_str());
    assert_eq!(got.headers["x-amz-server-side-encryption-bucket-key-enabled"], "true");
    assert_eq!(got.headers["etag"], before["ETag"].as_str().unwrap());
    // Parts stay parts.
    let plain = json!({"Bucket": "sealed", "Key": "o"});
    let begun = client.call("s3", "CreateMultipartUpload", plain).await.ok();
    let mut parts = Vec::new();
    for (number, length) in [(1, 5 * 1024 * 1024), (2, 9)] {
        let input = json!({"Bucket": "sealed", "Key": "o", "UploadId": begun["UploadId"], "PartNumber": number});
        let part = client.call_with_body("s3", "UploadPart", input, Some(vec![7; length].into())).await.ok();
        parts.push(json!({"PartNumber": number, "ETag": part["ETag"]}));
    }
    let done =
        json!({"Bucket": "sealed", "Key": "o", "UploadId": begun["UploadId"], "MultipartUpload": {"Parts": parts}});
    client.call("s3", "CompleteMultipartUpload", done).await.ok();
    update(&second).await.ok();
    let part = client.call("s3", "GetObject", json!({"Bucket": "sealed", "Key": "o", "PartNumber": 2})).await;
    assert_eq!((part.status, part.body.as_ref()), (206, [7; 9].as_slice()));
}

#[tokio::test]
async fn a_batch_job_gives_objects_other_keys_and_chooses_them_by_their_keys() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("s3", "CreateBucket", json!({"Bucket": "sealed"})).await.ok();
    let (first, second) = (key(&client, json!({})).await.1, key(&client, json!({})).await.1);
    put(&client, "mine", json!({"SSEKMSKeyId": first})).await.ok();
    put(&client, "other", json!({"SSEKMSKeyId": second})).await.ok();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "batchoperations.s3.amazonaws.com"}}]});
    let role = json!({"RoleName": "batch", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", role).await.ok();
    let may = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}]});
    let policy = json!({"RoleName": "batch", "PolicyName": "own", "PolicyDocument": may.to_string()});
    client.call("iam", "PutRolePolicy", policy).await.ok();
    let generator = json!({"S3JobManifestGenerator": {"SourceBucket": "arn:aws:s3:::sealed", "EnableManifestOutput": true,
        "ManifestOutputLocation": {"Bucket": "arn:aws:s3:::sealed", "ManifestPrefix": "lists", "ManifestFormat": "S3InventoryReport_CSV_20211130",
            "ManifestEncryption": {"SSEKMS": {"KeyId": second}}},
        "Filter": {"MatchAnyObjectEncryption": [{"SSEKMS": {"KmsKeyArn": first}}]}}});
    let input = json!({"AccountId": ACCOUNT, "Priority": 1, "RoleArn": format!("arn:aws:iam::{ACCOUNT}:role/batch"), "Report": {"Enabled": false},
        "ClientRequestToken": "t", "ManifestGenerator": generator,
        "Operation": {"S3UpdateObjectEncryption": {"ObjectEncryption": {"SSEKMS": {"KMSKeyArn": second, "BucketKeyEnabled": true}}}}});
    let id = client.call("s3control", "CreateJob", input).await.ok()["JobId"].clone();
    let mut job = Json::Null;
    for _ in 0..400 {
        job = client.call("s3control", "DescribeJob", json!({"AccountId": ACCOUNT, "JobId": id})).await.ok()["Job"]
            .clone();
        if job["Status"] == "Complete" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(
        (&job["Status"], &job["ProgressSummary"]["NumberOfTasksSucceeded"]),
        (&json!("Complete"), &json!(1)),
        "{job}"
    );
    let got = get(&client, "mine").await;
    assert_eq!(got.headers["x-amz-server-side-encryption-aws-kms-key-id"], second.as_str());
    let made = job["GeneratedManifestDescriptor"]["Location"]["ObjectArn"]
        .as_str()
        .unwrap()
        .replace("arn:aws:s3:::sealed/", "");
    assert_eq!(get(&client, &made).await.headers["x-amz-server-side-encryption-aws-kms-key-id"], second.as_str());
}

async fn annotation(client: &Client, name: &str) -> Answer {
    client.call("s3", "GetObjectAnnotation", json!({"Bucket": "sealed", "Key": name, "AnnotationName": "n"})).await
}

#[tokio::test]
async fn annotations_are_encrypted_as_their_object_is() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("s3", "CreateBucket", json!({"Bucket": "sealed"})).await.ok();
    let (first, arn) = key(&client, json!({})).await;
    let (second, second_arn) = key(&client, json!({})).await;
    put(&client, "o", json!({"SSEKMSKeyId": first})).await.ok();
    // The bucket's default is for objects; what belongs to one is encrypted as that is.
    let rule = json!({"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": second_arn}});
    let default = json!({"Bucket": "sealed", "ServerSideEncryptionConfiguration": {"Rules": [rule]}});
    client.call("s3", "PutBucketEncryption", default).await.ok();
    let text = "annotation ".repeat(10_000);
    let input = json!({"Bucket": "sealed", "Key": "o", "AnnotationName": "n"});
    let set = async |client: &Client| {
        client.call_with_body("s3", "PutObjectAnnotation", input.clone(), Some(text.clone().into())).await
    };
    let made = set(&client).await.ok();
    assert_eq!(made["ServerSideEncryption"], "aws:kms");
    let found = annotation(&client, "o").await;
    assert_eq!(found.headers["x-amz-server-side-encryption"], "aws:kms");
    assert!(found.body.as_ref() == text.as_bytes());
    let all = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    let through = json!({"Effect": "Allow", "Action": "kms:GenerateDataKey", "Resource": arn,
        "Condition": {"StringEquals": {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::sealed/o"}}});
    let without = user(&cloud, ACCOUNT, "without", Some(all.clone())).await;
    let with = user(&cloud, ACCOUNT, "with", Some(json!([all, through]))).await;
    assert_eq!((annotation(&without, "o").await.code(), set(&without).await.code()), ("AccessDenied", "AccessDenied"));
    set(&with).await.ok();
    assert_eq!(annotation(&with, "o").await.code(), "AccessDenied", "it may not decrypt");
    // A copy has another key, and so have its annotations; a copy under S3's own keys has none.
    for (name, more) in [
        ("c", json!({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": second})),
        ("plain", json!({"ServerSideEncryption": "AES256"})),
    ] {
        let mut input = json!({"Bucket": "sealed", "Key": name, "CopySource": "sealed/o"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.call("s3", "CopyObject", input).await.ok();
    }
    // An object that gets another key takes its annotations along.
    let update = json!({"Bucket": "sealed", "Key": "o", "ObjectEncryption": {"SSEKMS": {"KMSKeyArn": second_arn}}});
    client.call("s3", "UpdateObjectEncryption", update).await.ok();
    call(&client, "DisableKey", json!({"KeyId": first})).await;
    for (name, method) in [("o", "aws:kms"), ("c", "aws:kms"), ("plain", "AES256")] {
        let found = annotation(&client, name).await;
        assert!(found.body.as_ref() == text.as_bytes(), "{name}: {}", found.json);
        assert_eq!(found.headers["x-amz-server-side-encryption"], method);
    }
    call(&client, "DisableKey", json!({"KeyId": second})).await;
    assert_eq!(annotation(&client, "o").await.code(), "KMS.DisabledException");
    assert_eq!(set(&client).await.code(), "KMS.DisabledException");
    assert!(annotation(&client, "plain").await.body.as_ref() == text.as_bytes());
}

#[tokio::test]
async fn a_context_and_a_key_of_the_bucket_go_with_what_is_written() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("s3", "CreateBucket", json!({"Bucket": "sealed"})).await.ok();
    let (_, arn) = key(&client, json!({})).await;
    let asked = |name: &str| {
        json!({"Bucket": "sealed", "Key": name, "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn,
               "BucketKeyEnabled": true, "SSEKMSEncryptionContext": b64(r#"{"team":"a"}"#)})
    };
    let made = client.call_with_body("s3", "PutObject", asked("put"), Some("hello".into())).await.ok();
    assert_eq!((&made["BucketKeyEnabled"], &made["SSEKMSKeyId"]), (&json!(true), &json!(arn)));
    let mut copy = asked("copy");
    copy["CopySource"] = json!("sealed/put");
    let copied = client.call("s3", "CopyObject", copy).await.ok();
    assert_eq!(copied["BucketKeyEnabled"], true);
    let begun = client.call("s3", "CreateMultipartUpload", asked("parts")).await.ok();
    assert_eq!((&begun["BucketKeyEnabled"], &begun["ServerSideEncryption"]), (&json!(true), &json!("aws:kms")));
    let upload = json!({"Bucket": "sealed", "Key": "parts", "UploadId": begun["UploadId"]});
    let with = |more: Json| {
        let mut input = upload.clone();
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let part =
        client.call_with_body("s3", "UploadPart", with(json!({"PartNumber": 1})), Some("hello".into())).await.ok();
    let parts = json!({"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}});
    client.call("s3", "CompleteMultipartUpload", with(parts)).await.ok();
    // The key's users are told apart by the context, and the bucket's key stands for all its objects.
    let reader = async |name: &str, team: &str, of: &str| {
        let read = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"});
        let decrypt = json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": arn, "Condition": {"StringEquals":
            {"kms:EncryptionContext:team": team, "kms:EncryptionContext:aws:s3:arn": of}}});
        user(&cloud, ACCOUNT, name, Some(json!([read, decrypt]))).await
    };
    let right = reader("right", "a", "arn:aws:s3:::sealed").await;
    let other_team = reader("other-team", "b", "arn:aws:s3:::sealed").await;
    let by_object = reader("by-object", "a", "arn:aws:s3:::sealed/put").await;
    for name in ["put", "copy", "parts"] {
        let got = get(&right, name).await;
        assert_eq!((got.status, got.body.as_ref()), (200, b"hello".as_slice()), "{name}");
        assert_eq!(got.headers["x-amz-server-side-encryption-bucket-key-enabled"], "true", "{name}");
        for wrong in [&other_team, &by_object] {
            assert_eq!(get(wrong, name).await.code(), "AccessDenied", "{name}");
        }
    }
    let mut broken = asked("broken");
    broken["SSEKMSEncryptionContext"] = json!("e30");
    assert_eq!(client.call("s3", "CreateMultipartUpload", broken).await.code(), "InvalidArgument");
}
