//! Values that a definition gives, or says where they are: numbers, texts and moments.

use jiff::Timestamp;
use serde_json::Value;

use crate::failure::Failure;
use crate::jsonata::{self, Expression};
use crate::path::Missing;
use crate::scope::{Scope, View};
use crate::template::Lookup;
use crate::tree::Given;

/// The most seconds that something may take or wait.
const MOST_SECONDS: f64 = 99_999_999.0;

/// Where a value is from.
enum Source<'a> {
    /// A path, or a call.
    Lookup(&'a Lookup),
    Expression(&'a Expression),
}

impl Scope<'_> {
    /// A whole number that is not negative; `field` is its name in the definition, without `Path`.
    ///
    /// # Errors
    /// When there is none, or something else.
    pub fn number(&self, given: &Given<u64>, field: &str, root: &Value) -> Result<u64, Failure> {
        self.given(given, field, root, |value, source| whole(value, field, source))
    }

    /// A number of any kind.
    ///
    /// # Errors
    /// When there is none, or something else.
    pub fn real(&self, given: &Given<f64>, field: &str, root: &Value) -> Result<f64, Failure> {
        self.given(given, field, root, |value, source| {
            value.as_f64().ok_or_else(|| match source {
                Source::Lookup(lookup) => parameter(field, "cannot be parsed as a number", lookup, value),
                Source::Expression(expression) => jsonata::unexpected(expression, "number", value),
            })
        })
    }

    /// A text.
    ///
    /// # Errors
    /// When there is none, or something else.
    pub fn text(&self, given: &Given<String>, field: &str, root: &Value) -> Result<String, Failure> {
        self.given(given, field, root, |value, source| {
            value.as_str().map(str::to_owned).ok_or_else(|| match source {
                Source::Lookup(lookup) => parameter(field, "must be a string", lookup, value),
                Source::Expression(expression) => jsonata::unexpected(expression, "string", value),
            })
        })
    }

    /// A moment.
    ///
    /// # Errors
    /// When there is none, or something else.
    pub fn moment(&self, given: &Given<Timestamp>, field: &str, root: &Value) -> Result<Timestamp, Failure> {
        let no_moment = "does not reference a valid ISO-8601 extended offset date-time format string";
        self.given(given, field, root, |value, source| match source {
            Source::Lookup(lookup) => {
                value.as_str().and_then(crate::moment::read).ok_or_else(|| parameter(field, no_moment, lookup, value))
            }
            Source::Expression(expression) => {
                let text = value.as_str().ok_or_else(|| jsonata::unexpected(expression, "string", value))?;
                let moment = crate::moment::read(text);
                moment.ok_or_else(|| Failure::query(format!("The {field} parameter {no_moment}: {text}"), field))
            }
        })
    }

    fn given<T: Clone>(
        &self,
        given: &Given<T>,
        field: &str,
        root: &Value,
        read: impl Fn(&Value, &Source) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let view = View::new(self, root);
        match given {
            Given::Fixed(value) => Ok(value.clone()),
            Given::Expression(expression) => read(&view.evaluate(expression)?, &Source::Expression(expression)),
            Given::Lookup(lookup @ Lookup::Path(path)) => {
                let found = path.find(&view.roots()).into_value();
                let value = found.map_err(|missing| match missing {
                    Missing::TooMany => Failure::runtime(path.explain(missing)),
                    _ => {
                        Failure::runtime(format!("The {field}Path parameter does not reference an input value: {path}"))
                    }
                })?;
                read(&value, &Source::Lookup(lookup))
            }
            Given::Lookup(lookup @ Lookup::Call(_)) => {
                read(&view.lookup(&format!("{field}Path"), lookup)?, &Source::Lookup(lookup))
            }
        }
    }
}

/// What stands at a path is not what the field takes.
fn parameter(field: &str, what: &str, lookup: &Lookup, value: &Value) -> Failure {
    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Failure::runtime(format!("The {field}Path parameter {what}: {} == {shown}", lookup.as_str()))
}

fn whole(value: &Value, field: &str, source: &Source) -> Result<u64, Failure> {
    let number = value.as_f64();
    let exact = value.as_u64().or_else(|| {
        let whole = number.filter(|n| n.fract() == 0.0 && (0.0..9e15).contains(n))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and in range")]
        Some(whole as u64)
    });
    let seconds = field.ends_with("Seconds");
    match source {
        Source::Lookup(lookup) => exact.ok_or_else(|| {
            let negative = number.is_some_and(|n| n < 0.0 && n.fract() == 0.0);
            let what = if negative { "references a negative value" } else { "cannot be parsed as a long value" };
            parameter(field, what, lookup, value)
        }),
        Source::Expression(expression) => {
            let number = number.ok_or_else(|| jsonata::unexpected(expression, "number", value))?;
            if number.fract() != 0.0 {
                let cause = format!("The {field} field cannot be parsed as an integer: {value}");
                return Err(Failure::query(cause, field));
            }
            if seconds && !(0.0..=MOST_SECONDS).contains(&number) {
                let cause = format!("{field} must be between 0 and {MOST_SECONDS} but was: {value}");
                return Err(Failure::query(cause, field));
            }
            exact.ok_or_else(|| {
                Failure::query(format!("{field} must be a non-negative integer but was: {value}"), field)
            })
        }
    }
}
