//! Object Lock: retention and legal holds, and what they keep from going.
//!
//! Source: "Locking objects with Object Lock" in the user guide; refusals as recorded by public test suites.

use undercast_kernel::store::Read;
use undercast_kernel::{Access, AwsError, Cx, Failure, Result, Timestamp};

use crate::api::{self, input, output};
use crate::events::{self, Event};
use crate::objects::existing;
use crate::rows::{BUCKETS, Bucket, DefaultRetention, Lock, Locked, Mode, Object, Period, Retention, Versioning};
use crate::versions::{self, Moment};
use crate::{S3, bucket, error};

/// A retention lasts so long at most: 100 years.
const MOST_DAYS: i32 = 36_500;
const MOST_YEARS: i32 = 100;

const DAY: i64 = 24 * 60 * 60 * 1000;

impl Mode {
    fn parse(name: &str) -> Result<Self> {
        match name {
            "GOVERNANCE" => Ok(Self::Governance),
            "COMPLIANCE" => Ok(Self::Compliance),
            _ => Err(error::invalid_argument("Unknown wormMode directive.", "x-amz-object-lock-mode", name).into()),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }
}

impl Period {
    /// The end of a retention that begins now.
    fn end(self, now_millis: i64) -> i64 {
        match self {
            Self::Days(days) => now_millis + i64::from(days) * DAY,
            Self::Years(years) => {
                let utc = jiff::tz::TimeZone::UTC;
                let now = Timestamp::from_millisecond(now_millis).unwrap_or(Timestamp::UNIX_EPOCH);
                let end = utc.to_datetime(now).checked_add(jiff::Span::new().years(years));
                let end = end.and_then(|end| utc.to_timestamp(end));
                end.map_or(i64::MAX, Timestamp::as_millisecond)
            }
        }
    }
}

fn missing_lock() -> Failure {
    error::invalid_request("Bucket is missing Object Lock Configuration").into()
}

/// A version that Object Lock keeps.
pub(crate) fn protected() -> AwsError {
    AwsError::new("AccessDenied", 403, "Access Denied because object protected by object lock.")
}

/// What a request that makes an object says of Object Lock.
pub(crate) struct Asked<'a> {
    pub(crate) mode: Option<&'a str>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) hold: Option<&'a str>,
}

/// Object Lock in the members of a request.
macro_rules! asked {
    ($input:expr) => {
        $crate::lock::Asked {
            mode: $input.object_lock_mode.as_deref(),
            until: $input.object_lock_retain_until_date,
            hold: $input.object_lock_legal_hold_status.as_deref(),
        }
    };
}

/// Puts what locks a version into the members of an answer.
macro_rules! show {
    ($output:expr, $locked:expr) => {
        let locked: &$crate::rows::Locked = $locked;
        $output.object_lock_mode = locked.retention.map(|r| r.mode.name().to_owned());
        $output.object_lock_retain_until_date = locked.retention.and_then(|r| $crate::lock::moment(r.until));
        $output.object_lock_legal_hold_status = locked.hold.map($crate::lock::hold_name);
    };
}

pub(crate) use {asked, show};

pub(crate) fn moment(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok()
}

pub(crate) fn hold_name(on: bool) -> String {
    if on { "ON" } else { "OFF" }.to_owned()
}

fn hold(name: &str) -> Result<bool> {
    match name {
        "ON" => Ok(true),
        "OFF" => Ok(false),
        _ => Err(error::malformed_xml().into()),
    }
}

fn check_future(until: Timestamp, now: Timestamp) -> Result<()> {
    if until > now {
        return Ok(());
    }
    let message = "The retain until date must be in the future!";
    Err(error::invalid_argument(message, "x-amz-object-lock-retain-until-date", &until.to_string()).into())
}

impl Asked<'_> {
    pub(crate) fn is_given(&self) -> bool {
        self.mode.is_some() || self.until.is_some() || self.hold.is_some()
    }

    /// What the request itself demands.
    pub(crate) fn read(&self, bucket: &Bucket, now: Timestamp) -> Result<Locked> {
        if !self.is_given() {
            return Ok(Locked::default());
        }
        if bucket.lock.is_none() {
            return Err(missing_lock());
        }
        let retention = match (self.mode, self.until) {
            (None, None) => None,
            (Some(mode), Some(until)) => {
                let mode = Mode::parse(mode)?;
                check_future(until, now)?;
                Some(Retention { mode, until: until.as_millisecond() })
            }
            (mode, _) => {
                let message = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
                let header =
                    if mode.is_some() { "x-amz-object-lock-retain-until-date" } else { "x-amz-object-lock-mode" };
                return Err(error::invalid_argument(message, header, "null").into());
            }
        };
        let hold = self.hold.map(|h| {
            hold(h).map_err(|_| {
                let message = "Legal Hold must be either of 'ON' or 'OFF'";
                Failure::from(error::invalid_argument(message, "x-amz-object-lock-legal-hold", h))
            })
        });
        Ok(Locked { retention, hold: hold.transpose()? })
    }
}

/// What locks an object that is placed now: what its request said, else the bucket's default.
pub(crate) fn of_new(bucket: &Bucket, said: Locked, now_millis: i64) -> Locked {
    let default = bucket.lock.and_then(|l| l.default);
    let by_default = || default.map(|d| Retention { mode: d.mode, until: d.period.end(now_millis) });
    Locked { retention: said.retention.or_else(by_default), ..said }
}

/// Whether a version must stay. `bypass`: the caller may end governance, and says so.
pub(crate) fn keeps(locked: &Locked, now_millis: i64, bypass: bool) -> bool {
    let retained = locked.retention.is_some_and(|r| r.until > now_millis && !(bypass && r.mode == Mode::Governance));
    locked.hold == Some(true) || retained
}

impl S3 {
    /// Whether the caller ends governance: asks for it, and may.
    pub(crate) fn bypasses(&self, cx: &Cx, bucket: &Bucket, key: &str, asked: Option<bool>) -> Result<bool> {
        if asked != Some(true) {
            return Ok(false);
        }
        if bucket.lock.is_none() {
            let message = "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.";
            return Err(error::invalid_argument(message, "x-amz-bypass-governance-retention", "true").into());
        }
        let guarded = self.guarded(cx, &cx.read(), bucket.clone().into())?;
        Ok(cx.denied(&guarded.on_object("s3:BypassGovernanceRetention", key))?.is_none())
    }

    /// What locks a version, for those who may know.
    pub(crate) fn shown_lock(&self, cx: &Cx, bucket: &Bucket, key: &str, locked: &Locked) -> Result<Locked> {
        if *locked == Locked::default() {
            return Ok(Locked::default());
        }
        let guarded = self.guarded(cx, &cx.read(), bucket.clone().into())?;
        let may = |access: Access| Ok::<_, Failure>(cx.denied(&access)?.is_none());
        let retention = may(guarded.on_object("s3:GetObjectRetention", key))?;
        let hold = may(guarded.on_object("s3:GetObjectLegalHold", key))?;
        Ok(Locked { retention: locked.retention.filter(|_| retention), hold: locked.hold.filter(|_| hold) })
    }
}

pub(crate) async fn put_configuration(
    cx: &Cx,
    input: api::PutObjectLockConfigurationInput,
) -> Result<api::PutObjectLockConfigurationOutput> {
    let given = input.object_lock_configuration.ok_or_else(error::malformed_xml)?;
    if given.object_lock_enabled.as_deref() != Some("Enabled") {
        return Err(error::malformed_xml().into());
    }
    let default = given.rule.map(default_retention).transpose()?;
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        if bucket.versioning != Versioning::Enabled {
            let message = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
            return Err(AwsError::new("InvalidBucketState", 409, message).into());
        }
        bucket.lock = Some(Lock { default });
        BUCKETS.put(tx, &(&bucket.name,), &bucket);
        Ok(())
    })
    .await?;
    Ok(api::PutObjectLockConfigurationOutput::default())
}

fn default_retention(rule: input::ObjectLockRule) -> Result<DefaultRetention> {
    let given = rule.default_retention.ok_or_else(error::malformed_xml)?;
    let mode = given.mode.as_deref().ok_or_else(error::malformed_xml).map_err(Failure::from)?;
    let period = match (given.days, given.years) {
        (Some(days), None) => Period::Days(days),
        (None, Some(years)) => Period::Years(years),
        _ => return Err(error::malformed_xml().into()),
    };
    let (count, most) = match period {
        Period::Days(days) => (days, MOST_DAYS),
        Period::Years(years) => (years, MOST_YEARS),
    };
    if count < 1 {
        let message = "Default retention period must be a positive integer value.";
        return Err(AwsError::new("InvalidRetentionPeriod", 400, message).into());
    }
    if count > most {
        let message = "Default retention period too large.";
        return Err(AwsError::new("InvalidRetentionPeriod", 400, message).into());
    }
    Ok(DefaultRetention { mode: Mode::parse(mode)?, period })
}

pub(crate) fn get_configuration(
    cx: &Cx,
    input: &api::GetObjectLockConfigurationInput,
) -> Result<api::GetObjectLockConfigurationOutput> {
    let bucket = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    let Some(lock) = bucket.lock else {
        let message = "Object Lock configuration does not exist for this bucket";
        let error = AwsError::new("ObjectLockConfigurationNotFoundError", 404, message);
        return Err(error.with("BucketName", bucket.name.as_str()).into());
    };
    let rule = lock.default.map(|d| {
        let (days, years) = match d.period {
            Period::Days(days) => (Some(days), None),
            Period::Years(years) => (None, Some(years)),
        };
        let retention =
            output::DefaultRetention { mode: Some(d.mode.name().to_owned()), days, years, ..Default::default() };
        output::ObjectLockRule { default_retention: Some(retention) }
    });
    Ok(api::GetObjectLockConfigurationOutput {
        object_lock_configuration: Some(output::ObjectLockConfiguration {
            object_lock_enabled: Some("Enabled".to_owned()),
            rule,
        }),
    })
}

/// A version in a bucket that has Object Lock.
fn lockable(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    name: &str,
    owner: Option<&str>,
    key: &str,
    version: Option<&str>,
) -> Result<(Bucket, Object)> {
    let bucket = bucket::open(cx, from, name, owner)?;
    if bucket.lock.is_none() {
        return Err(missing_lock());
    }
    let object = existing(from, &bucket, key, version)?;
    Ok((bucket, object))
}

fn wanted_retention(cx: &Cx, given: Option<input::ObjectLockRetention>) -> Result<Option<Retention>> {
    let given = given.ok_or_else(error::malformed_xml)?;
    match (given.mode, given.retain_until_date) {
        (None, None) => Ok(None),
        (Some(mode), Some(until)) => {
            let mode = Mode::parse(&mode).map_err(|_| error::malformed_xml())?;
            check_future(until, cx.now())?;
            Ok(Some(Retention { mode, until: until.as_millisecond() }))
        }
        _ => Err(error::malformed_xml().into()),
    }
}

/// Whether a retention may become another one: compliance only grows, governance may be cut short by those who may.
fn may_become(before: Option<Retention>, after: Option<Retention>, now_millis: i64, bypass: bool) -> bool {
    let Some(before) = before.filter(|b| b.until > now_millis) else { return true };
    let longer = after.is_some_and(|a| a.until >= before.until);
    match before.mode {
        Mode::Compliance => longer && after.is_some_and(|a| a.mode == Mode::Compliance),
        Mode::Governance => bypass || (longer && after.is_some_and(|a| a.mode == Mode::Governance)),
    }
}

pub(crate) async fn put_retention(
    s3: &S3,
    cx: &Cx,
    input: api::PutObjectRetentionInput,
) -> Result<api::PutObjectRetentionOutput> {
    let (key, owner) = (input.key.as_str(), input.expected_bucket_owner.as_deref());
    let version = input.version_id.as_deref();
    let (found, _) = lockable(cx, &cx.read(), &input.bucket, owner, key, version)?;
    let bypass = s3.bypasses(cx, &found, key, input.bypass_governance_retention)?;
    let wanted = wanted_retention(cx, input.retention)?;
    let moment = Moment::of(cx);
    cx.write(|tx| {
        let (bucket, mut object) = lockable(cx, tx, &input.bucket, owner, key, version)?;
        if !may_become(object.locked.retention, wanted, cx.now_millis(), bypass) {
            return Err(protected().into());
        }
        object.locked.retention = wanted;
        versions::put_back(tx, &bucket, key, &object)?;
        events::emit(cx, tx, &bucket, Event::RetentionPut, key, Some(&object), moment)
    })
    .await?;
    Ok(api::PutObjectRetentionOutput::default())
}

fn nothing_locks() -> Failure {
    let message = "The specified object does not have a ObjectLock configuration";
    AwsError::new("NoSuchObjectLockConfiguration", 404, message).into()
}

pub(crate) fn get_retention(cx: &Cx, input: &api::GetObjectRetentionInput) -> Result<api::GetObjectRetentionOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let (_, object) = lockable(cx, &cx.read(), &input.bucket, owner, &input.key, input.version_id.as_deref())?;
    let found = object.locked.retention.ok_or_else(nothing_locks)?;
    Ok(api::GetObjectRetentionOutput {
        retention: Some(output::ObjectLockRetention {
            mode: Some(found.mode.name().to_owned()),
            retain_until_date: moment(found.until),
            ..Default::default()
        }),
    })
}

pub(crate) async fn put_hold(cx: &Cx, input: api::PutObjectLegalHoldInput) -> Result<api::PutObjectLegalHoldOutput> {
    let status = input.legal_hold.and_then(|h| h.status).ok_or_else(error::malformed_xml)?;
    let on = hold(&status)?;
    let moment = Moment::of(cx);
    let (key, owner) = (input.key.as_str(), input.expected_bucket_owner.as_deref());
    cx.write(|tx| {
        let (bucket, mut object) = lockable(cx, tx, &input.bucket, owner, key, input.version_id.as_deref())?;
        object.locked.hold = Some(on);
        versions::put_back(tx, &bucket, key, &object)?;
        events::emit(cx, tx, &bucket, Event::HoldPut, key, Some(&object), moment)
    })
    .await?;
    Ok(api::PutObjectLegalHoldOutput::default())
}

pub(crate) fn get_hold(cx: &Cx, input: &api::GetObjectLegalHoldInput) -> Result<api::GetObjectLegalHoldOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let (_, object) = lockable(cx, &cx.read(), &input.bucket, owner, &input.key, input.version_id.as_deref())?;
    let on = object.locked.hold.ok_or_else(nothing_locks)?;
    Ok(api::GetObjectLegalHoldOutput { legal_hold: Some(output::ObjectLockLegalHold { status: Some(hold_name(on)) }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_grows_and_does_not_shrink() {
        let of = |mode, until| Some(Retention { mode, until });
        let (g, c) = (Mode::Governance, Mode::Compliance);
        for (before, after, bypass, wanted) in [
            (None, of(g, 20), false, true),
            (of(g, 20), of(g, 30), false, true),
            (of(g, 20), of(g, 15), false, false),
            (of(g, 20), of(g, 15), true, true),
            (of(g, 20), None, false, false),
            (of(g, 20), None, true, true),
            (of(g, 20), of(c, 30), true, true),
            (of(c, 20), of(c, 30), false, true),
            (of(c, 20), of(c, 15), true, false),
            (of(c, 20), of(g, 30), true, false),
            (of(c, 20), None, true, false),
            // What is over holds nothing.
            (of(c, 5), None, false, true),
        ] {
            assert_eq!(may_become(before, after, 10, bypass), wanted, "{before:?} {after:?} {bypass}");
        }
    }

    #[test]
    fn what_keeps_a_version() {
        let locked = |mode, until, hold| Locked { retention: Some(Retention { mode, until }), hold };
        assert!(keeps(&locked(Mode::Governance, 20, None), 10, false));
        assert!(!keeps(&locked(Mode::Governance, 20, None), 10, true));
        assert!(keeps(&locked(Mode::Compliance, 20, None), 10, true));
        assert!(!keeps(&locked(Mode::Compliance, 20, None), 20, false));
        assert!(keeps(&locked(Mode::Governance, 20, Some(true)), 30, true), "a legal hold has no end");
        assert!(!keeps(&Locked::default(), 0, false));
    }
}
