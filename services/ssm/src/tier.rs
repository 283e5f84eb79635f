//! Which tier a parameter is of, and what fits into it.
//!
//! Source: "Managing parameter tiers" in the user guide.

use undercast_kernel::Result;

use crate::api::errors;
use crate::error::validation;
use crate::rows::{Counts, Tier};

/// A value has so many bytes at most.
const STANDARD_BYTES: usize = 4096;
const ADVANCED_BYTES: usize = 8192;
/// An account has so many parameters in a Region at most.
const STANDARD_COUNT: u32 = 10_000;
const ADVANCED_COUNT: u32 = 100_000;

const INTELLIGENT: &str = "Intelligent-Tiering";

/// What a parameter shall be.
pub(crate) struct Wanted<'a> {
    /// `Standard`, `Advanced` or `Intelligent-Tiering`.
    pub(crate) tier: &'a str,
    pub(crate) bytes: usize,
    pub(crate) has_policies: bool,
    /// What it is by now, where it is.
    pub(crate) before: Option<Tier>,
}

/// Chooses the tier of a parameter.
///
/// # Errors
/// `ValidationException` when it does not fit, or would lose what it is by now.
pub(crate) fn choose(wanted: &Wanted<'_>, counts: Counts) -> Result<Tier> {
    let needs_advanced = wanted.bytes > STANDARD_BYTES
        || wanted.has_policies
        || wanted.before == Some(Tier::Advanced)
        || (wanted.before.is_none() && counts.standard >= STANDARD_COUNT);
    let tier = match wanted.tier {
        INTELLIGENT if needs_advanced => Tier::Advanced,
        "Advanced" => Tier::Advanced,
        _ => Tier::Standard,
    };
    if tier == Tier::Standard && wanted.before == Some(Tier::Advanced) {
        return Err(validation(
            "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a standard parameter.",
        ));
    }
    if tier == Tier::Standard && wanted.bytes > STANDARD_BYTES {
        return Err(validation(
            "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html",
        ));
    }
    if wanted.bytes > ADVANCED_BYTES {
        return Err(validation("Advanced tier parameters support a maximum parameter value of 8192 characters."));
    }
    if tier == Tier::Standard && wanted.has_policies {
        return Err(validation(
            "Parameter policies can be assigned only to parameters that use the advanced-parameter tier.",
        ));
    }
    Ok(tier)
}

/// Refuses one parameter more than an account may have.
///
/// # Errors
/// `ParameterLimitExceeded`.
pub(crate) fn check_room(tier: Tier, counts: Counts) -> Result<()> {
    match tier {
        Tier::Standard if counts.standard >= STANDARD_COUNT => Err(errors::parameter_limit_exceeded(format!(
            "You have reached the maximum number of standard parameters for this AWS account and Region ({STANDARD_COUNT}). To add more parameters, either delete existing parameters or upgrade to the advanced-parameter tier (charges apply)."
        ))
        .into()),
        Tier::Advanced if counts.advanced >= ADVANCED_COUNT => Err(errors::parameter_limit_exceeded(format!(
            "You have reached the maximum number of advanced parameters for this AWS account and Region ({ADVANCED_COUNT})."
        ))
        .into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_up_to_the_limit() {
        let counts = |standard, advanced| Counts { standard, advanced };
        assert!(check_room(Tier::Standard, counts(9_999, 100_000)).is_ok());
        assert!(check_room(Tier::Standard, counts(10_000, 0)).is_err());
        assert!(check_room(Tier::Advanced, counts(10_000, 99_999)).is_ok());
        assert!(check_room(Tier::Advanced, counts(0, 100_000)).is_err());
        let wanted = |before| Wanted { tier: INTELLIGENT, bytes: 1, has_policies: false, before };
        assert_eq!(choose(&wanted(None), counts(9_999, 0)).ok(), Some(Tier::Standard));
        assert_eq!(choose(&wanted(None), counts(10_000, 0)).ok(), Some(Tier::Advanced));
        assert_eq!(choose(&wanted(Some(Tier::Standard)), counts(10_000, 0)).ok(), Some(Tier::Standard));
    }
}
