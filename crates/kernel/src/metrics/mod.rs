//! CloudWatch's metrics: what the services count and measure, and what users put there.
//!
//! A service observes a value; it is added up in memory by the minute, and some seconds later written to the store. A crash loses
//! those seconds: AWS, too, delivers metrics at its best effort. What a user puts is written before it is answered.

mod kept;
mod statistics;
mod waiting;

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashTable};

pub use kept::{DAY, MINUTE, Series, add, find, list, read};
pub use statistics::Statistics;

use undercast_store::Tx;

use crate::{Cx, Kernel, Result};

/// What is observed waits so long in memory, in the machine's time.
const WAIT: Duration = Duration::from_secs(15);

/// Calls on several threads add to different parts.
const PARTS: usize = 8;

/// A metric, as it is observed.
#[derive(Debug, Clone, Copy)]
pub struct Metric<'a> {
    /// `AWS/S3`
    pub namespace: &'a str,
    /// `AllRequests`
    pub name: &'a str,
    /// Names and values.
    pub dimensions: &'a [(&'a str, &'a str)],
    /// One of CloudWatch's units: `Count`, `Bytes`, `Milliseconds`, …
    pub unit: &'a str,
}

/// A series with what was observed since it was written last, by the minute.
struct Fresh {
    series: Series,
    points: Vec<(i64, Statistics)>,
}

/// What was observed and is not written yet.
#[derive(Default)]
pub struct Metrics {
    parts: [Mutex<HashTable<Fresh>>; PARTS],
    hasher: DefaultHashBuilder,
    /// The minute that services measured last (seconds since 1970).
    measured: AtomicI64,
    /// Held while they are written, so that whoever reads afterwards finds what another one is still writing.
    writing: tokio::sync::Mutex<()>,
}

impl Metrics {
    /// Adds a value of the second `at` (since 1970) to a metric of an account in a region.
    fn add(&self, account: &str, region: &str, at: i64, metric: &Metric<'_>, value: f64) {
        let hash = self.hasher.hash_one((account, region, metric.namespace, metric.name, metric.dimensions));
        let part = usize::try_from(hash % PARTS as u64).unwrap_or(0);
        let minute = at - at.rem_euclid(MINUTE);
        let mut part = self.parts[part].lock().unwrap_or_else(PoisonError::into_inner);
        let found = part.find_mut(hash, |fresh| fresh.series.is(account, region, metric));
        let points = match found {
            Some(fresh) => &mut fresh.points,
            None => {
                let fresh = Fresh { series: Series::of(account, region, metric), points: Vec::with_capacity(1) };
                // The hash is of what the series is, so that it can be told again.
                let again = |f: &Fresh| self.hasher.hash_one(f.series.parts());
                &mut part.insert_unique(hash, fresh, again).into_mut().points
            }
        };
        match points.iter_mut().rev().find(|(of, _)| *of == minute) {
            Some((_, statistics)) => statistics.add(value, 1.0),
            None => points.push((minute, Statistics::of(value, 1.0))),
        }
    }

    fn take(&self) -> Vec<Fresh> {
        let taken = self.parts.iter().map(|p| std::mem::take(&mut *p.lock().unwrap_or_else(PoisonError::into_inner)));
        taken.flatten().collect()
    }
}

impl Kernel {
    /// Has services write what they remember of calls and have in memory only.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_remembered(&self) -> Result<()> {
        for service in self.services() {
            service.keep(self).await?;
        }
        Ok(())
    }

    /// Writes what was observed and contributed until now. Whoever reads metrics or contributions calls it first.
    ///
    /// # Errors
    /// When the store fails; what was to be written is lost then.
    pub async fn keep_metrics(&self) -> Result<()> {
        let _writing = self.inner.metrics.writing.lock().await;
        let now = self.clock().now().as_second();
        let minute = now - now.rem_euclid(MINUTE);
        if self.inner.metrics.measured.swap(minute, Ordering::AcqRel) != minute {
            self.services().iter().try_for_each(|service| service.measure(self))?;
        }
        self.keep_remembered().await?;
        self.inner.insights.keep(self.database()).await?;
        let fresh = self.inner.metrics.take();
        if fresh.is_empty() {
            return Ok(());
        }
        let mut places: Vec<(&str, &str)> = fresh.iter().map(|f| f.series.place()).collect();
        places.sort_unstable();
        places.dedup();
        let before = self.inner.tasks.scheduled();
        let keep = |tx: &mut Tx<'_>| {
            fresh.iter().try_for_each(|f| add(tx, &f.series, &f.points))?;
            places.iter().try_for_each(|(account, region)| self.cx_for(account, region).metrics_came(tx))
        };
        self.inner.database.write(keep).await?;
        self.inner.tasks.wake_if_since(before);
        Ok(())
    }

    /// Makes old metrics coarser, and forgets the oldest, and old contributions.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn thin_metrics(&self) -> Result<()> {
        let now = self.clock().now().as_second();
        crate::insights::forget(self.database(), now).await?;
        kept::thin(self.database(), now).await
    }

    /// Writes metrics from time to time, and makes old ones coarser, until the process ends.
    pub(crate) async fn tend_metrics(self) {
        let mut thinned = self.clock().now();
        loop {
            tokio::time::sleep(WAIT).await;
            if let Err(error) = self.keep_metrics().await {
                tracing::error!(error = &error as &dyn std::error::Error, "metrics could not be kept");
            }
            let now = self.clock().now();
            if kept::is_another_day(thinned, now) {
                thinned = now;
                if let Err(error) = self.thin_metrics().await {
                    tracing::error!(error = &error as &dyn std::error::Error, "old metrics could not be made coarser");
                }
            }
        }
    }
}

impl Cx {
    /// Adds a value to a metric of this call's account and region.
    pub fn observe(&self, metric: &Metric<'_>, value: f64) {
        self.kernel.inner.metrics.add(&self.account, &self.region, self.now.as_second(), metric, value);
    }
}
