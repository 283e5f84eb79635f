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
