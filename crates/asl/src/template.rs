//! Payload templates: JSON, parts of which are reckoned.

use serde_json::{Map, Value};

use crate::intrinsic::Call;
use crate::jsonata::Expression;
use crate::path::Path;

/// A value with parts that are reckoned: fields whose names end with `.$`, or texts in `{% … %}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(pub(crate) Node);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// Nothing in it is reckoned.
    Literal(Value),
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    /// The name has its `.$` still, as messages say it.
    Lookup(String, Lookup),
    Expression(Expression),
}

/// What stands in a field whose name ends with `.$`.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// A path.
    Path(Path),
    /// A call of an intrinsic function.
    Call(Call),
}

impl Lookup {
    /// Reads a path or a call.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('$') {
            Path::parse(text).map(Self::Path).map_err(|e| e.to_string())
        } else {
            Call::parse(text).map(Self::Call).map_err(|e| e.to_string())
        }
    }
}

impl Template {
    /// The value, if nothing of it is reckoned.
    pub fn literal(&self) -> Option<&Value> {
        match &self.0 {
            Node::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The names of an object's fields: of `Assign` the variables.
    pub fn field_names(&self) -> Vec<&str> {
        match &self.0 {
            Node::Literal(Value::Object(fields)) => fields.keys().map(String::as_str).collect(),
            Node::Object(fields) => fields.iter().map(|(name, _)| name.as_str()).collect(),
            _ => Vec::new(),
        }
    }
}

/// A node of which nothing is reckoned is a literal, so that large constants are copied at once.
pub(crate) fn object(fields: Vec<(String, Node)>) -> Node {
    if fields.iter().all(|(_, node)| matches!(node, Node::Literal(_))) {
        let literal = |(name, node)| match node {
            Node::Literal(value) => Some((name, value)),
            _ => None,
        };
        return Node::Literal(Value::Object(fields.into_iter().filter_map(literal).collect::<Map<_, _>>()));
    }
    Node::Object(fields)
}

/// The same for an array.
pub(crate) fn array(items: Vec<Node>) -> Node {
    if items.iter().all(|node| matches!(node, Node::Literal(_))) {
        let literal = |node| match node {
            Node::Literal(value) => Some(value),
            _ => None,
        };
        return Node::Literal(items.into_iter().filter_map(literal).collect());
    }
    Node::Array(items)
}

impl Lookup {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Path(path) => path.as_str(),
            Self::Call(call) => call.as_str(),
        }
    }
}
