//! Bodies alone: what was read is written, and read again as the same.

use undercast_wire::cbor::{self, CborWriter};
use undercast_wire::check;
use undercast_wire::decode::Decoded;
use undercast_wire::form_read::Form;
use undercast_wire::json_write::JsonWriter;
use undercast_wire::schema::{Shape, Structure, TimestampFormat};
use undercast_wire::value::{Fields, Value};
use undercast_wire::xml_write::XmlWriter;
use undercast_wire::{Write as _, json_read, text, xml_read};

use super::shapes::{LOOSE, MARKED, OPEN, TREE};
use super::{bounded, same_fields};

/// Checks constraints, as every request's are; what they say is of no matter here.
fn checked(input: Fields, unknown: Vec<String>) -> Fields {
    let decoded = Decoded { input, unknown };
    let _ = check::message(&check::violations(&decoded));
    decoded.input
}

/// Reads `bytes`; if that can be done, what is read is bounded, and stays the same when it is written and read again.
fn round(
    bytes: &[u8],
    read: impl Fn(&[u8], &mut Vec<String>) -> Result<Fields, undercast_wire::decode::Malformed>,
    write: impl Fn(&Fields) -> Vec<u8>,
) {
    let mut unknown = Vec::new();
    let Ok(fields) = read(bytes, &mut unknown) else { return };
    assert!(unknown.len() <= bytes.len(), "more unknown members than bytes");
    let fields = checked(bounded(fields, bytes.len()), unknown);
    let written = write(&fields);
    let again = read(&written, &mut Vec::new());
    let again = again.unwrap_or_else(|e| panic!("{e} in {}", String::from_utf8_lossy(&written)));
    assert!(same_fields(&fields, &again), "{fields:?}\nwas written as {}", String::from_utf8_lossy(&written));
}

pub(super) fn json(bytes: &[u8]) {
    let write = |fields: &Fields| {
        let mut w = JsonWriter::new();
        fields.write(&mut w);
        w.finish()
    };
    round(bytes, |bytes, unknown| json_read::structure(bytes, &OPEN, unknown), write);
}

pub(super) fn cbor(bytes: &[u8]) {
    let write = |fields: &Fields| {
        let mut w = CborWriter::new();
        fields.write(&mut w);
        w.finish()
    };
    round(bytes, |bytes, unknown| cbor::structure(bytes, &LOOSE, unknown), write);
}

pub(super) fn xml(bytes: &[u8]) {
    let write = |fields: &Fields| {
        let mut w = XmlWriter::new("Root", Some("urn:fuzzed"));
        fields.write(&mut w);
        w.finish().into_bytes()
    };
    round(bytes, |bytes, unknown| xml_read::structure(bytes, &MARKED, unknown), write);
}

pub(super) fn query(bytes: &[u8]) {
    form(bytes, false);
}

pub(super) fn ec2(bytes: &[u8]) {
    form(bytes, true);
}

fn form(bytes: &[u8], ec2: bool) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(pairs) = text::pairs(text) else { return };
    let mut unknown = Vec::new();
    let Ok(fields) = Form::new(pairs, ec2).structure(&TREE, &mut unknown) else { return };
    let fields = checked(bounded(fields, bytes.len()), unknown);
    let mut pairs = Vec::new();
    put_members(&fields, "", ec2, &mut pairs);
    let again = Form::new(pairs.clone(), ec2).structure(&TREE, &mut Vec::new());
    let again = again.unwrap_or_else(|e| panic!("{e} in {pairs:?}"));
    assert!(same_fields(&fields, &again), "{fields:?}\nwas written as {pairs:?}");
}

type Pairs = Vec<(String, String)>;

/// Writes a structure as a form, as clients do.
fn put_members(fields: &Fields, prefix: &str, ec2: bool, out: &mut Pairs) {
    if fields.set.is_empty() && !prefix.is_empty() {
        out.push((prefix.to_owned(), String::new()));
    }
    let schema: &'static Structure = fields.schema;
    for (index, value) in &fields.set {
        let member = &schema.members[usize::from(*index)];
        let path = if prefix.is_empty() { member.form.to_owned() } else { format!("{prefix}.{}", member.form) };
        put(value, &member.shape, &path, (member.flattened || ec2, ec2), out);
    }
}

fn put(value: &Value, shape: &Shape, path: &str, (flattened, ec2): (bool, bool), out: &mut Pairs) {
    match (value, shape) {
        (Value::Structure(fields), _) => put_members(fields, path, ec2, out),
        (Value::List(items), Shape::List(of)) => {
            let base = if flattened { path.to_owned() } else { format!("{path}.{}", of.item_name) };
            for (n, item) in items.iter().enumerate() {
                put(item, &of.item, &format!("{base}.{}", n + 1), (ec2, ec2), out);
            }
            if items.is_empty() {
                out.push((path.to_owned(), String::new()));
            }
        }
        (Value::Map(entries), Shape::Map(of)) => {
            let base = if flattened { path.to_owned() } else { format!("{path}.entry") };
            for (n, (key, item)) in entries.iter().enumerate() {
                out.push((format!("{base}.{}.{}", n + 1, of.key_name), key.clone()));
                put(item, &of.value, &format!("{base}.{}.{}", n + 1, of.value_name), (ec2, ec2), out);
            }
            if entries.is_empty() {
                out.push((path.to_owned(), String::new()));
            }
        }
        (value, shape) => out.push((path.to_owned(), scalar(value, shape))),
    }
}

fn scalar(value: &Value, shape: &Shape) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Integer(i) => i.to_string(),
        Value::Boolean(b) => b.to_string(),
        Value::Double(d) => text::double(*d),
        Value::Blob(b) => text::base64(b),
        Value::Timestamp(t) => {
            let format = if let Shape::Timestamp(format) = shape { *format } else { None };
            text::timestamp(*t, format.unwrap_or(TimestampFormat::Iso8601))
        }
        other => panic!("{other:?} is not a single value"),
    }
}
