//! What state the points of an alarm's periods make, and what becomes of those that are missing.
//!
//! Source: "Configuring how CloudWatch alarms treat missing data" in the user guide, with its tables. Points that are there count
//! before missing ones: of a few periods more than are to be evaluated the newest points are taken, and only where there are
//! too few of them, missing ones are taken for what `TreatMissingData` says.

use super::rows::StateValue;

/// So many periods more than are to be evaluated are looked at.
pub(super) const MORE: i64 = 2;

/// A point, and by how many periods it is old: the newest is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) age: usize,
    pub(super) at: i64,
    pub(super) value: f64,
    pub(super) breaches: bool,
}

/// What the points make.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    /// `None`: the state stays as it is.
    pub(super) state: Option<StateValue>,
    /// The points that count, the newest first.
    pub(super) points: Vec<Point>,
    /// So many missing ones were taken for something.
    pub(super) missing: usize,
}

/// How missing points are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Missing,
    Ignore,
    Breaching,
    NotBreaching,
}

impl Missing {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "missing" => Self::Missing,
            "ignore" => Self::Ignore,
            "breaching" => Self::Breaching,
            "notBreaching" => Self::NotBreaching,
            _ => return None,
        })
    }
}

/// The state that points make, the newest first, of which `to_alarm` of `evaluated` must breach.
pub(super) fn judge(points: &[Point], evaluated: usize, to_alarm: usize, missing: Missing) -> Verdict {
    let taken: Vec<Point> = points.iter().copied().take(evaluated).collect();
    let lacking = evaluated - taken.len();
    let breaching = taken.iter().filter(|p| p.breaches).count();
    let filled = if missing == Missing::Breaching { lacking } else { 0 };
    let state = if breaching + filled >= to_alarm {
        Some(StateValue::Alarm)
    } else if lacking == 0 || breaching < taken.len() || matches!(missing, Missing::Breaching | Missing::NotBreaching) {
        Some(StateValue::Ok)
    } else if missing == Missing::Ignore {
        None
    } else if let Some(oldest) = taken.last() {
        // All that is there breaches, and it is too little. Where it began long enough ago, the alarm does not wait for
        // more; where it did not, what comes next will tell.
        (oldest.age >= to_alarm).then_some(StateValue::Alarm)
    } else {
        Some(StateValue::InsufficientData)
    };
    Verdict { state, points: taken, missing: lacking }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `0 - X - X` as the tables have it, the newest last.
    fn points(row: &str) -> Vec<Point> {
        let all: Vec<&str> = row.split(' ').collect();
        let newest_first = all.iter().rev().enumerate();
        let point = |(n, mark): (usize, &&str)| {
            (*mark != "-").then(|| Point { age: n + 1, at: 0, value: 0.0, breaches: *mark == "X" })
        };
        newest_first.filter_map(point).collect()
    }

    const ALARM: Option<StateValue> = Some(StateValue::Alarm);
    const OK: Option<StateValue> = Some(StateValue::Ok);
    const UNKNOWN: Option<StateValue> = Some(StateValue::InsufficientData);
    const KEPT: Option<StateValue> = None;

    fn check(to_alarm: usize, row: &str, filled: usize, wanted: [Option<StateValue>; 4]) {
        let ways = [Missing::Missing, Missing::Ignore, Missing::Breaching, Missing::NotBreaching];
        for (way, wanted) in ways.into_iter().zip(wanted) {
            let verdict = judge(&points(row), 3, to_alarm, way);
            assert_eq!((verdict.state, verdict.missing), (wanted, filled), "{row}, {to_alarm} of 3, {way:?}");
        }
    }

    #[test]
    fn the_table_for_three_of_three() {
        check(3, "0 - X - X", 0, [OK, OK, OK, OK]);
        check(3, "0 - - - -", 2, [OK, OK, OK, OK]);
        check(3, "- - - - -", 3, [UNKNOWN, KEPT, ALARM, OK]);
        check(3, "0 X X - X", 0, [ALARM, ALARM, ALARM, ALARM]);
        check(3, "- - X - -", 2, [ALARM, KEPT, ALARM, OK]);
    }

    #[test]
    fn the_table_for_two_of_three() {
        check(2, "0 - X - X", 0, [ALARM, ALARM, ALARM, ALARM]);
        check(2, "0 0 X 0 X", 0, [ALARM, ALARM, ALARM, ALARM]);
        check(2, "0 - X - -", 1, [OK, OK, ALARM, OK]);
        check(2, "- - - - 0", 2, [OK, OK, ALARM, OK]);
        check(2, "- - - X -", 2, [ALARM, KEPT, ALARM, OK]);
    }

    #[test]
    fn a_breach_that_is_too_new_waits_for_more() {
        check(3, "- - - - X", 2, [KEPT, KEPT, ALARM, OK]);
        check(2, "- - - - X", 2, [KEPT, KEPT, ALARM, OK]);
        check(1, "- - - - X", 2, [ALARM, ALARM, ALARM, ALARM]);
    }
}
