//! What stands in the query string of a request to S3 and is meant as a header: signers put headers of the kind `x-amz-*`
//! into presigned URLs, so that whoever uses the URL need not send them.
//!
//! No page of the reference says which of them S3 reads there. What is known, it is known from clients that tried:
//! - it reads `x-amz-acl` and `x-amz-meta-*`, under names in small letters (github.com/aws/aws-sdk-ruby pull 601,
//!   github.com/aws/aws-sdk-js-v3 issue 4694), and `x-amz-request-payer` ("Downloading objects from Requester Pays buckets");
//! - it takes no heed of `x-amz-tagging` (github.com/aws/aws-sdk-go-v2 pull 1017), of `x-amz-server-side-encryption*`
//!   (github.com/aws/aws-sdk-go pull 4949), of `x-amz-checksum-*` and what announces them (github.com/aws/aws-sdk-go-v2 issue
//!   2610), of `x-amz-checksum-mode` (github.com/aws/aws-sdk-java-v2 pull 7035), nor of `x-amz-copy-source*`
//!   (github.com/aws/aws-sdk-php issue 1275: what is made is empty);
//! - unless the URL names them among its signed headers: then they stand for these (github.com/localstack/localstack pull 7628);
//! - a header that is sent and was not signed is refused (github.com/aws/aws-sdk-ruby issue 874).

use http::{HeaderName, HeaderValue};
use undercast_kernel::{AwsError, Result};
use undercast_wire::sigv4::{Signature, v2};
use undercast_wire::{Request, text};

const PREFIX: &str = "x-amz-";

/// Parts of the signature, and what clients say of themselves: neither is a header that was moved.
const OWN: [&str; 10] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-region-set",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
    "x-amz-user-agent",
];

/// S3 takes no heed of those that begin so.
const UNHEEDED: [&str; 5] = [
    "x-amz-checksum-",
    "x-amz-copy-source",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-server-side-encryption",
    "x-amz-tagging",
];

/// Moves what is meant as a header to the headers. Returns the names of parameters of which S3 takes no heed: all of them,
/// where no URL was signed.
///
/// # Errors
/// `AccessDenied` when a header is sent that a presigned URL does not name.
pub(crate) fn lift(request: &mut Request, signature: Option<&Signature>) -> Result<Vec<String>> {
    let presigned = signature.filter(|s| s.expires.is_some());
    if let Some(signature) = presigned {
        all_signed(request, signature)?;
    }
    let mut unheeded = Vec::new();
    for (name, value) in amazon(&request.query) {
        let header = name.to_ascii_lowercase();
        if OWN.contains(&header.as_str()) || request.headers.contains_key(&header) {
            continue;
        }
        let signed = presigned.is_some_and(|s| names(s, &header));
        let read = presigned.is_some() && name == header && !UNHEEDED.iter().any(|prefix| header.starts_with(prefix));
        match (HeaderName::from_bytes(header.as_bytes()), HeaderValue::from_bytes(value.as_bytes())) {
            (Ok(header), Ok(value)) if signed || read => drop(request.headers.insert(header, value)),
            _ => unheeded.push(name),
        }
    }
    Ok(unheeded)
}

/// Parameters that could be headers.
fn amazon(query: &str) -> Vec<(String, String)> {
    let is_amazon = |name: &str| name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    if !query.split('&').any(is_amazon) {
        return Vec::new();
    }
    text::pairs(query).unwrap_or_default().into_iter().filter(|(name, _)| is_amazon(name)).collect()
}

/// Whether a header is among those that were signed.
fn names(signature: &Signature, header: &str) -> bool {
    signature.signed_headers.split(';').any(|signed| signed.eq_ignore_ascii_case(header))
}

/// Version 2 signs every header of this kind; version 4 those that it names.
fn all_signed(request: &Request, signature: &Signature) -> Result<()> {
    if signature.algorithm == v2::ALGORITHM {
        return Ok(());
    }
    let sent = request.headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with(PREFIX));
    let unsigned: Vec<&str> = sent.filter(|name| !OWN.contains(name) && !names(signature, name)).collect();
    if unsigned.is_empty() {
        return Ok(());
    }
    let message = "There were headers present in the request which were not signed";
    Err(AwsError::new("AccessDenied", 403, message).with("HeadersNotSigned", unsigned.join(", ")).into())
}

#[cfg(test)]
mod tests {
    use undercast_wire::{Body, sigv4};

    use super::*;

    const URL: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=K%2F20261124%2Fus-east-1%2Fs3%2Faws4_request\
        &X-Amz-Date=20261124T062303Z&X-Amz-Expires=60&X-Amz-Signature=00";

    fn lifted(query: &str, sent: &[(&'static str, &str)]) -> Result<(Vec<String>, Vec<String>)> {
        let mut request = Request {
            method: "PUT".to_owned(),
            path: "/b/k".to_owned(),
            query: query.to_owned(),
            headers: sent.iter().map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap())).collect(),
            body: Body::empty(),
        };
        let signature = sigv4::read(&request).unwrap();
        let unheeded = lift(&mut request, signature.as_ref())?;
        let all = request.headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap()));
        Ok((all.collect(), unheeded))
    }

    #[test]
    fn what_a_presigned_url_says_is_a_header() {
        let query = format!("{URL}&X-Amz-SignedHeaders=host&x-amz-acl=private&x-amz-meta-a=b%20c&x-amz-tagging=a%3Db");
        let (headers, unheeded) = lifted(&query, &[]).unwrap();
        assert_eq!(headers, ["x-amz-acl: private", "x-amz-meta-a: b c"]);
        assert_eq!(unheeded, ["x-amz-tagging"]);
    }

    #[test]
    fn its_name_is_in_small_letters() {
        let query = format!("{URL}&X-Amz-SignedHeaders=host&X-Amz-Acl=private");
        assert_eq!(lifted(&query, &[]).unwrap(), (Vec::new(), vec!["X-Amz-Acl".to_owned()]));
    }

    #[test]
    fn what_is_named_among_the_signed_headers_stands_for_one() {
        let query = format!("{URL}&X-Amz-SignedHeaders=host%3Bx-amz-tagging&x-amz-tagging=a%3Db");
        assert_eq!(lifted(&query, &[]).unwrap(), (vec!["x-amz-tagging: a=b".to_owned()], Vec::new()));
    }

    #[test]
    fn a_header_that_was_not_signed_is_refused() {
        let query = format!("{URL}&X-Amz-SignedHeaders=host&x-amz-acl=private");
        let failure = lifted(&query, &[("x-amz-acl", "public-read")]).unwrap_err();
        assert_eq!(failure.code(), Some("AccessDenied"));
        let query = format!("{URL}&X-Amz-SignedHeaders=host%3Bx-amz-acl");
        let sent = [("x-amz-acl", "public-read"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];
        assert_eq!(lifted(&query, &sent).unwrap().1, Vec::<String>::new());
    }

    #[test]
    fn without_a_signed_url_nothing_is_a_header() {
        let (headers, unheeded) = lifted("x-amz-acl=private&list-type=2", &[]).unwrap();
        assert_eq!((headers.len(), unheeded), (0, vec!["x-amz-acl".to_owned()]));
    }
}
