//! Who may: ACLs, owners, who pays, and keys of customers on the disk.

use super::*;

const OTHER: &str = "111111111111";

fn other(cloud: &Cloud) -> Client {
    cloud.client_of(Credentials::new(OTHER, "x"))
}

async fn with_acls(client: &Client, name: &str, ownership: &str) {
    call(client, "CreateBucket", json!({"Bucket": name, "ObjectOwnership": ownership})).await.ok();
    call(client, "DeletePublicAccessBlock", json!({"Bucket": name})).await.ok();
}

#[tokio::test]
async fn a_public_acl_lets_everybody_read() {
    let cloud = Cloud::start(services()).await;
    let owner = cloud.client();
    with_acls(&owner, "acls", "ObjectWriter").await;
    put(&owner, "acls", "private", b"p").await;
    let public = json!({"Bucket": "acls", "Key": "public", "ACL": "public-read"});
    owner.call_with_body("s3", "PutObject", public, Some(Bytes::from_static(b"hello"))).await.ok();
    assert_eq!(owner.send(unsigned("GET", "/acls/private")).await.0, 403);
    let (status, _, body) = owner.send(unsigned("GET", "/acls/public")).await;
    assert_eq!((status, &body[..]), (200, &b"hello"[..]));
    assert_eq!(owner.send(unsigned("DELETE", "/acls/public")).await.0, 403);
    assert_eq!(owner.send(unsigned("GET", "/acls")).await.0, 403);
    call(&owner, "PutBucketAcl", json!({"Bucket": "acls", "ACL": "public-read"})).await.ok();
    assert_eq!(owner.send(unsigned("GET", "/acls")).await.0, 200);
    // IgnorePublicAcls shuts both again.
    let ignore = json!({"IgnorePublicAcls": true});
    call(&owner, "PutPublicAccessBlock", json!({"Bucket": "acls", "PublicAccessBlockConfiguration": ignore}))
        .await
        .ok();
    assert_eq!(owner.send(unsigned("GET", "/acls/public")).await.0, 403);
    assert_eq!(owner.send(unsigned("GET", "/acls")).await.0, 403);
}

#[tokio::test]
async fn who_writes_an_object_owns_it() {
    let cloud = Cloud::start(services()).await;
    let (owner, other) = (cloud.client(), other(&cloud));
    with_acls(&owner, "theirs", "ObjectWriter").await;
    assert_eq!(call(&other, "PutObject", json!({"Bucket": "theirs", "Key": "k"})).await.code(), "AccessDenied");
    let id = call(&other, "ListBuckets", json!({})).await.ok()["Owner"]["ID"].as_str().unwrap().to_owned();
    let grant = json!({"Bucket": "theirs", "GrantWrite": format!("id=\"{id}\"")});
    call(&owner, "PutBucketAcl", grant).await.ok();
    put(&other, "theirs", "k", b"mine").await;
    let acl = call(&other, "GetObjectAcl", json!({"Bucket": "theirs", "Key": "k"})).await.ok();
    assert_eq!(acl["Owner"]["ID"], id.as_str());
    // The owner of the bucket may delete what is in it, and not read it.
    let read = json!({"Bucket": "theirs", "Key": "k"});
    assert_eq!(call(&owner, "GetObject", read.clone()).await.code(), "AccessDenied");
    let given = json!({"Bucket": "theirs", "Key": "given", "ACL": "bucket-owner-full-control"});
    other.call_with_body("s3", "PutObject", given, Some(Bytes::from_static(b"x"))).await.ok();
    assert_eq!(get(&owner, json!({"Bucket": "theirs", "Key": "given"})).await.1, b"x");
    call(&owner, "DeleteObject", read).await.ok();
    // Where the owner of the bucket is preferred, the same word makes it theirs.
    let preferred = json!({"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]});
    call(&owner, "PutBucketOwnershipControls", json!({"Bucket": "theirs", "OwnershipControls": preferred})).await.ok();
    let given = json!({"Bucket": "theirs", "Key": "ours", "ACL": "bucket-owner-full-control"});
    other.call_with_body("s3", "PutObject", given, Some(Bytes::from_static(b"x"))).await.ok();
    let acl = call(&owner, "GetObjectAcl", json!({"Bucket": "theirs", "Key": "ours"})).await.ok();
    assert_ne!(acl["Owner"]["ID"], id.as_str());
    let page = call(&owner, "ListObjectsV2", json!({"Bucket": "theirs", "FetchOwner": true})).await.ok();
    let owners: Vec<_> = page["Contents"].as_array().unwrap().iter().map(|o| o["Owner"]["ID"] == id.as_str()).collect();
    assert_eq!(owners, [true, false]);
}

#[tokio::test]
async fn others_pay_or_get_nothing() {
    let cloud = Cloud::start(services()).await;
    let (owner, other) = (cloud.client(), other(&cloud));
    bucket(&owner, "paid").await;
    put(&owner, "paid", "k", b"x").await;
    let policy = statement(&json!({"AWS": OTHER}), &json!("s3:GetObject"), &json!("arn:aws:s3:::paid/*"));
    call(&owner, "PutBucketPolicy", json!({"Bucket": "paid", "Policy": policy})).await.ok();
    let payment = json!({"Bucket": "paid", "RequestPaymentConfiguration": {"Payer": "Requester"}});
    call(&owner, "PutBucketRequestPayment", payment).await.ok();
    assert_eq!(call(&other, "GetObject", json!({"Bucket": "paid", "Key": "k"})).await.code(), "AccessDenied");
    let (answer, _) = get(&other, json!({"Bucket": "paid", "Key": "k", "RequestPayer": "requester"})).await;
    assert_eq!(answer.headers["x-amz-request-charged"], "requester");
    let (answer, _) = get(&owner, json!({"Bucket": "paid", "Key": "k"})).await;
    assert!(!answer.headers.contains_key("x-amz-request-charged"));
}

#[tokio::test]
async fn bytes_under_a_customers_key_are_not_those_that_were_sent() {
    let cloud = Cloud::durable(services()).await;
    let client = cloud.client();
    bucket(&client, "sealed").await;
    let open = json!({"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
                                 "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}]});
    let input = json!({"Bucket": "sealed", "ServerSideEncryptionConfiguration": open});
    call(&client, "PutBucketEncryption", input).await.ok();
    let key = [7u8; 32];
    let headers = |mut input: Json| {
        input["SSECustomerAlgorithm"] = "AES256".into();
        input["SSECustomerKey"] = text::base64(&key).into();
        input["SSECustomerKeyMD5"] = "y4HAEFCYWuvAXWFTtA1Qpg==".into();
        input
    };
    for length in [1, 5000, 700_000] {
        let sent = bytes(length);
        let input = headers(json!({"Bucket": "sealed", "Key": "k"}));
        client.call_with_body("s3", "PutObject", input, Some(sent.clone().into())).await.ok();
        let (_, body) = get(&client, headers(json!({"Bucket": "sealed", "Key": "k"}))).await;
        assert!(body == sent, "{length} bytes differ");
        if length > 100 {
            let range = json!({"Bucket": "sealed", "Key": "k", "Range": format!("bytes=33-{}", length - 20)});
            assert!(
                get(&client, headers(range)).await.1 == sent[33..=length - 20],
                "a range of {length} bytes differs"
            );
        }
    }
}

#[tokio::test]
async fn tags_of_a_bucket_decide_where_they_may() {
    let cloud = Cloud::start(services()).await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    bucket(&root, "tagged").await;
    put(&root, "tagged", "k", b"x").await;
    let tags = json!({"Bucket": "tagged", "Tagging": {"TagSet": [{"Key": "team", "Value": "red"}]}});
    call(&root, "PutBucketTagging", tags).await.ok();
    let may = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/team": "red"}}}]});
    let input = json!({"UserName": "ann", "PolicyName": "p", "PolicyDocument": may.to_string()});
    root.call("iam", "PutUserPolicy", input).await.ok();
    let read = || call(&ann, "GetObject", json!({"Bucket": "tagged", "Key": "k"}));
    assert_eq!(read().await.code(), "AccessDenied", "tags count only where that is said");
    call(&root, "PutBucketAbac", json!({"Bucket": "tagged", "AbacStatus": {"Status": "Enabled"}})).await.ok();
    assert_eq!(read().await.status, 200);
}
