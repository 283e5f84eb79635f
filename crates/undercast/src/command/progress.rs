//! Says on a terminal that something long is still going on.

use std::io::{IsTerminal as _, Write};
use std::time::{Duration, Instant};

/// A line is shown after so long, and then as often.
const PACE: Duration = Duration::from_secs(1);

/// Does `work`, and tells whoever watches the terminal how long it has taken so far. What is said goes to standard error,
/// and only to a terminal, so that pipes and files stay clean.
pub(crate) async fn watched<T>(what: &str, work: impl Future<Output = T>) -> T {
    let out = std::io::stderr();
    if out.is_terminal() { told(out, what, work).await } else { work.await }
}

async fn told<T>(mut out: impl Write, what: &str, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    let began = Instant::now();
    let mut shown = false;
    loop {
        let done = tokio::time::timeout(PACE, &mut work).await.ok();
        let line = match (&done, shown) {
            (None, _) => format!("\r{what} … {} s", began.elapsed().as_secs()),
            // The line is wiped out.
            (Some(_), true) => "\r\x1b[K".to_owned(),
            (Some(_), false) => String::new(),
        };
        // A terminal that is gone has nobody to tell.
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        shown = true;
        if let Some(done) = done {
            return done;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_long_is_told_and_what_is_short_is_not() {
        let mut out = Vec::new();
        assert_eq!(told(&mut out, "saving", async { 1 }).await, 1);
        assert!(out.is_empty());
        told(&mut out, "saving", tokio::time::sleep(PACE + PACE / 2)).await;
        assert_eq!(String::from_utf8_lossy(&out), "\rsaving … 1 s\r\u{1b}[K");
    }
}
