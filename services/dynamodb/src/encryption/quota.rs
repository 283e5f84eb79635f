//! How often a table may change what it is encrypted with.
//!
//! Four times in a window of 24 hours that begins with the first change, and then once in six hours each. To the key that
//! DynamoDB owns a table may always go back. Source: "Quotas in Amazon DynamoDB"; the text as seen at AWS in 2026.

use crate::error::{Error, Result};
use crate::tables::describe::moment;
use minicbor::{Decode, Encode};

/// How long a window is, in milliseconds.
const WINDOW: i64 = 24 * 3_600_000;
/// So many changes of a window are free.
const FREE: u32 = 4;
/// Seconds between later ones.
const PAUSE: i64 = 21_600;

/// The changes of a window.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Changes {
    /// When the first one was, in milliseconds since 1970.
    #[n(0)]
    first: i64,
    /// And the last.
    #[n(1)]
    last: i64,
    /// How many there were.
    #[n(2)]
    count: u32,
}

impl Changes {
    /// The changes with one more.
    pub(super) fn another(before: Option<&Self>, now: i64) -> Self {
        match before.filter(|before| before.is_open(now)) {
            Some(before) => Self { first: before.first, last: now, count: before.count.saturating_add(1) },
            None => Self { first: now, last: now, count: 1 },
        }
    }

    fn is_open(&self, now: i64) -> bool {
        now < self.first.saturating_add(WINDOW)
    }

    /// Whether there may be one more.
    ///
    /// # Errors
    /// What AWS says when there may not.
    pub(super) fn allow(&self, now: i64) -> Result<()> {
        let next = self.last.saturating_add(PAUSE * 1000);
        if !self.is_open(now) || self.count < FREE || now >= next {
            return Ok(());
        }
        let end = self.first.saturating_add(WINDOW);
        Err(Error::limit_exceeded(format!(
            "Subscriber limit exceeded: Encryption mode changes are limited in the 24h window ending at {}. After the first \
             {FREE} change, each subsequent change in the same window can be performed at most once every {PAUSE} seconds. \
             Number of updates today: {}. Last change at {}. Next changes can be made at {}.",
            written(end),
            self.count,
            written(self.last),
            written(next.min(end)),
        )))
    }
}

fn written(millis: i64) -> String {
    moment(millis).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn after(times: &[i64]) -> Option<Changes> {
        times.iter().fold(None, |before, at| Some(Changes::another(before.as_ref(), *at)))
    }

    #[test]
    fn four_changes_are_free_and_then_one_in_six_hours() {
        assert!(after(&[0, 1, 2]).unwrap().allow(3).is_ok());
        let four = after(&[0, 1, 2, 3]).unwrap();
        assert!(four.allow(4).is_err());
        assert!(four.allow(6 * HOUR + 2).is_err());
        assert!(four.allow(6 * HOUR + 3).is_ok());
        let five = after(&[0, 1, 2, 3, 20 * HOUR]).unwrap();
        assert!(five.allow(24 * HOUR - 1).is_err());
        assert!(five.allow(24 * HOUR).is_ok(), "a window ends");
        let next = after(&[0, 1, 2, 3, 24 * HOUR]).unwrap();
        assert_eq!(next.count, 1);
    }
}
