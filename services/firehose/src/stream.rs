//! What a Firehose stream is, and how it is found.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Failure, Result, Timestamp};

use crate::api::kept::{
    ExtendedS3DestinationConfiguration as Destination, HttpEndpointDestinationConfiguration as Endpoint,
};
use crate::error;

/// Account, region, name.
pub(crate) static STREAMS: Table<Stream> = Table::new("firehose.streams");

/// Bytes of the unit in which buffers are counted.
pub(crate) const MEBIBYTE: u64 = 1024 * 1024;

/// A Firehose stream.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Stream {
    /// Unique, also among streams of the same name.
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) name: String,
    /// Milliseconds since 1970.
    #[n(2)]
    pub(crate) created: i64,
    /// When its destination was changed last.
    #[n(3)]
    pub(crate) updated: Option<i64>,
    /// Goes up with each change of the destination.
    #[n(4)]
    pub(crate) version: u64,
    #[n(5)]
    pub(crate) source: Source,
    /// A [`Destination`] in JSON.
    #[n(6)]
    destination: String,
    /// It was made by the older parameter, which knows no processing.
    #[n(7)]
    pub(crate) plain: bool,
    #[n(8)]
    pub(crate) tags: BTreeMap<String, String>,
    #[n(9)]
    pub(crate) encryption: Option<Encryption>,
    /// An [`Endpoint`] in JSON, sealed for the key that is in it. Empty: the destination is the bucket.
    #[cbor(n(10), with = "minicbor::bytes")]
    endpoint: Vec<u8>,
}

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Source {
    #[n(0)]
    Put {
        /// MB a second that are to be expected.
        #[n(0)]
        hint: Option<i32>,
    },
    #[n(1)]
    Kinesis {
        #[n(0)]
        arn: String,
        #[n(1)]
        role: String,
    },
}

impl Source {
    /// The type of a stream with this source.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Put { .. } => "DirectPut",
            Self::Kinesis { .. } => "KinesisStreamAsSource",
        }
    }
}

/// What records are encrypted with while they wait.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Encryption {
    /// A key of AWS's own.
    #[n(0)]
    Owned,
    /// A key of KMS.
    #[n(1)]
    Customer {
        #[n(0)]
        arn: String,
        #[n(1)]
        grant: String,
        /// The data key, as ciphertext of the key of KMS.
        #[cbor(n(2), with = "minicbor::bytes")]
        wrapped: Vec<u8>,
    },
}

/// What is new about a stream.
pub(crate) struct New<'a> {
    pub(crate) name: &'a str,
    pub(crate) source: Source,
    pub(crate) destination: &'a Destination,
    pub(crate) plain: bool,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) encryption: Option<Encryption>,
    pub(crate) endpoint: Option<&'a Endpoint>,
}

impl Stream {
    pub(crate) fn new(cx: &Cx, new: New<'_>) -> Result<Self> {
        Ok(Self {
            id: cx.random().uuid(),
            name: new.name.to_owned(),
            created: cx.now_millis(),
            updated: None,
            version: 1,
            source: new.source,
            destination: serde_json::to_string(new.destination).map_err(Failure::broken)?,
            plain: new.plain,
            tags: new.tags,
            encryption: new.encryption,
            endpoint: new.endpoint.map_or(Ok(Vec::new()), |endpoint| sealed(cx, endpoint))?,
        })
    }

    pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Self> {
        STREAMS.get(from, &cx.key(name))?.ok_or_else(|| error::not_found(cx, name).into())
    }

    /// Refuses what is only for streams into which records are put.
    pub(crate) fn check_puts(&self) -> Result<()> {
        match self.source {
            Source::Put { .. } => Ok(()),
            Source::Kinesis { .. } => {
                let kind = self.source.name();
                Err(error::invalid(format!("This operation is not permitted on {kind} delivery stream type.")))
            }
        }
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        arn(cx, &self.name)
    }

    pub(crate) fn destination(&self) -> Result<Destination> {
        serde_json::from_str(&self.destination).map_err(Failure::broken)
    }

    /// The HTTP endpoint that is its destination, if one is.
    pub(crate) fn endpoint(&self, cx: &Cx) -> Result<Option<Endpoint>> {
        if self.endpoint.is_empty() {
            return Ok(None);
        }
        let json = cx.blobs().unseal(self.endpoint.clone())?;
        serde_json::from_slice(&json).map(Some).map_err(Failure::broken)
    }

    pub(crate) fn has_endpoint(&self) -> bool {
        !self.endpoint.is_empty()
    }

    pub(crate) fn set_endpoint(&mut self, cx: &Cx, endpoint: &Endpoint) -> Result<()> {
        self.endpoint = sealed(cx, endpoint)?;
        Ok(())
    }

    pub(crate) fn set_destination(&mut self, destination: &Destination) -> Result<()> {
        self.destination = serde_json::to_string(destination).map_err(Failure::broken)?;
        Ok(())
    }
}

fn sealed(cx: &Cx, endpoint: &Endpoint) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(endpoint).map_err(Failure::broken)?;
    Ok(cx.blobs().seal(&json)?)
}

/// The ARN of a stream.
pub(crate) fn arn(cx: &Cx, name: &str) -> String {
    cx.arn("firehose", &format!("deliverystream/{name}"))
}

/// A moment of so many milliseconds since 1970.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}
