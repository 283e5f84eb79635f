//! Projections: parts of an item, in the shape they have in it.

use super::path::check_apart;
use super::{Element, ExpressionError, ExpressionKind, Path, Placeholders, Problem};
use crate::compact::{Corrupt, ListRef, MapRef, ValueRef};
use crate::value::{AttributeValue, Item};
use std::collections::BTreeMap;

/// The parts of an item that are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Projection {
    roots: BTreeMap<String, Wanted>,
    /// Names under which the wanted parts are answered side by side, as a SELECT names its columns. Without them the parts
    /// keep the shape that they have in the item.
    columns: Option<Vec<(String, Path)>>,
}

/// What is wanted of a value: all of it, or parts of it by their steps from here.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Whole,
    Parts(BTreeMap<Element, Wanted>),
}

/// Parses and binds a projection.
///
/// # Errors
/// What AWS says of it.
pub fn parse(text: &str, placeholders: &Placeholders) -> Result<Projection, ExpressionError> {
    let written = super::parse::projection(text)?;
    let bind = || -> Result<Projection, Problem> {
        written.paths.iter().try_for_each(super::syntax::Path::check_words)?;
        let paths = written.paths.iter().map(|path| path.bind(placeholders)).collect::<Result<Vec<_>, _>>()?;
        check_apart(paths.iter())?;
        Ok(Projection::of(&paths))
    };
    bind().map_err(|problem| problem.of(ExpressionKind::Projection))
}

impl Projection {
    /// The projection on these paths; what lies inside a wanted whole is part of it.
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut roots: BTreeMap<String, Wanted> = BTreeMap::new();
        for path in paths {
            roots.entry(path.root.clone()).or_default().want(&path.rest);
        }
        Self { roots, columns: None }
    }

    /// The projection that answers the values at these paths, each under its name.
    pub fn columns(columns: Vec<(String, Path)>) -> Self {
        let roots = Self::of(columns.iter().map(|(_, path)| path)).roots;
        Self { roots, columns: Some(columns) }
    }

    /// The attributes that are wanted in whole or in part.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.roots.keys().map(String::as_str)
    }

    /// The attributes of which only parts are wanted.
    pub fn nested(&self) -> impl Iterator<Item = &str> {
        let parts = |wanted: &&Wanted| matches!(wanted, Wanted::Parts(_));
        self.roots.iter().filter(move |(_, wanted)| parts(wanted)).map(|(name, _)| name.as_str())
    }

    /// The wanted parts of a stored item. Elements of lists move up into the places of those that are left out.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn apply(&self, item: MapRef<'_>) -> Result<Item, Corrupt> {
        if let Some(columns) = &self.columns {
            let value = |(name, path): &(String, Path)| {
                let found = path.find(item)?;
                Ok(found.map(ValueRef::to_value).transpose()?.map(|value| (name.clone(), value)))
            };
            return columns.iter().filter_map(|column| value(column).transpose()).collect();
        }
        let mut found = Vec::with_capacity(self.roots.len());
        for (name, wanted) in &self.roots {
            if let Some(value) = item.get(name)?
                && let Some(part) = wanted.take(value)?
            {
                found.push((name.clone(), part));
            }
        }
        Ok(found.into_iter().collect())
    }
}

impl Default for Wanted {
    fn default() -> Self {
        Self::Parts(BTreeMap::new())
    }
}

impl Wanted {
    fn want(&mut self, rest: &[Element]) {
        match (rest.split_first(), &mut *self) {
            (None, _) => *self = Self::Whole,
            (Some((step, rest)), Self::Parts(parts)) => parts.entry(step.clone()).or_default().want(rest),
            (Some(_), Self::Whole) => {}
        }
    }

    fn take(&self, value: ValueRef<'_>) -> Result<Option<AttributeValue>, Corrupt> {
        let Self::Parts(parts) = self else { return value.to_value().map(Some) };
        match value {
            ValueRef::M(map) => take_from_map(parts, map),
            ValueRef::L(list) => take_from_list(parts, list),
            _ => Ok(None),
        }
    }
}

fn take_from_map(parts: &BTreeMap<Element, Wanted>, map: MapRef<'_>) -> Result<Option<AttributeValue>, Corrupt> {
    let mut found = Vec::new();
    for (element, wanted) in parts {
        if let Element::Attribute(name) = element
            && let Some(value) = map.get(name)?
            && let Some(part) = wanted.take(value)?
        {
            found.push((name.clone(), part));
        }
    }
    Ok((!found.is_empty()).then(|| AttributeValue::M(found.into_iter().collect())))
}

fn take_from_list(parts: &BTreeMap<Element, Wanted>, list: ListRef<'_>) -> Result<Option<AttributeValue>, Corrupt> {
    let mut found = Vec::new();
    for (element, wanted) in parts {
        if let Element::Index(index) = element
            && let Some(value) = list.get(usize::try_from(*index).unwrap_or(usize::MAX))?
            && let Some(part) = wanted.take(value)?
        {
            found.push(part);
        }
    }
    Ok((!found.is_empty()).then_some(AttributeValue::L(found)))
}
