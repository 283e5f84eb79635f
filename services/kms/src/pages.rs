//! Lists by the page: `Limit`, `Marker`, `Truncated`.

use undercast_kernel::{Result, paging};

use crate::api::errors;

/// A page of a list, and the marker of the next one.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// The page of a list, in the order of its items' names, behind the marker. `scope` is the operation, and what it was asked
/// about.
///
/// # Errors
/// `InvalidMarkerException` for a marker of another list.
pub(crate) fn page<T>(
    all: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> String,
    scope: &str,
    usual: usize,
    limit: Option<i32>,
    marker: Option<String>,
) -> Result<Page<T>> {
    let behind = match marker {
        Some(marker) => {
            let found = paging::position(scope, &marker);
            Some(found.ok_or_else(|| errors::invalid_marker_exception("Could not deserialize marker"))?)
        }
        None => None,
    };
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usual);
    let mut items: Vec<(String, T)> = all.into_iter().map(|item| (name(&item), item)).collect();
    items.retain(|(name, _)| behind.as_ref().is_none_or(|behind| name > behind));
    items.sort_by(|(a, _), (b, _)| a.cmp(b));
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|(name, _)| paging::token(scope, name));
    Ok(Page { items: items.into_iter().map(|(_, item)| item).collect(), next })
}
