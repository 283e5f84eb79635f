//! When work is due that is ordered by the calendar: `at(…)`, `rate(…)`, `cron(…)`, in a time zone.
//!
//! Source: "Schedule scaling actions" in the user guide of Application Auto Scaling: six fields (minutes, hours, day of month, month, day of
//! week, year) with `,` `-` `*` `/` `?` `L` `W` `#`, of which one of the two days is `?`. The classic form of five fields is that of
//! `PutAlarmMuteRule` in CloudWatch's API reference: a day of either kind is enough where both are said. What EventBridge
//! Scheduler reads otherwise is told by "Schedule types on EventBridge Scheduler" in its user guide.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};

/// When something is due.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// Once.
    At(Timestamp),
    /// Each time that so many seconds have passed.
    Rate(i64),
    /// By the calendar of a zone.
    Cron(Box<Cron>, TimeZone),
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// It cannot be read.
    #[error("Invalid schedule expression: {0}")]
    Expression(String),
    /// Nobody knows the zone.
    #[error("Unknown time zone: {0}")]
    Zone(String),
}

/// The fields of a cron expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Cron {
    minutes: Vec<i16>,
    hours: Vec<i16>,
    months: Vec<i16>,
    years: Vec<i16>,
    days: Days,
    /// What is due in an hour that clocks leave out is not done, rather than with the hour that follows.
    skips: bool,
}

/// On which days of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    OfMonth(Vec<i16>),
    /// `L`
    Last,
    /// `LW`
    LastWorkingDay,
    /// `15W`: the working day that is nearest.
    NearestWorkingDay(i16),
    /// 1 is Sunday.
    OfWeek(Vec<i16>),
    /// `5L`: the last of its kind.
    LastOfWeek(i16),
    /// `6#3`: the third of its kind.
    NthOfWeek(i16, i16),
    /// A day of the month or one of the week.
    Either(Vec<i16>, Vec<i16>),
}

impl Schedule {
    /// Reads a schedule. The zone is UTC unless one is named.
    ///
    /// # Errors
    /// When it cannot be read, or the zone is not known.
    pub fn parse(text: &str, zone: Option<&str>) -> Result<Self, BadSchedule> {
        let zone = zone_of(zone)?;
        let wrong = || BadSchedule::Expression(text.to_owned());
        match parts(text).ok_or_else(wrong)? {
            ("at", inside) => at(inside, &zone).map(Self::At).ok_or_else(wrong),
            ("rate", inside) => rate(inside).map(Self::Rate).ok_or_else(wrong),
            ("cron", inside) => cron(inside).map(|cron| Self::Cron(Box::new(cron), zone)).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }

    /// The same in the classic form: `at(…)`, or `cron(…)` with five fields.
    ///
    /// # Errors
    /// When it cannot be read, or the zone is not known.
    pub fn parse_classic(text: &str, zone: Option<&str>) -> Result<Self, BadSchedule> {
        let zone = zone_of(zone)?;
        let wrong = || BadSchedule::Expression(text.to_owned());
        match parts(text).ok_or_else(wrong)? {
            ("at", inside) => at(inside, &zone).map(Self::At).ok_or_else(wrong),
            ("cron", inside) => classic(inside).map(|cron| Self::Cron(Box::new(cron), zone)).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }

    /// The same as EventBridge Scheduler reads it: moments to the second, units of rates in one and in many, in capitals too,
    /// and nothing is due in an hour that clocks leave out.
    ///
    /// # Errors
    /// When it cannot be read, or the zone is not known.
    pub fn parse_for_scheduler(text: &str, zone: Option<&str>) -> Result<Self, BadSchedule> {
        let zone = zone_of(zone)?;
        let wrong = || BadSchedule::Expression(text.to_owned());
        let (kind, rest) = text.split_once('(').ok_or_else(wrong)?;
        let inside = rest.strip_suffix(')').filter(|inside| inside.trim() == *inside).ok_or_else(wrong)?;
        match kind {
            "at" if inside.len() == "2026-01-01T00:00:00".len() && inside.as_bytes()[10] == b'T' => {
                at(inside, &zone).map(Self::At).ok_or_else(wrong)
            }
            "rate" => rate_of_any_number(inside).map(Self::Rate).ok_or_else(wrong),
            "cron" => {
                let cron = cron(inside).ok_or_else(wrong)?;
                Ok(Self::Cron(Box::new(Cron { skips: true, ..cron }), zone))
            }
            _ => Err(wrong()),
        }
    }

    /// The first moment after `after` at which it is due, having begun at `begun`.
    pub fn next(&self, begun: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(at) => (*at > after).then_some(*at),
            Self::Rate(seconds) => {
                let passed = (after.as_second() - begun.as_second()).max(0);
                let times = passed.div_euclid(*seconds) + 1;
                Timestamp::from_second(begun.as_second() + times * seconds).ok()
            }
            Self::Cron(cron, zone) => cron.next(zone, after),
        }
    }
}

fn zone_of(name: Option<&str>) -> Result<TimeZone, BadSchedule> {
    name.map_or(Ok(TimeZone::UTC), |name| TimeZone::get(name).map_err(|_| BadSchedule::Zone(name.to_owned())))
}

/// What stands before the brackets, and in them.
fn parts(text: &str) -> Option<(&str, &str)> {
    let (kind, rest) = text.split_once('(')?;
    Some((kind, rest.strip_suffix(')')?.trim()))
}

fn at(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let local: DateTime = text.parse().ok()?;
    zone.to_ambiguous_timestamp(local).compatible().ok()
}

fn rate(text: &str) -> Option<i64> {
    let (count, unit) = text.split_once(' ')?;
    let count: i64 = count.parse().ok().filter(|n| (1..=100_000).contains(n))?;
    let seconds = match (unit.trim(), count) {
        ("minute", 1) | ("minutes", _) => 60,
        ("hour", 1) | ("hours", _) => 3600,
        ("day", 1) | ("days", _) => 86_400,
        _ => return None,
    };
    Some(count * seconds)
}

/// `1 hours` and `5 MINUTE` are rates as well.
fn rate_of_any_number(text: &str) -> Option<i64> {
    let (count, unit) = text.split_once(' ')?;
    let unit = unit.to_ascii_lowercase();
    let unit = unit.strip_suffix('s').unwrap_or(&unit);
    rate(&format!("{count} {unit}{}", if count == "1" { "" } else { "s" }))
}

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

fn cron(text: &str) -> Option<Cron> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minutes, hours, of_month, month, of_week, year] = fields.as_slice() else { return None };
    let days = match (*of_month, *of_week) {
        (day, "?") => days_of_month(day)?,
        ("?", day) => days_of_week(day)?,
        _ => return None,
    };
    Some(Cron {
        minutes: numbers(minutes, 0, 59, &[])?,
        hours: numbers(hours, 0, 23, &[])?,
        months: numbers(month, 1, 12, MONTHS)?,
        years: numbers(year, 1970, 2199, &[])?,
        days,
        skips: false,
    })
}

/// Five fields. 0 and 7 are Sunday.
fn classic(text: &str) -> Option<Cron> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minutes, hours, of_month, month, of_week] = fields.as_slice() else { return None };
    let days = |field: &str| -> Option<Vec<i16>> {
        let all = match numbers(field, 1, 7, WEEKDAYS) {
            Some(named) if field.contains(|c: char| c.is_ascii_alphabetic()) => {
                named.iter().map(|day| day - 1).collect()
            }
            _ => numbers(field, 0, 7, &[])?,
        };
        Some(all.into_iter().map(|day| day % 7 + 1).collect())
    };
    let days = match (*of_month, *of_week) {
        (day, "*") => Days::OfMonth(numbers(day, 1, 31, &[])?),
        ("*", day) => Days::OfWeek(days(day)?),
        (month, week) => Days::Either(numbers(month, 1, 31, &[])?, days(week)?),
    };
    Some(Cron {
        minutes: numbers(minutes, 0, 59, &[])?,
        hours: numbers(hours, 0, 23, &[])?,
        months: numbers(month, 1, 12, MONTHS)?,
        years: (1970..=2199).collect(),
        days,
        skips: false,
    })
}

/// The numbers of a field: `*`, `1,2`, `MON-FRI`, `0/15`.
fn numbers(field: &str, least: i16, most: i16, names: &[&str]) -> Option<Vec<i16>> {
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = named.and_then(|n| i16::try_from(n).ok()).map(|n| n + least);
        named.or_else(|| text.parse().ok()).filter(|n: &i16| (least..=most).contains(n))
    };
    let mut all = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().ok().filter(|n| *n > 0)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            // `5/10` goes on to the end.
            None => (number(range)?, if step.is_some() { most } else { number(range)? }),
        };
        if from > to {
            return None;
        }
        all.extend((from..=to).step_by(step.unwrap_or(1)));
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

fn days_of_month(field: &str) -> Option<Days> {
    match field {
        "L" => Some(Days::Last),
        "LW" => Some(Days::LastWorkingDay),
        _ => match field.strip_suffix('W') {
            Some(day) => day.parse().ok().filter(|n| (1..=31).contains(n)).map(Days::NearestWorkingDay),
            None => numbers(field, 1, 31, &[]).map(Days::OfMonth),
        },
    }
}

fn days_of_week(field: &str) -> Option<Days> {
    let day = |text: &str| numbers(text, 1, 7, WEEKDAYS).filter(|all| all.len() == 1).map(|all| all[0]);
    if field == "L" {
        return Some(Days::OfWeek(vec![7]));
    }
    if let Some(last) = field.strip_suffix('L') {
        return day(last).map(Days::LastOfWeek);
    }
    if let Some((kind, nth)) = field.split_once('#') {
        let nth = nth.parse().ok().filter(|n| (1..=5).contains(n))?;
        return day(kind).map(|kind| Days::NthOfWeek(kind, nth));
    }
    numbers(field, 1, 7, WEEKDAYS).map(Days::OfWeek)
}

/// 1 is Sunday.
fn weekday(date: Date) -> i16 {
    i16::from(date.weekday().to_sunday_one_offset())
}

fn is_working(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

impl Days {
    fn has(&self, date: Date) -> bool {
        let (day, last) = (i16::from(date.day()), i16::from(date.days_in_month()));
        match self {
            Self::OfMonth(days) => days.contains(&day),
            Self::Last => day == last,
            Self::LastWorkingDay => nearest_working_day(date, last) == Some(date),
            Self::NearestWorkingDay(wanted) => *wanted <= last && nearest_working_day(date, *wanted) == Some(date),
            Self::OfWeek(days) => days.contains(&weekday(date)),
            Self::LastOfWeek(kind) => weekday(date) == *kind && day + 7 > last,
            Self::Either(days, kinds) => days.contains(&day) || kinds.contains(&weekday(date)),
            Self::NthOfWeek(kind, nth) => weekday(date) == *kind && (day - 1) / 7 + 1 == *nth,
        }
    }
}

/// The working day nearest to a day of a month, within the month.
fn nearest_working_day(month: Date, day: i16) -> Option<Date> {
    let last = i16::from(month.days_in_month());
    let date = |day: i16| Date::new(month.year(), month.month(), i8::try_from(day).ok()?).ok();
    let wanted = date(day)?;
    match wanted.weekday() {
        Weekday::Saturday => date(if day > 1 { day - 1 } else { day + 2 }),
        Weekday::Sunday => date(if day < last { day + 1 } else { day - 2 }),
        _ => Some(wanted),
    }
    .filter(|found| is_working(*found))
}

impl Cron {
    fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let mut date = zone.to_datetime(after).date();
        let furthest = *self.years.last()?;
        while date.year() <= furthest {
            if !self.years.contains(&date.year()) {
                date = Date::new(date.year().checked_add(1)?, 1, 1).ok()?;
                continue;
            }
            if !self.months.contains(&i16::from(date.month())) {
                date = date.first_of_month().checked_add(Span::new().months(1)).ok()?;
                continue;
            }
            if self.days.has(date)
                && let Some(at) = self.on(date, zone, after)
            {
                return Some(at);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The first moment of a day after `after`.
    fn on(&self, date: Date, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let times = self.hours.iter().flat_map(|hour| self.minutes.iter().map(move |minute| (*hour, *minute)));
        let moment = |(hour, minute): (i16, i16)| {
            let local = date.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0);
            // Of an hour that comes twice the first counts; one that is left out comes with the one after it.
            let meant = zone.to_ambiguous_timestamp(local);
            if self.skips && matches!(meant.offset(), AmbiguousOffset::Gap { .. }) {
                return None;
            }
            meant.compatible().ok().filter(|at| *at > after)
        };
        // What is moved out of an hour that is left out may come behind what stands after it.
        times.filter_map(moment).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(text, Some(zone)).unwrap();
        let mut at: Timestamp = after.parse().unwrap();
        let begun = at;
        let mut all = Vec::new();
        for _ in 0..count {
            let Some(next) = schedule.next(begun, at) else { break };
            all.push(next.to_string());
            at = next;
        }
        all
    }

    #[test]
    fn expressions_are_due_when_the_guide_says() {
        let new_year = "2026-01-01T00:00:00Z";
        for (text, wanted) in [
            ("at(2026-03-01T12:30:00)", vec!["2026-03-01T12:30:00Z"]),
            ("rate(5 minutes)", vec!["2026-01-01T00:05:00Z", "2026-01-01T00:10:00Z"]),
            ("rate(1 day)", vec!["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]),
            ("cron(0 9 * * ? *)", vec!["2026-01-01T09:00:00Z", "2026-01-02T09:00:00Z"]),
            ("cron(15 10 ? * MON-FRI *)", vec!["2026-01-01T10:15:00Z", "2026-01-02T10:15:00Z", "2026-01-05T10:15:00Z"]),
            (
                "cron(0/30 8,20 1 FEB ? 2026)",
                vec!["2026-02-01T08:00:00Z", "2026-02-01T08:30:00Z", "2026-02-01T20:00:00Z", "2026-02-01T20:30:00Z"],
            ),
            ("cron(0 0 L * ? *)", vec!["2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"]),
            ("cron(0 0 LW * ? *)", vec!["2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z"]),
            ("cron(0 0 1W * ? *)", vec!["2026-02-02T00:00:00Z", "2026-03-02T00:00:00Z"]),
            ("cron(0 0 15W * ? *)", vec!["2026-01-15T00:00:00Z", "2026-02-16T00:00:00Z"]),
            ("cron(0 0 ? * 6#2 *)", vec!["2026-01-09T00:00:00Z", "2026-02-13T00:00:00Z"]),
            ("cron(0 0 ? * 2L *)", vec!["2026-01-26T00:00:00Z", "2026-02-23T00:00:00Z"]),
            ("cron(0 0 29 2 ? *)", vec!["2028-02-29T00:00:00Z"]),
        ] {
            assert_eq!(dates(text, "UTC", new_year, wanted.len()), wanted, "{text}");
        }
        assert!(dates("cron(0 0 30 2 ? *)", "UTC", new_year, 1).is_empty());
        assert!(dates("cron(0 0 1 1 ? 2020)", "UTC", new_year, 1).is_empty());
        assert!(dates("at(2025-01-01T00:00:00)", "UTC", new_year, 1).is_empty());
    }

    #[test]
    fn five_fields_are_the_classic_form() {
        let after: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (text, wanted) in [
            ("at(2026-05-10T14:00)", "2026-05-10T14:00:00Z"),
            ("cron(0 2 * * *)", "2026-01-01T02:00:00Z"),
            ("cron(0 2 * * SUN)", "2026-01-04T02:00:00Z"),
            ("cron(0 2 * * 0)", "2026-01-04T02:00:00Z"),
            ("cron(0 2 * * 5-7)", "2026-01-02T02:00:00Z"),
            ("cron(0 1 1 FEB *)", "2026-02-01T01:00:00Z"),
            ("cron(0 1 13 * FRI)", "2026-01-02T01:00:00Z"),
        ] {
            let next = Schedule::parse_classic(text, None).unwrap().next(after, after).unwrap();
            assert_eq!(next.to_string(), wanted, "{text}");
        }
        for text in ["rate(1 day)", "cron(0 2 * * ? *)", "cron(0 2 * * 8)", "cron(0 2 * * MOO)"] {
            assert!(Schedule::parse_classic(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn zones_have_summers() {
        let wanted = ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"];
        assert_eq!(dates("cron(30 2 * * ? *)", "Europe/Berlin", "2026-03-28T00:00:00Z", 3), wanted);
        assert_eq!(
            dates("at(2026-07-01T12:00:00)", "America/New_York", "2026-01-01T00:00:00Z", 1),
            ["2026-07-01T16:00:00Z"]
        );
    }

    #[test]
    fn what_comes_late_does_not_hide_what_comes_before_it() {
        let twice = dates("cron(30 2,3 * * ? *)", "Europe/Berlin", "2026-03-29T00:00:00Z", 2);
        // 2:30 comes with 3:30.
        assert_eq!(twice, ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
        let first = dates("cron(0,45 2,3 * * ? *)", "Europe/Berlin", "2026-03-29T00:30:00Z", 2);
        assert_eq!(first, ["2026-03-29T01:00:00Z", "2026-03-29T01:45:00Z"]);
        assert_eq!(dates("cron(0 0 1 1 ? 2150)", "UTC", "2026-01-01T00:00:00Z", 1), ["2150-01-01T00:00:00Z"]);
    }

    #[test]
    fn scheduler_reads_them_in_its_own_way() {
        for text in
            ["rate(1 minutes)", "rate(10 hour)", "rate(10 MINUTES)", "at(2026-01-01T00:00:00)", "cron(0 9 * * ? *)"]
        {
            assert!(Schedule::parse_for_scheduler(text, None).is_ok(), "{text}");
        }
        for text in [
            "cron(0 1 * * * *)",
            "cron(7 20 * * NOT *)",
            "cron(INVALID)",
            "cron(0 dummy ? * MON-FRI *)",
            "cron(71 8 1 * ? *)",
            "cron()",
            "rate(10 seconds)",
            "rate(10 years)",
            "rate()",
            "rate(10)",
            "rate(10 minutess)",
            "rate(foo minutes)",
            "rate(-10 minutes)",
            "rate( 10 minutes )",
            " rate(10 minutes)",
            "at(2021-12-31T23:59:59Z)",
            "at(2021-12-31)",
            "at(2021-12-31 23:59:59)",
        ] {
            assert!(Schedule::parse_for_scheduler(text, None).is_err(), "{text}");
        }
        let night = Schedule::parse_for_scheduler("cron(30 2 * * ? *)", Some("Europe/Berlin")).unwrap();
        let from: Timestamp = "2026-03-28T12:00:00Z".parse().unwrap();
        assert_eq!(night.next(from, from).unwrap().to_string(), "2026-03-30T00:30:00Z");
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "daily",
            "at(tomorrow)",
            "rate(0 minutes)",
            "rate(5 minute)",
            "rate(5)",
            "cron(0 9 * * *)",
            "cron(0 9 * * * *)",
            "cron(60 9 * * ? *)",
            "cron(0 9 ? * 8 *)",
            "cron(0 9 ? * 2#6 *)",
            "cron(5-1 9 * * ? *)",
            "cron(0 9 32W * ? *)",
            "cron(0/0 9 * * ? *)",
            "at(2026-01-01T00:00:00",
        ] {
            assert!(Schedule::parse(text, None).is_err(), "{text}");
        }
        assert!(Schedule::parse("rate(1 day)", Some("Middle/Earth")).is_err());
    }
}
