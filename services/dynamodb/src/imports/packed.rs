//! Objects that are packed: with gzip or Zstandard, each of which may stand in an object several times, one behind another.

use super::records::{Format, Records};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use std::io::{BufRead, BufReader, Read};

/// The records of an object that is packed as a request says: `NONE`, `GZIP` or `ZSTD`.
pub fn open(compression: &str, bytes: impl Into<Bytes>, format: Format) -> Records<Box<dyn BufRead + Send>> {
    let bytes = std::io::Cursor::new(bytes.into());
    let plain: Box<dyn BufRead + Send> = match compression {
        "GZIP" => Box::new(BufReader::new(MultiGzDecoder::new(bytes))),
        "ZSTD" => Box::new(BufReader::new(Frames { source: bytes, decoder: ruzstd::decoding::FrameDecoder::new() })),
        _ => Box::new(bytes),
    };
    Records::new(plain, format)
}

/// All frames of Zstandard that stand one behind another.
struct Frames {
    source: std::io::Cursor<Bytes>,
    decoder: ruzstd::decoding::FrameDecoder,
}

impl Read for Frames {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        use ruzstd::decoding::BlockDecodingStrategy::UptoBytes;
        loop {
            let read = self.decoder.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            let wrong = |error: ruzstd::decoding::errors::FrameDecoderError| std::io::Error::other(error.to_string());
            if self.decoder.is_finished() {
                let (told, found) = (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
                if told.is_some() && told != found {
                    return Err(std::io::Error::other("a frame has another checksum than it says"));
                }
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                match self.decoder.reset(&mut self.source) {
                    Err(error) if skipped(&error).is_some() => {
                        let length = u64::from(skipped(&error).unwrap_or(0));
                        self.source.set_position(self.source.position().saturating_add(length));
                    }
                    other => other.map_err(wrong)?,
                }
            } else {
                self.decoder.decode_blocks(&mut self.source, UptoBytes(64 * 1024)).map_err(wrong)?;
            }
        }
    }
}

/// The length of a frame that is to be passed over, if that is what was met.
fn skipped(error: &ruzstd::decoding::errors::FrameDecoderError) -> Option<u32> {
    use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
    match error {
        FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. }) => Some(*length),
        _ => None,
    }
}
