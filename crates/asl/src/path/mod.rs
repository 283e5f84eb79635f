//! JSONPath as Step Functions takes it: the dialect of Jayway's library, which the service is built on.
//!
//! The crates of RFC 9535 (`serde_json_path` 0.7, `jsonpath-rust` 1.0) do not fit: they refuse names with a dash after a
//! dot, `.length()`, `=~`, `in` and bare `@.a` beside each other's literals; they know no path that is one value by its form
//! (which decides here whether a value or a list of values is found), and no object of several names (`$['a','b']`).

mod filter;
mod find;
mod function;
mod parse;
mod place;

use std::fmt;

use filter::Filter;
use function::Function;

pub(crate) use find::{Missing, Roots};

/// A path: where it begins, and its steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    text: String,
    root: Root,
    steps: Vec<Step>,
    function: Option<Function>,
}

/// Where a path begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// `$`: what the state takes, or its result.
    Input,
    /// `$$`: the context object.
    Context,
    /// `$name`: a variable.
    Variable(String),
    /// `@`: what a filter looks at.
    Current,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// `.a`, `['a']`
    Name(String),
    /// `['a','b']`
    Names(Vec<String>),
    /// `[0]`, `[-1]`
    Index(i64),
    /// `[0,2]`
    Indices(Vec<i64>),
    /// `[1:3]`, `[::2]`
    Slice { from: Option<i64>, to: Option<i64>, by: i64 },
    /// `.*`, `[*]`
    All,
    /// `[?(…)]`
    Filter(Box<Filter>),
    /// `..` before another step.
    Descend,
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPath(pub String);

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, BadPath> {
        parse::path(text)
    }

    /// Whether it has no more than names and single indices, so that something can be put there: a reference path.
    pub fn is_reference(&self) -> bool {
        self.function.is_none() && self.steps.iter().all(|step| matches!(step, Step::Name(_) | Step::Index(_)))
    }

    /// Whether it is one value by its form, and not a list of values.
    pub fn is_definite(&self) -> bool {
        let last = self.steps.len().saturating_sub(1);
        self.function.is_some()
            || self.steps.iter().enumerate().all(|(at, step)| match step {
                Step::Name(_) | Step::Index(_) => true,
                Step::Names(_) => at == last,
                _ => false,
            })
    }

    /// Where it begins.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Whether it is a root alone.
    pub fn is_root(&self) -> bool {
        self.steps.is_empty() && self.function.is_none()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the variables that it reads, its own and those of its filters.
    pub fn variables<'a>(&'a self, into: &mut Vec<&'a str>) {
        if let Root::Variable(name) = &self.root {
            into.push(name);
        }
        for step in &self.steps {
            if let Step::Filter(filter) = step {
                filter.paths(&mut |path| path.variables(into));
            }
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
