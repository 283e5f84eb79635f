//! What CloudWatch is told, in the namespace `AWS/Events`.
//!
//! Source: "Monitoring Amazon EventBridge with CloudWatch metrics" in the user guide.

use std::time::Duration;

use undercast_kernel::{Cx, Metric};

use crate::name::BusName;

#[expect(clippy::cast_precision_loss, reason = "what one call moves is far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

fn observe(cx: &Cx, name: &str, unit: &str, dimensions: &[(&str, &str)], value: f64) {
    cx.observe(&Metric { namespace: "AWS/Events", name, dimensions, unit }, value);
}

/// Tells something of a rule, where the rule is.
pub(crate) fn of_rule(cx: &Cx, bus: &BusName, rule: &str, name: &str, unit: &str, value: f64) {
    let home = cx.elsewhere(&bus.account, &bus.region);
    if bus.is_default() {
        observe(&home, name, unit, &[("RuleName", rule)], value);
    } else {
        observe(&home, name, unit, &[("EventBusName", &bus.name), ("RuleName", rule)], value);
    }
}

/// A call that puts events.
pub(crate) struct Puts {
    pub(crate) bytes: usize,
    pub(crate) entries: usize,
    pub(crate) failed: usize,
    pub(crate) took: Duration,
}

/// Tells of a call of PutEvents or PutPartnerEvents.
pub(crate) fn put(cx: &Cx, call: &str, puts: &Puts) {
    for (what, unit, value) in [
        ("ApproximateCallCount", "Count", 1.0),
        ("ApproximateSuccessCount", "Count", 1.0),
        ("EntriesCount", "Count", float(puts.entries)),
        ("FailedEntriesCount", "Count", float(puts.failed)),
        ("RequestSize", "Bytes", float(puts.bytes)),
        ("Latency", "Milliseconds", puts.took.as_secs_f64() * 1000.0),
    ] {
        observe(cx, &[call, what].concat(), unit, &[], value);
    }
}

/// Tells of a call that was refused as a whole.
pub(crate) fn put_failed(cx: &Cx, call: &str) {
    for what in ["ApproximateCallCount", "ApproximateFailedCount"] {
        observe(cx, &[call, what].concat(), "Count", &[], 1.0);
    }
}
