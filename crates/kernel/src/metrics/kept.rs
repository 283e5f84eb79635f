//! Metrics in the store: a row a series, and a row an hour of one.
//!
//! Source for what is kept how long: "Metrics retention" in the CloudWatch user guide: points of seconds for three hours, of minutes for
//! 15 days, of five minutes for 63 days, of an hour for 455 days.

use minicbor::{Decode, Encode};
use undercast_store::{Database, Order, Read, Table, Tx};

use super::{Metric, Statistics};
use crate::{Result, Timestamp};

/// Seconds.
pub const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

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

    fn key(&self) -> Key<'_> {
        // In whatever order the dimensions are given, it is the same series.
        let mut sorted: Vec<_> = self.dimensions.iter().collect();
        sorted.sort();
        let dimensions = sorted.iter().map(|(n, v)| format!("{NAME}{n}{VALUE}{v}")).collect();
        ((&self.account, &self.region, &self.namespace), &self.name, dimensions, &self.unit)
    }

    fn of_key(key: ((String, String, String), String, String, String)) -> Self {
        let ((account, region, namespace), name, dimensions, unit) = key;
        let dimensions = dimensions.split(NAME).filter_map(|d| d.split_once(VALUE));
        let dimensions = dimensions.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        Self { account, region, namespace, name, dimensions, unit }
    }
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

    /// Makes its points so long, and says whether that changed anything.
    fn thin(&mut self, length: i64) -> bool {
        let fine = |p: &Point| i64::from(p.at) % length != 0;
        if !self.points.iter().any(fine) {
            return false;
        }
        for point in std::mem::take(&mut self.points) {
            let at = i64::from(point.at);
            self.add(at - at % length, &point.statistics);
        }
        true
    }
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
    let (whose, name, dimensions, unit) = series.key();
    let key = |hour| (whose, name, dimensions.as_str(), unit, hour);
    let from = from.max(now - KEPT);
    let (start, end) = (key(hour_of(from)), key(hour_of(to) + 1));
    let mut all = Vec::new();
    for entry in POINTS.range(source, &start, &end, Order::Ascending, usize::MAX)? {
        let Some(((..), _, _, _, hour)) = entry.key::<((String, String, String), String, String, String, i64)>() else {
            continue;
        };
        let points = entry.row.points.into_iter().map(|p| (hour * HOUR + i64::from(p.at), p.statistics));
        all.extend(points.filter(|(at, _)| (from..to).contains(at)));
    }
    Ok(all)
}

/// The series of an account in a region that had points since second `since`, of a namespace if one is given, behind `after`.
///
/// # Errors
/// When the store fails.
pub fn list(
    from: &(impl Read + ?Sized),
    (account, region): (&str, &str),
    namespace: Option<&str>,
    since: i64,
) -> Result<Vec<Series>> {
    let (start, end) = match namespace {
        Some(namespace) => (((account, region, namespace), ""), ((account, region, namespace), "\u{10ffff}")),
        None => (((account, region, ""), ""), ((account, region, "\u{10ffff}"), "")),
    };
    let rows = SERIES.range(from, &start, &end, Order::Ascending, usize::MAX)?;
    let recent = rows.into_iter().filter(|e| e.row.newest >= since);
    Ok(recent.filter_map(|e| e.key().map(Series::of_key)).collect())
}

/// Whether the two moments are of different days.
pub(super) fn is_another_day(one: Timestamp, other: Timestamp) -> bool {
    one.as_second().div_euclid(DAY) != other.as_second().div_euclid(DAY)
}

/// Makes old points coarser, and forgets the oldest.
pub(super) async fn thin(database: &Database, now: i64) -> Result<()> {
    let all = SERIES.all(&database.read(), &())?;
    for entry in all {
        let Some(series) = entry.key().map(Series::of_key) else { continue };
        database.write(|tx| thin_series(tx, &series, entry.row.newest, now)).await?;
    }
    Ok(())
}

fn thin_series(tx: &mut Tx<'_>, series: &Series, newest: i64, now: i64) -> Result<()> {
    let (whose, name, dimensions, unit) = series.key();
    let key = |hour| (whose, name, dimensions.as_str(), unit, hour);
    let end = key(hour_of(now));
    for entry in POINTS.range(tx, &key(i64::MIN), &end, Order::Ascending, usize::MAX)? {
        let Some(((..), _, _, _, hour)) = entry.key::<((String, String, String), String, String, String, i64)>() else {
            continue;
        };
        let mut row = entry.row;
        match length_at(now - hour * HOUR) {
            None => POINTS.delete(tx, &key(hour)),
            Some(length) if row.thin(length) => POINTS.put(tx, &key(hour), &row),
            Some(_) => {}
        }
    }
    if newest < now - KEPT {
        SERIES.delete(tx, &(whose, name, dimensions.as_str(), unit));
    }
    Ok(())
}
