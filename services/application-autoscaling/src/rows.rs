//! What is stored of targets and policies, and how they are found.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Failure, Result};

use crate::api::kept::{StepScalingPolicyConfiguration, TargetTrackingScalingPolicyConfiguration};
use crate::dimension::{Dimension, Place};
use crate::error;

/// Account, region, resource, dimension.
pub(crate) static TARGETS: Table<Target> = Table::new("autoscaling.targets");
/// The same, and the policy's name.
pub(crate) static POLICIES: Table<Policy> = Table::new("autoscaling.policies");

/// What is registered to be scaled.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Target {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) min: i32,
    #[n(2)]
    pub(crate) max: i32,
    /// Milliseconds since 1970.
    #[n(3)]
    pub(crate) created: i64,
    #[n(4)]
    pub(crate) suspended: Suspended,
    #[n(5)]
    pub(crate) tags: BTreeMap<String, String>,
    /// When policies took capacity back last, and gave more.
    #[n(6)]
    pub(crate) last_in: Option<Last>,
    #[n(7)]
    pub(crate) last_out: Option<Last>,
}

/// What of scaling is suspended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Suspended {
    #[n(0)]
    pub(crate) scaling_in: bool,
    #[n(1)]
    pub(crate) scaling_out: bool,
    #[n(2)]
    pub(crate) scheduled: bool,
}

/// The last time that a policy scaled in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Last {
    /// Milliseconds since 1970.
    #[n(0)]
    pub(crate) at: i64,
    /// By how much.
    #[n(1)]
    pub(crate) by: i64,
}

/// A scaling policy.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Policy {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) id: String,
    /// A [`Kind`] in JSON.
    #[n(2)]
    kind: String,
    /// Names of the alarms that were made for it.
    #[n(3)]
    pub(crate) alarms: Vec<String>,
    /// Milliseconds since 1970.
    #[n(4)]
    pub(crate) created: i64,
}

/// What a policy does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Tracking(TargetTrackingScalingPolicyConfiguration),
    Step(StepScalingPolicyConfiguration),
}

impl Target {
    pub(crate) fn arn(&self, cx: &Cx) -> String {
        cx.arn("application-autoscaling", &format!("scalable-target/{}", self.id))
    }

    pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), place: &Place) -> Result<Self> {
        TARGETS.get(from, &place.key(cx))?.ok_or_else(|| error::no_target(place))
    }
}

impl Policy {
    pub(crate) fn new(cx: &Cx, name: &str, kind: &Kind) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            id: cx.random().uuid(),
            kind: serde_json::to_string(kind).map_err(Failure::broken)?,
            alarms: Vec::new(),
            created: cx.now_millis(),
        })
    }

    pub(crate) fn kind(&self) -> Result<Kind> {
        serde_json::from_str(&self.kind).map_err(Failure::broken)
    }

    pub(crate) fn set_kind(&mut self, kind: &Kind) -> Result<()> {
        self.kind = serde_json::to_string(kind).map_err(Failure::broken)?;
        Ok(())
    }

    pub(crate) fn arn(&self, cx: &Cx, place: &Place) -> String {
        let resource =
            format!("scalingPolicy:{}:resource/dynamodb/{}:policyName/{}", self.id, place.resource, self.name);
        cx.arn("autoscaling", &resource)
    }
}

/// What a key's end tells: resource, dimension.
pub(crate) fn place_of(resource: String, dimension: &str) -> Option<Place> {
    Some(Place { resource, dimension: Dimension::parse(dimension)? })
}

/// The policies of a region, with what they scale.
pub(crate) fn all_policies(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Vec<(Place, Policy)>> {
    let rows = POLICIES.all(from, &(cx.account(), cx.region()))?;
    let placed = rows.into_iter().filter_map(|entry| {
        let ((_, _, resource), dimension, _) = entry.key::<((String, String, String), String, String)>()?;
        Some((place_of(resource, &dimension)?, entry.row))
    });
    Ok(placed.collect())
}

/// The targets of a region, with what they are.
pub(crate) fn all_targets(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Vec<(Place, Target)>> {
    let rows = TARGETS.all(from, &(cx.account(), cx.region()))?;
    let placed = rows.into_iter().filter_map(|entry| {
        let ((_, _, resource), dimension) = entry.key::<((String, String, String), String)>()?;
        Some((place_of(resource, &dimension)?, entry.row))
    });
    Ok(placed.collect())
}
