//! What CloudWatch is told, in the namespace `AWS/Scheduler`, by group.
//!
//! Source: "Monitoring Amazon EventBridge Scheduler with Amazon CloudWatch" in the user guide. `InvocationThrottleCount` is
//! never told: nobody is held to a rate of invocations here.

use undercast_kernel::{Cx, Metric};

/// Tells that something has happened once.
pub(crate) fn count(cx: &Cx, group: &str, name: &str) {
    let dimensions = [("ScheduleGroup", group)];
    cx.observe(&Metric { namespace: "AWS/Scheduler", name, dimensions: &dimensions, unit: "Count" }, 1.0);
}
