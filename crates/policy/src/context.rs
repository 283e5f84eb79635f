//! The request context: condition keys and their values, as the caller knows them.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The values of one condition key in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values<'a> {
    /// A single-valued key.
    One(Cow<'a, str>),
    /// A multi-valued key such as `aws:TagKeys`. Empty counts as absent.
    Many(Cow<'a, [String]>),
}

impl<'a> Values<'a> {
    /// A borrowed single value.
    pub fn one(value: &'a str) -> Self {
        Self::One(Cow::Borrowed(value))
    }

    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (one, many): (Option<&str>, &[String]) = match self {
            Self::One(value) => (Some(value), &[]),
            Self::Many(values) => (None, values),
        };
        one.into_iter().chain(many.iter().map(String::as_str))
    }

    /// Whether there is no value: such a key counts as absent.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Many(values) if values.is_empty())
    }
}

/// Looks up condition keys. Keys are asked for **in lower case** (`aws:sourceip`, `aws:resourcetag/team`), because
/// AWS compares key names without regard to case, tag keys included.
///
/// Keys that follow from the principal alone (`aws:PrincipalArn`, `aws:PrincipalAccount`, `aws:PrincipalType`,
/// `aws:userid`, `aws:username`, `aws:PrincipalIsAWSService`, `aws:PrincipalServiceName`) need not be answered:
/// what a context does not know is taken from [`crate::PrincipalFacts`].
pub trait Context {
    /// The values of `key`, or `None` when the request does not carry it.
    fn lookup(&self, key: &str) -> Option<Values<'_>>;
}

/// A context that knows no key.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoContext;

impl Context for NoContext {
    fn lookup(&self, _key: &str) -> Option<Values<'_>> {
        None
    }
}

/// A context held in a map.
#[derive(Debug, Clone, Default)]
pub struct MapContext {
    keys: BTreeMap<String, Values<'static>>,
}

impl MapContext {
    /// An empty context.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a single-valued key, written in any case.
    pub fn set(&mut self, key: &str, value: impl Into<String>) -> &mut Self {
        self.keys.insert(key.to_lowercase(), Values::One(Cow::Owned(value.into())));
        self
    }

    /// Sets a multi-valued key, written in any case.
    pub fn set_many(&mut self, key: &str, values: Vec<String>) -> &mut Self {
        self.keys.insert(key.to_lowercase(), Values::Many(Cow::Owned(values)));
        self
    }

    /// Its keys, in small letters, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Values<'static>)> {
        self.keys.iter().map(|(key, values)| (key.as_str(), values))
    }
}

impl Context for MapContext {
    fn lookup(&self, key: &str) -> Option<Values<'_>> {
        self.keys.get(key).map(|values| match values {
            Values::One(value) => Values::One(Cow::Borrowed(value)),
            Values::Many(values) => Values::Many(Cow::Borrowed(values)),
        })
    }
}
