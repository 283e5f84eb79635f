//! What a mapping takes from, and whether its function's role may.

use undercast_kernel::arn::Arn;
use undercast_kernel::{Cx, Failure, Result};
use undercast_sources::{Kind, look};

use crate::error;
use crate::function::Function;

/// Of the source with this ARN.
pub(crate) fn kind_of(source: &str) -> Result<Kind> {
    let malformed = || error::invalid("The event source ARN is malformed.");
    let arn = Arn::parse(source).ok_or_else(malformed)?;
    match (Kind::of(&arn), arn.service.as_str()) {
        (Some(kind), _) => Ok(kind),
        (None, "dynamodb") => Err(malformed()),
        (None, service) => Err(Failure::not_built(format!("lambda event sources of {service}"))),
    }
}

/// How large batches are where nobody says it.
pub(crate) fn usual_batch(kind: Kind) -> i32 {
    match kind {
        Kind::Queue => 10,
        Kind::Table | Kind::Kinesis => 100,
    }
}

/// Looks at the source with the function's role: it must be there, and the role must be able to take from it.
pub(crate) async fn check(kind: Kind, cx: &Cx, function: &Function, source: &str) -> Result<()> {
    let role = cx.as_role("lambda.amazonaws.com", &function.role, &function.name);
    let found = look(kind, &role, source, "The function execution role").await?;
    let attributes = found.map_err(|problem| error::invalid(problem.0))?;
    let hidden = attributes["VisibilityTimeout"].as_str().and_then(|v| v.parse::<i32>().ok());
    match hidden.filter(|seconds| *seconds < function.timeout) {
        Some(seconds) => Err(error::invalid(format!(
            "Queue visibility timeout: {seconds} seconds is less than Function timeout: {} seconds",
            function.timeout
        ))),
        None => Ok(()),
    }
}
