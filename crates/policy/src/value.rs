//! Values that conditions compare: numbers, dates, addresses, binary.

use std::cmp::Ordering;
use std::net::IpAddr;

/// A number as JSON and AWS write it. Integers keep all their digits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Integer(i128),
    Decimal(f64),
}

impl Number {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(integer) = text.parse() {
            return Some(Self::Integer(integer));
        }
        text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Self::Decimal)
    }

    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(&b)),
            (a, b) => a.as_decimal().partial_cmp(&b.as_decimal()),
        }
    }

    fn as_decimal(self) -> f64 {
        match self {
            Self::Integer(integer) => integer as f64,
            Self::Decimal(decimal) => decimal,
        }
    }
}

/// Reads a date as the W3C profile of ISO 8601 has it (from `2012` to `2012-10-17T12:00:00.5+02:00`), or seconds
/// since 1970. Answers seconds since 1970: AWS compares dates down to the second.
pub fn date(text: &str) -> Option<i64> {
    let text = text.trim();
    if !text.contains(['-', 'T', 't']) && text.len() != 4 {
        return text.parse::<i64>().ok().filter(|seconds| *seconds >= 0);
    }
    let (day, time) = match text.find(['T', 't']) {
        None => (text, None),
        Some(at) => (&text[..at], Some(&text[at + 1..])),
    };
    let days = days_since_1970(day)?;
    let seconds = time.map_or(Some(0), seconds_of_day)?;
    days.checked_mul(86_400)?.checked_add(seconds)
}

fn days_since_1970(text: &str) -> Option<i64> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let mut parts = text.split('-');
    let year: i64 = digits(parts.next()?, 9)?;
    let month: i64 = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    let day: i64 = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if negative { -year } else { year };
    // Days from civil date, with years beginning in March so that the leap day is the last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

fn seconds_of_day(text: &str) -> Option<i64> {
    let (clock, zone) = match text.find(['Z', 'z', '+', '-']) {
        None => (text, 0),
        Some(at) => (&text[..at], zone_seconds(&text[at..])?),
    };
    let mut parts = clock.split(':');
    let hours = digits(parts.next()?, 2)?;
    let minutes = parts.next().map_or(Some(0), |part| digits(part, 2))?;
    let seconds = parts.next().map_or(Some(0), whole_seconds)?;
    let valid = parts.next().is_none() && hours <= 23 && minutes <= 59 && seconds <= 59;
    valid.then_some(hours * 3_600 + minutes * 60 + seconds - zone)
}

fn whole_seconds(text: &str) -> Option<i64> {
    match text.split_once('.') {
        None => digits(text, 2),
        Some((whole, fraction)) => digits(fraction, 9).and_then(|_| digits(whole, 2)),
    }
}

fn zone_seconds(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = match text[1..].split_once(':') {
        None => (&text[1..], 0),
        Some((hours, minutes)) => (hours, digits(minutes, 2).filter(|_| minutes.len() == 2)?),
    };
    let whole_hours = digits(hours, 2).filter(|_| hours.len() == 2)?;
    (whole_hours <= 23 && minutes <= 59).then_some(sign * (whole_hours * 3_600 + minutes * 60))
}

fn digits(text: &str, most: usize) -> Option<i64> {
    let valid = !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

/// An address range in CIDR form; a bare address is a range of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    bits: u128,
    prefix: u32,
    v4: bool,
}

impl Network {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.trim().split_once('/') {
            None => (text.trim(), None),
            Some((address, prefix)) => (address, Some(digits(prefix, 3)?)),
        };
        let address: IpAddr = address.parse().ok()?;
        let (bits, v4) = bits(address);
        let width = if v4 { 32 } else { 128 };
        let prefix = prefix.map_or(Some(width), |prefix| u32::try_from(prefix).ok())?;
        (prefix <= width).then_some(Self { bits, prefix, v4 })
    }

    /// Its first and last address.
    fn bounds(self) -> (IpAddr, IpAddr) {
        let width: u32 = if self.v4 { 32 } else { 128 };
        let rest = if self.prefix == 0 && !self.v4 { u128::MAX } else { (1 << (width - self.prefix)) - 1 };
        let address = |bits: u128| match u32::try_from(bits) {
            Ok(bits) if self.v4 => IpAddr::from(bits.to_be_bytes()),
            _ => IpAddr::from(bits.to_be_bytes()),
        };
        (address(self.bits & !rest), address(self.bits | rest))
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        let (bits, v4) = bits(address.to_canonical());
        let width = if self.v4 { 32 } else { 128 };
        let shift = width - self.prefix;
        // Shifting by the whole width is undefined for integers; a /0 holds every address of its family.
        v4 == self.v4 && (shift == 128 || (bits >> shift) == (self.bits >> shift))
    }
}

/// The first and the last address of a range as conditions write it; `None`: it is none.
pub fn address_range(text: &str) -> Option<(IpAddr, IpAddr)> {
    Network::parse(text).map(Network::bounds)
}

fn bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), true),
        IpAddr::V6(v6) => (v6.to_bits(), false),
    }
}

/// Two base64 texts that stand for the same bytes: padding may be left out.
pub(crate) fn same_binary(a: &str, b: &str) -> bool {
    a.trim_end_matches('=') == b.trim_end_matches('=')
}
