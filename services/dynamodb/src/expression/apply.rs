//! Carrying out an update on an item.

use super::update::{Action, Change, Operand, SetValue, Update, UpdateError};
use super::{Element, Path};
use crate::number::Number;
use crate::value::{AttributeValue, Item};

impl Update {
    /// The item as it is after the update. `exists` tells an item that is there from one that the update creates: AWS
    /// lets an update remove from the inside of nothing in the one case and not in the other.
    ///
    /// # Errors
    /// What AWS says of an update that does not fit the item.
    pub fn apply(&self, old: &Item, exists: bool) -> Result<Item, UpdateError> {
        let mut assignments: Vec<(&Path, AttributeValue)> = Vec::new();
        let mut removals: Vec<&Path> = Vec::new();
        for Action { path, change } in &self.actions {
            match change {
                Change::Set(value) => assignments.push((path, value.of(old)?)),
                Change::Add(value) => assignments.push((path, added(find(old, path), value)?)),
                Change::Remove => removals.push(path),
                Change::Delete(value) => match deleted(find(old, path), value)? {
                    Deleted::Left(rest) => assignments.push((path, rest)),
                    Deleted::Everything => removals.push(path),
                    Deleted::NothingThere => check_parent(old, path)?,
                },
            }
        }
        let mut new = old.clone();
        // In order of their places, so that what lies beyond the end of a list is appended in order of the indices.
        assignments.sort_by(|(a, _), (b, _)| (&a.root, &a.rest).cmp(&(&b.root, &b.rest)));
        for (path, value) in assignments {
            assign(&mut new, path, value)?;
        }
        // From the back, so that each index still means the place it meant in the old item.
        removals.sort_by(|a, b| (&b.root, &b.rest).cmp(&(&a.root, &a.rest)));
        for path in removals {
            if exists || path.rest.is_empty() {
                remove(&mut new, old, path)?;
            }
        }
        Ok(new)
    }

    /// The paths that the update changes, in the order in which they are written.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.actions.iter().map(|action| &action.path)
    }
}

fn find<'a>(item: &'a Item, path: &Path) -> Option<&'a AttributeValue> {
    let mut value = item.get(&path.root)?;
    for element in &path.rest {
        value = match (value, element) {
            (AttributeValue::M(map), Element::Attribute(name)) => map.get(name)?,
            (AttributeValue::L(list), Element::Index(index)) => list.get(usize::try_from(*index).ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// What the last step of a path leads into, and that step; `None` if the path is a whole attribute.
fn parent_mut<'a, 'b>(
    item: &'a mut Item,
    path: &'b Path,
) -> Result<Option<(&'a mut AttributeValue, &'b Element)>, UpdateError> {
    let Some((last, between)) = path.rest.split_last() else { return Ok(None) };
    let mut value = item.get_mut(&path.root).ok_or(UpdateError::Path)?;
    for element in between {
        value = match (value, element) {
            (AttributeValue::M(map), Element::Attribute(name)) => map.get_mut(name),
            (AttributeValue::L(list), Element::Index(index)) => {
                usize::try_from(*index).ok().and_then(|index| list.get_mut(index))
            }
            _ => None,
        }
        .ok_or(UpdateError::Path)?;
    }
    Ok(Some((value, last)))
}

/// Refuses a path into what is not there or cannot contain it.
fn check_parent(item: &Item, path: &Path) -> Result<(), UpdateError> {
    let Some((last, between)) = path.rest.split_last() else { return Ok(()) };
    let parent = Path { root: path.root.clone(), rest: between.to_vec() };
    match (find(item, &parent), last) {
        (Some(AttributeValue::M(_)), Element::Attribute(_)) | (Some(AttributeValue::L(_)), Element::Index(_)) => Ok(()),
        _ => Err(UpdateError::Path),
    }
}

fn assign(item: &mut Item, path: &Path, value: AttributeValue) -> Result<(), UpdateError> {
    match parent_mut(item, path)? {
        None => {
            item.insert(path.root.as_str(), value);
        }
        Some((AttributeValue::M(map), Element::Attribute(name))) => {
            map.insert(name.as_str(), value);
        }
        Some((AttributeValue::L(list), Element::Index(index))) => {
            match usize::try_from(*index).ok().and_then(|index| list.get_mut(index)) {
                Some(place) => *place = value,
                None => list.push(value),
            }
        }
        Some(_) => return Err(UpdateError::Path),
    }
    Ok(())
}

fn remove(item: &mut Item, old: &Item, path: &Path) -> Result<(), UpdateError> {
    // An index that the old list does not have means nothing, though the new one may have grown that far.
    let was_there = find(old, path).is_some();
    match parent_mut(item, path)? {
        None => {
            item.remove(&path.root);
        }
        Some((AttributeValue::M(map), Element::Attribute(name))) => {
            map.remove(name);
        }
        Some((AttributeValue::L(list), Element::Index(index))) => {
            if let Some(index) = usize::try_from(*index).ok().filter(|index| was_there && *index < list.len()) {
                list.remove(index);
            }
        }
        Some(_) => return Err(UpdateError::Path),
    }
    Ok(())
}

impl SetValue {
    fn of(&self, old: &Item) -> Result<AttributeValue, UpdateError> {
        match self {
            Self::Operand(operand) => operand.of(old),
            Self::Sum(left, right) => Ok(AttributeValue::N(left.number(old)?.checked_add(right.number(old)?)?)),
            Self::Difference(left, right) => Ok(AttributeValue::N(left.number(old)?.checked_sub(right.number(old)?)?)),
        }
    }
}

impl Operand {
    fn of(&self, old: &Item) -> Result<AttributeValue, UpdateError> {
        match self {
            Self::Path(path) => find(old, path).cloned().ok_or(UpdateError::NoSuchAttribute),
            Self::Value(value) => Ok(value.clone()),
            Self::IfNotExists(path, otherwise) => find(old, path).cloned().map_or_else(|| otherwise.of(old), Ok),
            Self::ListAppend(first, second) => match (first.of(old)?, second.of(old)?) {
                (AttributeValue::L(mut list), AttributeValue::L(more)) => {
                    list.extend(more);
                    Ok(AttributeValue::L(list))
                }
                _ => Err(UpdateError::OperandType),
            },
        }
    }

    fn number(&self, old: &Item) -> Result<Number, UpdateError> {
        match self.of(old)? {
            AttributeValue::N(number) => Ok(number),
            _ => Err(UpdateError::OperandType),
        }
    }
}

fn added(old: Option<&AttributeValue>, value: &AttributeValue) -> Result<AttributeValue, UpdateError> {
    use AttributeValue::{BS, N, NS, SS};
    Ok(match (old, value) {
        (None, value) => value.clone(),
        (Some(N(old)), N(more)) => N(old.checked_add(*more)?),
        (Some(SS(old)), SS(more)) => SS(old.clone().union(more.clone())),
        (Some(NS(old)), NS(more)) => NS(old.clone().union(more.clone())),
        (Some(BS(old)), BS(more)) => BS(old.clone().union(more.clone())),
        _ => return Err(UpdateError::OperandType),
    })
}

/// What a set has left after a DELETE.
enum Deleted {
    Left(AttributeValue),
    Everything,
    NothingThere,
}

fn deleted(old: Option<&AttributeValue>, value: &AttributeValue) -> Result<Deleted, UpdateError> {
    use AttributeValue::{BS, NS, SS};
    let left = match (old, value) {
        (None, _) => return Ok(Deleted::NothingThere),
        (Some(SS(old)), SS(gone)) => old.clone().difference(gone).map(SS),
        (Some(NS(old)), NS(gone)) => old.clone().difference(gone).map(NS),
        (Some(BS(old)), BS(gone)) => old.clone().difference(gone).map(BS),
        _ => return Err(UpdateError::OperandType),
    };
    Ok(left.map_or(Deleted::Everything, Deleted::Left))
}
