//! The span of time of a request, in periods.

use std::collections::BTreeMap;

use undercast_kernel::metrics::{self, DAY, MINUTE, Series, Statistics};
use undercast_kernel::{Cx, Result};

/// From `start` on and before `end`, in seconds since 1970, by periods of so many seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) period: i64,
}

/// Whether metrics can be asked for by such a period, in seconds.
pub(crate) fn is_period(seconds: i64) -> bool {
    [1, 5, 10, 20, 30].contains(&seconds) || (seconds > 0 && seconds % MINUTE == 0)
}

impl Span {
    /// The start is brought down to where the kept points begin: the older, the coarser.
    pub(crate) fn new(cx: &Cx, start: i64, end: i64, period: i64) -> Self {
        let age = cx.now().as_second() - start;
        let step = match age {
            _ if age >= 63 * DAY => 60 * MINUTE,
            _ if age >= 15 * DAY => 5 * MINUTE,
            _ => period.min(MINUTE),
        };
        Self { start: start - start.rem_euclid(step), end, period }
    }

    /// How many periods it has.
    pub(crate) fn periods(&self) -> i64 {
        (self.end - self.start + self.period - 1).div_euclid(self.period)
    }

    /// What a series had in each period in which it had anything, by the second in which the period begins.
    pub(crate) fn read(&self, cx: &Cx, series: &Series) -> Result<BTreeMap<i64, Statistics>> {
        let points = metrics::read(&cx.read(), series, self.start, self.end, cx.now().as_second())?;
        let mut periods = BTreeMap::<i64, Statistics>::new();
        for (at, statistics) in points {
            let begins = at - (at - self.start).rem_euclid(self.period);
            periods.entry(begins).or_default().merge(&statistics);
        }
        Ok(periods)
    }
}
