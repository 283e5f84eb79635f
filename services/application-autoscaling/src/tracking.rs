//! Target tracking: the alarms that are made for a policy, and the capacity that its metric asks for.
//!
//! Source: "Managing throughput capacity automatically with DynamoDB auto scaling" in DynamoDB's developer guide (two minutes above the
//! target, fifteen minutes twenty points below it), and the alarms that AWS makes.

use serde_json::{Value as Json, json};
use undercast_kernel::resources::unless_gone;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::errors;
use crate::api::kept::{CustomizedMetricSpecification, TargetTrackingScalingPolicyConfiguration};
use crate::dimension::Place;
use crate::error::validation;
use crate::role;
use crate::rows::Policy;

/// Points of percentage below the target at which capacity is taken back.
const MARGIN: f64 = 20.0;

/// The part of the target at which that is of a metric of one's own.
const PART: f64 = 0.9;

/// Seconds.
const PERIOD: f64 = 60.0;

/// Minutes above the target, and below it.
const HIGH: i32 = 2;
const HIGH_CUSTOM: i32 = 3;
const LOW: i32 = 15;

/// What an alarm of a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    High,
    Low,
    /// Somebody else has given it more, or less: the thresholds are no longer right.
    ProvisionedHigh,
    ProvisionedLow,
}

const ROLES: [(&str, Role); 4] = [
    ("-ProvisionedCapacityHigh-", Role::ProvisionedHigh),
    ("-ProvisionedCapacityLow-", Role::ProvisionedLow),
    ("-AlarmHigh-", Role::High),
    ("-AlarmLow-", Role::Low),
];

impl Role {
    /// What an alarm is for, by its name.
    pub(crate) fn of(alarm: &str) -> Option<Self> {
        ROLES.into_iter().find(|(part, _)| alarm.contains(part)).map(|(_, role)| role)
    }
}

/// Refuses a configuration that cannot be.
pub(crate) fn check(place: &Place, configuration: &TargetTrackingScalingPolicyConfiguration) -> Result<()> {
    for (seconds, name) in
        [(configuration.scale_in_cooldown, "ScaleInCooldown"), (configuration.scale_out_cooldown, "ScaleOutCooldown")]
    {
        if seconds.is_some_and(|seconds| seconds < 0) {
            return Err(validation(format!("{name} must not be negative")));
        }
    }
    let target = configuration.target_value;
    match (&configuration.predefined_metric_specification, &configuration.customized_metric_specification) {
        (Some(predefined), None) => {
            if predefined.predefined_metric_type != place.dimension.utilization() {
                return Err(validation(format!(
                    "Predefined metric type {} is not supported for scalable dimension {}",
                    predefined.predefined_metric_type,
                    place.dimension.name()
                )));
            }
            if predefined.resource_label.is_some() {
                return Err(validation(format!(
                    "ResourceLabel is not supported for predefined metric type {}",
                    predefined.predefined_metric_type
                )));
            }
            if !(20.0..=90.0).contains(&target) {
                return Err(validation("Target value for a utilization metric of DynamoDB must be between 20 and 90"));
            }
            Ok(())
        }
        (None, Some(customized)) => {
            if !target.is_finite() || target <= 0.0 {
                return Err(validation("Target value must be greater than 0"));
            }
            check_customized(customized)
        }
        _ => Err(validation(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified",
        )),
    }
}

fn check_customized(customized: &CustomizedMetricSpecification) -> Result<()> {
    let one = customized.metric_name.is_some() && customized.namespace.is_some() && customized.statistic.is_some();
    let any = customized.metric_name.is_some()
        || customized.namespace.is_some()
        || customized.statistic.is_some()
        || customized.dimensions.is_some()
        || customized.unit.is_some();
    match &customized.metrics {
        None if one => Ok(()),
        None => Err(validation("MetricName, Namespace and Statistic are required for a customized metric")),
        Some(_) if any => Err(validation("A customized metric has either Metrics or a single metric")),
        Some(metrics) if metrics.is_empty() => Err(validation("Metrics must not be empty")),
        Some(_) => Ok(()),
    }
}

/// The alarms of a policy for a capacity: what each is made with.
pub(crate) fn alarms(
    cx: &Cx,
    place: &Place,
    policy: &Policy,
    configuration: &TargetTrackingScalingPolicyConfiguration,
    capacity: i64,
) -> Vec<Json> {
    let mut alarms = match &configuration.customized_metric_specification {
        Some(customized) => of_metric(configuration, customized),
        None => of_utilization(place, configuration, capacity),
    };
    let arn = policy.arn(cx, place);
    for (alarm, part) in &mut alarms {
        alarm["AlarmName"] = json!(name(place, policy, part));
        alarm["AlarmDescription"] = json!(format!("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {arn}."));
        alarm["AlarmActions"] = json!([arn]);
    }
    alarms.into_iter().map(|(alarm, _)| alarm).collect()
}

/// An alarm has the same id as long as its policy lives.
fn name(place: &Place, policy: &Policy, part: &str) -> String {
    format!("TargetTracking-{}{part}{}", place.resource, policy.id)
}

fn of_utilization(
    place: &Place,
    configuration: &TargetTrackingScalingPolicyConfiguration,
    capacity: i64,
) -> Vec<(Json, &'static str)> {
    let dimensions = place.metric_dimensions();
    let units = place.dimension.units();
    let consumed = |percent: f64, periods: i32, comparison: &str| {
        json!({"Namespace": "AWS/DynamoDB", "MetricName": format!("Consumed{units}"), "Dimensions": dimensions, "Statistic": "Sum",
               "Period": 60, "EvaluationPeriods": periods, "ComparisonOperator": comparison,
               "Threshold": float(capacity) * PERIOD * percent / 100.0})
    };
    let provisioned = |comparison: &str| {
        json!({"Namespace": "AWS/DynamoDB", "MetricName": format!("Provisioned{units}"), "Dimensions": dimensions, "Statistic": "Average",
               "Period": 300, "EvaluationPeriods": 3, "ComparisonOperator": comparison, "Threshold": capacity})
    };
    let target = configuration.target_value;
    let mut alarms = vec![(consumed(target, HIGH, "GreaterThanThreshold"), "-AlarmHigh-")];
    if configuration.disable_scale_in != Some(true) {
        alarms.push((consumed(target - MARGIN, LOW, "LessThanThreshold"), "-AlarmLow-"));
    }
    alarms.push((provisioned("GreaterThanThreshold"), "-ProvisionedCapacityHigh-"));
    alarms.push((provisioned("LessThanThreshold"), "-ProvisionedCapacityLow-"));
    alarms
}

fn of_metric(
    configuration: &TargetTrackingScalingPolicyConfiguration,
    customized: &CustomizedMetricSpecification,
) -> Vec<(Json, &'static str)> {
    let watched = || match &customized.metrics {
        None => {
            let dimensions: Vec<Json> =
                customized.dimensions.iter().flatten().map(|d| json!({"Name": d.name, "Value": d.value})).collect();
            json!({"Namespace": customized.namespace, "MetricName": customized.metric_name, "Dimensions": dimensions,
                   "Statistic": customized.statistic, "Unit": customized.unit, "Period": 60})
        }
        Some(metrics) => {
            let queries = metrics.iter().map(|query| {
                let stat = query.metric_stat.as_ref().map(|stat| {
                    let dimensions: Vec<Json> = stat
                        .metric
                        .dimensions
                        .iter()
                        .flatten()
                        .map(|d| json!({"Name": d.name, "Value": d.value}))
                        .collect();
                    let metric = json!({"Namespace": stat.metric.namespace, "MetricName": stat.metric.metric_name, "Dimensions": dimensions});
                    json!({"Metric": metric, "Period": 60, "Stat": stat.stat, "Unit": stat.unit})
                });
                json!({"Id": query.id, "Expression": query.expression, "Label": query.label, "MetricStat": stat,
                       "ReturnData": query.return_data})
            });
            json!({"Metrics": queries.collect::<Vec<_>>()})
        }
    };
    let alarm = |threshold: f64, periods: i32, comparison: &str| {
        let mut alarm = watched();
        alarm["Threshold"] = json!(threshold);
        alarm["EvaluationPeriods"] = json!(periods);
        alarm["ComparisonOperator"] = json!(comparison);
        alarm
    };
    let target = configuration.target_value;
    let mut alarms = vec![(alarm(target, HIGH_CUSTOM, "GreaterThanThreshold"), "-AlarmHigh-")];
    if configuration.disable_scale_in != Some(true) {
        alarms.push((alarm(target * PART, LOW, "LessThanThreshold"), "-AlarmLow-"));
    }
    alarms
}

/// Makes the alarms of a policy, or gives them other thresholds. Their names.
pub(crate) async fn put_alarms(
    cx: &Cx,
    place: &Place,
    policy: &Policy,
    configuration: &TargetTrackingScalingPolicyConfiguration,
    capacity: i64,
) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for alarm in alarms(cx, place, policy, configuration, capacity) {
        names.push(alarm["AlarmName"].as_str().unwrap_or_default().to_owned());
        let made = role::alarms(cx).call("cloudwatch", "PutMetricAlarm", alarm).await;
        if let Err(Failure::Aws(error)) = made {
            if error.code.starts_with("AccessDenied") {
                return Err(errors::failed_resource_access_exception(error.message).into());
            }
            return Err(validation(format!("The alarm of the policy could not be made: {}", error.message)));
        }
        made?;
    }
    Ok(names)
}

/// Deletes alarms; those that are gone already are fine.
pub(crate) async fn delete_alarms(cx: &Cx, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let deleted = role::alarms(cx).call("cloudwatch", "DeleteAlarms", json!({"AlarmNames": names})).await;
    unless_gone(deleted, &["ResourceNotFound"])
}

/// The capacity that the metric asks for: as much as makes it meet the target.
pub(crate) fn desired(
    configuration: &TargetTrackingScalingPolicyConfiguration,
    current: i64,
    role: Role,
    points: &[f64],
) -> Option<i64> {
    // More is given by what is newest, less is left by the most that was needed.
    let figure = match role {
        Role::High => *points.last()?,
        _ => points.iter().copied().reduce(f64::max)?,
    };
    let wanted = match &configuration.predefined_metric_specification {
        Some(_) => figure / PERIOD * 100.0 / configuration.target_value,
        None => float(current) * figure / configuration.target_value,
    };
    // A little less than a whole unit too much is none.
    let whole = (wanted - 1e-9).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is brought within the limits of a target, which are smaller"
    )]
    whole.is_finite().then_some(whole as i64)
}

#[expect(clippy::cast_precision_loss, reason = "capacities are small")]
fn float(capacity: i64) -> f64 {
    capacity as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kept::PredefinedMetricSpecification;

    #[test]
    fn as_much_is_given_as_meets_the_target() {
        let seventy = TargetTrackingScalingPolicyConfiguration {
            target_value: 70.0,
            predefined_metric_specification: Some(PredefinedMetricSpecification::default()),
            ..TargetTrackingScalingPolicyConfiguration::default()
        };
        assert_eq!(desired(&seventy, 5, Role::High, &[100.0, 420.0]), Some(10));
        assert_eq!(desired(&seventy, 5, Role::High, &[421.0]), Some(11));
        assert_eq!(desired(&seventy, 50, Role::Low, &[420.0, 84.0, 42.0]), Some(10));
        assert_eq!(desired(&seventy, 5, Role::High, &[]), None);
        let own = TargetTrackingScalingPolicyConfiguration { predefined_metric_specification: None, ..seventy };
        assert_eq!(desired(&own, 10, Role::High, &[105.0]), Some(15));
    }
}
