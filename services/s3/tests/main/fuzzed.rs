//! What S3 parses itself, fed with what chance makes of it: configurations, forms and their policies, headers. Whatever
//! comes, there is an answer, it is no failure of ours, and what was taken can be read again.

use undercast_kernel::Random;
use undercast_wire::text::base64;

use super::hostile::{prepared, request, say};
use super::*;

/// Words that reach far.
const WORDS: [&str; 22] = [
    "<Rule>",
    "</Rule>",
    "<Days>",
    "-1",
    "99999999999999999999",
    "0",
    "<![CDATA[",
    "]]>",
    "<!--",
    "&amp;",
    "&#0;",
    "%00",
    "%ff",
    "\r\n",
    "\0",
    "é",
    "\u{fffd}",
    "=",
    "&",
    "\"",
    "*",
    "true",
];

/// Bytes that are nearly right: some are changed, cut out, doubled, or make room for a word.
fn changed(random: &Random, of: &[u8]) -> Vec<u8> {
    let at = |length: usize| usize::try_from(random.below(length as u64 + 1)).unwrap();
    let mut out = of.to_vec();
    for _ in 0..=random.below(2) {
        let (from, to) = (at(out.len()), at(out.len()));
        let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 40));
        let piece = out[from..to].to_vec();
        match random.below(5) {
            0 if from < out.len() => out[from] ^= 1 << random.below(8),
            1 => drop(out.drain(from..to)),
            2 => drop(out.splice(from..from, piece)),
            3 => out.truncate(to.max(1)),
            _ => {
                let word = WORDS[at(WORDS.len() - 1)];
                drop(out.splice(from..to, word.bytes()));
            }
        }
    }
    out
}

/// The configurations that have a parser of their own: how they are asked for, and one that is right.
const CONFIGURATIONS: [(&str, &str); 10] = [
    (
        "lifecycle",
        "<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><And><Prefix>x</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Expiration><Days>5</Days></Expiration><Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition><NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>",
    ),
    (
        "cors",
        "<CORSConfiguration><CORSRule><ID>a</ID><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>x-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>5</MaxAgeSeconds></CORSRule></CORSConfiguration>",
    ),
    (
        "website",
        "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>e</Key></ErrorDocument><RoutingRules><RoutingRule><Condition><KeyPrefixEquals>a/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>b/</ReplaceKeyPrefixWith><HttpRedirectCode>302</HttpRedirectCode></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>",
    ),
    (
        "tagging",
        "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b</Key><Value>2</Value></Tag></TagSet></Tagging>",
    ),
    (
        "encryption",
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>",
    ),
    (
        "notification",
        "<NotificationConfiguration><QueueConfiguration><Id>q</Id><Queue>arn:aws:sqs:us-east-1:000000000000:q</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>a</Value></FilterRule></S3Key></Filter></QueueConfiguration></NotificationConfiguration>",
    ),
    (
        "publicAccessBlock",
        "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
    ),
    (
        "ownershipControls",
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>",
    ),
    ("requestPayment", "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>"),
    (
        "acl",
        "<AccessControlPolicy><Owner><ID>x</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>",
    ),
];

fn is_answer(status: u16) -> bool {
    (200..500).contains(&status) || status == 501
}

#[tokio::test]
async fn configurations_that_chance_makes() {
    let (cloud, ..) = prepared().await;
    let random = Random::seeded(3);
    let mut taken = 0;
    for (name, whole) in CONFIGURATIONS {
        let target = format!("/bkt?{name}");
        for round in 0..60 {
            let body = if round == 0 { whole.as_bytes().to_vec() } else { changed(&random, whole.as_bytes()) };
            let md5 = base64(&<md5::Md5 as md5::Digest>::digest(&body));
            let put = say(&cloud, &request("PUT", &target, &[("content-md5", &md5)], &body)).await;
            let shown = String::from_utf8_lossy(&body);
            assert!(is_answer(put.status), "{name} {shown}: {}", put.text);
            if put.status < 300 {
                taken += 1;
                let get = say(&cloud, &request("GET", &target, &[], b"")).await;
                assert!(get.status == 200 || get.status == 404, "{name} {shown}: {}", get.text);
            }
        }
    }
    assert!(taken > 8, "only {taken} were taken: nothing goes deep");
    // With all of them, the bucket still works.
    let put = say(&cloud, &request("PUT", "/bkt/k", &[], b"x")).await;
    assert_eq!(put.status, 200, "{}", put.text);
    cloud.kernel.advance(Duration::from_secs(10 * 24 * 60 * 60)).await.unwrap();
    assert!(is_answer(say(&cloud, &request("GET", "/bkt?versions", &[], b"")).await.status));
}

#[tokio::test]
async fn forms_that_chance_makes() {
    let (cloud, client, _) = prepared().await;
    let random = Random::seeded(4);
    let policy = base64(br#"{"expiration": "2099-01-01T00:00:00Z", "conditions": [{"bucket": "bkt"}, ["starts-with", "$key", "f/"], ["content-length-range", 0, 100]]}"#);
    let fields = [
        ("key", "f/${filename}"),
        ("policy", policy.as_str()),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", "test/20990101/us-east-1/s3/aws4_request"),
        ("x-amz-date", "20990101T000000Z"),
        ("x-amz-signature", "00"),
        ("tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"),
        ("success_action_status", "201"),
    ];
    let mut whole = String::new();
    for (name, value) in fields {
        whole += &format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    whole.push_str("--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--xx--\r\n");
    let before = call(&client, "ListObjectVersions", json!({"Bucket": "bkt"})).await.ok();
    for _ in 0..300 {
        let body = changed(&random, whole.as_bytes());
        let headers = [
            ("content-type", "multipart/form-data; boundary=xx"),
            ("authorization", "(none)"),
            ("x-amz-content-sha256", "(none)"),
        ];
        let said = say(&cloud, &request("POST", "/bkt", &headers, &body)).await;
        assert!(is_answer(said.status), "{}: {}", String::from_utf8_lossy(&body), said.text);
        if said.status >= 300 {
            assert!(!said.code.is_empty(), "{}", said.text);
        }
    }
    // A form whose policy lets nothing else in makes nothing else.
    let after = call(&client, "ListObjectVersions", json!({"Bucket": "bkt"})).await.ok();
    for version in after["Versions"].as_array().unwrap() {
        let key = version["Key"].as_str().unwrap();
        assert!(key.starts_with("f/") || before["Versions"].as_array().unwrap().contains(version), "{key}");
    }
}

#[tokio::test]
async fn headers_that_chance_makes() {
    let (cloud, ..) = prepared().await;
    let random = Random::seeded(5);
    let headers = [
        ("PUT", "x-amz-tagging", "a=1&b=x%20y&c"),
        (
            "PUT",
            "x-amz-grant-read",
            "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\", id=\"6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c\"",
        ),
        ("PUT", "x-amz-copy-source", "/bkt/k?versionId=null"),
        ("PUT", "x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
        ("PUT", "x-amz-server-side-encryption-context", "eyJhIjoiYiJ9"),
        ("PUT", "x-amz-object-lock-retain-until-date", "2099-01-01T00:00:00Z"),
        ("PUT", "if-match", "\"5d41402abc4b2a76b9719d911017c592\""),
        ("PUT", "content-encoding", "gzip,aws-chunked"),
        ("GET", "range", "bytes=0-3"),
        ("GET", "if-modified-since", "Fri, 01 Jan 2099 00:00:00 GMT"),
        ("GET", "if-none-match", "W/\"a\", *"),
        ("GET", "x-amz-server-side-encryption-customer-key", "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="),
    ];
    for (method, name, whole) in headers {
        for _ in 0..40 {
            // What no header can carry would be refused before it is S3's.
            let value: Vec<u8> =
                changed(&random, whole.as_bytes()).into_iter().filter(|b| *b >= b' ' && *b != 127).collect();
            let value = String::from_utf8_lossy(&value).into_owned();
            let body: &[u8] = if method == "PUT" && name != "x-amz-copy-source" { b"hello" } else { b"" };
            let said = say(&cloud, &request(method, "/bkt/k", &[(name, &value)], body)).await;
            assert!(is_answer(said.status), "{name}: {value}: {}", said.text);
        }
    }
}
