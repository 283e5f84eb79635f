//! What CloudWatch is told, in the namespace `AWS/EventBridge/Pipes`.
//!
//! Source: "Logging and monitoring Amazon EventBridge Pipes" in the user guide.

use std::time::Instant;

use undercast_kernel::{Cx, Metric};

fn observe(cx: &Cx, name: &str, unit: &str, dimensions: &[(&str, &str)], value: f64) {
    cx.observe(&Metric { namespace: "AWS/EventBridge/Pipes", name, dimensions, unit }, value);
}

/// Tells something of a pipe.
pub(crate) fn of_pipe(cx: &Cx, pipe: &str, name: &str, unit: &str, value: f64) {
    observe(cx, name, unit, &[("PipeName", pipe)], value);
}

/// Tells something of all pipes of the account.
pub(crate) fn of_account(cx: &Cx, name: &str, value: f64) {
    observe(cx, name, "Count", &[("AwsAccountId", cx.account())], value);
}

/// How often something has happened: it is told when it did not, too.
pub(crate) fn whether(cx: &Cx, pipe: &str, name: &str, happened: bool) {
    of_pipe(cx, pipe, name, "Count", f64::from(u8::from(happened)));
}

/// How long something took.
pub(crate) fn took(cx: &Cx, pipe: &str, name: &str, began: Instant) {
    of_pipe(cx, pipe, name, "Milliseconds", began.elapsed().as_secs_f64() * 1000.0);
}

#[expect(clippy::cast_precision_loss, reason = "what one batch has is far below 2^52")]
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}
