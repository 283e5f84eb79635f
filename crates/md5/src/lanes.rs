//! Streams whose bytes come at the same time go through the rounds in step.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::kernel::{self, BLOCK, WIDE};
use crate::{Md5, State};

/// So many blocks are taken in before those are looked for that came meanwhile.
const STRETCH: usize = 256;

/// Where streams are hashed beside what else is done with them.
#[derive(Clone, Default)]
pub struct Lanes(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    work: VecDeque<Lane>,
    /// A thread is at it.
    running: bool,
}

/// Bytes that are being hashed: the stream's hash with them, and the bytes, when it is done.
pub type Hashing = oneshot::Receiver<(Md5, Vec<u8>)>;

/// A stream with the bytes that it has to take in.
struct Lane {
    md5: Md5,
    bytes: Vec<u8>,
    /// The next block, and the end of the last whole one.
    at: usize,
    end: usize,
    done: oneshot::Sender<(Md5, Vec<u8>)>,
}

impl Lane {
    fn blocks(&self) -> usize {
        (self.end - self.at) / BLOCK
    }

    fn stream(&mut self) -> (&mut State, &[u8]) {
        (&mut self.md5.state, &self.bytes[self.at..self.end])
    }

    fn pass(&mut self, blocks: usize) {
        self.at += blocks * BLOCK;
        self.md5.length += (blocks * BLOCK) as u64;
    }

    fn finish(mut self) {
        if self.end < self.bytes.len() {
            self.md5.keep(&self.bytes[self.end..]);
        }
        // Who asked may have gone.
        let _ = self.done.send((self.md5, self.bytes));
    }
}

/// A thread that is at it. If it ends before it says so, nobody waits for it any longer.
struct Running(Lanes);

impl Drop for Running {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.running = false;
        waiting.work.clear();
    }
}

impl Lanes {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes more bytes of a stream in, on another thread; to be called where tokio runs.
    pub fn update(&self, mut md5: Md5, bytes: Vec<u8>) -> Hashing {
        let (done, hashing) = oneshot::channel();
        let at = bytes.len() - md5.fill(&bytes).len();
        let end = at + (bytes.len() - at) / BLOCK * BLOCK;
        let mut waiting = self.waiting();
        waiting.work.push_back(Lane { md5, bytes, at, end, done });
        if !std::mem::replace(&mut waiting.running, true) {
            let lanes = self.clone();
            drop(tokio::task::spawn_blocking(move || lanes.run()));
        }
        hashing
    }

    /// Takes in what waits, until nothing does.
    fn run(self) {
        let running = Running(self);
        let mut lanes: Vec<Lane> = Vec::with_capacity(WIDE);
        loop {
            {
                let mut waiting = running.0.waiting();
                while lanes.len() < WIDE
                    && let Some(lane) = waiting.work.pop_front()
                {
                    lanes.push(lane);
                }
                if lanes.is_empty() {
                    waiting.running = false;
                    break;
                }
            }
            let blocks = lanes.iter().map(Lane::blocks).min().unwrap_or_default().min(STRETCH);
            let mut streams: Vec<_> = lanes.iter_mut().map(Lane::stream).collect();
            kernel::take(&mut streams, blocks);
            lanes.iter_mut().for_each(|lane| lane.pass(blocks));
            for lane in lanes.extract_if(.., |lane| lane.blocks() == 0) {
                lane.finish();
            }
        }
        // It said so itself, and another may have begun since.
        std::mem::forget(running);
    }
}
