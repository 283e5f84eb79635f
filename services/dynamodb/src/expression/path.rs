//! Document paths: where in an item a value is.

use super::{Problem, syntax};
use crate::compact::{Corrupt, MapRef, ValueRef};
use std::fmt;

/// A path into an item, with no placeholders left in it: `a.b[1].c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The attribute of the item.
    pub root: String,
    /// The way on from there.
    pub rest: Vec<Element>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// `.name`, into a map.
    Attribute(String),
    /// `[index]`, into a list.
    Index(u32),
}

/// How two paths of one expression get in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meeting {
    /// Neither contains the other.
    Apart,
    /// They are the same, or one is inside the other.
    Overlap,
    /// One takes a value for a map and the other takes it for a list.
    Conflict,
}

impl Path {
    /// The path of a whole attribute.
    pub fn attribute(name: impl Into<String>) -> Self {
        Self { root: name.into(), rest: Vec::new() }
    }

    /// Whether it goes into an attribute's value.
    pub fn is_nested(&self) -> bool {
        !self.rest.is_empty()
    }

    /// The value at the path in a stored item, if there is one.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn find<'a>(&self, item: MapRef<'a>) -> Result<Option<ValueRef<'a>>, Corrupt> {
        let mut value = item.get(&self.root)?;
        for element in &self.rest {
            value = match (value, element) {
                (Some(ValueRef::M(map)), Element::Attribute(name)) => map.get(name)?,
                (Some(ValueRef::L(list)), Element::Index(index)) => {
                    list.get(usize::try_from(*index).unwrap_or(usize::MAX))?
                }
                _ => return Ok(None),
            };
        }
        Ok(value)
    }

    fn meets(&self, other: &Self) -> Meeting {
        if self.root != other.root {
            return Meeting::Apart;
        }
        for pair in self.rest.iter().zip(&other.rest) {
            match pair {
                (Element::Attribute(_), Element::Index(_)) | (Element::Index(_), Element::Attribute(_)) => {
                    return Meeting::Conflict;
                }
                (mine, theirs) if mine != theirs => return Meeting::Apart,
                _ => {}
            }
        }
        Meeting::Overlap
    }
}

impl fmt::Display for Path {
    /// As AWS shows paths in messages: `[a, b, [1]]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.root)?;
        for element in &self.rest {
            match element {
                Element::Attribute(name) => write!(f, ", {name}")?,
                Element::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}

/// Refuses paths of one expression that overlap or conflict. An overlap anywhere is reported before any conflict.
pub(super) fn check_apart<'a>(paths: impl Iterator<Item = &'a Path>) -> Result<(), Problem> {
    let mut seen: Vec<&Path> = Vec::new();
    let mut conflict = None;
    for path in paths {
        for earlier in &seen {
            match earlier.meets(path) {
                Meeting::Apart => {}
                Meeting::Overlap => return Err(Problem::Overlap((*earlier).clone(), path.clone())),
                Meeting::Conflict if conflict.is_none() => {
                    conflict = Some(Problem::Conflict((*earlier).clone(), path.clone()));
                }
                Meeting::Conflict => {}
            }
        }
        seen.push(path);
    }
    conflict.map_or(Ok(()), Err)
}

/// The last index a list can be asked for.
const MAX_INDEX: u32 = i32::MAX.cast_unsigned();

impl syntax::Path {
    /// The first reserved word written bare in it, or index out of range.
    pub(super) fn check_words(&self) -> Result<(), Problem> {
        self.parts.iter().try_for_each(|part| match part {
            syntax::Part::Name(name) if super::is_reserved(name) => Err(Problem::Reserved(name.as_str().into())),
            syntax::Part::Index(digits) => index(digits).map(drop),
            syntax::Part::Name(_) | syntax::Part::Placeholder(_) => Ok(()),
        })
    }

    /// The path with its placeholders replaced.
    pub(super) fn bind(&self, placeholders: &super::Placeholders) -> Result<Path, Problem> {
        let mut path = Path::attribute("");
        for (place, part) in self.parts.iter().enumerate() {
            let element = match part {
                syntax::Part::Name(name) => Element::Attribute(name.clone()),
                syntax::Part::Placeholder(name) => Element::Attribute(placeholders.name(name)?.to_owned()),
                syntax::Part::Index(digits) => Element::Index(index(digits)?),
            };
            match element {
                Element::Attribute(name) if place == 0 => path.root = name,
                element => path.rest.push(element),
            }
        }
        Ok(path)
    }
}

fn index(digits: &str) -> Result<u32, Problem> {
    let index = digits.parse().ok().filter(|index| *index <= MAX_INDEX);
    index.ok_or_else(|| Problem::IndexOutOfRange(digits.into()))
}
