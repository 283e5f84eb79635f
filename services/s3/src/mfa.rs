//! MFA delete: a bucket whose versions are deleted, and whose versioning is changed, only by the root user of its account, with a
//! code of that user's MFA device.
//!
//! Source: "Configuring MFA delete" in the user guide; the errors are those that AWS's answers in public issue trackers have.

use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::store::Tx;
use undercast_kernel::{AwsError, Coded, Cx, MfaCode, Result};

use crate::error;
use crate::rows::Bucket;
use crate::settings::Setting;

/// Refuses who does not show, in `x-amz-mfa`, a code of the device of the bucket's owner. A good code is used up with the
/// transaction.
pub(crate) fn demand(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, header: Option<&str>) -> Result<()> {
    let denied = |message: &'static str| AwsError::new("AccessDenied", 403, message);
    let Some(header) = header else {
        return Err(denied("Mfa Authentication must be used for this request").into());
    };
    let code = parse(header)?;
    if cx.temporary().is_some() {
        // AWS has called session tokens so since it sold software by them.
        return Err(error::invalid_request("DevPay and Mfa are mutually exclusive authorization methods.").into());
    }
    let owner = matches!(cx.principal().kind, PrincipalKind::Root) && cx.principal().account == bucket.account;
    if !owner {
        return Err(denied("This operation may only be performed by the bucket owner").into());
    }
    match cx.use_mfa(tx, code)? {
        Coded::Good => Ok(()),
        // STS's sentences: S3's own are not known.
        Coded::Wrong => Err(denied("MultiFactorAuthentication failed with invalid MFA one time pass code.").into()),
        Coded::NoDevice => Err(denied("MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.").into()),
    }
}

/// `{serialNumber} {tokenCode}`
fn parse(header: &str) -> Result<MfaCode<'_>> {
    let parts = header.trim().split_once(' ').filter(|(_, code)| code.bytes().all(|b| b.is_ascii_digit()));
    let (serial, code) = parts.ok_or_else(|| {
        let message = "Mfa header is invalid -- the header should be formatted as {serialNumber}(space){tokenCode}";
        error::invalid_argument(message, "x-amz-mfa", header)
    })?;
    Ok(MfaCode { serial, code })
}

/// Lifecycle rules delete without asking anybody, so a bucket has them or MFA delete.
pub(crate) fn check_lifecycle(bucket: &Bucket, wanted: bool) -> Result<()> {
    if wanted && Setting::Lifecycle.is_on(bucket) {
        let message = "Mfa Authentication is not supported on a bucket with lifecycle configuration. Delete lifecycle configuration before enabling Mfa Authentication.";
        return Err(AwsError::new("InvalidBucketState", 409, message).into());
    }
    Ok(())
}

/// The same from the other side.
pub(crate) fn refuses_lifecycle(bucket: &Bucket) -> Result<()> {
    if bucket.mfa_delete == Some(true) {
        let message = "Lifecycle configuration is not supported on a bucket with Mfa Authentication. Disable Mfa Authentication before adding a lifecycle configuration.";
        return Err(AwsError::new("InvalidBucketState", 409, message).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_a_serial_number_and_a_code() {
        let read = |header| parse(header).ok().map(|c| (c.serial, c.code));
        assert_eq!(read("20899872 301749"), Some(("20899872", "301749")));
        assert_eq!(read(" arn:aws:iam::1:mfa/x 000000 "), Some(("arn:aws:iam::1:mfa/x", "000000")));
        for wrong in ["", "301749", "20899872 30174x", "a b c", "serial  301749"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
