//! Signature version 2 in a query string: what the AWS CLI and boto3 still put into presigned S3 URLs.
//!
//! Source: "Signing and authenticating REST requests (AWS signature version 2)" in the S3 user guide.

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha1::Sha1;

use super::{Signature, Unreadable};
use crate::http::Request;
use crate::text;

/// The name of this algorithm in a [`Signature`].
pub const ALGORITHM: &str = "AWS";

/// Parameters that are part of what is signed.
const SIGNED: &[&str] = &[
    "acl",
    "cors",
    "delete",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "partNumber",
    "policy",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Reads the signature of a presigned URL. Its time is the moment at which it ends.
///
/// # Errors
/// When a parameter is missing or broken.
pub fn read(request: &Request) -> Result<Signature, Unreadable> {
    let pairs = text::pairs(&request.query).unwrap_or_default();
    let get = |name: &str| pairs.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone());
    let missing = || {
        Unreadable::Query(
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters".to_owned(),
        )
    };
    let expires = get("Expires").ok_or_else(missing)?;
    let ends = expires.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    Ok(Signature {
        algorithm: ALGORITHM.to_owned(),
        access_key: get("AWSAccessKeyId").ok_or_else(missing)?,
        date: String::new(),
        region: String::new(),
        service: "s3".to_owned(),
        signed_headers: String::new(),
        // A plus sign that was not escaped is one: the signature is base64.
        signature: get("Signature").ok_or_else(missing)?.replace(' ', "+"),
        signed_at: ends
            .ok_or_else(|| Unreadable::Query(format!("Invalid date (should be seconds since epoch): {expires}")))?,
        stamp: expires,
        token: get("x-amz-security-token"),
        expires: Some(0),
    })
}

/// The signature that `secret` makes of a request whose path begins with the bucket.
pub fn sign(request: &Request, signature: &Signature, secret: &str) -> String {
    let text = string_to_sign(request, &signature.stamp);
    // HMAC takes a key of any length, so this cannot fail; an empty signature matches nothing.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

fn string_to_sign(request: &Request, expires: &str) -> String {
    let header = |name: &str| request.header(name).unwrap_or_default();
    let mut out = format!("{}\n{}\n{}\n{expires}\n", request.method, header("content-md5"), header("content-type"));
    let pairs = text::pairs(&request.query).unwrap_or_default();
    let mut amazon: Vec<(String, String)> = request
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-amz-"))
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).trim().to_owned()))
        .chain(
            pairs
                .iter()
                .map(|(n, v)| (n.to_ascii_lowercase(), v.clone()))
                // One that is there as a header as well is that header.
                .filter(|(n, _)| n.starts_with("x-amz-") && !request.headers.contains_key(n)),
        )
        .collect();
    amazon.sort();
    for (name, value) in amazon {
        out.push_str(&format!("{name}:{value}\n"));
    }
    out.push_str(&request.path);
    let mut sub: Vec<String> = request
        .query
        .split('&')
        .filter_map(|part| {
            let (name, value) = part.split_once('=').map_or((part, None), |(n, v)| (n, Some(v)));
            SIGNED.contains(&name).then(|| match value {
                Some(value) => format!("{name}={}", text::percent_decode(value, true).unwrap_or_default()),
                None => name.to_owned(),
            })
        })
        .collect();
    sub.sort();
    for (n, part) in sub.iter().enumerate() {
        out.push(if n == 0 { '?' } else { '&' });
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Body;

    /// "Example query string request authentication" of the S3 user guide.
    #[test]
    fn the_guides_example_is_signed_as_there() {
        let request = Request {
            method: "GET".to_owned(),
            path: "/johnsmith/photos/puppy.jpg".to_owned(),
            query: "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620"
                .to_owned(),
            headers: http::HeaderMap::new(),
            body: Body::empty(),
        };
        let signature = read(&request);
        let signature = signature
            .as_ref()
            .map(|s| (s.signature.as_str(), sign(&request, s, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")));
        assert_eq!(signature, Ok(("NpgCjnDzrM+WFzoENXmpNDUsSn8=", "NpgCjnDzrM+WFzoENXmpNDUsSn8=".to_owned())));
    }
}
