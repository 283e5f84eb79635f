//! What has a policy of its own, and can have a URL: a function, each of its versions, each of its aliases.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Result};

use crate::alias::{self, Alias};
use crate::error;
use crate::function::{Function, FunctionName, Qualifier, Url};

/// A function or one of its versions, or an alias of a function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Holder {
    /// A function, or a version.
    Function(Function),
    /// An alias, with its function.
    Alias(Function, Box<Alias>),
}

impl Holder {
    /// What a name means, if it is there.
    pub(crate) fn look(cx: &Cx, from: &(impl Read + ?Sized), name: &FunctionName) -> Result<Option<Self>> {
        match Self::find(cx, from, name) {
            Ok(holder) => Ok(Some(holder)),
            Err(failure) if failure.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// What a name means, or AWS's error.
    pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &FunctionName) -> Result<Self> {
        let Qualifier::Alias(of) = name.what() else { return Ok(Self::Function(name.find_version(cx, from)?)) };
        let function = name.unqualified().find(cx, from)?;
        let alias = alias::find(from, &function, &of)?.ok_or_else(|| error::no_alias(&name.qualified_arn(cx)))?;
        Ok(Self::Alias(function, Box::new(alias)))
    }

    /// The one whose URL has this id.
    pub(crate) fn with_url(from: &(impl Read + ?Sized), function: Function, id: &str) -> Result<Option<Self>> {
        if function.url.as_ref().is_some_and(|url| url.id == id) {
            return Ok(Some(Self::Function(function)));
        }
        let mut aliases = alias::all(from, &function)?.into_iter();
        let found = aliases.find(|alias| alias.url.as_ref().is_some_and(|url| url.id == id));
        Ok(found.map(|alias| Self::Alias(function, Box::new(alias))))
    }

    /// The function that it is, or is of.
    pub(crate) fn function(&self) -> &Function {
        match self {
            Self::Function(function) | Self::Alias(function, _) => function,
        }
    }

    /// Its name, with its qualifier.
    pub(crate) fn name(&self) -> FunctionName {
        match self {
            Self::Function(function) => function.version_place(),
            Self::Alias(function, alias) => FunctionName { qualifier: Some(alias.name.clone()), ..function.place() },
        }
    }

    /// Statements of its policy, by their ids.
    pub(crate) fn permissions(&self) -> &[(String, String)] {
        match self {
            Self::Function(function) => &function.permissions,
            Self::Alias(_, alias) => &alias.permissions,
        }
    }

    pub(crate) fn permissions_mut(&mut self) -> &mut Vec<(String, String)> {
        match self {
            Self::Function(function) => &mut function.permissions,
            Self::Alias(_, alias) => &mut alias.permissions,
        }
    }

    pub(crate) fn url(&self) -> Option<&Url> {
        match self {
            Self::Function(function) => function.url.as_ref(),
            Self::Alias(_, alias) => alias.url.as_ref(),
        }
    }

    pub(crate) fn url_mut(&mut self) -> &mut Option<Url> {
        match self {
            Self::Function(function) => &mut function.url,
            Self::Alias(_, alias) => &mut alias.url,
        }
    }

    pub(crate) fn revision(&self) -> &str {
        match self {
            Self::Function(function) => &function.revision,
            Self::Alias(_, alias) => &alias.revision,
        }
    }

    /// Has it be another revision from now on.
    pub(crate) fn revise(&mut self, cx: &Cx) {
        let revision = match self {
            Self::Function(function) => &mut function.revision,
            Self::Alias(_, alias) => &mut alias.revision,
        };
        *revision = cx.random().uuid();
    }

    pub(crate) fn put(&self, tx: &mut Tx<'_>) {
        match self {
            Self::Function(function) => function.put(tx),
            Self::Alias(function, alias) => alias.put(tx, function),
        }
    }
}
