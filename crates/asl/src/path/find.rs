//! What a path finds.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Path, Root, Step};

/// What paths begin with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Roots<'a> {
    pub(crate) input: &'a Value,
    pub(crate) context: &'a Value,
    pub(crate) variables: &'a Map<String, Value>,
}

/// What a path finds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found<'a> {
    /// A value.
    One(Cow<'a, Value>),
    /// Values, which may be none: of a path that is not one value by its form.
    Many(Vec<&'a Value>),
    /// Nothing.
    Nothing(Missing),
}

/// Why there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is no such variable.
    Variable,
    /// The last name of the path is not there.
    Leaf,
    /// A name is not there, after so many steps.
    Property(usize),
    /// An array is not as long.
    Index,
    /// There is more than can be given.
    TooMany,
    /// What should be an object or an array is none, after so many steps.
    Kind(usize),
}

impl Found<'_> {
    /// The value: of many a list.
    pub(crate) fn into_value(self) -> Result<Value, Missing> {
        match self {
            Self::One(value) => Ok(value.into_owned()),
            Self::Many(values) => Ok(Value::Array(values.into_iter().cloned().collect())),
            Self::Nothing(missing) => Err(missing),
        }
    }
}

/// How many values one path may find: `$..*..*` of a document makes more than memory has. A list of more is larger than what a state
/// may give, however short they are.
pub(crate) const MOST: usize = 131_072;

impl Path {
    /// Finds what is there.
    pub(crate) fn find<'a>(&self, roots: &Roots<'a>) -> Found<'a> {
        self.find_from(roots, roots.input)
    }

    pub(super) fn find_from<'a>(&self, roots: &Roots<'a>, current: &'a Value) -> Found<'a> {
        let root = match &self.root {
            Root::Input => roots.input,
            Root::Context => roots.context,
            Root::Current => current,
            Root::Variable(name) => match roots.variables.get(name) {
                Some(value) => value,
                None => return Found::Nothing(Missing::Variable),
            },
        };
        let found = if self.steps_are_definite() { self.definite(root) } else { self.spread(roots, root) };
        match &self.function {
            None => found,
            Some(function) => function.apply(found),
        }
    }

    fn steps_are_definite(&self) -> bool {
        let last = self.steps.len().saturating_sub(1);
        self.steps.iter().enumerate().all(|(at, step)| match step {
            Step::Name(_) | Step::Index(_) => true,
            Step::Names(_) => at == last,
            _ => false,
        })
    }

    fn definite<'a>(&self, root: &'a Value) -> Found<'a> {
        let mut at = root;
        for (depth, step) in self.steps.iter().enumerate() {
            let last = depth + 1 == self.steps.len();
            let next = match (step, at) {
                (Step::Name(name), Value::Object(fields)) => match fields.get(name) {
                    Some(value) => value,
                    None if last => return Found::Nothing(Missing::Leaf),
                    None => return Found::Nothing(Missing::Property(depth + 1)),
                },
                (Step::Names(names), Value::Object(fields)) => {
                    let found = names.iter().filter_map(|n| Some((n.clone(), fields.get(n)?.clone())));
                    return Found::One(Cow::Owned(Value::Object(found.collect())));
                }
                (Step::Index(index), Value::Array(items)) => match nth(items, *index) {
                    Some(value) => value,
                    None => return Found::Nothing(Missing::Index),
                },
                _ => return Found::Nothing(Missing::Kind(depth)),
            };
            at = next;
        }
        Found::One(Cow::Borrowed(at))
    }

    /// The values of a path that may find several: those that lack what a step asks for are left out.
    fn spread<'a>(&self, roots: &Roots<'a>, root: &'a Value) -> Found<'a> {
        let mut found = vec![root];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                apply(step, value, roots, &mut next);
                if next.len() > MOST {
                    return Found::Nothing(Missing::TooMany);
                }
            }
            found = next;
        }
        Found::Many(found)
    }
}

fn nth(items: &[Value], index: i64) -> Option<&Value> {
    let index = if index < 0 { index.checked_add(i64::try_from(items.len()).ok()?)? } else { index };
    items.get(usize::try_from(index).ok()?)
}

fn apply<'a>(step: &Step, value: &'a Value, roots: &Roots<'a>, into: &mut Vec<&'a Value>) {
    match (step, value) {
        (Step::Name(name), Value::Object(fields)) => into.extend(fields.get(name)),
        (Step::Names(names), Value::Object(fields)) => into.extend(names.iter().filter_map(|n| fields.get(n))),
        (Step::Index(index), Value::Array(items)) => into.extend(nth(items, *index)),
        (Step::Indices(all), Value::Array(items)) => into.extend(all.iter().filter_map(|i| nth(items, *i))),
        (Step::Slice { from, to, by }, Value::Array(items)) => into.extend(slice(items, *from, *to, *by)),
        (Step::All, Value::Array(items)) => into.extend(items),
        (Step::All, Value::Object(fields)) => into.extend(fields.values()),
        (Step::Filter(filter), Value::Array(items)) => {
            into.extend(items.iter().filter(|item| filter.holds(roots, item)));
        }
        (Step::Filter(filter), value @ Value::Object(_)) if filter.holds(roots, value) => into.push(value),
        (Step::Descend, value) => descend(value, into),
        _ => {}
    }
}

fn slice(items: &[Value], from: Option<i64>, to: Option<i64>, by: i64) -> impl Iterator<Item = &Value> {
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let place = |index: i64| if index < 0 { index.saturating_add(length).max(0) } else { index.min(length) };
    let (from, to) = (place(from.unwrap_or(0)), place(to.unwrap_or(length)));
    let (from, to) = (usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0));
    let by = usize::try_from(by).unwrap_or(usize::MAX).max(1);
    items.get(from..to).unwrap_or_default().iter().step_by(by)
}

/// The value and all that is in it, each before what is in it.
fn descend<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        if into.len() > MOST {
            return;
        }
        into.push(value);
        match value {
            Value::Array(items) => left.extend(items.iter().rev()),
            Value::Object(fields) => left.extend(fields.values().rev()),
            _ => {}
        }
    }
}

impl Path {
    /// The path as the service's library writes it in its messages: `$['a'][0]`, up to a step.
    pub(crate) fn normal(&self, steps: usize) -> String {
        let root = match &self.root {
            Root::Input => "$".to_owned(),
            Root::Context => "$$".to_owned(),
            Root::Current => "@".to_owned(),
            Root::Variable(name) => format!("${name}"),
        };
        self.steps.iter().take(steps).fold(root, |text, step| match step {
            Step::Name(name) => format!("{text}['{name}']"),
            Step::Index(index) => format!("{text}[{index}]"),
            _ => text,
        })
    }

    /// Why the path finds nothing, in the words of the service's library.
    pub(crate) fn explain(&self, missing: Missing) -> String {
        match missing {
            Missing::Property(steps) => format!("Missing property in path {}", self.normal(steps)),
            Missing::TooMany => format!("More than {MOST} results for path: {}", self.text),
            Missing::Leaf | Missing::Index | Missing::Variable | Missing::Kind(_) => {
                format!("No results for path: {}", self.normal(self.steps.len()))
            }
        }
    }
}
