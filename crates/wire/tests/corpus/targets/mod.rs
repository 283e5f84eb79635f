//! What is done with bytes from outside, and what must hold: the bodies of the fuzz targets (`fuzz/`), which the tests of
//! this crate run over the kept inputs.
//!
//! None panics but for a property that does not hold.

#![expect(clippy::expect_used, clippy::panic, reason = "a property that does not hold stops the run")]

mod bodies;
mod rest;
mod shapes;
mod signatures;
mod streams;

use serde_json::Value as Json;
use undercast_wire::decode::MAX_DEPTH;
use undercast_wire::value::{Fields, Value};

/// A target: its name, and what it does with an input.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All targets.
pub(crate) const TARGETS: &[Target] = &[
    ("json", bodies::json),
    ("xml", bodies::xml),
    ("query", bodies::query),
    ("ec2", bodies::ec2),
    ("cbor", bodies::cbor),
    ("rest_json", rest::json),
    ("rest_xml", rest::xml),
    ("uri", rest::uri),
    ("signature_header", signatures::header),
    ("signature_query", signatures::query),
    ("chunks", streams::chunks),
    ("event_stream", streams::events),
];

/// Two values say the same. A number that is none is the same as another such.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Structure(a), Value::Structure(b)) => same_fields(a, b),
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, v), (l, w))| k == l && same(v, w))
        }
        (Value::Double(a), Value::Double(b)) => a == b || (a.is_nan() && b.is_nan()),
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
        (Value::Document(a), Value::Document(b)) => a == b,
        (Value::Boolean(a), Value::Boolean(b)) => a == b,
        (Value::Integer(a), Value::Integer(b)) => a == b,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Blob(a), Value::Blob(b)) => a == b,
        (Value::Null, Value::Null) => true,
        _ => false,
    }
}

/// The order of members is free.
fn same_fields(a: &Fields, b: &Fields) -> bool {
    a.set.len() == b.set.len() && a.set.iter().all(|(i, v)| b.set.iter().any(|(j, w)| i == j && same(v, w)))
}

/// How deep a value is nested, and of how many values it is made.
fn measure(value: &Value) -> (usize, usize) {
    let inner: Vec<(usize, usize)> = match value {
        Value::Structure(fields) => {
            let mut members: Vec<u16> = fields.set.iter().map(|(index, _)| *index).collect();
            members.sort_unstable();
            members.dedup();
            assert_eq!(members.len(), fields.set.len(), "a member is set twice: {fields:?}");
            fields.set.iter().map(|(_, v)| measure(v)).collect()
        }
        Value::List(items) => items.iter().map(measure).collect(),
        Value::Map(entries) => entries.values().map(measure).collect(),
        Value::Document(json) => return (depth_of(json), 1),
        _ => return (0, 1),
    };
    let depth = inner.iter().map(|(depth, _)| depth + 1).max().unwrap_or(1);
    (depth, 1 + inner.iter().map(|(_, count)| count).sum::<usize>())
}

/// How deep a document is nested.
fn depth_of(json: &Json) -> usize {
    match json {
        Json::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
        Json::Object(entries) => 1 + entries.values().map(depth_of).max().unwrap_or(0),
        _ => 0,
    }
}

/// What holds for everything that was read: it is no deeper than allowed, no larger than its bytes, and has no member
/// twice.
fn bounded(fields: Fields, bytes: usize) -> Fields {
    let value = Value::Structure(fields);
    let (depth, count) = measure(&value);
    assert!(depth <= MAX_DEPTH, "nested {depth} deep");
    assert!(count <= bytes + 1, "{count} values out of {bytes} bytes");
    let Value::Structure(fields) = value else { panic!("a structure stays one") };
    fields
}
