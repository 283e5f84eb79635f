//! The bytes of an object one after another, decompressed, through a window.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;

use crate::error::{Code, Error, Result};
use crate::settings::Compression;

/// An object that can be read anywhere.
pub trait Source: Send + Sync {
    /// Its length in bytes.
    fn size(&self) -> u64;

    /// Reads bytes from `offset` on into `buffer` and says how many; 0 at the end.
    ///
    /// # Errors
    /// When the object cannot be read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// How many bytes of an object were read, and how many they were without compression.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter {
    scanned: Arc<AtomicU64>,
    processed: Arc<AtomicU64>,
}

impl Counter {
    pub(crate) fn scanned(&self) -> u64 {
        self.scanned.load(Ordering::Relaxed)
    }

    pub(crate) fn processed(&self) -> u64 {
        self.processed.load(Ordering::Relaxed)
    }

    pub(crate) fn add_scanned(&self, bytes: usize) {
        self.scanned.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_processed(&self, bytes: usize) {
        self.processed.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// That it was the object which failed, and not what is in it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct SourceFailed(io::Error);

/// The bytes as they are stored.
struct Stored {
    source: Arc<dyn Source>,
    at: u64,
    counter: Counter,
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.source.read_at(self.at, buffer) {
            Ok(read) => read.min(buffer.len()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(io::Error::other(SourceFailed(error))),
        };
        self.at += read as u64;
        self.counter.add_scanned(read);
        Ok(read)
    }
}

/// Bytes are read in pieces of so many.
const PIECE: usize = 64 * 1024;

/// A window that moves over bytes.
pub(crate) struct Tape {
    input: Box<dyn Read + Send>,
    compression: Compression,
    counter: Counter,
    buffer: Vec<u8>,
    /// The window is `buffer[from..to]`.
    from: usize,
    to: usize,
    /// Where the window begins.
    offset: u64,
    ended: bool,
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Tape {
    /// From `offset` on, which is 0 for what is compressed.
    pub(crate) fn open(
        source: Arc<dyn Source>,
        offset: u64,
        compression: Compression,
        counter: &Counter,
    ) -> Result<Self> {
        let magic: &[u8] = match compression {
            Compression::None => b"",
            Compression::Gzip => b"\x1f\x8b",
            Compression::Bzip2 => b"BZh",
        };
        let mut stored = Stored { source, at: offset, counter: counter.clone() };
        let mut head = vec![0; magic.len()];
        let length = fill(&mut stored, &mut head).map_err(|e| failed(&e))?;
        if head.get(..length) != Some(magic) {
            let name = if compression == Compression::Gzip { "GZIP" } else { "BZIP2" };
            let message =
                format!("{name} is not applicable to the queried object. Please correct the request and try again.");
            return Err(Error::new(Code::InvalidCompressionFormat, message));
        }
        let stored = io::Cursor::new(head).chain(stored);
        let input: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(stored),
            Compression::Gzip => Box::new(MultiGzDecoder::new(stored)),
            Compression::Bzip2 => Box::new(MultiBzDecoder::new(stored)),
        };
        let mut tape = Self {
            input,
            compression,
            counter: counter.clone(),
            buffer: vec![0; 2 * PIECE],
            from: 0,
            to: 0,
            offset,
            ended: false,
        };
        if offset == 0 && tape.starts_with("\u{feff}".as_bytes())? {
            tape.consume(3);
        }
        Ok(tape)
    }

    /// Where the next byte stands, without compression.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads on, unless there is no more.
    fn read_more(&mut self) -> Result<()> {
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
        }
        let end = self.buffer.len().min(self.to + PIECE);
        loop {
            match self.input.read(&mut self.buffer[self.to..end]) {
                Ok(0) => self.ended = true,
                Ok(read) => {
                    self.to += read;
                    self.counter.add_processed(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if self.compression == Compression::None => return Err(failed(&error)),
                Err(error) => return Err(undone(&error)),
            }
            return Ok(());
        }
    }

    /// The bytes that come next; none at the end.
    pub(crate) fn window(&mut self) -> Result<&[u8]> {
        if self.from == self.to && !self.ended {
            self.read_more()?;
        }
        Ok(&self.buffer[self.from..self.to])
    }

    /// Goes past bytes of the window.
    pub(crate) fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.to - self.from);
        self.from += bytes;
        self.offset += bytes as u64;
    }

    pub(crate) fn peek(&mut self) -> Result<Option<u8>> {
        if self.from < self.to {
            return Ok(Some(self.buffer[self.from]));
        }
        Ok(self.window()?.first().copied())
    }

    /// Whether this comes next; it is short.
    pub(crate) fn starts_with(&mut self, text: &[u8]) -> Result<bool> {
        while self.to - self.from < text.len() && !self.ended {
            self.read_more()?;
        }
        Ok(self.buffer[self.from..self.to].starts_with(text))
    }

    /// Goes past a text, or to the end when it does not come.
    pub(crate) fn skip_past(&mut self, text: &[u8]) -> Result<()> {
        let Some(first) = text.first().copied() else { return Ok(()) };
        loop {
            let window = self.window()?;
            if window.is_empty() {
                return Ok(());
            }
            let (length, found) = match memchr::memchr(first, window) {
                Some(at) => (at, true),
                None => (window.len(), false),
            };
            self.consume(length);
            if found {
                if self.starts_with(text)? {
                    self.consume(text.len());
                    return Ok(());
                }
                self.consume(1);
            }
        }
    }
}

fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match input.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

fn failed(error: &io::Error) -> Error {
    Error::reading(error)
}

/// Decompression came to an end before the bytes did, or the other way round.
fn undone(error: &io::Error) -> Error {
    match error.get_ref() {
        Some(inner) if inner.is::<SourceFailed>() => failed(error),
        _ => Code::TruncatedInput.into(),
    }
}
