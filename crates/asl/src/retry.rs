//! How long after an error something is tried again.

use std::time::Duration;

use crate::tree::{Jitter, Retrier};

impl Retrier {
    /// How long to wait before the attempt that follows `attempts` earlier ones of this retrier (zero before the first), or
    /// nothing if there is none. `fraction` is chance, from 0 to 1, which only `JitterStrategy: FULL` uses.
    pub fn delay(&self, attempts: u64, fraction: f64) -> Option<Duration> {
        if attempts >= self.max_attempts {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "below a hundred million")]
        let interval = self.interval_seconds as f64;
        let power = i32::try_from(attempts).unwrap_or(i32::MAX);
        #[expect(clippy::cast_precision_loss, reason = "less than a year")]
        let most = self.max_delay_seconds.unwrap_or(LONGEST) as f64;
        let delay = (interval * self.backoff_rate.powi(power)).min(most);
        let delay = match self.jitter {
            Jitter::None => delay,
            Jitter::Full => delay * fraction.clamp(0.0, 1.0),
        };
        Some(Duration::try_from_secs_f64(delay).unwrap_or(Duration::MAX))
    }
}

/// No delay is longer than a year, which is what an execution has.
const LONGEST: u64 = 31_536_000;
