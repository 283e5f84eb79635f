//! Amazon DynamoDB.
pub mod compact;
pub mod expression;
pub mod key;
pub mod number;
pub mod value;
