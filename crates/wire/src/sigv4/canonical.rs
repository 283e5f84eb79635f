//! The canonical form of a request, over which the signature is made.

use sha2::{Digest, Sha256};

use super::Signature;
use crate::http::Request;
use crate::text;

/// The canonical request. `payload_hash` is what the signer said of the body.
/// `s3`: the path is encoded once and not normalised.
pub fn canonical_request(request: &Request, signature: &Signature, payload_hash: &str, s3: bool) -> String {
    let mut out = String::with_capacity(512);
    out.push_str(&request.method);
    out.push('\n');
    path(&request.path, s3, &mut out);
    out.push('\n');
    query(&request.query, signature.expires.is_some(), &mut out);
    out.push('\n');
    for name in signature.signed_headers.split(';') {
        out.push_str(name);
        out.push(':');
        header(request, name, &mut out);
        out.push('\n');
    }
    out.push('\n');
    out.push_str(&signature.signed_headers);
    out.push('\n');
    out.push_str(payload_hash);
    out
}

/// What is signed in the end.
pub fn string_to_sign(signature: &Signature, canonical: &str) -> String {
    let hash = text::hex_encode(&Sha256::digest(canonical.as_bytes()));
    format!("{}\n{}\n{}\n{hash}", signature.algorithm, signature.stamp, signature.scope())
}

fn path(raw: &str, s3: bool, out: &mut String) {
    if raw.is_empty() {
        out.push('/');
    } else if s3 {
        match text::percent_decode(raw, false) {
            Some(decoded) => text::percent_encode(&decoded, true, out),
            None => out.push_str(raw),
        }
    } else {
        text::percent_encode(&normalise(raw), true, out);
    }
}

/// Removes dot segments and doubled slashes, as RFC 3986 and AWS's signers do.
fn normalise(raw: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in raw.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    let mut out = String::with_capacity(raw.len());
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    if out.is_empty() || raw.ends_with('/') || raw.ends_with("/.") || raw.ends_with("/..") {
        out.push('/');
    }
    out
}

fn query(raw: &str, presigned: bool, out: &mut String) {
    if raw.is_empty() {
        return;
    }
    let encode = |part: &str| {
        let mut encoded = String::with_capacity(part.len());
        // A plus sign is a plus sign to signers; only forms read it as a space.
        match text::percent_decode(part, false) {
            Some(decoded) => text::percent_encode(&decoded, false, &mut encoded),
            None => encoded.push_str(part),
        }
        encoded
    };
    let mut pairs: Vec<(String, String)> = raw
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            (encode(name), encode(value))
        })
        .filter(|(name, _)| !(presigned && name == "X-Amz-Signature"))
        .collect();
    pairs.sort();
    for (i, (name, value)) in pairs.iter().enumerate() {
        if i > 0 {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
}

fn header(request: &Request, name: &str, out: &mut String) {
    for (i, value) in request.headers.get_all(name).iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        // Headers are bytes; signers sign them as UTF-8.
        let text = String::from_utf8_lossy(value.as_bytes());
        let mut words = text.split(' ').filter(|w| !w.is_empty());
        if let Some(first) = words.next() {
            out.push_str(first.trim());
            for word in words {
                out.push(' ');
                out.push_str(word.trim());
            }
        }
    }
}
