//! The tables, and what their rows hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use undercast_kernel::store::Table;

use crate::checksum::{Algorithm, Checksum};
use crate::control::via::Via;

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
/// Account, region, bucket, key, upload → a multipart upload that is going on.
pub(crate) static UPLOADS: Table<Upload> = Table::new("s3.uploads");
/// Account, region, bucket, upload, part number → a part of it.
pub(crate) static PARTS: Table<Part> = Table::new("s3.parts");
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
    /// The access point through which it was reached. It is not kept.
    #[cbor(skip)]
    pub(crate) via: Option<Arc<Via>>,
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

/// Where bytes are.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) enum Stored {
    /// In the row.
    #[n(0)]
    Inline(#[n(0)] ByteVec),
    /// In the blob of that name.
    #[n(1)]
    Blob(#[n(0)] String),
}

/// What an object is made of.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) enum Content {
    /// One piece.
    #[n(0)]
    One(#[n(0)] Stored),
    /// The pieces in that row of [`SEGMENTS`].
    #[n(1)]
    Many(#[n(0)] String),
}

/// A piece of an object that was uploaded in parts.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Segment {
    #[n(0)]
    pub(crate) number: u32,
    #[n(1)]
    pub(crate) size: u64,
    #[n(2)]
    pub(crate) stored: Stored,
    /// Checksum in base64.
    #[n(3)]
    pub(crate) checksum: Option<String>,
}

/// The headers that are kept with an object and given back with it.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub(crate) struct Headers {
    #[n(0)]
    pub(crate) content_type: Option<String>,
    #[n(1)]
    pub(crate) cache_control: Option<String>,
    #[n(2)]
    pub(crate) disposition: Option<String>,
    #[n(3)]
    pub(crate) encoding: Option<String>,
    #[n(4)]
    pub(crate) language: Option<String>,
    #[n(5)]
    pub(crate) expires: Option<String>,
    #[n(6)]
    pub(crate) redirect: Option<String>,
    /// User metadata, without `x-amz-meta-`.
    #[n(7)]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// A version of an object, or a delete marker.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Object {
    /// Smaller for newer versions of the same key.
    #[n(0)]
    pub(crate) rank: u64,
    /// `None`: the null version.
    #[n(1)]
    pub(crate) version: Option<String>,
    #[n(2)]
    pub(crate) marker: bool,
    /// Milliseconds since 1970.
    #[n(3)]
    pub(crate) modified: i64,
    #[n(4)]
    pub(crate) size: u64,
    /// Without quotes.
    #[n(5)]
    pub(crate) etag: String,
    #[n(6)]
    pub(crate) checksum: Option<Checksum>,
    /// `None`: STANDARD.
    #[n(7)]
    pub(crate) storage_class: Option<String>,
    #[n(8)]
    pub(crate) content: Content,
    #[n(9)]
    pub(crate) headers: Headers,
    #[n(10)]
    pub(crate) tags: BTreeMap<String, String>,
    /// How many parts it was uploaded in.
    #[n(11)]
    pub(crate) parts: Option<u32>,
}

/// An [`Object`] as listings show it: the same numbers.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Listed {
    #[n(0)]
    pub(crate) rank: u64,
    #[n(1)]
    pub(crate) version: Option<String>,
    #[n(2)]
    pub(crate) marker: bool,
    #[n(3)]
    pub(crate) modified: i64,
    #[n(4)]
    pub(crate) size: u64,
    #[n(5)]
    pub(crate) etag: String,
    #[n(6)]
    pub(crate) checksum: Option<Checksum>,
    #[n(7)]
    pub(crate) storage_class: Option<String>,
}

/// A multipart upload that is going on.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Upload {
    /// Milliseconds since 1970.
    #[n(0)]
    pub(crate) initiated: i64,
    #[n(1)]
    pub(crate) headers: Headers,
    #[n(2)]
    pub(crate) tags: BTreeMap<String, String>,
    #[n(3)]
    pub(crate) storage_class: Option<String>,
    /// The algorithm that was asked for.
    #[n(4)]
    pub(crate) algorithm: Option<Algorithm>,
    /// The checksum of the whole is made of those of the parts.
    #[n(5)]
    pub(crate) composite: bool,
    /// ARN of who began it.
    #[n(6)]
    pub(crate) initiator: String,
}

/// A part of an upload.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Part {
    #[n(0)]
    pub(crate) modified: i64,
    #[n(1)]
    pub(crate) size: u64,
    #[n(2)]
    pub(crate) etag: String,
    #[n(3)]
    pub(crate) stored: Stored,
    /// Of the upload's algorithm, or CRC-64/NVME.
    #[n(4)]
    pub(crate) checksum: Checksum,
}

impl Bucket {
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
