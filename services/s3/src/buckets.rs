//! Buckets: made, found, described, deleted.

use undercast_kernel::store::{Order, Read};
use undercast_kernel::tags::Tags;
use undercast_kernel::{AwsError, Cx, Failure, Result, Timestamp, paging, regions};

use crate::api::{self, output};
use crate::counts::DAYS;
use crate::logging::LINES;
use crate::replicate::WAYS;
use crate::rows::{
    BUCKETS, Bucket, LISTED, LISTED_VERSIONS, Lock, OWNED, Ownership, PARTS, SETTINGS, UPLOADS, Versioning,
};
use crate::settings::Setting;
use crate::{acl, bucket, control, error, intake, listing, mfa, replication, storage, tagging};

/// The setting that holds a bucket's tags.
pub(crate) const TAGS: &str = "tags";

/// The bit of [`Bucket::has`] that says that ownership controls were deleted.
const OWNERSHIP_GONE: u32 = 1;

/// `ListBuckets` gives so many at a time at most.
const MOST_BUCKETS: i32 = 10_000;

pub(crate) async fn create(cx: &Cx, input: api::CreateBucketInput) -> Result<api::CreateBucketOutput> {
    bucket::check_signed_region(cx)?;
    let name = input.bucket.as_str();
    if !bucket::is_valid(name) {
        return Err(error::invalid_bucket_name(name).into());
    }
    let ownership = input.object_ownership.as_deref().map(Ownership::parse).transpose()?.unwrap_or_default();
    let own = input.bucket_namespace.as_deref() == Some("account-regional");
    let asked = acl::asked!(input);
    let (constraint, tags) =
        input.create_bucket_configuration.map_or((None, None), |c| (c.location_constraint, c.tags));
    let region = location_of(cx, constraint.as_deref())?;
    if !bucket::is_in_namespace(name, own, cx.account(), region) {
        return Err(error::invalid_bucket_name(name).into());
    }
    let tags =
        tags.map(|t| tagging::of_set(t.into_iter().map(|t| (t.key, t.value)), tagging::Of::Bucket)).transpose()?;
    let mut made = Bucket { ownership, ..Bucket::new(name, cx.account(), region, cx.now_millis()) };
    made.acl = acl::of_new_bucket(&made, &asked)?;
    if input.object_lock_enabled_for_bucket == Some(true) {
        made.lock = Some(Lock { default: None });
        made.versioning = Versioning::Enabled;
    }
    cx.write(|tx| {
        if let Some(there) = BUCKETS.get(tx, &(name,))? {
            return taken(&made, &there);
        }
        BUCKETS.put(tx, &(name,), &made);
        OWNED.put(tx, &(&made.account, name), &made.region);
        storage::begin(cx, tx, &made)?;
        if let Some(tags) = &tags {
            SETTINGS.put(tx, &made.key(TAGS), &tagging::text(tags)?);
        }
        Ok(())
    })
    .await?;
    let location = if region == regions::DEFAULT { format!("/{name}") } else { format!("{}/{name}/", cx.endpoint()) };
    Ok(api::CreateBucketOutput { location: Some(location), bucket_arn: Some(made.arn()) })
}

/// The name has a bucket. In us-east-1 the owner's second creation is a success that changes nothing.
///
/// Source: CreateBucket in the API reference, error BucketAlreadyOwnedByYou.
fn taken(made: &Bucket, there: &Bucket) -> Result<()> {
    if made.account != there.account {
        return Err(error::bucket_already_exists(&there.name).into());
    }
    if made.region == regions::DEFAULT && there.region == regions::DEFAULT {
        return Ok(());
    }
    Err(error::bucket_already_owned(&there.name).into())
}

/// The region of a new bucket: the one that the request is signed for; from us-east-1, whose endpoint is the global one,
/// also any other.
fn location_of<'a>(cx: &'a Cx, constraint: Option<&'a str>) -> Result<&'a str> {
    let region = cx.region();
    // `EU` is an old name of eu-west-1; us-east-1 cannot be named.
    let named = constraint.filter(|c| !c.is_empty()).map(|c| if c == "EU" { "eu-west-1" } else { c });
    match named {
        None if region == regions::DEFAULT => Ok(region),
        Some(named) if named == regions::DEFAULT || !regions::exists(named) => {
            let error =
                AwsError::new("InvalidLocationConstraint", 400, "The specified location-constraint is not valid");
            Err(error.with("LocationConstraint", named).into())
        }
        Some(named) if named == region || region == regions::DEFAULT => Ok(named),
        _ => {
            let shown = constraint.filter(|c| !c.is_empty()).unwrap_or("unspecified");
            let message = format!(
                "The {shown} location constraint is incompatible for the region specific endpoint this request was sent to."
            );
            Err(AwsError::new("IllegalLocationConstraintException", 400, message).into())
        }
    }
}

impl Ownership {
    fn parse(name: &str) -> Result<Self> {
        match name {
            "BucketOwnerEnforced" => Ok(Self::Enforced),
            "BucketOwnerPreferred" => Ok(Self::Preferred),
            "ObjectWriter" => Ok(Self::Writer),
            other => {
                Err(error::invalid_argument("Invalid x-amz-object-ownership header", "x-amz-object-ownership", other)
                    .into())
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Enforced => "BucketOwnerEnforced",
            Self::Preferred => "BucketOwnerPreferred",
            Self::Writer => "ObjectWriter",
        }
    }
}

pub(crate) fn head(cx: &Cx, input: &api::HeadBucketInput) -> Result<api::HeadBucketOutput> {
    let bucket = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    Ok(api::HeadBucketOutput {
        bucket_arn: Some(bucket.arn()),
        bucket_region: Some(bucket.region),
        access_point_alias: Some(bucket.via.as_ref().is_some_and(|via| via.alias)),
        ..Default::default()
    })
}

pub(crate) fn location(cx: &Cx, input: &api::GetBucketLocationInput) -> Result<api::GetBucketLocationOutput> {
    let bucket = bucket::anywhere(&cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    let region = if bucket.region == regions::DEFAULT { String::new() } else { bucket.region };
    Ok(api::GetBucketLocationOutput { location_constraint: Some(region) })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteBucketInput) -> Result<()> {
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        if !is_empty(tx, &bucket)? {
            return Err(error::bucket_not_empty(&bucket.name).into());
        }
        control::points::refuse_attached(tx, &bucket)?;
        // Uploads that are going on end with their bucket.
        for part in PARTS.all(tx, &bucket.all())? {
            intake::release(tx, &bucket, &part.row.stored)?;
        }
        PARTS.clear(tx, &bucket.all())?;
        UPLOADS.clear(tx, &bucket.all())?;
        SETTINGS.clear(tx, &bucket.all())?;
        WAYS.clear(tx, &bucket.all())?;
        LINES.clear(tx, &bucket.all())?;
        storage::changed(tx, &bucket)?;
        DAYS.clear(tx, &bucket.all())?;
        OWNED.delete(tx, &(&bucket.account, &bucket.name));
        BUCKETS.delete(tx, &(&bucket.name,));
        Ok(())
    })
    .await
}

fn is_empty(from: &(impl Read + ?Sized), bucket: &Bucket) -> Result<bool> {
    let any = |table: &undercast_kernel::store::Table<crate::rows::Listed>| {
        Ok::<_, Failure>(!table.page(from, &bucket.all(), None::<&()>, Order::Ascending, 1)?.is_empty())
    };
    Ok(!any(&LISTED)? && !any(&LISTED_VERSIONS)?)
}

/// The owner of an account's buckets and objects, as lists and ACLs show it.
pub(crate) fn owner(account: &str) -> output::Owner {
    output::Owner { display_name: None, id: Some(acl::user(account)) }
}

/// A moment as S3 shows it: whole seconds.
pub(crate) fn shown(millis: i64) -> Timestamp {
    Timestamp::from_second(millis.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(crate) fn list(cx: &Cx, input: api::ListBucketsInput) -> Result<api::ListBucketsOutput> {
    bucket::check_signed_region(cx)?;
    let most = input.max_buckets.unwrap_or(MOST_BUCKETS);
    if !(1..=MOST_BUCKETS).contains(&most) {
        let message = format!("Argument max-buckets must be an integer between 1 and {MOST_BUCKETS}");
        return Err(error::invalid_argument(message, "max-buckets", &most.to_string()).into());
    }
    if let Some(region) = input.bucket_region.as_deref().filter(|r| !regions::exists(r)) {
        let message = format!("Argument value {region} is not a valid AWS Region");
        return Err(error::invalid_argument(message, "bucket-region", region).into());
    }
    let after = input.continuation_token.as_deref().map(|t| listing::position("s3.ListBuckets", t)).transpose()?;
    let prefix = input.prefix.as_deref();
    let from = cx.read();
    let after_key = after.as_deref().map(|a| (cx.account(), a));
    let mut buckets = Vec::new();
    let mut next = None;
    for entry in OWNED.page(&from, &(cx.account(),), after_key.as_ref(), Order::Ascending, usize::MAX)? {
        let Some((_, name)) = entry.key::<(String, String)>() else { continue };
        let wanted =
            prefix.is_none_or(|p| name.starts_with(p)) && input.bucket_region.as_ref().is_none_or(|r| *r == entry.row);
        let Some(bucket) = BUCKETS.get(&from, &(&name,))?.filter(|_| wanted) else { continue };
        if buckets.len() == usize::try_from(most).unwrap_or(usize::MAX) {
            next = buckets
                .last()
                .and_then(|b: &output::Bucket| b.name.as_deref())
                .map(|n| paging::token("s3.ListBuckets", n));
            break;
        }
        buckets.push(output::Bucket {
            creation_date: Some(shown(bucket.created)),
            bucket_arn: Some(bucket.arn()),
            name: Some(name),
            // Only requests that page or filter are answered with regions.
            bucket_region: (input.max_buckets.is_some() || prefix.is_some() || input.bucket_region.is_some())
                .then_some(bucket.region),
        });
    }
    Ok(api::ListBucketsOutput {
        buckets: Some(buckets),
        owner: Some(owner(cx.account())),
        continuation_token: next,
        prefix: input.prefix,
    })
}

pub(crate) async fn put_versioning(cx: &Cx, input: api::PutBucketVersioningInput) -> Result<()> {
    let versioning = match input.versioning_configuration.status.as_deref() {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        _ => {
            let message = "The Versioning element must be specified";
            return Err(AwsError::new("IllegalVersioningConfigurationException", 400, message).into());
        }
    };
    let mfa_delete = input.versioning_configuration.mfa_delete.as_deref().map(|status| status == "Enabled");
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        if bucket.mfa_delete == Some(true) || mfa_delete == Some(true) {
            mfa::demand(cx, tx, &bucket, input.mfa.as_deref())?;
        }
        mfa::check_lifecycle(&bucket, mfa_delete == Some(true))?;
        if bucket.lock.is_some() && versioning != Versioning::Enabled {
            let message =
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
            return Err(AwsError::new("InvalidBucketState", 409, message).into());
        }
        replication::check_versioning(&bucket, versioning)?;
        bucket.versioning = versioning;
        bucket.mfa_delete = mfa_delete.or(bucket.mfa_delete);
        BUCKETS.put(tx, &(&bucket.name,), &bucket);
        Ok(())
    })
    .await
}

pub(crate) fn get_versioning(cx: &Cx, input: &api::GetBucketVersioningInput) -> Result<api::GetBucketVersioningOutput> {
    let bucket = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    let status = match bucket.versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some("Enabled".to_owned()),
        Versioning::Suspended => Some("Suspended".to_owned()),
    };
    let mfa_delete = bucket.mfa_delete.map(|on| if on { "Enabled" } else { "Disabled" }.to_owned());
    Ok(api::GetBucketVersioningOutput { status, mfa_delete })
}

/// The tags of a bucket; `None`: it has none.
pub(crate) fn tags(from: &(impl Read + ?Sized), bucket: &Bucket) -> Result<Option<Tags>> {
    SETTINGS.get(from, &bucket.key(TAGS))?.map(|text| serde_json::from_str(&text).map_err(Failure::broken)).transpose()
}

pub(crate) async fn put_tagging(cx: &Cx, input: api::PutBucketTaggingInput) -> Result<()> {
    let tags = tagging::of_set(input.tagging.tag_set.into_iter().map(|t| (t.key, t.value)), tagging::Of::Bucket)?;
    let text = tagging::text(&tags)?;
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        check_tagging(&bucket)?;
        SETTINGS.put(tx, &bucket.key(TAGS), &text);
        Ok(())
    })
    .await
}

pub(crate) fn get_tagging(cx: &Cx, input: &api::GetBucketTaggingInput) -> Result<api::GetBucketTaggingOutput> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let Some(tags) = tags(&from, &bucket)? else {
        return Err(AwsError::new("NoSuchTagSet", 404, "The TagSet does not exist")
            .with("BucketName", bucket.name.as_str())
            .into());
    };
    Ok(api::GetBucketTaggingOutput { tag_set: tagging::shown(&tags) })
}

pub(crate) async fn delete_tagging(cx: &Cx, input: api::DeleteBucketTaggingInput) -> Result<()> {
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        check_tagging(&bucket)?;
        SETTINGS.delete(tx, &bucket.key(TAGS));
        Ok(())
    })
    .await
}

pub(crate) async fn put_ownership(cx: &Cx, input: api::PutBucketOwnershipControlsInput) -> Result<()> {
    let [rule] = input.ownership_controls.rules.as_slice() else { return Err(error::malformed_xml().into()) };
    let ownership = Ownership::parse(&rule.object_ownership).map_err(|_| error::malformed_xml())?;
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        if ownership == Ownership::Enforced && bucket.acl.is_some() {
            let message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
            return Err(AwsError::new("InvalidBucketAclWithObjectOwnership", 400, message).into());
        }
        bucket.ownership = ownership;
        bucket.has &= !OWNERSHIP_GONE;
        BUCKETS.put(tx, &(&bucket.name,), &bucket);
        Ok(())
    })
    .await
}

pub(crate) fn get_ownership(
    cx: &Cx,
    input: &api::GetBucketOwnershipControlsInput,
) -> Result<api::GetBucketOwnershipControlsOutput> {
    let bucket = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    if bucket.has & OWNERSHIP_GONE != 0 {
        let message = "The bucket ownership controls were not found";
        let error = AwsError::new("OwnershipControlsNotFoundError", 404, message);
        return Err(error.with("BucketName", bucket.name.as_str()).into());
    }
    let rules = vec![output::OwnershipControlsRule { object_ownership: bucket.ownership.name().to_owned() }];
    Ok(api::GetBucketOwnershipControlsOutput { ownership_controls: Some(output::OwnershipControls { rules }) })
}

/// Without controls a bucket is as buckets were before there were any: whoever writes an object owns it.
pub(crate) async fn delete_ownership(cx: &Cx, input: api::DeleteBucketOwnershipControlsInput) -> Result<()> {
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        bucket.ownership = Ownership::Writer;
        bucket.has |= OWNERSHIP_GONE;
        BUCKETS.put(tx, &(&bucket.name,), &bucket);
        Ok(())
    })
    .await
}

pub(crate) fn get_acl(cx: &Cx, input: &api::GetBucketAclInput) -> Result<api::GetBucketAclOutput> {
    let bucket = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    let counts = bucket.acl.as_ref().filter(|_| bucket.ownership != Ownership::Enforced);
    Ok(api::GetBucketAclOutput {
        owner: Some(owner(&bucket.account)),
        grants: Some(acl::shown(counts, &bucket.account)),
    })
}

pub(crate) async fn put_acl(cx: &Cx, input: api::PutBucketAclInput) -> Result<()> {
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        let body = input.access_control_policy.as_ref();
        bucket.acl = acl::of_change(tx, &bucket, &bucket.account, &acl::asked!(input), body)?;
        BUCKETS.put(tx, &(&bucket.name,), &bucket);
        Ok(())
    })
    .await
}

pub(crate) async fn put_payment(cx: &Cx, input: api::PutBucketRequestPaymentInput) -> Result<()> {
    let requester = input.request_payment_configuration.payer == "Requester";
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        bucket.requester_pays = requester;
        BUCKETS.put(tx, &(&bucket.name,), &bucket);
        Ok(())
    })
    .await
}

pub(crate) fn get_payment(
    cx: &Cx,
    input: &api::GetBucketRequestPaymentInput,
) -> Result<api::GetBucketRequestPaymentOutput> {
    let bucket = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    let payer = if bucket.requester_pays { "Requester" } else { "BucketOwner" };
    Ok(api::GetBucketRequestPaymentOutput { payer: Some(payer.to_owned()) })
}

/// A word that requests by the accelerated endpoint wait for: here they go the same way as all others.
pub(crate) async fn put_accelerate(cx: &Cx, input: api::PutBucketAccelerateConfigurationInput) -> Result<()> {
    let status = input.accelerate_configuration.status.ok_or_else(error::malformed_xml)?;
    if input.bucket.contains('.') {
        let message = "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names";
        return Err(error::invalid_request(message).into());
    }
    Setting::Accelerate.set(cx, &input.bucket, input.expected_bucket_owner.as_deref(), &status).await
}

pub(crate) fn get_accelerate(
    cx: &Cx,
    input: &api::GetBucketAccelerateConfigurationInput,
) -> Result<api::GetBucketAccelerateConfigurationOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let (_, status) = Setting::Accelerate.of_call::<String>(cx, &input.bucket, owner)?;
    Ok(api::GetBucketAccelerateConfigurationOutput { status, request_charged: None })
}

/// Access by tags: whether a bucket's tags count as `aws:ResourceTag` where it is decided who may.
///
/// Source: "Using tags for attribute-based access control with general purpose buckets" in the user guide.
pub(crate) async fn put_abac(cx: &Cx, input: api::PutBucketAbacInput) -> Result<()> {
    let status = input.abac_status.status.ok_or_else(error::malformed_xml)?;
    let (name, owner) = (input.bucket.as_str(), input.expected_bucket_owner.as_deref());
    if status == "Enabled" {
        return Setting::Abac.set(cx, name, owner, &status).await;
    }
    Setting::Abac.delete(cx, name, owner).await
}

pub(crate) fn get_abac(cx: &Cx, input: &api::GetBucketAbacInput) -> Result<api::GetBucketAbacOutput> {
    let bucket = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    let status = if Setting::Abac.is_on(&bucket) { "Enabled" } else { "Disabled" };
    Ok(api::GetBucketAbacOutput { abac_status: Some(output::AbacStatus { status: Some(status.to_owned()) }) })
}

/// Where tags decide who may, they are changed by who may tag, with S3 Control's operations.
fn check_tagging(bucket: &Bucket) -> Result<()> {
    if !Setting::Abac.is_on(bucket) {
        return Ok(());
    }
    let message = "ABAC is enabled on this bucket. Use TagResource and UntagResource to change its tags.";
    Err(error::invalid_request(message).into())
}
