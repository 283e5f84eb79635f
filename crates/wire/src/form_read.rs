//! Reading the forms of query and ec2Query requests: `Tag.1.Key=a&Tag.1.Value=b`.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::decode::{Collect, MAX_DEPTH, Malformed, Result, scalar};
use crate::schema::{Member, Shape, Structure, TimestampFormat};
use crate::value::{Fields, Value};

/// The names of a form, in order, each with its value.
pub struct Form {
    pairs: BTreeMap<String, String>,
    ec2: bool,
}

impl Form {
    /// From the pairs of a body or query string.
    pub fn new(pairs: Vec<(String, String)>, ec2: bool) -> Self {
        Self { pairs: pairs.into_iter().collect(), ec2 }
    }

    /// The value called `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).map(String::as_str)
    }

    /// The whole form as `schema`.
    pub fn structure(&self, schema: &'static Structure, unknown: &mut Vec<String>) -> Result<Fields> {
        let fields = self.members(schema, "", deeper(0)?)?;
        for name in self.pairs.keys() {
            let top = name.split('.').next().unwrap_or(name);
            let known = schema.members.iter().any(|m| m.form == top || m.form.split('.').next() == Some(top));
            if !known && !is_envelope(top) {
                unknown.push(name.clone());
            }
        }
        Ok(fields)
    }

    /// Whether anything stands at `prefix` or below it.
    fn any(&self, prefix: &str) -> bool {
        self.get(prefix).is_some() || self.below(prefix).next().is_some()
    }

    /// The names that begin with `prefix` and a dot.
    fn below(&self, prefix: &str) -> impl Iterator<Item = &str> {
        let start = format!("{prefix}.");
        let range = (Bound::Included(start.clone()), Bound::Unbounded);
        self.pairs.range::<String, _>(range).map(|(k, _)| k.as_str()).take_while(move |k| k.starts_with(&start))
    }

    fn members(&self, schema: &'static Structure, prefix: &str, depth: usize) -> Result<Fields> {
        let mut found = Collect::new(schema);
        for (index, member) in (0u16..).zip(schema.members) {
            let path = if prefix.is_empty() { member.form.to_owned() } else { format!("{prefix}.{}", member.form) };
            if let Some(value) = self.member(member, &path, depth)? {
                found.set(index, value);
            }
        }
        found.finish()
    }

    fn member(&self, member: &'static Member, path: &str, depth: usize) -> Result<Option<Value>> {
        if !self.any(path) {
            return Ok(None);
        }
        self.value(&member.shape, path, member.flattened || self.ec2, depth).map(Some)
    }

    fn value(&self, shape: &Shape, path: &str, flattened: bool, depth: usize) -> Result<Value> {
        match shape {
            Shape::Structure(of) => self.members(of, path, deeper(depth)?).map(Value::Structure),
            Shape::List(of) => {
                let base = if flattened { path.to_owned() } else { format!("{path}.{}", of.item_name) };
                let depth = deeper(depth)?;
                let items = self.indices(&base)?;
                let items = items.into_iter().map(|i| self.value(&of.item, &format!("{base}.{i}"), self.ec2, depth));
                items.collect::<Result<_>>().map(Value::List)
            }
            Shape::Map(of) => {
                let base = if flattened { path.to_owned() } else { format!("{path}.entry") };
                let depth = deeper(depth)?;
                let mut entries = BTreeMap::new();
                for i in self.indices(&base)? {
                    let key = self.get(&format!("{base}.{i}.{}", of.key_name));
                    let key = key.ok_or_else(|| Malformed::wrong_type(format!("{base}.{i} has no {}", of.key_name)))?;
                    let value = format!("{base}.{i}.{}", of.value_name);
                    entries.insert(key.to_owned(), self.value(&of.value, &value, self.ec2, depth)?);
                }
                Ok(Value::Map(entries))
            }
            _ => match self.get(path) {
                Some(text) => scalar(text, shape, TimestampFormat::Iso8601),
                None => Err(Malformed::wrong_type(format!("{path} is a single value"))),
            },
        }
    }

    /// The numbers that stand behind `base.`, in order. AWS takes gaps.
    fn indices(&self, base: &str) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        for name in self.below(base) {
            let index = name[base.len() + 1..].split('.').next().unwrap_or_default();
            let index: u32 = index
                .parse()
                .map_err(|_| Malformed::wrong_type(format!("`{index}` in {name} is not the number of an item")))?;
            if found.last() != Some(&index) {
                found.push(index);
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// One step further in.
fn deeper(depth: usize) -> Result<usize> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(Malformed::syntax(format!("nested deeper than {MAX_DEPTH}"))) }
}

/// Names that belong to the call rather than to its input.
fn is_envelope(name: &str) -> bool {
    matches!(
        name,
        "Action"
            | "Version"
            | "AWSAccessKeyId"
            | "Signature"
            | "SignatureMethod"
            | "SignatureVersion"
            | "Timestamp"
            | "SecurityToken"
    ) || name.starts_with("X-Amz-")
}
