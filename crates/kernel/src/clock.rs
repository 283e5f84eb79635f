//! The one source of time: real by default; it can be set, frozen and advanced.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// The clock of one cloud.
pub struct Clock {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// So far ahead of the machine's clock.
    Running(SignedDuration),
    /// Stopped at a moment.
    Frozen(Timestamp),
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(SignedDuration::ZERO)
    }
}

impl Clock {
    /// A running clock, so far ahead of the machine's.
    pub fn new(ahead: SignedDuration) -> Self {
        Self { state: Mutex::new(State::Running(ahead)), changed: watch::Sender::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The moment it is.
    pub fn now(&self) -> Timestamp {
        match *self.state() {
            State::Running(ahead) => machine().checked_add(ahead).unwrap_or(Timestamp::MAX),
            State::Frozen(at) => at,
        }
    }

    /// How far it is ahead of the machine's, and whether it stands still.
    pub fn ahead(&self) -> (SignedDuration, bool) {
        match *self.state() {
            State::Running(ahead) => (ahead, false),
            State::Frozen(at) => (at.duration_since(machine()), true),
        }
    }

    fn change(&self, to: impl FnOnce(State) -> State) {
        {
            let mut state = self.state();
            *state = to(*state);
        }
        self.changed.send_modify(|n| *n += 1);
    }

    /// Stops it.
    pub fn freeze(&self) {
        let now = self.now();
        self.change(|_| State::Frozen(now));
    }

    /// Lets it run on from where it stands.
    pub fn resume(&self) {
        self.change(|state| match state {
            State::Frozen(at) => State::Running(at.duration_since(machine())),
            running @ State::Running(_) => running,
        });
    }

    /// Sets it; a frozen one stays frozen.
    pub fn set(&self, to: Timestamp) {
        self.change(|state| match state {
            State::Frozen(_) => State::Frozen(to),
            State::Running(_) => State::Running(to.duration_since(machine())),
        });
    }

    /// Returns when it has reached `until`, whichever way it gets there.
    pub async fn sleep_until(&self, until: Timestamp) {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let (left, frozen) = (until.duration_since(self.now()), self.ahead().1);
            if left <= SignedDuration::ZERO {
                return;
            }
            let left = Duration::try_from(left).unwrap_or(Duration::MAX).min(Duration::from_secs(86_400));
            if frozen {
                // The sender lives as long as the clock, so this ends only by a change.
                let _ = changed.changed().await;
            } else {
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    _ = changed.changed() => {}
                }
            }
        }
    }

    /// Returns when `span` has passed.
    pub async fn sleep(&self, span: Duration) {
        let until = self.now().checked_add(span).unwrap_or(Timestamp::MAX);
        self.sleep_until(until).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
fn machine() -> Timestamp {
    Timestamp::now()
}
