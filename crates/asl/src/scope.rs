//! What the expressions of a state see, and what they make of it.

use std::cell::OnceCell;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::failure::{Failure, name};
use crate::jsonata::{Bindings, Expression};
use crate::path::{Missing, Path, Roots};
use crate::template::{Lookup, Node, Template};
use crate::tree::Selection;

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
}
