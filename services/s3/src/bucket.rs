//! Finding a bucket, and the rules of names.

use std::sync::Arc;
use undercast_kernel::store::{Read, is_account};

use undercast_kernel::{AwsError, Cx, Failure, Result, SignedIn, regions};
use undercast_wire::Request;
use undercast_wire::sigv4::asymmetric;

use crate::rows::{BUCKETS, Bucket};
use crate::settings::Setting;
use crate::{S3, control, error};

/// Longest key in bytes.
const KEY_BYTES: usize = 1024;

/// The bucket of that name, if the caller reached the right region and, where it says so, the right owner.
pub(crate) fn open(cx: &Cx, from: &(impl Read + ?Sized), name: &str, owner: Option<&str>) -> Result<Bucket> {
    let bucket = anywhere(from, name, owner)?;
    check_region(cx, &bucket)?;
    Ok(bucket)
}

/// The same for calls that S3 answers in every region.
pub(crate) fn anywhere(from: &(impl Read + ?Sized), name: &str, owner: Option<&str>) -> Result<Bucket> {
    let bucket = match control::via::find(from, name)? {
        Some(bucket) => bucket,
        None => BUCKETS.get(from, &(name,))?.ok_or_else(|| missing(name))?,
    };
    check_owner(&bucket, owner)?;
    Ok(bucket)
}

impl S3 {
    /// The bucket of that name as it was last taken apart.
    pub(crate) fn remembered(&self, from: &(impl Read + ?Sized), name: &str) -> Result<Option<Arc<Bucket>>> {
        self.buckets.get(&BUCKETS, from, &(name,), Ok::<_, Failure>)
    }

    /// The bucket that a request's path names, itself or by an access point.
    pub(crate) fn named(&self, from: &(impl Read + ?Sized), request: &Request) -> Result<Option<Arc<Bucket>>> {
        let name = request.path.get(1..).and_then(|p| p.split('/').next()).filter(|n| !n.is_empty());
        let Some(name) = name else { return Ok(None) };
        match control::via::of_path(from, name) {
            Some(bucket) => Ok(Some(bucket.into())),
            None => self.remembered(from, name),
        }
    }

    /// The bucket as it was last taken apart, for readings: they are many, and all of them ask for it twice.
    pub(crate) fn bucket(
        &self,
        cx: &Cx,
        from: &(impl Read + ?Sized),
        name: &str,
        owner: Option<&str>,
    ) -> Result<Arc<Bucket>> {
        let bucket = match control::via::find(from, name)? {
            Some(bucket) => Arc::new(bucket),
            None => self.remembered(from, name)?.ok_or_else(|| missing(name))?,
        };
        check_owner(&bucket, owner)?;
        check_region(cx, &bucket)?;
        Ok(bucket)
    }
}

fn missing(name: &str) -> AwsError {
    if is_possible(name) { error::no_such_bucket(name) } else { error::invalid_bucket_name(name) }
}

fn check_region(cx: &Cx, bucket: &Bucket) -> Result<()> {
    check_acceleration(cx, bucket)?;
    // What was signed for one region is held against the bucket's, also where a multi-region access point led to it.
    let for_all = || cx.origin().signed.as_ref().is_none_or(|s| s.version == asymmetric::ALGORITHM);
    if bucket.region == cx.region() || (bucket.via.as_ref().is_some_and(|via| via.everywhere) && for_all()) {
        return Ok(());
    }
    wrong_region(cx, bucket).map_or(Ok(()), |error| Err(error.into()))
}

/// The accelerated endpoint is for buckets that are accelerated.
fn check_acceleration(cx: &Cx, bucket: &Bucket) -> Result<()> {
    if !cx.origin().host.contains(".s3-accelerate") {
        return Ok(());
    }
    let enabled = Setting::Accelerate.get::<String>(&cx.read(), bucket)?.is_some_and(|status| status == "Enabled");
    if enabled {
        return Ok(());
    }
    Err(error::invalid_request("S3 Transfer Acceleration is not configured on this bucket").into())
}

/// `x-amz-expected-bucket-owner`
fn check_owner(bucket: &Bucket, owner: Option<&str>) -> Result<()> {
    match owner {
        None => Ok(()),
        Some(owner) if owner == bucket.account => Ok(()),
        Some(owner) if is_account(owner) => Err(error::access_denied().into()),
        Some(owner) => {
            let message =
                format!("The value of the expected bucket owner parameter must be an AWS Account ID... [{owner}]");
            Err(AwsError::new("InvalidBucketOwnerAWSAccountID", 400, message).into())
        }
    }
}

/// A request that was signed for another region than the bucket's. Calls from inside go where the bucket is, as services
/// of AWS do; so do unsigned requests, unless their host names a region.
fn wrong_region(cx: &Cx, bucket: &Bucket) -> Option<AwsError> {
    if cx.origin().access_key.is_some() {
        return Some(signed_elsewhere(cx, &bucket.region).with_header("x-amz-bucket-region", bucket.region.as_str()));
    }
    let host = &cx.origin().host;
    let named = cx.origin().address.is_some() && host.contains(cx.region());
    named.then(|| {
        let message = "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.";
        AwsError::new("PermanentRedirect", 301, message)
            .with("Endpoint", host.replace(cx.region(), &bucket.region))
            .with("Bucket", bucket.name.as_str())
            .with_header("x-amz-bucket-region", bucket.region.as_str())
    })
}

fn signed_elsewhere(cx: &Cx, wanted: &str) -> AwsError {
    let (code, what) = match cx.origin().signed.as_ref().map(|s| s.place) {
        Some(SignedIn::Query) => ("AuthorizationQueryParametersError", "Error parsing the X-Amz-Credential parameter"),
        _ => ("AuthorizationHeaderMalformed", "The authorization header is malformed"),
    };
    let message = format!("{what}; the region '{}' is wrong; expecting '{wanted}'", cx.region());
    AwsError::new(code, 400, message).with("Region", wanted)
}

/// Requests for no bucket that there is go to the global endpoint, which is us-east-1's, where their signature names no
/// region: s3cmd makes buckets in `US`, and learns from the refusal.
pub(crate) fn check_signed_region(cx: &Cx) -> Result<()> {
    if regions::exists(cx.region()) { Ok(()) } else { Err(signed_elsewhere(cx, regions::DEFAULT).into()) }
}

/// What could ever have been a bucket's name.
fn is_possible(name: &str) -> bool {
    (3..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// The rules for new general purpose buckets.
///
/// Source: "General purpose bucket naming rules" in the user guide.
pub(crate) fn is_valid(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = |b: Option<u8>| b.is_some_and(plain);
    let prefixes = ["xn--", "sthree-", "amzn-s3-demo-"];
    let suffixes = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| plain(b) || b == b'-' || b == b'.')
        && ends(name.bytes().next())
        && ends(name.bytes().last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !prefixes.iter().any(|p| name.starts_with(p))
        && !suffixes.iter().any(|s| name.ends_with(s))
}

/// What the names end in that only this account may give to buckets in this region: `-111122223333-us-east-1-an`.
///
/// Source: "Namespaces for general purpose buckets" in the user guide.
pub(crate) fn own_suffix(account: &str, region: &str) -> String {
    format!("-{account}-{region}-an")
}

/// Whether a name may be given in the namespace that the request chooses: those of accounts' own have their suffix, and are
/// kept out of the global one.
pub(crate) fn is_in_namespace(name: &str, own: bool, account: &str, region: &str) -> bool {
    if own {
        return name.strip_suffix(&own_suffix(account, region)).is_some_and(|prefix| !prefix.is_empty());
    }
    let Some(rest) = name.strip_suffix("-an") else { return true };
    !rest.match_indices('-').any(|(at, _)| {
        let (front, region) = (&rest[..at], &rest[at + 1..]);
        regions::exists(region) && front.rsplit('-').next().is_some_and(is_account)
    })
}

/// A key may be so long.
pub(crate) fn check_key(key: &str) -> Result<()> {
    if key.len() <= KEY_BYTES {
        return Ok(());
    }
    let error = AwsError::new("KeyTooLongError", 400, "Your key is too long");
    Err(error.with("Size", key.len()).with("MaxSizeAllowed", KEY_BYTES).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_an_accounts_own_namespace() {
        let own = |name, own| is_in_namespace(name, own, "111122223333", "us-east-1");
        for (name, in_own, in_global) in [
            ("logs-111122223333-us-east-1-an", true, false),
            ("logs-111122223333-eu-west-1-an", false, false),
            ("logs-999999999999-us-east-1-an", false, false),
            ("-111122223333-us-east-1-an", false, false),
            ("logs-111122223333-nowhere-1-an", false, true),
            ("plan", false, true),
            ("what-an", false, true),
        ] {
            assert_eq!((own(name, true), own(name, false)), (in_own, in_global), "{name}");
        }
    }

    #[test]
    fn names_of_new_buckets() {
        for name in ["abc", "my-bucket", "my.bucket.1", "1-2-3", &"a".repeat(63)] {
            assert!(is_valid(name), "{name}");
        }
        for name in [
            "ab",
            "My-Bucket",
            "my_bucket",
            "-abc",
            "abc-",
            "a..b",
            "192.168.5.4",
            "xn--abc",
            "abc-s3alias",
            &"a".repeat(64),
            "",
        ] {
            assert!(!is_valid(name), "{name}");
        }
    }
}
