//! Digest files: what was delivered can be proved.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};
use undercast_kernel::wire::text;

use super::*;

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Walks the chain from the newest digest back, and says how many digests and files hold.
async fn validated(client: &Client) -> Result<(usize, usize), String> {
    let listed = ok(client, "ListPublicKeys", json!({})).await;
    let mut next = keys(client, "CloudTrail-Digest").await.into_iter().max();
    let (mut digests, mut files) = (0, 0);
    while let Some(key) = next {
        let head = client.call("s3", "HeadObject", json!({"Bucket": BUCKET, "Key": key})).await.ok();
        let content = file(client, &key).await;
        let digest: Json = serde_json::from_slice(&content).map_err(|_| format!("{key} is no JSON"))?;
        let print = &digest["digestPublicKeyFingerprint"];
        let all = listed["PublicKeyList"].as_array().unwrap();
        let public = all.iter().find(|k| k["Fingerprint"] == *print).ok_or("the key is not listed")?;
        let public = text::unbase64(public["Value"].as_str().unwrap()).unwrap();
        let before = digest["previousDigestSignature"].as_str().unwrap_or("null");
        let signed = format!(
            "{}\n{BUCKET}/{key}\n{}\n{before}",
            digest["digestEndTime"].as_str().unwrap(),
            text::hex_encode(&Sha256::digest(&content))
        );
        let signature = from_hex(head["Metadata"]["signature"].as_str().unwrap());
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
        key.verify(signed.as_bytes(), &signature).map_err(|_| "the signature is not the digest's".to_owned())?;
        digests += 1;
        for log in digest["logFiles"].as_array().unwrap() {
            let content = file(client, log["s3Object"].as_str().unwrap()).await;
            if text::hex_encode(&Sha256::digest(&content)) != log["hashValue"] {
                return Err("a file is not what it was".to_owned());
            }
            files += 1;
        }
        next = digest["previousDigestS3Object"].as_str().map(ToOwned::to_owned);
    }
    Ok((digests, files))
}

#[tokio::test]
async fn digests_prove_what_was_delivered() {
    let (cloud, client) = cloud().await;
    trail(&client, json!({"EnableLogFileValidation": true})).await;
    for hour in 0..3 {
        client.call("sqs", "CreateQueue", json!({"QueueName": format!("q{hour}")})).await.ok();
        advance(&cloud, 60).await;
    }
    // An hour in which nothing was called has a digest too.
    advance(&cloud, 60).await;
    let (digests, files) = validated(&client).await.unwrap();
    assert_eq!(digests, 4);
    assert!(files >= 3, "{files}");
    let status = ok(&client, "GetTrailStatus", json!({"Name": "all"})).await;
    assert!(status["LatestDigestDeliveryTime"].is_number(), "{status}");
}

#[tokio::test]
async fn who_changes_a_file_or_a_digest_is_found_out() {
    let (cloud, client) = cloud().await;
    trail(&client, json!({"EnableLogFileValidation": true})).await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    advance(&cloud, 61).await;
    assert!(validated(&client).await.is_ok());
    for part in ["/CloudTrail/", "/CloudTrail-Digest/"] {
        let key = keys(&client, part).await.remove(0);
        let head = client.call("s3", "HeadObject", json!({"Bucket": BUCKET, "Key": key})).await.ok();
        let good = client.call("s3", "GetObject", json!({"Bucket": BUCKET, "Key": key})).await.body;
        let text = String::from_utf8(unzipped(&good)).unwrap().replace("us-east-1", "us-east-2");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        let put = async |body: Vec<u8>| {
            let input = json!({"Bucket": BUCKET, "Key": key, "Metadata": head["Metadata"]});
            client.call_with_body("s3", "PutObject", input, Some(body.into())).await.ok();
        };
        put(encoder.finish().unwrap()).await;
        assert!(validated(&client).await.is_err(), "{part}");
        put(good.to_vec()).await;
        assert!(validated(&client).await.is_ok(), "{part}");
    }
}

#[tokio::test]
async fn a_chain_begins_anew_with_logging() {
    let (cloud, client) = cloud().await;
    trail(&client, json!({"EnableLogFileValidation": true})).await;
    advance(&cloud, 121).await;
    ok(&client, "StopLogging", json!({"Name": "all"})).await;
    advance(&cloud, 240).await;
    assert_eq!(validated(&client).await.unwrap().0, 2);
    ok(&client, "StartLogging", json!({"Name": "all"})).await;
    advance(&cloud, 61).await;
    assert_eq!(validated(&client).await.unwrap().0, 1);
    assert_eq!(keys(&client, "CloudTrail-Digest").await.len(), 3);
}

/// A text is signed with the key of this fingerprint.
pub(crate) async fn check_signature(client: &Client, fingerprint: &Json, signature: &Json, signed: &str) {
    let listed = ok(client, "ListPublicKeys", json!({})).await;
    let all = listed["PublicKeyList"].as_array().unwrap();
    let public = all.iter().find(|key| key["Fingerprint"] == *fingerprint).unwrap();
    let public = text::unbase64(public["Value"].as_str().unwrap()).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
    key.verify(signed.as_bytes(), &from_hex(signature.as_str().unwrap())).unwrap();
}
