//! Amazon DynamoDB: tables of items, their indexes, and the expressions that read and change them.
//!
//! Reading order: [`value`] and [`number`] (what an item is) → [`compact`] and [`key`] (how it is kept) → [`expression`]
//! (what can be said of it) → [`table`] and [`rows`] (tables, indexes, and one write to all of them) → `items` and `tables`
//! (the operations) → [`throughput`] (what is let in) → [`streams`] (the second service, which reads what was written). Items never become trees of generated
//! structs: `api::form` reads them from the wire into [`value`] and writes them to the wire from their stored form.
//!
//! The parameters from before there were expressions become the same trees that expressions become (`legacy`), and so do the
//! conditions and changes of PartiQL statements (`partiql`).
//!
//! Limits: global tables of several regions, exports and imports are not built, and are
//! refused. A table or an index is there when the call that makes it answers, though the answer says `CREATING` as AWS's
//! does. Indexes are filled and tables restored in one transaction, which holds up other writers.

pub mod api;
pub mod capacity;
mod cfn;
pub mod compact;
pub mod error;
pub mod expression;
pub mod insights;
mod items;
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
pub mod table;
mod tables;
pub mod throughput;
pub mod value;
mod violations;

use rows::Descriptions;
pub use streams::DynamoDbStreams;
use throughput::Throughput;

/// The service.
#[derive(Debug, Default)]
pub struct DynamoDb {
    /// Tables as they were last decoded.
    descriptions: Descriptions,
    /// How far their throughput is used up.
    throughput: Throughput,
    /// Whether any of them has a policy.
    policies: policies::Any,
}

impl DynamoDb {
    /// One that lets in whatever is asked, as though tables could take everything.
    pub fn without_limits() -> Self {
        Self { throughput: Throughput::unlimited(), ..Self::default() }
    }
}
