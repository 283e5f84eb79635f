//! Amazon DynamoDB: tables of items, their indexes, and the expressions that read and change them.
//!
//! Reading order: [`value`] and [`number`] (what an item is) → [`compact`] and [`key`] (how it is kept) → [`expression`]
//! (what can be said of it) → [`table`] and [`rows`] (tables, indexes, and one write to all of them) → `items` and `tables`
//! (the operations) → [`throughput`] (what is let in) → [`streams`] (the second service, which reads what was written).
//! Items never become trees of generated structs: `api::form` reads them from the wire into [`value`] and writes them to the
//! wire from their stored form.
//!
//! The parameters from before there were expressions become the same trees that expressions become (`legacy`), and so do the
//! conditions and changes of PartiQL statements (`partiql`). Tables go to S3 and come from it in `exports` and [`imports`],
//! as tasks; [`encryption`] seals rows with keys of KMS; [`vectors`] are searched for what is most like one.
//!
//! Tables of several regions hold the same items by what is in [`global`].
//!
//! Limits: a table or an index is there when the call that makes it answers, though the answer says `CREATING` as AWS's does;
//! only a table that is imported, and a replica, takes its time. Indexes are filled and tables restored in one transaction,
//! which holds up other writers.

pub mod api;
pub mod capacity;
mod cfn;
pub mod compact;
pub mod destinations;
pub mod encryption;
pub mod error;
mod expiry;
mod exports;
pub mod expression;
pub mod global;
pub mod imports;
pub mod insights;
pub mod ion;
mod items;
mod jobs;
pub mod key;
mod legacy;
mod metrics;
pub mod number;
mod operations;
mod partiql;
mod permission;
pub mod policies;
mod request;
pub mod rows;
pub mod streams;
mod sweep;
pub mod table;
mod tables;
pub mod throughput;
mod trail;
pub mod value;
pub mod vectors;
mod violations;

use rows::Descriptions;
pub use streams::DynamoDbStreams;
use throughput::Throughput;

/// The service.
#[derive(Debug, Default)]
pub struct DynamoDb {
    /// Tables as they were last decoded.
    descriptions: Descriptions,
    /// Who may use the keys of encrypted tables.
    rights: encryption::Rights,
    /// Whether it is known whether any table is encrypted.
    looked: std::sync::atomic::AtomicBool,
    /// How far their throughput is used up.
    throughput: Throughput,
    /// What is being delivered to streams of Kinesis.
    pumps: destinations::Pumps,
    /// Whether any of them has a policy.
    policies: policies::Any,
    /// What is being written to strongly consistent tables.
    in_flight: global::InFlight,
}

impl DynamoDb {
    /// One that lets in whatever is asked, as though tables could take everything.
    pub fn without_limits() -> Self {
        Self { throughput: Throughput::unlimited(), ..Self::default() }
    }
}
