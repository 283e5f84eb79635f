//! The rows of objects, of uploads and their parts, and of annotations.

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::{Acl, Locked, Replication, Restoration, Sealed, Tiered};
use crate::checksum::{Algorithm, Checksum};

/// Where bytes are. Those that are encrypted with a key of their object have the nonce of that beside them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Stored {
    /// In the row.
    #[n(0)]
    Inline(#[n(0)] ByteVec, #[n(1)] Option<ByteVec>),
    /// In the blob of that name.
    #[n(1)]
    Blob(#[n(0)] String, #[n(1)] Option<ByteVec>),
}

/// What an object is made of.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Content {
    /// One piece.
    #[n(0)]
    One(#[n(0)] Stored),
    /// The pieces in that row of [`SEGMENTS`].
    #[n(1)]
    Many(#[n(0)] String),
}

/// A piece of an object that was uploaded in parts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
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
    /// The account that owns it, where it is not the bucket's.
    #[n(12)]
    pub(crate) owner: Option<String>,
    /// `None`: all to the owner.
    #[n(13)]
    pub(crate) acl: Option<Acl>,
    /// `None`: with S3's own keys.
    #[n(14)]
    pub(crate) sealed: Option<Sealed>,
    #[n(15)]
    #[cbor(default)]
    pub(crate) locked: Locked,
    #[n(16)]
    pub(crate) restoration: Option<Restoration>,
    #[n(17)]
    pub(crate) replication: Option<Replication>,
    /// `None`: of another class, or nobody has accessed it since the day on which it was made.
    #[n(18)]
    pub(crate) tiered: Option<Tiered>,
    /// It has annotations, or had some: others need not look for them.
    #[n(19)]
    #[cbor(default)]
    pub(crate) annotated: bool,
}

/// An annotation.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Annotation {
    /// Milliseconds since 1970.
    #[n(0)]
    pub(crate) modified: i64,
    #[n(1)]
    pub(crate) size: u64,
    /// Without quotes.
    #[n(2)]
    pub(crate) etag: String,
    #[n(3)]
    pub(crate) checksum: Checksum,
    #[n(4)]
    pub(crate) replication: Option<Replication>,
    #[n(5)]
    pub(crate) stored: Stored,
    /// As its object is, with a data key that may be another one.
    #[n(6)]
    pub(crate) sealed: Option<Sealed>,
    /// ARNs of the destinations that do not have it yet.
    #[n(7)]
    #[cbor(default)]
    pub(crate) going: Vec<String>,
}

/// An [`Annotation`] as lists show it: the same numbers.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct ListedAnnotation {
    #[n(0)]
    pub(crate) modified: i64,
    #[n(1)]
    pub(crate) size: u64,
    #[n(2)]
    pub(crate) etag: String,
    #[n(3)]
    pub(crate) checksum: Checksum,
    #[n(4)]
    pub(crate) replication: Option<Replication>,
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
    #[n(12)]
    pub(crate) owner: Option<String>,
    #[n(16)]
    pub(crate) restoration: Option<Restoration>,
}

/// An [`Object`] as lifecycle rules and access tiers see it: the same numbers.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Aged {
    #[n(0)]
    pub(crate) rank: u64,
    #[n(2)]
    pub(crate) marker: bool,
    #[n(3)]
    pub(crate) modified: i64,
    #[n(4)]
    pub(crate) size: u64,
    #[n(7)]
    pub(crate) storage_class: Option<String>,
    #[n(10)]
    pub(crate) tags: BTreeMap<String, String>,
    #[n(18)]
    pub(crate) tiered: Option<Tiered>,
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
    #[n(7)]
    pub(crate) owner: Option<String>,
    #[n(8)]
    pub(crate) acl: Option<Acl>,
    #[n(9)]
    pub(crate) sealed: Option<Sealed>,
    /// What the request says of retention; the bucket's default counts when the upload is completed.
    #[n(10)]
    #[cbor(default)]
    pub(crate) locked: Locked,
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

impl Object {
    /// A version that is put now; its rank and id are filled in where it is placed.
    pub(crate) fn new(modified: i64, content: Content) -> Self {
        Self {
            rank: 0,
            version: None,
            marker: false,
            modified,
            size: 0,
            etag: String::new(),
            checksum: None,
            storage_class: None,
            content,
            headers: Headers::default(),
            tags: BTreeMap::new(),
            parts: None,
            owner: None,
            acl: None,
            sealed: None,
            locked: Locked::default(),
            restoration: None,
            replication: None,
            tiered: None,
            annotated: false,
        }
    }

    /// A delete marker.
    pub(crate) fn marker(modified: i64) -> Self {
        Self { marker: true, ..Self::new(modified, Content::nothing()) }
    }
}

impl Stored {
    /// What the key stream of its object's key begins with here.
    pub(crate) fn nonce(&self) -> Option<&[u8]> {
        match self {
            Self::Inline(_, nonce) | Self::Blob(_, nonce) => nonce.as_ref().map(|n| n.as_slice()),
        }
    }
}

impl Content {
    /// No bytes.
    pub(crate) fn nothing() -> Self {
        Self::One(Stored::Inline(Vec::new().into(), None))
    }
}
