//! Taking bytes in: hashed as they arrive, small ones into the row, large ones into a blob, never all in memory.

use std::sync::{LazyLock, PoisonError};

use sha2::{Digest as _, Sha256};
use undercast_kernel::store::{BlobId, BlobWriter, Blobs, KeyStream, PIECE, Tx, Written};
use undercast_kernel::{Body, Bytes, Cx, Failure, Result, SignedIn};
use undercast_md5::{Lanes, Md5};
use undercast_wire::text::hex_encode;
use undercast_wire::value::BodyError;

use crate::checksum::{Algorithm, Checksum, Hasher};
use crate::encryption::DataKey;
use crate::integrity::{announced_in_vain, bad_digest, content_md5};
use crate::rows::{Bucket, Stored};
use crate::{INLINE_BYTES, MOST_BYTES, annotations, content, error};

/// What the sender says of the bytes.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// `Content-MD5`.
    pub(crate) md5: Option<String>,
    /// `x-amz-sdk-checksum-algorithm`.
    pub(crate) algorithm: Option<String>,
    /// The checksum in a header.
    pub(crate) checksum: Option<(Algorithm, String)>,
    /// `Content-Length`.
    pub(crate) length: Option<i64>,
    /// They are an annotation's: of 1 byte to 1 MiB, and text.
    pub(crate) annotation: bool,
}

/// Bytes that were taken in. Keep it until the row that refers to them is committed.
pub(crate) struct Taken {
    pub(crate) stored: Stored,
    pub(crate) size: u64,
    /// MD5 in hexadecimal, of the bytes as they are kept: of those that are encrypted with a key of their own it tells
    /// nothing, as AWS's does not either.
    pub(crate) etag: String,
    /// MD5 in hexadecimal, of the bytes as they came.
    md5: String,
    pub(crate) checksum: Checksum,
    /// The sender named the checksum's algorithm.
    pub(crate) asked: bool,
    /// They are UTF-8, where they have to be.
    text: bool,
    /// Holds the blob until then.
    _written: Option<Written>,
}

/// Where the MD5s of large bodies are made, side by side.
static LANES: LazyLock<Lanes> = LazyLock::new(Lanes::default);

/// The MD5 of a body: of a large one it is made beside what writes it.
enum Hashing {
    Here(Md5),
    Beside(undercast_md5::Hashing),
}

impl Hashing {
    /// The MD5 so far, with the bytes that were being hashed.
    async fn here(self) -> Result<(Md5, Option<Vec<u8>>)> {
        match self {
            Self::Here(md5) => Ok((md5, None)),
            Self::Beside(hashing) => {
                let (md5, bytes) = hashing.await.map_err(Failure::broken)?;
                Ok((md5, Some(bytes)))
            }
        }
    }
}

/// Bytes on their way in.
struct Intake {
    /// Of the bytes as they came.
    md5: Hashing,
    checksum: Hasher,
    /// What comes next, as it came.
    buffer: Vec<u8>,
    writer: Option<BlobWriter>,
    size: u64,
    sealer: Option<Sealer>,
    expected: Option<Expected>,
    /// So many bytes at most.
    most: u64,
    /// `None`: anything may come.
    text: Option<Text>,
}

/// The SHA-256 that the sender signed.
struct Expected {
    hash: String,
    /// Of the bytes as they came, where what is kept of them is something else.
    own: Option<Sha256>,
}

/// Encrypts bytes with the key of their object.
struct Sealer {
    stream: KeyStream,
    nonce: [u8; 16],
    /// Of what it makes.
    md5: Md5,
}

impl Sealer {
    fn new(cx: &Cx, key: &DataKey) -> Result<Self> {
        let nonce = cx.random().bytes();
        Ok(Self { stream: key.stream(&nonce, 0)?, nonce, md5: Md5::new() })
    }

    fn seal(&mut self, bytes: &mut [u8]) {
        self.stream.apply(bytes);
        self.md5.update(bytes);
    }
}

/// UTF-8 that comes in pieces, which may end within a character.
#[derive(Debug, Default)]
struct Text {
    /// The beginning of a character.
    begun: Vec<u8>,
    broken: bool,
}

impl Text {
    fn push(&mut self, bytes: &[u8]) {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        match std::str::from_utf8(&all) {
            Ok(_) => {}
            Err(wrong) if wrong.error_len().is_none() => self.begun = all.split_off(wrong.valid_up_to()),
            Err(_) => self.broken = true,
        }
    }

    fn is_whole(&self) -> bool {
        !self.broken && self.begun.is_empty()
    }
}

impl Intake {
    fn new(cx: &Cx, algorithm: Algorithm, body: &mut Body, key: Option<&DataKey>) -> Result<Self> {
        let length = body.length();
        let length = length.and_then(|l| usize::try_from(l).ok()).unwrap_or(INLINE_BYTES);
        let buffer = if length < PIECE { Vec::with_capacity(length) } else { cx.blobs().piece() };
        let expected = body.take_expected();
        Ok(Self {
            md5: Hashing::Here(Md5::new()),
            checksum: Hasher::new(algorithm),
            buffer,
            writer: None,
            size: 0,
            sealer: key.map(|key| Sealer::new(cx, key)).transpose()?,
            // The blob's name is the hash of its bytes, so those that stay as they are need no second one.
            expected: expected.map(|hash| Expected { hash, own: key.map(|_| Sha256::new()) }),
            most: MOST_BYTES,
            text: None,
        })
    }

    /// The bytes are an annotation's.
    fn of_annotation(self) -> Self {
        Self { most: annotations::MOST_BYTES, text: Some(Text::default()), ..self }
    }

    async fn push(&mut self, cx: &Cx, bytes: &Bytes) -> Result<()> {
        self.size += bytes.len() as u64;
        if self.size > self.most {
            return Err(error::entity_too_large(self.size, self.most).into());
        }
        if let Some(text) = &mut self.text {
            text.push(bytes);
        }
        self.checksum.update(bytes);
        if let Some(own) = self.expected.as_mut().and_then(|e| e.own.as_mut()) {
            own.update(bytes);
        }
        let mut bytes = bytes.as_ref();
        while self.buffer.len() + bytes.len() >= PIECE {
            let (head, rest) = bytes.split_at(PIECE - self.buffer.len());
            self.buffer.extend_from_slice(head);
            self.flush(cx).await?;
            bytes = rest;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    async fn all(mut self, cx: &Cx, mut body: Body) -> Result<Taken> {
        while let Some(piece) = body.next().await {
            let piece: Bytes = piece.map_err(|e| error::body(&e))?;
            self.push(cx, &piece).await?;
        }
        self.finish(cx).await
    }

    /// Lets a piece be hashed, and writes the one before it.
    async fn flush(&mut self, cx: &Cx) -> Result<()> {
        let piece = std::mem::replace(&mut self.buffer, cx.blobs().piece());
        let (md5, before) = self.hashed().await?;
        self.md5 = Hashing::Beside(LANES.update(md5, piece));
        match before {
            Some(before) => self.write(cx, before).await,
            None => Ok(()),
        }
    }

    /// The MD5 of all pieces so far, and the last one, which is not written yet.
    async fn hashed(&mut self) -> Result<(Md5, Option<Vec<u8>>)> {
        std::mem::replace(&mut self.md5, Hashing::Here(Md5::new())).here().await
    }

    async fn write(&mut self, cx: &Cx, mut piece: Vec<u8>) -> Result<()> {
        if let Some(sealer) = &mut self.sealer {
            sealer.seal(&mut piece);
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(cx.blobs().writer().await?),
        };
        Ok(writer.push(piece).await?)
    }

    /// The bytes must be those that the sender signed.
    fn check_expected(&mut self, last: &[u8]) -> Result<()> {
        let Some(Expected { hash, own }) = self.expected.take() else { return Ok(()) };
        let found = match (own, &self.writer) {
            (Some(own), _) => hex_encode(&own.finalize()),
            (None, Some(writer)) => writer.hash(),
            (None, None) => hex_encode(&Sha256::digest(last)),
        };
        if found == hash { Ok(()) } else { Err(error::body(&BodyError::other_hash())) }
    }

    async fn finish(mut self, cx: &Cx) -> Result<Taken> {
        let (mut md5, before) = self.hashed().await?;
        let mut last = std::mem::take(&mut self.buffer);
        md5.update(&last);
        if let Some(before) = before {
            self.write(cx, before).await?;
        }
        if self.writer.is_some() || last.len() > INLINE_BYTES {
            self.write(cx, std::mem::take(&mut last)).await?;
        } else if let Some(sealer) = &mut self.sealer {
            sealer.seal(&mut last);
        }
        self.check_expected(&last)?;
        let nonce = self.sealer.as_ref().map(|s| s.nonce.to_vec().into());
        let (stored, written) = match self.writer {
            Some(writer) => {
                let written = writer.finish().await?;
                (Stored::Blob(written.id.0.clone(), nonce), Some(written))
            }
            None => (Stored::Inline(cx.blobs().seal(&last)?.into(), nonce), None),
        };
        let md5 = hex_encode(&md5.finish());
        let etag = self.sealer.map_or_else(|| md5.clone(), |s| hex_encode(&s.md5.finish()));
        let checksum = self.checksum.finish();
        let text = self.text.is_none_or(|text| text.is_whole());
        Ok(Taken { stored, size: self.size, etag, md5, checksum, asked: false, text, _written: written })
    }
}

/// Takes a body in and holds it against what the sender says of it. Without a word from the sender the checksum is a
/// CRC-64/NVME.
pub(crate) async fn take(cx: &Cx, mut body: Body, said: Said, key: Option<&DataKey>) -> Result<Taken> {
    let length = body.length().or(said.length.and_then(|l| u64::try_from(l).ok()));
    // A form says how long it is as a whole.
    let form = cx.origin().signed.as_ref().is_some_and(|s| s.place == SignedIn::Form);
    if length.is_none() && !form {
        return Err(undercast_kernel::AwsError::new(
            "MissingContentLength",
            411,
            "You must provide the Content-Length HTTP header.",
        )
        .into());
    }
    let most = if said.annotation { annotations::MOST_BYTES } else { MOST_BYTES };
    if let Some(size) = length.filter(|l| *l > most) {
        return Err(error::entity_too_large(size, most).into());
    }
    if let Some((algorithm, value)) = &said.checksum {
        algorithm.check_value(value, "header")?;
    }
    let md5 = said.md5.as_deref().map(content_md5).transpose()?;
    let announced = said.algorithm.as_deref().map(Algorithm::parse).transpose()?;
    let algorithm = said.checksum.as_ref().map(|c| c.0).or(announced);
    let trailers = body.trailers();
    let intake = Intake::new(cx, algorithm.unwrap_or(Algorithm::Crc64Nvme), &mut body, key)?;
    let intake = if said.annotation { intake.of_annotation() } else { intake };
    let mut taken = intake.all(cx, body).await?;
    if md5.is_some_and(|wanted| hex_encode(&wanted) != taken.md5) {
        return Err(bad_digest("Content-MD5", "what we received").into());
    }
    let trailer = trailing(&trailers.lock().unwrap_or_else(PoisonError::into_inner));
    let given = match (said.checksum, trailer) {
        (Some(given), _) => Some(given),
        (None, Some((algorithm, value))) => {
            algorithm.check_value(&value, "trailing header")?;
            Some((algorithm, value))
        }
        (None, None) if announced.is_some() && cx.origin().address.is_some() => {
            return Err(announced_in_vain().into());
        }
        (None, None) => None,
    };
    if let Some((algorithm, value)) = given {
        if taken.checksum.algorithm != algorithm {
            // Only the trailer named it, so it is computed from what was kept.
            taken.checksum = content::checksum(cx, &taken.stored, key, algorithm).await?;
        }
        if taken.checksum.value != value {
            return Err(bad_digest(algorithm.name(), "the calculated checksum").into());
        }
    }
    if !taken.text {
        return Err(annotations::not_text().into());
    }
    taken.asked = algorithm.is_some();
    Ok(taken)
}

/// Takes bytes in of which nobody says anything more: those of a copy are here already.
pub(crate) async fn copy(cx: &Cx, mut body: Body, algorithm: Algorithm, key: Option<&DataKey>) -> Result<Taken> {
    Intake::new(cx, algorithm, &mut body, key)?.all(cx, body).await
}

/// Hashes bytes that stay where they are: the MD5 in hexadecimal, and the checksum.
pub(crate) async fn hash(mut body: Body, algorithm: Algorithm) -> Result<(String, Checksum)> {
    let (mut md5, mut checksum) = (Md5::new(), Hasher::new(algorithm));
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|e| error::body(&e))?;
        md5.update(&piece);
        checksum.update(&piece);
    }
    Ok((hex_encode(&md5.finish()), checksum.finish()))
}

fn trailing(trailers: &[(String, String)]) -> Option<(Algorithm, String)> {
    trailers.iter().find_map(|(name, value)| Some((Algorithm::of_header(name)?, value.clone())))
}

/// One more row of the bucket refers to these bytes.
pub(crate) fn retain(tx: &mut Tx<'_>, bucket: &Bucket, stored: &Stored) -> Result<()> {
    if let Stored::Blob(id, _) = stored {
        Blobs::retain(tx, &bucket.account, &BlobId(id.clone()))?;
    }
    Ok(())
}

/// One row less of the bucket refers to these bytes.
pub(crate) fn release(tx: &mut Tx<'_>, bucket: &Bucket, stored: &Stored) -> Result<()> {
    if let Stored::Blob(id, _) = stored {
        Blobs::release(tx, &bucket.account, &BlobId(id.clone()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn text_comes_in_pieces() {
        let whole = |pieces: &[&[u8]]| {
            let mut text = Text::default();
            pieces.iter().for_each(|piece| text.push(piece));
            text.is_whole()
        };
        let euro = "€".as_bytes();
        assert!(whole(&[b"a", &euro[..1], &euro[1..2], &euro[2..], b"z"]));
        assert!(!whole(&[&euro[..2]]), "it ends within a character");
        assert!(!whole(&[&euro[..1], b"a"]));
        assert!(!whole(&[b"\xff", b"a"]));
    }
}
