//! From text to one ordered tree, whichever of the two notations it is written in.
//!
//! Short forms become long forms (`!Ref A` is `{"Ref": "A"}`), so that nothing after this module knows of YAML.
//! Of duplicate keys the last wins, in JSON and YAML, because that is what CloudFormation does (seen by others:
//! aws-cloudformation/cfn-language-discussion issue 96, and `ValidateTemplate` on both notations); they are reported
//! so that the caller can warn.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::TemplateError;
use super::yaml;

/// The longest `TemplateBody`, in bytes.
pub const MAX_BODY_BYTES: usize = 51_200;
/// The longest template behind a `TemplateURL`, in bytes.
pub const MAX_URL_BYTES: usize = 1_000_000;
/// The deepest nesting accepted. Real templates stay below 30.
pub(super) const MAX_DEPTH: usize = 100;

/// A tree, and the keys that were written twice.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) tree: Value,
    pub(super) duplicate_keys: Vec<String>,
}

pub(super) fn read(text: &str) -> Result<Source, TemplateError> {
    if text.len() > MAX_URL_BYTES {
        return Err(TemplateError::TooLong { limit: MAX_URL_BYTES });
    }
    // CloudFormation decides by the first character, too.
    if text.trim_start().starts_with('{') { json(text) } else { yaml::read(text) }
}

fn json(text: &str) -> Result<Source, TemplateError> {
    let mut duplicate_keys = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Tree { duplicates: &mut duplicate_keys, depth: 0 };
    let tree = seed.deserialize(&mut deserializer).and_then(|tree| deserializer.end().map(|()| tree));
    match tree {
        Ok(tree) => Ok(Source { tree, duplicate_keys }),
        Err(error) if error.to_string().starts_with(TOO_DEEP) => Err(TemplateError::TooDeep { limit: MAX_DEPTH }),
        Err(error) => Err(TemplateError::Json { line: error.line(), column: error.column() }),
    }
}

const TOO_DEEP: &str = "nested too deep";

struct Tree<'d> {
    duplicates: &'d mut Vec<String>,
    depth: usize,
}

impl Tree<'_> {
    fn inner<E: serde::de::Error>(&mut self) -> Result<Tree<'_>, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(TOO_DEEP));
        }
        Ok(Tree { duplicates: self.duplicates, depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
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

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner()?)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self.inner()?)?;
            if map.contains_key(&key) {
                self.duplicates.push(key.clone());
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// The path of the first null in a tree.
pub(super) fn find_null(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Null => Some(path.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| find_null(item, &format!("{path}/{index}")))
        }
        Value::Object(map) => map.iter().find_map(|(key, value)| find_null(value, &format!("{path}/{key}"))),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
