//! In-process JSON: one more protocol. Members have their names in the model, blobs are base64, moments are seconds.

use serde_json::{Map as JsonMap, Value as Json};
use undercast_wire::Bytes;
use undercast_wire::decode::{Decoded, Malformed};
use undercast_wire::schema::{List, Map, Shape, Structure};
use undercast_wire::text;
use undercast_wire::value::{Body, Fields, Timestamp, Value};
use undercast_wire::write::{Write, Writer};

/// Reads the input of an operation.
///
/// # Errors
/// When a value is not of its member's type.
pub fn decode(json: Json, schema: &'static Structure) -> Result<Decoded, Malformed> {
    let mut unknown = Vec::new();
    let input = structure(json, schema, &mut unknown)?;
    Ok(Decoded { input, unknown })
}

fn wrong(what: &str, json: &Json) -> Malformed {
    Malformed::wrong_type(format!("expected {what}, found {json}"))
}

fn structure(json: Json, schema: &'static Structure, unknown: &mut Vec<String>) -> Result<Fields, Malformed> {
    let mut fields = Fields::new(schema);
    let Json::Object(entries) = json else {
        return if json.is_null() { Ok(fields) } else { Err(wrong("an object", &json)) };
    };
    for (name, json) in entries {
        match (0u16..).zip(schema.members).find(|(_, m)| m.name == name) {
            Some((_, _)) if json.is_null() => {}
            Some((index, member)) => fields.set.push((index, value(json, &member.shape, unknown)?)),
            None => unknown.push(name),
        }
    }
    Ok(fields)
}

fn value(json: Json, shape: &Shape, unknown: &mut Vec<String>) -> Result<Value, Malformed> {
    Ok(match (json, shape) {
        (json, Shape::Document) => Value::Document(json),
        (json, Shape::Structure(of)) => Value::Structure(structure(json, of, unknown)?),
        (Json::String(s), Shape::String(_)) => Value::String(s),
        (Json::String(s), Shape::Blob(_)) => {
            let bytes = text::unbase64(&s).ok_or_else(|| Malformed::wrong_type("a blob is not base64"))?;
            Value::Blob(bytes.into())
        }
        (Json::Bool(b), Shape::Boolean) => Value::Boolean(b),
        (Json::Number(n), Shape::Integer(_) | Shape::Long(_)) if n.as_i64().is_some() => {
            Value::Integer(n.as_i64().unwrap_or_default())
        }
        (Json::Number(n), Shape::Float(_) | Shape::Double(_)) => Value::Double(n.as_f64().unwrap_or_default()),
        (Json::Number(n), Shape::Timestamp(_)) => {
            let moment = n.as_f64().and_then(text::from_epoch);
            Value::Timestamp(moment.ok_or_else(|| Malformed::wrong_type("a moment out of range"))?)
        }
        (Json::String(s), Shape::Timestamp(_)) => {
            Value::Timestamp(text::parse_iso8601(&s).ok_or_else(|| Malformed::wrong_type("not a moment"))?)
        }
        (Json::Array(items), Shape::List(of)) => {
            let items: Result<Vec<_>, _> = items.into_iter().map(|j| value(j, &of.item, unknown)).collect();
            Value::List(items?)
        }
        (Json::Object(entries), Shape::Map(of)) => {
            let entries: Result<_, Malformed> =
                entries.into_iter().map(|(k, j)| Ok((k, value(j, &of.value, unknown)?))).collect();
            Value::Map(entries?)
        }
        // CloudFormation and state machines write numbers and booleans as text.
        (
            Json::String(s),
            shape @ (Shape::Integer(_) | Shape::Long(_) | Shape::Boolean | Shape::Float(_) | Shape::Double(_)),
        ) => undercast_wire::decode::scalar(&s, shape, undercast_wire::schema::TimestampFormat::Iso8601)?,
        (json, Shape::String(_)) if json.is_number() || json.is_boolean() => Value::String(json.to_string()),
        (json, _) => return Err(wrong("another type", &json)),
    })
}

/// An answer or input as JSON.
pub fn encode(output: &dyn Write) -> Json {
    encode_with_body(output).0
}

/// The same, with the streaming body that is in it.
pub fn encode_with_body(output: &dyn Write) -> (Json, Option<Body>) {
    let mut w = JsonTree::default();
    output.write(&mut w);
    (w.done.unwrap_or(Json::Null), w.body)
}

/// An input as the trail shows it: what the model calls sensitive is hidden.
pub fn encode_for_trail(input: &dyn Write) -> Json {
    let mut w = JsonTree { redact: true, ..JsonTree::default() };
    input.write(&mut w);
    w.done.unwrap_or(Json::Null)
}

#[derive(Default)]
struct JsonTree {
    open: Vec<Open>,
    done: Option<Json>,
    body: Option<Body>,
    redact: bool,
    hide: bool,
}

enum Open {
    Structure(&'static Structure, JsonMap<String, Json>, String),
    /// With whether its values are hidden.
    Map(JsonMap<String, Json>, String, bool),
    List(Vec<Json>, bool),
}

impl JsonTree {
    /// Whether text of this shape is none of a reader's business.
    fn hides(&self, shape: &Shape) -> bool {
        self.redact && matches!(shape, Shape::String(text) if text.sensitive)
    }

    fn add(&mut self, json: Json) {
        match self.open.last_mut() {
            Some(Open::Structure(_, entries, key) | Open::Map(entries, key, _)) => {
                drop(entries.insert(std::mem::take(key), json));
            }
            Some(Open::List(items, _)) => items.push(json),
            None => self.done = Some(json),
        }
    }
}

impl Writer for JsonTree {
    fn structure(&mut self, of: &'static Structure) {
        self.open.push(Open::Structure(of, JsonMap::new(), String::new()));
    }

    fn member(&mut self, index: u16) {
        if let Some(Open::Structure(of, _, key)) = self.open.last_mut()
            && let Some(member) = of.members.get(usize::from(index))
        {
            member.name.clone_into(key);
            self.hide = self.hides(&member.shape);
        }
    }

    fn list(&mut self, of: &'static List, length: usize) {
        self.open.push(Open::List(Vec::with_capacity(length), self.hides(&of.item)));
    }

    fn map(&mut self, of: &'static Map, _length: usize) {
        self.open.push(Open::Map(JsonMap::new(), String::new(), self.hides(&of.value)));
    }

    fn key(&mut self, name: &str) {
        if let Some(Open::Map(_, key, _)) = self.open.last_mut() {
            name.clone_into(key);
        }
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(Open::Structure(_, entries, _) | Open::Map(entries, ..)) => self.add(Json::Object(entries)),
            Some(Open::List(items, _)) => self.add(Json::Array(items)),
            None => {}
        }
    }

    fn null(&mut self) {
        self.add(Json::Null);
    }

    fn boolean(&mut self, value: bool) {
        self.add(Json::Bool(value));
    }

    fn integer(&mut self, value: i64) {
        self.add(Json::from(value));
    }

    fn double(&mut self, value: f64) {
        self.add(if value.is_finite() { Json::from(value) } else { Json::String(text::double(value)) });
    }

    fn string(&mut self, value: &str) {
        let among = matches!(self.open.last(), Some(Open::Map(.., true) | Open::List(_, true)));
        let hidden = std::mem::take(&mut self.hide) || among;
        let value = if hidden { "HIDDEN_DUE_TO_SECURITY_REASONS" } else { value };
        self.add(Json::String(value.to_owned()));
    }

    fn blob(&mut self, value: &Bytes) {
        // The trail tells what was asked, and does not keep what was sent.
        self.add(if self.redact { Json::Null } else { Json::String(text::base64(value)) });
    }

    fn timestamp(&mut self, value: Timestamp) {
        let seconds: Json = serde_json::from_str(&text::epoch(value)).unwrap_or(Json::Null);
        self.add(seconds);
    }

    fn document(&mut self, value: &Json) {
        self.add(value.clone());
    }

    fn body(&mut self, value: &Body) {
        // The trail must leave the body to who reads it.
        if !self.redact {
            self.body = Some(value.take());
        }
        // The body goes beside the JSON; its member is named and null.
        self.add(Json::Null);
    }
}
