//! A bucket of capacity: units flow in at a rate, up to what it holds, and are taken out by requests, which may take more than
//! there is.

/// A bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    level: f64,
    /// When it had that level, in milliseconds since 1970.
    at: i64,
}

/// What flows into a bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    /// Units a second.
    pub(crate) rate: f64,
    /// It holds what flows in within so many seconds.
    pub(crate) seconds: f64,
}

impl Flow {
    fn full(self) -> f64 {
        self.rate * self.seconds
    }
}

impl Bucket {
    /// A full one.
    pub(crate) fn full(flow: Flow, now: i64) -> Self {
        Self { level: flow.full(), at: now }
    }

    /// What is in it; less than nothing where it owes.
    pub(crate) fn level(&mut self, flow: Flow, now: i64) -> f64 {
        // A clock that is set back lets nothing flow out again.
        let seconds = now.saturating_sub(self.at).max(0);
        self.at = now;
        self.level = (self.level + flow.rate * seconds_of(seconds)).min(flow.full());
        self.level
    }

    /// Takes units out, as many as there are or more.
    pub(crate) fn take(&mut self, units: f64) {
        self.level -= units;
    }
}

#[expect(clippy::cast_precision_loss, reason = "spans that a bucket tells apart are short")]
fn seconds_of(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLOW: Flow = Flow { rate: 2.0, seconds: 300.0 };

    #[test]
    fn it_fills_up_and_owes() {
        let mut bucket = Bucket::full(FLOW, 0);
        bucket.take(700.0);
        assert!((bucket.level(FLOW, 0) + 100.0).abs() < 1e-9);
        assert!(bucket.level(FLOW, 50_000).abs() < 1e-9);
        assert!((bucket.level(FLOW, 40_000)).abs() < 1e-9, "the clock was set back");
        assert!((bucket.level(FLOW, 41_500) - 3.0).abs() < 1e-9);
        assert!((bucket.level(FLOW, 10_000_000) - 600.0).abs() < 1e-9);
    }

    proptest! {
        /// Whatever is asked for when, over all time no more is given than what was saved at first and what flowed in since,
        /// and one request's worth.
        #[test]
        fn nobody_gets_more_than_flows_in(requests in proptest::collection::vec((0_i64..5000, 1_u32..50), 1..200)) {
            let mut bucket = Bucket::full(FLOW, 0);
            let (mut now, mut given) = (0, 0.0);
            for (pause, units) in requests {
                now += pause;
                if bucket.level(FLOW, now) > 0.0 {
                    bucket.take(f64::from(units));
                    given += f64::from(units);
                }
                prop_assert!(given <= FLOW.full() + FLOW.rate * seconds_of(now) + 50.0);
            }
        }
    }
}
