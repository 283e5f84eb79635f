//! Bodies in chunks, and event streams.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use undercast_wire::Bytes;
use undercast_wire::eventstream::Message;
use undercast_wire::sigv4::chunked::{ChunkSigner, ChunkedDecoder};
use undercast_wire::sigv4::{self, EMPTY_SHA256, Key, Signature, asymmetric};
use undercast_wire::text;
use undercast_wire::value::BodyError;

use super::signatures::sign_asymmetric;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// The first four bytes say how; the others are a body in chunks, and then the content of one that is made.
pub(super) fn chunks(bytes: &[u8]) {
    let Some((how, rest)) = bytes.split_at_checked(4) else { return };
    let (trailer, step) = (how[0] & 1 == 1, usize::from(how[1]) + 1);
    let decoder = || ChunkedDecoder::new(None, trailer, None);
    let (whole, parts) = (read(decoder(), rest, rest.len().max(1)), read(decoder(), rest, step));
    assert_eq!(whole.is_ok(), parts.is_ok(), "read whole and in parts of {step}");
    if let (Ok(whole), Ok(parts)) = (whole, parts) {
        assert!(whole.0.len() <= rest.len(), "more content than bytes");
        assert_eq!(whole, parts, "read whole and in parts of {step}");
    }
    signed(how, rest, trailer, step);
}

type Content = (Vec<u8>, Vec<(String, String)>);

fn read(mut decoder: ChunkedDecoder, bytes: &[u8], step: usize) -> Result<Content, BodyError> {
    let mut content = Vec::new();
    for part in bytes.chunks(step) {
        decoder.push(part)?.iter().for_each(|piece| content.extend_from_slice(piece));
    }
    decoder.finish()?;
    Ok((content, decoder.trailers().to_vec()))
}

/// Signs content in chunks, and reads it; then with a byte changed, which must be noticed or change nothing.
fn signed(how: &[u8], content: &[u8], trailer: bool, step: usize) {
    let asymmetric = how[0] & 2 == 2;
    let signature = Signature {
        algorithm: if asymmetric { asymmetric::ALGORITHM } else { sigv4::SYMMETRIC }.to_owned(),
        access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        date: "20261124".to_owned(),
        region: "us-east-1".to_owned(),
        service: "s3".to_owned(),
        signed_headers: "host".to_owned(),
        signature: "00".repeat(32),
        signed_at: undercast_wire::Timestamp::UNIX_EPOCH,
        stamp: "20261124T062303Z".to_owned(),
        token: None,
        expires: None,
    };
    // Signing with a curve is slow: a few chunks are enough.
    let content = &content[..content.len().min(if asymmetric { 64 } else { 1024 })];
    let length = if asymmetric { 32 } else { step };
    let body = encode(&signature, content, trailer, length);
    let key = Arc::new(Key::of(&signature, SECRET));
    let decoder = || {
        let signer = ChunkSigner::new(key.clone(), &signature);
        ChunkedDecoder::new(Some(signer), trailer, Some(content.len() as u64))
    };
    let (found, trailers) = read(decoder(), &body, step).expect("what was signed is read");
    assert_eq!(found, content, "what was signed is read");
    assert_eq!(trailers.len(), usize::from(trailer), "the trailer is read");
    let at = usize::from(u16::from_be_bytes([how[2], how[3]])) % body.len();
    let mut changed = body;
    changed[at] ^= 1 << (how[0] >> 5);
    if let Ok((other, others)) = read(decoder(), &changed, step) {
        assert_eq!((other, others), (found, trailers), "a change at {at} was not noticed");
    }
}

fn encode(signature: &Signature, content: &[u8], trailer: bool, length: usize) -> Vec<u8> {
    let mut previous = signature.signature.clone();
    let mut sign = |kind: &str, middle: &str, data: &[u8]| {
        let hash = text::hex_encode(&Sha256::digest(data));
        let (algorithm, stamp, scope) = (&signature.algorithm, &signature.stamp, signature.scope());
        let to_sign = format!("{algorithm}{kind}\n{stamp}\n{scope}\n{previous}\n{middle}{hash}");
        previous = if signature.is_asymmetric() {
            sign_asymmetric(&signature.access_key, &to_sign)
        } else {
            let key = sigv4::signing_key(SECRET, &signature.date, &signature.region, &signature.service);
            sigv4::sign(&key, &to_sign)
        };
        if signature.is_asymmetric() { format!("{previous:*<144}") } else { previous.clone() }
    };
    let mut out = Vec::new();
    for data in content.chunks(length).chain([&[][..]]) {
        let made = sign("-PAYLOAD", &format!("{EMPTY_SHA256}\n"), data);
        out.extend_from_slice(format!("{:x};chunk-signature={made}\r\n", data.len()).as_bytes());
        out.extend_from_slice(data);
        if !data.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
    }
    if trailer {
        let line = "x-amz-checksum-crc32:AAAAAA==\n";
        let made = sign("-TRAILER", "", line.as_bytes());
        out.extend_from_slice(format!("{}\r\nx-amz-trailer-signature:{made}\r\n", line.trim_end()).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}

pub(super) fn events(bytes: &[u8]) {
    if let Ok(Some((message, taken))) = Message::decode(bytes) {
        assert!(taken <= bytes.len() && taken >= 16, "{taken} bytes were taken");
        assert_eq!(message.encode().as_deref(), Ok(&bytes[..taken]), "a message is written as it was read");
    }
    // Chance finds no checksum: the bytes between them are given the right ones.
    let Some((split, rest)) = bytes.split_first() else { return };
    let Some((headers, payload)) = rest.split_at_checked(usize::from(*split)) else { return };
    let made = framed(headers, payload);
    if let Ok(found) = Message::decode(&made) {
        let (message, taken) = found.expect("all of it is there");
        assert_eq!((taken, &message.payload), (made.len(), &Bytes::copy_from_slice(payload)));
        assert_eq!(message.encode().as_deref(), Ok(made.as_slice()), "a message is written as it was read");
    }
    assert!(matches!(Message::decode(&made[..made.len() - 1]), Ok(None)), "the end is missing");
}

fn framed(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let word = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = Vec::new();
    out.extend_from_slice(&word(16 + headers.len() + payload.len()));
    out.extend_from_slice(&word(headers.len()));
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}
