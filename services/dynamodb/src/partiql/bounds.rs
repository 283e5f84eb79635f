//! Ranges of keys: where they meet, and whether there is anything in them.

use std::ops::Bound;

/// A range of keys.
pub(super) type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// A bound as a place that keys are compared with: what lies behind an excluded lower bound is one byte longer.
fn lower(bound: &Bound<Vec<u8>>) -> Vec<u8> {
    match bound {
        Bound::Included(key) => key.clone(),
        Bound::Excluded(key) => [key.as_slice(), &[0]].concat(),
        Bound::Unbounded => Vec::new(),
    }
}

/// The place before which a range ends; `None` for one that does not end.
fn upper(bound: &Bound<Vec<u8>>) -> Option<Vec<u8>> {
    match bound {
        Bound::Included(key) => Some([key.as_slice(), &[0]].concat()),
        Bound::Excluded(key) => Some(key.clone()),
        Bound::Unbounded => None,
    }
}

/// What lies in both ranges.
pub(super) fn both(first: &Range, second: &Range) -> Range {
    let from = lower(&first.0).max(lower(&second.0));
    let to = match (upper(&first.1), upper(&second.1)) {
        (Some(first), Some(second)) => Some(first.min(second)),
        (some, other) => some.or(other),
    };
    (Bound::Included(from), to.map_or(Bound::Unbounded, Bound::Excluded))
}

/// Whether no key can lie in it.
pub(super) fn is_empty(range: &Range) -> bool {
    upper(&range.1).is_some_and(|to| to <= lower(&range.0))
}

/// Whether some key can lie in both.
pub(super) fn overlap(first: &Range, second: &Range) -> bool {
    !is_empty(first) && !is_empty(second) && !is_empty(&both(first, second))
}

/// The order in which ranges begin.
pub(super) fn begin_order(first: &Range, second: &Range) -> std::cmp::Ordering {
    lower(&first.0).cmp(&lower(&second.0))
}
