//! Moments with a precision and an offset, as Ion has them.

use std::cmp::Ordering;
use std::fmt;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Span};

use crate::error::{Code, Result};

/// A part of a moment that dates are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    TimezoneHour,
    TimezoneMinute,
}

impl Part {
    /// By its name, in any case.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "year" => Self::Year,
            "month" => Self::Month,
            "day" => Self::Day,
            "hour" => Self::Hour,
            "minute" => Self::Minute,
            "second" => Self::Second,
            "timezone_hour" => Self::TimezoneHour,
            "timezone_minute" => Self::TimezoneMinute,
            _ => return None,
        })
    }
}

/// How far a moment is known. Hours are never known without minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Year,
    Month,
    Day,
    Minute,
    Second,
    /// So many digits of a second's fraction.
    Fraction(u8),
}

/// A moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timestamp {
    /// Where it was written.
    pub(crate) local: DateTime,
    precision: Precision,
    /// Minutes east of UTC. `None`: not known, and reckoned as UTC.
    offset: Option<i16>,
}

/// Reads digits off the front of a text.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn number(&mut self, digits: usize) -> Option<i16> {
        let text = self.0.get(..digits).filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
        let number = text.parse().ok()?;
        self.0 = &self.0[digits..];
        Some(number)
    }

    fn skip(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn at_end(&self) -> bool {
        self.0.is_empty()
    }
}

impl Timestamp {
    /// In UTC, to the millisecond.
    pub(crate) fn of_instant(instant: jiff::Timestamp) -> Self {
        let local = jiff::tz::Offset::UTC.to_datetime(instant);
        let millis = local.subsec_nanosecond() / 1_000_000 * 1_000_000;
        let local = local.with().subsec_nanosecond(millis).build().unwrap_or(local);
        Self { local, precision: Precision::Fraction(3), offset: Some(0) }
    }

    /// Nanoseconds since 1970 in UTC, of which so many digits of a second are known.
    pub(crate) fn of_nanoseconds(nanoseconds: i128, digits: u8) -> Option<Self> {
        let instant = jiff::Timestamp::from_nanosecond(nanoseconds).ok()?;
        let local = jiff::tz::Offset::UTC.to_datetime(instant);
        (1..=9999).contains(&local.year()).then_some(Self {
            local,
            precision: Precision::Fraction(digits),
            offset: Some(0),
        })
    }

    /// Days since 1970.
    pub(crate) fn of_days(days: i32) -> Option<Self> {
        let date = jiff::civil::date(1970, 1, 1).checked_add(Span::new().try_days(days).ok()?).ok()?;
        (1..=9999).contains(&date.year()).then_some(Self {
            local: date.to_datetime(jiff::civil::Time::midnight()),
            precision: Precision::Day,
            offset: None,
        })
    }

    /// W3C's form, with a `T` at the end where not even the day is known. `None`: it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = Reader(text);
        let year = rest.number(4)?;
        let (mut month, mut day, mut precision) = (1, 1, Precision::Year);
        if !rest.skip("T") {
            rest.skip("-").then_some(())?;
            (month, precision) = (rest.number(2)?, Precision::Month);
            if !rest.skip("T") {
                rest.skip("-").then_some(())?;
                (day, precision) = (rest.number(2)?, Precision::Day);
                let more = rest.skip("T") && !rest.at_end();
                if more {
                    return Self::parse_time(rest, year, month, day);
                }
            }
        }
        rest.at_end().then_some(())?;
        let local = date_time(year, month, day, 0, 0, 0, 0)?;
        Some(Self { local, precision, offset: None })
    }

    fn parse_time(mut rest: Reader<'_>, year: i16, month: i16, day: i16) -> Option<Self> {
        let hour = rest.number(2)?;
        rest.skip(":").then_some(())?;
        let minute = rest.number(2)?;
        let (mut second, mut nanosecond, mut precision) = (0, 0, Precision::Minute);
        if rest.skip(":") {
            (second, precision) = (rest.number(2)?, Precision::Second);
            if rest.skip(".") {
                let digits = rest.0.bytes().take_while(u8::is_ascii_digit).count();
                // More than nanoseconds are not kept, so they are not taken.
                let known = u8::try_from(digits).ok().filter(|n| (1..=9).contains(n))?;
                let number: i32 = rest.0[..digits].parse().ok()?;
                nanosecond = number * 10i32.pow(9 - u32::from(known));
                rest.0 = &rest.0[digits..];
                precision = Precision::Fraction(known);
            }
        }
        let offset = if rest.skip("Z") {
            Some(0)
        } else {
            let sign = if rest.skip("+") { 1 } else { rest.skip("-").then_some(-1)? };
            let hours = rest.number(2)?;
            rest.skip(":").then_some(())?;
            let minutes = rest.number(2)?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            let total = hours * 60 + minutes;
            // `-00:00`: the offset is not known.
            if sign < 0 && total == 0 { None } else { Some(sign * total) }
        };
        rest.at_end().then_some(())?;
        let local = date_time(year, month, day, hour, minute, second, nanosecond)?;
        Some(Self { local, precision, offset })
    }

    pub(crate) fn offset_minutes(&self) -> i16 {
        self.offset.unwrap_or(0)
    }

    /// The same moment in UTC.
    fn utc(&self) -> DateTime {
        let back = SignedDuration::from_mins(-i64::from(self.offset_minutes()));
        self.local.checked_add(back).unwrap_or(self.local)
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        self.utc().cmp(&other.utc())
    }

    pub(crate) fn extract(&self, part: Part) -> i64 {
        match part {
            Part::Year => i64::from(self.local.year()),
            Part::Month => i64::from(self.local.month()),
            Part::Day => i64::from(self.local.day()),
            Part::Hour => i64::from(self.local.hour()),
            Part::Minute => i64::from(self.local.minute()),
            Part::Second => i64::from(self.local.second()),
            Part::TimezoneHour => i64::from(self.offset_minutes() / 60),
            Part::TimezoneMinute => i64::from(self.offset_minutes() % 60),
        }
    }

    /// Later by so many of a part, which is known from then on.
    pub(crate) fn add(&self, part: Part, quantity: i64) -> Result<Self> {
        let span = Span::new();
        let (span, known) = match part {
            Part::Year => (span.try_years(quantity), Precision::Year),
            Part::Month => (span.try_months(quantity), Precision::Month),
            Part::Day => (span.try_days(quantity), Precision::Day),
            Part::Hour => (span.try_hours(quantity), Precision::Minute),
            Part::Minute => (span.try_minutes(quantity), Precision::Minute),
            Part::Second => (span.try_seconds(quantity), Precision::Second),
            Part::TimezoneHour | Part::TimezoneMinute => return Err(Code::ParseExpectedDatePart.into()),
        };
        let later = span.and_then(|span| self.local.checked_add(span));
        match later {
            Ok(local) if (1..=9999).contains(&local.year()) => {
                Ok(Self { local, precision: self.precision.max(known), offset: self.offset })
            }
            _ => Err(Code::IllegalSqlFunctionArgument.into()),
        }
    }

    /// How many whole parts there are from this moment to another one.
    ///
    /// The reference's example `DATE_DIFF(year, 2010T, 2010-05T) -- 4` is of months, so that is not followed.
    pub(crate) fn until(&self, part: Part, other: &Self) -> Result<i64> {
        let (from, to) = (self.utc(), other.utc());
        let seconds = || to.duration_since(from).as_secs();
        Ok(match part {
            Part::Year => whole_months(from, to) / 12,
            Part::Month => whole_months(from, to),
            Part::Day => seconds() / 86_400,
            Part::Hour => seconds() / 3_600,
            Part::Minute => seconds() / 60,
            Part::Second => seconds(),
            Part::TimezoneHour | Part::TimezoneMinute => return Err(Code::ParseExpectedDatePart.into()),
        })
    }
}

/// Whole months from one moment to another, negative backwards.
fn whole_months(from: DateTime, to: DateTime) -> i64 {
    if to < from {
        return -whole_months(to, from);
    }
    let months = |d: DateTime| i64::from(d.year()) * 12 + i64::from(d.month());
    let within = |d: DateTime| (d.day(), d.time());
    months(to) - months(from) - i64::from(within(to) < within(from))
}

fn date_time(
    year: i16,
    month: i16,
    day: i16,
    hour: i16,
    minute: i16,
    second: i16,
    nanosecond: i32,
) -> Option<DateTime> {
    let small = |n: i16| i8::try_from(n).ok();
    let (month, day, hour) = (small(month)?, small(day)?, small(hour)?);
    let made = DateTime::new(year, month, day, hour, small(minute)?, small(second)?, nanosecond).ok()?;
    (year >= 1).then_some(made)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = &self.local;
        write!(f, "{:04}", local.year())?;
        if self.precision == Precision::Year {
            return f.write_str("T");
        }
        write!(f, "-{:02}", local.month())?;
        if self.precision == Precision::Month {
            return f.write_str("T");
        }
        write!(f, "-{:02}", local.day())?;
        if self.precision == Precision::Day {
            return Ok(());
        }
        write!(f, "T{:02}:{:02}", local.hour(), local.minute())?;
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", local.second())?;
        }
        if let Precision::Fraction(digits) = self.precision {
            let fraction = format!("{:09}", local.subsec_nanosecond());
            write!(f, ".{}", &fraction[..usize::from(digits).min(9)])?;
        }
        match self.offset {
            None => f.write_str("-00:00"),
            Some(0) => f.write_str("Z"),
            Some(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn texts() {
        for text in [
            "2007T",
            "2007-02T",
            "2007-02-23",
            "2007-04-05T14:30Z",
            "2007-02-23T12:14:33.079-08:00",
            "2007-01-01T00:00:00.000000001+05:45",
            "2007-01-01T00:00-00:00",
        ] {
            assert_eq!(t(text).to_string(), text);
        }
        assert_eq!(t("2007-02-23T").to_string(), "2007-02-23");
        for text in [
            "",
            "2007",
            "2007-02",
            "2007-13T",
            "2007-02-30",
            "0000T",
            "2007-02-23T12:14",
            "2007-02-23T12Z",
            "2007-02-23T25:00Z",
            "2007-02-23T12:14:33.Z",
            "2007-02-23Z",
            "2007-02-23T12:14+24:00",
            "é007T",
            "20é7T",
        ] {
            assert!(Timestamp::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn additions_of_the_reference() {
        for (part, quantity, from, wanted) in [
            (Part::Year, 5, "2010-01-01T", "2015-01-01"),
            (Part::Month, 1, "2010T", "2010-02T"),
            (Part::Month, 13, "2010T", "2011-02T"),
            (Part::Day, -1, "2017-01-10T", "2017-01-09"),
            (Part::Hour, 1, "2017T", "2017-01-01T01:00-00:00"),
            (Part::Hour, 1, "2017-01-02T03:04Z", "2017-01-02T04:04Z"),
            (Part::Minute, 1, "2017-01-02T03:04:05.006Z", "2017-01-02T03:05:05.006Z"),
            (Part::Second, 1, "2017-01-02T03:04:05.006Z", "2017-01-02T03:04:06.006Z"),
        ] {
            assert_eq!(t(from).add(part, quantity).unwrap().to_string(), wanted, "{from}");
        }
        assert!(t("2010T").add(Part::Year, 9000).is_err());
        assert!(t("2010T").add(Part::Second, i64::MAX).is_err());
    }

    #[test]
    fn differences() {
        for (part, from, to, wanted) in [
            (Part::Year, "2010-01-01T", "2011-01-01T", 1),
            (Part::Month, "2010T", "2010-05T", 4),
            (Part::Month, "2010T", "2011T", 12),
            (Part::Month, "2011T", "2010T", -12),
            (Part::Month, "2010-01-31", "2010-02-28", 0),
            (Part::Day, "2010-01-01T23:00Z", "2010-01-02T01:00Z", 0),
            (Part::Hour, "2010-01-01T00:00+01:00", "2010-01-01T00:00Z", 1),
        ] {
            assert_eq!(t(from).until(part, &t(to)), Ok(wanted), "{from} {to}");
        }
    }
}
