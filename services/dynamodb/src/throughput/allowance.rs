//! What is kept of the throughput of a table or an index, besides how it is paid for: `OnDemandThroughput`,
//! `WarmThroughput`, and how often capacity was taken back today.
//!
//! Source for the decreases: "Service quotas" in the developer guide, and what AWS answers to the fifth of a day: four within a
//! day of UTC, and after them one more whenever an hour has passed since the last. An attempt that is refused does not count.

use crate::error::{Error, Result};
use crate::table::Billing;
use minicbor::{Decode, Encode};
use undercast_kernel::Timestamp;

/// Units of reading and of writing, a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct Rates {
    /// Units of reading.
    #[n(0)]
    pub read: i64,
    /// Units of writing.
    #[n(1)]
    pub write: i64,
}

impl Rates {
    /// The greater of each.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        Self { read: self.read.max(other.read), write: self.write.max(other.write) }
    }
}

/// What a new table that is paid for by request can take at once.
pub const INITIAL: Rates = Rates { read: 12_000, write: 4_000 };

/// Decreases that a day allows whenever they are asked for.
const FREE_DECREASES: i64 = 4;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// What is kept of the throughput of a table or an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct Allowance {
    /// `MaxReadRequestUnits`, if they are limited.
    #[n(0)]
    pub most_read: Option<i64>,
    /// `MaxWriteRequestUnits`, if they are limited.
    #[n(1)]
    pub most_write: Option<i64>,
    /// What it has been warmed up to; never less than what it was given once.
    #[cbor(n(2), default)]
    pub warmed: Rates,
    /// How often capacity was taken back on the day of the last time.
    #[cbor(n(3), default)]
    pub decreases: i64,
    /// When capacity was taken back last, in milliseconds since 1970.
    #[n(4)]
    pub decreased: Option<i64>,
    /// When more was given last, in milliseconds since 1970.
    #[n(5)]
    pub increased: Option<i64>,
}

/// What a way of paying warms up by itself.
pub(crate) fn initial(billing: Billing) -> Rates {
    match billing {
        Billing::OnDemand => INITIAL,
        Billing::Provisioned { read, write } => Rates { read, write },
    }
}

impl Allowance {
    /// `WarmThroughput` of what is paid for so.
    pub fn warm(&self, billing: Billing) -> Rates {
        self.warmed.most(initial(billing))
    }

    /// `NumberOfDecreasesToday`, `now` being in milliseconds since 1970.
    pub fn decreases_today(&self, now: i64) -> i64 {
        let today = |at: i64| at.div_euclid(DAY) == now.div_euclid(DAY);
        if self.decreased.is_some_and(today) { self.decreases } else { 0 }
    }

    /// Notes that it is paid for in another way, or with other capacity.
    ///
    /// # Errors
    /// When capacity is taken back too often.
    pub(crate) fn change(&mut self, old: Billing, new: Billing, now: i64) -> Result<()> {
        if let (Billing::Provisioned { read, write }, Billing::Provisioned { read: to_read, write: to_write }) =
            (old, new)
        {
            if to_read < read || to_write < write {
                self.check_decrease(now)?;
                self.decreases = self.decreases_today(now) + 1;
                self.decreased = Some(now);
            }
            if to_read > read || to_write > write {
                self.increased = Some(now);
            }
        }
        if new != Billing::OnDemand {
            (self.most_read, self.most_write) = (None, None);
        }
        self.warmed = self.warm(old).most(initial(new));
        Ok(())
    }

    fn check_decrease(&self, now: i64) -> Result<()> {
        let today = self.decreases_today(now);
        let last = self.decreased.unwrap_or(now);
        let midnight = (now.div_euclid(DAY) + 1) * DAY;
        let next = (last + HOUR).min(midnight);
        if today < FREE_DECREASES || now >= next {
            return Ok(());
        }
        Err(Error::limit_exceeded(format!(
            "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the first 4 \
             decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 seconds. Number of \
             decreases today: {today}. Last decrease at {}. Next decrease can be made at {}",
            spoken(last),
            spoken(next)
        )))
    }
}

/// `Thursday, October 8, 2026 at 11:20:48 PM Coordinated Universal Time`
fn spoken(millis: i64) -> String {
    let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%A, %B %-d, %Y at %-I:%M:%S %p Coordinated Universal Time").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn units(read: i64, write: i64) -> Billing {
        Billing::Provisioned { read, write }
    }

    #[test]
    fn the_fifth_decrease_of_a_day_waits_for_an_hour_or_for_midnight() {
        // 2026-10-08T22:00:00Z
        let start = 1_791_496_800_000;
        let mut kept = Allowance::default();
        for n in 0..4 {
            kept.change(units(20 - n, 5), units(19 - n, 5), start + n * 1000).unwrap();
        }
        let refused = kept.change(units(16, 5), units(15, 5), start + 10_000).unwrap_err();
        let Error::Aws(refused) = refused else { panic!("{refused:?}") };
        assert!(
            refused.message.ends_with(
                "Number of decreases today: 4. Last decrease at Thursday, October 8, 2026 at 10:00:03 PM Coordinated Universal \
                 Time. Next decrease can be made at Thursday, October 8, 2026 at 11:00:03 PM Coordinated Universal Time"
            ),
            "{}",
            refused.message
        );
        kept.change(units(16, 5), units(17, 5), start + 10_000).unwrap();
        kept.change(units(17, 5), units(16, 6), start + 3000 + HOUR).unwrap();
        assert_eq!(kept.decreases_today(start + 4000 + HOUR), 5);
        // An hour later it would be tomorrow already.
        let refused = kept.change(units(16, 6), units(15, 6), start + 4000 + HOUR).unwrap_err();
        assert!(format!("{refused:?}").contains("October 9, 2026 at 12:00:00 AM"), "{refused:?}");
        kept.change(units(16, 6), units(15, 6), start + 2 * HOUR).unwrap();
        assert_eq!(kept.decreases_today(start + 2 * HOUR), 1);
    }

    #[test]
    fn what_was_warm_once_stays_warm() {
        let mut kept = Allowance::default();
        assert_eq!(kept.warm(units(1, 2)), Rates { read: 1, write: 2 });
        kept.change(units(1, 2), units(5, 3), 0).unwrap();
        kept.change(units(5, 3), units(1, 1), 0).unwrap();
        assert_eq!(kept.warm(units(1, 1)), Rates { read: 5, write: 3 });
        kept.change(units(1, 1), Billing::OnDemand, 0).unwrap();
        kept.change(Billing::OnDemand, units(1, 1), 0).unwrap();
        assert_eq!(kept.warm(units(1, 1)), INITIAL);
    }
}
