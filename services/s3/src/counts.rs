//! What is counted for storage class analysis: objects read and put, by configuration, day, class and age.
//!
//! Only buckets with a configuration that exports are counted. Counts are kept in memory and folded into the store a minute,
//! by the clock of the cloud, after the first of them, and when a day's figures are made: so a crash, or the end of the
//! program, loses the counts of one such minute at most.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Body, Cx, Result};
use undercast_wire::value::Counter;

use crate::analytics;
use crate::lifecycle_rules::{DAY, LEAST_BYTES};
use crate::rows::{BUCKETS, Bucket, Object};

/// Account, region, bucket, configuration, day since 1970 → what is known of that day.
pub(crate) static DAYS: Table<Day> = Table::new("s3.analyses");

/// Counts wait so long in memory.
const FOLD: std::time::Duration = std::time::Duration::from_secs(60);

/// The first days of the age groups.
pub(crate) const GROUPS: [i64; 12] = [0, 15, 30, 45, 60, 75, 90, 120, 150, 180, 365, 730];

/// The group of all ages, with the objects that are too small for the others.
pub(crate) const ALL: u8 = 12;

/// A day of a configuration.
#[derive(Debug, Clone, Default, Encode, Decode)]
pub(crate) struct Day {
    /// When its figures were made, in milliseconds since 1970. `None`: it is not over.
    #[n(0)]
    pub(crate) made: Option<i64>,
    /// The configuration's filter at that time.
    #[n(1)]
    pub(crate) filter: String,
    #[n(2)]
    pub(crate) cells: Vec<Cell>,
}

/// The figures of a class and an age group.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Cell {
    #[n(0)]
    pub(crate) class: String,
    #[n(1)]
    pub(crate) group: u8,
    #[n(2)]
    pub(crate) figures: Figures,
}

/// Sums, in objects, bytes and requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Figures {
    #[n(0)]
    pub(crate) objects: u64,
    #[n(1)]
    pub(crate) stored: u64,
    #[n(2)]
    pub(crate) uploaded: u64,
    #[n(3)]
    pub(crate) retrieved: u64,
    #[n(4)]
    pub(crate) gets: u64,
}

impl Figures {
    fn add(&mut self, more: Self) {
        self.objects += more.objects;
        self.stored += more.stored;
        self.uploaded += more.uploaded;
        self.retrieved += more.retrieved;
        self.gets += more.gets;
    }
}

impl Day {
    /// Adds to the figures of a class and an age group.
    pub(crate) fn add(&mut self, class: &str, group: u8, more: Figures) {
        match self.cells.iter_mut().find(|c| c.group == group && c.class == class) {
            Some(cell) => cell.figures.add(more),
            None => self.cells.push(Cell { class: class.to_owned(), group, figures: more }),
        }
    }

    pub(crate) fn figures(&self, class: &str, group: u8) -> Figures {
        let found = self.cells.iter().find(|c| c.group == group && c.class == class);
        found.map_or(Figures::default(), |c| c.figures)
    }
}

/// The groups in which an object is: that of its age, if it is large enough, and that of all.
pub(crate) fn groups(size: u64, modified: i64, now_millis: i64) -> Vec<u8> {
    let days = (now_millis - modified).max(0) / DAY;
    let aged = GROUPS.iter().rposition(|first| *first <= days).and_then(|at| u8::try_from(at).ok());
    aged.filter(|_| size >= LEAST_BYTES).into_iter().chain([ALL]).collect()
}

/// Account, region, bucket, configuration.
type Name = (String, String, String, String);

/// The day since 1970, the class, the age group.
type Place = (u64, String, u8);

#[derive(Debug, Default)]
struct Waiting {
    counts: HashMap<(Name, Place), Figures>,
    /// Somebody will fold them.
    expected: bool,
}

/// The counts that are not in the store yet.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<Waiting>);

/// The configurations that count what is done with an object.
pub(crate) struct Counted {
    names: Vec<Name>,
    class: String,
    groups: Vec<u8>,
}

impl Counted {
    /// `None`: nobody counts.
    pub(crate) fn of(
        from: &(impl Read + ?Sized),
        bucket: &Bucket,
        key: &str,
        object: &Object,
        now_millis: i64,
    ) -> Result<Option<Self>> {
        if !analytics::is_counted(bucket) {
            return Ok(None);
        }
        let names = analytics::about(from, bucket, key, &object.tags)?;
        let name = |id: String| (bucket.account.clone(), bucket.region.clone(), bucket.name.clone(), id);
        let counted = Self {
            names: names.into_iter().map(name).collect(),
            class: object.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned()),
            groups: groups(object.size, object.modified, now_millis),
        };
        Ok(Some(counted).filter(|c| !c.names.is_empty()))
    }
}

impl Counts {
    /// Counts something now.
    pub(crate) fn add(self: &Arc<Self>, cx: &Cx, counted: &Counted, figures: Figures) {
        let day = u64::try_from(cx.now_millis().div_euclid(DAY)).unwrap_or(0);
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &counted.names {
            for group in &counted.groups {
                let place = (name.clone(), (day, counted.class.clone(), *group));
                waiting.counts.entry(place).or_default().add(figures);
            }
        }
        if !std::mem::replace(&mut waiting.expected, true) {
            let (counts, work) = (self.clone(), cx.clone());
            cx.spawn(async move {
                work.kernel().clock().sleep(FOLD).await;
                if let Err(failure) = counts.fold(&work).await {
                    tracing::warn!(error = &failure as &dyn std::error::Error, "counts of requests wait longer");
                }
            });
        }
    }

    /// A reading: the request, and each byte when it is taken.
    pub(crate) fn watch(self: &Arc<Self>, cx: &Cx, counted: Counted, body: Body) -> Body {
        self.add(cx, &counted, Figures { gets: 1, ..Figures::default() });
        body.counted(Retrieved { counts: self.clone(), cx: cx.clone(), counted })
    }

    /// Brings what waits into the store.
    pub(crate) async fn fold(&self, cx: &Cx) -> Result<()> {
        let waiting = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.counts.is_empty() {
            return Ok(());
        }
        let folded = cx.write(|tx| {
            for ((name, (day, class, group)), figures) in &waiting.counts {
                let (account, region, bucket, id) = name;
                // The configuration may have gone, and its bucket with it.
                let there = BUCKETS.get(tx, &(bucket,))?.filter(|b| b.account == *account && b.region == *region);
                let Some(there) = there else { continue };
                if !analytics::exists(tx, &there, id)? {
                    continue;
                }
                let key = (account, region, bucket, id, *day);
                let mut row = DAYS.get(tx, &key)?.unwrap_or_default();
                if row.made.is_none() {
                    row.add(class, *group, *figures);
                    DAYS.put(tx, &key, &row);
                }
            }
            Ok(())
        });
        let folded = folded.await;
        if folded.is_err() {
            let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.counts.into_iter().for_each(|(place, figures)| now.counts.entry(place).or_default().add(figures));
        }
        folded
    }

    /// A configuration has gone: nobody wants what was counted for it.
    pub(crate) fn forget(&self, bucket: &Bucket, id: &str) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.counts.retain(|((_, _, name, of), _), _| name != &bucket.name || of != id);
    }
}

/// Counts the bytes of a reading as they are taken.
struct Retrieved {
    counts: Arc<Counts>,
    cx: Cx,
    counted: Counted,
}

impl Counter for Retrieved {
    fn count(&mut self, bytes: usize) {
        self.counts.add(&self.cx, &self.counted, Figures { retrieved: bytes as u64, ..Figures::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        let of = |size, days: i64| groups(size, 0, days * DAY);
        assert_eq!(of(LEAST_BYTES - 1, 20), [ALL], "it is too small for the groups");
        for (days, group) in [(0, 0), (14, 0), (15, 1), (89, 5), (90, 6), (179, 8), (364, 9), (729, 10), (5000, 11)] {
            assert_eq!(of(LEAST_BYTES, days), [group, ALL], "{days} days");
        }
    }
}
