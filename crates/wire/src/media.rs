//! Content types of restJson1: what a body must say it is, and whether the caller takes what will be answered.
//!
//! Source: "Content-Type" and "Accept" in the specification of the protocol. XML and the RPC protocols are told by other
//! signs, and AWS's services on them take any content type.

use bytes::Bytes;

use crate::decode::{Fault, Malformed, Result};
use crate::http::{Request, names};
use crate::schema::{Location, Operation, Shape, Structure};

const JSON: &str = "application/json";

/// Checks both headers of a request.
pub(crate) fn check(operation: &Operation, request: &Request, body: &Bytes) -> Result<()> {
    let given = request.header(names::CONTENT_TYPE).map(essence);
    if let Some(wanted) = of_body(operation.input)
        && (given.is_some() || !body.is_empty())
        && !given.is_some_and(|given| given.eq_ignore_ascii_case(wanted))
    {
        let message = format!("The content type of the body must be {wanted}");
        return Err(Malformed { message, fault: Fault::ContentType, at: None });
    }
    if let Some(made) = of_body(operation.output)
        && let Some(accepted) = request.header(names::ACCEPT)
        && !accepted.split(',').any(|range| takes(essence(range), made))
    {
        let message = format!("The answer is of the content type {made}, which the Accept header does not admit");
        return Err(Malformed { message, fault: Fault::Accept, at: None });
    }
    Ok(())
}

/// The content type of a body that holds `schema`. `None`: there is none, or it may be of any type.
fn of_body(schema: &Structure) -> Option<&'static str> {
    match schema.payload().map(|member| (&member.shape, member.streaming)) {
        Some((_, true) | (Shape::Blob(_), _)) => None,
        Some((Shape::String(_), _)) => Some("text/plain"),
        Some(_) => Some(JSON),
        None => schema.members.iter().any(|m| m.location == Location::Body).then_some(JSON),
    }
}

/// A media type or range without its parameters.
fn essence(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

/// Whether a media range admits a media type.
fn takes(range: &str, made: &str) -> bool {
    let (kind, _) = made.split_once('/').unwrap_or((made, ""));
    let wild = range.strip_suffix("/*").is_some_and(|r| r == "*" || r.eq_ignore_ascii_case(kind));
    wild || range == "*" || range.eq_ignore_ascii_case(made)
}
