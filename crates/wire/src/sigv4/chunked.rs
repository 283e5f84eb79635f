//! `aws-chunked` bodies: signed or unsigned chunks, signed or unsigned trailers.
//!
//! Source: "Signature calculations for the authorization header: transferring payload in multiple chunks" and
//! "… including trailing headers" in the S3 API reference.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::{EMPTY_SHA256, Key, Signature};
use crate::text;
use crate::value::BodyError;

/// What verifies the signatures of chunks, each of which is over the one before.
#[derive(Debug, Clone)]
pub struct ChunkSigner {
    key: Arc<Key>,
    stamp: String,
    scope: String,
    /// Signature of the request, then of the chunk before.
    previous: String,
}

impl ChunkSigner {
    /// For the body of a request whose signature was verified with `key`.
    pub fn new(key: Arc<Key>, signature: &Signature) -> Self {
        Self { key, stamp: signature.stamp.clone(), scope: signature.scope(), previous: signature.signature.clone() }
    }

    fn verify(&mut self, kind: &str, middle: &str, hash: &str, given: &str) -> bool {
        // Signatures of version 4a have no fixed length: in a chunk's header they are filled up to the longest one.
        let given = given.trim_end_matches('*');
        let algorithm = self.key.algorithm();
        let good = self.key.verifies(given, |out| {
            for piece in
                [algorithm, kind, "\n", &self.stamp, "\n", &self.scope, "\n", &self.previous, "\n", middle, hash]
            {
                out.put(piece);
            }
        });
        given.clone_into(&mut self.previous);
        good
    }

    fn chunk(&mut self, hash: &str, given: &str) -> bool {
        self.verify("-PAYLOAD", &format!("{EMPTY_SHA256}\n"), hash, given)
    }

    fn trailer(&mut self, hash: &str, given: &str) -> bool {
        self.verify("-TRAILER", "", hash, given)
    }
}

/// A number of hexadecimal digits alone: no sign, which `from_str_radix` would take.
fn hexadecimal(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| plain)
}

/// Takes an `aws-chunked` body apart as it arrives.
pub struct ChunkedDecoder {
    buffer: BytesMut,
    state: State,
    signer: Option<ChunkSigner>,
    trailer: bool,
    hasher: Sha256,
    expected: String,
    decoded: u64,
    length: Option<u64>,
    announced: Vec<String>,
    trailers: Vec<(String, String)>,
    trailers_signed: bool,
}

enum State {
    Header,
    Data(u64),
    DataEnd,
    Trailers(Vec<u8>),
    Done,
}

fn refused(code: &'static str, message: &str) -> BodyError {
    BodyError::Refused { code, message: message.to_owned() }
}

fn mismatch() -> BodyError {
    refused(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    )
}

fn malformed_trailer() -> BodyError {
    refused(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    )
}

/// A chunk header or trailer line is short.
const LINE: usize = 8 * 1024;

impl ChunkedDecoder {
    /// `signer` where chunks are signed, `trailer` where trailers follow, `length` is `x-amz-decoded-content-length`.
    pub fn new(signer: Option<ChunkSigner>, trailer: bool, length: Option<u64>) -> Self {
        Self {
            buffer: BytesMut::new(),
            state: State::Header,
            signer,
            trailer,
            hasher: Sha256::new(),
            expected: String::new(),
            decoded: 0,
            length,
            announced: Vec::new(),
            trailers: Vec::new(),
            trailers_signed: false,
        }
    }

    /// What `x-amz-trailer` says: each name of it must come, and no other one, so that a checksum cannot be left out on the
    /// way.
    #[must_use]
    pub fn announcing(mut self, names: Option<&str>) -> Self {
        let names = names.filter(|_| self.trailer).unwrap_or_default().split(',').map(str::trim);
        self.announced = names.filter(|n| !n.is_empty()).map(str::to_ascii_lowercase).collect();
        self
    }

    /// The trailers, once the body has ended.
    pub fn trailers(&self) -> &[(String, String)] {
        &self.trailers
    }

    /// Adds bytes as they came and gives back those of the content.
    ///
    /// # Errors
    /// When the encoding, a length or a signature is wrong.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Bytes>, BodyError> {
        self.buffer.extend_from_slice(bytes);
        let mut out = Vec::new();
        while self.step(&mut out)? {}
        Ok(out)
    }

    /// To be called when no more bytes come.
    ///
    /// # Errors
    /// When the body ended early.
    pub fn finish(&self) -> Result<(), BodyError> {
        match (&self.state, self.length) {
            (State::Done, Some(length)) if length != self.decoded => {
                Err(refused("IncompleteBody", "The request body terminated unexpectedly"))
            }
            (State::Done, _) => Ok(()),
            _ => Err(refused("IncompleteBody", "The request body terminated unexpectedly")),
        }
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        let Some(end) = memchr::memchr(b'\n', &self.buffer) else {
            let too_long = self.buffer.len() > LINE;
            return if too_long { Err(refused("InvalidRequest", "A chunk header is too long")) } else { Ok(None) };
        };
        let mut line = self.buffer.split_to(end + 1).to_vec();
        line.truncate(end);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    /// One step; false when more bytes are needed or all is done.
    fn step(&mut self, out: &mut Vec<Bytes>) -> Result<bool, BodyError> {
        match &mut self.state {
            State::Header => self.header(),
            State::Data(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(self.buffer.len());
                if take == 0 {
                    return Ok(false);
                }
                *left -= take as u64;
                if *left == 0 {
                    self.state = State::DataEnd;
                }
                let piece = self.buffer.split_to(take).freeze();
                if self.signer.is_some() {
                    self.hasher.update(&piece);
                }
                self.decoded += take as u64;
                out.push(piece);
                Ok(true)
            }
            State::DataEnd => {
                if self.buffer.len() < 2 {
                    return Ok(false);
                }
                if &self.buffer[..2] != b"\r\n" {
                    return Err(refused("InvalidRequest", "A chunk is longer than its header says"));
                }
                self.buffer.advance(2);
                self.check_chunk()?;
                self.state = State::Header;
                Ok(true)
            }
            State::Trailers(_) => self.trailer_line(),
            State::Done => Ok(false),
        }
    }

    fn header(&mut self) -> Result<bool, BodyError> {
        let Some(line) = self.line()? else { return Ok(false) };
        let line = String::from_utf8(line).map_err(|_| refused("InvalidRequest", "A chunk header is not text"))?;
        let (size, extension) = line.split_once(';').unwrap_or((&line, ""));
        let size = hexadecimal(size.trim())
            .ok_or_else(|| refused("InvalidChunkSizeError", "A chunk header has no hexadecimal size"))?;
        self.expected = extension.strip_prefix("chunk-signature=").unwrap_or_default().to_owned();
        if size > 0 {
            self.state = State::Data(size);
            return Ok(true);
        }
        self.check_chunk()?;
        self.state = State::Trailers(Vec::new());
        Ok(true)
    }

    fn check_chunk(&mut self) -> Result<(), BodyError> {
        let Some(signer) = &mut self.signer else { return Ok(()) };
        let hash = text::hex_encode(&std::mem::take(&mut self.hasher).finalize());
        if signer.chunk(&hash, &self.expected) { Ok(()) } else { Err(mismatch()) }
    }

    fn trailer_line(&mut self) -> Result<bool, BodyError> {
        let Some(line) = self.line()? else { return Ok(false) };
        if line.is_empty() {
            // Who signs the chunks signs the trailers too: else they could be anybody's.
            if self.signer.is_some() && !self.trailers.is_empty() && !self.trailers_signed {
                return Err(mismatch());
            }
            if self.announced.iter().any(|name| self.trailers.iter().all(|(found, _)| found != name)) {
                return Err(malformed_trailer());
            }
            self.state = State::Done;
            return Ok(true);
        }
        if self.trailers_signed {
            return Err(malformed_trailer());
        }
        let line = String::from_utf8(line).map_err(|_| malformed_trailer())?;
        let (name, value) = line.split_once(':').ok_or_else(malformed_trailer)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if name == "x-amz-trailer-signature" {
            self.check_trailer(&value)?;
        } else if self.trailer {
            if !self.announced.is_empty() && !self.announced.contains(&name) {
                return Err(malformed_trailer());
            }
            if let State::Trailers(signed) = &mut self.state {
                signed.extend_from_slice(format!("{name}:{value}\n").as_bytes());
            }
            self.trailers.push((name, value));
        }
        Ok(true)
    }

    fn check_trailer(&mut self, given: &str) -> Result<(), BodyError> {
        let State::Trailers(signed) = &self.state else { return Ok(()) };
        let hash = text::hex_encode(&Sha256::digest(signed));
        let Some(signer) = &mut self.signer else { return Ok(()) };
        self.trailers_signed = true;
        if signer.trailer(&hash, given) { Ok(()) } else { Err(mismatch()) }
    }
}
