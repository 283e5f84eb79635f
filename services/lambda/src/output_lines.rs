//! What a function writes, line by line. It is read as it comes, and to its end when an invocation is over, so that what was
//! written before an answer is in the log before the answer's own lines.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

use crate::shipping::Sink;
use crate::state::locked;

/// A look reads so many bytes at most: a function that never stops writing must not hold up its own end.
const MOST_AT_ONCE: usize = 4 << 20;
/// A line may be so long; what is longer is cut in two.
const LONGEST_LINE: usize = 256 * 1024;
/// Our runtimes end the lines of one message so, but the last.
const CONTINUED: u8 = 0x1e;

/// One of a function's two outputs.
pub(crate) struct Output {
    pipe: Receiver,
    /// What came without the end of its line. Held while reading, so that nothing is read out of order.
    partial: Mutex<Vec<u8>>,
    sink: Arc<Sink>,
}

impl Output {
    pub(crate) fn new(fd: OwnedFd, sink: Arc<Sink>) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self { pipe: Receiver::from_owned_fd(fd)?, partial: Mutex::default(), sink }))
    }

    /// Reads what is there, asking the system itself: what tokio knows of the pipe may be late.
    fn pump(&self) {
        self.read(|bytes| Ok(rustix::io::read(&self.pipe, bytes)?));
    }

    /// Reads with `more` until there is nothing. Returns whether the output has ended.
    fn read(&self, more: impl Fn(&mut [u8]) -> io::Result<usize>) -> bool {
        let mut partial = locked(&self.partial);
        let mut bytes = [0; 16 * 1024];
        let mut total = 0;
        while total < MOST_AT_ONCE {
            match more(&mut bytes) {
                Ok(0) => return true,
                Ok(count) => {
                    partial.extend_from_slice(&bytes[..count]);
                    total += count;
                    self.lines(&mut partial);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    /// Takes the whole messages off the front.
    fn lines(&self, partial: &mut Vec<u8>) {
        let mut from = 0;
        let mut at = 0;
        while let Some(end) = partial[at..].iter().position(|b| *b == b'\n').map(|n| at + n) {
            at = end + 1;
            let continued = end > from && partial[end - 1] == CONTINUED;
            if !continued {
                self.message(&partial[from..=end]);
                from = at;
            }
        }
        partial.drain(..from);
        if partial.len() > LONGEST_LINE {
            self.message(partial);
            partial.clear();
        }
    }

    fn message(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).replace("\u{1e}\n", "\n");
        self.sink.line(text);
    }

    /// Reads what is there, and takes an unfinished line for a whole one.
    pub(crate) fn finish(&self) {
        self.pump();
        let rest = std::mem::take(&mut *locked(&self.partial));
        if !rest.is_empty() {
            self.message(&rest);
        }
    }

    /// Reads until the output or `alive` ends.
    pub(crate) async fn follow(self: Arc<Self>, mut alive: watch::Receiver<()>) {
        loop {
            let ready = tokio::select! {
                ready = self.pipe.readable() => ready,
                _ = alive.changed() => return,
            };
            if ready.is_err() || self.read(|bytes| self.pipe.try_read(bytes)) {
                return;
            }
        }
    }
}
