//! MD5 of many streams at once.
//!
//! Knows: RFC 1321, and the threads of tokio. Must not know: what the bytes are.
//!
//! S3 names an object by the MD5 of its bytes, and one stream's MD5 cannot be made faster than one step after the other:
//! it is what an upload costs most. Uploads that come at the same time are hashed in step, so that sixteen take little
//! more of the processor than one.

mod kernel;
mod lanes;

pub use lanes::{Hashing, Lanes};

use kernel::{BEGINNING, BLOCK, State};

/// The hash of the bytes so far.
#[derive(Clone, Debug)]
pub struct Md5 {
    state: State,
    /// Bytes so far.
    length: u64,
    /// The beginning of a block, of which there is more to come.
    rest: [u8; BLOCK],
}

impl Default for Md5 {
    fn default() -> Self {
        Self { state: BEGINNING, length: 0, rest: [0; BLOCK] }
    }
}

impl Md5 {
    /// Of no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// How much of a block waits for more.
    fn begun(&self) -> usize {
        // Less than a block.
        (self.length % BLOCK as u64) as usize
    }

    /// Fills the block that was begun; what is left of the bytes.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let begun = self.begun();
        if begun == 0 {
            return bytes;
        }
        let (head, rest) = bytes.split_at(bytes.len().min(BLOCK - begun));
        self.rest[begun..begun + head.len()].copy_from_slice(head);
        self.length += head.len() as u64;
        if self.begun() == 0 {
            let block = self.rest;
            kernel::take(&mut [(&mut self.state, &block)], 1);
        }
        rest
    }

    /// Keeps the beginning of a block, when no other was begun.
    fn keep(&mut self, bytes: &[u8]) {
        self.rest[..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len() as u64;
    }

    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        let bytes = self.fill(bytes);
        let (blocks, rest) = bytes.split_at(bytes.len() / BLOCK * BLOCK);
        kernel::take(&mut [(&mut self.state, blocks)], blocks.len() / BLOCK);
        self.length += blocks.len() as u64;
        if !rest.is_empty() {
            self.keep(rest);
        }
    }

    /// The hash.
    pub fn finish(mut self) -> [u8; 16] {
        let bits = self.length.wrapping_mul(8).to_le_bytes();
        let mut end = [0; 2 * BLOCK];
        end[0] = 0x80;
        // The length ends a block.
        let zeros = (2 * BLOCK - 8 - self.begun() - 1) % BLOCK;
        self.update(&end[..1 + zeros]);
        self.update(&bits);
        let mut out = [0; 16];
        for (bytes, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        out
    }
}
