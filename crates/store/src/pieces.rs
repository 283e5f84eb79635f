//! Buffers that are used again: fresh ones of this size cost the system more to give than to fill.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Large bytes are read and written in pieces of so many.
pub const PIECE: usize = 256 * 1024;

/// So many buffers are kept for later.
const KEPT: usize = 48;

/// The buffers that nobody uses just now.
#[derive(Clone, Default)]
pub(crate) struct Pieces(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer that goes back when nobody reads it any more.
struct Lent {
    bytes: Vec<u8>,
    length: usize,
    home: Pieces,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.back(std::mem::take(&mut self.bytes));
    }
}

impl Pieces {
    fn kept(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty buffer with room for a piece.
    pub(crate) fn empty(&self) -> Vec<u8> {
        let mut bytes = self.kept().pop().unwrap_or_else(|| Vec::with_capacity(PIECE));
        bytes.clear();
        bytes
    }

    /// A buffer of this length, or longer, to be read into.
    pub(crate) fn filled(&self, length: usize) -> Vec<u8> {
        let mut bytes = self.kept().pop().unwrap_or_default();
        if bytes.len() < length {
            bytes.resize(length.max(PIECE), 0);
        }
        bytes
    }

    /// Takes a buffer back.
    pub(crate) fn back(&self, bytes: Vec<u8>) {
        let mut kept = self.kept();
        if bytes.capacity() >= PIECE && bytes.capacity() < 2 * PIECE && kept.len() < KEPT {
            kept.push(bytes);
        }
    }

    /// The first bytes of a buffer, which comes back when they are let go of.
    pub(crate) fn lend(&self, bytes: Vec<u8>, length: usize) -> Bytes {
        Bytes::from_owner(Lent { bytes, length, home: self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_the_last_reader_is_done() {
        let pieces = Pieces::default();
        let mut bytes = pieces.filled(10);
        bytes[..3].copy_from_slice(b"abc");
        let at = bytes.as_ptr();
        let lent = pieces.lend(bytes, 3);
        let part = lent.slice(1..);
        drop(lent);
        assert_eq!(part.as_ref(), b"bc");
        assert_eq!(pieces.kept().len(), 0);
        drop(part);
        let again = pieces.empty();
        assert_eq!(again.as_ptr(), at);
        // Small ones, and more than enough, are not kept.
        pieces.back(Vec::with_capacity(10));
        (0..2 * KEPT).for_each(|_| pieces.back(Vec::with_capacity(PIECE)));
        assert_eq!(pieces.kept().len(), KEPT);
    }
}
