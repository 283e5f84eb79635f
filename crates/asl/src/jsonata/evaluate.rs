//! Evaluating an expression, within limits.

use std::rc::Rc;

use jsonata_core::evaluator::{Context, Evaluator, EvaluatorOptions};
use jsonata_core::value::JValue;
use serde_json::Value;

use super::values::{Exact, NotJson};
use super::{BadExpression, Bindings, Expression, coded, functions, guard};
use crate::failure::Failure;
use crate::scope::{Outside, Variables};

/// How long one expression may take.
const LONGEST_MILLISECONDS: u64 = 5_000;

/// How deep it may nest while it runs: a hundred terms of a sum, ninety-nine parentheses, as with the service.
const DEEPEST: usize = 99;

/// How many values one of its sequences may have.
const MOST_VALUES: usize = 1_000_000;

/// `measured`: whether what is built is measured, for which each level may take two.
pub(super) fn options(measured: bool) -> EvaluatorOptions {
    EvaluatorOptions {
        timeout_ms: Some(LONGEST_MILLISECONDS),
        max_stack_depth: Some(if measured { 2 * DEEPEST } else { DEEPEST }),
        max_sequence_length: Some(MOST_VALUES),
        ..EvaluatorOptions::default()
    }
}

impl Expression {
    /// What it gives. That it gives nothing is an error.
    pub(crate) fn evaluate(&self, bindings: &Bindings, outside: &dyn Outside) -> Result<Value, Failure> {
        let value = self.run(bindings, &JValue::Undefined, outside).map_err(|message| {
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
            Err(NotJson::TooLarge) => Err(self.failure(&format!(
                "specified for the field '{}' threw an error during evaluation. {}",
                self.field,
                guard::exceeded().message()
            ))),
            Err(NotJson::Inexact) => Err(self.failure(&format!(
                "specified for the field '{}' returned one of several numbers that cannot be told apart: JSONata's numbers are \
                 exact up to 2^53",
                self.field
            ))),
        }
    }

    /// What it gives outside of a state machine, where an expression has a context item: nothing, if it gives nothing.
    ///
    /// # Errors
    /// JSONata's own: a code and words.
    pub fn apply(
        &self,
        data: Option<&Value>,
        variables: &Variables,
        outside: &dyn Outside,
    ) -> Result<Option<Value>, BadExpression> {
        let mut exact = Exact::default();
        let named = variables.iter().map(|(name, value)| (name.clone(), exact.take(value))).collect();
        let data = data.map_or(JValue::Undefined, |data| exact.take(data));
        let value = self.run(&Bindings { named, exact: Exact::default() }, &data, outside).map_err(BadExpression)?;
        exact.give(&value).map_err(|_| BadExpression("the value has no JSON".to_owned()))
    }

    fn failure(&self, what: &str) -> Failure {
        Failure::query(format!("The JSONata expression '{}' {what}", self.text), &self.field)
    }

    fn run(&self, bindings: &Bindings, data: &JValue, outside: &dyn Outside) -> Result<JValue, String> {
        let mut context = Context::new();
        for (name, value) in &bindings.named {
            context.bind(name.clone(), value.clone());
        }
        let mut evaluator = Evaluator::with_options(context, options(self.measured));
        let shared = Rc::new(functions::Shared::new(&self.text, outside));
        functions::add(&mut evaluator, &shared, true).map_err(|e| coded(e.message()))?;
        evaluator.evaluate(&self.guarded, data).map_err(|e| coded(e.message()))
    }
}
