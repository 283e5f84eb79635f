//! What a job is asked for, kept as JSON in the words of the request: it is shown so, and the calls are made from it.

use serde_json::{Map, Value as Json, json};
use undercast_kernel::tags::{self, Tags};
use undercast_kernel::{AwsError, Result, Timestamp};

use crate::control::api::input;
use crate::control::error;

/// A job has so many tags at most.
const MOST_TAGS: usize = 50;

/// What is set, without what is not.
fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    let set = members.into_iter().filter(|(_, value)| !value.is_null());
    Json::Object(set.map(|(name, value)| (name.to_owned(), value)).collect())
}

fn time(moment: Option<Timestamp>) -> Json {
    moment.map_or(Json::Null, |m| m.to_string().into())
}

/// The request, if it can be a job.
pub(crate) fn kept(
    operation: &input::JobOperation,
    manifest: Option<&input::JobManifest>,
    generator: Option<&input::JobManifestGenerator>,
    report: &input::JobReport,
) -> Result<Json> {
    let sources = [("Manifest", manifest.map(manifest_of)), ("ManifestGenerator", generator.map(generator_of))];
    if sources.iter().filter(|(_, source)| source.is_some()).count() != 1 {
        return Err(error::invalid_request("A job needs either a Manifest or a ManifestGenerator").into());
    }
    let mut request = Map::new();
    request.insert("Operation".to_owned(), operation_of(operation)?);
    request.insert("Report".to_owned(), report_of(report)?);
    for (name, source) in sources {
        if let Some(source) = source {
            request.insert(name.to_owned(), source?);
        }
    }
    Ok(Json::Object(request))
}

fn operation_of(operation: &input::JobOperation) -> Result<Json> {
    let all = [
        ("LambdaInvoke", operation.lambda_invoke.as_ref().map(lambda)),
        ("S3PutObjectCopy", operation.s3_put_object_copy.as_ref().map(copy)),
        ("S3PutObjectAcl", operation.s3_put_object_acl.as_ref().map(acl)),
        (
            "S3PutObjectTagging",
            operation.s3_put_object_tagging.as_ref().map(|o| json!({"TagSet": tag_set(o.tag_set.as_deref())})),
        ),
        ("S3DeleteObjectTagging", operation.s3_delete_object_tagging.as_ref().map(|_| json!({}))),
        ("S3InitiateRestoreObject", operation.s3_initiate_restore_object.as_ref().map(restore)),
        ("S3PutObjectLegalHold", operation.s3_put_object_legal_hold.as_ref().map(legal_hold)),
        ("S3PutObjectRetention", operation.s3_put_object_retention.as_ref().map(retention)),
        ("S3ReplicateObject", operation.s3_replicate_object.as_ref().map(|_| json!({}))),
        ("S3ComputeObjectChecksum", operation.s3_compute_object_checksum.as_ref().map(checksum)),
        ("S3UpdateObjectEncryption", operation.s3_update_object_encryption.as_ref().map(other_key)),
    ];
    let mut set = all.into_iter().filter_map(|(name, operation)| Some((name, operation?)));
    match (set.next(), set.next()) {
        (Some((name, operation)), None) => Ok(json!({ name: operation })),
        _ => Err(error::invalid_request("A job has exactly one operation").into()),
    }
}

fn lambda(o: &input::LambdaInvokeOperation) -> Json {
    object([
        ("FunctionArn", json!(o.function_arn)),
        ("InvocationSchemaVersion", json!(o.invocation_schema_version)),
        ("UserArguments", json!(o.user_arguments)),
    ])
}

fn copy(o: &input::S3CopyObjectOperation) -> Json {
    let hold = o
        .object_lock_event_hold_duration
        .as_ref()
        .map(|d| object([("Days", json!(d.days)), ("Years", json!(d.years))]));
    object([
        ("TargetResource", json!(o.target_resource)),
        ("CannedAccessControlList", json!(o.canned_access_control_list)),
        ("AccessControlGrants", o.access_control_grants.as_deref().map_or(Json::Null, grants)),
        ("MetadataDirective", json!(o.metadata_directive)),
        ("AnnotationDirective", json!(o.annotation_directive)),
        ("ModifiedSinceConstraint", time(o.modified_since_constraint)),
        ("NewObjectMetadata", o.new_object_metadata.as_ref().map_or(Json::Null, metadata)),
        ("NewObjectTagging", o.new_object_tagging.as_deref().map_or(Json::Null, |tags| tag_set(Some(tags)))),
        ("RedirectLocation", json!(o.redirect_location)),
        ("RequesterPays", json!(o.requester_pays)),
        ("StorageClass", json!(o.storage_class)),
        ("UnModifiedSinceConstraint", time(o.un_modified_since_constraint)),
        ("SSEAwsKmsKeyId", json!(o.sse_aws_kms_key_id)),
        ("TargetKeyPrefix", json!(o.target_key_prefix)),
        ("ObjectLockLegalHoldStatus", json!(o.object_lock_legal_hold_status)),
        ("ObjectLockMode", json!(o.object_lock_mode)),
        ("ObjectLockRetainUntilDate", time(o.object_lock_retain_until_date)),
        ("BucketKeyEnabled", json!(o.bucket_key_enabled)),
        ("ChecksumAlgorithm", json!(o.checksum_algorithm)),
        ("ObjectLockEventHold", json!(o.object_lock_event_hold)),
        ("ObjectLockEventHoldDuration", hold.unwrap_or_default()),
    ])
}

fn metadata(o: &input::S3ObjectMetadata) -> Json {
    object([
        ("CacheControl", json!(o.cache_control)),
        ("ContentDisposition", json!(o.content_disposition)),
        ("ContentEncoding", json!(o.content_encoding)),
        ("ContentLanguage", json!(o.content_language)),
        ("UserMetadata", json!(o.user_metadata)),
        ("ContentType", json!(o.content_type)),
        ("HttpExpiresDate", time(o.http_expires_date)),
        ("SSEAlgorithm", json!(o.sse_algorithm)),
    ])
}

fn tag_set(tags: Option<&[input::S3Tag]>) -> Json {
    tags.into_iter().flatten().map(|t| json!({"Key": t.key, "Value": t.value})).collect::<Vec<_>>().into()
}

fn grants(grants: &[input::S3Grant]) -> Json {
    let grantee = |g: &input::S3Grantee| {
        object([
            ("TypeIdentifier", json!(g.type_identifier)),
            ("Identifier", json!(g.identifier)),
            ("DisplayName", json!(g.display_name)),
        ])
    };
    let grant = |g: &input::S3Grant| {
        object([("Grantee", g.grantee.as_ref().map_or(Json::Null, grantee)), ("Permission", json!(g.permission))])
    };
    grants.iter().map(grant).collect::<Vec<_>>().into()
}

fn acl(o: &input::S3SetObjectAclOperation) -> Json {
    let list = |l: &input::S3AccessControlList| {
        let owner = object([("ID", json!(l.owner.id)), ("DisplayName", json!(l.owner.display_name))]);
        object([("Owner", owner), ("Grants", l.grants.as_deref().map_or(Json::Null, grants))])
    };
    let policy = |p: &input::S3AccessControlPolicy| {
        object([
            ("AccessControlList", p.access_control_list.as_ref().map_or(Json::Null, list)),
            ("CannedAccessControlList", json!(p.canned_access_control_list)),
        ])
    };
    object([("AccessControlPolicy", o.access_control_policy.as_ref().map_or(Json::Null, policy))])
}

fn restore(o: &input::S3InitiateRestoreObjectOperation) -> Json {
    object([("ExpirationInDays", json!(o.expiration_in_days)), ("GlacierJobTier", json!(o.glacier_job_tier))])
}

fn checksum(o: &input::S3ComputeObjectChecksumOperation) -> Json {
    object([("ChecksumAlgorithm", json!(o.checksum_algorithm)), ("ChecksumType", json!(o.checksum_type))])
}

fn other_key(o: &input::S3UpdateObjectEncryptionOperation) -> Json {
    let kms = |k: &input::S3UpdateObjectEncryptionSSEKMS| {
        object([("KMSKeyArn", json!(k.kms_key_arn)), ("BucketKeyEnabled", json!(k.bucket_key_enabled))])
    };
    let kms = o.object_encryption.as_ref().map(|e| object([("SSEKMS", e.ssekms.as_ref().map_or(Json::Null, kms))]));
    object([("ObjectEncryption", kms.unwrap_or_default())])
}

fn legal_hold(o: &input::S3SetObjectLegalHoldOperation) -> Json {
    json!({"LegalHold": {"Status": o.legal_hold.status}})
}

fn retention(o: &input::S3SetObjectRetentionOperation) -> Json {
    let r = &o.retention;
    let hold = r.event_hold_duration.as_ref().map(|d| object([("Days", json!(d.days)), ("Years", json!(d.years))]));
    let retention = object([
        ("RetainUntilDate", time(r.retain_until_date)),
        ("Mode", json!(r.mode)),
        ("EventHold", json!(r.event_hold)),
        ("EventHoldDuration", hold.unwrap_or_default()),
    ]);
    object([("BypassGovernanceRetention", json!(o.bypass_governance_retention)), ("Retention", retention)])
}

/// The fields that a list of objects has, for each form of it.
fn check_fields(format: &str, fields: Option<&[String]>) -> Result<()> {
    let has = |name: &str| fields.is_some_and(|f| f.iter().filter(|f| *f == name).count() == 1);
    let known = |f: &String| ["Ignore", "Bucket", "Key", "VersionId"].contains(&f.as_str());
    match format {
        "S3BatchOperations_CSV_20180820" => {
            if has("Bucket") && has("Key") && fields.is_some_and(|f| f.iter().all(known)) {
                return Ok(());
            }
            let message =
                "Manifest.Spec.Fields of a CSV manifest are Bucket, Key, and where wanted VersionId and Ignore";
            Err(error::invalid_request(message).into())
        }
        _ if fields.is_some() => {
            let message = "Manifest.Spec.Fields are told by the inventory report itself";
            Err(error::invalid_request(message).into())
        }
        _ => Ok(()),
    }
}

fn manifest_of(m: &input::JobManifest) -> Result<Json> {
    check_fields(&m.spec.format, m.spec.fields.as_deref())?;
    let spec = object([("Format", json!(m.spec.format)), ("Fields", json!(m.spec.fields))]);
    let location = object([
        ("ObjectArn", json!(m.location.object_arn)),
        ("ObjectVersionId", json!(m.location.object_version_id)),
        ("ETag", json!(m.location.e_tag)),
    ]);
    Ok(json!({"Spec": spec, "Location": location}))
}

fn generator_of(g: &input::JobManifestGenerator) -> Result<Json> {
    let missing = || error::invalid_request("A ManifestGenerator is an S3JobManifestGenerator");
    let g = g.s3_job_manifest_generator.as_ref().ok_or_else(missing)?;
    if g.enable_manifest_output && g.manifest_output_location.is_none() {
        let message = "EnableManifestOutput needs a ManifestOutputLocation";
        return Err(error::invalid_request(message).into());
    }
    let output = |o: &input::S3ManifestOutputLocation| {
        let encryption = o.manifest_encryption.as_ref().map(|e| {
            let kms = e.ssekms.as_ref().map(|k| json!({"KeyId": k.key_id}));
            let own = e.sses3.as_ref().map(|_| json!({}));
            object([("SSES3", own.unwrap_or_default()), ("SSEKMS", kms.unwrap_or_default())])
        });
        object([
            ("ExpectedManifestBucketOwner", json!(o.expected_manifest_bucket_owner)),
            ("Bucket", json!(o.bucket)),
            ("ManifestPrefix", json!(o.manifest_prefix)),
            ("ManifestEncryption", encryption.unwrap_or_default()),
            ("ManifestFormat", json!(o.manifest_format)),
        ])
    };
    let generator = object([
        ("ExpectedBucketOwner", json!(g.expected_bucket_owner)),
        ("SourceBucket", json!(g.source_bucket)),
        ("ManifestOutputLocation", g.manifest_output_location.as_ref().map_or(Json::Null, output)),
        ("Filter", g.filter.as_ref().map_or(Json::Null, filter)),
        ("EnableManifestOutput", json!(g.enable_manifest_output)),
    ]);
    Ok(json!({ "S3JobManifestGenerator": generator }))
}

fn filter(f: &input::JobManifestGeneratorFilter) -> Json {
    let names = |n: &input::KeyNameConstraint| {
        object([
            ("MatchAnyPrefix", json!(n.match_any_prefix)),
            ("MatchAnySuffix", json!(n.match_any_suffix)),
            ("MatchAnySubstring", json!(n.match_any_substring)),
        ])
    };
    let encryptions = f.match_any_object_encryption.as_deref().map(|all| all.iter().map(encryption).collect());
    object([
        ("CreatedAfter", time(f.created_after)),
        ("CreatedBefore", time(f.created_before)),
        ("KeyNameConstraint", f.key_name_constraint.as_ref().map_or(Json::Null, names)),
        ("ObjectSizeGreaterThanBytes", json!(f.object_size_greater_than_bytes)),
        ("ObjectSizeLessThanBytes", json!(f.object_size_less_than_bytes)),
        ("MatchAnyStorageClass", json!(f.match_any_storage_class)),
        ("EligibleForReplication", json!(f.eligible_for_replication)),
        ("ObjectReplicationStatuses", json!(f.object_replication_statuses)),
        ("MatchAnyObjectEncryption", encryptions.unwrap_or_default()),
    ])
}

/// How objects are encrypted, as a filter names it.
fn encryption(e: &input::ObjectEncryptionFilter) -> Json {
    let empty = |set: bool| if set { json!({}) } else { Json::Null };
    let kms = |k: &input::SSEKMSFilter| {
        object([("KmsKeyArn", json!(k.kms_key_arn)), ("BucketKeyEnabled", json!(k.bucket_key_enabled))])
    };
    object([
        ("SSES3", empty(e.sses3.is_some())),
        ("SSEKMS", e.ssekms.as_ref().map_or(Json::Null, kms)),
        ("DSSEKMS", e.dssekms.as_ref().map_or(Json::Null, |k| object([("KmsKeyArn", json!(k.kms_key_arn))]))),
        ("SSEC", empty(e.ssec.is_some())),
        ("NOTSSE", empty(e.notsse.is_some())),
    ])
}

fn report_of(r: &input::JobReport) -> Result<Json> {
    if r.enabled && (r.bucket.is_none() || r.format.is_none() || r.report_scope.is_none()) {
        let message = "A report that is enabled has a Bucket, a Format and a ReportScope";
        return Err(error::invalid_request(message).into());
    }
    Ok(object([
        ("Bucket", json!(r.bucket)),
        ("Format", json!(r.format)),
        ("Enabled", json!(r.enabled)),
        ("Prefix", json!(r.prefix)),
        ("ReportScope", json!(r.report_scope)),
        ("ExpectedBucketOwner", json!(r.expected_bucket_owner)),
    ]))
}

/// The tags of a job.
pub(crate) fn tags(given: impl Iterator<Item = input::S3Tag>) -> Result<Tags> {
    let mut all = Tags::new();
    for tag in given {
        if all.insert(tag.key, tag.value).is_some() {
            return Err(error::invalid_request("Duplicate tag keys are not allowed").into());
        }
    }
    match tags::check(&all, 0, MOST_TAGS) {
        Ok(()) => Ok(all),
        Err(tags::BadTag::TooMany(most)) => {
            let message = format!("A job cannot have more than {most} tags");
            Err(AwsError::new("TooManyTagsException", 400, message).into())
        }
        Err(why) => Err(error::invalid_request(why.to_string()).into()),
    }
}
