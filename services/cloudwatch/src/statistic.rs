//! Which figure of a span's values is asked for.

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
}

/// What became of a name.
pub(crate) enum Parsed {
    Known(Statistic),
    /// AWS has it: trimmed means and the like.
    NotBuilt,
    Unknown,
}

impl Statistic {
    pub(crate) fn parse(name: &str) -> Parsed {
        let percentile = |text: &str| text.parse::<f64>().ok().filter(|p| (0.0..=100.0).contains(p));
        match name {
            "SampleCount" => Parsed::Known(Self::SampleCount),
            "Average" => Parsed::Known(Self::Average),
            "Sum" => Parsed::Known(Self::Sum),
            "Minimum" => Parsed::Known(Self::Minimum),
            "Maximum" => Parsed::Known(Self::Maximum),
            "IQM" | "iqm" => Parsed::NotBuilt,
            _ => {
                let lower = name.to_ascii_lowercase();
                let trimmed = ["tm", "wm", "tc", "ts", "pr"];
                match lower.strip_prefix('p').and_then(percentile) {
                    Some(percent) => Parsed::Known(Self::Percentile(percent)),
                    None if trimmed.iter().any(|t| lower.starts_with(t)) => Parsed::NotBuilt,
                    None => Parsed::Unknown,
                }
            }
        }
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
        }
    }
}
