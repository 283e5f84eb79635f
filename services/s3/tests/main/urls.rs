//! Presigned URLs whose query string has headers in it, and subresources: what a query string means to S3.

use undercast_wire::Body;
use undercast_wire::sigv4::{self, Signature};

use super::*;
use crate::hostile::{request, say};

/// A request by a presigned URL. `query` is part of what is signed; `sent` are headers that are sent, of which the URL names
/// those in `signed`.
fn presigned(client: &Client, target: (&str, &str), query: &str, sent: &[(&str, &str)], signed: &[&str]) -> Request {
    #[expect(clippy::disallowed_methods, reason = "clients sign by the machine's clock")]
    let now = jiff::Timestamp::now();
    let credentials = &client.credentials;
    let stamp = sigv4::stamp(now);
    let signed_headers = ["host"].iter().chain(signed).copied().collect::<Vec<_>>().join(";");
    let mut signature = Signature {
        algorithm: sigv4::SYMMETRIC.to_owned(),
        access_key: credentials.key.clone(),
        date: stamp[..8].to_owned(),
        region: client.region.clone(),
        service: "s3".to_owned(),
        signed_headers: signed_headers.clone(),
        signature: String::new(),
        signed_at: now,
        stamp: stamp.clone(),
        token: None,
        expires: Some(60),
    };
    let mut escaped = String::new();
    text::percent_encode(&format!("{}/{}", credentials.key, signature.scope()), false, &mut escaped);
    let names = signed_headers.replace(';', "%3B");
    let mut request = Request {
        method: target.0.to_owned(),
        path: target.1.to_owned(),
        query: format!(
            "X-Amz-Algorithm={}&X-Amz-Credential={escaped}&X-Amz-Date={stamp}&X-Amz-Expires=60&X-Amz-SignedHeaders={names}{query}",
            sigv4::SYMMETRIC
        ),
        headers: http::HeaderMap::new(),
        body: Body::empty(),
    };
    let host = format!("localhost:{}", client.address.port());
    for (name, value) in sent.iter().chain(&[("host", host.as_str())]) {
        request.headers.insert(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
    }
    // What is named as signed and stands in the query string is signed as a header.
    let mut as_signed = Request {
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
        headers: request.headers.clone(),
        body: Body::empty(),
    };
    for (name, value) in text::pairs(query).unwrap().into_iter().filter(|(name, _)| signed.contains(&name.as_str())) {
        as_signed.headers.insert(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
    }
    let canonical = sigv4::canonical_request(&as_signed, &signature, "UNSIGNED-PAYLOAD", true);
    let key = sigv4::signing_key(&credentials.secret, &signature.date, &client.region, "s3");
    signature.signature = sigv4::sign(&key, &sigv4::string_to_sign(&signature, &canonical));
    request.query.push_str(&format!("&X-Amz-Signature={}", signature.signature));
    request
}

/// The user `ann`, who may do all with her bucket `bkt`.
async fn ann(cloud: &Cloud) -> Client {
    let (root, ann) = (cloud.client(), user(cloud, "ann").await);
    let all = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
    let input = json!({"UserName": "ann", "PolicyName": "all", "PolicyDocument": all.to_string()});
    root.call("iam", "PutUserPolicy", input).await.ok();
    let input = json!({"Bucket": "bkt", "ObjectOwnership": "BucketOwnerPreferred"});
    call(&ann, "CreateBucket", input).await.ok();
    call(&ann, "DeletePublicAccessBlock", json!({"Bucket": "bkt"})).await.ok();
    ann
}

async fn sent(client: &Client, mut request: Request, body: &'static [u8]) -> (u16, http::HeaderMap, String) {
    request.body = Bytes::from_static(body).into();
    let (status, headers, body) = client.send(request).await;
    (status, headers, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn headers_in_a_presigned_url_are_headers() {
    let cloud = Cloud::start(services()).await;
    let ann = ann(&cloud).await;
    let query = "&x-amz-acl=public-read&x-amz-meta-colour=dark%20green&x-amz-storage-class=STANDARD_IA&x-id=PutObject";
    let (status, headers, body) = sent(&ann, presigned(&ann, ("PUT", "/bkt/k"), query, &[], &[]), b"hello").await;
    assert_eq!((status, body.as_str(), headers.contains_key("x-undercast-ignored")), (200, "", false));
    let head = call(&ann, "HeadObject", json!({"Bucket": "bkt", "Key": "k"})).await;
    assert_eq!(
        (&head.headers["x-amz-meta-colour"], &head.headers["x-amz-storage-class"]),
        (&"dark green".parse().unwrap(), &"STANDARD_IA".parse().unwrap())
    );
    let acl = call(&ann, "GetObjectAcl", json!({"Bucket": "bkt", "Key": "k"})).await.ok();
    assert_eq!(acl["Grants"].as_array().unwrap().len(), 2, "{acl}");
    // An upload in parts, too.
    let query = "&uploads=&x-amz-meta-a=b";
    let (status, _, body) = sent(&ann, presigned(&ann, ("POST", "/bkt/up"), query, &[], &[]), b"").await;
    assert_eq!(status, 200, "{body}");
    let id = body.split("<UploadId>").nth(1).unwrap().split('<').next().unwrap();
    let part = presigned(&ann, ("PUT", "/bkt/up"), &format!("&partNumber=1&uploadId={id}"), &[], &[]);
    let (status, headers, _) = sent(&ann, part, b"part").await;
    assert_eq!(status, 200);
    let tag = headers["etag"].to_str().unwrap();
    let input = json!({"Bucket": "bkt", "Key": "up", "UploadId": id, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": tag}]}});
    call(&ann, "CompleteMultipartUpload", input).await.ok();
    let head = call(&ann, "HeadObject", json!({"Bucket": "bkt", "Key": "up"})).await;
    assert_eq!(head.headers["x-amz-meta-a"], "b");
}

#[tokio::test]
async fn some_headers_mean_nothing_in_a_url() {
    let cloud = Cloud::start(services()).await;
    let ann = ann(&cloud).await;
    // What the SDK for JavaScript puts there is the checksum of an empty body.
    let query = "&x-amz-tagging=a%3Db&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32\
                 &x-amz-server-side-encryption=aws%3Akms&X-Amz-Acl=public-read";
    let (status, headers, body) = sent(&ann, presigned(&ann, ("PUT", "/bkt/k"), query, &[], &[]), b"hello").await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        headers["x-undercast-ignored"],
        "x-amz-tagging, x-amz-checksum-crc32, x-amz-sdk-checksum-algorithm, x-amz-server-side-encryption, X-Amz-Acl"
    );
    let tags = call(&ann, "GetObjectTagging", json!({"Bucket": "bkt", "Key": "k"})).await.ok();
    assert_eq!(tags["TagSet"], json!([]));
    let (answer, body) = get(&ann, json!({"Bucket": "bkt", "Key": "k"})).await;
    assert_eq!(
        (&answer.headers["x-amz-server-side-encryption"], body.as_slice()),
        (&"AES256".parse().unwrap(), &b"hello"[..])
    );
    let acl = call(&ann, "GetObjectAcl", json!({"Bucket": "bkt", "Key": "k"})).await.ok();
    assert_eq!(acl["Grants"].as_array().unwrap().len(), 1, "{acl}");
    // A source of a copy: what is made is empty.
    let copy = presigned(&ann, ("PUT", "/bkt/copy"), "&x-amz-copy-source=bkt%2Fk", &[], &[]);
    assert_eq!(sent(&ann, copy, b"").await.0, 200);
    assert_eq!(get(&ann, json!({"Bucket": "bkt", "Key": "copy"})).await.1, b"");
    // Nothing at all where no URL was signed.
    let said = say(&cloud, &request("PUT", "/bkt/by-header?x-amz-meta-a=b", &[], b"x")).await;
    assert_eq!(said.status, 200, "{}", said.text);
    assert!(said.text.contains("x-undercast-ignored: x-amz-meta-a"), "{}", said.text);
    let head = call(&ann, "HeadObject", json!({"Bucket": "bkt", "Key": "by-header"})).await;
    assert!(!head.headers.contains_key("x-amz-meta-a"));
}

#[tokio::test]
async fn what_a_url_names_as_signed_may_stand_in_it() {
    let cloud = Cloud::start(services()).await;
    let ann = ann(&cloud).await;
    let (query, signed) = ("&x-amz-tagging=a%3Db", ["x-amz-tagging"]);
    let put = presigned(&ann, ("PUT", "/bkt/k"), query, &[], &signed);
    let (status, _, body) = sent(&ann, put, b"hello").await;
    assert_eq!(status, 200, "{body}");
    let tags = call(&ann, "GetObjectTagging", json!({"Bucket": "bkt", "Key": "k"})).await.ok();
    assert_eq!(tags["TagSet"], json!([{"Key": "a", "Value": "b"}]));
    // A header that the URL names must come, and none that it does not name.
    let put = presigned(&ann, ("PUT", "/bkt/k"), "", &[("x-amz-acl", "public-read")], &["x-amz-acl"]);
    assert_eq!(sent(&ann, put, b"hello").await.0, 200);
    let mut without = presigned(&ann, ("PUT", "/bkt/k"), "", &[("x-amz-acl", "public-read")], &["x-amz-acl"]);
    without.headers.remove("x-amz-acl");
    let (status, _, body) = sent(&ann, without, b"hello").await;
    assert!(status == 403 && body.contains("<Code>SignatureDoesNotMatch</Code>"), "{body}");
    let more = presigned(&ann, ("PUT", "/bkt/k"), "", &[("x-amz-acl", "private"), ("x-amz-meta-a", "b")], &[]);
    let (status, _, body) = sent(&ann, more, b"hello").await;
    assert!(status == 403 && body.contains("<Code>AccessDenied</Code>"), "{body}");
    assert!(body.contains("There were headers present in the request which were not signed"), "{body}");
    assert!(body.contains("<HeadersNotSigned>x-amz-acl, x-amz-meta-a</HeadersNotSigned>"), "{body}");
}

#[tokio::test]
async fn who_is_strict_takes_no_url_with_what_means_nothing() {
    let cloud = Cloud::with(services(), |settings| settings.strict = true, false).await;
    let client = cloud.client();
    bucket(&client, "bkt").await;
    let put = presigned(&client, ("PUT", "/bkt/k"), "&x-amz-tagging=a%3Db", &[], &[]);
    let (status, _, body) = sent(&client, put, b"hello").await;
    assert!(status == 501 && body.contains("x-amz-tagging in a URL"), "{body}");
    assert_eq!(call(&client, "HeadObject", json!({"Bucket": "bkt", "Key": "k"})).await.status, 404);
}

#[tokio::test]
async fn the_head_of_a_subresource_is_not_that_of_its_resource() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "bkt").await;
    put(&client, "bkt", "k", b"x").await;
    for (target, status, allow) in [
        ("/bkt", 200, None),
        ("/bkt?location", 405, Some("GET")),
        ("/bkt?uploads", 405, Some("POST, GET")),
        ("/bkt?versioning=1", 405, Some("GET, PUT")),
        ("/bkt?tagging&x-id=HeadBucket", 405, Some("DELETE, GET, PUT")),
        ("/bkt?Versioning", 200, None),
        ("/bkt?acl&versioning", 400, None),
        // Before the bucket and the key are looked for.
        ("/nowhere?location", 405, Some("GET")),
        ("/bkt/nothing?acl", 405, Some("GET, PUT")),
        ("/bkt/k", 200, None),
        ("/bkt/k?partNumber=1", 206, None),
        ("/bkt/k?uploadId=abc", 405, Some("DELETE, POST, GET")),
        ("/bkt/k?uploadId=abc&partNumber=1", 405, Some("PUT")),
        ("/bkt/k?partNumber=1&tagging", 400, None),
        // A subresource of the bucket is one at a key as well, or is none there.
        ("/bkt/k?encryption", 405, Some("PUT")),
        ("/bkt/k?policy", 405, Some("DELETE, GET, PUT")),
        ("/bkt/k?policyStatus", 200, None),
        ("/bkt/k?object-lock", 200, None),
    ] {
        let said = say(&cloud, &request("HEAD", target, &[], b"")).await;
        assert_eq!(said.status, status, "{target}: {}", said.text);
        let header = said.text.lines().find_map(|line| line.strip_prefix("allow: "));
        assert_eq!(header, allow, "{target}: {}", said.text);
        assert!(said.text.ends_with("\r\n\r\n"), "{target} has a body: {}", said.text);
    }
}

#[tokio::test]
async fn a_subresource_that_is_not_the_operations_is_refused() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "bkt").await;
    put(&client, "bkt", "k", b"x").await;
    let conflict = say(&cloud, &request("GET", "/bkt?versioning&acl", &[], b"")).await;
    assert_eq!((conflict.status, conflict.code.as_str()), (400, "InvalidArgument"), "{}", conflict.text);
    assert!(
        conflict.text.contains("Conflicting query string parameters: acl, versioning</Message>"),
        "{}",
        conflict.text
    );
    assert!(conflict.text.contains("<ArgumentName>ResourceType</ArgumentName><ArgumentValue>acl</ArgumentValue>"));
    for (method, target, status, code) in [
        ("GET", "/bkt?delete", 405, "MethodNotAllowed"),
        ("GET", "/bkt?uploadId=x", 400, "InvalidRequest"),
        ("DELETE", "/bkt?acl", 405, "MethodNotAllowed"),
        ("DELETE", "/bkt/k?retention", 405, "MethodNotAllowed"),
        ("GET", "/bkt/k?restore", 405, "MethodNotAllowed"),
        // AWS answers these as the bucket's.
        ("DELETE", "/bkt/k?policy", 501, "NotImplemented"),
        ("GET", "/bkt/k?location", 501, "NotImplemented"),
    ] {
        let said = say(&cloud, &request(method, target, &[], b"")).await;
        assert_eq!((said.status, said.code.as_str()), (status, code), "{method} {target}: {}", said.text);
    }
    assert_eq!(get(&client, json!({"Bucket": "bkt", "Key": "k"})).await.1, b"x", "nothing of it was the object's");
}
