//! What is known of the values that a metric had within a span of time.

use minicbor::{Decode, Encode};

/// So many different values are kept as they are; more of them are rounded to one part in a hundred. CloudWatch keeps the distribution of
/// values too, by steps of one part in ten.
const EXACT: usize = 100;

/// Neighbouring rounded values have this ratio.
const STEP: f64 = 1.01;

/// Values within a span of time: how many, their sum and extremes, and how they are distributed.
#[derive(Debug, Clone, PartialEq, Default, Encode, Decode)]
pub struct Statistics {
    /// How many values. CloudWatch takes parts of one.
    #[n(0)]
    pub count: f64,
    /// Their sum.
    #[n(1)]
    pub sum: f64,
    /// The smallest.
    #[n(2)]
    pub minimum: f64,
    /// The largest.
    #[n(3)]
    pub maximum: f64,
    /// Values and how often each came, ascending. `None`: only the figures above were reported, so that there are no percentiles.
    #[n(4)]
    values: Option<Vec<Times>>,
}

/// A value, and how often it came.
#[derive(Debug, Clone, Copy, PartialEq, Encode, Decode)]
struct Times {
    #[n(0)]
    value: f64,
    #[n(1)]
    count: f64,
}

fn rounded(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    STEP.powf((value.abs().ln() / STEP.ln()).round()).copysign(value)
}

impl Statistics {
    /// Of one value that came `count` times.
    pub fn of(value: f64, count: f64) -> Self {
        let values = Some(vec![Times { value, count }]);
        Self { count, sum: value * count, minimum: value, maximum: value, values }
    }

    /// Of values that only these figures are known of.
    pub fn reported(count: f64, sum: f64, minimum: f64, maximum: f64) -> Self {
        // All values are the same one, or there is only one: the distribution is known after all.
        if minimum == maximum {
            return Self { sum, ..Self::of(minimum, count) };
        }
        Self { count, sum, minimum, maximum, values: None }
    }

    /// Takes `count` values more of `value`.
    pub fn add(&mut self, value: f64, count: f64) {
        let first = self.count == 0.0;
        self.widen(value, value, first);
        self.count += count;
        self.sum += value * count;
        if first {
            self.values = Some(Vec::with_capacity(1));
        }
        if let Some(values) = &mut self.values {
            insert(values, value, count);
        }
    }

    /// Takes others with it.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0.0 {
            return;
        }
        if self.count == 0.0 {
            self.clone_from(other);
            return;
        }
        self.widen(other.minimum, other.maximum, false);
        self.count += other.count;
        self.sum += other.sum;
        match (&mut self.values, &other.values) {
            (Some(values), Some(more)) => more.iter().for_each(|m| insert(values, m.value, m.count)),
            _ => self.values = None,
        }
    }

    fn widen(&mut self, minimum: f64, maximum: f64, first: bool) {
        self.minimum = if first { minimum } else { self.minimum.min(minimum) };
        self.maximum = if first { maximum } else { self.maximum.max(maximum) };
    }

    /// The mean.
    pub fn average(&self) -> f64 {
        self.sum / self.count
    }

    /// The value that `percent` of the values do not exceed. `None`: the distribution is not known, or has negative values, of which
    /// CloudWatch gives no percentiles.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let values = self.values.as_ref().filter(|_| self.minimum >= 0.0)?;
        let wanted = self.count * percent / 100.0;
        let mut seen = 0.0;
        let reached = values.iter().find(|v| {
            seen += v.count;
            seen >= wanted
        });
        Some(reached.map_or(self.maximum, |v| v.value).clamp(self.minimum, self.maximum))
    }
}

impl Statistics {
    /// The values, ascending, each with how often it came. `None` where there are no percentiles.
    pub fn distribution(&self) -> Option<impl Iterator<Item = (f64, f64)> + '_> {
        let values = self.values.as_ref().filter(|_| self.minimum >= 0.0)?;
        Some(values.iter().map(|times| (times.value, times.count)))
    }
}

fn insert(values: &mut Vec<Times>, value: f64, count: f64) {
    let value = if values.len() < EXACT { value } else { rounded(value) };
    match values.binary_search_by(|v| v.value.total_cmp(&value)) {
        Ok(at) => values[at].count += count,
        Err(at) => values.insert(at, Times { value, count }),
    }
    if values.len() == EXACT {
        let exact = std::mem::take(values);
        for Times { value, count } in exact {
            let value = rounded(value);
            match values.last_mut() {
                Some(last) if last.value == value => last.count += count,
                _ => values.push(Times { value, count }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_exact() {
        let mut some = Statistics::default();
        for value in [3.0, 1.0, 2.0, 2.0] {
            some.add(value, 1.0);
        }
        assert_eq!((some.count, some.sum, some.minimum, some.maximum, some.average()), (4.0, 8.0, 1.0, 3.0, 2.0));
        assert_eq!([25.0, 26.0, 75.0, 76.0].map(|p| some.percentile(p)), [1.0, 2.0, 2.0, 3.0].map(Some));
    }

    #[test]
    fn many_values_are_near() {
        let mut many = Statistics::default();
        (1..=10_000).for_each(|n| many.add(f64::from(n), 1.0));
        assert_eq!((many.count, many.sum, many.minimum, many.maximum), (10_000.0, 50_005_000.0, 1.0, 10_000.0));
        for percent in [1.0, 50.0, 90.0, 99.9] {
            let near = many.percentile(percent).unwrap() / (percent * 100.0);
            assert!((near - 1.0).abs() <= 0.011, "p{percent}: {near}");
        }
        assert!(many.values.as_ref().unwrap().len() < 1000, "{}", many.values.unwrap().len());
    }

    #[test]
    fn together_they_are_what_they_would_have_been_at_once() {
        let (mut one, mut other, mut both) = (Statistics::default(), Statistics::default(), Statistics::default());
        for n in 0..50 {
            let half = if n % 2 == 0 { &mut one } else { &mut other };
            half.add(f64::from(n * n), 1.0);
            both.add(f64::from(n * n), 1.0);
        }
        one.merge(&other);
        assert_eq!(one, both);
        one.merge(&Statistics::default());
        assert_eq!(one, both);
    }

    #[test]
    fn of_figures_alone_there_are_no_percentiles() {
        let mut figures = Statistics::reported(4.0, 10.0, 1.0, 4.0);
        assert_eq!(figures.percentile(50.0), None);
        figures.add(9.0, 1.0);
        assert_eq!((figures.percentile(50.0), figures.maximum), (None, 9.0));
        assert_eq!(Statistics::reported(4.0, 8.0, 2.0, 2.0).percentile(50.0), Some(2.0));
        assert_eq!(Statistics::of(-1.0, 1.0).percentile(50.0), None);
    }
}
