//! Numbers as patterns compare them: by value, whatever they are written like.

use serde_json::{Number, Value as Json};

/// Ranges go so far from zero.
pub(crate) const MOST: f64 = 5_000_000_000.0;

/// Numbers are the same when they are to so many places behind the point.
const PLACES: f64 = 1_000_000.0;

/// A number, to six places behind the point.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Amount(f64);

impl Amount {
    /// `None`: it is none that can be compared.
    pub(crate) fn new(number: &Number) -> Option<Self> {
        number.as_f64().filter(|n| n.abs() <= MOST).map(|n| Self((n * PLACES).round()))
    }

    /// The same for numbers that are the same.
    pub(crate) fn key(self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and below 2^53")]
        let key = self.0 as i64;
        key
    }

    pub(crate) fn of(value: &Json) -> Option<Self> {
        value.as_number().and_then(Self::new)
    }
}

/// Between two ends, of which each may be among them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Range {
    pub(crate) above: Option<End>,
    pub(crate) below: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct End {
    pub(crate) at: Amount,
    pub(crate) included: bool,
}

impl Range {
    pub(crate) fn has(self, value: Amount) -> bool {
        self.above.is_none_or(|end| value > end.at || (end.included && value == end.at))
            && self.below.is_none_or(|end| value < end.at || (end.included && value == end.at))
    }
}
