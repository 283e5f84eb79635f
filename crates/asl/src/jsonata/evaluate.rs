//! Evaluating an expression, within limits.

use jsonata_core::evaluator::{Context, Evaluator, EvaluatorOptions};
use jsonata_core::value::JValue;
use serde_json::Value;

use super::values::NotJson;
use super::{Bindings, Expression, functions};
use crate::failure::Failure;
use crate::scope::Outside;

/// How long one expression may take.
const LONGEST_MILLISECONDS: u64 = 5_000;

/// How deep it may nest while it runs.
const DEEPEST: usize = 500;

/// How many values one of its sequences may have.
const MOST_VALUES: usize = 1_000_000;

impl Expression {
    /// What it gives. That it gives nothing is an error.
    pub(crate) fn evaluate(&self, bindings: &Bindings, outside: &dyn Outside) -> Result<Value, Failure> {
        let value = self.run(bindings, outside).map_err(|message| {
            self.failure(&format!(
                "specified for the field '{}' threw an error during evaluation. {message}",
                self.field
            ))
        })?;
        match bindings.exact.give(&value) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(self.failure(&format!("specified for the field '{}' returned nothing (undefined).", self.field))),
            Err(NotJson::Function) => Err(self.failure(&format!(
                "specified for the field '{}' returned an unexpected result type. Expected a JSON value, but was 'function'",
                self.field
            ))),
            Err(NotJson::Inexact) => Err(self.failure(&format!(
                "specified for the field '{}' returned one of several numbers that cannot be told apart: JSONata's numbers are \
                 exact up to 2^53",
                self.field
            ))),
        }
    }

    fn failure(&self, what: &str) -> Failure {
        Failure::query(format!("The JSONata expression '{}' {what}", self.text), &self.field)
    }

    fn run(&self, bindings: &Bindings, outside: &dyn Outside) -> Result<JValue, String> {
        let mut context = Context::new();
        for (name, value) in &bindings.named {
            context.bind(name.clone(), value.clone());
        }
        let options = EvaluatorOptions {
            timeout_ms: Some(LONGEST_MILLISECONDS),
            max_stack_depth: Some(DEEPEST),
            max_sequence_length: Some(MOST_VALUES),
            ..EvaluatorOptions::default()
        };
        let mut evaluator = Evaluator::with_options(context, options);
        functions::add(&mut evaluator, &self.text, outside).map_err(|e| e.message().to_owned())?;
        evaluator.evaluate(&self.tree, &JValue::Undefined).map_err(|e| e.message().to_owned())
    }
}
