//! The wire: bytes to typed calls and back.
//!
//! Knows: six AWS protocols and a variant, their HTTP bindings, constraints, signatures, event streams; the tables that describe an API.
//! Must not know: any service by name, how anything is done, sockets, the clock of the machine.

pub mod cbor;
pub mod check;
pub mod decode;
pub mod error;
mod events;
pub mod eventstream;
pub mod form_read;
pub mod http;
pub mod json_read;
pub mod json_write;
mod media;
pub mod pattern;
pub mod protocol;
pub mod rest;
pub mod schema;
pub mod sigv4;
pub mod text;
pub mod uri;
pub mod value;
pub mod write;
pub mod xml_read;
pub mod xml_write;

pub use bytes::Bytes;
pub use error::AwsError;
pub use http::{Request, Response};
pub use schema::{Operation, Protocol, Service};
pub use value::{Body, Fields, Timestamp, Value};
pub use write::{Write, Writer};
