//! What happened, step by step: a number over all of it, and the last steps in words.

use std::collections::VecDeque;

/// So many steps are told when one goes wrong.
const TOLD: usize = 40;

/// The trace of one simulation.
pub(crate) struct Trace {
    hash: u64,
    last: VecDeque<String>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, last: VecDeque::new() }
    }

    /// Adds a line. All of it counts; what is long is told in short.
    pub(crate) fn add(&mut self, line: &str) {
        // FNV-1a: the same on every machine and in every version of the standard library.
        for byte in line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if self.last.len() == TOLD {
            self.last.pop_front();
        }
        self.last.push_back(line.chars().take(400).collect());
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}
