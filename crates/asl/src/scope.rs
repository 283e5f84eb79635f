//! What the expressions of a state see, and what they make of it.

use std::cell::OnceCell;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::failure::{Failure, name};
use crate::jsonata::{self, Bindings, Expression};
use crate::path::{Missing, Path, Roots};
use crate::template::{Lookup, Node, Template};
use crate::tree::{Given, Selection};

/// The variables of an execution.
pub type Variables = Map<String, Value>;

/// What is not of the language: the moment, and chance.
pub trait Outside {
    /// What moment it is.
    fn now(&self) -> Timestamp;

    /// Fills these bytes by chance.
    fn fill(&self, bytes: &mut [u8]);
}

/// What a state sees.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The state's input, as the state before gave it.
    pub input: &'a Value,
    /// The context object: `$$`, `$states.context`.
    pub context: &'a Value,
    /// The variables, which do not change while the state runs.
    pub variables: &'a Variables,
    /// The moment, and chance.
    pub outside: &'a dyn Outside,
}

/// What the expressions of one field see.
pub(crate) struct View<'a> {
    pub(crate) scope: &'a Scope<'a>,
    /// What `$` is.
    pub(crate) root: &'a Value,
    /// What `$states.result` is.
    pub(crate) result: Option<&'a Value>,
    /// What `$states.errorOutput` is.
    pub(crate) error: Option<&'a Value>,
    bindings: OnceCell<Bindings>,
}

impl<'a> View<'a> {
    pub(crate) fn new(scope: &'a Scope<'a>, root: &'a Value) -> Self {
        Self { scope, root, result: None, error: None, bindings: OnceCell::new() }
    }

    pub(crate) fn with_result(self, result: &'a Value) -> Self {
        Self { result: Some(result), ..self }
    }

    pub(crate) fn with_error(self, error: &'a Value) -> Self {
        Self { error: Some(error), ..self }
    }

    pub(crate) fn roots(&self) -> Roots<'a> {
        Roots { input: self.root, context: self.scope.context, variables: self.scope.variables }
    }

    /// What a path or a call gives in a field.
    pub(crate) fn lookup(&self, field: &str, lookup: &Lookup) -> Result<Value, Failure> {
        match lookup {
            Lookup::Path(path) => match path.find(&self.roots()).into_value() {
                Ok(value) => Ok(value),
                // An item that an array does not have is null here, and an error everywhere else.
                Err(Missing::Index) => Ok(Value::Null),
                Err(missing @ Missing::TooMany) => Err(Failure::new(name::DATA_LIMIT_EXCEEDED, path.explain(missing))),
                Err(_) => Err(Failure::runtime(format!(
                    "The JSONPath '{path}' specified for the field '{field}' could not be found in the input '{}'",
                    self.text_of(path)
                ))),
            },
            Lookup::Call(call) => call.evaluate(self),
        }
    }

    /// The document in which a path was sought, as messages show it.
    pub(crate) fn text_of(&self, path: &Path) -> String {
        match path.root() {
            crate::path::Root::Context => self.scope.context.to_string(),
            _ => self.root.to_string(),
        }
    }

    /// What an expression gives. Nothing is an error.
    pub(crate) fn evaluate(&self, expression: &Expression) -> Result<Value, Failure> {
        expression.evaluate(self.bindings.get_or_init(|| Bindings::of(self)), self.scope.outside)
    }

    pub(crate) fn fill(&self, template: &Template) -> Result<Value, Failure> {
        self.node(&template.0)
    }

    fn node(&self, node: &Node) -> Result<Value, Failure> {
        match node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Array(items) => items.iter().map(|item| self.node(item)).collect(),
            Node::Expression(expression) => self.evaluate(expression),
            Node::Lookup(name, lookup) => self.lookup(name, lookup),
            Node::Object(fields) => {
                let mut object = Map::new();
                for (name, node) in fields {
                    object.insert(name.clone(), self.node(node)?);
                }
                Ok(Value::Object(object))
            }
        }
    }

    /// What `Assign` sets.
    pub(crate) fn assign(&self, assign: Option<&Template>) -> Result<Variables, Failure> {
        match assign.map(|template| self.fill(template)).transpose()? {
            Some(Value::Object(variables)) => Ok(variables),
            _ => Ok(Variables::new()),
        }
    }

    /// `InputPath` or `OutputPath` of the root.
    pub(crate) fn select(&self, selection: &Selection) -> Result<Value, Failure> {
        match selection {
            Selection::All => Ok(self.root.clone()),
            Selection::Nothing => Ok(Value::Object(Map::new())),
            Selection::Path(path) => path
                .find(&self.roots())
                .into_value()
                .map_err(|missing| Failure::runtime(format!("Invalid path '{path}' : {}", path.explain(missing)))),
        }
    }
}

impl Scope<'_> {
    /// Fills a template with what the state sees. `$` is `root`, which of most fields is the effective input.
    ///
    /// # Errors
    /// When a path finds nothing, or a call or an expression fails.
    pub fn fill(&self, template: &Template, root: &Value) -> Result<Value, Failure> {
        View::new(self, root).fill(template)
    }

    /// A whole number that a definition gives or says where it is; `field` is its name, without `Path`.
    ///
    /// # Errors
    /// When there is none, or something else.
    pub fn number(&self, given: &Given<u64>, field: &str, root: &Value) -> Result<u64, Failure> {
        self.given(given, root, field, "a non-negative integer", "number", |value| {
            value.as_u64().or_else(|| {
                let whole = value.as_f64().filter(|n| n.fract() == 0.0 && (0.0..9e15).contains(n))?;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and in range")]
                Some(whole as u64)
            })
        })
    }

    /// A number of any kind.
    ///
    /// # Errors
    /// When there is none, or something else.
    pub fn real(&self, given: &Given<f64>, field: &str, root: &Value) -> Result<f64, Failure> {
        self.given(given, root, field, "a number", "number", Value::as_f64)
    }

    /// A text.
    ///
    /// # Errors
    /// When there is none, or something else.
    pub fn text(&self, given: &Given<String>, field: &str, root: &Value) -> Result<String, Failure> {
        self.given(given, root, field, "a string", "string", |value| value.as_str().map(str::to_owned))
    }

    /// A moment.
    ///
    /// # Errors
    /// When there is none, or something else.
    pub fn moment(&self, given: &Given<Timestamp>, field: &str, root: &Value) -> Result<Timestamp, Failure> {
        self.given(given, root, field, "a timestamp", "string", |value| crate::moment::read(value.as_str()?))
    }

    fn given<T: Clone>(
        &self,
        given: &Given<T>,
        root: &Value,
        field: &str,
        wanted: &str,
        kind: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, Failure> {
        let view = View::new(self, root);
        match given {
            Given::Fixed(value) => Ok(value.clone()),
            Given::Lookup(lookup) => {
                let value = view.given(lookup, field)?;
                read(&value).ok_or_else(|| {
                    let path = lookup.as_str();
                    Failure::runtime(format!("The {field}Path parameter '{path}' must be {wanted}, but was: {value}"))
                })
            }
            Given::Expression(expression) => {
                let value = view.evaluate(expression)?;
                read(&value).ok_or_else(|| jsonata::unexpected(expression, kind, &value))
            }
        }
    }
}

impl View<'_> {
    /// What stands at the path of a field whose name ends with `Path`.
    fn given(&self, lookup: &Lookup, field: &str) -> Result<Value, Failure> {
        match lookup {
            Lookup::Path(path) => path
                .find(&self.roots())
                .into_value()
                .map_err(|missing| Failure::runtime(format!("Invalid path '{path}' : {}", path.explain(missing)))),
            Lookup::Call(_) => self.lookup(&format!("{field}Path"), lookup),
        }
    }
}
