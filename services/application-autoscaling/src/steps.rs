//! Step scaling: how much is added or taken back by how far a metric is beyond its alarm's threshold.

use crate::api::kept::{StepAdjustment, StepScalingPolicyConfiguration};
use crate::error::validation;
use undercast_kernel::Result;

/// A policy has so many steps at most.
const MOST: usize = 20;

/// Seconds, where none are given.
const COOLDOWN: i32 = 300;

/// Refuses steps that cannot be.
pub(crate) fn check(configuration: &StepScalingPolicyConfiguration) -> Result<()> {
    if configuration.adjustment_type.is_none() {
        return Err(validation("Adjustment type is required for a step scaling policy"));
    }
    let steps = configuration.step_adjustments.as_deref().unwrap_or_default();
    if steps.is_empty() {
        return Err(validation("At least one StepAdjustment must be specified"));
    }
    if steps.len() > MOST {
        return Err(validation(format!("The number of step adjustments exceeds the limit of {MOST}")));
    }
    if configuration.min_adjustment_magnitude.is_some()
        && configuration.adjustment_type.as_deref() != Some("PercentChangeInCapacity")
    {
        return Err(validation(
            "MinAdjustmentMagnitude is supported for the adjustment type PercentChangeInCapacity only",
        ));
    }
    if configuration.adjustment_type.as_deref() == Some("ExactCapacity")
        && steps.iter().any(|step| step.scaling_adjustment < 0)
    {
        return Err(validation("ScalingAdjustment must not be negative for the adjustment type ExactCapacity"));
    }
    if configuration.cooldown.is_some_and(|seconds| seconds < 0) {
        return Err(validation("Cooldown must not be negative"));
    }
    check_intervals(steps)
}

/// The intervals of the steps touch, do not overlap, and at most one is open on each side.
fn check_intervals(steps: &[StepAdjustment]) -> Result<()> {
    let mut all: Vec<(f64, f64)> = steps.iter().map(interval).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    if all.iter().any(|(lower, upper)| lower >= upper) {
        return Err(validation("The lower bound of a step adjustment must be less than its upper bound"));
    }
    let gaps = all.windows(2).any(|pair| pair[0].1 < pair[1].0);
    let overlaps = all.windows(2).any(|pair| pair[0].1 > pair[1].0);
    if overlaps {
        return Err(validation("The intervals of step adjustments must not overlap"));
    }
    if gaps {
        return Err(validation("There must be no gap between the intervals of step adjustments"));
    }
    Ok(())
}

fn interval(step: &StepAdjustment) -> (f64, f64) {
    let lower = step.metric_interval_lower_bound.unwrap_or(f64::NEG_INFINITY);
    (lower, step.metric_interval_upper_bound.unwrap_or(f64::INFINITY))
}

/// Seconds between two activities.
pub(crate) fn cooldown(configuration: &StepScalingPolicyConfiguration) -> i32 {
    configuration.cooldown.unwrap_or(COOLDOWN)
}

/// One figure of the points that the alarm has looked at.
pub(crate) fn aggregated(configuration: &StepScalingPolicyConfiguration, points: &[f64]) -> Option<f64> {
    let count = u32::try_from(points.len()).ok().filter(|n| *n > 0)?;
    Some(match configuration.metric_aggregation_type.as_deref() {
        Some("Minimum") => points.iter().copied().fold(f64::INFINITY, f64::min),
        Some("Maximum") => points.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        _ => points.iter().sum::<f64>() / f64::from(count),
    })
}

/// The capacity that a metric so far beyond the threshold makes of the current one. `None`: no step is for it.
pub(crate) fn desired(configuration: &StepScalingPolicyConfiguration, current: i64, beyond: f64) -> Option<i64> {
    let steps = configuration.step_adjustments.as_deref().unwrap_or_default();
    let within = |step: &&StepAdjustment| {
        let (lower, upper) = interval(step);
        // Above the threshold the lower bound belongs to a step, below it the upper one.
        if beyond >= 0.0 { lower <= beyond && beyond < upper } else { lower < beyond && beyond <= upper }
    };
    let adjustment = i64::from(steps.iter().find(within)?.scaling_adjustment);
    Some(match configuration.adjustment_type.as_deref() {
        Some("ExactCapacity") => adjustment,
        Some("PercentChangeInCapacity") => {
            let least = i64::from(configuration.min_adjustment_magnitude.unwrap_or(1).max(1));
            // What is less than one is one; what is more is rounded towards none.
            let change = current * adjustment / 100;
            current + if adjustment < 0 { change.min(-least) } else { change.max(least) }
        }
        _ => current + adjustment,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(lower: Option<f64>, upper: Option<f64>, by: i32) -> StepAdjustment {
        StepAdjustment {
            metric_interval_lower_bound: lower,
            metric_interval_upper_bound: upper,
            scaling_adjustment: by,
        }
    }

    fn policy(kind: &str, steps: Vec<StepAdjustment>) -> StepScalingPolicyConfiguration {
        StepScalingPolicyConfiguration {
            adjustment_type: Some(kind.to_owned()),
            step_adjustments: Some(steps),
            ..StepScalingPolicyConfiguration::default()
        }
    }

    #[test]
    fn the_further_the_more() {
        let both = vec![step(Some(0.0), Some(10.0), 1), step(Some(10.0), None, 30), step(None, Some(0.0), -20)];
        let change = policy("ChangeInCapacity", both.clone());
        for (beyond, wanted) in [(0.0, 11), (9.9, 11), (10.0, 40), (500.0, 40), (-0.1, -10)] {
            assert_eq!(desired(&change, 10, beyond), Some(wanted), "{beyond}");
        }
        let percent = policy("PercentChangeInCapacity", both.clone());
        assert_eq!([0.0, 10.0, -1.0].map(|b| desired(&percent, 10, b)), [Some(11), Some(13), Some(8)]);
        let least = StepScalingPolicyConfiguration { min_adjustment_magnitude: Some(5), ..percent };
        assert_eq!([0.0, 10.0, -1.0].map(|b| desired(&least, 10, b)), [Some(15), Some(15), Some(5)]);
        assert_eq!(desired(&policy("ExactCapacity", both), 10, 10.0), Some(30));
        assert_eq!(desired(&policy("ExactCapacity", vec![step(Some(5.0), None, 30)]), 10, 1.0), None);
    }

    #[test]
    fn steps_touch_each_other() {
        for (good, steps) in [
            (true, vec![step(None, None, 1)]),
            (true, vec![step(Some(5.0), None, 2), step(Some(0.0), Some(5.0), 1)]),
            (false, vec![step(Some(5.0), None, 2), step(Some(0.0), Some(4.0), 1)]),
            (false, vec![step(Some(3.0), None, 2), step(Some(0.0), Some(4.0), 1)]),
            (false, vec![step(Some(3.0), Some(3.0), 2)]),
            (false, vec![]),
        ] {
            assert_eq!(check(&policy("ChangeInCapacity", steps.clone())).is_ok(), good, "{steps:?}");
        }
    }

    #[test]
    fn points_make_one_figure() {
        let of = |kind: Option<&str>| {
            let kind = kind.map(ToOwned::to_owned);
            aggregated(
                &StepScalingPolicyConfiguration { metric_aggregation_type: kind, ..Default::default() },
                &[1.0, 2.0, 6.0],
            )
        };
        assert_eq!([None, Some("Minimum"), Some("Maximum")].map(of), [Some(3.0), Some(1.0), Some(6.0)]);
    }
}
