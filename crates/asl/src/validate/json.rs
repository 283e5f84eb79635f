//! The text of a definition: JSON, and the names that stand twice in one object.

use std::cell::RefCell;
use std::fmt;

use serde_json::{Map, Value};

use crate::diagnostic::{Code, Diagnostic};

pub(super) struct Document {
    pub(super) value: Value,
    /// Where a name stands twice: the names down to it.
    pub(super) repeated: Vec<Vec<String>>,
}

pub(super) fn parse(text: &str) -> Result<Document, Diagnostic> {
    if text.trim().is_empty() {
        return Err(Diagnostic {
            code: Code::SchemaValidationFailed,
            message: "Definition must be a valid JSON object".to_owned(),
            location: None,
        });
    }
    let seen = Seen { path: RefCell::new(Vec::new()), repeated: RefCell::new(Vec::new()) };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = serde::de::DeserializeSeed::deserialize(Seed(&seen), &mut reader).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    match read {
        Ok(value) => Ok(Document { value, repeated: seen.repeated.into_inner() }),
        Err(error) => Err(syntax(text, &error)),
    }
}

/// How much of a text its place shows.
const SHOWN: usize = 500;

/// What is wrong with the text, and its place, which shows the text itself.
fn syntax(text: &str, error: &serde_json::Error) -> Diagnostic {
    let bad = crate::json::explain(text, error);
    let shown: String = text.chars().take(SHOWN).collect();
    let more = text.chars().count().saturating_sub(SHOWN);
    let truncated = if more > 0 { format!("[truncated {more} chars]") } else { String::new() };
    let place = format!("[Source: (String)\"{shown}\"{truncated}; line: {}, column: {}]", bad.line, bad.column);
    Diagnostic {
        code: Code::InvalidJsonDescription,
        message: format!("{}\n at {place}", bad.message),
        location: Some(place),
    }
}

struct Seen {
    path: RefCell<Vec<String>>,
    repeated: RefCell<Vec<Vec<String>>>,
}

struct Seed<'a>(&'a Seen);

impl<'de> serde::de::DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        self.0.path.borrow_mut().push("0".to_owned());
        while let Some(item) = access.next_element_seed(Seed(self.0))? {
            items.push(item);
            if let Some(last) = self.0.path.borrow_mut().last_mut() {
                *last = items.len().to_string();
            }
        }
        self.0.path.borrow_mut().pop();
        Ok(Value::Array(items))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            self.0.path.borrow_mut().push(name.clone());
            if fields.contains_key(&name) {
                let place = self.0.path.borrow().clone();
                self.0.repeated.borrow_mut().push(place);
            }
            let value = access.next_value_seed(Seed(self.0))?;
            self.0.path.borrow_mut().pop();
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}
