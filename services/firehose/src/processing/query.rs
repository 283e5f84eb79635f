//! Keys of partitions that a query finds in each record: jq's language, of which jaq is an implementation.

use std::collections::BTreeMap;

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::{Val, read};
use serde_json::Value as Json;
use undercast_kernel::{Failure, Result};

use super::{Item, Lost};
use crate::error::invalid;

type Filter = jaq_core::compile::Filter<jaq_core::Native<data::JustLut<Val>>>;

/// A query that makes an object of keys.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    text: String,
    /// The keys that it makes of a record that has nothing. Empty: it makes nothing of one.
    pub(crate) keys: Vec<String>,
}

fn compiled(text: &str) -> std::result::Result<Filter, String> {
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let (loader, arena) = (Loader::new(defs), Arena::default());
    let modules = loader.load(&arena, File { code: text, path: () });
    let modules = modules.map_err(|_| "it cannot be read".to_owned())?;
    let compiled = Compiler::default().with_funs(funs).compile(modules);
    compiled.map_err(|_| "it names something that is not there".to_owned())
}

/// What a query makes of a record.
fn asked(filter: &Filter, record: &[u8]) -> std::result::Result<BTreeMap<String, String>, String> {
    let record = read::parse_single(record).map_err(|_| "The record is not JSON.".to_owned())?;
    let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let mut found = filter.id.run((context, record)).map(unwrap_valr);
    let first = found.next().ok_or("The query finds nothing.")?.map_err(|why| format!("The query fails: {why}"))?;
    let first: Json = serde_json::from_str(&first.to_string()).map_err(|_| "The query finds no JSON.".to_owned())?;
    let Json::Object(keys) = first else { return Err("The query finds no object.".to_owned()) };
    let text = |value: Json| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    Ok(keys.into_iter().map(|(key, value)| (key, if value.is_null() { String::new() } else { text(value) })).collect())
}

impl Query {
    pub(crate) fn of(text: &str) -> Result<Self> {
        let filter = compiled(text).map_err(|why| invalid(format!("MetadataExtractionQuery is not valid: {why}.")))?;
        let keys = asked(&filter, b"{}").map(|keys| keys.into_keys().collect()).unwrap_or_default();
        Ok(Self { text: text.to_owned(), keys })
    }

    /// Asks each record for its keys; those that have none are lost.
    pub(crate) fn ask(&self, items: Vec<Item>, lost: &mut Vec<Lost>) -> Result<Vec<Item>> {
        let filter = compiled(&self.text).map_err(Failure::broken)?;
        let mut out = Vec::with_capacity(items.len());
        for mut item in items {
            match asked(&filter, &item.data) {
                Ok(keys) if keys.values().all(|value| !value.is_empty()) => {
                    item.from_query = keys;
                    out.push(item);
                }
                Ok(_) => {
                    let message = "Partition keys are null or empty.";
                    lost.push(Lost::of(item, "DynamicPartitioning.MetadataExtractionFailed", message));
                }
                Err(why) => lost.push(Lost::of(item, "DynamicPartitioning.MetadataExtractionFailed", why)),
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_jq() {
        let query = "{customer: .customer_id, year: .at | strftime(\"%Y\"), big: (.size > 5)}";
        let filter = compiled(query).unwrap();
        let keys = asked(&filter, br#"{"customer_id": 42, "at": 1565382027, "size": 7}"#).unwrap();
        let keys: Vec<(&str, &str)> = keys.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(keys, [("big", "true"), ("customer", "42"), ("year", "2019")]);
        assert!(asked(&filter, b"no json").is_err());
        assert!(Query::of("{a: .b").is_err());
        assert!(Query::of("{a: nothing_like_it}").is_err());
        assert_eq!(Query::of("{a: .b, c: .d.e}").unwrap().keys, ["a", "c"]);
    }
}
