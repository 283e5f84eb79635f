//! Metrics in the store: a row a series, and a row an hour of one.
//!
//! Source for what is kept how long: "Metrics retention" in the CloudWatch user guide: points of seconds for three hours, of minutes for
//! 15 days, of five minutes for 63 days, of an hour for 455 days.

use minicbor::{Decode, Encode};
use undercast_store::{Database, Entry, Order, Passed, Read, Table, Tx};

use super::{Metric, Statistics};
use crate::{Result, Timestamp};

/// Seconds.
pub const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
/// Seconds.
pub const DAY: i64 = 24 * HOUR;

/// From this age on points are no finer than so: age and length, in seconds, the oldest first.
const COARSER: [(i64, i64); 3] = [(63 * DAY, HOUR), (15 * DAY, 5 * MINUTE), (3 * HOUR, MINUTE)];

/// Points are kept so long, in seconds.
const KEPT: i64 = 455 * DAY;

/// Account, region, namespace, name, dimensions and unit → when it had its newest point.
static SERIES: Table<Known> = Table::new("kernel.metrics");

/// The same, and an hour since 1970 → the points of the hour.
static POINTS: Table<Hour> = Table::new("kernel.metric_points");

/// Before names of dimensions, and before their values. CloudWatch takes no control characters in either.
const NAME: char = '\u{1}';
const VALUE: char = '\u{2}';

/// A row of the table of series.
#[derive(Debug, Clone, Encode, Decode)]
struct Known {
    /// Seconds since 1970: the newest point.
    #[n(0)]
    newest: i64,
}

/// What a series had in an hour.
#[derive(Debug, Clone, Default, Encode, Decode)]
struct Hour {
    #[n(0)]
    points: Vec<Point>,
}

#[derive(Debug, Clone, Encode, Decode)]
struct Point {
    /// Seconds since the hour began.
    #[n(0)]
    at: u16,
    #[n(1)]
    statistics: Statistics,
}

/// A series: a metric of an account in a region, with one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    account: String,
    region: String,
    /// `AWS/S3`
    pub namespace: String,
    /// `AllRequests`
    pub name: String,
    /// Names and values, as they were given.
    pub dimensions: Vec<(String, String)>,
    /// `Count`
    pub unit: String,
}

type Key<'a> = ((&'a str, &'a str, &'a str), &'a str, String, &'a str);

impl Series {
    /// The series of a metric.
    pub fn of(account: &str, region: &str, metric: &Metric<'_>) -> Self {
        let dimensions = metric.dimensions.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            namespace: metric.namespace.to_owned(),
            name: metric.name.to_owned(),
            dimensions: dimensions.collect(),
            unit: metric.unit.to_owned(),
        }
    }

    /// Whether it is the one of this metric.
    pub(super) fn is(&self, account: &str, region: &str, metric: &Metric<'_>) -> bool {
        let same = |(mine, its): (&(String, String), &(&str, &str))| mine.0 == its.0 && mine.1 == its.1;
        self.name == metric.name
            && self.dimensions.len() == metric.dimensions.len()
            && self.dimensions.iter().zip(metric.dimensions).all(same)
            && self.namespace == metric.namespace
            && self.unit == metric.unit
            && self.account == account
            && self.region == region
    }

    /// What it is known by while it is in memory.
    pub(super) fn parts(&self) -> (&str, &str, &str, &str, Vec<(&str, &str)>) {
        let dimensions = self.dimensions.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        (&self.account, &self.region, &self.namespace, &self.name, dimensions)
    }

    /// Account and region.
    pub(super) fn place(&self) -> (&str, &str) {
        (&self.account, &self.region)
    }

    fn key(&self) -> Key<'_> {
        let dimensions = key_of(self.dimensions.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        ((&self.account, &self.region, &self.namespace), &self.name, dimensions, &self.unit)
    }

    fn of_key(key: ((String, String, String), String, String, String)) -> Self {
        let ((account, region, namespace), name, dimensions, unit) = key;
        let dimensions = dimensions.split(NAME).filter_map(|d| d.split_once(VALUE));
        let dimensions = dimensions.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        Self { account, region, namespace, name, dimensions, unit }
    }
}

/// Dimensions in a key: in whatever order they are given, it is the same series.
fn key_of<'a>(dimensions: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut sorted: Vec<_> = dimensions.collect();
    sorted.sort_unstable();
    sorted.iter().map(|(n, v)| format!("{NAME}{n}{VALUE}{v}")).collect()
}

fn hour_of(at: i64) -> i64 {
    at.div_euclid(HOUR)
}

/// How long a point of this age is at least, in seconds; `None`: it is too old to be kept.
fn length_at(age: i64) -> Option<i64> {
    (age <= KEPT).then(|| COARSER.iter().find(|(from, _)| age >= *from).map_or(1, |(_, length)| *length))
}

/// Adds points, each with its second since 1970, to a series.
///
/// # Errors
/// When the store fails.
pub fn add(tx: &mut Tx<'_>, series: &Series, points: &[(i64, Statistics)]) -> Result<()> {
    let (whose, name, dimensions, unit) = series.key();
    let key = (whose, name, dimensions.as_str(), unit);
    let newest = points.iter().map(|(at, _)| *at).max().unwrap_or_default();
    if SERIES.get(tx, &key)?.is_none_or(|known| known.newest < newest) {
        SERIES.put(tx, &key, &Known { newest });
    }
    let mut hours: Vec<i64> = points.iter().map(|(at, _)| hour_of(*at)).collect();
    hours.sort_unstable();
    hours.dedup();
    for hour in hours {
        let key = (whose, name, dimensions.as_str(), unit, hour);
        let mut row = POINTS.get(tx, &key)?.unwrap_or_default();
        points.iter().filter(|(at, _)| hour_of(*at) == hour).for_each(|(at, statistics)| row.add(*at, statistics));
        POINTS.put(tx, &key, &row);
    }
    Ok(())
}

impl Hour {
    fn add(&mut self, second: i64, statistics: &Statistics) {
        let at = u16::try_from(second.rem_euclid(HOUR)).unwrap_or(0);
        match self.points.binary_search_by_key(&at, |p| p.at) {
            Ok(found) => self.points[found].statistics.merge(statistics),
            Err(place) => self.points.insert(place, Point { at, statistics: statistics.clone() }),
        }
    }

    /// Whether some of its points are shorter.
    fn is_finer(&self, length: i64) -> bool {
        self.points.iter().any(|p| i64::from(p.at) % length != 0)
    }

    /// Makes its points so long.
    fn thin(&mut self, length: i64) {
        for point in std::mem::take(&mut self.points) {
            let at = i64::from(point.at);
            self.add(at - at % length, &point.statistics);
        }
    }
}

/// The hours of a series from `start` on and before `end`, in hours since 1970.
fn hours(from: &(impl Read + ?Sized), series: &Series, start: i64, end: i64) -> Result<Vec<(i64, Hour)>> {
    let (whose, name, dimensions, unit) = series.key();
    let key = |hour| (whose, name, dimensions.as_str(), unit, hour);
    let rows = POINTS.range(from, &key(start), &key(end), Order::Ascending, usize::MAX)?;
    let hour = |e: &Entry<Hour>| e.key::<((Passed, Passed, Passed), Passed, Passed, Passed, i64)>().map(|k| k.4);
    Ok(rows.into_iter().filter_map(|e| Some((hour(&e)?, e.row))).collect())
}

/// The points of a series from second `from` on and before `to`, ascending, each with its second since 1970.
///
/// # Errors
/// When the store fails.
pub fn read(
    source: &(impl Read + ?Sized),
    series: &Series,
    from: i64,
    to: i64,
    now: i64,
) -> Result<Vec<(i64, Statistics)>> {
    let from = from.max(now - KEPT);
    let mut all = Vec::new();
    for (hour, row) in hours(source, series, hour_of(from), hour_of(to) + 1)? {
        let points = row.points.into_iter().map(|p| (hour * HOUR + i64::from(p.at), p.statistics));
        all.extend(points.filter(|(at, _)| (from..to).contains(at)));
    }
    Ok(all)
}

/// The series of an account in a region that had points since second `since`, of a namespace if one is given.
///
/// # Errors
/// When the store fails.
pub fn list(
    from: &(impl Read + ?Sized),
    (account, region): (&str, &str),
    namespace: Option<&str>,
    since: i64,
) -> Result<Vec<Series>> {
    let rows = match namespace {
        Some(namespace) => SERIES.all(from, &(account, region, namespace))?,
        None => SERIES.all(from, &(account, region))?,
    };
    let recent = rows.into_iter().filter(|e| e.row.newest >= since);
    Ok(recent.filter_map(|e| e.key().map(Series::of_key)).collect())
}

/// The series of a metric: one, or one a unit where `unit` is none. The metric's own unit is not looked at.
///
/// # Errors
/// When the store fails.
pub fn find(
    from: &(impl Read + ?Sized),
    (account, region): (&str, &str),
    metric: &Metric<'_>,
    unit: Option<&str>,
) -> Result<Vec<Series>> {
    let dimensions = key_of(metric.dimensions.iter().copied());
    let rows = SERIES.all(from, &(account, region, metric.namespace, metric.name, dimensions))?;
    let found = rows.into_iter().filter_map(|e| e.key().map(Series::of_key));
    Ok(found.filter(|series| unit.is_none_or(|unit| series.unit == unit)).collect())
}

/// Whether the two moments are of different days.
pub(super) fn is_another_day(one: Timestamp, other: Timestamp) -> bool {
    one.as_second().div_euclid(DAY) != other.as_second().div_euclid(DAY)
}

/// Makes old points coarser, and forgets the oldest.
pub(super) async fn thin(database: &Database, now: i64) -> Result<()> {
    let from = database.read();
    for entry in SERIES.all(&from, &())? {
        let Some(series) = entry.key().map(Series::of_key) else { continue };
        // Writers do not wait while it is looked for what is to be done.
        let stale = stale(&from, &series, now)?;
        let gone = entry.row.newest < now - KEPT;
        if !stale.is_empty() || gone {
            database.write(|tx| thin_series(tx, &series, &stale, gone, now)).await?;
        }
    }
    Ok(())
}

/// The hours of a series whose points are finer, or older, than they may be.
fn stale(from: &(impl Read + ?Sized), series: &Series, now: i64) -> Result<Vec<i64>> {
    let all = hours(from, series, i64::MIN, hour_of(now))?.into_iter();
    let stale = all.filter_map(|(hour, row)| {
        let fine = length_at(now - hour * HOUR).is_none_or(|length| row.is_finer(length));
        fine.then_some(hour)
    });
    Ok(stale.collect())
}

fn thin_series(tx: &mut Tx<'_>, series: &Series, stale: &[i64], gone: bool, now: i64) -> Result<()> {
    let (whose, name, dimensions, unit) = series.key();
    for hour in stale {
        let key = (whose, name, dimensions.as_str(), unit, *hour);
        match length_at(now - hour * HOUR) {
            None => POINTS.delete(tx, &key),
            Some(length) => {
                // Something may have been added since.
                let mut row = POINTS.get(tx, &key)?.unwrap_or_default();
                row.thin(length);
                POINTS.put(tx, &key, &row);
            }
        }
    }
    if gone {
        SERIES.delete(tx, &(whose, name, dimensions.as_str(), unit));
    }
    Ok(())
}
