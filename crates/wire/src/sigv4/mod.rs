//! Signature version 4, the server's side: who says what, and is it true.
//!
//! Source: "AWS Signature Version 4 for API requests" in the IAM user guide; S3's rules from "Authenticating Requests".

pub mod asymmetric;
pub mod canonical;
pub mod chunked;
pub mod keys;
pub mod v2;

use jiff::Timestamp;

use crate::http::{Request, names};
use crate::text;

pub use canonical::{canonical_request, string_to_sign};
pub use keys::{Key, SigningKeys, sign, signing_key};

/// The hash of no bytes.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The algorithm of version 4.
pub const SYMMETRIC: &str = "AWS4-HMAC-SHA256";

/// What a request says of its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// `AWS4-HMAC-SHA256` or `AWS4-ECDSA-P256-SHA256`.
    pub algorithm: String,
    /// The access key id.
    pub access_key: String,
    /// `20261124`
    pub date: String,
    /// Region of the credential scope. Version 4a has none there: it names a set of them, which then stands here.
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
    /// `20261124/us-east-1/sqs/aws4_request`; version 4a has no region in it.
    pub fn scope(&self) -> String {
        self.scope_pieces().concat()
    }

    /// It is one of version 4a, good for a set of regions.
    pub fn is_asymmetric(&self) -> bool {
        self.algorithm == asymmetric::ALGORITHM
    }

    fn scope_pieces(&self) -> [&str; 7] {
        let region = if self.is_asymmetric() { ["", ""] } else { [self.region.as_str(), "/"] };
        [&self.date, "/", region[0], region[1], &self.service, "/", "aws4_request"]
    }
}

/// Whether the signature is the one that `key` makes of the request. `payload_hash` is what the signer said of the
/// body; `s3`: the path is encoded once and not normalised.
pub fn verify(request: &Request, signature: &Signature, payload_hash: &str, s3: bool, key: &Key) -> bool {
    let hash = canonical::canonical_hash(request, signature, payload_hash, s3);
    key.verifies(&signature.signature, |out| canonical::write_string_to_sign(signature, &hash, out))
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

/// An algorithm of version 4.
fn is_known(algorithm: &str) -> bool {
    algorithm == SYMMETRIC || algorithm == asymmetric::ALGORITHM
}

/// The parts of an Authorization header; of one that stands twice the first one counts.
#[derive(Default)]
struct Parts<'a> {
    credential: Option<&'a str>,
    signature: Option<&'a str>,
    signed_headers: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(header: &'a str) -> Self {
        let mut found = Self::default();
        for part in header.split(',') {
            let Some((name, value)) = part.trim().split_once('=') else { continue };
            let slot = match name {
                "Credential" => &mut found.credential,
                "Signature" => &mut found.signature,
                "SignedHeaders" => &mut found.signed_headers,
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        found
    }
}

fn from_header(request: &Request, header: &str) -> Result<Signature, Unreadable> {
    let (algorithm, rest) = header.trim().split_once(' ').ok_or(Unreadable::Scheme)?;
    if !is_known(algorithm) {
        return Err(Unreadable::Scheme);
    }
    let parts = Parts::of(rest);
    let missing = |name: &str| {
        Unreadable::Incomplete(format!(
            "Authorization header requires '{name}' parameter. (Hashed with SHA-256 and encoded with Base64) Authorization={}",
            crate::decode::shorten(algorithm)
        ))
    };
    let credential = parts.credential.ok_or_else(|| missing("Credential"))?;
    let signature = parts.signature.ok_or_else(|| missing("Signature"))?;
    let signed_headers = parts.signed_headers.ok_or_else(|| missing("SignedHeaders"))?;
    let stamp = request.header(&names::AMZ_DATE).or_else(|| request.header("date")).unwrap_or_default();
    let (stamp, signed_at) = moment(stamp).ok_or_else(|| {
        Unreadable::Incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ".to_owned(),
        )
    })?;
    let token = request.header(&names::AMZ_SECURITY_TOKEN).map(ToOwned::to_owned);
    let scope = scope(credential, algorithm).ok_or_else(|| {
        let (count, region) = if algorithm == SYMMETRIC { (5, "region/") } else { (4, "") };
        Unreadable::Incomplete(format!(
            "Credential must have exactly {count} slash-delimited elements, e.g. keyid/date/{region}service/term, got '{}'",
            crate::decode::shorten(credential)
        ))
    })?;
    let region = match scope.region {
        Some(region) => region,
        None => asymmetric::signed_regions(request, signed_headers)?,
    };
    Ok(Signature {
        algorithm: algorithm.to_owned(),
        access_key: scope.key,
        date: scope.date,
        region,
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
    if !is_known(&algorithm) {
        return Err(Unreadable::Query("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"".to_owned()));
    }
    let credential = get("X-Amz-Credential")?;
    let scope = scope(&credential, &algorithm)
        .ok_or_else(|| Unreadable::Query("Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".".to_owned()))?;
    let region = match scope.region {
        Some(region) => region,
        None => get(asymmetric::REGION_SET).map_err(|_| {
            Unreadable::Query(format!("{} requires the {} parameter.", asymmetric::ALGORITHM, asymmetric::REGION_SET))
        })?,
    };
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
        region,
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
    /// `None` for version 4a.
    region: Option<String>,
    service: String,
}

fn scope(credential: &str, algorithm: &str) -> Option<Scope> {
    let mut parts = credential.rsplit('/');
    let end = parts.next()?;
    let service = parts.next()?;
    let region = if algorithm == asymmetric::ALGORITHM { None } else { Some(parts.next()?) };
    let date = parts.next()?;
    // What is left in front of the scope is the key, slashes and all.
    let rest = end.len() + service.len() + date.len() + 3 + region.map_or(0, |r| r.len() + 1);
    let key = credential.get(..credential.len().checked_sub(rest)?)?;
    (end == "aws4_request" && !key.is_empty() && date.len() == 8).then(|| Scope {
        key: key.to_owned(),
        date: date.to_owned(),
        region: region.map(ToOwned::to_owned),
        service: service.to_owned(),
    })
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
