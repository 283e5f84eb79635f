//! Scaling policies.

use serde_json::{Value as Json, json};
use undercast_kernel::resources::pick;
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::activities::moment;
use crate::api::{self, errors, output};
use crate::dimension::{NAMESPACE, Place};
use crate::error::{bad_token, none_found, validation};
use crate::rows::{Kind, POLICIES, Policy, Target, all_policies};
use crate::targets::{page_size, wanted_dimension};
use crate::{role, steps, tracking};

/// A target has so many at most.
const MOST: usize = 50;

/// A page has so many.
const PAGE: i32 = 10;

/// The members of an alarm with which it is made again.
const OF_ALARM: &[&str] = &[
    "ActionsEnabled",
    "AlarmActions",
    "AlarmDescription",
    "AlarmName",
    "ComparisonOperator",
    "DatapointsToAlarm",
    "Dimensions",
    "EvaluateLowSampleCountPercentile",
    "EvaluationPeriods",
    "ExtendedStatistic",
    "InsufficientDataActions",
    "MetricName",
    "Metrics",
    "Namespace",
    "OKActions",
    "Period",
    "Statistic",
    "Threshold",
    "TreatMissingData",
    "Unit",
];

pub(crate) async fn put(cx: &Cx, input: api::PutScalingPolicyInput) -> Result<api::PutScalingPolicyOutput> {
    let place = Place::parse(&input.service_namespace, &input.resource_id, &input.scalable_dimension)?;
    let name = input.policy_name.clone();
    let from = cx.read();
    Target::find(cx, &from, &place)?;
    let there = POLICIES.get(&from, &place.named(cx, name.as_str()))?;
    let kind = kind(&place, input, there.as_ref())?;
    check_others(cx, &place, &name, there.is_none())?;
    let mut policy = match &there {
        Some(policy) => policy.clone(),
        None => Policy::new(cx, &name, &kind)?,
    };
    policy.set_kind(&kind)?;
    policy.alarms = match &kind {
        Kind::Tracking(configuration) => {
            let capacity = place.capacity(cx).await?;
            tracking::put_alarms(cx, &place, &policy, configuration, capacity).await?
        }
        Kind::Step(_) => Vec::new(),
    };
    let gone: Vec<String> =
        there.iter().flat_map(|p| &p.alarms).filter(|a| !policy.alarms.contains(a)).cloned().collect();
    tracking::delete_alarms(cx, &gone).await?;
    cx.write(|tx| {
        Target::find(cx, tx, &place)?;
        POLICIES.put(tx, &place.named(cx, name.as_str()), &policy);
        Ok(())
    })
    .await?;
    Ok(api::PutScalingPolicyOutput { policy_arn: policy.arn(cx, &place), alarms: Some(alarms(cx, &policy)) })
}

/// What a request makes of a policy; without a configuration of its own type it keeps the one it has.
fn kind(place: &Place, input: api::PutScalingPolicyInput, there: Option<&Policy>) -> Result<Kind> {
    let before = there.map(Policy::kind).transpose()?;
    let of_before = match before {
        Some(Kind::Tracking(_)) => "TargetTrackingScaling",
        _ => "StepScaling",
    };
    let policy_type = input.policy_type.as_deref().unwrap_or(of_before);
    let (step, tracked) = (input.step_scaling_policy_configuration, input.target_tracking_scaling_policy_configuration);
    match (policy_type, step, tracked, before) {
        ("TargetTrackingScaling", None, Some(configuration), _) => {
            tracking::check(place, &configuration)?;
            Ok(Kind::Tracking(configuration))
        }
        ("StepScaling", Some(configuration), None, _) => {
            steps::check(&configuration)?;
            Ok(Kind::Step(configuration))
        }
        ("TargetTrackingScaling", None, None, Some(kind @ Kind::Tracking(_)))
        | ("StepScaling", None, None, Some(kind @ Kind::Step(_))) => Ok(kind),
        ("PredictiveScaling", ..) => Err(Failure::not_built("predictive scaling")),
        (policy_type, ..) => {
            Err(validation(format!("The policy configuration does not match the policy type {policy_type}")))
        }
    }
}

/// Only so many policies, of which one tracks what DynamoDB tells of the use of its capacity.
fn check_others(cx: &Cx, place: &Place, name: &str, new: bool) -> Result<()> {
    let others: Vec<Policy> = all_policies(cx, &cx.read())?
        .into_iter()
        .filter(|(of, p)| of == place && p.name != name)
        .map(|(_, p)| p)
        .collect();
    if new && others.len() >= MOST {
        let message = format!("The number of scaling policies of a scalable target exceeds the limit of {MOST}");
        return Err(errors::limit_exceeded_exception(message).into());
    }
    Ok(())
}

fn alarms(cx: &Cx, policy: &Policy) -> Vec<output::Alarm> {
    let arn = |name: &String| cx.arn("cloudwatch", &format!("alarm:{name}"));
    policy.alarms.iter().map(|name| output::Alarm { alarm_name: name.clone(), alarm_arn: arn(name) }).collect()
}

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteScalingPolicyInput) -> Result<()> {
    let place = Place::parse(&input.service_namespace, &input.resource_id, &input.scalable_dimension)?;
    let key = place.named(cx, input.policy_name.as_str());
    let policy = POLICIES.get(&cx.read(), &key)?;
    let policy = policy.ok_or_else(|| none_found("scaling policy", "policy name", &place, &input.policy_name))?;
    tracking::delete_alarms(cx, &policy.alarms).await?;
    if matches!(policy.kind()?, Kind::Step(_)) {
        leave_alarms(cx, &place, &policy).await?;
    }
    cx.write(|tx| {
        POLICIES.delete(tx, &key);
        Ok(())
    })
    .await
}

pub(crate) async fn describe(
    cx: &Cx,
    input: &api::DescribeScalingPoliciesInput,
) -> Result<api::DescribeScalingPoliciesOutput> {
    let size = page_size(input.max_results, PAGE)?;
    let dimension = wanted_dimension(input.scalable_dimension.as_deref());
    let names = input.policy_names.as_deref().unwrap_or_default();
    let mut found = all_policies(cx, &cx.read())?;
    found.retain(|(place, policy)| {
        // A policy is named by its ARN as well.
        let named = names.is_empty() || names.iter().any(|n| *n == policy.name || *n == policy.arn(cx, place));
        input.service_namespace == NAMESPACE
            && named
            && dimension.is_none_or(|wanted| wanted == Some(place.dimension))
            && input.resource_id.as_ref().is_none_or(|id| *id == place.resource)
    });
    let page = paging::page("DescribeScalingPolicies", found, input.next_token.as_deref(), size);
    let (page, next_token) = page.ok_or_else(bad_token)?;
    let mut policies = Vec::new();
    for (place, policy) in page {
        policies.push(shown(cx, &place, &policy).await?);
    }
    Ok(api::DescribeScalingPoliciesOutput { scaling_policies: Some(policies), next_token })
}

/// The alarms that users made for a policy.
async fn alarms_of_users(cx: &Cx, place: &Place, policy: &Policy) -> Result<Vec<Json>> {
    let input = json!({"ActionPrefix": policy.arn(cx, place)});
    let mut found = match role::alarms(cx).call("cloudwatch", "DescribeAlarms", input).await {
        Err(Failure::Aws(error)) => return Err(errors::failed_resource_access_exception(error.message).into()),
        other => other?,
    };
    let Json::Array(alarms) = found["MetricAlarms"].take() else { return Ok(Vec::new()) };
    Ok(alarms)
}

/// Takes a policy that is going out of the actions of the alarms that users made for it; the alarms stay.
async fn leave_alarms(cx: &Cx, place: &Place, policy: &Policy) -> Result<()> {
    let arn = policy.arn(cx, place);
    for alarm in alarms_of_users(cx, place, policy).await? {
        let mut input = alarm.as_object().map(|all| pick(all, OF_ALARM)).unwrap_or_default();
        // An alarm on several metrics has no dimensions of its own.
        if input.contains_key("Metrics") {
            input.remove("Dimensions");
        }
        for actions in ["AlarmActions", "InsufficientDataActions", "OKActions"] {
            if let Some(Json::Array(actions)) = input.get_mut(actions) {
                actions.retain(|action| *action != arn.as_str());
            }
        }
        role::alarms(cx).call("cloudwatch", "PutMetricAlarm", Json::Object(input)).await?;
    }
    Ok(())
}

async fn shown(cx: &Cx, place: &Place, policy: &Policy) -> Result<output::ScalingPolicy> {
    let (policy_type, step, tracked, alarms) = match policy.kind()? {
        Kind::Tracking(configuration) => ("TargetTrackingScaling", None, Some(configuration), alarms(cx, policy)),
        Kind::Step(configuration) => {
            let text = |alarm: &Json, name: &str| alarm[name].as_str().unwrap_or_default().to_owned();
            let found = alarms_of_users(cx, place, policy).await?;
            let alarms = found.iter().map(|alarm| output::Alarm {
                alarm_name: text(alarm, "AlarmName"),
                alarm_arn: text(alarm, "AlarmArn"),
            });
            ("StepScaling", Some(configuration), None, alarms.collect())
        }
    };
    Ok(output::ScalingPolicy {
        policy_arn: policy.arn(cx, place),
        policy_name: policy.name.clone(),
        service_namespace: NAMESPACE.to_owned(),
        resource_id: place.resource.clone(),
        scalable_dimension: place.dimension.name().to_owned(),
        policy_type: policy_type.to_owned(),
        step_scaling_policy_configuration: step,
        target_tracking_scaling_policy_configuration: tracked,
        predictive_scaling_policy_configuration: None,
        alarms: Some(alarms),
        creation_time: moment(policy.created),
    })
}
