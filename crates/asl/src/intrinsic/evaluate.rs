//! Reckoning a call.

use serde_json::Value;

use super::{Argument, Call, functions};
use crate::failure::{Failure, name};
use crate::scope::View;

/// Why a call fails.
pub(super) enum Why {
    /// A path among its arguments finds nothing, which nothing catches.
    Missing(String),
    /// The function cannot do with its arguments.
    Function(String),
}

impl<T: Into<String>> From<T> for Why {
    fn from(why: T) -> Self {
        Self::Function(why.into())
    }
}

impl Call {
    /// What the call gives. A failure names the whole of it, also when an inner call fails.
    pub(crate) fn evaluate(&self, view: &View) -> Result<Value, Failure> {
        self.run(view).map_err(|why| {
            let (error, why) = match why {
                Why::Missing(why) => (name::RUNTIME, why),
                Why::Function(why) => (name::INTRINSIC_FAILURE, why),
            };
            Failure::new(error, format!("The function '{}' had the following error: {why}", self.text))
        })
    }

    fn run(&self, view: &View) -> Result<Value, Why> {
        let mut values = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            values.push(match argument {
                Argument::Value(value) => value.clone(),
                Argument::Call(call) => call.run(view)?,
                Argument::Path(path) => path.find(&view.roots()).into_value().map_err(|_| {
                    let input = view.text_of(path);
                    let what = format!("'{path}' could not be found in the input '{input}'");
                    Why::Missing(format!("The JsonPath argument for the field {what}"))
                })?,
            });
        }
        functions::apply(self.function, &values, view.scope.outside)
    }
}
