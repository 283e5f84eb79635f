//! Names of trails, and what an operation means by one.
//!
//! Source: "Naming requirements for CloudTrail resources, Amazon S3 buckets, and KMS keys" in the user guide; the messages are those
//! that AWS gave, as its users tell them.

use undercast_kernel::arn::Arn;
use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::api::errors;
use crate::rows::{TRAILS, Trail};

/// A trail by its account, its home region and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TrailName {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
}

fn bad(message: impl Into<String>) -> AwsError {
    errors::invalid_trail_name_exception(message)
}

/// Checks the name of a trail.
pub(crate) fn check(name: &str) -> std::result::Result<(), AwsError> {
    let count = name.chars().count();
    let is_good = |c: char| c.is_ascii_alphanumeric();
    if name.is_empty() {
        return Err(bad("Trail name or ARN can not be blank."));
    }
    if count < 3 {
        return Err(bad(format!(
            "Trail name too short. Minimum allowed length: 3 characters. Specified name length: {count} characters."
        )));
    }
    if count > 128 {
        return Err(bad(format!(
            "Trail name too long. Maximum allowed length: 128 characters. Specified name length: {count} characters."
        )));
    }
    if !name.chars().all(|c| is_good(c) || ".-_".contains(c)) {
        return Err(bad(
            "Trail name or ARN can only contain uppercase letters, lowercase letters, numbers, periods (.), hyphens (-), and underscores (_).",
        ));
    }
    if !name.starts_with(is_good) {
        return Err(bad("Trail name must starts with a letter or number."));
    }
    if !name.ends_with(is_good) {
        return Err(bad("Trail name must ends with a letter or number."));
    }
    let twice = |c: char| ".-_".contains(c);
    if name.chars().zip(name.chars().skip(1)).any(|(a, b)| twice(a) && twice(b)) {
        return Err(bad("Trail name cannot contain adjacent periods, underscores or dashes, or a mixture of them."));
    }
    if name.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err(bad("Trail name cannot be formatted as an IP address."));
    }
    Ok(())
}

impl TrailName {
    /// A trail of this account and region.
    pub(crate) fn here(cx: &Cx, name: &str) -> Self {
        Self { account: cx.account().to_owned(), region: cx.region().to_owned(), name: name.to_owned() }
    }

    /// What is given: the name of a trail of this region, or the ARN of one.
    pub(crate) fn given(cx: &Cx, given: &str) -> Result<Self> {
        if !given.starts_with("arn:") {
            check(given)?;
            return Ok(Self::here(cx, given));
        }
        Self::parse(given).ok_or_else(|| {
            errors::cloud_trail_arn_invalid_exception(format!("Trail ARN is not valid: {given}.")).into()
        })
    }

    /// The ARN of a trail.
    pub(crate) fn parse(arn: &str) -> Option<Self> {
        let arn = Arn::parse(arn).filter(|arn| arn.service == "cloudtrail" && !arn.region.is_empty())?;
        let name = arn.resource.strip_prefix("trail/").filter(|name| check(name).is_ok())?.to_owned();
        Some(Self { account: arn.account, region: arn.region, name })
    }

    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }

    pub(crate) fn arn(&self) -> String {
        let partition = undercast_kernel::regions::partition(&self.region);
        format!("arn:{partition}:cloudtrail:{}:{}:trail/{}", self.region, self.account, self.name)
    }

    /// The same call where the trail is at home.
    pub(crate) fn home(&self, cx: &Cx) -> Cx {
        cx.elsewhere(&self.account, &self.region)
    }

    pub(crate) fn not_found(&self, cx: &Cx) -> Failure {
        let message = format!("Unknown trail: {} for the user: {}", self.arn(), cx.account());
        errors::trail_not_found_exception(message).into()
    }
}

/// Whether the account belongs to the organization that `management` manages.
fn is_member(cx: &Cx, management: &str) -> Result<bool> {
    let Some(known) = cx.kernel().organizations() else { return Ok(false) };
    Ok(known.membership(&cx.read(), cx.account())?.is_some_and(|of| of.management == management))
}

/// Whether a trail is seen here: one of this region, or the shadow of one of all regions; of this account, or of the
/// organization that it belongs to.
pub(crate) fn is_seen(cx: &Cx, name: &TrailName, trail: &Trail) -> Result<bool> {
    let here = name.region == cx.region() || trail.multi_region;
    Ok(here && (name.account == cx.account() || (trail.organization && is_member(cx, &name.account)?)))
}

/// The trail that an operation reads.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<(TrailName, Trail)> {
    let name = TrailName::given(cx, given)?;
    if let Some(trail) = TRAILS.get(from, &name.key())?
        && is_seen(cx, &name, &trail)?
    {
        return Ok((name, trail));
    }
    if !given.starts_with("arn:") {
        // A shadow is called by its name as well.
        for entry in TRAILS.all(from, &(cx.account(),))? {
            if entry.row.name == given && entry.row.multi_region {
                return Ok((entry.row.named(), entry.row));
            }
        }
    }
    Err(name.not_found(cx))
}

/// The trail that an operation changes: in its home region, by the account whose it is.
pub(crate) fn find_own(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<(TrailName, Trail)> {
    let (name, trail) = find(cx, from, given)?;
    if name.account != cx.account() {
        let message =
            "You must be the management account or a delegated administrator to change the trail of an organization.";
        return Err(errors::not_organization_master_account_exception(message).into());
    }
    if name.region != cx.region() {
        let message =
            format!("The home region of the trail {} is {}: it can be changed there only.", name.name, name.region);
        return Err(errors::invalid_home_region_exception(message).into());
    }
    Ok((name, trail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["abc", "a.b-c_d", "Trail1", &"a".repeat(128)] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "-abc", "abc_", "a b", "a..b", "a-_b", "192.168.5.4", &"a".repeat(129), "ä-trail"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
