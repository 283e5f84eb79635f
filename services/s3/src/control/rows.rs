//! The tables of S3 Control, and what their rows hold.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::regions;
use undercast_kernel::store::Table;

use crate::rows::Block;

/// Account → its Block Public Access.
pub(crate) static ACCOUNTS: Table<Block> = Table::new("s3.accounts");
/// Account, region, name → access point.
pub(crate) static POINTS: Table<Point> = Table::new("s3.points");
/// Alias → account, region and name of an access point.
pub(crate) static ALIASES: Table<(String, String, String)> = Table::new("s3.aliases");
/// Bucket's account, region and name, access point's account and name: what is attached to a bucket.
pub(crate) static ATTACHED: Table<u8> = Table::new("s3.attached");

/// Account, name → multi-region access point.
pub(crate) static MULTI: Table<Multi> = Table::new("s3.multi");
/// Alias → account and name of a multi-region access point.
pub(crate) static MULTI_ALIASES: Table<(String, String)> = Table::new("s3.multi.aliases");
/// Account, ARN of its token → a request that is done asynchronously.
pub(crate) static REQUESTS: Table<Request> = Table::new("s3.multi.requests");

/// An access point.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Point {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) account: String,
    /// Its bucket's as well.
    #[n(2)]
    pub(crate) region: String,
    #[n(3)]
    pub(crate) bucket: String,
    #[n(4)]
    pub(crate) bucket_account: String,
    /// Milliseconds since 1970.
    #[n(5)]
    pub(crate) created: i64,
    #[n(6)]
    pub(crate) alias: String,
    /// The VPC from which alone it can be reached.
    #[n(7)]
    pub(crate) vpc: Option<String>,
    #[n(8)]
    pub(crate) block: Block,
    #[n(9)]
    pub(crate) policy: Option<String>,
    /// The policy lets everybody in.
    #[n(10)]
    pub(crate) public: bool,
    #[n(11)]
    pub(crate) tags: BTreeMap<String, String>,
}

impl Point {
    /// `arn:aws:s3:us-east-1:000000000000:accesspoint/name`
    pub(crate) fn arn(&self) -> String {
        point_arn(&self.account, &self.region, &self.name)
    }

    /// `Internet` or `VPC`.
    pub(crate) fn origin(&self) -> &'static str {
        origin(self.vpc.is_some())
    }
}

/// The ARN of an access point.
pub(crate) fn point_arn(account: &str, region: &str, name: &str) -> String {
    format!("arn:{}:s3:{region}:{account}:accesspoint/{name}", regions::partition(region))
}

/// Where requests to an access point come from.
pub(crate) fn origin(vpc: bool) -> &'static str {
    if vpc { "VPC" } else { "Internet" }
}

/// A multi-region access point.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Multi {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) account: String,
    /// With `.mrap` behind it.
    #[n(2)]
    pub(crate) alias: String,
    /// Milliseconds since 1970.
    #[n(3)]
    pub(crate) created: i64,
    #[n(4)]
    pub(crate) state: State,
    #[n(5)]
    pub(crate) block: Block,
    #[n(6)]
    pub(crate) routes: Vec<Route>,
    #[n(7)]
    pub(crate) policy: Option<String>,
    /// A policy that is to take the place of the one before.
    #[n(8)]
    pub(crate) proposed: Option<String>,
    /// The policy lets everybody in.
    #[n(9)]
    pub(crate) public: bool,
    /// The token of the request that makes it.
    #[n(10)]
    pub(crate) token: String,
}

/// Where a multi-region access point stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum State {
    #[n(0)]
    Creating,
    #[n(1)]
    Ready,
    #[n(2)]
    Deleting,
}

/// A bucket behind a multi-region access point.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Route {
    #[n(0)]
    pub(crate) bucket: String,
    #[n(1)]
    pub(crate) account: String,
    /// Empty until it is known.
    #[n(2)]
    pub(crate) region: String,
    /// Requests are sent there.
    #[n(3)]
    pub(crate) active: bool,
}

/// A request that is done asynchronously.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Request {
    /// ARN of its token.
    #[n(0)]
    pub(crate) token: String,
    /// The token that the caller gave.
    #[n(1)]
    pub(crate) client_token: String,
    /// Milliseconds since 1970.
    #[n(2)]
    pub(crate) created: i64,
    #[n(3)]
    pub(crate) asked: Asked,
    /// `None`: it is being done. A code and a message: it failed.
    #[n(4)]
    pub(crate) outcome: Option<Outcome>,
    /// Id of the request.
    #[n(5)]
    pub(crate) request_id: String,
}

/// What such a request asks for.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) enum Asked {
    /// Name, settings, buckets with their accounts where they were said.
    #[n(0)]
    Create(#[n(0)] String, #[n(1)] Option<Block>, #[n(2)] Vec<(String, Option<String>)>),
    /// Name.
    #[n(1)]
    Delete(#[n(0)] String),
    /// Name and policy.
    #[n(2)]
    Policy(#[n(0)] String, #[n(1)] String),
}

/// What became of such a request.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) enum Outcome {
    /// The regions in which it was done.
    #[n(0)]
    Done(#[n(0)] Vec<String>),
    /// A code and a message.
    #[n(1)]
    Failed(#[n(0)] String, #[n(1)] String),
}

impl Multi {
    /// `arn:aws:s3::000000000000:accesspoint/alias.mrap`
    pub(crate) fn arn(&self) -> String {
        let region = self.routes.first().map_or(regions::DEFAULT, |r| r.region.as_str());
        format!("arn:{}:s3::{}:accesspoint/{}", regions::partition(region), self.account, self.alias)
    }

    /// The bucket that requests are sent to: that of the cloud's own region, or else the first that is active.
    pub(crate) fn nearest(&self) -> Option<&Route> {
        let active = || self.routes.iter().filter(|r| r.active);
        active().find(|r| r.region == regions::DEFAULT).or_else(|| active().next())
    }
}
