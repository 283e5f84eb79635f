//! Signature version 4, the server's side: who says what, and is it true.
//!
//! Source: "AWS Signature Version 4 for API requests" in the IAM user guide; S3's rules from "Authenticating Requests".

pub mod canonical;
pub mod chunked;
pub mod keys;
pub mod v2;

use jiff::Timestamp;

use crate::http::{Request, names};
use crate::text;

pub use canonical::{canonical_request, string_to_sign};
pub use keys::{SigningKeys, sign, signing_key};

/// The hash of no bytes.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What a request says of its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// `AWS4-HMAC-SHA256` or `AWS4-ECDSA-P256-SHA256`.
    pub algorithm: String,
    /// The access key id.
    pub access_key: String,
    /// `20261124`
    pub date: String,
    /// Region of the credential scope; empty for SigV4a, which has none.
    pub region: String,
    /// Service of the credential scope.
    pub service: String,
    /// Names of the signed headers, as the request lists them.
    pub signed_headers: String,
    /// The signature in hexadecimal.
    pub signature: String,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// The same as text: `20261124T062303Z`.
    pub stamp: String,
    /// The session token.
    pub token: Option<String>,
    /// A presigned URL, valid for so many seconds.
    pub expires: Option<u64>,
}

impl Signature {
    /// `20261124/us-east-1/sqs/aws4_request`
    pub fn scope(&self) -> String {
        if self.region.is_empty() {
            format!("{}/{}/aws4_request", self.date, self.service)
        } else {
            format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
        }
    }
}

/// Why a signature could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The Authorization header lacks a part, or has a broken one; AWS's sentence.
    #[error("{0}")]
    Incomplete(String),
    /// Another scheme than AWS's.
    #[error("Unsupported authorization type")]
    Scheme,
    /// A presigned URL lacks a parameter or has a broken one; AWS's sentence.
    #[error("{0}")]
    Query(String),
}

/// Reads the signature of a request, from its header or its query string. `None`: it is not signed.
///
/// # Errors
/// When there is one and it cannot be read.
pub fn read(request: &Request) -> Result<Option<Signature>, Unreadable> {
    if let Some(header) = request.header(names::AUTHORIZATION) {
        return from_header(request, header).map(Some);
    }
    if request.query.contains("X-Amz-Signature") || request.query.contains("X-Amz-Algorithm") {
        return from_query(request).map(Some);
    }
    if request.query.contains("AWSAccessKeyId=") && request.query.contains("Signature=") {
        return v2::read(request).map(Some);
    }
    Ok(None)
}

fn from_header(request: &Request, header: &str) -> Result<Signature, Unreadable> {
    let (algorithm, rest) = header.trim().split_once(' ').ok_or(Unreadable::Scheme)?;
    if !matches!(algorithm, "AWS4-HMAC-SHA256" | "AWS4-ECDSA-P256-SHA256") {
        return Err(Unreadable::Scheme);
    }
    let part = |name: &str| {
        let mut parts = rest.split(',').map(str::trim);
        let found = parts.find_map(|p| p.strip_prefix(name).and_then(|p| p.strip_prefix('=')));
        found.ok_or_else(|| {
            Unreadable::Incomplete(format!(
                "Authorization header requires '{name}' parameter. (Hashed with SHA-256 and encoded with Base64) Authorization={}",
                crate::decode::shorten(algorithm)
            ))
        })
    };
    let (credential, signature, signed_headers) = (part("Credential")?, part("Signature")?, part("SignedHeaders")?);
    let stamp = request.header(&names::AMZ_DATE).or_else(|| request.header("date")).unwrap_or_default();
    let (stamp, signed_at) = moment(stamp).ok_or_else(|| {
        Unreadable::Incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ".to_owned(),
        )
    })?;
    let token = request.header(&names::AMZ_SECURITY_TOKEN).map(ToOwned::to_owned);
    let scope = scope(credential, algorithm).ok_or_else(|| {
        Unreadable::Incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
            crate::decode::shorten(credential)
        ))
    })?;
    Ok(Signature {
        algorithm: algorithm.to_owned(),
        access_key: scope.key,
        date: scope.date,
        region: scope.region,
        service: scope.service,
        signed_headers: signed_headers.to_owned(),
        signature: signature.to_owned(),
        signed_at,
        stamp,
        token,
        expires: None,
    })
}

fn from_query(request: &Request) -> Result<Signature, Unreadable> {
    let pairs = text::pairs(&request.query).unwrap_or_default();
    let get = |name: &str| {
        let found = pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        found.ok_or_else(|| {
            Unreadable::Query(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
                    .to_owned(),
            )
        })
    };
    let algorithm = get("X-Amz-Algorithm")?;
    if !matches!(algorithm.as_str(), "AWS4-HMAC-SHA256" | "AWS4-ECDSA-P256-SHA256") {
        return Err(Unreadable::Query("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"".to_owned()));
    }
    let credential = get("X-Amz-Credential")?;
    let scope = scope(&credential, &algorithm)
        .ok_or_else(|| Unreadable::Query("Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".".to_owned()))?;
    let (stamp, signed_at) = moment(&get("X-Amz-Date")?).ok_or_else(|| {
        Unreadable::Query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"".to_owned())
    })?;
    let expires = match get("X-Amz-Expires") {
        Ok(text) => {
            let seconds: i64 =
                text.parse().map_err(|_| Unreadable::Query("X-Amz-Expires should be a number".to_owned()))?;
            let seconds = u64::try_from(seconds)
                .map_err(|_| Unreadable::Query("X-Amz-Expires must be non-negative".to_owned()))?;
            if seconds > 604_800 {
                return Err(Unreadable::Query(
                    "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds".to_owned(),
                ));
            }
            seconds
        }
        // Services other than S3 sign query strings without an expiry; five minutes is their skew.
        Err(_) => 900,
    };
    Ok(Signature {
        algorithm,
        access_key: scope.key,
        date: scope.date,
        region: scope.region,
        service: scope.service,
        signed_headers: get("X-Amz-SignedHeaders")?,
        signature: get("X-Amz-Signature")?,
        signed_at,
        stamp,
        token: pairs.iter().find(|(n, _)| n == "X-Amz-Security-Token").map(|(_, v)| v.clone()),
        expires: Some(expires),
    })
}

struct Scope {
    key: String,
    date: String,
    region: String,
    service: String,
}

fn scope(credential: &str, algorithm: &str) -> Option<Scope> {
    let mut parts = credential.rsplit('/');
    let end = parts.next()?;
    let service = parts.next()?.to_owned();
    let named = algorithm != "AWS4-ECDSA-P256-SHA256";
    let region = if named { parts.next()?.to_owned() } else { String::new() };
    let date = parts.next()?.to_owned();
    // What is left in front of the scope is the key, slashes and all.
    let rest = end.len() + service.len() + date.len() + 3 + if named { region.len() + 1 } else { 0 };
    let key = credential.get(..credential.len().checked_sub(rest)?)?.to_owned();
    (end == "aws4_request" && !key.is_empty() && date.len() == 8).then_some(Scope { key, date, region, service })
}

/// `20261124T062303Z` (or an HTTP date) as that text and as a moment.
fn moment(text: &str) -> Option<(String, Timestamp)> {
    let b = text.as_bytes();
    if b.len() == 16 && b[8] == b'T' && b[15] == b'Z' && text.is_ascii() {
        if let Some(moment) = utc(b) {
            return Some((text.to_owned(), moment));
        }
        let iso = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &text[..4],
            &text[4..6],
            &text[6..8],
            &text[9..11],
            &text[11..13],
            &text[13..15]
        );
        return iso.parse().ok().map(|t| (text.to_owned(), t));
    }
    let moment = text::parse_timestamp(text, crate::schema::TimestampFormat::Http)
        .or_else(|| text::parse_timestamp(text, crate::schema::TimestampFormat::Iso8601))?;
    Some((stamp(moment), moment))
}

/// `20261124T062303Z`, whose length and letters are known to be right.
fn utc(b: &[u8]) -> Option<Timestamp> {
    let number = |from: usize, to: usize| {
        let digits = b.get(from..to)?;
        digits.iter().try_fold(0_i16, |n, d| d.is_ascii_digit().then(|| n * 10 + i16::from(d - b'0')))
    };
    let small = |from: usize| number(from, from + 2).and_then(|n| i8::try_from(n).ok());
    let date = jiff::civil::Date::new(number(0, 4)?, small(4)?, small(6)?).ok()?;
    let time = jiff::civil::Time::new(small(9)?, small(11)?, small(13)?, 0).ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(date.to_datetime(time)).ok()
}

/// A moment as signatures write it.
pub fn stamp(moment: Timestamp) -> String {
    moment.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Compares without telling by time where two texts differ.
pub fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}
