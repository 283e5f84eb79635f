//! What a `Map` makes of its input: its items, what each of them gets, and the limits of its batches.

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::flow::Effective;
use crate::items;
use crate::jsonata;
use crate::path::Path;
use crate::scope::{Scope, View};
use crate::tree::{BatcherLimits, ItemBatcher, Items, Map};

impl Map {
    /// The items, if no reader reads them: those of an array, and in a distributed one the pairs of an object.
    ///
    /// # Errors
    /// When there is nothing, or something else.
    pub fn items(&self, scope: &Scope, effective: &Effective) -> Result<Vec<Value>, Failure> {
        let (value, refused) = match &self.items {
            Items::Path(path) => {
                let value = at_path(scope, path, &effective.selected)?;
                (value, Failure::runtime(format!("Reference path \"{path}\" must point to array.")))
            }
            Items::Expression(expression) => {
                let value = View::new(scope, scope.input).evaluate(expression)?;
                let refused = jsonata::unexpected(expression, "array", &value);
                (value, refused)
            }
            Items::Template(template) => {
                let value = scope.fill(template, scope.input)?;
                (value, Failure::runtime("Items must be an array."))
            }
            Items::Input => (scope.input.clone(), Failure::runtime("Items must be an array.")),
        };
        match value {
            Value::Array(items) => Ok(items),
            Value::Object(_) if self.is_distributed() => items::items_of(value, usize::MAX),
            _ => Err(refused),
        }
    }

    /// What each of the items gets, in their order.
    ///
    /// # Errors
    /// When a path finds nothing, or a call or an expression fails.
    pub fn inputs(&self, scope: &Scope, effective: &Effective, items: Vec<Value>) -> Result<Vec<Value>, Failure> {
        if self.item_selector.is_none() {
            return Ok(items);
        }
        let mut context = scope.context.clone();
        let input = |(index, item): (usize, Value)| {
            context["Map"] = json!({"Item": {"Index": index, "Value": item}});
            self.item_input(&Scope { context: &context, ..*scope }, effective, item)
        };
        items.into_iter().enumerate().map(input).collect()
    }

    /// What an item gets: what `ItemSelector` makes of it, or the item itself. The context of `scope` has `Map.Item`.
    ///
    /// # Errors
    /// When a path finds nothing, or a call or an expression fails.
    pub fn item_input(&self, scope: &Scope, effective: &Effective, item: Value) -> Result<Value, Failure> {
        match &self.item_selector {
            Some(selector) => scope.fill(selector, &effective.selected),
            None => Ok(item),
        }
    }
}

fn at_path(scope: &Scope, path: &Path, root: &Value) -> Result<Value, Failure> {
    let view = View::new(scope, root);
    let found = path.find(&view.roots()).into_value();
    found.map_err(|missing| Failure::runtime(format!("Invalid path '{path}' : {}", path.explain(missing))))
}

impl ItemBatcher {
    /// How large its batches are.
    ///
    /// # Errors
    /// When a limit is not there, or no positive number.
    pub fn limits(&self, scope: &Scope, effective: &Effective) -> Result<BatcherLimits, Failure> {
        let limit = |given: &Option<crate::tree::Given<u64>>, field: &str| match given {
            None => Ok(None),
            Some(given) => match scope.number(given, field, &effective.selected)? {
                0 => Err(Failure::runtime(format!("{field} must be a positive integer, but was: 0"))),
                limit => Ok(Some(limit)),
            },
        };
        Ok(BatcherLimits {
            items: limit(&self.max_items, "MaxItemsPerBatch")?,
            bytes: limit(&self.max_input_bytes, "MaxInputBytesPerBatch")?,
        })
    }
}
