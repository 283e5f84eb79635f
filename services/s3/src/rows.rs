//! The tables, and what their rows hold: those of objects in `object.rs`.

mod object;

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use undercast_kernel::store::Table;

use crate::control::via::Via;

pub(crate) use object::{
    Aged, Annotation, Content, Headers, Listed, ListedAnnotation, Object, Part, Segment, Stored, Upload,
};

/// Name → bucket. Names are shared by all accounts and regions.
pub(crate) static BUCKETS: Table<Bucket> = Table::new("s3.buckets");
/// Account, name → region: the buckets of an account, in the order of their names.
pub(crate) static OWNED: Table<String> = Table::new("s3.owned");
/// Account, region, bucket, setting → its text. What few calls need stands apart from the bucket's row.
pub(crate) static SETTINGS: Table<String> = Table::new("s3.settings");
/// Account, region, bucket, key → the newest version, unless it is a delete marker.
pub(crate) static OBJECTS: Table<Object> = Table::new("s3.objects");
/// The same rows without what listings do not show.
pub(crate) static LISTED: Table<Listed> = Table::new("s3.objects");
/// Account, region, bucket, key, rank → a version that is not the newest, or a delete marker; newest first.
pub(crate) static VERSIONS: Table<Object> = Table::new("s3.versions");
/// The same rows without what listings do not show.
pub(crate) static LISTED_VERSIONS: Table<Listed> = Table::new("s3.versions");
/// The rows of [`OBJECTS`] as lifecycle rules and access tiers see them.
pub(crate) static AGED: Table<Aged> = Table::new("s3.objects");
/// Those of [`VERSIONS`].
pub(crate) static AGED_VERSIONS: Table<Aged> = Table::new("s3.versions");
/// Account, region, bucket, key, upload → a multipart upload that is going on.
pub(crate) static UPLOADS: Table<Upload> = Table::new("s3.uploads");
/// Account, region, bucket, upload, part number → a part of it.
pub(crate) static PARTS: Table<Part> = Table::new("s3.parts");
/// Account, region, bucket, key, rank, name → an annotation of that version. By rank, so that it stays where it is when the
/// version becomes an old one.
pub(crate) static ANNOTATIONS: Table<Annotation> = Table::new("s3.annotations");
/// The same rows without what lists do not show.
pub(crate) static LISTED_ANNOTATIONS: Table<ListedAnnotation> = Table::new("s3.annotations");
/// Account, region, bucket, id → what an object is put together from.
pub(crate) static SEGMENTS: Table<Vec<Segment>> = Table::new("s3.segments");

/// A bucket.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Bucket {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) account: String,
    #[n(2)]
    pub(crate) region: String,
    /// Milliseconds since 1970.
    #[n(3)]
    pub(crate) created: i64,
    #[n(4)]
    pub(crate) versioning: Versioning,
    /// The policy's number: another one for every text that was put.
    #[n(5)]
    pub(crate) policy: Option<u64>,
    /// The policy lets everybody in.
    #[n(6)]
    pub(crate) public: bool,
    /// `None`: removed.
    #[n(7)]
    pub(crate) block: Option<Block>,
    /// It has a notification configuration.
    #[n(8)]
    pub(crate) notifies: bool,
    #[n(9)]
    #[cbor(default)]
    pub(crate) ownership: Ownership,
    /// `None`: all to the owner.
    #[n(10)]
    pub(crate) acl: Option<Acl>,
    /// What new objects are encrypted with. `None`: S3's own keys, and no keys of customers.
    #[n(11)]
    pub(crate) encryption: Option<DefaultEncryption>,
    /// Object Lock, where it is on.
    #[n(12)]
    pub(crate) lock: Option<Lock>,
    /// Who asks pays.
    #[n(13)]
    #[cbor(default)]
    pub(crate) requester_pays: bool,
    /// Which settings it has, one bit each, so that calls need not look for what is not there.
    #[n(14)]
    #[cbor(default)]
    pub(crate) has: u32,
    /// Where it has lifecycle rules: after how many days at the earliest one may act on what is written now.
    #[n(15)]
    pub(crate) lifecycle: Option<i32>,
    /// MFA delete is on or off; `None`: nothing was ever said of it.
    #[n(16)]
    pub(crate) mfa_delete: Option<bool>,
    /// The access point through which it was reached. It is not kept.
    #[cbor(skip)]
    pub(crate) via: Option<Arc<Via>>,
}

/// Who owns the objects of a bucket, and whether ACLs count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Ownership {
    /// BucketOwnerEnforced: the bucket's owner, and no ACL counts.
    #[default]
    #[n(0)]
    Enforced,
    /// BucketOwnerPreferred: the bucket's owner, where the writer says so in a canned ACL.
    #[n(1)]
    Preferred,
    /// ObjectWriter: who wrote them.
    #[n(2)]
    Writer,
}

/// Grants, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Acl {
    #[n(0)]
    pub(crate) grants: Vec<Grant>,
}

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Grant {
    #[n(0)]
    pub(crate) grantee: Grantee,
    #[n(1)]
    pub(crate) permission: Permission,
}

/// To whom something is granted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Grantee {
    /// The account with this canonical user id.
    #[n(0)]
    User(#[n(0)] String),
    /// Everybody, with or without credentials.
    #[n(1)]
    Everybody,
    /// Everybody who has an account.
    #[n(2)]
    Authenticated,
    /// S3, when it delivers logs.
    #[n(3)]
    LogDelivery,
}

/// What an ACL can grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Permission {
    #[n(0)]
    FullControl,
    #[n(1)]
    Read,
    #[n(2)]
    Write,
    #[n(3)]
    ReadAcp,
    #[n(4)]
    WriteAcp,
}

/// What new objects are encrypted with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct DefaultEncryption {
    #[n(0)]
    pub(crate) method: Method,
    /// The key as it was given; `None`: the one that AWS manages for S3.
    #[n(1)]
    pub(crate) key: Option<String>,
    #[n(2)]
    pub(crate) bucket_key: bool,
    /// Keys of customers may be used.
    #[n(3)]
    pub(crate) customer_keys: bool,
}

/// How S3 encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Method {
    /// AES256: with keys of S3's own.
    #[n(0)]
    Own,
    /// aws:kms
    #[n(1)]
    Kms,
    /// aws:kms:dsse
    #[n(2)]
    Dual,
}

/// With what the bytes of an object or upload are encrypted, beside what the store does with all bytes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Sealed {
    /// With a key of a customer, which is not kept: only what recognises it.
    #[n(0)]
    Customer {
        #[n(0)]
        salt: ByteVec,
        /// HMAC-SHA256 of the key under the salt.
        #[n(1)]
        mac: ByteVec,
    },
    /// With a data key that KMS gave.
    #[n(1)]
    Kms {
        /// ARN of the KMS key.
        #[n(0)]
        key: String,
        /// The data key, encrypted by that key.
        #[n(1)]
        data_key: ByteVec,
        /// The encryption context that goes with it.
        #[n(2)]
        context: BTreeMap<String, String>,
        #[n(3)]
        bucket_key: bool,
        /// aws:kms:dsse
        #[n(4)]
        dual: bool,
    },
}

/// Object Lock of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Lock {
    /// What new objects are retained by.
    #[n(0)]
    pub(crate) default: Option<DefaultRetention>,
}

/// How long new objects are retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct DefaultRetention {
    #[n(0)]
    pub(crate) mode: Mode,
    #[n(1)]
    pub(crate) period: Period,
}

/// A span of retention, as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Period {
    #[n(0)]
    Days(#[n(0)] i32),
    #[n(1)]
    Years(#[n(0)] i32),
}

/// How strict a retention is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Mode {
    /// Who has `s3:BypassGovernanceRetention` may end it.
    #[n(0)]
    Governance,
    /// Nobody may.
    #[n(1)]
    Compliance,
}

/// Until when a version is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Retention {
    #[n(0)]
    pub(crate) mode: Mode,
    /// Milliseconds since 1970.
    #[n(1)]
    pub(crate) until: i64,
}

/// What protects a version from being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub(crate) struct Locked {
    #[n(0)]
    pub(crate) retention: Option<Retention>,
    /// A legal hold is on; `None`: nothing was ever said of one.
    #[n(1)]
    pub(crate) hold: Option<bool>,
}

/// What becomes of an archived version that was asked back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Restoration {
    /// It is on its way, and stays so many days.
    #[n(0)]
    Ongoing {
        /// Milliseconds since 1970 at which it will be there.
        #[n(0)]
        ready: i64,
        #[n(1)]
        days: i32,
    },
    /// It is there until that moment (milliseconds since 1970).
    #[n(1)]
    Until(#[n(0)] i64),
}

/// Where a version of the class INTELLIGENT_TIERING is among the access tiers of that class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Tiered {
    /// Milliseconds since 1970 of an access on the last day on which there was one.
    #[n(0)]
    pub(crate) accessed: i64,
    /// The same of a query, which keeps a version out of the archives and brings it into no other tier.
    #[n(1)]
    pub(crate) queried: Option<i64>,
    /// The archive in which it is.
    #[n(2)]
    pub(crate) archive: Option<Archive>,
}

/// The access tiers whose objects must be asked back; the later one is further down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Archive {
    #[n(0)]
    Access,
    #[n(1)]
    DeepAccess,
}

/// How far the replication of a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Replication {
    #[n(0)]
    Pending,
    #[n(1)]
    Completed,
    #[n(2)]
    Failed,
    /// It is a copy that replication made.
    #[n(3)]
    Replica,
}

/// Whether a bucket keeps old versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Versioning {
    /// It never has.
    #[n(0)]
    Off,
    #[n(1)]
    Enabled,
    #[n(2)]
    Suspended,
}

/// Block Public Access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Block {
    #[n(0)]
    pub(crate) public_acls: bool,
    #[n(1)]
    pub(crate) ignore_acls: bool,
    #[n(2)]
    pub(crate) public_policy: bool,
    #[n(3)]
    pub(crate) restrict: bool,
}

impl Replication {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Pending => "PENDING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Replica => "REPLICA",
        }
        .to_owned()
    }
}

impl Bucket {
    /// A new bucket, as AWS makes them since April 2023: no ACLs, nothing public.
    pub(crate) fn new(name: &str, account: &str, region: &str, created: i64) -> Self {
        Self {
            name: name.to_owned(),
            account: account.to_owned(),
            region: region.to_owned(),
            created,
            versioning: Versioning::Off,
            policy: None,
            public: false,
            block: Some(Block::ALL),
            notifies: false,
            ownership: Ownership::Enforced,
            acl: None,
            encryption: None,
            lock: None,
            requester_pays: false,
            has: 0,
            lifecycle: None,
            mfa_delete: None,
            via: None,
        }
    }

    /// The beginning of the keys of all that is in it, with what follows.
    pub(crate) fn key<'a>(&'a self, rest: &'a str) -> (&'a str, &'a str, &'a str, &'a str) {
        (&self.account, &self.region, &self.name, rest)
    }

    /// The beginning of the keys of all that is in it.
    pub(crate) fn all(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }

    /// `arn:aws:s3:::name`
    pub(crate) fn arn(&self) -> String {
        format!("arn:{}:s3:::{}", undercast_kernel::regions::partition(&self.region), self.name)
    }
}

impl Block {
    /// What every new bucket has since April 2023.
    pub(crate) const ALL: Self = Self { public_acls: true, ignore_acls: true, public_policy: true, restrict: true };
}
