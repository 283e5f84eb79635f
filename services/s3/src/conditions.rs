//! Conditional requests: what must hold of an object as it is.
//!
//! Source: RFC 9110, section 13.2.2, and "Conditional requests" in the S3 user guide.

use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, Failure, Result, Timestamp};

use crate::rows::{Bucket, LISTED, Object};
use crate::{buckets, error};

/// The four conditions of a reading.
#[derive(Debug, Default)]
pub(crate) struct Reading<'a> {
    pub(crate) if_match: Option<&'a str>,
    pub(crate) if_none_match: Option<&'a str>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

/// Which condition does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Match,
    UnmodifiedSince,
    NoneMatch,
    ModifiedSince,
}

/// Whether a header names this entity tag.
pub(crate) fn names(header: &str, etag: &str) -> bool {
    header.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/").trim_matches('"') == etag)
}

impl Reading<'_> {
    fn broken(&self, object: &Object, now: Timestamp) -> Option<Broken> {
        let modified = buckets::shown(object.modified);
        match (self.if_match, self.if_unmodified_since) {
            (Some(header), _) if !names(header, &object.etag) => return Some(Broken::Match),
            (None, Some(at)) if modified > at => return Some(Broken::UnmodifiedSince),
            _ => {}
        }
        match (self.if_none_match, self.if_modified_since) {
            (Some(header), _) if names(header, &object.etag) => Some(Broken::NoneMatch),
            // A moment that has not come is no condition.
            (None, Some(at)) if modified <= at && at <= now => Some(Broken::ModifiedSince),
            _ => None,
        }
    }

    /// For `GetObject` and `HeadObject`.
    pub(crate) fn check(&self, object: &Object, now: Timestamp) -> Result<()> {
        match self.broken(object, now) {
            None => Ok(()),
            Some(Broken::Match) => Err(error::precondition_failed("If-Match").into()),
            Some(Broken::UnmodifiedSince) => Err(error::precondition_failed("If-Unmodified-Since").into()),
            Some(Broken::NoneMatch | Broken::ModifiedSince) => {
                let modified = undercast_wire::text::timestamp(
                    buckets::shown(object.modified),
                    undercast_wire::schema::TimestampFormat::Http,
                );
                Err(error::not_modified(&object.etag).with_header("last-modified", modified).into())
            }
        }
    }

    /// For the source of a copy, where all four refuse alike.
    pub(crate) fn check_source(&self, object: &Object, now: Timestamp) -> Result<()> {
        let header = match self.broken(object, now) {
            None => return Ok(()),
            Some(Broken::Match) => "x-amz-copy-source-If-Match",
            Some(Broken::UnmodifiedSince) => "x-amz-copy-source-If-Unmodified-Since",
            Some(Broken::NoneMatch) => "x-amz-copy-source-If-None-Match",
            Some(Broken::ModifiedSince) => "x-amz-copy-source-If-Modified-Since",
        };
        Err(error::precondition_failed(header).into())
    }
}

/// The two conditions of a writing, held against what the key holds; a delete marker is nothing.
pub(crate) fn check_write(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    key: &str,
    if_match: Option<&str>,
    if_none_match: Option<&str>,
) -> Result<()> {
    if if_match.is_none() && if_none_match.is_none() {
        return Ok(());
    }
    check_forms(if_match, if_none_match)?;
    match (if_match, LISTED.get(from, &bucket.key(key))?) {
        (Some(_), None) => Err(error::no_such_key(key).into()),
        (Some(header), Some(object)) if !names(header, &object.etag) => {
            Err(error::precondition_failed("If-Match").into())
        }
        (None, Some(_)) => Err(error::precondition_failed("If-None-Match").into()),
        _ => Ok(()),
    }
}

/// S3 takes `If-None-Match` of a writing only as `*`, and not both.
fn check_forms(if_match: Option<&str>, if_none_match: Option<&str>) -> Result<()> {
    let refused = |header: &'static str, more: &'static str| {
        let error =
            AwsError::new("NotImplemented", 501, "A header you provided implies functionality that is not implemented");
        Err(Failure::from(error.with("Header", header).with("additionalMessage", more)))
    };
    match (if_match, if_none_match) {
        (Some(_), Some(_)) => {
            refused("If-Match,If-None-Match", "Multiple conditional request headers present in the request")
        }
        (None, Some(header)) if header.trim() != "*" => {
            refused("If-None-Match", "We don't accept the provided value of If-None-Match header for this API")
        }
        (Some(header), None) if header.trim() == "*" => {
            refused("If-Match", "We don't accept the provided value of If-Match header for this API")
        }
        _ => Ok(()),
    }
}
