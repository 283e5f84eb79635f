//! How often API destinations are called: not more often than they say; what comes too soon waits for its turn.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// When each destination may be called next, in microseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<HashMap<String, i64>>);

/// What comes a little too soon is let through: microseconds.
const GRACE: i64 = 1000;

impl Pace {
    /// Takes a turn now, or says when there is one for whoever asks: milliseconds since 1970. That turn is taken by
    /// asking again then.
    pub(crate) fn turn(&self, destination: &str, per_second: i32, now: i64) -> Option<i64> {
        let step = 1_000_000 / i64::from(per_second.max(1));
        let now = now * 1000;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = all.entry(destination.to_owned()).or_insert(now);
        if *next <= now + GRACE {
            *next = (*next).max(now) + step;
            return None;
        }
        // Milliseconds, rounded up.
        Some((*next).div_euclid(1000) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_apart() {
        let pace = Pace::default();
        assert_eq!(pace.turn("a", 2, 1000), None);
        assert_eq!(pace.turn("b", 2, 1000), None);
        assert_eq!(pace.turn("a", 2, 1000), Some(1501));
        assert_eq!(pace.turn("a", 2, 1501), None);
        assert_eq!(pace.turn("a", 2, 1600), Some(2002));
        assert_eq!(pace.turn("a", 2, 9000), None);
    }
}
