//! The log in front of the tree: frames in two files that are written in turn, over and over.
//!
//! A frame is a group of writes: its length, a checksum, its number, its rows. The files are filled with zeros ahead of what
//! is written, so that a frame's sync has nothing to tell the file system. There is one frame on its way at a time: that
//! after it is written when it has reached the disk. So a frame that is broken may be the last one only, and one
//! that is whole behind a broken one says that the file was damaged, not cut short.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::disk::{Disk, FILES, File};
use crate::{Batch, Error, Result};

/// Length, checksum and number.
const HEAD: usize = 16;
/// Frames begin at multiples of it.
const STEP: usize = 16;
/// The length that stands for no value.
const DELETED: u32 = u32::MAX;
/// Zeros that are written ahead, at first: a small cloud has small files.
const AHEAD: u64 = 256 * 1024;
const FAR_AHEAD: u64 = 2 * 1024 * 1024;

/// A log that is written.
pub(super) struct Log {
    files: [Arc<dyn File>; FILES],
    /// How far each file has zeros or frames.
    filled: [u64; FILES],
    current: usize,
    at: u64,
    /// The number of the next frame.
    next: u64,
    salt: u64,
    buffer: Vec<u8>,
}

/// What was found in a log.
pub(super) struct Found {
    pub(super) log: Log,
    /// The groups of each file that is not in the tree: those of the file before, and those of the file that is written on.
    pub(super) before: Vec<Batch>,
    pub(super) current: Vec<Batch>,
    /// The number of the last frame of the file before.
    pub(super) turned_at: u64,
}

/// The frames at the beginning of a file, with the place behind the last.
#[derive(Default)]
struct Run {
    frames: Vec<(u64, Batch)>,
    end: usize,
}

fn step(length: usize) -> usize {
    length.div_ceil(STEP) * STEP
}

impl Log {
    /// An empty one, over a tree that has everything up to the frame `applied`.
    pub(super) fn begin(disk: &dyn Disk, salt: u64, applied: u64) -> io::Result<Self> {
        let make = |number| disk.log(number, true)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
        let mut log = Self {
            files: [make(0)?, make(1)?],
            filled: [0; FILES],
            current: 0,
            at: 0,
            next: applied + 1,
            salt,
            buffer: Vec::new(),
        };
        for number in 0..FILES {
            log.filled[number] = log.files[number].len()?;
            log.current = number;
            log.fill(AHEAD)?;
            log.files[number].sync()?;
        }
        log.current = 0;
        disk.sync_names()?;
        Ok(log)
    }

    /// Opens the log of a tree that has everything up to the frame `applied`.
    ///
    /// # Errors
    /// When a file is gone, or damaged before its last frame.
    pub(super) fn open(disk: &dyn Disk, salt: u64, applied: u64) -> Result<Found> {
        let path = |number: usize| disk.path().join(format!("log.{number}"));
        let corrupt = |number, what: &str| Error::Corrupt { path: path(number), source: what.to_owned().into() };
        let mut files = Vec::new();
        let mut contents = Vec::new();
        for number in 0..FILES {
            let fail = |source| Error::File { path: path(number), source };
            let file = disk.log(number, false).map_err(fail)?.ok_or_else(|| corrupt(number, "the file is gone"))?;
            contents.push(file.read().map_err(fail)?);
            files.push(file);
        }
        let mut runs: Vec<(usize, Run)> = contents.iter().map(|bytes| run(bytes, salt)).enumerate().collect();
        // The file that was written last comes last; one without a frame is the one that comes next, or never was.
        runs.sort_by_key(|(number, run)| (run.frames.first().map_or(0, |(frame, _)| *frame), *number));
        let [(first, mut before), (second, mut current)] =
            <[_; FILES]>::try_from(runs).map_err(|_| corrupt(0, "there are two files"))?;
        for run in [&mut before, &mut current] {
            run.frames.retain(|(frame, _)| *frame > applied);
        }
        let mut last = applied;
        for (number, run) in [(first, &before), (second, &current)] {
            for (frame, _) in &run.frames {
                if *frame != last + 1 {
                    return Err(corrupt(number, "a part of it is not there any more"));
                }
                last = *frame;
            }
        }
        for (number, bytes) in contents.iter().enumerate() {
            if has_frame_behind(bytes, salt, last) {
                return Err(corrupt(number, "a part of it does not have its checksum"));
            }
        }
        let files = <[_; FILES]>::try_from(files).map_err(|_| corrupt(0, "there are two files"))?;
        let filled = [contents[0].len() as u64, contents[1].len() as u64];
        let turned_at = before.frames.last().map_or(applied, |(frame, _)| *frame);
        // Frames that are in the tree need no others behind them.
        let at = if current.frames.is_empty() { 0 } else { current.end as u64 };
        let log = Self { files, filled, current: second, at, next: last + 1, salt, buffer: Vec::new() };
        let batches = |run: Run| run.frames.into_iter().map(|(_, batch)| batch).collect();
        Ok(Found { log, before: batches(before), current: batches(current), turned_at })
    }

    /// The number of the last frame.
    pub(super) fn last(&self) -> u64 {
        self.next - 1
    }

    /// What goes into the checksums.
    pub(super) fn salt(&self) -> u64 {
        self.salt
    }

    /// Bytes of frames in the file that is written.
    pub(super) fn length(&self) -> u64 {
        self.at
    }

    /// Counts a group that was not written here, but is in the tree.
    pub(super) fn pass(&mut self) {
        self.next += 1;
    }

    /// Bytes that a group of writes adds to the disk.
    pub(super) fn growth(&self, batch: &Batch) -> u64 {
        let frame: usize = batch.iter().map(|(key, value)| 8 + key.len() + value.as_ref().map_or(0, Bytes::len)).sum();
        let end = self.at + step(HEAD + 4 + frame) as u64;
        if end <= self.filled[self.current] { 0 } else { end - self.filled[self.current] + FAR_AHEAD }
    }

    /// Writes a group. It is permanent once the file that is returned has been synced; then [`Log::keep`] is called.
    pub(super) fn write(&mut self, batch: &Batch) -> io::Result<Arc<dyn File>> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        encode(batch, self.next, self.salt, &mut buffer)?;
        let end = self.at + buffer.len() as u64;
        let written = self.fill(end).and_then(|()| self.files[self.current].write(self.at, &buffer));
        self.buffer = buffer;
        written.map(|()| self.files[self.current].clone())
    }

    /// What was written last is permanent: the next group comes behind it.
    pub(super) fn keep(&mut self) {
        self.at += self.buffer.len() as u64;
        self.next += 1;
        if self.buffer.capacity() > 4 << 20 {
            self.buffer = Vec::new();
        }
    }

    /// Goes on in the other file, of which everything must be in the tree.
    pub(super) fn turn(&mut self) {
        self.current = (self.current + 1) % FILES;
        self.at = 0;
    }

    /// Sees to it that the current file goes to `end` at least.
    fn fill(&mut self, end: u64) -> io::Result<()> {
        let filled = &mut self.filled[self.current];
        if end <= *filled {
            return Ok(());
        }
        let ahead = if end <= AHEAD { AHEAD } else { FAR_AHEAD };
        let target = end.div_ceil(ahead) * ahead;
        let zeros = vec![0; 64 * 1024];
        while *filled < target {
            let piece = usize::try_from(target - *filled).unwrap_or(zeros.len()).min(zeros.len());
            self.files[self.current].write(*filled, &zeros[..piece])?;
            *filled += piece as u64;
        }
        Ok(())
    }
}

fn checksum(salt: u64, head: &[u8], rows: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(head);
    hasher.update(rows);
    hasher.finalize()
}

fn encode(batch: &Batch, number: u64, salt: u64, out: &mut Vec<u8>) -> io::Result<()> {
    let length = |bytes: usize| {
        u32::try_from(bytes).ok().filter(|l| *l < DELETED).ok_or_else(|| io::Error::other("a row is too long"))
    };
    out.extend([0; HEAD]);
    for (key, value) in batch {
        out.extend(length(key.len())?.to_le_bytes());
        let value_length = value.as_ref().map_or(Ok(DELETED), |value| length(value.len()))?;
        out.extend(value_length.to_le_bytes());
        out.extend(key);
        out.extend(value.as_deref().unwrap_or_default());
    }
    let rows = length(out.len() - HEAD)?;
    out[..4].copy_from_slice(&rows.to_le_bytes());
    out[8..HEAD].copy_from_slice(&number.to_le_bytes());
    let sum = {
        let (head, rows) = out.split_at(HEAD);
        checksum(salt, &[&head[..4], &head[8..]].concat(), rows)
    };
    out[4..8].copy_from_slice(&sum.to_le_bytes());
    out.resize(step(out.len()), 0);
    Ok(())
}

/// The number and the rows of the frame at the beginning of `bytes`, and how far it goes. `None`: there is none.
fn frame(bytes: &[u8], salt: u64) -> Option<(u64, &[u8], usize)> {
    let head = bytes.get(..HEAD)?;
    let number = u64::from_le_bytes(head[8..].try_into().ok()?);
    let length = usize::try_from(u32::from_le_bytes(head[..4].try_into().ok()?)).ok()?;
    let rows = bytes.get(HEAD..HEAD.checked_add(length)?)?;
    let wanted = u32::from_le_bytes(head[4..8].try_into().ok()?);
    let good = length > 0 && checksum(salt, &[&head[..4], &head[8..]].concat(), rows) == wanted;
    good.then(|| (number, rows, step(HEAD + length)))
}

fn decode(mut rows: &[u8]) -> Option<Batch> {
    let mut batch = Batch::new();
    while !rows.is_empty() {
        let (lengths, rest) = rows.split_at_checked(8)?;
        let key = usize::try_from(u32::from_le_bytes(lengths[..4].try_into().ok()?)).ok()?;
        let value = u32::from_le_bytes(lengths[4..].try_into().ok()?);
        let (key, rest) = rest.split_at_checked(key)?;
        let taken = if value == DELETED { 0 } else { usize::try_from(value).ok()? };
        let (bytes, rest) = rest.split_at_checked(taken)?;
        batch.insert(key.to_vec(), (value != DELETED).then(|| Bytes::copy_from_slice(bytes)));
        rows = rest;
    }
    Some(batch)
}

/// The frames from the beginning of a file on, each with the number after that of the one before.
fn run(bytes: &[u8], salt: u64) -> Run {
    let mut found = Run::default();
    while let Some((number, rows, length)) = bytes.get(found.end..).and_then(|rest| frame(rest, salt)) {
        if found.frames.last().is_some_and(|(last, _)| *last + 1 != number) {
            break;
        }
        let Some(batch) = decode(rows) else { break };
        found.frames.push((number, batch));
        found.end += length;
    }
    found
}

/// Whether there is a frame that was written after the frame `last`, and not right after it.
fn has_frame_behind(bytes: &[u8], salt: u64, last: u64) -> bool {
    let numbers = bytes.chunks_exact(STEP).enumerate().filter_map(|(index, head)| {
        let number = u64::from_le_bytes(head[8..].try_into().ok()?);
        // Most of what is looked at is no frame; its checksum need not be looked at.
        (number > last && number - last < u64::from(u32::MAX)).then_some(index * STEP)
    });
    let mut frames = numbers.filter_map(|at| frame(bytes.get(at..)?, salt));
    frames.any(|(number, ..)| number > last)
}
