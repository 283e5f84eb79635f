//! How ORC writes the values of a column (version 1 of its run lengths), and how it compresses them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::message::varint;

/// A stream is compressed in pieces of so many bytes.
pub(super) const BLOCK_BYTES: usize = 256 * 1024;

/// What streams are compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Nothing.
    Plain,
    /// `ZLIB`
    Zlib,
    /// `SNAPPY`
    Snappy,
}

impl Packing {
    /// As the format numbers it.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Plain => 0,
            Self::Zlib => 1,
            Self::Snappy => 2,
        }
    }

    fn smaller(self, block: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Snappy => Ok(snap::raw::Encoder::new().compress_vec(block)?),
            _ => {
                let mut out = DeflateEncoder::new(Vec::new(), Compression::default());
                out.write_all(block)?;
                out.finish()
            }
        }
    }
}

/// The shortest run, and the longest one, that have a form of their own.
const SHORTEST: usize = 3;
const LONGEST: usize = 130;
/// So many values stand as they are in one piece at most.
const MOST_LITERALS: usize = 128;

/// A head byte: how long a run is, or how many values follow as they are.
fn run_head(length: usize) -> u8 {
    u8::try_from(length - SHORTEST).unwrap_or(u8::MAX)
}

fn literal_head(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(0).wrapping_neg()
}

/// Whole numbers: runs with a constant step, and what is between them.
#[derive(Debug)]
pub(super) struct Integers {
    signed: bool,
    values: Vec<i64>,
}

impl Integers {
    pub(super) fn signed() -> Self {
        Self { signed: true, values: Vec::new() }
    }

    /// None of them is below zero.
    pub(super) fn unsigned() -> Self {
        Self { signed: false, values: Vec::new() }
    }

    pub(super) fn push(&mut self, value: i64) {
        self.values.push(value);
    }

    /// What was pushed, encoded.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let values = std::mem::take(&mut self.values);
        let mut out = Vec::new();
        let (mut at, mut literals) = (0, 0);
        while at < values.len() {
            let (length, step) = run(&values[at..]);
            if length >= SHORTEST {
                self.literals(&values[at - literals..at], &mut out);
                literals = 0;
                out.extend([run_head(length), step.to_le_bytes()[0]]);
                self.value(values[at], &mut out);
                at += length;
            } else {
                literals += 1;
                at += 1;
                if literals == MOST_LITERALS {
                    self.literals(&values[at - literals..at], &mut out);
                    literals = 0;
                }
            }
        }
        self.literals(&values[at - literals..], &mut out);
        out
    }

    fn literals(&self, values: &[i64], out: &mut Vec<u8>) {
        if !values.is_empty() {
            out.push(literal_head(values.len()));
            values.iter().for_each(|v| self.value(*v, out));
        }
    }

    fn value(&self, value: i64, out: &mut Vec<u8>) {
        // Zigzag, where there are numbers below zero.
        let value = if self.signed { (value << 1) ^ (value >> 63) } else { value };
        varint(value.cast_unsigned(), out);
    }
}

/// How many of the first values go on with the same step, and the step.
fn run(values: &[i64]) -> (usize, i8) {
    let [first, second, ..] = values else { return (values.len(), 0) };
    let Some(step) = second.checked_sub(*first).and_then(|step| i8::try_from(step).ok()) else { return (1, 0) };
    let steps = values.windows(2).take(LONGEST - 1);
    let same = steps.take_while(|pair| matches!(pair, [a, b] if a.checked_add(i64::from(step)) == Some(*b))).count();
    (same + 1, step)
}

/// Bytes: runs of one and the same, and what is between them.
pub(super) fn bytes(values: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let literals = |values: &[u8], out: &mut Vec<u8>| {
        if !values.is_empty() {
            out.push(literal_head(values.len()));
            out.extend_from_slice(values);
        }
    };
    let (mut at, mut waiting) = (0, 0);
    while at < values.len() {
        let length = values[at..].iter().take(LONGEST).take_while(|b| **b == values[at]).count();
        if length >= SHORTEST {
            literals(&values[at - waiting..at], &mut out);
            waiting = 0;
            out.extend([run_head(length), values[at]]);
            at += length;
        } else {
            waiting += 1;
            at += 1;
            if waiting == MOST_LITERALS {
                literals(&values[at - waiting..at], &mut out);
                waiting = 0;
            }
        }
    }
    literals(&values[at - waiting..], &mut out);
    out
}

/// Truths, eight a byte, the first one highest.
#[derive(Debug, Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    /// How many of the last byte's bits are used; 0: all.
    used: u8,
}

impl Bits {
    pub(super) fn push(&mut self, truth: bool) {
        if self.used == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut().filter(|_| truth) {
            *last |= 0x80 >> self.used;
        }
        self.used = (self.used + 1) % 8;
    }

    pub(super) fn finish(self) -> Vec<u8> {
        bytes(&self.bytes)
    }
}

/// The nanoseconds of a timestamp: zeros at the end are counted and left out; one alone is not worth it.
pub(super) fn nanoseconds(value: i64) -> i64 {
    if value == 0 || value % 100 != 0 {
        return value << 3;
    }
    let (mut rest, mut zeros) = (value / 100, 1);
    while rest % 10 == 0 && zeros < 7 {
        rest /= 10;
        zeros += 1;
    }
    (rest << 3) | zeros
}

/// Writes what is compressed.
pub(super) struct Compressed<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) packing: Packing,
}

impl Compressed<'_> {
    /// In blocks, each as it is where compressing does not make it smaller; gives how many bytes that were.
    pub(super) fn write(self, bytes: &[u8]) -> std::io::Result<usize> {
        let begin = self.out.len();
        if self.packing == Packing::Plain {
            self.out.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        for block in bytes.chunks(BLOCK_BYTES) {
            let smaller = self.packing.smaller(block)?;
            let (kept, as_it_is) = if smaller.len() < block.len() { (smaller.as_slice(), 0) } else { (block, 1) };
            let head = u32::try_from((kept.len() << 1) | as_it_is).unwrap_or(u32::MAX);
            self.out.extend_from_slice(&head.to_le_bytes()[..3]);
            self.out.extend_from_slice(kept);
        }
        Ok(self.out.len() - begin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integers(mut to: Integers, values: impl IntoIterator<Item = i64>) -> Vec<u8> {
        values.into_iter().for_each(|v| to.push(v));
        to.take()
    }

    fn bits(truths: impl IntoIterator<Item = bool>) -> Vec<u8> {
        let mut bits = Bits::default();
        truths.into_iter().for_each(|t| bits.push(t));
        bits.finish()
    }

    // The examples of the specification.
    #[test]
    fn runs_are_written_as_the_specification_has_them() {
        assert_eq!(integers(Integers::unsigned(), [7; 100]), [0x61, 0x00, 0x07]);
        assert_eq!(integers(Integers::unsigned(), (1..=100).rev()), [0x61, 0xff, 0x64]);
        assert_eq!(integers(Integers::unsigned(), [2, 3, 6, 7, 11]), [0xfb, 0x02, 0x03, 0x06, 0x07, 0x0b]);
        assert_eq!(integers(Integers::signed(), [0, -1, 1, -2, 2]), [0xfb, 0x00, 0x01, 0x02, 0x03, 0x04]);
        assert_eq!(bytes(&[0; 100]), [0x61, 0x00]);
        assert_eq!(bytes(&[0x44, 0x45]), [0xfe, 0x44, 0x45]);
        assert_eq!(bits([true, false, false, false, false, false, false, false]), [0xff, 0x80]);
    }

    #[test]
    fn runs_end_where_they_must() {
        assert_eq!(integers(Integers::unsigned(), [5; 131]), [0x7f, 0x00, 0x05, 0xff, 0x05]);
        assert_eq!(integers(Integers::unsigned(), [9, 1, 1, 1, 8]), [0xff, 0x09, 0x00, 0x00, 0x01, 0xff, 0x08]);
        let far: Vec<i64> = (0..130).map(|i| i * i * 1000).collect();
        let written = integers(Integers::unsigned(), far);
        assert_eq!(written[0], 0x80, "128 at a time");
        assert_eq!(integers(Integers::signed(), [i64::MIN, i64::MAX]).len(), 21);
        assert!(integers(Integers::unsigned(), []).is_empty());
        assert_eq!(bits([true; 9]), [0xfe, 0xff, 0x80]);
    }

    #[test]
    fn zeros_at_the_end_of_nanoseconds_are_counted() {
        assert_eq!(nanoseconds(0), 0);
        assert_eq!(nanoseconds(1000), 0x0a);
        assert_eq!(nanoseconds(100_000), 0x0c);
        assert_eq!(nanoseconds(123_000_000), (123 << 3) | 5);
        assert_eq!(nanoseconds(10), 80);
    }
}
