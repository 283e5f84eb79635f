//! The canonical form of a request, over which the signature is made.
//!
//! It is written piece by piece into a [`Sink`]: a text for those who sign and for tests, the hash itself for those who
//! verify, so that an ordinary request is verified without a copy of it being made.

use std::borrow::Cow;

use hmac::digest::Update;
use sha2::{Digest, Sha256};

use super::Signature;
use crate::http::Request;
use crate::text;

/// What a canonical request is put into.
pub trait Sink {
    /// Adds a piece.
    fn put(&mut self, piece: &str);
}

impl Sink for String {
    fn put(&mut self, piece: &str) {
        self.push_str(piece);
    }
}

/// So many bytes are collected before they are hashed: pieces are short, and each update has a price of its own.
const COLLECTED: usize = 512;

/// Collects short pieces for what hashes them.
pub(super) struct Collected<H> {
    hasher: H,
    bytes: [u8; COLLECTED],
    used: usize,
}

impl<H: Update> Collected<H> {
    pub(super) fn new(hasher: H) -> Self {
        Self { hasher, bytes: [0; COLLECTED], used: 0 }
    }

    /// The hasher, once all has been given to it.
    pub(super) fn finish(mut self) -> H {
        self.flush();
        self.hasher
    }

    fn flush(&mut self) {
        self.hasher.update(&self.bytes[..self.used]);
        self.used = 0;
    }
}

impl<H: Update> Sink for Collected<H> {
    fn put(&mut self, piece: &str) {
        if piece.len() > COLLECTED - self.used {
            self.flush();
        }
        match self.bytes.get_mut(self.used..self.used + piece.len()) {
            Some(place) => {
                place.copy_from_slice(piece.as_bytes());
                self.used += piece.len();
            }
            None => self.hasher.update(piece.as_bytes()),
        }
    }
}

/// The canonical request. `payload_hash` is what the signer said of the body.
/// `s3`: the path is encoded once and not normalised.
pub fn canonical_request(request: &Request, signature: &Signature, payload_hash: &str, s3: bool) -> String {
    let mut out = String::with_capacity(512);
    write(request, signature, payload_hash, s3, &mut out);
    out
}

/// The hash of the canonical request.
pub fn canonical_hash(request: &Request, signature: &Signature, payload_hash: &str, s3: bool) -> [u8; 32] {
    let mut out = Collected::new(Sha256::new());
    write(request, signature, payload_hash, s3, &mut out);
    out.finish().finalize().into()
}

fn write(request: &Request, signature: &Signature, payload_hash: &str, s3: bool, out: &mut impl Sink) {
    out.put(&request.method);
    out.put("\n");
    path(&request.path, s3, out);
    out.put("\n");
    query(&request.query, signature.expires.is_some(), out);
    out.put("\n");
    for name in signature.signed_headers.split(';') {
        out.put(name);
        out.put(":");
        header(request, name, out);
        out.put("\n");
    }
    out.put("\n");
    out.put(&signature.signed_headers);
    out.put("\n");
    out.put(payload_hash);
}

/// What is signed in the end.
pub fn string_to_sign(signature: &Signature, canonical: &str) -> String {
    let mut out = String::with_capacity(192);
    write_string_to_sign(signature, &Sha256::digest(canonical.as_bytes()).into(), &mut out);
    out
}

pub(super) fn write_string_to_sign(signature: &Signature, canonical_hash: &[u8; 32], out: &mut dyn Sink) {
    for piece in [signature.algorithm.as_str(), "\n", signature.stamp.as_str(), "\n"] {
        out.put(piece);
    }
    for piece in signature.scope_pieces() {
        out.put(piece);
    }
    out.put("\n");
    let mut hash = [0; 64];
    out.put(text::hex_into(canonical_hash, &mut hash));
}

/// Needs no encoding.
fn unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~')
}

fn path(raw: &str, s3: bool, out: &mut impl Sink) {
    // Nearly every path is its own canonical form.
    let plain = raw.bytes().all(|b| b == b'/' || unreserved(b));
    if raw.is_empty() {
        out.put("/");
    } else if plain && (s3 || raw == "/" || is_normal(raw)) {
        out.put(raw);
    } else if s3 {
        out.put(&encoded_once(raw, true));
    } else {
        let mut encoded = String::with_capacity(raw.len() + 16);
        text::percent_encode(&normalise(raw), true, &mut encoded);
        out.put(&encoded);
    }
}

/// A path that begins with a slash and has no segment that normalising would take out.
fn is_normal(raw: &str) -> bool {
    raw.strip_prefix('/').is_some_and(|rest| {
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        rest.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
    })
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

/// Decoded and encoded again, so that there is one form of it. A plus sign is a plus sign to signers; only forms read it
/// as a space.
fn encoded_once(part: &str, keep_slash: bool) -> Cow<'_, str> {
    if part.bytes().all(|b| unreserved(b) || (keep_slash && b == b'/')) {
        return Cow::Borrowed(part);
    }
    match text::percent_decode(part, false) {
        Some(decoded) => {
            let mut encoded = String::with_capacity(part.len() + 16);
            text::percent_encode(&decoded, keep_slash, &mut encoded);
            Cow::Owned(encoded)
        }
        None => Cow::Borrowed(part),
    }
}

fn query(raw: &str, presigned: bool, out: &mut impl Sink) {
    if raw.is_empty() {
        return;
    }
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = raw
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            (encoded_once(name, false), encoded_once(value, false))
        })
        .filter(|(name, _)| !(presigned && name == "X-Amz-Signature"))
        .collect();
    pairs.sort();
    for (i, (name, value)) in pairs.iter().enumerate() {
        if i > 0 {
            out.put("&");
        }
        out.put(name);
        out.put("=");
        out.put(value);
    }
}

fn header(request: &Request, name: &str, out: &mut impl Sink) {
    // A request has a handful of headers: walking them is cheaper than hashing the name for each look into the map.
    let values = request.headers.iter().filter(|(found, _)| found.as_str().eq_ignore_ascii_case(name));
    for (i, (_, value)) in values.enumerate() {
        if i > 0 {
            out.put(",");
        }
        match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => words(text, out),
            // Headers are bytes; signers sign them as UTF-8.
            Err(_) => words(&String::from_utf8_lossy(value.as_bytes()), out),
        }
    }
}

/// A header's value without white space at its ends, and with one space where there are several.
fn words(text: &str, out: &mut impl Sink) {
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    let plain = text.is_ascii()
        && ends.is_none_or(|(a, b)| !a.is_ascii_whitespace() && !b.is_ascii_whitespace())
        && !bytes.windows(2).any(|pair| pair[0].is_ascii_whitespace() && pair[1].is_ascii_whitespace());
    if plain {
        out.put(text);
        return;
    }
    for (i, word) in text.split(' ').map(str::trim).filter(|w| !w.is_empty()).enumerate() {
        if i > 0 {
            out.put(" ");
        }
        out.put(word);
    }
}
