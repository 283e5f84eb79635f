//! The fields of a list: what they are called in each format, of what kind they are, and what they say of an object.

use serde_json::{Value as Json, json};
use undercast_wire::text::base64;

use crate::api::kept::InventoryConfiguration;
use crate::lifecycle_rules::{Lifecycle, Seen};
use crate::rows::{Bucket, Object, Replication, Sealed};
use crate::{acl, objects, tiers};

/// A version of an object (or a delete marker), as a list tells of it.
pub(super) struct Line<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) lifecycle: Option<&'a Lifecycle>,
    pub(super) key: &'a str,
    pub(super) object: &'a Object,
    pub(super) latest: bool,
    /// When the list is made, in milliseconds since 1970.
    pub(super) now: i64,
}

/// Of what kind the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Truth,
    Number,
    Moment,
}

/// What a line has in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// There is nothing to say.
    None,
    Text(String),
    Truth(bool),
    Number(i64),
    /// Milliseconds since 1970.
    Moment(i64),
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn of(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::None, Self::text)
    }
}

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// In CSV, and in the configuration.
    pub(super) name: &'static str,
    /// In Parquet and ORC.
    pub(super) lower: &'static str,
    pub(super) kind: Kind,
    /// Every line has a value.
    pub(super) required: bool,
    value: fn(&Line<'_>) -> Value,
    /// It is told of delete markers too.
    of_markers: bool,
}

const fn told(name: &'static str, lower: &'static str, kind: Kind, value: fn(&Line<'_>) -> Value) -> Column {
    Column { name, lower, kind, required: false, value, of_markers: false }
}

const fn identity(name: &'static str, lower: &'static str, kind: Kind, value: fn(&Line<'_>) -> Value) -> Column {
    Column { name, lower, kind, required: false, value, of_markers: true }
}

static ALWAYS: [Column; 2] = [
    Column { required: true, ..identity("Bucket", "bucket", Kind::Text, |l| Value::text(&l.bucket.name)) },
    Column { required: true, ..identity("Key", "key", Kind::Text, |l| Value::text(l.key)) },
];

static OF_VERSIONS: [Column; 3] = [
    identity("VersionId", "version_id", Kind::Text, |l| Value::of(l.object.version.as_deref())),
    identity("IsLatest", "is_latest", Kind::Truth, |l| Value::Truth(l.latest)),
    identity("IsDeleteMarker", "is_delete_marker", Kind::Truth, |l| Value::Truth(l.object.marker)),
];

/// The optional ones, in the order in which lists have them: that of the user guide's manifests, and of those that AWS
/// delivered. What is not here is not built.
static OPTIONAL: [Column; 16] = [
    told("Size", "size", Kind::Number, |l| Value::Number(i64::try_from(l.object.size).unwrap_or(i64::MAX))),
    told("LastModifiedDate", "last_modified_date", Kind::Moment, |l| {
        Value::Moment(l.object.modified.div_euclid(1000) * 1000)
    }),
    told("ETag", "e_tag", Kind::Text, |l| Value::text(&l.object.etag)),
    told("StorageClass", "storage_class", Kind::Text, |l| {
        Value::text(l.object.storage_class.as_deref().unwrap_or("STANDARD"))
    }),
    told("IsMultipartUploaded", "is_multipart_uploaded", Kind::Truth, |l| Value::Truth(l.object.parts.is_some())),
    told("ReplicationStatus", "replication_status", Kind::Text, |l| {
        Value::of(l.object.replication.map(Replication::name))
    }),
    told("EncryptionStatus", "encryption_status", Kind::Text, |l| {
        Value::text(match &l.object.sealed {
            None => "SSE-S3",
            Some(Sealed::Customer { .. }) => "SSE-C",
            Some(Sealed::Kms { dual: false, .. }) => "SSE-KMS",
            Some(Sealed::Kms { dual: true, .. }) => "DSSE-KMS",
        })
    }),
    told("ObjectLockRetainUntilDate", "object_lock_retain_until_date", Kind::Moment, |l| {
        l.object.locked.retention.map_or(Value::None, |r| Value::Moment(r.until))
    }),
    told("ObjectLockMode", "object_lock_mode", Kind::Text, |l| {
        Value::of(l.object.locked.retention.map(|r| r.mode.name()))
    }),
    told("ObjectLockLegalHoldStatus", "object_lock_legal_hold_status", Kind::Text, |l| {
        Value::of(l.object.locked.hold.map(|on| if on { "On" } else { "Off" }))
    }),
    told("IntelligentTieringAccessTier", "intelligent_tiering_access_tier", Kind::Text, |l| {
        Value::of(tiers::access_tier(l.object, l.now))
    }),
    told("BucketKeyStatus", "bucket_key_status", Kind::Text, |l| match &l.object.sealed {
        Some(Sealed::Kms { bucket_key: true, .. }) => Value::text("ENABLED"),
        Some(Sealed::Kms { bucket_key: false, .. }) => Value::text("DISABLED"),
        _ => Value::None,
    }),
    told("ChecksumAlgorithm", "checksum_algorithm", Kind::Text, |l| {
        Value::of(l.object.checksum.as_ref().map(|c| c.algorithm.name()))
    }),
    told("ObjectAccessControlList", "object_access_control_list", Kind::Text, |l| {
        Value::text(base64(acl_of(l).to_string().as_bytes()))
    }),
    told("ObjectOwner", "object_owner", Kind::Text, |l| Value::text(acl::user(objects::owner(l.bucket, l.object)))),
    told("LifecycleExpirationDate", "lifecycle_expiration_date", Kind::Moment, |l| {
        let seen = Seen { key: l.key, tags: &l.object.tags, size: l.object.size };
        let end = l.lifecycle.and_then(|rules| rules.expiration(seen, l.object.modified));
        end.filter(|_| l.latest).map_or(Value::None, |(at, _)| Value::Moment(at))
    }),
];

/// The ACL of an object as lists have it.
fn acl_of(line: &Line<'_>) -> Json {
    let owner = objects::owner(line.bucket, line.object);
    let grants = acl::shown(line.object.acl.as_ref(), owner);
    let grants: Vec<Json> = grants
        .iter()
        .map(|g| {
            let who = g.grantee.as_ref();
            json!({"canonicalId": who.and_then(|w| w.id.clone()), "uri": who.and_then(|w| w.uri.clone()),
                   "type": who.map(|w| w.type_.clone()), "permission": g.permission})
        })
        .collect();
    json!({"version": "2022-11-10", "status": "AVAILABLE", "grants": grants})
}

/// The first field of a configuration that is not built.
pub(super) fn missing(configuration: &InventoryConfiguration) -> Option<&str> {
    let fields = configuration.optional_fields.as_deref().unwrap_or_default();
    fields.iter().map(String::as_str).find(|f| OPTIONAL.iter().all(|column| column.name != *f))
}

/// The columns that a configuration asks for, in whatever order it does.
pub(super) fn columns(configuration: &InventoryConfiguration) -> Vec<Column> {
    let versions: &[Column] = if lists_versions(configuration) { &OF_VERSIONS } else { &[] };
    let asked = configuration.optional_fields.as_deref().unwrap_or_default();
    let asked = OPTIONAL.iter().filter(|column| asked.iter().any(|field| field == column.name));
    ALWAYS.iter().chain(versions).chain(asked).copied().collect()
}

/// Whether old versions and delete markers are listed too.
pub(super) fn lists_versions(configuration: &InventoryConfiguration) -> bool {
    configuration.included_object_versions == "All"
}

/// What a line has in each column.
pub(super) fn values(columns: &[Column], line: &Line<'_>) -> Vec<Value> {
    // Of a delete marker there is not more to say than which it is.
    columns.iter().map(|c| if line.object.marker && !c.of_markers { Value::None } else { (c.value)(line) }).collect()
}
