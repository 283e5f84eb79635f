//! Endpoints of ACME (RFC 8555): servers of a user's own, at which clients order certificates for domains that were validated
//! beforehand, with keys that never come here.
//!
//! Reading order: `rows`; `endpoints`, `validations`, `bindings`, `accounts` (the operations); `server` (what clients meet), `jose`
//! (how they sign), `registration`, `orders`, `revocation`.
//!
//! Source: "ACME certificate automation" in the user guide, with its pages on endpoints, domain validation, external account bindings
//! and IAM; RFC 8555.

pub(crate) mod accounts;
pub(crate) mod bindings;
pub(crate) mod cfn;
pub(crate) mod endpoints;
mod jose;
mod orders;
mod registration;
mod revocation;
mod role;
pub(crate) mod rows;
pub(crate) mod server;
pub(crate) mod tagging;
pub(crate) mod validations;

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Repeated, Result, fingerprint};

use crate::{SERVICE, error};

/// In whose name roles are taken on.
pub(crate) const PRINCIPAL: &str = "acm-acme.amazonaws.com";

/// A token is remembered for an hour.
const REMEMBERED: i64 = 3_600_000;

/// What a token says of a request for something new: `None` where there is none, or it is new; else what the same request made.
///
/// # Errors
/// `ConflictException` when another request came with it.
fn repeated<T>(
    cx: &Cx,
    tx: &mut Tx<'_>,
    token: Option<&str>,
    request: &impl std::fmt::Debug,
    there: impl FnOnce(&mut Tx<'_>, &str) -> Result<Option<T>>,
) -> Result<Option<T>> {
    let Some(token) = token else { return Ok(None) };
    match cx.repeated(tx, SERVICE, &format!("acme/{token}"), &fingerprint(request), REMEMBERED)? {
        Repeated::New => Ok(None),
        Repeated::Same => there(tx, token),
        Repeated::Another => Err(error::conflict("The idempotency token was used with another request.")),
    }
}
