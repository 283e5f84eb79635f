//! S3 Control through a real socket.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_testkit::{Answer, Client, Cloud, Credentials};
use undercast_wire::{Bytes, Request};

use super::{bucket, call, put, services};

pub(crate) const ME: &str = "000000000000";

pub(crate) async fn control(client: &Client, operation: &str, input: Json) -> Answer {
    let mut input = input;
    input["AccountId"] = json!(client_account(client));
    client.call("s3control", operation, input).await
}

/// The account of a client's key.
fn client_account(client: &Client) -> &str {
    let key = client.credentials.key.as_str();
    if key.len() == 12 { key } else { ME }
}

/// A request as SDKs send it, to a host that they made up.
pub(crate) fn request(method: &str, host: &str, path: &str, body: &[u8]) -> Request {
    let mut headers = http::HeaderMap::new();
    headers.insert("host", host.parse().unwrap());
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: String::new(),
        headers,
        body: Bytes::copy_from_slice(body).into(),
    }
}

async fn signed(client: &Client, mut request: Request) -> (u16, String) {
    client.sign(&mut request, &undercast_s3::api::SERVICE);
    let (status, _, body) = client.send(request).await;
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn allow(principal: &Json, action: &str, resource: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource}]})
        .to_string()
}

#[tokio::test]
async fn the_account_joins_the_settings_of_its_buckets() {
    let cloud = Cloud::start(services()).await;
    let (owner, other) = (cloud.client(), cloud.client_of(Credentials::new("111111111111", "x")));
    bucket(&owner, "open").await;
    put(&owner, "open", "k", b"x").await;
    call(&owner, "DeletePublicAccessBlock", json!({"Bucket": "open"})).await.ok();
    let policy = allow(&json!("*"), "s3:GetObject", "arn:aws:s3:::open/*");
    call(&owner, "PutBucketPolicy", json!({"Bucket": "open", "Policy": policy})).await.ok();
    call(&other, "GetObject", json!({"Bucket": "open", "Key": "k"})).await.ok();
    let restrict = json!({"PublicAccessBlockConfiguration": {"RestrictPublicBuckets": true}});
    control(&owner, "PutPublicAccessBlock", restrict).await.ok();
    assert_eq!(call(&other, "GetObject", json!({"Bucket": "open", "Key": "k"})).await.code(), "AccessDenied");
    call(&owner, "GetObject", json!({"Bucket": "open", "Key": "k"})).await.ok();
    control(&owner, "DeletePublicAccessBlock", json!({})).await.ok();
    call(&other, "GetObject", json!({"Bucket": "open", "Key": "k"})).await.ok();
    let denied = other.call("s3control", "GetPublicAccessBlock", json!({"AccountId": ME})).await;
    assert_eq!((denied.status, denied.code()), (403, "AccessDenied"));
}

#[tokio::test]
async fn control_requests_are_told_from_buckets_by_their_header() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let port = cloud.address.port();
    let path = "/v20180820/configuration/publicAccessBlock";
    let host = format!("{ME}.localhost:{port}");
    let mut asked = request("GET", &host, path, b"");
    asked.headers.insert("x-amz-account-id", ME.parse().unwrap());
    let (status, body) = signed(&client, asked).await;
    assert!(status == 404 && body.contains("<Code>NoSuchPublicAccessBlockConfiguration</Code>"), "{status} {body}");
    assert!(body.contains("<ErrorResponse"), "{body}");
    // What AWS has and Undercast has not says so.
    let mut asked = request("GET", &host, "/v20180820/storagelens/x", b"");
    asked.headers.insert("x-amz-account-id", ME.parse().unwrap());
    let (status, body) = signed(&client, asked).await;
    assert!(status == 501 && body.contains("s3control.GetStorageLensConfiguration"), "{status} {body}");
    // Without the header it is a key in a bucket of that name.
    bucket(&client, "v20180820").await;
    put(&client, "v20180820", "configuration/publicAccessBlock", b"mine").await;
    let plain = format!("localhost:{port}");
    assert_eq!(signed(&client, request("GET", &plain, path, b"")).await, (200, "mine".to_owned()));
    put(&client, "v20180820", "bucket/x", b"mine").await;
    let asked = request("GET", &plain, "/v20180820/bucket/x", b"");
    assert_eq!(signed(&client, asked).await, (200, "mine".to_owned()));
}

/// A bucket with one object and an access point in front of it. Returns the ARN and the alias.
async fn with_point(client: &Client, name: &str) -> (String, String) {
    bucket(client, name).await;
    put(client, name, "k", b"through").await;
    let made = control(client, "CreateAccessPoint", json!({"Name": format!("{name}-ap"), "Bucket": name})).await.ok();
    (made["AccessPointArn"].as_str().unwrap().to_owned(), made["Alias"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn hosts_name_access_points() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (arn, alias) = with_point(&client, "hosts").await;
    assert!(alias.starts_with("hosts-ap-") && alias.len() <= 63, "{alias}");
    let port = cloud.address.port();
    for host in [
        format!("hosts-ap-{ME}.localhost:{port}"),
        format!("hosts-ap-{ME}.s3-accesspoint.us-east-1.localhost:{port}"),
        format!("{alias}.s3.us-east-1.localhost:{port}"),
    ] {
        assert_eq!(signed(&client, request("GET", &host, "/k", b"")).await, (200, "through".to_owned()), "{host}");
        assert_eq!(signed(&client, request("PUT", &host, "/put/it", b"new")).await.0, 200, "{host}");
    }
    let (_, body) = super::get(&client, json!({"Bucket": arn, "Key": "put/it"})).await;
    assert_eq!(body, b"new");
    // The endpoints that are told lead there.
    let told = control(&client, "GetAccessPoint", json!({"Name": "hosts-ap"})).await.ok();
    let host = format!("hosts-ap-{ME}.{}", told["Endpoints"]["ipv4"].as_str().unwrap());
    assert_eq!(signed(&client, request("GET", &host, "/k", b"")).await.0, 200, "{host}");
    let (status, body) = signed(&client, request("GET", &format!("gone-{ME}.localhost:{port}"), "/k", b"")).await;
    assert!(status == 404 && body.contains("<Code>NoSuchAccessPoint</Code>"), "{status} {body}");
    // In another region there is no such access point.
    let elsewhere = client.in_region("eu-west-1");
    let host = format!("hosts-ap-{ME}.localhost:{port}");
    assert_eq!(signed(&elsewhere, request("GET", &host, "/k", b"")).await.0, 404);
}

#[tokio::test]
async fn hosts_name_buckets() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let port = cloud.address.port();
    // A bucket by the name of the first folder must not be taken for the one that the host names.
    for name in ["named", "my.bucket", "folder"] {
        super::bucket(&client, name).await;
    }
    for (n, host) in ["named.localhost", "named.s3.localhost", "named.s3.eu-west-1.localhost", "my.bucket.localhost"]
        .iter()
        .enumerate()
    {
        let host = format!("{host}:{port}");
        let key = format!("/folder/{n}");
        let name = host.split(".s3").next().unwrap().split(".localhost").next().unwrap();
        assert_eq!(signed(&client, request("PUT", &host, &key, b"new")).await.0, 200, "{host}");
        assert_eq!(signed(&client, request("GET", &host, &key, b"")).await, (200, "new".to_owned()), "{host}");
        let (_, body) = super::get(&client, json!({"Bucket": name, "Key": key[1..]})).await;
        assert_eq!(body, b"new", "{host}");
        let (status, body) = signed(&client, request("GET", &host, "/", b"")).await;
        assert!(status == 200 && body.contains(&format!("<Key>{}</Key>", &key[1..])), "{host}: {body}");
    }
    let made = format!("made.localhost:{port}");
    assert_eq!(signed(&client, request("PUT", &made, "/", b"")).await.0, 200);
    assert_eq!(signed(&client, request("HEAD", &made, "/", b"")).await.0, 200);
    let (status, body) = signed(&client, request("GET", &format!("none.localhost:{port}"), "/folder/0", b"")).await;
    assert!(status == 404 && body.contains("<BucketName>none</BucketName>"), "{status} {body}");
    let unsigned = client.send(request("GET", &format!("none.localhost:{port}"), "/folder/0", b"")).await;
    assert_eq!(unsigned.0, 404);
}

async fn user(client: &Client, cloud: &Cloud, name: &str, policy: &str) -> Client {
    client.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let input = json!({"UserName": name, "PolicyName": "own", "PolicyDocument": policy});
    client.call("iam", "PutUserPolicy", input).await.ok();
    let key = client.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let part = |part: &str| key["AccessKey"][part].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&part("AccessKeyId"), &part("SecretAccessKey")))
}

fn own(action: &str, resource: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})
        .to_string()
}

#[tokio::test]
async fn both_the_access_point_and_the_bucket_have_to_allow() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (arn, _) = with_point(&client, "both").await;
    let get = async |client: &Client| call(client, "GetObject", json!({"Bucket": arn, "Key": "k"})).await;
    // Both sides in the user's own policy.
    let all = user(&client, &cloud, "all", &own("s3:GetObject", "*")).await;
    get(&all).await.ok();
    // Only the access point: the bucket does not let them in, until it leaves the matter to its account's access points.
    let point = user(&client, &cloud, "point", &own("s3:GetObject", &format!("{arn}/object/*"))).await;
    assert_eq!(get(&point).await.code(), "AccessDenied");
    let nobody = user(&client, &cloud, "nobody", &own("s3:ListAllMyBuckets", "*")).await;
    assert_eq!(get(&nobody).await.code(), "AccessDenied");
    let delegated = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:*",
        "Resource": ["arn:aws:s3:::both", "arn:aws:s3:::both/*"], "Condition": {"StringEquals": {"s3:DataAccessPointAccount": ME}}}]});
    call(&client, "PutBucketPolicy", json!({"Bucket": "both", "Policy": delegated.to_string()})).await.ok();
    get(&point).await.ok();
    assert_eq!(call(&point, "GetObject", json!({"Bucket": "both", "Key": "k"})).await.code(), "AccessDenied");
    // The policy of the access point alone lets in whom it names, now that the bucket has delegated.
    assert_eq!(get(&nobody).await.code(), "AccessDenied");
    let jane = json!({"AWS": format!("arn:aws:iam::{ME}:user/nobody")});
    let named = allow(&jane, "s3:GetObject", &format!("{arn}/object/k"));
    control(&client, "PutAccessPointPolicy", json!({"Name": "both-ap", "Policy": named})).await.ok();
    get(&nobody).await.ok();
    let other = call(&nobody, "GetObject", json!({"Bucket": arn, "Key": "other"})).await;
    assert_eq!(other.code(), "AccessDenied");
    // A denial of the access point binds everybody who goes through it, and nobody else.
    let denial = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": format!("{arn}/object/*")}]});
    control(&client, "PutAccessPointPolicy", json!({"Name": "both-ap", "Policy": denial.to_string()})).await.ok();
    assert_eq!(get(&client).await.code(), "AccessDenied");
    call(&client, "GetObject", json!({"Bucket": "both", "Key": "k"})).await.ok();
}

#[tokio::test]
async fn a_bucket_policy_can_ask_for_an_access_point() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (arn, _) = with_point(&client, "only").await;
    let only = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::only/*", "Condition": {"StringNotEquals": {"s3:DataAccessPointArn": arn, "s3:AccessPointNetworkOrigin": "Internet"}}}]});
    call(&client, "PutBucketPolicy", json!({"Bucket": "only", "Policy": only.to_string()})).await.ok();
    assert_eq!(call(&client, "GetObject", json!({"Bucket": "only", "Key": "k"})).await.code(), "AccessDenied");
    call(&client, "GetObject", json!({"Bucket": arn, "Key": "k"})).await.ok();
}

#[tokio::test]
async fn an_access_point_of_another_account_needs_the_word_of_the_bucket() {
    let cloud = Cloud::start(services()).await;
    let (owner, guest) = (cloud.client(), cloud.client_of(Credentials::new("111111111111", "x")));
    bucket(&owner, "lent").await;
    put(&owner, "lent", "k", b"x").await;
    let input = json!({"Name": "borrowed", "Bucket": "lent", "BucketAccountId": ME});
    let arn = control(&guest, "CreateAccessPoint", input).await.ok()["AccessPointArn"].as_str().unwrap().to_owned();
    assert_eq!(arn, "arn:aws:s3:us-east-1:111111111111:accesspoint/borrowed");
    assert_eq!(call(&guest, "GetObject", json!({"Bucket": arn, "Key": "k"})).await.code(), "AccessDenied");
    let word = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::lent/*", "Condition": {"StringEquals": {"s3:DataAccessPointAccount": "111111111111"}}}]});
    call(&owner, "PutBucketPolicy", json!({"Bucket": "lent", "Policy": word.to_string()})).await.ok();
    call(&guest, "GetObject", json!({"Bucket": arn, "Key": "k"})).await.ok();
    // Its owner alone may use it so far.
    assert_eq!(call(&owner, "GetObject", json!({"Bucket": arn, "Key": "k"})).await.code(), "AccessDenied");
    assert_eq!(call(&owner, "DeleteBucket", json!({"Bucket": "lent"})).await.code(), "BucketNotEmpty");
    call(&owner, "DeleteObject", json!({"Bucket": "lent", "Key": "k"})).await.ok();
    assert_eq!(call(&owner, "DeleteBucket", json!({"Bucket": "lent"})).await.code(), "BucketHasAccessPointsAttached");
    control(&guest, "DeleteAccessPoint", json!({"Name": "borrowed"})).await.ok();
    call(&owner, "DeleteBucket", json!({"Bucket": "lent"})).await.ok();
}

#[tokio::test]
async fn a_public_access_point_is_restricted_by_its_own_setting() {
    let cloud = Cloud::start(services()).await;
    let (owner, other) = (cloud.client(), cloud.client_of(Credentials::new("111111111111", "x")));
    bucket(&owner, "free").await;
    put(&owner, "free", "k", b"x").await;
    call(&owner, "DeletePublicAccessBlock", json!({"Bucket": "free"})).await.ok();
    let policy = allow(&json!("*"), "s3:GetObject", "arn:aws:s3:::free/*");
    call(&owner, "PutBucketPolicy", json!({"Bucket": "free", "Policy": policy})).await.ok();
    for (name, restrict, code) in [("open", false, None), ("shut", true, Some("AccessDenied"))] {
        let input = json!({"Name": name, "Bucket": "free", "PublicAccessBlockConfiguration": {"RestrictPublicBuckets": restrict}});
        let arn = control(&owner, "CreateAccessPoint", input).await.ok()["AccessPointArn"].as_str().unwrap().to_owned();
        let policy = allow(&json!("*"), "s3:GetObject", &format!("{arn}/object/*"));
        control(&owner, "PutAccessPointPolicy", json!({"Name": name, "Policy": policy})).await.ok();
        let answer = call(&other, "GetObject", json!({"Bucket": arn, "Key": "k"})).await;
        assert_eq!(answer.json["code"].as_str(), code, "{name}");
    }
}

#[tokio::test]
async fn copies_and_uploads_go_through_access_points() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (arn, alias) = with_point(&client, "parts").await;
    let upload = call(&client, "CreateMultipartUpload", json!({"Bucket": arn, "Key": "large"})).await.ok();
    let id = upload["UploadId"].as_str().unwrap();
    let input = json!({"Bucket": alias, "Key": "large", "UploadId": id, "PartNumber": 1});
    let part = client.call_with_body("s3", "UploadPart", input, Some(Bytes::from_static(b"part"))).await.ok();
    let copied = json!({"Bucket": arn, "Key": "large", "UploadId": id, "PartNumber": 1, "CopySource": format!("{arn}/object/k")});
    assert_ne!(part["ETag"], Json::Null);
    let part = call(&client, "UploadPartCopy", copied).await.ok()["CopyPartResult"]["ETag"].clone();
    let done = json!({"Bucket": arn, "Key": "large", "UploadId": id, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]}});
    call(&client, "CompleteMultipartUpload", done).await.ok();
    let (_, body) = super::get(&client, json!({"Bucket": "parts", "Key": "large"})).await;
    assert_eq!(body, b"through");
    let both = json!({"Bucket": alias, "Delete": {"Objects": [{"Key": "k"}, {"Key": "large"}]}});
    assert_eq!(call(&client, "DeleteObjects", both).await.ok()["Deleted"].as_array().map(Vec::len), Some(2));
    assert_eq!(call(&client, "GetObject", json!({"Bucket": arn, "Key": "k"})).await.code(), "NoSuchKey");
}

#[tokio::test]
async fn policies_of_users_decide_over_access_points_and_jobs() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "ruled").await;
    let statement = |action: &str, resource: &str, condition: Json| json!({"Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition});
    let point = format!("arn:aws:s3:us-east-1:{ME}:accesspoint/ruled-*");
    let rules = json!({"Version": "2012-10-17", "Statement": [
        statement("s3:CreateAccessPoint", &point, json!({"StringEquals": {"s3:AccessPointNetworkOrigin": "VPC"}})),
        statement("s3:TagResource", &point, json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}})),
        statement("s3:DeleteAccessPoint", &point, json!({"StringEquals": {"s3:AccessPointTag/team": "mine"}})),
        statement("s3:GetAccessPoint", &point, json!({})),
        statement("s3:CreateJob", "*", json!({"StringEquals": {"s3:RequestJobOperation": "S3PutObjectTagging"}})),
        statement("iam:PassRole", "*", json!({"StringEquals": {"iam:PassedToService": "batchoperations.s3.amazonaws.com"}})),
    ]});
    let ruled = user(&client, &cloud, "ruled", &rules.to_string()).await;
    let create = async |name: &str, vpc: bool, tags: Json| {
        let mut input = json!({"Name": name, "Bucket": "ruled", "Tags": tags});
        if vpc {
            input["VpcConfiguration"] = json!({"VpcId": "vpc-1"});
        }
        control(&ruled, "CreateAccessPoint", input).await
    };
    create("ruled-one", true, json!([{"Key": "team", "Value": "mine"}])).await.ok();
    create("ruled-two", true, json!([{"Key": "team", "Value": "theirs"}])).await.ok();
    assert_eq!(create("other-one", true, json!([])).await.code(), "AccessDenied");
    assert_eq!(create("ruled-three", false, json!([])).await.code(), "AccessDenied");
    assert_eq!(create("ruled-three", true, json!([{"Key": "colour", "Value": ""}])).await.code(), "AccessDenied");
    // Looking at one is a permission on no resource.
    assert_eq!(control(&ruled, "GetAccessPoint", json!({"Name": "ruled-one"})).await.code(), "AccessDenied");
    assert_eq!(control(&ruled, "DeleteAccessPoint", json!({"Name": "ruled-two"})).await.code(), "AccessDenied");
    control(&ruled, "DeleteAccessPoint", json!({"Name": "ruled-one"})).await.ok();
    let job = |operation: Json| {
        json!({"Operation": operation, "Priority": 1, "RoleArn": format!("arn:aws:iam::{ME}:role/none"), "Report": {"Enabled": false},
            "ClientRequestToken": "t", "ManifestGenerator": {"S3JobManifestGenerator": {"SourceBucket": "arn:aws:s3:::ruled", "EnableManifestOutput": false}}})
    };
    let tagging = job(json!({"S3PutObjectTagging": {"TagSet": []}}));
    control(&ruled, "CreateJob", tagging).await.ok();
    let untagging = control(&ruled, "CreateJob", job(json!({"S3DeleteObjectTagging": {}}))).await;
    assert_eq!((untagging.status, untagging.code()), (403, "AccessDenied"));
}

#[tokio::test]
async fn an_acl_opens_the_bucket_and_not_the_access_point_before_it() {
    let cloud = Cloud::start(services()).await;
    let (owner, other) = (cloud.client(), cloud.client_of(Credentials::new("111111111111", "x")));
    call(&owner, "CreateBucket", json!({"Bucket": "listed", "ObjectOwnership": "ObjectWriter"})).await.ok();
    call(&owner, "DeletePublicAccessBlock", json!({"Bucket": "listed"})).await.ok();
    call(&owner, "PutObject", json!({"Bucket": "listed", "Key": "k", "ACL": "public-read"})).await.ok();
    call(&other, "GetObject", json!({"Bucket": "listed", "Key": "k"})).await.ok();
    let input =
        json!({"Name": "listed-ap", "Bucket": "listed", "PublicAccessBlockConfiguration": {"BlockPublicAcls": true}});
    let arn = control(&owner, "CreateAccessPoint", input).await.ok()["AccessPointArn"].as_str().unwrap().to_owned();
    let get = async || call(&other, "GetObject", json!({"Bucket": arn, "Key": "k"})).await;
    assert_eq!(get().await.code(), "AccessDenied");
    let policy = allow(&json!({"AWS": "111111111111"}), "s3:GetObject", &format!("{arn}/object/*"));
    control(&owner, "PutAccessPointPolicy", json!({"Name": "listed-ap", "Policy": policy})).await.ok();
    get().await.ok();
    // Its own settings join those of the bucket: through it nothing is made public by an ACL.
    let public = json!({"Bucket": arn, "Key": "k", "ACL": "public-read"});
    assert_eq!(call(&owner, "PutObjectAcl", public).await.code(), "AccessDenied");
    call(&owner, "PutObjectAcl", json!({"Bucket": "listed", "Key": "k", "ACL": "public-read"})).await.ok();
    // And so do those of the account.
    let ignore = json!({"PublicAccessBlockConfiguration": {"IgnorePublicAcls": true}});
    control(&owner, "PutPublicAccessBlock", ignore).await.ok();
    assert_eq!(call(&other, "GetObject", json!({"Bucket": "listed", "Key": "k"})).await.code(), "AccessDenied");
}

#[tokio::test]
async fn logs_tell_of_the_access_point() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (arn, _) = with_point(&client, "seen").await;
    bucket(&client, "logs").await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject", "Resource": "arn:aws:s3:::logs/*"}]});
    call(&client, "PutBucketPolicy", json!({"Bucket": "logs", "Policy": policy.to_string()})).await.ok();
    let status = json!({"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": ""}});
    call(&client, "PutBucketLogging", json!({"Bucket": "seen", "BucketLoggingStatus": status})).await.ok();
    call(&client, "GetObject", json!({"Bucket": arn, "Key": "k"})).await.ok();
    call(&client, "HeadObject", json!({"Bucket": "seen", "Key": "k"})).await.ok();
    tokio::time::sleep(Duration::from_millis(100)).await;
    cloud.kernel.advance(Duration::from_secs(120)).await.unwrap();
    let page = call(&client, "ListObjectsV2", json!({"Bucket": "logs"})).await.ok();
    let (_, body) = super::get(&client, json!({"Bucket": "logs", "Key": page["Contents"][0]["Key"]})).await;
    let text = String::from_utf8(body).unwrap();
    let line =
        |operation: &str| text.lines().find(|l| l.contains(operation)).unwrap_or_else(|| panic!("{operation}: {text}"));
    assert!(line("REST.GET.OBJECT k ").ends_with(&format!(" {arn} -")), "{text}");
    assert!(line("REST.HEAD.OBJECT k ").ends_with(" - -"), "{text}");
}

#[tokio::test]
async fn pages_reach_an_access_point_as_its_bucket_says() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (_, alias) = with_point(&client, "paged").await;
    let rules = json!({"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://page.example"]}]});
    call(&client, "PutBucketCors", json!({"Bucket": "paged", "CORSConfiguration": rules})).await.ok();
    let port = cloud.address.port();
    for host in [format!("paged-ap-{ME}.localhost:{port}"), format!("{alias}.s3.localhost:{port}")] {
        for (origin, status) in [("https://page.example", 200), ("https://other.example", 403)] {
            let mut asked = request("OPTIONS", &host, "/k", b"");
            asked.headers.insert("origin", origin.parse().unwrap());
            asked.headers.insert("access-control-request-method", "GET".parse().unwrap());
            let (found, headers, _) = client.send(asked).await;
            assert_eq!(found, status, "{host} {origin}");
            let allowed = headers.get("access-control-allow-origin").and_then(|v| v.to_str().ok());
            assert_eq!(allowed, (status == 200).then_some(origin), "{host}");
        }
    }
}
