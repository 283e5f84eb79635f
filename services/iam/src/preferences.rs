//! What an account prefers of the Security Token Service.

use undercast_kernel::{Failure, Result};

use crate::api;

/// The version of session tokens. Those of STS are good in all regions here, as AWS's second version of them is.
pub(crate) const TOKEN_VERSION: usize = 2;

/// Asks for tokens that are good in all regions, which they are, or for those of old, which are refused in regions that
/// have to be enabled.
pub(crate) fn set(input: &api::SetSecurityTokenServicePreferencesInput) -> Result<()> {
    match input.global_endpoint_token_version.as_str() {
        "v2Token" => Ok(()),
        _ => Err(Failure::not_built(
            "session tokens that are refused in regions which have to be enabled (GlobalEndpointTokenVersion v1Token)",
        )),
    }
}
