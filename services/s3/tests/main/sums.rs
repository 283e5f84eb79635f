//! Every algorithm of checksums, through an upload in parts.

use super::*;

/// `123456789`
const BODY: &[u8] = b"123456789";

/// An algorithm, the member that has its value, and the value of [`BODY`].
const SUMS: [(&str, &str, &str); 10] = [
    ("CRC32", "ChecksumCRC32", "y/Q5Jg=="),
    ("CRC32C", "ChecksumCRC32C", "4waSgw=="),
    ("CRC64NVME", "ChecksumCRC64NVME", "rosUhgp5mIg="),
    ("MD5", "ChecksumMD5", "JfnnlDI7RTiF9RgfG2JNCw=="),
    ("SHA1", "ChecksumSHA1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
    ("SHA256", "ChecksumSHA256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    (
        "SHA512",
        "ChecksumSHA512",
        "2eZ2LdHI6vbWGzxhkvxAjU1tXxF20MKRabwk5xw/J0rSf81YEbMT1oH35V7ALXPUmclUVba1u1A6z1dPuo/+hQ==",
    ),
    ("XXHASH64", "ChecksumXXHASH64", "jLhB20DmroM="),
    ("XXHASH3", "ChecksumXXHASH3", "ctyxi2ehff8="),
    ("XXHASH128", "ChecksumXXHASH128", "MxGUd+3l3NXpcWQnaB1YYA=="),
];

/// What the hashes of one part come to: the hash of its hash. The others have no reference but the algorithm itself.
const COMPOSITE: [(&str, &str); 4] = [
    ("MD5", "WSfF1k2UpXhvkAA6om0BWQ==-1"),
    ("SHA1", "zGcEPHvP9e6lVmvZsfPHT9mlz10=-1"),
    ("SHA256", "KSsNAHVmgy25S/rmic1w0at3KBH9RLn0nYVQ7p6mpJQ=-1"),
    ("SHA512", "BAhVESR8pFuv/S2pHMrDSxjHVgcYCwozEda98ahLvKJ8ll4B1SyOb7caBgdNEU6tpyb0mS26scvZwucvSD0i8A==-1"),
];

/// The value of the same length that is another's.
fn other(value: &str) -> String {
    text::base64(&vec![7; text::unbase64(value).unwrap().len()])
}

/// An upload with one part: its id, and how a request names the part.
async fn uploaded(
    client: &Client,
    (algorithm, member, value): (&str, &str, &str),
    kind: Option<&str>,
) -> (String, Json) {
    let input = json!({"Bucket": "sums", "Key": "k", "ChecksumAlgorithm": algorithm, "ChecksumType": kind});
    let begun = call(client, "CreateMultipartUpload", input).await.ok();
    let id = begun["UploadId"].as_str().unwrap().to_owned();
    let part = async |value: &str| {
        let input = json!({"Bucket": "sums", "Key": "k", "UploadId": id, "PartNumber": 1, member: value});
        client.call_with_body("s3", "UploadPart", input, Some(Bytes::from_static(BODY))).await
    };
    assert_eq!(part(&other(value)).await.code(), "BadDigest", "{algorithm}");
    let made = part(value).await.ok();
    assert_eq!(made[member], value, "{algorithm}");
    let listed = call(client, "ListParts", json!({"Bucket": "sums", "Key": "k", "UploadId": id})).await.ok();
    assert_eq!((&listed["Parts"][0][member], &listed["ChecksumAlgorithm"]), (&json!(value), &json!(algorithm)));
    (id, json!({"PartNumber": 1, "ETag": made["ETag"], member: value}))
}

async fn complete(client: &Client, id: &str, part: &Json, whole: Json) -> Answer {
    let mut input = json!({"Bucket": "sums", "Key": "k", "UploadId": id, "MultipartUpload": {"Parts": [part]}});
    input.as_object_mut().unwrap().extend(whole.as_object().unwrap().clone());
    call(client, "CompleteMultipartUpload", input).await
}

#[tokio::test]
async fn parts_and_their_whole_are_what_was_said_of_them() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "sums").await;
    for sum in SUMS {
        let (algorithm, member, value) = sum;
        let (id, part) = uploaded(&client, sum, None).await;
        let mut wrong = part.clone();
        wrong[member] = json!(other(value));
        assert_eq!(complete(&client, &id, &wrong, json!({})).await.code(), "InvalidPart", "{algorithm}");
        let done = complete(&client, &id, &part, json!({})).await.ok();
        let whole = done[member].as_str().unwrap().to_owned();
        if algorithm == "CRC64NVME" {
            assert_eq!((whole.as_str(), &done["ChecksumType"]), (value, &json!("FULL_OBJECT")));
        } else {
            assert!(whole.ends_with("-1") && done["ChecksumType"] == "COMPOSITE", "{algorithm}: {done}");
        }
        if let Some((_, known)) = COMPOSITE.iter().find(|(name, _)| *name == algorithm) {
            assert_eq!(whole, *known, "{algorithm}");
        }
        // What the request says of the whole must be so, and of the upload's algorithm.
        let (id, part) = uploaded(&client, sum, None).await;
        assert_eq!(
            complete(&client, &id, &part, json!({member: other(value)})).await.code(),
            "BadDigest",
            "{algorithm}"
        );
        let (_, foreign, known) = SUMS[if algorithm == "SHA1" { 0 } else { 4 }];
        let refused = complete(&client, &id, &part, json!({foreign: known})).await;
        assert_eq!(refused.code(), "InvalidRequest", "{algorithm}");
        assert_eq!(complete(&client, &id, &part, json!({member: whole})).await.ok()[member], whole, "{algorithm}");
    }
}

#[tokio::test]
async fn sums_of_the_whole_are_those_of_its_bytes() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "sums").await;
    for sum in &SUMS[..3] {
        let (algorithm, member, value) = *sum;
        let (id, part) = uploaded(&client, *sum, Some("FULL_OBJECT")).await;
        let whole = |value: &str| json!({member: value, "ChecksumType": "FULL_OBJECT"});
        assert_eq!(complete(&client, &id, &part, whole(&other(value))).await.code(), "BadDigest", "{algorithm}");
        let done = complete(&client, &id, &part, whole(value)).await.ok();
        assert_eq!((&done[member], &done["ChecksumType"]), (&json!(value), &json!("FULL_OBJECT")), "{algorithm}");
        let head = call(&client, "HeadObject", json!({"Bucket": "sums", "Key": "k", "ChecksumMode": "ENABLED"})).await;
        let header = format!("x-amz-checksum-{}", algorithm.to_lowercase());
        assert_eq!(head.headers[header.as_str()], value, "{algorithm}");
    }
}

#[tokio::test]
async fn the_parts_of_an_object_are_told_page_by_page() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "sums").await;
    let input = json!({"Bucket": "sums", "Key": "k", "ChecksumAlgorithm": "SHA256"});
    let id = call(&client, "CreateMultipartUpload", input).await.ok()["UploadId"].clone();
    let mut parts = Vec::new();
    for (number, length) in [(1, 5 * 1024 * 1024), (2, 5 * 1024 * 1024 + 1), (3, 7)] {
        let input = json!({"Bucket": "sums", "Key": "k", "UploadId": id, "PartNumber": number});
        let made = client.call_with_body("s3", "UploadPart", input, Some(bytes(length).into())).await.ok();
        parts.push(json!({"PartNumber": number, "ETag": made["ETag"], "ChecksumSHA256": made["ChecksumSHA256"]}));
    }
    let input = json!({"Bucket": "sums", "Key": "k", "UploadId": id, "MultipartUpload": {"Parts": parts}});
    call(&client, "CompleteMultipartUpload", input).await.ok();
    let page = async |more: Json| {
        let mut input = json!({"Bucket": "sums", "Key": "k", "ObjectAttributes": ["ObjectParts"]});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        call(&client, "GetObjectAttributes", input).await.ok()["ObjectParts"].clone()
    };
    let first = page(json!({"MaxParts": 1})).await;
    assert_eq!((&first["Parts"][0]["Size"], &first["IsTruncated"]), (&json!(5 * 1024 * 1024), &json!(true)), "{first}");
    assert_eq!(
        (&first["NextPartNumberMarker"], &first["MaxParts"], &first["TotalPartsCount"]),
        (&json!(1), &json!(1), &json!(3))
    );
    let rest = page(json!({"PartNumberMarker": 1})).await;
    let numbers: Vec<&Json> = rest["Parts"].as_array().unwrap().iter().map(|p| &p["PartNumber"]).collect();
    assert_eq!((numbers, &rest["IsTruncated"]), (vec![&json!(2), &json!(3)], &json!(false)));
}
