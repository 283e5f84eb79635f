//! What a function writes, line by line. It is read as it comes, and to its end when an invocation is over, so that what was
//! written before an answer is in the log before the answer's own lines.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use tokio::io::unix::AsyncFd;
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
    fd: AsyncFd<OwnedFd>,
    /// What came without the end of its line.
    partial: Mutex<Vec<u8>>,
    sink: Arc<Sink>,
}

impl Output {
    #[expect(deprecated, reason = "its replacement is unsafe; the descriptor is owned here for as long as the registration lasts")]
    pub(crate) fn new(fd: OwnedFd, sink: Arc<Sink>) -> io::Result<Arc<Self>> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Arc::new(Self { fd: AsyncFd::new(fd)?, partial: Mutex::default(), sink }))
    }

    /// Reads what is there. Returns whether it has ended.
    pub(crate) fn pump(&self) -> bool {
        let mut partial = locked(&self.partial);
        let mut bytes = [0; 16 * 1024];
        let mut total = 0;
        let ended = loop {
            match rustix::io::read(self.fd.get_ref(), &mut bytes) {
                Ok(0) => break true,
                Ok(count) => {
                    partial.extend_from_slice(&bytes[..count]);
                    total += count;
                    self.lines(&mut partial);
                    if total >= MOST_AT_ONCE {
                        break false;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break false,
                Err(_) => break true,
            }
        };
        drop(partial);
        ended
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
                ready = self.fd.readable() => ready,
                _ = alive.changed() => return,
            };
            let Ok(mut ready) = ready else { return };
            ready.clear_ready();
            if self.pump() {
                return;
            }
        }
    }
}
