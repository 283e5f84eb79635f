//! What browsers do: pages of other origins, websites, forms.

use hmac::Mac as _;

use super::*;

/// A request without a signature, to a host, with headers.
fn visit(method: &str, host: &str, path: &str, headers: &[(&'static str, &str)]) -> Request {
    let mut request = unsigned(method, path);
    request.headers.insert("host", host.parse().unwrap());
    for (name, value) in headers {
        request.headers.insert(*name, value.parse().unwrap());
    }
    request
}

async fn public(owner: &Client, name: &str) {
    bucket(owner, name).await;
    call(owner, "DeletePublicAccessBlock", json!({"Bucket": name})).await.ok();
    let policy = statement(&json!("*"), &json!("s3:GetObject"), &json!(format!("arn:aws:s3:::{name}/*")));
    call(owner, "PutBucketPolicy", json!({"Bucket": name, "Policy": policy})).await.ok();
}

async fn put_as(owner: &Client, name: &str, key: &str, kind: &str, body: &'static [u8]) {
    let input = json!({"Bucket": name, "Key": key, "ContentType": kind});
    owner.call_with_body("s3", "PutObject", input, Some(Bytes::from_static(body))).await.ok();
}

#[tokio::test]
async fn pages_may_do_what_the_rules_of_the_bucket_say() {
    let cloud = Cloud::start(services()).await;
    let owner = cloud.client();
    public(&owner, "pages").await;
    put(&owner, "pages", "k", b"hello").await;
    let page = "https://app.example.com";
    let ask = |origin: &str, method: &str, wanted: &str| {
        let headers =
            [("origin", origin), ("access-control-request-method", method), ("access-control-request-headers", wanted)];
        visit("OPTIONS", "localhost", "/pages/k", &headers)
    };
    let (status, _, body) = owner.send(ask(page, "GET", "x-a")).await;
    assert_eq!(status, 403);
    assert!(String::from_utf8_lossy(&body).contains("CORS is not enabled for this bucket"));
    let rules = json!([{"AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["GET"], "AllowedHeaders": ["x-*"],
                        "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 300}]);
    call(&owner, "PutBucketCors", json!({"Bucket": "pages", "CORSConfiguration": {"CORSRules": rules}})).await.ok();
    let (status, headers, _) = owner.send(ask(page, "GET", "X-A, x-b")).await;
    assert_eq!((status, headers["access-control-allow-origin"].to_str().unwrap()), (200, page));
    assert_eq!(headers["access-control-allow-headers"], "x-a, x-b");
    assert_eq!(headers["access-control-max-age"], "300");
    for (origin, method, wanted) in [("https://other.test", "GET", "x-a"), (page, "PUT", "x-a"), (page, "GET", "y")] {
        assert_eq!(owner.send(ask(origin, method, wanted)).await.0, 403, "{origin} {method} {wanted}");
    }
    let (status, headers, body) = owner.send(visit("GET", "localhost", "/pages/k", &[("origin", page)])).await;
    assert_eq!((status, &body[..]), (200, &b"hello"[..]));
    assert_eq!(headers["access-control-expose-headers"], "ETag");
    // The bucket's own host is the bucket too.
    let (status, _, _) = owner.send(visit("GET", "pages.s3.localhost", "/k", &[("origin", page)])).await;
    assert_eq!(status, 200);
    // A page that no rule admits is not let in, or cannot read the answer.
    let stranger = visit("GET", "localhost", "/pages/k", &[("origin", "https://other.test")]);
    assert_eq!(owner.send(stranger).await.0, 403);
    let (status, headers, _) =
        owner.send(visit("GET", "localhost", "/pages/k", &[("origin", "http://localhost:3000")])).await;
    assert_eq!((status, headers.contains_key("access-control-allow-origin")), (200, false));
}

#[tokio::test]
async fn a_website_has_pages_and_errors_and_ways_elsewhere() {
    let cloud = Cloud::start(services()).await;
    let owner = cloud.client();
    public(&owner, "site").await;
    let host = "site.s3-website.localhost";
    let fetch = |path: &'static str| {
        let owner = owner.clone();
        async move {
            let (status, headers, body) = owner.send(visit("GET", host, path, &[])).await;
            let location = headers.get("location").map(|l| l.to_str().unwrap().to_owned());
            (status, location.unwrap_or_default(), String::from_utf8_lossy(&body).into_owned())
        }
    };
    let (status, _, body) = fetch("/").await;
    assert_eq!(status, 404);
    assert!(body.contains("<li>Code: NoSuchWebsiteConfiguration</li>"), "{body}");
    let website = json!({"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}, "RoutingRules": [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}},
        {"Condition": {"HttpErrorCodeReturnedEquals": "404", "KeyPrefixEquals": "lost/"},
         "Redirect": {"HostName": "example.com", "Protocol": "https", "HttpRedirectCode": "302", "ReplaceKeyWith": "found"}},
    ]});
    call(&owner, "PutBucketWebsite", json!({"Bucket": "site", "WebsiteConfiguration": website})).await.ok();
    put_as(&owner, "site", "index.html", "text/html", b"<h1>home</h1>").await;
    put_as(&owner, "site", "docs/index.html", "text/html", b"docs").await;
    assert_eq!(fetch("/").await, (200, String::new(), "<h1>home</h1>".to_owned()));
    assert_eq!(fetch("/docs/").await.2, "docs");
    let (status, to, _) = fetch("/docs").await;
    assert_eq!((status, to.as_str()), (302, "/docs/"));
    let (status, to, _) = fetch("/old/a").await;
    assert_eq!((status, to.as_str()), (301, "http://site.s3-website.localhost/new/a"));
    // Who may not list is not told that a key is missing; the site says 403 then, as AWS does.
    let (status, _, body) = fetch("/none").await;
    assert_eq!(status, 403);
    assert!(body.contains("An Error Occurred While Attempting to Retrieve a Custom Error Document"), "{body}");
    put_as(&owner, "site", "error.html", "text/html", b"oh").await;
    assert_eq!(fetch("/none").await, (403, String::new(), "oh".to_owned()));
    let list = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::site/*"},
        {"Effect": "Allow", "Principal": "*", "Action": ["s3:ListBucket"], "Resource": "arn:aws:s3:::site"}]});
    call(&owner, "PutBucketPolicy", json!({"Bucket": "site", "Policy": list.to_string()})).await.ok();
    assert_eq!(fetch("/none").await.0, 404);
    let (status, to, _) = fetch("/lost/a").await;
    assert_eq!((status, to.as_str()), (302, "https://example.com/found"));
    let moved = json!({"Bucket": "site", "Key": "moved", "WebsiteRedirectLocation": "/docs/"});
    call(&owner, "PutObject", moved).await.ok();
    let (status, to, _) = fetch("/moved").await;
    assert_eq!((status, to.as_str()), (301, "/docs/"));
    assert_eq!(owner.send(visit("POST", host, "/", &[])).await.0, 405);
    assert_eq!(owner.send(visit("GET", "nosite.s3-website-us-east-1.localhost", "/", &[])).await.0, 404);
    let all = json!({"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}});
    call(&owner, "PutBucketWebsite", json!({"Bucket": "site", "WebsiteConfiguration": all})).await.ok();
    let (status, to, _) = fetch("/a/b").await;
    assert_eq!((status, to.as_str()), (301, "https://example.com/a/b"));
}

fn form(path: &str, fields: &[(&str, &str)], file: &[u8]) -> Request {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend_from_slice(
            format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes(),
        );
    }
    body.extend_from_slice(
        b"--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n",
    );
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--xyz--\r\n");
    let mut request = visit("POST", "localhost", path, &[("content-type", "multipart/form-data; boundary=xyz")]);
    request.body = Bytes::from(body).into();
    request
}

/// The fields of a form that `credentials` sign, whose policy has these conditions.
fn signed(credentials: &Credentials, conditions: &Json, expiration: &str) -> Vec<(String, String)> {
    let policy = text::base64(json!({"expiration": expiration, "conditions": conditions}).to_string().as_bytes());
    let stamp = "20301001T000000Z";
    let scope = format!("{}/20301001/us-east-1/s3/aws4_request", credentials.key);
    let key = undercast_wire::sigv4::signing_key(&credentials.secret, "20301001", "us-east-1", "s3");
    let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(&key).unwrap();
    mac.update(policy.as_bytes());
    let signature = text::hex_encode(&mac.finalize().into_bytes());
    [
        ("policy", policy.as_str()),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", &scope),
        ("x-amz-date", stamp),
        ("x-amz-signature", &signature),
    ]
    .map(|(n, v)| (n.to_owned(), v.to_owned()))
    .to_vec()
}

#[tokio::test]
async fn a_form_of_a_browser_uploads_what_its_policy_allows() {
    let cloud = Cloud::start(services()).await;
    let root = cloud.client();
    bucket(&root, "forms").await;
    let ann = user(&cloud, "ann").await;
    let may = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject*", "Resource": "arn:aws:s3:::forms/*"}]});
    let input = json!({"UserName": "ann", "PolicyName": "p", "PolicyDocument": may.to_string()});
    root.call("iam", "PutUserPolicy", input).await.ok();
    // The form is signed for a later day, so the cloud goes there.
    let target = "2030-10-01T00:05:00Z".parse::<undercast_kernel::Timestamp>().unwrap().as_second();
    let now = cloud.kernel.clock().now().as_second();
    cloud.kernel.advance(Duration::from_secs(u64::try_from(target - now).unwrap())).await.unwrap();
    let conditions = json!([{"bucket": "forms"}, ["starts-with", "$key", "up/"], ["content-length-range", 1, 10],
        ["starts-with", "$x-amz-meta-a", ""], ["eq", "$success_action_status", "201"], ["starts-with", "$Content-Type", "text/"],
        ["starts-with", "$tagging", ""], ["starts-with", "$x-amz-credential", ""], ["starts-with", "$x-amz-date", ""],
        {"x-amz-algorithm": "AWS4-HMAC-SHA256"}]);
    let own = signed(&ann.credentials, &conditions, "2030-10-02T00:00:00Z");
    let send = |change: &[(&str, &str)], file: &'static [u8], own: Vec<(String, String)>| {
        let mut fields = own;
        for (name, value) in [
            ("key", "up/${filename}"),
            ("x-amz-meta-a", "b"),
            ("Content-Type", "text/plain"),
            ("success_action_status", "201"),
            ("tagging", "<Tagging><TagSet><Tag><Key>t</Key><Value>1</Value></Tag></TagSet></Tagging>"),
        ]
        .iter()
        .copied()
        .chain(change.iter().copied())
        {
            fields.retain(|(n, _)| n != name);
            fields.push((name.to_owned(), value.to_owned()));
        }
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let request = form("/forms", &fields, file);
        let root = root.clone();
        async move {
            let (status, headers, body) = root.send(request).await;
            (status, headers, String::from_utf8_lossy(&body).into_owned())
        }
    };
    let (status, headers, body) = send(&[], b"hello", own.clone()).await;
    assert_eq!(status, 201, "{body}");
    assert!(body.contains("<Key>up/a.txt</Key>") && headers["location"].to_str().unwrap().ends_with("/forms/up/a.txt"));
    let (answer, stored) = get(&root, json!({"Bucket": "forms", "Key": "up/a.txt"})).await;
    assert_eq!(stored, b"hello");
    assert_eq!(answer.headers["x-amz-meta-a"], "b");
    assert_eq!(answer.headers["content-type"], "text/plain");
    let tags = call(&root, "GetObjectTagging", json!({"Bucket": "forms", "Key": "up/a.txt"})).await.ok();
    assert_eq!(tags["TagSet"], json!([{"Key": "t", "Value": "1"}]));
    for (change, file, wanted) in [
        (&[("key", "elsewhere")][..], &b"hello"[..], "Policy Condition failed: [&quot;starts-with&quot;"),
        (&[("acl", "public-read")], b"hello", "Extra input fields: acl"),
        (&[], b"", "EntityTooSmall"),
        (&[], b"hello hello hello", "EntityTooLarge"),
        (&[("x-amz-signature", "00")], b"hello", "SignatureDoesNotMatch"),
        (&[("x-amz-credential", "x")], b"hello", "AuthorizationQueryParametersError"),
        (&[("x-amz-algorithm", "x")], b"hello", "X-Amz-Algorithm only supports"),
        (&[("key", "")], b"hello", "greater than 0"),
    ] {
        let (status, _, body) = send(change, file, own.clone()).await;
        assert!(status >= 400 && body.contains(wanted), "{change:?}: {status} {body}");
    }
    let late = signed(&ann.credentials, &conditions, "2030-10-01T00:00:00Z");
    assert!(send(&[], b"hello", late).await.2.contains("Policy expired"));
    // A form without a policy is anybody's, and the bucket is not.
    let (status, _, body) = root.send(form("/forms", &[("key", "k")], b"x")).await;
    assert_eq!(status, 403, "{}", String::from_utf8_lossy(&body));
    assert_eq!(root.send(unsigned("POST", "/forms")).await.0, 405);
}

#[tokio::test]
async fn the_accelerated_endpoint_is_for_buckets_that_are() {
    let cloud = Cloud::start(services()).await;
    let owner = cloud.client();
    public(&owner, "quick").await;
    put(&owner, "quick", "k", b"x").await;
    let fetch = || owner.send(visit("GET", "quick.s3-accelerate.localhost", "/k", &[]));
    let (status, _, body) = fetch().await;
    assert_eq!(status, 400);
    assert!(String::from_utf8_lossy(&body).contains("S3 Transfer Acceleration is not configured on this bucket"));
    let on = json!({"Bucket": "quick", "AccelerateConfiguration": {"Status": "Enabled"}});
    call(&owner, "PutBucketAccelerateConfiguration", on).await.ok();
    assert_eq!(fetch().await.0, 200);
}
