//! Requests that no client would make: each header and limit broken, alone and in pairs. Nothing of them is stored, and
//! each has S3's own answer.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use undercast_wire::schema::Structure;
use undercast_wire::xml_read;

use super::*;

/// What came back.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) code: String,
    message: String,
    pub(crate) text: String,
}

fn between<'a>(text: &'a str, tag: &str) -> &'a str {
    let inside = text.split_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")));
    inside.map_or("", |(inside, _)| inside)
}

/// A request as bytes: signed as somebody does whose key was not issued here.
pub(crate) fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let signature =
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00";
    let length = body.len().to_string();
    let mut all = vec![("host", "localhost"), ("x-amz-date", "20260101T000000Z"), ("authorization", signature)];
    for (name, value) in [("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("content-length", &length)] {
        if !headers.iter().any(|(n, _)| *n == name) {
            all.push((name, value));
        }
    }
    let mut out = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n").into_bytes();
    for (name, value) in all.iter().chain(headers).filter(|(_, value)| *value != "(none)") {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out
}

/// Sends bytes as they are.
pub(crate) async fn say(cloud: &Cloud, bytes: &[u8]) -> Said {
    tell(cloud, bytes, false).await
}

/// Sends bytes as they are, and maybe says that there will be no more.
async fn tell(cloud: &Cloud, bytes: &[u8], ends: bool) -> Said {
    let mut stream = tokio::net::TcpStream::connect(cloud.address).await.unwrap();
    // It may hang up while it is being told.
    let _ = stream.write_all(bytes).await;
    if ends {
        let _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    let _ = read.expect("an answer, and no waiting for more");
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.get(9..12).and_then(|s| s.parse().ok()).unwrap_or(0);
    let (code, message) = (between(&text, "Code").to_owned(), between(&text, "Message").to_owned());
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    if body.starts_with("<?xml") {
        let read = xml_read::structure(body.as_bytes(), &Structure::EMPTY, &mut Vec::new());
        assert!(read.is_ok(), "not XML: {text}");
    }
    Said { status, code, message, text }
}

/// A request, and how it must be refused: by one of these codes.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8], &'a [&'a str]);

async fn refused(cloud: &Cloud, (method, target, headers, body, codes): Case<'_>) {
    let said = say(cloud, &request(method, target, headers, body)).await;
    let what = format!("{method} {} {headers:.300?}", target.chars().take(200).collect::<String>());
    assert!((400..=501).contains(&said.status) && said.status != 500, "{what}: {}", said.text);
    assert!(codes.contains(&said.code.as_str()), "{what}: {codes:?} expected, found {}", said.text);
}

/// What is in the bucket, down to the parts.
async fn contents(client: &Client, upload: &str) -> String {
    let versions = call(client, "ListObjectVersions", json!({"Bucket": "bkt"})).await.ok();
    let uploads = call(client, "ListMultipartUploads", json!({"Bucket": "bkt"})).await.ok();
    let parts = call(client, "ListParts", json!({"Bucket": "bkt", "Key": "up", "UploadId": upload})).await.ok();
    format!("{versions} {uploads} {parts}")
}

/// A bucket with an object `k` and an upload of `up` that has one part.
pub(crate) async fn prepared() -> (Cloud, Client, String) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "bkt").await;
    let rules = json!({"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
                                  "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}]});
    let input = json!({"Bucket": "bkt", "ServerSideEncryptionConfiguration": rules});
    call(&client, "PutBucketEncryption", input).await.ok();
    put(&client, "bkt", "k", b"hello").await;
    let begun = call(&client, "CreateMultipartUpload", json!({"Bucket": "bkt", "Key": "up"})).await.ok();
    let id = begun["UploadId"].as_str().unwrap().to_owned();
    let input = json!({"Bucket": "bkt", "Key": "up", "UploadId": id, "PartNumber": 1});
    client.call_with_body("s3", "UploadPart", input, Some(Bytes::from_static(b"part"))).await.ok();
    (cloud, client, id)
}

const MD5: &str = "XUFAKrxLKna5cZ2REBfFkg==";
const OTHER_MD5: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";
const HOLD: (&str, &str) = ("x-amz-object-lock-legal-hold", "ON");

/// A header that breaks a rule, and the codes with which S3 says so.
type Broken = ((&'static str, &'static str), &'static [&'static str]);

/// Of calls that bring bytes: `hello`.
const BODIES: &[Broken] = &[
    (("content-md5", "x"), &["InvalidDigest"]),
    (("content-md5", OTHER_MD5), &["BadDigest"]),
    (("x-amz-checksum-crc32", "AAAAAA=="), &["BadDigest"]),
    (("x-amz-checksum-crc32", "x"), &["InvalidRequest"]),
    (("x-amz-checksum-sha256", "AAAA"), &["InvalidRequest"]),
    (("x-amz-checksum-crc64nvme", ""), &["InvalidRequest"]),
    (("x-amz-sdk-checksum-algorithm", "CRC9"), &["InvalidRequest"]),
    (("x-amz-sdk-checksum-algorithm", "SHA256"), &["InvalidRequest"]),
    (("x-amz-content-sha256", "abc"), &["InvalidArgument"]),
    (("x-amz-content-sha256", "(none)"), &["InvalidRequest"]),
    (
        ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        &["XAmzContentSHA256Mismatch"],
    ),
];

/// Of calls that make an object.
const MAKERS: &[Broken] = &[
    (("x-amz-storage-class", "COLD"), &["InvalidStorageClass"]),
    (("x-amz-tagging", "a=1&a=2"), &["InvalidArgument"]),
    (("x-amz-tagging", "a=%zz"), &["InvalidArgument"]),
    (("x-amz-tagging", "aws:a=1"), &["InvalidTag"]),
    (("x-amz-tagging", "a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1"), &["BadRequest"]),
    (("x-amz-acl", "everyone"), &["InvalidArgument"]),
    (("x-amz-acl", "public-read"), &["AccessControlListNotSupported"]),
    (("x-amz-grant-read", "nobody"), &["InvalidArgument", "AccessControlListNotSupported"]),
    (("x-amz-object-lock-mode", "FOREVER"), &["InvalidArgument", "InvalidRequest"]),
    (("x-amz-object-lock-mode", "GOVERNANCE"), &["InvalidArgument", "InvalidRequest"]),
    (("x-amz-object-lock-retain-until-date", "tomorrow"), &["InvalidArgument"]),
    (HOLD, &["InvalidRequest"]),
    (("x-amz-server-side-encryption", "ROT13"), &["InvalidArgument"]),
    (("x-amz-server-side-encryption-aws-kms-key-id", "k"), &["InvalidArgument"]),
    (("x-amz-server-side-encryption-customer-algorithm", "AES256"), &["InvalidArgument"]),
    (
        ("x-amz-server-side-encryption-customer-algorithm", "DES"),
        &["InvalidEncryptionAlgorithmError", "InvalidArgument"],
    ),
    (("x-amz-server-side-encryption-customer-key", "x"), &["InvalidArgument"]),
    (("x-amz-server-side-encryption-bucket-key-enabled", "maybe"), &["InvalidArgument"]),
    (("x-amz-website-redirect-location", "elsewhere"), &["InvalidRedirectLocation"]),
];

/// Of all calls.
const ALL: &[Broken] = &[
    (("x-amz-expected-bucket-owner", "me"), &["InvalidBucketOwnerAWSAccountID"]),
    (("x-amz-expected-bucket-owner", "111111111111"), &["AccessDenied"]),
];

const WRITERS: &[Broken] = &[
    (("if-none-match", "\"x\""), &["NotImplemented"]),
    (("if-match", "*"), &["NotImplemented"]),
    (("if-match", "\"x\""), &["PreconditionFailed", "NoSuchKey"]),
];

/// Each of the headers alone, and each with each other one.
async fn broken(cloud: &Cloud, method: &str, target: &str, base: &[(&str, &str)], body: &[u8], all: &[&[Broken]]) {
    let all: Vec<Broken> = all.iter().flat_map(|some| some.iter().copied()).collect();
    for (at, (header, codes)) in all.iter().enumerate() {
        let headers = [base, &[*header]].concat();
        refused(cloud, (method, target, &headers, body, codes)).await;
        for (other, more) in &all[at + 1..] {
            let headers = [base, &[*header, *other]].concat();
            // Two checksums, two keys of encryption and the like have refusals of their own.
            let codes = [codes, *more, &["InvalidRequest", "InvalidArgument"]].concat();
            if header.0 != other.0 {
                refused(cloud, (method, target, &headers, body, &codes)).await;
            }
        }
    }
}

#[tokio::test]
async fn broken_headers_store_nothing() {
    let (cloud, client, id) = prepared().await;
    let before = contents(&client, &id).await;
    let large = "x".repeat(2049);
    refused(&cloud, ("PUT", "/bkt/k", &[("x-amz-meta-a", &large)], b"hello", &["MetadataTooLarge"])).await;
    let both: [(&str, &str); 2] = [("x-amz-checksum-crc32", "NhCmhg=="), ("x-amz-checksum-crc32c", "mnG7TA==")];
    refused(&cloud, ("PUT", "/bkt/k", &both, b"hello", &["InvalidRequest"])).await;
    let good: [(&str, &str); 2] = [("x-amz-checksum-crc32", "NhCmhg=="), ("content-md5", OTHER_MD5)];
    refused(&cloud, ("PUT", "/bkt/k", &good, b"hello", &["BadDigest"])).await;
    broken(&cloud, "PUT", "/bkt/k", &[], b"hello", &[BODIES, MAKERS, ALL, WRITERS]).await;
    broken(&cloud, "POST", "/bkt/other?uploads", &[], b"", &[MAKERS, ALL]).await;
    let source = [("x-amz-copy-source", "bkt/k")];
    let copies: &[Broken] = &[
        (("x-amz-metadata-directive", "MOVE"), &["InvalidArgument"]),
        (("x-amz-tagging-directive", "MOVE"), &["InvalidArgument"]),
        (("x-amz-checksum-algorithm", "CRC9"), &["InvalidRequest"]),
        (("x-amz-copy-source-if-match", "\"x\""), &["PreconditionFailed"]),
        (("x-amz-copy-source-if-none-match", "*"), &["PreconditionFailed"]),
        (("x-amz-copy-source-if-modified-since", "yesterday"), &["InvalidArgument"]),
        (
            ("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256"),
            &["InvalidArgument", "InvalidRequest"],
        ),
        (("x-amz-source-expected-bucket-owner", "111111111111"), &["AccessDenied"]),
    ];
    let tagged: Vec<Broken> = MAKERS.iter().filter(|((name, _), _)| *name != "x-amz-tagging").copied().collect();
    broken(&cloud, "PUT", "/bkt/copy", &source, b"", &[&tagged, ALL, WRITERS, copies]).await;
    let part = format!("/bkt/up?partNumber=2&uploadId={id}");
    let sealed: Vec<Broken> = MAKERS
        .iter()
        .filter(|((name, _), _)| name.contains("customer"))
        .map(|(header, _)| (*header, &["InvalidArgument", "InvalidRequest"][..]))
        .collect();
    broken(&cloud, "PUT", &part, &[], b"hello", &[BODIES, ALL, &sealed]).await;
    assert_eq!(contents(&client, &id).await, before);
    // What was refused is taken once nothing is wrong with it.
    let fine = [("content-md5", MD5), ("x-amz-checksum-crc32", "NhCmhg=="), ("x-amz-tagging", "a=1")];
    assert_eq!(say(&cloud, &request("PUT", "/bkt/k", &fine, b"hello")).await.status, 200);
}

#[tokio::test]
async fn broken_parameters_are_told_by_name() {
    let (cloud, client, id) = prepared().await;
    let before = contents(&client, &id).await;
    let part = |n: &str| format!("/bkt/up?partNumber={n}&uploadId={id}");
    for (target, message) in [
        (part("0"), "Part number must be an integer between 1 and 10000, inclusive"),
        (part("10001"), "Part number must be an integer between 1 and 10000, inclusive"),
        (part("-1"), "Part number must be an integer between 1 and 10000, inclusive"),
        (part("x"), "Part number must be an integer between 1 and 10000, inclusive"),
        (part("99999999999999999999"), "Part number must be an integer between 1 and 10000, inclusive"),
    ] {
        let said = say(&cloud, &request("PUT", &target, &[], b"hello")).await;
        assert_eq!(
            (said.status, said.code.as_str(), said.message.as_str()),
            (400, "InvalidArgument", message),
            "{target}"
        );
        assert_eq!(between(&said.text, "ArgumentName"), "partNumber");
    }
    for (target, name, value, message) in [
        ("/bkt?max-keys=x", "max-keys", "x", "Provided max-keys not an integer or within integer range"),
        (
            "/bkt?max-keys=2147483648",
            "max-keys",
            "2147483648",
            "Provided max-keys not an integer or within integer range",
        ),
        (
            "/bkt?list-type=2&max-keys=-1",
            "maxKeys",
            "-1",
            "Argument maxKeys must be an integer between 0 and 2147483647",
        ),
        (
            "/bkt?uploads&max-uploads=x",
            "max-uploads",
            "x",
            "Provided max-uploads not an integer or within integer range",
        ),
        (
            "/bkt?uploads&max-uploads=-1",
            "max-uploads",
            "-1",
            "Argument max-uploads must be an integer between 0 and 2147483647",
        ),
        ("/bkt?versions&key-marker=k&version-id-marker=x", "version-id-marker", "x", "Invalid version id specified"),
        ("/bkt?versions&max-keys=-1", "max-keys", "-1", "max-keys cannot be negative"),
        ("/bkt?encoding-type=x", "encoding-type", "x", "Invalid Encoding Method specified in Request"),
        (
            "/bkt?list-type=2&continuation-token=x",
            "continuation-token",
            "x",
            "The continuation token provided is incorrect",
        ),
        (
            "/bkt?versions&version-id-marker=x",
            "version-id-marker",
            "x",
            "A version-id marker cannot be specified without a key marker.",
        ),
        ("/bkt/k?versionId=x", "versionId", "x", "Invalid version id specified"),
        ("/bkt/k?partNumber=0", "partNumber", "0", "Part number must be an integer between 1 and 10000, inclusive"),
        ("/bkt/k?response-expires=x", "response-expires", "x", "Invalid argument"),
    ] {
        let said = say(&cloud, &request("GET", target, &[], b"")).await;
        assert_eq!(
            (said.status, said.code.as_str(), said.message.as_str()),
            (400, "InvalidArgument", message),
            "{target}"
        );
        assert_eq!(
            (between(&said.text, "ArgumentName"), between(&said.text, "ArgumentValue")),
            (name, value),
            "{target}"
        );
    }
    for (method, target, codes) in [
        ("PUT", "/bkt/up?partNumber=1&uploadId=x", ["NoSuchUpload"]),
        ("POST", "/bkt/k?uploadId=x", ["InvalidRequest"]),
        ("DELETE", "/bkt/k?uploadId=x", ["NoSuchUpload"]),
        ("DELETE", "/bkt/k?versionId=x", ["InvalidArgument"]),
        ("GET", "/bkt/k?uploadId=x", ["NoSuchUpload"]),
        ("GET", "/b", ["InvalidBucketName"]),
        ("PUT", "/B_K_T", ["InvalidBucketName"]),
        ("PUT", "/bkt/%ff", ["InvalidURI"]),
        ("PUT", "/bkt/%zz", ["InvalidURI"]),
        ("PUT", "/bkt/%", ["InvalidURI"]),
        ("GET", "/bkt/%ff", ["InvalidURI"]),
        ("DELETE", "/bkt/a%c3", ["InvalidURI"]),
        ("PUT", "/%ff", ["InvalidURI"]),
        ("GET", "/bkt?prefix=%ff", ["InvalidURI"]),
        ("PUT", "/bkt/k?tagging=%ff", ["InvalidURI"]),
    ] {
        refused(&cloud, (method, target, &[], b"", &codes)).await;
    }
    assert_eq!(contents(&client, &id).await, before);
}

#[tokio::test]
async fn strange_keys_are_kept_as_they_are_and_long_ones_are_not() {
    let (cloud, client, _) = prepared().await;
    let long = format!("/bkt/{}", "k".repeat(1025));
    for (method, target, headers) in [
        ("PUT", long.clone(), None),
        ("PUT", long.clone(), Some(("x-amz-copy-source", "bkt/k"))),
        ("POST", format!("{long}?uploads"), None),
    ] {
        let headers: Vec<_> = headers.into_iter().collect();
        refused(&cloud, (method, &target, &headers, b"", &["KeyTooLongError"])).await;
    }
    let keys = [
        "../x",
        "a/../../b",
        "/",
        "//",
        "a//b",
        ".",
        "..",
        "nul\0",
        "\u{1}\u{7f}",
        "a\tb\nc",
        "\u{fffe}",
        "+ %",
        "&<>\"'",
    ];
    let longest = "é".repeat(512);
    for key in keys.into_iter().chain([longest.as_str()]) {
        let mut path = String::new();
        undercast_wire::text::percent_encode(key, true, &mut path);
        let target = format!("/bkt/{path}");
        let said = say(&cloud, &request("PUT", &target, &[], key.as_bytes())).await;
        assert_eq!(said.status, 200, "{key:?}: {}", said.text);
        assert!(say(&cloud, &request("GET", &target, &[], b"")).await.text.ends_with(key), "{key:?}");
        // Its name is in the list, whatever XML can carry.
        let list = say(
            &cloud,
            &request("GET", &format!("/bkt?encoding-type=url&prefix={}", path.replace('/', "%2F")), &[], b""),
        )
        .await;
        let shown = path.replace("%20", "+");
        assert!(list.text.contains(&format!("<Key>{shown}</Key>")), "{key:?}: {}", list.text);
    }
    let listed = call(&client, "ListObjectsV2", json!({"Bucket": "bkt", "EncodingType": "url"})).await.ok();
    assert_eq!(listed["KeyCount"], keys.len() + 2);
    // Without an encoding the answer is XML all the same.
    assert_eq!(say(&cloud, &request("GET", "/bkt", &[], b"")).await.status, 200);
    assert_eq!(say(&cloud, &request("GET", "/bkt?versions", &[], b"")).await.status, 200);
}

#[tokio::test]
async fn bodies_that_end_too_soon_store_nothing() {
    let (cloud, client, id) = prepared().await;
    let before = contents(&client, &id).await;
    let part = format!("/bkt/up?partNumber=1&uploadId={id}");
    let chunked = [("content-encoding", "aws-chunked"), ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")];
    for target in ["/bkt/k", "/bkt/new", &part] {
        let said = tell(&cloud, &request("PUT", target, &[("content-length", "100")], b"hello"), true).await;
        assert!(said.status == 400 || said.status == 0, "{}", said.text);
        for body in [
            &b"5\r\nhel"[..],
            b"5\r\nhello\r\n",
            b"x\r\nhello\r\n0\r\n\r\n",
            b"ffffffffffffffff\r\nhello\r\n",
            b"-5\r\nhello",
            // A checksum that was announced and does not come, or another one than that.
            b"5\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:mnG7TA==\r\n\r\n",
            b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-checksum-crc32c:mnG7TA==\r\n\r\n",
        ] {
            let headers =
                [&chunked[..], &[("x-amz-decoded-content-length", "5"), ("x-amz-trailer", "x-amz-checksum-crc32")]]
                    .concat();
            let said = say(&cloud, &request("PUT", target, &headers, body)).await;
            assert!(said.status == 400 && !said.code.is_empty(), "{:?}: {}", String::from_utf8_lossy(body), said.text);
        }
        for length in ["-1", "x", "1e3", "99999999999999999999999"] {
            let said = say(&cloud, &request("PUT", target, &[("content-length", length)], b"hello")).await;
            assert!(said.status == 400 || said.status == 0, "{length}: {}", said.text);
        }
        let said = say(&cloud, &request("PUT", target, &[("content-length", "5368709121")], b"hello")).await;
        assert_eq!((said.status, said.code.as_str()), (400, "EntityTooLarge"), "{}", said.text);
    }
    assert_eq!(contents(&client, &id).await, before);
}

#[tokio::test]
async fn completions_that_are_not_are_refused() {
    let (cloud, client, id) = prepared().await;
    let before = contents(&client, &id).await;
    let target = format!("/bkt/up?uploadId={id}");
    let listed = call(&client, "ListParts", json!({"Bucket": "bkt", "Key": "up", "UploadId": id})).await.ok();
    let etag = listed["Parts"][0]["ETag"].as_str().unwrap().trim_matches('"').to_owned();
    let xml = |inside: &str| format!("<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>");
    let part = |number: &str, etag: &str| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    let many: String = (1..=10_001).map(|n| part(&n.to_string(), "x")).collect();
    for (body, codes) in [
        (String::new(), &["InvalidRequest", "MissingRequestBodyError"][..]),
        ("hello".to_owned(), &["MalformedXML"]),
        ("<a><b></a>".to_owned(), &["MalformedXML"]),
        (format!("<!DOCTYPE x [<!ENTITY e \"x\">]>{}", xml("&e;")), &["MalformedXML"]),
        (xml(""), &["MalformedXML", "InvalidRequest"]),
        (xml(&part("1", "wrong")), &["InvalidPart"]),
        (xml(&part("2", &etag)), &["InvalidPart"]),
        (xml(&part("0", &etag)), &["InvalidPart", "InvalidArgument"]),
        (xml(&part("-1", &etag)), &["InvalidPart", "InvalidArgument"]),
        (xml(&part("x", &etag)), &["MalformedXML"]),
        (xml(&part("99999999999", &etag)), &["MalformedXML"]),
        (xml(&format!("{}{}", part("1", &etag), part("1", &etag))), &["InvalidPartOrder"]),
        (xml(&format!("{}{}", part("2", &etag), part("1", &etag))), &["InvalidPartOrder"]),
        (xml("<Part><PartNumber>1</PartNumber></Part>"), &["MalformedXML"]),
        (xml(&many), &["MalformedXML", "InvalidPart"]),
    ] {
        refused(&cloud, ("POST", &target, &[], body.as_bytes(), codes)).await;
    }
    let right = xml(&part("1", &etag));
    let wrong: &[Broken] = &[
        (("x-amz-mp-object-size", "5"), &["InvalidRequest"]),
        (("x-amz-mp-object-size", "x"), &["InvalidArgument", "InvalidRequest"]),
        (("x-amz-checksum-type", "COMPOSITE"), &["InvalidRequest"]),
        (("x-amz-checksum-type", "HALF"), &["InvalidRequest", "InvalidArgument"]),
        (("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="), &["BadDigest"]),
        (("x-amz-checksum-crc32", "?"), &["InvalidRequest"]),
        (("x-amz-server-side-encryption-customer-key", "x"), &["InvalidRequest", "InvalidArgument"]),
    ];
    broken(&cloud, "POST", &target, &[], right.as_bytes(), &[wrong, ALL, WRITERS]).await;
    assert_eq!(contents(&client, &id).await, before);
    assert_eq!(say(&cloud, &request("POST", &target, &[], right.as_bytes())).await.status, 200);
}
