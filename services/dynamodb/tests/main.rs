//! DynamoDB through the kernel: what a caller notices.

mod cases;
mod cfn;
mod cloud;
mod indexes;
mod items;
mod legacy;
mod model;
mod permissions;
mod searches;
mod tables;
mod transactions;
