//! What a state takes of its input, and what it gives as its output.

use serde_json::{Map, Value};

use crate::choice;
use crate::failure::{Failure, name};
use crate::scope::{Scope, Variables, View};
use crate::tree::{Fail, Given, Kind, Pass, Placement, QueryLanguage, Retrier, State, Transition};

/// The input of a state when its expressions have been reckoned.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// After `InputPath`: what `$` is in the fields that say where something else is (`ItemsPath`, `TimeoutSecondsPath`).
    pub selected: Value,
    /// After `Parameters` or `Arguments`: what a task gets.
    pub value: Value,
}

/// A result on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Selected {
    /// What `ResultSelector` makes of it.
    pub after_selector: Value,
    /// The input, with that where `ResultPath` says.
    pub after_path: Value,
}

/// What a state leaves behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The input of the next state.
    pub output: Value,
    /// The variables that it sets.
    pub assigned: Variables,
}

/// What a choice comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The state that comes next.
    pub next: String,
    /// What the choice leaves behind.
    pub done: Done,
}

/// What a catcher makes of an error.
#[derive(Debug, Clone, PartialEq)]
pub struct Caught {
    /// Which of the catchers.
    pub index: usize,
    /// The state that comes next.
    pub next: String,
    /// What the state leaves behind.
    pub done: Done,
}

impl State {
    /// The input that the state works with: `InputPath` and `Parameters`, or `Arguments`.
    ///
    /// # Errors
    /// When a path finds nothing, or a call or an expression fails.
    pub fn effective_input(&self, scope: &Scope) -> Result<Effective, Failure> {
        let view = View::new(scope, scope.input);
        match self.query_language {
            QueryLanguage::JsonPath => {
                let selected = view.select(&self.flow.input_path)?;
                let value = match &self.flow.parameters {
                    Some(parameters) => View::new(scope, &selected).fill(parameters)?,
                    None => selected.clone(),
                };
                Ok(Effective { selected, value })
            }
            QueryLanguage::Jsonata => {
                let value = match &self.flow.arguments {
                    Some(arguments) => view.fill(arguments)?,
                    None => scope.input.clone(),
                };
                Ok(Effective { selected: scope.input.clone(), value })
            }
        }
    }

    /// What becomes of a result on its way, in a state whose language is JSONPath: after `ResultSelector`, and after `ResultPath`.
    ///
    /// # Errors
    /// When a path finds nothing, a result cannot be put where it should, or a call fails.
    pub fn select_result(&self, scope: &Scope, result: Value) -> Result<Selected, Failure> {
        let after_selector = match &self.flow.result_selector {
            Some(selector) => View::new(scope, &result).fill(selector)?,
            None => result,
        };
        let after_path = place(&self.flow.result_path, scope.input, after_selector.clone())?;
        Ok(Selected { after_selector, after_path })
    }

    /// What the state leaves behind when it has a result: of a `Task`, `Parallel` or `Map`, or of a `Pass` what
    /// [`Pass::result`] gives. `ResultSelector`, `ResultPath`, `OutputPath` and `Assign`, or `Output` and `Assign`.
    ///
    /// # Errors
    /// When a path finds nothing, a result cannot be put where it should, or a call or an expression fails.
    pub fn complete(&self, scope: &Scope, result: Value) -> Result<Done, Failure> {
        match self.query_language {
            QueryLanguage::JsonPath => {
                let selected = self.select_result(scope, result)?;
                let assigned = View::new(scope, &selected.after_selector).assign(self.flow.assign.as_ref())?;
                let output = View::new(scope, &selected.after_path).select(&self.flow.output_path)?;
                Ok(Done { output, assigned })
            }
            QueryLanguage::Jsonata => {
                let view = View::new(scope, scope.input);
                let view = if matches!(self.kind, Kind::Pass(_)) { view } else { view.with_result(&result) };
                let assigned = view.assign(self.flow.assign.as_ref())?;
                let output = match &self.flow.output {
                    Some(output) => view.fill(output)?,
                    None => result,
                };
                Ok(Done { output, assigned })
            }
        }
    }

    /// What the state leaves behind when it has no result: of a `Wait` or a `Succeed`.
    ///
    /// # Errors
    /// When a path finds nothing, or a call or an expression fails.
    pub fn leave(&self, scope: &Scope) -> Result<Done, Failure> {
        match self.query_language {
            QueryLanguage::JsonPath => {
                let selected = View::new(scope, scope.input).select(&self.flow.input_path)?;
                self.leave_with(scope, &selected, self.flow.assign.as_ref())
            }
            QueryLanguage::Jsonata => {
                let view = View::new(scope, scope.input);
                let assigned = view.assign(self.flow.assign.as_ref())?;
                let output = self.flow.output.as_ref().map(|output| view.fill(output)).transpose()?;
                Ok(Done { output: output.unwrap_or_else(|| scope.input.clone()), assigned })
            }
        }
    }

    fn leave_with(
        &self,
        scope: &Scope,
        selected: &Value,
        assign: Option<&crate::template::Template>,
    ) -> Result<Done, Failure> {
        let view = View::new(scope, selected);
        Ok(Done { assigned: view.assign(assign)?, output: view.select(&self.flow.output_path)? })
    }

    /// What a `Choice` comes to.
    ///
    /// # Errors
    /// When no rule holds and there is no default, when what a rule compares is not there, or an expression fails.
    pub fn choose(&self, scope: &Scope) -> Result<Chosen, Failure> {
        let Kind::Choice(choice) = &self.kind else {
            return Err(Failure::runtime(format!("The state '{}' is no Choice", self.name)));
        };
        let selected = match self.query_language {
            QueryLanguage::JsonPath => View::new(scope, scope.input).select(&self.flow.input_path)?,
            QueryLanguage::Jsonata => scope.input.clone(),
        };
        let view = View::new(scope, &selected);
        for rule in &choice.rules {
            if !choice::holds(&rule.condition, &view)? {
                continue;
            }
            let done = match self.query_language {
                QueryLanguage::JsonPath => self.leave_with(scope, &selected, rule.assign.as_ref())?,
                QueryLanguage::Jsonata => {
                    let output = rule.output.as_ref().map(|output| view.fill(output)).transpose()?;
                    let assigned = view.assign(rule.assign.as_ref())?;
                    Done { output: output.unwrap_or_else(|| scope.input.clone()), assigned }
                }
            };
            return Ok(Chosen { next: rule.next.clone(), done });
        }
        match &choice.default {
            Some(next) => Ok(Chosen { next: next.clone(), done: self.leave(scope)? }),
            // The guide has a name for this, `States.NoChoiceMatched`; the service gives this one.
            None => Err(Failure::new(
                name::RUNTIME,
                "Failed to transition out of the state. The state does not point to a next state.",
            )),
        }
    }

    /// What the first catcher that is for an error makes of it; nothing if none is.
    ///
    /// # Errors
    /// When the error cannot be put where the catcher says, or an expression fails.
    pub fn catch(&self, scope: &Scope, failure: &Failure) -> Result<Option<Caught>, Failure> {
        let found = self.catch.iter().enumerate().find(|(_, catcher)| failure.matches(&catcher.error_equals));
        let Some((index, catcher)) = found else { return Ok(None) };
        let error = failure.output();
        let done = match self.query_language {
            QueryLanguage::JsonPath => {
                let assigned = View::new(scope, &error).assign(catcher.assign.as_ref())?;
                Done { output: place(&catcher.result_path, scope.input, error)?, assigned }
            }
            QueryLanguage::Jsonata => {
                let view = View::new(scope, scope.input).with_error(&error);
                let assigned = view.assign(catcher.assign.as_ref())?;
                let output = catcher.output.as_ref().map(|output| view.fill(output)).transpose()?;
                Done { output: output.unwrap_or_else(|| error.clone()), assigned }
            }
        };
        Ok(Some(Caught { index, next: catcher.next.clone(), done }))
    }

    /// The first retrier that is for an error, and which it is; whether it tries again is said by its attempts.
    pub fn retrier(&self, failure: &Failure) -> Option<(usize, &Retrier)> {
        self.retry.iter().enumerate().find(|(_, retrier)| failure.matches(&retrier.error_equals))
    }

    /// The state that comes next, if the state itself says it.
    pub fn next_state(&self) -> Option<&str> {
        match &self.next {
            Transition::Next(next) => Some(next),
            Transition::End | Transition::None => None,
        }
    }
}

impl Pass {
    /// The result of a `Pass`: what it says, or what it gets.
    pub fn result(&self, effective: &Effective) -> Value {
        self.result.clone().unwrap_or_else(|| effective.value.clone())
    }
}

impl Fail {
    /// The error with which it ends its machine.
    ///
    /// # Errors
    /// When a path finds nothing or something else than a text, or a call or an expression fails.
    pub fn failure(&self, scope: &Scope) -> Result<Failure, Failure> {
        let text = |given: &Option<Given<String>>, field: &str| match given {
            Some(given) => scope.text(given, field, scope.input),
            None => Ok(String::new()),
        };
        Ok(Failure::new(text(&self.error, "Error")?, text(&self.cause, "Cause")?))
    }
}

impl Failure {
    /// The error as catchers see it.
    pub fn output(&self) -> Value {
        let fields = [("Error", &self.error), ("Cause", &self.cause)];
        Value::Object(
            fields
                .map(|(name, text)| (name.to_owned(), Value::String(text.clone())))
                .into_iter()
                .collect::<Map<_, _>>(),
        )
    }
}

/// `ResultPath`: where in the input a result goes.
fn place(placement: &Placement, input: &Value, result: Value) -> Result<Value, Failure> {
    match placement {
        Placement::Replace => Ok(result),
        Placement::Discard => Ok(input.clone()),
        Placement::At(path) => {
            let mut output = input.clone();
            match path.put(&mut output, result) {
                Ok(()) => Ok(output),
                Err(()) => Err(Failure::new(
                    name::RESULT_PATH_MATCH_FAILURE,
                    format!("Unable to apply ReferencePath {path} to input {input}"),
                )),
            }
        }
    }
}
