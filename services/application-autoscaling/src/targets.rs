//! Scalable targets.

use undercast_kernel::tags::{self, Tags};
use undercast_kernel::{Cx, Result, paging};

use crate::api::{self, kept, output};
use crate::dimension::{Dimension, NAMESPACE, Place};
use crate::error::{bad_token, validation};
use crate::rows::{POLICIES, Suspended, TARGETS, Target, all_policies, all_targets};
use crate::{activities, role, scaling, scheduled, tracking};

/// A page has so many.
pub(crate) const PAGE: i32 = 50;

/// A target has so many tags at most.
pub(crate) const MOST_TAGS: usize = 50;

pub(crate) async fn register(
    cx: &Cx,
    input: api::RegisterScalableTargetInput,
) -> Result<api::RegisterScalableTargetOutput> {
    let place = Place::parse(&input.service_namespace, &input.resource_id, &input.scalable_dimension)?;
    let given: Tags = input.tags.clone().unwrap_or_else(Tags::new);
    tags::check(&given, 0, MOST_TAGS).map_err(|why| validation(why.to_string()))?;
    role::make(cx).await?;
    place.capacity(cx).await?;
    let target = cx
        .write(|tx| {
            let there = TARGETS.get(tx, &place.key(cx))?;
            let mut target = match there {
                Some(target) => target,
                None => fresh(cx, &input, &given)?,
            };
            target.min = input.min_capacity.unwrap_or(target.min);
            target.max = input.max_capacity.unwrap_or(target.max);
            check_limits(target.min, target.max)?;
            if let Some(suspended) = &input.suspended_state {
                suspend(&mut target.suspended, suspended);
            }
            TARGETS.put(tx, &place.key(cx), &target);
            Ok(target)
        })
        .await?;
    // What lies beyond its limits comes within them, with every registration.
    scaling::within_limits(cx, &place).await?;
    Ok(api::RegisterScalableTargetOutput { scalable_target_arn: Some(target.arn(cx)) })
}

fn fresh(cx: &Cx, input: &api::RegisterScalableTargetInput, tags: &Tags) -> Result<Target> {
    let (Some(min), Some(max)) = (input.min_capacity, input.max_capacity) else {
        return Err(validation("MinCapacity and MaxCapacity are required to register a new scalable target"));
    };
    Ok(Target {
        id: cx.random().text(40, "0123456789abcdef"),
        min,
        max,
        created: cx.now_millis(),
        suspended: Suspended::default(),
        tags: tags.clone(),
        last_in: None,
        last_out: None,
    })
}

/// The limits of what a table is given.
pub(crate) fn check_limits(min: i32, max: i32) -> Result<()> {
    if min < 1 {
        return Err(validation("Minimum capacity cannot be less than 1"));
    }
    if max < min {
        return Err(validation("Maximum capacity cannot be less than minimum capacity"));
    }
    Ok(())
}

fn suspend(there: &mut Suspended, given: &kept::SuspendedState) {
    there.scaling_in = given.dynamic_scaling_in_suspended.unwrap_or(there.scaling_in);
    there.scaling_out = given.dynamic_scaling_out_suspended.unwrap_or(there.scaling_out);
    there.scheduled = given.scheduled_scaling_suspended.unwrap_or(there.scheduled);
}

/// Removes a target with its policies, their alarms and its scheduled actions.
pub(crate) async fn deregister(cx: &Cx, input: &api::DeregisterScalableTargetInput) -> Result<()> {
    let place = Place::parse(&input.service_namespace, &input.resource_id, &input.scalable_dimension)?;
    Target::find(cx, &cx.read(), &place)?;
    let policies = all_policies(cx, &cx.read())?.into_iter().filter(|(of, _)| *of == place);
    for (_, policy) in policies {
        tracking::delete_alarms(cx, &policy.alarms).await?;
    }
    cx.write(|tx| {
        TARGETS.delete(tx, &place.key(cx));
        POLICIES.clear(tx, &place.key(cx))?;
        scheduled::clear(cx, tx, &place)
    })
    .await
}

pub(crate) fn describe(
    cx: &Cx,
    input: &api::DescribeScalableTargetsInput,
) -> Result<api::DescribeScalableTargetsOutput> {
    let size = page_size(input.max_results, PAGE)?;
    let dimension = wanted_dimension(input.scalable_dimension.as_deref());
    let ids = input.resource_ids.as_deref().unwrap_or_default();
    let mut found = all_targets(cx, &cx.read())?;
    found.retain(|(place, _)| {
        input.service_namespace == NAMESPACE
            && dimension.is_none_or(|wanted| wanted == Some(place.dimension))
            && (ids.is_empty() || ids.contains(&place.resource))
    });
    let page = paging::page("DescribeScalableTargets", found, input.next_token.as_deref(), size);
    let (page, next_token) = page.ok_or_else(bad_token)?;
    let shown = page.into_iter().map(|(place, target)| output::ScalableTarget {
        service_namespace: NAMESPACE.to_owned(),
        scalable_dimension: place.dimension.name().to_owned(),
        resource_id: place.resource,
        min_capacity: target.min,
        max_capacity: target.max,
        predicted_capacity: None,
        role_arn: role::arn(cx),
        creation_time: activities::moment(target.created),
        suspended_state: Some(kept::SuspendedState {
            dynamic_scaling_in_suspended: Some(target.suspended.scaling_in),
            dynamic_scaling_out_suspended: Some(target.suspended.scaling_out),
            scheduled_scaling_suspended: Some(target.suspended.scheduled),
        }),
        scalable_target_arn: Some(target.arn(cx)),
    });
    Ok(api::DescribeScalableTargetsOutput { scalable_targets: Some(shown.collect()), next_token })
}

/// The dimension that a list is limited to. The inner `None`: one of another namespace, of which there is nothing.
#[expect(clippy::option_option, reason = "the two are told apart")]
pub(crate) fn wanted_dimension(given: Option<&str>) -> Option<Option<Dimension>> {
    given.map(Dimension::parse)
}

pub(crate) fn page_size(given: Option<i32>, most: i32) -> Result<usize> {
    let size = given.unwrap_or(most);
    if !(1..=most).contains(&size) {
        return Err(validation(format!("MaxResults must be between 1 and {most}")));
    }
    Ok(usize::try_from(size).unwrap_or(1))
}
