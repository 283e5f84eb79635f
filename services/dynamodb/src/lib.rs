//! Amazon DynamoDB: tables of items, their indexes, and the expressions that read and change them.
//!
//! Reading order: [`value`] and [`number`] (what an item is) → [`compact`] and [`key`] (how it is kept) → [`expression`]
//! (what can be said of it) → [`table`] and [`rows`] (tables, indexes, and one write to all of them) → `items` and `tables`
//! (the operations) → [`streams`] (the second service, which reads what was written). Items never become trees of generated
//! structs: `api::form` reads them from the wire into [`value`] and writes them to the wire from their stored form.
//!
//! The parameters from before there were expressions become the same trees that expressions become (`legacy`), and so do the
//! conditions and changes of PartiQL statements (`partiql`). Tables go to S3 and come from it in `exports` and [`imports`],
//! as tasks; [`encryption`] seals rows with keys of KMS.
//!
//! Limits: global tables of several regions and policies of tables are not built, and are
//! refused. A table or an index is there when the call that makes it answers, though the answer says `CREATING` as AWS's
//! does. Indexes are filled and tables restored in one transaction, which holds up other writers. Nothing is throttled.

pub mod api;
pub mod capacity;
mod cfn;
pub mod compact;
pub mod encryption;
pub mod error;
mod exports;
pub mod expression;
pub mod imports;
pub mod ion;
mod items;
mod jobs;
pub mod key;
mod legacy;
pub mod number;
mod operations;
mod partiql;
mod permission;
mod request;
pub mod rows;
pub mod streams;
pub mod table;
mod tables;
pub mod value;
mod violations;

use rows::Descriptions;
pub use streams::DynamoDbStreams;

/// The service.
#[derive(Debug, Default)]
pub struct DynamoDb {
    /// Tables as they were last decoded.
    descriptions: Descriptions,
    /// Who may use the keys of encrypted tables.
    rights: encryption::Rights,
    /// Whether it is known whether any table is encrypted.
    looked: std::sync::atomic::AtomicBool,
}
