//! How long a client may take over the head of a request: one timer a connection instead of one a request.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// The timer that the server is given. Setting it is one store; only [`Patience::keep`] has a real one.
#[derive(Clone)]
pub(crate) struct Patience(Arc<Shared>);

struct Shared {
    began: Instant,
    /// When the head that is waited for must be there, in milliseconds since the connection began.
    due: AtomicU64,
    over: AtomicBool,
}

/// Nothing is waited for.
const NEVER: u64 = u64::MAX;

impl Patience {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared { began: Instant::now(), due: AtomicU64::new(NEVER), over: AtomicBool::new(false) }))
    }

    fn set(&self, deadline: Instant) {
        let millis = deadline.saturating_duration_since(self.0.began).as_millis();
        self.0.due.store(u64::try_from(millis).unwrap_or(NEVER), Ordering::Relaxed);
    }

    /// When to look again: at the deadline, or after `usual` when there is none. `None`: it has passed.
    fn next_look(&self, usual: Duration) -> Option<Duration> {
        match self.0.due.load(Ordering::Relaxed) {
            NEVER => Some(usual),
            due => Duration::from_millis(due).checked_sub(self.0.began.elapsed()).filter(|left| !left.is_zero()),
        }
    }

    /// Runs a connection that has this timer. `usual`: how long a deadline is at least in the future when it is set.
    pub(crate) async fn keep<T>(self, usual: Duration, connection: impl Future<Output = T>) -> T {
        let mut connection = pin!(connection);
        let mut alarm = pin!(tokio::time::sleep(usual));
        std::future::poll_fn(|cx| {
            loop {
                if let Poll::Ready(done) = connection.as_mut().poll(cx) {
                    return Poll::Ready(done);
                }
                if alarm.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                let next = self.next_look(usual);
                // The server asks its timer when it is polled, which it is now once more.
                self.0.over.store(next.is_none(), Ordering::Relaxed);
                alarm.as_mut().reset(tokio::time::Instant::now() + next.unwrap_or(usual));
            }
        })
        .await
    }
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.set(deadline);
        Box::pin(Waiting(self.0.clone()))
    }

    fn reset(&self, _sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        self.set(deadline);
    }
}

/// A head is waited for.
struct Waiting(Arc<Shared>);

impl Sleep for Waiting {}

impl Future for Waiting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        if self.0.over.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.due.store(NEVER, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn patience_ends_only_while_a_head_is_waited_for() {
        let usual = Duration::from_millis(40);
        let patience = Patience::new();
        let timer = patience.clone();
        let began = Instant::now();
        let connection = async {
            // A head that comes in time, and work that takes longer than a head may.
            drop(timer.sleep(usual));
            tokio::time::sleep(usual * 3).await;
            assert!(began.elapsed() >= usual * 3);
            // A head that does not come.
            timer.sleep(usual).await;
        };
        patience.keep(usual, connection).await;
        let took = began.elapsed();
        assert!(took >= usual * 4 && took < usual * 20, "{took:?}");
    }
}
