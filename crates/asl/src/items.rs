//! The items of a `Map`, and what each iteration gets.

use serde_json::{Map as Object, Value};

use crate::failure::Failure;
use crate::flow::Effective;
use crate::jsonata;
use crate::scope::{Scope, View};
use crate::tree::{Items, Map};

/// An item of a `Map`.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The item. Of an object's member it has the fields `Key` and `Value`.
    pub value: Value,
    /// The name of the member, if the items are those of an object.
    pub key: Option<String>,
}

/// The members of an object as items ("Processing input for a Map state" in the developer guide).
fn members(object: Object<String, Value>) -> Vec<Item> {
    let item = |(key, value): (String, Value)| {
        let pair = [("Key".to_owned(), Value::String(key.clone())), ("Value".to_owned(), value)];
        Item { value: Value::Object(pair.into_iter().collect()), key: Some(key) }
    };
    object.into_iter().map(item).collect()
}

fn list(values: Vec<Value>) -> Vec<Item> {
    values.into_iter().map(|value| Item { value, key: None }).collect()
}

impl Map {
    /// The items, where no reader reads them.
    ///
    /// # Errors
    /// When they are not there, are no list, or an expression fails.
    pub fn items(&self, scope: &Scope, effective: &Effective) -> Result<Vec<Item>, Failure> {
        let view = View::new(scope, &effective.selected);
        match &self.items {
            Items::Path(path) => {
                let found = path.find(&view.roots()).into_value().map_err(|missing| {
                    Failure::runtime(format!("Invalid path '{path}' : {}", path.explain(missing)))
                })?;
                match found {
                    Value::Array(values) => Ok(list(values)),
                    Value::Object(object) => Ok(members(object)),
                    _ => Err(Failure::runtime(format!("Reference path \"{path}\" must point to array."))),
                }
            }
            Items::Expression(expression) => match view.evaluate(expression)? {
                Value::Array(values) => Ok(list(values)),
                Value::Object(object) => Ok(members(object)),
                other => Err(jsonata::unexpected(expression, "array", &other)),
            },
            Items::Template(template) => listed(view.fill(template)?),
            Items::Input => listed(scope.input.clone()),
        }
    }

    /// What an iteration begins with: the item, or what `ItemSelector` makes of it. The scope's context has `Map.Item`.
    ///
    /// # Errors
    /// When a path finds nothing, or a call or an expression fails.
    pub fn select(&self, scope: &Scope, effective: &Effective, item: &Value) -> Result<Value, Failure> {
        match &self.item_selector {
            Some(selector) => scope.fill(selector, &effective.selected),
            None => Ok(item.clone()),
        }
    }
}

fn listed(value: Value) -> Result<Vec<Item>, Failure> {
    match value {
        Value::Array(values) => Ok(list(values)),
        Value::Object(object) => Ok(members(object)),
        other => Err(Failure::new(
            crate::failure::name::QUERY_EVALUATION_ERROR,
            format!("The items of a Map state are an array or an object, and not {other}."),
        )),
    }
}
