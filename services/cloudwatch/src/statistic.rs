//! Which figure of a span's values is asked for.
//!
//! Source: "CloudWatch statistics definitions" in the user guide. Bounds that are values leave out the lower one and take the upper
//! one; bounds that are percentages take a part of the values at which they fall.

use undercast_kernel::metrics::Statistics;

/// A statistic by its name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Statistic {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    /// `p99.9`
    Percentile(f64),
    /// `tm90`, `TM(10%:90%)`, `PR(:300)`
    Bounded(Figure, Bounds),
}

/// What is told of the values within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    TrimmedMean,
    WinsorizedMean,
    TrimmedCount,
    TrimmedSum,
    PercentileRank,
}

/// Within what values are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bounds {
    /// From this part of the values, in percent, to that one.
    Percent(f64, f64),
    /// Greater than the one, and not greater than the other.
    Values(f64, f64),
}

/// The statistics that are not extended ones.
pub(crate) const PLAIN: &[(&str, Statistic)] = &[
    ("SampleCount", Statistic::SampleCount),
    ("Average", Statistic::Average),
    ("Sum", Statistic::Sum),
    ("Minimum", Statistic::Minimum),
    ("Maximum", Statistic::Maximum),
];

impl Statistic {
    /// A statistic of either kind. `None`: there is none of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let plain = PLAIN.iter().find(|(known, _)| *known == name).map(|(_, statistic)| *statistic);
        plain.or_else(|| Self::parse_extended(name))
    }

    /// `p90`, `tm90`, `TM(5%:95%)`, `IQM`.
    pub(crate) fn parse_extended(name: &str) -> Option<Self> {
        if name == "IQM" {
            return Some(Self::Bounded(Figure::TrimmedMean, Bounds::Percent(25.0, 75.0)));
        }
        if let Some(bounded) = name.strip_suffix(')').and_then(|rest| rest.split_once('(')) {
            let figure = match bounded.0 {
                "TM" => Figure::TrimmedMean,
                "WM" => Figure::WinsorizedMean,
                "TC" => Figure::TrimmedCount,
                "TS" => Figure::TrimmedSum,
                "PR" => Figure::PercentileRank,
                _ => return None,
            };
            let bounds = Bounds::parse(bounded.1)?;
            let ranked_by_percent = figure == Figure::PercentileRank && matches!(bounds, Bounds::Percent(..));
            return (!ranked_by_percent).then_some(Self::Bounded(figure, bounds));
        }
        let figure = match name.get(..2)? {
            "tm" => Figure::TrimmedMean,
            "wm" => Figure::WinsorizedMean,
            "tc" => Figure::TrimmedCount,
            "ts" => Figure::TrimmedSum,
            _ => return name.strip_prefix('p').and_then(percentage).map(Self::Percentile),
        };
        percentage(&name[2..]).map(|percent| Self::Bounded(figure, Bounds::Percent(0.0, percent)))
    }

    /// The figure; `None`: it is not known of these values.
    pub(crate) fn of(self, values: &Statistics) -> Option<f64> {
        match self {
            Self::SampleCount => Some(values.count),
            Self::Average => Some(values.average()),
            Self::Sum => Some(values.sum),
            Self::Minimum => Some(values.minimum),
            Self::Maximum => Some(values.maximum),
            Self::Percentile(percent) => values.percentile(percent),
            Self::Bounded(figure, bounds) => bounds.figure(figure, values),
        }
    }
}

/// `0` to `100`, with digits behind a point.
fn percentage(text: &str) -> Option<f64> {
    number(text).filter(|p| (0.0..=100.0).contains(p))
}

/// A number that is no sign, no infinity and the like.
fn number(text: &str) -> Option<f64> {
    text.starts_with(|c: char| c.is_ascii_digit()).then(|| text.parse().ok()).flatten().filter(|n: &f64| n.is_finite())
}

impl Bounds {
    /// `10%:90%`, `:90%`, `80:500`, `80:`.
    fn parse(text: &str) -> Option<Self> {
        let (lower, upper) = text.split_once(':')?;
        if lower.is_empty() && upper.is_empty() {
            return None;
        }
        if text.contains('%') {
            let bound = |text: &str, open: f64| {
                if text.is_empty() { Some(open) } else { text.strip_suffix('%').and_then(percentage) }
            };
            let (lower, upper) = (bound(lower, 0.0)?, bound(upper, 100.0)?);
            return (lower < upper).then_some(Self::Percent(lower, upper));
        }
        let bound = |text: &str, open: f64| if text.is_empty() { Some(open) } else { number(text) };
        let (lower, upper) = (bound(lower, f64::NEG_INFINITY)?, bound(upper, f64::INFINITY)?);
        (lower < upper).then_some(Self::Values(lower, upper))
    }

    /// The values within, each with how often it came.
    fn within(self, values: &Statistics) -> Option<Vec<(f64, f64)>> {
        let mut seen = 0.0;
        let part = |(value, count): (f64, f64)| {
            let before = seen;
            seen += count;
            let weight = match self {
                Self::Percent(lower, upper) => {
                    let (lower, upper) = (lower * values.count / 100.0, upper * values.count / 100.0);
                    seen.min(upper) - before.max(lower)
                }
                Self::Values(lower, upper) => {
                    if value > lower && value <= upper {
                        count
                    } else {
                        0.0
                    }
                }
            };
            // What is left of a value by rounding is none of it.
            (weight > values.count * 1e-12).then_some((value, weight))
        };
        Some(values.distribution()?.filter_map(part).collect())
    }

    fn figure(self, figure: Figure, values: &Statistics) -> Option<f64> {
        let within = self.within(values)?;
        let count: f64 = within.iter().map(|(_, count)| count).sum();
        let sum: f64 = within.iter().map(|(value, count)| value * count).sum();
        match figure {
            Figure::TrimmedCount => Some(count),
            Figure::TrimmedSum => Some(sum),
            Figure::TrimmedMean => (count > 0.0).then(|| sum / count),
            Figure::PercentileRank => Some(count * 100.0 / values.count),
            Figure::WinsorizedMean => {
                let (least, most) = (within.first()?.0, within.last()?.0);
                let (below, above, least, most) = match self {
                    Self::Percent(lower, upper) => {
                        (lower * values.count / 100.0, (100.0 - upper) * values.count / 100.0, least, most)
                    }
                    Self::Values(lower, upper) => {
                        let below = values.distribution()?.filter(|(v, _)| *v <= lower).map(|(_, n)| n).sum();
                        let above = values.distribution()?.filter(|(v, _)| *v > upper).map(|(_, n)| n).sum();
                        (below, above, lower.max(0.0), if upper.is_finite() { upper } else { most })
                    }
                };
                Some((sum + below * least + above * most) / values.count)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str, values: &[f64]) -> Option<f64> {
        let mut all = Statistics::default();
        values.iter().for_each(|v| all.add(*v, 1.0));
        Statistic::parse(name).unwrap_or_else(|| panic!("{name} is no statistic")).of(&all)
    }

    #[test]
    fn values_are_trimmed_by_part_and_by_value() {
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        for (name, wanted) in [
            ("p90", 9.0),
            ("tm90", 5.0),
            ("TM(:90%)", 5.0),
            ("TM(10%:90%)", 5.5),
            ("TM(90%:)", 10.0),
            ("TM(2:4)", 3.5),
            ("IQM", 5.5),
            ("tc90", 9.0),
            ("TC(2:4)", 2.0),
            ("ts50", 15.0),
            ("TS(8:)", 19.0),
            ("PR(:3)", 30.0),
            ("PR(3:5)", 20.0),
            ("wm90", 5.4),
            ("WM(10%:90%)", 5.5),
            ("WM(2:4)", 3.5),
        ] {
            let got = figure(name, &ten).unwrap();
            assert!((got - wanted).abs() < 1e-9, "{name}: {got}, not {wanted}");
        }
        assert_eq!((figure("TM(20:30)", &ten), figure("TC(20:30)", &ten)), (None, Some(0.0)));
        assert_eq!(figure("tm90", &[-1.0]), None, "there are none of negative values");
        // A quarter of three values is a part of one.
        assert!((figure("IQM", &[1.0, 2.0, 4.0]).unwrap() - 2.25).abs() < 0.1);
    }

    #[test]
    fn other_names_are_none() {
        for name in [
            "",
            "p",
            "p101",
            "P90",
            "pr90",
            "PR(1%:2%)",
            "TM(:)",
            "TM(5%:3)",
            "TM(9:2)",
            "average",
            "tm-1",
            "pinf",
            "p1e999",
        ] {
            assert!(Statistic::parse(name).is_none(), "{name}");
        }
    }
}
