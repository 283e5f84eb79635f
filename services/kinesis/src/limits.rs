//! What a shard takes and gives in a second: 1 MiB and 1,000 records in, 2 MiB and five calls out.
//!
//! Source: "Quotas and limits" in the developer guide. A shard saves up one second of each, and a call may take more than is
//! left: the next ones wait until it has flowed in again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use undercast_kernel::Cx;

use crate::stream::Stream;

/// Gauges of more streams than so many are not kept.
const KEPT: usize = 10_000;
const MIB: f64 = 1_048_576.0;

/// What flows into a bucket in a second, which is also what it holds.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    rate: f64,
    level: f64,
    /// When it had that level, in milliseconds since 1970.
    at: i64,
}

impl Bucket {
    fn full(rate: f64, now: i64) -> Self {
        Self { rate, level: rate, at: now }
    }

    /// Whether anything is left.
    fn has(&mut self, now: i64) -> bool {
        // A clock that is set back takes nothing away again.
        let passed = now.saturating_sub(self.at).max(0);
        #[expect(clippy::cast_precision_loss, reason = "spans that a bucket tells apart are short")]
        let seconds = passed as f64 / 1000.0;
        self.at = now;
        self.level = (self.level + self.rate * seconds).min(self.rate);
        self.level > 0.0
    }

    #[expect(clippy::cast_precision_loss, reason = "calls are far smaller than 2^52 bytes")]
    fn take(&mut self, amount: usize) {
        self.level -= amount as f64;
    }
}

#[derive(Debug)]
struct Gauge {
    bytes_in: Bucket,
    records_in: Bucket,
    bytes_out: Bucket,
    calls_out: Bucket,
    iterators: Bucket,
}

impl Gauge {
    fn new(now: i64) -> Self {
        Self {
            bytes_in: Bucket::full(MIB, now),
            records_in: Bucket::full(1000.0, now),
            bytes_out: Bucket::full(2.0 * MIB, now),
            calls_out: Bucket::full(5.0, now),
            iterators: Bucket::full(5.0, now),
        }
    }
}

/// What writers have asked of a stream, by the minute.
#[derive(Debug, Default)]
struct Traffic {
    minute: i64,
    bytes: usize,
    records: usize,
    /// The shards that the busiest minute would have needed on average.
    peak: f64,
}

impl Traffic {
    fn add(&mut self, size: usize, now: i64) {
        let minute = now.div_euclid(60_000);
        if minute != self.minute {
            (self.minute, self.bytes, self.records) = (minute, 0, 0);
        }
        self.bytes += size;
        self.records += 1;
        #[expect(clippy::cast_precision_loss, reason = "a minute's traffic is far below 2^52")]
        let (bytes, records) = (self.bytes as f64, self.records as f64);
        self.peak = self.peak.max(bytes / MIB / 60.0).max(records / 1000.0 / 60.0);
    }
}

/// The gauges of a stream.
#[derive(Debug)]
struct OfStream {
    shards: HashMap<u32, Gauge>,
    traffic: Traffic,
    /// Calls that only want to know whether they would be done.
    trials: Bucket,
}

/// The gauges of streams, by account, region and id.
type Gauges = HashMap<(String, String, u64), OfStream>;

/// How far shards are used up.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    unlimited: bool,
    gauges: Mutex<Gauges>,
}

/// The gauges of one stream, for one call.
pub(crate) struct Meter<'a> {
    unlimited: bool,
    gauges: MutexGuard<'a, Gauges>,
    stream: (String, String, u64),
    now: i64,
}

impl Limits {
    /// Those of streams that take and give everything.
    pub(crate) fn unlimited() -> Self {
        Self { unlimited: true, ..Self::default() }
    }

    /// Whether there are none.
    pub(crate) fn are_off(&self) -> bool {
        self.unlimited
    }

    pub(crate) fn of(&self, cx: &Cx, stream: &Stream) -> Meter<'_> {
        let mut gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        if gauges.len() >= KEPT {
            gauges.clear();
        }
        let stream = (cx.account().to_owned(), cx.region().to_owned(), stream.id);
        Meter { unlimited: self.unlimited, gauges, stream, now: cx.now_millis() }
    }
}

impl Meter<'_> {
    fn of_stream(&mut self) -> &mut OfStream {
        let new =
            || OfStream { shards: HashMap::new(), traffic: Traffic::default(), trials: Bucket::full(1.0, self.now) };
        self.gauges.entry(self.stream.clone()).or_insert_with(new)
    }

    fn gauge(&mut self, shard: u32) -> &mut Gauge {
        let now = self.now;
        self.of_stream().shards.entry(shard).or_insert_with(|| Gauge::new(now))
    }

    /// Lets a call find out whether it would be done.
    pub(crate) fn try_out(&mut self) -> bool {
        let (now, unlimited) = (self.now, self.unlimited);
        let trials = &mut self.of_stream().trials;
        let lets = unlimited || trials.has(now) && trials.level >= 1.0;
        if lets {
            trials.take(1);
        }
        lets
    }

    /// Lets a record into a shard, if there is room for it.
    pub(crate) fn write(&mut self, shard: u32, size: usize) -> bool {
        if self.unlimited {
            return true;
        }
        let now = self.now;
        self.of_stream().traffic.add(size, now);
        let gauge = self.gauge(shard);
        // Both are brought to this moment, whichever is empty.
        let (bytes, records) = (gauge.bytes_in.has(now), gauge.records_in.has(now));
        if bytes && records {
            gauge.bytes_in.take(size);
            gauge.records_in.take(1);
        }
        bytes && records
    }

    /// The shards that take twice of what the busiest minute brought: so many has a stream on demand, or more.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is bounded")]
    pub(crate) fn demand(&mut self) -> u32 {
        (self.of_stream().traffic.peak * 2.0).ceil().clamp(0.0, 1e6) as u32
    }

    /// Lets a call read from a shard.
    pub(crate) fn read(&mut self, shard: u32) -> bool {
        if self.unlimited {
            return true;
        }
        let now = self.now;
        let gauge = self.gauge(shard);
        let (bytes, calls) = (gauge.bytes_out.has(now), gauge.calls_out.has(now) && gauge.calls_out.level >= 1.0);
        if bytes && calls {
            gauge.calls_out.take(1);
        }
        bytes && calls
    }

    /// Notes what a call has read.
    pub(crate) fn has_read(&mut self, shard: u32, size: usize) {
        if !self.unlimited {
            self.gauge(shard).bytes_out.take(size);
        }
    }

    /// Lets a call ask for an iterator.
    pub(crate) fn iterate(&mut self, shard: u32) -> bool {
        if self.unlimited {
            return true;
        }
        let now = self.now;
        let gauge = self.gauge(shard);
        let lets = gauge.iterators.has(now) && gauge.iterators.level >= 1.0;
        if lets {
            gauge.iterators.take(1);
        }
        lets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_told_by_its_busiest_minute() {
        let mut traffic = Traffic::default();
        for n in 0..60 {
            traffic.add(3 << 20, n * 1000);
        }
        assert!((traffic.peak - 3.0).abs() < 1e-9);
        traffic.add(1, 60_000);
        assert!((traffic.peak - 3.0).abs() < 1e-9, "a quiet minute takes nothing away");
        (0..300_000).for_each(|_| traffic.add(0, 120_000));
        assert!((traffic.peak - 5.0).abs() < 1e-9, "records count as well");
    }

    #[test]
    fn a_bucket_saves_up_one_second_and_owes_what_was_taken_beyond() {
        let mut bucket = Bucket::full(1000.0, 0);
        bucket.take(3000);
        assert!(!bucket.has(1000) && !bucket.has(2000));
        assert!(bucket.has(2001));
        assert!(bucket.has(1_000_000));
        bucket.take(1000);
        assert!(!bucket.has(1_000_000));
        assert!(!bucket.has(0), "a clock that is set back fills nothing");
    }
}
