//! What clients rely on that write and read XML by themselves, without a model.

use undercast_testkit::Cloud;

use crate::hostile::{request, say};
use crate::{bucket, put, services};

#[tokio::test]
async fn answers_have_the_root_elements_of_aws() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "bkt").await;
    put(&client, "bkt", "k", b"x").await;
    // Also where nothing is in them.
    for (target, root) in [
        ("/bkt?versioning", "VersioningConfiguration"),
        ("/bkt?accelerate", "AccelerateConfiguration"),
        ("/bkt?logging", "BucketLoggingStatus"),
        ("/bkt?notification", "NotificationConfiguration"),
        ("/bkt?requestPayment", "RequestPaymentConfiguration"),
        ("/bkt?acl", "AccessControlPolicy"),
        ("/bkt?encryption", "ServerSideEncryptionConfiguration"),
        ("/bkt?ownershipControls", "OwnershipControls"),
        ("/bkt?inventory", "ListInventoryConfigurationsResult"),
        ("/bkt?uploads", "ListMultipartUploadsResult"),
        ("/bkt?versions", "ListVersionsResult"),
        ("/bkt/k?tagging", "Tagging"),
    ] {
        let said = say(&cloud, &request("GET", target, &[], b"")).await;
        let start = format!("<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        assert!(said.status == 200 && said.text.contains(&start), "{target}: {}", said.text);
    }
}

#[tokio::test]
async fn configurations_come_back_under_the_name_they_were_put_by() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let locked = [("x-amz-bucket-object-lock-enabled", "true")];
    assert_eq!(say(&cloud, &request("PUT", "/bkt", &locked, b"")).await.status, 200);
    put(&client, "bkt", "k", b"x").await;
    for (target, body) in [
        (
            "/bkt?lifecycle",
            "<LifecycleConfiguration><Rule><Filter><Prefix>a</Prefix></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>",
        ),
        (
            "/bkt?cors",
            "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>",
        ),
        (
            "/bkt?website",
            "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>",
        ),
        ("/bkt?abac", "<AbacStatus><Status>Disabled</Status></AbacStatus>"),
        ("/bkt/k?legal-hold", "<LegalHold><Status>ON</Status></LegalHold>"),
        (
            "/bkt/k?retention",
            "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>",
        ),
    ] {
        let sum = content_md5(body);
        let said = say(&cloud, &request("PUT", target, &[("content-md5", &sum)], body.as_bytes())).await;
        assert_eq!(said.status, 200, "{target}: {}", said.text);
        let said = say(&cloud, &request("GET", target, &[], b"")).await;
        let root = body[1..].split('>').next().unwrap();
        assert!(said.status == 200 && said.text.contains(&format!("<{root} xmlns=")), "{target}: {}", said.text);
    }
}

fn content_md5(body: &str) -> String {
    use md5::Digest as _;
    undercast_wire::text::base64(&md5::Md5::digest(body.as_bytes()))
}

#[tokio::test]
async fn some_configurations_need_no_checksum() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "bkt").await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/*"}]}"#;
    let allowed = [
        ("/bkt?policy", policy),
        ("/bkt?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        (
            "/bkt?website",
            "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>",
        ),
        ("/bkt?requestPayment", "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>"),
        ("/bkt?logging", "<BucketLoggingStatus/>"),
        ("/bkt?notification", "<NotificationConfiguration/>"),
    ];
    for (target, body) in allowed {
        let said = say(&cloud, &request("PUT", target, &[], body.as_bytes())).await;
        assert!(matches!(said.status, 200 | 204), "{target}: {}", said.text);
        // What is said all the same must be right.
        let wrong = [("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")];
        let said = say(&cloud, &request("PUT", target, &wrong, body.as_bytes())).await;
        assert_eq!((said.status, said.code.as_str()), (400, "BadDigest"), "{target}");
    }
    // An ACL is refused for what the bucket says of ACLs, not for its checksum.
    let said = say(&cloud, &request("PUT", "/bkt?acl", &[], b"<AccessControlPolicy/>")).await;
    assert_ne!(said.code, "InvalidRequest", "{}", said.text);
    for (target, body) in [
        ("/bkt?tagging", "<Tagging><TagSet/></Tagging>"),
        ("/bkt?cors", "<CORSConfiguration/>"),
        ("/bkt?lifecycle", "<LifecycleConfiguration/>"),
        ("/bkt?delete", "<Delete><Object><Key>k</Key></Object></Delete>"),
    ] {
        let method = if target.ends_with("delete") { "POST" } else { "PUT" };
        let said = say(&cloud, &request(method, target, &[], body.as_bytes())).await;
        assert_eq!((said.status, said.code.as_str()), (400, "InvalidRequest"), "{target}: {}", said.text);
    }
}

#[tokio::test]
async fn a_region_that_is_none_is_said_to_be_wrong() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "bkt").await;
    let signed =
        "AWS4-HMAC-SHA256 Credential=test/20260101/US/s3/aws4_request, SignedHeaders=host, Signature=00".to_owned();
    for (method, target) in [("PUT", "/new"), ("GET", "/"), ("GET", "/bkt")] {
        let asked = String::from_utf8(request(method, target, &[], b"")).unwrap();
        let asked = asked.replace("us-east-1/s3", "US/s3");
        assert!(asked.contains(&signed), "{asked}");
        let said = say(&cloud, asked.as_bytes()).await;
        assert_eq!((said.status, said.code.as_str()), (400, "AuthorizationHeaderMalformed"), "{target}: {}", said.text);
        let told = "the region 'US' is wrong; expecting 'us-east-1'</Message><Region>us-east-1</Region>";
        assert!(said.text.contains(told), "{target}: {}", said.text);
    }
}
