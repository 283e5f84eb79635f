//! What CloudWatch is told, in the namespace `AWS/Lambda`: of all functions together, of each, and of each name that one is
//! called by.
//!
//! Source: "Types of metrics for Lambda functions" in the developer guide.

use std::time::Duration;

use undercast_kernel::{Cx, Metric};

use crate::function::{Function, FunctionName};

/// What a call was under: the name of the function, and what follows it.
pub(crate) struct Named<'a> {
    pub(crate) function: &'a Function,
    /// The ARN that was asked for.
    pub(crate) arn: &'a str,
}

fn observe(cx: &Cx, dimensions: &[(&str, &str)], name: &str, unit: &str, value: f64) {
    cx.observe(&Metric { namespace: "AWS/Lambda", name, dimensions, unit }, value);
}

impl Named<'_> {
    /// `name`, or `name:qualifier`.
    fn resource(&self) -> String {
        self.arn.split(':').skip(6).collect::<Vec<_>>().join(":")
    }

    /// Tells something of an invocation.
    pub(crate) fn tell(&self, cx: &Cx, name: &str, unit: &str, value: f64) {
        let (function, resource, version) =
            (self.function.name.as_str(), self.resource(), self.function.version_name());
        observe(cx, &[], name, unit, value);
        observe(cx, &[("FunctionName", function)], name, unit, value);
        let both = [("FunctionName", function), ("Resource", resource.as_str())];
        observe(cx, &both, name, unit, value);
        // Only an alias leaves open which version runs.
        let qualifier = resource.split_once(':').map(|(_, qualifier)| qualifier);
        if qualifier.is_some_and(|qualifier| qualifier != version) {
            let three = [both[0], both[1], ("ExecutedVersion", version.as_str())];
            observe(cx, &three, name, unit, value);
        }
    }

    /// Tells of an invocation that has ended.
    pub(crate) fn ended(&self, cx: &Cx, duration: Duration, failed: bool) {
        self.tell(cx, "Invocations", "Count", 1.0);
        self.tell(cx, "Errors", "Count", if failed { 1.0 } else { 0.0 });
        self.tell(cx, "Duration", "Milliseconds", duration.as_secs_f64() * 1000.0);
    }
}

/// Tells something of a function, whatever it was called by.
pub(crate) fn of_events(cx: &Cx, function: &FunctionName, name: &str, unit: &str, value: f64) {
    observe(cx, &[], name, unit, value);
    observe(cx, &[("FunctionName", &function.name)], name, unit, value);
}
