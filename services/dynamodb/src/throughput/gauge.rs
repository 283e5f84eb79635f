//! How far a table and its global indexes are used up.

use super::Side;
use super::allowance::Rates;
use super::bucket::{Bucket, Flow};
use super::pace::{Pace, quota, whole};

/// What a request meets that is let in no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The capacity that is provisioned.
    Provisioned,
    /// What one partition can do.
    KeyRange,
    /// What was set as the most of what is paid for by request.
    MostOnDemand,
    /// What the account allows.
    Account,
}

/// What a request has noted already and has not been taken out yet.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pending {
    /// Of the table or the index.
    pub(crate) all: f64,
    /// Of the same partition key.
    pub(crate) here: f64,
}

/// The gauges of a table: of its own, and of its global indexes.
#[derive(Debug, Default)]
pub(crate) struct Gauges(Vec<(u16, [Option<Gauge>; 2])>);

/// How far one side is used up.
#[derive(Debug)]
struct Gauge {
    total: Option<Bucket>,
    account: Bucket,
    partitions: Vec<Bucket>,
    traffic: Traffic,
}

/// How much was used, by the minute.
#[derive(Debug, Default)]
struct Traffic {
    minute: i64,
    units: f64,
    /// Most that was used in a second, on average over a minute.
    peak: f64,
}

impl Traffic {
    fn add(&mut self, units: f64, now: i64) {
        let minute = now.div_euclid(60_000);
        if minute != self.minute {
            self.peak = self.peak.max(self.units / 60.0);
            (self.minute, self.units) = (minute, 0.0);
        }
        self.units += units;
    }

    /// What is paid for by request takes at once twice of what it has taken before.
    fn grown(&self) -> f64 {
        self.peak * 2.0
    }
}

impl Gauge {
    fn new(pace: &Pace, now: i64) -> Self {
        Self {
            total: pace.total.map(|flow| Bucket::full(flow, now)),
            account: Bucket::full(quota(), now),
            partitions: vec![Bucket::full(pace.partition, now); pace.partitions],
            traffic: Traffic::default(),
        }
    }

    /// Follows settings that have changed.
    fn follow(&mut self, pace: &Pace, now: i64) {
        match (pace.total, self.total) {
            (Some(flow), None) => self.total = Some(Bucket::full(flow, now)),
            (None, Some(_)) => self.total = None,
            _ => {}
        }
        let grown = if pace.provisioned { 0.0 } else { self.traffic.grown() };
        let wanted = pace.partitions.max(whole(grown / pace.partition.rate));
        if self.partitions.len() != wanted {
            self.partitions.resize(wanted, Bucket::full(pace.partition, now));
        }
    }

    fn partition(&mut self, slot: u32) -> Option<&mut Bucket> {
        let at = (u64::from(slot) * self.partitions.len() as u64) >> 32;
        self.partitions.get_mut(usize::try_from(at).unwrap_or(0))
    }

    fn check(&mut self, pace: &Pace, slot: u32, pending: Pending, now: i64) -> Result<(), Limit> {
        self.follow(pace, now);
        let is_empty = |bucket: &mut Bucket, flow: Flow, pending: f64| bucket.level(flow, now) <= pending;
        if let (Some(bucket), Some(flow)) = (&mut self.total, pace.total)
            && is_empty(bucket, flow, pending.all)
        {
            return Err(if pace.provisioned { Limit::Provisioned } else { Limit::MostOnDemand });
        }
        if !pace.provisioned && is_empty(&mut self.account, quota(), pending.all) {
            return Err(Limit::Account);
        }
        let hot = self.partition(slot).is_some_and(|bucket| is_empty(bucket, pace.partition, pending.here));
        if hot { Err(Limit::KeyRange) } else { Ok(()) }
    }

    fn take(&mut self, pace: &Pace, slot: u32, units: f64, now: i64) {
        self.follow(pace, now);
        // Levels are brought to this moment first: what has flowed in since is not taken for debt that is paid.
        if let (Some(bucket), Some(flow)) = (&mut self.total, pace.total) {
            bucket.level(flow, now);
            bucket.take(units);
        }
        if !pace.provisioned {
            self.account.level(quota(), now);
            self.account.take(units);
        }
        if let Some(bucket) = self.partition(slot) {
            bucket.level(pace.partition, now);
            bucket.take(units);
        }
        self.traffic.add(units, now);
    }
}

impl Gauges {
    fn gauge(&mut self, number: u16, side: Side, pace: &Pace, now: i64) -> &mut Gauge {
        let at = match self.0.iter().position(|(known, _)| *known == number) {
            Some(at) => at,
            None => {
                self.0.push((number, [None, None]));
                self.0.len() - 1
            }
        };
        let (_, sides) = &mut self.0[at];
        sides[side.of(0, 1)].get_or_insert_with(|| Gauge::new(pace, now))
    }

    /// Whether a request for what lies at `slot` is let in; `slot` is the hash by which partitions are spread.
    pub(crate) fn check(
        &mut self,
        (number, side): (u16, Side),
        pace: &Pace,
        slot: u32,
        pending: Pending,
        now: i64,
    ) -> Result<(), Limit> {
        self.gauge(number, side, pace, now).check(pace, slot, pending, now)
    }

    /// Takes what a request has used.
    pub(crate) fn take(&mut self, (number, side): (u16, Side), pace: &Pace, slot: u32, units: f64, now: i64) {
        self.gauge(number, side, pace, now).take(pace, slot, units, now);
    }

    /// What the table or an index has grown to by its traffic.
    pub(crate) fn grown(&self, number: u16) -> Rates {
        let Some((_, [read, write])) = self.0.iter().find(|(known, _)| *known == number) else {
            return Rates::default();
        };
        #[expect(clippy::cast_possible_truncation, reason = "far below what fits, by the quota of the account")]
        let grown = |gauge: &Option<Gauge>| gauge.as_ref().map_or(0, |gauge| gauge.traffic.grown() as i64);
        Rates { read: grown(read), write: grown(write) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::throughput::bucket::Flow;

    const READ: (u16, Side) = (0, Side::Read);

    fn on_demand(partitions: usize) -> Pace {
        Pace { provisioned: false, total: None, partition: Flow { rate: 3000.0, seconds: 1.0 }, partitions }
    }

    #[test]
    fn a_hot_partition_is_refused_and_the_others_are_not() {
        let mut gauges = Gauges::default();
        let pace = on_demand(4);
        gauges.take(READ, &pace, 0, 3000.0, 0);
        assert_eq!(gauges.check(READ, &pace, 1, Pending::default(), 0), Err(Limit::KeyRange));
        assert_eq!(gauges.check(READ, &pace, u32::MAX, Pending::default(), 0), Ok(()));
        assert_eq!(gauges.check(READ, &pace, 1, Pending::default(), 100), Ok(()));
    }

    #[test]
    fn a_partition_takes_what_the_others_leave() {
        // Of 100 units, four equal shares would leave each partition 25.
        let total = Some(Flow { rate: 100.0, seconds: 300.0 });
        let pace = Pace { provisioned: true, total, ..on_demand(4) };
        let mut gauges = Gauges::default();
        for second in 0..300 {
            assert_eq!(gauges.check(READ, &pace, 7, Pending::default(), second * 1000), Ok(()));
            gauges.take(READ, &pace, 7, 200.0, second * 1000);
        }
        // What was saved is used up.
        gauges.take(READ, &pace, 7, 200.0, 300_000);
        assert_eq!(gauges.check(READ, &pace, 7, Pending::default(), 300_000), Err(Limit::Provisioned));
    }

    #[test]
    fn what_is_paid_for_by_request_grows_to_twice_its_peak() {
        let mut gauges = Gauges::default();
        let pace = on_demand(4);
        for second in 0..60 {
            for slot in [0, 1 << 30, 2 << 30, 3 << 30] {
                gauges.take(READ, &pace, slot, 2500.0, second * 1000);
            }
        }
        gauges.take(READ, &pace, 0, 1.0, 60_000);
        assert_eq!(gauges.grown(0).read, 20_000);
        // Seven partitions now: what lay side by side lies apart.
        gauges.take(READ, &pace, 0, 3000.0, 61_000);
        assert_eq!(gauges.check(READ, &pace, 700_000_000, Pending::default(), 61_000), Ok(()));
    }

    #[test]
    fn an_account_allows_forty_thousand_units_of_a_table() {
        let mut gauges = Gauges::default();
        let pace = on_demand(40);
        for n in 0..40 {
            gauges.take(READ, &pace, n * (u32::MAX / 40), 1000.0, 0);
        }
        assert_eq!(gauges.check(READ, &pace, 0, Pending::default(), 0), Err(Limit::Account));
    }
}
