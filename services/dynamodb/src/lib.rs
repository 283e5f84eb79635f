//! Amazon DynamoDB.
pub mod number;
