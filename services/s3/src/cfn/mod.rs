//! The CloudFormation resource types of S3: `AWS::S3::Bucket` and `AWS::S3::BucketPolicy`.
//!
//! A bucket's properties are read by their forms (`forms.rs`, `lifecycle.rs`) and become calls of S3 (`settings.rs`).

mod bucket;
pub(crate) mod form;
pub(crate) mod forms;
mod lifecycle;
mod policy;
mod settings;

pub(crate) use bucket::Bucket;
pub(crate) use policy::BucketPolicy;
